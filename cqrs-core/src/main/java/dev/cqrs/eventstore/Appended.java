package dev.cqrs.eventstore;

import dev.cqrs.event.Position;
import java.util.Objects;

/**
 * Where an append put its events: they stand next to each other, from the first position to the last.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param first the place of the first event
 * @param last the place of the last event; the log's head just after this append
 */
public record Appended(Position first, Position last) {

    /**
     * Checks the order.
     *
     * @param first the place of the first event
     * @param last the place of the last event; the log's head just after this append
     * @throws IllegalArgumentException if {@code first} lies behind {@code last}
     */
    public Appended {
        Objects.requireNonNull(first, "first");
        Objects.requireNonNull(last, "last");
        if (first.isAfter(last)) {
            throw new IllegalArgumentException("Appended from " + first + " to " + last + "; expected ascending.");
        }
    }
}
