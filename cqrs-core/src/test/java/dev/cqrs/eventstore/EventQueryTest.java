package dev.cqrs.eventstore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery.Item;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Which events a query means. */
class EventQueryTest {

    sealed interface Movement {}

    record Opened() {}

    record Deposited() implements Movement {}

    record Withdrawn() implements Movement {}

    static final Tag A = Tag.of("account", "a");
    static final Tag B = Tag.of("account", "b");
    static final Tag C = Tag.of("customer", "a");

    static final Map<String, Class<?>> TYPES =
            Map.of("opened", Opened.class, "deposited", Deposited.class, "withdrawn", Withdrawn.class);
    static final Map<String, Set<Tag>> TAGS = Map.of("", Set.of(), "A", Set.of(A), "B", Set.of(B), "AB", Set.of(A, B));

    /** Of all combinations of type and tags, those that the query means, such as {@code openedAB}. */
    static Set<String> meantBy(EventQuery query) {
        var meant = new TreeSet<String>();
        TYPES.forEach((type, eventClass) -> TAGS.forEach((tags, eventTags) -> {
            if (query.matches(eventClass, eventTags)) {
                meant.add(type + tags);
            }
        }));
        return meant;
    }

    static Stream<Arguments> truthTable() {
        return Stream.of(
                Arguments.of(
                        EventQuery.all(),
                        "opened openedA openedB openedAB deposited depositedA depositedB depositedAB"
                                + " withdrawn withdrawnA withdrawnB withdrawnAB"),
                Arguments.of(EventQuery.types(Opened.class), "opened openedA openedB openedAB"),
                Arguments.of(
                        EventQuery.types(Opened.class, Withdrawn.class),
                        "opened openedA openedB openedAB withdrawn withdrawnA withdrawnB withdrawnAB"),
                Arguments.of(
                        EventQuery.types(Movement.class),
                        "deposited depositedA depositedB depositedAB withdrawn withdrawnA withdrawnB withdrawnAB"),
                Arguments.of(EventQuery.types(Runnable.class), ""),
                Arguments.of(EventQuery.tagged(A), "openedA openedAB depositedA depositedAB withdrawnA withdrawnAB"),
                Arguments.of(EventQuery.tagged(A, B), "openedAB depositedAB withdrawnAB"),
                Arguments.of(EventQuery.tagged(C), ""),
                Arguments.of(EventQuery.tagged(A, C), ""),
                Arguments.of(EventQuery.types(Opened.class).withTags(A), "openedA openedAB"),
                Arguments.of(EventQuery.types(Movement.class).withTags(A, B), "depositedAB withdrawnAB"),
                Arguments.of(EventQuery.tagged(B).withTypes(Opened.class), "openedB openedAB"),
                Arguments.of(
                        EventQuery.tagged(A, B).or(EventQuery.types(Opened.class)),
                        "opened openedA openedB openedAB depositedAB withdrawnAB"),
                Arguments.of(
                        EventQuery.types(Opened.class)
                                .withTags(A)
                                .or(EventQuery.types(Deposited.class).withTags(B)),
                        "openedA openedAB depositedB depositedAB"),
                Arguments.of(
                        EventQuery.tagged(A).or(EventQuery.tagged(B)).withTypes(Opened.class),
                        "openedA openedB openedAB"),
                Arguments.of(
                        EventQuery.types(Opened.class)
                                .or(EventQuery.types(Deposited.class))
                                .withTags(A),
                        "openedA openedAB depositedA depositedAB"));
    }

    @ParameterizedTest
    @MethodSource("truthTable")
    void a_query_means_events_with_one_of_the_types_and_all_of_the_tags_of_any_item(EventQuery query, String meant) {
        assertThat(meantBy(query)).containsExactlyInAnyOrder(meant.isEmpty() ? new String[0] : meant.split(" ", -1));
    }

    @Test
    void all_is_one_instance() {
        assertThat(EventQuery.all()).isSameAs(EventQuery.all());
        assertThat(EventQuery.all().items()).containsExactly(new Item(Set.of(), Set.of()));
    }

    @Test
    void a_type_or_tag_named_twice_counts_once() {
        assertThat(EventQuery.types(Opened.class, Opened.class)).isEqualTo(EventQuery.types(Opened.class));
        assertThat(EventQuery.tagged(A, A)).isEqualTo(EventQuery.tagged(A));
    }

    @Test
    void a_query_of_items_means_what_any_of_them_means() {
        var query = EventQuery.of(List.of(new Item(Set.of(Opened.class), Set.of(A)), new Item(Set.of(), Set.of(A, B))));

        assertThat(meantBy(query)).containsExactly("depositedAB", "openedA", "openedAB", "withdrawnAB");
    }

    @Test
    void a_query_without_items_is_refused_naming_the_cure() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> EventQuery.of(List.of()))
                .withMessageContainingAll("no items", "expected at least one", "EventQuery.all()");
    }

    @Test
    void items_types_and_tags_are_copied() {
        var types = new HashSet<Class<?>>(Set.of(Opened.class));
        var tags = new HashSet<>(Set.of(A));
        var items = new ArrayList<>(List.of(new Item(types, tags)));
        var query = EventQuery.of(items);

        types.clear();
        tags.clear();
        items.add(new Item(Set.of(), Set.of()));

        assertThat(query).isEqualTo(EventQuery.types(Opened.class).withTags(A));
    }

    @Test
    void arrays_of_tags_and_types_are_copied() {
        Tag[] tags = {B};
        Class<?>[] types = {Withdrawn.class};
        var tagged = EventQuery.tagged(A, tags);
        var typed = EventQuery.types(Opened.class, types);

        tags[0] = C;
        types[0] = Deposited.class;

        assertThat(tagged).isEqualTo(EventQuery.tagged(A, B));
        assertThat(typed).isEqualTo(EventQuery.types(Opened.class, Withdrawn.class));
    }

    static Stream<EventQuery> queries() {
        var types = new HashSet<Class<?>>(Set.of(Opened.class));
        return Stream.of(
                EventQuery.all(),
                EventQuery.tagged(A),
                EventQuery.types(Opened.class),
                EventQuery.tagged(A).or(EventQuery.tagged(B)),
                EventQuery.tagged(A).withTypes(Opened.class),
                EventQuery.types(Opened.class).withTags(A),
                EventQuery.of(new ArrayList<>(List.of(new Item(types, new HashSet<>(Set.of(A)))))));
    }

    @ParameterizedTest
    @MethodSource("queries")
    void a_query_cannot_be_changed(EventQuery query) {
        assertThatThrownBy(() -> query.items().clear()).isInstanceOf(UnsupportedOperationException.class);
        assertThat(query.items()).isNotEmpty().allSatisfy(item -> {
            assertThatThrownBy(() -> item.types().clear()).isInstanceOf(UnsupportedOperationException.class);
            assertThatThrownBy(() -> item.tags().clear()).isInstanceOf(UnsupportedOperationException.class);
        });
    }

    @Test
    void or_adds_alternatives_behind_its_own_each_once_to_a_copy() {
        var query = EventQuery.tagged(A);

        var wider = query.or(EventQuery.tagged(B).or(EventQuery.tagged(A)));

        assertThat(wider.items()).containsExactly(new Item(Set.of(), Set.of(A)), new Item(Set.of(), Set.of(B)));
        assertThat(query).isEqualTo(EventQuery.tagged(A));
        assertThat(EventQuery.all().or(EventQuery.all())).isEqualTo(EventQuery.all());
    }

    @Test
    void with_tags_adds_to_the_tags_of_every_item_of_a_copy() {
        var query = EventQuery.tagged(A).or(EventQuery.types(Opened.class));

        var narrowed = query.withTags(B, C);

        assertThat(narrowed.items())
                .containsExactly(new Item(Set.of(), Set.of(A, B, C)), new Item(Set.of(Opened.class), Set.of(B, C)));
        assertThat(query).isEqualTo(EventQuery.tagged(A).or(EventQuery.types(Opened.class)));
        assertThat(query.withTags(C).items())
                .containsExactly(new Item(Set.of(), Set.of(A, C)), new Item(Set.of(Opened.class), Set.of(C)));
    }

    @Test
    void with_types_gives_types_to_an_item_without_in_a_copy() {
        var query = EventQuery.tagged(A);

        assertThat(query.withTypes(Opened.class, Deposited.class).items())
                .containsExactly(new Item(Set.of(Opened.class, Deposited.class), Set.of(A)));
        assertThat(query).isEqualTo(EventQuery.tagged(A));
    }

    @Test
    void with_types_keeps_of_an_items_types_those_among_the_given_ones_or_below() {
        var query = EventQuery.types(Opened.class, Deposited.class);

        assertThat(query.withTypes(Deposited.class)).isEqualTo(EventQuery.types(Deposited.class));
        assertThat(query.withTypes(Movement.class)).isEqualTo(EventQuery.types(Deposited.class));
        assertThat(query.withTypes(Object.class)).isEqualTo(query);
        assertThat(query.withTypes(Withdrawn.class, Opened.class)).isEqualTo(EventQuery.types(Opened.class));
    }

    @Test
    void with_types_narrows_a_root_to_the_given_types_below_it() {
        var query = EventQuery.types(Movement.class).withTags(A);

        assertThat(query.withTypes(Deposited.class, Opened.class))
                .isEqualTo(EventQuery.types(Deposited.class).withTags(A));
    }

    @Test
    void with_types_that_leave_no_type_are_refused_naming_both_sides_and_the_query_is_unchanged() {
        var query = EventQuery.types(Opened.class, Deposited.class).or(EventQuery.tagged(A));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> query.withTypes(Withdrawn.class))
                .withMessageContainingAll(
                        "withTypes[Withdrawn]", "[Deposited, Opened]", "expected a common type", "or(...)");
        assertThat(query)
                .isEqualTo(EventQuery.types(Opened.class, Deposited.class).or(EventQuery.tagged(A)));
    }

    @Test
    void queries_of_the_same_items_are_equal() {
        var query = EventQuery.types(Opened.class, Deposited.class).withTags(A, B);

        assertThat(query)
                .isEqualTo(EventQuery.tagged(B, A).withTypes(Deposited.class, Opened.class))
                .hasSameHashCodeAs(EventQuery.tagged(B, A).withTypes(Deposited.class, Opened.class))
                .isEqualTo(EventQuery.of(query.items()));
        assertThat(EventQuery.of(EventQuery.all().items())).isEqualTo(EventQuery.all());
    }

    @Test
    void queries_of_other_items_are_distinct() {
        assertThat(EventQuery.tagged(A))
                .isNotEqualTo(EventQuery.tagged(B))
                .isNotEqualTo(EventQuery.tagged(A, B))
                .isNotEqualTo(EventQuery.tagged(A).withTypes(Opened.class))
                .isNotEqualTo(EventQuery.all())
                .isNotEqualTo(EventQuery.tagged(A).items())
                .isNotEqualTo(null)
                .doesNotHaveSameHashCodeAs(EventQuery.tagged(B));
    }

    @Test
    void to_string_reads_as_a_phrase_in_a_fixed_order() {
        assertThat(EventQuery.all()).hasToString("all events");
        assertThat(EventQuery.tagged(B, A)).hasToString("events tagged [account:a, account:b]");
        assertThat(EventQuery.types(Opened.class, Deposited.class)).hasToString("[Deposited, Opened]");
        assertThat(EventQuery.tagged(C)
                        .withTypes(Opened.class)
                        .or(EventQuery.tagged(A))
                        .or(EventQuery.all()))
                .hasToString("[Opened] tagged [customer:a] or events tagged [account:a] or all events");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused() {
        assertThatNullPointerException().isThrownBy(() -> EventQuery.tagged(null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.tagged(A, (Tag) null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.tagged(A, (Tag[]) null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.types(null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.types(Opened.class, (Class<?>) null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.of(null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.of(Arrays.asList((Item) null)));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.all().withTags(null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.all().withTypes(null));
        assertThatNullPointerException().isThrownBy(() -> EventQuery.all().or(null));
        assertThatNullPointerException().isThrownBy(() -> new Item(null, Set.of()));
        assertThatNullPointerException().isThrownBy(() -> new Item(Set.of(), null));
        assertThatNullPointerException().isThrownBy(() -> new Item(Set.of(), Collections.singleton((Tag) null)));
    }
}
