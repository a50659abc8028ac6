package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.saga.Index.Entry;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Standing;
import dev.cqrs.saga.SagaEvent.Started;
import dev.cqrs.saga.SagaInstance.State;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
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
        index.wake(now, false, entry -> false);
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
            index.wake(NOW, true, entry -> true);
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
        index.apply(started("j", ready), Position.of(2), NOW, true, false);
        assertThat(index.inLine()).isZero();
        index.exit(entry, live, null);
        assertThat(index.inLine()).isEqualTo(1);
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
}
