package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore.Signal;
import dev.cqrs.jdbc.StartingProcess.Started;
import java.lang.reflect.Proxy;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Appends of other processes become known, also where the database's word is lost with its connection. */
@Timeout(300)
class ListeningTest {

    private static final Duration NEVER = Duration.ofHours(1);

    private final PGSimpleDataSource database = Postgres.database();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final BlockingQueue<Position> told = new LinkedBlockingQueue<>(10_000);
    private final BlockingQueue<Throwable> failures = new LinkedBlockingQueue<>(10_000);

    @BeforeEach
    void apply_the_schema() {
        JdbcSchema.of().apply(database);
    }

    @AfterEach
    void close() {
        threads.shutdownNow();
    }

    private JdbcEventStore following(Duration poll) {
        return following(database, poll);
    }

    private JdbcEventStore following(DataSource source, Duration poll) {
        var store = JdbcEventStore.builder(source, StartingProcess.CATALOG, Clock.systemUTC())
                .follow(threads, poll, failures::add)
                .build();
        store.onAppend(told::add);
        return store;
    }

    private JdbcEventStore other() {
        return JdbcEventStore.builder(database, StartingProcess.CATALOG, Clock.systemUTC())
                .build();
    }

    private static Position append(JdbcEventStore store) {
        return store.append(List.of(new Started("other")), AppendCondition.none())
                .last();
    }

    private void awaitTold(Position wanted) throws InterruptedException {
        Position last;
        do {
            last = told.poll(120, TimeUnit.SECONDS);
            assertThat(last).as("told of " + wanted).isNotNull();
        } while (wanted.isAfter(last));
    }

    @Test
    void the_database_tells_of_appends_of_others_without_a_look() throws Exception {
        try (var store = following(NEVER)) {
            awaitListening();
            for (int i = 0; i < 20; i++) {
                awaitTold(append(other()));
            }
            assertThat(store.head()).isEqualTo(Position.of(20));
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void when_the_listening_backend_is_killed_the_next_append_is_told_within_the_poll() throws Exception {
        try (var store = following(Duration.ofMillis(200))) {
            awaitListening();
            for (int kill = 0; kill < 10; kill++) {
                awaitTold(append(other()));
                killListening();
                awaitTold(append(other()));
                awaitListening();
            }
            assertThat(store.head()).isEqualTo(Position.of(20));
        }
        assertThat(failures).hasSizeGreaterThanOrEqualTo(10);
    }

    @Test
    void a_connection_that_is_dead_without_a_word_is_found_out_by_the_look_and_replaced() throws Exception {
        try (var proxy = new WireProxy(database.getPortNumbers()[0]);
                var store = following(proxy.through(database), Duration.ofMillis(200))) {
            awaitTold(append(other()));

            proxy.freeze();

            awaitTold(append(other()));
            assertThat(failures.poll())
                    .isInstanceOf(SQLException.class)
                    .hasRootCauseInstanceOf(SocketTimeoutException.class);
            assertThat(store.head()).isEqualTo(Position.of(2));
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 5000", "60000, 5000", "1234, 1234"})
    void a_connection_that_follows_answers_within_a_limit_and_goes_back_with_the_one_it_had(int had, int has)
            throws Exception {
        append(other());
        try (var connection = database.getConnection()) {
            connection.setNetworkTimeout(Runnable::run, had);
            var limit = new CompletableFuture<Integer>();
            Signal stop = last -> {
                limit.complete(limitOf(connection));
                Thread.currentThread().interrupt();
            };

            followAnd(OneConnection.source(connection), stop);

            assertThat(failures.poll(120, TimeUnit.SECONDS)).isInstanceOf(InterruptedException.class);
            assertThat(limit.get()).isEqualTo(has);
            assertThat(connection.getNetworkTimeout()).isEqualTo(had);
        }
    }

    @ParameterizedTest
    @ValueSource(classes = {SQLFeatureNotSupportedException.class, AbstractMethodError.class})
    void a_driver_that_sets_no_limit_will_do(Class<? extends Throwable> refusal) throws Exception {
        append(other());
        try (var connection = database.getConnection()) {
            var refusing = (Connection) Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {Connection.class}, (proxy, method, arguments) -> {
                        if (method.getName().endsWith("NetworkTimeout")) {
                            throw refusal.getConstructor().newInstance();
                        }
                        return method.invoke(connection, arguments);
                    });

            followAnd(
                    OneConnection.source(refusing),
                    last -> Thread.currentThread().interrupt());

            assertThat(failures.poll(120, TimeUnit.SECONDS)).isInstanceOf(InterruptedException.class);
        }
    }

    /** The signal is there before the log is looked at, as the thread is given only then. */
    private void followAnd(DataSource source, Signal signal) {
        var task = new ArrayBlockingQueue<Runnable>(1);
        JdbcEventStore.builder(source, StartingProcess.CATALOG, Clock.systemUTC())
                .follow(task::add, Duration.ofMillis(50), failures::add)
                .build()
                .onAppend(signal);
        threads.execute(task.remove());
    }

    private static int limitOf(Connection connection) {
        try {
            return connection.getNetworkTimeout();
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    @Test
    void a_projector_in_another_process_hears_of_it() throws Exception {
        try (var store = following(NEVER);
                var projector = JdbcProjector.builder(store, database)
                        .lease(Duration.ofHours(3))
                        .start(
                                "nothing",
                                1,
                                dev.cqrs.eventstore.EventQuery.all(),
                                (connection, event) -> {},
                                threads,
                                failure -> failures.add(failure.cause()))) {
            awaitListening();
            for (int i = 0; i < 20; i++) {
                projector.awaitApplied(append(other()), Duration.ofMinutes(2));
            }
        }
        assertThat(failures).isEmpty();
    }

    /** There is no signal for what another backend does. */
    private void awaitListening() throws Exception {
        for (int looks = 0; ask("select count(*) from pg_stat_activity where " + LISTENING) == 0; looks++) {
            assertThat(looks).isLessThan(30_000);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    /** The follower's is the only connection that stays when it has done what it does. */
    private static final String LISTENING =
            "datname = current_database() and pid <> pg_backend_pid() and state = 'idle' and query like '%position%'";

    private void killListening() throws SQLException {
        for (int looks = 0; // it may be looking just now
                ask("select count(pg_terminate_backend(pid, 60000)) from pg_stat_activity where " + LISTENING) == 0;
                looks++) {
            assertThat(looks).isLessThan(30_000);
        }
    }

    private int ask(String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getInt(1);
        }
    }
}
