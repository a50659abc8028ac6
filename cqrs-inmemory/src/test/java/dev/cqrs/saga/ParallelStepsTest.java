package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Weighed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Steps beside each other: commands, and events that are waited for, of which one fails, is late, or is not known of. */
class ParallelStepsTest {

    private static final Do A = new Do("j", "a");
    private static final Do B = new Do("j", "b");
    private static final Do C = new Do("j", "c");
    private static final Do D = new Do("j", "d");
    private static final Do UNDO_A = new Do("j", "undo a");
    private static final Do UNDO_B = new Do("j", "undo b");
    private static final Do UNDO_D = new Do("j", "undo d");
    private static final Duration SOON = Duration.ofSeconds(10);
    private static final Duration BEFORE = Duration.ofMinutes(20).minusMillis(1);

    private static Saga<Known> saga() {
        return Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .unsure(UncheckedIOException.class)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .parallel(beside -> beside.step("b", known -> known.part("b"))
                        .retry(SOON)
                        .timeout(Duration.ofMinutes(20))
                        .compensate(known -> known.part("undo b"))
                        .await("packed", Packed.class, Packed::job)
                        .timeout(Duration.ofMinutes(30))
                        .await("weighed", Weighed.class, Weighed::job)
                        .step("d", known -> known.part("d"))
                        .compensate(known -> known.part("undo d")))
                .step("c", known -> known.part("c"))
                .build();
    }

    /** An instance that has all of them under way. */
    private static SagaScenario<Known> underWay() {
        return SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "done")
                .thenCommands(B, D)
                .thenState(State.RUNNING);
    }

    private static RejectedException never() {
        return new RejectedException(Do.class, "never");
    }

    private static UncheckedIOException cut() {
        return new UncheckedIOException(new IOException("cut"));
    }

    @Test
    void the_next_step_waits_for_all_of_them_in_whatever_order_they_end() {
        Map<String, UnaryOperator<SagaScenario<Known>>> ends = Map.of(
                "b", scenario -> scenario.whenReturned(B, "done"),
                "d", scenario -> scenario.whenReturned(D, "done"),
                "packed", scenario -> scenario.when(new Packed("j")),
                "weighed", scenario -> scenario.when(new Weighed("j")));
        for (var order : List.of(
                List.of("b", "d", "packed", "weighed"),
                List.of("packed", "weighed", "b", "d"),
                List.of("weighed", "d", "b", "packed"),
                List.of("d", "packed", "weighed", "b"))) {
            var scenario = underWay();
            for (int i = 0; i < 4; i++) {
                scenario = Objects.requireNonNull(ends.get(order.get(i))).apply(scenario);
                if (i < 3) {
                    scenario.thenCommands();
                    boolean waits = order.subList(i + 1, 4).stream().noneMatch(left -> left.length() == 1);
                    scenario.thenState(waits ? State.WAITING : State.RUNNING);
                }
            }
            scenario.thenCommands(C)
                    .then(known -> assertThat(known.receipts()).containsExactlyInAnyOrder("packed", "weighed"))
                    .whenReturned(C, "done")
                    .thenState(State.COMPLETED);
            assertThat(scenario.ignored()).isZero();
        }
    }

    @Test
    void an_event_that_came_before_its_step_was_begun_is_had_by_then_and_only_once() {
        var scenario = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .when(new Packed("j"))
                .when(new Packed("j"))
                .whenReturned(A, "done")
                .thenCommands(B, D)
                .whenReturned(B, "done")
                .whenReturned(D, "done")
                .thenState(State.WAITING)
                .when(new Packed("j"))
                .thenState(State.WAITING)
                .when(new Weighed("j"))
                .thenCommands(C);
        assertThat(scenario.ignored()).as("what came a second and a third time").isEqualTo(2);
    }

    @Test
    void one_that_fails_has_those_beside_it_undone_as_soon_as_it_is_known_what_became_of_them() {
        underWay()
                .when(new Packed("j"))
                .whenThrown(B, never())
                .thenCommands()
                .thenState(State.RUNNING)
                .when(new Weighed("j"))
                .thenCommands()
                .whenReturned(D, "done")
                .thenCommands(UNDO_D)
                .thenState(State.COMPENSATING)
                .whenReturned(UNDO_D, "done")
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "done")
                .thenState(State.COMPENSATED);
    }

    @Test
    void what_took_effect_last_is_undone_first() {
        underWay()
                .whenReturned(D, "done")
                .whenReturned(B, "done")
                .whenTimePasses(Duration.ofMinutes(30))
                .thenCommands(UNDO_B)
                .whenReturned(UNDO_B, "done")
                .thenCommands(UNDO_D)
                .whenReturned(UNDO_D, "done")
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "done")
                .thenState(State.COMPENSATED);
    }

    @Test
    void a_step_whose_time_is_over_is_undone_where_it_took_effect_all_the_same() {
        underWay()
                .whenReturned(D, "done")
                .whenTimePasses(BEFORE)
                .thenCommands()
                .thenState(State.RUNNING)
                .whenTimePasses(Duration.ofMillis(1))
                .thenCommands()
                .whenReturned(B, "done")
                .thenCommands(UNDO_B)
                .whenReturned(UNDO_B, "done")
                .thenCommands(UNDO_D)
                .whenReturned(UNDO_D, "done")
                .whenReturned(UNDO_A, "done")
                .thenState(State.COMPENSATED);
    }

    @Test
    void the_time_of_a_step_does_not_run_out_when_it_is_done() {
        underWay()
                .whenReturned(B, "done")
                .whenReturned(D, "done")
                .whenTimePasses(Duration.ofMinutes(29))
                .thenCommands()
                .when(new Packed("j"))
                .thenState(State.WAITING)
                .whenTimePasses(Duration.ofDays(100)) // the other has all the time there is
                .thenState(State.WAITING)
                .when(new Weighed("j"))
                .thenCommands(C);
    }

    @Test
    void one_that_waits_to_be_tried_again_is_not_when_the_time_of_another_is_over() {
        underWay()
                .whenReturned(D, "done")
                .whenTimePasses(Duration.ofMinutes(20).minusSeconds(5))
                .whenThrown(B, new IllegalStateException("not now"))
                .thenCommands()
                .whenTimePasses(Duration.ofSeconds(4))
                .thenCommands()
                .whenTimePasses(Duration.ofSeconds(1)) // its own time is over before the delay
                .thenCommands(UNDO_D)
                .whenTimePasses(Duration.ofMinutes(1))
                .thenCommands()
                .whenReturned(UNDO_D, "done")
                .thenCommands(UNDO_A);
    }

    @Test
    void one_that_is_tried_again_has_its_own_delay_whatever_ends_beside_it() {
        underWay()
                .whenThrown(B, new IllegalStateException("not now"))
                .whenReturned(D, "done")
                .when(new Packed("j"))
                .when(new Weighed("j"))
                .thenCommands()
                .thenState(State.WAITING)
                .whenTimePasses(SOON.minusMillis(1))
                .thenCommands()
                .whenTimePasses(Duration.ofMillis(1))
                .thenCommands(B)
                .thenState(State.RUNNING)
                .whenReturned(B, "done")
                .thenCommands(C);
    }

    @Test
    void one_of_which_nothing_is_known_parks_the_saga_and_those_beside_it_end() {
        underWay()
                .whenThrown(B, cut())
                .whenTimePasses(SOON)
                .thenCommands(B)
                .whenReturned(D, "done")
                .whenThrown(B, cut())
                .thenState(State.PARKED)
                .when(new Packed("j"))
                .when(new Weighed("j"))
                .thenCommands()
                .thenState(State.PARKED)
                .whenSettled(B, Finding.TOOK_EFFECT)
                .thenState(State.PARKED)
                .whenResumed()
                .thenCommands(C);
        underWay()
                .whenThrown(B, cut())
                .whenTimePasses(SOON)
                .whenReturned(D, "done")
                .whenThrown(B, cut())
                .thenState(State.PARKED)
                .whenSettled(B, Finding.NO_EFFECT)
                .thenState(State.PARKED)
                .whenResumed()
                .thenCommands(B)
                .thenState(State.RUNNING)
                .whenThrown(B, never())
                .thenCommands(UNDO_D);
    }

    @Test
    void one_of_which_nothing_is_known_is_seen_to_before_those_beside_it_are_undone() {
        underWay()
                .whenThrown(B, cut())
                .thenCommands()
                .whenThrown(D, never())
                .thenCommands()
                .whenTimePasses(SOON)
                .thenCommands(B)
                .whenThrown(B, cut())
                .thenCommands()
                .thenState(State.PARKED)
                .whenSettled(B, Finding.TOOK_EFFECT)
                .thenState(State.PARKED)
                .whenResumed()
                .thenCommands(UNDO_B)
                .whenReturned(UNDO_B, "done")
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "done")
                .thenState(State.COMPENSATED);
    }

    @Test
    void all_that_have_failed_leave_what_came_before_them_to_be_undone() {
        underWay()
                .whenThrown(B, never())
                .whenThrown(D, never())
                .thenCommands(UNDO_A)
                .thenState(State.COMPENSATING)
                .when(new Packed("j"))
                .whenTimePasses(Duration.ofHours(1))
                .thenCommands()
                .whenReturned(UNDO_A, "done")
                .thenState(State.COMPENSATED);
    }

    @Test
    void one_that_is_left_out_holds_nobody_up_and_is_not_undone() {
        underWay()
                .whenThrown(B, cut())
                .whenTimePasses(SOON)
                .whenThrown(B, cut())
                .thenState(State.PARKED)
                .whenSkipped("b")
                .thenState(State.RUNNING)
                .when(new Packed("j"))
                .when(new Weighed("j"))
                .whenThrown(D, never())
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "done")
                .thenState(State.INCOMPLETE); // nobody knows of the one that was left out
    }
}
