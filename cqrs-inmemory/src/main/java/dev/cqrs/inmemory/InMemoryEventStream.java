package dev.cqrs.inmemory;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.Objects;
import java.util.Set;

/** A read of the store in memory. It holds nothing but references, so closing only ends its use. */
final class InMemoryEventStream implements EventStream {

    private static final int AHEAD = 16;

    private final Log log;
    private final EventTypes types;
    private final Cursor cursor;
    private final EventQuery query;
    private final ReadOptions options;
    private final int head;
    private long left;
    private int position;
    private boolean closed;

    InMemoryEventStream(Log log, EventTypes types, Cursor cursor, EventQuery query, ReadOptions options, int head) {
        this.log = log;
        this.types = types;
        this.cursor = cursor;
        this.query = query;
        this.options = options;
        this.head = head;
        this.left = options.limit();
    }

    @Override
    public boolean advance() {
        checkOpen();
        if (left == 0) {
            position = 0;
            return false;
        }
        left--;
        position = cursor.next();
        return position != 0;
    }

    @Override
    public long fold(Fold.Run<?> run) {
        checkOpen();
        if (left != Long.MAX_VALUE || !(cursor instanceof Cursor.Range range) || !range.isAscending()) {
            return EventStream.super.fold(run);
        }
        position = 0;
        try {
            return range.fold(run, types.classes());
        } catch (Throwable thrown) {
            position = range.position();
            throw thrown;
        }
    }

    @Override
    public int advance(Object[] events, long[] positions) {
        checkOpen();
        int room = (int) Math.min(events.length, left);
        int moved = 0;
        if (cursor instanceof Cursor.Range range && range.isAscending()) {
            moved = range.take(events, positions, room);
        } else {
            for (int next = room == 0 ? 0 : cursor.next(); next != 0; next = moved < room ? cursor.next() : 0) {
                events[moved] = log.chunk(next).events[Log.slot(next)];
                positions[moved++] = next;
            }
        }
        left -= moved;
        position = moved == 0 || moved < events.length ? 0 : (int) positions[moved - 1];
        return moved;
    }

    @Override
    public Object event() {
        int current = current();
        return log.chunk(current).events[Log.slot(current)];
    }

    @Override
    public Position position() {
        return Position.of(current());
    }

    @Override
    public String name() {
        int current = current();
        return types.get(log.chunk(current).types[Log.slot(current)]).name();
    }

    @Override
    public Set<Tag> tags() {
        int current = current();
        var postings = log.chunk(current).tags[Log.slot(current)];
        var tags = new Tag[postings.length];
        for (int i = 0; i < tags.length; i++) {
            tags[i] = Objects.requireNonNull(postings[i].tag);
        }
        return Set.of(tags);
    }

    @Override
    public Metadata metadata() {
        int current = current();
        var column = log.chunk(current).metadata;
        Metadata metadata = column == null ? null : column[Log.slot(current)];
        return metadata == null ? Metadata.none() : metadata;
    }

    @Override
    public Instant recordedAt() {
        int current = current();
        return Instant.ofEpochMilli(log.chunk(current).times[Log.slot(current)]);
    }

    @Override
    public Position head() {
        checkOpen();
        return Position.of(head);
    }

    @Override
    public AppendCondition unchanged() {
        checkOpen();
        if (options.isCut()) {
            throw new IllegalStateException("A read " + options + " of " + query
                    + " gives no condition: what it left out may matter. Read without limit and until.");
        }
        return AppendCondition.unchanged(query, Position.of(head));
    }

    @Override
    public <S> S fold(Fold<S> fold, S state) {
        checkOpen();
        if (left == Long.MAX_VALUE) {
            position = 0;
            if (cursor instanceof Cursor.Range range && range.isPlain()) {
                return foldRange(fold, state, range.position() + 1, range.end());
            }
            if (cursor instanceof Cursor.Slice slice && slice.isPlain()) {
                return foldSlice(fold, state, slice);
            }
        }
        return EventStream.super.fold(fold, state);
    }

    /**
     * The rest of a tag's entries, which hold the events. These lie anywhere in memory, so a few are touched before the
     * first step is taken: the processor then fetches them at once and not one after the other.
     *
     * <p>Two types have a call of their own each, as the types of an entity often take turns: so the processor has one
     * thing to guess for each event, and not the type and then the step.
     */
    private <S> S foldSlice(Fold<S> fold, S state, Cursor.Slice slice) {
        left = 0;
        if (slice.begin() >= slice.end()) {
            return state;
        }
        var type = slice.entries()
                .events(slice.begin())[Posting.Entries.slot(slice.begin())]
                .getClass();
        var step = fold.stepFor(type);
        Class<?> otherType = type;
        var otherStep = step;
        for (int index = slice.begin(); index < slice.end(); ) {
            var events = slice.entries().events(index);
            int slot = Posting.Entries.slot(index);
            int end = slot + Math.min(AHEAD, Math.min(slice.end(), Posting.Entries.blockEnd(index)) - index);
            index += end - slot;
            boolean same = true;
            for (int i = slot; i < end; i++) {
                same &= events[i].getClass() == type;
            }
            if (same) {
                for (int i = slot; i < end; i++) {
                    state = step.apply(state, events[i]);
                }
                continue;
            }
            for (int i = slot; i < end; i++) {
                var event = events[i];
                if (event.getClass() == type) {
                    state = step.apply(state, event);
                } else {
                    if (event.getClass() != otherType) {
                        otherType = event.getClass();
                        otherStep = fold.stepFor(otherType);
                    }
                    state = otherStep.apply(state, event);
                }
            }
        }
        return state;
    }

    /**
     * The whole of a range, by column: the type's number finds the step without touching the event. The step of the next
     * event is looked up before this one's is taken, so that the processor need not wait for it.
     */
    private <S> S foldRange(Fold<S> fold, S state, int first, int last) {
        left = 0;
        if (first > last) {
            return state;
        }
        var steps = new Steps<>(fold, types);
        var chunk = log.chunk(first);
        int slot = Log.slot(first);
        var step = steps.of(chunk.types[slot]);
        var event = chunk.events[slot];
        for (int position = first; position < last; ) {
            position++;
            slot++;
            if (slot == chunk.events.length) {
                chunk = log.chunk(position);
                slot = 0;
            }
            var nextStep = steps.of(chunk.types[slot]);
            var nextEvent = chunk.events[slot];
            state = step.apply(state, event);
            step = nextStep;
            event = nextEvent;
        }
        return step.apply(state, event);
    }

    /** The steps of a fold by the number of the type. */
    private static final class Steps<S> {
        private final Fold<S> fold;
        private final EventTypes types;
        private final Fold.Step<S>[] found;

        @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type
        Steps(Fold<S> fold, EventTypes types) {
            this.fold = fold;
            this.types = types;
            this.found = new Fold.Step[types.count()];
        }

        Fold.Step<S> of(int type) {
            var step = found[type];
            if (step == null) {
                step = fold.stepFor(types.get(type).type());
                found[type] = step;
            }
            return step;
        }
    }

    @Override
    public void close() {
        closed = true;
    }

    private int current() {
        checkOpen();
        if (position == 0) {
            throw new IllegalStateException("No event is current: call advance() first, and stop when it gives false.");
        }
        return position;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("The stream of " + query + " is closed; read again for another one.");
        }
    }
}
