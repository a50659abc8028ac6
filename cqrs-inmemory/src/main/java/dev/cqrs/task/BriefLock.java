package dev.cqrs.task;

import java.util.concurrent.locks.ReentrantLock;

/**
 * A lock for what takes less time than to put a thread to sleep and wake it: who finds it taken looks for it a few times more,
 * some microseconds in all, before it sleeps.
 *
 * <p><b>Threads:</b> thread-safe, and as unfair as its parent.
 */
public final class BriefLock extends ReentrantLock {

    private static final long serialVersionUID = 1L;

    private static final int TRIES = 4;
    private static final int BETWEEN_TRIES = 64;

    @Override
    public void lock() {
        for (int i = 0; i < TRIES; i++) {
            if (tryLock()) {
                return;
            }
            for (int j = 0; j < BETWEEN_TRIES; j++) {
                Thread.onSpinWait();
            }
        }
        super.lock();
    }
}
