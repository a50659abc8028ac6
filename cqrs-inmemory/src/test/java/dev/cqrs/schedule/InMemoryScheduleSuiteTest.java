package dev.cqrs.schedule;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.suite.ScheduleSuite;
import java.time.Clock;

class InMemoryScheduleSuiteTest extends ScheduleSuite {

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return new InMemoryEventStore(catalog, clock);
    }

    @Override
    protected CheckpointStore emptyCheckpoints() {
        return new InMemoryCheckpointStore();
    }

    @Override
    protected int seeds() {
        return Integer.getInteger("dev.cqrs.schedule.seeds", 400);
    }
}
