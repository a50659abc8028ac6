package dev.cqrs.decider;

import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import java.util.Objects;

/**
 * What a decision depends on: which events, and what they add up to.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param <S> the state
 * @param query the events that matter
 * @param fold what they add up to
 */
public record DecisionModel<S>(EventQuery query, Fold<S> fold) {

    /**
     * Checks for nulls.
     *
     * @param query the events that matter
     * @param fold what they add up to
     * @throws NullPointerException if a part is {@code null}
     */
    public DecisionModel {
        Objects.requireNonNull(query, "query");
        Objects.requireNonNull(fold, "fold");
    }

    /**
     * A state, and the condition that it is still the state.
     *
     * @param <S> the state
     * @param state what the events add up to
     * @param unchanged holds until an event that matters is appended
     */
    public record Loaded<S>(S state, AppendCondition unchanged) {

        /**
         * Checks for nulls.
         *
         * @param state what the events add up to
         * @param unchanged holds until an event that matters is appended
         * @throws NullPointerException if a part is {@code null}
         */
        public Loaded {
            Objects.requireNonNull(state, "state");
            Objects.requireNonNull(unchanged, "unchanged");
        }
    }

    /**
     * Gives a model of the given query and fold.
     *
     * @param <S> the state
     * @param query the events that matter
     * @param fold what they add up to
     * @return never {@code null}
     */
    public static <S> DecisionModel<S> of(EventQuery query, Fold<S> fold) {
        return new DecisionModel<>(query, fold);
    }

    /**
     * Reads the state, and the condition that it is unchanged, in one read.
     *
     * @param store the log
     * @return never {@code null}
     */
    public Loaded<S> load(EventStore store) {
        try (var events = store.read(query)) {
            return new Loaded<>(events.fold(fold), events.unchanged());
        }
    }
}
