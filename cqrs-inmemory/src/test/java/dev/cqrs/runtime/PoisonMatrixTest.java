package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.runtime.ProjectionFailure.Outcome;
import dev.cqrs.runtime.ProjectionView.Parked;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Twenty projections on one executor, one of which fails in each of the ways there are, at one event in a hundred: the other
 * nineteen come to the end of the log, and so does the one when its cause is gone.
 */
@Timeout(300)
class PoisonMatrixTest {

    private static final int PROJECTIONS = 20;
    private static final int EVENTS = 100;
    private static final int POISON = 42;

    record Noted(int number) {}

    /** The ways to fail, and what becomes of each where events may be put aside. */
    enum Kind {
        EXCEPTION(Outcome.PARKED),
        CHECKED_EXCEPTION_THROWN_SNEAKILY(Outcome.PARKED),
        ERROR(Outcome.PARKED),
        STACK_OVERFLOW(Outcome.PARKED),
        OUT_OF_MEMORY(Outcome.PARKED),
        NULL_STATE(Outcome.PARKED),
        HANG(Outcome.RETRIED),
        INTERRUPT(Outcome.PARKED),
        UNKNOWN_EVENT(Outcome.STOPPED),
        STORE_FAILURE(Outcome.RETRIED),
        CHECKPOINT_FAILURE(Outcome.RETRIED),
        EXECUTOR_REFUSES(Outcome.STOPPED),
        LISTENER_THROWS(Outcome.PARKED),
        EXCEPTION_WHOSE_WORDS_THROW(Outcome.PARKED),
        EFFECT_THROWS(Outcome.PARKED);

        final Outcome outcome;

        Kind(Outcome outcome) {
            this.outcome = outcome;
        }
    }

    private final InMemoryEventStore log =
            new InMemoryEventStore(Catalog.builder().event("noted", Noted.class).build(), Clock.systemUTC());
    private final InMemoryCheckpointStore saved = new InMemoryCheckpointStore();
    private final ArrayBlockingQueue<ProjectionFailure> failures = new ArrayBlockingQueue<>(1_000);
    private final ArrayBlockingQueue<Throwable> uncaught = new ArrayBlockingQueue<>(1_000);
    private final AtomicBoolean poison = new AtomicBoolean(true);
    private final CountDownLatch hangs = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final ExecutorService threads = Executors.newFixedThreadPool(3, task -> {
        var thread = new Thread(task);
        thread.setUncaughtExceptionHandler((where, thrown) -> uncaught.add(thrown));
        return thread;
    });

    @AfterEach
    void end_the_threads() throws InterruptedException {
        ended.countDown();
        threads.shutdown();
        assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void the_other_nineteen_come_to_the_end_and_the_one_does_when_its_cause_is_gone(Kind kind) throws Exception {
        // given
        for (int i = 1; i <= EVENTS; i++) {
            log.append(List.of(new Noted(i)), AppendCondition.none());
        }
        Consumer<ProjectionFailure> listener = failure -> {
            failures.add(failure);
            if (kind == Kind.LISTENER_THROWS) {
                throw new IllegalArgumentException("the listener's own");
            }
        };
        var builder = ProjectionEngine.builder(failingStore(kind), listener).checkpoints(failingCheckpoints(kind));
        var all = new ArrayList<Projection<List<Integer>>>();
        for (int i = 0; i < PROJECTIONS; i++) {
            var projection = i == 7 ? poisoned(kind) : plain("projection " + i);
            all.add(projection);
            Executor executor = i == 7 && kind == Kind.EXECUTOR_REFUSES ? this::executeUnlessPoisoned : threads;
            builder.run(projection, Delivery.background(executor).park());
        }
        try (var engine = builder.build()) {
            // then
            for (int i = 0; i < PROJECTIONS; i++) {
                if (i != 7) {
                    var view = engine.view(all.get(i));
                    view.awaitApplied(log.head(), Duration.ofMinutes(2));
                    assertThat(view.<List<Integer>>read(List::copyOf)).hasSize(EVENTS);
                    assertThat(view.status().isWell()).isTrue();
                }
            }
            var one = engine.view(all.get(7));
            if (kind == Kind.HANG) {
                assertThat(hangs.await(120, TimeUnit.SECONDS)).isTrue();
                assertThat(one.status().lag()).as("seen in its lag").isEqualTo(EVENTS);
                ended.countDown();
            } else {
                var failure = failures.poll(120, TimeUnit.SECONDS);
                assertThat(failure).isNotNull();
                assertThat(failure.outcome()).isEqualTo(kind.outcome);
                assertThat(failure.projection()).isEqualTo("projection 7");
                assertThat(engine.health().projections()).isEqualTo(PROJECTIONS);
            }
            checkMended(kind, one);
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
            while (!engine.health().isWell()
                    && System.nanoTime() < deadline) { // what failed to be saved is, after the fold
                Thread.onSpinWait();
            }
            assertThat(engine.health().isWell()).isTrue();
        }
        if (kind == Kind.LISTENER_THROWS) { // told by the thread that failed, and nobody waits for that
            assertThat(uncaught.poll(120, TimeUnit.SECONDS)).hasMessage("the listener's own");
        }
        assertThat(uncaught).isEmpty();
    }

    private void checkMended(Kind kind, ProjectionView<List<Integer>> one) throws InterruptedException {
        if (kind.outcome == Outcome.PARKED) {
            one.awaitApplied(log.head(), Duration.ofMinutes(2));
            assertThat(one.parked()).singleElement().satisfies(parked -> {
                assertThat(parked.position()).isEqualTo(Position.of(POISON));
                assertThat(parked.key()).isEqualTo(POISON);
                assertThat(parked.reason()).isPresent();
            });
            assertThat(one.<List<Integer>>read(List::copyOf)).hasSize(EVENTS - 1);
        }
        poison.set(false);
        switch (kind.outcome) {
            case PARKED -> assertThat(one.retryParked(POISON)).isTrue();
            case STOPPED -> assertThat(one.resume()).isTrue();
            default -> log.append(List.of(new Noted(EVENTS + 1)), AppendCondition.none()); // the store's next signal
        }
        one.awaitApplied(log.head(), Duration.ofMinutes(2));
        assertThat(one.<List<Integer>>read(List::copyOf))
                .hasSize((int) log.head().value())
                .doesNotHaveDuplicates();
        assertThat(one.parked()).extracting(Parked::reason).isEqualTo(List.<Optional<String>>of());
    }

    private void executeUnlessPoisoned(Runnable task) {
        if (poison.get()) {
            throw new RejectedExecutionException("full");
        }
        threads.execute(task);
    }

    private static Projection<List<Integer>> plain(String name) {
        return Projection.of(name, 1, Fold.from(List.<Integer>of()).on(Noted.class, (list, e) -> {
                    var more = new ArrayList<>(list);
                    more.add(e.number());
                    return List.copyOf(more);
                }))
                .by(Keys.by(Noted.class, Noted::number));
    }

    private Projection<List<Integer>> poisoned(Kind kind) {
        var plain = plain("projection 7");
        if (kind == Kind.EFFECT_THROWS) {
            return plain.effect(Noted.class, (event, trigger) -> {
                if (event.number() == POISON && poison.get()) {
                    throw new java.io.IOException("no connection");
                }
            });
        }
        return Projection.of(plain.name(), 1, Fold.from(List.<Integer>of()).on(Noted.class, (list, e) -> {
                    if (e.number() == POISON && poison.get()) {
                        var state = fail(kind);
                        if (kind == Kind.NULL_STATE) {
                            return state;
                        }
                    }
                    return plain.fold().apply(list, e);
                }))
                .by(Keys.by(Noted.class, Noted::number))
                .over(EventQuery.all()); // by which the store knows it
    }

    @SuppressWarnings("NullAway")
    private List<Integer> fail(Kind kind) {
        switch (kind) {
            case EXCEPTION, LISTENER_THROWS -> throw new IllegalStateException("boom");
            case CHECKED_EXCEPTION_THROWN_SNEAKILY -> sneak(new java.io.IOException("boom"));
            case ERROR -> throw new AssertionError("boom");
            case STACK_OVERFLOW -> overflow(1);
            case OUT_OF_MEMORY -> throw new OutOfMemoryError("made by hand");
            case INTERRUPT -> {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted", new InterruptedException());
            }
            case EXCEPTION_WHOSE_WORDS_THROW -> throw new WordlessException();
            case HANG -> {
                hangs.countDown();
                try {
                    ended.await();
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
            default -> {}
        }
        return null;
    }

    static final class WordlessException extends RuntimeException {
        @Override
        public String getMessage() {
            throw new IllegalStateException("no words");
        }
    }

    @SuppressWarnings("InfiniteRecursion")
    private static int overflow(int depth) {
        return overflow(depth + 1) + 1;
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <T extends Throwable> void sneak(Throwable thrown) throws T {
        throw (T) thrown;
    }

    /** The log, which one projection cannot read while it is poisoned. */
    private EventStore failingStore(Kind kind) {
        if (kind != Kind.STORE_FAILURE && kind != Kind.UNKNOWN_EVENT) {
            return log;
        }
        var thrown = kind == Kind.STORE_FAILURE
                ? new IllegalStateException("connection lost")
                : new UnknownEventException("noted", "nothing of the kind");
        return (EventStore) proxy(EventStore.class, log, (method, result, query) -> {
            if (!method.equals("read") || query == null || !query.equals(EventQuery.all())) {
                return result;
            }
            var moves = new int[1];
            return proxy(EventStream.class, result, (call, value, none) -> {
                if (call.equals("event") && ++moves[0] == POISON && poison.get()) {
                    throw thrown;
                }
                return value;
            });
        });
    }

    private CheckpointStore failingCheckpoints(Kind kind) {
        if (kind != Kind.CHECKPOINT_FAILURE) {
            return saved;
        }
        return new CheckpointStore() {
            @Override
            public Optional<Checkpoint> load(String name) {
                return saved.load(name);
            }

            @Override
            public void save(String name, Checkpoint checkpoint) {
                if (name.equals("projection 7") && poison.get()) {
                    throw new IllegalStateException("no space left");
                }
                saved.save(name, checkpoint);
            }

            @Override
            public void delete(String name) {
                saved.delete(name);
            }
        };
    }

    private interface After {
        Object result(String method, Object result, @Nullable Object argument);
    }

    private static Object proxy(Class<?> type, Object target, After after) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
            if (method.isDefault()) {
                return InvocationHandler.invokeDefault(proxy, method, arguments);
            }
            try {
                var first = arguments == null || arguments.length == 0 ? null : arguments[0];
                return after.result(method.getName(), method.invoke(target, arguments), first);
            } catch (InvocationTargetException thrown) {
                throw thrown.getCause();
            }
        });
    }

    @Test
    void there_are_at_least_twelve_kinds() {
        assertThat(Kind.values()).hasSizeGreaterThanOrEqualTo(12);
    }
}
