package dev.cqrs.examples.statement;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Reads a file of the PKDD'99 format: a line that names the columns, then one row a line, between semicolons, text in
 * quotation marks. No text of this format holds a semicolon or a quotation mark.
 */
final class Table {

    private static final Pattern NUMBER = Pattern.compile("\\d{1,15}");
    private static final Pattern MONEY = Pattern.compile("\\d{1,12}(\\.\\d{1,2})?");
    private static final int SHOWN = 40;

    private Table() {}

    /** Makes a record of a row. */
    @FunctionalInterface
    interface Reading<T> {
        T read(Row row) throws UnusableDataException;
    }

    /** One row; each column is asked for by its name and checked then. */
    static final class Row {

        private final String where;
        private final Map<String, Integer> names;
        private final String[] values;

        private Row(String where, Map<String, Integer> names, String[] values) {
            this.where = where;
            this.names = names;
            this.values = values;
        }

        /** Any text, which may be empty or, where the bank did not know, blank. */
        String text(String column) throws UnusableDataException {
            var at = names.get(column);
            if (at == null) {
                throw new UnusableDataException(where, "the file has no column " + column);
            }
            return values[at].strip();
        }

        /** The number of something, or of how many. */
        String id(String column) throws UnusableDataException {
            var text = text(column);
            if (!NUMBER.matcher(text).matches()) {
                throw fault(column, text, "a number of at most 15 digits");
            }
            return text;
        }

        int count(String column) throws UnusableDataException {
            var text = id(column);
            if (text.length() > 6) {
                throw fault(column, text, "at most 999999");
            }
            return Integer.parseInt(text);
        }

        /** An amount in hellers. */
        long money(String column) throws UnusableDataException {
            var text = text(column);
            if (!MONEY.matcher(text).matches()) {
                throw fault(column, text, "an amount such as 12.50");
            }
            int point = text.indexOf('.');
            var decimals = point < 0 ? "" : text.substring(point + 1);
            var units = point < 0 ? text : text.substring(0, point);
            return Long.parseLong(units) * 100 + Long.parseLong((decimals + "00").substring(0, 2));
        }

        /** A day; a time behind it is of no interest. The bank wrote in the 20th century. */
        LocalDate date(String column) throws UnusableDataException {
            return date(column, text(column), 0);
        }

        /** A day of birth, in whose number the month of a woman is 50 higher. */
        LocalDate birth(String column) throws UnusableDataException {
            return date(column, text(column), isFemale(column) ? 50 : 0);
        }

        boolean isFemale(String column) throws UnusableDataException {
            var text = text(column);
            return text.length() == 6 && text.charAt(2) >= '5';
        }

        private LocalDate date(String column, String text, int added) throws UnusableDataException {
            if (text.length() >= 6 && NUMBER.matcher(text.substring(0, 6)).matches()) {
                int number = Integer.parseInt(text.substring(0, 6));
                try {
                    return LocalDate.of(1900 + number / 10_000, number / 100 % 100 - added, number % 100);
                } catch (DateTimeException noSuchDay) {
                    throw fault(column, text, "a day of the calendar, yyMMdd");
                }
            }
            throw fault(column, text, "a date, yyMMdd");
        }

        /** What to throw of a column's value. */
        UnusableDataException fault(String column, String text, String expected) {
            var shown = text.length() > SHOWN ? text.substring(0, SHOWN) + "..." : text;
            return new UnusableDataException(
                    where, column + " \"" + shown.replaceAll("\\p{Cntrl}", "?") + "\"; expected " + expected);
        }
    }

    /** Reads all rows; ids in {@code key} must differ. */
    static <T> List<T> read(String name, InputStream in, String key, Reading<T> reading)
            throws IOException, UnusableDataException {
        var read = new ArrayList<T>();
        var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.ISO_8859_1));
        var header = lines.readLine();
        if (header == null) {
            throw new UnusableDataException(name, "the file is empty");
        }
        var names = new HashMap<String, Integer>();
        Arrays.stream(split(header)).forEach(column -> names.put(column, names.size()));
        var keys = new HashSet<String>();
        int number = 1;
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            var where = name + ", line " + number;
            var values = split(line);
            if (values.length != names.size()) {
                throw new UnusableDataException(where, values.length + " columns; expected " + names.size());
            }
            var row = new Row(where, names, values);
            if (!keys.add(row.id(key))) {
                throw row.fault(key, row.id(key), "one that no row before has");
            }
            read.add(reading.read(row));
        }
        return read;
    }

    private static String[] split(String line) {
        var columns = line.split(";", -1);
        for (int i = 0; i < columns.length; i++) {
            var text = columns[i];
            boolean quoted = text.length() >= 2 && text.startsWith("\"") && text.endsWith("\"");
            columns[i] = quoted ? text.substring(1, text.length() - 1) : text;
        }
        return columns;
    }
}
