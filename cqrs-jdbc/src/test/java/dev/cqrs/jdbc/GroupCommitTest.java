package dev.cqrs.jdbc;

import static dev.cqrs.jdbc.Ledger.account;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.jdbc.Ledger.Deposited;
import dev.cqrs.jdbc.Ledger.Opened;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Appends that meet: while one waits in the database for a lock that the test holds, others queue up behind it. */
class GroupCommitTest {

    private static final EventQuery A = EventQuery.tagged(account("a"));

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private PGSimpleDataSource plain;
    private HikariDataSource database;
    private JdbcEventStore store;
    private Connection holder;

    @BeforeEach
    void hold_the_lock_of_an_empty_log() throws SQLException {
        plain = Postgres.database();
        database = Postgres.pool(plain, 4);
        JdbcSchema.of().apply(database);
        store = storeOn(database);
        holder = plain.getConnection();
        holder.setAutoCommit(false);
        hold();
    }

    @AfterEach
    void let_go() throws SQLException {
        threads.shutdownNow();
        holder.close();
        database.close();
    }

    private static JdbcEventStore storeOn(HikariDataSource database) {
        return JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .codec(new EventCodec() {
                    private final EventCodec inner = new JacksonEventCodec();

                    @Override
                    public byte[] encode(Object value) {
                        return value.equals(new Opened("odd")) ? "{".getBytes(UTF_8) : inner.encode(value);
                    }

                    @Override
                    public <T> T decode(byte[] payload, Class<T> type) {
                        return inner.decode(payload, type);
                    }
                })
                .build();
    }

    @Test
    void what_queues_up_is_committed_together() throws Exception {
        // given one that waits in the database, and twenty behind it
        var first = append(new Deposited("first", 0), AppendCondition.none());
        awaitBlocked(1);
        var others = new ArrayList<Future<Appended>>();
        for (int i = 0; i < 20; i++) {
            others.add(append(new Deposited("b" + i, i), AppendCondition.none()));
            awaitQueued(i + 2);
        }

        // when
        release();

        // then
        assertThat(first.get(120, TimeUnit.SECONDS).last().value()).isEqualTo(1);
        for (int i = 0; i < 20; i++) {
            assertThat(others.get(i).get(120, TimeUnit.SECONDS).last().value()).isEqualTo(i + 2);
        }
        assertThat(transactions()).isEqualTo(2);
    }

    @Test
    void each_of_a_group_has_its_own_fate() throws Exception {
        var first = append(new Deposited("first", 0), AppendCondition.none());
        awaitBlocked(1);
        var good = append(new Opened("a"), AppendCondition.absent(A));
        awaitQueued(2);
        var odd = append(new Opened("odd"), AppendCondition.none());
        awaitQueued(3);
        var conflicting = append(new Opened("b"), AppendCondition.absent(EventQuery.tagged(account("first"))));
        awaitQueued(4);
        var behind = append(new Opened("b"), AppendCondition.unchanged(A, Position.of(99)));
        awaitQueued(5);
        var second = append(new Opened("a"), AppendCondition.absent(A));
        awaitQueued(6);

        release();

        assertThat(first.get(120, TimeUnit.SECONDS).last().value()).isEqualTo(1);
        assertThat(good.get(120, TimeUnit.SECONDS).last().value()).isEqualTo(2);
        assertThat(failure(odd)).isInstanceOf(IllegalArgumentException.class);
        assertThat(failure(conflicting)).isInstanceOf(AppendConflictException.class);
        assertThat(failure(behind)).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("99");
        assertThat(failure(second))
                .isInstanceOfSatisfying(
                        AppendConflictException.class,
                        conflict -> assertThat(conflict.position().value()).isEqualTo(2));
        assertThat(store.head().value()).isEqualTo(2);
    }

    @Test
    void one_that_depends_on_another_of_the_queue_sees_it() throws Exception {
        var first = append(new Deposited("first", 0), AppendCondition.none());
        awaitBlocked(1);
        var all = new ArrayList<Future<Appended>>();
        for (int i = 0; i < 10; i++) {
            all.add(append(new Opened("a"), AppendCondition.absent(A)));
            awaitQueued(i + 2);
        }

        release();

        assertThat(first.get(120, TimeUnit.SECONDS).last().value()).isEqualTo(1);
        int stored = 0;
        for (var one : all) {
            try {
                one.get(120, TimeUnit.SECONDS);
                stored++;
            } catch (ExecutionException refused) {
                assertThat(refused).hasCauseInstanceOf(AppendConflictException.class);
            }
        }
        assertThat(stored).isEqualTo(1);
        assertThat(transactions()).isEqualTo(2);
    }

    @Test
    void a_condition_is_checked_against_all_that_was_committed_before_the_lock_was_had() throws Exception {
        store.within(holder).append(List.of(new Opened("a")), AppendCondition.none());
        var second = append(new Opened("a"), AppendCondition.absent(A));
        awaitBlocked(1); // its statement has begun before the commit

        holder.commit();

        assertThat(failure(second)).isInstanceOf(AppendConflictException.class);
        assertThat(store.head().value()).isEqualTo(1);
    }

    @Test
    void an_interrupt_ends_no_append_and_is_kept() throws Exception {
        var waiting = new ArrayList<CompletableFuture<Boolean>>();
        var interrupted = new ArrayList<Thread>();
        for (int i = 0; i < 3; i++) {
            var kept = new CompletableFuture<Boolean>();
            var event = new Opened("i" + i);
            var thread = new Thread(() -> {
                try {
                    store.append(List.of(event), AppendCondition.none());
                    kept.complete(Thread.currentThread().isInterrupted());
                } catch (Throwable thrown) {
                    kept.completeExceptionally(thrown);
                }
            });
            thread.start();
            interrupted.add(thread);
            waiting.add(kept);
            if (i == 0) {
                awaitBlocked(1);
            } else {
                awaitQueued(i + 1);
            }
        }
        interrupted.forEach(Thread::interrupt);

        release();

        for (var one : waiting) {
            assertThat(one.get(120, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(store.head().value()).isEqualTo(3);
    }

    @Test
    void an_interrupt_from_before_the_append_is_kept_and_costs_a_virtual_thread_no_connection() throws Exception {
        release();
        var kept = new CompletableFuture<Boolean>();
        startVirtual(() -> {
            Thread.currentThread().interrupt();
            try {
                store.append(List.of(new Opened("a")), AppendCondition.none());
                kept.complete(Thread.currentThread().isInterrupted());
            } catch (Throwable thrown) {
                kept.completeExceptionally(thrown);
            }
        });

        assertThat(kept.get(120, TimeUnit.SECONDS)).isTrue();
        assertThat(store.head().value()).isEqualTo(1);
    }

    /** An ordinary one before Java 21. */
    private static void startVirtual(Runnable task) throws ReflectiveOperationException {
        try {
            Thread.class.getMethod("startVirtualThread", Runnable.class).invoke(null, task);
        } catch (NoSuchMethodException earlier) {
            new Thread(task).start();
        }
    }

    @Test
    void a_lost_connection_leaves_the_outcome_of_its_group_unknown_and_of_no_other() throws Exception {
        var first = append(new Opened("a"), AppendCondition.none());
        awaitBlocked(1);
        var second = append(new Opened("b"), AppendCondition.none());
        awaitQueued(2);

        try (var killer = plain.getConnection();
                var statement = killer.createStatement()) {
            statement.execute("select pg_terminate_backend(pid) from pg_locks where not granted and database ="
                    + " (select oid from pg_database where datname = current_database())");
        }

        assertThat(failure(first))
                .isInstanceOf(AppendOutcomeUnknownException.class)
                .hasMessageContaining("\"opened\"")
                .hasCauseInstanceOf(SQLException.class);
        awaitBlocked(1);
        release();
        assertThat(second.get(120, TimeUnit.SECONDS).last().value()).isEqualTo(1);
    }

    @Test
    void without_a_connection_all_are_refused_and_later_ones_are_not() throws Exception {
        var config = new HikariConfig();
        config.setDataSource(plain);
        config.setMaximumPoolSize(1);
        config.setConnectionTimeout(500);
        try (var pool = new HikariDataSource(config)) {
            var small = storeOn(pool);
            var all = new ArrayList<Future<Appended>>();
            try (var taken = pool.getConnection()) {
                assertThat(taken.isValid(1)).isTrue();
                for (int i = 0; i < 5; i++) {
                    var event = new Opened("a" + i);
                    all.add(threads.submit(() -> small.append(List.of(event), AppendCondition.none())));
                }
                for (var one : all) {
                    assertThat(failure(one)).isInstanceOf(DatabaseException.class);
                }
            }
            release();

            assertThat(appendSoon(small).value()).isEqualTo(1);
        }
    }

    /** A connection that is free may be late for as short a limit as that. */
    private static Position appendSoon(EventStore store) {
        for (int attempt = 1; ; attempt++) {
            try {
                return store.append(List.of(new Opened("a")), AppendCondition.none())
                        .last();
            } catch (DatabaseException late) {
                if (attempt == 100) {
                    throw late;
                }
            }
        }
    }

    @Test
    void an_event_that_cannot_be_encoded_fails_alone() throws Exception {
        var first = append(new Opened("a"), AppendCondition.none());
        awaitBlocked(1);

        assertThat(failure(append("no event", AppendCondition.none())))
                .isInstanceOf(dev.cqrs.event.UnknownEventException.class);

        release();
        assertThat(first.get(120, TimeUnit.SECONDS).last().value()).isEqualTo(1);
    }

    @Test
    void a_connection_that_fails_with_an_error_leaves_nobody_waiting() throws Exception {
        release();
        var entered = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var failing = JdbcEventStore.builder(
                        new BrokenAfter(plain, 1, () -> {
                            entered.countDown();
                            try {
                                go.await();
                            } catch (InterruptedException stop) {
                                Thread.currentThread().interrupt();
                            }
                            throw new StackOverflowError("of the pool");
                        }),
                        Ledger.CATALOG,
                        Clock.systemUTC())
                .build();
        var first = threads.submit(() -> failing.append(List.of(new Opened("a")), AppendCondition.none()));
        entered.await();
        var second = threads.submit(() -> failing.append(List.of(new Opened("b")), AppendCondition.none()));
        go.countDown();

        assertThat(failure(first)).isInstanceOf(StackOverflowError.class);
        assertThat(failure(second)).isInstanceOf(StackOverflowError.class);
    }

    @ParameterizedTest
    @CsvSource({
        "23505, ERROR: duplicate, true",
        "40001, ERROR: serialize, true",
        "57014, ERROR: canceled, true",
        "53100, ERROR: disk full, true",
        "53100, FEHLER: kein Platz, true",
        "53100, ERREUR: plus de place, true",
        "XX000, ОШИБКА: что-то, true",
        "53100, PANIC: disk full, false",
        "53100, PANIK: kein Platz, false",
        "XX000, FATALT: något, false",
        "XX000, ВАЖНО: что-то, false",
        "XX000, FATAL: something, false",
        "58030, ERROR: io, true",
        "57P01, FATAL: terminating, false",
        "57P03, FATAL: starting up, false",
        "08006, I/O, false",
        "08003, closed, false",
        "40003, ERROR: unknown, false",
        "99999, unexpected, false",
        "55000, this statement has been closed, false",
        "02000, no results were returned, false",
        ", no state, false"
    })
    void an_answer_of_the_server_is_told_from_its_silence(String state, String message, boolean refusal) {
        assertThat(GroupCommit.isRefusal(new SQLException(message, state))).isEqualTo(refusal);
    }

    @ParameterizedTest
    @CsvSource({
        "54000, PreCommit_Notify, true",
        "54000, GetNewTransactionId, true",
        "54000, GetNewMultiXactId, true",
        "54000, _bt_check_third_page, false",
        "54000, checkStringLen, false",
        "54000, , false",
        "54001, PreCommit_Notify, false"
    })
    void a_limit_of_the_server_is_told_from_one_of_an_event(String state, @Nullable String routine, boolean servers) {
        assertThat(ServerLimit.isFoundBy(routine, state)).isEqualTo(servers);
    }

    /** Its own, as the queue is one for all databases. */
    @Test
    void an_append_is_not_at_fault_where_the_queue_of_the_server_is_full() throws Exception {
        assumeThat(Integer.parseInt(
                        System.getProperty("dev.cqrs.jdbc.server", "17").replaceFirst("\\..*", "")))
                .as("before, the queue holds 8 GB")
                .isGreaterThanOrEqualTo(17);
        try (var server = EmbeddedPostgres.builder()
                        .setPort(Ports.free())
                        .setServerConfig("max_notify_queue_pages", "64")
                        .setPGStartupWait(Postgres.START)
                        .start();
                var pool = Postgres.pool(Postgres.source(server, "postgres"), 2);
                var busy = pool.getConnection();
                var listening = busy.createStatement()) {
            JdbcSchema.of().apply(pool);
            var full = storeOn(pool);
            listening.execute("listen other");
            busy.setAutoCommit(false);
            listening.execute("select 1"); // from here on it takes nothing out of the queue
            try (var connection = pool.getConnection();
                    var filling = connection.createStatement()) {
                assertThatThrownBy(() -> {
                            while (true) {
                                filling.execute("select pg_notify('other', n || repeat('x', 7900))"
                                        + " from generate_series(1, 10) n");
                            }
                        })
                        .isInstanceOfSatisfying(
                                SQLException.class,
                                failed -> assertThat(failed.getSQLState()).isEqualTo("54000"));
            }

            assertThatThrownBy(() -> full.append(List.of(new Opened("a")), AppendCondition.none()))
                    .isInstanceOfSatisfying(
                            DatabaseException.class,
                            failed -> assertThat(failed.sqlState()).isEqualTo("54000"));
            assertThat(full.head()).isEqualTo(Position.START);
        }
    }

    @Test
    void what_the_server_refuses_to_all_is_not_tried_one_by_one() throws Exception {
        var first = append(new Opened("first"), AppendCondition.none());
        awaitBlocked(1);
        var others = new ArrayList<Future<Appended>>();
        for (int i = 0; i < 5; i++) {
            others.add(append(new Opened("b" + i), AppendCondition.none()));
            awaitQueued(i + 2);
        }

        // when the server ends the statement of the first, then the one of all the others
        for (int i = 0; i < 2; i++) {
            awaitBlocked(1);
            cancelBlocked();
            assertThat(failure(i == 0 ? first : others.get(0)))
                    .isInstanceOfSatisfying(
                            DatabaseException.class,
                            failed -> assertThat(failed.sqlState()).isEqualTo("57014"));
        }

        // then none waits for the lock again
        for (var other : others) {
            assertThat(failure(other)).isInstanceOf(DatabaseException.class);
        }
    }

    private void cancelBlocked() throws SQLException {
        try (var killer = plain.getConnection();
                var statement = killer.createStatement()) {
            statement.execute("select pg_cancel_backend(pid) from pg_locks where not granted and database ="
                    + " (select oid from pg_database where datname = current_database())");
        }
    }

    // ---- the test's own lock

    private void hold() throws SQLException {
        try (var statement = holder.createStatement()) {
            statement.execute("lock table cqrs_log in exclusive mode");
        }
    }

    private void release() throws SQLException {
        holder.rollback();
    }

    private Future<Appended> append(Object event, AppendCondition condition) {
        return threads.submit(() -> store.append(List.of(event), condition));
    }

    private static Throwable failure(Future<?> append) throws Exception {
        try {
            append.get(120, TimeUnit.SECONDS);
        } catch (ExecutionException failed) {
            return Objects.requireNonNull(failed.getCause());
        }
        throw new AssertionError("expected a failure, but it was appended");
    }

    /** There is no signal for it: the database is asked until it says so. */
    private void awaitBlocked(int statements) throws SQLException {
        try (var connection = plain.getConnection();
                var statement = connection.createStatement()) {
            Patience.await(() -> {
                try (var row = statement.executeQuery("select count(*) from pg_locks where not granted and database ="
                        + " (select oid from pg_database where datname = current_database())")) {
                    row.next();
                    return row.getInt(1) == statements;
                }
            });
        }
    }

    /** The one that is in the database with those that wait behind it. */
    private void awaitQueued(int appends) {
        Patience.await(() -> store.waitingAppends() == appends - 1);
    }

    private int transactions() throws SQLException {
        try (var statement = holder.createStatement();
                var row = statement.executeQuery("select count(distinct xmin::text) from cqrs_event")) {
            row.next();
            return row.getInt(1);
        }
    }
}
