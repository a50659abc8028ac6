package dev.cqrs.decider;

import dev.cqrs.event.Fold;
import dev.cqrs.message.WiringException;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * How one family of commands is decided: a state before any event, a decision on a command, and what an event makes of
 * the state.
 *
 * <p>All three are pure: they touch nothing but what they are given, since a decision may be made again and events are
 * folded again and again. The shape is Jérémie Chassaing's (https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider).
 *
 * <p>Implement it with a {@code switch} over sealed types where the language has one; otherwise {@link #builder} takes a
 * function for each class and proves that none is missing.
 *
 * <pre>{@code
 * Decider<Order, State, Happened> orders = Decider.builder(Order.class, Happened.class, State.NEW)
 *         .decide(Place.class, (command, state) -> accept(new Placed(command.id())))
 *         .decide(Cancel.class, (command, state) -> state.shipped() ? reject("shipped") : accept(new Cancelled()))
 *         .evolve(Placed.class, (state, event) -> state.placed())
 *         .evolve(Cancelled.class, (state, event) -> state.cancelled())
 *         .build();
 * }</pre>
 *
 * <p><b>Threads:</b> thread-safe, as pure functions are.
 *
 * @param <C> the commands
 * @param <S> the state, an immutable value
 * @param <E> the events
 */
public interface Decider<C, S, E> {

    /**
     * Gives the state before any event.
     *
     * @return never {@code null}
     */
    S initialState();

    /**
     * Decides on a command.
     *
     * @param command never {@code null}
     * @param state what the events so far add up to
     * @return never {@code null}
     */
    Decision<E> decide(C command, S state);

    /**
     * Takes an event into the state.
     *
     * @param state what the events so far add up to
     * @param event the next one
     * @return the next state, never {@code null}
     */
    S evolve(S state, E event);

    /**
     * Gives the fold of the family's events; events of other families leave the state as it is.
     *
     * @param events the type above all events of the family
     * @return never {@code null}
     */
    default Fold<S> fold(Class<E> events) {
        return Fold.from(initialState()).on(events, this::evolve);
    }

    /**
     * Begins a decider that is put together from a function for each class.
     *
     * @param <C> the commands
     * @param <S> the state
     * @param <E> the events
     * @param commands a sealed type, or a single final class
     * @param events a sealed type, or a single final class
     * @param initialState the state before any event
     * @return a builder without functions
     */
    static <C, S, E> Builder<C, S, E> builder(Class<C> commands, Class<E> events, S initialState) {
        return new Builder<>(
                Objects.requireNonNull(commands, "commands"),
                Objects.requireNonNull(events, "events"),
                Objects.requireNonNull(initialState, "initialState"));
    }

    /**
     * Collects the functions of a {@link Decider}.
     *
     * <p>A function for a sealed type serves all classes below it; the most specific one wins.
     *
     * <p><b>Threads:</b> not thread-safe.
     *
     * @param <C> the commands
     * @param <S> the state
     * @param <E> the events
     */
    final class Builder<C, S, E> {

        private final Class<C> commands;
        private final Class<E> events;
        private final S initialState;
        private final Map<Class<?>, BiFunction<C, S, Decision<E>>> decisions = new LinkedHashMap<>();
        private final List<String> faults = new ArrayList<>();
        private Fold<S> evolution;

        private Builder(Class<C> commands, Class<E> events, S initialState) {
            this.commands = commands;
            this.events = events;
            this.initialState = initialState;
            this.evolution = Fold.from(initialState);
        }

        /**
         * Says how the commands of a class are decided.
         *
         * @param <D> the class of the commands
         * @param type a class of the family, or a sealed type above some
         * @param decide pure, never gives {@code null}
         * @return this builder
         */
        public <D extends C> Builder<C, S, E> decide(
                Class<D> type, BiFunction<? super D, ? super S, ? extends Decision<? extends E>> decide) {
            Objects.requireNonNull(decide, "decide");
            @SuppressWarnings("unchecked") // found by the command's class; a decision is only read from
            var function = (BiFunction<C, S, Decision<E>>) decide;
            if (decisions.putIfAbsent(Objects.requireNonNull(type, "type"), function) != null) {
                faults.add("decide(" + type.getName() + ", ...) was called twice; expected once.");
            }
            return this;
        }

        /**
         * Says what an event of a class makes of the state.
         *
         * @param <F> the class of the events
         * @param type a class of the family, or a sealed type above some
         * @param evolve pure, gives the next state, never {@code null}
         * @return this builder
         */
        public <F extends E> Builder<C, S, E> evolve(
                Class<F> type, BiFunction<? super S, ? super F, ? extends S> evolve) {
            Objects.requireNonNull(evolve, "evolve");
            if (evolution.types().contains(Objects.requireNonNull(type, "type"))) {
                faults.add("evolve(" + type.getName() + ", ...) was called twice; expected once.");
            } else {
                evolution = evolution.on(type, evolve);
            }
            return this;
        }

        /**
         * Makes the decider.
         *
         * @return never {@code null}
         * @throws WiringException listing every fault: classes of commands or events without a function, two functions
         *     for one class, two that fit a class and neither of which is more specific, types below which the classes
         *     cannot be known
         */
        public Decider<C, S, E> build() {
            var all = new ArrayList<>(faults);
            cover(commands, "decide", decisions.keySet(), all);
            cover(events, "evolve", evolution.types(), all);
            if (!all.isEmpty()) {
                throw new WiringException("Decider", all);
            }
            return new Assembled<>(initialState, Map.copyOf(decisions), evolution);
        }

        private static void cover(Class<?> family, String what, Set<Class<?>> functions, List<String> faults) {
            var leaves = new LinkedHashSet<Class<?>>();
            collect(family, leaves);
            for (var leaf : leaves) {
                var best = Assembled.mostSpecific(functions, leaf);
                if (best.isEmpty()) {
                    faults.add(
                            "There is no " + what + "(" + leaf.getName() + ", ...); expected one for each class."
                                    + (Modifier.isFinal(leaf.getModifiers()) || leaf.isSealed()
                                            ? " Add it."
                                            : " It is not sealed, so those for known classes below it are not enough. Add it."));
                } else if (best.size() > 1) {
                    faults.add(what + "(" + best.get(0).getName() + ", ...) and " + what + "("
                            + best.get(1).getName() + ", ...) both fit " + leaf.getName()
                            + ", and neither is more specific. Add one for it.");
                }
            }
        }

        /** Collects the classes that a member of a family can have, and the types below which they cannot be known. */
        private static void collect(Class<?> type, Set<Class<?>> leaves) {
            if (!type.isSealed() || type.isEnum() || !Modifier.isAbstract(type.getModifiers())) {
                leaves.add(type);
            }
            if (type.isSealed() && !type.isEnum()) {
                for (var below : type.getPermittedSubclasses()) {
                    collect(below, leaves);
                }
            }
        }
    }
}
