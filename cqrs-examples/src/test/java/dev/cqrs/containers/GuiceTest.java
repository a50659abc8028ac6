package dev.cqrs.containers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.inject.AbstractModule;
import com.google.inject.ConfigurationException;
import com.google.inject.Guice;
import com.google.inject.Injector;
import com.google.inject.Provides;
import com.google.inject.Scopes;
import com.google.inject.TypeLiteral;
import com.google.inject.matcher.Matcher;
import com.google.inject.matcher.Matchers;
import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Metadata;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.aopalliance.intercept.MethodInterceptor;
import org.junit.jupiter.api.Test;

class GuiceTest {

    record Greet(String name) implements Command<String> {}

    record Count(int to) implements Command<Integer> {}

    record Shout(String word) implements Command<String> {}

    static class Greeter implements CommandHandler<Greet, String> {
        private final int number;

        @Inject
        Greeter(AtomicInteger made) {
            number = made.incrementAndGet();
        }

        @Override
        public String handle(Greet command, Metadata metadata) {
            return "Hello, " + command.name() + ", from " + number;
        }
    }

    static class Counter implements CommandHandler<Count, Integer> {
        @Override
        public Integer handle(Count command, Metadata metadata) {
            return command.to() + 1;
        }
    }

    static class Handlers extends AbstractModule {
        @Override
        protected void configure() {
            bind(AtomicInteger.class).in(Scopes.SINGLETON);
            bind(Greeter.class);
            bind(Counter.class).in(Scopes.SINGLETON);
            bind(new TypeLiteral<CommandHandler<Shout, String>>() {})
                    .toInstance((command, metadata) -> command.word() + "!");
        }

        @Provides
        @Singleton
        @SuppressWarnings({"unchecked", "rawtypes"
        }) // Guice knows which command a handler is for, the compiler does not
        CommandBus commands(Injector injector) {
            var bus = InMemoryCommandBus.builder();
            for (var key : injector.getBindings().keySet()) {
                if (CommandHandler.class.isAssignableFrom(key.getTypeLiteral().getRawType())) {
                    var handler = (ParameterizedType) key.getTypeLiteral()
                            .getSupertype(CommandHandler.class)
                            .getType();
                    bus.handle((Class) handler.getActualTypeArguments()[0], (Class) CommandHandler.class, type ->
                            (CommandHandler) injector.getInstance(key));
                }
            }
            return bus.build();
        }
    }

    @Test
    void a_loop_registers_all_handlers_that_are_bound() {
        var bus = Guice.createInjector(new Handlers()).getInstance(CommandBus.class);

        assertThat(bus.dispatch(new Greet("you"))).isEqualTo("Hello, you, from 1");
        assertThat(bus.dispatch(new Count(1))).isEqualTo(2);
        assertThat(bus.dispatch(new Shout("hey"))).isEqualTo("hey!");
    }

    @Test
    void without_a_scope_each_send_has_a_handler_of_its_own_and_a_singleton_stays() {
        for (var scope : List.of(Scopes.NO_SCOPE, Scopes.SINGLETON)) {
            var injector = Guice.createInjector(binder -> {
                binder.bind(AtomicInteger.class).in(Scopes.SINGLETON);
                binder.bind(Greeter.class).in(scope);
            });
            var bus = InMemoryCommandBus.builder()
                    .handle(Greet.class, Greeter.class, injector::getInstance)
                    .build();
            bus.dispatch(new Greet("you"));
            assertThat(bus.dispatch(new Greet("you")))
                    .isEqualTo("Hello, you, from " + (scope == Scopes.SINGLETON ? 1 : 2));
        }
    }

    @Test
    void a_handler_with_an_interceptor_of_guices_is_one_like_any_other() {
        var calls = new ArrayList<String>();
        Matcher<Method> written = method -> !method.isSynthetic(); // not the bridge, which would be a second call
        var injector = Guice.createInjector(binder -> binder.bindInterceptor(
                Matchers.subclassesOf(CommandHandler.class), written, (MethodInterceptor) invocation -> {
                    calls.add(invocation.getMethod().getName());
                    return invocation.proceed();
                }));
        var bus = InMemoryCommandBus.builder()
                .handle(Count.class, Counter.class, injector::getInstance)
                .build();

        assertThat(injector.getInstance(Counter.class).getClass()).isNotEqualTo(Counter.class);
        assertThat(bus.dispatch(new Count(1))).isEqualTo(2);
        assertThat(calls).containsExactly("handle");
    }

    @Test
    void a_handler_that_cannot_be_made_is_told_in_guices_own_words() {
        var injector = Guice.createInjector(binder -> binder.requireExplicitBindings());
        var bus = InMemoryCommandBus.builder()
                .handle(Count.class, Counter.class, injector::getInstance)
                .build();
        assertThatThrownBy(() -> bus.dispatch(new Count(1)))
                .isInstanceOf(ConfigurationException.class)
                .hasMessageContaining("Counter");
    }
}
