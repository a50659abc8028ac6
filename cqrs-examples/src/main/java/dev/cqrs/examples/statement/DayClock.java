package dev.cqrs.examples.statement;

import java.time.Clock;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;

/**
 * Shows midday, UTC, of the day it was last set to, so that the year that is told again is recorded day by day.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class DayClock extends Clock {

    private volatile LocalDate day;

    DayClock(LocalDate day) {
        this.day = day;
    }

    void set(LocalDate day) {
        this.day = day;
    }

    /** The last instant at which anything of a day is recorded. */
    static Instant endOf(LocalDate day) {
        return day.atTime(23, 59).toInstant(ZoneOffset.UTC);
    }

    @Override
    public Instant instant() {
        return day.atTime(12, 0).toInstant(ZoneOffset.UTC);
    }

    @Override
    public ZoneId getZone() {
        return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
        throw new UnsupportedOperationException("A clock of days has no other zone than UTC.");
    }
}
