package dev.cqrs.schedule;

import java.util.Objects;
import java.util.Optional;

/**
 * What went wrong in a worker: a command failed, or a store or the executor did.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param worker the worker's name
 * @param id the id of the command that failed; empty if a store, the executor or the timer failed, which the worker tries
 *     again a little later
 * @param attempt how often the command was tried, but for the times that do not count; 0 without a command
 * @param again whether it is tried again, or may be, here or by another worker; otherwise the command has ended as failed, or
 *     without one the timer has thrown twice in a row, and this worker waits for the next append that is told, or a command that
 *     ends
 * @param cause what was thrown
 */
public record ScheduleFailure(String worker, Optional<String> id, int attempt, boolean again, Throwable cause) {

    /**
     * Checks for nulls.
     *
     * @param worker the worker's name
     * @param id the id of the command that failed; empty if a store, the executor or the timer failed, which the worker
     *     tries again a little later
     * @param attempt how often the command was tried, but for the times that do not count; 0 without a command
     * @param again whether it is tried again, or may be, here or by another worker; otherwise the command has ended as failed, or
     *     without one the timer has thrown twice in a row, and this worker waits for the next append that is told, or a command that
     *     ends
     * @param cause what was thrown
     * @throws NullPointerException if a part is {@code null}
     */
    public ScheduleFailure {
        Objects.requireNonNull(worker, "worker");
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(cause, "cause");
    }
}
