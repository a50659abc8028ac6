package dev.cqrs.jdbc;

import dev.cqrs.suite.SagaEnginesSuite;

class JdbcSagaEnginesSuiteTest extends SagaEnginesSuite implements JdbcSagaLogs {

    private final TwoLogs logs = new TwoLogs();

    @Override
    public TwoLogs logs() {
        return logs;
    }
}
