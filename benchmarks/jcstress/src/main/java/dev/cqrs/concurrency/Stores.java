package dev.cqrs.concurrency;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** What is appended to a store by one thread, and how another one looks at it. */
final class Stores {

    /** Its fields are final, so only the log itself can show half of an event: a place without one, or without its tag. */
    record Noted(int number, String text) {}

    /** So many that writing them takes a moment, in which a reader can come. */
    static final int BATCH = 16;

    /** How often a reader looks at the head: an append takes longer than to begin reading. */
    private static final int PATIENCE = 500;

    /** What {@link #look} gives for a reader that saw what none may see. */
    static final int BROKEN = -1;

    static final Tag TAG = Tag.of("about", "it");

    private static final Noted NOTED = new Noted(7, "seven");
    private static final Instant TIME = Instant.ofEpochMilli(1_234_567);
    private static final Metadata METADATA = Metadata.of(Map.of("by", "the writer"));
    private static final Catalog CATALOG =
            Catalog.builder().event("noted", Noted.class, e -> Set.of(TAG)).build();

    private Stores() {}

    /** A store that holds so many events already. */
    static InMemoryEventStore holding(int events) {
        var store = new InMemoryEventStore(CATALOG, Clock.fixed(TIME, ZoneOffset.UTC));
        if (events > 0) {
            store.append(Collections.nCopies(events, NOTED), AppendCondition.none(), METADATA);
        }
        return store;
    }

    /** Appends a batch of events that did not exist before. */
    static void append(InMemoryEventStore store) {
        var batch = new ArrayList<Noted>(BATCH);
        for (int i = 0; i < BATCH; i++) {
            batch.add(new Noted(7, "seven"));
        }
        store.append(batch, AppendCondition.none(), METADATA);
    }

    /**
     * Appends one event if the store has none.
     *
     * @return how many it appended
     */
    static int appendWhereNothingIs(InMemoryEventStore store) {
        try {
            store.append(List.of(NOTED), AppendCondition.absent(EventQuery.tagged(TAG)));
            return 1;
        } catch (AppendConflictException told) {
            return 0;
        }
    }

    /**
     * Reads what stands behind a position: the head first, for a while until it has moved, and the events at once then.
     *
     * @return how many there are, {@link #BROKEN} if one is incomplete, missing or behind the head of its own read
     */
    static int look(InMemoryEventStore store, EventQuery query, int after) {
        try {
            long seen = store.head().value();
            for (int i = 0; i < PATIENCE && seen == after; i++) {
                seen = store.head().value();
            }
            try (var events = store.read(query, ReadOptions.forwards().after(Position.of(after)))) {
                int count = 0;
                while (events.advance()) {
                    count++;
                    if (events.position().value() != after + count || !isComplete(events.recorded())) {
                        return BROKEN;
                    }
                }
                long head = events.head().value();
                return head >= seen && head == after + count ? count : BROKEN;
            }
        } catch (RuntimeException nothingThere) {
            return BROKEN;
        }
    }

    private static boolean isComplete(RecordedEvent recorded) {
        return Objects.equals(recorded.event(), NOTED)
                && recorded.name().equals("noted")
                && recorded.tags().equals(Set.of(TAG))
                && recorded.metadata().equals(METADATA)
                && recorded.recordedAt().equals(TIME);
    }
}
