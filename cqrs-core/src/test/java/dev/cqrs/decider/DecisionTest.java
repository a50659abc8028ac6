package dev.cqrs.decider;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.decider.Decision.Accepted;
import dev.cqrs.decider.Decision.Rejected;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Decisions as values. */
class DecisionTest {

    interface BankEvent {}

    record Deposited(int amount) implements BankEvent {}

    record Withdrawn(int amount) implements BankEvent {}

    static List<?> eventsOf(Decision<?> decision) {
        return ((Accepted<?>) decision).events();
    }

    @Test
    void accept_holds_the_events_in_order() {
        Decision<BankEvent> decision = Decision.accept(new Deposited(2), new Withdrawn(1), new Deposited(2));

        assertThat(decision).isInstanceOf(Accepted.class);
        assertThat(eventsOf(decision)).isEqualTo(List.of(new Deposited(2), new Withdrawn(1), new Deposited(2)));
    }

    @Test
    void accepting_no_events_is_a_decision() {
        assertThat(eventsOf(Decision.accept())).isEmpty();
        assertThat(eventsOf(Decision.acceptAll(List.of()))).isEmpty();
    }

    @Test
    void accept_all_takes_events_of_a_narrower_type() {
        List<Deposited> deposits = List.of(new Deposited(1), new Deposited(2));

        Decision<BankEvent> decision = Decision.acceptAll(deposits);

        assertThat(decision).isEqualTo(Decision.accept(new Deposited(1), new Deposited(2)));
    }

    @Test
    void the_events_are_copied() {
        BankEvent[] array = {new Deposited(1)};
        var list = new ArrayList<BankEvent>(List.of(new Deposited(1)));
        var decisions = List.of(Decision.accept(array), Decision.acceptAll(list), new Accepted<>(list));

        array[0] = new Deposited(9);
        list.add(new Deposited(9));

        assertThat(decisions)
                .allSatisfy(decision -> assertThat(eventsOf(decision)).isEqualTo(List.of(new Deposited(1))));
    }

    @Test
    void the_events_cannot_be_changed() {
        var list = new ArrayList<BankEvent>(List.of(new Deposited(1)));

        for (var decision : List.of(Decision.accept(new Deposited(1)), Decision.acceptAll(list))) {
            assertThatThrownBy(() -> eventsOf(decision).clear()).isInstanceOf(UnsupportedOperationException.class);
        }
        assertThatThrownBy(() -> new Accepted<>(list).events().clear())
                .isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void reject_holds_the_reason() {
        Decision<BankEvent> decision = Decision.reject("The balance is too low.");

        assertThat(decision).isEqualTo(new Rejected<BankEvent>("The balance is too low."));
        assertThat(((Rejected<?>) decision).reason()).isEqualTo("The balance is too low.");
    }

    @Test
    void decisions_are_equal_by_what_they_hold() {
        assertThat(Decision.accept(new Deposited(1)))
                .isEqualTo(Decision.acceptAll(List.of(new Deposited(1))))
                .isNotEqualTo(Decision.accept(new Deposited(2)))
                .isNotEqualTo(Decision.reject("no"));
        assertThat(Decision.reject("no")).isNotEqualTo(Decision.reject("never"));
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException().isThrownBy(() -> Decision.accept((BankEvent) null));
        assertThatNullPointerException().isThrownBy(() -> Decision.accept((BankEvent[]) null));
        assertThatNullPointerException().isThrownBy(() -> Decision.accept(new Deposited(1), null));
        assertThatNullPointerException().isThrownBy(() -> Decision.acceptAll(null));
        assertThatNullPointerException().isThrownBy(() -> Decision.acceptAll(Arrays.asList(new Deposited(1), null)));
        assertThatNullPointerException().isThrownBy(() -> new Accepted<>(Arrays.asList(new Deposited(1), null)));
        assertThatNullPointerException().isThrownBy(() -> Decision.reject(null)).withMessage("reason");
    }

    @Test
    void a_reason_that_says_nothing_is_refused() {
        for (var nothing : List.of("", " \n")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Decision.reject(nothing))
                    .withMessageContaining("is blank; expected");
        }
    }
}
