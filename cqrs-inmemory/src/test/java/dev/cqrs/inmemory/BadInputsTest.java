package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.event.EventBus;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.Ledger.Noted;
import dev.cqrs.inmemory.Ledger.Paid;
import dev.cqrs.inmemory.Ledger.Pay;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionFailure;
import dev.cqrs.runtime.ProjectionTimeoutException;
import dev.cqrs.testing.VirtualClock;
import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Forty inputs that nobody should give, by number: each is refused by a named exception that tells what, which, and the
 * cure, and changes nothing; or it is accepted because nothing is wrong with it. The bank goes on in either case.
 *
 * <p>The same on other buses and stores, in every implementation, and more of a kind:
 *
 * <table>
 * <caption>Where else</caption>
 * <tr><th>input</th><th>tests</th></tr>
 * <tr><td>1, 2, 30 to 34, 36</td><td>{@code BusContract}, {@code WiringTest}, {@code ResolvedHandlerTest}</td></tr>
 * <tr><td>3 to 9, 11</td><td>{@code TagTest}, {@code CheckpointStoreContract.names_are_told_apart_by_each_character},
 *     {@code EventStoreContract.tags_are_told_apart_by_key_and_by_each_character_of_the_value}</td></tr>
 * <tr><td>7, 8, 10, 19, 20 on PostgreSQL</td><td>{@code HostileInputTest} of cqrs-jdbc</td></tr>
 * <tr><td>12 to 16, 25, 26, 28, 39</td><td>{@code EventStoreContract}</td></tr>
 * <tr><td>21</td><td>{@code MetadataTest}</td></tr>
 * <tr><td>23, 24</td><td>{@code PositionTest}</td></tr>
 * <tr><td>27, 29</td><td>{@code ReadOptionsTest}</td></tr>
 * <tr><td>38, 40 on PostgreSQL</td><td>{@code JdbcCheckpointStoreTest}, {@code JdbcLeaseTest}</td></tr>
 * <tr><td>39</td><td>{@code CatalogTest}, {@code UpcasterTest}</td></tr>
 * <tr><td>40</td><td>{@code ShutdownTest}, {@code IdempotencyTest}</td></tr>
 * </table>
 */
@SuppressWarnings("NullAway") // nulls are handed over to see them refused
class BadInputsTest {

    record Sum(String account) implements Query<Integer> {}

    sealed interface Bad extends Command<Done> {}

    record Close() implements Bad {}

    record Again() implements Bad {}

    record Cycle() implements Bad {}

    /** Nobody handles it. */
    record Unhandled() implements Bad {
        @Override
        public String toString() {
            throw new UnsupportedOperationException("toString");
        }
    }

    record GiveNull() implements Command<Integer> {}

    record Later(boolean fails) implements Command<CompletableFuture<Integer>> {}

    record Sneak(Exception what) implements Command<Integer> {}

    /** An event whose methods must not be called. */
    static final class Hostile {
        @Override
        @SuppressWarnings("EqualsHashCode")
        public boolean equals(@Nullable Object other) {
            throw new UnsupportedOperationException("equals");
        }

        @Override
        public int hashCode() {
            throw new UnsupportedOperationException("hashCode");
        }

        @Override
        public String toString() {
            throw new UnsupportedOperationException("toString");
        }
    }

    static final Projection<HashMap<String, Integer>> SUMS = Projection.of(
            "sums",
            1,
            Fold.<HashMap<String, Integer>>fresh(HashMap::new)
                    .change(Paid.class, (sums, e) -> sums.merge(e.account(), e.amount(), Integer::sum)));

    private final List<ProjectionFailure> failures = new ArrayList<>();
    private final VirtualClock clock = new VirtualClock(Instant.parse("2026-11-01T00:00:00Z"));
    private final InMemoryEventStore store = new InMemoryEventStore(
            Ledger.catalog().event("hostile", Hostile.class).commandIds().build(), clock);
    private final AtomicReference<Runnable> closing = new AtomicReference<>(() -> {});
    private final InMemoryCqrs.Builder builder = InMemoryCqrs.builder(store)
            .idempotent()
            .onError(failures::add)
            .decide(Pay.class, c -> Ledger.sumOf(c.account()), Ledger::decide, (c, sum) -> sum)
            .run(Close.class, c -> closing.get().run())
            .handle(GiveNull.class, (GiveNull c) -> null)
            .handle(
                    Later.class,
                    (Later c) -> c.fails()
                            ? CompletableFuture.failedFuture(new IOException("later"))
                            : new CompletableFuture<>())
            .handle(Sneak.class, (Sneak c) -> {
                throw BadInputsTest.<RuntimeException>sneaky(c.what());
            })
            .query(Sum.class, SUMS, (q, sums) -> sums.getOrDefault(q.account(), 0));
    private final InMemoryCqrs bank = builder.build();

    @AfterEach
    void close() {
        bank.close();
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <T extends Throwable> RuntimeException sneaky(Throwable thrown) throws T {
        throw (T) thrown;
    }

    /** What is given to the bank is refused by name and in words, the log is as it was, and the bank goes on. */
    private void refused(Class<? extends Throwable> named, ThrowingCallable given, String... told) {
        var before = Ledger.log(store);

        var thrown = catchThrowable(given);

        assertThat(thrown).isInstanceOf(named).hasMessageContainingAll(told);
        assertThat(thrown.getMessage()).hasSizeLessThan(1_000);
        var after = Ledger.log(store);
        assertThat(after).hasSameSizeAs(before);
        for (int i = 0; i < before.size(); i++) {
            assertThat(after.get(i).event() == before.get(i).event()).isTrue();
        }
        goesOn();
    }

    /** An account of its own takes a payment, and the view has it at once. */
    private void goesOn() {
        int sum = bank.ask(new Sum("still"));
        var head = store.head().value();
        assertThat(bank.dispatch(new Pay("still", 1))).isEqualTo(sum + 1);
        assertThat(bank.ask(new Sum("still"))).isEqualTo(sum + 1);
        assertThat(store.head()).isEqualTo(Position.of(head + 1));
        assertThat(failures).isEmpty();
    }

    private static List<Object> batch(int events) {
        return Collections.nCopies(events, new Paid("many", 1));
    }

    @Test
    void the_forty_are_all_here() {
        assertThat(Arrays.stream(BadInputsTest.class.getDeclaredMethods())
                        .map(Method::getName)
                        .filter(name -> name.matches("input_\\d\\d_.*"))
                        .map(name -> Integer.valueOf(name.substring(6, 8))))
                .containsExactlyInAnyOrderElementsOf(
                        IntStream.rangeClosed(1, 40).boxed().toList());
    }

    // ---- nothing at all

    @Test
    void input_01_a_null_command() {
        refused(NullPointerException.class, () -> bank.dispatch(null), "command");
        refused(NullPointerException.class, () -> bank.dispatch(new Pay("a", 1), null), "metadata");
    }

    @Test
    void input_02_a_null_handler() {
        var another = InMemoryCommandBus.builder();
        refused(
                NullPointerException.class,
                () -> another.handle(Pay.class, (CommandHandler.Plain<Pay, Integer>) null),
                "handler");
        assertThat(another.handle(Pay.class, (Pay c) -> c.amount()).build().dispatch(new Pay("a", 1)))
                .isEqualTo(1);
    }

    @Test
    void input_03_a_null_id() {
        refused(NullPointerException.class, () -> bank.dispatch(new Pay(null, 1)), "value");
        refused(NullPointerException.class, () -> Metadata.withId(null), "id");
    }

    // ---- ids

    @Test
    void input_04_an_empty_id() {
        refused(
                IllegalArgumentException.class,
                () -> bank.dispatch(new Pay("", 1)),
                "A tag's value is \"\"",
                "expected");
        refused(
                IllegalArgumentException.class,
                () -> bank.dispatch(new Pay("a", 1), Ledger.id("")),
                "value is \"\"",
                "expected");
    }

    @Test
    void input_05_a_blank_id() {
        refused(IllegalArgumentException.class, () -> bank.dispatch(new Pay(" \t\u00a0\u2003", 1)), "white space");
    }

    @Test
    void input_06_an_id_of_ten_mebibytes() {
        var id = "x".repeat(10 << 20);
        refused(IllegalArgumentException.class, () -> bank.dispatch(new Pay(id, 1)), "10485760", "at most 1000");
        refused(IllegalArgumentException.class, () -> bank.dispatch(new Pay("a", 1), Ledger.id(id)), "10485760");
    }

    @Test
    void input_07_an_id_with_nul() {
        refused(IllegalArgumentException.class, () -> bank.dispatch(new Pay("a\0b", 1)), "NUL at index 1", "\\u0000");
        refused(IllegalArgumentException.class, () -> bank.dispatch(new Pay("a", 1), Ledger.id("\0")), "NUL");
    }

    @Test
    void input_08_a_lone_surrogate() {
        for (var half : List.of("\ud83d", "\ude00", "a\ud83db", "\ude00\ud83d")) {
            refused(IllegalArgumentException.class, () -> bank.dispatch(new Pay(half, 1)), "lone surrogate", "valid");
        }
    }

    @Test
    void input_09_ids_that_only_normalisation_makes_equal_are_two() {
        assertThat(bank.dispatch(new Pay("\u00e9", 1))).isEqualTo(1);
        assertThat(bank.dispatch(new Pay("e\u0301", 2))).isEqualTo(2);
        goesOn();
    }

    @Test
    void input_10_an_id_of_another_language_is_an_id() {
        int sum = 0;
        for (var id : List.of("'; drop table cqrs_event; --", "%", "_", "a%", "a_", "\\", "${x}", "$1", "?")) {
            assertThat(bank.dispatch(new Pay(id, ++sum))).isEqualTo(sum);
            assertThat(bank.ask(new Sum(id))).isEqualTo(sum);
        }
        goesOn();
    }

    @Test
    void input_11_ids_that_differ_in_case_are_two() {
        assertThat(bank.dispatch(new Pay("Stra\u00dfe", 1))).isEqualTo(1);
        assertThat(bank.dispatch(new Pay("STRASSE", 2))).isEqualTo(2);
        assertThat(bank.dispatch(new Pay("stra\u00dfe", 4))).isEqualTo(4);
        goesOn();
    }

    // ---- batches

    @Test
    void input_12_an_empty_batch() {
        refused(
                IllegalArgumentException.class,
                () -> store.append(List.of(), AppendCondition.none()),
                "empty",
                "expected at least one event");
    }

    @Test
    void input_13_a_batch_with_null_inside() {
        refused(
                NullPointerException.class,
                () -> store.append(Arrays.asList(new Paid("a", 1), null, new Paid("a", 2)), AppendCondition.none()),
                "Event 1 of the 3");
    }

    @Test
    void input_14_a_batch_of_100_001_is_appended_whole() {
        store.append(batch(100_001), AppendCondition.none());

        assertThat(bank.ask(new Sum("many"))).isEqualTo(100_001);
        goesOn();
    }

    @Test
    void input_15_a_list_that_another_thread_clears_meanwhile_was_copied() {
        var events = new ArrayList<>(batch(1_000));
        var clearing = new dev.cqrs.eventstore.EventStore.Signal() {
            @Override
            public void beforeAppend() {
                var other = new Thread(events::clear);
                other.start();
                try {
                    other.join();
                } catch (InterruptedException interrupted) {
                    throw new IllegalStateException(interrupted);
                }
            }

            @Override
            public void appended(Position last) {}
        };
        var subscription = store.onAppend(clearing);
        assertThat(store.append(events, AppendCondition.none()).last()).isEqualTo(Position.of(1_000));
        subscription.close();
        assertThat(events).isEmpty();
        assertThat(bank.ask(new Sum("many"))).isEqualTo(1_000);
        goesOn();
    }

    @Test
    void input_16_a_list_whose_iterator_throws() {
        var torn = new AbstractList<Object>() {
            @Override
            public Iterator<Object> iterator() {
                throw new IllegalStateException("torn");
            }

            @Override
            public Object get(int index) {
                throw new IllegalStateException("torn");
            }

            @Override
            public int size() {
                return 2;
            }
        };
        refused(IllegalStateException.class, () -> store.append(torn, AppendCondition.none()), "torn");
    }

    // ---- events

    @Test
    void input_17_an_event_whose_equals_and_hash_code_throw_is_kept_as_it_is() {
        var hostile = new Hostile();
        store.append(List.of(new Paid("a", 1), hostile, hostile), AppendCondition.none());

        try (var events = store.read(EventQuery.types(Hostile.class))) {
            assertThat(events.advance()).isTrue();
            assertThat(events.event() == hostile).isTrue();
        }
        assertThat(bank.ask(new Sum("a"))).isEqualTo(1);
        goesOn();
    }

    @Test
    void input_18_what_cannot_say_what_it_is_is_named_by_its_class() {
        refused(NoHandlerException.class, () -> bank.dispatch(new Unhandled()), Unhandled.class.getName());
        record Mute() {
            @Override
            public String toString() {
                throw new UnsupportedOperationException("toString");
            }
        }
        refused(
                UnknownEventException.class,
                () -> store.append(List.of(new Mute()), AppendCondition.none()),
                Mute.class.getName(),
                "Catalog.builder().event");
    }

    @Test
    void input_19_an_event_that_cannot_be_encoded_in_the_middle_of_a_batch() {
        var codec = new EventCodec() {
            @Override
            public byte[] encode(Object value) {
                throw new UnsupportedOperationException("no bytes for " + value.getClass());
            }

            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                throw new UnsupportedOperationException();
            }
        };
        refused(
                UnsupportedOperationException.class,
                () -> store.catalog().encode(new Noted("x"), codec),
                "no bytes for");
        // in memory nothing is encoded: what no store of this catalog can keep is an event that it does not know
        refused(
                UnknownEventException.class,
                () -> store.append(List.of(new Paid("a", 1), "text", new Paid("a", 2)), AppendCondition.none()),
                "java.lang.String");
    }

    @Test
    void input_20_a_payload_of_64_mebibytes_is_kept_as_the_object_it_is() {
        var text = "x".repeat(64 << 20);
        store.append(List.of(new Noted(text)), AppendCondition.none());

        assertThat(((Noted) Ledger.events(store).get(0)).text()).isSameAs(text);
        goesOn();
    }

    // ---- metadata

    @Test
    void input_21_metadata_with_a_null_value() {
        refused(NullPointerException.class, () -> Metadata.none().with("tenant", null), "tenant");
        refused(NullPointerException.class, () -> Metadata.of(Collections.singletonMap("tenant", null)), "tenant");
        refused(IllegalArgumentException.class, () -> Metadata.none().with("", "x"), "key is empty");
    }

    @Test
    void input_22_metadata_of_100_000_keys_is_kept() {
        var entries = new HashMap<String, String>();
        for (int i = 0; i < 100_000; i++) {
            entries.put("key" + i, "value" + i);
        }
        bank.dispatch(new Pay("a", 1), Metadata.of(entries));

        assertThat(Ledger.log(store).get(0).metadata().entries()).isEqualTo(entries);
        goesOn();
    }

    // ---- positions and options

    @Test
    void input_23_a_position_below_zero() {
        refused(IllegalArgumentException.class, () -> Position.of(-2), "-2", "expected 0");
    }

    @Test
    void input_24_the_least_number_there_is_as_a_position() {
        refused(IllegalArgumentException.class, () -> Position.of(Long.MIN_VALUE), "" + Long.MIN_VALUE, "expected 0");
    }

    @Test
    void input_25_the_greatest_number_there_is_as_a_position() {
        var last = Position.of(Long.MAX_VALUE);
        refused(
                IllegalArgumentException.class,
                () -> store.append(batch(1), AppendCondition.unchanged(EventQuery.all(), last)),
                "" + Long.MAX_VALUE,
                "expected");
        try (var events = store.read(EventQuery.all(), ReadOptions.forwards().after(last))) {
            assertThat(events.advance()).isFalse();
        }
    }

    @Test
    void input_26_a_position_beyond_the_head() {
        goesOn();
        var beyond = Position.of(store.head().value() + 5);
        refused(
                IllegalArgumentException.class,
                () -> store.append(batch(1), AppendCondition.unchanged(EventQuery.all(), beyond)),
                "" + beyond,
                "expected");
        refused(
                ProjectionTimeoutException.class,
                () -> bank.view(SUMS).awaitApplied(beyond, Duration.ZERO),
                "sums",
                "" + beyond);
        try (var events = store.read(EventQuery.all(), ReadOptions.backwards().after(beyond))) {
            assertThat(events.advance()).isFalse();
        }
    }

    @Test
    void input_27_a_negative_limit() {
        refused(
                IllegalArgumentException.class,
                () -> store.read(EventQuery.all(), ReadOptions.forwards().limit(-1)),
                "-1",
                "expected 0");
    }

    @Test
    void input_28_a_limit_of_zero_gives_nothing() {
        goesOn();
        try (var events = store.read(EventQuery.all(), ReadOptions.forwards().limit(0))) {
            assertThat(events.advance()).isFalse();
            assertThat(events.head()).isEqualTo(store.head());
            // nothing was read, so nothing is known to be unchanged
            refused(IllegalStateException.class, events::unchanged, "limit 0", "Read without limit");
        }
    }

    @Test
    void input_29_a_reversed_range() {
        refused(
                IllegalArgumentException.class,
                () -> ReadOptions.backwards().after(Position.of(5)).until(Position.of(4)),
                "after 5 until 4",
                "expected");
    }

    // ---- handlers

    @Test
    void input_30_two_handlers_for_one_command() {
        var two = InMemoryCommandBus.builder().run(Close.class, c -> {}).run(Close.class, c -> {});
        refused(WiringException.class, two::build, "Close has two handlers", "BadInputsTest.java", "Remove one");
    }

    @Test
    void input_31_no_handler() {
        refused(NoHandlerException.class, () -> bank.dispatch(new Again()), "Again", "Register a handler");
        refused(
                WiringException.class,
                () -> InMemoryCommandBus.builder()
                        .run(Close.class, c -> {})
                        .requireAll(Bad.class)
                        .build(),
                "Again",
                "Cycle",
                "Unhandled");
    }

    record Generic<T>(T value) implements Command<Done> {}

    interface Open extends Command<Done> {
        void act();
    }

    record Leaf() implements Bound {}

    sealed interface Bound extends Command<Done> permits Leaf, Branch {}

    non-sealed interface Branch extends Bound {
        void act();
    }

    @Test
    @SuppressWarnings({"unchecked", "rawtypes"})
    void input_32_commands_of_unlikely_types() {
        refused(
                WiringException.class,
                () -> InMemoryCommandBus.builder()
                        .run((Class) Generic.class, c -> {})
                        .run(Open.class, c -> {})
                        .build(),
                "1. " + Generic.class.getName() + " is generic",
                "2. " + Open.class.getName() + " is abstract");
        // they cannot be told by their types, but by the raw ones they can be given; no such command can be sent
        for (Class type : List.<Class>of(int.class, Done[].class, void.class)) {
            var bus = InMemoryCommandBus.builder().run(Close.class, c -> {});
            var given = catchThrowable(() -> bus.run(type, c -> {}).build());
            assertThat(given).as("%s", type).isInstanceOf(WiringException.class).hasMessageContaining(type.getName());
        }
        // a lambda and a proxy have classes that nobody knows before: the open branch of a sealed family has them
        var acted = new ArrayList<Command<?>>();
        var bus = InMemoryCommandBus.builder().run(Bound.class, acted::add).build();
        Branch lambda = () -> {};
        var proxy = (Branch) Proxy.newProxyInstance(
                Branch.class.getClassLoader(), new Class<?>[] {Branch.class}, (self, method, arguments) -> {
                    throw new UnsupportedOperationException(method.getName());
                });
        for (var command : List.of(new Leaf(), lambda)) {
            bus.dispatch(command);
        }
        bus.dispatch(proxy);
        assertThat(acted).hasSize(3);
        assertThat(acted.get(1) == lambda).isTrue();
        assertThat(acted.get(2) == proxy).isTrue();
        Open orphan = () -> {};
        refused(NoHandlerException.class, () -> bus.dispatch(orphan), "No handler for");
    }

    @Test
    void input_33_a_handler_that_gives_null_or_a_future_that_fails_or_never_ends() {
        refused(HandlerFailedException.class, () -> bank.dispatch(new GiveNull()), "GiveNull", "null", "Optional");
        // a future is a result like any other: nobody waits for it
        assertThat(bank.dispatch(new Later(true))).isCompletedExceptionally();
        assertThat(bank.dispatch(new Later(false))).isNotDone();
        goesOn();
    }

    @Test
    void input_34_a_checked_exception_that_is_thrown_undeclared() {
        var disk = new IOException("disk");
        refused(HandlerFailedException.class, () -> bank.dispatch(new Sneak(disk)), "Sneak", "disk", "cause");
        assertThatThrownBy(() -> bank.dispatch(new Sneak(disk))).hasCause(disk);
        refused(HandlerFailedException.class, () -> bank.dispatch(new Sneak(new InterruptedException("stop"))), "stop");
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void input_35_a_handler_that_closes_the_application() {
        closing.set(bank::close);

        assertThat(bank.dispatch(new Close())).isEqualTo(Done.DONE);

        assertThatThrownBy(() -> bank.dispatch(new Close()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        bank.close();
    }

    @Test
    void input_36_a_handler_that_registers_itself_again() {
        var wired = InMemoryCommandBus.builder();
        var calls = new ArrayList<Command<?>>();
        CommandHandler.Action<Again> again = new CommandHandler.Action<>() {
            @Override
            public void run(Again command) {
                calls.add(command);
                wired.run(Again.class, this);
            }
        };
        var bus = wired.run(Again.class, again).build();

        bus.dispatch(new Again());
        bus.dispatch(new Again());

        assertThat(calls).hasSize(2);
        refused(WiringException.class, wired::build, "Again has two handlers");
    }

    @Test
    void input_37_an_event_that_leads_to_a_command_that_leads_to_the_event() throws Exception {
        EventBus events = InMemoryEventBus.builder().build();
        var bus = new AtomicReference<CommandBus>();
        bus.set(InMemoryCommandBus.builder()
                .run(Cycle.class, c -> events.publish(c))
                .run(Again.class, c -> {})
                .build());
        // once by hand, so that all classes are there whose loading could be what overflows
        var first = events.subscribe(Cycle.class, c -> {
            throw new StackOverflowError();
        });
        assertThat(catchThrowable(() -> bus.get().dispatch(new Cycle()))).isInstanceOf(StackOverflowError.class);
        first.close();
        var cycle = events.subscribe(Cycle.class, c -> bus.get().dispatch(c));
        var thrown = new AtomicReference<Throwable>();
        var small = new Thread(
                null, () -> thrown.set(catchThrowable(() -> bus.get().dispatch(new Cycle()))), "small", 1 << 18);
        small.start();
        small.join();
        assertThat(thrown.get()).isInstanceOf(StackOverflowError.class);
        cycle.close();
        assertThat(bus.get().dispatch(new Cycle())).isEqualTo(Done.DONE);
        // and from within a fold, which would go round for ever
        var appending = Projection.of("appending", 1, Fold.from(0).on(Paid.class, (n, e) ->
                (int) store.append(batch(1), AppendCondition.none()).last().value()));
        try (var engine =
                ProjectionEngine.builder(store, failures::add).inline(appending).build()) {
            store.append(batch(1), AppendCondition.none());
            assertThat(failures)
                    .singleElement()
                    .satisfies(failure -> assertThat(failure.cause())
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContainingAll(
                                    "appending", "nothing was written", "Append from a command handler"));
            assertThat(store.head()).isEqualTo(Position.of(1));
            assertThat(engine.health().isWell()).isFalse();
        }
        failures.clear();
        goesOn();
    }

    // ---- another's data, another time

    @Test
    void input_38_a_checkpoint_ahead_of_the_store_or_of_another_one() {
        goesOn();
        var checkpoints = new InMemoryCheckpointStore();
        var sum = Projection.of("sum", 1, Ledger.SUM);
        checkpoints.save("sum", new Checkpoint(1, Position.of(1_000), 1_000_000));

        try (var engine = ProjectionEngine.builder(store, failures::add)
                .checkpoints(checkpoints)
                .inline(sum)
                .build()) {
            // it is not believed: the view begins again
            assertThat((int) engine.view(sum).read(state -> state)).isEqualTo(1);
            goesOn();
            assertThat((int) engine.view(sum).read(state -> state)).isEqualTo(2);
        }
        // a condition that was read from a longer store is refused by name
        refused(
                IllegalArgumentException.class,
                () -> store.append(batch(1), AppendCondition.unchanged(EventQuery.all(), Position.of(1_000))),
                "1000");
    }

    @Test
    void input_39_an_unknown_event_type_and_a_newer_revision() {
        refused(UnknownEventException.class, () -> store.read(EventQuery.types(String.class)), "java.lang.String");
        refused(UnknownEventException.class, () -> store.catalog().typeOf("refunded"), "refunded", "paid");
        var codec = new EventCodec() {
            @Override
            public byte[] encode(Object value) {
                return new byte[0];
            }

            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                throw new UnsupportedOperationException();
            }
        };
        refused(
                UnknownEventException.class,
                () -> store.catalog().decode(new EventCodec.Stored("paid", 9, new byte[0]), codec),
                "paid",
                "revision 9",
                "newer version");
    }

    @Test
    void input_40_after_close_on_one_name_with_a_clock_that_goes_back_and_an_id_given_twice() {
        // an id for two commands
        bank.dispatch(new Pay("a", 1), Ledger.id("7"));
        refused(
                CommandIdReusedException.class,
                () -> bank.dispatch(new Pay("a", 2), Ledger.id("7")),
                "\"7\"",
                "position 2",
                "new id");
        assertThat(bank.dispatch(new Pay("a", 1), Ledger.id("7"))).isEqualTo(1);

        // a clock that goes back: times do not
        var noon = clock.instant();
        clock.set(noon.minusSeconds(3_600));
        goesOn();
        assertThat(Ledger.log(store)).allSatisfy(e -> assertThat(e.recordedAt()).isEqualTo(noon));

        // two projections of one name in one engine; in two engines each follows the log for itself
        refused(
                WiringException.class,
                () -> ProjectionEngine.builder(store, failures::add)
                        .inline(SUMS)
                        .inline(Projection.of("sums", 1, Ledger.SUM))
                        .build(),
                "sums");
        try (var another =
                ProjectionEngine.builder(store, failures::add).inline(SUMS).build()) {
            goesOn();
            assertThat((int) another.view(SUMS).read(sums -> sums.get("still"))).isEqualTo(bank.ask(new Sum("still")));
        }

        // after close
        bank.close();
        bank.close();
        var head = store.head();
        Stream.<ThrowingCallable>of(
                        () -> bank.dispatch(new Pay("a", 1)),
                        () -> bank.ask(new Sum("a")),
                        () -> bank.view(SUMS).read(sums -> sums.size()))
                .forEach(call -> assertThatThrownBy(call)
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("closed"));
        assertThat(store.head()).isEqualTo(head);
        assertThat(store.append(batch(1), AppendCondition.none()).last()).isEqualTo(Position.of(head.value() + 1));
    }
}
