package dev.cqrs.inmemory;

import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryBus;
import dev.cqrs.query.QueryHandler;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;

/**
 * A {@link QueryBus} whose handlers are found by a table in memory.
 *
 * <p>Immutable once built: no handler comes or goes. Sending allocates nothing and takes no lock.
 *
 * <p><b>Threads:</b> thread-safe. Handlers and interceptors run on the calling thread.
 */
public final class InMemoryQueryBus implements QueryBus {

    private final Registry wiring;
    private final Dispatcher dispatcher;
    private final Way entry;

    /** Over a registry that nobody else has. */
    InMemoryQueryBus(Registry wiring) {
        this.wiring = wiring;
        this.dispatcher = wiring.build();
        this.entry = dispatcher.entry();
    }

    /**
     * Begins a bus.
     *
     * @return a builder without handlers
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    @SuppressWarnings("unchecked") // handlers are registered with the result type of their query
    public <R> R ask(Query<R> query, Metadata metadata) {
        return (R) Dispatcher.send(entry, "query", query, metadata);
    }

    @Override
    @SuppressWarnings("unchecked") // as above
    public <Q extends Query<R>, R> Route<Q, R> handlerFor(Class<Q> type) {
        var way = dispatcher.wayTo(type);
        return way instanceof Route<?, ?> route
                ? (Route<Q, R>) route
                : (query, metadata) -> (R) Dispatcher.send(way, "query", query, metadata);
    }

    /**
     * Tells which handlers and interceptors were registered.
     *
     * @return never {@code null}; each call makes it anew
     */
    public Description describe() {
        return describe(type -> List.of());
    }

    Description describe(Function<Class<?>, List<String>> eventNames) {
        return wiring.describe(dispatcher, eventNames);
    }

    /** The type under which the handler of a class was registered. */
    Optional<Class<?>> servedFrom(Class<?> type) {
        return wiring.servedFrom(type);
    }

    /**
     * Collects handlers and interceptors, and checks the whole when the bus is built.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final Registry registry = new Registry("query");

        private Builder() {}

        /**
         * Registers the handler of a class of queries, or of a sealed family of them; the most specific registration wins.
         *
         * @param <Q> the class of the queries
         * @param <R> the type of their result
         * @param type a concrete class, which stands for itself alone; or a sealed type, or a non-sealed branch of one,
         *     which stands for everything below it
         * @param handler called for each of them
         * @return this builder
         */
        public <Q extends Query<R>, R> Builder handle(Class<Q> type, QueryHandler<Q, R> handler) {
            registry.handle(new Target.OfQuery(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a handler that has no use for metadata, otherwise as {@link #handle(Class, QueryHandler)}.
         *
         * @param <Q> the class of the queries
         * @param <R> the type of their result
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler called for each of them
         * @return this builder
         */
        public <Q extends Query<R>, R> Builder handle(Class<Q> type, QueryHandler.Plain<Q, R> handler) {
            registry.handle(new Target.OfPlainQuery(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a handler by its type, to be asked for at each send: of a container, so that what it knows of scopes and
         * proxies is done.
         *
         * <p>{@code handle(BalanceOf.class, BalanceOfHandler.class, context::getBean)}. What the resolver throws reaches the caller
         * unchanged; if it gives {@code null}, or something of another type, the caller gets an
         * {@link IllegalStateException}. A handler that is always the same object is better registered as such, which
         * asks for it once.
         *
         * @param <Q> the class of the queries
         * @param <R> the type of their result
         * @param <H> the type of the handler
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler what the resolver is asked for: a class, or an interface where proxies have no more
         * @param resolver gives the handler for this send; called by many threads at once
         * @return this builder
         */
        public <Q extends Query<R>, R, H extends QueryHandler<Q, R>> Builder handle(
                Class<Q> type, Class<H> handler, Function<? super Class<H>, ? extends H> resolver) {
            var resolved = new Resolved<>(type, handler, resolver);
            registry.resolve(new Target.OfResolvedQuery(type, resolved), resolved);
            return this;
        }

        /**
         * Demands that every class below {@code sealedRoot} has a handler when the bus is built.
         *
         * @param sealedRoot a sealed type of queries
         * @return this builder
         */
        public Builder requireAll(Class<?> sealedRoot) {
            registry.requireAll(sealedRoot);
            return this;
        }

        /**
         * Adds an interceptor.
         *
         * @param order lower numbers run further out; equal ones in the order of these calls
         * @param interceptor runs around every message that it applies to
         * @return this builder
         */
        public Builder intercept(int order, Interceptor interceptor) {
            registry.intercept(order, interceptor);
            return this;
        }

        /**
         * Makes the bus; the builder may be used further without affecting it.
         *
         * @return never {@code null}
         * @throws dev.cqrs.message.WiringException listing every fault: classes with two handlers, classes that two
         *     registrations fit equally well, abstract classes outside a sealed family, generic classes, and what
         *     {@link #requireAll} finds missing
         */
        public InMemoryQueryBus build() {
            return new InMemoryQueryBus(registry.copy());
        }
    }
}
