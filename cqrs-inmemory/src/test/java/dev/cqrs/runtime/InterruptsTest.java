package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.suite.Fronted;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** An interrupt is kept, whatever took notice of it, for the thread that was interrupted. */
@Timeout(300)
class InterruptsTest {

    record Noted(int number) {}

    private static final Fold<Integer> COUNT = Fold.from(0).on(Noted.class, (count, e) -> count + 1);
    private static final Projection<Integer> COUNTED = Projection.of("count", 1, COUNT);

    private final InMemoryEventStore log =
            new InMemoryEventStore(Catalog.builder().event("noted", Noted.class).build(), Clock.systemUTC());
    private final List<ProjectionFailure> failures = new ArrayList<>();

    @AfterEach
    void take_the_flag_away() {
        Thread.interrupted();
    }

    private void note(int number) {
        log.append(List.of(new Noted(number)), AppendCondition.none());
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    @SuppressWarnings("unchecked") // what must not be
    private static <X extends Throwable> void sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    /** As in a language without checked exceptions. */
    private static void interruptedInWaiting() {
        sneak(new InterruptedException("no room"));
    }

    @Test
    void an_interrupt_in_a_fold_is_that_of_its_thread_and_not_of_the_one_that_runs_the_next_task() {
        // given a task that is followed by another, on another thread, before it has ended
        var interrupting = Projection.of("count", 1, Fold.from(0).on(Noted.class, (count, noted) -> {
            if (noted.number() == 1) {
                Thread.currentThread().interrupt();
            }
            return count + 1;
        }));
        var appended = new AtomicBoolean();
        var checkpoints = new Saving(() -> {
            if (!appended.getAndSet(true)) {
                var other = new Thread(() -> note(2));
                other.start();
                join(other);
            }
        });
        var first = new AtomicBoolean(true);
        var flags = new ArrayList<Boolean>();
        Executor executor = task -> {
            if (first.getAndSet(false)) {
                task.run();
            } else {
                var next = new Thread(() -> {
                    task.run();
                    flags.add(Thread.interrupted());
                });
                next.start();
                join(next);
            }
        };
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(checkpoints)
                .background(interrupting, executor)
                .build()) {
            // when
            note(1);

            // then
            assertThat(Thread.interrupted()).isTrue();
            assertThat(flags).containsExactly(false);
            assertThat(engine.view(interrupting).position()).isEqualTo(Position.of(2));
        }
        assertThat(failures).isEmpty();
    }

    /** Counts and calls somebody, who leaves his thread interrupted after the first, and does nothing for one that is. */
    private static Projection<Integer> calling(int version, AtomicBoolean reachable) {
        return Projection.of("count", version, COUNT)
                .by(Projection.Keys.by(Noted.class, noted -> "one"))
                .effect(Noted.class, (noted, trigger) -> {
                    if (Thread.currentThread().isInterrupted() || !reachable.get()) {
                        throw new IllegalStateException("nobody heard " + noted.number());
                    }
                    if (noted.number() == 1) {
                        Thread.currentThread().interrupt();
                    }
                });
    }

    @Test
    void an_interrupt_that_an_effect_leaves_does_not_make_the_next_one_fail() {
        note(1);
        note(2);
        var calling = calling(1, new AtomicBoolean(true));
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(new InMemoryCheckpointStore())
                .background(calling, Runnable::run)
                .build()) {
            assertThat(Thread.interrupted()).isTrue();
            assertThat(engine.view(calling).<Integer>read(count -> count)).isEqualTo(2);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void an_interrupt_that_an_effect_leaves_in_a_repair_does_not_make_the_next_one_fail() {
        var reachable = new AtomicBoolean();
        var calling = calling(1, reachable);
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(new InMemoryCheckpointStore())
                .run(calling, Delivery.background(Runnable::run).park())
                .build()) {
            note(1);
            note(2);
            assertThat(engine.view(calling).parked()).hasSize(2);
            reachable.set(true);

            assertThat(engine.view(calling).retryParked("one")).isTrue();

            assertThat(Thread.interrupted()).isTrue();
            assertThat(engine.view(calling).<Integer>read(count -> count)).isEqualTo(2);
        }
    }

    @Test
    void an_interrupt_that_an_effect_leaves_which_is_owed_does_not_make_the_next_one_fail() {
        var reachable = new AtomicBoolean();
        var first = calling(1, reachable);
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(new InMemoryCheckpointStore())
                .run(first, Delivery.background(Runnable::run).park())
                .build()) {
            note(1);
            note(2);
            assertThat(engine.view(first).parked()).hasSize(2);
            reachable.set(true);

            var rebuild = engine.rebuild(first, calling(2, reachable), Runnable::run, progress -> {});

            assertThat(Thread.interrupted()).isTrue();
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
        }
    }

    @Test
    void an_executor_that_is_interrupted_in_taking_a_task_leaves_the_appender_interrupted() {
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .background(COUNTED, task -> interruptedInWaiting())
                .build()) {
            note(1);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(engine.health().stopped()).isEqualTo(1);
        }
    }

    @Test
    void a_store_that_is_interrupted_in_reading_leaves_who_folds_interrupted() {
        var reading = new Fronted(log) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                interruptedInWaiting();
                return super.read(query, options);
            }
        };
        for (var delivery : List.of(Delivery.inline(), Delivery.background(Runnable::run))) {
            try (var engine = ProjectionEngine.builder(reading, failures::add)
                    .run(COUNTED, delivery)
                    .build()) {
                Thread.interrupted();
                note(1);
                assertThat(Thread.interrupted()).isTrue();
                assertThat(engine.health().retrying()).isEqualTo(1);
            }
        }
    }

    @Test
    void a_store_that_is_interrupted_in_telling_its_head_or_in_saving_leaves_the_task_s_thread_interrupted() {
        var asked = new AtomicBoolean();
        var asking = new Fronted(log) {
            @Override
            public Position head() {
                if (asked.get()) {
                    interruptedInWaiting();
                }
                return super.head();
            }
        };
        try (var engine = ProjectionEngine.builder(asking, failures::add)
                .background(COUNTED, Runnable::run)
                .build()) {
            asked.set(true);
            note(1);
            assertThat(Thread.interrupted()).isTrue();
            asked.set(false);
            assertThat(engine.health().retrying()).isEqualTo(1);
        }
        var saving = new AtomicBoolean(true);
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(new Saving(() -> {
                    if (saving.getAndSet(false)) {
                        interruptedInWaiting();
                    }
                }))
                .background(COUNTED, Runnable::run)
                .build()) {
            assertThat(Thread.interrupted()).isTrue();
            assertThat(engine.health().retrying()).isEqualTo(1);
        }
    }

    @Test
    void an_executor_that_is_interrupted_in_taking_a_rebuild_leaves_who_asked_for_it_interrupted() {
        try (var engine =
                ProjectionEngine.builder(log, failures::add).inline(COUNTED).build()) {
            var rebuild = engine.rebuild(
                    COUNTED, Projection.of("count", 2, COUNT), task -> interruptedInWaiting(), progress -> {});
            assertThat(Thread.interrupted()).isTrue();
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.FAILED);
        }
    }

    /** A store of checkpoints, with something before each save. */
    private static final class Saving implements CheckpointStore {
        private final CheckpointStore saved = new InMemoryCheckpointStore();
        private final Runnable before;

        Saving(Runnable before) {
            this.before = before;
        }

        @Override
        public Optional<Checkpoint> load(String projection) {
            return saved.load(projection);
        }

        @Override
        public void save(String projection, Checkpoint checkpoint) {
            before.run();
            saved.save(projection, checkpoint);
        }

        @Override
        public void delete(String projection) {
            saved.delete(projection);
        }
    }
}
