package dev.cqrs.task;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * Reads an engine's own events on, up to the head of its log, into what the engine knows; and saves that now and then, so
 * that a start need not read the log from its beginning.
 *
 * <p><b>Threads:</b> thread-safe. Each event is applied once, and in order. What is known is called with the engine's lock
 * held, which is held for no call of a store.
 *
 * @param <E> what the engine's events have in common
 * @param <S> the class of what is saved
 */
public final class Marks<E, S> {

    private static final int CHUNK = 1_000;
    private static final int SAVE_AFTER = 10_000;

    private final EventStore log;
    private final EventQuery events;
    private final Class<E> type;
    private final ReentrantLock lock;
    private final Known<E, S> known;
    private final Optional<Saving<S>> saving;

    private final ReentrantLock reading = new ReentrantLock(); // held by whoever reads the log on
    private boolean loaded;
    private volatile Position folded = Position.START; // written with both locks
    private long applied;
    private long saved;

    /**
     * What an engine knows of its events.
     *
     * @param <E> what they have in common
     * @param <S> the class of what is saved
     */
    public interface Known<E, S> {

        /**
         * Takes an event in.
         *
         * @param event the next one
         * @param position where it stands
         * @param recordedAt when it was recorded
         */
        void apply(E event, Position position, Instant recordedAt);

        /**
         * Takes in what was saved, before any event.
         *
         * @param state what {@link Marks#save} was given
         * @return whether it is of use; if not, all events are applied, from the first one on
         */
        boolean load(S state);

        /**
         * Tells how much a save costs.
         *
         * @return how many things are known
         */
        int size();
    }

    /**
     * Where what is known is saved.
     *
     * @param <S> the class of what is saved
     * @param store the store
     * @param name of the checkpoint
     * @param version of what is saved; another one is not loaded
     * @param state the class of what is saved
     */
    public record Saving<S>(CheckpointStore store, String name, int version, Class<S> state) {}

    /**
     * Makes them, with nothing read.
     *
     * @param log where the events are
     * @param events which of them are the engine's
     * @param type what they have in common
     * @param lock guards what is known
     * @param known what they are read into
     * @param saving where that is saved, if it is
     */
    public Marks(
            EventStore log,
            EventQuery events,
            Class<E> type,
            ReentrantLock lock,
            Known<E, S> known,
            Optional<Saving<S>> saving) {
        this.log = log;
        this.events = events;
        this.type = type;
        this.lock = lock;
        this.known = known;
        this.saving = saving;
    }

    /**
     * Tells how far the log was read.
     *
     * @return what is known is as of this position
     */
    public Position folded() {
        return folded;
    }

    /** Brings what is known up to the head of the log; what a store throws reaches the caller, who may call again. */
    public void refresh() {
        reading.lock();
        try {
            if (!loaded) {
                saving.ifPresent(this::load);
                loaded = true;
            }
            while (readOn()) {
                // there is more
            }
        } finally {
            reading.unlock();
        }
    }

    private void load(Saving<S> from) {
        var found = from.store().load(from.name()).orElse(null);
        if (found == null
                || found.version() != from.version()
                || !from.state().isInstance(found.state())
                || found.position().isAfter(log.head())) {
            return; // from the start, then
        }
        lock.lock();
        try {
            if (known.load(from.state().cast(found.state()))) {
                folded = found.position();
            }
        } finally {
            lock.unlock();
        }
    }

    private boolean readOn() {
        var chunk = new ArrayList<Mark<E>>();
        boolean more;
        Position end;
        try (var found = log.read(events, ReadOptions.forwards().after(folded).limit(CHUNK))) {
            while (found.advance()) {
                chunk.add(new Mark<>(type.cast(found.event()), found.position(), found.recordedAt()));
            }
            more = chunk.size() >= CHUNK;
            end = more ? chunk.get(chunk.size() - 1).position() : found.head();
        }
        lock.lock();
        try {
            for (int i = 0; i < chunk.size(); i++) {
                var mark = chunk.get(i);
                known.apply(mark.event(), mark.position(), mark.recordedAt());
                applied++;
                if (i + 1 < chunk.size() && chunk.get(i + 1).position().isAfter(mark.position())) {
                    folded = mark.position(); // where the next one fails, this one is not applied again
                }
            }
            if (end.isAfter(folded)) {
                folded = end;
            }
        } finally {
            lock.unlock();
        }
        return more;
    }

    private record Mark<E>(E event, Position position, Instant recordedAt) {}

    /**
     * Saves what is known if that is worth it: the cost of a save is shared by the events since the last.
     *
     * @param last whether it is the last time, and worth it for any event
     * @param state gives what is saved; called with the engine's lock held
     */
    public void save(boolean last, Supplier<S> state) {
        if (saving.isEmpty()) {
            return;
        }
        var to = saving.get();
        Checkpoint made;
        long upTo;
        lock.lock();
        try {
            if (applied - saved < (last ? 1 : Math.max(SAVE_AFTER, 2L * known.size()))) {
                return;
            }
            made = new Checkpoint(to.version(), folded, state.get());
            upTo = applied;
        } finally {
            lock.unlock();
        }
        to.store().save(to.name(), made);
        lock.lock();
        try {
            saved = Math.max(saved, upTo);
        } finally {
            lock.unlock();
        }
    }
}
