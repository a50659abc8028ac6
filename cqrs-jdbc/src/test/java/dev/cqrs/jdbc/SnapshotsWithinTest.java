package dev.cqrs.jdbc;

import static dev.cqrs.decider.Decision.accept;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.Snapshots;
import dev.cqrs.decider.Snapshots.Outcome;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Decisions within a transaction read what only it sees; what they keep elsewhere must not outlive a rollback. */
@Timeout(300)
class SnapshotsWithinTest {

    record Deposit(String account, long cents) implements Command<Long> {}

    record Deposited(String account, long cents) {}

    private static final Fold<Long> BALANCE = Fold.from(0L).on(Deposited.class, (sum, e) -> sum + e.cents());

    private final HikariDataSource database = Postgres.pooledDatabase(4);
    private final JdbcEventStore store;
    private final JdbcCheckpointStore checkpoints;
    private final Snapshots<Long> balances;

    SnapshotsWithinTest() {
        JdbcSchema.of().apply(database);
        var catalog = Catalog.builder()
                .event("deposited", Deposited.class, e -> Set.of(Tag.of("account", e.account())))
                .build();
        store = JdbcEventStore.builder(database, catalog, Clock.systemUTC()).build();
        checkpoints = JdbcCheckpointStore.builder(database, failure -> {})
                .states("snapshot/", Long.class)
                .build();
        balances = Snapshots.of(checkpoints, "balance", 1, Long.class, BALANCE).every(10);
    }

    @AfterEach
    void give_back() {
        Postgres.giveBack(database);
    }

    private long deposit(EventStore log, long cents) {
        return new DecisionHandler<Deposit, Long, Long>(
                        log,
                        command -> balances.model(
                                command.account(), EventQuery.tagged(Tag.of("account", command.account()))),
                        (command, balance) -> accept(new Deposited(command.account(), command.cents())),
                        (command, balance) -> balance)
                .handle(new Deposit("a", cents), Metadata.none());
    }

    private void deposit(EventStore log, int times, long cents) {
        for (int i = 0; i < times; i++) {
            deposit(log, cents);
        }
    }

    private long saved() {
        return checkpoints
                .load("snapshot/balance/a")
                .map(snapshot -> snapshot.position().value())
                .orElse(0L);
    }

    private Connection transaction() throws SQLException {
        var connection = database.getConnection();
        connection.setAutoCommit(false);
        return connection;
    }

    @Test
    void no_snapshot_is_kept_of_events_that_were_rolled_back() throws SQLException {
        // given a transaction that has read ten events, four of them its own, and is rolled back
        deposit(store, 6, 1);
        try (var connection = transaction()) {
            deposit(store.within(connection), 6, 1_000);
            connection.rollback();
        }
        assertThat(saved()).isZero();

        // when others take their positions
        deposit(store, 4, 1);
        assertThat(store.head()).isEqualTo(Position.of(10));

        // then
        assertThat(deposit(store, 1)).isEqualTo(11);
        assertThat(saved()).as("one that was committed").isEqualTo(10);
        assertThat(balances.count(Outcome.WRONG)).isZero();
    }

    @Test
    void one_is_kept_of_what_was_committed_before_also_where_all_decisions_are_in_transactions() throws SQLException {
        for (int i = 1; i <= 25; i++) {
            try (var connection = transaction()) {
                assertThat(deposit(store.within(connection), 1)).isEqualTo(i);
                connection.commit();
            }
        }

        assertThat(saved()).isBetween(10L, 25L);
        assertThat(balances.count(Outcome.USED)).isPositive();
    }

    @Test
    void what_a_transaction_has_appended_is_committed_when_it_is() throws SQLException {
        deposit(store, 2, 1);
        try (var connection = transaction()) {
            var joined = store.within(connection);
            assertThat(joined.isCommitted(Position.of(2))).isTrue();
            deposit(joined, 1);
            assertThat(joined.head()).isEqualTo(Position.of(3));
            assertThat(joined.isCommitted(Position.of(2))).isTrue();
            assertThat(joined.isCommitted(Position.of(3))).isFalse();
            connection.commit();
            assertThat(joined.isCommitted(Position.of(3))).isTrue();
            assertThat(store.isCommitted(Position.of(3))).isTrue();
        }
    }
}
