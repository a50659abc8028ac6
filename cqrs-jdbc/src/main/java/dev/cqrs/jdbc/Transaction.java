package dev.cqrs.jdbc;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.sql.SQLTransientException;
import javax.sql.DataSource;

/** Runs work on a connection of a data source in one transaction, and gives the connection back as it was. */
final class Transaction {

    /** SQL's code for it. */
    private static final String NO_CONNECTION = "08001";

    private Transaction() {}

    /** What is done on the connection; it neither commits nor closes it. */
    @FunctionalInterface
    interface Work<T, X extends Exception> {

        T on(Connection connection) throws SQLException, X;
    }

    /**
     * Commits if {@code work} returns, otherwise rolls back and throws on what it threw. A connection that is in the middle of
     * a transaction that has written is refused, and that transaction, which is somebody else's, left alone.
     *
     * <p>What fails in leaving the connection is not told: by then it is known what became of the transaction.
     */
    static <T, X extends Exception> T run(DataSource dataSource, Work<T, X> work) throws SQLException, X {
        var connection = connect(dataSource);
        try {
            boolean autoCommit = connection.getAutoCommit();
            if (autoCommit) {
                connection.setAutoCommit(false);
            } else {
                checkFree(connection);
            }
            boolean ended = false;
            try {
                T result = work.on(connection);
                connection.commit();
                ended = true;
                return result;
            } catch (Throwable thrown) {
                ended = rollback(connection, thrown);
                throw thrown;
            } finally {
                if (autoCommit && ended) { // otherwise this would commit what could not be rolled back
                    restore(connection);
                }
            }
        } finally {
            close(connection);
        }
    }

    /**
     * Runs a read. Where the connection does not commit by itself, one that somebody has begun and only read in is ended before
     * it, as under repeatable read it would see the log of that time; and the one that the read has begun after it, as whoever
     * gets the connection next would go on in it. One that has written is somebody else's, and left alone.
     */
    static <T> T read(DataSource dataSource, Work<T, SQLException> work) throws SQLException {
        var connection = connect(dataSource);
        try {
            if (connection.getAutoCommit()) {
                return work.on(connection);
            }
            boolean ours = !hasWritten(connection); // before, as it cannot be asked once a statement has failed
            if (ours) {
                connection.rollback();
            }
            T result;
            try {
                result = work.on(connection);
            } catch (Throwable thrown) {
                if (ours) {
                    rollback(connection, thrown);
                }
                throw thrown;
            }
            if (ours) {
                end(connection);
            }
            return result;
        } finally {
            close(connection);
        }
    }

    /**
     * Takes a connection. A pool that has none to give for now does not always say by a code that it is so; what has a code
     * is left as it is.
     */
    static Connection connect(DataSource dataSource) throws SQLException {
        try {
            return dataSource.getConnection();
        } catch (SQLException failed) {
            if (failed.getSQLState() != null || failed instanceof SQLTransientException) {
                throw failed;
            }
            throw new SQLTransientConnectionException(failed.getMessage(), NO_CONNECTION, failed);
        }
    }

    /** Ends what a read may have begun: under repeatable read it would go on seeing the database of that time. */
    static void checkFree(Connection connection) throws SQLException {
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
        } catch (Throwable unknown) { // nor is it known whose it is: whoever has it is to find out
            abort(connection);
            throw unknown;
        }
    }

    /** Says whether it is rolled back; if not, the connection is cut, and the server does it. */
    static boolean rollback(Connection connection, Throwable cause) {
        try {
            connection.rollback();
            return true;
        } catch (SQLException | RuntimeException broken) {
            if (broken != cause) { // a connection may fail with the same exception each time
                cause.addSuppressed(broken);
            }
            abort(connection);
            return false;
        }
    }

    /** After what was read is there: if the connection cannot be rolled back, nobody is to have it any more. */
    private static void end(Connection connection) {
        try {
            connection.rollback();
        } catch (SQLException | RuntimeException broken) {
            abort(connection);
        }
    }

    private static void abort(Connection connection) {
        try {
            connection.abort(Runnable::run);
        } catch (SQLException | RuntimeException | AbstractMethodError ignored) { // dead already, or not offered
        }
    }

    private static void restore(Connection connection) {
        try {
            connection.setAutoCommit(true);
        } catch (SQLException | RuntimeException ignored) { // whoever gets a broken connection finds out
        }
    }

    private static void close(Connection connection) {
        try {
            connection.close();
        } catch (SQLException | RuntimeException ignored) { // as above
        }
    }
}
