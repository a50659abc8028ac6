package dev.cqrs.imports;

import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.task.Delays;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Trampoline;
import dev.cqrs.task.Waits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
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
 * <p><b>Errors:</b> what the translation, a store or the executor throws stops the import, and the listener is told;
 * {@link #resume()} has it go on. With {@link Builder#retry} what a store or the executor throws does not stop it. An
 * append whose outcome is unknown is looked up and, if it did not happen, tried again at once, a few times.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: the executor runs one task at a time for it, woken by the source's
 * appends. With much to import a task hands over to another one now and then, so that others of the executor come in
 * between.
 */
public final class EventImport implements AutoCloseable {

    /** How many events of the source, all translated to nothing, are dealt with before a mark is appended alone. */
    public static final int MARK_EVERY = 1_000;

    /** How many events of the source are held in memory, and at most go into one append. */
    private static final int CHUNK = 100;

    /** How often an append may be refused or unknown without anybody having made progress. */
    private static final int ATTEMPTS = 10;

    /** After how many times {@value #CHUNK} events a task lets others of the executor come in between. */
    private static final int CHUNKS_A_TASK = 16;

    /*
     * `working` is held while a task imports; it guards `lastMark` and `unmarked`. `position` is written then, volatile for
     * those who look. Waiters look at it with `waiting` held, which is taken to wake them; no store is called with it. The
     * listener and the timer are called with neither.
     *
     * Whoever has set `scheduled` is the task, or has its failure to tell; so `failure` and `trouble` are written by one at
     * a time. Failures are noted before `scheduled` is given back.
     */

    private final String name;
    private final EventStore source;
    private final EventQuery query;
    private final EventStore local;
    private final Function<? super RecordedEvent, ? extends List<?>> translation;
    private final Executor executor;
    private final Consumer<? super ImportStatus.Failure> listener;
    private final Optional<Delivery.Timer> timer;
    private final List<Duration> delays;
    private final EventQuery marks;

    private final ReentrantLock working = new ReentrantLock();
    private Position lastMark = Position.START;
    private int unmarked;
    private volatile Position position = Position.START;
    private volatile Position seenHead = Position.START;

    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final Trampoline handing = new Trampoline();
    private final Trampoline tasks = new Trampoline();
    private final AtomicBoolean paused = new AtomicBoolean();
    private final AtomicInteger pauses = new AtomicInteger();
    private final ReentrantLock waiting = new ReentrantLock();
    private final Condition moved = waiting.newCondition();
    private final AtomicReference<ImportStatus.@Nullable Failure> failure = new AtomicReference<>();
    private volatile ImportStatus.@Nullable Failure trouble;
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
        this.timer = builder.timer;
        this.delays = builder.delays;
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
        long left = Waits.nanos(timeout);
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
        var again = trouble;
        var reached = position;
        var head = head();
        var state = why != null
                ? ImportStatus.State.STOPPED
                : closed
                        ? ImportStatus.State.CLOSED
                        : again != null ? ImportStatus.State.RETRYING : ImportStatus.State.RUNNING;
        return new ImportStatus(
                name,
                state,
                reached,
                head.isAfter(reached) ? head : reached,
                Optional.ofNullable(state == ImportStatus.State.RETRYING ? again : why));
    }

    /** The source's head, or the last one seen if it cannot be asked: that is when somebody wants to know. */
    private Position head() {
        try {
            seenHead = source.head();
        } catch (RuntimeException down) {
            // the import itself meets it too, and tells
        }
        return seenHead;
    }

    /**
     * Has the import go on after it has stopped: what failed is tried again.
     *
     * @return whether it had stopped
     * @throws IllegalStateException if the import is closed
     */
    public boolean resume() {
        if (closed) {
            throw closedAlready();
        }
        if (failure.getAndSet(null) == null) {
            return false;
        }
        schedule();
        return true;
    }

    /**
     * Stops following, and waits for the append that is under way. What is not imported is imported by the next start. A
     * second call does nothing. The stores and the executor stay open, as they are the caller's.
     */
    @Override
    public void close() {
        closed = true; // a task that runs ends at its next append
        try {
            unfollow();
        } finally {
            working.lock(); // waits for it; called from within the translation, it holds the lock itself
            try {
                wake();
            } finally {
                working.unlock();
            }
        }
    }

    // ---- following

    /** Follows first and looks at the log then, so that no append falls between the two. */
    private void start() {
        subscription = source.onAppend(last -> schedule());
        schedule();
    }

    private void schedule() {
        if (isRunning() && scheduled.compareAndSet(false, true)) {
            handing.run(this::execute); // whose refusal may come back here, where the timer fires at once
        }
    }

    /** With `scheduled` set. */
    private void execute() {
        try {
            executor.execute(this::run);
        } catch (Throwable refused) { // also an error: no thread could be had, for instance
            failed(refused, true);
        }
    }

    private void run() {
        tasks.run(() -> {
            if (importSome()) {
                execute();
            }
        });
    }

    /** Gives whether another task is needed, with `scheduled` set; otherwise it is given back. */
    private boolean importSome() {
        boolean more = true;
        Throwable thrown = null;
        working.lock();
        try {
            if (isRunning()) {
                findMark();
            }
            for (int i = 0; more && i < CHUNKS_A_TASK; i++) {
                more = isRunning() && importChunk();
            }
            trouble = null;
            pauses.set(0);
        } catch (Throwable any) {
            thrown = any;
        } finally {
            working.unlock();
        }
        if (thrown != null) {
            failed(thrown, mayPass(thrown));
            return false;
        }
        if (more) {
            return true;
        }
        scheduled.set(false);
        try { // an append that came meanwhile found a task already scheduled
            return isRunning() && source.head().isAfter(position) && scheduled.compareAndSet(false, true);
        } catch (Throwable unseen) { // without this the import would stand still and seem to run
            if (scheduled.compareAndSet(false, true)) {
                failed(unseen, mayPass(unseen));
            }
            return false;
        }
    }

    private boolean isRunning() {
        return failure.get() == null && !closed;
    }

    // ---- importing, with `working` held

    /** Goes to the last mark, if another one than this import's last has been appended. */
    private void findMark() {
        try (var found =
                local.read(marks, ReadOptions.backwards().after(lastMark).limit(1))) {
            if (!found.advance()) {
                return;
            }
            var mark = (ImportMark) found.event();
            var imported = Position.of(mark.position());
            if (imported.isAfter(source.head())) {
                var another = new IllegalStateException("The source \"" + name + "\" ends at position " + source.head()
                        + ", but the local store's position " + found.position() + " tells that it was imported up to "
                        + imported + "; nothing was appended. Is it another store, or an older state of it? Give"
                        + " another store another name.");
                throw new Hopeless(position, another);
            }
            lastMark = found.position();
            unmarked = 0;
            reach(imported);
        }
    }

    /** Imports some events; gives whether there may be more. */
    private boolean importChunk() {
        var chunk = new ArrayList<RecordedEvent>();
        int whole = 0; // how much of it is all there is at its positions
        Position end;
        boolean more = false;
        try (var events =
                source.read(query, ReadOptions.forwards().after(position).limit(CHUNK + 1))) {
            end = events.head();
            seenHead = end;
            while (!more && events.advance()) {
                // an event may be read as several of one position, which belong together
                if (chunk.size() >= CHUNK && events.position().isAfter(last(chunk))) {
                    end = last(chunk);
                    more = true;
                } else {
                    chunk.add(events.recorded());
                    whole = events.goesOnHere() ? whole : chunk.size();
                }
            }
        } catch (Throwable unread) { // all before it is imported, as where an event cannot be translated
            chunk.subList(whole, chunk.size()).clear();
            if (!chunk.isEmpty() && !importAll(chunk, last(chunk))) {
                return isRunning();
            }
            throw unread;
        }
        return importAll(chunk, end) ? more : isRunning();
    }

    /**
     * Imports events, up to a position at which they end; gives whether it did, and not another import, and was not closed
     * meanwhile.
     */
    private boolean importAll(List<RecordedEvent> chunk, Position end) {
        var pending = new ArrayList<Object>();
        int whole = 0; // how much of it comes of events before the current position
        int before = -1; // the last of those events
        for (int i = 0; i < chunk.size(); i++) {
            var event = chunk.get(i);
            if (!isRunning()) {
                return false;
            }
            if (!pending.isEmpty() && !event.metadata().equals(chunk.get(i - 1).metadata())) {
                if (!append(pending, chunk.get(i - 1))) {
                    return false;
                }
                pending.clear();
            }
            if (i == 0 || event.position().isAfter(chunk.get(i - 1).position())) {
                whole = pending.size();
                before = i - 1;
            }
            try {
                pending.addAll(translate(event));
            } catch (Hopeless untranslated) {
                // all before it is imported, but no part of its own position, which a mark would say is done
                var rest = pending.subList(0, whole);
                if (!rest.isEmpty() && !append(rest, chunk.get(before))) {
                    return false;
                }
                throw untranslated;
            }
            unmarked++;
        }
        if (!pending.isEmpty() && !append(pending, chunk.get(chunk.size() - 1))) {
            return false;
        }
        if (unmarked >= MARK_EVERY && !append(List.of(), end, Metadata.none())) {
            return false;
        }
        if (end.isAfter(position)) {
            reach(end);
        }
        return true;
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
            for (var each : translated) {
                var unused = local.catalog().nameOf(each.getClass()); // in an append it would take others with it
            }
        } catch (Throwable thrown) {
            throw new Hopeless(event.position(), thrown);
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
                findMark();
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

    /** Carries what trying again does not mend, and where, to where the import is stopped. */
    private static final class Hopeless extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final transient Position position;
        private final Throwable thrown;

        Hopeless(Position position, Throwable thrown) {
            super(null, thrown, false, false);
            this.position = position;
            this.thrown = thrown;
        }
    }

    /** Whether a store that threw this may do better next time: not where it was asked wrongly, or holds the unreadable. */
    private static boolean mayPass(Throwable thrown) {
        return thrown instanceof Exception
                && !(thrown instanceof Hopeless)
                && !(thrown instanceof UnknownEventException)
                && !(thrown instanceof EventCodec.UnreadableEventException)
                && !(thrown instanceof IllegalArgumentException)
                && !(thrown instanceof NullPointerException);
    }

    /** Ends a task, with `scheduled` set: has it tried again later, or stops. */
    private void failed(Throwable thrown, boolean mayPass) {
        boolean again = mayPass && timer.isPresent();
        var why = thrown instanceof Hopeless hopeless
                ? new ImportStatus.Failure(name, hopeless.position, hopeless.thrown)
                : new ImportStatus.Failure(name, position, thrown);
        if (again) {
            trouble = why;
        } else {
            failure.set(why);
        }
        wake();
        scheduled.set(false);
        Listeners.tell(listener, why, why.cause());
        if (again) {
            pause();
        } else if (!why.equals(failure.get())) {
            schedule(); // it was resumed when this task still counted
        }
        if (why.cause() instanceof InterruptedException) { // a language without checked exceptions may throw it
            Thread.currentThread().interrupt();
        }
    }

    /** Has the timer wait, unless it does already. */
    private void pause() {
        if (!paused.compareAndSet(false, true)) {
            return;
        }
        var delay = delays.get(pauses.getAndUpdate(n -> Math.min(n + 1, delays.size() - 1)));
        try {
            timer.orElseThrow().schedule(delay, () -> {
                paused.set(false);
                schedule();
            });
        } catch (Throwable refused) {
            paused.set(false);
            if (scheduled.compareAndSet(false, true)) {
                failed(refused, false);
            }
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
            throw closedAlready();
        }
    }

    private IllegalStateException closedAlready() {
        return new IllegalStateException(
                "The import from \"" + name + "\" is closed at position " + position + "; start another.");
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
        private Optional<Delivery.Timer> timer = Optional.empty();
        private List<Duration> delays = List.of();

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
         * Has what a store or the executor throws tried again as often as it takes: after each delay in turn, then after the
         * last each time, and with each append of the source. What the translation throws stops the import all the same,
         * and so does what trying again cannot mend, such as an event that nobody can read.
         *
         * @param timer waits; its tasks hand over to the executor
         * @param first the first delay, zero or more
         * @param further the delays after that
         * @return this builder
         * @throws IllegalArgumentException if a delay is negative
         */
        public Builder retry(Delivery.Timer timer, Duration first, Duration... further) {
            Objects.requireNonNull(timer, "timer");
            this.delays = Delays.of(first, further);
            this.timer = Optional.of(timer);
            return this;
        }

        /**
         * Starts the import.
         *
         * @param local the store to append to, whose catalog holds {@link ImportMark} and what the translation gives; not
         *     the source, nor another object for the same log, which would import itself without end
         * @param translation gives the local events that an event of the source becomes, possibly none; pure, as an
         *     event may be translated again
         * @param executor runs the import; stays open when it is closed
         * @param listener told if the import stops, and each time that something is to be tried again, on the thread on
         *     which it failed, with no lock held; what it throws goes to that thread's handler of uncaught exceptions
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
