package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.suite.JournalSuite;
import java.time.Clock;

class InMemoryJournalSuiteTest extends JournalSuite {

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return new InMemoryEventStore(catalog, clock);
    }
}
