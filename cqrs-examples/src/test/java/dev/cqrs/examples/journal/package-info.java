@NullMarked
package dev.cqrs.examples.journal;

import org.jspecify.annotations.NullMarked;
