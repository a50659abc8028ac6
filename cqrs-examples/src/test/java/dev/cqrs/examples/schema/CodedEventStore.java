package dev.cqrs.examples.schema;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
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

/**
 * A store in front of another that lets bytes through only: what is appended is a copy made from bytes, and so is what is
 * read, each time anew. An event that does not survive this would not survive a database.
 *
 * <p><b>Threads:</b> thread-safe, as the store behind it.
 */
final class CodedEventStore implements EventStore {

    private final EventStore inner;
    private final EventCodec codec;

    CodedEventStore(EventStore inner, EventCodec codec) {
        this.inner = inner;
        this.codec = codec;
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        return inner.append(List.copyOf(events).stream().map(this::throughBytes).toList(), condition, metadata);
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        var stream = inner.read(query, options);
        return new EventStream() {
            @Override
            public boolean advance() {
                return stream.advance();
            }

            @Override
            public Object event() {
                return throughBytes(stream.event());
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
        };
    }

    @Override
    public Position head() {
        return inner.head();
    }

    @Override
    public Catalog catalog() {
        return inner.catalog();
    }

    @Override
    public Subscription onAppend(Signal signal) {
        return inner.onAppend(signal);
    }

    private Object throughBytes(Object event) {
        return catalog().decode(catalog().encode(event, codec), codec).get(0);
    }
}
