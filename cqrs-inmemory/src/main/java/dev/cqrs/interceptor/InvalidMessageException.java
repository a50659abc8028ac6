package dev.cqrs.interceptor;

import dev.cqrs.message.CqrsException;
import java.util.List;

/**
 * A message was refused by a {@link Validation}; its handler was not called.
 *
 * <p>It has no stack trace: messages from outside are wrong every day.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class InvalidMessageException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The class of the message. */
    private final Class<?> messageType;
    /** What is wrong, one by one. */
    @SuppressWarnings("serial") // a list of List.copyOf is serialisable
    private final List<String> faults;

    /**
     * Makes the exception and its message.
     *
     * @param messageType the class of the message
     * @param faults what is wrong with it; at least one that is not blank; copied
     * @throws IllegalArgumentException if there is none, or all are blank
     */
    public InvalidMessageException(Class<?> messageType, List<String> faults) {
        super(message(messageType, faults), false);
        this.messageType = messageType;
        this.faults = List.copyOf(faults);
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
     * Gives what is wrong with it, in the order of the checks.
     *
     * @return an unmodifiable list, never empty
     */
    public List<String> faults() {
        return faults;
    }

    private static String message(Class<?> messageType, List<String> faults) {
        if (faults.stream().allMatch(String::isBlank)) {
            throw new IllegalArgumentException("faults of " + messageType.getName()
                    + " are empty or blank: an InvalidMessageException tells at least one");
        }
        return messageType.getSimpleName() + " is not valid: " + String.join("; ", faults)
                + ". It was not handled. Correct it and send it again.";
    }
}
