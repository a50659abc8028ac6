package dev.cqrs.testing;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A clock that stands still until a test moves it.
 *
 * <p>There are two ways, as there are in life. {@link #advance} lets time pass: what waits for a time to pass comes
 * nearer. {@link #set} puts the hands elsewhere, also back, as a correction over the network does: nothing that waits
 * comes nearer by it.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class VirtualClock extends Clock {

    private final AtomicReference<Time> time;
    private final ZoneId zone;

    private record Time(Instant now, Duration elapsed) {}

    /**
     * Makes a clock, in UTC.
     *
     * @param start what it shows
     */
    public VirtualClock(Instant start) {
        this(new AtomicReference<>(new Time(Objects.requireNonNull(start, "start"), Duration.ZERO)), ZoneOffset.UTC);
    }

    private VirtualClock(AtomicReference<Time> time, ZoneId zone) {
        this.time = time;
        this.zone = Objects.requireNonNull(zone, "zone");
    }

    /**
     * Lets time pass.
     *
     * @param by how much, zero or more
     * @throws IllegalArgumentException if {@code by} is negative
     * @throws java.time.DateTimeException if that is later than an {@link Instant} can be; nothing has changed then
     * @throws ArithmeticException if so much time cannot be told; nothing has changed then
     */
    public void advance(Duration by) {
        if (by.isNegative()) {
            throw new IllegalArgumentException(
                    "The clock was to advance by " + by + "; expected zero or more. Put it back with set(...).");
        }
        time.updateAndGet(
                before -> new Time(before.now().plus(by), before.elapsed().plus(by)));
    }

    /**
     * Puts the hands of the clock elsewhere, while no time passes.
     *
     * @param now what it shows from now on; may lie before what it showed
     */
    public void set(Instant now) {
        Objects.requireNonNull(now, "now");
        time.updateAndGet(before -> new Time(now, before.elapsed()));
    }

    /**
     * Gives how much time has passed since the clock was made; {@link #set} does not change it.
     *
     * @return zero or more
     */
    public Duration elapsed() {
        return time().elapsed();
    }

    @Override
    public Instant instant() {
        return time().now();
    }

    @Override
    public ZoneId getZone() {
        return zone;
    }

    /**
     * Gives this clock in another zone: the two move together.
     *
     * @param zone the other zone
     * @return a clock that shows the same instant
     */
    @Override
    public VirtualClock withZone(ZoneId zone) {
        return new VirtualClock(time, zone);
    }

    private Time time() {
        return Objects.requireNonNull(time.get());
    }

    @Override
    public String toString() {
        return "VirtualClock[" + instant() + ", " + zone + "]";
    }
}
