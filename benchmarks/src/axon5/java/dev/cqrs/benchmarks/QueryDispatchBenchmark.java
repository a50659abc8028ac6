package dev.cqrs.benchmarks;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** {@link QueryDispatch} with Axon 5, whose code is large and so takes longer to warm up. */
public class QueryDispatchBenchmark extends QueryDispatch {

    /** Axon 5; see {@link AxonBuses}. */
    @State(Scope.Benchmark)
    public static class Axon5 {
        AxonBuses plain;
        AxonBuses intercepted;

        /** Builds one bus without and one with interceptors. */
        @Setup
        public void build(Traffic traffic) {
            plain = new AxonBuses(traffic.kinds, List.of(), List.of());
            intercepted = new AxonBuses(traffic.kinds, List.of(), AxonInterceptors.three());
        }
    }

    /** Through Axon's bus. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public Integer axon5(Axon5 peer, Traffic traffic) {
        return peer.plain.ask(traffic.messages[traffic.next()]);
    }

    /** Through Axon's bus and three interceptors. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public Integer axon5ThreeInterceptors(Axon5 peer, Traffic traffic) {
        return peer.intercepted.ask(traffic.messages[traffic.next()]);
    }
}
