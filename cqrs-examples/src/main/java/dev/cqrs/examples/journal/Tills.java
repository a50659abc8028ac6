package dev.cqrs.examples.journal;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.journal.JournalMark;
import dev.cqrs.message.Done;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The tills of a shop: what can be asked of them, and how it is done. */
final class Tills {

    /** What moves money. */
    sealed interface MoneyCommand {}

    /** Money comes in. */
    record PayIn(String till, long cents) implements MoneyCommand, Command<Done> {}

    /** Money goes out, if there is enough; answers what is left. */
    record PayOut(String till, long cents) implements MoneyCommand, Command<Long> {}

    /** From today on, somebody is in charge of a till. */
    record Assign(String till, String name) implements Command<Done> {}

    /** What is in the tills. */
    record Sums() implements Query<Map<String, Long>> {}

    /** Has come in, or gone out. */
    record Paid(String till, long cents) {}

    /** Somebody is in charge. */
    record Assigned(String till, String name) {}

    /** The events of the domain log. */
    static final Catalog EVENTS = Catalog.builder()
            .event("paid", Paid.class, e -> Set.of(tag(e.till())))
            .event("assigned", Assigned.class, e -> Set.of(tag(e.till())))
            .build();

    /** What is in the operations log: marks, and commands by a stable name. */
    static final Catalog OPERATIONS = JournalMark.addTo(Catalog.builder())
            .event("pay-in", PayIn.class)
            .event("pay-out", PayOut.class)
            .event("assign", Assign.class)
            .build();

    private static final Fold<Long> SUM = Fold.from(0L).on(Paid.class, (sum, e) -> sum + e.cents());

    private static final Projection<Map<String, Long>> SUMS = Projection.of(
            "sums",
            1,
            Fold.<Map<String, Long>>fresh(TreeMap::new)
                    .change(Paid.class, (sums, e) -> sums.merge(e.till(), e.cents(), Long::sum)));

    private Tills() {}

    /** The application over a log, to which interceptors may be added. */
    static InMemoryCqrs.Builder over(EventStore log) {
        return InMemoryCqrs.builder(log)
                .decide(PayIn.class, c -> sum(c.till()), (c, sum) -> accept(new Paid(c.till(), c.cents())))
                .decide(
                        PayOut.class,
                        c -> sum(c.till()),
                        (c, sum) -> sum < c.cents()
                                ? reject("the till holds only " + sum)
                                : accept(new Paid(c.till(), -c.cents())),
                        (c, sum) -> sum)
                .decide(Assign.class, c -> sum(c.till()), (c, sum) -> {
                    if (c.name().isBlank()) {
                        throw new IllegalArgumentException("nobody is in charge of " + c.till());
                    }
                    return accept(new Assigned(c.till(), c.name()));
                })
                .query(Sums.class, SUMS, (q, sums) -> Map.copyOf(sums));
    }

    private static DecisionModel<Long> sum(String till) {
        return DecisionModel.of(EventQuery.tagged(tag(till)), SUM);
    }

    private static Tag tag(String till) {
        return Tag.of("till", till);
    }
}
