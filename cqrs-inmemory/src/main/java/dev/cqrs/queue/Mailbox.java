package dev.cqrs.queue;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * The commands of one key that wait or run. The reference is to the last of them.
 *
 * <p>A mailbox begins with a command, and is left for ever by who has run its last one. In between it is in the list of those
 * that are ready, or one worker has it.
 */
final class Mailbox extends AtomicReference<@Nullable Task<?>> {

    private static final long serialVersionUID = 1L;

    /** Empty where a command has no key. */
    final transient @Nullable Object key;

    /** The command that is to be run next; it belongs to whoever has the mailbox. */
    transient Task<?> first;

    /** The next one in the list of those that are ready, under its lock. */
    transient @Nullable Mailbox nextReady;

    Mailbox(@Nullable Object key, Task<?> first) {
        super(first);
        this.key = key;
        this.first = first;
    }

    /** Adds a command as the last one, unless the mailbox was left. */
    boolean add(Task<?> task) {
        for (; ; ) {
            var before = get();
            if (before == null) {
                return false;
            }
            if (compareAndSet(before, task)) {
                before.link(task);
                return true;
            }
        }
    }

    /** Leaves it for ever, if this still is the last command. */
    boolean leave(Task<?> last) {
        return compareAndSet(last, null);
    }
}
