package dev.cqrs.testing;

import dev.cqrs.decider.Decider;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.projection.Projection;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Tests of decisions and views as sentences: given these events, when that command comes, then those events follow.
 *
 * <pre>{@code
 * Given.decider(ACCOUNTS)
 *         .events(new Opened("4711"), new Deposited("4711", 100))
 *         .when(new Withdraw("4711", 30))
 *         .thenEvents(new Withdrawn("4711", 30));
 *
 * Given.projection(BALANCES)
 *         .events(new Deposited("4711", 100), new Withdrawn("4711", 30))
 *         .thenView(Map.of("4711", 70));
 * }</pre>
 *
 * <p>No store is needed, nor a test framework. What does not hold is an {@link AssertionError} that shows what was
 * expected beside what came. Events and states are compared by {@code equals}.
 *
 * <p><b>Threads:</b> its objects are immutable.
 */
public final class Given {

    private Given() {}

    /**
     * Begins a scenario of a decider.
     *
     * @param <C> the commands
     * @param <S> the state
     * @param <E> the events
     * @param decider what is tested
     * @return a scenario without events
     */
    public static <C, S, E> Decisions<C, S, E> decider(Decider<C, S, E> decider) {
        Objects.requireNonNull(decider, "decider");
        return new Decisions<>(List.of(), (history, command) -> {
            var state = Objects.requireNonNull(
                    decider.initialState(), "The initial state of the decider is null; expected one before any event.");
            for (var event : history) {
                state = after(event, decider.evolve(state, event));
            }
            var decision = on(command, decider.decide(command, state));
            for (var event : accepted(decision)) {
                state = after(event, decider.evolve(state, event));
            }
            return new Outcome<>(decision, state);
        });
    }

    /**
     * Begins a scenario of a decision as a {@link dev.cqrs.decider.DecisionHandler} makes it: on a model, which is loaded
     * by its query, so that events the query does not match are left out.
     *
     * @param <C> the commands
     * @param <S> the state
     * @param catalog the events and their tags
     * @param model what the decision on a command depends on
     * @param decide what is tested
     * @return a scenario without events
     */
    public static <C, S> Decisions<C, S, Object> decision(
            Catalog catalog,
            Function<? super C, DecisionModel<S>> model,
            BiFunction<? super C, ? super S, ? extends Decision<?>> decide) {
        Objects.requireNonNull(catalog, "catalog");
        Objects.requireNonNull(model, "model");
        Objects.requireNonNull(decide, "decide");
        return new Decisions<>(List.of(), (history, command) -> {
            var log = new ListedEvents(catalog, Clock.fixed(Instant.EPOCH, ZoneOffset.UTC));
            if (!history.isEmpty()) {
                log.append(history, AppendCondition.none());
            }
            var loaded = model.apply(command).load(log);
            var decision = on(command, decide.apply(command, loaded.state()));
            return new Outcome<>(decision, loaded.after(accepted(decision)).state());
        });
    }

    /**
     * Begins a scenario of a projection.
     *
     * @param <V> the view
     * @param projection what is tested; events that its query does not match are left out
     * @return a scenario without events
     * @throws IllegalArgumentException if its query asks for tags, which a catalog knows: see
     *     {@link #projection(Projection, Catalog)}
     */
    public static <V> Views<V> projection(Projection<V> projection) {
        for (var item : projection.query().items()) {
            if (!item.tags().isEmpty()) {
                throw new IllegalArgumentException("The query of projection \"" + projection.name()
                        + "\" asks for tags (" + item.tags()
                        + "), which only a catalog knows. Give it one: Given.projection(projection, catalog).");
            }
        }
        return views(projection, event -> Set.of());
    }

    /**
     * Begins a scenario of a projection.
     *
     * @param <V> the view
     * @param projection what is tested; events that its query does not match are left out
     * @param catalog the events and their tags
     * @return a scenario without events
     */
    public static <V> Views<V> projection(Projection<V> projection, Catalog catalog) {
        return views(projection, catalog::tagsOf);
    }

    private static <V> Views<V> views(Projection<V> projection, Function<Object, Set<Tag>> tagsOf) {
        return new Views<>(List.of(), history -> {
            var matching = history.stream()
                    .filter(event -> projection.query().matches(event.getClass(), tagsOf.apply(event)))
                    .toList();
            return folded(projection.fold(), matching);
        });
    }

    /**
     * Begins a scenario of a fold.
     *
     * @param <S> the state
     * @param fold what is tested
     * @return a scenario without events
     */
    public static <S> Views<S> fold(Fold<S> fold) {
        Objects.requireNonNull(fold, "fold");
        return new Views<>(List.of(), history -> folded(fold, history));
    }

    private static <S> S folded(Fold<S> fold, List<?> events) {
        var state = fold.initial();
        for (var event : events) {
            state = fold.apply(state, event);
        }
        return state;
    }

    private static <S> S after(Object event, S state) {
        return Objects.requireNonNull(
                state, () -> "The state after " + event.getClass().getName() + " is null; expected the next state.");
    }

    private static <D extends Decision<?>> D on(Object command, D decision) {
        return Objects.requireNonNull(
                decision,
                () -> "The decision on " + command.getClass().getName()
                        + " is null; return accept(...) or reject(reason).");
    }

    private static <E> List<E> accepted(Decision<E> decision) {
        return decision instanceof Decision.Accepted<E> accepted ? accepted.events() : List.of();
    }

    /** A decision, and the state after it. */
    private record Outcome<S>(Decision<?> decision, S state) {}

    /**
     * What has happened, and what decides on what is to happen next.
     *
     * @param <C> the commands
     * @param <S> the state
     * @param <E> the events
     */
    public static final class Decisions<C, S, E> {

        private final List<E> history;
        private final BiFunction<List<E>, C, Outcome<S>> decide;

        private Decisions(List<E> history, BiFunction<List<E>, C, Outcome<S>> decide) {
            this.history = history;
            this.decide = decide;
        }

        /**
         * Adds events that have happened.
         *
         * @param events in order
         * @return a longer scenario
         */
        @SafeVarargs
        @SuppressWarnings("varargs") // the array is only read
        public final Decisions<C, S, E> events(E... events) {
            return new Decisions<>(joined(history, List.of(events)), decide);
        }

        /**
         * Sends a command.
         *
         * @param command what is to be decided on
         * @return what came of it; what the decision throws is thrown here
         */
        public Decided<S, E> when(C command) {
            Objects.requireNonNull(command, "command");
            return new Decided<>(history, command, decide.apply(history, command));
        }
    }

    /**
     * What came of a command.
     *
     * @param <S> the state
     * @param <E> the events
     */
    public static final class Decided<S, E> {

        private final List<E> history;
        private final Object command;
        private final Outcome<S> outcome;

        private Decided(List<E> history, Object command, Outcome<S> outcome) {
            this.history = history;
            this.command = command;
            this.outcome = outcome;
        }

        /**
         * Expects that the command was accepted with exactly these events.
         *
         * @param events in order
         * @return this outcome
         * @throws AssertionError if it was rejected, or accepted with other events
         */
        @SafeVarargs
        @SuppressWarnings("varargs") // the array is only read
        public final Decided<S, E> thenEvents(E... events) {
            return expect(List.of(events));
        }

        /**
         * Expects that the command was accepted without an event.
         *
         * @return this outcome
         * @throws AssertionError if it was rejected, or accepted with events
         */
        public Decided<S, E> thenNothing() {
            return expect(List.of());
        }

        /**
         * Expects that the command was rejected.
         *
         * @param reason exactly the reason that was given
         * @return this outcome
         * @throws AssertionError if it was accepted, or rejected for another reason
         */
        public Decided<S, E> thenRejected(String reason) {
            return expect(List.of(new Rejection(Objects.requireNonNull(reason, "reason"))));
        }

        /**
         * Expects a state after the command: that before it, if it was rejected.
         *
         * @param expected equal to what the events add up to
         * @return this outcome
         * @throws AssertionError if it is another
         */
        public Decided<S, E> thenState(S expected) {
            Objects.requireNonNull(expected, "expected");
            if (!expected.equals(outcome.state())) {
                throw failure("Another state than expected", Columns.ofStates(expected, outcome.state()));
            }
            return this;
        }

        private Decided<S, E> expect(List<?> expected) {
            var actual = outcome.decision() instanceof Decision.Rejected<?> rejected
                    ? List.of(new Rejection(rejected.reason()))
                    : accepted(outcome.decision());
            if (!expected.equals(actual)) {
                throw failure("Another outcome than expected", Columns.of(expected, actual));
            }
            return this;
        }

        private AssertionError failure(String what, String columns) {
            return new AssertionError(
                    what + ".\n" + listed(history) + "when   " + Columns.textOf(command) + "\nthen\n" + columns);
        }
    }

    /** A rejection as it stands among events. */
    private record Rejection(String reason) {

        @Override
        public String toString() {
            return "rejected: " + reason;
        }
    }

    /**
     * What has happened, and what adds it up.
     *
     * @param <V> the view or state
     */
    public static final class Views<V> {

        private final List<Object> history;
        private final Function<List<Object>, V> fold;

        private Views(List<Object> history, Function<List<Object>, V> fold) {
            this.history = history;
            this.fold = fold;
        }

        /**
         * Adds events that have happened.
         *
         * @param events in order
         * @return a longer scenario
         */
        public Views<V> events(Object... events) {
            return new Views<>(joined(history, List.of(events)), fold);
        }

        /**
         * Expects a view.
         *
         * @param expected equal to what the events add up to
         * @return this scenario, to which more events may be added
         * @throws AssertionError if it is another
         */
        public Views<V> thenView(V expected) {
            Objects.requireNonNull(expected, "expected");
            var actual = fold.apply(history);
            if (!expected.equals(actual)) {
                throw new AssertionError("Another view than expected.\n" + listed(history) + "then\n"
                        + Columns.ofStates(expected, actual));
            }
            return this;
        }

        /**
         * Looks at the view, for one that cannot be compared by {@code equals}.
         *
         * @param check throws if something is wrong with it
         * @return this scenario, to which more events may be added
         */
        public Views<V> then(Consumer<? super V> check) {
            check.accept(fold.apply(history));
            return this;
        }
    }

    private static <E> List<E> joined(List<E> some, List<E> more) {
        var all = new ArrayList<>(some);
        all.addAll(more);
        return List.copyOf(all);
    }

    private static String listed(List<?> history) {
        if (history.isEmpty()) {
            return "given  no events\n";
        }
        var text = new StringBuilder();
        for (var event : history) {
            text.append(text.isEmpty() ? "given  " : "       ")
                    .append(Columns.textOf(event))
                    .append('\n');
        }
        return text.toString();
    }
}
