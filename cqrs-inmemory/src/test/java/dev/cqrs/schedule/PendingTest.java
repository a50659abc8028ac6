package dev.cqrs.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Released;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class PendingTest {

    private static final Instant START = Instant.parse("2026-01-05T09:00:00Z");

    private static int expiries(Pending pending, String id) {
        return pending.save().open().stream()
                .filter(entry -> entry.id().equals(id))
                .findFirst()
                .orElseThrow()
                .expiries();
    }

    @Test
    void a_claim_that_ended_by_itself_counts_for_the_next_to_run_until_its_worker_tells_of_it() {
        var pending = new Pending(1);
        for (int i = 1; i <= 3; i++) {
            var mark = new Enqueued("n-" + i, 0, 5 + i / 3, Timing.NOW, START, Duration.ZERO);
            pending.apply(mark, Position.of(i), START);
        }
        var all = List.of("n-1", "n-2", "n-3");

        // given a claim, renewed in time, under which the first has failed: the second is behind it
        pending.apply(new Claimed(0, "w1", START.plusSeconds(30), all), Position.of(4), START);
        pending.apply(new Claimed(0, "w1", START.plusSeconds(45), all), Position.of(5), START.plusSeconds(15));
        pending.apply(new Attempted("n-1", 1, "", START.plusSeconds(60)), Position.of(6), START.plusSeconds(20));
        assertThat(all).allSatisfy(id -> assertThat(expiries(pending, id)).isZero());

        // when it is taken over, then what the log has counts, not who has been here since when
        pending.apply(
                new Claimed(0, "w2", START.plusSeconds(75), List.of("n-3")), Position.of(7), START.plusSeconds(45));
        assertThat(expiries(pending, "n-3")).isEqualTo(1);
        pending.wake(START.plusSeconds(60));
        pending.apply(new Claimed(0, "w3", START.plusSeconds(120), all), Position.of(8), START.plusSeconds(90));
        assertThat(expiries(pending, "n-3")).isEqualTo(2);
        assertThat(expiries(pending, "n-1")).isZero();
        var kept = new Pending(1);
        kept.load(pending.save());
        assertThat(expiries(kept, "n-3")).isEqualTo(2);

        // and what is given back has not expired, and what is told of begins anew
        pending.apply(new Released(0, "w3"), Position.of(9), START.plusSeconds(100));
        pending.apply(new Claimed(0, "w4", START.plusSeconds(300), all), Position.of(10), START.plusSeconds(200));
        assertThat(expiries(pending, "n-1")).isZero();
        pending.apply(new Attempted("n-3", 1, "", START.plusSeconds(210)), Position.of(11), START.plusSeconds(201));
        assertThat(expiries(pending, "n-3")).isZero();
    }

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
