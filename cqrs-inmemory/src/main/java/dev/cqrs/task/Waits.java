package dev.cqrs.task;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** Waiting for something, for a time. */
public final class Waits {

    /** How many looks may follow each other at once, and how long is waited between two after that. */
    private static final int AT_ONCE = 16;

    private static final long REST = TimeUnit.MILLISECONDS.toNanos(1);
    /** How often that doubles, after as many looks again each time. */
    private static final int DOUBLED = 6;

    private Waits() {}

    /**
     * Gives how long a wait is.
     *
     * @param timeout of any length
     * @return nanoseconds; as good as for ever where they are too many
     */
    public static long nanos(Duration timeout) {
        try {
            return timeout.toNanos();
        } catch (ArithmeticException longerThanEver) {
            return timeout.isNegative() ? 0 : TimeUnit.DAYS.toNanos(100_000);
        }
    }

    /**
     * Looks until it is enough: now, whenever a log tells of an append, and once more when the time is over. On a log that is
     * never quiet it waits between two looks after a while, a millisecond and later up to 64: only what is waited counts, and
     * the time would never be over otherwise, or long after it, as a look may take time too.
     *
     * @param <T> what is looked at
     * @param log whose appends wake who waits
     * @param timeout how long to wait at most; zero to look once
     * @param look called on this thread with no lock held; what it throws reaches the caller
     * @param enough whether not to wait any longer
     * @return what was seen last, which is not enough if the time is over
     * @throws InterruptedException if the thread was interrupted while it waited
     */
    public static <T> T forAppends(EventStore log, Duration timeout, Supplier<T> look, Predicate<T> enough)
            throws InterruptedException {
        return forAppends(log, timeout, told -> true, look, enough);
    }

    /**
     * Looks as {@link #forAppends(EventStore, Duration, Supplier, Predicate)} does, but behind appends only if that may help.
     *
     * @param <T> what is looked at
     * @param log whose appends wake who waits
     * @param timeout how long to wait at most; zero to look once
     * @param helps asked whether to look, with the end of the last append that was told; not the first time and when the time
     *     is over; called like {@code look}
     * @param look called on this thread with no lock held; what it throws reaches the caller
     * @param enough whether not to wait any longer
     * @return what was seen last, which is not enough if the time is over
     * @throws InterruptedException if the thread was interrupted while it waited
     */
    public static <T> T forAppends(
            EventStore log, Duration timeout, Predicate<Position> helps, Supplier<T> look, Predicate<T> enough)
            throws InterruptedException {
        long left = nanos(timeout);
        var gate = new ReentrantLock();
        var appended = gate.newCondition();
        var never = gate.newCondition();
        var appends = new long[1];
        var newest = new Position[] {Position.START};
        try (var following = log.onAppend(last -> {
            gate.lock();
            try {
                appends[0]++;
                newest[0] = last.isAfter(newest[0]) ? last : newest[0];
                appended.signalAll();
            } finally {
                gate.unlock();
            }
        })) {
            Objects.requireNonNull(following); // only closed
            T seen = null;
            for (int looks = 1; ; looks++) {
                long before;
                Position told;
                gate.lock();
                try {
                    before = appends[0];
                    told = newest[0];
                } finally {
                    gate.unlock();
                }
                if (seen == null || left <= 0 || helps.test(told)) {
                    seen = look.get();
                }
                if (left <= 0 || enough.test(seen)) {
                    return seen;
                }
                gate.lockInterruptibly();
                try {
                    long begun = left;
                    while (appends[0] == before && left > 0) { // then it is looked at once more
                        left = appended.awaitNanos(left);
                    }
                    long pause = looks <= AT_ONCE ? 0 : REST << Math.min(looks / AT_ONCE - 1, DOUBLED);
                    long rest = Math.min(left, pause - (begun - left));
                    if (rest > 0) {
                        left -= rest - never.awaitNanos(rest);
                    }
                } finally {
                    gate.unlock();
                }
            }
        }
    }
}
