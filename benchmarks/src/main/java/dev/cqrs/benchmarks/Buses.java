package dev.cqrs.benchmarks;

import an.awesome.pipelinr.Pipeline;
import an.awesome.pipelinr.Pipelinr;
import dev.cqrs.benchmarks.Messages.Kind;
import dev.cqrs.benchmarks.Messages.Message;
import dev.cqrs.command.CommandBus;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryQueryBus;
import dev.cqrs.interceptor.Observation;
import dev.cqrs.interceptor.Retry;
import dev.cqrs.interceptor.Validation;
import dev.cqrs.message.Interceptor;
import dev.cqrs.query.QueryBus;
import java.util.List;

/** How the buses are built that are measured, hot and cold. */
final class Buses {

    private Buses() {}

    static List<Interceptor> threeInterceptors() {
        return List.of(new Interceptors.First(), new Interceptors.Second(), new Interceptors.Third());
    }

    /** Those that applications use, for all messages: an observer that counts, a check that counts, and a retry. */
    static List<Interceptor> observationValidationRetry() {
        return List.of(
                Observation.of(new Interceptors.Counting(), thrown -> {
                    throw new IllegalStateException(thrown);
                }),
                Validation.builder()
                        .check(Message.class, new Interceptors.CountingCheck())
                        .build(),
                Retry.atOnce(3));
    }

    static List<an.awesome.pipelinr.Command.Middleware> threeMiddlewares() {
        return List.of(
                new Interceptors.FirstMiddleware(),
                new Interceptors.SecondMiddleware(),
                new Interceptors.ThirdMiddleware());
    }

    static CommandBus commands(List<Kind<?>> kinds, List<Interceptor> interceptors) {
        var builder = InMemoryCommandBus.builder();
        for (var kind : kinds) {
            handle(builder, kind);
        }
        for (int i = 0; i < interceptors.size(); i++) {
            builder.intercept(i, interceptors.get(i));
        }
        return builder.build();
    }

    static QueryBus queries(List<Kind<?>> kinds, List<Interceptor> interceptors) {
        var builder = InMemoryQueryBus.builder();
        for (var kind : kinds) {
            handle(builder, kind);
        }
        for (int i = 0; i < interceptors.size(); i++) {
            builder.intercept(i, interceptors.get(i));
        }
        return builder.build();
    }

    /**
     * PipelinR as its own guide wires it: handler classes name their command as a type argument, from which it finds
     * the handler of a command. Collections that are not copied stand behind the suppliers, which it calls on every
     * send.
     */
    static Pipeline pipelinr(List<Kind<?>> kinds, List<an.awesome.pipelinr.Command.Middleware> middlewares) {
        var handlers = kinds.stream()
                .<an.awesome.pipelinr.Command.Handler>map(Kind::handler)
                .toList();
        return new Pipelinr().with(handlers::stream).with(middlewares::stream);
    }

    // The one-argument form, as in README: what most users write.
    private static <M extends Message> void handle(InMemoryCommandBus.Builder builder, Kind<M> kind) {
        builder.handle(kind.type(), kind.handler());
    }

    private static <M extends Message> void handle(InMemoryQueryBus.Builder builder, Kind<M> kind) {
        builder.handle(kind.type(), kind.handler());
    }
}
