package dev.cqrs.decider;

import dev.cqrs.message.CqrsException;
import java.util.Objects;

/**
 * A command was refused by its decision; nothing was appended, and sending it again is pointless until the state
 * changes.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class RejectedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The class of the refused command. */
    private final Class<?> commandType;
    /** The reason as the decision gave it. */
    private final String reason;

    /**
     * Makes the exception and its message.
     *
     * @param commandType the class of the refused command
     * @param reason as the decision gave it
     */
    public RejectedException(Class<?> commandType, String reason) {
        super(commandType.getSimpleName() + " was rejected: " + Objects.requireNonNull(reason, "reason"), false);
        this.commandType = commandType;
        this.reason = reason;
    }

    /**
     * Gives the class of the refused command.
     *
     * @return never {@code null}
     */
    public Class<?> commandType() {
        return commandType;
    }

    /**
     * Gives the reason as the decision gave it.
     *
     * @return never {@code null}
     */
    public String reason() {
        return reason;
    }
}
