package dev.cqrs.containers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Metadata;
import jakarta.annotation.PreDestroy;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.context.ContextNotActiveException;
import jakarta.enterprise.context.Dependent;
import jakarta.enterprise.context.RequestScoped;
import jakarta.enterprise.context.control.RequestContextController;
import jakarta.enterprise.inject.Any;
import jakarta.enterprise.inject.UnsatisfiedResolutionException;
import jakarta.enterprise.inject.spi.Bean;
import jakarta.enterprise.util.TypeLiteral;
import jakarta.inject.Inject;
import jakarta.interceptor.AroundInvoke;
import jakarta.interceptor.Interceptor;
import jakarta.interceptor.InterceptorBinding;
import jakarta.interceptor.InvocationContext;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.reflect.ParameterizedType;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jboss.weld.environment.se.Weld;
import org.jboss.weld.environment.se.WeldContainer;
import org.jboss.weld.proxy.WeldClientProxy;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class CdiTest {

    record Greet(String name) implements Command<String> {}

    record Count(int by) implements Command<Integer> {}

    @ApplicationScoped
    static class Made {
        private final AtomicInteger greeters = new AtomicInteger();
        private final AtomicInteger watched = new AtomicInteger();

        int next() {
            return greeters.incrementAndGet();
        }

        int watched() {
            return watched.get();
        }

        void watch() {
            watched.incrementAndGet();
        }
    }

    @RequestScoped
    static class Greeter implements CommandHandler<Greet, String> {
        private int number;

        @Inject
        void number(Made made) {
            number = made.next();
        }

        @Override
        public String handle(Greet command, Metadata metadata) {
            return "Hello, " + command.name() + ", from " + number;
        }
    }

    @InterceptorBinding
    @Retention(RetentionPolicy.RUNTIME)
    @interface Watched {}

    @Watched
    @Interceptor
    @Priority(1)
    static class Watcher {
        @Inject
        Made made;

        @AroundInvoke
        Object around(InvocationContext call) throws Exception {
            made.watch();
            return call.proceed();
        }
    }

    @Watched
    @ApplicationScoped
    static class Counter implements CommandHandler<Count, Integer> {
        private int sum;

        @Override
        public Integer handle(Count command, Metadata metadata) {
            sum += command.by();
            return sum;
        }
    }

    private static final Logger WELD = Logger.getLogger("org.jboss.weld");

    @BeforeAll
    static void have_the_container_say_less() {
        WELD.setLevel(Level.WARNING);
    }

    private static WeldContainer start(Class<?>... beans) {
        return new Weld().disableDiscovery().addBeanClasses(beans).initialize();
    }

    @Test
    void a_client_proxy_is_a_handler_and_brings_the_containers_interceptors() {
        try (var container = start(Made.class, Counter.class, Watcher.class)) {
            assertThat(container.select(Counter.class).get()).isInstanceOf(WeldClientProxy.class);
            var resolved = InMemoryCommandBus.builder()
                    .handle(
                            Count.class,
                            Counter.class,
                            type -> container.select(type).get())
                    .build();
            var proxy = InMemoryCommandBus.builder()
                    .handle(Count.class, container.select(Counter.class).get())
                    .build();

            assertThat(resolved.dispatch(new Count(2))).isEqualTo(2);
            assertThat(proxy.dispatch(new Count(3))).isEqualTo(5);
            assertThat(container.select(Made.class).get().watched()).isEqualTo(2);
        }
    }

    @Test
    void a_handler_of_a_request_is_that_of_the_request_at_hand() {
        try (var container = start(Made.class, Greeter.class)) {
            var bus = InMemoryCommandBus.builder()
                    .handle(
                            Greet.class,
                            Greeter.class,
                            type -> container.select(type).get())
                    .build();
            assertThatThrownBy(() -> bus.dispatch(new Greet("you"))).isInstanceOf(ContextNotActiveException.class);

            var requests = container.select(RequestContextController.class).get();
            for (int request = 1; request <= 2; request++) {
                requests.activate();
                assertThat(bus.dispatch(new Greet("you"))).isEqualTo("Hello, you, from " + request);
                assertThat(bus.dispatch(new Greet("you"))).isEqualTo("Hello, you, from " + request);
                requests.deactivate();
            }
        }
    }

    @Test
    void a_loop_registers_all_handlers_that_are_beans() {
        try (var container = start(Made.class, Counter.class, Watcher.class, Greeter.class)) {
            var bus = busOfAllHandlers(container);
            container.select(RequestContextController.class).get().activate();

            assertThat(bus.dispatch(new Count(2))).isEqualTo(2);
            assertThat(bus.dispatch(new Greet("you"))).isEqualTo("Hello, you, from 1");
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"}) // CDI knows which command a handler is for, the compiler does not
    private static InMemoryCommandBus busOfAllHandlers(WeldContainer container) {
        var bus = InMemoryCommandBus.builder();
        for (var handler : container
                .select(new TypeLiteral<CommandHandler<?, ?>>() {}, Any.Literal.INSTANCE)
                .handles()) {
            bus.handle((Class) commandOf(handler.getBean()), handler.get());
        }
        return bus.build();
    }

    private static Class<?> commandOf(Bean<?> bean) {
        return bean.getTypes().stream()
                .filter(ParameterizedType.class::isInstance)
                .map(ParameterizedType.class::cast)
                .filter(type -> type.getRawType() == CommandHandler.class)
                .map(type -> (Class<?>) type.getActualTypeArguments()[0])
                .findFirst()
                .orElseThrow();
    }

    @Dependent
    static class Passing implements CommandHandler<Count, Integer> {
        private static final AtomicInteger ENDED = new AtomicInteger();

        @Override
        public Integer handle(Count command, Metadata metadata) {
            return command.by();
        }

        @PreDestroy
        void end() {
            ENDED.incrementAndGet();
        }
    }

    /** Why the guide advises against it. */
    @Test
    void objects_without_a_scope_that_are_resolved_at_each_send_are_kept_until_the_container_ends() {
        try (var container = start(Passing.class)) {
            var bus = InMemoryCommandBus.builder()
                    .handle(
                            Count.class,
                            Passing.class,
                            type -> container.select(type).get())
                    .build();
            for (int i = 0; i < 10; i++) {
                bus.dispatch(new Count(i));
            }
            assertThat(Passing.ENDED).hasValue(0);
        }
        assertThat(Passing.ENDED).hasValue(10);
    }

    @Test
    void a_handler_that_is_no_bean_is_told_in_the_containers_own_words() {
        try (var container = start(Made.class)) {
            var bus = InMemoryCommandBus.builder()
                    .handle(
                            Count.class,
                            Counter.class,
                            type -> container.select(type).get())
                    .build();
            assertThatThrownBy(() -> bus.dispatch(new Count(1)))
                    .isInstanceOf(UnsatisfiedResolutionException.class)
                    .hasMessageContaining("Counter");
        }
    }
}
