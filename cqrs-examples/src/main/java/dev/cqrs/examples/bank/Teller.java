package dev.cqrs.examples.bank;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.examples.bank.BankCommand.Deposit;
import dev.cqrs.examples.bank.BankCommand.OpenAccount;
import dev.cqrs.examples.bank.BankCommand.Withdraw;
import dev.cqrs.examples.bank.Row.Direction;
import dev.cqrs.examples.bank.Row.Malformed;
import dev.cqrs.examples.bank.Row.Transaction;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Metadata;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Turns rows into commands, opening an account before its first row, and counts what became of them.
 *
 * <p>The clock follows the rows' dates. A row that is dated before an earlier row comes late: it counts for its own
 * day, but it is recorded on the day it came, because the log's time never goes back.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Teller {

    private final InMemoryCqrs bank;
    private final EarlierRuns earlier;
    private final SteppedClock clock;
    private final Reconciliation reconciliation;
    private final Consumer<String> notes;
    private final Set<String> ids = new HashSet<>();
    private final Set<String> accounts = new HashSet<>();
    private long accepted;
    private long rejected;
    private long commands;
    private long late;

    /**
     * Makes a teller.
     *
     * @param bank where commands go
     * @param earlier what the log had before
     * @param clock the bank's clock
     * @param reconciliation is told the balances on the accepted rows
     * @param notes is told of each rejected row, in one line
     */
    Teller(
            InMemoryCqrs bank,
            EarlierRuns earlier,
            SteppedClock clock,
            Reconciliation reconciliation,
            Consumer<String> notes) {
        this.bank = bank;
        this.earlier = earlier;
        this.clock = clock;
        this.reconciliation = reconciliation;
        this.notes = notes;
    }

    /**
     * Carries out a row, or rejects it: one bad row costs nothing else.
     *
     * @throws UnusableLogException if the log is that of another file; nothing was written to it
     */
    void serve(Row row) throws UnusableLogException {
        if (row instanceof Transaction transaction) {
            carryOut(transaction);
        } else if (row instanceof Malformed malformed) {
            reject(malformed.line(), malformed.reason());
        }
    }

    private void carryOut(Transaction row) throws UnusableLogException {
        late += clock.hasPassed(row.date()) ? 1 : 0;
        clock.stepTo(row.date());
        var id = idOf(row);
        boolean isFirst = accounts.add(row.account());
        if (earlier.carriedOut(row, id)) {
            accept(row);
            return;
        }
        // the bank's own number stays with the event, so that each can be traced to its row
        var metadata = Metadata.withId(id);
        if (isFirst) {
            var opening = Metadata.withId("open " + row.account()).causedBy(metadata);
            bank.dispatch(new OpenAccount(row.account(), row.date()), opening);
        }
        commands++;
        try {
            bank.dispatch(commandFor(row), metadata);
            accept(row);
        } catch (RejectedException refusal) {
            reject(row.line(), refusal.reason());
        }
    }

    /** The same in each run on the same file. */
    private String idOf(Transaction row) {
        return ids.add(row.id()) ? row.id() : row.id() + " at line " + row.line();
    }

    private void accept(Transaction row) {
        accepted++;
        reconciliation.stated(row.account(), row.date(), row.stated());
    }

    private static BankCommand commandFor(Transaction row) {
        return row.direction() == Direction.CREDIT
                ? new Deposit(row.account(), row.amount(), row.date())
                : new Withdraw(row.account(), row.amount(), row.date());
    }

    private void reject(long line, String reason) {
        rejected++;
        notes.accept("line " + line + " rejected: " + reason);
    }

    /** How many rows were carried out, in this run or before. */
    long accepted() {
        return accepted;
    }

    /** How many rows were not. */
    long rejected() {
        return rejected;
    }

    /** How many commands were sent for rows in this run, those that open accounts left out. */
    long commands() {
        return commands;
    }

    /** How many rows came later than their date. */
    long late() {
        return late;
    }
}
