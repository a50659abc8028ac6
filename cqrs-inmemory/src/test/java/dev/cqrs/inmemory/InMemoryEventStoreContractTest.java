package dev.cqrs.inmemory;

import dev.cqrs.contract.EventStoreContract;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import java.time.Clock;

class InMemoryEventStoreContractTest extends EventStoreContract {

    @Override
    protected EventStore emptyStore(Catalog catalog, Clock clock) {
        return new InMemoryEventStore(catalog, clock);
    }
}
