package dev.cqrs.runtime;

import dev.cqrs.task.Delays;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;

/**
 * How an engine runs a projection: where, in what portions, and what it does when an event fails.
 *
 * <p>An event fails if its fold, its effect or its key throws. Without further calls the projection stops then. With
 * {@link #retry} the event is tried again after each of the delays first; with {@link #park} it is put aside in the end,
 * with those of its key that follow it, and the projection goes on. One whose key throws stops it in the end: nobody knows
 * what to put aside with it.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class Delivery {

    /** After how many events a view that catches up shows what it has, unless {@link #batch} says otherwise: 1,000. */
    public static final int DEFAULT_BATCH = 1_000;

    /** How many events may be put aside at once, unless {@link #park(int)} says otherwise: 1,000. */
    public static final int DEFAULT_MOST_PARKED = 1_000;

    private final Optional<Executor> executor;
    private final int workers;
    private final int batch;
    private final int checkpointEvery;
    private final int mostParked;
    private final Optional<Timer> timer;
    private final List<Duration> delays;

    /** Runs a task later; {@code ScheduledExecutorService::schedule} with its arguments turned does. */
    @FunctionalInterface
    public interface Timer {

        /**
         * Takes a task, to be run once.
         *
         * @param delay after which time, zero or more
         * @param task what to run; short, unless the projection is inline
         */
        void schedule(Duration delay, Runnable task);
    }

    private Delivery(
            Optional<Executor> executor,
            int workers,
            int batch,
            int checkpointEvery,
            int mostParked,
            Optional<Timer> timer,
            List<Duration> delays) {
        this.executor = executor;
        this.workers = workers;
        this.batch = batch;
        this.checkpointEvery = checkpointEvery;
        this.mostParked = mostParked;
        this.timer = timer;
        this.delays = delays;
    }

    /**
     * On appending threads: who has appended sees it in the view.
     *
     * @return a delivery that stops when an event fails
     */
    public static Delivery inline() {
        return new Delivery(Optional.empty(), 1, DEFAULT_BATCH, 1, 0, Optional.empty(), List.of());
    }

    /**
     * On an executor, one task at a time for a projection.
     *
     * @param executor runs the folding; stays open when the engine closes
     * @return a delivery that stops when an event fails
     */
    public static Delivery background(Executor executor) {
        return new Delivery(
                Optional.of(Objects.requireNonNull(executor, "executor")),
                1,
                DEFAULT_BATCH,
                1,
                0,
                Optional.empty(),
                List.of());
    }

    /**
     * Has several threads of the executor fold a view with a state for each key; events of one key stay in order.
     *
     * @param workers the greatest number of threads at once, 1 to 32; whoever is free takes part
     * @return a copy with this number
     * @throws IllegalArgumentException if {@code workers} is out of bounds
     */
    public Delivery workers(int workers) {
        if (workers < 1 || workers > 32) {
            throw new IllegalArgumentException("The number of workers is " + workers + "; expected 1 to 32.");
        }
        return new Delivery(executor, workers, batch, checkpointEvery, mostParked, timer, delays);
    }

    /**
     * Sets after how many events a view that catches up shows what it has, and saves it where checkpoints are kept and
     * {@link #checkpointEvery} does not say otherwise: at the next boundary between two appends that differ in time.
     *
     * @param events 1 or more
     * @return a copy with this number
     * @throws IllegalArgumentException if {@code events} is less than 1
     */
    public Delivery batch(int events) {
        if (events < 1) {
            throw new IllegalArgumentException("A batch is of " + events + " events; expected 1 or more.");
        }
        return new Delivery(executor, workers, events, checkpointEvery, mostParked, timer, delays);
    }

    /**
     * Sets behind how many events of the log a background projection is saved again, in place of after each batch: a checkpoint
     * holds the whole state, so that one of a large state costs more than what a batch has changed. What was folded since is
     * folded again after a crash; closing the engine saves. Not for projections with effects, which would be performed again.
     *
     * @param events 1 or more, whether the projection asks for them or not; 1 for after each batch, as it is otherwise
     * @return a copy with this number
     * @throws IllegalArgumentException if {@code events} is less than 1
     */
    public Delivery checkpointEvery(int events) {
        if (events < 1) {
            throw new IllegalArgumentException("A checkpoint every " + events + " events; expected 1 or more.");
        }
        return new Delivery(executor, workers, batch, events, mostParked, timer, delays);
    }

    /**
     * Has an event that fails tried again after each delay in turn. What a store throws is tried again as well, and as often
     * as it takes, after the last delay each time; so is an executor that refuses.
     *
     * @param timer waits; its tasks hand over to the executor, or fold where the projection is inline
     * @param first the first delay, zero or more
     * @param further the delays after that
     * @return a copy with these delays
     * @throws IllegalArgumentException if a delay is negative
     */
    public Delivery retry(Timer timer, Duration first, Duration... further) {
        Objects.requireNonNull(timer, "timer");
        return new Delivery(
                executor, workers, batch, checkpointEvery, mostParked, Optional.of(timer), Delays.of(first, further));
    }

    /**
     * Has an event that fails put aside, and those of its key that follow it, at most {@value #DEFAULT_MOST_PARKED}.
     *
     * @return a copy that does so
     */
    public Delivery park() {
        return park(DEFAULT_MOST_PARKED);
    }

    /**
     * Has an event that fails put aside, and those of its key that follow it; the projection needs keys for it, and a fold
     * of values. Each takes time in proportion to those that are put aside already, as all of them are saved with each checkpoint.
     *
     * @param most how many events at once; one more stops the projection
     * @return a copy that does so
     * @throws IllegalArgumentException if {@code most} is less than 1
     */
    public Delivery park(int most) {
        if (most < 1) {
            throw new IllegalArgumentException("At most " + most + " events are to be put aside; expected 1 or more.");
        }
        return new Delivery(executor, workers, batch, checkpointEvery, most, timer, delays);
    }

    /**
     * Says whether appending threads fold.
     *
     * @return whether it was made by {@link #inline}
     */
    public boolean isInline() {
        return executor.isEmpty();
    }

    // ---- for the engine

    Optional<Executor> executor() {
        return executor;
    }

    int workers() {
        return workers;
    }

    int batch() {
        return batch;
    }

    int checkpointEvery() {
        return checkpointEvery;
    }

    int mostParked() {
        return mostParked;
    }

    Optional<Timer> timer() {
        return timer;
    }

    List<Duration> delays() {
        return delays;
    }

    /** Whether an event that fails may be tried again, as itself or put aside. */
    boolean triesAgain() {
        return mostParked > 0 || timer.isPresent();
    }

    @Override
    public String toString() {
        return "Delivery[" + (executor.isPresent() ? "background" : "inline") + ", workers=" + workers + ", batch="
                + batch + ", checkpoint every " + checkpointEvery + ", retry after " + delays + ", "
                + (mostParked > 0 ? "park at most " + mostParked : "stop")
                + "]";
    }
}
