package dev.cqrs.journal;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.journal.JournalMark.Direction;
import dev.cqrs.journal.JournalMark.Result;
import dev.cqrs.journal.JournalMark.StepEnded;
import dev.cqrs.journal.JournalMark.StepStarted;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The fold of a scope's marks: which commands can be undone and redone, and which step has begun and not ended.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Steps {

    /**
     * A command that was done.
     *
     * @param position of the mark with which it was new, behind which it stands
     * @param inverse the position of the mark behind which its inverse stands; empty if it gave none
     */
    record Item(Position position, String command, String id, Optional<Position> inverse) {}

    /**
     * A step that has begun and not ended.
     *
     * @param position of its mark
     * @param from the position of the mark behind which its command stands
     * @param metadata with which the command is dispatched
     */
    record Open(Position position, StepStarted mark, Position from, Metadata metadata) {

        static Open of(Position position, StepStarted mark, Metadata metadata) {
            return new Open(position, mark, mark.from() == 0 ? position : Position.of(mark.from()), metadata);
        }
    }

    private final int depth;

    /** Those before `done` are done, the others undone. */
    private final List<Item> items = new ArrayList<>();

    private int done;
    private @Nullable Open open;
    private Position seen = Position.START;

    Steps(int depth) {
        this.depth = depth;
    }

    /** Gives up to where the log is known. */
    Position seen() {
        return seen;
    }

    Optional<Open> open() {
        return Optional.ofNullable(open);
    }

    List<Item> items() {
        return items;
    }

    int done() {
        return done;
    }

    Optional<Item> lastDone() {
        return done == 0 ? Optional.empty() : Optional.of(items.get(done - 1));
    }

    Optional<Item> firstUndone() {
        return done == items.size() ? Optional.empty() : Optional.of(items.get(done));
    }

    /** Takes the marks behind those that are known. */
    void take(EventStream marks) {
        while (marks.advance()) {
            if (marks.event() instanceof StepStarted started) {
                open = Open.of(marks.position(), started, marks.metadata());
            } else if (marks.event() instanceof StepEnded ended) {
                end(marks.position(), ended);
            }
            seen = marks.position();
        }
        seen = marks.head();
    }

    private void end(Position position, StepEnded ended) {
        if (open != null && (open.position().value() == ended.started() || isDone(open, ended))) {
            open = null;
        }
        if (ended.result() != Result.DONE) {
            return;
        }
        var of = Position.of(ended.direction() == Direction.DO ? ended.started() : ended.of());
        Optional<Position> inverse = ended.undoable() ? Optional.of(position) : Optional.empty();
        // what is done counts, even if it comes late, from a process that others took for dead: so look where it is now
        switch (ended.direction()) {
            case DO -> {
                items.subList(done, items.size()).clear();
                did(new Item(of, ended.command(), ended.id(), inverse));
            }
            case UNDO -> {
                int at = last(of, 0, done);
                if (at >= 0) {
                    items.add(--done, items.remove(at));
                }
            }
            case REDO -> {
                int at = last(of, done, items.size());
                var id = at < 0 ? ended.id() : items.remove(at).id();
                did(new Item(of, ended.command(), id, inverse));
            }
        }
    }

    /**
     * Says whether what is open is done by another step of its id: one that was given up and sent again, and whose first
     * process came to an end after all. What is done is told once for its id, so no end of its own will come.
     */
    private static boolean isDone(Open open, StepEnded ended) {
        return ended.result() == Result.DONE && ended.id().equals(open.mark().id());
    }

    private void did(Item item) {
        items.add(done++, item);
        if (items.size() > depth && done == items.size()) {
            items.remove(0);
            done--;
        } else if (items.size() > depth) {
            items.remove(items.size() - 1);
        }
    }

    /** Gives where an item stands between two places, the last if it stands there twice; -1 if it does not. */
    private int last(Position position, int from, int to) {
        for (int at = to - 1; at >= from; at--) {
            if (items.get(at).position().equals(position)) {
                return at;
            }
        }
        return -1;
    }
}
