package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.contract.EventStoreContract;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/**
 * The contract of stores, for several store objects on one log, as several processes have them: appends meet in the database
 * instead of in a queue of the process.
 */
class SeveralStoresContractTest extends EventStoreContract {

    private static final AtomicInteger LOGS = new AtomicInteger();
    private static HikariDataSource database;

    @BeforeAll
    static void open_a_database() {
        database = Postgres.pooledDatabase(12);
    }

    @AfterAll
    static void close_the_database() {
        database.close();
    }

    @Override
    protected EventStore emptyStore(Catalog catalog, Clock clock) {
        var prefix = "log" + LOGS.incrementAndGet();
        JdbcSchema.of(prefix).apply(database);
        var stores = new ArrayList<EventStore>();
        for (int i = 0; i < 4; i++) {
            stores.add(JdbcEventStore.builder(database, catalog, clock)
                    .prefix(prefix)
                    .pageSize(7)
                    .build());
        }
        return new InTurn(stores);
    }

    private record InTurn(List<EventStore> stores, AtomicInteger calls) implements EventStore {

        InTurn(List<EventStore> stores) {
            this(stores, new AtomicInteger());
        }

        private EventStore next() {
            return stores.get(calls.getAndIncrement() % stores.size());
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            return next().append(events, condition, metadata);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            return next().read(query, options);
        }

        @Override
        public Position head() {
            return next().head();
        }

        @Override
        public Catalog catalog() {
            return next().catalog();
        }

        @Override
        public Subscription onAppend(Signal signal) {
            var all = stores.stream().map(store -> store.onAppend(signal)).toList();
            return () -> all.forEach(Subscription::close);
        }
    }
}
