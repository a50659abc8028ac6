package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
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
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a store, an executor or an event fails with for a while is tried again, and leaves nothing undone or done twice. */
@Timeout(300)
class ComesBackTest {

    record Noted(int number) {}

    record Other() {}

    private static final Fold<Integer> COUNT = Fold.from(0).on(Noted.class, (count, e) -> count + 1);

    private static final Projection<Map<Integer, Integer>> WITH_A_BAD_FIRST = Projection.keyed(
            "keyed", 1, Keys.by(Noted.class, Noted::number), Fold.from(0).on(Noted.class, (count, noted) -> {
                if (noted.number() == 1) {
                    throw new IllegalStateException("bad");
                }
                return count + 1;
            }));

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

    @Test
    void an_event_is_said_to_be_put_aside_when_it_is_and_not_in_a_batch_that_the_store_breaks_off() {
        // given a store without a feed, which fails in the middle of an append
        var left = new AtomicInteger(280);
        var failing = new Fronted(log) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                return new Stream(super.read(query, options)) {
                    @Override
                    public boolean advance() {
                        if (left.getAndDecrement() <= 0) {
                            throw new IllegalStateException("connection lost");
                        }
                        return super.advance();
                    }
                };
            }
        };
        var keyed = WITH_A_BAD_FIRST;
        try (var engine = ProjectionEngine.builder(failing, failures::add)
                .run(keyed, Delivery.inline().park())
                .build()) {
            // when
            log.append(IntStream.rangeClosed(1, 300).mapToObj(Noted::new).toList(), AppendCondition.none());

            // then
            assertThat(engine.view(keyed).parked()).isEmpty();
            assertThat(failures)
                    .extracting(ProjectionFailure::outcome)
                    .containsExactly(ProjectionFailure.Outcome.RETRIED);

            // and when it is back
            left.set(Integer.MAX_VALUE);
            note(301, 301);
            assertThat(engine.view(keyed).parked()).hasSize(1);
            assertThat(failures)
                    .extracting(ProjectionFailure::outcome)
                    .containsExactly(ProjectionFailure.Outcome.RETRIED, ProjectionFailure.Outcome.PARKED);
        }
    }

    @Test
    void one_at_a_time_saves_a_projection() throws Exception {
        // given a task that comes to save while somebody who has dropped an event saves
        var saves = new AtomicInteger();
        var most = new AtomicInteger();
        var folding = new AtomicReference<Thread>();
        var checkpoints = savedAfter(() -> {
            most.accumulateAndGet(saves.incrementAndGet(), Math::max);
            var other = folding.get();
            while (other != null
                    && other != Thread.currentThread()
                    && saves.get() < 2
                    && other.getState() != Thread.State.WAITING) { // for this one
                Thread.onSpinWait();
            }
            saves.decrementAndGet();
        });
        var keyed = WITH_A_BAD_FIRST;
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(checkpoints)
                .run(keyed, Delivery.background(tasks::add).park())
                .build()) {
            var view = engine.view(keyed);
            note(1, 1);
            runTasks();
            var discarding = new FutureTask<>(() -> view.discardParked(Position.of(1)));
            view.watch(state -> {
                if (view.position().value() == 2 && folding.compareAndSet(null, Thread.currentThread())) {
                    new Thread(discarding).start();
                    while (saves.get() == 0) {
                        Thread.onSpinWait();
                    }
                }
            });

            // when
            note(2, 2);
            runTasks();

            // then
            assertThat(discarding.get(60, TimeUnit.SECONDS)).isTrue();
            assertThat(most).hasValue(1);
            assertThat(saved.load("keyed").orElseThrow().parked()).isEmpty();
        }
    }

    @Test
    void a_store_that_fails_while_it_folds_by_itself_has_each_event_folded_once_into_a_view_in_place() {
        for (var thrown : List.of(
                new IllegalStateException("connection lost"),
                new UnknownEventException("of tomorrow", "noted, other"))) {
            // given a store that has a feed, and streams that go event by event
            var left = new AtomicInteger(Integer.MAX_VALUE);
            var fed = new Fronted(log) {
                @Override
                public Optional<Feed> feed(EventQuery query) {
                    return store.feed(query);
                }

                @Override
                public EventStream read(EventQuery query, ReadOptions options) {
                    return new Stream(super.read(query, options)) {
                        @Override
                        public boolean advance() {
                            if (left.getAndDecrement() <= 0) {
                                throw thrown;
                            }
                            return super.advance();
                        }
                    };
                }
            };
            var list = Projection.of(
                    "list",
                    1,
                    Fold.<List<Integer>>fresh(ArrayList::new).change(Noted.class, (l, e) -> l.add(e.number())));
            note(1, 10);
            int before = (int) log.head().value();
            try (var engine =
                    ProjectionEngine.builder(fed, failures::add).inline(list).build()) {
                var view = engine.view(list);

                // when it breaks off in the middle of a long append
                left.set(100);
                log.append(IntStream.rangeClosed(1, 300).mapToObj(Noted::new).toList(), AppendCondition.none());
                assertThat(view.status().failure()).isPresent();
                assertThat(view.position()).isEqualTo(Position.of(before));

                // then
                left.set(150);
                var unused = view.resume();
                note(301, 301);
                left.set(Integer.MAX_VALUE);
                unused = view.resume();
                note(302, 303);
                assertThat(view.<List<Integer>>read(numbers -> List.copyOf(numbers.subList(before, numbers.size()))))
                        .isEqualTo(IntStream.rangeClosed(1, 303).boxed().toList());
                assertThat(view.status().state()).isEqualTo(ProjectionStatus.State.RUNNING);
                assertThat(view.position()).isEqualTo(log.head());
            }
        }
    }
}
