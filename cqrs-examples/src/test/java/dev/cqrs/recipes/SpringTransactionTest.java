package dev.cqrs.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.examples.Postgres;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventBus;
import dev.cqrs.interceptor.InterceptorOrder;
import dev.cqrs.interceptor.Retry;
import dev.cqrs.jdbc.JdbcEventStore;
import dev.cqrs.jdbc.JdbcSchema;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.dao.CannotAcquireLockException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.transaction.TransactionSystemException;
import org.springframework.transaction.UnexpectedRollbackException;
import org.springframework.transaction.support.DefaultTransactionStatus;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

class SpringTransactionTest {

    record Ship(String order, Ending ending) implements Command<Done> {}

    record ShipBoth(Ship first, Ship second, boolean forgiving) implements Command<Done> {}

    record Shipped(String order) {}

    /** What comes of a handler after it has written its row and its event. */
    enum Ending {
        WELL,
        CHECKED,
        UNCHECKED,
        ERROR,
        BUSY_ONCE
    }

    private static final class Broken extends Error {}

    private static final EmbeddedPostgres SERVER = start();

    private final DataSource database = SERVER.getPostgresDatabase();
    private final JdbcTemplate jdbc = new JdbcTemplate(database);
    private final List<Throwable> told = new ArrayList<>();
    private final List<String> heard = new ArrayList<>();
    private final SpringTransaction transaction =
            new SpringTransaction(new DataSourceTransactionManager(database), told::add);
    private final InMemoryEventBus events = InMemoryEventBus.builder().build();
    private final List<InMemoryCommandBus> bus = new ArrayList<>();
    private JdbcEventStore store;
    private final List<Runnable> before = new ArrayList<>();
    private int attempts;

    private static EmbeddedPostgres start() {
        try {
            return Postgres.start();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    @AfterAll
    static void stop() throws IOException {
        SERVER.close();
    }

    @BeforeEach
    void wire() {
        jdbc.execute("drop schema public cascade; create schema public");
        jdbc.execute("create table orders (id text primary key)");
        JdbcSchema.of().apply(database);
        store = JdbcEventStore.builder(
                        database,
                        Catalog.builder().event("shipped", Shipped.class).build(),
                        Clock.systemUTC())
                .build();
        bus.add(InMemoryCommandBus.builder()
                .run(Ship.class, this::ship)
                .run(ShipBoth.class, this::shipBoth)
                .intercept(InterceptorOrder.TRANSACTION, transaction)
                .intercept(
                        InterceptorOrder.RETRY,
                        Retry.atOnce(2)
                                .on(CannotAcquireLockException.class)
                                .unless(failure -> TransactionSynchronizationManager.isActualTransactionActive()))
                .build());
        events.subscribe(
                Shipped.class, shipped -> heard.add(shipped.order() + ", rows " + rows() + ", events " + store.head()));
    }

    private void afterCommit(Runnable task) {
        before.add(task);
    }

    private void ship(Ship ship) throws Exception {
        attempts++;
        before.forEach(transaction::afterCommit);
        jdbc.update("insert into orders values (?)", ship.order());
        var event = new Shipped(ship.order());
        store.within(DataSourceUtils.getConnection(database)).append(List.of(event), AppendCondition.none());
        transaction.afterCommit(() -> events.publish(event, Metadata.none()));
        switch (ship.ending()) {
            case WELL -> {}
            case CHECKED -> throw new IOException("printer");
            case UNCHECKED -> throw new IllegalStateException("printer");
            case ERROR -> throw new Broken();
            case BUSY_ONCE -> {
                if (attempts == 1) {
                    throw new CannotAcquireLockException("busy");
                }
            }
        }
    }

    private void shipBoth(ShipBoth both) {
        bus.get(0).dispatch(both.first());
        try {
            bus.get(0).dispatch(both.second());
        } catch (RuntimeException failed) {
            if (!both.forgiving()) {
                throw failed;
            }
        }
    }

    private int rows() {
        return jdbc.queryForObject("select count(*) from orders", Integer.class);
    }

    private void assertThatNothingIsLeft() {
        assertThat(rows()).isZero();
        assertThat(store.head().value()).isZero();
        assertThat(heard).isEmpty();
        assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
    }

    @Test
    void row_and_event_commit_together_and_are_there_for_who_is_told() {
        bus.get(0).dispatch(new Ship("a", Ending.WELL));

        assertThat(heard).containsExactly("a, rows 1, events 1");
        assertThat(told).isEmpty();
    }

    @Test
    void nothing_is_left_and_nobody_told_whatever_the_handler_throws() {
        assertThatThrownBy(() -> bus.get(0).dispatch(new Ship("a", Ending.CHECKED)))
                .hasRootCauseExactlyInstanceOf(IOException.class);
        assertThatNothingIsLeft();
        assertThatThrownBy(() -> bus.get(0).dispatch(new Ship("a", Ending.UNCHECKED)))
                .hasMessage("printer");
        assertThatNothingIsLeft();
        assertThatThrownBy(() -> bus.get(0).dispatch(new Ship("a", Ending.ERROR)))
                .isInstanceOf(Broken.class);
        assertThatNothingIsLeft();
        assertThat(attempts).isEqualTo(3);
    }

    @Test
    void the_sender_has_what_the_handler_threw_where_the_rollback_fails_too() {
        var lost = new TransactionSystemException("connection lost");
        var manager = new DataSourceTransactionManager(database) {
            @Override
            protected void doRollback(DefaultTransactionStatus status) {
                super.doRollback(status);
                throw lost;
            }
        };
        var failed = new IOException("printer");
        var printing = InMemoryCommandBus.builder()
                .run(Ship.class, ship -> {
                    throw failed;
                })
                .intercept(InterceptorOrder.TRANSACTION, new SpringTransaction(manager, told::add))
                .build();

        assertThatThrownBy(() -> printing.dispatch(new Ship("a", Ending.CHECKED)))
                .hasRootCause(failed);
        assertThat(failed).hasSuppressedException(lost);
        assertThatNothingIsLeft();
    }

    @Test
    void each_attempt_has_a_transaction_of_its_own() {
        bus.get(0).dispatch(new Ship("a", Ending.BUSY_ONCE));

        assertThat(attempts).isEqualTo(2);
        assertThat(heard).containsExactly("a, rows 1, events 1");
    }

    @Test
    void a_failure_inside_is_tried_again_from_the_outermost_message_on() {
        bus.get(0).dispatch(new ShipBoth(new Ship("a", Ending.BUSY_ONCE), new Ship("b", Ending.WELL), false));

        assertThat(attempts).isEqualTo(3);
        assertThat(heard).containsExactly("a, rows 2, events 2", "b, rows 2, events 2");
    }

    @Test
    void what_a_handler_sends_is_part_of_its_transaction() {
        bus.get(0).dispatch(new ShipBoth(new Ship("a", Ending.WELL), new Ship("b", Ending.WELL), false));
        assertThat(heard).containsExactly("a, rows 2, events 2", "b, rows 2, events 2");
    }

    @Test
    void what_a_handler_sends_and_fails_undoes_all_of_it() {
        var both = new ShipBoth(new Ship("a", Ending.WELL), new Ship("b", Ending.UNCHECKED), false);
        assertThatThrownBy(() -> bus.get(0).dispatch(both)).hasMessage("printer");
        assertThatNothingIsLeft();

        var forgiving = new ShipBoth(new Ship("a", Ending.WELL), new Ship("b", Ending.UNCHECKED), true);
        assertThatThrownBy(() -> bus.get(0).dispatch(forgiving))
                .as("half of it is not committed, and who sent it is told so")
                .isInstanceOf(UnexpectedRollbackException.class);
        assertThatNothingIsLeft();
    }

    @Test
    void who_is_told_may_send_commands_and_their_failure_undoes_nothing() {
        var busy = new CannotAcquireLockException("the subscriber");
        events.subscribe(Shipped.class, shipped -> {
            if (shipped.order().equals("a")) {
                bus.get(0).dispatch(new Ship("of a", Ending.WELL));
                throw busy;
            }
        });

        bus.get(0).dispatch(new Ship("a", Ending.WELL));

        assertThat(rows()).isEqualTo(2);
        assertThat(heard).containsExactly("a, rows 1, events 1", "of a, rows 2, events 2");
        assertThat(told).containsExactly(busy);
    }

    @Test
    void an_error_of_who_is_told_does_not_reach_the_sender_either_and_the_others_are_told() {
        var broken = new Broken();
        afterCommit(() -> {
            throw broken;
        });

        bus.get(0).dispatch(new Ship("a", Ending.WELL));

        assertThat(told).containsExactly(broken);
        assertThat(heard).containsExactly("a, rows 1, events 1");
    }

    @Test
    void in_a_transaction_of_the_sender_a_task_is_refused_with_the_reason() {
        var sender = new TransactionTemplate(new DataSourceTransactionManager(database));

        assertThatThrownBy(() ->
                        sender.executeWithoutResult(status -> bus.get(0).dispatch(new Ship("a", Ending.WELL))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("who dispatched has opened it");
        assertThatNothingIsLeft();
    }
}
