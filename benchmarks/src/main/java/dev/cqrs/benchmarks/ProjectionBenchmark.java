package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionEngine;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A view of a million events of eight types in random order: the time an event, where a projection in the background catches
 * up with them, beside a loop over an array with a chain of {@code instanceof}.
 *
 * <p>And what a view that is kept inline adds to an append: {@code appendAlone} is the append without any, of which the
 * allocated bytes are to be taken away.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms4g", "-Xmx4g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class ProjectionBenchmark {

    /** So many appends go into a store before another is begun. */
    private static final int APPENDS = 200_000;

    /** The log, and the view of it. */
    @State(Scope.Benchmark)
    public static class Catching {

        private Replay.Ours ours;
        private Projection<Replay.View> projection;
        private long expected;

        /** Fills the store. */
        @Setup
        public void fill(Replay.Work work) {
            ours = new Replay.Ours();
            ours.fill(work);
            projection = Projection.of("branches", 1, ours.view);
            expected = work.expected();
        }

        long catchUp() {
            try (var engine = ProjectionEngine.builder(ours.store, failure -> {
                        throw new IllegalStateException(failure.cause());
                    })
                    .background(projection, Runnable::run)
                    .build()) {
                long sum = engine.view(projection).read(Replay.View::sum);
                Replay.check(expected, sum);
                return sum;
            }
        }
    }

    /** A store that is appended to. */
    @State(Scope.Benchmark)
    public static class Appending {

        final List<Deposited> batch = List.of((Deposited) Ledger.entry(0, Ledger.account(1), Ledger.branch(1), 5));
        EventStore store;
        ProjectionEngine engine;
        private int appends;

        /** Makes an empty store. */
        @Setup(Level.Iteration)
        public void begin() {
            store = new InMemoryEventStore(Ledger.catalog(), Ledger.CLOCK);
            appends = 0;
        }

        long append() {
            if (++appends % APPENDS == 0) {
                begin();
            }
            return store.append(batch, AppendCondition.none(), Metadata.none())
                    .last()
                    .value();
        }
    }

    /** The same with a view. */
    @State(Scope.Benchmark)
    public static class Inline extends Appending {

        private final Projection<Replay.View> projection = Projection.of("branches", 1, new Replay.Ours().view);

        @Override
        @Setup(Level.Iteration)
        public void begin() {
            super.begin();
            engine = ProjectionEngine.builder(store, failure -> {
                        throw new IllegalStateException(failure.cause());
                    })
                    .inline(projection)
                    .build();
        }
    }

    /** By hand. */
    @Benchmark
    @OperationsPerInvocation(Replay.EVENTS)
    public long floor(Replay.Work work) {
        var view = new Replay.View();
        for (var event : work.events) {
            view.apply(event);
        }
        return view.sum();
    }

    /** This library, catching up. */
    @Benchmark
    @OperationsPerInvocation(Replay.EVENTS)
    public long cqrs(Catching catching) {
        return catching.catchUp();
    }

    /** An append. */
    @Benchmark
    public long appendAlone(Appending appending) {
        return appending.append();
    }

    /** An append with a view that is kept inline. */
    @Benchmark
    public long cqrsInline(Inline inline) {
        return inline.append();
    }
}
