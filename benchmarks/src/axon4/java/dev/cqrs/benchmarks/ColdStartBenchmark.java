package dev.cqrs.benchmarks;

import java.util.List;
import org.axonframework.commandhandling.GenericCommandMessage;
import org.axonframework.messaging.Message;
import org.axonframework.messaging.MessageHandlerInterceptor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** {@link ColdStart} with Axon 4. */
public class ColdStartBenchmark extends ColdStart {

    /** Interceptors for Axon 4. */
    @State(Scope.Benchmark)
    public static class Axon4 {
        final List<MessageHandlerInterceptor<Message<?>>> interceptors = AxonInterceptors.three();
    }

    /** Axon 4. */
    @Benchmark
    public Integer axon4(Application application, Axon4 peer) {
        var result = new CommandDispatchBenchmark.Result();
        AxonBuses.commands(application.kinds, peer.interceptors)
                .dispatch(new GenericCommandMessage<>(application.first), result);
        return result.last();
    }
}
