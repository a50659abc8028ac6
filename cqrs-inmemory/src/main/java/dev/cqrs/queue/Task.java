package dev.cqrs.queue;

import dev.cqrs.command.Command;
import dev.cqrs.message.Metadata;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A command that was accepted, its place among the others, and the stage of its result at once: one object a command.
 *
 * <p>Whoever keeps the stage is not to keep what hung on it, so a task lets go of everything once it is done.
 */
class Task<R> extends CompletableFuture<R> {

    private static final VarHandle NEXT;

    static {
        try {
            NEXT = MethodHandles.lookup().findVarHandle(Task.class, "next", Task.class);
        } catch (ReflectiveOperationException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    /** Stands where the next one would, once the task was run and there was none. */
    private static final Task<?> NONE = new Task<>();

    /** Read and written by whoever runs the task. */
    @Nullable
    Command<R> command;

    @Nullable
    Metadata metadata;

    /** The key, if it has one, until the task is sorted by it; then what was thrown at that, mostly nothing. */
    @Nullable
    Object key;

    /** The next one of the list in which it waits: of those that arrived, or of those that may run. */
    @Nullable
    Task<?> following;

    /** The next one of the same key. */
    private volatile @Nullable Task<?> next;

    Task(Command<R> command, Metadata metadata, @Nullable Object key) {
        this.command = command;
        this.metadata = metadata;
        this.key = key;
    }

    private Task() {}

    /** Gives what puts it into the context in which it was enqueued, if there is any. */
    @Nullable
    UnaryOperator<Runnable> wrap() {
        return null;
    }

    /** By who sorts: puts {@code later} behind it; gives whether whoever runs this one will run that one then. */
    boolean link(Task<?> later) {
        return NEXT.compareAndSet(this, null, later);
    }

    /** By who has run it: gives the next one of the same key; if there is none, it will never have one. */
    @Nullable
    Task<?> leave() {
        if (next == null && NEXT.compareAndSet(this, null, NONE)) {
            return null;
        }
        var later = next;
        NEXT.set(this, (Task<?>) null); // nobody else looks at it any more
        return later;
    }

    /** Whether it was left. */
    boolean isLeft() {
        return next == NONE;
    }

    /** Before anybody sees the outcome. */
    void forget() {
        command = null;
        metadata = null;
        key = null;
    }

    /** One that carries a context. */
    static final class Carrying<R> extends Task<R> {

        private @Nullable UnaryOperator<Runnable> wrap;

        Carrying(Command<R> command, Metadata metadata, @Nullable Object key, UnaryOperator<Runnable> wrap) {
            super(command, metadata, key);
            this.wrap = wrap;
        }

        @Override
        @Nullable
        UnaryOperator<Runnable> wrap() {
            return wrap;
        }

        @Override
        void forget() {
            super.forget();
            wrap = null;
        }
    }
}
