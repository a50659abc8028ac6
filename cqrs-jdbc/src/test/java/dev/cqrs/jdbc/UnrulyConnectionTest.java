package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNoException;

import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.jdbc.Ledger.Opened;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.TransactionState;
import org.postgresql.ds.PGSimpleDataSource;

/** Connections that fail where nobody expects it: what was done is still told as it is. */
@Timeout(300)
class UnrulyConnectionTest {

    private final PGSimpleDataSource database = Postgres.database();
    private final BlockingQueue<Throwable> failures = new LinkedBlockingQueue<>(1_000);

    @BeforeEach
    void apply_the_schema() {
        JdbcSchema.of().apply(database);
    }

    private static JdbcEventStore storeOn(DataSource source) {
        return JdbcEventStore.builder(source, Ledger.CATALOG, Clock.systemUTC()).build();
    }

    private static Position append(JdbcEventStore store) {
        return store.append(List.of(new Opened("a")), AppendCondition.none()).last();
    }

    private Position head() {
        return storeOn(database).head();
    }

    /** Unruly from when the flag is set. */
    private DataSource once(AtomicBoolean armed, Unruly.Behaviour behaviour) {
        return Unruly.source(database, (what, call) -> armed.get() ? behaviour.at(what, call) : call.make());
    }

    private static Exception thrown(String kind) {
        return kind.equals("runtime")
                ? new IllegalStateException("unruly")
                : new SQLException("unruly", kind.equals("sql") ? "55000" : kind);
    }

    // ---- appending

    @ParameterizedTest
    @CsvSource({
        "PreparedStatement.close(), sql",
        "PreparedStatement.close(), runtime",
        "Connection.close(), sql",
        "Connection.close(), runtime"
    })
    void an_append_that_was_committed_returns_whatever_fails_in_leaving(String where, String kind) {
        var armed = new AtomicBoolean();
        var store = storeOn(once(armed, (what, call) -> {
            var result = call.make();
            if (what.equals(where)) {
                throw thrown(kind);
            }
            return result;
        }));
        armed.set(true);

        assertThat(append(store)).isEqualTo(Position.of(1));
        assertThat(append(store)).isEqualTo(Position.of(2));
        assertThat(head()).isEqualTo(Position.of(2));
    }

    @Test
    void an_append_that_was_committed_returns_where_auto_commit_cannot_be_restored() {
        database.setOptions("-c default_transaction_isolation=serializable");
        var armed = new AtomicBoolean();
        var store = storeOn(once(armed, (what, call) -> {
            var result = call.make();
            if (what.equals("Connection.setAutoCommit(true)")) {
                throw thrown("runtime");
            }
            return result;
        }));
        armed.set(true);

        assertThat(append(store)).isEqualTo(Position.of(1));
        assertThat(head()).isEqualTo(Position.of(1));
    }

    @Test
    void an_answer_that_cannot_be_read_is_no_refusal() {
        var armed = new AtomicBoolean();
        var store = storeOn(once(armed, (what, call) -> {
            if (what.equals("ResultSet.next()")) {
                throw thrown("sql");
            }
            return call.make();
        }));
        armed.set(true);

        assertThatExceptionOfType(AppendOutcomeUnknownException.class).isThrownBy(() -> append(store));
        assertThat(head()).isEqualTo(Position.of(1));
    }

    @Test
    void a_refusal_stays_one_where_the_connection_throws_the_same_again() {
        var same = new SQLException("unruly", "23505");
        var armed = new AtomicBoolean();
        var store = storeOn(once(armed, (what, call) -> switch (what) {
            case "PreparedStatement.executeQuery()", "Connection.rollback()", "Connection.close()" -> throw same;
            case "Connection.getAutoCommit()" -> false;
            default -> call.make();
        }));
        armed.set(true);

        assertThatExceptionOfType(DatabaseException.class)
                .isThrownBy(() -> append(store))
                .withCause(same);
        assertThat(head()).isEqualTo(Position.START);
    }

    @Test
    void an_append_that_was_refused_and_cannot_be_rolled_back_is_not_committed_by_restoring_auto_commit() {
        database.setOptions("-c default_transaction_isolation=serializable");
        var armed = new AtomicBoolean();
        var store = storeOn(once(armed, (what, call) -> switch (what) {
            case "Connection.commit()", "Connection.rollback()" -> throw new SQLException("unruly", "40001");
            default -> call.make();
        }));
        armed.set(true);

        assertThatExceptionOfType(DatabaseException.class).isThrownBy(() -> append(store));
        assertThat(head()).isEqualTo(Position.START);
    }

    @Test
    void what_a_driver_says_of_a_statement_that_was_closed_under_it_is_no_refusal() {
        var armed = new AtomicBoolean();
        var store = storeOn(once(armed, (what, call) -> {
            var made = call.make();
            if (what.equals("PreparedStatement.executeQuery()")) {
                throw new SQLException("This statement has been closed.", "55000");
            }
            return made;
        }));
        armed.set(true);

        assertThatExceptionOfType(AppendOutcomeUnknownException.class).isThrownBy(() -> append(store));
        assertThat(head()).isEqualTo(Position.of(1));
    }

    @Test
    void after_an_error_the_lock_of_the_log_does_not_go_back_with_the_connection() throws SQLException {
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            var armed = new AtomicBoolean();
            var store = storeOn(Unruly.source(OneConnection.source(connection), (what, call) -> {
                if (armed.get() && what.equals("ResultSet.next()")) {
                    armed.set(false);
                    throw new LinkageError("unruly");
                }
                return call.make();
            }));
            armed.set(true);

            assertThatExceptionOfType(LinkageError.class).isThrownBy(() -> append(store));

            assertThat(connection.unwrap(BaseConnection.class).getTransactionState())
                    .isEqualTo(TransactionState.IDLE);
        }
    }

    // ---- other transactions

    @Test
    void a_read_that_fails_in_the_middle_of_somebody_elses_transaction_leaves_that_alone() throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create table rows_of_my_own (i int)");
            connection.setAutoCommit(false);
            statement.execute("insert into rows_of_my_own values (1)");
            var armed = new AtomicBoolean();
            var store = storeOn(Unruly.source(OneConnection.source(connection), (what, call) -> {
                if (armed.get() && what.equals("PreparedStatement.executeQuery()")) {
                    throw new SQLException("unruly", "57014");
                }
                return call.make();
            }));
            armed.set(true);

            assertThatExceptionOfType(DatabaseException.class).isThrownBy(store::head);

            connection.commit();
            try (var row = statement.executeQuery("select count(*) from rows_of_my_own")) {
                row.next();
                assertThat(row.getInt(1)).isEqualTo(1);
            }
        }
    }

    @Test
    void a_connection_of_which_nobody_can_say_whose_transaction_it_is_in_is_cut() throws SQLException {
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            var armed = new AtomicBoolean();
            var store = storeOn(Unruly.source(OneConnection.source(connection), (what, call) -> {
                if (armed.get() && what.equals("Connection.createStatement()")) {
                    throw new SQLException("unruly", "57014");
                }
                return call.make();
            }));
            armed.set(true);

            assertThatExceptionOfType(DatabaseException.class).isThrownBy(store::head);

            assertThat(connection.isClosed()).isTrue();
        }
    }

    @Test
    void a_connection_that_throws_the_same_everywhere_is_a_failure_of_the_database() {
        var same = new SQLException("unruly", "57014");
        var armed = new AtomicBoolean();
        var source = once(armed, (what, call) -> {
            if (what.startsWith("Connection.prepareStatement") || what.matches("Connection\\.(rollback|close)\\(\\)")) {
                throw same;
            }
            return call.make();
        });
        var store = storeOn(source);
        var checkpoints = JdbcCheckpointStore.builder(source, unreadable -> failures.add(unreadable.cause()))
                .states("", Opened.class)
                .build();
        armed.set(true);

        assertThatExceptionOfType(DatabaseException.class)
                .isThrownBy(() -> checkpoints.load("a"))
                .withCause(same);
        assertThatExceptionOfType(DatabaseException.class)
                .isThrownBy(store::head)
                .withCause(same);
    }

    @ParameterizedTest
    @CsvSource({
        "Connection.setAutoCommit(true), runtime",
        "Connection.close(), runtime",
        "Connection.close(), sql",
        "Connection.close(), 08006"
    })
    void a_transaction_that_was_committed_is_no_failure_whatever_fails_in_leaving(String where, String kind)
            throws SQLException {
        var source = Unruly.source(database, (what, call) -> {
            var result = call.make();
            if (what.equals(where)) {
                throw thrown(kind);
            }
            return result;
        });

        int seven = Transaction.run(source, connection -> 7);

        assertThat(seven).isEqualTo(7);
        assertThat(storeOn(source).head()).isEqualTo(Position.START);
    }

    @Test
    void what_cannot_be_rolled_back_is_not_committed_by_restoring_auto_commit() throws SQLException {
        execute("create table note (text text)");
        var source = Unruly.source(database, (what, call) -> {
            if (what.equals("Connection.rollback()")) {
                throw thrown("sql");
            }
            return call.make();
        });

        assertThatIllegalStateException()
                .isThrownBy(() -> Transaction.run(source, connection -> {
                    try (var insert = connection.prepareStatement("insert into note values ('half')")) {
                        insert.execute();
                    }
                    throw new IllegalStateException("half-way");
                }))
                .withMessage("half-way");

        assertThat(count("note")).isEqualTo(0);
    }

    // ---- the schema

    @Test
    void a_schema_is_not_applied_in_the_middle_of_somebody_elses_transaction() throws SQLException {
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            try (var statement = connection.createStatement()) {
                statement.execute("create table note (text text)");
            }

            assertThatExceptionOfType(DatabaseException.class)
                    .isThrownBy(() -> JdbcSchema.of("other").apply(OneConnection.source(connection)))
                    .withMessageContaining("middle of a transaction");

            connection.commit();
        }
        assertThat(count("note")).isEqualTo(0); // and so there
    }

    @Test
    void a_schema_whose_commit_gets_no_answer_is_not_said_to_be_absent() {
        var source = Unruly.source(database, (what, call) -> {
            var result = call.make();
            if (what.equals("Connection.commit()")) {
                throw thrown("08006");
            }
            return result;
        });

        assertThatExceptionOfType(DatabaseException.class)
                .isThrownBy(() -> JdbcSchema.of("other").apply(source))
                .withMessageContaining("not known");
        assertThat(JdbcSchema.of("other").isCurrent(database)).isTrue();
    }

    // ---- following

    @Test
    void a_connection_that_comes_after_the_store_was_closed_goes_back_as_it_was() throws SQLException {
        try (var connection = database.getConnection()) {
            connection.setNetworkTimeout(Runnable::run, 60_000);
            var following = new AtomicReference<JdbcEventStore>();
            var closing = Unruly.source(OneConnection.source(connection), (what, call) -> {
                var store = following.get();
                if (store != null && what.startsWith("DataSource.getConnection")) {
                    store.close();
                }
                return call.make();
            });
            var task = new ArrayBlockingQueue<Runnable>(1);
            following.set(JdbcEventStore.builder(closing, Ledger.CATALOG, Clock.systemUTC())
                    .follow(task::add, Duration.ofDays(1), failures::add)
                    .build());

            connection.setAutoCommit(false);
            task.remove().run();

            assertThat(connection.getNetworkTimeout()).isEqualTo(60_000);
            assertThat(connection.getAutoCommit()).isFalse();
            assertThat(connection.unwrap(BaseConnection.class).getTransactionState())
                    .isEqualTo(TransactionState.IDLE);
        }
    }

    @Test
    void a_connection_in_the_middle_of_a_transaction_that_has_written_is_not_followed_on_and_nothing_is_committed()
            throws Exception {
        execute("create table rows_of_my_own (i int)");
        try (var connection = database.getConnection();
                var rows = connection.createStatement()) {
            connection.setAutoCommit(false);
            rows.execute("insert into rows_of_my_own values (1)");
            var task = new ArrayBlockingQueue<Runnable>(1);
            var following = new AtomicReference<JdbcEventStore>();
            following.set(JdbcEventStore.builder(OneConnection.source(connection), Ledger.CATALOG, Clock.systemUTC())
                    .follow(task::add, Duration.ofDays(1), failure -> {
                        failures.add(failure);
                        Objects.requireNonNull(following.get()).close();
                    })
                    .build());

            var store = Objects.requireNonNull(following.get());
            append(storeOn(database));
            store.onAppend(last -> store.close()); // where it is followed on all the same

            task.remove().run();

            assertThat(failures)
                    .singleElement()
                    .satisfies(failure -> assertThat(failure)
                            .hasMessageContaining("in the middle of a transaction that has written"));
            assertThat(count("rows_of_my_own")).isZero();
            connection.commit();
            assertThat(count("rows_of_my_own")).isEqualTo(1);
        }
    }

    @Test
    void a_read_sees_the_log_of_now_on_a_connection_that_somebody_has_read_with_before() throws SQLException {
        append(storeOn(database));
        try (var connection = database.getConnection();
                var other = connection.createStatement()) {
            connection.setAutoCommit(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            var store = storeOn(OneConnection.source(connection));
            other.execute("select count(*) from cqrs_event"); // and does not end its transaction
            append(storeOn(database));

            assertThat(store.head()).isEqualTo(Position.of(2));
        }
    }

    @ParameterizedTest
    @ValueSource(classes = {UnsupportedOperationException.class, AbstractMethodError.class})
    void a_store_can_be_closed_where_a_driver_cannot_cut_a_connection(Class<? extends Throwable> refusal)
            throws Exception {
        append(storeOn(database));
        var source = Unruly.source(database, (what, call) -> {
            if (what.startsWith("Connection.abort")) {
                throw refusal.getConstructor().newInstance();
            }
            return call.make();
        });
        var threads = Executors.newSingleThreadExecutor();
        try {
            var told = new CountDownLatch(1);
            var task = new ArrayBlockingQueue<Runnable>(1);
            var store = JdbcEventStore.builder(source, Ledger.CATALOG, Clock.systemUTC())
                    .follow(task::add, Duration.ofMillis(50), failures::add)
                    .build();
            store.onAppend(last -> told.countDown());
            threads.execute(task.remove());
            assertThat(told.await(120, TimeUnit.SECONDS)).isTrue();

            assertThatNoException().isThrownBy(store::close);

            threads.shutdown();
            assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
            assertThat(failures).isEmpty();
        } finally {
            threads.shutdownNow();
        }
    }

    // ---- reading

    @Test
    void an_event_that_cannot_be_decoded_is_not_passed_over() {
        var broken = new AtomicBoolean(true);
        var inner = new JacksonEventCodec();
        var store = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .codec(new EventCodec() {
                    @Override
                    public byte[] encode(Object value) {
                        return inner.encode(value);
                    }

                    @Override
                    public <T> T decode(byte[] payload, Class<T> type) {
                        if (broken.get()) {
                            throw new IllegalStateException("broken");
                        }
                        return inner.decode(payload, type);
                    }
                })
                .build();
        append(store);
        append(store);

        try (var events = store.read(EventQuery.all())) {
            for (int time = 1; time <= 2; time++) {
                assertThatExceptionOfType(RuntimeException.class)
                        .isThrownBy(events::advance)
                        .withStackTraceContaining("broken");
            }
            broken.set(false);
            assertThat(events.advance()).isTrue();
            assertThat(events.position()).isEqualTo(Position.of(1));
        }
    }

    private void execute(String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private int count(String table) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement();
                var row = statement.executeQuery("select count(*) from " + table)) {
            row.next();
            return row.getInt(1);
        }
    }
}
