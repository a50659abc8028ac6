package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import java.sql.SQLException;
import java.time.Clock;

/** The operations log and the domain's in one database, emptied each time they are asked for, and a store of checkpoints. */
final class TwoLogs implements AutoCloseable {

    private final HikariDataSource database = Postgres.pooledDatabase(5);
    private int logs;

    /** By turns the operations log and the domain's. */
    EventStore empty(Catalog catalog, Clock clock) {
        var prefix = logs++ % 2 == 0 ? "operations" : "domain";
        if (logs <= 2) {
            JdbcSchema.of(prefix).apply(database);
        } else {
            try (var connection = database.getConnection();
                    var statement = connection.createStatement()) {
                statement.execute("truncate " + prefix + "_event, " + prefix + "_tag");
            } catch (SQLException failed) {
                throw new IllegalStateException(failed);
            }
        }
        return JdbcEventStore.builder(database, catalog, clock).prefix(prefix).build();
    }

    CheckpointStore checkpoints(String name, Class<?> state) {
        JdbcSchema.of().apply(database);
        return JdbcCheckpointStore.builder(database, unreadable -> {
                    throw new AssertionError(unreadable);
                })
                .state(name, state)
                .build();
    }

    @Override
    public void close() {
        Postgres.giveBack(database);
    }
}
