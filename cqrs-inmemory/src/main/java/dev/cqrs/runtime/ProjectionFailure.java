package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import java.util.Objects;

/**
 * What went wrong in a projection, and what was made of it.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param projection its name
 * @param position the event that failed; or, if the failure was not that of an event, the last one that was folded
 * @param cause what was thrown
 * @param outcome what was made of it
 */
public record ProjectionFailure(String projection, Position position, Throwable cause, Outcome outcome) {

    /** What was made of a failure. */
    public enum Outcome {
        /** The projection has stopped. */
        STOPPED,
        /** It is tried again, after a delay or with the next signal of the store. */
        RETRIED,
        /** The event was put aside, and the projection goes on. */
        PARKED,
        /** A new version that was being built is given up; the one before it goes on. */
        REBUILD_ENDED
    }

    /**
     * Checks for nulls.
     *
     * @param projection its name
     * @param position the event that failed; or, if the failure was not that of an event, the last one that was folded
     * @param cause what was thrown
     * @param outcome what was made of it
     * @throws NullPointerException if a part is {@code null}
     */
    public ProjectionFailure {
        Objects.requireNonNull(projection, "projection");
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(cause, "cause");
        Objects.requireNonNull(outcome, "outcome");
    }

    /**
     * Says whether it is tried again by itself.
     *
     * @return whether the outcome is {@link Outcome#RETRIED}
     */
    public boolean retried() {
        return outcome == Outcome.RETRIED;
    }
}
