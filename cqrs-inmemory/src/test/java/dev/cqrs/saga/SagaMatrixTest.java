package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Receipt;
import dev.cqrs.suite.Parts.Weighed;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.SimulatedCrash;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Six steps, with a crash before and after each write to either log, each command and event delivered one to three times and
 * in each order of neighbours, and each step failing: all of it judged by the participant, who knows nothing of sagas.
 */
@Timeout(120)
class SagaMatrixTest {

    private static final int STEPS = 6;
    private static final int ORDERS = 3;
    private static final int TIMES = 3;
    private static final int PLANS = (STEPS + 1) * ORDERS * TIMES * TIMES;

    /** Which step fails, 0 for none; how often and in what order events come, and how often commands. */
    private record Plan(int failing, int order, int events, int commands) {

        static Plan of(int number) {
            int rest = number;
            int failing = rest % (STEPS + 1);
            rest /= STEPS + 1;
            int order = rest % ORDERS;
            rest /= ORDERS;
            return new Plan(failing, order, rest % TIMES + 1, rest / TIMES % TIMES + 1);
        }

        List<Object> replies() {
            var packed = new Packed("j");
            var weighed = new Weighed("j");
            var all = new ArrayList<Object>();
            for (int i = 0; i < events; i++) {
                switch (order) {
                    case 0 -> all.addAll(List.of(packed, weighed));
                    case 1 -> all.addAll(List.of(weighed, packed));
                    default -> {
                        all.add(i == 0 ? 0 : all.size(), packed);
                        all.add(0, weighed);
                    }
                }
            }
            return all;
        }

        String part(int step) {
            return "s" + step + (step == failing ? "!" : "");
        }

        Saga<Parts.Known> saga() {
            return Saga.named("job", Parts.KNOWN)
                    .startedBy(Ordered.class, Ordered::job)
                    .step("s1", known -> known.part(part(1)), (known, text) -> new Receipt(text))
                    .compensate(known -> known.part("u1"))
                    .step("s2", known -> known.part(part(2)))
                    .compensate(known -> known.part("u2"))
                    .parallel(both -> both.await("packed", Packed.class, Packed::job)
                            .await("weighed", Weighed.class, Weighed::job))
                    .step("s3", known -> known.part(part(3)))
                    .compensate(known -> known.part("u3"))
                    .step("s4", known -> known.part(part(4)))
                    .compensate(known -> known.part("u4"))
                    .step("s5", known -> known.part(part(5)), (known, text) -> new Receipt(text))
                    .compensate(known -> known.part("u5"))
                    .step("s6", known -> known.part(part(6)))
                    .compensate(known -> known.part("u6"))
                    .build();
        }

        List<String> expected() {
            var all = new ArrayList<String>();
            int done = failing == 0 ? STEPS : failing - 1;
            IntStream.rangeClosed(1, done).mapToObj(i -> "s" + i).forEach(all::add);
            if (failing > 0) {
                IntStream.rangeClosed(1, done)
                        .mapToObj(i -> "u" + (done + 1 - i))
                        .forEach(all::add);
            }
            return all;
        }
    }

    @Test
    void whatever_crashes_and_is_delivered_again_each_step_and_each_compensation_has_its_effect_once() {
        var cases = new int[1];
        CrashPoints.explore(PLANS, 0, (scheduler, crashes) -> {
            cases[0]++;
            var plan = Plan.of((int) scheduler.seed());
            var operations = new InMemoryEventStore(Parts.operations(), scheduler.clock());
            var domain = new InMemoryEventStore(Parts.domain(), scheduler.clock());
            var raw = new HashMap<String, Integer>();
            Parts.append(domain, new Ordered("j"));

            SagaEngine engine = null;
            try {
                engine = start("first", plan, operations, domain, scheduler, crashes, raw);
                run(plan, domain, scheduler);
            } catch (SimulatedCrash crash) {
                // where the engine was made
            }
            if (crashes.isCrashed()) {
                crashes.restart();
                // one that is started again under its name, or another that takes over
                engine = start(
                        scheduler.choose(2) == 0 ? "first" : "second",
                        plan,
                        operations,
                        domain,
                        scheduler,
                        crashes,
                        raw);
                run(plan, domain, scheduler);
            }

            assertThat(engine).isNotNull();
            var instance = engine.find("job", "j").orElseThrow();
            assertThat(instance.state())
                    .as(() -> "with " + plan + "\n" + instance)
                    .isEqualTo(plan.failing() == 0 ? State.COMPLETED : State.COMPENSATED);
            assertThat(Parts.done(domain, "j")).as("with %s", plan).isEqualTo(plan.expected());
            assertThat(raw.keySet()) // each under one id
                    .hasSize(plan.failing() == 0 ? STEPS : 2 * plan.failing() - 1);
            engine.close();
        });
        assertThat(cases[0]).isGreaterThanOrEqualTo(5_000);
    }

    private static void run(Plan plan, EventStore domain, SeededScheduler scheduler) {
        scheduler.runAll();
        if (Parts.done(domain, "j").contains("s2")) {
            for (var reply : plan.replies()) {
                Parts.append(domain, reply);
                if (scheduler.choose(2) == 0) {
                    scheduler.runAll();
                }
            }
            scheduler.runAll();
        }
    }

    private static SagaEngine start(
            String name,
            Plan plan,
            EventStore operations,
            EventStore domain,
            SeededScheduler scheduler,
            CrashPoints crashes,
            Map<String, Integer> raw) {
        var bus = Parts.bus(
                crashes.around(domain),
                (command, metadata) ->
                        raw.merge(command.part() + " " + metadata.id().orElseThrow(), 1, Integer::sum));
        var engine = SagaEngine.builder(crashes.around(operations), scheduler.clock())
                .add(plan.saga(), Position.START)
                .domain(crashes.around(domain))
                .name(name)
                .build();
        engine.start(
                new Repeating(bus, plan.commands()),
                crashes.around(scheduler.named(name)),
                (delay, task) -> crashes.around((Executor) later -> scheduler.schedule(delay, later))
                        .execute(task),
                failure -> {});
        return engine;
    }

    /** Delivers each command several times. */
    private record Repeating(dev.cqrs.command.CommandBus bus, int times) implements dev.cqrs.command.CommandBus {

        @Override
        public <R> R dispatch(dev.cqrs.command.Command<R> command, Metadata metadata) {
            for (int i = 1; i < times; i++) {
                bus.dispatch(command, metadata);
            }
            return bus.dispatch(command, metadata);
        }

        @Override
        public <C extends dev.cqrs.command.Command<R>, R> Route<C, R> handlerFor(Class<C> type) {
            return (command, metadata) -> dispatch(command, metadata);
        }
    }

    @Test
    void what_a_step_that_took_effect_gives_is_known_to_the_steps_behind_it() {
        var scheduler = new SeededScheduler(1);
        var operations = new InMemoryEventStore(Parts.operations(), scheduler.clock());
        var domain = new InMemoryEventStore(Parts.domain(), scheduler.clock());
        var saga = Saga.named("job", Parts.KNOWN)
                .step("one", known -> known.part("one"), (known, text) -> new Receipt(text))
                .step("two", known -> new Do(known.job(), "after " + known.receipts()))
                .build();
        var engine = SagaEngine.builder(operations, scheduler.clock())
                .name("sagas")
                .add(saga)
                .build();
        engine.start(Parts.bus(domain, (c, m) -> {}), scheduler, scheduler::schedule, failure -> {
            throw new AssertionError(failure);
        });
        scheduler.runFor(Duration.ofSeconds(1));
        var before = operations.head().value();

        assertThat(engine.begin("job", "j", new Ordered("j"))).isTrue();
        assertThat(engine.begin("job", "j", new Ordered("j"))).isFalse();
        scheduler.runFor(Duration.ofSeconds(1));

        assertThat(Parts.done(domain, "j")).containsExactly("one", "after [one@1]");
        assertThat(engine.status().count(State.COMPLETED)).isEqualTo(1);
        assertThat(operations.head().value() - before).isEqualTo(1 + 2 + 3 + 1);
        engine.close();
    }
}
