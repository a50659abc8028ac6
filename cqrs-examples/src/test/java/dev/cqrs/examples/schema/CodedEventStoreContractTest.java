package dev.cqrs.examples.schema;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.contract.EventStoreContract;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.examples.schema.Orders.OrderClosed;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.jdbc.JacksonEventCodec;
import java.time.Clock;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The contract of stores, with every event on the way through bytes. */
class CodedEventStoreContractTest extends EventStoreContract {

    @Override
    protected EventStore emptyStore(Catalog catalog, Clock clock) {
        return new CodedEventStore(new InMemoryEventStore(catalog, clock), new JacksonEventCodec());
    }

    @Test
    void no_object_comes_back_as_itself() {
        var store = emptyStore(Orders.CATALOG, Clock.systemUTC());
        var event = new OrderClosed("o1", "done");
        store.append(List.of(event), AppendCondition.none());

        try (var events = store.read(EventQuery.all())) {
            assertThat(events.advance()).isTrue();
            assertThat(events.event()).isEqualTo(event).isNotSameAs(event);
            assertThat(events.event()).isNotSameAs(events.event());
        }
    }
}
