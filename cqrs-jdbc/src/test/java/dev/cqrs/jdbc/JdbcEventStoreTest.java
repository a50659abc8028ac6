package dev.cqrs.jdbc;

import static dev.cqrs.jdbc.Ledger.account;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.jdbc.JacksonEventCodecTest.Amounts;
import dev.cqrs.jdbc.JdbcEventStore.Payload;
import dev.cqrs.jdbc.Ledger.Deposited;
import dev.cqrs.jdbc.Ledger.Moved;
import dev.cqrs.jdbc.Ledger.Opened;
import dev.cqrs.message.Metadata;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

class JdbcEventStoreTest {

    private static final Instant NOON = Instant.parse("2026-11-01T12:00:00.123456Z");
    private static final EventQuery A = EventQuery.tagged(account("a"));

    private PGSimpleDataSource plain;
    private HikariDataSource database;
    private JdbcEventStore store;

    @BeforeEach
    void open_an_empty_store() {
        plain = Postgres.database();
        database = Postgres.pool(plain, 4);
        JdbcSchema.of().apply(database);
        store = on(NOON).build();
    }

    @AfterEach
    void close_the_database() {
        database.close();
    }

    private JdbcEventStore.Builder on(Instant now) {
        return JdbcEventStore.builder(database, Ledger.CATALOG, Clock.fixed(now, ZoneOffset.UTC));
    }

    // ---- what is kept

    @ParameterizedTest
    @EnumSource(Payload.class)
    void another_store_object_reads_what_was_appended(Payload payload) {
        var metadata = Metadata.of(Map.of("id", "1", "user", "Ümit \"q\" \\ '", "empty", ""));
        on(NOON).payload(payload)
                .build()
                .append(List.of(new Opened("a"), new Moved("a", "b", 5)), AppendCondition.none(), metadata);

        try (var events = on(NOON.plusSeconds(9)).build().read(EventQuery.tagged(account("b")))) {
            assertThat(events.advance()).isTrue();
            assertThat(events.event()).isEqualTo(new Moved("a", "b", 5));
            assertThat(events.position()).isEqualTo(Position.of(2));
            assertThat(events.name()).isEqualTo("moved");
            assertThat(events.tags()).containsExactlyInAnyOrder(account("a"), account("b"));
            assertThat(events.metadata()).isEqualTo(metadata);
            assertThat(events.recordedAt()).isEqualTo(NOON);
            assertThat(events.head()).isEqualTo(Position.of(2));
            assertThat(events.advance()).isFalse();
        }
    }

    @ParameterizedTest
    @EnumSource(Payload.class)
    void numbers_come_back_equal_and_sql_can_cast_those_that_are_texts(Payload payload) throws Exception {
        var catalog = Catalog.builder().event("amounts", Amounts.class).build();
        var amounts = JdbcEventStore.builder(database, catalog, Clock.systemUTC())
                .payload(payload)
                .build();
        amounts.append(List.of(JacksonEventCodecTest.amounts()), AppendCondition.none());

        assertThat(events(amounts, EventQuery.all())).containsExactly(JacksonEventCodecTest.amounts());
        if (payload == Payload.JSONB) {
            try (var connection = database.getConnection();
                    var statement = connection.createStatement();
                    var row = statement.executeQuery("select (json #>> '{one, decimal}')::numeric,"
                            + " (json #>> '{one, primitive}')::float8 from cqrs_event")) {
                row.next();
                assertThat(row.getBigDecimal(1)).isEqualByComparingTo("1000");
                assertThat(row.getDouble(2)).isEqualTo(-0.0);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "json = '{}', 'At position 2: The stored event \"opened\", revision 1, cannot be read'",
        "name = 'closed', 'At position 2: The catalog does not know the stored event \"closed\" revision 1'",
        "revision = 2, 'At position 2: The catalog does not know the stored event \"opened\" revision 2'"
    })
    void what_cannot_be_read_says_where_it_stands(String damage, String message) throws Exception {
        store.append(List.of(new Opened("a"), new Opened("b"), new Opened("c")), AppendCondition.none());
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("update cqrs_event set " + damage + " where position = 2");
        }

        try (var events = store.read(EventQuery.all())) {
            assertThat(events.advance()).isTrue();
            for (int time = 1; time <= 2; time++) {
                assertThatThrownBy(events::advance)
                        .isInstanceOfAny(EventCodec.UnreadableEventException.class, UnknownEventException.class)
                        .hasMessageStartingWith(message);
            }
        }
        try (var events = store.read(EventQuery.all(), ReadOptions.backwards())) {
            assertThat(events.advance()).isTrue();
            assertThatThrownBy(events::advance).hasMessageStartingWith(message);
        }
    }

    @Test
    void one_log_may_hold_payloads_of_both_kinds() {
        on(NOON).payload(Payload.BYTEA).build().append(List.of(new Opened("a")), AppendCondition.none());
        store.append(List.of(new Opened("a")), AppendCondition.none());

        assertThat(events(store, A)).containsExactly(new Opened("a"), new Opened("a"));
    }

    @Test
    void the_time_of_recording_goes_back_for_no_store_object() {
        on(NOON).build().append(List.of(new Opened("a")), AppendCondition.none());
        on(NOON.minusSeconds(60)).build().append(List.of(new Opened("a")), AppendCondition.none());
        on(NOON.plusSeconds(60)).build().append(List.of(new Opened("a")), AppendCondition.none());

        try (var events = store.read(A)) {
            assertThat(events.toList())
                    .extracting(recorded -> recorded.recordedAt())
                    .containsExactly(NOON, NOON, NOON.plusSeconds(60));
        }
    }

    @Test
    void a_tag_may_be_longer_than_an_entry_of_an_index() {
        var longest = "\u20ac".repeat(1000);
        store.append(List.of(new Opened(longest)), AppendCondition.none());

        assertThat(events(store, EventQuery.tagged(account(longest)))).containsExactly(new Opened(longest));
    }

    @Test
    void payloads_are_looked_at_with_sql() throws SQLException {
        store.append(List.of(new Deposited("a", 5), new Deposited("b", 7)), AppendCondition.none());

        try (var connection = database.getConnection();
                var statement = connection.createStatement();
                var sum = statement.executeQuery("select sum((json ->> 'cents')::bigint) from cqrs_event")) {
            sum.next();
            assertThat(sum.getLong(1)).isEqualTo(12);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\u0000", "a\u0000", "\ud83d", "\ude00", "\ude00\ud83d", "x\ud83dx"})
    void text_that_the_database_cannot_keep_is_refused_before_it_is_asked(String text) {
        database.close(); // so it is not asked

        assertThatIllegalArgumentException()
                .isThrownBy(() -> store.append(
                        List.of(new Opened("a")), AppendCondition.none(), Metadata.of(Map.of("key", text))))
                .withMessageContaining("\"key\"");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> store.append(
                        List.of(new Opened("a")), AppendCondition.none(), Metadata.of(Map.of("k" + text, "v"))));
        assertThatExceptionOfType(RuntimeException.class)
                .isThrownBy(() -> store.append(List.of(new Opened(text)), AppendCondition.none()))
                .isNotInstanceOf(DatabaseException.class);
    }

    // ---- kinds of connections

    @ParameterizedTest
    @ValueSource(
            strings = {
                "TRANSACTION_READ_COMMITTED",
                "TRANSACTION_REPEATABLE_READ",
                "TRANSACTION_SERIALIZABLE",
            })
    void any_pool_will_do_and_gets_its_connections_back_as_they_were(String isolation) throws SQLException {
        for (boolean autoCommit : new boolean[] {true, false}) {
            var config = new HikariConfig();
            config.setDataSource(plain);
            config.setMaximumPoolSize(1);
            config.setAutoCommit(autoCommit);
            config.setTransactionIsolation(isolation);
            try (var pool = new HikariDataSource(config)) {
                var pooled = JdbcEventStore.builder(pool, Ledger.CATALOG, Clock.systemUTC())
                        .build();
                for (int i = 0; i < 3; i++) {
                    pooled.append(List.of(new Opened("a")), AppendCondition.none());
                    store.append(List.of(new Opened("a")), AppendCondition.none());
                }
                assertThat(pooled.head()).isEqualTo(store.head());
                assertThat(events(pooled, A)).hasSize((int) store.head().value());
                assertThatExceptionOfType(AppendConflictException.class)
                        .isThrownBy(() -> pooled.append(List.of(new Opened("a")), AppendCondition.absent(A)));
                try (var connection = pool.getConnection()) {
                    assertThat(connection.getAutoCommit()).isEqualTo(autoCommit);
                    assertThat(connection.getTransactionIsolation())
                            .isEqualTo(
                                    switch (isolation) {
                                        case "TRANSACTION_READ_COMMITTED" -> Connection.TRANSACTION_READ_COMMITTED;
                                        case "TRANSACTION_SERIALIZABLE" -> Connection.TRANSACTION_SERIALIZABLE;
                                        default -> Connection.TRANSACTION_REPEATABLE_READ;
                                    });
                }
            }
        }
    }

    @Test
    void a_read_leaves_no_transaction_open_where_connections_do_not_commit_by_themselves() throws SQLException {
        try (var connection = plain.getConnection()) {
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            connection.setAutoCommit(false);
            var source = OneConnection.source(connection); // as a pool that rolls nothing back
            assertThat(JdbcSchema.of().isCurrent(source)).isTrue();
            var careless = JdbcEventStore.builder(source, Ledger.CATALOG, Clock.systemUTC())
                    .build();
            for (int i = 1; i <= 3; i++) {
                store.append(List.of(new Opened("a")), AppendCondition.none());
                assertThat(careless.head()).isEqualTo(store.head());
                assertThat(events(careless, A)).hasSize(2 * i - 1);
                careless.append(List.of(new Opened("a")), AppendCondition.none());
            }
        }
    }

    @Test
    void a_read_does_not_undo_what_a_transaction_of_the_application_has_written() throws SQLException {
        try (var connection = plain.getConnection()) {
            connection.setAutoCommit(false);
            var wrong = JdbcEventStore.builder(OneConnection.source(connection), Ledger.CATALOG, Clock.systemUTC())
                    .build();
            try (var statement = connection.createStatement()) {
                statement.execute("create table rows_of_my_own (i int)");
                assertThat(wrong.head()).isEqualTo(Position.START);
                connection.commit();
                statement.execute("insert into rows_of_my_own values (1)");
            }
            connection.rollback();
        }
    }

    @Test
    void a_data_source_that_gives_the_connection_of_a_transaction_is_refused_and_the_transaction_not_committed()
            throws SQLException {
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            try (var statement = connection.createStatement()) {
                statement.execute("create table rows_of_my_own (i int)");
            }
            var wrong = JdbcEventStore.builder(OneConnection.source(connection), Ledger.CATALOG, Clock.systemUTC())
                    .build();

            assertThatExceptionOfType(DatabaseException.class)
                    .isThrownBy(() -> wrong.append(List.of(new Opened("a")), AppendCondition.none()))
                    .withMessageContaining("in the middle of a transaction");
            connection.rollback();
        }

        assertThat(store.head()).isEqualTo(Position.START);
    }

    @ParameterizedTest
    @ValueSource(ints = {Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE})
    void so_it_is_above_read_committed_where_nothing_is_rolled_back_in_silence(int isolation) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create table rows_of_my_own (i int)");
            connection.setTransactionIsolation(isolation);
            connection.setAutoCommit(false);
            var wrong = JdbcEventStore.builder(OneConnection.source(connection), Ledger.CATALOG, Clock.systemUTC())
                    .build();

            // given a store that does not know of the isolation yet
            statement.execute("insert into rows_of_my_own values (1)");
            assertThatExceptionOfType(DatabaseException.class)
                    .isThrownBy(() -> wrong.append(List.of(new Opened("a")), AppendCondition.none()))
                    .withMessageContaining("in the middle of a transaction");
            assertThatThrownBy(() -> statement.execute("select 1")).hasMessageContaining("aborted");
            connection.rollback();

            // and one that does
            wrong.append(List.of(new Opened("b")), AppendCondition.none());
            statement.execute("insert into rows_of_my_own values (2)");
            assertThatExceptionOfType(DatabaseException.class)
                    .isThrownBy(() -> wrong.append(List.of(new Opened("c")), AppendCondition.none()))
                    .withMessageContaining("in the middle of a transaction");
            connection.commit();
            try (var row = statement.executeQuery("select i from rows_of_my_own")) {
                assertThat(row.next()).isTrue();
                assertThat(row.getInt(1)).isEqualTo(2);
            }
        }
        assertThat(store.head()).isEqualTo(Position.of(1));
    }

    // ---- reading in pages

    @Test
    void pages_of_any_size_give_the_same_events_of_the_same_snapshot() {
        var expected = new ArrayList<Object>();
        for (int i = 0; i < 10; i++) {
            store.append(
                    List.of(new Deposited("a", i), new Deposited("b", i), new Opened("c")), AppendCondition.none());
            expected.add(new Deposited("a", i));
            expected.add(new Deposited("b", i));
        }
        var deposits = EventQuery.types(Deposited.class);
        for (var query : List.of(
                deposits,
                EventQuery.tagged(account("a")).or(EventQuery.tagged(account("b"))),
                EventQuery.tagged(account("a")).or(deposits),
                deposits.withTags(account("a")).or(deposits.withTags(account("b"))))) {
            for (int size : new int[] {1, 3, 19, 20, 21, 1000}) {
                var paged = on(NOON).pageSize(size).build();
                for (boolean backwards : new boolean[] {false, true}) {
                    var options = backwards ? ReadOptions.backwards() : ReadOptions.forwards();
                    try (var events = paged.read(query, options)) {
                        var head = events.head();
                        store.append(List.of(new Opened("later")), AppendCondition.none());
                        var read = new ArrayList<Object>();
                        while (events.advance()) {
                            read.add(backwards ? 0 : read.size(), events.event());
                            assertThat(events.position().isAfter(head)).isFalse();
                        }
                        assertThat(backwards ? reversed(read) : read)
                                .as("%s, %s at a time", query, size)
                                .isEqualTo(backwards ? reversed(expected) : expected);
                    }
                }
            }
        }
    }

    /** Where they lie close together and then far apart, so that pages look too far, and not far enough. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 50, 1000})
    void pages_of_many_items_leave_nothing_out(int size) {
        var many = EventQuery.of(IntStream.range(0, 30)
                .mapToObj(i -> new EventQuery.Item(Set.of(), Set.of(account("" + i))))
                .toList());
        var log = new ArrayList<Object>();
        var expected = new ArrayList<Object>();
        for (int apart : new int[] {1, 1, 300, 1, 7, 700}) {
            for (int i = 0; i < 30; i++) {
                expected.add(new Deposited("" + i, apart));
                log.add(new Deposited("" + i, apart));
                for (int other = 1; other < (i % 10 == 0 ? apart : 1); other++) {
                    log.add(new Opened("other"));
                }
            }
        }
        store.append(log, AppendCondition.none());
        var paged = on(NOON).pageSize(size).build();

        try (var events = paged.read(many)) {
            assertThat(remaining(events)).isEqualTo(expected);
        }
        try (var events = paged.read(many, ReadOptions.backwards())) {
            assertThat(remaining(events)).isEqualTo(reversed(expected));
        }
        var part = ReadOptions.forwards().after(Position.of(10)).until(Position.of(log.size() - 1_000));
        for (var options :
                List.of(part, ReadOptions.backwards().after(part.after()).until(part.until()))) {
            try (var events = paged.read(many, options)) {
                var positions = new ArrayList<Long>();
                while (events.advance()) {
                    positions.add(events.position().value());
                }
                var wanted = LongStream.rangeClosed(11, log.size() - 1_000)
                        .boxed()
                        .filter(position -> log.get((int) (position - 1)) instanceof Deposited)
                        .collect(Collectors.toCollection(ArrayList::new));
                if (options.isBackwards()) {
                    Collections.reverse(wanted);
                }
                assertThat(positions).isEqualTo(wanted);
            }
        }
    }

    private static List<Object> reversed(List<Object> list) {
        var reversed = new ArrayList<>(list);
        Collections.reverse(reversed);
        return reversed;
    }

    @Test
    void an_event_appended_while_a_stream_is_read_is_not_in_a_later_page() {
        store.append(List.of(new Deposited("a", 1), new Deposited("a", 2)), AppendCondition.none());
        try (var events = on(NOON).pageSize(1).build().read(A)) {
            assertThat(events.advance()).isTrue();

            store.append(List.of(new Deposited("a", 3)), AppendCondition.none());

            assertThat(remaining(events)).containsExactly(new Deposited("a", 2));
        }
    }

    @Test
    void a_page_and_the_head_that_is_told_with_it_are_of_one_look() {
        // given somebody who appends after each statement of the reader
        store.append(List.of(new Deposited("a", 1)), AppendCondition.none());
        var appending = new AtomicBoolean();
        var source = (DataSource) afterEachQuery(DataSource.class, database, () -> {
            if (appending.get()) {
                store.append(List.of(new Deposited("a", 2)), AppendCondition.none());
            }
        });
        var reader = JdbcEventStore.builder(source, Ledger.CATALOG, Clock.systemUTC())
                .build();
        appending.set(true);

        for (var query : List.of(A, EventQuery.all())) {
            try (var events = reader.read(query)) {
                var last = Position.START;
                while (events.advance()) {
                    last = events.position();
                }
                assertThat(events.head())
                        .as("what comes behind the head is still to be read")
                        .isEqualTo(last);
            }
        }
        assertThat(store.head().value()).isGreaterThan(2);
    }

    /** The object, with all that it gives: a query that one of them runs is followed by {@code then}. */
    private static Object afterEachQuery(Class<?> type, Object target, Runnable then) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
            try {
                var result = method.invoke(target, arguments);
                if (method.getName().equals("executeQuery")) {
                    then.run();
                }
                boolean runs = method.getReturnType() == Connection.class
                        || Statement.class.isAssignableFrom(method.getReturnType());
                return runs ? afterEachQuery(method.getReturnType(), result, then) : result;
            } catch (InvocationTargetException thrown) {
                throw thrown.getCause();
            }
        });
    }

    private enum Asked {
        TAG,
        TAG_AND_TYPE,
        TAGS,
        TAGS_AND_TYPE,
        ALL_OF_THESE
    }

    /** More than a statement can have parameters, were each item to bring its own. */
    @ParameterizedTest
    @EnumSource(Asked.class)
    void a_query_may_have_twenty_thousand_items(Asked asked) {
        int accounts = 20_000;
        var log = new ArrayList<Object>();
        for (int i = 0; i < accounts; i++) {
            log.add(i % 3 == 0 ? new Opened("" + i) : new Deposited("" + i, i));
        }
        for (int i = 0; i < accounts; i += 10) {
            log.add(new Moved("" + i, "" + (i + 1), i)); // which two items may find
            log.add(new Deposited("other", i));
        }
        store.append(log, AppendCondition.none());
        var items = new ArrayList<EventQuery.Item>();
        for (int i = 0; i < accounts; i++) {
            var both = Set.of(account("" + i), account("" + (i + 1)));
            switch (asked == Asked.ALL_OF_THESE ? Asked.values()[i % 4] : asked) {
                case TAG -> items.add(new EventQuery.Item(Set.of(), Set.of(account("" + i))));
                case TAG_AND_TYPE ->
                    items.add(new EventQuery.Item(Set.of(Opened.class, Moved.class), Set.of(account("" + i))));
                case TAGS -> items.add(new EventQuery.Item(Set.of(), both));
                case TAGS_AND_TYPE, ALL_OF_THESE -> items.add(new EventQuery.Item(Set.of(Moved.class), both));
            }
        }
        var query = EventQuery.of(items);
        var expected = expected(log, query);
        assertThat(expected).hasSizeBetween(1_000, 22_000);
        var paged = on(NOON).pageSize(5_000).build();

        try (var events = paged.read(query)) {
            assertThat(remaining(events)).isEqualTo(expected);
        }
        try (var events = paged.read(query, ReadOptions.backwards())) {
            assertThat(remaining(events)).isEqualTo(reversed(expected));
        }
        assertThatExceptionOfType(AppendConflictException.class)
                .isThrownBy(() -> paged.append(List.of(new Opened("new")), AppendCondition.absent(query)));
        paged.append(List.of(new Opened("new")), AppendCondition.unchanged(query, paged.head()));
    }

    /** By hand, as asking each of the items for each event would take long. */
    private static List<Object> expected(List<Object> log, EventQuery query) {
        var items = Set.copyOf(query.items());
        return log.stream()
                .filter(event -> {
                    var tags = List.copyOf(Ledger.CATALOG.tagsOf(event));
                    for (Set<Class<?>> types :
                            List.<Set<Class<?>>>of(Set.of(), Set.of(Moved.class), Set.of(Opened.class, Moved.class))) {
                        if (!types.isEmpty() && !types.contains(event.getClass())) {
                            continue;
                        }
                        if (items.contains(new EventQuery.Item(types, Set.copyOf(tags)))
                                || tags.stream()
                                        .anyMatch(tag -> items.contains(new EventQuery.Item(types, Set.of(tag))))) {
                            return true;
                        }
                    }
                    return false;
                })
                .toList();
    }

    @Test
    void an_open_stream_holds_no_connection() {
        try (var one = Postgres.pool(plain, 1)) {
            var small = JdbcEventStore.builder(one, Ledger.CATALOG, Clock.systemUTC())
                    .pageSize(1)
                    .build();
            small.append(List.of(new Opened("a"), new Opened("a")), AppendCondition.none());
            try (var events = small.read(A)) {
                assertThat(events.advance()).isTrue();
                small.append(List.of(new Opened("b")), events.unchanged());
                assertThat(events.advance()).isTrue();
                assertThat(events.advance()).isFalse();
            }
        }
    }

    // ---- as part of a transaction

    @Test
    void what_is_appended_within_a_transaction_is_there_if_it_commits() throws SQLException {
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            var joined = store.within(connection);
            joined.append(List.of(new Opened("a")), AppendCondition.absent(A));

            assertThat(events(joined, A)).containsExactly(new Opened("a"));
            assertThat(joined.head()).isEqualTo(Position.of(1));
            assertThat(store.head()).isEqualTo(Position.START);
            connection.rollback();
            assertThat(store.head()).isEqualTo(Position.START);

            joined.append(List.of(new Opened("a")), AppendCondition.absent(A));
            joined.append(List.of(new Deposited("a", 1)), AppendCondition.none());
            connection.commit();
            connection.setAutoCommit(true);
        }
        assertThat(events(store, A)).containsExactly(new Opened("a"), new Deposited("a", 1));
        assertThat(store.head()).isEqualTo(Position.of(2));
    }

    @Test
    void a_store_that_is_kept_past_its_transaction_appends_nothing() throws SQLException {
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            var joined = store.within(connection);
            connection.setAutoCommit(true);

            assertThatIllegalArgumentException()
                    .isThrownBy(() -> joined.append(List.of(new Opened("a")), AppendCondition.none()))
                    .withMessageContaining("commits each statement by itself");
        }
        assertThat(store.head()).isEqualTo(Position.START);
    }

    @Test
    void behind_the_last_of_all_positions_there_is_nothing() {
        store.append(List.of(new Moved("a", "b", 1)), AppendCondition.none());
        var options = ReadOptions.forwards().after(Position.of(Long.MAX_VALUE));
        for (var query : List.of(A, EventQuery.tagged(account("a"), account("b")), EventQuery.types(Moved.class))) {
            try (var events = store.read(query, options)) {
                assertThat(remaining(events)).isEmpty();
            }
        }
    }

    @Test
    void a_conflict_within_a_transaction_leaves_it_usable() throws SQLException {
        store.append(List.of(new Opened("a")), AppendCondition.none());
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            var joined = store.within(connection);
            joined.append(List.of(new Deposited("a", 1)), AppendCondition.none());

            assertThatExceptionOfType(AppendConflictException.class)
                    .isThrownBy(() -> joined.append(List.of(new Opened("a")), AppendCondition.absent(A)));
            joined.append(List.of(new Deposited("a", 2)), AppendCondition.none());
            connection.commit();
            connection.setAutoCommit(true);
        }
        assertThat(events(store, A)).containsExactly(new Opened("a"), new Deposited("a", 1), new Deposited("a", 2));
    }

    @ParameterizedTest
    @ValueSource(ints = {Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE})
    void a_transaction_that_sees_an_old_log_cannot_append_to_it(int isolation) throws SQLException {
        try (var connection = plain.getConnection()) {
            connection.setTransactionIsolation(isolation);
            connection.setAutoCommit(false);
            var joined = store.within(connection);
            assertThat(joined.head()).isEqualTo(Position.START);
            store.append(List.of(new Opened("a")), AppendCondition.none());

            assertThatExceptionOfType(DatabaseException.class)
                    .isThrownBy(() -> joined.append(List.of(new Opened("a")), AppendCondition.absent(A)));
            connection.rollback();

            assertThatExceptionOfType(AppendConflictException.class)
                    .isThrownBy(() -> joined.append(List.of(new Opened("a")), AppendCondition.absent(A)));
            joined.append(List.of(new Deposited("a", 1)), AppendCondition.none());
            connection.commit();
        }
        assertThat(events(store, A)).containsExactly(new Opened("a"), new Deposited("a", 1));
    }

    @Test
    void a_connection_that_commits_by_itself_has_no_transaction_to_take_part_in() throws SQLException {
        try (var connection = database.getConnection()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> store.within(connection))
                    .withMessageContaining("setAutoCommit(false)");
        }
    }

    @Test
    void signals_come_from_a_transaction_when_the_store_is_woken_after_its_commit() throws SQLException {
        var told = new ArrayList<Position>();
        store.onAppend(told::add);
        store.wake();
        try (var connection = database.getConnection()) {
            connection.setAutoCommit(false);
            store.within(connection).append(List.of(new Opened("a"), new Opened("b")), AppendCondition.none());
            assertThat(told).isEmpty();
            connection.commit();
            connection.setAutoCommit(true);
        }

        store.wake();

        assertThat(told).containsExactly(Position.of(2));
    }

    // ---- conditions

    @Test
    void conditions_and_reads_cost_the_same_in_a_long_log() throws SQLException {
        givenALongLog();
        var hub = account("hub");
        var rare = account("x7"); // 21 events
        var queries = List.of(
                EventQuery.tagged(account("nobody")),
                EventQuery.tagged(rare),
                EventQuery.types(Opened.class).withTags(hub),
                EventQuery.types(Opened.class),
                EventQuery.tagged(hub, account("nobody")),
                EventQuery.tagged(hub, rare, account("x8")),
                EventQuery.tagged(rare).or(EventQuery.tagged(account("x8"))),
                EventQuery.types(Moved.class)
                        .withTags(rare)
                        .or(EventQuery.types(Moved.class, Opened.class).withTags(account("x8"))),
                EventQuery.tagged(hub, rare).or(EventQuery.tagged(hub, account("x8"))),
                EventQuery.tagged(hub, rare).or(EventQuery.types(Opened.class)));
        try (var connection = plain.getConnection()) {
            connection.setAutoCommit(false);
            var joined = store.within(connection);
            for (int i = 0; i < 10; i++) {
                for (var query : queries) {
                    long before = blocks(connection);
                    joined.read(query).close();
                    assertThat(blocks(connection) - before)
                            .as("reading %s", query)
                            .isLessThan(600);

                    before = blocks(connection);
                    try {
                        joined.append(List.of(new Deposited("b", 1)), AppendCondition.absent(query));
                    } catch (AppendConflictException asWell) {
                        // costs no less
                    }
                    assertThat(blocks(connection) - before).as("%s", query).isLessThan(600);
                    connection.rollback();
                }
            }
        }
    }

    /** Of 105,000 events, whose tables were never analysed: what the planner does not know must not lead it astray. */
    private void givenALongLog() throws SQLException {
        store.append(
                LongStream.range(0, 5_000)
                        .mapToObj(i -> new Moved("hub", "x" + i, i))
                        .toList(),
                AppendCondition.none());
        try (var connection = plain.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("alter table cqrs_event set (autovacuum_enabled = false)"); // it analyses, too
            statement.execute("alter table cqrs_tag set (autovacuum_enabled = false)");
            statement.execute("insert into cqrs_event select position + 5000 * n, recorded_at, revision, name, tags,"
                    + " metadata, json, bytes from cqrs_event, generate_series(1, 20) n");
            statement.execute("insert into cqrs_tag select tag, position + 5000 * n, name from cqrs_tag,"
                    + " generate_series(1, 20) n");
        }
        assertThat(store.head()).isEqualTo(Position.of(105_000));
    }

    /** The pages of the tables and indexes that this transaction has looked at. */
    private static long blocks(Connection connection) throws SQLException {
        try (var statement = connection.createStatement();
                var row = statement.executeQuery("select sum(pg_stat_get_xact_blocks_fetched(oid)) from pg_class where"
                        + " relname like 'cqrs_%'")) {
            row.next();
            return row.getLong(1);
        }
    }

    // ---- a codec's mistakes

    @Test
    void a_payload_that_is_no_json_is_refused_alone() {
        var odd = on(NOON).codec(new EventCodec() {
                    private final EventCodec inner = new JacksonEventCodec();

                    @Override
                    public byte[] encode(Object value) {
                        return value.equals(new Opened("odd")) ? "{".getBytes(UTF_8) : inner.encode(value);
                    }

                    @Override
                    public <T> T decode(byte[] payload, Class<T> type) {
                        return inner.decode(payload, type);
                    }
                })
                .build();

        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> odd.append(List.of(new Opened("a"), new Opened("odd")), AppendCondition.none()))
                .havingCause()
                .isInstanceOfSatisfying(
                        SQLException.class,
                        failed -> assertThat(failed.getSQLState()).isEqualTo("22P02"));
        assertThat(store.head()).isEqualTo(Position.START);
    }

    private static List<Object> events(EventStore store, EventQuery query) {
        try (var events = store.read(query)) {
            return remaining(events);
        }
    }

    private static List<Object> remaining(EventStream events) {
        var read = new ArrayList<>();
        while (events.advance()) {
            read.add(events.event());
        }
        return read;
    }
}
