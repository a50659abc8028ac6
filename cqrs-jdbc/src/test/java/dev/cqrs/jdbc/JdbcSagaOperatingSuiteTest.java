package dev.cqrs.jdbc;

import dev.cqrs.suite.SagaOperatingSuite;

class JdbcSagaOperatingSuiteTest extends SagaOperatingSuite implements JdbcSagaLogs {

    private final TwoLogs logs = new TwoLogs();

    @Override
    public TwoLogs logs() {
        return logs;
    }
}
