package dev.cqrs.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;

/** A random sequence of appends and reads, each compared with what {@link LogModel} does. */
final class RandomHistory {

    private final EventStore store;
    private final HandClock clock;
    private final long seed;
    private final Chance chance;
    private final LogModel model;
    private final Queue<OpenRead> open = new ArrayDeque<>();
    private String doing = "nothing yet";
    private int appended;
    private int refused;

    private record OpenRead(String what, EventStream stream, List<RecordedEvent> expected) {}

    RandomHistory(EventStore store, HandClock clock, long seed) {
        this.store = store;
        this.clock = clock;
        this.seed = seed;
        this.chance = new Chance(seed);
        this.model = new LogModel(CampusEvent.CATALOG);
    }

    void run(int steps) {
        for (int step = 1; step <= steps; step++) {
            doing = "step " + step;
            clock.move(Duration.ofMillis(chance.upTo(100) - 30L));
            if (chance.oneIn(2)) {
                append();
            } else {
                read();
            }
            assertEquals(model.head(), store.head(), this::where);
        }
        while (!open.isEmpty()) {
            drain();
        }
        doing = "the end";
        try (var stream = store.read(EventQuery.all())) {
            assertEquals(model.read(EventQuery.all(), ReadOptions.forwards()), stream.toList(), this::where);
        }
        assertTrue(appended > steps / 10, () -> where() + ": only " + appended + " appends happened");
        assertTrue(refused > steps / 50, () -> where() + ": only " + refused + " appends were refused");
    }

    private void append() {
        var events = chance.events(4);
        var condition = chance.condition(model.head());
        var metadata = chance.oneIn(3) ? Metadata.withId("m" + chance.upTo(1_000)) : Metadata.none();
        doing += ", append " + events + " if " + condition;
        var broken = model.broken(condition);
        if (broken.isPresent()) {
            refused++;
            var conflict = assertThrows(
                    AppendConflictException.class, () -> store.append(events, condition, metadata), this::where);
            assertEquals(broken.get(), conflict.clause(), this::where);
            assertEquals(broken.get() instanceof AppendCondition.Unchanged, conflict.isRetryable(), this::where);
            assertTrue(
                    model.at(conflict.position())
                            .filter(recorded -> LogModel.forbids(broken.get(), recorded))
                            .isPresent(),
                    () -> where() + ": position " + conflict.position() + " is no reason");
            return;
        }
        appended++;
        Appended where = store.append(events, condition, metadata);
        assertTrue(where.first().isAfter(model.head()), this::where);
        assertEquals(events.size() - 1, where.last().value() - where.first().value(), this::where);
        model.append(where.first(), events, metadata, clock.instant());
    }

    private void read() {
        var query = chance.query();
        var options = chance.options(model.head());
        var what = "read " + query + ", " + options;
        doing += ", " + what;
        var stream = store.read(query, options);
        assertEquals(model.head(), stream.head(), this::where);
        if (options.isCut()) {
            assertThrows(IllegalStateException.class, stream::unchanged, this::where);
        } else {
            assertEquals(AppendCondition.unchanged(query, model.head()), stream.unchanged(), this::where);
        }
        open.add(new OpenRead(what, stream, model.read(query, options)));
        if (chance.oneIn(2) || open.size() > 3) {
            drain();
        }
    }

    /** Compares the read that has been open for longest, perhaps for many appends. */
    private void drain() {
        var read = open.remove();
        try (var stream = read.stream()) {
            assertEquals(read.expected(), stream.toList(), () -> where() + ", result of: " + read.what());
        }
    }

    private String where() {
        return "seed " + seed + ", " + doing + " (replay with -D" + Chance.SEED + "=" + seed + ")";
    }
}
