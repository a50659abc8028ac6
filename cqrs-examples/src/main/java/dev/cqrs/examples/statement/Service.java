package dev.cqrs.examples.statement;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * One of the bank's services: it tells of its records by events of its own, and answers questions about them.
 *
 * <p><b>Threads:</b> thread-safe, with one that records.
 *
 * @param <T> its records
 */
final class Service<T extends BankRecord> {

    private final String name;
    private final Function<T, String> key;
    private final EventStore store;
    private final Map<String, List<T>> byKey = new ConcurrentHashMap<>();

    /** Makes a service without records; {@code key} is by what it is asked for them. */
    Service(String name, Class<T> type, Function<T, String> key, Clock clock) {
        this.name = name;
        this.key = key;
        this.store = new InMemoryEventStore(Catalog.builder().event(name, type).build(), clock);
    }

    /** The name, also that of its events. */
    String name() {
        return name;
    }

    /** What it has told. */
    EventStore store() {
        return store;
    }

    /** Takes in records, and tells of them. */
    void record(List<T> records) {
        for (var one : records) {
            byKey.merge(key.apply(one), List.of(one), Service::joined);
        }
        if (!records.isEmpty()) {
            store.append(records, AppendCondition.none());
        }
    }

    /** The records with that key, in the order in which they came. */
    List<T> of(String wanted) {
        return byKey.getOrDefault(wanted, List.of());
    }

    private static <T> List<T> joined(List<T> some, List<T> more) {
        var all = new ArrayList<>(some);
        all.addAll(more);
        return List.copyOf(all);
    }
}
