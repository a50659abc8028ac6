package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.saga.ProcessManager;
import dev.cqrs.saga.Reaction;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaFailure;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Weighed;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** What becomes of sagas when an engine is started again, with other versions, or behind what has happened meanwhile. */
public abstract class SagaDeploymentSuite extends SagaSuite {

    /** Over logs that the extending class makes. */
    protected SagaDeploymentSuite() {}

    // ---- versions

    @Test
    void a_saga_ends_under_the_version_it_was_started_under_as_long_as_that_is_there() {
        var first = waiting();
        var second = job().version(2)
                .step("a", known -> known.part("new a"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("new b"))
                .build();
        start(first).close();
        var engine = start(first);
        order("j");
        executor.runFor(MINUTE);
        engine.close();
        try (var both = start(first, second)) {
            order("k");
            executor.runFor(MINUTE);
            Parts.append(domain, new Packed("j"));
            Parts.append(domain, new Packed("k"));
            executor.runAll();
            assertThat(done()).containsExactly("a", "b");
            assertThat(Parts.done(domain, "k")).containsExactly("new a", "new b");
            assertThat(both.find("job", "k").orElseThrow().version()).isEqualTo(2);
        }
    }

    @Test
    void without_its_version_a_saga_goes_on_under_the_newest_behind_the_steps_that_are_known_by_name() {
        var engine = start(waiting());
        order("j");
        executor.runFor(MINUTE);
        engine.close();
        var second = job().version(2)
                .step("before", known -> known.part("before"))
                .step("a", known -> known.part("new a"))
                .await("packed", Packed.class, Packed::job)
                .step("c", known -> known.part("c"))
                .build();
        try (var newer = start(second)) {
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(done()).containsExactly("a", "c");
            assertThat(state(newer)).isEqualTo(State.COMPLETED);
        }
    }

    /** Leaves version 1 with step b done, and step a waiting to be tried again. */
    private void leaveWaitingAtA(int fails) {
        var first = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .retry(Duration.ofMinutes(10), Duration.ofMinutes(10))
                        .step("b", known -> known.part("b")))
                .step("c", known -> known.part("c"))
                .build();
        failAt("a", fails);
        var engine = start(first);
        order("j");
        executor.runFor(MINUTE);
        engine.close();
        assertThat(done()).containsExactly("b");
    }

    private static Saga.Builder<Known> oneAfterTheOther() {
        return job().version(2)
                .step("a", known -> known.part("a"))
                .retry(Duration.ofMinutes(10), Duration.ofMinutes(10))
                .step("b", known -> known.part("b"));
    }

    @Test
    void a_step_that_waits_to_be_tried_again_is_waited_for_though_a_newer_version_has_it_before_one_that_is_done() {
        leaveWaitingAtA(2);
        try (var newer =
                start(oneAfterTheOther().step("c", known -> known.part("c")).build())) {
            executor.runFor(Duration.ofMinutes(12));
            assertThat(done()).containsExactly("b");
            executor.runFor(Duration.ofMinutes(12));
            assertThat(done()).containsExactly("b", "a", "c");
            assertThat(state(newer)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void what_a_newer_version_has_before_a_step_that_is_done_fails_as_it_did() {
        leaveWaitingAtA(9);
        try (var newer =
                start(oneAfterTheOther().step("c", known -> known.part("c")).build())) {
            executor.runAll();
            assertThat(done()).containsExactly("b");
            assertThat(state(newer)).isEqualTo(State.COMPENSATED);
            assertThat(newer.status().count(State.COMPLETED)).isZero();
        }
    }

    @Test
    void a_step_dropped_beside_what_was_a_pivot_when_it_was_begun_waits_for_an_operator() {
        // given a pivot of which it is not known whether it took effect
        var first = job().pivot("p", known -> known.part("p"))
                .unsure(UncheckedIOException.class)
                .retry(MINUTE, MINUTE)
                .step("a", known -> known.part("a"))
                .build();
        var times = new int[2];
        before = (command, data) -> {
            if (command.part().equals("p") && times[0]++ < 2) {
                throw new UncheckedIOException(new IOException("cut"));
            }
            if (command.part().equals("a") && times[1]++ < 1) {
                throw new IllegalStateException("out of order");
            }
        };
        var engine = start(first);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        engine.close();

        // when a newer version has a step beside it, which has failed when the saga is cancelled
        var second = job().version(2)
                .parallel(both -> both.step("p", known -> known.part("p"))
                        .unsure(UncheckedIOException.class)
                        .retry(MINUTE, MINUTE)
                        .step("a", known -> known.part("a"))
                        .retry(Duration.ofMinutes(10)))
                .build();
        try (var newer = start(second)) {
            executor.runFor(Duration.ofSeconds(90));
            assertThat(times).containsExactly(2, 1);
            assertThat(newer.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();

            // then the pivot has it go on, and the other step does not keep it for ever
            assertThat(done()).containsExactly("p");
            assertThat(state(newer)).isEqualTo(State.PARKED);
            assertThat(find(newer).reason()).contains("Step \"a\" had no effect", "out of order");
            assertThat(newer.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("p", "a");
            assertThat(state(newer)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_saga_whose_version_was_changed_is_parked_and_no_step_that_now_comes_before_is_left_out() {
        // given one that waits behind its first step
        var first = waiting();
        var engine = start(first);
        order("j");
        executor.runFor(MINUTE);
        engine.close();

        // when another step comes before, under the same version
        var changed = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("before", known -> known.part("before"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("b"))
                .build();
        try (var second = start(changed)) {
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(state(second)).isEqualTo(State.PARKED);
            assertThat(find(second).reason()).contains("\"before\"", "\"packed\"", "version 1", "version(...)");
            assertThat(second.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(state(second)).isEqualTo(State.PARKED);
            assertThat(done()).containsExactly("a");
        }

        // then it goes on where its own definition is there again
        try (var again = start(first)) {
            assertThat(again.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("a", "b");
            assertThat(state(again)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_step_that_another_version_has_passed_is_left_out_by_its_own_as_well() {
        // given one that waits behind its first step
        var first = job().step("a", known -> known.part("a"))
                .await("packed", Packed.class, Packed::job)
                .step("check", known -> known.part("check"))
                .step("b", known -> known.part("b"))
                .await("weighed", Weighed.class, Weighed::job)
                .step("c", known -> known.part("c"))
                .step("d", known -> known.part("d"))
                .build();
        var engine = start(first);
        order("j");
        executor.runFor(MINUTE);
        engine.close();

        // when an engine has it for a while that knows only of the next version, in which a step is missing
        var second = job().version(2)
                .step("a", known -> known.part("a"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("b"))
                .await("weighed", Weighed.class, Weighed::job)
                .step("d", known -> known.part("d"))
                .build();
        try (var newer = start(second)) {
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(done()).containsExactly("a", "b");
            assertThat(state(newer)).isEqualTo(State.WAITING);
        }

        // then its own version goes on behind what was done
        try (var both = start(first, second)) {
            Parts.append(domain, new Weighed("j"));
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "c", "d");
            assertThat(state(both)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void one_that_is_parked_as_its_version_was_changed_can_be_cancelled() {
        var engine = start(waiting());
        order("j");
        executor.runFor(MINUTE);
        engine.close();
        var changed = job().step("before", known -> known.part("before"))
                .compensate(known -> known.part("undo before"))
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .await("packed", Packed.class, Packed::job)
                .build();
        try (var second = start(changed)) {
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(state(second)).isEqualTo(State.PARKED);
            assertThat(second.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(second)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_saga_at_a_step_that_its_version_does_not_know_is_parked_and_so_is_one_that_has_to_undo_it() {
        var old = three(job())
                .await("packed", Packed.class, Packed::job)
                .timeout(MINUTE)
                .build();
        var engine = start(old);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        engine.close();
        var newer = job().version(2)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("c", known -> known.part("c"))
                .compensate(known -> known.part("undo c"))
                .build();
        try (var second = start(newer)) {
            executor.runFor(Duration.ofMinutes(2));
            assertThat(state(second)).isEqualTo(State.PARKED);
            assertThat(find(second).step()).isEqualTo("packed");
            assertThat(find(second).reason()).contains("Version 2 of the saga does not know it");
            assertThat(second.skip("job", "j", "packed")).isTrue();
            assertThat(state(second)).isEqualTo(State.INCOMPLETE);

            assertThat(done()).containsExactly("a", "b", "c");
        }
    }

    @Test
    void a_command_that_was_to_be_tried_again_and_is_not_known_to_the_version_surely_had_no_effect() {
        failAt("b", 1);
        var old = three(job().retry(Duration.ofHours(1))).build();
        var engine = start(old);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        engine.close();
        var newer = job().version(2)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .build();
        try (var second = start(newer)) {
            executor.runFor(Duration.ofHours(2));
            assertThat(state(second)).isEqualTo(State.PARKED);
            assertThat(find(second).step()).isEqualTo("b");
            assertThat(second.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
        }
        try (var both = start(old, newer)) {
            assertThat(both.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/a/undo-1");
            assertThat(state(both)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void what_was_started_under_a_newer_version_is_left_to_those_who_have_it() {
        var newer = job().version(2)
                .step("a", known -> known.part("new a"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("new b"))
                .build();
        try (var old = start(engine(waiting()).name("old"))) {
            try (var second = start(engine(waiting(), newer).name("new"))) {
                assertThat(second.begin("job", "j", new Ordered("j"))).isTrue();
                executor.runFor(MINUTE);
            }
            order("k"); // of which the old one takes in a later event of that class
            executor.runFor(MINUTE);
            Parts.append(domain, new Packed("j"));
            Parts.append(domain, new Packed("k"));
            executor.runFor(MINUTE);
            assertThat(Parts.done(domain, "k")).containsExactly("a", "b");
            assertThat(done()).containsExactly("new a");
            assertThat(state(old)).isEqualTo(State.WAITING);
            assertThat(old.cancel("job", "j")).isEqualTo(Cancellation.UNKNOWN);
            try (var second = start(engine(waiting(), newer).name("new"))) {
                executor.runFor(MINUTE);
                assertThat(done()).containsExactly("new a", "new b");
                assertThat(state(second)).isEqualTo(State.COMPLETED);
            }
        }
    }

    @Test
    void a_step_to_be_undone_that_the_version_does_not_know_is_never_passed_over() {
        var old = three(job()).await("packed", Packed.class, Packed::job).build();
        var engine = start(old);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        engine.close();
        var newer = job().version(2)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("c", known -> known.part("c"))
                .compensate(known -> known.part("undo c"))
                .await("packed", Packed.class, Packed::job)
                .build();
        try (var second = start(newer)) {
            assertThat(second.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();
            assertThat(state(second)).isEqualTo(State.PARKED);
            assertThat(done()).containsExactly("a", "b", "c", "undo c");
        }
        try (var both = start(old, newer)) {
            assertThat(both.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
            assertThat(state(both)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void an_engine_that_told_of_a_command_before_it_ended_by_another_is_not_counted_for_it() {
        var saga = job().retry(MINUTE)
                .parallel(both -> both.step("a", known -> known.part("a")).step("b", known -> known.part("b")))
                .build();
        var crashes = new CrashPoints[1];
        before = (command, data) -> {
            if (ran.size() == 1) { // a
                executor.runFor(Duration.ZERO); // b beside it
                crashes[0].restart();
            } else if (ran.size() == 2) {
                throw new IllegalStateException("told of");
            } else if (ran.size() == 4) { // b
                crashes[0].restart();
            }
        };
        for (int i = 1; i <= 2; i++) {
            crashes[0] = CrashPoints.none();
            startCrashing(engineOver(crashes[0], saga).expiries(2), crashes[0]);
            if (i == 1) {
                order("j");
            }
            executor.runFor(MINUTE.multipliedBy(2));
        }
        assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/a/1", "job/j/b/2");
        try (var engine = start(engine(saga).expiries(2))) {
            executor.runFor(MINUTE);
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    // ---- starting again

    @Test
    void an_engine_that_was_saved_goes_on_from_there() {
        var checkpoints = emptyCheckpoints();
        var saga = waiting();
        var engine = start(engine(saga).checkpoints(checkpoints, "sagas"));
        order("over");
        Parts.append(domain, new Packed("over"));
        order("j");
        for (int i = 0; i < 20; i++) {
            order("k" + i);
        }
        executor.runFor(MINUTE);
        engine.close();
        assertThat(checkpoints.load("sagas")).isPresent();
        Parts.append(domain, new Packed("j"));
        try (var again = start(engine(saga).checkpoints(checkpoints, "sagas"))) {
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "b");
            assertThat(again.status().count(State.WAITING)).isEqualTo(20);
            assertThat(again.status().count(State.COMPLETED)).isEqualTo(2);
            executor.runFor(Duration.ofHours(1));
            assertThat(again.status().count(State.COMPENSATED)).isEqualTo(20);
        }
    }

    // ---- where a saga begins

    @Test
    void a_saga_that_is_new_is_started_by_no_event_that_was_there_before_with_or_without_a_checkpoint() {
        for (boolean saved : List.of(false, true)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            var checkpoints = emptyCheckpoints();
            Function<SagaEngine.Builder, SagaEngine> started =
                    engine -> start(saved ? engine.checkpoints(checkpoints, "sagas") : engine);
            order("old");
            try (var engine = started.apply(engine().add(three(job()).build()))) {
                order("j"); // at once, when the engine has not looked yet
                executor.runAll();
                assertThat(engine.find("job", "old")).isEmpty();
                assertThat(state(engine)).isEqualTo(State.COMPLETED);
            }
            order("while away");
            var later = three(job("later")).build();
            try (var engine = started.apply(engine().add(three(job()).build()).add(later))) {
                executor.runAll();
                order("k");
                executor.runAll();
                assertThat(engine.find("job", "old")).isEmpty();
                assertThat(engine.find("job", "while away")).isPresent();
                assertThat(engine.find("later", "while away")).isEmpty();
                assertThat(engine.find("later", "k")).isPresent();
                assertThat(engine.find("job", "k")).isPresent();
            }
        }
    }

    @Test
    void a_saga_that_is_to_begin_at_an_older_position_does_with_or_without_a_checkpoint() {
        for (boolean saved : List.of(false, true)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            var checkpoints = emptyCheckpoints();
            order("oldest");
            var from = domain.head();
            order("old");
            Function<SagaEngine.Builder, SagaEngine> started =
                    engine -> start(saved ? engine.checkpoints(checkpoints, "sagas") : engine);
            try (var engine = started.apply(engine().add(three(job()).build(), from))) {
                executor.runAll();
                assertThat(engine.find("job", "oldest")).isEmpty();
                assertThat(engine.find("job", "old")).isPresent();
            }
            var later = three(job("later")).build();
            try (var engine = started.apply(
                    engine().add(three(job()).build(), Position.START).add(later, Position.START))) {
                executor.runAll();
                assertThat(engine.find("later", "oldest")).isPresent();
                assertThat(engine.find("later", "old")).isPresent();
                assertThat(engine.find("job", "oldest"))
                        .as("it was there before")
                        .isEmpty();
                assertThat(engine.status().ignored()).isZero();
            }
        }
    }

    @Test
    void events_of_a_class_that_starts_a_saga_as_of_a_later_version_start_none_if_they_are_older() {
        for (boolean saved : List.of(false, true)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            var checkpoints = emptyCheckpoints();
            Function<SagaEngine.Builder, SagaEngine> started =
                    engine -> start(saved ? engine.checkpoints(checkpoints, "sagas") : engine);
            try (var engine = started.apply(engine().add(three(job()).build()))) {
                order("j");
                Parts.append(domain, new Packed("old"));
                executor.runAll();
                assertThat(state(engine)).isEqualTo(State.COMPLETED);
            }
            var second =
                    three(job().startedBy(Packed.class, Packed::job)).version(2).build();
            try (var engine = started.apply(engine().add(second))) {
                Parts.append(domain, new Packed("new"));
                executor.runAll();
                assertThat(engine.find("job", "old")).isEmpty();
                assertThat(engine.find("job", "new")).isPresent();
            }
        }
    }

    @Test
    void an_event_that_starts_a_later_version_is_not_lost_as_an_older_deployment_has_passed_it() {
        var checkpoints = emptyCheckpoints();
        var first = three(job()).build();
        var second =
                three(job().startedBy(Packed.class, Packed::job)).version(2).build();
        var old = start(engine(first).name("old").checkpoints(checkpoints, "sagas"));
        var newer = start(engine(first, second).name("new"));
        Parts.append(domain, new Packed("j"));
        executor.runFor(MINUTE);
        assertThat(newer.find("job", "j")).isPresent();
        newer.close();
        Parts.append(domain, new Packed("k"));
        order("l");
        executor.runFor(MINUTE);
        old.close();
        try (var again = start(engine(first, second).name("old").checkpoints(checkpoints, "sagas"))) {
            executor.runFor(MINUTE);
            assertThat(again.find("job", "k")).isPresent();
        }
    }

    @Test
    void events_are_not_lost_to_a_saga_that_goes_on_under_a_later_version_with_or_without_a_checkpoint() {
        goOnUnderALaterVersion(false);
    }

    @Test
    void events_are_not_lost_to_a_saga_whose_version_is_taken_away_with_or_without_a_checkpoint() {
        goOnUnderALaterVersion(true);
    }

    private void goOnUnderALaterVersion(boolean beside) {
        var first = job().step("a", known -> known.part("a"))
                .await("packed", Packed.class, Packed::job)
                .build();
        var second = job().version(2)
                .step("a", known -> known.part("a"))
                .await("packed", Packed.class, Packed::job)
                .await("weighed", Weighed.class, Weighed::job)
                .build();
        for (boolean saved : List.of(false, true)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            var checkpoints = emptyCheckpoints();
            Function<SagaEngine.Builder, SagaEngine> started =
                    engine -> start(saved ? engine.checkpoints(checkpoints, "sagas") : engine);
            try (var engine = started.apply(engine(first))) {
                order("j");
                executor.runFor(MINUTE);
                assertThat(state(engine)).isEqualTo(State.WAITING);
            }
            try (var engine = started.apply(beside ? engine(first, second) : engine(first))) {
                Parts.append(domain, new Weighed("j")); // which the first version does not wait for
                order("k");
                executor.runFor(MINUTE);
                assertThat(state(engine)).isEqualTo(State.WAITING);
            }
            try (var engine = started.apply(engine(second))) {
                Parts.append(domain, new Packed("j"));
                executor.runFor(MINUTE);
                assertThat(state(engine)).isEqualTo(State.COMPLETED);
            }
        }
    }

    @Test
    void events_are_not_lost_to_a_version_that_is_taken_back_with_or_without_a_checkpoint() {
        var first = job().await("packed", Packed.class, Packed::job).build();
        var second = Saga.named("job", Parts.KNOWN)
                .version(2)
                .startedBy(Weighed.class, Weighed::job)
                .step("a", known -> known.part("a"))
                .build();
        for (boolean saved : List.of(false, true)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            var checkpoints = emptyCheckpoints();
            Function<SagaEngine.Builder, SagaEngine> started =
                    engine -> start(saved ? engine.checkpoints(checkpoints, "sagas") : engine);
            try (var engine = started.apply(engine(first))) {
                order("j");
                executor.runFor(MINUTE);
                assertThat(state(engine)).isEqualTo(State.WAITING);
            }
            try (var engine = started.apply(engine(second))) {
                Parts.append(domain, new Packed("j")); // which the second version takes no notice of
                order("k");
                executor.runFor(MINUTE);
                assertThat(state(engine)).isEqualTo(State.WAITING);
            }
            try (var engine = started.apply(engine(first))) {
                executor.runFor(MINUTE);
                assertThat(state(engine)).isEqualTo(State.COMPLETED);
                assertThat(engine.find("job", "k")).isPresent();
            }
        }
    }

    @Test
    void what_is_begun_by_hand_takes_in_no_event_from_before_also_after_a_restart() {
        var saga = Saga.named("job", Parts.KNOWN)
                .await("packed", Packed.class, Packed::job)
                .step("a", known -> known.part("a"))
                .build();
        try (var engine = start(saga)) {
            Parts.append(domain, new Packed("j"));
            assertThat(engine.begin("job", "j", new Ordered("j"))).isTrue();
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.WAITING);
            assertThat(engine.history("job", "j")).contains("begun by hand with ordered");
        }
        try (var engine = start(saga)) {
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.WAITING);
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(done()).containsExactly("a");
        }
    }

    @Test
    void an_event_that_came_in_time_counts_however_many_stand_in_front_of_it_when_the_engine_comes_back() {
        var saga = waiting();
        var engine = start(saga);
        order("j");
        order("late");
        executor.runFor(MINUTE);
        engine.close();
        for (int i = 0; i < 250; i++) {
            Parts.append(domain, new Packed("of nobody"));
        }
        Parts.append(domain, new Packed("j"));
        executor.runFor(Duration.ofHours(1));
        try (var again = start(saga)) {
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "b");
            assertThat(state(again)).isEqualTo(State.COMPLETED);
            assertThat(Parts.done(domain, "late")).containsExactly("a", "undo a");
        }
    }

    @Test
    void while_the_domains_log_is_away_retries_and_take_overs_go_on_and_times_of_events_wait() {
        var away = new boolean[1];
        var log = domain;
        var saga = waiting();
        var retried = job("retried")
                .step("a", known -> known.part("retried"))
                .retry(Duration.ofMinutes(10))
                .build();
        failAt("retried", 1);
        domain = goingAway(away);
        var engine = engine(saga, retried).build();
        engine.start(bus(log), executor, executor::schedule, failures::add);
        try (engine) {
            Parts.append(log, new Ordered("j"));
            executor.runFor(MINUTE);
            away[0] = true;
            Parts.append(log, new Packed("j"));
            executor.runFor(Duration.ofHours(1));
            assertThat(Parts.done(log, "j")).containsExactly("a", "retried");
            assertThat(engine.find("retried", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
            assertThat(state(engine)).isEqualTo(State.WAITING);
            away[0] = false;
            executor.runFor(MINUTE);
            assertThat(Parts.done(log, "j")).containsExactly("a", "retried", "b");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void what_was_written_though_the_log_did_not_say_so_is_answered_and_told_as_if_it_had() {
        var log = operations;
        var told = new HashSet<Position>();
        var cut = new boolean[1];
        operations = whenCalled(log, (method, real) -> {
            var result = call(real);
            if (method.equals("append") && cut[0] && told.add(log.head())) {
                throw new AppendOutcomeUnknownException("it", new IllegalStateException("cut"));
            }
            return result;
        });
        var saga = three(job()).step("d", known -> known.part("d!")).build();
        before = (command, data) -> {
            if (command.part().equals("undo b") || command.part().equals("undo a")) {
                throw new IllegalStateException("out of order");
            }
        };
        try (var engine = start(saga)) {
            executor.runAll();
            cut[0] = true;
            assertThat(engine.begin("job", "j", new Ordered("j"))).isTrue();
            assertThat(engine.begin("job", "j", new Ordered("j"))).isFalse();
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(failures.stream().map(SagaFailure::step)).containsExactly("d", "b");
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(failures).hasSize(3);
            assertThat(engine.skip("job", "j", "b")).isTrue();
            executor.runAll();
            assertThat(failures).hasSize(4);
            assertThat(find(engine).skipped()).containsExactly("undo of b");
            assertThat(engine.settle("job", "j", "job/j/a/undo-1", Finding.TOOK_EFFECT))
                    .isTrue();
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.INCOMPLETE);
        }
    }

    @Test
    void an_event_for_what_another_engine_has_just_started_is_not_lost_because_an_operator_asked_for_it_before() {
        var first = waiting();
        var second = job().version(2)
                .step("a", known -> known.part("new a"))
                .await("wrapped", Packed.class, Packed::job)
                .build();
        var hook = new Runnable[] {() -> {}, () -> {}};
        var fresh = whenCalled(domain, (method, real) -> method.equals("head") ? Position.START : call(real));
        var other = SagaEngine.builder(operations, clock)
                .name("other")
                .add(first)
                .domain(fresh)
                .build();
        var engine = SagaEngine.builder(whenCalled(operations, (method, real) -> run(hook, 0, method, real)), clock)
                .name("sagas")
                .add(first)
                .add(second)
                .domain(whenCalled(domain, (method, real) -> run(hook, 1, method, real)))
                .build();
        engine.start(bus(domain), executor, executor::schedule, failures::add);
        try (engine) {
            executor.runAll();
            Parts.append(domain, new Packed("j"));
            hook[1] =
                    () -> assertThat(other.begin("job", "j", new Ordered("j"))).isTrue();
            hook[0] = executor::runAll; // an operator asks, and meanwhile it is started elsewhere, and its event comes
            assertThat(engine.resume("job", "j")).isFalse();
            executor.runAll();
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "b");
        }
    }

    private static Object run(Runnable[] hooks, int which, String method, Callable<Object> real) {
        if (method.equals("read")) {
            var hook = hooks[which];
            hooks[which] = () -> {};
            hook.run();
        }
        return call(real);
    }

    @Test
    void whenever_the_clock_throws_once_that_is_told_and_the_engine_goes_on() {
        boolean threw = true;
        int toldOf = 0;
        for (int at = 1; threw; at++) {
            executor = new SeededScheduler(at, new VirtualClock(START));
            operations = new InMemoryEventStore(Parts.operations(), executor.clock()); // fast, as it is opened often
            domain = new InMemoryEventStore(Parts.domain(), executor.clock());
            failures.clear();
            int wanted = at;
            var calls = new int[1];
            var virtual = executor.clock();
            var clock = new Clock() {
                @Override
                public ZoneId getZone() {
                    return virtual.getZone();
                }

                @Override
                public Clock withZone(ZoneId zone) {
                    return virtual.withZone(zone);
                }

                @Override
                public Instant instant() {
                    if (++calls[0] == wanted) {
                        throw new IllegalStateException("no time");
                    }
                    return virtual.instant();
                }
            };
            var engine = SagaEngine.builder(operations, clock)
                    .name("sagas")
                    .add(three(job()).build())
                    .domain(domain)
                    .atOnce(1)
                    .build();
            engine.start(bus(domain), executor, executor::schedule, failures::add);
            order("j");
            executor.runFor(MINUTE);
            order("k");
            executor.runFor(MINUTE);
            threw = calls[0] >= wanted;
            assertThat(done()).as("the clock's call %s", at).containsExactly("a", "b", "c");
            assertThat(Parts.done(domain, "k")).as("the clock's call %s", at).containsExactly("a", "b", "c");
            assertThat(failures)
                    .allSatisfy(failure -> assertThat(failure.cause()).hasMessage("no time"));
            toldOf += failures.size();
            engine.close();
        }
        assertThat(toldOf).isPositive();
    }

    /** The domain's log, of which nothing can be read while it is away. */
    private EventStore goingAway(boolean[] away) {
        var log = domain;
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    if (away[0] && method.getName().equals("read")) {
                        throw new UncheckedIOException(new IOException("away"));
                    }
                    return method.invoke(log, args);
                });
    }

    @Test
    void an_event_that_came_in_time_counts_also_beside_a_step_that_is_tried_again_meanwhile() {
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .retry(Duration.ofMinutes(10), Duration.ofMinutes(10))
                        .compensate(known -> known.part("undo a"))
                        .await("packed", Packed.class, Packed::job)
                        .timeout(Duration.ofMinutes(5)))
                .step("b", known -> known.part("b"))
                .build();
        var away = new boolean[1];
        failAt("a", 4); // two at each
        try (var engine = start(engine(saga).domain(goingAway(away)))) {
            order("j");
            order("late");
            executor.runFor(MINUTE);
            away[0] = true;
            Parts.append(domain, new Packed("j"));
            executor.runFor(Duration.ofMinutes(12));
            assertThat(ran).hasSize(4);
            assertThat(done()).isEmpty();
            executor.runFor(Duration.ofMinutes(12)); // the second delay, while the time of "packed" is over and waits
            assertThat(done()).containsExactly("a");
            assertThat(Parts.done(domain, "late")).containsExactly("a");
            assertThat(state(engine)).isEqualTo(State.WAITING);

            away[0] = false;
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "b");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
            assertThat(Parts.done(domain, "late")).containsExactly("a", "undo a");
        }
    }

    @Test
    void an_event_that_came_in_time_counts_also_beside_a_command_that_is_under_way() {
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .retry(MINUTE)
                        .compensate(known -> known.part("undo a"))
                        .await("packed", Packed.class, Packed::job)
                        .timeout(Duration.ofMinutes(5)))
                .step("b", known -> known.part("b"))
                .build();
        var engines = new SagaEngine[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                engines[0].close(); // ends with this
                throw new IllegalStateException("out of order");
            }
        };
        engines[0] = start(saga);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        for (int i = 0; i < 250; i++) {
            Parts.append(domain, new Packed("of nobody"));
        }
        Parts.append(domain, new Packed("j"));
        executor.runFor(Duration.ofHours(1));
        try (var again = start(saga)) {
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "b");
            assertThat(state(again)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void an_event_that_came_in_time_counts_also_for_a_process_manager_whose_command_is_tried_again() {
        var manager = ProcessManager.named("job", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, ordered) -> List.of(
                                Reaction.send(known.part("a")), Reaction.startTimer("late", Duration.ofMinutes(5))))
                .on(Packed.class, Packed::job, (known, packed) -> List.of(Reaction.stopTimer("late")))
                .onTimer("late", known -> List.of(Reaction.send(known.part("remind"))))
                .retry(Duration.ofMinutes(10))
                .build();
        var away = new boolean[1];
        failAt("a", 1);
        var builder =
                SagaEngine.builder(operations, clock).name("sagas").add(manager).domain(goingAway(away));
        try (var engine = start(builder)) {
            order("j");
            executor.runFor(MINUTE);
            away[0] = true;
            Parts.append(domain, new Packed("j"));
            executor.runFor(Duration.ofMinutes(20));
            assertThat(done()).containsExactly("a");
            away[0] = false;
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a");
            assertThat(find(engine).wake()).isEmpty();
        }
    }

    /** The domain's log, in which an order for "j+k" is read as two of one place, as if an upcaster had split it. */
    private EventStore splitting() {
        var log = domain;
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, args) -> {
                    var found = method.invoke(log, args);
                    return found instanceof EventStream stream ? split(stream) : found;
                });
    }

    private static EventStream split(EventStream stream) {
        var half = new int[1];
        return (EventStream) Proxy.newProxyInstance(
                EventStream.class.getClassLoader(), new Class<?>[] {EventStream.class}, (proxy, method, args) -> {
                    if (method.getName().equals("advance")) {
                        if (half[0] == 1) {
                            half[0] = 2;
                            return true;
                        }
                        half[0] = 0;
                        boolean more = stream.advance();
                        half[0] = more
                                        && stream.event() instanceof Ordered ordered
                                        && ordered.job().contains("+")
                                ? 1
                                : 0;
                        return more;
                    }
                    if (half[0] > 0 && method.getName().equals("event")) {
                        return half(stream.event(), half[0]);
                    }
                    if (half[0] > 0 && method.getName().equals("goesOnHere")) {
                        return half[0] == 1;
                    }
                    if (half[0] > 0 && method.getName().equals("recorded")) {
                        var all = stream.recorded();
                        return new RecordedEvent(
                                all.position(),
                                all.name(),
                                half(all.event(), half[0]),
                                all.tags(),
                                all.metadata(),
                                all.recordedAt());
                    }
                    return method.invoke(stream, args);
                });
    }

    private static Ordered half(Object ordered, int which) {
        return new Ordered(((Ordered) ordered).job().split("\\+", -1)[which - 1]);
    }

    @Test
    void an_event_that_is_read_as_several_starts_an_instance_for_each() {
        try (var engine = start(engine(three(job()).build()).domain(splitting()))) {
            order("j+k");
            executor.runAll();
            assertThat(Parts.done(domain, "j")).containsExactly("a", "b", "c");
            assertThat(Parts.done(domain, "k")).containsExactly("a", "b", "c");
            assertThat(engine.status().ignored()).isZero();
        }
    }

    @Test
    void of_an_event_that_is_read_as_several_each_instance_that_could_not_keep_it_goes_on_with_its_own() {
        // given two sagas, one that begins with it and one that waits for it, and a log that does not take it
        var ordered = job().step("a", known -> known.part("a")).build();
        var waits = Saga.named("waits", Parts.KNOWN)
                .startedBy(Packed.class, Packed::job)
                .await("ordered", Ordered.class, Ordered::job)
                .step("b", known -> known.part("b"))
                .build();
        var refuses = new boolean[] {true};
        var log = refusing(event -> refuses[0] && event instanceof Ordered);
        try (var engine = start(SagaEngine.builder(log, clock)
                .name("sagas")
                .add(ordered)
                .add(waits)
                .domain(splitting()))) {
            Parts.append(domain, new Packed("j"));
            Parts.append(domain, new Packed("k"));
            order("j+k");
            executor.runFor(MINUTE);
            assertThat(engine.status().count(State.PARKED)).isEqualTo(4);

            // when
            refuses[0] = false;
            for (var key : List.of("j", "k")) {
                assertThat(engine.resume("job", key)).isTrue();
                assertThat(engine.resume("waits", key)).isTrue();
            }
            executor.runFor(MINUTE);

            // then
            assertThat(Parts.done(domain, "j")).containsExactlyInAnyOrder("a", "b");
            assertThat(Parts.done(domain, "k")).containsExactlyInAnyOrder("a", "b");
            assertThat(engine.status().count(State.COMPLETED)).isEqualTo(4);
        }
    }

    @Test
    void an_engine_that_gets_a_version_or_a_saga_reads_what_was_saved_without_them_and_misses_no_event() {
        var checkpoints = emptyCheckpoints();
        var first = waiting();
        var second = job().version(2)
                .step("a", known -> known.part("new a"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("new b"))
                .build();
        var moved = job("moved")
                .step("a", known -> known.part("moved a"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("moved b"))
                .build();
        var added = job("added").step("a", known -> known.part("added")).build();
        var old = start(engine(first).name("old").checkpoints(checkpoints, "sagas"));
        var newer = start(engine(first, second, moved).name("new"));
        assertThat(newer.begin("job", "j", new Ordered("j"))).isTrue();
        executor.runFor(MINUTE);
        Parts.append(domain, new Weighed("nothing"));
        order("k"); // starts "moved" of "k"
        executor.runFor(MINUTE);
        newer.close();
        Parts.append(domain, new Packed("j"));
        Parts.append(domain, new Packed("k"));
        executor.runFor(MINUTE);
        assertThat(done()).containsExactly("new a");
        old.close();
        assertThat(checkpoints.load("sagas")).isPresent();
        try (var both =
                start(engine(first, second, moved).add(added).name("old").checkpoints(checkpoints, "sagas"))) {
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("new a", "new b");
            assertThat(Parts.done(domain, "k")).contains("moved a", "moved b");
            assertThat(both.find("added", "k")).isEmpty();
            order("l");
            executor.runFor(MINUTE);
            assertThat(Parts.done(domain, "l")).containsExactlyInAnyOrder("new a", "moved a", "added");
        }
    }

    @Test
    void an_engine_that_has_a_saga_no_more_counts_none_of_its_instances_though_they_were_saved() {
        // given
        var checkpoints = emptyCheckpoints();
        var job = waiting();
        var moved = job("moved").await("weighed", Weighed.class, Weighed::job).build();
        var engine = start(engine(job, moved).checkpoints(checkpoints, "sagas"));
        order("j");
        executor.runFor(MINUTE);
        engine.close();

        // when
        try (var later = start(engine(job).checkpoints(checkpoints, "sagas"))) {
            executor.runFor(MINUTE);

            // then
            assertThat(later.status().count(State.WAITING)).isEqualTo(1);
            assertThat(later.list(SagaEngine.Filter.all(), 1))
                    .extracting(one -> one.saga())
                    .containsExactly("job");
        }
    }
}
