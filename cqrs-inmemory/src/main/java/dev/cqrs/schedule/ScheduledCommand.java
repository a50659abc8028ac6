package dev.cqrs.schedule;

import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * How a stored command stands, at one moment.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param id its id
 * @param state what has become of it
 * @param due when it is due, or is tried again, if it waits for that; when it was due if it is due now and was not stored
 *     to run at once
 * @param attempts how often it was tried, so far as the log tells: for one that runs again and again, the last time it was
 *     due
 * @param occurrences how often it has run to an end; more than 1 only if it runs again and again
 * @param reason why it was rejected or has failed, the last time; otherwise empty
 */
public record ScheduledCommand(
        String id, State state, Optional<Instant> due, int attempts, int occurrences, String reason) {

    /** What has become of a stored command. */
    public enum State {
        /** It is not due yet, or waits to be tried again. */
        WAITING,
        /** It is due, and no worker has taken it. */
        DUE,
        /**
         * A worker has taken it and not given it back: it runs, or will after others. Who has taken it may have been killed
         * meanwhile.
         */
        TAKEN,
        /** It ran, and its handler returned. */
        SUCCEEDED,
        /** It ran, and was rejected by its decision. */
        REJECTED,
        /** Its handler threw something else, each time. */
        FAILED,
        /** It does not run, or not again. */
        CANCELLED;

        /**
         * Says whether this is an end.
         *
         * @return whether it has run for the last time, or will not run
         */
        public boolean isEnd() {
            return compareTo(SUCCEEDED) >= 0;
        }
    }

    /**
     * Checks for nulls.
     *
     * @param id its id
     * @param state what has become of it
     * @param due when it is due, or is tried again, if it waits for that; when it was due if it is due now and was not
     *     stored to run at once
     * @param attempts how often it was tried
     * @param occurrences how often it has run to an end
     * @param reason why it was rejected or has failed, the last time; otherwise empty
     * @throws NullPointerException if a part is {@code null}
     */
    public ScheduledCommand {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(due, "due");
        Objects.requireNonNull(reason, "reason");
    }
}
