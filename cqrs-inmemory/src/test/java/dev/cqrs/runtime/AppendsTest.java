package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.suite.Fronted;
import dev.cqrs.testing.VirtualClock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/** Where appends end in a log, by the times of their events. */
class AppendsTest {

    record Noted(int number) {}

    record Other() {}

    private final VirtualClock clock = new VirtualClock(Instant.EPOCH);
    private int reads;
    private final Fronted log =
            new Fronted(new InMemoryEventStore(
                    Catalog.builder()
                            .event("noted", Noted.class)
                            .event("other", Other.class)
                            .build(),
                    clock)) {
                @Override
                public EventStream read(EventQuery query, ReadOptions options) {
                    reads++;
                    return super.read(query, options);
                }
            };
    private final Appends noted = new Appends(log, EventQuery.types(Noted.class));

    private void append(int events) {
        log.append(IntStream.range(0, events).mapToObj(Noted::new).toList(), AppendCondition.none());
    }

    private void appendLater(int events) {
        clock.advance(Duration.ofMillis(1));
        append(events);
    }

    private long end(long atLeast, long until) {
        return noted.end(Position.of(atLeast), Position.of(until)).value();
    }

    @Test
    void an_append_ends_where_the_time_changes() {
        appendLater(3);
        appendLater(1);
        appendLater(4);
        appendLater(1);

        assertThat(end(1, 9)).isEqualTo(3);
        assertThat(end(3, 9)).isEqualTo(3);
        assertThat(end(4, 9)).isEqualTo(4);
        assertThat(end(5, 9)).isEqualTo(8);
        assertThat(end(6, 9)).isEqualTo(8);
    }

    @Test
    void what_is_recorded_at_one_time_may_be_one_append() {
        appendLater(2);
        append(2);
        appendLater(1);

        assertThat(end(1, 5)).isEqualTo(4);
    }

    @Test
    void where_no_append_is_seen_to_end_it_is_the_other_place() {
        appendLater(5);

        assertThat(end(1, 5)).isEqualTo(5);
        assertThat(end(1, 4)).isEqualTo(4);
        assertThat(end(5, 5)).isEqualTo(5);
    }

    @Test
    void only_events_of_the_query_count() {
        appendLater(2);
        log.append(List.of(new Other(), new Other()), AppendCondition.none());
        clock.advance(Duration.ofMillis(1));
        log.append(List.of(new Other()), AppendCondition.none());
        appendLater(1);
        log.append(List.of(new Other()), AppendCondition.none());

        assertThat(end(1, 7)).isEqualTo(2);
        assertThat(end(3, 7)).as("the next of them is at 6").isEqualTo(6);
        assertThat(end(3, 5)).as("there is none").isEqualTo(5);
    }

    @Test
    void a_large_append_is_not_read_to_its_end() {
        appendLater(1);
        appendLater(100_000);
        appendLater(100_000);

        assertThat(end(2, 200_001)).isEqualTo(100_001);
        assertThat(reads).as("by halves, not one by one").isBetween(2, 50);
    }

    @Test
    void the_end_of_a_small_append_is_found_in_a_long_log_as_in_a_short_one() {
        appendLater(70);
        for (int i = 0; i < 100; i++) {
            appendLater(1_000);
        }

        assertThat(end(1, 100_070)).isEqualTo(70);
        assertThat(reads).as("a log of 100,000 halved 17 times").isLessThan(12);
    }

    @RepeatedTest(20)
    void it_is_the_last_event_of_the_same_time_as_the_first(RepetitionInfo repetition) {
        // given appends of one event and of many
        var random = new Random(repetition.getCurrentRepetition());
        for (int i = 0; i < 30; i++) {
            clock.advance(Duration.ofMillis(random.nextInt(3)));
            append(1 + (random.nextInt(4) == 0 ? random.nextInt(300) : random.nextInt(4)));
            if (random.nextBoolean()) {
                log.append(List.of(new Other()), AppendCondition.none());
            }
        }
        var all =
                log.read(EventQuery.types(Noted.class), ReadOptions.forwards()).toList();
        long head = log.head().value();

        for (int i = 0; i < 200; i++) {
            // when
            long atLeast = 1L + random.nextInt((int) head);
            long until = atLeast + random.nextInt((int) (head - atLeast + 1));
            long found = end(atLeast, until);

            // then
            var between = all.stream()
                    .filter(one ->
                            one.position().value() >= atLeast && one.position().value() <= until)
                    .toList();
            long expected = between.stream()
                    .filter(one -> one.recordedAt().equals(between.get(0).recordedAt()))
                    .mapToLong(one -> one.position().value())
                    .max()
                    .orElse(until);
            assertThat(found).as("from %d to %d", atLeast, until).isEqualTo(expected);
        }
    }
}
