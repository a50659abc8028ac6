package dev.cqrs.interceptor;

import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.message.WiringException;
import dev.cqrs.task.Delays;
import dev.cqrs.task.Thrown;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.function.DoubleSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An interceptor that hands a message on again when its handler failed and another attempt can help, a bounded number of
 * times.
 *
 * <p>Without more said, only an {@link AppendConflictException} that {@linkplain AppendConflictException#isRetryable() can
 * be cured} is tried again. What else may be is named with {@link #on}; a handler whose work is to be repeated must leave
 * nothing behind where it fails, or do the same again ({@link dev.cqrs.decider.DecisionHandler#idempotent()}). Whatever is
 * named, these are never tried again: errors and interrupts, {@link RejectedException}, {@link CommandIdReusedException},
 * {@link InvalidMessageException}, {@link NotAuthorizedException}, {@link NoHandlerException}, {@link WiringException},
 * {@link UnknownEventException}, conflicts that another attempt cannot cure, and a handler that returned {@code null}. A
 * {@link HandlerFailedException}, which a message sent by the handler ended with, is judged by its cause.
 *
 * <p>When all attempts have failed, the last failure is thrown unchanged; a conflict has a suppressed exception then that
 * says so. Message and metadata are the same in all attempts, so a command id is, too; but after an append whose outcome is
 * unknown, also where another exception has that as its cause, the command is said to be {@linkplain Metadata#REPEATED
 * repeated}.
 *
 * <p><b>Nested:</b> to try a message again is to do all over what its handler has sent by then, and on one bus the attempts of
 * each depth multiply. So a conflict that a message sent by the handler ended with, and that a retry has tried already, is not
 * tried once more, unless it is named. Give what the handler sends ids that are derived from its own and handlers that
 * are idempotent, or keep with {@link #only} to messages whose handlers send nothing.
 *
 * <p><b>Interrupts:</b> a thread that is interrupted makes no further attempt: the failure is thrown, and the flag is set.
 *
 * <p><b>Threads:</b> immutable and thread-safe, as far as what it is given is. The dispatching thread waits.
 */
public final class Retry implements Interceptor {

    private static final List<Class<? extends Exception>> NEVER = List.of(
            InterruptedException.class,
            RejectedException.class,
            CommandIdReusedException.class,
            InvalidMessageException.class,
            NotAuthorizedException.class,
            NoHandlerException.class,
            HandlerFailedException.class, // without a cause that is an exception
            WiringException.class,
            UnknownEventException.class);

    private final List<Duration> delays;
    private final Pause pause;
    private final Predicate<? super Exception> named;
    private final Predicate<? super Exception> hopeless;
    private final @Nullable DoubleSupplier random;

    /**
     * Lets the calling thread wait: {@code Thread::sleep}, or a test's own.
     *
     * <p><b>Threads:</b> called by many threads at once.
     */
    @FunctionalInterface
    public interface Pause {

        /**
         * Waits.
         *
         * @param millis how long, in milliseconds, 1 or more
         * @throws InterruptedException if the thread was interrupted before or meanwhile
         */
        void pause(long millis) throws InterruptedException;
    }

    /** Marks a conflict that a retry was not able to cure, for those further out. */
    private static final class Tried extends Exception {

        private static final long serialVersionUID = 1L;

        Tried() {
            super("A retry has tried this again, in vain", null, false, false);
        }
    }

    private Retry(
            List<Duration> delays,
            Pause pause,
            Predicate<? super Exception> named,
            Predicate<? super Exception> hopeless,
            @Nullable DoubleSupplier random) {
        this.delays = delays;
        this.pause = pause;
        this.named = named;
        this.hopeless = hopeless;
        this.random = random;
    }

    private static Retry of(List<Duration> delays, Pause pause) {
        return new Retry(delays, pause, failure -> false, failure -> false, null);
    }

    /**
     * Makes a retry without waiting, for conflicts.
     *
     * @param times how often a message that failed is handed on again, 1 or more
     * @return a retry for all messages
     * @throws IllegalArgumentException if {@code times} is less than 1
     */
    public static Retry atOnce(int times) {
        if (times < 1) {
            throw new IllegalArgumentException(
                    "A message is to be tried again " + times + " times; expected 1 or more.");
        }
        return of(Collections.nCopies(times, Duration.ZERO), millis -> {});
    }

    /**
     * Makes a retry that waits before each further attempt: as many attempts as there are delays, beside the first.
     *
     * @param pause lets the thread wait
     * @param first the first delay, zero or more; a part of a millisecond counts as a whole one
     * @param further the delays after that
     * @return a retry for all messages
     * @throws IllegalArgumentException if a delay is negative
     */
    public static Retry after(Pause pause, Duration first, Duration... further) {
        Objects.requireNonNull(pause, "pause");
        return of(Delays.of(first, further), pause);
    }

    /**
     * Gives a retry that also cures failures of a class, and of those below it.
     *
     * @param failures a class of exceptions, such as {@code SQLTransientException}
     * @return a new retry
     */
    public Retry on(Class<? extends Exception> failures) {
        return when(Objects.requireNonNull(failures, "failures")::isInstance);
    }

    /**
     * Gives a retry that also cures failures of which {@code curable} says so.
     *
     * @param curable is asked about what was thrown, checked exceptions included; not about what is never tried again
     * @return a new retry
     */
    public Retry when(Predicate<? super Exception> curable) {
        Objects.requireNonNull(curable, "curable");
        var before = named;
        return new Retry(delays, pause, failure -> before.test(failure) || curable.test(failure), hopeless, random);
    }

    /**
     * Gives a retry that does not cure failures of which {@code hopeless} says so, conflicts included: where the thread is
     * in a transaction that is lost with them, say, and whoever began that is to begin anew.
     *
     * @param hopeless is asked about what was thrown, before anything that was named
     * @return a new retry
     */
    public Retry unless(Predicate<? super Exception> hopeless) {
        Objects.requireNonNull(hopeless, "hopeless");
        var before = this.hopeless;
        return new Retry(delays, pause, named, failure -> before.test(failure) || hopeless.test(failure), random);
    }

    /**
     * Gives a retry whose delays vary by chance, lest all who met in a conflict meet again: each is between half of the
     * given one and the whole.
     *
     * @param random gives numbers from 0 inclusive to 1 exclusive, on any thread:
     *     {@code () -> ThreadLocalRandom.current().nextDouble()}
     * @return a new retry
     */
    public Retry jitter(DoubleSupplier random) {
        return new Retry(delays, pause, named, hopeless, Objects.requireNonNull(random, "random"));
    }

    /**
     * Gives this retry for some messages only; to be called last.
     *
     * @param type a class, or an interface that marks what may be handled again; messages of all classes below it are meant
     * @return an interceptor that does not apply to others
     */
    public Interceptor only(Class<?> type) {
        return new Only(this, Objects.requireNonNull(type, "type"));
    }

    /** Apart, as a bus takes a longer way where an interceptor chooses its messages (docs/adr/0003). */
    private record Only(Retry retry, Class<?> type) implements Interceptor {

        @Override
        public boolean appliesTo(Class<?> messageType) {
            return type.isAssignableFrom(messageType);
        }

        @Override
        public Object around(Object message, Metadata metadata, Next next) throws Exception {
            return retry.around(message, metadata, next);
        }
    }

    @Override
    public Object around(Object message, Metadata metadata, Next next) throws Exception {
        try {
            return next.proceed(message, metadata);
        } catch (Exception failure) {
            return again(message, metadata, next, failure); // apart, so that the usual way stays short
        }
    }

    private Object again(Object message, Metadata metadata, Next next, Exception first) throws Exception {
        var failure = first;
        boolean repeated = false;
        for (var delay : delays) {
            if (!isCurable(failure) || !waited(delay, failure)) {
                throw failure;
            }
            repeated |= Thrown.causes(failure).anyMatch(AppendOutcomeUnknownException.class::isInstance);
            try {
                return next.proceed(message, repeated ? metadata.with(Metadata.REPEATED, "true") : metadata);
            } catch (Exception another) {
                failure = another;
            }
        }
        if (failure instanceof AppendConflictException && !isTried(failure)) {
            failure.addSuppressed(new Tried());
        }
        throw failure;
    }

    private static boolean isTried(Exception failure) {
        return List.of(failure.getSuppressed()).stream().anyMatch(Tried.class::isInstance);
    }

    private boolean isCurable(Exception failure) {
        var judged = failure instanceof HandlerFailedException && failure.getCause() instanceof Exception cause
                ? cause
                : failure;
        if (judged instanceof AppendConflictException conflict && !conflict.isRetryable()) {
            return false;
        }
        if (NEVER.stream().anyMatch(one -> one.isInstance(judged))) {
            return false;
        }
        try {
            if (hopeless.test(judged)) {
                return false;
            }
            return (judged instanceof AppendConflictException && !isTried(judged)) || named.test(judged);
        } catch (RuntimeException | Error thrown) {
            throw with(failure, thrown);
        }
    }

    /** Gives whether to go on after the delay. */
    private boolean waited(Duration delay, Exception failure) {
        try {
            long millis = millis(delay);
            if (millis > 0) {
                pause.pause(millis);
            }
            return !Thread.currentThread().isInterrupted();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return false;
        } catch (RuntimeException | Error thrown) {
            throw with(failure, thrown);
        }
    }

    private long millis(Duration delay) {
        double share = random == null ? 1 : 0.5 + random.getAsDouble() / 2;
        return (long) Math.ceil((delay.getSeconds() * 1e3 + delay.getNano() / 1e6) * share); // no overflow
    }

    /** What the user's own function threw, with the failure that it was asked about. */
    private static RuntimeException with(Exception failure, Throwable thrown) {
        Thrown.keep(thrown, failure);
        if (thrown instanceof Error error) {
            throw error;
        }
        return (RuntimeException) thrown;
    }
}
