package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.jdbc.JdbcLease.Guarded;
import dev.cqrs.message.CqrsException;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLRecoverableException;
import java.sql.SQLTransientException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a view in tables of the application, exactly once: what a handler writes for an event and how far the view has come
 * are committed in one transaction.
 *
 * <p>It follows any {@link EventStore}; the view, its progress and its lease are in the database of a data source. Of all
 * processes that run a projection of this name one works at a time, the others stand by ({@link JdbcLease}).
 *
 * <p><b>Order:</b> every matching event once, in the order of the log, a batch a transaction. A transaction that fails is
 * rolled back whole. A batch ends early, between two positions, once a third of the lease has passed, or of
 * {@code idle_in_transaction_session_timeout} if that is stricter. What was tried in vain is tried again in batches that begin
 * with one position and grow. So a handler that says nothing to its connection comes on if all events of one position take
 * less than that time, however many wait.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: a task on the caller's executor works, and rests until an append of the store
 * wakes it, or a third of the lease has passed. Where another process works it tries to take over each second.
 *
 * <p><b>Errors:</b> a handler that throws stops the projection; so does a view that is ahead of the log, which is another
 * one or was restored, and a database without the schema ({@link SchemaMismatchException}). The listener is told, and the
 * lease given up. A database that cannot be reached, or that asks for a retry, is tried again each second, and the listener told each time: where a pool has no connection to give, for SQLState
 * classes 08, 40, 53, 57 and 58, for limits of time (25P03, 25P04, 55P03), and for a server that only reads (25006), as
 * one in the middle of a fail-over does.
 */
public final class JdbcProjector implements AutoCloseable {

    /** How many events a transaction holds at most, apart from those that share the last position. */
    public static final int BATCH = 500;

    /** How long a process that died is waited for. */
    public static final Duration LEASE = Duration.ofSeconds(30);

    private static final Duration LOOK = Duration.ofMillis(20);

    /** SQL's code for a statement in a transaction in which an earlier one has failed. */
    private static final String ABORTED = "25P02";

    private final EventStore store;
    private final DataSource dataSource;
    private final String prefix;
    private final Projection projection;
    private final Statements sql;
    private final int batch;
    private final LongSupplier nanoTime;
    private final JdbcLease lease;
    private final Consumer<? super Failure> listener;
    private final Loop loop;
    private final EventStore.Subscription subscription;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition moved = lock.newCondition();

    // written by the loop, with the lock held
    private volatile State state = State.STANDBY;
    private volatile Position position = Position.START;
    private volatile @Nullable Failure failure;

    /**
     * Writes the view.
     *
     * <p><b>Threads:</b> called by one thread at a time.
     */
    @FunctionalInterface
    public interface Handler {

        /**
         * Takes an event into the view.
         *
         * @param connection in the transaction that also keeps the progress; not to be committed, rolled back (except to a
         *     savepoint) or closed, nor its modes changed: a handler that does stops the projection
         * @param event matches the projection's query
         * @throws Exception to roll the batch back and stop the projection, unless it is one that the database asks to retry
         */
        void apply(Connection connection, RecordedEvent event) throws Exception;

        /**
         * Empties the view, because it is filled anew from the beginning of the log: the projection has a later version
         * than the one that filled it.
         *
         * @param connection as for {@link #apply}
         * @throws Exception to leave the view as it was, and stop the projection; without an implementation that is what
         *     happens
         */
        default void reset(Connection connection) throws Exception {
            throw new IllegalStateException(
                    "The view must be filled anew, and its handler does not say how it is emptied;"
                            + " nothing was changed. Implement Handler.reset.");
        }
    }

    /** Whether a projector works. */
    public enum State {
        /** It waits for the lease, or for the database. */
        STANDBY,
        /** It has the lease and follows the log. */
        RUNNING,
        /** It failed. */
        STOPPED,
        /** It was closed. */
        CLOSED
    }

    /**
     * What went wrong.
     *
     * @param projection its name
     * @param position the event whose handling failed, or was found to have failed before; or, if the failure was not in a
     *     handler, the last one in the view
     * @param cause what was thrown
     * @param retried whether it is tried again; otherwise the projection has stopped
     */
    public record Failure(String projection, Position position, Throwable cause, boolean retried) {

        /**
         * Checks for nulls.
         *
         * @param projection its name
         * @param position the event whose handling failed, or was found to have failed before; or, if the failure was not
         *     in a handler, the last one in the view
         * @param cause what was thrown
         * @param retried whether it is tried again; otherwise the projection has stopped
         * @throws NullPointerException if a part is {@code null}
         */
        public Failure {
            Objects.requireNonNull(projection, "projection");
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(cause, "cause");
        }
    }

    /**
     * How a projector stands, at one moment.
     *
     * @param name the projection's name
     * @param version the projection's version
     * @param state whether it works
     * @param position the last position of the log that the view takes into account, as far as is known here
     * @param failure why it stopped, or what is being tried again, if there is such
     */
    public record Status(String name, int version, State state, Position position, Optional<Failure> failure) {

        /**
         * Checks for nulls.
         *
         * @param name the projection's name
         * @param version the projection's version
         * @param state whether it works
         * @param position the last position of the log that the view takes into account, as far as is known here
         * @param failure why it stopped, or what is being tried again, if there is such
         * @throws NullPointerException if a part is {@code null}
         */
        public Status {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(state, "state");
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(failure, "failure");
        }
    }

    /**
     * A view was waited for and has not come up to a position: not in time, or because its projector has stopped.
     *
     * <p><b>Threads:</b> immutable.
     */
    public static final class LateException extends CqrsException {

        private static final long serialVersionUID = 1L;

        private final transient Status status;

        private LateException(Position wanted, Duration timeout, Status status) {
            super("Projection \"" + status.name() + "\" is at position " + status.position() + " and "
                    + status.state() + "; expected position " + wanted + " within " + timeout + ". "
                    + status.failure()
                            .map(why -> explained(status, why))
                            .orElse("Wait longer, or look whether its process works."));
            this.status = status;
            status.failure().ifPresent(why -> initCause(why.cause()));
        }

        private static String explained(Status status, Failure why) {
            if (why.retried()) {
                return "Being tried again: " + why.cause();
            }
            return status.state() == State.STANDBY // it has not come to its own end yet, but will
                    ? String.valueOf(why.cause().getMessage())
                    : "It stopped at position " + why.position() + ": " + why.cause()
                            + ". Mend the cause and start it again.";
        }

        /**
         * Gives how the projector stood.
         *
         * @return never {@code null}, except in an exception that was serialised and read again
         */
        public Status status() {
            return status;
        }
    }

    private record Projection(String name, int version, EventQuery query, Handler handler) {}

    /** The texts, with the prefix put in. */
    private record Statements(String load, String save, String move) {

        static Statements of(String prefix) {
            var table = prefix + "_projection";
            return new Statements(
                    "select version, position from " + table + " where name = ?",
                    "insert into " + table + " (name, version, position) values (?, ?, 0)"
                            + " on conflict (name) do update set version = excluded.version, position = 0",
                    "update " + table + " set position = ? where name = ? and version = ? and position = ?"
                            + " and pg_current_xact_id()::text = ?");
        }
    }

    /** A handler threw, or what it did was found to have failed, at this position. */
    private static final class HandlerThrew extends RuntimeException {

        private static final long serialVersionUID = 1L;

        private final transient Position at;
        private final Throwable thrown;

        HandlerThrew(Position at, Throwable thrown) {
            super(thrown);
            this.at = at;
            this.thrown = thrown;
        }
    }

    private JdbcProjector(Builder builder, Projection projection, JdbcLease lease, Consumer<? super Failure> listener) {
        this.store = builder.store;
        this.dataSource = builder.dataSource;
        this.projection = projection;
        this.prefix = builder.prefix;
        this.sql = Statements.of(prefix);
        this.batch = builder.batch;
        this.nanoTime = builder.nanoTime;
        this.lease = lease;
        this.listener = listener;
        this.loop = new Loop(new Work());
        this.subscription = store.onAppend(last -> loop.wake());
    }

    /**
     * Begins a projector.
     *
     * @param store the log to follow; stays open. If it is a {@link JdbcEventStore}, progress and lease are under its prefix
     * @param dataSource where the view is, and a schema of this library; stays open
     * @return a builder
     */
    public static Builder builder(EventStore store, DataSource dataSource) {
        return new Builder(Objects.requireNonNull(store, "store"), Objects.requireNonNull(dataSource, "dataSource"));
    }

    /**
     * Tells how the projector stands; the database is not asked.
     *
     * @return a value; later changes do not reach it
     */
    public Status status() {
        lock.lock();
        try {
            return new Status(projection.name(), projection.version(), state, position, Optional.ofNullable(failure));
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits until the view takes a position into account, whichever process works on it: woken by the work here, by looking
     * at the database while this one stands by. Who does not work on the view takes the database's word alone: another
     * version may have begun it anew meanwhile.
     *
     * @param wanted the position, such as that of an {@link dev.cqrs.eventstore.Appended}
     * @param timeout how long to wait at most, not counting the time of looking at the database; zero to ask only
     * @throws LateException if the view has not come so far in time, or the projector has stopped or was closed, or a later
     *     version has taken the view over
     * @throws InterruptedException if the thread was interrupted while it waited
     * @throws SchemaMismatchException if the database lacks the schema, or has another version of it
     * @throws DatabaseException if the database cannot be asked
     */
    public void awaitApplied(Position wanted, Duration timeout) throws InterruptedException {
        long left = nanos(timeout);
        if (state == State.RUNNING && !wanted.isAfter(position)) {
            return; // without the lock that the worker needs, and also for a thread that is interrupted
        }
        while (true) {
            boolean elsewhere = isElsewhere(wanted);
            if (elsewhere) {
                lookAtDatabase(wanted, timeout);
            }
            lock.lockInterruptibly();
            try {
                if (!elsewhere && isElsewhere(wanted)) {
                    continue; // only since: what was known here is to be asked for first
                }
                if (!wanted.isAfter(position)) {
                    return;
                }
                if (left <= 0 || state == State.STOPPED || state == State.CLOSED) {
                    throw new LateException(wanted, timeout, status());
                }
                long nap = elsewhere ? Math.min(left, LOOK.toNanos()) : left;
                left -= nap - moved.awaitNanos(nap);
            } finally {
                lock.unlock();
            }
        }
    }

    /** Whether the database has to be asked; not for one that has stopped or was closed where that can only be too late. */
    private boolean isElsewhere(Position wanted) {
        return state == State.STANDBY || (state != State.RUNNING && !wanted.isAfter(position));
    }

    private void lookAtDatabase(Position wanted, Duration timeout) {
        try {
            var found = Transaction.read(dataSource, this::progress);
            int version = found.map(Progress::version).orElse(projection.version());
            lock.lock();
            try {
                if (state != State.RUNNING) { // what another version has come to says nothing of this one's view
                    position = found.filter(its -> its.version() == projection.version())
                            .map(Progress::position)
                            .orElse(Position.START);
                }
                if (version > projection.version()) {
                    var why = new Failure(projection.name(), position, takenOver(version), false);
                    throw new LateException(
                            wanted,
                            timeout,
                            new Status(projection.name(), projection.version(), state, position, Optional.of(why)));
                }
            } finally {
                lock.unlock();
            }
        } catch (SQLException failed) {
            JdbcSchema.of(prefix).checkAfter(failed, dataSource);
            throw DatabaseException.ofRead("Reading the progress of projection \"" + projection.name() + "\"", failed);
        }
    }

    /**
     * Ends the work when the batch in hand is committed, and gives the lease up; a second call does nothing. The store, the
     * data source and the executor stay open.
     *
     * <p>An interrupted thread does not wait for the batch.
     *
     * @throws IllegalStateException if called by the handler or the listener
     */
    @Override
    public void close() {
        loop.close("Projector \"" + projection.name() + "\"");
        closed();
        subscription.close();
    }

    /** What is tried again no more is no failure of one that was closed. */
    private void closed() {
        lock.lock();
        try {
            if (state != State.STOPPED) {
                move(State.CLOSED, position, null);
            }
        } finally {
            lock.unlock();
        }
    }

    private IllegalStateException takenOver(int version) {
        return new IllegalStateException("Projection \"" + projection.name() + "\" is at version " + version
                + " in the database, and this process has version " + projection.version()
                + "; expected the same or an earlier one there. A newer application has taken it over; end this one.");
    }

    private record Progress(int version, Position position) {}

    private Optional<Progress> progress(Connection connection) throws SQLException {
        try (var load = connection.prepareStatement(sql.load())) {
            load.setString(1, projection.name());
            try (var row = load.executeQuery()) {
                return row.next()
                        ? Optional.of(new Progress(row.getInt(1), Position.of(row.getLong(2))))
                        : Optional.empty();
            }
        }
    }

    private void move(State to, Position reached, @Nullable Failure why) {
        lock.lock();
        try {
            state = to;
            position = reached;
            failure = why;
            moved.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** The loop's side: one thread. */
    private final class Work implements Loop.Body {

        /** The ownership in which the position was read. */
        private OptionalLong fence = OptionalLong.empty();

        /** How many events the next batch takes: few after a failure, lest all of them are done again and again. */
        private int most = batch;

        /** How often it was woken for nothing: no batch has renewed the lease, and no rest was so long that its end would. */
        private int idle;

        @Override
        public Loop.Rest step(boolean woken) {
            try {
                if ((state == State.RUNNING && woken && idle < 2) || acquired()) {
                    var before = position;
                    followLog();
                    idle = position.equals(before) ? idle + 1 : 0;
                    // a lease lasts three beats from the beginning of a batch: the third look since renews it
                    return new Loop.Rest(lease.beat().dividedBy(idle == 0 ? 1 : 2), true);
                }
                return lease.standby();
            } catch (LeaseLostException lost) { // paused for too long: somebody else goes on
                move(State.STANDBY, position, null);
                return new Loop.Rest(Duration.ZERO, true);
            } catch (Throwable thrown) {
                var cause = thrown instanceof HandlerThrew threw ? threw.thrown : thrown;
                var at = thrown instanceof HandlerThrew threw ? threw.at : position;
                boolean retried = isPassing(cause);
                most = 1;
                var why = new Failure(projection.name(), at, cause, retried);
                move(retried ? State.STANDBY : State.STOPPED, position, why);
                if (!retried) {
                    loop.stop();
                }
                if (cause instanceof InterruptedException) {
                    Thread.currentThread().interrupt();
                }
                tell(why);
                return lease.standby();
            }
        }

        /** Takes or renews the lease; a new owner looks where the view is. */
        private boolean acquired() throws SQLException {
            idle = 0;
            if (!lease.acquire()) {
                move(State.STANDBY, position, null);
                return false;
            }
            var mine = lease.fence();
            if (state != State.RUNNING || !mine.equals(fence)) { // the same fence: nobody else has written meanwhile
                var head = store.head(); // before the transaction, whose connection may be the only one
                move(State.RUNNING, Transaction.run(dataSource, connection -> begun(connection, head)), null);
                fence = mine;
            }
            return true;
        }

        private Position begun(Connection connection, Position head) throws SQLException {
            var transaction = lease.guardedTransaction(connection).number();
            var found = progress(connection);
            int version = found.map(Progress::version).orElse(projection.version());
            if (version > projection.version()) {
                throw takenOver(version);
            }
            if (found.isPresent()) {
                if (version == projection.version()) {
                    return notAhead(found.get().position(), head);
                }
                try {
                    projection.handler().reset(connection);
                } catch (Throwable thrown) {
                    throw new HandlerThrew(Position.START, thrown);
                }
                checkSame(transaction, connection);
            }
            try (var save = connection.prepareStatement(sql.save())) {
                save.setString(1, projection.name());
                save.setInt(2, projection.version());
                save.executeUpdate();
            }
            return Position.START;
        }

        /** A view is not emptied unasked: the log may be the wrong one. */
        private Position notAhead(Position reached, Position head) {
            if (reached.isAfter(head)) {
                throw new IllegalStateException("The view of projection \"" + projection.name()
                        + "\" takes into account position " + reached + ", and the log ends at " + head
                        + "; expected a log that is as long. Nothing was changed. If this is another log, give the"
                        + " projector its own; if the log was restored from an earlier state, raise the projection's"
                        + " version, so that the view is filled anew.");
            }
            return reached;
        }

        /** Up to the head of the moment; whoever appends meanwhile wakes the loop again. */
        private void followLog() throws SQLException {
            try (var events =
                    store.read(projection.query(), ReadOptions.forwards().after(position))) {
                notAhead(position, events.head());
                boolean more = events.advance();
                var some = new ArrayList<RecordedEvent>();
                while (!loop.isClosing() && events.head().isAfter(position)) {
                    // The batch is read before its transaction begins: a pool of one connection is enough for both.
                    var last = some.isEmpty()
                            ? position
                            : some.get(some.size() - 1).position();
                    while (more && (some.size() < most || events.position().equals(last))) {
                        some.add(events.recorded());
                        last = events.position();
                        more = events.advance();
                    }
                    int taken = apply(some, more ? last : events.head());
                    some.subList(0, taken).clear();
                    most = (int) Math.min(batch, 2L * most);
                }
            }
        }

        /** Says how many of them were taken; the first at least, with all at its position. */
        private int apply(List<RecordedEvent> events, Position reached) throws SQLException {
            var before = position;
            int taken = Transaction.run(dataSource, connection -> {
                long began = nanoTime.getAsLong();
                var transaction = lease.guardedTransaction(connection);
                int count = 0;
                for (; count < events.size() && !endsEarly(events, count, transaction, began); count++) {
                    var event = events.get(count);
                    try {
                        projection.handler().apply(connection, event);
                    } catch (Throwable thrown) {
                        throw new HandlerThrew(event.position(), explained(thrown, transaction, began));
                    }
                }
                try {
                    saved(transaction.number(), connection, before, upTo(events, count, reached));
                } catch (SQLException failed) {
                    var why = explained(failed, transaction, began);
                    if (why == failed || count == 0) {
                        throw failed;
                    }
                    throw new HandlerThrew(events.get(count - 1).position(), why); // or one before it
                }
                return count;
            });
            move(State.RUNNING, upTo(events, taken, reached), null);
            return taken;
        }

        private Position upTo(List<RecordedEvent> events, int count, Position reached) {
            return count == events.size() ? reached : events.get(count - 1).position();
        }

        /** As a handler may say nothing to its connection, and the server ends a transaction that is silent for too long. */
        private boolean endsEarly(List<RecordedEvent> events, int next, Guarded transaction, long began) {
            return next > 0
                    && nanoTime.getAsLong() - began >= transaction.silence().toNanos() / 3
                    && !events.get(next).position().equals(events.get(next - 1).position());
        }

        /** What the driver says of a transaction that the server has ended, or goes on with no more, does not tell why. */
        private Throwable explained(Throwable thrown, Guarded transaction, long began) {
            var state = sqlState(thrown);
            if (state.equals(ABORTED)) {
                return new IllegalStateException(
                        "The handler of projection \"" + projection.name()
                                + "\" has swallowed the exception of a statement that failed, at this event or at an earlier"
                                + " one of its batch: PostgreSQL refuses all that follows in such a transaction, and nothing"
                                + " of the batch was written. Let the exception out; or, where it is expected, let the"
                                + " statement say \"on conflict\", or set a savepoint before it and roll back to that.",
                        thrown);
            }
            var took = Duration.ofNanos(nanoTime.getAsLong() - began);
            // a limit of the client's own or of a statement, and the server's end, are none of the lease's
            boolean silent =
                    state.equals("25P03") || (state.startsWith("08") && !isOf(SocketTimeoutException.class, thrown));
            return silent && took.compareTo(transaction.silence()) >= 0
                    ? lease.silent(transaction, took, thrown)
                    : thrown;
        }

        private void checkSame(String transaction, Connection connection) throws SQLException {
            if (connection.getAutoCommit()) {
                throw new IllegalStateException("The handler of projection \"" + projection.name()
                        + "\" has switched its connection to auto-commit, so that the view and its progress are no"
                        + " longer written together. Leave the connection's modes alone.");
            }
            try (var ask = connection.prepareStatement("select pg_current_xact_id()::text");
                    var row = ask.executeQuery()) {
                if (!row.next() || !transaction.equals(row.getString(1))) {
                    throw new IllegalStateException(
                            "The handler of projection \"" + projection.name()
                                    + "\" has ended the transaction it was given: what it had written before a rollback is gone,"
                                    + " and what it had committed is in the view without its progress. Neither commit nor roll"
                                    + " back; to undo a part, roll back to a savepoint. Raise the version to fill the view anew.");
                }
            }
        }

        private boolean saved(String transaction, Connection connection, Position before, Position reached)
                throws SQLException {
            if (connection.getAutoCommit()) {
                checkSame(transaction, connection);
            }
            try (var save = connection.prepareStatement(sql.move())) {
                save.setLong(1, reached.value());
                save.setString(2, projection.name());
                save.setInt(3, projection.version());
                save.setLong(4, before.value());
                save.setString(5, transaction);
                if (save.executeUpdate() != 1) {
                    checkSame(transaction, connection);
                    throw new IllegalStateException("The progress of projection \"" + projection.name()
                            + "\" is not at version " + projection.version() + ", position " + before
                            + " any more, where this owner left it; nothing was written. Change it only while no"
                            + " projector runs.");
                }
            }
            return true;
        }

        @Override
        public void interrupted(InterruptedException why) {
            var failure = new Failure(projection.name(), position, why, false);
            move(State.STOPPED, position, failure);
            tell(failure);
        }

        @Override
        public void end() {
            attempt(lease::close); // otherwise it ends by itself
            attempt(subscription::close);
            closed();
        }

        private void attempt(Runnable leaving) {
            try {
                leaving.run();
            } catch (Throwable failed) {
                tell(new Failure(projection.name(), position, failed, false));
            }
        }

        private void tell(Failure why) {
            Listeners.tell(listener, why, why.cause());
        }
    }

    /** Whether the database says, or its absence suggests, that trying again can help. */
    private static boolean isPassing(Throwable thrown) {
        int depth = 0;
        for (Throwable cause = thrown; cause != null && depth < 20; cause = cause.getCause(), depth++) {
            if (cause instanceof SQLTransientException || cause instanceof SQLRecoverableException) {
                return true;
            }
            if (cause instanceof SQLException failed && failed.getSQLState() != null) {
                break;
            }
        }
        var code = sqlState(thrown);
        return switch (code.substring(0, Math.min(2, code.length()))) {
            case "08", "40", "53", "57", "58" -> true;
            default -> List.of("25006", "25P03", "25P04", "55P03").contains(code);
        };
    }

    private static boolean isOf(Class<? extends Throwable> type, Throwable thrown) {
        int depth = 0;
        for (Throwable cause = thrown; cause != null && depth < 20; cause = cause.getCause(), depth++) {
            if (type.isInstance(cause)) {
                return true;
            }
        }
        return false;
    }

    /** The first code among the causes; empty if there is none. */
    private static String sqlState(Throwable thrown) {
        int depth = 0;
        for (Throwable cause = thrown; cause != null && depth < 20; cause = cause.getCause(), depth++) {
            if (cause instanceof SQLException failed && failed.getSQLState() != null) {
                return failed.getSQLState();
            }
        }
        return "";
    }

    private static long nanos(Duration timeout) {
        try {
            return timeout.toNanos();
        } catch (ArithmeticException longerThanEver) {
            return timeout.isNegative() ? 0 : TimeUnit.DAYS.toNanos(100_000);
        }
    }

    /**
     * Says what is projected and how.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final EventStore store;
        private final DataSource dataSource;
        private String prefix;
        private String owner = "unnamed";
        private Duration duration = LEASE;
        private int batch = BATCH;
        private LongSupplier nanoTime = System::nanoTime;

        private Builder(EventStore store, DataSource dataSource) {
            this.store = store;
            this.dataSource = dataSource;
            this.prefix = JdbcEventStore.prefixOf(store);
        }

        /**
         * Sets the prefix of the tables that hold progress and leases.
         *
         * @param prefix that of the schema; without this call that of the store, if it is a {@link JdbcEventStore}, and
         *     {@value JdbcSchema#DEFAULT_PREFIX} if it is another, also one that wraps such a store
         * @return this builder
         * @throws IllegalArgumentException if it is no prefix
         */
        public Builder prefix(String prefix) {
            this.prefix = JdbcSchema.of(prefix).prefix();
            return this;
        }

        /**
         * Sets what this process is called in the table of leases.
         *
         * @param owner for people to read, such as a host's name; {@code "unnamed"} without this call
         * @return this builder
         */
        public Builder owner(String owner) {
            this.owner = Objects.requireNonNull(owner, "owner");
            return this;
        }

        /**
         * Sets for how long another process waits for this one when it does not renew its lease. It is also what a handler
         * may take for one event, or for all at one position, without a word to its connection.
         *
         * @param duration {@link #LEASE} without this call; bounds as in {@link JdbcLease#of}
         * @return this builder
         */
        public Builder lease(Duration duration) {
            this.duration = Objects.requireNonNull(duration, "duration");
            return this;
        }

        /** The time by which a batch ends early; for tests. */
        Builder nanoTime(LongSupplier nanoTime) {
            this.nanoTime = nanoTime;
            return this;
        }

        /**
         * Sets how many events a transaction holds at most; all that stand at the last one's position come with it.
         *
         * @param events 1 or more; {@value #BATCH} without this call
         * @return this builder
         * @throws IllegalArgumentException if it is less than 1
         */
        public Builder batch(int events) {
            if (events < 1) {
                throw new IllegalArgumentException("A batch is to have " + events + " events; expected 1 or more.");
            }
            this.batch = events;
            return this;
        }

        /**
         * Starts the projector.
         *
         * @param name the projection's stable name, unique under the prefix; not blank
         * @param version 1 or more, raised when the view must be filled anew; while a later one is in the database, this
         *     one refuses to work
         * @param query the events that matter
         * @param handler writes the view
         * @param executor has a thread to spare for as long as the projector is open; stays open
         * @param listener told of each failure, on the working thread; what it throws goes to that thread's handler of
         *     uncaught exceptions
         * @return never {@code null}; close it
         * @throws IllegalArgumentException if the name, version, owner or duration is none
         * @throws java.util.concurrent.RejectedExecutionException if the executor refuses
         */
        public JdbcProjector start(
                String name,
                int version,
                EventQuery query,
                Handler handler,
                Executor executor,
                Consumer<? super Failure> listener) {
            if (name.isBlank()) {
                throw new IllegalArgumentException(
                        "The name of a projection is blank; expected one that stays, such as that of its view.");
            }
            if (version < 1) {
                throw new IllegalArgumentException(
                        "The version of projection \"" + name + "\" is " + version + "; expected 1 or more.");
            }
            var projection = new Projection(
                    name, version, Objects.requireNonNull(query, "query"), Objects.requireNonNull(handler, "handler"));
            var lease = JdbcLease.of(dataSource, prefix, "projection/" + name, owner, duration);
            var projector = new JdbcProjector(this, projection, lease, Objects.requireNonNull(listener, "listener"));
            try {
                projector.loop.start(Objects.requireNonNull(executor, "executor"));
            } catch (Throwable refused) { // nobody else could end the signals
                projector.subscription.close();
                throw refused;
            }
            return projector;
        }
    }
}
