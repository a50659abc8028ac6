package dev.cqrs.eventstore;

import dev.cqrs.event.Position;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * What must still be true for an append to happen: every clause says that no event matching a query stands behind a
 * position.
 *
 * <p>The condition of what was just read is {@link EventStream#unchanged()}. Optimistic locking of one entity,
 * invariants across several, uniqueness and idempotency are all such clauses.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class AppendCondition {

    private static final AppendCondition NONE = new AppendCondition(List.of());

    private final List<Clause> clauses;

    /** One thing that must be true. */
    public sealed interface Clause {

        /**
         * Gives the events that must be missing.
         *
         * @return never {@code null}
         */
        EventQuery query();

        /**
         * Gives the position behind which they must be missing.
         *
         * @return never {@code null}
         */
        Position after();

        /**
         * Says whether reading and deciding again can make this clause hold after it has failed.
         *
         * @return {@code true} if the clause speaks of what was read, {@code false} if of the whole log
         */
        boolean isRetryable();
    }

    /**
     * What was read is unchanged: no event matching {@code query} was appended after {@code after}.
     *
     * @param query the events that were read
     * @param after the head of the log when they were
     */
    public record Unchanged(EventQuery query, Position after) implements Clause {

        /**
         * Checks for nulls.
         *
         * @param query the events that were read
         * @param after the head of the log when they were
         * @throws NullPointerException if a part is {@code null}
         */
        public Unchanged {
            Objects.requireNonNull(query, "query");
            Objects.requireNonNull(after, "after");
        }

        @Override
        public boolean isRetryable() {
            return true;
        }

        @Override
        public String toString() {
            return "no match of " + query + " after position " + after;
        }
    }

    /**
     * The log holds no event matching {@code query} at all; once it does, trying again cannot help.
     *
     * @param query the events that must be missing
     */
    public record Absent(EventQuery query) implements Clause {

        /**
         * Checks for null.
         *
         * @param query the events that must be missing
         * @throws NullPointerException if {@code query} is {@code null}
         */
        public Absent {
            Objects.requireNonNull(query, "query");
        }

        @Override
        public Position after() {
            return Position.START;
        }

        @Override
        public boolean isRetryable() {
            return false;
        }

        @Override
        public String toString() {
            return "no match of " + query + " at all";
        }
    }

    private AppendCondition(List<Clause> clauses) {
        this.clauses = clauses;
    }

    /**
     * No condition: the append always happens.
     *
     * @return always the same instance
     */
    public static AppendCondition none() {
        return NONE;
    }

    /**
     * No event matching {@code query} has been appended after {@code after}.
     *
     * @param query the events a decision depends on
     * @param after the position up to which they are known
     * @return a condition of one clause
     */
    public static AppendCondition unchanged(EventQuery query, Position after) {
        return new AppendCondition(List.of(new Unchanged(query, after)));
    }

    /**
     * The log holds no event matching {@code query}.
     *
     * @param query the events that must be missing
     * @return a condition of one clause
     */
    public static AppendCondition absent(EventQuery query) {
        return new AppendCondition(List.of(new Absent(query)));
    }

    /**
     * Adds the clauses of another condition behind this one's; a store reports the first that fails.
     *
     * @param other never {@code null}
     * @return a condition that holds where both do
     */
    public AppendCondition and(AppendCondition other) {
        Objects.requireNonNull(other, "other");
        if (clauses.isEmpty()) {
            return other;
        }
        if (other.clauses.isEmpty()) {
            return this;
        }
        var all = new ArrayList<>(clauses);
        all.addAll(other.clauses);
        return new AppendCondition(List.copyOf(all));
    }

    /**
     * Gives the clauses, all of which must hold.
     *
     * @return an unmodifiable list, empty for {@link #none()}
     */
    public List<Clause> clauses() {
        return clauses;
    }

    @Override
    public boolean equals(Object other) {
        return this == other || (other instanceof AppendCondition that && clauses.equals(that.clauses));
    }

    @Override
    public int hashCode() {
        return clauses.hashCode();
    }

    @Override
    public String toString() {
        return clauses.isEmpty()
                ? "no condition"
                : String.join(" and ", clauses.stream().map(Object::toString).toList());
    }
}
