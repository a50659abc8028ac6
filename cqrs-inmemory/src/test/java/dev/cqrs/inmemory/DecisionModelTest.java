package dev.cqrs.inmemory;

import static dev.cqrs.inmemory.Ledger.eventsOf;
import static dev.cqrs.inmemory.Ledger.sumOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.Ledger.Moved;
import dev.cqrs.inmemory.Ledger.Noted;
import dev.cqrs.inmemory.Ledger.Paid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Models of decisions: composed, loaded in one snapshot, unchanged together. */
@SuppressWarnings("NullAway") // nulls are handed over to see them refused
class DecisionModelTest {

    final InMemoryEventStore store = Ledger.store();
    final Meddled meddled = new Meddled(store);

    void append(Object... events) {
        store.append(List.of(events), AppendCondition.none());
    }

    static <T> DecisionModel<List<T>> pair(DecisionModel<T> one, DecisionModel<T> other) {
        return one.and(other, (a, b) -> List.of(a, b));
    }

    @Test
    void an_event_reaches_only_the_models_whose_query_matches_it() {
        // each fold has a step for both classes, so that only the query can keep an event away
        var paidToA = DecisionModel.of(EventQuery.types(Paid.class).withTags(Ledger.account("a")), Ledger.SUM);
        var movedAtB = DecisionModel.of(EventQuery.types(Moved.class).withTags(Ledger.account("b")), Ledger.SUM);
        append(new Paid("a", 1), new Paid("b", 2), new Moved("a", "x", 3), new Moved("a", "b", 4), new Noted("n"));

        var loaded = pair(paidToA, movedAtB).load(store);

        assertThat(loaded.state()).containsExactly(1, 400);
        assertThat(loaded.after(List.of(new Paid("b", 7), new Moved("x", "a", 7), new Noted("n")))
                        .state())
                .containsExactly(1, 400);
        assertThat(loaded.after(List.of(new Paid("a", 7), new Moved("b", "a", 7)))
                        .state())
                .containsExactly(8, 1_100);
    }

    @Test
    void an_event_that_several_models_ask_for_reaches_each_of_them() {
        append(new Moved("a", "b", 1));

        var loaded = pair(sumOf("a"), sumOf("b")).load(store);

        assertThat(loaded.state()).containsExactly(100, 100);
        assertThat(loaded.after(List.of(new Moved("b", "a", 1))).state()).containsExactly(200, 200);
    }

    @Test
    void the_condition_speaks_of_every_model_and_of_the_head_that_was_read() {
        append(new Paid("a", 1), new Noted("the head"));
        var all = DecisionModel.all(List.of(sumOf("a"), sumOf("b"), sumOf("a"))).and(sumOf("c"), (list, c) -> c);

        assertThat(all.load(store).unchanged())
                .isEqualTo(AppendCondition.unchanged(
                        eventsOf("a").or(eventsOf("b")).or(eventsOf("c")), Position.of(2)));
        assertThat(all.query()).isEqualTo(eventsOf("a").or(eventsOf("b")).or(eventsOf("c")));
    }

    @Test
    void a_composed_model_is_read_at_once() {
        var reads = new ArrayList<Integer>();
        meddled.beforeRead = reads::add;

        pair(sumOf("a"), sumOf("b"))
                .map(List::size)
                .and(sumOf("c"), Integer::sum)
                .load(meddled);

        assertThat(reads).hasSize(1);
    }

    @Test
    void composed_models_compose_further_in_any_nesting() {
        append(new Paid("a", 1), new Paid("b", 2), new Paid("c", 3), new Paid("d", 4));
        var bc = pair(sumOf("b"), sumOf("c"));
        var nested = DecisionModel.all(List.of(
                        bc.map(List::toString),
                        sumOf("a").map(Object::toString),
                        sumOf("d").and(bc, (d, both) -> d + ":" + both)))
                .and(bc.and(sumOf("a"), (both, a) -> both.get(1) - a), (list, n) -> list + "/" + n);

        var loaded = nested.load(store);

        assertThat(loaded.state()).isEqualTo("[[2, 3], 1, 4:[2, 3]]/2");
        assertThat(loaded.after(List.of(new Paid("c", 10))).state()).isEqualTo("[[2, 13], 1, 4:[2, 13]]/12");
        assertThat(nested.timeline(store).at(Position.of(2))).isEqualTo("[[2, 0], 1, 0:[2, 0]]/-1");
    }

    @Test
    void a_model_whose_state_does_not_matter_still_guards() {
        var guarded = sumOf("a").and(sumOf("b"), (a, b) -> a);
        var loaded = guarded.load(store);
        append(new Paid("b", 1));

        assertThatExceptionOfType(dev.cqrs.eventstore.AppendConflictException.class)
                .isThrownBy(() -> store.append(List.of(new Paid("a", 1)), loaded.unchanged()));
    }

    @Test
    void its_timeline_gives_the_state_as_it_was() {
        append(new Paid("a", 1), new Paid("b", 2), new Paid("a", 4));

        assertThat(sumOf("a").timeline(store).at(Position.START)).isZero();
        assertThat(sumOf("a").timeline(store).at(Position.of(2))).isEqualTo(1);
        assertThat(sumOf("a").timeline(store).at(Position.of(3))).isEqualTo(5);
        assertThat(pair(sumOf("a"), sumOf("b")).timeline(store).at(Position.of(1)))
                .containsExactly(1, 0);
    }

    @Test
    void each_load_of_a_fold_that_changes_in_place_begins_afresh() {
        var list = Fold.fresh(ArrayList<Object>::new).change(Paid.class, ArrayList::add);
        var model = DecisionModel.of(eventsOf("a"), list).and(DecisionModel.of(eventsOf("b"), list), (a, b) -> {
            var both = new ArrayList<>(a);
            both.addAll(b);
            return both;
        });
        append(new Paid("a", 1), new Paid("b", 2));

        for (int i = 0; i < 3; i++) {
            var loaded = model.load(store);
            assertThat(loaded.state()).containsExactly(new Paid("a", 1), new Paid("b", 2));
            assertThat(loaded.after(List.of(new Paid("b", 3))).state())
                    .containsExactly(new Paid("a", 1), new Paid("b", 2), new Paid("b", 3));
            assertThat(model.timeline(store).at(Position.of(1))).containsExactly(new Paid("a", 1));
        }
    }

    @Test
    void its_timeline_keeps_two_states_apart_that_are_changed_in_place() {
        var list = Fold.fresh(ArrayList<Object>::new).change(Paid.class, ArrayList::add);
        var model = DecisionModel.of(eventsOf("a"), list);
        append(new Paid("a", 1), new Paid("a", 2));

        var between = model.timeline(store).between(Position.of(1), Position.of(2));

        assertThat(between.before()).containsExactly(new Paid("a", 1));
        assertThat(between.after()).containsExactly(new Paid("a", 1), new Paid("a", 2));
        assertThatIllegalStateException()
                .isThrownBy(() -> model.timeline(store).latest(5))
                .withMessageContaining("changes its state in place");
        assertThat(sumOf("a").timeline(store).latest(5).steps()).hasSize(2);
    }

    @Test
    void no_events_leave_what_was_loaded_as_it_is() {
        var loaded = sumOf("a").load(store);

        assertThat(loaded.after(List.of())).isSameAs(loaded);
        assertThat(loaded.after(List.of(new Paid("a", 1))).unchanged()).isEqualTo(loaded.unchanged());
        assertThat(loaded.state()).isZero();
        assertThat(loaded).hasToString("0 if no match of events tagged [account:a] after position 0");
    }

    @Test
    void a_new_event_that_the_catalog_does_not_know_is_named() {
        var loaded = sumOf("a").load(store);

        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> loaded.after(List.of("unknown")))
                .withMessageContaining("java.lang.String");
        assertThat(loaded.after(List.of(new Paid("a", 1))).state()).isEqualTo(1);
    }

    @Test
    void a_function_that_gives_null_is_told_also_in_the_middle_of_a_composition() {
        var models = List.of(
                sumOf("a").map(sum -> null),
                sumOf("a").and(sumOf("b"), (a, b) -> null),
                sumOf("a").map(sum -> null).map(sum -> "made of null"),
                sumOf("a").and(sumOf("b"), (a, b) -> null).map(sum -> "made of null"),
                sumOf("a").map(sum -> null).and(sumOf("b"), (a, b) -> "made of null"),
                DecisionModel.all(List.of(sumOf("a").map(sum -> null))));

        for (var model : models) {
            assertThatNullPointerException()
                    .isThrownBy(() -> model.load(store))
                    .withMessageContaining("returned null; expected a state");
        }
    }

    @Test
    void a_step_that_fails_reaches_the_caller_and_the_model_works_on() {
        var picky = DecisionModel.of(eventsOf("a"), Fold.from(0).on(Paid.class, (sum, e) -> {
            if (e.amount() < 0) {
                throw new IllegalStateException("negative");
            }
            return sum + e.amount();
        }));
        append(new Paid("a", 1), new Paid("a", -1));

        assertThatIllegalStateException().isThrownBy(() -> picky.load(store)).withMessage("negative");
        assertThatIllegalStateException()
                .isThrownBy(() -> pair(sumOf("b"), picky).load(store))
                .withMessage("negative");
        assertThat(picky.timeline(store).at(Position.of(1))).isEqualTo(1);
    }

    @Test
    void nulls_and_no_models_at_all_are_refused() {
        var model = sumOf("a");
        assertThatNullPointerException().isThrownBy(() -> DecisionModel.of(null, Ledger.SUM));
        assertThatNullPointerException().isThrownBy(() -> DecisionModel.of(eventsOf("a"), null));
        assertThatNullPointerException().isThrownBy(() -> model.and(null, (a, b) -> a));
        assertThatNullPointerException().isThrownBy(() -> model.and(model, null));
        assertThatNullPointerException().isThrownBy(() -> model.map(null));
        assertThatNullPointerException().isThrownBy(() -> model.load(null));
        assertThatNullPointerException().isThrownBy(() -> model.timeline(null));
        assertThatNullPointerException().isThrownBy(() -> model.timeline(store).at((Position) null));
        assertThatNullPointerException().isThrownBy(() -> model.load(store).after(null));
        assertThatNullPointerException().isThrownBy(() -> DecisionModel.all(Arrays.asList(model, null)));
        assertThatIllegalArgumentException().isThrownBy(() -> DecisionModel.all(List.of()));
        assertThat(model.load(store).state()).isZero();
    }

    @Test
    void a_composed_model_gives_what_its_parts_give_one_by_one() {
        for (long seed : Ledger.seeds(100)) {
            var random = new SplittableRandom(seed);
            var own = Ledger.store();
            for (int step = 0; step < 60; step++) {
                own.append(List.of(event(random)), AppendCondition.none());
            }
            var parts = new ArrayList<DecisionModel<Integer>>();
            for (int i = 0; i < 1 + random.nextInt(5); i++) {
                parts.add(DecisionModel.of(query(random), Ledger.SUM));
            }
            var more = List.of(event(random), event(random), event(random));

            var all = DecisionModel.all(parts).load(own);
            var after = all.after(more);
            own.append(more, AppendCondition.none());

            for (int i = 0; i < parts.size(); i++) {
                assertThat(all.state().get(i))
                        .as(Ledger.replay(seed))
                        .isEqualTo(parts.get(i).timeline(own).at(Position.of(60)));
                assertThat(after.state().get(i))
                        .as(Ledger.replay(seed))
                        .isEqualTo(parts.get(i).load(own).state());
            }
            assertThat(DecisionModel.all(parts).timeline(own).at(Position.of(63)))
                    .as(Ledger.replay(seed))
                    .isEqualTo(after.state());
        }
    }

    static Object event(SplittableRandom random) {
        int account = random.nextInt(3);
        return switch (random.nextInt(3)) {
            case 0 -> new Moved("a" + account, "a" + (account + 1) % 3, random.nextInt(9));
            case 1 -> new Noted("n");
            default -> new Paid("a" + account, random.nextInt(9));
        };
    }

    static EventQuery query(SplittableRandom random) {
        var query = eventsOf("a" + random.nextInt(3));
        return switch (random.nextInt(5)) {
            case 0 -> query.withTypes(Paid.class);
            case 1 -> query.withTypes(Moved.class).or(EventQuery.types(Noted.class));
            case 2 -> query.withTags(Ledger.account("a" + random.nextInt(3)));
            case 3 -> EventQuery.all();
            default -> query;
        };
    }
}
