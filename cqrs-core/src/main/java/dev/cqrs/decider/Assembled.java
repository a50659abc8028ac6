package dev.cqrs.decider;

import dev.cqrs.event.Fold;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;

/** A decider put together from a function for each class. */
final class Assembled<C, S, E> implements Decider<C, S, E> {

    private final S initialState;
    private final Map<Class<?>, BiFunction<C, S, Decision<E>>> decisions;
    private final Map<Class<?>, BiFunction<C, S, Decision<E>>> resolved = new ConcurrentHashMap<>();
    private final Fold<S> evolution;

    Assembled(S initialState, Map<Class<?>, BiFunction<C, S, Decision<E>>> decisions, Fold<S> evolution) {
        this.initialState = initialState;
        this.decisions = decisions;
        this.evolution = evolution;
    }

    @Override
    public S initialState() {
        return initialState;
    }

    @Override
    public Decision<E> decide(C command, S state) {
        var type = Objects.requireNonNull(command, "command").getClass();
        var decide = resolved.get(type);
        if (decide == null) {
            decide = functionFor(type);
            resolved.put(type, decide);
        }
        return Objects.requireNonNull(
                decide.apply(command, Objects.requireNonNull(state, "state")),
                () -> "The decision on " + type.getName() + " is null; return accept(...) or reject(reason).");
    }

    @Override
    public S evolve(S state, E event) {
        return evolution.apply(state, event);
    }

    /** The steps themselves: found once a class, not once again behind {@link #evolve}. */
    @Override
    public Fold<S> fold(Class<E> events) {
        Objects.requireNonNull(events, "events");
        return evolution;
    }

    /** The function for the class itself or for the nearest type above it; coverage was proved when this was built. */
    private BiFunction<C, S, Decision<E>> functionFor(Class<?> type) {
        var best = mostSpecific(decisions.keySet(), type);
        if (best.isEmpty()) {
            throw new IllegalArgumentException(
                    "This decider has no decide(" + type.getName() + ", ...); expected one of " + decisions.keySet()
                            + ". A foreign class was let in by an unchecked cast.");
        }
        if (best.size() > 1) { // only below a type that is not sealed: others were seen when this was built
            throw new IllegalStateException("decide(" + best.get(0).getName() + ", ...) and decide("
                    + best.get(1).getName() + ", ...) both fit " + type.getName()
                    + ", and neither is more specific. Add one for it.");
        }
        return Objects.requireNonNull(decisions.get(best.get(0)));
    }

    /** Those that fit a class and have no other such below them; several where none is nearest. */
    static List<Class<?>> mostSpecific(Set<Class<?>> candidates, Class<?> type) {
        var fitting = candidates.stream()
                .filter(candidate -> candidate.isAssignableFrom(type))
                .toList();
        return fitting.stream()
                .filter(one -> fitting.stream().noneMatch(other -> other != one && one.isAssignableFrom(other)))
                .<Class<?>>map(one -> one)
                .toList();
    }
}
