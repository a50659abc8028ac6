package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Upcaster;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionView.Parked;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A projection of stored events that are split into several when they are read: all of one are in a view, or none. */
class SplitEventsProjectionTest {

    record Transferred(String from, String to, int cents) {}

    record Moved(String account, int cents) {}

    private static final Catalog EARLIER = Catalog.builder()
            .event("transferred", Transferred.class)
            .event("moved", Moved.class)
            .build();

    private static final Catalog TODAY = Catalog.builder()
            .event("moved", Moved.class)
            .upcast(Upcaster.from("transferred", 1)
                    .into("moved", 1, e -> List.of(Map.of("account", field(e, "from"), "cents", 0)))
                    .into("moved", 1, e -> List.of(Map.of("account", field(e, "to"), "cents", field(e, "cents")))))
            .build();

    private static Object field(Map<String, Object> fields, String name) {
        return Objects.requireNonNull(fields.get(name));
    }

    private final VirtualClock clock = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
    private final SeededScheduler executor = new SeededScheduler(7, clock);
    private final CheckpointStore checkpoints = new InMemoryCheckpointStore();
    private final AtomicBoolean failing = new AtomicBoolean(true);
    private final List<String> done = new ArrayList<>();
    private HikariDataSource database;
    private JdbcEventStore earlier;
    private JdbcEventStore today;

    @BeforeEach
    void open_an_empty_log() {
        database = Postgres.pooledDatabase(3);
        JdbcSchema.of().apply(database);
        earlier = JdbcEventStore.builder(database, EARLIER, clock).build();
        today = JdbcEventStore.builder(database, TODAY, clock).build();
    }

    @AfterEach
    void close_the_database() {
        database.close();
    }

    private final Projection<List<String>> seen = Projection.of(
                    "seen", 1, Fold.<List<String>>from(List.of()).on(Moved.class, (all, e) -> {
                        if (e.cents() == 500 && failing.get()) {
                            throw new IllegalStateException("too much");
                        }
                        var more = new ArrayList<>(all);
                        more.add(e.account() + e.cents());
                        return List.copyOf(more);
                    }))
            .by(Keys.by(Moved.class, Moved::account));

    private ProjectionEngine engine(Projection<?> projection, Delivery delivery) {
        return ProjectionEngine.builder(today, failure -> {})
                .checkpoints(checkpoints)
                .run(projection, delivery)
                .build();
    }

    private void append(Object... events) {
        earlier.append(List.of(events), AppendCondition.none());
    }

    @Test
    void a_part_that_fails_takes_back_those_before_it_and_all_are_folded_once_in_the_end() {
        append(new Moved("a", 1), new Transferred("a", "b", 500), new Moved("a", 2));
        try (var engine = engine(seen, Delivery.background(executor))) {
            executor.runAll();
            assertThat(engine.view(seen).position()).isEqualTo(Position.of(1));

            failing.set(false);
            engine.view(seen).resume();
            executor.runAll();

            assertThat(engine.view(seen).<List<String>>read(all -> all)).containsExactly("a1", "a0", "b500", "a2");
        }
    }

    @Test
    void parts_are_not_parted_where_as_many_events_as_are_taken_at_once_end_between_them() {
        append(IntStream.range(0, 255).mapToObj(i -> new Moved("x", i)).toArray());
        append(new Transferred("a", "b", 500), new Transferred("c", "d", 7));
        try (var engine = engine(seen, Delivery.background(executor))) {
            executor.runAll();
            assertThat(engine.view(seen).position()).isEqualTo(Position.of(255));

            failing.set(false);
            engine.view(seen).resume();
            executor.runAll();

            assertThat(engine.view(seen).<List<String>>read(all -> all))
                    .hasSize(259)
                    .endsWith("x254", "a0", "b500", "c0", "d7");
        }
    }

    @Test
    void parts_are_not_parted_where_the_batch_of_a_view_in_tables_ends_early() throws Exception {
        append(new Moved("x", 1), new Transferred("a", "b", 500), new Transferred("c", "d", 7));
        var time = new AtomicLong();
        var threads = Executors.newSingleThreadExecutor();
        var batches = new LinkedHashMap<String, String>();
        try (var projector = JdbcProjector.builder(today, database)
                .lease(Duration.ofMinutes(9))
                .nanoTime(time::get)
                .start(
                        "seen",
                        1,
                        EventQuery.all(),
                        (connection, event) -> {
                            batches.merge(transaction(connection), ((Moved) event.event()).account(), String::concat);
                            time.addAndGet(
                                    Duration.ofMinutes(2).toNanos()); // the third is over within the first transfer
                        },
                        threads,
                        failure -> {})) {
            projector.awaitApplied(today.head(), Duration.ofMinutes(2));
        } finally {
            threads.shutdown();
        }

        assertThat(batches.values()).containsExactly("xab", "cd");
    }

    private static String transaction(Connection connection) throws SQLException {
        try (var statement = connection.createStatement();
                var row = statement.executeQuery("select pg_current_xact_id()::text")) {
            row.next();
            return row.getString(1);
        }
    }

    @Test
    void an_effect_of_a_part_that_fails_is_performed_when_all_are_tried_again_each_under_an_id_of_its_own() {
        var mailing = seen.effect(Moved.class, (e, trigger) -> {
            if (e.account().equals("b") && failing.get()) {
                throw new java.io.IOException("no connection");
            }
            done.add(trigger.id() + " " + e.account() + trigger.event().event().equals(e));
        });
        append(new Transferred("a", "b", 3), new Moved("c", 1));
        try (var engine = engine(mailing, Delivery.background(executor))) {
            executor.runAll();
            assertThat(engine.view(mailing).position()).isEqualTo(Position.START);
            assertThat(done).containsExactly("seen/1 atrue");

            failing.set(false);
            engine.view(mailing).resume();
            executor.runAll();

            assertThat(engine.view(mailing).<List<String>>read(all -> all)).containsExactly("a0", "b3", "c1");
            assertThat(done).containsExactly("seen/1 atrue", "seen/1 atrue", "seen/1.1 btrue", "seen/2 ctrue");
        }
    }

    @Test
    void an_engine_that_is_closed_between_two_effects_of_a_stored_event_loses_none() {
        var engines = new ArrayList<ProjectionEngine>();
        failing.set(false);
        var mailing = seen.effect(Moved.class, (e, trigger) -> {
            done.add(trigger.id());
            engines.forEach(ProjectionEngine::close);
        });
        append(new Transferred("a", "b", 3));
        engines.add(engine(mailing, Delivery.background(executor)));
        executor.runAll();
        engines.clear();
        try (var engine = engine(mailing, Delivery.background(executor))) {
            executor.runAll();
            assertThat(engine.view(mailing).<List<String>>read(all -> all)).containsExactly("a0", "b3");
            assertThat(done).contains("seen/1", "seen/1.1");
        }
    }

    @Test
    void a_stored_event_is_put_aside_whole_with_all_that_follow_it_of_each_of_its_keys_also_over_a_restart() {
        append(new Transferred("a", "b", 500), new Moved("a", 1), new Moved("c", 2), new Moved("b", 3));
        append(new Transferred("c", "a", 4)); // c waits for a from now on
        append(new Moved("c", 5));
        List<Parked> before;
        try (var engine = engine(seen, Delivery.background(executor).park())) {
            executor.runAll();
            var view = engine.view(seen);
            before = view.parked();
            assertThat(view.<List<String>>read(all -> all)).containsExactly("c2");
            assertThat(before)
                    .extracting(Parked::position)
                    .containsExactly(Position.of(1), Position.of(2), Position.of(4), Position.of(5), Position.of(6));
        }
        try (var engine = engine(seen, Delivery.background(executor).park())) {
            var view = engine.view(seen);
            assertThat(view.parked()).isEqualTo(before);
            assertThat(view.retryParked("c")).isFalse();
            assertThat(view.<List<String>>read(all -> all)).containsExactly("c2");
            failing.set(false);
            assertThat(view.retryParked("c")).isTrue();

            assertThat(view.<List<String>>read(all -> all))
                    .containsExactly("c2", "a0", "b500", "a1", "b3", "c0", "a4", "c5");
            assertThat(view.parked()).isEmpty();
        }
    }
}
