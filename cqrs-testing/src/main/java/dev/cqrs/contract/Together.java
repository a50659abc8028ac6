package dev.cqrs.contract;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;

/** Runs tasks on threads of their own, never waits for ever, and hands on what they throw. */
final class Together {

    private static final long PATIENCE_SECONDS = 60;
    private static final long SHORT_PATIENCE_SECONDS = 10;

    /** The system property that replaces how many seconds a short task may take. */
    static final String SHORT_PATIENCE = "dev.cqrs.contract.patience";

    private static final long STACK_BYTES = 16L << 20;

    private Together() {}

    /** A task that may throw. */
    @FunctionalInterface
    interface Task {
        void run() throws Exception;
    }

    /** Runs the tasks for 0 to {@code threads - 1} all at once, and gives their results in that order. */
    static <T> List<T> run(int threads, IntFunction<Callable<T>> task) {
        return run(threads, task, PATIENCE_SECONDS);
    }

    private static <T> List<T> run(int threads, IntFunction<Callable<T>> task, long patience) {
        var start = new CyclicBarrier(threads);
        var pool = Executors.newFixedThreadPool(threads, work -> {
            var thread = new Thread(null, work, "contract", STACK_BYTES);
            thread.setDaemon(true);
            return thread;
        });
        try {
            var running = new ArrayList<Future<T>>();
            for (int i = 0; i < threads; i++) {
                var one = task.apply(i);
                running.add(pool.submit(() -> {
                    start.await(patience, TimeUnit.SECONDS);
                    return one.call();
                }));
            }
            var results = new ArrayList<T>();
            for (var one : running) {
                results.add(one.get(patience, TimeUnit.SECONDS));
            }
            return results;
        } catch (ExecutionException e) {
            throw new AssertionError("A thread failed: " + e.getCause(), e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("Interrupted while waiting for the threads.", e);
        } catch (TimeoutException e) {
            throw new AssertionError("A thread has not ended after " + patience + " seconds.", e);
        } finally {
            pool.shutdownNow();
        }
    }

    /** Runs one short task on another thread and waits until it ends. */
    static void onAnotherThread(Task task) {
        Callable<Boolean> one = () -> {
            task.run();
            return true;
        };
        run(1, i -> one, Long.getLong(SHORT_PATIENCE, SHORT_PATIENCE_SECONDS));
    }

    /** Lets threads go on at the same instant, again and again: they spin, as waking up takes longer than an append. */
    static final class Gate {

        private static final int PATIENT_SPINS = 10_000;

        private final int threads;
        private final AtomicLong arrivals = new AtomicLong();
        private volatile boolean open;

        Gate(int threads) {
            this.threads = threads;
        }

        /** Waits until all threads have come here as often as this one. */
        void pass() {
            long everyone = arrivals.getAndIncrement() / threads * threads + threads;
            for (int spins = 0; arrivals.get() < everyone && !open; spins++) {
                if (spins < PATIENT_SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.parkNanos(1_000); // fewer processors than threads
                }
            }
        }

        /** Keeps nobody waiting any more: a thread has ended. */
        void open() {
            open = true;
        }
    }
}
