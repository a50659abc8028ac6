package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;

/** A store with somebody standing beside it, who does something before a read or around an append. For one thread. */
final class Meddled implements EventStore {

    final EventStore store;

    /** Called with 1, 2, 3, ... at each append. */
    IntConsumer beforeAppend = number -> {};

    IntConsumer afterAppend = number -> {};
    IntConsumer beforeRead = number -> {};

    /** The conditions of all appends. */
    final List<AppendCondition> conditions = new ArrayList<>();

    /** How many signals were given. */
    int subscriptions;

    private int reads;

    Meddled(EventStore store) {
        this.store = store;
    }

    int appends() {
        return conditions.size();
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        conditions.add(condition);
        int number = conditions.size();
        beforeAppend.accept(number);
        var appended = store.append(events, condition, metadata);
        afterAppend.accept(number);
        return appended;
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        beforeRead.accept(++reads);
        return store.read(query, options);
    }

    @Override
    public Position head() {
        return store.head();
    }

    @Override
    public Catalog catalog() {
        return store.catalog();
    }

    @Override
    public Subscription onAppend(Signal signal) {
        subscriptions++;
        return store.onAppend(signal);
    }
}
