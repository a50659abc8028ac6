package dev.cqrs.benchmarks;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.jdbc.JdbcEventStore;
import dev.cqrs.jdbc.JdbcSchema;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.ThreadParams;

/**
 * Appending to a log on PostgreSQL that waits for the disk, and reading from one of a million events.
 *
 * <p>Each fork starts a server of its own, or takes an empty schema of the one that {@code -Djdbc.url=...} names. All
 * have the same pool of connections. We append an event with two tags, on condition that its account is unchanged since
 * its last append. The floor is what one writes by hand where one writer is enough: an insert of one row, committed by
 * the statement itself; it has one index and no condition.
 *
 * <p>With several threads the time is that of all together: per event.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(
        value = 5,
        jvmArgsAppend = {"-Xms1g", "-Xmx1g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 8, time = 1)
@Measurement(iterations = 5, time = 1)
public abstract class JdbcAppend {

    static final int FEW = 4;
    static final int MANY = 16;

    private static final int ACCOUNTS = 100;
    private static final int EVENTS = 1_000_000;
    private static final int HISTORY = 10;
    private static final int BATCH = 1_000;

    /** A database, empty but for what the subclass makes. */
    public abstract static class Database {

        private static final String SCHEMA = "cqrs_benchmark";

        private EmbeddedPostgres server;
        private HikariDataSource pool;

        /** Starts the server, unless there is one. */
        @Setup
        public void open() throws IOException, SQLException {
            var config = new HikariConfig();
            var url = System.getProperty("jdbc.url");
            if (url != null) {
                config.setJdbcUrl(url);
            } else {
                server = EmbeddedPostgres.builder()
                        .setServerConfig("max_connections", "100")
                        .setServerConfig("fsync", "on")
                        .setServerConfig("synchronous_commit", "on")
                        .setServerConfig("full_page_writes", "on")
                        .start();
                config.setDataSource(server.getPostgresDatabase());
            }
            config.setMaximumPoolSize(MANY);
            config.setConnectionInitSql("set search_path to " + SCHEMA);
            pool = new HikariDataSource(config);
            execute("drop schema if exists " + SCHEMA + " cascade");
            execute("create schema " + SCHEMA);
            fill();
        }

        /** Stops the server. */
        @TearDown
        public void close() throws IOException {
            pool.close();
            if (server != null) {
                server.close();
            }
        }

        abstract void fill() throws SQLException;

        DataSource dataSource() {
            return pool;
        }

        EventStore store() {
            JdbcSchema.of().apply(pool);
            return JdbcEventStore.builder(pool, Ledger.catalog(), Ledger.CLOCK).build();
        }

        void execute(String sql) throws SQLException {
            try (var connection = pool.getConnection();
                    var statement = connection.createStatement()) {
                statement.execute(sql);
            }
        }
    }

    /** The accounts of a thread, and what was last appended to them. */
    @State(Scope.Thread)
    public static class Writer {

        final EventQuery[] queries = new EventQuery[ACCOUNTS];
        final Position[] last = new Position[ACCOUNTS];
        final String[] accounts = new String[ACCOUNTS];
        int account;
        private long amount;

        /** Gives the thread its accounts. */
        @Setup
        public void number(ThreadParams threads) {
            for (int i = 0; i < ACCOUNTS; i++) {
                accounts[i] = Ledger.account(threads.getThreadIndex() * ACCOUNTS + i);
                queries[i] = EventQuery.tagged(Ledger.accountTag(accounts[i]));
            }
            Arrays.fill(last, Position.START);
        }

        /** The next event; {@link #account} is whose it is. */
        Deposited next() {
            account = (account + 1) % ACCOUNTS;
            return new Deposited(accounts[account], Ledger.branch(account), ++amount);
        }
    }

    /** A table. */
    @State(Scope.Benchmark)
    public static class Floor extends Database {

        @Override
        void fill() throws SQLException {
            execute("create table entry (position bigint generated always as identity primary key,"
                    + " recorded_at timestamptz not null default now(), type text not null, account text not null,"
                    + " payload jsonb not null)");
        }
    }

    /** By hand. */
    @Benchmark
    public int floor(Floor floor, Writer writer) throws SQLException {
        var event = writer.next();
        try (var connection = floor.dataSource().getConnection();
                var insert = connection.prepareStatement(
                        "insert into entry (type, account, payload) values (?, ?, ?::jsonb)")) {
            insert.setString(1, "deposited");
            insert.setString(2, event.account());
            insert.setString(
                    3,
                    "{\"account\":\"" + event.account() + "\",\"branch\":\"" + event.branch() + "\",\"amount\":"
                            + event.amount() + "}");
            return insert.executeUpdate();
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours extends Database {

        private EventStore store;

        @Override
        void fill() {
            store = store();
        }

        long append(Writer writer) {
            var event = writer.next();
            int account = writer.account;
            var unchanged = AppendCondition.unchanged(writer.queries[account], writer.last[account]);
            var appended = store.append(List.of(event), unchanged);
            writer.last[account] = appended.last();
            return appended.last().value();
        }
    }

    /** One thread. */
    @Benchmark
    public long cqrs(Ours ours, Writer writer) {
        return ours.append(writer);
    }

    /** Four threads. */
    @Benchmark
    @Threads(FEW)
    @OperationsPerInvocation(FEW)
    public long cqrsFourThreads(Ours ours, Writer writer) {
        return ours.append(writer);
    }

    /** Sixteen threads. */
    @Benchmark
    @Threads(MANY)
    @OperationsPerInvocation(MANY)
    public long cqrsSixteenThreads(Ours ours, Writer writer) {
        return ours.append(writer);
    }

    /** A log of a million events, in which the events of an account lie far apart. */
    @State(Scope.Benchmark)
    public static class Filled extends Database {

        private final EventQuery[] queries = new EventQuery[EVENTS / HISTORY];
        private final SplittableRandom random = new SplittableRandom(42);
        private EventStore store;

        @Override
        void fill() throws SQLException {
            store = store();
            for (int i = 0; i < queries.length; i++) {
                queries[i] = EventQuery.tagged(Ledger.accountTag(Ledger.account(i)));
            }
            for (int from = 0; from < EVENTS; from += BATCH) {
                var batch = new ArrayList<Deposited>(BATCH);
                for (int i = from; i < from + BATCH; i++) {
                    batch.add(new Deposited(Ledger.account(i % queries.length), Ledger.branch(i % 100), 1));
                }
                store.append(batch, AppendCondition.none());
            }
            execute("vacuum analyze");
        }

        private long sum(EventQuery query) {
            long sum = 0;
            try (var events = store.read(query)) {
                while (events.advance()) {
                    sum += ((Deposited) events.event()).amount();
                }
            }
            return sum;
        }

        long sumOfTen() {
            return expect(HISTORY, sum(queries[random.nextInt(queries.length)]));
        }

        long sumOfAll() {
            return expect(EVENTS, sum(EventQuery.all()));
        }

        private static long expect(long expected, long sum) {
            if (sum != expected) {
                throw new IllegalStateException("The sum is " + sum + "; expected " + expected + ".");
            }
            return sum;
        }
    }

    /** One row of the million by its primary key, by hand. */
    @Benchmark
    @Fork(3)
    public String floorReadOne(Filled filled) throws SQLException {
        try (var connection = filled.dataSource().getConnection();
                var select = connection.prepareStatement("select json from cqrs_event where position = ?")) {
            select.setLong(1, 1 + filled.random.nextInt(EVENTS));
            try (var row = select.executeQuery()) {
                row.next();
                return row.getString(1);
            }
        }
    }

    /** The ten events of one account. */
    @Benchmark
    @Fork(3)
    public long cqrsReadTen(Filled filled) {
        return filled.sumOfTen();
    }

    /** All events, each of them. */
    @Benchmark
    @Fork(3)
    @OperationsPerInvocation(EVENTS)
    public long cqrsCatchUp(Filled filled) {
        return filled.sumOfAll();
    }
}
