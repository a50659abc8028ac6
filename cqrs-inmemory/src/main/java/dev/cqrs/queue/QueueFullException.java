package dev.cqrs.queue;

import dev.cqrs.message.CqrsException;
import java.util.Objects;

/**
 * A command queue holds as many commands as it may, and did not accept another one.
 *
 * <p>The command was not and will not be dispatched. It has no stack trace, as it is part of normal work: refusing costs
 * about as much as its message.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class QueueFullException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The class of the command. */
    private final Class<?> commandType;

    /** The bound of the queue. */
    private final int capacity;

    /**
     * Makes the exception.
     *
     * @param commandType the class of the command that was refused
     * @param capacity how many commands the queue may hold
     * @param why why it did not wait for room, and what cures that
     */
    QueueFullException(Class<?> commandType, int capacity, String why) {
        super(
                "The queue is full and refused a " + commandType.getName() + ": it holds the " + capacity
                        + " commands it may. " + why,
                false);
        this.commandType = Objects.requireNonNull(commandType, "commandType");
        this.capacity = capacity;
    }

    /**
     * Gives the class of the command that was refused.
     *
     * @return never {@code null}
     */
    public Class<?> commandType() {
        return commandType;
    }

    /**
     * Gives how many commands the queue may hold.
     *
     * @return one or more
     */
    public int capacity() {
        return capacity;
    }
}
