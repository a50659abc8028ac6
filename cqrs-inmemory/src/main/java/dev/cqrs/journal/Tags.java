package dev.cqrs.journal;

import dev.cqrs.event.Tag;
import dev.cqrs.journal.JournalEntry.Outcome;
import java.util.Locale;
import java.util.Set;

/** How marks are found in the operations log. */
final class Tags {

    private Tags() {}

    /** What start and end of a command share. */
    static Set<Tag> of(String command, String id, String correlation) {
        return correlation.isEmpty()
                ? Set.of(command(command), id(id))
                : Set.of(command(command), id(id), correlation(correlation));
    }

    static Tag command(String name) {
        return Tag.of("cqrs.journal.command", name);
    }

    static Tag id(String id) {
        return Tag.of("cqrs.journal.id", id);
    }

    static Tag correlation(String id) {
        return Tag.of("cqrs.journal.correlation", id);
    }

    static Tag outcome(Outcome outcome) {
        return Tag.of("cqrs.journal.outcome", outcome.name().toLowerCase(Locale.ROOT));
    }

    /** Of the end of the command that started there. */
    static Tag entry(long started) {
        return Tag.of("cqrs.journal.entry", Long.toString(started));
    }

    static Tag scope(String scope) {
        return Tag.of("cqrs.history", scope);
    }

    /** Of the end of a step that was done, in its scope. */
    static Tag step(String id) {
        return Tag.of("cqrs.history.id", id);
    }
}
