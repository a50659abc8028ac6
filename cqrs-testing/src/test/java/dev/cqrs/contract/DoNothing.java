package dev.cqrs.contract;

import static dev.cqrs.contract.Nulls.nullOf;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventBus;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryBus;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The suites, run on what does nothing at all: it gives null, nothing or the start, and throws nothing.
 *
 * <p>Nested, so that surefire does not run them by themselves.
 */
final class DoNothing {

    private DoNothing() {}

    /** Gives null from every method. */
    static <T> T gone(Class<T> type) {
        InvocationHandler nothing = (proxy, method, arguments) -> nullOf(Object.class);
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, nothing));
    }

    static class CommandSuite extends CommandBusContract {
        @Override
        protected CommandBus busOf(List<CommandBusContract.Handling<?, ?>> handlings, List<Interceptor> interceptors) {
            return new CommandBus() {
                @Override
                @SuppressWarnings("unchecked") // null is of any type
                public <R> R dispatch(Command<R> command, Metadata metadata) {
                    return (R) nullOf(Object.class);
                }

                @Override
                @SuppressWarnings("unchecked") // null is of any type
                public <C extends Command<R>, R> CommandBus.Route<C, R> handlerFor(Class<C> type) {
                    return (command, metadata) -> (R) nullOf(Object.class);
                }
            };
        }
    }

    static class NullCommandSuite extends CommandBusContract {
        @Override
        protected CommandBus busOf(List<CommandBusContract.Handling<?, ?>> handlings, List<Interceptor> interceptors) {
            return gone(CommandBus.class);
        }
    }

    static class QuerySuite extends QueryBusContract {
        @Override
        protected QueryBus busOf(List<QueryBusContract.Handling<?, ?>> handlings, List<Interceptor> interceptors) {
            return new QueryBus() {
                @Override
                @SuppressWarnings("unchecked") // null is of any type
                public <R> R ask(Query<R> query, Metadata metadata) {
                    return (R) nullOf(Object.class);
                }

                @Override
                @SuppressWarnings("unchecked") // null is of any type
                public <Q extends Query<R>, R> QueryBus.Route<Q, R> handlerFor(Class<Q> type) {
                    return (query, metadata) -> (R) nullOf(Object.class);
                }
            };
        }
    }

    static class NullQuerySuite extends QueryBusContract {
        @Override
        protected QueryBus busOf(List<QueryBusContract.Handling<?, ?>> handlings, List<Interceptor> interceptors) {
            return gone(QueryBus.class);
        }
    }

    static class EventBusSuite extends EventBusContract {
        @Override
        protected EventBus busOf(List<Interceptor> interceptors) {
            return new EventBus() {
                @Override
                public int publish(Object event, Metadata metadata) {
                    return 0;
                }

                @Override
                public <E> EventBus.Subscription subscribe(Class<E> type, Subscriber<E> subscriber) {
                    return () -> {};
                }
            };
        }
    }

    static class NullEventBusSuite extends EventBusContract {
        @Override
        protected EventBus busOf(List<Interceptor> interceptors) {
            return gone(EventBus.class);
        }
    }

    static class EventStoreSuite extends EventStoreContract {
        @Override
        protected EventStore emptyStore(Catalog catalog, Clock clock) {
            return new EmptyStore(catalog);
        }
    }

    static class NullEventStoreSuite extends EventStoreContract {
        @Override
        protected EventStore emptyStore(Catalog catalog, Clock clock) {
            return gone(EventStore.class);
        }
    }

    static class CheckpointSuite extends CheckpointStoreContract {
        @Override
        protected CheckpointStore emptyStore() {
            return new CheckpointStore() {
                @Override
                public Optional<Checkpoint> load(String name) {
                    return Optional.empty();
                }

                @Override
                public void save(String name, Checkpoint checkpoint) {}

                @Override
                public void delete(String name) {}
            };
        }
    }

    static class NullCheckpointSuite extends CheckpointStoreContract {
        @Override
        protected CheckpointStore emptyStore() {
            return gone(CheckpointStore.class);
        }
    }

    static class EventCodecSuite extends EventCodecContract {
        @Override
        protected EventCodec codec() {
            return new EventCodec() {
                @Override
                public byte[] encode(Object value) {
                    return new byte[0];
                }

                @Override
                public <T> T decode(byte[] payload, Class<T> type) {
                    return nullOf(type);
                }
            };
        }
    }

    static class NullEventCodecSuite extends EventCodecContract {
        @Override
        protected EventCodec codec() {
            return gone(EventCodec.class);
        }
    }

    /** Appends nothing, and reads an empty log. */
    private record EmptyStore(Catalog catalog) implements EventStore {

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            return new Appended(Position.START, Position.START);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            return new EmptyStream(query);
        }

        @Override
        public Position head() {
            return Position.START;
        }

        @Override
        public EventStore.Subscription onAppend(Signal signal) {
            return () -> {};
        }
    }

    private record EmptyStream(EventQuery query) implements EventStream {

        @Override
        public boolean advance() {
            return false;
        }

        @Override
        public Object event() {
            return nullOf(Object.class);
        }

        @Override
        public Position position() {
            return Position.START;
        }

        @Override
        public String name() {
            return "";
        }

        @Override
        public Set<Tag> tags() {
            return Set.of();
        }

        @Override
        public Metadata metadata() {
            return Metadata.none();
        }

        @Override
        public Instant recordedAt() {
            return Instant.EPOCH;
        }

        @Override
        public Position head() {
            return Position.START;
        }

        @Override
        public AppendCondition unchanged() {
            return AppendCondition.unchanged(query, Position.START);
        }

        @Override
        public void close() {}
    }
}
