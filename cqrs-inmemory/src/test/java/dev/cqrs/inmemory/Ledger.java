package dev.cqrs.inmemory;

import dev.cqrs.command.Command;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;

/** Accounts into which something is paid: what the tests of decisions decide on. */
final class Ledger {

    /** The system property that replaces the fixed seeds by one. */
    private static final String SEED = "dev.cqrs.inmemory.seed";

    static final int LIMIT = 1_000;

    /** Gives the sum of the account afterwards. */
    record Pay(String account, int amount) implements Command<Integer> {}

    record Paid(String account, int amount) {}

    record Moved(String from, String to, int amount) {}

    record Noted(String text) {}

    static final Catalog CATALOG = catalog().commandIds().build();

    static final Fold<Integer> SUM = Fold.from(0)
            .on(Paid.class, (sum, e) -> sum + e.amount())
            .on(Moved.class, (sum, e) -> sum + 100 * e.amount());

    private Ledger() {}

    static Catalog.Builder catalog() {
        return Catalog.builder()
                .event("paid", Paid.class, e -> Set.of(account(e.account())))
                .event("moved", Moved.class, e -> Set.of(account(e.from()), account(e.to())))
                .event("noted", Noted.class);
    }

    static Tag account(String id) {
        return Tag.of("account", id);
    }

    static EventQuery eventsOf(String account) {
        return EventQuery.tagged(account(account));
    }

    static DecisionModel<Integer> sumOf(String account) {
        return DecisionModel.of(eventsOf(account), SUM);
    }

    static InMemoryEventStore store() {
        return new InMemoryEventStore(CATALOG, Clock.fixed(Instant.EPOCH, ZoneOffset.UTC));
    }

    /** Accepts while the sum stays within the limit; nothing at all accepts without events. */
    static Decision<?> decide(Pay command, int sum) {
        if (command.amount() == 0) {
            return Decision.accept();
        }
        return sum + command.amount() > LIMIT
                ? Decision.reject("over the limit")
                : Decision.accept(new Paid(command.account(), command.amount()));
    }

    static DecisionHandler<Pay, Integer, Integer> handler(EventStore store) {
        return new DecisionHandler<>(store, c -> sumOf(c.account()), Ledger::decide, (c, sum) -> sum);
    }

    static Metadata id(String id) {
        return Metadata.withId(id);
    }

    static List<RecordedEvent> log(EventStore store) {
        try (var events = store.read(EventQuery.all())) {
            return events.toList();
        }
    }

    static List<Object> events(EventStore store) {
        return log(store).stream().map(RecordedEvent::event).toList();
    }

    /** The seeds 1 to {@code count}, or the one that the system property gives. */
    static long[] seeds(int count) {
        var given = Long.getLong(SEED);
        return given == null ? LongStream.rangeClosed(1, count).toArray() : new long[] {given};
    }

    static String replay(long seed) {
        return "replay with -D" + SEED + "=" + seed;
    }

    /** Does the same on several threads at once, and gives what came of it or was thrown. */
    static <T> List<Object> together(int threads, Callable<T> task) throws Exception {
        var pool = Executors.newFixedThreadPool(threads);
        try {
            var start = new CyclicBarrier(threads);
            var running = new ArrayList<Future<Object>>();
            for (int i = 0; i < threads; i++) {
                running.add(pool.submit(() -> {
                    start.await(60, TimeUnit.SECONDS);
                    try {
                        return task.call();
                    } catch (RuntimeException thrown) {
                        return thrown;
                    }
                }));
            }
            var results = new ArrayList<Object>();
            for (var one : running) {
                results.add(one.get(60, TimeUnit.SECONDS));
            }
            return results;
        } finally {
            pool.shutdownNow();
        }
    }
}
