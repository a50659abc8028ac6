package dev.cqrs.benchmarks;

/** {@link Sagas} without Axon 5, which has none yet; see {@link ReadBenchmark}. */
public class SagaBenchmark extends Sagas {}
