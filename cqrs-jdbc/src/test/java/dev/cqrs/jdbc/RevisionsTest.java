package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNoException;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.decider.Snapshots;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Catalog.Unknown;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.event.Upcaster;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.eventstore.Timeline;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionFailure;
import dev.cqrs.runtime.ProjectionStatus;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A log that an earlier version of the application has begun. */
class RevisionsTest {

    private static final Tag ORDER = Tag.of("order", "o");

    // ---- the earlier version

    record BasketFilled(String order, List<String> items) {}

    record OrderCancelled(String order) {}

    record PageViewed(String order) {}

    private static final Catalog EARLIER = Catalog.builder()
            .event("basket-filled", BasketFilled.class)
            .event("cancelled", OrderCancelled.class)
            .event("page-viewed", PageViewed.class)
            .tags(Object.class, event -> Set.of(ORDER))
            .build();

    // ---- today's version

    record ItemAdded(String order, String item) {}

    record Closed(String order, String reason) {}

    private static final Catalog TODAY = Catalog.builder()
            .event("item-added", ItemAdded.class)
            .event("closed", Closed.class)
            .upcast(Upcaster.from("basket-filled", 1)
                    .into(
                            "item-added",
                            1,
                            basket -> ((List<?>) Objects.requireNonNull(basket.get("items")))
                                    .stream()
                                            .<Map<String, Object>>map(item -> Map.of("order", "o", "item", item))
                                            .toList()))
            .upcast(Upcaster.from("cancelled", 1)
                    .withDefault("reason", "cancelled")
                    .to("closed", 1))
            .upcast(Upcaster.from("page-viewed", 1).drop())
            .tags(Object.class, event -> Set.of(ORDER))
            .build();

    private HikariDataSource database;
    private JdbcEventStore earlier;
    private JdbcEventStore today;

    @BeforeEach
    void open_an_empty_log() {
        database = Postgres.pooledDatabase(2);
        JdbcSchema.of().apply(database);
        earlier = store(EARLIER, JdbcEventStore.DEFAULT_PAGE_SIZE);
        today = store(TODAY, JdbcEventStore.DEFAULT_PAGE_SIZE);
    }

    @AfterEach
    void close_the_database() {
        database.close();
    }

    private JdbcEventStore store(Catalog catalog, int pageSize) {
        return JdbcEventStore.builder(database, catalog, Clock.systemUTC())
                .pageSize(pageSize)
                .build();
    }

    private static final Fold<List<String>> ITEMS = Fold.from(List.<String>of())
            .on(
                    ItemAdded.class,
                    (items, added) -> Stream.concat(items.stream(), Stream.of(added.item()))
                            .toList());

    private Timeline<List<String>> itemsOfThreeBaskets() {
        earlier.append(
                List.of(
                        new BasketFilled("o", List.of("a")),
                        new BasketFilled("o", List.of("b", "c", "d")),
                        new BasketFilled("o", List.of("e"))),
                AppendCondition.none());
        return Timeline.of(today, EventQuery.tagged(ORDER), ITEMS);
    }

    private static List<Object> eventsOf(Timeline.Page<List<String>> page) {
        return page.steps().stream().map(step -> step.recorded().event()).toList();
    }

    private static List<Object> added(String... items) {
        return Stream.of(items).<Object>map(item -> new ItemAdded("o", item)).toList();
    }

    @Test
    void the_pages_of_a_history_hold_each_part_of_a_split_event_once() {
        var timeline = itemsOfThreeBaskets();
        for (int limit = 1; limit <= 6; limit++) {
            var forwards = new ArrayList<>();
            var page = timeline.history(Position.START, limit);
            forwards.addAll(eventsOf(page));
            while (page.more()) {
                page = timeline.history(page.next(), limit);
                forwards.addAll(eventsOf(page));
            }
            assertThat(forwards).as("pages of %d", limit).isEqualTo(added("a", "b", "c", "d", "e"));

            var backwards = new ArrayList<>();
            page = timeline.latest(limit);
            backwards.addAll(eventsOf(page));
            while (page.more()) {
                page = timeline.latest(page.next(), limit);
                backwards.addAll(eventsOf(page));
            }
            assertThat(backwards).as("pages of %d", limit).isEqualTo(added("e", "d", "c", "b", "a"));
        }
    }

    @Test
    void the_parts_of_a_split_event_stay_on_one_page() {
        var timeline = itemsOfThreeBaskets();

        var first = timeline.history(Position.START, 2);
        assertThat(eventsOf(first)).isEqualTo(added("a", "b", "c", "d"));
        assertThat(first.more()).isTrue();
        assertThat(first.steps().get(3).state()).containsExactly("a", "b", "c", "d");

        var last = timeline.latest(2);
        assertThat(eventsOf(last)).isEqualTo(added("e", "d", "c", "b"));
        assertThat(last.more()).isTrue();
        assertThat(last.next()).isEqualTo(Position.of(1));
    }

    @Test
    void the_step_that_led_to_a_moment_is_that_of_its_own_part() {
        var step = itemsOfThreeBaskets()
                .when(Timeline.Moment.once(items -> items.contains("c")))
                .orElseThrow();

        assertThat(step.recorded().event()).isEqualTo(new ItemAdded("o", "c"));
        assertThat(step.state()).containsExactly("a", "b", "c");
    }

    @Test
    void a_snapshot_at_a_split_event_is_carried_on_behind_all_of_its_parts() {
        earlier.append(
                List.of(new BasketFilled("o", List.of("a")), new BasketFilled("o", List.of("b", "c", "d"))),
                AppendCondition.none());
        var kept = new InMemoryCheckpointStore();
        var counted = Fold.from(0).on(ItemAdded.class, (count, added) -> count + 1);
        var counts = Snapshots.of(kept, "items", 1, Integer.class, counted).every(1);
        var model = counts.model("o", EventQuery.tagged(ORDER));
        assertThat(model.load(today).state()).isEqualTo(4);
        assertThat(counts.count(Snapshots.Outcome.SAVED)).isEqualTo(1);

        assertThat(model.load(today).state()).isEqualTo(4);
        today.append(List.of(new ItemAdded("o", "e")), AppendCondition.none());
        assertThat(model.load(today).state()).isEqualTo(5);
        assertThat(counts.count(Snapshots.Outcome.USED)).isEqualTo(2);
    }

    @Test
    void a_query_for_a_class_finds_what_was_stored_under_other_names() {
        earlier.append(
                List.of(new OrderCancelled("o"), new PageViewed("o"), new BasketFilled("o", List.of("pen"))),
                AppendCondition.none());
        today.append(List.of(new Closed("o", "done")), AppendCondition.none());

        assertThat(read(today, EventQuery.types(Closed.class)))
                .containsExactly(new Closed("o", "cancelled"), new Closed("o", "done"));
        assertThat(read(today, EventQuery.types(ItemAdded.class).withTags(ORDER)))
                .containsExactly(new ItemAdded("o", "pen"));
        assertThat(read(today, EventQuery.tagged(ORDER))).hasSize(3);
        try (var events = today.read(EventQuery.types(Closed.class))) {
            assertThat(events.advance()).isTrue();
            assertThat(events.name()).isEqualTo("closed");
        }
    }

    @Test
    void the_parts_of_a_split_event_stay_together_in_any_page_and_count_once() {
        var expected = new ArrayList<>();
        for (int n = 0; n < 7; n++) {
            var items = IntStream.range(0, n % 4).mapToObj(i -> "i" + i).toList();
            earlier.append(List.of(new BasketFilled("o", items)), AppendCondition.none());
            items.forEach(item -> expected.add(new ItemAdded("o", item)));
        }
        for (int size = 1; size < 9; size++) {
            assertThat(read(store(TODAY, size), EventQuery.types(ItemAdded.class)))
                    .isEqualTo(expected);
        }
        try (var events =
                today.read(EventQuery.all(), ReadOptions.forwards().limit(2))) { // the first is split into none
            assertThat(events.toList())
                    .extracting(recorded -> recorded.position().value())
                    .containsExactly(2L, 3L, 3L);
        }
    }

    @Test
    void the_newest_first_is_the_reverse_of_the_oldest_first_for_the_parts_of_a_split_event_too() {
        for (int n = 0; n < 7; n++) {
            var items = IntStream.range(0, n % 4).mapToObj(i -> "i" + i).toList();
            earlier.append(List.of(new BasketFilled("o", items), new OrderCancelled("o" + n)), AppendCondition.none());
        }
        for (int size = 1; size < 9; size++) {
            var store = store(TODAY, size);
            for (var query : List.of(EventQuery.all(), EventQuery.types(ItemAdded.class))) {
                var reversed = new ArrayList<>(read(store, query));
                Collections.reverse(reversed);
                assertThat(read(store, query, ReadOptions.backwards()))
                        .as("%s in pages of %d", query, size)
                        .isEqualTo(reversed);
            }
            assertThat(read(
                            store,
                            EventQuery.types(ItemAdded.class),
                            ReadOptions.backwards().until(Position.of(8)).limit(1)))
                    .as("in pages of %d", size)
                    .isEqualTo(added("i2", "i1", "i0"));
        }
    }

    @Test
    void the_parts_of_a_split_event_go_on_until_the_last_of_them_also_newest_first() {
        earlier.append(
                List.of(new BasketFilled("o", List.of("a", "b", "c")), new OrderCancelled("o")),
                AppendCondition.none());
        try (var events = today.read(EventQuery.all(), ReadOptions.backwards())) {
            var goesOn = new ArrayList<Boolean>();
            while (events.advance()) {
                goesOn.add(events.goesOnHere());
            }
            assertThat(goesOn).containsExactly(false, true, true, false);
        }
    }

    @Test
    void a_projection_stops_at_the_position_of_an_event_whose_upcaster_throws_what_no_signature_allows() {
        var broken = new IOException("the key server is away");
        var catalog = Catalog.builder()
                .event("closed", Closed.class)
                .event("item-added", ItemAdded.class)
                .upcast(Upcaster.from("cancelled", 1)
                        .fields(fields -> {
                            throw sneak(broken);
                        })
                        .to("closed", 1))
                .build();
        today.append(List.of(new ItemAdded("o", "a")), AppendCondition.none());
        earlier.append(List.of(new OrderCancelled("o")), AppendCondition.none());
        var items = Projection.of("items", 1, ITEMS).over(EventQuery.all());
        var failures = new ArrayList<ProjectionFailure>();
        try (var engine = ProjectionEngine.builder(store(catalog, 1), failures::add)
                .inline(items)
                .build()) {
            assertThat(engine.view(items).status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
        }
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause())
                        .isInstanceOf(UnreadableEventException.class)
                        .hasMessageStartingWith("At position 2: ")
                        .hasCause(broken));
    }

    /** As a language without checked exceptions throws them. */
    @SuppressWarnings("unchecked")
    private static <X extends Throwable> RuntimeException sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void a_clause_forbids_an_event_of_an_earlier_revision_that_is_read_as_one_of_its_types() {
        earlier.append(List.of(new OrderCancelled("o")), AppendCondition.none());

        assertThatExceptionOfType(AppendConflictException.class)
                .isThrownBy(() -> today.append(
                        List.of(new ItemAdded("o", "pen")),
                        AppendCondition.absent(EventQuery.types(Closed.class).withTags(ORDER))))
                .satisfies(conflict -> assertThat(conflict.position().value()).isEqualTo(1));
    }

    @Test
    void a_clause_forbids_none_that_no_reader_sees() {
        earlier.append(List.of(new BasketFilled("o", List.of()), new PageViewed("o")), AppendCondition.none());

        assertThatNoException()
                .isThrownBy(() -> today.append(
                        List.of(new ItemAdded("o", "pen")),
                        AppendCondition.absent(EventQuery.types(ItemAdded.class).withTags(ORDER))
                                .and(AppendCondition.absent(EventQuery.tagged(ORDER)))));
        assertThatExceptionOfType(AppendConflictException.class)
                .isThrownBy(() -> today.append(
                        List.of(new ItemAdded("o", "pen")), AppendCondition.absent(EventQuery.types(ItemAdded.class))))
                .satisfies(conflict -> assertThat(conflict.position().value()).isEqualTo(3));
    }

    @Test
    void an_interrupt_is_no_end_for_an_append_that_has_to_look_twice() {
        earlier.append(List.of(new BasketFilled("o", List.of())), AppendCondition.none());
        var source = Unruly.source(database, (what, call) -> {
            if (what.startsWith("DataSource.getConnection")
                    && Thread.currentThread().isInterrupted()) {
                throw new SQLException("interrupted"); // as pools do
            }
            return call.make();
        });
        var impatient = JdbcEventStore.builder(source, TODAY, Clock.systemUTC()).build();
        Thread.currentThread().interrupt();

        var added = impatient.append(
                List.of(new ItemAdded("o", "pen")),
                AppendCondition.absent(EventQuery.types(ItemAdded.class).withTags(ORDER)));

        assertThat(Thread.interrupted()).as("it is still there").isTrue();
        assertThat(added.last()).isEqualTo(Position.of(2));
    }

    @Test
    void an_event_that_the_catalog_does_not_know_is_refused_or_left_out_as_it_says() {
        today.append(List.of(new Closed("o", "done")), AppendCondition.none());
        var skipping = store(
                Catalog.builder()
                        .event("basket-filled", BasketFilled.class, event -> Set.of(ORDER))
                        .unknown(Unknown.SKIP)
                        .build(),
                1);

        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> read(earlier, EventQuery.all()))
                .withMessageContaining("\"closed\"");
        assertThatExceptionOfType(AppendConflictException.class)
                .isThrownBy(() -> earlier.append(
                        List.of(new OrderCancelled("o")), AppendCondition.absent(EventQuery.tagged(ORDER))));
        assertThat(read(skipping, EventQuery.all())).isEmpty();
        skipping.append(List.of(new BasketFilled("o", List.of())), AppendCondition.absent(EventQuery.tagged(ORDER)));
        assertThat(read(skipping, EventQuery.all())).containsExactly(new BasketFilled("o", List.of()));
    }

    @Test
    void a_limit_does_not_make_pages_of_one_of_what_is_no_event_today() {
        for (int i = 0; i < 300; i++) {
            earlier.append(List.of(new PageViewed("o")), AppendCondition.none());
        }
        today.append(List.of(new Closed("o", "done")), AppendCondition.none());
        var connections = 1 + 4; // one to look for the schema, and one for each page
        var few = JdbcEventStore.builder(
                        new BrokenAfter(database, connections, () -> {
                            throw new IllegalStateException("expected " + connections + " connections");
                        }),
                        TODAY,
                        Clock.systemUTC())
                .pageSize(100)
                .build();

        try (var events =
                few.read(EventQuery.tagged(ORDER), ReadOptions.forwards().limit(1))) {
            assertThat(events.toList())
                    .singleElement()
                    .satisfies(found -> assertThat(found.event()).isEqualTo(new Closed("o", "done")));
        }
    }

    // ---- a version to come, while this one is still running

    private static final Tag SHOP = Tag.of("shop", "s");

    record Paid(long cents) {}

    record Refunded(long cents) {}

    record PaidIn(long cents, String currency) {}

    private static final Catalog OLD = Catalog.builder()
            .event("paid", Paid.class)
            .event("refunded", Refunded.class)
            .tags(Object.class, event -> Set.of(ORDER, SHOP))
            .build();

    /** Takes what was paid before there were currencies for something else. */
    private static final Catalog NEW = Catalog.builder()
            .event("paid", 2, PaidIn.class)
            .event("refunded", Refunded.class)
            .upcast(Upcaster.from("paid", 1).to("refunded", 1))
            .tags(Object.class, event -> Set.of(ORDER, SHOP))
            .build();

    private static final EventQuery PAID = EventQuery.types(Paid.class);

    private static final List<EventQuery> QUERIES =
            List.of(PAID, PAID.withTags(ORDER), PAID.withTags(ORDER, SHOP), PAID.or(EventQuery.types(Refunded.class)));

    @Test
    void an_event_of_a_newer_revision_is_refused_by_a_query_for_its_class_and_forbidden_by_a_clause_on_it() {
        var old = store(OLD, 2);
        for (int i = 0; i < 5; i++) {
            old.append(List.of(new Paid(i)), AppendCondition.none());
        }
        var seen = new ArrayList<AppendCondition>();
        for (var query : QUERIES) {
            try (var events = old.read(query)) {
                assertThat(events.toList()).hasSize(5);
                seen.add(events.unchanged());
            }
        }
        store(NEW, 2).append(List.of(new PaidIn(1, "EUR")), AppendCondition.none());

        for (var query : QUERIES) {
            for (var options : List.of(ReadOptions.forwards(), ReadOptions.backwards())) {
                try (var events = old.read(query, options)) {
                    assertThatExceptionOfType(UnknownEventException.class)
                            .as("%s %s", query, options)
                            .isThrownBy(events::toList)
                            .withMessageContaining("\"paid\" revision 2");
                }
            }
        }
        for (var condition : seen) {
            assertThatExceptionOfType(AppendConflictException.class)
                    .as("%s", condition)
                    .isThrownBy(() -> old.append(List.of(new Paid(9)), condition))
                    .satisfies(
                            conflict -> assertThat(conflict.position().value()).isEqualTo(6));
        }
    }

    @Test
    void a_reader_that_skips_what_it_does_not_know_skips_newer_revisions() {
        var old = store(
                Catalog.builder()
                        .event("paid", Paid.class)
                        .tags(Object.class, event -> Set.of(ORDER, SHOP))
                        .unknown(Unknown.SKIP)
                        .build(),
                2);
        store(NEW, 2).append(List.of(new PaidIn(1, "EUR")), AppendCondition.none());

        assertThat(read(old, PAID)).isEmpty();
        old.append(List.of(new Paid(2)), AppendCondition.absent(PAID.withTags(ORDER)));
        assertThat(read(old, PAID)).containsExactly(new Paid(2));
    }

    @Test
    void a_name_whose_revisions_became_different_things_is_told_apart() {
        var today = store(NEW, 2);
        for (int i = 0; i < 5; i++) {
            today.append(List.of(new PaidIn(i, "EUR")), AppendCondition.none());
        }
        var refunded = EventQuery.types(Refunded.class);

        assertThat(read(today, refunded)).isEmpty();
        today.append(List.of(new PaidIn(5, "EUR")), AppendCondition.absent(refunded));
        store(OLD, 2).append(List.of(new Paid(7)), AppendCondition.none());
        assertThat(read(today, refunded)).containsExactly(new Refunded(7));
        assertThatExceptionOfType(AppendConflictException.class)
                .isThrownBy(() -> today.append(List.of(new PaidIn(6, "EUR")), AppendCondition.absent(refunded)))
                .satisfies(conflict -> assertThat(conflict.position().value()).isEqualTo(7));
    }

    @Test
    void a_projection_stops_before_an_event_of_a_newer_revision() throws Exception {
        var old = store(OLD, 2);
        old.append(List.of(new Paid(1)), AppendCondition.none());
        store(NEW, 2).append(List.of(new PaidIn(1, "EUR")), AppendCondition.none());
        old.append(List.of(new Paid(2)), AppendCondition.none());
        var failures = new ArrayBlockingQueue<JdbcProjector.Failure>(10);
        var executor = Executors.newSingleThreadExecutor();
        try (var projector = JdbcProjector.builder(old, database)
                .start("payments", 1, PAID, (connection, event) -> {}, executor, failures::add)) {
            assertThat(Objects.requireNonNull(failures.poll(120, TimeUnit.SECONDS))
                            .cause())
                    .isInstanceOf(UnknownEventException.class);
            assertThat(projector.status().position().value()).isLessThan(2);
        } finally {
            executor.shutdownNow();
        }
    }

    private static List<Object> read(JdbcEventStore store, EventQuery query) {
        return read(store, query, ReadOptions.forwards());
    }

    private static List<Object> read(JdbcEventStore store, EventQuery query, ReadOptions options) {
        try (var events = store.read(query, options)) {
            var read = new ArrayList<>();
            while (events.advance()) {
                read.add(events.event());
            }
            return read;
        }
    }
}
