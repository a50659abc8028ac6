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
        if (open != null && open.position().value() == ended.started()) {
            open = null;
        }
        if (ended.result() != Result.DONE) {
            return;
        }
        Optional<Position> inverse = ended.undoable() ? Optional.of(position) : Optional.empty();
        if (ended.direction() == Direction.DO) {
            items.subList(done, items.size()).clear();
            items.add(new Item(Position.of(ended.started()), ended.command(), ended.id(), inverse));
            if (items.size() > depth) {
                items.remove(0);
            }
            done = items.size();
        } else if (ended.direction() == Direction.UNDO) {
            // anything else would be the late end of a step that another process had given up, and others came since
            if (done > 0 && items.get(done - 1).position().value() == ended.of()) {
                done--;
            }
        } else if (done < items.size() && items.get(done).position().value() == ended.of()) {
            var item = items.get(done);
            items.set(done, new Item(item.position(), item.command(), item.id(), inverse));
            done++;
        }
    }
}
