package dev.cqrs.queue;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The commands that wait: those that have not been sorted by key yet, the last one of each key, and a list of those that may be
 * run now, each the first of its key.
 *
 * <p>Guarded by the queue's lock, but for what says otherwise.
 */
final class Backlog {

    /** How many keys are remembered, if that many are not in use, before those that are not are let go. */
    static final int KEYS = 1_024;

    private final Arrivals arrivals;
    private Map<Object, Task<?>> lasts = new HashMap<>();
    private int keysAllowed = KEYS;

    /** How many commands were sorted since keys were let go. */
    private int sorted;

    /** What was taken from the arrivals and is not sorted yet: something only if sorting was broken off by an error. */
    private @Nullable Task<?> unsorted;

    private volatile @Nullable Task<?> firstReady;
    private @Nullable Task<?> lastReady;

    Backlog(Arrivals arrivals) {
        this.arrivals = arrivals;
    }

    /** Whether there may be something to run; without the lock. */
    boolean hasSome() {
        return firstReady != null || unsorted != null || !arrivals.isEmpty();
    }

    /** Whether something may be run, of what was sorted. */
    boolean hasReady() {
        return firstReady != null;
    }

    /** Puts what has arrived behind the last one of its key; if that was left, it may be run. Gives whether any may. */
    boolean sort() {
        boolean any = false;
        for (var task = nextUnsorted(); task != null; task = nextUnsorted()) {
            boolean first = isFirst(task); // throws only before it has done anything
            unsorted = task.following;
            task.following = null;
            sorted++;
            if (first) {
                append(task);
                any = true;
            }
        }
        if (lasts.size() > keysAllowed || (keysAllowed > KEYS && sorted > keysAllowed)) {
            sweep();
        }
        return any;
    }

    /** Lets the keys go that are not in use. */
    private void sweep() {
        lasts.values().removeIf(Task::isLeft);
        int allowed = Math.max(KEYS, 2 * lasts.size());
        if (allowed < keysAllowed / 2) {
            lasts = new HashMap<>(lasts); // the table was made for more
        }
        keysAllowed = allowed;
        sorted = 0;
    }

    private @Nullable Task<?> nextUnsorted() {
        if (unsorted == null) {
            unsorted = arrivals.takeAll();
        }
        return unsorted;
    }

    private boolean isFirst(Task<?> task) {
        var key = task.key;
        if (key == null) {
            return true;
        }
        task.key = null;
        try {
            var before = lasts.put(key, task);
            return before == null || !before.link(task);
        } catch (Throwable broken) { // a key that cannot be compared, or no memory
            task.key = broken;
            return true;
        }
    }

    /** Adds what may be run. */
    void append(Task<?> task) {
        if (lastReady == null) {
            firstReady = task;
        } else {
            lastReady.following = task;
        }
        lastReady = task;
    }

    /** Takes what may be run first. */
    @Nullable
    Task<?> poll() {
        var first = firstReady;
        if (first != null) {
            firstReady = first.following;
            first.following = null;
            if (firstReady == null) {
                lastReady = null;
            }
        }
        return first;
    }

    /** Lets all keys go, when all commands were run. */
    void clear() {
        if (keysAllowed > KEYS) {
            lasts = new HashMap<>();
            keysAllowed = KEYS;
        } else {
            lasts.clear();
        }
    }

    /** How many keys are remembered. */
    int keys() {
        return lasts.size();
    }
}
