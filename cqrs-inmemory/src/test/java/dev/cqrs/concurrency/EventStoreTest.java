package dev.cqrs.concurrency;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Whatever threads do to the store at once could have been done one after the other: {@link Plain} says what comes of
 * it. Each twin has one bug, of a kind that a change to the store could bring in, and must be found.
 */
@org.junit.jupiter.api.Tag("lincheck")
@Timeout(900)
class EventStoreTest {

    @Test
    void every_interleaving_of_appends_and_reads_has_an_order() {
        Lincheck.modelChecking(Plain.class).check(OfStore.class);
    }

    @Test
    void appends_and_reads_of_real_threads_have_an_order() {
        Lincheck.stress(Plain.class).check(OfStore.class);
    }

    @Test
    void a_condition_checked_before_the_lock_is_found() {
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class), OfChecksTooEarly.class);
    }

    @Test
    void a_condition_checked_before_the_lock_is_found_by_real_threads() {
        Lincheck.assertFound(Lincheck.stress(Plain.class), OfChecksMuchTooEarly.class);
    }

    @Test
    void a_head_published_before_the_events_is_found() {
        // more programs: few ask for the head and then read
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class).iterations(50), OfHeadTooEarly.class);
    }

    @Test
    void a_batch_published_event_by_event_is_found() {
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class), OfPiecemeal.class);
    }

    // ---- what is done to a store; results are compared by equals

    record Noted(int subject) {}

    private static InMemoryEventStore newStore() {
        var catalog = Catalog.builder()
                .event("noted", Noted.class, e -> Set.of(tag(e.subject())))
                .build();
        return new InMemoryEventStore(catalog, Clock.fixed(Instant.EPOCH, ZoneOffset.UTC));
    }

    private static Tag tag(int subject) {
        return Tag.of("subject", Integer.toString(subject));
    }

    /** The operations, for any store. */
    @Param(name = "subject", gen = IntGen.class, conf = "1:2")
    @Param(name = "after", gen = IntGen.class, conf = "0:3")
    public abstract static class Operations {
        private final EventStore store;

        Operations(EventStore store) {
            this.store = store;
        }

        @Operation
        public String append(@Param(name = "subject") int subject) {
            return append(List.of(new Noted(subject)), AppendCondition.none());
        }

        @Operation
        public String appendBoth() {
            return append(List.of(new Noted(1), new Noted(2)), AppendCondition.none());
        }

        @Operation
        public String appendIfAbsent(@Param(name = "subject") int subject) {
            return append(List.of(new Noted(subject)), AppendCondition.absent(EventQuery.tagged(tag(subject))));
        }

        @Operation
        public String appendIfUnchanged(@Param(name = "subject") int subject, @Param(name = "after") int after) {
            return append(
                    List.of(new Noted(subject)),
                    AppendCondition.unchanged(EventQuery.tagged(tag(subject)), Position.of(after)));
        }

        @Operation
        public String readTagged(@Param(name = "subject") int subject) {
            return read(EventQuery.tagged(tag(subject)));
        }

        @Operation
        public String readAll() {
            return read(EventQuery.all());
        }

        @Operation
        public long head() {
            return store.head().value();
        }

        private String append(List<Noted> events, AppendCondition condition) {
            try {
                var appended = store.append(events, condition);
                return appended.first().value() + "-" + appended.last().value();
            } catch (AppendConflictException refused) {
                return "refused";
            } catch (IllegalArgumentException behindTheHead) {
                return "behind the head";
            }
        }

        private String read(EventQuery query) {
            var seen = new StringBuilder();
            try (var events = store.read(query)) {
                while (events.advance()) {
                    seen.append(events.position().value()).append('=').append(((Noted) events.event()).subject());
                    seen.append(' ');
                }
                return seen.append("head ").append(events.head().value()).toString();
            }
        }
    }

    /** What the store means: a list. */
    public static final class Plain {
        private final List<Integer> subjects = new ArrayList<>();

        public String append(int subject) {
            subjects.add(subject);
            return subjects.size() + "-" + subjects.size();
        }

        public String appendBoth() {
            subjects.add(1);
            subjects.add(2);
            return (subjects.size() - 1) + "-" + subjects.size();
        }

        public String appendIfAbsent(int subject) {
            return appendIfUnchanged(subject, 0);
        }

        public String appendIfUnchanged(int subject, int after) {
            if (after > subjects.size()) {
                return "behind the head";
            }
            return subjects.lastIndexOf(subject) + 1 > after ? "refused" : append(subject);
        }

        public String readTagged(int subject) {
            var seen = new StringBuilder();
            for (int i = 0; i < subjects.size(); i++) {
                if (subject == 0 || subjects.get(i) == subject) {
                    seen.append(i + 1).append('=').append(subjects.get(i)).append(' ');
                }
            }
            return seen + "head " + subjects.size();
        }

        public String readAll() {
            return readTagged(0);
        }

        public long head() {
            return subjects.size();
        }
    }

    public static final class OfStore extends Operations {
        public OfStore() {
            super(newStore());
        }
    }

    // ---- the twins

    /** The store in memory, but for what a twin changes. */
    private abstract static class Twin implements EventStore {
        final InMemoryEventStore store = newStore();

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            return store.read(query, options);
        }

        @Override
        public Position head() {
            return store.head();
        }

        @Override
        public Catalog catalog() {
            return store.catalog();
        }

        @Override
        public Subscription onAppend(Signal signal) {
            return store.onAppend(signal);
        }
    }

    /** Checks, and takes the lock then: another append comes between. */
    private static class ChecksTooEarly extends Twin {
        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            for (var clause : condition.clauses()) {
                if (clause.after().isAfter(head())) {
                    throw new IllegalArgumentException("behind the head");
                }
                try (var found = read(clause.query(), ReadOptions.forwards().after(clause.after()))) {
                    if (found.advance()) {
                        throw new AppendConflictException(clause, found.position());
                    }
                }
            }
            beforeAppend();
            return store.append(events, AppendCondition.none(), metadata);
        }

        void beforeAppend() {}
    }

    /** Where there is one processor, too, another thread comes in between now and then. */
    private static final class ChecksMuchTooEarly extends ChecksTooEarly {
        @Override
        void beforeAppend() {
            LockSupport.parkNanos(10_000);
        }
    }

    /** Counts the events, and writes them then: who asks for the head believes in events that cannot be read. */
    private static final class HeadTooEarly extends Twin {
        private final AtomicLong head = new AtomicLong();

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            head.addAndGet(events.size());
            try {
                return store.append(events, condition, metadata);
            } catch (RuntimeException refused) {
                head.addAndGet(-events.size());
                throw refused;
            }
        }

        @Override
        public Position head() {
            return Position.of(head.get());
        }
    }

    /** Publishes each event of a batch by itself: a reader sees half of it. */
    private static final class Piecemeal extends Twin {
        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            var first = store.append(events.subList(0, 1), condition, metadata).first();
            var last = first;
            for (var event : events.subList(1, events.size())) {
                last = store.append(List.of(Objects.requireNonNull(event)), AppendCondition.none(), metadata)
                        .last();
            }
            return new Appended(first, last);
        }
    }

    public static final class OfChecksTooEarly extends Operations {
        public OfChecksTooEarly() {
            super(new ChecksTooEarly());
        }
    }

    public static final class OfChecksMuchTooEarly extends Operations {
        public OfChecksMuchTooEarly() {
            super(new ChecksMuchTooEarly());
        }
    }

    public static final class OfHeadTooEarly extends Operations {
        public OfHeadTooEarly() {
            super(new HeadTooEarly());
        }
    }

    public static final class OfPiecemeal extends Operations {
        public OfPiecemeal() {
            super(new Piecemeal());
        }
    }
}
