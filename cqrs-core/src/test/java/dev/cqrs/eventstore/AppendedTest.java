package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Position;
import org.junit.jupiter.api.Test;

/** Where an append put its events. */
class AppendedTest {

    @Test
    void it_holds_the_first_and_the_last_position() {
        var appended = new Appended(Position.of(3), Position.of(5));

        assertThat(appended.first()).isEqualTo(Position.of(3));
        assertThat(appended.last()).isEqualTo(Position.of(5));
    }

    @Test
    void one_event_stands_first_and_last() {
        assertThat(new Appended(Position.of(3), Position.of(3)).last()).isEqualTo(Position.of(3));
    }

    @Test
    void a_descending_range_is_refused_naming_both_ends() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Appended(Position.of(4), Position.of(3)))
                .withMessageContainingAll("from 4 to 3", "expected ascending");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException()
                .isThrownBy(() -> new Appended(null, Position.of(3)))
                .withMessage("first");
        assertThatNullPointerException().isThrownBy(() -> new Appended(Position.of(3), null));
    }
}
