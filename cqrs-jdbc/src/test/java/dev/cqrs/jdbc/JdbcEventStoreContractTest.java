package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.contract.EventStoreContract;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import java.time.Clock;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

class JdbcEventStoreContractTest extends EventStoreContract {

    private static final AtomicInteger LOGS = new AtomicInteger();
    private static HikariDataSource database;

    @BeforeAll
    static void open_a_database() {
        database = Postgres.pooledDatabase(8);
    }

    @AfterAll
    static void close_the_database() {
        database.close();
    }

    /** Each in tables of its own. */
    @Override
    protected EventStore emptyStore(Catalog catalog, Clock clock) {
        var prefix = "log" + LOGS.incrementAndGet();
        JdbcSchema.of(prefix).apply(database);
        return JdbcEventStore.builder(database, catalog, clock).prefix(prefix).build();
    }
}
