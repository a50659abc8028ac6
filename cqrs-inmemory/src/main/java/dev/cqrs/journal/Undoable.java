package dev.cqrs.journal;

import dev.cqrs.command.Command;
import java.util.Objects;
import java.util.Optional;

/**
 * The result of a command together with the command that takes back what it did: what a handler answers whose commands a
 * {@link CommandHistory} can undo.
 *
 * <p>A command that can be undone is a {@code Command<Undoable<R>>}. Sent over a bus without a history it is a command as any
 * other.
 *
 * <p><b>Threads:</b> immutable, if the result is.
 *
 * @param <R> the type of the result
 * @param result what there is to tell
 * @param inverse takes back what was done; empty if nothing can
 */
public record Undoable<R>(R result, Optional<Command<?>> inverse) {

    /**
     * Checks for nulls.
     *
     * @param result what there is to tell
     * @param inverse takes back what was done; empty if nothing can
     * @throws NullPointerException if a part is {@code null}
     */
    public Undoable {
        Objects.requireNonNull(result, "result");
        Objects.requireNonNull(inverse, "inverse");
    }

    /**
     * Gives a result that can be taken back.
     *
     * @param <R> the type of the result
     * @param result what there is to tell
     * @param inverse takes back what was done
     * @return never {@code null}
     */
    public static <R> Undoable<R> reversible(R result, Command<?> inverse) {
        return new Undoable<>(result, Optional.of(inverse));
    }

    /**
     * Gives a result that cannot be taken back.
     *
     * @param <R> the type of the result
     * @param result what there is to tell
     * @return never {@code null}
     */
    public static <R> Undoable<R> irreversible(R result) {
        return new Undoable<>(result, Optional.empty());
    }
}
