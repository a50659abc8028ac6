package dev.cqrs.gather;

import dev.cqrs.gather.Gathered.Answered;
import dev.cqrs.gather.Gathered.Failed;
import dev.cqrs.gather.Gathered.Late;
import dev.cqrs.gather.Gathered.Outcome;
import dev.cqrs.gather.Gathered.Rejected;
import dev.cqrs.message.CqrsException;
import dev.cqrs.task.Reasons;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * A gather has no answer, as a source that it requires gave none. What the first one threw is the cause, and what others
 * threw is suppressed in this.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class GatherFailedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    private final transient Map<String, Outcome> outcomes;

    /**
     * Makes the exception and its message.
     *
     * @param queryType the class of the query
     * @param required the name of the required source that decided it
     * @param outcomes what became of each source, in order; holds {@code required}; copied
     */
    public GatherFailedException(Class<?> queryType, String required, Map<String, Outcome> outcomes) {
        super(message(queryType, required, outcomes));
        this.outcomes = Collections.unmodifiableMap(new LinkedHashMap<>(outcomes));
        var decisive = thrown(Objects.requireNonNull(outcomes.get(required), required));
        decisive.ifPresent(this::initCause);
        outcomes.forEach((name, outcome) ->
                thrown(outcome).filter(cause -> !name.equals(required)).ifPresent(this::addSuppressed));
    }

    /**
     * Gives what became of each source.
     *
     * @return an unmodifiable map in the order of the sources; empty in an exception that was serialised and read again
     */
    public Map<String, Outcome> outcomes() {
        return outcomes == null ? Map.of() : outcomes;
    }

    private static String message(Class<?> queryType, String required, Map<String, Outcome> outcomes) {
        return "No answer to " + queryType.getName() + ": the required source \"" + required + "\" gave none. "
                + outcomes.entrySet().stream()
                        .map(entry -> "\"" + entry.getKey() + "\" " + told(entry.getValue()))
                        .collect(Collectors.joining(", "))
                + ". Mend that source, give it more time, or take it as one that may be missing.";
    }

    private static String told(Outcome outcome) {
        if (outcome instanceof Answered) {
            return "answered";
        }
        if (outcome instanceof Failed failed) {
            return "failed with " + Reasons.of(failed.cause());
        }
        if (outcome instanceof Late late) {
            return "was late after " + late.timeout();
        }
        return outcome instanceof Rejected rejected
                ? "was not asked, as the executor threw " + Reasons.of(rejected.cause())
                : "was cancelled";
    }

    private static Optional<Throwable> thrown(Outcome outcome) {
        if (outcome instanceof Failed failed) {
            return Optional.of(failed.cause());
        }
        return outcome instanceof Rejected rejected ? Optional.of(rejected.cause()) : Optional.empty();
    }
}
