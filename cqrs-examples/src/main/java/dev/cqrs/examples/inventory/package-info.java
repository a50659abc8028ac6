/**
 * CQRS without event sourcing: a handler that keeps its state in a table of its own, and tells afterwards what
 * happened.
 *
 * <p>Begin with {@code Inventory}.
 */
@NullMarked
package dev.cqrs.examples.inventory;

import org.jspecify.annotations.NullMarked;
