package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendCondition.Clause;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import dev.cqrs.task.Listeners;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * An event store in the memory of one process, indexed by tag and by type.
 *
 * <p>What an append costs depends on its own events and clauses, not on the size of the log:
 *
 * <ul>
 *   <li>a clause on one tag, with or without types, on types alone, or on everything costs its number of types, whatever
 *       the size of the store and of the tag's history;
 *   <li>a clause on several tags joined by AND costs nothing more while one of them has no event behind the clause's
 *       position, and otherwise at most the number of events behind that position that have the tag with the fewest
 *       events in all.
 * </ul>
 *
 * <p>A read costs, for each item of its query, the events that have the item's rarest tag or those of its types,
 * whichever are fewer, plus a look-up. Reads take no lock and see the log as
 * it was when they began. Times are kept in milliseconds. The log holds at most 2^31 - 1025 events.
 *
 * <p>Events are kept as the objects they are, not as copies: they must not be changed after an append.
 *
 * <p><b>Threads:</b> thread-safe. Appends take turns by a lock, during which no code of the caller runs.
 */
public final class InMemoryEventStore implements EventStore {

    /*
     * One lock, for writers only. Under it a batch is first given room everywhere (reserve), which may fail for want of
     * memory and changes nothing that can be seen, and then written, which cannot fail; the release of `head` comes last
     * and publishes it all. A reader reads `head` first and believes nothing behind it.
     *
     * The lock is an unfair ReentrantLock: a running writer takes it again before a waking one comes round, so it
     * changes hands rarely, and the hand-over is what costs (docs/adr/0004).
     */

    /** How often to spin before the lock is tried again, how often it is tried, and how often to spin in between. */
    private static final int HOLD_BACK = 64;

    private static final int TRIES = 4;
    private static final int BETWEEN_TRIES = 4;

    private static final int MAX_POSITION = Integer.MAX_VALUE - 1024;
    private static final Posting[] NO_TAGS = {};

    /** So few events of a tag that looking for a rarer type is not worth the while. */
    private static final int FEW = 32;

    private final Catalog catalog;
    private final Clock clock;
    private final EventTypes types;
    private final Log log = new Log();
    private final Map<Tag, Posting> tags = new ConcurrentHashMap<>();
    private final ReentrantLock lock = new ReentrantLock();
    private volatile Signal[] signals = {};
    private long lastTime = Long.MIN_VALUE;
    private final AtomicInteger head = new AtomicInteger();

    /**
     * Makes an empty store.
     *
     * @param catalog the events it may hold
     * @param clock gives the time of each append
     */
    public InMemoryEventStore(Catalog catalog, Clock clock) {
        this.catalog = Objects.requireNonNull(catalog, "catalog");
        this.clock = Objects.requireNonNull(clock, "clock");
        this.types = new EventTypes(catalog);
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        var batch = events.toArray();
        Objects.requireNonNull(condition, "condition");
        Objects.requireNonNull(metadata, "metadata");
        if (batch.length == 0) {
            throw new IllegalArgumentException(
                    "The batch is empty; expected at least one event. Do not append where nothing happened.");
        }
        var numbers = new int[batch.length];
        var postings = new Posting[batch.length][];
        for (int i = 0; i < batch.length; i++) {
            if (batch[i] == null) {
                throw new NullPointerException("Event " + i + " of the " + batch.length + " in the batch is null.");
            }
            var type = types.of(batch[i]);
            numbers[i] = type.number();
            postings[i] = postingsFor(type.tagging().apply(batch[i]));
        }
        for (var follower : signals) {
            follower.beforeAppend();
        }
        long now = clock.millis();
        int first;
        takeTurn();
        try {
            check(condition);
            first = head.getPlain() + 1;
            reserve(numbers, postings, metadata);
            write(batch, numbers, postings, metadata, now);
        } finally {
            lock.unlock();
        }
        var last = Position.of(first + batch.length - 1);
        for (var follower : signals) { // read again: who subscribed meanwhile may have looked at the log before
            tell(follower, last);
        }
        return new Appended(batch.length == 1 ? last : Position.of(first), last);
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        int snapshot = head.get();
        int after = (int) Math.min(options.after().value(), snapshot);
        int until = (int) Math.min(options.until().value(), snapshot);
        return new InMemoryEventStream(
                log, types, cursor(query, after, until, options.isBackwards()), query, options, snapshot);
    }

    @Override
    public Optional<Feed> feed(EventQuery query) {
        return Optional.of(new Tail(query));
    }

    /** Walks over the newest events, of which there are few, and asks of each whether it is meant. */
    private final class Tail implements Feed {
        private final EventQuery query;
        private List<Cursor.Filter> filters;
        private boolean complete;

        Tail(EventQuery query) {
            this.query = query;
            this.filters = List.of();
            resolve();
        }

        /** Gives the filters; an item with a tag that no event has had is left out for the time being. */
        private void resolve() {
            complete = true;
            var found = new ArrayList<Cursor.Filter>();
            for (var item : query.items()) {
                var mask = item.types().isEmpty() ? null : types.mask(item.types());
                var all = indexed(item.tags());
                if (all == null) {
                    complete = false;
                } else {
                    found.add(new Cursor.Filter(mask, all));
                }
            }
            filters = List.copyOf(found);
        }

        @Override
        public int read(Position after, Position until, Object[] events, long[] positions) {
            int last = (int) Math.min(until.value(), head.get());
            if (!complete) {
                resolve();
            }
            int count = 0;
            for (int position = (int) Math.min(after.value(), last) + 1;
                    position <= last && count < events.length;
                    position++) {
                if (isMeant(position)) {
                    events[count] = log.chunk(position).events[Log.slot(position)];
                    positions[count++] = position;
                }
            }
            return count;
        }

        private boolean isMeant(int position) {
            for (int i = 0; i < filters.size(); i++) {
                if (log.matches(position, filters.get(i))) {
                    return true;
                }
            }
            return false;
        }
    }

    @Override
    public Position head() {
        return Position.of(head.get());
    }

    @Override
    public Catalog catalog() {
        return catalog;
    }

    @Override
    public Subscription onAppend(Signal signal) {
        Objects.requireNonNull(signal, "signal");
        var own = new Signal() { // so that the same signal given twice can be ended once
                    @Override
                    public void appended(Position last) {
                        signal.appended(last);
                    }

                    @Override
                    public void beforeAppend() {
                        signal.beforeAppend();
                    }
                };
        lock.lock();
        try {
            var more = Arrays.copyOf(signals, signals.length + 1);
            more[signals.length] = own;
            signals = more;
        } finally {
            lock.unlock();
        }
        return () -> {
            lock.lock();
            try {
                signals = Arrays.stream(signals).filter(s -> s != own).toArray(Signal[]::new);
            } finally {
                lock.unlock();
            }
        };
    }

    private static void tell(Signal follower, Position last) {
        try {
            follower.appended(last);
        } catch (Throwable thrown) { // the events stand, so their appender must not be told otherwise
            Listeners.hand(thrown);
        }
    }

    // ---- appending

    /**
     * Takes the lock; where another thread has it, only after a microsecond or so, in which that thread may append more
     * than once. The lock, and the memory behind it, so change hands less often than the appends do.
     */
    private void takeTurn() {
        if (lock.tryLock()) {
            return;
        }
        spin(HOLD_BACK);
        for (int i = 0; i < TRIES; i++) { // an append is short: to sleep and be woken takes longer
            if (lock.tryLock()) {
                return;
            }
            spin(BETWEEN_TRIES);
        }
        lock.lock();
    }

    private static void spin(int times) {
        for (int i = 0; i < times; i++) {
            Thread.onSpinWait();
        }
    }

    /** Those of tags not seen before are not in the index yet: an append that is refused must not leave them there. */
    private Posting[] postingsFor(Set<Tag> of) {
        if (of.isEmpty()) {
            return NO_TAGS;
        }
        var found = new Posting[of.size()];
        int i = 0;
        for (var tag : of) {
            var posting = tags.get(tag);
            found[i++] = posting != null ? posting : Posting.ofTag(tag);
        }
        return found;
    }

    private void reserve(int[] numbers, Posting[][] postings, Metadata metadata) {
        int before = head.getPlain();
        if (numbers.length > MAX_POSITION - before) {
            throw new IllegalStateException("The store in memory is full: it holds " + before + " events, and "
                    + numbers.length + " more pass its bound of " + MAX_POSITION + ".");
        }
        boolean done = false;
        try {
            log.reserve(before + 1, before + numbers.length, !metadata.entries().isEmpty());
            for (int i = 0; i < numbers.length; i++) {
                var own = postings[i];
                for (int k = 0; k < own.length; k++) {
                    if (own[k].size() == 0) {
                        var earlier = tags.putIfAbsent(Objects.requireNonNull(own[k].tag), own[k]);
                        own[k] = earlier != null ? earlier : own[k];
                    }
                    own[k].reserve(numbers[i]);
                }
                postings[i] = Posting.shared(own);
                types.get(numbers[i]).posting().reserve(numbers[i]);
            }
            done = true;
        } finally {
            if (!done) {
                forgetReserved(numbers, postings);
            }
        }
    }

    private void forgetReserved(int[] numbers, Posting[][] postings) {
        for (int i = 0; i < numbers.length; i++) {
            for (var posting : postings[i]) {
                posting.forgetReserved();
            }
            types.get(numbers[i]).posting().forgetReserved();
        }
    }

    private void write(Object[] batch, int[] numbers, Posting[][] postings, Metadata metadata, long now) {
        int position = head.getPlain();
        long time = Math.max(now, lastTime);
        for (int i = 0; i < batch.length; i++) {
            position++;
            log.write(position, batch[i], numbers[i], time, postings[i], metadata);
            for (var posting : postings[i]) {
                posting.add(position, numbers[i], batch[i]);
            }
            types.get(numbers[i]).posting().add(position, numbers[i], batch[i]);
        }
        lastTime = time;
        head.setRelease(position);
    }

    // ---- conditions

    private void check(AppendCondition condition) {
        var clauses = condition.clauses();
        for (int i = 0; i < clauses.size(); i++) {
            int conflict = conflict(clauses.get(i));
            if (conflict != 0) {
                throw new AppendConflictException(clauses.get(i), Position.of(conflict));
            }
        }
    }

    /** The position of an event that the clause forbids, 0 if there is none. */
    private int conflict(Clause clause) {
        if (clause.after().value() > head.getPlain()) {
            throw new IllegalArgumentException("The clause \"" + clause + "\" speaks of position " + clause.after()
                    + ", but the log's head is " + head.getPlain()
                    + "; expected a position at or before it. Is the condition from another store?");
        }
        int after = (int) clause.after().value();
        var items = clause.query().items();
        for (int i = 0; i < items.size(); i++) {
            int conflict = conflict(items.get(i), after);
            if (conflict > after) {
                return conflict;
            }
        }
        return 0;
    }

    private int conflict(EventQuery.Item item, int after) {
        if (item.tags().isEmpty()) {
            return item.types().isEmpty() ? head.getPlain() : lastOf(item.types(), null);
        }
        if (item.tags().size() == 1) {
            var posting = tags.get(item.tags().iterator().next());
            if (posting == null) {
                checkKnown(item.types());
                return 0;
            }
            return item.types().isEmpty() ? posting.last() : lastOf(item.types(), posting);
        }
        return lastWithAll(item, after);
    }

    /** The last position of an event of one of the types, among those of a tag if one is given. */
    private int lastOf(Set<Class<?>> wanted, @Nullable Posting tag) {
        int last = 0;
        for (var type : wanted) {
            for (int number : types.numbers(type)) {
                last = Math.max(
                        last,
                        tag != null
                                ? tag.last(number)
                                : types.get(number).posting().last());
            }
        }
        return last;
    }

    private int lastWithAll(EventQuery.Item item, int after) {
        checkKnown(item.types());
        var all = new Posting[item.tags().size()];
        Posting rarest = null;
        int i = 0;
        for (var tag : item.tags()) {
            var posting = tags.get(tag);
            if (posting == null || posting.last() <= after) {
                return 0;
            }
            if (rarest == null || posting.size() < rarest.size()) {
                rarest = posting;
            }
            all[i++] = posting;
        }
        var filter = new Cursor.Filter(item.types().isEmpty() ? null : types.mask(item.types()), all);
        return new Cursor.Slice(log, Objects.requireNonNull(rarest), after, head.getPlain(), true, filter).next();
    }

    private void checkKnown(Set<Class<?>> wanted) {
        for (var type : wanted) {
            types.numbers(type);
        }
    }

    // ---- reading

    /**
     * Chooses the cheapest way to the events: straight over the range, or by the postings of tags and types where these
     * hold much fewer.
     */
    private Cursor cursor(EventQuery query, int after, int until, boolean backwards) {
        if (after >= until) { // as of who looks whether there is anything new
            query.items().forEach(item -> checkKnown(item.types()));
            return nothing(backwards);
        }
        var only = query.items().get(0);
        if (query.items().size() == 1 && only.types().isEmpty() && only.tags().size() == 1) {
            var posting = tags.get(only.tags().iterator().next());
            return posting == null ? nothing(backwards) : new Cursor.Slice(log, posting, after, until, backwards, null);
        }
        boolean near = until - after <= FEW; // as for who reads on: passed over before the postings are looked up
        var slices = new ArrayList<Cursor.Slice>();
        var filters = new ArrayList<Cursor.Filter>();
        boolean everything = false;
        for (var item : query.items()) {
            var mask = item.types().isEmpty() ? null : types.maskUnlessAll(item.types());
            var all = indexed(item.tags());
            if (all == null) {
                continue; // a tag that no event has
            }
            var filter = new Cursor.Filter(mask, all);
            filters.add(filter);
            if (all.length == 0 && mask == null) {
                everything = true;
            } else if (!near) {
                slices.addAll(
                        mask == null || all.length > 0
                                ? rarest(filter, after, until, backwards)
                                : byType(mask, null, after, until, backwards));
            }
        }
        if (everything) {
            return new Cursor.Range(log, after, until, backwards, List.of());
        }
        if (filters.isEmpty()) {
            return nothing(backwards);
        }
        if (slices.size() == 1) {
            return slices.get(0);
        }
        // a merged entry costs about as much as passing over a few events
        return near || entries(slices) * 4 >= until - after
                ? new Cursor.Range(log, after, until, backwards, filters)
                : new Cursor.Union(slices, backwards);
    }

    private Cursor nothing(boolean backwards) {
        return new Cursor.Range(log, 0, 0, backwards, List.of());
    }

    /** The entries of the rarest tag, or those of the types if these are rarer still. */
    private List<Cursor.Slice> rarest(Cursor.Filter filter, int after, int until, boolean backwards) {
        var rest = filter.types == null && filter.tags.length == 1 ? null : filter;
        Cursor.Slice best = null;
        for (var tag : filter.tags) {
            var slice = new Cursor.Slice(log, tag, after, until, backwards, rest);
            if (best == null || slice.left() < best.left()) {
                best = slice;
            }
        }
        var byTag = List.of(Objects.requireNonNull(best));
        if (filter.types == null || best.left() <= FEW) {
            return byTag;
        }
        var byType = byType(filter.types, filter, after, until, backwards);
        return entries(byType) < best.left() ? byType : byTag;
    }

    private List<Cursor.Slice> byType(
            boolean[] mask, Cursor.@Nullable Filter filter, int after, int until, boolean backwards) {
        var slices = new ArrayList<Cursor.Slice>();
        for (int number = 0; number < mask.length; number++) {
            if (mask[number]) {
                slices.add(new Cursor.Slice(log, types.get(number).posting(), after, until, backwards, filter));
            }
        }
        return slices;
    }

    private static long entries(List<Cursor.Slice> slices) {
        return slices.stream().mapToLong(Cursor.Slice::left).sum();
    }

    private Posting @Nullable [] indexed(Set<Tag> wanted) {
        if (wanted.isEmpty()) {
            return NO_TAGS;
        }
        var found = new Posting[wanted.size()];
        int i = 0;
        for (var tag : wanted) {
            var posting = tags.get(tag);
            if (posting == null) {
                return null;
            }
            found[i++] = posting;
        }
        return found;
    }
}
