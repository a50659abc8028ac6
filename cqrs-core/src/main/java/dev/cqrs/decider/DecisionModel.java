package dev.cqrs.decider;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.eventstore.Timeline;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What a decision depends on: which events, and what they add up to.
 *
 * <p>Small models compose into one: each keeps its own query and fold, and an event reaches only those whose query
 * matches it.
 *
 * <pre>{@code
 * DecisionModel<Boolean> mayJoin = seatsLeft(course).and(coursesOf(student), (left, taken) -> left > 0 && taken < 10);
 * }</pre>
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param <S> the state
 */
public final class DecisionModel<S> {

    private final List<Part<?>> parts;
    private final Function<Object[], S> combine;
    private final EventQuery query;

    /** What the parts without snapshots read, all of it at once. */
    private final @Nullable EventQuery unsaved;

    /** Whether some part has snapshots. */
    private final boolean saved;

    /**
     * One query and one fold.
     *
     * @param snapshots where the state is kept between reads
     * @param key the state's own name there
     */
    record Part<P>(EventQuery query, Fold<P> fold, @Nullable Snapshots<P> snapshots, String key) {

        /** Takes an event into the state if the query matches it. */
        Object afterIfMatching(Object state, Object event, Set<Tag> tags) {
            if (!query.matches(event.getClass(), tags)) {
                return state;
            }
            @SuppressWarnings("unchecked") // a part's own state is handed back to it
            P own = (P) state;
            return fold.apply(own, event);
        }

        Object afterAll(EventStream events, Object state) {
            @SuppressWarnings("unchecked") // as above
            P own = (P) state;
            return events.fold(fold, own);
        }

        /** Looks for a snapshot, where there are any. */
        Optional<Snapshots.Found> find() {
            return snapshots == null ? Optional.empty() : Optional.of(snapshots.find(key));
        }

        Snapshots.Read<P> read(Snapshots.Found snapshot, EventStore store, @Nullable Position until) {
            return Objects.requireNonNull(snapshots).read(this, snapshot, store, until);
        }
    }

    private DecisionModel(List<Part<?>> parts, Function<Object[], S> combine) {
        this.parts = parts;
        this.combine = combine;
        var all = new ArrayList<EventQuery>(parts.size());
        var rest = new ArrayList<EventQuery>(parts.size());
        for (var part : parts) { // made for each command: no streams
            all.add(part.query());
            if (part.snapshots() == null) {
                rest.add(part.query());
            }
        }
        this.query = union(all);
        this.unsaved = rest.isEmpty() ? null : rest.size() == all.size() ? query : union(rest);
        this.saved = rest.size() < all.size();
    }

    /** With another state of the same parts. */
    private DecisionModel(DecisionModel<?> same, Function<Object[], S> combine) {
        this.parts = same.parts;
        this.combine = combine;
        this.query = same.query;
        this.unsaved = same.unsaved;
        this.saved = same.saved;
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
        return of(new Part<>(Objects.requireNonNull(query, "query"), Objects.requireNonNull(fold, "fold"), null, ""));
    }

    @SuppressWarnings("unchecked") // the only part's state is an S
    static <S> DecisionModel<S> of(Part<S> part) {
        return new DecisionModel<>(List.of(part), states -> (S) states[0]);
    }

    /**
     * Gives one model of many, whose state is the list of their states.
     *
     * @param <S> the state of each
     * @param models in order, not empty
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code models} is empty
     */
    public static <S> DecisionModel<List<S>> all(List<DecisionModel<S>> models) {
        int count = models.size();
        return each(models)
                .map(states -> IntStream.range(0, count).mapToObj(states).toList());
    }

    /** Gives one model of many, whose state gives the state of each: of 10,000 commands in a batch, one is asked for at a time. */
    static <S> DecisionModel<IntFunction<S>> each(List<DecisionModel<S>> models) {
        if (models.isEmpty()) {
            throw new IllegalArgumentException("A decision on no models at all; expected at least one.");
        }
        var own = List.copyOf(models);
        var indexes = new LinkedHashMap<Part<?>, Integer>(); // what several depend on is read and folded once
        var places = new ArrayList<int[]>(own.size());
        for (var model : own) {
            places.add(model.parts.stream()
                    .mapToInt(part -> indexes.computeIfAbsent(part, none -> indexes.size()))
                    .toArray());
        }
        return new DecisionModel<>(List.copyOf(indexes.keySet()), states -> i -> {
            var place = places.get(i);
            var its = new Object[place.length];
            for (int j = 0; j < its.length; j++) {
                its[j] = states[place[j]];
            }
            return own.get(i).stateOf(its);
        });
    }

    /**
     * Gives a model of this one and another, read together and unchanged together. Many belong in {@link #all}.
     *
     * @param <T> the state of the other
     * @param <U> the state of both
     * @param other what else the decision depends on
     * @param combine makes one state of both, pure, never {@code null}
     * @return a new model
     */
    public <T, U> DecisionModel<U> and(DecisionModel<T> other, BiFunction<? super S, ? super T, ? extends U> combine) {
        Objects.requireNonNull(combine, "combine");
        Objects.requireNonNull(other, "other");
        var both = new ArrayList<>(parts);
        both.addAll(other.parts);
        int mine = parts.size();
        return new DecisionModel<>(
                List.copyOf(both),
                states -> combine.apply(
                        stateOf(Arrays.copyOf(states, mine)),
                        other.stateOf(Arrays.copyOfRange(states, mine, states.length))));
    }

    /**
     * Gives a model of the same events with another state.
     *
     * @param <T> the other state
     * @param change makes it of this one's, pure, never {@code null}
     * @return a new model
     */
    public <T> DecisionModel<T> map(Function<? super S, ? extends T> change) {
        Objects.requireNonNull(change, "change");
        return new DecisionModel<>(this, states -> change.apply(stateOf(states)));
    }

    /**
     * Gives the events that matter, to any of the models this one was composed of.
     *
     * @return never {@code null}
     */
    public EventQuery query() {
        return query;
    }

    /**
     * Reads the state, and the condition that it is unchanged, from one snapshot of the log.
     *
     * @param store the log
     * @return never {@code null}
     */
    public Loaded<S> load(EventStore store) {
        Objects.requireNonNull(store, "store");
        var states = initialStates();
        var head = saved ? loadSaved(store, states) : null;
        if (unsaved != null) {
            // what the log held at an earlier read's head it holds for ever, so this is the same snapshot of it
            var options = head == null
                    ? ReadOptions.forwards()
                    : ReadOptions.forwards().until(head);
            try (var events = store.read(unsaved, options)) {
                route(events, states, false);
                head = head == null ? events.head() : head;
            }
        }
        return new Loaded<>(this, store.catalog(), states, Objects.requireNonNull(head));
    }

    /**
     * Reads the state anew after a conflict: only what was appended since, where the state read before is still whole.
     */
    Loaded<S> reload(EventStore store, Loaded<S> before) {
        if (parts.stream().anyMatch(part -> part.fold().changesInPlace())) {
            return load(store); // the events that were refused may be in what was read before
        }
        var states = before.states.clone();
        try (var events = store.read(query, ReadOptions.forwards().after(before.head))) {
            route(events, states, true);
            return new Loaded<>(this, store.catalog(), states, events.head());
        }
    }

    /**
     * Gives the state at any moment of the past: at a position, an instant, after some events; and what lies between.
     *
     * @param store the log, which is read without the help of snapshots
     * @return never {@code null}
     */
    public Timeline<S> timeline(EventStore store) {
        return Timeline.of(store, query, Along::new);
    }

    /** Shows the state at each of some ascending positions, in one read without the help of snapshots. */
    void walk(EventStore store, List<Position> positions, Consumer<? super S> look) {
        var along = new Along();
        var last = positions.get(positions.size() - 1);
        try (var events = store.read(query, ReadOptions.forwards().until(last))) {
            boolean more = events.advance();
            for (var position : positions) {
                while (more && !events.position().isAfter(position)) {
                    along.take(events);
                    more = events.advance();
                }
                look.accept(along.state());
            }
        }
    }

    private Object[] initialStates() {
        var states = new Object[parts.size()];
        for (int i = 0; i < states.length; i++) {
            states[i] = parts.get(i).fold().initial();
        }
        return states;
    }

    /** Reads the parts that have snapshots, each from its own, and gives the head up to which it did. */
    private Position loadSaved(EventStore store, Object[] states) {
        var found = parts.stream().map(Part::find).toList();
        Position head = null;
        for (int i = 0; i < states.length; i++) {
            var snapshot = found.get(i);
            if (snapshot.isPresent()) {
                var read = parts.get(i).read(snapshot.get(), store, head);
                states[i] = read.state();
                head = read.head();
            }
        }
        return Objects.requireNonNull(head);
    }

    /** Reads events into the states of the parts that they matter to: of all, or of those without snapshots. */
    private void route(EventStream events, Object[] states, boolean all) {
        if (parts.size() == 1) {
            states[0] = parts.get(0).afterAll(events, states[0]); // stores have a faster way than one by one
            return;
        }
        while (events.advance()) {
            var event = events.event();
            var tags = events.tags();
            for (int i = 0; i < states.length; i++) {
                if (all || parts.get(i).snapshots() == null) {
                    states[i] = parts.get(i).afterIfMatching(states[i], event, tags);
                }
            }
        }
    }

    /** The states of all parts on their way along a timeline. */
    private final class Along implements Timeline.Run<S> {

        private final Object[] states = initialStates();

        @Override
        public void take(EventStream current) {
            var event = current.event();
            var tags = current.tags();
            for (int i = 0; i < states.length; i++) {
                states[i] = parts.get(i).afterIfMatching(states[i], event, tags);
            }
        }

        @Override
        public S state() {
            return stateOf(states);
        }

        @Override
        public boolean changesInPlace() {
            return parts.stream().anyMatch(part -> part.fold().changesInPlace());
        }
    }

    /** The state that this model makes of the states of its parts. */
    private S stateOf(Object[] states) {
        return Objects.requireNonNull(
                combine.apply(states), "A function given to and(...) or map(...) returned null; expected a state.");
    }

    private static EventQuery union(List<EventQuery> queries) {
        if (queries.size() <= 2) {
            return queries.size() == 1 ? queries.get(0) : queries.get(0).or(queries.get(1));
        }
        var items = new LinkedHashSet<EventQuery.Item>(); // there may be thousands
        queries.forEach(query -> items.addAll(query.items()));
        return EventQuery.of(items);
    }

    /**
     * A state, and the condition that it is still the state.
     *
     * <p><b>Threads:</b> immutable, if the state is.
     *
     * @param <S> the state
     */
    public static final class Loaded<S> {

        private final DecisionModel<S> model;
        private final Catalog catalog;
        private final Object[] states;
        private final S state;
        private final Position head;

        private Loaded(DecisionModel<S> model, Catalog catalog, Object[] states, Position head) {
            this.model = model;
            this.catalog = catalog;
            this.states = states;
            this.state = model.stateOf(states);
            this.head = head;
        }

        /**
         * Gives what the events add up to.
         *
         * @return never {@code null}
         */
        public S state() {
            return state;
        }

        /**
         * Gives the condition that holds until an event that matters is appended.
         *
         * @return never {@code null}
         */
        public AppendCondition unchanged() {
            return AppendCondition.unchanged(model.query, head);
        }

        /**
         * Takes events into the state that are about to be appended; each reaches the models whose query matches it.
         *
         * @param events of classes that the catalog knows, in order
         * @return the state after them, and the condition as it was; where a fold changes its state in place, this
         *     object's state is changed too
         * @throws dev.cqrs.event.UnknownEventException if the catalog does not know an event
         */
        public Loaded<S> after(List<?> events) {
            if (Objects.requireNonNull(events, "events").isEmpty()) {
                return this;
            }
            var next = states.clone();
            for (Object event : events) {
                var tags = catalog.tagsOf(event);
                for (int i = 0; i < next.length; i++) {
                    next[i] = model.parts.get(i).afterIfMatching(next[i], event, tags);
                }
            }
            return new Loaded<>(model, catalog, next, head);
        }

        @Override
        public String toString() {
            return state + " if " + unchanged();
        }
    }
}
