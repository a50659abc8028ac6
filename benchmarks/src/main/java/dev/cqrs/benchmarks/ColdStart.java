package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Messages.Kind;
import dev.cqrs.benchmarks.Messages.Message;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Interceptor;
import java.util.HashMap;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The first command of a process: build a bus of 100 handlers and three interceptors, send one command.
 *
 * <p>Once in each of many processes. The application's own classes (messages, handlers, interceptors) are loaded before
 * the clock starts, the library's are not. The floor is a hash map from class to handler, without interceptors.
 */
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(
        value = 20,
        jvmArgs = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 0)
@Measurement(iterations = 1)
public abstract class ColdStart {

    /** What the application brings: its handlers and its interceptors. */
    @State(Scope.Benchmark)
    public static class Application {
        final List<Kind<?>> kinds = Messages.kinds(100);
        final Message first = new Messages.M42(1);
    }

    /** Interceptors for this library. */
    @State(Scope.Benchmark)
    public static class Ours {
        final List<Interceptor> interceptors = Buses.threeInterceptors();
    }

    /** Middlewares for PipelinR. */
    @State(Scope.Benchmark)
    public static class PipelinR {
        final List<an.awesome.pipelinr.Command.Middleware> middlewares = Buses.threeMiddlewares();
    }

    /** A hash map. */
    @Benchmark
    @SuppressWarnings("unchecked") // a handler is found by the message's class
    public Integer floor(Application application) throws Exception {
        var handlers = new HashMap<Class<?>, CommandHandler.Plain<?, Integer>>();
        for (var kind : application.kinds) {
            handlers.put(kind.type(), kind.handler());
        }
        var message = application.first;
        return ((CommandHandler.Plain<Message, Integer>) handlers.get(message.getClass())).handle(message);
    }

    /** This library. */
    @Benchmark
    public Integer cqrs(Application application, Ours ours) {
        return Buses.commands(application.kinds, ours.interceptors).dispatch(application.first);
    }

    /** PipelinR. */
    @Benchmark
    public Integer pipelinr(Application application, PipelinR peer) {
        return Buses.pipelinr(application.kinds, peer.middlewares).send(application.first);
    }
}
