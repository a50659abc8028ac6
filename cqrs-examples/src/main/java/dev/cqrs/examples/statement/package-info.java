/**
 * A bank whose data is spread over eight services, and a customer's statement out of all of them: asked of each when it
 * is wanted, and kept current by a projection over the events that were imported from each.
 */
@NullMarked
package dev.cqrs.examples.statement;

import org.jspecify.annotations.NullMarked;
