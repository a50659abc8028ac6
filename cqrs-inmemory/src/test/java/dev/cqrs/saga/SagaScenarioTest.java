package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.interceptor.InvalidMessageException;
import dev.cqrs.interceptor.NotAuthorizedException;
import dev.cqrs.message.NoHandlerException;
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
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
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
    void what_a_pivot_returned_is_kept_and_behind_it_there_is_no_way_back() {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .pivot("b", known -> known.part("b"), (known, text) -> new Receipt(text))
                .step("c", known -> known.part("c"))
                .build();
        SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "done")
                .whenReturned(B, "receipt")
                .then(known -> assertThat(known.receipts()).containsExactly("receipt"))
                .thenCommands(C)
                .whenThrown(C, new RejectedException(Do.class, "never"))
                .thenCommands()
                .thenState(State.PARKED);
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
    void what_is_cancelled_and_parked_on_its_way_back_goes_on_unless_something_is_not_known() {
        var rejected = new RejectedException(Do.class, "busy");
        var saga = Saga.named("job", Parts.KNOWN)
                .unsure(UncheckedIOException.class)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b"))
                .build();
        SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenThrown(B, rejected)
                .whenThrown(UNDO_A, rejected)
                .thenState(State.PARKED)
                .whenCancelled()
                .thenCommands(UNDO_A)
                .whenThrown(UNDO_A, cut())
                .thenState(State.PARKED)
                .whenCancelled()
                .thenCommands()
                .thenState(State.PARKED)
                .whenSettled(UNDO_A, Finding.TOOK_EFFECT)
                .whenCancelled()
                .thenCommands()
                .thenState(State.COMPENSATED)
                .whenCancelled()
                .thenState(State.COMPENSATED);
    }

    @Test
    void what_an_operator_finds_out_of_a_command_is_what_is_known_of_it() {
        var scenario = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenThrown(B, cut())
                .whenTimePasses(Duration.ofSeconds(10))
                .whenThrown(B, cut())
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
                .whenThrown(B, cut())
                .whenTimePasses(Duration.ofSeconds(10))
                .whenThrown(B, cut())
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

    @Test
    void a_second_cancellation_changes_nothing() {
        SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenReturned(B, "done")
                .whenCancelled()
                .thenCommands(UNDO_B)
                .whenCancelled()
                .thenCommands()
                .whenReturned(UNDO_B, "undone")
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "undone")
                .thenState(State.COMPENSATED);
    }

    @Test
    void an_instance_tells_where_it_is_until_when_and_why() {
        var start = Instant.parse("2026-01-01T00:00:00Z");
        var scenario = SagaScenario.of(saga()).given(new Ordered("j"));
        assertThat(scenario.instance())
                .isEqualTo(new SagaInstance(
                        "job",
                        "j",
                        1,
                        State.RUNNING,
                        "a",
                        start,
                        Optional.of(start.plus(Duration.ofHours(2))),
                        "",
                        "",
                        List.of()));
        scenario.whenThrown(A, new IllegalStateException("not now"));
        assertThat(scenario.instance().wake()).contains(start.plusSeconds(10));
        scenario.whenTimePasses(Duration.ofSeconds(10))
                .whenReturned(A, "receipt")
                .whenReturned(B, "done");
        assertThat(scenario.instance().step()).isEqualTo("packed");
        assertThat(scenario.instance().wake()).contains(start.plusSeconds(10).plus(Duration.ofMinutes(30)));
        assertThat(scenario.instance().reason()).isEmpty();
        scenario.whenCancelled();
        assertThat(scenario.instance().reason()).isEqualTo("It was cancelled.");
        assertThat(scenario.instance().step()).isEqualTo("b");
        assertThat(scenario.instance().wake())
                .as("on the way back the whole has no time")
                .isEmpty();
        scenario.whenAnsweredBy(command -> "ok").thenState(State.COMPENSATED);
        assertThat(scenario.instance().step()).isEmpty();
        assertThat(scenario.instance().reason()).isEqualTo("It was cancelled.");
    }

    @Test
    void a_process_manager_that_is_parked_for_what_it_wants_is_at_no_step_and_goes_on_when_that_is_mended() {
        var wanted = new ArrayList<Reaction>();
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job, (known, e) -> List.copyOf(wanted))
                .onTimer("slow", known -> List.of(Reaction.send(B)))
                .build();
        wanted.add(Reaction.send(A));
        wanted.add(Reaction.startTimer("unheard of", Duration.ofHours(1)));
        var scenario =
                SagaScenario.of(manager).when(new Ordered("j")).thenCommands().thenState(State.PARKED);
        assertThat(scenario.instance().reason())
                .isEqualTo("What to do about Ordered names the timer \"unheard of\"; expected one of [slow]."
                        + " Give it with onTimer(...).");
        assertThatThrownBy(() -> scenario.whenSkipped("1"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("not stuck at");
        wanted.set(1, Reaction.startTimer("slow", Duration.ofHours(1)));
        scenario.whenResumed()
                .thenCommands(A)
                .whenReturned(A, "ok")
                .thenState(State.WAITING)
                .whenTimePasses(Duration.ofHours(1))
                .thenCommands(B);
    }

    @Test
    void a_timer_that_is_stopped_does_not_fire_and_one_that_fired_or_never_ran_is_stopped_for_nothing() {
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(
                                Reaction.stopTimer("early"),
                                Reaction.startTimer("late", Duration.ofHours(2)),
                                Reaction.startTimer("early", Duration.ofHours(1))))
                .on(
                        Packed.class,
                        Packed::job,
                        (known, e) -> List.of(Reaction.stopTimer("early"), Reaction.stopTimer("late")))
                .onTimer("early", known -> List.of(Reaction.send(A)))
                .onTimer("late", known -> List.of(Reaction.send(B)))
                .build();
        SagaScenario.of(manager)
                .given(new Ordered("j"))
                .whenTimePasses(Duration.ofHours(3))
                .thenCommands(A, B);
        SagaScenario.of(manager)
                .given(new Ordered("j"))
                .whenTimePasses(Duration.ofHours(1))
                .thenCommands(A)
                .whenReturned(A, "ok")
                .when(new Packed("j"))
                .whenTimePasses(Duration.ofHours(3))
                .thenCommands()
                .thenState(State.WAITING);
    }

    @Test
    void a_process_manager_ends_when_its_commands_are_done_and_leaves_its_timers() {
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(Reaction.send(A), Reaction.startTimer("slow", Duration.ofHours(1))))
                .on(Packed.class, Packed::job, (known, e) -> List.of(Reaction.end(), Reaction.send(B), Reaction.end()))
                .onTimer("slow", known -> List.of(Reaction.send(C)))
                .build();
        var scenario = SagaScenario.of(manager).given(new Ordered("j"), new Packed("j"), new Packed("j"));
        assertThat(scenario.instance().wake()).isEmpty();
        scenario.whenTimePasses(Duration.ofHours(2))
                .thenCommands()
                .thenState(State.RUNNING)
                .whenReturned(A, "ok")
                .thenState(State.RUNNING)
                .whenReturned(B, "ok")
                .thenState(State.COMPLETED);
        assertThat(scenario.ignored()).as("what comes when it ends").isEqualTo(1);
    }

    interface Parcel {}

    record Letter(String job) implements Parcel {}

    @Test
    void events_are_known_by_an_interface_of_theirs_too() {
        var saga = Saga.named("job", Fold.from("").on(Letter.class, (none, e) -> e.job()))
                .startedBy(Parcel.class, e -> "j")
                .step("a", job -> new Do("j", job))
                .build();
        SagaScenario.of(saga).when(new Letter("a")).thenCommands(A);
        var manager = ProcessManager.named("manager", Fold.from("").on(Letter.class, (none, e) -> e.job()))
                .startedBy(Ordered.class, Ordered::job, (job, e) -> List.of())
                .on(Parcel.class, e -> "j", (job, e) -> List.of(Reaction.send(new Do("j", job))))
                .build();
        SagaScenario.of(manager).given(new Ordered("j")).when(new Letter("b")).thenCommands(B);
    }

    @Test
    void a_key_is_there_and_not_too_long() {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, e -> e.job().isEmpty() ? null : e.job())
                .step("a", known -> known.part("a"))
                .build();
        assertThatThrownBy(() -> SagaScenario.of(saga).when(new Ordered("")))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("The key function of the saga \"job\" returned null for Ordered");
        SagaScenario.of(saga).when(new Ordered("j".repeat(Tag.MAX_LENGTH / 2))).thenState(State.RUNNING);
        assertThatThrownBy(() -> SagaScenario.of(saga).when(new Ordered("j".repeat(Tag.MAX_LENGTH / 2 + 1))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("expected at most " + Tag.MAX_LENGTH / 2);
    }

    @Test
    void a_command_that_is_null_parks_its_saga_and_the_result_of_nothing_too() {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"), (known, text) -> null)
                .step("b", known -> null)
                .build();
        var scenario = SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .thenState(State.PARKED);
        assertThat(scenario.instance().reason()).contains("took effect", "\"a\" is null; expected an event");
        scenario.whenSkipped("a").thenState(State.PARKED);
        assertThat(scenario.instance().reason()).isEqualTo("The command of step \"b\" is null; expected a command.");
    }

    @Test
    void what_a_handler_throws_says_whether_its_command_had_an_effect() {
        var cut = new AppendOutcomeUnknownException("an event", new java.io.IOException("cut"));
        var round = new IllegalStateException("one");
        round.initCause(new IllegalStateException("other", round));
        var unknown = List.of(
                cut, new IllegalStateException("outer", cut), new UncheckedIOException(new java.io.IOException()));
        var failed = List.of(
                new IllegalStateException("not now"),
                round,
                new NoHandlerException(Ordered.class, "it is of what the handler itself has sent"));
        var refused = List.of(
                new RejectedException(Do.class, "no"),
                new InvalidMessageException(Do.class, List.of("no")),
                new NotAuthorizedException(Do.class, "no"));
        for (var thrown : unknown) {
            var tried = SagaScenario.of(saga())
                    .given(new Ordered("j"))
                    .whenThrown(A, thrown)
                    .whenTimePasses(Duration.ofSeconds(10))
                    .thenCommands(A)
                    .whenThrown(A, thrown)
                    .thenState(State.PARKED);
            assertThat(tried.instance().reason()).as("%s", thrown).contains("not known", "job/j/a/1");
        }
        for (var thrown : failed) {
            var tried = SagaScenario.of(saga())
                    .given(new Ordered("j"))
                    .whenThrown(A, thrown)
                    .whenTimePasses(Duration.ofSeconds(10))
                    .thenCommands(A)
                    .whenThrown(A, thrown)
                    .thenState(State.COMPENSATED);
            assertThat(tried.instance().reason()).as("%s", thrown).startsWith("Step \"a\" has failed: ");
        }
        for (var thrown : refused) {
            SagaScenario.of(saga())
                    .given(new Ordered("j"))
                    .whenThrown(A, thrown)
                    .thenState(State.COMPENSATED);
        }
        var nobody = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenThrown(A, new NoHandlerException(Do.class, ""))
                .thenState(State.PARKED);
        assertThat(nobody.instance().reason()).startsWith("Step \"a\" cannot be carried out here: ");
        nobody.whenResumed().thenCommands(A);
    }

    @Test
    void a_time_that_is_longer_than_ever_never_comes_and_one_of_zero_at_once() {
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(
                                Reaction.startTimer("never", Duration.ofSeconds(Long.MAX_VALUE)),
                                Reaction.startTimer("at once", Duration.ZERO)))
                .onTimer("never", known -> List.of(Reaction.send(A)))
                .onTimer("at once", known -> List.of(Reaction.send(B)))
                .build();
        var scenario = SagaScenario.of(manager)
                .given(new Ordered("j"))
                .whenTimePasses(Duration.ZERO)
                .thenCommands(B)
                .whenReturned(B, "ok")
                .whenTimePasses(Duration.ofDays(100_000))
                .thenCommands()
                .thenState(State.WAITING);
        assertThat(scenario.instance().wake()).contains(Instant.MAX);
    }

    @Test
    void what_starts_by_no_event_is_begun_by_hand() {
        var saga = Saga.named("job", Parts.KNOWN)
                .step("a", known -> A)
                .await("packed", Packed.class, Packed::job)
                .build();
        var scenario = SagaScenario.of(saga)
                .when(new Ordered("j"))
                .thenCommands(A)
                .whenReturned(A, "ok")
                .thenState(State.WAITING)
                .when(new Packed("by hand"))
                .thenState(State.COMPLETED);
        assertThat(scenario.instance().key()).isEqualTo("by hand");
        assertThatThrownBy(scenario::whenResumed)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("It is COMPLETED; expected that it is parked.");
    }

    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    private static RuntimeException cut() {
        return new UncheckedIOException(new IOException("cut"));
    }

    private static ProcessManager.Builder<Known> manager(Reaction... reactions) {
        return ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of(reactions))
                .on(Packed.class, Packed::job, (known, e) -> List.of(Reaction.send(C)));
    }

    private static InternalError die() {
        throw new InternalError("the process dies");
    }

    @Test
    void an_error_that_a_process_dies_of_is_nothing_to_be_kept() {
        var initial = Saga.named("job", Fold.<Known>fresh(() -> {
                    throw die();
                }))
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> A)
                .build();
        var folded = Saga.named("job", Fold.from("").on(Ordered.class, (none, e) -> {
                    throw die();
                }))
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> A)
                .build();
        var made = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> {
                    throw die();
                })
                .build();
        var reacted = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job, (known, e) -> {
                    throw die();
                })
                .build();
        for (var scenario : List.of(
                SagaScenario.of(initial), SagaScenario.of(folded), SagaScenario.of(made), SagaScenario.of(reacted))) {
            assertThatThrownBy(() -> scenario.when(new Ordered("j"))).isInstanceOf(InternalError.class);
        }
        var kept = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"), (known, text) -> {
                    throw die();
                })
                .build();
        var scenario = SagaScenario.of(kept).given(new Ordered("j"));
        assertThatThrownBy(() -> scenario.whenReturned(A, "receipt")).isInstanceOf(InternalError.class);
    }

    @Test
    void an_initial_state_that_cannot_be_made_parks_the_saga_at_its_first_step() {
        var saga = Saga.named("job", Fold.<Known>fresh(() -> {
                    throw new IllegalStateException("no");
                }))
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> A)
                .build();
        var scenario = SagaScenario.of(saga).when(new Ordered("j")).thenState(State.PARKED);
        assertThat(scenario.instance().step()).isEqualTo("a");
        assertThat(scenario.instance().reason()).startsWith("The initial state could not be made: ");
        scenario.whenSkipped("a").thenState(State.INCOMPLETE);
    }

    @Test
    void an_event_that_comes_twice_or_when_it_is_over_is_ignored() {
        var early = SagaScenario.of(saga()).given(new Ordered("j"), new Packed("j"), new Packed("j"));
        assertThat(early.ignored()).isEqualTo(1);
        var twice = SagaScenario.of(saga())
                .given(new Ordered("j"), new Packed("j"))
                .whenReturned(A, "receipt")
                .whenReturned(B, "done")
                .thenCommands(C)
                .when(new Packed("j"))
                .thenCommands();
        assertThat(twice.ignored()).isEqualTo(1);
        var back = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .whenReturned(B, "done")
                .whenCancelled()
                .thenState(State.COMPENSATING)
                .when(new Packed("j"));
        assertThat(back.ignored()).isEqualTo(1);
        back.then(known -> assertThat(known.receipts()).containsExactly("receipt"));

        var ended = SagaScenario.of(manager(Reaction.end()).build())
                .given(new Ordered("j"))
                .thenState(State.COMPLETED)
                .when(new Packed("j"))
                .thenCommands();
        assertThat(ended.ignored()).isEqualTo(1);
        var cancelled = SagaScenario.of(manager(Reaction.send(A)).build())
                .given(new Ordered("j"))
                .whenCancelled()
                .when(new Packed("j"))
                .thenCommands();
        assertThat(cancelled.ignored()).isEqualTo(1);
        cancelled.whenReturned(A, "ok").thenState(State.INCOMPLETE);
    }

    @Test
    void a_process_manager_that_was_cancelled_ends_whatever_becomes_of_the_command_under_way() {
        for (var thrown : List.of(
                new IllegalStateException("no"),
                new RejectedException(Do.class, "no"),
                new NoHandlerException(Do.class, "nobody"))) {
            SagaScenario.of(manager(Reaction.send(A), Reaction.send(B)).build())
                    .given(new Ordered("j"))
                    .whenCancelled()
                    .whenThrown(A, thrown)
                    .thenState(State.INCOMPLETE);
        }
    }

    @Test
    void commands_go_out_in_the_order_of_what_is_put_out() {
        SagaScenario.of(manager(Reaction.send(A)).build())
                .given(new Ordered("j"))
                .whenThrown(A, new IllegalStateException("no"))
                .when(new Packed("j"))
                .thenCommands()
                .whenResumed()
                .thenCommands(A, C);
    }

    @Test
    void what_is_issued_beside_a_step_that_parks_the_saga_goes_out_when_it_goes_on() {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .parallel(both -> both.step("a", known -> A).step("b", known -> {
                    throw new IllegalStateException("no command");
                }))
                .build();
        SagaScenario.of(saga)
                .given(new Ordered("j"))
                .thenState(State.PARKED)
                .thenCommands()
                .whenSkipped("b")
                .thenCommands(A)
                .whenReturned(A, "ok")
                .thenState(State.INCOMPLETE);
    }

    @Test
    void a_command_of_a_process_manager_that_is_left_out_holds_up_no_other_and_one_that_is_not_known_parks_it() {
        SagaScenario.of(manager(Reaction.send(A), Reaction.send(B)).build())
                .given(new Ordered("j"))
                .whenThrown(A, new IllegalStateException("no"))
                .thenState(State.PARKED)
                .whenSkipped("1")
                .thenState(State.RUNNING)
                .whenReturned(B, "ok")
                .thenState(State.WAITING);
        var scenario = SagaScenario.of(manager(Reaction.send(A))
                        .unsure(UncheckedIOException.class)
                        .build())
                .given(new Ordered("j"))
                .whenThrown(A, cut())
                .thenState(State.PARKED);
        assertThat(scenario.instance().reason()).startsWith("It is not known whether step \"1\" took effect");
        assertThat(scenario.instance().wake()).isEmpty();
        scenario.whenResumed().thenCommands(A).whenReturned(A, "ok").thenState(State.WAITING);
    }

    @Test
    void what_is_resumed_is_tried_as_often_as_before() {
        var scenario = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenThrown(A, cut())
                .whenTimePasses(Duration.ofSeconds(10))
                .whenThrown(A, cut())
                .thenState(State.PARKED);
        assertThat(scenario.instance().wake())
                .as("while it is parked no time counts")
                .isEmpty();
        scenario.whenResumed()
                .whenThrown(A, cut())
                .thenState(State.WAITING)
                .whenTimePasses(Duration.ofSeconds(10))
                .thenCommands(A)
                .whenThrown(A, cut())
                .thenState(State.PARKED);
    }

    @Test
    void a_step_that_took_effect_twice_told_is_undone_once() {
        var broken = new boolean[] {true};
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"), (known, text) -> {
                    if (broken[0]) {
                        throw new IllegalStateException("no");
                    }
                    return new Receipt(text);
                })
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b"))
                .build();
        var scenario = SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "receipt")
                .thenState(State.PARKED);
        broken[0] = false;
        scenario.whenResumed()
                .thenCommands(A)
                .whenReturned(A, "receipt")
                .thenCommands(B)
                .whenThrown(B, new RejectedException(Do.class, "no"))
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "undone")
                .thenCommands()
                .thenState(State.COMPENSATED);
    }

    private static Saga.Builder<Known> timed() {
        return Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .retry(Duration.ofSeconds(10))
                .unsure(UncheckedIOException.class)
                .within(Duration.ofHours(2))
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .timeout(Duration.ofMinutes(5));
    }

    @Test
    void a_time_that_is_over_counts_no_more_and_neither_does_that_of_a_step_that_is_done() {
        var whole = START.plus(Duration.ofHours(2));
        var late = SagaScenario.of(timed().build())
                .given(new Ordered("j"))
                .whenTimePasses(Duration.ofMinutes(5))
                .thenState(State.RUNNING);
        assertThat(late.instance().wake()).contains(whole);
        assertThat(late.instance().reason()).isEqualTo("Step \"a\" was not done in its time.");
        late.whenTimePasses(Duration.ofHours(2));
        assertThat(late.instance().reason()).as("the first one").isEqualTo("Step \"a\" was not done in its time.");
        assertThat(late.instance().wake()).isEmpty();
        late.whenThrown(A, new IllegalStateException("not now")).thenState(State.COMPENSATED);

        var again = SagaScenario.of(timed().build())
                .given(new Ordered("j"))
                .whenThrown(A, cut())
                .whenTimePasses(Duration.ofSeconds(10))
                .thenCommands(A);
        assertThat(again.instance().wake()).as("it keeps its time").contains(START.plus(Duration.ofMinutes(5)));

        var done = SagaScenario.of(timed().step("b", known -> known.part("b")).build())
                .given(new Ordered("j"))
                .whenReturned(A, "ok");
        assertThat(done.instance().wake()).contains(whole);
        done.whenReturned(B, "ok").thenState(State.COMPLETED);
        assertThat(done.instance().wake()).isEmpty();
    }

    @Test
    void behind_the_pivot_the_whole_has_no_time_and_a_step_that_is_late_is_not_tried_again() {
        var saga = timed().pivot("b", known -> known.part("b"))
                .step("c", known -> known.part("c"))
                .timeout(Duration.ofHours(3))
                .build();
        var scenario = SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "ok")
                .whenCancelled()
                .whenReturned(B, "it could not be stopped any more")
                .thenCommands(C);
        assertThat(scenario.instance().reason()).as("it goes on").isEmpty();
        scenario.whenTimePasses(Duration.ofMinutes(150)).thenState(State.RUNNING);
        assertThat(scenario.instance().wake()).contains(START.plus(Duration.ofHours(3)));
        scenario.whenTimePasses(Duration.ofMinutes(30))
                .thenState(State.RUNNING)
                .whenThrown(C, new IllegalStateException("not now"))
                .thenState(State.PARKED);
        assertThat(scenario.instance().wake()).isEmpty();
        scenario.whenResumed().thenCommands(C).whenReturned(C, "ok").thenState(State.COMPLETED);
    }

    @Test
    void a_step_beside_one_that_has_failed_is_not_tried_again_and_the_first_reason_stands() {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .retry(Duration.ofSeconds(10))
                .parallel(both -> both.step("a", known -> known.part("a")).step("b", known -> known.part("b")))
                .build();
        var scenario = SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenThrown(A, new RejectedException(Do.class, "no"))
                .thenState(State.RUNNING)
                .whenThrown(B, new IllegalStateException("not now"))
                .thenState(State.COMPENSATED);
        assertThat(scenario.instance().reason()).startsWith("Step \"a\" has failed: ");
    }

    @Test
    void a_step_that_was_never_made_and_is_left_out_is_no_pivot() {
        var saga = Saga.named("job", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> null)
                .await("packed", Packed.class, Packed::job)
                .build();
        SagaScenario.of(saga)
                .given(new Ordered("j"))
                .whenReturned(A, "ok")
                .whenSkipped("b")
                .thenState(State.WAITING)
                .whenCancelled()
                .thenCommands(UNDO_A)
                .whenReturned(UNDO_A, "undone")
                .thenState(State.INCOMPLETE);
    }

    @Test
    void what_is_given_is_not_looked_at_and_what_a_participant_throws_is_told() {
        var scenario = SagaScenario.of(saga())
                .given(new Ordered("j"))
                .thenCommands()
                .when("what nobody waits for")
                .whenAnsweredBy(command -> {
                    if (command.equals(B)) {
                        throw new RejectedException(Do.class, "no");
                    }
                    return "ok";
                })
                .thenCommands(B, UNDO_A)
                .thenState(State.COMPENSATED);
        assertThat(scenario.ignored()).isEqualTo(1);
        assertThatThrownBy(() ->
                        scenario.then(known -> assertThat(known.receipts()).isEmpty()))
                .isInstanceOf(AssertionError.class);
    }

    @Test
    void a_compensation_that_is_resumed_goes_out_again() {
        SagaScenario.of(saga())
                .given(new Ordered("j"))
                .whenReturned(A, "ok")
                .whenReturned(B, "ok")
                .whenCancelled()
                .whenThrown(UNDO_B, new RejectedException(Do.class, "no"))
                .thenState(State.PARKED)
                .whenResumed()
                .thenCommands(UNDO_B)
                .whenReturned(UNDO_B, "undone")
                .thenCommands(UNDO_A);
    }

    @Test
    void what_cannot_be_told_says_what_could() {
        var scenario = SagaScenario.of(saga()).given(new Ordered("j"));
        assertThatThrownBy(() -> scenario.whenReturned(B, "ok")).hasMessageContaining("expected one of [" + A + "]");
        assertThatThrownBy(() -> scenario.whenSkipped("a")).hasMessage("It is RUNNING; expected that it is parked.");
    }

    @Test
    void a_saga_that_has_failed_is_not_cancelled_for_another_reason() {
        var scenario = SagaScenario.of(timed().build()).given(new Ordered("j")).whenTimePasses(Duration.ofMinutes(5));
        assertThat(scenario.whenCancelled().instance().reason()).isEqualTo("Step \"a\" was not done in its time.");
    }

    @Test
    void a_process_manager_whose_functions_throw_is_parked_and_says_what_it_was_about() {
        var broken = new boolean[] {true};
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job, (known, e) -> {
                    if (broken[0]) {
                        throw new IllegalStateException("no");
                    }
                    return List.of(Reaction.startTimer("slow", Duration.ofHours(1)));
                })
                .onTimer("slow", known -> {
                    throw new IllegalStateException("no");
                })
                .build();
        var scenario = SagaScenario.of(manager).when(new Ordered("j")).thenState(State.PARKED);
        assertThat(scenario.instance().reason()).startsWith("What to do about Ordered could not be told: ");
        broken[0] = false;
        scenario.whenResumed()
                .thenState(State.WAITING)
                .whenTimePasses(Duration.ofHours(1))
                .thenState(State.PARKED);
        assertThat(scenario.instance().reason()).startsWith("What to do about the timer \"slow\" could not be told: ");

        var folded = ProcessManager.named("manager", Fold.from("").on(Ordered.class, (none, e) -> {
                    throw new IllegalStateException("no");
                }))
                .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of())
                .build();
        assertThat(SagaScenario.of(folded).when(new Ordered("j")).instance().reason())
                .startsWith("The state could not be told from Ordered: ");
    }
}
