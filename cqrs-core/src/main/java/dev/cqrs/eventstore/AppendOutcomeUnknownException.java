package dev.cqrs.eventstore;

import dev.cqrs.message.CqrsException;

/**
 * A store cannot tell whether an append was written: the reply to its commit was lost.
 *
 * <p>Reading the log tells; trying again under the same command id is safe. A store in memory never throws this.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class AppendOutcomeUnknownException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception and its message.
     *
     * @param what what was being appended
     * @param cause what the store saw
     */
    public AppendOutcomeUnknownException(String what, Throwable cause) {
        super(
                "It is not known whether " + what + " was written: " + textOf(cause)
                        + ". Read the log to find out, or try again under the same command id.",
                cause);
    }

    /** What the store saw may be unable to tell what it is. */
    private static String textOf(Throwable cause) {
        try {
            return cause.toString();
        } catch (Throwable mute) {
            return cause.getClass().getName();
        }
    }
}
