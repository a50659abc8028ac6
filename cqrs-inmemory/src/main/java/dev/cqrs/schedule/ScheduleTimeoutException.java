package dev.cqrs.schedule;

import dev.cqrs.message.CqrsException;
import java.time.Duration;

/**
 * A stored command did not come to an end in time.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ScheduleTimeoutException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception and its message.
     *
     * @param command how the command stands
     * @param timeout how long was waited
     */
    public ScheduleTimeoutException(ScheduledCommand command, Duration timeout) {
        super("The stored command \"" + command.id() + "\" is " + command.state() + " after " + timeout
                + "; expected an end. Wait longer, or see with status() whether a worker is there.");
    }
}
