package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.benchmarks.Ledger.Entry;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.data.PojoCloudEventData;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.occurrent.eventstore.api.WriteCondition;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
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
 * Appending one or ten events of one account, on condition that the account is unchanged since its last append.
 *
 * <p>A thousand accounts in random order, two tags an event. Each iteration makes {@link #OPERATIONS} appends to a
 * fresh store, filled beforehand, outside the measurement, by the same code; then the heap is collected, since a store
 * that is full is also old. A condition speaks of the account's own last event and not of the log's head, so that every
 * store has to look whether something came in between. Nobody reads a clock or draws a random id; everybody makes the
 * event and what its store wraps it in inside the measurement. What was decided upon is at hand, as after a read: for
 * us the query of the account, for a peer its counterpart.
 *
 * <p>{@code -prof gc} counts the set-up of a single-shot benchmark, so its {@code B/op} say something with
 * {@code preloaded=0} only, where there is next to no set-up.
 */
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms4g", "-Xmx4g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 8)
@Measurement(iterations = 9)
public abstract class Append {

    static final int OPERATIONS = 20_000;
    static final int ACCOUNTS = 1_000;

    private static final int BRANCHES = 100;
    private static final int ORDER = 1 << 18;
    private static final long WARM_UP = TimeUnit.SECONDS.toNanos(2);

    /** How full the store is, for the floor and for us. */
    @State(Scope.Benchmark)
    public static class AnySize {
        /** Events in the store when the measurement begins. */
        @Param({"0", "10000", "1000000"})
        public int preloaded;
    }

    /** How full the store is, for peers, some of which would take minutes to fill or to search a large one. */
    @State(Scope.Benchmark)
    public static class SmallSize {
        /** Events in the store when the measurement begins. */
        @Param({"0", "10000"})
        public int preloaded;
    }

    /** How full the store is, for two threads. */
    @State(Scope.Benchmark)
    public static class Empty {
        /** Events in the store when the measurement begins. */
        @Param("0")
        public int preloaded;
    }

    /** What is appended, in which order. */
    @State(Scope.Benchmark)
    public static class Work {

        /** Events an append. */
        @Param({"1", "10"})
        public int events;

        final String[] accounts = new String[ACCOUNTS];
        final Tag[] tags = new Tag[ACCOUNTS];
        final EventQuery[] queries = new EventQuery[ACCOUNTS];
        private final String[] branches = new String[ACCOUNTS];
        private final int[] order = new int[ORDER];

        /** Draws the order. */
        @Setup
        public void fill() {
            var random = new SplittableRandom(42);
            var names = new String[BRANCHES];
            Arrays.setAll(names, Ledger::branch);
            for (int i = 0; i < ACCOUNTS; i++) {
                accounts[i] = Ledger.account(i);
                tags[i] = Ledger.accountTag(accounts[i]);
                queries[i] = EventQuery.tagged(tags[i]);
                branches[i] = names[i % BRANCHES];
            }
            Arrays.setAll(order, i -> random.nextInt(ACCOUNTS));
        }

        int account(int operation) {
            return order[operation & ORDER - 1];
        }

        Entry event(int account, int operation) {
            return new Deposited(accounts[account], branches[account], operation);
        }

        List<Entry> batch(int account, int operation) {
            if (events == 1) {
                return List.of(event(account, operation));
            }
            var batch = new Entry[events];
            for (int i = 0; i < events; i++) {
                batch[i] = event(account, operation);
            }
            return List.of(batch);
        }
    }

    /** A store under test, and the course of a measurement, which is the same for all. */
    @State(Scope.Benchmark)
    public abstract static class Subject {

        Work work;
        private Optional<Pair> pair = Optional.empty();
        private int preloaded;
        private int operation;

        abstract void open();

        /** Appends a batch unless the account has changed; gives a number that depends on the result. */
        abstract long append(int account, int operation);

        /** Events in the store. */
        abstract long size();

        /**
         * Runs iterations for a while, as they will be measured: the JIT compiler needs time, and one takes
         * milliseconds.
         */
        void warmUp(Work work, int preloaded) {
            this.work = work;
            this.preloaded = Math.min(preloaded, 10_000);
            long end = System.nanoTime() + WARM_UP;
            while (System.nanoTime() < end) {
                freshAndOld();
                if (pair.isPresent()) {
                    runTwice();
                } else {
                    run();
                }
                check();
            }
            this.preloaded = preloaded;
        }

        /** The same with two threads. */
        void warmUp(Work work, int preloaded, Pair pair) {
            this.pair = Optional.of(pair);
            warmUp(work, preloaded);
        }

        /** Makes a store with {@code preloaded} events. */
        @Setup(Level.Iteration)
        public void freshAndOld() {
            fresh();
            System.gc();
            pair.ifPresent(Pair::arm);
        }

        /** Proves that every append was accepted. */
        @TearDown(Level.Iteration)
        public void check() {
            long expected = (long) operation * work.events;
            if (size() != expected) {
                throw new IllegalStateException("The store holds " + size() + " events; expected " + expected + ".");
            }
        }

        private void fresh() {
            open();
            int appends = preloaded / work.events;
            for (operation = 0; operation < appends; operation++) {
                append(work.account(operation), operation);
            }
        }

        long run() {
            long results = 0;
            for (int end = operation + OPERATIONS; operation < end; operation++) {
                results += append(work.account(operation), operation);
            }
            return results;
        }

        /** Two threads make {@link #OPERATIONS} appends each, on different accounts, so without conflicts. */
        long runTwice() {
            int begin = operation;
            var second = pair.orElseThrow();
            second.release(() -> half(begin, 1));
            long results = half(begin, 0);
            second.await();
            operation += 2 * OPERATIONS;
            return results;
        }

        private long half(int begin, int half) {
            long results = 0;
            for (int i = begin; i < begin + OPERATIONS; i++) {
                results += append(work.account(i) / 2 + half * (ACCOUNTS / 2), i);
            }
            return results;
        }
    }

    /** One lock around two array lists and a hash map with the last position of each tag. */
    @State(Scope.Benchmark)
    public static class Floor extends Subject {

        private List<Object> events = List.of();
        private List<Set<Tag>> tags = List.of();
        private HashMap<Tag, Long> last = new HashMap<>();
        private final Object lock = new Object();
        private final long[] seen = new long[ACCOUNTS];

        @Override
        void open() {
            events = new ArrayList<>();
            tags = new ArrayList<>();
            last = new HashMap<>();
            Arrays.fill(seen, 0);
        }

        @Override
        long append(int account, int operation) {
            return seen[account] = append(work.batch(account, operation), work.tags[account], seen[account]);
        }

        private long append(List<? extends Entry> batch, Tag unchanged, long after) {
            synchronized (lock) {
                var position = last.get(unchanged);
                if (position != null && position > after) {
                    throw new IllegalStateException(unchanged + " was changed at " + position);
                }
                for (var event : batch) {
                    var eventTags = Ledger.tags(event);
                    events.add(event);
                    tags.add(eventTags);
                    for (var tag : eventTags) {
                        last.put(tag, (long) events.size());
                    }
                }
                return events.size();
            }
        }

        @Override
        long size() {
            return events.size();
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours extends Subject {

        private final Catalog catalog = Ledger.catalog();
        private EventStore store = new InMemoryEventStore(catalog, Ledger.CLOCK);
        private final Position[] seen = new Position[ACCOUNTS];

        @Override
        void open() {
            store = new InMemoryEventStore(catalog, Ledger.CLOCK);
            Arrays.fill(seen, Position.START);
        }

        @Override
        long append(int account, int operation) {
            var unchanged = AppendCondition.unchanged(work.queries[account], seen[account]);
            var appended = store.append(work.batch(account, operation), unchanged);
            seen[account] = appended.last();
            return appended.last().value();
        }

        @Override
        long size() {
            return store.head().value();
        }
    }

    /**
     * Occurrent, whose store in this version knows streams and not tags: the account is the stream and the version of
     * the stream the condition; the branch is an extension of the cloud event.
     */
    @State(Scope.Benchmark)
    public static class Occurrent extends Subject {

        private static final URI SOURCE = URI.create("urn:ledger");

        private org.occurrent.eventstore.inmemory.InMemoryEventStore store =
                new org.occurrent.eventstore.inmemory.InMemoryEventStore();
        private final long[] versions = new long[ACCOUNTS];
        private long ids;

        @Override
        void open() {
            store = new org.occurrent.eventstore.inmemory.InMemoryEventStore();
            Arrays.fill(versions, 0);
        }

        @Override
        long append(int account, int operation) {
            var events = work.batch(account, operation).stream().map(this::cloudEvent);
            var unchanged = WriteCondition.streamVersionEq(versions[account]);
            var result = store.write(work.accounts[account], unchanged, events);
            return versions[account] = result.newStreamVersion();
        }

        // The event itself is the data: nothing is serialised. A counter is the cheapest unique id.
        private CloudEvent cloudEvent(Entry event) {
            return CloudEventBuilder.v1()
                    .withId(Long.toString(ids++))
                    .withSource(SOURCE)
                    .withType("deposited")
                    .withExtension("branch", event.branch())
                    .withData(PojoCloudEventData.wrap(event, e -> new byte[0]))
                    .build();
        }

        @Override
        long size() {
            return Arrays.stream(versions).sum();
        }
    }

    /** A second thread, which sleeps until it is armed and then waits, spinning, so that both begin at once. */
    @State(Scope.Benchmark)
    public static class Pair {

        private volatile Runnable work = () -> {};
        private volatile int armed;
        private volatile int awake;
        private volatile int released;
        private volatile int finished;
        private volatile boolean closed;
        private Thread second = new Thread();

        /** Starts the second thread. */
        @Setup
        public void start() {
            second = new Thread(this::loop, "second");
            second.setDaemon(true);
            second.start();
        }

        /** Ends the second thread. */
        @TearDown
        public void stop() throws InterruptedException {
            closed = true;
            LockSupport.unpark(second);
            second.join();
        }

        void arm() {
            armed = released + 1;
            LockSupport.unpark(second);
            while (awake != armed) {
                Thread.onSpinWait();
            }
        }

        void release(Runnable work) {
            this.work = work;
            released = armed;
        }

        void await() {
            while (finished != released) {
                Thread.onSpinWait();
            }
        }

        private void loop() {
            for (int turn = 1; ; turn++) {
                while (armed != turn) {
                    if (closed) {
                        return;
                    }
                    LockSupport.park(this);
                }
                awake = turn;
                while (released != turn) {
                    Thread.onSpinWait();
                }
                work.run();
                finished = turn;
            }
        }
    }

    /** The floor at any size. */
    @State(Scope.Benchmark)
    public static class FloorAlone extends Floor {
        /** Compiles. */
        @Setup
        public void prepare(Work work, AnySize size) {
            warmUp(work, size.preloaded);
        }
    }

    /** The floor under two threads. */
    @State(Scope.Benchmark)
    public static class FloorShared extends Floor {
        /** Compiles. */
        @Setup
        public void prepare(Work work, Empty size, Pair pair) {
            warmUp(work, size.preloaded, pair);
        }
    }

    /** This library at any size. */
    @State(Scope.Benchmark)
    public static class OursAlone extends Ours {
        /** Compiles. */
        @Setup
        public void prepare(Work work, AnySize size) {
            warmUp(work, size.preloaded);
        }
    }

    /** This library under two threads. */
    @State(Scope.Benchmark)
    public static class OursShared extends Ours {
        /** Compiles. */
        @Setup
        public void prepare(Work work, Empty size, Pair pair) {
            warmUp(work, size.preloaded, pair);
        }
    }

    /** Occurrent, while it is not too full. */
    @State(Scope.Benchmark)
    public static class OccurrentAlone extends Occurrent {
        /** Compiles. */
        @Setup
        public void prepare(Work work, SmallSize size) {
            warmUp(work, size.preloaded);
        }
    }

    /** By hand. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long floor(FloorAlone floor) {
        return floor.run();
    }

    /** By hand, two threads appending to one log. */
    @Benchmark
    @OperationsPerInvocation(2 * OPERATIONS)
    public long floorTwoThreads(FloorShared floor) {
        return floor.runTwice();
    }

    /** This library. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long cqrs(OursAlone ours) {
        return ours.run();
    }

    /** This library, two threads appending to one store. */
    @Benchmark
    @OperationsPerInvocation(2 * OPERATIONS)
    public long cqrsTwoThreads(OursShared ours) {
        return ours.runTwice();
    }

    /** Occurrent. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long occurrent(OccurrentAlone peer) {
        return peer.run();
    }
}
