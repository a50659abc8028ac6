package dev.cqrs.message;

import java.util.Objects;

/**
 * A handler, or an interceptor around it, failed in a way that the caller could not have been told directly: it threw a
 * checked exception, which is the cause, or it returned {@code null}.
 *
 * <p>Unchecked exceptions and errors are never wrapped. If the cause is an {@link InterruptedException}, the thread's
 * interrupt flag has been set again.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class HandlerFailedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The class of the message. */
    private final Class<?> messageType;

    /**
     * Makes the exception for a checked exception.
     *
     * @param messageType the class of the message that was being handled
     * @param cause what was thrown
     */
    public HandlerFailedException(Class<?> messageType, Throwable cause) {
        super(
                "The handler of "
                        + Objects.requireNonNull(messageType, "messageType").getName()
                        + ", or an interceptor around it, threw a checked exception: "
                        + textOf(Objects.requireNonNull(cause, "cause"))
                        + ". See the cause; throw an unchecked exception where the caller is to catch it directly.",
                cause);
        this.messageType = messageType;
    }

    /**
     * Makes the exception for a {@code null} result.
     *
     * @param messageType the class of the message that was being handled
     * @param culprit what returned {@code null}: the handler or an interceptor, and where it was registered
     */
    public HandlerFailedException(Class<?> messageType, String culprit) {
        super(Objects.requireNonNull(culprit, "culprit") + " returned null for "
                + Objects.requireNonNull(messageType, "messageType").getName()
                + "; expected a result. Return Done.DONE where there is nothing to tell, or an Optional where"
                + " there may be nothing.");
        this.messageType = messageType;
    }

    /** What was thrown may be unable to tell what it is. */
    private static String textOf(Throwable cause) {
        try {
            return cause.toString();
        } catch (Throwable mute) {
            return cause.getClass().getName();
        }
    }

    /**
     * Gives the class of the message that was being handled.
     *
     * @return never {@code null}
     */
    public Class<?> messageType() {
        return messageType;
    }
}
