package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Position;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which part of the log to read. */
class ReadOptionsTest {

    static final Position END = Position.of(Long.MAX_VALUE);

    static List<ReadOptions> bothDirections() {
        return List.of(ReadOptions.forwards(), ReadOptions.backwards());
    }

    @Test
    void forwards_and_backwards_read_everything_and_are_one_instance_each() {
        assertThat(ReadOptions.forwards()).isSameAs(ReadOptions.forwards());
        assertThat(ReadOptions.backwards()).isSameAs(ReadOptions.backwards());
        assertThat(ReadOptions.forwards().isBackwards()).isFalse();
        assertThat(ReadOptions.backwards().isBackwards()).isTrue();
        assertThat(bothDirections()).allSatisfy(all -> {
            assertThat(all.after()).isEqualTo(Position.START);
            assertThat(all.until()).isEqualTo(END);
            assertThat(all.limit()).isEqualTo(Long.MAX_VALUE);
            assertThat(all.isCut()).isFalse();
        });
    }

    @ParameterizedTest
    @MethodSource("bothDirections")
    void each_option_keeps_the_others_in_whatever_order_they_are_given(ReadOptions all) {
        for (var options : List.of(
                all.after(Position.of(3)).until(Position.of(9)).limit(5),
                all.limit(5).until(Position.of(9)).after(Position.of(3)),
                all.until(Position.of(9)).limit(5).after(Position.of(3)))) {
            assertThat(options.after()).isEqualTo(Position.of(3));
            assertThat(options.until()).isEqualTo(Position.of(9));
            assertThat(options.limit()).isEqualTo(5);
            assertThat(options.isBackwards()).isEqualTo(all.isBackwards());
        }
    }

    @ParameterizedTest
    @MethodSource("bothDirections")
    void options_are_set_on_a_copy(ReadOptions all) {
        var bounded = all.after(Position.of(3)).until(Position.of(9)).limit(5);

        var other = bounded.after(Position.of(4)).until(Position.of(8)).limit(6);

        assertThat(bounded.after()).isEqualTo(Position.of(3));
        assertThat(bounded.until()).isEqualTo(Position.of(9));
        assertThat(bounded.limit()).isEqualTo(5);
        assertThat(other.after()).isEqualTo(Position.of(4));
        assertThat(other.until()).isEqualTo(Position.of(8));
        assertThat(other.limit()).isEqualTo(6);
        assertThat(all.isCut()).isFalse();
    }

    @ParameterizedTest
    @MethodSource("bothDirections")
    void a_reversed_range_is_refused_naming_both_ends_and_the_options_are_unchanged(ReadOptions all) {
        var after = all.after(Position.of(5));
        var until = all.until(Position.of(4));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> after.until(Position.of(4)))
                .withMessageContainingAll("after 5 until 4", "reversed", "expected", "backwards");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> until.after(Position.of(5)))
                .withMessageContainingAll("after 5 until 4", "reversed", "expected", "backwards");
        assertThat(after.until()).isEqualTo(END);
        assertThat(until.after()).isEqualTo(Position.START);
    }

    @Test
    void an_empty_range_is_accepted() {
        var options = ReadOptions.forwards().after(Position.of(5)).until(Position.of(5));

        assertThat(options.after()).isEqualTo(options.until());
        assertThat(ReadOptions.forwards().until(Position.START).until()).isEqualTo(Position.START);
        assertThat(ReadOptions.forwards().after(END).after()).isEqualTo(END);
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE})
    void a_negative_limit_is_refused_naming_it(long limit) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ReadOptions.forwards().limit(limit))
                .withMessageContainingAll("limit is " + limit, "expected 0 or more");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 5_000_000_000L})
    void a_limit_of_zero_or_more_is_accepted(long limit) {
        assertThat(ReadOptions.backwards().limit(limit).limit()).isEqualTo(limit);
    }

    @ParameterizedTest
    @MethodSource("bothDirections")
    void a_limit_or_an_end_cuts_and_a_beginning_does_not(ReadOptions all) {
        assertThat(all.limit(0).isCut()).isTrue();
        assertThat(all.limit(Long.MAX_VALUE - 1).isCut()).isTrue();
        assertThat(all.until(Position.START).isCut()).isTrue();
        assertThat(all.until(Position.of(Long.MAX_VALUE - 1)).isCut()).isTrue();
        assertThat(all.limit(1).until(Position.of(1)).isCut()).isTrue();
        assertThat(all.after(Position.of(5)).isCut()).isFalse();
    }

    @Test
    void to_string_tells_the_direction_and_what_was_set() {
        assertThat(ReadOptions.forwards()).hasToString("forwards after 0");
        assertThat(ReadOptions.backwards()
                        .after(Position.of(3))
                        .until(Position.of(9))
                        .limit(5))
                .hasToString("backwards after 3 until 9 limit 5");
        assertThat(ReadOptions.forwards().limit(5)).hasToString("forwards after 0 limit 5");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_naming_the_argument() {
        assertThatNullPointerException()
                .isThrownBy(() -> ReadOptions.forwards().after(null))
                .withMessage("position");
        assertThatNullPointerException()
                .isThrownBy(() -> ReadOptions.forwards().until(null))
                .withMessage("position");
    }
}
