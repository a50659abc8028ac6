package dev.cqrs.interceptor;

import dev.cqrs.message.CqrsException;
import java.util.Objects;

/**
 * A message was refused by an {@link Authorization}; its handler was not called.
 *
 * <p>It has no stack trace: what is refused is no fault of the program.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class NotAuthorizedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The class of the message. */
    private final Class<?> messageType;
    /** The reason as the rule gave it. */
    private final String reason;

    /**
     * Makes the exception and its message.
     *
     * @param messageType the class of the message
     * @param reason as the rule gave it; not blank
     * @throws IllegalArgumentException if the reason is blank
     */
    public NotAuthorizedException(Class<?> messageType, String reason) {
        super(message(messageType, reason), false);
        this.messageType = messageType;
        this.reason = reason;
    }

    /**
     * Gives the class of the message.
     *
     * @return never {@code null}
     */
    public Class<?> messageType() {
        return messageType;
    }

    /**
     * Gives the reason as the rule gave it.
     *
     * @return never {@code null} nor blank
     */
    public String reason() {
        return reason;
    }

    private static String message(Class<?> messageType, String reason) {
        if (Objects.requireNonNull(reason, "reason").isBlank()) {
            throw new IllegalArgumentException("The reason why " + messageType.getName()
                    + " is not allowed is blank; expected words for whoever sent it.");
        }
        return messageType.getSimpleName() + " is not allowed: " + reason + ". It was not handled.";
    }
}
