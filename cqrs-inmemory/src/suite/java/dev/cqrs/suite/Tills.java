package dev.cqrs.suite;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.journal.JournalMark;
import dev.cqrs.message.Done;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** What the tests are about: tills that money goes into and out of, by commands that matter in which order they come. */
public final class Tills {

    /** What can be asked of a till. */
    public sealed interface TillCommand {}

    /** Money comes in; answers what is in the till then. */
    public record PayIn(String till, int cents, String from) implements TillCommand, Command<Integer> {}

    /** Money goes out, if there is enough. */
    public record PayOut(String till, int cents) implements TillCommand, Command<Integer> {}

    /** All that is in a till is doubled, so that order shows. */
    public record Twice(String till) implements TillCommand, Command<Integer> {}

    /** Out of one and into another, by commands of their own. */
    public record Move(String out, String in, int cents, boolean toldOn) implements Command<Done> {}

    /** Fails. */
    public record Fail(String message) implements Command<Done> {}

    /** Has come in, or gone out. */
    public record Paid(String till, int cents) {}

    private static final Fold<Integer> SUM = Fold.from(0).on(Paid.class, (sum, e) -> sum + e.cents());

    private Tills() {}

    static Catalog domain() {
        return Catalog.builder()
                .event("paid", Paid.class, e -> Set.of(Tag.of("till", e.till())))
                .commandIds()
                .build();
    }

    static Catalog operations() {
        return JournalMark.addTo(Catalog.builder())
                .event("pay-in", PayIn.class)
                .event("pay-out", PayOut.class)
                .event("twice", Twice.class)
                .event("move", Move.class)
                .event("fail", Fail.class)
                .build();
    }

    private static DecisionModel<Integer> model(String till) {
        return DecisionModel.of(EventQuery.tagged(Tag.of("till", till)), SUM);
    }

    static Map<String, Integer> sums(EventStore log) {
        var sums = new TreeMap<String, Integer>();
        try (var events = log.read(EventQuery.types(Paid.class))) {
            while (events.advance()) {
                var paid = (Paid) events.event();
                sums.merge(paid.till(), paid.cents(), Integer::sum);
            }
        }
        return sums;
    }

    static CommandBus bus(EventStore log, Interceptor... interceptors) {
        var self = new ArrayList<CommandBus>(1);
        var bus = InMemoryCommandBus.builder()
                .handle(
                        PayIn.class,
                        new DecisionHandler<PayIn, Integer, Integer>(
                                log,
                                c -> model(c.till()),
                                (c, sum) -> Decision.accept(new Paid(c.till(), c.cents())),
                                (c, sum) -> sum))
                .handle(
                        PayOut.class,
                        new DecisionHandler<PayOut, Integer, Integer>(
                                log,
                                c -> model(c.till()),
                                (c, sum) -> sum < c.cents()
                                        ? Decision.reject("only " + sum)
                                        : Decision.accept(new Paid(c.till(), -c.cents())),
                                (c, sum) -> sum))
                .handle(
                        Twice.class,
                        new DecisionHandler<Twice, Integer, Integer>(
                                log,
                                c -> model(c.till()),
                                (c, sum) -> sum <= 0 || sum > 1_000_000
                                        ? Decision.accept()
                                        : Decision.accept(new Paid(c.till(), sum)),
                                (c, sum) -> sum))
                .handle(Move.class, (c, metadata) -> {
                    var within = c.toldOn() ? Metadata.none().causedBy(metadata) : Metadata.none();
                    self.get(0).dispatch(new PayOut(c.out(), c.cents()), within);
                    self.get(0).dispatch(new PayIn(c.in(), c.cents(), c.out()), within);
                    return Done.DONE;
                })
                .run(Fail.class, c -> {
                    throw new IOException(c.message());
                });
        List.of(interceptors).forEach(interceptor -> bus.intercept(0, interceptor));
        self.add(bus.build());
        return self.get(0);
    }
}
