/** Holds the documentation to what the code does: samples are compiled and run, links are followed. */
@NullMarked
package dev.cqrs.docs;

import org.jspecify.annotations.NullMarked;
