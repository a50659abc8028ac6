package dev.cqrs.saga;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.suite.SagaSuite;
import java.time.Clock;

class InMemorySagaSuiteTest extends SagaSuite {

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
        return Integer.getInteger("dev.cqrs.saga.seeds", 200);
    }
}
