package dev.cqrs.jdbc;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * The right to act under a name, which one owner has at a time among all processes that share a database.
 *
 * <p>It is held for a duration at a time, by the database's clock, and renewed by {@link #acquire()} and
 * {@link #guard(Connection)}. An owner that dies loses it when the time is over. An owner that was paused for longer does
 * not know that it has lost it; therefore its transactions ask: the guard refuses them, so that what has passed from one
 * owner to the next is written by one alone. For what lies outside the database there is {@link #fence()}, a number that
 * rises with each owner, as long as the server forgets none: after a fail-over to a replica that lags it may give a number
 * again. Guards are not deceived by that, since each ownership has a token besides.
 *
 * <p>A guarded transaction keeps the lease until it ends. The server ends it if its client says nothing for the lease's
 * duration, so that a paused owner cannot keep the others waiting.
 *
 * <p><b>Threads:</b> thread-safe; threads that share an object share the lease. Starts none.
 *
 * <p><b>Errors:</b> what the database cannot do is a {@link DatabaseException}; where it lacks the schema, a
 * {@link SchemaMismatchException} when the lease is to be taken.
 */
public final class JdbcLease implements AutoCloseable {

    private static final Duration SHORTEST = Duration.ofMillis(100);
    private static final Duration LONGEST = Duration.ofDays(1);
    private static final Duration AGAIN = Duration.ofSeconds(1);

    private static final String SERIALIZATION_FAILURE = "40001";

    private final DataSource dataSource;
    private final JdbcSchema schema;
    private final String name;
    private final String owner;
    private final Duration duration;
    private final Statements sql;

    /** For how long a renewal that fails may be tried again; who has the lease is the database's clock's to say. */
    private final LongSupplier nanoTime = System::nanoTime;

    /** Held while the database is asked, so that two threads do not take the lease from each other. */
    private final ReentrantLock lock = new ReentrantLock();

    /** {@link Ownership#NONE} while the lease is not held, as far as is known here. */
    private volatile Ownership ownership = Ownership.NONE;

    /** The greatest fence ever held here; guarded by {@link #lock}. */
    private long highest;

    /** One taking of the lease; the token tells apart two with one fence, the first of which a fail-over has forgotten. */
    private record Ownership(long fence, String token) {

        static final Ownership NONE = new Ownership(0, "");

        boolean isNone() {
            return fence == 0;
        }
    }

    /** The texts, with the prefix put in. */
    private record Statements(String insert, String take, String renew, String guard, String release) {

        static Statements of(String prefix) {
            var table = prefix + "_lease";
            return new Statements(
                    // neither of these waits for a guarded transaction, whose row is locked: that is why "on conflict"
                    // alone would not do
                    "insert into " + table + " (name, owner, fence, token, until)"
                            + " select ?, '', 0, gen_random_uuid(), '-infinity'"
                            + " where not exists (select from " + table + " where name = ?)"
                            + " on conflict (name) do nothing",
                    "update " + table + " set owner = ?, fence = greatest(fence, ?) + 1, token = gen_random_uuid(),"
                            + " until = clock_timestamp() + ? * interval '1 millisecond' where name ="
                            + " (select name from " + table + " where name = ? and until <= clock_timestamp()"
                            + " for update skip locked) returning fence, token",
                    "update " + table + " set until = clock_timestamp() + ? * interval '1 millisecond'"
                            + " where name = ? and fence = ? and token = ?::uuid and until > clock_timestamp()",
                    "update " + table + " set until = clock_timestamp() + ? * interval '1 millisecond'"
                            + " where name = ? and fence = ? and token = ?::uuid and until > clock_timestamp()"
                            // a stricter limit of the session or the server stays
                            + " returning pg_current_xact_id()::text, extract(epoch from"
                            + " set_config('idle_in_transaction_session_timeout', case"
                            + " when current_setting('idle_in_transaction_session_timeout')::interval"
                            + " between interval '1 ms' and ? * interval '1 ms'"
                            + " then current_setting('idle_in_transaction_session_timeout')"
                            + " else ? || 'ms' end, true)::interval) * 1000",
                    "update " + table + " set until = '-infinity' where name = ? and fence = ? and token = ?::uuid");
        }
    }

    private JdbcLease(DataSource dataSource, JdbcSchema schema, String name, String owner, Duration duration) {
        this.dataSource = dataSource;
        this.schema = schema;
        this.name = name;
        this.owner = owner;
        this.duration = duration;
        this.sql = Statements.of(schema.prefix());
    }

    /**
     * Gives a lease that is not held yet; the database is not asked.
     *
     * @param dataSource where the schema is; stays open
     * @param prefix that of the schema
     * @param name what is owned, not blank
     * @param owner who wants it, for people who look at the table; two that call themselves the same are two owners
     *     nevertheless
     * @param duration how long it lasts without being renewed, from 100 milliseconds to a day; about three times as long as
     *     pauses and hitches should be forgiven
     * @return never {@code null}
     * @throws IllegalArgumentException if the prefix is none, the name is blank, the name or owner holds characters that
     *     PostgreSQL cannot keep, or the duration is too short or too long
     */
    public static JdbcLease of(DataSource dataSource, String prefix, String name, String owner, Duration duration) {
        Objects.requireNonNull(dataSource, "dataSource");
        if (name.isBlank()) {
            throw new IllegalArgumentException("The name of a lease is blank; expected what is owned.");
        }
        if (duration.compareTo(SHORTEST) < 0 || duration.compareTo(LONGEST) > 0) {
            throw new IllegalArgumentException("The lease \"" + name + "\" is to last " + duration + "; expected "
                    + SHORTEST + " to " + LONGEST + ".");
        }
        Texts.check("The name of a lease", name);
        Texts.check("The owner of the lease \"" + name + "\"", owner);
        return new JdbcLease(dataSource, JdbcSchema.of(prefix), name, owner, duration);
    }

    /**
     * Takes the lease if nobody has it, or renews it.
     *
     * <p>Does not wait for another owner. The fence stays the same while the lease is renewed in time. Waits for a guarded
     * transaction of this lease, which has the row locked: not for the thread that has it open and would wait for itself.
     *
     * @return whether it is held
     * @throws SchemaMismatchException if the database lacks the schema, or has another version of it
     */
    public boolean acquire() {
        lock.lock();
        try {
            var mine = ownership;
            ownership = run(connection -> renewed(connection, mine) ? mine : taken(connection));
            highest = Math.max(highest, ownership.fence());
            return !ownership.isNone();
        } catch (SQLException failed) {
            schema.checkAfter(failed, dataSource);
            throw DatabaseException.ofRepeatable("Acquiring the lease \"" + name + "\"", failed);
        } finally {
            lock.unlock();
        }
    }

    /** Renews an ownership, and no other; says whether it goes on. If it does not, the lease is not taken again. */
    private boolean renew(Ownership mine) {
        lock.lock();
        try {
            if (ownership.equals(mine) && run(connection -> renewed(connection, mine))) {
                return true;
            }
            if (ownership.equals(mine)) {
                ownership = Ownership.NONE;
            }
            return false;
        } catch (SQLException failed) {
            throw DatabaseException.ofRepeatable("Renewing the lease \"" + name + "\"", failed);
        } finally {
            lock.unlock();
        }
    }

    /** Above read committed the row may have been changed by a guarded transaction that was waited for: then it is asked anew. */
    private <T> T run(Transaction.Work<T, SQLException> work) throws SQLException {
        try {
            return Transaction.run(dataSource, work);
        } catch (SQLException failed) {
            if (!SERIALIZATION_FAILURE.equals(failed.getSQLState())) {
                throw failed;
            }
            return Transaction.run(dataSource, work);
        }
    }

    private boolean renewed(Connection connection, Ownership mine) throws SQLException {
        if (mine.isNone()) {
            return false;
        }
        try (var renew = connection.prepareStatement(sql.renew())) {
            renew.setLong(1, duration.toMillis());
            renew.setString(2, name);
            renew.setLong(3, mine.fence());
            renew.setString(4, mine.token());
            return renew.executeUpdate() == 1;
        }
    }

    private Ownership taken(Connection connection) throws SQLException {
        try (var insert = connection.prepareStatement(sql.insert())) {
            insert.setString(1, name);
            insert.setString(2, name);
            insert.executeUpdate();
        }
        try (var take = connection.prepareStatement(sql.take())) {
            take.setString(1, owner);
            take.setLong(2, highest);
            take.setLong(3, duration.toMillis());
            take.setString(4, name);
            try (var row = take.executeQuery()) {
                return row.next() ? new Ownership(row.getLong(1), row.getString(2)) : Ownership.NONE;
            }
        }
    }

    /**
     * Makes the rest of the connection's transaction the owner's alone, and renews the lease.
     *
     * <p>To be called first in the transaction, before what it guards is read. Until the transaction ends nobody else can
     * take the lease. It asks for the ownership of this moment: what was read before the transaction, maybe under an earlier
     * one, needs {@link #guard(Connection, long)}.
     *
     * @param connection of the lease's database, in a transaction
     * @throws LeaseLostException if the lease is not held; roll the transaction back
     * @throws IllegalStateException if the connection commits each statement by itself
     */
    public void guard(Connection connection) {
        guard(connection, ownership);
    }

    /**
     * As {@link #guard(Connection)}, for one ownership: for what was read or computed under it, before this transaction.
     *
     * <p>Whoever loses the lease and takes it again does so after others may have written; what he holds from before is
     * old, although the lease is his.
     *
     * @param connection of the lease's database, in a transaction
     * @param fence the ownership's, as {@link #fence()} gave it
     * @throws LeaseLostException if that ownership has ended; roll the transaction back
     * @throws IllegalStateException if the connection commits each statement by itself
     */
    public void guard(Connection connection, long fence) {
        var mine = ownership;
        guard(connection, mine.fence() == fence ? mine : Ownership.NONE);
    }

    /**
     * A transaction under the lease.
     *
     * @param number by which it is seen whether it is still the same
     * @param silence how long its client may say nothing before the server ends it
     */
    record Guarded(String number, Duration silence) {}

    /** As {@link #guard(Connection)}; tells of the transaction. */
    Guarded guardedTransaction(Connection connection) {
        return guard(connection, ownership);
    }

    private Guarded guard(Connection connection, Ownership mine) {
        try {
            if (connection.getAutoCommit()) {
                throw new IllegalStateException(
                        "A connection in auto-commit mode cannot be guarded by the lease \"" + name
                                + "\", since each of its statements is a transaction of its own. Call setAutoCommit(false).");
            }
            return guarded(connection, mine).orElseThrow(() -> lost(mine.fence()));
        } catch (SQLException failed) {
            throw new DatabaseException("Checking the lease \"" + name + "\"", failed);
        }
    }

    /** For one that has ended. */
    LeaseLostException lost(long fence) {
        return new LeaseLostException(name, owner, fence);
    }

    /** For a guarded transaction that had taken so long when it was found that the server has ended it. */
    LeaseLostException silent(Guarded transaction, Duration took, Throwable cause) {
        return new LeaseLostException(name, duration, transaction.silence(), took, cause);
    }

    private Optional<Guarded> guarded(Connection connection, Ownership mine) throws SQLException {
        if (mine.isNone()) {
            return Optional.empty();
        }
        try (var guard = connection.prepareStatement(sql.guard())) {
            guard.setLong(1, duration.toMillis());
            guard.setString(2, name);
            guard.setLong(3, mine.fence());
            guard.setString(4, mine.token());
            guard.setLong(5, duration.toMillis());
            guard.setString(6, Long.toString(duration.toMillis()));
            try (var row = guard.executeQuery()) {
                return row.next()
                        ? Optional.of(new Guarded(row.getString(1), Duration.ofMillis(row.getLong(2))))
                        : Optional.empty();
            }
        }
    }

    /**
     * Gives the number of this ownership, greater than that of every earlier owner.
     *
     * @return empty if the lease is not held, as far as is known here
     */
    public OptionalLong fence() {
        var mine = ownership;
        return mine.isNone() ? OptionalLong.empty() : OptionalLong.of(mine.fence());
    }

    /**
     * Gives the lease up, if it is held, so that another owner need not wait. Waits for a guarded transaction, as
     * {@link #acquire()} does.
     */
    @Override
    public void close() {
        lock.lock();
        try {
            var mine = ownership;
            ownership = Ownership.NONE;
            if (!mine.isNone()) {
                run(connection -> released(connection, mine));
            }
        } catch (SQLException failed) {
            throw DatabaseException.ofRepeatable(
                    "Giving up the lease \"" + name + "\", which ends by itself within " + duration + ",", failed);
        } finally {
            lock.unlock();
        }
    }

    private boolean released(Connection connection, Ownership mine) throws SQLException {
        try (var release = connection.prepareStatement(sql.release())) {
            release.setString(1, name);
            release.setLong(2, mine.fence());
            release.setString(3, mine.token());
            return release.executeUpdate() == 1;
        }
    }

    /**
     * Runs something while this lease is held: in one process at a time, if all of them do so.
     *
     * <p>A task on {@code executor} tries to take the lease each second, and renews it three times in its duration. When
     * it has it, it opens {@code work}; when it loses it, it closes that. A renewal that fails, as where a guarded transaction
     * takes longer than {@code lock_timeout}, does not end the work at once, but is tried again until shortly before the lease
     * runs out, counted from the last one that succeeded; then the work is closed. Later it is only if an attempt itself takes so
     * long, as where a connection is waited for: set such time-outs well below a third of the duration. What the work has in hand at
     * that moment it may still finish: guard what it writes ({@link #guard(Connection, long)},
     * {@link JdbcCheckpointStore#guardedBy}). Work that has lost its lease is closed before the lease is taken again. Work
     * that ends by itself keeps the lease all the same, unless it {@linkplain #whileHeld(Executor, Function, Consumer)
     * says so}. While the work is opened the lease is not renewed: let opening take less than its duration; otherwise what
     * was opened is closed at once, which the listener is told, and opened anew.
     *
     * <pre>{@code
     * var running = lease.whileHeld(executor, () -> ProjectionEngine.builder(store, listener)
     *         .checkpoints(checkpoints.guardedBy(lease))
     *         .background(TURNOVER, pool)
     *         .build(), System.err::println);
     * }</pre>
     *
     * @param executor has a thread to spare for as long as this lasts
     * @param work opened on that thread each time the lease is taken, and closed there
     * @param listener told what goes wrong in taking and renewing the lease, opening and closing, each of which is tried again
     * @return ends it when closed: closes the work and gives the lease up
     */
    public Running whileHeld(
            Executor executor, Supplier<? extends AutoCloseable> work, Consumer<? super Throwable> listener) {
        Objects.requireNonNull(work, "work");
        return whileHeld(executor, ended -> work.get(), listener);
    }

    /**
     * As {@link #whileHeld(Executor, Supplier, Consumer)}, for work that may end by itself, well or badly, and says so.
     *
     * <p>It is then closed, while the lease is still held, so that what it writes in closing counts; then the lease is given
     * up. So another process can try what has failed in this one. This one stands by with the others, and opens the work
     * anew when it gets the lease again, a second later if nobody else wants it.
     *
     * <pre>{@code
     * var running = lease.whileHeld(executor, ended -> ProjectionEngine.builder(store, failure -> ended.run())
     *         .checkpoints(checkpoints.guardedBy(lease))
     *         .background(TURNOVER, pool)
     *         .build(), System.err::println);
     * }</pre>
     *
     * @param executor has a thread to spare for as long as this lasts
     * @param work opened on that thread each time the lease is taken, and closed there. What it is given is to be run when it
     *     has ended: by any thread, its own above all, since that does not wait for the closing. It counts for this opening
     *     alone; run twice, or after the work was closed, it does nothing
     * @param listener told what goes wrong in taking and renewing the lease, opening and closing, each of which is tried again
     * @return ends it when closed: closes the work and gives the lease up
     */
    public Running whileHeld(
            Executor executor,
            Function<? super Runnable, ? extends AutoCloseable> work,
            Consumer<? super Throwable> listener) {
        var keeper = new Keeper(Objects.requireNonNull(work, "work"), Objects.requireNonNull(listener, "listener"));
        keeper.loop.start(executor);
        return () -> keeper.loop.close("What runs under the lease \"" + name + "\"");
    }

    /** What is closed to end what {@link #whileHeld} has begun. */
    @FunctionalInterface
    public interface Running extends AutoCloseable {

        /**
         * Waits until the work is closed and the lease given up, unless the calling thread is interrupted; a second call
         * does nothing.
         *
         * @throws IllegalStateException if called where the work is opened or closed, or by the listener
         */
        @Override
        void close();
    }

    /** How often a lease is renewed in its duration; a third each leaves room for one that fails. */
    Duration beat() {
        return duration.dividedBy(3);
    }

    /** Until a renewal that failed is tried again: several times in the two beats that are left then. */
    private Duration soon() {
        var part = beat().dividedBy(4);
        return part.compareTo(AGAIN) < 0 ? part : AGAIN;
    }

    /** Until the lease, or the database, is tried again; whatever happens meanwhile. */
    Loop.Rest standby() {
        return new Loop.Rest(beat().compareTo(AGAIN) < 0 ? beat() : AGAIN, false);
    }

    private final class Keeper implements Loop.Body {

        private final Function<? super Runnable, ? extends AutoCloseable> work;
        private final Consumer<? super Throwable> listener;
        private final Loop loop = new Loop(this);

        /** Set by what the work of this opening is given; each opening has its own. */
        private AtomicBoolean ended = new AtomicBoolean();

        private @Nullable AutoCloseable open;
        private Ownership openedUnder = Ownership.NONE;

        /** From before the database was asked that said the lease was held, so that it lasts there for longer than counted here. */
        private long heldAt;

        /** Whether the last renewal has failed, which does not say that the lease is lost. */
        private boolean unsure;

        Keeper(Function<? super Runnable, ? extends AutoCloseable> work, Consumer<? super Throwable> listener) {
            this.work = work;
            this.listener = listener;
        }

        @Override
        public Loop.Rest step(boolean woken) {
            long asked = nanoTime.getAsLong();
            if (open != null) {
                if (ended.get() || !mayGoOn()) {
                    // before the lease is taken again: what the work writes in closing must find it lost, if it is
                    end();
                }
            } else if (attempt(JdbcLease.this::acquire)) {
                heldAt = asked;
                try {
                    openedUnder = ownership;
                    open = Objects.requireNonNull(work.apply(endOfNext()), "what work opens");
                } catch (Throwable failed) {
                    tell(failed);
                    giveUp();
                    return standby();
                }
                if (!mayGoOn()) { // as nobody renewed it while it opened
                    tell(new IllegalStateException("What runs under the lease \"" + name
                            + "\" was opened, and is closed again: the lease could not be renewed, perhaps as it lasts "
                            + duration + " and opening took longer. Give it a longer duration, or let what is opened do"
                            + " its work elsewhere."));
                    end();
                }
            }
            return open != null ? new Loop.Rest(unsure ? soon() : beat(), true) : standby();
        }

        /** Renews the lease. If that fails, the work goes on if it can be tried once more, and take as long, in the lease's time. */
        private boolean mayGoOn() {
            long asked = nanoTime.getAsLong();
            try {
                boolean held = renew(openedUnder);
                heldAt = asked;
                unsure = false;
                return held;
            } catch (Throwable failed) {
                tell(failed);
                unsure = true;
                long now = nanoTime.getAsLong();
                return (now - heldAt) + soon().toNanos() + (now - asked) < duration.toNanos();
            }
        }

        private Runnable endOfNext() {
            var mine = new AtomicBoolean();
            ended = mine;
            return () -> {
                if (!mine.getAndSet(true)) {
                    loop.wake();
                }
            };
        }

        private boolean attempt(BooleanSupplier step) {
            try {
                return step.getAsBoolean();
            } catch (Throwable failed) {
                tell(failed);
                return false;
            }
        }

        @Override
        public void interrupted(InterruptedException why) {
            tell(why);
        }

        @Override
        public void end() {
            boolean interrupted = closeWork();
            giveUp(); // which an interrupt would prevent
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }

        /** Says whether the executor wants its thread back. */
        private boolean closeWork() {
            var closing = open;
            open = null;
            if (closing != null) {
                try {
                    closing.close();
                } catch (Throwable failed) {
                    tell(failed);
                    return failed instanceof InterruptedException;
                }
            }
            return false;
        }

        private void giveUp() {
            boolean interrupted =
                    Thread.interrupted(); // which drivers and pools refuse to work for; it is for the executor
            try {
                JdbcLease.this.close();
            } catch (Throwable failed) {
                tell(failed);
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }

        private void tell(Throwable failed) {
            Listeners.tell(listener, failed, failed);
        }
    }
}
