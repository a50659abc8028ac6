package dev.cqrs.suite;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.SagaEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Predicate;

/** What sagas are about in the tests: jobs, of which parts are done and undone. */
public final class Parts {

    /** A job was ordered. */
    public record Ordered(String job) {}

    /** Word came that something was packed. */
    public record Packed(String job) {}

    /** Word came that something was weighed. */
    public record Weighed(String job) {}

    /** Does a part of a job, or undoes it; gives a receipt. */
    public record Do(String job, String part) implements Command<String> {}

    /** A part was done. */
    public record Done(String job, String part) {}

    /** What a saga keeps of a receipt. */
    public record Receipt(String text) {}

    /** What a saga knows: its job, and its receipts. */
    public record Known(String job, List<String> receipts) {

        public Known {
            receipts = List.copyOf(receipts);
        }

        Known with(String receipt) {
            var more = new ArrayList<>(receipts);
            more.add(receipt);
            return new Known(job, more);
        }

        /** A command about a part of the job. */
        public Do part(String part) {
            return new Do(job, part);
        }
    }

    /** The state of a saga. */
    public static final Fold<Known> KNOWN = Fold.from(new Known("", List.of()))
            .on(Ordered.class, (known, e) -> new Known(e.job(), List.of()))
            .on(Receipt.class, (known, e) -> known.with(e.text()))
            .on(Packed.class, (known, e) -> known.with("packed"))
            .on(Weighed.class, (known, e) -> known.with("weighed"));

    private Parts() {}

    /** Of the operations log. */
    public static Catalog operations() {
        return SagaEngine.catalog(Catalog.builder())
                .event("ordered", Ordered.class)
                .event("packed", Packed.class)
                .event("weighed", Weighed.class)
                .event("receipt", Receipt.class)
                .event("do", Do.class)
                .build();
    }

    /** Of the domain log. */
    public static Catalog domain() {
        return Catalog.builder()
                .event("ordered", Ordered.class)
                .event("packed", Packed.class)
                .event("weighed", Weighed.class)
                .event("done", Done.class, e -> Set.of(Tag.of("job", e.job())))
                .commandIds()
                .build();
    }

    /** A bus that does each id once, and calls somebody before, who may throw; a part that ends in "!" is refused. */
    public static CommandBus bus(EventStore domain, BiConsumer<Do, Metadata> before) {
        return bus(domain, before, part -> part.endsWith("!"));
    }

    /** A bus that does each id once, and calls somebody before, who may throw; some parts are refused. */
    public static CommandBus bus(EventStore domain, BiConsumer<Do, Metadata> before, Predicate<String> refused) {
        var handler = new DecisionHandler<Do, Integer, String>(
                        domain,
                        c -> DecisionModel.of(
                                EventQuery.types(Done.class).withTags(Tag.of("job", c.job())),
                                Fold.from(0).on(Done.class, (count, e) -> count + 1)),
                        (c, count) ->
                                refused.test(c.part()) ? reject("not this one") : accept(new Done(c.job(), c.part())),
                        (c, count) -> c.part() + "@" + count)
                .idempotent();
        return InMemoryCommandBus.builder()
                .handle(Do.class, (command, metadata) -> {
                    before.accept(command, metadata);
                    return handler.handle(command, metadata);
                })
                .build();
    }

    /** Has something happen. */
    public static void append(EventStore domain, Object event) {
        domain.append(List.of(event), AppendCondition.none());
    }

    /** What was done for a job, in order. */
    public static List<String> done(EventStore domain, String job) {
        var parts = new ArrayList<String>();
        try (var events = domain.read(EventQuery.types(Done.class).withTags(Tag.of("job", job)))) {
            while (events.advance()) {
                parts.add(((Done) events.event()).part());
            }
        }
        return parts;
    }
}
