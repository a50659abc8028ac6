package dev.cqrs.testing;

import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.testing.Simulation.Fault;
import dev.cqrs.testing.Simulation.InjectedException;
import dev.cqrs.testing.Simulation.Kind;
import dev.cqrs.testing.Simulation.World;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One run of a world through the steps of a history.
 *
 * <p>All that is chosen in a step follows from that step's own seed, and what strikes it from seeds of their own. What is
 * chosen from what is there (a task, an earlier action) is counted off, so that it exists as long as anything does.
 */
final class History<A, W extends World<A>> {

    private static final Pattern IDENTITY = Pattern.compile("@[0-9a-f]{3,8}\\b");
    private static final int LONGEST_TEXT = 300;
    private static final int MARGIN = 7;
    private static final int CAUSES = 100;
    private static final int MOST_LINES = 20_000;

    /** How often an action is performed again at rest, where no fault strikes, before its being unknown is a failure. */
    private static final int AGAIN_AT_REST = 10;

    /** The step that stands for what comes before the first and after the last. */
    private static final int OUTSIDE = 0;

    // What the random numbers of a unit are for.
    private static final int CHOICE = 0;
    private static final int ORDER = 1;
    private static final int MOOD = 2;

    private final Simulation<A, W> simulation;
    private final Excerpt excerpt;
    private final boolean told;

    private final SeededScheduler scheduler;
    private final CrashPoints crashes = new CrashPoints((number, what) -> crashesAt(what));
    private final W world;
    private final Mood mood;

    private final BitSet did = new BitSet();
    private final BitSet crashed = new BitSet();
    private final List<String> story = new ArrayList<>();
    private final Map<String, Long> counts = new HashMap<>();
    private @Nullable Throwable failure;
    private @Nullable Throwable broken;

    private final List<Performed<A>> performed = new ArrayList<>();
    private final Map<String, Performed<A>> unknown = new LinkedHashMap<>();
    private @Nullable Throwable lastUnknown;
    private final List<Incident> incidents = new ArrayList<>();
    private @Nullable Performed<A> current;
    private int step = OUTSIDE;
    private int struck;
    private int processes;
    /** 0 outside of actions, 1 in one, 2 in what overtakes it. */
    private int level;

    private boolean inTask;
    private boolean appending;
    /** How far the story is indented, and the step whose number it has told. */
    private int depth;

    private int numbered = OUTSIDE;

    /** A task that is told of if it does something. */
    private String untold = "";

    private boolean settling;

    private record Performed<A>(int step, String name, A action, String id) {}

    /** A fault that is to strike the current step, when so many chances of its kind have been let go. */
    static final class Incident {
        private final int unit;
        private final Fault fault;
        final SplittableRandom random;
        private int left;
        private boolean over;

        Incident(int unit, Fault fault, int left, SplittableRandom random) {
            this.unit = unit;
            this.fault = fault;
            this.left = left;
            this.random = random;
        }
    }

    /** How often what happens in one history: most have a mood that lets something happen often, and other things never. */
    private final class Mood {
        private final List<Object> kinds = new ArrayList<>();
        private final List<Integer> weights = new ArrayList<>();
        private final List<Fault> faults = new ArrayList<>();
        private final double incidents;
        private int sum;

        Mood(SplittableRandom random) {
            incidents = new double[] {0, 0.05, 0.15, 0.4}[random.nextInt(4)];
            long all = simulation.actions().stream().mapToLong(Kind::weight).sum();
            for (var kind : simulation.actions()) {
                add(kind, (int) (4_000L * kind.weight() / all), random);
            }
            add(Rare.TASKS, 3_500, random);
            add(Rare.TIME, 700, random);
            add(Rare.REST, 150, random);
            for (var fault : simulation.faults()) {
                boolean often = random.nextInt(3) > 0;
                switch (fault) {
                    case REPEATED -> add(Rare.AGAIN, often ? 600 : 1, random);
                    case RESTART -> add(Rare.RESTART, often ? 150 : 1, random);
                    case CLOCK_JUMPS -> add(Rare.JUMP, often ? 250 : 1, random);
                    default -> {
                        if (often) {
                            faults.add(fault);
                        }
                    }
                }
            }
        }

        private void add(Object kind, int weight, SplittableRandom random) {
            int moody = Math.max(1, weight * new int[] {1, 4, 4, 12}[random.nextInt(4)] / 4);
            kinds.add(kind);
            weights.add(moody);
            sum += moody;
        }

        Object kind(SplittableRandom random) {
            int left = random.nextInt(sum);
            int i = 0;
            while (left >= weights.get(i)) {
                left -= weights.get(i++);
            }
            return kinds.get(i);
        }
    }

    private enum Rare {
        TASKS,
        TIME,
        REST,
        AGAIN,
        RESTART,
        JUMP
    }

    History(Simulation<A, W> simulation, Excerpt excerpt, boolean told) {
        this.simulation = simulation;
        this.excerpt = excerpt;
        this.told = told;
        this.scheduler = new SeededScheduler(excerpt.seed());
        this.mood = new Mood(random(OUTSIDE, MOOD));
        this.world = simulation.world(scheduler.clock());
    }

    /** Runs to the end, or until something fails. */
    void run() {
        try {
            start();
            for (int next = 1; next <= simulation.steps(); next++) {
                if (excerpt.keeps(Excerpt.unit(next, 0))) {
                    step = next;
                    doStep();
                }
            }
            numbered = step = OUTSIDE;
            finish();
        } catch (Throwable thrown) {
            failure = thrown;
            depth = 1;
            say(() -> "FAILS: " + Columns.textOf(thrown));
        }
    }

    @Nullable
    Throwable failure() {
        return failure;
    }

    /** What was done of the history: its steps, and the faults that struck. */
    BitSet did() {
        return did;
    }

    /** Which of that are crashes. */
    BitSet crashed() {
        return crashed;
    }

    Excerpt excerpt() {
        return excerpt;
    }

    List<String> story() {
        return story;
    }

    Map<String, Long> counts() {
        return counts;
    }

    // ---- steps

    private void doStep() {
        count("steps");
        int unit = Excerpt.unit(step, 0);
        did.set(unit);
        var random = random(unit, CHOICE);
        scheduler.reseed(excerpt.seedOf(unit, ORDER));
        var kind = mood.kind(random);
        if (kind != Rare.REST && kind != Rare.TIME && kind != Rare.JUMP) {
            planIncidents();
        }
        if (kind instanceof Rare rare) {
            switch (rare) {
                case TASKS -> runTasks(random.nextBoolean() ? 1 : random.nextInt(2, 9));
                case TIME -> passTime(upTo(simulation.rest().dividedBy(2), random));
                case REST -> {
                    say(() -> "comes to rest");
                    rest();
                }
                case AGAIN -> performAgain(random.nextInt(1, step + 1));
                case RESTART -> restart();
                case JUMP -> jump(random);
            }
        } else {
            @SuppressWarnings("unchecked")
            var action = (Kind<A, W>) kind;
            perform(action, "a-" + step, random);
        }
        incidents.clear();
        checkNow();
    }

    private void finish() {
        scheduler.reseed(excerpt.seedOf(OUTSIDE, ORDER));
        say(() -> "at the end, comes to rest");
        rest();
        checkNow();
        say(() -> "is ended at rest, started again, and comes to rest");
        start();
        rest();
        checkNow();
    }

    private void checkNow() {
        var stray = scheduler.stray();
        if (stray != null) {
            throw new IllegalStateException(stray.getMessage(), stray);
        }
        if (broken != null) {
            throw raise(broken);
        }
        world.check();
    }

    private void rest() {
        incidents.clear();
        count("rests");
        settle();
        if (simulation.faults().contains(Fault.REPEATED)) {
            for (int i = 0; i < AGAIN_AT_REST && !unknown.isEmpty(); i++) {
                for (var open : List.copyOf(unknown.values())) {
                    deliver(open, "again ");
                }
                settle();
            }
            checkNothingUnknown();
        }
        depth++;
        world.checkAtRest();
        depth--;
    }

    private void checkNothingUnknown() {
        if (!unknown.isEmpty()) {
            throw new AssertionError(
                    "It is not known what became of " + unknown.keySet()
                            + ", though no fault strikes at rest and each was performed " + AGAIN_AT_REST
                            + " times more; expected to be done or refused. Let the application recover from a fault, and"
                            + " not throw it again later.",
                    lastUnknown);
        }
    }

    private void settle() {
        depth++;
        settling = true;
        try {
            scheduler.runFor(simulation.rest());
        } catch (AssertionError error) {
            throw raise(causeOf(error));
        }
        settling = false;
        depth--;
    }

    private void passTime(Duration duration) {
        say(() -> "time passes: " + duration);
        scheduler.clock().advance(duration);
    }

    private void jump(SplittableRandom random) {
        count(Fault.CLOCK_JUMPS.name());
        var by = upTo(simulation.jump(), random);
        boolean back = random.nextBoolean();
        say(() -> "the clock is put " + (back ? "back by " : "forward by ") + by);
        var now = scheduler.clock().instant();
        scheduler.clock().set(back ? now.minus(by) : now.plus(by));
    }

    /** From a millisecond on, if it may be one, and each order of magnitude as often as the others. */
    private static Duration upTo(Duration most, SplittableRandom random) {
        double millis = Math.exp(random.nextDouble() * Math.log((double) Math.max(1, most.toMillis())));
        var drawn = Duration.ofMillis(Math.round(millis));
        return drawn.compareTo(most) < 0 ? drawn : most;
    }

    private void restart() {
        count(Fault.RESTART.name());
        say(() -> "is ended in order");
        int before = struck;
        depth++;
        try {
            world.stop();
        } catch (Throwable thrown) {
            if (!crashes.isCrashed() && !(struck > before && isInjected(thrown))) {
                throw raise(thrown);
            }
            say(() -> "the end failed: " + thrown);
        }
        start();
        depth--;
    }

    /** Starts the application as the next process, whatever became of the one before. */
    private void start() {
        for (; ; ) {
            crashes.restart();
            processes++;
            count("starts");
            say(() -> "process " + processes + " starts");
            int before = struck;
            depth++;
            try {
                world.start(new Running(crashes.life(), processes));
            } catch (Throwable thrown) {
                if (!crashes.isCrashed() && !(struck > before && isInjected(thrown))) {
                    throw raise(thrown);
                }
                say(() -> "it did not start: " + thrown);
                continue;
            } finally {
                depth--;
            }
            if (!crashes.isCrashed()) { // which it may have caught
                return;
            }
        }
    }

    private void startIfCrashed() {
        if (crashes.isCrashed()) {
            start();
        }
    }

    private void runTasks(int most) {
        if (scheduler.isIdle()) {
            say(() -> "no task to run");
        }
        for (int i = 0; i < most && !scheduler.isIdle(); i++) {
            runTask();
            startIfCrashed();
        }
    }

    private void runTask() {
        int before = struck;
        boolean within = inTask;
        inTask = true;
        try {
            scheduler.runOne();
        } catch (SimulatedCrash crash) {
            if (!crashes.isCrashed()) {
                throw crash;
            }
        } catch (AssertionError error) {
            var thrown = causeOf(error);
            if (!crashes.isCrashed() && !(struck > before && isInjected(thrown))) {
                throw raise(thrown);
            }
        } finally {
            inTask = within;
        }
    }

    private void perform(Kind<A, W> kind, String id, SplittableRandom random) {
        A action = Objects.requireNonNull(kind.draw().apply(world, random), "the drawn action");
        var first = new Performed<A>(step, kind.name(), action, id);
        performed.add(first);
        deliver(first, "");
    }

    private void performAgain(int upTo) {
        for (int i = performed.size() - 1; i >= 0; i--) {
            var earlier = performed.get(i);
            if (earlier.step() <= upTo) {
                count(Fault.REPEATED.name());
                deliver(earlier, "again ");
                return;
            }
        }
        say(() -> "nothing to do again");
    }

    private void deliver(Performed<A> what, String again) {
        var around = current;
        current = what;
        say(() -> again + what.name() + " " + what.action() + " as " + what.id());
        depth++;
        level++;
        Object result = null;
        Throwable thrown = null;
        try {
            crashes.pass("before the action begins");
            result = world.perform(what.action(), what.id());
        } catch (Throwable whatever) {
            thrown = whatever;
        }
        level--;
        current = around;
        tell(what, result, thrown);
        if (level == 0) {
            startIfCrashed();
        }
        depth--;
    }

    private void tell(Performed<A> what, @Nullable Object result, @Nullable Throwable thrown) {
        if (crashes.isCrashed() || (thrown != null && isInjected(thrown))) {
            say(() -> "it is not known what became of " + what.id() + (crashes.isCrashed() ? "" : ": " + thrown));
            count(what.name() + ": unknown");
            unknown.put(what.id(), what);
            lastUnknown = thrown;
            world.unknown(what.action(), what.id());
        } else if (thrown == null) {
            var answer =
                    Objects.requireNonNull(result, "The result of an action is null; expected one such as Done.DONE.");
            say(() -> "done: " + answer);
            count(what.name() + ": done");
            unknown.remove(what.id());
            world.done(what.action(), what.id(), answer);
        } else if (thrown instanceof Exception refusal) {
            say(() -> "refused: " + refusal);
            count(what.name() + ": refused");
            unknown.remove(what.id());
            world.refused(what.action(), what.id(), refusal);
        } else {
            throw raise(thrown);
        }
    }

    // ---- faults

    private void planIncidents() {
        for (int i = 1; i <= Excerpt.FAULTS; i++) {
            int unit = Excerpt.unit(step, i);
            if (mood.faults.isEmpty() || !excerpt.keeps(unit)) {
                continue;
            }
            var random = random(unit, CHOICE);
            if (random.nextDouble() < mood.incidents / i) {
                var fault = mood.faults.get(random.nextInt(mood.faults.size()));
                int chances = fault == Fault.CRASH ? 5 : fault == Fault.OVERTAKEN ? 2 : 4; // there are so many of them
                incidents.add(new Incident(unit, fault, random.nextInt(1 << random.nextInt(chances)), random));
            }
        }
    }

    /** The fault of this kind that strikes at this chance, if one does. */
    @Nullable
    Incident strike(Fault fault) {
        if (incidents.isEmpty()) {
            return null;
        }
        Incident found = null;
        for (var incident : incidents) {
            if (incident.fault == fault && !incident.over) {
                if (incident.left > 0) {
                    incident.left--;
                } else if (found == null) {
                    found = incident;
                }
            }
        }
        if (found != null) {
            found.over = true;
            struck++;
            count(fault.name());
            did.set(found.unit);
        }
        return found;
    }

    private boolean crashesAt(String what) {
        var crash = strike(Fault.CRASH);
        if (crash != null) {
            crashed.set(crash.unit);
            say(() -> "crashes " + what);
        }
        return crash != null;
    }

    void fail(Fault fault, String what) {
        if (strike(fault) != null) {
            say(() -> what + " fails");
            throw new InjectedException("The simulation has " + what + " fail.");
        }
    }

    /**
     * Before an append: lets others come in between, if that is what strikes. Not from within an append, whose followers hold
     * locks; and in a task only actions, as tasks are what share locks with it.
     */
    void overtake() {
        boolean inAction = level == 1;
        var overtaken = (inAction || (level == 0 && inTask)) && !appending ? strike(Fault.OVERTAKEN) : null;
        if (overtaken == null) {
            return;
        }
        say(() -> "in between");
        var random = overtaken.random;
        int who = random.nextInt(8);
        within(
                1,
                () -> { // which is one more for an action: nobody overtakes it, and who is below starts after a crash
                    if (inAction && who < 3) {
                        level++;
                        if (scheduler.ready() > 0) {
                            runTask();
                        } else {
                            say(() -> "no task is due");
                        }
                    } else if (inAction && who == 3 && simulation.faults().contains(Fault.REPEATED)) {
                        deliver(Objects.requireNonNull(current), "again ");
                    } else {
                        var kinds = simulation.actions();
                        perform(
                                kinds.get(random.nextInt(kinds.size())),
                                "a-" + step + "-" + (overtaken.unit - Excerpt.unit(step, 0)),
                                random);
                    }
                });
    }

    /** Has others run on the stack of the application, which may well catch what they throw: so it is kept. */
    private void within(int deeper, Runnable others) {
        int before = level;
        level = deeper;
        depth++;
        try {
            others.run();
        } catch (Throwable thrown) {
            broken = broken == null ? thrown : broken;
            throw thrown;
        } finally {
            level = before;
            depth--;
        }
    }

    /** Within code of the application's own: has it wait while time passes and others go on, if that is what strikes. */
    private void pause() {
        var paused = level <= 1 && !appending ? strike(Fault.PAUSED) : null;
        if (paused == null) {
            return;
        }
        var time = upTo(simulation.rest().dividedBy(2), paused.random);
        say(() -> "is held up for " + time + ", meanwhile");
        scheduler.clock().advance(time);
        int tasks = paused.random.nextInt(1, 9);
        within(2, () -> {
            for (int i = 0; i < tasks && scheduler.ready() > 0 && !crashes.isCrashed(); i++) {
                runTask();
            }
        });
    }

    /** Appends, knowing that what is called meanwhile may hold the locks of those who look on. */
    Appended append(Supplier<Appended> append) {
        boolean before = appending;
        appending = true;
        try {
            return append.get();
        } finally {
            appending = before;
        }
    }

    VirtualClock clock() {
        return scheduler.clock();
    }

    void checkThread() {
        scheduler.checkThread();
    }

    private static boolean isInjected(Throwable thrown) {
        return Stream.iterate(thrown, Objects::nonNull, Throwable::getCause)
                .limit(CAUSES) // which may go round in a circle
                .anyMatch(
                        cause -> cause instanceof InjectedException || cause instanceof AppendOutcomeUnknownException);
    }

    /** What an application has, until it crashes. */
    private final class Running implements Simulation.Host {

        private final CrashPoints.Life life;
        private final int number;

        Running(CrashPoints.Life life, int number) {
            this.life = life;
            this.number = number;
        }

        @Override
        public int number() {
            return number;
        }

        @Override
        public Clock clock() {
            return scheduler.clock();
        }

        @Override
        public Executor executor(String name) {
            var named = scheduler.named(name);
            return task -> named.execute(around(name, task));
        }

        @Override
        public void schedule(Duration delay, Runnable task) {
            scheduler.schedule(delay, around("a delayed task", task));
        }

        private Runnable around(String name, Runnable task) {
            Objects.requireNonNull(task, "task");
            scheduler.checkThread();
            life.check("a task");
            return life.around(() -> {
                count("tasks");
                if (settling) { // of the many tasks then, those are told that do something
                    untold = "runs " + name;
                } else {
                    say(() -> "runs " + name);
                }
                int indented = depth++;
                try {
                    life.pass("before it begins");
                    task.run();
                } catch (Throwable thrown) {
                    if (!life.isOver()) {
                        say(() -> "throws " + thrown);
                    }
                    throw thrown;
                } finally {
                    depth = indented;
                    untold = "";
                }
            });
        }

        @Override
        public EventStore around(EventStore store) {
            Objects.requireNonNull(store, "store");
            life.check("around");
            return new CrashingEventStore(new SimulatedEventStore(store, History.this, life), life);
        }

        @Override
        public CheckpointStore around(CheckpointStore store) {
            Objects.requireNonNull(store, "store");
            life.check("around");
            return new CrashingCheckpointStore(new SimulatedCheckpointStore(store, History.this), life);
        }

        @Override
        public void pass(String what) {
            scheduler.checkThread();
            life.pass(what);
            fail(Fault.HANDLER_FAILS, what);
            pause();
            life.check(what); // who went on meanwhile may have crashed
        }
    }

    // ---- the story

    void say(Supplier<String> text) {
        if (told && (story.size() < MOST_LINES || failure != null)) {
            if (!untold.isEmpty()) {
                tell(untold, depth - 1);
                untold = "";
            }
            tell(wordsOf(text), depth);
        }
    }

    /** Of the application's objects, some cannot be put into words: that fails no history. */
    private static String wordsOf(Supplier<String> text) {
        try {
            return text.get();
        } catch (RuntimeException | StackOverflowError mute) {
            return "something that cannot be put into words: " + mute.getClass().getName();
        }
    }

    private void tell(String text, int depth) {
        var line = IDENTITY.matcher(text.strip()).replaceAll("@…");
        var cut = line.length() > LONGEST_TEXT ? line.substring(0, LONGEST_TEXT) + "…" : line;
        var number = step == numbered ? "" : String.valueOf(step);
        numbered = step;
        var margin = " ".repeat(MARGIN + 4 * depth);
        story.add(" ".repeat(MARGIN - 1 - number.length())
                + number
                + " ".repeat(1 + 4 * depth)
                + cut.replaceAll("\\s*\\R", "\n" + margin + "  "));
    }

    private void count(String what) {
        counts.merge(what, 1L, Long::sum);
    }

    private SplittableRandom random(int unit, int purpose) {
        return new SplittableRandom(excerpt.seedOf(unit, purpose));
    }

    private static Throwable causeOf(AssertionError error) {
        var cause = error.getCause();
        return cause == null ? error : cause;
    }

    /** Throws anything as it is. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> RuntimeException raise(Throwable thrown) throws T {
        throw (T) thrown;
    }
}
