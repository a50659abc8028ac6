package dev.cqrs.contract;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.util.List;

/**
 * What every {@link CommandBus} must do, as tests: extend it and say how your bus is made.
 *
 * <pre>{@code
 * class MyCommandBusContractTest extends CommandBusContract {
 *     @Override
 *     protected CommandBus busOf(List<Handling<?, ?>> handlings, List<Interceptor> interceptors) {
 *         var builder = MyCommandBus.builder();
 *         handlings.forEach(handling -> handling.addTo(builder::handle));
 *         interceptors.forEach(builder::intercept);
 *         return builder.build();
 *     }
 * }
 * }</pre>
 *
 * <p><b>Threads:</b> JUnit makes an instance for each test.
 */
public abstract class CommandBusContract extends BusContract {

    /** For the tests of implementations. */
    protected CommandBusContract() {}

    /**
     * Makes a new bus.
     *
     * @param handlings the handlers, at most one for a class; possibly empty
     * @param interceptors the interceptors, the outermost first; possibly empty
     * @return the bus to be tested
     */
    protected abstract CommandBus busOf(List<Handling<?, ?>> handlings, List<Interceptor> interceptors);

    /**
     * A handler, and the class of commands it is to be registered for.
     *
     * @param <C> the class of the commands
     * @param <R> the type of their result
     * @param type the class of the commands
     * @param handler what handles them
     */
    public record Handling<C extends Command<R>, R>(Class<C> type, CommandHandler<C, R> handler) {

        /**
         * Registers the handler, the types being known here.
         *
         * @param registrar where to, such as {@code builder::handle}
         */
        public void addTo(Registrar registrar) {
            registrar.register(type, handler);
        }
    }

    /** What takes handlers: a reference to the method of a builder. */
    @FunctionalInterface
    public interface Registrar {

        /**
         * Takes one handler.
         *
         * @param <C> the class of the commands
         * @param <R> the type of their result
         * @param type the class of the commands
         * @param handler what handles them
         */
        <C extends Command<R>, R> void register(Class<C> type, CommandHandler<C, R> handler);
    }

    @Override
    final Bus bus(List<Entry<?, ?>> handlers, List<Interceptor> interceptors) {
        var handlings = handlers.stream()
                .<Handling<?, ?>>map(CommandBusContract::handling)
                .toList();
        var bus = busOf(handlings, interceptors);
        return new Bus() {
            @Override
            public <R> R send(Message<R> message) {
                return bus.dispatch(message);
            }

            @Override
            public <R> R send(Message<R> message, Metadata metadata) {
                return bus.dispatch(message, metadata);
            }

            @Override
            public <M extends Message<R>, R> Route<M, R> routeTo(Class<M> type) {
                return route(bus.handlerFor(type));
            }
        };
    }

    private static <M extends Message<R>, R> Handling<M, R> handling(Entry<M, R> entry) {
        return new Handling<>(entry.type(), entry.body()::handle);
    }

    private static <M extends Message<R>, R> Route<M, R> route(CommandBus.Route<M, R> route) {
        return new Route<>() {
            @Override
            public R send(M message) {
                return route.handle(message);
            }

            @Override
            public R send(M message, Metadata metadata) {
                return route.handle(message, metadata);
            }
        };
    }
}
