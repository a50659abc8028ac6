package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Done;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;

/**
 * A {@link CommandBus} whose handlers are found by a table in memory.
 *
 * <p>Immutable once built: no handler comes or goes. Sending allocates nothing and takes no lock.
 *
 * <p><b>Threads:</b> thread-safe. Handlers and interceptors run on the calling thread.
 */
public final class InMemoryCommandBus implements CommandBus {

    private final Registry wiring;
    private final Dispatcher dispatcher;
    private final Way entry;

    /** Over a registry that nobody else has. */
    InMemoryCommandBus(Registry wiring) {
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

    /** As the interface has it, with one frame fewer on the stack: handlers dispatch within handlers. */
    @Override
    @SuppressWarnings("unchecked") // handlers are registered with the result type of their command
    public <R> R dispatch(Command<R> command) {
        return (R) Dispatcher.send(entry, "command", command, Metadata.none());
    }

    @Override
    @SuppressWarnings("unchecked") // as above
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
         * Registers a handler by its type, to be asked for at each send: of a container, so that what it knows of scopes and
         * proxies is done.
         *
         * <p>{@code handle(Withdraw.class, WithdrawHandler.class, context::getBean)}. What the resolver throws reaches the caller
         * unchanged; if it gives {@code null}, or something of another type, the caller gets an
         * {@link IllegalStateException}. A handler that is always the same object is better registered as such, which
         * asks for it once.
         *
         * @param <C> the class of the commands
         * @param <R> the type of their result
         * @param <H> the type of the handler
         * @param type a concrete class, a sealed type, or a non-sealed branch of one
         * @param handler what the resolver is asked for: a class, or an interface where proxies have no more
         * @param resolver gives the handler for this send; called by many threads at once
         * @return this builder
         */
        public <C extends Command<R>, R, H extends CommandHandler<C, R>> Builder handle(
                Class<C> type, Class<H> handler, Function<? super Class<H>, ? extends H> resolver) {
            var resolved = new Resolved<>(type, handler, resolver);
            registry.resolve(new Target.OfResolvedCommand(type, resolved), resolved);
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
            return new InMemoryCommandBus(registry.copy());
        }
    }
}
