package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * How a projection stands, at one moment.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param name the projection's name
 * @param version the projection's version
 * @param state whether it still follows the log
 * @param position the last position of the log that its view takes into account, but for events put aside
 * @param head the last position of the log; the last that was seen, if the store cannot tell
 * @param rate how many events a second it has folded of late; empty if the engine was given no clock
 * @param parked how many events are put aside
 * @param failure why it stopped, or what is being tried again, if there is such
 * @param lastError what last went wrong since the engine began, whatever was made of it
 * @param rebuild how far a new version has come that is being built, or the last one that was
 */
public record ProjectionStatus(
        String name,
        int version,
        State state,
        Position position,
        Position head,
        OptionalDouble rate,
        int parked,
        Optional<ProjectionFailure> failure,
        Optional<ProjectionFailure> lastError,
        Optional<Rebuild.Progress> rebuild) {

    /** Whether a projection still follows the log. */
    public enum State {
        /** It follows the log. */
        RUNNING,
        /** It follows the log, but something has failed and is tried again. */
        RETRYING,
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
     * @param position the last position of the log that its view takes into account, but for events put aside
     * @param head the last position of the log; the last that was seen, if the store cannot tell
     * @param rate how many events a second it has folded of late; empty if the engine was given no clock
     * @param parked how many events are put aside
     * @param failure why it stopped, or what is being tried again, if there is such
     * @param lastError what last went wrong since the engine began, whatever was made of it
     * @param rebuild how far a new version has come that is being built, or the last one that was
     * @throws NullPointerException if a part is {@code null}
     */
    public ProjectionStatus {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(head, "head");
        Objects.requireNonNull(rate, "rate");
        Objects.requireNonNull(failure, "failure");
        Objects.requireNonNull(lastError, "lastError");
        Objects.requireNonNull(rebuild, "rebuild");
    }

    /**
     * Gives how many positions of the log the view does not take into account yet.
     *
     * @return zero or more
     */
    public long lag() {
        return Math.max(0, head.value() - position.value());
    }

    /**
     * Says whether nothing is amiss: it follows the log, nothing is being tried again, and no event is put aside.
     *
     * @return whether nobody need look at it
     */
    public boolean isWell() {
        return state == State.RUNNING && parked == 0;
    }
}
