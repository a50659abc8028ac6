package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Deposited;
import java.time.Instant;
import java.util.HashMap;
import org.axonframework.eventhandling.GenericDomainEventMessage;
import org.axonframework.eventsourcing.eventstore.EventStorageEngine;
import org.axonframework.eventsourcing.eventstore.inmemory.InMemoryEventStorageEngine;
import org.axonframework.messaging.MetaData;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** {@link Read} with Axon 4. */
public class ReadBenchmark extends Read {

    /** The engine in memory, which has no index and passes over all its events at every read. */
    @State(Scope.Benchmark)
    public static class Axon4 {

        private static final Instant TIME = Instant.parse("2026-11-01T00:00:00Z");

        final EventStorageEngine engine = new InMemoryEventStorageEngine();

        /** Fills the engine. */
        @Setup
        public void fill(Work work) {
            var sequence = new HashMap<String, Integer>();
            for (int i = 0; i < EVENTS; i += BATCH) {
                engine.appendEvents(work.events.subList(i, i + BATCH).stream()
                        .map(event -> new GenericDomainEventMessage<>(
                                "account",
                                event.account(),
                                sequence.merge(event.account(), 1, Integer::sum) - 1,
                                event,
                                MetaData.emptyInstance(),
                                "fixed id",
                                TIME))
                        .toList());
            }
            System.gc();
        }
    }

    /** Axon 4's engine. */
    @Benchmark
    public long axon4(Axon4 peer, Work work) {
        long sum = 0;
        var events = peer.engine.readEvents(work.accounts[work.next()], 0);
        while (events.hasNext()) {
            sum += ((Deposited) events.next().getPayload()).amount();
        }
        return sum;
    }
}
