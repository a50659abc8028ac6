package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import java.util.Objects;

/**
 * Why a projection stopped, or what its store threw and is tried again.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param projection its name
 * @param position the event that could not be folded; or, if the failure was not in a fold, the last one that was
 * @param cause what was thrown
 * @param retried whether it is tried again with the next signal of the store; otherwise the projection has stopped
 */
public record ProjectionFailure(String projection, Position position, Throwable cause, boolean retried) {

    /**
     * Checks for nulls.
     *
     * @param projection its name
     * @param position the event that could not be folded; or, if the failure was not in a fold, the last one that was
     * @param cause what was thrown
     * @param retried whether it is tried again with the next signal of the store; otherwise the projection has stopped
     * @throws NullPointerException if a part is {@code null}
     */
    public ProjectionFailure {
        Objects.requireNonNull(projection, "projection");
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(cause, "cause");
    }
}
