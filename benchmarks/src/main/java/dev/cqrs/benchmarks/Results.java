package dev.cqrs.benchmarks;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * The results of one or more JMH runs.
 *
 * <p>A cell's forks are summed up by the median of each, and the cell by the median of those: a fork is what repeats,
 * since what the JIT compiler decided in it colours all of its iterations. Two cells are compared round by round, as forks
 * with the same number ran next to each other ({@link Rounds}).
 */
final class Results {

    private final Map<String, Cell> cells = new LinkedHashMap<>();

    /** One method with its parameters: the median of each fork, in the order of the rounds, in the unit of JMH's score. */
    record Cell(double[] forks, String unit, Optional<Double> bytes, double[] tails) {

        Cell(double[] forks, String unit, Optional<Double> bytes) {
            this(forks, unit, bytes, new double[0]);
        }

        /** The same with the slowest of a hundred in place of the median; empty where single times are not known. */
        Optional<Cell> tail() {
            return tails.length == 0 ? Optional.empty() : Optional.of(new Cell(tails, unit, bytes));
        }

        double median() {
            return Results.median(ascending(forks));
        }

        /** This one's time by the other's, round by round, ascending; a cell of fewer rounds goes round again. */
        double[] ratiosTo(Cell other) {
            double scale = scale() / other.scale();
            int rounds = Math.max(forks.length, other.forks.length);
            return ascending(IntStream.range(0, rounds)
                    .mapToDouble(i -> forks[i % forks.length] / other.forks[i % other.forks.length] * scale)
                    .toArray());
        }

        /** The median in nanoseconds. */
        double nanos() {
            return median() * scale();
        }

        double scale() {
            return switch (unit) {
                case "ns/op" -> 1;
                case "us/op" -> 1e3;
                case "ms/op" -> 1e6;
                case "s/op" -> 1e9;
                default -> throw new IllegalStateException("unit " + unit + "; expected a time an operation");
            };
        }
    }

    /** Reads result files, the later ones adding to the earlier ones; on the same cell the first wins. */
    static Results read(List<Path> files) throws IOException {
        var results = new Results();
        var mapper = new ObjectMapper();
        for (var file : files) {
            try (var in = Files.newInputStream(file)) {
                for (var entry : mapper.readTree(in)) {
                    results.add(entry);
                }
            }
        }
        return results;
    }

    private void add(JsonNode entry) {
        var metric = entry.required("primaryMetric");
        var forks = new ArrayList<Double>();
        var tails = new ArrayList<Double>();
        for (var fork : metric.path("rawData")) {
            var iterations = new ArrayList<Double>();
            fork.forEach(iteration -> iterations.add(iteration.asDouble()));
            forks.add(median(ascending(iterations)));
        }
        for (var fork :
                metric.path("rawDataHistogram")) { // of single times, value and count, each iteration's ascending
            var middles = new ArrayList<Double>();
            var slow = new ArrayList<Double>();
            fork.forEach(iteration -> {
                middles.add(quantile(iteration, 0.5));
                slow.add(quantile(iteration, 0.99));
            });
            forks.add(median(ascending(middles)));
            tails.add(median(ascending(slow)));
        }
        var bytes = entry.path("secondaryMetrics").path("gc.alloc.rate.norm").path("score");
        var parameters = new TreeMap<String, String>();
        entry.path("params")
                .properties()
                .forEach(e -> parameters.put(e.getKey(), e.getValue().asText()));
        cells.putIfAbsent(
                key(entry.required("benchmark").asText(), parameters),
                new Cell(
                        inOrder(forks),
                        metric.required("scoreUnit").asText(),
                        bytes.isNumber() ? Optional.of(bytes.asDouble()) : Optional.empty(),
                        inOrder(tails)));
    }

    /**
     * Finds a cell.
     *
     * @param benchmark class and method, such as {@code "ReadBenchmark.cqrs"}
     * @param parameters names and values in turn
     */
    Optional<Cell> cell(String benchmark, String... parameters) {
        var map = new TreeMap<String, String>();
        for (int i = 0; i < parameters.length; i += 2) {
            map.put(parameters[i], parameters[i + 1]);
        }
        return Optional.ofNullable(cells.get(key("dev.cqrs.benchmarks." + benchmark, map)));
    }

    private static String key(String benchmark, TreeMap<String, String> parameters) {
        return benchmark + parameters;
    }

    private static double[] inOrder(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).toArray();
    }

    private static double[] ascending(List<Double> values) {
        return ascending(inOrder(values));
    }

    private static double[] ascending(double[] values) {
        return Arrays.stream(values).sorted().toArray();
    }

    private static double quantile(JsonNode histogram, double share) {
        long left = 0;
        for (var entry : histogram) {
            left += entry.get(1).asLong();
        }
        left = (long) Math.ceil(left * share);
        for (var entry : histogram) {
            left -= entry.get(1).asLong();
            if (left <= 0) {
                return entry.get(0).asDouble();
            }
        }
        throw new IllegalStateException("an iteration without a single time; expected at least one");
    }

    static double median(double[] ascending) {
        if (ascending.length == 0) {
            throw new IllegalStateException("no measurements; expected at least one fork with one iteration");
        }
        int middle = ascending.length / 2;
        return ascending.length % 2 == 1
                ? ascending[middle]
                : Arrays.stream(ascending, middle - 1, middle + 1).average().orElseThrow();
    }
}
