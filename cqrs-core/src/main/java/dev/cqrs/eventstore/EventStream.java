package dev.cqrs.eventstore;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The events of one consistent snapshot of the log: a cursor that moves over them once, lazily.
 *
 * <pre>{@code
 * try (var events = store.read(EventQuery.tagged(account))) {
 *     var state = events.fold(fold);
 *     store.append(decide(state), events.unchanged());
 * }
 * }</pre>
 *
 * <p>Events appended after the read began are not in it. The cursor stands before the first event until
 * {@link #advance()} is called.
 *
 * <p><b>Threads:</b> not thread-safe: used by one thread at a time.
 *
 * <p><b>Errors:</b> after {@link #close()} its methods throw {@link IllegalStateException}; so do those that speak of the
 * current event where there is none.
 */
public interface EventStream extends AutoCloseable {

    /**
     * Moves to the next event.
     *
     * @return {@code false} if there is none, and from then on
     */
    boolean advance();

    /**
     * Gives the current event, a plain object of the application.
     *
     * @return never {@code null}
     */
    Object event();

    /**
     * Gives the place of the current event in the log.
     *
     * @return never {@code null}
     */
    Position position();

    /**
     * Says whether the next event has the current one's position: a stored event was split into them when it was read. They
     * follow each other, and who folds must take all of them or none.
     *
     * @return whether it has; always {@code false} where a store splits no event, and at the end
     */
    default boolean goesOnHere() {
        return false;
    }

    /**
     * Gives the stable name of the current event's type.
     *
     * @return never {@code null}
     */
    String name();

    /**
     * Gives the tags of the current event.
     *
     * @return an unmodifiable set, possibly empty
     */
    Set<Tag> tags();

    /**
     * Gives what travelled with the append of the current event.
     *
     * @return never {@code null}
     */
    Metadata metadata();

    /**
     * Gives when the current event was appended, by the store's clock.
     *
     * @return never {@code null}, never before an earlier event's
     */
    Instant recordedAt();

    /**
     * Gives the position of the last event in the log, matching or not, when the snapshot was taken.
     *
     * @return {@link Position#START} if the log was empty
     */
    Position head();

    /**
     * Gives the condition that nothing this stream reads has changed since the snapshot.
     *
     * @return a condition on the stream's query and head
     * @throws IllegalStateException if the read was cut by a limit or an {@code until}, since what was cut off may
     *     matter to a decision
     */
    AppendCondition unchanged();

    /** Frees what the stream holds; a second call does nothing. */
    @Override
    void close();

    /**
     * Has a run take the rest of the stream.
     *
     * <p>If a step throws, the current event is the one that it was given, and reading goes on behind it. If the run is
     * stopped, it is not said where the stream stands.
     *
     * @param run folds
     * @return how many events it took in this call
     */
    default long fold(Fold.Run<?> run) {
        var one = new Object[1];
        long taken = 0;
        while (advance()) {
            one[0] = event();
            if (run.take(one, 0, 1) == 0) {
                break;
            }
            taken++;
        }
        return taken;
    }

    /**
     * Moves over the next events, as many as there are and the arrays hold, and gives them with their places. If the arrays
     * are full, the last of them is the current one; otherwise the stream is at its end.
     *
     * <p>For those who fold many events and mean to know which one they failed at.
     *
     * @param events takes the events, from index 0 on
     * @param positions takes the values of their positions, as many as there is room for events
     * @return how many events; less than there is room for if there are no more
     */
    default int advance(Object[] events, long[] positions) {
        int moved = 0;
        while (moved < events.length && advance()) {
            events[moved] = event();
            positions[moved] = position().value();
            moved++;
        }
        return moved;
    }

    /**
     * Gives the current event as a value that may be kept.
     *
     * @return never {@code null}
     */
    default RecordedEvent recorded() {
        return new RecordedEvent(position(), name(), event(), tags(), metadata(), recordedAt());
    }

    /**
     * Reads the rest of the stream into a state.
     *
     * @param <S> the state
     * @param fold the initial state and the steps
     * @return the state after the last event; the initial state if there is none
     */
    default <S> S fold(Fold<S> fold) {
        return fold(fold, fold.initial());
    }

    /**
     * Reads the rest of the stream into a state that was folded from earlier events.
     *
     * @param <S> the state
     * @param fold the steps
     * @param state the state so far
     * @return the state after the last event; {@code state} if there is none
     */
    default <S> S fold(Fold<S> fold, S state) {
        while (advance()) {
            state = fold.apply(state, event());
        }
        return state;
    }

    /**
     * Reads the rest of the stream into a list.
     *
     * @return an unmodifiable list in the order of reading
     */
    default List<RecordedEvent> toList() {
        var events = new ArrayList<RecordedEvent>();
        while (advance()) {
            events.add(recorded());
        }
        return List.copyOf(events);
    }
}
