package dev.cqrs.schedule;

import dev.cqrs.event.Position;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * How a schedule stands, at one moment.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param position up to where the log was looked at
 * @param waiting how many commands are not due yet, or wait to be tried again
 * @param due how many are due, those that a worker has taken included
 * @param oldestDue since when the oldest of those that are due is
 * @param taken how many a worker with a valid claim has taken
 * @param succeeded how many runs have succeeded since the log began
 * @param rejected how many runs were rejected
 * @param failed how many runs have failed and were given up on
 * @param cancelled how many commands were cancelled
 * @param lanes the lanes that have ever been claimed, by number
 */
public record ScheduleStatus(
        Position position,
        long waiting,
        long due,
        Optional<Instant> oldestDue,
        long taken,
        long succeeded,
        long rejected,
        long failed,
        long cancelled,
        List<Lane> lanes) {

    /**
     * Who works in a lane.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param number its number
     * @param worker the name of the last worker that claimed it
     * @param until when that claim ends unless it is renewed; empty if it was given back
     */
    public record Lane(int number, String worker, Optional<Instant> until) {

        /**
         * Checks for nulls.
         *
         * @param number its number
         * @param worker the name of the last worker that claimed it
         * @param until when that claim ends unless it is renewed; empty if it was given back
         * @throws NullPointerException if a part is {@code null}
         */
        public Lane {
            Objects.requireNonNull(worker, "worker");
            Objects.requireNonNull(until, "until");
        }
    }

    /**
     * Checks for nulls and copies the list.
     *
     * @param position up to where the log was looked at
     * @param waiting how many commands are not due yet, or wait to be tried again
     * @param due how many are due, those that a worker has taken included
     * @param oldestDue since when the oldest of those that are due is
     * @param taken how many a worker with a valid claim has taken
     * @param succeeded how many runs have succeeded since the log began
     * @param rejected how many runs were rejected
     * @param failed how many runs have failed and were given up on
     * @param cancelled how many commands were cancelled
     * @param lanes the lanes that have ever been claimed, by number
     * @throws NullPointerException if a part is {@code null}
     */
    public ScheduleStatus {
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(oldestDue, "oldestDue");
        lanes = List.copyOf(lanes);
    }
}
