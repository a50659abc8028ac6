package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.suite.SimulationSuite;
import dev.cqrs.testing.Simulation.Tally;
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

    @Override
    protected long firstSeed() {
        return Long.getLong("dev.cqrs.simulation.firstSeed", 1);
    }

    @Override
    protected void tell(Tally tally) {
        System.out.println(tally);
    }
}
