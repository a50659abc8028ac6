package dev.cqrs.benchmarks;

import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import org.axonframework.common.jdbc.DataSourceConnectionProvider;
import org.axonframework.common.transaction.NoTransactionManager;
import org.axonframework.eventhandling.GenericDomainEventMessage;
import org.axonframework.eventsourcing.eventstore.EventStorageEngine;
import org.axonframework.eventsourcing.eventstore.jdbc.JdbcEventStorageEngine;
import org.axonframework.eventsourcing.eventstore.jdbc.PostgresEventTableFactory;
import org.axonframework.messaging.MetaData;
import org.axonframework.serialization.json.JacksonSerializer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Threads;

/** {@link JdbcAppend} with Axon 4. */
public class JdbcAppendBenchmark extends JdbcAppend {

    /**
     * The engine, without the event store around it, and as fast as it can be: the statement commits itself, instead of a
     * transaction around it. It refuses a sequence number of an account that is taken; the branch it does not keep.
     */
    @State(Scope.Benchmark)
    public static class Axon4 extends Database {

        private static final Instant TIME = Instant.parse("2026-11-01T00:00:00Z");

        private EventStorageEngine engine;

        @Override
        void fill() throws SQLException {
            var serializer = JacksonSerializer.defaultSerializer();
            var jdbc = JdbcEventStorageEngine.builder()
                    .connectionProvider(new DataSourceConnectionProvider(dataSource()))
                    .transactionManager(NoTransactionManager.instance())
                    .eventSerializer(serializer)
                    .snapshotSerializer(serializer)
                    .build();
            jdbc.createSchema(PostgresEventTableFactory.INSTANCE);
            engine = jdbc;
        }

        long append(Writer writer) {
            var event = writer.next();
            long number = event.amount(); // ascends within the thread, which no other shares its accounts with
            engine.appendEvents(List.of(new GenericDomainEventMessage<>(
                    "account",
                    event.account(),
                    number,
                    event,
                    MetaData.emptyInstance(),
                    event.account() + " " + number,
                    TIME)));
            return number;
        }
    }

    /** Axon 4's engine, one thread. */
    @Benchmark
    public long axon4(Axon4 peer, Writer writer) {
        return peer.append(writer);
    }

    /** Axon 4's engine, sixteen threads. */
    @Benchmark
    @Threads(MANY)
    @OperationsPerInvocation(MANY)
    public long axon4SixteenThreads(Axon4 peer, Writer writer) {
        return peer.append(writer);
    }
}
