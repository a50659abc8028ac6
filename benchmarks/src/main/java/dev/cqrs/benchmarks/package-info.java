/**
 * JMH benchmarks of this library beside a floor, which is the same work by hand, and beside its peers.
 *
 * <p>What builds without Axon lies in {@code src/main} as abstract classes; the benchmark classes that JMH runs extend
 * them, once in {@code src/axon4} (the ordinary build) and once in {@code src/axon5} (profile {@code axon5}, JDK 21 or
 * later), because the two versions of Axon cannot share a class path.
 */
package dev.cqrs.benchmarks;
