package dev.cqrs.jdbc;

import dev.cqrs.suite.ProcessManagerSuite;

class JdbcProcessManagerSuiteTest extends ProcessManagerSuite implements JdbcSagaLogs {

    private final TwoLogs logs = new TwoLogs();

    @Override
    public TwoLogs logs() {
        return logs;
    }
}
