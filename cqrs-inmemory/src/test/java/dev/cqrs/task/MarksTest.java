package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.suite.Fronted;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MarksTest {

    record Marked(int number) {}

    record Other() {}

    record Sum(long value, boolean usable) {}

    private static final EventQuery MARKED = EventQuery.types(Marked.class);

    private final EventStore store = new InMemoryEventStore(
            Catalog.builder()
                    .event("marked", Marked.class)
                    .event("other", Other.class)
                    .build(),
            Clock.systemUTC());
    private final InMemoryCheckpointStore kept = new InMemoryCheckpointStore();
    private final ReentrantLock lock = new ReentrantLock();
    private Runnable beforeApply = () -> {};
    private Runnable beforeRead = () -> {};
    private Runnable beforeLoad = () -> {};
    private Runnable beforeSave = () -> {};

    /** The sum, and the places of the events that were applied here. */
    private final class Summing implements Marks.Known<Marked, Sum> {
        final List<Long> applied = new ArrayList<>();
        long sum;
        int size = 1;

        @Override
        public void apply(Marked event, Position position, Instant recordedAt) {
            assertThat(lock.isHeldByCurrentThread()).isTrue();
            beforeApply.run();
            applied.add(position.value());
            sum += event.number();
        }

        @Override
        public boolean load(Sum state) {
            assertThat(lock.isHeldByCurrentThread()).isTrue();
            if (state.usable()) {
                sum = state.value();
            }
            return state.usable();
        }

        @Override
        public int size() {
            return size;
        }

        Sum state() {
            return new Sum(sum, true);
        }
    }

    private Marks<Marked, Sum> marks(Summing known) {
        var log = new Fronted(store) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                assertThat(lock.isHeldByCurrentThread()).isFalse();
                beforeRead.run();
                return super.read(query, options);
            }
        };
        var checkpoints = new CheckpointStore() {
            @Override
            public Optional<Checkpoint> load(String name) {
                assertThat(lock.isHeldByCurrentThread()).isFalse();
                beforeLoad.run();
                return kept.load(name);
            }

            @Override
            public void save(String name, Checkpoint checkpoint) {
                assertThat(lock.isHeldByCurrentThread()).isFalse();
                beforeSave.run();
                kept.save(name, checkpoint);
            }

            @Override
            public void delete(String name) {
                kept.delete(name);
            }
        };
        return new Marks<>(
                log,
                MARKED,
                Marked.class,
                lock,
                known,
                Optional.of(new Marks.Saving<>(checkpoints, "sum", 2, Sum.class)));
    }

    private void append(int ones) {
        store.append(IntStream.range(0, ones).mapToObj(i -> new Marked(1)).toList(), AppendCondition.none());
    }

    private static List<Long> positions(long first, long last) {
        return IntStream.rangeClosed((int) first, (int) last)
                .mapToObj(i -> (long) i)
                .toList();
    }

    @Test
    void each_event_is_applied_once_and_in_order_however_many_there_are() {
        var known = new Summing();
        var marks = marks(known);
        for (int i = 0; i < 3; i++) {
            append(1_000); // as many as are read at once
            marks.refresh();
            marks.refresh();
        }
        store.append(List.of(new Other()), AppendCondition.none());
        marks.refresh();

        assertThat(known.applied).isEqualTo(positions(1, 3_000));
        assertThat(marks.folded()).as("what matters to others is passed over").isEqualTo(Position.of(3_001));
    }

    @Test
    void where_one_cannot_be_applied_those_in_front_of_it_are_not_applied_again() {
        var known = new Summing();
        var marks = marks(known);
        append(10);
        var noMemory = new OutOfMemoryError("for the test");
        beforeApply = () -> {
            if (known.applied.size() == 4) {
                throw noMemory;
            }
        };

        assertThatThrownBy(marks::refresh).isSameAs(noMemory);
        assertThat(marks.folded()).isEqualTo(Position.of(4));
        beforeApply = () -> {};
        marks.refresh();

        assertThat(known.applied).isEqualTo(positions(1, 10));
    }

    @Test
    void what_a_store_throws_reaches_the_caller_and_nothing_is_left_out_or_taken_twice() {
        // given what was saved up to the second event
        kept.save("sum", new Checkpoint(2, Position.of(2), new Sum(20, true)));
        append(1_500);
        var known = new Summing();
        var marks = marks(known);
        var broken = new IllegalStateException("no network");
        Runnable breaks = () -> {
            throw broken;
        };

        // when the store fails in loading, in the first read, and in the second
        beforeLoad = breaks;
        assertThatThrownBy(marks::refresh).isSameAs(broken);
        beforeLoad = () -> {};
        beforeRead = breaks;
        assertThatThrownBy(marks::refresh).isSameAs(broken);
        beforeRead = () -> {
            if (!known.applied.isEmpty()) {
                throw broken;
            }
        };
        assertThatThrownBy(marks::refresh).isSameAs(broken);
        assertThat(marks.folded()).isEqualTo(Position.of(1_002));
        beforeRead = () -> {};
        marks.refresh();

        // then
        assertThat(known.applied).isEqualTo(positions(3, 1_500));
        assertThat(known.sum).isEqualTo(20 + 1_498);
        assertThat(lock.isLocked()).isFalse();
    }

    @Test
    void what_was_saved_and_is_of_no_use_is_not_believed() {
        append(3);
        for (var useless : List.of(
                new Checkpoint(1, Position.of(2), new Sum(20, true)), // of another version
                new Checkpoint(2, Position.of(2), "a text"), // of another class
                new Checkpoint(2, Position.of(4), new Sum(20, true)), // of another log
                new Checkpoint(2, Position.of(2), new Sum(20, false)))) {
            kept.save("sum", useless);
            var known = new Summing();

            marks(known).refresh();

            assertThat(known.applied).as("%s", useless).isEqualTo(positions(1, 3));
            assertThat(known.sum).isEqualTo(3);
        }
    }

    @Test
    void a_save_is_worth_it_after_many_events_or_at_the_end_and_one_that_failed_is_tried_again() {
        var known = new Summing();
        var marks = marks(known);
        Supplier<Sum> state = known::state;
        marks.save(true, state);
        assertThat(kept.load("sum")).as("nothing was applied").isEmpty();

        append(9_999);
        marks.refresh();
        marks.save(false, state);
        assertThat(kept.load("sum")).as("not worth it yet").isEmpty();

        append(1);
        marks.refresh();
        var full = new IllegalStateException("disk full");
        beforeSave = () -> {
            throw full;
        };
        assertThatThrownBy(() -> marks.save(false, state)).isSameAs(full);
        beforeSave = () -> {};
        marks.save(false, state);
        assertThat(kept.load("sum")).contains(new Checkpoint(2, Position.of(10_000), new Sum(10_000, true)));

        append(1);
        marks.refresh();
        marks.save(false, state);
        assertThat(kept.load("sum").orElseThrow().position()).isEqualTo(Position.of(10_000));
        marks.save(true, state);
        assertThat(kept.load("sum").orElseThrow().position()).isEqualTo(Position.of(10_001));

        var next = new Summing();
        marks(next).refresh();
        assertThat(next.applied).isEmpty();
        assertThat(next.sum).isEqualTo(10_001);
    }

    @Test
    void the_more_is_known_the_more_events_share_the_cost_of_a_save() {
        var known = new Summing();
        known.size = 6_000;
        var marks = marks(known);

        append(11_999);
        marks.refresh();
        marks.save(false, known::state);
        assertThat(kept.load("sum")).isEmpty();

        append(1);
        marks.refresh();
        marks.save(false, known::state);
        assertThat(kept.load("sum").orElseThrow().position()).isEqualTo(Position.of(12_000));
    }

    @Test
    void any_thread_may_read_on() throws Exception {
        var known = new Summing();
        var marks = marks(known);
        append(1);
        marks.refresh();
        append(1);

        var other = new Thread(marks::refresh);
        other.start();
        other.join(60_000);

        assertThat(other.isAlive()).as("it waits for whoever read before").isFalse();
        assertThat(known.applied).isEqualTo(positions(1, 2));
    }
}
