package dev.cqrs.testing;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Objects;

/** An event store as one process has it, until that process crashes. */
final class CrashingEventStore implements EventStore {

    private final EventStore store;
    private final CrashPoints.Life life;

    CrashingEventStore(EventStore store, CrashPoints.Life life) {
        this.store = store;
        this.life = life;
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        life.pass("before an append of " + events.size() + (events.size() == 1 ? " event" : " events"));
        var appended = store.append(events, condition, metadata);
        life.pass("after the append up to position " + appended.last());
        return appended;
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        life.check("read");
        return store.read(query, options);
    }

    @Override
    public Position head() {
        life.check("head");
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
        life.check("onAppend");
        Objects.requireNonNull(signal, "signal");
        return store.onAppend(new Signal() {
            @Override
            public void appended(Position last) {
                if (!life.isOver()) {
                    signal.appended(last);
                }
            }

            @Override
            public void beforeAppend() {
                if (!life.isOver()) {
                    signal.beforeAppend();
                }
            }
        });
    }
}
