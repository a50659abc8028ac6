package dev.cqrs.benchmarks;

import an.awesome.pipelinr.Pipeline;
import dev.cqrs.benchmarks.Messages.Message;
import dev.cqrs.query.QueryBus;
import dev.cqrs.query.QueryHandler;
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
 * Sending a query to its handler, which adds a number and returns a constant.
 *
 * <p>Messages are made beforehand and sent in random order; see {@link Traffic}. The floor is one interface call on the
 * handler, which it knows: no look-up, no interceptor. PipelinR has no queries of its own; there, as in
 * its guide, a query is a command with a result.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public abstract class QueryDispatch {

    /** The handlers themselves. */
    @State(Scope.Benchmark)
    public static class Floor {
        QueryHandler.Plain<Message, Integer>[] handlers;

        /** Takes the handlers, in the order of the messages. */
        @Setup
        public void build(Traffic traffic) {
            handlers = traffic.receivers;
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours {
        QueryBus bus;
        QueryBus intercepted;
        QueryBus.Route<Message, Integer>[] routes;

        /** Builds one bus without and one with interceptors. */
        @Setup
        @SuppressWarnings("unchecked") // the route of a message is kept at the message's index
        public void build(Traffic traffic) {
            bus = Buses.queries(traffic.kinds, List.of());
            intercepted = Buses.queries(traffic.kinds, Buses.threeInterceptors());
            routes = Arrays.stream(traffic.messages)
                    .map(message -> bus.handlerFor((Class<Message>) message.getClass()))
                    .toArray(QueryBus.Route[]::new);
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
        return ours.bus.ask(traffic.messages[traffic.next()]);
    }

    /** Through the bus and three interceptors. */
    @Benchmark
    public Integer cqrsThreeInterceptors(Ours ours, Traffic traffic) {
        return ours.intercepted.ask(traffic.messages[traffic.next()]);
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
