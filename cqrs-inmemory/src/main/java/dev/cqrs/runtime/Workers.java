package dev.cqrs.runtime;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Parts of a piece of work, shared among the calling thread and those of an executor that are free; one piece after the other.
 *
 * <p>The calling thread takes part, so that the work gets done with an executor that is busy, or refuses, or has one thread:
 * what nobody has begun, it does itself, and it waits only for parts that another thread is at.
 */
final class Workers {

    private final int most;

    /** What those who come are to help with; nothing of it is kept while nobody is at it. */
    private volatile @Nullable Runnable now;

    /** How many were handed over to the executor and have not come: they help with the next piece, if they come late. */
    private final AtomicInteger asked = new AtomicInteger();

    /** As many threads at once at most, the calling one included. */
    Workers(int most) {
        this.most = most;
    }

    /** Which threads are at some part of a projection's work now, in any of its versions. */
    static final class Fence {
        private final Set<Thread> inside = ConcurrentHashMap.newKeySet();

        boolean holds(Thread thread) {
            return !inside.isEmpty() && inside.contains(thread);
        }

        /** Says whether it was outside, so that it is to {@link #leave}. */
        boolean enter(Thread thread) {
            return inside.add(thread);
        }

        void leave(Thread thread) {
            inside.remove(thread);
        }
    }

    /** Runs each part once, and returns when all have ended; throws if one has failed. */
    void run(int parts, Executor executor, Fence fence, IntConsumer work) {
        var next = new AtomicInteger();
        var ended = new CountDownLatch(parts);
        var failure = new AtomicReference<Throwable>();
        Runnable helper = () -> {
            for (int part = next.getAndIncrement(); part < parts; part = next.getAndIncrement()) {
                var thread = Thread.currentThread();
                boolean entered = false;
                try {
                    entered = fence.enter(thread); // not where it helps in the middle of another part
                    if (failure.get() == null) { // otherwise it is all for nothing
                        work.accept(part);
                    }
                } catch (Throwable thrown) {
                    failure.compareAndSet(null, thrown);
                } finally {
                    if (entered) {
                        fence.leave(thread);
                    }
                    ended.countDown();
                }
            }
        };
        now = helper;
        int more = most - 1 - asked.get();
        while (more > 0 && isTaken(executor)) {
            more--;
        }
        helper.run();
        boolean interrupted = false;
        while (true) {
            try {
                ended.await();
                break;
            } catch (InterruptedException whileFolding) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        now = null;
        var thrown = failure.get();
        if (thrown != null) {
            throw new PartFailedException(thrown);
        }
    }

    /** What a part has thrown; the batch is folded one by one then, which shows the event at fault. */
    static final class PartFailedException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        PartFailedException(Throwable cause) {
            super(cause);
        }
    }

    /** An executor that refuses leaves the work to those who are at it. */
    private boolean isTaken(Executor executor) {
        asked.incrementAndGet();
        try {
            executor.execute(this::help);
            return true;
        } catch (Throwable refused) {
            asked.decrementAndGet();
            if (refused instanceof InterruptedException) { // a language without checked exceptions may throw it
                Thread.currentThread().interrupt();
            }
            return false;
        }
    }

    private void help() {
        var piece = now; // first, so that no more than were asked for help with the same one
        asked.decrementAndGet();
        if (piece != null) {
            piece.run();
        }
    }
}
