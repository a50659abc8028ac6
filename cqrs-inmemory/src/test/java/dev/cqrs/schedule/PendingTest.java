package dev.cqrs.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.schedule.Pending.PutOff;
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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PendingTest {

    private static final Instant START = Instant.parse("2026-01-05T09:00:00Z");
    private static final PutOff NOTHING = new PutOff();

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

        assertThat(pending.pick(lane, 9, NOTHING)).isEmpty();
        pending.wake(START.plusSeconds(10));
        assertThat(pending.pick(lane, 9, NOTHING)).isEmpty();
        assertThat(pending.due("n-3")).isNull();
        var kept = new Pending(1);
        kept.load(pending.save());
        kept.wake(START.plusSeconds(20));
        assertThat(kept.pick(kept.lane(0), 9, NOTHING)).containsExactly("n-1", "n-2", "n-3");
        pending.wake(START.plusSeconds(20));
        assertThat(pending.pick(lane, 9, NOTHING)).containsExactly("n-1", "n-2", "n-3");
    }

    // ---- a log of its own for each test: positions count up

    private final Pending pending = new Pending(3);
    private long written;

    private static Instant at(int seconds) {
        return START.plusSeconds(seconds);
    }

    /** Has an event stand in the log, recorded at so many seconds after the start. */
    private void log(int second, ScheduleEvent event) {
        pending.apply(event, Position.of(++written), at(second));
    }

    private void enqueue(int second, String id, int lane, int slot) {
        log(second, new Enqueued(id, lane, slot, Timing.NOW, at(second), Duration.ZERO));
    }

    private static Result result(Outcome outcome) {
        return new Result(outcome, "", 1, "w");
    }

    private List<String> pick(int lane) {
        return pending.pick(pending.lane(lane), 9, NOTHING);
    }

    private ScheduleStatus status(int second) {
        return pending.status(Position.of(written), at(second));
    }

    // ---- what is to run next

    @Test
    void what_was_stored_to_run_at_once_is_due_by_any_clock_and_in_the_order_of_the_log() {
        // given a process whose clock is an hour ahead, and one whose clock has gone back
        log(0, new Enqueued("first", 0, 7, Timing.NOW, at(3_600), Duration.ZERO));
        log(1, new Enqueued("second", 0, 7, Timing.NOW, at(-3_600), Duration.ZERO));
        log(2, new Enqueued("timed", 0, 7, Timing.AT, at(60), Duration.ZERO));

        assertThat(pick(0)).containsExactly("first", "second");
        pending.wake(at(59));
        assertThat(pick(0)).containsExactly("first", "second");
        pending.wake(at(60));
        assertThat(pick(0)).containsExactly("first", "second", "timed");
    }

    @Test
    void no_more_is_picked_than_was_asked_for_and_only_of_that_lane() {
        for (int i = 1; i <= 3; i++) {
            enqueue(0, "a-" + i, 0, -1);
            enqueue(0, "b-" + i, 1, -1);
        }
        assertThat(pending.pick(pending.lane(1), 2, NOTHING)).containsExactly("b-1", "b-2");
        assertThat(pending.pick(pending.lane(1), 2, NOTHING)).containsExactly("b-1", "b-2");
        assertThat(pick(1)).containsExactly("b-1", "b-2", "b-3");
        assertThat(pick(2)).isEmpty();
    }

    @Test
    void those_of_the_slot_of_a_failed_one_wait_for_it_and_no_others_do() {
        // given a failed one of each kind; 0 is a slot like any other, and without a key there is none
        for (int slot : List.of(-1, 0, 1)) {
            enqueue(0, "failed " + slot, 0, slot);
            enqueue(0, "behind " + slot, 0, slot);
        }
        enqueue(0, "elsewhere", 1, 0);
        log(1, new Attempted("failed 0", 1, "", at(60)));
        log(1, new Attempted("failed -1", 1, "", at(60)));

        // then whoever looks first
        assertThat(pending.due("behind 0")).isNull();
        assertThat(pending.due("failed 0")).isNull();
        assertThat(pending.due("failed -1")).isNull();
        assertThat(pending.due("never stored")).isNull();
        log(1, new Enqueued("later", 0, 2, Timing.AT, at(900), Duration.ZERO));
        assertThat(pending.due("later")).isNull();
        assertThat(pick(0)).containsExactly("behind -1", "failed 1", "behind 1");
        assertThat(pending.due("behind 0")).isNull();
        assertThat(List.of("behind -1", "failed 1", "behind 1", "elsewhere"))
                .allSatisfy(id ->
                        assertThat(Objects.requireNonNull(pending.due(id)).id).isEqualTo(id));

        // and when it is tried again all are in order
        pending.wake(at(60));
        assertThat(pick(0)).containsExactly("failed -1", "behind -1", "failed 0", "behind 0", "failed 1", "behind 1");
    }

    @Test
    void whoever_waited_for_one_that_was_cancelled_goes_on_and_one_that_waited_can_be_cancelled() {
        enqueue(0, "failed", 0, 7);
        enqueue(0, "behind", 0, 7);
        enqueue(0, "cancelled", 0, 7);
        enqueue(0, "cancelled before anybody looked", 0, 7);
        log(1, new Attempted("failed", 1, "", at(60)));
        log(1, new Cancelled("cancelled before anybody looked"));
        assertThat(pick(0)).isEmpty();

        log(2, new Cancelled("cancelled"));
        assertThat(pick(0)).isEmpty();
        log(3, new Cancelled("failed"));

        assertThat(pick(0)).containsExactly("behind");
        pending.wake(at(60));
        assertThat(pick(0)).containsExactly("behind");
        assertThat(pending.size()).isEqualTo(1);
        assertThat(status(60).cancelled()).isEqualTo(3);
    }

    @Test
    void free_lanes_take_turns() {
        enqueue(0, "a", 0, -1);
        enqueue(0, "b", 1, -1);
        var lanes = new ArrayList<Integer>();
        for (int i = 0; i < 4; i++) {
            lanes.add(Objects.requireNonNull(pending.freeLane(at(0), NOTHING)).number);
        }
        assertThat(lanes).as("the third lane has nothing").containsExactly(0, 1, 0, 1);
    }

    @Test
    void a_lane_is_free_when_nobody_here_is_at_it_and_no_claim_holds_it() {
        enqueue(0, "a", 0, -1);
        var lane = pending.lane(0);
        assertThat(pending.freeLane(at(0), NOTHING)).isSameAs(lane);

        lane.busy = true;
        assertThat(pending.freeLane(at(0), NOTHING)).isNull();
        lane.busy = false;
        log(0, new Claimed(0, "w1", at(30), List.of("a")));
        assertThat(pending.freeLane(at(29), NOTHING)).isNull();
        assertThat(pending.freeLane(at(30), NOTHING)).isSameAs(lane);

        lane.abandoned = Position.of(written);
        assertThat(pending.freeLane(at(1), NOTHING))
                .as("a claim of who is here")
                .isSameAs(lane);
        log(2, new Claimed(0, "w2", at(60), List.of("a")));
        assertThat(pending.freeLane(at(3), NOTHING)).as("a later claim").isNull();
        log(4, new Released(0, "w2"));
        assertThat(pending.freeLane(at(4), NOTHING)).isSameAs(lane);
    }

    @Test
    void what_a_worker_cannot_run_it_leaves_to_others_with_those_behind_it_until_its_time_or_while_it_is_due() {
        enqueue(0, "a", 0, 7);
        enqueue(0, "b", 0, 7);
        enqueue(0, "c", 0, -1);
        enqueue(0, "d", 0, -1);
        var lane = pending.lane(0);
        var putOff = new PutOff();
        putOff.add(Objects.requireNonNull(pending.due("a")), at(60));
        putOff.add(Objects.requireNonNull(pending.due("c")), at(50));

        assertThat(pending.pick(lane, 9, putOff)).containsExactly("d");
        assertThat(pick(0)).as("others").containsExactly("a", "b", "c", "d");
        log(1, new Ended("d", result(Outcome.SUCCEEDED)));
        assertThat(pending.freeLane(at(1), putOff)).isNull();
        assertThat(pending.freeLane(at(1), NOTHING)).isSameAs(lane);

        // and what is before it in its key is run here
        log(1, new Enqueued("z", 0, 7, Timing.AT, at(-10), Duration.ZERO));
        pending.wake(at(2));
        assertThat(pending.pick(lane, 9, putOff)).containsExactly("z");
        log(2, new Ended("z", result(Outcome.SUCCEEDED)));
        assertThat(pending.pick(lane, 9, putOff)).isEmpty();

        // when the time of one comes, and another has run the other
        assertThat(putOff.wake(at(49))).contains(at(50));
        assertThat(putOff.wake(at(50))).contains(at(60));
        assertThat(pending.pick(lane, 9, putOff)).containsExactly("c");
        log(51, new Ended("a", result(Outcome.SUCCEEDED)));
        assertThat(pending.pick(lane, 9, putOff)).containsExactly("b", "c");
        assertThat(putOff.wake(at(60))).isEmpty();
    }

    @Test
    @Timeout(30)
    void one_that_is_tried_again_and_again_costs_nothing_for_the_thousands_behind_it() {
        for (int i = 0; i < 50_000; i++) {
            enqueue(0, "p-" + i, 0, 7);
        }
        enqueue(0, "other", 0, 8);
        for (int attempt = 1; attempt <= 5_000; attempt++) {
            log(attempt, new Attempted("p-0", attempt, "", at(attempt + 1)));
            assertThat(pick(0)).containsExactly("other");
            pending.wake(at(attempt + 1));
            assertThat(pick(0)).startsWith("p-0", "p-1").endsWith("p-8");
        }
    }

    /** Against the plain way: of all that are due, in order, those that can run. */
    @Test
    void what_is_picked_is_what_is_first_of_all_that_can_run_whatever_happened_before() {
        for (long seed = 0; seed < 300; seed++) {
            var random = new Random(seed);
            var many = new Pending(2);
            var due = new TreeMap<Long, String>(); // by position; the clock stands still
            var slots = new HashMap<String, Integer>();
            var waiting = new HashMap<String, Integer>(); // until which second
            var places = new HashMap<String, Long>();
            int second = 0;
            for (int step = 1; step <= 120; step++) {
                var any = slots.keySet().stream().sorted().toList();
                var id = any.isEmpty() ? "" : any.get(random.nextInt(any.size()));
                switch (any.isEmpty() ? 0 : random.nextInt(6)) {
                    case 0, 1, 2 -> {
                        int slot = random.nextInt(5) - 1;
                        var mark = new Enqueued("n-" + step, 0, slot, Timing.NOW, START, Duration.ZERO);
                        many.apply(mark, Position.of(step), START);
                        slots.put("n-" + step, slot);
                        places.put("n-" + step, (long) step);
                        due.put((long) step, "n-" + step);
                    }
                    case 3 -> {
                        int until = second + 1 + random.nextInt(5);
                        many.apply(new Attempted(id, 1, "", at(until)), Position.of(step), START);
                        due.remove(Objects.requireNonNull(places.get(id)));
                        waiting.put(id, until);
                    }
                    case 4 -> {
                        many.apply(
                                random.nextBoolean() ? new Cancelled(id) : new Ended(id, result(Outcome.SUCCEEDED)),
                                Position.of(step),
                                START);
                        due.remove(Objects.requireNonNull(places.get(id)));
                        waiting.remove(id);
                        slots.remove(id);
                    }
                    default -> {
                        second++;
                        many.wake(at(second));
                        for (var entry : Map.copyOf(waiting).entrySet()) {
                            if (entry.getValue() <= second) {
                                waiting.remove(entry.getKey());
                                due.put(Objects.requireNonNull(places.get(entry.getKey())), entry.getKey());
                            }
                        }
                    }
                }
                var blocked = waiting.keySet().stream().map(slots::get).collect(Collectors.toSet());
                blocked.remove(-1);
                var expected = due.values().stream()
                        .filter(one -> !blocked.contains(slots.get(one)))
                        .toList();
                int most = random.nextInt(10);

                assertThat(many.pick(many.lane(0), most, NOTHING))
                        .as("seed " + seed + ", step " + step)
                        .isEqualTo(expected.stream().limit(most).toList());
                for (var one : slots.keySet()) {
                    assertThat(many.due(one) != null).as(one).isEqualTo(expected.contains(one));
                }
                assertThat(many.freeLane(START, NOTHING) != null).isEqualTo(!expected.isEmpty());
                assertThat(many.status(Position.START, START).due()).isEqualTo(due.size());
                if (random.nextInt(20) == 0) {
                    var loaded = new Pending(2);
                    loaded.load(many.save());
                    many = loaded;
                }
            }
        }
    }

    // ---- when to look again

    @Test
    void something_changes_when_the_next_one_becomes_due_or_a_claim_ends_in_a_lane_with_work() {
        assertThat(pending.nextChange(at(0))).isEmpty();

        // given claims of lanes in which nothing is, in which something is, and at which somebody here is
        log(0, new Claimed(0, "w1", at(10), List.of()));
        assertThat(pending.nextChange(at(0))).isEmpty();
        enqueue(0, "b", 1, -1);
        assertThat(pending.nextChange(at(0))).as("nobody holds it").isEmpty();
        log(0, new Claimed(1, "w2", at(40), List.of("b")));
        assertThat(pending.nextChange(at(0))).contains(at(40));
        enqueue(0, "c", 2, -1);
        log(0, new Claimed(2, "w3", at(20), List.of("c")));
        assertThat(pending.nextChange(at(0))).contains(at(20));
        pending.lane(2).busy = true;
        assertThat(pending.nextChange(at(0))).contains(at(40));
        pending.lane(2).busy = false;
        assertThat(pending.nextChange(at(20))).as("that has ended").contains(at(40));
        assertThat(pending.nextChange(at(40))).isEmpty();

        // when something is to become due, before or after
        log(1, new Enqueued("later", 0, -1, Timing.AT, at(30), Duration.ZERO));
        assertThat(pending.nextChange(at(1))).contains(at(20));
        assertThat(pending.nextChange(at(20))).contains(at(30));
        pending.wake(at(30));
        assertThat(pending.nextChange(at(30))).contains(at(40));
    }

    // ---- how it stands

    @Test
    void what_is_taken_is_what_of_a_valid_claim_can_run_and_was_not_told_of() {
        for (int i = 1; i <= 5; i++) {
            enqueue(0, "a-" + i, 0, i < 3 ? 7 : -1);
        }
        enqueue(0, "b-1", 1, -1);
        assertThat(status(0).taken()).isZero();
        log(0, new Claimed(0, "w1", at(30), List.of("a-1", "a-2", "a-3", "a-4", "a-5")));
        log(0, new Claimed(1, "w1", at(20), List.of("b-1")));
        assertThat(status(0).taken()).isEqualTo(6);

        log(1, new Ended("a-3", result(Outcome.SUCCEEDED)));
        assertThat(status(1).taken()).isEqualTo(5);
        log(2, new Attempted("a-1", 1, "", at(60)));
        assertThat(status(2).taken())
                .as("without the one that waits, and the one behind it")
                .isEqualTo(3);
        assertThat(status(20).taken()).as("without the claim that has ended").isEqualTo(2);
        assertThat(status(30).taken()).isZero();
        log(31, new Released(0, "w1"));
        assertThat(status(1).taken()).as("without what was given back").isEqualTo(1);
    }

    @Test
    void the_oldest_that_is_due_is_told_wherever_it_is() {
        assertThat(status(0).oldestDue()).isEmpty();
        log(0, new Enqueued("later", 0, -1, Timing.AT, at(900), Duration.ZERO));
        assertThat(status(0).oldestDue()).isEmpty();

        enqueue(30, "young", 2, -1);
        assertThat(status(40).oldestDue()).contains(at(30));
        enqueue(10, "failed", 0, 7);
        enqueue(20, "behind", 0, 7);
        assertThat(status(40).oldestDue()).contains(at(10));
        log(40, new Attempted("failed", 1, "", at(60)));
        assertThat(pick(0)).isEmpty();
        assertThat(status(50).oldestDue()).as("one that waits for another").contains(at(20));
        assertThat(status(50).waiting()).isEqualTo(2);
        assertThat(status(50).due()).isEqualTo(2);
        enqueue(50, "younger", 0, -1);
        assertThat(status(50).oldestDue()).contains(at(20));
        enqueue(15, "older", 1, -1); // as from a clock that has gone back
        assertThat(status(50).oldestDue()).contains(at(15));
    }

    @Test
    void each_end_counts_once_and_one_that_was_cancelled_has_not_also_ended() {
        for (var id : List.of("good", "rejected", "bad", "cancelled", "late")) {
            enqueue(0, id, 0, -1);
        }
        log(0, new Enqueued("again", 0, -1, Timing.EVERY, at(0), Duration.ofMinutes(1)));
        pending.wake(at(0));
        log(1, new Ended("good", result(Outcome.SUCCEEDED)));
        log(1, new Ended("rejected", result(Outcome.REJECTED)));
        log(1, new Ended("bad", result(Outcome.FAILED)));
        log(1, new Cancelled("cancelled"));
        log(2, new Ended("cancelled", result(Outcome.SUCCEEDED)));
        log(2, new Cancelled("good"));
        log(2, new Recurred("again", 1, result(Outcome.SUCCEEDED), at(60)));
        assertThat(status(2))
                .isEqualTo(
                        new ScheduleStatus(Position.of(written), 1, 1, Optional.of(at(0)), 0, 2, 1, 1, 1, List.of()));

        // when a failed one is to run after all, and the recurring one is cancelled within its second run
        log(3, new Reopened("bad", 0, -1, 3));
        assertThat(status(3).failed()).isZero();
        assertThat(pick(0)).containsExactly("late", "bad");
        pending.wake(at(60));
        assertThat(pick(0)).containsExactly("late", "bad", "again");
        log(61, new Cancelled("again"));
        log(62, new Recurred("again", 2, result(Outcome.REJECTED), at(120)));
        pending.wake(at(120));
        assertThat(pick(0)).containsExactly("late", "bad");
        assertThat(status(120).rejected()).isEqualTo(2);
        assertThat(status(120).cancelled()).isEqualTo(2);
        assertThat(pending.size()).isEqualTo(2);
    }

    @Test
    void the_ends_of_those_that_failed_and_no_others_have_the_tag_of_failures() {
        for (var outcome : Outcome.values()) {
            var tags = new Ended("a", result(outcome)).tags();
            assertThat(tags).contains(ScheduleEvent.tag("a"));
            assertThat(tags.contains(ScheduleEvent.FAILED_TAG)).isEqualTo(outcome == Outcome.FAILED);
        }
    }

    @Test
    void what_is_to_run_after_all_is_behind_what_was_stored_before_it_at_that_instant_also_where_it_was_loaded() {
        enqueue(0, "a", 0, 7);
        log(0, new Ended("a", result(Outcome.FAILED)));
        enqueue(0, "b", 0, 7);
        log(0, new Reopened("a", 0, 7, 1));
        enqueue(0, "c", 0, 7);
        assertThat(pick(0)).containsExactly("b", "a", "c");

        var loaded = new Pending(1);
        loaded.load(pending.save());
        assertThat(loaded.pick(loaded.lane(0), 9, NOTHING)).containsExactly("b", "a", "c");
        assertThat(Objects.requireNonNull(loaded.due("a")).position).isEqualTo(1);
    }

    // ---- claims that end by themselves

    @Test
    void a_claim_that_was_renewed_or_given_back_counts_for_nobody() {
        enqueue(0, "a", 0, 7);
        log(0, new Claimed(0, "w1", at(30), List.of("a")));
        log(29, new Claimed(0, "w1", at(60), List.of("a")));
        assertThat(expiries(pending, "a")).isZero();
        log(90, new Released(0, "w1"));
        log(90, new Claimed(0, "w2", at(120), List.of("a")));
        assertThat(expiries(pending, "a")).isZero();
        log(120, new Claimed(0, "w3", at(150), List.of("a")));
        assertThat(expiries(pending, "a")).isEqualTo(1);
    }

    @Test
    void a_claim_that_ended_by_itself_counts_for_one_that_still_waits_here_by_a_clock_that_is_behind() {
        // given a worker whose clock says that it is time to try again
        enqueue(0, "failed", 0, 7);
        enqueue(0, "ended", 0, -1);
        enqueue(0, "other", 0, -1);
        log(0, new Attempted("failed", 1, "", at(60)));
        log(1, new Claimed(0, "w1", at(31), List.of("ended", "failed", "other")));
        log(2, new Ended("ended", result(Outcome.SUCCEEDED)));

        // when its claim ends by itself
        log(31, new Claimed(0, "w2", at(61), List.of("other")));

        // then
        assertThat(expiries(pending, "failed")).isEqualTo(1);
        assertThat(expiries(pending, "other")).isZero();
    }

    // ---- keeping

    @Test
    void what_was_saved_and_loaded_stands_as_before() {
        // given one of each kind, also of lanes that are held, were given back, and were never claimed
        enqueue(0, "due", 0, 7);
        log(0, new Enqueued("recorded ahead of this clock", 0, -1, Timing.NOW, at(0), Duration.ZERO));
        log(0, new Enqueued("later", 0, -1, Timing.AT, at(900), Duration.ZERO));
        log(0, new Enqueued("again", 1, -1, Timing.EVERY, at(0), Duration.ofMinutes(1)));
        pending.wake(at(0));
        log(1, new Recurred("again", 1, result(Outcome.FAILED), at(60)));
        enqueue(2, "failed", 1, 8);
        enqueue(2, "behind", 1, 8);
        log(3, new Attempted("failed", 1, "", at(60)));
        log(4, new Ended("unknown", result(Outcome.REJECTED)));
        log(5, new Claimed(1, "w1", at(30), List.of("behind")));
        log(6, new Released(1, "w1"));
        log(7, new Claimed(0, "w2", at(30), List.of("due")));
        assertThat(pick(1)).isEmpty();

        // when
        var saved = pending.save();
        var loaded = new Pending(3);
        loaded.load(saved);

        // then, by a clock that is behind too
        for (int second : List.of(-10, 10, 30)) {
            assertThat(loaded.status(Position.of(written), at(second))).isEqualTo(status(second));
        }
        assertThat(status(10).taken()).isEqualTo(1);
        assertThat(loaded.size()).isEqualTo(6);
        assertThat(loaded.save().open()).containsExactlyInAnyOrderElementsOf(saved.open());
        assertThat(loaded.save().lanes()).isEqualTo(saved.lanes()).hasSize(2);
        assertThat(loaded.due("due")).isNotNull();
        assertThat(loaded.due("behind")).isNull();
        assertThat(loaded.nextChange(at(7)))
                .isEqualTo(pending.nextChange(at(7)))
                .contains(at(30));
    }
}
