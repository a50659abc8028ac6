package dev.cqrs.contract;

import static dev.cqrs.contract.Nulls.noMetadata;
import static dev.cqrs.contract.Nulls.nullOf;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cqrs.command.Command;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.query.Query;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/**
 * What both kinds of bus must do, told in messages that are commands and queries at once.
 *
 * <p>What may go through the bus or along a route in hand is tested both ways: the two must not differ.
 */
abstract class BusContract {

    private static final Metadata METADATA = Metadata.withId("m-1").with("tenant", "blue");

    /** A message that both kinds of bus carry. */
    interface Message<R> extends Command<R>, Query<R> {}

    record Echo(String text) implements Message<String> {}

    record Words(String text) implements Message<List<String>> {}

    record Descent(int depth) implements Message<Integer> {}

    /** The message whose handler, or an interceptor around it, fails. */
    record Trouble() implements Message<Done> {}

    record Unheard() implements Message<Done> {}

    /** A throwable that is checked, but no {@link Exception}. */
    static final class Oddity extends Throwable {
        private static final long serialVersionUID = 1L;
    }

    /** What a handler does. */
    @FunctionalInterface
    interface Body<M extends Message<R>, R> {
        R handle(M message, Metadata metadata) throws Exception;
    }

    /** A handler and the class it is registered for. */
    record Entry<M extends Message<R>, R>(Class<M> type, Body<M, R> body) {}

    /** A bus of either kind. */
    interface Bus {
        <R> R send(Message<R> message);

        <R> R send(Message<R> message, Metadata metadata);

        <M extends Message<R>, R> Route<M, R> routeTo(Class<M> type);
    }

    /** A route of either kind. */
    interface Route<M extends Message<R>, R> {
        R send(M message);

        R send(M message, Metadata metadata);
    }

    /** The two ways to send: look the handler up each time, or take the route in hand. */
    private enum Way {
        BY_BUS {
            @Override
            <R> R send(Bus bus, Message<R> message, Metadata metadata) {
                return bus.send(message, metadata);
            }
        },
        BY_ROUTE {
            @Override
            @SuppressWarnings("unchecked") // a message is of its own class
            <R> R send(Bus bus, Message<R> message, Metadata metadata) {
                return bus.<Message<R>, R>routeTo((Class<Message<R>>) message.getClass())
                        .send(message, metadata);
            }
        };

        abstract <R> R send(Bus bus, Message<R> message, Metadata metadata);

        <R> R send(Bus bus, Message<R> message) {
            return send(bus, message, METADATA);
        }
    }

    /** A test of one way. */
    @FunctionalInterface
    private interface Trial {
        void run(Way way) throws Exception;
    }

    BusContract() {}

    /** Makes the bus under test; the first interceptor runs outermost. */
    abstract Bus bus(List<Entry<?, ?>> handlers, List<Interceptor> interceptors);

    // ------------------------------------------------------------------------------------------------- results

    @Test
    void the_result_of_the_handler_is_returned() {
        eachWay(way -> {
            var bus = bus(echo());

            assertEquals("hello", way.send(bus, new Echo("hello")));
            assertEquals("again", way.send(bus, new Echo("again")));
        });
    }

    @Test
    void a_generic_result_is_returned() {
        eachWay(way -> {
            var bus = bus(handler(Words.class, (words, metadata) -> List.of(words.text.split(" ", -1))));

            List<String> words = way.send(bus, new Words("to be or not"));

            assertEquals(List.of("to", "be", "or", "not"), words);
        });
    }

    @Test
    void the_very_object_that_the_handler_returns_reaches_the_caller() {
        eachWay(way -> {
            var result = new ArrayList<>(List.of("mine"));
            var bus = bus(handler(Words.class, (words, metadata) -> result));

            assertSame(result, way.send(bus, new Words("")));
        });
    }

    @Test
    void each_message_reaches_the_handler_of_its_own_class() {
        eachWay(way -> {
            var bus = bus(
                    echo(),
                    handler(Words.class, (words, metadata) -> List.of("words")),
                    handler(Descent.class, (descent, metadata) -> -1),
                    handler(Trouble.class, (trouble, metadata) -> Done.DONE));

            assertEquals("echo", way.send(bus, new Echo("echo")));
            assertEquals(List.of("words"), way.send(bus, new Words("")));
            assertEquals(-1, way.send(bus, new Descent(7)));
            assertEquals(Done.DONE, way.send(bus, new Trouble()));
        });
    }

    @Test
    void the_very_message_reaches_the_handler_once_for_each_time_it_is_sent() {
        eachWay(way -> {
            var handled = new ArrayList<Echo>();
            var bus = bus(handler(Echo.class, (echo, metadata) -> {
                handled.add(echo);
                return "";
            }));
            var message = new Echo("same");

            way.send(bus, message);
            way.send(bus, message);

            assertEquals(2, handled.size());
            assertSame(message, handled.get(0));
            assertSame(message, handled.get(1));
        });
    }

    @Test
    void metadata_is_handed_to_the_handler() {
        eachWay(way -> {
            var seen = new AtomicReference<>(Metadata.none());
            var bus = bus(handler(Echo.class, (echo, metadata) -> {
                seen.set(metadata);
                return "";
            }));

            way.send(bus, new Echo(""), METADATA);

            assertEquals(METADATA, seen.get());
        });
    }

    @Test
    void without_metadata_the_handler_gets_empty_metadata() {
        var seen = new ArrayList<Metadata>();
        var bus = bus(handler(Echo.class, (echo, metadata) -> {
            seen.add(metadata);
            return "";
        }));

        bus.send(new Echo(""));
        bus.routeTo(Echo.class).send(new Echo(""));

        assertEquals(List.of(Metadata.none(), Metadata.none()), seen);
    }

    @Test
    void the_handler_runs_on_the_thread_of_the_caller() {
        eachWay(way -> {
            var threads = new ArrayList<Thread>();
            var bus = bus(handler(Echo.class, (echo, metadata) -> {
                threads.add(Thread.currentThread());
                return "";
            }));

            way.send(bus, new Echo("here"));
            Together.onAnotherThread(() -> {
                threads.add(Thread.currentThread());
                way.send(bus, new Echo("there"));
            });

            assertEquals(3, threads.size());
            assertSame(Thread.currentThread(), threads.get(0));
            assertSame(threads.get(1), threads.get(2));
        });
    }

    @Test
    void a_route_in_hand_serves_any_number_of_messages() {
        var route = bus(echo()).routeTo(Echo.class);

        for (int i = 0; i < 100; i++) {
            assertEquals("message " + i, route.send(new Echo("message " + i)));
            assertEquals("message " + i, route.send(new Echo("message " + i), METADATA));
        }
    }

    // ------------------------------------------------------------------------------------------------- failures

    @Test
    void an_unchecked_exception_reaches_the_caller_unchanged() {
        eachWay(way -> {
            var mine = new IllegalArgumentException("mine");
            var bus = busInTrouble(() -> {
                throw mine;
            });

            assertSame(mine, assertThrows(RuntimeException.class, () -> way.send(bus, new Trouble())));
            assertStillWorks(bus, way);
        });
    }

    @Test
    void an_error_reaches_the_caller_unchanged() {
        eachWay(way -> {
            var mine = new LinkageError("mine");
            var bus = busInTrouble(() -> {
                throw mine;
            });

            assertSame(mine, assertThrows(Throwable.class, () -> way.send(bus, new Trouble())));
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_checked_exception_is_the_cause_of_a_named_one() {
        eachWay(way -> {
            var mine = new IOException("mine");
            var bus = busInTrouble(() -> {
                throw mine;
            });

            var failed = assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));

            assertSame(mine, failed.getCause());
            assertEquals(Trouble.class, failed.messageType());
            assertMessage(failed, Trouble.class.getName());
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_checked_exception_that_is_thrown_undeclared_is_the_cause_of_a_named_one() {
        eachWay(way -> {
            var mine = new Oddity();
            var bus = busInTrouble(() -> {
                throw undeclared(mine);
            });

            var failed = assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));

            assertSame(mine, failed.getCause());
            assertEquals(Trouble.class, failed.messageType());
            assertStillWorks(bus, way);
        });
    }

    @Test
    void an_interrupt_is_the_cause_of_a_named_exception_and_sets_the_flag_again() {
        eachWay(way -> {
            var bus = busInTrouble(() -> {
                throw new InterruptedException("stop");
            });

            HandlerFailedException failed;
            boolean interrupted;
            try {
                failed = assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));
            } finally {
                interrupted = Thread.interrupted();
            }

            assertInstanceOf(InterruptedException.class, failed.getCause());
            assertTrue(interrupted, "the thread's interrupt flag is set again");
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_handler_that_sets_the_interrupt_flag_and_returns_leaves_it_set() {
        List<List<Interceptor>> around =
                List.of(List.of(), List.of((message, metadata, next) -> next.proceed(message, metadata)));
        for (var interceptors : around) {
            eachWay(way -> {
                var bus = bus(
                        List.of(handler(Echo.class, (echo, metadata) -> {
                            Thread.currentThread().interrupt();
                            return echo.text;
                        })),
                        interceptors);

                String result;
                boolean interrupted;
                try {
                    result = way.send(bus, new Echo("done"));
                } finally {
                    interrupted = Thread.interrupted();
                }

                assertEquals("done", result);
                assertTrue(interrupted, "the thread's interrupt flag is still set");
            });
        }
    }

    @Test
    void another_checked_exception_leaves_the_interrupt_flag_alone() {
        eachWay(way -> {
            var bus = busInTrouble(() -> {
                throw new IOException("not an interrupt");
            });

            assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));

            assertFalse(Thread.interrupted(), "the thread's interrupt flag is not set");
        });
    }

    @Test
    void a_null_result_is_a_named_failure() {
        eachWay(way -> {
            var bus = busInTrouble(() -> nullOf(Done.class));

            var failed = assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));

            assertEquals(Trouble.class, failed.messageType());
            assertMessage(failed, "null");
            assertMessage(failed, Trouble.class.getName());
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_null_message_is_refused_before_any_interceptor_runs() {
        var intercepted = new AtomicInteger();
        var bus = bus(List.of(echo()), List.of(counting(intercepted)));
        var route = assertRoute(bus);
        intercepted.set(0);

        assertThrows(NullPointerException.class, () -> bus.send(nullOf(Echo.class)));
        assertThrows(NullPointerException.class, () -> bus.send(nullOf(Echo.class), METADATA));
        assertThrows(NullPointerException.class, () -> route.send(nullOf(Echo.class)));
        assertThrows(NullPointerException.class, () -> route.send(nullOf(Echo.class), METADATA));

        assertEquals(0, intercepted.get());
        eachWay(way -> assertStillWorks(bus, way));
    }

    @Test
    void null_metadata_is_refused_before_any_interceptor_runs() {
        var intercepted = new AtomicInteger();
        var bus = bus(List.of(echo()), List.of(counting(intercepted)));
        var route = assertRoute(bus);
        intercepted.set(0);

        assertThrows(NullPointerException.class, () -> bus.send(new Echo("x"), noMetadata()));
        assertThrows(NullPointerException.class, () -> route.send(new Echo("x"), noMetadata()));

        assertEquals(0, intercepted.get());
        eachWay(way -> assertStillWorks(bus, way));
    }

    @Test
    void null_metadata_is_refused_by_a_bus_without_interceptors_too() {
        var bus = bus(echo());
        var route = assertRoute(bus);

        assertThrows(NullPointerException.class, () -> bus.send(new Echo("x"), noMetadata()));
        assertThrows(NullPointerException.class, () -> route.send(new Echo("x"), noMetadata()));
    }

    @Test
    void a_route_to_null_is_refused() {
        var bus = bus(echo());

        assertThrows(NullPointerException.class, () -> bus.routeTo(nullClass()));

        eachWay(way -> assertStillWorks(bus, way));
    }

    @Test
    void a_message_without_a_handler_is_named() {
        var bus = bus(echo());

        var unheard = assertThrows(NoHandlerException.class, () -> bus.send(new Unheard(), METADATA));
        var again = assertThrows(NoHandlerException.class, () -> bus.send(new Unheard()));

        assertEquals(Unheard.class, unheard.messageType());
        assertMessage(unheard, Unheard.class.getName());
        assertEquals(Unheard.class, again.messageType());
        eachWay(way -> assertStillWorks(bus, way));
    }

    @Test
    void a_route_to_a_class_without_a_handler_is_refused_when_it_is_asked_for() {
        var bus = bus(echo());

        var unheard = assertThrows(NoHandlerException.class, () -> bus.routeTo(Unheard.class));

        assertEquals(Unheard.class, unheard.messageType());
        assertMessage(unheard, Unheard.class.getName());
        eachWay(way -> assertStillWorks(bus, way));
    }

    @Test
    void a_bus_without_handlers_names_each_message() {
        var bus = bus(List.of(), List.of());

        assertEquals(
                Echo.class,
                assertThrows(NoHandlerException.class, () -> bus.send(new Echo("x")))
                        .messageType());
        assertEquals(
                Echo.class,
                assertThrows(NoHandlerException.class, () -> bus.routeTo(Echo.class))
                        .messageType());
    }

    // ------------------------------------------------------------------------------------------------- nesting

    @Test
    void a_handler_may_send_again_to_a_depth_of_a_thousand() {
        eachWay(way -> {
            var self = new CompletableFuture<Bus>();
            var bus = bus(handler(
                    Descent.class,
                    (descent, metadata) -> descent.depth == 0
                            ? 0
                            : 1 + way.send(self.join(), new Descent(descent.depth - 1), metadata)));
            self.complete(bus);

            // on a thread with stack enough for any way of sending
            var results = Together.run(1, thread -> () -> way.send(bus, new Descent(1_000)));

            assertEquals(List.of(1_000), results);
        });
    }

    @Test
    void a_failure_of_a_nested_send_is_not_wrapped_again() {
        eachWay(way -> {
            var self = new CompletableFuture<Bus>();
            var inner = new AtomicReference<Throwable>();
            var bus = bus(
                    echo(),
                    handler(Trouble.class, (trouble, metadata) -> {
                        throw new IOException("mine");
                    }),
                    handler(Descent.class, (descent, metadata) -> {
                        var failed =
                                assertThrows(HandlerFailedException.class, () -> way.send(self.join(), new Trouble()));
                        inner.set(failed);
                        throw failed;
                    }));
            self.complete(bus);

            var failed = assertThrows(HandlerFailedException.class, () -> way.send(bus, new Descent(1)));

            assertSame(inner.get(), failed);
            assertEquals(Trouble.class, failed.messageType());
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_send_from_within_an_interceptor_passes_the_interceptors_again() {
        eachWay(way -> {
            var self = new CompletableFuture<Bus>();
            var trace = Collections.synchronizedList(new ArrayList<Object>());
            Interceptor nesting = (message, metadata, next) -> {
                trace.add(message);
                if (message instanceof Echo echo && echo.text.equals("outer")) {
                    return way.send(self.join(), new Echo("inner")) + " and " + next.proceed(message, metadata);
                }
                return next.proceed(message, metadata);
            };
            var bus = bus(List.of(echo()), List.of(nesting));
            self.complete(bus);

            assertEquals("inner and outer", way.send(bus, new Echo("outer")));
            assertEquals(List.of(new Echo("outer"), new Echo("inner")), trace);
        });
    }

    // ------------------------------------------------------------------------------------------------- interceptors

    @Test
    void interceptors_run_around_the_handler_in_their_order() {
        eachWay(way -> {
            var trace = new ArrayList<String>();
            var bus = bus(
                    List.of(handler(Echo.class, (echo, metadata) -> {
                        trace.add("handler");
                        return echo.text;
                    })),
                    List.of(tracing("a", trace), tracing("b", trace), tracing("c", trace)));

            assertEquals("x", way.send(bus, new Echo("x")));

            assertEquals(List.of("+a", "+b", "+c", "handler", "-c", "-b", "-a"), trace);
        });
    }

    @Test
    void an_interceptor_sees_message_metadata_and_result() {
        eachWay(way -> {
            var seen = new ArrayList<Object>();
            Interceptor watching = (message, metadata, next) -> {
                var result = next.proceed(message, metadata);
                seen.addAll(List.of(message, metadata, result));
                return result;
            };
            var bus = bus(List.of(echo()), List.of(watching));

            way.send(bus, new Echo("x"));

            assertEquals(List.of(new Echo("x"), METADATA, "x"), seen);
        });
    }

    @Test
    void an_interceptor_may_replace_the_metadata() {
        eachWay(way -> {
            var seen = new ArrayList<Metadata>();
            Interceptor stamping = (message, metadata, next) -> next.proceed(message, metadata.with("stamp", "yes"));
            Interceptor watching = (message, metadata, next) -> {
                seen.add(metadata);
                return next.proceed(message, metadata);
            };
            var bus = bus(
                    List.of(handler(Echo.class, (echo, metadata) -> {
                        seen.add(metadata);
                        return "";
                    })),
                    List.of(stamping, watching));

            way.send(bus, new Echo(""));

            var stamped = METADATA.with("stamp", "yes");
            assertEquals(List.of(stamped, stamped), seen);
        });
    }

    @Test
    void an_interceptor_may_replace_the_result() {
        eachWay(way -> {
            Interceptor shouting = (message, metadata, next) -> next.proceed(message, metadata) + "!";
            Interceptor quoting = (message, metadata, next) -> "<" + next.proceed(message, metadata) + ">";
            var bus = bus(List.of(echo()), List.of(shouting, quoting));

            assertEquals("<x>!", way.send(bus, new Echo("x")));
        });
    }

    @Test
    void an_interceptor_may_replace_the_message() {
        eachWay(way -> {
            Interceptor replacing = (message, metadata, next) -> next.proceed(new Echo("other"), metadata);
            var bus = bus(List.of(echo()), List.of(replacing));

            assertEquals("other", way.send(bus, new Echo("x")));
        });
    }

    @Test
    void the_message_handed_on_chooses_the_handler() {
        eachWay(way -> {
            Interceptor replacing = (message, metadata, next) ->
                    next.proceed(message instanceof Trouble ? new Echo("instead") : message, metadata)
                                    .equals("instead")
                            ? Done.DONE
                            : "wrong";
            var troubled = new AtomicInteger();
            var bus = bus(
                    List.of(echo(), handler(Trouble.class, (trouble, metadata) -> {
                        troubled.incrementAndGet();
                        return Done.DONE;
                    })),
                    List.of(replacing));

            assertEquals(Done.DONE, way.send(bus, new Trouble()));
            assertEquals(0, troubled.get());
        });
    }

    @Test
    void a_message_handed_on_without_a_handler_is_named() {
        eachWay(way -> {
            Interceptor replacing = (message, metadata, next) ->
                    next.proceed(message instanceof Trouble ? new Unheard() : message, metadata);
            var bus =
                    bus(List.of(echo(), handler(Trouble.class, (trouble, metadata) -> Done.DONE)), List.of(replacing));

            var unheard = assertThrows(NoHandlerException.class, () -> way.send(bus, new Trouble()));

            assertEquals(Unheard.class, unheard.messageType());
            assertStillWorks(bus, way);
        });
    }

    @Test
    void handing_on_null_is_refused() {
        eachWay(way -> {
            var bus = bus(List.of(echo()), List.of((message, metadata, next) -> {
                assertThrows(NullPointerException.class, () -> next.proceed(nullOf(Object.class), metadata));
                assertThrows(NullPointerException.class, () -> next.proceed(message, noMetadata()));
                return next.proceed(message, metadata);
            }));

            assertEquals("x", way.send(bus, new Echo("x")));
        });
    }

    @Test
    void an_interceptor_may_try_again() {
        eachWay(way -> {
            var attempts = new ArrayList<String>();
            Interceptor retrying = (message, metadata, next) -> {
                for (int attempt = 1; attempt < 3; attempt++) {
                    try {
                        return next.proceed(message, metadata.with("attempt", String.valueOf(attempt)));
                    } catch (IOException e) {
                        attempts.add(e.getMessage());
                    }
                }
                return next.proceed(message, metadata);
            };
            var trace = new ArrayList<String>();
            var bus = bus(
                    List.of(handler(Echo.class, (echo, metadata) -> {
                        var attempt = metadata.get("attempt");
                        if (attempt.isPresent()) {
                            throw new IOException("attempt " + attempt.get());
                        }
                        return echo.text;
                    })),
                    List.of(retrying, tracing("inner", trace)));

            assertEquals("x", way.send(bus, new Echo("x")));

            assertEquals(List.of("attempt 1", "attempt 2"), attempts);
            assertEquals(List.of("+inner", "+inner", "+inner", "-inner"), trace);
        });
    }

    @Test
    void an_interceptor_may_go_on_twice_and_join_the_results() {
        eachWay(way -> {
            Interceptor doubling = (message, metadata, next) ->
                    next.proceed(message, metadata) + "-" + next.proceed(new Echo("second"), metadata);
            var trace = new ArrayList<String>();
            var bus = bus(List.of(echo()), List.of(doubling, tracing("inner", trace)));

            assertEquals("first-second", way.send(bus, new Echo("first")));
            assertEquals(List.of("+inner", "-inner", "+inner", "-inner"), trace);
        });
    }

    @Test
    void an_interceptor_may_go_on_on_another_thread() {
        eachWay(way -> {
            var threads = Collections.synchronizedList(new ArrayList<Thread>());
            Interceptor moving = (message, metadata, next) -> {
                var results = new ArrayList<Object>();
                Together.onAnotherThread(() -> {
                    threads.add(Thread.currentThread());
                    results.add(next.proceed(message, metadata));
                });
                return results.get(0);
            };
            var bus = bus(
                    List.of(handler(Echo.class, (echo, metadata) -> {
                        threads.add(Thread.currentThread());
                        return echo.text;
                    })),
                    List.of(moving, tracing("inner", Collections.synchronizedList(new ArrayList<>()))));

            assertEquals("x", way.send(bus, new Echo("x")));
            assertEquals(2, threads.size());
            assertSame(threads.get(0), threads.get(1));
            assertNotEquals(Thread.currentThread(), threads.get(0));
        });
    }

    @Test
    void an_interceptor_may_answer_without_going_on() {
        eachWay(way -> {
            var reached = new ArrayList<String>();
            var bus = bus(
                    List.of(handler(Echo.class, (echo, metadata) -> {
                        reached.add("handler");
                        return echo.text;
                    })),
                    List.of(
                            tracing("outer", reached),
                            (message, metadata, next) -> "short cut",
                            tracing("inner", reached)));

            assertEquals("short cut", way.send(bus, new Echo("x")));
            assertEquals(List.of("+outer", "-outer"), reached);
        });
    }

    @Test
    void an_interceptor_runs_only_around_the_classes_it_applies_to() {
        eachWay(way -> {
            var seen = new ArrayList<Object>();
            var choosy = new Interceptor() {
                @Override
                public Object around(Object message, Metadata metadata, Next next) throws Exception {
                    seen.add(message);
                    return next.proceed(message, metadata);
                }

                @Override
                public boolean appliesTo(Class<?> messageType) {
                    return messageType == Words.class;
                }
            };
            var bus = bus(
                    List.of(echo(), handler(Words.class, (words, metadata) -> List.of(words.text))), List.of(choosy));

            assertEquals("x", way.send(bus, new Echo("x")));
            assertEquals(List.of("y"), way.send(bus, new Words("y")));

            assertEquals(List.of(new Words("y")), seen);
        });
    }

    @Test
    void a_message_that_is_replaced_passes_the_interceptors_of_the_one_that_was_sent() {
        eachWay(way -> {
            Interceptor replacing = (message, metadata, next) -> {
                var result = next.proceed(message instanceof Trouble ? new Echo("instead") : message, metadata);
                return result.equals("instead") ? Done.DONE : result;
            };
            var trace = new ArrayList<String>();
            var bus = bus(
                    List.of(echo(), handler(Trouble.class, (trouble, metadata) -> Done.DONE)),
                    List.of(
                            replacing,
                            onlyAround(Trouble.class, tracing("sent", trace)),
                            onlyAround(Echo.class, tracing("handed on", trace))));

            assertEquals(Done.DONE, way.send(bus, new Trouble()));

            assertEquals(List.of("+sent", "-sent"), trace);
        });
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
    void an_interceptor_between_others_that_does_not_apply_is_passed_over() {
        eachWay(way -> {
            var trace = new ArrayList<String>();
            var inner = tracing("b", trace);
            var absent = new Interceptor() {
                @Override
                public Object around(Object message, Metadata metadata, Next next) throws Exception {
                    return inner.around(message, metadata, next);
                }

                @Override
                public boolean appliesTo(Class<?> messageType) {
                    return false;
                }
            };
            var bus = bus(List.of(echo()), List.of(tracing("a", trace), absent, tracing("c", trace)));

            assertEquals("x", way.send(bus, new Echo("x")));

            assertEquals(List.of("+a", "+c", "-c", "-a"), trace);
        });
    }

    @Test
    void whether_an_interceptor_applies_is_not_asked_again_for_each_send() {
        eachWay(way -> {
            var asked = new AtomicInteger();
            var bus = bus(List.of(echo()), List.of(new Interceptor() {
                @Override
                public Object around(Object message, Metadata metadata, Next next) throws Exception {
                    return next.proceed(message, metadata);
                }

                @Override
                public boolean appliesTo(Class<?> messageType) {
                    if (messageType == Echo.class) {
                        asked.incrementAndGet();
                    }
                    return true;
                }
            }));

            for (int i = 0; i < 10; i++) {
                assertEquals("x", way.send(bus, new Echo("x")));
            }

            assertEquals(1, asked.get());
        });
    }

    @Test
    void an_unchecked_exception_of_an_interceptor_reaches_the_caller_unchanged() {
        eachWay(way -> {
            var mine = new IllegalStateException("mine");
            var bus = busInTrouble((message, metadata, next) -> {
                throw mine;
            });

            assertSame(mine, assertThrows(RuntimeException.class, () -> way.send(bus, new Trouble())));
            assertStillWorks(bus, way);
        });
    }

    @Test
    void an_error_of_an_interceptor_reaches_the_caller_unchanged() {
        eachWay(way -> {
            var mine = new LinkageError("mine");
            var bus = busInTrouble((message, metadata, next) -> {
                throw mine;
            });

            assertSame(mine, assertThrows(Throwable.class, () -> way.send(bus, new Trouble())));
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_checked_exception_of_an_interceptor_is_the_cause_of_a_named_one() {
        eachWay(way -> {
            var mine = new IOException("mine");
            var bus = busInTrouble((message, metadata, next) -> {
                throw mine;
            });

            var failed = assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));

            assertSame(mine, failed.getCause());
            assertEquals(Trouble.class, failed.messageType());
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_checked_exception_that_an_interceptor_throws_undeclared_is_the_cause_of_a_named_one() {
        eachWay(way -> {
            var mine = new Oddity();
            var bus = busInTrouble((message, metadata, next) -> {
                throw undeclared(mine);
            });

            assertSame(
                    mine,
                    assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()))
                            .getCause());
            assertStillWorks(bus, way);
        });
    }

    @Test
    void an_interrupt_of_an_interceptor_sets_the_flag_again() {
        eachWay(way -> {
            var bus = busInTrouble((message, metadata, next) -> {
                throw new InterruptedException("stop");
            });

            boolean interrupted;
            try {
                assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));
            } finally {
                interrupted = Thread.interrupted();
            }

            assertTrue(interrupted, "the thread's interrupt flag is set again");
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_null_result_of_an_interceptor_is_a_named_failure() {
        eachWay(way -> {
            var bus = busInTrouble((message, metadata, next) -> nullOf(Object.class));

            var failed = assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));

            assertEquals(Trouble.class, failed.messageType());
            assertMessage(failed, "null");
            assertStillWorks(bus, way);
        });
    }

    @Test
    void a_null_result_of_the_handler_does_not_come_out_of_proceed() {
        eachWay(way -> {
            var results = new ArrayList<String>();
            var bus = bus(
                    List.of(handler(Trouble.class, (trouble, metadata) -> nullOf(Done.class))),
                    List.of((message, metadata, next) -> {
                        var result = next.proceed(message, metadata);
                        results.add("result " + result);
                        return result;
                    }));

            assertThrows(HandlerFailedException.class, () -> way.send(bus, new Trouble()));
            assertEquals(List.of(), results);
        });
    }

    @Test
    void a_null_result_of_an_inner_interceptor_does_not_come_out_of_proceed() {
        eachWay(way -> {
            var results = new ArrayList<String>();
            var bus = bus(
                    List.of(echo()),
                    List.of(
                            (message, metadata, next) -> {
                                var result = next.proceed(message, metadata);
                                results.add("result " + result);
                                return result;
                            },
                            (message, metadata, next) -> nullOf(Object.class)));

            assertThrows(HandlerFailedException.class, () -> way.send(bus, new Echo("x")));
            assertEquals(List.of(), results);
        });
    }

    @Test
    void an_interceptor_sees_the_checked_exception_itself_and_may_answer_in_its_place() {
        eachWay(way -> {
            var mine = new IOException("mine");
            var seen = new ArrayList<Throwable>();
            var bus = bus(
                    List.of(handler(Echo.class, (echo, metadata) -> {
                        throw mine;
                    })),
                    List.of(
                            (message, metadata, next) -> {
                                try {
                                    return next.proceed(message, metadata);
                                } catch (IOException e) {
                                    seen.add(e);
                                    return "recovered";
                                }
                            },
                            tracing("inner", new ArrayList<>())));

            assertEquals("recovered", way.send(bus, new Echo("x")));
            assertEquals(1, seen.size());
            assertSame(mine, seen.get(0));
        });
    }

    @Test
    void an_interceptor_sees_the_unchecked_exception_itself_and_may_throw_another() {
        eachWay(way -> {
            var mine = new IllegalArgumentException("mine");
            var bus = bus(
                    List.of(handler(Echo.class, (echo, metadata) -> {
                        throw mine;
                    })),
                    List.of((message, metadata, next) -> {
                        var seen = assertThrows(RuntimeException.class, () -> next.proceed(message, metadata));
                        throw new IllegalStateException("another", seen);
                    }));

            var another = assertThrows(IllegalStateException.class, () -> way.send(bus, new Echo("x")));

            assertSame(mine, another.getCause());
        });
    }

    @Test
    void an_interceptor_sees_that_a_message_has_no_handler_and_may_answer_in_its_place() {
        // given
        var seen = new ArrayList<Object>();
        var bus = bus(List.of(echo()), List.of((message, metadata, next) -> {
            try {
                return next.proceed(message, metadata);
            } catch (NoHandlerException e) {
                seen.add(message);
                seen.add(e.messageType());
                return Done.DONE;
            }
        }));

        // when, twice, as the second time the bus knows the class
        var first = bus.send(new Unheard(), METADATA);
        var second = bus.send(new Unheard(), METADATA);

        // then
        assertEquals(Done.DONE, first);
        assertEquals(Done.DONE, second);
        assertEquals(List.of(new Unheard(), Unheard.class, new Unheard(), Unheard.class), seen);
    }

    @Test
    void an_interceptor_that_does_not_apply_to_a_message_without_a_handler_does_not_see_it() {
        var seen = new ArrayList<Object>();
        var bus = bus(List.of(echo()), List.of(new Interceptor() {
            @Override
            public Object around(Object message, Metadata metadata, Next next) throws Exception {
                seen.add(message);
                return next.proceed(message, metadata);
            }

            @Override
            public boolean appliesTo(Class<?> messageType) {
                return messageType != Unheard.class;
            }
        }));

        assertThrows(NoHandlerException.class, () -> bus.send(new Unheard()));
        assertEquals("x", bus.send(new Echo("x")));

        assertEquals(List.of(new Echo("x")), seen);
    }

    // ------------------------------------------------------------------------------------------------- threads

    @Test
    void eight_threads_send_at_once_and_each_gets_its_own_results() {
        // given
        int threads = 8;
        int sends = 1_000;
        var handled = new AtomicInteger();
        var intercepted = new AtomicInteger();
        var meeting = new CyclicBarrier(threads);
        Interceptor meet = (message, metadata, next) -> {
            if (message instanceof Echo echo && echo.text.endsWith("-0")) {
                meeting.await(30, TimeUnit.SECONDS); // now all threads are in the bus, whatever the scheduler does
            }
            return next.proceed(message, metadata);
        };
        var bus = bus(
                List.of(
                        handler(Echo.class, (echo, metadata) -> {
                            handled.incrementAndGet();
                            return echo.text + metadata.get("thread").orElse("none");
                        }),
                        handler(Words.class, (words, metadata) -> List.of(words.text))),
                List.of(counting(intercepted), counting(intercepted), meet));

        // when
        var failures = Together.run(threads, thread -> () -> {
            var metadata = Metadata.none().with("thread", " of thread " + thread);
            var wrong = new ArrayList<String>();
            for (int i = 0; i < sends; i++) {
                var way = i % 2 == 0 ? Way.BY_BUS : Way.BY_ROUTE;
                var result = way.send(bus, new Echo(thread + "-" + i), metadata);
                if (!(thread + "-" + i + " of thread " + thread).equals(result)) {
                    wrong.add("thread " + thread + " sent " + i + " and got " + result);
                }
                if (!List.of("w" + i).equals(way.send(bus, new Words("w" + i), metadata))) {
                    wrong.add("thread " + thread + " sent words " + i + " and got others");
                }
            }
            return wrong;
        });

        // then
        assertEquals(List.of(), failures.stream().flatMap(List::stream).toList());
        assertEquals(threads * sends, handled.get());
        assertEquals(2 * 2 * threads * sends, intercepted.get());
    }

    @Test
    void eight_threads_send_a_message_without_a_handler_at_once() {
        var bus = bus(List.of(echo()), List.of(counting(new AtomicInteger())));

        var types = Together.run(
                8,
                thread -> () -> assertThrows(NoHandlerException.class, () -> bus.send(new Unheard()))
                        .messageType());

        assertEquals(Collections.nCopies(8, Unheard.class), types);
    }

    // ------------------------------------------------------------------------------------------------- helpers

    private static void eachWay(Trial trial) {
        assertAll(Arrays.stream(Way.values()).map(way -> () -> assertAll(way.name(), () -> trial.run(way))));
    }

    private Bus bus(Entry<?, ?>... handlers) {
        return bus(List.of(handlers), List.of());
    }

    /** A bus whose handler of {@link Trouble} does as told. */
    private Bus busInTrouble(Callable<Done> body) {
        return bus(echo(), handler(Trouble.class, (trouble, metadata) -> body.call()));
    }

    /** A bus with an interceptor that gets into trouble at {@link Trouble}, between two that do not. */
    private Bus busInTrouble(Interceptor body) {
        var trace = new ArrayList<String>();
        return bus(
                List.of(echo(), handler(Trouble.class, (trouble, metadata) -> Done.DONE)),
                List.of(
                        tracing("outer", trace),
                        (message, metadata, next) -> message instanceof Trouble
                                ? body.around(message, metadata, next)
                                : next.proceed(message, metadata),
                        tracing("inner", trace)));
    }

    private static <M extends Message<R>, R> Entry<M, R> handler(Class<M> type, Body<M, R> body) {
        return new Entry<>(type, body);
    }

    private static Entry<Echo, String> echo() {
        return handler(Echo.class, (echo, metadata) -> echo.text);
    }

    private static Interceptor tracing(String name, List<String> trace) {
        return (message, metadata, next) -> {
            trace.add("+" + name);
            var result = next.proceed(message, metadata);
            trace.add("-" + name);
            return result;
        };
    }

    private static Interceptor counting(AtomicInteger count) {
        return (message, metadata, next) -> {
            count.incrementAndGet();
            return next.proceed(message, metadata);
        };
    }

    private static Route<Echo, String> assertRoute(Bus bus) {
        var route = bus.routeTo(Echo.class);
        assertNotNull(route);
        assertEquals("there", route.send(new Echo("there")));
        return route;
    }

    private static void assertStillWorks(Bus bus, Way way) {
        assertEquals("still here", way.send(bus, new Echo("still here")));
    }

    private static void assertMessage(Throwable thrown, String part) {
        var message = String.valueOf(thrown.getMessage());
        assertTrue(message.contains(part), () -> "expected \"" + part + "\" in: " + message);
    }

    @SuppressWarnings("unchecked") // null is of any class
    private static Class<Echo> nullClass() {
        return (Class<Echo>) nullOf(Class.class);
    }

    /** Throws {@code thrown}, checked or not, behind the compiler's back; returns nothing. */
    static RuntimeException undeclared(Throwable thrown) {
        BusContract.<RuntimeException>hide(thrown);
        return new IllegalStateException("not reached", thrown);
    }

    @SuppressWarnings("unchecked") // the unchecked cast is what hides the throwable from the compiler
    private static <T extends Throwable> void hide(Throwable thrown) throws T {
        throw (T) thrown;
    }
}
