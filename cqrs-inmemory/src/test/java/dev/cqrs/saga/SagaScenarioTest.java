package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Receipt;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class SagaScenarioTest {

    private static final Do A = new Do("j", "a");
    private static final Do B = new Do("j", "b");
    private static final Do C = new Do("j", "c");
    private static final Do UNDO_A = new Do("j", "undo a");
    private static final Do UNDO_B = new Do("j", "undo b");

    private static Saga<Known> saga() {
        return Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .retry(Duration.ofSeconds(10))
                .unsure(UncheckedIOException.class)
                .within(Duration.ofHours(2))
                .step("a", known -> known.part("a"), (known, text) -> new Receipt(text))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b"))
                .compensate(known -> known.part("undo b"))
                .await("packed", Packed.class, Packed::job)
                .timeout(Duration.ofMinutes(30))
                .step("c", known -> known.part("c"))
                .build();
    }

    @Test
    void a_saga_is_told_what_comes_in_and_checked_for_what_goes_out() {
        var scenario = SagaScenario.of(saga())
                .when(new Ordered("j"))
                .thenCommands(A)
                .thenState(State.RUNNING)
                .whenReturned(A, "receipt")
                .thenCommands(B)
                .then(known -> assertThat(known.receipts()).containsExactly("receipt"))
                .whenReturned(B, "done")
                .thenCommands()
                .thenState(State.WAITING)
                .when(new Packed("another"))
                .thenCommands()
                .when(new Packed("j"))
                .thenCommands(C)
                .whenReturned(C, "done")
                .thenState(State.COMPLETED);
        assertThat(scenario.ignored()).isEqualTo(1);
        assertThat(scenario.instance().key()).isEqualTo("j");
    }

    @Test
    void a_participant_that_fails_has_what_took_effect_undone() {
        SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenThrown(B, new IllegalStateException("not now"))
                .thenCommands()
                .whenTimePasses(Duration.ofSeconds(10))
                .thenCommands(B)
                .whenThrown(B, new RejectedException(Do.class, "never"))
                .thenCommands(UNDO_A)
                .thenState(State.COMPENSATING)
                .whenReturned(UNDO_A, "undone")
                .thenState(State.COMPENSATED);
    }

    @Test
    void what_is_not_known_is_tried_again_and_then_parked() {
        SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenThrown(A, new UncheckedIOException(new java.io.IOException("cut")))
                .whenTimePasses(Duration.ofMinutes(1))
                .thenCommands(A)
                .whenThrown(A, new UncheckedIOException(new java.io.IOException("cut")))
                .thenState(State.PARKED)
                .whenResumed()
                .thenCommands(A)
                .whenReturned(A, "receipt")
                .thenCommands(B);
    }

    @Test
    void time_passes_when_it_is_told_to() {
        SagaScenario.of(saga())
                .given(new Ordered("j"), new Packed("j"))
                .whenAnsweredBy(command -> "ok")
                .thenCommands(B, C)
                .thenState(State.COMPLETED);
        SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenAnsweredBy(command -> "ok")
                .whenTimePasses(Duration.ofMinutes(29))
                .thenState(State.WAITING)
                .whenTimePasses(Duration.ofMinutes(1))
                .thenCommands(UNDO_B)
                .whenAnsweredBy(command -> "ok")
                .thenCommands(UNDO_A)
                .thenState(State.COMPENSATED);
    }

    @Test
    void operators_are_told_too() {
        var scenario = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenAnsweredBy(command -> {
                    if (((Do) command).part().equals("undo b")) {
                        throw new IllegalStateException("no");
                    }
                    return "ok";
                })
                .whenCancelled()
                .thenCommands(UNDO_B)
                .whenThrown(UNDO_B, new IllegalStateException("no"))
                .whenTimePasses(Duration.ofMinutes(1))
                .whenThrown(UNDO_B, new IllegalStateException("no"))
                .thenState(State.PARKED)
                .whenSkipped("b")
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "undone")
                .thenState(State.INCOMPLETE);
        assertThat(scenario.instance().skipped()).containsExactly("undo of b");
    }

    @Test
    void what_an_operator_finds_out_of_a_command_is_what_is_known_of_it() {
        var scenario = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenThrown(B, new UncheckedIOException(new IOException("cut")))
                .whenTimePasses(Duration.ofSeconds(10))
                .whenThrown(B, new UncheckedIOException(new IOException("cut")))
                .thenState(State.PARKED);
        assertThatThrownBy(scenario::whenCancelled).hasMessageContaining("UNSURE");
        assertThatThrownBy(() -> scenario.whenSettled(A, Finding.TOOK_EFFECT))
                .as("it is not stuck at that")
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("not stuck at a command");
        assertThatThrownBy(() -> scenario.whenSkipped("a"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("not stuck at \"a\"");

        scenario.whenSettled(B, Finding.NO_EFFECT).thenState(State.PARKED);
        assertThatThrownBy(() -> scenario.whenSettled(B, Finding.NO_EFFECT))
                .as("that is known now")
                .isInstanceOf(IllegalStateException.class);
        scenario.whenCancelled()
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "undone")
                .thenState(State.COMPENSATED);
    }

    @Test
    void a_command_that_took_effect_as_an_operator_found_out_is_undone_on_the_way_back() {
        SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenThrown(B, new UncheckedIOException(new IOException("cut")))
                .whenTimePasses(Duration.ofSeconds(10))
                .whenThrown(B, new UncheckedIOException(new IOException("cut")))
                .whenSettled(B, Finding.TOOK_EFFECT)
                .thenState(State.PARKED)
                .whenCancelled()
                .thenCommands(UNDO_B)
                .whenReturned(UNDO_B, "undone")
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "undone")
                .thenState(State.COMPENSATED);
    }

    @Test
    void of_several_steps_that_are_stuck_each_is_seen_to() {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .unsure(IllegalStateException.class)
                .parallel(both -> both.step("a", known -> known.part("a")).step("b", known -> known.part("b")))
                .step("c", known -> known.part("c"))
                .build();
        var scenario = SagaScenario.of(saga).given(new Ordered("j")).whenThrown(A, new IllegalStateException("cut"));
        assertThatThrownBy(() -> scenario.whenReturned(B, "held up until an operator has seen to the other"))
                .isInstanceOf(IllegalStateException.class);
        scenario.whenSkipped("a")
                .thenState(State.RUNNING)
                .whenThrown(B, new IllegalStateException("cut"))
                .thenState(State.PARKED)
                .whenSkipped("b")
                .thenCommands(C)
                .whenReturned(C, "done")
                .thenState(State.INCOMPLETE);
        assertThat(scenario.instance().skipped()).containsExactly("a", "b");
    }

    @Test
    void a_step_whose_command_cannot_be_made_is_made_again_or_left_out_or_the_saga_is_cancelled() {
        var broken = new boolean[] {true};
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> {
                    if (broken[0]) {
                        throw new IllegalStateException("no");
                    }
                    return known.part("b");
                })
                .step("c", known -> known.part("c"))
                .build();
        SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "done")
                .thenState(State.PARKED)
                .whenResumed()
                .thenState(State.PARKED)
                .whenCancelled()
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "undone")
                .thenState(State.COMPENSATED);
        SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "done")
                .whenSkipped("b")
                .thenCommands(C);
        var scenario = SagaScenario.of(saga).given(new Ordered("j")).whenReturned(A, "done");
        assertThat(scenario.instance().step()).isEqualTo("b");
        broken[0] = false;
        scenario.whenResumed().thenCommands(B).whenReturned(B, "done").thenCommands(C);
    }

    @Test
    void a_process_manager_is_tested_in_the_same_way() {
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(
                                Reaction.send(A), Reaction.send(B), Reaction.startTimer("slow", Duration.ofHours(1))))
                .onTimer("slow", known -> List.of(Reaction.send(C), Reaction.end()))
                .build();
        SagaScenario.of(manager)
                .when(new Ordered("j"))
                .thenCommands(A, B)
                .whenAnsweredBy(command -> "ok")
                .thenState(State.WAITING)
                .whenTimePasses(Duration.ofHours(1))
                .thenCommands(C)
                .thenState(State.RUNNING)
                .whenReturned(C, "ok")
                .thenState(State.COMPLETED);
    }

    @Test
    void what_is_not_so_is_told_and_what_cannot_be_is_refused() {
        var scenario = SagaScenario.of(saga());
        assertThatThrownBy(scenario::instance)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("Nothing has begun");
        scenario.when(new Ordered("j"));
        assertThatThrownBy(() -> scenario.thenCommands(B))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("expected [Do[job=j, part=b]]")
                .hasMessageContaining("state=RUNNING");
        assertThatThrownBy(() -> scenario.thenState(State.PARKED))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("expected PARKED");
        assertThatThrownBy(() -> scenario.whenReturned(B, "ok"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("is under way");
        assertThatThrownBy(scenario::whenResumed).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> scenario.whenSkipped("b")).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> scenario.whenTimePasses(Duration.ofSeconds(-1)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void what_an_engine_does_not_cancel_is_not_cancelled_here_either() {
        var pivot = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .pivot("b", known -> known.part("b"))
                .step("c", known -> known.part("c"))
                .build();
        var scenario = SagaScenario.of(pivot)
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenReturned(B, "done");
        assertThatThrownBy(scenario::whenCancelled)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("TOO_LATE");
        scenario.whenReturned(C, "done").thenState(State.COMPLETED);
    }

    @Test
    void a_participant_that_gives_nothing_is_no_command_that_fails() {
        var scenario = SagaScenario.of(saga()).given(new Ordered("j"));
        assertThatThrownBy(() -> scenario.whenAnsweredBy(command -> null)).isInstanceOf(NullPointerException.class);
        scenario.thenState(State.RUNNING);
    }
}
