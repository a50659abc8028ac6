package dev.cqrs.examples.bank;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.jdbc.DatabaseException;
import dev.cqrs.jdbc.JdbcEventStore;
import dev.cqrs.jdbc.JdbcSchema;
import dev.cqrs.jdbc.SchemaMismatchException;
import dev.cqrs.runtime.ProjectionStoppedException;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Clock;
import java.util.function.Consumer;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/**
 * The log on which the program runs: in memory, or on PostgreSQL, where it stays and other processes may share it.
 *
 * <p><b>Threads:</b> immutable.
 */
final class BankLog implements AutoCloseable {

    /** With what the names of its tables begin. */
    static final String PREFIX = "bank";

    /** Kept, since a logger that nobody holds forgets its level. */
    private static final Logger DRIVER = Logger.getLogger("org.postgresql");

    private final EventStore store;
    private final boolean staysBehind;
    private final Runnable closing;

    private BankLog(EventStore store, boolean staysBehind, Runnable closing) {
        this.store = store;
        this.staysBehind = staysBehind;
        this.closing = closing;
    }

    /** A new log, whose time is that of {@code clock}. */
    static BankLog inMemory(Clock clock) {
        return new BankLog(new InMemoryEventStore(Bank.CATALOG, clock), false, () -> {});
    }

    /**
     * The log in a database, with its tables made if they are not there: whoever names a database has asked for them.
     *
     * @param url with user and password in it
     * @param clock the time of what is appended
     * @param notes is told, a line each, that tables were made and that there are events already
     * @throws UnusableLogException if the database cannot be reached or refuses, or its tables are of a newer version
     */
    static BankLog onPostgres(String url, Clock clock, Consumer<String> notes) throws UnusableLogException {
        var database = connect(url);
        try {
            var schema = JdbcSchema.of(PREFIX);
            if (!schema.isCurrent(database)) {
                schema.apply(database);
                notes.accept("applied the " + schema);
            }
            var store = JdbcEventStore.builder(database, Bank.CATALOG, clock)
                    .prefix(PREFIX)
                    .build();
            var head = store.head();
            if (head.isAfter(Position.START)) {
                notes.accept("the log has " + head + " events; going on behind them");
            }
            return new BankLog(store, true, database::close);
        } catch (DatabaseException | SchemaMismatchException unusable) {
            database.close();
            throw new UnusableLogException(unusable);
        }
    }

    private static HikariDataSource connect(String url) throws UnusableLogException {
        DRIVER.setLevel(Level.OFF); // what it warns of comes as an exception too
        try {
            DriverManager.getDriver(url);
        } catch (SQLException none) { // the URL is not shown, as there may be a password in it
            throw new UnusableLogException(
                    "the URL means nothing to the driver; expected one such as"
                            + " jdbc:postgresql://localhost:5432/bank?user=me",
                    none);
        }
        var config = new HikariConfig();
        config.setJdbcUrl(url);
        config.setMaximumPoolSize(1); // for one thread
        try {
            return new HikariDataSource(config);
        } catch (RuntimeException failed) { // the pool's; the driver's own words are its cause
            var reason = failed.getCause() == null ? failed : failed.getCause();
            throw new UnusableLogException("the database cannot be used: " + reason.getMessage(), failed);
        }
    }

    /** Says whether the database, or somebody else who writes to the log, has made a run fail. */
    static boolean isToBlameFor(@Nullable Throwable failure) {
        return failure instanceof DatabaseException
                || failure instanceof AppendOutcomeUnknownException
                || failure instanceof CommandIdReusedException
                || (failure instanceof ProjectionStoppedException && isToBlameFor(failure.getCause()));
    }

    /**
     * The bank, to be told what to do. On a log that stays behind, a command whose id is there is not carried out
     * again; a log that ends with its run meets each row once.
     */
    InMemoryCqrs openForCommands() {
        var commands = Bank.commands(store);
        return staysBehind ? commands.idempotent().build() : commands.build();
    }

    /** The log itself. */
    EventStore store() {
        return store;
    }

    @Override
    public void close() {
        closing.run();
    }
}
