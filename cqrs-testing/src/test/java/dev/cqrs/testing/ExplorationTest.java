package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;

@ResourceLock(Resources.SYSTEM_PROPERTIES)
class ExplorationTest {

    /** A lost update: fails when both read before either writes. */
    private static void loseAnUpdate(SeededScheduler scheduler) {
        var balance = new AtomicInteger();
        for (var name : List.of("anna", "bert")) {
            var own = scheduler.named(name);
            own.execute(() -> {
                int read = balance.get();
                own.execute(() -> balance.set(read + 1));
            });
        }
        scheduler.runAll();
        assertThat(balance).hasValue(2);
    }

    private static String messageOf(Throwable failure) {
        return Objects.requireNonNull(failure.getMessage());
    }

    @Test
    void each_seed_runs_once() {
        var seeds = new ArrayList<Long>();
        SeededScheduler.explore(4, 10, scheduler -> seeds.add(scheduler.seed()));
        assertThat(seeds).containsExactly(10L, 11L, 12L, 13L);
    }

    @Test
    void a_failing_seed_prints_itself_how_to_run_it_and_what_it_chose() {
        var failure = catchThrowable(() -> SeededScheduler.explore(100, 1, ExplorationTest::loseAnUpdate));

        assertThat(failure).isInstanceOf(AssertionError.class).hasCauseInstanceOf(AssertionError.class);
        assertThat(messageOf(failure).replaceAll("\\s+", " "))
                .matches(
                        "Seed (\\d+) fails: java.lang.AssertionError: .*"
                                + " Run it alone with -Ddev.cqrs.testing.seed=\\1. It was run a second time and went the same way."
                                + " The last 4 of 4 steps: 1: (anna #1|bert #2), one of 2 2: .*, one of 2 3: .*, one of 2 4: .*, one of 1");
    }

    @Test
    void the_printed_seed_fails_again_in_the_same_way_and_alone() {
        var failure = catchThrowable(() -> SeededScheduler.explore(100, 1, ExplorationTest::loseAnUpdate));
        var seed = messageOf(failure).replaceAll("(?s)^Seed (\\d+) .*", "$1");
        var seeds = new ArrayList<Long>();
        System.setProperty("dev.cqrs.testing.seed", seed);
        try {
            assertThatThrownBy(() -> SeededScheduler.explore(100, 1, scheduler -> {
                        seeds.add(scheduler.seed());
                        loseAnUpdate(scheduler);
                    }))
                    .hasMessage(messageOf(failure));
        } finally {
            System.clearProperty("dev.cqrs.testing.seed");
        }
        assertThat(seeds).containsOnly(Long.valueOf(seed)).hasSize(2); // the failure, and its repetition
    }

    @Test
    void a_run_that_does_not_follow_from_its_seed_is_told() {
        var runs = new AtomicInteger();
        assertThatThrownBy(() -> SeededScheduler.explore(1, 5, scheduler -> {
                    if (runs.incrementAndGet() == 1) {
                        throw new IllegalStateException("first");
                    }
                }))
                .hasMessage("""
                        Seed 5 fails: java.lang.IllegalStateException: first
                        Run it alone with -Ddev.cqrs.testing.seed=5. But it was run a second time and went another way: \
                        the test depends on something beside the seed, such as a thread of its own, the time of day, \
                        or what an earlier run left.
                        The last 0 of 0 steps:""");
    }

    @Test
    void a_seed_that_is_none_is_refused() {
        System.setProperty("dev.cqrs.testing.seed", "x");
        try {
            assertThatThrownBy(() -> SeededScheduler.explore(1, 1, scheduler -> {}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("The system property dev.cqrs.testing.seed is \"x\"; expected a seed, such as 42.");
        } finally {
            System.clearProperty("dev.cqrs.testing.seed");
        }
        assertThatThrownBy(() -> SeededScheduler.explore(0, 1, scheduler -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("0 seeds were to be run; expected 1 or more.");
    }

    // ---- with crashes

    @Test
    void each_seed_runs_without_a_crash_and_then_with_one_at_each_point() {
        var runs = new ArrayList<String>();
        CrashPoints.explore(2, 1, (scheduler, crashes) -> {
            var run = new StringBuilder("seed " + scheduler.seed());
            try {
                for (var step : List.of("a", "b", "c")) {
                    crashes.pass(step);
                    run.append(' ').append(step);
                }
            } catch (SimulatedCrash crash) {
                run.append(" crash ").append(crash.point());
            }
            runs.add(run.toString());
        });
        assertThat(runs)
                .containsExactly(
                        "seed 1 a b c",
                        "seed 1 crash 1",
                        "seed 1 a crash 2",
                        "seed 1 a b crash 3",
                        "seed 2 a b c",
                        "seed 2 crash 1",
                        "seed 2 a crash 2",
                        "seed 2 a b crash 3");
    }

    @Test
    void a_failure_tells_the_point() {
        assertThatThrownBy(() -> CrashPoints.explore(9, 3, (scheduler, crashes) -> {
                    crashes.pass("at the first");
                    crashes.pass("at the second");
                }))
                .hasMessage("""
                        Seed 3 fails with a crash at point 1 (at the first): dev.cqrs.testing.SimulatedCrash: \
                        The process crashed at point 1, at the first.
                        Run it alone with -Ddev.cqrs.testing.seed=3. It was run a second time and went the same way.
                        The last 0 of 0 steps:""");
    }

    @Test
    void a_point_that_is_not_met_again_is_told() {
        var runs = new AtomicInteger();
        assertThatThrownBy(() -> CrashPoints.explore(1, 3, (scheduler, crashes) -> {
                    if (runs.incrementAndGet() == 1) {
                        crashes.pass("once");
                    }
                }))
                .hasMessageStartingWith("Seed 3 fails with a crash at point 1: java.lang.AssertionError: The run ended"
                        + " without that crash, although a run without one passed more points: the test depends on"
                        + " something beside the seed.\n");
    }

    private static final class Mute extends RuntimeException {

        private static final long serialVersionUID = 1L;

        @Override
        public String getMessage() {
            throw new IllegalStateException("no words");
        }
    }

    @Test
    void a_failure_that_cannot_be_put_into_words_is_told_with_the_seed_all_the_same() {
        assertThatThrownBy(() -> SeededScheduler.explore(1, 42, scheduler -> {
                    throw new Mute();
                }))
                .isInstanceOf(AssertionError.class)
                .hasMessageStartingWith("Seed 42 fails: " + Mute.class.getName())
                .hasCauseInstanceOf(Mute.class);
        assertThatThrownBy(() -> {
                    var scheduler = new SeededScheduler(42);
                    scheduler.execute(() -> {
                        throw new Mute();
                    });
                    scheduler.runAll();
                })
                .isInstanceOf(AssertionError.class)
                .hasMessageStartingWith("Seed 42, step 1: task #1 threw " + Mute.class.getName())
                .hasCauseInstanceOf(Mute.class);
    }
}
