package dev.cqrs.journal;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Catalog.CommandRefused;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Optional;

/** The domain log, and a journal that is told where commands write and up to where they look. */
final class NotingEventStore implements EventStore {

    private final EventStore store;
    private final Journal journal;

    NotingEventStore(EventStore store, Journal journal) {
        this.store = store;
        this.journal = journal;
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        try {
            var appended = store.append(events, condition, metadata);
            if (!events.stream().allMatch(CommandRefused.class::isInstance)) { // of a command that has no effect
                journal.noteAppend(metadata, appended.last());
            }
            return appended;
        } catch (AppendOutcomeUnknownException unknown) {
            journal.noteUnknown(metadata, unknown);
            throw unknown;
        }
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        var stream = store.read(query, options);
        journal.noteRead(stream.head());
        return stream;
    }

    @Override
    public Position head() {
        return store.head();
    }

    @Override
    public boolean isCommitted(Position position) {
        return store.isCommitted(position);
    }

    @Override
    public Catalog catalog() {
        return store.catalog();
    }

    @Override
    public Subscription onAppend(Signal signal) {
        return store.onAppend(signal);
    }

    @Override
    public Optional<Feed> feed(EventQuery query) {
        return store.feed(query);
    }
}
