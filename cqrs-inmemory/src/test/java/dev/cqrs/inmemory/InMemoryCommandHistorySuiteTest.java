package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.suite.CommandHistorySuite;
import java.time.Clock;

class InMemoryCommandHistorySuiteTest extends CommandHistorySuite {

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return new InMemoryEventStore(catalog, clock);
    }
}
