package dev.cqrs.jdbc;

import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;

/** Runs work on a connection of a data source in one transaction, and gives the connection back as it was. */
final class Transaction {

    private Transaction() {}

    /** What is done on the connection; it neither commits nor closes it. */
    @FunctionalInterface
    interface Work<T, X extends Exception> {

        T on(Connection connection) throws SQLException, X;
    }

    /**
     * Commits if {@code work} returns, otherwise rolls back and throws on what it threw. A connection that is in the middle of
     * a transaction that has written is refused, and that transaction, which is somebody else's, left alone.
     */
    static <T, X extends Exception> T run(DataSource dataSource, Work<T, X> work) throws SQLException, X {
        try (var connection = dataSource.getConnection()) {
            boolean autoCommit = connection.getAutoCommit();
            if (autoCommit) {
                connection.setAutoCommit(false);
            } else {
                checkFree(connection);
            }
            try {
                T result = work.on(connection);
                connection.commit();
                return result;
            } catch (Throwable thrown) {
                rollback(connection, thrown);
                throw thrown;
            } finally {
                if (autoCommit) {
                    restore(connection);
                }
            }
        }
    }

    /**
     * Runs a read. Where the connection does not commit by itself, the transaction that the read has begun is ended, as
     * whoever gets the connection next would go on in it; one that has written is somebody else's, and left alone.
     */
    static <T> T read(DataSource dataSource, Work<T, SQLException> work) throws SQLException {
        try (var connection = dataSource.getConnection()) {
            if (connection.getAutoCommit()) {
                return work.on(connection);
            }
            T result;
            try {
                result = work.on(connection);
            } catch (Throwable thrown) {
                rollback(connection, thrown);
                throw thrown;
            }
            if (!hasWritten(connection)) {
                connection.rollback();
            }
            return result;
        }
    }

    /** Ends what a read may have begun: under repeatable read it would go on seeing the database of that time. */
    private static void checkFree(Connection connection) throws SQLException {
        if (hasWritten(connection)) {
            throw new SQLException(
                    "The connection is in the middle of a transaction that has written; expected one that the data source"
                            + " gives for this alone. Give a data source that takes no part in the application's"
                            + " transactions.",
                    "25001");
        }
        connection.rollback();
    }

    private static boolean hasWritten(Connection connection) throws SQLException {
        try (var statement = connection.createStatement();
                var row = statement.executeQuery("select pg_current_xact_id_if_assigned() is not null")) {
            row.next();
            return row.getBoolean(1);
        }
    }

    private static void rollback(Connection connection, Throwable cause) {
        try {
            connection.rollback();
        } catch (SQLException broken) { // then the server rolls back by itself
            cause.addSuppressed(broken);
        }
    }

    private static void restore(Connection connection) {
        try {
            connection.setAutoCommit(true);
        } catch (SQLException broken) {
            // The outcome is known by now, and whoever gets a broken connection finds out.
        }
    }
}
