package dev.cqrs.eventstore;

import dev.cqrs.event.Position;
import java.util.Objects;

/**
 * Which part of a query's events to read, and in which direction.
 *
 * <p>Bounds are positions of the log, whichever the direction: events after {@link #after()} and up to {@link #until()}
 * are read. The limit counts events, from the end at which reading begins.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ReadOptions {

    private static final long UNLIMITED = Long.MAX_VALUE;
    private static final Position END = Position.of(Long.MAX_VALUE);
    private static final ReadOptions FORWARDS = new ReadOptions(false, Position.START, END, UNLIMITED);
    private static final ReadOptions BACKWARDS = new ReadOptions(true, Position.START, END, UNLIMITED);

    private final boolean backwards;
    private final Position after;
    private final Position until;
    private final long limit;

    private ReadOptions(boolean backwards, Position after, Position until, long limit) {
        if (after.isAfter(until)) {
            throw new IllegalArgumentException("The range after " + after + " until " + until
                    + " is reversed; expected after to be no greater than until, also when reading backwards.");
        }
        this.backwards = backwards;
        this.after = after;
        this.until = until;
        this.limit = limit;
    }

    /**
     * Everything, the oldest event first.
     *
     * @return always the same instance
     */
    public static ReadOptions forwards() {
        return FORWARDS;
    }

    /**
     * Everything, the newest event first. The parts of one that is read as several (split by an upcaster) come in reverse, too.
     *
     * @return always the same instance
     */
    public static ReadOptions backwards() {
        return BACKWARDS;
    }

    /**
     * Leaves out the events up to and including {@code position}.
     *
     * @param position {@link Position#START} for none
     * @return a copy with this bound
     * @throws IllegalArgumentException if it lies behind {@link #until()}
     */
    public ReadOptions after(Position position) {
        return new ReadOptions(backwards, Objects.requireNonNull(position, "position"), until, limit);
    }

    /**
     * Leaves out the events behind {@code position}.
     *
     * @param position the last position to read; may lie behind the log's head
     * @return a copy with this bound
     * @throws IllegalArgumentException if it lies before {@link #after()}
     */
    public ReadOptions until(Position position) {
        return new ReadOptions(backwards, after, Objects.requireNonNull(position, "position"), limit);
    }

    /**
     * Reads at most {@code events} events, as they are stored: one that is read as several (split by an upcaster) counts once,
     * and comes whole.
     *
     * @param events zero or more
     * @return a copy with this limit
     * @throws IllegalArgumentException if {@code events} is negative
     */
    public ReadOptions limit(long events) {
        if (events < 0) {
            throw new IllegalArgumentException("The limit is " + events + " events; expected 0 or more.");
        }
        return new ReadOptions(backwards, after, until, events);
    }

    /**
     * Says whether the newest event comes first.
     *
     * @return the direction
     */
    public boolean isBackwards() {
        return backwards;
    }

    /**
     * Gives the position behind which reading begins (or, backwards, ends).
     *
     * @return {@link Position#START} unless set
     */
    public Position after() {
        return after;
    }

    /**
     * Gives the last position to read (or, backwards, the first).
     *
     * @return {@link Long#MAX_VALUE} unless set
     */
    public Position until() {
        return until;
    }

    /**
     * Gives the greatest number of events to read.
     *
     * @return {@link Long#MAX_VALUE} unless set
     */
    public long limit() {
        return limit;
    }

    /**
     * Says whether {@link #limit()} or {@link #until()} may cut off events that match the query.
     *
     * @return whether there is a limit or a last position
     */
    public boolean isCut() {
        return limit != UNLIMITED || until.value() != Long.MAX_VALUE;
    }

    @Override
    public String toString() {
        return (backwards ? "backwards" : "forwards") + " after " + after
                + (until.value() == Long.MAX_VALUE ? "" : " until " + until)
                + (limit == UNLIMITED ? "" : " limit " + limit);
    }
}
