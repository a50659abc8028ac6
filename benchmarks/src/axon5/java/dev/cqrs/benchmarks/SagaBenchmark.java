package dev.cqrs.benchmarks;

/** {@link Sagas} without Axon 5, whose version 5.0.1 has none; see {@link ReadBenchmark}. */
public class SagaBenchmark extends Sagas {}
