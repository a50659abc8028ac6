package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

class TrampolineTest {

    private final Trampoline trampoline = new Trampoline();
    private int left;

    @Test
    void tasks_that_run_within_each_other_are_a_loop() {
        left = 1_000_000; // as a recursion they would overflow any stack

        boolean here = trampoline.run(this::step);

        assertThat(here).isTrue();
        assertThat(left).isZero();
        assertThat(trampoline.isRunningHere()).isFalse();
    }

    private void step() {
        assertThat(trampoline.isRunningHere()).isTrue();
        if (--left > 0) {
            assertThat(trampoline.run(this::step)).isFalse();
        }
    }

    @Test
    void another_thread_runs_its_task_itself() throws Exception {
        var order = new ArrayList<String>();
        var other = Executors.newSingleThreadExecutor();
        trampoline.run(() -> {
            order.add("first");
            try {
                assertThat(other.submit(trampoline::isRunningHere).get()).isFalse();
                assertThat(other.submit(() -> trampoline.run(() -> order.add("other")))
                                .get())
                        .isTrue();
            } catch (Exception failed) {
                throw new AssertionError(failed);
            }
            order.add("still first");
        });
        other.shutdown();

        assertThat(order).containsExactly("first", "other", "still first");
        assertThat(trampoline.run(() -> order.add("again"))).isTrue();
        assertThat(order).hasSize(4);
    }

    @Test
    void a_step_that_throws_leaves_it_as_it_was() {
        assertThatThrownBy(() -> trampoline.run(() -> {
                    throw new IllegalStateException("no");
                }))
                .hasMessage("no");

        left = 2;
        assertThat(trampoline.run(this::step)).isTrue();
        assertThat(left).isZero();
    }
}
