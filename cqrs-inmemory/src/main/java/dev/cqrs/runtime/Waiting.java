package dev.cqrs.runtime;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** How long a wait is. */
final class Waiting {

    private Waiting() {}

    static long nanos(Duration timeout) {
        try {
            return timeout.toNanos();
        } catch (ArithmeticException longerThanEver) {
            return timeout.isNegative() ? 0 : TimeUnit.DAYS.toNanos(100_000);
        }
    }
}
