package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Waits for what another session of the database does, of which nobody tells. */
final class Patience {

    private Patience() {}

    @FunctionalInterface
    interface Condition {
        boolean isMet() throws Exception;
    }

    /** Looks again and again, for two minutes at most. */
    static void await(Condition condition) {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
        try {
            while (!condition.isMet()) {
                assertThat(System.nanoTime()).as("time is up").isLessThan(end);
                LockSupport.parkNanos(1_000_000);
            }
        } catch (Exception failed) {
            throw new IllegalStateException(failed);
        }
    }
}
