package dev.cqrs.imports;

import dev.cqrs.event.Position;
import java.util.Objects;
import java.util.Optional;

/**
 * How an import stands, at one moment.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param source the name of the source
 * @param state whether it still follows the source
 * @param position the last position of the source's log that is dealt with: imported, or not wanted
 * @param head the last position of the source's log; while the source cannot be asked, the last one known
 * @param failure why it stopped, or what is tried again, if it is one of these
 */
public record ImportStatus(String source, State state, Position position, Position head, Optional<Failure> failure) {

    /** Whether an import still follows its source. */
    public enum State {
        /** It follows the source. */
        RUNNING,
        /** It follows the source, but a store or the executor has failed and is tried again. */
        RETRYING,
        /** It failed, and is not tried again. */
        STOPPED,
        /** It was closed. */
        CLOSED
    }

    /**
     * Why an import stopped, or what it tries again.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param source the name of the source
     * @param position the event of the source that could not be translated; or, if the failure was elsewhere, the last
     *     position that is dealt with
     * @param cause what was thrown
     */
    public record Failure(String source, Position position, Throwable cause) {

        /**
         * Checks for nulls.
         *
         * @param source the name of the source
         * @param position the event of the source that could not be translated; or, if the failure was elsewhere, the
         *     last position that is dealt with
         * @param cause what was thrown
         * @throws NullPointerException if a part is {@code null}
         */
        public Failure {
            Objects.requireNonNull(source, "source");
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(cause, "cause");
        }
    }

    /**
     * Checks for nulls.
     *
     * @param source the name of the source
     * @param state whether it still follows the source
     * @param position the last position of the source's log that is dealt with: imported, or not wanted
     * @param head the last position of the source's log; while the source cannot be asked, the last one known
     * @param failure why it stopped, or what is tried again, if it is one of these
     * @throws NullPointerException if a part is {@code null}
     */
    public ImportStatus {
        Objects.requireNonNull(source, "source");
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(head, "head");
        Objects.requireNonNull(failure, "failure");
    }

    /**
     * Gives how many positions of the source's log are not dealt with yet.
     *
     * @return zero or more
     */
    public long lag() {
        return Math.max(0, head.value() - position.value());
    }
}
