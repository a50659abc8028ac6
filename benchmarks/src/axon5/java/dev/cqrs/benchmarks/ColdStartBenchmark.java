package dev.cqrs.benchmarks;

import java.util.List;
import org.axonframework.messaging.commandhandling.CommandMessage;
import org.axonframework.messaging.core.MessageHandlerInterceptor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** {@link ColdStart} with Axon 5. */
public class ColdStartBenchmark extends ColdStart {

    /** Interceptors for Axon 5. */
    @State(Scope.Benchmark)
    public static class Axon5 {
        final List<MessageHandlerInterceptor<? super CommandMessage>> interceptors = AxonInterceptors.three();
    }

    /** Axon 5. */
    @Benchmark
    public Integer axon5(Application application, Axon5 peer) {
        return new AxonBuses(application.kinds, peer.interceptors, List.of()).dispatch(application.first);
    }
}
