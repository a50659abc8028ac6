package dev.cqrs.benchmarks;

/** {@link Deciding} without Axon 5; see {@link ReadBenchmark}. */
public class DeciderBenchmark extends Deciding {}
