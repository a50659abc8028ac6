package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.message.Metadata;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An append that waits to be sent: encoded by its own thread, so that what can fail in it fails there.
 *
 * <p><b>Threads:</b> made by one thread; its outcome is written by the one that sends it, and read after a lock has changed
 * hands.
 */
final class Pending {

    final List<Event> events;
    final @Nullable String metadata;
    final Instant now;
    final AppendCondition condition;
    final List<Item> items;

    /** About how much there is to be sent. */
    final long characters;

    private @Nullable Object outcome;

    /** An event as it is sent: either {@code json} or {@code bytes} is there. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Event(
            String name,
            int revision,
            String tags,
            String tagIds,
            @Nullable String json,
            byte @Nullable [] bytes) {

        private long characters() {
            return json != null ? json.length() : Objects.requireNonNull(bytes, "either").length;
        }
    }

    /** An alternative of a clause's query, and the position behind which it must not match. */
    record Item(int clause, long after, Selection.Item item) {}

    /** What a clause was found to forbid; {@code against} is 0 where it speaks of a position behind the head. */
    record Conflict(
            int clause, long head, long against, @Nullable String name, int revision) {}

    private Pending(
            List<Event> events, @Nullable String metadata, Instant now, AppendCondition condition, List<Item> items) {
        this.events = events;
        this.metadata = metadata;
        this.now = now;
        this.condition = condition;
        this.items = items;
        this.characters = events.stream().mapToLong(Event::characters).sum();
    }

    /**
     * Encodes appends.
     *
     * <p><b>Threads:</b> thread-safe.
     */
    record Encoder(Catalog catalog, EventCodec codec, boolean asBytes, Selection.Maker selections) {

        Pending encode(Object[] events, AppendCondition condition, Metadata metadata, java.time.Clock clock) {
            Objects.requireNonNull(condition, "condition");
            Objects.requireNonNull(metadata, "metadata");
            if (events.length == 0) {
                throw new IllegalArgumentException(
                        "The batch is empty; expected at least one event. Do not append where nothing happened.");
            }
            for (int i = 0; i < events.length; i++) {
                if (events[i] == null) {
                    throw new NullPointerException(
                            "Event " + i + " of the " + events.length + " in the batch is null.");
                }
            }
            var encoded = new ArrayList<Event>(events.length);
            for (var event : events) {
                encoded.add(encode(event));
            }
            return new Pending(encoded, MetadataText.write(metadata), clock.instant(), condition, items(condition));
        }

        private Event encode(Object event) {
            var tags = catalog.tagsOf(event);
            var stored = catalog.encode(event, codec);
            return new Event(
                    stored.name(),
                    stored.revision(),
                    Texts.array(tags.stream().map(Tag::toString)),
                    Texts.ids(tags),
                    asBytes ? null : Texts.json(stored.name(), stored.payload()),
                    asBytes ? stored.payload() : null);
        }

        private List<Item> items(AppendCondition condition) {
            var items = new ArrayList<Item>();
            var clauses = condition.clauses();
            for (int clause = 0; clause < clauses.size(); clause++) {
                long after = clauses.get(clause).after().value();
                for (var item : selections.of(clauses.get(clause).query()).items()) {
                    items.add(new Item(clause, after, item));
                }
            }
            return items;
        }
    }

    /** The same append, where a clause is known to hold up to a later position than its own. */
    Pending knowing(int clause, long holdsUntil) {
        return new Pending(
                events,
                metadata,
                now,
                condition,
                items.stream()
                        .map(item -> item.clause() == clause ? new Item(clause, holdsUntil, item.item()) : item)
                        .toList());
    }

    String what() {
        return (events.size() == 1
                        ? "the append of an event"
                        : "the append of " + events.size() + " events, beginning with")
                + " \"" + events.get(0).name() + "\"";
    }

    // ---- the outcome: Appended, Conflict, or what is to be thrown

    boolean isDone() {
        return outcome != null;
    }

    void done(Object stored) {
        outcome = stored;
    }

    /** The database has refused it; what it holds cannot be kept by trying again (classes 22 and 54, but for the server's limits). */
    void refused(Exception why) {
        var state = why instanceof SQLException failed ? String.valueOf(failed.getSQLState()) : "";
        done(
                state.startsWith("22") || (state.startsWith("54") && !ServerLimit.isIn(why))
                        ? new IllegalArgumentException(
                                what() + " failed, and nothing was written: PostgreSQL cannot keep what it holds ("
                                        + why.getMessage() + "). Keep such values out, or build the store with"
                                        + " payload(BYTEA).",
                                why)
                        : new DatabaseException(what(), why));
    }

    Object outcome() {
        if (outcome instanceof RuntimeException thrown) {
            throw thrown;
        }
        if (outcome instanceof Error thrown) {
            throw thrown;
        }
        return Objects.requireNonNull(outcome, "an outcome");
    }
}
