package dev.cqrs.interceptor;

import static dev.cqrs.interceptor.Authorization.Verdict.allow;
import static dev.cqrs.interceptor.Authorization.Verdict.deny;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.cqrs.command.Command;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventBus;
import dev.cqrs.inmemory.InMemoryQueryBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.query.Query;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AuthorizationTest {

    sealed interface Booking extends Command<Done> {}

    record Deposit(long cents) implements Booking {}

    record Close() implements Booking {}

    record Ping() implements Command<Done> {}

    record Balance(String account) implements Query<Long> {}

    record Played() {}

    private static final Metadata ALICE = Metadata.none().with("user", "alice");
    private static final Metadata BOSS = Metadata.none().with("user", "bob").with("role", "boss");

    private final List<Object> handled = new ArrayList<>();

    private static Authorization.Builder rules() {
        return Authorization.builder()
                .rule(Booking.class, (booking, metadata) -> metadata.get("user").isPresent() ? allow() : deny("log in"))
                .rule(
                        Close.class,
                        (close, metadata) ->
                                metadata.get("role").filter("boss"::equals).isPresent()
                                        ? allow()
                                        : deny("bosses only"));
    }

    private InMemoryCommandBus bus(Interceptor authorization) {
        return InMemoryCommandBus.builder()
                .run(Booking.class, handled::add)
                .run(Ping.class, handled::add)
                .intercept(InterceptorOrder.AUTHORIZATION, authorization)
                .build();
    }

    @Test
    void what_every_rule_allows_passes() {
        var bus = bus(rules().denyOthers());

        bus.dispatch(new Deposit(5), ALICE);
        bus.dispatch(new Close(), BOSS);

        assertThat(handled).containsExactly(new Deposit(5), new Close());
    }

    @Test
    void the_first_rule_that_denies_gives_the_reason() {
        var bus = bus(rules().denyOthers());

        var refused = catchThrowableOfType(NotAuthorizedException.class, () -> bus.dispatch(new Close(), ALICE));
        assertThat(refused.messageType()).isEqualTo(Close.class);
        assertThat(refused.reason()).isEqualTo("bosses only");
        assertThat(refused).hasMessage("Close is not allowed: bosses only. It was not handled.");
        assertThat(refused.getStackTrace()).isEmpty();
        assertThatThrownBy(() -> bus.dispatch(new Close())).hasMessageContaining("log in");
        assertThatThrownBy(() -> bus.handlerFor(Deposit.class).handle(new Deposit(5)))
                .hasMessageContaining("log in");
        assertThat(handled).isEmpty();
    }

    @Test
    void what_has_no_rule_is_denied_or_allowed_as_was_said() {
        assertThatThrownBy(() -> bus(rules().denyOthers()).dispatch(new Ping(), BOSS))
                .isInstanceOf(NotAuthorizedException.class)
                .hasMessageContaining("no rule speaks of " + Ping.class.getName());
        assertThat(handled).isEmpty();

        bus(rules().allowOthers()).dispatch(new Ping());
        assertThat(handled).containsExactly(new Ping());
    }

    @Test
    void a_message_that_was_put_in_place_of_another_is_asked_about_by_its_own_class() {
        var bus = InMemoryCommandBus.builder()
                .run(Booking.class, handled::add)
                .run(Ping.class, handled::add)
                .intercept(InterceptorOrder.AUTHORIZATION, rules().allowOthers())
                .intercept(0, (message, metadata, next) -> next.proceed(new Close(), metadata))
                .build();

        assertThatThrownBy(() -> bus.dispatch(new Ping(), ALICE)).hasMessageContaining("bosses only");
        assertThat(handled).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway") // what a rule must not do
    void a_rule_that_throws_or_says_nothing_lets_nobody_pass() {
        var broken = new IllegalStateException("directory is down");
        assertThatThrownBy(() -> bus(Authorization.builder()
                                .rule(Ping.class, (ping, metadata) -> {
                                    throw broken;
                                })
                                .allowOthers())
                        .dispatch(new Ping()))
                .isSameAs(broken);
        assertThatThrownBy(() -> bus(Authorization.builder()
                                .rule(Ping.class, (ping, metadata) -> null)
                                .rule(Command.class, (ping, metadata) -> allow())
                                .allowOthers())
                        .dispatch(new Ping()))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("expected allow() or deny(reason)");
        assertThat(handled).isEmpty();
    }

    @Test
    void a_rule_that_denies_without_a_word_lets_nobody_pass_either() {
        assertThatThrownBy(() -> bus(Authorization.builder()
                                .rule(Ping.class, (ping, metadata) -> deny(" "))
                                .allowOthers())
                        .dispatch(new Ping()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("is blank; expected");
        assertThatThrownBy(() -> new NotAuthorizedException(Ping.class, ""))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Ping")
                .hasMessageContaining("is blank; expected");
        assertThat(handled).isEmpty();
    }

    @Test
    void queries_are_asked_about_by_what_they_ask_for() {
        var authorization = Authorization.builder()
                .rule(
                        Balance.class,
                        (balance, metadata) -> metadata.get("user")
                                        .filter(balance.account()::equals)
                                        .isPresent()
                                ? allow()
                                : deny("not yours"))
                .denyOthers();
        var bus = InMemoryQueryBus.builder()
                .handle(Balance.class, balance -> 100L)
                .intercept(InterceptorOrder.AUTHORIZATION, authorization)
                .build();

        assertThat(bus.ask(new Balance("alice"), ALICE)).isEqualTo(100);
        assertThatThrownBy(() -> bus.ask(new Balance("alice"), BOSS)).hasMessageContaining("not yours");
    }

    @Test
    void an_event_reaches_no_subscriber_without_being_allowed() {
        var bus = InMemoryEventBus.builder()
                .intercept(0, Authorization.builder().denyOthers())
                .build();
        bus.subscribe(Played.class, played -> handled.add(played));

        assertThatThrownBy(() -> bus.publish(new Played())).isInstanceOf(NotAuthorizedException.class);
        assertThat(handled).isEmpty();
    }
}
