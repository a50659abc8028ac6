package dev.cqrs.decider;

import dev.cqrs.message.CqrsException;
import java.util.Objects;

/**
 * A command was refused by its decision; nothing of it was appended, and sending it again is pointless until the state
 * changes, or at all under the same id if the rejection {@linkplain #isNoted() is noted}.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class RejectedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The class of the refused command. */
    private final Class<?> commandType;
    /** The reason as the decision gave it. */
    private final String reason;
    /** Whether the log tells of it. */
    private final boolean noted;

    /**
     * Makes the exception and its message.
     *
     * @param commandType the class of the refused command
     * @param reason as the decision gave it; not blank
     * @throws IllegalArgumentException if the reason is blank
     */
    public RejectedException(Class<?> commandType, String reason) {
        this(commandType, reason, false);
    }

    private RejectedException(Class<?> commandType, String reason, boolean noted) {
        super(message(commandType, reason), false);
        this.commandType = commandType;
        this.reason = reason;
        this.noted = noted;
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
     * @return never {@code null} nor blank
     */
    public String reason() {
        return reason;
    }

    /**
     * Gives the same rejection as one that is noted, for handlers of other kinds that note it, and for what brings it here from
     * another process.
     *
     * @return a new exception
     */
    public RejectedException noted() {
        return new RejectedException(commandType, reason, true);
    }

    /**
     * Says whether the rejection is written down, so that the command takes no effect under its id any more, whoever sends it,
     * for as long as ids are remembered.
     *
     * @return {@code true} for a command that was said to be {@linkplain dev.cqrs.message.Metadata#REPEATED repeated}, or was
     *     rejected when it was, by a handler that is {@linkplain DecisionHandler#idempotent() idempotent}
     */
    public boolean isNoted() {
        return noted;
    }

    private static String message(Class<?> commandType, String reason) {
        if (Objects.requireNonNull(reason, "reason").isBlank()) {
            throw new IllegalArgumentException("The reason why " + commandType.getName()
                    + " was rejected is blank; expected words for the one who sent it.");
        }
        return commandType.getSimpleName() + " was rejected: " + reason;
    }
}
