package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Results.Cell;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * Holds results against what this library promises: {@code Gates RESULT.json...}, where the results of several runs
 * under the same JDK may be given, {@code --axon5 RESULT.json} for a run beside Axon 5 on its own JDK, and
 * {@code --interceptors RESULT.json} for one of the library's own interceptors, which has a floor of its own.
 *
 * <p>Prints a row a promise with the gate, the goal and what was measured: ours divided by the other, in the middle of the
 * rounds, and in brackets the least and the greatest of a round. Exits with status 1 if a gate is missed or a measurement
 * is missing.
 */
public final class Gates {

    private static final String[] SIXTEEN = {"types", "16", "handlers", "100"};
    private static final String[] ONE = {"types", "1", "handlers", "100"};

    private final List<String> rows = new ArrayList<>();
    private int missed;

    private Gates() {}

    /** Prints the table. */
    public static void main(String[] arguments) throws IOException {
        var files = new ArrayList<Path>();
        var axon5 = new ArrayList<Path>();
        var interceptors = new ArrayList<Path>();
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].equals("--axon5") && i + 1 < arguments.length) {
                axon5.add(Path.of(arguments[++i]));
            } else if (arguments[i].equals("--interceptors") && i + 1 < arguments.length) {
                interceptors.add(Path.of(arguments[++i]));
            } else {
                files.add(Path.of(arguments[i]));
            }
        }
        var gates = new Gates();
        gates.check(Results.read(files), Results.read(axon5), Results.read(interceptors));
        gates.rows.forEach(System.out::println);
        System.exit(gates.missed == 0 ? 0 : 1);
    }

    private void check(Results results, Results axon5, Results interceptors) {
        rows.add("| what | gate | goal | measured | |");
        rows.add("|---|---:|---:|---:|---|");
        for (var kind : List.of("Command", "Query")) {
            dispatch(results, kind);
        }
        interceptors(interceptors);
        publishing(results);
        most(
                "cold start: 100 handlers, three interceptors, first command, ms",
                25,
                5,
                results.cell("ColdStartBenchmark.cqrs"),
                c -> c.nanos() / 1e6);

        for (var size : List.of("0", "10000", "1000000")) {
            var store = new String[] {"events", "1", "preloaded", size};
            slower(
                    "append one event at " + size + ", of floor",
                    3,
                    1.6,
                    results.cell("AppendBenchmark.cqrs", store),
                    results.cell("AppendBenchmark.floor", store));
        }
        var empty = new String[] {"events", "1", "preloaded", "0"};
        var filled = new String[] {"events", "1", "preloaded", "10000"};
        var ours = results.cell("AppendBenchmark.cqrs", empty);
        bytesAbove(
                "append one event, B allocated above floor's", 400, ours, results.cell("AppendBenchmark.floor", empty));
        most(
                "retained, 10 events an entity, B an event",
                128,
                80,
                results.cell("MemoryFootprint.cqrs", "history", "10"),
                Cell::median);
        faster("append one event at 0, times Axon 4", 1, 3, ours, results.cell("AppendBenchmark.axon4", empty));
        faster(
                "append one event at 10000, times Occurrent",
                3,
                3,
                results.cell("AppendBenchmark.cqrs", filled),
                results.cell("AppendBenchmark.occurrent", filled));
        faster(
                "append one event at 0, times Axon 5 on its JDK",
                5,
                5,
                axon5.cell("AppendBenchmark.cqrs", empty),
                axon5.cell("AppendBenchmark.axon5", empty));
        slower(
                "read of 10, of floor",
                2.5,
                1.5,
                results.cell("ReadBenchmark.cqrs", "history", "10"),
                results.cell("ReadBenchmark.floor", "history", "10"));
        slower(
                "replay, of floor",
                2.2,
                1.4,
                results.cell("ReplayBenchmark.cqrs"),
                results.cell("ReplayBenchmark.floor"));
        projections(results);
        faster(
                "throughput of two threads on one store, of one thread's",
                0.6,
                1,
                results.cell("AppendBenchmark.cqrsTwoThreads", empty),
                ours);
        decisions(results);
        queue(results);
        sagas(results);
        postgres(results);
        most(
                "10,000,000 events held and replayed, MiB of 2560",
                2560,
                2048,
                results.cell("LargeLog.held", "events", "10000000", "history", "10"),
                Cell::median);
    }

    private void projections(Results results) {
        slower(
                "catch-up of a projection, of floor",
                1.5,
                1.2,
                results.cell("ProjectionBenchmark.cqrs"),
                results.cell("ProjectionBenchmark.floor"));
        bytesAbove(
                "inline projection, B allocated above the append's",
                0,
                results.cell("ProjectionBenchmark.cqrsInline"),
                results.cell("ProjectionBenchmark.appendAlone"));
        slower(
                "from append to a background view, median, of a bare hand-over",
                2,
                1.5,
                results.cell("HandOverBenchmark.cqrs"),
                results.cell("HandOverBenchmark.floor"));
    }

    private void decisions(Results results) {
        var thousand = new String[] {"history", "1000"};
        var ours = results.cell("DeciderBenchmark.cqrs", thousand);
        slower("decide on 1000 events, of floor", 1.5, 1.2, ours, results.cell("DeciderBenchmark.floor", thousand));
        slower(
                "decide on 100000 events with a snapshot, of 10 without",
                2,
                1,
                results.cell("DeciderBenchmark.cqrsSnapshot", "history", "100000"),
                results.cell("DeciderBenchmark.cqrs", "history", "10"));
        faster(
                "decide on 1000 events, times Axon 4",
                5,
                20,
                ours,
                results.cell("DeciderBenchmark.axon4Apart", thousand));
        for (var way : List.of("Journal", "History")) {
            slower(
                    "decide on 10 events with a " + way.toLowerCase(Locale.ROOT) + ", of floor",
                    3,
                    2,
                    results.cell("JournalBenchmark.cqrs" + way, "history", "10"),
                    results.cell("JournalBenchmark.floor", "history", "10"));
        }
        var alone = results.cell("ContentionBenchmark.oneThread");
        for (var way : List.of("OneTag", "EightTags")) {
            faster(
                    "throughput of deciding, eightThreads" + way + ", of one thread's",
                    0.8,
                    1,
                    results.cell("ContentionBenchmark.eightThreads" + way),
                    alone);
        }
    }

    private void queue(Results results) {
        var gates = new double[] {0.6, 0.8, 1};
        var keys = List.of("1", "16", "1000");
        for (int i = 0; i < gates.length; i++) {
            var load = new String[] {"keys", keys.get(i)};
            var ours = results.cell("QueueBenchmark.cqrs", load);
            var what = "queue at full load, " + keys.get(i) + (i == 0 ? " key, " : " keys, ");
            slower(what + "of floor", gates[i], gates[i] / 2, ours, results.cell("QueueBenchmark.floor", load));
            faster(what + "times Axon 4", 10, 20, ours, results.cell("QueueBenchmark.axon4", load));
        }
        var one = new String[] {"keys", "1"};
        var ours = results.cell("QueueBenchmark.cqrsRoundTrip", one);
        var floor = results.cell("QueueBenchmark.floorRoundTrip", one);
        slower("queue, round trip, median, of floor", 1, 0.5, ours, floor);
        slower(
                "queue, round trip, slowest of a hundred, of floor",
                1,
                0.5,
                ours.flatMap(Cell::tail),
                floor.flatMap(Cell::tail));
    }

    private void sagas(Results results) {
        var ours = results.cell("SagaBenchmark.cqrs");
        slower("saga of three steps, of floor", 2, 1.5, ours, results.cell("SagaBenchmark.floor"));
        faster("saga of three steps, times Axon 4", 1, 3, ours, results.cell("SagaBenchmark.axon4"));
        var many = new String[] {"sagas", "1000000"};
        most("retained, a saga that waits, B", 300, 250, results.cell("SagaFootprint.waiting", many), Cell::median);
        slower(
                "tick by which one of a million sagas becomes due, of one of a thousand",
                3,
                2,
                results.cell("SagaFootprint.tick", many),
                results.cell("SagaFootprint.tick", "sagas", "1000"));
    }

    private void postgres(Results results) {
        var benchmark = "JdbcAppendBenchmark.";
        faster(
                "PostgreSQL: appends of one thread, times the floor's rate",
                0.6,
                0.8,
                results.cell(benchmark + "cqrs"),
                results.cell(benchmark + "floor"));
        faster(
                "PostgreSQL: appends of sixteen threads, times Axon 4",
                2,
                4,
                results.cell(benchmark + "cqrsSixteenThreads"),
                results.cell(benchmark + "axon4SixteenThreads"));
        slower(
                "PostgreSQL: read of 10, of one row by its key",
                3,
                2,
                results.cell(benchmark + "cqrsReadTen"),
                results.cell(benchmark + "floorReadOne"));
        most(
                "PostgreSQL: catch-up, µs an event",
                10,
                2.5,
                results.cell(benchmark + "cqrsCatchUp"),
                c -> c.nanos() / 1e3);
    }

    private void publishing(Results results) {
        var three = new String[] {"subscribers", "3"};
        var ours = results.cell("EventPublishBenchmark.cqrs", three);
        slower("publish to 3, of floor", 1.6, 1.2, ours, results.cell("EventPublishBenchmark.floor", three));
        nothingAllocated("publish to 3, B", ours);
        faster("publish to 3, times Guava", 6, 10, ours, results.cell("EventPublishBenchmark.guava", three));
        faster("publish to 3, times Spring", 6, 10, ours, results.cell("EventPublishBenchmark.spring", three));
        faster("publish to 3, times Axon 4", 15, 25, ours, results.cell("EventPublishBenchmark.axon4", three));
    }

    private void dispatch(Results results, String kind) {
        var benchmark = kind + "DispatchBenchmark.";
        var name = kind.toLowerCase(Locale.ROOT);
        var floor = results.cell(benchmark + "floor", SIXTEEN);
        var ours = results.cell(benchmark + "cqrs", SIXTEEN);
        var three = results.cell(benchmark + "cqrsThreeInterceptors", SIXTEEN);
        var route = results.cell(benchmark + "cqrsHandlerFor", SIXTEEN);
        var threeOfOne = results.cell(benchmark + "cqrsThreeInterceptors", ONE);
        slower(name + ", 16 types, of floor", 2, 1.5, ours, floor);
        slower(name + ", 16 types, three interceptors, of floor", 2.5, 1.8, three, floor);
        slower(name + ", 16 types, handlerFor, of floor", 1.3, 1.1, route, floor);
        slower(
                name + ", 1 type, three interceptors, of floor",
                4.5,
                2.5,
                threeOfOne,
                results.cell(benchmark + "floor", ONE));
        nothingAllocated(name + ", 16 types, B", ours);
        nothingAllocated(name + ", 16 types, three interceptors, B", three);
        nothingAllocated(name + ", 16 types, handlerFor, B", route);
        nothingAllocated(name + ", 1 type, three interceptors, B", threeOfOne);
        faster(name + ", 16 types, times Axon 4", 15, 35, ours, results.cell(benchmark + "axon4", SIXTEEN));
        faster(
                name + ", 16 types, three interceptors, times Axon 4",
                15,
                35,
                three,
                results.cell(benchmark + "axon4ThreeInterceptors", SIXTEEN));
        faster(name + ", 16 types, times PipelinR", 50, 120, ours, results.cell(benchmark + "pipelinr", SIXTEEN));
        faster(
                name + ", 16 types, three interceptors, times PipelinR",
                50,
                120,
                three,
                results.cell(benchmark + "pipelinrThreeMiddlewares", SIXTEEN));
    }

    private void interceptors(Results results) {
        for (var types : List.of(SIXTEEN, ONE)) {
            boolean one = types[1].equals("1");
            var name = "command, " + types[1] + (one ? " type" : " types") + ", observation, validation and retry, ";
            var ours = results.cell("CommandDispatchBenchmark.cqrsObservationValidationRetry", types);
            var floor = results.cell("CommandDispatchBenchmark.floor", types);
            slower(name + "of floor", one ? 4.5 : 2.5, one ? 2.5 : 1.8, ours, floor);
            nothingAllocated(name + "B", ours);
        }
    }

    /** Ours takes at most {@code gate} times as long as the other. */
    private void slower(String what, double gate, double goal, Optional<Cell> ours, Optional<Cell> other) {
        ratio(what, true, gate, goal, ours, other);
    }

    /** Ours is at least {@code gate} times as fast as the other. */
    private void faster(String what, double gate, double goal, Optional<Cell> ours, Optional<Cell> other) {
        ratio(what, false, gate, goal, other, ours);
    }

    private void ratio(
            String what, boolean atMost, double gate, double goal, Optional<Cell> above, Optional<Cell> below) {
        if (above.isEmpty() || below.isEmpty()) {
            missing(what, atMost, gate, goal);
            return;
        }
        double[] ratios = above.get().ratiosTo(below.get());
        double ratio = Results.median(ratios);
        var text = number(ratio) + " (" + number(ratios[0]) + " to " + number(ratios[ratios.length - 1]) + ")";
        row(what, atMost, gate, goal, ratio, text);
    }

    private void most(String what, double gate, double goal, Optional<Cell> cell, ToDoubleFunction<Cell> value) {
        if (cell.isEmpty()) {
            missing(what, true, gate, goal);
            return;
        }
        double measured = value.applyAsDouble(cell.get());
        row(what, true, gate, goal, measured, number(measured));
    }

    private void bytesAbove(String what, double gate, Optional<Cell> ours, Optional<Cell> floor) {
        var bytes = ours.flatMap(Cell::bytes);
        var by = floor.flatMap(Cell::bytes);
        if (bytes.isEmpty() || by.isEmpty()) {
            missing(what, true, gate, gate);
            return;
        }
        double above = Math.round(bytes.get() - by.get()); // less is the profiler's own share, and the set-up's
        row(what, true, gate, gate, above, number(above));
    }

    /** Less than a tenth of a byte, which is the profiler's own share. */
    private void nothingAllocated(String what, Optional<Cell> cell) {
        var bytes = cell.flatMap(Cell::bytes);
        if (bytes.isEmpty()) {
            missing(what, true, 0, 0);
            return;
        }
        double rounded = Math.round(bytes.get() * 10) / 10.0;
        row(what, true, 0, 0, rounded, number(rounded));
    }

    private void row(String what, boolean atMost, double gate, double goal, double measured, String text) {
        var verdict = reaches(atMost, measured, goal) ? "goal" : reaches(atMost, measured, gate) ? "pass" : "**FAIL**";
        if (!reaches(atMost, measured, gate)) {
            missed++;
        }
        add(what, atMost, gate, goal, text, verdict);
    }

    private void missing(String what, boolean atMost, double gate, double goal) {
        missed++;
        add(what, atMost, gate, goal, "", "**not measured**");
    }

    private void add(String what, boolean atMost, double gate, double goal, String text, String verdict) {
        var sign = atMost ? "≤ " : "≥ ";
        rows.add(String.join(
                " | ", Arrays.asList("| " + what, sign + number(gate), sign + number(goal), text, verdict + " |")));
    }

    private static boolean reaches(boolean atMost, double measured, double bound) {
        return atMost ? measured <= bound : measured >= bound;
    }

    static String number(double value) {
        return Math.abs(value) >= 100 || value == Math.rint(value)
                ? String.format(Locale.ROOT, "%.0f", value)
                : String.format(Locale.ROOT, "%.2f", value);
    }
}
