package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor.Next;
import dev.cqrs.message.Metadata;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryHandler;
import java.util.Objects;

/**
 * A handler of any kind as the end of a chain.
 *
 * <p>Records and not lambdas, as a lambda takes two frames of the stack and commands may nest deeply.
 */
@SuppressWarnings({"unchecked", "rawtypes"}) // a target is reached by the class under which its handler was registered
final class Target {

    private Target() {}

    record OfCommand(CommandHandler handler) implements Next {
        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            return checked(handler.handle((Command) message, present(metadata)), handler, message);
        }
    }

    record OfPlainCommand(CommandHandler.Plain handler) implements Next {
        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            return checked(handler.handle((Command) message), handler, message);
        }
    }

    record OfAction(CommandHandler.Action body) implements Next {
        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            body.run(message);
            return Done.DONE;
        }
    }

    record OfQuery(QueryHandler handler) implements Next {
        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            return checked(handler.handle((Query) message, present(metadata)), handler, message);
        }
    }

    record OfPlainQuery(QueryHandler.Plain handler) implements Next {
        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            return checked(handler.handle((Query) message), handler, message);
        }
    }

    /** What an interceptor hands on is checked here: the bus has checked only what came in. */
    private static Metadata present(Metadata metadata) {
        return Objects.requireNonNull(metadata, "metadata");
    }

    private static Object checked(Object result, Object handler, Object message) {
        if (result == null) {
            throw new HandlerFailedException(
                    message.getClass(), "The handler " + handler.getClass().getName());
        }
        return result;
    }
}
