package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.projection.Projection;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Trampoline;
import dev.cqrs.task.Waits;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A new version of a projection while it is built beside the one that is read, until it takes its place.
 *
 * <p>It is folded from the beginning of the log, a batch at a time, without effects. When it has come as far as the other
 * version, which goes on meanwhile, it takes its place: who reads sees one or the other. Until then nothing of it is saved;
 * an engine that ends before leaves the other version as it is.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class Rebuild {

    private final @Nullable Clock clock;
    private final int from;
    private final int to;
    private final Work work;
    private final Executor executor;
    private final Consumer<? super Progress> listener;
    private final long begun;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition ended = lock.newCondition();

    /** Decided once: that it is swapped, under the locks of both versions, or that it is not. */
    private final AtomicReference<State> decided = new AtomicReference<>(State.RUNNING);

    /** What the listener is to be told; little, as a task is not followed by another before it has told. */
    private final Deque<Progress> untold = new ArrayDeque<>();

    private boolean telling;

    private final Trampoline tasks = new Trampoline();
    private volatile Progress progress;

    /** What a rebuild does, for the type of the view. */
    interface Work {

        /** Folds a batch; if that was the last, swaps unless {@code maySwap} says otherwise. Says whether it can go on. */
        boolean step(BooleanSupplier maySwap);

        Position done();

        Position total();

        /** Ends the work: because somebody wants so, or for a cause. */
        void abandon(@Nullable Throwable cause);
    }

    /** Where a rebuild stands. */
    public enum State {
        /** It is being built. */
        RUNNING,
        /** It has taken the place of the version before. */
        SWAPPED,
        /** It was given up by {@link Rebuild#cancel()}, or its engine was closed. */
        CANCELLED,
        /** It failed, and was given up; the listener of the engine was told why. */
        FAILED
    }

    /**
     * How far a rebuild has come.
     *
     * @param state where it stands
     * @param done the last position of the log that the new version takes into account
     * @param total the position that it has to reach, that of the version before; grows with the log
     * @param rate how many positions a second it has come on since it began; empty without a clock, and in the first moment
     * @param remaining how long it will take at that rate; empty if there is none
     */
    public record Progress(
            State state, Position done, Position total, OptionalDouble rate, Optional<Duration> remaining) {

        /**
         * Checks for nulls.
         *
         * @param state where it stands
         * @param done the last position of the log that the new version takes into account
         * @param total the position that it has to reach, that of the version before; grows with the log
         * @param rate how many positions a second it has come on since it began; empty without a clock, and in the first
         *     moment
         * @param remaining how long it will take at that rate; empty if there is none
         * @throws NullPointerException if a part is {@code null}
         */
        public Progress {
            Objects.requireNonNull(state, "state");
            Objects.requireNonNull(done, "done");
            Objects.requireNonNull(total, "total");
            Objects.requireNonNull(rate, "rate");
            Objects.requireNonNull(remaining, "remaining");
        }
    }

    Rebuild(
            Projection<?> from,
            Projection<?> to,
            Work work,
            Executor executor,
            Consumer<? super Progress> listener,
            @Nullable Clock clock) {
        this.from = from.version();
        this.to = to.version();
        this.work = work;
        this.executor = executor;
        this.listener = listener;
        this.clock = clock;
        this.begun = clock == null ? 0 : clock.millis();
        this.progress = progress(State.RUNNING);
    }

    void start() {
        schedule();
    }

    /** A task for each batch, so that others of the executor have their turn. */
    private void schedule() {
        try {
            executor.execute(this::run);
        } catch (Throwable refused) {
            if (decided.compareAndSet(State.RUNNING, State.FAILED)) {
                work.abandon(refused);
                note(State.FAILED);
            }
            if (refused instanceof InterruptedException) { // a language without checked exceptions may throw it
                Thread.currentThread().interrupt();
            }
        }
    }

    private void run() {
        tasks.run(this::runOnce);
    }

    private void runOnce() {
        if (progress.state() != State.RUNNING) {
            return;
        }
        if (!work.step(() -> decided.compareAndSet(State.RUNNING, State.SWAPPED))) {
            decided.compareAndSet(State.RUNNING, State.FAILED);
        }
        var state = Objects.requireNonNull(decided.get());
        if (state == State.FAILED) {
            work.abandon(null);
        }
        if (note(state) && state == State.RUNNING) {
            schedule();
        }
    }

    /** Says whether it was still running, which no later note changes. */
    private boolean note(State state) {
        lock.lock();
        try {
            if (progress.state() != State.RUNNING) {
                return false;
            }
            progress = progress(state);
            untold.add(progress);
            if (state != State.RUNNING) {
                ended.signalAll();
            }
        } finally {
            lock.unlock();
        }
        tell();
        return true;
    }

    /** Tells in order, and without a lock: who notes something while another tells leaves it to that one. */
    private void tell() {
        while (true) {
            Progress now;
            lock.lock();
            try {
                now = telling ? null : untold.poll();
                if (now == null) {
                    return;
                }
                telling = true;
            } finally {
                lock.unlock();
            }
            Listeners.tell(listener, now);
            lock.lock();
            try {
                telling = false;
            } finally {
                lock.unlock();
            }
        }
    }

    private Progress progress(State state) {
        var done = work.done();
        var total = state == State.SWAPPED || done.isAfter(work.total()) ? done : work.total();
        long millis = clock == null ? 0 : millis(clock) - begun;
        if (millis <= 0 || done.value() == 0) {
            return new Progress(state, done, total, OptionalDouble.empty(), Optional.empty());
        }
        double rate = done.value() * 1_000.0 / millis;
        var remaining = Duration.ofMillis((long) ((total.value() - done.value()) * 1_000.0 / rate));
        return new Progress(state, done, total, OptionalDouble.of(rate), Optional.of(remaining));
    }

    /** A clock that throws is not to keep it from ending: then no rate is told. */
    private long millis(Clock clock) {
        try {
            return clock.millis();
        } catch (RuntimeException unknown) {
            return begun;
        }
    }

    /**
     * Tells how far it has come.
     *
     * @return a value; later changes do not reach it
     */
    public Progress progress() {
        return progress;
    }

    /**
     * Gives it up, unless it has ended; the version that is read stays, and goes on.
     *
     * @return whether it had not ended
     */
    public boolean cancel() {
        if (!decided.compareAndSet(State.RUNNING, State.CANCELLED)) {
            return false;
        }
        work.abandon(null);
        note(State.CANCELLED);
        return true;
    }

    /**
     * Waits until it has ended, one way or another: {@link #progress} tells whether the new version is read now.
     *
     * @param timeout how long to wait at most; zero to ask only
     * @return whether it has ended
     * @throws InterruptedException if the thread was interrupted while it waited
     */
    public boolean await(Duration timeout) throws InterruptedException {
        long left = Waits.nanos(timeout);
        lock.lockInterruptibly();
        try {
            while (progress.state() == State.RUNNING) {
                if (left <= 0) {
                    return false;
                }
                left = ended.awaitNanos(left);
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String toString() {
        return "Rebuild[version " + from + " to " + to + ", " + progress + "]";
    }
}
