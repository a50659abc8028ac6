package dev.cqrs.saga;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.suite.SagaLogs;
import java.time.Clock;

/** Logs in memory, and many seeds. */
interface InMemorySagaLogs extends SagaLogs {

    @Override
    default EventStore emptyLog(Catalog catalog, Clock clock) {
        return new InMemoryEventStore(catalog, clock);
    }

    @Override
    default CheckpointStore emptyCheckpoints() {
        return new InMemoryCheckpointStore();
    }

    @Override
    default int seeds() {
        return Integer.getInteger("dev.cqrs.saga.seeds", 200);
    }
}
