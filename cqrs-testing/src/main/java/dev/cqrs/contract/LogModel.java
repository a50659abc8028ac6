package dev.cqrs.contract;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The event store as its specification reads, word by word: a list, and loops over it. */
final class LogModel {

    private final Catalog catalog;
    private final List<RecordedEvent> log = new ArrayList<>();

    LogModel(Catalog catalog) {
        this.catalog = catalog;
    }

    static boolean matches(EventQuery query, Object event, Set<Tag> tags) {
        for (var item : query.items()) {
            var typeFits = item.types().isEmpty() || item.types().stream().anyMatch(type -> type.isInstance(event));
            if (typeFits && tags.containsAll(item.tags())) {
                return true;
            }
        }
        return false;
    }

    static boolean matches(EventQuery query, RecordedEvent recorded) {
        return matches(query, recorded.event(), recorded.tags());
    }

    /** The first clause that does not hold. */
    Optional<AppendCondition.Clause> broken(AppendCondition condition) {
        return condition.clauses().stream()
                .filter(clause -> log.stream().anyMatch(recorded -> forbids(clause, recorded)))
                .findFirst();
    }

    static boolean forbids(AppendCondition.Clause clause, RecordedEvent recorded) {
        var after = clause instanceof AppendCondition.Unchanged unchanged ? unchanged.after() : Position.START;
        return recorded.position().isAfter(after) && matches(clause.query(), recorded);
    }

    void append(Position first, List<?> events, Metadata metadata, Instant now) {
        var recordedAt = log.isEmpty() || now.isAfter(last().recordedAt()) ? now : last().recordedAt();
        long position = first.value();
        for (var event : events) {
            log.add(new RecordedEvent(
                    Position.of(position++),
                    catalog.nameOf(event.getClass()),
                    event,
                    catalog.tagsOf(event),
                    metadata,
                    recordedAt));
        }
    }

    List<RecordedEvent> read(EventQuery query, ReadOptions options) {
        var found = new ArrayList<RecordedEvent>();
        for (var recorded : log) {
            var inRange = recorded.position().isAfter(options.after())
                    && !recorded.position().isAfter(options.until());
            if (inRange && matches(query, recorded)) {
                found.add(recorded);
            }
        }
        if (options.isBackwards()) {
            Collections.reverse(found);
        }
        return List.copyOf(found.subList(0, (int) Math.min(options.limit(), found.size())));
    }

    Position head() {
        return log.isEmpty() ? Position.START : last().position();
    }

    /** The event at a position; empty if there is none. */
    Optional<RecordedEvent> at(Position position) {
        return log.stream()
                .filter(recorded -> recorded.position().equals(position))
                .findFirst();
    }

    private RecordedEvent last() {
        return log.get(log.size() - 1);
    }
}
