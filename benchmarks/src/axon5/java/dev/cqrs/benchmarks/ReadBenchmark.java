package dev.cqrs.benchmarks;

/**
 * {@link Read} without Axon 5, whose engine in memory keeps every stream it ever opened in a set that is copied at each
 * read: what it measures is how often it was measured.
 */
public class ReadBenchmark extends Read {}
