package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class SeededSchedulerTest {

    private final List<Object> done = new ArrayList<>();
    private final SeededScheduler scheduler = new SeededScheduler(42);

    @Test
    void nothing_runs_before_it_is_told_to() {
        scheduler.execute(() -> done.add(1));
        assertThat(done).isEmpty();
        assertThat(scheduler.isIdle()).isFalse();

        assertThat(scheduler.runOne()).isTrue();

        assertThat(done).containsExactly(1);
        assertThat(scheduler.isIdle()).isTrue();
        assertThat(scheduler.runOne()).isFalse();
        assertThat(scheduler).hasToString("SeededScheduler[seed=42, 1 steps, 0 tasks waiting]");
    }

    @Test
    void every_task_runs_once_also_those_that_tasks_add() {
        for (int i = 0; i < 10; i++) {
            int number = i;
            scheduler.execute(() -> {
                done.add(number);
                scheduler.execute(() -> done.add(number + 10));
            });
        }
        scheduler.runAll();
        assertThat(done).hasSize(20).doesNotHaveDuplicates();
    }

    @Test
    void the_same_seed_is_the_same_order_and_other_seeds_are_all_others() {
        var orders = new HashSet<List<Object>>();
        for (long seed = 1; seed <= 100; seed++) {
            assertThat(orderOf(seed)).isEqualTo(orderOf(seed));
            orders.add(orderOf(seed));
        }
        assertThat(orders).hasSize(6);
    }

    private static List<Object> orderOf(long seed) {
        var order = new ArrayList<>();
        var scheduler = new SeededScheduler(seed);
        List.of("a", "b", "c").forEach(name -> scheduler.execute(() -> order.add(name)));
        scheduler.runAll();
        return order;
    }

    @Test
    void the_trace_tells_the_choices() {
        var balance = scheduler.named("balance");
        balance.execute(() -> {});
        scheduler.execute(() -> done.add(scheduler.choose(5)));
        scheduler.schedule(Duration.ofHours(1), () -> {});
        scheduler.runAll();

        assertThat(done)
                .hasSize(1)
                .allSatisfy(chosen -> assertThat((Integer) chosen).isBetween(0, 4));
        assertThat(scheduler.trace())
                .containsExactlyInAnyOrder(
                        scheduler.trace().get(0).startsWith("1: b")
                                ? "1: balance #1, one of 2"
                                : "1: task #2, one of 2",
                        scheduler.trace().get(0).startsWith("1: b")
                                ? "2: task #2, one of 1"
                                : "2: chose " + done.get(0) + " of 5",
                        scheduler.trace().get(0).startsWith("1: b")
                                ? "3: chose " + done.get(0) + " of 5"
                                : "3: balance #1, one of 1",
                        "4: delayed task #3, one of 1");
    }

    @Test
    void the_trace_keeps_the_last_choices() {
        for (int i = 0; i <= SeededScheduler.TRACE; i++) {
            scheduler.execute(() -> {});
        }
        scheduler.runAll();
        assertThat(scheduler.trace())
                .hasSize(SeededScheduler.TRACE)
                .first()
                .asString()
                .startsWith("2: ");
        assertThatThrownBy(() -> scheduler.choose(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("One of 0 was to be chosen; expected 1 or more.");
    }

    // ---- time

    @Test
    void delayed_tasks_run_when_nothing_else_is_left_and_time_moves_on_to_each() {
        var clock = scheduler.clock();
        scheduler.schedule(Duration.ofMinutes(2), () -> done.add(clock.instant()));
        scheduler.schedule(Duration.ofMinutes(1), () -> {
            done.add(clock.instant());
            scheduler.schedule(Duration.ofSeconds(30), () -> done.add(clock.instant()));
        });
        scheduler.execute(() -> done.add(clock.instant()));
        scheduler.runAll();

        assertThat(done)
                .containsExactly(
                        Instant.EPOCH,
                        Instant.EPOCH.plusSeconds(60),
                        Instant.EPOCH.plusSeconds(90),
                        Instant.EPOCH.plusSeconds(120));
    }

    @Test
    void a_task_is_due_when_the_clock_was_advanced_but_not_when_it_was_put_elsewhere() {
        scheduler.schedule(Duration.ofMinutes(10), () -> done.add("due"));

        scheduler.clock().set(Instant.EPOCH.plus(Duration.ofDays(1)));
        scheduler.runFor(Duration.ofMinutes(4));
        assertThat(done).isEmpty();

        scheduler.clock().set(Instant.EPOCH);
        scheduler.clock().advance(Duration.ofMinutes(6));
        scheduler.runFor(Duration.ZERO);
        assertThat(done).containsExactly("due");
    }

    @Test
    void to_run_for_a_time_leaves_what_is_due_later() {
        scheduler.schedule(Duration.ofMinutes(9), () -> done.add(9));
        scheduler.schedule(Duration.ofMinutes(10), () -> done.add(10));
        scheduler.schedule(Duration.ofMinutes(11), () -> done.add(11));

        scheduler.runFor(Duration.ofMinutes(10));
        assertThat(done).containsExactly(9, 10);
        assertThat(scheduler.clock().elapsed()).isEqualTo(Duration.ofMinutes(10));
        assertThat(scheduler.isIdle()).isFalse();

        scheduler.runFor(Duration.ofMinutes(5));
        assertThat(done).containsExactly(9, 10, 11);
        assertThat(scheduler.clock().elapsed()).isEqualTo(Duration.ofMinutes(15));
    }

    @Test
    void a_clock_may_be_shared() {
        var clock = new VirtualClock(Instant.parse("2026-01-05T12:00:00Z"));
        clock.advance(Duration.ofDays(3));
        var shared = new SeededScheduler(7, clock);
        shared.schedule(Duration.ofHours(1), () -> done.add(clock.instant()));
        shared.runAll();
        assertThat(done).containsExactly(Instant.parse("2026-01-08T13:00:00Z"));
        assertThat(shared.clock()).isSameAs(clock);
        assertThat(shared.seed()).isEqualTo(7);
    }

    @Test
    void negative_times_are_refused() {
        assertThatThrownBy(() -> scheduler.schedule(Duration.ofSeconds(-1), () -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("The delay of a task is PT-1S; expected zero or more.");
        assertThatThrownBy(() -> scheduler.runFor(Duration.ofSeconds(-1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("Tasks were to run for PT-1S; expected zero or more.");
        assertThat(scheduler.isIdle()).isTrue();
    }

    // ---- bounds and failures

    @Test
    void what_a_task_throws_is_told_at_once_with_the_seed_and_the_others_may_still_run() {
        var cause = new IllegalStateException("no funds");
        scheduler.named("balance").execute(() -> {
            throw cause;
        });
        assertThatThrownBy(scheduler::runAll)
                .isInstanceOf(AssertionError.class)
                .hasMessage("Seed 42, step 1: balance #1 threw java.lang.IllegalStateException: no funds")
                .hasCause(cause);

        scheduler.execute(() -> done.add("other"));
        scheduler.runAll();
        assertThat(done).containsExactly("other");
    }

    @Test
    void a_crash_passes_unchanged() {
        var crash = new SimulatedCrash(3, "crash");
        scheduler.execute(() -> {
            throw crash;
        });
        assertThatThrownBy(scheduler::runAll).isSameAs(crash);
    }

    @Test
    void an_endless_loop_is_told_with_the_seed() {
        scheduler.execute(new Runnable() {
            @Override
            public void run() {
                scheduler.named("loop").execute(this);
            }
        });
        assertThatThrownBy(() -> scheduler.runAll(10))
                .isInstanceOf(AssertionError.class)
                .hasMessage("Seed 42: 10 tasks were run and 1 are waiting still; expected none. Allow more, or look for"
                        + " a task that adds tasks without end; the last was 10: loop #10, one of 1.");
        assertThatThrownBy(scheduler::runAll).hasMessageStartingWith("Seed 42: 100000 tasks were run");
        assertThatThrownBy(() -> scheduler.runFor(Duration.ofDays(1)))
                .hasMessageStartingWith("Seed 42: 100000 tasks were run");
    }

    private void repeatEach(Duration delay) {
        scheduler.schedule(delay, () -> repeatEach(delay));
    }

    @Test
    void an_endless_loop_of_delayed_tasks_is_told_by_running_for_a_time() {
        repeatEach(Duration.ofMillis(1));
        assertThatThrownBy(() -> scheduler.runFor(Duration.ofDays(1)))
                .isInstanceOf(AssertionError.class)
                .hasMessageStartingWith("Seed 42: 100000 tasks were run and 1 are waiting still; expected none.");
    }

    @Test
    void an_endless_loop_of_delayed_tasks_is_told_however_much_time_has_passed() {
        repeatEach(Duration.ofDays(1));
        assertThatThrownBy(scheduler::runAll)
                .isInstanceOf(AssertionError.class)
                .hasMessageStartingWith("Seed 42: 100000 tasks were run and 1 are waiting still; expected none.");
    }

    @Test
    void time_passes_to_its_end_though_no_more_steps_are_left() {
        repeatEach(Duration.ofMillis(1));
        var hundredThousand = Duration.ofMillis(SeededScheduler.STEPS).plusNanos(1);
        scheduler.runFor(hundredThousand);
        assertThat(scheduler.clock().elapsed()).isEqualTo(hundredThousand);
    }

    @Test
    void just_enough_steps_are_enough() {
        scheduler.execute(() -> {});
        scheduler.schedule(Duration.ofDays(1), () -> {});
        assertThatCode(() -> scheduler.runAll(2)).doesNotThrowAnyException();
    }

    @Test
    void no_more_tasks_are_taken_than_fit() {
        for (int i = 0; i < SeededScheduler.CAPACITY; i++) {
            scheduler.execute(() -> done.add("ran"));
        }
        assertThatThrownBy(() -> scheduler.execute(() -> {}))
                .isInstanceOf(RejectedExecutionException.class)
                .hasMessage(
                        "Seed 42, step 0: 10000 tasks are waiting, and no more fit. Run some, or look for a task that"
                                + " adds tasks without end.");
        scheduler.runAll();
        assertThat(done).hasSize(SeededScheduler.CAPACITY);
    }

    @Test
    void another_thread_is_refused() throws InterruptedException {
        var refusal = new AtomicReference<Throwable>();
        var thread = new Thread(() -> scheduler.execute(() -> {}), "intruder");
        thread.setUncaughtExceptionHandler((on, thrown) -> refusal.set(thrown));
        thread.start();
        thread.join();
        assertThat(refusal.get())
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("A seeded scheduler of thread \""
                        + Thread.currentThread().getName()
                        + "\" was used by thread \"intruder\", whose doings no seed can replay. Let the tasks of the"
                        + " test start no threads.");
        assertThat(scheduler.isIdle()).isTrue();
    }

    @Test
    void another_thread_is_refused_whatever_it_asks() throws InterruptedException {
        var asked = List.<Runnable>of(
                scheduler::isIdle,
                scheduler::trace,
                scheduler::runOne,
                scheduler::runAll,
                () -> scheduler.runAll(0),
                () -> scheduler.runFor(Duration.ZERO),
                () -> scheduler.choose(1),
                () -> scheduler.schedule(Duration.ZERO, () -> {}),
                () -> scheduler.named("it").execute(() -> {}));
        for (int i = 0; i < asked.size(); i++) {
            var refusal = new AtomicReference<Throwable>();
            var thread = new Thread(asked.get(i), "intruder");
            thread.setUncaughtExceptionHandler((on, thrown) -> refusal.set(thrown));
            thread.start();
            thread.join();
            assertThat(refusal.get()).as("request %d", i).isInstanceOf(IllegalStateException.class);
        }
        assertThat(scheduler.isIdle()).isTrue();
    }

    @Test
    void a_delay_without_end_never_comes_and_holds_up_nobody() {
        var scheduler = new SeededScheduler(1);
        var ran = new ArrayList<String>();
        scheduler.runFor(Duration.ofSeconds(1));

        scheduler.schedule(Duration.ofSeconds(Long.MAX_VALUE), () -> ran.add("never"));
        scheduler.schedule(Duration.ofSeconds(1), () -> ran.add("soon"));
        scheduler.runFor(Duration.ofDays(365));

        assertThat(ran).containsExactly("soon");
        scheduler.runFor(Duration.ofSeconds(Long.MAX_VALUE));
        scheduler.runAll();
        assertThat(ran).containsExactly("soon");
        assertThat(scheduler.isIdle()).isFalse();
    }

    @Test
    void a_task_that_never_comes_is_none_that_waits() {
        var scheduler = new SeededScheduler(1);
        var ran = new ArrayList<String>();
        scheduler.schedule(Duration.ofSeconds(Long.MAX_VALUE), () -> ran.add("never"));
        scheduler.execute(() -> ran.add("now"));
        scheduler.runAll(1);
        assertThat(ran).containsExactly("now");
    }

    @Test
    void a_clock_at_its_end_is_told() {
        var scheduler = new SeededScheduler(1, new VirtualClock(Instant.MAX));
        scheduler.schedule(Duration.ofSeconds(1), () -> {});
        assertThatThrownBy(scheduler::runAll).isInstanceOf(DateTimeException.class);
    }
}
