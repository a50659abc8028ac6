package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

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
            var closing = threads.submit(engine::close);
            while (engine.view(slow).status().state() != ProjectionStatus.State.CLOSED) {
                Thread.onSpinWait();
            }
            goOn.countDown();
            closing.get();
            assertThat(engine.view(slow).position()).isEqualTo(Position.START);

            try (var next = engine().checkpoints(checkpoints).inline(slow).build()) {
                assertThat(next.view(slow).<Integer>read(sum -> sum)).isEqualTo(6);
            }
        } finally {
            threads.shutdown();
        }
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
            assertThat(failures).containsOnly(failure);
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
                    () -> view.awaitApplied(Position.START, null))) {
                assertThatThrownBy(call).isInstanceOf(NullPointerException.class);
            }
        }
    }

    // ---- what a listener may do

    /** A sum that cannot take a number. */
    static Projection<Integer> failingAt(String name, int number) {
        return Projection.of(name, 1, Fold.from(0).on(Added.class, (sum, e) -> {
            if (e.number() == number) {
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
                    Objects.requireNonNull(running.get()).close();
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
}
