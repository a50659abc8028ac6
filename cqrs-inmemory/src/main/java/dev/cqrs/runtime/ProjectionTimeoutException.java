package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.message.CqrsException;
import java.time.Duration;

/**
 * A projection did not come up to a position in time.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ProjectionTimeoutException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception and its message.
     *
     * @param projection its name
     * @param wanted the position that was waited for
     * @param reached the position it has reached
     * @param timeout how long was waited
     */
    public ProjectionTimeoutException(String projection, Position wanted, Position reached, Duration timeout) {
        super("Projection \"" + projection + "\" is at position " + reached + " after " + timeout + "; expected "
                + wanted + ". Wait longer, or look at its status.");
    }
}
