package dev.cqrs.decider;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.message.CqrsException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How a refused command is told. */
class RejectedExceptionTest {

    record Withdraw() {}

    @Test
    void the_message_tells_the_command_and_the_reason() {
        var exception = new RejectedException(Withdraw.class, "The balance is too low.");

        assertThat(exception)
                .hasMessage("Withdraw was rejected: The balance is too low.")
                .hasNoCause()
                .isInstanceOf(CqrsException.class);
        assertThat(exception.commandType()).isEqualTo(Withdraw.class);
        assertThat(exception.reason()).isEqualTo("The balance is too low.");
    }

    @Test
    void a_rejection_is_normal_work_and_has_no_stack_trace() {
        assertThat(new RejectedException(Withdraw.class, "no").getStackTrace()).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException().isThrownBy(() -> new RejectedException(null, "no"));
        assertThatNullPointerException()
                .isThrownBy(() -> new RejectedException(Withdraw.class, null))
                .withMessage("reason");
    }

    @Test
    void a_reason_that_says_nothing_is_refused() {
        for (var nothing : List.of("", " \n")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new RejectedException(Withdraw.class, nothing))
                    .withMessageContaining("Withdraw")
                    .withMessageContaining("is blank; expected");
        }
    }
}
