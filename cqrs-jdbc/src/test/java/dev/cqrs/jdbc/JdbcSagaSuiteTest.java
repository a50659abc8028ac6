package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.suite.SagaSuite;
import java.sql.SQLException;
import java.time.Clock;
import org.junit.jupiter.api.AfterEach;

class JdbcSagaSuiteTest extends SagaSuite {

    private final HikariDataSource database = Postgres.pooledDatabase(5);
    private int logs;

    /** By turns the operations log and the domain's, both in one database. */
    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
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

    @Override
    protected CheckpointStore emptyCheckpoints() {
        JdbcSchema.of().apply(database);
        return JdbcCheckpointStore.builder(database, unreadable -> {
                    throw new AssertionError(unreadable);
                })
                .state("sagas", SagaEngine.Saved.class)
                .build();
    }

    @Override
    protected int seeds() {
        return 8;
    }

    @AfterEach
    void close_the_database() {
        database.close();
    }
}
