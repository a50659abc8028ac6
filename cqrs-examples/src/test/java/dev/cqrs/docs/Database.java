package dev.cqrs.docs;

import dev.cqrs.examples.Postgres;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** A real PostgreSQL for the samples that ask for one by a system property: started for the first of them. */
final class Database {

    /** The property in which a sample finds its database. */
    static final String URL = "jdbc.url";

    private static @Nullable EmbeddedPostgres server;
    private static int count;

    private Database() {}

    /** Sets the property to a database that nobody has used. */
    static void offerAnEmptyOne() throws IOException, SQLException {
        if (server == null) {
            server = Postgres.start();
        }
        var name = "sample_" + ++count;
        try (var connection = server.getPostgresDatabase().getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create database " + name);
        }
        System.setProperty(URL, server.getJdbcUrl("postgres", name));
    }

    static void close() throws IOException {
        if (server != null) {
            server.close();
        }
        System.clearProperty(URL);
    }
}
