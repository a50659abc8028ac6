package dev.cqrs.eventstore;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * The log: an ordered, growing sequence of events with one primitive, the conditional append of the DCB specification
 * (https://dcb.events/specification).
 *
 * <p><b>Order:</b> positions begin at 1, are unique, ascending and become visible in order: whoever sees a position has
 * been able to see all before it. A store may leave gaps between appends; the ones of this library leave none. Events of one append stand next to each other. {@code recordedAt} never goes back.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public interface EventStore {

    /**
     * Appends all of {@code events}, or none: if and only if every clause of {@code condition} holds at that moment.
     *
     * @param events objects of classes that the catalog knows, in order; not empty, copied before anything is checked
     * @param condition what must be true; {@link AppendCondition#none()} for nothing
     * @param metadata kept with each event
     * @return where the events stand
     * @throws AppendConflictException if a clause does not hold, the first such; nothing was written. Where another
     *     clause is at fault as well, either may be told
     * @throws AppendOutcomeUnknownException if the store cannot tell whether it wrote
     * @throws dev.cqrs.event.UnknownEventException if the catalog does not know an event, or a type in the condition;
     *     nothing was written
     * @throws IllegalArgumentException if {@code events} is empty, a clause speaks of a position behind the head, or a
     *     store that keeps bytes cannot keep an event; nothing was written
     * @throws NullPointerException if an argument or an event is {@code null}; nothing was written
     * @throws IllegalStateException if called from within a projection's fold, or the reading of a view that is changed in
     *     place; nothing was written
     */
    Appended append(List<?> events, AppendCondition condition, Metadata metadata);

    /**
     * Appends without metadata, otherwise as {@link #append(List, AppendCondition, Metadata)}.
     *
     * @param events not empty
     * @param condition what must be true
     * @return where the events stand
     */
    default Appended append(List<?> events, AppendCondition condition) {
        return append(events, condition, Metadata.none());
    }

    /**
     * Reads the events that match {@code query}, as one consistent snapshot of the log.
     *
     * @param query which events
     * @param options which part of them, in which direction; a range behind the head holds nothing
     * @return a cursor before the first event; close it
     * @throws NullPointerException if an argument is {@code null}
     * @throws dev.cqrs.event.UnknownEventException if the catalog does not know a type in the query
     */
    EventStream read(EventQuery query, ReadOptions options);

    /**
     * Reads all events that match {@code query}, the oldest first, otherwise as {@link #read(EventQuery, ReadOptions)}.
     *
     * @param query which events
     * @return a cursor before the first event; close it
     */
    default EventStream read(EventQuery query) {
        return read(query, ReadOptions.forwards());
    }

    /**
     * Gives the position of the last event.
     *
     * @return {@link Position#START} if the log is empty
     */
    Position head();

    /**
     * Says whether the events up to a position stand for good: not so those that only a transaction under way sees, which may
     * be rolled back, and others take their positions. Whoever keeps something made of events elsewhere asks before.
     *
     * @param position one that was read here
     * @return {@code true} unless a store says otherwise; one in front of another says what that says
     */
    default boolean isCommitted(Position position) {
        Objects.requireNonNull(position, "position");
        return true;
    }

    /**
     * Gives the events this store may hold.
     *
     * @return the catalog given at construction
     */
    Catalog catalog();

    /**
     * Has {@code signal} called around the appends of this store object, until the result is closed.
     *
     * <p>For those who follow the log. The signal tells that there is more to read, not what; following without gap or
     * duplicate is the business of {@code dev.cqrs.runtime}.
     *
     * @param signal called on appending threads, by several at once, never with a lock of the store held
     * @return ends the calls when closed; a call that is under way may still end afterwards
     */
    Subscription onAppend(Signal signal);

    /**
     * Gives something that reads the events of a query again and again, a few at a time, if this store can do so more cheaply
     * than by a stream for each time.
     *
     * <p>For those who follow the log; whoever gets none reads streams. A store that splits stored events into several has
     * none.
     *
     * @param query which events
     * @return empty unless a store says otherwise
     * @throws dev.cqrs.event.UnknownEventException if the catalog does not know a type in the query
     */
    default Optional<Feed> feed(EventQuery query) {
        Objects.requireNonNull(query, "query");
        return Optional.empty();
    }

    /**
     * Reads the events of a query, a few at a time, from wherever the caller is.
     *
     * <p><b>Threads:</b> used by one thread at a time.
     */
    @FunctionalInterface
    interface Feed {

        /**
         * Reads the next events, oldest first, as many as there are and the arrays hold.
         *
         * @param after the position behind which to begin
         * @param until the last position to read
         * @param events takes the events, from index 0 on
         * @param positions takes the values of their positions, as many as there is room for events
         * @return how many events; less than there is room for if there are no more
         */
        int read(Position after, Position until, Object[] events, long[] positions);
    }

    /** Who wants to know of appends. */
    @FunctionalInterface
    interface Signal {

        /**
         * Tells that an append was committed, before it returns to its caller.
         *
         * <p>What it throws does not reach the appender, whose events stand: it goes to the thread's
         * {@linkplain Thread#getUncaughtExceptionHandler() handler of uncaught exceptions}, and what that throws to nobody.
         *
         * @param last the place of the append's last event
         */
        void appended(Position last);

        /**
         * Asks whether the calling thread may append now; called before anything is written.
         *
         * @throws IllegalStateException if it may not, for instance because it is in the middle of a fold
         */
        default void beforeAppend() {}
    }

    /** What is closed to end the calls of a {@link Signal}. */
    @FunctionalInterface
    interface Subscription extends AutoCloseable {

        /** Ends the calls; a second call does nothing. */
        @Override
        void close();
    }
}
