package dev.cqrs.journal;

import dev.cqrs.event.Position;
import dev.cqrs.message.Metadata;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * What the journal knows of one command: who sent it with what, when, and what became of it.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param position where its start stands in the operations log
 * @param ended where its end stands there; empty while the outcome is unknown
 * @param id the command's id
 * @param commandName the stable name of its class
 * @param at when its start was written, by the clock of the operations log
 * @param metadata what travelled with it, as far as it is kept
 * @param payload whether the command itself is kept
 * @param outcome what became of it
 * @param failure the name of the class of what was thrown; only with {@link Outcome#FAILED}
 * @param reason why it was rejected, or the message of what was thrown, as far as it is kept; or how the outcome was
 *     {@linkplain Journal#settle found out}
 * @param duration how long handler and inner interceptors took; zero while the outcome is unknown
 * @param appended the last position of the domain log that it wrote itself, if it wrote there and the journal
 *     {@linkplain Journal#noting notes} it
 * @param within the position of the entry in whose handling it was dispatched, if it was
 */
public record JournalEntry(
        Position position,
        Optional<Position> ended,
        String id,
        String commandName,
        Instant at,
        Metadata metadata,
        Payload payload,
        Outcome outcome,
        Optional<String> failure,
        Optional<String> reason,
        Duration duration,
        Optional<Position> appended,
        Optional<Position> within) {

    /** Whether a command itself is kept. The names are stored. */
    public enum Payload {
        /** Only its name. */
        NONE,
        /** As it was sent. */
        WHOLE,
        /** As the function of its class has made it. */
        MASKED
    }

    /** What became of a command. The names are stored. */
    public enum Outcome {
        /** Its handler gave a result. */
        SUCCEEDED,
        /** A decision refused it. */
        REJECTED,
        /** Something else was thrown. */
        FAILED,
        /**
         * It may have taken effect or not: it is under way, or the process ended before the end was written, or the domain log
         * could not tell whether it had written. {@link Journal#settle} says what was found out.
         */
        UNKNOWN
    }

    /**
     * Checks for nulls.
     *
     * @param position where its start stands in the operations log
     * @param ended where its end stands there; empty while the outcome is unknown
     * @param id the command's id
     * @param commandName the stable name of its class
     * @param at when its start was written, by the clock of the operations log
     * @param metadata what travelled with it, as far as it is kept
     * @param payload whether the command itself is kept
     * @param outcome what became of it
     * @param failure the name of the class of what was thrown
     * @param reason why it was rejected, or the message of what was thrown
     * @param duration how long handler and inner interceptors took
     * @param appended the last position of the domain log that it wrote itself
     * @param within the position of the entry in whose handling it was dispatched
     * @throws NullPointerException if a part is {@code null}
     */
    public JournalEntry {
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(ended, "ended");
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(commandName, "commandName");
        Objects.requireNonNull(at, "at");
        Objects.requireNonNull(metadata, "metadata");
        Objects.requireNonNull(payload, "payload");
        Objects.requireNonNull(outcome, "outcome");
        Objects.requireNonNull(failure, "failure");
        Objects.requireNonNull(reason, "reason");
        Objects.requireNonNull(duration, "duration");
        Objects.requireNonNull(appended, "appended");
        Objects.requireNonNull(within, "within");
    }
}
