package dev.cqrs.imports;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.suite.Counting;
import dev.cqrs.suite.Fronted;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.SimulatedCrash;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class EventImportTest {

    /** Of the source. */
    record Placed(int number) {}

    /** Of the source, and never wanted. */
    record Viewed(int number) {}

    /** Of the local store: what an order placed elsewhere becomes. */
    record Sold(int number, int part) {}

    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final Clock CLOCK = Clock.fixed(Instant.EPOCH, ZoneOffset.UTC);
    private static final Executor DIRECT = Runnable::run;

    private static final Catalog THEIRS = Catalog.builder()
            .event("placed", Placed.class)
            .event("viewed", Viewed.class)
            .build();
    private static final Catalog OURS = Catalog.builder()
            .event("sold", Sold.class, e -> Set.of(Tag.of("order", "" + e.number())))
            .event(ImportMark.NAME, ImportMark.class, ImportMark::tags)
            .build();

    private final EventStore source = new InMemoryEventStore(THEIRS, CLOCK);
    private final EventStore local = new InMemoryEventStore(OURS, CLOCK);
    private final List<ImportStatus.Failure> failures = new ArrayList<>();

    /** An order becomes as many sales as its number's last decimal digit says, modulo 3. */
    private static List<Sold> translate(RecordedEvent recorded) {
        return recorded.event() instanceof Placed placed ? sales(placed.number()) : List.of();
    }

    private static List<Sold> sales(int number) {
        return IntStream.range(0, number % 10 % 3)
                .mapToObj(part -> new Sold(number, part))
                .toList();
    }

    private static List<Sold> allSales(int upTo) {
        return IntStream.rangeClosed(1, upTo)
                .mapToObj(EventImportTest::sales)
                .flatMap(List::stream)
                .toList();
    }

    private static List<Sold> sold(EventStore local) {
        try (var events = local.read(EventQuery.types(Sold.class))) {
            return events.toList().stream()
                    .map(recorded -> (Sold) recorded.event())
                    .toList();
        }
    }

    private static List<ImportMark> marks(EventStore local) {
        try (var events = local.read(EventQuery.types(ImportMark.class))) {
            return events.toList().stream()
                    .map(recorded -> (ImportMark) recorded.event())
                    .toList();
        }
    }

    private void place(int from, int to) {
        for (int i = from; i <= to; i++) {
            source.append(List.of(new Placed(i)), AppendCondition.none());
        }
    }

    private EventImport start(Executor executor) {
        return EventImport.from("orders", source).into(local, EventImportTest::translate, executor, failures::add);
    }

    // ---- the ordinary way

    @Test
    void what_is_there_and_what_comes_is_imported_in_order_with_its_metadata() {
        // given
        source.append(List.of(new Placed(1), new Placed(2)), AppendCondition.none(), Metadata.withId("c-1"));

        // when
        try (var imported = start(DIRECT)) {
            source.append(List.of(new Placed(3), new Placed(4)), AppendCondition.none(), Metadata.withId("c-2"));

            // then
            assertThat(sold(local)).isEqualTo(allSales(4)).hasSize(4);
            assertThat(imported.status())
                    .isEqualTo(new ImportStatus(
                            "orders", ImportStatus.State.RUNNING, Position.of(4), Position.of(4), Optional.empty()));
            assertThat(imported.status().lag()).isZero();
        }
        try (var events = local.read(EventQuery.all())) {
            assertThat(events.toList())
                    .extracting(recorded -> recorded.metadata().id().orElse("none"))
                    .containsExactly("c-1", "c-1", "c-1", "c-1", "c-2", "c-2");
        }
        assertThat(marks(local)).containsExactly(new ImportMark("orders", 2), new ImportMark("orders", 4));
        assertThat(failures).isEmpty();
    }

    @Test
    void what_was_appended_under_different_metadata_keeps_its_own_though_it_is_imported_at_once() {
        // given a change of metadata at an event that becomes nothing, and one in the middle
        source.append(List.of(new Placed(1), new Placed(2)), AppendCondition.none(), Metadata.withId("c-1"));
        source.append(List.of(new Viewed(3)), AppendCondition.none(), Metadata.withId("c-2"));
        source.append(List.of(new Placed(4)), AppendCondition.none(), Metadata.withId("c-3"));
        source.append(List.of(new Placed(5)), AppendCondition.none(), Metadata.withId("c-4"));

        // when
        start(DIRECT).close();

        // then
        try (var events = local.read(EventQuery.types(Sold.class))) {
            assertThat(events.toList())
                    .extracting(recorded -> recorded.metadata().id().orElse("none"))
                    .containsExactly("c-1", "c-1", "c-1", "c-3", "c-4", "c-4");
        }
        assertThat(sold(local)).isEqualTo(allSales(5));
    }

    @Test
    void only_what_is_chosen_is_translated() {
        var seen = new ArrayList<Object>();
        source.append(List.of(new Viewed(1), new Placed(1), new Viewed(2)), AppendCondition.none());

        try (var imported = EventImport.from("orders", source)
                .only(EventQuery.types(Placed.class))
                .into(
                        local,
                        recorded -> {
                            seen.add(recorded.event());
                            return translate(recorded);
                        },
                        DIRECT,
                        failures::add)) {
            assertThat(imported.position()).isEqualTo(Position.of(3));
        }

        assertThat(seen).containsExactly(new Placed(1));
        assertThat(sold(local)).isEqualTo(allSales(1));
    }

    @Test
    void a_restart_goes_on_after_the_last_mark() {
        place(1, 5);
        start(DIRECT).close();
        place(6, 9);
        assertThat(sold(local)).isEqualTo(allSales(5));

        start(DIRECT).close();

        assertThat(sold(local)).isEqualTo(allSales(9));
    }

    @Test
    void a_large_history_is_imported_in_appends_of_bounded_size() {
        // given many events in one append of the source
        source.append(IntStream.rangeClosed(1, 1_005).mapToObj(Placed::new).toList(), AppendCondition.none());

        // when
        start(DIRECT).close();

        // then
        assertThat(sold(local)).isEqualTo(allSales(1_005));
        assertThat(marks(local)).hasSize(11);
    }

    @Test
    void two_sources_are_told_apart() {
        var other = new InMemoryEventStore(THEIRS, CLOCK);
        other.append(List.of(new Placed(2)), AppendCondition.none());
        place(1, 4);

        start(DIRECT).close();
        EventImport.from("others", other)
                .into(local, EventImportTest::translate, DIRECT, failures::add)
                .close();

        assertThat(sold(local)).hasSize(allSales(4).size() + sales(2).size());
        assertThat(marks(local)).contains(new ImportMark("orders", 4), new ImportMark("others", 1));
    }

    @Test
    void events_that_become_nothing_leave_a_mark_now_and_then_so_that_a_restart_does_not_begin_at_the_start() {
        // given
        for (int i = 0; i < 30; i++) {
            source.append(IntStream.rangeClosed(1, 100).mapToObj(Viewed::new).toList(), AppendCondition.none());
        }
        source.append(List.of(new Viewed(1)), AppendCondition.none());

        // when
        try (var imported = start(DIRECT)) {
            assertThat(imported.position()).isEqualTo(Position.of(3_001));
        }

        // then
        assertThat(marks(local))
                .containsExactly(
                        new ImportMark("orders", 1_000),
                        new ImportMark("orders", 2_000),
                        new ImportMark("orders", 3_000));
        var again = new AtomicInteger();
        EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            again.incrementAndGet();
                            return List.of();
                        },
                        DIRECT,
                        failures::add)
                .close();
        assertThat(again).hasValue(1);
    }

    @Test
    void a_mark_that_comes_with_events_is_enough_for_what_became_nothing_before() {
        for (int i = 0; i < 950; i++) {
            source.append(List.of(new Viewed(i)), AppendCondition.none());
        }
        place(1, 1);
        for (int i = 0; i < 950; i++) {
            source.append(List.of(new Viewed(i)), AppendCondition.none());
        }

        start(DIRECT).close();

        assertThat(marks(local)).hasSize(1);
    }

    @Test
    void every_stream_of_both_stores_is_closed_and_with_the_import_its_subscription() {
        var theirs = new Counting(source);
        var ours = new Counting(local);
        place(1, 205);
        var imported = EventImport.from("orders", theirs)
                .into(
                        ours,
                        recorded -> {
                            if (recorded.event().equals(new Placed(205))) {
                                throw new IllegalStateException("cannot translate");
                            }
                            return translate(recorded);
                        },
                        DIRECT,
                        failures::add);
        assertThat(failures).hasSize(1);
        assertThat(theirs.open).as("the subscription").hasValue(1);

        imported.close();

        assertThat(theirs.opened).hasValueGreaterThan(3);
        assertThat(theirs.open).hasValue(0);
        assertThat(ours.opened).hasPositiveValue();
        assertThat(ours.open).hasValue(0);
    }

    // ---- waiting

    @Test
    void waiting_ends_when_the_position_is_imported() throws Exception {
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try (var imported = start(pool)) {
            for (int i = 1; i <= 200; i++) {
                place(i, i);
                imported.awaitImported(source.head(), PATIENCE);
                assertThat(sold(local)).hasSize(allSales(i).size());
            }
        } finally {
            pool.shutdown();
            assertThat(pool.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void waiting_in_vain_is_told_with_both_positions() {
        place(1, 1);
        try (var imported = start(task -> {})) {
            assertThatThrownBy(() -> imported.awaitImported(Position.of(1), Duration.ZERO))
                    .isInstanceOf(ImportTimeoutException.class)
                    .hasMessageContaining("\"orders\" is at position 0")
                    .hasMessageContaining("expected 1");
            assertThat(imported.status().lag()).isEqualTo(1);
        }
    }

    /** Waits in a thread of its own, and gives what that ended with once `then` has happened while it waits. */
    private static Throwable waitingEndsWith(EventImport imported, Position wanted, Consumer<Thread> then)
            throws InterruptedException {
        var thrown = new AtomicReference<Throwable>();
        var waiter = new Thread(() -> {
            try {
                imported.awaitImported(wanted, Duration.ofDays(1)); // so that it is woken, or is still there
            } catch (Throwable any) {
                thrown.set(any);
            }
        });
        waiter.start();
        while (waiter.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        then.accept(waiter);
        waiter.join(PATIENCE.toMillis());
        return Optional.ofNullable(thrown.get()).orElseThrow();
    }

    @Test
    void waiting_ends_when_the_import_stops_or_is_closed_or_the_thread_is_interrupted() throws Exception {
        var remote = new Remote(source);
        var imported =
                EventImport.from("orders", remote).into(local, EventImportTest::translate, DIRECT, failures::add);

        assertThat(waitingEndsWith(imported, Position.of(1), Thread::interrupt))
                .isInstanceOf(InterruptedException.class);
        remote.down = true;
        assertThat(waitingEndsWith(imported, Position.of(1), waiter -> place(1, 1)))
                .isInstanceOf(ImportStoppedException.class)
                .hasCause(remote.cut);
        remote.down = false;
        imported.resume();
        imported.awaitImported(Position.of(1), PATIENCE);
        assertThat(waitingEndsWith(imported, Position.of(2), waiter -> imported.close()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("is closed at position 1");
        imported.awaitImported(Position.of(1), Duration.ZERO);
    }

    @Test
    void a_source_that_throws_when_it_is_left_has_the_import_closed_all_the_same() throws Exception {
        var cut = new IllegalStateException("no connection");
        var remote = new Fronted(source) {
            @Override
            public Subscription onAppend(Signal signal) {
                super.onAppend(signal);
                return () -> {
                    throw cut;
                };
            }
        };
        var imported =
                EventImport.from("orders", remote).into(local, EventImportTest::translate, DIRECT, failures::add);

        assertThat(waitingEndsWith(
                        imported,
                        Position.of(1),
                        waiter -> assertThatThrownBy(imported::close).isSameAs(cut)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("is closed at position 0");

        place(1, 1);
        assertThat(sold(local)).isEmpty();
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.CLOSED);
    }

    @Test
    void a_status_is_never_behind_itself() {
        var ahead = new ImportStatus(
                "orders", ImportStatus.State.RUNNING, Position.of(5), Position.of(3), Optional.empty());
        assertThat(ahead.lag()).isZero();
        assertThatThrownBy(() -> new ImportMark("orders", -1)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void waiting_from_within_the_translation_is_refused() {
        place(1, 1);
        var own = new ArrayList<EventImport>();
        var queue = new ArrayList<Runnable>();
        own.add(EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            try {
                                own.get(0).awaitImported(Position.of(1), PATIENCE);
                            } catch (InterruptedException impossible) {
                                throw new IllegalStateException(impossible);
                            }
                            return List.of();
                        },
                        queue::add,
                        failures::add));

        queue.get(0).run();

        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause())
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("wait for itself"));
    }

    // ---- failures

    @Test
    void a_translation_that_throws_stops_the_import_at_its_event_and_is_told_once() {
        // given
        place(1, 6);
        var broken = new IllegalStateException("cannot translate");
        var imported = EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            if (recorded.position().value() == 5) {
                                throw broken;
                            }
                            return translate(recorded);
                        },
                        DIRECT,
                        failures::add);
        place(7, 8);

        // then
        assertThat(failures).containsExactly(new ImportStatus.Failure("orders", Position.of(5), broken));
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.STOPPED);
        assertThat(imported.status().failure()).isPresent();
        assertThatThrownBy(() -> imported.awaitImported(Position.of(8), PATIENCE))
                .isInstanceOfSatisfying(ImportStoppedException.class, stopped -> {
                    assertThat(stopped).hasCause(broken);
                    assertThat(stopped.source()).isEqualTo("orders");
                    assertThat(stopped.position()).isEqualTo(Position.of(5));
                });
        assertThat(sold(local)).isEqualTo(allSales(4));

        // when it is mended and started anew
        start(DIRECT).close();
        assertThat(sold(local)).isEqualTo(allSales(8));
    }

    @Test
    void an_event_that_the_local_catalog_does_not_know_stops_the_import() {
        place(1, 1);
        EventImport.from("orders", source).into(local, recorded -> List.of(recorded.event()), DIRECT, failures::add);

        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause()).isInstanceOf(UnknownEventException.class));
        assertThat(local.head()).isEqualTo(Position.START);
    }

    @Test
    void what_comes_before_an_event_that_nobody_can_read_or_that_the_local_store_does_not_know_is_imported() {
        // given
        place(1, 5);
        for (boolean atRead : List.of(true, false)) {
            var unreadable = new Fronted(source) {
                @Override
                public EventStream read(EventQuery query, ReadOptions options) {
                    return new Fronted.Stream(super.read(query, options)) {
                        @Override
                        public boolean advance() {
                            boolean advanced = super.advance();
                            if (advanced && position().value() == 4) {
                                throw new UnknownEventException("of tomorrow", "placed, viewed");
                            }
                            return advanced;
                        }
                    };
                }
            };
            var ours = new InMemoryEventStore(OURS, CLOCK);
            failures.clear();

            // when
            try (var imported = EventImport.from("orders", atRead ? unreadable : source)
                    .into(
                            ours,
                            recorded -> recorded.position().value() == 4
                                    ? List.of(new Viewed(4))
                                    : List.of(new Sold((int) recorded.position().value(), 0)),
                            DIRECT,
                            failures::add)) {
                // then
                assertThat(sold(ours)).containsExactly(new Sold(1, 0), new Sold(2, 0), new Sold(3, 0));
                assertThat(imported.position()).isEqualTo(Position.of(3));
                assertThat(imported.status().state()).isEqualTo(ImportStatus.State.STOPPED);
                assertThat(failures)
                        .singleElement()
                        .satisfies(failure -> assertThat(failure.cause()).isInstanceOf(UnknownEventException.class));
            }
        }
    }

    @Test
    void a_null_translation_and_an_executor_that_refuses_stop_the_import() {
        place(1, 1);
        EventImport.from("orders", source).into(local, recorded -> nothing(), DIRECT, failures::add);
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause()).hasMessageContaining("returned null"));

        failures.clear();
        start(task -> {
            throw new RejectedExecutionException("full");
        });
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause()).hasMessage("full"));
    }

    @Test
    void an_interrupt_that_comes_as_an_exception_is_kept_whoever_has_thrown_it() {
        place(1, 1);
        var interrupted = new InterruptedException("no room");
        Executor full = task -> sneak(interrupted);
        var reading = new Fronted(source) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                sneak(interrupted);
                return super.read(query, options);
            }
        };
        List.<Supplier<EventImport>>of(
                        () -> start(full),
                        () -> EventImport.from("orders", reading)
                                .into(local, EventImportTest::translate, DIRECT, failures::add),
                        () -> EventImport.from("orders", source)
                                .into(
                                        local,
                                        recorded -> {
                                            sneak(interrupted);
                                            return List.of();
                                        },
                                        DIRECT,
                                        failures::add))
                .forEach(started -> {
                    failures.clear();
                    try (var imported = started.get()) {
                        assertThat(Thread.interrupted()).isTrue();
                        assertThat(failures)
                                .singleElement()
                                .satisfies(
                                        failure -> assertThat(failure.cause()).isSameAs(interrupted));
                        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.STOPPED);
                    }
                });
    }

    @SuppressWarnings("unchecked") // as in a language without checked exceptions
    private static <X extends Throwable> void sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void the_marks_of_a_source_that_itself_imports_are_refused_and_can_be_left_out() {
        // given a source that has imported from a third store under the same name
        var third = new InMemoryEventStore(THEIRS, CLOCK);
        third.append(List.of(new Placed(2), new Placed(4)), AppendCondition.none());
        var relay = new InMemoryEventStore(OURS, CLOCK);
        EventImport.from("orders", third)
                .into(relay, EventImportTest::translate, DIRECT, failures::add)
                .close();
        assertThat(marks(relay)).containsExactly(new ImportMark("orders", 2));

        // when all of it is handed on as it is
        EventImport.from("orders", relay).into(local, recorded -> List.of(recorded.event()), DIRECT, failures::add);

        // then
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause())
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("import mark"));
        assertThat(marks(local))
                .containsExactly(new ImportMark("orders", sold(relay).size()));

        // when they are not asked for
        EventImport.from("orders", relay)
                .only(EventQuery.types(Sold.class))
                .into(local, recorded -> List.of(recorded.event()), DIRECT, failures::add)
                .close();

        // then
        assertThat(failures).hasSize(1);
        assertThat(sold(local)).isEqualTo(sold(relay));
    }

    @Test
    void a_source_that_is_not_the_one_that_was_imported_is_found_out() {
        place(1, 4);
        start(DIRECT).close();
        var restored = new InMemoryEventStore(THEIRS, CLOCK);
        restored.append(List.of(new Placed(7)), AppendCondition.none());

        var later = new ArrayList<Runnable>();
        EventImport.from("orders", restored)
                .retry((delay, task) -> later.add(task), Duration.ZERO) // which cannot mend it
                .into(local, EventImportTest::translate, DIRECT, failures::add);
        assertThat(later).isEmpty();

        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause())
                        .hasMessageContaining("ends at position 1")
                        .hasMessageContaining("imported up to 4"));
        assertThat(sold(local)).isEqualTo(allSales(4));
    }

    @Test
    void what_cannot_work_is_refused_at_the_start() {
        var unmarked = new InMemoryEventStore(
                Catalog.builder().event("sold", Sold.class).build(), CLOCK);
        var untagged = new InMemoryEventStore(
                Catalog.builder().event(ImportMark.NAME, ImportMark.class).build(), CLOCK);

        assertThatThrownBy(() -> EventImport.from("orders", source)
                        .into(unmarked, EventImportTest::translate, DIRECT, failures::add))
                .isInstanceOf(UnknownEventException.class);
        assertThatThrownBy(() -> EventImport.from("orders", source)
                        .into(untagged, EventImportTest::translate, DIRECT, failures::add))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("without their tag");
        assertThatThrownBy(() -> EventImport.from("orders", local)
                        .into(local, EventImportTest::translate, DIRECT, failures::add))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> EventImport.from(" ", source)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void what_the_listener_throws_goes_to_the_handler_of_uncaught_exceptions() {
        place(1, 1);
        var uncaught = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((on, thrown) -> uncaught.add(thrown));
        try {
            EventImport.from("orders", source).into(local, recorded -> nothing(), DIRECT, failure -> {
                throw new IllegalStateException("listener");
            });
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        assertThat(uncaught).singleElement().satisfies(thrown -> {
            assertThat(thrown).hasMessage("listener");
            assertThat(thrown.getSuppressed()).hasSize(1);
        });
    }

    @Test
    void a_listener_that_throws_what_it_is_told_and_a_handler_that_throws_do_not_keep_the_import_from_trying_again() {
        for (boolean handlerThrows : List.of(false, true)) {
            // given
            var remote = new Remote(source);
            var ours = new InMemoryEventStore(OURS, CLOCK);
            var later = new ArrayList<Runnable>();
            var uncaught = new ArrayList<Throwable>();
            var thread = Thread.currentThread();
            var before = thread.getUncaughtExceptionHandler();
            thread.setUncaughtExceptionHandler((on, thrown) -> {
                uncaught.add(thrown);
                if (handlerThrows) {
                    throw new IllegalStateException("the handler too");
                }
            });
            try (var imported = EventImport.from("orders", remote)
                    .retry((delay, task) -> later.add(task), Duration.ZERO)
                    .into(ours, EventImportTest::translate, DIRECT, failure -> {
                        throw (RuntimeException) failure.cause();
                    })) {
                // when
                remote.down = true;
                place(1, 1);

                // then
                assertThat(uncaught).singleElement().isSameAs(remote.cut);
                assertThat(remote.cut.getSuppressed()).isEmpty();
                remote.down = false;
                later.get(0).run();
                assertThat(imported.position()).isEqualTo(source.head());
            } finally {
                thread.setUncaughtExceptionHandler(before);
            }
        }
    }

    // ---- closing

    @Test
    void closing_waits_for_the_append_under_way_and_nothing_is_imported_afterwards() throws Exception {
        // given an import that is in the middle of an event
        var inside = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        ExecutorService pool = Executors.newSingleThreadExecutor();
        place(1, 3);
        var imported = EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            inside.countDown();
                            try {
                                goOn.await();
                            } catch (InterruptedException impossible) {
                                throw new IllegalStateException(impossible);
                            }
                            return translate(recorded);
                        },
                        pool,
                        failures::add);
        assertThat(inside.await(120, TimeUnit.SECONDS)).isTrue();

        // when
        var closed = new CountDownLatch(1);
        var closer = new Thread(() -> {
            imported.close();
            closed.countDown();
        });
        closer.start();
        assertThat(closed.getCount()).isEqualTo(1);
        goOn.countDown();
        assertThat(closed.await(120, TimeUnit.SECONDS)).isTrue();
        var then = local.head();
        place(4, 5);
        imported.close();

        // then
        pool.shutdown();
        assertThat(pool.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        assertThat(local.head()).isEqualTo(then);
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.CLOSED);
        assertThatThrownBy(() -> imported.awaitImported(Position.of(5), PATIENCE))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThat(failures).isEmpty();
        start(DIRECT).close();
        assertThat(sold(local)).isEqualTo(allSales(5));
    }

    @Test
    void an_import_that_is_closed_from_within_its_translation_leaves_the_rest_to_the_next() {
        place(1, 6);
        var queue = new ArrayList<Runnable>();
        var own = new ArrayList<EventImport>();
        var seen = new ArrayList<Object>();
        own.add(EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            seen.add(recorded.event());
                            if (recorded.event().equals(new Placed(4))) {
                                own.get(0).close();
                            }
                            return translate(recorded);
                        },
                        queue::add,
                        failures::add));

        queue.get(0).run();

        assertThat(seen).hasSize(4);
        assertThat(queue).hasSize(1);
        assertThat(failures).isEmpty();
        assertThat(own.get(0).status().state()).isEqualTo(ImportStatus.State.CLOSED);
        start(DIRECT).close();
        assertThat(sold(local)).isEqualTo(allSales(6));
    }

    @Test
    void a_task_that_runs_after_the_import_was_closed_looks_at_no_store() {
        place(1, 3);
        var theirs = new Counting(source);
        var ours = new Counting(local);
        var queue = new ArrayList<Runnable>();
        EventImport.from("orders", theirs)
                .into(ours, EventImportTest::translate, queue::add, failures::add)
                .close();

        queue.get(0).run();

        assertThat(theirs.opened).as("the subscription").hasValue(1);
        assertThat(ours.opened).hasValue(0);
        assertThat(queue).hasSize(1);
    }

    // ---- crashes, races, unknown outcomes

    /** A store that at chosen appends does not know whether it wrote. */
    private static final class Forgetful extends Fronted {
        private final IntPredicate unknown;
        private final IntPredicate written;
        private int appends;

        Forgetful(EventStore store, IntPredicate unknown, IntPredicate written) {
            super(store);
            this.unknown = unknown;
            this.written = written;
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            int number = ++appends;
            if (!unknown.test(number)) {
                return store.append(events, condition, metadata);
            }
            if (written.test(number)) {
                store.append(events, condition, metadata);
            }
            throw new AppendOutcomeUnknownException("append " + number, new IllegalStateException("cut"));
        }
    }

    /** A store that another process keeps, and that is not always there. */
    private static final class Remote extends Fronted {
        final IllegalStateException cut = new IllegalStateException("no connection");
        volatile boolean down;
        final AtomicInteger reads = new AtomicInteger();
        final List<Long> limits = new ArrayList<>();

        Remote(EventStore store) {
            super(store);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            reads.incrementAndGet();
            limits.add(options.limit());
            check();
            return super.read(query, options);
        }

        @Override
        public Position head() {
            check();
            return super.head();
        }

        private void check() {
            if (down) {
                throw cut;
            }
        }
    }

    /** A store that reads each event as two, at one position, as an upcaster may have it. */
    private static final class Splitting extends Fronted {

        private final int single;

        Splitting(EventStore store) {
            this(store, 0);
        }

        /** Reads the first so many as one each. */
        Splitting(EventStore store, int single) {
            super(store);
            this.single = single;
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            var whole = super.read(query, options);
            return new Fronted.Stream(whole) {
                private boolean second = true;

                @Override
                public boolean advance() {
                    second = !second && whole.position().value() > single;
                    return second || whole.advance();
                }

                @Override
                public Object event() {
                    return second ? new Viewed(((Placed) whole.event()).number()) : whole.event();
                }

                @Override
                public String name() {
                    return second ? "viewed" : whole.name();
                }
            };
        }
    }

    // ---- a source that is not always there

    @Test
    void of_an_event_that_is_read_as_two_both_are_imported_or_none() {
        // given a translation that fails at the second part of an event
        place(1, 3);
        var broken = new AtomicInteger(3);
        var imported = EventImport.from("orders", new Splitting(source))
                .into(
                        local,
                        recorded -> {
                            if (recorded.event() instanceof Placed placed) {
                                return List.of(new Sold(placed.number(), 1));
                            }
                            int number = ((Viewed) recorded.event()).number();
                            if (number == broken.get()) {
                                throw new IllegalStateException("cannot translate");
                            }
                            return List.of(new Sold(number, 2));
                        },
                        DIRECT,
                        failures::add);
        var before = List.of(new Sold(1, 1), new Sold(1, 2), new Sold(2, 1), new Sold(2, 2));
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.position()).isEqualTo(Position.of(3)));
        assertThat(sold(local)).isEqualTo(before);
        assertThat(imported.position()).isEqualTo(Position.of(2));

        // when it is mended
        broken.set(0);
        assertThat(imported.resume()).isTrue();

        // then
        var all = new ArrayList<>(before);
        all.addAll(List.of(new Sold(3, 1), new Sold(3, 2)));
        assertThat(sold(local)).isEqualTo(all);
        assertThat(failures).hasSize(1);
        imported.close();
    }

    @Test
    void events_that_are_read_as_several_are_imported_whole_wherever_a_chunk_would_end() {
        for (int single = 1; single <= 2; single++) { // so many are read as one, and put the others out of step
            // given
            var theirs = new InMemoryEventStore(THEIRS, CLOCK);
            theirs.append(IntStream.rangeClosed(1, 250).mapToObj(Placed::new).toList(), AppendCondition.none());
            var ours = new InMemoryEventStore(OURS, CLOCK);

            // when
            EventImport.from("orders", new Splitting(theirs, single))
                    .into(
                            ours,
                            recorded -> List.of(
                                    recorded.event() instanceof Placed placed
                                            ? new Sold(placed.number(), 1)
                                            : new Sold(((Viewed) recorded.event()).number(), 2)),
                            DIRECT,
                            failures::add)
                    .close();

            // then each mark stands behind all parts of the event that it names
            assertThat(failures).isEmpty();
            int whole = single;
            assertThat(sold(ours))
                    .isEqualTo(IntStream.rangeClosed(1, 250)
                            .boxed()
                            .flatMap(number -> number <= whole
                                    ? Stream.of(new Sold(number, 1))
                                    : Stream.of(new Sold(number, 1), new Sold(number, 2)))
                            .toList());
            try (var events = ours.read(EventQuery.all())) {
                Object before = new Object();
                while (events.advance()) {
                    if (events.event() instanceof ImportMark mark) {
                        assertThat(before).isEqualTo(new Sold((int) mark.position(), mark.position() <= whole ? 1 : 2));
                    }
                    before = events.event();
                }
            }
        }
    }

    @Test
    void a_source_that_is_down_stops_the_import_which_shows_it_and_goes_on_when_resumed() {
        // given
        var remote = new Remote(source);
        var imported =
                EventImport.from("orders", remote).into(local, EventImportTest::translate, DIRECT, failures::add);
        place(1, 2);
        assertThat(imported.resume()).as("it has not stopped").isFalse();

        // when
        remote.down = true;
        place(3, 4);

        // then
        var why = new ImportStatus.Failure("orders", Position.of(2), remote.cut);
        assertThat(failures).containsExactly(why);
        assertThat(imported.status())
                .isEqualTo(new ImportStatus(
                        "orders", ImportStatus.State.STOPPED, Position.of(2), Position.of(2), Optional.of(why)));

        // when it is there again
        remote.down = false;
        assertThat(imported.resume()).isTrue();

        // then
        assertThat(sold(local)).isEqualTo(allSales(4));
        place(5, 5);
        assertThat(sold(local)).isEqualTo(allSales(5));
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.RUNNING);
        imported.close();
        assertThatThrownBy(imported::resume).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void with_retry_a_source_that_is_down_is_asked_again_after_each_delay_and_at_each_append() throws Exception {
        // given
        var remote = new Remote(source);
        var delays = new ArrayList<Duration>();
        var later = new ArrayList<Runnable>();
        place(1, 2);
        remote.down = true;
        var imported = EventImport.from("orders", remote)
                .retry(
                        (delay, task) -> {
                            delays.add(delay);
                            later.add(task);
                        },
                        Duration.ofMillis(10),
                        Duration.ofMillis(50))
                .into(local, EventImportTest::translate, DIRECT, failures::add);

        // when it stays down
        later.get(0).run();
        later.get(1).run();
        place(3, 3);

        // then one delay runs at a time, and each failure is told
        assertThat(delays).containsExactly(Duration.ofMillis(10), Duration.ofMillis(50), Duration.ofMillis(50));
        assertThat(failures)
                .hasSize(4)
                .allSatisfy(failure -> assertThat(failure.cause()).isSameAs(remote.cut));
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.RETRYING);
        assertThat(imported.status().failure()).contains(failures.get(3));
        assertThatThrownBy(() -> imported.awaitImported(Position.of(3), Duration.ZERO))
                .isInstanceOf(ImportTimeoutException.class);

        // when it is there again
        remote.down = false;
        later.get(2).run();

        // then
        imported.awaitImported(Position.of(3), Duration.ZERO);
        assertThat(sold(local)).isEqualTo(allSales(3));
        assertThat(imported.status())
                .isEqualTo(new ImportStatus(
                        "orders", ImportStatus.State.RUNNING, Position.of(3), Position.of(3), Optional.empty()));
        remote.down = true;
        place(4, 4);
        assertThat(delays).as("from the first one again").hasSize(4).last().isEqualTo(Duration.ofMillis(10));
        imported.close();
        later.get(3).run();
        assertThat(failures).hasSize(5);
    }

    @Test
    void a_timer_that_fires_at_once_has_it_tried_again_without_a_deep_stack() {
        place(1, 2);
        var left = new AtomicInteger(100_000);
        var cut = new IllegalStateException("no connection");
        var remote = new Fronted(source) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                if (left.getAndDecrement() > 0) {
                    throw cut;
                }
                return super.read(query, options);
            }
        };
        var told = new AtomicInteger();
        try (var imported = EventImport.from("orders", remote)
                .retry((delay, task) -> task.run(), Duration.ZERO)
                .into(local, EventImportTest::translate, DIRECT, failure -> told.incrementAndGet())) {
            assertThat(told).hasValue(100_000);
            assertThat(sold(local)).isEqualTo(allSales(2));
            assertThat(imported.status().state()).isEqualTo(ImportStatus.State.RUNNING);
        }
    }

    @Test
    void an_executor_that_refuses_many_times_while_the_timer_fires_at_once_does_not_stop_it() {
        place(1, 2);
        var left = new AtomicInteger(100_000);
        Executor executor = task -> {
            if (left.getAndDecrement() > 0) {
                throw new RejectedExecutionException("full");
            }
            task.run();
        };
        try (var imported = EventImport.from("orders", source)
                .retry((delay, task) -> task.run(), Duration.ZERO)
                .into(local, EventImportTest::translate, executor, failure -> {})) {
            assertThat(imported.status().failure()).isEmpty();
            assertThat(imported.status().state()).isEqualTo(ImportStatus.State.RUNNING);
            assertThat(sold(local)).isEqualTo(allSales(2));
        }
    }

    @Test
    void with_retry_what_the_translation_throws_stops_the_import_all_the_same() {
        place(1, 2);
        var later = new ArrayList<Runnable>();
        var imported = EventImport.from("orders", source)
                .retry((delay, task) -> later.add(task), Duration.ZERO)
                .into(
                        local,
                        recorded -> {
                            throw new IllegalStateException("cannot translate");
                        },
                        DIRECT,
                        failures::add);
        assertThat(later).isEmpty();
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.STOPPED);
        assertThatThrownBy(() -> EventImport.from("orders", source)
                        .retry((delay, task) -> later.add(task), Duration.ofMillis(-1)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void with_retry_what_trying_again_cannot_mend_stops_the_import_all_the_same() {
        place(1, 1);
        for (Throwable hopeless : List.of(
                new UnknownEventException("lost", "[placed]"),
                unreadable(),
                new IllegalArgumentException("asked wrongly"),
                new NullPointerException("asked wrongly"),
                new NoClassDefFoundError("gone"))) {
            failures.clear();
            var later = new ArrayList<Runnable>();
            var broken = new Fronted(source) {
                @Override
                public EventStream read(EventQuery query, ReadOptions options) {
                    if (hopeless instanceof Error error) {
                        throw error;
                    }
                    throw (RuntimeException) hopeless;
                }
            };

            var imported = EventImport.from("orders", broken)
                    .retry((delay, task) -> later.add(task), Duration.ZERO)
                    .into(local, EventImportTest::translate, DIRECT, failures::add);

            assertThat(later).as("%s", hopeless).isEmpty();
            assertThat(failures).containsExactly(new ImportStatus.Failure("orders", Position.START, hopeless));
            assertThat(imported.status().state()).isEqualTo(ImportStatus.State.STOPPED);
            imported.close();
        }
    }

    /** What a store throws whose codec has given up. */
    private static RuntimeException unreadable() {
        EventCodec codec = new EventCodec() {
            @Override
            public byte[] encode(Object value) {
                return new byte[0];
            }

            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                throw new IllegalStateException("damaged");
            }
        };
        return catchThrowableOfType(
                EventCodec.UnreadableEventException.class,
                () -> THEIRS.decode(new EventCodec.Stored("placed", 1, new byte[0]), codec));
    }

    @Test
    void with_retry_an_executor_that_refuses_is_asked_again_but_a_timer_that_refuses_stops_the_import() {
        // given
        place(1, 2);
        var later = new ArrayList<Runnable>();
        var full = new RejectedExecutionException("full");
        var refusing = new ArrayList<>(List.of(full, full));
        Executor executor = task -> {
            if (!refusing.isEmpty()) {
                throw refusing.remove(0);
            }
            task.run();
        };
        var timers = new ArrayList<>(List.of(false, false, true, false));
        var imported = EventImport.from("orders", source)
                .retry(
                        (delay, task) -> {
                            if (timers.remove(0)) {
                                throw new RejectedExecutionException("timer");
                            }
                            later.add(task);
                        },
                        Duration.ZERO)
                .into(local, EventImportTest::translate, executor, failures::add);
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.RETRYING);

        // when
        later.get(0).run();
        later.get(1).run();

        // then
        assertThat(failures).extracting(ImportStatus.Failure::cause).containsExactly(full, full);
        assertThat(sold(local)).isEqualTo(allSales(2));

        // when nobody would wake it any more
        refusing.add(full);
        place(3, 3);

        // then
        assertThat(failures).hasSize(4);
        assertThat(failures.get(3).cause()).hasMessage("timer");
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.STOPPED);
        assertThat(imported.status().failure()).contains(failures.get(3));
        assertThat(imported.resume()).isTrue();
        assertThat(sold(local)).isEqualTo(allSales(3));

        // when the executor refuses once more
        refusing.add(full);
        place(4, 4);

        // then the timer is asked once more
        assertThat(later).hasSize(3);
        later.get(2).run();
        assertThat(sold(local)).isEqualTo(allSales(4));
        imported.close();
    }

    @Test
    void a_source_that_cannot_be_asked_whether_there_is_more_stops_the_import_or_is_tried_again() {
        // given a source that is away just when all was imported
        var cut = new IllegalStateException("no connection");
        var away = new AtomicBoolean(true);
        var theirs = new Fronted(source) {
            @Override
            public Position head() {
                if (away.get()) {
                    throw cut;
                }
                return super.head();
            }
        };
        place(1, 2);
        var why = new ImportStatus.Failure("orders", Position.of(2), cut);

        // when
        var stopped = EventImport.from("orders", theirs).into(local, EventImportTest::translate, DIRECT, failures::add);

        // then
        assertThat(failures).containsExactly(why);
        assertThat(stopped.status())
                .isEqualTo(new ImportStatus(
                        "orders", ImportStatus.State.STOPPED, Position.of(2), Position.of(2), Optional.of(why)));
        stopped.close();

        // when it is to be tried again
        var later = new ArrayList<Runnable>();
        var ours = new InMemoryEventStore(OURS, CLOCK);
        var imported = EventImport.from("orders", theirs)
                .retry((delay, task) -> later.add(task), Duration.ZERO)
                .into(ours, EventImportTest::translate, DIRECT, failures::add);
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.RETRYING);
        away.set(false);
        later.get(0).run();

        // then
        assertThat(failures).containsExactly(why, why);
        assertThat(imported.status().state()).isEqualTo(ImportStatus.State.RUNNING);
        assertThat(sold(ours)).isEqualTo(allSales(2));
        imported.close();
    }

    @Test
    void a_listener_that_resumes_has_what_failed_tried_again() {
        place(1, 3);
        var own = new ArrayList<EventImport>();
        var queue = new ArrayDeque<Runnable>();
        var broken = new AtomicBoolean(true);
        own.add(EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            if (broken.get()) {
                                throw new IllegalStateException("cannot translate");
                            }
                            return translate(recorded);
                        },
                        queue::add,
                        failure -> {
                            failures.add(failure);
                            broken.set(false);
                            assertThat(own.get(0).resume()).isTrue();
                        }));

        while (!queue.isEmpty()) {
            queue.remove().run();
        }

        assertThat(failures).hasSize(1);
        assertThat(sold(local)).isEqualTo(allSales(3));
    }

    @Test
    void the_listener_is_told_with_no_lock_held() throws Exception {
        place(1, 1);
        ExecutorService other = Executors.newSingleThreadExecutor();
        var queue = new ArrayList<Runnable>();
        var own = new ArrayList<EventImport>();
        var closedInside = new ArrayList<Boolean>();
        own.add(EventImport.from("orders", source).into(local, recorded -> nothing(), queue::add, failure -> {
            try { // waits for another thread that closes the import, which would wait for a task that holds the lock
                other.submit(() -> own.get(0).close()).get(120, TimeUnit.SECONDS);
                closedInside.add(true);
            } catch (Exception late) {
                throw new IllegalStateException(late);
            }
        }));

        queue.get(0).run();

        assertThat(closedInside).containsExactly(true);
        other.shutdown();
        assertThat(other.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void a_long_history_lets_other_tasks_of_the_executor_come_in_between_and_reads_no_more_than_it_uses() {
        // given a history of forty chunks
        source.append(IntStream.rangeClosed(1, 4_000).mapToObj(Placed::new).toList(), AppendCondition.none());
        var remote = new Remote(source);
        var queue = new ArrayDeque<Runnable>();
        EventImport.from("orders", remote).into(local, EventImportTest::translate, queue::add, failures::add);

        // when
        int tasks = 0;
        while (!queue.isEmpty()) {
            queue.remove().run();
            tasks++;
        }

        // then
        assertThat(tasks).isEqualTo(3);
        assertThat(sold(local)).isEqualTo(allSales(4_000));
        assertThat(remote.limits).hasSize(40).containsOnly(101L);
    }

    @Test
    void an_executor_that_runs_at_once_imports_a_long_history_without_a_deep_stack() {
        // given a source to which somebody appends whenever it is read to its end
        var depths = new ArrayList<Long>();
        var growing = new Fronted(source) {
            private int looks;

            @Override
            public Subscription onAppend(Signal signal) {
                return () -> {}; // another thread's appends find a task that is running
            }

            @Override
            public Position head() {
                depths.add(StackWalker.getInstance().walk(frames -> frames.count()));
                if (++looks <= 3_000) {
                    store.append(List.of(new Placed(looks)), AppendCondition.none());
                }
                return super.head();
            }
        };

        // when
        EventImport.from("orders", growing)
                .into(local, EventImportTest::translate, DIRECT, failures::add)
                .close();

        // then
        assertThat(failures).isEmpty();
        assertThat(sold(local)).isEqualTo(allSales(3_000));
        var least = depths.stream().mapToLong(one -> one).min().orElseThrow();
        assertThat(depths).allSatisfy(depth -> assertThat(depth).isLessThan(least + 50));
    }

    @Test
    void an_append_whose_outcome_is_unknown_is_neither_lost_nor_doubled() {
        var forgetful = new Forgetful(local, number -> number % 3 != 1, number -> number % 2 == 0);
        try (var imported =
                EventImport.from("orders", source).into(forgetful, EventImportTest::translate, DIRECT, failures::add)) {
            place(1, 60);
            assertThat(imported.position()).isEqualTo(Position.of(60));
        }
        assertThat(failures).isEmpty();
        assertThat(sold(local)).isEqualTo(allSales(60));
    }

    /** What another process that imports the same source has appended, up to a position. */
    private void importedElsewhere(int upTo) {
        var all = new ArrayList<Object>(allSales(upTo));
        all.add(new ImportMark("orders", upTo));
        local.append(all, AppendCondition.none());
    }

    /** An import during whose first translation of a number something happens. */
    private EventImport during(int number, Runnable what) {
        var happened = new AtomicBoolean();
        return EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            if (recorded.event().equals(new Placed(number)) && happened.compareAndSet(false, true)) {
                                what.run();
                            }
                            return translate(recorded);
                        },
                        DIRECT,
                        failures::add);
    }

    @Test
    void what_another_import_has_appended_meanwhile_is_not_appended_again_and_the_rest_is() {
        place(1, 5);
        try (var imported = during(4, () -> importedElsewhere(2))) {
            assertThat(imported.position()).isEqualTo(Position.of(5));
        }
        assertThat(sold(local)).isEqualTo(allSales(5));
        assertThat(failures).isEmpty();
    }

    @Test
    void what_another_import_has_appended_before_a_change_of_metadata_is_not_appended_again() {
        place(1, 3);
        source.append(List.of(new Placed(4), new Placed(5)), AppendCondition.none(), Metadata.withId("c-1"));
        try (var imported = during(3, () -> importedElsewhere(1))) { // and not the second one's
            assertThat(imported.position()).isEqualTo(Position.of(5));
        }
        assertThat(sold(local)).isEqualTo(allSales(5));
        assertThat(failures).isEmpty();
    }

    @Test
    void a_translation_that_throws_after_another_import_came_first_is_asked_again() {
        place(1, 5);
        try (var imported = during(4, () -> {
            importedElsewhere(2);
            throw new IllegalStateException("cannot translate");
        })) {
            assertThat(imported.position()).isEqualTo(Position.of(5));
        }
        assertThat(sold(local)).isEqualTo(allSales(5));
        assertThat(failures).isEmpty();
    }

    @Test
    void an_import_goes_back_to_what_another_one_has_left_to_it() {
        // given many events that become nothing, of which another import has dealt with half when the mark is due
        source.append(
                IntStream.rangeClosed(1, EventImport.MARK_EVERY)
                        .mapToObj(Viewed::new)
                        .toList(),
                AppendCondition.none());
        var seen = new AtomicInteger();

        // when
        try (var imported = EventImport.from("orders", source)
                .into(
                        local,
                        recorded -> {
                            if (seen.incrementAndGet() == EventImport.MARK_EVERY) {
                                local.append(List.of(new ImportMark("orders", 500)), AppendCondition.none());
                            }
                            return List.of();
                        },
                        DIRECT,
                        failures::add)) {
            // then
            assertThat(imported.position()).isEqualTo(Position.of(EventImport.MARK_EVERY));
        }
        assertThat(seen).hasValue(EventImport.MARK_EVERY + 500);
        assertThat(marks(local)).containsExactly(new ImportMark("orders", 500));
    }

    @Test
    void an_import_that_is_closed_while_a_store_cannot_tell_does_not_ask_it_again() {
        place(1, 1);
        var own = new ArrayList<EventImport>();
        var queue = new ArrayList<Runnable>();
        var forgetful = new Forgetful(
                local,
                number -> {
                    own.get(0).close();
                    return true;
                },
                number -> false);
        own.add(EventImport.from("orders", source)
                .into(forgetful, EventImportTest::translate, queue::add, failures::add));

        queue.get(0).run();

        assertThat(forgetful.appends).isEqualTo(1);
    }

    @Test
    void however_many_appends_come_one_task_is_handed_to_the_executor() {
        var queue = new ArrayDeque<Runnable>();
        try (var imported = start(queue::add)) {
            place(1, 5);
            assertThat(queue).hasSize(1);
            queue.remove().run();
            assertThat(queue).isEmpty();
            place(6, 7);
            assertThat(queue).hasSize(1);
            queue.remove().run();
            assertThat(imported.position()).isEqualTo(Position.of(7));
        }
        assertThat(sold(local)).isEqualTo(allSales(7));
    }

    @Test
    void a_store_that_never_knows_and_never_writes_stops_the_import() {
        place(1, 1);
        EventImport.from("orders", source)
                .into(
                        new Forgetful(local, number -> true, number -> false),
                        EventImportTest::translate,
                        DIRECT,
                        failures::add);
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause()).isInstanceOf(AppendOutcomeUnknownException.class));
        assertThat(local.head()).isEqualTo(Position.START);
    }

    @Test
    void each_event_is_imported_once_and_in_order_whatever_crashes_in_every_order_of_tasks() {
        CrashPoints.explore(60, 1, (scheduler, crashes) -> {
            var run = new Run(scheduler, crashes);
            while (run.liveAndCrash()) {
                crashes.restart();
            }
            assertThat(sold(run.local)).isEqualTo(allSales(Run.EVENTS));
            assertThat(run.source.head().value()).isEqualTo(Run.EVENTS);
        });
    }

    /** What outlives a process, and the process: somebody who appends, and two imports of the same source. */
    private static final class Run {
        static final int EVENTS = 14;

        final SeededScheduler scheduler;
        final CrashPoints crashes;
        final EventStore source;
        final EventStore local;
        final List<ImportStatus.Failure> failures = new ArrayList<>();

        Run(SeededScheduler scheduler, CrashPoints crashes) {
            this.scheduler = scheduler;
            this.crashes = crashes;
            this.source = new InMemoryEventStore(THEIRS, scheduler.clock());
            this.local = new InMemoryEventStore(OURS, scheduler.clock());
        }

        boolean liveAndCrash() {
            var theirs = crashes.around(source);
            var ours = crashes.around(local);
            var imports = new ArrayList<EventImport>();
            for (var name : List.of("first", "second")) {
                var executor = crashes.around(scheduler.named(name));
                imports.add(EventImport.from("orders", theirs)
                        .into(ours, EventImportTest::translate, executor, failures::add));
            }
            var appender = crashes.around(scheduler.named("appender"));
            for (long i = source.head().value(); i < EVENTS; i++) {
                appender.execute(() -> append(theirs));
            }
            while (scheduler.runOne()) {
                var found = sold(local);
                assertThat(found).isEqualTo(allSales(EVENTS).subList(0, found.size()));
            }
            if (!crashes.isCrashed()) {
                assertThat(imports).allSatisfy(one -> {
                    assertThat(one.position()).isEqualTo(source.head());
                    assertThat(one.status().failure()).isEmpty();
                });
                imports.forEach(EventImport::close);
            }
            assertThat(failures)
                    .allSatisfy(failure -> assertThat(failure.cause()).isInstanceOf(SimulatedCrash.class));
            return crashes.isCrashed();
        }

        /** Appends up to three, each numbered by its place, under one of two metadata. */
        private void append(EventStore theirs) {
            int next = (int) theirs.head().value() + 1;
            int last = Math.min(EVENTS, next + scheduler.choose(3));
            if (next <= last) {
                theirs.append(
                        IntStream.rangeClosed(next, last).mapToObj(Placed::new).toList(),
                        AppendCondition.none(),
                        scheduler.choose(2) == 0 ? Metadata.none() : Metadata.withId("c"));
            }
        }
    }

    @Test
    void two_imports_on_threads_of_their_own_race_and_do_no_harm() throws Exception {
        int events = 3_000;
        ExecutorService pool = Executors.newFixedThreadPool(2);
        try (var first = start(pool);
                var second = start(pool)) {
            place(1, events);
            first.awaitImported(source.head(), PATIENCE);
            second.awaitImported(source.head(), PATIENCE);
        } finally {
            pool.shutdown();
            assertThat(pool.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(failures).isEmpty();
        assertThat(sold(local)).isEqualTo(allSales(events));
    }

    @SuppressWarnings("NullAway") // what must not be
    private static List<Object> nothing() {
        return null;
    }
}
