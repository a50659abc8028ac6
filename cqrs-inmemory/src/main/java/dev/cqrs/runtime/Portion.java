package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.projection.Projection.Keys;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Some events as they were taken from the store, one portion after the other in the same arrays: never some of those at one
 * position without the others.
 *
 * <p>Used under the lock of its {@link Follower}.
 */
final class Portion {

    /** Which are kept as recorded too, if any; then it is one position at a time. */
    private final @Nullable Predicate<Object> recording;

    private final List<@Nullable RecordedEvent> recorded = new ArrayList<>();

    private Object[] events;
    private long[] positions;

    Portion(int room, @Nullable Predicate<Object> recording) {
        this.recording = recording;
        this.events = new Object[room];
        this.positions = new long[room];
    }

    /** How many there is room for, unless more of them are at one position. */
    int room() {
        return events.length;
    }

    /** Takes the next events; gives how many. */
    int take(EventStream stream) {
        recorded.clear();
        int count;
        if (recording == null) {
            count = stream.advance(events, positions);
        } else if (stream.advance()) { // one position only
            put(stream, 0);
            count = 1;
        } else {
            count = 0;
        }
        while (count > 0 && stream.goesOnHere() && stream.advance()) {
            put(stream, count++);
        }
        return count;
    }

    private void put(EventStream stream, int at) {
        if (at == events.length) {
            events = Arrays.copyOf(events, at * 2);
            positions = Arrays.copyOf(positions, at * 2);
        }
        events[at] = stream.event();
        positions[at] = stream.position().value();
        if (recording != null) {
            recorded.add(recording.test(events[at]) ? stream.recorded() : null);
        }
    }

    /** Takes what a feed has, of no more positions than there is room for; gives how many. */
    int take(EventStore.Feed feed, Position after, Position until) {
        return feed.read(after, until, events, positions);
    }

    /** Has one event be all there is. */
    void set(Object event, long position) {
        events[0] = event;
        positions[0] = position;
    }

    /** Lets the events go. */
    void clear() {
        Arrays.fill(events, null);
    }

    /** Lets the first events go, where there are no others. */
    void clear(int count) {
        Arrays.fill(events, 0, count, null);
    }

    Object[] events() {
        return events;
    }

    Object event(int i) {
        return events[i];
    }

    RecordedEvent recorded(int i) {
        return Objects.requireNonNull(recorded.get(i), "one of those that are kept as recorded");
    }

    /** The position of an event. */
    long at(int i) {
        return positions[i];
    }

    /** Behind the last event that has the same position. */
    int endOfSame(int from, int count) {
        int end = from + 1;
        while (end < count && positions[end] == positions[from]) {
            end++;
        }
        return end;
    }

    /** Behind the last event of those that are alone at their positions. */
    int endOfAlone(int from, int count) {
        int end = from;
        while (end < count && (end + 1 == count || positions[end] != positions[end + 1])) {
            end++;
        }
        return end;
    }

    /** The keys of the events between two places; empty where they have none. */
    List<Object> keys(Keys<?> keys, int from, int to) {
        if (to - from == 1) {
            return keys.find(events[from]).<List<Object>>map(List::of).orElse(List.of());
        }
        var found = new LinkedHashSet<Object>();
        for (int i = from; i < to; i++) {
            keys.find(events[i]).ifPresent(found::add);
        }
        return List.copyOf(found);
    }

    /** Moves the events between two places to an earlier one; gives the place behind them there. */
    int move(int from, int to, int left) {
        System.arraycopy(events, from, events, left, to - from);
        return left + to - from;
    }
}
