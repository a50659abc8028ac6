package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.jdbc.JdbcEventStream.Source;
import dev.cqrs.jdbc.Pages.Page;
import dev.cqrs.jdbc.Pages.Range;
import dev.cqrs.jdbc.Pages.Row;
import dev.cqrs.jdbc.Pending.Conflict;
import dev.cqrs.message.Metadata;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * An event store on PostgreSQL, shared by any number of processes.
 *
 * <pre>{@code
 * JdbcSchema.of().apply(dataSource);
 * var store = JdbcEventStore.builder(dataSource, catalog, Clock.systemUTC()).build();
 * }</pre>
 *
 * <p><b>Order:</b> positions have no gaps, and become visible in their order, whoever appends: one append, or one group of
 * them, holds the log's lock from before its conditions are checked until it is committed. What threads of one process
 * append at the same time is committed together, each under its own condition.
 *
 * <p><b>Cost:</b> an append is one statement, which is its own transaction, and one flush of the database's journal. A
 * clause on one tag costs a look into an index, whatever the size of the log; one on types, with a tag or without, a look
 * for each name under which they are stored; one on several tags joined by AND at most the events behind its position that
 * have the rarest of them. Events are found by their names, whatever their revision: if a clause seems to be broken by one
 * of an earlier revision, or whose name stands for several classes, a read finds out what it is today, and the append is
 * sent again if it is none that matters. A read takes one statement for each page, which looks as often into an index for
 * each item of the query, and between two pages holds neither connection nor transaction. What is found by its name and is
 * nothing today that the query asks for has been transferred all the same.
 *
 * <p><b>Outcomes:</b> an append returns, or throws {@link AppendConflictException} or {@link DatabaseException}, and then
 * nothing was written, or {@link dev.cqrs.eventstore.AppendOutcomeUnknownException} where the connection was lost before
 * the answer came. An append is not ended by an interrupt, which is kept; but where the interrupted thread is a virtual one
 * and waits for the database's answer just then, the platform closes its connection, and the outcome is unknown for all
 * that was sent together.
 *
 * <p><b>Limits:</b> a stored event that upcasters split counts once towards {@link ReadOptions#limit}, so that its parts
 * stay together. Times are kept in microseconds. As {@code jsonb}, a map comes back in an order of the database's own, and
 * the numbers of a payload as decimals: {@code 1E2} as {@code 100}, and {@code -0.0} as {@code 0.0}, if a codec writes
 * them as numbers, as {@link JacksonEventCodec} does not. The newest event must not be deleted by hand: its position would
 * be given again.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class JdbcEventStore implements EventStore, AutoCloseable {

    /** How many events a page holds unless it is said. */
    public static final int DEFAULT_PAGE_SIZE = 500;

    private final DataSource dataSource;
    private final String prefix;
    private final Catalog catalog;
    private final EventCodec codec;
    private final Clock clock;
    private final int pageSize;
    private final Selection.Maker selections;
    private final Pending.Encoder encoder;
    private final AppendCall call;
    private final GroupCommit commits;
    private final Pages pages;
    private final Signals signals = new Signals();
    private final @Nullable Follower follower;

    /** The type of the column in which payloads are kept. What was kept in the other stays readable. */
    public enum Payload {
        /** For codecs that make JSON: payloads can be looked at, and queried, with SQL. */
        JSONB,
        /** For all codecs: payloads come back byte for byte. */
        BYTEA
    }

    private JdbcEventStore(Builder builder) {
        this.dataSource = builder.dataSource;
        this.catalog = builder.catalog;
        this.codec = builder.codec;
        this.clock = builder.clock;
        this.pageSize = builder.pageSize;
        this.selections = new Selection.Maker(catalog);
        this.encoder = new Pending.Encoder(catalog, codec, builder.payload == Payload.BYTEA, selections);
        this.prefix = builder.schema.prefix();
        this.call = new AppendCall(prefix);
        this.commits = new GroupCommit(dataSource, call);
        this.pages = new Pages(prefix);
        this.follower = builder.following == null
                ? null
                : new Follower(dataSource, prefix, pages, builder.following, signals::tell);
    }

    /**
     * Begins a store.
     *
     * @param dataSource gives connections, best out of a pool; whoever made it closes it, after this store. Not one that
     *     gives the connection of a transaction under way: for that there is {@link #within}
     * @param catalog the events it may hold
     * @param clock gives the time of each append
     * @return a builder
     */
    public static Builder builder(DataSource dataSource, Catalog catalog, Clock clock) {
        return new Builder(dataSource, catalog, clock);
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        var appended = append(events, condition, metadata, commits::append, this);
        signals.tell(appended.last());
        return appended;
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        return read(query, options, this::onOwnConnection);
    }

    @Override
    public Position head() {
        return onOwnConnection(() -> "Reading the head of the log", pages::head);
    }

    @Override
    public Catalog catalog() {
        return catalog;
    }

    @Override
    public Subscription onAppend(Signal signal) {
        return signals.subscribe(signal);
    }

    /**
     * Gives a store whose reads and appends are part of a transaction under way: its events are there if and only if the
     * transaction commits, together with whatever else it writes.
     *
     * <pre>{@code
     * connection.setAutoCommit(false);
     * update(connection, order);
     * store.within(connection).append(List.of(new OrderShipped(order.id())), AppendCondition.none());
     * connection.commit();
     * store.wake();
     * }</pre>
     *
     * <p>From its first append until the end of the transaction nobody else can append to the log: append last, and end
     * the transaction soon. Whoever appends first and then waits for rows that others hold, who then append, is in a
     * deadlock, which the database ends with an error for one of them. Such appends are not committed in groups.
     *
     * <p>Whoever appends to this store itself while the calling thread's transaction holds the log waits for it; if that is
     * the same thread, for itself, which the database cannot see. Hand the joined store on to what is called meanwhile.
     *
     * <p>Signals do not come from such appends, as they come before the commit. Call {@link #wake()} after it, or let a
     * store {@linkplain Builder#follow follow} the log, which the database wakes at the commit.
     *
     * <p>A distributed (XA) transaction cannot be taken part in: PostgreSQL prepares none that notifies, as an append does.
     *
     * <p>A conflict leaves the transaction usable; a {@link DatabaseException} does not. At an isolation above read
     * committed an append fails if another has been committed since the transaction's snapshot.
     *
     * @param connection the transaction's, its auto-commit off; used by the calling thread, and never closed, committed or
     *     rolled back
     * @return a store to be used by the connection's thread, as long as the transaction lasts; once the connection commits
     *     by itself again, its appends throw {@link IllegalArgumentException}
     * @throws IllegalArgumentException if the connection commits by itself
     */
    public EventStore within(Connection connection) {
        checkInTransaction(connection);
        return new Joined(connection);
    }

    private static void checkInTransaction(Connection connection) {
        try {
            if (connection.getAutoCommit()) {
                throw new IllegalArgumentException("The connection commits each statement by itself; expected a"
                        + " transaction to take part in. Call setAutoCommit(false), or append to the store itself.");
            }
        } catch (SQLException failed) {
            throw DatabaseException.ofRead("Asking a connection whether it commits by itself", failed);
        }
    }

    /**
     * Tells the signals of this store object how far the log has grown: after the commit of a transaction that has
     * appended {@linkplain #within within} it, or when the application knows of appends elsewhere.
     *
     * <p>It is a hint, and throws nothing: what was committed stands. If the head cannot be read, the failure goes to this
     * thread's handler of uncaught exceptions, and the signals are told with the next append or call, or by a store that
     * {@linkplain Builder#follow follows} the log.
     */
    public void wake() {
        try {
            var head = head();
            if (head.isAfter(Position.START)) {
                signals.tell(head);
            }
        } catch (Throwable failed) { // whoever calls it after a commit would take it for a failure of that
            Listeners.hand(failed);
        }
    }

    /** Ends the following of the log, if there is any. Appends and reads work as before; the data source stays open. */
    @Override
    public void close() {
        if (follower != null) {
            follower.close();
        }
    }

    /** That of the tables behind a store, or behind what it is within a transaction; of others the usual one. */
    static String prefixOf(EventStore store) {
        if (store instanceof Joined joined) {
            return joined.prefix();
        }
        return store instanceof JdbcEventStore its ? its.prefix : JdbcSchema.DEFAULT_PREFIX;
    }

    /** How many appends wait for the group before theirs, for tests. */
    int waitingAppends() {
        return commits.queued();
    }

    // ---- appending

    /** Sends an append and gives it its outcome. */
    private interface Sender {
        void send(Pending append);
    }

    private Appended append(
            List<?> events, AppendCondition condition, Metadata metadata, Sender sender, EventStore visible) {
        var append = encoder.encode(events.toArray(), condition, metadata, clock);
        signals.askBefore();
        boolean interrupted = false;
        try {
            while (true) {
                sender.send(append);
                if (append.outcome() instanceof Appended appended) {
                    return appended;
                }
                var conflict = (Conflict) append.outcome();
                interrupted |= Thread.interrupted(); // it is no end for this read either
                long holdsUntil = reallyHoldsUntil(conflict, condition, visible);
                append = append.knowing(conflict.clause(), holdsUntil);
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /**
     * The database knows names. What an event of another revision is today, or whether it still is anything, only a read
     * can tell; if none of them matches, the clause holds up to the head of that read.
     */
    private long reallyHoldsUntil(Conflict conflict, AppendCondition condition, EventStore visible) {
        var clause = condition.clauses().get(conflict.clause());
        if (conflict.name() == null) {
            throw new IllegalArgumentException("The clause \"" + clause + "\" speaks of position " + clause.after()
                    + ", but the log's head is " + conflict.head()
                    + "; expected a position at or before it. Is the condition from another store?");
        }
        var position = Position.of(conflict.against());
        if (!selections.isCertain(clause.query(), conflict.name(), conflict.revision())) {
            var first = ReadOptions.forwards().after(clause.after()).limit(1);
            try (var found = visible.read(clause.query(), first)) {
                if (!found.advance()) {
                    return found.head().value();
                }
                position = found.position();
            } catch (UnknownEventException unreadable) { // may be what the clause forbids
                throw new AppendConflictException(clause, position);
            }
        }
        throw new AppendConflictException(clause, position);
    }

    // ---- reading

    private interface Work<T> {
        T with(Connection connection) throws SQLException;
    }

    /** Has work done on some connection; what it is, a long text for a long query, is asked for where it fails. */
    private interface Connected {
        <T> T run(Supplier<String> what, Work<T> work);
    }

    private <T> T onOwnConnection(Supplier<String> what, Work<T> work) {
        try {
            return Transaction.read(dataSource, work::with);
        } catch (SQLException failed) {
            throw DatabaseException.ofRead(what.get(), failed);
        }
    }

    private EventStream read(EventQuery query, ReadOptions options, Connected connected) {
        var selection = selections.of(query);
        int most = (int) Math.min(options.limit(), pageSize);
        var range = new Range(options.after().value(), options.until().value(), options.isBackwards(), most);
        Page first = connected.run(() -> "Reading " + query, connection -> pages.first(connection, selection, range));
        return new JdbcEventStream(
                new Decoding(query, selection, connected), query, options, first.head(), first.rows(), most);
    }

    private final class Decoding implements Source {

        private static final int FEW = 8;

        private final EventQuery query;
        private final Selection selection;
        private final Connected connected;
        private final boolean byType;
        /** What is left to ask where the database has looked at the tags; they are read of each event only if they matter. */
        private final EventQuery wanted;

        private final boolean hasTags;

        Decoding(EventQuery query, Selection selection, Connected connected) {
            this.query = query;
            this.selection = selection;
            this.connected = connected;
            this.byType = selection.items().stream().anyMatch(item -> item.names() != null);
            var items = query.items();
            this.wanted = items.size() == 1
                    ? EventQuery.of(List.of(new EventQuery.Item(items.get(0).types(), Set.of())))
                    : query;
            this.hasTags = wanted.items().stream().anyMatch(item -> !item.tags().isEmpty());
        }

        @Override
        public List<Row> page(Range range) {
            return connected.run(() -> "Reading " + query, connection -> pages.next(connection, selection, range));
        }

        @Override
        public List<Object> decode(Row row) {
            var events = catalog.decode(row.stored(), Position.of(row.position()), codec);
            if (!byType) {
                return events;
            }
            var tags = hasTags ? row.tags() : Set.<Tag>of();
            return events.size() == 1 && wanted.matches(events.get(0).getClass(), tags)
                    ? events
                    : events.stream()
                            .filter(event -> wanted.matches(event.getClass(), tags))
                            .toList();
        }

        @Override
        public String nameOf(Object event) {
            return catalog.nameOf(event.getClass());
        }

        @Override
        public int pageSize() {
            return pageSize;
        }

        @Override
        public boolean hasManyItems() {
            return selection.items().size() > FEW;
        }
    }

    // ---- as part of a transaction

    private final class Joined implements EventStore {

        private final Connection connection;

        Joined(Connection connection) {
            this.connection = connection;
        }

        String prefix() {
            return prefix;
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            return JdbcEventStore.this.append(events, condition, metadata, this::send, this);
        }

        private void send(Pending append) {
            checkInTransaction(connection); // it may be kept for longer than its transaction lasts
            var one = List.of(append);
            try {
                var statement = call.prepare(connection, one, false);
                append.done(AppendCall.send(statement, one).get(0));
            } catch (SQLException failed) { // its commit is still to come
                append.refused(failed);
            }
        }

        private <T> T run(Supplier<String> what, Work<T> work) {
            try {
                return work.with(connection);
            } catch (SQLException failed) {
                throw DatabaseException.ofRead(what.get(), failed);
            }
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            return JdbcEventStore.this.read(query, options, this::run);
        }

        @Override
        public Position head() {
            return run(() -> "Reading the head of the log", pages::head);
        }

        /** As others see it: nobody else appends until the transaction has ended, so that what is behind is its own. */
        @Override
        public boolean isCommitted(Position position) {
            return !position.isAfter(JdbcEventStore.this.head());
        }

        @Override
        public Catalog catalog() {
            return catalog;
        }

        @Override
        public Subscription onAppend(Signal signal) {
            return JdbcEventStore.this.onAppend(signal);
        }
    }

    /**
     * Collects what a {@link JdbcEventStore} is made of.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final DataSource dataSource;
        private final Catalog catalog;
        private final Clock clock;
        private JdbcSchema schema = JdbcSchema.of();
        private EventCodec codec = new JacksonEventCodec();
        private Payload payload = Payload.JSONB;
        private int pageSize = DEFAULT_PAGE_SIZE;
        private Follower.@Nullable Settings following;

        private Builder(DataSource dataSource, Catalog catalog, Clock clock) {
            this.dataSource = Objects.requireNonNull(dataSource, "dataSource");
            this.catalog = Objects.requireNonNull(catalog, "catalog");
            this.clock = Objects.requireNonNull(clock, "clock");
        }

        /**
         * Says in which tables the log is.
         *
         * @param prefix of their names, as of {@link JdbcSchema#of(String)}; {@value JdbcSchema#DEFAULT_PREFIX} unless
         *     it is said
         * @return this builder
         * @throws IllegalArgumentException if it cannot be a prefix
         */
        public Builder prefix(String prefix) {
            schema = JdbcSchema.of(prefix);
            return this;
        }

        /**
         * Says how events become bytes.
         *
         * @param codec a {@link JacksonEventCodec} unless it is said
         * @return this builder
         */
        public Builder codec(EventCodec codec) {
            this.codec = Objects.requireNonNull(codec, "codec");
            return this;
        }

        /**
         * Says in which column the bytes are kept.
         *
         * @param payload {@link Payload#JSONB} unless it is said
         * @return this builder
         */
        public Builder payload(Payload payload) {
            this.payload = Objects.requireNonNull(payload, "payload");
            return this;
        }

        /**
         * Says how many stored events a read takes at once, which is what it holds in memory.
         *
         * @param events 1 or more; {@value #DEFAULT_PAGE_SIZE} unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than 1
         */
        public Builder pageSize(int events) {
            if (events < 1) {
                throw new IllegalArgumentException("The page size is " + events + " events; expected 1 or more.");
            }
            pageSize = events;
            return this;
        }

        /**
         * Has the store follow the log, so that its signals tell of the appends of other processes and of transactions
         * it was part of. Without it they tell of the store object's own appends alone.
         *
         * <p>The database wakes the store at each commit; as a message may be lost with a connection, the store also looks
         * by itself now and then. It keeps one connection of the data source for this, and takes a new one whenever that
         * fails, or gives no answer to such a look within five seconds: it may be dead without anybody having said so. A
         * driver that knows no {@link Connection#setNetworkTimeout} waits as long as it does otherwise.
         *
         * @param executor runs one task until the store is closed, which so takes one of its threads; it is where the
         *     signals are told
         * @param poll how long to wait for the database's word before looking by oneself; also the time between
         *     attempts to connect again
         * @param listener is told of each failure, the end of a connection above all; following goes on, but for an
         *     {@link InterruptedException}, as the executor wants its thread back
         * @return this builder
         * @throws IllegalArgumentException if {@code poll} is not positive
         */
        public Builder follow(Executor executor, Duration poll, Consumer<? super Throwable> listener) {
            following = new Follower.Settings(executor, poll, listener);
            return this;
        }

        /**
         * Makes the store, and makes sure that its tables are there.
         *
         * @return a store, which is to be closed if it follows the log
         * @throws SchemaMismatchException if they are not, or are of another version
         * @throws DatabaseException if the database cannot be asked
         * @throws IllegalArgumentException if the catalog has a name that the database cannot keep
         * @throws java.util.concurrent.RejectedExecutionException if the executor takes no task
         */
        public JdbcEventStore build() {
            for (var revision : catalog.revisions()) {
                Texts.check("The name of an event, \"" + revision.name() + "\",", revision.name());
            }
            schema.check(dataSource);
            var store = new JdbcEventStore(this);
            if (store.follower != null) {
                store.follower.start();
            }
            return store;
        }
    }
}
