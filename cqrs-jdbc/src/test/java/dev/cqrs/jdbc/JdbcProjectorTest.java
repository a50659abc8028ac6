package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.jdbc.JdbcProjector.Failure;
import dev.cqrs.jdbc.JdbcProjector.Handler;
import dev.cqrs.jdbc.JdbcProjector.State;
import dev.cqrs.message.Metadata;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The projector over a log in memory, so that these tests are of the projector alone; its view is in PostgreSQL. */
@Timeout(300)
class JdbcProjectorTest {

    record Paid(String account, long cents) {}

    record Noted(String text) {}

    private static final Duration SOON = Duration.ofMinutes(2);

    /** Does not run out where the machine stands still for a while. */
    private static final Duration LONG = Duration.ofMinutes(10);

    private static final Duration SHORT = Duration.ofMillis(300);
    private static final EventQuery PAID = EventQuery.types(Paid.class);

    private final HikariDataSource database = Postgres.pooledDatabase(8);
    private final EventStore log = new InMemoryEventStore(
            Catalog.builder()
                    .event("paid", Paid.class, e -> Set.of(Tag.of("account", e.account())))
                    .event("noted", Noted.class)
                    .build(),
            Clock.systemUTC());
    private final ExecutorService pool = Executors.newCachedThreadPool();
    private final BlockingQueue<Failure> failures = new LinkedBlockingQueue<>(1_000);

    /** Adds up, and counts how often each event was taken: what is not exactly once shows. */
    private static final Handler ADD_UP = new Handler() {
        @Override
        public void apply(Connection connection, RecordedEvent event) throws SQLException {
            var paid = (Paid) event.event();
            try (var sum = connection.prepareStatement(
                    "insert into balance values (?, ?, 1)"
                            + " on conflict (account) do update set cents = balance.cents + excluded.cents, n = balance.n + 1")) {
                sum.setString(1, paid.account());
                sum.setLong(2, paid.cents());
                sum.executeUpdate();
            }
        }

        @Override
        public void reset(Connection connection) throws SQLException {
            try (var statement = connection.createStatement()) {
                statement.execute("delete from balance");
            }
        }
    };

    @BeforeEach
    void apply_the_schema() throws SQLException {
        JdbcSchema.of("cqrs").apply(database);
        update("create table balance (account text primary key, cents bigint not null, n bigint not null)");
    }

    @AfterEach
    void close() {
        pool.shutdownNow();
        database.close();
    }

    private JdbcProjector start(int version, Handler handler) {
        return start(version, handler, LONG);
    }

    private JdbcProjector start(int version, Handler handler, Duration lease) {
        return JdbcProjector.builder(log, database)
                .batch(10)
                .lease(lease)
                .owner("test")
                .start("balances", version, PAID, handler, pool, failures::add);
    }

    private Position pay(String account, long... cents) {
        for (long some : cents) {
            log.append(List.of(new Paid(account, some)), AppendCondition.none());
        }
        return log.head();
    }

    @Test
    void who_need_not_wait_is_not_told_of_an_interrupt() throws Exception {
        var head = pay("a", 1);
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(head, SOON);
            Thread.currentThread().interrupt();
            projector.awaitApplied(head, SOON);
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void the_view_follows_the_log_and_goes_on_where_it_ended() throws Exception {
        pay("a", 1, 2, 3);
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("6 in 3");
            projector.awaitApplied(pay("a", 4), SOON);
            assertThat(balance("a")).isEqualTo("10 in 4");
            log.append(List.of(new Noted("not in the query")), AppendCondition.none());
            projector.awaitApplied(log.head(), SOON);
            assertThat(projector.status().position()).isEqualTo(log.head());
        }
        pay("a", 5);
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("15 in 5");
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void where_the_tables_of_the_prefix_are_not_it_stops_and_says_how_they_come_there() throws Exception {
        pay("a", 1);
        try (var projector = JdbcProjector.builder(log, database)
                .prefix("elsewhere")
                .start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause())
                    .isInstanceOf(SchemaMismatchException.class)
                    .hasMessageContaining("JdbcSchema.of(\"elsewhere\").apply(dataSource)");
            assertThatThrownBy(() -> projector.awaitApplied(log.head(), SOON))
                    .isInstanceOf(JdbcProjector.LateException.class)
                    .hasMessageContaining("STOPPED");
        }
    }

    @Test
    void projections_of_one_name_over_logs_of_two_prefixes_are_two() throws Exception {
        for (var prefix : List.of("shop", "bank")) {
            JdbcSchema.of(prefix).apply(database);
            var store = JdbcEventStore.builder(database, log.catalog(), Clock.systemUTC())
                    .prefix(prefix)
                    .build();
            store.append(List.of(new Paid(prefix, 1), new Paid(prefix, 2)), AppendCondition.none());
            try (var projector =
                    JdbcProjector.builder(store, database).start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
                projector.awaitApplied(store.head(), SOON);
            }
            assertThat(balance(prefix)).isEqualTo("3 in 2");
            assertThat(text("select name || ' at ' || position from " + prefix + "_projection"))
                    .isEqualTo("balances at 2");
            try (var projector = JdbcProjector.builder(store, database)
                    .prefix("cqrs") // said by the application
                    .start("of " + prefix, 1, PAID, ADD_UP, pool, failures::add)) {
                projector.awaitApplied(store.head(), SOON);
            }
        }
        assertThat(text("select string_agg(name, ', ' order by name) from cqrs_projection"))
                .isEqualTo("of bank, of shop");
        assertThat(failures).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_REPEATABLE_READ})
    void a_pool_that_rolls_nothing_back_and_whose_connections_do_not_commit_will_do(int isolation) throws Exception {
        pay("a", 1, 2, 3);
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            connection.setTransactionIsolation(isolation);
            ask(connection, "select count(*) from balance"); // whoever had it before, and has not ended it
            var careless = JdbcProjector.builder(log, OneConnection.pool(connection))
                    .batch(2)
                    .lease(Duration.ofHours(1));
            for (int i = 1; i <= 3; i++) { // one after the other, as each gives its lease up
                try (var projector = careless.start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
                    projector.awaitApplied(log.head(), SOON);
                    projector.awaitApplied(pay("a", 4), SOON);
                    assertThat(balance("a")).isEqualTo((6 + 4 * i) + " in " + (3 + i));
                }
                assertThat(text("select count(*) from pg_stat_activity where datname = current_database()"
                                + " and state like 'idle in transaction%'"))
                        .isEqualTo("0");
            }
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_data_source_that_gives_the_connection_of_a_transaction_stops_it_and_the_transaction_is_left_alone()
            throws Exception {
        pay("a", 1);
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            try (var statement = connection.createStatement()) {
                statement.execute("insert into balance values ('mine', 5, 5)");
            }
            try (var projector = JdbcProjector.builder(log, OneConnection.source(connection))
                    .start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
                var failure = failures.poll(120, TimeUnit.SECONDS);
                assertThat(failure).isNotNull();
                assertThat(failure.cause()).hasMessageContaining("in the middle of a transaction");
                assertThat(projector.status().state()).isEqualTo(State.STOPPED);
            }
            assertThat(ask(connection, "select cents from balance where account = 'mine'"))
                    .isEqualTo("5");
            connection.rollback();
        }
        assertThat(text("select count(*) from balance")).isEqualTo("0");
    }

    @Test
    void batches_end_between_positions_and_hold_no_more_than_they_may() throws Exception {
        for (int i = 0; i < 25; i++) {
            pay("a", 1);
        }
        var transactions = new ArrayList<String>();
        try (var projector = start(1, (connection, event) -> {
            transactions.add(ask(connection, "select pg_current_xact_id()::text"));
            ADD_UP.apply(connection, event);
        })) {
            projector.awaitApplied(log.head(), SOON);
        }

        assertThat(transactions).hasSize(25);
        assertThat(transactions.stream().distinct()).hasSize(3);
        assertThat(balance("a")).isEqualTo("25 in 25");
    }

    @ParameterizedTest
    @CsvSource({"PT9M, 0", "PT1H, 9min"})
    void a_batch_ends_early_once_a_third_of_the_lease_has_passed_or_of_a_stricter_limit(
            Duration lease, String strictest) throws Exception {
        var name = text("select current_database()");
        update("alter database \"" + name + "\" set idle_in_transaction_session_timeout = '" + strictest + "'");
        database.getHikariPoolMXBean().softEvictConnections();
        for (int i = 0; i < 25; i++) {
            pay("a", 1);
        }
        var transactions = new ArrayList<String>();
        var time = new AtomicLong(Long.MAX_VALUE - 1); // which runs over
        try (var projector = JdbcProjector.builder(log, database)
                .batch(10)
                .lease(lease)
                .nanoTime(time::get)
                .start(
                        "balances",
                        1,
                        PAID,
                        (connection, event) -> {
                            transactions.add(ask(connection, "select pg_current_xact_id()::text"));
                            ADD_UP.apply(connection, event);
                            time.addAndGet(Duration.ofMinutes(1).toNanos());
                        },
                        pool,
                        failures::add)) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(projector.status().position()).isEqualTo(log.head());
        }

        assertThat(transactions).hasSize(25);
        assertThat(transactions.stream().distinct()).hasSize(9); // of three events each, but for the last
        assertThat(balance("a")).isEqualTo("25 in 25");
        assertThat(failures).isEmpty();
    }

    @Test
    void a_batch_that_never_comes_to_its_end_is_tried_again_in_smaller_ones() throws Exception {
        for (int i = 0; i < 25; i++) {
            pay("a", 1);
        }
        var transactions = new ArrayList<String>();
        try (var projector = start(1, (connection, event) -> {
            var transaction = ask(connection, "select pg_current_xact_id()::text");
            transactions.add(transaction);
            if (transactions.stream().filter(transaction::equals).count() > 5) {
                throw new SQLException("too long for this server", "25P03");
            }
            ADD_UP.apply(connection, event);
        })) {
            projector.awaitApplied(log.head(), SOON);
        }

        assertThat(balance("a")).isEqualTo("25 in 25");
        assertThat(failures).hasSizeBetween(1, 5).allMatch(Failure::retried);
    }

    @Test
    void the_listener_is_told_of_the_lease_for_which_one_event_was_silent_for_too_long() throws Exception {
        pay("a", 1);
        var first = new AtomicBoolean(true);
        try (var projector = start(
                1,
                (connection, event) -> {
                    ADD_UP.apply(connection, event);
                    if (first.getAndSet(false)) {
                        var backend = ask(connection, "select pg_backend_pid()::text");
                        Patience.await(() -> text("select count(*) from pg_stat_activity where pid = " + backend)
                                .equals("0")); // the server ends it
                    }
                },
                SHORT)) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("1 in 1");
        }
        var failure = failures.poll();
        assertThat(failure).isNotNull();
        assertThat(failure.retried()).isTrue();
        assertThat(failure.position()).isEqualTo(Position.of(1));
        assertThat(failure.cause())
                .isInstanceOf(LeaseLostException.class)
                .hasMessageContaining("\"projection/balances\" lasts PT0.3S")
                .hasMessageContaining("a longer lease")
                .hasMessageContaining("a smaller batch")
                .hasCauseInstanceOf(SQLException.class);
    }

    @Test
    void a_statement_that_takes_too_long_is_no_silence_that_the_lease_ends() throws Exception {
        pay("a", 1);
        var first = new AtomicBoolean(true);
        try (var projector = start(
                1,
                (connection, event) -> {
                    ADD_UP.apply(connection, event);
                    if (first.getAndSet(false)) {
                        ask(connection, "select set_config('statement_timeout', '400ms', true)");
                        ask(connection, "select pg_sleep(300)");
                    }
                },
                SHORT)) {
            projector.awaitApplied(log.head(), SOON);
        }
        var failure = failures.poll();
        assertThat(failure).isNotNull();
        assertThat(failure.retried()).isTrue();
        assertThat(failure.cause())
                .isInstanceOfSatisfying(
                        SQLException.class,
                        failed -> assertThat(failed.getSQLState()).isEqualTo("57014"));
    }

    @ParameterizedTest
    @CsvSource({
        "25P03, false, true",
        "08006, false, true",
        "08003, false, true",
        "08006, true, false",
        "57014, false, false",
        "57P01, false, false",
        "40001, false, false"
    })
    void the_lease_is_named_where_the_server_may_have_ended_a_silent_transaction(
            String state, boolean socketTimeout, boolean lease) throws Exception {
        pay("a", 1);
        var now = new AtomicLong();
        var first = new AtomicBoolean(true);
        var thrown = new SQLException(
                "gone", state, new IOException(socketTimeout ? new SocketTimeoutException("Read timed out") : null));
        try (var projector = JdbcProjector.builder(log, database)
                .lease(LONG)
                .nanoTime(now::get)
                .start(
                        "balances",
                        1,
                        PAID,
                        (connection, event) -> {
                            if (first.getAndSet(false)) {
                                now.addAndGet(LONG.toNanos());
                                throw thrown;
                            }
                        },
                        pool,
                        failures::add)) {
            projector.awaitApplied(log.head(), SOON);
        }
        var failure = failures.poll();
        assertThat(failure).isNotNull();
        assertThat(failure.retried()).isTrue();
        if (lease) {
            assertThat(failure.cause()).isInstanceOf(LeaseLostException.class).hasCause(thrown);
        } else {
            assertThat(failure.cause()).isSameAs(thrown);
        }
    }

    @Test
    void a_failing_handler_rolls_its_batch_back_and_stops_with_the_event_it_failed_at() throws Exception {
        pay("a", 1, 2, 3, 4);
        var broken = new AtomicBoolean(true);
        Handler picky = (connection, event) -> {
            ADD_UP.apply(connection, event);
            if (broken.get() && event.position().equals(Position.of(3))) {
                throw new IllegalStateException("three");
            }
        };
        try (var projector = start(1, picky)) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.projection()).isEqualTo("balances");
            assertThat(failure.position()).isEqualTo(Position.of(3));
            assertThat(failure.cause()).hasMessage("three");
            assertThat(failure.retried()).isFalse();

            assertThatThrownBy(() -> projector.awaitApplied(log.head(), SOON))
                    .isInstanceOf(JdbcProjector.LateException.class)
                    .hasMessageContaining("position 3")
                    .hasMessageContaining("STOPPED")
                    .cause()
                    .isSameAs(failure.cause());
            assertThat(projector.status().state()).isEqualTo(State.STOPPED);
            assertThat(projector.status().failure()).contains(failure);
            assertThat(balance("a")).isEqualTo("none");
        }

        // when it is mended, the failed event comes first, and nothing twice
        broken.set(false);
        try (var projector = start(1, picky)) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("10 in 4");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4}) // of four
    void a_handler_that_swallows_the_failure_of_a_statement_is_told_what_it_did(int event) throws Exception {
        pay("a", 1, 2, 3, 4);
        try (var projector = start(1, (connection, next) -> {
            ADD_UP.apply(connection, next);
            if (next.position().equals(Position.of(event))) {
                assertThatThrownBy(() -> ask(connection, "insert into balance values ('a', 0, 0) returning n"))
                        .hasMessageContaining("duplicate key");
            }
        })) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.position()).isEqualTo(Position.of(4)); // where it was found
            assertThat(failure.retried()).isFalse();
            assertThat(failure.cause())
                    .hasMessageContaining("\"balances\" has swallowed the exception of a statement")
                    .hasMessageContaining("at this event or at an earlier one")
                    .hasMessageContaining("savepoint")
                    .hasCauseInstanceOf(SQLException.class);
            assertThat(projector.status().position()).isEqualTo(Position.START);
        }
        assertThat(balance("a")).isEqualTo("none");
    }

    @Test
    void twelve_ways_to_fail_each_stop_it_and_nothing_is_half_done() throws Exception {
        pay("a", 1, 2);
        List<Throwable> kinds = List.of(
                new IllegalStateException(),
                new Exception("checked"),
                new StackOverflowError(),
                new AssertionError(),
                new LinkageError(),
                new SQLException("no state"),
                new SQLException("unique", "23505"),
                new SQLException("syntax", "42601"),
                new ClassCastException(),
                new NullPointerException(),
                new InterruptedException(),
                new Error("other"));
        for (var kind : kinds) {
            try (var projector = start(1, (connection, event) -> {
                ADD_UP.apply(connection, event);
                if (event.position().equals(Position.of(2))) {
                    JdbcProjectorTest.<RuntimeException>sneak(kind);
                }
            })) {
                var failure = failures.poll(120, TimeUnit.SECONDS);
                assertThat(failure).isNotNull();
                assertThat(failure.cause()).isSameAs(kind);
                assertThat(failure.retried()).isFalse();
                assertThatThrownBy(() -> projector.awaitApplied(log.head(), SOON))
                        .isInstanceOf(JdbcProjector.LateException.class);
            }
            assertThat(balance("a")).as("%s", kind).isEqualTo("none");
        }
    }

    @SuppressWarnings("unchecked")
    private static <X extends Throwable> void sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    @Test
    void what_the_database_asks_to_retry_is_retried_and_told() throws Exception {
        pay("a", 1);
        var attempts = new AtomicInteger();
        try (var projector = start(1, (connection, event) -> {
            ADD_UP.apply(connection, event);
            switch (attempts.incrementAndGet()) {
                case 1 -> throw new SQLException("deadlock", "40P01");
                case 2 -> ask(connection, "select pg_terminate_backend(pg_backend_pid())::text");
                default -> {}
            }
        })) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("1 in 1");
            assertThat(failures).hasSize(2).allMatch(Failure::retried);
            assertThat(projector.status().failure()).isEmpty();
            assertThat(projector.status().state()).isEqualTo(State.RUNNING);
        }
    }

    @Test
    void a_listener_that_throws_what_it_is_told_does_not_keep_it_from_another_try() throws Exception {
        BlockingQueue<Throwable> uncaught = new LinkedBlockingQueue<>(10);
        var own = Executors.newFixedThreadPool(1, task -> {
            var thread = new Thread(task);
            thread.setUncaughtExceptionHandler((on, thrown) -> {
                uncaught.add(thrown);
                throw new IllegalStateException("the handler too");
            });
            return thread;
        });
        pay("a", 1);
        var passing = new IllegalStateException(new SQLException("deadlock", "40P01"));
        var attempts = new AtomicInteger();
        Handler handler = (connection, event) -> {
            if (attempts.incrementAndGet() == 1) {
                throw passing;
            }
            ADD_UP.apply(connection, event);
        };
        try (var projector = JdbcProjector.builder(log, database)
                .lease(LONG)
                .owner("test")
                .start("balances", 1, PAID, handler, own, failure -> {
                    throw (RuntimeException) failure.cause();
                })) {
            assertThat(uncaught.poll(120, TimeUnit.SECONDS)).isSameAs(passing);
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("1 in 1");
            assertThat(passing.getSuppressed()).isEmpty();
        } finally {
            own.shutdownNow();
        }
    }

    @Test
    void a_later_version_empties_the_view_and_fills_it_anew_and_the_earlier_one_stays_away() throws Exception {
        pay("a", 1, 2);
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(log.head(), SOON);
        }

        try (var projector = start(2, ADD_UP)) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("3 in 2");
        }

        try (var projector = start(1, ADD_UP)) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause()).hasMessageContaining("version 2").hasMessageContaining("version 1");
            assertThat(projector.status().state()).isEqualTo(State.STOPPED);
            assertThat(balance("a")).isEqualTo("3 in 2");
        }
    }

    @Test
    void a_view_ahead_of_its_log_stops_and_is_kept_until_its_version_is_raised() throws Exception {
        pay("a", 1, 2);
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(log.head(), SOON);
        }
        update("update cqrs_projection set position = 99");
        update("update balance set cents = 7");

        try (var projector = start(1, ADD_UP)) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.retried()).isFalse();
            assertThat(failure.cause())
                    .hasMessageContaining("\"balances\"")
                    .hasMessageContaining("position 99")
                    .hasMessageContaining("ends at 2")
                    .hasMessageContaining("raise the projection's version");
            assertThat(projector.status().state()).isEqualTo(State.STOPPED);
            assertThat(balance("a")).isEqualTo("7 in 2");
        }

        try (var projector = start(2, ADD_UP)) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("3 in 2");
        }
    }

    /** The head of a log that was restored from an earlier state, as {@code one} of JDBC's is after a fail-over. */
    private static EventStore on(DataSource source) {
        return JdbcEventStore.builder(
                        source,
                        Catalog.builder()
                                .event("paid", Paid.class, e -> Set.of(Tag.of("account", e.account())))
                                .build(),
                        Clock.systemUTC())
                .build();
    }

    @Test
    void a_log_that_becomes_shorter_while_its_view_is_kept_stops_it() throws Exception {
        var kept = on(database);
        kept.append(List.of(new Paid("a", 1), new Paid("a", 2)), AppendCondition.none());
        try (var projector = JdbcProjector.builder(kept, database)
                .lease(SHORT)
                .start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
            projector.awaitApplied(Position.of(2), SOON);
            update("delete from cqrs_tag where position = 2");
            update("delete from cqrs_event where position = 2");

            var failure = failures.poll(120, TimeUnit.SECONDS);
            while (failure != null && failure.retried()) { // its short lease may have run out on a slow machine
                failure = failures.poll(120, TimeUnit.SECONDS);
            }
            assertThat(failure).isNotNull();
            assertThat(failure.cause()).hasMessageContaining("the log ends at 1");
            assertThat(projector.status().state()).isEqualTo(State.STOPPED);
            assertThat(balance("a")).isEqualTo("3 in 2");
        }
    }

    @Test
    void a_pool_that_has_no_connection_and_does_not_say_so_by_a_code_is_asked_again() throws Exception {
        pay("a", 1);
        var once = new AtomicBoolean(true);
        var waiting = Thread.currentThread(); // which looks at the database, too
        var source = Unruly.source(database, (what, call) -> {
            if (what.startsWith("DataSource.getConnection")
                    && Thread.currentThread() != waiting
                    && once.getAndSet(false)) {
                throw new SQLException("Timeout: pool empty");
            }
            return call.make();
        });
        try (var projector = JdbcProjector.builder(log, source)
                .lease(LONG)
                .start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
            projector.awaitApplied(log.head(), SOON);
        }
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.retried()).isTrue());
    }

    @Test
    void a_handler_that_cannot_empty_its_view_is_told_so_and_the_view_stays() throws Exception {
        pay("a", 1, 2);
        try (var projector = start(1, (connection, event) -> ADD_UP.apply(connection, event))) {
            projector.awaitApplied(log.head(), SOON);
        }

        try (var projector = start(2, (connection, event) -> ADD_UP.apply(connection, event))) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause()).hasMessageContaining("Handler.reset");
            assertThat(projector.status().version()).isEqualTo(2);
        }
        assertThat(balance("a")).isEqualTo("3 in 2");
    }

    @Test
    @SuppressWarnings("try") // closed by hand, too
    void of_several_processes_one_works_and_when_it_ends_another_goes_on() throws Exception {
        var first = start(1, ADD_UP);
        first.awaitApplied(pay("a", 1), SOON);
        try (var second = start(1, ADD_UP)) {
            second.awaitApplied(pay("a", 2), SOON); // by looking: the first one works
            assertThat(second.status().state()).isEqualTo(State.STANDBY);
            assertThat(first.status().state()).isEqualTo(State.RUNNING);
            assertThat(balance("a")).isEqualTo("3 in 2");

            first.close();
            assertThat(first.status().state()).isEqualTo(State.CLOSED);

            second.awaitApplied(pay("a", 3), SOON);
            assertThat(second.status().state()).isEqualTo(State.RUNNING);
            assertThat(balance("a")).isEqualTo("6 in 3");
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void an_owner_that_is_paused_in_its_handler_past_the_lease_writes_nothing() throws Exception {
        var entered = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        var pause = new AtomicBoolean(true);
        pay("a", 1);
        try (var paused = start(
                1,
                (connection, event) -> {
                    if (pause.compareAndSet(true, false)) {
                        ADD_UP.apply(connection, event);
                        entered.countDown();
                        goOn.await();
                    }
                    ADD_UP.apply(connection, event);
                },
                SHORT)) {
            assertThat(entered.await(120, TimeUnit.SECONDS)).isTrue();

            // the server ends the paused transaction, and the next owner goes on
            try (var next = start(1, ADD_UP)) {
                next.awaitApplied(log.head(), SOON);
                assertThat(balance("a")).isEqualTo("1 in 1");
                goOn.countDown();
                paused.awaitApplied(pay("a", 5), SOON);
                assertThat(balance("a")).isEqualTo("6 in 2");
            }
        }
        assertThat(failures).isNotEmpty().allMatch(Failure::retried); // it may have been late before its pause, too
    }

    @Test
    void an_owner_whose_lease_is_taken_between_two_batches_stands_by() throws Exception {
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(pay("a", 1), SOON);
            update("update cqrs_lease set fence = fence + 1, until = 'infinity'");

            pay("a", 2);
            for (int looks = 0; projector.status().state() != State.STANDBY; looks++) {
                assertThat(looks).isLessThan(30_000);
                TimeUnit.MILLISECONDS.sleep(10);
            }
            assertThat(balance("a")).isEqualTo("1 in 1");

            update("update cqrs_lease set until = '-infinity'");
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("3 in 2");
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void a_view_that_a_later_version_has_emptied_is_not_taken_for_the_one_that_was_filled_here() throws Exception {
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(pay("a", 1), SOON);
            update("update cqrs_lease set fence = fence + 1, until = 'infinity'");
            update("update cqrs_projection set version = 2, position = 0");

            pay("a", 2);
            Patience.await(() -> projector.status().state() == State.STANDBY);
            assertThatThrownBy(() -> projector.awaitApplied(Position.of(1), Duration.ZERO))
                    .isInstanceOf(JdbcProjector.LateException.class)
                    .hasMessageContaining("at position 0 and STANDBY")
                    .hasMessageContaining("at version 2 in the database")
                    .hasMessageContaining("A newer application has taken it over");
            assertThatThrownBy(() -> projector.awaitApplied(Position.of(2), SOON))
                    .as("waiting would not help")
                    .hasMessageContaining("A newer application has taken it over");

            // it stops when it would work again, and knows no better then
            update("update cqrs_lease set until = '-infinity'");
            Patience.await(() -> projector.status().state() == State.STOPPED);
            assertThatThrownBy(() -> projector.awaitApplied(Position.of(1), SOON))
                    .hasMessageContaining("A newer application has taken it over");
        }
    }

    @Test
    void a_projector_that_has_stopped_asks_the_database_where_its_view_is() throws Exception {
        pay("a", 1);
        var projector = start(1, (connection, event) -> {
            if (event.position().value() == 2) {
                throw new IllegalStateException("cannot");
            }
            ADD_UP.apply(connection, event);
        });
        try (projector) {
            projector.awaitApplied(log.head(), SOON);
            pay("a", 2);
            Patience.await(() -> projector.status().state() == State.STOPPED);
            projector.awaitApplied(Position.of(1), Duration.ZERO);

            try (var mended = start(2, ADD_UP)) {
                mended.awaitApplied(log.head(), SOON);
            }
            assertThatThrownBy(() -> projector.awaitApplied(Position.of(1), SOON))
                    .hasMessageContaining("A newer application has taken it over");
        }
    }

    @Test
    void progress_that_somebody_has_changed_meanwhile_stops_it() throws Exception {
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(pay("a", 1), SOON);
            update("update cqrs_projection set position = 0");
            pay("a", 2);

            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause()).hasMessageContaining("not at version 1, position 1 any more");
            assertThat(balance("a")).isEqualTo("1 in 1");
        }
    }

    @Test
    void sums_are_right_whatever_connections_are_cut_and_owners_change() throws Exception {
        long seed = Long.getLong("dev.cqrs.jdbc.seed", System.nanoTime());
        System.out.println("JdbcProjectorTest seed " + seed);
        var random = new SplittableRandom(seed);
        var cutting = new AtomicBoolean(true);
        Handler flaky = (connection, event) -> {
            ADD_UP.apply(connection, event);
            if (cutting.get() && event.position().value() % 17 == 0) {
                ask(connection, "select pg_terminate_backend(pg_backend_pid())::text where random() < 0.5");
            }
        };
        long sum = 0;
        int count = 0;
        for (int round = 0; round < 6; round++) {
            try (var one = start(1, flaky, SHORT);
                    var two = start(1, flaky, SHORT)) {
                for (int i = 0; i < 40; i++) {
                    long cents = random.nextLong(1, 100);
                    sum += cents;
                    count++;
                    pay("a", cents);
                }
                (random.nextBoolean() ? one : two).awaitApplied(Position.of(1 + random.nextLong(count)), SOON);
            }
        }
        cutting.set(false);
        try (var last = start(1, flaky)) {
            last.awaitApplied(log.head(), SOON);
        }

        assertThat(balance("a")).as("seed %s", seed).isEqualTo(sum + " in " + count);
        assertThat(failures).allMatch(Failure::retried);
    }

    @Test
    @SuppressWarnings("try") // closed by hand, too
    void waiting_ends_in_time_and_when_it_is_closed() throws Exception {
        try (var projector = start(1, ADD_UP)) {
            assertThatThrownBy(() -> projector.awaitApplied(Position.of(7), Duration.ofMillis(50)))
                    .isInstanceOf(JdbcProjector.LateException.class)
                    .hasMessageContaining("position 7");
            var waiting = pool.submit(() -> {
                projector.awaitApplied(Position.of(7), SOON);
                return null;
            });
            projector.close();
            assertThatThrownBy(() -> waiting.get(120, TimeUnit.SECONDS))
                    .hasCauseInstanceOf(JdbcProjector.LateException.class)
                    .hasMessageContaining("CLOSED");
        }
    }

    @Test
    void a_handler_that_spoils_its_transaction_is_found_out() throws Exception {
        pay("a", 1);
        try (var projector = start(1, (connection, event) -> connection.setAutoCommit(true))) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause()).hasMessageContaining("auto-commit");
            assertThat(projector.status().position()).isEqualTo(Position.START);
        }
    }

    @Test
    void a_handler_that_ends_its_transaction_is_found_out() throws Exception {
        pay("a", 1, 2);
        Handler rollsBack = (connection, event) -> {
            if (event.position().equals(Position.of(2))) {
                connection.rollback();
            }
            ADD_UP.apply(connection, event);
        };
        Handler commits = (connection, event) -> {
            ADD_UP.apply(connection, event);
            connection.commit();
        };
        for (var handler : List.of(rollsBack, commits)) {
            try (var projector = start(1, handler)) {
                var failure = failures.poll(120, TimeUnit.SECONDS);
                assertThat(failure).isNotNull();
                assertThat(failure.retried()).isFalse();
                assertThat(failure.cause())
                        .hasMessageContaining("ended the transaction")
                        .hasMessageContaining("savepoint");
                assertThat(projector.status().position()).isEqualTo(Position.START);
            }
            assertThat(text("select position::text from cqrs_projection")).isEqualTo("0");
        }
    }

    @Test
    void a_handler_that_ends_its_transaction_in_emptying_its_view_is_found_out() throws Exception {
        try (var projector = start(1, ADD_UP)) {
            projector.awaitApplied(pay("a", 1), SOON);
        }
        var rollsBack = new Handler() {
            @Override
            public void apply(Connection connection, RecordedEvent event) throws Exception {
                ADD_UP.apply(connection, event);
            }

            @Override
            public void reset(Connection connection) throws Exception {
                ADD_UP.reset(connection);
                connection.rollback();
            }
        };
        try (var projector = start(2, rollsBack)) {
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause()).hasMessageContaining("ended the transaction");
            assertThat(projector.status().state()).isEqualTo(State.STOPPED);
        }
        assertThat(text("select version || ' ' || position from cqrs_projection"))
                .isEqualTo("1 1");
    }

    @Test
    void a_handler_may_roll_back_to_a_savepoint() throws Exception {
        pay("a", 1, 2);
        try (var projector = start(1, (connection, event) -> {
            ADD_UP.apply(connection, event);
            var savepoint = connection.setSavepoint();
            ADD_UP.apply(connection, event);
            connection.rollback(savepoint);
        })) {
            projector.awaitApplied(log.head(), SOON);
            assertThat(balance("a")).isEqualTo("3 in 2");
        }
        assertThat(failures).isEmpty();
    }

    /** What the database refuses itself leaves an aborted transaction behind, unlike an exception that is made up. */
    @Test
    void an_error_of_the_database_stops_it_and_nothing_is_half_done_also_if_the_handler_swallows_it() throws Exception {
        pay("a", 1, 2);
        for (var refused : List.of(
                "insert into balance values ('a', 1, 1)", // taken
                "insert into balance values (null, 1, 1)",
                "select 1 / 0",
                "selekt",
                "do $$ begin raise exception 'own'; end $$")) {
            for (boolean swallowed : new boolean[] {false, true}) {
                try (var projector = start(1, (connection, event) -> {
                    ADD_UP.apply(connection, event);
                    if (event.position().equals(Position.of(2))) {
                        try (var statement = connection.createStatement()) {
                            statement.execute(refused);
                        } catch (SQLException failed) {
                            if (!swallowed) {
                                throw failed;
                            }
                        }
                    }
                })) {
                    var failure = failures.poll(120, TimeUnit.SECONDS);
                    assertThat(failure).isNotNull();
                    assertThat(swallowed ? failure.cause().getCause() : failure.cause())
                            .isInstanceOf(SQLException.class);
                    assertThat(failure.retried()).isFalse();
                    assertThat(projector.status().state()).isEqualTo(State.STOPPED);
                }
                assertThat(balance("a")).as(refused).isEqualTo("none");
                assertThat(text("select position::text from cqrs_projection")).isEqualTo("0");
            }
        }
    }

    @Test
    void a_projection_has_a_name() {
        assertThatThrownBy(() -> JdbcProjector.builder(log, database).start(" ", 1, PAID, ADD_UP, pool, failures::add))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("blank");
    }

    @Test
    void one_connection_is_enough() throws Exception {
        try (var single = Postgres.pool(database.getDataSource(), 1)) {
            pay("a", 1, 2);
            try (var projector =
                    JdbcProjector.builder(log, single).start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
                projector.awaitApplied(log.head(), SOON);
                assertThat(balance("a")).isEqualTo("3 in 2");
            }
        }
    }

    @Test
    void a_handler_cannot_close_its_projector_and_an_interrupt_stops_it() throws Exception {
        pay("a", 1);
        var own = new AtomicReference<JdbcProjector>();
        var started = new CountDownLatch(1);
        var executor = Executors.newSingleThreadExecutor();
        try (var projector = JdbcProjector.builder(log, database)
                .start(
                        "balances",
                        1,
                        PAID,
                        (connection, event) -> {
                            started.await();
                            Objects.requireNonNull(own.get()).close();
                        },
                        executor,
                        failures::add)) {
            own.set(projector);
            started.countDown();
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause())
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("wait for itself");
        } finally {
            executor.shutdownNow();
        }

        var other = Executors.newSingleThreadExecutor();
        try (var projector =
                JdbcProjector.builder(log, database).start("balances", 1, PAID, ADD_UP, other, failures::add)) {
            projector.awaitApplied(log.head(), SOON);
            other.shutdownNow();
            var failure = failures.poll(120, TimeUnit.SECONDS);
            assertThat(failure).isNotNull();
            assertThat(failure.cause()).isInstanceOf(InterruptedException.class);
            assertThat(projector.status().state()).isEqualTo(State.STOPPED);
        }
        assertThat(balance("a")).isEqualTo("1 in 1");
    }

    @Test
    void an_interrupted_one_gives_its_lease_up_at_once() throws Exception {
        pay("a", 1);
        var executor = Executors.newSingleThreadExecutor();
        try (var first = JdbcProjector.builder(log, database)
                .lease(Duration.ofHours(1))
                .start("balances", 1, PAID, ADD_UP, executor, failures::add)) {
            first.awaitApplied(log.head(), SOON);
            executor.shutdownNow();
            assertThat(executor.awaitTermination(120, TimeUnit.SECONDS)).isTrue();

            try (var second = start(1, ADD_UP)) {
                pay("a", 2);
                second.awaitApplied(log.head(), SOON);
                assertThat(second.status().state()).isEqualTo(State.RUNNING);
            }
        }
        assertThat(failures).hasSize(1);
    }

    @Test
    void one_that_stands_by_does_not_ask_the_database_at_each_append() throws Exception {
        var asked = new AtomicInteger();
        var config = new HikariConfig();
        config.setDataSource(database.getDataSource());
        try (var counting = new HikariDataSource(config) {
                    @Override
                    public Connection getConnection() throws SQLException {
                        asked.incrementAndGet();
                        return super.getConnection();
                    }
                };
                var owner = start(1, ADD_UP)) {
            owner.awaitApplied(pay("a", 1), SOON);
            try (var standby =
                    JdbcProjector.builder(log, counting).start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
                for (int i = 0; i < 2_000; i++) {
                    pay("a", 1);
                }
                owner.awaitApplied(log.head(), SOON);
                assertThat(standby.status().state()).isEqualTo(State.STANDBY);
                assertThat(asked.get()).isLessThan(1_000); // once in a while, for as long as it took
            }
        }
    }

    /** The log, whose signals are the test's. */
    private record Waking(EventStore log, List<Signal> signals, Subscription subscription) implements EventStore {

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            return log.append(events, condition, metadata);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            return log.read(query, options);
        }

        @Override
        public Position head() {
            return log.head();
        }

        @Override
        public Catalog catalog() {
            return log.catalog();
        }

        @Override
        public Subscription onAppend(Signal signal) {
            signals.add(signal);
            return subscription;
        }
    }

    @Test
    void one_that_is_woken_all_the_time_for_nothing_renews_its_lease() throws Exception {
        var waking = new Waking(log, new CopyOnWriteArrayList<>(), () -> {});
        try (var projector = JdbcProjector.builder(waking, database)
                .lease(Duration.ofSeconds(3))
                .start("balances", 1, PAID, ADD_UP, pool, failures::add)) {
            projector.awaitApplied(pay("a", 1), SOON);
            var first = leasedUntil();

            long begin = System.nanoTime();
            boolean renewed = false;
            while (!renewed && System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(20)) {
                waking.signals().forEach(signal -> signal.appended(log.head()));
                renewed = leasedUntil().isAfter(first);
            }
            assertThat(renewed).isTrue();
        }
    }

    private OffsetDateTime leasedUntil() throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement();
                var row = statement.executeQuery("select until from cqrs_lease")) {
            row.next();
            return row.getObject(1, OffsetDateTime.class);
        }
    }

    @Test
    void a_store_whose_signals_cannot_be_ended_keeps_no_lease() throws Exception {
        pay("a", 1);
        var waking = new Waking(log, new CopyOnWriteArrayList<>(), () -> {
            throw new IllegalStateException("unruly");
        });
        JdbcProjector.builder(waking, database)
                .lease(LONG)
                .start(
                        "balances",
                        1,
                        PAID,
                        (connection, event) -> {
                            throw new IllegalArgumentException("wrong");
                        },
                        pool,
                        failures::add);

        assertThat(failures.poll(120, TimeUnit.SECONDS))
                .extracting(Failure::cause)
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(failures.poll(30, TimeUnit.SECONDS))
                .extracting(Failure::cause)
                .isInstanceOf(IllegalStateException.class);
        assertThat(JdbcLease.of(database, "cqrs", "projection/balances", "next", LONG)
                        .acquire())
                .isTrue();
    }

    @Test
    void what_was_being_tried_again_is_no_failure_of_one_that_was_closed() throws Exception {
        var away = Unruly.source(database, (what, call) -> {
            throw new SQLException("away", "08006");
        });
        var projector = JdbcProjector.builder(log, away).start("balances", 1, PAID, ADD_UP, pool, failures::add);
        assertThat(failures.poll(120, TimeUnit.SECONDS)).isNotNull();

        projector.close();

        assertThat(projector.status().state()).isEqualTo(State.CLOSED);
        assertThat(projector.status().failure()).isEmpty();
    }

    @Test
    void an_executor_that_refuses_is_the_callers_to_know() {
        var closed = Executors.newSingleThreadExecutor();
        closed.shutdown();
        assertThatThrownBy(() ->
                        JdbcProjector.builder(log, database).start("balances", 1, PAID, ADD_UP, closed, failures::add))
                .isInstanceOf(RejectedExecutionException.class);
        // and one that never begins can be closed
        JdbcProjector.builder(log, database)
                .start("balances", 1, PAID, ADD_UP, task -> {}, failures::add)
                .close();
    }

    @Test
    void closing_lets_the_batch_in_hand_be_committed() throws Exception {
        pay("a", 1, 2, 3);
        var entered = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        var projector = JdbcProjector.builder(log, database)
                .start(
                        "balances",
                        1,
                        PAID,
                        (connection, event) -> {
                            entered.countDown();
                            goOn.await();
                            ADD_UP.apply(connection, event);
                        },
                        pool,
                        failures::add);
        assertThat(entered.await(120, TimeUnit.SECONDS)).isTrue();
        var closing = new Thread(projector::close);
        closing.start();
        while (closing.isAlive() && closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        assertThat(closing.isAlive()).as("closing waits").isTrue();
        goOn.countDown();
        closing.join();

        assertThat(balance("a")).isEqualTo("6 in 3");
        assertThat(failures).isEmpty();
    }

    private String balance(String account) throws SQLException {
        try (var connection = database.getConnection();
                var statement =
                        connection.prepareStatement("select cents || ' in ' || n from balance where account = ?")) {
            statement.setString(1, account);
            try (var rows = statement.executeQuery()) {
                return rows.next() ? rows.getString(1) : "none";
            }
        }
    }

    private String text(String sql) throws SQLException {
        try (var connection = database.getConnection()) {
            return ask(connection, sql);
        }
    }

    private void update(String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static String ask(Connection connection, String sql) throws SQLException {
        try (var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            return rows.next() ? rows.getString(1) : "";
        }
    }
}
