package dev.cqrs.examples.bank;

import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.examples.bank.BankEvent.AccountOpened;
import dev.cqrs.examples.bank.BankEvent.Deposited;
import dev.cqrs.examples.bank.BankEvent.Withdrawn;
import dev.cqrs.examples.bank.Row.Direction;
import dev.cqrs.examples.bank.Row.Transaction;
import java.util.Optional;

/**
 * What the log held when this run began: the events of the file's first rows, if an earlier run was stopped.
 *
 * <p>Every run takes the rows in the order of the file and begins none before the last is in the log. So the log and
 * the file can be compared side by side, in the memory of a page: where the log ends, this run begins, and a log of
 * another file is found out before anything is written to it. It is a short cut, no safeguard: that no row counts twice
 * follows from the ids of the commands.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class EarlierRuns implements AutoCloseable {

    private final EventStream events;

    EarlierRuns(EventStore log) {
        events = log.read(EventQuery.types(BankEvent.class));
    }

    /**
     * Says whether the payment of the file's next row is in the log. To be called for each row in order, bad ones left
     * out.
     *
     * @throws UnusableLogException if there is something else in its place
     */
    boolean carriedOut(Transaction row, String id) throws UnusableLogException {
        if (!advance()) {
            return false;
        }
        if (events.event() instanceof AccountOpened opened) {
            check(opened.equals(new AccountOpened(row.account(), row.date())), row);
            if (!advance()) {
                return false;
            }
        }
        check(events.event().equals(payment(row)) && events.metadata().id().equals(Optional.of(id)), row);
        return true;
    }

    /**
     * To be called behind the file's last row.
     *
     * @throws UnusableLogException if the log held more than the file
     */
    void checkEnd() throws UnusableLogException {
        if (advance()) {
            throw ofAnotherFile("the file has no further row");
        }
    }

    private boolean advance() throws UnusableLogException {
        try {
            return events.advance();
        } catch (UnreadableEventException foreign) {
            throw new UnusableLogException("the log is that of another program: " + foreign.getMessage(), foreign);
        }
    }

    private void check(boolean same, Transaction row) throws UnusableLogException {
        if (!same) {
            throw ofAnotherFile("line " + row.line() + " of the file is " + row.id() + ", " + payment(row));
        }
    }

    private UnusableLogException ofAnotherFile(String instead) {
        return new UnusableLogException("the log is that of another file: at position " + events.position() + " it has "
                + events.metadata().id().orElse("no id") + ", " + events.event() + ", but " + instead
                + "; nothing was written; give the file it began with, or another database");
    }

    private static BankEvent payment(Transaction row) {
        return row.direction() == Direction.CREDIT
                ? new Deposited(row.account(), row.amount(), row.date())
                : new Withdrawn(row.account(), row.amount(), row.date());
    }

    @Override
    public void close() {
        events.close();
    }
}
