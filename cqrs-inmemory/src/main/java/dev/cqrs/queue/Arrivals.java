package dev.cqrs.queue;

import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The commands that were enqueued and that nobody has sorted by key yet: a list, the last one first, which is taken as a whole.
 *
 * <p>Whoever enqueues writes to this one place, and while all workers are busy to nothing that they write to.
 */
final class Arrivals {

    /** Where in an array that is long enough for the place to have its cache line to itself. */
    private static final int LAST = 16;

    private final AtomicReferenceArray<@Nullable Task<?>> places = new AtomicReferenceArray<>(2 * LAST + 1);

    void add(Task<?> task) {
        for (; ; ) {
            var before = places.get(LAST);
            task.following = before;
            if (places.compareAndSet(LAST, before, task)) {
                return;
            }
        }
    }

    boolean isEmpty() {
        return places.get(LAST) == null;
    }

    /** Takes all; gives the one that came first, those that came after it linked behind. */
    @Nullable
    Task<?> takeAll() {
        Task<?> first = null;
        var task = isEmpty() ? null : places.getAndSet(LAST, null);
        while (task != null) {
            var before = task.following;
            task.following = first;
            first = task;
            task = before;
        }
        return first;
    }
}
