package dev.cqrs.contract;

import static dev.cqrs.contract.CampusEvent.course;
import static dev.cqrs.contract.CampusEvent.student;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cqrs.contract.CampusEvent.Subscribed;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Several threads append under random conditions while one reads; afterwards the log itself is the witness.
 *
 * <p>An append that happened was right if no event between the position of each clause and its own first event is one
 * that the clause forbids. One that was refused was right if the event named as the reason is forbidden by the clause
 * named. The reader has missed nothing if what it found piece by piece is the log.
 */
final class Race {

    private final EventStore store;
    private final long seed;
    private final AtomicInteger writing = new AtomicInteger();

    private record Happened(List<CampusEvent> events, AppendCondition condition, Appended appended) {}

    private record Refused(AppendCondition condition, AppendConflictException conflict) {}

    private record Outcome(List<Happened> happened, List<Refused> refused, List<RecordedEvent> read) {
        Outcome() {
            this(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        }
    }

    /** A clock that runs forwards on the whole, and now and then back. */
    static final class JumpyClock extends Clock {

        private final Instant start;
        private final AtomicLong readings = new AtomicLong();

        JumpyClock(Instant start) {
            this.start = start;
        }

        @Override
        public Instant instant() {
            long reading = readings.incrementAndGet();
            return start.plusMillis(reading - reading * 7919 % 50);
        }

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }
    }

    Race(EventStore store, long seed) {
        this.store = store;
        this.seed = seed;
    }

    void run(int writers, int appends) {
        writing.set(writers);
        var outcomes = Together.<Outcome>run(
                writers + 1, thread -> () -> thread < writers ? write(thread, appends) : follow());
        check(outcomes, writers * appends);
    }

    private Outcome write(int thread, int appends) {
        var outcome = new Outcome();
        var chance = new Chance(seed * 1_000 + thread);
        try {
            for (int i = 0; i < appends; i++) {
                var events = chance.events(3);
                var condition = condition(chance, i);
                try {
                    outcome.happened.add(new Happened(events, condition, store.append(events, condition)));
                } catch (AppendConflictException e) {
                    outcome.refused.add(new Refused(condition, e));
                }
            }
        } finally {
            writing.decrementAndGet();
        }
        return outcome;
    }

    /** What was just read is unchanged; or what others race for is absent; or anything near the head. */
    private AppendCondition condition(Chance chance, int round) {
        return switch (chance.upTo(4)) {
            case 0 ->
                AppendCondition.absent(EventQuery.types(Subscribed.class)
                        .withTags(course("c" + round % 4), student("s" + round % 40)));
            case 1 -> chance.condition(store.head());
            default -> unchanged(chance.query());
        };
    }

    private AppendCondition unchanged(EventQuery query) {
        try (var stream = store.read(query)) {
            while (stream.advance()) {
                assertFalse(stream.position().isAfter(stream.head()), this::where);
            }
            return stream.unchanged();
        }
    }

    private Outcome follow() {
        var outcome = new Outcome();
        var seen = Position.START;
        boolean last;
        do {
            last = writing.get() == 0;
            try (var stream =
                    store.read(EventQuery.all(), ReadOptions.forwards().after(seen))) {
                var events = stream.toList();
                outcome.read.addAll(events);
                if (!events.isEmpty()) {
                    seen = events.get(events.size() - 1).position();
                }
                assertEquals(seen, stream.head(), this::where);
            }
            assertFalse(seen.isAfter(store.head()), this::where);
        } while (!last);
        return outcome;
    }

    private void check(List<Outcome> outcomes, int attempts) {
        List<RecordedEvent> log;
        try (var stream = store.read(EventQuery.all())) {
            log = stream.toList();
        }
        var byPosition = new TreeMap<Position, RecordedEvent>();
        log.forEach(recorded -> byPosition.put(recorded.position(), recorded));
        checkOrder(log);
        assertEquals(log, outcomes.get(outcomes.size() - 1).read, () -> where() + ": what the reader found is the log");

        int happened = 0;
        int refused = 0;
        int events = 0;
        for (var outcome : outcomes) {
            happened += outcome.happened.size();
            refused += outcome.refused.size();
            for (var append : outcome.happened) {
                events += append.events.size();
                checkHappened(append, byPosition);
            }
            for (var append : outcome.refused) {
                checkRefused(append, byPosition);
            }
        }
        assertEquals(attempts, happened + refused, this::where);
        assertEquals(log.size(), events, this::where);
        assertTrue(happened > attempts / 20, () -> where() + ": hardly any append happened");
        assertTrue(refused > attempts / 50, () -> where() + ": hardly any append was refused");
    }

    private void checkOrder(List<RecordedEvent> log) {
        for (int i = 1; i < log.size(); i++) {
            var before = log.get(i - 1);
            var after = log.get(i);
            assertTrue(after.position().isAfter(before.position()), () -> where() + ": " + before + ", " + after);
            assertFalse(after.recordedAt().isBefore(before.recordedAt()), () -> where() + ": " + before + ", " + after);
        }
    }

    private void checkHappened(Happened append, NavigableMap<Position, RecordedEvent> log) {
        var appended = append.appended;
        assertEquals(
                append.events,
                log.subMap(appended.first(), true, appended.last(), true).values().stream()
                        .map(RecordedEvent::event)
                        .toList(),
                () -> where() + ": " + appended);
        for (var clause : append.condition.clauses()) {
            for (var recorded :
                    log.subMap(clause.after(), false, appended.first(), false).values()) {
                assertFalse(
                        LogModel.forbids(clause, recorded),
                        () -> where() + ": " + appended + " happened although " + recorded + " breaks: " + clause);
            }
        }
    }

    private void checkRefused(Refused append, NavigableMap<Position, RecordedEvent> log) {
        var conflict = append.conflict;
        assertTrue(append.condition.clauses().contains(conflict.clause()), () -> where() + ": " + conflict);
        var reason = log.get(conflict.position());
        assertTrue(
                reason != null && LogModel.forbids(conflict.clause(), reason),
                () -> where() + ": " + reason + " is no reason for: " + conflict.getMessage());
    }

    private String where() {
        return "seed " + seed;
    }
}
