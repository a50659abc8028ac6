package dev.cqrs.examples.order;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.saga.SagaEngine;
import java.util.List;
import java.util.Set;

/** Those who take part in an order, rolled into one: it takes what it is told to, each command once. */
final class Shop {

    record OrderPlaced(String order, String item, long cents) {}

    record Delivered(String order) {}

    record Paid(String receipt) {}

    record Take(String order, String what) implements Command<String> {}

    record Taken(String order, String what) {}

    private Shop() {}

    /** The domain's events. */
    static Catalog domain() {
        return Catalog.builder()
                .event("order-placed", OrderPlaced.class)
                .event("delivered", Delivered.class)
                .event("taken", Taken.class, e -> Set.of(Tag.of("order", e.order())))
                .commandIds()
                .build();
    }

    /** What sagas keep: those of the domain's events that they react to, their own, and commands. */
    static Catalog operations() {
        return SagaEngine.catalog(Catalog.builder())
                .event("order-placed", OrderPlaced.class)
                .event("delivered", Delivered.class)
                .event("paid", Paid.class)
                .event("take", Take.class)
                .build();
    }

    /** Rejects unicorns, as there are none. */
    static CommandBus bus(EventStore domain) {
        return InMemoryCommandBus.builder()
                .handle(
                        Take.class,
                        new DecisionHandler<Take, Integer, String>(
                                        domain,
                                        c -> DecisionModel.of(
                                                EventQuery.types(Taken.class).withTags(Tag.of("order", c.order())),
                                                Fold.from(0).on(Taken.class, (n, e) -> n + 1)),
                                        (c, n) -> c.what().equals("a unicorn")
                                                ? reject("there is no unicorn")
                                                : accept(new Taken(c.order(), c.what())),
                                        (c, n) -> "receipt " + n)
                                .idempotent())
                .build();
    }

    static List<String> taken(EventStore domain, String order) {
        try (var events = domain.read(EventQuery.types(Taken.class).withTags(Tag.of("order", order)))) {
            return events.toList().stream()
                    .map(event -> ((Taken) event.event()).what())
                    .toList();
        }
    }
}
