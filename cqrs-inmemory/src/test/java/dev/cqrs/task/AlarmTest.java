package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class AlarmTest {

    private static final Instant NOON = Instant.parse("2026-01-01T12:00:00Z");

    private final List<Duration> delays = new ArrayList<>();
    private final List<Runnable> tasks = new ArrayList<>();
    private final List<Throwable> refused = new ArrayList<>();
    private int woken;
    private final List<Boolean> again = new ArrayList<>();
    private final Alarm alarm = new Alarm(this::later, () -> woken++, this::refused);

    private void refused(boolean asked, Throwable thrown) {
        again.add(asked);
        refused.add(thrown);
    }

    private void later(Duration delay, Runnable task) {
        delays.add(delay);
        tasks.add(task);
    }

    @Test
    void it_is_set_anew_only_for_what_comes_sooner() {
        alarm.set(NOON, NOON.plusSeconds(20));
        alarm.set(NOON, NOON.plusSeconds(30));
        alarm.set(NOON, NOON.plusSeconds(10));

        assertThat(delays).containsExactly(Duration.ofSeconds(20), Duration.ofSeconds(10));
    }

    @Test
    void what_is_past_wakes_now_and_what_is_far_away_is_looked_at_within_a_minute() {
        alarm.set(NOON, NOON.plus(Duration.ofDays(1)));
        alarm.set(NOON, NOON.minusSeconds(5));

        assertThat(delays).containsExactly(Alarm.LOOK_AFTER, Duration.ZERO);
    }

    @Test
    void once_it_has_woken_it_is_set_anew() {
        alarm.set(NOON, NOON.plusSeconds(20));
        tasks.get(0).run();
        alarm.set(NOON, NOON.plusSeconds(30));

        assertThat(woken).isOne();
        assertThat(delays).containsExactly(Duration.ofSeconds(20), Duration.ofSeconds(30));
    }

    @Test
    void one_that_should_have_come_and_has_not_does_not_hold_up_the_next() {
        alarm.set(NOON, NOON.plusSeconds(20));
        var later = NOON.plusSeconds(25); // the clock was put forward
        alarm.set(later, later.plusSeconds(5));

        assertThat(delays).hasSize(2);
    }

    @Test
    void a_pause_is_one_however_many_failures_there_are_and_wakes_at_its_end() {
        alarm.pause();
        alarm.pause();

        assertThat(delays).containsExactly(Alarm.PAUSE);
        assertThat(alarm.isPausing()).isTrue();
        tasks.get(0).run();
        assertThat(alarm.isPausing()).isFalse();
        assertThat(woken).isOne();
    }

    @Test
    void what_the_timer_refuses_is_told_and_can_be_set_again() {
        var full = new RejectedExecutionException("full");
        var refusing = new Alarm(
                (delay, task) -> {
                    delays.add(delay);
                    throw full;
                },
                () -> woken++,
                this::refused);
        refusing.set(NOON, NOON.plusSeconds(20));
        refusing.set(NOON, NOON.plusSeconds(20));
        refusing.pause();

        assertThat(refused).hasSize(5).containsOnly(full); // what is set is tried a little later too
        assertThat(again).as("nobody asks a third time").containsExactly(true, false, true, false, false);
        assertThat(refusing.isPausing()).isFalse();
        assertThat(delays).hasSize(5).endsWith(Alarm.PAUSE);
    }

    @Test
    void what_the_timer_refuses_once_wakes_a_little_later_to_be_set_anew() {
        var tasks = new ArrayList<Runnable>();
        var refusing = new Alarm(
                (delay, task) -> {
                    delays.add(delay);
                    if (delays.size() == 1) {
                        throw new RejectedExecutionException("full");
                    }
                    tasks.add(task);
                },
                () -> woken++,
                this::refused);
        refusing.set(NOON, NOON.plusSeconds(20));

        assertThat(refused).hasSize(1);
        assertThat(again).containsExactly(true);
        assertThat(delays).containsExactly(Duration.ofSeconds(20), Alarm.PAUSE);
        assertThat(refusing.isPausing()).isTrue();
        tasks.get(0).run();
        assertThat(woken).isEqualTo(1);
        assertThat(refusing.isPausing()).isFalse();
    }

    @Test
    void once_closed_it_is_not_set() {
        alarm.close();
        alarm.set(NOON, NOON.plusSeconds(20));
        alarm.pause();

        assertThat(delays).isEmpty();
        assertThat(alarm.isPausing()).isFalse();
    }

    @Test
    void one_that_was_overtaken_by_a_sooner_one_leaves_that_set() {
        alarm.set(NOON, NOON.plusSeconds(20));
        alarm.set(NOON, NOON.plusSeconds(10));
        tasks.get(0).run(); // a timer that ran it too early
        alarm.set(NOON, NOON.plusSeconds(15));

        assertThat(delays).hasSize(2);
    }

    @Test
    void no_thread_is_kept_out_by_what_another_has_done() throws Exception {
        List<Runnable> steps = List.of(
                () -> alarm.set(NOON, NOON.plusSeconds(20)),
                () -> alarm.set(NOON, NOON.plusSeconds(20)),
                alarm::pause,
                alarm::pause,
                alarm::isPausing,
                () -> tasks.forEach(Runnable::run),
                alarm::close,
                alarm::pause);
        for (var step : steps) {
            step.run();
            var elsewhere = new FutureTask<>(alarm::isPausing);
            new Thread(elsewhere).start();

            assertThat(elsewhere.get(120, TimeUnit.SECONDS)).isEqualTo(alarm.isPausing());
        }
    }
}
