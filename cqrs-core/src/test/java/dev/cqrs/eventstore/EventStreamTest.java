package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.message.Metadata;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a stream does that a store has written no more than it must for. */
class EventStreamTest {

    /** Numbers, each at a position ten times as high. */
    static final class Numbers implements EventStream {

        private final int count;
        private int current;

        Numbers(int count) {
            this.count = count;
        }

        @Override
        public boolean advance() {
            if (current == count) {
                return false;
            }
            current++;
            return true;
        }

        @Override
        public Object event() {
            return current;
        }

        @Override
        public Position position() {
            return Position.of(10L * current);
        }

        @Override
        public String name() {
            return "number";
        }

        @Override
        public Set<Tag> tags() {
            return Set.of(Tag.of("number", "n" + current));
        }

        @Override
        public Metadata metadata() {
            return Metadata.withId("m" + current);
        }

        @Override
        public Instant recordedAt() {
            return Instant.EPOCH;
        }

        @Override
        public Position head() {
            return Position.of(10L * count);
        }

        @Override
        public AppendCondition unchanged() {
            return AppendCondition.unchanged(EventQuery.all(), head());
        }

        @Override
        public void close() {}
    }

    static final Fold<Integer> SUM = Fold.from(0).on(Integer.class, Integer::sum);

    @Test
    void many_are_given_with_their_places_until_the_arrays_are_full() {
        var stream = new Numbers(5);
        var events = new Object[2];
        var positions = new long[2];

        assertThat(stream.advance(events, positions)).isEqualTo(2);
        assertThat(events).containsExactly(1, 2);
        assertThat(positions).containsExactly(10, 20);
        assertThat(stream.position()).isEqualTo(Position.of(20));

        assertThat(stream.advance(events, positions)).isEqualTo(2);
        assertThat(stream.advance(events, positions)).isEqualTo(1);
        assertThat(events[0]).isEqualTo(5);
        assertThat(positions[0]).isEqualTo(50);
        assertThat(stream.advance(events, positions)).isZero();
    }

    @Test
    void no_event_is_split_unless_the_store_says_so() {
        var stream = new Numbers(2);
        stream.advance();

        assertThat(stream.goesOnHere()).isFalse();
    }

    @Test
    void a_run_takes_the_rest_of_the_stream_and_none_of_it_once_it_is_stopped() {
        var run = SUM.run(100);
        var stream = new Numbers(4);
        stream.advance();

        assertThat(stream.fold(run)).isEqualTo(3);
        assertThat(run.state()).isEqualTo(109);

        run.stop();
        assertThat(new Numbers(4).fold(run)).isZero();
        assertThat(run.state()).isEqualTo(109);
    }

    @Test
    void a_step_that_stops_its_own_run_is_the_last() {
        var runs = new Fold.Run<?>[1];
        Fold<Integer> stopping = Fold.from(0).on(Integer.class, (sum, number) -> {
            if (number == 2) {
                runs[0].stop();
            }
            return sum + number;
        });
        var run = stopping.run(0);
        runs[0] = run;

        assertThat(new Numbers(4).fold(run)).isEqualTo(2);
        assertThat(run.state()).isEqualTo(3);
    }

    @Test
    void a_step_that_throws_leaves_the_stream_at_its_event() {
        Fold<Integer> picky = Fold.from(0).on(Integer.class, (sum, number) -> {
            if (number == 2) {
                throw new IllegalStateException("two");
            }
            return sum + number;
        });
        var stream = new Numbers(3);
        var run = picky.run(0);

        assertThatIllegalStateException().isThrownBy(() -> stream.fold(run)).withMessage("two");
        assertThat(stream.event()).isEqualTo(2);
        assertThat(stream.fold(run)).isEqualTo(1);
        assertThat(run.state()).isEqualTo(4);
    }

    @Test
    void the_rest_is_read_into_a_state_or_a_list() {
        assertThat(new Numbers(3).fold(SUM)).isEqualTo(6);
        assertThat(new Numbers(3).fold(SUM, 4)).isEqualTo(10);
        assertThat(new Numbers(2).toList())
                .isEqualTo(List.of(
                        new RecordedEvent(
                                Position.of(10),
                                "number",
                                1,
                                Set.of(Tag.of("number", "n1")),
                                Metadata.withId("m1"),
                                Instant.EPOCH),
                        new RecordedEvent(
                                Position.of(20),
                                "number",
                                2,
                                Set.of(Tag.of("number", "n2")),
                                Metadata.withId("m2"),
                                Instant.EPOCH)));
    }
}
