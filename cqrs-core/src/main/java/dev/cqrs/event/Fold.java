package dev.cqrs.event;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

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
     * Begins a fold at an immutable value. A list or map that steps change would be wrong from the second run on: that is what
     * {@link #fresh} is for.
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
     * @throws IllegalArgumentException if the fold has a step for exactly this class, or it is primitive
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
     * @throws IllegalArgumentException if the fold has a step for exactly this class, or it is primitive
     */
    public <E> Fold<S> change(Class<E> type, BiConsumer<? super S, ? super E> step) {
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(step, "step");
        if (!fresh) {
            throw new IllegalStateException("change(" + type.getSimpleName() + ".class, ...) would change the initial"
                    + " state that all runs of this fold share. Begin with Fold.fresh(supplier) instead of Fold.from.");
        }
        @SuppressWarnings("unchecked") // a step is found by the event's class, and given the state of this fold
        var any = (BiConsumer<Object, Object>) (BiConsumer<?, ?>) step;
        return with(type, true, new Change<S>(any));
    }

    /** A step that changes the state in place, of which a {@link Run} calls the inner part. */
    private record Change<S>(BiConsumer<Object, Object> body) implements Step<S> {
        @Override
        public S apply(S state, Object event) {
            body.accept(state, event);
            return state;
        }
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
        Objects.requireNonNull(event, "event");
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
        var step = resolved.get(Objects.requireNonNull(type, "type"));
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

    /**
     * Gives something to fold many events with.
     *
     * @param state where it begins, such as {@link #initial()}
     * @return a new run
     */
    public Run<S> run(S state) {
        return new Run<>(this, Objects.requireNonNull(state, "state"));
    }

    /**
     * A state into which events are folded, many at a time: faster than one by one, and it is known which one failed.
     *
     * <p><b>Threads:</b> used by one thread at a time, but for {@link #stop()}.
     *
     * @param <S> the state
     */
    public static final class Run<S> {

        /*
         * The processor guesses a call by where it stands. So the classes that come first have a call of their own each, which
         * is found by the number of the class, without a look at the event: by comparisons in turn, of which fewer are guessed
         * wrong than where a switch halves. What is found while folding is used by the next call of take, whose loop then has
         * it at hand.
         *
         * A look at `stopped` for each event would be a twelfth of the time. So who stops takes every class's place away: the
         * next event goes the far way, where `stopped` is looked at. `places` is volatile, so that either that one finds the
         * places of the loop, or the loop finds itself stopped before it begins.
         */

        private static final int NEAR = 8;

        private final Fold<S> fold;
        private final BiConsumer<Object, Object>[] changes = changes();
        private final int[] kindOf = new int[NEAR];
        private int known;
        private volatile byte[] places = {};
        private int placed;
        private S state;
        private int taken;
        private @Nullable Throwable failure;
        private volatile boolean stopped;

        private Run(Fold<S> fold, S state) {
            this.fold = fold;
            this.state = state;
        }

        @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type
        private static BiConsumer<Object, Object>[] changes() {
            BiConsumer<Object, Object>[] none = new BiConsumer[NEAR];
            return none;
        }

        /**
         * Goes on from a state.
         *
         * @param state never {@code null}
         */
        public void from(S state) {
            this.state = Objects.requireNonNull(state, "state");
        }

        /**
         * Gives the state, with the events that were taken.
         *
         * @return never {@code null}
         */
        public S state() {
            return state;
        }

        /**
         * Takes the steps for events, one after the other, until one throws, which is thrown on.
         *
         * @param events holds them
         * @param from the index of the first
         * @param to the index behind the last
         * @return how many were taken: all, unless {@link #stop()} was called
         */
        public int take(Object[] events, int from, int to) {
            int i = from;
            try {
                for (; i < to && !stopped; i++) {
                    state = fold.stepFor(events[i].getClass()).apply(state, events[i]);
                }
            } catch (Throwable thrown) {
                failure = thrown;
                throw thrown;
            } finally {
                taken = i - from;
            }
            return taken;
        }

        /**
         * Takes the steps for events whose classes are known by number, otherwise as {@link #take(Object[], int, int)}; fastest
         * for folds that change their state in place.
         *
         * @param events holds them
         * @param kinds at the same index, the number of the event's class: an index of {@code classes}
         * @param classes the classes by number; always the same for a run
         * @param from the index of the first
         * @param to the index behind the last
         * @return how many were taken: all, unless {@link #stop()} was called
         */
        public int take(Object[] events, char[] kinds, Class<?>[] classes, int from, int to) {
            var place = places(classes.length);
            var c0 = changes[0];
            var c1 = changes[1];
            var c2 = changes[2];
            var c3 = changes[3];
            var c4 = changes[4];
            var c5 = changes[5];
            var c6 = changes[6];
            var c7 = changes[7];
            var now = state;
            int i = from;
            try {
                while (i < to && !stopped) {
                    var same = now; // what changes in place is the same object from event to event
                    for (; i < to; i++) {
                        var event = events[i];
                        int at = place[kinds[i]];
                        if (at == 0) {
                            c0.accept(same, event);
                        } else if (at == 1) {
                            c1.accept(same, event);
                        } else if (at == 2) {
                            c2.accept(same, event);
                        } else if (at == 3) {
                            c3.accept(same, event);
                        } else if (at == 4) {
                            c4.accept(same, event);
                        } else if (at == 5) {
                            c5.accept(same, event);
                        } else if (at == 6) {
                            c6.accept(same, event);
                        } else if (at == 7) {
                            c7.accept(same, event);
                        } else {
                            break;
                        }
                    }
                    if (i < to && !stopped) {
                        now = far(now, events[i], kinds[i], classes);
                        i++;
                    }
                }
            } catch (Throwable thrown) {
                failure = thrown;
                throw thrown;
            } finally {
                state = now;
                taken = i - from;
            }
            return taken;
        }

        /** A step that computes the next state, or one of a class that is new, or none of the first. */
        private S far(S now, Object event, int kind, Class<?>[] classes) {
            var step = fold.stepFor(classes[kind]);
            if (known < NEAR && step instanceof Change<S> change && !isKnown(kind)) {
                changes[known] = change.body();
                kindOf[known++] = kind;
            }
            return step.apply(now, event);
        }

        private boolean isKnown(int kind) {
            for (int i = 0; i < known; i++) {
                if (kindOf[i] == kind) {
                    return true;
                }
            }
            return false;
        }

        /** What was found while folding gets its place, now that the loop can have it at hand. */
        private byte[] places(int kinds) {
            var place = places;
            if (place.length < kinds) {
                place = new byte[kinds];
                Arrays.fill(place, (byte) NEAR);
                placed = 0;
            }
            for (; placed < known; placed++) {
                place[kindOf[placed]] = (byte) placed;
            }
            places = place;
            return place;
        }

        /**
         * Says whether something was thrown by a step of this run, and not by whoever handed it events.
         *
         * @param thrown what was thrown
         * @return whether the last step that threw has thrown it
         */
        public boolean hasThrown(Throwable thrown) {
            return thrown == failure;
        }

        /**
         * Gives how many steps the last {@link #take} took, before one threw where one did.
         *
         * @return zero or more
         */
        public int taken() {
            return taken;
        }

        /** Ends {@link #take} before the next event, now and from now on; from any thread. */
        public void stop() {
            stopped = true;
            Arrays.fill(places, (byte) NEAR);
        }
    }

    private Fold<S> with(Class<?> type, boolean inPlace, Step<S> step) {
        if (Objects.requireNonNull(type, "type").isPrimitive()) {
            throw new IllegalArgumentException("The fold has a step for the primitive type " + type
                    + ", of which no event is; expected the class of an event, or one above.");
        }
        var more = new LinkedHashMap<>(steps);
        if (more.putIfAbsent(type, step) != null) {
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
