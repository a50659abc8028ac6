package dev.cqrs.examples.bank;

import dev.cqrs.examples.bank.BankQuery.AccountCount;
import dev.cqrs.examples.bank.BankQuery.BalanceOf;
import dev.cqrs.examples.bank.BankQuery.EndOfDayBalances;
import dev.cqrs.examples.bank.BankQuery.TotalBalance;
import dev.cqrs.examples.bank.Options.BalanceAt;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.CqrsException;
import java.io.PrintStream;
import java.time.LocalDate;
import java.util.Locale;

/**
 * Runs the transactions of a bank through commands, events, views and queries, and compares the outcome with what the
 * bank itself wrote.
 *
 * <p>The result goes to standard output; progress, rejected rows and errors go to standard error. The exit status is 0,
 * or 2 if the arguments, the file or the database are of no use.
 *
 * <p>On a database it may be stopped at any time, and goes on where it was when it is started again.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
public final class BankYear {

    private static final int OK = 0;
    private static final int UNUSABLE = 2;

    /** Two-digit years mean 19yy, so no row lies before this. */
    private static final LocalDate BEFORE_ALL_ROWS = LocalDate.of(1900, 1, 1);

    private final PrintStream out;
    private final PrintStream err;
    private final Progress.Style style;

    /**
     * Makes the program.
     *
     * @param out for the result
     * @param err for everything else
     * @param style how to show progress
     */
    BankYear(PrintStream out, PrintStream err, Progress.Style style) {
        this.out = out;
        this.err = err;
        this.style = style;
    }

    /**
     * Runs the program.
     *
     * @param args a file in the PKDD'99 format, or none for the sample; {@code --balance ACCOUNT --at yyyy-MM-dd} for a
     *     balance of the past; {@code --jdbc URL} to run on PostgreSQL instead of in memory
     */
    @SuppressWarnings("SystemConsoleNull") // never null on JDK 22 to 24 alone: there a bar is drawn into files too
    public static void main(String[] args) {
        var style = System.console() == null ? Progress.Style.LINES : Progress.Style.BAR;
        int status = new BankYear(System.out, System.err, style).run(args);
        if (status != OK) {
            System.exit(status);
        }
    }

    /** Does it all and gives the exit status. */
    int run(String... args) {
        Options options;
        try {
            options = Options.parse(args);
        } catch (IllegalArgumentException wrong) {
            err.println(wrong.getMessage() + "; " + Options.USAGE);
            return UNUSABLE;
        }
        var clock = SteppedClock.startingOn(BEFORE_ALL_ROWS);
        try (var file = open(options);
                var log = open(options, clock)) {
            return run(file, log, clock, options);
        } catch (CqrsException failed) {
            if (!BankLog.isToBlameFor(failed)) {
                throw failed;
            }
            var reason = failed.getMessage() + " -- start again with the same file to go on from there";
            err.println(new UnusableLogException(reason, failed).getMessage());
            return UNUSABLE;
        } catch (UnusableFileException | UnusableLogException unusable) {
            err.println(unusable.getMessage());
            return UNUSABLE;
        }
    }

    private static TransactionFile open(Options options) throws UnusableFileException {
        return options.file().isPresent() ? TransactionFile.open(options.file().get()) : TransactionFile.sample();
    }

    private BankLog open(Options options, SteppedClock clock) throws UnusableLogException {
        return options.jdbc().isPresent()
                ? BankLog.onPostgres(options.jdbc().get(), clock, err::println)
                : BankLog.inMemory(clock);
    }

    private int run(TransactionFile file, BankLog log, SteppedClock clock, Options options)
            throws UnusableFileException, UnusableLogException {
        var reconciliation = new Reconciliation();
        var progress = new Progress(err, style, file.size(), "transactions");
        long start = System.nanoTime();
        var teller = serveAll(file, log, clock, reconciliation, progress);
        if (teller.late() > 0) {
            err.println("late rows: " + teller.late()
                    + "; each counts for its own day, but for --at from the day on which it came");
        }
        try (var bank = Bank.open(log.store())) {
            print(bank, teller, reconciliation, System.nanoTime() - start);
            return options.balance().map(wanted -> printBalance(bank, wanted)).orElse(OK);
        }
    }

    /** Has the rows carried out that no earlier run has, and gives the teller, who has counted all. */
    private static Teller serveAll(
            TransactionFile file, BankLog log, SteppedClock clock, Reconciliation reconciliation, Progress progress)
            throws UnusableFileException, UnusableLogException {
        try (var bank = log.openForCommands();
                var earlier = new EarlierRuns(log.store())) {
            var teller = new Teller(bank, earlier, clock, reconciliation, progress::note);
            for (var row = file.next(); row.isPresent(); row = file.next()) {
                teller.serve(row.get());
                progress.reached(file.consumed(), teller.accepted() + teller.rejected());
            }
            earlier.checkEnd();
            return teller;
        } finally {
            progress.end();
        }
    }

    private void print(InMemoryCqrs bank, Teller teller, Reconciliation reconciliation, long nanos) {
        var days = bank.ask(new EndOfDayBalances());
        var differences = reconciliation.differences(days);
        differences.forEach(difference -> out.println("not reconciled: " + difference));
        double seconds = Math.max(1, nanos) / 1e9;
        line("transactions", teller.accepted() + teller.rejected());
        line("accepted", teller.accepted());
        line("rejected", teller.rejected());
        line("accounts", bank.ask(new AccountCount()));
        line("total balance", bank.ask(new TotalBalance()));
        line("account-days", days.size());
        line("reconciled", days.size() - differences.size());
        line("seconds", String.format(Locale.ROOT, "%.3f", seconds));
        line("commands per second", Math.round(teller.commands() / seconds));
    }

    private int printBalance(InMemoryCqrs bank, BalanceAt wanted) {
        if (bank.ask(new BalanceOf(wanted.account())).isEmpty()) {
            err.println("there is no account " + wanted.account() + " in these transactions");
            return UNUSABLE;
        }
        // the log up to that moment, folded anew: an account that was opened later has nothing in it yet
        var then = bank.view(Balances.PROJECTION).timeline().at(SteppedClock.endOf(wanted.day()));
        var balance = then.of(wanted.account()).orElse(Balances.NOTHING);
        line("balance " + wanted.account() + " at " + wanted.day(), balance);
        return OK;
    }

    private void line(String name, Object value) {
        out.println(name + ": " + value);
    }
}
