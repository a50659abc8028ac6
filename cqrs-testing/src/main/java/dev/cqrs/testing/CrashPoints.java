package dev.cqrs.testing;

import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import java.util.Arrays;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiPredicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The numbered points of a run at which a process can crash, and the process that does.
 *
 * <p>A process under test reaches its stores and its executor through what {@link #around(EventStore) around} gives. Each
 * write has two points: before it, when nothing is written, and after it, when it is but the process has not heard of it.
 * At the chosen numbers the process crashes: a {@link SimulatedCrash} is thrown, and from then on all it was given is
 * dead. The stores themselves live on; after {@link #restart} the test makes the process anew, of the same stores.
 *
 * <pre>{@code
 * CrashPoints.explore(100, 1, (scheduler, crashes) -> {
 *     var log = new InMemoryEventStore(CATALOG, scheduler.clock());
 *     try {
 *         work(crashes.around(log), crashes.around(scheduler));
 *         scheduler.runAll();
 *     } catch (SimulatedCrash crash) { // thrown where the test itself called a store
 *     }
 *     crashes.restart();
 *     recover(crashes.around(log), crashes.around(scheduler));
 *     scheduler.runAll();
 *     check(log);
 * });
 * }</pre>
 *
 * <p>Points are counted from 1, on through all restarts, so that a run can crash more than once.
 *
 * <p><b>Threads:</b> thread-safe; but numbers mean the same in each run only if the run is that of one thread.
 */
public final class CrashPoints {

    private final Set<Integer> chosen;
    private final BiPredicate<Integer, String> crashesAt;
    private final AtomicInteger passed = new AtomicInteger();
    private final AtomicInteger crashes = new AtomicInteger();
    private volatile Life life = new Life();
    private volatile String last = "";

    /** The time between two restarts. What was made in it is dead when it is over. */
    final class Life {

        private volatile @Nullable SimulatedCrash end;

        boolean isOver() {
            return end != null;
        }

        /** Refuses what a dead process wants to do. */
        void check(String what) {
            var over = end;
            if (over != null) {
                throw new SimulatedCrash(
                        over.point(),
                        over.getMessage() + " It is dead: " + what + " is refused. Use what was made after restart().");
            }
        }

        void pass(String what) {
            check(what);
            int number = passed.incrementAndGet();
            if (crashesAt.test(number, what)) {
                last = " (" + what + ")";
                crashes.incrementAndGet();
                var crash = new SimulatedCrash(number, "The process crashed at point " + number + ", " + what + ".");
                end = crash;
                throw crash;
            }
        }

        /**
         * Has a task die with the process: it does not begin any more, and the crash of it ends it, whatever the task makes of
         * that crash on its way out.
         */
        Runnable around(Runnable task) {
            return () -> {
                if (!isOver()) {
                    try {
                        task.run();
                    } catch (Throwable thrown) {
                        if (!isOver()) {
                            throw thrown; // which may be the crash of another process
                        }
                    }
                }
            };
        }

        private void over() {
            if (end == null) {
                end = new SimulatedCrash(0, "The process was ended by a restart.");
            }
        }
    }

    /**
     * What is run again and again, each time in another order or with another crash.
     *
     * <p>It makes all it uses anew, so that no run sees another.
     */
    @FunctionalInterface
    public interface Body {

        /**
         * Runs once.
         *
         * @param scheduler new, with a seed and a clock of its own
         * @param crashes new, with the crash of this run, if it has one
         * @throws Exception anything, to say that this run fails; a {@link SimulatedCrash} that is let through fails it
         *     too
         */
        void run(SeededScheduler scheduler, CrashPoints crashes) throws Exception;
    }

    private CrashPoints(Set<Integer> chosen) {
        this.chosen = chosen;
        this.crashesAt = (number, what) -> chosen.contains(number);
    }

    /** Asks at each point, by its number and what is there, whether the process crashes. */
    CrashPoints(BiPredicate<Integer, String> crashesAt) {
        this.chosen = Set.of();
        this.crashesAt = crashesAt;
    }

    /**
     * Never crashes, but counts.
     *
     * @return points of a new run
     */
    public static CrashPoints none() {
        return at();
    }

    /**
     * Crashes at the given points.
     *
     * @param points the numbers, each 1 or more
     * @return points of a new run
     * @throws IllegalArgumentException if a number is less than 1
     */
    public static CrashPoints at(int... points) {
        for (int point : points) {
            if (point < 1) {
                throw new IllegalArgumentException("A crash was asked for at point " + point
                        + "; expected 1 or more. Use none() for a run without a crash.");
            }
        }
        return new CrashPoints(Arrays.stream(points).boxed().collect(Collectors.toUnmodifiableSet()));
    }

    /**
     * Runs {@code body} with one seed after the other, and with each of them first without a crash, to count the points,
     * and then with a crash at each, until a run fails.
     *
     * <p>The failure is told as by {@link SeededScheduler#explore}, with the point.
     *
     * @param runs how many seeds, 1 or more
     * @param firstSeed the first; each further one is 1 more
     * @param body what is run
     * @throws AssertionError if a run fails
     */
    public static void explore(int runs, long firstSeed, Body body) {
        Exploration.explore(runs, firstSeed, true, Objects.requireNonNull(body, "body"));
    }

    /**
     * Gives an event store to the process, with a point before each append and one after it.
     *
     * <p>The signals of a dead process are not called any more. A stream that was opened before can be read to its end,
     * as it changes nothing.
     *
     * @param store lives on when the process crashes
     * @return a store for the time up to the next crash or restart
     */
    public EventStore around(EventStore store) {
        return new CrashingEventStore(Objects.requireNonNull(store, "store"), life);
    }

    /**
     * Gives a checkpoint store to the process, with a point before each {@code save} and {@code delete} and one after it.
     *
     * @param store lives on when the process crashes
     * @return a store for the time up to the next crash or restart
     */
    public CheckpointStore around(CheckpointStore store) {
        return new CrashingCheckpointStore(Objects.requireNonNull(store, "store"), life);
    }

    /**
     * Gives an executor to the process. Its tasks die with the process: they do not begin any more, and the crash of one
     * ends it without further ado, also where the task throws another exception because of it.
     *
     * @param executor lives on when the process crashes
     * @return an executor for the time up to the next crash or restart
     */
    public Executor around(Executor executor) {
        Objects.requireNonNull(executor, "executor");
        var own = life;
        return task -> {
            Objects.requireNonNull(task, "task");
            own.check("execute");
            executor.execute(own.around(task));
        };
    }

    /**
     * Passes a point of the caller's own, such as before a mail is sent.
     *
     * @param what says where, for messages
     * @throws SimulatedCrash if the process is to crash here, or has crashed
     */
    public void pass(String what) {
        life.pass(Objects.requireNonNull(what, "what"));
    }

    /** Ends the process, if it has not crashed, and begins another: what {@code around} gives from now on is alive. */
    public void restart() {
        life.over();
        life = new Life();
    }

    /**
     * Says whether the process has crashed, and was not restarted.
     *
     * @return whether all that it was given is dead
     */
    public boolean isCrashed() {
        return life.isOver();
    }

    /**
     * Tells how many points were passed, that of a crash included.
     *
     * @return zero or more
     */
    public int passed() {
        return passed.get();
    }

    @Override
    public String toString() {
        if (chosen.isEmpty()) {
            return "no crash";
        }
        var numbers = chosen.stream().sorted().map(String::valueOf).collect(Collectors.joining(" and "));
        return "a crash at point " + numbers + last;
    }

    /** What the process is that runs now. */
    Life life() {
        return life;
    }

    /** Tells how many of the chosen points were met. */
    int crashes() {
        return crashes.get();
    }
}
