package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.runtime.Parking.Item;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What was put aside, and who has to wait for whom. */
class ParkingTest {

    private static Item item(long position, String reason, Object... keys) {
        return new Item(position, List.of(keys), reason, false);
    }

    private static List<Long> positions(List<Item> items) {
        return items.stream().map(Item::position).toList();
    }

    @Test
    void a_key_is_taken_up_again_with_those_that_it_shares_an_event_with_however_far() {
        // given transfers from one account to the next, and one apart
        var parking = Parking.NONE
                .with(item(1, "broken", "d", "e"))
                .with(item(2, "", "c", "d"))
                .with(item(3, "", "b", "c"))
                .with(item(4, "", "a", "b"))
                .with(item(5, "broken", "x", "y"));

        assertThat(positions(parking.of("a"))).containsExactly(1L, 2L, 3L, 4L);
        assertThat(positions(parking.of("e"))).containsExactly(1L, 2L, 3L, 4L);
        assertThat(positions(parking.of("y"))).containsExactly(5L);
        assertThat(parking.of("z")).isEmpty();
    }

    @Test
    void an_event_that_fails_again_has_its_last_reason_and_the_others_theirs() {
        var parking = Parking.NONE.with(item(1, "first", "a")).with(item(2, "", "a"));

        var again = parking.because(1, "second");

        assertThat(again.items().stream().map(Item::shown))
                .containsExactly(
                        new ProjectionView.Parked(Position.of(1), "a", Optional.of("second")),
                        new ProjectionView.Parked(Position.of(2), "a", Optional.empty()));
        assertThat(parking.items().get(0).reason()).isEqualTo("first");
    }

    @Test
    void only_the_keys_of_what_is_put_aside_hold_others_up() {
        var parking = Parking.NONE.with(item(1, "broken", "a", "b")).with(item(2, "broken", "c"));
        assertThat(parking.holdsAnyOf(List.of("z", "b"))).isTrue();

        var fewer = parking.without(1);

        assertThat(fewer.holdsAnyOf(List.of("a", "b"))).isFalse();
        assertThat(fewer.holdsAnyOf(List.of("c"))).isTrue();
        assertThat(fewer.isEmpty()).isFalse();
        assertThat(fewer.without(2).isEmpty()).isTrue();
    }
}
