package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.interceptor.NotAuthorizedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.CheckpointStore;
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
import dev.cqrs.saga.SagaTimeoutException;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Done;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Receipt;
import dev.cqrs.suite.Parts.Weighed;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.SimulatedCrash;
import dev.cqrs.testing.VirtualClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What sagas and process managers do, over logs of the extending class. Time is virtual and the order of tasks a seed's.
 */
@Timeout(120)
public abstract class SagaSuite {

    private static final Instant START = Instant.parse("2026-01-05T09:00:00Z");
    private static final Duration MINUTE = Duration.ofMinutes(1);

    protected VirtualClock clock = new VirtualClock(START);
    protected SeededScheduler executor = new SeededScheduler(7, clock);
    protected EventStore operations;
    protected EventStore domain;
    private final List<SagaFailure> failures = new ArrayList<>();
    private final List<String> ran = new ArrayList<>();
    private final List<Metadata> metadata = new ArrayList<>();
    private BiConsumer<Do, Metadata> before = (command, data) -> {};
    private final Set<String> refused = new HashSet<>();

    @SuppressWarnings("NullAway.Init") // opened before each test
    protected SagaSuite() {}

    /** Makes a log without events, by turns that of operations and the domain's. */
    protected abstract EventStore emptyLog(Catalog catalog, Clock clock);

    /** Makes a store without checkpoints, which knows the class of "sagas". */
    protected abstract CheckpointStore emptyCheckpoints();

    /** How many seeds the explorations try. */
    protected int seeds() {
        return 40;
    }

    @BeforeEach
    void open_empty_logs() {
        open(new SeededScheduler(7, clock));
    }

    private void open(SeededScheduler scheduler) {
        executor = scheduler;
        clock = scheduler.clock();
        operations = emptyLog(Parts.operations(), clock);
        domain = emptyLog(Parts.domain(), clock);
        ran.clear();
        failures.clear();
    }

    private static Saga.Builder<Known> job() {
        return job("job");
    }

    private static Saga.Builder<Known> job(String name) {
        return Saga.named(name, Parts.KNOWN).startedBy(Ordered.class, Ordered::job);
    }

    /** Three steps, each with a compensation. */
    private static Saga.Builder<Known> three(Saga.Builder<Known> saga) {
        return saga.step("a", known -> known.part("a"), (known, text) -> new Receipt(text))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b"))
                .compensate(known -> known.part("undo b"))
                .step("c", known -> known.part("c"))
                .compensate(known -> known.part("undo c"));
    }

    private SagaEngine.Builder engine(Saga<?>... sagas) {
        var builder = SagaEngine.builder(operations, clock)
                .name("sagas")
                .domain(domain)
                .lease(Duration.ofSeconds(30));
        for (var saga : sagas) {
            builder.add(saga, Position.START);
        }
        return builder;
    }

    private SagaEngine start(Saga<?>... sagas) {
        return start(engine(sagas));
    }

    private SagaEngine start(SagaEngine.Builder builder) {
        var engine = builder.build();
        engine.start(bus(domain), executor, executor::schedule, failures::add);
        return engine;
    }

    private CommandBus bus(EventStore domain) {
        return Parts.bus(
                domain,
                (command, data) -> {
                    ran.add(data.id().orElseThrow());
                    metadata.add(data);
                    before.accept(command, data);
                },
                part -> part.endsWith("!") || refused.contains(part));
    }

    private void order(String job) {
        Parts.append(domain, new Ordered(job));
    }

    private List<String> done() {
        return Parts.done(domain, "j");
    }

    private static SagaInstance find(SagaEngine engine) {
        return engine.find("job", "j").orElseThrow();
    }

    private static State state(SagaEngine engine) {
        return find(engine).state();
    }

    private void failAt(String part, int times) {
        failAt(part, times, new IllegalStateException("out of order"));
    }

    private void failAt(String part, int times, RuntimeException thrown) {
        var left = new int[] {times};
        before = (command, data) -> {
            if (command.part().equals(part) && left[0]-- > 0) {
                throw thrown;
            }
        };
    }

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
        var log = new Fronted(operations) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (events.stream().anyMatch(refused)) {
                    throw new IllegalArgumentException("it cannot be written");
                }
                return store.append(events, condition, metadata);
            }
        };
        return start(SagaEngine.builder(log, clock).name("sagas").domain(domain).add(saga));
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
                    .returns(
                            "What follows could not be stored: java.lang.IllegalArgumentException: it cannot be written",
                            SagaInstance::reason);
        }
    }

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
                    .returns(
                            "What follows could not be stored: java.lang.IllegalArgumentException: it cannot be written",
                            SagaInstance::reason);
            assertThat(done()).containsExactly("a");
        }
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

    private static Saga<Known> waiting() {
        return job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .await("packed", Packed.class, Packed::job)
                .timeout(Duration.ofMinutes(30))
                .step("b", known -> known.part("b"))
                .build();
    }

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
    void a_history_of_a_process_manager_tells_of_its_events_and_timers() {
        try (var engine = startManager()) {
            order("j");
            executor.runFor(Duration.ofHours(1));
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(engine.history("manager", "j")).isEqualTo("""
                    2026-01-05T09:00:00Z  started by ordered
                    2026-01-05T09:00:00Z    1: do
                    2026-01-05T09:00:00Z    2: do
                    2026-01-05T09:00:00Z    timer slow: until 2026-01-05T10:00:00Z
                    2026-01-05T09:00:00Z  1 took effect
                    2026-01-05T09:00:00Z  2 took effect
                    2026-01-05T10:00:00Z  its time came
                    2026-01-05T10:00:00Z    slow: its time is over
                    2026-01-05T10:00:00Z    3: do
                    2026-01-05T10:00:00Z    timer slow: until 2026-01-05T12:00:00Z
                    2026-01-05T10:00:00Z  3 took effect
                    2026-01-05T10:00:00Z  event packed
                    2026-01-05T10:00:00Z    slow: dropped
                    2026-01-05T10:00:00Z    4: do
                    2026-01-05T10:00:00Z    ends with its commands
                    2026-01-05T10:00:00Z  4 took effect
                    2026-01-05T10:00:00Z    ended: COMPLETED
                    """);
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

    // ---- several engines

    @Test
    void two_engines_dispatch_each_command_once_and_share_the_work() {
        SeededScheduler.explore(seeds(), 1, scheduler -> {
            open(scheduler);
            var saga = three(job()).build();
            try (var one = start(engine(saga).name("one"));
                    var two = start(engine(saga).name("two"))) {
                for (int i = 0; i < 10; i++) {
                    order("j" + i);
                    executor.runOne();
                }
                executor.runAll();
                assertThat(ran).hasSize(30).doesNotHaveDuplicates();
                assertThat(one.status().count(State.COMPLETED)).isEqualTo(10);
                assertThat(two.status().count(State.COMPLETED)).isEqualTo(10);
            }
        });
    }

    @Test
    void two_engines_react_to_an_event_once() {
        SeededScheduler.explore(seeds(), 1, scheduler -> {
            open(scheduler);
            var manager = ProcessManager.named("manager", Parts.KNOWN)
                    .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of())
                    .on(Packed.class, Packed::job, (known, e) -> List.of(Reaction.send(known.part("a"))))
                    .build();
            var engines = new ArrayList<SagaEngine>();
            for (var name : List.of("one", "two")) {
                engines.add(start(SagaEngine.builder(operations, clock)
                        .name(name)
                        .domain(domain)
                        .add(manager)));
            }
            order("j");
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(done()).containsExactly("a");
            engines.forEach(SagaEngine::close);
        });
    }

    @Test
    void what_an_engine_has_that_is_gone_is_taken_over_when_its_time_is_over_under_the_same_ids() {
        var saga = three(job()).build();
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (command.part().equals("b") && ran.size() == 2) {
                crashes.restart(); // in the middle of it
            }
        };
        startCrashing(engineOver(crashes, saga).name("one"), crashes);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1");
        try (var two = start(engine(saga).name("two"))) {
            executor.runFor(Duration.ofSeconds(20));
            assertThat(ran).hasSize(2);
            executor.runFor(Duration.ofSeconds(20));
            assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/b/1", "job/j/c/1");
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(state(two)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void an_engine_that_is_started_again_under_its_name_goes_on_at_once() {
        var saga = three(job()).build();
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (command.part().equals("b") && ran.size() == 2) {
                crashes.restart();
            }
        };
        startCrashing(engineOver(crashes, saga).name("one"), crashes);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        try (var again = start(engine(saga).name("one"))) {
            executor.runFor(Duration.ofSeconds(1));
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(state(again)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_command_that_was_dispatched_before_the_crash_and_fails_now_may_have_taken_effect() {
        var saga = three(job()).build();
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (command.part().equals("b") && ran.size() == 2) {
                crashes.restart();
            } else if (command.part().equals("b") && ran.size() == 3) {
                throw new IllegalStateException("not now");
            }
        };
        startCrashing(engineOver(crashes, saga).name("one"), crashes);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        try (var again = start(engine(saga).name("one"))) {
            executor.runFor(Duration.ofSeconds(1));
            assertThat(state(again)).isEqualTo(State.PARKED);
            assertThat(find(again).reason()).contains("not known");
            assertThat(again.resume("job", "j")).isTrue();
            executor.runFor(Duration.ofSeconds(1));
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(ran).filteredOn("job/j/b/1"::equals).hasSize(3);
        }
    }

    @Test
    void what_was_issued_but_nobody_had_cannot_have_taken_effect_when_it_fails() {
        var saga = three(job()).build();
        var console = engine(saga).name("console").build();
        assertThat(console.begin("job", "j", new Ordered("j"))).isTrue();
        failAt("a", 1);
        try (var engine = start(saga)) {
            executor.runAll();
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
        var engines = new SagaEngine[1];
        before = (command, data) -> {
            if (command.part().equals("a")) {
                engines[0].close();
            }
        };
        engines[0] = start(engine(saga).name("one"));
        order("k");
        executor.runAll();
        assertThat(Parts.done(domain, "k")).containsExactly("a");

        failAt("b", 1);
        try (var engine = start(engine(saga).name("two"))) {
            executor.runFor(Duration.ofSeconds(1));
            assertThat(Parts.done(domain, "k")).containsExactly("a", "undo a");
            assertThat(engine.find("job", "k").orElseThrow().state()).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void an_engine_that_is_closed_gives_back_what_it_has_and_another_goes_on_at_once() {
        var saga = three(job()).build();
        var engines = new SagaEngine[1];
        before = (command, data) -> {
            if (command.part().equals("a") && ran.size() == 1) {
                engines[0].close(); // by a handler: returns, and ends with it
            }
        };
        engines[0] = start(engine(saga).name("one"));
        order("j");
        order("k");
        executor.runAll();
        assertThat(done()).hasSizeLessThan(2);
        try (var two = start(engine(saga).name("two"))) {
            executor.runFor(Duration.ofSeconds(1));
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(two.status().count(State.COMPLETED)).isEqualTo(2);
        }
    }

    @Test
    void an_engine_has_an_instance_for_longer_while_a_command_takes_long() {
        var saga = three(job()).build();
        before = (command, data) -> {
            if (command.part().equals("b")) {
                for (int i = 0; i < 6; i++) {
                    executor.runFor(Duration.ofSeconds(10)); // others have time meanwhile
                }
            }
        };
        try (var one = start(engine(saga).name("one"));
                var two = start(engine(saga).name("two"))) {
            order("j");
            executor.runAll();
            assertThat(ran).hasSize(3).doesNotHaveDuplicates();
            assertThat(state(one)).isEqualTo(State.COMPLETED);
            assertThat(state(two)).isEqualTo(State.COMPLETED);
        }
    }

    /** An engine named "one" that stands still from the time on when it is told to, as a process that was stopped does. */
    private SagaEngine startStopping(Saga<?> saga, boolean[] stopped) {
        var engine = engine(saga).name("one").build();
        engine.start(
                bus(domain),
                task -> executor.execute(() -> whenGoing(task, stopped)),
                (delay, task) -> executor.schedule(delay, () -> whenGoing(task, stopped)),
                failures::add);
        return engine;
    }

    private void whenGoing(Runnable task, boolean[] stopped) {
        if (stopped[0]) {
            executor.schedule(Duration.ofSeconds(1), () -> whenGoing(task, stopped));
        } else {
            task.run();
        }
    }

    /** Has "one" in the middle of step "a" stand still for longer than its lease, while others go on. */
    private void standStill(boolean[] stopped) {
        stopped[0] = true;
        executor.runFor(Duration.ofSeconds(40));
        stopped[0] = false;
    }

    @Test
    void a_command_that_is_refused_before_its_handler_after_a_crash_may_have_taken_effect() {
        var saga = three(job()).build();
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (command.part().equals("b") && ran.size() == 2) {
                crashes.restart();
            } else if (command.part().equals("b") && ran.size() == 3) {
                throw new NotAuthorizedException(Do.class, "by a rule that is new");
            }
        };
        startCrashing(engineOver(crashes, saga).name("one"), crashes);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        try (var again = start(engine(saga).name("one"))) {
            executor.runFor(Duration.ofSeconds(1));
            assertThat(state(again)).isEqualTo(State.PARKED);
            assertThat(find(again).reason()).contains("not known");
        }
    }

    @Test
    void a_command_that_is_refused_while_another_engine_has_it_too_may_take_effect_there() {
        var saga = three(job()).build();
        var stopped = new boolean[1];
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (ran.size() == 1) {
                standStill(stopped);
                throw new RejectedException(Do.class, "as it stands now");
            } else if (ran.size() == 2) {
                crashes.restart(); // in the middle of it
            }
        };
        try (var one = startStopping(saga, stopped)) {
            startCrashing(engineOver(crashes, saga).name("two"), crashes);
            order("j");
            executor.runFor(Duration.ofSeconds(50));
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1");
            assertThat(state(one)).isEqualTo(State.RUNNING); // whatever "two" makes of it
            assertThat(failures)
                    .filteredOn(failure -> failure.engine().equals("one"))
                    .singleElement()
                    .satisfies(failure -> {
                        assertThat(failure.step()).isEqualTo("a");
                        assertThat(failure.again()).isTrue();
                    });
            executor.runFor(Duration.ofSeconds(50));
            assertThat(done()).containsExactly("a", "b", "c");
        }
    }

    @Test
    void a_command_that_is_refused_where_it_was_taken_over_takes_no_effect_where_its_handler_stood_still() {
        var saga = three(job()).build();
        var stopped = new boolean[1];
        before = (command, data) -> {
            if (ran.size() == 2) {
                refused.add("b");
                standStill(stopped);
                refused.clear(); // it would be accepted now
            }
        };
        try (var one = startStopping(saga, stopped);
                var two = start(engine(saga).name("two"))) {
            order("j");
            executor.runFor(Duration.ofSeconds(50));
            assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/b/1", "job/j/a/undo-1");
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(one)).isEqualTo(State.COMPENSATED);
            assertThat(state(two)).isEqualTo(State.COMPENSATED);
            assertThat(metadata.stream().map(data -> data.get(Metadata.REPEATED).isPresent()))
                    .as("the second time alone is said to be one")
                    .containsExactly(false, false, true, false);
        }
    }

    @Test
    void what_is_tried_again_under_its_id_is_refused_for_good_too_also_after_what_became_of_it_was_told() {
        var saga = three(job().retry(Duration.ofSeconds(5))).build();
        var stopped = new boolean[1];
        before = (command, data) -> {
            if (ran.size() == 2) {
                standStill(stopped);
                refused.clear();
            } else if (ran.size() == 3) {
                refused.add("b");
                throw new IllegalStateException("out of order"); // so nothing is known, and it is tried again
            }
        };
        try (var one = startStopping(saga, stopped);
                var two = start(engine(saga).name("two"))) {
            order("j");
            executor.runFor(Duration.ofSeconds(50));
            assertThat(ran).filteredOn("job/j/b/1"::equals).hasSize(3);
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(one)).isEqualTo(State.COMPENSATED);
            assertThat(state(two)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_noted_rejection_of_what_a_handler_has_sent_is_none_of_its_own_command() {
        var saga = three(job()).build();
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (ran.size() == 2) {
                crashes.restart();
            } else if (ran.size() == 3) {
                throw new RejectedException(Ordered.class, "not now").noted();
            }
        };
        startCrashing(engineOver(crashes, saga).name("one"), crashes);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        try (var again = start(engine(saga).name("one"))) {
            executor.runFor(Duration.ofSeconds(1));
            assertThat(state(again)).as("the one that crashed may be at it").isEqualTo(State.WAITING);
            executor.runFor(Duration.ofSeconds(40));
            assertThat(done()).containsExactly("a", "b", "c");
        }
    }

    @Test
    void a_command_that_is_refused_for_good_after_a_crash_is_believed_at_once() {
        var saga = three(job()).build();
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (ran.size() == 2) {
                refused.add("b");
                crashes.restart();
            }
        };
        startCrashing(engineOver(crashes, saga).name("one"), crashes);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        try (var again = start(engine(saga).name("one"))) {
            executor.runFor(Duration.ofSeconds(1)); // less than the lease of the one that has crashed
            assertThat(state(again)).isEqualTo(State.COMPENSATED);
            assertThat(done()).containsExactly("a", "undo a");
        }
    }

    @Test
    void a_time_that_came_before_an_event_fires_not_though_the_event_came_in_while_its_task_was_in_line() {
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .compensate(known -> known.part("undo a"))
                        .retry(Duration.ofSeconds(30))
                        .await("packed", Packed.class, Packed::job)
                        .timeout(MINUTE))
                .build();
        failAt("a", 1);
        var tasks = new ArrayDeque<Runnable>();
        var engine = engine(saga).build();
        engine.start(bus(domain), tasks::add, executor::schedule, failures::add);
        try (engine) {
            order("j");
            runAll(tasks);
            assertThat(state(engine)).isEqualTo(State.WAITING);
            executor.runFor(Duration.ofSeconds(30)); // for "a" to be tried again
            Objects.requireNonNull(tasks.poll()).run();
            assertThat(tasks).as("one that has it go on").hasSize(1);
            clock.advance(Duration.ofSeconds(20));
            Parts.append(domain, new Packed("j"));
            clock.advance(Duration.ofSeconds(20)); // the process stood still
            runAll(tasks);
            assertThat(done()).containsExactly("a");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_store_that_fails_once_for_a_time_that_has_come_costs_no_second_dispatch() {
        var fail = new int[1];
        var log = operations;
        operations = whenCalled(log, (method, real) -> {
            if (method.equals("append") && fail[0]-- > 0) {
                throw new IllegalStateException("away");
            }
            return call(real);
        });
        before = (command, data) -> {
            if (command.part().equals("b") && ran.size() == 2) {
                clock.advance(MINUTE.multipliedBy(2));
                fail[0] = 1;
            }
        };
        try (var engine = start(three(job().within(MINUTE)).build())) {
            order("j");
            executor.runFor(MINUTE.multipliedBy(5));
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(ran).doesNotHaveDuplicates();
        }
    }

    @Test
    void an_engine_that_is_closed_while_it_takes_events_in_has_not_taken_all_in() {
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .compensate(known -> known.part("undo a"))
                        .await("packed", Packed.class, Packed::job)
                        .timeout(MINUTE))
                .build();
        var tasks = new ArrayDeque<Runnable>();
        var engines = new SagaEngine[1];
        var armed = new boolean[1];
        var log = operations;
        operations = whenCalled(log, (method, real) -> {
            var got = call(real);
            if (method.equals("append") && armed[0]) {
                armed[0] = false;
                engines[0].close();
            }
            return got;
        });
        before = (command, data) -> {
            if (command.job().equals("j") && ran.size() == 1) {
                clock.advance(Duration.ofSeconds(30));
                order("k");
                Parts.append(domain, new Packed("j"));
                clock.advance(Duration.ofSeconds(40));
                armed[0] = true;
                runAll(tasks);
            }
        };
        var engine = engine(saga).build();
        engines[0] = engine;
        engine.start(bus(domain), tasks::add, executor::schedule, failures::add);
        order("j");
        runAll(tasks);
        try (var next = start(engine(saga).name("next"))) {
            executor.runFor(MINUTE.multipliedBy(3));
            assertThat(state(next)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_time_that_came_before_a_result_fires_first_also_after_a_renewal_that_failed() {
        var fail = new boolean[1];
        var log = operations;
        operations = whenCalled(log, (method, real) -> {
            if (method.equals("append") && fail[0]) {
                throw new IllegalStateException("away");
            }
            return call(real);
        });
        before = (command, data) -> {
            if (command.part().equals("b") && ran.size() == 2) {
                executor.runFor(Duration.ofSeconds(5));
                fail[0] = true;
                executor.runFor(Duration.ofSeconds(20));
                fail[0] = false;
            }
        };
        var saga = job().step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .step("b", known -> known.part("b"))
                .compensate(known -> known.part("undo b"))
                .timeout(Duration.ofSeconds(20))
                .step("c", known -> known.part("c"))
                .build();
        try (var engine = start(saga)) {
            order("j");
            executor.runFor(MINUTE.multipliedBy(2));
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(done()).doesNotContain("c");
        }
    }

    @Test
    void a_clock_that_throws_once_behind_a_command_costs_no_second_dispatch() {
        var fail = new int[1];
        var bad = throwing(fail);
        before = (command, data) -> {
            if (command.part().equals("b") && ran.size() == 2) {
                fail[0] = 1;
            }
        };
        var engine = SagaEngine.builder(operations, bad)
                .name("sagas")
                .domain(domain)
                .lease(Duration.ofSeconds(30))
                .add(three(job()).build(), Position.START)
                .build();
        engine.start(bus(domain), executor, executor::schedule, failures::add);
        try (engine) {
            order("j");
            executor.runFor(MINUTE.multipliedBy(2));
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
            assertThat(ran).doesNotHaveDuplicates();
        }
    }

    @Test
    void what_a_task_left_within_an_append_goes_on_while_another_step_takes_long() {
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .compensate(known -> known.part("undo a"))
                        .step("b", known -> known.part("b"))
                        .compensate(known -> known.part("undo b")))
                .build();
        var tasks = new ArrayDeque<Runnable>();
        var engines = new SagaEngine[1];
        var armed = new boolean[1];
        var log = operations;
        operations = whenCalled(log, (method, real) -> {
            var got = call(real);
            if (method.equals("append") && armed[0]) {
                armed[0] = false;
                runAll(tasks);
            }
            return got;
        });
        var meanwhile = new ArrayList<String>();
        before = (command, data) -> {
            if (ran.size() == 1) {
                armed[0] = true;
                assertThat(engines[0].cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
                runAll(tasks);
                executor.runFor(Duration.ofSeconds(5));
                runAll(tasks);
                meanwhile.addAll(ran);
            }
        };
        var engine = engine(saga).build();
        engines[0] = engine;
        engine.start(bus(domain), tasks::add, executor::schedule, failures::add);
        try (engine) {
            order("j");
            runAll(tasks);
            assertThat(meanwhile).hasSize(2);
        }
    }

    @Test
    void nobody_takes_a_command_whose_end_could_not_be_written_for_one_that_was_never_dispatched() {
        var saga = job().step("a", known -> known.part("a"))
                .await("packed", Packed.class, Packed::job)
                .build();
        var tasks = new ArrayDeque<Runnable>();
        var fail = new int[1];
        var direct = new boolean[1];
        var log = operations;
        operations = whenCalled(log, (method, real) -> {
            if (method.equals("append") && fail[0] > 0) {
                if (--fail[0] == 0) {
                    runAll(tasks); // the look for what the command has appended
                    direct[0] = true;
                    Parts.append(domain, new Packed("j")); // or another thread, which does so in this moment
                }
                throw new IllegalStateException("away");
            }
            return call(real);
        });
        before = (command, data) -> {
            if (ran.size() == 1) {
                fail[0] = 10;
            }
        };
        var engine = engine(saga).atOnce(3).build();
        engine.start(
                bus(domain),
                task -> {
                    if (direct[0]) {
                        task.run();
                    } else {
                        tasks.add(task);
                    }
                },
                executor::schedule,
                failures::add);
        try (engine) {
            runAll(tasks);
            order("j");
            runAll(tasks);
            executor.runFor(MINUTE);
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1");
            assertThat(metadata.stream().map(data -> data.get(Metadata.REPEATED).isPresent()))
                    .containsExactly(false, true);
        }
    }

    @Test
    void a_time_fires_while_another_step_takes_long_also_after_a_look_in_vain() {
        aTimeFires(0);
        aTimeFires(1);
    }

    private void aTimeFires(int failing) {
        open(new SeededScheduler(7, new VirtualClock(START)));
        var fail = new int[1];
        var bad = throwing(fail);
        var saga = job().parallel(both -> both.step("a", known -> known.part("a"))
                        .compensate(known -> known.part("undo a"))
                        .await("weighed", Weighed.class, Weighed::job)
                        .await("packed", Packed.class, Packed::job)
                        .timeout(MINUTE))
                .build();
        var tasks = new ArrayDeque<Runnable>();
        var engines = new SagaEngine[1];
        var reasons = new ArrayList<String>();
        before = (command, data) -> {
            if (ran.size() == 1) {
                runAll(tasks);
                Parts.append(domain, new Weighed("j"));
                Objects.requireNonNull(tasks.poll()).run(); // the look
                assertThat(tasks).hasSize(1);
                fail[0] = failing;
                Objects.requireNonNull(tasks.poll()).run(); // the task
                fail[0] = 0;
                for (int i = 0; i < 300; i++) {
                    executor.runFor(Duration.ofSeconds(1));
                    runAll(tasks);
                }
                reasons.add(find(engines[0]).reason());
            }
        };
        var engine = SagaEngine.builder(operations, bad)
                .name("sagas")
                .domain(domain)
                .atOnce(3)
                .lease(Duration.ofHours(2))
                .add(saga, Position.START)
                .build();
        engines[0] = engine;
        engine.start(bus(domain), tasks::add, executor::schedule, failures::add);
        try (engine) {
            order("j");
            runAll(tasks);
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(reasons)
                    .singleElement()
                    .satisfies(reason -> assertThat(reason).contains("packed"));
        }
    }

    /** A clock that throws as often as is said. */
    private Clock throwing(int[] times) {
        var real = clock;
        return new Clock() {
            @Override
            public ZoneId getZone() {
                return real.getZone();
            }

            @Override
            public Clock withZone(ZoneId zone) {
                return this;
            }

            @Override
            public Instant instant() {
                if (times[0] > 0) {
                    times[0]--;
                    throw new IllegalStateException("no time");
                }
                return real.instant();
            }
        };
    }

    private static void runAll(Queue<Runnable> tasks) {
        for (var task = tasks.poll(); task != null; task = tasks.poll()) {
            task.run();
        }
    }

    /** Has something run once, within the append of what became of "a". */
    private void withinTheAppend(Runnable meanwhile) {
        var log = operations;
        var once = new AtomicReference<>(meanwhile);
        operations = whenCalled(log, (method, real) -> {
            if (method.equals("append") && done().equals(List.of("a"))) {
                once.getAndSet(() -> {}).run();
            }
            return call(real);
        });
    }

    @Test
    void a_task_that_runs_within_an_append_of_the_same_instance_does_not_take_it_for_written() {
        withinTheAppend(() -> executor.runFor(MINUTE.multipliedBy(2))); // the time of the whole comes
        try (var engine = start(three(job().within(MINUTE)).build())) {
            order("j");
            executor.runFor(MINUTE.multipliedBy(5));
            assertThat(done()).startsWith("a").endsWith("undo a");
            var there = done().stream().filter(part -> !part.startsWith("undo")).toList();
            var back = new ArrayList<>(done().subList(there.size(), done().size()));
            Collections.reverse(back);
            assertThat(back)
                    .isEqualTo(there.stream().map(part -> "undo " + part).toList());
            assertThat(ran).doesNotHaveDuplicates();
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
            assertThat(failures).isEmpty();
        }
    }

    @Test
    void an_operator_who_changes_nothing_within_an_append_leaves_no_older_story_behind() {
        var engines = new SagaEngine[1];
        withinTheAppend(() -> assertThat(engines[0].skip("job", "j", "a")).isFalse());
        try (var engine = start(three(job()).build())) {
            engines[0] = engine;
            order("j");
            executor.runFor(MINUTE);
            assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/c/1");
            assertThat(state(engine)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void an_operator_within_an_append_of_the_same_instance_is_obeyed_as_the_log_stands() {
        var engines = new SagaEngine[1];
        var answers = new ArrayList<Cancellation>();
        withinTheAppend(() -> answers.add(engines[0].cancel("job", "j")));
        try (var engine = start(three(job()).build())) {
            engines[0] = engine;
            order("j");
            executor.runFor(MINUTE);
            assertThat(answers).containsExactly(Cancellation.CANCELLED);
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(ran).doesNotHaveDuplicates();
            assertThat(state(engine)).isEqualTo(State.COMPENSATED);
        }
    }

    @Test
    void a_command_that_fails_after_another_engine_had_it_in_between_may_have_taken_effect_there() {
        var saga = three(job()).build();
        var stopped = new boolean[1];
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (ran.size() == 1) {
                standStill(stopped);
                executor.runFor(Duration.ofSeconds(40)); // "one" has it again
                throw new IllegalStateException("out of order");
            } else if (ran.size() == 2) {
                crashes.restart();
            }
        };
        try (var one = startStopping(saga, stopped)) {
            startCrashing(engineOver(crashes, saga).name("two"), crashes);
            order("j");
            executor.runFor(Duration.ofSeconds(100));
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1");
            assertThat(state(one)).isEqualTo(State.PARKED);
            assertThat(find(one).reason()).contains("not known");
        }
    }

    @Test
    void a_step_that_is_issued_while_another_engine_has_the_instance_may_have_taken_effect_there() {
        var saga = three(job()).build();
        var stopped = new boolean[1];
        var crashes = CrashPoints.none();
        before = (command, data) -> {
            if (ran.size() == 1) {
                stopped[0] = true;
                executor.runFor(Duration.ofSeconds(29));
                while (ran.size() == 1) {
                    executor.runFor(Duration.ofMillis(10));
                }
                stopped[0] = false;
            } else if (ran.size() == 2) {
                throw new InternalError("of which nothing is told; \"two\" has it, and tries it again a little later");
            } else if (ran.size() == 3) {
                crashes.restart();
            } else if (ran.size() == 4) {
                throw new IllegalStateException("out of order");
            }
        };
        try (var one = startStopping(saga, stopped)) {
            startCrashing(engineOver(crashes, saga).name("two"), crashes);
            order("j");
            executor.runFor(Duration.ofSeconds(200));
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1", "job/j/b/1", "job/j/b/1");
            assertThat(state(one)).isEqualTo(State.PARKED);
            assertThat(find(one).reason()).contains("not known");
        }
    }

    @Test
    void a_command_that_took_effect_after_all_has_a_saga_go_on_that_was_parked_as_that_was_not_known() {
        var saga = three(job()).build();
        var stopped = new boolean[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                standStill(stopped);
            } else if (ran.size() == 2) {
                throw new IllegalStateException("out of order");
            }
        };
        try (var one = startStopping(saga, stopped);
                var two = start(engine(saga).name("two"))) {
            order("j");
            executor.runFor(Duration.ofSeconds(100));
            assertThat(ran).startsWith("job/j/a/1", "job/j/a/1").hasSize(4);
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(state(one)).isEqualTo(State.COMPLETED);
            assertThat(state(two)).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_command_that_takes_effect_after_its_step_was_given_up_on_is_told() {
        var saga = three(job()).build();
        var stopped = new boolean[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                standStill(stopped);
            } else if (ran.size() == 2) {
                throw new RejectedException(Do.class, "as it stands now");
            }
        };
        try (var one = startStopping(saga, stopped);
                var two = start(engine(saga).name("two"))) {
            order("j");
            executor.runFor(Duration.ofSeconds(100));
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1");
            assertThat(state(one)).isEqualTo(State.COMPENSATED);
            assertThat(state(two)).isEqualTo(State.COMPENSATED);
            assertThat(done()).containsExactly("a");
            assertThat(failures)
                    .filteredOn(failure -> failure.engine().equals("one"))
                    .singleElement()
                    .satisfies(failure -> {
                        assertThat(failure.step()).isEqualTo("a");
                        assertThat(failure.again()).isFalse();
                        assertThat(failure.cause())
                                .hasMessageContaining("job/j/a/1")
                                .hasMessageContaining("took effect");
                    });
        }
    }

    // ---- several engines of one name

    @Test
    void a_later_engine_of_a_name_takes_over_at_once_and_the_earlier_one_stands_aside_and_says_so_once() {
        var saga = three(job()).build();
        var later = new SagaEngine[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                later[0] = start(engine(saga).name("one"));
                executor.runFor(Duration.ofSeconds(1)); // of the 30 that "one" has it
                executor.runFor(MINUTE); // in which the earlier one has nothing to renew
            }
        };
        try (var one = start(engine(saga).name("one"))) {
            order("j");
            executor.runFor(Duration.ofHours(1));
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1", "job/j/b/1", "job/j/c/1");
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(state(one)).isEqualTo(State.COMPLETED);
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.engine()).isEqualTo("one");
                assertThat(failure.saga()).isEmpty();
                assertThat(failure.again()).isFalse();
                assertThat(failure.cause())
                        .hasMessageContaining("\"one\" was started as incarnation ")
                        .hasMessageContaining("a name of its own");
            });
        }
        later[0].close();
    }

    @Test
    void a_closed_engine_that_an_operator_uses_takes_nothing_from_one_of_its_name_that_runs() {
        var saga = three(job()).build();
        var other = new SagaEngine[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                var console = engine(saga).name("one").build();
                var looked = new boolean[1];
                console.start(
                        bus(domain),
                        task -> {
                            if (!looked[0]) { // it is closed before it does more
                                looked[0] = true;
                                task.run();
                            }
                        },
                        executor::schedule,
                        failures::add);
                console.close();
                assertThat(console.cancel("job", "j")).isEqualTo(Cancellation.CANCELLED);
                other[0] = start(engine(saga).name("two"));
                executor.runFor(Duration.ofSeconds(1)); // of the 30 that "one" has it
            } else if (data.id().orElseThrow().equals("job/j/a/1")) {
                throw new RejectedException(Do.class, "as it stands now");
            }
        };
        try (var one = start(engine(saga).name("one"))) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/undo-1");
            assertThat(done()).containsExactly("a", "undo a");
            assertThat(state(one)).isEqualTo(State.COMPENSATED);
        }
        other[0].close();
    }

    @Test
    void a_command_that_fails_here_may_take_effect_at_a_later_engine_of_this_name() {
        var saga = three(job()).build();
        var later = new SagaEngine[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                later[0] = start(engine(saga).name("one"));
                executor.runFor(Duration.ofSeconds(1));
                throw new IllegalStateException("out of order");
            }
        };
        try (var one = start(engine(saga).name("one"))) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1", "job/j/b/1", "job/j/c/1");
            assertThat(state(one)).isEqualTo(State.COMPLETED);
        }
        later[0].close();
    }

    @Test
    void a_command_that_fails_at_a_later_engine_may_take_effect_at_the_earlier_one() {
        var saga = three(job()).build();
        var later = new SagaEngine[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                later[0] = start(engine(saga).name("one"));
                executor.runFor(Duration.ofSeconds(1));
                assertThat(find(later[0]).reason()).contains("not known");
            } else if (ran.size() == 2) {
                throw new IllegalStateException("out of order");
            }
        };
        try (var one = start(engine(saga).name("one"))) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(ran).startsWith("job/j/a/1", "job/j/a/1").hasSize(4);
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(state(one)).isEqualTo(State.COMPLETED);
        }
        later[0].close();
    }

    @Test
    void a_rejection_by_a_later_engine_counts_only_when_the_earlier_one_is_surely_gone() {
        for (boolean alive : List.of(true, false)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            var saga = three(job()).build();
            var crashes = CrashPoints.none();
            before = (command, data) -> {
                if (ran.size() == 1 && alive) {
                    executor.runFor(Duration.ofSeconds(1)); // looked for the id before, and takes effect after
                } else if (ran.size() == 1) {
                    crashes.restart();
                } else if (data.id().orElseThrow().equals("job/j/a/1")) {
                    throw new RejectedException(Do.class, "as it stands now");
                }
            };
            var later = new SagaEngine[1];
            executor.schedule(
                    Duration.ofMillis(500), () -> later[0] = start(engine(saga).name("one")));
            startCrashing(engineOver(crashes, saga).name("one"), crashes);
            order("j");
            executor.runFor(Duration.ofSeconds(20));
            assertThat(ran).startsWith("job/j/a/1", "job/j/a/1");
            if (alive) {
                assertThat(done()).containsExactly("a", "b", "c");
            } else {
                assertThat(state(later[0])).isEqualTo(State.WAITING);
                executor.runFor(Duration.ofSeconds(20));
                assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1", "job/j/a/1");
                assertThat(state(later[0])).isEqualTo(State.COMPENSATED);
            }
            later[0].close();
        }
    }

    @Test
    void engines_of_one_name_share_the_work_and_what_is_issued_by_either_is_dispatched_once() {
        SeededScheduler.explore(seeds(), 1, scheduler -> {
            open(scheduler);
            var saga = three(job()).build();
            try (var one = start(engine(saga).name("one"));
                    var again = start(engine(saga).name("one").atOnce(1))) {
                executor.runFor(Duration.ofSeconds(1)); // both are there
                for (int i = 0; i < 10; i++) {
                    order("j" + i);
                    executor.runOne();
                }
                executor.runAll();
                assertThat(ran).hasSize(30).doesNotHaveDuplicates();
                assertThat(one.status().count(State.COMPLETED)).isEqualTo(10);
                assertThat(again.status().count(State.COMPLETED)).isEqualTo(10);
            }
        });
    }

    @Test
    void engines_of_one_name_that_overlap_and_crash_anywhere_do_nothing_twice_and_undo_all_that_took_effect() {
        var saga = three(job().retry(Duration.ofSeconds(1)))
                .step("d", known -> known.part(known.job().endsWith("1") ? "d!" : "d"))
                .build();
        CrashPoints.explore(Math.max(1, seeds() / 10), 1, (scheduler, crashes) -> {
            open(scheduler);
            var thrown = new HashMap<String, Integer>();
            before = (command, data) -> {
                if (command.part().equals("b") && thrown.merge(command.job(), 1, Integer::sum) == 1) {
                    throw new IllegalStateException("not yet");
                }
            };
            try {
                startCrashing(engineOver(crashes, saga), crashes);
                order("j1");
                scheduler.runOne();
                order("j2");
                scheduler.runOne();
                startCrashing(engineOver(crashes, saga), crashes);
                scheduler.runAll();
            } catch (SimulatedCrash crash) {
                // both are gone
            }
            order("j1");
            order("j2");
            crashes.restart();
            var engine = start(saga);
            scheduler.runAll();
            for (int i = 0; i < 3; i++) { // where it is not known, an operator has it tried again
                engine.list(Filter.all().in(State.PARKED), 10).forEach(parked -> engine.resume("job", parked.key()));
                scheduler.runAll();
            }
            assertThat(Parts.done(domain, "j1")).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
            assertThat(Parts.done(domain, "j2")).containsExactly("a", "b", "c", "d");
        });
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

    // ---- process managers

    private static ProcessManager<Known> manager() {
        return ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(
                                Reaction.send(known.part("one")),
                                Reaction.send(known.part("two")),
                                Reaction.startTimer("slow", Duration.ofHours(1))))
                .on(
                        Packed.class,
                        Packed::job,
                        (known, e) ->
                                List.of(Reaction.stopTimer("slow"), Reaction.send(known.part("pack")), Reaction.end()))
                .onTimer(
                        "slow",
                        known -> List.of(
                                Reaction.send(known.part("remind")), Reaction.startTimer("slow", Duration.ofHours(2))))
                .retry(Duration.ofSeconds(1))
                .build();
    }

    private SagaEngine startManager() {
        return start(SagaEngine.builder(operations, clock)
                .name("sagas")
                .domain(domain)
                .add(manager()));
    }

    @Test
    void a_process_manager_sends_its_commands_in_order_and_reacts_to_events_and_timers() {
        failAt("one", 1);
        try (var engine = startManager()) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("one", "two");
            assertThat(ran).containsExactly("manager/j/1/1", "manager/j/1/2", "manager/j/2/1");
            executor.runFor(Duration.ofHours(4));
            assertThat(done()).containsExactly("one", "two", "remind", "remind");
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            executor.runFor(Duration.ofHours(4));
            assertThat(done()).containsExactly("one", "two", "remind", "remind", "pack");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(engine.status().ignored()).isEqualTo(1);
        }
    }

    @Test
    void a_process_manager_that_is_parked_keeps_its_events_until_it_goes_on() {
        failAt("one", 2);
        try (var engine = startManager()) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.PARKED);
            Parts.append(domain, new Packed("j"));
            executor.runFor(MINUTE);
            assertThat(done()).isEmpty();
            assertThat(engine.resume("manager", "j")).isTrue();
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("one", "two", "pack");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
        }
    }

    @Test
    void a_process_manager_that_is_cancelled_stops() {
        try (var engine = startManager()) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(engine.cancel("manager", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();
            Parts.append(domain, new Packed("j"));
            executor.runAll();
            assertThat(done()).containsExactly("one", "two");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.INCOMPLETE);
        }
    }

    @Test
    void a_process_manager_that_is_cancelled_sends_nothing_that_stood_behind_a_command_to_be_tried_again() {
        failAt("one", 2);
        try (var engine = startManager()) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.PARKED);
            assertThat(engine.cancel("manager", "j")).isEqualTo(Cancellation.CANCELLED);
            executor.runAll();
            assertThat(done()).isEmpty();
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.INCOMPLETE);
        }
    }

    /** Has a process manager of "one" and "two" whose first engine ends in the middle of "one". */
    private void endTheFirstEngine(CrashPoints[] crashes) {
        crashes[0] = CrashPoints.none();
        startCrashing(managerOver(crashes[0]), crashes[0]);
        order("j");
        executor.runFor(Duration.ofSeconds(1));
        assertThat(ran).containsExactly("manager/j/1/1");
    }

    private SagaEngine.Builder managerOver(CrashPoints crashes) {
        return SagaEngine.builder(crashes.around(operations), clock)
                .name("sagas")
                .domain(crashes.around(domain))
                .expiries(2)
                .add(manager(), Position.START);
    }

    @Test
    void a_command_that_stands_behind_another_is_not_given_up_for_the_engines_that_the_other_has_ended() {
        var crashes = new CrashPoints[1];
        before = (command, data) -> {
            if (ran.size() == 1 || ran.size() == 3) { // one, and the first time two
                crashes[0].restart();
            }
        };
        endTheFirstEngine(crashes);
        crashes[0] = CrashPoints.none();
        startCrashing(managerOver(crashes[0]), crashes[0]);
        executor.runFor(MINUTE);
        assertThat(ran).containsExactly("manager/j/1/1", "manager/j/1/1", "manager/j/2/1");
        try (var engine = start(managerOver(CrashPoints.none()))) {
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("one", "two");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.WAITING);
        }
    }

    @Test
    void a_command_that_stood_behind_another_that_ended_its_engine_surely_has_no_effect_when_it_fails() {
        var crashes = new CrashPoints[1];
        before = (command, data) -> {
            if (ran.size() == 1) {
                crashes[0].restart();
            } else if (ran.size() == 3) {
                throw new IllegalStateException("out of order");
            }
        };
        endTheFirstEngine(crashes);
        try (var engine = start(managerOver(CrashPoints.none()))) {
            executor.runFor(MINUTE);
            assertThat(ran).containsExactly("manager/j/1/1", "manager/j/1/1", "manager/j/2/1", "manager/j/2/2");
            assertThat(done()).containsExactly("one", "two");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.WAITING);
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

    /** A log that does as another one, but for what it does first when a method is called. */
    private static EventStore whenCalled(EventStore log, BiFunction<String, Callable<Object>, Object> around) {
        return (EventStore) Proxy.newProxyInstance(
                EventStore.class.getClassLoader(),
                new Class<?>[] {EventStore.class},
                (proxy, method, args) -> around.apply(method.getName(), () -> {
                    try {
                        return method.invoke(log, args);
                    } catch (InvocationTargetException thrown) {
                        if (thrown.getTargetException() instanceof RuntimeException failed) {
                            throw failed;
                        }
                        throw thrown;
                    }
                }));
    }

    private static Object call(Callable<Object> callable) {
        try {
            return callable.call();
        } catch (RuntimeException thrown) {
            throw thrown;
        } catch (Exception checked) {
            throw new IllegalStateException(checked);
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
                        half[0] = more && ((Ordered) stream.event()).job().contains("+") ? 1 : 0;
                        return more;
                    }
                    if (method.getName().equals("recorded") && half[0] > 0) {
                        var all = stream.recorded();
                        var job = ((Ordered) all.event()).job().split("\\+", -1)[half[0] - 1];
                        return new RecordedEvent(
                                all.position(),
                                all.name(),
                                new Ordered(job),
                                all.tags(),
                                all.metadata(),
                                all.recordedAt());
                    }
                    return method.invoke(stream, args);
                });
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

    // ---- crashes

    private SagaEngine.Builder engineOver(CrashPoints crashes, Saga<?> saga) {
        return SagaEngine.builder(crashes.around(operations), clock)
                .name("sagas")
                .add(saga, Position.START)
                .domain(crashes.around(domain))
                .lease(Duration.ofSeconds(30));
    }

    private SagaEngine startCrashing(SagaEngine.Builder builder, CrashPoints crashes) {
        var engine = builder.build();
        var around = crashes.around(domain);
        engine.start(
                bus(around),
                crashes.around((Executor) executor),
                (delay, task) -> crashes.around((Executor) later -> executor.schedule(delay, later))
                        .execute(task),
                failures::add);
        return engine;
    }

    @Test
    void engines_that_crash_at_any_append_of_either_log_lose_nothing_and_do_nothing_twice() {
        var saga = job().step("a", known -> known.part("a"), (known, text) -> new Receipt(text))
                .compensate(known -> known.part("undo a"))
                .parallel(both -> both.step("b", known -> known.part("b"))
                        .compensate(known -> known.part("undo b"))
                        .step("c", known -> known.part("c"))
                        .compensate(known -> known.part("undo c")))
                .step("d", known -> known.part(known.job().endsWith("1") ? "d!" : "d"))
                .retry(Duration.ofSeconds(1))
                .build();
        CrashPoints.explore(Math.max(1, seeds() / 10), 1, (scheduler, crashes) -> {
            open(scheduler);
            try {
                startCrashing(engineOver(crashes, saga).name("one"), crashes);
                startCrashing(engineOver(crashes, saga).name("two"), crashes);
                for (int i = 1; i <= 3; i++) {
                    order("j" + i);
                    scheduler.runOne();
                }
                scheduler.runAll();
            } catch (SimulatedCrash crash) {
                // all engines of the process are gone
            }
            for (int i = 1; i <= 3; i++) {
                order("j" + i); // of which the first may be there
            }
            crashes.restart();
            startCrashing(engineOver(crashes, saga).name("three"), crashes);
            scheduler.runAll();
            for (int i = 1; i <= 3; i++) {
                var all = Parts.done(domain, "j" + i);
                assertThat(all).doesNotHaveDuplicates().hasSize(i == 1 ? 6 : 4);
                if (i == 1) {
                    assertThat(all.subList(3, 6))
                            .containsExactly("undo " + all.get(2), "undo " + all.get(1), "undo " + all.get(0));
                }
            }
        });
    }

    @Test
    void each_instance_of_many_ends_whatever_the_order_of_tasks_and_whatever_fails() {
        var saga = job().retry(Duration.ofSeconds(1), Duration.ofSeconds(10))
                .step("a", known -> known.part("a"))
                .compensate(known -> known.part("undo a"))
                .parallel(both -> both.step("b", known -> known.part("b"))
                        .compensate(known -> known.part("undo b"))
                        .step("c", known -> known.part("c"))
                        .compensate(known -> known.part("undo c")))
                .pivot("d", known -> known.part("d"))
                .await("packed", Packed.class, Packed::job)
                .step("e", known -> known.part("e"))
                .build();
        SeededScheduler.explore(seeds(), 1, scheduler -> {
            open(scheduler);
            var tried = new HashMap<String, Integer>();
            before = (command, data) -> {
                // fails up to three times, which is one more than there are delays behind the first
                int most = Math.floorMod((command.job() + command.part()).hashCode(), 4);
                if (tried.merge(command.job() + command.part(), 1, Integer::sum) <= most) {
                    throw new IllegalStateException("not yet");
                }
            };
            var engines = List.of(
                    start(engine(saga).name("one")),
                    start(engine(saga).name("two").atOnce(1)));
            for (int i = 0; i < 8; i++) {
                order("j" + i);
                Parts.append(domain, new Packed("j" + i));
                executor.runOne();
            }
            executor.runAll();
            for (int i = 0; i < 20 && !engines.get(0).list(Filter.all(), 1).isEmpty(); i++) {
                for (var parked : engines.get(i % 2).list(Filter.all().in(State.PARKED), 10)) {
                    assertThat(engines.get(1 - i % 2).resume("job", parked.key()))
                            .isTrue();
                }
                executor.runAll();
            }
            for (int i = 0; i < 8; i++) {
                var instance = engines.get(0).find("job", "j" + i).orElseThrow();
                var all = Parts.done(domain, "j" + i);
                assertThat(all).doesNotHaveDuplicates();
                if (instance.state() == State.COMPLETED) {
                    assertThat(all).hasSize(5).startsWith("a").endsWith("d", "e");
                } else {
                    assertThat(instance.state()).as(instance.toString()).isEqualTo(State.COMPENSATED);
                    int half = all.size() / 2;
                    for (int k = 0; k < half; k++) {
                        assertThat(all.get(all.size() - 1 - k)).isEqualTo("undo " + all.get(k));
                    }
                }
            }
            engines.forEach(SagaEngine::close);
        });
    }

    @Test
    void what_nobody_wants_is_an_empty_answer() {
        var engine = engine(waiting()).build();
        assertThat(engine.find("job", "j")).isEqualTo(Optional.empty());
        assertThat(engine.list(Filter.all(), 0)).isEmpty();
        assertThatThrownBy(() -> engine.list(Filter.all(), -1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> engine.begin("other", "j", new Ordered("j")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("expected one of [job]");
        engine.close();
        engine.close();
    }
}
