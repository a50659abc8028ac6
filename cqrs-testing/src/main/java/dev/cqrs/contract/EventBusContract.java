package dev.cqrs.contract;

import static dev.cqrs.contract.Nulls.noMetadata;
import static dev.cqrs.contract.Nulls.nullOf;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cqrs.event.EventBus;
import dev.cqrs.event.EventBus.Subscriber;
import dev.cqrs.event.EventBus.Subscription;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/**
 * What every {@link EventBus} must do, as tests: extend it and say how your bus is made.
 *
 * <p><b>Threads:</b> JUnit makes an instance for each test.
 */
public abstract class EventBusContract {

    private static final Metadata METADATA = Metadata.withId("m-1").with("tenant", "blue");

    private final List<String> heard = new ArrayList<>();

    /** A family of events. */
    private sealed interface Parcel permits Sent, Arrived {}

    private record Sent(int number) implements Parcel {}

    private record Arrived(int number) implements Parcel {}

    /** Of no family. */
    private record Rang(String bell) {}

    /** A throwable that is checked, but no {@link Exception}. */
    private static final class Oddity extends Throwable {
        private static final long serialVersionUID = 1L;
    }

    /** For the tests of implementations. */
    protected EventBusContract() {}

    /**
     * Makes a new bus without subscribers.
     *
     * @param interceptors run around each call of a subscriber, the first outermost
     * @return the bus to be tested
     */
    protected abstract EventBus busOf(List<Interceptor> interceptors);

    private EventBus bus() {
        return busOf(List.of());
    }

    // ---- who hears what

    @Test
    void an_event_reaches_every_subscriber_in_the_order_of_subscription() {
        var bus = bus();
        bus.subscribe(Parcel.class, e -> heard.add("first " + e));
        bus.subscribe(Sent.class, (e, metadata) -> heard.add("second " + e));
        bus.subscribe(Object.class, e -> heard.add("third " + e));
        bus.subscribe(Sent.class, e -> heard.add("fourth " + e));

        bus.publish(new Sent(1));

        assertEquals(
                List.of(
                        "first Sent[number=1]",
                        "second Sent[number=1]",
                        "third Sent[number=1]",
                        "fourth Sent[number=1]"),
                heard);
    }

    @Test
    void a_subscriber_hears_the_events_of_its_type_and_of_all_below_and_no_others() {
        var bus = bus();
        bus.subscribe(Sent.class, e -> heard.add("sent " + e.number()));
        bus.subscribe(Parcel.class, e -> heard.add("parcel"));
        bus.subscribe(Record.class, e -> heard.add("record"));
        bus.subscribe(Rang.class, e -> heard.add("rang " + e.bell()));
        bus.subscribe(Integer.class, e -> heard.add("integer " + e));

        bus.publish(new Arrived(1));
        bus.publish(new Sent(2));
        bus.publish(new Rang("door"));
        bus.publish(3);
        bus.publish("text");

        assertEquals(
                List.of("parcel", "record", "sent 2", "parcel", "record", "record", "rang door", "integer 3"), heard);
    }

    @Test
    void publishing_tells_how_many_subscribers_were_called() {
        var bus = bus();
        assertEquals(0, bus.publish(new Sent(1)));
        var one = bus.subscribe(Sent.class, e -> heard.add("one"));
        bus.subscribe(Parcel.class, e -> heard.add("two"));

        assertEquals(2, bus.publish(new Sent(2)));
        assertEquals(1, bus.publish(new Arrived(3)));
        assertEquals(0, bus.publish(new Rang("door")));
        one.close();
        assertEquals(1, bus.publish(new Sent(4)));
    }

    @Test
    void metadata_travel_with_the_event_and_are_none_where_none_were_given() {
        var bus = bus();
        var travelled = new ArrayList<Metadata>();
        bus.subscribe(Sent.class, (e, metadata) -> travelled.add(metadata));

        bus.publish(new Sent(1), METADATA);
        bus.publish(new Sent(2));

        assertEquals(List.of(METADATA, Metadata.none()), travelled);
    }

    @Test
    void subscribers_run_on_the_publishing_thread() {
        var bus = bus();
        var threads = new ArrayList<Thread>();
        bus.subscribe(Sent.class, e -> threads.add(Thread.currentThread()));

        Together.onAnotherThread(() -> {
            bus.publish(new Sent(1));
            assertEquals(List.of(Thread.currentThread()), threads);
        });
        assertEquals(1, threads.size());
    }

    @Test
    void who_subscribes_twice_is_called_twice() {
        var bus = bus();
        Subscriber.Plain<Sent> subscriber = e -> heard.add("heard");
        var first = bus.subscribe(Sent.class, subscriber);
        bus.subscribe(Sent.class, subscriber);

        assertEquals(2, bus.publish(new Sent(1)));
        first.close();
        assertEquals(1, bus.publish(new Sent(2)));

        assertEquals(3, heard.size());
    }

    @Test
    void what_a_subscriber_publishes_is_told_to_all_before_the_outer_event_goes_on() {
        var bus = bus();
        bus.subscribe(Parcel.class, e -> {
            heard.add("first " + e);
            if (e instanceof Sent sent) {
                bus.publish(new Arrived(sent.number()));
            }
        });
        bus.subscribe(Parcel.class, e -> heard.add("second " + e));

        bus.publish(new Sent(1));

        assertEquals(
                List.of(
                        "first Sent[number=1]",
                        "first Arrived[number=1]",
                        "second Arrived[number=1]",
                        "second Sent[number=1]"),
                heard);
    }

    // ---- failures

    @Test
    void every_subscriber_is_called_though_one_throws() {
        for (var thrown : List.<Throwable>of(
                new IllegalStateException("no"),
                new IOException("no"),
                new Oddity(),
                new StackOverflowError(),
                new AssertionError("no"),
                new NoClassDefFoundError("no"))) {
            heard.clear();
            var bus = bus();
            bus.subscribe(Sent.class, e -> heard.add("before"));
            bus.subscribe(Sent.class, e -> throwAny(thrown));
            bus.subscribe(Sent.class, e -> heard.add("after"));

            var told = assertThrows(Throwable.class, () -> bus.publish(new Sent(1)), thrown::toString);

            assertEquals(List.of("before", "after"), heard, thrown::toString);
            if (thrown instanceof RuntimeException || thrown instanceof Error) {
                assertSame(thrown, told);
            } else {
                assertSame(thrown, told.getCause());
                assertEquals(
                        Sent.class,
                        assertInstanceOf(HandlerFailedException.class, told).messageType());
            }
        }
    }

    @Test
    void the_first_failure_is_thrown_with_the_others_suppressed_in_it() {
        var bus = bus();
        var first = new IllegalStateException("first");
        var second = new IOException("second");
        var third = new IllegalArgumentException("third");
        bus.subscribe(Sent.class, e -> throwAny(first));
        bus.subscribe(Sent.class, e -> throwAny(second));
        bus.subscribe(Sent.class, e -> throwAny(third));

        var told = assertThrows(IllegalStateException.class, () -> bus.publish(new Sent(1)));

        assertSame(first, told);
        assertEquals(2, told.getSuppressed().length);
        assertSame(second, told.getSuppressed()[0].getCause());
        assertSame(third, told.getSuppressed()[1]);
    }

    @Test
    void an_error_goes_before_exceptions_so_that_who_catches_those_does_not_swallow_it() {
        var bus = bus();
        var exception = new IllegalStateException("exception");
        var further = new IllegalStateException("further");
        var error = new StackOverflowError();
        var later = new AssertionError("later");
        bus.subscribe(Sent.class, e -> throwAny(exception));
        bus.subscribe(Sent.class, e -> throwAny(further));
        bus.subscribe(Sent.class, e -> throwAny(error));
        bus.subscribe(Sent.class, e -> throwAny(later));

        var told = assertThrows(StackOverflowError.class, () -> bus.publish(new Sent(1)));

        assertSame(error, told);
        assertArrayEquals(new Throwable[] {exception, further, later}, told.getSuppressed());
        assertEquals(0, exception.getSuppressed().length, "the others are told once");
    }

    @Test
    void one_failure_of_two_subscribers_is_told_once() {
        var bus = bus();
        var shared = new IllegalStateException("shared");
        bus.subscribe(Sent.class, e -> throwAny(shared));
        bus.subscribe(Sent.class, e -> throwAny(shared));

        assertSame(shared, assertThrows(IllegalStateException.class, () -> bus.publish(new Sent(1))));
        assertEquals(0, shared.getSuppressed().length);
    }

    @Test
    void an_interrupt_is_kept_and_the_others_are_called() {
        var bus = bus();
        bus.subscribe(Sent.class, e -> throwAny(new InterruptedException()));
        bus.subscribe(Sent.class, e -> heard.add("after"));

        Together.onAnotherThread(() -> {
            var told = assertThrows(HandlerFailedException.class, () -> bus.publish(new Sent(1)));
            assertInstanceOf(InterruptedException.class, told.getCause());
            assertTrue(Thread.interrupted());
        });

        assertEquals(List.of("after"), heard);
    }

    @Test
    void a_bus_works_on_after_a_failure() {
        var bus = bus();
        var failing = bus.subscribe(Sent.class, e -> throwAny(new IllegalStateException("no")));
        bus.subscribe(Sent.class, e -> heard.add("heard " + e.number()));

        assertThrows(IllegalStateException.class, () -> bus.publish(new Sent(1)));
        assertThrows(IllegalStateException.class, () -> bus.publish(new Sent(2)));
        failing.close();
        bus.publish(new Sent(3));

        assertEquals(List.of("heard 1", "heard 2", "heard 3"), heard);
    }

    // ---- coming and going

    @Test
    void who_subscribes_while_an_event_is_published_hears_the_next_one() {
        var bus = bus();
        var added = new ArrayList<Subscription>();
        bus.subscribe(Sent.class, e -> {
            if (added.isEmpty()) {
                added.add(bus.subscribe(Sent.class, later -> heard.add("later " + later.number())));
            }
        });

        assertEquals(1, bus.publish(new Sent(1)));
        assertEquals(List.of(), heard);
        assertEquals(2, bus.publish(new Sent(2)));
        assertEquals(List.of("later 2"), heard);
    }

    @Test
    void who_leaves_before_its_turn_is_not_called() {
        var bus = bus();
        var subscriptions = new ArrayList<Subscription>();
        bus.subscribe(Sent.class, e -> {
            heard.add("first");
            subscriptions.get(0).close();
        });
        subscriptions.add(bus.subscribe(Sent.class, e -> heard.add("left")));
        bus.subscribe(Sent.class, e -> heard.add("third"));

        assertEquals(2, bus.publish(new Sent(1)));

        assertEquals(List.of("first", "third"), heard);
    }

    @Test
    void a_subscriber_may_leave_while_it_is_called() {
        var bus = bus();
        var own = new ArrayList<Subscription>();
        own.add(bus.subscribe(Sent.class, e -> {
            heard.add("once");
            own.get(0).close();
        }));
        bus.subscribe(Sent.class, e -> heard.add("always"));

        bus.publish(new Sent(1));
        bus.publish(new Sent(2));

        assertEquals(List.of("once", "always", "always"), heard);
    }

    @Test
    void after_the_subscription_was_closed_nothing_is_heard_any_more() {
        var bus = bus();
        bus.publish(new Sent(0));
        var subscription = bus.subscribe(Parcel.class, e -> heard.add("heard " + e));
        bus.publish(new Sent(1));

        subscription.close();
        subscription.close();
        bus.publish(new Sent(2));
        bus.publish(new Arrived(3));

        assertEquals(List.of("heard Sent[number=1]"), heard);
    }

    @Test
    void who_subscribes_after_a_class_was_published_hears_its_next_event() {
        var bus = bus();
        bus.publish(new Sent(1));
        bus.publish(new Sent(2));
        bus.subscribe(Parcel.class, e -> heard.add("heard " + e));

        bus.publish(new Sent(3));

        assertEquals(List.of("heard Sent[number=3]"), heard);
    }

    @Test
    void threads_publish_while_others_come_and_go_and_who_stays_hears_each_event_once() {
        var bus = bus();
        int publishers = 3;
        int events = 3_000;
        var stayed = new AtomicInteger[publishers];
        for (int i = 0; i < publishers; i++) {
            stayed[i] = new AtomicInteger();
        }
        var passing = new AtomicInteger();
        var wrong = new AtomicInteger();
        bus.subscribe(Sent.class, e -> stayed[e.number()].incrementAndGet());

        var calls = Together.<Integer>run(publishers + 2, thread -> () -> {
            int called = 0;
            for (int i = 0; i < events; i++) {
                if (thread < publishers) {
                    called += bus.publish(new Sent(thread));
                } else {
                    var subscription = bus.subscribe(Parcel.class, e -> passing.incrementAndGet());
                    bus.publish(new Rang("door"));
                    subscription.close();
                    if (thread == publishers) {
                        bus.subscribe(Arrived.class, e -> wrong.incrementAndGet())
                                .close();
                    }
                }
            }
            return called;
        });

        for (var count : stayed) {
            assertEquals(events, count.get());
        }
        assertEquals(0, wrong.get());
        assertEquals(
                publishers * events + passing.get(),
                calls.stream().mapToInt(Integer::intValue).sum());
        assertEquals(1, bus.publish(new Sent(0)), "all others have left");
    }

    // ---- interceptors

    @Test
    void interceptors_run_around_each_subscriber_the_first_outermost() {
        var bus = busOf(List.of(noting("outer"), noting("inner")));
        bus.subscribe(Sent.class, e -> heard.add("one"));
        bus.subscribe(Sent.class, (e, metadata) -> heard.add("two"));

        assertEquals(2, bus.publish(new Sent(1)));

        assertEquals(
                List.of(
                        "outer",
                        "inner",
                        "one",
                        "inner done",
                        "outer done",
                        "outer",
                        "inner",
                        "two",
                        "inner done",
                        "outer done"),
                heard);
    }

    @Test
    void an_interceptor_may_change_event_and_metadata_for_one_subscriber() {
        var bus = busOf(List.of((message, metadata, next) -> {
            var sent = (Sent) message;
            heard.add("given " + sent.number() + " " + metadata.id().orElse("none"));
            return next.proceed(new Sent(sent.number() + 1), metadata.with(Metadata.ID, "m-2"));
        }));
        bus.subscribe(
                Parcel.class, (e, metadata) -> heard.add(e + " " + metadata.id().orElse("none")));
        bus.subscribe(Sent.class, e -> heard.add("second " + e.number()));

        bus.publish(new Sent(1), METADATA);

        assertEquals(List.of("given 1 m-1", "Sent[number=2] m-2", "given 1 m-1", "second 2"), heard);
    }

    @Test
    void an_event_of_another_type_than_the_subscriber_wants_is_refused() {
        var bus = busOf(List.of((message, metadata, next) -> next.proceed(new Arrived(1), metadata)));
        bus.subscribe(Sent.class, e -> heard.add("sent"));
        bus.subscribe(Parcel.class, e -> heard.add("parcel " + e));

        var told = assertThrows(IllegalArgumentException.class, () -> bus.publish(new Sent(1)));

        assertEquals(List.of("parcel Arrived[number=1]"), heard);
        assertTrue(told.toString().contains(Arrived.class.getName()), told::toString);
        assertTrue(told.toString().contains(Sent.class.getName()), told::toString);
    }

    @Test
    void an_interceptor_may_call_again_or_not_at_all() {
        var bus = busOf(List.of((message, metadata, next) -> {
            if (((Sent) message).number() == 1) {
                next.proceed(message, metadata);
                return next.proceed(message, metadata);
            }
            return Done.DONE;
        }));
        bus.subscribe(Sent.class, e -> heard.add("heard " + e.number()));

        bus.publish(new Sent(1));
        bus.publish(new Sent(2));

        assertEquals(List.of("heard 1", "heard 1"), heard);
    }

    @Test
    void what_an_interceptor_throws_for_one_subscriber_does_not_keep_the_event_from_the_next() {
        var calls = new AtomicInteger();
        var bus = busOf(List.of((message, metadata, next) -> {
            if (calls.incrementAndGet() == 1) {
                throw new IOException("refused");
            }
            return next.proceed(message, metadata);
        }));
        bus.subscribe(Sent.class, e -> heard.add("first"));
        bus.subscribe(Sent.class, e -> heard.add("second"));

        var told = assertThrows(HandlerFailedException.class, () -> bus.publish(new Sent(1)));

        assertInstanceOf(IOException.class, told.getCause());
        assertEquals(List.of("second"), heard);
    }

    @Test
    void an_interceptor_that_gives_null_has_failed() {
        var bus = busOf(List.of((message, metadata, next) -> nullOf(Object.class)));
        bus.subscribe(Sent.class, e -> heard.add("heard"));

        assertThrows(HandlerFailedException.class, () -> bus.publish(new Sent(1)));
    }

    @Test
    void an_interceptor_hands_on_no_null() {
        var bus = busOf(List.of((message, metadata, next) -> next.proceed(nullOf(Object.class), metadata)));
        bus.subscribe(Sent.class, e -> heard.add("heard"));
        assertThrows(NullPointerException.class, () -> bus.publish(new Sent(1)));

        var other = busOf(List.of((message, metadata, next) -> next.proceed(message, noMetadata())));
        other.subscribe(Sent.class, e -> heard.add("heard"));
        assertThrows(NullPointerException.class, () -> other.publish(new Sent(1)));

        var proceeding = busOf(List.of((message, metadata, next) -> next.proceed(message, metadata)));
        proceeding.subscribe(Sent.class, e -> {});

        assertEquals(List.of(), heard);
        assertEquals(1, proceeding.publish(new Sent(1)));
    }

    @Test
    void an_interceptor_runs_around_the_classes_it_applies_to() {
        var bus = busOf(List.of(new Interceptor() {
            @Override
            public Object around(Object message, Metadata metadata, Next next) throws Exception {
                heard.add("around " + message);
                return next.proceed(message, metadata);
            }

            @Override
            public boolean appliesTo(Class<?> messageType) {
                return messageType == Sent.class;
            }
        }));
        bus.subscribe(Parcel.class, e -> heard.add("heard " + e));

        bus.publish(new Arrived(1));
        bus.publish(new Sent(2));

        assertEquals(List.of("heard Arrived[number=1]", "around Sent[number=2]", "heard Sent[number=2]"), heard);
    }

    @Test
    void a_message_that_is_replaced_passes_the_interceptors_of_the_one_that_was_sent() {
        var bus = busOf(List.of(
                (message, metadata, next) -> next.proceed(new Arrived(2), metadata),
                onlyAround(Sent.class, noting("of the one sent")),
                onlyAround(Arrived.class, noting("of the one handed on"))));
        bus.subscribe(Parcel.class, e -> heard.add("heard " + e));

        bus.publish(new Sent(1));

        assertEquals(List.of("of the one sent", "heard Arrived[number=2]", "of the one sent done"), heard);
    }

    private static Interceptor onlyAround(Class<?> type, Interceptor interceptor) {
        return new Interceptor() {
            @Override
            public Object around(Object message, Metadata metadata, Next next) throws Exception {
                return interceptor.around(message, metadata, next);
            }

            @Override
            public boolean appliesTo(Class<?> messageType) {
                return messageType == type;
            }
        };
    }

    @Test
    void who_leaves_while_an_interceptor_runs_is_not_called() {
        var subscriptions = new ArrayList<Subscription>();
        var bus = busOf(List.of((message, metadata, next) -> {
            heard.add("around");
            subscriptions.forEach(Subscription::close);
            return next.proceed(message, metadata);
        }));
        subscriptions.add(bus.subscribe(Sent.class, e -> heard.add("heard")));
        subscriptions.add(bus.subscribe(Sent.class, e -> heard.add("heard")));

        bus.publish(new Sent(1));

        assertEquals(List.of("around"), heard);
    }

    // ---- what is refused

    @Test
    void nulls_are_refused_and_nobody_is_called() {
        var bus = bus();
        bus.subscribe(Object.class, e -> heard.add("heard"));

        assertAll(
                () -> assertThrows(NullPointerException.class, () -> bus.publish(nullOf(Object.class))),
                () -> assertThrows(NullPointerException.class, () -> bus.publish(nullOf(Object.class), METADATA)),
                () -> assertThrows(NullPointerException.class, () -> bus.publish(new Sent(1), noMetadata())),
                () -> assertThrows(NullPointerException.class, () -> bus.subscribe(noType(), e -> heard.add("heard"))),
                () -> assertThrows(
                        NullPointerException.class, () -> bus.subscribe(noType(), (e, m) -> heard.add("heard"))),
                () -> assertThrows(
                        NullPointerException.class,
                        () -> bus.subscribe(Sent.class, EventBusContract.<Subscriber<Sent>>noSubscriber())),
                () -> assertThrows(
                        NullPointerException.class,
                        () -> bus.subscribe(Sent.class, EventBusContract.<Subscriber.Plain<Sent>>noSubscriber())));

        assertEquals(List.of(), heard);
    }

    @Test
    void a_primitive_type_is_refused_by_name() {
        var bus = bus();
        assertNotNull(bus.subscribe(Integer.class, e -> heard.add("heard")));

        var told = assertThrows(
                IllegalArgumentException.class, () -> bus.subscribe(int.class, e -> heard.add("primitive")));

        assertTrue(told.toString().contains("int"), told::toString);
        assertEquals(1, bus.publish(1));
    }

    private Interceptor noting(String name) {
        return (message, metadata, next) -> {
            heard.add(name);
            var result = next.proceed(message, metadata);
            heard.add(name + " done");
            return result;
        };
    }

    @SuppressWarnings("NullAway") // this is what it is for
    private static Class<Sent> noType() {
        return null;
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // a null that fits either form
    private static <T> T noSubscriber() {
        return null;
    }

    @SuppressWarnings("unchecked") // throws it as it is, whatever the compiler thinks
    private static <T extends Throwable> void throwAny(Throwable thrown) throws T {
        throw (T) thrown;
    }
}
