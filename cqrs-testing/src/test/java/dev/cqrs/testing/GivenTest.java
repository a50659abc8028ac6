package dev.cqrs.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.decider.Decider;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.projection.Projection;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class GivenTest {

    sealed interface Happened {}

    record Paid(String account, int cents) implements Happened {}

    record Drawn(String account, int cents) implements Happened {}

    record Closed(String account) implements Happened {}

    sealed interface Order {}

    record Draw(String account, int cents) implements Order {}

    record Close(String account) implements Order {}

    private static final Decider<Order, Integer, Happened> DECIDER = Decider.builder(Order.class, Happened.class, 0)
            .decide(Draw.class, (draw, balance) -> GivenTest.draw(draw, balance))
            .decide(
                    Close.class,
                    (close, balance) -> balance == 0
                            ? Decision.<Happened>accept()
                            : Decision.accept(new Drawn(close.account(), balance), new Closed(close.account())))
            .evolve(Paid.class, (balance, e) -> balance + e.cents())
            .evolve(Drawn.class, (balance, e) -> balance - e.cents())
            .evolve(Closed.class, (balance, e) -> balance)
            .build();

    private static Decision<Happened> draw(Draw draw, int balance) {
        return draw.cents() > balance
                ? Decision.reject("only " + balance + " left")
                : Decision.accept(new Drawn(draw.account(), draw.cents()));
    }

    private static final Catalog CATALOG = Catalog.builder()
            .event("paid", Paid.class, e -> Set.of(Tag.of("account", e.account())))
            .event("drawn", Drawn.class, e -> Set.of(Tag.of("account", e.account())))
            .build();

    private static final Fold<Integer> BALANCE =
            Fold.from(0).on(Paid.class, (sum, e) -> sum + e.cents()).on(Drawn.class, (sum, e) -> sum - e.cents());

    private static final Projection<Map<String, Integer>> BALANCES = Projection.of(
            "balances",
            1,
            Fold.<Map<String, Integer>>fresh(TreeMap::new)
                    .change(Paid.class, (view, e) -> view.merge(e.account(), e.cents(), Integer::sum))
                    .change(Drawn.class, (view, e) -> view.merge(e.account(), -e.cents(), Integer::sum)));

    private static DecisionModel<Integer> balanceOf(Draw draw) {
        return DecisionModel.of(EventQuery.tagged(Tag.of("account", draw.account())), BALANCE);
    }

    // ---- what holds

    @Test
    void a_decider_accepts() {
        Given.decider(DECIDER)
                .events(new Paid("1", 100))
                .events(new Drawn("1", 30))
                .when(new Draw("1", 70))
                .thenEvents(new Drawn("1", 70))
                .thenState(0);
        Given.decider(DECIDER)
                .events(new Paid("1", 5))
                .when(new Close("1"))
                .thenEvents(new Drawn("1", 5), new Closed("1"));
    }

    @Test
    void a_decider_rejects_and_the_state_stays() {
        Given.decider(DECIDER)
                .events(new Paid("1", 100))
                .when(new Draw("1", 101))
                .thenRejected("only 100 left")
                .thenState(100);
    }

    @Test
    void a_decider_has_nothing_to_do() {
        Given.decider(DECIDER).when(new Close("1")).thenNothing().thenEvents().thenState(0);
    }

    @Test
    void a_scenario_can_be_begun_once_and_go_on_in_several_ways() {
        var rich = Given.decider(DECIDER).events(new Paid("1", 100));
        rich.events(new Drawn("1", 60)).when(new Draw("1", 50)).thenRejected("only 40 left");
        rich.when(new Draw("1", 50)).thenEvents(new Drawn("1", 50));
    }

    @Test
    void a_decision_sees_the_events_that_its_model_asks_for() {
        var scenario = Given.decision(CATALOG, GivenTest::balanceOf, GivenTest::draw)
                .events(new Paid("1", 10), new Paid("2", 1000));
        scenario.when(new Draw("1", 11)).thenRejected("only 10 left").thenState(10);
        scenario.when(new Draw("2", 11)).thenEvents(new Drawn("2", 11)).thenState(989);
        Given.decision(CATALOG, GivenTest::balanceOf, GivenTest::draw)
                .when(new Draw("1", 0))
                .thenEvents(new Drawn("1", 0));
    }

    @Test
    void an_event_that_the_catalog_does_not_know_is_refused() {
        var scenario =
                Given.decision(CATALOG, GivenTest::balanceOf, GivenTest::draw).events(new Closed("1"));
        assertThatThrownBy(() -> scenario.when(new Draw("1", 1))).isInstanceOf(UnknownEventException.class);
    }

    @Test
    void a_projection_gives_a_view_which_is_new_each_time() {
        Given.projection(BALANCES)
                .thenView(Map.of())
                .events(new Paid("1", 100), new Drawn("1", 30), "unknown to it")
                .thenView(Map.of("1", 70))
                .thenView(Map.of("1", 70))
                .then(view -> assertThat(view).hasSize(1));
    }

    @Test
    void a_projection_over_tags_needs_the_catalog_to_know_them() {
        var one = BALANCES.over(EventQuery.tagged(Tag.of("account", "1")));
        Given.projection(one, CATALOG)
                .events(new Paid("1", 5), new Paid("2", 6))
                .thenView(Map.of("1", 5));
        assertThatThrownBy(() -> Given.projection(one))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "The query of projection \"balances\" asks for tags ([account:1]), which only a catalog knows."
                                + " Give it one: Given.projection(projection, catalog).");
    }

    @Test
    void a_projection_over_types_leaves_out_the_others() {
        Given.projection(BALANCES.over(EventQuery.types(Paid.class)))
                .events(new Paid("1", 5), new Drawn("1", 1))
                .thenView(Map.of("1", 5));
    }

    @Test
    void a_fold_gives_a_state() {
        Given.fold(BALANCE)
                .thenView(0)
                .events(new Paid("1", 5), new Drawn("1", 1))
                .thenView(4);
    }

    @Test
    void what_the_decision_or_the_check_throws_is_thrown() {
        var fault = new IllegalStateException("fault");
        var decider = Decider.builder(Close.class, Closed.class, 0)
                .decide(Close.class, (close, state) -> {
                    throw fault;
                })
                .evolve(Closed.class, (state, e) -> state)
                .build();
        assertThatThrownBy(() -> Given.decider(decider).when(new Close("1"))).isSameAs(fault);
        assertThatThrownBy(() -> Given.fold(BALANCE).then(state -> {
                    throw fault;
                }))
                .isSameAs(fault);
    }

    // ---- what does not

    @Test
    void other_events_are_shown_beside_the_expected_ones() {
        assertThatThrownBy(() -> Given.decider(DECIDER)
                        .events(new Paid("1", 10), new Drawn("1", 5))
                        .when(new Close("1"))
                        .thenEvents(new Drawn("1", 10), new Closed("1")))
                .isInstanceOf(AssertionError.class)
                .hasMessage("""
                        Another outcome than expected.
                        given  Paid[account=1, cents=10]
                               Drawn[account=1, cents=5]
                        when   Close[account=1]
                        then
                          expected                   | actual
                        ! Drawn[account=1, cents=10] | Drawn[account=1, cents=5]
                          Closed[account=1]          | Closed[account=1]
                        """);
    }

    @Test
    void missing_and_surplus_events_have_nothing_beside_them() {
        var closing = Given.decider(DECIDER).events(new Paid("1", 5)).when(new Close("1"));
        assertThatThrownBy(() -> closing.thenEvents(new Closed("1"))).hasMessageEndingWith("""
                        then
                          expected          | actual
                        ! -                 | Drawn[account=1, cents=5]
                          Closed[account=1] | Closed[account=1]
                        """);
        assertThatThrownBy(() -> closing.thenEvents(new Drawn("1", 5), new Closed("1"), new Closed("2")))
                .hasMessageEndingWith("""
                        then
                          expected                  | actual
                          Drawn[account=1, cents=5] | Drawn[account=1, cents=5]
                          Closed[account=1]         | Closed[account=1]
                        ! Closed[account=2]         | -
                        """);
        assertThatThrownBy(closing::thenNothing).hasMessageEndingWith("""
                        then
                          expected | actual
                        ! -        | Drawn[account=1, cents=5]
                        ! -        | Closed[account=1]
                        """);
    }

    @Test
    void a_rejection_is_shown_where_the_events_would_be() {
        assertThatThrownBy(() -> Given.decider(DECIDER).when(new Draw("1", 5)).thenEvents(new Drawn("1", 5)))
                .hasMessage("""
                        Another outcome than expected.
                        given  no events
                        when   Draw[account=1, cents=5]
                        then
                          expected                  | actual
                        ! Drawn[account=1, cents=5] | rejected: only 0 left
                        """);
        assertThatThrownBy(() -> Given.decider(DECIDER).when(new Draw("1", 5)).thenRejected("no money"))
                .hasMessageEndingWith("! rejected: no money | rejected: only 0 left\n");
        assertThatThrownBy(() -> Given.decider(DECIDER).when(new Close("1")).thenRejected("no money"))
                .hasMessageEndingWith("! rejected: no money | -\n");
    }

    @Test
    void another_state_is_shown() {
        assertThatThrownBy(() -> Given.decider(DECIDER).when(new Close("1")).thenState(7))
                .hasMessage("""
                        Another state than expected.
                        given  no events
                        when   Close[account=1]
                        then
                          expected | actual
                        ! 7        | 0
                        """);
    }

    @Test
    void a_view_is_shown_entry_by_entry() {
        assertThatThrownBy(() -> Given.projection(BALANCES)
                        .events(new Paid("1", 5), new Paid("3", 6), new Paid("2", 7))
                        .thenView(Map.of("3", 6, "2", 8, "1", 5)))
                .hasMessage("""
                        Another view than expected.
                        given  Paid[account=1, cents=5]
                               Paid[account=3, cents=6]
                               Paid[account=2, cents=7]
                        then
                          expected | actual
                          1=5      | 1=5
                        ! 2=8      | 2=7
                          3=6      | 3=6
                        """);
    }

    @Test
    void an_empty_view_and_one_of_another_kind_are_shown() {
        var names = Fold.<List<String>>fresh(ArrayList::new).change(Paid.class, (list, e) -> list.add(e.account()));
        assertThatThrownBy(() -> Given.fold(names).thenView(List.of("a")))
                .hasMessageEndingWith("then\n  expected | actual\n! a        | -\n");
        Fold<Object> set = Fold.<Object>from(Set.of());
        assertThatThrownBy(() -> Given.fold(set).thenView(List.of()))
                .hasMessageContaining(
                        "then\n  expected | actual\n  -        | -\nAll lines are equal, but the whole is not: a"
                                + " java.util.ImmutableCollections$ListN is expected, and a"
                                + " java.util.ImmutableCollections$SetN it is.\n");
        Fold<Object> sorted = Fold.<Object>from(new LinkedHashSet<>(List.of("b", "a")));
        assertThatThrownBy(() -> Given.fold(sorted).thenView(Set.of("a", "c")))
                .hasMessageEndingWith("then\n  expected | actual\n  a        | a\n! c        | b\n");
    }

    /** Has a text, but no equals. */
    @SuppressWarnings("unused")
    static final class Lazy {
        @Override
        public String toString() {
            return "Lazy";
        }
    }

    static final class Mute {}

    @SuppressWarnings("ArrayRecordComponent") // the mistake that is tested
    record Bytes(byte[] bytes) {
        @Override
        public String toString() {
            return "Bytes" + bytes.length;
        }
    }

    @Test
    void what_reads_the_same_but_is_not_equal_is_explained() {
        assertThatThrownBy(() -> Given.fold(Fold.from(new Lazy())).thenView(new Lazy()))
                .hasMessageEndingWith("""
                        then
                          expected | actual
                        ! Lazy     | Lazy
                        They read the same, but are not equal: dev.cqrs.testing.GivenTest$Lazy needs an equals that \
                        compares what is in it. Records have one, but not for arrays.
                        """);
        assertThatThrownBy(() -> Given.fold(Fold.from(new Mute())).thenView(new Mute()))
                .hasMessageContaining("! dev.cqrs.testing.GivenTest$Mute (it has no text) |"
                        + " dev.cqrs.testing.GivenTest$Mute (it has no text)\nThey read the same");
        assertThatThrownBy(() -> Given.fold(Fold.from(new Bytes(new byte[1]))).thenView(new Bytes(new byte[1])))
                .hasMessageContaining("! Bytes1   | Bytes1\nThey read the same");
        assertThatThrownBy(() -> Given.fold(Fold.<Object>from(1)).thenView(1L))
                .hasMessageEndingWith(
                        "! 1        | 1\nThey read the same, but are a java.lang.Long and a" + " java.lang.Integer.\n");
    }

    @Test
    void long_texts_go_on_in_the_next_line() {
        var text = "x".repeat(100);
        assertThatThrownBy(() -> Given.fold(Fold.from(text)).thenView("short\nand more"))
                .hasMessageEndingWith("then\n  expected | actual\n! short    | " + "x".repeat(60) + "\n! and more | "
                        + "x".repeat(40) + "\n");
        assertThatThrownBy(() -> Given.fold(Fold.from("short")).thenView(text))
                .hasMessageEndingWith(
                        "\n! " + "x".repeat(60) + " | short\n! " + "x".repeat(40) + " ".repeat(20) + " |\n");
    }

    @Test
    void long_lists_are_compared_by_their_numbers() {
        var numbers = IntStream.range(0, 2_000).boxed().toList();
        var others = new ArrayList<>(numbers);
        others.set(1_000, -1);
        assertThatThrownBy(() -> Given.fold(Fold.from(numbers)).thenView(others))
                .hasMessageContaining("  999      | 999\n! -1       | 1000\n  1001     | 1001\n");
    }

    // ---- what is no answer

    /** Gives nothing at one of three places. */
    private static Decider<Order, Integer, Happened> forgetful(
            Integer initial, Decision<Happened> decision, Integer next) {
        return new Decider<>() {
            @Override
            public Integer initialState() {
                return initial;
            }

            @Override
            public Decision<Happened> decide(Order command, Integer state) {
                return decision;
            }

            @Override
            public Integer evolve(Integer state, Happened event) {
                return next;
            }
        };
    }

    @Test
    @SuppressWarnings("NullAway") // that is what is tested
    void a_decider_that_gives_null_is_named_as_a_handler_would() {
        var close = new Close("1");
        assertThatThrownBy(() -> Given.decider(forgetful(0, null, 0)).when(close))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("decision on " + Close.class.getName() + " is null");
        assertThatThrownBy(() ->
                        Given.decider(forgetful(null, Decision.accept(), 0)).when(close))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("initial state");
        assertThatThrownBy(() -> Given.decider(forgetful(0, Decision.accept(new Closed("1")), null))
                        .when(close))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("state after " + Closed.class.getName() + " is null");
        assertThatThrownBy(() -> Given.decision(CATALOG, GivenTest::balanceOf, (draw, balance) -> null)
                        .when(new Draw("1", 5)))
                .isInstanceOf(NullPointerException.class)
                .hasMessageContaining("decision on " + Draw.class.getName() + " is null");
    }

    @Test
    @SuppressWarnings("NullAway") // a list of the application's own may hold nulls
    void a_view_with_nulls_is_shown_too() {
        var views = Given.fold(Fold.from(Arrays.<Object>asList("a", null)));

        assertThatThrownBy(() -> views.thenView(Arrays.asList("null", null, "b")))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("Another view than expected");
        views.thenView(Arrays.asList("a", null));
    }

    /** Has neither a text nor a number. */
    record Wordless(int cents) {
        @Override
        public String toString() {
            throw new UnsupportedOperationException("no text");
        }
    }

    static final class Numberless {
        @Override
        public boolean equals(Object other) {
            return other == this;
        }

        @Override
        public int hashCode() {
            throw new UnsupportedOperationException("no number");
        }
    }

    @Test
    void what_cannot_be_printed_is_named_by_its_class() {
        assertThatThrownBy(() -> Given.fold(Fold.<Object>from(new Wordless(1))).thenView(new Wordless(2)))
                .isInstanceOf(AssertionError.class)
                .hasMessageContainingAll("! ", "Wordless (its text throws")
                .hasMessageNotContaining("needs an equals");
        assertThatThrownBy(() -> Given.fold(Fold.<Object>from(new Numberless())).thenView(new Numberless()))
                .isInstanceOf(AssertionError.class)
                .hasMessageContainingAll("! ", "Numberless (its text throws");
    }
}
