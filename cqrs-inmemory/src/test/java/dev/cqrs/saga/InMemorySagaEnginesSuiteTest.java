package dev.cqrs.saga;

import dev.cqrs.suite.SagaEnginesSuite;

class InMemorySagaEnginesSuiteTest extends SagaEnginesSuite implements InMemorySagaLogs {}
