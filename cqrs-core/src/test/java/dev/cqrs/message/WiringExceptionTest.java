package dev.cqrs.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How faults in the wiring are told. */
class WiringExceptionTest {

    @Test
    void the_message_tells_what_was_built_and_numbers_every_fault() {
        var exception = new WiringException("InMemoryCommandBus", List.of("First fault.", "Second fault."));

        assertThat(exception)
                .hasMessage("InMemoryCommandBus: 2 faults in the wiring\n 1. First fault.\n 2. Second fault.")
                .hasNoCause()
                .isInstanceOf(CqrsException.class);
        assertThat(exception.faults()).containsExactly("First fault.", "Second fault.");
        assertThat(exception.getStackTrace()).isNotEmpty();
    }

    @Test
    void one_fault_is_told_in_the_singular() {
        assertThat(new WiringException("Catalog", List.of("The only one.")))
                .hasMessage("Catalog: 1 fault in the wiring\n 1. The only one.");
    }

    @Test
    void the_faults_are_copied_and_cannot_be_changed() {
        var faults = new ArrayList<>(List.of("First fault."));
        var exception = new WiringException("Catalog", faults);

        faults.add("Later.");

        assertThat(exception.faults()).containsExactly("First fault.");
        assertThatThrownBy(() -> exception.faults().clear()).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void an_exception_without_a_fault_is_refused_naming_what_was_built() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new WiringException("Catalog", List.of()))
                .withMessageContainingAll("Catalog", "empty", "at least one");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_as_the_faults_and_among_them() {
        assertThatNullPointerException().isThrownBy(() -> new WiringException("Catalog", null));
        assertThatNullPointerException().isThrownBy(() -> new WiringException("Catalog", Arrays.asList("one", null)));
    }
}
