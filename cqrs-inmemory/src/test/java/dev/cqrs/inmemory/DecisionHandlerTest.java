package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DecisionHandlerTest {

    record Take(String seat, int count) implements Command<Integer> {}

    record Taken(String seat, int count) {}

    record Noted(String text) {}

    static final Fold<Integer> TAKEN = Fold.from(0).on(Taken.class, (sum, e) -> sum + e.count());

    final InMemoryEventStore store = new InMemoryEventStore(
            Catalog.builder()
                    .event("taken", Taken.class, e -> Set.of(seat(e.seat())))
                    .event("noted", Noted.class)
                    .build(),
            Clock.systemUTC());

    static Tag seat(String seat) {
        return Tag.of("seat", seat);
    }

    DecisionHandler<Take, Integer, Integer> handler(BiFunction<Take, Integer, Decision<?>> decide) {
        return new DecisionHandler<>(
                store,
                command -> DecisionModel.of(EventQuery.tagged(seat(command.seat())), TAKEN),
                decide,
                (command, after) -> after);
    }

    @Test
    void the_result_is_taken_from_the_state_after_the_decision() {
        var handler = handler((c, sum) -> Decision.accept(new Taken("1", c.count()), new Taken("1", 10)));

        assertThat(handler.handle(new Take("1", 2), Metadata.none())).isEqualTo(12);
        assertThat(handler.handle(new Take("1", 3), Metadata.none())).isEqualTo(25);
    }

    @Test
    void new_events_that_the_model_does_not_ask_for_do_not_reach_its_state() {
        var handler = handler((c, sum) -> Decision.accept(new Taken("other", 99), new Taken("1", 1), new Noted("x")));

        assertThat(handler.handle(new Take("1", 1), Metadata.none())).isEqualTo(1);
        assertThat(store.head()).isEqualTo(Position.of(3));
    }

    @Test
    void accepting_no_events_appends_nothing_and_still_gives_a_result() {
        var handler = handler((c, sum) -> Decision.accept());

        assertThat(handler.handle(new Take("1", 1), Metadata.none())).isZero();
        assertThat(store.head()).isEqualTo(Position.START);
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_result_function_that_fails_or_gives_null_leaves_nothing_behind() {
        for (var failing :
                List.<BiFunction<Take, Integer, Integer>>of((c, after) -> Math.floorDiv(1, 0), (c, after) -> null)) {
            var handler = new DecisionHandler<Take, Integer, Integer>(
                    store,
                    command -> DecisionModel.of(EventQuery.tagged(seat(command.seat())), TAKEN),
                    (c, sum) -> Decision.accept(new Taken("1", 1)),
                    failing);

            assertThatThrownBy(() -> handler.handle(new Take("1", 1), Metadata.none()))
                    .isInstanceOfAny(ArithmeticException.class, HandlerFailedException.class);
            assertThat(store.head()).isEqualTo(Position.START);
        }
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_model_or_a_decision_that_is_null_is_told_with_the_class_of_the_command() {
        var modelless = new DecisionHandler<Take, Integer, Integer>(
                store, command -> null, (c, sum) -> Decision.accept(), (c, after) -> after);

        assertThatNullPointerException()
                .isThrownBy(() -> modelless.handle(new Take("1", 1), Metadata.none()))
                .withMessageContainingAll("decision model", Take.class.getName());
        assertThatNullPointerException()
                .isThrownBy(() -> handler((c, sum) -> null).handle(new Take("1", 1), Metadata.none()))
                .withMessageContainingAll("decision on", Take.class.getName(), "accept(...)");
    }

    @Test
    void the_metadata_of_the_command_is_kept_with_its_events() {
        handler((c, sum) -> Decision.accept(new Taken("1", 1))).handle(new Take("1", 1), Metadata.withId("42"));

        try (var events = store.read(EventQuery.all())) {
            assertThat(events.toList())
                    .singleElement()
                    .satisfies(e -> assertThat(e.metadata()).isEqualTo(Metadata.withId("42")));
        }
    }

    @Test
    void a_rejection_is_not_tried_again() {
        var decided = new AtomicInteger();
        var handler = handler((c, sum) -> {
            decided.incrementAndGet();
            return Decision.reject("full");
        });

        assertThatThrownBy(() -> handler.handle(new Take("1", 1), Metadata.none()))
                .isInstanceOfSatisfying(RejectedException.class, e -> {
                    assertThat(e.reason()).isEqualTo("full");
                    assertThat(e.commandType()).isEqualTo(Take.class);
                });
        assertThat(decided).hasValue(1);
    }

    @Test
    void a_conflict_is_decided_again_on_the_new_state() {
        var decided = new AtomicInteger();
        var handler = handler((c, sum) -> {
            if (decided.incrementAndGet() == 1) {
                store.append(List.of(new Taken("1", 5)), AppendCondition.none());
            }
            return Decision.accept(new Taken("1", sum + c.count()));
        });

        assertThat(handler.handle(new Take("1", 2), Metadata.none())).isEqualTo(5 + 7);
        assertThat(decided).hasValue(2);
    }

    @Test
    void an_event_the_decision_does_not_depend_on_is_no_conflict() {
        var decided = new AtomicInteger();
        var handler = handler((c, sum) -> {
            decided.incrementAndGet();
            store.append(List.of(new Taken("other", 5)), AppendCondition.none());
            return Decision.accept(new Taken("1", 1));
        });

        handler.handle(new Take("1", 2), Metadata.none());

        assertThat(decided).hasValue(1);
    }

    @Test
    void a_conflict_that_no_further_attempt_can_end_reaches_the_caller_at_once() {
        // a store with a rule of its own: nothing more once seat 1 is known
        var once = AppendCondition.absent(EventQuery.tagged(seat("1")));
        var ruled = new Meddled(store);
        ruled.beforeAppend = number -> store.append(List.of(new Noted("never written")), once);
        store.append(List.of(new Taken("1", 1)), AppendCondition.none());
        var handler = new DecisionHandler<Take, Integer, Integer>(
                ruled,
                command -> DecisionModel.of(EventQuery.tagged(seat(command.seat())), TAKEN),
                (c, sum) -> Decision.accept(new Taken("1", 1)),
                (c, after) -> after);

        assertThatThrownBy(() -> handler.handle(new Take("1", 2), Metadata.none()))
                .isInstanceOf(AppendConflictException.class);
        assertThat(ruled.appends()).isEqualTo(1);
    }

    @Test
    void after_a_bounded_number_of_conflicts_the_last_one_reaches_the_caller() {
        var decided = new AtomicInteger();
        var handler = handler((c, sum) -> {
            decided.incrementAndGet();
            store.append(List.of(new Taken("1", 1)), AppendCondition.none());
            return Decision.accept(new Taken("1", 1));
        });

        assertThatThrownBy(() -> handler.handle(new Take("1", 2), Metadata.none()))
                .isInstanceOf(AppendConflictException.class);
        assertThat(decided).hasValue(DecisionHandler.ATTEMPTS);
        assertThat(store.head()).isEqualTo(Position.of(DecisionHandler.ATTEMPTS));
    }

    @Test
    void an_invariant_holds_under_eight_racing_threads() throws Exception {
        var handler = handler((c, sum) ->
                sum + c.count() > 100 ? Decision.reject("full") : Decision.accept(new Taken("1", c.count())));
        var threads = Executors.newFixedThreadPool(8);
        try {
            var accepted = new AtomicInteger();
            var racing = IntStream.range(0, 8)
                    .mapToObj(thread ->
                            threads.submit(() -> IntStream.range(0, 50).forEach(i -> {
                                try {
                                    handler.handle(new Take("1", 1), Metadata.none());
                                    accepted.incrementAndGet();
                                } catch (RejectedException full) {
                                    assertThat(full.reason()).isEqualTo("full");
                                }
                            })))
                    .toList();
            for (var one : racing) {
                one.get();
            }

            assertThat(accepted).hasValue(100);
            assertThat(store.head()).isEqualTo(Position.of(100));
        } finally {
            threads.shutdown();
            assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        }
    }
}
