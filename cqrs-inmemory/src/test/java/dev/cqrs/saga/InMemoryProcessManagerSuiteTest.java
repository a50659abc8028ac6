package dev.cqrs.saga;

import dev.cqrs.suite.ProcessManagerSuite;

class InMemoryProcessManagerSuiteTest extends ProcessManagerSuite implements InMemorySagaLogs {}
