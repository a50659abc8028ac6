package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.tuple;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import dev.cqrs.suite.Fronted;
import dev.cqrs.testing.VirtualClock;
import java.io.Closeable;
import java.lang.ref.WeakReference;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What becomes of one projection, or of an event that only others want, is not felt by the rest. */
@Timeout(300)
class OthersGoOnTest {

    private static final Duration LONG = Duration.ofMinutes(2);

    record Noted(int number) {}

    record Other() {}

    private static final Fold<Integer> COUNT = Fold.from(0).on(Noted.class, (count, e) -> count + 1);

    private final InMemoryEventStore log = new InMemoryEventStore(
            Catalog.builder()
                    .event("noted", Noted.class)
                    .event("other", Other.class)
                    .build(),
            Clock.systemUTC());
    private final InMemoryCheckpointStore saved = new InMemoryCheckpointStore();
    private final List<ProjectionFailure> failures = new CopyOnWriteArrayList<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void end_the_threads() throws InterruptedException {
        threads.shutdown();
        assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void an_event_that_cannot_be_read_stops_no_projection_that_does_not_want_it() {
        // given a log of several batches, where whoever asks for all meets an event of a newer program
        for (int i = 0; i < 3_500; i++) {
            log.append(List.of(i % 2 == 0 ? new Noted(i) : new Other()), AppendCondition.none());
        }
        var count = Projection.of("count", 1, COUNT);

        // when
        try (var engine = ProjectionEngine.builder(new UnreadableForAll(log), failures::add)
                .inline(count)
                .build()) {

            // then
            assertThat(failures).isEmpty();
            assertThat(engine.view(count).position()).isEqualTo(log.head());
            assertThat(engine.view(count).<Integer>read(n -> n)).isEqualTo(1_750);
        }
    }

    /** Nobody knows when an event was recorded that cannot be read, and so not that an append ends before it. */
    @ParameterizedTest
    @CsvSource({"1, 776", "2, 777", "3, 777"})
    void an_event_that_cannot_be_read_stops_its_projection_right_before_its_append_or_one_earlier_if_it_begins_it(
            int place, int whole) {
        // given appends of three events, of which one event cannot be read, in the middle of a batch
        var clock = new VirtualClock(Instant.EPOCH);
        var log = new InMemoryEventStore(this.log.catalog(), clock);
        for (int i = 0; i < 1_500; i++) {
            clock.advance(Duration.ofMillis(1));
            log.append(Collections.nCopies(3, new Noted(i)), AppendCondition.none());
        }
        var unreadable = new AtomicLong(3 * 777 + place);
        var count = Projection.of("count", 1, COUNT);
        var keyed = Projection.keyed("keyed", 1, Projection.Keys.by(Noted.class, noted -> noted.number() % 2), COUNT);
        var told = Projection.of("told", 1, COUNT).effect(Noted.class, (event, trigger) -> {});
        var store = new UnreadableAt(log, unreadable);

        // when
        try (var engine = ProjectionEngine.builder(store, failures::add)
                .checkpoints(saved)
                .inline(count)
                .background(told, Runnable::run)
                .run(keyed, Delivery.background(Runnable::run).workers(2))
                .build()) {

            // then
            assertThat(failures)
                    .hasSize(3)
                    .allSatisfy(failure -> assertThat(failure.cause()).isInstanceOf(UnknownEventException.class))
                    .extracting(ProjectionFailure::projection, ProjectionFailure::position)
                    .containsExactlyInAnyOrder(
                            tuple("count", Position.of(3L * whole)),
                            tuple("keyed", Position.of(3L * whole)),
                            tuple("told", Position.of(3L * 777 + place - 1)));
            assertThat(engine.view(count).position()).isEqualTo(Position.of(3L * whole));
            assertThat(engine.view(keyed).position()).isEqualTo(Position.of(3L * whole));

            // and when it can be read again
            unreadable.set(0);
            engine.view(count).resume();
            engine.view(keyed).resume();
            engine.view(told).resume();
            assertThat(engine.view(told).<Integer>read(n -> n)).isEqualTo(4_500);
            assertThat(engine.view(count).<Integer>read(n -> n)).isEqualTo(4_500);
            assertThat(engine.view(keyed)
                            .<Integer>read(parts ->
                                    parts.values().stream().mapToInt(n -> n).sum()))
                    .isEqualTo(4_500);
            assertThat(failures).hasSize(3);
        }
    }

    @Test
    void a_version_that_hangs_keeps_the_next_from_its_place_but_not_from_filling() throws Exception {
        // given a version that hangs in a fold, ten batches up the log
        var hangs = new CountDownLatch(1);
        var goesOn = new CountDownLatch(1);
        var first = Projection.of("count", 1, COUNT.on(Other.class, (count, e) -> {
            hangs.countDown();
            awaitUninterruptibly(goesOn);
            return count;
        }));
        var clock = new VirtualClock(Instant.EPOCH);
        var log = new InMemoryEventStore(this.log.catalog(), clock);
        for (int i = 0; i < 10_000; i++) {
            clock.advance(Duration.ofMillis(1));
            log.append(List.of(new Noted(i)), AppendCondition.none());
        }
        try (var engine = ProjectionEngine.builder(log, failures::add)
                        .background(first, threads)
                        .build();
                Closeable released = goesOn::countDown) {
            assertThat(released).isNotNull();
            engine.view(first).awaitApplied(log.head(), LONG);
            log.append(List.of(new Other()), AppendCondition.none());
            assertThat(hangs.await(120, TimeUnit.SECONDS)).isTrue();

            // when
            var filled = new CountDownLatch(1);
            var second = Projection.of("count", 2, COUNT);
            var rebuild = engine.rebuild(first, second, threads, progress -> {
                if (progress.done().value() >= 8_000) {
                    filled.countDown();
                }
            });

            // then
            assertThat(filled.await(120, TimeUnit.SECONDS)).isTrue();
            assertThat(engine.view(first).<Integer>read(n -> n)).isEqualTo(10_000);
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.RUNNING);
            goesOn.countDown();
            assertThat(rebuild.await(LONG)).isTrue();
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
        }
        assertThat(failures).isEmpty();
    }

    private static @Nullable Object half(AtomicReference<WeakReference<Object>> kept) {
        return Objects.requireNonNull(kept.get()).get();
    }

    @Test
    void who_keeps_a_rebuild_that_was_given_up_keeps_no_view_half_built() {
        // given
        var clock = new VirtualClock(Instant.EPOCH); // events of one time are of one batch, and a clock may stand still
        var apart = new InMemoryEventStore(log.catalog(), clock);
        var half = new AtomicReference<>(new WeakReference<Object>(null));
        var next = Projection.of(
                "count",
                2,
                Fold.fresh(() -> {
                            var state = new AtomicInteger();
                            half.set(new WeakReference<>(state));
                            return state;
                        })
                        .change(Noted.class, (count, e) -> count.incrementAndGet()));
        var first = Projection.of(
                "count", 1, Fold.fresh(AtomicInteger::new).change(Noted.class, (n, e) -> n.incrementAndGet()));
        for (int i = 0; i < 5_000; i++) {
            apart.append(List.of(new Noted(i)), AppendCondition.none());
            clock.advance(Duration.ofMillis(1));
        }
        var tasks = new ArrayDeque<Runnable>();
        try (var engine =
                ProjectionEngine.builder(apart, failures::add).inline(first).build()) {
            var rebuild = engine.rebuild(first, next, tasks::add, progress -> {});
            tasks.remove().run();
            assertThat(rebuild.progress().done().value()).isBetween(1L, 4_999L);

            // when
            rebuild.cancel();
            tasks.clear();

            // then
            for (int i = 0; i < 50 && half(half) != null; i++) {
                System.gc();
            }
            assertThat(half(half)).isNull();
            assertThat(rebuild.progress().done().value()).isBetween(1L, 4_999L);
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.CANCELLED); // and so it is still kept here
        }
    }

    @Test
    void a_fold_that_hangs_keeps_closing_from_no_other_projection() throws Exception {
        // given
        var hangs = new CountDownLatch(1);
        var goesOn = new CountDownLatch(1);
        var hanging = Projection.of("hanging", 1, Fold.from(0).on(Noted.class, (count, e) -> {
            hangs.countDown();
            awaitUninterruptibly(goesOn);
            return count + 1;
        }));
        var other = Projection.of("other", 1, COUNT);
        var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .background(hanging, threads)
                .background(other, threads)
                .build();
        log.append(List.of(new Noted(1)), AppendCondition.none());
        assertThat(hangs.await(120, TimeUnit.SECONDS)).isTrue();
        engine.view(other).awaitApplied(log.head(), LONG);
        var waiting = threads.submit(() -> {
            engine.view(other).awaitApplied(Position.of(99), LONG);
            return null;
        });

        // when
        var closing = threads.submit(engine::close);

        // then
        assertThatThrownBy(() -> waiting.get(120, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(IllegalStateException.class);
        assertThat(closing.isDone()).isFalse();
        log.append(List.of(new Noted(2)), AppendCondition.none());
        assertThat(engine.view(other).position()).isEqualTo(Position.of(1));
        goesOn.countDown();
        closing.get(120, TimeUnit.SECONDS);
        assertThat(saved.load("other")).contains(new Checkpoint(1, Position.of(1), 1));
    }

    @Test
    void a_checkpoint_of_no_use_stops_its_projection_and_is_kept_while_the_others_run() {
        // given
        log.append(List.of(new Noted(1), new Noted(2)), AppendCondition.none());
        var before = new Checkpoint(1, Position.of(1), "not a number");
        saved.save("number", before);
        var number = Projection.of("number", 1, COUNT).savedAs(Integer.class, n -> n, n -> n);
        var other = Projection.of("other", 1, COUNT);

        // when
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .inline(number)
                .inline(other)
                .build()) {

            // then
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.projection()).isEqualTo("number");
                assertThat(failure.cause()).isInstanceOf(ClassCastException.class);
            });
            assertThat(engine.view(number).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            assertThat(engine.view(other).<Integer>read(n -> n)).isEqualTo(2);
        }
        assertThat(saved.load("number")).contains(before);
    }

    @Test
    void what_became_of_a_failure_is_said_as_it_is_whatever_its_cause_says() {
        var cause = new PoisonMatrixTest.WordlessException();
        var said = Map.of(
                ProjectionFailure.Outcome.STOPPED, "stopped at position 7",
                ProjectionFailure.Outcome.RETRIED, "failed at position 7",
                ProjectionFailure.Outcome.PARKED, "put aside the event at position 7",
                ProjectionFailure.Outcome.REBUILD_ENDED, "could not be rebuilt beyond the event at position 7");
        assertThat(said).containsOnlyKeys(ProjectionFailure.Outcome.values());

        said.forEach((outcome, words) -> {
            var failure = new ProjectionFailure("sums", Position.of(7), cause, outcome);
            assertThat(new ProjectionStoppedException(failure))
                    .hasMessageContainingAll(
                            "\"sums\" " + words, cause.getClass().getName())
                    .extracting(Throwable::getCause)
                    .isSameAs(cause);
        });
    }

    @Test
    void an_appender_that_waited_for_a_fold_that_failed_does_not_try_it_again_before_the_delay() throws Exception {
        // given a fold that hangs on the thread of one appender, and another that waits for it
        var folding = new CountDownLatch(1);
        var goesOn = new CountDownLatch(1);
        var attempts = new AtomicInteger();
        var failing = Projection.of("failing", 1, Fold.from(0).on(Noted.class, (count, e) -> {
            attempts.incrementAndGet();
            folding.countDown();
            awaitUninterruptibly(goesOn);
            throw new IllegalStateException("not yet");
        }));
        Delivery.Timer never = (delay, task) -> {};
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .run(failing, Delivery.inline().retry(never, Duration.ofSeconds(1), Duration.ofSeconds(5)))
                .build()) {
            var first = threads.submit(() -> log.append(List.of(new Noted(1)), AppendCondition.none()));
            assertThat(folding.await(120, TimeUnit.SECONDS)).isTrue();
            var second = new Thread(() -> log.append(List.of(new Noted(2)), AppendCondition.none()));
            second.start();
            while (second.getState() != Thread.State.WAITING && second.isAlive()) {
                Thread.onSpinWait();
            }

            // when
            goesOn.countDown();
            first.get(120, TimeUnit.SECONDS);
            second.join(120_000);

            // then
            assertThat(second.isAlive()).isFalse();
            assertThat(attempts).hasValue(1);
            assertThat(engine.view(failing).status().state()).isEqualTo(ProjectionStatus.State.RETRYING);
        }
    }

    @Test
    void one_that_is_closed_twice_saves_once() {
        var count = Projection.of("count", 1, COUNT);
        var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .inline(count)
                .build();
        log.append(List.of(new Noted(1)), AppendCondition.none());
        engine.close();
        saved.delete("count");

        engine.close();

        assertThat(saved.load("count")).isEmpty();
    }

    @Test
    void two_folds_that_both_close_the_engine_wait_for_nobody_who_waits_for_them() throws Exception {
        // given one fold that closes while the other does, or has
        var closed = new AtomicBoolean();
        var engine = new AtomicReference<ProjectionEngine>();
        var closing = new CountDownLatch(1);
        var second = new AtomicReference<Thread>();
        var under = new CountDownLatch(1);
        var first = Projection.of("first", 1, COUNT.on(Other.class, (count, e) -> {
            under.countDown();
            awaitUninterruptibly(closing);
            while (!closed.get() && Objects.requireNonNull(second.get()).getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            Objects.requireNonNull(engine.get()).close();
            return count;
        }));
        var other = Projection.of("second", 1, COUNT.on(Other.class, (count, e) -> {
            awaitUninterruptibly(under);
            second.set(Thread.currentThread());
            closing.countDown();
            Objects.requireNonNull(engine.get()).close();
            closed.set(true);
            return count;
        }));
        engine.set(ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .background(first, threads)
                .background(other, threads)
                .build());

        // when
        log.append(List.of(new Noted(1), new Other(), new Noted(2)), AppendCondition.none());

        // then
        threads.shutdown();
        assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
        assertThat(failures).isEmpty();
    }

    @Test
    void a_fold_that_closes_the_engine_does_not_wait_for_an_effect_that_waits_for_it() throws Exception {
        // given a fold on an appending thread, behind which an effect of another projection has appended
        var engine = new AtomicReference<ProjectionEngine>();
        var under = new CountDownLatch(1);
        var effect = new AtomicReference<Thread>();
        var inline = Projection.of("inline", 1, COUNT.on(Other.class, (count, e) -> {
            under.countDown();
            while (effect.get() == null || Objects.requireNonNull(effect.get()).getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            Objects.requireNonNull(engine.get()).close();
            return count;
        }));
        var mailing = Projection.of("mailing", 1, COUNT).effect(Noted.class, (noted, trigger) -> {
            if (noted.number() == 1) {
                awaitUninterruptibly(under);
                effect.set(Thread.currentThread());
                log.append(List.of(new Noted(2)), AppendCondition.none());
            }
        });
        engine.set(ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .inline(inline)
                .background(mailing, threads)
                .build());
        log.append(List.of(new Noted(1)), AppendCondition.none());

        // when
        var appending = threads.submit(() -> log.append(List.of(new Other()), AppendCondition.none()));

        // then
        appending.get(60, TimeUnit.SECONDS);
        threads.shutdown();
        assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
        assertThat(saved.load("mailing").map(Checkpoint::state))
                .as("its first effect is performed")
                .contains(1);
        assertThat(saved.load("inline")).isPresent();
        assertThat(failures).isEmpty();
    }

    @Test
    void a_save_that_fails_as_the_fold_of_another_projection_closes_the_engine_is_told() {
        var engine = new AtomicReference<ProjectionEngine>();
        var away = new IllegalStateException("away");
        var failing =
                Projection.of("failing", 1, COUNT).savedAs(Integer.class, count -> failWith(away), count -> count);
        var closing = Projection.of("closing", 1, COUNT.on(Other.class, (count, e) -> {
            Objects.requireNonNull(engine.get()).close();
            return count;
        }));
        engine.set(ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .inline(failing)
                .inline(closing)
                .build());

        log.append(List.of(new Noted(1), new Other()), AppendCondition.none());

        assertThat(failures).singleElement().satisfies(failure -> {
            assertThat(failure.projection()).isEqualTo("failing");
            assertThat(failure.cause()).isSameAs(away);
        });
        assertThat(saved.load("closing")).isPresent();
    }

    @Test
    void a_view_that_is_read_while_the_fold_of_another_projection_closes_the_engine_is_saved_behind_that()
            throws Exception {
        // given a view in place that somebody reads
        var engine = new AtomicReference<ProjectionEngine>();
        var closing = Projection.of("closing", 1, COUNT.on(Other.class, (count, e) -> {
            Objects.requireNonNull(engine.get()).close();
            return count;
        }));
        var inPlace = Projection.of(
                        "read", 1, Fold.fresh(AtomicInteger::new).change(Noted.class, (n, e) -> n.incrementAndGet()))
                .savedAs(Integer.class, AtomicInteger::get, AtomicInteger::new);
        engine.set(ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .inline(closing)
                .inline(inPlace)
                .build());
        log.append(List.of(new Noted(1)), AppendCondition.none());
        var reading = new CountDownLatch(1);
        var goesOn = new CountDownLatch(1);
        var view = Objects.requireNonNull(engine.get()).view(inPlace);
        var reader = threads.submit(() -> view.<Integer>read(count -> {
            reading.countDown();
            awaitUninterruptibly(goesOn);
            return count.get();
        }));
        assertThat(reading.await(60, TimeUnit.SECONDS)).isTrue();

        // when
        log.append(List.of(new Other()), AppendCondition.none());

        // then
        assertThat(saved.load("read")).isEmpty();
        goesOn.countDown();
        assertThat(reader.get(60, TimeUnit.SECONDS)).isEqualTo(1);
        assertThat(saved.load("read")).contains(new Checkpoint(1, Position.of(1), 1));
        assertThat(failures).isEmpty();
    }

    @Test
    void a_fold_of_a_version_being_built_that_closes_the_engine_waits_for_no_other_projection() throws Exception {
        // given a fold that waits for the one that closes
        var hangs = new CountDownLatch(1);
        var closed = new CountDownLatch(1);
        var other = Projection.of("other", 1, Fold.from(0).on(Noted.class, (number, e) -> {
            hangs.countDown();
            awaitUninterruptibly(closed);
            return number + 1;
        }));
        var engine = new AtomicReference<ProjectionEngine>();
        var first = Projection.of("count", 1, COUNT);
        var second = Projection.of("count", 2, Fold.from(0).on(Noted.class, (number, e) -> {
            Objects.requireNonNull(engine.get()).close();
            closed.countDown();
            return number + 1;
        }));
        var running = ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .inline(first)
                .background(other, threads)
                .build();
        engine.set(running);
        try (Closeable released = closed::countDown) {
            assertThat(released).isNotNull();
            log.append(List.of(new Noted(1)), AppendCondition.none());
            assertThat(hangs.await(120, TimeUnit.SECONDS)).isTrue();

            // when
            var rebuild = running.rebuild(first, second, threads, progress -> {});

            // then
            assertThat(closed.await(20, TimeUnit.SECONDS)).isTrue();
            assertThat(rebuild.await(LONG)).isTrue();
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.CANCELLED);
        }
        threads.shutdown();
        assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
        assertThat(saved.load("count")).contains(new Checkpoint(1, Position.of(1), 1));
        assertThat(failures).isEmpty();
    }

    @Test
    void what_a_fold_may_not_do_to_its_projection_is_refused_to_one_of_a_version_being_built_too() {
        // given
        log.append(List.of(new Noted(1)), AppendCondition.none());
        var refused = new CopyOnWriteArrayList<Throwable>();
        var engine = new AtomicReference<ProjectionEngine>();
        var keys = Projection.Keys.by(Noted.class, Noted::number);
        var first = Projection.keyed("count", 1, keys, COUNT);
        var second = Projection.keyed("count", 2, keys, Fold.from(0).on(Noted.class, (count, e) -> {
            var view = Objects.requireNonNull(engine.get()).view(first);
            List.<ThrowingCallable>of(
                            () -> view.awaitApplied(Position.of(9), Duration.ZERO),
                            view::resume,
                            () -> view.retryParked(1),
                            () -> view.discardParked(Position.of(1)))
                    .forEach(call -> refused.add(catchThrowable(call)));
            return count + 1;
        }));
        try (var running = ProjectionEngine.builder(log, failures::add)
                .run(first, Delivery.inline().park())
                .build()) {
            engine.set(running);

            // when
            var rebuild = running.rebuild(first, second, Runnable::run, progress -> {});

            // then
            assertThat(refused)
                    .hasSize(4)
                    .allSatisfy(thrown -> assertThat(thrown)
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("would wait for itself"));
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
        }
    }

    @Test
    void a_reader_that_waits_while_the_engine_is_closed_gets_no_part_of_an_append() throws Exception {
        // given a fold that closes the engine in the middle of an append, when somebody waits to read
        var engine = new AtomicReference<ProjectionEngine>();
        var view = new AtomicReference<ProjectionView<AtomicInteger>>();
        var reader =
                new FutureTask<Integer>(() -> Objects.requireNonNull(view.get()).<Integer>read(AtomicInteger::get));
        var inPlace = Projection.of("read", 1, Fold.fresh(AtomicInteger::new).change(Noted.class, (count, e) -> {
            count.incrementAndGet();
            if (e.number() == 1) {
                var thread = new Thread(reader);
                thread.start();
                while (thread.getState() != Thread.State.WAITING) {
                    Thread.onSpinWait();
                }
                Objects.requireNonNull(engine.get()).close();
            }
        }));
        engine.set(ProjectionEngine.builder(log, failures::add).inline(inPlace).build());
        view.set(Objects.requireNonNull(engine.get()).view(inPlace));

        // when
        log.append(List.of(new Noted(1), new Noted(2)), AppendCondition.none());

        // then
        assertThatThrownBy(() -> reader.get(60, TimeUnit.SECONDS)).hasCauseInstanceOf(IllegalStateException.class);
    }

    private static Integer failWith(RuntimeException thrown) {
        throw thrown;
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        boolean interrupted = false;
        while (true) {
            try {
                latch.await();
                break;
            } catch (InterruptedException again) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** A log that holds, for whoever asks for all, an event that this program does not know. */
    private static final class UnreadableForAll extends Fronted {

        UnreadableForAll(EventStore log) {
            super(log);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            if (query.equals(EventQuery.all())) {
                throw new UnknownEventException("of tomorrow", "noted, other");
            }
            return super.read(query, options);
        }
    }

    /** A log with an event that nobody can read, as one of a newer program. */
    private static final class UnreadableAt extends Fronted {
        private final AtomicLong position;

        UnreadableAt(EventStore log, AtomicLong position) {
            super(log);
            this.position = position;
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            long unreadable = position.get();
            return new Stream(super.read(query, options)) {
                @Override
                public boolean advance() {
                    boolean advanced = super.advance();
                    if (advanced && position().value() == unreadable) {
                        throw new UnknownEventException("of tomorrow", "noted, other");
                    }
                    return advanced;
                }
            };
        }
    }
}
