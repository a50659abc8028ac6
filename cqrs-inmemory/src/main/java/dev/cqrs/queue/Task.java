package dev.cqrs.queue;

import dev.cqrs.command.Command;
import dev.cqrs.message.Metadata;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A command that was accepted, and the stage of its result at once: one object a command.
 *
 * <p>Whoever keeps the stage is not to keep what hung on it, so a task lets go of everything once it is done.
 */
final class Task<R> extends CompletableFuture<R> {

    private static final VarHandle NEXT;

    static {
        try {
            NEXT = MethodHandles.lookup().findVarHandle(Task.class, "next", Task.class);
        } catch (ReflectiveOperationException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    /** Read and written by whoever runs the task. */
    @Nullable
    Command<R> command;

    @Nullable
    Metadata metadata;

    /** Puts the task into the context in which it was enqueued, if there is any. */
    @Nullable
    UnaryOperator<Runnable> wrap;

    /** The next one of the same key; written once, by who enqueues it. */
    private volatile @Nullable Task<?> next;

    Task(Command<R> command, Metadata metadata, @Nullable UnaryOperator<Runnable> wrap) {
        this.command = command;
        this.metadata = metadata;
        this.wrap = wrap;
    }

    @Nullable
    Task<?> next() {
        return next;
    }

    void link(Task<?> following) {
        NEXT.setRelease(this, following);
    }

    /** Before anybody sees the outcome. */
    void forget() {
        command = null;
        metadata = null;
        wrap = null;
    }

    /** With the next one in hand. */
    void unlink() {
        NEXT.setRelease(this, (Task<?>) null);
    }
}
