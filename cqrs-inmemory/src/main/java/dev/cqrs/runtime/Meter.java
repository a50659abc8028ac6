package dev.cqrs.runtime;

import java.time.Clock;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/** How many events a second are folded, by the caller's clock; without one it is not known. */
final class Meter {

    private static final long WINDOW = 1_000;

    private final @Nullable Clock clock;
    private volatile long since;
    private volatile long count;
    private volatile double last = Double.NaN;

    Meter(@Nullable Clock clock) {
        this.clock = clock;
        this.since = clock == null ? 0 : clock.millis();
    }

    /** By one thread at a time. */
    @SuppressWarnings("NonAtomicVolatileUpdate") // only one thread writes
    void add(long events) {
        if (clock == null) {
            return;
        }
        count += events;
        long passed = clock.millis() - since;
        if (passed >= WINDOW) {
            last = count * 1_000.0 / passed;
            since += passed;
            count = 0;
        } else if (passed < 0) { // the clock was put back
            since += passed;
        }
    }

    /** Over the last second or so; longer ago if nothing was folded since. */
    OptionalDouble rate() {
        if (clock == null) {
            return OptionalDouble.empty();
        }
        double known = last;
        long passed = clock.millis() - since;
        if (Double.isNaN(known) || passed >= 2 * WINDOW) {
            return passed <= 0 ? OptionalDouble.empty() : OptionalDouble.of(count * 1_000.0 / passed);
        }
        return OptionalDouble.of(known);
    }
}
