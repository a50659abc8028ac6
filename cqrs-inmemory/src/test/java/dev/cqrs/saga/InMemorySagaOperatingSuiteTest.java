package dev.cqrs.saga;

import dev.cqrs.suite.SagaOperatingSuite;

class InMemorySagaOperatingSuiteTest extends SagaOperatingSuite implements InMemorySagaLogs {}
