package dev.cqrs.interceptor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.cqrs.command.Command;
import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.message.WiringException;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RetryTest {

    record Work() implements Command<Integer> {}

    record Played() {}

    /** Throws what it is given, one at a call, and then answers how often it was called. */
    private final ArrayDeque<Throwable> failures = new ArrayDeque<>();

    private final List<Long> pauses = new ArrayList<>();
    private int calls;

    @AfterEach
    void the_next_test_is_not_interrupted() {
        Thread.interrupted();
    }

    private int work(Work work) throws Exception {
        calls++;
        var failure = failures.poll();
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure != null) {
            throw (Exception) failure;
        }
        return calls;
    }

    private int send(Interceptor retry) {
        return InMemoryCommandBus.builder()
                .handle(Work.class, this::work)
                .intercept(InterceptorOrder.RETRY, retry)
                .build()
                .dispatch(new Work());
    }

    private void fail(Throwable... failures) {
        this.failures.addAll(Arrays.asList(failures));
    }

    private Retry patient(int... millis) {
        var delays = Arrays.stream(millis).mapToObj(Duration::ofMillis).toArray(Duration[]::new);
        return Retry.after(pauses::add, delays[0], Arrays.copyOfRange(delays, 1, delays.length));
    }

    private static AppendConflictException conflict(boolean curable) {
        var clause = curable
                ? new AppendCondition.Unchanged(EventQuery.all(), Position.START)
                : new AppendCondition.Absent(EventQuery.all());
        var conflict = new AppendConflictException(clause, Position.of(1));
        assertThat(conflict.isRetryable()).isEqualTo(curable);
        return conflict;
    }

    @Test
    void a_conflict_is_tried_again_until_it_is_over() {
        fail(conflict(true), conflict(true));

        assertThat(send(Retry.atOnce(5))).isEqualTo(3);
    }

    @Test
    void the_last_failure_is_thrown_as_it_is_when_all_attempts_have_failed() {
        var last = conflict(true);
        fail(conflict(true), conflict(true), last, conflict(true));

        assertThatThrownBy(() -> send(Retry.atOnce(2))).isSameAs(last);
        assertThat(calls).isEqualTo(3);
    }

    @Test
    void behind_an_append_of_unknown_outcome_a_command_is_said_to_be_repeated_and_behind_a_conflict_it_is_not() {
        var unknown = new AppendOutcomeUnknownException("it", new IllegalStateException("cut"));
        fail(conflict(true), unknown, conflict(true));
        var repeated = new ArrayList<Boolean>();
        var bus = InMemoryCommandBus.builder()
                .handle(Work.class, (work, metadata) -> {
                    repeated.add(metadata.get(Metadata.REPEATED).isPresent());
                    return work(work);
                })
                .intercept(InterceptorOrder.RETRY, Retry.atOnce(5).on(AppendOutcomeUnknownException.class))
                .build();
        bus.dispatch(new Work(), Metadata.withId("1"));
        assertThat(repeated).containsExactly(false, false, true, true);
    }

    @Test
    void a_command_is_said_to_be_repeated_also_where_the_handler_has_wrapped_that_the_outcome_is_unknown() {
        var circle = new IllegalStateException("outer");
        circle.initCause(new IllegalStateException("inner", circle));
        fail(
                circle,
                new IllegalStateException(
                        "wrapped", new AppendOutcomeUnknownException("it", new IllegalStateException("cut"))));
        var repeated = new ArrayList<Boolean>();
        var bus = InMemoryCommandBus.builder()
                .handle(Work.class, (work, metadata) -> {
                    repeated.add(metadata.get(Metadata.REPEATED).isPresent());
                    return work(work);
                })
                .intercept(InterceptorOrder.RETRY, Retry.atOnce(5).on(IllegalStateException.class))
                .build();
        bus.dispatch(new Work(), Metadata.withId("1"));
        assertThat(repeated).containsExactly(false, false, true);
    }

    @Test
    void a_conflict_that_a_retry_inside_has_left_to_the_outer_one_is_tried_again() {
        fail(conflict(true));
        var inner = Retry.atOnce(5).unless(failure -> true);

        var bus = InMemoryCommandBus.builder()
                .handle(Work.class, this::work)
                .intercept(InterceptorOrder.RETRY, Retry.atOnce(1))
                .intercept(InterceptorOrder.RETRY + 1, inner)
                .build();

        assertThat(bus.dispatch(new Work())).isEqualTo(2);
    }

    record Transfer() implements Command<Integer> {}

    @Test
    void a_conflict_that_a_message_inside_was_tried_again_for_in_vain_is_not_tried_once_more_unless_it_is_named() {
        for (var named : List.of(false, true)) {
            calls = 0;
            failures.clear();
            fail(conflict(true), conflict(true), conflict(true));
            var transfers = new ArrayList<Integer>();
            var retry = Retry.atOnce(1);
            var bus = new ArrayList<InMemoryCommandBus>();
            bus.add(InMemoryCommandBus.builder()
                    .handle(Work.class, this::work)
                    .handle(Transfer.class, transfer -> {
                        transfers.add(calls); // takes the money, which would be done twice
                        return bus.get(0).dispatch(new Work());
                    })
                    .intercept(InterceptorOrder.RETRY, named ? retry.on(AppendConflictException.class) : retry)
                    .build());

            if (named) {
                assertThat(bus.get(0).dispatch(new Transfer())).isEqualTo(4);
                assertThat(transfers).containsExactly(0, 2);
            } else {
                assertThatThrownBy(() -> bus.get(0).dispatch(new Transfer()))
                        .isInstanceOf(AppendConflictException.class);
                assertThat(transfers).containsExactly(0);
                assertThat(calls).isEqualTo(2);
            }
        }
    }

    static Stream<Throwable> what_cannot_be_cured() {
        return Stream.of(
                conflict(false),
                new RejectedException(Work.class, "closed"),
                new CommandIdReusedException("1", Work.class, Position.of(1)),
                new InvalidMessageException(Work.class, List.of("empty")),
                new NotAuthorizedException(Work.class, "nobody"),
                new NoHandlerException(Work.class, ""),
                new WiringException("bus", List.of("gap")),
                catchThrowable(() -> new InMemoryEventStore(Catalog.builder().build(), Clock.systemUTC())
                        .append(List.of("a string"), AppendCondition.none())),
                new HandlerFailedException(Work.class, "The handler"),
                new HandlerFailedException(Work.class, new InterruptedException()),
                new InterruptedException(),
                new StackOverflowError(),
                new AssertionError());
    }

    @ParameterizedTest
    @MethodSource("what_cannot_be_cured")
    void what_cannot_be_cured_is_not_tried_again_even_if_everything_is_named(Throwable hopeless) {
        fail(hopeless);

        var thrown = catchThrowable(() -> send(Retry.atOnce(5).on(Exception.class)));

        assertThat(thrown instanceof HandlerFailedException && thrown != hopeless ? thrown.getCause() : thrown)
                .isSameAs(hopeless);
        assertThat(calls).isEqualTo(1);
    }

    @Test
    void the_list_above_has_each_by_name() {
        assertThat(what_cannot_be_cured()).hasAtLeastOneElementOfType(UnknownEventException.class);
    }

    @Test
    void nothing_but_conflicts_is_tried_again_unless_it_is_named() {
        fail(new IOException("line is busy"), new IllegalStateException("busy"), new IOException("line is busy"));

        assertThatThrownBy(() -> send(Retry.atOnce(5))).hasRootCauseMessage("line is busy");
        assertThat(calls).isEqualTo(1);
        assertThatThrownBy(() -> send(Retry.atOnce(5).on(IOException.class))).hasMessage("busy");
        assertThat(calls).isEqualTo(2);
        assertThat(send(Retry.atOnce(5).on(IllegalStateException.class).when(e -> e instanceof IOException)))
                .isEqualTo(4);
    }

    @Test
    void what_is_said_to_be_hopeless_is_not_tried_again_be_it_a_conflict_or_named() {
        var retry = Retry.atOnce(5).on(IOException.class).unless(failure -> calls == 1);
        fail(conflict(true), new IOException("line is busy"));

        assertThatThrownBy(() -> send(retry)).isInstanceOf(AppendConflictException.class);
        assertThat(send(retry)).isEqualTo(3);
        calls = 0;
        fail(new IOException("line is busy"));
        assertThatThrownBy(() -> send(retry.unless(failure -> false))).hasRootCauseMessage("line is busy");
    }

    @Test
    void a_failure_that_a_message_inside_ended_with_is_judged_by_its_cause() {
        fail(new HandlerFailedException(Work.class, new IOException("line is busy")));

        assertThat(send(Retry.atOnce(1).on(IOException.class))).isEqualTo(2);
    }

    @Test
    void a_failure_of_any_other_kind_is_judged_by_itself_and_not_by_its_cause() {
        var failure = new IllegalStateException(conflict(true));
        fail(failure);

        assertThatThrownBy(() -> send(Retry.atOnce(3))).isSameAs(failure);
        assertThat(calls).isEqualTo(1);
    }

    @Test
    void what_is_named_in_several_calls_is_tried_again_and_nothing_else() {
        var retry = Retry.atOnce(5).when(IOException.class::isInstance).when(ArithmeticException.class::isInstance);
        var other = new IllegalStateException("other");
        fail(new IOException("a"), new ArithmeticException("b"), other);

        assertThatThrownBy(() -> send(retry)).isSameAs(other);
        assertThat(calls).isEqualTo(3);
    }

    @Test
    void it_waits_for_each_delay_in_turn_and_not_at_all_for_none() {
        fail(conflict(true), conflict(true), conflict(true));

        assertThat(send(patient(10, 0, 30))).isEqualTo(4);
        assertThat(pauses).containsExactly(10L, 30L);
    }

    @Test
    void a_delay_below_a_millisecond_is_one_and_a_very_long_one_does_not_overflow() {
        fail(conflict(true), conflict(true));

        send(Retry.after(pauses::add, Duration.ofNanos(1), Duration.ofSeconds(Long.MAX_VALUE)));

        assertThat(pauses).containsExactly(1L, Long.MAX_VALUE);
    }

    @Test
    void chance_varies_a_delay_between_half_of_it_and_the_whole() {
        fail(conflict(true), conflict(true), conflict(true));
        var random = new ArrayDeque<>(List.of(0.0, 0.5, 0.999));

        send(patient(100, 100, 100).jitter(random::remove));

        assertThat(pauses).containsExactly(50L, 75L, 100L);
    }

    @Test
    void an_interrupt_of_a_pause_ends_it_with_the_flag_set_and_the_failure_thrown() {
        var failure = conflict(true);
        fail(failure);
        Thread.currentThread().interrupt();

        assertThatThrownBy(() -> send(Retry.after(Thread::sleep, Duration.ofHours(1))))
                .isSameAs(failure);
        assertThat(Thread.currentThread().isInterrupted()).isTrue();
        assertThat(calls).isEqualTo(1);
    }

    @Test
    void an_interrupt_while_a_pause_is_under_way_ends_it() throws InterruptedException {
        var failure = conflict(true);
        fail(failure);
        var sender = Thread.currentThread();
        var waker = new Thread(sender::interrupt);

        assertThatThrownBy(() -> send(Retry.after(
                        millis -> {
                            waker.start();
                            Thread.sleep(millis);
                        },
                        Duration.ofHours(1))))
                .isSameAs(failure);

        assertThat(Thread.interrupted()).isTrue();
        waker.join();
    }

    @Test
    void a_thread_that_is_interrupted_makes_no_further_attempt_without_a_pause_either() {
        fail(conflict(true), conflict(true));
        Thread.currentThread().interrupt();

        assertThatThrownBy(() -> send(Retry.atOnce(5))).isInstanceOf(AppendConflictException.class);
        assertThat(Thread.currentThread().isInterrupted()).isTrue();
        assertThat(calls).isEqualTo(1);
    }

    @Test
    void what_the_users_own_functions_throw_reaches_the_sender_with_the_failure() {
        var busy = new IllegalStateException("busy");
        var own = new IllegalArgumentException("own");

        fail(busy);
        assertThatThrownBy(() -> send(Retry.atOnce(1).when(failure -> {
                    throw own;
                })))
                .isSameAs(own)
                .hasSuppressedException(busy);

        var conflict = conflict(true);
        var error = new AssertionError("own");
        fail(conflict);
        assertThatThrownBy(() -> send(Retry.after(
                        millis -> {
                            throw error;
                        },
                        Duration.ofMillis(1))))
                .isSameAs(error)
                .hasSuppressedException(conflict);

        fail(busy);
        assertThatThrownBy(() -> send(Retry.atOnce(1).when(failure -> {
                    throw busy;
                })))
                .isSameAs(busy);
    }

    @Test
    void what_a_function_throws_each_time_does_not_grow_for_ever() {
        var own = new IllegalArgumentException("made once");
        var retry = Retry.atOnce(1).when(failure -> {
            throw own;
        });
        for (int i = 0; i < 1_000; i++) {
            fail(new IllegalStateException("busy"));
            assertThatThrownBy(() -> send(retry)).isSameAs(own);
        }
        assertThat(own.getSuppressed()).hasSizeBetween(1, 100);
    }

    @Test
    void it_keeps_to_the_messages_that_it_is_for() {
        fail(conflict(true), conflict(true));

        assertThatThrownBy(() -> send(Retry.atOnce(5).only(String.class))).isInstanceOf(AppendConflictException.class);
        assertThat(send(Retry.atOnce(5).only(Record.class))).isEqualTo(3);
    }

    @Test
    void each_subscriber_of_an_event_is_tried_by_itself() {
        var heard = new ArrayList<String>();
        var bus = InMemoryEventBus.builder()
                .intercept(InterceptorOrder.RETRY, Retry.atOnce(2).on(IllegalStateException.class))
                .build();
        bus.subscribe(Played.class, played -> heard.add("first"));
        bus.subscribe(Played.class, played -> {
            heard.add("second");
            if (heard.size() < 4) {
                throw new IllegalStateException("busy");
            }
        });

        assertThat(bus.publish(new Played(), Metadata.none())).isEqualTo(2);
        assertThat(heard).containsExactly("first", "second", "second", "second");
    }

    @Test
    void senseless_bounds_are_refused() {
        assertThatThrownBy(() -> Retry.atOnce(0)).hasMessageContaining("0 times; expected 1 or more");
        assertThatThrownBy(() -> patient(5, -1)).hasMessageContaining("PT-0.001S; expected zero or more");
    }
}
