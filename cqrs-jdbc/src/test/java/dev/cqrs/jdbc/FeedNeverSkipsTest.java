package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Readers that page through the log while writers hold their transactions, overtake each other and roll back, miss nothing;
 * of a log numbered by a plain sequence they do.
 */
@Timeout(300)
class FeedNeverSkipsTest {

    private static final int EVENTS = Integer.getInteger("dev.cqrs.jdbc.feed.events", 200_000);
    private static final int READERS = 3;
    private static final int MOST_IN_AN_APPEND = 500;
    private static final int MOST_IN_A_PAGE = 20_000;
    private static final int LONGEST_HOLD_MILLIS = 50;

    /** So often at least readers were awake while something was written. */
    private static final int ENOUGH_PAGES = 100;

    record Entered(int writer, int number) {}

    private static final Catalog CATALOG = Catalog.builder()
            .event("entered", Entered.class, e -> Set.of(writer(e.writer())))
            .build();

    private static EmbeddedPostgres server;

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private HikariDataSource database;

    private static Tag writer(int writer) {
        return Tag.of("writer", Integer.toString(writer));
    }

    /** Its transactions remember when they were committed. */
    @BeforeAll
    static void start_a_server() throws IOException {
        server = EmbeddedPostgres.builder()
                .setPort(Ports.free())
                .setServerConfig("track_commit_timestamp", "on")
                .setServerConfig("max_connections", "100")
                .setPGStartupWait(Postgres.START)
                .start();
    }

    @AfterAll
    static void stop_the_server() throws IOException {
        server.close();
    }

    @BeforeEach
    void open_an_empty_database() throws SQLException {
        var plain = Postgres.source(server, "postgres");
        update(plain.getConnection(), "drop schema public cascade; create schema public");
        database = Postgres.pool(plain, 40);
    }

    @AfterEach
    void close() {
        threads.shutdownNow();
        database.close();
    }

    /** A log as its writers and readers see it. */
    private interface Feed {

        /** Appends in the connection's transaction, which somebody else ends. */
        void append(Connection connection, List<Entered> events) throws SQLException;

        /** Appends and commits; {@code false} if it was refused, and nothing written. */
        boolean append(List<Entered> events, boolean toBeRefused) throws SQLException;

        /** Reads positions behind {@code after}, in order. */
        List<Long> read(int reader, long after, int limit) throws SQLException;

        /** Says what to select from. */
        String table();
    }

    private final class Cqrs implements Feed {

        private final JdbcEventStore store =
                JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
        private final JdbcEventStore ofAnotherProcess =
                JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();

        @Override
        public void append(Connection connection, List<Entered> events) {
            store.within(connection).append(events, AppendCondition.none());
        }

        @Override
        public boolean append(List<Entered> events, boolean toBeRefused) {
            var own = EventQuery.tagged(writer(events.get(0).writer()));
            try {
                store.append(
                        events,
                        toBeRefused
                                ? AppendCondition.absent(EventQuery.all())
                                : AppendCondition.unchanged(own, store.head()));
                return true;
            } catch (AppendConflictException refused) {
                return false;
            }
        }

        @Override
        public List<Long> read(int reader, long after, int limit) throws SQLException {
            if (reader == 0) {
                return positions(database, table(), after, limit);
            }
            var options = ReadOptions.forwards().after(Position.of(after)).limit(limit);
            try (var events = (reader == 1 ? store : ofAnotherProcess).read(EventQuery.all(), options)) {
                var positions = new ArrayList<Long>();
                while (events.advance()) {
                    positions.add(events.position().value());
                }
                return positions;
            }
        }

        @Override
        public String table() {
            return "cqrs_event";
        }
    }

    /** What everybody writes first: rows numbered by a sequence. */
    private final class Sequence implements Feed {

        Sequence() throws SQLException {
            update(
                    database.getConnection(),
                    "create table control (position bigserial primary key, writer int, number int)");
        }

        @Override
        public void append(Connection connection, List<Entered> events) throws SQLException {
            try (var insert = connection.prepareStatement(
                    "insert into control (writer, number)" + " select ?, n from generate_series(?, ?) n order by n")) {
                insert.setInt(1, events.get(0).writer());
                insert.setInt(2, events.get(0).number());
                insert.setInt(3, events.get(events.size() - 1).number());
                insert.executeUpdate();
            }
        }

        @Override
        public boolean append(List<Entered> events, boolean toBeRefused) throws SQLException {
            try (var connection = transaction()) {
                append(connection, events);
                if (toBeRefused) {
                    connection.rollback();
                } else {
                    connection.commit();
                }
                return !toBeRefused;
            }
        }

        @Override
        public List<Long> read(int reader, long after, int limit) throws SQLException {
            return positions(database, table(), after, limit);
        }

        @Override
        public String table() {
            return "control";
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 16})
    void nothing_is_skipped_and_positions_are_gapless_and_in_the_order_of_the_commits(int writers) throws Exception {
        JdbcSchema.of("cqrs").apply(database);
        new Run(new Cqrs(), writers, EVENTS).check();
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 16})
    void the_same_finds_what_a_plain_sequence_loses(int writers) throws Exception {
        var run = new Run(new Sequence(), writers, EVENTS);

        assertThatThrownBy(run::check).isInstanceOf(AssertionError.class).hasMessageContaining("skipped");
    }

    /** Writers and readers at work. */
    private final class Run {

        private final long seed = Long.getLong("dev.cqrs.jdbc.seed", System.nanoTime());
        private final Feed feed;
        private final int writers;
        private final int events;
        private final AtomicLong committed = new AtomicLong();
        private final AtomicLong livePages = new AtomicLong();
        private volatile boolean written;

        Run(Feed feed, int writers, int events) {
            this.feed = feed;
            this.writers = writers;
            this.events = events;
        }

        void check() throws Exception {
            long start = System.nanoTime();
            var reading = new ArrayList<Future<List<Long>>>();
            for (int i = 0; i < READERS; i++) {
                int reader = i;
                reading.add(threads.submit(() -> read(reader)));
            }
            try {
                join(IntStream.range(0, writers)
                        .mapToObj(writer -> threads.submit(() -> write(writer)))
                        .toList());
            } finally {
                written = true;
            }
            var seen = new ArrayList<List<Long>>();
            for (var one : reading) {
                seen.add(one.get(60, TimeUnit.SECONDS));
            }
            var all = positions(database, feed.table(), 0, Integer.MAX_VALUE);
            var skipped = seen.stream().map(some -> missing(all, some)).toList();
            System.out.printf(
                    "FeedNeverSkips %s: %d writers, %d events, skipped %s, %d pages while written, %d ms, seed %d%n",
                    feed.table(),
                    writers,
                    all.size(),
                    skipped,
                    livePages.get(),
                    (System.nanoTime() - start) / 1_000_000,
                    seed);

            assertThat(livePages.get()).as("pages read near the head").isGreaterThan(ENOUGH_PAGES);
            assertThat(skipped).as("skipped by the readers, seed %d", seed).containsOnly(0);
            assertThat(seen).allSatisfy(some -> assertThat(some.equals(all)).isTrue());
            assertThat(all.size()).isEqualTo((int) committed.get());
            assertThat(all.equals(LongStream.rangeClosed(1, all.size()).boxed().toList()))
                    .as("gapless, seed %d", seed)
                    .isTrue();
            assertThat(ask("select count(*) from (select pg_xact_commit_timestamp(xmin) at,"
                            + " lag(pg_xact_commit_timestamp(xmin)) over (order by position) before from "
                            + feed.table() + ") e where at < before"))
                    .as("positions against the order of commits, seed %d", seed)
                    .isEqualTo("0");
        }

        private Void write(int writer) throws Exception {
            var random = new SplittableRandom(seed + writer);
            int number = 0;
            while (committed.get() < events || (livePages.get() <= ENOUGH_PAGES && committed.get() < 10L * events)) {
                int first = number;
                var some = IntStream.range(first, first + 1 + random.nextInt(MOST_IN_AN_APPEND))
                        .mapToObj(n -> new Entered(writer, n))
                        .toList();
                boolean rolledBack = random.nextInt(10) < 3;
                boolean done = random.nextBoolean() ? held(some, rolledBack, random) : feed.append(some, rolledBack);
                if (done) {
                    number += some.size();
                    committed.addAndGet(some.size());
                }
            }
            return null;
        }

        private boolean held(List<Entered> some, boolean rolledBack, SplittableRandom random) throws SQLException {
            try (var connection = transaction()) {
                if (random.nextBoolean()) { // the transaction has its number long before it has positions
                    update(connection, "create temp table if not exists early (); drop table early");
                    hold(random);
                }
                feed.append(connection, some);
                hold(random);
                if (rolledBack) {
                    connection.rollback();
                } else {
                    connection.commit();
                }
                return !rolledBack;
            }
        }

        /** Mostly short, as they add up; now and then as long as may be. */
        private void hold(SplittableRandom random) {
            long most = random.nextInt(4) == 0 ? LONGEST_HOLD_MILLIS : 2;
            LockSupport.parkNanos(random.nextLong(TimeUnit.MILLISECONDS.toNanos(most) + 1));
        }

        private List<Long> read(int reader) throws SQLException {
            var random = new SplittableRandom(seed - 1 - reader);
            var seen = new ArrayList<Long>();
            long last = 0;
            while (true) {
                boolean end = written;
                // large enough to keep up: only near the head is there something to be missed
                var page = feed.read(reader, last, 1 + random.nextInt(MOST_IN_A_PAGE));
                if (!end && !page.isEmpty()) {
                    livePages.incrementAndGet();
                }
                seen.addAll(page);
                if (!page.isEmpty()) {
                    last = page.get(page.size() - 1);
                } else if (end) {
                    return seen;
                }
            }
        }
    }

    private static int missing(List<Long> all, List<Long> seen) {
        var missing = new HashSet<>(all);
        seen.forEach(missing::remove);
        return missing.size();
    }

    // ---- two short scripts that break popular repairs of a sequence

    /** Y has its transaction number first; X takes its position first; Y commits first. */
    @Test
    void a_transaction_that_began_later_and_commits_later_is_not_passed_by() throws Exception {
        JdbcSchema.of("cqrs").apply(database);
        var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
        try (var x = transaction();
                var y = transaction()) {
            ask(y, "select pg_current_xact_id()");
            append(store.within(x), 1);
            var blocked = threads.submit(() -> {
                append(store.within(y), 2);
                y.commit();
                return null;
            });
            awaitBlocked();

            assertThat(read(store, 0)).as("Y cannot overtake X").isEmpty();
            x.commit();
            blocked.get(120, TimeUnit.SECONDS);
        }
        assertThat(read(store, 0)).containsExactly("1:1", "2:2");
    }

    /** A has its transaction number before B begins, and appends to the same entity after B has. */
    @Test
    void what_was_appended_first_comes_first_whatever_the_numbers_of_the_transactions() throws Exception {
        JdbcSchema.of("cqrs").apply(database);
        var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
        try (var a = transaction();
                var b = transaction()) {
            ask(a, "select pg_current_xact_id()");
            append(store.within(b), 1);
            b.commit();
            append(store.within(a), 2);
            a.commit();
        }
        assertThat(read(store, 0)).containsExactly("1:1", "2:2");
    }

    @Test
    void a_transaction_held_long_after_its_append_leaves_no_hole() throws Exception {
        JdbcSchema.of("cqrs").apply(database);
        var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
        Future<?> next;
        int looks = 0;
        try (var slow = transaction()) {
            append(store.within(slow), 1);
            next = threads.submit(() -> append(store, 2));
            awaitBlocked();
            var holding = threads.submit(() -> ask(slow, "select pg_sleep(3)"));
            while (!holding.isDone() || looks < 10) {
                assertThat(read(store, 0)).isEmpty();
                assertThat(store.head()).isEqualTo(Position.START);
                looks++;
            }
            holding.get();
            slow.commit();
        }
        next.get(240, TimeUnit.SECONDS);
        assertThat(read(store, 0)).containsExactly("1:1", "2:2");
    }

    /** The middle event of three comes into its table late, when the first is there, and others want to append. */
    @Test
    void an_event_that_is_late_in_the_middle_of_an_append_is_not_passed_by() throws Exception {
        JdbcSchema.of("cqrs").apply(database);
        update(database.getConnection(), """
                create function late() returns trigger language plpgsql as $$
                begin
                    if (new.json ->> 'number')::int = 2 then
                        perform pg_advisory_xact_lock(42);
                    end if;
                    return new;
                end $$;
                create trigger late before insert on cqrs_event for each row execute function late();
                """);
        var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
        append(store, 0);
        var told = new LinkedBlockingQueue<Position>(10);
        try (var following = following(told);
                var gate = transaction()) {
            assertThat(told.poll(120, TimeUnit.SECONDS)).isEqualTo(Position.of(1));
            ask(gate, "select pg_advisory_xact_lock(42)");
            var late = threads.submit(() -> store.append(
                    List.of(new Entered(1, 1), new Entered(1, 2), new Entered(1, 3)), AppendCondition.none()));
            awaitBlocked(1);
            var ofAnother =
                    JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
            var next = threads.submit(() -> append(ofAnother, 4));
            awaitBlocked(2);

            for (long after = 0; after <= 1; after++) {
                assertThat(read(store, after)).isEqualTo(after == 0 ? List.of("1:0") : List.of());
            }
            assertThat(following.head()).isEqualTo(Position.of(1));
            assertThat(told).isEmpty();
            assertThat(late.isDone() || next.isDone()).isFalse();

            gate.commit();
            late.get(120, TimeUnit.SECONDS);
            next.get(120, TimeUnit.SECONDS);
            for (var last = Position.START; !last.equals(Position.of(5)); ) {
                var later = told.poll(120, TimeUnit.SECONDS);
                assertThat(later).isIn(Position.of(4), Position.of(5));
                last = later;
            }
        }
        assertThat(read(store, 0)).containsExactly("1:0", "2:1", "3:2", "4:3", "5:4");
    }

    /** However long: nothing here waits for a time. */
    @Test
    void a_transaction_that_is_held_is_told_to_nobody_and_then_to_all_before_what_came_behind_it() throws Exception {
        JdbcSchema.of("cqrs").apply(database);
        var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
        append(store, 0);
        var told = new LinkedBlockingQueue<Position>(10);
        try (var following = following(told);
                var slow = transaction()) {
            assertThat(told.poll(120, TimeUnit.SECONDS)).isEqualTo(Position.of(1));
            append(store.within(slow), 1);
            var next = threads.submit(() -> append(store, 2));
            awaitBlocked(1);
            following.wake(); // as a slow poll would: the head is what it was
            assertThat(told.poll(120, TimeUnit.SECONDS)).isEqualTo(Position.of(1));
            assertThat(read(following, 1)).isEmpty();
            assertThat(told).isEmpty();

            slow.commit();

            next.get(120, TimeUnit.SECONDS);
            var seen = new ArrayList<String>();
            while (seen.size() < 2) {
                assertThat(told.poll(120, TimeUnit.SECONDS)).isNotNull();
                seen.addAll(read(following, 1 + seen.size())); // as a projection does: behind what it has
            }
            assertThat(seen).containsExactly("2:1", "3:2");
        }
    }

    /** The signal is there before the log is looked at, as the thread is given only then. */
    private JdbcEventStore following(BlockingQueue<Position> told) {
        var task = new ArrayBlockingQueue<Runnable>(1);
        var following = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC())
                .follow(task::add, Duration.ofHours(1), Throwable::printStackTrace)
                .build();
        following.onAppend(told::add);
        threads.execute(task.remove());
        return following;
    }

    @Test
    void an_append_that_is_rolled_back_leaves_no_gap() throws Exception {
        JdbcSchema.of("cqrs").apply(database);
        var store = JdbcEventStore.builder(database, CATALOG, Clock.systemUTC()).build();
        for (int i = 0; i < 20; i++) {
            try (var connection = transaction()) {
                append(store.within(connection), i);
                connection.rollback();
            }
        }
        append(store, 1);
        assertThat(store.head()).isEqualTo(Position.of(1));
        assertThat(read(store, 0)).containsExactly("1:1");
    }

    private static void append(EventStore store, int number) {
        store.append(List.of(new Entered(1, number)), AppendCondition.none());
    }

    private static List<String> read(EventStore store, long after) {
        try (var events = store.read(EventQuery.all(), ReadOptions.forwards().after(Position.of(after)))) {
            return events.toList().stream()
                    .map(e -> e.position() + ":" + ((Entered) e.event()).number())
                    .toList();
        }
    }

    private void awaitBlocked() throws Exception {
        awaitBlocked(1);
    }

    /** There is no signal that another backend waits for a lock. */
    private void awaitBlocked(int backends) throws Exception {
        for (int looks = 0;
                Integer.parseInt(ask("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"))
                        < backends;
                looks++) {
            assertThat(looks).isLessThan(30_000);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private Connection transaction() throws SQLException {
        var connection = database.getConnection();
        connection.setAutoCommit(false);
        return connection;
    }

    private static void join(List<? extends Future<?>> tasks) throws Exception {
        for (var task : tasks) {
            task.get(240, TimeUnit.SECONDS);
        }
    }

    private static List<Long> positions(HikariDataSource database, String table, long after, int limit)
            throws SQLException {
        try (var connection = database.getConnection();
                var select = connection.prepareStatement(
                        "select position from " + table + " where position > ? order by position limit ?")) {
            select.setLong(1, after);
            select.setInt(2, limit);
            try (var rows = select.executeQuery()) {
                var positions = new ArrayList<Long>();
                while (rows.next()) {
                    positions.add(rows.getLong(1));
                }
                return positions;
            }
        }
    }

    private String ask(String sql) throws SQLException {
        try (var connection = database.getConnection()) {
            return ask(connection, sql);
        }
    }

    private static String ask(Connection connection, String sql) throws SQLException {
        try (var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }

    private static void update(Connection connection, String sql) throws SQLException {
        try (var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
