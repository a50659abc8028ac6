package dev.cqrs.eventstore;

import dev.cqrs.event.Position;
import dev.cqrs.message.CqrsException;

/**
 * An append was refused because a clause of its condition does not hold; nothing was written.
 *
 * <p>It has no stack trace: conflicts are part of normal work, and the trace would cost more than the append.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class AppendConflictException extends CqrsException {

    private static final long serialVersionUID = 1L;

    private final transient AppendCondition.Clause clause;
    /** The place in the log. */
    private final long position;
    /** Whether trying again can help. */
    private final boolean retryable;

    /**
     * Makes the exception and its message.
     *
     * @param clause the first clause that does not hold
     * @param position the place of an event that it forbids
     */
    public AppendConflictException(AppendCondition.Clause clause, Position position) {
        super("conflict", false);
        this.clause = clause;
        this.position = position.value();
        this.retryable = clause.isRetryable();
    }

    /** Made when asked for, as most conflicts are retried and their message is never read. */
    @Override
    public String getMessage() {
        return clause == null
                ? "The append was refused and nothing written: position " + position + " holds a forbidden event."
                : "The append was refused and nothing written: expected " + clause + ", but position " + position
                        + " holds one."
                        + (retryable
                                ? " Read, decide and append again."
                                : " Trying again cannot help while that event is in the log.");
    }

    /**
     * Gives the first clause that does not hold.
     *
     * @return never {@code null}, except in an exception that was serialised and read again
     */
    public AppendCondition.Clause clause() {
        return clause;
    }

    /**
     * Gives the place of an event that the clause forbids.
     *
     * @return never {@code null}
     */
    public Position position() {
        return Position.of(position);
    }

    /**
     * Says whether reading, deciding and appending again can help.
     *
     * @return {@code false} if the clause forbids the event anywhere in the log
     */
    public boolean isRetryable() {
        return retryable;
    }
}
