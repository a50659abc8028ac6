package dev.cqrs.projection;

import dev.cqrs.event.Fold;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.EventQuery;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * A view of the log: a name, a version, which events, and what they add up to.
 *
 * <p>The definition only; an engine such as {@code dev.cqrs.runtime.ProjectionEngine} keeps its view. A new version
 * tells that earlier results of this name are no longer valid.
 *
 * <p>The fold is pure, and runs again whenever the view is built again. What touches the outside is an {@link Effect},
 * which does not.
 *
 * <p>Two projections are equal if they have the same name, version and query, and fold, keys and functions of
 * {@link #savedAs} that are the same objects; those with effects, if these were added by the same calls.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param <V> the view
 */
public final class Projection<V> {

    private final String name;
    private final int version;
    private final EventQuery query;
    private final boolean derived;
    private final Fold<V> fold;
    private final Optional<Keys<?>> keys;
    private final Optional<Each<?>> each;
    private final Fold<Optional<Effect<Object>>> effects;
    private final Optional<Saved<V, ?>> saved;

    private static final Fold<Optional<Effect<Object>>> NO_EFFECTS = Fold.from(Optional.empty());

    /**
     * Touches the world outside the view: sends a mail, calls a service.
     *
     * <p>Performed after the event has been folded, in the order of the log, at least once: again after a crash, and when
     * it has thrown and the event is tried again. Not performed while a view is built again, nor for events up to which an
     * earlier version has come. Whoever must not be told twice is told {@link Trigger#id()}, always the same for
     * an event.
     *
     * @param <E> the class of the events
     */
    @FunctionalInterface
    public interface Effect<E> {

        /**
         * Performs the effect.
         *
         * @param event the event
         * @param trigger says which event of the log it is
         * @throws Exception anything, to say that it failed; it is then treated like a fold that throws
         */
        void perform(E event, Trigger trigger) throws Exception;
    }

    /**
     * What sets off an effect: an event of the log, for a projection.
     *
     * @param projection the projection's name
     * @param event as the log holds it
     * @param part which one it is of those that a stored event was split into and the projection's query means; 0 for the
     *     first, and where there is one
     */
    public record Trigger(String projection, RecordedEvent event, int part) {

        /**
         * Checks for nulls.
         *
         * @param projection the projection's name
         * @param event as the log holds it
         * @param part which one it is of those that a stored event was split into and the projection's query means; 0 for
         *     the first, and where there is one
         * @throws NullPointerException if the name or the event is {@code null}
         * @throws IllegalArgumentException if {@code part} is negative
         */
        public Trigger {
            Objects.requireNonNull(projection, "projection");
            Objects.requireNonNull(event, "event");
            if (part < 0) {
                throw new IllegalArgumentException("The part is " + part + "; expected 0 or more.");
            }
        }

        /**
         * Gives the effect's id: always the same for an event and a projection, whatever its version.
         *
         * @return the projection's name and the event's position, such as {@code "welcome-mails/17"}, and the part behind the
         *     first, such as {@code "welcome-mails/17.1"}
         */
        public String id() {
            var id = projection + "/" + event.position();
            return part == 0 ? id : id + "." + part;
        }
    }

    /**
     * Which of the things that a projection tells of an event belongs to.
     *
     * <p>Events of one key keep their order wherever those of different keys need not: when several workers fold, and when
     * an event that failed is put aside with those that follow it.
     *
     * <p><b>Threads:</b> immutable and thread-safe, as far as the functions are.
     *
     * @param <K> the keys; values with {@code equals} and {@code hashCode}
     */
    public static final class Keys<K> {

        private final Fold<Optional<K>> found;

        private Keys(Fold<Optional<K>> found) {
            this.found = found;
        }

        /**
         * Begins with the events of one class.
         *
         * @param <E> the class of the events
         * @param <K> the keys
         * @param type the events' class, or one above
         * @param key gives an event's key, never {@code null}
         * @return keys for these events
         */
        public static <E, K> Keys<K> by(Class<E> type, Function<? super E, ? extends K> key) {
            return new Keys<K>(Fold.from(Optional.empty())).and(type, key);
        }

        /**
         * Adds the events of another class; where two fit, the most specific one counts.
         *
         * @param <E> the class of the events
         * @param type the events' class, or one above
         * @param key gives an event's key, never {@code null}
         * @return a copy with these events added
         * @throws IllegalArgumentException if this class has been given, or is primitive
         */
        public <E> Keys<K> and(Class<E> type, Function<? super E, ? extends K> key) {
            Objects.requireNonNull(key, "key");
            return new Keys<>(found.on(
                    type,
                    (none, event) -> Optional.of(Objects.requireNonNull(
                            key.apply(event), () -> "The key of an event of " + type.getName() + " is null."))));
        }

        /**
         * Gives the key of an event.
         *
         * @param event never {@code null}
         * @return never {@code null}
         * @throws IllegalArgumentException if no class that was given fits
         * @throws NullPointerException if the function gives {@code null}
         */
        public K of(Object event) {
            var key = find(event);
            if (key.isEmpty()) { // no lambda: it is asked for each event
                throw new IllegalArgumentException(
                        "An event of " + event.getClass().getName() + " has no key; expected one of " + found.types()
                                + ". Add its class with and(...).");
            }
            return key.get();
        }

        /**
         * Gives the key of an event, if it has one.
         *
         * @param event never {@code null}
         * @return empty if no class that was given fits
         * @throws NullPointerException if the function gives {@code null}
         */
        public Optional<K> find(Object event) {
            return found.apply(Optional.empty(), event);
        }
    }

    /**
     * What the events of one key add up to.
     *
     * @param <S> the state of a key, an immutable value
     * @param fold its fold
     * @param gone which states are not kept, so that their keys are not in the view
     */
    public record Each<S>(Fold<S> fold, Predicate<? super S> gone) {

        /**
         * Checks the fold.
         *
         * @param fold its fold
         * @param gone which states are not kept, so that their keys are not in the view
         * @throws NullPointerException if a part is {@code null}
         * @throws IllegalArgumentException if the fold changes its state in place
         */
        public Each {
            Objects.requireNonNull(fold, "fold");
            Objects.requireNonNull(gone, "gone");
            if (fold.changesInPlace()) {
                throw new IllegalArgumentException("The fold of each key changes its state in place; expected immutable"
                        + " values, as readers see those of all keys at one position. Use on(...) for every step.");
            }
        }
    }

    /**
     * How a view is turned into what is saved of it, and back.
     *
     * @param <V> the view
     * @param <T> what is saved
     * @param type the class of what is saved
     * @param save gives what is saved: a value that no later change of the view reaches
     * @param load gives the view again
     */
    public record Saved<V, T>(
            Class<T> type, Function<? super V, ? extends T> save, Function<? super T, ? extends V> load) {

        /**
         * Checks for nulls.
         *
         * @param type the class of what is saved
         * @param save gives what is saved: a value that no later change of the view reaches
         * @param load gives the view again
         * @throws NullPointerException if a part is {@code null}
         * @throws IllegalArgumentException if the class is primitive
         */
        public Saved {
            Objects.requireNonNull(type, "type");
            Objects.requireNonNull(save, "save");
            Objects.requireNonNull(load, "load");
            if (type.isPrimitive()) {
                throw new IllegalArgumentException("A view is saved as the primitive type " + type
                        + ", of which no object is; expected the class around it.");
            }
        }
    }

    /**
     * Makes a projection of the events that a query means.
     *
     * @param name its stable name, unique in an application; not blank
     * @param version 1 or more, raised whenever the meaning of the fold changes
     * @param query the events that matter
     * @param fold what they add up to
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if the name is blank or the version less than 1
     */
    public Projection(String name, int version, EventQuery query, Fold<V> fold) {
        this(
                name,
                version,
                Objects.requireNonNull(query, "query"),
                false,
                fold,
                Optional.empty(),
                Optional.empty(),
                NO_EFFECTS,
                Optional.empty());
    }

    private Projection(
            String name,
            int version,
            EventQuery query,
            boolean derived,
            Fold<V> fold,
            Optional<Keys<?>> keys,
            Optional<Each<?>> each,
            Fold<Optional<Effect<Object>>> effects,
            Optional<Saved<V, ?>> saved) {
        if (Objects.requireNonNull(name, "name").isBlank()) {
            throw new IllegalArgumentException(
                    "A projection's name is blank; expected a stable name such as \"balances\".");
        }
        if (version < 1) {
            throw new IllegalArgumentException(
                    "The version of projection \"" + name + "\" is " + version + "; expected 1 or more.");
        }
        this.name = name;
        this.version = version;
        this.query = query;
        this.derived = derived;
        this.fold = Objects.requireNonNull(fold, "fold");
        this.keys = keys;
        this.each = each;
        this.effects = effects;
        this.saved = saved;
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
        return new Projection<>(
                name,
                version,
                types(name, fold),
                true,
                fold,
                Optional.empty(),
                Optional.empty(),
                NO_EFFECTS,
                Optional.empty());
    }

    /**
     * Gives a projection with a state for each key; otherwise as {@link #keyed(String, int, Keys, Fold, Predicate)}, where
     * every state is kept.
     *
     * @param <K> the keys
     * @param <S> the state of a key
     * @param name its stable name
     * @param version 1 or more
     * @param keys which key an event belongs to; for every event that the fold has a step for
     * @param fold what the events of one key add up to
     * @return a projection whose view is a map, unmodifiable
     */
    public static <K, S> Projection<Map<K, S>> keyed(String name, int version, Keys<K> keys, Fold<S> fold) {
        return keyed(name, version, keys, fold, state -> false);
    }

    /**
     * Gives a projection with a state for each key, of all events for which the fold has a step.
     *
     * <p>Readers see all keys as of one position, without a lock, and several workers may fold.
     *
     * @param <K> the keys
     * @param <S> the state of a key, an immutable value
     * @param name its stable name
     * @param version 1 or more
     * @param keys which key an event belongs to; for every event that the fold has a step for; others need
     *     none, and add none to the view
     * @param fold what the events of one key add up to; with at least one step
     * @param gone which states are not kept, that of a closed account for instance; the key's next event begins anew
     * @return a projection whose view is a map, unmodifiable
     * @throws IllegalArgumentException if the fold has no step or changes its state in place, the name is blank or the
     *     version less than 1
     */
    public static <K, S> Projection<Map<K, S>> keyed(
            String name, int version, Keys<K> keys, Fold<S> fold, Predicate<? super S> gone) {
        Objects.requireNonNull(keys, "keys");
        var each = new Each<S>(fold, gone);
        Fold<Map<K, S>> whole = Fold.fresh(HashMap::new);
        for (var type : fold.types()) { // the engine keeps a map of its own; this one is that of past positions
            whole = whole.change(type, step(keys, each));
        }
        return new Projection<>(
                name,
                version,
                types(name, fold),
                true,
                whole,
                Optional.of(keys),
                Optional.of(each),
                NO_EFFECTS,
                Optional.empty());
    }

    private static <K, S> BiConsumer<Map<K, S>, Object> step(Keys<K> keys, Each<S> each) {
        return (view, event) -> {
            var key = keys.of(event);
            var before = view.get(key);
            var after = each.fold().apply(before == null ? each.fold().initial() : before, event);
            if (each.gone().test(after)) {
                view.remove(key);
            } else {
                view.put(key, after);
            }
        };
    }

    private static EventQuery types(String name, Fold<?> fold) {
        var types = fold.types().toArray(Class<?>[]::new);
        if (types.length == 0) {
            throw new IllegalArgumentException("The fold of projection \"" + name
                    + "\" has no step; expected at least one. Add steps with on(...) or change(...).");
        }
        return EventQuery.types(types[0], Arrays.copyOfRange(types, 1, types.length));
    }

    /**
     * Gives this projection narrowed or widened to another query.
     *
     * @param query the events that matter
     * @return a new projection
     */
    public Projection<V> over(EventQuery query) {
        return new Projection<>(
                name, version, Objects.requireNonNull(query, "query"), false, fold, keys, each, effects, saved);
    }

    /**
     * Gives this projection with one more effect.
     *
     * <p>Unless a query was given, the events of this class matter from now on.
     *
     * @param <E> the class of the events
     * @param type the events' class, or one above; the most specific effect that fits is performed
     * @param effect what to do
     * @return a new projection
     * @throws IllegalArgumentException if there is an effect for exactly this class, or it is primitive
     */
    public <E> Projection<V> effect(Class<E> type, Effect<? super E> effect) {
        Objects.requireNonNull(effect, "effect");
        if (effects.types().contains(Objects.requireNonNull(type, "type"))) {
            throw new IllegalArgumentException("Projection \"" + name + "\" has two effects for " + type.getName()
                    + "; expected one. Merge them.");
        }
        @SuppressWarnings("unchecked") // an effect is found by the event's class
        var any = (Effect<Object>) effect;
        var wider = derived ? query.or(EventQuery.types(type)) : query;
        return new Projection<>(
                name,
                version,
                wider,
                derived,
                fold,
                keys,
                each,
                effects.on(type, (none, e) -> Optional.of(any)),
                saved);
    }

    /**
     * Gives this projection with keys, so that an event that fails can be put aside with those that follow it.
     *
     * @param keys which key an event belongs to
     * @return a new projection
     * @throws IllegalStateException if it is keyed already
     */
    public Projection<V> by(Keys<?> keys) {
        Objects.requireNonNull(keys, "keys");
        if (each.isPresent()) {
            throw new IllegalStateException(
                    "Projection \"" + name + "\" has a state for each key; other keys would contradict them.");
        }
        return new Projection<>(name, version, query, derived, fold, Optional.of(keys), each, effects, saved);
    }

    /**
     * Gives this projection with a way to save its view as something else: because it is changed in place, or because its
     * class is none that a store can write, such as a map.
     *
     * @param <T> what is saved
     * @param type its class
     * @param save gives what is saved: a value that no later change of the view reaches
     * @param load gives the view again
     * @return a new projection
     * @throws IllegalArgumentException if the class is primitive
     */
    public <T> Projection<V> savedAs(
            Class<T> type, Function<? super V, ? extends T> save, Function<? super T, ? extends V> load) {
        return new Projection<>(
                name,
                version,
                query,
                derived,
                fold,
                keys,
                each,
                effects,
                Optional.of(new Saved<V, T>(type, save, load)));
    }

    /**
     * Gives its name.
     *
     * @return stable, unique in an application, not blank
     */
    public String name() {
        return name;
    }

    /**
     * Gives its version.
     *
     * @return 1 or more
     */
    public int version() {
        return version;
    }

    /**
     * Gives the events that matter.
     *
     * @return never {@code null}
     */
    public EventQuery query() {
        return query;
    }

    /**
     * Gives what the events add up to.
     *
     * @return never {@code null}; for a view with a state for each key, a fold that changes a map in place
     */
    public Fold<V> fold() {
        return fold;
    }

    /**
     * Gives which key an event belongs to.
     *
     * @return empty if the projection has no keys
     */
    public Optional<Keys<?>> keys() {
        return keys;
    }

    /**
     * Gives what the events of one key add up to.
     *
     * @return empty unless the view has a state for each key
     */
    public Optional<Each<?>> each() {
        return each;
    }

    /**
     * Gives how the view is saved.
     *
     * @return empty if it is saved as it is
     */
    public Optional<Saved<V, ?>> saved() {
        return saved;
    }

    /**
     * Says whether there is an effect.
     *
     * @return whether {@link #effect} was called
     */
    public boolean hasEffects() {
        return !effects.types().isEmpty();
    }

    /**
     * Gives the effect that an event has.
     *
     * @param event never {@code null}
     * @return empty if it has none
     * @throws IllegalStateException if two effects fit and neither is more specific
     */
    public Optional<Effect<Object>> effectOf(Object event) {
        return effects.apply(Optional.empty(), event);
    }

    @Override
    public boolean equals(Object other) {
        return this == other
                || (other instanceof Projection<?> that
                        && name.equals(that.name)
                        && version == that.version
                        && query.equals(that.query)
                        && (each.isPresent() ? each.equals(that.each) : fold == that.fold)
                        && keys.equals(that.keys)
                        && effects == that.effects
                        && saved.equals(that.saved));
    }

    @Override
    public int hashCode() {
        return Objects.hash(name, version);
    }

    @Override
    public String toString() {
        return "Projection[" + name + ", version " + version + ", of " + query + "]";
    }
}
