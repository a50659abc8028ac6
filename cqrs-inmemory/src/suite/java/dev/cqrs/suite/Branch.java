package dev.cqrs.suite;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.projection.Projection.Trigger;
import dev.cqrs.queue.CommandQueue;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionStatus;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.schedule.CommandSchedule;
import dev.cqrs.schedule.ScheduleWorker;
import dev.cqrs.testing.Simulation;
import dev.cqrs.testing.Simulation.InjectedException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A bank's branch, wired of everything the library has, in one process: three ways to have a command carried out, views in
 * the appending thread and beside it, and letters to customers.
 */
final class Branch {

    /** What is asked of the branch; answers what is in the account then. */
    sealed interface Order extends Command<Integer>
            permits Pay, Draw, Move, Credit, Ask, Loans.Borrow, Loans.Note, Loans.Sign, Loans.Confirm {

        /** Whose orders are carried out one after the other. */
        String account();
    }

    record Pay(String account, int cents) implements Order {}

    /** Is rejected if there is not enough. */
    record Draw(String account, int cents) implements Order {}

    /** Both accounts in one append; is rejected if there is not enough. */
    record Move(String account, String to, int cents) implements Order {}

    /** What a bank is asked for from outside: refused if the amount can be divided by three. */
    record Credit(String account, int cents) implements Order {}

    /** A transfer in two steps, of which the second may be refused. */
    record Ask(String key, String account, String to, int cents) implements Order {}

    record Asked(String key, String account, String to, int cents) {}

    record Booked(String account, int cents) {}

    static final Fold<Integer> MONEY = Fold.from(0).on(Booked.class, (sum, e) -> sum + e.cents());
    static final Projection<Integer> TOTAL = Projection.of("total", 1, MONEY);
    static final Projection<Map<String, Integer>> BALANCES =
            Projection.keyed("balances", 1, Keys.by(Booked.class, Booked::account), MONEY);

    /** What is saved, by the projection's name, for stores that have to know. */
    static final Map<String, Class<?>> SAVED = Map.of(
            "total",
            Integer.class,
            "letters",
            Integer.class,
            "s-1",
            SagaEngine.Saved.class,
            "s-2",
            SagaEngine.Saved.class);

    static final Catalog DOMAIN = Catalog.builder()
            .event("booked", Booked.class, e -> Set.of(Tag.of("account", e.account())))
            .event("asked", Asked.class)
            .event("borrowed", Loans.Borrowed.class)
            .event("noted", Loans.Noted.class)
            .event("signed", Loans.Signed.class)
            .event("confirmed", Loans.Confirmed.class)
            .commandIds()
            .build();

    static final Catalog OPERATIONS = SagaEngine.catalog(CommandSchedule.catalog(Catalog.builder()))
            .event("asked", Asked.class)
            .event("borrowed", Loans.Borrowed.class)
            .event("reserved", Loans.Reserved.class)
            .event("signed", Loans.Signed.class)
            .event("confirmed", Loans.Confirmed.class)
            .event("note", Loans.Note.class)
            .event("ask", Ask.class)
            .event("credit", Credit.class)
            .event("pay", Pay.class)
            .event("draw", Draw.class)
            .event("move", Move.class)
            .build();

    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Duration[] FURTHER = {SECOND, SECOND, SECOND, SECOND, SECOND, SECOND, SECOND, SECOND, SECOND};

    /** How many times a stored command is tried. */
    static final int TRIES = 2 + FURTHER.length;

    /** Leaves nothing to an operator: whatever the simulation has fail is tried again until it is known. */
    static final Saga<Asked> TRANSFER = Saga.named(
                    "transfer", Fold.from(new Asked("", "", "", 0)).on(Asked.class, (none, asked) -> asked))
            .startedBy(Asked.class, Asked::key)
            .step("debit", asked -> new Draw(asked.account(), asked.cents()))
            .retry(SECOND, FURTHER)
            .unsure(InjectedException.class, AppendOutcomeUnknownException.class)
            .compensate(asked -> new Pay(asked.account(), asked.cents()))
            .step("credit", asked -> new Credit(asked.to(), asked.cents()))
            .retry(SECOND, FURTHER)
            .unsure(InjectedException.class, AppendOutcomeUnknownException.class)
            .build();

    private final EventStore log;
    private final Loans.Release release;
    private final Loans.Troubles troubles;
    private final Projection<Integer> letters;
    private final ProjectionEngine engine;
    private final CommandBus bus;
    private final CommandQueue queue;
    private final CommandSchedule schedule;
    private final ScheduleWorker worker;
    private final ScheduleWorker other;
    private final SagaEngine sagas;
    private final SagaEngine otherSagas;

    Branch(
            Simulation.Host host,
            EventStore domain,
            EventStore operations,
            CheckpointStore saved,
            Consumer<Trigger> letter,
            Loans.Release release,
            Loans.Troubles troubles) {
        this.release = release;
        this.troubles = troubles;
        log = host.around(domain);
        letters = Projection.of("letters", 1, Fold.from(0).on(Booked.class, (count, e) -> count + 1))
                .effect(Booked.class, (e, trigger) -> {
                    host.pass("before a letter");
                    letter.accept(trigger);
                    host.pass("after a letter");
                });
        engine = ProjectionEngine.builder(log, failure -> {})
                .checkpoints(host.around(saved))
                .run(TOTAL, Delivery.inline().retry(host::schedule, SECOND, FURTHER))
                .run(
                        BALANCES,
                        Delivery.background(host.executor("balances")).batch(3).retry(host::schedule, SECOND, FURTHER))
                .run(
                        letters,
                        Delivery.background(host.executor("letters")).batch(3).retry(host::schedule, SECOND, FURTHER))
                .build();
        bus = InMemoryCommandBus.builder()
                .handle(
                        Pay.class,
                        failing(
                                host,
                                new DecisionHandler<Pay, Integer, Integer>(
                                        log,
                                        c -> balance(c.account()),
                                        (c, sum) -> accept(new Booked(c.account(), c.cents())),
                                        (c, sum) -> sum)))
                .handle(
                        Draw.class,
                        failing(
                                host,
                                new DecisionHandler<Draw, Integer, Integer>(
                                        log,
                                        c -> balance(c.account()),
                                        (c, sum) -> sum < c.cents()
                                                ? reject("only " + sum)
                                                : accept(new Booked(c.account(), -c.cents())),
                                        (c, sum) -> sum)))
                .handle(
                        Move.class,
                        failing(
                                host,
                                new DecisionHandler<Move, Integer, Integer>(
                                        log,
                                        c -> balance(c.account()).and(balance(c.to()), (from, to) -> from),
                                        (c, sum) -> sum < c.cents()
                                                ? reject("only " + sum)
                                                : accept(
                                                        new Booked(c.account(), -c.cents()),
                                                        new Booked(c.to(), c.cents())),
                                        (c, sum) -> sum)))
                .handle(
                        Credit.class,
                        failing(
                                host,
                                new DecisionHandler<Credit, Integer, Integer>(
                                        log,
                                        c -> balance(c.account()),
                                        (c, sum) -> c.cents() % 3 == 0
                                                ? reject("not from you")
                                                : accept(new Booked(c.account(), c.cents())),
                                        (c, sum) -> sum)))
                .handle(
                        Ask.class,
                        failing(
                                host,
                                new DecisionHandler<Ask, Integer, Integer>(
                                        log,
                                        c -> balance(c.account()),
                                        (c, sum) -> accept(new Asked(c.key(), c.account(), c.to(), c.cents())),
                                        (c, sum) -> sum)))
                .handle(Loans.Borrow.class, recording(host, Loans.Borrow::events))
                .handle(Loans.Note.class, recording(host, c -> List.of(new Loans.Noted(c.key(), c.what()))))
                .handle(Loans.Sign.class, recording(host, c -> List.of(new Loans.Signed(c.key()))))
                .handle(Loans.Confirm.class, recording(host, c -> List.of(new Loans.Confirmed(c.key()))))
                .build();
        queue = CommandQueue.to(bus, host.executor("queue"), failure -> {})
                .key(Order.class, Order::account)
                .workers(2)
                .capacity(1_000)
                .whenFull(CommandQueue.WhenFull.REFUSE)
                .build();
        schedule = schedule(host, operations);
        worker = schedule.work("w-1", bus, host.executor("worker 1"), host::schedule, failure -> {});
        // as if in a process of its own, which knows of the other only by the log
        other = schedule(host, operations).work("w-2", bus, host.executor("worker 2"), host::schedule, failure -> {});
        var store = release.saves() ? Optional.of(host.around(saved)) : Optional.<CheckpointStore>empty();
        sagas = sagas(host, operations, "s-1", release.one(), store);
        otherSagas = sagas(host, operations, "s-2", release.two(), store);
    }

    private <C extends Order> CommandHandler<C, Integer> recording(
            Simulation.Host host, Function<C, List<Object>> events) {
        return failing(
                host,
                new DecisionHandler<C, Integer, Integer>(
                        log,
                        c -> balance(c.account()),
                        (c, sum) -> accept(events.apply(c).toArray()),
                        (c, sum) -> sum));
    }

    private SagaEngine sagas(
            Simulation.Host host,
            EventStore operations,
            String name,
            List<Integer> versions,
            Optional<CheckpointStore> saved) {
        var builder = SagaEngine.builder(host.around(operations), host.clock())
                .add(TRANSFER, Position.START)
                .add(Loans.REMINDER, Position.START)
                .domain(log)
                .name(name);
        versions.forEach(version -> builder.add(Loans.loan(version), Position.START));
        saved.ifPresent(store -> builder.checkpoints(store, name));
        var engine = builder.build();
        var executor = host.executor("sagas " + name);
        engine.start(
                bus,
                task -> executor.execute(() -> {
                    task.run();
                    Thread.interrupted(); // it was meant for that task
                }),
                host::schedule,
                failure -> {});
        return engine;
    }

    private static DecisionModel<Integer> balance(String account) {
        return DecisionModel.of(EventQuery.tagged(Tag.of("account", account)), MONEY);
    }

    private <C extends Order> CommandHandler<C, Integer> failing(
            Simulation.Host host, DecisionHandler<C, Integer, Integer> handler) {
        var idempotent = handler.idempotent();
        var refusing = new DecisionHandler<C, Integer, Integer>(
                        log, c -> balance(c.account()), (c, sum) -> reject("not now"), (c, sum) -> sum)
                .idempotent();
        return (command, metadata) -> {
            char trouble = troubles.next(metadata.id().orElse(""));
            troubles.handles(1);
            try {
                host.pass("before the handler");
                Loans.Troubles.before(trouble);
                var result = (Loans.Troubles.refuses(trouble) ? refusing : idempotent).handle(command, metadata);
                host.pass("after the handler");
                Loans.Troubles.after(trouble);
                return result;
            } finally {
                troubles.handles(-1);
            }
        };
    }

    private static CommandSchedule schedule(Simulation.Host host, EventStore operations) {
        return CommandSchedule.builder(host.around(operations), host.clock())
                .key(Order.class, Order::account)
                .lanes(4)
                .atOnce(2)
                .retry(SECOND, FURTHER)
                .build();
    }

    CommandBus bus() {
        return bus;
    }

    CommandQueue queue() {
        return queue;
    }

    CommandSchedule schedule() {
        return schedule;
    }

    int total() {
        return engine.view(TOTAL).read(sum -> sum);
    }

    Map<String, Integer> balances() {
        return engine.view(BALANCES).read(Map::copyOf);
    }

    int letters() {
        return engine.view(letters).read(count -> count);
    }

    ProjectionStatus status(Projection<?> projection) {
        return engine.view(projection).status();
    }

    /** The one by which sagas are operated, as it knows the newest version. */
    SagaEngine sagas() {
        return release.one().contains(2) || !release.two().contains(2) ? sagas : otherSagas;
    }

    void close() {
        sagas.close();
        otherSagas.close();
        worker.close();
        other.close();
        queue.close();
        engine.close();
    }
}
