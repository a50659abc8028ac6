package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.runtime.SplitEventsTest.Moved;
import dev.cqrs.runtime.SplitEventsTest.Splitting;
import dev.cqrs.runtime.SplitEventsTest.Transferred;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What a follower has taken from its log and not yet folded; positions in brackets below: [1] [2 2 2] [3]. */
class PortionTest {

    private static final Moved A = new Moved("a", 1);
    private static final Moved B = new Moved("b", 2);
    private static final Moved C = new Moved("c", 3);

    private final EventStore log = new Splitting(new InMemoryEventStore(
            Catalog.builder()
                    .event("moved", Moved.class)
                    .event("transferred", Transferred.class)
                    .build(),
            Clock.systemUTC()));

    private void append(Object... events) {
        log.append(List.of(events), AppendCondition.none());
    }

    /** What is taken each time, as positions and events, until there is no more. */
    private List<String> takeAll(Portion portion) {
        var all = new ArrayList<String>();
        try (var stream = log.read(EventQuery.all(), ReadOptions.forwards())) {
            for (int count = portion.take(stream); count > 0; count = portion.take(stream)) {
                var taken = new StringBuilder();
                for (int i = 0; i < count; i++) {
                    var moved = (Moved) portion.event(i);
                    taken.append(portion.at(i)).append(moved.account());
                }
                all.add(taken.toString());
            }
        }
        return all;
    }

    private int takeFirst(Portion portion) {
        try (var stream = log.read(EventQuery.all(), ReadOptions.forwards())) {
            return portion.take(stream);
        }
    }

    @Test
    void so_many_are_taken_as_there_is_room_for_and_more_only_of_the_last_position() {
        append(A, B, new Transferred(A, B, C), C);

        assertThat(takeAll(new Portion(1, null))).containsExactly("1a", "2b", "3a3b3c", "4c");
        assertThat(takeAll(new Portion(2, null))).containsExactly("1a2b", "3a3b3c", "4c");
        assertThat(takeAll(new Portion(3, null))).containsExactly("1a2b3a3b3c", "4c");
        assertThat(takeAll(new Portion(5, null))).containsExactly("1a2b3a3b3c", "4c");
        assertThat(takeAll(new Portion(9, null))).containsExactly("1a2b3a3b3c4c");
    }

    @Test
    void room_that_was_made_for_one_position_stays() {
        append(new Transferred(A, B, C), A, B, C, A, B);
        var portion = new Portion(1, null);

        assertThat(takeAll(portion)).containsExactly("1a1b1c", "2a3b4c5a", "6b");
        assertThat(portion.room()).isEqualTo(4);
    }

    @Test
    void what_is_to_be_told_as_recorded_is_taken_one_position_at_a_time() {
        append(A, new Transferred(B, C), C);
        var portion = new Portion(8, event -> true);

        assertThat(takeAll(portion)).containsExactly("1a", "2b2c", "3c");

        assertThat(takeFirst(portion)).isEqualTo(1);
        assertThat(portion.recorded(0).position()).isEqualTo(Position.of(1));
        try (var stream = log.read(EventQuery.all(), ReadOptions.forwards().after(Position.of(1)))) {
            assertThat(portion.take(stream)).isEqualTo(2);
        }
        assertThat(List.of(portion.recorded(0), portion.recorded(1)))
                .as("those of the position before are gone")
                .allSatisfy(recorded -> assertThat(recorded.position()).isEqualTo(Position.of(2)));
    }

    @Test
    void only_what_is_asked_for_is_taken_as_recorded() {
        append(new Transferred(A, B));
        var portion = new Portion(8, B::equals);

        assertThat(takeFirst(portion)).isEqualTo(2);

        assertThat(portion.recorded(1).event()).isEqualTo(B);
        assertThatNullPointerException().isThrownBy(() -> portion.recorded(0));
    }

    @Test
    void it_tells_which_are_of_one_position_and_which_are_alone_at_theirs() {
        append(A, B, new Transferred(A, B), C);
        var portion = new Portion(8, null);
        int count = takeFirst(portion);

        assertThat(IntStream.range(0, count).map(i -> portion.endOfSame(i, count)))
                .containsExactly(1, 2, 4, 4, 5);
        assertThat(portion.endOfAlone(0, count))
                .as("before those of one position")
                .isEqualTo(2);
        assertThat(portion.endOfAlone(2, count)).as("none").isEqualTo(2);
        assertThat(portion.endOfAlone(4, count)).as("to the end").isEqualTo(5);
        assertThat(portion.endOfAlone(0, 1)).as("to the end of what matters").isEqualTo(1);
    }

    @Test
    void keys_are_told_once_each_in_the_order_of_the_events_that_have_one() {
        var keys = Keys.by(Moved.class, Moved::account);
        append(B, A, new Transferred(B, C));
        log.append(List.of(C), AppendCondition.none());
        var portion = new Portion(8, null);
        int count = takeFirst(portion);

        assertThat(portion.keys(keys, 0, 1)).isEqualTo(List.of("b"));
        assertThat(portion.keys(keys, 1, 2)).isEqualTo(List.of("a"));
        assertThat(portion.keys(keys, 0, count)).containsExactly("b", "a", "c");
        assertThat(portion.keys(Keys.by(Transferred.class, t -> t), 0, 1)).isEmpty();
        assertThat(portion.keys(Keys.by(Transferred.class, t -> t), 0, count)).isEmpty();
    }

    @Test
    void what_is_moved_to_an_earlier_place_leaves_what_lies_behind_it() {
        append(A, B, C, B, A);
        var portion = new Portion(5, null);
        takeFirst(portion);

        assertThat(portion.move(2, 4, 1)).isEqualTo(3);

        assertThat(portion.events()).containsExactly(A, C, B, B, A);
    }

    @Test
    void what_is_let_go_can_be_forgotten_by_the_jvm() {
        append(A, B, C);
        var portion = new Portion(3, null);
        takeFirst(portion);

        portion.clear(2);
        assertThat(portion.events()).containsExactly(null, null, C);
        portion.clear();
        assertThat(Arrays.asList(portion.events())).containsOnlyNulls();
    }

    @Test
    void one_event_may_be_all_there_is() {
        var portion = new Portion(2, null);

        portion.set(C, 7);

        assertThat(portion.event(0)).isEqualTo(C);
        assertThat(portion.at(0)).isEqualTo(7);
    }
}
