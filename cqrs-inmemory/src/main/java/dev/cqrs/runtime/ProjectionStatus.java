package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import java.util.Objects;
import java.util.Optional;

/**
 * How a projection stands, at one moment.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param name the projection's name
 * @param version the projection's version
 * @param state whether it still follows the log
 * @param position the last position of the log that its view takes into account
 * @param head the last position of the log
 * @param failure why it stopped, or what is being tried again, if there is such
 */
public record ProjectionStatus(
        String name, int version, State state, Position position, Position head, Optional<ProjectionFailure> failure) {

    /** Whether a projection still follows the log. */
    public enum State {
        /** It follows the log. */
        RUNNING,
        /** It failed, and is not tried again. */
        STOPPED,
        /** Its engine was closed. */
        CLOSED
    }

    /**
     * Checks for nulls.
     *
     * @param name the projection's name
     * @param version the projection's version
     * @param state whether it still follows the log
     * @param position the last position of the log that its view takes into account
     * @param head the last position of the log
     * @param failure why it stopped, or what is being tried again, if there is such
     * @throws NullPointerException if a part is {@code null}
     */
    public ProjectionStatus {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(head, "head");
        Objects.requireNonNull(failure, "failure");
    }

    /**
     * Gives how many positions of the log the view does not take into account yet.
     *
     * @return zero or more
     */
    public long lag() {
        return Math.max(0, head.value() - position.value());
    }
}
