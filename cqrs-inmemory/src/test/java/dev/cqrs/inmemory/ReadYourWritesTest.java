package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.query.Query;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.runtime.ProjectionFailure;
import dev.cqrs.runtime.ProjectionTimeoutException;
import dev.cqrs.runtime.Rebuild;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who asks for a view that has seen a position gets one: right through restarts, rebuilds and swaps. */
@Timeout(300)
class ReadYourWritesTest {

    private static final int WRITERS = 4;
    private static final int CHECKS = Integer.getInteger("dev.cqrs.inmemory.checks", 100_000);
    private static final Duration LONG = Duration.ofMinutes(2);

    record Deposited(String account, int cents) {}

    record Balance(String account) implements Query<Integer> {}

    record Unseen() implements Query<Integer> {}

    private final InMemoryEventStore store = new InMemoryEventStore(
            Catalog.builder().event("deposited", Deposited.class).build(), Clock.systemUTC());
    private final InMemoryCheckpointStore checkpoints = new InMemoryCheckpointStore();
    private final ArrayBlockingQueue<ProjectionFailure> failures = new ArrayBlockingQueue<>(1_000);

    private static Projection<Map<String, Integer>> balances(int version) {
        return Projection.keyed(
                "balances",
                version,
                Keys.by(Deposited.class, Deposited::account),
                Fold.from(0).on(Deposited.class, (sum, e) -> sum + e.cents()));
    }

    private InMemoryCqrs start(Projection<Map<String, Integer>> balances, Delivery delivery) {
        return InMemoryCqrs.builder(store)
                .query(Balance.class, balances, (query, view) -> view.getOrDefault(query.account(), 0))
                .query(Unseen.class, query -> 1)
                .run(balances, delivery)
                .checkpoints(checkpoints)
                .onError(failures::add)
                .build();
    }

    private Position deposit(String account, int cents) {
        return store.append(List.of(new Deposited(account, cents)), AppendCondition.none())
                .last();
    }

    /** What several threads use: one of them at a time restarts it. */
    private static final class Running {
        final ReentrantReadWriteLock restart = new ReentrantReadWriteLock(true);
        Projection<Map<String, Integer>> projection;
        InMemoryCqrs app;

        Running(Projection<Map<String, Integer>> projection, InMemoryCqrs app) {
            this.projection = projection;
            this.app = app;
        }
    }

    @Test
    void each_of_four_writers_always_finds_its_own_writes() throws Exception {
        long seed = 4_711;
        var threads = Executors.newFixedThreadPool(WRITERS + 1);
        var folders = Executors.newFixedThreadPool(2);
        var first = balances(1);
        var delivery = Delivery.background(folders).batch(200);
        var running = new Running(first, start(first, delivery));
        var writing = new AtomicBoolean(true);
        var rebuilds = new AtomicInteger();
        var restarts = new AtomicInteger();
        var meddling = new AtomicBoolean(true);
        BooleanSupplier enough = () -> !meddling.get() || (rebuilds.get() > 10 && restarts.get() > 3);
        try {
            var writers = new ArrayList<Future<Integer>>();
            for (int i = 0; i < WRITERS; i++) {
                var random = new SplittableRandom(seed + i);
                var account = "account " + i;
                writers.add(threads.submit((Callable<Integer>) () -> {
                    int balance = 0;
                    int wrong = 0;
                    for (int check = 0; check < CHECKS / WRITERS || !enough.getAsBoolean(); check++) {
                        int cents = random.nextInt(100);
                        balance += cents;
                        var position = deposit(account, cents);
                        if (random.nextInt(4) == 0) {
                            cents = random.nextInt(100); // not what is waited for, but it may be in the answer
                            balance += cents;
                            position = deposit(account, cents);
                        }
                        InMemoryCqrs app;
                        running.restart.readLock().lock();
                        try {
                            app = running.app;
                            if (app.ask(new Balance(account), position, LONG) != balance) {
                                wrong++;
                            }
                        } finally {
                            running.restart.readLock().unlock();
                        }
                    }
                    return wrong;
                }));
            }
            var meddler = threads.submit((Callable<Void>) () -> {
                var random = new SplittableRandom(seed);
                try {
                    for (int version = 2; writing.get(); version++) {
                        var next = balances(version);
                        var rebuild =
                                running.app.projections().rebuild(running.projection, next, folders, progress -> {});
                        if (random.nextInt(5) == 0) {
                            rebuild.cancel(); // which may come too late, while the swap is under way
                        }
                        assertThat(rebuild.await(LONG)).isTrue();
                        if (rebuild.progress().state() == Rebuild.State.SWAPPED) {
                            running.projection = next;
                            rebuilds.incrementAndGet();
                        }
                        if (random.nextInt(3) == 0) {
                            running.restart.writeLock().lock();
                            try {
                                running.app.close();
                                running.app = start(running.projection, delivery);
                                restarts.incrementAndGet();
                            } finally {
                                running.restart.writeLock().unlock();
                            }
                        }
                        TimeUnit.MILLISECONDS.sleep(2);
                    }
                } finally {
                    meddling.set(false);
                }
                return null;
            });
            int wrong = 0;
            for (var writer : writers) {
                wrong += writer.get();
            }
            writing.set(false);
            meddler.get();
            assertThat(wrong).as("wrong answers, seed %d", seed).isZero();
            assertThat(rebuilds.get()).as("rebuilds").isGreaterThan(10);
            assertThat(restarts.get()).as("restarts").isGreaterThan(3);
            running.app.close();
        } finally {
            writing.set(false);
            threads.shutdown();
            folders.shutdown();
            assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
            assertThat(folders.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void waiting_ends_in_time_and_an_interrupt_ends_it_at_once() throws Exception {
        var tasks = new ArrayList<Runnable>();
        try (var app = start(balances(1), Delivery.background(tasks::add))) {
            var position = deposit("a", 5);
            long begun = System.nanoTime();
            assertThatThrownBy(() -> app.ask(new Balance("a"), position, Duration.ofMillis(50)))
                    .isInstanceOf(ProjectionTimeoutException.class)
                    .hasMessageContainingAll("balances", "position 0", "expected 1");
            assertThat(Duration.ofNanos(System.nanoTime() - begun)).isBetween(Duration.ofMillis(50), LONG);
            assertThatThrownBy(() -> app.ask(new Balance("a"), position, Duration.ZERO))
                    .isInstanceOf(ProjectionTimeoutException.class);

            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> app.ask(new Balance("a"), position, LONG))
                    .isInstanceOf(InterruptedException.class);
            assertThat(Thread.currentThread().isInterrupted()).isFalse();

            tasks.remove(0).run();
            assertThat(app.ask(new Balance("a"), position, Duration.ZERO)).isEqualTo(5);
        }
    }

    @Test
    void who_waits_across_a_restart_is_told_and_a_query_without_a_view_cannot_be_waited_for() throws Exception {
        var tasks = new ArrayList<Runnable>();
        var threads = Executors.newSingleThreadExecutor();
        var app = start(balances(1), Delivery.background(tasks::add));
        try {
            assertThatThrownBy(() -> app.ask(new Unseen(), Position.START, LONG))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("Unseen", "Balance");
            var position = deposit("a", 5);
            var waiting = threads.submit(() -> app.ask(new Balance("a"), position, LONG));
            app.close();
            assertThatThrownBy(waiting::get).hasRootCauseInstanceOf(IllegalStateException.class);
            try (var next = start(balances(1), Delivery.background(Runnable::run))) {
                assertThat(next.ask(new Balance("a"), position, LONG)).isEqualTo(5);
            }
        } finally {
            app.close();
            threads.shutdown();
        }
    }
}
