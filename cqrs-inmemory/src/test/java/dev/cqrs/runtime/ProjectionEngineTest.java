package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.tuple;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.eventstore.Timeline;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.suite.Fronted;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
class ProjectionEngineTest {

    record Added(int number) {}

    record Ignored(int number) {}

    static final Fold<Integer> SUM = Fold.from(0).on(Added.class, (sum, e) -> sum + e.number());
    static final Projection<Integer> TOTAL = Projection.of("total", 1, SUM);
    static final Projection<List<Integer>> LIST = Projection.of(
            "list", 1, Fold.<List<Integer>>fresh(ArrayList::new).change(Added.class, (l, e) -> l.add(e.number())));

    final VirtualClock clock = new VirtualClock(Instant.EPOCH);
    final InMemoryEventStore store = new InMemoryEventStore(
            Catalog.builder()
                    .event("added", Added.class, e -> Set.of(Tag.of("parity", e.number() % 2 == 0 ? "even" : "odd")))
                    .event("ignored", Ignored.class)
                    .build(),
            clock);
    final List<ProjectionFailure> failures = new ArrayList<>();
    final SeededScheduler executor = new SeededScheduler(1, clock);

    ProjectionEngine.Builder engine() {
        return ProjectionEngine.builder(store, failures::add);
    }

    void add(int... numbers) {
        for (int number : numbers) {
            store.append(List.of(new Added(number)), AppendCondition.none());
        }
    }

    @Test
    void an_inline_view_is_up_to_date_when_the_append_returns() {
        add(1, 2);
        try (var engine = engine().inline(TOTAL).inline(LIST).build()) {
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3);

            add(3);

            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(6);
            assertThat(engine.view(LIST).<List<Integer>>read(List::copyOf)).containsExactly(1, 2, 3);
            assertThat(engine.view(TOTAL).position()).isEqualTo(Position.of(3));
        }
    }

    @Test
    void a_background_view_follows_when_its_executor_runs_with_one_task_at_a_time() {
        try (var engine = engine().background(TOTAL, executor).build()) {
            add(1, 2, 3);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isZero();
            assertThat(engine.view(TOTAL).status().lag()).isEqualTo(3);

            assertThat(executor.runOne()).isTrue();

            assertThat(executor.isIdle()).isTrue();
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(6);
            assertThat(engine.view(TOTAL).status().lag()).isZero();
            add(4);
            executor.runAll();
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(10);
        }
    }

    @Test
    void events_the_projection_does_not_know_still_move_its_position() {
        try (var engine = engine().inline(TOTAL).build()) {
            store.append(List.of(new Ignored(1)), AppendCondition.none());

            assertThat(engine.view(TOTAL).position()).isEqualTo(Position.of(1));
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isZero();
        }
    }

    @Test
    void a_projection_over_a_narrower_query_sees_only_its_events() {
        var even = TOTAL.over(EventQuery.tagged(Tag.of("parity", "even")));
        try (var engine = engine().inline(even).build()) {
            add(1, 2, 3, 4);

            assertThat(engine.view(even).<Integer>read(sum -> sum)).isEqualTo(6);
        }
    }

    @Test
    void a_log_of_many_batches_is_folded_whole_and_in_order() {
        var numbers = IntStream.range(0, 5_000).boxed().toList();
        store.append(numbers.stream().map(Added::new).toList(), AppendCondition.none());

        try (var engine = engine().inline(LIST).background(TOTAL, executor).build()) {
            executor.runAll();

            assertThat(engine.view(LIST).<List<Integer>>read(List::copyOf)).isEqualTo(numbers);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(4_999 * 5_000 / 2);
        }
    }

    @Test
    void the_append_stands_when_a_fold_throws_and_only_that_projection_stops() {
        var boom = new IllegalStateException("boom");
        var failing = Projection.of("failing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            if (e.number() == 2) {
                throw boom;
            }
            return sum + e.number();
        }));
        try (var engine = engine().inline(failing).inline(TOTAL).build()) {
            add(1, 2, 3);

            assertThat(store.head()).isEqualTo(Position.of(3));
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(6);
            assertThat(failures)
                    .containsExactly(
                            new ProjectionFailure("failing", Position.of(2), boom, ProjectionFailure.Outcome.STOPPED));
            assertThatThrownBy(() -> engine.view(failing).<Integer>read(sum -> sum))
                    .isInstanceOf(ProjectionStoppedException.class)
                    .hasMessageContaining("\"failing\" stopped at position 2")
                    .hasCause(boom);
            assertThat(engine.view(failing).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            assertThat(engine.view(failing).position()).isEqualTo(Position.of(1));
        }
    }

    @Test
    void an_error_in_a_fold_stops_the_projection_like_an_exception() {
        var failing = Projection.of("failing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            throw new StackOverflowError();
        }));
        try (var engine = engine().inline(failing).build()) {
            add(1);

            assertThat(failures).hasSize(1);
            assertThat(engine.status())
                    .singleElement()
                    .satisfies(s -> assertThat(s.failure()).isPresent());
        }
    }

    @Test
    void of_a_hundred_events_one_whose_handler_is_interrupted_is_put_aside() {
        var waiting = Projection.of("waiting", 1, Fold.from(0).on(Added.class, (count, e) -> {
                    if (e.number() == 42) {
                        Thread.currentThread().interrupt();
                    }
                    if (Thread.currentThread().isInterrupted()) { // as all that waits asks
                        throw new IllegalStateException("interrupted at " + e.number());
                    }
                    return count + 1;
                }))
                .by(Keys.by(Added.class, Added::number));
        add(IntStream.rangeClosed(1, 100).toArray());
        try (var engine =
                engine().run(waiting, Delivery.background(executor).park()).build()) {
            executor.runAll();

            assertThat(Thread.interrupted())
                    .as("the flag of the thread that folded")
                    .isTrue();
            var view = engine.view(waiting);
            assertThat(view.parked())
                    .singleElement()
                    .satisfies(parked -> assertThat(parked.key()).isEqualTo(42));
            assertThat(view.<Integer>read(count -> count)).isEqualTo(99);
        }
    }

    interface Paid {}

    interface Sent {}

    record Sold(int number) implements Paid, Sent {}

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void an_event_that_two_effects_fit_is_at_fault_itself_and_not_its_store(boolean park) {
        var log = new InMemoryEventStore(
                Catalog.builder()
                        .event("sold", Sold.class)
                        .event("added", Added.class)
                        .build(),
                clock);
        var done = new ArrayList<Integer>();
        var telling = Projection.of("telling", 1, SUM)
                .over(EventQuery.all())
                .by(Keys.by(Sold.class, Sold::number).and(Added.class, Added::number))
                .effect(Paid.class, (event, trigger) -> {})
                .effect(Sent.class, (event, trigger) -> {})
                .effect(Added.class, (event, trigger) -> done.add(event.number()));
        log.append(List.of(new Added(1), new Sold(2), new Added(3)), AppendCondition.none());
        var delivery = park ? Delivery.background(executor).park() : Delivery.background(executor);
        var checkpoints = new InMemoryCheckpointStore();
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(checkpoints)
                .run(telling, delivery)
                .build()) {
            executor.runAll();

            var view = engine.view(telling);
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.outcome())
                        .isEqualTo(park ? ProjectionFailure.Outcome.PARKED : ProjectionFailure.Outcome.STOPPED);
                assertThat(failure.position()).isEqualTo(Position.of(2));
                assertThat(failure.cause()).hasMessageContaining("both fit");
            });
            assertThat(view.position()).isEqualTo(Position.of(park ? 3 : 1));
            assertThat(view.parked()).hasSize(park ? 1 : 0);
            assertThat(done).isEqualTo(park ? List.of(1, 3) : List.of(1));
            if (park) {
                assertThat(view.retryParked(2)).isFalse();
            }
        }
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(checkpoints)
                .run(telling, delivery)
                .build()) {
            assertThat(engine.view(telling).parked()).hasSize(park ? 1 : 0);
        }
    }

    @Test
    void a_listener_that_throws_is_handed_to_the_thread_and_disturbs_nobody() {
        var uncaught = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((t, e) -> uncaught.add(e));
        var failing = Projection.of("failing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            throw new IllegalStateException("fold");
        }));
        try (var engine = ProjectionEngine.builder(store, failure -> {
                    throw new IllegalArgumentException("listener");
                })
                .inline(failing)
                .inline(TOTAL)
                .build()) {
            add(5);

            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(5);
            assertThat(uncaught).singleElement().satisfies(e -> assertThat(e).hasMessage("listener"));
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
    }

    @Test
    void appending_from_a_fold_is_refused_and_writes_nothing() {
        var appending = Projection.of("appending", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            add(9);
            return sum;
        }));
        try (var engine = engine().inline(appending).inline(TOTAL).build()) {
            add(1);

            assertThat(store.head()).isEqualTo(Position.of(1));
            assertThat(failures)
                    .singleElement()
                    .satisfies(f -> assertThat(f.cause())
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("\"appending\" tried to append"));
            add(2);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3);
        }
    }

    @Test
    void appending_while_a_view_changed_in_place_is_read_is_refused_instead_of_waiting_for_itself() {
        try (var engine = engine().inline(LIST).build()) {
            assertThatThrownBy(() -> engine.view(LIST).<Integer>read(list -> {
                        add(1);
                        return list.size();
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("tried to append");
            assertThat(store.head()).isEqualTo(Position.START);
            add(1);
            assertThat(engine.view(LIST).<Integer>read(List::size)).isEqualTo(1);
        }
    }

    @Test
    void await_applied_returns_when_the_view_has_come_up_and_not_before() throws Exception {
        var tasks = new ArrayBlockingQueue<Runnable>(1);
        try (var engine = engine().background(TOTAL, tasks::add).build()) {
            add(1);
            var view = engine.view(TOTAL);
            assertThatThrownBy(() -> view.awaitApplied(Position.of(1), Duration.ZERO))
                    .isInstanceOf(ProjectionTimeoutException.class)
                    .hasMessageContaining("is at position 0", "expected 1");

            var folder = new Thread(tasks.remove());
            folder.start();
            view.awaitApplied(Position.of(1), Duration.ofMinutes(2));

            assertThat(view.<Integer>read(sum -> sum)).isEqualTo(1);
            folder.join();

            // and who has waited keeps nobody from waiting
            var other = Executors.newSingleThreadExecutor();
            try {
                var asked = other.submit(() -> catchThrowable(() -> view.awaitApplied(Position.of(9), Duration.ZERO)));
                assertThat(asked.get(120, TimeUnit.SECONDS)).isInstanceOf(ProjectionTimeoutException.class);
            } finally {
                other.shutdown();
            }
        }
    }

    @Test
    void await_applied_tells_that_the_projection_stopped() {
        var failing = Projection.of("failing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            throw new IllegalStateException("boom");
        }));
        try (var engine = engine().inline(failing).build()) {
            add(1);

            assertThatThrownBy(() -> engine.view(failing).awaitApplied(Position.of(1), Duration.ofDays(1)))
                    .isInstanceOf(ProjectionStoppedException.class);
        }
    }

    @Test
    void an_executor_that_refuses_stops_the_projection_and_tells_the_listener() {
        try (var engine = engine().background(TOTAL, task -> {
                    throw new RejectedExecutionException("full");
                })
                .build()) {
            add(1);

            assertThat(failures)
                    .singleElement()
                    .satisfies(f -> assertThat(f.cause()).hasMessage("full"));
            assertThat(engine.view(TOTAL).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
        }
    }

    @Test
    void the_view_as_it_was_at_a_position_and_at_an_instant() {
        try (var engine = engine().inline(TOTAL).build()) {
            for (int i = 1; i <= 4; i++) {
                clock.set(Instant.ofEpochSecond(i));
                add(i);
            }
            var view = engine.view(TOTAL);

            assertThat(view.at(Position.START)).isZero();
            assertThat(view.at(Position.of(2))).isEqualTo(3);
            assertThat(view.at(Instant.ofEpochSecond(3))).isEqualTo(6);
            assertThat(view.at(Instant.ofEpochSecond(0))).isZero();
            assertThat(view.at(Instant.MAX)).isEqualTo(10);
            assertThatThrownBy(() -> view.at(Position.of(5)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("head, 4");
        }
    }

    @Test
    void a_new_engine_goes_on_from_the_checkpoint_and_folds_nothing_twice() {
        var checkpoints = new InMemoryCheckpointStore();
        var folded = new ArrayList<Integer>();
        var noting = Projection.of("noting", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            folded.add(e.number());
            return sum + e.number();
        }));
        try (var engine = engine().checkpoints(checkpoints).inline(noting).build()) {
            add(1, 2);
            assertThat(engine.view(noting).position()).isEqualTo(Position.of(2));
        }
        add(3);

        try (var engine = engine().checkpoints(checkpoints).inline(noting).build()) {
            assertThat(engine.view(noting).<Integer>read(sum -> sum)).isEqualTo(6);
            assertThat(folded).containsExactly(1, 2, 3);
        }
    }

    @Test
    void a_checkpoint_that_another_engine_saves_while_this_one_starts_is_believed() {
        var saved = new InMemoryCheckpointStore();
        var moving = new CheckpointStore() {
            @Override
            public Optional<Checkpoint> load(String projection) {
                add(1); // there, and folded and saved
                saved.save(projection, new Checkpoint(1, store.head(), (int)
                        store.head().value()));
                return saved.load(projection);
            }

            @Override
            public void save(String projection, Checkpoint checkpoint) {
                saved.save(projection, checkpoint);
            }

            @Override
            public void delete(String projection) {
                saved.delete(projection);
            }
        };
        var folds = new AtomicInteger();
        var second = Projection.of("total", 2, SUM);
        var counting = Projection.of("total", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            folds.incrementAndGet();
            return sum + e.number();
        }));
        add(1, 1);
        for (var builder :
                List.of(engine().inline(counting), engine().replace(counting, second, Delivery.inline(), executor))) {
            try (var engine = builder.checkpoints(moving).build()) {
                assertThat(engine.view(counting).<Integer>read(sum -> sum))
                        .isEqualTo((int) store.head().value());
                assertThat(folds).hasValue(0);
            }
        }
    }

    @Test
    void a_checkpoint_of_another_version_or_ahead_of_the_log_is_not_believed() {
        var checkpoints = new InMemoryCheckpointStore();
        add(1, 2);

        for (var wrong : List.of(new Checkpoint(2, Position.of(2), 99), new Checkpoint(1, Position.of(3), 99))) {
            checkpoints.save("total", wrong);
            try (var engine = engine().checkpoints(checkpoints).inline(TOTAL).build()) {
                assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3);
            }
        }
    }

    @Test
    void a_view_changed_in_place_begins_at_zero_as_its_object_cannot_be_kept_at_a_position() {
        var checkpoints = new InMemoryCheckpointStore();
        try (var engine = engine().checkpoints(checkpoints).inline(LIST).build()) {
            add(1);
            assertThat(engine.view(LIST).<Integer>read(List::size)).isEqualTo(1);
        }

        assertThat(checkpoints.load("list")).isEmpty();
        try (var engine = engine().checkpoints(checkpoints).inline(LIST).build()) {
            assertThat(engine.view(LIST).<Integer>read(List::size)).isEqualTo(1);
        }
    }

    @Test
    void a_reader_sees_whole_appends_only_however_long_they_are() throws Exception {
        var threads = Executors.newFixedThreadPool(2);
        try (var engine = engine().inline(LIST).background(TOTAL, threads).build()) {
            var batch = IntStream.range(0, 1_500).mapToObj(i -> new Added(1)).toList();
            var writing = threads.submit(() -> {
                for (int i = 0; i < 40; i++) {
                    store.append(batch, AppendCondition.none());
                }
            });
            while (!writing.isDone()) {
                assertThat(engine.view(LIST).<Integer>read(List::size) % 1_500).isZero();
                assertThat(engine.view(TOTAL).<Integer>read(sum -> sum) % 1_500).isZero();
            }
            writing.get();
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void closing_ends_a_fold_that_is_under_way_and_the_next_engine_folds_it_whole() throws Exception {
        var checkpoints = new InMemoryCheckpointStore();
        var begun = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        var slow = Projection.of("slow", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            begun.countDown();
            await(goOn);
            return sum + e.number();
        }));
        add(1, 2, 3);
        var threads = Executors.newFixedThreadPool(2);
        try {
            var engine =
                    engine().checkpoints(checkpoints).background(slow, threads).build();
            await(begun);
            var closing = closing(engine);
            goOn.countDown();
            closing.join();
            assertThat(engine.view(slow).position()).isEqualTo(Position.START);

            try (var next = engine().checkpoints(checkpoints).inline(slow).build()) {
                assertThat(next.view(slow).<Integer>read(sum -> sum)).isEqualTo(6);
            }
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void closing_ends_the_folds_of_several_workers_at_their_next_events() throws Exception {
        // given two threads that are each in a fold of their first event
        var checkpoints = new InMemoryCheckpointStore();
        var folds = new AtomicInteger();
        var both = new CountDownLatch(2);
        var goOn = new CountDownLatch(1);
        var slow = Projection.keyed(
                "slow", 1, Keys.by(Added.class, Added::number), Fold.from(0).on(Added.class, (sum, e) -> {
                    folds.incrementAndGet();
                    both.countDown();
                    await(goOn);
                    return sum + e.number();
                }));
        store.append(IntStream.rangeClosed(1, 1_000).mapToObj(Added::new).toList(), AppendCondition.none());
        var threads = Executors.newFixedThreadPool(2);
        try {
            var engine = engine().checkpoints(checkpoints)
                    .run(slow, Delivery.background(threads).workers(2))
                    .build();
            await(both);

            // when
            var closing = closing(engine);
            goOn.countDown();
            closing.join();

            // then
            assertThat(folds).hasValue(2);
            assertThat(engine.view(slow).position()).isEqualTo(Position.START);
            assertThat(checkpoints.load("slow")).contains(new Checkpoint(1, Position.START, Map.of()));
        } finally {
            threads.shutdown();
        }
        assertThat(failures).isEmpty();
    }

    /** Closes an engine on a thread of its own, which has told all to end and waits for a fold. */
    private static Thread closing(ProjectionEngine engine) {
        var closing = new Thread(engine::close);
        closing.start();
        while (closing.getState() != Thread.State.WAITING) {
            assertThat(closing.isAlive()).isTrue();
            Thread.onSpinWait();
        }
        return closing;
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(120, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    @Test
    void a_closed_engine_folds_no_more_and_refuses_to_be_read() {
        var engine = engine().inline(TOTAL).background(LIST, executor).build();
        add(1);
        engine.close();
        engine.close();
        add(2);
        executor.runAll();

        assertThat(engine.view(TOTAL).status().state()).isEqualTo(ProjectionStatus.State.CLOSED);
        assertThat(engine.view(TOTAL).position()).isEqualTo(Position.of(1));
        assertThat(engine.view(LIST).position()).isEqualTo(Position.START);
        assertThatThrownBy(() -> engine.view(TOTAL).<Integer>read(sum -> sum))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> engine.view(TOTAL).at(Position.START)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void after_the_engine_was_closed_its_views_do_nothing_any_more_and_tell_how_they_stand() {
        var parking = failingAt("parking", 1).by(Keys.by(Added.class, Added::number));
        var stopped = failingAt("stopped", 1);
        var engine =
                engine().run(parking, Delivery.inline().park()).inline(stopped).build();
        add(1, 2);
        var view = engine.view(parking);
        engine.close();

        for (ThrowingCallable call : List.<ThrowingCallable>of(
                () -> view.awaitApplied(Position.START, Duration.ZERO),
                () -> view.awaitApplied(Position.of(9), Duration.ofDays(1)),
                () -> view.retryParked(1),
                () -> view.discardParked(Position.of(1)),
                engine.view(stopped)::resume,
                () -> engine.rebuild(parking, parking, executor, progress -> {}))) {
            assertThatThrownBy(call)
                    .isInstanceOf(IllegalStateException.class)
                    .isNotInstanceOf(ProjectionStoppedException.class)
                    .hasMessageContaining("closed");
        }
        assertThat(view.parked()).extracting(ProjectionView.Parked::position).containsExactly(Position.of(1));
        assertThat(view.position()).isEqualTo(Position.of(2));
        assertThat(view.projection()).isSameAs(parking);
        assertThat(view.status().rebuild()).isEmpty();
        assertThat(engine.status())
                .extracting(ProjectionStatus::state)
                .containsExactly(ProjectionStatus.State.CLOSED, ProjectionStatus.State.STOPPED);
        assertThat(executor.isIdle()).isTrue();
    }

    @Test
    void an_engine_closed_from_its_own_fold_does_not_wait_for_itself() {
        var engine = new ProjectionEngine[1];
        var closing = Projection.of("closing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            engine[0].close();
            return sum;
        }));
        engine[0] = engine().inline(closing).build();

        add(1);

        assertThat(engine[0].view(closing).status().state()).isEqualTo(ProjectionStatus.State.CLOSED);
    }

    @Test
    void an_event_whose_effect_closes_the_engine_while_it_is_repaired_is_not_put_aside_any_more() {
        var checkpoints = new InMemoryCheckpointStore();
        var engine = new ProjectionEngine[1];
        var done = new ArrayList<Integer>();
        var closing = new AtomicBoolean();
        var mailing = TOTAL.by(Keys.by(Added.class, Added::number)).effect(Added.class, (event, trigger) -> {
            if (!closing.get()) {
                throw new java.io.IOException("no connection");
            }
            done.add(event.number());
            engine[0].close();
        });
        engine[0] = engine().checkpoints(checkpoints)
                .run(mailing, Delivery.background(executor).park())
                .build();
        add(1);
        executor.runAll();
        assertThat(engine[0].view(mailing).parked()).hasSize(1);

        closing.set(true);
        engine[0].view(mailing).retryParked(1);

        assertThat(done).containsExactly(1);
        assertThat(checkpoints.load("total")).contains(new Checkpoint(1, Position.of(1), 1));
    }

    @Test
    void two_projections_of_one_name_are_a_wiring_fault() {
        assertThatThrownBy(() -> engine().inline(TOTAL).inline(TOTAL).build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("\"total\"");
        assertThatThrownBy(() -> engine().inline(LIST).build().view(TOTAL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"total\"", "[list]");
    }

    @Test
    void a_reader_that_gives_null_is_told() {
        try (var engine = engine().inline(TOTAL).build()) {
            assertThatThrownBy(() -> engine.view(TOTAL).read(sum -> nothing()))
                    .isInstanceOf(NullPointerException.class)
                    .hasMessageContaining("\"total\"");
        }
    }

    @SuppressWarnings("NullAway")
    private static Object nothing() {
        return null;
    }

    @Test
    void under_four_writers_each_event_is_folded_once_in_the_order_of_the_log() throws Exception {
        var threads = Executors.newFixedThreadPool(6);
        var background = Projection.of(
                "background",
                1,
                Fold.<List<Integer>>fresh(ArrayList::new).change(Added.class, (l, e) -> l.add(e.number())));
        try (var engine = engine().inline(LIST).background(background, threads).build()) {
            var writers = IntStream.range(0, 4)
                    .mapToObj(writer ->
                            threads.submit(() -> IntStream.range(0, 2_000).forEach(i -> add(writer * 10_000 + i))))
                    .toList();
            for (var writer : writers) {
                writer.get();
            }
            engine.view(background).awaitApplied(store.head(), Duration.ofMinutes(2));
            List<Integer> log;
            try (var events = store.read(EventQuery.all())) {
                log = events.toList().stream()
                        .map(e -> ((Added) e.event()).number())
                        .toList();
            }

            assertThat(log).hasSize(8_000);
            assertThat(engine.view(LIST).<List<Integer>>read(List::copyOf)).isEqualTo(log);
            assertThat(engine.view(background).<List<Integer>>read(List::copyOf))
                    .isEqualTo(log);
        } finally {
            threads.shutdown();
            assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void the_timeline_of_a_view_needs_neither_a_running_projection_nor_an_open_engine() {
        var failing = Projection.of("failing", 1, Fold.from(0).on(Added.class, (sum, e) -> sum + 6 / e.number()));
        Timeline<Integer> past;
        try (var engine = engine().inline(failing).inline(LIST).build()) {
            add(3, 2, 0);
            past = engine.view(failing).timeline();
            assertThat(engine.view(LIST).at(Timeline.Moment.afterEvents(2))).containsExactly(3, 2);
            assertThat(engine.view(LIST)
                            .timeline()
                            .latest(1, List::size)
                            .steps()
                            .get(0)
                            .state())
                    .isEqualTo(3);
        }
        assertThat(past.at(Position.of(2))).isEqualTo(5);
        assertThatThrownBy(() -> past.at(Timeline.Moment.now())).isInstanceOf(ArithmeticException.class);
    }

    @Test
    void the_view_of_a_closed_engine_gives_no_timeline() {
        var engine = engine().inline(TOTAL).build();
        engine.close();
        var view = engine.view(TOTAL);
        assertThatThrownBy(view::timeline)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    // ---- a store or executor that fails

    /** The store, until it is told to fail. */
    final class Failing implements EventStore {
        @Nullable
        RuntimeException onHead;

        @Nullable
        RuntimeException onSubscription;

        @Nullable
        RuntimeException onUnsubscription;

        RuntimeException onRead = new IllegalStateException("connection lost in reading");

        /** How often each read moves on before it fails. */
        int readsBeforeFailing = Integer.MAX_VALUE;

        int subscriptions;

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            return store.append(events, condition, metadata);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            var events = store.read(query, options);
            var moves = new AtomicInteger();
            return (EventStream) Proxy.newProxyInstance(
                    EventStream.class.getClassLoader(),
                    new Class<?>[] {EventStream.class},
                    (proxy, method, arguments) -> {
                        if (method.getName().equals("advance") && arguments != null) {
                            return InvocationHandler.invokeDefault(proxy, method, arguments); // event by event
                        }
                        if (method.getName().equals("advance") && moves.getAndIncrement() >= readsBeforeFailing) {
                            throw onRead;
                        }
                        return method.invoke(events, arguments);
                    });
        }

        @Override
        public Position head() {
            if (onHead != null) {
                throw onHead;
            }
            return store.head();
        }

        @Override
        public Catalog catalog() {
            return store.catalog();
        }

        @Override
        public Subscription onAppend(Signal signal) {
            if (onSubscription != null && subscriptions > 0) {
                throw onSubscription;
            }
            subscriptions++;
            var subscription = store.onAppend(signal);
            return () -> {
                subscriptions--;
                subscription.close();
                if (onUnsubscription != null) {
                    throw onUnsubscription;
                }
            };
        }
    }

    @Test
    void a_store_that_fails_under_a_background_task_is_told_of_and_tried_again_at_the_next_append() {
        var failing = new Failing();
        try (var engine = ProjectionEngine.builder(failing, failures::add)
                .background(TOTAL, executor)
                .build()) {
            add(1);
            var lost = new IllegalStateException("connection lost");
            failing.onHead = lost;
            executor.runAll();
            failing.onHead = null;

            // it was asked twice: for the task, and for what came meanwhile
            var failure = new ProjectionFailure("total", Position.START, lost, ProjectionFailure.Outcome.RETRIED);
            assertThat(failures).containsExactly(failure, failure);
            assertThat(engine.view(TOTAL).status().state()).isEqualTo(ProjectionStatus.State.RETRYING);
            assertThat(engine.view(TOTAL).status().failure()).contains(failure);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isZero();

            add(2);
            executor.runAll();
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3);
            assertThat(engine.view(TOTAL).status().failure()).isEmpty();
        }
    }

    @Test
    void a_store_that_fails_in_reading_has_each_event_folded_once_all_the_same() {
        for (boolean inline : List.of(true, false)) {
            var failing = new Failing();
            failures.clear();
            long before = store.head().value();
            var builder = ProjectionEngine.builder(failing, failures::add);
            try (var engine = (inline
                            ? builder.inline(TOTAL).inline(LIST)
                            : builder.background(TOTAL, executor).background(LIST, executor))
                    .build()) {
                executor.runAll();
                int sum = engine.view(TOTAL).<Integer>read(its -> its);
                int size = engine.view(LIST).<Integer>read(List::size);

                // when reading breaks off in the middle of what was appended
                failing.readsBeforeFailing = 2;
                store.append(List.of(new Added(1), new Added(2), new Added(3)), AppendCondition.none());
                executor.runAll();
                assertThat(failures).hasSize(2).allMatch(ProjectionFailure::retried);
                assertThat(engine.status()).allMatch(its -> its.failure().isPresent());
                assertThat(engine.view(TOTAL).<Integer>read(its -> its))
                        .as("whole appends")
                        .isEqualTo(sum);

                // then
                failing.readsBeforeFailing = Integer.MAX_VALUE;
                add(4);
                executor.runAll();
                assertThat(engine.view(TOTAL).<Integer>read(its -> its)).isEqualTo(sum + 10);
                assertThat(engine.view(LIST).<Integer>read(List::size)).isEqualTo(size + 4);
                assertThat(engine.status())
                        .allMatch(
                                its -> its.failure().isEmpty() && its.position().value() == before + 4);
                assertThat(failures).hasSize(2);
            }
        }
    }

    @Test
    void a_store_that_fails_in_reading_for_several_workers_is_read_again() {
        var failing = new Failing();
        var keyed = Projection.keyed("keyed", 1, Keys.by(Added.class, Added::number), SUM);
        try (var engine = ProjectionEngine.builder(failing, failures::add)
                .run(keyed, Delivery.background(executor).workers(2))
                .build()) {
            failing.readsBeforeFailing = 1;
            add(1, 2);
            executor.runAll();
            assertThat(engine.view(keyed).status().state()).isEqualTo(ProjectionStatus.State.RETRYING);

            failing.readsBeforeFailing = Integer.MAX_VALUE;
            add(3);
            executor.runAll();

            assertThat(engine.view(keyed).<Map<Integer, Integer>>read(Map::copyOf))
                    .containsOnlyKeys(1, 2, 3);
            assertThat(engine.view(keyed).status().failure()).isEmpty();
            assertThat(engine.view(keyed).status().state()).isEqualTo(ProjectionStatus.State.RUNNING);
        }
    }

    @Test
    void a_store_whose_feed_fails_is_read_again() {
        var away = new AtomicBoolean();
        var log = new Fronted(store) {
            @Override
            public Optional<Feed> feed(EventQuery query) {
                var feed = store.feed(query).orElseThrow();
                return Optional.of((after, until, events, positions) -> {
                    if (away.get()) {
                        throw new IllegalStateException("away");
                    }
                    return feed.read(after, until, events, positions);
                });
            }
        };
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .inline(TOTAL)
                .background(LIST, executor)
                .build()) {
            add(1);
            executor.runAll();
            away.set(true);
            add(2, 3);
            executor.runAll();
            assertThat(failures).isNotEmpty().allMatch(ProjectionFailure::retried);
            assertThat(engine.view(TOTAL).position()).isEqualTo(Position.of(1));
            assertThat(engine.view(LIST).position()).isEqualTo(Position.of(1));

            away.set(false);
            add(4);
            executor.runAll();
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(10);
            assertThat(engine.view(LIST).<List<Integer>>read(List::copyOf)).containsExactly(1, 2, 3, 4);
            assertThat(engine.status()).allMatch(status -> status.failure().isEmpty());
        }
    }

    @Test
    void status_is_told_while_the_store_cannot_tell_its_head() {
        var failing = new Failing();
        try (var engine = ProjectionEngine.builder(failing, failures::add)
                .background(TOTAL, executor)
                .build()) {
            add(1, 2, 3);
            assertThat(engine.view(TOTAL).status().lag()).isEqualTo(3);
            failing.onHead = new IllegalStateException("connection lost");
            assertThat(engine.view(TOTAL).status().head()).as("as last seen").isEqualTo(Position.of(3));

            failing.onHead = null;
            add(4, 5);
            executor.runAll();
            failing.onHead = new IllegalStateException("connection lost");
            assertThat(engine.view(TOTAL).status().head())
                    .as("no less than it has")
                    .isEqualTo(Position.of(5));
            failing.onHead = null;
        }
    }

    @Test
    void an_interrupt_of_an_effect_that_fails_again_is_kept_when_its_event_is_repaired() {
        var mailing = TOTAL.by(Keys.by(Added.class, Added::number)).effect(Added.class, (event, trigger) -> {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("no connection");
        });
        try (var engine = engine().checkpoints(new InMemoryCheckpointStore())
                .run(mailing, Delivery.background(executor).park())
                .build()) {
            add(1);
            executor.runAll();
            assertThat(Thread.interrupted()).isTrue();

            assertThat(engine.view(mailing).retryParked(1)).isFalse();

            assertThat(Thread.interrupted()).isTrue();
        } finally {
            Thread.interrupted();
        }
    }

    @Test
    void why_an_event_was_put_aside_is_told_whatever_the_exception_says_of_itself() {
        for (var words : new String[] {null, "", "  "}) {
            assertThat(Follower.reason(new Saying(words))).isEqualTo(Saying.class.getName());
        }
        assertThat(Follower.reason(new Saying("no connection"))).isEqualTo("no connection");
    }

    /** What it says of itself is up to the test. */
    private static final class Saying extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final @Nullable String words;

        Saying(@Nullable String words) {
            this.words = words;
        }

        @Override
        @SuppressWarnings({"NullAway", "OverrideThrowableToString"}) // as one of somebody else may
        public String toString() {
            return words;
        }
    }

    @Test
    void an_event_that_cannot_be_read_stops_the_projection() {
        var failing = new Failing();
        failing.readsBeforeFailing = 0;
        failing.onRead = new UnknownEventException("added", "nothing of the kind");
        try (var engine =
                ProjectionEngine.builder(failing, failures::add).inline(TOTAL).build()) {
            add(1);
            assertThat(engine.view(TOTAL).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            assertThat(failures).singleElement().matches(its -> !its.retried());
        }
    }

    @Test
    void a_checkpoint_that_cannot_be_saved_is_saved_after_the_next_append() {
        var saved = new ArrayList<Checkpoint>();
        var checkpoints = new Full() {
            @Override
            public void save(String projection, Checkpoint checkpoint) {
                if (tries == 0) {
                    super.save(projection, checkpoint);
                }
                saved.add(checkpoint);
            }
        };
        try (var engine = ProjectionEngine.builder(store, failures::add)
                .checkpoints(checkpoints)
                .background(TOTAL, executor)
                .build()) {
            add(1);
            executor.runAll();
            assertThat(failures).singleElement().matches(ProjectionFailure::retried);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(1);
            assertThat(saved).isEmpty();

            add(2);
            executor.runAll();
            assertThat(saved).containsExactly(new Checkpoint(1, Position.of(2), 3));
            assertThat(engine.view(TOTAL).status().failure()).isEmpty();
        }
        assertThat(failures).hasSize(1);
    }

    @Test
    void an_executor_that_fails_with_an_error_stops_the_projection_and_the_listener_is_told() {
        var noThread = new OutOfMemoryError("unable to create native thread");
        try (var engine = engine().background(TOTAL, task -> {
                    throw noThread;
                })
                .build()) {
            add(1);
            assertThat(failures)
                    .containsExactly(new ProjectionFailure(
                            "total", Position.START, noThread, ProjectionFailure.Outcome.STOPPED));
            assertThat(engine.view(TOTAL).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
        }
    }

    @Test
    void an_engine_that_cannot_start_leaves_no_projection_running() {
        var failing = new Failing();
        failing.onSubscription = new IllegalStateException("no more listeners");
        var folded = new ArrayList<Integer>();
        var first = Projection.of("first", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            folded.add(e.number());
            return sum;
        }));

        assertThatThrownBy(() -> ProjectionEngine.builder(failing, failures::add)
                        .inline(first)
                        .inline(TOTAL)
                        .build())
                .isSameAs(failing.onSubscription);

        add(1);
        assertThat(failing.subscriptions).isZero();
        assertThat(folded).isEmpty();
    }

    @Test
    void why_an_engine_cannot_start_is_not_hidden_by_what_goes_wrong_in_ending_it() {
        var failing = new Failing();
        failing.onSubscription = new IllegalStateException("no more listeners");
        failing.onUnsubscription = new IllegalStateException("nobody there to leave");

        assertThatThrownBy(() -> ProjectionEngine.builder(failing, failures::add)
                        .inline(Projection.of("first", 1, Fold.from(0).on(Added.class, (sum, e) -> sum)))
                        .inline(TOTAL)
                        .build())
                .isSameAs(failing.onSubscription)
                .hasSuppressedException(failing.onUnsubscription);
    }

    @Test
    void a_task_that_comes_too_late_leaves_the_store_alone() {
        var failing = new Failing();
        var engine = ProjectionEngine.builder(failing, failures::add)
                .background(TOTAL, executor)
                .build();
        add(1);
        engine.close();
        failing.onHead = new IllegalStateException("the store is closed");

        executor.runAll();
        assertThat(failures).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway") // nulls are handed over to see them refused
    void nulls_are_refused_where_they_are_given() {
        try (var engine = engine().inline(TOTAL).build()) {
            var view = engine.view(TOTAL);
            for (ThrowingCallable call : List.<ThrowingCallable>of(
                    () -> ProjectionEngine.builder(null, failures::add),
                    () -> ProjectionEngine.builder(store, null),
                    () -> engine().checkpoints(null),
                    () -> engine().inline(null),
                    () -> engine().background(null, executor),
                    () -> engine().background(TOTAL, null),
                    () -> engine.view(null),
                    () -> view.read(null),
                    () -> view.at((Position) null),
                    () -> view.at((Instant) null),
                    () -> view.at((Timeline.Moment<Integer>) null),
                    () -> view.awaitApplied(null, Duration.ZERO),
                    () -> view.awaitApplied(Position.START, null),
                    () -> view.retryParked(null),
                    () -> view.discardParked(null),
                    () -> view.watch(null),
                    () -> engine.rebuild(null, TOTAL, executor, progress -> {}),
                    () -> engine.rebuild(TOTAL, null, executor, progress -> {}),
                    () -> engine.rebuild(TOTAL, TOTAL, null, progress -> {}),
                    () -> engine.rebuild(TOTAL, TOTAL, executor, null),
                    () -> engine().run(null, Delivery.inline()),
                    () -> engine().run(TOTAL, null),
                    () -> engine().replace(null, TOTAL, Delivery.inline(), executor),
                    () -> engine().replace(TOTAL, null, Delivery.inline(), executor),
                    () -> engine().replace(TOTAL, TOTAL, null, executor),
                    () -> engine().replace(TOTAL, TOTAL, Delivery.inline(), null),
                    () -> engine().clock(null))) {
                assertThatThrownBy(call).isInstanceOf(NullPointerException.class);
            }
        }
    }

    // ---- what a listener may do

    /** A sum that cannot take a number. */
    static Projection<Integer> failingAt(String name, int number) {
        return failingAt(name, new AtomicBoolean(true), number);
    }

    /** The same, as long as it is poison. */
    static Projection<Integer> failingAt(String name, AtomicBoolean poison, int number) {
        return Projection.of(name, 1, Fold.from(0).on(Added.class, (sum, e) -> {
            if (e.number() == number && poison.get()) {
                throw new IllegalStateException("boom");
            }
            return sum + e.number();
        }));
    }

    /** Keeps nothing. */
    static class Full implements CheckpointStore {
        int tries;

        @Override
        public Optional<Checkpoint> load(String projection) {
            return Optional.empty();
        }

        @Override
        public void save(String projection, Checkpoint checkpoint) {
            tries++;
            throw new IllegalStateException("no space left");
        }

        @Override
        public void delete(String projection) {}
    }

    final AtomicReference<ProjectionEngine> running = new AtomicReference<>();
    final List<Throwable> uncaught = new ArrayList<>();

    void closeIt(ProjectionFailure failure) {
        failures.add(failure);
        Objects.requireNonNull(running.get()).close();
    }

    /** Starts an engine for its listener to close, runs a part of the test, and gives the engine. */
    ProjectionEngine closedBy(ProjectionEngine.Builder builder, Runnable part) {
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((t, e) -> uncaught.add(e));
        try {
            running.set(builder.build());
            part.run();
            return Objects.requireNonNull(running.get());
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
    }

    @Test
    void a_listener_may_close_the_engine_when_a_fold_fails() {
        var failing = failingAt("failing", 1);

        var engine = closedBy(
                ProjectionEngine.builder(store, this::closeIt).inline(failing).inline(LIST), () -> add(1));

        assertThat(failures).hasSize(1);
        assertThat(uncaught).isEmpty();
        assertThat(engine.view(failing).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
        assertThat(engine.view(LIST).status().state()).isEqualTo(ProjectionStatus.State.CLOSED);
    }

    @Test
    void a_listener_may_close_the_engine_when_a_checkpoint_cannot_be_saved() {
        var full = new Full();

        var engine = closedBy(
                ProjectionEngine.builder(store, this::closeIt)
                        .checkpoints(full)
                        .background(TOTAL, executor)
                        .inline(LIST),
                () -> {
                    add(1);
                    executor.runAll();
                });

        // it is tried once more in closing
        assertThat(failures)
                .hasSize(2)
                .allSatisfy(f -> assertThat(f.cause()).hasMessage("no space left"))
                .extracting(ProjectionFailure::retried)
                .containsExactlyInAnyOrder(true, false);
        assertThat(uncaught).isEmpty();
        assertThat(full.tries).isEqualTo(2);
        assertThat(engine.view(LIST).status().state()).isEqualTo(ProjectionStatus.State.CLOSED);
    }

    @Test
    void a_listener_told_while_the_engine_closes_may_close_it_too_also_from_a_fold() {
        for (boolean inFold : List.of(false, true)) {
            var closing = Projection.of("closing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
                if (inFold) {
                    Objects.requireNonNull(running.get()).close();
                }
                return sum;
            }));
            failures.clear();
            var engine = closedBy(
                    ProjectionEngine.builder(store, failure -> {
                                add(7);
                                closeIt(failure);
                            })
                            .checkpoints(new Full())
                            .inline(closing),
                    () -> add(1));
            engine.close();

            assertThat(failures).hasSize(1);
            assertThat(uncaught).isEmpty();
        }
    }

    @Test
    void a_listener_may_append() {
        var failing = failingAt("failing", 1);
        try (var engine = ProjectionEngine.builder(store, failure -> add(5))
                .inline(failing)
                .inline(LIST)
                .build()) {
            add(1);

            assertThat(engine.view(LIST).<List<Integer>>read(List::copyOf)).containsExactly(1, 5);
        }
    }

    @Test
    void two_projections_that_fail_at_once_may_both_close_the_engine() throws Exception {
        var firstFolds = new CountDownLatch(1);
        var secondFolds = new CountDownLatch(1);
        var bothTold = new CyclicBarrier(2);
        var closing = new AtomicReference<@Nullable Thread>();
        var closed = new AtomicBoolean();
        var first = Projection.of("first", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            if (e.number() == 2) {
                firstFolds.countDown();
                throw new IllegalStateException("boom");
            }
            return sum;
        }));
        var second = Projection.of("second", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            secondFolds.countDown();
            await(firstFolds);
            throw new IllegalStateException("boom");
        }));
        var engine = ProjectionEngine.builder(store, failure -> {
                    try {
                        bothTold.await(120, TimeUnit.SECONDS);
                    } catch (Exception alone) {
                        throw new IllegalStateException("Only one listener was called.", alone);
                    }
                    if (failure.projection().equals("first")) { // whose view the other closes first
                        while (!closed.get() && !isHeldUp(closing.get())) {
                            Thread.onSpinWait();
                        }
                        Objects.requireNonNull(running.get()).close();
                    } else {
                        closing.set(Thread.currentThread());
                        Objects.requireNonNull(running.get()).close();
                        closed.set(true);
                    }
                })
                .inline(first)
                .inline(second)
                .build();
        running.set(engine);
        var threads = Executors.newFixedThreadPool(2, task -> {
            var thread = new Thread(task);
            thread.setDaemon(true); // should they wait for each other for ever
            return thread;
        });
        try {
            var one = threads.submit(() -> add(1));
            await(secondFolds);
            var two = threads.submit(() -> add(2));

            one.get(120, TimeUnit.SECONDS);
            two.get(120, TimeUnit.SECONDS);
            assertThat(engine.status())
                    .extracting(ProjectionStatus::state)
                    .containsOnly(ProjectionStatus.State.STOPPED);
        } finally {
            threads.shutdown();
        }
    }

    private static boolean isHeldUp(@Nullable Thread thread) {
        return thread != null && thread.getState() == Thread.State.WAITING;
    }

    @Test
    void a_task_that_ends_after_the_engine_was_closed_saves_no_more() {
        var saved = new ArrayList<Position>();
        var checkpoints = new CheckpointStore() {
            @Override
            public Optional<Checkpoint> load(String projection) {
                return Optional.empty();
            }

            @Override
            public void save(String projection, Checkpoint checkpoint) {
                saved.add(checkpoint.position());
            }

            @Override
            public void delete(String projection) {}
        };
        var closing = Projection.of("closing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            Objects.requireNonNull(running.get()).close();
            return sum;
        }));
        running.set(
                engine().checkpoints(checkpoints).background(closing, executor).build());
        add(1);
        executor.runAll();

        assertThat(saved).containsExactly(Position.START);
    }

    // ---- who watches, and who waits

    @Test
    void who_watches_a_view_is_told_how_it_stands_at_once_and_whenever_it_may_have_changed() {
        var failing = failingAt("failing", 3);
        var engine = engine().inline(failing).build();
        var view = engine.view(failing);
        var heard = new ArrayList<ProjectionStatus.State>();
        var read = new ArrayList<Integer>();

        view.watch(state -> {
            heard.add(state);
            if (state == ProjectionStatus.State.RUNNING) {
                read.add(view.<Integer>read(sum -> sum));
            }
        });
        assertThat(heard).containsExactly(ProjectionStatus.State.RUNNING);

        add(1, 2);
        assertThat(heard).containsOnly(ProjectionStatus.State.RUNNING);
        assertThat(read).startsWith(0).contains(1).endsWith(3);

        add(3);
        assertThat(heard).endsWith(ProjectionStatus.State.STOPPED);

        engine.close();
        assertThat(heard).endsWith(ProjectionStatus.State.CLOSED);
        var late = new ArrayList<ProjectionStatus.State>();
        view.watch(late::add);
        assertThat(late).containsExactly(ProjectionStatus.State.CLOSED);
    }

    @Test
    void who_watches_twice_is_told_twice_and_leaves_once_and_one_that_throws_disturbs_nobody() {
        var heard = new ArrayList<ProjectionStatus.State>();
        Consumer<ProjectionStatus.State> twice = heard::add;
        closedBy(engine().inline(TOTAL), () -> {
            var view = Objects.requireNonNull(running.get()).view(TOTAL);
            var throwing = view.watch(state -> {
                throw new IllegalStateException("deaf");
            });
            var first = view.watch(twice);
            var second = view.watch(twice);
            assertThat(heard).hasSize(2);
            assertThat(uncaught).hasSize(1);

            add(1);
            assertThat(heard).hasSize(4);
            assertThat(uncaught)
                    .hasSize(2)
                    .allSatisfy(thrown -> assertThat(thrown).hasMessage("deaf"));

            first.close();
            first.close();
            throwing.close();
            add(2);
            assertThat(heard).hasSize(5);
            second.close();
            add(3);
            assertThat(heard).hasSize(5);
            assertThat(uncaught).hasSize(2);
        });
    }

    @Test
    void who_watches_may_close_the_engine_and_is_told_so_once_or_twice() {
        var told = new ArrayList<ProjectionStatus.State>();
        var failing = failingAt("failing", 1);
        var engine = closedBy(engine().inline(failing).inline(LIST), () -> {
            var unused = Objects.requireNonNull(running.get()).view(failing).watch(state -> {
                told.add(state);
                if (state != ProjectionStatus.State.RUNNING) {
                    Objects.requireNonNull(running.get()).close();
                }
            });
            add(1);
        });

        assertThat(told)
                .startsWith(
                        ProjectionStatus.State.RUNNING, ProjectionStatus.State.STOPPED, ProjectionStatus.State.CLOSED)
                .hasSizeLessThan(9);
        assertThat(uncaught).isEmpty();
        assertThat(failures).hasSize(1);
        assertThat(engine.view(LIST).status().state()).isEqualTo(ProjectionStatus.State.CLOSED);
    }

    private static void awaitApplied(ProjectionView<?> view, Position wanted) {
        try {
            view.awaitApplied(wanted, Duration.ofDays(1));
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    @Test
    void waiting_for_a_view_within_its_own_fold_or_reading_is_refused_unless_it_has_come_so_far() {
        var itself = new AtomicReference<ProjectionView<Integer>>();
        var waiting = Projection.of("waiting", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            awaitApplied(Objects.requireNonNull(itself.get()), Position.of(e.number()));
            return sum + 1;
        }));
        try (var engine = engine().inline(waiting).inline(LIST).build()) {
            itself.set(engine.view(waiting));
            add(0);
            assertThat(engine.view(waiting).<Integer>read(sum -> sum)).isEqualTo(1);

            add(2);
            assertThat(failures)
                    .singleElement()
                    .satisfies(failure -> assertThat(failure.cause())
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("\"waiting\", which would wait for itself"));

            var list = engine.view(LIST);
            assertThatThrownBy(() -> list.<Integer>read(numbers -> {
                        awaitApplied(list, Position.of(99));
                        return numbers.size();
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("\"list\", which would wait for itself");
        }
    }

    @Test
    void who_waits_is_woken_and_told_when_the_projection_stops_and_when_he_is_interrupted() throws Exception {
        var failing = failingAt("failing", 1);
        var tasks = new ArrayBlockingQueue<Runnable>(1);
        try (var engine = engine().background(failing, tasks::add).build()) {
            add(1);
            var view = engine.view(failing);
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> view.awaitApplied(Position.of(1), Duration.ofDays(1)))
                    .isInstanceOf(InterruptedException.class);

            var folder = onceWaiting(Thread.currentThread(), tasks.remove());
            assertThatThrownBy(() -> view.awaitApplied(Position.of(1), Duration.ofDays(1)))
                    .isInstanceOf(ProjectionStoppedException.class);
            folder.join();
        }
    }

    /** Runs a task on a thread of its own, when another has begun to wait. */
    private static Thread onceWaiting(Thread waiting, Runnable task) {
        var thread = new Thread(() -> {
            while (waiting.getState() != Thread.State.TIMED_WAITING) {
                Thread.onSpinWait();
            }
            task.run();
        });
        thread.setDaemon(true); // should he never wait
        thread.start();
        return thread;
    }

    // ---- what may not be done from within

    @Test
    void what_would_wait_for_itself_within_a_reading_is_refused_and_nothing_is_done() {
        try (var engine = engine().inline(LIST).inline(TOTAL).build()) {
            add(1);
            var view = engine.view(LIST);
            for (ThrowingCallable call : List.<ThrowingCallable>of(
                    view::resume,
                    () -> view.retryParked(1),
                    () -> view.discardParked(Position.of(1)),
                    () -> engine.rebuild(LIST, LIST, executor, progress -> {}),
                    engine::close)) {
                view.read(list -> {
                    assertThatThrownBy(call)
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("reader of view \"list\" tried to");
                    return list;
                });
            }
            add(2);
            assertThat(view.<Integer>read(List::size)).isEqualTo(2);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3);
            assertThat(view.status().rebuild()).isEmpty();
        }
    }

    @Test
    void what_a_fold_may_not_do_is_refused_on_each_thread_of_several_workers() throws Exception {
        // given a projection of two threads, each of which waits in its first event until the other is at it too
        var refused = new ConcurrentHashMap<Thread, List<String>>();
        var both = new CountDownLatch(2);
        var projections = new ArrayList<Projection<Map<Integer, Integer>>>();
        var folding = Projection.keyed(
                "folding", 1, Keys.by(Added.class, Added::number), Fold.from(0).on(Added.class, (sum, e) -> {
                    var own = new ArrayList<String>();
                    if (refused.putIfAbsent(Thread.currentThread(), own) == null) {
                        both.countDown();
                        await(both);
                        var engine = Objects.requireNonNull(running.get());
                        var itself = projections.get(0);
                        var view = engine.view(itself);
                        for (ThrowingCallable call : List.<ThrowingCallable>of(
                                () -> add(99),
                                () -> awaitApplied(view, Position.of(99)),
                                view::resume,
                                () -> view.retryParked(1),
                                () -> view.discardParked(Position.of(1)),
                                () -> engine.rebuild(itself, itself, Runnable::run, progress -> {}))) {
                            own.add(String.valueOf(catchThrowable(call)));
                        }
                    }
                    return sum + e.number();
                }));
        projections.add(folding);
        var threads = Executors.newFixedThreadPool(2);
        var tasks = new AtomicInteger();
        var delivery = Delivery.background(task -> {
                    tasks.incrementAndGet();
                    threads.execute(task);
                })
                .workers(2);
        try (var engine = engine().run(folding, delivery).build()) {
            running.set(engine);

            // when
            store.append(IntStream.rangeClosed(1, 64).mapToObj(Added::new).toList(), AppendCondition.none());
            engine.view(folding).awaitApplied(Position.of(64), Duration.ofMinutes(2));

            // then
            assertThat(refused.values())
                    .hasSize(2)
                    .allSatisfy(own -> assertThat(own)
                            .hasSize(6)
                            .allMatch(said -> said.startsWith("java.lang.IllegalStateException")
                                    && said.contains("\"folding\"")));
            assertThat(store.head()).isEqualTo(Position.of(64));
            assertThat(engine.view(folding)
                            .<Integer>read(sums ->
                                    sums.values().stream().mapToInt(n -> n).sum()))
                    .isEqualTo(64 * 65 / 2);
            assertThat(engine.health().isWell()).isTrue();
            assertThat(tasks).as("one that folds, and one that helps").hasValue(2);

            // and afterwards these threads may do so again
            var again = new CyclicBarrier(2);
            Callable<Boolean> appends = () -> {
                add(65 + again.await()); // on each of the two
                return true;
            };
            for (var appending : List.of(threads.submit(appends), threads.submit(appends))) {
                assertThat(appending.get(120, TimeUnit.SECONDS)).isTrue();
            }
            assertThat(store.head()).isEqualTo(Position.of(66));
        } finally {
            threads.shutdown();
            assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_worker_that_helps_others_out_in_the_middle_of_a_fold_may_not_append_there_either() {
        // given three workers: one that folds, and in its first event waits for another, which runs the third's task in
        // its own
        var tasks = new ArrayDeque<Runnable>();
        var helpers = new ArrayDeque<Thread>();
        var refused = new AtomicReference<Throwable>();
        var folding = Projection.keyed(
                "folding", 1, Keys.by(Added.class, Added::number), Fold.from(0).on(Added.class, (sum, e) -> {
                    if (helpers.isEmpty()) {
                        var helper = new Thread(tasks.remove());
                        helpers.add(helper);
                        helper.start();
                        join(helper);
                    } else if (Thread.currentThread() == helpers.peek() && !tasks.isEmpty()) {
                        tasks.remove().run();
                        refused.set(catchThrowable(() -> add(99)));
                    }
                    return sum + e.number();
                }));
        try (var engine = engine().run(folding, Delivery.background(tasks::add).workers(3))
                .build()) {
            store.append(IntStream.rangeClosed(1, 64).mapToObj(Added::new).toList(), AppendCondition.none());

            // when
            tasks.remove().run();

            // then
            assertThat(refused.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("tried to append");
            assertThat(store.head()).isEqualTo(Position.of(64));
            assertThat(engine.view(folding).<Map<Integer, Integer>>read(sums -> sums))
                    .hasSize(64);
        }
        assertThat(failures).isEmpty();
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    @Test
    void others_append_while_several_workers_fold() throws Exception {
        var folding = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        var slow = Projection.keyed(
                "slow", 1, Keys.by(Added.class, Added::number), Fold.from(0).on(Added.class, (sum, e) -> {
                    folding.countDown();
                    await(goOn);
                    return sum + e.number();
                }));
        var threads = Executors.newFixedThreadPool(2);
        try (var engine =
                engine().run(slow, Delivery.background(threads).workers(2)).build()) {
            add(1);
            await(folding);

            add(2);

            assertThat(store.head()).isEqualTo(Position.of(2));
            goOn.countDown();
            engine.view(slow).awaitApplied(Position.of(2), Duration.ofMinutes(2));
            assertThat(engine.view(slow).<Map<Integer, Integer>>read(sums -> sums))
                    .hasSize(2);
        } finally {
            goOn.countDown();
            threads.shutdown();
            assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void an_executor_without_a_thread_to_spare_has_the_work_of_several_done_by_one() {
        var tasks = new AtomicInteger();
        var keyed = Projection.keyed("keyed", 1, Keys.by(Added.class, Added::number), SUM);
        var delivery = Delivery.background(task -> {
                    if (tasks.getAndIncrement() % 2 == 1) {
                        throw new RejectedExecutionException("no thread to spare");
                    }
                    task.run();
                })
                .workers(4);
        try (var engine = engine().run(keyed, delivery).build()) {
            store.append(IntStream.rangeClosed(1, 64).mapToObj(Added::new).toList(), AppendCondition.none());

            assertThat(engine.view(keyed).<Map<Integer, Integer>>read(sums -> sums))
                    .hasSize(64);
            assertThat(engine.health().isWell()).isTrue();
            assertThat(tasks).as("not asked again for this batch").hasValue(2);
            assertThat(Thread.interrupted()).isFalse();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void an_interrupt_in_a_fold_of_several_workers_is_kept_until_all_is_folded() {
        var keyed = Projection.keyed(
                "keyed", 1, Keys.by(Added.class, Added::number), Fold.from(0).on(Added.class, (sum, e) -> {
                    if (e.number() == 64) {
                        Thread.currentThread().interrupt();
                    }
                    return sum + 1;
                }));
        var tasks = new ArrayDeque<Runnable>();
        try (var engine =
                engine().run(keyed, Delivery.background(tasks::add).workers(3)).build()) {
            store.append(IntStream.rangeClosed(1, 64).mapToObj(Added::new).toList(), AppendCondition.none());
            tasks.remove().run();

            assertThat(tasks).as("two were asked to help").hasSize(2);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(engine.view(keyed).<Map<Integer, Integer>>read(sums -> sums))
                    .hasSize(64);
            assertThat(engine.health().isWell()).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_store_that_fails_while_an_event_is_repaired_is_thrown_to_who_repairs_and_the_event_stays_put_aside() {
        var down = new Failing();
        var poison = new AtomicBoolean(true);
        var parking = failingAt("parking", poison, 1).by(Keys.by(Added.class, Added::number));
        try (var engine = ProjectionEngine.builder(down, failures::add)
                .run(parking, Delivery.inline().park())
                .build()) {
            add(1, 2);
            var view = engine.view(parking);
            poison.set(false);
            down.readsBeforeFailing = 0;

            assertThatThrownBy(() -> view.retryParked(1)).isSameAs(down.onRead);

            assertThat(view.parked()).hasSize(1);
            down.readsBeforeFailing = Integer.MAX_VALUE;
            assertThat(view.retryParked(1)).isTrue();
            assertThat(view.<Integer>read(sum -> sum)).isEqualTo(3);
            assertThat(engine.health().isWell()).isTrue();
        }
        assertThat(failures).hasSize(1);
    }

    @Test
    void the_listener_holds_nobody_up_where_an_executor_refuses_what_an_effect_has_appended_in_a_repair() {
        // given an event put aside, whose effect appends, an executor that refuses by now, and a listener that waits
        // for another
        var poison = new AtomicBoolean(true);
        var full = new RejectedExecutionException("full");
        var answering = failingAt("answering", poison, 1)
                .by(Keys.by(Added.class, Added::number))
                .effect(Added.class, (e, trigger) -> {
                    if (e.number() == 1) {
                        add(7);
                    }
                });
        var other = Executors.newSingleThreadExecutor();
        var answered = new ArrayList<Object>();
        try (var engine = ProjectionEngine.builder(store, failure -> {
                    failures.add(failure);
                    if (failure.cause() == full) {
                        var asking = other.submit(() -> Objects.requireNonNull(running.get())
                                .view(answering)
                                .discardParked(Position.of(99)));
                        answered.add(Objects.requireNonNullElse(
                                catchThrowable(() -> answered.add(asking.get(120, TimeUnit.SECONDS))), "in time"));
                    }
                })
                .checkpoints(new InMemoryCheckpointStore())
                .run(
                        answering,
                        Delivery.background(task -> {
                                    if (!poison.get()) {
                                        throw full;
                                    }
                                    executor.execute(task);
                                })
                                .park())
                .build()) {
            running.set(engine);
            add(1);
            executor.runAll();
            poison.set(false);

            // when
            assertThat(engine.view(answering).retryParked(1)).isTrue();

            // then
            assertThat(answered).containsExactly(false, "in time");
            assertThat(failures)
                    .extracting(ProjectionFailure::outcome)
                    .containsExactly(ProjectionFailure.Outcome.PARKED, ProjectionFailure.Outcome.STOPPED);
            assertThat(store.head()).isEqualTo(Position.of(2));
        } finally {
            other.shutdown();
        }
    }

    // ---- closing, and how all stand

    @Test
    void an_engine_closed_from_the_fold_of_a_worker_does_not_wait_for_itself() throws Exception {
        // given a projection of two threads, of which the one that the other waits for closes the engine
        var folder = new AtomicReference<Thread>();
        var closed = new CountDownLatch(1);
        var closing = Projection.keyed(
                "closing", 1, Keys.by(Added.class, Added::number), Fold.from(0).on(Added.class, (sum, e) -> {
                    if (Thread.currentThread() == folder.get()) {
                        await(closed);
                    } else if (closed.getCount() > 0) {
                        Objects.requireNonNull(running.get()).close();
                        closed.countDown();
                    }
                    return sum + e.number();
                }));
        var threads = Executors.newFixedThreadPool(2);
        var delivery = Delivery.background(task -> threads.execute(() -> {
                    folder.compareAndSet(null, Thread.currentThread());
                    task.run();
                }))
                .workers(2);
        try {
            var engine = engine().run(closing, delivery).inline(TOTAL).build();
            running.set(engine);

            // when
            store.append(IntStream.rangeClosed(1, 64).mapToObj(Added::new).toList(), AppendCondition.none());
            await(closed);

            // then
            engine.close();
            assertThat(engine.status()).extracting(ProjectionStatus::state).containsOnly(ProjectionStatus.State.CLOSED);
        } finally {
            threads.shutdown();
            assertThat(threads.awaitTermination(150, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void what_goes_wrong_in_closing_is_thrown_when_all_have_ended() {
        for (var thrown : List.of(
                List.of(new IllegalStateException("first"), new IllegalStateException("second")),
                List.of(new AssertionError("first"), new IllegalStateException("second")))) {
            var left = new ArrayDeque<Throwable>(thrown);
            var engine = ProjectionEngine.builder(leaving(left::remove), failures::add)
                    .inline(TOTAL)
                    .inline(LIST)
                    .build();

            assertThatThrownBy(engine::close).isSameAs(thrown.get(0)).hasSuppressedException(thrown.get(1));

            assertThat(left).isEmpty();
            assertThat(engine.status()).extracting(ProjectionStatus::state).containsOnly(ProjectionStatus.State.CLOSED);
        }
    }

    @Test
    void what_a_store_throws_against_its_signature_in_closing_leaves_no_projection_running() {
        // given a store that throws as one in a language without checked exceptions, the first time
        var broken = new IOException("broken pipe");
        var subscriptions = new AtomicInteger();
        var leaving = new Fronted(store) {
            @Override
            public Subscription onAppend(Signal signal) {
                var subscription = super.onAppend(signal);
                boolean first = subscriptions.getAndIncrement() == 0;
                return () -> {
                    subscription.close();
                    if (first) {
                        sneak(broken);
                    }
                };
            }
        };
        var checkpoints = new InMemoryCheckpointStore();
        var count = Projection.of("count", 1, Fold.from(0).on(Added.class, (n, e) -> n + 1));
        var engine = ProjectionEngine.builder(leaving, failures::add)
                .checkpoints(checkpoints)
                .inline(TOTAL)
                .inline(count)
                .build();
        add(5);

        // when
        assertThatThrownBy(engine::close).isSameAs(broken);

        // then
        assertThat(engine.status()).allMatch(status -> status.state() == ProjectionStatus.State.CLOSED);
        assertThat(checkpoints.load("total")).contains(new Checkpoint(1, Position.of(1), 5));
        assertThat(checkpoints.load("count")).contains(new Checkpoint(1, Position.of(1), 1));
    }

    @SuppressWarnings("unchecked") // what must not be
    private static <X extends Throwable> void sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void what_a_store_throws_again_and_again_is_thrown_as_it_is() {
        var same = new IllegalStateException("the store is closed");
        var engine = ProjectionEngine.builder(leaving(() -> same), failures::add)
                .inline(TOTAL)
                .inline(LIST)
                .build();

        assertThatThrownBy(engine::close).isSameAs(same);

        var failing = new Failing();
        failing.onSubscription = same;
        failing.onUnsubscription = same;
        assertThatThrownBy(() -> ProjectionEngine.builder(failing, failures::add)
                        .inline(TOTAL)
                        .inline(LIST)
                        .build())
                .isSameAs(same);
    }

    /** The store, which throws when it is not to be followed any more. */
    private EventStore leaving(Supplier<Throwable> thrown) {
        return new Fronted(store) {
            @Override
            public Subscription onAppend(Signal signal) {
                var subscription = super.onAppend(signal);
                return () -> {
                    subscription.close();
                    var now = thrown.get();
                    if (now instanceof Error error) {
                        throw error;
                    }
                    throw (RuntimeException) now;
                };
            }
        };
    }

    @Test
    void health_sums_up_how_all_projections_stand() {
        Delivery.Timer never = (delay, task) -> {};
        var parking = failingAt("parking", 2).by(Keys.by(Added.class, Added::number));
        try (var engine = engine().background(TOTAL, executor)
                .inline(failingAt("stopped", 2))
                .run(failingAt("retrying", 2), Delivery.inline().retry(never, Duration.ofSeconds(1)))
                .run(parking, Delivery.inline().park())
                .inline(LIST)
                .build()) {
            assertThat(engine.health().isWell()).isTrue();
            add(1, 2, 2, 3);

            var health = engine.health();

            assertThat(health)
                    .returns(5, ProjectionEngine.Health::projections)
                    .returns(1, ProjectionEngine.Health::stopped)
                    .returns(1, ProjectionEngine.Health::retrying)
                    .returns(2, ProjectionEngine.Health::parked)
                    .returns(4L, ProjectionEngine.Health::greatestLag)
                    .returns(false, ProjectionEngine.Health::isWell);
            assertThat(health.unwell())
                    .extracting(ProjectionStatus::name)
                    .containsExactly("stopped", "retrying", "parking");
        }
    }

    // ---- what cannot be run

    @Test
    void all_that_could_not_run_is_told_at_once_when_it_is_wired() {
        var listing = LIST.effect(Added.class, (event, trigger) -> {});
        var keyed = Projection.keyed("keyed", 1, Keys.by(Added.class, Added::number), SUM);
        var telling = Projection.keyed("telling", 1, Keys.by(Added.class, Added::number), SUM)
                .effect(Added.class, (event, trigger) -> {});
        var second = Projection.of("total", 2, SUM);
        var inPlace = Projection.of(
                "replaced", 1, Fold.<List<Integer>>fresh(ArrayList::new).change(Added.class, (l, e) -> l.add(1)));
        var immutable =
                Projection.of("replaced", 2, Fold.from(List.<Integer>of()).on(Added.class, (l, e) -> l));
        Delivery.Timer never = (delay, task) -> {};
        var again = Delivery.background(executor).retry(never, Duration.ofSeconds(1));

        assertThatThrownBy(() -> engine().checkpoints(new InMemoryCheckpointStore())
                        .background(listing, executor)
                        .run(keyed, Delivery.inline().workers(2))
                        .run(telling, Delivery.background(executor).workers(3))
                        .replace(second, second, Delivery.inline(), executor)
                        .replace(inPlace, immutable, again, executor)
                        .build())
                .isInstanceOfSatisfying(
                        WiringException.class,
                        wiring -> assertThat(wiring.faults())
                                .satisfiesExactly(
                                        fault -> assertThat(fault).contains("\"list\"", "in place and not saved"),
                                        fault -> assertThat(fault).contains("\"keyed\"", "2 workers"),
                                        fault -> assertThat(fault).contains("\"telling\"", "3 workers"),
                                        fault -> assertThat(fault).contains("\"total\" in version 2 is to be replaced"),
                                        fault -> assertThat(fault)
                                                .contains("\"replaced\"", "after an event has failed")));
        assertThatThrownBy(() -> engine().replace(TOTAL, Projection.of("other", 2, SUM), again, executor)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("expected one name and a later version");
    }

    @Test
    void what_has_effects_runs_where_its_progress_is_kept_in_each_version() {
        var saved = LIST.effect(Added.class, (event, trigger) -> {})
                .savedAs(String.class, List::toString, text -> new ArrayList<>());
        var before = TOTAL.effect(Added.class, (event, trigger) -> {});
        var after = Projection.of("total", 2, SUM).effect(Added.class, (event, trigger) -> {});
        Supplier<ProjectionEngine.Builder> all = () ->
                engine().background(saved, executor).replace(before, after, Delivery.background(executor), executor);

        assertThatThrownBy(() -> all.get().build())
                .isInstanceOfSatisfying(
                        WiringException.class,
                        wiring -> assertThat(wiring.faults())
                                .hasSize(3)
                                .allMatch(fault -> fault.contains("Give the builder checkpoints(...)")));
        var checkpoints = new InMemoryCheckpointStore();
        checkpoints.save("total", new Checkpoint(1, Position.START, 0));
        try (var engine = all.get().checkpoints(checkpoints).build()) {
            add(1);
            executor.runAll();
            assertThat(engine.view(after).projection()).isSameAs(after);
            assertThat(engine.view(saved).<Integer>read(List::size)).isEqualTo(1);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_new_version_is_all_that_runs_where_there_is_no_checkpoint_of_the_one_before() {
        var second = Projection.of("total", 2, SUM);
        add(1, 2);
        for (boolean saving : List.of(true, false)) {
            var builder = saving ? engine().checkpoints(new InMemoryCheckpointStore()) : engine();
            try (var engine =
                    builder.replace(TOTAL, second, Delivery.inline(), executor).build()) {
                assertThat(engine.view(second).<Integer>read(sum -> sum)).isEqualTo(3);
                assertThat(engine.view(second).status().version()).isEqualTo(2);
                assertThat(executor.isIdle()).isTrue();
                assertThatThrownBy(() -> engine.view(TOTAL)).isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @Test
    void a_checkpoint_with_events_put_aside_that_cannot_be_told_any_more_stops_its_projection() {
        add(1);
        var parking = TOTAL.by(Keys.by(Added.class, Added::number));
        var ignoring = parking.over(EventQuery.types(Ignored.class));
        for (var each : List.of(
                Map.entry(TOTAL, "the projection has no keys any more"),
                Map.entry(TOTAL.by(Keys.by(Ignored.class, Ignored::number)), "no key for the event at position 1"),
                Map.entry(ignoring, "no event at position 1 that projection \"total\""))) {
            var checkpoints = new InMemoryCheckpointStore();
            var aside = new Checkpoint(
                    1, Position.of(1), 0, List.of(new CheckpointStore.Parked(Position.of(1), "why", false)));
            checkpoints.save("total", aside);
            failures.clear();
            try (var engine =
                    engine().checkpoints(checkpoints).inline(each.getKey()).build()) {
                assertThat(failures)
                        .singleElement()
                        .satisfies(failure -> assertThat(failure.cause()).hasMessageContaining(each.getValue()));
                assertThat(engine.health().stopped()).isEqualTo(1);
            }
            assertThat(checkpoints.load("total")).contains(aside);
        }
    }

    @Test
    void a_timer_that_refuses_stops_the_projection() {
        var full = new RejectedExecutionException("full");
        var failing = failingAt("failing", 1);
        var delivery = Delivery.inline()
                .retry(
                        (delay, task) -> {
                            throw full;
                        },
                        Duration.ofSeconds(1));
        try (var engine = engine().run(failing, delivery).build()) {
            add(1);

            assertThat(failures)
                    .extracting(ProjectionFailure::outcome)
                    .containsExactly(ProjectionFailure.Outcome.RETRIED, ProjectionFailure.Outcome.STOPPED);
            assertThat(failures.get(1).cause()).isSameAs(full);
            assertThat(engine.view(failing).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
        }
    }

    /** A key that not every map can hold. */
    record Unlucky(int number) {
        @Override
        public int hashCode() {
            if (number == 13) {
                throw new IllegalStateException("no hash");
            }
            return number;
        }
    }

    @Test
    void an_event_with_a_key_that_cannot_be_looked_up_stops_the_projection_and_is_not_said_to_be_put_aside() {
        var keys = Keys.by(Added.class, (Added e) -> new Unlucky(e.number()));
        var summing = failingAt("summing", 13).by(keys);
        var keyed = Projection.keyed("keyed", 1, keys, Fold.from(0).on(Added.class, (sum, e) -> {
            if (e.number() == 7) {
                throw new IllegalStateException("boom");
            }
            return sum + e.number();
        }));
        var alone = Projection.keyed("alone", 1, keys, SUM);
        try (var engine = engine().run(summing, Delivery.inline().park())
                .run(keyed, Delivery.background(Runnable::run).workers(2).park())
                .run(alone, Delivery.background(Runnable::run).park())
                .build()) {
            add(7, 1, 13, 2);

            assertThat(failures)
                    .extracting(ProjectionFailure::projection, ProjectionFailure::position, ProjectionFailure::outcome)
                    .containsExactlyInAnyOrder(
                            tuple("summing", Position.of(3), ProjectionFailure.Outcome.STOPPED),
                            tuple("keyed", Position.of(1), ProjectionFailure.Outcome.PARKED),
                            tuple("keyed", Position.of(3), ProjectionFailure.Outcome.STOPPED),
                            tuple("alone", Position.of(3), ProjectionFailure.Outcome.STOPPED));
            assertThat(engine.health().stopped()).isEqualTo(3);
        }
    }

    @Test
    void a_timer_that_fires_at_once_has_an_event_tried_as_often_as_there_are_delays() {
        for (var where : List.of(Delivery.inline(), Delivery.background(Runnable::run))) {
            var attempts = new AtomicInteger();
            var failing = Projection.of("failing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
                        attempts.incrementAndGet();
                        throw new IllegalStateException("boom");
                    }))
                    .by(Keys.by(Added.class, Added::number));
            Delivery.Timer atOnce = (delay, task) -> task.run();
            var delivery = where.retry(atOnce, Duration.ZERO, Duration.ZERO, Duration.ZERO);
            var checkpoints = new InMemoryCheckpointStore();
            checkpoints.save("failing", new Checkpoint(1, store.head(), 0));
            failures.clear();
            try (var engine = engine().checkpoints(checkpoints)
                    .run(failing, delivery.park(1))
                    .build()) {
                add(1, 2); // the second is one more than may be put aside

                assertThat(attempts).hasValue(2 * 4);
                assertThat(failures)
                        .extracting(ProjectionFailure::outcome)
                        .containsExactly(
                                ProjectionFailure.Outcome.RETRIED,
                                ProjectionFailure.Outcome.RETRIED,
                                ProjectionFailure.Outcome.RETRIED,
                                ProjectionFailure.Outcome.PARKED,
                                ProjectionFailure.Outcome.RETRIED,
                                ProjectionFailure.Outcome.RETRIED,
                                ProjectionFailure.Outcome.RETRIED,
                                ProjectionFailure.Outcome.STOPPED);
                assertThat(engine.view(failing).position().value())
                        .isEqualTo(store.head().value() - 1);
            }
        }
    }

    @Test
    void an_executor_that_refuses_is_asked_again_after_each_delay() {
        var refusals = new AtomicInteger(3);
        var delivery = Delivery.background(task -> {
                    if (refusals.getAndDecrement() > 0) {
                        throw new RejectedExecutionException("full");
                    }
                    executor.execute(task);
                })
                .retry(executor::schedule, Duration.ofSeconds(1), Duration.ofSeconds(5));
        try (var engine = engine().run(TOTAL, delivery).build()) {
            add(1);
            assertThat(engine.health().retrying()).isEqualTo(1);
            add(2);
            assertThat(refusals).as("not asked before the delay is over").hasValue(2);

            executor.runAll();

            assertThat(clock.instant()).isEqualTo(Instant.EPOCH.plusSeconds(1 + 5 + 5));
            assertThat(failures).hasSize(3).allMatch(ProjectionFailure::retried);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3);
            assertThat(engine.health().isWell()).isTrue();

            // and when it refuses again, the delays begin anew
            refusals.set(1);
            add(3);
            executor.runAll();
            assertThat(clock.instant()).isEqualTo(Instant.EPOCH.plusSeconds(1 + 5 + 5 + 1));
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(6);
        }
    }

    @Test
    void an_event_that_stopped_its_projection_is_tried_as_often_again_when_it_is_resumed() {
        var poison = new AtomicBoolean(true);
        var tried = new ArrayList<Instant>();
        var failing = Projection.of("failing", 1, Fold.from(0).on(Added.class, (sum, e) -> {
            tried.add(clock.instant());
            if (poison.get()) {
                throw new IllegalStateException("boom");
            }
            return sum + e.number();
        }));
        var delivery = Delivery.inline().retry(executor::schedule, Duration.ofSeconds(1), Duration.ofSeconds(5));
        try (var engine = engine().run(failing, delivery).build()) {
            var view = engine.view(failing);
            assertThat(view.resume()).as("it runs").isFalse();
            add(1);
            assertThat(view.resume()).as("it is tried again anyway").isFalse();
            executor.runAll();
            add(2);
            var stopped = clock.instant();
            assertThat(tried).hasSize(3);

            assertThat(view.resume()).isTrue();
            executor.runAll();

            assertThat(tried.subList(3, tried.size()))
                    .containsExactly(stopped, stopped.plusSeconds(1), stopped.plusSeconds(6));
            assertThat(view.status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            poison.set(false);
            assertThat(view.resume()).isTrue();
            assertThat(view.<Integer>read(sum -> sum)).isEqualTo(3);
            assertThat(view.status().isWell()).isTrue();
        }
    }

    @Test
    void a_view_changed_in_place_that_stopped_between_events_is_resumed() {
        var refusals = new AtomicInteger(1);
        try (var engine = engine().background(LIST, task -> {
                    if (refusals.getAndDecrement() > 0) {
                        throw new RejectedExecutionException("full");
                    }
                    executor.execute(task);
                })
                .build()) {
            add(1);
            assertThat(engine.health().stopped()).isEqualTo(1);

            assertThat(engine.view(LIST).resume()).isTrue();
            executor.runAll();

            assertThat(engine.view(LIST).<List<Integer>>read(List::copyOf)).containsExactly(1);
            assertThat(engine.health().isWell()).isTrue();
        }
    }

    @Test
    void batches_end_between_appends_of_any_length() {
        var ends = new ArrayList<Position>();
        for (int size : List.of(1, 200, 1, 63, 64, 65, 700, 2, 129)) {
            ends.add(store.append(Collections.nCopies(size, new Added(1)), AppendCondition.none())
                    .last());
            clock.advance(Duration.ofSeconds(1));
        }
        var saved = new ArrayList<Checkpoint>();
        var noting = new Full() {
            @Override
            public void save(String projection, Checkpoint checkpoint) {
                saved.add(checkpoint);
            }
        };
        try (var engine = engine().checkpoints(noting)
                .run(TOTAL, Delivery.background(executor).batch(1))
                .build()) {
            executor.runAll();
            assertThat(engine.view(TOTAL).position()).isEqualTo(store.head());
        }
        assertThat(saved).extracting(Checkpoint::position).startsWith(ends.toArray(Position[]::new));
        assertThat(saved)
                .allMatch(each -> each.state().equals((int) each.position().value()));
    }

    @Test
    void a_checkpoint_of_no_use_that_is_passed_over_has_no_effects_performed_again() {
        var done = new ArrayList<Integer>();
        var saving = TOTAL.savedAs(Integer.class, sum -> sum, sum -> sum)
                .effect(Added.class, (event, trigger) -> done.add(event.number()));
        add(1, 2);
        var checkpoints = new InMemoryCheckpointStore();
        checkpoints.save("total", new Checkpoint(1, Position.of(2), "not a number"));
        try (var engine =
                engine().checkpoints(checkpoints).background(saving, executor).build()) {
            assertThat(engine.health().stopped()).isEqualTo(1);

            assertThat(engine.view(saving).resume()).isTrue();
            executor.runAll();
            add(3);
            executor.runAll();

            assertThat(engine.view(saving).<Integer>read(sum -> sum)).isEqualTo(6);
        }
        assertThat(done).containsExactly(3);
        assertThat(checkpoints.load("total")).contains(new Checkpoint(1, Position.of(3), 6));
    }

    @Test
    void a_view_that_is_far_behind_lets_others_of_its_executor_have_their_turn() {
        for (int i = 0; i < 100; i++) {
            add(1);
            clock.advance(Duration.ofSeconds(1));
        }
        var tasks = new ArrayDeque<Runnable>();
        var delivery = Delivery.background(tasks::add).batch(1);
        var other = Projection.of("other", 1, SUM);
        try (var engine = engine().run(TOTAL, delivery).run(other, delivery).build()) {
            tasks.remove().run();
            tasks.remove().run();
            for (var view : List.of(engine.view(TOTAL), engine.view(other))) {
                assertThat(view.position().value()).as("batches of a task").isEqualTo(16);
            }
            while (!tasks.isEmpty()) {
                tasks.remove().run();
            }
            for (var view : List.of(engine.view(TOTAL), engine.view(other))) {
                assertThat(view.<Integer>read(sum -> sum)).isEqualTo(100);
            }
        }
    }

    // ---- a new version

    @Test
    void a_version_that_does_not_fit_is_not_built() {
        var second = Projection.of("total", 2, SUM);
        var engine = engine().inline(second).build();
        assertThatThrownBy(() -> engine.rebuild(second, TOTAL, executor, progress -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"total\" in version 2 cannot be rebuilt as \"total\" in version 1");
        assertThatThrownBy(() -> engine.rebuild(second, Projection.of("other", 3, SUM), executor, progress -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"other\" in version 3");
        assertThatThrownBy(() -> engine.rebuild(TOTAL, second, executor, progress -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("does not run projection \"total\" in version 1");
        var telling = Projection.of("total", 3, SUM).effect(Added.class, (event, trigger) -> {});
        assertThatThrownBy(() -> engine.rebuild(second, telling, executor, progress -> {}))
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("has effects");
        assertThat(engine.view(second).status().rebuild()).isEmpty();
        assertThat(executor.isIdle()).isTrue();
        engine.close();
        assertThatThrownBy(() -> engine.rebuild(second, second, executor, progress -> {}))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void an_executor_that_refuses_ends_the_rebuild_and_the_version_that_is_read_goes_on() throws Exception {
        var full = new RejectedExecutionException("full");
        var second = Projection.of("total", 2, SUM);
        for (int i = 0; i < 5; i++) {
            add(1);
            clock.advance(Duration.ofSeconds(1));
        }
        for (int taken : List.of(0, 1)) {
            var left = new AtomicInteger(taken);
            var told = new ArrayList<Rebuild.Progress>();
            failures.clear();
            try (var engine = engine().run(TOTAL, Delivery.inline().batch(1)).build()) {
                var rebuild = engine.rebuild(
                        TOTAL,
                        second,
                        task -> {
                            if (left.getAndDecrement() == 0) {
                                throw full;
                            }
                            executor.execute(task);
                        },
                        told::add);
                executor.runAll();

                assertThat(rebuild.await(Duration.ZERO)).isTrue();
                assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.FAILED);
                assertThat(told).endsWith(rebuild.progress()).hasSize(taken + 1);
                assertThat(failures).singleElement().satisfies(failure -> {
                    assertThat(failure.cause()).isSameAs(full);
                    assertThat(failure.outcome()).isEqualTo(ProjectionFailure.Outcome.REBUILD_ENDED);
                });
                assertThat(rebuild.cancel()).isFalse();
                add(1);
                assertThat(engine.view(TOTAL).position()).isEqualTo(store.head());
                assertThat(engine.view(TOTAL).projection()).isSameAs(TOTAL);
            }
        }
    }

    @Test
    void who_waits_for_a_rebuild_is_woken_when_it_has_ended() throws Exception {
        var second = Projection.of("total", 2, SUM);
        var tasks = new ArrayBlockingQueue<Runnable>(1);
        add(1);
        try (var engine = engine().inline(TOTAL).build()) {
            var rebuild = engine.rebuild(TOTAL, second, tasks::add, progress -> {});
            assertThat(rebuild.await(Duration.ZERO)).isFalse();
            assertThat(rebuild).hasToString("Rebuild[version 1 to 2, " + rebuild.progress() + "]");
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> rebuild.await(Duration.ofDays(1))).isInstanceOf(InterruptedException.class);

            var building = onceWaiting(Thread.currentThread(), tasks.remove());
            assertThat(rebuild.await(Duration.ofDays(1))).isTrue();

            building.join();
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
            assertThat(rebuild.progress().done()).isEqualTo(Position.of(1));
            assertThat(rebuild.progress().total()).isEqualTo(Position.of(1));
            assertThat(rebuild.progress().rate()).as("without a clock").isEmpty();
            assertThat(rebuild.await(Duration.ofDays(1))).isTrue();
        }
    }

    @Test
    void a_rebuild_has_no_rate_while_its_clock_stands_still_or_is_put_back() {
        clock.set(Instant.ofEpochSecond(100));
        add(1, 2, 3, 4);
        var second = Projection.of("total", 2, SUM);
        for (int passed : List.of(0, -10, 2)) {
            try (var engine = engine().clock(clock).inline(TOTAL).build()) {
                var rebuild = engine.rebuild(TOTAL, second, executor, progress -> {});
                assertThat(rebuild.progress().total()).isEqualTo(Position.of(4));
                clock.set(clock.instant().plusSeconds(passed));
                executor.runAll();

                var progress = rebuild.progress();
                assertThat(progress.state()).isEqualTo(Rebuild.State.SWAPPED);
                assertThat(progress.rate()).isEqualTo(passed <= 0 ? OptionalDouble.empty() : OptionalDouble.of(2));
                assertThat(progress.remaining()).isEqualTo(passed <= 0 ? Optional.empty() : Optional.of(Duration.ZERO));
            }
        }
    }

    @Test
    void an_executor_that_runs_at_once_follows_and_builds_a_long_log_without_a_deep_stack() {
        for (int i = 0; i < 3_000; i++) {
            add(1);
            clock.advance(Duration.ofMillis(1));
        }
        var second = Projection.of("total", 2, SUM);
        var told = new AtomicInteger();
        try (var engine =
                engine().run(TOTAL, Delivery.background(Runnable::run).batch(1)).build()) {
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3_000);

            var rebuild = engine.rebuild(TOTAL, second, Runnable::run, progress -> told.incrementAndGet());

            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
            assertThat(told).as("a batch each").hasValueGreaterThan(2_990);
            assertThat(engine.view(second).<Integer>read(sum -> sum)).isEqualTo(3_000);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void another_rebuild_is_refused_at_once_also_where_the_first_is_built_by_the_thread_that_asked_for_it() {
        var other = Executors.newSingleThreadExecutor();
        var refused = new AtomicReference<Throwable>();
        var second = Projection.of("total", 2, Fold.from(0).on(Added.class, (sum, e) -> {
            var asking = other.submit(
                    () -> Objects.requireNonNull(running.get()).rebuild(TOTAL, TOTAL, executor, progress -> {}));
            refused.set(catchThrowable(() -> asking.get(120, TimeUnit.SECONDS)));
            return sum + e.number();
        }));
        add(1);
        try (var engine = engine().inline(TOTAL).build()) {
            running.set(engine);
            var rebuild = engine.rebuild(TOTAL, second, Runnable::run, progress -> {});

            assertThat(refused.get())
                    .hasCauseInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("\"total\" is being rebuilt");
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
            assertThat(engine.view(second).projection()).isSameAs(second);
        } finally {
            other.shutdown();
        }
    }

    @Test
    void a_fold_that_appends_while_it_is_built_ends_its_rebuild_and_writes_nothing() {
        var appending = Projection.of("total", 2, Fold.from(0).on(Added.class, (sum, e) -> {
            add(9);
            return sum;
        }));
        add(1);
        try (var engine = engine().inline(TOTAL).build()) {
            var rebuild = engine.rebuild(TOTAL, appending, executor, progress -> {});
            executor.runAll();

            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.FAILED);
            assertThat(failures)
                    .singleElement()
                    .satisfies(failure -> assertThat(failure.cause()).hasMessageContaining("tried to append"));
            assertThat(store.head()).isEqualTo(Position.of(1));
            add(2);
            assertThat(engine.view(TOTAL).<Integer>read(sum -> sum)).isEqualTo(3);
        }
    }

    @Test
    void a_worker_of_a_version_that_takes_over_neither_changes_what_stands_still_meanwhile_nor_waits_for_it()
            throws Exception {
        // given a version of two threads, of which the second part of the log is folded while it takes over
        var building = new AtomicReference<Thread>();
        var helps = new CountDownLatch(1);
        var done = new CountDownLatch(1);
        var refused = new ArrayList<String>();
        var keys = Keys.by(Added.class, Added::number);
        var first = Projection.keyed("sums", 1, keys, SUM);
        var second = Projection.keyed("sums", 2, keys, Fold.from(0).on(Added.class, (sum, e) -> {
            if (e.number() > 64 && Thread.currentThread() == building.get()) {
                await(helps); // so that another takes part
            } else if (e.number() > 64 && helps.getCount() > 0) {
                helps.countDown();
                var engine = Objects.requireNonNull(running.get());
                var view = engine.view(first);
                for (ThrowingCallable call : List.<ThrowingCallable>of(
                        view::resume,
                        () -> view.retryParked(1),
                        () -> view.discardParked(Position.of(1)),
                        () -> awaitApplied(view, Position.of(999)))) {
                    refused.add(String.valueOf(catchThrowable(call)));
                }
                engine.close();
                done.countDown();
            }
            return sum + e.number();
        }));
        for (int part : List.of(0, 64)) {
            store.append(
                    IntStream.rangeClosed(part + 1, part + 64)
                            .mapToObj(Added::new)
                            .toList(),
                    AppendCondition.none());
            clock.advance(Duration.ofSeconds(1));
        }
        var threads = Executors.newFixedThreadPool(2);
        try (var engine = engine().run(
                        first, Delivery.background(threads).workers(2).batch(64))
                .build()) {
            running.set(engine);
            engine.view(first).awaitApplied(store.head(), Duration.ofMinutes(2));

            // when
            var rebuild = engine.rebuild(
                    first,
                    second,
                    task -> threads.execute(() -> {
                        building.set(Thread.currentThread());
                        task.run();
                    }),
                    progress -> {});

            // then
            await(done);
            assertThat(refused)
                    .hasSize(4)
                    .allMatch(said -> said.startsWith("java.lang.IllegalStateException") && said.contains("\"sums\""));
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.CANCELLED);
            assertThat(engine.view(first).projection()).isSameAs(first);
        } finally {
            threads.shutdown();
            assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_rebuild_that_begins_while_the_engine_closes_does_not_go_on_for_ever() {
        add(1);
        var closes = new AtomicBoolean();
        var second = Projection.of(
                "list",
                2,
                Fold.<List<Integer>>fresh(() -> {
                            if (closes.get()) { // as another thread might, right then
                                Objects.requireNonNull(running.get()).close();
                            }
                            return new ArrayList<>();
                        })
                        .change(Added.class, (l, e) -> l.add(e.number())));
        running.set(engine().inline(LIST).build());
        var engine = Objects.requireNonNull(running.get());
        var told = new ArrayList<Rebuild.State>();
        closes.set(true);

        assertThatThrownBy(() -> engine.rebuild(LIST, second, executor, progress -> told.add(progress.state())))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");

        executor.runAll();
        assertThat(told).doesNotContain(Rebuild.State.RUNNING);
        assertThat(engine.view(LIST).projection()).isSameAs(LIST);
        assertThat(failures).isEmpty();
    }

    @Test
    void an_engine_that_is_closed_gives_up_what_it_rebuilds() {
        var second = Projection.of("total", 2, SUM);
        add(1);
        var engine = engine().inline(TOTAL).build();
        var rebuild = engine.rebuild(TOTAL, second, executor, progress -> {});

        engine.close();
        executor.runAll();

        assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.CANCELLED);
        assertThat(engine.view(TOTAL).projection()).isSameAs(TOTAL);
        assertThat(failures).isEmpty();
    }
}
