package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.message.WiringException;
import dev.cqrs.query.Query;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a bus accepts when it is built, and how it chooses a handler. */
class WiringTest {

    sealed interface Account extends Command<String> {}

    record Open(String id) implements Account {}

    record Close(String id) implements Account {}

    sealed interface Transfer extends Account {}

    record Send(String id) implements Transfer {}

    record Receive(String id) implements Transfer {}

    non-sealed interface Custom extends Account {}

    record Freeze(String id) implements Custom {}

    sealed interface Audited extends Command<String> {}

    record Both(String id) implements Account2, Audited {}

    sealed interface Account2 extends Command<String> {}

    enum Switch implements Command<String> {
        ON {
            @Override
            String word() {
                return "on";
            }
        },
        OFF {
            @Override
            String word() {
                return "off";
            }
        };

        abstract String word();
    }

    record Generic<T>(T value) implements Command<String> {}

    interface Loose extends Command<String> {}

    static class Plain implements Command<String> {}

    static class Fancy extends Plain {}

    record Ask() implements Query<Integer> {}

    static InMemoryCommandBus.Builder builder() {
        return InMemoryCommandBus.builder();
    }

    @Test
    void two_handlers_of_one_class_are_refused_naming_both_places() {
        var builder = builder().handle(Open.class, c -> "one").handle(Open.class, c -> "two");

        assertThatThrownBy(builder::build)
                .isInstanceOf(WiringException.class)
                .hasMessageContaining(Open.class.getName())
                .message()
                .containsPattern("(?s)WiringTest.java:\\d+.*WiringTest.java:\\d+");
    }

    @Test
    @SuppressWarnings({"rawtypes", "unchecked"}) // as a container's objects are registered
    void two_handlers_that_are_registered_on_one_line_are_told_apart_by_their_classes() {
        var builder = builder();
        for (var handler : List.of(new First(), new Second())) {
            builder.handle((Class) Open.class, (CommandHandler) handler);
        }
        builder.handle(Open.class, c -> "a function");
        builder.handle(Open.class, First.class, type -> new First());

        assertThatThrownBy(builder::build)
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .hasSize(3)
                                .allSatisfy(f -> assertThat(f)
                                        .contains("has two handlers: " + First.class.getName() + ", registered at "))
                                .satisfiesExactly(
                                        f -> assertThat(f)
                                                .contains(" and " + Second.class.getName() + ", registered at "),
                                        f -> assertThat(f).contains(" and function, registered at "),
                                        f -> assertThat(f)
                                                .contains(
                                                        " and WiringTest.First, resolved at each send, registered at ")));
    }

    static final class First implements CommandHandler<Open, String> {
        @Override
        public String handle(Open command, Metadata metadata) {
            return "one";
        }
    }

    static final class Second implements CommandHandler<Open, String> {
        @Override
        public String handle(Open command, Metadata metadata) {
            return "two";
        }
    }

    @Test
    @SuppressWarnings({"rawtypes", "unchecked"}) // what it takes to register a generic class
    void every_fault_is_listed_at_once() {
        var builder = builder()
                .handle(Open.class, c -> "one")
                .handle(Open.class, c -> "two")
                .handle(Loose.class, c -> "loose")
                .handle((Class) Generic.class, (CommandHandler.Plain) c -> "generic")
                .requireAll(Loose.class)
                .requireAll(Transfer.class);

        assertThatThrownBy(builder::build)
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .hasSize(5)
                                .anySatisfy(f -> assertThat(f).contains("two handlers"))
                                .anySatisfy(f -> assertThat(f).contains(Loose.class.getName(), "abstract"))
                                .anySatisfy(f -> assertThat(f).contains(Generic.class.getName(), "generic"))
                                .anySatisfy(
                                        f -> assertThat(f).contains("requireAll(" + Loose.class.getName(), "sealed"))
                                .anySatisfy(f -> assertThat(f)
                                        .contains(Send.class.getName())
                                        .contains(Receive.class.getName())));
    }

    @Test
    void a_sealed_root_serves_all_its_leaves_and_the_most_specific_registration_wins() {
        var bus = builder()
                .handle(Account.class, c -> "account")
                .handle(Transfer.class, c -> "transfer")
                .handle(Send.class, c -> "send")
                .requireAll(Account.class)
                .build();

        assertThat(bus.dispatch(new Open("1"))).isEqualTo("account");
        assertThat(bus.dispatch(new Receive("1"))).isEqualTo("transfer");
        assertThat(bus.dispatch(new Send("1"))).isEqualTo("send");
    }

    @Test
    void classes_below_a_non_sealed_branch_are_served_by_the_nearest_registration() {
        var byRoot = builder().handle(Account.class, c -> "account").build();
        var byBranch = builder()
                .handle(Account.class, c -> "account")
                .handle(Custom.class, c -> "custom")
                .build();

        assertThat(byRoot.dispatch(new Freeze("1"))).isEqualTo("account");
        assertThat(byBranch.dispatch(new Freeze("1"))).isEqualTo("custom");
    }

    @Test
    void a_required_non_sealed_branch_needs_a_handler_of_its_own_or_of_the_root() {
        var leavesOnly = builder()
                .handle(Open.class, c -> "")
                .handle(Close.class, c -> "")
                .handle(Transfer.class, c -> "")
                .handle(Freeze.class, c -> "")
                .requireAll(Account.class);

        assertThatThrownBy(leavesOnly::build)
                .isInstanceOf(WiringException.class)
                .hasMessageContaining(Custom.class.getName() + " (non-sealed)");
        assertThatCode(() -> leavesOnly.handle(Custom.class, c -> "").build()).doesNotThrowAnyException();
    }

    @Test
    void a_class_that_two_registrations_fit_equally_well_is_refused_at_build() {
        var builder = builder().handle(Account2.class, c -> "").handle(Audited.class, c -> "");

        assertThatThrownBy(builder::build)
                .isInstanceOf(WiringException.class)
                .hasMessageContaining(Both.class.getName())
                .hasMessageContaining("fit equally well");
        assertThat(builder()
                        .handle(Account2.class, c -> "a")
                        .handle(Audited.class, c -> "b")
                        .handle(Both.class, c -> "c")
                        .build()
                        .dispatch(new Both("1")))
                .isEqualTo("c");
    }

    sealed interface Paying extends Command<String> {}

    sealed interface Logged extends Command<String> {}

    non-sealed interface PayingLogged extends Paying, Logged {}

    record PayCash(String id) implements PayingLogged {}

    @Test
    void an_open_branch_that_two_registrations_fit_equally_well_is_refused_at_build() {
        var builder = builder().handle(Paying.class, c -> "").handle(Logged.class, c -> "");

        assertThatThrownBy(builder::build)
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .singleElement()
                                .asString()
                                .contains(
                                        PayingLogged.class.getName() + " has two handlers that fit equally well",
                                        "Register one for PayingLogged itself"));
        assertThat(builder()
                        .handle(Paying.class, c -> "a")
                        .handle(Logged.class, c -> "b")
                        .handle(PayingLogged.class, c -> "c")
                        .build()
                        .dispatch(new PayCash("1")))
                .isEqualTo("c");
        assertThat(builder().handle(Paying.class, c -> "a").build().dispatch(new PayCash("1")))
                .isEqualTo("a");
    }

    sealed interface Left extends Command<String> {}

    non-sealed interface LeftBranch extends Left {}

    sealed interface Right extends Command<String> {}

    non-sealed interface RightBranch extends Right {}

    sealed interface Middle extends LeftBranch, RightBranch {}

    record InTheMiddle() implements Middle {}

    non-sealed interface OpenMiddle extends Middle {}

    @Test
    void a_class_that_is_required_and_that_two_registrations_fit_equally_well_is_refused_at_build() {
        assertThatThrownBy(() -> builder()
                        .handle(Left.class, c -> "")
                        .handle(Right.class, c -> "")
                        .requireAll(Middle.class)
                        .build())
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .hasSize(2)
                                .anySatisfy(f -> assertThat(f)
                                        .contains(InTheMiddle.class.getName() + " has two handlers that fit"))
                                .anySatisfy(f -> assertThat(f)
                                        .contains(OpenMiddle.class.getName() + " has two handlers that fit")));
    }

    @Test
    void an_enum_whose_constants_have_bodies_is_a_command_like_any_other() {
        var bus = builder().handle(Switch.class, Switch::word).build();

        assertThat(bus.dispatch(Switch.ON)).isEqualTo("on");
        assertThat(bus.dispatch(Switch.OFF)).isEqualTo("off");
        assertThat(bus.handlerFor(Switch.class).handle(Switch.OFF)).isEqualTo("off");
    }

    @Test
    void a_concrete_class_stands_for_itself_alone_and_is_named_as_the_nearest_kin() {
        var bus = builder().handle(Plain.class, c -> "plain").build();

        assertThatThrownBy(() -> bus.dispatch(new Fancy()))
                .isInstanceOf(NoHandlerException.class)
                .hasMessageContaining(Fancy.class.getName())
                .hasMessageContaining(Plain.class.getName())
                .hasMessageContaining("superclass");
    }

    @Test
    void an_unknown_class_names_its_sibling_as_kin() {
        var bus = builder().handle(Open.class, c -> "").build();

        assertThatThrownBy(() -> bus.dispatch(new Close("1")))
                .hasMessageContaining(Close.class.getName())
                .hasMessageContaining(Open.class.getName())
                .hasMessageContaining("same family");
    }

    @Test
    void a_family_further_up_is_kin_too_and_the_nearest_is_named() {
        var far = builder().handle(Open.class, c -> "").build();
        var both = builder()
                .handle(Close.class, c -> "")
                .handle(Receive.class, c -> "")
                .build();

        assertThatThrownBy(() -> far.dispatch(new Send("1")))
                .hasMessageContaining("The nearest is " + Open.class.getName() + ", of the same family");
        assertThatThrownBy(() -> both.dispatch(new Send("1")))
                .hasMessageContaining("The nearest is " + Receive.class.getName() + ", of the same family");
    }

    abstract static sealed class Shape implements Command<String> {}

    static final class Circle extends Shape {}

    static final class Square extends Shape {}

    @Test
    void an_abstract_class_is_a_family_and_what_all_records_share_is_none() {
        var bus = builder().handle(Square.class, c -> "").build();

        assertThatThrownBy(() -> bus.dispatch(new Circle()))
                .hasMessageContaining("The nearest is " + Square.class.getName() + ", of the same family");
        assertThatThrownBy(() -> bus.dispatch(new Send("1"))).message().doesNotContain("nearest");
        assertThatThrownBy(() -> builder().handle(Both.class, c -> "").build().dispatch(new Send("1")))
                .message()
                .doesNotContain("nearest");
    }

    @Test
    void a_bus_without_handlers_says_so() {
        assertThatThrownBy(() -> builder().build().dispatch(new Open("1"))).hasMessageContaining("no handlers at all");
    }

    @Test
    void applies_to_is_asked_once_a_class_at_build_or_at_the_first_send() {
        var asked = new ArrayList<Class<?>>();
        var seen = new ArrayList<Object>();
        var bus = builder()
                .handle(Account.class, c -> "account")
                .intercept(0, new Interceptor() {
                    @Override
                    public Object around(Object message, Metadata metadata, Next next) throws Exception {
                        seen.add(message);
                        return next.proceed(message, metadata);
                    }

                    @Override
                    public boolean appliesTo(Class<?> type) {
                        asked.add(type);
                        return type != Close.class;
                    }
                })
                .build();
        assertThat(asked).containsExactlyInAnyOrder(Open.class, Close.class, Send.class, Receive.class);

        var freeze = new Freeze("1");
        var open = new Open("1");
        bus.dispatch(freeze);
        bus.dispatch(freeze);
        bus.dispatch(open);
        bus.dispatch(new Close("1"));

        assertThat(asked).containsExactlyInAnyOrder(Open.class, Close.class, Send.class, Receive.class, Freeze.class);
        assertThat(seen).containsExactly(freeze, freeze, open);
    }

    @Test
    @Timeout(
            value = 120,
            unit = TimeUnit.SECONDS,
            threadMode = Timeout.ThreadMode.SEPARATE_THREAD) // or it hangs for ever
    void an_interceptor_that_is_asked_may_wait_for_another_thread_that_sends_the_same() {
        // given one that asks what is guarded by a lock that the other thread has while it sends
        var self = new ArrayList<InMemoryCommandBus>();
        var waiting = new AtomicBoolean();
        var bus = builder()
                .handle(Account.class, c -> "account")
                .intercept(0, new Interceptor() {
                    @Override
                    public Object around(Object message, Metadata metadata, Next next) throws Exception {
                        return next.proceed(message, metadata);
                    }

                    @Override
                    public boolean appliesTo(Class<?> type) {
                        if (type == Freeze.class && waiting.compareAndSet(false, true)) {
                            var sending = new FutureTask<>(() -> self.get(0).dispatch(new Freeze("other")));
                            new Thread(sending).start();
                            try {
                                return sending.get().equals("account");
                            } catch (Exception failed) {
                                throw new AssertionError(failed);
                            }
                        }
                        return true;
                    }
                })
                .build();
        self.add(bus);

        // when, then
        assertThat(bus.dispatch(new Freeze("1"))).isEqualTo("account");
        assertThat(waiting).isTrue();
    }

    @Test
    void an_unknown_message_passes_only_the_interceptors_that_apply_to_it() {
        var seen = new ArrayList<Object>();
        Interceptor onlyOpen = new Interceptor() {
            @Override
            public Object around(Object message, Metadata metadata, Next next) throws Exception {
                seen.add(((Open) message).id());
                return next.proceed(message, metadata);
            }

            @Override
            public boolean appliesTo(Class<?> type) {
                return type == Open.class;
            }
        };
        var bus = builder().handle(Open.class, c -> "").intercept(0, onlyOpen).build();

        assertThatThrownBy(() -> bus.dispatch(new Close("2"))).isInstanceOf(NoHandlerException.class);
        bus.dispatch(new Open("1"));

        assertThat(seen).containsExactly("1");
    }

    @Test
    void a_replaced_message_reaches_the_handler_of_its_own_class_on_every_way() {
        Interceptor swap = (message, metadata, next) ->
                next.proceed(message instanceof Open open ? new Close(open.id()) : message, metadata);
        var shared = builder()
                .handle(Open.class, c -> "open")
                .handle(Close.class, c -> "close")
                .intercept(0, swap)
                .build();
        var perClass = builder()
                .handle(Open.class, c -> "open")
                .handle(Close.class, c -> "close")
                .intercept(0, new Interceptor() {
                    @Override
                    public Object around(Object message, Metadata metadata, Next next) throws Exception {
                        return swap.around(message, metadata, next);
                    }

                    @Override
                    public boolean appliesTo(Class<?> type) {
                        return true;
                    }
                })
                .build();

        assertThat(shared.dispatch(new Open("1"))).isEqualTo("close");
        assertThat(shared.handlerFor(Open.class).handle(new Open("1"))).isEqualTo("close");
        assertThat(perClass.dispatch(new Open("1"))).isEqualTo("close");
        assertThat(perClass.handlerFor(Open.class).handle(new Open("1"))).isEqualTo("close");
    }

    @Test
    void what_an_interceptor_hands_on_and_is_no_message_at_all_has_no_handler() {
        Interceptor mistaken = (message, metadata, next) -> next.proceed(new Object(), metadata);
        var bus =
                builder().handle(Open.class, c -> "open").intercept(0, mistaken).build();

        assertThatThrownBy(() -> bus.dispatch(new Open("1")))
                .isInstanceOf(NoHandlerException.class)
                .hasMessageContaining("No handler for java.lang.Object.");
        assertThatThrownBy(() -> bus.handlerFor(Open.class).handle(new Open("1")))
                .isInstanceOf(NoHandlerException.class);
    }

    @Test
    @SuppressWarnings("OverrideThrowableToString") // what must not be
    void a_checked_exception_that_cannot_tell_what_it_is_reaches_the_sender_all_the_same() {
        var mute = new Exception("why") {
            @Override
            public String toString() {
                throw new IllegalStateException("mute");
            }
        };
        var bus = builder()
                .handle(Open.class, c -> {
                    throw mute;
                })
                .build();

        assertThatThrownBy(() -> bus.dispatch(new Open("1")))
                .isInstanceOf(HandlerFailedException.class)
                .satisfies(thrown -> assertThat(thrown.getCause() == mute).isTrue())
                .satisfies(thrown ->
                        assertThat(thrown.getMessage()).contains(mute.getClass().getName()));
    }

    @Test
    void the_route_of_a_sealed_root_finds_the_handler_of_each_leaf() {
        var bus = builder()
                .handle(Account.class, c -> "account")
                .handle(Send.class, c -> "send")
                .build();

        assertThat(bus.handlerFor(Account.class).handle(new Send("1"))).isEqualTo("send");
        assertThat(bus.handlerFor(Account.class).handle(new Freeze("1"))).isEqualTo("account");
    }

    @Test
    void six_interceptors_run_in_the_order_of_their_numbers_and_then_of_registration() {
        var order = new ArrayList<String>();
        var builder = builder().handle(Open.class, c -> "open");
        for (var name : List.of("3a", "1a", "2a", "3b", "1b", "2b")) {
            builder.intercept(name.charAt(0), (message, metadata, next) -> {
                order.add(name);
                return next.proceed(message, metadata);
            });
        }

        builder.build().dispatch(new Open("1"));

        assertThat(order).containsExactly("1a", "1b", "2a", "2b", "3a", "3b");
    }

    @Test
    @SuppressWarnings("NullAway")
    void no_interceptor_is_given_a_null_by_the_one_before_however_many_there_are() {
        for (int count = 2; count <= 6; count++) {
            for (int giver = 0; giver < count - 1; giver++) {
                for (boolean message : List.of(true, false)) {
                    var called = new ArrayList<Integer>();
                    var builder = builder().handle(Open.class, c -> "open");
                    for (int i = 0; i < count; i++) {
                        int own = i;
                        boolean gives = own == giver;
                        builder.intercept(i, (m, metadata, next) -> {
                            called.add(own);
                            return next.proceed(gives && message ? null : m, gives && !message ? null : metadata);
                        });
                    }
                    var bus = builder.build();

                    assertThatThrownBy(() -> bus.dispatch(new Open("1")))
                            .isInstanceOf(NullPointerException.class)
                            .hasMessage(message ? "message" : "metadata");
                    assertThat(called)
                            .isEqualTo(IntStream.rangeClosed(0, giver).boxed().toList());
                }
            }
        }
    }

    interface M0 {}

    interface M1 {}

    interface M2 {}

    interface M3 {}

    interface M4 {}

    interface M5 {}

    interface M6 {}

    /** A command of a class of its own for each set of marks. */
    @SuppressWarnings("unchecked") // it has no method that would tell
    static Command<String> marked(int marks) {
        var all = List.of(M0.class, M1.class, M2.class, M3.class, M4.class, M5.class, M6.class);
        var interfaces = new ArrayList<Class<?>>(List.of(Command.class));
        for (int i = 0; i < all.size(); i++) {
            if ((marks & 1 << i) != 0) {
                interfaces.add(all.get(i));
            }
        }
        return (Command<String>) Proxy.newProxyInstance(
                WiringTest.class.getClassLoader(), interfaces.toArray(Class<?>[]::new), (proxy, method, arguments) -> {
                    throw new AssertionError(method);
                });
    }

    @Test
    @SuppressWarnings("unchecked") // the class of a command is one of commands
    void many_classes_of_commands_find_each_its_own_handler() {
        // given
        var builder = builder();
        var commands = new ArrayList<Command<String>>();
        for (int marks = 1; marks < 128; marks++) {
            var command = marked(marks);
            var name = "handler " + marks;
            commands.add(command);
            builder.handle((Class<Command<String>>) command.getClass(), c -> name);
        }
        var bus = builder.build();

        // when, then
        for (int round = 0; round < 2; round++) {
            for (int marks = 1; marks < 128; marks++) {
                assertThat(bus.dispatch(commands.get(marks - 1))).isEqualTo("handler " + marks);
            }
            assertThatThrownBy(() -> bus.dispatch(marked(0))).isInstanceOf(NoHandlerException.class);
        }
    }

    static final class Elsewhere {
        record Open(String id) implements Command<String> {}
    }

    @Test
    void a_class_of_the_same_simple_name_is_named_before_the_family() {
        var bus = builder()
                .handle(Close.class, c -> "")
                .handle(Elsewhere.Open.class, c -> "")
                .build();

        assertThatThrownBy(() -> bus.dispatch(new Open("1")))
                .hasMessageContaining("The nearest is " + Elsewhere.Open.class.getName() + ", of the same simple name");
    }

    @Test
    void two_registrations_that_fit_one_class_equally_well_are_one_fault() {
        var builder = builder().handle(Account2.class, c -> "").handle(Audited.class, c -> "");

        assertThatThrownBy(builder::build)
                .hasMessageStartingWith("InMemoryCommandBus")
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .singleElement()
                                .asString()
                                .containsPattern("WiringTest.java:\\d+.*WiringTest.java:\\d+"));
    }

    sealed interface Report extends Query<Integer> {}

    record Daily() implements Report {}

    record Weekly() implements Report {}

    @Test
    void what_is_asked_of_a_query_bus_is_wired_in_one_chain_of_calls() {
        var metadata = new ArrayList<Metadata>();
        var builder = InMemoryQueryBus.builder()
                .requireAll(Report.class)
                .intercept(1, (message, around, next) -> (Integer) next.proceed(message, around) + 1)
                .handle(Daily.class, (q, given) -> {
                    metadata.add(given);
                    return 10;
                });
        assertThatThrownBy(builder::build)
                .isInstanceOf(WiringException.class)
                .message()
                .contains(Weekly.class.getName())
                .doesNotContain(Weekly.class.getName() + " (non-sealed)");

        var bus = builder.handle(Weekly.class, q -> 20).build();

        assertThat(bus.ask(new Daily(), Metadata.withId("7"))).isEqualTo(11);
        assertThat(bus.ask(new Weekly())).isEqualTo(21);
        assertThat(metadata).containsExactly(Metadata.withId("7"));
    }

    @Test
    void a_route_in_hand_runs_each_form_of_a_handler() {
        record Ping(String text) implements Command<Done> {}
        var pinged = new ArrayList<Ping>();
        var bus = builder()
                .run(Ping.class, pinged::add)
                .handle(Open.class, c -> "open " + c.id())
                .build();

        assertThat(bus.handlerFor(Ping.class).handle(new Ping("a"))).isEqualTo(Done.DONE);
        assertThat(bus.handlerFor(Ping.class).handle(new Ping("b"), Metadata.none()))
                .isEqualTo(Done.DONE);
        assertThat(pinged).containsExactly(new Ping("a"), new Ping("b"));
        assertThat(bus.handlerFor(Open.class).handle(new Open("1"), Metadata.none()))
                .isEqualTo("open 1");
    }

    @Test
    void a_built_bus_does_not_change_with_its_builder() {
        var builder = builder().handle(Open.class, c -> "open");
        var bus = builder.build();
        builder.handle(Close.class, c -> "close");

        assertThatThrownBy(() -> bus.dispatch(new Close("1"))).isInstanceOf(NoHandlerException.class);
    }

    @Test
    void run_gives_done_and_a_query_bus_is_wired_alike() {
        record Ping() implements Command<Done> {}
        var pinged = new ArrayList<Ping>();
        var commands = builder().run(Ping.class, pinged::add).build();
        var queries = InMemoryQueryBus.builder().handle(Ask.class, q -> 42).build();

        assertThat(commands.dispatch(new Ping())).isEqualTo(Done.DONE);
        assertThat(pinged).hasSize(1);
        assertThat(queries.ask(new Ask())).isEqualTo(42);
        assertThat(queries.handlerFor(Ask.class).handle(new Ask())).isEqualTo(42);
        assertThatThrownBy(() -> InMemoryQueryBus.builder()
                        .handle(Ask.class, q -> 1)
                        .handle(Ask.class, q -> 2)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageStartingWith("InMemoryQueryBus");
    }

    record Descend(int depth) implements Command<Integer> {}

    /** A frame of an interpreted method is bigger than one of a compiled one, and which of them there are is up to the machine. */
    @Test
    void a_nested_dispatch_takes_at_most_two_kibibytes_of_stack() throws Exception {
        int depth = 2_000;
        long stack = depth * 2_048L;
        var bus = new InMemoryCommandBus[1];
        bus[0] = builder()
                .handle(Descend.class, c -> c.depth() == 0 ? 0 : 1 + bus[0].dispatch(new Descend(c.depth() - 1)))
                .build();
        var nested = new FutureTask<>(() -> bus[0].dispatch(new Descend(depth)));
        new Thread(null, nested, "nested", stack).start();

        assertThat(nested.get()).isEqualTo(depth);
    }

    @Test
    @SuppressWarnings("NullAway")
    void nulls_are_refused_where_they_are_given() {
        assertThatThrownBy(() -> builder().handle(null, (Open c) -> "")).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> builder().run(null, c -> {})).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> builder().intercept(0, null)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> builder().requireAll(null)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> builder().build().handlerFor(null)).isInstanceOf(NullPointerException.class);
    }
}
