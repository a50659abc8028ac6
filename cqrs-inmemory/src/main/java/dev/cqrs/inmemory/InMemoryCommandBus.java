package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Done;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.Objects;

/**
 * A {@link CommandBus} whose handlers are found by a table in memory.
 *
 * <p>Immutable once built: no handler comes or goes. Sending allocates nothing and takes no lock.
 *
 * <p><b>Threads:</b> thread-safe. Handlers and interceptors run on the calling thread.
 */
public final class InMemoryCommandBus implements CommandBus {

    private final Dispatcher dispatcher;
    private final Way entry;

    InMemoryCommandBus(Dispatcher dispatcher) {
        this.dispatcher = dispatcher;
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
    @SuppressWarnings("unchecked") // handlers are registered with the result type of their command
    public <R> R dispatch(Command<R> command, Metadata metadata) {
        return (R) Dispatcher.send(entry, "command", command, metadata);
    }

    @Override
    @SuppressWarnings("unchecked") // as above
    public <C extends Command<R>, R> Route<C, R> handlerFor(Class<C> type) {
        var way = dispatcher.wayTo(type);
        return way instanceof Route<?, ?> route
                ? (Route<C, R>) route
                : (command, metadata) -> (R) Dispatcher.send(way, "command", command, metadata);
    }

    /**
     * Collects handlers and interceptors, and checks the whole when the bus is built.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final Registry registry = new Registry("command");

        private Builder() {}

        /**
         * Registers the handler of a class of commands, or of a sealed family of them; the most specific registration wins.
         *
         * @param <C> the class of the commands
         * @param <R> the type of their result
         * @param type a concrete class, which stands for itself alone; or a sealed type, or a non-sealed branch of one,
         *     which stands for everything below it
         * @param handler called for each of them
         * @return this builder
         */
        public <C extends Command<R>, R> Builder handle(Class<C> type, CommandHandler<C, R> handler) {
            registry.handle(new Target.OfCommand(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a handler that has no use for metadata, otherwise as {@link #handle(Class, CommandHandler)}.
         *
         * @param <C> the class of the commands
         * @param <R> the type of their result
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler called for each of them
         * @return this builder
         */
        public <C extends Command<R>, R> Builder handle(Class<C> type, CommandHandler.Plain<C, R> handler) {
            registry.handle(new Target.OfPlainCommand(type, Objects.requireNonNull(handler, "handler")));
            return this;
        }

        /**
         * Registers a handler without a result, otherwise as {@link #handle(Class, CommandHandler)}.
         *
         * @param <C> the class of the commands
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param body called for each of them
         * @return this builder
         */
        public <C extends Command<Done>> Builder run(Class<C> type, CommandHandler.Action<C> body) {
            registry.handle(new Target.OfAction(type, Objects.requireNonNull(body, "body")));
            return this;
        }

        /**
         * Demands that every class below {@code sealedRoot} has a handler when the bus is built.
         *
         * @param sealedRoot a sealed type of commands
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
        public InMemoryCommandBus build() {
            return new InMemoryCommandBus(registry.build());
        }
    }
}
