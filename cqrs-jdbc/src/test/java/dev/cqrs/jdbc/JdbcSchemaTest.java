package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.jdbc.Ledger.Opened;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JdbcSchemaTest {

    private HikariDataSource database;

    @BeforeEach
    void open_an_empty_database() {
        database = Postgres.pooledDatabase(10);
    }

    @AfterEach
    void close_the_database() {
        database.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1a", "_a", "A", "a b", "a;drop table x", "a\"", "ä", "a-b", "aaaaaaaaaaaaaaaaaaaaaa"})
    void a_prefix_that_is_no_plain_identifier_is_refused(String prefix) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> JdbcSchema.of(prefix))
                .withMessageContaining("[a-z][a-z0-9_]{0,20}");
    }

    @Test
    void nothing_is_there_until_it_is_applied_and_applying_again_changes_nothing() {
        var schema = JdbcSchema.of();

        assertThat(schema.isCurrent(database)).isFalse();
        schema.apply(database);
        assertThat(schema.isCurrent(database)).isTrue();
        schema.apply(database);
        schema.check(database);
    }

    @Test
    void what_it_prints_can_be_applied_by_other_tools() throws SQLException {
        var schema = JdbcSchema.of("printed");

        execute(schema.sql());

        assertThat(schema.sql()).doesNotContain("${", "cqrs_");
        assertThat(schema.isCurrent(database)).isTrue();
    }

    @Test
    void a_store_without_its_tables_says_what_to_do() {
        var store = JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC());

        assertThatExceptionOfType(SchemaMismatchException.class)
                .isThrownBy(store::build)
                .withMessageContaining("JdbcSchema.of(\"cqrs\").apply(dataSource)")
                .satisfies(mismatch -> assertThat(mismatch.actual()).isZero());
        assertThat(JdbcSchema.of().isCurrent(database)).isFalse();
    }

    @Test
    void a_newer_version_is_neither_used_nor_changed() throws SQLException {
        var schema = JdbcSchema.of();
        schema.apply(database);
        execute("insert into cqrs_schema (version) values (99)");

        for (Runnable use : List.<Runnable>of(
                () -> schema.apply(database),
                () -> schema.check(database),
                () -> JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                        .build())) {
            assertThatExceptionOfType(SchemaMismatchException.class)
                    .isThrownBy(use::run)
                    .withMessageContaining("99")
                    .withMessageContaining("newer");
        }
    }

    @Test
    void a_version_that_fails_half_way_leaves_nothing_behind() throws SQLException {
        execute("create table cqrs_tag ()");
        var schema = JdbcSchema.of();

        assertThatExceptionOfType(DatabaseException.class)
                .isThrownBy(() -> schema.apply(database))
                .satisfies(failed -> assertThat(failed.sqlState()).isEqualTo("42P07"));

        assertThat(schema.isCurrent(database)).isFalse();
        execute("drop table cqrs_tag");
        schema.apply(database);
    }

    @Test
    void of_eight_that_apply_it_at_once_all_succeed() throws Exception {
        for (int round = 0; round < 3; round++) {
            var schema = JdbcSchema.of("round" + round);
            var start = new CyclicBarrier(8);
            var threads = Executors.newFixedThreadPool(8);
            var all = new ArrayList<Future<?>>();
            for (int i = 0; i < 8; i++) {
                all.add(threads.submit(() -> {
                    start.await();
                    schema.apply(database);
                    return null;
                }));
            }
            for (var one : all) {
                one.get(120, TimeUnit.SECONDS);
            }
            threads.shutdown();
            assertThat(schema.isCurrent(database)).isTrue();
        }
    }

    @Test
    void a_log_in_a_schema_further_back_in_the_search_path_is_another_one() throws SQLException {
        JdbcSchema.of().apply(database);
        execute("create schema \"Tenant b\"");
        var tenant = Postgres.database();
        tenant.setDatabaseName(name());
        tenant.setCurrentSchema("\"Tenant b\",public");

        assertThat(JdbcSchema.of().isCurrent(tenant)).isFalse();
        JdbcSchema.of().apply(tenant);
        JdbcEventStore.builder(tenant, Ledger.CATALOG, Clock.systemUTC())
                .build()
                .append(List.of(new Opened("a")), AppendCondition.none());

        assertThat(JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                        .build()
                        .head()
                        .value())
                .isZero();
    }

    private String name() throws SQLException {
        try (var connection = database.getConnection()) {
            return connection.getCatalog();
        }
    }

    @Test
    void two_logs_in_one_database_know_nothing_of_each_other() {
        var stores = new ArrayList<JdbcEventStore>();
        for (var prefix : List.of("one", "two")) {
            JdbcSchema.of(prefix).apply(database);
            stores.add(JdbcEventStore.builder(database, Ledger.CATALOG, Clock.systemUTC())
                    .prefix(prefix)
                    .build());
        }

        stores.get(0).append(List.of(new Opened("a"), new Opened("b")), AppendCondition.none());
        stores.get(1).append(List.of(new Opened("a")), AppendCondition.absent(EventQuery.all()));

        assertThat(stores.get(0).head().value()).isEqualTo(2);
        assertThat(stores.get(1).head().value()).isEqualTo(1);
    }

    @Test
    void a_connection_is_given_back_as_it_was() throws SQLException {
        database.close();
        var plain = Postgres.database();
        try (var connection = plain.getConnection()) {
            for (boolean autoCommit : new boolean[] {true, false}) {
                connection.setAutoCommit(autoCommit);

                JdbcSchema.of("auto" + autoCommit).apply(OneConnection.source(connection));

                assertThat(connection.getAutoCommit()).isEqualTo(autoCommit);
            }
        }
    }

    private void execute(String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
