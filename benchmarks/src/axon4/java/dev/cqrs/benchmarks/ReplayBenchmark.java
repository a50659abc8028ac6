package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Entry;
import java.time.Instant;
import java.util.Arrays;
import org.axonframework.eventhandling.GenericDomainEventMessage;
import org.axonframework.eventsourcing.eventstore.EventStorageEngine;
import org.axonframework.eventsourcing.eventstore.inmemory.InMemoryEventStorageEngine;
import org.axonframework.messaging.MetaData;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** {@link Replay} with Axon 4. */
public class ReplayBenchmark extends Replay {

    /** The engine in memory, read as a stream; what is done with an event is what the floor does. */
    @State(Scope.Benchmark)
    public static class Axon4 {

        private static final Instant TIME = Instant.parse("2026-11-01T00:00:00Z");

        private final EventStorageEngine engine = new InMemoryEventStorageEngine();

        /** Fills the engine. */
        @Setup
        public void fill(Work work) {
            for (int i = 0; i < EVENTS; i += BATCH) {
                engine.appendEvents(Arrays.stream(work.events, i, i + BATCH)
                        .map(event -> new GenericDomainEventMessage<>(
                                "account",
                                ((Entry) event).account(),
                                0,
                                event,
                                MetaData.emptyInstance(),
                                "fixed id",
                                TIME))
                        .toList());
            }
            System.gc();
            check(work.expected(), replay());
        }

        long replay() {
            var view = new View();
            engine.readEvents(null, false).forEach(message -> view.apply(message.getPayload()));
            return view.sum();
        }
    }

    /** Axon 4's engine. */
    @Benchmark
    @OperationsPerInvocation(EVENTS)
    public long axon4(Axon4 peer) {
        return peer.replay();
    }
}
