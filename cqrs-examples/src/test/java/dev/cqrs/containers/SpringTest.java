package dev.cqrs.containers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.aopalliance.intercept.MethodInterceptor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.springframework.aop.framework.ProxyFactory;
import org.springframework.aop.support.AopUtils;
import org.springframework.beans.factory.BeanNotOfRequiredTypeException;
import org.springframework.beans.factory.NoSuchBeanDefinitionException;
import org.springframework.beans.factory.ObjectFactory;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.beans.factory.config.Scope;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

class SpringTest {

    record Greet(String name) implements Command<String> {}

    record Count(int to) implements Command<Integer> {}

    record Shout(String word) implements Command<String> {}

    interface Greeting extends CommandHandler<Greet, String> {}

    static class Greeter implements Greeting {
        private final String id = Integer.toHexString(System.identityHashCode(this));

        @Override
        public String handle(Greet command, Metadata metadata) {
            return "Hello, " + command.name() + ", from " + id;
        }
    }

    static class Counter implements CommandHandler<Count, Integer> {
        @Override
        public Integer handle(Count command, Metadata metadata) {
            return command.to() + 1;
        }
    }

    @Configuration(proxyBeanMethods = false)
    static class Lambdas {
        @Bean
        CommandHandler<Shout, String> shout() {
            return (command, metadata) -> command.word() + "!";
        }
    }

    private static AnnotationConfigApplicationContext context(Class<?>... components) {
        var context = new AnnotationConfigApplicationContext();
        if (components.length > 0) {
            context.register(components);
        }
        return context;
    }

    /** Puts a proxy of Spring's before each greeter: a subclass of its class, or one that has its interfaces alone. */
    private static BeanPostProcessor proxies(boolean ofTheClass, List<String> calls) {
        return new BeanPostProcessor() {
            @Override
            public Object postProcessAfterInitialization(Object bean, String name) {
                if (!(bean instanceof Greeter)) {
                    return bean;
                }
                var proxy = new ProxyFactory(bean);
                proxy.setProxyTargetClass(ofTheClass);
                proxy.addAdvice((MethodInterceptor) invocation -> {
                    calls.add(invocation.getMethod().getName());
                    return invocation.proceed();
                });
                return proxy.getProxy();
            }
        };
    }

    @SuppressWarnings({"unchecked", "rawtypes"}) // Spring knows which command a handler is for, the compiler does not
    private static InMemoryCommandBus busOfAllHandlers(ConfigurableListableBeanFactory beans) {
        var bus = InMemoryCommandBus.builder();
        for (var name : beans.getBeanNamesForType(CommandHandler.class)) {
            var handler =
                    beans.getMergedBeanDefinition(name).getResolvableType().as(CommandHandler.class);
            bus.handle((Class) handler.resolveGeneric(0), (Class) CommandHandler.class, type ->
                    (CommandHandler) beans.getBean(name));
        }
        return bus.build();
    }

    @Test
    void a_loop_registers_all_handlers_that_are_beans() {
        try (var context = context(Greeter.class, Counter.class, Lambdas.class)) {
            context.refresh();
            var bus = busOfAllHandlers(context.getBeanFactory());

            assertThat(bus.dispatch(new Greet("you"))).startsWith("Hello, you");
            assertThat(bus.dispatch(new Count(1))).isEqualTo(2);
            assertThat(bus.dispatch(new Shout("hey"))).isEqualTo("hey!");
        }
    }

    @Test
    void a_prototype_is_made_for_each_send_and_a_singleton_once() {
        for (var scope : List.of(BeanDefinition.SCOPE_PROTOTYPE, BeanDefinition.SCOPE_SINGLETON)) {
            try (var context = context()) {
                context.registerBean(Greeter.class, definition -> definition.setScope(scope));
                context.refresh();
                var bus = InMemoryCommandBus.builder()
                        .handle(Greet.class, Greeter.class, context::getBean)
                        .build();
                var greetings = List.of(
                        bus.dispatch(new Greet("a")), bus.dispatch(new Greet("a")), bus.dispatch(new Greet("a")));
                assertThat(greetings.stream().distinct()).hasSize(scope.equals(BeanDefinition.SCOPE_PROTOTYPE) ? 3 : 1);
            }
        }
    }

    @Test
    void a_proxy_that_is_a_subclass_is_a_handler_of_the_class() {
        var calls = new ArrayList<String>();
        try (var context = context(Greeter.class)) {
            context.getBeanFactory().addBeanPostProcessor(proxies(true, calls));
            context.refresh();
            assertThat(AopUtils.isCglibProxy(context.getBean(Greeter.class))).isTrue();
            var bus = InMemoryCommandBus.builder()
                    .handle(Greet.class, Greeter.class, context::getBean)
                    .build();

            assertThat(bus.dispatch(new Greet("you"))).startsWith("Hello, you");
            assertThat(calls).containsExactly("handle");
        }
    }

    @Test
    void a_proxy_of_the_interfaces_is_a_handler_of_an_interface_only() {
        var calls = new ArrayList<String>();
        try (var context = context(Greeter.class)) {
            context.getBeanFactory().addBeanPostProcessor(proxies(false, calls));
            context.refresh();
            assertThat(AopUtils.isJdkDynamicProxy(context.getBean(Greeting.class)))
                    .isTrue();
            var byInterface = InMemoryCommandBus.builder()
                    .handle(Greet.class, Greeting.class, context::getBean)
                    .build();
            var byClass = InMemoryCommandBus.builder()
                    .handle(Greet.class, Greeter.class, type -> context.getBean("springTest.Greeter", type))
                    .build();

            assertThat(byInterface.dispatch(new Greet("you"))).startsWith("Hello, you");
            assertThat(calls).containsExactly("handle");
            assertThatThrownBy(() -> byClass.dispatch(new Greet("you")))
                    .isInstanceOf(BeanNotOfRequiredTypeException.class);
            assertThat(busOfAllHandlers(context.getBeanFactory()).dispatch(new Greet("you")))
                    .startsWith("Hello, you");
        }
    }

    /** A scope like that of a web request: beans live as long as it lasts, and without one there are none. */
    private static final class Requests implements Scope {
        private @Nullable Map<String, Object> current;

        void begin() {
            current = new HashMap<>();
        }

        void end() {
            current = null;
        }

        @Override
        public Object get(String name, ObjectFactory<?> maker) {
            if (current == null) {
                throw new IllegalStateException("no request");
            }
            return current.computeIfAbsent(name, absent -> maker.getObject());
        }

        @Override
        public @Nullable Object remove(String name) {
            return current == null ? null : current.remove(name);
        }

        @Override
        public void registerDestructionCallback(String name, Runnable callback) {}

        @Override
        public @Nullable Object resolveContextualObject(String key) {
            return null;
        }

        @Override
        public @Nullable String getConversationId() {
            return null;
        }
    }

    @Test
    void a_handler_of_a_request_is_that_of_the_request_at_hand_without_any_proxy() {
        var requests = new Requests();
        try (var context = context()) {
            context.getBeanFactory().registerScope("request", requests);
            context.registerBean(Greeter.class, definition -> definition.setScope("request"));
            context.refresh();
            var bus = InMemoryCommandBus.builder()
                    .handle(Greet.class, Greeter.class, context::getBean)
                    .build();

            requests.begin();
            var first = bus.dispatch(new Greet("a"));
            assertThat(bus.dispatch(new Greet("a"))).isEqualTo(first);
            requests.end();
            requests.begin();
            assertThat(bus.dispatch(new Greet("a"))).isNotEqualTo(first);
            requests.end();
            assertThatThrownBy(() -> bus.dispatch(new Greet("a"))).hasRootCauseMessage("no request");
        }
    }

    @Test
    void a_handler_that_is_no_bean_is_told_in_springs_own_words() {
        try (var context = context()) {
            context.refresh();
            var bus = InMemoryCommandBus.builder()
                    .handle(Greet.class, Greeter.class, context::getBean)
                    .build();
            assertThatThrownBy(() -> bus.dispatch(new Greet("a")))
                    .isInstanceOf(NoSuchBeanDefinitionException.class)
                    .hasMessageContaining(Greeter.class.getName());
        }
    }
}
