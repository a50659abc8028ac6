package dev.cqrs.decider;

import dev.cqrs.event.Fold;
import java.util.Map;
import java.util.Objects;
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
        var type = command.getClass();
        var decide = resolved.get(type);
        if (decide == null) {
            decide = mostSpecific(type);
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

    /** The function for the class itself or for the nearest type above it; coverage was proved when this was built. */
    private BiFunction<C, S, Decision<E>> mostSpecific(Class<?> type) {
        return decisions.entrySet().stream()
                .filter(candidate -> candidate.getKey().isAssignableFrom(type))
                .min((one, other) -> one.getKey().isAssignableFrom(other.getKey()) ? 1 : -1)
                .orElseThrow(() -> new IllegalArgumentException(
                        "This decider has no decide(" + type.getName() + ", ...); expected one of " + decisions.keySet()
                                + ". A null or foreign class was let in by an unchecked cast."))
                .getValue();
    }
}
