package dev.cqrs.saga;

import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.saga.Index.Entry;
import dev.cqrs.saga.Index.Live;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Deployed;
import dev.cqrs.saga.SagaEvent.EngineStarted;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.task.BriefLock;
import dev.cqrs.task.Marks;
import dev.cqrs.task.Reasons;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The instances of an engine: what is known of them, and their turns.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Instances {

    /** How often an append may be refused or unknown. */
    static final int ATTEMPTS = 100;

    /** As good as for ever, and no clock's end. */
    private static final Duration LONGEST = Duration.ofDays(100_000);

    private static final EventQuery MARKS = EventQuery.types(SagaEvent.class, EngineStarted.class);

    /*
     * `lock` guards the index, and is held for no call of a store. A Live's lock is held for a turn, and no lock but `lock`
     * is taken with it.
     */
    private final Archive archive;
    private final Scripts scripts;
    private final Clock clock;
    private final String name;
    private final Duration lease;
    private final Duration renewal;

    final ReentrantLock lock = new BriefLock();
    final Index index;
    private final Marks<Object, SagaEngine.Saved> marks;
    private volatile long followed = -1;
    private volatile Map<String, Integer> versions = Map.of();
    private volatile Set<String> starters = Set.of();
    private volatile @Nullable Position domainEnd;
    private volatile boolean deployed;
    private volatile boolean holding;
    /** The place at which the log says that this engine was started; 0 before. */
    private volatile long incarnation;
    /** The last such place of an engine of its name. */
    private volatile long newest;

    private final LongAdder ignored = new LongAdder();
    /**
     * The threads of this process that append a turn just now, for all engines: each may be told of another's. Those that
     * append one after the other stand in a map of their own, which is seldom written: they look there for each turn, and
     * the processor has it at hand then.
     */
    private static final Map<Thread, Appending> APPENDING = new ConcurrentHashMap<>();

    private static final Map<Thread, Appending> APPENDING_MANY = new ConcurrentHashMap<>();

    private volatile Runnable onOthers = () -> {};
    private volatile boolean othersCame;

    /** Makes a turn; gives {@code null} if there is nothing to write. */
    @FunctionalInterface
    interface Decide {

        /**
         * Looks at a story, and changes it only by making a turn.
         *
         * @param trouble why what was made before cannot be stored; {@code null} the first time
         */
        @Nullable
        Turn<?> on(Story<?> story, @Nullable Trouble trouble);
    }

    /** What became of a start. */
    enum Begun {
        /** An instance was started. */
        NOW,
        /** It was started before by this event. */
        THIS,
        /** It was started before by another one. */
        BEFORE
    }

    Instances(
            Archive archive,
            Scripts scripts,
            Clock clock,
            String name,
            Duration lease,
            Optional<Marks.Saving<SagaEngine.Saved>> saving) {
        this.archive = archive;
        this.scripts = scripts;
        this.clock = clock;
        this.name = name;
        this.lease = lease.compareTo(LONGEST) < 0 ? lease : LONGEST;
        this.renewal = this.lease.dividedBy(2);
        this.index = new Index((saga, version) -> scripts.choose(saga, version) != null);
        this.marks = new Marks<>(archive.log(), MARKS, Object.class, lock, new Known(), saving);
    }

    Archive archive() {
        return archive;
    }

    Scripts scripts() {
        return scripts;
    }

    String name() {
        return name;
    }

    /** When it is to be said again that an engine has an instance, before it has it no more. */
    Duration renewal() {
        return renewal;
    }

    Instant now() {
        return clock.instant();
    }

    void ignore() {
        ignored.increment();
    }

    long ignored() {
        return ignored.sum();
    }

    /** Writes that this engine is started, from when on it is told from all others. */
    void begin() {
        incarnation = archive.started(name);
    }

    long incarnation() {
        return incarnation;
    }

    /** Gives the incarnation of its name that was started last, if that was later; otherwise 0. */
    long replacedBy() {
        return newest > incarnation ? newest : 0;
    }

    /** Has this engine have what it writes, or no longer. */
    void hold(boolean holds) {
        holding = holds;
    }

    /** Says whether an incarnation is this engine's. */
    boolean isMine(long other) {
        return other != 0 && other == incarnation;
    }

    /** Has somebody told when others have appended while this engine did. */
    void onOthers(Runnable look) {
        onOthers = look;
    }

    // ---- turns

    Live enter(Entry entry) {
        lock.lock();
        try {
            return index.enter(entry);
        } finally {
            lock.unlock();
        }
    }

    void exit(Entry entry, Live live) {
        lock.lock();
        try {
            exited(entry, live, null);
        } finally {
            lock.unlock();
        }
        tellOfOthers();
    }

    /** With `lock`: lets an instance go; {@link #tellOfOthers} follows when the lock is let go. */
    void exited(Entry entry, Live live, @Nullable Instant later) {
        backToLine(entry, live);
        index.exit(entry, live, later);
    }

    /** Without the Live's lock, by who had it and does not exit. */
    void letGo(Entry entry, Live live) {
        lock.lock();
        try {
            backToLine(entry, live);
        } finally {
            lock.unlock();
        }
        tellOfOthers();
    }

    void tellOfOthers() {
        if (othersCame) {
            othersCame = false;
            onOthers.run(); // no sooner, as it may run other instances on this thread
        }
    }

    /** With `lock`: puts an instance in line again that a task has left, as it came in the midst of a turn that is over. */
    private void backToLine(Entry entry, Live live) {
        if (live.left && !live.lock.isHeldByCurrentThread()) {
            live.left = false;
            index.line(entry);
            othersCame = true;
        }
    }

    private Entry enter(String saga, String key) {
        lock.lock();
        try {
            return index.enter(saga, key);
        } finally {
            lock.unlock();
        }
    }

    static Live live(Entry entry) {
        var live = entry.live;
        if (live == null) {
            throw new IllegalStateException(
                    "Nobody is at " + entry.saga + "/" + entry.key + "; expected that it was entered.");
        }
        return live;
    }

    /**
     * Starts an instance, unless there is one.
     *
     * @param cause how: by an event of the domain's log, or by hand
     * @param written is given the turn that was written, with no lock held
     */
    Begun begin(
            Script<?> script,
            String key,
            Cause cause,
            Object event,
            String eventName,
            long source,
            String causation,
            Consumer<Turn<?>> written) {
        var entry = enter(script.name(), key);
        var live = live(entry);
        var turns = new ArrayList<Turn<?>>(1);
        Begun begun;
        live.lock.lock();
        try {
            begun = entry.position == 0
                    ? begin(entry, live, script, key, cause, event, eventName, source, causation, turns)
                    : cause == Cause.STARTED && knownSource(entry) >= source ? Begun.THIS : Begun.BEFORE;
        } finally {
            unlock(live);
            exit(entry, live);
        }
        turns.forEach(written);
        return begun;
    }

    private Begun begin(
            Entry entry,
            Live live,
            Script<?> script,
            String key,
            Cause cause,
            Object event,
            String eventName,
            long source,
            String causation,
            List<Turn<?>> written) {
        String trouble = null;
        var unknown = new ArrayList<Turn<?>>(0);
        for (int attempt = 1; ; attempt++) {
            var turn = started(script, key, cause, event, eventName, source, causation, trouble);
            try {
                commit(entry, live, turn);
                written.add(turn);
                return Begun.NOW;
            } catch (AppendConflictException there) {
                story(entry, live); // so that it goes on here too
                var own = archive.written(unknown);
                if (own != null) {
                    written.add(own);
                    return Begun.NOW;
                }
                var first = archive.marks(script.name(), key).get(0).event().input();
                return first.cause() == cause && cause == Cause.STARTED && first.source() == source
                        ? Begun.THIS
                        : Begun.BEFORE;
            } catch (AppendOutcomeUnknownException look) { // if it was written, there is a conflict now
                if (attempt == ATTEMPTS) {
                    throw look;
                }
                unknown.add(turn);
            } catch (RuntimeException | LinkageError | StackOverflowError | AssertionError failed) {
                if (!isHopeless(failed, turn) || trouble != null || cause == Cause.BEGUN) {
                    throw failed;
                }
                trouble = Reasons.of(failed);
            }
        }
    }

    private <S> Turn<S> started(
            Script<S> script,
            String key,
            Cause cause,
            Object event,
            String eventName,
            long source,
            String causation,
            @Nullable String trouble) {
        var story = new Story<>(script, key);
        story.started = now();
        if (trouble != null) {
            var input = new Input(Cause.STARTED, "", false, 0, "", source, trouble);
            var turn = turn(story, input, Optional.of(event), causation);
            turn.leaveOut();
            turn.park("The event \"" + eventName + "\", or what follows from it, could not be stored: " + trouble);
            return gone(turn); // the time given to the whole has begun
        }
        var input = new Input(cause, "", false, 0, eventName, source, "");
        return gone(turn(story, input, Optional.of(event), causation));
    }

    private long knownSource(Entry entry) {
        lock.lock();
        try {
            return entry.source;
        } finally {
            lock.unlock();
        }
    }

    <S> Turn<S> turn(Story<S> story, Input input, Optional<Object> kept, String causation) {
        return new Turn<>(story, now(), archive::nameOf, input, kept, causation);
    }

    /** Puts out all that follows. */
    static <S> Turn<S> gone(Turn<S> turn) {
        turn.story().script.go(turn);
        return turn;
    }

    /**
     * Makes a turn of an instance and writes it, again if something else of it was written meanwhile.
     *
     * @return what was written; {@code null} if nothing was, or there is no such instance
     */
    @Nullable
    Turn<?> turn(Entry entry, Live live, Decide decide) {
        Trouble trouble = null;
        var unknown = new ArrayList<Turn<?>>(0);
        live.lock.lock();
        try {
            for (int attempt = 1; ; attempt++) {
                var story = story(entry, live);
                var own = archive.written(unknown);
                if (own != null) {
                    return own; // the story was read behind it
                }
                boolean kept = story == null;
                Turn<?> turn = null;
                try {
                    turn = story == null ? null : decide.on(story, trouble);
                    if (turn != null) {
                        commit(entry, live, turn);
                    }
                    kept = true;
                    return turn;
                } catch (AppendConflictException | AppendOutcomeUnknownException look) {
                    if (attempt == ATTEMPTS) {
                        throw look;
                    }
                    if (turn != null && look instanceof AppendOutcomeUnknownException) {
                        unknown.add(turn);
                    }
                } catch (RuntimeException | LinkageError | StackOverflowError | AssertionError failed) {
                    var next = isHopeless(failed, turn) ? Trouble.next(trouble, turn, Reasons.of(failed)) : null;
                    if (next == null) {
                        throw failed;
                    }
                    trouble = next;
                } finally {
                    if (!kept) {
                        live.story = null; // it may have gone further than the log
                    }
                }
            }
        } finally {
            unlock(live);
        }
    }

    /** Lets a Live's lock go, and then tells other engines what was appended with it, unless the thread has another's. */
    static void unlock(Live live) {
        List<Runnable> later = List.of();
        if (live.lock.getHoldCount() == 1 && !live.later.isEmpty()) {
            later = List.copyOf(live.later);
            live.later.clear();
        }
        live.lock.unlock();
        if (!later.isEmpty()) {
            later.forEach(Instances::wake);
        }
    }

    /** Has an operator change an instance; gives what was written, and {@code null} if nothing was. */
    @Nullable
    Turn<?> change(String saga, String key, Decide decide) {
        var entry = enter(saga, key);
        var live = live(entry);
        try {
            var turn = turn(entry, live, decide);
            if (turn != null) {
                lineIfReady(entry);
            }
            return turn;
        } finally {
            exit(entry, live);
        }
    }

    /** Has a task look at an instance that somebody else may be at, for long. */
    void lineIfReady(Entry entry) {
        lock.lock();
        try {
            if (entry.ready && isMine(entry.incarnation)) {
                index.line(entry);
            }
        } finally {
            lock.unlock();
        }
    }

    /** With the Live's lock: gives the story as far as it is known to go. */
    @Nullable
    Story<?> story(Entry entry, Live live) {
        var known = live.story;
        if (known != null && !live.appending && known.last.value() >= entry.position) {
            return known;
        }
        long position;
        boolean own;
        lock.lock();
        try {
            entry.own &= !live.appending;
            position = entry.position;
            own = entry.own;
        } finally {
            lock.unlock();
        }
        var found = archive.load(entry.saga, entry.key);
        if (found == null) {
            return null;
        }
        var story = found.story();
        var last = found.last();
        if (own && last.position().value() == position) {
            story.all().stream().filter(act -> act.is(Story.Progress.READY)).forEach(act -> act.fresh = true);
        }
        lock.lock();
        try {
            boolean over = last.event().standing().state().isEnd();
            if (last.position().value() > entry.position && (!over || entry.position > 0)) {
                index.version(entry, story.version);
                entry.started = story.started;
                index.apply(entry, last.event(), last.position(), last.recordedAt(), false, false);
            }
        } finally {
            lock.unlock();
        }
        live.story = story;
        return story;
    }

    private void commit(Entry entry, Live live, Turn<?> turn) {
        var story = turn.story();
        var now = now();
        boolean others = isOthers(story, now);
        boolean mine = holding || !live.flying.isEmpty();
        var engine = others ? story.engine : mine ? name : "";
        long by = others ? story.incarnation : incarnation;
        var mark = Archive.mark(turn, turn.standing(engine, by, others ? story.until : now.plus(lease)));
        turn.mark = mark;
        Position at;
        boolean outer = live.appending; // a signal of the application may have an operator's turn come in between
        live.appending = true;
        try {
            at = append(live, turn, mark);
        } finally {
            live.appending = outer;
        }
        var there = live.story; // another one if somebody came in between
        if (there == null || story.last.isAfter(there.last)) {
            live.story = story;
        }
        if (others) {
            story.exposed(); // they may dispatch what was issued just now
        }
        boolean own = story.isFresh();
        lock.lock();
        try {
            index.apply(entry, mark, at, now, false, own);
        } finally {
            lock.unlock();
        }
    }

    /** Appends, with no signal to this engine: it knows. */
    private Position append(Live live, Turn<?> turn, SagaEvent mark) {
        var self = Thread.currentThread();
        var noted = Appending.of(self);
        var others = noted != null ? noted : new Appending();
        if (noted == null) {
            APPENDING.put(self, others);
        }
        var outer = others.by; // an append in the midst of which this one came, as its thread was told of it
        var before = others.last;
        others.by = this;
        others.last = Position.START;
        try {
            var at = archive.append(turn, mark);
            if (others.last.isAfter(at.last())) {
                othersCame = true;
            }
            return at.first();
        } finally {
            others.by = outer;
            others.last = before;
            if (noted == null) {
                APPENDING.remove(self);
            }
            for (var wake : others.later) {
                if (!live.later.contains(wake)) {
                    live.later.add(wake);
                }
            }
            others.later.clear();
        }
    }

    /** What was appended last by a thread while it appended a turn, if it does: that, or something that came of it. */
    private static final class Appending {
        /** {@code null} while it appends none. */
        private @Nullable Instances by;

        private final List<Runnable> later = new ArrayList<>(0);
        private Position last = Position.START;

        static @Nullable Appending of(Thread thread) {
            var many = APPENDING_MANY.get(thread);
            return many != null ? many : APPENDING.get(thread);
        }
    }

    /** Runs what appends turns one after the other, so that its thread need not be noted for each. */
    static <T> T appendMany(Supplier<T> turns) {
        var self = Thread.currentThread();
        boolean first = Appending.of(self) == null;
        if (first) {
            APPENDING_MANY.put(self, new Appending());
        }
        try {
            return turns.get();
        } finally {
            if (first) {
                APPENDING_MANY.remove(self);
            }
        }
    }

    /** Wakes this engine if an append that was told of is new to it; no sooner than the thread has let its turn go. */
    void told(Position last, Runnable wake) {
        var appending = Appending.of(Thread.currentThread());
        if (appending != null && appending.by == this) {
            appending.last = last;
        } else if (last.isAfter(marks.folded())) {
            wake(wake);
        }
    }

    /** Wakes this engine, no sooner than the thread has let the turn go that it appends, if it does. */
    static void wake(Runnable wake) {
        var appending = Appending.of(Thread.currentThread());
        if (appending == null || appending.by == null) {
            wake.run();
        } else {
            appending.later.add(wake);
        }
    }

    /** Says whether another engine has it; where this one has none, also one of its name from before. */
    boolean isOthers(Story<?> story, Instant now) {
        var me = holding ? name : "";
        return now.isBefore(story.until)
                && Index.isOthers(story.engine, story.incarnation, story.last.value(), me, incarnation);
    }

    /** Whether what was thrown would be thrown again. */
    private boolean isHopeless(Throwable thrown, @Nullable Turn<?> turn) {
        return thrown instanceof Error // of the application's classes, which one without memory or a crash is not
                || thrown instanceof UnknownEventException
                || thrown instanceof UnreadableEventException
                || thrown instanceof IllegalArgumentException
                || thrown instanceof NullPointerException
                || (turn != null && !archive.canTag(turn));
    }

    // ---- following the log

    /** Brings what is known up to the head of the log. */
    void refresh() {
        marks.refresh();
    }

    /** What is read of the log goes into the index, with `lock` held. */
    private final class Known implements Marks.Known<Object, SagaEngine.Saved> {

        @Override
        public void apply(Object event, Position position, Instant recordedAt) {
            if (event instanceof SagaEvent mark) {
                if (scripts.has(mark.saga())) {
                    index.apply(mark, position, recordedAt, true, false);
                }
            } else if (event instanceof EngineStarted start && start.engine().equals(name)) {
                newest = position.value();
            }
        }

        @Override
        public boolean load(SagaEngine.Saved state) {
            versions = state.versions();
            followed = state.followed();
            starters = state.sources().keySet();
            var saved = new HashSet<>(versions.keySet());
            saved.removeIf(name -> name.indexOf('/') >= 0); // of one version
            if (!saved.equals(scripts.versions().keySet())) {
                return false; // what it has of others was left out, or would not be followed here
            }
            index.load(state);
            return true;
        }

        @Override
        public int size() {
            return index.size();
        }
    }

    /** Says whether who saved the index took events in for instances of a version as they go on here: under the same one. */
    boolean knewThen(String saga, int version) {
        var here = scripts.choose(saga, version);
        var there = versions.getOrDefault(Scripts.named(saga, version), versions.getOrDefault(saga, 0));
        return here != null && here.version() == there;
    }

    /** Says whether who saved the index took in the events of a name that start a saga, which others may have done alone. */
    boolean knewStarter(Script<?> script, String event) {
        return versions.getOrDefault(script.name(), 0)
                        == script.version() // which started what it knew, and nothing else
                && starters.contains(script.name() + "/" + event);
    }

    /** Sees to it that it is in the log from where on events of the domain's log start instances; until that was done once. */
    void deploy(EventStore domain, Map<Script<?>, Position> after) {
        if (deployed) {
            return;
        }
        var head = Objects.requireNonNullElseGet(domainEnd, domain::head);
        domainEnd = head; // also if the other log is away for now
        var wanted = new ArrayList<Deployed>();
        for (var script : scripts.all()) {
            if (scripts.isNewest(script)) {
                long from = after.getOrDefault(script, head).value();
                script.starters().stream()
                        .flatMap(type -> domain.catalog().typesBelow(type).stream())
                        .map(type ->
                                new Deployed(script.name(), domain.catalog().nameOf(type), from))
                        .distinct()
                        .forEach(wanted::add);
            }
        }
        var all = archive.deploy(wanted);
        lock.lock();
        try {
            all.stream().filter(one -> scripts.has(one.saga())).forEach(index::deployed);
        } finally {
            lock.unlock();
        }
        deployed = true;
    }

    /** Gives up to where the domain's log was taken in when the index was saved; -1 if it was not. */
    long followed() {
        return followed;
    }

    /**
     * Saves the index if that is worth it: the cost of a save is shared by the marks since the last.
     *
     * @param last whether it is the last time, and worth it for any mark
     */
    void save(long followed, boolean last) {
        if (followed >= this.followed) { // or what was known before would be read again as if it were not
            marks.save(last, () -> index.save(followed, scripts.allVersions()));
        }
    }

    // ---- how all stand

    SagaEngine.Status status() {
        refresh();
        lock.lock();
        try {
            var counts = new EnumMap<State, Long>(State.class);
            for (var state : State.values()) {
                counts.put(
                        state,
                        index.count(state) + (state.isEnd() ? index.ended(state) : 0)); // some ends are not read yet
            }
            return new SagaEngine.Status(marks.folded(), Map.copyOf(counts), ignored());
        } finally {
            lock.unlock();
        }
    }

    List<Entry> list(Predicate<Entry> wanted, int most) {
        refresh();
        lock.lock();
        try {
            return index.oldest(most, wanted);
        } finally {
            lock.unlock();
        }
    }
}
