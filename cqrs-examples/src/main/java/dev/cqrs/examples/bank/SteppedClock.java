package dev.cqrs.examples.bank;

import java.time.Clock;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A clock that stands still until it is told which day it is, and never goes back. Days begin at midnight UTC.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class SteppedClock extends Clock {

    private final AtomicLong second;
    private final ZoneId zone;

    private SteppedClock(AtomicLong second, ZoneId zone) {
        this.second = second;
        this.zone = zone;
    }

    /** Begins at the start of {@code day}. */
    static SteppedClock startingOn(LocalDate day) {
        return new SteppedClock(new AtomicLong(startOf(day).getEpochSecond()), ZoneOffset.UTC);
    }

    /** The last instant of {@code day}. */
    static Instant endOf(LocalDate day) {
        return startOf(day.plusDays(1)).minusNanos(1);
    }

    /** Goes on to the start of {@code day}; stays where it is if that has passed. */
    void stepTo(LocalDate day) {
        second.accumulateAndGet(startOf(day).getEpochSecond(), Math::max);
    }

    /** Says whether {@code day} has ended. */
    boolean hasPassed(LocalDate day) {
        return instant().isAfter(endOf(day));
    }

    @Override
    public Instant instant() {
        return Instant.ofEpochSecond(second.get());
    }

    @Override
    public ZoneId getZone() {
        return zone;
    }

    /** The same hands, read in another zone. */
    @Override
    public Clock withZone(ZoneId other) {
        return new SteppedClock(second, other);
    }

    private static Instant startOf(LocalDate day) {
        return day.atStartOfDay(ZoneOffset.UTC).toInstant();
    }
}
