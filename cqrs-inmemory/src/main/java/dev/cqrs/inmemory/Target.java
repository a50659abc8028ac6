package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryBus;
import dev.cqrs.query.QueryHandler;
import java.util.Objects;

/**
 * A handler of any kind, for one class of messages: as the end of a chain, where exceptions pass as they are, and as a route, where a checked one
 * is wrapped.
 *
 * <p>A route without interceptors is the target itself, so that sending on it is one call more than the handler's own.
 * Classes and not lambdas, as a lambda takes two frames of the stack and commands may nest deeply.
 */
@SuppressWarnings({"unchecked", "rawtypes"}) // a target is reached by the class under which its handler was registered
abstract class Target extends Way {

    private Target(Class<?> type) {
        super(Objects.requireNonNull(type, "type"));
    }

    /** The same handler for another class of the family that it is registered for. */
    abstract Target of(Class<?> leaf);

    /** What was registered, for a description. */
    abstract Object handler();

    static final class OfCommand extends Target implements CommandBus.Route {
        private final CommandHandler handler;

        OfCommand(Class<?> type, CommandHandler handler) {
            super(type);
            this.handler = handler;
        }

        @Override
        Target of(Class<?> leaf) {
            return new OfCommand(leaf, handler);
        }

        @Override
        Object handler() {
            return handler;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            return checked(handler.handle((Command) message, present(metadata)), handler, message);
        }

        @Override
        public Object handle(Command command, Metadata metadata) {
            Objects.requireNonNull(command, "command");
            present(metadata);
            try {
                return checked(handler.handle(command, metadata), handler, command);
            } catch (Throwable thrown) {
                throw Dispatcher.unchecked(command, thrown);
            }
        }
    }

    static final class OfPlainCommand extends Target implements CommandBus.Route {
        private final CommandHandler.Plain handler;

        OfPlainCommand(Class<?> type, CommandHandler.Plain handler) {
            super(type);
            this.handler = handler;
        }

        @Override
        Target of(Class<?> leaf) {
            return new OfPlainCommand(leaf, handler);
        }

        @Override
        Object handler() {
            return handler;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            return checked(handler.handle(message), handler, message);
        }

        @Override
        public Object handle(Command command, Metadata metadata) {
            Objects.requireNonNull(command, "command");
            present(metadata);
            try {
                return checked(handler.handle(command), handler, command);
            } catch (Throwable thrown) {
                throw Dispatcher.unchecked(command, thrown);
            }
        }
    }

    static final class OfAction extends Target implements CommandBus.Route {
        private final CommandHandler.Action body;

        OfAction(Class<?> type, CommandHandler.Action body) {
            super(type);
            this.body = body;
        }

        @Override
        Target of(Class<?> leaf) {
            return new OfAction(leaf, body);
        }

        @Override
        Object handler() {
            return body;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            body.run(message);
            return Done.DONE;
        }

        @Override
        public Object handle(Command command, Metadata metadata) {
            Objects.requireNonNull(command, "command");
            present(metadata);
            try {
                body.run(command);
                return Done.DONE;
            } catch (Throwable thrown) {
                throw Dispatcher.unchecked(command, thrown);
            }
        }
    }

    static final class OfQuery extends Target implements QueryBus.Route {
        private final QueryHandler handler;

        OfQuery(Class<?> type, QueryHandler handler) {
            super(type);
            this.handler = handler;
        }

        @Override
        Target of(Class<?> leaf) {
            return new OfQuery(leaf, handler);
        }

        @Override
        Object handler() {
            return handler;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            return checked(handler.handle((Query) message, present(metadata)), handler, message);
        }

        @Override
        public Object handle(Query query, Metadata metadata) {
            Objects.requireNonNull(query, "query");
            present(metadata);
            try {
                return checked(handler.handle(query, metadata), handler, query);
            } catch (Throwable thrown) {
                throw Dispatcher.unchecked(query, thrown);
            }
        }
    }

    static final class OfPlainQuery extends Target implements QueryBus.Route {
        private final QueryHandler.Plain handler;

        OfPlainQuery(Class<?> type, QueryHandler.Plain handler) {
            super(type);
            this.handler = handler;
        }

        @Override
        Target of(Class<?> leaf) {
            return new OfPlainQuery(leaf, handler);
        }

        @Override
        Object handler() {
            return handler;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            return checked(handler.handle(message), handler, message);
        }

        @Override
        public Object handle(Query query, Metadata metadata) {
            Objects.requireNonNull(query, "query");
            present(metadata);
            try {
                return checked(handler.handle(query), handler, query);
            } catch (Throwable thrown) {
                throw Dispatcher.unchecked(query, thrown);
            }
        }
    }

    /** A command handler that is asked for at each send. */
    static final class OfResolvedCommand extends Target implements CommandBus.Route {
        private final Resolved<? extends CommandHandler> handler;

        OfResolvedCommand(Class<?> type, Resolved<? extends CommandHandler> handler) {
            super(type);
            this.handler = handler;
        }

        @Override
        Target of(Class<?> leaf) {
            return new OfResolvedCommand(leaf, handler);
        }

        @Override
        Object handler() {
            return handler;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            var found = handler.get();
            return checked(found.handle((Command) message, metadata), found, message);
        }

        @Override
        public Object handle(Command command, Metadata metadata) {
            Objects.requireNonNull(command, "command");
            present(metadata);
            try {
                var found = handler.get();
                return checked(found.handle(command, metadata), found, command);
            } catch (Throwable thrown) {
                throw Dispatcher.unchecked(command, thrown);
            }
        }
    }

    /** A query handler that is asked for at each send. */
    static final class OfResolvedQuery extends Target implements QueryBus.Route {
        private final Resolved<? extends QueryHandler> handler;

        OfResolvedQuery(Class<?> type, Resolved<? extends QueryHandler> handler) {
            super(type);
            this.handler = handler;
        }

        @Override
        Target of(Class<?> leaf) {
            return new OfResolvedQuery(leaf, handler);
        }

        @Override
        Object handler() {
            return handler;
        }

        @Override
        public Object proceed(Object message, Metadata metadata) throws Exception {
            present(metadata);
            var found = handler.get();
            return checked(found.handle((Query) message, metadata), found, message);
        }

        @Override
        public Object handle(Query query, Metadata metadata) {
            Objects.requireNonNull(query, "query");
            present(metadata);
            try {
                var found = handler.get();
                return checked(found.handle(query, metadata), found, query);
            } catch (Throwable thrown) {
                throw Dispatcher.unchecked(query, thrown);
            }
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
