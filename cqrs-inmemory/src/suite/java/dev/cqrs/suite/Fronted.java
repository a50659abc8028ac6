package dev.cqrs.suite;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.List;
import java.util.Set;

/** A store in front of another, to which it hands on all that a test does not meddle in. */
public class Fronted implements EventStore {

    /** The other one. */
    protected final EventStore store;

    /** Meddles in nothing yet. */
    public Fronted(EventStore store) {
        this.store = store;
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        return store.append(events, condition, metadata);
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        return store.read(query, options);
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

    /** The same for what is read; event by event, whoever reads. */
    public static class Stream implements EventStream {

        /** The other one. */
        protected final EventStream stream;

        /** Meddles in nothing yet. */
        public Stream(EventStream stream) {
            this.stream = stream;
        }

        @Override
        public boolean advance() {
            return stream.advance();
        }

        @Override
        public Object event() {
            return stream.event();
        }

        @Override
        public Position position() {
            return stream.position();
        }

        @Override
        public String name() {
            return stream.name();
        }

        @Override
        public Set<Tag> tags() {
            return stream.tags();
        }

        @Override
        public Metadata metadata() {
            return stream.metadata();
        }

        @Override
        public Instant recordedAt() {
            return stream.recordedAt();
        }

        @Override
        public Position head() {
            return stream.head();
        }

        @Override
        public AppendCondition unchanged() {
            return stream.unchanged();
        }

        @Override
        public void close() {
            stream.close();
        }
    }
}
