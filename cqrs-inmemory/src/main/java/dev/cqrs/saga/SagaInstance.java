package dev.cqrs.saga;

import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * How one instance of a saga or process manager stands, at one moment.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param saga the name of the saga or process manager
 * @param key its key
 * @param version the version of the definition it was started under
 * @param state its state
 * @param step the step it is at, or while parked the first it is stuck at; empty if none
 * @param started when it was started, by the clock of the operations log
 * @param wake when the time for something comes, if it waits for that
 * @param engine the name of the engine that has it; empty if none has
 * @param reason why it is parked, or on its way back, or was compensated; otherwise empty
 * @param skipped the steps that operators had left out, in order
 */
public record SagaInstance(
        String saga,
        String key,
        int version,
        State state,
        String step,
        Instant started,
        Optional<Instant> wake,
        String engine,
        String reason,
        List<String> skipped) {

    /** What has become of an instance. */
    public enum State {
        /** A command of it runs, or is to run. */
        RUNNING,
        /** It waits for an event or for its time. */
        WAITING,
        /** It is on its way back: what took effect is being undone. */
        COMPENSATING,
        /** It stands still until an operator decides; the reason tells why. */
        PARKED,
        /** It ended, and all its steps have taken effect. */
        COMPLETED,
        /** It ended, and all its steps that had taken effect and have a compensation are undone. */
        COMPENSATED,
        /** It ended, but an operator had steps left out, or had a process manager stop. */
        INCOMPLETE;

        /**
         * Says whether this is an end.
         *
         * @return whether nothing more happens
         */
        public boolean isEnd() {
            return compareTo(COMPLETED) >= 0;
        }
    }

    /**
     * Checks for nulls and copies the list.
     *
     * @param saga the name of the saga or process manager
     * @param key its key
     * @param version the version of the definition it was started under
     * @param state its state
     * @param step the step it is at, or while parked the first it is stuck at; empty if none
     * @param started when it was started, by the clock of the operations log
     * @param wake when the time for something comes, if it waits for that
     * @param engine the name of the engine that has it; empty if none has
     * @param reason why it is parked, or on its way back, or was compensated; otherwise empty
     * @param skipped the steps that operators had left out, in order
     * @throws NullPointerException if a part is {@code null}
     */
    public SagaInstance {
        Objects.requireNonNull(saga, "saga");
        Objects.requireNonNull(key, "key");
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(step, "step");
        Objects.requireNonNull(started, "started");
        Objects.requireNonNull(wake, "wake");
        Objects.requireNonNull(engine, "engine");
        Objects.requireNonNull(reason, "reason");
        skipped = List.copyOf(skipped);
    }
}
