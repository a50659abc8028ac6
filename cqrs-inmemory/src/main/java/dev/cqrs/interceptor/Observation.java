package dev.cqrs.interceptor;

import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.task.Listeners;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * An interceptor that tells an {@link Observer} when the handling of a message starts and how it ends.
 *
 * <p>The observer cannot change the outcome: what it throws goes to the listener, and the message takes its way. If it
 * fails at the start, it hears nothing of the end.
 *
 * <p><b>Memory:</b> an observation allocates nothing of its own.
 *
 * <p><b>Threads:</b> immutable and thread-safe, as far as the observer and the listener are. Both are called on the
 * dispatching thread.
 *
 * @param <S> what the observer keeps from start to end
 */
public final class Observation<S> implements Interceptor {

    private final Observer<S> observer;
    private final Consumer<? super Throwable> listener;

    /**
     * Hears of each message that is handled, from its start to its end.
     *
     * <p>After each {@link #started} that returned comes one call of {@link #succeeded} or {@link #failed}, on the same
     * thread. Messages that a handler sends start and end in between, so scopes that belong to a thread (a span that is
     * current, an MDC) can be opened at the start and closed at the end.
     *
     * <p><b>Threads:</b> called by many threads at once.
     *
     * @param <S> what is kept from start to end: a timer's sample, a span with its scope
     */
    public interface Observer<S> {

        /**
         * Is told that a message starts.
         *
         * @param message never {@code null}
         * @param metadata never {@code null}
         * @return what is handed to the end of the same message, never {@code null}; {@link dev.cqrs.message.Done#DONE}
         *     where there is nothing to keep
         */
        S started(Object message, Metadata metadata);

        /**
         * Is told that a message was handled.
         *
         * @param state what {@link #started} gave for it
         * @param message as it was at the start
         * @param result what the handler and the interceptors further in gave, never {@code null}
         */
        void succeeded(S state, Object message, Object result);

        /**
         * Is told that a message failed.
         *
         * @param state what {@link #started} gave for it
         * @param message as it was at the start
         * @param why what was thrown: errors too, and checked exceptions as they are
         */
        void failed(S state, Object message, Throwable why);
    }

    private Observation(Observer<S> observer, Consumer<? super Throwable> listener) {
        this.observer = observer;
        this.listener = listener;
    }

    /**
     * Makes an observation.
     *
     * @param <S> what the observer keeps from start to end
     * @param observer hears of each message
     * @param listener hears of what the observer throws; what it throws itself goes to the thread's handler of uncaught
     *     exceptions
     * @return never {@code null}
     */
    public static <S> Observation<S> of(Observer<S> observer, Consumer<? super Throwable> listener) {
        return new Observation<>(
                Objects.requireNonNull(observer, "observer"), Objects.requireNonNull(listener, "listener"));
    }

    @Override
    public Object around(Object message, Metadata metadata, Next next) throws Exception {
        S state;
        try {
            state = observer.started(message, metadata);
        } catch (Throwable thrown) {
            tell(thrown);
            return next.proceed(message, metadata);
        }
        Object result;
        try {
            result = next.proceed(message, metadata);
        } catch (Throwable why) {
            fail(state, message, why);
            throw why;
        }
        try {
            observer.succeeded(state, message, result);
        } catch (Throwable thrown) {
            tell(thrown);
        }
        return result;
    }

    private void fail(S state, Object message, Throwable why) {
        try {
            observer.failed(state, message, why);
        } catch (Throwable thrown) {
            tell(thrown);
        }
    }

    private void tell(Throwable thrown) {
        if (thrown instanceof InterruptedException) { // a language without checked exceptions may throw it
            Thread.currentThread().interrupt();
        }
        Listeners.tell(listener, thrown, thrown);
    }
}
