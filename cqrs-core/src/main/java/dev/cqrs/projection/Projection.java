package dev.cqrs.projection;

import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.EventQuery;
import java.util.Objects;

/**
 * A view of the log: a name, a version, which events, and what they add up to.
 *
 * <p>The definition only; an engine such as {@code dev.cqrs.runtime.ProjectionEngine} keeps its view. A new version
 * tells that earlier results of this name are no longer valid.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param <V> the view
 * @param name its stable name, unique in an application; not blank
 * @param version 1 or more, raised whenever the meaning of the fold changes
 * @param query the events that matter
 * @param fold what they add up to
 */
public record Projection<V>(String name, int version, EventQuery query, Fold<V> fold) {

    /**
     * Checks the parts.
     *
     * @param name its stable name, unique in an application; not blank
     * @param version 1 or more, raised whenever the meaning of the fold changes
     * @param query the events that matter
     * @param fold what they add up to
     * @throws NullPointerException if a part is {@code null}
     * @throws IllegalArgumentException if the name is blank or the version less than 1
     */
    public Projection {
        if (name.isBlank()) {
            throw new IllegalArgumentException(
                    "A projection's name is blank; expected a stable name such as \"balances\".");
        }
        if (version < 1) {
            throw new IllegalArgumentException(
                    "The version of projection \"" + name + "\" is " + version + "; expected 1 or more.");
        }
        Objects.requireNonNull(query, "query");
        Objects.requireNonNull(fold, "fold");
    }

    /**
     * Gives a projection of all events for which the fold has a step.
     *
     * @param <V> the view
     * @param name its stable name
     * @param version 1 or more
     * @param fold what the events add up to; with at least one step
     * @return never {@code null}
     * @throws IllegalArgumentException if the fold has no step, the name is blank or the version less than 1
     */
    public static <V> Projection<V> of(String name, int version, Fold<V> fold) {
        var types = fold.types().toArray(Class<?>[]::new);
        if (types.length == 0) {
            throw new IllegalArgumentException("The fold of projection \"" + name
                    + "\" has no step; expected at least one. Add steps with on(...) or change(...).");
        }
        return new Projection<>(
                name, version, EventQuery.types(types[0], java.util.Arrays.copyOfRange(types, 1, types.length)), fold);
    }

    /**
     * Gives this projection narrowed or widened to another query.
     *
     * @param query the events that matter
     * @return a new projection
     */
    public Projection<V> over(EventQuery query) {
        return new Projection<>(name, version, query, fold);
    }
}
