package dev.cqrs.saga;

import dev.cqrs.saga.Index.Entry;
import dev.cqrs.saga.SagaEvent.Effect;
import dev.cqrs.task.Listeners;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Tells the listener of an engine what fails.
 *
 * <p><b>Threads:</b> thread-safe; the listener is called on the thread that tells, with no lock held.
 */
final class Reports {

    private final String engine;
    private final Consumer<? super SagaFailure> listener;

    Reports(String engine, Consumer<? super SagaFailure> listener) {
        this.engine = engine;
        this.listener = listener;
    }

    /** Of the engine as a whole. */
    void tell(boolean again, Throwable cause) {
        tell(Optional.empty(), Optional.empty(), "", again, cause);
    }

    /** Of an event of which it cannot be told which instance it is for. */
    void tell(Script<?> script, Throwable cause) {
        tell(Optional.of(script.name()), Optional.empty(), "", false, cause);
    }

    /** Of an instance. */
    void tell(Entry entry, String step, boolean again, Throwable cause) {
        tell(Optional.of(entry.saga), Optional.of(entry.key), step, again, cause);
    }

    /** Of an instance that a turn has parked. */
    void tellIfParked(String saga, String key, @Nullable Turn<?> turn) {
        if (turn == null) {
            return;
        }
        for (var output : turn.outputs()) {
            if (output.effect() == Effect.PARK) {
                var reason = new IllegalStateException(output.reason());
                tell(Optional.of(saga), Optional.of(key), turn.story().step(), false, reason);
            }
        }
    }

    private void tell(Optional<String> saga, Optional<String> key, String step, boolean again, Throwable cause) {
        Listeners.tell(listener, new SagaFailure(engine, saga, key, step, again, cause), cause);
    }
}
