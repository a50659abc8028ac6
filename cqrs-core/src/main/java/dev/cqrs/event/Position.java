package dev.cqrs.event;

import java.util.Objects;

/**
 * The place of an event in its log: 1 for the first, ascending in the order in which events became visible.
 *
 * <p>Two events of one log never share a position. {@link #START} stands before the first event, so "after
 * {@code START}" means everything.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param value zero or more
 */
public record Position(long value) implements Comparable<Position> {

    /** The place before the first event: position 0, which no event has. */
    public static final Position START = new Position(0);

    /**
     * Checks the value.
     *
     * @param value zero or more
     * @throws IllegalArgumentException if {@code value} is negative
     */
    public Position {
        if (value < 0) {
            throw new IllegalArgumentException(
                    "A position is " + value + "; expected 0 (before the first event) or more.");
        }
    }

    /**
     * Gives the position with the given number.
     *
     * @param value zero or more
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code value} is negative
     */
    public static Position of(long value) {
        return value == 0 ? START : new Position(value);
    }

    /**
     * Says whether this position stands behind {@code other}.
     *
     * @param other never {@code null}
     * @return whether it is greater
     */
    public boolean isAfter(Position other) {
        return value > Objects.requireNonNull(other, "other").value;
    }

    @Override
    public int compareTo(Position other) {
        return Long.compare(value, other.value);
    }

    @Override
    public String toString() {
        return Long.toString(value);
    }
}
