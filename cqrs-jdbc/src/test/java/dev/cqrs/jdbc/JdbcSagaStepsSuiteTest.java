package dev.cqrs.jdbc;

import dev.cqrs.suite.SagaStepsSuite;

class JdbcSagaStepsSuiteTest extends SagaStepsSuite implements JdbcSagaLogs {

    private final TwoLogs logs = new TwoLogs();

    @Override
    public TwoLogs logs() {
        return logs;
    }
}
