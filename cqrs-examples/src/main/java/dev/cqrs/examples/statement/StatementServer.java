package dev.cqrs.examples.statement;

import java.io.IOException;
import java.io.PrintStream;
import java.net.BindException;
import java.nio.file.Path;
import java.util.concurrent.Executors;

/**
 * Plays the bank's year, day by day, and shows it on a web page of this machine.
 *
 * <p>The address goes to standard output, errors go to standard error. The exit status is 2 if the arguments, the
 * port or the files are of no use. It ends when it is stopped.
 */
public final class StatementServer {

    private static final String USAGE = "usage: StatementServer [DIRECTORY] [--port N] [--pause MILLISECONDS]";
    private static final int SERVICE_THREADS = 8;

    private StatementServer() {}

    /**
     * Runs the program.
     *
     * @param args a directory with the eight files in the PKDD'99 format, or none for the sample; {@code --port}
     *     (any that is free); {@code --pause} after each day (100)
     * @throws IOException if the page cannot be served
     * @throws InterruptedException if it is ended by an interrupt
     */
    public static void main(String[] args) throws IOException, InterruptedException {
        int status = run(args, System.out, System.err);
        if (status != 0) {
            System.exit(status);
        }
    }

    /** Does it all and gives the exit status. */
    static int run(String[] args, PrintStream out, PrintStream err) throws IOException, InterruptedException {
        var directory = "";
        int port = 0;
        int pause = 100;
        BankFiles files;
        try {
            for (int i = 0; i < args.length; i++) {
                switch (args[i]) {
                    case "--port" -> port = number(args, ++i, 65_535);
                    case "--pause" -> pause = number(args, ++i, 60_000);
                    default -> {
                        if (args[i].startsWith("-") || !directory.isEmpty()) {
                            throw new IllegalArgumentException("unknown argument " + args[i]);
                        }
                        directory = args[i];
                    }
                }
            }
            files = directory.isEmpty() ? BankFiles.sample() : BankFiles.in(Path.of(directory));
        } catch (IllegalArgumentException wrong) {
            err.println(wrong.getMessage() + "; " + USAGE);
            return 2;
        } catch (UnusableDataException unusable) {
            err.println(unusable.getMessage());
            return 2;
        }
        var services = Executors.newFixedThreadPool(SERVICE_THREADS);
        try (var bank = StatementBank.open(services, err::println);
                var page = StatementPage.open(bank, port)) {
            out.println("http://localhost:" + page.address().getPort() + "/");
            for (var day : bank.takeInAllButTransactions(files)) {
                bank.takeIn(day);
                Thread.sleep(pause);
            }
            Thread.currentThread().join(); // until somebody stops the program
            return 0;
        } catch (BindException taken) {
            err.println("port " + port + " cannot be had: " + taken.getMessage());
            return 2;
        } finally {
            services.shutdownNow();
        }
    }

    private static int number(String[] args, int at, int most) {
        if (at == args.length || !args[at].matches("\\d{1,5}") || Integer.parseInt(args[at]) > most) {
            throw new IllegalArgumentException(args[at - 1] + " needs a number up to " + most);
        }
        return Integer.parseInt(args[at]);
    }
}
