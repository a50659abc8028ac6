package dev.cqrs.examples.bank;

import dev.cqrs.examples.bank.Row.Direction;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads one line of the PKDD'99 format: ten columns between semicolons, text in quotation marks.
 *
 * <p>Columns are checked from left to right, and the first that is wrong is the reason. Text is for people and not
 * checked: operation, k_symbol, bank and account (the partner's).
 */
final class RowParser {

    /** The names of the columns, which the first line of a file must show. */
    static final List<String> COLUMNS = List.of(
            "trans_id", "account_id", "date", "type", "operation", "amount", "balance", "k_symbol", "bank", "account");

    private static final int MAX_ID_DIGITS = 18;
    private static final int MAX_QUOTED = 40;

    /** Why a line is no row. It stays inside this class, where unwinding is the plainest way to stop at a column. */
    private static final class Fault extends Exception {

        private static final long serialVersionUID = 1L;

        private final String reason;

        Fault(String reason) {
            super(reason, null, false, false);
            this.reason = reason;
        }
    }

    private RowParser() {}

    /** Says whether a line shows the names of the columns. */
    static boolean isHeader(String text) {
        try {
            return split(text).equals(COLUMNS);
        } catch (Fault notEvenColumns) {
            return false;
        }
    }

    /** Reads a line; what is wrong with it is a value too. */
    static Row parse(long line, String text) {
        try {
            var columns = split(text);
            if (columns.size() != COLUMNS.size()) {
                throw new Fault("it has " + columns.size() + (columns.size() == 1 ? " column" : " columns")
                        + "; expected " + COLUMNS.size());
            }
            return new Row.Transaction(
                    line,
                    id("trans_id", columns.get(0)),
                    id("account_id", columns.get(1)),
                    date(columns.get(2)),
                    direction(columns.get(3)),
                    amount(columns.get(5)),
                    money("balance", columns.get(6)));
        } catch (Fault fault) {
            return new Row.Malformed(line, fault.reason);
        }
    }

    private static List<String> split(String text) throws Fault {
        var columns = new ArrayList<String>(COLUMNS.size());
        int at = 0;
        while (true) {
            int end;
            if (at < text.length() && text.charAt(at) == '"') {
                end = closingQuote(text, at);
                columns.add(text.substring(at + 1, end).replace("\"\"", "\""));
                end++;
                if (end < text.length() && text.charAt(end) != ';') {
                    throw new Fault("column " + columns.size() + " goes on behind its closing quotation mark");
                }
            } else {
                int semicolon = text.indexOf(';', at);
                end = semicolon < 0 ? text.length() : semicolon;
                columns.add(text.substring(at, end));
                if (columns.get(columns.size() - 1).indexOf('"') >= 0) {
                    throw new Fault("column " + columns.size() + " holds a quotation mark but does not begin with one");
                }
            }
            if (end >= text.length()) {
                return columns;
            }
            at = end + 1;
        }
    }

    /** Where the quotation that opens at {@code open} ends: at the first mark that is not doubled. */
    private static int closingQuote(String text, int open) throws Fault {
        int at = text.indexOf('"', open + 1);
        while (at >= 0 && at + 1 < text.length() && text.charAt(at + 1) == '"') {
            at = text.indexOf('"', at + 2);
        }
        if (at < 0) {
            throw new Fault("a quotation mark is not closed");
        }
        return at;
    }

    private static String id(String column, String text) throws Fault {
        present(column, text);
        if (!isDigits(text, 0, text.length()) || text.length() > MAX_ID_DIGITS) {
            throw new Fault(
                    column + " " + quote(text) + " is no number; expected at most " + MAX_ID_DIGITS + " digits");
        }
        return text;
    }

    private static LocalDate date(String text) throws Fault {
        present("date", text);
        if (text.length() == 6 && isDigits(text, 0, 6)) {
            try {
                // the bank wrote in the 20th century: a two-digit year is always 19yy
                return LocalDate.of(1900 + twoDigits(text, 0), twoDigits(text, 2), twoDigits(text, 4));
            } catch (DateTimeException noSuchDay) {
                throw new Fault("date " + quote(text) + " is no day of the calendar; expected yyMMdd");
            }
        }
        throw new Fault("date " + quote(text) + " is no date; expected yyMMdd");
    }

    private static Direction direction(String text) throws Fault {
        present("type", text);
        return switch (text) {
            case "PRIJEM" -> Direction.CREDIT;
            case "VYDAJ", "VYBER" -> Direction.DEBIT;
            default -> throw new Fault("type " + quote(text) + " is unknown; expected PRIJEM, VYDAJ or VYBER");
        };
    }

    private static BigDecimal amount(String text) throws Fault {
        var amount = money("amount", text);
        if (amount.signum() < 0) {
            throw new Fault(
                    "amount " + quote(text) + " is negative; expected zero or more, as the type says which way");
        }
        return amount;
    }

    private static BigDecimal money(String column, String text) throws Fault {
        present(column, text);
        int start = text.charAt(0) == '-' ? 1 : 0;
        int point = text.indexOf('.');
        int units = point < 0 ? text.length() : point;
        if (!isDigits(text, start, units) || (point >= 0 && !isDigits(text, point + 1, text.length()))) {
            throw new Fault(column + " " + quote(text) + " is no number; expected one such as 12.50");
        }
        if (point >= 0 && text.length() - point - 1 > 2) {
            throw new Fault(column + " " + quote(text) + " has more than two decimals");
        }
        return new BigDecimal(text).setScale(2);
    }

    private static void present(String column, String text) throws Fault {
        if (text.isEmpty()) {
            throw new Fault(column + " is missing");
        }
    }

    /** Says whether {@code text} has digits, and nothing else, from {@code start} to {@code end}. */
    private static boolean isDigits(String text, int start, int end) {
        for (int i = start; i < end; i++) {
            if (text.charAt(i) < '0' || text.charAt(i) > '9') {
                return false;
            }
        }
        return start < end;
    }

    private static int twoDigits(String text, int at) {
        return (text.charAt(at) - '0') * 10 + text.charAt(at + 1) - '0';
    }

    /** Foreign text, cut and without control characters, so that it cannot spoil a terminal. */
    private static String quote(String text) {
        var shown = text.length() > MAX_QUOTED ? text.substring(0, MAX_QUOTED) + "..." : text;
        return '"' + shown.replaceAll("\\p{Cntrl}", "?") + '"';
    }
}
