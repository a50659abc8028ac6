package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Entry;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.axonframework.eventsourcing.eventstore.AppendCondition;
import org.axonframework.eventsourcing.eventstore.ConsistencyMarker;
import org.axonframework.eventsourcing.eventstore.EventStorageEngine;
import org.axonframework.eventsourcing.eventstore.GenericTaggedEventMessage;
import org.axonframework.eventsourcing.eventstore.GlobalIndexConsistencyMarker;
import org.axonframework.eventsourcing.eventstore.TaggedEventMessage;
import org.axonframework.eventsourcing.eventstore.inmemory.InMemoryEventStorageEngine;
import org.axonframework.messaging.core.MessageType;
import org.axonframework.messaging.eventhandling.GenericEventMessage;
import org.axonframework.messaging.eventstreaming.EventCriteria;
import org.axonframework.messaging.eventstreaming.Tag;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** {@link Append} with Axon 5, whose engine in memory has tags and conditions as ours. */
public class AppendBenchmark extends Append {

    /**
     * The engine in memory, without the event store and the unit of work around it; ids and times are fixed, criteria
     * made beforehand. It finds a conflict by passing over all events behind the condition's marker, twice an append:
     * about a thousand of them when the marker is the account's own last event, as in ours.
     */
    @State(Scope.Benchmark)
    public static class Axon5 extends Subject {

        private static final Instant TIME = Instant.parse("2026-11-01T00:00:00Z");
        private static final MessageType TYPE = new MessageType("deposited");

        private EventStorageEngine engine = new InMemoryEventStorageEngine();
        private final EventCriteria[] criteria = new EventCriteria[ACCOUNTS];
        private final ConsistencyMarker[] seen = new ConsistencyMarker[ACCOUNTS];
        ConsistencyMarker head = ConsistencyMarker.ORIGIN;
        private long size;

        /** Compiles. */
        @Setup
        public void prepare(Work work, SmallSize size) {
            Arrays.setAll(criteria, i -> EventCriteria.havingTags(Tag.of("account", work.accounts[i])));
            warmUp(work, size.preloaded);
        }

        @Override
        void open() {
            engine = new InMemoryEventStorageEngine();
            Arrays.fill(seen, ConsistencyMarker.ORIGIN);
            head = ConsistencyMarker.ORIGIN;
            size = 0;
        }

        /** The marker up to which the account is known. */
        ConsistencyMarker seen(int account) {
            return seen[account];
        }

        @Override
        long append(int account, int operation) {
            var unchanged = AppendCondition.withCriteria(criteria[account]).withMarker(seen(account));
            List<TaggedEventMessage<?>> events = work.events == 1
                    ? List.of(message(work.event(account, operation)))
                    : work.batch(account, operation).stream()
                            .<TaggedEventMessage<?>>map(this::message)
                            .toList();
            head = commit(engine.appendEvents(unchanged, null, events).join());
            seen[account] = head;
            size += work.events;
            return GlobalIndexConsistencyMarker.position(head);
        }

        private static <R> ConsistencyMarker commit(EventStorageEngine.AppendTransaction<R> transaction) {
            return transaction
                    .afterCommit(transaction.commit(null).join(), null)
                    .join();
        }

        private TaggedEventMessage<?> message(Entry event) {
            return new GenericTaggedEventMessage<>(
                    new GenericEventMessage("fixed id", TYPE, event, Map.of(), TIME),
                    Set.of(Tag.of("account", event.account()), Tag.of("branch", event.branch())));
        }

        @Override
        long size() {
            return size;
        }
    }

    /** The kindest case for Axon 5: the marker is the log's head, as if the account had been read just before. */
    @State(Scope.Benchmark)
    public static class Axon5AtHead extends Axon5 {
        @Override
        ConsistencyMarker seen(int account) {
            return head;
        }
    }

    /** Axon 5's engine. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long axon5(Axon5 peer) {
        return peer.run();
    }

    /** Axon 5's engine where nothing at all was appended since the marker. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long axon5AtHead(Axon5AtHead peer) {
        return peer.run();
    }
}
