package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.Timeline;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Waits;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The view that an engine keeps for one projection.
 *
 * <p><b>Threads:</b> thread-safe. A view made of immutable values, or with a state for each key, is read without a lock.
 * Folding and reading exclude each other where the fold changes the view in place: a read waits while a batch is folded.
 *
 * <p><b>Errors:</b> after the engine was closed, its methods throw {@link IllegalStateException}, except those that tell how
 * it stands: {@link #status()}, {@link #position()}, {@link #parked()}, {@link #projection()} and {@link #watch}.
 *
 * @param <V> the view
 */
public final class ProjectionView<V> {

    /*
     * What is read is `current`, one version of the projection as its follower keeps it. A rebuild fills another follower and
     * then puts it in `current`, while both stand still: so the position that readers see never goes back, and an appender
     * that finds itself waiting for a version which has been replaced looks again.
     *
     * Waiters count themselves in before they look at the position, and who folds looks for waiters after it has written it,
     * so one of the two sees the other.
     */

    private final Follower.Surroundings around;
    private final Delivery delivery;
    private final String name;

    /** All versions by which this view may be asked for. */
    private final Set<Projection<V>> known = ConcurrentHashMap.newKeySet();

    private volatile Follower<V> current;
    private volatile @Nullable Follower<V> next;
    private volatile @Nullable Rebuild rebuild;
    private final AtomicBoolean announced = new AtomicBoolean();
    private final AtomicBoolean ending = new AtomicBoolean();
    private volatile boolean closed;
    private EventStore.@Nullable Subscription subscription;

    private final List<Consumer<? super ProjectionStatus.State>> watchers = new CopyOnWriteArrayList<>();
    private final AtomicInteger waiters = new AtomicInteger();
    private final ReentrantLock waiting = new ReentrantLock();
    private final Condition moved = waiting.newCondition();

    ProjectionView(
            EventStore store,
            Projection<V> projection,
            Delivery delivery,
            @Nullable CheckpointStore checkpoints,
            Consumer<? super ProjectionFailure> listener,
            @Nullable Clock clock) {
        this.around = new Follower.Surroundings(store, checkpoints, listener, clock, this::wake, new Workers.Fence());
        this.delivery = delivery;
        this.name = projection.name();
        this.known.add(projection);
        this.current = Follower.started(around, projection, delivery);
    }

    /**
     * Gives the projection that this is the view of.
     *
     * @return never {@code null}; after a rebuild, its new version
     */
    public Projection<V> projection() {
        return current.projection();
    }

    /**
     * Reads from the view, in a state that takes whole appends into account; while an event is tried again or put aside, or
     * the store fails under a view that has effects or is changed in place, it may be in the middle of one ({@link #status()}
     * tells). So may such a view be in a new engine, until its first task has run, where the engine before was closed there.
     *
     * @param <T> what is read
     * @param reader reads; it must neither change the view nor hand it out, nor append, which is refused where the view is
     *     changed in place
     * @return what {@code reader} gives
     * @throws ProjectionStoppedException if the projection has stopped
     * @throws NullPointerException if {@code reader} gives {@code null}; use an {@link Optional}
     */
    public <T> T read(Function<? super V, ? extends T> reader) {
        Objects.requireNonNull(reader, "reader");
        Object read;
        do { // where it was replaced while this one waited, the one in its place
            checkUsable();
            read = current.read(reader);
        } while (read == Follower.CLOSED);
        if (read == null) {
            throw new NullPointerException("The reader of view \"" + name
                    + "\" returned null; expected a value. Return an Optional where there may be none.");
        }
        @SuppressWarnings("unchecked") // what the reader gives
        var result = (T) read;
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
        var projection = projection();
        return Timeline.of(around.store(), projection.query(), projection.fold());
    }

    /**
     * Gives the last position of the log that the view takes into account, whether or not the event there matters to
     * it.
     *
     * @return never {@code null}
     */
    public Position position() {
        return current.position();
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
        if (!wanted.isAfter(position())) {
            return;
        }
        if (current.isHeldByThisThread()) {
            throw new IllegalStateException("awaitApplied was called from within a fold or a read of projection \""
                    + name + "\", which would wait for itself. Call it outside.");
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
            long left = Waits.nanos(timeout);
            while (wanted.isAfter(position())) {
                checkUsable();
                if (left <= 0) {
                    throw new ProjectionTimeoutException(name, wanted, position(), timeout);
                }
                left = moved.awaitNanos(left);
            }
        } finally {
            waiting.unlock();
        }
    }

    /**
     * Has {@code watcher} told at once whether the view is read, and again whenever it may have changed, be it by events or
     * by a rebuilt version in its place, has stopped, or is about to be closed.
     *
     * <p>It is told on the thread that has brought that about, with no lock held, except that a fold or an effect that closes
     * the engine holds its projection's; so what it does delays that thread: where the projection is inline, an append. It may
     * be told more often than there are changes, and by several threads at once. It may read the view, except when it is told
     * that it is closed. What it throws goes to that thread's handler of uncaught exceptions.
     *
     * @param watcher told that the view is closed, if it is already; hears nothing of what is tried again
     * @return ends it when closed; one that is under way may end afterwards
     */
    public EventStore.Subscription watch(Consumer<? super ProjectionStatus.State> watcher) {
        Consumer<ProjectionStatus.State> own = watcher::accept; // who watches twice is told twice, and leaves once
        watchers.add(own);
        Listeners.tell(own, state());
        return () -> watchers.remove(own);
    }

    /**
     * Tells how the projection stands.
     *
     * @return a value; later changes do not reach it
     */
    public ProjectionStatus status() {
        return current.status(closed, Optional.ofNullable(rebuild).map(Rebuild::progress));
    }

    // ---- what stopped, and what was put aside

    /**
     * Has the projection go on after it has stopped: the event that failed is tried again.
     *
     * @return whether it had stopped
     * @throws IllegalStateException if its view is changed in place and an event failed, which may have been folded by
     *     half: {@linkplain ProjectionEngine#rebuild rebuild} it instead; or if called from within its fold, effect or
     *     reading
     */
    public boolean resume() {
        checkOpen();
        return current.resume();
    }

    /**
     * Gives the events that are put aside.
     *
     * @return an unmodifiable list in the order of the log
     */
    public List<Parked> parked() {
        return current.parking().items().stream().map(Parking.Item::shown).toList();
    }

    /**
     * Tries the events of a key that were put aside again, in order, on the calling thread, up to the first that fails. Those
     * that do not fail are in the view then, as the latest of their key, and have had their effects. Where a stored event was
     * split into events of several keys, those of the other keys are tried with them. What the store throws in reading them is
     * thrown here, and they stay put aside.
     *
     * @param key as {@link Parked#key()} gives it
     * @return whether none of them is left
     * @throws IllegalStateException if called from within the projection's fold, effect or reading
     */
    public boolean retryParked(Object key) {
        Objects.requireNonNull(key, "key");
        Boolean well;
        do { // where it was replaced meanwhile, the one in its place
            checkOpen();
            well = current.retryParked(key);
        } while (well == null);
        return well;
    }

    /**
     * Drops an event that was put aside: it will not be in the view, nor have its effect. Those that follow it stay put
     * aside until {@link #retryParked}. The log still has it: a view of the past, and a version that is built anew, come to it again.
     *
     * @param position its place
     * @return whether there was such an event
     * @throws IllegalStateException if called from within the projection's fold, effect or reading
     */
    public boolean discardParked(Position position) {
        Objects.requireNonNull(position, "position");
        Boolean discarded;
        do {
            checkOpen();
            discarded = current.discardParked(position);
        } while (discarded == null);
        return discarded;
    }

    /**
     * An event that was put aside, because it failed or because it follows one of its key that did. The event itself is in
     * the log, at its position; if it is split into several when it is read, all of them were put aside.
     *
     * @param position its place in the log
     * @param key its key; that of the first, where it is split into several
     * @param reason why it failed, in words; empty if it only follows another
     */
    public record Parked(Position position, Object key, Optional<String> reason) {

        /**
         * Checks for nulls.
         *
         * @param position its place in the log
         * @param key its key; that of the first, where it is split into several
         * @param reason why it failed, in words; empty if it only follows another
         * @throws NullPointerException if a part is {@code null}
         */
        public Parked {
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(key, "key");
            Objects.requireNonNull(reason, "reason");
        }
    }

    // ---- the engine's side

    /** What the store tells is told to the version that is read. */
    private final class Feed implements EventStore.Signal {

        @Override
        public void beforeAppend() {
            current.checkMayAppend();
            var filled = next;
            if (filled != null) {
                filled.checkMayAppend();
            }
        }

        @Override
        public void appended(Position last) {
            Follower<V> told;
            do {
                told = current;
                told.appended(last);
            } while (told != current);
        }
    }

    /** Follows first and looks at the log then, so that no append falls between the two. */
    void start() {
        var feed = new Feed();
        subscription = around.store().onAppend(feed);
        current.afterwards(); // its checkpoint may have been of no use
        feed.appended(around.store().head());
    }

    Delivery delivery() {
        return delivery;
    }

    boolean isOf(Projection<?> projection) {
        return known.contains(projection);
    }

    Rebuild rebuild(Projection<V> to, Executor executor, Consumer<? super Rebuild.Progress> progressListener) {
        checkOpen();
        current.checkMayChange("rebuild");
        var begun = begin(to, executor, progressListener);
        if (closed) { // and whoever closed has perhaps not seen it
            begun.cancel();
            checkOpen();
        }
        begun.start(); // which may build all of it, so nobody is to wait for it
        return begun;
    }

    private synchronized Rebuild begin(
            Projection<V> to, Executor executor, Consumer<? super Rebuild.Progress> progressListener) {
        var running = rebuild;
        if (running != null && running.progress().state() == Rebuild.State.RUNNING) {
            throw new IllegalStateException("Projection \"" + name
                    + "\" is being rebuilt; expected one rebuild at a time. Wait for it, or cancel it.");
        }
        var from = projection();
        if (!to.name().equals(name) || to.version() < from.version()) {
            throw new IllegalArgumentException("Projection \"" + name + "\" in version " + from.version()
                    + " cannot be rebuilt as \"" + to.name() + "\" in version " + to.version()
                    + "; expected the same name, and the same version or a later one.");
        }
        var filled = Follower.filling(around, to, delivery);
        var begun = new Rebuild(from, to, new Swap(filled), executor, progressListener, around.clock());
        known.add(to);
        next = filled;
        rebuild = begun;
        return begun;
    }

    /** The work of a rebuild. */
    private final class Swap implements Rebuild.Work {

        /** Until it has taken the other's place, or is given up: who keeps a rebuild does not keep a view half built. */
        private volatile @Nullable Follower<V> filling;

        private volatile Position done = Position.START;

        Swap(Follower<V> filling) {
            this.filling = filling;
        }

        @Override
        public boolean step(BooleanSupplier maySwap) {
            var filled = filling;
            if (filled == null) {
                return false;
            }
            var from = current;
            filled.fill(from.position());
            if (filled.takeOver(from, () -> swap(filled, maySwap))) {
                end(filled);
                Flight.swapped(from.projection(), filled.projection(), done);
                filled.goOn();
                return true;
            }
            return closed || filled.isRunning(); // who closes is about to cancel
        }

        /** Before the view is closed, or not at all: so who closes it closes the version that stays. */
        private boolean swap(Follower<V> filled, BooleanSupplier maySwap) {
            waiting.lock();
            try {
                if (closed || !maySwap.getAsBoolean()) {
                    return false;
                }
                current = filled;
                return true;
            } finally {
                waiting.unlock();
            }
        }

        private void end(Follower<V> filled) {
            done = filled.position();
            filling = null;
            next = null;
        }

        @Override
        public Position done() {
            var filled = filling;
            return filled == null ? done : filled.position();
        }

        @Override
        public Position total() {
            return current.position();
        }

        @Override
        public void abandon(@Nullable Throwable cause) {
            var filled = filling;
            if (filled != null) {
                filled.giveUp(cause);
                end(filled);
            }
        }
    }

    void checkNotReading(String what) {
        current.checkNotReading(what);
    }

    /** Ends what is under way, without waiting for it, and wakes those who wait. */
    void stop() {
        if (!announced.getAndSet(true)) { // who hears it may close as well, and is not to hear it again for that
            tellWatchers(ProjectionStatus.State.CLOSED); // before: what fails from now on, fails for that reason
        }
        if (ending.getAndSet(true)) {
            return;
        }
        waiting.lock(); // which nobody keeps; a swap is behind it, or will not be
        try {
            closed = true;
        } finally {
            waiting.unlock();
        }
        var running = rebuild;
        if (running != null) {
            running.cancel();
        }
        current.stop();
        wake();
        if (subscription != null) {
            subscription.close();
        }
    }

    /** Says whether this thread is at a fold or an effect of it. */
    boolean isWithin() {
        return current.isWithin();
    }

    /** Waits for what was under way, and saves; see {@link Follower#close}. */
    void close(boolean within) {
        current.close(within);
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
        if (!watchers.isEmpty()) {
            tellWatchers(state());
        }
    }

    private ProjectionStatus.State state() {
        if (closed) {
            return ProjectionStatus.State.CLOSED;
        }
        return current.isRunning() ? ProjectionStatus.State.RUNNING : ProjectionStatus.State.STOPPED;
    }

    private void tellWatchers(ProjectionStatus.State state) {
        for (var watcher : watchers) {
            Listeners.tell(watcher, state);
        }
    }

    private void checkUsable() {
        checkOpen();
        current.checkNotStopped();
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException(
                    "The engine of projection \"" + name + "\" is closed; its views can no longer be read.");
        }
    }
}
