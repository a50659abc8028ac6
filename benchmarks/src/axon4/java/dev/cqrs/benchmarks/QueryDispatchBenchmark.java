package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Messages.Message;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.axonframework.messaging.responsetypes.ResponseType;
import org.axonframework.messaging.responsetypes.ResponseTypes;
import org.axonframework.queryhandling.GenericQueryMessage;
import org.axonframework.queryhandling.QueryBus;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** {@link QueryDispatch} with Axon 4, whose code is large and so takes longer to warm up. */
public class QueryDispatchBenchmark extends QueryDispatch {

    /** Axon 4; see {@link AxonBuses}. */
    @State(Scope.Benchmark)
    public static class Axon4 {
        QueryBus bus;
        QueryBus intercepted;
        final ResponseType<Integer> response = ResponseTypes.instanceOf(Integer.class);

        /** Builds one bus without and one with interceptors. */
        @Setup
        public void build(Traffic traffic) {
            bus = AxonBuses.queries(traffic.kinds, List.of());
            intercepted = AxonBuses.queries(traffic.kinds, AxonInterceptors.three());
        }

        // The future is complete when the bus returns it: the handler has run on the asking thread.
        Integer ask(QueryBus bus, Message message) {
            return bus.query(new GenericQueryMessage<>(message, response))
                    .join()
                    .getPayload();
        }
    }

    /** Through Axon's bus. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public Integer axon4(Axon4 peer, Traffic traffic) {
        return peer.ask(peer.bus, traffic.messages[traffic.next()]);
    }

    /** Through Axon's bus and three interceptors. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public Integer axon4ThreeInterceptors(Axon4 peer, Traffic traffic) {
        return peer.ask(peer.intercepted, traffic.messages[traffic.next()]);
    }
}
