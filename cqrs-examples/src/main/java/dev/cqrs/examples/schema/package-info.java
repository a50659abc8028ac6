/**
 * Events that have changed over the years: one catalog that reads all that was ever written.
 *
 * <p>Begin with {@code Orders}; its test reads a kept example of every revision.
 */
@NullMarked
package dev.cqrs.examples.schema;

import org.jspecify.annotations.NullMarked;
