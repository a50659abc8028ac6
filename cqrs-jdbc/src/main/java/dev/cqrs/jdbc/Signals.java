package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore.Signal;
import dev.cqrs.eventstore.EventStore.Subscription;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Those of this process who want to know of appends.
 *
 * <p><b>Threads:</b> thread-safe; signals are called without a lock.
 */
final class Signals {

    private final List<Own> subscribed = new CopyOnWriteArrayList<>();

    /** So that the same signal given twice can be ended once. */
    private static final class Own {

        private final Signal signal;

        Own(Signal signal) {
            this.signal = signal;
        }
    }

    Subscription subscribe(Signal signal) {
        var own = new Own(Objects.requireNonNull(signal, "signal"));
        subscribed.add(own);
        return () -> subscribed.remove(own);
    }

    void askBefore() {
        for (var own : subscribed) {
            own.signal.beforeAppend();
        }
    }

    void tell(Position last) {
        for (var own : subscribed) {
            try {
                own.signal.appended(last);
            } catch (Throwable thrown) { // the events stand, so their appender must not be told otherwise
                Listeners.hand(thrown);
            }
        }
    }
}
