package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Messages.Kind;
import dev.cqrs.benchmarks.Messages.Message;
import java.util.List;
import org.axonframework.commandhandling.CommandBus;
import org.axonframework.commandhandling.SimpleCommandBus;
import org.axonframework.messaging.MessageHandlerInterceptor;
import org.axonframework.queryhandling.QueryBus;
import org.axonframework.queryhandling.SimpleQueryBus;

/**
 * Axon 4's simple buses as their builders give them: on the caller's thread, without transactions, monitors, tracing or
 * interceptors of their own. Axon's configurer would add some, and a gateway would add a layer. Handlers are subscribed
 * directly, without Axon's annotations and their reflection.
 */
final class AxonBuses {

    private AxonBuses() {}

    static CommandBus commands(
            List<Kind<?>> kinds, List<MessageHandlerInterceptor<org.axonframework.messaging.Message<?>>> interceptors) {
        var bus = SimpleCommandBus.builder().build();
        for (var kind : kinds) {
            subscribe(bus, kind);
        }
        interceptors.forEach(bus::registerHandlerInterceptor);
        return bus;
    }

    static QueryBus queries(
            List<Kind<?>> kinds, List<MessageHandlerInterceptor<org.axonframework.messaging.Message<?>>> interceptors) {
        var bus = SimpleQueryBus.builder().build();
        for (var kind : kinds) {
            subscribe(bus, kind);
        }
        interceptors.forEach(bus::registerHandlerInterceptor);
        return bus;
    }

    private static <M extends Message> void subscribe(CommandBus bus, Kind<M> kind) {
        var handler = kind.handler();
        bus.subscribe(
                kind.type().getName(), message -> handler.handle(kind.type().cast(message.getPayload())));
    }

    private static <M extends Message> void subscribe(QueryBus bus, Kind<M> kind) {
        var handler = kind.handler();
        bus.<Integer>subscribe(
                kind.type().getName(),
                Integer.class,
                message -> handler.handle(kind.type().cast(message.getPayload())));
    }
}
