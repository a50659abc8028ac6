package dev.cqrs.saga;

import java.util.Objects;
import java.util.Optional;

/**
 * What went wrong in an engine: a command failed, an instance was parked, a function of the application threw, or a store or
 * the executor did.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param engine the engine's name
 * @param saga the name of the saga or process manager; empty if a store, the executor or the timer failed, which the engine
 *     tries again a little later, or if another engine of its name was started while it runs, which is not
 * @param key the key of the instance; empty if it is not known
 * @param step the step; empty if none
 * @param again whether it is tried again; a timer that throws twice in a row is not, until the next append that is told, command
 *     that ends, or word of an operator
 * @param cause what was thrown
 */
public record SagaFailure(
        String engine, Optional<String> saga, Optional<String> key, String step, boolean again, Throwable cause) {

    /**
     * Checks for nulls.
     *
     * @param engine the engine's name
     * @param saga the name of the saga or process manager; empty if a store, the executor or the timer failed, which the
     *     engine tries again a little later, or if another engine of its name was started while it runs
     * @param key the key of the instance; empty if it is not known
     * @param step the step; empty if none
     * @param again whether it is tried again; a timer that throws twice in a row is not, until the next append that is told, command
     *     that ends, or word of an operator
     * @param cause what was thrown
     * @throws NullPointerException if a part is {@code null}
     */
    public SagaFailure {
        Objects.requireNonNull(engine, "engine");
        Objects.requireNonNull(saga, "saga");
        Objects.requireNonNull(key, "key");
        Objects.requireNonNull(step, "step");
        Objects.requireNonNull(cause, "cause");
    }
}
