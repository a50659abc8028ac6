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
        super(
                "Projection \"" + failure.projection() + "\" stopped at position " + failure.position() + ": "
                        + failure.cause()
                        + (failure.retried()
                                ? ". It goes on from there with the next signal of its store."
                                : ". Its view is not kept up to date any more; mend the cause and start a new engine."),
                failure.cause());
        this.projection = failure.projection();
        this.position = failure.position().value();
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
