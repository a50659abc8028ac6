package dev.cqrs.jdbc;

import dev.cqrs.suite.SagaDeploymentSuite;

class JdbcSagaDeploymentSuiteTest extends SagaDeploymentSuite implements JdbcSagaLogs {

    private final TwoLogs logs = new TwoLogs();

    @Override
    public TwoLogs logs() {
        return logs;
    }
}
