package dev.cqrs.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class PendingTest {

    private static final Instant START = Instant.parse("2026-01-05T09:00:00Z");

    /** As the log has it if a worker whose clock is ahead has tried the second while the first waits here. */
    @Test
    void the_followers_of_two_that_are_to_be_tried_again_wait_for_both() {
        var pending = new Pending(1);
        for (int i = 1; i <= 3; i++) {
            var mark = new Enqueued("n-" + i, 0, 7, Timing.NOW, START, Duration.ZERO);
            pending.apply(mark, Position.of(i), START);
        }
        pending.apply(new Attempted("n-1", 1, "", START.plusSeconds(10)), Position.of(4), START);
        pending.apply(new Attempted("n-2", 1, "", START.plusSeconds(20)), Position.of(5), START);
        var lane = pending.lane(0);

        assertThat(pending.pick(lane, 9)).isEmpty();
        pending.wake(START.plusSeconds(10));
        assertThat(pending.pick(lane, 9)).isEmpty();
        assertThat(pending.due("n-3")).isNull();
        var kept = new Pending(1);
        kept.load(pending.save());
        kept.wake(START.plusSeconds(20));
        assertThat(kept.pick(kept.lane(0), 9)).containsExactly("n-1", "n-2", "n-3");
        pending.wake(START.plusSeconds(20));
        assertThat(pending.pick(lane, 9)).containsExactly("n-1", "n-2", "n-3");
    }
}
