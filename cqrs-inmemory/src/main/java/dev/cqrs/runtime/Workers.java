package dev.cqrs.runtime;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/**
 * Parts of a piece of work, shared among the calling thread and those of an executor that are free.
 *
 * <p>The calling thread takes part, so that the work gets done with an executor that is busy, or refuses, or has one thread:
 * what nobody has begun, it does itself, and it waits only for parts that another thread is at.
 */
final class Workers {

    private Workers() {}

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
    static void run(int parts, int workers, Executor executor, Fence fence, IntConsumer work) {
        var next = new AtomicInteger();
        var ended = new CountDownLatch(parts);
        var failure = new AtomicReference<Throwable>();
        Runnable helper = () -> {
            for (int part = next.getAndIncrement(); part < parts; part = next.getAndIncrement()) {
                var thread = Thread.currentThread();
                boolean entered = fence.enter(thread); // not where it helps in the middle of another part
                try {
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
        int asked = 1;
        while (asked < workers && isTaken(executor, helper)) {
            asked++;
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
    private static boolean isTaken(Executor executor, Runnable helper) {
        try {
            executor.execute(helper);
            return true;
        } catch (Throwable refused) {
            return false;
        }
    }
}
