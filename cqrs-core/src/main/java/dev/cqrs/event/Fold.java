package dev.cqrs.event;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Supplier;

/**
 * How events add up to a state: an initial state, and a step for each class of event.
 *
 * <p>States, views, snapshots, past moments: all are folds of the log. Events of a class without a step leave the state
 * as it is. A step for an interface or a class serves everything below it; the most specific step wins.
 *
 * <p>Steps are pure: they touch nothing but the state. They never append, dispatch, or read a clock, because they run
 * again whenever the state is computed again.
 *
 * <p><b>Threads:</b> immutable and thread-safe, as far as the steps are.
 *
 * @param <S> the state; an immutable value with {@link #on}, or an object of its own for each run with {@link #change}
 */
public final class Fold<S> {

    private final Supplier<? extends S> initial;
    private final boolean fresh;
    private final boolean inPlace;
    private final Map<Class<?>, Step<S>> steps;
    private final ConcurrentHashMap<Class<?>, Step<S>> resolved = new ConcurrentHashMap<>();

    /**
     * The step that a fold takes for the events of one class.
     *
     * @param <S> the state
     */
    @FunctionalInterface
    public interface Step<S> {

        /**
         * Takes the step.
         *
         * @param state the state so far
         * @param event an event of the class
         * @return the next state, never {@code null}; the same object where the state is changed in place
         */
        S apply(S state, Object event);
    }

    private Fold(Supplier<? extends S> initial, boolean fresh, boolean inPlace, Map<Class<?>, Step<S>> steps) {
        this.initial = initial;
        this.fresh = fresh;
        this.inPlace = inPlace;
        this.steps = steps;
    }

    /**
     * Begins a fold at an immutable value.
     *
     * @param <S> the state
     * @param initial the state before any event, shared by all runs of the fold
     * @return a fold without steps
     */
    public static <S> Fold<S> from(S initial) {
        Objects.requireNonNull(initial, "initial");
        return new Fold<>(() -> initial, false, false, Map.of());
    }

    /**
     * Begins a fold at a new object for each run, which steps may change in place.
     *
     * @param <S> the state
     * @param initial makes the state before any event; called once a run, never gives {@code null}
     * @return a fold without steps
     */
    public static <S> Fold<S> fresh(Supplier<S> initial) {
        return new Fold<>(Objects.requireNonNull(initial, "initial"), true, false, Map.of());
    }

    /**
     * Gives this fold with one more step, which computes the next state.
     *
     * @param <E> the class of the events
     * @param type the events' class, or one above
     * @param step gives the next state from the state and the event, never {@code null}
     * @return a new fold; this one is unchanged
     * @throws IllegalArgumentException if the fold has a step for exactly this class
     */
    public <E> Fold<S> on(Class<E> type, BiFunction<? super S, ? super E, ? extends S> step) {
        Objects.requireNonNull(step, "step");
        return with(type, inPlace, (state, event) -> {
            @SuppressWarnings("unchecked") // a step is found by the event's class
            S next = step.apply(state, (E) event);
            if (next == null) {
                throw new NullPointerException(
                        "The step for " + type.getName()
                                + " returned null; expected the next state. Return the state it was given to leave it as it is.");
            }
            return next;
        });
    }

    /**
     * Gives this fold with one more step, which changes the state in place.
     *
     * @param <E> the class of the events
     * @param type the events' class, or one above
     * @param step changes the state it is given
     * @return a new fold; this one is unchanged
     * @throws IllegalStateException if the fold begins with {@link #from}: its initial state is shared by all runs
     * @throws IllegalArgumentException if the fold has a step for exactly this class
     */
    public <E> Fold<S> change(Class<E> type, BiConsumer<? super S, ? super E> step) {
        Objects.requireNonNull(step, "step");
        if (!fresh) {
            throw new IllegalStateException("change(" + type.getSimpleName() + ".class, ...) would change the initial"
                    + " state that all runs of this fold share. Begin with Fold.fresh(supplier) instead of Fold.from.");
        }
        return with(type, true, (state, event) -> {
            @SuppressWarnings("unchecked") // a step is found by the event's class
            E typed = (E) event;
            step.accept(state, typed);
            return state;
        });
    }

    /**
     * Gives the state before any event.
     *
     * @return never {@code null}
     */
    public S initial() {
        return Objects.requireNonNull(
                initial.get(), "The initial state of Fold.fresh is null; expected a new state for each run.");
    }

    /**
     * Takes one step.
     *
     * @param state the state so far, never {@code null}
     * @param event the event, never {@code null}
     * @return the next state; {@code state} itself if the fold has no step for the event's class
     * @throws IllegalStateException if two steps fit the event's class and neither is more specific
     */
    public S apply(S state, Object event) {
        return stepFor(event.getClass()).apply(Objects.requireNonNull(state, "state"), event);
    }

    /**
     * Gives the step for events of exactly {@code type}, for stores that look it up once for many events.
     *
     * @param type the class of an event
     * @return never {@code null}; a step that changes nothing if the fold has none for the class
     * @throws IllegalStateException if two steps fit and neither is more specific
     */
    public Step<S> stepFor(Class<?> type) {
        var step = resolved.get(type);
        return step != null ? step : resolve(type);
    }

    /**
     * Gives the classes for which this fold has a step.
     *
     * @return an unmodifiable set, in the order of the calls
     */
    public Set<Class<?>> types() {
        return steps.keySet();
    }

    /**
     * Says whether a step changes the state in place, so that a state once handed out does not stay what it was.
     *
     * @return whether {@link #change} was called
     */
    public boolean changesInPlace() {
        return inPlace;
    }

    private Fold<S> with(Class<?> type, boolean inPlace, Step<S> step) {
        var more = new LinkedHashMap<>(steps);
        if (more.putIfAbsent(Objects.requireNonNull(type, "type"), step) != null) {
            throw new IllegalArgumentException(
                    "The fold has two steps for " + type.getName() + "; expected one. Merge them.");
        }
        return new Fold<>(initial, fresh, inPlace, Collections.unmodifiableMap(more));
    }

    private Step<S> resolve(Class<?> type) {
        var fitting = steps.keySet().stream()
                .filter(candidate -> candidate.isAssignableFrom(type))
                .toList();
        var best = fitting.stream()
                .filter(one -> fitting.stream().noneMatch(other -> other != one && one.isAssignableFrom(other)))
                .toList();
        if (best.size() > 1) {
            throw new IllegalStateException("The steps for " + best.get(0).getName() + " and "
                    + best.get(1).getName() + " both fit " + type.getName()
                    + ", and neither is more specific. Add a step for it.");
        }
        Step<S> step = best.isEmpty() ? (state, event) -> state : Objects.requireNonNull(steps.get(best.get(0)));
        resolved.put(type, step);
        return step;
    }
}
