package dev.cqrs.inmemory;

import static dev.cqrs.inmemory.Ledger.events;
import static dev.cqrs.inmemory.Ledger.eventsOf;
import static dev.cqrs.inmemory.Ledger.handler;
import static dev.cqrs.inmemory.Ledger.id;
import static dev.cqrs.inmemory.Ledger.sumOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.command.Command;
import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog.CommandId;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.inmemory.Ledger.Moved;
import dev.cqrs.inmemory.Ledger.Paid;
import dev.cqrs.inmemory.Ledger.Pay;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Several commands in one decision and one append. */
@SuppressWarnings("NullAway") // nulls are handed over to see them refused
class BatchTest {

    static final List<Pay> BATCH = List.of(new Pay("a", 1), new Pay("b", 2), new Pay("a", 3));

    final InMemoryEventStore store = Ledger.store();
    final Meddled meddled = new Meddled(store);
    final DecisionHandler<Pay, Integer, Integer> plain = handler(meddled);
    final DecisionHandler<Pay, Integer, Integer> idempotent = plain.idempotent();

    void pay(String account, int amount) {
        store.append(List.of(new Paid(account, amount)), AppendCondition.none());
    }

    @Test
    void each_command_is_decided_on_the_state_that_the_earlier_ones_leave() {
        pay("a", 10);

        assertThat(plain.handleAll(BATCH, Metadata.none())).containsExactly(11, 2, 14);
        assertThat(events(store))
                .containsExactly(new Paid("a", 10), new Paid("a", 1), new Paid("b", 2), new Paid("a", 3));
        assertThat(meddled.appends()).isEqualTo(1);
    }

    @Test
    void one_rejected_command_leaves_nothing_of_any() {
        var last = List.of(new Pay("a", 600), new Pay("b", 2), new Pay("a", 600));
        for (var handler : List.of(plain, idempotent)) {
            assertThatExceptionOfType(RejectedException.class).isThrownBy(() -> handler.handleAll(last, id("1")));
        }
        assertThat(store.head()).isEqualTo(Position.START);
        assertThat(meddled.appends()).isZero();

        assertThat(idempotent.handleAll(last.subList(0, 2), id("1"))).containsExactly(600, 2);
    }

    @Test
    void the_condition_speaks_of_all_models_of_the_batch_and_each_is_read_in_one_go() {
        plain.handleAll(BATCH, Metadata.none());

        assertThat(meddled.conditions)
                .containsExactly(
                        AppendCondition.unchanged(Ledger.eventsOf("a").or(Ledger.eventsOf("b")), Position.START));
    }

    @Test
    void what_many_commands_depend_on_is_read_and_folded_once() {
        var folded = new AtomicInteger();
        var counting = Fold.from(0).on(Paid.class, (sum, paid) -> {
            folded.incrementAndGet();
            return sum + paid.amount();
        });
        for (int i = 0; i < 20; i++) {
            pay("a", 1);
        }
        var handler = new DecisionHandler<Pay, Integer, Integer>(
                store, c -> DecisionModel.of(eventsOf(c.account()), counting), Ledger::decide, (c, sum) -> sum);

        var sums = handler.handleAll(
                IntStream.rangeClosed(1, 30).mapToObj(i -> new Pay("a", 1)).toList(), Metadata.none());

        assertThat(sums).isEqualTo(IntStream.rangeClosed(21, 50).boxed().toList());
        assertThat(folded)
                .as("the events that were there, and those of the batch")
                .hasValue(20 + 30);
    }

    @Test
    void the_state_of_many_models_is_the_list_of_theirs_also_where_they_share_parts() {
        pay("a", 1);
        pay("b", 2);
        pay("c", 3);
        DecisionModel<Integer> a = sumOf("a");
        DecisionModel<Integer> c = sumOf("c");
        var both = a.and(sumOf("b"), (one, other) -> 100 * one + other);
        var models = List.of(both, c, a, c.and(a, (one, other) -> 10 * one + other), c.map(sum -> -sum));

        var loaded = DecisionModel.all(models).load(store);

        assertThat(loaded.state()).containsExactly(102, 3, 1, 31, -3).isUnmodifiable();
        assertThat(loaded.after(List.of(new Paid("c", 4))).state()).containsExactly(102, 7, 1, 71, -7);
        assertThat(loaded.state()).containsExactly(102, 3, 1, 31, -3);
    }

    @Test
    void a_conflict_on_any_of_the_models_decides_the_whole_batch_again() {
        meddled.beforeAppend = number -> {
            if (number == 1) {
                pay("b", 100);
            } else if (number == 2) {
                pay("unconcerned", 100);
            }
        };

        assertThat(idempotent.handleAll(BATCH, id("1"))).containsExactly(1, 102, 4);
        assertThat(meddled.appends()).isEqualTo(2);
    }

    @Test
    void after_a_hundred_conflicts_nothing_of_the_batch_is_left() {
        meddled.beforeAppend = number -> pay("b", 1);

        assertThatExceptionOfType(AppendConflictException.class).isThrownBy(() -> idempotent.handleAll(BATCH, id("1")));
        assertThat(events(store)).hasSize(DecisionHandler.ATTEMPTS).allMatch(new Paid("b", 1)::equals);
    }

    @Test
    void a_repeat_gives_all_first_results_also_after_later_events() {
        var first = idempotent.handleAll(BATCH, id("1"));
        pay("a", 100);
        pay("b", 100);
        idempotent.handle(new Pay("a", 5), id("2"));
        var head = store.head();

        assertThat(idempotent.handleAll(BATCH, id("1"))).isEqualTo(first).containsExactly(1, 2, 4);
        assertThat(store.head()).isEqualTo(head);
    }

    @Test
    void a_batch_that_accepts_no_events_is_remembered_by_its_marks() {
        var nothing = List.of(new Pay("a", 0), new Pay("b", 0));
        pay("b", 7);
        assertThat(idempotent.handleAll(nothing, id("1"))).containsExactly(0, 7);
        assertThat(plain.handleAll(nothing, id("1"))).containsExactly(0, 7);
        assertThat(store.head()).isEqualTo(Position.of(3));
        pay("a", 7);

        assertThat(idempotent.handleAll(nothing, id("1"))).containsExactly(0, 7);
    }

    @Test
    void another_batch_under_the_same_id_is_refused_and_nothing_appended() {
        idempotent.handleAll(BATCH, id("1"));
        var head = store.head();

        for (var other : Stream.of(
                        Stream.of(0, 1), // shorter
                        Stream.of(1, 2),
                        Stream.of(2),
                        Stream.of(0),
                        Stream.of(0, 1, 2, 0), // longer
                        Stream.of(0, 0, 1, 2),
                        Stream.of(2, 1, 0), // reordered
                        Stream.of(1, 0, 2),
                        Stream.of(0, 2, 2)) // replaced
                .map(numbers -> numbers.map(BATCH::get).toList())
                .toList()) {
            assertThatExceptionOfType(CommandIdReusedException.class)
                    .as("%s", other)
                    .isThrownBy(() -> idempotent.handleAll(other, id("1")));
        }
        assertThat(store.head()).isEqualTo(head);
        assertThat(idempotent.handleAll(BATCH, id("1"))).containsExactly(1, 2, 4);
    }

    @Test
    void a_single_command_and_a_batch_do_not_share_an_id() {
        idempotent.handleAll(BATCH, id("batch"));
        idempotent.handle(BATCH.get(0), id("single"));
        var head = store.head();

        for (var one : BATCH) {
            assertThatExceptionOfType(CommandIdReusedException.class)
                    .isThrownBy(() -> idempotent.handle(one, id("batch")));
        }
        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> idempotent.handleAll(BATCH, id("single")));
        assertThat(store.head()).isEqualTo(head);
    }

    @Test
    void a_batch_of_one_is_the_command_itself() {
        assertThat(idempotent.handleAll(List.of(new Pay("a", 4)), id("1"))).containsExactly(4);

        assertThat(idempotent.handle(new Pay("a", 4), id("1"))).isEqualTo(4);
        assertThat(store.head()).isEqualTo(Position.of(2));
    }

    @Test
    void the_same_command_twice_in_a_batch_is_carried_out_twice() {
        var twice = List.of(new Pay("a", 4), new Pay("a", 4));

        assertThat(idempotent.handleAll(twice, id("1"))).containsExactly(4, 8);
        assertThat(idempotent.handleAll(twice, id("1"))).containsExactly(4, 8);
    }

    @Test
    void an_empty_batch_gives_no_results_and_leaves_its_id_free() {
        assertThat(idempotent.handleAll(List.of(), id("1"))).isEmpty();
        assertThat(store.head()).isEqualTo(Position.START);

        assertThat(idempotent.handleAll(BATCH, id("1"))).hasSize(3);
        assertThat(idempotent.handleAll(List.of(), id("1"))).isEmpty();
    }

    @Test
    void sixteen_threads_that_send_the_same_batch_have_one_effect_and_the_same_results() throws Exception {
        for (int round = 0; round < 50; round++) {
            var number = round;
            var racing = handler(store).idempotent();

            var results = Ledger.together(16, () -> racing.handleAll(BATCH, id("round " + number)));

            var expected = List.of(4 * round + 1, 2 * round + 2, 4 * round + 4);
            assertThat(results).hasSize(16).allMatch(expected::equals);
            assertThat(store.head()).isEqualTo(Position.of(6L * (round + 1)));
        }
    }

    @Test
    void a_repeat_after_an_append_whose_outcome_was_unknown_gives_the_first_results() {
        meddled.afterAppend = number -> {
            throw new AppendOutcomeUnknownException("the batch", new IllegalStateException("connection lost"));
        };
        assertThatExceptionOfType(AppendOutcomeUnknownException.class)
                .isThrownBy(() -> idempotent.handleAll(BATCH, id("1")));
        pay("b", 50);

        assertThat(idempotent.handleAll(BATCH, id("1"))).containsExactly(1, 2, 4);
        assertThat(store.head()).isEqualTo(Position.of(7));
    }

    @Test
    void an_event_of_one_command_reaches_the_state_of_the_others_that_ask_for_it() {
        var moving = new DecisionHandler<Pay, Integer, Integer>(
                        store,
                        c -> Ledger.sumOf(c.account()),
                        (c, sum) -> Decision.accept(new Moved("a", "b", c.amount())),
                        (c, sum) -> sum)
                .idempotent();

        assertThat(moving.handleAll(BATCH, id("1"))).containsExactly(100, 300, 600);
        assertThat(moving.handleAll(BATCH, id("1"))).containsExactly(100, 300, 600);
    }

    record Enter(String account, int amount) implements Command<String> {}

    @Test
    void folds_that_change_their_state_in_place_begin_afresh_at_each_attempt() {
        var names =
                Fold.fresh(ArrayList<String>::new).change(Paid.class, (list, e) -> list.add(e.account() + e.amount()));
        var listing = new DecisionHandler<Enter, ArrayList<String>, String>(
                        meddled,
                        c -> DecisionModel.of(Ledger.eventsOf(c.account()), names)
                                .and(Ledger.sumOf("b"), (list, sum) -> list),
                        (c, list) -> Decision.accept(new Paid(c.account(), c.amount())),
                        (c, list) -> list.toString())
                .idempotent();
        meddled.beforeAppend = number -> {
            if (number <= 2) {
                pay("b", 9);
            }
        };

        var batch = List.of(new Enter("a", 1), new Enter("b", 2), new Enter("a", 3));
        var first = listing.handleAll(batch, id("1"));

        assertThat(first).containsExactly("[a1]", "[b9, b9, b2]", "[a1, a3]");
        assertThat(listing.handleAll(batch, id("1"))).isEqualTo(first);
    }

    @Test
    void bad_input_is_refused_and_nothing_appended() {
        assertThatNullPointerException().isThrownBy(() -> idempotent.handleAll(null, id("1")));
        assertThatNullPointerException().isThrownBy(() -> idempotent.handleAll(BATCH, null));
        assertThatNullPointerException().isThrownBy(() -> idempotent.handleAll(List.of(), null));
        assertThatNullPointerException()
                .isThrownBy(() -> idempotent.handleAll(Arrays.asList(new Pay("a", 1), null), id("1")));
        assertThat(store.head()).isEqualTo(Position.START);
        assertThat(idempotent.handleAll(BATCH, id("1"))).hasSize(3);
    }

    @Test
    void a_result_function_that_fails_on_one_command_leaves_nothing_of_any() {
        var failing = new DecisionHandler<Pay, Integer, Integer>(
                        store, c -> Ledger.sumOf(c.account()), Ledger::decide, (c, sum) -> c.amount() == 2 ? null : sum)
                .idempotent();

        assertThatExceptionOfType(HandlerFailedException.class)
                .isThrownBy(() -> failing.handleAll(BATCH, id("1")))
                .satisfies(e -> assertThat(e.messageType()).isEqualTo(Pay.class));
        assertThat(store.head()).isEqualTo(Position.START);
    }

    @Test
    void the_list_of_commands_is_copied_and_that_of_results_does_not_change() {
        var commands = new ArrayList<>(BATCH);
        meddled.beforeAppend = number -> {
            commands.clear();
            if (number == 1) {
                pay("a", 100);
            }
        };

        assertThat(plain.handleAll(commands, Metadata.none()))
                .containsExactly(101, 2, 104)
                .isUnmodifiable();
    }

    @Test
    void a_batch_of_many_commands_on_one_account_is_carried_out() {
        var many = Stream.generate(() -> new Pay("a", 1)).limit(500).toList();

        var results = idempotent.handleAll(many, id("1"));

        assertThat(results).hasSize(500).endsWith(499, 500);
        assertThat(idempotent.handleAll(many, id("1"))).isEqualTo(results);
        assertThat(events(store)).hasSize(1_000);
    }

    @Test
    void a_batch_does_what_its_commands_do_one_after_the_other() {
        for (long seed : Ledger.seeds(100)) {
            var random = new SplittableRandom(seed);
            var batched = Ledger.store();
            var single = Ledger.store();
            for (int round = 0; round < 10; round++) {
                var batch = Stream.generate(() -> new Pay("a" + random.nextInt(3), random.nextInt(20)))
                        .limit(1 + random.nextInt(6))
                        .toList();
                var expected = new ArrayList<Integer>();
                for (var one : batch) {
                    expected.add(handler(single).handle(one, Metadata.none()));
                }
                assertThat(handler(batched).idempotent().handleAll(batch, id("round " + round)))
                        .as(Ledger.replay(seed))
                        .isEqualTo(expected);
            }
            assertThat(events(batched).stream().filter(e -> !(e instanceof CommandId)))
                    .as(Ledger.replay(seed))
                    .isEqualTo(events(single));
        }
    }
}
