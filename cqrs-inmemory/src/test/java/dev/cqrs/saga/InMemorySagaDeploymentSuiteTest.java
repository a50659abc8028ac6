package dev.cqrs.saga;

import dev.cqrs.suite.SagaDeploymentSuite;

class InMemorySagaDeploymentSuiteTest extends SagaDeploymentSuite implements InMemorySagaLogs {}
