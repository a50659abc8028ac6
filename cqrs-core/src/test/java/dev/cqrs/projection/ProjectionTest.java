package dev.cqrs.projection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.Projection.Each;
import dev.cqrs.projection.Projection.Effect;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.projection.Projection.Trigger;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
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
    void projections_are_equal_if_each_part_is() {
        var query = EventQuery.tagged(Tag.of("account", "4711"));
        Effect<Object> effect = (event, trigger) -> {};
        var one = new Projection<>("balance", 2, query, BALANCE);

        assertThat(one)
                .isEqualTo(new Projection<>("balance", 2, query, BALANCE))
                .hasSameHashCodeAs(new Projection<>("balance", 2, query, BALANCE))
                .isNotEqualTo(new Projection<>("other", 2, query, BALANCE))
                .isNotEqualTo(new Projection<>("balance", 3, query, BALANCE))
                .isNotEqualTo(new Projection<>("balance", 2, EventQuery.all(), BALANCE))
                .isNotEqualTo(new Projection<>("balance", 2, query, Fold.from(0)))
                .isNotEqualTo(one.by(Keys.by(Opened.class, Opened::toString)))
                .isNotEqualTo(one.effect(Opened.class, effect))
                .isNotEqualTo(one.savedAs(String.class, String::valueOf, Integer::valueOf))
                .isNotEqualTo("balance")
                .isNotEqualTo(null)
                .doesNotHaveSameHashCodeAs(new Projection<>("other", 2, query, BALANCE))
                .doesNotHaveSameHashCodeAs(new Projection<>("balance", 3, query, BALANCE));
    }

    @Test
    void a_projection_tells_its_name_its_version_and_its_events() {
        assertThat(new Projection<>("balance", 2, EventQuery.all(), BALANCE))
                .hasToString("Projection[balance, version 2, of " + EventQuery.all() + "]");
    }

    // ---- effects

    sealed interface Change {}

    record Blocked() implements Change {}

    record Closed() implements Change {}

    @Test
    void an_event_has_the_effect_of_its_class_or_else_of_the_nearest_above() throws Exception {
        var performed = new ArrayList<String>();
        var projection = Projection.of("mails", 1, BALANCE)
                .effect(Change.class, (event, trigger) -> performed.add("change " + trigger.id()))
                .effect(Closed.class, (event, trigger) -> performed.add("closed " + trigger.id()));

        projection.effectOf(new Blocked()).orElseThrow().perform(new Blocked(), trigger(new Blocked(), 0));
        projection.effectOf(new Closed()).orElseThrow().perform(new Closed(), trigger(new Closed(), 0));

        assertThat(performed).containsExactly("change mails/7", "closed mails/7");
        assertThat(projection.effectOf(new Opened())).isEmpty();
        assertThat(projection.hasEffects()).isTrue();
        assertThat(Projection.of("mails", 1, BALANCE).hasEffects()).isFalse();
    }

    @Test
    void the_events_of_an_effect_matter_unless_a_query_was_given() {
        Effect<Object> effect = (event, trigger) -> {};
        var query = EventQuery.types(Deposited.class);

        assertThat(Projection.of("balance", 1, BALANCE)
                        .effect(Opened.class, effect)
                        .query())
                .isEqualTo(EventQuery.types(Deposited.class, Withdrawn.class).or(EventQuery.types(Opened.class)));
        assertThat(new Projection<>("balance", 1, query, BALANCE)
                        .effect(Opened.class, effect)
                        .query())
                .isEqualTo(query);
        assertThat(Projection.of("balance", 1, BALANCE)
                        .over(query)
                        .effect(Opened.class, effect)
                        .query())
                .isEqualTo(query);
    }

    @Test
    void two_effects_for_one_class_are_refused_naming_both_the_projection_and_the_class() {
        var projection = Projection.of("mails", 1, BALANCE).effect(Opened.class, (event, trigger) -> {});

        assertThatIllegalArgumentException()
                .isThrownBy(() -> projection.effect(Opened.class, (event, trigger) -> {}))
                .withMessageContainingAll("\"mails\"", "two effects", Opened.class.getName());
    }

    static Trigger trigger(Object event, int part) {
        return new Trigger(
                "mails",
                new RecordedEvent(Position.of(7), "event", event, Set.of(), Metadata.none(), Instant.EPOCH),
                part);
    }

    @Test
    void each_part_of_an_effect_has_an_id_of_its_own() {
        assertThat(trigger(new Opened(), 0).id()).isEqualTo("mails/7");
        assertThat(trigger(new Opened(), 1).id()).isEqualTo("mails/7.1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> trigger(new Opened(), -1))
                .withMessageContainingAll("-1", "expected 0 or more");
    }

    // ---- keys

    record Moved(String account, int amount) {}

    record Gone(String account) {}

    static final Keys<String> ACCOUNTS = Keys.by(Moved.class, Moved::account).and(Gone.class, Gone::account);

    static final Fold<Integer> MOVED =
            Fold.from(10).on(Moved.class, (sum, e) -> sum + e.amount()).on(Gone.class, (sum, e) -> -1);

    @Test
    void an_event_belongs_to_the_key_that_its_class_gives() {
        assertThat(ACCOUNTS.of(new Moved("a", 1))).isEqualTo("a");
        assertThat(ACCOUNTS.find(new Gone("b"))).contains("b");
        assertThat(ACCOUNTS.find(new Opened())).isEmpty();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ACCOUNTS.of(new Opened()))
                .withMessageContainingAll(Opened.class.getName(), "no key", Moved.class.getName(), "and(...)");
    }

    @Test
    void a_keyed_projection_has_a_state_for_each_key_until_it_is_gone() {
        var projection = Projection.keyed("accounts", 1, ACCOUNTS, MOVED, sum -> sum < 0);
        Map<String, Integer> view = new HashMap<>();

        for (var event : List.of(new Moved("a", 1), new Moved("b", 2), new Moved("a", 4))) {
            view = projection.fold().apply(view, event);
        }
        assertThat(view).isEqualTo(Map.of("a", 15, "b", 12));

        assertThat(projection.fold().apply(view, new Gone("a"))).isEqualTo(Map.of("b", 12));
        assertThat(projection.query()).isEqualTo(EventQuery.types(Moved.class, Gone.class));
        assertThat(projection.keys()).contains(ACCOUNTS);
        assertThat(projection.each())
                .hasValueSatisfying(each -> assertThat(each.fold()).isSameAs(MOVED));
        assertThat(Projection.of("balance", 1, MOVED).each()).isEmpty();
    }

    @Test
    void without_an_end_each_key_keeps_its_state() {
        var projection = Projection.keyed("accounts", 1, ACCOUNTS, MOVED);

        assertThat(projection.fold().apply(new HashMap<>(), new Gone("a"))).isEqualTo(Map.of("a", -1));
    }

    @Test
    void a_fold_that_changes_in_place_is_refused_for_each_key() {
        Fold<List<Object>> list = Fold.<List<Object>>fresh(ArrayList::new).change(Moved.class, List::add);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Each<>(list, state -> false))
                .withMessageContainingAll("changes its state in place", "on(...)");
        assertThatIllegalArgumentException().isThrownBy(() -> Projection.keyed("accounts", 1, ACCOUNTS, list));
    }

    @Test
    void keys_may_be_given_to_a_view_that_is_one_and_not_to_one_that_has_keys() {
        assertThat(Projection.of("balance", 1, MOVED).by(ACCOUNTS).keys()).contains(ACCOUNTS);
        assertThat(Projection.of("balance", 1, MOVED).keys()).isEmpty();
        assertThatIllegalStateException()
                .isThrownBy(
                        () -> Projection.keyed("accounts", 1, ACCOUNTS, MOVED).by(ACCOUNTS))
                .withMessageContainingAll("\"accounts\"", "a state for each key");
    }

    @Test
    void a_view_may_be_saved_as_something_else() {
        var projection = Projection.of("balance", 1, BALANCE);
        var saved = projection.savedAs(String.class, String::valueOf, Integer::valueOf);

        assertThat(projection.saved()).isEmpty();
        assertThat(saved.saved())
                .hasValueSatisfying(how -> assertThat(how.type()).isEqualTo(String.class));
        assertThat(saved.query()).isEqualTo(projection.query());
    }

    @Test
    void keyed_projections_of_the_same_parts_are_equal() {
        Predicate<Integer> gone = state -> false;
        var one = Projection.keyed("accounts", 1, ACCOUNTS, MOVED, gone);

        assertThat(one)
                .isEqualTo(Projection.keyed("accounts", 1, ACCOUNTS, MOVED, gone))
                .isNotEqualTo(Projection.keyed("accounts", 1, ACCOUNTS, MOVED, state -> false))
                .isNotEqualTo(Projection.of("accounts", 1, MOVED).by(ACCOUNTS));
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_key_that_is_null_is_told_with_the_class_of_its_event() {
        var keys = Keys.by(Moved.class, moved -> null);

        assertThatNullPointerException()
                .isThrownBy(() -> keys.of(new Moved("a", 1)))
                .withMessage("The key of an event of " + Moved.class.getName() + " is null.");
    }

    @Test
    void a_primitive_type_of_which_no_object_is_is_refused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Keys.by(int.class, i -> i))
                .withMessageContaining("primitive type int");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Projection.of("balance", 1, BALANCE).savedAs(int.class, i -> i, i -> i))
                .withMessageContainingAll("primitive type int", "class around it");
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
