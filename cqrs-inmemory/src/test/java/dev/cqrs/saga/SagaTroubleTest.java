package dev.cqrs.saga;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.SagaEngine.Cancellation;
import dev.cqrs.saga.SagaEngine.Finding;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.SimulatedCrash;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Executor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What {@link SagaMatrixTest} leaves out: commands and compensations that fail in all ways, before and after their effect, of
 * parallel steps and of the pivot, while it is cancelled, its event is late, its engine stands still past its lease and comes
 * back, and processes crash twice. Where, how and at which standstill is a full product; the rest is chosen by the seed. The
 * participant, who knows nothing of sagas, and the log have to agree with what the end says.
 */
@Timeout(600)
class SagaTroubleTest {

    private static final int RUNS = Integer.getInteger("dev.cqrs.saga.trouble", 1_680);
    private static final Duration LEASE = Duration.ofSeconds(30);
    private static final Duration IN_TIME = Duration.ofMinutes(10);

    /** Six steps, of which the fifth is the pivot, and what undoes the first four. */
    private static final List<String> FORTH = List.of("s1", "s2", "s3", "s4", "s5", "s6");

    private static final List<String> PLACES = List.of("s1", "s2", "s3", "s4", "s5", "s6", "u1", "u2", "u3", "u4");

    /** What happens to the command at that place; what does not go away by itself does so when an operator has looked. */
    private enum Trouble {
        NONE,
        REJECTED,
        THROWS_TWICE,
        THROWS,
        /** The answer is lost, but not the effect. */
        ANSWER_LOST_TWICE,
        ANSWER_LOST,
        /** The caller knows no more than where the answer is lost. */
        REQUEST_LOST;

        boolean isUnsure() {
            return compareTo(ANSWER_LOST_TWICE) >= 0;
        }

        boolean passes() {
            return this == NONE || this == THROWS_TWICE || this == ANSWER_LOST_TWICE;
        }
    }

    /** When the process stands still that dispatches there first, until another engine has taken over and gone as far as it can. */
    private enum Standstill {
        NEVER,
        BEFORE_THE_EFFECT,
        BEHIND_THE_EFFECT,
        BEFORE_IT_THROWS
    }

    /** Why the saga goes back, if the trouble is on the way back. */
    private enum Back {
        REJECTION,
        TIMEOUT,
        CANCEL
    }

    /** Not known, as the saga says, whether it took effect. */
    private static final class Lost extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Lost() {
            super("no answer");
        }
    }

    private record Plan(
            String place,
            Trouble trouble,
            Standstill standstill,
            boolean skips,
            boolean cancelled,
            Back back,
            boolean early,
            boolean overlaps,
            boolean longAway,
            int events,
            List<Integer> crashes,
            int otherCrash,
            boolean otherDies,
            boolean sameName,
            boolean settles) {

        static final int PRODUCT = PLACES.size() * Trouble.values().length * Standstill.values().length;

        static Plan of(long seed) {
            int rest = (int) (seed % PRODUCT);
            var place = PLACES.get(rest % PLACES.size());
            rest /= PLACES.size();
            var trouble = List.of(Trouble.values()).get(rest % Trouble.values().length);
            rest /= Trouble.values().length;
            var random = new SplittableRandom(seed);
            var crashes = new ArrayList<Integer>();
            for (int i = 0; i < seed / PRODUCT % 3; i++) { // none, one, two
                crashes.add(1 + random.nextInt(60));
            }
            return new Plan(
                    place,
                    trouble,
                    List.of(Standstill.values()).get(rest),
                    random.nextBoolean(),
                    random.nextInt(3) == 0,
                    List.of(Back.values()).get(random.nextInt(3)),
                    random.nextBoolean(),
                    random.nextBoolean(),
                    random.nextBoolean(),
                    1 + random.nextInt(2),
                    crashes,
                    seed < PRODUCT ? 0 : random.nextInt(20),
                    random.nextBoolean(),
                    random.nextBoolean(),
                    random.nextBoolean());
        }

        boolean isBack() {
            return place.startsWith("u");
        }

        /** Whether a command is dispatched twice for another reason than its trouble: then its failure is no proof. */
        boolean isDisturbed() {
            return !crashes.isEmpty() || standstill != Standstill.NEVER;
        }

        /** Whether the operator looks at it while the process that dispatched it stands still. */
        boolean isHasty() {
            return longAway && trouble != Trouble.REJECTED; // which is believed then: see the guide
        }

        String cancelledAt() {
            return isBack() ? back == Back.CANCEL ? "s4" : "" : cancelled ? place : "";
        }

        /** Says what may become of it. */
        Set<State> ends() {
            boolean throwing = trouble == Trouble.THROWS || trouble == Trouble.THROWS_TWICE;
            var unparked = skips ? State.INCOMPLETE : State.COMPLETED;
            if (isBack()) {
                return Set.of(skips && !trouble.passes() ? State.INCOMPLETE : State.COMPENSATED);
            }
            if (place.equals("s6")) {
                return Set.of(trouble.passes() ? State.COMPLETED : unparked);
            }
            if (cancelled && !place.equals("s5")) {
                boolean parks = trouble.isUnsure() && !trouble.passes();
                boolean mayPark = parks || (isDisturbed() && trouble == Trouble.THROWS);
                return !mayPark || !skips
                        ? Set.of(State.COMPENSATED)
                        : parks ? Set.of(State.INCOMPLETE) : Set.of(State.COMPENSATED, State.INCOMPLETE);
            }
            if (trouble == Trouble.REJECTED) {
                return Set.of(State.COMPENSATED);
            }
            if (throwing && (cancelled || !trouble.passes())) {
                return !isDisturbed()
                        ? Set.of(State.COMPENSATED)
                        : EnumSet.of(State.COMPENSATED, trouble.passes() ? State.COMPLETED : unparked);
            }
            if (trouble == Trouble.REQUEST_LOST && cancelled && settles && !skips) {
                return EnumSet.of(State.COMPENSATED, State.COMPLETED); // by when the operator came to look
            }
            return Set.of(trouble.passes() ? State.COMPLETED : unparked);
        }

        Saga<Parts.Known> saga() {
            return Saga.named("job", Parts.KNOWN)
                    .retry(Duration.ofSeconds(5), Duration.ofSeconds(5), Duration.ofSeconds(5))
                    .unsure(Lost.class)
                    .startedBy(Ordered.class, Ordered::job)
                    .step("s1", known -> known.part("s1"))
                    .compensate(known -> known.part("u1"))
                    .step("s2", known -> known.part("s2"))
                    .compensate(known -> known.part("u2"))
                    .parallel(both -> both.step("s3", known -> known.part("s3"))
                            .compensate(known -> known.part("u3"))
                            .step("s4", known -> known.part("s4"))
                            .compensate(known -> known.part("u4")))
                    .await("packed", Packed.class, Packed::job)
                    .timeout(IN_TIME)
                    .pivot("s5", known -> known.part("s5"))
                    .step("s6", known -> known.part("s6"))
                    .build();
        }
    }

    @Test
    void whatever_fails_stands_still_crashes_and_is_cancelled_each_effect_is_once_in_order_and_the_end_is_true() {
        SeededScheduler.explore(RUNS, 0, scheduler -> new Run(scheduler).runAndCheck());
    }

    /** A run of a plan: two processes over one log, the participant, and the operator. */
    private static final class Run {

        private final Plan plan;
        private final SeededScheduler scheduler;
        private final InMemoryEventStore operations;
        private final InMemoryEventStore domain;
        /** Only looks. */
        private final SagaEngine watching;

        private final List<Node> processes = new ArrayList<>();
        private final Map<String, Do> returned = new LinkedHashMap<>();
        /** How often each id of a part was dispatched with no outcome that says that it had no effect. */
        private final Map<String, Map<String, Integer>> open = new HashMap<>();

        private final List<String> violations = new ArrayList<>();
        private final List<String> lost = new ArrayList<>();
        private int times;
        private boolean stood;
        private boolean mended;
        private boolean packed;
        /** Whether an operator had it left out while its process stood still, where it took effect all the same. */
        private boolean overruled;

        private boolean lateEffect;
        private Cancellation cancellation = Cancellation.UNKNOWN;
        private int names;

        Run(SeededScheduler scheduler) {
            this.plan = Plan.of(scheduler.seed());
            this.scheduler = scheduler;
            this.operations = new InMemoryEventStore(Parts.operations(), scheduler.clock());
            this.domain = new InMemoryEventStore(Parts.domain(), scheduler.clock());
            this.watching = SagaEngine.builder(operations, scheduler.clock())
                    .add(plan.saga(), Position.START)
                    .domain(domain)
                    .name("watching")
                    .build();
        }

        /** A process that can crash, and stand still. */
        private final class Node {

            private final CrashPoints crashes;
            private final List<Runnable> held = new ArrayList<>();
            private String name;
            private boolean still;
            private boolean killed;
            private SagaEngine engine;

            Node(String name, int... crashes) {
                this.name = name;
                this.crashes = CrashPoints.at(crashes);
                start();
            }

            private void start() {
                while (true) {
                    try {
                        var participant = Parts.bus(crashes.around(domain), (command, metadata) -> {});
                        engine = SagaEngine.builder(crashes.around(operations), scheduler.clock())
                                .add(plan.saga(), Position.START)
                                .domain(crashes.around(domain))
                                .name(name)
                                .lease(LEASE)
                                .build();
                        var bus = InMemoryCommandBus.builder()
                                .handle(Do.class, (command, metadata) -> carryOut(this, participant, command, metadata))
                                .build();
                        var executor = crashes.around(scheduler.named(name));
                        engine.start(
                                bus,
                                task -> executor.execute(() -> run(task)),
                                (delay, task) -> crashes.around((Executor) later -> scheduler.schedule(delay, later))
                                        .execute(() -> run(task)),
                                this::tell);
                        return;
                    } catch (SimulatedCrash again) {
                        crashes.restart();
                    }
                }
            }

            private void tell(SagaFailure failure) {
                if (String.valueOf(failure.cause().getMessage()).contains("after it was given up on")) {
                    lost.add(failure.step());
                }
            }

            private void run(Runnable task) {
                if (still) {
                    held.add(task);
                } else {
                    task.run();
                }
            }

            /** Stands still while another has the time to take over and to go as far as it can. */
            void standStill() {
                if (isDead()) {
                    return;
                }
                stood = true;
                still = true;
                var other = plan.sameName() ? name : newName();
                processes.add(plan.otherCrash() > 0 ? new Node(other, plan.otherCrash()) : new Node(other));
                pass(LEASE.multipliedBy(4)); // if the other died, its lease is over too
                if (plan.isHasty() && instance().state() == State.PARKED) {
                    operate();
                    pass(LEASE);
                }
                still = false;
                held.forEach(scheduler::execute);
                held.clear();
                if (plan.overlaps()) {
                    scheduler.runFor(Duration.ZERO); // it looks around before its handler ends
                }
            }

            void kill() {
                crashes.restart();
                killed = true;
            }

            boolean isDead() {
                return killed || crashes.isCrashed();
            }

            /** Comes back, under its name or as another, at once or when the time of the event is over, which came in time. */
            void revive() {
                if (!isDead() || (killed && processes.get(0).still)) {
                    return;
                }
                if (plan.longAway() && processes.stream().allMatch(Node::isDead)) {
                    for (int i = 0; i < 100; i++) {
                        Parts.append(domain, new Packed("another")); // more than are taken in at once
                    }
                    pack();
                    scheduler.clock().advance(IN_TIME.plusMinutes(1));
                }
                crashes.restart();
                killed = false;
                if (scheduler.choose(2) == 0) {
                    name = newName();
                }
                start();
            }
        }

        private String newName() {
            return "e" + ++names;
        }

        // ---- the participant

        private String carryOut(Node process, CommandBus participant, Do command, Metadata metadata) {
            var part = command.part();
            var id = metadata.id().orElseThrow();
            var ids = open.computeIfAbsent(part, none -> new LinkedHashMap<>());
            ids.forEach((other, count) -> {
                if (count > 0 && !other.equals(id)) {
                    violations.add(id + " was dispatched although " + other + " may have taken effect");
                }
            });
            ids.merge(id, 1, Integer::sum);
            if (part.equals(plan.cancelledAt()) && cancellation == Cancellation.UNKNOWN) {
                cancellation = process.engine.cancel("job", "j");
            }
            boolean here = part.equals(plan.place());
            if (here && plan.isBack() && plan.back() == Back.TIMEOUT) {
                Parts.append(domain, new Packed("j")); // too late
            }
            boolean stands = here && !stood;
            if (plan.overlaps() && (part.equals("s3") || part.equals("s4"))) {
                scheduler.runFor(Duration.ZERO); // the other one of the two too, within this one
            }
            if (stands && plan.standstill() == Standstill.BEFORE_THE_EFFECT) {
                process.standStill();
            } else if (stands && plan.standstill() == Standstill.BEFORE_IT_THROWS) {
                process.standStill();
                ids.merge(id, -1, Integer::sum);
                throw new IllegalStateException("stood still for too long");
            }
            var trouble = here && !mended ? plan.trouble() : Trouble.NONE;
            boolean twice = here && ++times <= 2;
            if (trouble == Trouble.THROWS || (trouble == Trouble.THROWS_TWICE && twice)) {
                ids.merge(id, -1, Integer::sum);
                throw new IllegalStateException("out of order");
            }
            if (trouble == Trouble.REQUEST_LOST) {
                throw new Lost();
            }
            boolean rejects = trouble == Trouble.REJECTED
                    || (part.equals("s5") && plan.isBack() && plan.back() == Back.REJECTION);
            String receipt;
            try {
                receipt = participant.dispatch(rejects ? new Do("j", part + "!") : command, metadata);
            } catch (RejectedException rejected) {
                ids.put(id, 0);
                throw rejected;
            }
            if (stands && plan.standstill() == Standstill.BEHIND_THE_EFFECT) {
                process.standStill();
            }
            if (here && plan.otherDies() && processes.indexOf(process) == 1 && processes.get(0).still) {
                process.kill();
                throw new IllegalStateException("died");
            }
            if (trouble == Trouble.ANSWER_LOST || (trouble == Trouble.ANSWER_LOST_TWICE && twice)) {
                throw new Lost();
            }
            returned.put(id, command);
            lateEffect |= overruled && stands;
            return receipt;
        }

        private void pack() {
            if (!packed && !(plan.isBack() && plan.back() == Back.TIMEOUT)) {
                packed = true;
                for (int i = 0; i < plan.events(); i++) {
                    Parts.append(domain, new Packed("j"));
                }
            }
        }

        // ---- time, and the operator

        private void pass(Duration time) {
            var step = LEASE.dividedBy(2);
            for (var passed = Duration.ZERO; passed.compareTo(time) < 0; passed = passed.plus(step)) {
                scheduler.runFor(step);
                List.copyOf(processes).forEach(Node::revive);
            }
        }

        private SagaInstance instance() {
            return watching.find("job", "j").orElseThrow();
        }

        private void operate() {
            var engine = processes.get(processes.size() - 1).engine;
            var instance = instance();
            if (instance.reason().contains("an operator has found out")) { // written before a crash
                requireNonNull(open.get(plan.place())).replaceAll((id, count) -> 0);
            }
            boolean unsure =
                    requireNonNull(open.get(plan.place())).values().stream().anyMatch(count -> count > 0);
            if (unsure) {
                assertThat(instance.reason()).contains("not known");
            } else if (!plan.isDisturbed()) {
                assertThat(instance.reason()).contains("has failed");
            }
            if (unsure
                    && !plan.isBack()
                    && !plan.place().equals("s6")
                    && plan.cancelledAt().isEmpty()) {
                assertThat(engine.cancel("job", "j")).isEqualTo(Cancellation.UNSURE);
            }
            var step = plan.place().replace('u', 's');
            try {
                if (unsure && plan.settles() && !plan.skips() && !processes.get(0).still) {
                    boolean took = Parts.done(domain, "j").contains(plan.place());
                    var id = List.copyOf(open.get(plan.place()).keySet())
                            .get(open.get(plan.place()).size() - 1);
                    if (engine.settle("job", "j", id, took ? Finding.TOOK_EFFECT : Finding.NO_EFFECT)) {
                        open.get(plan.place()).put(id, 0);
                    }
                }
                assertThat(plan.skips() ? engine.skip("job", "j", step) : engine.resume("job", "j"))
                        .isTrue();
                mended = true;
                overruled |= plan.skips() && processes.get(0).still;
            } catch (SimulatedCrash crash) {
                // whether it was written, the operator sees next time
            }
        }

        void runAndCheck() {
            Parts.append(domain, new Ordered("j"));
            if (plan.early()) {
                pack();
            }
            processes.add(new Node(
                    newName(),
                    plan.crashes().stream().mapToInt(Integer::intValue).toArray()));
            try {
                pass(LEASE.multipliedBy(4));
                for (int round = 0; round < 10 && !instance().state().isEnd(); round++) {
                    if (instance().state() == State.PARKED) {
                        operate();
                    } else if (Parts.done(domain, "j").containsAll(List.of("s3", "s4"))) {
                        if (plan.longAway()) {
                            processes.forEach(Node::kill);
                            processes.forEach(Node::revive);
                        }
                        pack();
                    }
                    pass(LEASE.multipliedBy(4));
                }
                check();
            } catch (Throwable failed) {
                throw new AssertionError(
                        failed.getMessage() + "\nwith " + plan + "\ndone: " + Parts.done(domain, "j") + "\n"
                                + watching.history("job", "j"),
                        failed);
            }
            processes.forEach(process -> process.engine.close());
        }

        // ---- the judge

        private void check() {
            var end = instance();
            assertThat(plan.ends()).contains(end.state());
            assertThat(violations).isEmpty();
            var done = Parts.done(domain, "j");
            assertThat(done).doesNotHaveDuplicates();

            var told = new ArrayList<String>();
            boolean back = false;
            boolean packedCame = false;
            try (var marks = operations.read(EventQuery.types(SagaEvent.class))) {
                while (marks.advance()) {
                    var mark = (SagaEvent) marks.event();
                    var input = mark.input();
                    if (input.cause() == SagaEvent.Cause.RETURNED || input.cause() == SagaEvent.Cause.TOOK_EFFECT) {
                        told.add(input.undo() ? "u" + input.step().substring(1) : input.step());
                    }
                    packedCame |= input.cause() == SagaEvent.Cause.EVENT;
                    back |= mark.outputs().stream().anyMatch(output -> output.effect() == SagaEvent.Effect.BACK);
                }
            }
            assertThat(packedCame && plan.isBack() && plan.back() == Back.TIMEOUT)
                    .isFalse();
            var left = end.skipped().stream()
                    .map(skipped -> skipped.replace("undo of s", "u"))
                    .toList();
            assertThat(end.state() == State.INCOMPLETE).isEqualTo(!left.isEmpty());
            assertThat(done).containsAll(told).isSubsetOf(union(told, left));

            var forth = told.stream().filter(FORTH::contains).toList();
            var undone = told.stream().filter(part -> part.startsWith("u")).toList();
            var stages = new ArrayList<>(forth);
            Collections.sort(stages);
            var inOrder = new ArrayList<>(done);
            inOrder.retainAll(forth);
            if (inOrder.indexOf("s3") > inOrder.indexOf("s4") && inOrder.contains("s4")) {
                Collections.swap(inOrder, inOrder.indexOf("s3"), inOrder.indexOf("s4")); // side by side
            }
            assertThat(inOrder).isEqualTo(stages);
            if (back) {
                var owed = new ArrayList<String>();
                forth.forEach(step -> owed.add(0, "u" + step.substring(1)));
                owed.removeAll(left);
                assertThat(undone).isEqualTo(owed);
                var seen = new ArrayList<>(done);
                seen.retainAll(undone);
                assertThat(seen).isEqualTo(undone);
            } else {
                assertThat(undone).isEmpty();
                assertThat(union(forth, left)).containsAll(FORTH);
            }
            assertThat(end.state() == State.COMPENSATED).isEqualTo(back && left.isEmpty());

            if (cancellation == Cancellation.CANCELLED) {
                assertThat(back).isEqualTo(!union(forth, left).contains("s5"));
            }
            if (!plan.cancelledAt().isEmpty()) {
                assertThat(cancellation)
                        .isEqualTo(plan.place().equals("s6") ? Cancellation.TOO_LATE : Cancellation.CANCELLED);
            }
            if (lateEffect && plan.crashes().isEmpty()) {
                assertThat(lost).as("told as lost").isNotEmpty();
            }
            checkThatItIsOver(end, done);
        }

        /** All comes once more. */
        private void checkThatItIsOver(SagaInstance end, List<String> done) {
            pack(); // if it was over before
            pass(LEASE);
            long ignored = processes.get(0).engine.status().ignored();
            var bus = Parts.bus(domain, (command, metadata) -> {});
            returned.forEach((id, command) -> bus.dispatch(command, Metadata.of(Map.of(Metadata.ID, id))));
            Parts.append(domain, new Packed("j"));
            Parts.append(domain, new Ordered("j"));
            pass(LEASE);
            if (plan.crashes().isEmpty()) {
                assertThat(processes.get(0).engine.status().ignored()).isEqualTo(ignored + 2);
            }
            assertThat(Parts.done(domain, "j")).isEqualTo(done);
            assertThat(instance()).isEqualTo(end);
        }

        private static List<String> union(List<String> one, List<String> other) {
            var all = new ArrayList<>(one);
            all.addAll(other);
            return all;
        }
    }
}
