package dev.cqrs.eventstore;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * All states that some events of the log have ever added up to: any moment in one call, what lies between two, and a
 * history in pages.
 *
 * <pre>{@code
 * Timeline<Integer> balance = Timeline.of(store, EventQuery.tagged(account), BALANCE);
 * balance.at(monday);                                       // the state then
 * balance.at(Moment.before(Cancelled.class));               // just before it was cancelled
 * balance.when(Moment.once(amount -> amount < 0));          // the event that did it, and the state after it
 * balance.between(Moment.at(monday), Moment.now());         // both states, and how many events lie between
 * balance.latest(20);                                       // the last steps, the newest first
 * }</pre>
 *
 * <p>States are folded from the log when asked for, each call on one consistent snapshot: events appended meanwhile are
 * not seen. A call holds one state, two for a difference, and the steps of one page, however long the log is; it reads
 * no further than it must. A state that is given is never changed afterwards by this class.
 *
 * <p>Events that a stored one was split into stay on one page, which may then have more steps than its limit; a moment
 * may lie between them.
 *
 * <p><b>Threads:</b> immutable and thread-safe, as far as the store and the fold are.
 *
 * <p><b>Errors:</b> what the fold, a predicate or a look throws reaches the caller unchanged, and the timeline stays
 * usable. A position behind the log's head is an {@link IllegalArgumentException}.
 *
 * @param <S> the state
 */
public final class Timeline<S> {

    private final EventStore store;
    private final EventQuery query;
    private final Supplier<? extends Run<S>> runs;

    private Timeline(EventStore store, EventQuery query, Supplier<? extends Run<S>> runs) {
        this.store = Objects.requireNonNull(store, "store");
        this.query = Objects.requireNonNull(query, "query");
        this.runs = Objects.requireNonNull(runs, "runs");
    }

    /**
     * Gives the timeline of a fold.
     *
     * @param <S> the state
     * @param store the log; nothing is read yet
     * @param query the events that matter
     * @param fold what they add up to
     * @return never {@code null}
     */
    public static <S> Timeline<S> of(EventStore store, EventQuery query, Fold<S> fold) {
        Objects.requireNonNull(fold, "fold");
        return new Timeline<>(store, query, () -> new FoldRun<>(fold));
    }

    /**
     * Gives the timeline of what is more than one fold, such as a composed model.
     *
     * @param <S> the state
     * @param store the log; nothing is read yet
     * @param query the events that matter
     * @param runs begins anew, before the first event, at each call
     * @return never {@code null}
     */
    public static <S> Timeline<S> of(EventStore store, EventQuery query, Supplier<? extends Run<S>> runs) {
        return new Timeline<>(store, query, runs);
    }

    // ---- one moment

    /**
     * Gives the state as it was at a position.
     *
     * @param position the last position to take into account, at most the log's head
     * @return never {@code null}
     * @throws IllegalArgumentException if the position lies behind the log's head
     */
    public S at(Position position) {
        Objects.requireNonNull(position, "position");
        return stateAt(position).state();
    }

    /**
     * Gives the state as it was at an instant; one in the future is now.
     *
     * @param instant events recorded at this instant or before are taken into account
     * @return never {@code null}
     */
    public S at(Instant instant) {
        return at(Moment.at(instant));
    }

    /**
     * Gives the state as it was at a moment.
     *
     * @param moment which one
     * @return never {@code null}
     * @throws NoSuchElementException if the moment has not come: there are fewer events, or no event or state is such
     * @throws IllegalArgumentException if the moment is a position behind the log's head
     */
    public S at(Moment<? super S> moment) {
        if (moment instanceof Moment.AtPosition at) {
            return stateAt(at.position()).state();
        }
        if (moment instanceof Moment.Now) {
            return stateAt(null).state();
        }
        var reach = reach(moment);
        reach.mustHaveCome();
        return reach.state();
    }

    /**
     * Gives the step that led to a moment: the last event that it takes into account, and the state after it.
     *
     * @param moment which one
     * @return empty if the moment has not come, or if it lies before the first event
     * @throws IllegalArgumentException if the moment is a position behind the log's head
     */
    public Optional<Step<S>> when(Moment<? super S> moment) {
        var reach = reach(moment);
        return reach.hasCome() && reach.events > 0
                ? Optional.of(new Step<>(recorded(reach.last, reach.part), reach.state()))
                : Optional.empty();
    }

    // ---- two moments

    /**
     * Gives the states at two moments and what lies between them, all from one snapshot of the log.
     *
     * @param from the earlier moment, or the same
     * @param to the later moment
     * @return never {@code null}; two independent states, also where the fold changes its state in place
     * @throws IllegalArgumentException if {@code from} lies behind {@code to}, or a moment is a position behind the log's
     *     head
     * @throws NoSuchElementException if one of the moments has not come
     */
    public Difference<S> between(Moment<? super S> from, Moment<? super S> to) {
        Objects.requireNonNull(from, "from");
        Objects.requireNonNull(to, "to");
        if (from.isSurelyBehind(to)) {
            throw reversed(from, to);
        }
        var run = runs.get();
        var first = new Reach<S>(from, run);
        // states that stay what they are come from one run; others need two, so that neither changes the other
        var second = new Reach<S>(to, run.changesInPlace() ? runs.get() : run);
        try (var events = store.read(query, options(from, to))) {
            first.checkIn(events.head());
            second.checkIn(events.head());
            while (!(first.ended && second.ended) && events.advance()) {
                step(first, second, events);
            }
        }
        first.mustHaveCome();
        second.mustHaveCome();
        if (first.events > second.events) {
            throw reversed(from, to);
        }
        return new Difference<>(first.state(), second.state(), first.last, second.last, second.events - first.events);
    }

    /**
     * Gives the states at two positions and what lies between them, otherwise as {@link #between(Moment, Moment)}.
     *
     * @param from the earlier position, or the same
     * @param to the later position
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code from} lies behind {@code to}, or one of them behind the log's head
     */
    public Difference<S> between(Position from, Position to) {
        return between(Moment.at(from), Moment.at(to));
    }

    /**
     * Gives the states at two instants and what lies between them, otherwise as {@link #between(Moment, Moment)}.
     *
     * @param from the earlier instant, or the same
     * @param to the later instant
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code from} lies behind {@code to}
     */
    public Difference<S> between(Instant from, Instant to) {
        return between(Moment.at(from), Moment.at(to));
    }

    // ---- many moments

    /**
     * Gives a page of the history, the oldest step first.
     *
     * <p>The state in front of the page is folded from the beginning, so each page costs a read up to its end.
     *
     * @param after the page begins behind this position; {@link Position#START} for the first page, then
     *     {@link Page#next()}
     * @param limit how many steps at most, 1 or more; more are given only where a split event ends the page
     * @return never {@code null}
     * @throws IllegalArgumentException if the position lies behind the log's head, or {@code limit} is less than 1
     * @throws IllegalStateException if the fold changes its state in place: use
     *     {@link #history(Position, int, Function)}
     */
    public Page<S> history(Position after, int limit) {
        checkKeepsStates("history(after, limit, look)");
        return history(after, limit, Function.identity());
    }

    /**
     * Gives a page of the history, the oldest step first, with what is to be kept of each state.
     *
     * @param <T> what is kept of a state
     * @param after the page begins behind this position; {@link Position#START} for the first page, then
     *     {@link Page#next()}
     * @param limit how many steps at most, 1 or more; more are given only where a split event ends the page
     * @param look gives what is to be kept, never {@code null}; called only for the steps of the page
     * @return never {@code null}
     * @throws IllegalArgumentException if the position lies behind the log's head, or {@code limit} is less than 1
     * @throws IllegalStateException if the fold changes its state in place and {@code look} gives that state itself
     */
    public <T> Page<T> history(Position after, int limit, Function<? super S, ? extends T> look) {
        checkLimit(limit);
        Objects.requireNonNull(after, "after");
        Objects.requireNonNull(look, "look");
        var run = stateAt(after);
        var steps = new ArrayList<Step<T>>();
        boolean more;
        // one more than wanted tells whether there is a next page, without folding it
        try (var events = store.read(query, ReadOptions.forwards().after(after).limit(limit + 1L))) {
            more = !collect(events, run, limit, look, steps);
        }
        var next =
                steps.isEmpty() ? after : steps.get(steps.size() - 1).recorded().position();
        return new Page<>(steps, next, more);
    }

    /**
     * Gives the last page of the history, the newest step first.
     *
     * @param limit how many steps at most, 1 or more; more are given only where a split event ends the page
     * @return never {@code null}; {@link #latest(Position, int)} goes on from its {@link Page#next()}
     * @throws IllegalArgumentException if {@code limit} is less than 1
     * @throws IllegalStateException if the fold changes its state in place: use {@link #latest(int, Function)}
     */
    public Page<S> latest(int limit) {
        checkKeepsStates("latest(limit, look)");
        return latest(limit, Function.identity());
    }

    /**
     * Gives the last page of the history, the newest step first, with what is to be kept of each state.
     *
     * @param <T> what is kept of a state
     * @param limit how many steps at most, 1 or more; more are given only where a split event ends the page
     * @param look gives what is to be kept, never {@code null}; called only for the steps of the page
     * @return never {@code null}; {@link #latest(Position, int, Function)} goes on from its {@link Page#next()}
     * @throws IllegalArgumentException if {@code limit} is less than 1
     * @throws IllegalStateException if the fold changes its state in place and {@code look} gives that state itself
     */
    public <T> Page<T> latest(int limit, Function<? super S, ? extends T> look) {
        return pageBack(null, limit, look);
    }

    /**
     * Gives the last page of the history up to a position, the newest step first.
     *
     * <p>States can only be folded forwards, so each page costs a read from the beginning, though not its memory.
     *
     * @param until the last position on the page, such as the {@link Page#next()} of the page before
     * @param limit how many steps at most, 1 or more; more are given only where a split event ends the page
     * @return never {@code null}
     * @throws IllegalArgumentException if the position lies behind the log's head, or {@code limit} is less than 1
     * @throws IllegalStateException if the fold changes its state in place: use
     *     {@link #latest(Position, int, Function)}
     */
    public Page<S> latest(Position until, int limit) {
        checkKeepsStates("latest(until, limit, look)");
        return latest(until, limit, Function.identity());
    }

    /**
     * Gives the last page of the history up to a position, the newest step first, with what is to be kept of each state.
     *
     * @param <T> what is kept of a state
     * @param until the last position on the page, such as the {@link Page#next()} of the page before
     * @param limit how many steps at most, 1 or more; more are given only where a split event ends the page
     * @param look gives what is to be kept, never {@code null}; called only for the steps of the page
     * @return never {@code null}
     * @throws IllegalArgumentException if the position lies behind the log's head, or {@code limit} is less than 1
     * @throws IllegalStateException if the fold changes its state in place and {@code look} gives that state itself
     */
    public <T> Page<T> latest(Position until, int limit, Function<? super S, ? extends T> look) {
        return pageBack(Objects.requireNonNull(until, "until"), limit, look);
    }

    @Override
    public String toString() {
        return "timeline of " + query;
    }

    // ---- values

    /**
     * A point in time, told by a clock, by counting, or by what happened.
     *
     * <p>A moment takes into account the events from the first up to a last one. Only events of the timeline count, those
     * that its query matches. Predicates must neither change a state nor keep it.
     *
     * <p><b>Threads:</b> immutable, as far as a predicate is.
     *
     * @param <S> the states it can be told of; {@link Object} where it does not speak of states
     */
    public sealed interface Moment<S> {

        /**
         * The end of the log.
         *
         * @return always an equal moment
         */
        static Moment<Object> now() {
            return new Now();
        }

        /**
         * A position of the log.
         *
         * @param position the last to take into account; {@link Position#START} for the time before the first event
         * @return never {@code null}
         */
        static Moment<Object> at(Position position) {
            return new AtPosition(position);
        }

        /**
         * An instant: all events recorded then or before are taken into account.
         *
         * @param instant by the store's clock; one in the future is now
         * @return never {@code null}
         */
        static Moment<Object> at(Instant instant) {
            return new AtInstant(instant);
        }

        /**
         * The moment after the first {@code count} events.
         *
         * @param count zero or more
         * @return never {@code null}
         * @throws IllegalArgumentException if {@code count} is negative
         */
        static Moment<Object> afterEvents(long count) {
            return new AfterEvents(count);
        }

        /**
         * The first event such as this, included.
         *
         * @param test finds it
         * @return never {@code null}
         */
        static Moment<Object> first(Predicate<? super RecordedEvent> test) {
            return new FirstEvent("event that the predicate finds", test);
        }

        /**
         * The first event of a class, included.
         *
         * @param type its class, or one above
         * @return never {@code null}
         */
        static Moment<Object> first(Class<?> type) {
            return new FirstEvent(type.getSimpleName(), new OfClass(type));
        }

        /**
         * The moment just before the first event such as this.
         *
         * @param test finds it
         * @return never {@code null}
         */
        static Moment<Object> before(Predicate<? super RecordedEvent> test) {
            return new BeforeEvent("event that the predicate finds", test);
        }

        /**
         * The moment just before the first event of a class.
         *
         * @param type its class, or one above
         * @return never {@code null}
         */
        static Moment<Object> before(Class<?> type) {
            return new BeforeEvent(type.getSimpleName(), new OfClass(type));
        }

        /**
         * The first event after which the state is such as this, included. The state before all events does not count,
         * since no event led to it.
         *
         * @param <S> the state
         * @param test finds the state
         * @return never {@code null}
         */
        static <S> Moment<S> once(Predicate<? super S> test) {
            return new FirstState<>(test);
        }

        /** Whether the two say by themselves that this one is the later, whatever the log holds. */
        private boolean isSurelyBehind(Moment<?> other) {
            if (this instanceof AtPosition mine && other instanceof AtPosition its) {
                return mine.position().isAfter(its.position());
            }
            if (this instanceof AtInstant mine && other instanceof AtInstant its) {
                return mine.instant().isAfter(its.instant());
            }
            return this instanceof AfterEvents mine && other instanceof AfterEvents its && mine.count() > its.count();
        }

        /** The end of the log. */
        record Now() implements Moment<Object> {

            @Override
            public String toString() {
                return "now";
            }
        }

        /**
         * A position of the log.
         *
         * @param position the last to take into account
         */
        record AtPosition(Position position) implements Moment<Object> {

            /**
             * Checks for null.
             *
             * @param position the last to take into account
             */
            public AtPosition {
                Objects.requireNonNull(position, "position");
            }

            @Override
            public String toString() {
                return "position " + position;
            }
        }

        /**
         * An instant by the store's clock.
         *
         * @param instant events recorded then or before are taken into account
         */
        record AtInstant(Instant instant) implements Moment<Object> {

            /**
             * Checks for null.
             *
             * @param instant events recorded then or before are taken into account
             */
            public AtInstant {
                Objects.requireNonNull(instant, "instant");
            }

            @Override
            public String toString() {
                return instant.toString();
            }
        }

        /**
         * The moment after a number of events.
         *
         * @param count zero or more
         */
        record AfterEvents(long count) implements Moment<Object> {

            /**
             * Checks the count.
             *
             * @param count zero or more
             * @throws IllegalArgumentException if {@code count} is negative
             */
            public AfterEvents {
                if (count < 0) {
                    throw new IllegalArgumentException(
                            "The moment after " + count + " events; expected 0 or more of them.");
                }
            }

            @Override
            public String toString() {
                return "after " + count + (count == 1 ? " event" : " events");
            }
        }

        /**
         * The first event such as this, included.
         *
         * @param what how it is called in messages
         * @param test finds it
         */
        record FirstEvent(String what, Predicate<? super RecordedEvent> test) implements Moment<Object> {

            /**
             * Checks for nulls.
             *
             * @param what how it is called in messages
             * @param test finds it
             */
            public FirstEvent {
                Objects.requireNonNull(what, "what");
                Objects.requireNonNull(test, "test");
            }

            @Override
            public String toString() {
                return "first " + what;
            }
        }

        /**
         * The moment just before the first event such as this.
         *
         * @param what how it is called in messages
         * @param test finds it
         */
        record BeforeEvent(String what, Predicate<? super RecordedEvent> test) implements Moment<Object> {

            /**
             * Checks for nulls.
             *
             * @param what how it is called in messages
             * @param test finds it
             */
            public BeforeEvent {
                Objects.requireNonNull(what, "what");
                Objects.requireNonNull(test, "test");
            }

            @Override
            public String toString() {
                return "before the first " + what;
            }
        }

        /**
         * The first event after which the state is such as this, included.
         *
         * @param <S> the state
         * @param test finds the state
         */
        record FirstState<S>(Predicate<? super S> test) implements Moment<S> {

            /**
             * Checks for null.
             *
             * @param test finds the state
             */
            public FirstState {
                Objects.requireNonNull(test, "test");
            }

            @Override
            public String toString() {
                return "first state that the predicate finds";
            }
        }
    }

    /**
     * An event, and the state after it.
     *
     * <p><b>Threads:</b> immutable, if the state is.
     *
     * @param <S> the state, or what a look has kept of it
     * @param recorded the event as the log holds it
     * @param state the state after it
     */
    public record Step<S>(RecordedEvent recorded, S state) {

        /**
         * Checks for nulls.
         *
         * @param recorded the event as the log holds it
         * @param state the state after it
         */
        public Step {
            Objects.requireNonNull(recorded, "recorded");
            Objects.requireNonNull(state, "state");
        }
    }

    /**
     * Two states of one timeline.
     *
     * <p><b>Threads:</b> immutable, if the states are.
     *
     * @param <S> the state
     * @param before the state at the earlier moment
     * @param after the state at the later moment
     * @param from where the last event stands that {@code before} takes into account, {@link Position#START} if there is
     *     none
     * @param to where the last event stands that {@code after} takes into account
     * @param events how many events of the timeline lie between: after {@code from}, up to {@code to}
     */
    public record Difference<S>(S before, S after, Position from, Position to, long events) {

        /**
         * Checks for nulls.
         *
         * @param before the state at the earlier moment
         * @param after the state at the later moment
         * @param from where the last event stands that {@code before} takes into account
         * @param to where the last event stands that {@code after} takes into account
         * @param events how many events of the timeline lie between
         */
        public Difference {
            Objects.requireNonNull(before, "before");
            Objects.requireNonNull(after, "after");
            Objects.requireNonNull(from, "from");
            Objects.requireNonNull(to, "to");
        }

        /**
         * Says whether the states differ.
         *
         * @return whether they are not equal, by their own {@code equals}
         */
        public boolean isChange() {
            return !before.equals(after);
        }
    }

    /**
     * A part of a history.
     *
     * <p><b>Threads:</b> immutable, if the states are.
     *
     * @param <S> the state, or what a look has kept of it
     * @param steps in the direction of paging, possibly empty; copied
     * @param next hand it to the call that gave this page, for the next page
     * @param more whether the log held a next page when this one was read
     */
    public record Page<S>(List<Step<S>> steps, Position next, boolean more) {

        /**
         * Checks for nulls and copies the steps.
         *
         * @param steps in the direction of paging, possibly empty; copied
         * @param next hand it to the call that gave this page, for the next page
         * @param more whether the log held a next page when this one was read
         */
        public Page {
            steps = List.copyOf(steps);
            Objects.requireNonNull(next, "next");
        }
    }

    /**
     * A state on its way along the events, for timelines of more than one fold.
     *
     * <p><b>Threads:</b> used by one thread at a time.
     *
     * @param <S> the state
     */
    public interface Run<S> {

        /**
         * Takes the current event of a stream into the state.
         *
         * @param current stands on an event, and is not moved
         */
        void take(EventStream current);

        /**
         * Takes the rest of a stream into the state.
         *
         * @param rest is moved to its end
         */
        default void takeAll(EventStream rest) {
            while (rest.advance()) {
                take(rest);
            }
        }

        /**
         * Gives the state after the events so far.
         *
         * @return never {@code null}
         */
        S state();

        /**
         * Says whether a state once given may be changed by later events.
         *
         * @return {@code false} if states stay what they are
         */
        boolean changesInPlace();
    }

    // ---- how it is done

    private static final class FoldRun<S> implements Run<S> {

        private final Fold<S> fold;
        private S state;

        FoldRun(Fold<S> fold) {
            this.fold = fold;
            this.state = fold.initial();
        }

        @Override
        public void take(EventStream current) {
            state = fold.apply(state, current.event());
        }

        @Override
        public void takeAll(EventStream rest) {
            state = rest.fold(fold, state); // stores have a faster way than one by one
        }

        @Override
        public S state() {
            return state;
        }

        @Override
        public boolean changesInPlace() {
            return fold.changesInPlace();
        }
    }

    /** Finds events of a class, by which alone they are found. */
    private record OfClass(Class<?> type) implements Predicate<RecordedEvent> {

        OfClass {
            Objects.requireNonNull(type, "type");
        }

        @Override
        public boolean test(RecordedEvent recorded) {
            return type.isInstance(recorded.event());
        }
    }

    /** A run on its way to a moment. */
    private static final class Reach<S> {

        private final Moment<? super S> moment;
        private final Run<S> run;
        private @Nullable S reached;
        private Position last = Position.START;
        /** Which of the events at the last position it is, from 0: a stored event may have been split into several. */
        private int part;

        private long events;
        private boolean ended;

        Reach(Moment<? super S> moment, Run<S> run) {
            this.moment = moment;
            this.run = run;
        }

        void checkIn(Position head) {
            if (moment instanceof Moment.AtPosition at) {
                checkNotBehind(at.position(), head);
            }
        }

        /** Whether the moment takes the current event into account; if not, it has been reached before. */
        boolean takes(EventStream current) {
            if (!ended && isReachedBefore(current)) {
                end();
            }
            return !ended;
        }

        /** Notes that the run has taken the current event. */
        void took(EventStream current) {
            var position = current.position();
            part = position.equals(last) ? part + 1 : 0;
            last = position;
            events++;
            if (isReachedWith(current)) {
                end();
            }
        }

        private boolean isReachedBefore(EventStream current) {
            if (moment instanceof Moment.AtPosition at) {
                return current.position().isAfter(at.position());
            }
            if (moment instanceof Moment.AtInstant at) {
                return current.recordedAt().isAfter(at.instant());
            }
            if (moment instanceof Moment.AfterEvents after) {
                return events == after.count(); // only none at all: otherwise it was reached with the last of them
            }
            return moment instanceof Moment.BeforeEvent before && isFound(before.test(), current);
        }

        private boolean isReachedWith(EventStream current) {
            if (moment instanceof Moment.AfterEvents after) {
                return events == after.count();
            }
            if (moment instanceof Moment.FirstEvent first) {
                return isFound(first.test(), current);
            }
            return moment instanceof Moment.FirstState<? super S> first
                    && first.test().test(run.state());
        }

        /** Without tags and metadata, which a store may have to parse, where the class is all that matters. */
        private static boolean isFound(Predicate<? super RecordedEvent> test, EventStream current) {
            return test instanceof OfClass wanted
                    ? wanted.type().isInstance(current.event())
                    : test.test(current.recorded());
        }

        private void end() {
            ended = true;
            reached = run.state();
        }

        S state() {
            return reached == null ? run.state() : reached;
        }

        /** Asked at the end of the log, or before. */
        boolean hasCome() {
            return ended
                    || moment instanceof Moment.Now
                    || moment instanceof Moment.AtPosition
                    || moment instanceof Moment.AtInstant
                    || (moment instanceof Moment.AfterEvents after && after.count() == events);
        }

        void mustHaveCome() {
            if (!hasCome()) {
                throw new NoSuchElementException("The moment \"" + moment + "\" has not come with the " + events
                        + (events == 1 ? " event" : " events") + " up to position " + last
                        + ". Where it may not come, ask when(moment), which gives an Optional.");
            }
        }
    }

    /** Takes the current event into one or both; where they share a run, it is taken once. */
    private static <S> void step(Reach<S> first, Reach<S> second, EventStream current) {
        boolean shared = first.run == second.run;
        boolean firstTakes = first.takes(current);
        boolean secondTakes = second.takes(current);
        if (firstTakes || (shared && secondTakes)) {
            first.run.take(current);
        }
        if (secondTakes && !shared) {
            second.run.take(current);
        }
        if (firstTakes) {
            first.took(current);
        }
        if (secondTakes) {
            second.took(current);
        }
    }

    private Reach<S> reach(Moment<? super S> moment) {
        Objects.requireNonNull(moment, "moment");
        var reach = new Reach<S>(moment, runs.get());
        try (var events = store.read(query, options(moment, moment))) {
            reach.checkIn(events.head());
            while (!reach.ended && events.advance()) {
                if (reach.takes(events)) {
                    reach.run.take(events);
                    reach.took(events);
                }
            }
        }
        return reach;
    }

    /** Gives a run that has taken all events up to a position, or simply all. */
    private Run<S> stateAt(@Nullable Position position) {
        var run = runs.get();
        var all = ReadOptions.forwards();
        try (var events = store.read(query, position == null ? all : all.until(position))) {
            if (position != null) {
                checkNotBehind(position, events.head());
            }
            run.takeAll(events);
        }
        return run;
    }

    private <T> Page<T> pageBack(@Nullable Position wanted, int limit, Function<? super S, ? extends T> look) {
        checkLimit(limit);
        Objects.requireNonNull(look, "look");
        int found = 0;
        var first = Position.START;
        Position until;
        boolean more;
        var backwards = ReadOptions.backwards().limit(limit + 1L);
        try (var events = store.read(query, wanted == null ? backwards : backwards.until(wanted))) {
            until = wanted == null ? events.head() : wanted;
            checkNotBehind(until, events.head());
            while ((more = events.advance())
                    && (found < limit || events.position().equals(first))) {
                first = events.position();
                found++;
            }
        }
        if (found == 0) {
            return new Page<>(List.of(), Position.START, false);
        }
        // what stood up to here stands there for ever, so these reads see the snapshot of the first
        var before = Position.of(first.value() - 1);
        var run = stateAt(before);
        var steps = new ArrayList<Step<T>>(found);
        try (var events = store.read(query, ReadOptions.forwards().after(before).until(until))) {
            collect(events, run, found, look, steps);
        }
        Collections.reverse(steps);
        return new Page<>(steps, before, more);
    }

    /** Collects up to {@code limit} steps, and the rest of a split event; says whether the stream ended with them. */
    private <T> boolean collect(
            EventStream events, Run<S> run, int limit, Function<? super S, ? extends T> look, List<Step<T>> steps) {
        var last = Position.START;
        while (events.advance()) {
            if (steps.size() >= limit && !events.position().equals(last)) {
                return false;
            }
            last = events.position();
            run.take(events);
            var state = run.state();
            T kept = look.apply(state);
            if (kept == null) {
                throw new NullPointerException("The look at the states of the " + this
                        + " returned null; expected what is to be kept. Return an Optional where there may be none.");
            }
            if (kept == state && run.changesInPlace()) {
                throw new IllegalStateException(
                        "The look at the states of the " + this
                                + " returned the state itself, which later events change. Return a copy, or a value taken from it.");
            }
            steps.add(new Step<>(events.recorded(), kept));
        }
        return true;
    }

    private RecordedEvent recorded(Position position, int part) {
        var options =
                ReadOptions.forwards().after(Position.of(position.value() - 1)).until(position);
        try (var events = store.read(query, options)) {
            for (int i = 0; i <= part; i++) {
                events.advance();
            }
            return events.recorded();
        }
    }

    /** Reads no further than the later of two positions; other moments are found while reading. */
    private static ReadOptions options(Moment<?> from, Moment<?> to) {
        return from instanceof Moment.AtPosition && to instanceof Moment.AtPosition later
                ? ReadOptions.forwards().until(later.position())
                : ReadOptions.forwards();
    }

    private void checkKeepsStates(String cure) {
        if (runs.get().changesInPlace()) {
            throw new IllegalStateException("The fold of the " + this
                    + " changes its state in place, so the states of a page would all be the last one. Use " + cure
                    + ", whose look takes what is to be kept of each.");
        }
    }

    private static void checkLimit(int limit) {
        if (limit < 1) {
            throw new IllegalArgumentException("The limit of a page is " + limit + " steps; expected 1 or more.");
        }
    }

    private static void checkNotBehind(Position position, Position head) {
        if (position.isAfter(head)) {
            throw new IllegalArgumentException("Position " + position + " lies behind the log's head, " + head
                    + "; expected a position at or before it.");
        }
    }

    private static IllegalArgumentException reversed(Moment<?> from, Moment<?> to) {
        return new IllegalArgumentException("The moments are reversed: \"" + from + "\" lies behind \"" + to
                + "\"; expected the earlier one first. Swap them.");
    }
}
