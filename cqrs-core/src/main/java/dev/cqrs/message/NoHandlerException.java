package dev.cqrs.message;

import java.util.Objects;

/**
 * A message was sent for whose class no handler is registered.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class NoHandlerException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The class of the message. */
    private final Class<?> messageType;

    /**
     * Makes the exception and its message.
     *
     * @param messageType the class without a handler
     * @param hint the nearest registered kin, or what else may help; empty if there is none
     */
    public NoHandlerException(Class<?> messageType, String hint) {
        super("No handler for "
                + Objects.requireNonNull(messageType, "messageType").getName() + "."
                + (hint.isEmpty() ? "" : " " + hint)
                + " Register a handler for it with the builder, before build().");
        this.messageType = messageType;
    }

    /**
     * Gives the class for which no handler is registered.
     *
     * @return never {@code null}
     */
    public Class<?> messageType() {
        return messageType;
    }
}
