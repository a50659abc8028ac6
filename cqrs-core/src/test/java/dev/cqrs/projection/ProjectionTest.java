package dev.cqrs.projection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The definition of a view. */
class ProjectionTest {

    record Deposited(int amount) {}

    record Withdrawn(int amount) {}

    record Opened() {}

    static final Fold<Integer> BALANCE = Fold.from(0)
            .on(Deposited.class, (sum, e) -> sum + e.amount())
            .on(Withdrawn.class, (sum, e) -> sum - e.amount());

    @Test
    void a_projection_holds_what_it_was_given() {
        var query = EventQuery.tagged(Tag.of("account", "4711"));
        var projection = new Projection<>("balance", 3, query, BALANCE);

        assertThat(projection.name()).isEqualTo("balance");
        assertThat(projection.version()).isEqualTo(3);
        assertThat(projection.query()).isEqualTo(query);
        assertThat(projection.fold()).isSameAs(BALANCE);
    }

    @Test
    void a_projection_of_a_fold_means_the_events_that_have_a_step_and_no_others() {
        var projection = Projection.of("balance", 1, BALANCE);

        assertThat(projection)
                .isEqualTo(new Projection<>("balance", 1, EventQuery.types(Deposited.class, Withdrawn.class), BALANCE));
        assertThat(projection.query().matches(Opened.class, Set.of())).isFalse();
        assertThat(projection.query().matches(Withdrawn.class, Set.of(Tag.of("account", "4711"))))
                .isTrue();
    }

    @Test
    void a_fold_of_one_step_is_enough() {
        var fold = Fold.from(0).on(Opened.class, (n, e) -> n + 1);

        assertThat(Projection.of("accounts", 1, fold).query()).isEqualTo(EventQuery.types(Opened.class));
    }

    @Test
    void over_gives_another_query_to_a_copy() {
        var projection = Projection.of("balance", 2, BALANCE);
        var query = EventQuery.tagged(Tag.of("account", "4711"));

        var narrowed = projection.over(query);

        assertThat(narrowed).isEqualTo(new Projection<>("balance", 2, query, BALANCE));
        assertThat(projection.query()).isEqualTo(EventQuery.types(Deposited.class, Withdrawn.class));
    }

    @Test
    void a_fold_without_steps_is_refused_naming_the_projection_and_the_cure() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Projection.of("balance", 1, Fold.from(0)))
                .withMessageContainingAll("\"balance\"", "no step", "expected at least one", "on(...)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\t\n", "\u3000"})
    void a_blank_name_is_refused(String name) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Projection.of(name, 1, BALANCE))
                .withMessageContainingAll("name", "blank", "expected a stable name");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, Integer.MIN_VALUE})
    void a_version_below_one_is_refused_naming_the_projection_and_the_version(int version) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Projection.of("balance", version, BALANCE))
                .withMessageContainingAll("\"balance\"", " is " + version + ";", "expected 1 or more");
    }

    @Test
    void the_least_and_the_greatest_version_are_accepted() {
        assertThat(Projection.of("balance", 1, BALANCE).version()).isEqualTo(1);
        assertThat(Projection.of("balance", Integer.MAX_VALUE, BALANCE).version())
                .isEqualTo(Integer.MAX_VALUE);
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException()
                .isThrownBy(() -> new Projection<>(null, 1, EventQuery.all(), BALANCE))
                .withMessageContaining("name");
        assertThatNullPointerException()
                .isThrownBy(() -> new Projection<>("balance", 1, null, BALANCE))
                .withMessage("query");
        assertThatNullPointerException()
                .isThrownBy(() -> new Projection<>("balance", 1, EventQuery.all(), null))
                .withMessage("fold");
        assertThatNullPointerException().isThrownBy(() -> Projection.of(null, 1, BALANCE));
        assertThatNullPointerException().isThrownBy(() -> Projection.of("balance", 1, null));
        assertThatNullPointerException()
                .isThrownBy(() -> Projection.of("balance", 1, BALANCE).over(null))
                .withMessage("query");
    }
}
