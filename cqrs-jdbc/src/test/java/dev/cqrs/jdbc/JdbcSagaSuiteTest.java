package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.suite.SagaSuite;
import java.time.Clock;
import org.junit.jupiter.api.AfterEach;

class JdbcSagaSuiteTest extends SagaSuite {

    private final TwoLogs logs = new TwoLogs();

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return logs.empty(catalog, clock);
    }

    @Override
    protected CheckpointStore emptyCheckpoints() {
        return logs.checkpoints("sagas", SagaEngine.Saved.class);
    }

    @Override
    protected int seeds() {
        return 8;
    }

    @AfterEach
    void close_the_database() {
        logs.close();
    }
}
