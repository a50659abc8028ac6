package dev.cqrs.command;

import dev.cqrs.message.Metadata;

/**
 * Delivers a command to its one handler and returns the handler's result.
 *
 * <p>Handlers are fixed when a bus is built; a bus never changes afterwards. Interceptors run around the handler, in
 * the order of their numbers. A handler may dispatch again, to any depth the stack allows.
 *
 * <p><b>Threads:</b> thread-safe. Handler and interceptors run on the calling thread.
 *
 * <p><b>Errors:</b> an unchecked exception or error thrown by the handler or an interceptor reaches the caller
 * unchanged. A checked one is the cause of a {@link dev.cqrs.message.HandlerFailedException}; after an
 * {@link InterruptedException} the thread's interrupt flag is set again.
 */
public interface CommandBus {

    /**
     * Sends {@code command} without metadata.
     *
     * @param <R> the type of the result
     * @param command never {@code null}
     * @return the handler's result, never {@code null}
     * @throws dev.cqrs.message.NoHandlerException if no handler is registered for the command's class
     * @throws dev.cqrs.message.HandlerFailedException if the handler or an interceptor throws a checked exception or
     *     returns {@code null}
     * @throws NullPointerException if {@code command} is {@code null}
     */
    default <R> R dispatch(Command<R> command) {
        return dispatch(command, Metadata.none());
    }

    /**
     * Sends {@code command} with {@code metadata}, otherwise as {@link #dispatch(Command)}.
     *
     * @param <R> the type of the result
     * @param command never {@code null}
     * @param metadata handed to interceptors and handler, never {@code null}
     * @return the handler's result, never {@code null}
     * @throws dev.cqrs.message.NoHandlerException if no handler is registered for the command's class
     * @throws dev.cqrs.message.HandlerFailedException if the handler or an interceptor throws a checked exception or
     *     returns {@code null}
     * @throws NullPointerException if an argument is {@code null}
     */
    <R> R dispatch(Command<R> command, Metadata metadata);

    /**
     * Gives the way to the handler of {@code type}, interceptors included, to be kept where a hot loop would look it up
     * again for every command.
     *
     * @param <C> the class of the commands
     * @param <R> the type of their result
     * @param type the exact class of the commands to be sent, never {@code null}
     * @return never {@code null}; valid as long as the bus
     * @throws dev.cqrs.message.NoHandlerException if no handler is registered for the class
     */
    <C extends Command<R>, R> Route<C, R> handlerFor(Class<C> type);

    /**
     * The way to one handler, with its interceptors: a handler that throws no checked exception.
     *
     * <p><b>Threads:</b> thread-safe; the handler runs on the calling thread.
     *
     * @param <C> the class of the commands
     * @param <R> the type of their result
     */
    interface Route<C extends Command<R>, R> extends CommandHandler<C, R> {

        /**
         * Sends {@code command} without metadata.
         *
         * @param command never {@code null}
         * @return the handler's result, never {@code null}
         */
        default R handle(C command) {
            return handle(command, Metadata.none());
        }

        /**
         * Sends {@code command} as {@link CommandBus#dispatch(Command, Metadata)} does.
         *
         * @param command never {@code null}
         * @param metadata never {@code null}
         * @return the handler's result, never {@code null}
         */
        @Override
        R handle(C command, Metadata metadata);
    }
}
