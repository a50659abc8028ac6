package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.command.Command;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.Interceptor;
import java.sql.SQLTransientConnectionException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.transaction.support.TransactionTemplate;

/** An application that keeps its state in tables of its own, in Spring's transactions; its events are committed with it. */
@Timeout(300)
class OutboxTest {

    record Ship(String order) implements Command<Done> {}

    record Shipped(String order) {}

    private static final Catalog CATALOG = Catalog.builder()
            .event("shipped", Shipped.class, e -> Set.of(Tag.of("order", e.order())))
            .build();

    private final HikariDataSource database = Postgres.pooledDatabase(4);
    private final JdbcTemplate jdbc = new JdbcTemplate(database);
    private final TransactionTemplate transactions =
            new TransactionTemplate(new DataSourceTransactionManager(database));
    private final JdbcEventStore store;

    OutboxTest() {
        JdbcSchema.of().apply(database);
        store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
    }

    @BeforeEach
    void make_a_table() {
        jdbc.execute("create table orders (id text primary key, shipped boolean not null)");
        jdbc.update("insert into orders values ('one', false), ('two', false)");
    }

    @AfterEach
    void close() {
        database.close();
    }

    /** The handler of an application that has never heard of event sourcing. */
    private void ship(Ship command) {
        jdbc.update("update orders set shipped = true where id = ?", command.order());
        store.within(DataSourceUtils.getConnection(database))
                .append(
                        List.of(new Shipped(command.order())),
                        AppendCondition.absent(EventQuery.tagged(Tag.of("order", command.order()))));
    }

    private InMemoryCommandBus bus() {
        Interceptor inTransaction = (message, metadata, next) -> transactions.execute(status -> {
            try {
                return next.proceed(message, metadata);
            } catch (RuntimeException thrown) {
                throw thrown;
            } catch (Exception checked) {
                throw new IllegalStateException(checked);
            }
        });
        return InMemoryCommandBus.builder()
                .run(Ship.class, this::ship)
                .intercept(1, inTransaction)
                .build();
    }

    private List<String> shipped() {
        return jdbc.queryForList("select id from orders where shipped order by id", String.class);
    }

    private List<Object> events() {
        try (var events = store.read(EventQuery.all())) {
            return events.toList().stream().map(e -> e.event()).toList();
        }
    }

    @Test
    void rows_and_events_are_committed_together() {
        bus().dispatch(new Ship("one"));

        assertThat(shipped()).containsExactly("one");
        assertThat(events()).containsExactly(new Shipped("one"));
    }

    @Test
    void a_rollback_leaves_neither() {
        transactions.executeWithoutResult(status -> {
            ship(new Ship("one"));
            assertThat(shipped()).as("inside").containsExactly("one");
            assertThat(store.head()).as("from outside").isEqualTo(Position.START);
            status.setRollbackOnly();
        });
        assertThatThrownBy(() -> transactions.executeWithoutResult(status -> {
                    ship(new Ship("two"));
                    throw new IllegalStateException("afterwards");
                }))
                .hasMessage("afterwards");

        assertThat(shipped()).isEmpty();
        assertThat(events()).isEmpty();

        // and no gap: the next one is the first
        bus().dispatch(new Ship("two"));
        assertThat(store.head()).isEqualTo(Position.of(1));
    }

    @Test
    void a_conflict_takes_the_rows_back_as_well() {
        bus().dispatch(new Ship("one"));
        jdbc.update("update orders set shipped = false");

        assertThatThrownBy(() -> bus().dispatch(new Ship("one"))).isInstanceOf(AppendConflictException.class);

        assertThat(shipped()).isEmpty();
        assertThat(events()).hasSize(1);
    }

    @Test
    void what_is_committed_is_not_told_as_failed_where_the_database_is_away_when_its_signals_are_woken()
            throws Exception {
        var away = new SQLTransientConnectionException("no connection to give");
        var isAway = new AtomicBoolean();
        var store = JdbcEventStore.builder(
                        Unruly.source(database, (what, call) -> {
                            if (what.startsWith("DataSource.getConnection") && isAway.get()) {
                                throw away;
                            }
                            return call.make();
                        }),
                        CATALOG,
                        Clock.systemUTC())
                .build();
        var told = new ArrayList<Position>();
        store.onAppend(told::add);
        var uncaught = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var handler = thread.getUncaughtExceptionHandler();
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            try (var update = connection.createStatement()) {
                update.executeUpdate("update orders set shipped = true where id = 'one'");
            }
            store.within(connection).append(List.of(new Shipped("one")), AppendCondition.none());
            connection.commit();

            isAway.set(true);
            thread.setUncaughtExceptionHandler((its, thrown) -> uncaught.add(thrown));
            store.wake();
            assertThatThrownBy(store::head)
                    .as("a read says what could not be read, and nothing of what was written")
                    .isInstanceOf(DatabaseException.class)
                    .hasMessage("Reading the head of the log failed: no connection to give");
        } finally {
            thread.setUncaughtExceptionHandler(handler);
        }

        assertThat(shipped()).containsExactly("one");
        assertThat(events()).containsExactly(new Shipped("one"));
        assertThat(told).isEmpty();
        assertThat(uncaught)
                .singleElement()
                .satisfies(thrown ->
                        assertThat(thrown).isInstanceOf(DatabaseException.class).hasRootCause(away));

        isAway.set(false);
        store.wake();
        assertThat(told).containsExactly(Position.of(1));
    }

    @Test
    void followers_hear_of_it_at_the_commit_and_not_before() throws Exception {
        var threads = Executors.newSingleThreadExecutor();
        BlockingQueue<Position> told = new LinkedBlockingQueue<>(10);
        try (var following = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC())
                .follow(threads, java.time.Duration.ofMillis(100), Throwable::printStackTrace)
                .build()) {
            following.onAppend(told::add);
            transactions.executeWithoutResult(status -> {
                ship(new Ship("one"));
                assertThat(poll(told, 300)).as("before the commit").isNull();
            });
            assertThat(poll(told, 120_000)).isEqualTo(Position.of(1));
        } finally {
            threads.shutdownNow();
        }
    }

    private static @org.jspecify.annotations.Nullable Position poll(BlockingQueue<Position> told, int millis) {
        try {
            return told.poll(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }
}
