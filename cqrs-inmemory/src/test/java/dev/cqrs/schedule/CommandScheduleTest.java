package dev.cqrs.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Done;
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
import java.time.ZoneId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
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
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert;
import org.jspecify.annotations.Nullable;
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
    void those_who_wait_for_ends_look_at_the_appends_of_others_together() throws Exception {
        // given eight who wait for commands that do not run
        int waiting = 8;
        var reads = new AtomicInteger();
        var lookups = new AtomicInteger();
        var counting = new Fronted(log) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                boolean isLookup = IntStream.range(0, waiting)
                        .mapToObj(i -> EventQuery.types(ScheduleEvent.class).withTags(ScheduleEvent.tag("far-" + i)))
                        .anyMatch(query::equals);
                if (isLookup) {
                    lookups.incrementAndGet();
                }
                var found = store.read(query, options);
                reads.incrementAndGet(); // only now, as until then it may see what is appended meanwhile
                return found;
            }
        };
        var schedule = CommandSchedule.builder(counting, clock).build();
        var ends = new ArrayList<Future<ScheduledCommand>>();
        for (int i = 0; i < waiting; i++) {
            schedule.after(Duration.ofDays(1), new Note("p", i), Metadata.withId("far-" + i));
        }
        for (int i = 0; i < waiting; i++) {
            var id = "far-" + i;
            ends.add(threads.submit(() -> schedule.awaitEnded(id, PATIENCE)));
        }
        while (lookups.get() < waiting) {
            Thread.onSpinWait();
        }

        // when others append, each time until somebody has looked
        for (int i = 0; i < 50; i++) {
            int before = reads.get();
            schedule.enqueue(new Note("p", i), Metadata.withId("n-" + i));
            while (reads.get() == before) {
                Thread.onSpinWait();
            }
        }
        int looked = lookups.get();
        for (int i = 0; i < waiting; i++) {
            assertThat(schedule.cancel("far-" + i)).isEqualTo(Cancellation.CANCELLED);
        }

        // then
        assertThat(looked).as("at the beginning, and when woken first").isLessThanOrEqualTo(2 * waiting);
        for (var end : ends) {
            assertThat(end.get(60, TimeUnit.SECONDS).state()).isEqualTo(State.CANCELLED);
        }
    }

    @Test
    @Timeout(120) // who misses an end waits for a day
    void nobody_misses_the_end_of_a_command_however_many_wait_at_once() throws Exception {
        var schedule = builder().build();
        try (var worker = work(schedule, "w", threads)) {
            assertThat(worker).isNotNull();
            var waiting = new ArrayList<Callable<State>>();
            for (int i = 0; i < 8; i++) {
                int thread = i;
                waiting.add(() -> {
                    for (int j = 0; j < 100; j++) {
                        var id = "n-" + thread + "-" + j;
                        schedule.enqueue(new Note("p" + thread, j), Metadata.withId(id));
                        var end = schedule.awaitEnded(id, Duration.ofDays(1)).state();
                        if (end != State.SUCCEEDED) {
                            return end;
                        }
                    }
                    return State.SUCCEEDED;
                });
            }
            for (int i = 0; i < 2; i++) { // who waits all the while, and those who cancel what others wait for
                var id = "far-" + i;
                schedule.after(Duration.ofDays(1), new Note("q", i), Metadata.withId(id));
                waiting.add(() -> schedule.awaitEnded(id, Duration.ofDays(1)).state());
                waiting.add(() -> {
                    schedule.awaitEnded("n-0-0", Duration.ofDays(1));
                    return schedule.cancel(id) == Cancellation.CANCELLED ? State.CANCELLED : State.DUE;
                });
            }
            schedule.enqueue(new Note("p0", 0), Metadata.withId("n-0-0"));

            assertThat(together(waiting)).containsOnly(State.SUCCEEDED, State.CANCELLED);
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
    void a_turn_that_the_executor_runs_only_when_its_worker_is_closed_claims_nothing() {
        var late = new ArrayList<Runnable>();
        var schedule = builder().build();
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var worker = work(schedule, "w", late::add);
        late.remove(0).run(); // a look, which asks for a turn
        assertThat(late).hasSize(1);
        worker.close();
        var head = log.head();

        late.get(0).run();

        assertThat(log.head()).isEqualTo(head);
    }

    @Test
    void a_turn_that_an_executor_has_begun_though_it_throws_is_waited_for_and_begun_by_nobody_else() throws Exception {
        // given an executor that hands a task over and then throws
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var handled = new AtomicInteger();
        var bus = Pages.bus(domain, (note, metadata) -> {
            handled.incrementAndGet();
            begun.countDown();
            try {
                go.await();
            } catch (InterruptedException stop) {
                throw new IllegalStateException(stop);
            }
        });
        var tasks = new AtomicInteger();
        Executor executor = task -> {
            if (tasks.incrementAndGet() != 2) { // the first is a look, which asks for a turn
                task.run();
                return;
            }
            new Thread(task).start();
            try {
                begun.await();
            } catch (InterruptedException stop) {
                throw new IllegalStateException(stop);
            }
            throw new RejectedExecutionException("too late");
        };
        var schedule = builder().build();
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var timers = new ArrayList<Runnable>();
        var worker = schedule.work("w", bus, executor, (delay, task) -> timers.add(task), failures::add);
        List.copyOf(timers).forEach(Runnable::run);

        // when it is closed meanwhile
        var closing = new Thread(worker::close);
        closing.start();
        while (closing.getState() != Thread.State.WAITING && closing.getState() != Thread.State.TERMINATED) {
            Thread.onSpinWait();
        }

        // then
        assertThat(closing.getState()).isEqualTo(Thread.State.WAITING);
        go.countDown();
        closing.join();
        assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        assertThat(handled).hasValue(1);
        assertThat(failures).extracting(failure -> failure.cause().getMessage()).containsExactly("too late");
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
    void a_listener_that_throws_what_it_is_told_and_a_handler_that_throws_what_it_gets_stop_nothing() {
        var thread = Thread.currentThread();
        var handler = thread.getUncaughtExceptionHandler();
        var uncaught = new ArrayList<Throwable>();
        thread.setUncaughtExceptionHandler((t, e) -> {
            uncaught.add(e);
            throw new IllegalStateException("deaf, too", e);
        });
        try {
            var schedule = builder().build();
            var bus = Pages.bus(domain, (note, metadata) -> {
                throw new IllegalStateException("no " + note.number());
            });
            try (var worker = schedule.work("w", bus, Runnable::run, NEVER, failure -> {
                throw (IllegalStateException) failure.cause();
            })) {
                assertThat(worker).isNotNull();
                schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
                schedule.enqueue(new Note("p", 2), Metadata.withId("n-2"));
                assertThat(schedule.find("n-2").orElseThrow().state()).isEqualTo(State.FAILED);
            }
            assertThat(uncaught).extracting(Throwable::getMessage).containsExactly("no 1", "no 2");
        } finally {
            thread.setUncaughtExceptionHandler(handler);
        }
    }

    @Test
    void close_called_by_the_listener_does_not_wait_for_a_command_that_runs() throws Exception {
        var failing = new AtomicInteger();
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var away = new Fronted(log) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                if (query.equals(EventQuery.types(ScheduleEvent.class)) && failing.getAndDecrement() > 0) {
                    throw new IllegalArgumentException("the store is away");
                }
                return store.read(query, options);
            }
        };
        var schedule = CommandSchedule.builder(away, clock).build();
        var bus = Pages.bus(domain, (note, metadata) -> {
            begun.countDown();
            await(go);
        });
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var closing = new AtomicReference<ScheduleWorker>();
        closing.set(schedule.work("w", bus, threads, NEVER, failure -> {
            Objects.requireNonNull(closing.get()).close();
            go.countDown(); // what runs ends only then
        }));
        await(begun);
        failing.set(1);
        schedule.enqueue(new Note("q", 2), Metadata.withId("n-2")); // has the worker look
        await(go);
        assertThat(schedule.awaitEnded("n-1", PATIENCE).state()).isEqualTo(State.SUCCEEDED);
        Objects.requireNonNull(closing.get()).close();
    }

    @Test
    void what_the_log_does_not_take_is_not_tried_again_before_a_pause_where_tasks_run_at_once() {
        for (var type : List.of(ScheduleEvent.Claimed.class, ScheduleEvent.Ended.class)) {
            var left = new AtomicInteger(15);
            var away = refusing(type, left, () -> new IllegalArgumentException("the store is away"));
            var later = new ArrayDeque<Runnable>();
            var ran = new ArrayList<String>();
            var schedule = CommandSchedule.builder(away, clock).build();
            var bus =
                    Pages.bus(domain, (note, metadata) -> ran.add(metadata.id().orElseThrow()));
            var id = type.getSimpleName();
            try (var worker = schedule.work("w", bus, Runnable::run, (delay, task) -> later.add(task), failures::add)) {
                assertThat(worker).isNotNull();
                schedule.enqueue(new Note(id, 1), Metadata.withId(id));
                int once = left.get();
                assertThat(once).isBetween(5, 14);
                log.append(List.of(new ScheduleEvent.Released(63, "another")), AppendCondition.none());
                assertThat(left).as("though others append").hasValue(once);
                assertThat(ran.size()).isLessThanOrEqualTo(1);
                while (!later.isEmpty()) {
                    later.remove().run();
                }
            }
            assertThat(schedule.find(id).orElseThrow().state()).isEqualTo(State.SUCCEEDED);
            assertThat(Pages.on(domain, id)).hasSize(1);
        }
    }

    @Test
    void a_command_whose_thread_was_interrupted_is_not_run_again_before_a_pause_where_tasks_run_at_once() {
        var later = new ArrayDeque<Runnable>();
        var runs = new AtomicInteger();
        var schedule = builder().build();
        var bus = Pages.bus(domain, (note, metadata) -> {
            if (runs.incrementAndGet() < 20 && Thread.currentThread().isInterrupted()) {
                throw new IllegalStateException("interrupted");
            }
        });
        try (var worker = schedule.work("w", bus, Runnable::run, (delay, task) -> later.add(task), failures::add)) {
            assertThat(worker).isNotNull();
            Thread.currentThread().interrupt();
            schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
            assertThat(Thread.interrupted()).isTrue();
            assertThat(runs).hasValue(1);
            assertThat(schedule.find("n-1").orElseThrow())
                    .as("given back")
                    .returns(State.DUE, ScheduledCommand::state)
                    .returns(0, ScheduledCommand::attempts);
            while (!later.isEmpty()) {
                later.remove().run();
            }
        }
        assertThat(runs).hasValue(2);
        assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
    }

    @Test
    void a_lane_that_rests_after_a_failure_is_let_go_by_closing() {
        var away =
                refusing(ScheduleEvent.Ended.class, new AtomicInteger(10), () -> new IllegalArgumentException("away"));
        var schedule = CommandSchedule.builder(away, clock).build();
        var first = work(schedule, "w1", Runnable::run);
        try (var second = work(schedule, "w2", Runnable::run)) {
            assertThat(second).isNotNull();
            schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
            assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.TAKEN);
            first.close();
            assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        }
    }

    @Test
    void a_worker_that_is_closed_follows_no_log_and_asks_no_timer_whoever_closed_it() {
        for (var by :
                List.of("its owner", "a listener that is told of a look", "a handler whose end cannot be written")) {
            var asked = new AtomicInteger();
            var following = ConcurrentHashMap.<EventStore.Signal>newKeySet();
            var away = new AtomicReference<Class<?>>(Void.class);
            var operations = new InMemoryEventStore(Pages.operations(), clock);
            var watched = new Fronted(operations) {
                @Override
                public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                    if (Objects.requireNonNull(away.get()).isInstance(events.get(0))) {
                        throw new IllegalArgumentException("the store is away");
                    }
                    return store.append(events, condition, metadata);
                }

                @Override
                public EventStream read(EventQuery query, ReadOptions options) {
                    if (away.get() == EventStream.class) {
                        throw new IllegalArgumentException("the store is away");
                    }
                    return store.read(query, options);
                }

                @Override
                public Subscription onAppend(Signal signal) {
                    var subscription = store.onAppend(signal);
                    following.add(signal);
                    return () -> {
                        subscription.close();
                        following.remove(signal);
                    };
                }
            };
            var schedule = CommandSchedule.builder(watched, clock).build();
            var plain = CommandSchedule.builder(operations, clock).build();
            var closing = new AtomicReference<ScheduleWorker>();
            var before = new AtomicInteger();
            Runnable close = () -> {
                Objects.requireNonNull(closing.get()).close();
                before.set(asked.get());
            };
            var bus = Pages.bus(domain, (note, metadata) -> {
                if (by.startsWith("a handler")) {
                    away.set(ScheduleEvent.Ended.class);
                    close.run();
                }
            });
            closing.set(schedule.work(
                    "w", bus, Runnable::run, (delay, task) -> asked.incrementAndGet(), failure -> close.run()));
            assertThat(following).hasSize(1);
            plain.after(Duration.ofDays(1), new Note("q", 1), Metadata.withId("tomorrow"));
            assertThat(asked.get()).isPositive();
            if (by.startsWith("a listener")) {
                away.set(EventStream.class);
            }
            plain.enqueue(new Note("p", 1), Metadata.withId("now"));
            if (by.startsWith("its owner")) {
                close.run();
            }

            plain.enqueue(new Note("p", 2), Metadata.withId("later"));
            assertThat(following).as(by).isEmpty();
            assertThat(schedule.workers()).as(by).isEmpty();
            assertThat(asked).as(by).hasValue(before.get());
            assertThat(before.get()).as(by).isPositive();
        }
    }

    @Test
    void a_worker_that_is_closed_while_it_looks_takes_nothing_and_leaves_the_lane_to_others() {
        var closing = new AtomicReference<@Nullable ScheduleWorker>();
        var meddling = new Clock() {
            @Override
            public Instant instant() {
                var first = closing.getAndSet(null);
                if (first != null) {
                    first.close(); // between the look at the log and the choice of a lane
                }
                return clock.instant();
            }

            @Override
            public ZoneId getZone() {
                return clock.getZone();
            }

            @Override
            public Clock withZone(ZoneId zone) {
                throw new UnsupportedOperationException();
            }
        };
        var schedule = CommandSchedule.builder(log, meddling).build();
        var tasks = new ArrayDeque<Runnable>();
        var first = work(schedule, "w1", tasks::add);
        tasks.remove().run();
        try (var second = work(schedule, "w2", tasks::add)) {
            assertThat(second).isNotNull();
            tasks.remove().run();
            schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
            closing.set(first);
            while (!tasks.isEmpty()) {
                tasks.remove().run();
            }
            assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        }
        assertThat(claims(log)).extracting(ScheduleEvent.Claimed::worker).containsExactly("w2");
        assertThat(failures).isEmpty();
    }

    @Test
    void a_command_that_takes_long_keeps_its_claim_while_its_worker_is_being_closed() throws Exception {
        var schedule = builder().claim(Duration.ofMillis(100)).build();
        var begun = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var bus = Pages.bus(domain, (note, metadata) -> {
            begun.countDown();
            await(go);
        });
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var worker = schedule.work(
                "w",
                bus,
                threads,
                (delay, task) -> {
                    var unused = threads.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
                },
                failures::add);
        await(begun);
        var closing = new Thread(worker::close);
        closing.start();
        awaitWaiting(closing);
        var renewed = new CountDownLatch(5);
        try (var following = log.onAppend(last -> renewed.countDown())) {
            assertThat(following).isNotNull();
            await(renewed);
        } finally {
            go.countDown();
        }
        closing.join(60_000);
        assertThat(closing.isAlive()).isFalse();
        assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        assertThat(failures).isEmpty();
    }

    @Test
    void a_command_of_no_handler_or_that_the_catalog_does_not_know_is_told() throws Exception {
        record Unknown() implements Command<Done> {}
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
        for (ThrowableAssert.ThrowingCallable call : List.<ThrowableAssert.ThrowingCallable>of(
                () -> schedule.find(" "),
                () -> schedule.cancel(" "),
                () -> schedule.retry(" "),
                () -> schedule.awaitEnded(" ", Duration.ZERO))) {
            assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class);
        }
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

    // ---- what is stored, and how it is looked up

    /** Something on a page, in a family of commands. */
    interface Paged extends Command<Done> {
        String page();

        String line();
    }

    record Drawn(String page, String line) implements Paged {}

    record Written(String page, String line) implements Paged {}

    private static EventStore logOfPaged(Clock clock) {
        return new InMemoryEventStore(
                CommandSchedule.catalog(Catalog.builder())
                        .event("drawn", Drawn.class)
                        .event("written", Written.class)
                        .build(),
                clock);
    }

    @Test
    void an_id_is_as_long_as_a_tag_may_be_and_that_of_what_repeats_leaves_room_for_a_number() {
        var schedule = builder().build();
        var longest = "i".repeat(Tag.MAX_LENGTH);
        var repeated = "r".repeat(Tag.MAX_LENGTH - 11);

        assertThat(schedule.enqueue(new Note("p", 1), Metadata.withId(longest))).isEqualTo(longest);
        assertThat(schedule.every(Duration.ofDays(1), clock.instant(), new Note("p", 2), Metadata.withId(repeated)))
                .isEqualTo(repeated);
        assertThatThrownBy(() -> schedule.every(
                        Duration.ofDays(1), clock.instant(), new Note("p", 3), Metadata.withId(repeated + "r")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(
                        "has " + (repeated.length() + 1) + " characters; expected at most " + repeated.length());
        assertThat(schedule.status().due()).isEqualTo(2);
    }

    @Test
    void the_key_of_the_most_specific_class_counts_and_those_without_one_are_spread() {
        var paged = logOfPaged(clock);
        var schedules = List.of(
                CommandSchedule.builder(paged, clock)
                        .key(Paged.class, Paged::page)
                        .key(Written.class, Written::line)
                        .build(),
                CommandSchedule.builder(paged, clock)
                        .key(Written.class, Written::line)
                        .key(Paged.class, Paged::page)
                        .build());
        var bare = CommandSchedule.builder(paged, clock).build();
        for (int i = 0; i < 2; i++) {
            var schedule = schedules.get(i);
            schedule.enqueue(new Drawn("p", "a"), Metadata.withId("drawn-p-a-" + i));
            schedule.enqueue(new Drawn("p", "b"), Metadata.withId("drawn-p-b-" + i));
            schedule.enqueue(new Written("p", "a"), Metadata.withId("written-p-a-" + i));
            schedule.enqueue(new Written("q", "a"), Metadata.withId("written-q-a-" + i));
        }
        for (int i = 0; i < 20; i++) {
            bare.enqueue(new Drawn("p", "a"), Metadata.withId("bare-" + i));
        }

        List<ScheduleEvent.Enqueued> marks;
        try (var found = paged.read(EventQuery.types(ScheduleEvent.Enqueued.class))) {
            marks = found.toList().stream()
                    .map(mark -> (ScheduleEvent.Enqueued) mark.event())
                    .toList();
        }
        var keyed = marks.subList(0, 8);
        assertThat(keyed.stream().filter(mark -> mark.id().startsWith("drawn")).map(ScheduleEvent.Enqueued::slot))
                .hasSize(4)
                .containsOnly(keyed.get(0).slot());
        assertThat(keyed.stream()
                        .filter(mark -> mark.id().startsWith("written"))
                        .map(ScheduleEvent.Enqueued::slot))
                .hasSize(4)
                .containsOnly(keyed.get(2).slot());
        assertThat(keyed.get(0).slot()).isNotEqualTo(keyed.get(2).slot()).isBetween(0, 65_535);
        var unkeyed = marks.subList(8, 28);
        assertThat(unkeyed).allMatch(mark -> mark.slot() < 0);
        assertThat(unkeyed.stream().map(ScheduleEvent.Enqueued::lane).distinct().count())
                .isGreaterThan(5);
        assertThat(marks).allMatch(mark -> mark.lane() >= 0 && mark.lane() < CommandSchedule.DEFAULT_LANES);
    }

    interface OfPage extends Command<Done> {
        String page();
    }

    interface OfLine extends Command<Done> {
        String line();
    }

    record Filed(String page, String line) implements OfPage, OfLine {}

    @Test
    void a_command_with_two_keys_of_which_neither_is_more_specific_is_refused() {
        var filed = new InMemoryEventStore(
                CommandSchedule.catalog(Catalog.builder())
                        .event("filed", Filed.class)
                        .build(),
                clock);
        var twofold = CommandSchedule.builder(filed, clock)
                .key(OfPage.class, OfPage::page)
                .key(OfLine.class, OfLine::line)
                .build();
        var head = filed.head();

        assertThatThrownBy(() -> twofold.enqueue(new Filed("p", "a"), Metadata.withId("1")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("Filed has two keys", "OfLine and of ", "OfPage; expected one");
        assertThat(filed.head()).isEqualTo(head);

        var told = CommandSchedule.builder(filed, clock)
                .key(OfPage.class, OfPage::page)
                .key(Filed.class, Filed::line)
                .key(OfLine.class, OfLine::line)
                .build();
        assertThat(told.enqueue(new Filed("p", "a"), Metadata.withId("1"))).isEqualTo("1");
    }

    @Test
    void what_is_stored_without_metadata_has_an_id_of_the_supplier_and_its_time() {
        var virtual = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
        var now = virtual.instant();
        var made = new AtomicInteger();
        var schedule = CommandSchedule.builder(new InMemoryEventStore(Pages.operations(), virtual), virtual)
                .ids(() -> "made-" + made.incrementAndGet())
                .build();
        var note = new Note("p", 1);
        assertThat(schedule.enqueue(note)).isEqualTo("made-1");
        assertThat(schedule.at(now.plusSeconds(5), note)).isEqualTo("made-2");
        assertThat(schedule.after(Duration.ofSeconds(6), note)).isEqualTo("made-3");
        assertThat(schedule.every(Duration.ofDays(1), now.plusSeconds(7), note)).isEqualTo("made-4");
        assertThat(schedule.after(Duration.ZERO, note)).isEqualTo("made-5");

        assertThat(schedule.find("made-1").orElseThrow())
                .isEqualTo(new ScheduledCommand("made-1", State.DUE, Optional.empty(), 0, 0, ""));
        for (int i = 2; i <= 4; i++) {
            assertThat(schedule.find("made-" + i).orElseThrow())
                    .isEqualTo(new ScheduledCommand(
                            "made-" + i, State.WAITING, Optional.of(now.plusSeconds(i + 3)), 0, 0, ""));
        }
        assertThat(schedule.find("made-5").orElseThrow().state()).isEqualTo(State.DUE);
        virtual.advance(Duration.ofSeconds(5));
        assertThat(schedule.find("made-2").orElseThrow().state())
                .as("this very instant")
                .isEqualTo(State.DUE);
        assertThat(schedule.find("made-3").orElseThrow().state()).isEqualTo(State.WAITING);
        assertThat(schedule.find("made-6")).isEmpty();
    }

    @Test
    void numbers_and_times_are_refused_beyond_their_limits_only() {
        var schedule = builder().build();
        var note = new Note("p", 1);
        var most = Duration.ofSeconds(100_000_000_000L);
        var last = Instant.ofEpochSecond(100_000_000_000L);
        assertThat(schedule.at(last, note, Metadata.withId("last"))).isEqualTo("last");
        assertThat(schedule.at(Instant.ofEpochSecond(-100_000_000_000L), note, Metadata.withId("first")))
                .isEqualTo("first");
        assertThat(schedule.every(most, Instant.EPOCH, note, Metadata.withId("seldom")))
                .isEqualTo("seldom");
        builder()
                .claim(most)
                .retry(most)
                .retry(Duration.ZERO)
                .lanes(1)
                .atOnce(1)
                .expiries(1);
        builder().lanes(65_536);
        assertThat(schedule.failed(0)).isEmpty();
        for (ThrowableAssert.ThrowingCallable call : List.<ThrowableAssert.ThrowingCallable>of(
                () -> schedule.at(last.plusSeconds(1), note, Metadata.withId("n")),
                () -> schedule.every(most.plusSeconds(1), Instant.EPOCH, note, Metadata.withId("n")),
                () -> schedule.every(Duration.ofSeconds(-1), Instant.EPOCH, note, Metadata.withId("n")),
                () -> schedule.failed(-1),
                () -> builder().claim(most.plusSeconds(1)),
                () -> builder().claim(Duration.ofSeconds(-1)),
                () -> builder().retry(Duration.ZERO, most.plusSeconds(1)),
                () -> builder().lanes(65_537),
                () -> builder().expiries(0))) {
            assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class);
        }
        assertThat(schedule.find("n")).isEmpty();
    }

    @Test
    void those_that_failed_last_are_given_first_and_each_once() throws Exception {
        var schedule = builder().build();
        var bus = Pages.bus(domain, (note, metadata) -> {
            throw new IllegalStateException("no");
        });
        try (var worker = schedule.work("w", bus, Runnable::run, NEVER, failures::add)) {
            assertThat(worker).isNotNull();
            for (int i = 1; i <= 4; i++) {
                schedule.enqueue(new Note("p", i), Metadata.withId("n-" + i));
            }
            assertThat(schedule.retry("n-2")).isTrue();
            schedule.awaitEnded("n-2", PATIENCE);
        }

        assertThat(schedule.failed(9)).extracting(ScheduledCommand::id).containsExactly("n-2", "n-4", "n-3", "n-1");
        assertThat(schedule.failed(2)).extracting(ScheduledCommand::id).containsExactly("n-2", "n-4");
        assertThat(schedule.failed(1)).containsExactly(schedule.find("n-2").orElseThrow());
        assertThat(schedule.find("n-2").orElseThrow())
                .isEqualTo(new ScheduledCommand(
                        "n-2", State.FAILED, Optional.empty(), 1, 1, "java.lang.IllegalStateException: no"));
    }

    @Test
    void those_that_failed_are_found_in_one_read_and_without_any_that_was_run_after_all() throws Exception {
        var reads = new AtomicInteger();
        var counted = new Fronted(log) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                reads.incrementAndGet();
                return super.read(query, options);
            }
        };
        var schedule = CommandSchedule.builder(counted, clock).build();
        var good = new AtomicBoolean();
        var bus = Pages.bus(domain, (note, metadata) -> {
            if (!good.get()) {
                throw new IllegalStateException("no");
            }
        });

        // given one that failed, one that was run after all, and one that is to be
        try (var worker = schedule.work("w", bus, Runnable::run, NEVER, failures::add)) {
            assertThat(worker).isNotNull();
            for (int i = 1; i <= 3; i++) {
                schedule.enqueue(new Note("p", i), Metadata.withId("n-" + i));
            }
            good.set(true);
            assertThat(schedule.retry("n-1")).isTrue();
            assertThat(schedule.awaitEnded("n-1", PATIENCE).state()).isEqualTo(State.SUCCEEDED);
        }
        assertThat(schedule.retry("n-3")).isTrue();
        reads.set(0);

        // then
        assertThat(schedule.failed(9)).extracting(ScheduledCommand::id).containsExactly("n-2");
        assertThat(reads).hasValue(1);
    }

    /** A store of which each append of an event of a class ends badly. */
    private EventStore refusing(Class<?> type, AtomicInteger times, Supplier<RuntimeException> thrown) {
        return new Fronted(log) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (type.isInstance(events.get(0)) && times.getAndDecrement() > 0) {
                    throw thrown.get();
                }
                return super.append(events, condition, metadata);
            }
        };
    }

    @Test
    void an_append_that_others_forestall_or_whose_outcome_stays_unknown_is_tried_a_hundred_times() {
        builder().build().enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var query = EventQuery.all();
        Supplier<RuntimeException> forestalled =
                () -> new AppendConflictException(new AppendCondition.Unchanged(query, Position.START), Position.of(1));
        Supplier<RuntimeException> unknown =
                () -> new AppendOutcomeUnknownException("it", new IllegalStateException("the answer is lost"));

        var left = new AtomicInteger(1_000);
        var schedule = CommandSchedule.builder(refusing(ScheduleEvent.Cancelled.class, left, forestalled), clock)
                .build();
        assertThatThrownBy(() -> schedule.cancel("n-1"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll("\"n-1\"", "each of 100 attempts", "nothing was written");
        assertThat(left).hasValue(900);

        left.set(1_000);
        var unsure = CommandSchedule.builder(refusing(ScheduleEvent.Cancelled.class, left, unknown), clock)
                .build();
        assertThatThrownBy(() -> unsure.cancel("n-1"))
                .isInstanceOf(AppendOutcomeUnknownException.class)
                .hasMessageContaining("\"n-1\"");
        assertThat(left).hasValue(900);

        left.set(99);
        assertThat(unsure.cancel("n-1")).isEqualTo(Cancellation.CANCELLED);
    }

    @Test
    void a_schedule_is_opened_although_the_store_does_not_know_at_once_what_became_of_it() {
        Supplier<RuntimeException> unknown =
                () -> new AppendOutcomeUnknownException("it", new IllegalStateException("the answer is lost"));
        var left = new AtomicInteger(1_000);
        var store = refusing(ScheduleEvent.Opened.class, left, unknown);
        assertThatThrownBy(() -> CommandSchedule.builder(store, clock).build())
                .isInstanceOf(AppendOutcomeUnknownException.class);
        assertThat(left).hasValue(900);
        assertThat(log.head().value()).isZero();

        left.set(99);
        CommandSchedule.builder(store, clock).lanes(3).build();
        assertThat(log.head().value()).isEqualTo(1);
        assertThatThrownBy(() -> CommandSchedule.builder(log, clock).lanes(2).build())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("has 3 lanes, but this process was told 2");
    }

    // ---- what a worker takes, and what it is refused

    private static List<ScheduleEvent.Claimed> claims(EventStore log) {
        try (var found = log.read(EventQuery.types(ScheduleEvent.Claimed.class))) {
            return found.toList().stream()
                    .map(mark -> (ScheduleEvent.Claimed) mark.event())
                    .toList();
        }
    }

    @Test
    void a_worker_takes_as_many_commands_with_a_claim_and_as_many_lanes_at_once_as_it_may() {
        var schedule = builder().lanes(8).atOnce(3).build();
        for (int i = 1; i <= 40; i++) {
            schedule.enqueue(new Note("p", i), Metadata.withId("p-" + i));
            schedule.enqueue(new Note("q" + i, i), Metadata.withId("q-" + i));
        }
        var tasks = new ArrayDeque<Runnable>();
        try (var worker = work(schedule, "w", tasks::add)) {
            assertThat(worker).isNotNull();
            tasks.remove().run();
            assertThat(tasks).as("turns").hasSize(3);
            assertThat(claims(log)).isEmpty();
            while (!tasks.isEmpty()) {
                tasks.remove().run();
            }
        }
        assertThat(schedule.status().succeeded()).isEqualTo(80);
        assertThat(claims(log)).allMatch(claim -> claim.entries().size() <= CommandSchedule.BATCH);
        assertThat(claims(log)).anyMatch(claim -> claim.entries().size() == CommandSchedule.BATCH);
        assertThat(Pages.on(domain, "p"))
                .isEqualTo(IntStream.rangeClosed(1, 40).boxed().toList());
        assertThat(failures).isEmpty();
    }

    @Test
    void a_turn_that_the_executor_refuses_leaves_its_lane_to_others_at_once() {
        var schedule = builder().build();
        var later = new ArrayList<Runnable>();
        var tasks = new AtomicInteger();
        schedule.enqueue(new Note("p", 1), Metadata.withId("n-1"));
        var refused = schedule.work(
                "full",
                Pages.bus(domain, (note, metadata) -> {}),
                task -> {
                    if (tasks.incrementAndGet() == 2) { // after the look
                        throw new RejectedExecutionException("full");
                    }
                    task.run();
                },
                (delay, task) -> later.add(task),
                failures::add);
        assertThat(failures).singleElement().satisfies(failure -> {
            assertThat(failure.worker()).isEqualTo("full");
            assertThat(failure.id()).isEmpty();
            assertThat(failure.again()).isTrue();
            assertThat(failure.cause()).hasMessage("full");
        });
        assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.DUE);

        try (var other = work(schedule, "other", Runnable::run)) {
            assertThat(other.name()).isEqualTo("other");
            assertThat(schedule.find("n-1").orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        }
        assertThat(later).as("asked again later").isNotEmpty();
        refused.close();
        assertThat(claims(log)).extracting(ScheduleEvent.Claimed::worker).containsExactly("other");
    }

    @Test
    void what_is_read_as_no_command_or_as_several_is_left_to_others_and_told() {
        for (var several : List.of(false, true)) {
            var id = "n-" + several;
            var odd = new Fronted(log) {
                @Override
                public EventStream read(EventQuery query, ReadOptions options) {
                    var found = store.read(query, options);
                    return !query.equals(EventQuery.all())
                            ? found
                            : new Stream(found) {
                                private boolean again;

                                @Override
                                public boolean advance() {
                                    boolean more = super.advance();
                                    boolean twice = several && !more && !again;
                                    again |= twice;
                                    return more || twice;
                                }

                                @Override
                                public Object event() {
                                    return several ? super.event() : "no command";
                                }
                            };
                }
            };
            builder().build().enqueue(new Note("p" + several, 1), Metadata.withId(id));
            failures.clear();
            var schedule = CommandSchedule.builder(odd, clock).build();
            try (var worker = work(schedule, "w", Runnable::run)) {
                assertThat(worker).isNotNull();
                assertThat(failures).singleElement().satisfies(failure -> {
                    assertThat(failure.id()).contains(id);
                    assertThat(failure.again()).isTrue();
                    assertThat(failure.cause())
                            .hasMessageContainingAll(
                                    several ? "several commands" : "holds no command any more", "upcasters");
                });
            }
            assertThat(schedule.find(id).orElseThrow())
                    .returns(State.DUE, ScheduledCommand::state)
                    .returns(0, ScheduledCommand::attempts);
            try (var worker = work(builder().build(), "other", Runnable::run)) {
                assertThat(worker).isNotNull();
            }
            assertThat(schedule.find(id).orElseThrow().state()).isEqualTo(State.SUCCEEDED);
        }
    }

    @Test
    void a_claim_that_another_or_the_clock_has_forestalled_is_not_tried_for_ever_where_tasks_run_at_once() {
        for (boolean outlasted : List.of(true, false)) {
            var virtual = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
            var tries = new AtomicInteger();
            var operations = new Fronted(new InMemoryEventStore(Pages.operations(), virtual)) {
                @Override
                public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                    if (!(events.get(0) instanceof ScheduleEvent.Claimed claim)) {
                        return super.append(events, condition, metadata);
                    }
                    if (tries.incrementAndGet() == 1 && !outlasted) {
                        var until = virtual.instant().plusSeconds(30);
                        var other = new ScheduleEvent.Claimed(claim.lane(), "other", until, claim.entries());
                        store.append(List.of(other), AppendCondition.none());
                    }
                    // so that it ends, and shows how often it was tried
                    return super.append(events, tries.get() > 10 ? AppendCondition.none() : condition, metadata);
                }
            };
            var schedule = CommandSchedule.builder(operations, virtual).build();
            var bus = Pages.bus(domain, (note, metadata) -> virtual.advance(Duration.ofSeconds(31))); // past its claim
            schedule.enqueue(new Note("p" + outlasted, 1), Metadata.withId("n-" + outlasted));

            try (var worker = schedule.work("w", bus, Runnable::run, NEVER, failures::add)) {
                assertThat(worker).isNotNull();
                assertThat(tries.get()).isLessThanOrEqualTo(2);
            }

            assertThat(schedule.find("n-" + outlasted).orElseThrow().state())
                    .isEqualTo(outlasted ? State.SUCCEEDED : State.TAKEN);
            assertThat(Pages.on(domain, "p" + outlasted)).hasSize(outlasted ? 1 : 0);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void what_runs_again_and_again_is_due_next_at_an_instant_still_to_come_of_its_own_row() {
        var virtual = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
        var begin = virtual.instant();
        var operations = new InMemoryEventStore(Pages.operations(), virtual);
        var schedule = CommandSchedule.builder(operations, virtual).build();
        var lasting = new AtomicReference<>(Duration.ZERO);
        var bus = Pages.bus(
                domain, (note, metadata) -> virtual.set(virtual.instant().plus(lasting.get())));
        schedule.every(Duration.ofMinutes(10), begin, new Note("p", 1), Metadata.withId("tick"));
        var next = begin;
        for (var each : List.of(
                Map.entry(Duration.ofMinutes(9), 1), // still within its time
                Map.entry(Duration.ofMinutes(10), 2), // just when it would be due again
                Map.entry(Duration.ofMinutes(35), 4),
                Map.entry(Duration.ofMinutes(-5), 1))) { // the clock was put back
            virtual.set(next);
            lasting.set(each.getKey());
            try (var worker = schedule.work("w", bus, Runnable::run, NEVER, failures::add)) {
                assertThat(worker).isNotNull();
            }
            next = next.plus(Duration.ofMinutes(10).multipliedBy(each.getValue()));
            assertThat(schedule.find("tick").orElseThrow().due()).contains(next);
        }
        assertThat(schedule.find("tick").orElseThrow().occurrences()).isEqualTo(4);
        assertThat(failures).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway") // nulls are handed over to see them refused
    void nulls_are_refused_where_they_are_given() {
        var schedule = builder().build();
        var bus = Pages.bus(domain, (note, metadata) -> {});
        for (ThrowableAssert.ThrowingCallable call : List.<ThrowableAssert.ThrowingCallable>of(
                () -> CommandSchedule.builder(null, clock),
                () -> CommandSchedule.builder(log, null),
                () -> builder().key(null, note -> "k"),
                () -> builder().key(Note.class, null),
                () -> builder().checkpoints(null, "schedule"),
                () -> builder().checkpoints(new InMemoryCheckpointStore(), null),
                () -> schedule.enqueue(null, Metadata.withId("n")),
                () -> schedule.work(null, bus, threads, NEVER, failures::add),
                () -> schedule.work("w", null, threads, NEVER, failures::add),
                () -> schedule.work("w", bus, null, NEVER, failures::add),
                () -> schedule.work("w", bus, threads, null, failures::add),
                () -> schedule.work("w", bus, threads, NEVER, null))) {
            assertThatThrownBy(call).isInstanceOf(NullPointerException.class);
        }
        assertThat(log.head().value()).isEqualTo(1);
    }
}
