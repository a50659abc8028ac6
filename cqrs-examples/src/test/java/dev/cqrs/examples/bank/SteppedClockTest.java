package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;

class SteppedClockTest {

    private final SteppedClock clock = SteppedClock.startingOn(LocalDate.of(1993, 1, 1));

    @Test
    void it_stands_at_the_start_of_its_day() {
        assertThat(clock.instant()).isEqualTo(Instant.parse("1993-01-01T00:00:00Z"));
        assertThat(clock.getZone()).isEqualTo(ZoneOffset.UTC);
    }

    @Test
    void it_goes_on_when_told() {
        clock.stepTo(LocalDate.of(1993, 2, 28));

        assertThat(clock.instant()).isEqualTo(Instant.parse("1993-02-28T00:00:00Z"));
    }

    @Test
    void it_never_goes_back() {
        clock.stepTo(LocalDate.of(1993, 2, 28));
        clock.stepTo(LocalDate.of(1993, 2, 27));

        assertThat(clock.instant()).isEqualTo(Instant.parse("1993-02-28T00:00:00Z"));
        assertThat(clock.hasPassed(LocalDate.of(1993, 2, 27))).isTrue();
        assertThat(clock.hasPassed(LocalDate.of(1993, 2, 28))).isFalse();
    }

    @Test
    void the_end_of_a_day_is_the_last_instant_before_the_next() {
        assertThat(SteppedClock.endOf(LocalDate.of(1993, 12, 31)))
                .isEqualTo(Instant.parse("1993-12-31T23:59:59.999999999Z"));
    }

    @Test
    void in_another_zone_it_shows_the_same_instant_and_follows() {
        var prague = clock.withZone(ZoneId.of("Europe/Prague"));

        clock.stepTo(LocalDate.of(1993, 7, 1));

        assertThat(prague.instant()).isEqualTo(clock.instant());
        assertThat(prague.getZone()).isEqualTo(ZoneId.of("Europe/Prague"));
    }
}
