package dev.cqrs.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/** How the failure of a handler is told. */
class HandlerFailedExceptionTest {

    record OpenAccount() {}

    @Test
    void a_checked_exception_is_the_cause_and_the_message_tells_class_cause_and_cure() {
        var cause = new IOException("disk full");

        var exception = new HandlerFailedException(OpenAccount.class, cause);

        assertThat(exception)
                .hasCause(cause)
                .hasMessageContainingAll(
                        "handler of " + OpenAccount.class.getName(),
                        "threw a checked exception",
                        cause.toString(),
                        "See the cause",
                        "throw an unchecked exception")
                .isInstanceOf(CqrsException.class);
        assertThat(exception.getCause()).isSameAs(cause);
        assertThat(exception.messageType()).isEqualTo(OpenAccount.class);
    }

    @Test
    void a_null_result_is_told_with_the_culprit_the_class_and_the_cure() {
        var exception = new HandlerFailedException(OpenAccount.class, "The handler registered at Bank.java:12");

        assertThat(exception)
                .hasNoCause()
                .hasMessageStartingWith("The handler registered at Bank.java:12 returned null for "
                        + OpenAccount.class.getName() + "; expected a result.")
                .hasMessageContainingAll("Done.DONE", "Optional");
        assertThat(exception.messageType()).isEqualTo(OpenAccount.class);
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_naming_the_argument() {
        assertThatNullPointerException()
                .isThrownBy(() -> new HandlerFailedException(null, new IOException()))
                .withMessage("messageType");
        assertThatNullPointerException()
                .isThrownBy(() -> new HandlerFailedException(OpenAccount.class, (Throwable) null))
                .withMessage("cause");
        assertThatNullPointerException()
                .isThrownBy(() -> new HandlerFailedException(null, "The handler"))
                .withMessage("messageType");
    }

    @SuppressWarnings("OverrideThrowableToString") // it is what fails
    @Test
    void a_cause_that_cannot_be_put_into_words_is_the_cause_all_the_same() {
        var mute = new Exception() {
            private static final long serialVersionUID = 1L;

            @Override
            public String toString() {
                throw new StackOverflowError("no words, as it turns on itself");
            }
        };

        var exception = new HandlerFailedException(OpenAccount.class, mute);

        assertThat(exception.getCause()).isSameAs(mute);
        assertThat(exception).hasMessageContaining(mute.getClass().getName());
    }
}
