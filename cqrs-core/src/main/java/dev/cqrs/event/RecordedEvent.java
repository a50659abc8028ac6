package dev.cqrs.event;

import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.Objects;
import java.util.Set;

/**
 * An event as the log holds it: the event itself, and where, when and under which name, tags and metadata it was
 * recorded.
 *
 * <p><b>Threads:</b> immutable, if the event is.
 *
 * @param position its place in the log
 * @param name its type's stable name in the catalog
 * @param event the event itself, a plain object of the application
 * @param tags what it is about, possibly empty; copied
 * @param metadata what travelled with the append
 * @param recordedAt when it was appended, by the store's clock; never before an earlier event's
 */
public record RecordedEvent(
        Position position, String name, Object event, Set<Tag> tags, Metadata metadata, Instant recordedAt) {

    /**
     * Checks for nulls and copies the tags.
     *
     * @param position its place in the log
     * @param name its type's stable name in the catalog
     * @param event the event itself, a plain object of the application
     * @param tags what it is about, possibly empty; copied
     * @param metadata what travelled with the append
     * @param recordedAt when it was appended, by the store's clock; never before an earlier event's
     * @throws NullPointerException if a part is {@code null}
     */
    public RecordedEvent {
        Objects.requireNonNull(position, "position");
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(event, "event");
        tags = Set.copyOf(Objects.requireNonNull(tags, "tags"));
        Objects.requireNonNull(metadata, "metadata");
        Objects.requireNonNull(recordedAt, "recordedAt");
    }
}
