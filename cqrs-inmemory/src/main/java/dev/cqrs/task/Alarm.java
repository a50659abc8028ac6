package dev.cqrs.task;

import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Wakes an engine by a timer: at the soonest instant it waits for, and a little after a failure.
 *
 * <p>Clocks jump, so no wait is longer than a minute, and one that should have ended and has not is begun anew.
 *
 * <p>If the timer throws, and again when it is to wait a little, nobody is left to ask it a third time but who sets the alarm
 * next; that is told.
 *
 * <p><b>Threads:</b> thread-safe. The timer and what it wakes are called with no lock held.
 */
public final class Alarm {

    /** The longest time between two looks while something waits for its time: a clock that jumped is noticed then. */
    public static final Duration LOOK_AFTER = Duration.ofMinutes(1);

    /** How long after a failure of a store or the executor it is tried again. */
    public static final Duration PAUSE = Duration.ofSeconds(1);

    private final BiConsumer<Duration, Runnable> timer;
    private final Runnable wake;
    private final BiConsumer<Boolean, Throwable> refused;

    private final ReentrantLock lock = new ReentrantLock();
    private volatile @Nullable Instant armed;
    private boolean pausing;
    private volatile boolean closed;

    /**
     * Makes one that is not set.
     *
     * @param timer runs a task after a time
     * @param wake what is done when the time has come
     * @param refused told what the timer throws, and whether it is asked again a little later
     */
    public Alarm(BiConsumer<Duration, Runnable> timer, Runnable wake, BiConsumer<Boolean, Throwable> refused) {
        this.timer = Objects.requireNonNull(timer, "timer");
        this.wake = Objects.requireNonNull(wake, "wake");
        this.refused = Objects.requireNonNull(refused, "refused");
    }

    /**
     * Has it wake at an instant, unless it does so sooner; if the timer throws, a little later, to be set anew, and if it throws
     * then too, not at all.
     *
     * @param now what the clock shows
     * @param soonest when to wake; a past one is now
     */
    public void set(Instant now, Instant soonest) {
        var latest = now.plus(LOOK_AFTER);
        var at = soonest.isBefore(now) ? now : soonest.isAfter(latest) ? latest : soonest;
        if (isNeedless(now, at)) {
            return; // without the lock: so it is for nearly all calls of an engine that has much to do
        }
        lock.lock();
        try {
            if (isNeedless(now, at)) {
                return;
            }
            armed = at;
        } finally {
            lock.unlock();
        }
        if (!schedule(Duration.between(now, at), () -> disarm(at), true)) {
            pause();
        }
    }

    private boolean isNeedless(Instant now, Instant at) {
        var before = armed;
        // one that should have come, and has not, is late, or the clock was put forward
        return closed || (before != null && before.isAfter(now) && !at.isBefore(before));
    }

    /** Has it wake a little later, after a failure; not if the timer throws. */
    public void pause() {
        lock.lock();
        try {
            if (closed || pausing) {
                return;
            }
            pausing = true;
        } finally {
            lock.unlock();
        }
        schedule(PAUSE, this::resume, false);
    }

    /**
     * Says whether a pause is not over.
     *
     * @return whether it wakes after a failure
     */
    public boolean isPausing() {
        lock.lock();
        try {
            return pausing;
        } finally {
            lock.unlock();
        }
    }

    /** Sets nothing any more; what is set still wakes. */
    public void close() {
        lock.lock();
        try {
            closed = true;
        } finally {
            lock.unlock();
        }
    }

    private boolean schedule(Duration delay, Runnable before, boolean again) {
        try {
            timer.accept(delay, () -> {
                before.run();
                wake.run();
            });
            return true;
        } catch (Throwable thrown) {
            before.run();
            refused.accept(again, thrown);
            if (thrown instanceof InterruptedException) { // a language without checked exceptions may throw it
                Thread.currentThread().interrupt();
            }
            return false;
        }
    }

    private void disarm(Instant at) {
        lock.lock();
        try {
            if (at.equals(armed)) {
                armed = null;
            }
        } finally {
            lock.unlock();
        }
    }

    private void resume() {
        lock.lock();
        try {
            pausing = false;
        } finally {
            lock.unlock();
        }
    }
}
