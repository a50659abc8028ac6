package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.schedule.ScheduleEvent;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Cancelled;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Recurred;
import dev.cqrs.schedule.ScheduleEvent.Released;
import dev.cqrs.schedule.ScheduleEvent.Reopened;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What holds of any log that workers of stored commands have written, whatever went wrong: one worker has a lane at a time,
 * only who has it tells of its commands, and of each run it is told once. All workers have names of their own, and one clock.
 */
final class ScheduleRules {

    private static final class Stored {
        final int lane;
        boolean over;
        boolean cancelled;
        int occurrences;
        int attempts;

        Stored(int lane) {
            this.lane = lane;
        }
    }

    private final Map<Integer, Claimed> held = new HashMap<>();
    private final Map<String, Stored> stored = new HashMap<>();

    private ScheduleRules() {}

    static void check(EventStore log) {
        var rules = new ScheduleRules();
        try (var events = log.read(EventQuery.types(ScheduleEvent.class))) {
            for (var event : events.toList()) {
                rules.apply(event);
            }
        }
    }

    private void apply(RecordedEvent recorded) {
        var event = (ScheduleEvent) recorded.event();
        if (event instanceof Enqueued enqueued) {
            assertThat(stored.put(enqueued.id(), new Stored(enqueued.lane())))
                    .as("stored before: %s", recorded)
                    .isNull();
        } else if (event instanceof Claimed claimed) {
            var before = held.put(claimed.lane(), claimed);
            assertThat(before == null
                            || before.worker().equals(claimed.worker())
                            || !recorded.recordedAt().isBefore(before.until()))
                    .as("had by %s: %s", before, recorded)
                    .isTrue();
        } else if (event instanceof Released released) {
            assertThat(worker(released.lane())).as("had by, of %s", recorded).isEqualTo(released.worker());
            held.remove(released.lane());
        } else if (event instanceof Attempted attempted) {
            var command = told(attempted.id(), null, recorded);
            assertThat(attempted.attempt()).as("which time, of %s", recorded).isEqualTo(++command.attempts);
        } else if (event instanceof Ended ended) {
            told(ended.id(), ended.result().worker(), recorded).over = true;
        } else if (event instanceof Recurred recurred) {
            var last = stored.get(recurred.id());
            if (last != null && last.cancelled) {
                last.over = last.occurrences >= recurred.occurrence(); // within its run, of which is told all the same
            }
            var command = told(recurred.id(), recurred.result().worker(), recorded);
            command.over = command.cancelled;
            assertThat(recurred.occurrence()).as("which time, of %s", recorded).isEqualTo(++command.occurrences);
            command.attempts = 0;
        } else if (event instanceof Cancelled cancelled) {
            var command = open(cancelled.id(), recorded);
            command.over = true;
            command.cancelled = true;
        } else if (event instanceof Reopened reopened) {
            var command = stored.get(reopened.id());
            assertThat(command != null && command.over)
                    .as("over before: %s", recorded)
                    .isTrue();
            stored.put(reopened.id(), new Stored(reopened.lane()));
        }
    }

    private @Nullable String worker(int lane) {
        var claim = held.get(lane);
        return claim == null ? null : claim.worker();
    }

    private Stored open(String id, RecordedEvent recorded) {
        var command = stored.get(id);
        assertThat(command).as("stored before: %s", recorded).isNotNull();
        assertThat(command.over).as("over before: %s", recorded).isFalse();
        return command;
    }

    /** Who tells of a run has its lane, with its command. */
    private Stored told(String id, @Nullable String worker, RecordedEvent recorded) {
        var command = open(id, recorded);
        var claim = held.get(command.lane);
        assertThat(claim).as("claimed before: %s", recorded).isNotNull();
        assertThat(claim.entries()).as("claimed with %s", recorded).contains(id);
        if (worker != null) {
            assertThat(claim.worker()).as("had by, of %s", recorded).isEqualTo(worker);
        }
        return command;
    }
}
