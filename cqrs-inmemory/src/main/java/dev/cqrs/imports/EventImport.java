package dev.cqrs.imports;

import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Follows another event store and appends its events, chosen and translated, to the local one: exactly once, in their
 * order.
 *
 * <p>Each append holds an {@link ImportMark} with the position up to which the source is imported, and happens only if no
 * other mark of that source has come in between. So a crash at any line loses and doubles nothing, a restart goes on
 * after the last mark, and two imports of one source at once do no harm. Events of one source append may come in one
 * append or several.
 *
 * <p><b>Nothing to append:</b> events that are translated to nothing leave no mark, but after {@value #MARK_EVERY} of
 * them one stands alone, so that a restart looks at no more than those again.
 *
 * <p><b>Metadata:</b> the events are appended with that of the source's event. {@code recordedAt} is the local store's;
 * the translation sees the source's, and can put it into the event.
 *
 * <p><b>Errors:</b> what the translation, a store or the executor throws stops the import, and the listener is told. An
 * append whose outcome is unknown is looked up and, if it did not happen, tried again.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: the executor runs one task at a time for it, woken by the source's
 * appends.
 */
public final class EventImport implements AutoCloseable {

    /** How many events of the source, all translated to nothing, are dealt with before a mark is appended alone. */
    public static final int MARK_EVERY = 1_000;

    /** How many events of the source are held in memory, and at most go into one append. */
    private static final int CHUNK = 100;

    /** How often an append may be refused or unknown without anybody having made progress. */
    private static final int ATTEMPTS = 100;

    /*
     * `working` is held while a task runs; it guards `lastMark` and `unmarked`. `position` is written then, volatile for
     * those who look. Waiters look at it with `waiting` held, which is taken to wake them; no store is called with it.
     */

    private final String name;
    private final EventStore source;
    private final EventQuery query;
    private final EventStore local;
    private final Function<? super RecordedEvent, ? extends List<?>> translation;
    private final Executor executor;
    private final Consumer<? super ImportStatus.Failure> listener;
    private final EventQuery marks;

    private final ReentrantLock working = new ReentrantLock();
    private Position lastMark = Position.START;
    private int unmarked;
    private volatile Position position = Position.START;

    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final ReentrantLock waiting = new ReentrantLock();
    private final Condition moved = waiting.newCondition();
    private final AtomicReference<ImportStatus.@Nullable Failure> failure = new AtomicReference<>();
    private volatile boolean closed;
    private volatile EventStore.@Nullable Subscription subscription;

    private EventImport(
            Builder builder,
            EventStore local,
            Function<? super RecordedEvent, ? extends List<?>> translation,
            Executor executor,
            Consumer<? super ImportStatus.Failure> listener) {
        this.name = builder.name;
        this.source = builder.source;
        this.query = builder.query;
        this.local = local;
        this.translation = translation;
        this.executor = executor;
        this.listener = listener;
        this.marks = EventQuery.types(ImportMark.class).withTags(ImportMark.tag(name));
    }

    /**
     * Begins an import.
     *
     * @param name tells the source from others in the local log, for ever; not blank, at most as long as a tag's value
     * @param source the store to follow
     * @return a builder that imports all events
     * @throws IllegalArgumentException if {@code name} cannot be a tag's value
     */
    public static Builder from(String name, EventStore source) {
        ImportMark.tag(name);
        return new Builder(name, Objects.requireNonNull(source, "source"));
    }

    /**
     * Gives the last position of the source's log that is dealt with: its events are in the local store, or not wanted.
     *
     * <p>Goes back where another import of the same source has left events for this one.
     *
     * @return never {@code null}; the start until the first task has run
     */
    public Position position() {
        return position;
    }

    /**
     * Waits until a position of the source is dealt with; woken by the import, not by looking again and again.
     *
     * @param wanted a position of the source, such as {@code source.head()}
     * @param timeout how long to wait at most; zero to ask only
     * @throws ImportTimeoutException if the import has not come so far in time
     * @throws ImportStoppedException if the import has stopped before
     * @throws InterruptedException if the thread was interrupted while it waited
     * @throws IllegalStateException if the import is closed, or if called from within its own translation
     */
    public void awaitImported(Position wanted, Duration timeout) throws InterruptedException {
        Objects.requireNonNull(wanted, "wanted");
        long left = nanos(timeout);
        if (working.isHeldByCurrentThread()) {
            throw new IllegalStateException("awaitImported was called from within the import from \"" + name
                    + "\" itself, which would wait for itself. Call it outside.");
        }
        waiting.lockInterruptibly();
        try {
            while (wanted.isAfter(position)) {
                checkUsable();
                if (left <= 0) {
                    throw new ImportTimeoutException(name, wanted, position, timeout);
                }
                left = moved.awaitNanos(left);
            }
        } finally {
            waiting.unlock();
        }
    }

    /**
     * Tells how the import stands.
     *
     * @return a value; later changes do not reach it
     */
    public ImportStatus status() {
        var why = failure.get();
        var reached = position;
        return new ImportStatus(
                name,
                why != null
                        ? ImportStatus.State.STOPPED
                        : closed ? ImportStatus.State.CLOSED : ImportStatus.State.RUNNING,
                reached,
                source.head(),
                Optional.ofNullable(why));
    }

    /**
     * Stops following, and waits for the append that is under way. What is not imported is imported by the next start. A
     * second call does nothing. The stores and the executor stay open, as they are the caller's.
     */
    @Override
    public void close() {
        closed = true; // a task that runs ends at its next append
        unfollow();
        working.lock(); // waits for it; called from within the translation, it holds the lock itself
        try {
            wake();
        } finally {
            working.unlock();
        }
    }

    // ---- following

    /** Follows first and looks at the log then, so that no append falls between the two. */
    private void start() {
        subscription = source.onAppend(last -> schedule());
        schedule();
        if (!isRunning()) {
            unfollow(); // it has stopped while there was no subscription to end
        }
    }

    private void schedule() {
        if (isRunning() && scheduled.compareAndSet(false, true)) {
            try {
                executor.execute(this::run);
            } catch (Throwable refused) { // also an error: no thread could be had, for instance
                stop(position, refused);
            }
        }
    }

    private void run() {
        working.lock();
        try {
            if (isRunning()) {
                resume();
            }
            while (isRunning() && importChunk()) {
                // goes on
            }
        } catch (Throwable thrown) {
            stop(position, thrown);
        } finally {
            working.unlock();
        }
        scheduled.set(false);
        if (isRunning() && isBehind()) {
            schedule(); // an append that came meanwhile found a task already scheduled
        }
    }

    private boolean isBehind() {
        try {
            return source.head().isAfter(position);
        } catch (Throwable thrown) { // the source's: without this the import would stand still and seem to run
            stop(position, thrown);
            return false;
        }
    }

    private boolean isRunning() {
        return failure.get() == null && !closed;
    }

    // ---- importing, with `working` held

    /** Goes to the last mark, if another one than this import's last has been appended. */
    private void resume() {
        try (var found =
                local.read(marks, ReadOptions.backwards().after(lastMark).limit(1))) {
            if (!found.advance()) {
                return;
            }
            var mark = (ImportMark) found.event();
            var imported = Position.of(mark.position());
            if (imported.isAfter(source.head())) {
                throw new IllegalStateException("The source \"" + name + "\" ends at position " + source.head()
                        + ", but the local store's position " + found.position() + " tells that it was imported up to "
                        + imported + "; nothing was appended. Is it another store, or an older state of it? Give"
                        + " another store another name.");
            }
            lastMark = found.position();
            unmarked = 0;
            reach(imported);
        }
    }

    /** Imports some events; gives whether there may be more. */
    private boolean importChunk() {
        var chunk = new ArrayList<RecordedEvent>();
        Position end;
        boolean more = false;
        try (var events = source.read(query, ReadOptions.forwards().after(position))) {
            end = events.head();
            while (!more && events.advance()) {
                // an event may be read as several of one position, which belong together
                if (chunk.size() >= CHUNK && events.position().isAfter(last(chunk))) {
                    end = last(chunk);
                    more = true;
                } else {
                    chunk.add(events.recorded());
                }
            }
        }
        var pending = new ArrayList<Object>();
        for (int i = 0; i < chunk.size(); i++) {
            var event = chunk.get(i);
            if (!isRunning()) {
                return false;
            }
            if (!pending.isEmpty() && !event.metadata().equals(chunk.get(i - 1).metadata())) {
                if (!append(pending, chunk.get(i - 1))) {
                    return true;
                }
                pending.clear();
            }
            try {
                pending.addAll(translate(event));
            } catch (Untranslated untranslated) {
                if (!pending.isEmpty() && !append(pending, chunk.get(i - 1))) {
                    return true;
                }
                throw untranslated; // with all before it imported
            }
            unmarked++;
        }
        if (!pending.isEmpty() && !append(pending, chunk.get(chunk.size() - 1))) {
            return true;
        }
        if (unmarked >= MARK_EVERY && !append(List.of(), end, Metadata.none())) {
            return true;
        }
        if (end.isAfter(position)) {
            reach(end);
        }
        return more;
    }

    private static Position last(List<RecordedEvent> chunk) {
        return chunk.get(chunk.size() - 1).position();
    }

    private List<?> translate(RecordedEvent event) {
        List<?> translated;
        try {
            translated = translation.apply(event);
            if (translated == null) {
                throw new NullPointerException("The translation of \"" + event.name() + "\" from \"" + name
                        + "\" returned null; expected a list. Return an empty one where nothing is to be imported.");
            }
            if (translated.stream().anyMatch(ImportMark.class::isInstance)) {
                throw new IllegalArgumentException("The translation of \"" + event.name() + "\" from \"" + name
                        + "\" returned an import mark; expected events of the application. Marks tell how far this"
                        + " store has imported, not how far its source has: leave them out.");
            }
        } catch (Throwable thrown) {
            throw new Untranslated(event.position(), thrown);
        }
        return translated;
    }

    private boolean append(List<?> events, RecordedEvent last) {
        return append(events, last.position(), last.metadata());
    }

    /** Appends with a mark; gives whether it did, and otherwise has gone to where the last mark is. */
    private boolean append(List<?> events, Position upTo, Metadata metadata) {
        var all = new ArrayList<Object>(events);
        all.add(new ImportMark(name, upTo.value()));
        var before = lastMark;
        for (int attempt = 1; ; attempt++) {
            try {
                lastMark = local.append(all, AppendCondition.unchanged(marks, before), metadata)
                        .last();
                unmarked = 0;
                reach(upTo);
                return true;
            } catch (AppendConflictException | AppendOutcomeUnknownException refused) {
                resume();
                if (lastMark.isAfter(before)) {
                    return false;
                }
                if (attempt == ATTEMPTS || !isRunning()) {
                    throw refused;
                }
            }
        }
    }

    private void reach(Position reached) {
        position = reached;
        wake();
    }

    private void wake() {
        waiting.lock();
        try {
            moved.signalAll();
        } finally {
            waiting.unlock();
        }
    }

    // ---- failing

    /** Carries where a translation failed to where the import is stopped. */
    private static final class Untranslated extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final transient Position position;
        private final Throwable thrown;

        Untranslated(Position position, Throwable thrown) {
            super(null, thrown, false, false);
            this.position = position;
            this.thrown = thrown;
        }
    }

    private void stop(Position at, Throwable thrown) {
        var why = thrown instanceof Untranslated untranslated
                ? new ImportStatus.Failure(name, untranslated.position, untranslated.thrown)
                : new ImportStatus.Failure(name, at, thrown);
        if (!failure.compareAndSet(null, why)) {
            return; // it has stopped for another reason, which was told
        }
        unfollow();
        wake();
        try {
            listener.accept(why);
        } catch (Throwable further) {
            further.addSuppressed(why.cause());
            var thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, further);
        }
    }

    private void unfollow() {
        var following = subscription;
        if (following != null) {
            following.close();
        }
    }

    private void checkUsable() {
        var why = failure.get();
        if (why != null) {
            throw new ImportStoppedException(why);
        }
        if (closed) {
            throw new IllegalStateException(
                    "The import from \"" + name + "\" is closed at position " + position + "; start another.");
        }
    }

    private static long nanos(Duration timeout) {
        try {
            return timeout.toNanos();
        } catch (ArithmeticException longerThanEver) {
            return timeout.isNegative() ? 0 : TimeUnit.DAYS.toNanos(100_000);
        }
    }

    /**
     * Says what is imported.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final String name;
        private final EventStore source;
        private EventQuery query = EventQuery.all();

        private Builder(String name, EventStore source) {
            this.name = name;
            this.source = source;
        }

        /**
         * Chooses events.
         *
         * @param query which of the source's events are translated; all of them unless it is said
         * @return this builder
         */
        public Builder only(EventQuery query) {
            this.query = Objects.requireNonNull(query, "query");
            return this;
        }

        /**
         * Starts the import.
         *
         * @param local the store to append to, whose catalog holds {@link ImportMark} and what the translation gives
         * @param translation gives the local events that an event of the source becomes, possibly none; pure, as an
         *     event may be translated again
         * @param executor runs the import; stays open when it is closed
         * @param listener told if the import stops, on the thread on which it did; what it throws goes to that thread's
         *     handler of uncaught exceptions
         * @return never {@code null}; close it
         * @throws IllegalStateException if the catalog of {@code local} does not give marks their tag
         * @throws dev.cqrs.event.UnknownEventException if the catalog of {@code local} does not know marks
         * @throws IllegalArgumentException if {@code local} is the source
         */
        public EventImport into(
                EventStore local,
                Function<? super RecordedEvent, ? extends List<?>> translation,
                Executor executor,
                Consumer<? super ImportStatus.Failure> listener) {
            if (local == source) {
                throw new IllegalArgumentException("The source \"" + name
                        + "\" and the local store are the same object, and would be imported without end; expected"
                        + " two stores.");
            }
            var probe = new ImportMark(name, 0);
            if (!local.catalog().tagsOf(probe).containsAll(probe.tags())) {
                throw new IllegalStateException("The catalog of the local store has import marks as \""
                        + local.catalog().nameOf(ImportMark.class)
                        + "\", but without their tag, by which they are found. Add them with"
                        + " event(ImportMark.NAME, ImportMark.class, ImportMark::tags).");
            }
            var started = new EventImport(
                    this,
                    local,
                    Objects.requireNonNull(translation, "translation"),
                    Objects.requireNonNull(executor, "executor"),
                    Objects.requireNonNull(listener, "listener"));
            started.start();
            return started;
        }
    }
}
