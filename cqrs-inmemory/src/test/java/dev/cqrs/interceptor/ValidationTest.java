package dev.cqrs.interceptor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.cqrs.command.Command;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ValidationTest {

    sealed interface Booking extends Command<Done> {
        String account();
    }

    record Deposit(String account, long cents) implements Booking {}

    record Close(String account) implements Booking {}

    record Ping() implements Command<Done> {}

    record Played(String game) {}

    private final List<Object> handled = new ArrayList<>();
    private final Validation validation = Validation.builder()
            .require(Booking.class, booking -> !booking.account().isBlank(), "no account")
            .check(
                    Deposit.class,
                    deposit ->
                            deposit.cents() > 0 ? List.of() : List.of("cents is " + deposit.cents(), "nothing to do"))
            .require(Played.class, played -> !played.game().isEmpty(), "no game")
            .build();
    private final InMemoryCommandBus bus = InMemoryCommandBus.builder()
            .run(Booking.class, handled::add)
            .run(Ping.class, handled::add)
            .intercept(InterceptorOrder.VALIDATION, validation)
            .build();

    @Test
    void what_is_valid_passes_and_what_has_no_check_as_well() {
        bus.dispatch(new Deposit("alice", 1));
        bus.dispatch(new Close("alice"));
        bus.dispatch(new Ping());

        assertThat(handled).hasSize(3);
    }

    @Test
    void all_faults_are_told_at_once_those_of_the_family_and_those_of_the_class() {
        var refused = catchThrowableOfType(InvalidMessageException.class, () -> bus.dispatch(new Deposit(" ", -5)));

        assertThat(refused.messageType()).isEqualTo(Deposit.class);
        assertThat(refused.faults()).containsExactly("no account", "cents is -5", "nothing to do");
        assertThat(refused)
                .hasMessage("Deposit is not valid: no account; cents is -5; nothing to do. It was not handled."
                        + " Correct it and send it again.");
        assertThat(refused.getStackTrace()).isEmpty();
        assertThat(handled).isEmpty();
    }

    @Test
    void a_check_on_a_sealed_root_covers_its_leaves() {
        assertThatThrownBy(() -> bus.dispatch(new Close(""))).hasMessageContaining("no account");
        assertThatThrownBy(() -> bus.dispatch(new Deposit("", 1))).hasMessageContaining("no account");
    }

    @Test
    void a_route_in_hand_is_checked_as_well() {
        var route = bus.handlerFor(Close.class);

        assertThatThrownBy(() -> route.handle(new Close(""))).isInstanceOf(InvalidMessageException.class);
    }

    @Test
    void a_message_that_was_put_in_place_of_another_is_checked_by_its_own_class() {
        var replacing = InMemoryCommandBus.builder()
                .run(Booking.class, handled::add)
                .run(Ping.class, handled::add)
                .intercept(InterceptorOrder.VALIDATION, validation)
                .intercept(0, (message, metadata, next) -> next.proceed(new Close(""), metadata))
                .build();

        assertThatThrownBy(() -> replacing.dispatch(new Ping())).isInstanceOf(InvalidMessageException.class);
        assertThat(handled).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway") // what a check may meet
    void a_check_that_fails_refuses_the_message_with_what_it_throws() {
        assertThatThrownBy(() -> bus.dispatch(new Close(null))).isInstanceOf(NullPointerException.class);
        assertThat(handled).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway") // what a check may give
    void a_check_that_gives_null_refuses_the_message_and_is_named() {
        var careless = InMemoryCommandBus.builder()
                .run(Ping.class, handled::add)
                .intercept(
                        InterceptorOrder.VALIDATION,
                        Validation.builder().check(Ping.class, ping -> null).build())
                .build();

        assertThatThrownBy(() -> careless.dispatch(new Ping()))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContainingAll("A check of", "Ping returned null", "or an empty list");
        assertThat(handled).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway") // what must not be
    void a_fault_that_is_null_refuses_the_message_and_says_so() {
        var validation = Validation.builder()
                .check(String.class, text -> Arrays.asList("too long", null))
                .build();

        assertThatThrownBy(() -> validation.around("text", Metadata.none(), (message, metadata) -> "passed"))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("java.lang.String")
                .hasMessageContaining("null");
    }

    @Test
    void an_event_is_checked_before_each_subscriber() {
        var events = InMemoryEventBus.builder()
                .intercept(InterceptorOrder.VALIDATION, validation)
                .build();
        events.subscribe(Played.class, played -> handled.add(played));

        events.publish(new Played("go"));
        assertThatThrownBy(() -> events.publish(new Played(""))).hasMessageContaining("no game");

        assertThat(handled).containsExactly(new Played("go"));
    }

    @Test
    void a_builder_that_goes_on_changes_nothing_that_was_built() {
        var builder = Validation.builder();
        var empty = InMemoryCommandBus.builder()
                .run(Ping.class, handled::add)
                .intercept(0, builder.build())
                .build();
        builder.require(Ping.class, ping -> false, "never");

        empty.dispatch(new Ping());

        assertThat(handled).hasSize(1);
    }

    @Test
    void an_exception_without_faults_cannot_be_made() {
        assertThatThrownBy(() -> new InvalidMessageException(Ping.class, List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least one");
        assertThatThrownBy(() -> new InvalidMessageException(Ping.class, List.of("", " ")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least one");
        assertThat(new InvalidMessageException(Ping.class, List.of("", "late")).faults())
                .containsExactly("", "late");
    }

    @Test
    void a_fault_that_says_nothing_is_refused_when_the_check_is_added() {
        var builder = Validation.builder();

        assertThatThrownBy(() -> builder.require(Ping.class, ping -> false, " "))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Ping")
                .hasMessageContaining("is blank; expected");
    }
}
