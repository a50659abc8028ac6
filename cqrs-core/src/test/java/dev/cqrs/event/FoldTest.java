package dev.cqrs.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.reflect.Array;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How events add up to a state. */
@Timeout(300)
class FoldTest {

    sealed interface AccountEvent {}

    record Opened(String owner) implements AccountEvent {}

    sealed interface Movement extends AccountEvent {}

    record Deposited(int amount) implements Movement {}

    record Withdrawn(int amount) implements Movement {}

    interface Audited {}

    record Transferred(int amount) implements Movement, Audited {}

    static class Note {}

    static class LongNote extends Note {}

    record Unrelated() {}

    static final Fold<String> TRACE = Fold.from("");

    @SafeVarargs
    static <S, E> S run(Fold<S> fold, E... events) {
        S state = fold.initial();
        for (var event : events) {
            state = fold.apply(state, event);
        }
        return state;
    }

    @Test
    void steps_take_the_state_from_event_to_event_in_order() {
        var fold = TRACE.on(Deposited.class, (s, e) -> s + "+" + e.amount())
                .on(Withdrawn.class, (s, e) -> s + "-" + e.amount());

        assertThat(run(fold, new Deposited(5), new Withdrawn(3), new Deposited(4)))
                .isEqualTo("+5-3+4");
    }

    @Test
    void a_fold_without_events_is_at_its_initial_state() {
        var initial = List.of("initial");

        assertThat(Fold.from(initial).initial()).isSameAs(initial);
        assertThat(Fold.fresh(() -> initial).initial()).isSameAs(initial);
    }

    @Test
    void change_changes_the_state_in_place() {
        var fold = Fold.<List<Integer>>fresh(ArrayList::new).change(Deposited.class, (l, e) -> l.add(e.amount()));
        var state = fold.initial();

        var next = fold.apply(state, new Deposited(5));

        assertThat(next).isSameAs(state).containsExactly(5);
    }

    @Test
    void on_and_change_work_side_by_side() {
        var fold = Fold.<List<Integer>>fresh(ArrayList::new)
                .change(Deposited.class, (l, e) -> l.add(e.amount()))
                .on(Withdrawn.class, (l, e) -> new ArrayList<>(List.of(-e.amount())));

        assertThat(run(fold, new Deposited(1), new Withdrawn(2), new Deposited(3)))
                .containsExactly(-2, 3);
    }

    @Test
    void a_step_for_a_sealed_root_serves_everything_below_it() {
        var fold = Fold.from(0).on(AccountEvent.class, (n, e) -> n + 1);

        assertThat(run(fold, new Opened("a"), new Deposited(1), new Withdrawn(1), new Transferred(1)))
                .isEqualTo(4);
        assertThat(run(fold, new Unrelated())).isZero();
    }

    @Test
    void a_step_for_a_class_serves_its_subclasses() {
        var fold = Fold.from(0).on(Note.class, (n, e) -> n + 1);

        assertThat(run(fold, new Note(), new LongNote())).isEqualTo(2);
    }

    @Test
    void a_step_for_a_subclass_does_not_serve_the_class_above() {
        var fold = Fold.from(0).on(LongNote.class, (n, e) -> n + 1);

        assertThat(run(fold, new Note())).isZero();
    }

    @Test
    void the_most_specific_step_wins_in_whatever_order_they_were_added() {
        var down = TRACE.on(Object.class, (s, e) -> s + "o")
                .on(AccountEvent.class, (s, e) -> s + "a")
                .on(Movement.class, (s, e) -> s + "m")
                .on(Deposited.class, (s, e) -> s + "d");
        var up = TRACE.on(Deposited.class, (s, e) -> s + "d")
                .on(Movement.class, (s, e) -> s + "m")
                .on(AccountEvent.class, (s, e) -> s + "a")
                .on(Object.class, (s, e) -> s + "o");
        Object[] events = {new Deposited(1), new Withdrawn(1), new Opened("a"), new Unrelated()};

        assertThat(run(down, events)).isEqualTo("dmao");
        assertThat(run(up, events)).isEqualTo("dmao");
    }

    @Test
    void two_steps_of_which_neither_is_more_specific_are_refused_naming_both_and_the_event() {
        var fold = TRACE.on(Movement.class, (s, e) -> s + "m").on(Audited.class, (s, e) -> s + "a");

        for (int i = 0; i < 2; i++) { // the second time as well, when the class has been seen
            assertThatIllegalStateException()
                    .isThrownBy(() -> fold.apply("", new Transferred(1)))
                    .withMessageContainingAll(
                            Movement.class.getName(),
                            Audited.class.getName(),
                            Transferred.class.getName(),
                            "neither is more specific",
                            "Add a step");
        }
        assertThatIllegalStateException().isThrownBy(() -> fold.stepFor(Transferred.class));
        assertThat(run(fold, new Deposited(1))).isEqualTo("m");
    }

    @Test
    void a_step_for_the_event_itself_ends_the_ambiguity() {
        var ambiguous = TRACE.on(Movement.class, (s, e) -> s + "m").on(Audited.class, (s, e) -> s + "a");

        var fold = ambiguous.on(Transferred.class, (s, e) -> s + "t");

        assertThat(run(fold, new Transferred(1))).isEqualTo("t");
    }

    @Test
    void an_event_without_a_step_leaves_the_state_as_it_is() {
        var fold = TRACE.on(Deposited.class, (s, e) -> s + "d");
        var state = new String("some state");

        assertThat(fold.apply(state, new Unrelated())).isSameAs(state);
        assertThat(fold.apply(state, new Unrelated())).isSameAs(state);
        assertThat(fold.apply(state, "not even an event")).isSameAs(state);
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_step_that_returns_null_is_refused_naming_the_class_and_the_cure() {
        var fold = TRACE.on(Movement.class, (s, e) -> null).on(Opened.class, (s, e) -> s + e.owner());

        assertThatNullPointerException()
                .isThrownBy(() -> fold.apply("", new Deposited(1)))
                .withMessageContainingAll(
                        Movement.class.getName(), "returned null", "expected the next state", "Return the state");
        assertThat(run(fold, new Opened("a"))).isEqualTo("a");
    }

    @Test
    void a_second_step_for_the_same_class_is_refused_and_the_fold_keeps_the_first() {
        var fold = TRACE.on(Deposited.class, (s, e) -> s + "first");

        assertThatIllegalArgumentException()
                .isThrownBy(() -> fold.on(Deposited.class, (s, e) -> s + "second"))
                .withMessageContainingAll("two steps", Deposited.class.getName(), "expected one", "Merge");
        assertThat(run(fold, new Deposited(1))).isEqualTo("first");
        assertThat(fold.types()).containsExactly(Deposited.class);
    }

    @Test
    void a_step_for_a_primitive_type_is_refused_as_no_event_would_reach_it() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Fold.from(0).on(long.class, (sum, more) -> sum))
                .withMessageContainingAll("primitive type long", "expected the class of an event");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Fold.<List<Object>>fresh(ArrayList::new).change(int.class, List::add));
    }

    @Test
    void a_second_step_is_refused_across_on_and_change() {
        var on = Fold.<List<Integer>>fresh(ArrayList::new).on(Deposited.class, (l, e) -> l);
        var change = Fold.<List<Integer>>fresh(ArrayList::new).change(Deposited.class, (l, e) -> l.add(1));

        assertThatIllegalArgumentException().isThrownBy(() -> on.change(Deposited.class, (l, e) -> l.add(2)));
        assertThatIllegalArgumentException().isThrownBy(() -> change.on(Deposited.class, (l, e) -> l));
        assertThat(on.changesInPlace()).isFalse();
        assertThat(run(change, new Deposited(1))).containsExactly(1);
    }

    @Test
    void change_is_refused_where_runs_share_the_initial_state() {
        var fold = Fold.<List<Integer>>from(new ArrayList<>()).on(Withdrawn.class, (l, e) -> l);

        assertThatIllegalStateException()
                .isThrownBy(() -> fold.change(Deposited.class, (l, e) -> l.add(e.amount())))
                .withMessageContainingAll("change(Deposited.class", "share", "Fold.fresh(");
        assertThat(fold.types()).containsExactly(Withdrawn.class);
        assertThat(run(fold, new Deposited(1))).isEmpty();
    }

    @Test
    void each_run_has_a_state_of_its_own() {
        var fold = Fold.<List<Integer>>fresh(ArrayList::new).change(Deposited.class, (l, e) -> l.add(e.amount()));

        var first = run(fold, new Deposited(1), new Deposited(2));
        var second = run(fold, new Deposited(3));

        assertThat(first).containsExactly(1, 2);
        assertThat(second).containsExactly(3);
        assertThat(fold.initial()).isEmpty();
    }

    @Test
    void the_initial_state_is_made_once_a_run_and_not_before() {
        var made = new AtomicInteger();
        var fold = Fold.fresh(made::incrementAndGet).on(Deposited.class, (n, e) -> n);

        assertThat(made).hasValue(0);
        assertThat(run(fold, new Deposited(1), new Deposited(2))).isEqualTo(1);
        assertThat(run(fold, new Deposited(1))).isEqualTo(2);
        assertThat(made).hasValue(2);
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_supplier_that_gives_null_is_refused_at_the_first_run() {
        var fold = Fold.<String>fresh(() -> null);

        assertThatNullPointerException().isThrownBy(fold::initial).withMessageContaining("initial state");
    }

    @Test
    void adding_a_step_makes_a_new_fold_and_leaves_the_old_one() {
        var none = TRACE;
        var deposits = none.on(Deposited.class, (s, e) -> s + "d");
        var withdrawals = none.on(Withdrawn.class, (s, e) -> s + "w");
        Object[] events = {new Deposited(1), new Withdrawn(1)};

        assertThat(run(none, events)).isEmpty();
        assertThat(run(deposits, events)).isEqualTo("d");
        assertThat(run(withdrawals, events)).isEqualTo("w");
        assertThat(none.types()).isEmpty();
        assertThat(deposits.types()).containsExactly(Deposited.class);
    }

    @Test
    void a_step_added_to_a_fold_that_has_run_is_taken() {
        var before = TRACE.on(Movement.class, (s, e) -> s + "m");
        assertThat(run(before, new Deposited(1), new Opened("a"))).isEqualTo("m");

        var after = before.on(Deposited.class, (s, e) -> s + "d").on(Opened.class, (s, e) -> s + "o");

        assertThat(run(after, new Deposited(1), new Opened("a"))).isEqualTo("do");
        assertThat(run(before, new Deposited(1), new Opened("a"))).isEqualTo("m");
    }

    @Test
    void the_types_are_those_with_a_step_in_the_order_of_the_calls() {
        var fold = TRACE.on(Withdrawn.class, (s, e) -> s)
                .on(AccountEvent.class, (s, e) -> s)
                .on(Deposited.class, (s, e) -> s)
                .on(Note.class, (s, e) -> s);

        fold.apply("", new Opened("a"));

        assertThat(fold.types()).containsExactly(Withdrawn.class, AccountEvent.class, Deposited.class, Note.class);
    }

    @Test
    void the_types_cannot_be_changed() {
        var fold = TRACE.on(Deposited.class, (s, e) -> s + "d");

        assertThatThrownBy(() -> fold.types().clear()).isInstanceOf(UnsupportedOperationException.class);
        assertThatThrownBy(() -> TRACE.types().add(Note.class)).isInstanceOf(UnsupportedOperationException.class);
        assertThat(run(fold, new Deposited(1))).isEqualTo("d");
    }

    @Test
    void a_fold_says_whether_it_changes_states_in_place() {
        var fresh = Fold.<List<Integer>>fresh(ArrayList::new);
        var changing = fresh.change(Deposited.class, (l, e) -> l.add(1));

        assertThat(TRACE.on(Deposited.class, (s, e) -> s).changesInPlace()).isFalse();
        assertThat(fresh.changesInPlace()).isFalse();
        assertThat(fresh.on(Deposited.class, (l, e) -> l).changesInPlace()).isFalse();
        assertThat(changing.changesInPlace()).isTrue();
        assertThat(changing.on(Withdrawn.class, (l, e) -> l).changesInPlace()).isTrue();
    }

    @Test
    void the_step_for_a_class_is_the_one_that_apply_takes() {
        var fold = TRACE.on(Movement.class, (s, e) -> s + "m").on(Deposited.class, (s, e) -> s + "d");

        assertThat(fold.stepFor(Deposited.class).apply("", new Deposited(1))).isEqualTo("d");
        assertThat(fold.stepFor(Withdrawn.class).apply("", new Withdrawn(1))).isEqualTo("m");
        assertThat(fold.stepFor(Unrelated.class).apply("same", new Unrelated())).isEqualTo("same");
    }

    @Test
    void what_a_step_throws_reaches_the_caller_unchanged() {
        var boom = new UnsupportedOperationException("boom");
        var fold = Fold.<List<Integer>>fresh(ArrayList::new)
                .on(Deposited.class, (l, e) -> {
                    throw boom;
                })
                .change(Withdrawn.class, (l, e) -> {
                    throw boom;
                });

        assertThatThrownBy(() -> run(fold, new Deposited(1))).isSameAs(boom);
        assertThatThrownBy(() -> run(fold, new Withdrawn(1))).isSameAs(boom);
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_when_the_fold_is_made_naming_the_argument() {
        var fresh = Fold.<List<Integer>>fresh(ArrayList::new);

        assertThatNullPointerException().isThrownBy(() -> Fold.from(null)).withMessage("initial");
        assertThatNullPointerException()
                .isThrownBy(() -> Fold.fresh((Supplier<String>) null))
                .withMessage("initial");
        assertThatNullPointerException()
                .isThrownBy(() -> TRACE.on(null, (s, e) -> s))
                .withMessage("type");
        assertThatNullPointerException()
                .isThrownBy(() -> TRACE.on(Deposited.class, null))
                .withMessage("step");
        assertThatNullPointerException()
                .isThrownBy(() -> fresh.change(null, (l, e) -> l.clear()))
                .withMessage("type");
        assertThatNullPointerException()
                .isThrownBy(() -> fresh.change(Deposited.class, null))
                .withMessage("step");
        assertThat(fresh.types()).isEmpty();
    }

    @Test
    @SuppressWarnings("NullAway")
    void a_null_event_is_refused() {
        assertThatNullPointerException().isThrownBy(() -> TRACE.apply("", null));
    }

    @Test
    void many_threads_meet_classes_not_seen_before_and_all_take_the_right_steps() throws Exception {
        // given arrays of 1 to 20 dimensions as events: many classes
        var events = new ArrayList<Object>();
        for (var base : new Class<?>[] {int.class, long.class, byte.class, char.class, Integer.class, String.class}) {
            var array = Array.newInstance(base, 0);
            for (int dimensions = 1; dimensions <= 20; dimensions++) {
                events.add(array);
                array = Array.newInstance(array.getClass(), 0);
            }
        }
        int threads = 4;
        int rounds = 40;
        var pool = Executors.newFixedThreadPool(threads);
        try {
            for (int round = 0; round < rounds; round++) {
                // a new fold has seen no class
                var fold = Fold.from(0L)
                        .on(Object[].class, (n, e) -> n + 1)
                        .on(int[].class, (n, e) -> n + 1_000)
                        .on(String[][].class, (n, e) -> n + 1_000_000);
                var start = new CyclicBarrier(threads);
                var tasks = new ArrayList<Callable<Long>>();
                for (int i = 0; i < threads; i++) {
                    var own = new ArrayList<>(events);
                    Collections.rotate(own, i % 2);
                    tasks.add(() -> {
                        start.await(120, TimeUnit.SECONDS);
                        return run(fold, own.toArray());
                    });
                }

                // when all threads take all of them at once
                var results = pool.invokeAll(tasks);

                // then each has taken the steps for one int[], one String[][], and 115 more arrays of objects
                for (var result : results) {
                    assertThat(result.get()).isEqualTo(1_001_000L + 115);
                }
            }
        } finally {
            pool.shutdownNow();
        }
    }

    // ---- many events at a time

    record Numbered(int number) {}

    interface Sign {}

    record Plus() implements Sign {}

    record Minus() implements Sign {}

    @Test
    void a_run_folds_as_single_steps_do_and_tells_which_event_failed() {
        var inPlace = Fold.<List<Object>>fresh(ArrayList::new)
                .change(Integer.class, (list, e) -> list.add(e + 1))
                .change(String.class, (list, e) -> list.add(e + "!"))
                .change(Sign.class, (list, e) -> list.add(e))
                .change(Plus.class, (list, e) -> list.add("plus"))
                .change(Comparable.class, (list, e) -> list.add("comparable " + e))
                .change(Numbered.class, (list, e) -> {
                    if (e.number() < 0) {
                        throw new IllegalArgumentException("less than nothing");
                    }
                });
        var values = Fold.from("").on(String.class, (text, e) -> text + e).on(Integer.class, (text, e) -> text + e);
        Object[] events = {1, "a", new Plus(), new Minus(), 2.5, 'c', 7L, 1f, (short) 2, (byte) 3, new Numbered(1), "b"
        };
        Class<?>[] classes =
                java.util.Arrays.stream(events).map(Object::getClass).distinct().toArray(Class<?>[]::new);
        var kinds = new char[events.length];
        for (int i = 0; i < kinds.length; i++) {
            kinds[i] = (char) List.of(classes).indexOf(events[i].getClass());
        }
        for (boolean numbered : List.of(true, false)) {
            var run = inPlace.run(inPlace.initial());
            var text = values.run("from here ");
            var expected = inPlace.initial();
            for (int round = 0; round < 3; round++) {
                int taken = numbered
                        ? run.take(events, kinds, classes, 0, events.length)
                        : run.take(events, 0, events.length);
                assertThat(taken).isEqualTo(events.length);
                taken = numbered
                        ? text.take(events, kinds, classes, 1, events.length)
                        : text.take(events, 1, events.length);
                assertThat(taken).isEqualTo(events.length - 1);
                for (var event : events) {
                    expected = inPlace.apply(expected, event);
                }
            }
            assertThat(run.state()).isEqualTo(expected).contains("plus", new Minus());
            assertThat(text.state()).isEqualTo("from here ababab");

            var failing = events.clone();
            failing[10] = new Numbered(-1);
            var thrown = catchThrowable(() -> {
                if (numbered) {
                    run.take(failing, kinds, classes, 3, 12);
                } else {
                    run.take(failing, 3, 12);
                }
            });
            assertThat(thrown).hasMessage("less than nothing");
            assertThat(run.taken()).isEqualTo(7);
            assertThat(run.hasThrown(thrown)).isTrue();
            assertThat(run.hasThrown(new IllegalArgumentException())).isFalse();
            run.from(new ArrayList<>());
            assertThat(run.take(events, 0, 2)).isEqualTo(2);
            assertThat(run.state()).containsExactly(2, "a!");
            run.stop();
            assertThat(run.take(events, 0, 2)).isZero();
            assertThat(run.take(events, kinds, classes, 0, 2)).isZero();
        }
    }

    @Test
    void a_run_that_another_thread_stops_ends_before_the_next_event() throws Exception {
        var events = new Object[100];
        Arrays.setAll(events, Numbered::new);
        var kinds = new char[events.length];
        Class<?>[] classes = {Numbered.class};
        for (boolean warm : new boolean[] {false, true}) { // the class is new to the run, or known to its loop
            var stopper = new Runnable[1];
            var run = Fold.fresh(ArrayList<Integer>::new)
                    .change(Numbered.class, (all, event) -> {
                        all.add(event.number());
                        if (all.size() == 50) {
                            stopper[0].run();
                        }
                    })
                    .run(new ArrayList<>());
            stopper[0] = () -> {
                var other = new Thread(run::stop);
                other.start();
                try {
                    other.join();
                } catch (InterruptedException interrupted) {
                    throw new AssertionError(interrupted);
                }
            };
            int before = warm ? run.take(events, kinds, classes, 0, 10) : 0;

            int taken = run.take(events, kinds, classes, before, events.length);

            assertThat(before + taken).as("warm: " + warm).isEqualTo(50);
            assertThat(run.state()).hasSize(50);
            assertThat(run.take(events, kinds, classes, 50, events.length)).isZero();
            assertThat(run.state()).hasSize(50);
        }
    }
}
