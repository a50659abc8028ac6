package dev.cqrs.contract;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;

/** A clock that stands still until it is set, forwards or back. */
final class HandClock extends Clock {

    private volatile Instant now;
    private volatile Runnable onReading = () -> {};

    HandClock(Instant now) {
        this.now = now;
    }

    /** Moves the clock, back if {@code by} is negative. */
    synchronized void move(Duration by) {
        now = now.plus(by);
    }

    /** Has something done at each reading, such as failing. */
    void onReading(Runnable action) {
        onReading = action;
    }

    @Override
    public Instant instant() {
        onReading.run();
        return now;
    }

    @Override
    public ZoneId getZone() {
        return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
        return this;
    }
}
