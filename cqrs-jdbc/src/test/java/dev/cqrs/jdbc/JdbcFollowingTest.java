package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.jdbc.Ledger.Opened;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

class JdbcFollowingTest {

    private static final Duration NEVER = Duration.ofSeconds(Long.MAX_VALUE);

    private final BlockingQueue<Throwable> uncaught = new ArrayBlockingQueue<>(1_000);
    private final ExecutorService executor = Executors.newSingleThreadExecutor(task -> {
        var thread = new Thread(task);
        thread.setUncaughtExceptionHandler((where, thrown) -> uncaught.add(thrown));
        return thread;
    });
    private final BlockingQueue<Position> told = new ArrayBlockingQueue<>(1_000);
    private final BlockingQueue<Throwable> failures = new ArrayBlockingQueue<>(1_000);
    private PGSimpleDataSource plain;
    private HikariDataSource database;
    private JdbcEventStore other;

    @BeforeEach
    void open_an_empty_log() {
        plain = Postgres.database();
        database = Postgres.pool(plain, 3);
        JdbcSchema.of().apply(database);
        other = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .build();
    }

    @AfterEach
    void close_the_database() {
        executor.shutdownNow();
        database.close();
    }

    private JdbcEventStore follow(Duration poll) {
        var store = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .follow(executor, poll, failures::add)
                .build();
        store.onAppend(told::add);
        return store;
    }

    private void appendElsewhere() {
        other.append(List.of(new Opened("a")), AppendCondition.none());
    }

    private void awaitTold(long position) throws InterruptedException {
        Position last;
        do {
            last = told.poll(120, TimeUnit.SECONDS);
            assertThat(last).isNotNull();
        } while (last.value() < position);
    }

    @Test
    void the_database_wakes_a_store_when_another_appends() throws Exception {
        try (var store = follow(NEVER)) {
            for (int i = 1; i <= 5; i++) {
                appendElsewhere();
                awaitTold(i);
            }
            assertThat(store.head().value()).isEqualTo(5);
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void the_database_wakes_a_store_when_a_transaction_that_has_appended_commits() throws Exception {
        try (var store = follow(NEVER);
                var connection = plain.getConnection()) {
            connection.setAutoCommit(false);
            store.within(connection).append(List.of(new Opened("a")), AppendCondition.none());
            assertThat(told).isEmpty();

            connection.commit();

            awaitTold(1);
        }
    }

    @Test
    void an_append_before_the_following_began_is_told_as_well() throws Exception {
        appendElsewhere();
        try (var store = follow(NEVER)) {
            assertThat(store.head().value()).isEqualTo(1);
            store.wake();
            awaitTold(1);
        }
    }

    @Test
    void a_lost_connection_is_told_and_followed_by_another() throws Exception {
        try (var store = follow(Duration.ofMillis(50))) {
            appendElsewhere();
            awaitTold(1);

            for (int i = 2; i <= 4; i++) {
                killListener();
                appendElsewhere();
                awaitTold(i);
                assertThat(failures.poll(120, TimeUnit.SECONDS)).isInstanceOf(SQLException.class);
            }
            assertThat(store.head().value()).isEqualTo(4);
        }
    }

    @Test
    void closing_ends_the_task_at_once_and_nothing_else() throws Exception {
        var store = follow(NEVER);
        appendElsewhere();
        awaitTold(1);

        store.close();
        store.close();

        executor.shutdown();
        assertThat(executor.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        assertThat(failures).isEmpty();
        store.append(List.of(new Opened("b")), AppendCondition.none());
        assertThat(told.poll()).isEqualTo(Position.of(2));
    }

    @Test
    void an_executor_that_wants_its_thread_back_gets_it() throws Exception {
        try (var store = follow(Duration.ofMillis(50))) {
            appendElsewhere();
            awaitTold(1);

            executor.shutdownNow();

            assertThat(executor.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
            assertThat(store.head().value()).isEqualTo(1);
        }
    }

    @Test
    void a_listener_and_a_signal_that_fail_end_nothing() throws Exception {
        var store = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .follow(executor, Duration.ofMillis(50), failure -> {
                    failures.add(failure);
                    throw new IllegalStateException("the listener's own");
                })
                .build();
        try (store) {
            store.onAppend(last -> {
                throw new IllegalStateException("the signal's own");
            });
            store.onAppend(told::add);
            appendElsewhere();
            awaitTold(1);
            killListener();
            appendElsewhere();
            awaitTold(2);
        }
        assertThat(uncaught).extracting(Throwable::getMessage).contains("the listener's own", "the signal's own");
    }

    @Test
    void a_handler_of_uncaught_exceptions_that_throws_ends_nothing_either() throws Exception {
        var handled = new ArrayBlockingQueue<Throwable>(1_000);
        var store = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .follow(
                        task -> executor.execute(() -> {
                            Thread.currentThread().setUncaughtExceptionHandler((where, thrown) -> {
                                handled.add(thrown);
                                throw new IllegalArgumentException("the handler's own");
                            });
                            task.run();
                        }),
                        Duration.ofMillis(50),
                        failure -> {
                            boolean first = failures.isEmpty();
                            failures.add(failure);
                            throw first ? new IllegalStateException("the listener's own") : unchecked(failure);
                        })
                .build();
        try (store) {
            store.onAppend(told::add);
            appendElsewhere();
            awaitTold(1);
            for (int i = 2; i <= 3; i++) {
                killListener();
                appendElsewhere();
                awaitTold(i);
            }
        }
        assertThat(handled.remove())
                .hasMessage("the listener's own")
                .satisfies(thrown -> assertThat(thrown).hasSuppressedException(failures.remove()));
        assertThat(handled.remove()).isSameAs(failures.remove());
    }

    /** As a language without checked exceptions throws them. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> RuntimeException unchecked(Throwable thrown) throws T {
        throw (T) thrown;
    }

    @ParameterizedTest
    @ValueSource(strings = {"order", "user", "select", "a_1"})
    void any_prefix_is_followed(String prefix) throws Exception {
        JdbcSchema.of(prefix).apply(database);
        var builder = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .prefix(prefix);
        var elsewhere = builder.build();
        try (var store = builder.follow(executor, NEVER, failures::add).build()) {
            store.onAppend(told::add);
            for (int i = 1; i <= 3; i++) {
                elsewhere.append(List.of(new Opened("a")), AppendCondition.none());
                awaitTold(i);
            }
            assertThat(failures).isEmpty();
        }
    }

    @Test
    void an_interrupt_that_ends_the_following_is_told() throws Exception {
        try (var store = follow(Duration.ofMillis(50))) {
            store.onAppend(last -> Thread.currentThread().interrupt());
            appendElsewhere();

            assertThat(failures.poll(120, TimeUnit.SECONDS)).isInstanceOf(InterruptedException.class);
        }
    }

    @Test
    void a_listener_that_throws_an_error_ends_nothing() throws Exception {
        var store = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                .follow(executor, Duration.ofMillis(50), failure -> {
                    throw new AssertionError("the listener's own");
                })
                .build();
        try (store) {
            store.onAppend(told::add);
            appendElsewhere();
            awaitTold(1);
            killListener();
            appendElsewhere();
            awaitTold(2);
        }
        assertThat(uncaught).extracting(Throwable::getMessage).contains("the listener's own");
    }

    @Test
    void a_log_that_has_become_shorter_is_told() throws Exception {
        try (var store = follow(Duration.ofMillis(50))) {
            appendElsewhere();
            appendElsewhere();
            awaitTold(2);
            try (var connection = plain.getConnection();
                    var statement = connection.createStatement()) {
                statement.execute("delete from cqrs_tag where position = 2");
                statement.execute("delete from cqrs_event where position = 2");
            }
            assertThat(told.poll(120, TimeUnit.SECONDS)).isEqualTo(Position.of(1));
            assertThat(store.head()).isEqualTo(Position.of(1));
        }
    }

    @Test
    void an_executor_that_takes_no_task_makes_no_store() {
        executor.shutdown();

        assertThatExceptionOfType(RejectedExecutionException.class).isThrownBy(() -> follow(NEVER));
    }

    @Test
    void a_poll_must_take_time() {
        assertThatIllegalArgumentException().isThrownBy(() -> follow(Duration.ZERO));
    }

    private void killListener() throws SQLException {
        try (var connection = plain.getConnection();
                var statement = connection.createStatement()) {
            for (int killed = 0, looks = 0; killed == 0; looks++) { // it may be looking just now
                assertThat(looks).isLessThan(30_000);
                try (var row = statement.executeQuery(
                        "select count(pg_terminate_backend(pid, 60000)) from pg_stat_activity where datname ="
                                + " current_database() and pid <> pg_backend_pid() and (query = 'listen \"cqrs\"' or"
                                + " query like 'select coalesce(max(position)%') and state = 'idle'")) {
                    row.next();
                    killed = row.getInt(1);
                }
            }
        }
    }
}
