package dev.cqrs.saga;

import dev.cqrs.suite.SagaStepsSuite;

class InMemorySagaStepsSuiteTest extends SagaStepsSuite implements InMemorySagaLogs {}
