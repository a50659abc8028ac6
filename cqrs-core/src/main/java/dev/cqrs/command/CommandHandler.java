package dev.cqrs.command;

import dev.cqrs.message.Metadata;

/**
 * The code that carries out the commands of one class, or of one sealed family.
 *
 * <p><b>Threads:</b> called on the dispatching thread, by many threads at once.
 *
 * @param <C> the class of the commands
 * @param <R> the type of their result
 */
@FunctionalInterface
public interface CommandHandler<C extends Command<R>, R> {

    /**
     * Carries out {@code command}.
     *
     * @param command never {@code null}
     * @param metadata what travels with the command, to be handed on to what it causes; never {@code null}
     * @return the result, never {@code null}
     * @throws Exception anything; unchecked exceptions and errors reach the caller unchanged, a checked one as the
     *     cause of a {@link dev.cqrs.message.HandlerFailedException}
     */
    R handle(C command, Metadata metadata) throws Exception;

    /**
     * A handler that has no use for metadata: what a lambda with one argument or most method references stand for.
     *
     * @param <C> the class of the commands
     * @param <R> the type of their result
     */
    @FunctionalInterface
    interface Plain<C, R> {

        /**
         * Carries out {@code command}.
         *
         * @param command never {@code null}
         * @return the result, never {@code null}
         * @throws Exception as {@link CommandHandler#handle}
         */
        R handle(C command) throws Exception;
    }

    /**
     * A handler without a result, for a {@code Command<Done>}.
     *
     * @param <C> the class of the commands
     */
    @FunctionalInterface
    interface Action<C> {

        /**
         * Carries out {@code command}.
         *
         * @param command never {@code null}
         * @throws Exception as {@link CommandHandler#handle}
         */
        void run(C command) throws Exception;
    }
}
