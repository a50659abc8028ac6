package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import java.time.Clock;

/** New logs of one database, as many as are wanted. */
final class Logs implements AutoCloseable {

    private final HikariDataSource database = Postgres.pooledDatabase(12);
    private int logs;

    /** Gives a new log with tables of its own. */
    EventStore empty(Catalog catalog, Clock clock) {
        var prefix = "log" + ++logs;
        JdbcSchema.of(prefix).apply(database);
        return JdbcEventStore.builder(database, catalog, clock).prefix(prefix).build();
    }

    @Override
    public void close() {
        Postgres.giveBack(database);
    }
}
