package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.saga.ProcessManager;
import dev.cqrs.saga.Reaction;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.testing.CrashPoints;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What process managers do, which have no steps, over the engine of sagas. */
public abstract class ProcessManagerSuite extends SagaSuite {

    /** Over logs that the extending class makes. */
    protected ProcessManagerSuite() {}

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
    void a_timer_that_an_earlier_one_stops_or_starts_anew_does_not_fire_when_the_clock_jumps_past_both() {
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(
                                Reaction.startTimer("end", Duration.ofHours(3)),
                                Reaction.startTimer("give up", Duration.ofHours(2)),
                                Reaction.startTimer("remind", Duration.ofHours(1)),
                                Reaction.startTimer("count", Duration.ofHours(1))))
                .onTimer(
                        "remind",
                        known -> List.of(
                                Reaction.send(known.part("remind")),
                                Reaction.stopTimer("count"),
                                Reaction.stopTimer("end"),
                                Reaction.startTimer("give up", Duration.ofHours(24))))
                .onTimer("count", known -> List.of(Reaction.send(known.part("count"))))
                .onTimer("give up", known -> List.of(Reaction.send(known.part("give up"))))
                .onTimer("end", known -> List.of(Reaction.end()))
                .build();
        try (var engine = start(SagaEngine.builder(operations, clock)
                .name("sagas")
                .domain(domain)
                .add(manager))) {
            order("j");
            executor.runFor(Duration.ofSeconds(1));
            clock.set(clock.instant().plus(Duration.ofHours(4)));
            executor.runFor(MINUTE.multipliedBy(2));
            assertThat(done()).containsExactly("remind");
            executor.runFor(Duration.ofHours(23));
            assertThat(done()).containsExactly("remind");
            executor.runFor(Duration.ofHours(2));
            assertThat(done()).containsExactly("remind", "give up");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.WAITING);
        }
    }

    @Test
    void timers_that_the_clock_has_jumped_past_are_one_turn_and_one_that_waits_no_time_does_not_hold_it_up() {
        var manager = ProcessManager.named("manager", Parts.KNOWN)
                .startedBy(
                        Ordered.class,
                        Ordered::job,
                        (known, e) -> List.of(
                                Reaction.startTimer("two", Duration.ofHours(2)),
                                Reaction.startTimer("one", Duration.ofHours(1))))
                .onTimer(
                        "one",
                        known -> List.of(Reaction.send(known.part("one")), Reaction.startTimer("three", Duration.ZERO)))
                .onTimer("two", known -> List.of(Reaction.send(known.part("two"))))
                .onTimer("three", known -> List.of(Reaction.end()))
                .build();
        try (var engine = start(SagaEngine.builder(operations, clock)
                .name("sagas")
                .domain(domain)
                .add(manager))) {
            order("j");
            executor.runFor(Duration.ofSeconds(1));
            clock.set(clock.instant().plus(Duration.ofHours(4)));
            executor.runFor(MINUTE.multipliedBy(2));
            assertThat(done()).containsExactly("one", "two");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.COMPLETED);
            assertThat(engine.history("manager", "j").lines().filter(line -> line.endsWith("its time came")))
                    .hasSize(2);
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
    void a_process_manager_whose_events_could_not_be_stored_reacts_to_them_when_it_goes_on() {
        var refuses = new boolean[] {true};
        var log = refusing(event -> refuses[0] && (event instanceof Ordered || event instanceof Packed));
        try (var engine = start(
                SagaEngine.builder(log, clock).name("sagas").domain(domain).add(manager()))) {
            order("j");
            executor.runFor(MINUTE);
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.PARKED);
            refuses[0] = false;
            assertThat(engine.resume("manager", "j")).isTrue();
            executor.runFor(MINUTE);
            assertThat(done()).containsExactly("one", "two");
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.WAITING);

            refuses[0] = true;
            Parts.append(domain, new Packed("j"));
            executor.runFor(MINUTE);
            assertThat(engine.find("manager", "j").orElseThrow().state()).isEqualTo(State.PARKED);
            refuses[0] = false;
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
}
