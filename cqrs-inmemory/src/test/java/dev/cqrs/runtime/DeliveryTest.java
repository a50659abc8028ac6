package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How a projection is run, as a value. */
class DeliveryTest {

    @Test
    void it_is_inline_or_in_the_background() {
        assertThat(Delivery.inline().isInline()).isTrue();
        assertThat(Delivery.background(Runnable::run).isInline()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 33, -1, Integer.MAX_VALUE})
    void workers_are_one_to_thirty_two(int workers) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Delivery.background(Runnable::run).workers(workers))
                .withMessageContainingAll(" " + workers + ";", "expected 1 to 32");
        assertThat(Delivery.background(Runnable::run).workers(1).workers()).isEqualTo(1);
        assertThat(Delivery.background(Runnable::run).workers(32).workers()).isEqualTo(32);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, Integer.MIN_VALUE})
    void a_batch_and_what_is_put_aside_are_one_or_more(int count) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Delivery.inline().batch(count))
                .withMessageContaining(" " + count + " events");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Delivery.inline().park(count))
                .withMessageContaining(" " + count + " events");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Delivery.inline().checkpointEvery(count))
                .withMessageContaining(" " + count + " events");
        assertThat(Delivery.inline().checkpointEvery(1).checkpointEvery()).isEqualTo(1);
        assertThat(Delivery.inline().batch(1).batch()).isEqualTo(1);
        assertThat(Delivery.inline().park(1).mostParked()).isEqualTo(1);
    }

    @Test
    void it_tries_again_if_it_has_a_timer_or_puts_events_aside() {
        Delivery.Timer never = (delay, task) -> {};

        assertThat(Delivery.inline().triesAgain()).isFalse();
        assertThat(Delivery.inline().park().triesAgain()).isTrue();
        assertThat(Delivery.inline().retry(never, Duration.ofSeconds(1)).triesAgain())
                .isTrue();
    }

    @Test
    void it_tells_what_was_chosen() {
        assertThat(Delivery.inline().batch(7).toString())
                .startsWith("Delivery[inline, workers=1, batch=7,")
                .endsWith(", stop]");
        assertThat(Delivery.background(Runnable::run).workers(3).park(5).toString())
                .startsWith("Delivery[background, workers=3,")
                .endsWith(", park at most 5]");
    }
}
