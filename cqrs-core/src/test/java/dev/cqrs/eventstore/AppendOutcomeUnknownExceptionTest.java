package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.message.CqrsException;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** How an append of unknown outcome is told. */
class AppendOutcomeUnknownExceptionTest {

    @Test
    void the_message_tells_what_was_appended_what_the_store_saw_and_what_to_do() {
        var cause = new IOException("connection reset");

        var exception = new AppendOutcomeUnknownException("2 events", cause);

        assertThat(exception)
                .hasMessageContainingAll(
                        "not known whether 2 events was written",
                        cause.toString(),
                        "Read the log",
                        "under the same command id")
                .isInstanceOf(CqrsException.class);
        assertThat(exception.getCause()).isSameAs(cause);
    }

    @SuppressWarnings("OverrideThrowableToString") // it is what fails
    @Test
    void a_cause_that_cannot_be_put_into_words_is_the_cause_all_the_same() {
        var mute = new IOException() {
            private static final long serialVersionUID = 1L;

            @Override
            public String toString() {
                throw new StackOverflowError("no words, as it turns on itself");
            }
        };

        var exception = new AppendOutcomeUnknownException("2 events", mute);

        assertThat(exception.getCause()).isSameAs(mute);
        assertThat(exception).hasMessageContaining(mute.getClass().getName());
    }
}
