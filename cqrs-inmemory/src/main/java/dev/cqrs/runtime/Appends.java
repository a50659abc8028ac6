package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import java.time.Instant;

/**
 * Tells where in a log appends end, by the times at which events were recorded: of two that have not the same time, the second
 * is of a later append. Times never go back, so that what lies between two equal ones is equal too.
 *
 * @param query which events are looked at
 */
record Appends(EventStore store, EventQuery query) {

    /** How many events are looked at one after the other for a change of time. */
    private static final int NEAR = 64;

    /** The first place at or behind one, and before another, at which an append has surely ended; else that other. */
    Position end(Position atLeast, Position until) {
        Instant time;
        Position same;
        try (var times = read(atLeast, until, NEAR)) {
            if (!times.advance()) {
                return until;
            }
            time = times.recordedAt();
            same = times.position();
            while (times.advance()) {
                if (!times.recordedAt().equals(time)) {
                    return same;
                }
                same = times.position();
            }
        }
        return isRecordedAt(time, until, until) ? until : last(time, same.value(), until);
    }

    /** The last position of a time, at or behind {@code low}, which has it, and before {@code until}, which has not. */
    private Position last(Instant time, long low, Position until) {
        long high = until.value();
        for (long step = NEAR; low + step < high; step *= 2) {
            if (!isRecordedAt(time, Position.of(low + step), until)) {
                high = low + step;
                break;
            }
            low += step;
        }
        while (high - low > 1) {
            long middle = low + (high - low) / 2;
            if (isRecordedAt(time, Position.of(middle), until)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return Position.of(low);
    }

    /** Whether the event at a position, or the next after it, was recorded at a time. */
    private boolean isRecordedAt(Instant time, Position at, Position until) {
        try (var one = read(at, until, 1)) {
            return one.advance() && one.recordedAt().equals(time);
        }
    }

    private EventStream read(Position from, Position until, int limit) {
        return store.read(
                query,
                ReadOptions.forwards()
                        .after(Position.of(from.value() - 1))
                        .until(until)
                        .limit(limit));
    }
}
