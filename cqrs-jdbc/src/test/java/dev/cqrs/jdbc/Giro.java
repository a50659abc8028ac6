package dev.cqrs.jdbc;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Metadata;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/**
 * Money that is moved by a saga, and its participants, who know nothing of sagas: they keep accounts in tables, carry out each
 * command id once, and note each call, so that SQL alone can tell what happened.
 */
final class Giro {

    static final String FROM = "from";
    static final String TO = "to";

    private static final long SLOWEST_MILLIS = 40;
    private static final int FAILING_PERCENT = 5;

    /** Of every third amount the last step is refused. */
    private static final int REFUSED = 3;

    record Ordered(String transfer, long cents) {}

    record Receipt(long number) {}

    /** Moves money to an account, or from it; gives the number of the entry. */
    record Enter(String transfer, String kind, String account, long cents) implements Command<Long> {}

    record Known(String transfer, long cents, long receipt) {}

    static final Fold<Known> KNOWN = Fold.from(new Known("", 0, 0))
            .on(Ordered.class, (known, e) -> new Known(e.transfer(), e.cents(), 0))
            .on(Receipt.class, (known, e) -> new Known(known.transfer(), known.cents(), e.number()));

    /** The receipt of the debit goes into the kind of its refund: a state that was lost would show. */
    static final Saga<Known> TRANSFER = Saga.named("transfer", KNOWN)
            .retry(
                    Duration.ZERO,
                    Duration.ofMillis(20),
                    Duration.ofMillis(200),
                    Duration.ofSeconds(1),
                    Duration.ofSeconds(2),
                    Duration.ofSeconds(5))
            .unsure(SQLException.class) // it may have been committed
            .startedBy(Ordered.class, Ordered::transfer)
            .step("debit", t -> new Enter(t.transfer(), "debit", FROM, -t.cents()), (t, number) -> new Receipt(number))
            .compensate(t -> new Enter(t.transfer(), "refund of " + t.receipt(), FROM, t.cents()))
            .step("credit", t -> new Enter(t.transfer(), "credit", TO, t.cents()))
            .compensate(t -> new Enter(t.transfer(), "take back", TO, -t.cents()))
            .step("report", t -> new Enter(t.transfer(), "report", TO, 0))
            .build();

    private Giro() {}

    static boolean isRefused(long cents) {
        return cents % REFUSED == 0;
    }

    static Catalog operations() {
        return SagaEngine.catalog(Catalog.builder())
                .event("ordered", Ordered.class)
                .event("receipt", Receipt.class)
                .event("enter", Enter.class)
                .build();
    }

    static Catalog domain() {
        return Catalog.builder().event("ordered", Ordered.class).build();
    }

    static void createTables(DataSource database, long cents) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create table account (name text primary key, cents bigint not null)");
            statement.execute("insert into account values ('" + FROM + "', " + cents + "), ('" + TO + "', 0)");
            statement.execute("create table entry (number bigint generated always as identity, id text primary key,"
                    + " transfer text not null, kind text not null, account text not null, cents bigint not null)");
            statement.execute("create table call (number bigint generated always as identity primary key,"
                    + " id text not null, worker text not null, ended boolean not null default false)");
        }
    }

    /** What a worker dispatches to: some calls fail before anything was done, and all take a while. */
    static CommandBus bus(DataSource database, String worker, SplittableRandom random) {
        return InMemoryCommandBus.builder()
                .handle(Enter.class, (command, metadata) -> {
                    boolean fails;
                    long pause;
                    synchronized (random) {
                        fails = random.nextInt(100) < FAILING_PERCENT;
                        pause = random.nextLong(SLOWEST_MILLIS);
                    }
                    long call = begun(database, metadata.id().orElseThrow(), worker);
                    try {
                        if (fails) {
                            throw new IllegalStateException("out of order");
                        }
                        long entry = enter(database, command, metadata);
                        TimeUnit.MILLISECONDS.sleep(pause); // the way of the answer
                        return entry;
                    } finally {
                        ended(database, call);
                    }
                })
                .build();
    }

    private static long begun(DataSource database, String id, String worker) throws SQLException {
        try (var connection = database.getConnection();
                var insert =
                        connection.prepareStatement("insert into call (id, worker) values (?, ?) returning number")) {
            insert.setString(1, id);
            insert.setString(2, worker);
            try (var number = insert.executeQuery()) {
                number.next();
                return number.getLong(1);
            }
        }
    }

    private static void ended(DataSource database, long call) throws SQLException {
        try (var connection = database.getConnection();
                var update = connection.prepareStatement("update call set ended = true where number = ?")) {
            update.setLong(1, call);
            update.executeUpdate();
        }
    }

    /** The entry and what it does to the account are one transaction; the id that is there before has been entered. */
    private static long enter(DataSource database, Enter command, Metadata metadata) throws SQLException {
        if (command.kind().equals("report") && isRefused(reported(database, command.transfer()))) {
            throw new RejectedException(Enter.class, "the bank does not take this amount");
        }
        var id = metadata.id().orElseThrow();
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            if (insert(connection, id, command) > 0) {
                try (var update = connection.prepareStatement("update account set cents = cents + ? where name = ?")) {
                    update.setLong(1, command.cents());
                    update.setString(2, command.account());
                    update.executeUpdate();
                }
            }
            connection.commit();
            try (var select = connection.prepareStatement("select number from entry where id = ?")) {
                select.setString(1, id);
                try (var number = select.executeQuery()) {
                    number.next();
                    return number.getLong(1);
                }
            }
        }
    }

    private static int insert(Connection connection, String id, Enter command) throws SQLException {
        try (var insert = connection.prepareStatement("insert into entry (id, transfer, kind, account, cents)"
                + " values (?, ?, ?, ?, ?) on conflict do nothing")) {
            insert.setString(1, id);
            insert.setString(2, command.transfer());
            insert.setString(3, command.kind());
            insert.setString(4, command.account());
            insert.setLong(5, command.cents());
            return insert.executeUpdate();
        }
    }

    private static long reported(DataSource database, String transfer) throws SQLException {
        try (var connection = database.getConnection();
                var select = connection.prepareStatement(
                        "select coalesce(sum(cents), 0) from entry where transfer = ? and kind = 'credit'")) {
            select.setString(1, transfer);
            try (var cents = select.executeQuery()) {
                cents.next();
                return cents.getLong(1);
            }
        }
    }
}
