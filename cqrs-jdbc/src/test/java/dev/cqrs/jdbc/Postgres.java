package dev.cqrs.jdbc;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A real PostgreSQL for tests: one server for each JVM of a test run, started when the first test asks for it and stopped
 * with the JVM; each test class takes a database of its own.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Postgres {

    private static final int CONNECTIONS = 200;

    /** Nobody waits for it where it starts at once. */
    static final Duration START = Duration.ofMinutes(2);

    private static final AtomicInteger DATABASES = new AtomicInteger();
    private static final ArrayBlockingQueue<DataSource> EMPTIED = new ArrayBlockingQueue<>(8);

    /** The holder's initialisation is the lock. */
    private static final class Shared {

        static final EmbeddedPostgres SERVER = start(false);
    }

    private Postgres() {}

    /** Gives a new, empty database of the shared server, without a pool: each connection is a new one. */
    static PGSimpleDataSource database() {
        var name = "test_" + DATABASES.incrementAndGet();
        try (var connection = Shared.SERVER.getPostgresDatabase().getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create database " + name);
        } catch (SQLException failed) {
            throw new IllegalStateException("The database " + name + " could not be made.", failed);
        }
        return source(Shared.SERVER, name);
    }

    /** Gives a new, empty database of the shared server behind a pool of connections, which the caller closes. */
    static HikariDataSource pooledDatabase(int connections) {
        var emptied = EMPTIED.poll();
        return pool(emptied == null ? database() : emptied, connections);
    }

    /** Closes a pool of {@link #pooledDatabase} and empties its database for the next one, which costs less than a new one. */
    static void giveBack(HikariDataSource pool) {
        var database = pool.getDataSource();
        pool.close();
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("set lock_timeout = '10s'"); // who still has a transaction there keeps it
            statement.execute("drop schema public cascade");
            statement.execute("create schema public");
            EMPTIED.offer(database);
        } catch (SQLException inUse) {
            System.out.println("A database is not used again: " + inUse.getMessage());
        }
    }

    static HikariDataSource pool(DataSource source, int connections) {
        var config = new HikariConfig();
        config.setDataSource(source);
        config.setMaximumPoolSize(connections);
        config.setMinimumIdle(1); // the others when they are wanted: most tests need few, and each is a process
        config.setConnectionTimeout(START.toMillis());
        return new HikariDataSource(config);
    }

    /**
     * Starts a server of the caller's own, which the caller closes.
     *
     * @param durable whether a commit waits for the disk
     */
    static EmbeddedPostgres start(boolean durable) {
        var onOff = durable ? "on" : "off";
        try {
            return EmbeddedPostgres.builder()
                    .setPort(Ports.free())
                    .setServerConfig("max_connections", Integer.toString(CONNECTIONS))
                    .setServerConfig("fsync", onOff)
                    .setServerConfig("synchronous_commit", onOff)
                    .setServerConfig("full_page_writes", onOff)
                    .setPGStartupWait(START)
                    .start();
        } catch (IOException failed) {
            throw new UncheckedIOException("PostgreSQL could not be started.", failed);
        }
    }

    /** Gives a database of a server; {@code postgres} is always there. */
    static PGSimpleDataSource source(EmbeddedPostgres server, String database) {
        var source = new PGSimpleDataSource();
        source.setServerNames(new String[] {"localhost"});
        source.setPortNumbers(new int[] {server.getPort()});
        source.setDatabaseName(database);
        source.setUser("postgres");
        return source;
    }
}
