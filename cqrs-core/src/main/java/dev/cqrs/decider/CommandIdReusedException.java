package dev.cqrs.decider;

import dev.cqrs.event.Position;
import dev.cqrs.message.CqrsException;

/**
 * A command, or a batch of them, has the id of another one that was carried out before, or refused for good; nothing was
 * appended.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class CommandIdReusedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The id. */
    private final String id;
    /** Where the other command was carried out, or refused. */
    private final long position;

    /**
     * Makes the exception and its message.
     *
     * @param id the id
     * @param commandType the class of the refused command
     * @param position where the other command was carried out, or its rejection noted
     */
    public CommandIdReusedException(String id, Class<?> commandType, Position position) {
        super(
                commandType.getSimpleName() + " has the id \"" + id
                        + "\", which another command has in the log, at position " + position
                        + "; expected the same command again, or a new id. Nothing was appended.",
                false);
        this.id = id;
        this.position = position.value();
    }

    /**
     * Gives the id.
     *
     * @return never {@code null}
     */
    public String id() {
        return id;
    }

    /**
     * Gives the place in the log where the other command was carried out.
     *
     * @return never {@code null}
     */
    public Position position() {
        return Position.of(position);
    }
}
