package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Telling those who may throw. */
class ListenersTest {

    private final IllegalStateException cause = new IllegalStateException("cause");

    private List<Throwable> uncaught(Runnable telling) {
        var uncaught = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((where, thrown) -> uncaught.add(thrown));
        try {
            telling.run();
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        return uncaught;
    }

    @Test
    void what_a_listener_throws_goes_to_the_thread_with_what_it_was_told_of() {
        var own = new IllegalArgumentException("listener");

        var uncaught = uncaught(() -> Listeners.tell(
                news -> {
                    throw own;
                },
                "news",
                cause));

        assertThat(uncaught).containsExactly(own);
        assertThat(own).hasSuppressedException(cause);
    }

    @Test
    void a_listener_that_was_interrupted_leaves_its_thread_so() {
        var interrupted = new InterruptedException("which no signature allowed");

        var uncaught =
                uncaught(() -> Listeners.tell(news -> ListenersTest.<RuntimeException>sneak(interrupted), "news"));

        assertThat(Thread.interrupted()).isTrue();
        assertThat(uncaught).containsExactly(interrupted);
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <T extends Throwable> void sneak(Throwable thrown) throws T {
        throw (T) thrown;
    }

    @Test
    void a_listener_may_throw_what_it_was_told_of() {
        var uncaught = uncaught(() -> Listeners.tell(
                news -> {
                    throw cause;
                },
                "news",
                cause));

        assertThat(uncaught).containsExactly(cause);
        assertThat(cause).hasNoSuppressedExceptions();
    }

    @Test
    void a_listener_that_throws_the_same_object_each_time_does_not_have_it_grow_for_ever() {
        var own = new IllegalArgumentException("made once");

        var uncaught = uncaught(() -> {
            for (int i = 0; i < 1_000; i++) {
                Listeners.tell(
                        news -> {
                            throw own;
                        },
                        "news",
                        new IllegalStateException("cause " + i));
            }
        });

        assertThat(uncaught).hasSize(1_000).containsOnly(own);
        assertThat(own.getSuppressed()).hasSizeBetween(1, 100);
        assertThat(own.getSuppressed()[0]).hasMessage("cause 0");
    }

    @Test
    void who_is_told_of_nothing_thrown_has_nothing_added() {
        var uncaught = uncaught(() -> Listeners.tell(
                news -> {
                    throw cause;
                },
                "news"));

        assertThat(uncaught).containsExactly(cause);
        assertThat(cause).hasNoSuppressedExceptions();
    }

    @Test
    void a_handler_that_throws_itself_is_passed_over_as_where_a_thread_ends() {
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        var handled = new ArrayList<Throwable>();
        thread.setUncaughtExceptionHandler((where, thrown) -> {
            handled.add(thrown);
            throw new IllegalArgumentException("handler");
        });
        try {
            Listeners.tell(
                    news -> {
                        throw cause;
                    },
                    "news");
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }

        assertThat(handled).containsExactly(cause);
    }
}
