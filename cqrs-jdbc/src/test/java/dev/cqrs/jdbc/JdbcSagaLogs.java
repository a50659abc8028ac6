package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.suite.SagaLogs;
import java.time.Clock;
import org.junit.jupiter.api.AfterEach;

/** Logs in a database of each test's own. */
interface JdbcSagaLogs extends SagaLogs {

    TwoLogs logs();

    @Override
    default EventStore emptyLog(Catalog catalog, Clock clock) {
        return logs().empty(catalog, clock);
    }

    @Override
    default CheckpointStore emptyCheckpoints() {
        return logs().checkpoints("sagas", SagaEngine.Saved.class);
    }

    @Override
    default int seeds() {
        return 8;
    }

    @AfterEach
    default void close_the_database() {
        logs().close();
    }
}
