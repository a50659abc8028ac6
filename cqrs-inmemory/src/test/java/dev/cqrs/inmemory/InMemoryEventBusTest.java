package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.event.EventBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import java.io.IOException;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.lang.reflect.Array;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class InMemoryEventBusTest {

    record Happened(int number) {}

    // ---- class loaders

    @Test
    void the_class_loader_of_a_plugin_that_has_left_can_go() throws Exception {
        assertPluginCanGo(InMemoryEventBus.builder().build());
    }

    @Test
    void the_class_loader_can_go_where_interceptors_run_too() throws Exception {
        Interceptor passing = (message, metadata, next) -> next.proceed(message, metadata);
        assertPluginCanGo(InMemoryEventBus.builder()
                .intercept(1, passing)
                .intercept(2, passing)
                .build());
    }

    private static void assertPluginCanGo(EventBus bus) throws Exception {
        // given somebody who stays, hears the plug-in's events, and keeps the bus in use
        var heard = new ArrayList<String>();
        bus.subscribe(Runnable.class, event -> heard.add(event.getClass().getSimpleName()));
        bus.subscribe(String.class, text -> heard.add(text));
        var gone = new ReferenceQueue<ClassLoader>();

        // when a plug-in comes, publishes, and leaves; what it was given to close it by is kept
        var kept = new ArrayList<AutoCloseable>();
        var loader = runPlugin(bus, gone, kept);

        // then
        assertThat(heard).containsExactly("Plugged", "known to all", "Plugged");
        for (int i = 0; i < 50 && !loader.refersTo(null); i++) {
            System.gc();
            gone.remove(100);
        }
        assertThat(loader.refersTo(null)).as("the class loader is gone").isTrue();
        assertThat(kept).hasSize(1);
        assertThat(bus.publish("still in use")).isEqualTo(1);
    }

    private static WeakReference<ClassLoader> runPlugin(
            EventBus bus, ReferenceQueue<ClassLoader> gone, List<AutoCloseable> kept) throws Exception {
        var classes = EventBusPlugin.class.getProtectionDomain().getCodeSource().getLocation();
        var tests = InMemoryEventBusTest.class.getResource("EventBusPlugin.class");
        assertThat(tests).isNotNull();
        var root = URI.create(tests.toString().replaceFirst("dev/cqrs/inmemory/EventBusPlugin\\.class$", ""))
                .toURL();
        try (var loader = new PluginLoader(new URL[] {root, classes})) {
            var plugin = loader.loadClass(EventBusPlugin.class.getName());
            assertThat(plugin).isNotEqualTo(EventBusPlugin.class);
            var running =
                    (AutoCloseable) plugin.getMethod("start", EventBus.class).invoke(null, bus);
            kept.add(bus.subscribe(plugin, event -> {})); // a subscription that was closed holds nothing either
            kept.get(0).close();
            running.close();
            return new WeakReference<>(loader, gone);
        }
    }

    /** Finds the plug-in's classes itself, and all others where the test's come from. */
    private static final class PluginLoader extends URLClassLoader {

        PluginLoader(URL[] places) {
            super(places, InMemoryEventBusTest.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                var loaded = findLoadedClass(name);
                if (loaded != null) {
                    return loaded;
                }
                return name.startsWith(EventBusPlugin.class.getName())
                        ? findClass(name)
                        : super.loadClass(name, resolve);
            }
        }
    }

    // ---- many classes

    @Test
    void many_classes_of_events_keep_their_routes_apart() {
        // given an event of each of some hundred classes
        var bus = InMemoryEventBus.builder().build();
        var events = new ArrayList<Object>();
        Class<?> type = int.class;
        for (int dimension = 1; dimension < 200; dimension++) {
            events.add(Array.newInstance(type, 0));
            type = type.arrayType();
        }
        var heard = new TreeMap<String, Integer>();
        for (var event : events) {
            bus.subscribe(event.getClass(), e -> heard.merge(e.getClass().getName(), 1, Integer::sum));
        }

        // when
        for (int round = 0; round < 2; round++) {
            for (var event : events) {
                int called = bus.publish(event);
                assertThat(called).isEqualTo(1);
            }
        }

        // then
        assertThat(heard)
                .hasSize(199)
                .allSatisfy((name, count) -> assertThat(count).as(name).isEqualTo(2));
    }

    @Test
    void interceptors_are_ordered_by_number_and_then_by_registration() {
        var ran = new ArrayList<String>();
        var bus = InMemoryEventBus.builder()
                .intercept(2, noting(ran, "third"))
                .intercept(1, noting(ran, "first"))
                .intercept(1, noting(ran, "second"))
                .build();
        bus.subscribe(Happened.class, event -> ran.add("subscriber"));

        bus.publish(new Happened(1));

        assertThat(ran).containsExactly("first", "second", "third", "subscriber");
    }

    private static Interceptor noting(List<String> ran, String name) {
        return (message, metadata, next) -> {
            ran.add(name);
            return next.proceed(message, metadata);
        };
    }

    @Test
    void a_class_without_subscribers_is_not_asked_for_again_and_again() {
        var asked = new ArrayList<Class<?>>();
        var bus = InMemoryEventBus.builder()
                .intercept(1, new Interceptor() {
                    @Override
                    public Object around(Object message, Metadata metadata, Next next) throws Exception {
                        return next.proceed(message, metadata);
                    }

                    @Override
                    public boolean appliesTo(Class<?> messageType) {
                        return asked.add(messageType);
                    }
                })
                .build();

        bus.publish(new Happened(1));
        bus.publish(new Happened(2));
        bus.publish("text");

        assertThat(asked).containsExactly(Happened.class, String.class);
    }

    // ---- after the commit of a handler that keeps its state in tables

    record Rename(String id, String name) implements Command<Done> {}

    record Renamed(String id, String name) {}

    /** A table whose changes are seen when they are committed, and are gone otherwise. */
    private static final class Names {
        private final Map<String, String> committed = new TreeMap<>();

        void inTransaction(Change change) throws Exception {
            var working = new TreeMap<>(committed);
            change.make(working);
            committed.putAll(working);
        }

        @FunctionalInterface
        interface Change {
            void make(Map<String, String> names) throws Exception;
        }
    }

    @Test
    void a_handler_with_tables_of_its_own_publishes_after_its_commit_and_nothing_after_a_rollback() {
        // given
        var names = new Names();
        var events = InMemoryEventBus.builder().build();
        var seen = new ArrayList<String>();
        events.subscribe(
                Renamed.class,
                (e, metadata) -> seen.add(e.id() + " is " + names.committed.get(e.id()) + " after "
                        + metadata.causation().orElse("nothing")));
        var commands = InMemoryCommandBus.builder()
                .handle(Rename.class, (command, metadata) -> {
                    names.inTransaction(table -> {
                        table.put(command.id(), command.name());
                        if (command.name().isEmpty()) {
                            throw new IOException("constraint violated");
                        }
                    });
                    events.publish(
                            new Renamed(command.id(), command.name()),
                            Metadata.withId("e-1").causedBy(metadata));
                    return Done.DONE;
                })
                .build();

        // when
        commands.dispatch(new Rename("4711", "Anna"), Metadata.withId("c-1"));
        assertThatThrownBy(() -> commands.dispatch(new Rename("4711", "")))
                .isInstanceOf(HandlerFailedException.class)
                .hasCauseInstanceOf(IOException.class);

        // then the subscriber saw what is committed, and heard nothing of what was rolled back
        assertThat(seen).containsExactly("4711 is Anna after c-1");
        assertThat(names.committed).containsExactly(Map.entry("4711", "Anna"));
    }

    // ---- what one does to the others

    @Test
    void an_interrupt_that_one_subscriber_throws_is_restored_after_the_others_were_called() {
        for (var bus : List.of(
                InMemoryEventBus.builder().build(),
                InMemoryEventBus.builder()
                        .intercept(1, (message, metadata, next) -> next.proceed(message, metadata))
                        .build())) {
            var interrupted = new ArrayList<Boolean>();
            bus.subscribe(Happened.class, e -> {
                throw new InterruptedException();
            });
            bus.subscribe(
                    Happened.class, e -> interrupted.add(Thread.currentThread().isInterrupted()));

            assertThatThrownBy(() -> bus.publish(new Happened(1))).isInstanceOf(HandlerFailedException.class);

            assertThat(interrupted).containsExactly(false);
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    @SuppressWarnings("OverrideThrowableToString") // what must not be
    void a_failure_that_cannot_tell_what_it_is_keeps_the_event_from_nobody() {
        for (var bus : List.of(
                InMemoryEventBus.builder().build(),
                InMemoryEventBus.builder()
                        .intercept(1, (message, metadata, next) -> next.proceed(message, metadata))
                        .build())) {
            var heard = new ArrayList<Integer>();
            bus.subscribe(Happened.class, e -> {
                throw new IOException("why") {
                    @Override
                    public String toString() {
                        throw new IllegalStateException("mute");
                    }
                };
            });
            bus.subscribe(Happened.class, e -> heard.add(e.number()));

            assertThatThrownBy(() -> bus.publish(new Happened(1)))
                    .isInstanceOf(HandlerFailedException.class)
                    .satisfies(thrown ->
                            assertThat(thrown.getCause() instanceof IOException).isTrue());

            assertThat(heard).containsExactly(1);
        }
    }

    @Test
    void failures_that_are_made_once_do_not_grow_for_ever_and_those_of_one_event_are_all_told() {
        for (boolean error : List.of(false, true)) {
            var bus = InMemoryEventBus.builder().build();
            var first = new IllegalStateException("made once");
            var told = error ? new AssertionError("made once, too") : first;
            bus.subscribe(Happened.class, e -> {
                throw first;
            });
            if (error) {
                bus.subscribe(Happened.class, e -> {
                    throw (AssertionError) told;
                });
            }
            for (int i = 0; i < 50; i++) {
                bus.subscribe(Happened.class, e -> {
                    throw new IllegalStateException("made anew");
                });
            }

            assertThatThrownBy(() -> bus.publish(new Happened(1))).isSameAs(told);
            assertThat(told.getSuppressed()).hasSize(error ? 51 : 50);
            for (int i = 2; i < 100; i++) {
                int number = i;
                assertThatThrownBy(() -> bus.publish(new Happened(number))).isSameAs(told);
            }
            assertThat(told.getSuppressed()).hasSizeLessThan(150);
        }
    }

    /** The first event of a class finds its way; those after it go there. */
    @Test
    void a_failure_at_a_later_event_keeps_it_from_nobody_and_is_called_once() {
        var heard = new ArrayList<String>();
        var bus = InMemoryEventBus.builder().build();
        bus.subscribe(Happened.class, e -> heard.add("before " + e.number()));
        bus.subscribe(Happened.class, e -> {
            heard.add("second " + e.number());
            if (e.number() == 2) {
                throw new IllegalStateException("no");
            }
        });
        bus.subscribe(Happened.class, e -> heard.add("after " + e.number()));
        bus.publish(new Happened(1));
        heard.clear();

        assertThatThrownBy(() -> bus.publish(new Happened(2))).hasMessage("no");

        assertThat(heard).containsExactly("before 2", "second 2", "after 2");
        assertThat(bus.publish(new Happened(3))).isEqualTo(3);
    }

    @Test
    void who_leaves_during_a_later_event_is_neither_called_nor_counted() {
        var heard = new ArrayList<String>();
        var leaving = new ArrayList<AutoCloseable>();
        var bus = InMemoryEventBus.builder().build();
        bus.subscribe(Happened.class, e -> {
            if (e.number() == 2) {
                leaving.get(0).close();
            }
        });
        leaving.add(bus.subscribe(Happened.class, e -> heard.add("left " + e.number())));
        bus.subscribe(Happened.class, e -> heard.add("stays " + e.number()));
        assertThat(bus.publish(new Happened(1))).isEqualTo(3);

        assertThat(bus.publish(new Happened(2))).isEqualTo(2);

        assertThat(heard).containsExactly("left 1", "stays 1", "stays 2");
    }

    @Test
    void an_interceptor_that_subscribes_when_it_is_asked_whether_it_applies_hides_nobody() {
        // given
        var heard = new ArrayList<Integer>();
        var own = new ArrayList<EventBus>();
        var bus = InMemoryEventBus.builder()
                .intercept(1, new Interceptor() {
                    private boolean asked;

                    @Override
                    public Object around(Object message, Metadata metadata, Next next) throws Exception {
                        return next.proceed(message, metadata);
                    }

                    @Override
                    public boolean appliesTo(Class<?> type) {
                        if (!asked) {
                            asked = true;
                            own.get(0).subscribe(Happened.class, e -> heard.add(e.number()));
                        }
                        return true;
                    }
                })
                .build();
        own.add(bus);

        // when
        bus.publish(new Happened(1));
        bus.publish(new Happened(2));

        // then
        assertThat(heard).containsExactly(2);
    }
}
