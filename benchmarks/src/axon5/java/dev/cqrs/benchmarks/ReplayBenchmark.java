package dev.cqrs.benchmarks;

/** {@link Replay} without Axon 5; see {@link ReadBenchmark}. */
public class ReplayBenchmark extends Replay {}
