package dev.cqrs.testing;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** The event store of a scenario: a list and loops over it, as the kit can use none that has an index. */
final class ListedEvents implements EventStore {

    private final Catalog catalog;
    private final Clock clock;
    private final Object lock = new Object();
    private final List<RecordedEvent> log = new ArrayList<>(); // guarded by lock
    private final List<Follower> followers = new CopyOnWriteArrayList<>();

    /** Not a record: two subscriptions of one signal are two. */
    private static final class Follower {
        final Signal signal;

        Follower(Signal signal) {
            this.signal = Objects.requireNonNull(signal, "signal");
        }
    }

    ListedEvents(Catalog catalog, Clock clock) {
        this.catalog = catalog;
        this.clock = clock;
    }

    @Override
    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
        var batch = List.<Object>copyOf(events);
        Objects.requireNonNull(condition, "condition");
        Objects.requireNonNull(metadata, "metadata");
        if (batch.isEmpty()) {
            throw new IllegalArgumentException("The batch is empty; expected at least one event.");
        }
        var names =
                batch.stream().map(event -> catalog.nameOf(event.getClass())).toList();
        var tags = batch.stream().map(catalog::tagsOf).toList();
        condition.clauses().forEach(clause -> checkTypes(clause.query()));
        followers.forEach(follower -> follower.signal.beforeAppend());
        var now = clock.instant();
        Appended appended;
        synchronized (lock) {
            int before = log.size();
            condition.clauses().forEach(this::check);
            var last = before == 0 ? Instant.MIN : log.get(before - 1).recordedAt();
            for (int i = 0; i < batch.size(); i++) {
                log.add(new RecordedEvent(
                        Position.of(before + i + 1L),
                        names.get(i),
                        batch.get(i),
                        tags.get(i),
                        metadata,
                        now.isAfter(last) ? now : last));
            }
            appended = new Appended(Position.of(before + 1L), Position.of(log.size()));
        }
        followers.forEach(follower -> tell(follower.signal, appended.last()));
        return appended;
    }

    @Override
    public EventStream read(EventQuery query, ReadOptions options) {
        checkTypes(query);
        synchronized (lock) {
            var found = new ArrayList<RecordedEvent>();
            for (var event : log) {
                if (event.position().isAfter(options.after())
                        && !event.position().isAfter(options.until())
                        && matches(query, event)) {
                    found.add(event);
                }
            }
            if (options.isBackwards()) {
                Collections.reverse(found);
            }
            return new Stream(query, options, found.subList(0, (int) Math.min(options.limit(), found.size())), head());
        }
    }

    @Override
    public Position head() {
        synchronized (lock) {
            return Position.of(log.size());
        }
    }

    @Override
    public Catalog catalog() {
        return catalog;
    }

    @Override
    public Subscription onAppend(Signal signal) {
        var follower = new Follower(signal);
        followers.add(follower);
        return () -> followers.remove(follower);
    }

    private static void tell(Signal signal, Position last) {
        try {
            signal.appended(last);
        } catch (Throwable thrown) { // the events stand
            hand(thrown);
        }
    }

    /** What the handler itself throws is passed over, as the virtual machine does where a thread ends. */
    private static void hand(Throwable thrown) {
        var thread = Thread.currentThread();
        try {
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        } catch (Throwable passedOver) {
            return;
        }
    }

    private void check(AppendCondition.Clause clause) {
        if (clause.after().isAfter(head())) {
            throw new IllegalArgumentException("The condition speaks of position " + clause.after()
                    + ", but the head is " + head() + "; expected a position up to it.");
        }
        for (var event : log) {
            if (event.position().isAfter(clause.after()) && matches(clause.query(), event)) {
                throw new AppendConflictException(clause, event.position());
            }
        }
    }

    private void checkTypes(EventQuery query) {
        query.items().forEach(item -> item.types().forEach(catalog::typesBelow));
    }

    private static boolean matches(EventQuery query, RecordedEvent event) {
        return query.matches(event.event().getClass(), event.tags());
    }

    private static final class Stream implements EventStream {
        private final EventQuery query;
        private final ReadOptions options;
        private final List<RecordedEvent> events;
        private final Position head;
        private int next;
        private @Nullable RecordedEvent current;
        private boolean closed;

        Stream(EventQuery query, ReadOptions options, List<RecordedEvent> events, Position head) {
            this.query = query;
            this.options = options;
            this.events = events;
            this.head = head;
        }

        @Override
        public boolean advance() {
            checkOpen();
            current = next < events.size() ? events.get(next++) : null;
            return current != null;
        }

        @Override
        public Object event() {
            return recorded().event();
        }

        @Override
        public Position position() {
            return recorded().position();
        }

        @Override
        public String name() {
            return recorded().name();
        }

        @Override
        public Set<Tag> tags() {
            return recorded().tags();
        }

        @Override
        public Metadata metadata() {
            return recorded().metadata();
        }

        @Override
        public Instant recordedAt() {
            return recorded().recordedAt();
        }

        @Override
        public Position head() {
            checkOpen();
            return head;
        }

        @Override
        public AppendCondition unchanged() {
            checkOpen();
            if (options.isCut()) {
                throw new IllegalStateException(
                        "The read was cut (" + options + "), so it gives no condition; read without a bound.");
            }
            return AppendCondition.unchanged(query, head);
        }

        @Override
        public RecordedEvent recorded() {
            checkOpen();
            if (current == null) {
                throw new IllegalStateException("The stream stands at no event; call advance() first.");
            }
            return current;
        }

        @Override
        public void close() {
            closed = true;
        }

        private void checkOpen() {
            if (closed) {
                throw new IllegalStateException("The stream is closed.");
            }
        }
    }
}
