package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Clock;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** How many events a second are folded. */
class MeterTest {

    private final AtomicLong millis = new AtomicLong(50_000);
    private final InstantSource time = () -> Instant.ofEpochMilli(millis.get());
    private final Clock clock = time.withZone(ZoneOffset.UTC);
    private final Meter meter = new Meter(clock);

    @Test
    void without_a_clock_or_time_there_is_no_rate() {
        var blind = new Meter(null);
        blind.add(7);

        assertThat(blind.rate()).isEmpty();
        meter.add(7);
        assertThat(meter.rate()).isEmpty();
    }

    @Test
    void until_the_first_second_is_over_it_is_that_of_the_time_so_far() {
        millis.addAndGet(500);
        meter.add(100);

        assertThat(meter.rate()).hasValue(200);
    }

    @Test
    void then_it_is_that_of_the_last_second_until_nothing_comes_for_two() {
        meter.add(100);
        millis.addAndGet(1_000);
        meter.add(200);
        assertThat(meter.rate()).hasValue(300);

        millis.addAndGet(999);
        meter.add(10);
        assertThat(meter.rate()).as("the second is not over").hasValue(300);

        millis.addAndGet(1_001);
        assertThat(meter.rate()).as("ten in two seconds").hasValue(5);
    }

    @Test
    void a_clock_that_is_put_back_begins_anew_from_there() {
        millis.addAndGet(-10_000);
        meter.add(100);
        assertThat(meter.rate()).isEmpty();

        millis.addAndGet(1_000);
        meter.add(100);
        assertThat(meter.rate()).hasValue(200);
    }
}
