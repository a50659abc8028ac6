/** Holds the planted defects of cqrs-testing/planted to the code: each of them can still be planted, and has its test. */
@NullMarked
package dev.cqrs.planted;

import org.jspecify.annotations.NullMarked;
