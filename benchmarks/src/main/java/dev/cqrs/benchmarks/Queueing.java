package dev.cqrs.benchmarks;

import com.lmax.disruptor.BlockingWaitStrategy;
import com.lmax.disruptor.dsl.Disruptor;
import com.lmax.disruptor.dsl.ProducerType;
import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.queue.CommandQueue;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Commands enqueued by one thread and dispatched on the same bus by two others, in order per key, with a result for each.
 *
 * <p>Full load: time per command from the first enqueued to the last done, of {@value #BATCH} in a random order of keys;
 * whoever enqueues waits where {@value #BOUND} are on their way, but for the floor and Axon, which have no bound. Round trip: one command, whose result the caller waits for.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 6, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public abstract class Queueing {

    static final int BATCH = 50_000;
    static final int BOUND = 16_384;
    static final int WORKERS = 2;

    static final Integer RESULT = 1;

    /** Counts the commands of one key, and tells when all of a batch are done. */
    static final class Counter extends AtomicInteger {
        private static final long serialVersionUID = 1L;
        private int batch;

        void count(Semaphore done) {
            if (incrementAndGet() % batch == 0) {
                done.release();
            }
        }
    }

    record Deliver(Integer key, Counter counter) implements Command<Integer> {}

    record Ping(Integer key) implements Command<Integer> {}

    /** The commands and their bus. */
    @State(Scope.Benchmark)
    public static class Load {

        /** How many keys there are. */
        @Param({"1", "16", "1000"})
        public int keys;

        final Deliver[] commands = new Deliver[BATCH];
        final Semaphore done = new Semaphore(0);
        final CommandBus bus = InMemoryCommandBus.builder()
                .handle(Deliver.class, c -> {
                    c.counter().count(done);
                    return RESULT;
                })
                .handle(Ping.class, c -> RESULT)
                .build();

        /** Makes them. */
        @Setup
        public void make() {
            var random = new SplittableRandom(1);
            var counters = new Counter[keys];
            for (int i = 0; i < keys; i++) {
                counters[i] = new Counter();
            }
            for (int i = 0; i < BATCH; i++) {
                int key = i < keys ? i : random.nextInt(keys);
                counters[key].batch++;
                commands[i] = new Deliver(key, counters[key]);
            }
        }

        int awaitAll() {
            done.acquireUninterruptibly(keys);
            return keys;
        }
    }

    /** By hand: single threads, striped by key, with a queue without a bound each. */
    @State(Scope.Benchmark)
    public static class Stripes {

        private final List<ExecutorService> executors = new ArrayList<>();

        /** Starts the threads. */
        @Setup
        public void start() {
            for (int i = 0; i < WORKERS; i++) {
                executors.add(Executors.newSingleThreadExecutor());
            }
        }

        CompletableFuture<Integer> enqueue(CommandBus bus, Integer key, Command<Integer> command) {
            return CompletableFuture.supplyAsync(
                    () -> bus.dispatch(command), executors.get((key.hashCode() & Integer.MAX_VALUE) % WORKERS));
        }

        /** Ends the threads. */
        @TearDown
        public void end() {
            executors.forEach(ExecutorService::shutdown);
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Cqrs {

        private ExecutorService executor;
        CommandQueue queue;

        /** Starts the threads. */
        @Setup
        public void start(Load load) {
            executor = Executors.newFixedThreadPool(WORKERS);
            queue = CommandQueue.to(
                            load.bus, executor, failure -> failure.cause().printStackTrace())
                    .key(Deliver.class, Deliver::key)
                    .key(Ping.class, Ping::key)
                    .capacity(BOUND)
                    .workers(WORKERS)
                    .build();
        }

        /** Ends the threads. */
        @TearDown
        public void end() {
            queue.close();
            executor.shutdown();
        }
    }

    /** A disruptor whose two handlers take every other key; its wait strategy is its default. */
    @State(Scope.Benchmark)
    public static class Ring {

        private Disruptor<Slot> disruptor;

        static final class Slot {
            private int stripe;
            private Command<Integer> command;
            private CompletableFuture<Integer> result;
        }

        /** Starts the threads. */
        @Setup
        public void start(Load load) {
            disruptor = new Disruptor<>(
                    Slot::new, BOUND, Executors.defaultThreadFactory(), ProducerType.MULTI, new BlockingWaitStrategy());
            for (int i = 0; i < WORKERS; i++) {
                int own = i;
                disruptor.handleEventsWith((slot, sequence, endOfBatch) -> {
                    if (slot.stripe == own) {
                        slot.result.complete(load.bus.dispatch(slot.command));
                    }
                });
            }
            disruptor.start();
        }

        CompletableFuture<Integer> enqueue(Integer key, Command<Integer> command) {
            var result = new CompletableFuture<Integer>();
            var ring = disruptor.getRingBuffer();
            long sequence = ring.next();
            var slot = ring.get(sequence);
            slot.stripe = (key.hashCode() & Integer.MAX_VALUE) % WORKERS;
            slot.command = command;
            slot.result = result;
            ring.publish(sequence);
            return result;
        }

        /** Ends the threads. */
        @TearDown
        public void end() {
            disruptor.shutdown();
        }
    }

    /** By hand. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public int floor(Load load, Stripes stripes) {
        for (var command : load.commands) {
            stripes.enqueue(load.bus, command.key(), command);
        }
        return load.awaitAll();
    }

    /** This library. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public int cqrs(Load load, Cqrs ours) {
        for (var command : load.commands) {
            ours.queue.enqueue(command);
        }
        return load.awaitAll();
    }

    /** A disruptor. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public int disruptor(Load load, Ring ring) {
        for (var command : load.commands) {
            ring.enqueue(command.key(), command);
        }
        return load.awaitAll();
    }

    /** By hand: one command and its result. */
    @Benchmark
    @BenchmarkMode(Mode.SampleTime)
    public Integer floorRoundTrip(Load load, Stripes stripes) {
        var command = load.commands[0];
        return stripes.enqueue(load.bus, command.key(), new Ping(command.key())).join();
    }

    /** This library: one command and its result. */
    @Benchmark
    @BenchmarkMode(Mode.SampleTime)
    public Integer cqrsRoundTrip(Load load, Cqrs ours) {
        var command = load.commands[0];
        return ours.queue.enqueue(new Ping(command.key())).toCompletableFuture().join();
    }

    /** A disruptor: one command and its result. */
    @Benchmark
    @BenchmarkMode(Mode.SampleTime)
    public Integer disruptorRoundTrip(Load load, Ring ring) {
        var command = load.commands[0];
        return ring.enqueue(command.key(), new Ping(command.key())).join();
    }
}
