package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * Tells of the appends of others: one task that listens, on a connection of its own, to what the database tells at each
 * commit, and looks at the log's head from time to time in case a message was lost.
 *
 * <p><b>Threads:</b> the task is run by one thread; {@link #close} may be called by any.
 */
final class Follower {

    /*
     * The lock guards `closed`, `cut` and `connection`, so that close() either finds the connection and cuts it, which ends the
     * wait for messages, or comes before it is taken, and the task sees that it is closed.
     */

    /** So long the database may take for an answer. */
    private static final int ANSWER_MILLIS = 5_000;

    private static final int AS_IT_WAS = -1;

    private final DataSource dataSource;
    private final String prefix;
    private final Pages pages;
    private final Settings settings;
    private final Consumer<Position> grown;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition ended = lock.newCondition();
    private @Nullable Connection connection;
    private boolean cut;
    private boolean closed;
    private Position told = Position.START;

    /** What the user has said about it. */
    record Settings(Executor executor, Duration poll, Consumer<? super Throwable> listener) {

        /** Some weeks: what the driver can wait for. */
        private static final Duration LONGEST = Duration.ofMillis(Integer.MAX_VALUE);

        Settings {
            Objects.requireNonNull(executor, "executor");
            Objects.requireNonNull(listener, "listener");
            if (poll.isNegative() || poll.isZero()) {
                throw new IllegalArgumentException("The time between two looks is " + poll + "; expected more than 0.");
            }
            poll = poll.compareTo(LONGEST) < 0 ? poll : LONGEST;
        }

        int pollMillis() {
            return (int) Math.max(1, poll.toMillis());
        }
    }

    Follower(DataSource dataSource, String prefix, Pages pages, Settings settings, Consumer<Position> grown) {
        this.dataSource = dataSource;
        this.prefix = prefix;
        this.pages = pages;
        this.settings = settings;
        this.grown = grown;
    }

    void start() {
        settings.executor().execute(this::run);
    }

    private void run() {
        while (!isClosed()) {
            try (var own = dataSource.getConnection()) {
                boolean autoCommit = own.getAutoCommit();
                int timeout = boundAnswers(own);
                boolean listened = false;
                try {
                    if (keep(own)) {
                        if (!autoCommit) {
                            Transaction.checkFree(own); // or what somebody has written would be committed
                        }
                        listened = true;
                        own.setAutoCommit(true);
                        listen(own);
                    }
                } finally {
                    keep(null); // before it goes back to the pool, and to somebody else
                    restore(own, listened, autoCommit, timeout);
                }
            } catch (Throwable failed) {
                if (!isClosed()) {
                    tell(failed);
                    pause();
                }
            }
            if (Thread.currentThread().isInterrupted()) {
                if (!isClosed()) {
                    tell(new InterruptedException(
                            "The thread that follows the log was interrupted, by its executor or by"
                                    + " a signal's subscriber, and has ended: appends of others are no longer told."));
                }
                return; // the executor wants its thread back
            }
        }
    }

    private void listen(Connection own) throws SQLException {
        var messages = messages(own);
        if (messages != null) {
            execute(own, "listen \"" + prefix + "\""); // which may be a word of SQL
        }
        while (!isClosed() && !Thread.currentThread().isInterrupted()) {
            var head = pages.head(own);
            if (!head.equals(told)) { // after a fail-over it may be an earlier one
                told = head;
                grown.accept(head);
            }
            if (messages == null) {
                pause();
            } else {
                messages.getNotifications(settings.pollMillis());
            }
        }
    }

    /**
     * Has the connection fail where the database does not answer in time: one whose other end has vanished without a word
     * would otherwise keep the look waiting that is to find what was not told. The wait for messages has a limit of its
     * own, and so is not meant.
     *
     * @return what the limit was; {@link #AS_IT_WAS} if the driver sets none, or the one there is is as strict
     */
    private static int boundAnswers(Connection own) throws SQLException {
        try {
            int before = own.getNetworkTimeout();
            if (before > 0 && before <= ANSWER_MILLIS) {
                return AS_IT_WAS;
            }
            own.setNetworkTimeout(Runnable::run, ANSWER_MILLIS);
            return before;
        } catch (SQLFeatureNotSupportedException | UnsupportedOperationException | AbstractMethodError notOffered) {
            return AS_IT_WAS;
        }
    }

    private void restore(Connection own, boolean listened, boolean autoCommit, int timeout) {
        try {
            if (!isCut()) { // also one that was taken while the store was closed is somebody else's next
                if (listened) {
                    own.setAutoCommit(true); // or that would begin a transaction, which went with it
                    execute(own, "unlisten \"" + prefix + "\"");
                    own.setAutoCommit(autoCommit);
                }
                if (timeout != AS_IT_WAS) {
                    own.setNetworkTimeout(Runnable::run, timeout);
                }
            }
        } catch (SQLException | RuntimeException ignored) { // a dead connection, which has nothing to be restored
        }
    }

    private static void execute(Connection own, String sql) throws SQLException {
        try (var statement = own.createStatement()) {
            statement.execute(sql);
        }
    }

    /** {@code null} if the driver is another one: then there is the poll alone. */
    private static @Nullable PGConnection messages(Connection own) throws SQLException {
        try {
            return own.isWrapperFor(PGConnection.class) ? own.unwrap(PGConnection.class) : null;
        } catch (LinkageError otherDriver) {
            return null;
        }
    }

    private void tell(Throwable failed) {
        Listeners.tell(settings.listener(), failed, failed);
    }

    private void pause() {
        lock.lock();
        try {
            long nanos = settings.poll().toNanos();
            while (!closed && nanos > 0) {
                nanos = ended.awaitNanos(nanos);
            }
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    private boolean keep(@Nullable Connection own) {
        lock.lock();
        try {
            connection = closed ? null : own;
            return !closed;
        } finally {
            lock.unlock();
        }
    }

    private boolean isCut() {
        lock.lock();
        try {
            return cut;
        } finally {
            lock.unlock();
        }
    }

    private boolean isClosed() {
        lock.lock();
        try {
            return closed;
        } finally {
            lock.unlock();
        }
    }

    void close() {
        lock.lock();
        try {
            closed = true;
            ended.signalAll();
            if (connection != null) {
                connection.abort(Runnable::run);
                cut = true;
            }
        } catch (SQLException
                | RuntimeException
                | AbstractMethodError ignored) { // dead already, or found out by the poll
        } finally {
            lock.unlock();
        }
    }
}
