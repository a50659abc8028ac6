package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.event.Fold;
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
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Reading the events of one account, out of a million, into a sum.
 *
 * <p>Accounts are read at random, so what is read is mostly in no cache, and its events lie far apart, as they came. We
 * make the query anew for each read. The floor looks the tag up in a hash map and runs over an array list; it has no
 * snapshot and no types.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms4g", "-Xmx4g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public abstract class Read {

    static final int EVENTS = 1_000_000;
    static final int BATCH = 100;

    private static final int ORDER = 1 << 18;

    /** The state that ours is folded into. */
    static final class Sum {
        private long amount;

        void add(Deposited event) {
            amount += event.amount();
        }
    }

    /** A million events of as many accounts as there are histories in them, in random order. */
    @State(Scope.Benchmark)
    public static class Work {

        /** Events an account. */
        @Param({"10", "1000"})
        public int history;

        private final int[] order = new int[ORDER];
        private int next;
        List<Deposited> events = List.of();
        String[] accounts = {};
        Tag[] tags = {};

        /** Makes the events. */
        @Setup
        public void fill() {
            int count = EVENTS / history;
            accounts = new String[count];
            tags = new Tag[count];
            for (int i = 0; i < count; i++) {
                accounts[i] = Ledger.account(i);
                tags[i] = Ledger.accountTag(accounts[i]);
            }
            var random = new Random(42);
            var sequence = new ArrayList<Integer>();
            for (int i = 0; i < EVENTS; i++) {
                sequence.add(i % count);
            }
            Collections.shuffle(sequence, random);
            var branch = Ledger.branch(1);
            events = new ArrayList<>(EVENTS);
            for (int account : sequence) {
                events.add(new Deposited(accounts[account], branch, random.nextInt(1_000)));
            }
            Arrays.setAll(order, i -> random.nextInt(count));
            System.gc(); // before a store is filled, so that the events lie alike in memory for all
        }

        /** The account to read next. */
        int next() {
            return order[next++ & ORDER - 1];
        }

        /** The events by account. */
        Map<String, List<Deposited>> histories() {
            var histories = new HashMap<String, List<Deposited>>();
            for (var event : events) {
                histories
                        .computeIfAbsent(event.account(), account -> new ArrayList<>())
                        .add(event);
            }
            return histories;
        }
    }

    /** A hash map of array lists. */
    @State(Scope.Benchmark)
    public static class Floor {

        final Map<Tag, List<Object>> log = new HashMap<>();

        /** Fills the map. */
        @Setup
        public void fill(Work work) {
            for (var event : work.events) {
                log.computeIfAbsent(Ledger.accountTag(event.account()), tag -> new ArrayList<>())
                        .add(event);
            }
            System.gc();
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours {

        final EventStore store = new InMemoryEventStore(Ledger.catalog(), Ledger.CLOCK);
        final Fold<Sum> sum = Fold.fresh(Sum::new).change(Deposited.class, Sum::add);

        /** Fills the store. */
        @Setup
        public void fill(Work work) {
            for (int i = 0; i < EVENTS; i += BATCH) {
                store.append(work.events.subList(i, i + BATCH), AppendCondition.none());
            }
            System.gc();
        }
    }

    /** Occurrent, where an account is a stream. */
    @State(Scope.Benchmark)
    public static class Occurrent {

        private static final URI SOURCE = URI.create("urn:ledger");

        final org.occurrent.eventstore.inmemory.InMemoryEventStore store =
                new org.occurrent.eventstore.inmemory.InMemoryEventStore();
        private long ids;

        /** Fills the store, one write a stream: many would take hours. */
        @Setup
        public void fill(Work work) {
            work.histories()
                    .forEach((account, events) ->
                            store.write(account, events.stream().map(this::cloudEvent)));
            System.gc();
        }

        private CloudEvent cloudEvent(Deposited event) {
            return CloudEventBuilder.v1()
                    .withId(Long.toString(ids++))
                    .withSource(SOURCE)
                    .withType("deposited")
                    .withExtension("branch", event.branch())
                    .withData(PojoCloudEventData.wrap(event, e -> new byte[0]))
                    .build();
        }
    }

    /** By hand. */
    @Benchmark
    public long floor(Floor floor, Work work) {
        long sum = 0;
        for (var event : floor.log.get(work.tags[work.next()])) {
            sum += ((Deposited) event).amount();
        }
        return sum;
    }

    /** This library. */
    @Benchmark
    public long cqrs(Ours ours, Work work) {
        try (var events = ours.store.read(EventQuery.tagged(work.tags[work.next()]))) {
            return events.fold(ours.sum).amount;
        }
    }

    /** Occurrent. */
    @Benchmark
    public long occurrent(Occurrent peer, Work work) {
        long sum = 0;
        for (var event : peer.store.read(work.accounts[work.next()])) {
            var data = (PojoCloudEventData<?>) event.getData();
            sum += ((Deposited) data.getValue()).amount();
        }
        return sum;
    }
}
