package dev.cqrs.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What travels with a message. */
class MetadataTest {

    @Test
    void none_has_no_entries_and_is_one_instance() {
        assertThat(Metadata.none()).isSameAs(Metadata.none());
        assertThat(Metadata.none().entries()).isEmpty();
        assertThat(Metadata.none().id()).isEmpty();
        assertThat(Metadata.none().correlation()).isEmpty();
        assertThat(Metadata.none().causation()).isEmpty();
        assertThat(Metadata.of(Map.of())).isSameAs(Metadata.none());
    }

    @Test
    void the_well_known_keys_have_methods_of_their_own() {
        var metadata = Metadata.of(Map.of("id", "i", "correlation", "c", "causation", "b", "user", "ada"));

        assertThat(metadata.id()).contains("i");
        assertThat(metadata.correlation()).contains("c");
        assertThat(metadata.causation()).contains("b");
        assertThat(metadata.get("user")).contains("ada");
        assertThat(metadata.get("User")).isEmpty();
        assertThat(metadata.entries())
                .containsOnly(
                        Map.entry(Metadata.ID, "i"),
                        Map.entry(Metadata.CORRELATION, "c"),
                        Map.entry(Metadata.CAUSATION, "b"),
                        Map.entry("user", "ada"));
    }

    @Test
    void with_id_has_the_id_and_nothing_else() {
        assertThat(Metadata.withId("i").entries()).containsOnly(Map.entry("id", "i"));
    }

    @Test
    void the_entries_are_copied() {
        var entries = new HashMap<>(Map.of("user", "ada"));
        var metadata = Metadata.of(entries);

        entries.put("user", "bob");
        entries.put("more", "1");

        assertThat(metadata.entries()).containsOnly(Map.entry("user", "ada"));
    }

    @Test
    void the_entries_cannot_be_changed() {
        for (var metadata :
                new Metadata[] {Metadata.none(), Metadata.withId("i"), Metadata.of(new HashMap<>(Map.of("user", "ada")))
                }) {
            var before = Map.copyOf(metadata.entries());

            assertThatThrownBy(() -> metadata.entries().put("user", "bob"))
                    .isInstanceOf(UnsupportedOperationException.class);
            assertThat(metadata.entries()).isEqualTo(before);
        }
    }

    @Test
    void with_adds_an_entry_to_a_copy() {
        var before = Metadata.withId("i");

        var after = before.with("user", "ada");

        assertThat(after.entries()).containsOnly(Map.entry("id", "i"), Map.entry("user", "ada"));
        assertThat(before.entries()).containsOnly(Map.entry("id", "i"));
    }

    @Test
    void with_replaces_an_entry_in_a_copy() {
        var before = Metadata.withId("i").with("user", "ada");

        var after = before.with("user", "bob");

        assertThat(after.entries()).containsOnly(Map.entry("id", "i"), Map.entry("user", "bob"));
        assertThat(before.get("user")).contains("ada");
        assertThat(Metadata.none().entries()).isEmpty();
    }

    @Test
    void a_value_may_be_empty() {
        assertThat(Metadata.none().with("note", "").get("note")).contains("");
        assertThat(Metadata.of(Map.of("note", "")).get("note")).contains("");
    }

    @Test
    void the_first_effect_correlates_with_the_id_of_its_cause() {
        var effect = Metadata.withId("2").causedBy(Metadata.withId("1"));

        assertThat(effect.entries())
                .containsOnly(Map.entry("id", "2"), Map.entry("correlation", "1"), Map.entry("causation", "1"));
    }

    @Test
    void a_chain_keeps_the_correlation_and_moves_the_causation_on() {
        var first = Metadata.withId("1");
        var second = Metadata.withId("2").causedBy(first);
        var third = Metadata.withId("3").causedBy(second);
        var fourth = Metadata.withId("4").causedBy(third);

        assertThat(third.correlation()).contains("1");
        assertThat(third.causation()).contains("2");
        assertThat(fourth.entries())
                .containsOnly(Map.entry("id", "4"), Map.entry("correlation", "1"), Map.entry("causation", "3"));
    }

    @Test
    void caused_by_takes_nothing_else_from_the_cause_and_leaves_it_as_it_was() {
        var cause = Metadata.withId("1").with("user", "ada");
        var own = Metadata.withId("2").with("lane", "fast");

        var effect = own.causedBy(cause);

        assertThat(effect.get("user")).isEmpty();
        assertThat(effect.get("lane")).contains("fast");
        assertThat(cause).isEqualTo(Metadata.withId("1").with("user", "ada"));
        assertThat(own).isEqualTo(Metadata.withId("2").with("lane", "fast"));
    }

    @Test
    void caused_by_replaces_an_earlier_correlation_and_causation() {
        var own = Metadata.of(Map.of("correlation", "old", "causation", "older"));

        assertThat(own.causedBy(Metadata.withId("1")))
                .isEqualTo(Metadata.of(Map.of("correlation", "1", "causation", "1")));
    }

    @Test
    void a_cause_with_a_correlation_and_no_id_hands_on_the_correlation_alone() {
        var cause = Metadata.none().with(Metadata.CORRELATION, "c");

        assertThat(Metadata.withId("2").causedBy(cause)).isEqualTo(Metadata.of(Map.of("id", "2", "correlation", "c")));
    }

    @Test
    void a_cause_with_neither_id_nor_correlation_changes_nothing() {
        var own = Metadata.withId("2");

        assertThat(own.causedBy(Metadata.none().with("user", "ada"))).isEqualTo(own);
        assertThat(own.causedBy(Metadata.none().with(Metadata.CAUSATION, "b"))).isEqualTo(own);
    }

    @Test
    void metadata_with_the_same_entries_is_equal_in_whatever_order_they_came() {
        var one = Metadata.none().with("a", "1").with("b", "2");
        var other = Metadata.of(Map.of("b", "2", "a", "1"));

        assertThat(one).isEqualTo(other).hasSameHashCodeAs(other);
        assertThat(one)
                .isNotEqualTo(other.with("b", "3"))
                .isNotEqualTo(other.with("c", "3"))
                .isNotEqualTo(one.entries())
                .isNotEqualTo(null)
                .doesNotHaveSameHashCodeAs(other.with("b", "3"));
    }

    @Test
    void to_string_shows_the_entries_in_the_order_of_their_keys() {
        var metadata = Metadata.withId("i").with("user", "ada").with("a", "1").with("correlation", "c");

        assertThat(metadata).hasToString("{a=1, correlation=c, id=i, user=ada}");
        assertThat(Metadata.none()).hasToString("{}");
    }

    @Test
    void an_empty_key_is_refused_and_the_metadata_unchanged() {
        var metadata = Metadata.withId("i");

        assertThatIllegalArgumentException()
                .isThrownBy(() -> metadata.with("", "value"))
                .withMessageContainingAll("metadata key", "empty", "expected at least one character");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Metadata.of(Map.of("", "value", "user", "ada")))
                .withMessageContainingAll("metadata key", "empty", "expected at least one character");
        assertThat(metadata).isEqualTo(Metadata.withId("i"));
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_and_the_metadata_unchanged() {
        var metadata = Metadata.withId("i");

        assertThatNullPointerException()
                .isThrownBy(() -> metadata.with("user", null))
                .withMessageContaining("metadata key user");
        assertThatNullPointerException().isThrownBy(() -> metadata.with(null, "ada"));
        assertThatNullPointerException().isThrownBy(() -> metadata.get(null)).withMessage("key");
        assertThatNullPointerException().isThrownBy(() -> metadata.causedBy(null));
        assertThatNullPointerException().isThrownBy(() -> Metadata.withId(null));
        assertThatNullPointerException().isThrownBy(() -> Metadata.of(null));
        assertThatNullPointerException()
                .isThrownBy(() -> Metadata.of(Collections.singletonMap("user", null)))
                .withMessageContaining("metadata key user");
        assertThatNullPointerException().isThrownBy(() -> Metadata.of(Collections.singletonMap(null, "ada")));
        assertThat(metadata).isEqualTo(Metadata.withId("i"));
    }
}
