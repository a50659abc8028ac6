package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.event.Position;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryHandler;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** Handlers that are registered by their type, and asked for at each send. */
class ResolvedHandlerTest {

    sealed interface Account extends Command<String> {}

    record Open(String id) implements Account {}

    record Close(String id) implements Account {}

    record Balance(String id) implements Query<Integer> {}

    interface Accounts extends CommandHandler<Account, String> {}

    static class AccountHandler implements Accounts {
        private final int number;

        AccountHandler(int number) {
            this.number = number;
        }

        @Override
        public String handle(Account command, Metadata metadata) throws Exception {
            if (metadata.id().isPresent()) {
                throw new Exception("checked");
            }
            return command.getClass().getSimpleName() + " by " + number;
        }
    }

    record BalanceHandler(int answer) implements QueryHandler<Balance, Integer> {
        @Override
        public Integer handle(Balance query, Metadata metadata) {
            return answer;
        }
    }

    /** What every container is in the end: it makes an object of a type, here a new one each time. */
    private static final class Container {
        private final Map<Class<?>, Supplier<?>> makers = new HashMap<>();
        private final List<Object> made = new ArrayList<>();

        <T> Container bind(Class<T> type, Supplier<? extends T> maker) {
            makers.put(type, maker);
            return this;
        }

        <T> T get(Class<T> type) {
            var maker = makers.get(type);
            if (maker == null) {
                throw new IllegalStateException("nothing is bound to " + type);
            }
            var object = type.cast(maker.get());
            made.add(object);
            return object;
        }

        @SuppressWarnings({"unused", "DoNotCallSuggester"}) // containers have several methods of the name
        Object get(String name) {
            throw new IllegalArgumentException(name);
        }

        @SuppressWarnings({"unused", "DoNotCallSuggester"}) // as above
        <T> T get(Class<T> type, Object... arguments) {
            throw new IllegalArgumentException(type + " of " + List.of(arguments));
        }
    }

    private final Container container = new Container();

    @Test
    void the_resolver_is_asked_at_each_send_and_never_before() {
        container.bind(AccountHandler.class, () -> new AccountHandler(container.made.size()));
        var bus = InMemoryCommandBus.builder()
                .handle(Account.class, AccountHandler.class, container::get)
                .requireAll(Account.class)
                .build();
        var route = bus.handlerFor(Close.class);
        assertThat(container.made).isEmpty();

        assertThat(bus.dispatch(new Open("a"))).isEqualTo("Open by 0");
        assertThat(bus.dispatch(new Close("a"))).isEqualTo("Close by 1");
        assertThat(route.handle(new Close("a"))).isEqualTo("Close by 2");
        assertThat(container.made).hasSize(3).doesNotHaveDuplicates();
    }

    @Test
    void queries_and_whole_applications_take_them_as_well() {
        container
                .bind(AccountHandler.class, () -> new AccountHandler(7))
                .bind(BalanceHandler.class, () -> new BalanceHandler(42));
        var queries = InMemoryQueryBus.builder()
                .handle(Balance.class, BalanceHandler.class, type -> container.get(type))
                .build();
        assertThat(queries.ask(new Balance("a"))).isEqualTo(42);
        assertThat(queries.handlerFor(Balance.class).handle(new Balance("a"))).isEqualTo(42);

        try (var app = InMemoryCqrs.builder(Clock.systemUTC())
                .handle(Account.class, AccountHandler.class, container::get)
                .query(Balance.class, BalanceHandler.class, container::get)
                .build()) {
            assertThat(app.dispatch(new Open("a"))).isEqualTo("Open by 7");
            assertThat(app.ask(new Balance("a"))).isEqualTo(42);
            assertThatThrownBy(() -> app.ask(new Balance("a"), Position.START, java.time.Duration.ZERO))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(Balance.class.getName());
        }
    }

    @Test
    void interceptors_run_around_the_resolver_and_may_have_it_asked_again() {
        container.bind(AccountHandler.class, () -> {
            if (container.made.isEmpty()) {
                container.made.add("a first time that fails");
                throw new IllegalStateException("not yet");
            }
            return new AccountHandler(container.made.size());
        });
        var bus = InMemoryCommandBus.builder()
                .handle(Account.class, AccountHandler.class, container::get)
                .intercept(0, (message, metadata, next) -> {
                    try {
                        return next.proceed(message, metadata);
                    } catch (IllegalStateException again) {
                        return next.proceed(message, metadata);
                    }
                })
                .build();

        assertThat(bus.dispatch(new Open("a"))).isEqualTo("Open by 1");
    }

    @Test
    void a_handler_known_by_an_interface_may_be_a_proxy_that_has_no_more() {
        var handler = new AccountHandler(1);
        var proxy = (Accounts) Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {Accounts.class},
                (self, method, arguments) -> "proxied " + method.invoke(handler, arguments));
        var byInterface = InMemoryCommandBus.builder()
                .handle(Account.class, Accounts.class, type -> proxy)
                .build();
        assertThat(byInterface.dispatch(new Open("a"))).isEqualTo("proxied Open by 1");

        var byClass = InMemoryCommandBus.builder()
                .handle(Account.class, AccountHandler.class, unchecked(proxy))
                .build();
        assertThatThrownBy(() -> byClass.dispatch(new Open("a")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll(
                        AccountHandler.class.getName(),
                        Account.class.getName(),
                        "ResolvedHandlerTest.java:",
                        proxy.getClass().getName(),
                        "interface");
    }

    @Test
    void a_resolver_that_gives_null_is_told_and_what_it_throws_arrives_as_it_is() {
        var none = InMemoryCommandBus.builder()
                .handle(Account.class, AccountHandler.class, unchecked(nothing()))
                .build();
        assertThatThrownBy(() -> none.dispatch(new Open("a")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll(AccountHandler.class.getName(), Account.class.getName(), "gave null");
        assertThatThrownBy(() -> none.handlerFor(Open.class).handle(new Open("a")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("gave null");

        var unbound = InMemoryCommandBus.builder()
                .handle(Account.class, AccountHandler.class, container::get)
                .build();
        assertThatThrownBy(() -> unbound.dispatch(new Open("a")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("nothing is bound to " + AccountHandler.class);
    }

    @Test
    void what_the_handler_throws_or_does_not_return_is_treated_as_ever() {
        container.bind(AccountHandler.class, () -> new AccountHandler(1));
        container.bind(Silent.class, Silent::new);
        var bus = InMemoryCommandBus.builder()
                .handle(Open.class, Silent.class, container::get)
                .handle(Account.class, AccountHandler.class, container::get)
                .build();

        assertThatThrownBy(() -> bus.dispatch(new Close("a"), Metadata.withId("1")))
                .isInstanceOf(HandlerFailedException.class)
                .hasRootCauseMessage("checked");
        assertThatThrownBy(() -> bus.dispatch(new Open("a")))
                .isInstanceOf(HandlerFailedException.class)
                .hasMessageContaining(Silent.class.getName() + " returned null");
    }

    static class Silent implements CommandHandler<Open, String> {
        @Override
        @SuppressWarnings("NullAway") // what it is for
        public String handle(Open command, Metadata metadata) {
            return null;
        }
    }

    @Test
    void a_missing_part_is_refused_where_it_is_given() {
        var builder = InMemoryCommandBus.builder();
        assertThatThrownBy(() -> builder.handle(Open.class, nothing(), container::get))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("handler");
        assertThatThrownBy(() -> builder.handle(Account.class, AccountHandler.class, nothing()))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("resolver");
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what it is for
    private static <T> T nothing() {
        return null;
    }

    /** A container without generics, from which anything may come. */
    @SuppressWarnings({"unchecked", "NullAway"})
    private static <H> Function<Class<H>, H> unchecked(Object given) {
        return type -> (H) given;
    }
}
