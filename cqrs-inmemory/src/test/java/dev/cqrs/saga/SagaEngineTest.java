package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaEngine.Filter;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Phaser;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The engine on threads of its own, on the appending thread, and over logs that fail. */
@Timeout(180)
class SagaEngineTest {

    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private final Clock clock = Clock.systemUTC();
    private final InMemoryEventStore operations = new InMemoryEventStore(Parts.operations(), clock);
    private final InMemoryEventStore domain = new InMemoryEventStore(Parts.domain(), clock);
    private final ScheduledExecutorService threads = Executors.newScheduledThreadPool(6);
    private final ConcurrentLinkedQueue<SagaFailure> failures = new ConcurrentLinkedQueue<>();
    private final ConcurrentHashMap<String, Integer> ran = new ConcurrentHashMap<>();

    @AfterEach
    void end_the_threads() {
        threads.shutdownNow();
    }

    private static Saga<Known> three() {
        return Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .parallel(both -> both.step("b", known -> known.part("b"))
                        .compensate(known -> known.part("undo b"))
                        .step("c", known -> known.part("c"))
                        .compensate(known -> known.part("undo c")))
                .step("d", known -> known.part(known.job().endsWith("0") ? "d!" : "d"))
                .build();
    }

    private static Saga<Known> twoBeside() {
        return Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .unsure(IllegalArgumentException.class)
                .parallel(beside -> beside.step("a", known -> known.part("a")).step("b", known -> known.part("b")))
                .build();
    }

    private CommandBus bus() {
        return Parts.bus(domain, (command, data) -> ran.merge(data.id().orElseThrow(), 1, Integer::sum));
    }

    private void start(SagaEngine engine) {
        engine.start(bus(), threads, this::later, failures::add);
    }

    private void later(Duration delay, Runnable task) {
        var unused = threads.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
    }

    private void checkAll(SagaEngine engine, int jobs) throws InterruptedException {
        for (int i = 1; i <= jobs; i++) {
            var job = "j" + i;
            var state = engine.awaitEnded("job", job, PATIENCE).state();
            assertThat(state).as(job).isEqualTo(i % 10 == 0 ? State.COMPENSATED : State.COMPLETED);
            var done = Parts.done(domain, job);
            assertThat(done).as(job).doesNotHaveDuplicates().startsWith("a");
            if (i % 10 == 0) {
                var returned = returned(job); // what ran side by side took effect in the order in which it returned
                assertThat(done).as(job).containsExactlyInAnyOrderElementsOf(returned);
                assertThat(done.subList(3, 6)).as(job).isEqualTo(returned.subList(3, 6));
                for (int k = 0; k < 3; k++) {
                    assertThat(returned.get(5 - k)).as(job).isEqualTo("undo " + returned.get(k));
                }
            } else {
                assertThat(done).hasSize(4).endsWith("d");
            }
        }
    }

    /** The steps and compensations of a job in the order in which the log tells of their return. */
    private List<String> returned(String job) {
        var found = new ArrayList<String>();
        try (var marks = operations.read(EventQuery.types(SagaEvent.class).withTags(SagaEvent.tag("job", job)))) {
            while (marks.advance()) {
                var input = ((SagaEvent) marks.event()).input();
                if (input.cause() == SagaEvent.Cause.RETURNED) {
                    found.add((input.undo() ? "undo " : "") + input.step());
                }
            }
        }
        return found;
    }

    @Test
    void two_engines_on_threads_have_each_step_of_each_saga_take_effect_once() throws InterruptedException {
        int jobs = 2_000;
        var one = SagaEngine.builder(operations, clock)
                .add(three())
                .domain(domain)
                .name("one")
                .build();
        var two = SagaEngine.builder(operations, clock)
                .add(three())
                .domain(domain)
                .name("two")
                .atOnce(2)
                .build();
        start(one);
        for (int i = 1; i <= jobs / 2; i++) {
            Parts.append(domain, new Ordered("j" + i));
        }
        start(two);
        for (int i = jobs / 2 + 1; i <= jobs; i++) {
            Parts.append(domain, new Ordered("j" + i));
        }
        checkAll(one, jobs);
        one.close();
        two.close();
        assertThat(ran.values()).containsOnly(1);
        assertThat(one.status().count(State.COMPLETED)).isEqualTo(jobs - jobs / 10);
        assertThat(two.status().count(State.COMPENSATED)).isEqualTo(jobs / 10);
        assertThat(failures).allSatisfy(failure -> assertThat(failure.step()).isEqualTo("d"));
    }

    @Test
    void of_sixteen_who_start_it_one_does() throws Exception {
        var engines = List.of(
                SagaEngine.builder(operations, clock)
                        .add(three())
                        .domain(domain)
                        .name("one")
                        .build(),
                SagaEngine.builder(operations, clock)
                        .add(three())
                        .domain(domain)
                        .name("two")
                        .build());
        engines.forEach(this::start);
        var starters = Executors.newFixedThreadPool(16);
        var barrier = new CyclicBarrier(16);
        var started = new AtomicInteger();
        var all = new ArrayList<java.util.concurrent.Future<?>>();
        for (int i = 0; i < 16; i++) {
            var engine = engines.get(i % 2);
            all.add(starters.submit(() -> {
                for (int job = 1; job <= 50; job++) {
                    barrier.await();
                    if (engine.begin("job", "j" + job, new Ordered("j" + job))) {
                        started.incrementAndGet();
                    }
                }
                return null;
            }));
        }
        for (var one : all) {
            one.get();
        }
        starters.shutdown();
        assertThat(started).hasValue(50);
        checkAll(engines.get(0), 50);
        engines.forEach(SagaEngine::close);
        assertThat(ran.values()).containsOnly(1);
    }

    @Test
    void an_engine_on_the_appending_thread_runs_any_number_of_sagas_and_steps_without_running_out_of_stack()
            throws InterruptedException {
        var builder = Saga.named("job", Parts.KNOWN).startedBy(Ordered.class, Ordered::job);
        for (int i = 0; i < 60; i++) {
            var part = "p" + i;
            builder.step(part, known -> known.part(part));
        }
        var engine = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(builder.build(), Position.START)
                .domain(domain)
                .build();
        for (int i = 0; i < 300; i++) {
            Parts.append(domain, new Ordered("j" + i));
        }
        var slim = new Thread(
                null, () -> engine.start(bus(), Runnable::run, (delay, task) -> {}, failures::add), "slim", 256 * 1024);
        slim.start();
        slim.join();
        assertThat(failures).isEmpty();
        assertThat(engine.status().count(State.COMPLETED)).isEqualTo(300);
        assertThat(domain.head().value()).isEqualTo(300 + 2 * 300 * 60);
        engine.close();
    }

    @Test
    void a_saga_that_takes_long_holds_up_no_other_and_closing_waits_for_it() throws Exception {
        var begun = new CountDownLatch(1);
        var release = new CountDownLatch(1);
        var engine = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    if (command.job().equals("slow")) {
                        begun.countDown();
                        try {
                            release.await();
                        } catch (InterruptedException stop) {
                            Thread.currentThread().interrupt();
                        }
                    }
                }),
                threads,
                this::later,
                failures::add);
        Parts.append(domain, new Ordered("slow"));
        begun.await();
        for (int i = 1; i <= 20; i++) {
            Parts.append(domain, new Ordered("j" + i));
        }
        checkAll(engine, 20);
        var closing = new Thread(engine::close);
        closing.start();
        while (closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait(); // until it waits for the command
        }
        release.countDown();
        closing.join();
        assertThat(Parts.done(domain, "slow")).containsExactly("a");
        var left = engine.find("job", "slow").orElseThrow();
        assertThat(left.state()).isEqualTo(State.RUNNING);
        assertThat(left.engine()).isEmpty();
    }

    @Test
    void an_engine_is_told_of_anothers_turn_on_its_thread_when_that_has_let_its_instance_go() {
        var one = SagaEngine.builder(operations, clock)
                .name("one")
                .add(three())
                .domain(domain)
                .build();
        var asked = new AtomicInteger();
        var answered = new AtomicInteger();
        var appending = Thread.currentThread();
        var clockOfTwo = new Clock() {
            @Override
            public ZoneId getZone() {
                return clock.getZone();
            }

            @Override
            public Clock withZone(ZoneId zone) {
                return clock.withZone(zone);
            }

            @Override
            public Instant instant() { // by a look of "two", which may do anything, as have an instance go on
                if (Thread.currentThread() == appending
                        && one.find("job", "j").isPresent()
                        && asked.getAndIncrement() == 0) {
                    var operator = CompletableFuture.supplyAsync(() -> one.resume("job", "j"), threads);
                    try {
                        operator.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
                        answered.incrementAndGet();
                    } catch (InterruptedException | ExecutionException | TimeoutException stuck) {
                        throw new IllegalStateException(stuck);
                    }
                }
                return clock.instant();
            }
        };
        var two = SagaEngine.builder(operations, clockOfTwo)
                .name("two")
                .add(Saga.named("another", Parts.KNOWN)
                        .startedBy(Packed.class, Packed::job)
                        .step("a", known -> known.part("a"))
                        .build())
                .domain(domain)
                .build();
        one.start(bus(), Runnable::run, (delay, task) -> {}, failures::add);
        two.start(bus(), Runnable::run, (delay, task) -> {}, failures::add);

        Parts.append(domain, new Ordered("j"));

        assertThat(failures).isEmpty();
        assertThat(asked.get()).isPositive();
        assertThat(answered).hasValue(1);
        assertThat(Parts.done(domain, "j")).contains("a", "b", "c", "d");
        one.close();
        two.close();
    }

    @Test
    void a_log_that_fails_or_does_not_know_whether_it_wrote_has_nothing_done_twice() {
        SeededScheduler.explore(Integer.getInteger("dev.cqrs.saga.seeds", 200), 1, scheduler -> {
            var log = new InMemoryEventStore(Parts.operations(), scheduler.clock());
            var events = new InMemoryEventStore(Parts.domain(), scheduler.clock());
            var failing = failing(log, scheduler.seed());
            var told = new ArrayList<SagaFailure>();
            var engine = SagaEngine.builder(failing, scheduler.clock())
                    .name("sagas")
                    .add(three())
                    .domain(events)
                    .build();
            engine.start(Parts.bus(events, (command, data) -> {}), scheduler, scheduler::schedule, told::add);
            for (int i = 1; i <= 10; i++) {
                Parts.append(events, new Ordered("j" + i));
            }
            scheduler.runAll();
            for (int i = 1; i <= 10; i++) {
                var job = "j" + i;
                assertThat(engine.find("job", job).orElseThrow().state())
                        .isEqualTo(i % 10 == 0 ? State.COMPENSATED : State.COMPLETED);
                assertThat(Parts.done(events, job)).doesNotHaveDuplicates().hasSize(i % 10 == 0 ? 6 : 4);
            }
            assertThat(engine.status().ignored()).isZero();
            engine.close();
        });
    }

    /** One of four appends fails: before it is written, or with no word whether it was, and now and then for long. */
    private static EventStore failing(EventStore log, long seed) {
        var random = new SplittableRandom(seed);
        var away = new int[1];
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    boolean append = method.getName().equals("append");
                    int what = append ? random.nextInt(16) : 9;
                    if (append && away[0] > 0) {
                        away[0]--;
                        throw new IllegalStateException("still away");
                    }
                    if (what == 0) {
                        away[0] = random.nextInt(15);
                        throw new IllegalStateException("away");
                    }
                    if (what == 1) {
                        throw new AppendOutcomeUnknownException("it", new IllegalStateException("cut before"));
                    }
                    try {
                        var result = method.invoke(log, args);
                        if (what == 2 || what == 3) {
                            throw new AppendOutcomeUnknownException("it", new IllegalStateException("cut after"));
                        }
                        return result;
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getTargetException();
                    }
                });
    }

    @Test
    void another_engine_is_woken_when_a_thread_has_let_go_of_all_that_it_appends() {
        var appending = new int[1];
        var log = (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    int append = method.getName().equals("append") ? 1 : 0;
                    appending[0] += append;
                    try {
                        return method.invoke(operations, args);
                    } finally {
                        appending[0] -= append;
                    }
                });
        var scheduler = new SeededScheduler(1);
        var one = SagaEngine.builder(log, clock)
                .name("one")
                .add(three())
                .domain(domain)
                .build();
        var two = SagaEngine.builder(log, clock)
                .name("two")
                .add(three())
                .domain(domain)
                .build();
        var within = new ArrayList<Integer>();
        two.start(
                bus(),
                task -> {
                    within.add(appending[0]);
                    scheduler.execute(task);
                },
                scheduler::schedule,
                failures::add);
        scheduler.runFor(Duration.ofSeconds(1));
        within.clear();
        var begun = new boolean[1];
        try (var application = operations.onAppend(last -> {
            if (!begun[0]) {
                begun[0] = true;
                assertThat(one.begin("job", "within", new Ordered("within"))).isTrue();
            }
        })) {
            assertThat(application).isNotNull();
            assertThat(one.begin("job", "j", new Ordered("j"))).isTrue();
        }
        assertThat(within).isNotEmpty().containsOnly(0);
        two.close();
    }

    @Test
    void events_and_operators_that_come_while_it_is_at_work_are_not_lost() throws Exception {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> {
                    if (known.job().endsWith("5") && ran.merge("made " + known.job(), 1, Integer::sum) == 1) {
                        throw new IllegalStateException("not at first");
                    }
                    return known.part("b");
                })
                .build();
        var engine = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(saga)
                .domain(domain)
                .build();
        var parked = new LinkedBlockingQueue<String>();
        engine.start(
                bus(), threads, this::later, failure -> parked.add(failure.key().orElseThrow()));
        int jobs = 1_000;
        for (int i = 1; i <= jobs; i++) {
            Parts.append(domain, new Ordered("j" + i));
            Parts.append(domain, new Packed("j" + i));
        }
        for (int i = 0; i < jobs / 10; i++) {
            assertThat(engine.resume("job", parked.take())).isTrue();
        }
        for (int i = 1; i <= jobs; i++) {
            var job = "j" + i;
            assertThat(engine.awaitEnded("job", job, PATIENCE).state()).isEqualTo(State.COMPLETED);
            assertThat(Parts.done(domain, job)).containsExactly("a", "b");
        }
        assertThat(engine.list(Filter.all(), 1)).isEmpty();
        engine.close();
        assertThat(parked).isEmpty();
    }

    @Test
    void an_engine_that_is_started_again_without_a_checkpoint_reads_no_instance_that_has_ended() {
        var first = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        first.start(bus(), Runnable::run, (delay, task) -> {}, failures::add);
        for (int i = 1; i <= 50; i++) {
            Parts.append(domain, new Ordered("j" + i));
        }
        first.close();
        var reads = new AtomicInteger();
        var counting = around(operations, method -> {
            if (method.equals("read")) {
                reads.incrementAndGet();
            }
        });
        var second = SagaEngine.builder(counting, clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();

        second.start(bus(), Runnable::run, (delay, task) -> {}, failures::add);

        assertThat(second.status().count(State.COMPLETED) + second.status().count(State.COMPENSATED))
                .isEqualTo(50);
        assertThat(reads).hasValueLessThan(20);
        second.close();
    }

    @Test
    void an_engine_that_is_closed_while_it_starts_is_closed_at_once_and_follows_no_log() {
        var wasAway = new AtomicBoolean();
        var followed = new AtomicInteger();
        var away = around(domain, method -> {
            if (method.equals("head") && !wasAway.getAndSet(true)) {
                throw new IllegalStateException("away");
            }
            if (method.equals("onAppend")) {
                followed.incrementAndGet();
            }
        });
        var engine = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(three())
                .domain(away)
                .build();
        var closed = new AtomicBoolean();

        engine.start(bus(), Runnable::run, (delay, task) -> {}, failure -> {
            failures.add(failure);
            var closing = CompletableFuture.runAsync(engine::close, threads);
            try {
                closing.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
                closed.set(true);
            } catch (InterruptedException | ExecutionException | TimeoutException stuck) {
                throw new IllegalStateException(stuck);
            }
        });

        assertThat(failures).hasSize(1);
        assertThat(closed).isTrue();
        assertThat(followed).hasValue(0);
        Parts.append(domain, new Ordered("j"));
        assertThat(engine.find("job", "j")).isEmpty();
    }

    @Test
    void an_engine_whose_close_is_interrupted_gives_back_what_it_has_when_its_last_command_has_ended()
            throws Exception {
        var begun = new CountDownLatch(1);
        var release = new CountDownLatch(1);
        var engine = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .atOnce(1)
                .build();
        var tasks = Executors.newFixedThreadPool(2);
        var counted = new Counted(tasks);
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    begun.countDown();
                    try {
                        release.await();
                    } catch (InterruptedException stop) {
                        Thread.currentThread().interrupt();
                    }
                }),
                counted,
                (delay, task) -> {},
                failures::add);
        Parts.append(domain, new Ordered("j"));
        begun.await();
        engine.begin("job", "k", new Ordered("k")); // it has that, and nobody to spare for it
        var interrupted = new AtomicBoolean();
        var closing = new Thread(() -> {
            engine.close();
            interrupted.set(Thread.currentThread().isInterrupted());
        });
        closing.start();
        while (closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait(); // until it waits for the command
        }

        closing.interrupt();
        closing.join();
        assertThat(interrupted).isTrue();
        release.countDown();
        counted.awaitNone();
        tasks.shutdown();

        assertThat(tasks.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .isTrue();
        assertThat(failures).isEmpty();
        assertThat(Parts.done(domain, "j")).containsExactly("a");
        assertThat(Parts.done(domain, "k")).isEmpty();
        var left = engine.find("job", "k").orElseThrow();
        assertThat(left.state()).isEqualTo(State.RUNNING);
        assertThat(left.engine()).isEmpty();
    }

    /** An engine over the logs of this test, whose tasks wait for {@code scheduler}. */
    private SagaEngine.Builder sagas(SeededScheduler scheduler) {
        return SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(three())
                .domain(domain);
    }

    @Test
    void a_listener_that_throws_again_what_it_is_told_of_holds_nothing_up() {
        var scheduler = new SeededScheduler(1);
        var away = new AtomicBoolean();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        var uncaught = new ArrayList<Throwable>();
        var engine = sagas(scheduler)
                .domain(around(domain, method -> {
                    if (away.get() && method.equals("read")) {
                        throw new IllegalStateException("away");
                    }
                }))
                .build();
        thread.setUncaughtExceptionHandler((where, thrown) -> uncaught.add(thrown));
        try {
            engine.start(bus(), scheduler, scheduler::schedule, failure -> {
                throw (IllegalStateException) failure.cause();
            });
            scheduler.runFor(Duration.ofSeconds(1));
            away.set(true);
            Parts.append(domain, new Ordered("j"));
            scheduler.runFor(Duration.ofSeconds(1));
            away.set(false);

            scheduler.runFor(Duration.ofSeconds(2));
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        assertThat(uncaught)
                .isNotEmpty()
                .allSatisfy(thrown -> assertThat(thrown)
                        .isExactlyInstanceOf(IllegalStateException.class)
                        .hasMessage("away"));
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        engine.close();
    }

    @Test
    void a_listener_that_closes_the_engine_is_told_once_of_what_fails_while_it_closes() {
        var scheduler = new SeededScheduler(1);
        var away = new AtomicBoolean();
        var engine = SagaEngine.builder(
                        around(operations, method -> {
                            if (away.get()) {
                                throw new IllegalStateException("away");
                            }
                        }),
                        scheduler.clock())
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failure -> {
            failures.add(failure);
            engine.close();
        });
        scheduler.runFor(Duration.ofSeconds(1));
        away.set(true);

        engine.close();

        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause()).hasMessage("away"));
    }

    @Test
    void a_second_close_saves_nothing_more() {
        var scheduler = new SeededScheduler(1);
        var saves = new AtomicInteger();
        var store = new InMemoryCheckpointStore();
        var counting = (CheckpointStore) Proxy.newProxyInstance(
                CheckpointStore.class.getClassLoader(),
                new Class<?>[] {CheckpointStore.class},
                (proxy, method, args) -> {
                    if (method.getName().equals("save")) {
                        saves.incrementAndGet();
                    }
                    return method.invoke(store, args);
                });
        var engine = sagas(scheduler).checkpoints(counting, "sagas").build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);
        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofSeconds(1));
        engine.close();
        assertThat(saves).hasValue(1);
        assertThat(engine.begin("job", "k", new Ordered("k"))).isTrue(); // as another engine may have

        engine.close();

        assertThat(saves).hasValue(1);
        assertThat(failures).isEmpty();
    }

    @Test
    void an_event_that_no_version_of_a_saga_waits_for_is_counted_once() {
        var scheduler = new SeededScheduler(1);
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .await("packed", Packed.class, Packed::job);
        var engine = SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(saga.build())
                .add(saga.version(2).build())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);

        Parts.append(domain, new Packed("nobody"));
        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(engine.status().ignored()).isEqualTo(1);
        engine.close();
    }

    @Test
    void a_timer_that_throws_once_is_asked_again_so_that_no_time_is_missed() {
        var scheduler = new SeededScheduler(1);
        var throwing = new AtomicBoolean();
        var engine = SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(Saga.named("job", Parts.KNOWN)
                        .startedBy(Ordered.class, Ordered::job)
                        .await("packed", Packed.class, Packed::job)
                        .timeout(Duration.ofMinutes(10))
                        .build())
                .domain(domain)
                .build();
        engine.start(
                bus(),
                scheduler,
                (delay, task) -> {
                    if (throwing.getAndSet(false)) {
                        throw new IllegalStateException("full");
                    }
                    scheduler.schedule(delay, task);
                },
                failures::add);
        scheduler.runFor(Duration.ofSeconds(1));
        throwing.set(true);
        Parts.append(domain, new Ordered("j"));

        scheduler.runFor(Duration.ofMinutes(11));

        assertThat(failures)
                .first()
                .satisfies(failure -> assertThat(failure.cause()).hasMessage("full"));
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPENSATED);
        engine.close();
    }

    @Test
    void a_timer_that_throws_twice_is_told_to_be_asked_no_more_until_something_else_happens() {
        var scheduler = new SeededScheduler(1);
        var throwing = new AtomicInteger();
        var engine = SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(Saga.named("job", Parts.KNOWN)
                        .startedBy(Ordered.class, Ordered::job)
                        .await("packed", Packed.class, Packed::job)
                        .timeout(Duration.ofMinutes(10))
                        .build())
                .domain(domain)
                .build();
        engine.start(
                bus(),
                scheduler,
                (delay, task) -> {
                    if (throwing.getAndDecrement() > 0) {
                        throw new IllegalStateException("full");
                    }
                    scheduler.schedule(delay, task);
                },
                failures::add);
        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofMinutes(2));
        throwing.set(2);
        scheduler.runFor(Duration.ofDays(1));
        assertThat(failures).extracting(SagaFailure::again).containsExactly(true, false);
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.WAITING);

        Parts.append(domain, new Ordered("k"));
        scheduler.runFor(Duration.ofMinutes(11));
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPENSATED);
        assertThat(engine.find("job", "k").orElseThrow().state()).isEqualTo(State.COMPENSATED);
        assertThat(failures).hasSize(2);
        engine.close();
    }

    @Test
    void a_lease_may_be_as_long_as_one_likes() {
        var scheduler = new SeededScheduler(1);
        var engine = sagas(scheduler).lease(Duration.ofSeconds(Long.MAX_VALUE)).build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);

        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofSeconds(2));

        assertThat(failures).isEmpty();
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        engine.close();
    }

    @ParameterizedTest
    @ValueSource(
            classes = {
                IllegalStateException.class,
                NoClassDefFoundError.class,
                StackOverflowError.class,
                AssertionError.class
            })
    void a_command_whose_tags_cannot_be_told_parks_its_saga_and_has_none_dispatched_again(
            Class<? extends Throwable> why) throws Exception {
        var scheduler = new SeededScheduler(1);
        var thrown = why.getConstructor().newInstance();
        Runnable throwing = () -> {
            if (thrown instanceof Error error) {
                throw error;
            }
            throw (RuntimeException) thrown;
        };
        var log = new InMemoryEventStore(
                SagaEngine.catalog(Catalog.builder())
                        .event("ordered", Ordered.class)
                        .event("do", Parts.Do.class, command -> {
                            if (command.part().equals("bad")) {
                                throwing.run();
                            }
                            return Set.of(Tag.of("job", command.job()));
                        })
                        .build(),
                scheduler.clock());
        var engine = SagaEngine.builder(log, scheduler.clock())
                .name("sagas")
                .add(Saga.named("job", Fold.from("").on(Ordered.class, (none, ordered) -> ordered.job()))
                        .startedBy(Ordered.class, Ordered::job)
                        .step("a", job -> new Parts.Do(job, job.equals("first") ? "bad" : "a"))
                        .step("b", job -> new Parts.Do(job, job.equals("second") ? "bad" : "b"))
                        .build())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);

        List.of("first", "second", "good").forEach(job -> Parts.append(domain, new Ordered(job)));
        scheduler.runFor(Duration.ofMinutes(1));

        assertThat(engine.find("job", "good").orElseThrow().state()).isEqualTo(State.COMPLETED);
        for (var job : List.of("first", "second")) {
            var bad = engine.find("job", job).orElseThrow();
            assertThat(bad.state()).as(job).isEqualTo(State.PARKED);
            assertThat(bad.reason()).as(job).contains(why.getSimpleName());
        }
        assertThat(ran.values()).hasSize(3).containsOnly(1);
        engine.close();
    }

    @Test
    void many_events_for_nobody_cost_one_look_at_the_operations_log_for_all_that_are_read_together() {
        var scheduler = new SeededScheduler(1);
        var reads = new AtomicInteger();
        var counting = (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    reads.addAndGet(method.getName().equals("read") ? 1 : 0);
                    return method.invoke(operations, args);
                });
        var engine = SagaEngine.builder(counting, scheduler.clock())
                .name("sagas")
                .add(Saga.named("job", Fold.from("").on(Ordered.class, (none, ordered) -> ordered.job()))
                        .startedBy(Ordered.class, Ordered::job)
                        .step("a", job -> new Parts.Do(job, "a"))
                        .await("packed", Packed.class, Packed::job)
                        .build())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);
        scheduler.runFor(Duration.ofSeconds(1));
        reads.set(0);

        domain.append(Collections.nCopies(1_000, new Packed("of nobody")), AppendCondition.none());
        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(engine.status().ignored()).isEqualTo(1_000);
        assertThat(reads).hasValueLessThan(100);
        engine.close();
    }

    @Test
    void an_event_whose_tags_cannot_be_told_parks_its_saga_alone() {
        var scheduler = new SeededScheduler(1);
        var log = new InMemoryEventStore(
                SagaEngine.catalog(Catalog.builder())
                        .event("ordered", Ordered.class, ordered -> {
                            if (ordered.job().equals("bad")) {
                                throw new IllegalStateException("no tags");
                            }
                            return Set.of(Tag.of("job", ordered.job()));
                        })
                        .event("do", Parts.Do.class)
                        .build(),
                scheduler.clock());
        var engine = SagaEngine.builder(log, scheduler.clock())
                .name("sagas")
                .add(Saga.named("job", Fold.from("").on(Ordered.class, (none, ordered) -> ordered.job()))
                        .startedBy(Ordered.class, Ordered::job)
                        .step("a", known -> new Parts.Do(known, "a"))
                        .build())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);

        Parts.append(domain, new Ordered("bad"));
        Parts.append(domain, new Ordered("good"));
        scheduler.runFor(Duration.ofSeconds(2));

        assertThat(engine.find("job", "good").orElseThrow().state()).isEqualTo(State.COMPLETED);
        var bad = engine.find("job", "bad").orElseThrow();
        assertThat(bad.state()).isEqualTo(State.PARKED);
        assertThat(bad.reason()).contains("\"ordered\"").contains("no tags");
        engine.close();
    }

    @Test
    void what_is_refused_when_the_engine_is_closed_is_not_told() {
        var scheduler = new SeededScheduler(1);
        var refusing = new AtomicBoolean();
        var engines = new ArrayList<SagaEngine>();
        var engine = SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(Saga.named("job", Parts.KNOWN)
                        .startedBy(Ordered.class, ordered -> {
                            engines.forEach(SagaEngine::close);
                            Parts.append(domain, new Ordered("another"));
                            refusing.set(true);
                            return ordered.job();
                        })
                        .step("a", known -> known.part("a"))
                        .build())
                .domain(domain)
                .build();
        engines.add(engine);
        engine.start(
                bus(),
                task -> {
                    if (refusing.get()) {
                        throw new RejectedExecutionException("shut down");
                    }
                    scheduler.execute(task);
                },
                scheduler::schedule,
                failures::add);

        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofSeconds(2));

        assertThat(refusing).isTrue();
        assertThat(failures).isEmpty();
    }

    @Test
    void events_in_front_of_one_that_cannot_be_read_are_taken_in() {
        var scheduler = new SeededScheduler(1);
        var unreadable = new AtomicBoolean(true);
        var reading = (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    var found = method.invoke(domain, args);
                    return found instanceof EventStream stream ? upTo("bad", unreadable, stream) : found;
                });
        var engine = sagas(scheduler).domain(reading).build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);
        scheduler.runFor(Duration.ofSeconds(1));

        domain.append(
                List.of(new Ordered("j"), new Ordered("k"), new Ordered("bad"), new Ordered("l")),
                AppendCondition.none());
        scheduler.runFor(Duration.ofSeconds(2));

        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(engine.find("job", "k").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(engine.find("job", "l")).isEmpty();
        assertThat(failures)
                .isNotEmpty()
                .allSatisfy(failure -> assertThat(failure.cause()).hasMessage("unreadable"));
        unreadable.set(false);
        scheduler.runFor(Duration.ofSeconds(2));
        assertThat(engine.find("job", "l").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(engine.status().ignored()).isZero();
        engine.close();
    }

    private static EventStream upTo(String job, AtomicBoolean unreadable, EventStream stream) {
        return (EventStream) Proxy.newProxyInstance(
                EventStream.class.getClassLoader(), new Class<?>[] {EventStream.class}, (proxy, method, args) -> {
                    var result = method.invoke(stream, args);
                    if (method.getName().equals("advance")
                            && unreadable.get()
                            && (boolean) result
                            && stream.event() instanceof Ordered ordered
                            && ordered.job().equals(job)) {
                        throw new IllegalStateException("unreadable");
                    }
                    return result;
                });
    }

    @Test
    void a_command_that_cannot_be_read_as_the_log_is_away_is_dispatched_when_it_is_back() {
        var scheduler = new SeededScheduler(1);
        assertThat(sagas(scheduler).build().begin("job", "j", new Ordered("j"))).isTrue();
        var reads = new AtomicInteger();
        var log = (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    if (method.getName().equals("read")
                            && args[0].equals(EventQuery.all())
                            && reads.incrementAndGet() == 2) { // what was kept of the event, and then the command
                        throw new IllegalStateException("away");
                    }
                    return method.invoke(operations, args);
                });
        var engine = SagaEngine.builder(log, scheduler.clock())
                .name("other")
                .add(three())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);

        scheduler.runFor(Duration.ofSeconds(5));

        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause()).hasMessage("away"));
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        engine.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void a_handler_that_closes_the_engine_has_it_end_with_what_became_of_its_command(boolean inTheCaller)
            throws Exception {
        var engines = new ArrayList<SagaEngine>();
        var tasks = Executors.newFixedThreadPool(3);
        var engine = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .atOnce(1)
                .build();
        engines.add(engine);
        var closed = new CountDownLatch(1);
        var counted = new Counted(tasks);
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    engine.begin("job", "k", new Ordered("k")); // it has that too
                    engines.forEach(SagaEngine::close);
                    closed.countDown();
                }),
                inTheCaller ? Runnable::run : counted,
                (delay, task) -> {},
                failures::add);
        Parts.append(domain, new Ordered("j"));
        closed.await();
        counted.awaitNone();
        tasks.shutdown();

        assertThat(tasks.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .isTrue();
        engine.close();

        assertThat(failures).isEmpty();
        assertThat(Parts.done(domain, "j")).containsExactly("a");
        assertThat(returned("j")).containsExactly("a");
        for (var key : List.of("j", "k")) {
            var left = engine.find("job", key).orElseThrow();
            assertThat(left.state()).as(key).isEqualTo(State.RUNNING);
            assertThat(left.engine()).as(key).isEmpty();
        }
    }

    @Test
    void a_command_that_throws_as_its_thread_was_interrupted_is_dispatched_again_under_its_id() {
        var scheduler = new SeededScheduler(1);
        var ids = new ArrayList<String>();
        var engine = sagas(scheduler).build();
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    ids.add(data.id().orElseThrow());
                    if (ids.size() == 1) {
                        Thread.currentThread().interrupt();
                        throw new IllegalStateException("interrupted");
                    }
                }),
                task -> scheduler.execute(() -> {
                    task.run();
                    Thread.interrupted(); // as executors do
                }),
                scheduler::schedule,
                failures::add);
        Parts.append(domain, new Ordered("j"));

        scheduler.runFor(Duration.ofSeconds(3));

        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(ids.subList(0, 3)).containsExactly("job/j/a/1", "job/j/a/1", "job/j/b/1");
        assertThat(failures).singleElement().satisfies(failure -> {
            assertThat(failure.cause()).hasMessage("interrupted");
            assertThat(failure.again()).isTrue();
            assertThat(failure.key()).hasValue("j");
        });
        engine.close();
    }

    @Test
    void a_command_that_always_throws_with_its_thread_interrupted_is_told_of_each_time_and_parks_in_the_end() {
        // given a handler that interrupts its thread, though nobody else does
        var scheduler = new SeededScheduler(1);
        var ids = new ArrayList<String>();
        var engine = sagas(scheduler).expiries(2).build();
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    if (ids.size() < 6) {
                        ids.add(data.id().orElseThrow());
                        Thread.currentThread().interrupt();
                        throw new IllegalStateException("interrupted");
                    }
                }),
                task -> scheduler.execute(() -> {
                    task.run();
                    Thread.interrupted(); // as executors do
                }),
                scheduler::schedule,
                failures::add);

        // when
        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofMinutes(1));

        // then
        var parked = engine.find("job", "j").orElseThrow();
        assertThat(parked.state()).isEqualTo(State.PARKED);
        assertThat(parked.reason()).contains("It is not known whether step \"a\" took effect");
        assertThat(ids).containsExactly("job/j/a/1", "job/j/a/1", "job/j/a/1");
        assertThat(failures).extracting(SagaFailure::again).containsExactly(true, true, false);
        assertThat(failures).allSatisfy(failure -> {
            assertThat(failure.step()).isEqualTo("a");
            assertThat(failure.cause()).hasMessage("interrupted");
        });

        // when, as often anew
        assertThat(engine.resume("job", "j")).isTrue();
        scheduler.runFor(Duration.ofMinutes(1));
        assertThat(ids).hasSize(6);
        assertThat(engine.resume("job", "j")).isTrue();
        scheduler.runFor(Duration.ofMinutes(1));

        // then
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        engine.close();
    }

    @Test
    void what_a_command_returned_is_written_though_its_thread_was_interrupted_which_stays_so() {
        var scheduler = new SeededScheduler(1);
        var log = around(operations, method -> {
            if (method.equals("append") && Thread.currentThread().isInterrupted()) {
                throw new IllegalStateException("not when interrupted");
            }
        });
        var engine = SagaEngine.builder(log, scheduler.clock())
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        var stayed = new AtomicInteger();
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    ran.merge(data.id().orElseThrow(), 1, Integer::sum);
                    Thread.currentThread().interrupt();
                }),
                task -> scheduler.execute(() -> {
                    task.run();
                    if (Thread.interrupted()) {
                        stayed.incrementAndGet();
                    }
                }),
                scheduler::schedule,
                failures::add);
        Parts.append(domain, new Ordered("j"));

        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(failures).isEmpty();
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(ran).hasSize(4).containsValue(1);
        assertThat(stayed.get()).isPositive();
        engine.close();
    }

    @Test
    void whichever_task_the_executor_refuses_that_is_told_and_done_a_second_later() {
        boolean refused = true;
        for (int at = 1; refused; at++) {
            var scheduler = new SeededScheduler(at);
            var log = new InMemoryEventStore(Parts.operations(), scheduler.clock());
            var events = new InMemoryEventStore(Parts.domain(), scheduler.clock());
            int wanted = at;
            var tasks = new AtomicInteger();
            failures.clear();
            var engine = SagaEngine.builder(log, scheduler.clock())
                    .name("sagas")
                    .add(three())
                    .domain(events)
                    .build();
            engine.start(
                    Parts.bus(events, (command, data) -> {}),
                    task -> {
                        if (tasks.incrementAndGet() == wanted) {
                            throw new RejectedExecutionException("full");
                        }
                        scheduler.execute(task);
                    },
                    scheduler::schedule,
                    failures::add);
            for (int i = 1; i <= 3; i++) {
                Parts.append(events, new Ordered("j" + i));
                scheduler.runFor(Duration.ZERO);
            }
            scheduler.runFor(Duration.ofSeconds(1));

            refused = tasks.get() >= wanted;
            for (int i = 1; i <= 3; i++) {
                assertThat(engine.find("job", "j" + i).orElseThrow().state())
                        .as("task %s", at)
                        .isEqualTo(State.COMPLETED);
            }
            assertThat(failures).as("task %s", at).hasSize(refused ? 1 : 0).allSatisfy(failure -> {
                assertThat(failure.cause()).hasMessage("full");
                assertThat(failure.again()).isTrue();
            });
            engine.close();
        }
    }

    @Test
    void what_a_listener_throws_goes_to_the_threads_handler_with_what_it_was_told_of_and_disturbs_nobody() {
        var scheduler = new SeededScheduler(1);
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        var uncaught = new ArrayList<Throwable>();
        var engine = sagas(scheduler).build();
        thread.setUncaughtExceptionHandler((where, thrown) -> {
            uncaught.add(thrown);
            throw new IllegalStateException("handler");
        });
        try {
            engine.start(bus(), scheduler, scheduler::schedule, failure -> {
                throw new IllegalStateException("listener");
            });
            Parts.append(domain, new Ordered("j0")); // of which "d" is refused

            scheduler.runFor(Duration.ofSeconds(1));
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        assertThat(uncaught).singleElement().satisfies(thrown -> {
            assertThat(thrown).hasMessage("listener");
            assertThat(thrown.getSuppressed()).singleElement().isInstanceOf(RejectedException.class);
        });
        assertThat(engine.find("job", "j0").orElseThrow().state()).isEqualTo(State.COMPENSATED);
        engine.close();
    }

    @Test
    void an_engine_whose_log_is_away_when_it_is_started_begins_when_it_is_back() {
        var scheduler = new SeededScheduler(1);
        var away = new AtomicBoolean(true);
        var engine = SagaEngine.builder(
                        around(operations, method -> {
                            if (away.get() && !method.equals("onAppend") && !method.equals("catalog")) {
                                throw new IllegalStateException("away");
                            }
                        }),
                        scheduler.clock())
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);
        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofSeconds(3));
        assertThat(failures).hasSizeGreaterThan(2).allSatisfy(failure -> {
            assertThat(failure.cause()).hasMessage("away");
            assertThat(failure.again()).isTrue();
            assertThat(failure.saga()).isEmpty();
        });
        away.set(false);

        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        engine.close();
    }

    @Test
    void no_more_instances_go_on_at_once_than_is_said() {
        for (int most = 1; most <= 3; most++) {
            var scheduler = new SeededScheduler(most);
            var atOnce = new AtomicInteger();
            var deepest = new AtomicInteger();
            var engine = sagas(scheduler).atOnce(most).build();
            engine.start(
                    Parts.bus(domain, (command, data) -> {
                        deepest.accumulateAndGet(atOnce.incrementAndGet(), Math::max);
                        scheduler.runFor(Duration.ZERO); // all that can go on meanwhile
                        atOnce.decrementAndGet();
                    }),
                    scheduler,
                    scheduler::schedule,
                    failures::add);
            for (int i = 1; i <= 6; i++) {
                Parts.append(domain, new Ordered("j" + most + i));
            }
            scheduler.runFor(Duration.ofSeconds(1));

            assertThat(failures).isEmpty();
            assertThat(deepest).hasValue(most);
            engine.close();
        }
    }

    @Test
    void who_is_interrupted_while_waiting_for_an_end_waits_no_longer() throws Exception {
        var engine = SagaEngine.builder(operations, clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        engine.begin("job", "j", new Ordered("j"));
        var thrown = new CompletableFuture<Throwable>();
        var waiting = new Thread(() -> {
            try {
                thrown.completeExceptionally(new AssertionError(engine.awaitEnded("job", "j", PATIENCE)));
            } catch (Throwable interrupted) {
                thrown.complete(interrupted);
            }
        });
        waiting.start();
        waiting.interrupt();

        assertThat(thrown.get(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isInstanceOf(InterruptedException.class);
    }

    /** Starts a saga of which two steps side by side are not known, and a third one is refused if it is to be. */
    private SagaEngine notKnownOfTwo(SeededScheduler scheduler, boolean refused) {
        var cut = new ArrayList<>(List.of("a", "b"));
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .unsure(IllegalArgumentException.class)
                .step("first", known -> known.part("first"))
                .compensate(known -> known.part("undo first"))
                .parallel(beside -> beside.step("a", known -> known.part("a"))
                        .step("b", known -> known.part("b"))
                        .step("c", known -> known.part(refused ? "c!" : "c")))
                .build();
        var engine = SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(saga)
                .domain(domain)
                .build();
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    ran.merge(data.id().orElseThrow(), 1, Integer::sum);
                    scheduler.runFor(Duration.ZERO); // the others too, within this one
                    if (cut.remove(command.part())) {
                        throw new IllegalArgumentException("cut " + command.part());
                    }
                }),
                scheduler,
                scheduler::schedule,
                failures::add);
        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofSeconds(1));
        assertThat(cut).isEmpty();
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.PARKED);
        return engine;
    }

    private static String reason(SagaEngine engine) {
        var instance = engine.find("job", "j").orElseThrow();
        assertThat(instance.state()).isEqualTo(State.PARKED);
        return instance.reason();
    }

    @Test
    void of_two_steps_that_are_not_known_the_other_is_told_when_an_operator_has_found_one_out() {
        var scheduler = new SeededScheduler(1);
        var engine = notKnownOfTwo(scheduler, false);
        var one = reason(engine).contains("job/j/a/1") ? "a" : "b";
        var other = one.equals("a") ? "b" : "a";
        assertThat(reason(engine)).contains("not known", "job/j/" + one + "/1");

        assertThat(engine.settle("job", "j", "job/j/" + one + "/1", Finding.TOOK_EFFECT))
                .isTrue();
        assertThat(reason(engine)).contains("not known", "job/j/" + other + "/1");
        assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.UNSURE);
        assertThat(engine.settle("job", "j", "job/j/" + other + "/1", Finding.NO_EFFECT))
                .isTrue();
        assertThat(reason(engine))
                .isEqualTo("Step \"" + other + "\" had no effect, as an operator has found out. Resume or cancel it.");
        assertThat(engine.resume("job", "j")).isTrue();
        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(ran)
                .containsOnlyKeys("job/j/first/1", "job/j/a/1", "job/j/b/1", "job/j/c/1", "job/j/" + other + "/2")
                .containsValue(1);
        engine.close();
    }

    @Test
    void a_saga_of_which_one_of_two_stuck_steps_is_left_out_is_parked_for_the_other() {
        var scheduler = new SeededScheduler(1);
        var engine = notKnownOfTwo(scheduler, false);

        assertThat(engine.skip("job", "j", "b")).isTrue();
        assertThat(reason(engine)).contains("not known", "job/j/a/1");
        assertThat(engine.find("job", "j").orElseThrow().step()).isEqualTo("a");
        assertThat(engine.resume("job", "j")).isTrue();
        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.INCOMPLETE);
        assertThat(ran).containsEntry("job/j/a/1", 2).containsEntry("job/j/b/1", 1);
        engine.close();
    }

    @Test
    void a_saga_that_has_failed_goes_back_when_all_that_was_not_known_is_seen_to_and_no_sooner() {
        var scheduler = new SeededScheduler(1);
        var engine = notKnownOfTwo(scheduler, true);
        assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED); // it has failed as it is
        assertThat(reason(engine)).contains("not known");

        assertThat(engine.skip("job", "j", "b")).isTrue();
        scheduler.runFor(Duration.ofSeconds(1));
        assertThat(reason(engine)).contains("not known", "job/j/a/1");
        assertThat(Parts.done(domain, "j")).containsExactly("first");
        assertThat(engine.settle("job", "j", "job/j/a/1", Finding.NO_EFFECT)).isTrue();
        assertThat(engine.resume("job", "j")).isTrue();
        scheduler.runFor(Duration.ofSeconds(1));

        var end = engine.find("job", "j").orElseThrow();
        assertThat(end.state()).isEqualTo(State.INCOMPLETE);
        assertThat(end.reason()).contains("\"c\" has failed");
        assertThat(Parts.done(domain, "j")).containsExactly("first", "undo first");
        engine.close();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 60})
    void a_rejection_says_nothing_of_another_engine_that_is_at_the_command_since_before_its_saga_was_parked(
            long seconds) {
        var scheduler = new SeededScheduler(1);
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .unsure(IllegalArgumentException.class)
                .parallel(beside -> beside.step("a", known -> known.part("a"))
                        .compensate(known -> known.part("undo a"))
                        .step("b", known -> known.part("b"))
                        .compensate(known -> known.part("undo b")))
                .build();
        var engines = new ArrayList<SagaEngine>();
        for (var name : List.of("one", "two")) {
            engines.add(SagaEngine.builder(operations, scheduler.clock())
                    .name(name)
                    .add(saga)
                    .domain(domain)
                    .build());
        }
        var parked = new AtomicBoolean();
        engines.get(0)
                .start(
                        Parts.bus(domain, (command, data) -> {
                            if (command.part().equals("b")) {
                                throw new IllegalArgumentException("cut");
                            }
                            scheduler.runFor(Duration.ofSeconds(seconds)); // b, within a
                            parked.set(engines.get(1).resume("job", "j"));
                            scheduler.runFor(Duration.ZERO); // both, by the other engine
                        }),
                        scheduler,
                        scheduler::schedule,
                        failures::add);
        scheduler.runFor(Duration.ofSeconds(1));
        Parts.append(domain, new Ordered("j"));
        engines.get(0).begin("job", "j", new Ordered("j"));
        engines.get(1)
                .start(
                        Parts.bus(domain, (command, data) -> {
                            if (command.part().equals("a")) { // it has looked before the first was done
                                throw new RejectedException(Parts.Do.class, "not this one");
                            }
                        }),
                        scheduler,
                        scheduler::schedule,
                        failures::add);

        scheduler.runFor(Duration.ofMinutes(2));

        assertThat(parked).isTrue();
        assertThat(engines.get(0).find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(Parts.done(domain, "j")).containsExactlyInAnyOrder("a", "b");
        engines.forEach(SagaEngine::close);
    }

    /** The operations log, of which single events are read as said: as nothing, or not at all. */
    private EventStore readAs(AtomicReference<Runnable> unread, AtomicBoolean nothing) {
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    if (method.getName().equals("read") && args[0].equals(EventQuery.all())) {
                        Objects.requireNonNull(unread.get()).run();
                        if (nothing.get()) {
                            return operations.read(EventQuery.types(Parts.Weighed.class), (ReadOptions) args[1]);
                        }
                    }
                    return method.invoke(operations, args);
                });
    }

    @Test
    void a_command_that_is_read_as_none_parks_its_saga_until_that_is_mended() {
        var scheduler = new SeededScheduler(1);
        assertThat(sagas(scheduler).build().begin("job", "j", new Ordered("j"))).isTrue();
        var nothing = new AtomicBoolean(true);
        var engine = SagaEngine.builder(readAs(new AtomicReference<>(() -> {}), nothing), scheduler.clock())
                .name("other")
                .add(three())
                .domain(domain)
                .build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);
        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(reason(engine))
                .contains(
                        "holds nothing; expected the command that was stored there. What do the upcasters make of it?");
        assertThat(engine.find("job", "j").orElseThrow().step()).isEqualTo("a");
        assertThat(failures).hasSize(1);
        nothing.set(false);
        assertThat(engine.resume("job", "j")).isTrue();
        scheduler.runFor(Duration.ofSeconds(1));
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(Parts.done(domain, "j")).doesNotHaveDuplicates().hasSize(4);
        engine.close();
    }

    @Test
    void an_event_that_was_kept_and_cannot_be_read_any_more_is_told_by_the_instance_and_its_history_goes_on_without() {
        var unread = new AtomicReference<Runnable>(() -> {});
        var engine = SagaEngine.builder(readAs(unread, new AtomicBoolean()), clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        assertThat(engine.begin("job", "j", new Ordered("j"))).isTrue();
        assertThat(engine.history("job", "j")).contains("ordered");
        unread.set(() -> {
            throw new UnknownEventException("gone", "none");
        });

        assertThat(engine.history("job", "j")).contains("?");
        assertThat(engine.diagram("job", "j")).contains("?");
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.RUNNING);
        unread.set(() -> {
            throw new IllegalStateException("away");
        });
        assertThatThrownBy(() -> engine.history("job", "j")).hasMessage("away");
        assertThat(engine.find("job", "j").orElseThrow().state())
                .as("which needs no more than the marks")
                .isEqualTo(State.RUNNING);
    }

    @Test
    void what_is_appended_to_a_log_that_never_knows_or_that_others_always_forestall_is_tried_a_hundred_times() {
        var appends = new AtomicInteger();
        var thrown = new ArrayDeque<RuntimeException>();
        var engine = SagaEngine.builder(
                        around(operations, method -> {
                            if (method.equals("append") && !thrown.isEmpty()) {
                                appends.incrementAndGet();
                                throw thrown.getFirst();
                            }
                        }),
                        clock)
                .name("sagas")
                .add(three())
                .domain(domain)
                .build();
        assertThat(engine.begin("job", "j", new Ordered("j"))).isTrue();
        thrown.addFirst(new AppendOutcomeUnknownException("it", new IllegalStateException("cut")));
        assertThatThrownBy(() -> engine.begin("job", "k", new Ordered("k"))).isSameAs(thrown.getFirst());
        assertThat(appends).hasValue(100);
        assertThatThrownBy(() -> engine.cancel("job", "j")).isSameAs(thrown.getFirst());
        assertThat(appends).hasValue(200);
        thrown.addFirst(new IllegalStateException("away"));
        assertThatThrownBy(() -> engine.cancel("job", "j")).isSameAs(thrown.getFirst());
        assertThat(appends).hasValue(201);

        thrown.clear();
        assertThat(engine.find("job", "k")).isEmpty();
        assertThat(engine.begin("job", "k", new Ordered("k"))).isTrue();
        assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
    }

    @Test
    void an_engine_that_is_closed_takes_nothing_in_and_tells_and_is_operated_all_the_same() {
        var scheduler = new SeededScheduler(1);
        var engine = sagas(scheduler).build();
        engine.start(bus(), scheduler, scheduler::schedule, failures::add);
        Parts.append(domain, new Ordered("j"));
        scheduler.runFor(Duration.ofSeconds(1));
        engine.close();

        Parts.append(domain, new Ordered("k"));
        assertThat(engine.begin("job", "l", new Ordered("l"))).isTrue();
        scheduler.runFor(Duration.ofMinutes(5));

        assertThat(engine.find("job", "k")).isEmpty();
        assertThat(engine.status().count(State.COMPLETED)).isEqualTo(1);
        assertThat(engine.list(Filter.all(), 10)).singleElement().satisfies(instance -> {
            assertThat(instance.key()).isEqualTo("l");
            assertThat(instance.engine()).isEmpty();
        });
        assertThat(engine.cancel("job", "l")).isEqualTo(Cancellation.CANCELLED);
        assertThatThrownBy(() -> engine.start(bus(), scheduler, scheduler::schedule, failures::add))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("was started before");
        assertThat(failures).isEmpty();
        assertThat(ran).hasSize(4);
    }

    @Test
    void how_many_engines_a_command_has_ended_is_counted_anew_when_its_saga_is_resumed_for_another_step() {
        var scheduler = new SeededScheduler(1);
        var crashes = new CrashPoints[1];
        var ids = new ArrayList<String>();
        CommandBus bus = Parts.bus(domain, (command, data) -> {
            ids.add(data.id().orElseThrow());
            if (command.part().equals("b")) {
                if (ids.size() < 4) {
                    throw new IllegalArgumentException("cut");
                }
            } else if (ids.size() < 5) {
                if (ids.size() == 2) {
                    scheduler.runFor(Duration.ZERO); // b within a, and then it ends this process
                }
                crashes[0].restart();
            }
        });
        var engines = new ArrayList<SagaEngine>();
        for (int i = 1; i <= 4; i++) { // a ends the first three; the second is parked for b, and resumed by the third
            var life = CrashPoints.none();
            crashes[0] = life;
            var engine = SagaEngine.builder(crashes[0].around(operations), scheduler.clock())
                    .name("host " + i)
                    .add(twoBeside())
                    .domain(crashes[0].around(domain))
                    .expiries(2)
                    .build();
            engines.add(engine);
            var executor = crashes[0].around(scheduler);
            engine.start(
                    bus,
                    executor,
                    (delay, task) -> life.around((Executor) later -> scheduler.schedule(delay, later))
                            .execute(task),
                    failures::add);
            if (i == 1) {
                Parts.append(domain, new Ordered("j"));
            } else if (i == 3) {
                scheduler.runFor(Duration.ofSeconds(1));
                assertThat(reason(engine)).contains("job/j/b/1");
                assertThat(engine.resume("job", "j")).isTrue();
            }
            scheduler.runFor(Duration.ofMinutes(2));
        }
        assertThat(ids).containsExactly("job/j/a/1", "job/j/a/1", "job/j/b/1", "job/j/a/1", "job/j/a/1", "job/j/b/1");
        assertThat(engines.get(3).find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
    }

    @Test
    void an_event_that_a_handler_appends_is_taken_in_while_it_is_at_it_in_every_step() {
        var scheduler = new SeededScheduler(1);
        var engine = sagas(scheduler).name("sagas").build();
        var met = new ArrayList<String>();
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    if (command.job().equals("j")) {
                        var another = "after " + command.part();
                        Parts.append(domain, new Ordered(another));
                        scheduler.runFor(Duration.ZERO);
                        engine.find("job", another).ifPresent(begun -> met.add(begun.key()));
                    }
                }),
                scheduler,
                scheduler::schedule,
                failures::add);
        Parts.append(domain, new Ordered("j"));

        scheduler.runFor(Duration.ZERO);

        assertThat(met).containsExactlyInAnyOrder("after a", "after b", "after c", "after d");
        engine.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void a_step_that_an_operator_has_tried_again_does_not_wait_for_those_beside_it(boolean elsewhere) {
        var scheduler = new SeededScheduler(1);
        var engine = SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(twoBeside())
                .domain(domain)
                .build();
        var another = SagaEngine.builder(operations, scheduler.clock())
                .name("operators")
                .add(twoBeside())
                .domain(domain)
                .build();
        var parts = new ArrayList<String>();
        engine.start(
                Parts.bus(domain, (command, data) -> {
                    parts.add(command.part());
                    if (parts.size() == 1) { // the other one within this one, which takes long
                        scheduler.runFor(Duration.ZERO);
                        assertThat((elsewhere ? another : engine).resume("job", "j"))
                                .isTrue();
                        scheduler.runFor(Duration.ZERO);
                        parts.add("done");
                    } else if (parts.size() == 2) {
                        throw new IllegalArgumentException("cut");
                    }
                }),
                scheduler,
                scheduler::schedule,
                failures::add);
        Parts.append(domain, new Ordered("j"));

        scheduler.runFor(Duration.ZERO);

        assertThat(parts).containsExactly("a", "b", "b", "done");
        assertThat(engine.find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        engine.close();
    }

    @Test
    void an_engine_that_runs_nothing_lists_what_others_have_written() {
        var scheduler = new SeededScheduler(1);
        var engine = sagas(scheduler).name("sagas").build();
        var another = sagas(scheduler).name("operators").build();
        var keys = new ArrayList<String>();
        for (var key : List.of("j", "k")) {
            engine.begin("job", key, new Ordered(key));
            keys.add(key);
            assertThat(another.list(Filter.all(), 10))
                    .extracting(SagaInstance::key)
                    .containsExactlyElementsOf(keys);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void an_engine_that_is_being_closed_has_its_instances_for_longer_while_a_command_takes_long(boolean full) {
        var refuses = new AtomicBoolean();
        var scheduler = new SeededScheduler(1);
        var ids = new ArrayList<String>();
        var engines = new ArrayList<SagaEngine>();
        for (var name : List.of("one", "two")) {
            engines.add(
                    sagas(scheduler).name(name).lease(Duration.ofSeconds(30)).build());
        }
        CommandBus bus = Parts.bus(domain, (command, data) -> {
            ids.add(data.id().orElseThrow());
            if (ids.size() == 1) {
                engines.get(0).close();
                refuses.set(full);
                engines.get(1).start(bus(), scheduler, scheduler::schedule, failures::add);
                scheduler.runFor(Duration.ofMinutes(5));
                assertThat(ran).isEmpty();
            }
        });
        engines.get(0)
                .start(
                        bus,
                        task -> {
                            if (refuses.getAndSet(false)) {
                                throw new RejectedExecutionException("full");
                            }
                            scheduler.execute(task);
                        },
                        scheduler::schedule,
                        failures::add);
        Parts.append(domain, new Ordered("j"));

        scheduler.runFor(Duration.ofMinutes(10));

        assertThat(ids).containsExactly("job/j/a/1");
        assertThat(ran.keySet()).containsExactlyInAnyOrder("job/j/b/1", "job/j/c/1", "job/j/d/1");
        assertThat(engines.get(1).find("job", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        assertThat(failures)
                .extracting(failure -> failure.cause().getMessage())
                .containsExactlyElementsOf(full ? List.of("full") : List.of());
        engines.get(1).close();
        scheduler.runFor(Duration.ofMinutes(10));
        assertThat(scheduler.isIdle()).isTrue();
    }

    /** A log that tells which of its methods is called, before it is. */
    private static EventStore around(EventStore log, Consumer<String> called) {
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    called.accept(method.getName());
                    try {
                        return method.invoke(log, args);
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getTargetException();
                    }
                });
    }

    /** An executor of which one can wait until it has no task any more: an engine that was closed has some to give until it has ended. */
    private static final class Counted implements Executor {
        private final Executor tasks;
        private final Phaser running = new Phaser(1);

        Counted(Executor tasks) {
            this.tasks = tasks;
        }

        @Override
        public void execute(Runnable task) {
            running.register();
            tasks.execute(() -> {
                try {
                    task.run();
                } finally {
                    running.arriveAndDeregister();
                }
            });
        }

        void awaitNone() {
            running.arriveAndAwaitAdvance();
        }
    }
}
