package dev.cqrs.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import org.junit.jupiter.api.Test;

/** How a message without a handler is told. */
class NoHandlerExceptionTest {

    record OpenAccount() {}

    @Test
    void the_message_tells_the_class_the_hint_and_the_cure() {
        var exception = new NoHandlerException(OpenAccount.class, "There is one for CloseAccount.");

        assertThat(exception)
                .hasMessage("No handler for " + OpenAccount.class.getName() + ". There is one for CloseAccount."
                        + " Register a handler for it with the builder, before build().")
                .hasNoCause()
                .isInstanceOf(CqrsException.class);
        assertThat(exception.messageType()).isEqualTo(OpenAccount.class);
    }

    @Test
    void without_a_hint_the_message_has_no_gap() {
        assertThat(new NoHandlerException(OpenAccount.class, ""))
                .hasMessage("No handler for " + OpenAccount.class.getName()
                        + ". Register a handler for it with the builder, before build().");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException()
                .isThrownBy(() -> new NoHandlerException(null, ""))
                .withMessage("messageType");
        assertThatNullPointerException().isThrownBy(() -> new NoHandlerException(OpenAccount.class, null));
    }
}
