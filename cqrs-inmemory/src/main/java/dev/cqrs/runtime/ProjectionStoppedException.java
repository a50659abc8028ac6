package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.message.CqrsException;

/**
 * A view was asked for whose projection has stopped: its fold or its executor failed, or the store holds
 * what cannot be read.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ProjectionStoppedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The projection's name. */
    private final String projection;
    /** The place in the log. */
    private final long position;

    /**
     * Makes the exception and its message; the failure's cause is the cause.
     *
     * @param failure why the projection stopped
     */
    public ProjectionStoppedException(ProjectionFailure failure) {
        super("Projection \"" + failure.projection() + "\" " + text(failure), failure.cause());
        this.projection = failure.projection();
        this.position = failure.position().value();
    }

    /** What became of it: the same is told of a failure that did not stop the projection, where nobody else listens. */
    private static String text(ProjectionFailure failure) {
        var at = " at position " + failure.position() + ": " + Follower.reason(failure.cause()) + ". ";
        return switch (failure.outcome()) {
            case STOPPED ->
                "stopped" + at
                        + "Its view is not kept up to date any more; mend the cause, then resume() or start a new engine.";
            case RETRIED -> "failed" + at + "It is tried again.";
            case PARKED -> "put aside the event" + at + "It goes on without it; mend the cause, then retryParked(key).";
            case REBUILD_ENDED -> "could not be rebuilt beyond the event" + at + "The version before goes on.";
        };
    }

    /**
     * Gives the projection's name.
     *
     * @return never {@code null}
     */
    public String projection() {
        return projection;
    }

    /**
     * Gives the position at which it stopped.
     *
     * @return never {@code null}
     */
    public Position position() {
        return Position.of(position);
    }
}
