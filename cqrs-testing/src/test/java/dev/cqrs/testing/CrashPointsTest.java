package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class CrashPointsTest {

    record Added(int number) {}

    private final EventStore log =
            new ListedEvents(Catalog.builder().event("added", Added.class).build(), Clock.systemUTC());

    private final CheckpointStore saved = new KitContractsTest.Kept();

    private static void add(EventStore store) {
        store.append(List.of(new Added(1), new Added(2)), AppendCondition.none(), Metadata.none());
    }

    @Test
    void before_an_append_nothing_is_written() {
        var crashes = CrashPoints.at(1);
        var store = crashes.around(log);

        assertThatThrownBy(() -> add(store))
                .isInstanceOf(SimulatedCrash.class)
                .hasMessage("The process crashed at point 1, before an append of 2 events.");
        assertThat(log.head()).isEqualTo(Position.START);
        assertThat(crashes.isCrashed()).isTrue();
        assertThat(crashes.passed()).isEqualTo(1);
        assertThat(crashes).hasToString("a crash at point 1 (before an append of 2 events)");
    }

    @Test
    void after_an_append_all_is_written_and_its_followers_know() {
        var crashes = CrashPoints.at(2);
        var store = crashes.around(log);
        var told = new ArrayList<Position>();
        store.onAppend(told::add);

        assertThatThrownBy(() -> add(store))
                .isInstanceOf(SimulatedCrash.class)
                .hasMessage("The process crashed at point 2, after the append up to position 2.");
        assertThat(log.head()).isEqualTo(Position.of(2));
        assertThat(told).containsExactly(Position.of(2));
    }

    @Test
    void an_append_that_is_refused_has_one_point() {
        var crashes = CrashPoints.none();
        var store = crashes.around(log);
        assertThatThrownBy(() -> store.append(List.of(), AppendCondition.none()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(crashes.passed()).isEqualTo(1);
        add(store);
        assertThat(crashes.passed()).isEqualTo(3);
        assertThat(crashes).hasToString("no crash");
    }

    @Test
    void a_dead_process_can_do_nothing_more() {
        var crashes = CrashPoints.at(3);
        var store = crashes.around(log);
        var checkpoints = crashes.around(saved);
        var told = new ArrayList<Position>();
        var subscription = store.onAppend(told::add);
        add(store);
        var stream = store.read(EventQuery.all());
        assertThatThrownBy(() -> add(store)).isInstanceOf(SimulatedCrash.class);

        for (var refused : List.<Runnable>of(
                () -> add(store),
                store::head,
                () -> store.read(EventQuery.all()),
                () -> store.onAppend(last -> {}),
                () -> checkpoints.load("a"),
                () -> checkpoints.save("a", new Checkpoint(1, Position.START, "")),
                () -> checkpoints.delete("a"),
                () -> crashes.pass("own"),
                () -> crashes.around(Runnable::run).execute(() -> {}))) {
            assertThatThrownBy(refused::run)
                    .isInstanceOf(SimulatedCrash.class)
                    .hasMessageMatching(
                            "The process crashed at point 3, before an append of 2 events. It is dead: .* is"
                                    + " refused. Use what was made after restart\\(\\).")
                    .satisfies(thrown ->
                            assertThat(((SimulatedCrash) thrown).point()).isEqualTo(3));
        }
        add(log); // by another process
        assertThat(told).containsExactly(Position.of(2));
        assertThat(stream.toList()).hasSize(2);
        assertThat(store.catalog()).isSameAs(log.catalog());
        subscription.close();
        assertThat(crashes.passed()).isEqualTo(3);
    }

    @Test
    void checkpoints_have_a_point_before_and_after_each_write() {
        var first = new Checkpoint(1, Position.of(1), "first");
        var messages = new ArrayList<String>();
        for (int point = 1; point <= 4; point++) {
            var crashes = CrashPoints.at(point);
            var store = crashes.around(saved);
            saved.delete("a");
            try {
                store.save("a", first);
                store.delete("a");
            } catch (SimulatedCrash crash) {
                messages.add(crash.getMessage() + " " + saved.load("a").isPresent());
            }
        }
        assertThat(messages)
                .containsExactly(
                        "The process crashed at point 1, before checkpoint \"a\" is saved at position 1. false",
                        "The process crashed at point 2, after checkpoint \"a\" was saved at position 1. true",
                        "The process crashed at point 3, before checkpoint \"a\" is deleted. true",
                        "The process crashed at point 4, after checkpoint \"a\" was deleted. false");
    }

    @Test
    void after_a_restart_what_is_made_anew_lives_and_the_count_goes_on() {
        var crashes = CrashPoints.at(1, 4);
        var old = crashes.around(log);
        assertThatThrownBy(() -> add(old)).isInstanceOf(SimulatedCrash.class);

        crashes.restart();
        assertThat(crashes.isCrashed()).isFalse();
        var fresh = crashes.around(log);
        add(fresh);
        assertThatThrownBy(old::head).isInstanceOf(SimulatedCrash.class);
        assertThatThrownBy(() -> add(fresh)).hasMessageStartingWith("The process crashed at point 4, ");
        assertThat(crashes).hasToString("a crash at point 1 and 4 (before an append of 2 events)");
    }

    @Test
    void a_restart_ends_a_process_that_has_not_crashed() {
        var crashes = CrashPoints.none();
        var old = crashes.around(log);
        crashes.restart();
        assertThatThrownBy(old::head)
                .hasMessage("The process was ended by a restart. It is dead: head is refused. Use what was made after"
                        + " restart().")
                .satisfies(
                        thrown -> assertThat(((SimulatedCrash) thrown).point()).isZero());
    }

    @Test
    void tasks_die_with_their_process() {
        var scheduler = new SeededScheduler(1);
        var crashes = CrashPoints.at(1);
        var executor = crashes.around(scheduler);
        var ran = new ArrayList<Integer>();
        for (int i = 0; i < 5; i++) {
            executor.execute(() -> {
                ran.add(1);
                crashes.pass("in a task");
            });
        }
        scheduler.runAll();
        assertThat(ran).containsExactly(1);

        crashes.restart();
        crashes.around(scheduler).execute(() -> ran.add(2));
        scheduler.runAll();
        assertThat(ran).containsExactly(1, 2);
    }

    @Test
    void a_task_dies_with_its_process_whatever_it_makes_of_the_crash() {
        var scheduler = new SeededScheduler(1);
        var crashes = CrashPoints.at(1);
        crashes.around(scheduler).execute(() -> {
            try {
                crashes.pass("in a task");
            } catch (SimulatedCrash crash) {
                throw new IllegalStateException("The work failed.", crash);
            }
        });
        scheduler.runAll();
        assertThat(crashes.isCrashed()).isTrue();

        crashes.restart();
        crashes.around(scheduler).execute(() -> {
            throw new IllegalStateException("alive");
        });
        assertThatThrownBy(scheduler::runAll)
                .isInstanceOf(AssertionError.class)
                .hasMessageEndingWith("threw java.lang.IllegalStateException: alive");
    }

    @Test
    void the_crash_of_another_process_is_let_through() {
        var scheduler = new SeededScheduler(1);
        var other = CrashPoints.at(1);
        CrashPoints.none().around(scheduler).execute(() -> other.pass("there"));
        assertThatThrownBy(scheduler::runAll).hasMessage("The process crashed at point 1, there.");
    }

    @Test
    void points_are_numbered_from_one() {
        assertThatThrownBy(() -> CrashPoints.at(2, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("A crash was asked for at point 0; expected 1 or more. Use none() for a run without a"
                        + " crash.");
    }

    /** Keeps states that can be read no more. */
    private static final class Unreadable implements CheckpointStore {
        @Override
        public Optional<Checkpoint> load(String name) {
            throw new IllegalStateException("cannot be read");
        }

        @Override
        public Optional<Position> position(String name) {
            return Optional.of(Position.of(7));
        }

        @Override
        public void save(String name, Checkpoint checkpoint) {}

        @Override
        public void delete(String name) {}
    }

    @Test
    void the_position_of_a_checkpoint_is_given_also_where_its_state_cannot_be_read() {
        var crashes = CrashPoints.none();
        var checkpoints = crashes.around(new Unreadable());

        assertThat(checkpoints.position("view")).contains(Position.of(7));
        crashes.restart();
        assertThatThrownBy(() -> checkpoints.position("view")).isInstanceOf(SimulatedCrash.class);
    }

    @Test
    void the_position_of_a_checkpoint_is_given_in_a_simulation_too() {
        var found = new ArrayList<Object>();
        Simulation.<String, Simulation.World<String>>of(clock -> new Simulation.World<>() {
                    @Override
                    public void start(Simulation.Host host) {
                        found.add(host.around(new Unreadable()).position("view"));
                    }

                    @Override
                    public Object perform(String action, String id) {
                        return action;
                    }

                    @Override
                    public void done(String action, String id, Object result) {}

                    @Override
                    public void refused(String action, String id, Exception thrown) {}

                    @Override
                    public void unknown(String action, String id) {}

                    @Override
                    public void checkAtRest() {}
                })
                .action("nothing", 1, random -> "nothing")
                .steps(1)
                .explore(1, 1);

        assertThat(found).isNotEmpty().containsOnly(Optional.of(Position.of(7)));
    }
}
