package dev.cqrs.journal;

import dev.cqrs.command.CommandBus;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.journal.JournalEntry.Outcome;
import dev.cqrs.journal.JournalEntry.Payload;
import dev.cqrs.journal.JournalMark.CommandStarted;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** One replay: first all entries are looked at, then the commands are read and sent, one by one. */
final class Replay {

    private static final int FAULTS_TOLD = 100;

    private final EventStore operations;
    private final JournalReader reader;
    private final List<Place> places = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();
    private long more;

    /**
     * By their starts, whether commands are sent again, be it by the handler of another: then so is what was dispatched within
     * them. Of those of the query, and of those around them.
     */
    private final Map<Position, Boolean> sent = new HashMap<>();

    /**
     * Where one stands: by place, and where two have the same or none is noted, by mark.
     *
     * @param place of {@code CommandEnded}; 0 where none is noted
     * @param mark in the operations log: its end; of one that was settled the start, as its end came at any time later
     * @param started its start
     */
    private record Place(long place, long mark, long started) {

        boolean isSettled() {
            return mark == started;
        }
    }

    Replay(EventStore operations, JournalReader reader) {
        this.operations = operations;
        this.reader = reader;
    }

    long run(JournalQuery query, CommandBus bus) {
        if (query.outcome().isPresent() || query.isNewestFirst()) {
            throw new IllegalArgumentException(
                    "A replay was asked for of " + query + "; expected any outcome, and the oldest first.");
        }
        reader.lines(query).forEach(this::look);
        if (!faults.isEmpty()) {
            throw new ReplayException(faults, more);
        }
        long dispatched = 0;
        for (var place : inOrder()) {
            var position = Position.of(place.started());
            var command = StoredCommands.behind(operations, position);
            try {
                bus.dispatch(command, reader.startAt(position).metadata());
            } catch (RuntimeException thrown) {
                throw new ReplayException(
                        command.getClass().getSimpleName() + " at position " + position, dispatched, thrown);
            }
            dispatched++;
        }
        return dispatched;
    }

    /** A command of which no place is noted stands behind the last place that was noted before it. */
    private List<Place> inOrder() {
        places.sort(Comparator.comparingLong(Place::mark));
        // what was settled always has a place; beside others of which none is noted, that says nothing of the order
        boolean noted = places.stream().allMatch(Place::isSettled)
                || places.stream().anyMatch(place -> !place.isSettled() && place.place() > 0);
        var ordered = new ArrayList<Place>(places.size());
        long last = 0;
        for (var place : places) {
            long own = noted ? place.place() : 0;
            ordered.add(own > 0 ? place : new Place(last, place.mark(), place.started()));
            last = Math.max(last, own);
        }
        ordered.sort(Comparator.comparingLong(Place::place)); // those of one place stay as they are
        return ordered;
    }

    private void look(JournalReader.Line line) {
        var entry = line.entry();
        if (entry.outcome() == Outcome.UNKNOWN) {
            fault(entry, "may have taken effect or not: its outcome is unknown");
            return;
        }
        if (entry.within().map(this::isSent).orElse(false)) {
            sent.put(entry.position(), true);
            return; // its outer command will dispatch it, whatever becomes of it
        }
        sent.put(entry.position(), entry.outcome() == Outcome.SUCCEEDED);
        if (entry.outcome() != Outcome.SUCCEEDED) {
            if (entry.appended().isPresent()) {
                fault(
                        entry,
                        "appended up to position " + entry.appended().get() + " of the domain log, though it "
                                + (entry.outcome() == Outcome.REJECTED ? "was rejected" : "failed"));
            }
            return;
        }
        if (entry.payload() != Payload.WHOLE) {
            fault(entry, entry.payload() == Payload.NONE ? "is kept without its payload" : "is kept masked");
        }
        boolean settled = entry.reason().isPresent(); // one that succeeded by itself has none
        long started = entry.position().value();
        long mark = settled ? started : entry.ended().map(Position::value).orElseThrow();
        places.add(new Place(line.place(), mark, started));
    }

    /** An outer command was looked at before, if it is one of the query; else it is sent if one further out sends it. */
    private boolean isSent(Position start) {
        var known = sent.get(start);
        if (known != null) {
            return known;
        }
        long within = ((CommandStarted) reader.startAt(start).event()).within();
        boolean is = within > 0 && isSent(Position.of(within));
        sent.put(start, is);
        return is;
    }

    private void fault(JournalEntry entry, String what) {
        if (faults.size() == FAULTS_TOLD) {
            more++;
        } else {
            faults.add("\"" + entry.commandName() + "\" with id " + entry.id() + " at position " + entry.position()
                    + " " + what);
        }
    }
}
