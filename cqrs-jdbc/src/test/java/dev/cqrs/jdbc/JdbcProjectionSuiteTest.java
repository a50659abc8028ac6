package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.suite.Bank;
import dev.cqrs.suite.ProjectionSuite;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;

class JdbcProjectionSuiteTest extends ProjectionSuite {

    private final List<HikariDataSource> databases = new ArrayList<>();

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        var database = Postgres.pooledDatabase(5);
        databases.add(database);
        JdbcSchema.of().apply(database);
        return JdbcEventStore.builder(database, catalog, clock).build();
    }

    @Override
    protected CheckpointStore emptyCheckpoints() {
        var builder = JdbcCheckpointStore.builder(databases.get(databases.size() - 1), unreadable -> {
            throw new AssertionError(unreadable);
        });
        Bank.SAVED.forEach(builder::state);
        return builder.build();
    }

    @AfterEach
    void close_the_databases() {
        databases.forEach(HikariDataSource::close);
    }

    @Override
    protected int seeds() {
        return 4;
    }

    @Override
    protected int transfers() {
        return 3_000;
    }
}
