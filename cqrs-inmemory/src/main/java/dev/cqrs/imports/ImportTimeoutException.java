package dev.cqrs.imports;

import dev.cqrs.event.Position;
import dev.cqrs.message.CqrsException;
import java.time.Duration;

/**
 * An import did not come up to a position of its source in time.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ImportTimeoutException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception and its message.
     *
     * @param source the name of the source
     * @param wanted the position that was waited for
     * @param reached the position it has reached
     * @param timeout how long was waited
     */
    public ImportTimeoutException(String source, Position wanted, Position reached, Duration timeout) {
        super("The import from \"" + source + "\" is at position " + reached + " of it after " + timeout + "; expected "
                + wanted + ". Wait longer, or look at its status.");
    }
}
