package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Entry;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.axonframework.eventhandling.GenericDomainEventMessage;
import org.axonframework.eventsourcing.eventstore.EventStorageEngine;
import org.axonframework.eventsourcing.eventstore.inmemory.InMemoryEventStorageEngine;
import org.axonframework.messaging.MetaData;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** {@link Append} with Axon 4. */
public class AppendBenchmark extends Append {

    /**
     * The engine in memory, without the event store around it, which would add a unit of work and message ids. It keeps
     * the account and its sequence number, but no branch; it neither checks the sequence number nor indexes anything.
     */
    @State(Scope.Benchmark)
    public static class Axon4 extends Subject {

        private static final Instant TIME = Instant.parse("2026-11-01T00:00:00Z");

        private EventStorageEngine engine = new InMemoryEventStorageEngine();
        private final long[] sequence = new long[ACCOUNTS];

        /** Compiles. */
        @Setup
        public void prepare(Work work, SmallSize size) {
            warmUp(work, size.preloaded);
        }

        @Override
        void open() {
            engine = new InMemoryEventStorageEngine();
            Arrays.fill(sequence, 0);
        }

        @Override
        long append(int account, int operation) {
            if (work.events == 1) {
                engine.appendEvents(List.of(message(account, work.event(account, operation))));
            } else {
                engine.appendEvents(work.batch(account, operation).stream()
                        .map(event -> message(account, event))
                        .toList());
            }
            return sequence[account];
        }

        private GenericDomainEventMessage<Entry> message(int account, Entry event) {
            return new GenericDomainEventMessage<>(
                    "account",
                    work.accounts[account],
                    sequence[account]++,
                    event,
                    MetaData.emptyInstance(),
                    "fixed id",
                    TIME);
        }

        @Override
        long size() {
            return Arrays.stream(sequence).sum();
        }
    }

    /** Axon 4's engine. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long axon4(Axon4 peer) {
        return peer.run();
    }
}
