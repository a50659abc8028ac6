package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.decider.Snapshots;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.CheckpointStore.Parked;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionEngine;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import javax.sql.DataSource;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class JdbcCheckpointStoreTest {

    record Paid(String account, long cents) {}

    record Balance(long cents) {}

    record Named(String text, Map<String, Long> counts) {}

    sealed interface Standing {}

    record Open(long cents) implements Standing {}

    record Shut() implements Standing {}

    enum Mood implements Standing {
        GOOD {
            @Override
            boolean isGood() {
                return true;
            }
        };

        abstract boolean isGood();
    }

    record HasStanding(Standing standing) {}

    /** A class that another extends without a part of its own, so that its JSON says nothing of it. */
    static class Sum {
        public long cents;
    }

    static final class Tripled extends Sum {}

    private static final Fold<Balance> BALANCE =
            Fold.from(new Balance(0)).on(Paid.class, (sum, e) -> new Balance(sum.cents() + e.cents()));
    private static final Projection<Balance> TOTAL = Projection.of("total", 1, BALANCE);

    private final List<JdbcCheckpointStore.Unreadable> unreadable = new ArrayList<>();
    private DataSource database = Postgres.database();

    @BeforeEach
    void apply_the_schema() {
        JdbcSchema.of("cqrs").apply(database);
    }

    @Test
    void where_its_tables_are_not_it_says_how_they_come_there() {
        var elsewhere = store().prefix("elsewhere").states("", Balance.class).build();
        var checkpoint = new Checkpoint(1, Position.of(1), new Balance(1), List.of());
        for (ThrowingCallable call : List.<ThrowingCallable>of(
                () -> elsewhere.load("a"),
                () -> elsewhere.position("a"),
                () -> elsewhere.save("a", checkpoint),
                () -> elsewhere.delete("a"))) {
            assertThatThrownBy(call)
                    .isInstanceOf(SchemaMismatchException.class)
                    .hasMessageContaining("JdbcSchema.of(\"elsewhere\").apply(dataSource)");
        }
    }

    private JdbcCheckpointStore.Builder store() {
        return JdbcCheckpointStore.builder(database, unreadable::add);
    }

    private static InMemoryEventStore log(long... cents) {
        var catalog = Catalog.builder()
                .event("paid", Paid.class, e -> Set.of(Tag.of("account", e.account())))
                .build();
        var log = new InMemoryEventStore(catalog, Clock.systemUTC());
        for (long some : cents) {
            log.append(List.of(new Paid("a", some)), AppendCondition.none());
        }
        return log;
    }

    @Test
    void states_come_back_as_the_class_that_their_name_was_told_to_have() {
        var store = store().state("total", Balance.class)
                .states("snapshot/", String.class)
                .states("snapshot/account/", Balance.class)
                .state("snapshot/account/special", Named.class)
                .build();
        var balance = new Checkpoint(1, Position.of(1), new Balance(5));
        var named = new Checkpoint(1, Position.of(1), new Named("\0 \uD83D\uDE00", Map.of("long", Long.MAX_VALUE)));
        var text = new Checkpoint(1, Position.of(1), "text");

        store.save("total", balance);
        store.save("snapshot/account/7", balance);
        store.save("snapshot/account/special", named);
        store.save("snapshot/other", text);

        assertThat(store.load("total")).contains(balance);
        assertThat(store.load("snapshot/account/7")).contains(balance);
        assertThat(store.load("snapshot/account/special")).contains(named);
        assertThat(store.load("snapshot/other")).contains(text);
        assertThat(unreadable).isEmpty();
    }

    @Test
    void of_two_saves_at_once_the_later_is_there_as_a_whole() throws Exception {
        var atCommit = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var slow = JdbcCheckpointStore.builder(
                        Unruly.source(database, (what, call) -> {
                            if (what.equals("Connection.commit()")) {
                                atCommit.countDown();
                                go.await();
                            }
                            return call.make();
                        }),
                        unreadable::add)
                .state("total", Balance.class)
                .build();
        var store = store().state("total", Balance.class).build();
        var later = new Checkpoint(1, Position.of(9), new Balance(9));
        var threads = Executors.newFixedThreadPool(2);
        try {
            var first = threads.submit(() -> slow.save(
                    "total",
                    new Checkpoint(1, Position.of(5), new Balance(5), List.of(new Parked(Position.of(3), "x", true)))));
            atCommit.await();
            var second = threads.submit(() -> store.save("total", later));
            awaitBlocked();
            go.countDown();
            first.get(120, TimeUnit.SECONDS);
            second.get(120, TimeUnit.SECONDS);
        } finally {
            threads.shutdownNow();
        }

        assertThat(store.load("total")).contains(later);
    }

    private void awaitBlocked() throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            Patience.await(() -> {
                try (var row = statement.executeQuery("select exists (select from pg_locks where not granted)")) {
                    row.next();
                    return row.getBoolean(1);
                }
            });
        }
    }

    @Test
    void a_name_of_no_known_class_is_refused_with_the_cure() {
        var store = store().state("total", Balance.class).build();

        assertThatThrownBy(() -> store.load("other"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"other\"")
                .hasMessageContaining("states(beginning, class)");
        assertThatThrownBy(() -> store.save("total", new Checkpoint(1, Position.of(1), "text")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("java.lang.String");
        assertThat(store.load("total")).isEmpty();
    }

    @Test
    void classes_whose_parameters_would_be_lost_and_contradictions_are_refused() {
        assertThatThrownBy(() -> store().state("counts", Map.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Wrap it in a record");
        assertThatThrownBy(() -> store().state("a", String.class).state("a", Balance.class))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Keep one");
    }

    @Test
    void a_class_as_which_no_state_could_be_read_is_refused_when_the_store_is_made() {
        for (var builder : List.of(
                store().state("standing", Standing.class),
                store().states("standing", Standing.class),
                store().state("total", Balance.class).state("standing", HasStanding.class))) {
            assertThatThrownBy(builder::build)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("\"standing\"")
                    .hasMessageContaining("codec(...)");
        }
        assertThatThrownBy(() -> store().state("standing", Standing.class).build())
                .hasMessageContaining(Standing.class.getName());
        assertThat(store().state("mood", Mood.class).build()).isNotNull();
    }

    @Test
    void a_state_that_would_come_back_as_another_class_or_not_at_all_is_not_saved() {
        var store = store().state("sum", Sum.class)
                .state("number", Number.class)
                .state("mood", Mood.class)
                .states("any", Object.class)
                .build();

        for (var state : List.of(new Tripled(), 1L, new Balance(1), new Shut())) {
            var name = state instanceof Sum ? "sum" : state instanceof Long ? "number" : "any";
            assertThatThrownBy(() -> store.save(name, new Checkpoint(1, Position.of(1), state)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("\"" + name + "\"")
                    .hasMessageContaining(state.getClass().getName());
            assertThat(store.load(name)).isEmpty();
        }
        var mood = new Checkpoint(1, Position.of(1), Mood.GOOD);
        store.save("mood", mood);
        assertThat(store.load("mood")).contains(mood);
        assertThat(unreadable).isEmpty();
    }

    @Test
    void a_codec_that_tells_the_cases_of_a_sealed_interface_apart_may_keep_them() {
        // given one whose bytes say which case they are, and one that hands on to another that does not
        var telling = codec(
                state -> state instanceof Open open ? "open " + open.cents() : "shut",
                text -> text.equals("shut") ? new Shut() : new Open(Long.parseLong(text.substring(5))));
        var json = new JacksonEventCodec();
        var wrapping = codec(
                state -> new String(json.encode(state), StandardCharsets.UTF_8),
                text -> json.decode(text.getBytes(StandardCharsets.UTF_8), Standing.class));
        var open = new Checkpoint(1, Position.of(1), new Open(7));

        // then
        var store = store().state("standing", Standing.class).codec(telling).build();
        store.save("standing", open);
        assertThat(store.load("standing")).contains(open);
        assertThatThrownBy(() -> store().state("standing", Standing.class)
                        .codec(wrapping)
                        .build()
                        .save("standing", open))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"standing\"")
                .hasMessageContaining(Open.class.getName())
                .hasCauseInstanceOf(UncheckedIOException.class);
        assertThat(store.load("standing")).contains(open);
        assertThat(unreadable).isEmpty();
    }

    private static EventCodec codec(Function<Object, String> write, Function<String, Object> read) {
        return new EventCodec() {
            @Override
            public byte[] encode(Object value) {
                return write.apply(value).getBytes(StandardCharsets.UTF_8);
            }

            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                return type.cast(read.apply(new String(payload, StandardCharsets.UTF_8)));
            }
        };
    }

    @Test
    void names_that_postgresql_cannot_keep_are_refused_before_it_is_asked() {
        var store = store().states("", String.class).build();

        for (var name : List.of("a\0b", "a\uD800b")) {
            assertThatThrownBy(() -> store.save(name, new Checkpoint(1, Position.START, "")))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> store.load(name)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> store.delete(name)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void a_state_that_cannot_be_read_is_told_and_is_as_if_absent_until_it_is_replaced() throws SQLException {
        // given a state of yesterday's class
        var store = store().state("total", Balance.class).build();
        store().state("total", Named.class)
                .build()
                .save("total", new Checkpoint(1, Position.of(3), new Named("", Map.of())));

        // then
        assertThat(store.load("total")).isEmpty();
        assertThat(unreadable).hasSize(1);
        assertThat(unreadable.get(0).name()).isEqualTo("total");
        assertThat(unreadable.get(0).position()).isEqualTo(Position.of(3));
        assertThat(unreadable.get(0).cause()).isNotNull();

        // and damaged bytes are the same
        try (var connection = database.getConnection();
                var update = connection.prepareStatement("update cqrs_checkpoint set state = ?")) {
            update.setBytes(1, "{\"cents\":1,\"@class\":\"java.lang.Runtime\"}".getBytes(StandardCharsets.UTF_8));
            update.executeUpdate();
        }
        assertThat(store.load("total")).isEmpty();
        assertThat(unreadable).hasSize(2);

        // when
        var next = new Checkpoint(2, Position.of(4), new Balance(1));
        store.save("total", next);

        // then
        assertThat(store.load("total")).contains(next);
        assertThat(unreadable).hasSize(2);
    }

    @Test
    void a_state_is_as_if_absent_where_the_codec_throws_what_no_signature_allows() {
        var one = new Checkpoint(1, Position.of(3), new Balance(1));
        for (var thrown :
                List.of(new IOException("away"), new NoClassDefFoundError("gone"), new AssertionError("no"))) {
            var store = store().states("", Balance.class).codec(failing(thrown)).build();
            store.save("total", one);

            assertThat(store.load("total")).isEmpty();
            assertThat(unreadable.get(unreadable.size() - 1).cause()).isSameAs(thrown);
        }
        assertThat(unreadable).hasSize(3);

        var interrupted = store().states("", Balance.class)
                .codec(failing(new InterruptedException()))
                .build();
        assertThat(interrupted.load("total")).isEmpty();
        assertThat(Thread.interrupted()).as("it is still there").isTrue();

        var noMemory = new OutOfMemoryError();
        var full = store().states("", Balance.class).codec(failing(noMemory)).build();
        assertThatThrownBy(() -> full.load("total")).isSameAs(noMemory);
    }

    /** Writes, and reads nothing. */
    private static EventCodec failing(Throwable thrown) {
        var jackson = new JacksonEventCodec();
        return new EventCodec() {
            @Override
            public byte[] encode(Object value) {
                return jackson.encode(value);
            }

            @Override
            public <T> T decode(byte[] payload, Class<T> type) {
                throw sneak(thrown);
            }
        };
    }

    /** As a language without checked exceptions throws them. */
    @SuppressWarnings("unchecked")
    private static <X extends Throwable> RuntimeException sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void a_projection_goes_on_in_another_process_and_begins_again_where_its_state_is_unreadable() throws Exception {
        var log = log(1, 2, 3);
        var store = store().state("total", Balance.class).build();
        try (var engine = engine(log, store)) {
            engine.view(TOTAL).awaitApplied(log.head(), Duration.ofMinutes(2));
        }
        assertThat(store.load("total")).contains(new Checkpoint(1, Position.of(3), new Balance(6)));

        // when the class has changed and nobody thought of the version
        var other = store().state("total", Named.class).build();

        // then it is told, and nothing of it believed
        assertThat(other.load("total")).isEmpty();
        assertThat(unreadable).hasSize(1);
        try (var engine = engine(log, store)) {
            assertThat(engine.view(TOTAL).position()).isEqualTo(Position.of(3));
            assertThat(engine.view(TOTAL).read(Balance::cents)).isEqualTo(6);
        }
    }

    @Test
    void a_checkpoint_ahead_of_a_restored_log_is_not_believed() throws Exception {
        var store = store().state("total", Balance.class)
                .states("snapshot/account/", Balance.class)
                .build();
        store.save("total", new Checkpoint(1, Position.of(99), new Balance(1_000)));
        store.save("snapshot/account/a", new Checkpoint(1, Position.of(99), new Balance(1_000)));
        var log = log(1, 2);

        try (var engine = engine(log, store)) {
            engine.view(TOTAL).awaitApplied(log.head(), Duration.ofMinutes(2));
            assertThat(engine.view(TOTAL).read(Balance::cents)).isEqualTo(3);
        }
        var accounts = Snapshots.of(store, "account", 1, Balance.class, BALANCE);
        assertThat(accounts.model("a", EventQuery.tagged(Tag.of("account", "a")))
                        .load(log)
                        .state())
                .isEqualTo(new Balance(3));
        assertThat(accounts.count(Snapshots.Outcome.NEWER)).isEqualTo(1);
    }

    @Test
    void snapshots_are_used_and_unreadable_ones_replaced() {
        var log = log(1, 2, 3);
        var store = store().states("snapshot/account/", Balance.class).build();
        var accounts = Snapshots.of(store, "account", 1, Balance.class, BALANCE).every(2);
        var model = accounts.model("a", EventQuery.tagged(Tag.of("account", "a")));
        model.load(log);
        assertThat(model.load(log).state()).isEqualTo(new Balance(6));
        assertThat(accounts.count(Snapshots.Outcome.USED)).isEqualTo(1);

        store().states("snapshot/account/", String.class)
                .build()
                .save("snapshot/account/a", new Checkpoint(1, Position.of(1), "old"));

        assertThat(model.load(log).state()).isEqualTo(new Balance(6));
        assertThat(unreadable).hasSize(1);
        assertThat(store.load("snapshot/account/a")).isPresent();
    }

    @Test
    void a_pool_of_one_connection_without_auto_commit_is_enough_and_is_given_back_as_it_was() throws SQLException {
        var config = new HikariConfig();
        config.setDataSource(database);
        config.setMaximumPoolSize(1);
        config.setAutoCommit(false);
        try (var pool = new HikariDataSource(config)) {
            var one = JdbcCheckpointStore.builder(pool, unreadable::add)
                    .states("", String.class)
                    .build();
            one.save("a", new Checkpoint(1, Position.of(1), "one"));
            one.save("b", new Checkpoint(1, Position.of(2), "two"));
            one.delete("b");

            var others = store().states("", String.class).build();
            assertThat(others.load("a")).contains(new Checkpoint(1, Position.of(1), "one"));
            assertThat(others.load("b")).isEmpty();
            try (var connection = pool.getConnection()) {
                assertThat(connection.getAutoCommit()).isFalse();
            }
        }
    }

    @Test
    void a_table_that_somebody_has_dropped_is_told_as_an_error_of_the_database() throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("drop table cqrs_checkpoint");
        }
        var store = store().states("", String.class).build();

        assertThatThrownBy(() -> store.load("a"))
                .isInstanceOf(DatabaseException.class)
                .hasMessageContaining("\"a\"")
                .hasCauseInstanceOf(SQLException.class);
    }

    private static ProjectionEngine engine(InMemoryEventStore log, JdbcCheckpointStore store) {
        return ProjectionEngine.builder(log, failure -> {
                    throw new AssertionError(failure);
                })
                .checkpoints(store)
                .inline(TOTAL)
                .build();
    }
}
