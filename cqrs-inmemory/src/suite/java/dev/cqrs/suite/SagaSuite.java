package dev.cqrs.suite;

import dev.cqrs.command.CommandBus;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaFailure;
import dev.cqrs.saga.SagaInstance;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Receipt;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** What the suites of sagas have in common: logs of the extending class, virtual time, and an order of tasks that is a seed's. */
@Timeout(120)
public abstract class SagaSuite implements SagaLogs {

    static final Instant START = Instant.parse("2026-01-05T09:00:00Z");
    static final Duration MINUTE = Duration.ofMinutes(1);

    protected VirtualClock clock = new VirtualClock(START);
    protected SeededScheduler executor = new SeededScheduler(7, clock);
    protected EventStore operations;
    protected EventStore domain;
    final List<SagaFailure> failures = new ArrayList<>();
    final List<String> ran = new ArrayList<>();
    final List<Metadata> metadata = new ArrayList<>();
    BiConsumer<Do, Metadata> before = (command, data) -> {};
    final Set<String> refused = new HashSet<>();

    @SuppressWarnings("NullAway.Init") // opened before each test
    protected SagaSuite() {}

    @BeforeEach
    void open_empty_logs() {
        open(new SeededScheduler(7, clock));
    }

    final void open(SeededScheduler scheduler) {
        executor = scheduler;
        clock = scheduler.clock();
        operations = emptyLog(Parts.operations(), clock);
        domain = emptyLog(Parts.domain(), clock);
        ran.clear();
        failures.clear();
    }

    static Saga.Builder<Known> job() {
        return job("job");
    }

    static Saga.Builder<Known> job(String name) {
        return Saga.named(name, Parts.KNOWN).startedBy(Ordered.class, Ordered::job);
    }

    /** Three steps, each with a compensation. */
    static Saga.Builder<Known> three(Saga.Builder<Known> saga) {
        return saga.step("a", known -> known.part("a"), (known, text) -> new Receipt(text))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b"))
                .compensate(known -> known.part("undo b"))
                .step("c", known -> known.part("c"))
                .compensate(known -> known.part("undo c"));
    }

    SagaEngine.Builder engine(Saga<?>... sagas) {
        var builder = SagaEngine.builder(operations, clock)
                .name("sagas")
                .domain(domain)
                .lease(Duration.ofSeconds(30));
        for (var saga : sagas) {
            builder.add(saga, Position.START);
        }
        return builder;
    }

    SagaEngine start(Saga<?>... sagas) {
        return start(engine(sagas));
    }

    SagaEngine start(SagaEngine.Builder builder) {
        var engine = builder.build();
        engine.start(bus(domain), executor, executor::schedule, failures::add);
        return engine;
    }

    CommandBus bus(EventStore domain) {
        return Parts.bus(
                domain,
                (command, data) -> {
                    ran.add(data.id().orElseThrow());
                    metadata.add(data);
                    before.accept(command, data);
                },
                part -> part.endsWith("!") || refused.contains(part));
    }

    void order(String job) {
        Parts.append(domain, new Ordered(job));
    }

    List<String> done() {
        return Parts.done(domain, "j");
    }

    static SagaInstance find(SagaEngine engine) {
        return engine.find("job", "j").orElseThrow();
    }

    static State state(SagaEngine engine) {
        return find(engine).state();
    }

    void failAt(String part, int times) {
        failAt(part, times, new IllegalStateException("out of order"));
    }

    void failAt(String part, int times, RuntimeException thrown) {
        var left = new int[] {times};
        before = (command, data) -> {
            if (command.part().equals(part) && left[0]-- > 0) {
                throw thrown;
            }
        };
    }

    static Saga<Known> waiting() {
        return job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .await("packed", Packed.class, Packed::job)
                .timeout(Duration.ofMinutes(30))
                .step("b", known -> known.part("b"))
                .build();
    }

    static void runAll(Queue<Runnable> tasks) {
        for (var task = tasks.poll(); task != null; task = tasks.poll()) {
            task.run();
        }
    }

    /** The operations log, which takes no event of which something is true. */
    EventStore refusing(Predicate<Object> refused) {
        return new Fronted(operations) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (events.stream().anyMatch(refused)) {
                    throw new IllegalArgumentException("it cannot be written");
                }
                return store.append(events, condition, metadata);
            }
        };
    }

    /** A log that does as another one, but for what it does first when a method is called. */
    static EventStore whenCalled(EventStore log, BiFunction<String, Callable<Object>, Object> around) {
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(),
                new Class<?>[] {EventStore.class},
                (proxy, method, args) -> around.apply(method.getName(), () -> {
                    try {
                        return method.invoke(log, args);
                    } catch (InvocationTargetException thrown) {
                        if (thrown.getTargetException() instanceof RuntimeException failed) {
                            throw failed;
                        }
                        throw thrown;
                    }
                }));
    }

    static Object call(Callable<Object> callable) {
        try {
            return callable.call();
        } catch (RuntimeException thrown) {
            throw thrown;
        } catch (Exception checked) {
            throw new IllegalStateException(checked);
        }
    }

    SagaEngine.Builder engineOver(CrashPoints crashes, Saga<?> saga) {
        return SagaEngine.builder(crashes.around(operations), clock)
                .name("sagas")
                .add(saga, Position.START)
                .domain(crashes.around(domain))
                .lease(Duration.ofSeconds(30));
    }

    SagaEngine startCrashing(SagaEngine.Builder builder, CrashPoints crashes) {
        var engine = builder.build();
        var around = crashes.around(domain);
        engine.start(
                bus(around),
                crashes.around((Executor) executor),
                (delay, task) -> crashes.around((Executor) later -> executor.schedule(delay, later))
                        .execute(task),
                failures::add);
        return engine;
    }
}
