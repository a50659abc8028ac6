package dev.cqrs.message;

/**
 * Code that runs around the handling of a message: the one contract for commands, queries and subscribers of events alike.
 *
 * <p>An interceptor may change the metadata, replace the message or the result, refuse by throwing, or call
 * {@link Next#proceed} again, which is how retry works. The message handed to {@code proceed} chooses the handler. A
 * message without a handler passes the interceptors too; the exception that says so comes out of {@code proceed}. Which
 * interceptors run is decided by the class of the message that was sent, also where one of them replaces it.
 *
 * <p>On an event bus it runs around each subscriber by itself, whose result is {@link Done}; {@code proceed} reaches that
 * subscriber, whatever the event handed on.
 *
 * <p><b>Order:</b> lower order numbers run further out; equal ones in the order in which they were registered.
 *
 * <p><b>Results:</b> an interceptor that returns a result of another type than the message's makes the caller see a
 * {@link ClassCastException}, or nothing at all where the caller ignores the result: the compiler cannot check it here.
 *
 * <p><b>Threads:</b> called on the dispatching thread, by many threads at once.
 */
@FunctionalInterface
public interface Interceptor {

    /**
     * Handles {@code message}, usually by handing it on to {@code next}.
     *
     * @param message the command, query or event, never {@code null}
     * @param metadata what travels with it, never {@code null}
     * @param next the rest of the way to the handler; may be called never, once or several times, during this call only
     * @return the result for the caller, never {@code null}
     * @throws Exception anything; an unchecked exception reaches the caller unchanged, a checked one as the cause of a
     *     {@link HandlerFailedException}
     */
    Object around(Object message, Metadata metadata, Next next) throws Exception;

    /**
     * Says whether this interceptor runs around messages of {@code messageType}.
     *
     * <p>Asked once for each class of message: when the bus is built, or at the first send of a class the bus has not
     * known, then perhaps by several threads that send it at the same time; an event bus may ask again after subscribers
     * have come or gone. Must give the same answer whenever it is asked.
     *
     * @param messageType the concrete class of a message, never {@code null}
     * @return {@code true}, unless overridden
     */
    default boolean appliesTo(Class<?> messageType) {
        return true;
    }

    /**
     * The rest of the way from an interceptor to the handler.
     *
     * <p><b>Threads:</b> stateless and thread-safe; the handler runs on the thread that calls.
     */
    @FunctionalInterface
    interface Next {

        /**
         * Hands {@code message} on, to the next interceptor or to the handler of the message's class.
         *
         * @param message the message to go on with, never {@code null}
         * @param metadata the metadata to go on with, never {@code null}
         * @return the result, never {@code null}
         * @throws NullPointerException if an argument is {@code null}
         * @throws NoHandlerException if no handler is registered for the message's class
         * @throws Exception whatever the handler or an inner interceptor throws, unchanged
         */
        Object proceed(Object message, Metadata metadata) throws Exception;
    }
}
