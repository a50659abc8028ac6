package dev.cqrs.jdbc;

import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A task on the caller's executor that works in steps until it is closed, and rests in between until it is woken or a time
 * has passed.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Loop {

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Body body;

    // guarded by lock
    private Phase phase = Phase.NEW;
    private boolean woken;
    private @Nullable Thread runner;

    private volatile boolean closing;

    private enum Phase {
        NEW,
        RUNNING,
        ENDED
    }

    /**
     * How to rest.
     *
     * @param atMost until then
     * @param untilWoken whether {@link #wake()} ends it; otherwise it only counts for the next step
     */
    record Rest(Duration atMost, boolean untilWoken) {}

    /** What the loop does; called by one thread. */
    interface Body {

        /**
         * Works, and says how to rest.
         *
         * @param woken whether somebody has called {@link Loop#wake()} since the last step, or this is the first
         */
        Rest step(boolean woken) throws InterruptedException;

        /** Told that the executor wants its thread back. */
        void interrupted(InterruptedException why);

        /** Cleans up; called once, after the last step. */
        void end();
    }

    Loop(Body body) {
        this.body = body;
    }

    /** Throws what the executor throws if it refuses. */
    void start(Executor executor) {
        executor.execute(this::run);
    }

    void wake() {
        lock.lock();
        try {
            woken = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    boolean isClosing() {
        return closing;
    }

    /** Makes the current step the last one. */
    void stop() {
        closing = true;
        wake();
    }

    /** Waits until the current step has ended and the body has cleaned up, unless the calling thread is interrupted. */
    void close(String what) {
        lock.lock();
        try {
            if (runner == Thread.currentThread()) {
                throw new IllegalStateException(
                        what + " was closed by its own work, which would wait for itself. Close it from outside.");
            }
            closing = true;
            changed.signalAll();
            if (phase == Phase.NEW) {
                phase = Phase.ENDED; // the executor may never come to it
                return;
            }
            while (phase == Phase.RUNNING) {
                changed.await();
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    private void run() {
        if (!begin()) {
            return;
        }
        try {
            boolean wasWoken = true;
            while (!closing) {
                var rest = body.step(wasWoken);
                if (!closing) {
                    wasWoken = rest(rest);
                }
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            closing = true;
            body.interrupted(interrupted);
        } finally {
            boolean interrupted = Thread.interrupted(); // what cleans up may need a pool, which would refuse
            try {
                body.end();
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                ended();
            }
        }
    }

    private boolean begin() {
        lock.lock();
        try {
            if (phase != Phase.NEW) {
                return false;
            }
            phase = Phase.RUNNING;
            runner = Thread.currentThread();
            return true;
        } finally {
            lock.unlock();
        }
    }

    private boolean rest(Rest rest) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long left = rest.atMost().toNanos();
            while (!(woken && rest.untilWoken()) && !closing && left > 0) {
                left = changed.awaitNanos(left);
            }
            boolean wasWoken = woken;
            woken = false;
            return wasWoken;
        } finally {
            lock.unlock();
        }
    }

    private void ended() {
        lock.lock();
        try {
            phase = Phase.ENDED;
            runner = null;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
