package dev.cqrs.benchmarks;

import an.awesome.pipelinr.Pipeline;
import dev.cqrs.benchmarks.Messages.Message;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Sending a command to its handler, which adds a number and returns a constant.
 *
 * <p>Messages are made beforehand and sent in random order; see {@link Traffic}. The floor is one interface call on the
 * handler, which it knows: no look-up, no interceptor.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public abstract class CommandDispatch {

    /** The handlers themselves. */
    @State(Scope.Benchmark)
    public static class Floor {
        CommandHandler.Plain<Message, Integer>[] handlers;

        /** Takes the handlers, in the order of the messages. */
        @Setup
        public void build(Traffic traffic) {
            handlers = traffic.receivers;
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours {
        CommandBus bus;
        CommandBus intercepted;
        CommandBus usual;
        CommandBus.Route<Message, Integer>[] routes;

        /** Builds one bus without interceptors, one with three that count, and one with three of the library's. */
        @Setup
        @SuppressWarnings("unchecked") // the route of a message is kept at the message's index
        public void build(Traffic traffic) {
            bus = Buses.commands(traffic.kinds, List.of());
            intercepted = Buses.commands(traffic.kinds, Buses.threeInterceptors());
            usual = Buses.commands(traffic.kinds, Buses.observationValidationRetry());
            routes = Arrays.stream(traffic.messages)
                    .map(message -> bus.handlerFor((Class<Message>) message.getClass()))
                    .toArray(CommandBus.Route[]::new);
        }
    }

    /** PipelinR. */
    @State(Scope.Benchmark)
    public static class PipelinR {
        Pipeline pipeline;
        Pipeline intercepted;

        /** Builds one pipeline without and one with middlewares. */
        @Setup
        public void build(Traffic traffic) {
            pipeline = Buses.pipelinr(traffic.kinds, List.of());
            intercepted = Buses.pipelinr(traffic.kinds, Buses.threeMiddlewares());
        }
    }

    /** One call on a handler that is known. */
    @Benchmark
    public Integer floor(Floor floor, Traffic traffic) throws Exception {
        int i = traffic.next();
        return floor.handlers[i].handle(traffic.messages[i]);
    }

    /** Through the bus. */
    @Benchmark
    public Integer cqrs(Ours ours, Traffic traffic) {
        return ours.bus.dispatch(traffic.messages[traffic.next()]);
    }

    /** Through the bus and three interceptors. */
    @Benchmark
    public Integer cqrsThreeInterceptors(Ours ours, Traffic traffic) {
        return ours.intercepted.dispatch(traffic.messages[traffic.next()]);
    }

    /** Through the bus, an observation, a validation and a retry, none of which has anything to say. */
    @Benchmark
    public Integer cqrsObservationValidationRetry(Ours ours, Traffic traffic) {
        return ours.usual.dispatch(traffic.messages[traffic.next()]);
    }

    /** On a route that was looked up before. */
    @Benchmark
    public Integer cqrsHandlerFor(Ours ours, Traffic traffic) {
        int i = traffic.next();
        return ours.routes[i].handle(traffic.messages[i]);
    }

    /** Through PipelinR. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS) // it takes longer to compile
    public Integer pipelinr(PipelinR peer, Traffic traffic) {
        return peer.pipeline.send(traffic.messages[traffic.next()]);
    }

    /** Through PipelinR and three middlewares. */
    @Benchmark
    @Warmup(iterations = 12, time = 500, timeUnit = TimeUnit.MILLISECONDS) // it takes longer to compile
    public Integer pipelinrThreeMiddlewares(PipelinR peer, Traffic traffic) {
        return peer.intercepted.send(traffic.messages[traffic.next()]);
    }
}
