package dev.cqrs.journal;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import dev.cqrs.journal.JournalEntry.Outcome;
import dev.cqrs.journal.JournalEntry.Payload;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;

/**
 * An event of the operations log that tells of a command: for the journal, or for the history of a scope.
 *
 * <p>Where a mark says that it stands with a command, that command is the next event of the log, appended together with
 * the mark; so commands are kept as events are, by the stable name that the catalog gives them. A text that there is none of
 * is empty, a position 0.
 *
 * <p><b>Tags:</b> a command's id, correlation id, stable name and outcome; a history's scope. They are visible at rest:
 * where such an id is personal, use a keyed hash of it as the id.
 *
 * <p><b>Threads:</b> immutable.
 */
public sealed interface JournalMark {

    /**
     * Adds all marks to a catalog.
     *
     * @param catalog of the operations log; the commands belong into it too, each by a stable name
     * @return the same builder
     */
    static Catalog.Builder addTo(Catalog.Builder catalog) {
        return catalog.event(CommandStarted.NAME, CommandStarted.class)
                .event(CommandEnded.NAME, CommandEnded.class)
                .event(StepStarted.NAME, StepStarted.class)
                .event(StepEnded.NAME, StepEnded.class)
                .tags(JournalMark.class, JournalMark::tags);
    }

    /**
     * Gives the tags of this mark, for the catalog.
     *
     * @return never {@code null}
     * @throws IllegalArgumentException if an id cannot be a tag's value
     */
    Set<Tag> tags();

    /** Which way a step of a history goes. The names are stored. */
    enum Direction {
        /** A new command. */
        DO,
        /** The inverse of one. */
        UNDO,
        /** A command that was undone, once more. */
        REDO
    }

    /** What became of a step of a history. The names are stored. */
    enum Result {
        /** The handler gave a result. */
        DONE,
        /** A decision refused it: there is no such step. */
        REJECTED,
        /** Something else was thrown: there is no such step. */
        FAILED,
        /** It was not known, and is not asked any more: there is no such step. */
        ABANDONED
    }

    /**
     * A command is about to be handled. The command itself stands behind this mark, unless {@code payload} is none.
     *
     * @param command its stable name
     * @param id its id
     * @param correlation its correlation id, as far as it is kept
     * @param payload whether the command stands behind this mark
     * @param within the position of the start of the command in whose handling it was dispatched
     */
    record CommandStarted(String command, String id, String correlation, Payload payload, long within)
            implements JournalMark {

        /** The stable name of these events. */
        public static final String NAME = "cqrs.journal.started";

        /**
         * Checks for nulls.
         *
         * @param command its stable name
         * @param id its id
         * @param correlation its correlation id, as far as it is kept
         * @param payload whether the command stands behind this mark
         * @param within the position of the start of the command in whose handling it was dispatched
         */
        public CommandStarted {
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(id, "id");
            Objects.requireNonNull(correlation, "correlation");
            Objects.requireNonNull(payload, "payload");
        }

        @Override
        public Set<Tag> tags() {
            return Tags.of(command, id, correlation);
        }
    }

    /**
     * A command was handled.
     *
     * @param started the position of its start
     * @param command its stable name
     * @param id its id
     * @param correlation its correlation id, as far as it is kept
     * @param outcome what became of it
     * @param failure the name of the class of what was thrown, if something was
     * @param reason why it was rejected, or the message of what was thrown
     * @param nanos how long handler and inner interceptors took, in nanoseconds
     * @param appended the last position of the domain log that it wrote itself
     * @param place its place in the order in which commands took effect: twice the last position of the domain log that it,
     *     or what was dispatched in its handling, wrote; or, if nothing was written, twice the last one that was looked at,
     *     plus 1; 0 if that was not noted
     */
    record CommandEnded(
            long started,
            String command,
            String id,
            String correlation,
            Outcome outcome,
            String failure,
            String reason,
            long nanos,
            long appended,
            long place)
            implements JournalMark {

        /** The stable name of these events. */
        public static final String NAME = "cqrs.journal.ended";

        /**
         * Checks for nulls.
         *
         * @param started the position of its start
         * @param command its stable name
         * @param id its id
         * @param correlation its correlation id, as far as it is kept
         * @param outcome what became of it
         * @param failure the name of the class of what was thrown, if something was
         * @param reason why it was rejected, or the message of what was thrown
         * @param nanos how long handler and inner interceptors took, in nanoseconds
         * @param appended the last position of the domain log that it wrote itself
         * @param place its place in the order in which commands took effect
         */
        public CommandEnded {
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(id, "id");
            Objects.requireNonNull(correlation, "correlation");
            Objects.requireNonNull(outcome, "outcome");
            Objects.requireNonNull(failure, "failure");
            Objects.requireNonNull(reason, "reason");
        }

        @Override
        public Set<Tag> tags() {
            var tags = new HashSet<>(Tags.of(command, id, correlation));
            tags.add(Tags.entry(started));
            tags.add(Tags.outcome(outcome));
            return Set.copyOf(tags);
        }
    }

    /**
     * A step of a history is about to be taken.
     *
     * @param scope the history's scope
     * @param direction which way it goes; a new command stands behind this mark
     * @param of the position of the mark with which the command that is undone or redone was new; 0 for a new one
     * @param from the position of the mark behind which the command stands that is dispatched; 0 for this mark
     * @param command the stable name of the command that is dispatched
     * @param id the id under which it is dispatched, also if it has to be again
     */
    record StepStarted(String scope, Direction direction, long of, long from, String command, String id)
            implements JournalMark {

        /** The stable name of these events. */
        public static final String NAME = "cqrs.history.started";

        /**
         * Checks for nulls.
         *
         * @param scope the history's scope
         * @param direction which way it goes
         * @param of the position of the mark with which the command that is undone or redone was new
         * @param from the position of the mark behind which the command stands that is dispatched
         * @param command the stable name of the command that is dispatched
         * @param id the id under which it is dispatched
         */
        public StepStarted {
            Objects.requireNonNull(scope, "scope");
            Objects.requireNonNull(direction, "direction");
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(id, "id");
        }

        @Override
        public Set<Tag> tags() {
            return Set.of(Tags.scope(scope));
        }
    }

    /**
     * A step of a history was taken, or was not.
     *
     * @param scope the history's scope
     * @param direction which way it went
     * @param started the position of its start
     * @param of the position of the mark with which the command that was undone or redone was new; 0 for a new one
     * @param command the stable name of the command that was dispatched
     * @param id the id under which it was dispatched
     * @param result what became of it
     * @param undoable whether the inverse of what was done stands behind this mark
     */
    record StepEnded(
            String scope,
            Direction direction,
            long started,
            long of,
            String command,
            String id,
            Result result,
            boolean undoable)
            implements JournalMark {

        /** The stable name of these events. */
        public static final String NAME = "cqrs.history.ended";

        /**
         * Checks for nulls.
         *
         * @param scope the history's scope
         * @param direction which way it went
         * @param started the position of its start
         * @param of the position of the mark with which the command that was undone or redone was new
         * @param command the stable name of the command that was dispatched
         * @param id the id under which it was dispatched
         * @param result what became of it
         * @param undoable whether the inverse of what was done stands behind this mark
         */
        public StepEnded {
            Objects.requireNonNull(scope, "scope");
            Objects.requireNonNull(direction, "direction");
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(id, "id");
            Objects.requireNonNull(result, "result");
        }

        @Override
        public Set<Tag> tags() {
            return result == Result.DONE ? Set.of(Tags.scope(scope), Tags.step(id)) : Set.of(Tags.scope(scope));
        }
    }
}
