package dev.cqrs.saga;

import dev.cqrs.event.Position;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Started;
import dev.cqrs.saga.SagaInstance.State;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The instances that have not ended, with what is needed to know which of them are to go on, and when: a few words each, while
 * their stories stay in the log.
 *
 * <p><b>Threads:</b> not thread-safe; the engine guards it.
 */
final class Index {

    /** How many stories are kept in memory of instances that wait for a task. */
    private static final int MOST_WARM = 10_000;

    /** An instance. */
    static final class Entry {
        final String saga;
        final String key;
        int version;
        /** Whether an instance of its version is ours to go on with. */
        boolean known;

        Instant started;
        /** Also read without the lock: 0 while nothing is known of it, and no story that goes less far is used. */
        volatile long position;

        long source;
        State state = State.WAITING;
        String step = "";
        boolean ready;
        Instant wake = Story.NONE;
        String engine = "";
        long incarnation;
        Instant until = Story.NONE;
        /** Whether what is ready was issued by this process, which has not begun to dispatch it. */
        boolean own;

        boolean gone;
        boolean queued;
        /** Whether a time of its has come and waits for something else too; `due` is the next one that does not. */
        boolean late;
        /** Whether it is here only while somebody is at it. */
        boolean passing;

        @Nullable
        Live live;

        /** When it is looked at, and where it stands in the heap; -1 if it does not. */
        Instant due = Story.NONE;

        int slot = -1;

        Entry(String saga, String key, Instant started) {
            this.saga = saga;
            this.key = key;
            this.started = started;
        }
    }

    /** An instance that is at work: `lock` guards all that changes, but for what is said to be the index's. */
    static final class Live {
        final ReentrantLock lock = new ReentrantLock();

        @Nullable
        Story<?> story;

        /** The signals of other engines, for whoever lets the lock go: they may run instances of theirs on this thread. */
        final List<Runnable> later = new ArrayList<>(0);
        /** Whether a turn is being appended: until it is, the story says more than the log. */
        boolean appending;
        /** The index's: whether a task left it alone, as it came in the midst of that. */
        boolean left;
        /** The steps that are being dispatched. */
        final List<String> flying = new ArrayList<>(1);
        /** The index's: how many are at it. */
        int workers;
        /** The index's: whether something became ready since the last of them has looked; who looks clears it without the lock. */
        volatile boolean again;
        /** The index's: whether it is counted as kept. */
        boolean warm;
    }

    private record SourceKey(String saga, String event) {}

    /** Says whether an instance of a version is ours to go on with. */
    @FunctionalInterface
    interface Known {

        boolean is(String saga, int version);
    }

    private final Known known;
    private final Map<State, Long> counts = new EnumMap<>(State.class);
    private final Map<String, Map<String, Entry>> entries = new LinkedHashMap<>();
    private final Map<String, String> interned = new HashMap<>();
    private final Map<SourceKey, Long> sources = new HashMap<>();
    private final Map<State, Long> ended = new EnumMap<>(State.class);
    private final ArrayDeque<Entry> runnable = new ArrayDeque<>();
    private Entry[] heap = new Entry[16];
    private int heaped;
    /** Those whose time has come, and who wait for something else too. */
    private final Set<Entry> late = new LinkedHashSet<>();

    private int warm;
    private int size;
    /** The engine's name while it runs; otherwise nothing is put in line. */
    private String me = "";

    private long incarnation;

    Index(Known known) {
        this.known = known;
    }

    void run(String engine, long incarnation) {
        me = engine;
        this.incarnation = incarnation;
        if (!engine.isEmpty()) {
            all().forEach(this::place);
        }
    }

    int size() {
        return size;
    }

    List<Entry> all() {
        var all = new ArrayList<Entry>(size);
        entries.values().forEach(some -> all.addAll(some.values()));
        return all;
    }

    /**
     * Gives those that were started first, the first one first, of all that have not ended and are wanted. They are looked
     * at once, and no more of them are put in order than are given: a million may be here.
     */
    List<Entry> oldest(int most, Predicate<Entry> wanted) {
        Comparator<Entry> byStart = (one, other) -> one.started.compareTo(other.started);
        var found = new PriorityQueue<Entry>(byStart.reversed()); // the youngest is the first to make room
        for (var some : entries.values()) {
            for (var entry : some.values()) {
                if (entry.position == 0 || entry.state.isEnd() || !wanted.test(entry)) {
                    continue;
                }
                found.add(entry);
                if (found.size() > most) {
                    found.remove();
                }
            }
        }
        var oldest = new ArrayList<>(found);
        oldest.sort(byStart);
        return oldest;
    }

    @Nullable
    Entry find(String saga, String key) {
        var some = entries.get(saga);
        return some == null ? null : some.get(key);
    }

    /** Up to where in the domain's log somebody has dealt with the events of that name that start an instance, at least. */
    long source(String saga, String event) {
        return sources.getOrDefault(new SourceKey(saga, event), 0L);
    }

    /** How many are in a state; of an end those that this engine has told of and not read yet. */
    long count(State state) {
        return counts.getOrDefault(state, 0L);
    }

    long ended(State state) {
        return ended.getOrDefault(state, 0L);
    }

    /** Notes from where on events of a name start instances. */
    void deployed(SagaEvent.Deployed deployed) {
        // as if the event before it were the last that was dealt with: it may have been read as several
        sources.merge(new SourceKey(intern(deployed.saga()), deployed.event()), deployed.after() + 1, Math::max);
    }

    private Map<String, Long> sources() {
        var all = new LinkedHashMap<String, Long>();
        sources.forEach((key, value) -> all.put(key.saga() + "/" + key.event(), value));
        return all;
    }

    /** Up to where in the domain's log somebody has dealt with all events for open instances, but for some versions, at least. */
    long leastSource(Known but) {
        long least = Long.MAX_VALUE;
        for (var some : entries.values()) {
            for (var entry : some.values()) {
                if (entry.position > 0 && !entry.state.isEnd() && entry.known && !but.is(entry.saga, entry.version)) {
                    least = Math.min(least, entry.source);
                }
            }
        }
        return least;
    }

    // ---- what the log tells

    /**
     * Applies a mark.
     *
     * @param read whether it was read in the order of the log; otherwise it was just written, and will be read
     * @param own for one just written, whether this process alone can have dispatched what is ready, and has not
     */
    void apply(SagaEvent mark, Position position, Instant at, boolean read, boolean own) {
        var entry = find(mark.saga(), mark.key());
        apply(entry != null ? entry : create(mark.saga(), mark.key()), mark, position, at, read, own);
    }

    /** Applies a mark of an instance that need not be found, unless it has gone from here. */
    void apply(Entry entry, SagaEvent mark, Position position, Instant at, boolean read, boolean own) {
        if (entry.gone) {
            if (!entry.state.isEnd()) { // otherwise all of it was read, though who wrote it comes to tell of it
                apply(mark, position, at, read, own);
            }
            return;
        }
        var input = mark.input();
        entry.passing &= !read;
        entry.source = Math.max(entry.source, input.source());
        if (mark instanceof Started started) {
            version(entry, started.version());
            entry.started = at;
            if (input.cause() == Cause.STARTED && input.source() > 0) {
                sources.merge(new SourceKey(entry.saga, input.event()), input.source(), Math::max);
            }
        }
        if (position.value() > entry.position) {
            var standing = mark.standing();
            move(entry, position.value(), standing.state());
            entry.step = interned(entry.step, standing.step());
            entry.ready = standing.ready();
            entry.wake = standing.wake().equals(Story.NONE) ? Story.NONE : standing.wake();
            entry.engine = interned(entry.engine, standing.engine());
            entry.incarnation = standing.incarnation();
            entry.until = standing.until().equals(Story.NONE) ? Story.NONE : standing.until();
            entry.own = own;
            entry.late = false;
            place(entry);
            var live = entry.live;
            if (read && live != null && live.again) {
                line(entry); // by somebody else, as an operator: what is ready now need not wait for who is at it
            }
        } else if (!read && position.value() == entry.position) { // it was read before whoever wrote it came to tell
            entry.own = own;
        }
        if (read && mark.standing().state().isEnd()) {
            ended.merge(mark.standing().state(), 1L, Long::sum);
            remove(entry);
        }
    }

    void version(Entry entry, int version) {
        if (entry.version != version) {
            entry.version = version;
            entry.known = known.is(entry.saga, version);
        }
    }

    private void move(Entry entry, long position, State state) {
        if (entry.position > 0) {
            counts.merge(entry.state, -1L, Long::sum);
        }
        entry.position = position;
        entry.state = state;
        counts.merge(state, 1L, Long::sum);
    }

    private Entry create(String saga, String key) {
        var entry = new Entry(intern(saga), key, Story.NONE);
        entry.known = known.is(saga, entry.version); // as of one whose start is not in the log
        entries.computeIfAbsent(entry.saga, name -> new HashMap<>()).put(key, entry);
        size++;
        return entry;
    }

    /** Gives an instance of which nothing may be known yet, entered. */
    Entry enter(String saga, String key) {
        var entry = find(saga, key);
        if (entry == null) {
            entry = create(saga, key);
            entry.passing = true;
        }
        enter(entry);
        return entry;
    }

    private void remove(Entry entry) {
        entry.gone = true;
        late.remove(entry);
        drop(entry);
        var some = entries.get(entry.saga);
        if (some != null && some.remove(entry.key, entry)) {
            size--;
            if (entry.position > 0) {
                counts.merge(entry.state, -1L, Long::sum);
            }
        }
    }

    private String interned(String before, String name) {
        return before.equals(name) ? before : intern(name);
    }

    /** Steps, sagas and engines have few names. */
    private String intern(String name) {
        if (interned.size() > 10_000) {
            interned.clear(); // process managers count their commands
        }
        var before = interned.putIfAbsent(name, name);
        return before == null ? name : before;
    }

    // ---- what is to go on, and when

    private void place(Entry entry) {
        if (!canGoOn(entry)) {
            drop(entry);
            return;
        }
        if (entry.ready && isOthers(entry.engine, entry.incarnation, entry.position, me, incarnation)) {
            heap(entry, entry.until);
        } else {
            heap(entry, entry.late ? entry.due : entry.wake);
            if (entry.ready) {
                enqueue(entry);
            }
        }
    }

    private boolean canGoOn(Entry entry) {
        return entry.position > 0
                && !entry.state.isEnd()
                && entry.state != State.PARKED
                && !me.isEmpty()
                && entry.known;
    }

    /**
     * Says whether it is another engine that said it has an instance. Not an earlier incarnation of this one's name that said
     * so before this one was started, and is taken to be gone then; what it says later shows that it is not. What an operator
     * or another engine writes meanwhile repeats what was said, and counts as if it had come from who has it: one that is gone
     * is then waited for until its time is over, as it would be under another name, and no longer, as that is not put off.
     *
     * @param engine the name of who has it; empty if nobody does
     * @param by its incarnation
     * @param said where that was said last, by whoever
     */
    static boolean isOthers(String engine, long by, long said, String me, long incarnation) {
        return !engine.isEmpty() && by != incarnation && !(engine.equals(me) && said < incarnation);
    }

    private void enqueue(Entry entry) {
        var live = entry.live;
        if (live != null && live.workers > 0) {
            live.again = true;
        } else {
            line(entry);
        }
    }

    /** Puts an instance in line although somebody is at it: there is work for more. */
    void line(Entry entry) {
        if (!entry.queued && !entry.gone && !me.isEmpty()) {
            entry.queued = true;
            runnable.add(entry);
        }
    }

    int inLine() {
        return runnable.size();
    }

    /** Takes the next in line, entered; {@code null} if there is none. */
    @Nullable
    Entry takeRunnable() {
        for (var entry = runnable.poll(); entry != null; entry = runnable.poll()) {
            entry.queued = false;
            var live = enter(entry);
            if (!entry.gone) {
                return entry;
            }
            exit(entry, live, null); // it has ended since it was put in line
        }
        return null;
    }

    Live enter(Entry entry) {
        var live = entry.live;
        if (live == null) {
            live = new Live();
            entry.live = live;
        }
        if (live.warm) {
            live.warm = false;
            warm--;
        }
        live.workers++;
        return live;
    }

    /** Lets an instance go that somebody is in the midst of, who is to look at it again. */
    void leave(Live live) {
        live.workers--;
        live.left = true;
    }

    /** Lets an instance go; {@code later} is when it is looked at again after a failure, if it was one. */
    void exit(Entry entry, Live live, @Nullable Instant later) {
        live.workers--;
        if (live.workers == 0 && entry.passing && (entry.position == 0 || me.isEmpty()) && !entry.gone) {
            remove(entry);
        }
        if (entry.gone) {
            if (live.workers == 0) {
                entry.live = null;
            }
            return;
        }
        if (later != null) {
            heap(entry, later);
        } else if (live.again || live.workers == 0) {
            boolean more = live.again;
            live.again = false;
            place(entry);
            if (more && live.workers > 0) {
                live.again = true;
            }
        } else if (entry.slot < 0 && !entry.late && canGoOn(entry)) { // its time was looked at in vain
            heap(entry, entry.wake);
        }
        if (live.workers == 0) {
            if (entry.queued && warm < MOST_WARM) {
                live.warm = true;
                warm++;
            } else {
                entry.live = null;
            }
        }
    }

    /**
     * Puts those in line whose time has come.
     *
     * @param seen until when all is known that times may wait for
     * @param waits whether one has no times but such
     */
    void wake(Instant now, Instant seen, Predicate<Entry> waits) {
        if (!seen.isBefore(now)) {
            late.forEach(this::lineLate); // also if somebody is at it, who may be long
            late.clear();
        }
        while (heaped > 0 && !heap[0].due.isAfter(now)) {
            var entry = heap[0];
            drop(entry);
            if (entry.due.isAfter(seen) && waits.test(entry)) {
                late.add(entry);
            } else {
                line(entry);
            }
        }
    }

    private void lineLate(Entry entry) {
        entry.late = false;
        line(entry);
    }

    /** Has a time that has come wait as said; until then the instance is looked at at another one, or at none. */
    void postpone(Entry entry, Instant next) {
        if (!entry.gone && !me.isEmpty()) {
            entry.late = true;
            late.add(entry);
            heap(entry, next);
            entry.due = next;
        }
    }

    /** Gives when the next time comes; {@code null} if none does. */
    @Nullable
    Instant nextDue() {
        return heaped == 0 ? null : heap[0].due;
    }

    // ---- a heap by due, in which each knows its place

    private void heap(Entry entry, Instant due) {
        drop(entry);
        if (due.equals(Story.NONE)) {
            return;
        }
        entry.due = due;
        if (heaped == heap.length) {
            heap = Arrays.copyOf(heap, heaped * 2);
        }
        up(entry, heaped++);
    }

    private void drop(Entry entry) {
        int slot = entry.slot;
        if (slot < 0) {
            return;
        }
        entry.slot = -1;
        var last = heap[--heaped];
        clear(heaped);
        if (last != entry) {
            up(last, slot);
            if (last.slot == slot) {
                down(last, slot);
            }
        }
    }

    @SuppressWarnings("NullAway") // behind the last
    private void clear(int slot) {
        heap[slot] = null;
    }

    private void up(Entry entry, int slot) {
        while (slot > 0) {
            int parent = (slot - 1) >>> 1;
            var above = heap[parent];
            if (!entry.due.isBefore(above.due)) {
                break;
            }
            set(above, slot);
            slot = parent;
        }
        set(entry, slot);
    }

    private void down(Entry entry, int slot) {
        while (true) {
            int child = 2 * slot + 1;
            if (child >= heaped) {
                break;
            }
            if (child + 1 < heaped && heap[child + 1].due.isBefore(heap[child].due)) {
                child++;
            }
            var below = heap[child];
            if (!below.due.isBefore(entry.due)) {
                break;
            }
            set(below, slot);
            slot = child;
        }
        set(entry, slot);
    }

    private void set(Entry entry, int slot) {
        heap[slot] = entry;
        entry.slot = slot;
    }

    // ---- what is saved

    void load(SagaEngine.Saved saved) {
        for (var one : saved.open()) {
            var there = find(one.saga(), one.key()); // as somebody is in the midst of it
            var entry = there == null ? create(one.saga(), one.key()) : there;
            entry.passing = false;
            entry.started = one.started();
            version(entry, one.version());
            entry.source = Math.max(entry.source, one.source());
            if (entry.position >= one.position()) {
                continue;
            }
            var standing = one.standing();
            move(entry, one.position(), standing.state());
            entry.step = intern(standing.step());
            entry.ready = standing.ready();
            entry.wake = standing.wake();
            entry.engine = intern(standing.engine());
            entry.incarnation = standing.incarnation();
            entry.until = standing.until();
            place(entry);
        }
        saved.ended().forEach((state, count) -> ended.merge(state, count, Long::sum));
        saved.sources().forEach((name, value) -> {
            int slash = name.indexOf('/');
            sources.merge(new SourceKey(intern(name.substring(0, slash)), name.substring(slash + 1)), value, Math::max);
        });
    }

    SagaEngine.Saved save(long followed, Map<String, Integer> versions) {
        var open = new ArrayList<SagaEngine.Saved.Open>();
        for (var entry : all()) {
            if (!entry.state.isEnd() && entry.position > 0) {
                open.add(new SagaEngine.Saved.Open(
                        entry.saga,
                        entry.key,
                        entry.version,
                        entry.started,
                        entry.position,
                        entry.source,
                        new SagaEvent.Standing(
                                entry.state,
                                entry.step,
                                entry.ready,
                                entry.wake,
                                entry.engine,
                                entry.incarnation,
                                entry.until)));
            }
        }
        return new SagaEngine.Saved(open, new EnumMap<>(ended), sources(), followed, versions);
    }
}
