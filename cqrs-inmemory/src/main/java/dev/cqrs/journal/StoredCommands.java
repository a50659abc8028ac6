package dev.cqrs.journal;

import dev.cqrs.command.Command;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import dev.cqrs.task.Thrown;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Commands in the operations log, each behind its mark. */
final class StoredCommands {

    private StoredCommands() {}

    /** Gives the command that was appended together with the mark at a position. */
    static Command<?> behind(EventStore operations, Position mark) {
        var own = ReadOptions.forwards().after(mark).until(Position.of(mark.value() + 1));
        try (var events = operations.read(EventQuery.all(), own)) {
            if (events.advance() && events.event() instanceof Command<?> command && !events.goesOnHere()) {
                return command;
            }
        }
        throw new IllegalStateException("Behind position " + mark
                + " of the operations log stands no command; expected the one that was appended with the mark there. An"
                + " upcaster may turn a command into another one, but neither drop nor split it.");
    }

    /**
     * Appends what became of a command. An interrupt may be just that, and stores may refuse to work for a thread that is
     * interrupted; so it waits.
     */
    static void appendEvenIfInterrupted(
            EventStore operations, List<?> events, AppendCondition condition, Metadata metadata) {
        boolean interrupted = Thread.interrupted();
        try {
            operations.append(events, condition, metadata);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /**
     * Finds in what a command ended with that nobody knows whether it took effect. Not so where a journal refused a command
     * as its own log did not answer: that was surely not carried out.
     */
    static @Nullable AppendOutcomeUnknownException unknown(@Nullable Throwable thrown) {
        return thrown == null
                ? null
                : Thrown.causes(thrown)
                        .takeWhile(cause -> !(cause instanceof JournalUnwritableException))
                        .filter(AppendOutcomeUnknownException.class::isInstance)
                        .map(AppendOutcomeUnknownException.class::cast)
                        .findFirst()
                        .orElse(null);
    }

    /** Lists what is wrong with a catalog for marks such as the given. */
    static List<String> faults(Catalog catalog, JournalMark... probes) {
        var faults = new ArrayList<String>();
        for (var probe : probes) {
            var type = probe.getClass();
            if (!catalog.types().contains(type)) {
                faults.add("The catalog of the operations log does not know " + type.getSimpleName()
                        + ". Add the marks with JournalMark.addTo(builder).");
            } else if (!catalog.tagsOf(probe).containsAll(probe.tags())) {
                faults.add("The catalog of the operations log has " + type.getSimpleName() + " as \""
                        + catalog.nameOf(type) + "\", but without its tags, by which it is found. Add the marks with"
                        + " JournalMark.addTo(builder).");
            }
        }
        return faults;
    }
}
