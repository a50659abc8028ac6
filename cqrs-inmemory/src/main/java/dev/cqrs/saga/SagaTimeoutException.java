package dev.cqrs.saga;

import dev.cqrs.message.CqrsException;
import java.time.Duration;

/**
 * An instance of a saga or process manager did not come to an end in time.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class SagaTimeoutException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception and its message.
     *
     * @param instance how the instance stands
     * @param timeout how long was waited
     */
    public SagaTimeoutException(SagaInstance instance, Duration timeout) {
        super("The saga \"" + instance.saga() + "\" of \"" + instance.key() + "\" is " + instance.state()
                + (instance.step().isEmpty() ? "" : " at step \"" + instance.step() + "\"")
                + (instance.reason().isEmpty() ? "" : " (" + instance.reason() + ")")
                + " after " + timeout + "; expected an end. "
                + (instance.state() == SagaInstance.State.PARKED
                        ? "Have it go on with resume(...), skip(...) or cancel(...)."
                        : "Wait longer, or see with status() whether an engine is there."));
    }
}
