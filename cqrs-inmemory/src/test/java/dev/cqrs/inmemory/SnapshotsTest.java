package dev.cqrs.inmemory;

import static dev.cqrs.inmemory.Ledger.SUM;
import static dev.cqrs.inmemory.Ledger.eventsOf;
import static dev.cqrs.inmemory.Ledger.id;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.decider.Snapshots;
import dev.cqrs.decider.Snapshots.Outcome;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.inmemory.Ledger.Noted;
import dev.cqrs.inmemory.Ledger.Paid;
import dev.cqrs.inmemory.Ledger.Pay;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Snapshots: the same decisions with and without, whatever is in the store of them. */
@SuppressWarnings("NullAway") // nulls are handed over to see them refused
class SnapshotsTest {

    static final String KEY = "snapshot/sum/a";

    final InMemoryEventStore store = Ledger.store();
    final Meddled meddled = new Meddled(store);
    final InMemoryCheckpointStore kept = new InMemoryCheckpointStore();
    final Snapshots<Integer> sums = sums(kept, 1).every(3);
    final DecisionModel<Integer> model = sums.model("a", eventsOf("a"));

    static Snapshots<Integer> sums(CheckpointStore checkpoints, int version) {
        return Snapshots.of(checkpoints, "sum", version, Integer.class, SUM);
    }

    void pay(String account, int... amounts) {
        for (int amount : amounts) {
            store.append(List.of(new Paid(account, amount)), AppendCondition.none());
        }
    }

    Map<Outcome, Long> counts() {
        var counts = new EnumMap<Outcome, Long>(Outcome.class);
        for (var outcome : Outcome.values()) {
            if (sums.count(outcome) != 0) {
                counts.put(outcome, sums.count(outcome));
            }
        }
        return counts;
    }

    // ---- policy

    @Test
    void a_snapshot_is_saved_with_version_and_position_after_so_many_events_and_not_before() {
        pay("a", 1, 2);
        assertThat(model.load(store).state()).isEqualTo(3);
        assertThat(kept.load(KEY)).isEmpty();

        pay("a", 4);
        pay("b", 1);
        assertThat(model.load(store).state()).isEqualTo(7);
        assertThat(kept.load(KEY)).contains(new Checkpoint(1, Position.of(3), 7));
        assertThat(counts()).isEqualTo(Map.of(Outcome.MISSING, 2L, Outcome.SAVED, 1L));
    }

    @Test
    void the_next_one_is_saved_after_so_many_events_behind_it() {
        pay("a", 1, 1, 1);
        model.load(store);
        pay("a", 1, 1);
        assertThat(model.load(store).state()).isEqualTo(5);
        assertThat(kept.load(KEY).orElseThrow().position()).isEqualTo(Position.of(3));

        pay("a", 1);
        assertThat(model.load(store).state()).isEqualTo(6);
        assertThat(kept.load(KEY)).contains(new Checkpoint(1, Position.of(6), 6));
        assertThat(counts()).isEqualTo(Map.of(Outcome.MISSING, 1L, Outcome.USED, 2L, Outcome.SAVED, 2L));
    }

    @Test
    void what_is_before_a_snapshot_is_not_folded_again() {
        var folded = new ArrayList<Object>();
        var noting = Snapshots.of(kept, "noting", 1, Integer.class, Fold.from(0).on(Paid.class, (sum, e) -> {
                    folded.add(e);
                    return sum + e.amount();
                }))
                .every(3)
                .model("a", eventsOf("a"));
        pay("a", 1, 2, 3);
        noting.load(store);
        pay("a", 4);
        folded.clear();

        assertThat(noting.load(store).state()).isEqualTo(10);
        assertThat(folded).containsExactly(new Paid("a", 4));
    }

    @Test
    void deleting_them_changes_nothing() {
        pay("a", 1, 2, 3);
        model.load(store);
        kept.delete(KEY);

        assertThat(model.load(store).state()).isEqualTo(6);
        assertThat(counts()).isEqualTo(Map.of(Outcome.MISSING, 2L, Outcome.SAVED, 2L));
    }

    @Test
    void the_condition_is_that_of_the_same_model_without_snapshots() {
        pay("a", 1, 2, 3);
        model.load(store);
        pay("b", 1);
        var plain = DecisionModel.of(eventsOf("a"), SUM);

        assertThat(model.load(store).unchanged()).isEqualTo(plain.load(store).unchanged());
        assertThat(model.query()).isEqualTo(plain.query());
    }

    @Test
    void at_a_past_position_snapshots_are_left_alone() {
        pay("a", 1, 2, 3);
        model.load(store);
        kept.save(KEY, new Checkpoint(1, Position.of(1), 99));

        assertThat(model.timeline(store).at(Position.of(2))).isEqualTo(3);
    }

    // ---- not believed

    void assertNotBelieved(Checkpoint wrong, Outcome outcome) {
        kept.save(KEY, wrong);

        assertThat(model.load(store).state()).isEqualTo(6);
        assertThat(counts().keySet()).containsOnly(outcome, Outcome.SAVED);
    }

    @Test
    void one_of_an_earlier_version_is_ignored_counted_and_replaced() {
        pay("a", 1, 2, 3);
        assertNotBelieved(new Checkpoint(0, Position.of(3), 99), Outcome.STALE);
        assertThat(kept.load(KEY)).contains(new Checkpoint(1, Position.of(3), 6));
    }

    @Test
    void one_of_a_later_version_is_ignored_counted_and_left_for_those_who_know_it() {
        pay("a", 1, 2, 3);
        var newer = new Checkpoint(2, Position.of(3), 99);
        kept.save(KEY, newer);

        assertThat(model.load(store).state()).isEqualTo(6);
        assertThat(kept.load(KEY)).contains(newer);
        assertThat(counts()).isEqualTo(Map.of(Outcome.NEWER, 1L));
    }

    @Test
    void one_of_another_type_is_ignored_counted_and_replaced() {
        pay("a", 1, 2, 3);
        assertNotBelieved(new Checkpoint(1, Position.of(3), "99"), Outcome.CORRUPT);
        assertThat(kept.load(KEY)).contains(new Checkpoint(1, Position.of(3), 6));
    }

    @Test
    void one_of_no_event_at_all_is_ignored_and_counted() {
        pay("a", 1, 2, 3);
        assertNotBelieved(new Checkpoint(1, Position.START, 99), Outcome.CORRUPT);
    }

    @Test
    void one_behind_the_head_is_ignored_and_counted() {
        pay("a", 1, 2, 3);
        assertNotBelieved(new Checkpoint(1, Position.of(4), 99), Outcome.NEWER);
        assertNotBelieved(new Checkpoint(1, Position.of(Long.MAX_VALUE), 99), Outcome.NEWER);
    }

    @Test
    void one_at_a_position_of_another_entity_is_ignored_and_counted() {
        pay("a", 1, 2);
        pay("b", 50);
        pay("a", 3);
        store.append(List.of(new Noted("untagged")), AppendCondition.none());
        assertNotBelieved(new Checkpoint(1, Position.of(3), 99), Outcome.WRONG);
        assertNotBelieved(new Checkpoint(1, Position.of(5), 99), Outcome.WRONG);
    }

    record Basket(List<String> items, Integer sum) {}

    @Test
    void one_that_the_fold_cannot_go_on_from_is_ignored_and_counted() {
        var baskets = Snapshots.of(
                kept,
                "basket",
                1,
                Basket.class,
                Fold.from(new Basket(List.of(), 0))
                        .on(Paid.class, (basket, e) -> new Basket(List.of(), basket.sum() + e.amount())));
        var basket = baskets.model("a", eventsOf("a"));
        pay("a", 1, 2, 3);
        kept.save("snapshot/basket/a", new Checkpoint(1, Position.of(2), new Basket(null, null)));

        assertThat(basket.load(store).state().sum()).isEqualTo(6);
        assertThat(baskets.count(Outcome.CORRUPT)).isEqualTo(1);
        assertThat(baskets.count(Outcome.USED)).isZero();
    }

    @Test
    void a_step_that_fails_reaches_the_caller_with_a_snapshot_as_without() {
        var picky = Snapshots.of(kept, "picky", 1, Integer.class, Fold.from(0).on(Paid.class, (sum, e) -> {
            if (e.amount() < 0) {
                throw new IllegalStateException("negative");
            }
            return sum + e.amount();
        }));
        var pickyModel = picky.every(1).model("a", eventsOf("a"));
        pay("a", 1);
        pickyModel.load(store);
        pay("a", -1);

        assertThatIllegalStateException()
                .isThrownBy(() -> pickyModel.load(store))
                .withMessage("negative");
    }

    @Test
    void one_of_another_meaning_is_found_by_verification_thrown_away_and_not_believed() {
        pay("a", 1, 2, 3);
        kept.save(KEY, new Checkpoint(1, Position.of(2), 99));
        assertThat(model.load(store).state()).isEqualTo(102);

        var verifying = sums.verifyEvery(1).model("a", eventsOf("a"));
        assertThat(verifying.load(store).state()).isEqualTo(6);
        assertThat(kept.load(KEY)).isEmpty();
        assertThat(counts()).isEqualTo(Map.of(Outcome.USED, 1L, Outcome.WRONG, 1L));
    }

    @Test
    void verification_takes_place_at_every_so_many_uses() {
        pay("a", 1, 2, 3);
        kept.save(KEY, new Checkpoint(1, Position.of(2), 99));
        var verifying = sums.verifyEvery(3).model("a", eventsOf("a"));

        assertThat(List.of(
                        verifying.load(store).state(),
                        verifying.load(store).state(),
                        verifying.load(store).state()))
                .containsExactly(102, 102, 6);
    }

    @Test
    void a_wrong_one_that_was_carried_on_by_the_same_read_is_thrown_away_too() {
        pay("a", 1, 2, 3, 4, 5);
        kept.save(KEY, new Checkpoint(1, Position.of(1), 99));

        assertThat(sums.verifyEvery(1).model("a", eventsOf("a")).load(store).state())
                .isEqualTo(15);
        assertThat(kept.load(KEY)).isEmpty();
    }

    // ---- a store of snapshots that fails

    /** Fails, or gives something else, as it is told. */
    static class Faulty implements CheckpointStore {

        final InMemoryCheckpointStore kept = new InMemoryCheckpointStore();
        boolean failing;

        private void fail() {
            if (failing) {
                throw new IllegalStateException("out of order");
            }
        }

        @Override
        public Optional<Checkpoint> load(String name) {
            fail();
            return kept.load(name);
        }

        @Override
        public void save(String name, Checkpoint checkpoint) {
            fail();
            kept.save(name, checkpoint);
        }

        @Override
        public void delete(String name) {
            fail();
            kept.delete(name);
        }
    }

    @Test
    void a_store_that_fails_stops_no_decision() {
        var faulty = new Faulty();
        var broken = sums(faulty, 1).every(2).verifyEvery(1);
        var brokenModel = broken.model("a", eventsOf("a"));
        faulty.failing = true;
        pay("a", 1, 2, 3);

        assertThat(brokenModel.load(store).state()).isEqualTo(6);
        assertThat(broken.count(Outcome.CORRUPT)).isEqualTo(1);
        assertThat(broken.count(Outcome.NOT_SAVED)).isEqualTo(1);

        faulty.failing = false;
        assertThat(brokenModel.load(store).state()).isEqualTo(6);
        assertThat(broken.count(Outcome.SAVED)).isEqualTo(1);
    }

    @Test
    void a_wrong_one_that_cannot_be_deleted_is_not_believed_either() {
        var faulty = new Faulty() {
            @Override
            public void delete(String name) {
                throw new IllegalStateException("cannot delete");
            }
        };
        var verifying = sums(faulty, 1).verifyEvery(1);
        pay("a", 1, 2, 3);
        faulty.save(KEY, new Checkpoint(1, Position.of(2), 99));

        for (int i = 0; i < 3; i++) {
            assertThat(verifying.model("a", eventsOf("a")).load(store).state()).isEqualTo(6);
        }
        assertThat(verifying.count(Outcome.WRONG)).isEqualTo(3);
        assertThat(verifying.count(Outcome.NOT_SAVED)).isEqualTo(3);
    }

    @Test
    void one_that_is_not_believed_is_not_verified_either() {
        pay("a", 1, 2);
        kept.save(KEY, new Checkpoint(1, Position.of(9), 99));

        assertThat(sums.verifyEvery(1).model("a", eventsOf("a")).load(store).state())
                .isEqualTo(3);
        assertThat(counts()).isEqualTo(Map.of(Outcome.NEWER, 1L));
    }

    // ---- with deciding

    DecisionHandler<Pay, Integer, Integer> handler(Snapshots<Integer> snapshots) {
        return new DecisionHandler<Pay, Integer, Integer>(
                        meddled,
                        c -> snapshots.model(c.account(), eventsOf(c.account())),
                        Ledger::decide,
                        (c, sum) -> sum)
                .idempotent();
    }

    @Test
    void commands_repeats_batches_and_conflicts_give_the_same_with_snapshots() {
        var handler = handler(sums);
        meddled.beforeAppend = number -> {
            if (number % 3 == 0) {
                pay("a", 1);
            }
        };
        var first = new ArrayList<Integer>();
        for (int i = 0; i < 30; i++) {
            first.add(handler.handle(new Pay("a", i), id("id" + i)));
        }
        var batch = handler.handleAll(List.of(new Pay("a", 1), new Pay("b", 2), new Pay("a", 3)), id("batch"));

        for (int i = 0; i < 30; i++) {
            assertThat(handler.handle(new Pay("a", i), id("id" + i))).isEqualTo(first.get(i));
        }
        assertThat(handler.handleAll(List.of(new Pay("a", 1), new Pay("b", 2), new Pay("a", 3)), id("batch")))
                .isEqualTo(batch);
        assertThat(sums.count(Outcome.USED)).isPositive();
        assertThat(model.load(store).state())
                .isEqualTo(DecisionModel.of(eventsOf("a"), SUM).load(store).state());
    }

    @Test
    void an_append_between_the_reads_of_a_composed_model_is_a_conflict_and_never_half_seen() {
        pay("a", 1, 2, 3);
        pay("b", 1, 2, 3);
        var b = sums.model("b", eventsOf("b"));
        var c = DecisionModel.of(eventsOf("c"), SUM);
        var composed = DecisionModel.all(List.of(c, model, b));
        meddled.beforeRead = number -> {
            pay("a", 100);
            pay("b", 100);
            pay("c", 100);
        };
        var loaded = composed.load(meddled);

        assertThat(loaded.state()).containsExactly(100, 106, 106);
        assertThat(loaded.unchanged())
                .isEqualTo(AppendCondition.unchanged(
                        eventsOf("c").or(eventsOf("a")).or(eventsOf("b")), Position.of(9)));
    }

    @Test
    void an_invariant_holds_under_racing_threads_with_snapshots_at_every_event() throws Exception {
        var racing = new DecisionHandler<Pay, Integer, Integer>(
                store,
                c -> sums.every(1).verifyEvery(2).model(c.account(), eventsOf(c.account())),
                Ledger::decide,
                (c, sum) -> sum);

        Ledger.together(8, () -> {
            for (int i = 0; i < 60; i++) {
                try {
                    racing.handle(new Pay("a", 10), Metadata.none());
                } catch (RejectedException full) {
                    return full;
                }
            }
            return "done";
        });

        assertThat(DecisionModel.of(eventsOf("a"), SUM).load(store).state()).isEqualTo(Ledger.LIMIT);
        assertThat(sums.count(Outcome.WRONG)).isZero();
        assertThat(sums.count(Outcome.CORRUPT)).isZero();
    }

    // ---- bad input

    @Test
    void bad_input_is_refused() {
        for (var name : List.of("", " ", "a/b")) {
            assertThatIllegalArgumentException().isThrownBy(() -> Snapshots.of(kept, name, 1, Integer.class, SUM));
        }
        for (int less : List.of(0, -1)) {
            assertThatIllegalArgumentException().isThrownBy(() -> sums(kept, less));
            assertThatIllegalArgumentException().isThrownBy(() -> sums.every(less));
            assertThatIllegalArgumentException().isThrownBy(() -> sums.verifyEvery(less));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> sums.model("", eventsOf("a")));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Snapshots.of(kept, "sum", 1, int.class, SUM))
                .withMessageContainingAll("\"sum\"", "primitive type int", "expected the class around it");
        assertThatNullPointerException().isThrownBy(() -> Snapshots.of(null, "sum", 1, Integer.class, SUM));
        assertThatNullPointerException().isThrownBy(() -> Snapshots.of(kept, null, 1, Integer.class, SUM));
        assertThatNullPointerException().isThrownBy(() -> Snapshots.of(kept, "sum", 1, null, SUM));
        assertThatNullPointerException().isThrownBy(() -> Snapshots.of(kept, "sum", 1, Integer.class, null));
        assertThatNullPointerException().isThrownBy(() -> sums.model(null, eventsOf("a")));
        assertThatNullPointerException().isThrownBy(() -> sums.model("a", null));
        assertThatNullPointerException().isThrownBy(() -> sums.count(null));
    }

    @Test
    @SuppressWarnings("unchecked")
    void a_fold_that_changes_its_state_in_place_is_refused() {
        var inPlace = Fold.fresh(ArrayList<Object>::new).change(Paid.class, ArrayList::add);

        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        Snapshots.of(kept, "list", 1, (Class<ArrayList<Object>>) (Class<?>) ArrayList.class, inPlace))
                .withMessageContaining("in place");
    }

    @Test
    void kinds_and_keys_do_not_get_into_each_others_way() {
        var other = Snapshots.of(kept, "count", 1, Integer.class, Fold.from(0).on(Paid.class, (n, e) -> n + 1))
                .every(1)
                .model("a", eventsOf("a"));
        var slashed = sums.every(1).model("b/a", eventsOf("b"));
        pay("a", 5, 5, 5);
        pay("b", 7);

        for (int i = 0; i < 3; i++) {
            assertThat(List.of(
                            model.load(store).state(),
                            other.load(store).state(),
                            slashed.load(store).state()))
                    .containsExactly(15, 3, 7);
        }
    }

    // ---- property

    /** Fails at random, and gives random things that were never saved under the name. */
    static final class Chaotic implements CheckpointStore {

        final SplittableRandom random;
        final InMemoryEventStore log;
        final InMemoryCheckpointStore kept = new InMemoryCheckpointStore();

        Chaotic(SplittableRandom random, InMemoryEventStore log) {
            this.random = random;
            this.log = log;
        }

        private void failSometimes() {
            if (random.nextInt(8) == 0) {
                throw new IllegalStateException("out of order");
            }
        }

        @Override
        public Optional<Checkpoint> load(String name) {
            failSometimes();
            var own = kept.load(name);
            var position = own.map(Checkpoint::position).orElse(Position.of(1));
            return switch (random.nextInt(12)) {
                case 0 -> Optional.empty();
                case 1 -> Optional.of(new Checkpoint(random.nextInt(2), position, 77));
                case 2 -> Optional.of(new Checkpoint(3 + random.nextInt(9), position, 77));
                case 3 -> Optional.of(new Checkpoint(2, position, "no sum"));
                case 4 -> Optional.of(new Checkpoint(2, Position.START, 77));
                case 5 -> Optional.of(new Checkpoint(2, Position.of(log.head().value() + 1_000), 77));
                case 6 -> foreign(name).or(() -> own);
                case 7 -> null;
                default -> own;
            };
        }

        /** A snapshot at an event that is not of this entity. */
        private Optional<Checkpoint> foreign(String name) {
            var tag = Ledger.account(name.substring(name.lastIndexOf('/') + 1));
            return Ledger.log(log).stream()
                    .filter(e -> !e.tags().contains(tag))
                    .skip(random.nextInt(5))
                    .findFirst()
                    .map(e -> new Checkpoint(2, e.position(), 77));
        }

        @Override
        public void save(String name, Checkpoint checkpoint) {
            failSometimes();
            if (random.nextInt(6) != 0) { // else lost
                kept.save(name, checkpoint);
            }
        }

        @Override
        public void delete(String name) {
            failSometimes();
            kept.delete(name);
        }
    }

    @Test
    void whatever_the_store_of_snapshots_does_states_and_conditions_are_those_of_the_log() {
        var seen = EnumSet.noneOf(Outcome.class);
        for (long seed : Ledger.seeds(150)) {
            var random = new SplittableRandom(seed);
            var log = Ledger.store();
            var concurrent = new Meddled(log);
            concurrent.beforeRead = n -> {
                while (random.nextInt(3) == 0) {
                    log.append(List.of(DecisionModelTest.event(random)), AppendCondition.none());
                }
            };
            var checkpoints = new Chaotic(random, log);
            var all = sums(checkpoints, 2);
            var counts = Snapshots.of(
                    checkpoints, "count", 2, Integer.class, Fold.from(0).on(Object.class, (n, e) -> n + 1));
            for (int step = 0; step < 80; step++) {
                var saved = new ArrayList<DecisionModel<Integer>>();
                var plain = new ArrayList<DecisionModel<Integer>>();
                for (int i = 0; i <= random.nextInt(4); i++) {
                    var account = "a" + random.nextInt(3);
                    int kind = random.nextInt(3);
                    var snapshots = (kind == 0 ? counts : all).every(1 + random.nextInt(5));
                    plain.add(DecisionModel.of(
                            eventsOf(account), kind == 0 ? Fold.from(0).on(Object.class, (n, e) -> n + 1) : SUM));
                    saved.add(kind == 2 ? plain.get(i) : snapshots.model(account, eventsOf(account)));
                }

                var loaded = DecisionModel.all(saved).load(concurrent);

                var where = Ledger.replay(seed) + ", step " + step;
                var clauses = loaded.unchanged().clauses();
                assertThat(clauses).as(where).hasSize(1);
                assertThat(clauses.get(0).query())
                        .as(where)
                        .isEqualTo(DecisionModel.all(plain).query());
                assertThat(loaded.state())
                        .as(where)
                        .isEqualTo(DecisionModel.all(plain)
                                .timeline(log)
                                .at(clauses.get(0).after()));
                try {
                    log.append(List.of(new Paid("a0", 1)), loaded.unchanged());
                    assertThat(loaded.after(List.of(new Paid("a0", 1))).state())
                            .as(where)
                            .isEqualTo(DecisionModel.all(plain).load(log).state());
                } catch (dev.cqrs.eventstore.AppendConflictException changedMeanwhile) {
                    assertThat(DecisionModel.all(plain)
                                    .query()
                                    .matches(
                                            eventAt(log, changedMeanwhile.position())
                                                    .getClass(),
                                            Set.copyOf(
                                                    log.catalog().tagsOf(eventAt(log, changedMeanwhile.position())))))
                            .as(where)
                            .isTrue();
                }
            }
            for (var outcome : Outcome.values()) {
                if (all.count(outcome) > 0) {
                    seen.add(outcome);
                }
                assertThat(all.count(outcome)).as(Ledger.replay(seed)).isNotNegative();
            }
        }
        assertThat(seen).containsExactlyInAnyOrder(Outcome.values());
    }

    static Object eventAt(InMemoryEventStore log, Position position) {
        return Ledger.events(log).get((int) position.value() - 1);
    }

    // ---- what comes between

    /** A store whose streams do something when they are left. */
    private static EventStore left(EventStore store, Runnable then) {
        return (EventStore) Proxy.newProxyInstance(
                SnapshotsTest.class.getClassLoader(), new Class<?>[] {EventStore.class}, (proxy, method, arguments) -> {
                    var given = method.invoke(store, arguments);
                    return given instanceof EventStream stream ? leaving(stream, then) : given;
                });
    }

    private static Object leaving(EventStream stream, Runnable then) {
        return Proxy.newProxyInstance(
                SnapshotsTest.class.getClassLoader(),
                new Class<?>[] {EventStream.class},
                (proxy, method, arguments) -> {
                    var given = method.invoke(stream, arguments);
                    if (method.getName().equals("close")) {
                        then.run();
                    }
                    return given;
                });
    }

    @Test
    void every_so_many_uses_one_is_verified_also_where_others_use_one_meanwhile() {
        pay("a", 1, 2, 3);
        kept.save(KEY, new Checkpoint(1, Position.of(2), 99));
        var verifying = sums.verifyEvery(3).model("a", eventsOf("a"));
        var states = new ArrayList<Integer>();
        var meanwhile = new AtomicBoolean(true);
        var busy = left(store, () -> {
            if (meanwhile.compareAndSet(true, false)) {
                states.add(verifying.load(store).state());
            }
        });

        states.add(verifying.load(store).state());
        states.add(verifying.load(store).state());
        states.clear(); // two uses so far, neither of which is verified
        states.add(verifying.load(busy).state());

        assertThat(states).as("the third use and one amid it").containsOnlyOnce(6);
        assertThat(sums.count(Outcome.WRONG)).isEqualTo(1);
    }

    @Test
    void a_failure_of_the_log_is_the_callers_to_know_and_no_fault_of_the_snapshot() {
        pay("a", 1, 2, 3);
        kept.save(KEY, new Checkpoint(1, Position.of(2), 3));
        var gone = new IllegalStateException("the connection is gone");
        var failing = new AtomicBoolean(true);
        var broken = left(store, () -> {
            if (failing.compareAndSet(true, false)) {
                throw gone;
            }
        });

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> model.load(broken))
                .isSameAs(gone);
        assertThat(sums.count(Outcome.CORRUPT)).isZero();
        assertThat(sums.count(Outcome.USED)).isZero();
        assertThat(model.load(broken).state()).isEqualTo(6);
        assertThat(sums.count(Outcome.USED)).isEqualTo(1);
    }

    @Test
    void behind_a_snapshot_any_number_of_events_is_read() {
        for (int events : List.of(63, 64, 65, 128, 129)) {
            var account = "many" + events;
            var amounts = new int[events + 1];
            Arrays.fill(amounts, 1);
            pay(account, 5);
            var own = sums.every(1).model(account, eventsOf(account));
            assertThat(own.load(store).state()).isEqualTo(5); // and saves it
            pay(account, amounts);

            assertThat(own.load(store).state()).as("%d", events).isEqualTo(6 + events);

            assertThat(kept.load("snapshot/sum/" + account).orElseThrow())
                    .as("%d", events)
                    .isEqualTo(new Checkpoint(1, store.head(), 6 + events));
            assertThat(own.load(store).state()).isEqualTo(6 + events);
        }
        assertThat(sums.count(Outcome.USED)).isEqualTo(10);
    }

    /** What was read amiss may lack what equals needs. */
    record Total(String currency, int sum) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Total that && sum == that.sum && that.currency.equals(currency);
        }

        @Override
        public int hashCode() {
            return sum;
        }
    }

    @Test
    void one_that_cannot_be_compared_is_wrong_and_stops_no_decision() {
        var fold = Fold.from(new Total("EUR", 0))
                .on(Paid.class, (total, paid) -> new Total(total.currency(), total.sum() + paid.amount()));
        var totals = Snapshots.of(kept, "total", 1, Total.class, fold).verifyEvery(1);
        pay("a", 1, 2, 3);
        kept.save("snapshot/total/a", new Checkpoint(1, Position.of(2), new Total(null, 3)));

        assertThat(totals.model("a", eventsOf("a")).load(store).state().sum()).isEqualTo(6);
        assertThat(totals.count(Outcome.WRONG)).isEqualTo(1);
        assertThat(kept.load("snapshot/total/a")).isEmpty();
    }

    // ---- what no signature allows, and what is no exception

    static List<Throwable> of_no_consequence() {
        return List.of(
                new IOException("out of order"),
                new InterruptedException(),
                new NoClassDefFoundError("gone"),
                new AssertionError("not so"));
    }

    /** As a language without checked exceptions throws them. */
    @SuppressWarnings("unchecked")
    private static <X extends Throwable> RuntimeException sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    private static void assertInterruptedBy(Throwable thrown) {
        assertThat(Thread.interrupted())
                .as("whether an interrupt is still there")
                .isEqualTo(thrown instanceof InterruptedException);
    }

    /** Throws what it is told wherever it is told so. */
    static class Throwing extends Faulty {

        final Set<String> where = new HashSet<>();
        final Throwable thrown;

        Throwing(Throwable thrown) {
            this.thrown = thrown;
        }

        private void failIn(String method) {
            if (where.contains(method)) {
                throw sneak(thrown);
            }
        }

        @Override
        public Optional<Checkpoint> load(String name) {
            failIn("load");
            return super.load(name);
        }

        @Override
        public void save(String name, Checkpoint checkpoint) {
            failIn("save");
            super.save(name, checkpoint);
        }

        @Override
        public void delete(String name) {
            failIn("delete");
            super.delete(name);
        }
    }

    @ParameterizedTest
    @MethodSource("of_no_consequence")
    void whatever_a_store_throws_stops_no_decision(Throwable thrown) {
        pay("a", 1, 2, 3);
        for (var method : List.of("load", "save", "delete")) {
            var throwing = new Throwing(thrown);
            var counted = sums(throwing, 1).every(1).verifyEvery(1);
            if (!method.equals("save")) { // one to be loaded, found wrong, and deleted
                throwing.save(KEY, new Checkpoint(1, Position.of(3), 99));
            }
            throwing.where.add(method);

            assertThat(counted.model("a", eventsOf("a")).load(store).state())
                    .as(method)
                    .isEqualTo(6);
            assertInterruptedBy(thrown);
            assertThat(counted.count(method.equals("load") ? Outcome.CORRUPT : Outcome.NOT_SAVED))
                    .as(method)
                    .isEqualTo(1);
        }
    }

    /** A state that throws where it was read amiss. */
    record Brittle(int sum, Throwable thrown) {

        Brittle plus(int amount) {
            if (thrown != null) {
                throw sneak(thrown);
            }
            return new Brittle(sum + amount, null);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Brittle that && that.plus(0).sum() == sum;
        }

        @Override
        public int hashCode() {
            return sum;
        }
    }

    private Snapshots<Brittle> brittle() {
        var fold = Fold.from(new Brittle(0, null)).on(Paid.class, (state, paid) -> state.plus(paid.amount()));
        return Snapshots.of(kept, "brittle", 1, Brittle.class, fold).verifyEvery(1);
    }

    @ParameterizedTest
    @MethodSource("of_no_consequence")
    void whatever_a_state_throws_that_was_read_amiss_stops_no_decision(Throwable thrown) {
        pay("a", 1, 2, 3);
        var brittle = brittle();
        var brittleModel = brittle.model("a", eventsOf("a"));

        kept.save("snapshot/brittle/a", new Checkpoint(1, Position.of(2), new Brittle(3, thrown))); // in a step
        assertThat(brittleModel.load(store).state().sum()).isEqualTo(6);
        assertInterruptedBy(thrown);
        assertThat(brittle.count(Outcome.CORRUPT)).isEqualTo(1);

        kept.save("snapshot/brittle/a", new Checkpoint(1, Position.of(3), new Brittle(6, thrown))); // as it is compared
        assertThat(brittleModel.load(store).state().sum()).isEqualTo(6);
        assertInterruptedBy(thrown);
        assertThat(brittle.count(Outcome.WRONG)).isEqualTo(1);
        assertThat(kept.load("snapshot/brittle/a")).isEmpty();
    }

    @Test
    void an_error_of_the_virtual_machine_is_the_callers_to_know() {
        pay("a", 1, 2, 3);
        var full = new OutOfMemoryError("of a test");
        for (var method : List.of("load", "save", "delete")) {
            var throwing = new Throwing(full);
            if (!method.equals("save")) {
                throwing.save(KEY, new Checkpoint(1, Position.of(3), 99));
            }
            throwing.where.add(method);

            assertThatExceptionOfType(OutOfMemoryError.class)
                    .as(method)
                    .isThrownBy(() -> sums(throwing, 1)
                            .every(1)
                            .verifyEvery(1)
                            .model("a", eventsOf("a"))
                            .load(store))
                    .isSameAs(full);
        }
        for (int position : List.of(2, 3)) {
            kept.save("snapshot/brittle/a", new Checkpoint(1, Position.of(position), new Brittle(6, full)));

            assertThatExceptionOfType(OutOfMemoryError.class)
                    .as("%d", position)
                    .isThrownBy(() -> brittle().model("a", eventsOf("a")).load(store))
                    .isSameAs(full);
        }
    }
}
