package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What wakes a loop is not lost, whenever it comes. */
@Timeout(60)
class LoopTest {

    private static final Duration NEVER = Duration.ofDays(1);

    private final ExecutorService executor = Executors.newSingleThreadExecutor();
    private final BlockingQueue<Boolean> steps = new LinkedBlockingQueue<>();

    @AfterEach
    void end_the_thread() {
        executor.shutdownNow();
    }

    /** Tells of its steps; in the first it is woken while it works. */
    private final class Steps implements Loop.Body {

        private final boolean untilWoken;
        private final Duration atMost;
        private final Loop loop = new Loop(this);
        private boolean begun;

        Steps(Duration atMost, boolean untilWoken) {
            this.atMost = atMost;
            this.untilWoken = untilWoken;
        }

        @Override
        public Loop.Rest step(boolean woken) {
            if (!begun) {
                begun = true;
                loop.wake();
            }
            steps.add(woken);
            return new Loop.Rest(atMost, untilWoken);
        }

        @Override
        public void interrupted(InterruptedException why) {}

        @Override
        public void end() {}
    }

    private boolean nextStep() throws InterruptedException {
        var woken = steps.poll(30, TimeUnit.SECONDS);
        assertThat(woken)
                .as("a step within half a minute, and whether it was woken")
                .isNotNull();
        return woken;
    }

    @Test
    void who_is_woken_while_it_works_does_not_lie_down() throws Exception {
        var body = new Steps(NEVER, true);
        body.loop.start(executor);

        assertThat(nextStep()).isTrue(); // the first is as if woken
        assertThat(nextStep()).isTrue();

        body.loop.wake();
        assertThat(nextStep()).isTrue();
        body.loop.close("The loop");
        assertThat(steps).isEmpty();
    }

    @Test
    void where_a_wake_does_not_end_the_rest_it_counts_for_the_step_after_it() throws Exception {
        var body = new Steps(Duration.ofMillis(1), false);
        body.loop.start(executor);

        assertThat(nextStep()).isTrue();
        assertThat(nextStep()).isTrue();
        assertThat(nextStep()).isFalse();
        body.loop.close("The loop");
    }
}
