package dev.cqrs.imports;

import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import java.util.Objects;
import java.util.Set;

/**
 * The event that tells how far a source was imported, appended together with the events that came of it.
 *
 * <p>The catalog of the local store has to hold it, with its tags:
 * {@code .event(ImportMark.NAME, ImportMark.class, ImportMark::tags)}.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param source the name of the source
 * @param position the position in the source's log up to which all is imported
 */
public record ImportMark(String source, long position) {

    /** The stable name of these events, and the key of their tags. */
    public static final String NAME = "cqrs.import";

    /**
     * Checks both parts.
     *
     * @param source the name of the source
     * @param position the position in the source's log up to which all is imported
     * @throws NullPointerException if {@code source} is {@code null}
     * @throws IllegalArgumentException if {@code position} is negative
     */
    public ImportMark {
        Objects.requireNonNull(source, "source");
        Position.of(position);
    }

    /**
     * Gives the tag by which the marks of a source are found.
     *
     * @param source the name of the source
     * @return never {@code null}
     * @throws IllegalArgumentException if the name cannot be a tag's value
     */
    public static Tag tag(String source) {
        return Tag.of(NAME, source);
    }

    /**
     * Gives the tags of this mark, for the catalog.
     *
     * @return its one tag
     */
    public Set<Tag> tags() {
        return Set.of(tag(source));
    }
}
