package dev.cqrs.inmemory;

import static dev.cqrs.inmemory.Ledger.decide;
import static dev.cqrs.inmemory.Ledger.events;
import static dev.cqrs.inmemory.Ledger.handler;
import static dev.cqrs.inmemory.Ledger.id;
import static dev.cqrs.inmemory.Ledger.sumOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.command.Command;
import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Catalog.CommandId;
import dev.cqrs.event.Catalog.CommandRefused;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.Ledger.Paid;
import dev.cqrs.inmemory.Ledger.Pay;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.Projection;
import dev.cqrs.testing.VirtualClock;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** A command's id: one effect, the first result again, and no other command under it. */
@SuppressWarnings("NullAway") // nulls are handed over to see them refused
class IdempotencyTest {

    final InMemoryEventStore store = Ledger.store();
    final Meddled meddled = new Meddled(store);
    final DecisionHandler<Pay, Integer, Integer> handler = handler(meddled).idempotent();

    void pay(String account, int amount) {
        store.append(List.of(new Paid(account, amount)), AppendCondition.none());
    }

    List<CommandId> marks() {
        return events(store).stream()
                .filter(CommandId.class::isInstance)
                .map(CommandId.class::cast)
                .toList();
    }

    @Test
    void a_repeat_appends_nothing_and_gives_the_first_result_also_after_many_later_events() {
        pay("a", 5);
        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(7);
        for (int i = 0; i < 500; i++) {
            pay("a", 1);
        }
        var head = store.head();

        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(7);
        assertThat(store.head()).isEqualTo(head);
    }

    @Test
    void a_repeat_that_would_now_be_rejected_gives_the_first_result() {
        assertThat(handler.handle(new Pay("a", 800), id("1"))).isEqualTo(800);

        assertThat(handler.handle(new Pay("a", 800), id("1"))).isEqualTo(800);
    }

    @Test
    void a_command_that_accepted_no_events_is_remembered_too() {
        pay("a", 5);
        assertThat(handler.handle(new Pay("a", 0), id("1"))).isEqualTo(5);
        assertThat(marks()).hasSize(1);
        pay("a", 5);

        assertThat(handler.handle(new Pay("a", 0), id("1"))).isEqualTo(5);
        assertThat(marks()).hasSize(1);
    }

    @Test
    void a_rejected_command_leaves_nothing_and_is_decided_anew() {
        pay("a", 900);
        assertThatExceptionOfType(RejectedException.class).isThrownBy(() -> handler.handle(new Pay("a", 200), id("1")));
        assertThat(marks()).isEmpty();
        pay("a", -500);

        assertThat(handler.handle(new Pay("a", 200), id("1"))).isEqualTo(600);
    }

    @Test
    void a_rejection_of_a_command_that_may_be_under_way_elsewhere_is_noted_and_holds_from_then_on() {
        pay("a", 900);
        var repeated = id("1").with(Metadata.REPEATED, "true");
        assertThatExceptionOfType(RejectedException.class)
                .isThrownBy(() -> handler.handle(new Pay("a", 200), repeated))
                .satisfies(e -> assertThat(e.isNoted()).isTrue());
        assertThat(events(store))
                .last()
                .isInstanceOfSatisfying(
                        CommandRefused.class, e -> assertThat(e.id()).isEqualTo("1"));
        var head = store.head();
        pay("a", -500); // it would be accepted now

        for (var again : List.of(id("1"), repeated)) {
            assertThatExceptionOfType(RejectedException.class)
                    .isThrownBy(() -> handler.handle(new Pay("a", 200), again))
                    .withMessageContaining("Pay was rejected: over the limit")
                    .satisfies(e -> assertThat(e.isNoted()).isTrue());
        }
        assertThat(store.head().value()).isEqualTo(head.value() + 1);
        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> handler.handle(new Pay("a", 201), id("1")))
                .satisfies(e -> assertThat(e.position()).isEqualTo(head));
        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> handler.handleAll(List.of(new Pay("a", 200), new Pay("a", 1)), id("1")));
        assertThat(handler.handle(new Pay("a", 200), id("2")))
                .as("under another id")
                .isEqualTo(600);
    }

    @Test
    void nothing_is_noted_without_an_id_or_by_a_handler_that_is_not_idempotent_or_where_the_command_is_accepted() {
        pay("a", 900);
        var head = store.head();
        var repeated = Metadata.none().with(Metadata.REPEATED, "true");
        assertThatExceptionOfType(RejectedException.class)
                .isThrownBy(() -> handler.handle(new Pay("a", 200), repeated))
                .satisfies(e -> assertThat(e.isNoted()).isFalse());
        assertThatExceptionOfType(RejectedException.class)
                .isThrownBy(() -> handler(store).handle(new Pay("a", 200), repeated.with(Metadata.ID, "1")))
                .satisfies(e -> assertThat(e.isNoted()).isFalse());
        assertThat(store.head()).isEqualTo(head);

        assertThat(handler.handle(new Pay("a", 2), repeated.with(Metadata.ID, "1")))
                .isEqualTo(902);
        assertThat(handler.handle(new Pay("a", 2), repeated.with(Metadata.ID, "1")))
                .isEqualTo(902);
        assertThat(events(store)).filteredOn(CommandRefused.class::isInstance).isEmpty();
    }

    @Test
    void what_was_accepted_before_a_rejection_was_noted_is_decided_again_and_rejected() {
        pay("a", 700);
        var repeated = id("1").with(Metadata.REPEATED, "true");
        meddled.beforeAppend = number -> {
            if (number == 1) {
                pay("a", 200);
                assertThatExceptionOfType(RejectedException.class)
                        .isThrownBy(() -> handler(store).idempotent().handle(new Pay("a", 200), repeated));
                pay("a", -500);
            }
        };
        assertThatExceptionOfType(RejectedException.class)
                .isThrownBy(() -> handler.handle(new Pay("a", 200), id("1")))
                .satisfies(e -> assertThat(e.isNoted()).isTrue());
        assertThat(marks()).isEmpty();
    }

    @Test
    void a_rejection_that_is_to_be_noted_is_none_if_the_command_was_carried_out_meanwhile() {
        pay("a", 900);
        meddled.beforeAppend = number -> {
            if (number == 1) {
                pay("a", -500);
                handler(store).idempotent().handle(new Pay("a", 200), id("1"));
            }
        };
        assertThat(handler.handle(new Pay("a", 200), id("1").with(Metadata.REPEATED, "true")))
                .isEqualTo(600);
        assertThat(events(store)).filteredOn(CommandRefused.class::isInstance).isEmpty();
    }

    @Test
    void a_noted_rejection_of_a_batch_is_that_of_the_batch_and_is_forgotten_like_any_id() {
        pay("a", 900);
        var batch = List.of(new Pay("a", 50), new Pay("a", 200));
        var forgetting =
                handler(store).idempotent().rememberedFor(Duration.ofDays(1), clockAfter(Duration.ofHours(23)));
        for (var again : List.of(id("1").with(Metadata.REPEATED, "true"), id("1"))) {
            assertThatExceptionOfType(RejectedException.class)
                    .isThrownBy(() -> forgetting.handleAll(batch, again))
                    .satisfies(e -> assertThat(e.isNoted()).isTrue());
        }
        assertThat(events(store)).last().isInstanceOfSatisfying(CommandRefused.class, e -> {
            assertThat(e.index()).isEqualTo(1);
            assertThat(e.of()).isEqualTo(2);
            assertThat(e.reason()).isEqualTo("over the limit");
        });
        pay("a", -500);
        var later = handler(store).idempotent().rememberedFor(Duration.ofDays(1), clockAfter(Duration.ofHours(24)));
        assertThat(later.handleAll(batch, id("1"))).containsExactly(450, 650);
    }

    @Test
    void another_batch_under_the_id_of_one_that_was_refused_is_another_one() {
        pay("a", 900);
        var repeated = id("1").with(Metadata.REPEATED, "true");
        assertThatExceptionOfType(RejectedException.class)
                .isThrownBy(() -> handler.handleAll(List.of(new Pay("a", 1), new Pay("a", 200)), repeated));
        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> handler.handleAll(List.of(new Pay("a", 7), new Pay("a", 200)), repeated));
    }

    @Test
    void a_reason_that_no_store_can_keep_is_noted_without_what_cannot_be_kept() {
        var reasons = List.of("no\0ne", "half \ud800 of it").iterator();
        var odd = new DecisionHandler<Pay, Integer, Integer>(
                        store,
                        c -> sumOf(c.account()),
                        (c, sum) -> {
                            throw new RejectedException(Paid.class, reasons.next());
                        },
                        (c, sum) -> sum)
                .idempotent();
        for (var number : List.of("1", "2")) {
            var repeated = id(number).with(Metadata.REPEATED, "true");
            assertThatExceptionOfType(RejectedException.class)
                    .isThrownBy(() -> odd.handle(new Pay("a", 1), repeated))
                    .satisfies(e -> assertThat(e.commandType()).isEqualTo(Pay.class));
        }
        assertThat(events(store).stream().map(e -> ((CommandRefused) e).reason()))
                .containsExactly("no?ne", "half ? of it");
    }

    @Test
    void a_reason_that_was_made_unreadable_since_is_told_in_other_words() {
        var digest = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"; // of another text
        store.append(List.of(new CommandRefused("1", 0, 1, digest, "")), AppendCondition.none());
        var same = handler(store).idempotent(pay -> "123456789");
        assertThatExceptionOfType(RejectedException.class)
                .isThrownBy(() -> same.handle(new Pay("a", 1), id("1")))
                .withMessage("Pay was rejected: as before");
    }

    private static Clock clockAfter(Duration time) {
        return Clock.fixed(Instant.EPOCH.plus(time), java.time.ZoneOffset.UTC);
    }

    @Test
    void the_mark_rides_in_the_same_append_behind_the_events_and_its_clause_is_checked_first() {
        handler.handle(new Pay("a", 2), id("1"));

        assertThat(meddled.appends()).isEqualTo(1);
        assertThat(events(store)).hasSize(2).element(1).isInstanceOf(CommandId.class);
        assertThat(meddled.conditions.get(0).clauses())
                .containsExactly(
                        new AppendCondition.Absent(EventQuery.types(CommandId.class, CommandRefused.class)
                                .withTags(CommandId.tag("1"))),
                        new AppendCondition.Unchanged(Ledger.eventsOf("a"), Position.START));
    }

    @Test
    void the_same_id_with_another_payload_is_refused_and_nothing_appended() {
        handler.handle(new Pay("a", 2), id("1"));
        var head = store.head();

        for (var other : List.of(new Pay("a", 3), new Pay("b", 2), new Pay("a", 0), new Pay("a", 5_000))) {
            assertThatExceptionOfType(CommandIdReusedException.class)
                    .isThrownBy(() -> handler.handle(other, id("1")))
                    .satisfies(e -> assertThat(e.id()).isEqualTo("1"))
                    .satisfies(e -> assertThat(e.position()).isEqualTo(head));
        }
        assertThat(store.head()).isEqualTo(head);
        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(2);
    }

    record Refund(String account, int amount) implements Command<Integer> {}

    @Test
    void the_same_id_on_another_handler_is_refused() {
        handler.handle(new Pay("a", 2), id("1"));
        var refunds = new DecisionHandler<Refund, Integer, Integer>(
                        store,
                        c -> sumOf(c.account()),
                        (c, sum) -> Decision.accept(new Paid(c.account(), -c.amount())),
                        (c, sum) -> sum)
                .idempotent();

        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> refunds.handle(new Refund("a", 2), id("1")));
        assertThat(store.head()).isEqualTo(Position.of(2));
    }

    /** Another class of the same simple name. */
    static final class Elsewhere {
        record Pay(String account, int amount) implements Command<Integer> {}
    }

    @Test
    void the_same_id_with_a_command_of_the_same_name_and_parts_from_elsewhere_is_refused() {
        handler.handle(new Pay("a", 2), id("1"));
        assertThat(new Elsewhere.Pay("a", 2)).hasToString(new Pay("a", 2).toString());
        var elsewhere = new DecisionHandler<Elsewhere.Pay, Integer, Integer>(
                        store,
                        c -> sumOf(c.account()),
                        (c, sum) -> Decision.accept(new Paid(c.account(), c.amount())),
                        (c, sum) -> sum)
                .idempotent();

        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> elsewhere.handle(new Elsewhere.Pay("a", 2), id("1")));
        assertThat(store.head()).isEqualTo(Position.of(2));
    }

    @Test
    void a_command_without_an_id_is_carried_out_as_often_as_it_is_sent() {
        handler.handle(new Pay("a", 2), Metadata.none());

        assertThat(handler.handle(new Pay("a", 2), Metadata.none())).isEqualTo(4);
        assertThat(marks()).isEmpty();
    }

    @Test
    void a_handler_that_is_not_idempotent_takes_no_notice_of_ids() {
        var plain = handler(store);
        plain.handle(new Pay("a", 2), id("1"));

        assertThat(plain.handle(new Pay("a", 2), id("1"))).isEqualTo(4);
        assertThat(marks()).isEmpty();
    }

    @Test
    void sixteen_threads_that_send_the_same_id_have_one_effect_and_one_result() throws Exception {
        for (int round = 1; round <= 100; round++) {
            var number = round;
            var racing = handler(store).idempotent();

            var results = Ledger.together(16, () -> racing.handle(new Pay("a", 1), id("round " + number)));

            assertThat(results).hasSize(16).allMatch(result -> result.equals(number));
            assertThat(events(store)).hasSize(2 * round);
        }
    }

    @Test
    void of_sixteen_threads_that_send_different_commands_under_one_id_one_is_carried_out() throws Exception {
        for (int round = 1; round <= 50; round++) {
            var name = "round " + round;
            var amount = new AtomicInteger();
            var racing = handler(store).idempotent();

            var results = Ledger.together(16, () -> racing.handle(new Pay(name, amount.incrementAndGet()), id(name)));

            assertThat(results).filteredOn(Integer.class::isInstance).hasSize(1);
            assertThat(results)
                    .filteredOn(CommandIdReusedException.class::isInstance)
                    .hasSize(15);
            assertThat(marks()).hasSize(round);
        }
    }

    @Test
    void a_repeat_after_an_append_whose_outcome_was_unknown_gives_the_first_result() {
        meddled.afterAppend = number -> {
            throw new AppendOutcomeUnknownException("the payment", new IllegalStateException("connection lost"));
        };
        assertThatExceptionOfType(AppendOutcomeUnknownException.class)
                .isThrownBy(() -> handler.handle(new Pay("a", 2), id("1")));
        pay("a", 10);

        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(2);
        assertThat(marks()).hasSize(1);
    }

    @Test
    void a_repeat_after_a_crash_before_the_append_carries_the_command_out() {
        meddled.beforeAppend = number -> {
            if (number == 1) {
                throw new IllegalStateException("crash");
            }
        };
        assertThatIllegalStateException().isThrownBy(() -> handler.handle(new Pay("a", 2), id("1")));
        assertThat(store.head()).isEqualTo(Position.START);

        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(2);
    }

    @Test
    void after_ninety_nine_conflicts_the_hundredth_attempt_decides() {
        meddled.beforeAppend = number -> {
            if (number < DecisionHandler.ATTEMPTS) {
                pay("a", 1);
            }
        };

        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(99 + 2);
        assertThat(meddled.appends()).isEqualTo(DecisionHandler.ATTEMPTS);
    }

    @Test
    void after_a_hundred_conflicts_nothing_is_left_and_the_id_may_be_sent_again() {
        meddled.beforeAppend = number -> {
            if (number <= DecisionHandler.ATTEMPTS) {
                pay("a", 1);
            }
        };
        assertThatExceptionOfType(AppendConflictException.class)
                .isThrownBy(() -> handler.handle(new Pay("a", 2), id("1")))
                .matches(AppendConflictException::isRetryable);
        assertThat(meddled.appends()).isEqualTo(DecisionHandler.ATTEMPTS);
        assertThat(marks()).isEmpty();

        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(100 + 2);
    }

    @Test
    void a_repeat_that_came_first_at_the_last_attempt_is_found_all_the_same() {
        meddled.beforeAppend = number -> {
            if (number < DecisionHandler.ATTEMPTS) {
                pay("a", 1);
            } else {
                handler(store).idempotent().handle(new Pay("a", 2), id("1"));
            }
        };

        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(99 + 2);
        assertThat(marks()).hasSize(1);
    }

    @Test
    void the_same_command_carried_out_between_load_and_append_gives_its_result() {
        meddled.beforeAppend = number -> {
            pay("a", 10);
            handler(store).idempotent().handle(new Pay("a", 2), id("1"));
            pay("a", 10);
        };

        assertThat(handler.handle(new Pay("a", 2), id("1"))).isEqualTo(12);
        assertThat(meddled.appends()).isEqualTo(1);
    }

    @Test
    void the_same_command_carried_out_between_the_two_reads_gives_its_result() {
        meddled.beforeRead = number -> {
            if (number == 2) {
                handler(store).idempotent().handle(new Pay("a", 800), id("1"));
            }
        };

        assertThat(handler.handle(new Pay("a", 800), id("1"))).isEqualTo(800);
        assertThat(meddled.appends()).isZero();
    }

    @Test
    void a_model_of_all_events_gives_a_repeat_the_first_result_too() {
        var counting = new DecisionHandler<Pay, Integer, Integer>(
                        store,
                        c -> DecisionModel.of(EventQuery.all(), Fold.from(0).on(Object.class, (n, e) -> n + 1)),
                        (c, n) -> decide(c, 0),
                        (c, n) -> n)
                .idempotent();
        int first = counting.handle(new Pay("a", 1), id("1"));
        List<Integer> batch = counting.handleAll(List.of(new Pay("a", 1), new Pay("a", 2)), id("2"));
        pay("a", 1);

        assertThat(counting.handle(new Pay("a", 1), id("1"))).isEqualTo(first);
        assertThat(counting.handleAll(List.of(new Pay("a", 1), new Pay("a", 2)), id("2")))
                .isEqualTo(batch);
        assertThat(store.head()).isEqualTo(Position.of(7));
    }

    // ---- retention

    final VirtualClock clock = new VirtualClock(Instant.parse("2024-01-01T00:00:00Z"));
    final InMemoryEventStore timed = new InMemoryEventStore(Ledger.CATALOG, clock);

    @Test
    void an_id_is_forgotten_when_its_time_is_over_and_not_before() {
        var forgetting = handler(timed).idempotent().rememberedFor(Duration.ofHours(1), clock);
        assertThat(forgetting.handle(new Pay("a", 1), id("1"))).isEqualTo(1);

        clock.advance(Duration.ofMinutes(60).minusMillis(1));
        assertThat(forgetting.handle(new Pay("a", 1), id("1"))).isEqualTo(1);
        clock.advance(Duration.ofMillis(1));
        assertThat(forgetting.handle(new Pay("a", 1), id("1"))).isEqualTo(2);
        assertThat(forgetting.handle(new Pay("a", 1), id("1"))).isEqualTo(2);
        assertThat(events(timed)).hasSize(4);
    }

    @Test
    void a_forgotten_id_may_be_given_to_another_command_or_batch() {
        var forgetting = handler(timed).idempotent().rememberedFor(Duration.ofHours(1), clock);
        forgetting.handleAll(List.of(new Pay("a", 1), new Pay("a", 2), new Pay("a", 3)), id("1"));
        clock.advance(Duration.ofHours(2));

        assertThat(forgetting.handle(new Pay("b", 7), id("1"))).isEqualTo(7);
        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> forgetting.handleAll(List.of(new Pay("a", 3), new Pay("b", 7)), id("1")));
        clock.advance(Duration.ofHours(2));
        assertThat(forgetting.handleAll(List.of(new Pay("a", 1), new Pay("a", 2)), id("1")))
                .containsExactly(7, 9);
    }

    @Test
    void a_forgotten_id_under_race_has_one_more_effect() throws Exception {
        var forgetting = handler(timed).idempotent().rememberedFor(Duration.ofHours(1), clock);
        for (int round = 1; round <= 50; round++) {
            clock.advance(Duration.ofHours(2));
            var expected = round;

            var results = Ledger.together(16, () -> forgetting.handle(new Pay("a", 1), id("1")));

            assertThat(results).hasSize(16).allMatch(result -> result.equals(expected));
            assertThat(events(timed)).hasSize(2 * round);
        }
    }

    @Test
    void a_clock_that_went_back_forgets_nothing() {
        var forgetting = handler(timed).idempotent().rememberedFor(Duration.ofHours(1), clock);
        forgetting.handle(new Pay("a", 1), id("1"));
        clock.set(Instant.EPOCH);

        assertThat(forgetting.handle(new Pay("a", 1), id("1"))).isEqualTo(1);
    }

    @Test
    void the_longest_duration_there_is_means_for_ever() {
        var remembering = handler(timed).idempotent().rememberedFor(ChronoUnit.FOREVER.getDuration(), clock);
        remembering.handle(new Pay("a", 1), id("1"));
        clock.set(Instant.MAX);

        assertThat(remembering.handle(new Pay("a", 1), id("1"))).isEqualTo(1);
    }

    @Test
    void a_retention_that_cannot_be_meant_is_refused() {
        for (var wrong : List.of(Duration.ZERO, Duration.ofDays(-1))) {
            assertThatIllegalArgumentException().isThrownBy(() -> handler.rememberedFor(wrong, clock));
        }
        assertThatIllegalStateException()
                .isThrownBy(() -> handler(store).rememberedFor(Duration.ofDays(1), clock))
                .withMessageContaining("idempotent()");
        assertThatNullPointerException().isThrownBy(() -> handler.rememberedFor(null, clock));
        assertThatNullPointerException().isThrownBy(() -> handler.rememberedFor(Duration.ofDays(1), null));
    }

    // ---- what is the same command

    static final class PayByClass implements Command<Integer> {
        final int amount;

        PayByClass(int amount) {
            this.amount = amount;
        }
    }

    DecisionHandler<PayByClass, Integer, Integer> byClass() {
        return new DecisionHandler<>(
                store, c -> sumOf("a"), (c, sum) -> Decision.accept(new Paid("a", c.amount)), (c, sum) -> sum);
    }

    @Test
    void a_command_that_is_no_record_needs_a_text_function() {
        assertThatIllegalStateException()
                .isThrownBy(() -> byClass().idempotent().handle(new PayByClass(1), id("1")))
                .withMessageContaining("idempotent(text)");
        assertThat(store.head()).isEqualTo(Position.START);

        var told = byClass().idempotent(c -> "pay " + c.amount);
        assertThat(told.handle(new PayByClass(1), id("1"))).isEqualTo(1);
        assertThat(told.handle(new PayByClass(1), id("1"))).isEqualTo(1);
        assertThatExceptionOfType(CommandIdReusedException.class)
                .isThrownBy(() -> told.handle(new PayByClass(2), id("1")));
    }

    @Test
    void a_text_function_that_gives_null_or_fails_leaves_nothing_behind() {
        assertThatNullPointerException()
                .isThrownBy(() -> byClass().idempotent(c -> null).handle(new PayByClass(1), id("1")))
                .withMessageContaining(PayByClass.class.getName());
        assertThatIllegalStateException()
                .isThrownBy(() -> byClass()
                        .idempotent(c -> {
                            throw new IllegalStateException("no text");
                        })
                        .handle(new PayByClass(1), id("1")));
        assertThatNullPointerException().isThrownBy(() -> byClass().idempotent(null));
        assertThat(store.head()).isEqualTo(Position.START);
    }

    @Test
    void an_id_that_no_store_can_find_is_refused_and_nothing_appended() {
        for (var wrong : List.of("", "  ", "x".repeat(1_001), "nul \0", "half \ud83d")) {
            assertThatIllegalArgumentException().isThrownBy(() -> handler.handle(new Pay("a", 1), id(wrong)));
        }
        assertThat(store.head()).isEqualTo(Position.START);
        assertThat(handler.handle(new Pay("a", 1), id("y".repeat(1_000)))).isEqualTo(1);
    }

    @Test
    void a_catalog_without_command_ids_is_told_when_wiring() {
        var without = new InMemoryEventStore(Ledger.catalog().build(), Clock.systemUTC());

        assertThatExceptionOfType(UnknownEventException.class)
                .isThrownBy(() -> handler(without).idempotent());
    }

    @Test
    void command_ids_in_the_catalog_without_their_tag_are_told_when_wiring() {
        var untagged = new InMemoryEventStore(
                Ledger.catalog().event("ids", CommandId.class).build(), Clock.systemUTC());

        assertThatIllegalStateException()
                .isThrownBy(() -> handler(untagged).idempotent())
                .withMessageContaining("commandIds()");
    }

    @Test
    void command_ids_may_be_added_to_a_catalog_twice() {
        assertThat(Catalog.builder().commandIds().commandIds().build().types())
                .containsExactlyInAnyOrder(CommandId.class, CommandRefused.class);
    }

    @Test
    void nulls_are_refused_and_nothing_appended() {
        assertThatNullPointerException().isThrownBy(() -> handler.handle(null, id("1")));
        assertThatNullPointerException().isThrownBy(() -> handler.handle(new Pay("a", 1), null));
        assertThatNullPointerException().isThrownBy(() -> handler(store).handle(new Pay("a", 0), null));
        assertThat(store.head()).isEqualTo(Position.START);
    }

    // ---- the preset

    @Test
    void the_preset_makes_every_decision_idempotent_whichever_call_came_first() {
        for (boolean before : List.of(true, false)) {
            var builder = InMemoryCqrs.builder(Clock.systemUTC());
            if (before) {
                builder.idempotent();
            }
            builder.event("paid", Paid.class, e -> java.util.Set.of(Ledger.account(e.account())))
                    .decide(Pay.class, c -> sumOf(c.account()), Ledger::decide, (c, sum) -> sum);
            if (!before) {
                builder.idempotent();
            }
            try (var app = builder.build()) {
                assertThat(app.dispatch(new Pay("a", 1), id("1"))).isEqualTo(1);
                assertThat(app.dispatch(new Pay("a", 1), id("1"))).isEqualTo(1);
                assertThat(app.dispatch(new Pay("a", 1), id("2"))).isEqualTo(2);
            }
        }
    }

    @Test
    void the_preset_tells_of_a_given_catalog_without_command_ids_among_the_other_faults() {
        var without = new InMemoryEventStore(Ledger.catalog().build(), Clock.systemUTC());
        var builder = InMemoryCqrs.builder(without)
                .idempotent()
                .event("another", String.class)
                .decide(Pay.class, c -> sumOf(c.account()), Ledger::decide, (c, sum) -> sum);

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .satisfies(e -> assertThat(e.faults()).hasSize(2).anyMatch(f -> f.contains("commandIds()")));
    }

    @Test
    void the_preset_tells_of_a_given_catalog_that_has_one_of_the_two_marks_of_an_id() {
        var half = new InMemoryEventStore(
                Ledger.catalog()
                        .event(CommandId.NAME, CommandId.class, mark -> Set.of(CommandId.tag(mark.id())))
                        .build(),
                Clock.systemUTC());
        var builder = InMemoryCqrs.builder(half)
                .idempotent()
                .decide(Pay.class, c -> sumOf(c.account()), Ledger::decide, (c, sum) -> sum);

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .satisfies(
                        e -> assertThat(e.faults()).singleElement().asString().contains("commandIds()"));
    }

    @Test
    void the_preset_tells_of_a_given_catalog_whose_command_ids_have_no_tag_and_follows_nothing() {
        var untagged = new Meddled(new InMemoryEventStore(
                Ledger.catalog().event("ids", CommandId.class).build(), clock));
        var builder = InMemoryCqrs.builder(untagged)
                .idempotent()
                .event("another", String.class)
                .projection(Projection.of("sum", 1, Ledger.SUM))
                .decide(Pay.class, c -> sumOf(c.account()), Ledger::decide, (c, sum) -> sum)
                .decide(
                        Refund.class,
                        c -> sumOf(c.account()),
                        (c, sum) -> Decision.accept(new Paid(c.account(), -c.amount())),
                        (c, sum) -> sum);

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .satisfies(e -> assertThat(e.faults()).hasSize(2).anyMatch(f -> f.contains("commandIds()")));
        assertThat(untagged.subscriptions).isZero();
    }

    sealed interface Move extends Command<Integer> {}

    record Step(int by) implements Move {}

    enum Turn implements Move {
        LEFT
    }

    static final class Jump implements Move {}

    @Test
    void the_preset_refuses_commands_that_are_no_records_unless_their_handler_is_another() {
        var builder = InMemoryCqrs.builder(clock)
                .idempotent()
                .event("paid", Paid.class, e -> java.util.Set.of(Ledger.account(e.account())))
                .handle(Jump.class, c -> 1)
                .decide(Move.class, c -> sumOf("a"), (c, sum) -> Decision.reject("no"), (c, sum) -> sum)
                .decide(PayByClass.class, c -> sumOf("a"), (c, sum) -> Decision.reject("no"), (c, sum) -> sum);

        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(builder::build)
                .satisfies(e -> assertThat(e.faults())
                        .hasSize(2)
                        .anyMatch(f -> f.startsWith(Turn.class.getName() + " is no record"))
                        .anyMatch(f -> f.startsWith(PayByClass.class.getName() + " is no record")));
    }

    @Test
    void the_preset_forgets_ids_when_it_is_told_to() {
        var builder =
                InMemoryCqrs.builder(timed).decide(Pay.class, c -> sumOf(c.account()), Ledger::decide, (c, sum) -> sum);
        assertThatIllegalArgumentException().isThrownBy(() -> builder.idempotent(Duration.ZERO, clock));
        try (var app = builder.idempotent(Duration.ofHours(1), clock).build()) {
            assertThat(app.dispatch(new Pay("a", 1), id("1"))).isEqualTo(1);
            assertThat(app.dispatch(new Pay("a", 1), id("1"))).isEqualTo(1);
            clock.advance(Duration.ofHours(1));
            assertThat(app.dispatch(new Pay("a", 1), id("1"))).isEqualTo(2);
        }
    }

    // ---- property

    @Test
    void however_often_and_in_whatever_order_commands_are_repeated_each_has_one_effect_and_one_result() {
        for (long seed : Ledger.seeds(50)) {
            var random = new SplittableRandom(seed);
            var own = Ledger.store();
            var broken = new Meddled(own);
            broken.beforeAppend = n -> fail(random, 6);
            broken.afterAppend = n -> fail(random, 6);
            var tested = handler(broken).idempotent();
            var commands = new HashMap<String, Pay>();
            Map<String, Integer> results = new HashMap<>();
            for (int step = 0; step < 200; step++) {
                var id = "id" + random.nextInt(30);
                var command = commands.computeIfAbsent(id, i -> new Pay("a" + random.nextInt(3), random.nextInt(60)));
                try {
                    int result = tested.handle(command, id(id));
                    var first = results.putIfAbsent(id, result);
                    assertThat(first == null || first == result)
                            .as("%s, step %s: %s gave %s and then %s", Ledger.replay(seed), step, id, first, result)
                            .isTrue();
                } catch (RejectedException | AppendOutcomeUnknownException expected) {
                    assertThat(expected instanceof RejectedException && results.containsKey(id))
                            .as("%s: a command carried out was rejected later", Ledger.replay(seed))
                            .isFalse();
                }
            }
            var effects = new ArrayList<Object>();
            var carriedOut = new ArrayList<Object>();
            for (var event : events(own)) {
                if (event instanceof CommandId mark) {
                    var command = commands.get(mark.id());
                    assertThat(carriedOut).as(Ledger.replay(seed)).doesNotContain(mark.id());
                    carriedOut.add(mark.id());
                    assertThat(effects)
                            .as(Ledger.replay(seed))
                            .isEqualTo(
                                    command.amount() == 0
                                            ? List.of()
                                            : List.of(new Paid(command.account(), command.amount())));
                    effects.clear();
                } else {
                    effects.add(event);
                }
            }
            assertThat(effects).as(Ledger.replay(seed)).isEmpty();
            assertThat(carriedOut).as(Ledger.replay(seed)).containsAll(results.keySet());
        }
    }

    static void fail(SplittableRandom random, int oneIn) {
        if (random.nextInt(oneIn) == 0) {
            throw new AppendOutcomeUnknownException("the payment", new IllegalStateException("connection lost"));
        }
    }
}
