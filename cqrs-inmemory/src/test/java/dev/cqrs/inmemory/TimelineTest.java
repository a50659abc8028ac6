package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.eventstore.Timeline;
import dev.cqrs.eventstore.Timeline.Difference;
import dev.cqrs.eventstore.Timeline.Moment;
import dev.cqrs.eventstore.Timeline.Page;
import dev.cqrs.eventstore.Timeline.Step;
import dev.cqrs.suite.Fronted;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
class TimelineTest {

    record Moved(String account, int amount) {}

    record Cancelled(String account) {}

    record Unknown() {}

    static final Instant MONDAY = Instant.parse("2026-01-05T09:00:00Z");
    static final Instant TUESDAY = MONDAY.plusSeconds(86_400);
    static final Instant WEDNESDAY = TUESDAY.plusSeconds(86_400);

    static final EventQuery MINE = EventQuery.tagged(Tag.of("account", "a"));
    static final Fold<Integer> BALANCE = Fold.from(0).on(Moved.class, (sum, e) -> sum + e.amount());
    static final Fold<List<Object>> SEEN = Fold.<List<Object>>fresh(ArrayList::new)
            .change(Moved.class, (seen, e) -> seen.add(e.amount()))
            .change(Cancelled.class, (seen, e) -> seen.add("cancelled"));

    final AtomicReference<Instant> now = new AtomicReference<>(MONDAY);
    final InstantSource time = now::get;
    final Watched store = new Watched(new InMemoryEventStore(
            Catalog.builder()
                    .event("moved", Moved.class, e -> Set.of(Tag.of("account", e.account())))
                    .event("cancelled", Cancelled.class, e -> Set.of(Tag.of("account", e.account())))
                    .build(),
            time.withZone(ZoneOffset.UTC)));
    final Timeline<Integer> balance = Timeline.of(store, MINE, BALANCE);
    final Timeline<List<Object>> seen = Timeline.of(store, MINE, SEEN);

    @AfterEach
    void every_stream_is_closed() {
        assertThat(store.open).hasValue(0);
    }

    private Position append(Object... events) {
        return store.append(List.of(events), AppendCondition.none()).last();
    }

    /** Position 1 to 6; of account a: 50, -20, -70, cancelled, at positions 1, 3, 4, 6. */
    private void threeDays() {
        append(new Moved("a", 50));
        now.set(TUESDAY);
        append(new Moved("b", 1), new Moved("a", -20), new Moved("a", -70));
        now.set(WEDNESDAY);
        append(new Moved("b", 1));
        append(new Cancelled("a"));
    }

    private static long place(Step<?> step) {
        return step.recorded().position().value();
    }

    // ---- one moment

    @Test
    void the_state_at_a_position_takes_the_events_up_to_it() {
        threeDays();
        assertThat(List.of(0, 1, 2, 3, 4, 5, 6))
                .extracting(position -> balance.at(Position.of(position)))
                .containsExactly(0, 50, 50, 30, -40, -40, -40);
        assertThat(seen.at(Position.of(4))).containsExactly(50, -20, -70);
    }

    @Test
    void the_state_at_an_instant_takes_all_events_recorded_then_or_before() {
        threeDays();
        assertThat(balance.at(MONDAY.minusNanos(1))).isZero();
        assertThat(balance.at(MONDAY)).isEqualTo(50);
        assertThat(balance.at(TUESDAY.minusNanos(1))).isEqualTo(50);
        assertThat(balance.at(TUESDAY)).isEqualTo(-40);
        assertThat(balance.at(Instant.MAX)).isEqualTo(-40);
        assertThat(balance.at(Instant.MIN)).isZero();
    }

    @Test
    void the_state_after_a_number_of_events_counts_those_of_the_timeline() {
        threeDays();
        assertThat(balance.at(Moment.afterEvents(0))).isZero();
        assertThat(balance.at(Moment.afterEvents(3))).isEqualTo(-40);
        assertThat(seen.at(Moment.afterEvents(4))).containsExactly(50, -20, -70, "cancelled");
        assertThatThrownBy(() -> balance.at(Moment.afterEvents(5)))
                .isInstanceOf(NoSuchElementException.class)
                .hasMessageContainingAll("\"after 5 events\"", "4 events", "position 6", "when(moment)");
    }

    @Test
    void what_has_not_come_is_told_in_words_also_with_one_event() {
        append(new Moved("a", 50));

        assertThatThrownBy(() -> balance.at(Moment.afterEvents(2)))
                .isInstanceOf(NoSuchElementException.class)
                .hasMessageContaining("with the 1 event up to position 1");
        assertThat(balance).hasToString("timeline of " + MINE);
    }

    @Test
    void the_first_event_is_included_and_before_leaves_it_out() {
        threeDays();
        assertThat(seen.at(Moment.first(Cancelled.class))).containsExactly(50, -20, -70, "cancelled");
        assertThat(seen.at(Moment.before(Cancelled.class))).containsExactly(50, -20, -70);
        assertThat(seen.at(Moment.first(e -> e.recordedAt().equals(TUESDAY)))).containsExactly(50, -20);
        assertThat(seen.at(Moment.before(e -> e.position().value() == 1))).isEmpty();
        assertThat(Moment.first(Cancelled.class))
                .isEqualTo(Moment.first(Cancelled.class))
                .isNotEqualTo(Moment.first(Moved.class));
        assertThatThrownBy(() -> seen.at(Moment.before(Unknown.class)))
                .isInstanceOf(NoSuchElementException.class)
                .hasMessageContaining("\"before the first Unknown\"");
    }

    @Test
    void when_tells_which_event_led_there() {
        threeDays();
        var overdrawn = balance.when(Moment.once(sum -> sum < 0)).orElseThrow();
        assertThat(overdrawn.state()).isEqualTo(-40);
        assertThat(overdrawn.recorded().position()).isEqualTo(Position.of(4));
        assertThat(overdrawn.recorded().recordedAt()).isEqualTo(TUESDAY);
        assertThat(balance.when(Moment.at(Position.of(2))))
                .map(TimelineTest::place)
                .contains(1L);
        assertThat(balance.when(Moment.at(TUESDAY))).map(TimelineTest::place).contains(4L);
        assertThat(balance.when(Moment.before(Cancelled.class)))
                .map(TimelineTest::place)
                .contains(4L);
        assertThat(balance.when(Moment.now())).map(TimelineTest::place).contains(6L);
    }

    @Test
    void when_is_empty_for_what_has_not_come_or_lies_before_the_first_event() {
        threeDays();
        assertThat(balance.when(Moment.once(sum -> sum > 50))).isEmpty();
        assertThat(balance.when(Moment.first(Unknown.class))).isEmpty();
        assertThat(balance.when(Moment.afterEvents(5))).isEmpty();
        assertThat(balance.when(Moment.afterEvents(0))).isEmpty();
        assertThat(balance.when(Moment.at(Position.START))).isEmpty();
        assertThat(balance.when(Moment.at(Instant.EPOCH))).isEmpty();
        assertThat(balance.when(Moment.before(Moved.class))).isEmpty();
    }

    @Test
    void the_state_before_all_events_is_nothing_that_an_event_led_to() {
        threeDays();
        assertThat(balance.when(Moment.once(sum -> sum >= 0)))
                .map(TimelineTest::place)
                .contains(1L);
        assertThatThrownBy(() -> balance.at(Moment.once(sum -> sum == 0))).isInstanceOf(NoSuchElementException.class);
    }

    @Test
    void an_empty_log_has_a_beginning_and_an_end() {
        assertThat(balance.at(Position.START)).isZero();
        assertThat(balance.at(MONDAY)).isZero();
        assertThat(balance.at(Moment.now())).isZero();
        assertThat(balance.at(Moment.afterEvents(0))).isZero();
        assertThat(balance.when(Moment.now())).isEmpty();
        assertThat(balance.between(Position.START, Position.START))
                .isEqualTo(new Difference<>(0, 0, Position.START, Position.START, 0));
        assertThat(balance.between(Moment.at(MONDAY), Moment.now()).events()).isZero();
        assertThat(balance.history(Position.START, 5)).isEqualTo(new Page<>(List.of(), Position.START, false));
        assertThat(balance.latest(5)).isEqualTo(new Page<>(List.of(), Position.START, false));
        assertThat(balance.latest(Position.START, 5)).isEqualTo(new Page<>(List.of(), Position.START, false));
        assertThatThrownBy(() -> balance.at(Moment.afterEvents(1))).isInstanceOf(NoSuchElementException.class);
    }

    // ---- two moments

    @Test
    void a_difference_has_both_states_and_places_and_the_number_of_events_between() {
        threeDays();
        assertThat(balance.between(Moment.at(MONDAY), Moment.now()))
                .isEqualTo(new Difference<>(50, -40, Position.of(1), Position.of(6), 3));
        assertThat(balance.between(Position.of(2), Position.of(3)))
                .isEqualTo(new Difference<>(50, 30, Position.of(1), Position.of(3), 1));
        assertThat(balance.between(MONDAY.minusNanos(1), TUESDAY))
                .isEqualTo(new Difference<>(0, -40, Position.START, Position.of(4), 3));
        assertThat(balance.between(Moment.once(sum -> sum < 0), Moment.first(Cancelled.class)))
                .isEqualTo(new Difference<>(-40, -40, Position.of(4), Position.of(6), 1))
                .returns(false, Difference::isChange);
    }

    @Test
    void the_states_of_a_difference_are_independent_where_they_are_changed_in_place() {
        threeDays();
        var difference = seen.between(Moment.first(Moved.class), Moment.before(Cancelled.class));
        assertThat(difference.before()).containsExactly(50);
        assertThat(difference.after()).containsExactly(50, -20, -70);
        assertThat(difference.isChange()).isTrue();

        var same = seen.between(Moment.now(), Moment.now());
        assertThat(same.before()).isEqualTo(same.after()).isNotSameAs(same.after());
    }

    @Test
    void states_that_stay_what_they_are_are_folded_once_for_a_difference() {
        threeDays();
        var steps = new AtomicInteger();
        var counting = Fold.from(0).on(Moved.class, (sum, e) -> {
            steps.incrementAndGet();
            return sum + e.amount();
        });
        Timeline.of(store, MINE, counting).between(MONDAY, TUESDAY);
        assertThat(steps).hasValue(3);
    }

    @Test
    void reversed_moments_are_refused() {
        threeDays();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> balance.between(Position.of(2), Position.of(1)))
                .withMessage("The moments are reversed: \"position 2\" lies behind \"position 1\"; expected the earlier"
                        + " one first. Swap them.");
        assertThatIllegalArgumentException().isThrownBy(() -> balance.between(WEDNESDAY.plusNanos(1), WEDNESDAY));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> balance.between(Moment.afterEvents(9), Moment.afterEvents(8)));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.between(Moment.now(), Moment.at(MONDAY)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> seen.between(Moment.first(Cancelled.class), Moment.before(Cancelled.class)))
                .withMessageContainingAll("\"first Cancelled\"", "\"before the first Cancelled\"");
        assertThat(balance.between(Moment.now(), Moment.at(WEDNESDAY)).events()).isZero();
    }

    @Test
    void a_difference_with_a_moment_that_has_not_come_is_refused() {
        threeDays();
        Moment<Integer> never = Moment.once(sum -> sum > 1_000);
        assertThatThrownBy(() -> balance.between(never, Moment.at(MONDAY))).isInstanceOf(NoSuchElementException.class);
        assertThatThrownBy(() -> balance.between(Moment.at(MONDAY), never)).isInstanceOf(NoSuchElementException.class);
    }

    // ---- history

    @Test
    void a_history_is_paged_by_position_the_oldest_first() {
        threeDays();
        var first = balance.history(Position.START, 3);
        assertThat(first.steps()).extracting(Step::state).containsExactly(50, 30, -40);
        assertThat(first.steps()).extracting(TimelineTest::place).containsExactly(1L, 3L, 4L);
        assertThat(first.more()).isTrue();
        assertThat(first.next()).isEqualTo(Position.of(4));

        var second = balance.history(first.next(), 3);
        assertThat(second.steps()).extracting(TimelineTest::place).containsExactly(6L);
        assertThat(second.more()).isFalse();

        var third = balance.history(second.next(), 3);
        assertThat(third).isEqualTo(new Page<>(List.of(), Position.of(6), false));
        append(new Moved("a", 5));
        assertThat(balance.history(third.next(), 3).steps())
                .extracting(Step::state)
                .containsExactly(-35);
    }

    @Test
    void the_latest_steps_come_first_when_paging_back() {
        threeDays();
        var last = balance.latest(3);
        assertThat(last.steps()).extracting(TimelineTest::place).containsExactly(6L, 4L, 3L);
        assertThat(last.steps()).extracting(Step::state).containsExactly(-40, -40, 30);
        assertThat(last.more()).isTrue();

        var first = balance.latest(last.next(), 3);
        assertThat(first.steps()).extracting(TimelineTest::place).containsExactly(1L);
        assertThat(first.more()).isFalse();
        assertThat(first.next()).isEqualTo(Position.START);
        assertThat(balance.latest(first.next(), 3).steps()).isEmpty();
        assertThat(balance.latest(Position.of(5), 1).steps())
                .extracting(TimelineTest::place)
                .containsExactly(4L);
        assertThat(balance.latest(Integer.MAX_VALUE).steps()).hasSize(4);
        assertThat(balance.history(Position.START, Integer.MAX_VALUE).steps()).hasSize(4);
    }

    @Test
    void a_page_ends_where_the_log_does() {
        threeDays();
        assertThat(balance.history(Position.START, 4).more()).isFalse();
        assertThat(balance.latest(4).more()).isFalse();
    }

    @Test
    void states_changed_in_place_are_looked_at() {
        threeDays();
        assertThatIllegalStateException()
                .isThrownBy(() -> seen.history(Position.START, 5))
                .withMessageContainingAll("changes its state in place", "history(after, limit, look)");
        assertThatIllegalStateException().isThrownBy(() -> seen.latest(5)).withMessageContaining("latest(limit, look)");
        assertThatIllegalStateException()
                .isThrownBy(() -> seen.latest(Position.of(1), 5))
                .withMessageContaining("latest(until, limit, look)");
        assertThatIllegalStateException()
                .isThrownBy(() -> seen.history(Position.START, 5, state -> state))
                .withMessageContaining("Return a copy");
        assertThatNullPointerException()
                .isThrownBy(() -> seen.history(Position.START, 5, state -> nothing()))
                .withMessageContaining("Optional");

        assertThat(seen.history(Position.of(1), 2, List::copyOf).steps())
                .extracting(Step::state)
                .isEqualTo(List.of(List.of(50, -20), List.of(50, -20, -70)));
        assertThat(seen.latest(2, List::size).steps()).extracting(Step::state).containsExactly(4, 3);
        assertThat(seen.latest(Position.of(3), 1, List::size).steps())
                .extracting(Step::state)
                .containsExactly(2);
    }

    @Test
    void a_look_sees_only_the_states_of_its_page() {
        threeDays();
        var looks = new AtomicInteger();
        seen.history(Position.of(1), 1, state -> looks.incrementAndGet());
        assertThat(looks).hasValue(1);
        seen.latest(2, state -> looks.incrementAndGet());
        assertThat(looks).hasValue(3);
    }

    // ---- bad input

    @Test
    void a_position_behind_the_head_is_refused() {
        threeDays();
        var behind = Position.of(7);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> balance.at(behind))
                .withMessage("Position 7 lies behind the log's head, 6; expected a position at or before it.");
        assertThatIllegalArgumentException().isThrownBy(() -> balance.at(Moment.at(behind)));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.when(Moment.at(behind)));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.between(Position.START, behind));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.between(Moment.at(behind), Moment.now()));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.history(behind, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.latest(behind, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.latest(Position.of(Long.MAX_VALUE), 1));
        assertThat(balance.at(Position.of(6))).isEqualTo(-40);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, Integer.MIN_VALUE})
    void a_page_without_room_is_refused(int limit) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> balance.history(Position.START, limit))
                .withMessage("The limit of a page is " + limit + " steps; expected 1 or more.");
        assertThatIllegalArgumentException().isThrownBy(() -> balance.latest(limit));
        assertThatIllegalArgumentException().isThrownBy(() -> balance.latest(Position.START, limit));
    }

    @Test
    void nulls_are_refused() {
        threeDays();
        Position noPosition = nothing();
        Instant noInstant = nothing();
        Moment<Object> noMoment = nothing();
        Fold<Integer> noFold = nothing();
        Function<Integer, Integer> noLook = nothing();
        assertThatNullPointerException().isThrownBy(() -> Timeline.of(nothing(), MINE, BALANCE));
        assertThatNullPointerException().isThrownBy(() -> Timeline.of(store, nothing(), BALANCE));
        assertThatNullPointerException().isThrownBy(() -> Timeline.of(store, MINE, noFold));
        assertThatNullPointerException().isThrownBy(() -> balance.at(noPosition));
        assertThatNullPointerException().isThrownBy(() -> balance.at(noInstant));
        assertThatNullPointerException().isThrownBy(() -> balance.at(noMoment));
        assertThatNullPointerException().isThrownBy(() -> balance.when(noMoment));
        assertThatNullPointerException().isThrownBy(() -> balance.between(noMoment, Moment.now()));
        assertThatNullPointerException().isThrownBy(() -> balance.between(Moment.now(), noMoment));
        assertThatNullPointerException().isThrownBy(() -> balance.between(noPosition, Position.START));
        assertThatNullPointerException().isThrownBy(() -> balance.between(MONDAY, noInstant));
        assertThatNullPointerException().isThrownBy(() -> balance.history(noPosition, 1));
        assertThatNullPointerException().isThrownBy(() -> balance.latest(noPosition, 1));
        assertThatNullPointerException().isThrownBy(() -> balance.latest(1, noLook));
        assertThat(balance.at(Moment.now())).isEqualTo(-40);
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what a careless caller passes in
    private static <T> T nothing() {
        return null;
    }

    @Test
    void what_a_predicate_or_a_fold_throws_arrives_and_the_timeline_stays_usable() {
        threeDays();
        var boom = new IllegalStateException("boom");
        assertThatThrownBy(() -> balance.at(Moment.first((RecordedEvent e) -> {
                    throw boom;
                })))
                .isSameAs(boom);
        var failing = Timeline.of(store, MINE, Fold.from(0).on(Cancelled.class, (sum, e) -> {
            throw boom;
        }));
        assertThatThrownBy(() -> failing.at(Moment.now())).isSameAs(boom);
        assertThatThrownBy(() -> failing.history(Position.START, 10)).isSameAs(boom);
        assertThat(failing.at(Moment.before(Cancelled.class))).isZero();
        assertThat(balance.at(Moment.now())).isEqualTo(-40);
    }

    // ---- one snapshot, read no further than needed

    @Test
    void events_appended_meanwhile_are_not_seen() {
        threeDays();
        var asked = new AtomicInteger();
        Moment<Integer> never = Moment.once(sum -> {
            append(new Moved("a", 1));
            return asked.incrementAndGet() > 100;
        });
        assertThat(balance.when(never)).isEmpty();
        assertThat(asked).hasValue(4);
        assertThatThrownBy(() -> balance.between(Moment.at(MONDAY), never)).isInstanceOf(NoSuchElementException.class);
        assertThat(asked).hasValue(4 + 8);
        var page = balance.latest(100, sum -> {
            append(new Moved("a", 1));
            return sum;
        });
        assertThat(page.steps()).hasSize(16);
    }

    @Test
    void each_answer_is_of_one_snapshot_while_others_append() throws InterruptedException {
        var going = new CountDownLatch(1);
        var failure = new AtomicReference<Throwable>();
        var appender = new Thread(() -> {
            for (int i = 0; i < 5_000; i++) {
                append(new Moved("a", 1), new Moved("a", -1)); // never seen in half
                going.countDown();
            }
        });
        appender.setUncaughtExceptionHandler((thread, thrown) -> failure.set(thrown));
        appender.start();
        going.await();
        do {
            var difference = balance.between(Moment.afterEvents(1), Moment.now());
            assertThat(difference.before()).isEqualTo(1);
            assertThat(difference.after()).isZero();
            assertThat(difference.events()).isOdd();
            var page = balance.latest(4);
            assertThat(page.steps().get(0).state()).isZero();
            for (int i = 0; i < page.steps().size(); i++) {
                assertThat(page.steps().get(i).state()).isEqualTo(i % 2);
            }
        } while (appender.isAlive());
        appender.join();
        assertThat(failure).hasNullValue();
    }

    @Test
    void reading_ends_with_the_moment() {
        for (int i = 0; i < 100; i++) {
            now.set(MONDAY.plusSeconds(i));
            append(new Moved("a", 1));
        }
        assertThat(reads(() -> balance.at(MONDAY.plusSeconds(9)))).isLessThanOrEqualTo(11);
        assertThat(reads(() -> balance.at(Position.of(10)))).isLessThanOrEqualTo(11);
        assertThat(reads(() -> balance.at(Moment.afterEvents(10)))).isLessThanOrEqualTo(10);
        assertThat(reads(() -> balance.at(Moment.once(sum -> sum == 10)))).isLessThanOrEqualTo(10);
        assertThat(reads(() -> balance.at(Moment.before(e -> e.position().value() == 10))))
                .isLessThanOrEqualTo(10);
        assertThat(reads(() -> balance.between(Moment.afterEvents(2), Moment.afterEvents(10))))
                .isLessThanOrEqualTo(10);
        assertThat(reads(() -> balance.between(Position.of(2), Position.of(10))))
                .isLessThanOrEqualTo(11);
        assertThat(reads(() -> balance.history(Position.START, 10))).isLessThanOrEqualTo(12);
    }

    private int reads(Runnable action) {
        store.advanced.set(0);
        action.run();
        return store.advanced.get();
    }

    @Test
    void a_run_of_ones_own_may_hold_more_than_a_fold() {
        threeDays();
        class Names implements Timeline.Run<List<String>> {
            private final List<String> names = new ArrayList<>();

            @Override
            public void take(EventStream current) {
                names.add(current.name());
            }

            @Override
            public List<String> state() {
                return List.copyOf(names);
            }

            @Override
            public boolean changesInPlace() {
                return false;
            }
        }
        var names = Timeline.of(store, MINE, Names::new);
        assertThat(names.at(Moment.now())).containsExactly("moved", "moved", "moved", "cancelled");
        assertThat(names.between(MONDAY, TUESDAY).before()).containsExactly("moved");
        assertThat(names.latest(1).steps().get(0).state()).hasSize(4);
    }

    // ---- against a model

    /** All that a timeline is: the events in a list, folded one by one. */
    record Model(List<RecordedEvent> events, long head) {

        List<Object> state(int count) {
            var state = new ArrayList<Object>();
            for (var recorded : events.subList(0, count)) {
                state.add(recorded.event() instanceof Moved moved ? moved.amount() : "cancelled");
            }
            return state;
        }

        Position last(int count) {
            return count == 0 ? Position.START : events.get(count - 1).position();
        }

        int sum(int count) {
            return state(count).stream()
                    .mapToInt(one -> one instanceof Integer amount ? amount : 0)
                    .sum();
        }
    }

    /** A moment, and how many events it takes into account; none if it does not come. */
    record Case(Moment<? super List<Object>> moment, Optional<Integer> count) {}

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void every_moment_difference_and_page_is_what_a_list_gives(long seed) {
        var random = new SplittableRandom(seed);
        int millis = 0;
        for (int i = random.nextInt(3) == 0 ? 40 : 34; i < 40 || random.nextInt(5) > 0; i++) {
            millis += random.nextInt(3);
            now.set(MONDAY.plusMillis(millis)); // some at the same instant
            var batch = new ArrayList<Object>();
            do {
                var account = random.nextInt(3) == 0 ? "b" : "a";
                batch.add(random.nextInt(6) == 0 ? new Cancelled(account) : new Moved(account, random.nextInt(-5, 6)));
            } while (random.nextBoolean());
            append(batch.toArray());
        }
        Model model;
        try (var events = store.read(MINE)) {
            model = new Model(events.toList(), events.head().value());
        }
        var cases = cases(model, random);
        for (var one : cases) {
            check(model, one, "seed " + seed);
        }
        for (var from : cases) {
            for (int i = 0; i < 20; i++) {
                var to = cases.get(random.nextInt(cases.size()));
                check(model, from, to, "seed " + seed);
            }
        }
        for (int limit = 1; limit <= model.events().size() + 1; limit++) {
            checkPages(model, limit, "seed " + seed);
        }
    }

    private static List<Case> cases(Model model, SplittableRandom random) {
        var events = model.events();
        int size = events.size();
        var cases = new ArrayList<Case>();
        cases.add(new Case(Moment.now(), Optional.of(size)));
        for (long p = 0; p <= model.head(); p++) {
            long position = p;
            cases.add(new Case(Moment.at(Position.of(p)), Optional.of((int) events.stream()
                    .filter(e -> e.position().value() <= position)
                    .count())));
        }
        for (int ms = -1; ms < 40; ms += 1 + random.nextInt(5)) {
            var instant = MONDAY.plusMillis(ms);
            cases.add(new Case(Moment.at(instant), Optional.of((int) events.stream()
                    .filter(e -> !e.recordedAt().isAfter(instant))
                    .count())));
        }
        for (int n = 0; n <= size + 1; n++) {
            cases.add(new Case(Moment.afterEvents(n), n <= size ? Optional.of(n) : Optional.empty()));
        }
        for (int amount = -6; amount <= 6; amount++) {
            int wanted = amount;
            var event =
                    firstCount(size, n -> events.get(n - 1).event() instanceof Moved moved && moved.amount() == wanted);
            cases.add(new Case(Moment.first(e -> e.event() instanceof Moved moved && moved.amount() == wanted), event));
            cases.add(new Case(
                    Moment.before(e -> e.event() instanceof Moved moved && moved.amount() == wanted),
                    event.map(n -> n - 1)));
            cases.add(new Case(
                    Moment.<List<Object>>once(state -> state.stream()
                                    .mapToInt(one -> one instanceof Integer number ? number : 0)
                                    .sum()
                            == wanted),
                    firstCount(size, n -> model.sum(n) == wanted)));
        }
        return cases;
    }

    private static Optional<Integer> firstCount(int size, IntPredicate test) {
        return IntStream.rangeClosed(1, size).filter(test).boxed().findFirst();
    }

    private void check(Model model, Case one, String what) {
        var as = what + ", " + one;
        var step = seen.when(one.moment());
        if (one.count().isEmpty()) {
            assertThatThrownBy(() -> seen.at(one.moment())).as(as).isInstanceOf(NoSuchElementException.class);
            assertThat(step).as(as).isEmpty();
            return;
        }
        int count = one.count().get();
        assertThat(seen.at(one.moment())).as(as).isEqualTo(model.state(count));
        assertThat(step)
                .as(as)
                .isEqualTo(
                        count == 0
                                ? Optional.empty()
                                : Optional.of(new Step<>(model.events().get(count - 1), model.state(count))));
    }

    private void check(Model model, Case from, Case to, String what) {
        var as = what + ", " + from + " to " + to;
        if (sameKindReversed(from, to)) {
            assertThatThrownBy(() -> seen.between(from.moment(), to.moment()))
                    .as(as)
                    .isInstanceOf(IllegalArgumentException.class);
        } else if (from.count().isEmpty() || to.count().isEmpty()) {
            assertThatThrownBy(() -> seen.between(from.moment(), to.moment()))
                    .as(as)
                    .isInstanceOf(NoSuchElementException.class);
        } else if (from.count().get() > to.count().get()) {
            assertThatThrownBy(() -> seen.between(from.moment(), to.moment()))
                    .as(as)
                    .isInstanceOf(IllegalArgumentException.class);
        } else {
            int before = from.count().get();
            int after = to.count().get();
            assertThat(seen.between(from.moment(), to.moment()))
                    .as(as)
                    .isEqualTo(new Difference<>(
                            model.state(before),
                            model.state(after),
                            model.last(before),
                            model.last(after),
                            after - before));
        }
    }

    private static boolean sameKindReversed(Case from, Case to) {
        if (from.moment() instanceof Moment.AtPosition one && to.moment() instanceof Moment.AtPosition other) {
            return one.position().isAfter(other.position());
        }
        if (from.moment() instanceof Moment.AtInstant one && to.moment() instanceof Moment.AtInstant other) {
            return one.instant().isAfter(other.instant());
        }
        return from.moment() instanceof Moment.AfterEvents one
                && to.moment() instanceof Moment.AfterEvents other
                && one.count() > other.count();
    }

    private void checkPages(Model model, int limit, String what) {
        var as = what + ", limit " + limit;
        var all = new ArrayList<Step<List<Object>>>();
        for (int n = 1; n <= model.events().size(); n++) {
            all.add(new Step<>(model.events().get(n - 1), model.state(n)));
        }
        var forwards = new ArrayList<Step<List<Object>>>();
        var page = seen.history(Position.START, limit, List::copyOf);
        forwards.addAll(page.steps());
        while (page.more()) {
            assertThat(page.steps()).as(as).hasSize(limit);
            page = seen.history(page.next(), limit, List::copyOf);
            assertThat(page.steps()).as(as).isNotEmpty();
            forwards.addAll(page.steps());
        }
        assertThat(forwards).as(as).isEqualTo(all);

        var backwards = new ArrayList<Step<List<Object>>>();
        page = seen.latest(limit, List::copyOf);
        backwards.addAll(page.steps());
        while (page.more()) {
            assertThat(page.steps()).as(as).hasSize(limit);
            page = seen.latest(page.next(), limit, List::copyOf);
            assertThat(page.steps()).as(as).isNotEmpty();
            backwards.addAll(page.steps());
        }
        Collections.reverse(backwards);
        assertThat(backwards).as(as).isEqualTo(all);
    }

    // ---- a store that counts what is open and how far it was read

    static final class Watched extends Fronted {
        private final AtomicInteger open = new AtomicInteger();
        private final AtomicInteger advanced = new AtomicInteger();

        Watched(EventStore store) {
            super(store);
        }

        AtomicInteger open() {
            return open;
        }

        AtomicInteger advanced() {
            return advanced;
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            var read = super.read(query, options);
            open.incrementAndGet();
            return new Stream(read) {
                @Override
                public boolean advance() {
                    advanced.incrementAndGet();
                    return super.advance();
                }

                @Override
                public void close() {
                    super.close();
                    open.decrementAndGet();
                }
            };
        }
    }
}
