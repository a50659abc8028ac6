package dev.cqrs.journal;

import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.journal.JournalEntry.Outcome;
import dev.cqrs.journal.JournalMark.CommandEnded;
import dev.cqrs.journal.JournalMark.CommandStarted;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * Reads a journal: pages of starts, with a second read for their ends; or of ends, each with its start.
 *
 * <p><b>Threads:</b> thread-safe; a stream it gives is used by one thread.
 */
final class JournalReader {

    private final EventStore operations;

    /**
     * An entry, and what only a replay wants to know.
     *
     * @param place see {@link CommandEnded#place()}; 0 if the outcome is unknown
     */
    record Line(JournalEntry entry, long place) {}

    JournalReader(EventStore operations) {
        this.operations = operations;
    }

    Stream<Line> lines(JournalQuery query) {
        return StreamSupport.stream(
                Spliterators.spliteratorUnknownSize(
                        new Pages(query), Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.DISTINCT),
                false);
    }

    /** Goes over the log in the direction of the query, between two positions that come nearer to each other. */
    private final class Pages implements Iterator<Line> {

        private final JournalQuery query;
        private final EventQuery marks;
        private final Queue<Line> page = new ArrayDeque<>(Journal.PAGE);
        private Position low;
        private Position high;

        Pages(JournalQuery query) {
            this.query = query;
            this.marks = marks(query);
            var head = operations.head();
            // an end stands behind its start, so where the order is that of the ends, the first bound holds, but not
            // the last
            low = query.from().map(from -> lastBefore(from, head)).orElse(Position.START);
            high = query.isOfEnds()
                    ? head
                    : query.before().map(end -> lastBefore(end, head)).orElse(head);
            query.after().map(last -> place(query, last)).ifPresent(this::passed);
        }

        private void passed(Position position) {
            if (!query.isNewestFirst()) {
                low = position.isAfter(low) ? position : low;
            } else if (!position.isAfter(high)) {
                high = Position.of(position.value() - 1);
            }
        }

        @Override
        public boolean hasNext() {
            while (page.isEmpty() && high.isAfter(low)) {
                var found = read();
                if (found.isEmpty()) {
                    high = low;
                    return false;
                }
                passed(found.get(found.size() - 1).position());
                var lines = query.isOfEnds()
                        ? found.stream().map(end -> line(start(end), end)).toList()
                        : ofStarts(found);
                lines.stream().filter(line -> query.fits(line.entry())).forEach(page::add);
            }
            return !page.isEmpty();
        }

        private List<RecordedEvent> read() {
            var options = (query.isNewestFirst() ? ReadOptions.backwards() : ReadOptions.forwards())
                    .after(low)
                    .until(high)
                    .limit(Journal.PAGE);
            try (var events = operations.read(marks, options)) {
                return events.toList();
            }
        }

        @Override
        public Line next() {
            if (!hasNext()) {
                throw new NoSuchElementException("The journal holds no further entry of this query.");
            }
            return page.remove();
        }
    }

    private static Position place(JournalQuery query, JournalEntry last) {
        return query.isOfEnds()
                ? last.ended()
                        .orElseThrow(() -> new IllegalArgumentException("The query goes on after the entry at position "
                                + last.position()
                                + ", whose outcome was unknown when it was read; expected one that the"
                                + " same query has given."))
                : last.position();
    }

    /** The marks that the query is about: of starts, or of ends. */
    private EventQuery marks(JournalQuery query) {
        Set<Class<?>> type = Set.of(query.isOfEnds() ? CommandEnded.class : CommandStarted.class);
        var tags = new HashSet<Tag>();
        query.id().map(Tags::id).ifPresent(tags::add);
        query.correlation().map(Tags::correlation).ifPresent(tags::add);
        if (query.isOfEnds()) {
            query.outcome().map(Tags::outcome).ifPresent(tags::add);
        }
        if (query.commands().isEmpty()) {
            return EventQuery.of(List.of(new EventQuery.Item(type, tags)));
        }
        var names = new HashSet<String>();
        query.commands().forEach(command -> names.addAll(operations.catalog().storedNames(command)));
        return EventQuery.of(names.stream()
                .map(name -> {
                    var all = new HashSet<>(tags);
                    all.add(Tags.command(name));
                    return new EventQuery.Item(type, all);
                })
                .toList());
    }

    /** Finds the last position behind which no start is earlier than an instant, as time in a log never goes back. */
    private Position lastBefore(Instant instant, Position head) {
        var starts = EventQuery.types(CommandStarted.class);
        long low = 0;
        long high = head.value();
        while (low < high) {
            long middle = low + (high - low) / 2;
            var options = ReadOptions.forwards()
                    .after(Position.of(middle))
                    .until(head)
                    .limit(1);
            try (var events = operations.read(starts, options)) {
                if (events.advance() && events.recordedAt().isBefore(instant)) {
                    low = events.position().value();
                } else {
                    high = middle;
                }
            }
        }
        return Position.of(low);
    }

    private List<Line> ofStarts(List<RecordedEvent> starts) {
        var items = starts.stream()
                .map(start -> new EventQuery.Item(
                        Set.of(CommandEnded.class),
                        Set.of(Tags.entry(start.position().value()))))
                .toList();
        var ends = new HashMap<Long, RecordedEvent>();
        var first = starts.stream()
                .map(RecordedEvent::position)
                .min(Comparator.naturalOrder())
                .orElseThrow();
        try (var events =
                operations.read(EventQuery.of(items), ReadOptions.forwards().after(first))) {
            while (events.advance()) {
                ends.putIfAbsent(((CommandEnded) events.event()).started(), events.recorded());
            }
        }
        var lines = new ArrayList<Line>(starts.size());
        for (var start : starts) {
            lines.add(line(start, ends.get(start.position().value())));
        }
        return lines;
    }

    private RecordedEvent start(RecordedEvent end) {
        return startAt(Position.of(((CommandEnded) end.event()).started()));
    }

    /** Gives the mark with which a command started. */
    RecordedEvent startAt(Position position) {
        var own =
                ReadOptions.forwards().after(Position.of(position.value() - 1)).until(position);
        try (var events = operations.read(EventQuery.types(CommandStarted.class), own)) {
            if (!events.advance()) {
                throw new IllegalStateException("Position " + position + " of the operations log holds no start of a"
                        + " command; expected one, as the log holds its end.");
            }
            return events.recorded();
        }
    }

    private static Line line(RecordedEvent start, @Nullable RecordedEvent end) {
        var started = (CommandStarted) start.event();
        var ended = end == null ? null : (CommandEnded) end.event();
        var entry = new JournalEntry(
                start.position(),
                Optional.ofNullable(end).map(RecordedEvent::position),
                started.id(),
                started.command(),
                start.recordedAt(),
                start.metadata(),
                started.payload(),
                ended == null ? Outcome.UNKNOWN : ended.outcome(),
                ended == null ? Optional.empty() : text(ended.failure()),
                ended == null ? Optional.empty() : text(ended.reason()),
                Duration.ofNanos(ended == null ? 0 : ended.nanos()),
                ended == null ? Optional.empty() : position(ended.appended()),
                position(started.within()));
        return new Line(entry, ended == null ? 0 : ended.place());
    }

    private static Optional<String> text(String value) {
        return value.isEmpty() ? Optional.empty() : Optional.of(value);
    }

    private static Optional<Position> position(long value) {
        return value == 0 ? Optional.empty() : Optional.of(Position.of(value));
    }
}
