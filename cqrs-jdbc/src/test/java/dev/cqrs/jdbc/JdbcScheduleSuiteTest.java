package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.schedule.CommandSchedule;
import dev.cqrs.suite.ScheduleSuite;
import java.time.Clock;
import org.junit.jupiter.api.AfterEach;

class JdbcScheduleSuiteTest extends ScheduleSuite {

    private final TwoLogs logs = new TwoLogs();

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return logs.empty(catalog, clock);
    }

    @Override
    protected CheckpointStore emptyCheckpoints() {
        return logs.checkpoints("schedule", CommandSchedule.Saved.class);
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
