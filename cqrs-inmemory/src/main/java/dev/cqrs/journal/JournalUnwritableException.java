package dev.cqrs.journal;

import dev.cqrs.message.CqrsException;
import dev.cqrs.task.Reasons;

/**
 * A command was refused before its handler was called, as the journal could not write that it starts.
 *
 * <p>If the cause is a {@link dev.cqrs.eventstore.AppendOutcomeUnknownException}, the start may stand in the journal all the
 * same, as an entry whose outcome stays unknown. {@link Journal#settle} can say that it did not take effect.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class JournalUnwritableException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The stable name of the command. */
    private final String command;

    /**
     * Makes the exception and its message.
     *
     * @param command the stable name of the command
     * @param cause what the operations log threw
     */
    public JournalUnwritableException(String command, Throwable cause) {
        super(
                "The command \"" + command + "\" was not carried out, as the journal could not write that it starts: "
                        + Reasons.of(cause)
                        + ". Mend the operations log and send the command again; or build the journal with bestEffort(),"
                        + " which lets commands through that it cannot write down.",
                cause);
        this.command = command;
    }

    /**
     * Gives the stable name of the command.
     *
     * @return never {@code null}
     */
    public String command() {
        return command;
    }
}
