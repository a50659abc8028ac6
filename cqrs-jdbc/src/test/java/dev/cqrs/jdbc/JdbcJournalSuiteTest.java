package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.suite.JournalSuite;
import java.time.Clock;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

class JdbcJournalSuiteTest extends JournalSuite {

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
    protected int commands() {
        return Integer.getInteger("dev.cqrs.journal.commands", 8_000) / 10;
    }
}
