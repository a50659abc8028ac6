package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Entry;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryEventStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * Measures what the store in memory retains of its own for an event: {@code MemoryFootprint [RESULT.json]}.
 *
 * <p>A million events of eight types in random order, with 10, 100 and 1,000 events an account, appended one by one on
 * condition that the account is unchanged. Two tags an event: the account, and a branch that a thousandth of all events
 * share. Events and the strings of their tags are held elsewhere and not counted; tags, index, positions and times are.
 * The clock ticks. Each measurement is made three times, in a JVM of its own with a serial collector, whose used memory
 * is read when it no longer falls.
 *
 * <p>The file, if one is named, has the shape of JMH's results, so that {@link Gates} reads it too.
 */
public final class MemoryFootprint {

    private static final int EVENTS = 1_000_000;
    private static final int BRANCHES = 1_000;
    private static final int FORKS = 3;

    private MemoryFootprint() {}

    /** Measures everything, or in a fork one history. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length == 2 && arguments[0].equals("--fork")) {
            System.out.println(measure(Integer.parseInt(arguments[1])));
            return;
        }
        var entries = new ArrayList<String>();
        for (int history : new int[] {10, 100, 1_000}) {
            var forks = new ArrayList<Double>();
            for (int i = 0; i < FORKS; i++) {
                forks.add(Forks.run(MemoryFootprint.class, history).get(0));
            }
            Collections.sort(forks);
            System.out.println(
                    String.format(Locale.ROOT, "%,5d events an account: %.1f B/event", history, forks.get(FORKS / 2)));
            entries.add(String.format(
                    Locale.ROOT,
                    """
                      {"benchmark": "dev.cqrs.benchmarks.MemoryFootprint.cqrs", "mode": "ss", "forks": %d,
                       "params": {"history": "%d"},
                       "primaryMetric": {"score": %.2f, "scoreUnit": "B/event", "rawData": %s}}""",
                    FORKS,
                    history,
                    forks.get(FORKS / 2),
                    forks.stream()
                            .map(value -> String.format(Locale.ROOT, "[%.2f]", value))
                            .toList()));
        }
        if (arguments.length == 1) {
            Files.writeString(Path.of(arguments[0]), "[\n" + String.join(",\n", entries) + "\n]\n");
        }
    }

    private static double measure(int history) {
        int accounts = EVENTS / history;
        var random = new Random(42);
        var sequence = new ArrayList<Integer>(EVENTS);
        for (int i = 0; i < EVENTS; i++) {
            sequence.add(i % accounts);
        }
        Collections.shuffle(sequence, random);
        var names = new String[accounts];
        var branches = new String[BRANCHES];
        var queries = new EventQuery[accounts];
        for (int i = 0; i < accounts; i++) {
            names[i] = Ledger.account(i);
            queries[i] = EventQuery.tagged(Ledger.accountTag(names[i]));
        }
        for (int i = 0; i < BRANCHES; i++) {
            branches[i] = Ledger.branch(i);
        }
        var events = new Entry[EVENTS];
        for (int i = 0; i < EVENTS; i++) {
            int account = sequence.get(i);
            events[i] = Ledger.entry(random.nextInt(8), names[account], branches[account % BRANCHES], i);
        }
        var seen = new Position[accounts];
        var catalog = Ledger.catalog();
        // One event first, so that classes and constants of the library are there before the first reading.
        new InMemoryEventStore(catalog, Clock.systemUTC())
                .append(List.of(events[0]), AppendCondition.unchanged(queries[0], Position.START));
        for (int i = 0; i < accounts; i++) {
            seen[i] = Position.of(1); // an object each now, as afterwards, since it is not the store's
        }

        long before = Forks.settledMemory();
        var store = new InMemoryEventStore(catalog, Clock.systemUTC());
        java.util.Arrays.fill(seen, Position.START);
        for (int i = 0; i < EVENTS; i++) {
            int account = sequence.get(i);
            seen[account] = store.append(List.of(events[i]), AppendCondition.unchanged(queries[account], seen[account]))
                    .last();
        }
        long after = Forks.settledMemory();

        if (store.head().value() != EVENTS || events.length + queries.length + sequence.size() + seen.length == 0) {
            throw new IllegalStateException("The store holds " + store.head() + " events; expected " + EVENTS + ".");
        }
        return (after - before) / (double) EVENTS;
    }
}
