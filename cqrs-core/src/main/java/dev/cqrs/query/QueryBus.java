package dev.cqrs.query;

import dev.cqrs.message.Metadata;

/**
 * Delivers a query to its one handler and returns the handler's result.
 *
 * <p>Handlers are fixed when a bus is built; a bus never changes afterwards. Interceptors run around the handler, in
 * the order of their numbers. A handler may ask again, to any depth the stack allows.
 *
 * <p><b>Threads:</b> thread-safe. Handler and interceptors run on the calling thread.
 *
 * <p><b>Errors:</b> an unchecked exception or error thrown by the handler or an interceptor reaches the caller
 * unchanged. A checked one is the cause of a {@link dev.cqrs.message.HandlerFailedException}; after an
 * {@link InterruptedException} the thread's interrupt flag is set again.
 */
public interface QueryBus {

    /**
     * Asks {@code query} without metadata.
     *
     * @param <R> the type of the result
     * @param query never {@code null}
     * @return the handler's result, never {@code null}
     * @throws dev.cqrs.message.NoHandlerException if no handler is registered for the query's class
     * @throws dev.cqrs.message.HandlerFailedException if the handler or an interceptor throws a checked exception or
     *     returns {@code null}
     * @throws NullPointerException if {@code query} is {@code null}
     */
    default <R> R ask(Query<R> query) {
        return ask(query, Metadata.none());
    }

    /**
     * Asks {@code query} with {@code metadata}, otherwise as {@link #ask(Query)}.
     *
     * @param <R> the type of the result
     * @param query never {@code null}
     * @param metadata handed to interceptors and handler, never {@code null}
     * @return the handler's result, never {@code null}
     * @throws dev.cqrs.message.NoHandlerException if no handler is registered for the query's class
     * @throws dev.cqrs.message.HandlerFailedException if the handler or an interceptor throws a checked exception or
     *     returns {@code null}
     * @throws NullPointerException if an argument is {@code null}
     */
    <R> R ask(Query<R> query, Metadata metadata);

    /**
     * Gives the way to the handler of {@code type}, interceptors included, to be kept where a hot loop would look it up
     * again for every query.
     *
     * @param <Q> the class of the queries
     * @param <R> the type of their result
     * @param type the exact class of the queries to be sent, never {@code null}
     * @return never {@code null}; valid as long as the bus
     * @throws dev.cqrs.message.NoHandlerException if no handler is registered for the class
     */
    <Q extends Query<R>, R> Route<Q, R> handlerFor(Class<Q> type);

    /**
     * The way to one handler, with its interceptors: a handler that throws no checked exception.
     *
     * <p><b>Threads:</b> thread-safe; the handler runs on the calling thread.
     *
     * @param <Q> the class of the queries
     * @param <R> the type of their result
     */
    interface Route<Q extends Query<R>, R> extends QueryHandler<Q, R> {

        /**
         * Asks {@code query} without metadata.
         *
         * @param query never {@code null}
         * @return the handler's result, never {@code null}
         */
        default R handle(Q query) {
            return handle(query, Metadata.none());
        }

        /**
         * Asks {@code query} as {@link QueryBus#ask(Query, Metadata)} does.
         *
         * @param query never {@code null}
         * @param metadata never {@code null}
         * @return the handler's result, never {@code null}
         */
        @Override
        R handle(Q query, Metadata metadata);
    }
}
