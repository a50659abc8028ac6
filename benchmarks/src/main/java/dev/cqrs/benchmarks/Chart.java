package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Results.Cell;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Draws results as an SVG bar chart: {@code Chart CHART.svg RESULT.json...}.
 *
 * <p>A bar begins at the floor, which is the same work by hand, and its length tells how many times as long ours or a
 * peer takes, on a logarithmic scale: the median of the rounds; the whisker runs from the least to the greatest of a round.
 * What was not measured is left out. The background is transparent, and all colours are chosen for light and dark
 * pages.
 */
public final class Chart {

    private static final int WIDTH = 880;
    private static final int LEFT = 230;
    private static final int RIGHT = 150;
    private static final int BAR = 14;
    private static final int LINE = 22;
    private static final int TITLE = 34;
    private static final int TOP = 58;
    private static final double SMALLEST = 0.7;

    private static final String TEXT = "#757e88";
    private static final String GRID = "#8c959f";
    private static final String OURS = "#2f81f7";
    private static final String PEER = "#a3988c";

    private record Bar(String label, String method) {
        boolean isOurs() {
            return method.startsWith("cqrs");
        }
    }

    private record Group(String title, String benchmark, String[] parameters, List<Bar> bars) {}

    private record Drawn(String title, Cell floor, List<Bar> bars, List<Cell> cells) {}

    private static final Bar CQRS = new Bar("cqrs", "cqrs");
    private static final Bar AXON_4 = new Bar("Axon 4", "axon4");
    private static final Bar PIPELINR = new Bar("PipelinR", "pipelinr");
    private static final Bar OCCURRENT = new Bar("Occurrent", "occurrent");

    private static final List<Group> GROUPS = List.of(
            new Group(
                    "Send a command: 16 types at random, 100 handlers",
                    "CommandDispatchBenchmark",
                    new String[] {"types", "16", "handlers", "100"},
                    List.of(
                            new Bar("cqrs, route in hand", "cqrsHandlerFor"),
                            CQRS,
                            new Bar("cqrs, three interceptors", "cqrsThreeInterceptors"),
                            AXON_4,
                            new Bar("Axon 4, three interceptors", "axon4ThreeInterceptors"),
                            PIPELINR,
                            new Bar("PipelinR, three middlewares", "pipelinrThreeMiddlewares"))),
            new Group(
                    "Ask a query: 16 types at random, 100 handlers",
                    "QueryDispatchBenchmark",
                    new String[] {"types", "16", "handlers", "100"},
                    List.of(CQRS, AXON_4, PIPELINR)),
            new Group(
                    "First command of a process: build a bus of 100 handlers, three interceptors",
                    "ColdStartBenchmark",
                    new String[] {},
                    List.of(CQRS, PIPELINR, AXON_4)),
            append("Append an event if its account is unchanged: empty store", "0"),
            append("The same: 10,000 events in the store", "10000"),
            append("The same: 1,000,000 events in the store", "1000000"),
            new Group(
                    "Read an account's 10 events out of 1,000,000",
                    "ReadBenchmark",
                    new String[] {"history", "10"},
                    List.of(CQRS, OCCURRENT, AXON_4)),
            new Group("Replay 1,000,000 events", "ReplayBenchmark", new String[] {}, List.of(CQRS, AXON_4)),
            new Group(
                    "Sagas of three steps, 10,000 at a time",
                    "SagaBenchmark",
                    new String[] {},
                    List.of(CQRS, new Bar("Axon 4 (keeps nothing)", "axon4"))));

    private Chart() {}

    /** Writes the chart. */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length < 2) {
            throw new IllegalArgumentException("expected: Chart CHART.svg RESULT.json...");
        }
        var results =
                Results.read(Arrays.stream(arguments).skip(1).map(Path::of).toList());
        Files.writeString(Path.of(arguments[0]), draw(results));
    }

    private static Group append(String title, String preloaded) {
        return new Group(
                title,
                "AppendBenchmark",
                new String[] {"events", "1", "preloaded", preloaded},
                List.of(CQRS, new Bar("Axon 4 (checks nothing)", "axon4"), OCCURRENT));
    }

    private static String draw(Results results) {
        var groups = GROUPS.stream()
                .map(group -> select(results, group))
                .filter(group -> !group.cells().isEmpty())
                .toList();
        double largest = groups.stream()
                .flatMap(group -> group.cells().stream().map(cell -> greatest(cell.ratiosTo(group.floor()))))
                .reduce(10.0, Math::max);
        int lines = groups.stream().mapToInt(group -> group.cells().size()).sum();
        int height = TOP + groups.size() * TITLE + lines * LINE + 34;
        var svg = new StringBuilder(String.format(Locale.ROOT, """
                <svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img"
                  font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="13" fill="%s">
                <title>Time an operation, as a multiple of the same work by hand</title>
                """, WIDTH, height, WIDTH, height, TEXT));
        text(
                svg,
                0,
                18,
                "start",
                "font-size=\"16\" font-weight=\"600\"",
                "Time an operation, as a multiple of the same work by hand");
        text(
                svg,
                0,
                38,
                "start",
                "",
                "Shorter is better; logarithmic. Bar: median of the rounds; whisker: least to greatest of a round.");
        for (double power = 1; power <= largest; power *= 10) {
            text(svg, x(power, largest), height - 8, "middle", "", String.format(Locale.ROOT, "%,.0f×", power));
        }
        int y = TOP;
        for (var group : groups) {
            text(svg, 0, y + 22, "start", "font-weight=\"600\"", group.title());
            text(svg, WIDTH, y + 22, "end", "", "by hand " + time(group.floor().nanos()));
            y += TITLE;
            grid(svg, y, group.cells().size() * LINE, largest);
            for (int i = 0; i < group.cells().size(); i++) {
                bar(svg, y, group.bars().get(i), group.cells().get(i), group.floor(), largest);
                y += LINE;
            }
        }
        return svg.append("</svg>\n").toString();
    }

    private static Drawn select(Results results, Group group) {
        var bars = new ArrayList<Bar>();
        var cells = new ArrayList<Cell>();
        var floor = results.cell(group.benchmark() + ".floor", group.parameters());
        if (floor.isEmpty()) {
            return new Drawn(
                    group.title(), new Cell(new double[] {1}, "ns/op", java.util.Optional.empty()), bars, cells);
        }
        for (var bar : group.bars()) {
            results.cell(group.benchmark() + "." + bar.method(), group.parameters())
                    .ifPresent(cell -> {
                        bars.add(bar);
                        cells.add(cell);
                    });
        }
        return new Drawn(group.title(), floor.get(), bars, cells);
    }

    private static void grid(StringBuilder svg, int y, int height, double largest) {
        for (double power = 1; power <= largest; power *= 10) {
            svg.append(String.format(
                    Locale.ROOT,
                    "<path d=\"M%.1f %dv%d\" stroke=\"%s\" stroke-opacity=\"%s\"/>%n",
                    x(power, largest),
                    y - 4,
                    height,
                    GRID,
                    power == 1 ? "1" : "0.3"));
        }
    }

    private static void bar(StringBuilder svg, int y, Bar bar, Cell cell, Cell floor, double largest) {
        double[] ratios = cell.ratiosTo(floor);
        double ratio = Results.median(ratios);
        double from = x(1, largest);
        double to = x(ratio, largest);
        double least = x(ratios[0], largest);
        double most = x(greatest(ratios), largest);
        double middle = y + BAR / 2.0;
        var weight = bar.isOurs() ? "font-weight=\"600\"" : "";
        text(svg, LEFT - 12, y + 12, "end", weight, bar.label());
        svg.append(String.format(
                Locale.ROOT,
                "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"%s\"/>%n",
                Math.min(from, to),
                y,
                Math.max(1, Math.abs(to - from)),
                BAR,
                bar.isOurs() ? OURS : PEER));
        svg.append(String.format(
                Locale.ROOT,
                "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\" stroke=\"%s\" fill=\"none\"/>%n",
                least,
                middle,
                most,
                least,
                middle - 3,
                most,
                middle - 3,
                TEXT));
        text(svg, Math.max(to, most) + 8, y + 12, "start", weight, multiple(ratio) + "  ·  " + time(cell.nanos()));
    }

    private static double greatest(double[] ratios) {
        return ratios[ratios.length - 1];
    }

    private static double x(double ratio, double largest) {
        double share = Math.log(Math.max(ratio, SMALLEST) / SMALLEST) / Math.log(largest / SMALLEST);
        return LEFT + share * (WIDTH - LEFT - RIGHT);
    }

    private static void text(StringBuilder svg, double x, double y, String anchor, String style, String text) {
        svg.append(String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>%n",
                x,
                y,
                anchor,
                style,
                text.replace("&", "&amp;").replace("<", "&lt;")));
    }

    private static String multiple(double ratio) {
        return ratio < 10
                ? String.format(Locale.ROOT, "%.1f×", ratio)
                : String.format(Locale.ROOT, "%,d×", Math.round(ratio));
    }

    private static String time(double nanos) {
        if (nanos < 1e3) {
            return digits(nanos) + " ns";
        }
        return nanos < 1e6 ? digits(nanos / 1e3) + " µs" : digits(nanos / 1e6) + " ms";
    }

    private static String digits(double value) {
        return value < 10 ? String.format(Locale.ROOT, "%.1f", value) : String.format(Locale.ROOT, "%.0f", value);
    }
}
