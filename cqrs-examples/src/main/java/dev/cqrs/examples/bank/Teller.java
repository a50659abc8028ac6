package dev.cqrs.examples.bank;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.examples.bank.BankCommand.Deposit;
import dev.cqrs.examples.bank.BankCommand.OpenAccount;
import dev.cqrs.examples.bank.BankCommand.Withdraw;
import dev.cqrs.examples.bank.BankQuery.BalanceOf;
import dev.cqrs.examples.bank.Row.Direction;
import dev.cqrs.examples.bank.Row.Malformed;
import dev.cqrs.examples.bank.Row.Transaction;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Metadata;
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
    private final SteppedClock clock;
    private final Reconciliation reconciliation;
    private final Consumer<String> notes;
    private long accepted;
    private long rejected;
    private long commands;
    private long late;

    /**
     * Makes a teller.
     *
     * @param bank where commands go
     * @param clock the bank's clock
     * @param reconciliation is told the balances on the accepted rows
     * @param notes is told of each rejected row, in one line
     */
    Teller(InMemoryCqrs bank, SteppedClock clock, Reconciliation reconciliation, Consumer<String> notes) {
        this.bank = bank;
        this.clock = clock;
        this.reconciliation = reconciliation;
        this.notes = notes;
    }

    /** Carries out a row, or rejects it: one bad row costs nothing else. */
    void serve(Row row) {
        if (row instanceof Transaction transaction) {
            carryOut(transaction);
        } else if (row instanceof Malformed malformed) {
            reject(malformed.line(), malformed.reason());
        }
    }

    private void carryOut(Transaction row) {
        late += clock.hasPassed(row.date()) ? 1 : 0;
        clock.stepTo(row.date());
        // the bank's own number stays with the event, so that each can be traced to its row
        var metadata = Metadata.withId(row.id());
        if (bank.ask(new BalanceOf(row.account())).isEmpty()) {
            var caused = Metadata.none().causedBy(metadata);
            bank.dispatch(new OpenAccount(row.account(), row.date()), caused);
        }
        commands++;
        try {
            bank.dispatch(commandFor(row), metadata);
            accepted++;
            reconciliation.stated(row.account(), row.date(), row.stated());
        } catch (RejectedException refusal) {
            reject(row.line(), refusal.reason());
        }
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

    /** How many rows were carried out. */
    long accepted() {
        return accepted;
    }

    /** How many rows were not. */
    long rejected() {
        return rejected;
    }

    /** How many commands were sent for rows, those that open accounts left out. */
    long commands() {
        return commands;
    }

    /** How many rows came later than their date. */
    long late() {
        return late;
    }
}
