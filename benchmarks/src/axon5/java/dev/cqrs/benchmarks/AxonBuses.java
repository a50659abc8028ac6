package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Messages.Kind;
import dev.cqrs.benchmarks.Messages.Message;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.axonframework.messaging.commandhandling.CommandBus;
import org.axonframework.messaging.commandhandling.CommandMessage;
import org.axonframework.messaging.commandhandling.GenericCommandMessage;
import org.axonframework.messaging.commandhandling.GenericCommandResultMessage;
import org.axonframework.messaging.commandhandling.SimpleCommandBus;
import org.axonframework.messaging.commandhandling.interception.InterceptingCommandBus;
import org.axonframework.messaging.core.EmptyApplicationContext;
import org.axonframework.messaging.core.MessageHandlerInterceptor;
import org.axonframework.messaging.core.MessageStream;
import org.axonframework.messaging.core.MessageType;
import org.axonframework.messaging.core.unitofwork.SimpleUnitOfWorkFactory;
import org.axonframework.messaging.queryhandling.GenericQueryMessage;
import org.axonframework.messaging.queryhandling.GenericQueryResponseMessage;
import org.axonframework.messaging.queryhandling.QueryBus;
import org.axonframework.messaging.queryhandling.QueryMessage;
import org.axonframework.messaging.queryhandling.SimpleQueryBus;
import org.axonframework.messaging.queryhandling.interception.InterceptingQueryBus;

/**
 * Axon 5's simple buses: on the caller's thread, without transactions, tracing or interceptors of their own. Message
 * types are made beforehand; handlers are subscribed directly, without annotations and their reflection.
 */
final class AxonBuses {

    private static final MessageType RESULT = new MessageType(Integer.class);

    private final Map<Class<?>, MessageType> types = new HashMap<>();
    private final CommandBus commands;
    private final QueryBus queries;

    AxonBuses(
            List<Kind<?>> kinds,
            List<MessageHandlerInterceptor<? super CommandMessage>> aroundCommands,
            List<MessageHandlerInterceptor<? super QueryMessage>> aroundQueries) {
        var unitsOfWork = new SimpleUnitOfWorkFactory(EmptyApplicationContext.INSTANCE);
        CommandBus commands = new SimpleCommandBus(unitsOfWork, List.of());
        QueryBus queries = new SimpleQueryBus(unitsOfWork);
        if (!aroundCommands.isEmpty()) {
            commands = new InterceptingCommandBus(commands, aroundCommands, List.of());
        }
        if (!aroundQueries.isEmpty()) {
            queries = new InterceptingQueryBus(queries, aroundQueries, List.of(), List.of());
        }
        for (var kind : kinds) {
            types.put(kind.type(), new MessageType(kind.type()));
            subscribe(commands, queries, kind);
        }
        this.commands = commands;
        this.queries = queries;
    }

    private <M extends Message> void subscribe(CommandBus commands, QueryBus queries, Kind<M> kind) {
        var handler = kind.handler();
        var name = types.get(kind.type()).qualifiedName();
        commands.subscribe(name, (command, context) -> {
            var result = handler.handle(kind.type().cast(command.payload()));
            return MessageStream.just(new GenericCommandResultMessage(RESULT, result));
        });
        queries.subscribe(name, (query, context) -> {
            var result = handler.handle(kind.type().cast(query.payload()));
            return MessageStream.just(new GenericQueryResponseMessage(RESULT, result));
        });
    }

    Integer dispatch(Message message) {
        var type = types.get(message.getClass());
        return (Integer) commands.dispatch(new GenericCommandMessage(type, message), null)
                .join()
                .payload();
    }

    Integer ask(Message message) {
        var type = types.get(message.getClass());
        return (Integer) queries.query(new GenericQueryMessage(type, message), null)
                .first()
                .asCompletableFuture()
                .join()
                .message()
                .payload();
    }
}
