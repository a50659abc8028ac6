package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.ProcessManager;
import dev.cqrs.saga.Reaction;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaEngine.Filter;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaEvent;
import dev.cqrs.saga.SagaFailure;
import dev.cqrs.saga.SagaInstance;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Done;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Receipt;
import dev.cqrs.suite.Parts.Weighed;
import dev.cqrs.testing.SeededScheduler;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

/** What becomes of the steps of a saga: forwards and backwards, not known, late, behind the pivot. */
public abstract class SagaStepsSuite extends SagaSuite {

    /** Over logs that the extending class makes. */
    protected SagaStepsSuite() {}

    // ---- forwards

    @Test
    void a_saga_of_three_steps_is_four_appends_and_its_commands_have_ids_that_tell_where_they_come_from() {
        try (var engine = start(three(job()).build())) {
            domain.append(
                    List.of(new Ordered("j")),
                    dev.cqrs.eventstore.AppendCondition.none(),
                    Metadata.withId("request-1"));
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/c/1");
            assertThat(metadata)
                    .allSatisfy(data -> assertThat(data.correlation()).contains("job/j"));
            assertThat(metadata.stream().map(data -> data.causation().orElseThrow()))
                    .containsExactly("request-1", "job/j/a/1", "job/j/b/1");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
            try (var marks = operations.read(EventQuery.types(SagaEvent.class))) {
                assertThat(marks.toList()).hasSize(4);
            }
            var status = engine.status();
            assertThat(status.count(State.COMPLETED)).isEqualTo(1);
            assertThat(status.count(State.RUNNING)).isZero();
            assertThat(failures).isEmpty();
        }
    }

    @Test
    void many_sagas_run_beside_each_other_and_nothing_is_written_when_all_have_ended() {
        try (var engine = start(three(job()).build())) {
            for (int i = 0; i < 50; i++) {
                order("j" + i);
            }
            executor.runAll();
            var head = operations.head();
            executor.runFor(Duration.ofHours(5));

            assertThat(operations.head()).isEqualTo(head);
            assertThat(engine.status().count(State.COMPLETED)).isEqualTo(50);
            for (int i = 0; i < 50; i++) {
                assertThat(Parts.done(domain, "j" + i)).containsExactly("a", "b", "c");
            }
        }
    }

    @Test
    void a_second_event_that_starts_it_starts_no_other() {
        try (var engine = start(three(job()).build())) {
            order("j");
            order("j");
            executor.runAll();
            order("j");
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(engine.status().ignored()).isEqualTo(2);
        }
    }

    @Test
    void steps_that_are_given_together_are_all_done_before_the_next_one_begins() {
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .step("b", known -> known.part("b"))
                        .await("packed", Packed.class, Packed::job))
                .step("c", known -> known.part("c"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(done()).containsExactlyInAnyOrder("a", "b");
            assertThat(state(engine)).isEqualTo(State.WAITING);
            assertThat(find(engine).step()).isEqualTo("packed");

            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(done()).endsWith("c").hasSize(3);
        }
    }

    @Test
    void an_event_that_comes_before_its_step_is_kept_and_the_state_knows_it() {
        var saga = job().step("a", known -> known.part("a"))
                .await("weighed", Weighed.class, Weighed::job)
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> new Do(known.job(), "b " + known.receipts()))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(find(engine).step()).isEqualTo("weighed");
            Parts.append(domain, new Packed("j"));
            Parts.append(domain, new Weighed("j"));
            executor.runAll();

            assertThat(done()).containsExactly("a", "b [packed, weighed]");
            assertThat(engine.status().ignored()).isEqualTo(1);
        }
    }

    @Test
    void an_event_for_a_saga_that_has_ended_or_never_began_is_ignored_and_counted() {
        var saga = job().await("packed", Packed.class, Packed::job).build();
        try (var engine = start(saga)) {
            Parts.append(domain, new Packed("j"));
            order("j");
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            Parts.append(domain, new Packed("j"));
            executor.runAll();

            assertThat(state(engine)).isEqualTo(State.COMPLETED);
            assertThat(engine.status().ignored()).isEqualTo(2);
            assertThat(failures).isEmpty();
        }
    }

    // ---- backwards

    @Test
    void what_took_effect_is_undone_in_reverse_when_a_step_is_refused_which_is_not_tried_again() {
        var saga =
                three(job().retry(MINUTE)).step("d", known -> known.part("d!")).build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
            assertThat(ran)
                    .contains("job/j/b/undo-1")
                    .filteredOn("job/j/d/1"::equals)
                    .hasSize(1);
            assertThat(ran).doesNotContain("job/j/d/2");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(find(engine).reason()).isEqualTo("Step \"d\" has failed: not this one");
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.step()).isEqualTo("d");
                assertThat(failure.again()).isFalse();
            });
        }
    }

    @Test
    void a_step_that_fails_is_tried_again_under_another_id_after_each_delay_and_then_the_saga_goes_back() {
        var saga =
                three(job().retry(Duration.ofSeconds(1), Duration.ofSeconds(5))).build();
        failAt("c", 2);
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(ran).endsWith("job/j/c/1", "job/j/c/2", "job/j/c/3");
            assertThat(clock.instant()).isAfterOrEqualTo(START.plusSeconds(6));

            failAt("b", 3);
            order("k");
            executor.runAll();
            assertThat(Parts.done(domain, "k")).containsExactly("a", "undo a");
            assertThat(engine.find("job", "k").orElseThrow().state()).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_step_without_a_compensation_has_nothing_to_be_undone() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b"))
                .step("c", known -> known.part("c!"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void of_steps_together_those_that_are_under_way_end_before_what_took_effect_is_undone() {
        var saga = job().parallel(all -> all.step("a", known -> known.part("a"))
                        .compensate(known -> known.part("undo a"))
                        .step("b", known -> known.part("b!"))
                        .step("c", known -> known.part("c"))
                        .compensate(known -> known.part("undo c"))
                        .await("packed", Packed.class, Packed::job))
                .build();
        SeededScheduler.explore(seeds(), 1, scheduler -> {
            open(scheduler);
            try (var engine = start(engine(saga).atOnce(3))) {
                order("j");
                executor.runAll();
                assertThat(state(engine)).isEqualTo(State.COMPENSATED);
                var all = done();
                assertThat(all).hasSize(4);
                assertThat(all.subList(0, 2)).containsExactlyInAnyOrder("a", "c");
                assertThat(all.subList(2, 4)).containsExactly("undo " + all.get(1), "undo " + all.get(0));
            }
        });
    }

    @Test
    void a_compensation_that_fails_is_tried_again_and_then_parked_and_goes_on_when_it_is_resumed() {
        var saga = three(job().retry(Duration.ofSeconds(1)))
                .step("d", known -> known.part("d!"))
                .build();
        failAt("undo b", 3);
        try (var engine = start(saga)) {
            order("j");
            order("k");
            executor.runAll();
            var parked = engine.list(Filter.all().in(State.PARKED), 10);
            assertThat(parked).singleElement().satisfies(instance -> {
                assertThat(instance.step()).isEqualTo("b");
                assertThat(instance.reason())
                        .startsWith("The compensation of step \"b\" has failed")
                        .contains("out of order");
            });
            assertThat(engine.status().count(State.COMPENSATED)).isEqualTo(1); // the other one
            var key = parked.get(0).key();
            assertThat(Parts.done(domain, key)).containsExactly("a", "b", "c", "undo c");

            assertThat(engine.resume("job", key)).isTrue();
            executor.runAll();

            assertThat(Parts.done(domain, key)).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
            assertThat(engine.find("job", key).orElseThrow().state()).isEqualTo(State.COMPENSATED);
            assertThat(engine.resume("job", key)).isFalse();
        }
    }

    @Test
    void what_waits_to_be_tried_again_is_tried_at_once_when_an_operator_says_so() {
        var saga = three(job().retry(Duration.ofHours(1)))
                .await("packed", Packed.class, Packed::job)
                .build();
        failAt("b", 1);
        try (var engine = start(saga)) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a");

            assertThat(engine.retry("job", "j")).isTrue();
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/b/2", "job/j/c/1");
            assertThat(engine.retry("job", "j")).as("it waits for an event").isFalse();
            assertThat(engine.retry("job", "nobody")).isFalse();
        }
    }

    @Test
    void a_compensation_that_is_left_out_is_told_and_the_saga_is_never_said_to_be_compensated() {
        var saga = three(job()).step("d", known -> known.part("d!")).build();
        failAt("undo b", 100);
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);

            assertThat(engine.skip("job", "j", "b")).isTrue();
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo a");
            assertThat(state(engine)).isEqualTo(State.INCOMPLETE);
            assertThat(find(engine).skipped()).containsExactly("undo of b");
            assertThat(engine.skip("job", "j", "b")).isFalse();
            assertThat(engine.status().count(State.COMPENSATED)).isZero();
        }
    }

    @Test
    void what_is_parked_beside_a_step_that_still_waits_tells_the_step_that_it_is_stuck_at() {
        var saga = job().pivot("a", known -> known.part("a"))
                .parallel(
                        both -> both.await("packed", Packed.class, Packed::job).step("b", known -> known.part("b")))
                .build();
        failAt("b", 1);
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);

            var found = find(engine);
            assertThat(found.step()).isEqualTo("b");
            assertThat(failures).extracting(SagaFailure::step).containsOnly("b");
            assertThat(engine.list(Filter.all().at("b"), 10)).hasSize(1);
            assertThat(engine.skip("job", "j", found.step())).isTrue();
            executor.runAll();
            assertThat(find(engine).step()).as("no longer parked").isEqualTo("packed");
            Parts.append(domain, new Packed("j"));
            executor.runAll();

            assertThat(state(engine)).isEqualTo(State.INCOMPLETE);
            assertThat(find(engine).skipped()).containsExactly("b");
        }
    }

    @Test
    void what_is_left_out_is_named_so_that_a_second_call_leaves_out_nothing_more() {
        var saga = three(job()).step("d", known -> known.part("d!")).build();
        before = (command, data) -> {
            if (command.part().startsWith("undo")) {
                throw new IllegalStateException("out of order");
            }
        };
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(engine.skip("job", "j", "b")).as("that is not its turn").isFalse();
            assertThat(engine.skip("job", "j", "c")).isTrue();
            executor.runAll();
            assertThat(find(engine).step()).isEqualTo("b");
            assertThat(engine.skip("job", "j", "c")).as("the same again").isFalse();
            executor.runAll();

            assertThat(find(engine).step()).isEqualTo("b");
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).skipped()).containsExactly("undo of c");
        }
    }

    /** A saga of three of which it is not known whether its second step took effect, and whose third is refused. */
    private SagaEngine unknownAt(boolean tookEffect) {
        var saga = three(job().unsure(UncheckedIOException.class))
                .step("d", known -> known.part("d!"))
                .build();
        var left = new int[] {1};
        before = (command, data) -> {
            if (command.part().equals("b") && left[0]-- > 0) {
                if (tookEffect) {
                    Parts.append(domain, new Done("j", "b"));
                }
                throw new UncheckedIOException(new IOException("cut"));
            }
        };
        var engine = start(saga);
        order("j");
        executor.runAll();
        assertThat(find(engine).reason()).contains("not known whether step \"b\" took effect (job/j/b/1)");
        return engine;
    }

    @Test
    void what_was_dispatched_before_a_restart_is_no_first_time_where_its_instance_was_parked_in_between() {
        var first = job().retry(Duration.ofSeconds(10))
                .unsure(UncheckedIOException.class)
                .parallel(both -> both.step("a", known -> known.part("a")).step("b", known -> known.part("b")))
                .build();
        var second = job().version(2)
                .retry(Duration.ofSeconds(10))
                .parallel(both -> both.step("b", known -> known.part("b")).step("c", known -> known.part("c")))
                .build();
        var closing = new ArrayList<SagaEngine>();
        before = (command, data) -> {
            var id = data.id().orElseThrow();
            if (id.equals("job/j/a/1")) {
                throw new UncheckedIOException(new IOException("cut"));
            }
            if (id.startsWith("job/j/b/")) {
                if (!closing.isEmpty()) {
                    closing.remove(0).close();
                    Thread.currentThread().interrupt(); // so that nothing is told of what became of it
                }
                throw new IllegalStateException("no");
            }
        };
        closing.add(start(first));
        order("j");
        executor.runAll();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(ran).endsWith("job/j/b/1");

        try (var engine = start(second)) {
            executor.runAll();
            assertThat(find(engine).reason()).contains("does not know");
            assertThat(engine.skip("job", "j", "a")).isTrue();
            executor.runFor(Duration.ofMinutes(1));
            assertThat(ran).filteredOn("job/j/b/1"::equals).hasSizeGreaterThan(1);
            assertThat(ran).as("an attempt that may have taken effect").doesNotContain("job/j/b/2");
        }
    }

    @Test
    void a_step_of_which_an_operator_found_that_it_took_effect_is_not_tried_again_and_is_undone_on_the_way_back() {
        try (var engine = unknownAt(true)) {
            assertThat(engine.settle("job", "j", "job/j/b/2", Finding.TOOK_EFFECT))
                    .as("another attempt")
                    .isFalse();
            assertThat(engine.settle("job", "j", "job/j/b/1", Finding.TOOK_EFFECT))
                    .isTrue();
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason()).contains("Step \"b\" took effect").contains("Resume");
            assertThat(engine.settle("job", "j", "job/j/b/1", Finding.TOOK_EFFECT))
                    .isFalse();
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(engine.history("job", "j")).contains("an operator found that b took effect");
        }
    }

    @Test
    void a_step_of_which_an_operator_found_that_it_took_effect_is_undone_by_a_cancellation_with_nothing_begun_first() {
        try (var engine = unknownAt(true)) {
            assertThat(engine.settle("job", "j", "job/j/b/1", Finding.TOOK_EFFECT))
                    .isTrue();
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "undo b", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_step_of_which_an_operator_found_that_it_had_no_effect_is_tried_again_as_another_attempt() {
        try (var engine = unknownAt(false)) {
            assertThat(engine.settle("job", "j", "job/j/b/1", Finding.NO_EFFECT))
                    .isTrue();
            assertThat(engine.settle("job", "j", "job/j/b/1", Finding.NO_EFFECT))
                    .isFalse();
            assertThat(find(engine).reason())
                    .isEqualTo("Step \"b\" had no effect, as an operator has found out. Resume or cancel it.");
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();

            assertThat(ran).contains("job/j/b/2");
            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
        }
    }

    @Test
    void a_step_of_which_an_operator_found_that_it_had_no_effect_is_not_undone_by_a_cancellation() {
        try (var engine = unknownAt(false)) {
            assertThat(engine.settle("job", "j", "job/j/b/1", Finding.NO_EFFECT))
                    .isTrue();
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();

            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_failed_saga_that_was_parked_for_what_is_not_known_goes_back_when_an_operator_found_that_it_had_no_effect() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .within(MINUTE)
                .pivot("ship", known -> known.part("ship"))
                .unsure(UncheckedIOException.class)
                .retry(MINUTE)
                .build();
        failAt("ship", 100, new UncheckedIOException(new IOException("cut")));
        try (var engine = start(saga)) {
            order("j");
            executor.runFor(Duration.ofMinutes(5));
            assertThat(find(engine).reason()).contains("not known whether step \"ship\" took effect");
            assertThat(engine.settle("job", "j", "job/j/ship/1", Finding.NO_EFFECT))
                    .isTrue();
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runFor(MINUTE);

            assertThat(ran).filteredOn(id -> id.contains("/ship/")).containsOnly("job/j/ship/1");
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_compensation_that_was_carried_out_by_hand_counts_when_an_operator_says_so() {
        var saga = three(job()).step("d", known -> known.part("d!")).build();
        failAt("undo b", 100);
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(engine.settle("job", "j", "job/j/b/undo-1", Finding.TOOK_EFFECT))
                    .isTrue();
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_failed_saga_goes_back_when_it_is_cancelled_after_an_operator_found_out_what_it_is_parked_for() {
        var saga = job().unsure(UncheckedIOException.class)
                .parallel(both -> both.step("b", known -> known.part("b!"))
                        .step("a", known -> known.part("a"))
                        .compensate(known -> known.part("undo a")))
                .build();
        before = (command, data) -> {
            if (command.part().equals("a")) {
                Parts.append(domain, new Done("j", "a"));
                throw new UncheckedIOException(new IOException("cut"));
            }
        };
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            var head = operations.head();
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            assertThat(operations.head()).isEqualTo(head); // nothing can be done yet
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.settle("job", "j", "job/j/a/1", Finding.TOOK_EFFECT))
                    .isTrue();
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();

            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_saga_on_its_way_back_goes_on_when_it_is_cancelled_after_a_compensation_was_carried_out_by_hand() {
        var saga = three(job()).step("d", known -> known.part("d!")).build();
        failAt("undo b", 100);
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(engine.settle("job", "j", "job/j/b/undo-1", Finding.TOOK_EFFECT))
                    .isTrue();
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();

            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_step_that_returned_is_known_to_have_taken_effect_though_that_was_not_known_before() {
        var saga = job().step("a", known -> known.part("a"), (known, text) -> {
                    throw new IllegalArgumentException("bad result");
                })
                .unsure(UncheckedIOException.class)
                .retry(MINUTE)
                .compensate(known -> known.part("undo a"))
                .build();
        failAt("a", 1, new UncheckedIOException(new IOException("cut")));
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(find(engine).reason()).contains("took effect (job/j/a/1), but");
            for (var finding : Finding.values()) {
                assertThat(engine.settle("job", "j", "job/j/a/1", finding))
                        .as("it is known")
                        .isFalse();
            }
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_step_that_returned_what_cannot_be_used_is_known_to_have_taken_effect_and_is_undone() {
        var saga = job().step("a", known -> known.part("a"), (known, text) -> {
                    throw new IllegalArgumentException("bad result");
                })
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b!"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            order("k");
            executor.runAll();
            assertThat(find(engine).reason())
                    .contains("took effect (job/j/a/1), but")
                    .doesNotContain("not known");
            assertThat(engine.settle("job", "j", "job/j/a/1", Finding.NO_EFFECT))
                    .as("it is known")
                    .isFalse();
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            assertThat(engine.skip("job", "k", "a")).isTrue();
            executor.runAll();

            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(Parts.done(domain, "k")).containsExactly("a", "undo a");
            assertThat(engine.find("job", "k").orElseThrow().state()).isEqualTo(State.INCOMPLETE);
        }
    }

    @Test
    void a_step_that_returned_what_cannot_be_used_keeps_its_id_whatever_happens_when_it_is_tried_again() {
        var broken = new boolean[] {true};
        var saga = job().step("a", known -> known.part("a"), (known, text) -> {
                    if (broken[0]) {
                        throw new IllegalArgumentException("bad result");
                    }
                    return new Receipt(text);
                })
                .retry(Duration.ofSeconds(1))
                .compensate(known -> known.part("undo a"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            broken[0] = false;
            failAt("a", 2);
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason()).contains("took effect").doesNotContain("not known");
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();

            assertThat(ran).containsOnly("job/j/a/1").hasSize(4);
            assertThat(done()).containsExactly("a");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_saga_whose_state_can_never_be_told_is_ended_by_an_operator() {
        var state = Fold.from(new Known("", List.of())).on(Ordered.class, (known, e) -> {
            throw new IllegalArgumentException("bad fold");
        });
        var saga = Saga.named("job", state)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"))
                .build();
        var manager = ProcessManager.named("manager", state)
                .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of())
                .build();
        try (var engine = start(engine(saga).add(manager))) {
            order("j");
            order("k");
            executor.runAll();
            assertThat(find(engine).reason()).contains("bad fold");
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            assertThat(engine.skip("job", "k", "a")).isTrue();
            assertThat(engine.cancel("manager", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();

            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(engine.find("job", "k").orElseThrow().state()).isEqualTo(State.INCOMPLETE);
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.INCOMPLETE);
        }
    }

    // ---- not known

    @Test
    void what_was_not_known_and_is_refused_then_is_known_and_is_tried_again_under_a_new_id() {
        var saga = three(job().retry(Duration.ofSeconds(1)).unsure(UncheckedIOException.class))
                .build();
        refused.addAll(List.of("c", "undo b"));
        failAt("undo b", 1, new UncheckedIOException(new IOException("cut")));
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(ran).filteredOn("job/j/b/undo-1"::equals).hasSize(2);
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason()).doesNotContain("not known");
            refused.clear();
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(ran).contains("job/j/b/undo-2");
            assertThat(done()).containsExactly("a", "b", "undo b", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void where_it_is_not_known_whether_a_step_took_effect_the_same_id_is_tried_again_and_then_it_is_parked() {
        var saga = three(job().retry(Duration.ofSeconds(1)).unsure(UncheckedIOException.class))
                .build();
        failAt("b", 2, new IllegalStateException("outer", new UncheckedIOException(new IOException("cut"))));
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/b/1");
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason()).contains("not known whether step \"b\" took effect");
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.UNSURE);

            assertThat(engine.retry("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(ran).filteredOn("job/j/b/1"::equals).hasSize(3);
        }
    }

    @Test
    void a_command_without_a_handler_parks_its_saga_alone_and_goes_on_when_there_is_one() {
        record Unhandled(String job) implements Command<String> {}
        var catalog = SagaEngine.catalog(Catalog.builder())
                .event("ordered", Ordered.class)
                .event("packed", Packed.class)
                .event("weighed", Weighed.class)
                .event("receipt", Receipt.class)
                .event("do", Do.class)
                .event("unhandled", Unhandled.class)
                .build();
        operations = emptyLog(catalog, clock);
        emptyLog(Parts.domain(), clock);
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> new Unhandled(known.job()))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason()).contains("No handler for");
            order("k");
            executor.runAll();
            assertThat(engine.cancel("job", "k"))
                    .as("nothing can have happened")
                    .isEqualTo(Cancellation.CANCELLED);
            executor.runAll();
            assertThat(Parts.done(domain, "k")).containsExactly("a", "undo a");
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.skip("job", "j", "b")).isTrue();
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.INCOMPLETE);
            assertThat(done()).containsExactly("a");
        }
    }

    @Test
    void a_function_that_throws_parks_its_saga_alone_and_a_key_function_that_does_is_told() {
        var broken = new boolean[] {true};
        var state = Fold.from(new Known("", List.of())).on(Ordered.class, (known, e) -> {
            if (broken[0] && e.job().equals("fold")) {
                throw new IllegalArgumentException("bad fold");
            }
            return new Known(e.job(), List.of());
        });
        var saga = Saga.named("job", state)
                .startedBy(Ordered.class, e -> {
                    if (e.job().equals("key")) {
                        throw new IllegalArgumentException("bad key");
                    }
                    return e.job();
                })
                .step("a", known -> known.part("a"), (known, text) -> {
                    if (broken[0] && known.job().equals("result")) {
                        throw new IllegalArgumentException("bad result");
                    }
                    return new Receipt(text);
                })
                .step("b", known -> {
                    if (broken[0] && known.job().equals("command")) {
                        throw new IllegalArgumentException("bad command");
                    }
                    return known.part("b");
                })
                .build();
        try (var engine = start(saga)) {
            for (var job : List.of("fold", "key", "result", "command", "good")) {
                order(job);
            }
            executor.runAll();
            assertThat(Parts.done(domain, "good")).containsExactly("a", "b");
            assertThat(engine.status().count(State.PARKED)).isEqualTo(3);
            for (var job : List.of("fold", "result", "command")) {
                assertThat(engine.find("job", job).orElseThrow().reason()).contains("bad " + job);
            }
            assertThat(engine.find("job", "key")).isEmpty();
            assertThat(Parts.done(domain, "key")).isEmpty();
            assertThat(engine.status().count(State.COMPLETED)).isEqualTo(1);
            assertThat(failures.stream().map(failure -> failure.cause().getMessage()))
                    .contains("bad key")
                    .hasSize(4);

            broken[0] = false;
            for (var job : List.of("fold", "result", "command")) {
                assertThat(engine.resume("job", job)).isTrue();
            }
            executor.runAll();
            for (var job : List.of("fold", "result", "command")) {
                assertThat(Parts.done(domain, job)).containsExactly("a", "b");
            }
        }
    }

    /** Starts an engine whose log takes no event of which something is true. */
    private SagaEngine startRefusing(Predicate<Object> refused, Saga<?> saga) {
        return start(SagaEngine.builder(refusing(refused), clock)
                .name("sagas")
                .domain(domain)
                .add(saga));
    }

    @Test
    void an_event_that_cannot_be_stored_parks_the_saga_that_waits_for_it() {
        var saga = job().step("a", known -> known.part("a"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("b"))
                .build();
        try (var engine = startRefusing(Packed.class::isInstance, saga)) {
            order("j");
            executor.runAll();
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(find(engine))
                    .returns(State.PARKED, SagaInstance::state)
                    .returns(
                            "The event \"packed\", or what follows from it, could not be stored:"
                                    + " java.lang.IllegalArgumentException: it cannot be written",
                            SagaInstance::reason);
            assertThat(failures).extracting(SagaFailure::key).contains(Optional.of("j"));
            assertThat(done()).containsExactly("a");
        }
    }

    /** A saga that tells what it knows. */
    private static Saga<Known> telling() {
        return job().step("a", known -> known.part("a " + known.receipts()))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("b " + known.receipts()))
                .within(Duration.ofHours(1))
                .build();
    }

    @Test
    void an_event_that_could_not_be_stored_is_known_when_the_saga_that_waits_for_it_is_resumed() {
        var refuses = new boolean[] {true};
        try (var engine = startRefusing(event -> refuses[0] && event instanceof Packed, telling())) {
            order("j");
            executor.runFor(MINUTE);
            Parts.append(domain, new Packed("j"));
            executor.runFor(MINUTE);
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.history("job", "j")).contains("an event that is not kept for packed");

            refuses[0] = false;
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a []", "b [packed]");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_saga_whose_start_could_not_be_stored_goes_on_from_its_event_in_any_engine_when_it_is_resumed() {
        try (var engine = startRefusing(Ordered.class::isInstance, telling())) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(find(engine))
                    .returns(State.PARKED, SagaInstance::state)
                    .returns(
                            "The event \"ordered\", or what follows from it, could not be stored:"
                                    + " java.lang.IllegalArgumentException: it cannot be written",
                            SagaInstance::reason);
            Parts.append(domain, new Packed("j"));
            executor.runFor(MINUTE);
        }
        try (var engine = start(telling())) {
            executor.runFor(MINUTE);
            assertThat(done()).isEmpty();
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runFor(MINUTE);
            assertThat(done())
                    .containsExactly("a [packed]", "b [packed]"); // the start stands in front of what came later
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_saga_whose_first_command_could_not_be_stored_goes_on_from_its_event_when_it_is_resumed() {
        var refuses = new boolean[] {true};
        var first = new Do("j", "a []");
        try (var engine = startRefusing(event -> refuses[0] && event.equals(first), telling())) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runFor(MINUTE);
            assertThat(state(engine)).isEqualTo(State.PARKED);

            refuses[0] = false;
            assertThat(engine.resume("job", "j")).isTrue();
            Parts.append(domain, new Packed("j"));
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("a []", "b [packed]");
        }
    }

    @Test
    void the_time_given_to_the_whole_begins_with_an_event_that_cannot_be_stored() {
        var refuses = new boolean[] {true};
        try (var engine = startRefusing(event -> refuses[0] && event instanceof Ordered, telling())) {
            order("j");
            executor.runFor(MINUTE);
            refuses[0] = false;
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runFor(Duration.ofHours(2));
            assertThat(done()).containsExactly("a []");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_saga_whose_start_can_be_read_nowhere_does_not_go_on_as_if_it_had_it() {
        var away = new boolean[1];
        var torn = new Fronted(domain) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                if (query.equals(EventQuery.all())) {
                    throw away[0]
                            ? new UncheckedIOException(new IOException("away"))
                            : new UnknownEventException("ordered", "nothing");
                }
                return store.read(query, options);
            }
        };
        var log = refusing(Ordered.class::isInstance);
        try (var engine = start(SagaEngine.builder(log, clock)
                .name("sagas")
                .domain(torn)
                .add(telling())
                .add(ProcessManager.named("manager", Parts.KNOWN)
                        .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of(Reaction.send(known.part("c"))))
                        .build()))) {
            order("j");
            executor.runFor(MINUTE);
            for (var saga : List.of("job", "manager")) {
                assertThat(engine.resume(saga, "j")).isTrue();
                executor.runFor(MINUTE);
                assertThat(engine.find(saga, "j").orElseThrow())
                        .returns(State.PARKED, SagaInstance::state)
                        .extracting(SagaInstance::reason)
                        .asString()
                        .startsWith("Its event could not be kept, and cannot be read at position ");
            }
            away[0] = true;
            assertThatThrownBy(() -> engine.resume("job", "j")).isInstanceOf(UncheckedIOException.class);
            assertThat(engine.list(Filter.all(), 9)).hasSize(2);

            away[0] = false;
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            assertThat(engine.cancel("manager", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runFor(MINUTE);
            assertThat(done()).isEmpty();
            assertThat(engine.status().count(State.COMPENSATED)).isEqualTo(1);
            assertThat(engine.status().count(State.INCOMPLETE)).isEqualTo(1);
        }
    }

    @Test
    void what_follows_from_an_operators_word_and_cannot_be_stored_parks_the_saga() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .await("packed", Packed.class, Packed::job)
                .build();
        var undo = new Do("j", "undo a");
        try (var engine = startRefusing(undo::equals, saga)) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            assertThat(find(engine))
                    .returns(State.PARKED, SagaInstance::state)
                    .returns(UNDO_NOT_STORED, SagaInstance::reason);
            assertThat(engine.resume("job", "j")).isTrue();
            assertThat(find(engine).reason()).isEqualTo(UNDO_NOT_STORED);

            assertThat(engine.skip("job", "j", "a")).isTrue();
            executor.runAll();
            assertThat(find(engine))
                    .returns(State.INCOMPLETE, SagaInstance::state)
                    .returns(List.of("undo of a"), SagaInstance::skipped);
        }
    }

    private static final String UNDO_NOT_STORED = "The command of the compensation of step \"a\" could not be stored:"
            + " java.lang.IllegalArgumentException: it cannot be written";

    @Test
    void what_follows_from_a_time_and_cannot_be_stored_parks_the_saga() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .await("packed", Packed.class, Packed::job)
                .timeout(Duration.ofMinutes(10))
                .build();
        var undo = new Do("j", "undo a");
        try (var engine = startRefusing(undo::equals, saga)) {
            order("j");
            executor.runFor(Duration.ofMinutes(11));
            assertThat(find(engine))
                    .returns(State.PARKED, SagaInstance::state)
                    .returns(UNDO_NOT_STORED, SagaInstance::reason);
            assertThat(done()).containsExactly("a");
        }
    }

    @Test
    void a_result_is_kept_though_the_next_command_cannot_be_stored_so_that_it_is_undone_by_what_it_was() {
        var saga = job().step("a", known -> known.part("a"), (known, text) -> new Receipt(text))
                .compensate(known -> known.part("undo " + known.receipts()))
                .step("b", known -> known.part("b"))
                .build();
        try (var engine = startRefusing(new Do("j", "b")::equals, saga)) {
            order("j");
            executor.runAll();
            assertThat(find(engine))
                    .returns(State.PARKED, SagaInstance::state)
                    .returns("b", SagaInstance::step)
                    .returns(
                            "The command of step \"b\" could not be stored:"
                                    + " java.lang.IllegalArgumentException: it cannot be written",
                            SagaInstance::reason);
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();
            assertThat(done()).containsExactly("a", "undo [a@1]");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void of_parallel_steps_the_one_is_given_up_on_whose_command_cannot_be_stored() {
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .step("b", known -> known.part("b"))
                        .step("c", known -> known.part("c")))
                .build();
        try (var engine = startRefusing(new Do("j", "b")::equals, saga)) {
            order("j");
            executor.runAll();
            assertThat(find(engine).reason()).startsWith("The event \"ordered\", or what follows from it");
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(find(engine).step()).isEqualTo("b");
            assertThat(find(engine).reason()).contains("The command of step \"b\" could not be stored");
            assertThat(engine.skip("job", "j", "b")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("a", "c");
            assertThat(find(engine))
                    .returns(State.INCOMPLETE, SagaInstance::state)
                    .returns(List.of("b"), SagaInstance::skipped);
        }
    }

    @Test
    void a_step_whose_time_is_over_is_not_tried_again_though_the_process_was_down_when_each_of_the_two_was_due() {
        var timed = job().pivot("ship", known -> known.part("ship"))
                .timeout(MINUTE)
                .retry(Duration.ofMinutes(2))
                .build();
        var within = job().step("ship", known -> known.part("ship"))
                .retry(Duration.ofMinutes(2))
                .within(MINUTE)
                .build();
        for (var saga : List.of(timed, within)) {
            open(new SeededScheduler(7, clock));
            failAt("ship", 1);
            var engine = start(saga);
            order("j");
            executor.runFor(Duration.ofSeconds(1));
            engine.close();
            clock.advance(Duration.ofHours(1));
            try (var later = start(saga)) {
                executor.runAll();
                assertThat(done()).isEmpty();
                assertThat(state(later)).isEqualTo(State.COMPENSATED);
            }
        }
    }

    @Test
    void behind_the_pivot_a_step_whose_time_is_over_waits_for_an_operator_though_it_was_to_be_tried_again() {
        var saga = job().pivot("pay", known -> known.part("pay"))
                .step("ship", known -> known.part("ship"))
                .timeout(MINUTE)
                .retry(Duration.ofMinutes(2))
                .build();
        failAt("ship", 1);
        var engine = start(saga);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        engine.close();
        clock.advance(Duration.ofHours(1));
        try (var later = start(saga)) {
            executor.runAll();
            assertThat(done()).containsExactly("pay");
            assertThat(find(later).reason()).isEqualTo("Step \"ship\" was not done in its time.");
            assertThat(later.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("pay", "ship");
            assertThat(state(later)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void an_event_that_comes_while_its_step_cannot_be_begun_as_the_state_is_not_known_counts() {
        // given a saga whose state cannot be told
        var broken = new boolean[] {true};
        var fold = Fold.from(new Known("", List.of()))
                .on(Ordered.class, (known, e) -> new Known(e.job(), List.of()))
                .on(Receipt.class, (known, e) -> {
                    if (broken[0]) {
                        throw new IllegalStateException("not yet");
                    }
                    return known;
                })
                .on(Packed.class, (known, e) -> known);
        var saga = Saga.named("job", fold)
                .startedBy(Ordered.class, Ordered::job)
                .step("a", known -> known.part("a"), (known, text) -> new Receipt(text))
                .await("packed", Packed.class, Packed::job)
                .build();
        var engine = start(saga);
        order("j");
        executor.runAll();
        assertThat(find(engine).reason()).contains("not yet");

        // when the event comes, and the state is mended
        Parts.append(domain, new Packed("j"));
        Parts.append(domain, new Packed("j"));
        executor.runAll();
        assertThat(engine.status().ignored()).as("the second").isEqualTo(1);
        engine.close();
        broken[0] = false;

        // then it is not waited for again
        try (var later = start(saga)) {
            assertThat(later.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(state(later)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void of_several_events_of_a_process_manager_the_one_is_named_whose_command_cannot_be_stored() {
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of(Reaction.send(known.part("one"))))
                .on(Packed.class, Packed::job, (known, e) -> List.of(Reaction.send(known.part("good"))))
                .on(Weighed.class, Weighed::job, (known, e) -> List.of(Reaction.send(known.part("bad"))))
                .build();
        failAt("one", 1);
        try (var engine = start(SagaEngine.builder(refusing(new Do("j", "bad")::equals), clock)
                .name("sagas")
                .domain(domain)
                .add(manager))) {
            order("j");
            executor.runAll();
            Parts.append(domain, new Packed("j"));
            Parts.append(domain, new Weighed("j"));
            executor.runAll();
            assertThat(engine.resume("manager", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("one", "good");
            assertThat(engine.find("manager", "j").orElseThrow())
                    .returns(State.PARKED, SagaInstance::state)
                    .extracting(SagaInstance::reason)
                    .asString()
                    .startsWith("A command about Weighed could not be stored: ");
        }
    }

    @Test
    void of_a_handler_that_gives_null_it_is_not_known_whether_it_took_effect() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .retry(Duration.ofSeconds(1))
                .build();
        var forgetful = InMemoryCommandBus.builder()
                .handle(Do.class, (command, data) -> {
                    ran.add(data.id().orElseThrow());
                    Parts.append(domain, new Done(command.job(), command.part()));
                    return nothing();
                })
                .build();
        try (var engine = engine(saga).build()) {
            engine.start(forgetful, executor, executor::schedule, failures::add);
            order("j");
            executor.runAll();
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1");
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason()).contains("not known", "job/j/a/1", "returned null");
        }
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what users may do
    private static <T> T nothing() {
        return null;
    }

    @Test
    void what_the_catalog_does_not_know_parks_the_saga() {
        record Foreign() {}
        var saga = job().step("a", known -> known.part("a"), (known, text) -> new Foreign())
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(find(engine).reason()).contains("does not know").contains("Foreign");
        }
    }

    @Test
    void a_command_that_the_catalog_does_not_know_parks_the_process_manager() {
        record Unheard() implements Command<String> {}
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(Reaction.send(known.part("a")), Reaction.send(new Unheard())))
                .build();
        try (var engine = start(SagaEngine.builder(operations, clock)
                .name("sagas")
                .domain(domain)
                .add(manager))) {
            order("j");
            executor.runAll();
            var instance = engine.find("manager", "j").orElseThrow();
            assertThat(instance.state()).isEqualTo(State.PARKED);
            assertThat(instance.reason())
                    .startsWith("A command about Ordered is a ")
                    .contains("Unheard", "does not know");
            assertThat(done()).as("all that it wants, or nothing").isEmpty();
        }
    }

    // ---- the pivot

    @Test
    void behind_the_pivot_there_is_no_way_back() {
        var saga = three(job())
                .pivot("ship", known -> known.part("ship"))
                .step("thank", known -> known.part("thank"))
                .build();
        failAt("thank", 1);
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.TOO_LATE);

            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "c", "ship", "thank");
            assertThat(ran).endsWith("job/j/thank/1", "job/j/thank/2");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_pivot_that_fails_has_not_been_passed() {
        var saga = three(job()).pivot("ship", known -> known.part("ship!")).build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(done()).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    // ---- time

    @Test
    void a_step_that_is_not_done_in_its_time_has_failed() {
        try (var engine = start(waiting())) {
            order("j");
            executor.runFor(Duration.ofMinutes(29));
            assertThat(state(engine)).isEqualTo(State.WAITING);
            assertThat(find(engine).wake()).contains(START.plus(Duration.ofMinutes(30)));
            executor.runFor(Duration.ofMinutes(2));

            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(engine.status().ignored()).isEqualTo(1);
        }
    }

    @Test
    void a_step_that_is_done_in_its_time_has_no_timer_left() {
        try (var engine = start(waiting())) {
            order("j");
            executor.runFor(Duration.ofMinutes(29));
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            executor.runFor(Duration.ofHours(2));
            assertThat(done()).containsExactly("a", "b");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_clock_that_jumps_has_each_timer_fire_once_also_when_the_engine_is_started_again() {
        var engine = start(waiting());
        order("j");
        order("k");
        executor.runFor(MINUTE);
        clock.set(START.minus(Duration.ofHours(1)));
        executor.runFor(Duration.ofMinutes(5));
        assertThat(state(engine)).isEqualTo(State.WAITING);
        engine.close();
        clock.set(START.plus(Duration.ofHours(1)));
        engine = start(waiting());
        executor.runFor(Duration.ofMinutes(2));
        clock.set(START.minus(Duration.ofHours(1)));
        executor.runFor(Duration.ofHours(3));

        for (var job : List.of("j", "k")) {
            assertThat(Parts.done(domain, job)).containsExactly("a", "undo a");
            assertThat(engine.history("job", job).lines().filter(line -> line.contains("its time is over")))
                    .hasSize(1);
        }
        engine.close();
    }

    @Test
    void a_jump_of_the_clock_is_noticed_within_a_minute() {
        try (var engine = start(waiting())) {
            order("j");
            executor.runFor(MINUTE);
            clock.set(START.plus(Duration.ofHours(1)));
            executor.runFor(MINUTE.plusSeconds(1));
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void the_time_for_the_whole_counts_up_to_the_pivot() {
        var saga = job().within(Duration.ofHours(1))
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .await("packed", Packed.class, Packed::job)
                .pivot("ship", known -> known.part("ship"))
                .await("weighed", Weighed.class, Weighed::job)
                .build();
        try (var engine = start(saga)) {
            order("j");
            order("k");
            executor.runFor(MINUTE);
            Parts.append(domain, new Packed("k"));
            executor.runFor(Duration.ofHours(2));
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(find(engine).reason()).contains("time given to the whole");
            Parts.append(domain, new Weighed("k"));
            executor.runAll();
            assertThat(Parts.done(domain, "k")).containsExactly("a", "ship");
            assertThat(engine.find("job", "k").orElseThrow().state()).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void behind_the_pivot_an_event_that_does_not_come_in_its_time_parks_the_saga_until_it_does() {
        var saga = job().pivot("ship", known -> known.part("ship"))
                .await("packed", Packed.class, Packed::job)
                .timeout(MINUTE)
                .step("b", known -> known.part("b"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runFor(Duration.ofMinutes(5));
            assertThat(state(engine)).isEqualTo(State.PARKED);
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("ship", "b");
        }
    }

    @Test
    void a_step_whose_time_ends_while_it_is_under_way_is_undone_once_it_is_known_that_it_took_effect() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .timeout(MINUTE)
                .step("b", known -> known.part("b"))
                .build();
        before = (command, data) -> {
            if (command.part().equals("a")) {
                clock.advance(Duration.ofMinutes(2));
            }
        };
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void an_event_behind_the_pivot_that_comes_while_a_cancelled_pivot_is_under_way_is_not_lost() {
        var saga = job().pivot("ship", known -> known.part("ship"))
                .await("packed", Packed.class, Packed::job)
                .step("b", known -> known.part("b"))
                .build();
        var engines = new SagaEngine[1];
        before = (command, data) -> {
            if (command.part().equals("ship")) {
                assertThat(engines[0].cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
                Parts.append(domain, new Packed("j"));
                executor.runFor(Duration.ofSeconds(1)); // it is taken in
            }
        };
        try (var engine = start(saga)) {
            engines[0] = engine;
            order("j");
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("ship", "b");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
            assertThat(engine.status().ignored()).isZero();
        }
    }

    @Test
    void a_step_that_ran_out_of_time_gets_its_time_anew_when_it_is_resumed() {
        var saga = job().pivot("ship", known -> known.part("ship"))
                .await("packed", Packed.class, Packed::job)
                .timeout(MINUTE)
                .step("b", known -> known.part("b"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runFor(Duration.ofMinutes(5));
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runFor(Duration.ofSeconds(50));
            assertThat(state(engine)).isEqualTo(State.WAITING);
            executor.runFor(Duration.ofSeconds(20));
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.resume("job", "j")).isTrue();
            Parts.append(domain, new Packed("j"));
            executor.runFor(Duration.ofSeconds(50));
            assertThat(done()).containsExactly("ship", "b");
        }
    }

    @Test
    void a_step_in_front_of_the_pivot_that_is_resumed_after_its_time_is_not_undone_at_once() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .unsure(IllegalStateException.class)
                .timeout(MINUTE)
                .step("b", known -> known.part("b"))
                .build();
        failAt("a", 1);
        try (var engine = start(saga)) {
            order("j");
            executor.runFor(Duration.ofMinutes(5));
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.resume("job", "j")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("a", "b");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_step_that_is_tried_again_keeps_its_time() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .unsure(IllegalStateException.class)
                .retry(MINUTE.multipliedBy(2))
                .timeout(MINUTE)
                .step("b", known -> known.part("b"))
                .build();
        failAt("a", 1);
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_pivot_whose_command_cannot_be_made_and_that_is_left_out_counts_as_passed() {
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .pivot("ship", known -> {
                    throw new IllegalStateException("no command");
                })
                .step("b", known -> known.part("b!"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.skip("job", "j", "ship")).isTrue();
            executor.runAll();
            assertThat(done()).containsExactly("a");
            assertThat(state(engine)).isEqualTo(State.PARKED);
            assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.TOO_LATE);
        }
    }
}
