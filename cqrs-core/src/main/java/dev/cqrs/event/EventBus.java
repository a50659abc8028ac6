package dev.cqrs.event;

import dev.cqrs.message.Metadata;
import java.util.Objects;

/**
 * Tells events to whoever has subscribed to them, at once, and keeps none: for events that need no history.
 *
 * <p>Events are plain objects. A subscriber hears those of the class it has subscribed to and of all below, so an
 * interface or a sealed root stands for its family. Who subscribes later hears nothing of what was before; an event that
 * must not be lost belongs into an event store. Where state is kept in tables, publish after the commit: what was rolled
 * back has then never been told.
 *
 * <p><b>Order:</b> the subscribers of an event are called one after the other, in the order in which they subscribed.
 * What a subscriber publishes is told to all its subscribers before the outer event goes on to the next.
 *
 * <p><b>Coming and going:</b> subscribers may come and go at any time, also while an event is published. An event
 * reaches those who had subscribed when its publishing began, without those who have left before their turn.
 *
 * <p><b>Threads:</b> thread-safe. Subscribers run on the publishing thread, by several threads at once.
 *
 * <p><b>Errors:</b> every subscriber is called, also after one has thrown. Then the first failure reaches the publisher,
 * an {@link Error} before any exception, with all others {@linkplain Throwable#getSuppressed() suppressed} in it (one that is
 * made once and thrown each time may be without them when it has many). It is thrown as it is; a checked exception is the
 * cause of a {@link dev.cqrs.message.HandlerFailedException}, and after an {@link InterruptedException} the thread's
 * interrupt flag is set again.
 */
public interface EventBus {

    /**
     * Publishes {@code event} without metadata, otherwise as {@link #publish(Object, Metadata)}.
     *
     * @param event never {@code null}
     * @return how many subscribers were called; 0 if nobody has subscribed to such events
     * @throws dev.cqrs.message.HandlerFailedException if the first failure is a checked exception
     * @throws NullPointerException if {@code event} is {@code null}
     */
    default int publish(Object event) {
        return publish(event, Metadata.none());
    }

    /**
     * Calls all who have subscribed to the class of {@code event} or to a type above it.
     *
     * @param event never {@code null}
     * @param metadata handed to the subscribers, never {@code null}
     * @return how many subscribers were called; 0 if nobody has subscribed to such events
     * @throws dev.cqrs.message.HandlerFailedException if the first failure is a checked exception
     * @throws NullPointerException if an argument is {@code null}; nobody was called
     */
    int publish(Object event, Metadata metadata);

    /**
     * Has {@code subscriber} called with each event of {@code type}, until the result is closed.
     *
     * <p>Who subscribes twice is called twice. Lambda and method reference fit this form or the other; a method
     * name with both arities fits both, and has to be told by a lambda.
     *
     * @param <E> the type of the events
     * @param type a class, an interface or a sealed root; {@code Object} for all events
     * @param subscriber never {@code null}
     * @return ends the calls when closed
     * @throws IllegalArgumentException if {@code type} is primitive, as no event is
     * @throws NullPointerException if an argument is {@code null}
     */
    <E> Subscription subscribe(Class<E> type, Subscriber<E> subscriber);

    /**
     * Has {@code subscriber} called with each event of {@code type}, otherwise as
     * {@link #subscribe(Class, Subscriber)}.
     *
     * @param <E> the type of the events
     * @param type a class, an interface or a sealed root; {@code Object} for all events
     * @param subscriber has no use for metadata; never {@code null}
     * @return ends the calls when closed
     * @throws IllegalArgumentException if {@code type} is primitive, as no event is
     * @throws NullPointerException if an argument is {@code null}
     */
    default <E> Subscription subscribe(Class<E> type, Subscriber.Plain<E> subscriber) {
        Objects.requireNonNull(subscriber, "subscriber");
        return subscribe(type, (event, metadata) -> subscriber.on(event));
    }

    /**
     * Who wants to know of events.
     *
     * <p><b>Threads:</b> called on publishing threads, by several at once.
     *
     * @param <E> the type of the events
     */
    @FunctionalInterface
    interface Subscriber<E> {

        /**
         * Hears of {@code event}.
         *
         * @param event never {@code null}
         * @param metadata what travels with the event, to be handed on to what it causes; never {@code null}
         * @throws Exception anything; others are called all the same, then the publisher is told
         */
        void on(E event, Metadata metadata) throws Exception;

        /**
         * A subscriber that has no use for metadata: what a lambda with one argument or most method references stand
         * for.
         *
         * @param <E> the type of the events
         */
        @FunctionalInterface
        interface Plain<E> {

            /**
             * Hears of {@code event}.
             *
             * @param event never {@code null}
             * @throws Exception as {@link Subscriber#on}
             */
            void on(E event) throws Exception;
        }
    }

    /**
     * What is closed to end the calls of a {@link Subscriber}.
     *
     * <p><b>Threads:</b> thread-safe.
     */
    interface Subscription extends AutoCloseable {

        /**
         * Ends the calls and lets go of the subscriber, also for an event that is being published and has not come to
         * its turn. It waits for nobody: a call that another thread is making, or was just about to make, may begin
         * and end after this has returned. A second call does nothing.
         */
        @Override
        void close();
    }
}
