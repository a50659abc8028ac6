package dev.cqrs.schedule;

import dev.cqrs.event.Position;
import dev.cqrs.message.CqrsException;
import java.util.Objects;

/**
 * A command was to be stored under an id under which another one is stored already; nothing was stored.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ScheduleIdReusedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The id. */
    private final String id;
    /** The place of the other command. */
    private final long position;

    /**
     * Makes the exception and its message.
     *
     * @param id the id
     * @param commandType the class of the refused command
     * @param position the place of the other command in the operations log
     */
    public ScheduleIdReusedException(String id, Class<?> commandType, Position position) {
        super(commandType.getSimpleName() + " has the id \"" + id
                + "\", under which another command is stored at position " + position
                + "; expected one equal to it, or a new id. Nothing was stored.");
        this.id = Objects.requireNonNull(id, "id");
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
     * Gives the place of the other command in the operations log.
     *
     * @return never {@code null}
     */
    public Position position() {
        return Position.of(position);
    }
}
