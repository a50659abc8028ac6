package dev.cqrs.jdbc;

import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Commits together what several threads append at the same time.
 *
 * <p>Who comes while nobody leads, leads: it takes a connection, then all appends that have queued up by then, sends them
 * as one statement which is a transaction of its own, hands out the outcomes, and passes the lead to the first of those
 * who have come meanwhile. So the queue is as long as there are threads, and none of them waits longer than for the group
 * before its own and its own.
 *
 * <p><b>Threads:</b> thread-safe. An interrupt ends no wait, as nobody could tell then what becomes of the append; it is
 * still there when the append returns. A virtual thread that is interrupted while it reads from a socket loses the
 * connection, which no library can prevent; but an interrupt from before the lead does not come that far.
 */
final class GroupCommit {

    /*
     * One lock for the queue and for who leads; it is never held while the database is asked. A thread's seat is taken
     * by its thread, and by the leader of its group; it passes from one to the other under the lock.
     */

    /** So much is sent at once, unless a single append has more. */
    private static final int MAX_EVENTS = 1_000;

    private static final long MAX_CHARACTERS = 4_000_000;

    /**
     * What SQL calls the end of a connection or of a server; and what is no error of the server's, so that a driver has said it
     * by itself: warnings, an answer without rows, a statement that was closed under it.
     */
    private static final List<String> UNTOLD_CLASSES = List.of("01", "02", "08", "57P");

    private static final List<String> UNTOLD = List.of("40003", "55000", "99999");

    /**
     * What the server calls a failure that ends the statement alone, in the languages of its messages: the driver gives the word of
     * its {@code lc_messages} and no other. What ends the session has another word in each; in a language that is not here an answer
     * counts as silence.
     */
    private static final Set<String> ERROR =
            Set.of("ERROR", "FEHLER", "ERREUR", "ERRORE", "FEL", "ОШИБКА", "ПОМИЛКА", "შეცდომა", "오류", "错误");

    private final DataSource dataSource;
    private final AppendCall call;
    private final ReentrantLock lock = new ReentrantLock();
    private final ArrayDeque<Seat> waiting = new ArrayDeque<>();
    private boolean led;

    /** Set once it is known that the connections are not in read committed, so that it has to be said each time. */
    private volatile boolean statesIsolation;

    private static final class Seat {

        final Pending append;
        final Condition turn;
        boolean leads;
        boolean served;
        boolean interrupted;

        Seat(Pending append, Condition turn) {
            this.append = append;
            this.turn = turn;
        }
    }

    GroupCommit(DataSource dataSource, AppendCall call) {
        this.dataSource = dataSource;
        this.call = call;
    }

    /** Returns when it is known what became of the append, or that this cannot be known; the append has its outcome then. */
    void append(Pending append) {
        var seat = new Seat(append, lock.newCondition());
        lock.lock();
        try {
            waiting.add(seat);
            seat.leads = !led;
            led = true;
            while (!seat.leads && !seat.served) {
                seat.turn.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
        if (seat.leads) {
            lead(seat);
        }
    }

    private void lead(Seat leader) {
        List<Seat> group = List.of();
        try {
            leader.interrupted = Thread.interrupted(); // it would close the socket of a virtual thread
            group = new ArrayList<>();
            lead(leader, group);
        } catch (Throwable thrown) { // what cannot be foreseen must not leave others waiting
            group.stream()
                    .map(seat -> seat.append)
                    .filter(append -> !append.isDone())
                    .forEach(append -> append.done(new AppendOutcomeUnknownException(append.what(), thrown)));
            throw thrown;
        } finally {
            lock.lock();
            try {
                waiting.remove(leader); // where it failed before the group was taken
                group.forEach(seat -> {
                    seat.served = true;
                    seat.turn.signal();
                });
                var next = waiting.peek();
                led = next != null;
                if (next != null) {
                    next.leads = true;
                    next.turn.signal();
                }
            } finally {
                lock.unlock();
                if (leader.interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }

    private void lead(Seat leader, List<Seat> group) {
        int before = queued();
        Connection connection;
        try {
            connection = connect(leader);
        } catch (SQLException | RuntimeException failed) {
            // those who were there before have waited as long for it as the leader
            take(group, before, true);
            group.forEach(seat -> seat.append.done(new DatabaseException(seat.append.what(), failed)));
            return;
        }
        try {
            take(group, Integer.MAX_VALUE, false);
            commit(connection, group.stream().map(seat -> seat.append).toList());
        } finally {
            close(connection);
        }
    }

    /** How many are in the queue; those whose group has been sent are not. */
    int queued() {
        lock.lock();
        try {
            return waiting.size();
        } finally {
            lock.unlock();
        }
    }

    /** A pool gives up when its caller is interrupted, but the others of the group are not. */
    private Connection connect(Seat leader) throws SQLException {
        while (true) {
            try {
                return Transaction.connect(dataSource);
            } catch (SQLException failed) {
                if (!Thread.interrupted()) {
                    throw failed;
                }
                leader.interrupted = true;
            }
        }
    }

    /** Moves from the queue to the group, in the order of coming. */
    private void take(List<Seat> group, int most, boolean all) {
        lock.lock();
        try {
            int events = 0;
            long characters = 0;
            for (; !waiting.isEmpty() && most > 0; most--) {
                var append = waiting.element().append;
                events += append.events.size();
                characters += append.characters;
                if (!all && !group.isEmpty() && (events > MAX_EVENTS || characters > MAX_CHARACTERS)) {
                    return;
                }
                group.add(waiting.remove());
            }
        } finally {
            lock.unlock();
        }
    }

    // ---- what becomes of a group

    private void commit(Connection connection, List<Pending> group) {
        var attempt = new Attempt(connection, group);
        try {
            attempt.run();
        } catch (SQLException | RuntimeException failed) {
            if (attempt.sent && !isRefusal(failed)) {
                group.forEach(append -> append.done(new AppendOutcomeUnknownException(append.what(), failed)));
            } else if (isState(failed, "CQ001") && !statesIsolation) {
                statesIsolation = true;
                commit(connection, group);
            } else if (attempt.sent && group.size() > 1 && isOfOne(failed)) {
                group.forEach(append -> commit(connection, List.of(append)));
            } else {
                group.forEach(append -> append.refused(failed));
            }
        }
    }

    private final class Attempt {

        private final Connection connection;
        private final List<Pending> group;
        boolean sent;
        private boolean cut;

        Attempt(Connection connection, List<Pending> group) {
            this.connection = connection;
            this.group = group;
        }

        void run() throws SQLException {
            boolean autoCommit = connection.getAutoCommit();
            if (!autoCommit && statesIsolation) {
                Transaction.checkFree(connection); // to say the isolation would fail, and end what is not ours
            }
            if (!statesIsolation || !autoCommit) {
                send(autoCommit);
                return;
            }
            connection.setAutoCommit(false);
            try {
                send(false);
            } finally {
                if (!cut) { // what was not rolled back would be committed by that
                    restoreAutoCommit();
                }
            }
        }

        private void send(boolean autoCommit) throws SQLException {
            List<Object> outcomes;
            try {
                if (statesIsolation) {
                    try (var isolation = connection.createStatement()) {
                        isolation.execute("set transaction isolation level read committed");
                    }
                }
                var statement = call.prepare(connection, group, true);
                sent = true;
                outcomes = AppendCall.send(statement, group);
                if (!autoCommit) {
                    connection.commit();
                }
            } catch (Throwable failed) { // also an error: the lock of the log is not to go back with the connection
                if (!autoCommit && !isState(failed, "CQ002")) { // where the transaction is ours
                    rollBack(failed);
                }
                throw failed;
            }
            for (int i = 0; i < outcomes.size(); i++) {
                group.get(i).done(outcomes.get(i));
            }
        }

        private void restoreAutoCommit() {
            try {
                connection.setAutoCommit(true);
            } catch (SQLException | RuntimeException ignored) { // a dead connection: nothing is to be restored
            }
        }

        private void rollBack(Throwable failed) {
            cut = !Transaction.rollback(connection, failed);
        }
    }

    /**
     * Says whether the server has answered that it did not do what was asked. Everything else, the end of a connection
     * above all, tells nothing; and an answer about failing disks or memory only if it ends the statement alone.
     */
    static boolean isRefusal(Exception failed) {
        if (!(failed instanceof SQLException sql) || sql.getSQLState() == null) {
            return false;
        }
        var state = sql.getSQLState();
        if (UNTOLD_CLASSES.stream().anyMatch(state::startsWith) || UNTOLD.contains(state)) {
            return false;
        }
        return !(state.startsWith("53") || state.startsWith("58") || state.startsWith("XX"))
                || ERROR.contains(severity(sql));
    }

    /** The driver begins a message of the server's with it. */
    private static String severity(SQLException failed) {
        var message = String.valueOf(failed.getMessage());
        return message.substring(0, Math.max(0, message.indexOf(':')));
    }

    /**
     * Says whether a refusal is the fault of one append: of its data (classes 21, 22, 23), of what it may or calls for
     * (42), of its size (54, but for the server's own limits). Of a lock that was not had, say, all would have to wait for one
     * after the other.
     */
    static boolean isOfOne(Exception failed) {
        if (!(failed instanceof SQLException sql) || sql.getSQLState() == null) {
            return true; // nothing was said about the server
        }
        return List.of("21", "22", "23", "42", "54").stream().anyMatch(sql.getSQLState()::startsWith)
                && !ServerLimit.isIn(failed);
    }

    private static boolean isState(@Nullable Throwable failed, String state) {
        return failed instanceof SQLException sql && state.equals(sql.getSQLState());
    }

    private static void close(Connection connection) {
        try {
            connection.close();
        } catch (SQLException | RuntimeException ignored) { // the outcome is known, and does not depend on it
        }
    }
}
