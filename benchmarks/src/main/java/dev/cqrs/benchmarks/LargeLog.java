package dev.cqrs.benchmarks;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionEngine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Holds ten million events and replays them through a projection, in a JVM with 2.5 GiB of heap: {@code LargeLog
 * [RESULT.json]}.
 *
 * <p>An event has one field, the entity it is about, and one tag, made of it; ten events an entity, which lie far apart:
 * every entity has its first event before any has its second. They are appended one by one, each on condition that its
 * entity is unchanged since its last event. The view counts an entity's events, and is rebuilt by a new engine each
 * time. Everything is in the heap: store, events, view, and what the garbage collector, G1, needs. The clock ticks.
 *
 * <p>The file, if one is named, has the shape of JMH's results, so that {@link Gates} reads it too. The JVM that was
 * measured ends with status 0 only if every event was held and folded.
 */
public final class LargeLog {

    private static final int ENTITIES = 1_000_000;
    private static final int HISTORY = 10;
    private static final int EVENTS = ENTITIES * HISTORY;
    private static final int FORKS = 3;
    private static final int REPLAYS = 3;
    private static final String HEAP = "-Xmx2560m";

    private LargeLog() {}

    /** The event. */
    record Stepped(int entity) {
        Tag tag() {
            return Tag.of("entity", Integer.toString(entity));
        }
    }

    /** Events by entity, counted in place. */
    static final class Steps {
        private final byte[] counts = new byte[ENTITIES];
        private long sum;

        void count(Stepped event) {
            counts[event.entity()]++;
            sum++;
        }

        boolean isComplete() {
            var expected = new byte[ENTITIES];
            Arrays.fill(expected, (byte) HISTORY);
            return sum == EVENTS && Arrays.equals(counts, expected);
        }
    }

    /** Measures in forks, or in a fork once. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length == 1 && arguments[0].equals("--fork")) {
            measure();
            return;
        }
        var fills = new ArrayList<Double>();
        var held = new ArrayList<Double>();
        var replays = new ArrayList<Double>();
        for (int i = 0; i < FORKS; i++) {
            var figures = fork().split(" ", -1);
            fills.add(Double.valueOf(figures[0]));
            held.add(Double.valueOf(figures[1]));
            replays.add(Double.valueOf(figures[2]));
        }
        System.out.printf(
                Locale.ROOT,
                "%,d events with %s: %.0f MiB held (events and view included), append %.0f ns/event, replay %.1f ns/event%n",
                EVENTS,
                HEAP,
                median(held),
                median(fills),
                median(replays));
        if (arguments.length == 1) {
            Files.writeString(
                    Path.of(arguments[0]),
                    "[\n"
                            + String.join(
                                    ",\n",
                                    entry("append", fills, "ns/op"),
                                    entry("held", held, "MiB"),
                                    entry("replay", replays, "ns/op"))
                            + "\n]\n");
        }
    }

    private static String entry(String name, List<Double> forks, String unit) {
        return String.format(
                Locale.ROOT,
                """
                  {"benchmark": "dev.cqrs.benchmarks.LargeLog.%s", "mode": "ss", "forks": %d, "jvmArgs": ["%s"],
                   "params": {"events": "%d", "history": "%d"},
                   "primaryMetric": {"score": %.2f, "scoreUnit": "%s", "rawData": %s}}""",
                name,
                FORKS,
                HEAP,
                EVENTS,
                HISTORY,
                median(forks),
                unit,
                forks.stream()
                        .map(value -> String.format(Locale.ROOT, "[%.2f]", value))
                        .toList());
    }

    private static double median(List<Double> values) {
        var ascending = new ArrayList<>(values);
        Collections.sort(ascending);
        return ascending.get(ascending.size() / 2);
    }

    private static String fork() throws IOException, InterruptedException {
        var process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        HEAP,
                        Heap.TOUCHED,
                        Heap.IN_HUGE_PAGES,
                        "-XX:+UseG1GC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        LargeLog.class.getName(),
                        "--fork")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IllegalStateException("The forked JVM ended with status " + process.exitValue() + ".");
        }
        return output.strip();
    }

    /** Prints nanoseconds an append, MiB held, nanoseconds an event replayed. */
    private static void measure() {
        var catalog = Catalog.builder()
                .event("stepped", Stepped.class, event -> Set.of(event.tag()))
                .build();
        var store = new InMemoryEventStore(catalog, Clock.systemUTC());
        long begin = System.nanoTime();
        for (int i = 0; i < EVENTS; i++) {
            var event = new Stepped(i % ENTITIES);
            var unchanged = AppendCondition.unchanged(
                    EventQuery.tagged(event.tag()), Position.of(Math.max(0, i + 1 - ENTITIES)));
            store.append(List.of(event), unchanged);
        }
        double append = (System.nanoTime() - begin) / (double) EVENTS;

        var steps = Projection.of("steps", 1, Fold.fresh(Steps::new).change(Stepped.class, Steps::count));
        var replays = new ArrayList<Double>();
        double held = 0;
        for (int i = 0; i < REPLAYS; i++) {
            begin = System.nanoTime();
            try (var engine = ProjectionEngine.builder(store, failure -> {
                        throw new IllegalStateException(failure.toString());
                    })
                    .inline(steps)
                    .build()) {
                replays.add((System.nanoTime() - begin) / (double) EVENTS);
                if (!engine.view(steps).read(Steps::isComplete)) {
                    throw new IllegalStateException("Not every event was folded once.");
                }
                held = used();
            }
        }
        if (store.head().value() != EVENTS) {
            throw new IllegalStateException("The store holds " + store.head() + " events; expected " + EVENTS + ".");
        }
        System.out.printf(Locale.ROOT, "%.2f %.2f %.2f%n", append, held, median(replays));
    }

    private static double used() {
        System.gc();
        return (Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory()) / 1048576.0;
    }
}
