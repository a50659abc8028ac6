package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.saga.Index.Entry;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Continued;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaEvent.Standing;
import dev.cqrs.saga.SagaEvent.Started;
import dev.cqrs.saga.SagaInstance.State;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class IndexTest {

    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

    private static Started waiting(String key, Instant wake) {
        return started(key, new Standing(State.WAITING, "packed", false, wake, "", 0, Story.NONE));
    }

    private static Started started(String key, Standing standing) {
        return new Started("job", key, 1, Archive.input(Cause.STARTED, ""), List.of(), standing);
    }

    private static void wake(Index index, Instant now) {
        index.wake(now, now, entry -> false);
    }

    private static List<String> takeAll(Index index) {
        var keys = new ArrayList<String>();
        for (var entry = index.takeRunnable(); entry != null; entry = index.takeRunnable()) {
            keys.add(entry.key);
            index.exit(entry, Instances.live(entry), NOW.plusSeconds(100_000_000));
        }
        return keys;
    }

    @Test
    void instances_come_up_in_the_order_of_their_times_whatever_that_of_their_start_and_changes() {
        for (long seed = 1; seed <= 50; seed++) {
            var random = new SplittableRandom(seed);
            var index = new Index((saga, version) -> true);
            index.run("me", 9);
            var due = new long[200];
            long position = 0;
            for (int round = 0; round < 3; round++) {
                for (int i = 0; i < due.length; i++) {
                    due[i] = random.nextInt(20) == 0 ? 0 : 1 + random.nextInt(1_000);
                    var at = due[i] == 0 ? Story.NONE : NOW.plusSeconds(due[i]);
                    index.apply(waiting("k" + i, at), Position.of(++position), NOW, true, false);
                }
            }
            for (int second = 0; second <= 1_000; second += 1 + random.nextInt(100)) {
                wake(index, NOW.plusSeconds(second));
                var expected = new ArrayList<String>();
                for (int i = 0; i < due.length; i++) {
                    if (due[i] > 0 && due[i] <= second) {
                        expected.add("k" + i);
                        due[i] = 0;
                    }
                }
                assertThat(takeAll(index)).as("seed %s", seed).containsExactlyInAnyOrderElementsOf(expected);
            }
        }
    }

    @Test
    void a_million_that_wait_take_few_bytes_each_and_those_that_are_due_are_found_without_a_look_at_the_others() {
        int million = 1_000_000;
        var index = new Index((saga, version) -> true);
        index.run("me", 9);
        long before = used();
        for (int i = 0; i < million; i++) {
            index.apply(
                    waiting("key-" + i, NOW.plusSeconds(60 + i)), Position.of(i + 1L), NOW.plusMillis(i), true, false);
        }
        long each = (used() - before) / million;

        assertThat(index.nextDue()).isEqualTo(NOW.plusSeconds(60));
        wake(index, NOW.plusSeconds(69));
        assertThat(takeAll(index)).hasSize(10);
        assertThat(each).as("bytes of an instance that waits").isLessThan(300);
        assertThat(index.size()).isEqualTo(million);
    }

    @Test
    void the_oldest_of_those_that_are_wanted_are_given_in_their_order() {
        var index = new Index((saga, version) -> true);
        var random = new SplittableRandom(1);
        var starts = random.longs(500, 0, 1_000_000).distinct().toArray();
        for (int i = 0; i < starts.length; i++) {
            index.apply(waiting("k" + i, NOW), Position.of(i + 1L), NOW.plusMillis(starts[i]), true, false);
        }
        var end = new Standing(State.COMPLETED, "", false, Story.NONE, "", 0, Story.NONE);
        index.apply(started("k0", end), Position.of(1_000), NOW, true, false);
        var sorted = IntStream.range(1, starts.length)
                .filter(i -> i % 3 != 0)
                .boxed()
                .sorted(Comparator.comparing(i -> starts[i]))
                .map(i -> "k" + i)
                .toList();

        for (int most : new int[] {0, 1, 7, 300, 10_000}) {
            assertThat(index.oldest(most, entry -> Integer.parseInt(entry.key.substring(1)) % 3 != 0))
                    .extracting(entry -> entry.key)
                    .isEqualTo(sorted.subList(0, Math.min(most, sorted.size())));
        }
    }

    private static long used() {
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    @Test
    void what_another_engine_has_comes_up_when_its_time_is_over_and_what_has_ended_never() {
        var index = new Index((saga, version) -> true);
        index.run("me", 9);
        var standing = new Standing(State.RUNNING, "a", true, Story.NONE, "other", 8, NOW.plusSeconds(30));
        index.apply(started("j", standing), Position.of(1), NOW, true, false);
        index.apply(
                started("mine", new Standing(State.RUNNING, "a", true, Story.NONE, "me", 9, NOW)),
                Position.of(2),
                NOW,
                true,
                false);
        assertThat(takeAll(index)).containsExactly("mine");
        wake(index, NOW.plusSeconds(29));
        assertThat(takeAll(index)).isEmpty();
        wake(index, NOW.plusSeconds(30));
        assertThat(takeAll(index)).containsExactly("j");

        index.apply(
                started("j", new Standing(State.COMPLETED, "", false, Story.NONE, "", 0, Story.NONE)),
                Position.of(3),
                NOW,
                true,
                false);
        assertThat(index.ended(State.COMPLETED)).isEqualTo(1);
        assertThat(index.find("job", "j")).isNull();
        wake(index, NOW.plusSeconds(1_000));
        assertThat(takeAll(index)).isEmpty();
    }

    @Test
    void what_has_ended_is_not_kept_while_events_are_waited_for_that_do_not_come() {
        int many = 200_000;
        var index = new Index((saga, version) -> true);
        index.run("me", 9);
        long before = used();
        for (int i = 0; i < many; i++) {
            index.apply(waiting("key-" + i, NOW), Position.of(2L * i + 1), NOW, true, false);
            index.wake(NOW, NOW.minusNanos(1), entry -> true);
            var end = new Standing(State.COMPLETED, "", false, Story.NONE, "", 0, Story.NONE);
            index.apply(started("key-" + i, end), Position.of(2L * i + 2), NOW, true, false);
        }
        assertThat((used() - before) / many).as("bytes of one that has ended").isLessThan(60);
        assertThat(index.size()).isZero();
    }

    @Test
    void what_becomes_ready_while_somebody_is_at_it_is_looked_at_again() {
        var index = new Index((saga, version) -> true);
        index.run("me", 9);
        var ready = new Standing(State.RUNNING, "a", true, Story.NONE, "me", 9, NOW);
        index.apply(started("j", ready), Position.of(1), NOW, true, false);
        Entry entry = index.takeRunnable();
        assertThat(entry).isNotNull();
        var live = Instances.live(entry);
        index.apply(started("j", ready), Position.of(2), NOW, false, false);
        assertThat(index.inLine()).isZero();
        index.exit(entry, live, null);
        assertThat(index.inLine()).isEqualTo(1);
    }

    @Test
    void what_somebody_else_makes_ready_while_somebody_is_at_it_is_in_line_at_once() {
        var index = running();
        index.apply(started("j", ready()), Position.of(1), NOW, true, false);
        var entry = index.takeRunnable();
        assertThat(entry).isNotNull();
        index.apply(started("j", ready()), Position.of(2), NOW, true, false);
        assertThat(takeAll(index)).containsExactly("j");
    }

    @Test
    void what_has_ended_since_it_was_put_in_line_is_passed_over() {
        var index = new Index((saga, version) -> true);
        index.run("me", 9);
        var ready = new Standing(State.RUNNING, "a", true, Story.NONE, "me", 9, NOW);
        var over = new Standing(State.COMPLETED, "", false, Story.NONE, "", 0, Story.NONE);
        index.apply(started("j", ready), Position.of(1), NOW, true, false);
        index.apply(started("k", ready), Position.of(2), NOW, true, false);
        index.apply(started("j", over), Position.of(3), NOW, true, false);

        assertThat(takeAll(index)).containsExactly("k");
        assertThat(index.inLine()).isZero();
    }

    private static Started mark(String key, Cause cause, String event, long source, Standing standing) {
        return new Started("job", key, 1, new Input(cause, "", false, 0, event, source, ""), List.of(), standing);
    }

    private static Standing standing(State state) {
        return new Standing(state, "", false, Story.NONE, "", 0, Story.NONE);
    }

    private static Entry found(Index index, String key) {
        var entry = index.find("job", key);
        assertThat(entry).isNotNull();
        return entry;
    }

    private static Index running() {
        var index = new Index((saga, version) -> version < 9);
        index.run("me", 9);
        return index;
    }

    @Test
    void how_many_are_in_a_state_is_counted_as_they_move_and_end() {
        var index = running();
        index.apply(started("j", standing(State.WAITING)), Position.of(1), NOW, true, false);
        index.apply(started("k", standing(State.WAITING)), Position.of(2), NOW, true, false);
        assertThat(index.count(State.WAITING)).isEqualTo(2);
        index.apply(started("j", standing(State.PARKED)), Position.of(3), NOW, true, false);
        assertThat(index.count(State.WAITING)).isEqualTo(1);
        assertThat(index.count(State.PARKED)).isEqualTo(1);

        index.apply(started("j", standing(State.COMPENSATED)), Position.of(4), NOW, false, false);
        assertThat(index.ended(State.COMPENSATED))
                .as("it was written and not read")
                .isZero();
        index.apply(started("j", standing(State.COMPENSATED)), Position.of(4), NOW, true, false);
        assertThat(index.ended(State.COMPENSATED)).isEqualTo(1);
        assertThat(index.count(State.COMPENSATED)).isZero();
        assertThat(index.count(State.PARKED)).isZero();
        assertThat(index.all()).extracting(entry -> entry.key).containsExactly("k");
        assertThat(index.size()).isEqualTo(1);
    }

    @Test
    void what_is_read_behind_what_was_written_changes_nothing() {
        var index = running();
        index.apply(started("j", standing(State.PARKED)), Position.of(5), NOW, false, false);
        index.apply(started("j", standing(State.WAITING)), Position.of(3), NOW, true, false);
        index.apply(started("j", standing(State.WAITING)), Position.of(5), NOW, true, false);
        assertThat(index.count(State.PARKED)).isEqualTo(1);
        assertThat(index.count(State.WAITING)).isZero();
    }

    @Test
    void whose_turn_it_was_is_known_in_whichever_order_it_is_written_and_read() {
        var ready = new Standing(State.RUNNING, "a", true, Story.NONE, "me", 9, NOW);
        for (boolean readFirst : new boolean[] {true, false}) {
            var index = running();
            if (readFirst) {
                index.apply(started("j", ready), Position.of(1), NOW, true, false);
                assertThat(found(index, "j").own).isFalse();
            }
            index.apply(started("j", ready), Position.of(1), NOW, false, true);
            assertThat(found(index, "j").own).isTrue();
            index.apply(started("j", ready), Position.of(1), NOW, true, false);
            assertThat(found(index, "j").own).as("it was read once more").isTrue();
            index.apply(started("j", ready), Position.of(2), NOW, true, false);
            assertThat(found(index, "j").own).as("somebody else's").isFalse();
        }
    }

    @Test
    void what_is_parked_or_of_a_version_that_is_not_there_does_not_come_up() {
        var index = running();
        var due = NOW.plusSeconds(1);
        index.apply(waiting("j", due), Position.of(1), NOW, true, false);
        index.apply(
                started("j", new Standing(State.PARKED, "a", false, due, "", 0, Story.NONE)),
                Position.of(2),
                NOW,
                true,
                false);
        index.apply(
                new Started(
                        "job",
                        "k",
                        9,
                        Archive.input(Cause.STARTED, ""),
                        List.of(),
                        waiting("k", due).standing()),
                Position.of(3),
                NOW,
                true,
                false);
        assertThat(index.nextDue()).isNull();
        wake(index, due);
        assertThat(takeAll(index)).isEmpty();
        assertThat(index.size()).isEqualTo(2);
    }

    @Test
    void an_instance_that_somebody_is_at_while_what_was_saved_is_loaded_is_loaded_too() {
        // given
        var before = new Index((saga, version) -> true);
        before.apply(waiting("j", NOW), Position.of(5), NOW, true, false);
        before.apply(waiting("k", NOW), Position.of(6), NOW, true, false);
        var saved = before.save(9, Map.of("job", 1));

        // when one is looked for, and of another more is known by then
        var index = new Index((saga, version) -> true);
        var looked = index.enter("job", "j");
        var further = index.enter("job", "k");
        var standing = new Standing(State.PARKED, "a", false, Story.NONE, "", 0, Story.NONE);
        index.apply(mark("k", Cause.EVENT, "packed", 40, standing), Position.of(8), NOW, false, false);
        index.load(saved);
        index.exit(looked, Instances.live(looked), null);
        index.exit(further, Instances.live(further), null);

        // then
        assertThat(index.find("job", "j")).isSameAs(looked);
        assertThat(index.find("job", "k")).isSameAs(further);
        assertThat(index.count(State.WAITING)).isEqualTo(1);
        assertThat(index.count(State.PARKED)).isEqualTo(1);
        assertThat(further.started).isEqualTo(NOW);
        assertThat(index.save(9, Map.of("job", 1)).open())
                .extracting(open -> open.key() + " at " + open.position())
                .containsExactlyInAnyOrder("j at 5", "k at 8");
    }

    @Test
    void an_engine_that_stops_has_nothing_in_line_any_more_and_one_that_runs_has_all_that_is_due() {
        var index = new Index((saga, version) -> true);
        index.apply(waiting("j", NOW), Position.of(1), NOW, true, false);
        assertThat(index.nextDue()).as("before it runs").isNull();
        index.run("me", 9);
        assertThat(index.nextDue()).isEqualTo(NOW);
        index.run("", 0);
        wake(index, NOW);
        assertThat(takeAll(index)).isEmpty();
    }

    @Test
    void up_to_where_events_were_dealt_with_is_the_most_that_is_known_and_of_open_instances_the_least() {
        var index = running();
        assertThat(index.source("job", "ordered")).isZero();
        assertThat(index.leastSource((saga, version) -> false)).isEqualTo(Long.MAX_VALUE);
        index.deployed(new SagaEvent.Deployed("job", "ordered", 10));
        assertThat(index.source("job", "ordered")).isEqualTo(11);
        index.deployed(new SagaEvent.Deployed("job", "ordered", 4));
        assertThat(index.source("job", "ordered")).isEqualTo(11);

        index.apply(mark("j", Cause.STARTED, "ordered", 20, standing(State.WAITING)), Position.of(1), NOW, true, false);
        index.apply(mark("k", Cause.STARTED, "ordered", 15, standing(State.WAITING)), Position.of(2), NOW, true, false);
        index.apply(mark("l", Cause.BEGUN, "ordered", 30, standing(State.WAITING)), Position.of(3), NOW, true, false);
        assertThat(index.source("job", "ordered"))
                .as("by hand none is dealt with")
                .isEqualTo(20);
        assertThat(index.source("job", "packed")).isZero();
        assertThat(index.leastSource((saga, version) -> false)).isEqualTo(15);
        assertThat(index.leastSource((saga, version) -> version == 1)).isEqualTo(Long.MAX_VALUE);
        index.apply(mark("k", Cause.EVENT, "packed", 40, standing(State.WAITING)), Position.of(4), NOW, true, false);
        assertThat(index.leastSource((saga, version) -> false)).isEqualTo(20);
        index.enter("job", "nobody knows");
        index.apply(mark("j", Cause.EVENT, "packed", 41, standing(State.COMPLETED)), Position.of(5), NOW, false, false);
        assertThat(index.leastSource((saga, version) -> false))
                .as("of j and of nobody")
                .isEqualTo(30);
    }

    @Test
    void what_is_saved_is_what_is_loaded() {
        var index = running();
        var held = new Standing(State.RUNNING, "a", true, NOW.plusSeconds(9), "other", 8, NOW.plusSeconds(3));
        index.apply(mark("j", Cause.STARTED, "ordered", 20, held), Position.of(1), NOW, true, false);
        index.apply(mark("k", Cause.STARTED, "or/dered", 21, held), Position.of(2), NOW, true, false);
        index.apply(started("k", standing(State.INCOMPLETE)), Position.of(3), NOW, true, false);
        index.apply(started("l", standing(State.COMPLETED)), Position.of(4), NOW, false, false);
        index.enter("job", "nobody knows");
        var saved = index.save(7, Map.of("job", 1));
        assertThat(saved.followed()).isEqualTo(7);
        assertThat(saved.versions()).isEqualTo(Map.of("job", 1));

        var other = running();
        other.load(saved);
        assertThat(other.save(7, Map.of("job", 1))).isEqualTo(saved);
        assertThat(other.size()).isEqualTo(1);
        assertThat(other.count(State.RUNNING)).isEqualTo(1);
        assertThat(other.ended(State.INCOMPLETE)).isEqualTo(1);
        assertThat(other.source("job", "ordered")).isEqualTo(20);
        assertThat(other.source("job", "or/dered")).isEqualTo(21);
        assertThat(other.nextDue()).as("until then another has it").isEqualTo(NOW.plusSeconds(3));
        other.load(saved);
        assertThat(other.size()).as("what is there stays").isEqualTo(1);
        assertThat(other.ended(State.INCOMPLETE)).isEqualTo(2);
    }

    @Test
    void who_is_only_looked_for_is_kept_until_all_have_looked() {
        var index = running();
        var entry = index.enter("job", "j");
        var live = Instances.live(entry);
        assertThat(index.enter("job", "j")).isSameAs(entry);
        index.exit(entry, live, null);
        assertThat(index.find("job", "j")).isSameAs(entry);
        index.exit(entry, live, null);
        assertThat(index.find("job", "j")).isNull();
        assertThat(index.size()).isZero();

        var written = index.enter("job", "k");
        index.apply(waiting("k", NOW), Position.of(1), NOW, false, false);
        index.exit(written, Instances.live(written), null);
        assertThat(index.find("job", "k")).as("it was written meanwhile").isSameAs(written);
    }

    @Test
    void what_has_failed_is_looked_at_again_when_it_is_said() {
        var index = running();
        var ready = new Standing(State.RUNNING, "a", true, Story.NONE, "me", 9, NOW);
        index.apply(started("j", ready), Position.of(1), NOW, true, false);
        var entry = index.takeRunnable();
        assertThat(entry).isNotNull();
        index.exit(entry, Instances.live(entry), NOW.plusSeconds(5));
        assertThat(index.inLine()).isZero();
        assertThat(index.nextDue()).isEqualTo(NOW.plusSeconds(5));
        wake(index, NOW.plusSeconds(5));
        assertThat(takeAll(index)).containsExactly("j");
    }

    @Test
    void a_time_that_has_come_and_waits_for_events_comes_up_when_there_are_none_or_at_its_next_one() {
        var index = running();
        for (var key : List.of("j", "k")) {
            index.apply(waiting(key, NOW), Position.of(key.equals("j") ? 1 : 2), NOW, true, false);
        }
        index.wake(NOW, NOW.minusNanos(1), entry -> entry.key.equals("j"));
        assertThat(index.inLine()).as("k, which waits for no event").isEqualTo(1);
        var entry = index.takeRunnable();
        assertThat(entry).isNotNull();
        assertThat(entry.key).isEqualTo("k");
        index.postpone(entry, NOW.plusSeconds(7)); // it does after all, but for a later time
        index.exit(entry, Instances.live(entry), null);
        assertThat(index.nextDue()).isEqualTo(NOW.plusSeconds(7));
        index.wake(NOW, NOW, any -> false);
        assertThat(takeAll(index)).containsExactly("j", "k");
        index.wake(NOW, NOW, any -> false);
        assertThat(takeAll(index)).as("once").isEmpty();
    }

    private static Standing ready() {
        return new Standing(State.RUNNING, "a", true, Story.NONE, "me", 9, NOW);
    }

    @Test
    void one_whose_start_is_not_in_the_log_goes_on() {
        var index = running();

        var goesOn =
                new Continued("job", "j", 1, new Input(Cause.RETURNED, "a", false, 1, "", 0, ""), List.of(), ready());
        index.apply(goesOn, Position.of(7), NOW, true, false);

        assertThat(takeAll(index)).hasSize(1);
    }

    @Test
    void of_those_in_line_the_stories_of_ten_thousand_are_kept_and_of_others_none() {
        var index = running();
        var all = new ArrayList<Entry>();
        for (int i = 0; i < 10_500; i++) {
            index.apply(started("k" + i, ready()), Position.of(i + 1L), NOW, true, false);
        }
        for (var entry = index.takeRunnable(); entry != null; entry = index.takeRunnable()) {
            all.add(entry);
        }
        var first = Instances.live(all.get(0));
        all.forEach(entry -> index.exit(entry, Instances.live(entry), null));
        assertThat(index.inLine()).isEqualTo(10_500);
        assertThat(all).filteredOn(entry -> entry.live != null).hasSize(10_000).contains(all.get(0));

        for (int i = 0; i < 10_000; i++) {
            var entry = index.takeRunnable();
            assertThat(entry).isNotNull();
            assertThat(entry).isSameAs(all.get(i));
            assertThat(i > 0 || entry.live == first).isTrue();
            index.exit(entry, Instances.live(entry), NOW.plusSeconds(5));
        }
        assertThat(all).as("those that are not in line").allMatch(entry -> entry.live == null);
        var others = new ArrayList<Entry>();
        for (var entry = index.takeRunnable(); entry != null; entry = index.takeRunnable()) {
            others.add(entry);
        }
        others.forEach(entry -> index.exit(entry, Instances.live(entry), null));
        assertThat(all)
                .filteredOn(entry -> entry.live != null)
                .isEqualTo(others)
                .hasSize(500);
    }

    @Test
    void who_is_only_looked_for_and_who_has_just_ended_is_not_among_those_that_are_open() {
        var index = running();
        index.apply(mark("j", Cause.STARTED, "e", 7, standing(State.WAITING)), Position.of(1), NOW, true, false);
        index.apply(mark("k", Cause.STARTED, "e", 3, standing(State.WAITING)), Position.of(2), NOW, true, false);
        index.apply(mark("k", Cause.DUE, "", 0, standing(State.COMPLETED)), Position.of(3), NOW, false, false);
        var looked = index.enter("job", "l");

        assertThat(index.oldest(10, any -> true)).extracting(entry -> entry.key).containsExactly("j");
        assertThat(index.leastSource((saga, version) -> false)).isEqualTo(7);
        assertThat(index.save(9, Map.of()).open())
                .extracting(SagaEngine.Saved.Open::key)
                .containsExactly("j");
        index.exit(looked, Instances.live(looked), null);
        assertThat(index.count(State.WAITING)).isEqualTo(1);
    }

    @Test
    void what_is_begun_by_hand_says_nothing_of_the_events_that_start_others() {
        var index = running();
        index.apply(mark("j", Cause.BEGUN, "e", 7, standing(State.WAITING)), Position.of(1), NOW, true, false);
        assertThat(index.source("job", "e")).isZero();
        assertThat(index.save(9, Map.of()).sources()).isEmpty();
    }

    @Test
    void what_has_ended_has_no_time_left_and_leaves_nothing_behind_whatever_was_to_come() {
        var index = running();
        index.apply(started("j", ready()), Position.of(1), NOW, true, false);
        var entry = index.takeRunnable();
        assertThat(entry).isNotNull();
        var live = Instances.live(entry);
        index.apply(started("j", standing(State.COMPLETED)), Position.of(2), NOW, false, false);
        index.exit(entry, live, NOW.plusSeconds(5)); // as what came then has failed
        index.line(entry);
        index.apply(started("j", standing(State.COMPLETED)), Position.of(2), NOW, true, false);
        assertThat(index.nextDue()).isNull();
        assertThat(index.takeRunnable()).isNull();
        assertThat(entry.live).isNull();

        index.line(entry);
        index.postpone(entry, NOW.plusSeconds(7));
        assertThat(index.inLine()).isZero();
        assertThat(index.nextDue()).isNull();
        wake(index, NOW.plusSeconds(10));
        assertThat(index.inLine()).isZero();
    }

    @Test
    void what_has_ended_leaves_though_its_end_is_read_before_whoever_wrote_it_came_to_tell() {
        var index = running();
        index.apply(started("j", ready()), Position.of(1), NOW, true, false);
        var entry = index.takeRunnable();
        assertThat(entry).isNotNull();
        var end = started("j", standing(State.COMPLETED));
        index.apply(end, Position.of(2), NOW, true, false);
        index.apply(entry, end, Position.of(2), NOW, false, false);
        index.exit(entry, Instances.live(entry), null);
        assertThat(index.size()).isZero();
        assertThat(index.count(State.COMPLETED)).isZero();
        assertThat(index.ended(State.COMPLETED)).isEqualTo(1);
    }

    @Test
    void an_engine_that_does_not_run_keeps_nothing_of_what_an_operator_writes_but_what_it_has_read() {
        var index = new Index((saga, version) -> true);
        for (boolean read : new boolean[] {false, true}) {
            var entry = index.enter("job", "j");
            index.apply(waiting("j", NOW), Position.of(1), NOW, read, false);
            index.line(entry);
            index.postpone(entry, NOW.plusSeconds(7));
            assertThat(index.inLine()).isZero();
            assertThat(index.nextDue()).isNull();
            index.exit(entry, Instances.live(entry), null);
            assertThat(index.size()).isEqualTo(read ? 1 : 0);
            assertThat(index.count(State.WAITING)).isEqualTo(read ? 1 : 0);
        }
    }

    @Test
    void what_was_written_first_and_is_told_of_last_says_nothing_of_who_has_it_now() {
        var index = running();
        index.apply(started("j", ready()), Position.of(2), NOW, true, false);
        index.apply(started("j", ready()), Position.of(1), NOW, false, true);
        assertThat(found(index, "j").own).isFalse();
    }

    @Test
    void what_was_looked_at_in_vain_keeps_its_time() {
        var index = running();
        index.apply(waiting("j", NOW.plusSeconds(3)), Position.of(1), NOW, true, false);
        wake(index, NOW.plusSeconds(3));
        assertThat(index.nextDue()).isNull();
        var entry = index.takeRunnable();
        assertThat(entry).isNotNull();
        index.exit(entry, Instances.live(entry), null);
        assertThat(index.nextDue()).isEqualTo(NOW.plusSeconds(3));

        wake(index, NOW.plusSeconds(3));
        var again = index.takeRunnable();
        assertThat(again).isSameAs(entry);
        index.postpone(entry, NOW.plusSeconds(7));
        assertThat(index.nextDue()).isEqualTo(NOW.plusSeconds(7));
    }

    @Test
    void what_becomes_ready_while_two_are_at_it_is_in_line_once_when_both_have_let_it_go() {
        var index = running();
        index.apply(waiting("j", NOW.plusSeconds(3)), Position.of(1), NOW, true, false);
        var entry = found(index, "j");
        var live = index.enter(entry);
        assertThat(index.enter(entry)).isSameAs(live);
        index.apply(started("j", ready()), Position.of(2), NOW, false, false);
        index.exit(entry, live, null);
        assertThat(index.inLine()).isZero();
        assertThat(entry.live).isSameAs(live);
        index.exit(entry, live, null);
        assertThat(index.inLine()).isEqualTo(1);
        assertThat(takeAll(index)).containsExactly("j");
    }

    @Test
    void another_engine_is_one_of_another_incarnation_but_for_what_this_name_said_before_this_one_was_started() {
        assertThat(Index.isOthers("", 0, 5, "me", 9)).isFalse();
        assertThat(Index.isOthers("me", 9, 12, "me", 9)).isFalse();
        assertThat(Index.isOthers("other", 7, 8, "me", 9)).isTrue();
        assertThat(Index.isOthers("me", 7, 8, "me", 9)).as("it is gone").isFalse();
        assertThat(Index.isOthers("me", 7, 9, "me", 9)).as("it is there").isTrue();
        assertThat(Index.isOthers("me", 7, 10, "me", 9)).as("it is there").isTrue();
    }
}
