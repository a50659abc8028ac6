package dev.cqrs.queue;

import dev.cqrs.command.Command;
import dev.cqrs.message.Metadata;
import java.util.Objects;

/**
 * A command that a queue had accepted, and that ended with an exception.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param command the command
 * @param metadata with which it was enqueued
 * @param cause what the bus, the context, the executor or the key, when it was hashed or compared, threw; the
 *     same with which the command's stage ends
 */
public record QueueFailure(Command<?> command, Metadata metadata, Throwable cause) {

    /**
     * Checks for nulls.
     *
     * @param command the command
     * @param metadata with which it was enqueued
     * @param cause what was thrown
     * @throws NullPointerException if a part is {@code null}
     */
    public QueueFailure {
        Objects.requireNonNull(command, "command");
        Objects.requireNonNull(metadata, "metadata");
        Objects.requireNonNull(cause, "cause");
    }
}
