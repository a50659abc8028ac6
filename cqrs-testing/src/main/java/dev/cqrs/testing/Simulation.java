package dev.cqrs.testing;

import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/**
 * Runs a whole application through histories that seeds choose, on one thread and in virtual time, and compares it with a
 * model; a history that fails is cut down to the few steps that matter, and told as a story.
 *
 * <pre>{@code
 * Simulation.of(BankWorld::new)
 *         .action("deposit", 3, random -> new Deposit("alice", random.nextInt(1, 100)))
 *         .action("withdraw", 2, random -> new Withdraw("alice", random.nextInt(1, 100)))
 *         .explore(2_000, 1);
 * }</pre>
 *
 * <p><b>A history</b> is a number of steps. Each performs an action, performs an earlier one again under the same id, runs
 * some of the tasks that the application has given to its executors, lets time pass, puts the clock elsewhere, ends the
 * application and starts it again, or lets it come to rest. A step may be struck by up to three faults: see {@link Fault}.
 * After a crash the application is started again at once, out of its stores. Each history is of another mood: one has
 * only few kinds of faults or none, one favours some actions, one lets tasks wait.
 *
 * <p><b>At rest:</b> no faults strike, all tasks are run that are due within {@link #rest}, and actions of which it is not
 * known what became of them are performed again, under the same id, until it is known, which ten times have to be enough for;
 * then {@link World#checkAtRest} is called. That happens now and then, at the end, and once more after the application was
 * ended there and started again.
 *
 * <p><b>Interleavings</b> are those of whole tasks and actions, and two within: just before an append others may come in
 * between, from their beginning to their end ({@link Fault#OVERTAKEN}), and where the application calls
 * {@link Host#pass} others may go on while it waits ({@link Fault#PAUSED}).
 *
 * <p><b>Failures:</b> whatever a check, a task or the start throws, or an {@link Error} of an action, fails the history. The
 * {@link AssertionError} begins with the seed, says how to run it alone by the system property
 * {@code dev.cqrs.testing.seed}, and ends with the story of the shortest history found that fails at the same line; that one
 * is run alone by the property too, as seed and steps. A failing history is run twice, as is now and then one that does
 * not fail: if the second goes another way, the failure says from which step on.
 *
 * <p><b>Beware</b> of waiting within the application for another thread, as there is none.
 *
 * <p><b>Threads:</b> not thread-safe. Starts none.
 *
 * @param <A> the actions: values that print, such as records
 * @param <W> the world they happen in
 */
public final class Simulation<A, W extends Simulation.World<A>> {

    /** How many steps a history has unless it is said. */
    public static final int DEFAULT_STEPS = 60;

    /** How much time an application gets to come to rest unless it is said: an hour, which takes no time. */
    public static final Duration DEFAULT_REST = Duration.ofHours(1);

    /** How far a clock jumps at most unless it is said, forwards and back: a day. */
    public static final Duration DEFAULT_JUMP = Duration.ofDays(1);

    /** The longest time that a history may be given at once: a hundred years, of which a clock can show many. */
    private static final Duration LONGEST = Duration.ofDays(36_500);

    /** One history in so many is run twice, though it does not fail; the first one is. */
    static final int RUN_TWICE = 100;

    private final Function<? super Clock, ? extends W> world;
    private final List<Kind<A, W>> actions = new ArrayList<>();
    private final Set<Fault> faults = EnumSet.allOf(Fault.class);
    private int steps = DEFAULT_STEPS;
    private Duration rest = DEFAULT_REST;
    private Duration jump = DEFAULT_JUMP;

    /** A kind of action. */
    record Kind<A, W>(String name, int weight, BiFunction<? super W, ? super RandomGenerator, ? extends A> draw) {}

    /** What can go wrong in a history. */
    public enum Fault {
        /**
         * The process crashes: before or after an append, before or after a checkpoint is saved or deleted, before an action
         * or a task, or where the application calls {@link Host#pass}; while it starts, too.
         */
        CRASH,
        /** The application is ended in order, by {@link World#stop}, and started again. */
        RESTART,
        /** An action is performed again under the same id, soon or late. Without it, ids are not used again at rest either. */
        REPEATED,
        /** The clock is put forward or back. */
        CLOCK_JUMPS,
        /** An append throws an {@link InjectedException}, and nothing is written. */
        APPEND_FAILS,
        /** An append throws an {@link dev.cqrs.eventstore.AppendOutcomeUnknownException}, and is written or not. */
        OUTCOME_UNKNOWN,
        /** A read of an event store throws an {@link InjectedException}. */
        READ_FAILS,
        /** A checkpoint is not loaded, not saved, or saved but the caller does not hear of it: an {@link InjectedException}. */
        CHECKPOINT_FAILS,
        /** {@link Host#pass} throws an {@link InjectedException}. */
        HANDLER_FAILS,
        /**
         * Just before an action appends, another action, the same one again or a task comes in between; before a task
         * appends, an action. That happens on the same thread, which can take its locks again: an application that holds a
         * lock while it appends, and wants it for what may come in between, goes without.
         */
        OVERTAKEN,
        /**
         * {@link Host#pass} takes long: time passes, and other tasks run meanwhile, on the same thread; the same holds for
         * locks.
         */
        PAUSED
    }

    /** What an application's stores and handlers throw where a fault strikes. */
    public static final class InjectedException extends RuntimeException {

        private static final long serialVersionUID = 1L;

        InjectedException(String message) {
            super(message);
        }
    }

    /**
     * What the application in one history is given in place of a machine, from one start to the next crash or end; then all of
     * it is dead, and what the application left on its executors does not run.
     *
     * <p>Implemented by the simulation alone.
     */
    public interface Host {

        /**
         * Tells which process it is.
         *
         * @return 1 for the first of a history, and 1 more after each crash and end
         */
        int number();

        /**
         * Gives the clock of the history, which faults put forward and back.
         *
         * @return always the same
         */
        Clock clock();

        /**
         * Gives an executor whose tasks run when a seed says so.
         *
         * @param name what the story calls its tasks
         * @return an executor that starts no thread
         */
        Executor executor(String name);

        /**
         * Has a task run when time has passed: a timer for engines, as {@code host::schedule}.
         *
         * @param delay zero or more
         * @param task what to run
         * @throws IllegalArgumentException if {@code delay} is negative
         */
        void schedule(Duration delay, Runnable task);

        /**
         * Gives an event store as this process has it.
         *
         * @param store lives on when the process crashes
         * @return the same, with faults
         */
        EventStore around(EventStore store);

        /**
         * Gives a checkpoint store as this process has it.
         *
         * @param store lives on when the process crashes
         * @return the same, with faults
         */
        CheckpointStore around(CheckpointStore store);

        /**
         * Passes a point of the application's own, such as before a mail is sent, at which it may crash or fail.
         *
         * @param what says where, for the story
         * @throws SimulatedCrash if the process crashes here, or has crashed
         * @throws InjectedException if that is the fault that strikes
         */
        void pass(String what);
    }

    /**
     * What one history is about: stores that survive a crash, an application on them, and a model of what it should do.
     *
     * <p>Of each action that is performed the model hears how it ended: done, refused or unknown. One that is performed again
     * is told of again. Methods that throw fail the history, unless it says otherwise there.
     *
     * <p><b>Threads:</b> called by one thread, and made anew for each history, with all it uses. Methods must not depend on
     * anything but their arguments and what happened before: no other clock, no random numbers, no threads.
     *
     * @param <A> the actions
     */
    public interface World<A> {

        /**
         * Starts the application, at the beginning and again after each crash and end, out of the stores.
         *
         * <p>If it throws because of a fault, it is called once more, with another host.
         *
         * @param host all that the application uses: no other clock, executor or store
         * @throws Exception anything
         */
        void start(Host host) throws Exception;

        /** Ends the application in order, as before an update. It must not wait for tasks. */
        default void stop() {}

        /**
         * Performs an action on the application.
         *
         * @param action what to do
         * @param id the same if the action is performed again, and used for no other: such as the id of a command
         * @return the application's answer; never {@code null}
         * @throws Exception if the application refuses, or if a fault has struck it
         */
        Object perform(A action, String id) throws Exception;

        /**
         * Hears that an action was done.
         *
         * @param action what was done
         * @param id its id
         * @param result what {@link #perform} has returned
         */
        void done(A action, String id, Object result);

        /**
         * Hears that the application refused an action; the model says whether it should have.
         *
         * @param action what was refused
         * @param id its id
         * @param thrown what {@link #perform} has thrown
         */
        void refused(A action, String id, Exception thrown);

        /**
         * Hears that nobody knows what became of an action: the process crashed, or an {@link InjectedException} is what was
         * thrown, or among its causes. It may have been done, or half of it, or not; before the next {@link #checkAtRest} it
         * is performed again, unless {@link Fault#REPEATED} is left out.
         *
         * @param action what was perhaps done
         * @param id its id
         */
        void unknown(A action, String id);

        /** Checks what holds at any time; called after each step. It should not take long. */
        default void check() {}

        /** Checks all that holds when the application has come to rest. */
        void checkAtRest();
    }

    /**
     * What happened in histories that did not fail, so that a test can tell whether they were any good.
     *
     * @param histories how many there were
     * @param counts how often what happened: each action by its name with {@code ": done"}, {@code ": refused"} and
     *     {@code ": unknown"} behind, each fault by the name of its constant, {@code "steps"}, {@code "tasks"},
     *     {@code "starts"} and {@code "rests"}
     */
    public record Tally(int histories, Map<String, Long> counts) {

        /**
         * Copies the counts.
         *
         * @param histories how many there were
         * @param counts how often what happened
         */
        public Tally {
            counts = Collections.unmodifiableMap(new TreeMap<>(counts));
        }

        /**
         * Tells how often something happened.
         *
         * @param what as in {@link #counts}
         * @return zero or more
         */
        public long count(String what) {
            return counts.getOrDefault(what, 0L);
        }

        /** Gives a line for each count. */
        @Override
        public String toString() {
            var text = new StringBuilder().append(histories).append(" histories");
            counts.forEach((what, count) ->
                    text.append("\n  ").append(what).append(' ').append(count));
            return text.toString();
        }
    }

    private Simulation(Function<? super Clock, ? extends W> world) {
        this.world = world;
    }

    /**
     * Begins a simulation, with all faults.
     *
     * @param <A> the actions
     * @param <W> the world
     * @param world makes the world of a history, with new stores, given the clock that they are to use
     * @return a simulation without actions
     */
    public static <A, W extends World<A>> Simulation<A, W> of(Function<? super Clock, ? extends W> world) {
        return new Simulation<>(Objects.requireNonNull(world, "world"));
    }

    /**
     * Adds a kind of action.
     *
     * @param name what the story and the tally call it
     * @param weight how often it is chosen, in relation to the others; 1 or more
     * @param draw gives an action, out of the random numbers that it is given and nothing else
     * @return this simulation
     * @throws IllegalArgumentException if the weight is less than 1
     * @throws IllegalStateException if there is one of this name
     */
    public Simulation<A, W> action(String name, int weight, Function<? super RandomGenerator, ? extends A> draw) {
        Objects.requireNonNull(draw, "draw");
        return action(name, weight, (world, random) -> draw.apply(random));
    }

    /**
     * Adds a kind of action that depends on what happened before, such as one that cancels an earlier one.
     *
     * @param name what the story and the tally call it
     * @param weight how often it is chosen, in relation to the others; 1 or more
     * @param draw gives an action, out of the model in the world and the random numbers
     * @return this simulation
     * @throws IllegalArgumentException if the weight is less than 1
     * @throws IllegalStateException if there is one of this name
     */
    public Simulation<A, W> action(
            String name, int weight, BiFunction<? super W, ? super RandomGenerator, ? extends A> draw) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(draw, "draw");
        if (weight < 1) {
            throw new IllegalArgumentException("Action \"" + name + "\" has the weight " + weight
                    + "; expected 1 or more. Leave it out if it is not to happen.");
        }
        if (actions.stream().anyMatch(other -> other.name().equals(name))) {
            throw new IllegalStateException("There are two actions \"" + name + "\"; expected one of each name.");
        }
        actions.add(new Kind<>(name, weight, draw));
        return this;
    }

    /**
     * Leaves faults out, which the application does not claim to withstand.
     *
     * @param first a fault
     * @param further more
     * @return this simulation
     */
    public Simulation<A, W> without(Fault first, Fault... further) {
        faults.removeAll(EnumSet.of(first, further));
        return this;
    }

    /**
     * Sets how many steps a history has.
     *
     * @param steps 1 to 100,000; {@value #DEFAULT_STEPS} unless it is said
     * @return this simulation
     * @throws IllegalArgumentException if the number is out of bounds
     */
    public Simulation<A, W> steps(int steps) {
        if (steps < 1 || steps > 100_000) {
            throw new IllegalArgumentException("A history has " + steps + " steps; expected 1 to 100000.");
        }
        this.steps = steps;
        return this;
    }

    /**
     * Sets how much virtual time an application gets to come to rest: longer than it waits before it tries again what has
     * failed. Half of it is the longest time that a step lets pass, but for one that runs tasks: where none is due, time
     * passes to the next that is delayed, be it in thirty days.
     *
     * @param duration more than zero, and 36,500 days at most; {@link #DEFAULT_REST} unless it is said
     * @return this simulation
     * @throws IllegalArgumentException if the duration is out of bounds
     */
    public Simulation<A, W> rest(Duration duration) {
        this.rest = bounded(duration, "An application is given %s to come to rest");
        return this;
    }

    /**
     * Sets how far a clock jumps at most.
     *
     * @param most more than zero, and 36,500 days at most; {@link #DEFAULT_JUMP} unless it is said
     * @return this simulation
     * @throws IllegalArgumentException if the duration is out of bounds
     */
    public Simulation<A, W> clockJumps(Duration most) {
        this.jump = bounded(most, "A clock jumps by %s at most");
        return this;
    }

    private static Duration bounded(Duration duration, String what) {
        if (duration.isNegative() || duration.isZero()) {
            throw new IllegalArgumentException(String.format(what, duration) + "; expected more than zero.");
        }
        if (duration.compareTo(LONGEST) > 0) {
            throw new IllegalArgumentException(
                    String.format(what, duration) + "; expected 36500 days at most, so that the clock can show it.");
        }
        return duration;
    }

    /**
     * Runs one history after the other, until one fails.
     *
     * @param histories how many, 1 or more; one if the system property {@code dev.cqrs.testing.seed} says which
     * @param firstSeed the seed of the first; each further one is 1 more
     * @return what happened in them
     * @throws AssertionError if a history fails
     * @throws IllegalArgumentException if the number is less than 1, or the system property cannot be read
     * @throws IllegalStateException if there is no action
     */
    public Tally explore(int histories, long firstSeed) {
        if (histories < 1) {
            throw new IllegalArgumentException(histories + " histories were to be run; expected 1 or more.");
        }
        if (actions.isEmpty()) {
            throw new IllegalStateException("The simulation has no actions; expected one or more. Call action(...).");
        }
        var counts = new TreeMap<String, Long>();
        var given = System.getProperty(Exploration.SEED);
        if (given != null) {
            var excerpt = Excerpt.parsed(given, steps);
            run(excerpt, true, counts);
            return new Tally(1, counts);
        }
        for (int i = 0; i < histories; i++) {
            run(Excerpt.all(firstSeed + i), i % RUN_TWICE == 0, counts);
        }
        return new Tally(histories, counts);
    }

    private void run(Excerpt excerpt, boolean twice, Map<String, Long> counts) {
        var history = new History<>(this, excerpt, twice);
        history.run();
        if (twice || history.failure() != null) {
            var failure = new Shrinking<>(this, excerpt).failure(history);
            if (failure != null) {
                throw failure;
            }
        }
        history.counts().forEach((what, count) -> counts.merge(what, count, Long::sum));
    }

    // ---- for History

    W world(Clock clock) {
        return Objects.requireNonNull(world.apply(clock), "the function that makes worlds returned null");
    }

    List<Kind<A, W>> actions() {
        return actions;
    }

    Set<Fault> faults() {
        return new LinkedHashSet<>(faults);
    }

    int steps() {
        return steps;
    }

    Duration rest() {
        return rest;
    }

    Duration jump() {
        return jump;
    }
}
