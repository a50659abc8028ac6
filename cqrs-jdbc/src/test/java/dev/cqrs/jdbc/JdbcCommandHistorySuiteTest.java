package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.suite.CommandHistorySuite;
import java.time.Clock;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

class JdbcCommandHistorySuiteTest extends CommandHistorySuite {

    private static Logs logs;

    @BeforeAll
    static void open_a_database() {
        logs = new Logs();
    }

    @AfterAll
    static void close_the_database() {
        logs.close();
    }

    @Override
    protected EventStore emptyLog(Catalog catalog, Clock clock) {
        return logs.empty(catalog, clock);
    }

    @Override
    protected boolean crashesInPairs() {
        return false;
    }

    @Override
    protected int steps() {
        return Integer.getInteger("dev.cqrs.journal.steps", 10_000) / 25;
    }

    @Override
    protected int stepsAtOnce() {
        return Integer.getInteger("dev.cqrs.journal.stepsAtOnce", 200) / 10;
    }
}
