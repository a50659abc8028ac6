package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Position;
import dev.cqrs.interceptor.NotAuthorizedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.ProcessManager;
import dev.cqrs.saga.Reaction;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaEngine.Filter;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Receipt;
import dev.cqrs.suite.Parts.Weighed;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.SimulatedCrash;
import dev.cqrs.testing.VirtualClock;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** What engines do beside and after each other, at any interruption. */
public abstract class SagaEnginesSuite extends SagaSuite {

    /** Over logs that the extending class makes. */
    protected SagaEnginesSuite() {}

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
    void a_command_that_a_later_engine_issued_while_it_was_closed_is_dispatched_by_who_says_that_it_has_it() {
        var saga = three(job()).build();
        var later = engine(saga).name("one").build();
        var another = engine(saga).name("two").build();
        var tasks = new ArrayDeque<Runnable>();
        before = (command, data) -> {
            if (ran.size() == 1) { // is taken over at once, within this
                later.start(bus(domain), tasks::add, executor::schedule, failures::add);
                runAll(tasks);
            } else if (ran.size() == 2) {
                later.close();
            } else if (ran.size() == 3) { // which the earlier one is at
                another.start(bus(domain), tasks::add, executor::schedule, failures::add);
                runAll(tasks);
            } else if (command.part().equals("b")) {
                throw new RejectedException(Do.class, "as it stands now");
            }
        };
        try (var one = start(engine(saga).name("one"))) {
            order("j");
            executor.runFor(MINUTE);
            runAll(tasks);
            assertThat(ran).containsExactly("job/j/a/1", "job/j/a/1", "job/j/b/1", "job/j/c/1");
            assertThat(done()).containsExactly("a", "b", "c");
            assertThat(state(one)).isEqualTo(State.COMPLETED);
        }
        another.close();
    }

    @Test
    void a_rejection_behind_a_command_that_was_given_up_on_counts_only_when_who_had_it_is_surely_gone() {
        for (int seconds : List.of(0, 60)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            var saga = three(job()).build();
            var later = new SagaEngine[1];
            before = (command, data) -> {
                if (ran.size() == 2) { // looked for the id before, and takes effect after
                    later[0] = start(engine(saga).name("one").expiries(1));
                    executor.runFor(Duration.ofSeconds(seconds));
                    assertThat(state(later[0])).isEqualTo(State.PARKED);
                    assertThat(later[0].resume("job", "j")).isTrue();
                    executor.runFor(Duration.ofSeconds(1));
                } else if (ran.size() == 3) {
                    throw new RejectedException(Do.class, "as it stands now");
                }
            };
            try (var one = start(engine(saga).name("one").expiries(1))) {
                order("j");
                executor.runFor(Duration.ofMinutes(5));
                assertThat(ran).containsExactly("job/j/a/1", "job/j/b/1", "job/j/b/1", "job/j/c/1");
                assertThat(done()).containsExactly("a", "b", "c");
                assertThat(state(one)).isEqualTo(State.COMPLETED);
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

    // ---- crashes

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
