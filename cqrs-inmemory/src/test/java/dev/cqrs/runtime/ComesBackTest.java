package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.suite.Fronted;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a store, an executor or an event fails with for a while is tried again, and leaves nothing undone or done twice. */
@Timeout(300)
class ComesBackTest {

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

    /** What was given to the executor, and to the timer. */
    private final Deque<Runnable> tasks = new ArrayDeque<>();

    private final Deque<Runnable> timers = new ArrayDeque<>();

    private void note(int from, int to) {
        for (int i = from; i <= to; i++) {
            log.append(List.of(new Noted(i)), AppendCondition.none());
        }
    }

    /** The store of checkpoints, with something before each save. */
    private CheckpointStore savedAfter(Runnable before) {
        return new CheckpointStore() {
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
        };
    }

    private void runTasks() {
        while (!tasks.isEmpty()) {
            tasks.remove().run();
        }
    }

    @Test
    void a_store_that_is_away_while_an_engine_starts_costs_no_effect_that_is_due() {
        // given an event that was put aside with its effect
        var broken = new AtomicBoolean(true);
        var mails = new ArrayList<String>();
        var mailing = Projection.of("mailing", 1, COUNT)
                .by(Keys.by(Noted.class, Noted::number))
                .effect(Noted.class, (noted, trigger) -> {
                    if (noted.number() == 1 && broken.get()) {
                        throw new IllegalStateException("no connection");
                    }
                    mails.add(trigger.id());
                });
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .run(mailing, Delivery.background(tasks::add).park())
                .build()) {
            note(1, 3);
            runTasks();
            assertThat(engine.view(mailing).parked()).hasSize(1);
        }
        assertThat(mails).containsExactly("mailing/2", "mailing/3");
        broken.set(false);
        failures.clear();

        // when
        var lost = new IllegalStateException("connection lost");
        var away = new AtomicBoolean(true);
        var builder = ProjectionEngine.builder(
                        new Fronted(log) {
                            @Override
                            public EventStream read(EventQuery query, ReadOptions options) {
                                if (away.get()) {
                                    throw lost;
                                }
                                return super.read(query, options);
                            }
                        },
                        failures::add)
                .checkpoints(saved)
                .run(mailing, Delivery.background(tasks::add).park());
        assertThatThrownBy(builder::build).isSameAs(lost);

        // then
        away.set(false);
        try (var engine = builder.build()) {
            runTasks();
            assertThat(failures).isEmpty();
            assertThat(engine.view(mailing).retryParked(1)).isTrue();
        }
        assertThat(mails).containsExactly("mailing/2", "mailing/3", "mailing/1");
    }

    /** A log that cannot tell its head while it is away. */
    private Fronted headless(AtomicBoolean away) {
        return new Fronted(log) {
            @Override
            public Position head() {
                if (away.get()) {
                    throw new IllegalStateException("connection lost");
                }
                return super.head();
            }
        };
    }

    @Test
    void a_checkpoint_that_could_not_be_saved_is_saved_though_the_log_was_away_in_between_and_has_not_grown() {
        // given a database that goes away in a save
        var away = new AtomicBoolean();
        var full = new AtomicBoolean(true);
        var checkpoints = savedAfter(() -> {
            if (full.getAndSet(false)) {
                away.set(true);
            }
            if (away.get()) {
                throw new IllegalStateException("no space left");
            }
        });
        var count = Projection.of("count", 1, COUNT);
        try (var engine = ProjectionEngine.builder(headless(away), failures::add)
                .checkpoints(checkpoints)
                .run(count, Delivery.background(tasks::add).retry((delay, task) -> timers.add(task), Duration.ZERO))
                .build()) {
            note(1, 1);
            runTasks();
            timers.remove().run();
            runTasks();
            assertThat(failures).hasSize(2).allMatch(ProjectionFailure::retried);
            assertThat(saved.load("count")).isEmpty();

            // when
            away.set(false);
            while (!timers.isEmpty()) {
                timers.remove().run();
                runTasks();
            }

            // then
            assertThat(saved.load("count")).contains(new Checkpoint(1, Position.of(1), 1));
            assertThat(engine.view(count).status().state()).isEqualTo(ProjectionStatus.State.RUNNING);
            assertThat(engine.health().isWell()).isTrue();
        }
    }

    @Test
    void a_log_that_cannot_be_asked_whether_there_is_more_is_well_when_it_says_that_there_is_not() {
        // given a log whose head is asked for once more when all is folded
        var away = new AtomicBoolean();
        var count = Projection.of("count", 1, COUNT.on(Other.class, (number, e) -> {
            away.set(true);
            return number;
        }));
        try (var engine = ProjectionEngine.builder(headless(away), failures::add)
                .run(count, Delivery.background(tasks::add).retry((delay, task) -> timers.add(task), Duration.ZERO))
                .build()) {
            log.append(List.of(new Other()), AppendCondition.none());
            runTasks();
            assertThat(engine.view(count).position()).isEqualTo(log.head());
            assertThat(engine.view(count).status().state()).isEqualTo(ProjectionStatus.State.RETRYING);

            // when
            away.set(false);
            timers.remove().run();
            runTasks();

            // then
            assertThat(engine.view(count).status().state()).isEqualTo(ProjectionStatus.State.RUNNING);
            assertThat(timers).isEmpty();
        }
    }

    @Test
    void a_timer_that_fires_while_the_task_that_failed_is_on_its_way_out_has_the_event_tried_again() {
        // given a listener that has the delay begin, and end, before the task has told all
        var broken = new AtomicBoolean(true);
        var keyed = Projection.keyed(
                "keyed", 1, Keys.by(Noted.class, Noted::number), Fold.from(0).on(Noted.class, (count, noted) -> {
                    if (noted.number() == 1 && broken.getAndSet(false)) {
                        throw new IllegalStateException("not yet");
                    }
                    return count + 1;
                }));
        var running = new AtomicReference<ProjectionEngine>();
        try (var engine = ProjectionEngine.builder(log, failure -> {
                    failures.add(failure);
                    assertThat(Objects.requireNonNull(running.get()).view(keyed).retryParked("nobody"))
                            .isTrue();
                    timers.remove().run();
                })
                .run(
                        keyed,
                        Delivery.background(tasks::add)
                                .retry((delay, task) -> timers.add(task), Duration.ofMillis(1))
                                .park())
                .build()) {
            running.set(engine);
            note(1, 2);

            // when
            runTasks();

            // then
            assertThat(failures).hasSize(1);
            assertThat(timers).isEmpty();
            assertThat(engine.view(keyed).position()).isEqualTo(Position.of(2));
            assertThat(engine.view(keyed).status().state()).isEqualTo(ProjectionStatus.State.RUNNING);
        }
    }
}
