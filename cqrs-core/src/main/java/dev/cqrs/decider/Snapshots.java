package dev.cqrs.decider;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the states of decision models between decisions, so that a long history is not read again each time.
 *
 * <p>Nothing but an optimisation: throw the snapshots away, and every decision is the same. One that cannot be right is
 * ignored and counted, and the state is folded from the log:
 *
 * <ul>
 *   <li>of another version, or of no state of this type, or that cannot be loaded at all;
 *   <li>behind the log's head, or at a position where the log holds no event of this model: it comes from another log.
 * </ul>
 *
 * <p>None is saved of events that are not {@linkplain EventStore#isCommitted committed}: within a transaction it would outlive
 * a rollback.
 *
 * <p>What cannot be seen is that a fold or a query was changed and the version was not. {@link #verifyEvery} finds that.
 *
 * <pre>{@code
 * var accounts = Snapshots.of(checkpoints, "account", 1, Account.class, FOLD).every(100);
 * DecisionModel<Account> model = accounts.model(id, EventQuery.tagged(Tag.of("account", id)));
 * }</pre>
 *
 * <p><b>Threads:</b> thread-safe.
 *
 * @param <S> the state, an immutable value
 */
public final class Snapshots<S> {

    /** After how many events a snapshot is saved, unless {@link #every} says otherwise. */
    public static final int EVERY = 100;

    /** How many events are read at a time. */
    private static final int BLOCK = 64;

    private final CheckpointStore store;
    private final String name;
    private final int version;
    private final Class<S> type;
    private final Fold<S> fold;
    private final int every;
    private final long verifyEvery;
    private final Map<Outcome, LongAdder> counts;

    /** How many were believed, or would have been but for verification; counted apart so that each has a number of its own. */
    private final AtomicLong uses;

    /** What became of a snapshot. */
    public enum Outcome {
        /** It was believed, and the log read on from there. */
        USED,
        /** There was none. */
        MISSING,
        /** It was ignored: of an earlier version. */
        STALE,
        /** It was ignored: of a later version, or of a position behind the log's head. */
        NEWER,
        /** It was ignored: it could not be loaded, is no state of this type, or the fold could not go on from it. */
        CORRUPT,
        /** It was ignored: it is not of this log, or not what the events add up to. */
        WRONG,
        /** It was written. */
        SAVED,
        /** It could not be written; the decision went on. */
        NOT_SAVED
    }

    private Snapshots(
            CheckpointStore store,
            String name,
            int version,
            Class<S> type,
            Fold<S> fold,
            int every,
            long verifyEvery,
            Map<Outcome, LongAdder> counts,
            AtomicLong uses) {
        this.store = store;
        this.name = name;
        this.version = version;
        this.type = type;
        this.fold = fold;
        this.every = every;
        this.verifyEvery = verifyEvery;
        this.counts = counts;
        this.uses = uses;
    }

    /**
     * Keeps the states of one kind of model.
     *
     * @param <S> the state
     * @param store where to; may be the one of the projections
     * @param name the kind's stable name, such as {@code "account"}; not blank, without {@code /}
     * @param version 1 or more, raised whenever the meaning of the fold changes, or the queries find other events
     * @param type the type of the states
     * @param fold what the events add up to, into immutable values
     * @return snapshots every {@value #EVERY} events, never verified
     * @throws IllegalArgumentException if the name is blank or has a {@code /}, the version is less than 1, the type is
     *     primitive, or the fold changes its state in place: then a state handed out would not stay what it was
     */
    public static <S> Snapshots<S> of(CheckpointStore store, String name, int version, Class<S> type, Fold<S> fold) {
        Objects.requireNonNull(store, "store");
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(fold, "fold");
        if (type.isPrimitive()) {
            throw new IllegalArgumentException("The states of snapshots \"" + name + "\" are of the primitive type "
                    + type + ", of which no object is; expected the class around it.");
        }
        if (name.isBlank() || name.indexOf('/') >= 0) {
            throw new IllegalArgumentException("The name of snapshots is \"" + name
                    + "\"; expected a stable name without a slash, such as \"account\".");
        }
        if (version < 1) {
            throw new IllegalArgumentException(
                    "The version of snapshots \"" + name + "\" is " + version + "; expected 1 or more.");
        }
        if (fold.changesInPlace()) {
            throw new IllegalArgumentException("The fold of snapshots \"" + name
                    + "\" changes its state in place, so that a state once saved would not stay what it was; expected"
                    + " steps that give the next state. Use Fold.on(...) on immutable values.");
        }
        var counts = new EnumMap<Outcome, LongAdder>(Outcome.class);
        for (var outcome : Outcome.values()) {
            counts.put(outcome, new LongAdder());
        }
        return new Snapshots<>(store, name, version, type, fold, EVERY, Long.MAX_VALUE, counts, new AtomicLong());
    }

    /**
     * Sets how many events are read behind a snapshot before the next one is saved.
     *
     * @param events 1 or more
     * @return snapshots with this policy, which count together with these
     * @throws IllegalArgumentException if {@code events} is less than 1
     */
    public Snapshots<S> every(int events) {
        checkAtLeastOne("every", events);
        return new Snapshots<>(store, name, version, type, fold, events, verifyEvery, counts, uses);
    }

    /**
     * Folds the log from the beginning at every so many uses, and compares: a snapshot that differs by {@code equals}
     * is thrown away, counted as {@link Outcome#WRONG}, and not believed.
     *
     * @param uses 1 or more; 1 to verify always, as tests may
     * @return snapshots with this policy, which count together with these
     * @throws IllegalArgumentException if {@code uses} is less than 1
     */
    public Snapshots<S> verifyEvery(int uses) {
        checkAtLeastOne("verifyEvery", uses);
        return new Snapshots<>(store, name, version, type, fold, every, uses, counts, this.uses);
    }

    /**
     * Gives a model whose state is kept here.
     *
     * @param key which one of its kind, such as the account's number; not empty
     * @param query the events that matter, the same at each call with this key
     * @return a model that may be composed with others
     * @throws IllegalArgumentException if the key is empty
     */
    public DecisionModel<S> model(String key, EventQuery query) {
        Objects.requireNonNull(key, "key");
        if (key.isEmpty()) {
            throw new IllegalArgumentException("The key of a snapshot of \"" + name + "\" is empty; expected one that"
                    + " tells this model from the others of its kind.");
        }
        return DecisionModel.of(new DecisionModel.Part<>(
                Objects.requireNonNull(query, "query"), fold, this, "snapshot/" + name + "/" + key));
    }

    /**
     * Tells how often something became of a snapshot, since {@link #of}.
     *
     * @param outcome what
     * @return zero or more
     */
    public long count(Outcome outcome) {
        return adder(Objects.requireNonNull(outcome, "outcome")).sum();
    }

    // ---- for the model

    /** A state, and the head of the log up to which it was read. */
    record Read<S>(S state, Position head) {}

    /** A snapshot that may be believed if the log agrees, or none; and whether a better one may be written over it. */
    record Found(@Nullable Checkpoint checkpoint, boolean replaceable) {}

    /** To be called before the log is read, so that what another thread saves meanwhile is not taken for too new. */
    Found find(String key) {
        Outcome outcome;
        try {
            var checkpoint = store.load(key).orElse(null);
            if (checkpoint == null) {
                outcome = Outcome.MISSING;
            } else if (checkpoint.version() != version) {
                outcome = checkpoint.version() > version ? Outcome.NEWER : Outcome.STALE;
            } else if (!type.isInstance(checkpoint.state())
                    || checkpoint.position().equals(Position.START)) {
                outcome = Outcome.CORRUPT;
            } else {
                return new Found(checkpoint, true);
            }
        } catch (Throwable unreadable) {
            passOn(unreadable);
            outcome = Outcome.CORRUPT;
        }
        count(outcome, 1);
        return new Found(null, outcome != Outcome.NEWER);
    }

    /** Reads up to {@code until}, or everything without it: on from the snapshot if it is of this log, else from zero. */
    Read<S> read(DecisionModel.Part<S> part, Found found, EventStore log, @Nullable Position until) {
        var options =
                until == null ? ReadOptions.forwards() : ReadOptions.forwards().until(until);
        if (found.checkpoint() != null) {
            var read = readOn(part, found.checkpoint(), log, options);
            if (read != null && isToBeVerified()) {
                return verified(part, read, log);
            }
            if (read != null) {
                return read;
            }
        }
        try (var events = log.read(part.query(), options)) {
            return readRest(part, log, events, fold.run(fold.initial()), Position.START, options, found.replaceable());
        }
    }

    private @Nullable Read<S> readOn(DecisionModel.Part<S> part, Checkpoint from, EventStore log, ReadOptions options) {
        var position = from.position();
        if (position.isAfter(options.until())) {
            count(Outcome.NEWER, 1);
            return null;
        }
        Read<S> read;
        var run = fold.run(type.cast(from.state()));
        // the snapshot's own last event is read again, to see that this log has it
        try (var events = log.read(part.query(), options.after(Position.of(position.value() - 1)))) {
            if (position.isAfter(events.head())) {
                count(Outcome.NEWER, 1);
                return null;
            }
            if (!events.advance() || !events.position().equals(position)) {
                count(Outcome.WRONG, 1);
                return null;
            }
            read = readRest(part, log, events, run, position, options, true);
        } catch (Throwable thrown) {
            if (!run.hasThrown(thrown)) {
                throw thrown; // the log's own: reading all of it would help nobody
            }
            passOn(thrown);
            count(Outcome.CORRUPT, 1); // or a step that fails: then it fails from zero too, and is told
            return null;
        }
        count(Outcome.USED, 1);
        return read;
    }

    private Read<S> readRest(
            DecisionModel.Part<S> part,
            EventStore log,
            EventStream events,
            Fold.Run<S> run,
            Position folded,
            ReadOptions options,
            boolean mayWrite) {
        var block = new Object[BLOCK];
        var positions = new long[BLOCK];
        long last = folded.value();
        long read = 0;
        int moved;
        do {
            moved = events.advance(block, positions);
            int from = 0;
            while (from < moved && positions[from] <= folded.value()) {
                from++; // another part of the event that the snapshot ends with: it was split, and is in the state
                // whole
            }
            if (from < moved) {
                read += run.take(block, from, moved);
                last = positions[moved - 1];
            }
        } while (moved == BLOCK);
        if (read >= every && mayWrite) {
            save(part.key(), log, new Checkpoint(version, Position.of(last), run.state()));
        }
        return new Read<>(run.state(), options.isCut() ? options.until() : events.head());
    }

    private void save(String key, EventStore log, Checkpoint checkpoint) {
        try {
            if (!log.isCommitted(checkpoint.position())) { // a rollback would leave it here
                return;
            }
            store.save(key, checkpoint);
            count(Outcome.SAVED, 1);
        } catch (Throwable notWritten) { // it would only have saved time
            passOn(notWritten);
            count(Outcome.NOT_SAVED, 1);
        }
    }

    private boolean isToBeVerified() {
        return verifyEvery != Long.MAX_VALUE && uses.incrementAndGet() % verifyEvery == 0;
    }

    private Read<S> verified(DecisionModel.Part<S> part, Read<S> read, EventStore log) {
        S truth;
        try (var events = log.read(part.query(), ReadOptions.forwards().until(read.head()))) {
            truth = events.fold(fold);
        }
        if (!isSame(truth, read.state())) {
            count(Outcome.WRONG, 1);
            count(Outcome.USED, -1);
            try {
                store.delete(part.key());
            } catch (Throwable notDeleted) { // found again at the next verification
                passOn(notDeleted);
                count(Outcome.NOT_SAVED, 1);
            }
        }
        return new Read<>(truth, read.head());
    }

    private static boolean isSame(Object truth, Object state) {
        try {
            return truth.equals(state);
        } catch (Throwable incomparable) { // what was loaded may lack what equals needs
            passOn(incomparable);
            return false;
        }
    }

    /**
     * What is no fault of a snapshot is thrown on, such as a want of memory, and an interrupt is kept; all else stops no
     * decision, be it what a store throws of a language without checked exceptions, or a class that is not there.
     */
    private static void passOn(Throwable thrown) {
        if (thrown instanceof Error error && !(error instanceof LinkageError || error instanceof AssertionError)) {
            throw error;
        }
        if (thrown instanceof InterruptedException) {
            Thread.currentThread().interrupt();
        }
    }

    private void count(Outcome outcome, long more) {
        adder(outcome).add(more);
    }

    private LongAdder adder(Outcome outcome) {
        return Objects.requireNonNull(counts.get(outcome));
    }

    private static void checkAtLeastOne(String what, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(what + " is " + value + "; expected 1 or more.");
        }
    }
}
