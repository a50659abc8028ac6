package dev.cqrs.runtime;

import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.eventstore.Timeline;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The view that an engine keeps for one projection.
 *
 * <p><b>Threads:</b> thread-safe. A view made of immutable values is read without a lock. Folding and reading exclude
 * each other where the fold changes the view in place: a read waits while the view catches up.
 *
 * <p><b>Errors:</b> after the engine was closed, its methods throw {@link IllegalStateException}, except
 * {@link #status()}.
 *
 * @param <V> the view
 */
public final class ProjectionView<V> {

    /*
     * `lock` guards `state` and is held while events are folded into it, up to the end of an append; `position` and
     * `published` are written then, so that nobody sees part of one. Waiters count themselves in before they look at `position`, and
     * a folder looks for waiters after it has written it, so one of the two sees the other.
     *
     * A failure is noted under the lock and told after it was given back: the listener is the user's code, and may close
     * the engine, append, or wait for another thread that does.
     */

    private final EventStore store;
    private final Projection<V> projection;
    private final @Nullable CheckpointStore checkpoints;
    private final Consumer<? super ProjectionFailure> listener;

    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private V state;
    private volatile V published;
    private volatile Position position;
    private volatile @Nullable ProjectionFailure failure;
    private volatile boolean closed;

    private final List<Consumer<? super ProjectionStatus.State>> watchers = new CopyOnWriteArrayList<>();
    private final AtomicInteger waiters = new AtomicInteger();
    private final ReentrantLock waiting = new ReentrantLock();
    private final Condition moved = waiting.newCondition();

    ProjectionView(
            EventStore store,
            Projection<V> projection,
            @Nullable CheckpointStore checkpoints,
            Consumer<? super ProjectionFailure> listener) {
        this.store = store;
        this.projection = projection;
        this.checkpoints = projection.fold().changesInPlace() ? null : checkpoints;
        this.listener = listener;
        var checkpoint = usableCheckpoint();
        this.state = checkpoint.map(this::stateOf).orElseGet(projection.fold()::initial);
        this.position = checkpoint.map(Checkpoint::position).orElse(Position.START);
        this.published = state;
    }

    /**
     * Gives the projection that this is the view of.
     *
     * @return never {@code null}
     */
    public Projection<V> projection() {
        return projection;
    }

    /**
     * Reads from the view, in a state that takes whole appends into account; a view that is changed in place may be in the
     * middle of one while its store fails ({@link #status()} tells).
     *
     * @param <T> what is read
     * @param reader reads; it must neither change the view nor hand it out, nor append
     * @return what {@code reader} gives
     * @throws ProjectionStoppedException if the projection has stopped
     * @throws NullPointerException if {@code reader} gives {@code null}; use an {@link Optional}
     */
    public <T> T read(Function<? super V, ? extends T> reader) {
        Objects.requireNonNull(reader, "reader");
        T result;
        if (projection.fold().changesInPlace()) {
            lock.readLock().lock();
            try {
                checkUsable();
                result = reader.apply(state);
            } finally {
                lock.readLock().unlock();
            }
        } else {
            checkUsable();
            result = reader.apply(published);
        }
        if (result == null) {
            throw new NullPointerException("The reader of view \"" + projection.name()
                    + "\" returned null; expected a value. Return an Optional where there may be none.");
        }
        return result;
    }

    /**
     * Folds the view as it was at a past position, from the log.
     *
     * @param past the last position to take into account, at most the log's head
     * @return a view of its own, which nobody else changes
     * @throws IllegalArgumentException if the position lies behind the log's head
     */
    public V at(Position past) {
        return timeline().at(past);
    }

    /**
     * Folds the view as it was at a past instant, from the log.
     *
     * @param past events recorded at this instant or before are taken into account
     * @return a view of its own, which nobody else changes
     */
    public V at(Instant past) {
        return timeline().at(past);
    }

    /**
     * Folds the view as it was at a past moment, from the log.
     *
     * @param past which one, such as {@code Moment.before(Cancelled.class)}
     * @return a view of its own, which nobody else changes
     * @throws java.util.NoSuchElementException if the moment has not come
     * @throws IllegalArgumentException if the moment is a position behind the log's head
     */
    public V at(Timeline.Moment<? super V> past) {
        return timeline().at(past);
    }

    /**
     * Gives the view's whole past: any moment, what lies between two, and a history in pages.
     *
     * <p>It is folded from the log, also where the projection has stopped, and stays usable after the engine was
     * closed, as long as the store does.
     *
     * @return never {@code null}
     */
    public Timeline<V> timeline() {
        checkOpen();
        return Timeline.of(store, projection.query(), projection.fold());
    }

    /**
     * Gives the last position of the log that the view takes into account, whether or not the event there matters to
     * it.
     *
     * @return never {@code null}
     */
    public Position position() {
        return position;
    }

    /**
     * Waits until the view takes a position into account; woken by the fold, not by looking again and again.
     *
     * @param wanted the position, such as {@code store.head()} after a dispatch
     * @param timeout how long to wait at most; zero to ask only
     * @throws ProjectionTimeoutException if the view has not come so far in time
     * @throws ProjectionStoppedException if the projection has stopped before
     * @throws InterruptedException if the thread was interrupted while it waited
     * @throws IllegalStateException if called from within this projection's own fold, which it would wait for
     */
    public void awaitApplied(Position wanted, Duration timeout) throws InterruptedException {
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        if (!wanted.isAfter(position)) {
            return;
        }
        if (lock.isWriteLockedByCurrentThread() || lock.getReadHoldCount() > 0) {
            throw new IllegalStateException("awaitApplied was called from within a fold or a read of projection \""
                    + projection.name() + "\", which would wait for itself. Call it outside.");
        }
        waiters.incrementAndGet();
        try {
            await(wanted, timeout);
        } finally {
            waiters.decrementAndGet();
        }
    }

    private void await(Position wanted, Duration timeout) throws InterruptedException {
        waiting.lockInterruptibly();
        try {
            long left = nanos(timeout);
            while (wanted.isAfter(position)) {
                checkUsable();
                if (left <= 0) {
                    throw new ProjectionTimeoutException(projection.name(), wanted, position, timeout);
                }
                left = moved.awaitNanos(left);
            }
        } finally {
            waiting.unlock();
        }
    }

    /**
     * Has {@code watcher} told at once how the projection stands, and again whenever the view may have changed, has
     * stopped, or is about to be closed.
     *
     * <p>It is told on the thread that has brought that about, with no lock held, so what it does delays that thread:
     * where the projection is inline, an append. By several threads at once it is told of the same change more than
     * once. It may read the view, except when it is told that it is closed. What it throws goes to that thread's handler
     * of uncaught exceptions.
     *
     * @param watcher told once more, that the view is closed, if it is already
     * @return ends it when closed; one that is under way may end afterwards
     */
    public EventStore.Subscription watch(Consumer<? super ProjectionStatus.State> watcher) {
        Consumer<ProjectionStatus.State> own = watcher::accept; // who watches twice is told twice, and leaves once
        watchers.add(own);
        tell(own, state());
        return () -> watchers.remove(own);
    }

    /**
     * Tells how the projection stands.
     *
     * @return a value; later changes do not reach it
     */
    public ProjectionStatus status() {
        var why = failure;
        var reached = position;
        return new ProjectionStatus(
                projection.name(), projection.version(), state(), reached, store.head(), Optional.ofNullable(why));
    }

    // ---- the engine's side

    boolean isRunning() {
        return stopped() == null && !closed;
    }

    private ProjectionStatus.State state() {
        if (stopped() != null) {
            return ProjectionStatus.State.STOPPED;
        }
        return closed ? ProjectionStatus.State.CLOSED : ProjectionStatus.State.RUNNING;
    }

    private @Nullable ProjectionFailure stopped() {
        var why = failure;
        return why == null || why.retried() ? null : why;
    }

    /** Folds what is in the log up to {@code until}, on the calling thread; readers see all of it or nothing. */
    void catchUp(Position until) {
        if (!isRunning() || !until.isAfter(position)) {
            return;
        }
        ProjectionFailure failed = null;
        lock.writeLock().lock();
        try {
            if (isRunning() && until.isAfter(position)) {
                failed = foldUntil(until);
            }
        } finally {
            lock.writeLock().unlock();
        }
        wake();
        tellWatchers(state());
        tell(failed);
    }

    /** Gives the failure to tell the listener of: also that of a fold which closed the engine, when saving failed. */
    private @Nullable ProjectionFailure foldUntil(Position until) {
        var reached = position;
        var folded = state;
        try (var events = store.read(
                projection.query(), ReadOptions.forwards().after(position).until(until))) {
            while (events.advance()) {
                if (closed) {
                    return stopped();
                }
                var at = events.position();
                try {
                    folded = projection.fold().apply(folded, events.event());
                } catch (Throwable thrown) {
                    publish(folded, reached);
                    return note(at, thrown, false);
                }
                reached = at;
            }
            publish(folded, until.isAfter(events.head()) ? events.head() : until);
            var why = stopped();
            failure = why; // what was to be tried again has been
            return why;
        } catch (Throwable thrown) { // the store's, in reading
            if (projection.fold().changesInPlace()) { // what is in the view must not be folded again
                publish(folded, reached);
            }
            return note(reached, thrown, mayPass(thrown));
        }
    }

    private void publish(V folded, Position reached) {
        state = folded;
        published = folded;
        position = reached;
    }

    /** Saves how far the view has come, unless the engine was closed meanwhile, which has saved it. */
    void saveCheckpoint() {
        if (checkpoints == null) {
            return;
        }
        ProjectionFailure failed = null;
        lock.readLock().lock();
        try {
            if (!closed && failure == null) { // after a failed read there is nothing new
                failed = save(checkpoints);
            }
        } finally {
            lock.readLock().unlock();
        }
        wake();
        if (failed != null) {
            tellWatchers(state());
        }
        tell(failed);
    }

    private @Nullable ProjectionFailure save(CheckpointStore checkpoints) {
        if (stopped() != null) {
            return null;
        }
        try {
            checkpoints.save(projection.name(), new Checkpoint(projection.version(), position, published));
            return null;
        } catch (Throwable thrown) {
            return note(position, thrown, !closed && mayPass(thrown));
        }
    }

    /** Whether a store that threw this may do better next time: not where the log holds what cannot be read. */
    private static boolean mayPass(Throwable thrown) {
        return thrown instanceof Exception
                && !(thrown instanceof UnknownEventException)
                && !(thrown instanceof EventCodec.UnreadableEventException);
    }

    /** Notes what the store threw outside {@link #catchUp}; not to be called with the lock held. */
    void storeFailed(Throwable thrown) {
        var why = note(position, thrown, mayPass(thrown));
        wake();
        tellWatchers(state());
        tell(why);
    }

    /** Stops the projection, for a reason outside its fold; not to be called with the lock held. */
    void stop(Position at, Throwable cause) {
        var why = note(at, cause, false);
        wake();
        tellWatchers(state());
        tell(why);
    }

    private ProjectionFailure note(Position at, Throwable cause, boolean retried) {
        var why = new ProjectionFailure(projection.name(), at, cause, retried);
        failure = why;
        return why;
    }

    private void tell(@Nullable ProjectionFailure why) {
        if (why == null) {
            return;
        }
        try {
            listener.accept(why);
        } catch (Throwable thrown) {
            thrown.addSuppressed(why.cause());
            var thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        }
    }

    /** Waits until nothing is being folded, and keeps what was last published. */
    void close() {
        if (closed) {
            return;
        }
        tellWatchers(ProjectionStatus.State.CLOSED); // before: what fails from now on, fails for that reason
        closed = true; // ends a fold that is under way, whose result is dropped
        boolean fromItsFold = lock.isWriteLockedByCurrentThread();
        ProjectionFailure failed = null;
        lock.writeLock().lock();
        try {
            if (checkpoints != null) {
                failed = save(checkpoints);
            }
        } finally {
            lock.writeLock().unlock();
        }
        wake();
        if (!fromItsFold) {
            tell(failed);
        }
    }

    /** Refuses what would make a projection wait for itself, or fold events out of order. */
    void checkMayAppend() {
        if (lock.isWriteLockedByCurrentThread()) {
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

    private void tellWatchers(ProjectionStatus.State state) {
        for (var watcher : watchers) {
            tell(watcher, state);
        }
    }

    private static void tell(Consumer<? super ProjectionStatus.State> watcher, ProjectionStatus.State state) {
        try {
            watcher.accept(state);
        } catch (Throwable thrown) {
            var thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        }
    }

    private void wake() {
        if (waiters.get() > 0) {
            waiting.lock();
            try {
                moved.signalAll();
            } finally {
                waiting.unlock();
            }
        }
    }

    private void checkUsable() {
        checkOpen();
        var why = stopped();
        if (why != null) {
            throw new ProjectionStoppedException(why);
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("The engine of projection \"" + projection.name()
                    + "\" is closed; its views can no longer be read.");
        }
    }

    private Optional<Checkpoint> usableCheckpoint() {
        return checkpoints == null
                ? Optional.empty()
                : checkpoints
                        .load(projection.name())
                        .filter(checkpoint -> checkpoint.version() == projection.version()
                                && !checkpoint.position().isAfter(store.head()));
    }

    @SuppressWarnings("unchecked") // name and version were those of this projection when it was saved
    private V stateOf(Checkpoint checkpoint) {
        return (V) checkpoint.state();
    }

    private static long nanos(Duration timeout) {
        try {
            return timeout.toNanos();
        } catch (ArithmeticException longerThanEver) {
            return timeout.isNegative() ? 0 : TimeUnit.DAYS.toNanos(100_000);
        }
    }
}
