package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.suite.SimulationSuite;
import java.time.Clock;

class InMemorySimulationTest extends SimulationSuite {

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return new InMemoryEventStore(catalog, clock);
    }

    @Override
    protected CheckpointStore emptyCheckpoints() {
        return new InMemoryCheckpointStore();
    }

    @Override
    protected int histories() {
        return Integer.getInteger("dev.cqrs.simulation.histories", 2_000);
    }
}
