package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;

class PostgresTest {

    @Test
    void a_database_is_empty_and_its_own() throws SQLException {
        var one = Postgres.database();
        try (var connection = one.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create table t (i int)");
        }

        assertThat(ask(one, "select count(*) from pg_tables where schemaname = 'public'"))
                .isEqualTo("1");
        try (var other = Postgres.pooledDatabase(2)) {
            assertThat(ask(other, "select count(*) from pg_tables where schemaname = 'public'"))
                    .isEqualTo("0");
        }
    }

    @Test
    void the_server_is_of_the_version_that_the_build_says() throws SQLException {
        assertThat(ask(Postgres.database(), "show server_version") + ".0")
                .startsWith(System.getProperty("dev.cqrs.jdbc.server", ""));
    }

    @Test
    void a_durable_server_waits_for_the_disk() throws Exception {
        try (var server = Postgres.start(true)) {
            var source = Postgres.source(server, "postgres");

            assertThat(ask(source, "show fsync")).isEqualTo("on");
            assertThat(ask(source, "show synchronous_commit")).isEqualTo("on");
            assertThat(ask(source, "show full_page_writes")).isEqualTo("on");
        }
    }

    private static String ask(DataSource source, String sql) throws SQLException {
        try (var connection = source.getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }
}
