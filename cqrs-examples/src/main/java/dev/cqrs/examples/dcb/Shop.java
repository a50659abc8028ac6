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
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Customers pay the price that they were shown: the current one, or one that was replaced less than ten minutes ago.
 *
 * <p>An order may have several products, each with a price that may change at any moment
 * (https://dcb.events/examples/dynamic-product-price/). The time comes with the command, so that deciding stays pure.
 * The program that dispatches reads it off its clock; a user could say a time at which the price was lower. An order from
 * before a change that is decided after it is refused, to be sent anew with the time of then.
 */
final class Shop {

    static final Duration GRACE = Duration.ofMinutes(10);

    record SetPrice(String product, long cents, Instant at) implements Command<Done> {}

    record Order(String id, List<Line> lines, Instant at) implements Command<Done> {
        Order {
            lines = List.copyOf(lines);
            if (lines.isEmpty()) {
                throw new IllegalArgumentException("Order " + id + " has no lines; expected at least one.");
            }
        }
    }

    record Line(String product, long shownCents) {}

    record PriceSet(String product, long cents, Instant at) {}

    record Ordered(String id, List<Line> lines, Instant at) {}

    /** A price, when it began, and when it ended. */
    private record Price(long cents, Instant since, Instant until) {}

    static final Catalog CATALOG = Catalog.builder()
            .event("price-set", PriceSet.class, e -> Set.of(product(e.product())))
            .event(
                    "ordered",
                    Ordered.class,
                    e -> e.lines().stream().map(line -> product(line.product())).collect(Collectors.toSet()))
            .build();

    private Shop() {}

    static InMemoryCqrs over(EventStore store) {
        return InMemoryCqrs.builder(store)
                .decide(
                        SetPrice.class,
                        c -> Rules.all(List.of(
                                notBeforeThePrice(c.product(), c.at()),
                                never(
                                        prices(c.product()),
                                        prices -> !prices.isEmpty()
                                                && prices.get(prices.size() - 1).cents() == c.cents(),
                                        "that is the price"))),
                        (c, objection) -> Rules.unless(objection, new PriceSet(c.product(), c.cents(), c.at())))
                .decide(
                        Order.class,
                        c -> Rules.all(c.lines().stream()
                                .flatMap(line -> Stream.of(
                                        notBeforeThePrice(line.product(), c.at()),
                                        never(
                                                prices(line.product()),
                                                prices -> !isHonoured(line.shownCents(), prices, c.at()),
                                                "the price of " + line.product() + " is not " + line.shownCents())))
                                .toList()),
                        (c, objection) -> Rules.unless(objection, new Ordered(c.id(), c.lines(), c.at())))
                .build();
    }

    private static DecisionModel<Optional<String>> notBeforeThePrice(String product, Instant at) {
        return never(
                prices(product),
                prices -> prices.stream().anyMatch(price -> at.isBefore(price.since())),
                "the time is before that of the price of " + product);
    }

    private static boolean isHonoured(long shown, List<Price> prices, Instant at) {
        return prices.stream().anyMatch(price -> price.cents() == shown && at.isBefore(price.until()));
    }

    /** All prices of a product, the last of which is the current one. */
    private static DecisionModel<List<Price>> prices(String product) {
        return DecisionModel.of(
                EventQuery.types(PriceSet.class).withTags(product(product)),
                Fold.from(List.<Price>of()).on(PriceSet.class, (prices, e) -> {
                    var more = new ArrayList<Price>();
                    for (var price : prices) {
                        more.add(
                                price.until().equals(Instant.MAX)
                                        ? new Price(price.cents(), price.since(), e.at().plus(GRACE))
                                        : price);
                    }
                    more.add(new Price(e.cents(), e.at(), Instant.MAX));
                    return List.copyOf(more);
                }));
    }

    private static Tag product(String id) {
        return Tag.of("product", id);
    }
}
