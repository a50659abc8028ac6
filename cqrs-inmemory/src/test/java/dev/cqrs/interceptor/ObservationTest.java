package dev.cqrs.interceptor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventBus;
import dev.cqrs.interceptor.Observation.Observer;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ObservationTest {

    record Work(int depth) implements Command<Integer> {}

    record Fail(Throwable with) implements Command<Done> {}

    record Played() {}

    private final List<String> heard = new ArrayList<>();
    private final List<Throwable> told = new ArrayList<>();

    /** Gives each message a number, notes what it hears, and throws where it is to. */
    private final class Noting implements Observer<Integer> {
        private int last;
        private String throwsAt = "";
        private Throwable thrown = new IllegalStateException("the observer");

        @Override
        public Integer started(Object message, Metadata metadata) {
            note("started", ++last, metadata);
            return last;
        }

        @Override
        public void succeeded(Integer state, Object message, Object result) {
            note("succeeded", state, result);
        }

        @Override
        public void failed(Integer state, Object message, Throwable why) {
            note("failed", state, why);
        }

        private void note(String what, int number, Object more) {
            heard.add(what + " " + number + " " + more);
            if (throwsAt.equals(what)) {
                ObservationTest.<RuntimeException>sneak(thrown);
            }
        }
    }

    private final Noting noting = new Noting();

    private InMemoryCommandBus bus(Consumer<Throwable> listener) {
        var self = new InMemoryCommandBus[1];
        self[0] = InMemoryCommandBus.builder()
                .handle(Work.class, work -> work.depth() == 0 ? 0 : 1 + self[0].dispatch(new Work(work.depth() - 1)))
                .run(Fail.class, fail -> {
                    if (fail.with() instanceof Error error) {
                        throw error;
                    }
                    throw (Exception) fail.with();
                })
                .intercept(InterceptorOrder.OBSERVATION, Observation.of(noting, listener))
                .build();
        return self[0];
    }

    private final InMemoryCommandBus bus = bus(told::add);

    @AfterEach
    void the_next_test_is_not_interrupted() {
        Thread.interrupted();
    }

    @Test
    void a_message_is_heard_of_from_its_start_to_its_end() {
        bus.dispatch(new Work(0), Metadata.withId("7"));

        assertThat(heard).containsExactly("started 1 {id=7}", "succeeded 1 0");
    }

    @Test
    void messages_that_a_handler_sends_start_and_end_within_its_own() {
        bus.dispatch(new Work(2));

        assertThat(heard)
                .containsExactly(
                        "started 1 {}",
                        "started 2 {}",
                        "started 3 {}",
                        "succeeded 3 0",
                        "succeeded 2 1",
                        "succeeded 1 2");
    }

    @Test
    void a_failure_is_heard_of_as_it_was_thrown_and_reaches_the_sender() {
        var checked = new IOException("disk");
        var error = new StackOverflowError("deep");

        assertThatThrownBy(() -> bus.dispatch(new Fail(checked)))
                .isInstanceOf(HandlerFailedException.class)
                .hasCause(checked);
        assertThatThrownBy(() -> bus.dispatch(new Fail(error))).isSameAs(error);

        assertThat(heard).containsExactly("started 1 {}", "failed 1 " + checked, "started 2 {}", "failed 2 " + error);
        assertThat(told).isEmpty();
    }

    @Test
    void an_observer_that_throws_changes_nothing_and_the_listener_is_told() {
        for (var at : List.of("started", "succeeded")) {
            noting.throwsAt = at;
            assertThat(bus.dispatch(new Work(0))).isZero();
        }
        noting.throwsAt = "failed";
        var why = new IllegalArgumentException("the handler");
        assertThatThrownBy(() -> bus.dispatch(new Fail(why))).isSameAs(why).hasNoSuppressedExceptions();

        assertThat(told).containsExactly(noting.thrown, noting.thrown, noting.thrown);
        assertThat(Thread.currentThread().isInterrupted()).isFalse();
        assertThat(heard)
                .as("who failed at the start hears nothing of the end")
                .containsExactly("started 1 {}", "started 2 {}", "succeeded 2 0", "started 3 {}", "failed 3 " + why);
    }

    @Test
    void an_observer_that_fails_at_the_start_hides_no_failure() {
        noting.throwsAt = "started";
        var why = new IOException("the handler");

        assertThatThrownBy(() -> bus.dispatch(new Fail(why))).hasCause(why);
        assertThat(told).containsExactly(noting.thrown);
    }

    @Test
    void a_listener_that_throws_changes_nothing_and_the_thread_is_told() {
        noting.throwsAt = "succeeded";
        var listeners = new IllegalStateException("the listener");
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        var uncaught = new ArrayDeque<Throwable>();
        thread.setUncaughtExceptionHandler((where, thrown) -> uncaught.add(thrown));
        try {
            assertThat(bus(thrown -> {
                                throw listeners;
                            })
                            .dispatch(new Work(0)))
                    .isZero();
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        assertThat(uncaught).containsExactly(listeners);
        assertThat(listeners).hasSuppressedException(noting.thrown);
    }

    @Test
    void a_listener_that_throws_what_it_is_told_changes_nothing_either() {
        noting.throwsAt = "succeeded";
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        var uncaught = new ArrayDeque<Throwable>();
        thread.setUncaughtExceptionHandler((where, thrown) -> uncaught.add(thrown));
        try {
            assertThat(bus(ObservationTest::sneak).dispatch(new Work(0))).isZero();
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        assertThat(uncaught).containsExactly(noting.thrown);
    }

    @ParameterizedTest
    @ValueSource(strings = {"started", "succeeded", "failed"})
    void a_handler_of_uncaught_exceptions_that_throws_changes_nothing_either(String when) {
        noting.throwsAt = when;
        var why = new IOException("the command handler");
        var listeners = new IllegalStateException("the listener");
        var handled = new ArrayDeque<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((where, thrown) -> {
            handled.add(thrown);
            throw new IllegalArgumentException("the handler of uncaught exceptions");
        });
        try {
            var throwing = bus(thrown -> {
                throw listeners;
            });
            if (when.equals("failed")) {
                assertThatThrownBy(() -> throwing.dispatch(new Fail(why))).hasCause(why);
            } else {
                assertThat(throwing.dispatch(new Work(0))).isZero();
            }
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        assertThat(handled).containsExactly(listeners);
    }

    @Test
    void an_interrupt_that_an_observer_takes_without_saying_so_is_given_back() {
        noting.throwsAt = "started";
        noting.thrown = new InterruptedException();

        assertThat(bus.dispatch(new Work(0))).isZero();
        assertThat(Thread.currentThread().isInterrupted()).isTrue();
    }

    /** As a language without checked exceptions would. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void sneak(Throwable thrown) throws T {
        throw (T) thrown;
    }

    @Test
    void a_scope_that_belongs_to_the_thread_is_open_while_the_handler_runs_and_closed_after() {
        Deque<Object> scopes = new ArrayDeque<>();
        var seen = new ArrayList<String>();
        var observed = InMemoryCommandBus.builder()
                .run(Fail.class, fail -> {
                    seen.add("within " + scopes.size());
                    throw (Exception) fail.with();
                })
                .intercept(0, Observation.of(new Scoped(scopes), told::add))
                .build();

        assertThatThrownBy(() -> observed.dispatch(new Fail(new IOException())))
                .isInstanceOf(HandlerFailedException.class);

        assertThat(seen).containsExactly("within 1");
        assertThat(scopes).isEmpty();
        assertThat(told).isEmpty();
    }

    private record Scoped(Deque<Object> scopes) implements Observer<AutoCloseable> {
        @Override
        public AutoCloseable started(Object message, Metadata metadata) {
            scopes.push(message);
            return scopes::pop;
        }

        @Override
        public void succeeded(AutoCloseable state, Object message, Object result) {
            close(state);
        }

        @Override
        public void failed(AutoCloseable state, Object message, Throwable why) {
            close(state);
        }

        private static void close(AutoCloseable state) {
            try {
                state.close();
            } catch (Exception failed) {
                throw new IllegalStateException(failed);
            }
        }
    }

    @Test
    void each_subscriber_of_an_event_is_observed_by_itself() {
        var events = InMemoryEventBus.builder()
                .intercept(0, Observation.of(noting, told::add))
                .build();
        events.subscribe(Played.class, played -> heard.add("first"));
        events.subscribe(Played.class, played -> heard.add("second"));

        events.publish(new Played());

        assertThat(heard)
                .containsExactly(
                        "started 1 {}", "first", "succeeded 1 DONE", "started 2 {}", "second", "succeeded 2 DONE");
    }
}
