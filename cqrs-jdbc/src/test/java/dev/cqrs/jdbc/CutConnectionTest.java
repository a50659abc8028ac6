package dev.cqrs.jdbc;

import static dev.cqrs.decider.Decision.accept;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.ds.PGSimpleDataSource;

/** The connection is cut before and after each message between client and server: what the store then says is true. */
@Timeout(300)
class CutConnectionTest {

    record Deposit(String account, long cents) implements Command<Long> {}

    record Deposited(String account, long cents) {}

    private static final Catalog CATALOG = Catalog.builder()
            .event("deposited", Deposited.class, e -> Set.of(account(e.account())))
            .commandIds()
            .build();

    private enum Outcome {
        STORED,
        NOT_STORED,
        UNKNOWN
    }

    private final PGSimpleDataSource direct = Postgres.database();
    private final HikariDataSource elsewhere = Postgres.pool(direct, 2); // whose connections are never cut
    private final WireProxy proxy = new WireProxy(direct.getPortNumbers()[0]);

    private static Tag account(String id) {
        return Tag.of("account", id);
    }

    @BeforeEach
    void apply_the_schema() {
        JdbcSchema.of().apply(direct);
    }

    @AfterEach
    void close() throws Exception {
        proxy.close();
        elsewhere.close();
    }

    /** How the connections of the pool come. */
    private enum Pooled {
        /** An append is one statement, and its own transaction. */
        AS_THEY_ARE,
        /** Its commit is a message of its own. */
        NOT_COMMITTING,
        /** So it is, and before it the isolation is said. */
        SERIALIZABLE,
        SERIALIZABLE_AND_NOT_COMMITTING;

        HikariDataSource through(PGSimpleDataSource source) {
            var config = new HikariConfig();
            config.setDataSource(source);
            config.setMaximumPoolSize(1);
            config.setAutoCommit(!name().endsWith("NOT_COMMITTING"));
            if (name().startsWith("SERIALIZABLE")) {
                config.setTransactionIsolation("TRANSACTION_SERIALIZABLE");
            }
            return new HikariDataSource(config);
        }
    }

    @ParameterizedTest
    @EnumSource(Pooled.class)
    void an_append_by_itself_is_stored_not_stored_or_unknown_and_that_is_true(Pooled pooled) throws Exception {
        cutEverywhere(pooled, pool -> new Way() {
            private final EventStore store = store(pool);

            @Override
            public void deposit(String account) {
                handler(store).handle(new Deposit(account, 5), metadata(account));
            }
        });
    }

    @Test
    void an_append_within_the_callers_transaction_is_as_well() throws Exception {
        cutEverywhere(Pooled.AS_THEY_ARE, pool -> new Way() {
            private final JdbcEventStore store = store(pool);

            /** As the commit is the caller's, so is the knowledge of its outcome. */
            @Override
            public void deposit(String account) throws SQLException {
                try (var connection = pool.getConnection()) {
                    connection.setAutoCommit(false);
                    handler(store.within(connection)).handle(new Deposit(account, 5), metadata(account));
                    try {
                        connection.commit();
                    } catch (SQLException lost) {
                        throw new AppendOutcomeUnknownException("the caller's transaction", lost);
                    }
                }
            }
        });
    }

    private interface Way {
        void deposit(String account) throws Exception;
    }

    private interface Ways {
        Way on(HikariDataSource pool);
    }

    private void cutEverywhere(Pooled pooled, Ways ways) throws Exception {
        Map<Outcome, Integer> outcomes = new EnumMap<>(Outcome.class);
        int unknownAndStored = 0;
        var messages = new ArrayList<String>();
        int cuts = 0;
        for (boolean before : new boolean[] {true, false}) {
            int message = 0;
            while (true) {
                var account = (before ? "before-" : "after-") + message;
                try (var pool = pooled.through(proxy.through(direct))) {
                    var way = ways.on(pool);
                    way.deposit("warm-up " + account); // the connection is open, and the schema looked at
                    proxy.arm(message, before);
                    var outcome = outcomeOf(way, account);
                    var seen = proxy.disarm();
                    if (!proxy.hasCut()) {
                        assertThat(outcome).isEqualTo(Outcome.STORED);
                        messages.addAll(seen);
                        break;
                    }
                    cuts++;
                    outcomes.merge(outcome, 1, Integer::sum);
                    awaitNoBackend();
                    int stored = effects(account);
                    assertThat(stored)
                            .as("%s, cut at %s, was told %s", account, seen, outcome)
                            .isIn(
                                    switch (outcome) {
                                        case STORED -> List.of(1);
                                        case NOT_STORED -> List.of(0);
                                        case UNKNOWN -> List.of(0, 1);
                                    });
                    unknownAndStored += outcome == Outcome.UNKNOWN ? stored : 0;
                }

                // a repeat of the same command, from anywhere, has its effect if that is missing, and the same result
                assertThat(handler(store(elsewhere)).handle(new Deposit(account, 5), metadata(account)))
                        .isEqualTo(5);
                assertThat(effects(account)).as(account).isEqualTo(1);
                message++;
            }
        }
        System.out.println("CutConnectionTest " + pooled + ": " + cuts + " cuts, told " + outcomes
                + "; messages of one command " + messages.subList(0, messages.size() / 2));
        assertThat(cuts).isGreaterThan(20);
        assertThat(outcomes.keySet()).contains(Outcome.NOT_STORED, Outcome.UNKNOWN);
        assertThat(unknownAndStored).isBetween(1, outcomes.getOrDefault(Outcome.UNKNOWN, 0) - 1);
    }

    private static Outcome outcomeOf(Way way, String account) throws Exception {
        try {
            way.deposit(account);
            return Outcome.STORED;
        } catch (AppendOutcomeUnknownException unknown) {
            return Outcome.UNKNOWN;
        } catch (DatabaseException | SQLException failed) {
            return Outcome.NOT_STORED;
        }
    }

    private static JdbcEventStore store(javax.sql.DataSource source) {
        return JdbcEventStore.builder(source, CATALOG, Clock.systemUTC()).build();
    }

    private static DecisionHandler<Deposit, Long, Long> handler(EventStore store) {
        var sum = Fold.from(0L).on(Deposited.class, (before, e) -> before + e.cents());
        return new DecisionHandler<Deposit, Long, Long>(
                        store,
                        c -> DecisionModel.of(EventQuery.tagged(account(c.account())), sum),
                        (c, before) -> accept(new Deposited(c.account(), c.cents())),
                        (c, after) -> after)
                .idempotent();
    }

    private static Metadata metadata(String account) {
        return Metadata.withId("deposit to " + account);
    }

    /** Until the server has noticed; there is no signal for that. */
    private void awaitNoBackend() throws Exception {
        for (int looks = 0;
                ask("select count(*) from pg_stat_activity where application_name = 'through-proxy'"
                                + " and state <> 'idle'")
                        > 0;
                looks++) {
            assertThat(looks).isLessThan(30_000);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private int effects(String account) throws SQLException {
        try (var connection = elsewhere.getConnection();
                var select = connection.prepareStatement(
                        "select count(*) from cqrs_event where name = 'deposited' and json ->> 'account' = ?")) {
            select.setString(1, account);
            try (var rows = select.executeQuery()) {
                rows.next();
                return rows.getInt(1);
            }
        }
    }

    private int ask(String sql) throws SQLException {
        try (var connection = elsewhere.getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getInt(1);
        }
    }
}
