package dev.cqrs.examples.transfers;

import dev.cqrs.examples.bank.Progress;
import dev.cqrs.examples.statement.BankFiles;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.statement.UnusableDataException;
import dev.cqrs.saga.SagaInstance.State;
import java.io.PrintStream;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Carries out a month of standing orders by sagas, on a way to other banks that is as bad as a seed says, and counts the money
 * in all banks' books.
 *
 * <p>The result goes to standard output; progress and errors go to standard error. The exit status is 0, or 1 if the money
 * does not add up, or 2 if the arguments or the file are of no use.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
public final class Transfers {

    private static final String USAGE = "usage: Transfers [DIRECTORY] [--seed N]";
    private static final int SHOWN = 5;

    private static final int OK = 0;
    private static final int MONEY_LOST = 1;
    private static final int UNUSABLE = 2;

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
    Transfers(PrintStream out, PrintStream err, Progress.Style style) {
        this.out = out;
        this.err = err;
        this.style = style;
    }

    /**
     * Runs the program.
     *
     * @param args a directory with {@code order.asc} in the PKDD'99 format, or none for the sample; {@code --seed N} for
     *     what goes wrong (1)
     */
    @SuppressWarnings("SystemConsoleNull") // never null on JDK 22 to 24 alone: there a bar is drawn into files too
    public static void main(String[] args) {
        var style = System.console() == null ? Progress.Style.LINES : Progress.Style.BAR;
        int status = new Transfers(System.out, System.err, style).run(args);
        if (status != OK) {
            System.exit(status);
        }
    }

    /** Does it all and gives the exit status. */
    int run(String... args) {
        Optional<Path> directory = Optional.empty();
        Optional<Long> seed = Optional.empty();
        List<StandingOrder> orders;
        try {
            for (int i = 0; i < args.length; i++) {
                if (args[i].equals("--seed")) {
                    refuseTwice("--seed", seed);
                    seed = Optional.of(number(args, ++i));
                } else if (args[i].startsWith("-")) {
                    throw new IllegalArgumentException("unknown option " + args[i]);
                } else {
                    refuseTwice("a directory", directory);
                    directory = Optional.of(Path.of(args[i]));
                }
            }
            orders = directory.isPresent() ? BankFiles.ordersIn(directory.get()) : BankFiles.ordersOf(Transfers.class);
        } catch (InvalidPathException impossible) {
            err.println("not a path: " + impossible.getMessage() + "; " + USAGE);
            return UNUSABLE;
        } catch (IllegalArgumentException wrong) {
            err.println(wrong.getMessage() + "; " + USAGE);
            return UNUSABLE;
        } catch (UnusableDataException unusable) {
            err.println(unusable.getMessage());
            return UNUSABLE;
        }
        try (var month = new Month(orders, seed.orElse(1L))) {
            line("orders", orders.size());
            line("seed", seed.orElse(1L));
            pass(month, orders.size());
            return print(month);
        }
    }

    private static void refuseTwice(String what, Optional<?> before) {
        if (before.isPresent()) {
            throw new IllegalArgumentException(what + " is given twice");
        }
    }

    private static long number(String[] args, int at) {
        if (at == args.length) {
            throw new IllegalArgumentException("--seed needs a number");
        }
        try {
            return Long.parseLong(args[at]);
        } catch (NumberFormatException wrong) {
            throw new IllegalArgumentException("--seed " + args[at] + " is no whole number", wrong);
        }
    }

    private void pass(Month month, int orders) {
        var progress = new Progress(err, style, orders, "orders due");
        try {
            month.pass(due -> progress.reached(due, due));
        } finally {
            progress.end();
        }
    }

    private int print(Month month) {
        boolean balanced = printStanding(month);
        var parked = month.parked();
        parked.stream()
                .limit(SHOWN)
                .forEach(transfer -> out.println("  order " + transfer.key() + " at \"" + transfer.step() + "\": "
                        + transfer.reason().strip()));
        if (parked.size() > SHOWN) {
            out.println("  and " + (parked.size() - SHOWN) + " more");
        }
        out.println("The line is mended, and those that were parked go on.");
        line("resumed", month.resume());
        balanced &= printStanding(month);
        return balanced && month.books().onTheWay().isEmpty() ? OK : MONEY_LOST;
    }

    private boolean printStanding(Month month) {
        line("completed", month.count(State.COMPLETED));
        line("compensated", month.count(State.COMPENSATED));
        line("parked", month.count(State.PARKED));
        var books = month.books();
        out.println("money: " + crowns(books.opened()) + " at first; " + crowns(books.home()) + " here + "
                + crowns(books.elsewhere()) + " at other banks + " + crowns(books.sumOnTheWay()) + " on the way = "
                + crowns(books.home() + books.elsewhere() + books.sumOnTheWay()));
        books.faults().forEach(fault -> out.println("NOT CONSERVED: " + fault));
        return books.isBalanced();
    }

    private static String crowns(long hellers) {
        return String.format(Locale.ROOT, "%,d.%02d", hellers / 100, Math.abs(hellers % 100));
    }

    private void line(String name, Object value) {
        out.println(name + ": " + value);
    }
}
