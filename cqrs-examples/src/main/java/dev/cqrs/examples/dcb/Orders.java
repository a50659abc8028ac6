package dev.cqrs.examples.dcb;

import static dev.cqrs.examples.dcb.Rules.never;

import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Done;
import java.util.List;
import java.util.Set;

/**
 * An order form that is sent twice is one order: the form carries a token, which is good for one order.
 *
 * <p>See https://dcb.events/examples/prevent-record-duplication/. Where the caller should get the first result instead of a
 * rejection, the library's command ids do that without a line here.
 */
final class Orders {

    record PlaceOrder(String id, String form) implements Command<Done> {}

    record OrderPlaced(String id, String form) {}

    static final Catalog CATALOG = Catalog.builder()
            .event("order-placed", OrderPlaced.class, e -> Set.of(Tag.of("order", e.id()), Tag.of("form", e.form())))
            .build();

    private Orders() {}

    static InMemoryCqrs over(EventStore store) {
        return InMemoryCqrs.builder(store)
                .decide(
                        PlaceOrder.class,
                        c -> Rules.all(List.of(
                                never(exists(Tag.of("order", c.id())), is -> is, "there is such an order"),
                                never(exists(Tag.of("form", c.form())), used -> used, "the form was sent already"))),
                        (c, objection) -> Rules.unless(objection, new OrderPlaced(c.id(), c.form())))
                .build();
    }

    private static DecisionModel<Boolean> exists(Tag tag) {
        return DecisionModel.of(
                EventQuery.types(OrderPlaced.class).withTags(tag),
                Fold.from(false).on(OrderPlaced.class, (before, e) -> true));
    }
}
