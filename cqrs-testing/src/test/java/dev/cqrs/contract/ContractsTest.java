package dev.cqrs.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.platform.testkit.engine.EngineTestKit;
import org.junit.platform.testkit.engine.Event;
import org.junit.platform.testkit.engine.Events;

/** Tests of the suites themselves: that they pass what is right, and fail what is wrong or does nothing. */
class ContractsTest {

    @ParameterizedTest
    @CsvSource({
        "CommandSuite, 51",
        "NullCommandSuite, 51",
        "QuerySuite, 51",
        "NullQuerySuite, 51",
        "EventBusSuite, 29",
        "NullEventBusSuite, 29",
        "EventStoreSuite, 96",
        "NullEventStoreSuite, 96",
        "CheckpointSuite, 15",
        "NullCheckpointSuite, 15",
        "EventCodecSuite, 18",
        "NullEventCodecSuite, 18"
    })
    void every_test_fails_on_what_does_nothing(String suite, int atLeast) throws ClassNotFoundException {
        var events = run(Class.forName(DoNothing.class.getName() + "$" + suite));

        assertThat(names(events.succeeded()))
                .as("tests that pass on what does nothing")
                .isEmpty();
        assertThat(names(events.skipped())).as("tests that were skipped").isEmpty();
        assertThat(names(events.aborted())).as("tests that were aborted").isEmpty();
        assertThat(events.failed().count()).as("tests that ran").isGreaterThanOrEqualTo(atLeast);
    }

    @Test
    void a_correct_event_store_passes_every_test() {
        FaultyEventStore.faultOfSuite = FaultyEventStore.Fault.NONE;

        var events = run(FaultyEventStore.Suite.class);

        assertThat(names(events.failed()))
                .as("tests that fail on a correct store")
                .isEmpty();
        assertThat(events.succeeded().count()).isGreaterThanOrEqualTo(96);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void each_fault_of_an_event_store_is_found(FaultyEventStore.Fault fault) {
        FaultyEventStore.faultOfSuite = fault;
        var thread = Thread.currentThread();
        var handler = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((on, thrown) -> {}); // what a signal throws is no news here
        if (fault == FaultyEventStore.Fault.SIGNAL_COMES_UNDER_THE_LOCK) {
            // a thread waits for ever, and that this is given up is seen after a second as well as after ten
            System.setProperty(Together.SHORT_PATIENCE, "1");
        }
        try {
            var events = run(FaultyEventStore.Suite.class, fault.foundBy);

            assertThat(names(events.failed())).containsExactly(fault.foundBy);
        } finally {
            System.clearProperty(Together.SHORT_PATIENCE);
            thread.setUncaughtExceptionHandler(handler);
            FaultyEventStore.faultOfSuite = FaultyEventStore.Fault.NONE;
        }
    }

    /** The suite on a store whose iterator often finds that the list it copies has become shorter. */
    static class IteratingSuite extends EventStoreContract {
        @Override
        protected EventStore emptyStore(Catalog catalog, Clock clock) {
            var store = new FaultyEventStore(catalog, clock, FaultyEventStore.Fault.NONE);
            var appends = new AtomicInteger();
            InvocationHandler iterating = (proxy, method, arguments) -> {
                if (method.getName().equals("append")
                        && arguments[0] instanceof ArrayList
                        && appends.incrementAndGet() % 2 == 0) {
                    throw new NoSuchElementException("the list has become shorter");
                }
                try {
                    return method.invoke(store, arguments);
                } catch (InvocationTargetException thrown) {
                    throw thrown.getCause();
                }
            };
            return (EventStore) Proxy.newProxyInstance(
                    EventStore.class.getClassLoader(), new Class<?>[] {EventStore.class}, iterating);
        }
    }

    @Test
    void a_store_may_refuse_a_list_that_became_shorter_as_an_iterator_does() {
        var events = run(IteratingSuite.class, "a_list_that_another_thread_changes_is_appended_whole_or_not_at_all");

        assertThat(names(events.failed())).isEmpty();
        assertThat(events.succeeded().count()).isEqualTo(1);
    }

    @Test
    void a_correct_checkpoint_store_passes_every_test() {
        FaultyCheckpointStore.faultOfSuite = FaultyCheckpointStore.Fault.NONE;

        var events = run(FaultyCheckpointStore.Suite.class);

        assertThat(names(events.failed()))
                .as("tests that fail on a correct store")
                .isEmpty();
        assertThat(events.succeeded().count()).isGreaterThanOrEqualTo(15);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void each_fault_of_a_checkpoint_store_is_found(FaultyCheckpointStore.Fault fault) {
        FaultyCheckpointStore.faultOfSuite = fault;
        try {
            assertThat(names(run(FaultyCheckpointStore.Suite.class, fault.foundBy)
                            .failed()))
                    .containsExactly(fault.foundBy);
        } finally {
            FaultyCheckpointStore.faultOfSuite = FaultyCheckpointStore.Fault.NONE;
        }
    }

    @Test
    void a_correct_event_codec_passes_every_test() {
        FaultyEventCodec.faultOfSuite = FaultyEventCodec.Fault.NONE;

        var events = run(FaultyEventCodec.Suite.class);

        assertThat(names(events.failed()))
                .as("tests that fail on a correct codec")
                .isEmpty();
        assertThat(events.succeeded().count()).isGreaterThanOrEqualTo(18);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void each_fault_of_an_event_codec_is_found(FaultyEventCodec.Fault fault) {
        FaultyEventCodec.faultOfSuite = fault;
        try {
            assertThat(names(run(FaultyEventCodec.Suite.class, fault.foundBy).failed()))
                    .containsExactly(fault.foundBy);
        } finally {
            FaultyEventCodec.faultOfSuite = FaultyEventCodec.Fault.NONE;
        }
    }

    @Test
    void a_correct_command_bus_passes_every_test() {
        FaultyCommandBus.faultOfSuite = FaultyCommandBus.Fault.NONE;

        var events = run(FaultyCommandBus.Suite.class);

        assertThat(names(events.failed()))
                .as("tests that fail on a correct bus")
                .isEmpty();
        assertThat(events.succeeded().count()).isGreaterThanOrEqualTo(51);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void each_fault_of_a_command_bus_is_found(FaultyCommandBus.Fault fault) {
        FaultyCommandBus.faultOfSuite = fault;
        try {
            assertThat(names(run(FaultyCommandBus.Suite.class, fault.foundBy).failed()))
                    .containsExactly(fault.foundBy);
        } finally {
            FaultyCommandBus.faultOfSuite = FaultyCommandBus.Fault.NONE;
        }
    }

    @Test
    void a_correct_event_bus_passes_every_test() {
        FaultyEventBus.faultOfSuite = FaultyEventBus.Fault.NONE;

        var events = run(FaultyEventBus.Suite.class);

        assertThat(names(events.failed()))
                .as("tests that fail on a correct bus")
                .isEmpty();
        assertThat(events.succeeded().count()).isGreaterThanOrEqualTo(29);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void each_fault_of_an_event_bus_is_found(FaultyEventBus.Fault fault) {
        FaultyEventBus.faultOfSuite = fault;
        try {
            assertThat(names(run(FaultyEventBus.Suite.class, fault.foundBy).failed()))
                    .containsExactly(fault.foundBy);
        } finally {
            FaultyEventBus.faultOfSuite = FaultyEventBus.Fault.NONE;
        }
    }

    @Test
    void no_suite_can_skip_a_test_or_swallow_its_failure() {
        var classes = contracts();
        var wrong = new TreeSet<String>();
        for (var type : classes) {
            forbidden(type.getDirectDependenciesFromSelf().stream()
                            .map(dependency -> dependency.getTargetClass().getName()))
                    .forEach(name -> wrong.add(type.getName() + " uses " + name));
            for (var unit : type.getCodeUnits()) {
                caught(unit)
                        .filter(ContractsTest::holdsAssertionError)
                        .forEach(name -> wrong.add(unit.getFullName() + " catches " + name));
            }
        }

        assertThat(wrong).isEmpty();
        assertThat(classes.size()).as("classes that were looked at").isGreaterThan(20);
    }

    @ParameterizedTest
    @ValueSource(
            classes = {
                BusContract.class,
                EventBusContract.class,
                EventStoreContract.class,
                CheckpointStoreContract.class,
                EventCodecContract.class
            })
    void every_test_of_a_suite_is_named_by_a_sentence(Class<?> suite) {
        var names = Stream.of(suite.getDeclaredMethods())
                .filter(method -> method.isAnnotationPresent(Test.class))
                .map(Method::getName)
                .toList();

        assertThat(names).hasSizeGreaterThanOrEqualTo(12).allMatch(name -> name.matches("[a-z]+(_[a-z0-9]+){2,}"));
    }

    private static Events run(Class<?> suite) {
        return EngineTestKit.engine("junit-jupiter")
                .selectors(selectClass(suite))
                .execute()
                .testEvents();
    }

    private static Events run(Class<?> suite, String test) {
        return EngineTestKit.engine("junit-jupiter")
                .selectors(selectMethod(suite, test))
                .execute()
                .testEvents();
    }

    private static Set<String> names(Events events) {
        return names(events.stream());
    }

    private static Set<String> names(Stream<Event> events) {
        return events.map(event -> event.getTestDescriptor().getDisplayName().replace("()", ""))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static JavaClasses contracts() {
        var source = BusContract.class.getProtectionDomain().getCodeSource().getLocation();
        return new ClassFileImporter()
                .importPath(Path.of(URI.create(source.toString())).resolve("dev/cqrs/contract"));
    }

    private static Stream<String> forbidden(Stream<String> names) {
        return names.filter(name -> name.startsWith("org.junit.jupiter.api.Assumptions")
                || name.startsWith("org.junit.jupiter.api.condition.")
                || name.equals("org.junit.jupiter.api.Disabled")
                || name.equals("org.opentest4j.TestAbortedException")
                || name.endsWith(".Ignore")
                || name.startsWith("org.assertj."));
    }

    private static Stream<String> caught(JavaCodeUnit unit) {
        return unit.getTryCatchBlocks().stream()
                .flatMap(block -> block.getCaughtThrowables().stream())
                .map(JavaClass::getName);
    }

    /** Throwable is left out: every try with resources catches it, to throw it again. */
    private static boolean holdsAssertionError(String name) {
        return name.equals("java.lang.AssertionError")
                || name.equals("java.lang.Error")
                || name.startsWith("org.opentest4j.");
    }
}
