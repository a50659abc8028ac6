/** Holds all examples to what makes them easy to read. */
@NullMarked
package dev.cqrs.examples;

import org.jspecify.annotations.NullMarked;
