package dev.cqrs.benchmarks;

/** {@link EventPublish} without Axon 5; see {@link ReadBenchmark}. */
public class EventPublishBenchmark extends EventPublish {}
