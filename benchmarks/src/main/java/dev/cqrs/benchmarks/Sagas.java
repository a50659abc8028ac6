package dev.cqrs.benchmarks;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEvent;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Continued;
import dev.cqrs.saga.SagaEvent.Effect;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaEvent.Output;
import dev.cqrs.saga.SagaEvent.Standing;
import dev.cqrs.saga.SagaEvent.Started;
import dev.cqrs.saga.SagaInstance;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Sagas of three steps, end to end: the time a saga from the first begun to the last ended, of {@value #SAGAS} begun one after
 * the other by one thread and run by two others, on the same bus, whose handlers count. Each iteration has a fresh log.
 *
 * <p>The floor is written by hand: it appends the same events, with the same metadata, to the same kind of store under the same
 * conditions, and knows what comes next by a local variable; its executor's queue has no bound.
 */
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms3g", "-Xmx3g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 70) // an engine is a lot of code to compile; the floor is done after ten
@Measurement(iterations = 9)
public abstract class Sagas {

    static final int SAGAS = 10_000;
    static final int WORKERS = 2;
    static final String NAME = "order";
    private static final String FIRST = "first";

    /** Of a saga: with its start, three commands, and the marks of four turns. */
    private static final int EVENTS_A_SAGA = 8;

    record Ordered(String order, long cents) {}

    record Pay(String order, long cents) implements Command<Done> {}

    record Reserve(String order) implements Command<Done> {}

    record Ship(String order) implements Command<Done> {}

    record Refund(String order) implements Command<Done> {}

    record Release(String order) implements Command<Done> {}

    record Known(String order, long cents) {}

    static final Saga<Known> SAGA = Saga.named(
                    NAME, Fold.from(new Known("", 0)).on(Ordered.class, (none, e) -> new Known(e.order(), e.cents())))
            .startedBy(Ordered.class, Ordered::order)
            .step("pay", o -> new Pay(o.order(), o.cents()))
            .compensate(o -> new Refund(o.order()))
            .step("reserve", o -> new Reserve(o.order()))
            .compensate(o -> new Release(o.order()))
            .step("ship", o -> new Ship(o.order()))
            .build();

    static EventStore log() {
        return new InMemoryEventStore(
                SagaEngine.catalog(Catalog.builder())
                        .event("ordered", Ordered.class)
                        .event("pay", Pay.class)
                        .event("reserve", Reserve.class)
                        .event("ship", Ship.class)
                        .event("refund", Refund.class)
                        .event("release", Release.class)
                        .build(),
                Ledger.CLOCK);
    }

    /** The orders, the bus, the threads. */
    @State(Scope.Benchmark)
    public static class Load {

        final String[] keys = new String[SAGAS];
        final Ordered[] orders = new Ordered[SAGAS];
        final LongAdder handled = new LongAdder();
        final CommandBus bus = InMemoryCommandBus.builder()
                .handle(Pay.class, c -> count())
                .handle(Reserve.class, c -> count())
                .handle(Ship.class, c -> count())
                .handle(Refund.class, c -> count())
                .handle(Release.class, c -> count())
                .build();

        ExecutorService executor;

        private Done count() {
            handled.increment();
            return Done.DONE;
        }

        /** Makes them. */
        @Setup
        public void make() {
            for (int i = 0; i < SAGAS; i++) {
                keys[i] = "order-" + i;
                orders[i] = new Ordered(keys[i], i);
            }
            executor = Executors.newFixedThreadPool(WORKERS);
        }

        /** Checks that all steps were done, and no step twice. */
        long check() {
            long sum = handled.sumThenReset();
            if (sum != 3L * SAGAS) {
                throw new IllegalStateException(sum + " commands were handled; expected " + 3 * SAGAS + ".");
            }
            return sum;
        }

        /** Ends the threads. */
        @TearDown
        public void end() {
            executor.shutdown();
        }
    }

    /** A fresh log, and the end of what goes into it. */
    @State(Scope.Benchmark)
    public static class Log {

        private static final long PATIENCE_SECONDS = 60;

        EventStore store;
        private final Semaphore done = new Semaphore(0);
        private volatile long end;

        /** Makes it. */
        @Setup(Level.Invocation)
        public void make() {
            store = log();
            expectSagas();
            store.onAppend(last -> {
                if (last.value() == end) { // the end of a saga is an append of one event, so none jumps over it
                    done.release();
                }
            });
        }

        /** Has the end be that of all sagas, which are begun from here on. */
        void expectSagas() {
            end = store.head().value() + (long) SAGAS * EVENTS_A_SAGA;
        }

        void awaitEnd() throws InterruptedException {
            if (!done.tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException("After " + PATIENCE_SECONDS + " seconds the log is at " + store.head()
                        + "; expected " + end + ".");
            }
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Cqrs {

        private static final Duration PATIENCE = Duration.ofSeconds(60);

        SagaEngine engine;

        /** Starts the engine, which has one saga end first: one that is begun while it starts has a turn more. */
        @Setup(Level.Invocation)
        public void start(Load load, Log log) throws InterruptedException {
            engine = SagaEngine.builder(log.store, Ledger.CLOCK)
                    .name("sagas")
                    .add(SAGA)
                    .domain(new InMemoryEventStore(
                            Catalog.builder().event("ordered", Ordered.class).build(), Ledger.CLOCK))
                    .atOnce(WORKERS)
                    .build();
            engine.start(
                    load.bus,
                    load.executor,
                    (delay, task) -> {}, // nothing waits for its time
                    failure -> failure.cause().printStackTrace());
            engine.begin(NAME, FIRST, new Ordered(FIRST, 1));
            engine.awaitEnded(NAME, FIRST, PATIENCE);
            load.handled.reset();
            log.expectSagas();
        }

        /** Ends it. */
        @TearDown(Level.Invocation)
        public void end() {
            engine.close();
        }
    }

    /** By hand. */
    private static final class ByHand {

        private static final String ENGINE = "by-hand";
        private static final Output TO_PAY = issue("pay");
        private static final Output TO_RESERVE = issue("reserve");
        private static final Output TO_SHIP = issue("ship");
        private static final Output END = new Output(Effect.END, "", false, 0, Instant.EPOCH, "");
        private static final Input ORDERED = new Input(Cause.STARTED, "", false, 0, "ordered", 0, "");
        private static final Input PAID = returned("pay");
        private static final Input RESERVED = returned("reserve");
        private static final Input SHIPPED = returned("ship");
        private static final Standing ENDED =
                new Standing(SagaInstance.State.COMPLETED, "", false, Instant.EPOCH, "", 0, Instant.EPOCH);

        private final EventStore log;
        private final Load load;

        ByHand(EventStore log, Load load) {
            this.log = log;
            this.load = load;
        }

        private static Output issue(String step) {
            return new Output(Effect.ISSUE, step, false, 1, Instant.EPOCH, "");
        }

        private static Input returned(String step) {
            return new Input(Cause.RETURNED, step, false, 1, "", 0, "");
        }

        private static Standing running(String step) {
            return new Standing(
                    SagaInstance.State.RUNNING,
                    step,
                    true,
                    Instant.EPOCH,
                    ENGINE,
                    1,
                    Ledger.CLOCK.instant().plus(SagaEngine.DEFAULT_LEASE));
        }

        void begin(String key, Ordered ordered) {
            var query = EventQuery.types(SagaEvent.class).withTags(SagaEvent.tag(NAME, key));
            var pay = new Pay(key, ordered.cents());
            var mark = new Started(NAME, key, 1, ORDERED, List.of(TO_PAY), running("pay"));
            var correlation = NAME + "/" + key;
            var at = log.append(
                            List.of(mark, ordered, pay),
                            AppendCondition.absent(query),
                            Metadata.of(Map.of(Metadata.CORRELATION, correlation)))
                    .first();
            load.executor.execute(() -> goOn(key, correlation, query, pay, at));
        }

        private void goOn(String key, String correlation, EventQuery query, Pay pay, Position begun) {
            var id = dispatch(key, correlation, "pay", pay);
            var reserve = new Reserve(key);
            var reserving = new Continued(NAME, key, 1, PAID, List.of(TO_RESERVE), running("reserve"));
            var paid = append(List.of(reserving, reserve), query, begun, correlation, id);

            id = dispatch(key, correlation, "reserve", reserve);
            var ship = new Ship(key);
            var shipping = new Continued(NAME, key, 1, RESERVED, List.of(TO_SHIP), running("ship"));
            var reserved = append(List.of(shipping, ship), query, paid, correlation, id);

            id = dispatch(key, correlation, "ship", ship);
            var ended = new Continued(NAME, key, 1, SHIPPED, List.of(END), ENDED);
            append(List.of(ended), query, reserved, correlation, id);
        }

        private Position append(
                List<?> events, EventQuery query, Position before, String correlation, String causation) {
            return log.append(
                            events,
                            AppendCondition.unchanged(query, before),
                            Metadata.of(Map.of(Metadata.CORRELATION, correlation, Metadata.CAUSATION, causation)))
                    .first();
        }

        private String dispatch(String key, String correlation, String step, Command<Done> command) {
            var id = SagaEngine.commandId(NAME, key, step, false, 1);
            load.bus.dispatch(command, Metadata.of(Map.of(Metadata.ID, id, Metadata.CORRELATION, correlation)));
            return id;
        }
    }

    /** By hand. */
    @Benchmark
    @OperationsPerInvocation(SAGAS)
    public long floor(Load load, Log log) throws InterruptedException {
        var byHand = new ByHand(log.store, load);
        for (int i = 0; i < SAGAS; i++) {
            byHand.begin(load.keys[i], load.orders[i]);
        }
        log.awaitEnd();
        return load.check();
    }

    /** This library. */
    @Benchmark
    @OperationsPerInvocation(SAGAS)
    public long cqrs(Load load, Log log, Cqrs ours) throws InterruptedException {
        for (int i = 0; i < SAGAS; i++) {
            ours.engine.begin(NAME, load.keys[i], load.orders[i]);
        }
        log.awaitEnd();
        return load.check();
    }
}
