package dev.cqrs.concurrency;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.Projection;
import dev.cqrs.runtime.ProjectionEngine;
import dev.cqrs.runtime.ProjectionView;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Each event reaches a view once and in order, whoever appends meanwhile: inline before its append returns, in the
 * background when all threads have come to rest. Each twin is a follower with one bug, and must be found.
 */
@Tag("lincheck")
@Timeout(900)
class FollowingTest {

    @Test
    void in_every_interleaving_an_inline_view_is_the_log() {
        Lincheck.modelChecking(Plain.class).check(InlineOfEngine.class);
    }

    @Test
    void with_real_threads_an_inline_view_is_the_log() {
        Lincheck.stress(Plain.class).check(InlineOfEngine.class);
    }

    @Test
    void in_every_interleaving_a_background_view_comes_to_be_the_log() {
        Lincheck.modelChecking(Plain.class).check(BackgroundOfEngine.class);
    }

    @Test
    void with_real_threads_a_background_view_comes_to_be_the_log() {
        Lincheck.stress(Plain.class).check(BackgroundOfEngine.class);
    }

    @Test
    void a_position_read_outside_the_lock_is_found() {
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class), InlineOfPositionOutsideLock.class);
    }

    @Test
    void a_position_published_before_the_fold_is_found() {
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class), InlineOfPositionTooEarly.class);
    }

    @Test
    void a_follower_that_rests_without_looking_again_is_found() {
        Lincheck.assertFound(Lincheck.modelChecking(Plain.class), BackgroundOfRestsTooEarly.class)
                .hasMessageContaining("missing or twice");
    }

    // ---- what is done; results are compared by equals

    record Noted(int number) {}

    private static final Projection<List<Integer>> NUMBERS = Projection.of(
            "numbers",
            1,
            Fold.<List<Integer>>fresh(ArrayList::new).change(Noted.class, (list, e) -> list.add(e.number())));

    private static InMemoryEventStore newStore() {
        var catalog =
                Catalog.builder().event("noted", Noted.class, e -> Set.of()).build();
        return new InMemoryEventStore(catalog, Clock.fixed(Instant.EPOCH, ZoneOffset.UTC));
    }

    /** Something that follows a store. */
    private interface Follower {
        List<Integer> numbers();

        Position position();
    }

    private record OfView(ProjectionView<List<Integer>> view) implements Follower {
        @Override
        public List<Integer> numbers() {
            return view.read(List::copyOf);
        }

        @Override
        public Position position() {
            return view.position();
        }
    }

    private static Follower inline(EventStore store) {
        return new OfView(ProjectionEngine.builder(store, failure -> {})
                .inline(NUMBERS)
                .build()
                .view(NUMBERS));
    }

    /** Its tasks run on the appending threads, at once: whose task it is, is what they compete for. */
    private static Follower background(EventStore store) {
        return new OfView(ProjectionEngine.builder(store, failure -> {})
                .background(NUMBERS, Runnable::run)
                .build()
                .view(NUMBERS));
    }

    /** The operations, for any follower. */
    @Param(name = "number", gen = IntGen.class, conf = "1:9")
    public abstract static class Operations {
        final InMemoryEventStore store;
        final Follower follower;

        Operations(InMemoryEventStore store, Follower follower) {
            this.store = store;
            this.follower = follower;
        }

        long appended(int number) {
            return store.append(List.of(new Noted(number)), AppendCondition.none(), Metadata.none())
                    .last()
                    .value();
        }

        List<Integer> log() {
            var log = new ArrayList<Integer>();
            try (var events = store.read(EventQuery.all(), ReadOptions.forwards())) {
                while (events.advance()) {
                    log.add(((Noted) events.event()).number());
                }
            }
            return log;
        }

        /** After each run. */
        @Validate
        public void viewIsLog() {
            if (!follower.numbers().equals(log())) {
                throw new AssertionError("events missing or twice: log " + log() + ", view " + follower.numbers());
            }
        }
    }

    /** A view is behind no append that has returned, so that to all who look it is the log itself. */
    public abstract static class Inline extends Operations {
        Inline(InMemoryEventStore store, Follower follower) {
            super(store, follower);
        }

        @Operation
        public String append(@Param(name = "number") int number) {
            long last = appended(number);
            return last + (follower.position().value() >= last ? " applied" : " not applied");
        }

        @Operation
        public String read() {
            return follower.numbers().toString();
        }

        /** Who has seen a position finds its events in the view. */
        @Operation
        public boolean holdsWhatItsPositionSays() {
            long position = follower.position().value();
            return follower.numbers().size() >= position;
        }
    }

    /** A view may be behind, but shows the beginning of the log at all times, and all of it in the end. */
    public abstract static class Background extends Operations {
        Background(InMemoryEventStore store, Follower follower) {
            super(store, follower);
        }

        @Operation
        public String append(@Param(name = "number") int number) {
            return appended(number) + " applied";
        }

        @Operation
        public boolean holdsWhatItsPositionSays() {
            long position = follower.position().value();
            var seen = follower.numbers();
            var log = log();
            return seen.size() >= position && seen.size() <= log.size() && seen.equals(log.subList(0, seen.size()));
        }
    }

    /** What a view means: a list. */
    public static final class Plain {
        private final List<Integer> numbers = new ArrayList<>();

        public String append(int number) {
            numbers.add(number);
            return numbers.size() + " applied";
        }

        public String read() {
            return numbers.toString();
        }

        public boolean holdsWhatItsPositionSays() {
            return true;
        }
    }

    public static final class InlineOfEngine extends Inline {
        public InlineOfEngine() {
            this(newStore());
        }

        private InlineOfEngine(InMemoryEventStore store) {
            super(store, inline(store));
        }
    }

    public static final class BackgroundOfEngine extends Background {
        public BackgroundOfEngine() {
            this(newStore());
        }

        private BackgroundOfEngine(InMemoryEventStore store) {
            super(store, background(store));
        }
    }

    // ---- the twins

    /** A follower that is right, but for what a twin changes. */
    private abstract static class Twin implements Follower, EventStore.Signal {
        final EventStore store;
        final ReentrantLock lock = new ReentrantLock();
        final List<Integer> numbers = new ArrayList<>();
        volatile Position position = Position.START;

        Twin(EventStore store) {
            this.store = store;
            var unused = store.onAppend(this);
        }

        @Override
        public final List<Integer> numbers() {
            lock.lock();
            try {
                return List.copyOf(numbers);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public final Position position() {
            return position;
        }

        final void fold(Position after, Position until) {
            try (var events = store.read(
                    EventQuery.all(), ReadOptions.forwards().after(after).until(until))) {
                while (events.advance()) {
                    numbers.add(((Noted) events.event()).number());
                }
            }
        }
    }

    /** Two that have read the same position both fold what is behind it. */
    private static final class PositionOutsideLock extends Twin {
        PositionOutsideLock(EventStore store) {
            super(store);
        }

        @Override
        public void appended(Position last) {
            var from = position;
            if (!last.isAfter(from)) {
                return;
            }
            lock.lock();
            try {
                fold(from, last);
                position = last;
            } finally {
                lock.unlock();
            }
        }
    }

    /** Who sees the position does not find the event. */
    private static final class PositionTooEarly extends Twin {
        private Position folded = Position.START;

        PositionTooEarly(EventStore store) {
            super(store);
        }

        @Override
        public void appended(Position last) {
            if (last.isAfter(position)) {
                position = last;
            }
            lock.lock();
            try {
                if (last.isAfter(folded)) {
                    fold(folded, last);
                    folded = last;
                }
            } finally {
                lock.unlock();
            }
        }
    }

    /** An append that found a task under way trusts it, which has looked at the log before. */
    private static final class RestsTooEarly extends Twin {
        private final AtomicBoolean scheduled = new AtomicBoolean();

        RestsTooEarly(EventStore store) {
            super(store);
        }

        @Override
        public void appended(Position last) {
            if (!scheduled.compareAndSet(false, true)) {
                return;
            }
            lock.lock();
            try {
                var head = store.head();
                fold(position, head);
                position = head;
            } finally {
                lock.unlock();
            }
            scheduled.set(false);
        }
    }

    public static final class InlineOfPositionOutsideLock extends Inline {
        public InlineOfPositionOutsideLock() {
            this(newStore());
        }

        private InlineOfPositionOutsideLock(InMemoryEventStore store) {
            super(store, new PositionOutsideLock(store));
        }
    }

    public static final class InlineOfPositionTooEarly extends Inline {
        public InlineOfPositionTooEarly() {
            this(newStore());
        }

        private InlineOfPositionTooEarly(InMemoryEventStore store) {
            super(store, new PositionTooEarly(store));
        }
    }

    public static final class BackgroundOfRestsTooEarly extends Background {
        public BackgroundOfRestsTooEarly() {
            this(newStore());
        }

        private BackgroundOfRestsTooEarly(InMemoryEventStore store) {
            super(store, new RestsTooEarly(store));
        }
    }
}
