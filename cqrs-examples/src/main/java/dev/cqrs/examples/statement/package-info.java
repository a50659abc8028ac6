/**
 * A bank whose data is spread over eight services, and a customer's statement out of all of them: asked of each when it
 * is wanted, and kept current by a projection over the events that were imported from each.
 *
 * <p>Begin with {@code StatementBank}, which wires it all, then {@code Ledger}, the view, and {@code Gathering};
 * {@code StatementServer} is the program.
 */
@NullMarked
package dev.cqrs.examples.statement;

import org.jspecify.annotations.NullMarked;
