package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaEngine.Filter;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.saga.SagaTimeoutException;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Weighed;
import dev.cqrs.testing.CrashPoints;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What operators see of sagas and do about them, and what an engine gives up on. */
public abstract class SagaOperatingSuite extends SagaSuite {

    /** Over logs that the extending class makes. */
    protected SagaOperatingSuite() {}

    // ---- operating

    @Test
    void a_cancelled_saga_is_compensated() {
        try (var engine = start(waiting())) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(find(engine).reason()).isEqualTo("It was cancelled.");
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            assertThat(engine.cancel("job", "nobody")).isEqualTo(Cancellation.UNKNOWN);
            assertThat(engine.resume("job", "nobody")).isFalse();
        }
    }

    @Test
    void a_saga_that_is_cancelled_in_the_middle_of_a_step_undoes_that_too() {
        var engines = new SagaEngine[1];
        before = (command, data) -> {
            if (command.part().equals("b")) {
                assertThat(engines[0].cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            }
        };
        try (var engine = start(three(job()).build())) {
            engines[0] = engine;
            order("j");
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "undo b", "undo a");
        }
    }

    @Test
    void an_instance_that_an_operator_begins_cancels_or_resumes_and_that_is_parked_by_it_is_told_to_the_listener() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> {
                    throw new IllegalStateException("bad undo");
                })
                .await("packed", Packed.class, Packed::job)
                .build();
        var first = Saga.named("first", Parts.KNOWN)
                .step("a", known -> {
                    throw new IllegalStateException("bad a");
                })
                .build();
        try (var engine = start(saga, first)) {
            assertThat(engine.begin("first", "j", new Ordered("j"))).isTrue();
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.saga()).contains("first");
                assertThat(failure.key()).contains("j");
                assertThat(failure.step()).isEqualTo("a");
                assertThat(failure.again()).isFalse();
                assertThat(failure.cause()).hasMessageContaining("bad a");
            });
            assertThat(engine.resume("first", "j")).isTrue();
            assertThat(failures).hasSize(2);

            order("j");
            executor.runFor(MINUTE);
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            assertThat(failures)
                    .hasSize(3)
                    .last()
                    .satisfies(failure -> assertThat(failure.cause()).hasMessageContaining("bad undo"));
            assertThat(state(engine)).isEqualTo(State.PARKED);
            executor.runFor(MINUTE);
            assertThat(failures).hasSize(3);
        }
    }

    @Test
    void instances_are_listed_by_name_state_age_and_step() {
        try (var engine = start(waiting())) {
            order("j1");
            executor.runFor(MINUTE);
            order("j2");
            order("j3");
            executor.runFor(MINUTE);
            assertThat(engine.list(Filter.all(), 10)).hasSize(3);
            assertThat(engine.list(Filter.all().of("job").in(State.WAITING).at("packed"), 2))
                    .hasSize(2);
            assertThat(engine.list(Filter.all().startedBefore(START.plusSeconds(30)), 10))
                    .singleElement()
                    .satisfies(instance -> assertThat(instance.key()).isEqualTo("j1"));
            assertThat(engine.list(Filter.all().at("a"), 10)).isEmpty();
            assertThat(engine.list(Filter.all().of("other"), 10)).isEmpty();
            assertThat(engine.status().count(State.WAITING)).isEqualTo(3);
        }
    }

    @Test
    void the_history_of_an_instance_is_told_as_text_and_as_a_diagram() {
        var saga = three(job().retry(Duration.ofSeconds(1)))
                .step("d", known -> known.part("d!"))
                .build();
        failAt("b", 1, new IllegalStateException("out; of #order"));
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(engine.history("job", "j"))
                    .contains(
                            "started by ordered\n",
                            "  a: do\n",
                            "b failed: java.lang.IllegalStateException: out; of #order\n",
                            "b: again at 2026-01-05T09:00:01Z\n",
                            "b (attempt 2) took effect\n",
                            "d was refused: not this one\n",
                            "goes back\n",
                            "undo of c: do\n",
                            "ended: COMPENSATED\n");
            assertThat(engine.diagram("job", "j"))
                    .startsWith("sequenceDiagram\n")
                    .contains(
                            "E->>S: started by ordered\n",
                            "S->>H: a: do\n",
                            "H-->>S: a took effect\n",
                            "out#59; of #35;order",
                            "Note over S: COMPENSATED");
            assertThat(engine.history("job", "nobody")).isEmpty();
            assertThat(engine.diagram("job", "nobody")).isEmpty();
        }
    }

    @Test
    void a_history_tells_of_times_and_events_and_of_what_operators_did() {
        var saga = job().within(Duration.ofHours(2))
                .retry(Duration.ofSeconds(1))
                .unsure(UncheckedIOException.class)
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("n", known -> known.part("n"))
                .await("packed", Packed.class, Packed::job)
                .await("weighed", Weighed.class, Weighed::job)
                .timeout(Duration.ofMinutes(30))
                .pivot("ship", known -> known.part("ship"))
                .timeout(Duration.ofMinutes(5))
                .build();
        var cut = new UncheckedIOException(new IOException("cut"));
        try (var engine = start(saga)) {
            failAt("a", 2, cut);
            order("j");
            executor.runFor(MINUTE);
            engine.settle("job", "j", "job/j/a/1", Finding.NO_EFFECT);
            engine.resume("job", "j");
            executor.runFor(MINUTE);
            Parts.append(domain, new Packed("j"));
            executor.runFor(MINUTE);
            failAt("undo a", 2, cut);
            executor.runFor(Duration.ofMinutes(30));
            engine.settle("job", "j", "job/j/a/undo-1", Finding.TOOK_EFFECT);
            engine.resume("job", "j");
            executor.runAll();
            assertThat(engine.history("job", "j")).isEqualTo("""
                    2026-01-05T09:00:00Z  started by ordered
                    2026-01-05T09:00:00Z    the whole: until 2026-01-05T11:00:00Z
                    2026-01-05T09:00:00Z    a: do
                    2026-01-05T09:00:00Z  a may have taken effect: %1$s
                    2026-01-05T09:00:00Z    a: again at 2026-01-05T09:00:01Z
                    2026-01-05T09:00:01Z  its time came
                    2026-01-05T09:00:01Z    a: again
                    2026-01-05T09:00:01Z  a may have taken effect: %1$s
                    2026-01-05T09:00:01Z    parked: It is not known whether step "a" took effect (job/j/a/1): %1$s
                    2026-01-05T09:01:00Z  an operator found that a had no effect
                    2026-01-05T09:01:00Z  an operator had it go on
                    2026-01-05T09:01:00Z    a: again
                    2026-01-05T09:01:00Z  a (attempt 2) took effect
                    2026-01-05T09:01:00Z    n: do
                    2026-01-05T09:01:00Z  n took effect
                    2026-01-05T09:01:00Z    packed: waits
                    2026-01-05T09:02:00Z  event packed for packed
                    2026-01-05T09:02:00Z    weighed: waits until 2026-01-05T09:32:00Z
                    2026-01-05T09:32:00Z  its time came
                    2026-01-05T09:32:00Z    weighed: its time is over
                    2026-01-05T09:32:00Z    fails: Step "weighed" was not done in its time.
                    2026-01-05T09:32:00Z    weighed: dropped
                    2026-01-05T09:32:00Z    goes back
                    2026-01-05T09:32:00Z    undo of n: nothing to do
                    2026-01-05T09:32:00Z    undo of a: do
                    2026-01-05T09:32:00Z  undo of a may have taken effect: %1$s
                    2026-01-05T09:32:00Z    undo of a: again at 2026-01-05T09:32:01Z
                    2026-01-05T09:32:01Z  its time came
                    2026-01-05T09:32:01Z    undo of a: again
                    2026-01-05T09:32:01Z  undo of a may have taken effect: %1$s
                    2026-01-05T09:32:01Z    parked: It is not known whether the compensation of step "a" took effect \
                    (job/j/a/undo-1): %1$s
                    2026-01-05T09:33:00Z  an operator found that undo of a took effect
                    2026-01-05T09:33:00Z  an operator had it go on
                    2026-01-05T09:33:00Z    ended: COMPENSATED
                    """.formatted(cut));
            assertThat(engine.diagram("job", "j")).isEqualTo("""
                    sequenceDiagram
                        participant E as events
                        participant S as job j
                        participant H as handlers
                        E->>S: started by ordered
                        Note over S: the whole: until 2026-01-05T11:00:00Z
                        S->>H: a: do
                        H--xS: a may have taken effect: %1$s
                        Note over S: a: again at 2026-01-05T09:00:01Z
                        Note over S: its time came
                        S->>H: a: again
                        H--xS: a may have taken effect: %1$s
                        Note over S: parked: It is not known whether step "a" took effect (job/j/a/1): %1$s
                        Note over S: an operator found that a had no effect
                        Note over S: an operator had it go on
                        S->>H: a: again
                        H-->>S: a (attempt 2) took effect
                        S->>H: n: do
                        H-->>S: n took effect
                        Note over S: packed: waits
                        E->>S: event packed for packed
                        Note over S: weighed: waits until 2026-01-05T09:32:00Z
                        Note over S: its time came
                        Note over S: weighed: its time is over
                        Note over S: fails: Step "weighed" was not done in its time.
                        Note over S: weighed: dropped
                        Note over S: goes back
                        Note over S: undo of n: nothing to do
                        S->>H: undo of a: do
                        H--xS: undo of a may have taken effect: %1$s
                        Note over S: undo of a: again at 2026-01-05T09:32:01Z
                        Note over S: its time came
                        S->>H: undo of a: again
                        H--xS: undo of a may have taken effect: %1$s
                        Note over S: parked: It is not known whether the compensation of step "a" took effect \
                    (job/j/a/undo-1): %1$s
                        Note over S: an operator found that undo of a took effect
                        Note over S: an operator had it go on
                        Note over S: COMPENSATED
                    """.formatted(cut));

            engine.begin("job", "k", new Ordered("k"));
            executor.runFor(MINUTE);
            Parts.append(domain, new Packed("k"));
            Parts.append(domain, new Weighed("k"));
            executor.runAll();
            assertThat(engine.history("job", "k"))
                    .startsWith("2026-01-05T09:33:00Z  begun by hand with ordered\n")
                    .contains("  ship: do until 2026-01-05T09:39:00Z\n")
                    .endsWith("2026-01-05T09:34:00Z    ended: COMPLETED\n");
            assertThat(engine.diagram("job", "k")).contains("    E->>S: begun by hand with ordered\n");

            failAt("a", 2, cut);
            order("l");
            executor.runFor(MINUTE);
            engine.skip("job", "l", "a");
            executor.runFor(MINUTE);
            engine.cancel("job", "l");
            executor.runAll();
            assertThat(engine.history("job", "l"))
                    .contains("Z  an operator left out a\n", "Z  an operator cancelled it\n")
                    .endsWith("Z    ended: INCOMPLETE\n");
            assertThat(engine.diagram("job", "l"))
                    .contains("Note over S: an operator left out a\n", "Note over S: an operator cancelled it\n");

            failAt("undo a", 2);
            order("m");
            executor.runFor(Duration.ofHours(3));
            engine.skip("job", "m", "a");
            executor.runAll();
            assertThat(engine.history("job", "m"))
                    .contains(
                            "Z    the whole: its time is over\n",
                            "Z    fails: It was not done in the time given to the whole.\n",
                            "Z  undo of a (attempt 2) failed: java.lang.IllegalStateException: out of order\n",
                            "Z  an operator left out undo of a\n");
        }
    }

    @Test
    void an_end_is_counted_before_the_engine_has_read_it() {
        var still = new Position[] {null};
        var slow = new Fronted(operations) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                var until = still[0];
                return store.read(
                        query,
                        until == null
                                ? options
                                : options.until(options.after().isAfter(until) ? options.after() : until));
            }
        };
        var saga = job().step("a", known -> known.part("a")).build();
        try (var engine =
                start(SagaEngine.builder(slow, clock).name("sagas").add(saga).domain(domain))) {
            executor.runAll();
            still[0] = operations.head();
            assertThat(engine.begin("job", "j", new Ordered("j"))).isTrue();
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a");
            assertThat(engine.status().count(State.COMPLETED)).isEqualTo(1);
            still[0] = null;
            assertThat(engine.status().count(State.COMPLETED)).isEqualTo(1);
        }
    }

    @Test
    void a_diagram_stays_one_whatever_a_reason_holds() {
        failAt("a", 1, new IllegalStateException("one;\ntwo <b> #3"));
        try (var engine = start(job().step("a", known -> known.part("a")).build())) {
            order("j");
            executor.runAll();
            assertThat(engine.diagram("job", "j"))
                    .contains("    H--xS: a failed: java.lang.IllegalStateException: one#59; two #60;b#62; #35;3\n");
            assertThat(engine.history("job", "j"))
                    .contains("a failed: java.lang.IllegalStateException: one; two <b> #3\n");
        }
    }

    @Test
    void waiting_for_an_end_tells_how_it_stands_if_it_does_not_come() throws InterruptedException {
        try (var engine = start(waiting())) {
            assertThatThrownBy(() -> engine.awaitEnded("job", "j", Duration.ZERO))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("has not begun");
            order("j");
            executor.runFor(MINUTE);
            assertThatThrownBy(() -> engine.awaitEnded("job", "j", Duration.ZERO))
                    .isInstanceOf(SagaTimeoutException.class)
                    .hasMessageContaining("is WAITING at step \"packed\"");
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(engine.awaitEnded("job", "j", Duration.ZERO).state()).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void an_end_that_comes_just_when_the_time_of_waiting_is_over_is_given() throws InterruptedException {
        var log = operations;
        var reads = new int[] {2};
        operations = whenCalled(log, (method, real) -> {
            if (method.equals("read") && ++reads[0] == 2) { // behind the last look
                Parts.append(domain, new Packed("j"));
                executor.runAll();
            }
            return call(real);
        });
        try (var engine = start(waiting())) {
            order("j");
            executor.runFor(MINUTE);
            reads[0] = 0;
            assertThat(engine.awaitEnded("job", "j", Duration.ZERO).state()).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void operators_need_no_engine_that_runs() {
        failAt("b", 1);
        var saga = job().pivot("a", known -> known.part("a"))
                .step("b", known -> known.part("b"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            var other = engine(saga).name("console").build();
            assertThat(other.resume("job", "j")).isTrue();
            assertThat(other.begin("job", "k", new Ordered("k"))).isTrue();
            assertThat(other.begin("job", "k", new Ordered("k"))).isFalse();
            executor.runAll();
            assertThat(done()).containsExactly("a", "b");
            assertThat(Parts.done(domain, "k")).containsExactly("a", "b");
            assertThat(other.status().count(State.COMPLETED)).isEqualTo(2);
        }
    }

    // ---- giving up

    @Test
    void a_command_that_ends_its_engine_each_time_is_given_up_and_others_go_on() {
        var saga = three(job()).build();
        var crashes = new CrashPoints[1];
        var mended = new boolean[1];
        before = (command, data) -> {
            if (command.job().equals("j") && command.part().equals("b") && !mended[0]) {
                crashes[0].restart(); // in the middle of it
            }
        };
        for (int i = 1; i <= 5; i++) { // by turns another name, or the same
            crashes[0] = CrashPoints.none();
            startCrashing(engineOver(crashes[0], saga).name("host " + i / 2).atOnce(1), crashes[0]);
            if (i == 1) {
                order("j");
                order("k");
            }
            executor.runFor(MINUTE);
            assertThat(ran).filteredOn("job/j/b/1"::equals).hasSize(i);
        }
        try (var engine = start(engine(saga).name("host 3"))) {
            executor.runFor(MINUTE);
            assertThat(ran).filteredOn("job/j/b/1"::equals).hasSize(5);
            assertThat(Parts.done(domain, "k")).containsExactly("a", "b", "c");
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason())
                    .contains("not known")
                    .contains("5 times")
                    .contains("resume");
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.UNSURE);
            assertThat(failures)
                    .filteredOn(failure -> failure.step().equals("b"))
                    .singleElement()
                    .satisfies(failure -> assertThat(failure.again()).isFalse());

            mended[0] = true;
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "b", "c");
        }
    }

    @Test
    void how_often_a_command_may_end_its_engine_counts_from_when_it_was_last_told_of() {
        var saga = three(job())
                .step("d", known -> known.part("d"))
                .unsure(IllegalStateException.class)
                .retry(Duration.ofHours(1))
                .build();
        var crashes = new CrashPoints[1];
        before = (command, data) -> {
            if (command.part().equals("d")) {
                if (ran.size() == 5) {
                    throw new IllegalStateException("told of");
                }
                crashes[0].restart();
            }
        };
        for (int i = 1; i <= 4; i++) { // d: ended, told of, ended, ended
            crashes[0] = CrashPoints.none();
            startCrashing(engineOver(crashes[0], saga).expiries(2), crashes[0]);
            if (i == 1) {
                order("j");
            }
            executor.runFor(Duration.ofHours(2));
        }
        assertThat(ran)
                .containsExactly(
                        "job/j/a/1", "job/j/b/1", "job/j/c/1", "job/j/d/1", "job/j/d/1", "job/j/d/1", "job/j/d/1");
        try (var engine = start(engine(saga).expiries(2))) {
            executor.runFor(MINUTE);
            assertThat(ran).hasSize(7);
            assertThat(state(engine)).isEqualTo(State.PARKED);
        }
    }
}
