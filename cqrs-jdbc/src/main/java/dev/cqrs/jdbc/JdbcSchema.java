package dev.cqrs.jdbc;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.sql.DataSource;

/**
 * The tables and functions in which the stores keep what they keep, as versioned SQL.
 *
 * <p>Nothing is ever applied unasked. {@link #apply} brings a database up to date; whoever has a tool for that gives it
 * what {@link #sql()} prints. All names begin with a prefix, so that several logs live in one database; they are in the
 * schema that comes first in the {@code search_path} of the connections.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class JdbcSchema {

    /** The prefix unless another is given. */
    public static final String DEFAULT_PREFIX = "cqrs";

    private static final Pattern PREFIX = Pattern.compile("[a-z][a-z0-9_]{0,20}");

    /** The first is version 1. A file that was released is never changed. */
    private static final List<String> FILES = List.of("V1__log.sql", "V2__projections.sql");

    /** SQL's codes for a table, and for a column, that is not there. */
    private static final Set<String> MISSING = Set.of("42P01", "42703");

    private final String prefix;

    private JdbcSchema(String prefix) {
        this.prefix = prefix;
    }

    /**
     * The schema with the prefix {@value #DEFAULT_PREFIX}.
     *
     * @return never {@code null}
     */
    public static JdbcSchema of() {
        return of(DEFAULT_PREFIX);
    }

    /**
     * The schema with a prefix of one's own.
     *
     * @param prefix a small letter, then at most 20 small letters, digits and underscores
     * @return never {@code null}
     * @throws IllegalArgumentException if the prefix is anything else
     */
    public static JdbcSchema of(String prefix) {
        if (!PREFIX.matcher(Objects.requireNonNull(prefix, "prefix")).matches()) {
            throw new IllegalArgumentException("The prefix is \"" + prefix + "\"; expected " + PREFIX.pattern()
                    + ", as it becomes part of the names of tables.");
        }
        return new JdbcSchema(prefix);
    }

    /**
     * Gives the prefix.
     *
     * @return never {@code null}
     */
    public String prefix() {
        return prefix;
    }

    /**
     * Gives the version that this library needs.
     *
     * @return 1 or more
     */
    public int version() {
        return FILES.size();
    }

    /**
     * Gives the SQL of all versions, the first one first, for a database that has none.
     *
     * @return statements for PostgreSQL 14 or later
     */
    public String sql() {
        return IntStream.rangeClosed(1, version()).mapToObj(this::sql).collect(Collectors.joining("\n"));
    }

    /**
     * Gives the SQL that leads from the version before to {@code version}.
     *
     * @param version from 1 to {@link #version()}
     * @return statements for PostgreSQL 14 or later
     * @throws IndexOutOfBoundsException if there is no such version
     */
    public String sql(int version) {
        var file = FILES.get(version - 1);
        try (var in = JdbcSchema.class.getResourceAsStream(file)) {
            return new String(Objects.requireNonNull(in, file).readAllBytes(), UTF_8).replace("${prefix}", prefix);
        } catch (IOException cannot) {
            throw new UncheckedIOException("The file " + file + " of this library cannot be read.", cannot);
        }
    }

    /**
     * Brings a database up to date: all versions that are missing, or none, in one transaction. Several processes may do
     * so at once; all but the first wait, and find it done.
     *
     * @param dataSource with the right to create tables and functions
     * @throws SchemaMismatchException if the database has a newer version
     * @throws DatabaseException if the database refuses, and nothing was changed; or if the connection was lost when all
     *     but the answer had come, which the message says: apply it again
     */
    public void apply(DataSource dataSource) {
        try {
            Transaction.run(dataSource, connection -> {
                applyMissing(connection);
                return true;
            });
        } catch (SQLException failed) {
            throw DatabaseException.ofRepeatable("Applying the schema \"" + prefix + "\"", failed);
        }
    }

    private void applyMissing(Connection connection) throws SQLException {
        try (var statement = connection.createStatement()) {
            // so that what is looked at behind the lock is younger than the lock
            statement.execute("set transaction isolation level read committed");
        }
        try (var lock = connection.prepareStatement("select pg_advisory_xact_lock(hashtextextended(?, 0))")) {
            lock.setString(1, "dev.cqrs schema " + prefix);
            lock.execute();
        }
        int actual = version(connection);
        if (actual > version()) {
            throw new SchemaMismatchException(prefix, version(), actual);
        }
        try (var statement = connection.createStatement()) {
            for (int missing = actual + 1; missing <= version(); missing++) {
                statement.execute(sql(missing));
            }
        }
    }

    /**
     * Says whether a database has the version that this library needs.
     *
     * @param dataSource where to look
     * @return {@code false} if there is none, an older or a newer one
     * @throws DatabaseException if the database cannot be asked
     */
    public boolean isCurrent(DataSource dataSource) {
        return version(dataSource) == version();
    }

    /**
     * Makes sure that a database has the version that this library needs.
     *
     * @param dataSource where to look
     * @throws SchemaMismatchException if there is none, an older or a newer one
     * @throws DatabaseException if the database cannot be asked
     */
    public void check(DataSource dataSource) {
        int actual = version(dataSource);
        if (actual != version()) {
            throw new SchemaMismatchException(prefix, version(), actual);
        }
    }

    /** As {@link #check}, where a statement has failed for want of a table or a column; once its connection is given back. */
    void checkAfter(SQLException failed, DataSource dataSource) {
        if (MISSING.contains(String.valueOf(failed.getSQLState()))) {
            try {
                check(dataSource);
            } catch (DatabaseException unknown) { // which is not what the caller has to be told of
                failed.addSuppressed(unknown);
            }
        }
    }

    private int version(DataSource dataSource) {
        try {
            return Transaction.read(dataSource, this::version);
        } catch (SQLException failed) {
            throw DatabaseException.ofRead("Asking for the version of the schema \"" + prefix + "\"", failed);
        }
    }

    private int version(Connection connection) throws SQLException {
        try (var exists = connection.prepareStatement(
                "select to_regclass(quote_ident(current_schema()) || '.' || ?) is not null")) {
            exists.setString(1, prefix + "_schema");
            try (var row = exists.executeQuery()) {
                row.next();
                if (!row.getBoolean(1)) {
                    return 0;
                }
            }
        }
        try (var statement = connection.createStatement();
                var row = statement.executeQuery("select coalesce(max(version), 0) from " + prefix + "_schema")) {
            row.next();
            return row.getInt(1);
        }
    }

    @Override
    public String toString() {
        return "schema \"" + prefix + "\", version " + version();
    }
}
