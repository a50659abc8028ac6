package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionView;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * From the start of an append until a view in the background shows it, to the thread that waits for it; and, as the floor, a
 * task handed to a thread of an executor, whose answer the calling thread waits for.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class HandOverBenchmark {

    private static final Duration LONG = Duration.ofSeconds(30);

    /** The other thread. */
    @State(Scope.Benchmark)
    public static class Other {

        final SynchronousQueue<Integer> answers = new SynchronousQueue<>();
        ExecutorService executor;

        /** Starts it. */
        @Setup
        public void start() {
            executor = Executors.newSingleThreadExecutor();
        }

        /** Ends it. */
        @TearDown
        public void end() {
            executor.shutdown();
        }
    }

    /** A store and a view of it. */
    @State(Scope.Benchmark)
    public static class Following {

        private final List<Deposited> batch =
                List.of((Deposited) Ledger.entry(0, Ledger.account(1), Ledger.branch(1), 5));
        private EventStore store;
        private ProjectionEngine engine;
        private ProjectionView<Long> view;

        /** Makes them. */
        @Setup(Level.Iteration)
        public void begin(Other other) {
            var count = Projection.of("count", 1, Fold.from(0L).on(Deposited.class, (n, e) -> n + 1));
            store = new InMemoryEventStore(Ledger.catalog(), Ledger.CLOCK);
            engine = ProjectionEngine.builder(store, failure -> {
                        throw new IllegalStateException(failure.cause());
                    })
                    .background(count, other.executor)
                    .build();
            view = engine.view(count);
        }

        /** Ends the following. */
        @TearDown(Level.Iteration)
        public void end() {
            engine.close();
        }

        long appendAndWait() throws InterruptedException {
            var appended = store.append(batch, AppendCondition.none());
            view.awaitApplied(appended.last(), LONG);
            return view.read(n -> n);
        }
    }

    /** By hand. */
    @Benchmark
    public int floor(Other other) throws InterruptedException {
        other.executor.execute(() -> {
            try {
                other.answers.put(1);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        });
        return other.answers.take();
    }

    /** This library. */
    @Benchmark
    public long cqrs(Following following) throws InterruptedException {
        return following.appendAndWait();
    }
}
