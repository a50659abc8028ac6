package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Messages.Message;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.axonframework.commandhandling.CommandBus;
import org.axonframework.commandhandling.CommandCallback;
import org.axonframework.commandhandling.CommandMessage;
import org.axonframework.commandhandling.CommandResultMessage;
import org.axonframework.commandhandling.GenericCommandMessage;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** {@link CommandDispatch} with Axon 4, whose code is large and so takes longer to warm up. */
public class CommandDispatchBenchmark extends CommandDispatch {

    /** Axon 4; see {@link AxonBuses}. */
    @State(Scope.Benchmark)
    public static class Axon4 {
        CommandBus bus;
        CommandBus intercepted;
        final Result result = new Result();

        /** Builds one bus without and one with interceptors. */
        @Setup
        public void build(Traffic traffic) {
            bus = AxonBuses.commands(traffic.kinds, List.of());
            intercepted = AxonBuses.commands(traffic.kinds, AxonInterceptors.three());
        }

        Integer send(CommandBus bus, Message message) {
            bus.dispatch(new GenericCommandMessage<>(message), result);
            return result.last;
        }
    }

    /** One callback for all commands: the bus calls it on the sending thread, so no future is needed. */
    static final class Result implements CommandCallback<Message, Integer> {
        private Integer last;

        @Override
        public void onResult(
                CommandMessage<? extends Message> command, CommandResultMessage<? extends Integer> result) {
            last = result.getPayload();
        }

        Integer last() {
            return last;
        }
    }

    /** Through Axon's bus. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public Integer axon4(Axon4 peer, Traffic traffic) {
        return peer.send(peer.bus, traffic.messages[traffic.next()]);
    }

    /** Through Axon's bus and three interceptors. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS)
    public Integer axon4ThreeInterceptors(Axon4 peer, Traffic traffic) {
        return peer.send(peer.intercepted, traffic.messages[traffic.next()]);
    }
}
