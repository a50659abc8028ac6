package dev.cqrs.gather;

import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * The answer that was gathered from several sources, and what became of each of them.
 *
 * <p><b>Threads:</b> immutable, if the value is.
 *
 * @param <R> the answer
 * @param value what the answers of the sources were merged into
 * @param outcomes by the name of the source, in the order in which they were given to the gather; copied
 */
public record Gathered<R>(R value, Map<String, Outcome> outcomes) {

    /**
     * Checks for nulls and copies the outcomes.
     *
     * @param value what the answers of the sources were merged into
     * @param outcomes by the name of the source, in the order in which they were given to the gather; copied
     * @throws NullPointerException if a part is {@code null}
     */
    public Gathered {
        Objects.requireNonNull(value, "value");
        outcomes = Collections.unmodifiableMap(new LinkedHashMap<>(outcomes));
    }

    /**
     * Says whether every source has answered.
     *
     * @return whether nothing is missing in the value
     */
    public boolean isComplete() {
        return outcomes.values().stream().allMatch(Answered.class::isInstance);
    }

    /** What became of one source. */
    public sealed interface Outcome {}

    /** The source has answered in time. */
    public record Answered() implements Outcome {}

    /**
     * The source threw.
     *
     * @param cause what it threw; a {@link NullPointerException} if it gave {@code null}
     */
    public record Failed(Throwable cause) implements Outcome {

        /**
         * Checks for null.
         *
         * @param cause what it threw
         * @throws NullPointerException if {@code cause} is {@code null}
         */
        public Failed {
            Objects.requireNonNull(cause, "cause");
        }
    }

    /**
     * The source had not answered when the deadline came, and was cancelled. Its answer is dropped if it still comes.
     *
     * @param timeout how long was waited
     */
    public record Late(Duration timeout) implements Outcome {

        /**
         * Checks for null.
         *
         * @param timeout how long was waited
         * @throws NullPointerException if {@code timeout} is {@code null}
         */
        public Late {
            Objects.requireNonNull(timeout, "timeout");
        }
    }

    /**
     * The executor did not take the source's task, so it was not asked.
     *
     * @param cause what the executor threw
     */
    public record Rejected(Throwable cause) implements Outcome {

        /**
         * Checks for null.
         *
         * @param cause what the executor threw
         * @throws NullPointerException if {@code cause} is {@code null}
         */
        public Rejected {
            Objects.requireNonNull(cause, "cause");
        }
    }

    /** The source was cancelled, as a required one had given no answer and the others' could not help any more. */
    public record Cancelled() implements Outcome {}
}
