package dev.cqrs.testing;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * An executor that runs its tasks when it is told to, on the calling thread, in an order that a seed chooses.
 *
 * <p>What runs on an {@link Executor} of the caller runs on this one too; another seed is another order in which threads
 * might have run it, and the same seed is the same order again. The order is that of whole tasks: what happens within
 * one is not interleaved with another.
 *
 * <pre>{@code
 * SeededScheduler.explore(500, 1, scheduler -> {
 *     var app = start(scheduler, scheduler.clock());
 *     scheduler.execute(() -> app.dispatch(new Deposit("4711", 5)));
 *     scheduler.execute(() -> app.dispatch(new Withdraw("4711", 5)));
 *     scheduler.runAll();
 *     check(app);
 * });
 * }</pre>
 *
 * <p><b>Time:</b> a delayed task waits until the clock has been advanced by its delay. When nothing else is left to do,
 * time moves on to the next of them. One whose time no clock can show never runs.
 *
 * <p><b>Errors:</b> what a task throws is the cause of an {@link AssertionError} that begins with the seed, thrown at
 * once to whoever runs the scheduler; other tasks stay where they are, and may be run. A {@link SimulatedCrash} passes
 * unchanged.
 *
 * <p><b>Threads:</b> used by the thread that made it alone; another one is refused, since its doings could not be
 * replayed.
 */
public final class SeededScheduler implements Executor {

    /** How many tasks may wait at once. */
    public static final int CAPACITY = 10_000;

    /** How many tasks {@link #runAll()} and {@link #runFor} run before they take it for an endless loop. */
    public static final int STEPS = 100_000;

    /** How many choices {@link #trace} looks back. */
    public static final int TRACE = 1_000;

    /** From here on a delay is one without end: no clock may show when it is over. */
    private static final Duration LONG = Duration.ofDays(36_500);

    private static final Duration NEVER = Duration.ofSeconds(Long.MAX_VALUE, 999_999_999);

    private static final Comparator<Task> BY_DUE =
            Comparator.comparing(Task::due).thenComparingLong(Task::number);

    private final long seed;
    private SplittableRandom random;
    private final VirtualClock clock;
    private final Thread owner = Thread.currentThread();
    private final List<Task> ready = new ArrayList<>();
    private final Queue<Task> later = new PriorityQueue<>(BY_DUE);
    /** Put into words when it is asked for: most are forgotten before. */
    private final ArrayDeque<Supplier<String>> trace = new ArrayDeque<>();

    private long tasks;
    private long steps;
    private long fingerprint;
    private volatile @Nullable IllegalStateException stray;

    private record Task(long number, String name, Duration due, Runnable body) {

        @Override
        public String toString() {
            return name + " #" + number;
        }
    }

    /**
     * What is run again and again, each time in another order.
     *
     * <p>It makes all it uses anew, so that no run sees another.
     */
    @FunctionalInterface
    public interface Body {

        /**
         * Runs once.
         *
         * @param scheduler new, with a seed and a clock of its own
         * @throws Exception anything, to say that this order of tasks fails
         */
        void run(SeededScheduler scheduler) throws Exception;
    }

    /**
     * Makes a scheduler with a clock of its own, which shows {@link Instant#EPOCH}.
     *
     * @param seed chooses the order of the tasks
     */
    public SeededScheduler(long seed) {
        this(seed, new VirtualClock(Instant.EPOCH));
    }

    /**
     * Makes a scheduler.
     *
     * @param seed chooses the order of the tasks
     * @param clock tells when delayed tasks are due; the scheduler advances it
     */
    public SeededScheduler(long seed, VirtualClock clock) {
        this.seed = seed;
        this.random = new SplittableRandom(seed);
        this.clock = Objects.requireNonNull(clock, "clock");
    }

    /**
     * Runs {@code body} with one seed after the other, until one fails.
     *
     * <p>The failure begins with the seed and tells how to run that seed alone: with the system property
     * {@code dev.cqrs.testing.seed}, which replaces all seeds by one. It also ends with the last choices. To be sure that
     * the seed says it all, a failing run is repeated, and the failure tells if the second run went another way.
     *
     * @param runs how many seeds, 1 or more
     * @param firstSeed the first; each further one is 1 more
     * @param body what is run
     * @throws AssertionError if a run fails
     */
    public static void explore(int runs, long firstSeed, Body body) {
        Objects.requireNonNull(body, "body");
        Exploration.explore(runs, firstSeed, false, (scheduler, crashes) -> body.run(scheduler));
    }

    /**
     * Gives the seed.
     *
     * @return as given
     */
    public long seed() {
        return seed;
    }

    /**
     * Gives the clock by which delayed tasks are due.
     *
     * @return always the same
     */
    public VirtualClock clock() {
        return clock;
    }

    /**
     * Gives this scheduler under a name, by which the trace calls the tasks that were given to it there.
     *
     * @param name such as that of a projection
     * @return an executor whose tasks wait with all others
     */
    public Executor named(String name) {
        Objects.requireNonNull(name, "name");
        return task -> add(name, Duration.ZERO, task);
    }

    /**
     * Takes a task, to be run later.
     *
     * @throws RejectedExecutionException if {@value #CAPACITY} tasks are waiting
     */
    @Override
    public void execute(Runnable task) {
        add("task", Duration.ZERO, task);
    }

    /**
     * Takes a task, to be run when time has passed.
     *
     * @param delay zero or more
     * @param task what to run
     * @throws IllegalArgumentException if {@code delay} is negative
     * @throws RejectedExecutionException if {@value #CAPACITY} tasks are waiting
     */
    public void schedule(Duration delay, Runnable task) {
        if (delay.isNegative()) {
            throw new IllegalArgumentException("The delay of a task is " + delay + "; expected zero or more.");
        }
        add("delayed task", delay, task);
    }

    /**
     * Chooses a number, for a test whose own steps are to follow from the seed too.
     *
     * @param bound 1 or more
     * @return at least 0, and less than {@code bound}
     * @throws IllegalArgumentException if {@code bound} is less than 1
     */
    public int choose(int bound) {
        checkThread();
        if (bound < 1) {
            throw new IllegalArgumentException("One of " + bound + " was to be chosen; expected 1 or more.");
        }
        int chosen = pick(bound);
        note(() -> "chose " + chosen + " of " + bound);
        return chosen;
    }

    /**
     * Runs one of the tasks that are due; if none is, lets time pass until one is.
     *
     * @return whether there was one
     * @throws AssertionError if the task throws, with what it threw as the cause
     */
    public boolean runOne() {
        checkThread();
        collectDue();
        var next = later.peek();
        if (ready.isEmpty() && next != null) {
            passTimeUntil(next.due());
            collectDue();
        }
        return runReady();
    }

    /**
     * Runs tasks until none is left, delayed ones included.
     *
     * @throws AssertionError if a task throws, with what it threw as the cause; or if {@value #STEPS} tasks are not
     *     enough
     */
    public void runAll() {
        runAll(STEPS);
    }

    /**
     * Runs tasks until none is left, as {@link #runAll()}, with a bound of the caller's.
     *
     * @param most the greatest number of tasks
     * @throws AssertionError if a task throws, or if {@code most} tasks are not enough
     */
    public void runAll(int most) {
        checkThread();
        for (int ran = 0; ran < most; ran++) {
            if (!runOne()) {
                return;
            }
        }
        checkIdle(most, waiting(NEVER));
    }

    /**
     * Lets time pass, and runs the tasks that are due meanwhile; those that are due later stay. By a duration that no clock can
     * show no time passes behind the last that is due.
     *
     * @param duration how much time, zero or more
     * @throws IllegalArgumentException if {@code duration} is negative
     * @throws AssertionError if a task throws, or if {@value #STEPS} tasks are not enough
     */
    public void runFor(Duration duration) {
        checkThread();
        if (duration.isNegative()) {
            throw new IllegalArgumentException("Tasks were to run for " + duration + "; expected zero or more.");
        }
        var end = in(duration);
        for (int ran = 0; ran < STEPS; ran++) {
            collectDue();
            var next = later.peek();
            if (ready.isEmpty()) {
                passTimeUntil(next == null || next.due().compareTo(end) > 0 ? end : next.due());
                collectDue();
            }
            if (!runReady()) {
                return;
            }
        }
        checkIdle(STEPS, waiting(end));
        passTimeUntil(end);
    }

    /**
     * Says whether no task is waiting, not even a delayed one.
     *
     * @return whether none is
     */
    public boolean isIdle() {
        checkThread();
        return ready.isEmpty() && later.isEmpty();
    }

    /**
     * Gives the last choices, each with its number: which task was run, and from among how many.
     *
     * @return an unmodifiable list of at most {@value #TRACE}, the oldest first
     */
    public List<String> trace() {
        checkThread();
        return trace.stream().map(Supplier::get).toList();
    }

    @Override
    public String toString() {
        return "SeededScheduler[seed=" + seed + ", " + steps + " steps, " + (ready.size() + later.size())
                + " tasks waiting]";
    }

    // ---- for Simulation

    /** Has the choices from now on follow from another seed; what messages call the seed stays. */
    void reseed(long next) {
        random = new SplittableRandom(next);
    }

    int ready() {
        collectDue();
        return ready.size();
    }

    /** What the first foreign thread was told that used this scheduler, whatever became of it there. */
    @Nullable
    IllegalStateException stray() {
        return stray;
    }

    // ---- for Exploration

    /** A number that two runs share if and, but for chance, only if they made the same choices. */
    long fingerprint() {
        return fingerprint;
    }

    long steps() {
        return steps;
    }

    // ----

    private void add(String name, Duration delay, Runnable body) {
        checkThread();
        Objects.requireNonNull(body, "task");
        if (ready.size() + later.size() >= CAPACITY) {
            throw new RejectedExecutionException("Seed " + seed + ", step " + steps + ": " + CAPACITY
                    + " tasks are waiting, and no more fit. Run some, or look for a task that adds tasks without end.");
        }
        later.add(new Task(++tasks, name, in(delay), body));
    }

    /** When so much time will have passed. */
    private Duration in(Duration delay) {
        try {
            return clock.elapsed().plus(delay);
        } catch (ArithmeticException tooLong) {
            return NEVER;
        }
    }

    /** Moves the tasks that are due to those to choose from. */
    private void collectDue() {
        var now = clock.elapsed();
        for (var next = later.peek(); next != null && next.due().compareTo(now) <= 0; next = later.peek()) {
            ready.add(later.remove());
        }
    }

    private void passTimeUntil(Duration due) {
        var missing = due.minus(clock.elapsed());
        if (!missing.isNegative()) {
            try {
                clock.advance(missing);
            } catch (ArithmeticException | DateTimeException tooLong) {
                if (missing.compareTo(LONG) < 0) {
                    throw tooLong; // the clock is at its end
                }
                note(() -> "time cannot pass by " + missing); // no clock shows that time
            }
        }
    }

    private boolean runReady() {
        if (ready.isEmpty()) {
            return false;
        }
        int of = ready.size();
        var task = ready.remove(pick(of));
        var name = task.name(); // without what it does, which may hold much
        long number = task.number();
        note(() -> name + " #" + number + ", one of " + of);
        long step = steps; // the task may run others
        try {
            task.body().run();
        } catch (SimulatedCrash crash) {
            throw crash;
        } catch (Throwable thrown) {
            throw new AssertionError(
                    "Seed " + seed + ", step " + step + ": " + task + " threw " + Columns.textOf(thrown), thrown);
        }
        return true;
    }

    private int pick(int bound) {
        int picked = random.nextInt(bound);
        fingerprint = 31 * (31 * fingerprint + bound) + picked;
        return picked;
    }

    private void note(Supplier<String> choice) {
        long step = ++steps;
        if (trace.size() == TRACE) {
            trace.remove();
        }
        trace.add(() -> step + ": " + choice.get());
    }

    /** How many tasks are there that will be due until then; those of which no clock may show when are none. */
    private int waiting(Duration end) {
        var now = clock.elapsed();
        return ready.size()
                + (int) later.stream()
                        .filter(task -> task.due().compareTo(end) <= 0
                                && task.due().minus(now).compareTo(LONG) < 0)
                        .count();
    }

    private void checkIdle(int most, int waiting) {
        if (waiting > 0) {
            var last = trace.peekLast();
            throw new AssertionError("Seed " + seed + ": " + most + " tasks were run and " + waiting
                    + " are waiting still; expected none. Allow more, or look for a task that adds tasks without end;"
                    + " the last was " + (last == null ? "none" : last.get()) + ".");
        }
    }

    void checkThread() {
        var thread = Thread.currentThread();
        if (thread != owner) {
            var refused = new IllegalStateException("A seeded scheduler of thread \"" + owner.getName()
                    + "\" was used by thread \"" + thread.getName()
                    + "\", whose doings no seed can replay. Let the tasks of the test start no threads.");
            if (stray == null) {
                stray = refused;
            }
            throw refused;
        }
    }
}
