package dev.cqrs.concurrency;

import dev.cqrs.command.Command;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.queue.CommandQueue;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.IntFunction;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Whatever threads enqueue at once, commands of a key are handled once each and in the order in which they were accepted, and
 * who closes the queue finds all of them handled. Each twin has one bug, and must be found.
 *
 * <p>Tasks run on the enqueuing threads, at once: whose worker it is that runs a command, is what they compete for. In one test
 * they are run by others, who look about for more before they rest.
 */
@Tag("lincheck")
@Timeout(900)
class QueueTest {

    @Test
    void in_every_interleaving_commands_are_handled_once_and_in_order() {
        Lincheck.modelChecking(Plain.class).check(OfQueue.class);
    }

    @Test
    void in_every_interleaving_one_worker_rests_only_when_there_is_nothing_left() {
        Lincheck.modelChecking(Plain.class).check(OfOneWorker.class);
    }

    @Test
    void in_every_interleaving_of_tasks_that_others_run_nothing_is_left() {
        Lincheck.modelChecking(Plain.class).check(OfTasks.class);
    }

    @Test
    void with_real_threads_commands_are_handled_once_and_in_order() {
        Lincheck.stress(Plain.class).check(OfQueue.class);
    }

    @Test
    void a_key_that_is_left_although_more_has_come_is_found() {
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class), OfLeavesTooEarly.class);
    }

    @Test
    void a_queue_that_closes_while_a_command_is_being_accepted_is_found() {
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class), OfClosesTooEarly.class);
    }

    // ---- what is done; results are compared by equals

    record Count(int key) implements Command<Integer> {}

    /** Something that handles commands soon; its result is the how manieth of its key a command was. */
    private interface Queue {
        CompletionStage<Integer> enqueue(Count command);

        void close();
    }

    /** The operations, for any queue. */
    @Param(name = "key", gen = IntGen.class, conf = "1:2")
    public abstract static class Operations {
        private final AtomicIntegerArray handled = new AtomicIntegerArray(3);
        private final Queue queue;

        Operations(java.util.function.Function<IntFunction<Integer>, Queue> make) {
            this.queue = make.apply(handled::incrementAndGet);
        }

        @Operation
        public String send(@Param(name = "key") int key) {
            try {
                queue.enqueue(new Count(key));
                return "accepted";
            } catch (IllegalStateException closed) {
                return "closed";
            }
        }

        @Operation
        public String call(@Param(name = "key") int key) {
            try {
                return "the "
                        + queue.enqueue(new Count(key)).toCompletableFuture().join();
            } catch (IllegalStateException closed) {
                return "closed";
            }
        }

        @Operation
        public String close() {
            queue.close();
            return "handled " + handled.get(1) + " and " + handled.get(2);
        }
    }

    /** What a queue means: two counters. */
    public static final class Plain {
        private final int[] accepted = new int[3];
        private boolean closed;

        public String send(int key) {
            if (closed) {
                return "closed";
            }
            accepted[key]++;
            return "accepted";
        }

        public String call(int key) {
            return closed ? "closed" : "the " + ++accepted[key];
        }

        public String run() {
            return "ran";
        }

        public String close() {
            closed = true;
            return "handled " + accepted[1] + " and " + accepted[2];
        }
    }

    private static final class Ours implements Queue {
        private final CommandQueue queue;

        Ours(int workers, IntFunction<Integer> handler) {
            this(workers, Runnable::run, handler);
        }

        Ours(int workers, Executor executor, IntFunction<Integer> handler) {
            var bus = InMemoryCommandBus.builder()
                    .handle(Count.class, command -> handler.apply(command.key()))
                    .build();
            queue = CommandQueue.to(bus, executor, failure -> {})
                    .key(Count.class, Count::key)
                    .workers(workers)
                    .build();
        }

        @Override
        public CompletionStage<Integer> enqueue(Count command) {
            return queue.enqueue(command);
        }

        @Override
        public void close() {
            queue.close();
        }
    }

    public static final class OfQueue extends Operations {
        public OfQueue() {
            super(handler -> new Ours(2, handler));
        }
    }

    public static final class OfOneWorker extends Operations {
        public OfOneWorker() {
            super(handler -> new Ours(1, handler));
        }
    }

    /** An executor's task is run by who does that operation: on another thread than who enqueued, later, or never. */
    @Param(name = "key", gen = IntGen.class, conf = "1:2")
    public static final class OfTasks {
        private final ArrayBlockingQueue<Runnable> tasks = new ArrayBlockingQueue<>(8);
        private final Operations operations = new Operations(handler -> new Ours(2, tasks::add, handler)) {};

        @Operation
        public String send(@Param(name = "key") int key) {
            return operations.send(key);
        }

        @Operation
        public String run() {
            var task = tasks.poll();
            if (task != null) {
                task.run();
            }
            return "ran";
        }

        @Operation
        public String close() {
            return operations.close();
        }
    }

    // ---- the twins

    /** Sees that nothing comes behind a command, and removes whatever is the last of the key by then. */
    private static final class LeavesTooEarly implements Queue {
        private final ConcurrentHashMap<Integer, Node> lasts = new ConcurrentHashMap<>();
        private final IntFunction<Integer> handler;

        private static final class Node {
            private final CompletableFuture<Integer> result = new CompletableFuture<>();
            private volatile @Nullable Node next;
        }

        LeavesTooEarly(IntFunction<Integer> handler) {
            this.handler = handler;
        }

        @Override
        public CompletionStage<Integer> enqueue(Count command) {
            var own = new Node();
            var before = lasts.put(command.key(), own);
            if (before != null) {
                before.next = own;
                return own.result;
            }
            Node node = own;
            while (node != null) {
                node.result.complete(handler.apply(command.key()));
                node = node.next;
            }
            lasts.remove(command.key());
            return own.result;
        }

        @Override
        public void close() {
            throw new IllegalStateException("is not closed here");
        }
    }

    /** Looks whether it is closed, and accepts then. */
    private static final class ClosesTooEarly implements Queue {
        private final Ours queue;
        private volatile boolean closed;

        ClosesTooEarly(IntFunction<Integer> handler) {
            queue = new Ours(2, handler);
        }

        @Override
        public CompletionStage<Integer> enqueue(Count command) {
            if (closed) {
                throw new IllegalStateException("closed");
            }
            return queue.enqueue(command);
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    @Param(name = "key", gen = IntGen.class, conf = "1:1")
    public static final class OfLeavesTooEarly {
        private final Operations operations = new Operations(LeavesTooEarly::new) {};

        @Operation
        public String call(@Param(name = "key") int key) {
            return operations.call(key);
        }
    }

    public static final class OfClosesTooEarly extends Operations {
        public OfClosesTooEarly() {
            super(ClosesTooEarly::new);
        }
    }
}
