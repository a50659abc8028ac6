package dev.cqrs.benchmarks;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaInstance.State;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * Measures what sagas cost that wait: {@code SagaFootprint [RESULT.json]}.
 *
 * <p><b>Memory</b>: what an engine retains of its own for each of a million instances that wait for an event or for their time.
 * The log, and the strings of the keys, which it holds, are not counted.
 *
 * <p><b>Time</b>: how long a tick of the clock takes by which one of a thousand or of a million instances that wait becomes due, and
 * ends: from the timer's task to the append of the end, on one thread; and one by which none does.
 *
 * <p>Each is measured three times, in a JVM of its own. The file, if one is named, has the shape of JMH's results, so that {@link
 * Gates} reads it too.
 */
public final class SagaFootprint {

    private static final int FORKS = 3;
    private static final int MANY = 1_000_000;
    private static final int FEW = 1_000;
    private static final int TICKS = 400;
    private static final int WARM_UPS = 30;

    private SagaFootprint() {}

    record Sent(String letter) {}

    record Answered(String letter) {}

    private static final Saga<String> LETTER = Saga.named(
                    "letter",
                    Fold.from("").on(Sent.class, (none, e) -> e.letter()).on(Answered.class, (letter, e) -> letter))
            .startedBy(Sent.class, Sent::letter)
            .await("answer", Answered.class, Answered::letter)
            .timeout(Duration.ofDays(30))
            .build();

    private static final class SteppedClock extends Clock {
        private Instant now = Instant.parse("2026-11-01T00:00:00Z");

        @Override
        public Instant instant() {
            return now;
        }

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            throw new UnsupportedOperationException("It is in UTC.");
        }
    }

    /** An engine whose timer is wound by hand. */
    private static final class Waiting {

        private final SteppedClock clock = new SteppedClock();
        private final EventStore log;
        private final EventStore domain;
        private Runnable alarm = () -> {};

        Waiting(int sagas) {
            var events = Catalog.builder().event("sent", Sent.class).event("answered", Answered.class);
            domain = new InMemoryEventStore(events.build(), clock);
            log = new InMemoryEventStore(
                    SagaEngine.catalog(Catalog.builder())
                            .event("sent", Sent.class)
                            .event("answered", Answered.class)
                            .build(),
                    clock);
            try (var engine = engine()) {
                for (int i = 0; i < sagas; i++) {
                    clock.now = clock.now.plusSeconds(1);
                    var letter = Integer.toString(i);
                    engine.begin("letter", letter, new Sent(letter));
                }
            }
        }

        SagaEngine engine() {
            return SagaEngine.builder(log, clock)
                    .name("sagas")
                    .add(LETTER)
                    .domain(domain)
                    .build();
        }

        /** Gives the nanoseconds of ticks by which one becomes due each, and of as many by which none does. */
        double[] tick() {
            try (var engine = engine()) {
                engine.start(
                        InMemoryCommandBus.builder().build(), Runnable::run, (delay, task) -> alarm = task, failure -> {
                            throw new IllegalStateException(failure.cause());
                        });
                clock.now = Instant.parse("2026-11-01T00:00:00Z")
                        .plus(Duration.ofDays(30))
                        .plusMillis(500);
                long before = engine.status().count(State.COMPENSATED);
                var due = new ArrayList<Long>();
                var none = new ArrayList<Long>();
                for (int i = 0; i < TICKS; i++) {
                    none.add(ring());
                    clock.now = clock.now.plusSeconds(1);
                    due.add(ring());
                }
                long fired = engine.status().count(State.COMPENSATED) - before;
                if (fired != TICKS) {
                    throw new IllegalStateException(fired + " have become due; expected " + TICKS + ".");
                }
                return new double[] {median(due), median(none)};
            }
        }

        private long ring() {
            long start = System.nanoTime();
            alarm.run();
            return System.nanoTime() - start;
        }

        private static double median(List<Long> all) {
            Collections.sort(all);
            return all.get(all.size() / 2);
        }
    }

    /** Measures everything, or in a fork one number of instances. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length == 2 && arguments[0].equals("--fork")) {
            for (double value : measure(Integer.parseInt(arguments[1]))) {
                System.out.println(value);
            }
            return;
        }
        var entries = new ArrayList<String>();
        for (int sagas : new int[] {FEW, MANY}) {
            var forks = new ArrayList<List<Double>>();
            for (int i = 0; i < FORKS; i++) {
                forks.add(Forks.run(SagaFootprint.class, sagas));
            }
            report("tick", sagas, "ns/op", forks, 0, entries);
            report("idleTick", sagas, "ns/op", forks, 1, entries);
            if (sagas == MANY) {
                report("waiting", sagas, "B/saga", forks, 2, entries);
            }
        }
        if (arguments.length == 1) {
            Files.writeString(Path.of(arguments[0]), "[\n" + String.join(",\n", entries) + "\n]\n");
        }
    }

    private static void report(
            String what, int sagas, String unit, List<List<Double>> forks, int column, List<String> entries) {
        var values = forks.stream().map(fork -> fork.get(column)).sorted().toList();
        double median = values.get(FORKS / 2);
        System.out.println(String.format(Locale.ROOT, "%,9d sagas, %s: %,.1f %s", sagas, what, median, unit));
        entries.add(String.format(
                Locale.ROOT,
                """
                  {"benchmark": "dev.cqrs.benchmarks.SagaFootprint.%s", "mode": "ss", "forks": %d,
                   "params": {"sagas": "%d"},
                   "primaryMetric": {"score": %.2f, "scoreUnit": "%s", "rawData": %s}}""",
                what,
                FORKS,
                sagas,
                median,
                unit,
                values.stream()
                        .map(value -> String.format(Locale.ROOT, "[%.2f]", value))
                        .toList()));
    }

    private static double[] measure(int sagas) {
        for (int i = 0; i < WARM_UPS; i++) {
            new Waiting(FEW).tick();
        }
        var waiting = new Waiting(sagas);
        long before = Forks.settledMemory();
        double bytes;
        try (var engine = waiting.engine()) {
            long known = engine.status().count(State.WAITING);
            bytes = (Forks.settledMemory() - before) / (double) known;
            if (known != sagas || engine.status().count(State.WAITING) != sagas) {
                throw new IllegalStateException(known + " instances wait; expected " + sagas + ".");
            }
        }
        var ticks = waiting.tick();
        return new double[] {ticks[0], ticks[1], bytes};
    }
}
