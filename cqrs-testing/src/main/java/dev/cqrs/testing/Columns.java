package dev.cqrs.testing;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Two lists of objects side by side, with a mark at each line where they differ. */
final class Columns {

    private static final String THROWS = " (its text throws ";
    private static final int WIDTH = 60;
    private static final String NOTHING = "-";

    /** Beyond so many pairs, lines are paired by their number alone. */
    private static final long MAX_PAIRS = 1_000_000;

    private final StringBuilder text = new StringBuilder();
    private final StringBuilder hints = new StringBuilder();
    private final int width;
    private boolean differs;

    private Columns(int width) {
        this.width = width;
    }

    /** Stands where a state has null, as a row has null where there is nothing. */
    private enum Null {
        NULL;

        @Override
        public String toString() {
            return "null";
        }
    }

    private record Row(@Nullable Object expected, @Nullable Object actual) {}

    /** Gives the table, and below it what may puzzle. */
    static String of(List<?> expected, List<?> actual) {
        var rows = new ArrayList<Row>();
        pair(expected, actual, rows);
        int width = expected.stream()
                .flatMap(object -> lines(object).stream())
                .mapToInt(String::length)
                .max()
                .orElse(0);
        var columns = new Columns(Math.max("expected".length(), width));
        columns.line("  ", "expected", "actual");
        for (var row : rows) {
            columns.add(row);
        }
        if (rows.isEmpty()) {
            columns.line("  ", NOTHING, NOTHING);
        }
        return columns.text.toString() + columns.hints;
    }

    /** Gives what a state is made of, line by line: the entries of a map, the elements of a collection, or itself. */
    static List<?> partsOf(Object state) {
        if (state instanceof Map<?, ?> map) {
            return map.entrySet().stream()
                    .sorted(Comparator.comparing(entry -> textOf(entry.getKey())))
                    .toList();
        }
        if (state instanceof Set<?> set) {
            return present(set).sorted(Comparator.comparing(Columns::textOf)).toList();
        }
        return state instanceof Collection<?> collection ? present(collection).toList() : List.of(state);
    }

    private static Stream<Object> present(Collection<?> elements) {
        return elements.stream().map(element -> element == null ? Null.NULL : element);
    }

    /** As {@link #of}, for two states, which are not equal. */
    static String ofStates(Object expected, Object actual) {
        var columns = of(partsOf(expected), partsOf(actual));
        return partsOf(expected).equals(partsOf(actual))
                ? columns + "All lines are equal, but the whole is not: " + kind(expected) + " is expected, and "
                        + kind(actual) + " it is.\n"
                : columns;
    }

    private void add(Row row) {
        boolean equal = row.expected() != null && row.expected().equals(row.actual());
        var left = row.expected() == null ? List.of(NOTHING) : lines(row.expected());
        var right = row.actual() == null ? List.of(NOTHING) : lines(row.actual());
        for (int i = 0; i < Math.max(left.size(), right.size()); i++) {
            line(equal ? "  " : "! ", i < left.size() ? left.get(i) : "", i < right.size() ? right.get(i) : "");
        }
        if (row.expected() != null && row.actual() != null && !equal) {
            hint(row.expected(), row.actual());
        }
    }

    private void hint(Object expected, Object actual) {
        if (!textOf(expected).equals(textOf(actual)) || textOf(expected).contains(THROWS)) {
            return;
        }
        if (expected.getClass() != actual.getClass()) {
            hints.append("They read the same, but are a ")
                    .append(expected.getClass().getName())
                    .append(" and a ")
                    .append(actual.getClass().getName())
                    .append(".\n");
        } else if (!differs) {
            differs = true;
            hints.append("They read the same, but are not equal: ")
                    .append(expected.getClass().getName())
                    .append(" needs an equals that compares what is in it. Records have one, but not for arrays.\n");
        }
    }

    private void line(String mark, String left, String right) {
        text.append((mark + left + " ".repeat(width - Math.min(width, left.length())) + " | " + right).stripTrailing())
                .append('\n');
    }

    /** Pairs what is equal in both, in order and as much as possible, and what lies between by its place. */
    private static void pair(List<?> expected, List<?> actual, List<Row> rows) {
        var common = (long) expected.size() * actual.size() > MAX_PAIRS
                ? new int[expected.size() + 1][0]
                : commonLengths(expected, actual);
        int e = 0;
        int a = 0;
        int firstE = 0;
        int firstA = 0;
        while (common[0].length > 0 && e < expected.size() && a < actual.size()) {
            if (expected.get(e).equals(actual.get(a))) {
                zip(expected.subList(firstE, e), actual.subList(firstA, a), rows);
                rows.add(new Row(expected.get(e++), actual.get(a++)));
                firstE = e;
                firstA = a;
            } else if (common[e + 1][a] >= common[e][a + 1]) {
                e++;
            } else {
                a++;
            }
        }
        zip(expected.subList(firstE, expected.size()), actual.subList(firstA, actual.size()), rows);
    }

    /** The length of the longest sequence that is common to the two lists from each pair of places on. */
    private static int[][] commonLengths(List<?> expected, List<?> actual) {
        var lengths = new int[expected.size() + 1][actual.size() + 1];
        for (int e = expected.size() - 1; e >= 0; e--) {
            for (int a = actual.size() - 1; a >= 0; a--) {
                lengths[e][a] = expected.get(e).equals(actual.get(a))
                        ? lengths[e + 1][a + 1] + 1
                        : Math.max(lengths[e + 1][a], lengths[e][a + 1]);
            }
        }
        return lengths;
    }

    private static void zip(List<?> expected, List<?> actual, List<Row> rows) {
        for (int i = 0; i < Math.max(expected.size(), actual.size()); i++) {
            rows.add(new Row(i < expected.size() ? expected.get(i) : null, i < actual.size() ? actual.get(i) : null));
        }
    }

    /** Cuts the text of an object into lines that fit the column. */
    private static List<String> lines(Object object) {
        var lines = new ArrayList<String>();
        for (var line : textOf(object).split("\\R", -1)) {
            for (int i = 0; i == 0 || i < line.length(); i += WIDTH) {
                lines.add(line.substring(i, Math.min(line.length(), i + WIDTH)));
            }
        }
        return lines;
    }

    /** The text of an object; of one that has none of its own, the name of its class, which is the same in each run. */
    static String textOf(@Nullable Object object) {
        if (object == null) {
            return "null";
        }
        var name = object.getClass().getName();
        try {
            var text = object.toString();
            boolean none =
                    text.startsWith(name + "@") && text.equals(name + "@" + Integer.toHexString(object.hashCode()));
            return none ? name + " (it has no text)" : text;
        } catch (RuntimeException | StackOverflowError thrown) { // or null for a text; or objects in a circle
            return name + THROWS + thrown.getClass().getName() + ")";
        }
    }

    private static String kind(Object state) {
        return "a " + state.getClass().getName();
    }
}
