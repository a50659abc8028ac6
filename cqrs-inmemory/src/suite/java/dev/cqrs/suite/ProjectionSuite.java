package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionFailure;
import dev.cqrs.runtime.ProjectionFailure.Outcome;
import dev.cqrs.runtime.ProjectionStatus;
import dev.cqrs.runtime.ProjectionStoppedException;
import dev.cqrs.runtime.ProjectionView;
import dev.cqrs.runtime.ProjectionView.Parked;
import dev.cqrs.runtime.Rebuild;
import dev.cqrs.suite.Bank.Balances;
import dev.cqrs.suite.Bank.Closed;
import dev.cqrs.suite.Bank.Moved;
import dev.cqrs.suite.Bank.Seen;
import dev.cqrs.suite.Bank.Sum;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What an engine does, over a log and a checkpoint store of the extending class: effects, what becomes of an event that
 * fails, rebuilds, views with a state for each key, status.
 *
 * <p>Time is virtual and the order of tasks a seed's, but for the tests with several workers.
 */
@Timeout(300)
public abstract class ProjectionSuite {

    protected final VirtualClock clock = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
    protected final SeededScheduler executor = new SeededScheduler(7, clock);
    protected EventStore store;
    protected CheckpointStore checkpoints;
    protected final List<ProjectionFailure> failures = new ArrayList<>();
    private final List<String> done = new ArrayList<>();

    @SuppressWarnings("NullAway.Init") // opened before each test
    protected ProjectionSuite() {}

    /** Makes a log without events. */
    protected abstract EventStore emptyLog(Catalog catalog, Clock clock);

    /** Makes a store without checkpoints, beside the log. */
    protected abstract CheckpointStore emptyCheckpoints();

    @BeforeEach
    void open_empty_stores() {
        store = emptyLog(Bank.catalog(), clock);
        checkpoints = emptyCheckpoints();
    }

    private ProjectionEngine.Builder engine() {
        return ProjectionEngine.builder(store, failures::add)
                .checkpoints(checkpoints)
                .clock(clock);
    }

    private void move(String account, int... cents) {
        for (int each : cents) {
            store.append(List.of(new Moved(account, each)), AppendCondition.none());
        }
    }

    private Delivery background() {
        return Delivery.background(executor);
    }

    private static List<Integer> cents(ProjectionView<Seen> view) {
        return view.read(Seen::cents);
    }

    private Projection.Effect<Moved> doing() {
        return (event, trigger) -> done.add(trigger.id() + " " + event.cents());
    }

    // ---- effects

    @Test
    void effects_are_performed_once_in_the_order_of_the_log_under_an_id_that_stays() {
        move("a", 1, 2);
        var welcome = Bank.seen(1).effect(Moved.class, doing());
        try (var engine = engine().background(welcome, executor).build()) {
            executor.runAll();
            move("b", 3);
            executor.runAll();
            assertThat(cents(engine.view(welcome))).containsExactly(1, 2, 3);
        }
        assertThat(done).containsExactly("seen/1 1", "seen/2 2", "seen/3 3");

        try (var engine = engine().background(welcome, executor).build()) { // knows what was done
            move("c", 4);
            executor.runAll();
            assertThat(engine.view(welcome).position()).isEqualTo(Position.of(4));
        }
        assertThat(done).hasSize(4).endsWith("seen/4 4");
        assertThat(failures).isEmpty();
    }

    @Test
    void an_event_without_a_step_may_have_an_effect() {
        var farewell = Bank.seen(1).effect(Closed.class, (event, trigger) -> done.add("bye " + event.account()));
        try (var engine = engine().background(farewell, executor).build()) {
            store.append(List.of(new Closed("a"), new Moved("b", 1)), AppendCondition.none());
            executor.runAll();

            assertThat(done).containsExactly("bye a");
            assertThat(cents(engine.view(farewell))).containsExactly(1);
        }
    }

    @Test
    void effects_of_a_later_version_begin_behind_the_mark_of_the_one_before_however_often_it_starts() {
        var first = Bank.seen(1).effect(Moved.class, doing());
        try (var engine = engine().background(first, executor).build()) {
            move("a", 1, 2, 3);
            executor.runAll();
            assertThat(engine.view(first).position()).isEqualTo(Position.of(3));
        }
        var second = Bank.seen(2).effect(Moved.class, doing());
        engine().background(second, executor).build().close(); // ended before it did anything
        assertThat(checkpoints.position("seen")).contains(Position.of(3));

        try (var engine = engine().background(second, executor).build()) {
            executor.runAll();
            move("a", 4);
            executor.runAll();
            assertThat(cents(engine.view(second))).containsExactly(1, 2, 3, 4);
        }
        assertThat(done).containsExactly("seen/1 1", "seen/2 2", "seen/3 3", "seen/4 4");
        assertThat(checkpoints.load("seen").orElseThrow().version()).isEqualTo(2);
    }

    @Test
    void an_effect_that_throws_stops_the_projection_before_its_event_and_is_performed_when_it_goes_on() {
        var down = new AtomicBoolean(true);
        var mailing = Bank.seen(1).effect(Moved.class, (event, trigger) -> {
            if (event.cents() == 2 && down.get()) {
                throw new java.io.IOException("no connection");
            }
            done.add(trigger.id());
        });
        try (var engine = engine().background(mailing, executor).build()) {
            move("a", 1, 2, 3);
            executor.runAll();
            var view = engine.view(mailing);
            assertThat(view.position()).isEqualTo(Position.of(1));
            assertThat(view.status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            assertThat(failures)
                    .singleElement()
                    .satisfies(f -> assertThat(f.cause()).hasMessage("no connection"));
            assertThat(checkpoints.position("seen"))
                    .as("what was done is saved")
                    .contains(Position.of(1));

            down.set(false);
            assertThat(view.resume()).isTrue();
            executor.runAll();

            assertThat(cents(view)).containsExactly(1, 2, 3);
            assertThat(done).containsExactly("seen/1", "seen/2", "seen/3");
            assertThat(view.resume()).as("it runs").isFalse();
        }
    }

    @Test
    void an_effect_may_append_and_a_fold_may_not() {
        var answering = Bank.seen(1).effect(Moved.class, (event, trigger) -> {
            if (event.cents() < 3) {
                move(event.account(), event.cents() + 1);
            }
        });
        try (var engine =
                engine().background(answering, executor).inline(Bank.sum(1)).build()) {
            move("a", 1);
            executor.runAll();

            assertThat(cents(engine.view(answering))).containsExactly(1, 2, 3);
            assertThat(engine.health().isWell()).isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void what_could_not_run_is_told_when_it_is_wired() {
        var mailing = Bank.seen(1).effect(Moved.class, doing());
        assertThatThrownBy(() -> engine().inline(mailing).build())
                .isInstanceOf(WiringException.class)
                .hasMessageContainingAll("\"seen\"", "effects", "background");
        assertThatThrownBy(() -> ProjectionEngine.builder(store, failures::add)
                        .background(mailing, executor)
                        .build())
                .hasMessageContainingAll("effects", "checkpoints(...)");
        assertThatThrownBy(() -> engine().run(Bank.seen(1), background().park()).build())
                .hasMessageContainingAll("no keys", "by(...)");
        assertThatThrownBy(() -> engine().run(
                                Bank.inPlace(1).by(Bank.ACCOUNTS), background().park())
                        .build())
                .hasMessageContainingAll("in place", "on(...)");
        assertThatThrownBy(() ->
                        engine().run(Bank.seen(1), background().workers(2)).build())
                .hasMessageContainingAll("2 workers", "for each key");
    }

    // ---- an event that fails

    @Test
    void an_event_is_tried_again_after_each_delay_and_stops_the_projection_in_the_end() {
        var poisoned = Bank.poisoned(1, () -> {
            done.add(Duration.between(Instant.parse("2026-01-05T09:00:00Z"), clock.instant())
                    .toString());
            return true;
        });
        var delivery = background()
                .retry(executor::schedule, Duration.ofSeconds(1), Duration.ofSeconds(5), Duration.ofMinutes(1));
        try (var engine = engine().run(poisoned, delivery).build()) {
            move("a", 1, 500, 2);
            executor.runOne();
            assertThat(engine.view(poisoned).status().state()).isEqualTo(ProjectionStatus.State.RETRYING);
            assertThat(cents(engine.view(poisoned)))
                    .as("what is before it is seen")
                    .containsExactly(1);

            executor.runAll();

            assertThat(done).containsExactly("PT0S", "PT1S", "PT6S", "PT1M6S");
            assertThat(failures)
                    .extracting(ProjectionFailure::outcome)
                    .containsExactly(Outcome.RETRIED, Outcome.RETRIED, Outcome.RETRIED, Outcome.STOPPED);
            assertThatThrownBy(() -> cents(engine.view(poisoned)))
                    .isInstanceOfSatisfying(ProjectionStoppedException.class, stopped -> {
                        assertThat(stopped.projection()).isEqualTo("seen");
                        assertThat(stopped.position()).isEqualTo(Position.of(2));
                    });
        }
    }

    @Test
    void an_event_that_can_be_folded_when_it_is_tried_again_leaves_no_trace() {
        var left = new int[] {2};
        var poisoned = Bank.poisoned(1, () -> left[0]-- > 0);
        for (boolean inline : List.of(true, false)) {
            left[0] = 2;
            var delivery = (inline ? Delivery.inline() : background())
                    .retry(executor::schedule, Duration.ofSeconds(1), Duration.ofSeconds(5));
            try (var engine = engine().run(poisoned, delivery).build()) {
                executor.runAll();
                move("a", 1, 500, 2);
                executor.runAll();

                assertThat(engine.view(poisoned).position()).isEqualTo(store.head());
                assertThat(cents(engine.view(poisoned))).endsWith(1, 500, 2);
                assertThat(engine.status().get(0).isWell()).isTrue();
                assertThat(engine.status().get(0).lastError()).isPresent();
            }
        }
    }

    @Test
    void an_event_that_fails_is_put_aside_with_those_of_its_key_and_all_others_go_on() {
        var poison = new AtomicBoolean(true);
        var poisoned = Bank.poisoned(1, poison::get).effect(Moved.class, doing());
        try (var engine = engine().run(poisoned, background().park()).build()) {
            move("a", 1, 500, 2);
            move("b", 3);
            move("a", 4);
            executor.runAll();

            var view = engine.view(poisoned);
            assertThat(cents(view)).containsExactly(1, 3);
            assertThat(view.position()).isEqualTo(Position.of(5));
            assertThat(view.parked())
                    .containsExactly(
                            new Parked(
                                    Position.of(2), "a", Optional.of("java.lang.IllegalStateException: too much: 500")),
                            new Parked(Position.of(3), "a", Optional.empty()),
                            new Parked(Position.of(5), "a", Optional.empty()));
            assertThat(failures)
                    .singleElement()
                    .satisfies(f -> assertThat(f.outcome()).isEqualTo(Outcome.PARKED));
            assertThat(view.status().parked()).isEqualTo(3);
            assertThat(view.status().isWell()).isFalse();
            assertThat(engine.health().isWell()).isFalse();
            assertThat(done).containsExactly("seen/1 1", "seen/4 3");

            assertThat(view.retryParked("a")).isFalse();
            assertThat(view.parked()).hasSize(3);
            poison.set(false);
            assertThat(view.retryParked("a")).isTrue();

            assertThat(cents(view)).containsExactly(1, 3, 500, 2, 4);
            assertThat(view.parked()).isEmpty();
            assertThat(done).containsExactly("seen/1 1", "seen/4 3", "seen/2 500", "seen/3 2", "seen/5 4");
            move("a", 5);
            executor.runAll();
            assertThat(cents(view)).endsWith(4, 5);
            assertThat(engine.health().isWell()).isTrue();
        }
    }

    @Test
    void what_is_put_aside_survives_a_restart_and_what_was_repaired_stays_repaired() {
        var poison = new AtomicBoolean(true);
        var poisoned = Bank.poisoned(1, poison::get);
        List<Parked> before;
        try (var engine = engine().run(poisoned, background().park()).build()) {
            move("a", 1, 500, 2);
            move("b", 600, 3);
            executor.runAll();
            before = engine.view(poisoned).parked();
            assertThat(before).hasSize(4);
        }
        try (var engine = engine().run(poisoned, background().park()).build()) {
            var view = engine.view(poisoned);
            assertThat(view.parked()).isEqualTo(before);
            assertThat(cents(view)).containsExactly(1);
            poison.set(false);
            assertThat(view.retryParked("a")).isTrue();
            move("b", 4); // follows
            executor.runAll();
        }
        try (var engine = engine().run(poisoned, background().park()).build()) {
            var view = engine.view(poisoned);
            assertThat(view.parked()).extracting(Parked::key).containsExactly("b", "b", "b");
            assertThat(cents(view)).containsExactly(1, 500, 2);
            assertThat(view.retryParked("b")).isTrue();
            assertThat(cents(view)).containsExactly(1, 500, 2, 600, 3, 4);
        }
        assertThat(checkpoints.load("seen").orElseThrow().parked()).isEmpty();
    }

    @Test
    void an_event_that_is_discarded_is_never_folded_and_its_followers_are_when_they_are_tried() {
        var poisoned = Bank.poisoned(1, () -> true);
        try (var engine = engine().run(poisoned, background().park()).build()) {
            move("a", 500, 1, 2);
            executor.runAll();
            var view = engine.view(poisoned);

            assertThat(view.discardParked(Position.of(9))).isFalse();
            assertThat(view.discardParked(Position.of(1))).isTrue();
            assertThat(cents(view)).isEmpty();
            assertThat(view.retryParked("a")).isTrue();
            assertThat(cents(view)).containsExactly(1, 2);
        }
        try (var engine = engine().run(poisoned, background().park()).build()) {
            assertThat(cents(engine.view(poisoned))).containsExactly(1, 2);
            assertThat(engine.view(poisoned).parked()).isEmpty();
        }
    }

    @Test
    void more_than_may_be_put_aside_stops_the_projection_which_goes_on_when_there_is_room() {
        var poisoned = Bank.poisoned(1, () -> true);
        try (var engine = engine().run(poisoned, background().park(2)).build()) {
            move("a", 500, 1, 2);
            move("b", 3);
            executor.runAll();
            var view = engine.view(poisoned);
            assertThat(view.status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            assertThat(view.position()).isEqualTo(Position.of(2));
            assertThat(view.parked()).hasSize(2);

            view.discardParked(Position.of(1));
            assertThat(view.resume()).isTrue();
            executor.runAll();

            assertThat(cents(view)).containsExactly(3);
            assertThat(view.parked()).extracting(Parked::position).containsExactly(Position.of(2), Position.of(3));
        }
    }

    @Test
    void a_store_that_is_down_for_half_a_minute_is_tried_until_it_is_back_and_loses_nothing() {
        var down = new AtomicBoolean();
        var log = store;
        var failing = (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, arguments) -> {
                    if (down.get() && List.of("head", "read").contains(method.getName())) {
                        throw new IllegalStateException("connection refused");
                    }
                    return method.isDefault()
                            ? InvocationHandler.invokeDefault(proxy, method, arguments)
                            : method.invoke(log, arguments);
                });
        var mailing = Bank.seen(1).effect(Moved.class, doing());
        var delivery = background().retry(executor::schedule, Duration.ofSeconds(1), Duration.ofSeconds(5));
        try (var engine = ProjectionEngine.builder(failing, failures::add)
                .checkpoints(checkpoints)
                .run(mailing, delivery)
                .build()) {
            move("a", 1);
            executor.runAll();
            down.set(true);
            move("a", 2, 3);
            executor.runFor(Duration.ofSeconds(30));
            assertThat(engine.view(mailing).status().state()).isEqualTo(ProjectionStatus.State.RETRYING);
            assertThat(engine.view(mailing).status().head().value())
                    .as("the last that was seen")
                    .isPositive();
            assertThat(failures.size()).isBetween(5, 9);

            down.set(false);
            executor.runAll();

            assertThat(cents(engine.view(mailing))).containsExactly(1, 2, 3);
            assertThat(failures).allMatch(ProjectionFailure::retried);
            assertThat(engine.health().isWell()).isTrue();
        }
        assertThat(done).containsExactly("seen/1 1", "seen/2 2", "seen/3 3");
    }

    /** The checkpoints, with no room for one save. */
    private CheckpointStore failingOnce(AtomicBoolean full) {
        return new CheckpointStore() {
            @Override
            public Optional<Checkpoint> load(String name) {
                return checkpoints.load(name);
            }

            @Override
            public void save(String name, Checkpoint checkpoint) {
                if (full.getAndSet(false)) {
                    throw new IllegalStateException("no space left");
                }
                checkpoints.save(name, checkpoint);
            }

            @Override
            public void delete(String name) {
                checkpoints.delete(name);
            }
        };
    }

    @Test
    void a_checkpoint_that_fails_once_while_a_parked_event_is_repaired_does_not_make_the_projection_stand_still() {
        var full = new AtomicBoolean();
        var once = failingOnce(full);
        var poison = new AtomicBoolean(true);
        var poisoned = Bank.poisoned(1, poison::get);
        var delivery =
                background().retry(executor::schedule, Duration.ofSeconds(1)).park();
        try (var engine = engine().checkpoints(once).run(poisoned, delivery).build()) {
            move("a", 500, 1);
            executor.runAll();
            var view = engine.view(poisoned);
            for (boolean discarding : List.of(true, false)) {
                full.set(true);
                poison.set(false);
                assertThat(discarding ? view.discardParked(Position.of(1)) : view.retryParked("a"))
                        .isTrue();
                assertThat(full.get()).as("a save was tried").isFalse();
                move("b", 2);
                executor.runAll();
                assertThat(view.position()).isEqualTo(store.head());
            }
            assertThat(cents(view)).containsExactly(2, 1, 2);
            assertThat(engine.health().isWell()).isTrue();
        }
    }

    @Test
    void a_checkpoint_that_fails_once_as_a_rebuild_ends_does_not_make_the_version_that_is_read_stand_still() {
        var full = new AtomicBoolean();
        var first = Bank.seen(1);
        var delivery = Delivery.inline().retry(executor::schedule, Duration.ofSeconds(1));
        try (var engine =
                engine().checkpoints(failingOnce(full)).run(first, delivery).build()) {
            move("a", 1, 2, 500);
            full.set(true);
            var rebuild = engine.rebuild(first, Bank.poisoned(2, () -> true), executor, progress -> {});
            executor.runAll();
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.FAILED);
            assertThat(full.get()).as("a save was tried").isFalse();

            move("a", 4);
            executor.runAll();

            assertThat(cents(engine.view(first))).containsExactly(1, 2, 500, 4);
            assertThat(engine.health().isWell()).isTrue();
            assertThat(checkpoints.position("seen")).isPresent();
        }
    }

    @Test
    void an_append_of_an_owed_effect_is_followed_though_no_task_could_be_had_and_the_rebuild_ended() {
        var refusing = new AtomicBoolean();
        var down = new HashSet<>(Set.of(1, 2));
        var first = mailing(1, down);
        var second = Bank.seen(2).by(Bank.ACCOUNTS).effect(Moved.class, (event, trigger) -> {
            if (event.cents() == 2) {
                throw new IOException("still no server");
            }
            refusing.set(true);
            move("c", 3);
            refusing.set(false);
        });
        var delivery = Delivery.background(task -> {
                    if (refusing.get()) {
                        throw new RejectedExecutionException("busy");
                    }
                    executor.execute(task);
                })
                .retry(executor::schedule, Duration.ofSeconds(1))
                .park();
        try (var engine = engine().run(first, delivery).build()) {
            move("a", 1);
            move("b", 2);
            executor.runAll();
            assertThat(engine.view(first).parked()).hasSize(2);

            var rebuild = engine.rebuild(first, second, executor, progress -> {});
            executor.runAll();

            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.FAILED);
            assertThat(cents(engine.view(first))).containsExactly(3);
            assertThat(engine.view(first).position()).isEqualTo(store.head());
            assertThat(engine.health().isWell()).as("but for what is put aside").isFalse();
            assertThat(engine.view(first).status().state()).isEqualTo(ProjectionStatus.State.RUNNING);
        }
    }

    @Test
    void a_checkpoint_that_fails_is_tried_again_by_the_timer_while_the_log_is_quiet() {
        var full = new AtomicBoolean();
        var tried = new ArrayList<Instant>();
        var failing = new CheckpointStore() {
            @Override
            public Optional<Checkpoint> load(String name) {
                return checkpoints.load(name);
            }

            @Override
            public void save(String name, Checkpoint checkpoint) {
                tried.add(clock.instant());
                if (full.get()) {
                    throw new IllegalStateException("no space left");
                }
                checkpoints.save(name, checkpoint);
            }

            @Override
            public void delete(String name) {
                checkpoints.delete(name);
            }
        };
        var delivery = background().retry(executor::schedule, Duration.ofSeconds(1), Duration.ofSeconds(5));
        try (var engine =
                engine().checkpoints(failing).run(Bank.sum(1), delivery).build()) {
            full.set(true);
            move("a", 1);
            var begin = clock.instant();
            executor.runFor(Duration.ofSeconds(10));
            assertThat(engine.status().get(0).state()).isEqualTo(ProjectionStatus.State.RETRYING);
            assertThat(tried).containsExactly(begin, begin.plusSeconds(1), begin.plusSeconds(6));
            assertThat(failures).hasSize(3).allMatch(ProjectionFailure::retried);

            full.set(false);
            executor.runAll();

            assertThat(engine.health().isWell()).isTrue();
            assertThat(checkpoints.position("sum")).contains(Position.of(1));
        }
    }

    @Test
    void an_effect_that_an_earlier_version_has_performed_is_not_performed_when_the_event_is_repaired_after_a_restart() {
        var poison = new AtomicBoolean(true);
        var first = Bank.seen(1).by(Bank.ACCOUNTS).effect(Moved.class, doing());
        var second = Bank.poisoned(2, poison::get).effect(Moved.class, doing());
        try (var engine = engine().run(first, background().park()).build()) {
            move("a", 500, 1);
            executor.runAll();
            assertThat(engine.view(first).position()).isEqualTo(Position.of(2));
        }
        try (var engine = engine().run(second, background().park()).build()) {
            executor.runAll();
            move("a", 2); // its effect has not been performed by any
            executor.runAll();
            assertThat(engine.view(second).parked()).hasSize(3);
        }
        try (var engine = engine().run(second, background().park()).build()) {
            poison.set(false);
            assertThat(engine.view(second).retryParked("a")).isTrue();
            assertThat(cents(engine.view(second))).containsExactly(500, 1, 2);
        }
        assertThat(done).containsExactly("seen/1 500", "seen/2 1", "seen/3 2");
    }

    @Test
    void a_view_is_saved_again_behind_so_many_events_only_and_on_close_where_that_is_said() {
        var sum = Bank.sum(1);
        try (var engine =
                engine().run(sum, background().batch(1).checkpointEvery(3)).build()) {
            for (int i = 1; i <= 8; i++) {
                clock.advance(Duration.ofSeconds(1));
                move("a", i);
                executor.runAll();
                assertThat(engine.view(sum).position()).isEqualTo(Position.of(i));
                assertThat(checkpoints.position("sum").map(Position::value).orElse(0L))
                        .as("at %d", i)
                        .isEqualTo(i / 3 * 3L);
            }
        }
        assertThat(checkpoints.load("sum")).contains(new Checkpoint(1, Position.of(8), new Sum(36)));
        try (var engine =
                engine().run(sum, background().batch(1).checkpointEvery(3)).build()) {
            move("a", 1, 1);
            executor.runAll();
            assertThat(engine.view(sum).read(Sum::cents)).isEqualTo(38);
            assertThat(checkpoints.position("sum")).contains(Position.of(8));
            move("a", 1);
            executor.runAll();
            assertThat(checkpoints.position("sum")).contains(Position.of(11));
        }
    }

    @Test
    void what_has_effects_is_saved_after_each_batch() {
        var mailing = Bank.seen(1).effect(Moved.class, doing());
        assertThatThrownBy(() ->
                        engine().run(mailing, background().checkpointEvery(2)).build())
                .hasMessageContainingAll("\"seen\"", "effects", "every 2 events");
    }

    /** A mail server that is down for some; what is done is kept as the trigger's id. */
    private Projection<Seen> mailing(int version, Set<Integer> down) {
        return Bank.seen(version).by(Bank.ACCOUNTS).effect(Moved.class, (event, trigger) -> {
            if (down.contains(event.cents())) {
                throw new IOException("no server for " + event.cents());
            }
            done.add(trigger.id());
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"started in its place", "read until it is built", "rebuilt"})
    void effects_of_what_was_put_aside_are_performed_by_the_next_version(String how) {
        var down = new HashSet<>(Set.of(2));
        var first = mailing(1, down);
        var second = mailing(2, down);
        var engine = engine().run(first, background().park()).build();
        move("a", 1, 2, 3);
        move("b", 4);
        executor.runAll();
        assertThat(done).containsExactly("seen/1", "seen/4");

        // when the server is back, and nobody has tried again
        down.clear();
        if (how.equals("rebuilt")) {
            engine.rebuild(first, second, executor, progress -> {});
        } else {
            engine.close();
            engine = how.equals("read until it is built")
                    ? engine().replace(first, second, background().park(), executor)
                            .build()
                    : engine().run(second, background().park()).build();
        }
        executor.runAll();

        // then
        try (var now = engine) {
            var view = now.view(second);
            assertThat(view.projection().version()).isEqualTo(2);
            assertThat(done).containsExactly("seen/1", "seen/4", "seen/2", "seen/3");
            assertThat(view.parked()).isEmpty();
            assertThat(cents(view)).containsExactly(1, 2, 3, 4);
            move("b", 5);
            executor.runAll();
        }
        try (var again = engine().run(second, background().park()).build()) {
            executor.runAll();
            assertThat(cents(again.view(second))).containsExactly(1, 2, 3, 4, 5);
        }
        assertThat(done).containsExactly("seen/1", "seen/4", "seen/2", "seen/3", "seen/5");
    }

    @Test
    void a_version_that_owes_effects_stays_while_they_fail_and_owes_none_that_was_performed() {
        var down = new HashSet<>(Set.of(2, 3));
        var first = mailing(1, down);
        var second = mailing(2, down);
        try (var engine = engine().run(first, background().park()).build()) {
            move("a", 1);
            move("b", 2);
            move("c", 3);
            executor.runAll();

            // when one of two can be performed
            down.remove(2);
            var rebuild = engine.rebuild(first, second, executor, progress -> {});
            executor.runAll();

            // then
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.FAILED);
            assertThat(done).containsExactly("seen/1", "seen/2");
            assertThat(failures).last().satisfies(failure -> {
                assertThat(failure.outcome()).isEqualTo(ProjectionFailure.Outcome.REBUILD_ENDED);
                assertThat(failure.position()).isEqualTo(Position.of(3));
                assertThat(failure.cause()).hasMessage("no server for 3");
            });
            assertThat(engine.view(first).projection().version()).isEqualTo(1);
            assertThat(checkpoints.parked("seen"))
                    .extracting(parked -> parked.position().value(), CheckpointStore.Parked::effectDue)
                    .containsExactly(tuple(2L, false), tuple(3L, true));
            assertThat(engine.view(first).retryParked("b")).isTrue();
            assertThat(engine.view(first).retryParked("c")).isFalse();

            // and when the other can be as well
            down.clear();
            engine.rebuild(first, second, executor, progress -> {});
            executor.runAll();
            assertThat(engine.view(second).projection().version()).isEqualTo(2);
            assertThat(cents(engine.view(second))).containsExactly(1, 2, 3);
        }
        assertThat(done).containsExactly("seen/1", "seen/2", "seen/3");
    }

    @Test
    void what_the_next_version_puts_aside_too_keeps_its_effect_due() {
        var down = new HashSet<>(Set.of(500));
        var poison = new AtomicBoolean(true);
        var first = mailing(1, down);
        var second = Bank.poisoned(2, poison::get).effect(Moved.class, doing());
        try (var engine = engine().run(first, background().park()).build()) {
            move("a", 500, 1);
            move("b", 2);
            executor.runAll();
            engine.rebuild(first, second, executor, progress -> {});
            executor.runAll();
            assertThat(engine.view(second).projection().version()).isEqualTo(2);
            assertThat(engine.view(second).parked()).hasSize(2);
            poison.set(false);
            assertThat(engine.view(second).retryParked("a")).isTrue();
        }
        assertThat(done).containsExactly("seen/3", "seen/1 500", "seen/2 1");
    }

    @Test
    void effects_that_are_owed_pass_on_where_a_third_version_takes_over_from_one_that_has_not_come_to_them() {
        var down = new HashSet<>(Set.of(2));
        var first = mailing(1, down);
        var second = Bank.poisoned(2, () -> true).effect(Moved.class, doing());
        var third = mailing(3, down);
        try (var engine = engine().run(first, background().park()).build()) {
            move("a", 1);
            move("b", 500);
            move("c", 2);
            executor.runAll();
            assertThat(engine.view(first).parked()).hasSize(1);
        }
        down.clear();
        try (var engine = engine().run(second, background()).build()) {
            executor.runAll();
            assertThat(engine.view(second).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            engine.rebuild(second, third, executor, progress -> {});
            executor.runAll();
            assertThat(cents(engine.view(third))).containsExactly(1, 500, 2);
        }
        assertThat(done).containsExactly("seen/1", "seen/2", "seen/3");
    }

    @Test
    void an_effect_that_is_owed_may_append() {
        var down = new HashSet<>(Set.of(2));
        var first = mailing(1, down);
        var second = Bank.seen(2).by(Bank.ACCOUNTS).effect(Moved.class, (event, trigger) -> {
            done.add(trigger.id());
            if (event.cents() == 2) {
                move("b", 7);
            }
        });
        var delivery = Delivery.background(Runnable::run).park();
        try (var engine = engine().run(first, delivery).build()) {
            move("a", 2);
            down.clear();
            engine.rebuild(first, second, Runnable::run, progress -> {});
            assertThat(cents(engine.view(second))).containsExactly(2, 7);
        }
        assertThat(done).containsExactly("seen/1", "seen/2");
    }

    @Test
    void an_interrupt_in_a_repair_is_kept_and_what_was_repaired_before_it_is_saved() {
        var poison = new AtomicBoolean(true);
        var interrupting = Bank.poisoned(1, poison::get).effect(Moved.class, (event, trigger) -> {
            if (event.cents() == 2) {
                throw new InterruptedException("enough");
            }
        });
        try (var engine = engine().run(interrupting, background().park()).build()) {
            move("a", 500, 2);
            executor.runAll();
            poison.set(false);

            assertThat(engine.view(interrupting).retryParked("a")).isFalse();

            assertThat(Thread.interrupted()).isTrue();
            assertThat(checkpoints.load("seen").orElseThrow().parked())
                    .singleElement()
                    .satisfies(left -> assertThat(left.position()).isEqualTo(Position.of(2)));
        }
    }

    @Test
    void an_effect_that_appends_while_it_is_repaired_is_followed_where_tasks_run_at_once() {
        var poison = new AtomicBoolean(true);
        var answering = Bank.poisoned(1, poison::get).effect(Moved.class, (event, trigger) -> {
            if (event.cents() == 500) {
                move("b", 7);
            }
        });
        var delivery = Delivery.background(Runnable::run).park();
        try (var engine = engine().run(answering, delivery).build()) {
            move("a", 500);
            poison.set(false);
            var view = engine.view(answering);

            assertThat(view.retryParked("a")).isTrue();

            assertThat(cents(view)).containsExactly(500, 7);
            assertThat(view.position()).isEqualTo(store.head());
            assertThat(view.parked()).isEmpty();
        }
    }

    @Test
    void a_log_that_was_put_back_has_no_effects_performed_again() {
        move("a", 1, 2);
        checkpoints.save("seen", new Checkpoint(1, Position.of(99), new Seen(List.of())));
        var mailing = Bank.seen(1).effect(Moved.class, doing());
        try (var engine = engine().background(mailing, executor).build()) {
            executor.runAll();
            assertThat(cents(engine.view(mailing))).containsExactly(1, 2);
            assertThat(done).isEmpty();
            move("a", 3);
            executor.runAll();
        }
        assertThat(done).containsExactly("seen/3 3");
    }

    @Test
    void a_view_changed_in_place_is_not_resumed_but_rebuilt() {
        var poison = new AtomicBoolean(true);
        var list = Projection.of(
                "in-place", 1, Fold.<List<Integer>>fresh(ArrayList::new).change(Moved.class, (l, e) -> {
                    l.add(e.cents());
                    if (e.cents() > 100 && poison.get()) {
                        throw new IllegalStateException("half done");
                    }
                }));
        try (var engine = engine().background(list, executor).build()) {
            move("a", 1, 500, 2);
            executor.runAll();
            var view = engine.view(list);
            assertThatThrownBy(view::resume)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("Rebuild it");
            poison.set(false);

            var rebuild = engine.rebuild(list, list, executor, progress -> {});
            executor.runAll();

            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
            assertThat(view.<List<Integer>>read(List::copyOf)).containsExactly(1, 500, 2);
        }
    }

    // ---- saved views

    @Test
    void a_view_changed_in_place_that_is_saved_as_a_value_goes_on_where_it_ended() {
        try (var engine = engine().inline(Bank.inPlace(1)).build()) {
            move("a", 1, 2);
            assertThat(engine.status().get(0).position()).isEqualTo(Position.of(2));
        }
        assertThat(checkpoints.load("in-place")).contains(new Checkpoint(1, Position.of(2), new Seen(List.of(1, 2))));

        var again = Bank.inPlace(1);
        checkpoints.save("in-place", new Checkpoint(1, Position.of(2), new Seen(List.of(1, 7)))); // to tell it apart
        move("a", 3);
        try (var engine = engine().inline(again).build()) {
            assertThat(engine.view(again).<List<Integer>>read(List::copyOf)).containsExactly(1, 7, 3);
        }
    }

    @Test
    void batches_end_between_appends_and_each_is_shown_and_saved() {
        var sum = Bank.sum(1);
        for (int i = 0; i < 10; i++) {
            store.append(List.of(new Moved("a", 1), new Moved("a", 2), new Moved("a", 3)), AppendCondition.none());
            clock.advance(Duration.ofSeconds(1));
        }
        var kept = new ArrayList<Checkpoint>();
        var noting = new CheckpointStore() {
            @Override
            public Optional<Checkpoint> load(String name) {
                return checkpoints.load(name);
            }

            @Override
            public void save(String name, Checkpoint checkpoint) {
                kept.add(checkpoint);
                checkpoints.save(name, checkpoint);
            }

            @Override
            public void delete(String name) {
                checkpoints.delete(name);
            }
        };
        try (var engine =
                engine().checkpoints(noting).run(sum, background().batch(4)).build()) {
            executor.runAll();
            assertThat(engine.view(sum).read(Sum::cents)).isEqualTo(60);
        }
        assertThat(kept)
                .extracting(Checkpoint::position)
                .startsWith(Position.of(6), Position.of(12), Position.of(18), Position.of(24), Position.of(30));
        assertThat(kept)
                .allMatch(each ->
                        each.state().equals(new Sum((int) each.position().value() * 2)));
        assertThat(checkpoints.load("sum")).contains(new Checkpoint(1, Position.of(30), new Sum(60)));
    }

    // ---- a new version

    @Test
    void a_new_version_is_built_beside_the_old_and_takes_its_place_at_once() {
        var first = Bank.sum(1);
        var second = Bank.sum(10);
        var told = new ArrayList<Rebuild.Progress>();
        for (int i = 0; i < 20; i++) {
            move("a", 1);
            clock.advance(Duration.ofSeconds(1));
        }
        try (var engine = engine().run(first, background().batch(5)).build()) {
            executor.runAll();
            var view = engine.view(first);
            var rebuild = engine.rebuild(
                    first,
                    second,
                    task -> {
                        executor.schedule(Duration.ofSeconds(1), task); // a batch a second
                    },
                    told::add);
            assertThat(rebuild.progress().done()).isEqualTo(Position.START);
            assertThat(rebuild.progress().total()).isEqualTo(Position.of(20));

            for (int step = 1; rebuild.progress().state() == Rebuild.State.RUNNING; step++) {
                assertThat(view.read(Sum::cents)).as("the old one").isEqualTo((int)
                        store.head().value());
                move("b", 1);
                executor.runOne();
                executor.runOne();
                assertThat(step).isLessThan(20);
            }
            executor.runAll();

            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
            assertThat(view.read(Sum::cents)).isEqualTo((int) store.head().value() * 10);
            assertThat(engine.view(second)).isSameAs(view);
            assertThat(view.projection()).isEqualTo(second);
            assertThat(told.size()).isGreaterThanOrEqualTo(4);
            assertThat(told.get(1).done()).isEqualTo(Position.of(10));
            assertThat(told.get(1).rate()).hasValueCloseTo(5.0, org.assertj.core.data.Offset.offset(1.0));
            assertThat(told.get(1).remaining().orElseThrow()).isBetween(Duration.ofSeconds(1), Duration.ofSeconds(4));
            assertThat(rebuild.cancel()).as("too late").isFalse();

            move("c", 1);
            executor.runAll();
            assertThat(view.read(Sum::cents)).isEqualTo((int) store.head().value() * 10);
        }
        assertThat(checkpoints.load("sum").orElseThrow().version()).isEqualTo(10);
        assertThat(failures).isEmpty();
    }

    @Test
    void a_rebuild_that_is_cancelled_or_fails_leaves_the_version_that_is_read_as_it_is() {
        var poisoned = Bank.poisoned(2, () -> true);
        var first = Bank.seen(1);
        try (var engine = engine().background(first, executor).build()) {
            move("a", 1, 500);
            executor.runAll();
            var cancelled = engine.rebuild(first, Bank.seen(2), executor, progress -> {});
            assertThatThrownBy(() -> engine.rebuild(first, Bank.seen(3), executor, progress -> {}))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("being rebuilt");
            assertThat(cancelled.cancel()).isTrue();
            executor.runAll();
            assertThat(cancelled.progress().state()).isEqualTo(Rebuild.State.CANCELLED);

            var failed = engine.rebuild(first, poisoned, executor, progress -> {});
            executor.runAll();

            assertThat(failed.progress().state()).isEqualTo(Rebuild.State.FAILED);
            assertThat(failures).singleElement().satisfies(f -> {
                assertThat(f.outcome()).isEqualTo(Outcome.REBUILD_ENDED);
                assertThat(f.position()).isEqualTo(Position.of(2));
            });
            move("a", 2);
            executor.runAll();
            assertThat(cents(engine.view(first))).containsExactly(1, 500, 2);
            assertThat(engine.view(first).projection()).isEqualTo(first);
            assertThat(engine.status().get(0).state()).isEqualTo(ProjectionStatus.State.RUNNING);
            assertThat(engine.status().get(0).rebuild().orElseThrow().state()).isEqualTo(Rebuild.State.FAILED);
        }
        assertThat(checkpoints.load("seen").orElseThrow().version()).isEqualTo(1);
    }

    @Test
    void the_end_of_a_rebuild_is_the_last_that_its_listener_hears() {
        var first = Bank.seen(1);
        var running = new ArrayList<Rebuild>();
        var heard = new ArrayList<Rebuild.State>();
        for (int i = 0; i < 4; i++) {
            move("a", 1);
            clock.advance(Duration.ofSeconds(1));
        }
        try (var engine = engine().run(first, background().batch(1)).build()) {
            executor.runAll();
            running.add(engine.rebuild(first, Bank.seen(2), executor, progress -> {
                if (progress.state() == Rebuild.State.RUNNING) {
                    running.get(0).cancel(); // as another thread might, before this one has told
                }
                heard.add(progress.state());
            }));
            executor.runAll();
        }
        assertThat(heard).containsExactly(Rebuild.State.RUNNING, Rebuild.State.CANCELLED);
    }

    @Test
    void a_version_that_has_stopped_is_replaced_by_one_that_is_mended() {
        var poisoned = Bank.poisoned(1, () -> true);
        try (var engine = engine().background(poisoned, executor).build()) {
            move("a", 1, 500, 2);
            executor.runAll();
            assertThatThrownBy(() -> cents(engine.view(poisoned))).isInstanceOf(ProjectionStoppedException.class);

            engine.rebuild(poisoned, Bank.seen(2), executor, progress -> {});
            executor.runAll();

            assertThat(cents(engine.view(poisoned))).containsExactly(1, 500, 2);
            assertThat(engine.health().isWell()).isTrue();
        }
    }

    @Test
    void effects_are_not_performed_while_a_version_is_built_and_go_on_behind_the_swap() {
        var first = Bank.seen(1).effect(Moved.class, doing());
        var second = Bank.seen(2).effect(Moved.class, (event, trigger) -> done.add("new " + trigger.id()));
        for (int seed = 0; seed < seeds(); seed++) {
            open_empty_stores();
            done.clear();
            var chance = new SeededScheduler(seed, clock);
            try (var engine =
                    engine().run(first, Delivery.background(chance).batch(2)).build()) {
                move("a", 1, 2, 3, 4);
                chance.runOne();
                var rebuild = engine.rebuild(first, second, chance, progress -> {});
                for (int i = 5; i <= 9; i++) {
                    move("a", i);
                    chance.runOne();
                }
                chance.runAll();
                assertThat(rebuild.progress().state()).as("seed %d", seed).isEqualTo(Rebuild.State.SWAPPED);
                assertThat(cents(engine.view(first))).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9);
                assertThat(done.stream().map(id -> id.replaceAll("new seen/| .*|seen/", "")))
                        .as("seed %d: %s", seed, done)
                        .containsExactly("1", "2", "3", "4", "5", "6", "7", "8", "9");
            }
        }
    }

    @Test
    void a_version_that_takes_over_before_the_one_it_replaces_has_caught_up_performs_no_effect_again() {
        // given a version that has performed three effects, and the next, which stops at the second event
        var first = Bank.seen(1).effect(Moved.class, doing());
        var second = Bank.poisoned(2, () -> true).effect(Moved.class, doing());
        var third = Bank.seen(3).effect(Moved.class, doing());
        try (var engine = engine().run(first, background()).build()) {
            move("a", 1, 500, 3);
            executor.runAll();
            assertThat(engine.view(first).position()).isEqualTo(store.head());
        }
        try (var engine = engine().run(second, background()).build()) {
            executor.runAll();
            assertThat(engine.view(second).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);

            // when
            var rebuild = engine.rebuild(second, third, executor, progress -> {});
            executor.runAll();
            move("a", 4);
            executor.runAll();

            // then
            assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED);
            assertThat(cents(engine.view(third))).containsExactly(1, 500, 3, 4);
        }
        assertThat(done).containsExactly("seen/1 1", "seen/2 500", "seen/3 3", "seen/4 4");
        assertThat(checkpoints.position("seen")).contains(Position.of(4));
    }

    @Test
    void a_program_that_starts_with_a_new_version_reads_the_one_before_until_the_new_one_is_built() {
        var first = Bank.sum(1);
        var second = Bank.sum(10);
        try (var engine = engine().background(first, executor).build()) {
            move("a", 1, 2);
            executor.runAll();
            assertThat(engine.health().isWell()).isTrue();
        }
        move("a", 3);

        try (var engine =
                engine().replace(first, second, background(), executor).build()) {
            assertThat(engine.view(second).read(Sum::cents)).isEqualTo(3);
            executor.runAll();
            assertThat(engine.view(second).read(Sum::cents)).isEqualTo(60);
            assertThat(engine.status().get(0).version()).isEqualTo(10);
        }
        assertThat(checkpoints.load("sum")).contains(new Checkpoint(10, Position.of(3), new Sum(60)));

        try (var engine =
                engine().replace(first, second, background(), executor).build()) {
            assertThat(engine.view(second).read(Sum::cents))
                    .as("no need to begin again")
                    .isEqualTo(60);
            assertThat(engine.status().get(0).rebuild()).isEmpty();
        }
    }

    @Test
    void in_any_order_of_tasks_an_inline_view_shows_every_append_right_through_a_rebuild() {
        for (int seed = 0; seed < seeds(); seed++) {
            open_empty_stores();
            var chance = new SeededScheduler(seed, clock);
            var first = Bank.inPlace(1);
            try (var engine = engine().run(first, Delivery.inline().batch(2)).build()) {
                var seenRebuilds = new ArrayList<Rebuild>();
                for (int i = 1; i <= 12; i++) {
                    int number = i;
                    chance.execute(() -> {
                        var appended = store.append(List.of(new Moved("a", number)), AppendCondition.none());
                        var view = engine.view(first);
                        assertThat(view.position()).isEqualTo(appended.last());
                        assertThat(view.<List<Integer>>read(List::copyOf)).contains(number);
                    });
                }
                chance.execute(() -> seenRebuilds.add(engine.rebuild(first, Bank.inPlace(2), chance, p -> {})));
                chance.runAll();
                assertThat(seenRebuilds)
                        .singleElement()
                        .satisfies(rebuild ->
                                assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.SWAPPED));
                assertThat(engine.view(first).<List<Integer>>read(List::copyOf))
                        .as("seed %d", seed)
                        .hasSize(12)
                        .doesNotHaveDuplicates();
            }
        }
    }

    // ---- a state for each key

    @Test
    void a_view_with_a_state_for_each_key_is_a_map_also_of_the_past_and_goes_on_where_it_ended() {
        var balances = Bank.balances(1);
        try (var engine = engine().inline(balances).build()) {
            move("a", 1, 2);
            move("b", 5);
            store.append(List.of(new Closed("a")), AppendCondition.none());
            var view = engine.view(balances);

            assertThat(view.<Map<String, Integer>>read(map -> map)).isEqualTo(Map.of("b", 5));
            assertThat(view.at(Position.of(3))).isEqualTo(Map.of("a", 3, "b", 5));
            assertThatThrownBy(() -> view.read(map -> map.put("c", 1)))
                    .isInstanceOf(UnsupportedOperationException.class);
        }
        assertThat(checkpoints.load("balances"))
                .contains(new Checkpoint(1, Position.of(4), new Balances(Map.of("b", 5))));
        move("a", 7);
        try (var engine = engine().inline(balances).build()) {
            assertThat(engine.view(balances).<Map<String, Integer>>read(map -> map))
                    .isEqualTo(Map.of("a", 7, "b", 5));
        }
    }

    @Test
    void several_workers_fold_what_one_does_and_readers_see_all_keys_at_one_position() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            var random = new SplittableRandom(5);
            var model = new HashMap<String, Integer>();
            int accounts = 50;
            var balances = Bank.balances(1);
            var delivery = Delivery.background(threads).workers(3).batch(64);
            try (var engine = engine().run(balances, delivery).build()) {
                var view = engine.view(balances);
                for (int round = 0; round < transfers() / 100; round++) {
                    var batch = IntStream.range(0, 100)
                            .boxed()
                            .flatMap(i -> {
                                int cents = random.nextInt(1_000);
                                var from = "account " + random.nextInt(accounts);
                                var to = "account " + random.nextInt(accounts);
                                model.merge(from, -cents, Integer::sum);
                                model.merge(to, cents, Integer::sum);
                                return java.util.stream.Stream.of(new Moved(from, -cents), new Moved(to, cents));
                            })
                            .toList();
                    clock.advance(Duration.ofMillis(1));
                    store.append(batch, AppendCondition.none());
                    int sum = view.read(map ->
                            map.values().stream().mapToInt(Integer::intValue).sum());
                    assertThat(sum).as("of all accounts, at any position").isZero();
                }
                view.awaitApplied(store.head(), Duration.ofMinutes(2));
                assertThat(view.<Map<String, Integer>>read(map -> map)).isEqualTo(model);
                assertThat(view.<Integer>read(Map::size)).isEqualTo(model.size());
            }
        } finally {
            threads.shutdown();
            assertThat(threads.awaitTermination(120, java.util.concurrent.TimeUnit.SECONDS))
                    .isTrue();
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void events_that_are_none_of_the_folds_need_no_key() {
        var count = Fold.from(0).on(Moved.class, (sum, e) -> {
            if (e.cents() == 13) {
                throw new IllegalStateException("unlucky");
            }
            return sum + 1;
        });
        var keyed = Projection.keyed("balances", 1, Keys.by(Moved.class, Moved::account), count)
                .savedAs(Balances.class, map -> new Balances(new HashMap<>(map)), Balances::of);
        var told = keyed.effect(Closed.class, (event, trigger) -> done.add("bye " + event.account()));
        var cases = List.of(
                Map.entry(keyed.over(EventQuery.all()), background().workers(1).park()),
                Map.entry(keyed.over(EventQuery.all()), background().workers(4).park()),
                Map.entry(told, background().park()));
        for (var each : cases) {
            open_empty_stores();
            try (var engine = engine().run(each.getKey(), each.getValue()).build()) {
                move("a", 1, 13);
                store.append(List.of(new Closed("a")), AppendCondition.none());
                move("b", 1);
                executor.runAll();

                var view = engine.view(each.getKey());
                assertThat(view.position()).isEqualTo(store.head());
                assertThat(view.<Map<String, Integer>>read(map -> map)).isEqualTo(Map.of("a", 1, "b", 1));
                assertThat(view.parked()).extracting(Parked::position).containsExactly(Position.of(2));
            }
        }
        assertThat(done).containsExactly("bye a");
    }

    @Test
    void an_event_that_is_none_of_the_folds_adds_no_key_though_it_has_one() {
        var keyed = Projection.keyed(
                        "balances",
                        1,
                        Bank.ACCOUNTS,
                        Fold.from(0).on(Moved.class, (sum, e) -> sum + e.cents()),
                        sum -> sum < 0)
                .savedAs(Balances.class, map -> new Balances(new HashMap<>(map)), Balances::of);
        var wide = keyed.over(EventQuery.all());
        var told = keyed.effect(Closed.class, (event, trigger) -> done.add("bye " + event.account()));
        var cases = List.of(
                Map.entry(wide, Delivery.inline()),
                Map.entry(wide, background()),
                Map.entry(wide, background().workers(4)),
                Map.entry(told, background()));
        for (var each : cases) {
            open_empty_stores();
            try (var engine = engine().run(each.getKey(), each.getValue()).build()) {
                move("a", 5);
                move("b", 5, -7);
                store.append(List.of(new Closed("b"), new Closed("c"), new Moved("c", 1)), AppendCondition.none());
                store.append(List.of(new Closed("d")), AppendCondition.none());
                executor.runAll();

                var view = engine.view(each.getKey());
                assertThat(view.position()).isEqualTo(store.head());
                assertThat(view.<Map<String, Integer>>read(Map::copyOf))
                        .isEqualTo(view.at(store.head()))
                        .isEqualTo(Map.of("a", 5, "c", 1));
            }
        }
        assertThat(done).containsExactly("bye b", "bye c", "bye d");
    }

    @Test
    void a_key_is_asked_of_what_matters_to_the_fold_only() {
        var keys = Keys.by(Moved.class, Moved::account).and(Closed.class, event -> {
            throw new IllegalStateException("whose is it?");
        });
        var wide = Projection.keyed("balances", 1, keys, Fold.from(0).on(Moved.class, (sum, e) -> sum + e.cents()))
                .savedAs(Balances.class, map -> new Balances(new HashMap<>(map)), Balances::of)
                .over(EventQuery.all());
        for (var delivery : List.of(Delivery.inline(), background().workers(4))) {
            open_empty_stores();
            try (var engine = engine().run(wide, delivery).build()) {
                store.append(List.of(new Moved("a", 1), new Closed("a"), new Moved("a", 2)), AppendCondition.none());
                executor.runAll();

                assertThat(engine.view(wide).<Map<String, Integer>>read(Map::copyOf))
                        .isEqualTo(engine.view(wide).at(store.head()))
                        .isEqualTo(Map.of("a", 3));
            }
        }
    }

    @Test
    void what_is_none_of_the_folds_is_put_aside_with_its_key_where_its_effect_fails() {
        var keyed = Projection.keyed(
                        "balances", 1, Bank.ACCOUNTS, Fold.from(0).on(Moved.class, (sum, e) -> sum + e.cents()))
                .savedAs(Balances.class, map -> new Balances(new HashMap<>(map)), Balances::of)
                .effect(Closed.class, (event, trigger) -> {
                    throw new IOException("no server");
                });
        try (var engine = engine().run(keyed, background().park()).build()) {
            store.append(List.of(new Closed("a"), new Moved("a", 1), new Moved("b", 2)), AppendCondition.none());
            executor.runAll();

            var view = engine.view(keyed);
            assertThat(view.parked())
                    .extracting(Parked::position, Parked::key)
                    .containsExactly(tuple(Position.of(1), "a"), tuple(Position.of(2), "a"));
            assertThat(view.<Map<String, Integer>>read(Map::copyOf)).isEqualTo(Map.of("b", 2));
        }
    }

    @Test
    void several_workers_put_aside_what_fails_as_one_does() {
        var keyed = Projection.keyed(
                "balances", 1, Bank.ACCOUNTS, Fold.from(List.<Integer>of()).on(Moved.class, (list, e) -> {
                    if (e.cents() == 13) {
                        throw new IllegalStateException("unlucky");
                    }
                    var more = new ArrayList<>(list);
                    more.add(e.cents());
                    return List.copyOf(more);
                }));
        for (int workers : List.of(1, 4)) {
            open_empty_stores();
            var delivery = background().workers(workers).batch(8).park();
            try (var engine = ProjectionEngine.builder(store, failures::add)
                    .run(keyed, delivery)
                    .build()) {
                for (int i = 0; i < 60; i++) {
                    move("account " + i % 7, i);
                    clock.advance(Duration.ofMillis(1));
                    if (i % 11 == 0) {
                        executor.runAll();
                    }
                }
                executor.runAll();
                var view = engine.view(keyed);
                assertThat(view.position()).isEqualTo(Position.of(60));
                for (int key = 0; key < 7; key++) {
                    int account = key;
                    var expected = IntStream.range(0, key == 6 ? 13 : 60)
                            .filter(i -> i % 7 == account)
                            .boxed()
                            .toList();
                    assertThat(view.<List<Integer>>read(map -> map.get("account " + account)))
                            .as("%d workers, account %d", workers, key)
                            .isEqualTo(expected);
                }
                assertThat(view.parked())
                        .hasSize(7)
                        .allMatch(parked -> parked.key().equals("account 6"));
            }
        }
    }

    // ---- how it stands

    @Test
    void status_tells_position_lag_rate_and_what_went_wrong() {
        var sum = Bank.sum(1);
        try (var engine = engine().background(sum, executor).build()) {
            move("a", 1, 2, 3);
            var status = engine.view(sum).status();
            assertThat(status.lag()).isEqualTo(3);
            assertThat(engine.health().greatestLag()).isEqualTo(3);

            clock.advance(Duration.ofSeconds(2));
            executor.runAll();

            status = engine.view(sum).status();
            assertThat(status.position()).isEqualTo(Position.of(3));
            assertThat(status.rate()).hasValue(1.5);
            assertThat(status.lastError()).isEmpty();
            assertThat(status.isWell()).isTrue();
            clock.advance(Duration.ofSeconds(10));
            assertThat(engine.view(sum).status().rate())
                    .as("it has come to rest")
                    .hasValue(0);
            assertThat(engine.health()).isEqualTo(new ProjectionEngine.Health(1, 0, 0, 0, 0, List.of()));
        }
    }

    /** How many orders of tasks are tried. */
    protected int seeds() {
        return 100;
    }

    /** How many transfers several workers fold. */
    protected int transfers() {
        return 20_000;
    }
}
