package dev.cqrs.examples.bank;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.Optional;

/**
 * What the user asked for on the command line.
 *
 * @param file the file of transactions; empty means the sample
 * @param balance a balance of the past
 * @param jdbc the database on which to run; empty means in memory
 */
record Options(Optional<Path> file, Optional<BalanceAt> balance, Optional<String> jdbc) {

    /** How to call the program. */
    static final String USAGE = "usage: BankYear [PATH] [--balance ACCOUNT --at yyyy-MM-dd] [--jdbc URL]";

    private static final String DATE = "yyyy-MM-dd";
    private static final String POSTGRESQL = "jdbc:postgresql:";

    /**
     * A balance of the past.
     *
     * @param account the account's number
     * @param day the day at whose end it is wanted
     */
    record BalanceAt(String account, LocalDate day) {}

    /**
     * Reads the command line.
     *
     * @throws IllegalArgumentException with one line for the user
     */
    static Options parse(String... args) {
        Optional<Path> file = Optional.empty();
        Optional<String> account = Optional.empty();
        Optional<String> day = Optional.empty();
        Optional<String> jdbc = Optional.empty();
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--balance" -> account = once(account, args, i++);
                case "--at" -> day = once(day, args, i++);
                case "--jdbc" -> jdbc = once(jdbc, args, i++);
                default -> {
                    if (args[i].startsWith("-")) {
                        throw new IllegalArgumentException("unknown option " + args[i]);
                    }
                    if (file.isPresent()) {
                        throw new IllegalArgumentException("two files: " + file.get() + " and " + args[i]);
                    }
                    file = Optional.of(path(args[i]));
                }
            }
        }
        if (account.isPresent() != day.isPresent()) {
            throw new IllegalArgumentException("--balance and --at go together");
        }
        if (jdbc.isPresent() && !jdbc.get().startsWith(POSTGRESQL)) { // not shown, as there may be a password in it
            throw new IllegalArgumentException("--jdbc needs a URL that begins with " + POSTGRESQL);
        }
        var wantedDay = day.map(Options::date);
        return new Options(file, account.flatMap(number -> wantedDay.map(date -> new BalanceAt(number, date))), jdbc);
    }

    private static Optional<String> once(Optional<String> before, String[] args, int option) {
        if (before.isPresent()) {
            throw new IllegalArgumentException(args[option] + " is given twice");
        }
        if (option + 1 == args.length || args[option + 1].startsWith("--")) {
            throw new IllegalArgumentException(args[option] + " needs a value");
        }
        return Optional.of(args[option + 1]);
    }

    private static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException impossible) {
            throw new IllegalArgumentException("not a path: " + impossible.getMessage(), impossible);
        }
    }

    private static LocalDate date(String text) {
        try {
            if (text.length() == DATE.length()) { // the year 999999999 is none that an instant can have
                return LocalDate.parse(text);
            }
        } catch (DateTimeParseException wrong) {
            throw new IllegalArgumentException(noDate(text), wrong);
        }
        throw new IllegalArgumentException(noDate(text));
    }

    private static String noDate(String text) {
        return "--at " + text + " is no date; expected " + DATE;
    }
}
