package dev.cqrs.journal;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.journal.JournalEntry.Outcome;
import dev.cqrs.journal.JournalEntry.Payload;
import dev.cqrs.journal.JournalMark.CommandEnded;
import dev.cqrs.journal.JournalMark.CommandStarted;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Reasons;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * An interceptor that writes down every command in the operations log: what it was, who sent it, when, what became of it and
 * how long it took.
 *
 * <p>It writes twice: before the handler that the command starts, and after it how it ended. So a crash leaves a trace, an
 * entry whose outcome is {@linkplain Outcome#UNKNOWN unknown}. A command that cannot be written down is refused
 * ({@link JournalUnwritableException}), unless the journal is built with {@link Builder#bestEffort()}. Where the end cannot be
 * written, the result stands, and the listener is told. So it is where nobody knows whether the domain log was written
 * ({@link AppendOutcomeUnknownException}): no end is written then, and the outcome stays unknown until it is
 * {@linkplain #settle settled}.
 *
 * <p><b>What is kept:</b> the name that the catalog of the operations log gives the command's class; its id, or a new one,
 * which is put into the metadata; the metadata; a rejection's reason, or class and message of what was thrown, both without
 * what not every store can keep: half characters and NUL. The command itself only where {@link Builder#payload} says so.
 * What is kept of metadata and messages is the builder's choice.
 *
 * <p><b>Order:</b> register it outside of a retry, or each attempt is an entry of its own. A command that is dispatched in the
 * handling of another, on the same thread, has an entry of its own that says within which. So where an executor runs its tasks
 * on the thread that hands them over, what they dispatch is within whatever that thread is handling; give none such to an
 * application that is to be {@linkplain #replay replayed}.
 *
 * <p><b>Threads:</b> thread-safe. Starts none; the log is written on the dispatching thread.
 */
public final class Journal implements Interceptor {

    /** How many entries are held in memory while the journal is read. */
    public static final int PAGE = 50;

    private final EventStore operations;
    private final Catalog catalog;
    private final LongSupplier nanoTime;
    private final Supplier<String> ids;
    private final Consumer<? super Unwritten> listener;
    private final Map<Class<?>, Kept> payloads;
    private final UnaryOperator<Metadata> metadataKept;
    private final Function<? super Throwable, String> reasons;
    private final boolean bestEffort;
    private final JournalReader reader;

    /*
     * What is being handled right now: by its thread, so that what that thread dispatches is known to be within; and by id,
     * for appends that a handler has another thread do. Both hold no more than there are commands under way, and nothing is
     * handed on by them: a command finds its metadata in its arguments.
     */
    private final Map<Thread, Running> byThread = new ConcurrentHashMap<>();
    private final Map<String, Running> byId = new ConcurrentHashMap<>();
    private final AtomicReference<@Nullable EventStore> domain = new AtomicReference<>();
    private final AtomicLong noted = new AtomicLong();

    /** How commands of a class are kept. */
    private record Kept(Payload payload, UnaryOperator<Object> mask) {
        static final Kept NAME_ONLY = new Kept(Payload.NONE, UnaryOperator.identity());
    }

    /** A command between its start and its end. */
    private static final class Running {
        private final Position started;
        private final CommandStarted mark;
        private final Metadata metadata;
        private final @Nullable Running outer;

        private final AtomicLong appended = new AtomicLong();
        private final AtomicLong appendedWithin = new AtomicLong();
        private volatile long looked = -1;
        private volatile @Nullable AppendOutcomeUnknownException unknown;

        Running(Position started, CommandStarted mark, Metadata metadata, @Nullable Running outer) {
            this.started = started;
            this.mark = mark;
            this.metadata = metadata;
            this.outer = outer;
        }

        void appended(long last) {
            appended.accumulateAndGet(last, Math::max);
            unknown = null; // it was tried again, and that was written
            for (var running = this; running != null; running = running.outer) {
                running.appendedWithin.accumulateAndGet(last, Math::max);
            }
        }

        void looked(long head) {
            for (var running = this; running != null; running = running.outer) {
                running.looked = head;
            }
        }
    }

    /**
     * What could not be written down.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param command the stable name of the command
     * @param metadata what travelled with it, as far as it is kept
     * @param outcome what became of it; unknown if it was its start that could not be written, or nobody knows
     * @param cause what the operations log threw; or the domain log, where it cannot tell whether or where it has written
     */
    public record Unwritten(String command, Metadata metadata, Outcome outcome, Throwable cause) {

        /**
         * Checks for nulls.
         *
         * @param command the stable name of the command
         * @param metadata what travelled with it, as far as it is kept
         * @param outcome what became of it
         * @param cause what the log threw
         */
        public Unwritten {
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(metadata, "metadata");
            Objects.requireNonNull(outcome, "outcome");
            Objects.requireNonNull(cause, "cause");
        }
    }

    private Journal(Builder builder, Map<Class<?>, Kept> payloads) {
        this.operations = builder.operations;
        this.catalog = operations.catalog();
        this.nanoTime = builder.nanoTime;
        this.ids = builder.ids;
        this.listener = builder.listener;
        this.payloads = Map.copyOf(payloads);
        this.metadataKept = builder.metadataKept;
        this.reasons = builder.reasons;
        this.bestEffort = builder.bestEffort;
        this.reader = new JournalReader(operations);
    }

    /**
     * Begins a journal.
     *
     * @param operations the operations log; its catalog holds the marks ({@link JournalMark#addTo}) and every command that is
     *     sent, each under a stable name. Its clock gives the entries their time
     * @param nanoTime measures how long a command takes, such as {@code System::nanoTime}
     * @param ids gives an id to a command that was sent without, unique for ever
     * @param listener told of what could not be written down, on the dispatching thread; what it throws goes to that thread's
     *     handler of uncaught exceptions
     * @return a builder that keeps all of the metadata, all reasons and messages, and no payload
     */
    public static Builder builder(
            EventStore operations, LongSupplier nanoTime, Supplier<String> ids, Consumer<? super Unwritten> listener) {
        return new Builder(
                Objects.requireNonNull(operations, "operations"),
                Objects.requireNonNull(nanoTime, "nanoTime"),
                Objects.requireNonNull(ids, "ids"),
                Objects.requireNonNull(listener, "listener"));
    }

    // ---- writing

    /**
     * Says whether a class of messages is written down.
     *
     * @param messageType the concrete class of a message
     * @return whether it is one of commands
     * @throws dev.cqrs.event.UnknownEventException if it is, and the catalog of the operations log has no name for it
     */
    @Override
    public boolean appliesTo(Class<?> messageType) {
        if (!Command.class.isAssignableFrom(messageType)) {
            return false;
        }
        return !catalog.nameOf(messageType)
                .isEmpty(); // found out when the bus is built, not when the first one is sent
    }

    /**
     * Writes down that a command starts, hands it on, and writes down how it ended.
     *
     * @param message the command; any other message is only handed on
     * @param metadata what travels with it
     * @param next the rest of the way
     * @return what {@code next} gives
     * @throws JournalUnwritableException if the start could not be written; the command was not handed on
     * @throws dev.cqrs.event.UnknownEventException if the catalog of the operations log has no name for the command
     * @throws Exception what {@code next} throws, unchanged
     */
    @Override
    public Object around(Object message, Metadata metadata, Next next) throws Exception {
        if (!(message instanceof Command<?>)) {
            return next.proceed(message, metadata);
        }
        var known = metadata.id().isPresent()
                ? metadata
                : metadata.with(Metadata.ID, Objects.requireNonNull(ids.get(), "what the supplier of ids gave"));
        var running = start(message, known);
        if (running == null) {
            return next.proceed(message, known);
        }
        long began = nanoTime.getAsLong();
        Object result;
        try {
            try {
                enter(running);
                result = next.proceed(message, known);
            } finally {
                leave(running);
            }
        } catch (Throwable thrown) {
            end(running, nanoTime.getAsLong() - began, thrown);
            throw thrown;
        }
        end(running, nanoTime.getAsLong() - began, null);
        return result;
    }

    /** Writes the start; gives none if that failed and the command is to go on all the same. */
    private @Nullable Running start(Object command, Metadata metadata) {
        var type = command.getClass();
        var own = Objects.requireNonNull(metadataKept.apply(metadata), "what is kept of the metadata");
        if (!own.id().equals(metadata.id())) {
            own = own.with(Metadata.ID, metadata.id().orElseThrow());
        }
        var how = payloads.getOrDefault(type, Kept.NAME_ONLY);
        var outer = byThread.get(Thread.currentThread());
        var mark = new CommandStarted(
                catalog.nameOf(type),
                own.id().orElseThrow(),
                own.correlation().orElse(""),
                how.payload(),
                outer == null ? 0 : outer.started.value());
        var events = how.payload() == Payload.NONE ? List.of(mark) : List.of(mark, masked(command, how));
        try {
            var started = operations.append(events, AppendCondition.none(), own).first();
            return new Running(started, mark, own, outer);
        } catch (RuntimeException unwritten) {
            if (!bestEffort) {
                throw new JournalUnwritableException(mark.command(), unwritten);
            }
            tell(new Unwritten(mark.command(), own, Outcome.UNKNOWN, unwritten));
            return null;
        }
    }

    private static Object masked(Object command, Kept how) {
        var masked = how.mask().apply(command);
        if (masked == null || masked.getClass() != command.getClass()) {
            throw new IllegalStateException("The mask of " + command.getClass().getName() + " gave "
                    + (masked == null
                            ? "null"
                            : "an object of " + masked.getClass().getName())
                    + "; expected a command of the same class. The command was not carried out.");
        }
        return masked;
    }

    private void enter(Running running) {
        byThread.put(Thread.currentThread(), running);
        byId.putIfAbsent(running.mark.id(), running);
    }

    private void leave(Running running) {
        byId.remove(running.mark.id(), running);
        if (running.outer == null) {
            byThread.remove(Thread.currentThread());
        } else {
            byThread.put(Thread.currentThread(), running.outer);
        }
    }

    private void end(Running running, long nanos, @Nullable Throwable thrown) {
        var outcome = thrown == null
                ? Outcome.SUCCEEDED
                : thrown instanceof RejectedException ? Outcome.REJECTED : Outcome.FAILED;
        var unknown = StoredCommands.unknown(thrown);
        if (unknown != null) {
            outcome = Outcome.UNKNOWN;
        } else {
            unknown = running.unknown; // another attempt may have found it written, but does not say where
        }
        if (unknown != null) {
            tell(new Unwritten(running.mark.command(), running.metadata, outcome, unknown));
            return;
        }
        try {
            var mark = new CommandEnded(
                    running.started.value(),
                    running.mark.command(),
                    running.mark.id(),
                    running.mark.correlation(),
                    outcome,
                    outcome == Outcome.FAILED
                            ? Objects.requireNonNull(thrown).getClass().getName()
                            : "",
                    thrown == null
                            ? ""
                            : Reasons.whole(Objects.requireNonNull(reasons.apply(thrown), "what is kept of a message")),
                    Math.max(0, nanos),
                    running.appended.get(),
                    thrown == null ? place(running) : 0);
            StoredCommands.appendEvenIfInterrupted(
                    operations, List.of(mark), notEnded(running.started), running.metadata);
        } catch (Throwable unwritten) { // whatever it is, it must not hide what became of the command
            tell(new Unwritten(running.mark.command(), running.metadata, outcome, unwritten));
        }
    }

    /** See {@link CommandEnded#place()}. */
    private long place(Running running) {
        var log = domain.get();
        if (log == null) {
            return 0;
        }
        long appended = running.appendedWithin.get();
        if (appended > 0) {
            return 2 * appended;
        }
        long looked = running.looked;
        return 2 * (looked < 0 ? head(log) : looked) + 1;
    }

    /** For a command that never touched the domain log; so it is no reason to leave its end unwritten, either. */
    private long head(EventStore log) {
        try {
            return log.head().value();
        } catch (RuntimeException away) {
            return noted.get();
        }
    }

    private static AppendCondition notEnded(Position started) {
        return AppendCondition.absent(EventQuery.types(CommandEnded.class).withTags(Tags.entry(started.value())));
    }

    private void tell(Unwritten what) {
        Listeners.tell(listener, what, what.cause());
    }

    /**
     * Has the journal note where in the domain log commands take effect, so that a {@linkplain #replay replay} knows their
     * order also where they ran at once: a command's place is that of its last append or, if it appends nothing, that of the
     * state it last looked at.
     *
     * <p>An append counts for the command whose id its metadata carries, else for the one that its thread is handling; a
     * read for the latter. What is written past the log that this gives, such as by {@code within(connection)} of a store on
     * a database, is not noted: a command that writes in a transaction of the application's stands where it ended, and a
     * replay is exact only if nothing ran at once.
     *
     * @param domain the domain log
     * @return the same log, to be handed to handlers in place of it
     * @throws IllegalStateException if this journal notes a log already, as positions of two cannot be compared
     */
    public EventStore noting(EventStore domain) {
        Objects.requireNonNull(domain, "domain");
        if (!this.domain.compareAndSet(null, domain)) {
            throw new IllegalStateException("This journal notes the positions of another log already; expected one, as"
                    + " positions of two cannot be compared. Make a journal for each.");
        }
        return new NotingEventStore(domain, this);
    }

    void noteAppend(Metadata metadata, Position last) {
        noted(last.value());
        var own = appending(metadata);
        if (own != null) {
            own.appended(last.value());
        }
    }

    void noteUnknown(Metadata metadata, AppendOutcomeUnknownException unknown) {
        var own = appending(metadata);
        if (own != null) {
            own.unknown = unknown;
        }
    }

    private void noted(long position) {
        if (position > noted.get()) { // or threads that only read would write
            noted.accumulateAndGet(position, Math::max);
        }
    }

    /** Gives the command that an append with such metadata counts for. */
    private @Nullable Running appending(Metadata metadata) {
        var own = byThread.get(Thread.currentThread());
        var id = metadata.id();
        if (id.isPresent() && (own == null || !own.mark.id().equals(id.get()))) {
            return byId.getOrDefault(id.get(), own);
        }
        return own;
    }

    void noteRead(Position head) {
        noted(head.value());
        var own = byThread.get(Thread.currentThread());
        if (own != null) {
            own.looked(head.value());
        }
    }

    /**
     * Writes down what became of a command whose outcome is unknown, when that was found out otherwise, such as by its id in the
     * domain log: only then can it, and all that came after it, be replayed. Should the command still be under way, its own
     * end is not written any more, and the listener is told.
     *
     * @param entry an entry of a command that is not under way any more
     * @param appended where in the domain log it took effect, and in a replay has its place (beside commands of
     *     which no positions are noted, its place is where it began); empty if it did not
     * @param reason how that was found out, in words
     * @throws IllegalStateException if its outcome is known
     * @throws IllegalArgumentException if the reason is blank
     */
    public void settle(JournalEntry entry, Optional<Position> appended, String reason) {
        Objects.requireNonNull(entry, "entry");
        Objects.requireNonNull(appended, "appended");
        if (Objects.requireNonNull(reason, "reason").isBlank()) {
            throw new IllegalArgumentException("The reason why \"" + entry.commandName() + "\" with id " + entry.id()
                    + " is settled is blank; expected how its outcome was found out.");
        }
        var mark = new CommandEnded(
                entry.position().value(),
                entry.commandName(),
                entry.id(),
                entry.metadata().correlation().orElse(""),
                appended.isPresent() ? Outcome.SUCCEEDED : Outcome.FAILED,
                "",
                Reasons.whole(reason),
                0,
                appended.map(Position::value).orElse(0L),
                appended.map(position -> 2 * position.value()).orElse(0L));
        try {
            operations.append(List.of(mark), notEnded(entry.position()), entry.metadata());
        } catch (AppendConflictException known) {
            throw new IllegalStateException(
                    "The outcome of \"" + entry.commandName() + "\" with id " + entry.id() + " at position "
                            + entry.position() + " is known: its end stands at position " + known.position()
                            + ". Read the entry again.",
                    known);
        }
    }

    // ---- reading

    /**
     * Gives the entries of a query, up to the end of the log at the time of this call.
     *
     * <p>They are read {@value #PAGE} at a time, as the stream is consumed; nothing has to be closed. Bounds of time are
     * found without reading what lies outside of them, commands, ids, correlations and outcomes by their tags. Only
     * {@link Outcome#UNKNOWN} has all entries looked through that the rest of the query fits. Where a query asks for another
     * outcome, each entry costs a read of its own, and those that started behind the last bound of time are read, too.
     *
     * @param query which entries, and in which order
     * @return a sequential stream, to be used by one thread
     * @throws dev.cqrs.event.UnknownEventException if the catalog does not know a command in the query
     * @throws IllegalArgumentException if an id in the query cannot be a tag's value, or the entry after which to go on has
     *     not ended and the order is that of the ends
     */
    public Stream<JournalEntry> entries(JournalQuery query) {
        return reader.lines(Objects.requireNonNull(query, "query")).map(JournalReader.Line::entry);
    }

    /**
     * Gives the command of an entry, as it is kept.
     *
     * @param entry an entry of this journal
     * @return empty if it is not kept
     * @throws IllegalStateException if nothing that is a command stands in its place
     */
    public Optional<Command<?>> command(JournalEntry entry) {
        return Objects.requireNonNull(entry, "entry").payload() == Payload.NONE
                ? Optional.empty()
                : Optional.of(StoredCommands.behind(operations, entry.position()));
    }

    /**
     * Sends the commands of a query that succeeded once more, one after the other, with their metadata as it is kept: into an
     * application that is as fresh as the first was then, and which comes to the same state.
     *
     * <p><b>Order:</b> that in which they took effect on the domain log, if the journal {@linkplain #noting notes} it; else,
     * and for entries from before it did, that in which they ended, which differs where commands have run at once. A command
     * that appended several times stands where it did so last.
     *
     * <p>What was dispatched in the handling of another command is left to that handler, if that command is sent: not if it
     * failed. If it is none of the query, the one in whose handling it was dispatched itself counts in its place, if there is
     * one.
     *
     * <p>What sends commands by itself on other threads, such as a saga or a timer, must not do so
     * in the fresh application: its commands are in the journal.
     *
     * <p>That a command has written and then failed is known only if the journal {@linkplain #noting notes} the domain log;
     * else what it wrote is missing in the fresh application.
     *
     * <p><b>Memory:</b> some 150 bytes for each command.
     *
     * @param query which commands; the oldest first, of any outcome
     * @param bus the fresh application's; it need not be journaled
     * @return how many commands were dispatched
     * @throws ReplayException if one that took effect cannot be sent as it was, its payload missing or masked; or it is
     *     unknown whether one did, or it was noted that one did though it failed: nothing was dispatched. Also if one that
     *     succeeded does not now: those before it were dispatched
     * @throws IllegalArgumentException if the query asks for an outcome, or for the newest first
     */
    public long replay(JournalQuery query, CommandBus bus) {
        return new Replay(operations, reader)
                .run(Objects.requireNonNull(query, "query"), Objects.requireNonNull(bus, "bus"));
    }

    /**
     * Says what a journal keeps.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final EventStore operations;
        private final LongSupplier nanoTime;
        private final Supplier<String> ids;
        private final Consumer<? super Unwritten> listener;
        private final Map<Class<?>, Kept> payloads = new LinkedHashMap<>();
        private final List<String> faults = new ArrayList<>();
        private UnaryOperator<Metadata> metadataKept = UnaryOperator.identity();
        private Function<? super Throwable, String> reasons = Builder::reason;
        private boolean bestEffort;

        private Builder(
                EventStore operations,
                LongSupplier nanoTime,
                Supplier<String> ids,
                Consumer<? super Unwritten> listener) {
            this.operations = operations;
            this.nanoTime = nanoTime;
            this.ids = ids;
            this.listener = listener;
        }

        private static String reason(Throwable thrown) {
            var text = thrown instanceof RejectedException rejected ? rejected.reason() : thrown.getMessage();
            return text == null ? "" : text;
        }

        /**
         * Keeps commands as they were sent.
         *
         * @param type their class, or one above several; of two that a command is of, the one below the other counts
         * @return this builder
         */
        public Builder payload(Class<?> type) {
            return keep(type, new Kept(Payload.WHOLE, UnaryOperator.identity()));
        }

        /**
         * Keeps commands in another form, without what nobody else may see. They can be looked at, but not replayed. The
         * metadata, and the messages of what was thrown, which often quote a command, are kept all the same: see
         * {@link #metadata} and {@link #reasons}.
         *
         * @param <C> the class of the commands
         * @param type their class, or one above several
         * @param mask gives a command of the same class; what it throws reaches the sender, and the command is not carried out
         * @return this builder
         */
        public <C> Builder payload(Class<C> type, UnaryOperator<C> mask) {
            Objects.requireNonNull(mask, "mask");
            return keep(type, new Kept(Payload.MASKED, command -> mask.apply(type.cast(command))));
        }

        private Builder keep(Class<?> type, Kept how) {
            Objects.requireNonNull(type, "type");
            if (payloads.putIfAbsent(type, how) != null) {
                faults.add("payload(" + type.getName() + ") is said twice. Keep one.");
            }
            return this;
        }

        /**
         * Says what is kept of the metadata.
         *
         * @param kept leaves out or replaces entries; pure. The id is kept all the same; what a replay hands on is what was
         *     kept. What it throws reaches the sender, and the command is not carried out
         * @return this builder
         */
        public Builder metadata(UnaryOperator<Metadata> kept) {
            this.metadataKept = Objects.requireNonNull(kept, "kept");
            return this;
        }

        /**
         * Says what is kept as reason of a rejection or message of a failure, in place of the whole text.
         *
         * @param reasons gives a text, possibly empty, for what was thrown
         * @return this builder
         */
        public Builder reasons(Function<? super Throwable, String> reasons) {
            this.reasons = Objects.requireNonNull(reasons, "reasons");
            return this;
        }

        /**
         * Lets a command through whose start cannot be written: it has no entry then, and the listener is told. Where the
         * operations log could not tell whether it wrote the start, there may be an entry, whose outcome stays unknown.
         *
         * @return this builder
         */
        public Builder bestEffort() {
            this.bestEffort = true;
            return this;
        }

        /**
         * Makes the journal.
         *
         * @return never {@code null}
         * @throws WiringException listing every fault: a catalog without the marks or their tags, a payload of a class that
         *     the catalog does not know, of one class twice, or of two classes neither of which is below the other
         */
        public Journal build() {
            var catalog = operations.catalog();
            var all = new ArrayList<>(faults);
            all.addAll(StoredCommands.faults(
                    catalog,
                    new CommandStarted("probe", "probe", "probe", Payload.NONE, 0),
                    new CommandEnded(1, "probe", "probe", "probe", Outcome.SUCCEEDED, "", "", 0, 0, 0)));
            var byClass = new HashMap<Class<?>, Kept>();
            payloads.keySet().stream()
                    .filter(root -> catalog.types().stream().noneMatch(root::isAssignableFrom))
                    .forEach(root -> all.add("payload(" + root.getName()
                            + ") meets no command: the catalog of the operations log knows neither that class nor one"
                            + " below it. Add it with event(name, class)."));
            for (var type : catalog.types()) {
                var roots = payloads.keySet().stream()
                        .filter(root -> root.isAssignableFrom(type))
                        .toList();
                var nearest = roots.stream()
                        .filter(root ->
                                roots.stream().noneMatch(other -> other != root && root.isAssignableFrom(other)))
                        .toList();
                if (nearest.size() > 1) {
                    all.add("payload(...) is said for " + type.getName() + " by "
                            + nearest.stream().map(Class::getName).sorted().toList()
                            + ", none of which is below the other. Say it for that class itself.");
                } else if (!nearest.isEmpty()) {
                    byClass.put(type, Objects.requireNonNull(payloads.get(nearest.get(0))));
                }
            }
            if (!all.isEmpty()) {
                throw new WiringException("Journal", all);
            }
            return new Journal(this, byClass);
        }
    }
}
