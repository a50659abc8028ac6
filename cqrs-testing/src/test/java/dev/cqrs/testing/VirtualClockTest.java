package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;

class VirtualClockTest {

    private static final Instant NOON = Instant.parse("2026-01-05T12:00:00Z");

    private final VirtualClock clock = new VirtualClock(NOON);

    @Test
    void it_stands_still() {
        assertThat(clock.instant()).isEqualTo(NOON);
        assertThat(clock.instant()).isEqualTo(NOON);
        assertThat(clock.millis()).isEqualTo(NOON.toEpochMilli());
        assertThat(clock.elapsed()).isZero();
        assertThat(clock.getZone()).isEqualTo(ZoneOffset.UTC);
        assertThat(clock).hasToString("VirtualClock[2026-01-05T12:00:00Z, Z]");
    }

    @Test
    void time_passes_when_it_advances() {
        clock.advance(Duration.ofMinutes(5));
        clock.advance(Duration.ZERO);
        clock.advance(Duration.ofNanos(1));

        assertThat(clock.instant()).isEqualTo("2026-01-05T12:05:00.000000001Z");
        assertThat(clock.elapsed()).isEqualTo(Duration.ofMinutes(5).plusNanos(1));
    }

    @Test
    void it_is_put_forwards_and_back_without_time_passing() {
        clock.advance(Duration.ofSeconds(1));

        clock.set(NOON.minusSeconds(3600));
        assertThat(clock.instant()).isEqualTo("2026-01-05T11:00:00Z");
        clock.set(NOON.plusSeconds(3600));
        assertThat(clock.instant()).isEqualTo("2026-01-05T13:00:00Z");

        assertThat(clock.elapsed()).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void it_does_not_advance_backwards() {
        assertThatThrownBy(() -> clock.advance(Duration.ofSeconds(-1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("The clock was to advance by PT-1S; expected zero or more. Put it back with set(...).");
        assertThat(clock.instant()).isEqualTo(NOON);
    }

    @Test
    void in_another_zone_it_is_the_same_clock() {
        var elsewhere = clock.withZone(ZoneId.of("Asia/Tokyo"));

        clock.advance(Duration.ofSeconds(1));
        assertThat(elsewhere.instant()).isEqualTo(NOON.plusSeconds(1));
        elsewhere.set(NOON);
        assertThat(clock.instant()).isEqualTo(NOON);
        assertThat(elsewhere.getZone()).isEqualTo(ZoneId.of("Asia/Tokyo"));
        assertThat(clock.getZone()).isEqualTo(ZoneOffset.UTC);
    }

    @Test
    void no_advance_of_several_threads_is_lost() throws InterruptedException {
        var threads = new Thread[4];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = new Thread(() -> {
                for (int k = 0; k < 1_000; k++) {
                    clock.advance(Duration.ofMillis(1));
                }
            });
            threads[i].start();
        }
        for (var thread : threads) {
            thread.join();
        }
        assertThat(clock.instant()).isEqualTo(NOON.plusSeconds(4));
    }
}
