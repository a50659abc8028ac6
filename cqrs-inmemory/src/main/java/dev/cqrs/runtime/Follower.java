package dev.cqrs.runtime;

import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.CqrsException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.projection.Projection.Trigger;
import dev.cqrs.runtime.Parking.Item;
import dev.cqrs.runtime.ProjectionFailure.Outcome;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Trampoline;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One version of a projection, followed along the log: its state, how far it has come, and what to do when it fails.
 *
 * @param <V> the view
 */
final class Follower<V> {

    /*
     * `lock` guards the draft and, for writing, all that readers see. It is held from the first event of a batch to its
     * last, so that nobody sees part of one; `published` and `position` are written then, and read without the lock.
     * A checkpoint is saved under its read half: nothing is folded meanwhile, and values are read all the same. Of those who
     * have the read half one at a time saves, with `saving`, which guards what a save that fails writes.
     *
     * What is the user's to run (the listener, the timer) is collected under the lock and run after it was given back:
     * it may close the engine, append, fold at once, or wait for another thread that does. Folds, keys and effects do run
     * under the lock; they belong to the batch.
     *
     * In the background one task at a time is given to the executor: `scheduled` is set from then until the task has
     * looked at the log for the last time.
     */

    /** How many events are taken from the store at once, and by many workers. */
    private static final int FEW = 256;

    private static final int MANY = 4_096;

    /** How many batches a task folds before it goes to the end of the executor's queue. */
    private static final int BATCHES_A_TASK = 16;

    private static final long NEVER = Long.MAX_VALUE;

    static final Object CLOSED = new Object();

    private final EventStore store;
    private final Projection<V> projection;
    private final Delivery delivery;
    private final @Nullable Executor executor;
    private final @Nullable CheckpointStore checkpoints;
    private final Consumer<? super ProjectionFailure> listener;
    private final Runnable moved;
    private final Meter meter;

    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final ReentrantLock saving = new ReentrantLock();
    private final Workers.Fence fence;
    private final Draft<V> draft;
    private final EventStore.@Nullable Feed feed;
    private final boolean withEffects;

    private final Portion portion;
    private final Appends appends;

    private final List<ProjectionFailure> untold = new ArrayList<>();
    private @Nullable Duration pause;
    private long failedAt;
    private int attempts;
    private int storeAttempts;

    /** Up to here an event could not be read. So an append at a time is folded, to come right before it. */
    private long unreadableUntil;

    private boolean performing;

    /** Whether effects are performed while it is filled: those that the version before owes. */
    private boolean settling;

    /**
     * A store that folded by itself has failed, so that nobody knows how many events behind the position the view in place has
     * in it: it is folded anew, from the start of the log.
     */
    private boolean torn;

    /** The events put aside, with those of the batch that is being folded. */
    private Parking batchParking = Parking.NONE;

    /** Whether the thread was found interrupted while it folded, which it is to be again when it is done. */
    private boolean interrupted;

    private long folded;
    private volatile long savedAt;

    private volatile V published;
    private volatile Position position;
    private volatile Parking parking = Parking.NONE;
    private volatile @Nullable ProjectionFailure failure;
    private volatile @Nullable ProjectionFailure lastError;

    /** What the last save has thrown, if it failed. */
    private volatile @Nullable ProjectionFailure saveFailure;

    private volatile Position seenHead = Position.START;
    private volatile boolean closed;
    private volatile boolean ended;

    /** A task was due while the lock was held by the thread that was to run it. */
    private boolean owed;

    /** A fold or an effect has closed the engine, of this or another projection: saved is when the lock is given back. */
    private volatile boolean closedWithin;

    private volatile boolean filling;
    private volatile boolean givenUp;
    private volatile boolean pausing;

    /** Somebody wants it to go on, be it that the task that is under way has failed before. */
    private volatile boolean wanted;

    private volatile boolean unsaved;

    /** Up to where effects have been performed before, and before which no checkpoint replaces the one that says so. */
    private volatile long effectsAfter;

    /** What an earlier version had put aside up to there, of which it has not performed the effects. */
    private Set<Long> effectsOwed = Set.of();

    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final Trampoline tasks = new Trampoline();

    /**
     * What all followers of a view have in common: the fence too, as while one takes another's place, who folds for it holds
     * up both.
     */
    record Surroundings(
            EventStore store,
            @Nullable CheckpointStore checkpoints,
            Consumer<? super ProjectionFailure> listener,
            @Nullable Clock clock,
            Runnable moved,
            Workers.Fence fence) {}

    private Follower(
            Surroundings around, Projection<V> projection, Delivery delivery, @Nullable CheckpointStore checkpoints) {
        this.store = around.store();
        this.listener = around.listener();
        this.moved = around.moved();
        this.fence = around.fence();
        this.meter = new Meter(around.clock());
        this.projection = projection;
        this.delivery = delivery;
        this.executor = delivery.executor().orElse(null);
        this.checkpoints = projection.fold().changesInPlace()
                        && projection.each().isEmpty()
                        && projection.saved().isEmpty()
                ? null
                : checkpoints;
        this.draft = Draft.of(projection, delivery.workers());
        this.withEffects = projection.hasEffects();
        this.feed = withEffects
                ? null
                : store.feed(projection.query()).orElse(null); // with them more is read of each event
        int room = withEffects ? 1 : draft.hasWorkers() ? MANY : FEW;
        this.portion = withEffects
                ? new Portion(room, event -> (!filling || settling) && hasEffect(event))
                : new Portion(room, null);
        this.appends = new Appends(store, projection.query());
        this.published = draft.initial();
        this.position = Position.START;
    }

    /** Where two fit, this throws when it is to be performed: in reading, it would be taken for the store's failure. */
    private boolean hasEffect(Object event) {
        try {
            return projection.effectOf(event).isPresent();
        } catch (RuntimeException twoFit) {
            return false;
        }
    }

    /** One that goes on from its checkpoint, if there is one it can use. */
    static <V> Follower<V> started(Surroundings around, Projection<V> projection, Delivery delivery) {
        var follower = new Follower<>(around, projection, delivery, around.checkpoints());
        var saved = follower.checkpoints;
        if (saved != null) {
            follower.goOnFrom(saved);
        }
        return follower;
    }

    /** One that begins at zero, beside another, and performs no effect and saves nothing until it is in its place. */
    static <V> Follower<V> filling(Surroundings around, Projection<V> projection, Delivery delivery) {
        var follower = new Follower<>(around, projection, delivery, around.checkpoints());
        follower.filling = true;
        follower.effectsAfter = NEVER;
        return follower;
    }

    private void goOnFrom(CheckpointStore saved) {
        var checkpoint = usable(saved, projection, store);
        if (checkpoint.isPresent()) {
            restore(checkpoint.get());
        } else if (projection.hasEffects()) { // those of an earlier version, or of a state that cannot be read
            effectsAfter = saved.position(projection.name())
                    .map(at -> Math.min(
                            at.value(), store.head().value())) // of a log that was put back: its events have had theirs
                    .orElse(0L);
            effectsOwed = owed(saved.parked(projection.name()));
        }
    }

    /**
     * Takes a checkpoint over; if that fails, this projection has stopped, and no other. What the store throws in reading, and
     * may not throw next time, is thrown on, as where the checkpoint itself cannot be loaded: to begin at zero instead would
     * lose the effects that are due.
     */
    private void restore(Checkpoint from) {
        boolean reading = false;
        try {
            var state = draft.restored(loaded(projection, from.state()));
            var items = new ArrayList<Item>();
            for (var parked : from.parked()) {
                var keys = keysOfParked();
                reading = true;
                int count = takeAt(parked.position().value());
                reading = false;
                items.add(item(parked, keys, count));
            }
            parking = Parking.of(items);
            published = state;
            position = from.position();
            savedAt = position.value();
        } catch (Throwable thrown) {
            if (reading && mayPass(thrown)) {
                throw thrown;
            }
            effectsAfter = from.position().value(); // where it is resumed it begins at zero, but for effects
            effectsOwed = owed(from.parked());
            note(position, thrown, false);
        } finally {
            portion.clear();
        }
    }

    private static Set<Long> owed(List<CheckpointStore.Parked> parked) {
        return parked.stream()
                .filter(CheckpointStore.Parked::effectDue)
                .map(each -> each.position().value())
                .collect(Collectors.toUnmodifiableSet());
    }

    /** The checkpoint is looked at before the head: another engine may be going on with both. */
    static Optional<Checkpoint> usable(CheckpointStore saved, Projection<?> projection, EventStore store) {
        return saved.load(projection.name())
                .filter(checkpoint -> checkpoint.version() == projection.version()
                        && !checkpoint.position().isAfter(store.head()));
    }

    @SuppressWarnings("unchecked") // name and version were those of this projection when it was saved
    private static <V> V loaded(Projection<V> projection, Object state) {
        return projection.saved().isPresent() ? load(projection.saved().get(), state) : (V) state;
    }

    private static <V, T> V load(Projection.Saved<V, T> saved, Object state) {
        return saved.load().apply(saved.type().cast(state));
    }

    private Keys<?> keysOfParked() {
        return projection
                .keys()
                .orElseThrow(() -> new IllegalStateException("The checkpoint of projection \"" + projection.name()
                        + "\" has events that were put aside with those of their key, but the projection has no keys any"
                        + " more. Give it by(...), or raise its version."));
    }

    /** An event put aside, of which so much was taken. */
    private Item item(CheckpointStore.Parked parked, Keys<?> keys, int count) {
        long at = parked.position().value();
        if (count == 0) {
            throw notThere(at);
        }
        var found = portion.keys(keys, 0, count);
        if (found.isEmpty()) {
            throw new IllegalStateException("Projection \"" + projection.name() + "\" has no key for the event at"
                    + " position " + at
                    + ", which its checkpoint has put aside with those of its key. Give that event"
                    + " a key in by(...) again, or raise the projection's version.");
        }
        return new Item(at, found, parked.reason(), parked.effectDue());
    }

    /** Takes what is at a position; gives how many events. */
    private int takeAt(long at) {
        try (var found = store.read(
                projection.query(),
                ReadOptions.forwards().after(Position.of(at - 1)).until(Position.of(at)))) {
            return portion.take(found);
        }
    }

    private IllegalStateException notThere(long at) {
        return new IllegalStateException("The log has no event at position " + at + " that projection \""
                + projection.name()
                + "\" asks for, which has put it aside. Is it the log that the checkpoint is"
                + " of, and the same query?");
    }

    // ---- what is seen of it

    Projection<V> projection() {
        return projection;
    }

    Position position() {
        return position;
    }

    Parking parking() {
        return parking;
    }

    boolean isRunning() {
        return stopped() == null && !isOver();
    }

    private boolean isOver() {
        return closed || (filling && givenUp);
    }

    @Nullable
    ProjectionFailure stopped() {
        var why = failure;
        return why == null || why.retried() ? null : why;
    }

    /** Gives what the reader gives, and {@link #CLOSED} where this is closed, or another has its place, once it may be read. */
    @Nullable
    Object read(Function<? super V, ?> reader) {
        if (!projection.fold().changesInPlace() || projection.each().isPresent()) {
            return reader.apply(published);
        }
        lock.readLock().lock();
        try {
            if (closed) { // a fold that was ended has left part of an append
                return CLOSED;
            }
            checkNotStopped();
            return reader.apply(published);
        } finally {
            unlockReading();
        }
    }

    void checkNotStopped() {
        var why = stopped();
        if (why != null) {
            throw new ProjectionStoppedException(why);
        }
    }

    /** With what the view says of itself: it is closed before the follower is, and can no longer be read from then on. */
    ProjectionStatus status(boolean viewClosed, Optional<Rebuild.Progress> rebuild) {
        var why = failure;
        var reached = position;
        return new ProjectionStatus(
                projection.name(),
                projection.version(),
                why != null && !why.retried()
                        ? ProjectionStatus.State.STOPPED
                        : viewClosed
                                ? ProjectionStatus.State.CLOSED
                                : why != null ? ProjectionStatus.State.RETRYING : ProjectionStatus.State.RUNNING,
                reached,
                head(reached),
                meter.rate(),
                parking.items().size(),
                Optional.ofNullable(why),
                Optional.ofNullable(lastError),
                rebuild);
    }

    /** Status is told also while the store cannot tell where its head is. */
    private Position head(Position atLeast) {
        try {
            seenHead = store.head();
        } catch (Throwable unknown) {
            keepInterrupt(unknown);
            return atLeast.isAfter(seenHead) ? atLeast : seenHead;
        }
        return seenHead;
    }

    boolean isHeldByThisThread() {
        return lock.isWriteLockedByCurrentThread()
                || lock.getReadHoldCount() > 0
                || fence.holds(Thread.currentThread());
    }

    /** Refuses what would make a projection wait for itself, or fold events out of order. */
    void checkMayAppend() {
        if ((lock.isWriteLockedByCurrentThread() && !performing) || fence.holds(Thread.currentThread())) {
            throw new IllegalStateException("A fold of projection \"" + projection.name()
                    + "\" tried to append; nothing was written. Folds run again whenever a view is built, so they"
                    + " must not. Append from a command handler.");
        }
        checkNotReading("append");
    }

    void checkNotReading(String what) {
        if (lock.getReadHoldCount() > 0) {
            throw new IllegalStateException("A reader of view \"" + projection.name() + "\" tried to " + what
                    + ", which would wait for itself; nothing was done. Leave read(...) first.");
        }
    }

    // ---- following

    /** Tells that the log has grown, or that it should be looked at again. */
    void appended(Position last) {
        if (executor == null) {
            if (!pausing) {
                catchUp(last);
                if (hasToSaveAgain()) {
                    saveCheckpoint();
                }
                pauseAsAsked();
            }
        } else if (isRunning()
                && !pausing
                && (last.isAfter(position) || hasToSaveAgain())
                && scheduled.compareAndSet(false, true)) {
            schedule(executor);
        }
    }

    private void schedule(Executor executor) {
        try {
            executor.execute(this::run);
        } catch (Throwable refused) { // also an error: no thread could be had, for instance
            scheduled.set(false);
            failed(refused, delivery.timer().isPresent());
            pauseAsAsked();
            keepInterrupt(refused);
        }
    }

    /** What was thrown for an interrupt, which no signature allowed, leaves the thread interrupted. */
    private static void keepInterrupt(Throwable thrown) {
        if (thrown instanceof InterruptedException) {
            Thread.currentThread().interrupt();
        }
    }

    /** A task. */
    private void run() {
        if (!tasks.isRunningHere() && lock.isWriteLockedByCurrentThread()) {
            owed = true; // an effect that is repaired has appended, and tasks run where they are given
            return;
        }
        var interrupts = new AtomicBoolean();
        Runnable task = () -> {
            if (runOnce()) {
                interrupts.set(true);
            }
        };
        if (tasks.run(task) && interrupts.get()) {
            Thread.currentThread().interrupt();
        }
    }

    /** Gives whether its thread is to be interrupted when it is done, which is not to disturb what comes before. */
    private boolean runOnce() {
        wanted = false;
        if (!isRunning()) {
            scheduled.set(false);
            lookAgain(position); // somebody may just have resumed it
            pauseAsAsked();
            return Thread.interrupted();
        }
        var tried = position;
        var before = failure;
        try {
            tried = store.head();
            seenHead = tried;
            boolean more = true;
            for (int i = 0; i < BATCHES_A_TASK && more; i++) {
                more = catchUpOnce(tried);
                more = (!isToBeSaved() || saveCheckpoint()) && more;
            }
            recoveredIfDone(before, tried);
        } catch (Throwable thrown) {
            failed(thrown, mayPass(thrown));
            keepInterrupt(thrown);
        }
        boolean wasInterrupted = Thread.interrupted() || interrupted; // now: the next task has its own
        interrupted = false;
        boolean failing = failure != null;
        scheduled.set(false);
        lookAgain(failing ? tried : position);
        pauseAsAsked();
        return Thread.interrupted() || wasInterrupted;
    }

    /**
     * An append that came meanwhile found a task already scheduled, and so did who wants it to go on. What has failed is not
     * tried again without one.
     */
    private void lookAgain(Position tried) {
        if (!isRunning() || pausing) {
            return;
        }
        Position head;
        try {
            head = store.head();
        } catch (Throwable thrown) {
            failed(thrown, mayPass(thrown));
            keepInterrupt(thrown);
            return;
        }
        if (wanted || head.isAfter(tried)) {
            appended(head);
        }
    }

    /** Folds what is in the log up to {@code until}, on the calling thread, a batch after the other. */
    void catchUp(Position until) {
        while (!pausing && catchUpOnce(until)) {
            Thread.onSpinWait();
        }
    }

    /** Folds a batch; readers see all of it or nothing. Gives whether another is left. */
    private boolean catchUpOnce(Position until) {
        if (!isRunning() || !until.isAfter(position)) {
            return false;
        }
        boolean more = false;
        lock.writeLock().lock();
        try {
            if (isRunning()
                    && !pausing
                    && until.isAfter(position)) { // another thread may have failed while this one waited
                more = foldBatch(until) && until.isAfter(position);
            }
        } finally {
            interruptAgain();
            unlock();
        }
        afterwards();
        return more;
    }

    private void unlock() {
        lock.writeLock().unlock();
        endIfClosedWithin();
    }

    private void unlockReading() {
        lock.readLock().unlock();
        endIfClosedWithin();
    }

    /** Behind each use of the lock, as a fold or an effect may have closed the engine meanwhile, which has not waited for it. */
    private void endIfClosedWithin() {
        if (closedWithin && !ended) {
            endIfFree();
        }
    }

    /** With the lock held; a task does it at its end, so that its checkpoint can be saved first. */
    private void interruptAgain() {
        if (interrupted && !tasks.isRunningHere()) {
            interrupted = false;
            Thread.currentThread().interrupt();
        }
    }

    /** Tells waiters and the listener what has happened; without the lock. */
    void afterwards() {
        if (!filling) { // which nobody reads yet
            moved.run();
        }
        if (!untold.isEmpty()) { // a look without the lock: who has added to it comes here as well
            tell();
        }
    }

    private void tell() {
        List<ProjectionFailure> all;
        lock.writeLock().lock();
        try {
            all = List.copyOf(untold);
            untold.clear();
        } finally {
            unlock();
        }
        for (var why : all) {
            Listeners.tell(listener, why, why.cause());
        }
    }

    /** Gives whether all went well; with the lock held. */
    private boolean foldBatch(Position until) {
        try {
            var end = batchEnd(until);
            var flight = Flight.begin(projection);
            var from = position;
            long before = folded;
            boolean well = filling ? fillUntil(end) : foldUntil(end);
            interrupted |= Thread.interrupted(); // a handler's, which is not to disturb the store
            meter.add(folded - before);
            Flight.batch(flight, projection, from, position, folded - before);
            return well;
        } catch (Throwable thrown) { // the store's, in looking for the batch's end
            interrupted |= thrown instanceof InterruptedException;
            note(position, thrown, mayPass(thrown));
            return false;
        }
    }

    /**
     * Where a batch ends: between two events for this projection that were not recorded at the same time, and so not in one
     * append either; at the end if there is no such place. Times never go back, so that what lies between two equal ones is
     * equal too.
     */
    private Position batchEnd(Position until) {
        long reached = position.value();
        int atLeast = reached < unreadableUntil ? 1 : delivery.batch();
        if (until.value() - reached <= atLeast) {
            return until;
        }
        try {
            return appends.end(Position.of(reached + atLeast), until);
        } catch (Throwable thrown) {
            if (mayPass(thrown)) {
                throw thrown;
            }
            // an event that cannot be read: the fold comes to it, and says so there. Where it begins its append, the
            // one before is not shown either: when it was recorded is not known, and so not that the other has ended
            return until;
        }
    }

    /**
     * Who folds a version that is filled is within the projection too, whose lock is another's, and stays so where the filling
     * is given up meanwhile.
     */
    private boolean fillUntil(Position end) {
        var thread = Thread.currentThread();
        boolean entered = fence.enter(thread);
        try {
            return foldUntil(end);
        } finally {
            if (entered) {
                fence.leave(thread);
            }
        }
    }

    private boolean foldUntil(Position end) {
        if (draft.hasWorkers()) {
            var well = foldTogether(end);
            if (well != null) {
                return well;
            }
        }
        int before = untold.size();
        boolean well = foldOneByOne(end);
        if (!batchParking.equals(parking)) { // the batch was dropped: what it has put aside is not, and comes again
            untold.subList(before, untold.size()).removeIf(why -> why.outcome() == Outcome.PARKED);
        }
        return well;
    }

    private boolean foldOneByOne(Position end) {
        long reached = position.value();
        draft.begin(torn ? projection.fold().initial() : published);
        batchParking = parking;
        if (feed != null && !torn && end.value() - reached <= portion.room()) {
            return foldFew(feed, end, reached);
        }
        try (var stream = read(torn ? Position.START : position, end)) {
            var run = draft.run();
            if (feed != null && run != null && !torn && projection.saved().isEmpty() && batchParking.isEmpty()) {
                if (!foldWhereTheyLie(stream, run)) {
                    return false;
                }
            }
            for (int count = portion.take(stream); count > 0; count = portion.take(stream)) {
                if (!foldTaken(count, reached)) {
                    return false;
                }
                reached = portion.at(count - 1);
            }
            if (isOver() && !isShownInPart()) {
                return false;
            }
            publish(draft.end(), end.isAfter(stream.head()) ? stream.head() : end, batchParking);
            torn = false;
            recovered();
            return true;
        } catch (Throwable thrown) { // the store's, in reading
            if (isShownInPart()) {
                publish(draft.end(), Position.of(reached), batchParking);
            }
            return goesOnAfter(thrown, end);
        } finally {
            portion.clear();
        }
    }

    /**
     * Has a store in memory fold by itself, up to the first event that fails; gives whether to go on with what is left. When it
     * is told to stop, how far it came is not known; so not for views in place that are saved on close.
     */
    private boolean foldWhereTheyLie(EventStream stream, Fold.Run<V> run) {
        try {
            folded += stream.fold(run);
            return !isOver();
        } catch (Throwable thrown) {
            if (!run.hasThrown(thrown)) {
                torn = isChangedInPlace();
                throw thrown;
            }
            long at = stream.position().value(); // the only event there: no store in memory splits any
            portion.set(stream.event(), at);
            var parked = failedAt(0, 1, thrown, batchParking);
            if (parked == null) {
                publish(draft.end(), Position.of(at - 1), batchParking);
                return false;
            }
            batchParking = parked;
            return true;
        }
    }

    /** The same for what has just been appended, for which no stream is opened. */
    private boolean foldFew(EventStore.Feed feed, Position end, long reached) {
        int count = 0;
        try {
            count = portion.take(feed, position, end);
            if (!foldTaken(count, reached) || (isOver() && !isShownInPart())) {
                return false;
            }
            publish(draft.end(), end, batchParking);
            recovered();
            return true;
        } catch (Throwable thrown) {
            return goesOnAfter(thrown, end);
        } finally {
            portion.clear(count);
        }
    }

    /** What a store has thrown in reading a batch; gives whether to go on, with a smaller one. */
    private boolean goesOnAfter(Throwable thrown, Position end) {
        interrupted |= thrown instanceof InterruptedException;
        boolean passes = mayPass(thrown);
        if (!passes && thrown instanceof CqrsException && position.value() >= unreadableUntil) {
            unreadableUntil = end.value();
            return true;
        }
        note(position, thrown, passes);
        return false;
    }

    /**
     * What must not be folded again, because an effect or a view in place has it already, is shown as far as it has come
     * when a batch breaks off; otherwise readers go on seeing whole appends.
     */
    private boolean isShownInPart() {
        return withEffects || (isChangedInPlace() && !torn);
    }

    /** Folds what was taken from the store, all at one position or none of it; gives whether to go on. */
    private boolean foldTaken(int count, long before) {
        for (int i = 0; i < count; ) {
            if (isOver()) {
                if (isShownInPart()) {
                    publish(draft.end(), Position.of(i == 0 ? before : portion.at(i - 1)), batchParking);
                }
                return false;
            }
            Parking parked;
            int next = portion.endOfSame(i, count);
            int alone = withEffects || !batchParking.isEmpty() ? i : portion.endOfAlone(i, count);
            if (alone > i) {
                int from = i;
                try {
                    i += draft.applyAll(portion.events(), i, alone);
                    continue;
                } catch (Throwable thrown) {
                    i = from + draft.taken();
                    next = i + 1;
                    parked = failedAt(i, next, thrown, batchParking);
                }
            } else {
                parked = handle(i, next, batchParking);
            }
            if (parked == null) {
                publish(draft.end(), Position.of(Math.max(before, portion.at(i) - 1)), batchParking);
                return false;
            }
            batchParking = parked;
            i = next;
        }
        folded += count;
        return true;
    }

    /** Gives the events that are put aside then, and {@code null} if those at this position were not to be had. */
    private @Nullable Parking handle(int from, int to, Parking parked) {
        try {
            if (!parked.isEmpty()) {
                var keys = portion.keys(projection.keys().orElseThrow(), from, to);
                if (parked.holdsAnyOf(keys)) {
                    return park(new Item(portion.at(from), keys, "", isEffectDue(portion.at(from))), parked);
                }
            }
            apply(from, to, isEffectDue(portion.at(from)));
            if (withEffects) { // a flag that one leaves is not the next event's
                interrupted |= Thread.interrupted();
            }
            return parked;
        } catch (Throwable thrown) {
            return failedAt(from, to, thrown, parked);
        }
    }

    /**
     * Folds the events at one position, and then performs their effects, if they are due; leaves the draft as it was if any of
     * that throws, unless the fold changes its state in place.
     */
    private void apply(int from, int to, boolean due) throws Exception {
        boolean performs = false;
        for (int i = from; due && i < to; i++) {
            performs |= projection.effectOf(portion.event(i)).isPresent();
        }
        if (to - from == 1 && !performs) {
            draft.apply(portion.event(from));
            return;
        }
        var before = draft.end();
        draft.begin(before);
        try {
            for (int i = from; i < to; i++) {
                draft.apply(portion.event(i));
            }
            if (performs) {
                perform(from, to);
            }
        } catch (Throwable thrown) {
            draft.begin(before);
            throw thrown;
        }
    }

    private boolean isEffectDue(long at) {
        return withEffects && (at > effectsAfter || effectsOwed.contains(at));
    }

    /** Performs the effects; a flag that one leaves does not disturb the next, and is there again in the end. */
    private void perform(int from, int to) throws Exception {
        boolean wasInterrupted = false;
        performing = true;
        try {
            for (int i = from; i < to; i++) {
                var effect = projection.effectOf(portion.event(i));
                if (effect.isPresent()) {
                    effect.get().perform(portion.event(i), new Trigger(projection.name(), portion.recorded(i), i));
                    wasInterrupted |= Thread.interrupted();
                }
            }
        } finally {
            performing = false;
            if (wasInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private @Nullable Parking park(Item item, Parking parked) {
        if (parked.items().size() >= delivery.mostParked()) {
            var full = new IllegalStateException("Projection \"" + projection.name() + "\" has put aside "
                    + parked.items().size() + " events, as many as it may; the event at position " + item.position()
                    + " would be one more. Repair or discard some, and let it go on with resume().");
            stopAt(item.position(), full, Outcome.STOPPED);
            return null;
        }
        return parked.with(item);
    }

    /** What becomes of the events at a position if the fold, key or effect of one has thrown. */
    private @Nullable Parking failedAt(int from, int to, Throwable thrown, Parking parked) {
        long at = portion.at(from);
        // so that the next event is not made to fail by it as well
        interrupted |= Thread.interrupted();
        interrupted |= thrown instanceof InterruptedException;
        if (at != failedAt) {
            failedAt = at;
            attempts = 0;
        }
        var delays = delivery.delays();
        if (!filling && attempts < delays.size()) {
            pause = delays.get(attempts++);
            pausing = true;
            stopAt(at, thrown, Outcome.RETRIED);
            return null;
        }
        if (delivery.mostParked() > 0) {
            var more = parkFailed(from, to, thrown, parked);
            if (more != null) {
                return more;
            }
        }
        stopAt(at, thrown, filling ? Outcome.REBUILD_ENDED : Outcome.STOPPED);
        return null;
    }

    private @Nullable Parking parkFailed(int from, int to, Throwable thrown, Parking parked) {
        if (parked.items().size() >= delivery.mostParked()) {
            return null;
        }
        long at = portion.at(from);
        Parking more;
        try {
            var keys = portion.keys(projection.keys().orElseThrow(), from, to);
            if (keys.isEmpty()) {
                return null;
            }
            more = parked.with(new Item(at, keys, reason(thrown), isEffectDue(at)));
        } catch (Throwable failed) { // its key's, also in being looked up: nobody knows what to put aside with it
            return null;
        }
        var why = new ProjectionFailure(projection.name(), Position.of(at), thrown, Outcome.PARKED);
        lastError = why;
        untold.add(why);
        Flight.failed(why, projection);
        return more;
    }

    static String reason(Throwable thrown) {
        try {
            var words = thrown.toString();
            return words == null || words.isBlank() ? thrown.getClass().getName() : words;
        } catch (Throwable unspeakable) { // the exception's own words have thrown
            return thrown.getClass().getName();
        }
    }

    /** Tries many workers; gives {@code null} if an event failed, which one by one shows and is then dealt with. */
    private @Nullable Boolean foldTogether(Position end) {
        var parked = parking;
        draft.begin(published);
        long before = folded;
        try (var stream = read(position, end)) {
            for (int count = portion.take(stream); count > 0; count = portion.take(stream)) {
                if (isOver()) {
                    return false;
                }
                int left = count;
                if (!parked.isEmpty()) {
                    left = 0;
                    for (int i = 0, next; i < count; i = next) {
                        next = portion.endOfSame(i, count);
                        List<Object> keys;
                        boolean free;
                        try {
                            keys = portion.keys(projection.keys().orElseThrow(), i, next);
                            free = !parked.holdsAnyOf(keys);
                        } catch (Throwable withoutKey) { // the event's own fault, as one by one shows
                            folded = before;
                            return null;
                        }
                        if (free) {
                            left = portion.move(i, next, left);
                        } else if (parked.items().size() < delivery.mostParked()) {
                            parked = parked.with(new Item(portion.at(i), keys, "", isEffectDue(portion.at(i))));
                        } else {
                            folded = before;
                            return null;
                        }
                    }
                }
                try {
                    draft.applyTogether(portion.events(), left, Objects.requireNonNull(executor), fence);
                } catch (Throwable failing) {
                    interrupted |= Thread.interrupted();
                    folded = before;
                    return null;
                }
                folded += count;
            }
            if (isOver()) {
                return false;
            }
            publish(draft.end(), end.isAfter(stream.head()) ? stream.head() : end, parked);
            recovered();
            return true;
        } catch (Throwable thrown) {
            return goesOnAfter(thrown, end);
        } finally {
            portion.clear();
        }
    }

    private EventStream read(Position after, Position end) {
        return store.read(
                projection.query(), ReadOptions.forwards().after(after).until(end));
    }

    private boolean isChangedInPlace() {
        return projection.fold().changesInPlace() && projection.each().isEmpty();
    }

    private void publish(V state, Position reached, Parking parked) {
        unsaved = unsaved || reached.isAfter(position) || !parked.equals(parking);
        published = state;
        parking = parked;
        position = reached;
    }

    /** What was to be tried again has been. */
    private void recovered() {
        var why = failure;
        attempts = 0;
        if (why != null && why.equals(saveFailure)) {
            return; // only a save mends that
        }
        if (why != null && why.retried()) {
            failure = null;
        }
        storeAttempts = 0;
    }

    /** A failure from before the head was asked is over where nothing is left to fold up to there, or to save. */
    private void recoveredIfDone(@Nullable ProjectionFailure before, Position head) {
        if (before == null || !before.equals(failure)) {
            return;
        }
        lock.writeLock().lock();
        try {
            if (before.equals(failure) && !head.isAfter(position) && !hasToSaveAgain()) {
                recovered();
            }
        } finally {
            unlock();
        }
    }

    // ---- checkpoints

    /** Says whether the view has come far enough since its last checkpoint, or one that failed is to be saved after all. */
    private boolean isToBeSaved() {
        int every = delivery.checkpointEvery();
        return every == 1 || position.value() - savedAt >= every || saveFailure != null;
    }

    /** Saves how far the view has come, unless the engine was closed meanwhile, which has saved it; says whether all is well. */
    private boolean saveCheckpoint() {
        if (checkpoints == null || !unsaved) {
            return true;
        }
        lock.readLock().lock();
        saving.lock();
        try {
            if (!closed && unsaved) {
                save(checkpoints);
            }
        } finally {
            saving.unlock();
            unlockReading();
        }
        if (!untold.isEmpty()) { // otherwise nothing has changed for anybody
            afterwards();
        }
        return failure == null;
    }

    private void save(CheckpointStore checkpoints) {
        if (filling || position.value() < effectsAfter || (stopped() != null && isChangedInPlace())) {
            return;
        }
        try {
            checkpoints.save(
                    projection.name(),
                    new Checkpoint(projection.version(), position, saved(published), parking.saved()));
            unsaved = false;
            savedAt = position.value();
            if (hasFailedToSave()) {
                failure = null;
                storeAttempts = 0;
            }
            saveFailure = null;
        } catch (Throwable thrown) {
            if (stopped() == null) {
                note(position, thrown, !closed && mayPass(thrown));
                saveFailure = failure;
            }
            keepInterrupt(thrown);
        }
    }

    private boolean hasFailedToSave() {
        var why = failure;
        return why != null && why.equals(saveFailure) && why.retried();
    }

    /** Whether a save that failed is to be tried again, also where the log has not grown, and whatever else failed since. */
    private boolean hasToSaveAgain() {
        return unsaved && saveFailure != null && isRunning();
    }

    private Object saved(V state) {
        return projection.saved().isPresent()
                ? projection.saved().get().save().apply(state)
                : Objects.requireNonNull(state);
    }

    // ---- failing

    /** Whether a store that threw this may do better next time: not where the log holds what cannot be read. */
    private static boolean mayPass(Throwable thrown) {
        return thrown instanceof Exception
                && !(thrown instanceof UnknownEventException)
                && !(thrown instanceof EventCodec.UnreadableEventException);
    }

    /** Notes what was thrown outside a batch; without the lock, but for an effect that appends while it is repaired. */
    private void failed(Throwable thrown, boolean mayPass) {
        lock.writeLock().lock();
        try {
            note(position, thrown, mayPass);
        } finally {
            unlock();
        }
        if (!lock.isWriteLockedByCurrentThread()) { // who repairs tells of it afterwards, and has the timer wait
            afterwards();
        }
    }

    /** Notes what is no event's fault. */
    private void note(Position at, Throwable cause, boolean retried) {
        if (filling) {
            stopAt(at.value(), cause, Outcome.REBUILD_ENDED);
            return;
        }
        if (retried && !delivery.delays().isEmpty()) {
            pause = delivery.delays()
                    .get(Math.min(storeAttempts, delivery.delays().size() - 1));
            storeAttempts++;
            pausing = true;
        }
        stopAt(at.value(), cause, retried ? Outcome.RETRIED : Outcome.STOPPED);
    }

    private void stopAt(long at, Throwable cause, Outcome outcome) {
        var why = new ProjectionFailure(projection.name(), Position.of(at), cause, outcome);
        failure = why;
        lastError = why;
        untold.add(why);
        Flight.failed(why, projection);
    }

    /** Has the timer wait, if something is to be tried again; without the lock. */
    private void pauseAsAsked() {
        if (!pausing || lock.isWriteLockedByCurrentThread()) {
            return;
        }
        Duration delay;
        lock.writeLock().lock();
        try {
            delay = pause;
            pause = null;
        } finally {
            unlock();
        }
        if (delay == null) {
            return;
        }
        try {
            delivery.timer().orElseThrow().schedule(delay, this::goOn);
        } catch (Throwable refused) {
            pausing = false;
            failed(refused, false);
            keepInterrupt(refused);
        }
    }

    /** When a delay is over, or somebody says that the cause is gone. */
    void goOn() {
        pausing = false;
        wanted = true;
        if (!isRunning()) {
            return;
        }
        var before = failure;
        try {
            var head = store.head();
            appended(head);
            recoveredIfDone(before, head);
        } catch (Throwable thrown) {
            failed(thrown, mayPass(thrown));
            pauseAsAsked();
            keepInterrupt(thrown);
        }
    }

    // ---- what is told to do

    /** Goes on after it has stopped; says whether it had. */
    boolean resume() {
        checkMayChange("resume");
        lock.writeLock().lock();
        try {
            var why = stopped();
            if (why == null || closed) {
                return false;
            }
            if (isChangedInPlace() && why.position().isAfter(position)) {
                throw new IllegalStateException(
                        "Projection \"" + projection.name() + "\" changes its view in place, and"
                                + " stopped at position " + why.position()
                                + " with a change that may be half done. Rebuild it instead.");
            }
            failure = null;
            attempts = 0;
            storeAttempts = 0;
            unreadableUntil = 0;
        } finally {
            unlock();
        }
        goOn();
        return true;
    }

    /**
     * Tries the events of a key that were put aside, in order, up to the first that fails; says whether none is left, and
     * {@code null} if another version has taken this one's place, or the engine is closed.
     */
    @Nullable
    Boolean retryParked(Object key) {
        checkMayChange("retry");
        boolean well = true;
        boolean wasInterrupted = false;
        boolean task = false;
        try {
            lock.writeLock().lock();
            try {
                if (closed) {
                    return null;
                }
                for (var item : parking.of(key)) {
                    int count = takeAt(item.position());
                    if (count == 0) {
                        throw notThere(item.position());
                    }
                    draft.begin(published);
                    try {
                        apply(0, count, item.effectDue());
                        wasInterrupted |= Thread.interrupted();
                    } catch (Throwable thrown) {
                        wasInterrupted |= Thread.interrupted();
                        wasInterrupted |= thrown instanceof InterruptedException;
                        var why = new ProjectionFailure(
                                projection.name(), Position.of(item.position()), thrown, Outcome.PARKED);
                        lastError = why;
                        untold.add(why);
                        parking = parking.because(item.position(), reason(thrown));
                        unsaved = true;
                        well = false;
                        break;
                    }
                    publish(draft.end(), position, parking.without(item.position()));
                }
            } finally {
                portion.clear();
                task = owed;
                owed = false;
                unlock();
            }
            return well;
        } finally { // also what was done before the store failed
            saveCheckpoint();
            afterwards();
            pauseAsAsked();
            if (task) {
                run();
            }
            if (wasInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Drops an event that was put aside; says whether there was one, and {@code null} as {@link #retryParked} does. */
    @Nullable
    Boolean discardParked(Position at) {
        checkMayChange("discard");
        lock.writeLock().lock();
        try {
            if (closed) {
                return null;
            }
            var less = parking.without(at.value());
            if (less.items().size() == parking.items().size()) {
                return false;
            }
            publish(published, position, less);
        } finally {
            unlock();
        }
        saveCheckpoint();
        afterwards();
        pauseAsAsked();
        return true;
    }

    void checkMayChange(String what) {
        checkNotReading(what);
        if (lock.isWriteLockedByCurrentThread() || fence.holds(Thread.currentThread())) {
            throw new IllegalStateException("A fold or effect of projection \"" + projection.name() + "\" tried to "
                    + what + " it, which would wait for itself. Do it outside.");
        }
    }

    // ---- taking another's place

    /** Folds a batch, at most up to {@code until}; for one that is filled beside another. */
    void fill(Position until) {
        catchUpOnce(until);
    }

    /** Ends the filling, even in the middle of a batch; for a cause, which is told of, or because somebody wants so. */
    void giveUp(@Nullable Throwable cause) {
        givenUp = true;
        if (filling) {
            draft.stop();
        }
        if (cause != null) {
            failed(cause, false);
        }
    }

    /**
     * Takes the place of another, if it has come as far; both stand still meanwhile. What is missing up to there, if it is no
     * more than a batch, is folded here, and the effects that the other owes are performed.
     *
     * @param swap has the view be read from this one, unless that may not be any more
     */
    boolean takeOver(Follower<V> from, BooleanSupplier swap) {
        if (!isNear(from.position)) { // so that one that is stuck is waited for at the end only
            return false;
        }
        boolean taken = false;
        boolean task = false;
        from.lock.writeLock().lock();
        lock.writeLock().lock();
        try {
            var mark = from.position;
            if (isNear(mark) && isRunning()) {
                while (mark.isAfter(position) && foldBatch(mark)) {
                    Thread.onSpinWait();
                }
                if (isRunning() && !mark.isAfter(position) && performOwed(from) && swap.getAsBoolean()) {
                    filling = false;
                    unsaved = true;
                    effectsAfter =
                            Math.max(mark.value(), from.effectsAfter); // it may not have come as far as one before
                    effectsOwed = from.effectsOwed;
                    from.closed = true;
                    taken = true;
                }
            }
        } finally {
            portion.clear();
            task = from.owed;
            from.owed = false;
            interruptAgain();
            unlock();
            from.unlock();
        }
        afterwards();
        saveCheckpoint();
        if (!taken) {
            from.saveCheckpoint(); // what it owes no more
            from.afterwards();
            from.pauseAsAsked(); // for what failed under its lock, or in saving
            if (task) {
                from.run();
            }
        }
        return taken;
    }

    /**
     * Performs the effects of what the version before has put aside, as nobody does once it is gone; of what is put aside here
     * too, they are due with it. If one fails, that version stays, and so does what it has put aside.
     */
    private boolean performOwed(Follower<V> from) {
        if (!withEffects) {
            return true;
        }
        for (var item : from.parking.items()) {
            if (!item.effectDue()) {
                continue;
            }
            if (parking.holds(item.position())) {
                parking = parking.due(item.position(), true);
                continue;
            }
            settling = true;
            from.performing = true; // an effect may append, whoever's lock is held
            try {
                perform(0, takeAt(item.position()));
                interrupted |= Thread.interrupted();
                from.publish(from.published, from.position, from.parking.due(item.position(), false));
            } catch (Throwable thrown) {
                interrupted |= Thread.interrupted();
                interrupted |= thrown instanceof InterruptedException;
                note(Position.of(item.position()), thrown, false);
                return false;
            } finally {
                from.performing = false;
                settling = false;
            }
        }
        return true;
    }

    private boolean isNear(Position mark) {
        return mark.value() - position.value() <= delivery.batch();
    }

    /** Has a fold that is under way end at its next event; its result is dropped. Waits for nothing. */
    void stop() {
        closed = true;
        draft.stop();
    }

    /** Says whether this thread is at a fold or an effect. */
    boolean isWithin() {
        return lock.isWriteLockedByCurrentThread() || fence.holds(Thread.currentThread());
    }

    /**
     * Waits until nothing is being folded, and keeps what was last published.
     *
     * @param within whether it is called from a fold or an effect, of whatever projection, which waits for nobody: who has
     *     the lock saves in giving it back
     */
    void close(boolean within) {
        if (ended) {
            return;
        }
        stop();
        if (within) {
            closedWithin = true; // a view in place has more in it by now than its position says
            endIfFree();
            moved.run();
            return;
        }
        lock.writeLock().lock();
        try {
            end();
        } finally {
            lock.writeLock().unlock();
        }
        afterwards();
    }

    private void endIfFree() {
        if (lock.isWriteLockedByCurrentThread() || !lock.writeLock().tryLock()) {
            return; // whoever has it comes here when he gives it back
        }
        try {
            end();
        } finally {
            lock.writeLock().unlock();
        }
        afterwards();
    }

    /** With the lock: saves, the first time. */
    private void end() {
        if (!ended) {
            ended = true;
            if (checkpoints != null) {
                save(checkpoints);
            }
        }
    }
}
