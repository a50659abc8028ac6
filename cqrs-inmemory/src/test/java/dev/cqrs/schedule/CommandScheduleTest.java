package dev.cqrs.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.schedule.CommandSchedule.Cancellation;
import dev.cqrs.schedule.ScheduledCommand.State;
import dev.cqrs.suite.Fronted;
import dev.cqrs.suite.Pages;
import dev.cqrs.suite.Pages.Note;
import dev.cqrs.testing.VirtualClock;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** With real threads, executors of all kinds, and many commands. */
@Timeout(600) // soak takes its time
class CommandScheduleTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int COMMANDS = Integer.getInteger("dev.cqrs.schedule.commands", 8_000);
    private static final int WAITING = Integer.getInteger("dev.cqrs.schedule.waiting", 100_000);

    /** One that would be noticed: nothing in these tests is to wait for it. */
    private static final Delivery.Timer NEVER = (delay, task) -> {};

    private final Clock clock = Clock.systemUTC();
    private final EventStore log = new InMemoryEventStore(Pages.operations(), clock);
    private final EventStore domain = new InMemoryEventStore(Pages.domain(), clock);
    private final List<ScheduleFailure> failures = Collections.synchronizedList(new ArrayList<>());
    private final ScheduledExecutorService threads = Executors.newScheduledThreadPool(16);

    @AfterEach
    void end_the_threads() throws InterruptedException {
        threads.shutdownNow();
        assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
    }

    private CommandSchedule.Builder builder() {
        return CommandSchedule.builder(log, clock).key(Note.class, Note::page);
    }

    private ScheduleWorker work(CommandSchedule schedule, String name, Executor executor) {
        return schedule.work(name, Pages.bus(domain, (note, metadata) -> {}), executor, NEVER, failures::add);
    }

    private <T> List<T> together(List<Callable<T>> all) throws Exception {
        var pool = Executors.newFixedThreadPool(all.size());
        try {
            var results = new ArrayList<T>();
            for (Future<T> each : pool.invokeAll(all)) {
                results.add(each.get());
            }
            return results;
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void sixteen_threads_store_and_five_workers_run_each_once_in_the_order_of_its_key() throws Exception {
        long seed = Long.getLong("dev.cqrs.testing.seed", System.nanoTime());
        int each = COMMANDS / 16;
        var seen = ConcurrentHashMap.<String>newKeySet();
        var twice = new AtomicInteger();
        var cancelled = ConcurrentHashMap.<String>newKeySet();
        var workers = new ArrayList<ScheduleWorker>();
        var schedules = List.of(builder().build(), builder().build(), builder().build());
        for (int i = 0; i < 5; i++) {
            workers.add(schedules
                    .get(i % 3)
                    .work(
                            "w" + i,
                            Pages.bus(domain, (note, metadata) -> {
                                if (!seen.add(metadata.id().orElseThrow())) {
                                    twice.incrementAndGet();
                                }
                            }),
                            threads,
                            NEVER,
                            failures::add));
        }
        var storing = new ArrayList<Callable<String>>();
        for (int i = 0; i < 16; i++) {
            int thread = i;
            storing.add(() -> {
                var random = new SplittableRandom(seed + thread);
                var schedule = schedules.get(thread % 3);
                for (int n = 1; n <= each; n++) {
                    schedule.enqueue(new Note("p" + thread, n), Metadata.withId("n-" + thread + "-" + n));
                    if (n < each && random.nextInt(8) == 0) { // the end of the last tells that of all
                        var id = "n-" + thread + "-" + n;
                        if (schedule.cancel(id) == Cancellation.CANCELLED) {
                            cancelled.add(id);
                        }
                    }
                }
                return "n-" + thread + "-" + each;
            });
        }
        for (var last : together(storing)) {
            schedules.get(0).awaitEnded(last, PATIENCE);
        }
        workers.forEach(ScheduleWorker::close);

        for (int i = 0; i < 16; i++) {
            int thread = i;
            assertThat(Pages.on(domain, "p" + thread))
                    .as("seed %s", seed)
                    .isEqualTo(IntStream.rangeClosed(1, each)
                            .filter(n -> !cancelled.contains("n-" + thread + "-" + n))
                            .boxed()
                            .toList());
        }
        assertThat(twice.get()).as("seed %s", seed).isZero();
        assertThat(seen).noneMatch(cancelled::contains);
        assertThat(failures).isEmpty();
        var status = schedules.get(1).status();
        assertThat(status.succeeded()).isEqualTo(16L * each - cancelled.size());
        assertThat(status.cancelled()).isEqualTo(cancelled.size());
        System.out.printf("seed %s: %,d stored, %,d cancelled in time%n", seed, 16 * each, cancelled.size());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void any_executor_will_do(int size) throws Exception {
        var pool = size == 0 ? null : Executors.newFixedThreadPool(size);
        try {
            var schedule = builder().build();
            try (var worker = work(schedule, "w", pool == null ? Runnable::run : pool)) {
                assertThat(worker).isNotNull();
                for (int i = 1; i <= 500; i++) {
                    schedule.enqueue(new Note("p" + i % 3, i), Metadata.withId("n-" + i));
                }
                for (int i = 1; i <= 500; i++) {
                    assertThat(schedule.awaitEnded("n-" + i, PATIENCE).state()).isEqualTo(State.SUCCEEDED);
                }
            }
        } finally {
            if (pool != null) {
                pool.shutdownNow();
            }
        }
        assertThat(failures).isEmpty();
    }

    /** So that looks and turns run within appends of other workers. */
    @Test
    void workers_of_a_full_pool_whose_caller_runs_what_it_has_no_thread_for_do_not_wait_for_each_other()
            throws Exception {
        var pool = new ThreadPoolExecutor(
                2, 2, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(1), new ThreadPoolExecutor.CallerRunsPolicy());
        try {
            var shared = builder().claim(Duration.ofMillis(20)).build();
            var other = builder().claim(Duration.ofMillis(20)).build();
            Delivery.Timer timer = (delay, task) -> {
                var unused = threads.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
            };
            var bus = Pages.bus(domain, (note, metadata) -> {});
            try (var first = shared.work("w1", bus, pool, timer, failures::add);
                    var second = shared.work("w2", bus, pool, timer, failures::add);
                    var third = other.work("w3", bus, pool, timer, failures::add)) {
                assertThat(List.of(first, second, third)).doesNotHaveDuplicates();
                for (int i = 1; i <= 2_000; i++) {
                    shared.enqueue(new Note("p" + i % 20, i), Metadata.withId("n-" + i));
                }
                for (int i = 1; i <= 2_000; i++) {
                    assertThat(shared.awaitEnded("n-" + i, PATIENCE).state()).isEqualTo(State.SUCCEEDED);
                }
            }
        } finally {
            pool.shutdownNow();
        }
        for (int page = 0; page < 20; page++) {
            assertThat(Pages.on(domain, "p" + page)).hasSize(100).isSorted();
        }
    }

    /** On an executor that runs tasks at once, a chain of commands is no chain of calls. */
    @Test
    void a_handler_may_store_the_next_command_ten_thousand_times_over() throws Exception {
        var schedule = builder().build();
        var bus = Pages.bus(domain, (note, metadata) -> {
            if (note.number() < 10_000) {
                schedule.enqueue(new Note("p", note.number() + 1), Metadata.withId("n-" + (note.number() + 1)));
            }
        });
        try (var worker = schedule.work("w", bus, Runnable::run, NEVER, failures::add)) {
            assertThat(worker).isNotNull();
            schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
            assertThat(schedule.awaitEnded("n-10000", PATIENCE).state()).isEqualTo(State.SUCCEEDED);
        }
        assertThat(Pages.on(domain, "p")).hasSize(10_000);
    }

    @Test
    void an_executor_that_refuses_is_asked_again_later_and_nothing_is_lost() {
        var later = new ArrayList<Runnable>();
        var refusals = new AtomicInteger(5);
        Executor executor = task -> {
            if (refusals.getAndDecrement() > 0) {
                throw new RejectedExecutionException("full");
            }
            task.run();
        };
        var schedule = builder().build();
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        try (var worker = schedule.work(
                "w",
                Pages.bus(domain, (note, metadata) -> {}),
                executor,
                (delay, task) -> later.add(task),
                failures::add)) {
            assertThat(worker).isNotNull();
            while (!later.isEmpty()
                    && !schedule.find("n-1").orElseThrow().state().isEnd()) {
                later.remove(0).run();
            }
        }
        assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        assertThat(failures)
                .hasSize(5)
                .allSatisfy(failure -> assertThat(failure.cause()).isInstanceOf(RejectedExecutionException.class));
    }

    @Test
    void a_command_that_takes_long_keeps_its_claim_though_nothing_else_happens() throws Exception {
        var schedule = builder().claim(Duration.ofMillis(100)).build();
        var renewed = new CountDownLatch(1 + 5); // the claim itself, and its renewals
        var bus = Pages.bus(domain, (note, metadata) -> {
            try {
                assertThat(renewed.await(60, TimeUnit.SECONDS)).isTrue();
            } catch (InterruptedException stop) {
                throw new IllegalStateException(stop);
            }
        });
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        try (var following = log.onAppend(last -> renewed.countDown());
                var worker = schedule.work(
                        "w",
                        bus,
                        threads,
                        (delay, task) -> {
                            var unused = threads.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
                        },
                        failures::add)) {
            assertThat(following).isNotNull();
            assertThat(worker).isNotNull();
            assertThat(schedule.awaitEnded("n-1", PATIENCE).state()).isEqualTo(State.SUCCEEDED);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void closing_waits_for_the_command_that_runs() throws Exception {
        var schedule = builder().build();
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var bus = Pages.bus(domain, (note, metadata) -> {
            begun.countDown();
            try {
                go.await();
            } catch (InterruptedException stop) {
                throw new IllegalStateException(stop);
            }
        });
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var worker = schedule.work("w", bus, threads, NEVER, failures::add);
        begun.await();
        var closing = new Thread(worker::close);
        closing.start();
        awaitWaiting(closing);
        assertThat(closing.isAlive()).isTrue();
        go.countDown();
        closing.join(60_000);
        assertThat(closing.isAlive()).isFalse();
        assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
    }

    private static void awaitWaiting(Thread thread) {
        while (thread.isAlive() && thread.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
    }

    @Test
    void closing_waits_for_a_task_that_reads_the_log() throws Exception {
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var slow = new Fronted(log) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                if (query.equals(EventQuery.types(ScheduleEvent.class))) {
                    begun.countDown();
                    await(go);
                }
                return store.read(query, options);
            }
        };
        var schedule = CommandSchedule.builder(slow, clock).build();
        var worker = work(schedule, "w", threads);
        begun.await();
        var closing = new Thread(worker::close);
        closing.start();
        awaitWaiting(closing);
        assertThat(closing.isAlive()).isTrue();
        go.countDown();
        closing.join(60_000);
        assertThat(closing.isAlive()).isFalse();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException stop) {
            throw new IllegalStateException(stop);
        }
    }

    /** Otherwise two workers whose looks run within appends of each other would wait for each other. */
    @Test
    void a_look_does_not_wait_for_a_turn_that_appends() throws Exception {
        var virtual = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var slow = new Fronted(log) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (events.get(0) instanceof ScheduleEvent.Ended end && end.id().equals("n-1")) {
                    virtual.advance(Duration.ofSeconds(20)); // the claim is to be renewed
                    begun.countDown();
                    await(go);
                }
                return store.append(events, condition, metadata);
            }
        };
        var schedule = CommandSchedule.builder(slow, virtual)
                .key(Note.class, Note::page)
                .build();
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var worker = work(schedule, "w", threads);
        try {
            begun.await();
            schedule.enqueue(new Note("q", 2), Metadata.withId("n-2"));
            assertThat(schedule.awaitEnded("n-2", PATIENCE).state()).isEqualTo(State.SUCCEEDED);
        } finally {
            go.countDown();
            worker.close();
        }
    }

    @Test
    void a_lane_whose_turn_the_executor_has_dropped_is_let_go_by_closing() {
        var dropped = new ArrayList<Runnable>();
        var schedule = builder().build();
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var first = work(schedule, "w1", dropped::add);
        dropped.remove(0).run(); // a look, which asks for a turn
        assertThat(dropped).hasSize(1);
        try (var second = work(schedule, "w2", Runnable::run)) {
            assertThat(second).isNotNull();
            assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.DUE);
            first.close();
            assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        }
        dropped.get(0).run();
        assertThat(Pages.on(domain, "p")).hasSize(1);
    }

    @Test
    void an_interrupt_ends_the_waiting_of_close_and_stays() throws Exception {
        var schedule = builder().build();
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var bus = Pages.bus(domain, (note, metadata) -> {
            begun.countDown();
            try {
                go.await();
            } catch (InterruptedException stop) {
                throw new IllegalStateException(stop);
            }
        });
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var worker = schedule.work("w", bus, threads, NEVER, failures::add);
        begun.await();
        Thread.currentThread().interrupt();
        worker.close();
        assertThat(Thread.interrupted()).isTrue();
        go.countDown();
        schedule.awaitEnded("n-1", PATIENCE);
    }

    @Test
    void a_listener_that_throws_does_not_stop_the_worker() throws Exception {
        var uncaught = Collections.synchronizedList(new ArrayList<Throwable>());
        var pool = (ThreadPoolExecutor) Executors.newFixedThreadPool(2, task -> {
            var thread = new Thread(task);
            thread.setUncaughtExceptionHandler((t, e) -> uncaught.add(e));
            return thread;
        });
        try {
            var schedule = builder().build();
            var bus = Pages.bus(domain, (note, metadata) -> {
                throw new IllegalStateException("no");
            });
            try (var worker = schedule.work("w", bus, pool, NEVER, failure -> {
                throw new IllegalStateException("deaf");
            })) {
                assertThat(worker).isNotNull();
                schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
                schedule.enqueue(new Note("p", 2), Metadata.withId("n-2"));
                assertThat(schedule.awaitEnded("n-2", PATIENCE).state()).isEqualTo(State.FAILED);
            }
            assertThat(uncaught).hasSize(2).allSatisfy(e -> assertThat(e).hasMessage("deaf"));
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void a_command_of_no_handler_or_that_the_catalog_does_not_know_is_told() throws Exception {
        record Unknown() implements dev.cqrs.command.Command<dev.cqrs.message.Done> {}
        var schedule = builder().build();
        assertThatThrownBy(() -> schedule.enqueue(new Unknown(), Metadata.withId("u")))
                .isInstanceOf(UnknownEventException.class);
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var told = new CountDownLatch(1);
        try (var worker = schedule.work("w", InMemoryCommandBus.builder().build(), threads, NEVER, failure -> {
            assertThat(failure.cause()).isInstanceOf(NoHandlerException.class);
            told.countDown();
        })) {
            assertThat(worker).isNotNull();
            assertThat(told.await(60, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(schedule.find("n-1").orElseThrow().attempts()).isZero();
    }

    @Test
    void wrong_arguments_are_refused() {
        var schedule = builder().build();
        var note = new Note("p", 1);
        var id = Metadata.withId("n");
        assertThatThrownBy(() -> schedule.after(Duration.ofSeconds(-1), note, id))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> schedule.after(Duration.ofSeconds(Long.MAX_VALUE), note, id))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> schedule.at(Instant.MAX, note, id)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> schedule.at(Instant.MIN, note, id)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> schedule.every(Duration.ZERO, Instant.EPOCH, note, id))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> schedule.enqueue(note, Metadata.withId(" ")))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().lanes(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().atOnce(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().claim(Duration.ZERO)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().retry(Duration.ofSeconds(-1))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder().key(Note.class, Note::number)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> CommandSchedule.builder(log, clock)
                        .key(Note.class, n -> null)
                        .build()
                        .enqueue(note, id))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("gave null");
        var bare = new InMemoryEventStore(
                Catalog.builder().event("note", Note.class).build(), clock);
        assertThatThrownBy(() -> CommandSchedule.builder(bare, clock).build())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("Use CommandSchedule.catalog(...)");
        var untagged = new InMemoryEventStore(
                Catalog.builder()
                        .event("cancelled", ScheduleEvent.Cancelled.class)
                        .event("released", ScheduleEvent.Released.class)
                        .build(),
                clock);
        assertThatThrownBy(() -> CommandSchedule.builder(untagged, clock).build())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("CommandSchedule.catalog(...)");
        assertThat(log.head().value()).as("nothing was stored").isEqualTo(1);
    }

    /** Very many commands that wait cost memory, and nobody's time. */
    @Test
    void many_that_wait_cost_no_scan_and_a_start_from_a_checkpoint_costs_what_is_open() throws Exception {
        var virtual = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
        var operations = new InMemoryEventStore(Pages.operations(), virtual);
        var checkpoints = new InMemoryCheckpointStore();
        var schedule = CommandSchedule.builder(operations, virtual)
                .key(Note.class, Note::page)
                .checkpoints(checkpoints, "schedule")
                .build();
        var year = virtual.instant().plus(Duration.ofDays(365));
        for (int i = 0; i < WAITING; i++) {
            schedule.at(year.minusSeconds(i), new Note("p" + i, i), Metadata.withId("w-" + i));
        }
        try (var worker = work(schedule, "w", Runnable::run)) {
            assertThat(worker).isNotNull();
            long begin = System.nanoTime();
            for (int i = 0; i < WAITING; i++) {
                schedule.enqueue(new Note("p" + i % 100, i), Metadata.withId("n-" + i));
            }
            long micros = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - begin);
            assertThat(schedule.status().succeeded()).isEqualTo(WAITING);
            System.out.printf(
                    "%,d run on the storing thread beside %,d that wait: %.1f us each%n",
                    WAITING, WAITING, (double) micros / WAITING);
        }
        long begin = System.nanoTime();
        var whole = CommandSchedule.builder(operations, virtual).build().status();
        long between = System.nanoTime();
        var saved = CommandSchedule.builder(operations, virtual)
                .checkpoints(checkpoints, "schedule")
                .build()
                .status();
        long end = System.nanoTime();
        assertThat(saved).isEqualTo(whole);
        assertThat(whole.waiting()).isEqualTo(WAITING);
        System.out.printf(
                "start with %,d ended and %,d waiting: %d ms from the beginning, %d ms from a checkpoint%n",
                WAITING,
                WAITING,
                TimeUnit.NANOSECONDS.toMillis(between - begin),
                TimeUnit.NANOSECONDS.toMillis(end - between));
    }
}
