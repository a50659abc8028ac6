package dev.cqrs.schedule;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Cancelled;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Opened;
import dev.cqrs.schedule.ScheduleEvent.Outcome;
import dev.cqrs.schedule.ScheduleEvent.Recurred;
import dev.cqrs.schedule.ScheduleEvent.Released;
import dev.cqrs.schedule.ScheduleEvent.Reopened;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import dev.cqrs.schedule.ScheduledCommand.State;
import dev.cqrs.task.Delays;
import dev.cqrs.task.Marks;
import dev.cqrs.task.Waits;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Stores commands in the operations log, to be run as soon as a worker gets to them, at an instant, after a time, or again
 * and again; and has workers run them, in this process and in others.
 *
 * <pre>{@code
 * var catalog = CommandSchedule.catalog(Catalog.builder()).event("send-mail", SendMail.class).build();
 * var schedule = CommandSchedule.builder(new InMemoryEventStore(catalog, clock), clock).build();
 * schedule.enqueue(new SendMail("4711"), Metadata.withId("mail-4711"));
 * try (var worker = schedule.work("worker-1", bus, executor, timer, listener)) { … }
 * }</pre>
 *
 * <p><b>Delivery:</b> when a method that stores returns, the command is in the log. It is dispatched at least once under
 * metadata whose id is always the same: that of the command, for one that runs again and again with {@code #} and the
 * number of the time. A handler that carries out each id once
 * ({@link dev.cqrs.decider.DecisionHandler#idempotent()}) so has its effect once, whatever crashes; another one may have it
 * twice if a worker is killed, or held up past the end of its claim, in the middle of it, or if the log takes no appends when
 * it has run. One that ends its process each time is not taken over for ever: see {@link Builder#expiries}.
 *
 * <p><b>Unknown commands:</b> what a worker has no handler for, or cannot read, it gives back and leaves alone for a minute,
 * with all of that key: that is no attempt, and another worker may know it. So update workers before those who store.
 *
 * <p><b>Order:</b> commands with one key that are to run as soon as possible run one after the other, in the order in which
 * they were stored, whichever process stores and whichever runs them. One that failed and is to be tried again has those
 * of its key wait, and no others. Those of one key that are for an instant run in the order of their instants, unless one
 * fails; without a key there is no order. Keys are hashed to 65,536 slots,
 * and slots share lanes: what is of one lane runs one after the other, and of lanes each worker runs several at once.
 *
 * <p><b>Claims:</b> a worker claims a lane, runs up to {@value #BATCH} commands of it, and gives it back. A claim ends by
 * itself, by the clock of whoever looks, unless it is renewed; then another worker may take over. What a worker appends
 * happens only if its claim still stands, so clocks that differ cost time or a second dispatch, never a wrong state. Nothing
 * is written while there is nothing to do.
 *
 * <p><b>Time:</b> the clock's. If it jumps forward, what has become due meanwhile runs once each, also what runs again and
 * again; if it jumps back, nothing runs twice. Jumps are noticed within a minute. Give the log the same clock.
 *
 * <p><b>Memory:</b> some 250 bytes for each command that has not ended, in processes that have workers or ask for the
 * {@link #status()}; the commands themselves stay in the log.
 *
 * <p><b>At rest:</b> the command, its metadata, its id (as a tag), the slot of its key, and the reason why it failed. The slot
 * does not name the key, but whoever has a list of all keys can tell which few it may be: where that matters, let the key
 * function give a keyed hash.
 *
 * <p><b>Errors:</b> what the store throws reaches the caller; an append whose outcome is unknown is looked up and tried again at
 * once, up to a hundred times: without a pause, as the thread is the caller's, who knows how long it may wait. If it stays unknown, an {@link AppendOutcomeUnknownException} that names the id is
 * thrown, whatever else went wrong since: call again with that id.
 *
 * <p><b>Threads:</b> thread-safe. Starts none.
 */
public final class CommandSchedule {

    /** How many lanes there are unless it is said: 64. */
    public static final int DEFAULT_LANES = 64;

    /** How many lanes a worker runs at once unless it is said: 4. */
    public static final int DEFAULT_AT_ONCE = 4;

    /** How many commands a worker takes with one claim at most. */
    public static final int BATCH = 16;

    /** How long a claim lasts unless it is renewed, if nothing else is said: 30 seconds. */
    public static final Duration DEFAULT_CLAIM = Duration.ofSeconds(30);

    /** How many claims a command may let end by themselves before it is given up, if nothing else is said: 5. */
    public static final int DEFAULT_EXPIRIES = 5;

    /** How many slots keys are hashed to. */
    static final int SLOTS = 1 << 16;

    /** How often an append may be refused or unknown. */
    static final int ATTEMPTS = 100;

    private static final int SAVED_VERSION = 3;

    /** So long before and after the epoch, at most, are instants: some three thousand years. */
    private static final long MOST_SECONDS = 100_000_000_000L;

    /** How long an id may be behind which the number of the time is put. */
    private static final int LONGEST_REPEATED = Tag.MAX_LENGTH - 11;

    private static final EventQuery MARKS = EventQuery.types(ScheduleEvent.class);

    private final EventStore log;
    private final Clock clock;
    private final Optional<Supplier<String>> ids;
    private final Map<Class<?>, Function<Object, ?>> keys;
    private final int lanes;
    private final int atOnce;
    private final Duration claim;
    private final List<Duration> delays;
    private final int expiries;

    /** Guards what has been read, and is held for no call of a store. */
    final ReentrantLock lock = new ReentrantLock();

    private final Pending pending;
    private final Marks<ScheduleEvent, Saved> marks;
    private final Ends ends;
    private final List<ScheduleWorker> workers = new CopyOnWriteArrayList<>();

    /** What became of a {@link #cancel}. */
    public enum Cancellation {
        /** It does not run, or not again; also if that was so before. */
        CANCELLED,
        /**
         * It has run, or a worker has taken it to run it. One that was killed, or is held up past the end of its claim, has
         * it until another tells how the command went: that another gives it back does not tell whether the first runs it.
         * What waits to be tried again, or was given back by whoever took it, can be cancelled.
         */
        TOO_LATE,
        /** No command is stored under this id. */
        UNKNOWN
    }

    /**
     * What of a schedule is saved in a {@link CheckpointStore}; where classes are told by name, it is the class of that
     * checkpoint.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param open the commands that have not ended
     * @param lanes the lanes that were ever claimed
     * @param succeeded how many runs have succeeded
     * @param rejected how many were rejected
     * @param failed how many have failed
     * @param cancelled how many commands were cancelled
     */
    public record Saved(
            List<Entry> open, List<Lane> lanes, long succeeded, long rejected, long failed, long cancelled) {

        /**
         * A command that has not ended.
         *
         * @param id its id
         * @param position the place of its {@link Enqueued}
         * @param order the place of the mark that has it run: the same, or that of its {@link Reopened}
         * @param lane its lane
         * @param slot its slot
         * @param period its period
         * @param at its place in the lane
         * @param wake when it is due, or tried again
         * @param occurrences how often it has run
         * @param attempts how often it was tried
         * @param expiries how many claims have ended by themselves while it was the next to run, since it was last told of
         * @param blocking whether others wait for it
         * @param waiting whether it waits
         */
        public record Entry(
                String id,
                long position,
                long order,
                int lane,
                int slot,
                Duration period,
                Instant at,
                Instant wake,
                int occurrences,
                int attempts,
                int expiries,
                boolean blocking,
                boolean waiting) {}

        /**
         * A lane that was claimed.
         *
         * @param number its number
         * @param worker the name of the last worker that claimed it
         * @param held whether that claim was not given back
         * @param position the claim's place in the log; 0 if it was given back
         * @param until when it ends; the epoch if it was given back
         * @param entries the ids of what it runs
         */
        public record Lane(
                int number, String worker, boolean held, long position, Instant until, List<String> entries) {}

        /**
         * Copies the lists.
         *
         * @param open the commands that have not ended
         * @param lanes the lanes that were ever claimed
         * @param succeeded how many runs have succeeded
         * @param rejected how many were rejected
         * @param failed how many have failed
         * @param cancelled how many commands were cancelled
         */
        public Saved {
            open = List.copyOf(open);
            lanes = List.copyOf(lanes);
        }
    }

    private CommandSchedule(Builder builder) {
        this.log = builder.log;
        this.clock = builder.clock;
        this.ids = builder.ids;
        this.keys = Map.copyOf(builder.keys);
        this.lanes = builder.lanes;
        this.atOnce = builder.atOnce;
        this.claim = builder.claim;
        this.delays = builder.delays;
        this.expiries = builder.expiries;
        this.pending = new Pending(lanes);
        this.ends = new Ends(log);
        this.marks = new Marks<>(log, MARKS, ScheduleEvent.class, lock, pending, builder.saving);
    }

    /**
     * Adds the events of schedules to a catalog; the commands are added like events, each by a stable name.
     *
     * @param catalog of the operations log
     * @return the same builder
     */
    public static Catalog.Builder catalog(Catalog.Builder catalog) {
        return catalog.event("cqrs.schedule-opened", Opened.class)
                .event("cqrs.schedule-enqueued", Enqueued.class)
                .event("cqrs.schedule-claimed", Claimed.class)
                .event("cqrs.schedule-released", Released.class)
                .event("cqrs.schedule-attempted", Attempted.class)
                .event("cqrs.schedule-ended", Ended.class)
                .event("cqrs.schedule-recurred", Recurred.class)
                .event("cqrs.schedule-cancelled", Cancelled.class)
                .event("cqrs.schedule-reopened", Reopened.class)
                .tags(ScheduleEvent.class, ScheduleEvent::tags);
    }

    /**
     * Begins a schedule.
     *
     * @param operations the log in which commands are stored, which may hold other things too; best not the domain's. A
     *     store that several processes share has to tell of the appends of others, or they may not be noticed at all
     * @param clock tells when something is due, and when claims end
     * @return a builder
     */
    public static Builder builder(EventStore operations, Clock clock) {
        return new Builder(Objects.requireNonNull(operations, "operations"), Objects.requireNonNull(clock, "clock"));
    }

    // ---- storing

    /**
     * Stores a command to be run as soon as possible, under an id of the supplier.
     *
     * <p>A call whose outcome is unknown is repeated with the id that the exception names, not with this method.
     *
     * @param command of a class in the catalog
     * @return its id
     * @throws IllegalStateException if no supplier of ids was given
     * @throws dev.cqrs.event.UnknownEventException if the catalog does not know the command's class
     */
    public String enqueue(Command<?> command) {
        return enqueue(command, Metadata.none());
    }

    /**
     * Stores a command to be run as soon as possible. If an equal command is stored under this id, nothing is done, whatever
     * was said there of the time; so a call whose outcome is unknown can be repeated.
     *
     * @param command of a class in the catalog, whose {@code equals} compares values as a record's does (arrays have none):
     *     the stored one is compared with what is read back
     * @param metadata handed to the handler; its id is the command's, or one of the supplier
     * @return its id
     * @throws ScheduleIdReusedException if another command is stored under this id
     * @throws IllegalStateException if the metadata has no id, and no supplier of ids was given
     * @throws IllegalArgumentException if the id cannot be a tag's value, or two functions for the key fit equally well
     * @throws dev.cqrs.event.UnknownEventException if the catalog does not know the command's class
     */
    public String enqueue(Command<?> command, Metadata metadata) {
        return put(command, metadata, Timing.NOW, clock.instant(), Duration.ZERO);
    }

    /**
     * Stores a command to be run at an instant, under an id of the supplier.
     *
     * @param due when; if that is past, at once
     * @param command of a class in the catalog
     * @return its id
     * @throws IllegalArgumentException if the instant is more than some three thousand years away from the epoch
     * @throws IllegalStateException if no supplier of ids was given
     */
    public String at(Instant due, Command<?> command) {
        return at(due, command, Metadata.none());
    }

    /**
     * Stores a command to be run at an instant, otherwise as {@link #enqueue(Command, Metadata)}.
     *
     * @param due when; if that is past, at once
     * @param command of a class in the catalog
     * @param metadata handed to the handler; its id is the command's, or one of the supplier
     * @return its id
     * @throws IllegalArgumentException if the instant is more than some three thousand years away from the epoch
     */
    public String at(Instant due, Command<?> command, Metadata metadata) {
        return put(command, metadata, Timing.AT, due, Duration.ZERO);
    }

    /**
     * Stores a command to be run after a time, under an id of the supplier.
     *
     * @param delay how long from now, by the clock; zero or more
     * @param command of a class in the catalog
     * @return its id
     * @throws IllegalArgumentException if the delay is negative, or leads more than some three thousand years away
     * @throws IllegalStateException if no supplier of ids was given
     */
    public String after(Duration delay, Command<?> command) {
        return after(delay, command, Metadata.none());
    }

    /**
     * Stores a command to be run after a time, otherwise as {@link #enqueue(Command, Metadata)}.
     *
     * @param delay how long from now, by the clock; zero or more
     * @param command of a class in the catalog
     * @param metadata handed to the handler; its id is the command's, or one of the supplier
     * @return its id
     * @throws IllegalArgumentException if the delay is negative, or leads more than some three thousand years away
     */
    public String after(Duration delay, Command<?> command, Metadata metadata) {
        if (Objects.requireNonNull(delay, "delay").isNegative()) {
            throw new IllegalArgumentException("The delay is " + delay + "; expected zero or more.");
        }
        checkSpan("delay", delay);
        return at(clock.instant().plus(delay), command, metadata);
    }

    /**
     * Stores a command to be run again and again, under an id of the supplier.
     *
     * @param period the time between two runs, more than zero
     * @param first when it runs first
     * @param command of a class in the catalog
     * @return its id
     * @throws IllegalArgumentException if the period is not positive, or a time is longer than some three thousand years
     * @throws IllegalStateException if no supplier of ids was given
     */
    public String every(Duration period, Instant first, Command<?> command) {
        return every(period, first, command, Metadata.none());
    }

    /**
     * Stores a command to be run again and again, otherwise as {@link #enqueue(Command, Metadata)}.
     *
     * <p>Each time it is due once, at {@code first} and whole periods after that. When it has ended, in whatever way, it is
     * due again at the first such instant that is still to come; those that have passed meanwhile are left out. Its handler
     * sees the id with {@code #} and the number of the time, from 1; give no other command such an id, or a handler that
     * carries out each id once takes the two for one.
     *
     * @param period the time between two runs, more than zero
     * @param first when it runs first
     * @param command of a class in the catalog
     * @param metadata handed to the handler; its id is the command's, or one of the supplier
     * @return its id
     * @throws IllegalArgumentException if the period is not positive, a time is longer than some three thousand years, or
     *     the id longer than {@code Tag.MAX_LENGTH - 11} characters
     */
    public String every(Duration period, Instant first, Command<?> command, Metadata metadata) {
        Objects.requireNonNull(first, "first");
        if (Objects.requireNonNull(period, "period").isNegative() || period.isZero()) {
            throw new IllegalArgumentException("The period is " + period + "; expected more than zero.");
        }
        checkSpan("period", period);
        return put(command, metadata, Timing.EVERY, first, period);
    }

    private static void checkSpan(String what, Duration span) {
        if (span.toSeconds() > MOST_SECONDS) {
            throw new IllegalArgumentException(
                    "The " + what + " is " + span + "; expected at most " + MOST_SECONDS + " seconds.");
        }
    }

    private String put(Command<?> command, Metadata metadata, Timing timing, Instant due, Duration period) {
        Objects.requireNonNull(due, "due");
        Objects.requireNonNull(command, "command");
        Objects.requireNonNull(metadata, "metadata");
        if (Math.abs(due.getEpochSecond()) > MOST_SECONDS) {
            throw new IllegalArgumentException(
                    "The instant is " + due + "; expected at most " + MOST_SECONDS + " seconds away from the epoch.");
        }
        var id = metadata.id().orElseGet(this::newId);
        if (timing == Timing.EVERY && id.length() > LONGEST_REPEATED) {
            throw new IllegalArgumentException("The id has " + id.length() + " characters; expected at most "
                    + LONGEST_REPEATED + ", as the number of the time is put behind it.");
        }
        var own = metadata.id().isPresent() ? metadata : metadata.with(Metadata.ID, id);
        int slot = slotOf(command);
        int lane = (slot < 0 ? hash(id) : slot) % lanes;
        var mark = new Enqueued(id, lane, slot, timing, due, period);
        var same = EventQuery.types(Enqueued.class).withTags(ScheduleEvent.tag(id));
        return untilKnown(id, attempt -> {
            try {
                log.append(List.of(mark, command), AppendCondition.absent(same), own);
            } catch (AppendConflictException there) {
                checkEqual(id, command, there.position());
            }
            return Optional.of(id);
        });
    }

    /**
     * Makes attempts until one gives something. What fails once an outcome is unknown does not hide that: it may say that
     * nothing was written, but an attempt before may have been.
     */
    private static <T> T untilKnown(String id, IntFunction<Optional<T>> attempts) {
        AppendOutcomeUnknownException unsure = null;
        for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
            try {
                var known = attempts.apply(attempt);
                if (known.isPresent()) {
                    return known.get();
                }
            } catch (ScheduleIdReusedException sure) {
                throw sure;
            } catch (AppendOutcomeUnknownException unknown) {
                unsure = new AppendOutcomeUnknownException("a mark of the stored command \"" + id + "\"", unknown);
            } catch (RuntimeException failed) {
                if (unsure == null) {
                    throw failed;
                }
                unsure.addSuppressed(failed);
                throw unsure;
            }
        }
        throw unsure != null
                ? unsure
                : new IllegalStateException("The stored command \"" + id + "\" was changed by others before each of "
                        + ATTEMPTS + " attempts; nothing was written.");
    }

    private String newId() {
        return ids.orElseThrow(() -> new IllegalStateException("The metadata has no id, by which the command would be"
                        + " stored once; nothing was stored. Give it one, or the builder a supplier with ids(...)."))
                .get();
    }

    private void checkEqual(String id, Command<?> command, Position mark) {
        try (var found = readBehind(mark.value())) {
            if (!found.advance() || !found.event().equals(command)) {
                throw new ScheduleIdReusedException(id, command.getClass(), mark);
            }
        }
    }

    /** Reads what stands at the next position: the command, and the metadata of both. */
    private dev.cqrs.eventstore.EventStream readBehind(long mark) {
        return log.read(
                EventQuery.all(),
                ReadOptions.forwards().after(Position.of(mark)).until(Position.of(mark + 1)));
    }

    private int slotOf(Command<?> command) {
        var type = command.getClass();
        var fitting =
                keys.keySet().stream().filter(one -> one.isAssignableFrom(type)).toList();
        var all = fitting.stream()
                .filter(one -> fitting.stream().noneMatch(other -> other != one && one.isAssignableFrom(other)))
                .toList();
        if (all.isEmpty()) {
            return -1;
        }
        if (all.size() > 1) { // whichever we took, another process may take the other, and the order be lost
            var names = all.stream().map(Class::getName).sorted().toList();
            throw new IllegalArgumentException("A " + type.getName() + " has two keys that fit equally well, of "
                    + names.get(0) + " and of " + names.get(1) + "; expected one. Nothing was stored. Give one to "
                    + type.getSimpleName() + " itself.");
        }
        var nearest = all.get(0);
        var key = Objects.requireNonNull(keys.get(nearest)).apply(command);
        if (key == null) {
            throw new NullPointerException("The key function of " + nearest.getName()
                    + " gave null; expected a key. Commands that need no order have no key function.");
        }
        return hash(key.toString());
    }

    /** The same in every process and for ever. */
    private static int hash(String text) {
        try {
            var hash = MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8));
            return ((hash[0] & 0xff) << 8 | (hash[1] & 0xff)) % SLOTS;
        } catch (NoSuchAlgorithmException impossible) { // every Java platform has it
            throw new IllegalStateException(impossible);
        }
    }

    // ---- asking, from the log alone

    /**
     * Has a command not run. Exactly one of this and its run wins, however close they come. Where it was tried and waits to
     * be tried again, this wins over the next run; a worker that is held up, past the end of its claim, in one before may
     * still bring that to its end.
     *
     * <p>One that runs again and again does not run again, nor is it tried again; a run that a worker has taken may go on.
     *
     * @param id its id
     * @return what became of it
     * @throws IllegalArgumentException if the id cannot be a tag's value
     */
    public Cancellation cancel(String id) {
        Objects.requireNonNull(id, "id");
        return untilKnown(id, attempt -> {
            var found = newest(id).orElse(null);
            if (found == null) {
                return Optional.of(Cancellation.UNKNOWN);
            }
            if (found.cancelled()) {
                return Optional.of(Cancellation.CANCELLED);
            }
            boolean repeats = enqueued(id)
                    .map(mark -> ((Enqueued) mark.event()).timing() == Timing.EVERY)
                    .orElse(false);
            if (!repeats && (found.taken() || found.mark() instanceof Ended)) {
                return Optional.of(Cancellation.TOO_LATE);
            }
            var condition = repeats
                    ? AppendCondition.absent(EventQuery.types(Cancelled.class).withTags(ScheduleEvent.tag(id)))
                    : found.unchanged();
            try {
                log.append(List.of(new Cancelled(id)), condition);
                return Optional.of(Cancellation.CANCELLED);
            } catch (AppendConflictException changed) { // it was taken, or cancelled: the next look tells
                return repeats ? Optional.of(Cancellation.CANCELLED) : Optional.empty();
            }
        });
    }

    /**
     * What the log tells of a command.
     *
     * @param mark the last that was told of it, but for claims and a cancel
     * @param position of that mark
     * @param taken whether a worker has claimed it since, and has not given it back itself: whoever takes over does not
     *     know what the one before has begun, and may still bring to an end
     * @param cancelled whether it was cancelled, which is for ever
     * @param unchanged the condition that nothing more was told of it
     */
    private record Newest(
            ScheduleEvent mark, Position position, boolean taken, boolean cancelled, AppendCondition unchanged) {}

    private Optional<Newest> newest(String id) {
        try (var events = log.read(MARKS.withTags(ScheduleEvent.tag(id)), ReadOptions.backwards())) {
            var claims = new ArrayList<Mark>();
            boolean cancelled = false;
            while (events.advance()) {
                var event = (ScheduleEvent) events.event();
                if (event instanceof Cancelled) {
                    cancelled = true;
                } else if (!(event instanceof Claimed)) {
                    // a cancel within a run stands before what is told of the run
                    cancelled |= (event instanceof Recurred || event instanceof Attempted) && isCancelled(id);
                    boolean taken = !cancelled
                            && !(event instanceof Ended)
                            && !claims.stream().allMatch(this::isGivenBack);
                    return Optional.of(new Newest(event, events.position(), taken, cancelled, events.unchanged()));
                } else {
                    claims.add(new Mark(event, events.position(), events.recordedAt()));
                }
            }
            return Optional.empty();
        }
    }

    /** Says whether the worker itself has let the lane go: only it knows what it has begun of what it took. */
    private boolean isGivenBack(Mark claimed) {
        var lane = ScheduleEvent.laneTag(((Claimed) claimed.event()).lane());
        try (var next = log.read(
                EventQuery.types(Claimed.class, Released.class).withTags(lane),
                ReadOptions.forwards().after(claimed.position()).limit(1))) {
            return next.advance() && next.event() instanceof Released;
        }
    }

    private boolean isCancelled(String id) {
        try (var found = log.read(
                EventQuery.types(Cancelled.class).withTags(ScheduleEvent.tag(id)),
                ReadOptions.forwards().limit(1))) {
            return found.advance();
        }
    }

    private Optional<Mark> enqueued(String id) {
        try (var found = log.read(
                EventQuery.types(Enqueued.class).withTags(ScheduleEvent.tag(id)),
                ReadOptions.forwards().limit(1))) {
            return found.advance()
                    ? Optional.of(new Mark((Enqueued) found.event(), found.position(), found.recordedAt()))
                    : Optional.empty();
        }
    }

    /**
     * Has a command run after all that has ended as failed, behind those of its key that are due.
     *
     * @param id its id
     * @return whether it had failed, and runs again
     * @throws IllegalArgumentException if the id cannot be a tag's value
     */
    public boolean retry(String id) {
        Objects.requireNonNull(id, "id");
        return untilKnown(id, attempt -> {
            var found = newest(id).orElse(null);
            if (found == null
                    || !(found.mark() instanceof Ended ended)
                    || ended.result().outcome() != Outcome.FAILED) {
                return Optional.of(attempt > 1); // it had failed, and nothing but a retry comes behind that
            }
            var stored = enqueued(id).orElse(null);
            if (stored == null) {
                return Optional.of(false);
            }
            var mark = (Enqueued) stored.event();
            try {
                log.append(
                        List.of(new Reopened(
                                id, mark.lane(), mark.slot(), stored.position().value())),
                        found.unchanged());
                return Optional.of(true);
            } catch (AppendConflictException changed) {
                return Optional.empty();
            }
        });
    }

    /**
     * Tells how a stored command stands. Looks up a few events of it, whatever the size of the log, and one more for each time
     * that a worker has taken it since it was last told of.
     *
     * @param id its id
     * @return empty if no command is stored under this id
     * @throws IllegalArgumentException if the id cannot be a tag's value
     */
    public Optional<ScheduledCommand> find(String id) {
        return newest(Objects.requireNonNull(id, "id")).map(found -> {
            if (found.mark() instanceof Ended e) {
                return ended(e);
            }
            return open(id, found);
        });
    }

    /**
     * Gives the commands that have ended as failed and were not {@linkplain #retry run after all} since.
     *
     * @param most how many at most, zero or more
     * @return an unmodifiable list, those that failed last first
     * @throws IllegalArgumentException if {@code most} is negative
     */
    public List<ScheduledCommand> failed(int most) {
        if (most < 0) {
            throw new IllegalArgumentException("At most " + most + " commands were asked for; expected 0 or more.");
        }
        var found = new ArrayList<ScheduledCommand>();
        var known = new HashSet<String>(); // of which something later was seen
        try (var events = log.read(
                EventQuery.types(Ended.class).withTags(ScheduleEvent.FAILED_TAG).or(EventQuery.types(Reopened.class)),
                ReadOptions.backwards())) {
            while (found.size() < most && events.advance()) {
                if (events.event() instanceof Reopened e) {
                    known.add(e.id());
                } else if (events.event() instanceof Ended e && known.add(e.id())) {
                    found.add(ended(e));
                }
            }
        }
        return List.copyOf(found);
    }

    private ScheduledCommand ended(Ended e) {
        var result = e.result();
        return new ScheduledCommand(
                e.id(), end(result.outcome()), Optional.empty(), result.attempts(), 1, result.reason());
    }

    private ScheduledCommand open(String id, Newest found) {
        var last = found.mark();
        var due = Optional.<Instant>empty();
        int attempts = 0;
        int occurrences = 0;
        var reason = "";
        if (last instanceof Enqueued e && e.timing() != Timing.NOW) {
            due = Optional.of(e.due());
        } else if (last instanceof Attempted e) {
            due = Optional.of(e.next());
            attempts = e.attempt();
            occurrences = occurrences(id, found.position());
            reason = e.reason();
        } else if (last instanceof Recurred e) {
            due = Optional.of(e.next());
            attempts = e.result().attempts();
            occurrences = e.occurrence();
            reason = e.result().reason();
        }
        var state = found.cancelled()
                ? State.CANCELLED
                : found.taken()
                        ? State.TAKEN
                        : due.isPresent() && due.get().isAfter(clock.instant()) ? State.WAITING : State.DUE;
        return new ScheduledCommand(id, state, due, attempts, occurrences, reason);
    }

    /** An attempt does not tell how often its command has run to an end; the end before it does. */
    private int occurrences(String id, Position attempted) {
        try (var ends = log.read(
                EventQuery.types(Recurred.class).withTags(ScheduleEvent.tag(id)),
                ReadOptions.backwards().until(attempted).limit(1))) {
            return ends.advance() ? ((Recurred) ends.event()).occurrence() : 0;
        }
    }

    private static State end(Outcome outcome) {
        return switch (outcome) {
            case SUCCEEDED -> State.SUCCEEDED;
            case REJECTED -> State.REJECTED;
            case FAILED -> State.FAILED;
        };
    }

    /**
     * Waits until a command has ended; woken by appends that the store tells of, not by looking again and again: what it
     * does not tell of is seen when the time is over. One that runs again and again ends when it is cancelled. However many
     * wait on this schedule, an append has it read once, and looked up what has ended.
     *
     * @param id its id
     * @param timeout how long to wait at most; zero to ask only
     * @return how it ended
     * @throws ScheduleTimeoutException if it did not end in time
     * @throws IllegalArgumentException if no command is stored under this id, or can be
     * @throws InterruptedException if the thread was interrupted while it waited
     */
    public ScheduledCommand awaitEnded(String id, Duration timeout) throws InterruptedException {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(timeout, "timeout");
        try (var watch = ends.watch(id)) {
            var found = Waits.forAppends(
                    log,
                    timeout,
                    watch::isDue,
                    () -> find(id).orElseThrow(() -> new IllegalArgumentException(
                            "No command is stored under the id \"" + id + "\"; expected one that was stored before.")),
                    seen -> seen.state().isEnd());
            if (!found.state().isEnd()) {
                throw new ScheduleTimeoutException(found, timeout);
            }
            return found;
        }
    }

    /**
     * Tells how the schedule stands. The first call reads the log, or what is behind a checkpoint, unless a worker has.
     *
     * @return a value; later changes do not reach it
     */
    public ScheduleStatus status() {
        refresh();
        lock.lock();
        try {
            var now = clock.instant();
            pending.wake(now);
            return pending.status(marks.folded(), now);
        } finally {
            lock.unlock();
        }
    }

    // ---- working

    /**
     * Has a worker run what is due, until it is closed. Any number of workers of any number of processes may, and each gets
     * to what it can.
     *
     * <p>The worker takes some commands of a lane at a time, runs them one after the other, and tells the log of each how it
     * ended. A rejection is an end, and never tried again. Nor is what another attempt does not change, and the command has
     * failed at once: what validation or authorization refuses, an id that another command has, a conflict that is not
     * {@linkplain dev.cqrs.eventstore.AppendConflictException#isRetryable() retryable}. Whatever else the handler throws is,
     * after each of the delays given to the builder, and then the command has ended as failed. If the command cannot be read
     * here or has no handler it does not count: it is given back. Nor if the handler threw and its thread is interrupted, as
     * by an executor that shuts down; it runs again a second later, and the listener is told. When this worker has had that
     * as often as claims may {@linkplain Builder#expiries end by themselves}, since it told of the command, the next counts.
     *
     * @param name of the worker, for the status; best one that tells which process it is
     * @param bus runs the commands
     * @param executor runs the worker's tasks, as many at once as lanes, and one more to renew the claims of commands that
     *     take long: where it has no thread to spare, a claim may end before the command
     * @param timer waits; its tasks hand over to the executor
     * @param listener told of what fails, on the thread on which it did, with no lock held; what it throws goes to that
     *     thread's handler of uncaught exceptions
     * @return never {@code null}; close it
     */
    public ScheduleWorker work(
            String name,
            CommandBus bus,
            Executor executor,
            Delivery.Timer timer,
            Consumer<? super ScheduleFailure> listener) {
        var worker = new ScheduleWorker(
                this,
                Objects.requireNonNull(name, "name"),
                Objects.requireNonNull(bus, "bus"),
                Objects.requireNonNull(executor, "executor"),
                Objects.requireNonNull(timer, "timer"),
                Objects.requireNonNull(listener, "listener"));
        worker.start();
        return worker;
    }

    EventStore log() {
        return log;
    }

    Clock clock() {
        return clock;
    }

    Duration claim() {
        return claim;
    }

    List<Duration> delays() {
        return delays;
    }

    int expiries() {
        return expiries;
    }

    int atOnce() {
        return atOnce;
    }

    /** With `lock` held. */
    Pending pending() {
        return pending;
    }

    List<ScheduleWorker> workers() {
        return workers;
    }

    Position folded() {
        return marks.folded();
    }

    /** A command that was read. */
    record Stored(Command<?> command, Metadata metadata) {}

    Stored read(long mark) {
        try (var found = readBehind(mark)) {
            if (!found.advance() || !(found.event() instanceof Command<?> command)) {
                throw new IllegalStateException("Position " + (mark + 1)
                        + " of the operations log holds no command any more; expected the one that was stored there."
                        + " What do the upcasters make of it?");
            }
            var stored = new Stored(command, found.metadata());
            if (found.advance()) {
                throw new IllegalStateException("Position " + (mark + 1)
                        + " of the operations log is read as several commands; expected one. What do the upcasters make"
                        + " of it?");
            }
            return stored;
        }
    }

    private record Mark(ScheduleEvent event, Position position, Instant recordedAt) {}

    /** Brings what is known up to the head of the log. */
    void refresh() {
        marks.refresh();
    }

    /** Saves what is known if that is worth it. */
    void save() {
        marks.save(false, pending::save);
    }

    /**
     * Says how commands are stored and run.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final EventStore log;
        private final Clock clock;
        private final Map<Class<?>, Function<Object, ?>> keys = new LinkedHashMap<>();
        private Optional<Supplier<String>> ids = Optional.empty();
        private int lanes = DEFAULT_LANES;
        private int atOnce = DEFAULT_AT_ONCE;
        private Duration claim = DEFAULT_CLAIM;
        private List<Duration> delays = List.of();
        private int expiries = DEFAULT_EXPIRIES;
        private Optional<Marks.Saving<Saved>> saving = Optional.empty();

        private Builder(EventStore log, Clock clock) {
            this.log = log;
            this.clock = clock;
        }

        /**
         * Has commands of a class, and those below it, run in the order in which they were stored, if they have the same
         * key. The function of the most specific class counts; commands without one have no order among them, and one of two
         * such classes of which neither is below the other is refused when it is to be stored.
         *
         * @param <C> the class of the commands
         * @param type the class, or one above several
         * @param key gives something whose {@code toString()} tells keys apart, such as a keyed hash of personal data:
         *     pure, the same in every process, never {@code null}
         * @return this builder
         * @throws IllegalStateException if the class has a function already
         */
        public <C extends Command<?>> Builder key(Class<C> type, Function<? super C, ?> key) {
            Objects.requireNonNull(key, "key");
            @SuppressWarnings("unchecked") // it is asked only about commands of its class
            var function = (Function<Object, ?>) key;
            if (keys.putIfAbsent(Objects.requireNonNull(type, "type"), function) != null) {
                throw new IllegalStateException(
                        type.getName() + " was given a key already; expected one function for each class.");
            }
            return this;
        }

        /**
         * Gives commands an id whose metadata has none.
         *
         * @param ids gives a new id each time, which can be a tag's value; without it each command has to bring one
         * @return this builder
         */
        public Builder ids(Supplier<String> ids) {
            this.ids = Optional.of(Objects.requireNonNull(ids, "ids"));
            return this;
        }

        /**
         * Sets how many lanes there are: as many commands can run at once, in all processes together.
         *
         * @param lanes 1 to 65,536; the same in all processes, for as long as the log is kept. {@value #DEFAULT_LANES}
         *     unless it is said
         * @return this builder
         * @throws IllegalArgumentException if the number is out of bounds
         */
        public Builder lanes(int lanes) {
            if (lanes < 1 || lanes > SLOTS) {
                throw new IllegalArgumentException(
                        "The number of lanes is " + lanes + "; expected 1 to " + SLOTS + ".");
            }
            this.lanes = lanes;
            return this;
        }

        /**
         * Sets how many lanes a worker runs at once, one command in each.
         *
         * @param lanes 1 or more; {@value #DEFAULT_AT_ONCE} unless it is said
         * @return this builder
         * @throws IllegalArgumentException if the number is less than 1
         */
        public Builder atOnce(int lanes) {
            if (lanes < 1) {
                throw new IllegalArgumentException("A worker is to run " + lanes + " lanes; expected 1 or more.");
            }
            this.atOnce = lanes;
            return this;
        }

        /**
         * Sets how long a claim lasts unless it is renewed, which is when half of it is over: how long the lane of a worker
         * that was killed stands still.
         *
         * @param duration more than zero; {@link #DEFAULT_CLAIM} unless it is said
         * @return this builder
         * @throws IllegalArgumentException if the duration is not positive, or longer than some three thousand years
         */
        public Builder claim(Duration duration) {
            if (Objects.requireNonNull(duration, "duration").isNegative() || duration.isZero()) {
                throw new IllegalArgumentException("A claim lasts " + duration + "; expected more than zero.");
            }
            checkSpan("claim", duration);
            this.claim = duration;
            return this;
        }

        /**
         * Has a command that fails tried again after each delay in turn; without this call it is tried once.
         *
         * @param first the first delay, zero or more
         * @param further the delays after that
         * @return this builder
         * @throws IllegalArgumentException if a delay is negative, or longer than some three thousand years
         */
        public Builder retry(Duration first, Duration... further) {
            var all = Delays.of(first, further);
            all.forEach(delay -> checkSpan("delay", delay));
            this.delays = all;
            return this;
        }

        /**
         * Has a command that ends its process given up: when so many claims have ended by themselves while it was the next to
         * run, since it was last told of, the worker that takes it over dispatches it no more, and it ends as failed.
         * {@link #retry(String)} has it run after all. One that runs again and again fails for this time only: it is due at its
         * next time, where it may end as many processes; {@link #cancel(String)} ends it.
         *
         * <p>Processes that are killed for other reasons count as well, if they happen to be at the same command. A command
         * that was told of, well or badly, begins anew; a claim that was given back between two that ended changes nothing.
         * A renewal that comes late does not count, as long as nobody else has the lane; if clocks differ by more than half a
         * claim, workers take lanes from one another, and that counts.
         *
         * <p>One worker by itself gives a command back so often whose handler throws with its thread interrupted.
         *
         * @param most how many, 1 or more; {@value #DEFAULT_EXPIRIES} unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than one
         */
        public Builder expiries(int most) {
            if (most < 1) {
                throw new IllegalArgumentException("The number of expiries is " + most + "; expected 1 or more.");
            }
            this.expiries = most;
            return this;
        }

        /**
         * Has workers save now and then what has not ended, so that a start need not read the log from its beginning.
         *
         * @param store where; a {@code JdbcCheckpointStore} has to know {@link Saved} as the class of that name
         * @param name of the checkpoint
         * @return this builder
         */
        public Builder checkpoints(CheckpointStore store, String name) {
            this.saving = Optional.of(new Marks.Saving<>(
                    Objects.requireNonNull(store, "store"),
                    Objects.requireNonNull(name, "name"),
                    SAVED_VERSION,
                    Saved.class));
            return this;
        }

        /**
         * Makes the schedule; the first one writes into the log how many lanes there are.
         *
         * @return never {@code null}
         * @throws IllegalStateException if the log is used by a schedule with another number of lanes, or its catalog does
         *     not know our events, or not give them their tags; see {@link #catalog}
         */
        public CommandSchedule build() {
            for (var probe : List.of(new Cancelled("probe"), new Released(0, "probe"))) {
                if (!log.catalog().types().contains(probe.getClass())) {
                    throw new IllegalStateException("The catalog of the operations log does not know "
                            + probe.getClass().getSimpleName()
                            + ", an event of schedules. Use CommandSchedule.catalog(...).");
                }
                if (!log.catalog().tagsOf(probe).containsAll(((ScheduleEvent) probe).tags())) {
                    throw new IllegalStateException("The catalog of the operations log has \""
                            + log.catalog().nameOf(probe.getClass())
                            + "\", but without its tags, by which it is found. Use CommandSchedule.catalog(...).");
                }
            }
            for (int attempt = 1; ; attempt++) {
                var there = opened();
                if (there != null) {
                    if (there.lanes() != lanes) {
                        throw new IllegalStateException(
                                "The schedule in this log has " + there.lanes()
                                        + " lanes, but this process was told " + lanes
                                        + "; with both, keys would not keep their order. Give all processes the same lanes(...).");
                    }
                    return new CommandSchedule(this);
                }
                try {
                    log.append(List.of(new Opened(lanes)), AppendCondition.absent(EventQuery.types(Opened.class)));
                } catch (AppendConflictException | AppendOutcomeUnknownException look) {
                    if (attempt == ATTEMPTS) {
                        throw look;
                    }
                }
            }
        }

        private @Nullable Opened opened() {
            try (var found = log.read(
                    EventQuery.types(Opened.class), ReadOptions.forwards().limit(1))) {
                return found.advance() ? (Opened) found.event() : null;
            }
        }
    }
}
