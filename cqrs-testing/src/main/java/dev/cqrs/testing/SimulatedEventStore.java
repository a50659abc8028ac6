package dev.cqrs.testing;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import dev.cqrs.testing.Simulation.Fault;
import dev.cqrs.testing.Simulation.InjectedException;
import java.util.List;

/** An event store that fails as a history has it. */
final class SimulatedEventStore implements EventStore {

    private static final int LONGEST_TEXT = 200;

    private final EventStore store;
    private final History<?, ?> history;
    private final CrashPoints.Life life;

    SimulatedEventStore(EventStore store, History<?, ?> history, CrashPoints.Life life) {
        this.store = store;
        this.history = history;
        this.life = life;
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        history.checkThread();
        history.overtake();
        life.check("append"); // who came in between may have crashed
        var what = "an append of " + events.size() + (events.size() == 1 ? " event" : " events");
        history.fail(Fault.APPEND_FAILS, what);
        var unknown = history.strike(Fault.OUTCOME_UNKNOWN);
        boolean written = unknown == null || unknown.random.nextBoolean();
        var appended = written ? history.append(() -> appended(events, condition, metadata)) : null;
        if (appended != null) {
            history.say(() -> "appends " + shortened(events) + " at position " + appended.first() + recordedAt());
        }
        if (unknown == null && appended != null) {
            return appended;
        }
        history.say(
                () -> "and is told that nobody knows whether that is written" + (written ? "" : ", which it is not"));
        throw new AppendOutcomeUnknownException(what, new InjectedException("The simulation has the reply lost."));
    }

    private Appended appended(List<?> events, AppendCondition condition, Metadata metadata) {
        try {
            return store.append(events, condition, metadata);
        } catch (AppendConflictException conflict) {
            history.say(() -> "has a conflict with position " + conflict.position());
            throw conflict;
        }
    }

    /** So that what stands behind it is told too. */
    private static String shortened(List<?> events) {
        var text = events.toString();
        return text.length() > LONGEST_TEXT ? text.substring(0, LONGEST_TEXT) + "…" : text;
    }

    /** Where it is not the time of the clock: it is later in the log, or the store has another clock. */
    private String recordedAt() {
        try (var last = store.read(EventQuery.all(), ReadOptions.backwards().limit(1))) {
            return last.toList().stream()
                    .map(RecordedEvent::recordedAt)
                    .filter(at -> !at.equals(history.clock().instant()))
                    .map(at -> ", recorded at " + at)
                    .findFirst()
                    .orElse("");
        }
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        history.checkThread();
        history.fail(Fault.READ_FAILS, "a read");
        return store.read(query, options);
    }

    @Override
    public Position head() {
        history.checkThread();
        return store.head();
    }

    @Override
    public boolean isCommitted(Position position) {
        return store.isCommitted(position);
    }

    @Override
    public Catalog catalog() {
        return store.catalog();
    }

    @Override
    public Subscription onAppend(Signal signal) {
        history.checkThread();
        return store.onAppend(signal);
    }
}
