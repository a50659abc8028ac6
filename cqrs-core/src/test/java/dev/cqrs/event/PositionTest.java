package dev.cqrs.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Places in the log and their order. */
class PositionTest {

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 2, Integer.MAX_VALUE + 1L, Long.MAX_VALUE})
    void a_position_holds_its_number(long value) {
        assertThat(Position.of(value).value()).isEqualTo(value);
        assertThat(Position.of(value)).hasToString(Long.toString(value)).isEqualTo(new Position(value));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE})
    void a_negative_number_is_refused_naming_it(long value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Position.of(value))
                .withMessageContainingAll(Long.toString(value), "expected 0", "or more");
        assertThatIllegalArgumentException().isThrownBy(() -> new Position(value));
    }

    @Test
    void the_start_is_zero_and_one_instance() {
        assertThat(Position.START.value()).isZero();
        assertThat(Position.of(0)).isSameAs(Position.START);
    }

    @Test
    void a_position_is_after_those_with_smaller_numbers_only() {
        assertThat(Position.of(2).isAfter(Position.of(1))).isTrue();
        assertThat(Position.of(1).isAfter(Position.of(2))).isFalse();
        assertThat(Position.of(2).isAfter(Position.of(2))).isFalse();
        assertThat(Position.START.isAfter(Position.START)).isFalse();
        assertThat(Position.of(Long.MAX_VALUE).isAfter(Position.START)).isTrue();
    }

    @Test
    void positions_sort_by_number_beyond_the_range_of_int() {
        var sorted = List.of(Position.of(5_000_000_000L), Position.of(10), Position.START, Position.of(9)).stream()
                .sorted()
                .toList();

        assertThat(sorted)
                .containsExactly(Position.START, Position.of(9), Position.of(10), Position.of(5_000_000_000L));
        assertThat(Position.of(9)).isEqualByComparingTo(new Position(9));
    }

    @Test
    void positions_of_different_numbers_are_distinct() {
        assertThat(Position.of(1)).isNotEqualTo(Position.of(2));
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_in_comparisons() {
        assertThatNullPointerException().isThrownBy(() -> Position.START.isAfter(null));
        assertThatNullPointerException().isThrownBy(() -> Position.START.compareTo(null));
    }
}
