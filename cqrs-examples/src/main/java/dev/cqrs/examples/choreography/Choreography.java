package dev.cqrs.examples.choreography;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Done;
import dev.cqrs.saga.ProcessManager;
import dev.cqrs.saga.Reaction;
import dev.cqrs.saga.SagaEngine;
import java.io.PrintStream;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Warehouse and billing, each a process manager that knows only the events it reacts to; nobody knows the whole.
 *
 * <p>The warehouse packs what is paid and gives up on what is not; billing asks for the money and reminds once.
 */
public final class Choreography {

    private static final Duration PATIENCE = Duration.ofMinutes(1);
    static final Duration DUE = Duration.ofMillis(200);

    record OrderPlaced(String order) {}

    record MoneyCame(String order) {}

    record Tell(String order, String what) implements Command<Done> {}

    record Told(String order, String what) {}

    private static final Fold<String> ORDER = Fold.from("").on(OrderPlaced.class, (none, e) -> e.order());

    static final ProcessManager<String> BILLING = ProcessManager.named("billing", ORDER)
            .startedBy(
                    OrderPlaced.class,
                    OrderPlaced::order,
                    (order, e) -> List.of(tell(order, "customer: please pay"), Reaction.startTimer("due", DUE)))
            .on(MoneyCame.class, MoneyCame::order, (order, e) -> List.of(Reaction.end()))
            .onTimer(
                    "due",
                    order -> List.of(tell(order, "customer: you have not paid"), Reaction.startTimer("over", DUE)))
            .onTimer("over", order -> List.of(tell(order, "lawyer: over to you"), Reaction.end()))
            .build();

    static final ProcessManager<String> WAREHOUSE = ProcessManager.named("warehouse", ORDER)
            .startedBy(
                    OrderPlaced.class,
                    OrderPlaced::order,
                    (order, e) -> List.of(Reaction.startTimer("hold", DUE.multipliedBy(2))))
            .on(
                    MoneyCame.class,
                    MoneyCame::order,
                    (order, e) -> List.of(tell(order, "packer: pack and ship"), Reaction.end()))
            .onTimer("hold", order -> List.of(tell(order, "packer: put it back"), Reaction.end()))
            .build();

    private Choreography() {}

    private static Reaction tell(String order, String what) {
        return Reaction.send(new Tell(order, what));
    }

    /**
     * Runs it all.
     *
     * @param args none
     * @throws InterruptedException if it is interrupted
     */
    public static void main(String[] args) throws InterruptedException {
        run(System.out);
    }

    static void run(PrintStream out) throws InterruptedException {
        var clock = Clock.systemUTC();
        var domain = new InMemoryEventStore(domain(), clock);
        var engine = engine(domain, clock);
        var threads = Executors.newFixedThreadPool(SagaEngine.DEFAULT_AT_ONCE + 1);
        var timer = Executors.newSingleThreadScheduledExecutor();
        try (engine) {
            engine.start(
                    bus(domain),
                    threads,
                    (delay, task) -> {
                        var unused = timer.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
                    },
                    System.err::println);
            domain.append(
                    List.of(new OrderPlaced("o-1"), new OrderPlaced("o-2"), new MoneyCame("o-1")),
                    AppendCondition.none());
            for (var order : List.of("o-1", "o-2")) {
                engine.awaitEnded("billing", order, PATIENCE);
                engine.awaitEnded("warehouse", order, PATIENCE);
                out.println(order);
                told(domain, order).stream().sorted().forEach(what -> out.println("  " + what));
            }
        } finally {
            threads.shutdown();
            timer.shutdown();
        }
    }

    static SagaEngine engine(EventStore domain, Clock clock) {
        return SagaEngine.builder(new InMemoryEventStore(operations(), clock), clock)
                .name("sagas")
                .add(BILLING)
                .add(WAREHOUSE)
                .domain(domain)
                .build();
    }

    static Catalog domain() {
        return Catalog.builder()
                .event("order-placed", OrderPlaced.class)
                .event("money-came", MoneyCame.class)
                .event("told", Told.class, e -> Set.of(Tag.of("order", e.order())))
                .commandIds()
                .build();
    }

    private static Catalog operations() {
        return SagaEngine.catalog(Catalog.builder())
                .event("order-placed", OrderPlaced.class)
                .event("money-came", MoneyCame.class)
                .event("tell", Tell.class)
                .build();
    }

    static CommandBus bus(EventStore domain) {
        return InMemoryCommandBus.builder()
                .handle(
                        Tell.class,
                        new DecisionHandler<Tell, Boolean, Done>(
                                        domain,
                                        c -> DecisionModel.of(EventQuery.types(Told.class), Fold.from(true)),
                                        (c, open) -> Decision.accept(new Told(c.order(), c.what())),
                                        (c, open) -> Done.DONE)
                                .idempotent())
                .build();
    }

    static List<String> told(EventStore domain, String order) {
        try (var events = domain.read(EventQuery.types(Told.class).withTags(Tag.of("order", order)))) {
            return events.toList().stream()
                    .map(event -> ((Told) event.event()).what())
                    .toList();
        }
    }
}
