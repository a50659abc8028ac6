package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.suite.ProjectionSuite;
import java.time.Clock;

class InMemoryProjectionSuiteTest extends ProjectionSuite {

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return new InMemoryEventStore(catalog, clock);
    }

    @Override
    protected CheckpointStore emptyCheckpoints() {
        return new InMemoryCheckpointStore();
    }
}
