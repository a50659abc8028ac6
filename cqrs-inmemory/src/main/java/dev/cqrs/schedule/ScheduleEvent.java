package dev.cqrs.schedule;

import dev.cqrs.event.Tag;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What the operations log tells of stored commands: the state of a schedule is a fold of these events.
 *
 * <p>A command itself stands right behind the {@link Enqueued} that speaks of it, in the same append, as an entry of the
 * catalog like any event. {@link CommandSchedule#catalog} adds all of these events to a catalog.
 *
 * <p><b>Threads:</b> immutable.
 */
public sealed interface ScheduleEvent {

    /** The key of the tags by which the events of a stored command are found; the value is its id. */
    String ID_TAG = "cqrs.schedule";

    /** The key of the tags by which the claims of a lane are found; the value is its number. */
    String LANE_TAG = "cqrs.schedule-lane";

    /** The tag of the ends of commands that have failed. */
    Tag FAILED_TAG = Tag.of("cqrs.schedule-outcome", "failed");

    /**
     * Gives the tags of this event, for the catalog.
     *
     * @return an unmodifiable set, possibly empty
     */
    Set<Tag> tags();

    /**
     * Gives the tag of the events of a stored command.
     *
     * @param id the command's id
     * @return never {@code null}
     * @throws IllegalArgumentException if the id cannot be a tag's value
     */
    static Tag tag(String id) {
        return Tag.of(ID_TAG, id);
    }

    /**
     * Gives the tag of the claims of a lane.
     *
     * @param lane its number
     * @return never {@code null}
     */
    static Tag laneTag(int lane) {
        return Tag.of(LANE_TAG, Integer.toString(lane));
    }

    /** When a stored command is to run. */
    enum Timing {
        /** As soon as a worker gets to it, behind those of its key that were stored before. */
        NOW,
        /** Once, at an instant. */
        AT,
        /** At an instant, and again after each period. */
        EVERY
    }

    /** How a command ended. */
    enum Outcome {
        /** Its handler returned. */
        SUCCEEDED,
        /** It was rejected by its decision. */
        REJECTED,
        /** Its handler threw something else, each time, or what another attempt does not change. */
        FAILED
    }

    /**
     * The log is used by a schedule.
     *
     * @param lanes how many lanes it has, the same for all processes
     */
    record Opened(int lanes) implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return Set.of();
        }
    }

    /**
     * A command was stored; it stands at the next position.
     *
     * @param id its id
     * @param lane the lane it runs in
     * @param slot what its key was hashed to, 0 to 65,535; -1 if it has no key
     * @param timing when it is to run
     * @param due the instant; for {@link Timing#NOW} when it was stored, by the clock of who did
     * @param period the time between two runs; zero if it runs once
     */
    record Enqueued(String id, int lane, int slot, Timing timing, Instant due, Duration period)
            implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return Set.of(tag(id));
        }
    }

    /**
     * A worker has a lane for itself, and runs commands of it. If it stands right behind a {@link Released} of the same
     * append, it renews a claim, with what of its commands is left.
     *
     * @param lane the lane
     * @param worker the worker's name
     * @param until when the claim ends by itself, by the clock of the worker
     * @param entries the ids of the commands it runs
     */
    record Claimed(int lane, String worker, Instant until, List<String> entries) implements ScheduleEvent {

        /**
         * Copies the list.
         *
         * @param lane the lane
         * @param worker the worker's name
         * @param until when the claim ends by itself, by the clock of the worker
         * @param entries the ids of the commands it runs
         */
        public Claimed {
            entries = List.copyOf(entries);
        }

        @Override
        public Set<Tag> tags() {
            var tags = new HashSet<Tag>();
            tags.add(laneTag(lane));
            entries.forEach(id -> tags.add(tag(id)));
            return tags;
        }
    }

    /**
     * A worker gave a lane back, or is about to claim it anew: then its {@link Claimed} stands right behind, in the same
     * append.
     *
     * @param lane the lane
     * @param worker the worker's name
     */
    record Released(int lane, String worker) implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return Set.of(laneTag(lane));
        }
    }

    /**
     * A command failed, and is to be tried again.
     *
     * @param id its id
     * @param attempt how often it was tried
     * @param reason why it failed
     * @param next when it is tried again
     */
    record Attempted(String id, int attempt, String reason, Instant next) implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return Set.of(tag(id));
        }
    }

    /**
     * How one run of a command went.
     *
     * @param outcome how it ended
     * @param reason why, unless it succeeded; otherwise empty
     * @param attempts how often it was tried
     * @param worker the worker's name
     */
    record Result(Outcome outcome, String reason, int attempts, String worker) {}

    /**
     * A command that runs once has run.
     *
     * @param id its id
     * @param result how it went
     */
    record Ended(String id, Result result) implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return result.outcome() == Outcome.FAILED ? Set.of(tag(id), FAILED_TAG) : Set.of(tag(id));
        }
    }

    /**
     * A command that runs again and again has run.
     *
     * @param id its id
     * @param occurrence which time it was, from 1
     * @param result how it went
     * @param next when it is due again
     */
    record Recurred(String id, int occurrence, Result result, Instant next) implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return Set.of(tag(id));
        }
    }

    /**
     * A command is not to run any more.
     *
     * @param id its id
     */
    record Cancelled(String id) implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return Set.of(tag(id));
        }
    }

    /**
     * A command that had failed is to run after all.
     *
     * @param id its id
     * @param lane the lane it runs in
     * @param slot what its key was hashed to; -1 if it has no key
     * @param position the place of its {@link Enqueued}
     */
    record Reopened(String id, int lane, int slot, long position) implements ScheduleEvent {

        @Override
        public Set<Tag> tags() {
            return Set.of(tag(id));
        }
    }
}
