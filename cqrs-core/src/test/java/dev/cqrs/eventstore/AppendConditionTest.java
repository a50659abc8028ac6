package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition.Absent;
import dev.cqrs.eventstore.AppendCondition.Unchanged;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What must be true for an append. */
class AppendConditionTest {

    static final EventQuery ACCOUNT = EventQuery.tagged(Tag.of("account", "4711"));
    static final EventQuery NAME = EventQuery.tagged(Tag.of("name", "ada"));
    static final AppendCondition UNCHANGED = AppendCondition.unchanged(ACCOUNT, Position.of(5));
    static final AppendCondition ABSENT = AppendCondition.absent(NAME);

    @Test
    void none_has_no_clause_and_is_one_instance() {
        assertThat(AppendCondition.none()).isSameAs(AppendCondition.none());
        assertThat(AppendCondition.none().clauses()).isEmpty();
    }

    @Test
    void unchanged_speaks_of_what_was_read_and_can_be_tried_again() {
        assertThat(UNCHANGED.clauses()).containsExactly(new Unchanged(ACCOUNT, Position.of(5)));

        var clause = UNCHANGED.clauses().get(0);
        assertThat(clause.query()).isEqualTo(ACCOUNT);
        assertThat(clause.after()).isEqualTo(Position.of(5));
        assertThat(clause.isRetryable()).isTrue();
    }

    @Test
    void absent_speaks_of_the_whole_log_and_cannot_be_tried_again() {
        assertThat(ABSENT.clauses()).containsExactly(new Absent(NAME));

        var clause = ABSENT.clauses().get(0);
        assertThat(clause.query()).isEqualTo(NAME);
        assertThat(clause.after()).isEqualTo(Position.START);
        assertThat(clause.isRetryable()).isFalse();
    }

    @Test
    void absent_is_not_the_same_as_unchanged_since_the_start() {
        assertThat(AppendCondition.absent(NAME)).isNotEqualTo(AppendCondition.unchanged(NAME, Position.START));
    }

    @Test
    void and_adds_the_other_clauses_behind_its_own_in_a_copy() {
        var both = ABSENT.and(UNCHANGED);

        assertThat(both.clauses()).containsExactly(new Absent(NAME), new Unchanged(ACCOUNT, Position.of(5)));
        assertThat(ABSENT.clauses()).hasSize(1);
        assertThat(UNCHANGED.clauses()).hasSize(1);
        assertThat(both.and(both).clauses()).hasSize(4);
    }

    @Test
    void none_adds_nothing_on_either_side() {
        assertThat(AppendCondition.none().and(ABSENT)).isEqualTo(ABSENT);
        assertThat(ABSENT.and(AppendCondition.none())).isEqualTo(ABSENT);
        assertThat(AppendCondition.none().and(AppendCondition.none())).isEqualTo(AppendCondition.none());
    }

    @Test
    void the_clauses_cannot_be_changed() {
        for (var condition : List.of(AppendCondition.none(), UNCHANGED, ABSENT, ABSENT.and(UNCHANGED))) {
            var clauses = condition.clauses();
            assertThatThrownBy(() -> clauses.add(new Absent(ACCOUNT)))
                    .isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Test
    void conditions_of_the_same_clauses_in_the_same_order_are_equal() {
        assertThat(ABSENT.and(UNCHANGED))
                .isEqualTo(AppendCondition.absent(NAME).and(AppendCondition.unchanged(ACCOUNT, Position.of(5))))
                .hasSameHashCodeAs(AppendCondition.absent(NAME).and(AppendCondition.unchanged(ACCOUNT, Position.of(5))))
                .isNotEqualTo(UNCHANGED.and(ABSENT))
                .isNotEqualTo(ABSENT);
        assertThat(UNCHANGED)
                .isNotEqualTo(AppendCondition.unchanged(ACCOUNT, Position.of(6)))
                .isNotEqualTo(AppendCondition.unchanged(NAME, Position.of(5)))
                .isNotEqualTo(UNCHANGED.clauses())
                .isNotEqualTo(null)
                .doesNotHaveSameHashCodeAs(AppendCondition.unchanged(NAME, Position.of(5)));
    }

    @Test
    void to_string_reads_as_a_phrase() {
        assertThat(AppendCondition.none()).hasToString("no condition");
        assertThat(ABSENT.and(UNCHANGED))
                .hasToString(
                        "no match of events tagged [name:ada] at all and no match of events tagged [account:4711] after position 5");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_naming_the_argument() {
        assertThatNullPointerException()
                .isThrownBy(() -> AppendCondition.unchanged(null, Position.START))
                .withMessage("query");
        assertThatNullPointerException()
                .isThrownBy(() -> AppendCondition.unchanged(ACCOUNT, null))
                .withMessage("after");
        assertThatNullPointerException()
                .isThrownBy(() -> AppendCondition.absent(null))
                .withMessage("query");
        assertThatNullPointerException()
                .isThrownBy(() -> AppendCondition.none().and(null))
                .withMessage("other");
        assertThatNullPointerException().isThrownBy(() -> ABSENT.and(null)).withMessage("other");
    }
}
