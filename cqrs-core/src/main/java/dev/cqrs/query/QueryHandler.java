package dev.cqrs.query;

import dev.cqrs.message.Metadata;

/**
 * The code that answers the queries of one class, or of one sealed family.
 *
 * <p><b>Threads:</b> called on the asking thread, by many threads at once.
 *
 * @param <Q> the class of the queries
 * @param <R> the type of their result
 */
@FunctionalInterface
public interface QueryHandler<Q extends Query<R>, R> {

    /**
     * Answers {@code query}.
     *
     * @param query never {@code null}
     * @param metadata what travels with the query, to be handed on to what it causes; never {@code null}
     * @return the result, never {@code null}
     * @throws Exception anything; unchecked exceptions and errors reach the caller unchanged, a checked one as the
     *     cause of a {@link dev.cqrs.message.HandlerFailedException}
     */
    R handle(Q query, Metadata metadata) throws Exception;

    /**
     * A handler that has no use for metadata: what a lambda with one argument or most method references stand for.
     *
     * @param <Q> the class of the queries
     * @param <R> the type of their result
     */
    @FunctionalInterface
    interface Plain<Q, R> {

        /**
         * Answers {@code query}.
         *
         * @param query never {@code null}
         * @return the result, never {@code null}
         * @throws Exception as {@link QueryHandler#handle}
         */
        R handle(Q query) throws Exception;
    }
}
