package dev.cqrs.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Cancelled;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Outcome;
import dev.cqrs.schedule.ScheduleEvent.Recurred;
import dev.cqrs.schedule.ScheduleEvent.Released;
import dev.cqrs.schedule.ScheduleEvent.Reopened;
import dev.cqrs.schedule.ScheduleEvent.Result;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
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
        assertThat(all).allSatisfy(id -> assertThat(expiries(pending, id)).isZero());
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

    private static Pending pending(int lanes, Enqueued... marks) {
        var pending = new Pending(lanes);
        for (int i = 0; i < marks.length; i++) {
            pending.apply(marks[i], Position.of(i + 1), START.plusSeconds(i));
        }
        return pending;
    }

    private static Enqueued now(String id, int lane, int slot) {
        return new Enqueued(id, lane, slot, Timing.NOW, START, Duration.ZERO);
    }

    private static Enqueued at(String id, int lane, int slot, Instant due) {
        return new Enqueued(id, lane, slot, Timing.AT, due, Duration.ZERO);
    }

    private static Claimed claim(int lane, String worker, Instant until, String... ids) {
        return new Claimed(lane, worker, until, List.of(ids));
    }

    @Test
    void status_tells_what_waits_is_due_or_taken_and_who_is_at_it() {
        // given two of one key, one of none, and one that waits
        var pending = pending(
                3, now("n-1", 0, 5), now("n-2", 0, 5), now("n-3", 0, -1), at("n-4", 2, 5, START.plusSeconds(100)));
        var until = START.plusSeconds(30);
        assertThat(pending.size()).isEqualTo(4);
        assertThat(pending.status(Position.of(4), START))
                .isEqualTo(new ScheduleStatus(Position.of(4), 1, 3, Optional.of(START), 0, 0, 0, 0, 0, List.of()));

        // when it is taken
        pending.apply(claim(0, "w", until, "n-1", "n-3", "n-9"), Position.of(5), START);
        assertThat(pending.status(Position.of(5), until.minusNanos(1)))
                .returns(2L, ScheduleStatus::taken)
                .returns(List.of(new ScheduleStatus.Lane(0, "w", Optional.of(until))), ScheduleStatus::lanes);
        assertThat(pending.status(Position.of(5), until).taken())
                .as("the claim has ended")
                .isZero();

        // and when the first has failed, and the second waits for it
        pending.apply(new Attempted("n-1", 1, "", START.plusSeconds(60)), Position.of(6), START);
        assertThat(pending.status(Position.of(6), START).taken()).isEqualTo(1);
        assertThat(pending.pick(pending.lane(0), 9)).containsExactly("n-3");
        pending.apply(new Released(0, "w"), Position.of(7), START);
        assertThat(pending.status(Position.of(7), START))
                .isEqualTo(new ScheduleStatus(
                        Position.of(7),
                        2,
                        2,
                        Optional.of(START.plusSeconds(1)),
                        0,
                        0,
                        0,
                        0,
                        0,
                        List.of(new ScheduleStatus.Lane(0, "w", Optional.empty()))));

        // and in the end
        pending.apply(ended("n-3", Outcome.SUCCEEDED), Position.of(8), START);
        pending.apply(ended("n-3", Outcome.SUCCEEDED), Position.of(9), START);
        pending.apply(ended("n-1", Outcome.FAILED), Position.of(10), START);
        pending.apply(ended("n-2", Outcome.REJECTED), Position.of(11), START);
        pending.apply(new Cancelled("n-4"), Position.of(12), START);
        pending.apply(new Cancelled("n-4"), Position.of(13), START);
        assertThat(pending.status(Position.of(13), START))
                .isEqualTo(new ScheduleStatus(
                        Position.of(13),
                        0,
                        0,
                        Optional.empty(),
                        0,
                        1,
                        1,
                        1,
                        1,
                        List.of(new ScheduleStatus.Lane(0, "w", Optional.empty()))));
        assertThat(pending.size()).isZero();
    }

    private static Ended ended(String id, Outcome outcome) {
        return new Ended(id, new Result(outcome, "", 1, "w"));
    }

    @Test
    void the_next_change_is_what_becomes_due_or_the_end_of_a_claim_that_something_waits_for() {
        var pending = pending(3, now("n-1", 0, 5), at("n-2", 1, 5, START.plusSeconds(50)));
        assertThat(pending(1).nextChange(START)).isEmpty();
        assertThat(pending.nextChange(START)).contains(START.plusSeconds(50));

        pending.apply(claim(0, "w", START.plusSeconds(60), "n-1"), Position.of(3), START);
        assertThat(pending.nextChange(START)).as("the claim ends later").contains(START.plusSeconds(50));
        pending.apply(claim(0, "w", START.plusSeconds(30), "n-1"), Position.of(4), START);
        pending.apply(claim(2, "w", START.plusSeconds(10), "n-9"), Position.of(5), START);
        assertThat(pending.nextChange(START))
                .as("not that of a lane without work")
                .contains(START.plusSeconds(30));
        assertThat(pending.nextChange(START.plusSeconds(30))).as("it has ended").contains(START.plusSeconds(50));
        pending.lane(0).busy = true;
        assertThat(pending.nextChange(START)).as("this process sees to it").contains(START.plusSeconds(50));

        pending.lane(0).busy = false;
        pending.wake(START.plusSeconds(50));
        assertThat(pending.nextChange(START)).contains(START.plusSeconds(30));
        pending.apply(new Released(0, "w"), Position.of(6), START);
        assertThat(pending.nextChange(START)).isEmpty();
    }

    @Test
    void lanes_with_something_due_have_their_turns_unless_somebody_is_at_them() {
        var pending = pending(3, now("n-1", 0, 5), now("n-2", 2, 5), at("n-3", 1, 5, START.plusSeconds(50)));
        assertThat(pending.freeLane(START)).isSameAs(pending.lane(0));
        assertThat(pending.freeLane(START)).isSameAs(pending.lane(2));
        assertThat(pending.freeLane(START)).isSameAs(pending.lane(0));

        pending.lane(0).busy = true;
        pending.apply(claim(2, "w", START.plusSeconds(30), "n-2"), Position.of(4), START);
        assertThat(pending.freeLane(START.plusSeconds(29))).isNull();
        assertThat(pending.freeLane(START.plusSeconds(30))).isSameAs(pending.lane(2));
        pending.lane(2).abandoned = Position.of(4);
        assertThat(pending.freeLane(START)).as("its worker is at it no more").isSameAs(pending.lane(2));
        pending.apply(claim(2, "w", START.plusSeconds(30), "n-2"), Position.of(5), START);
        assertThat(pending.freeLane(START)).as("another is").isNull();
        pending.wake(START.plusSeconds(50));
        assertThat(pending.freeLane(START)).isSameAs(pending.lane(1));
    }

    @Test
    void what_is_taken_is_at_most_so_many_and_in_the_order_of_time_and_place() {
        var pending = pending(
                1,
                at("late", 0, 1, START.plusSeconds(9)),
                at("first", 0, 0, START.plusSeconds(3)),
                at("second", 0, -1, START.plusSeconds(3)),
                at("third", 0, 0, START.plusSeconds(4)));
        var lane = pending.lane(0);
        assertThat(pending.pick(lane, 9)).isEmpty();
        pending.wake(START.plusSeconds(9).minusNanos(1));
        assertThat(pending.pick(lane, 9)).containsExactly("first", "second", "third");
        pending.wake(START.plusSeconds(9));
        assertThat(pending.pick(lane, 9)).containsExactly("first", "second", "third", "late");
        assertThat(pending.pick(lane, 2)).containsExactly("first", "second");
        assertThat(pending.due("late")).isNotNull();
        assertThat(pending.due("nobody")).isNull();

        // and of slot 0 as of any other those behind a failed one wait, of none nobody
        pending.apply(new Attempted("first", 1, "", START.plusSeconds(60)), Position.of(5), START);
        pending.apply(new Attempted("second", 1, "", START.plusSeconds(60)), Position.of(6), START);
        assertThat(pending.due("first")).as("it waits").isNull();
        assertThat(pending.due("second")).as("it waits").isNull();
        assertThat(pending.due("third")).as("it is behind").isNull();
        assertThat(pending.pick(lane, 9)).containsExactly("late");
        pending.apply(at("other", 0, -1, START.plusSeconds(5)), Position.of(7), START);
        pending.wake(START.plusSeconds(59));
        assertThat(pending.pick(lane, 9)).containsExactly("other", "late");
        assertThat(pending.due("other")).isNotNull();
    }

    @Test
    void what_is_cancelled_is_gone_wherever_it_is_and_holds_nobody_up() {
        for (var looked : List.of(true, false)) {
            var pending = pending(
                    1, now("n-1", 0, 5), now("n-2", 0, 5), now("n-3", 0, 5), now("n-4", 0, -1), now("n-5", 0, 6));
            var lane = pending.lane(0);
            pending.apply(new Attempted("n-1", 1, "", START.plusSeconds(60)), Position.of(6), START);
            if (looked) { // and those behind it have been put aside
                assertThat(pending.pick(lane, 9)).containsExactly("n-4", "n-5");
            }
            pending.apply(new Cancelled("n-2"), Position.of(7), START);
            pending.apply(new Cancelled("n-4"), Position.of(8), START);
            assertThat(pending.pick(lane, 9)).containsExactly("n-5");
            assertThat(pending.status(Position.of(8), START))
                    .returns(1L, ScheduleStatus::waiting)
                    .returns(2L, ScheduleStatus::due);

            pending.apply(new Cancelled("n-1"), Position.of(9), START);
            assertThat(pending.pick(lane, 9)).containsExactly("n-3", "n-5");
            assertThat(pending.nextChange(START)).isEmpty();
            pending.apply(new Attempted("n-1", 2, "", START.plusSeconds(70)), Position.of(10), START);
            pending.apply(
                    new Recurred("n-1", 1, new Result(Outcome.FAILED, "", 1, "w"), START.plusSeconds(80)),
                    Position.of(11),
                    START);
            assertThat(pending.nextChange(START)).as("it is gone").isEmpty();
            assertThat(pending.status(Position.of(11), START))
                    .returns(3L, ScheduleStatus::cancelled)
                    .returns(1L, ScheduleStatus::failed);
        }
    }

    @Test
    void what_is_kept_is_all_that_was_known() {
        var until = START.plusSeconds(30);
        var pending = pending(
                3,
                now("n-1", 0, 5),
                now("n-2", 0, 5),
                now("n-3", 1, -1),
                new Enqueued("tick", 2, 7, Timing.EVERY, START, Duration.ofMinutes(1)));
        pending.wake(START);
        pending.apply(new Attempted("n-1", 1, "", START.plusSeconds(60)), Position.of(5), START);
        pending.apply(claim(1, "w1", until, "n-3"), Position.of(6), START);
        pending.apply(claim(2, "w2", until, "tick"), Position.of(7), START);
        pending.apply(
                new Recurred("tick", 1, new Result(Outcome.SUCCEEDED, "", 1, "w2"), START.plusSeconds(40)),
                Position.of(8),
                START);
        pending.apply(new Released(2, "w2"), Position.of(9), START);
        assertThat(pending.pick(pending.lane(0), 9)).isEmpty();

        var kept = new Pending(3);
        assertThat(kept.load(pending.save())).isTrue();

        assertThat(kept.pick(kept.lane(0), 9)).isEmpty();
        assertThat(kept.save().open())
                .containsExactlyInAnyOrderElementsOf(pending.save().open());
        assertThat(kept.save().lanes()).isEqualTo(pending.save().lanes());
        assertThat(kept.save().lanes()).hasSize(2);
        assertThat(kept.status(Position.of(9), START)).isEqualTo(pending.status(Position.of(9), START));
        assertThat(kept.nextChange(START)).isEqualTo(pending.nextChange(START)).contains(until);
        assertThat(kept.freeLane(START)).isNull();
        assertThat(kept.status(Position.of(9), START).lanes())
                .containsExactly(
                        new ScheduleStatus.Lane(1, "w1", Optional.of(until)),
                        new ScheduleStatus.Lane(2, "w2", Optional.empty()));
        kept.wake(START.plusSeconds(60));
        assertThat(kept.pick(kept.lane(0), 9)).containsExactly("n-1", "n-2");
        assertThat(kept.due("tick")).isNotNull().returns(1, entry -> entry.occurrences);
    }

    @Test
    void the_oldest_of_all_lanes_is_told() {
        var second = pending(2, now("n-1", 1, 5), now("n-2", 0, 5));
        assertThat(second.status(Position.of(2), START).oldestDue()).contains(START);
        var first = pending(2, now("n-1", 0, 5), now("n-2", 1, 5));
        assertThat(first.status(Position.of(2), START).oldestDue()).contains(START);
    }

    @Test
    void a_claim_that_ended_counts_for_the_first_of_which_nothing_was_told() {
        // given a claim of which one has ended, and one has run and is to run again
        var tick = new Enqueued("tick", 0, 7, Timing.EVERY, START, Duration.ofSeconds(10));
        var pending = pending(1, now("n-1", 0, 5), tick, now("n-3", 0, 6), now("n-4", 0, 8));
        pending.wake(START);
        pending.apply(claim(0, "w1", START.plusSeconds(30), "n-1", "tick", "n-3", "n-4"), Position.of(5), START);
        pending.apply(ended("n-1", Outcome.SUCCEEDED), Position.of(6), START);
        pending.apply(
                new Recurred("tick", 1, new Result(Outcome.SUCCEEDED, "", 1, "w1"), START.plusSeconds(10)),
                Position.of(7),
                START);

        // when
        pending.apply(claim(0, "w2", START.plusSeconds(90), "n-3"), Position.of(8), START.plusSeconds(30));

        // then
        assertThat(expiries(pending, "tick")).isZero();
        assertThat(expiries(pending, "n-3")).isEqualTo(1);
        assertThat(expiries(pending, "n-4")).isZero();
    }

    @Test
    void what_has_failed_and_runs_after_all_is_due_behind_the_rest() {
        var pending = pending(1, now("n-1", 0, 5), now("n-2", 0, 5));
        pending.apply(ended("n-1", Outcome.FAILED), Position.of(3), START.plusSeconds(3));
        assertThat(pending.status(Position.of(3), START).failed()).isEqualTo(1);
        pending.apply(new Reopened("n-1", 0, 5, 1), Position.of(4), START.plusSeconds(4));
        assertThat(pending.pick(pending.lane(0), 9)).containsExactly("n-2", "n-1");
        assertThat(pending.status(Position.of(4), START))
                .returns(0L, ScheduleStatus::failed)
                .returns(0L, ScheduleStatus::cancelled)
                .returns(2L, ScheduleStatus::due);
    }
}
