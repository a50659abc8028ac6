package dev.cqrs.decider;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.cqrs.message.WiringException;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** Deciders put together from functions, and the proof that none is missing. */
@SuppressWarnings("NullAway") // nulls are handed over to see them refused
class DeciderTest {

    sealed interface Lamp {}

    record On() implements Lamp {}

    sealed interface Dim extends Lamp {}

    record Up(int by) implements Dim {}

    record Down(int by) implements Dim {}

    sealed interface Lit {}

    record Set(int level) implements Lit {}

    record Off() implements Lit {}

    static Decider.Builder<Lamp, Integer, Lit> lamp() {
        return Decider.builder(Lamp.class, Lit.class, 0);
    }

    static Decider.Builder<Lamp, Integer, Lit> wholeLamp() {
        return lamp().decide(On.class, (c, level) -> Decision.accept(new Set(100)))
                .decide(Dim.class, (c, level) -> Decision.reject("no dimmer"))
                .evolve(Lit.class, (level, e) -> 0)
                .evolve(Set.class, (level, e) -> e.level());
    }

    static void assertFaults(ThrowingCallable build, String... parts) {
        assertThatExceptionOfType(WiringException.class)
                .isThrownBy(build)
                .satisfies(e -> assertThat(e.faults()).hasSameSizeAs(parts))
                .satisfies(e -> {
                    for (int i = 0; i < parts.length; i++) {
                        assertThat(e.faults().get(i)).contains(parts[i]);
                    }
                });
    }

    @Test
    void decides_and_evolves_by_the_function_of_the_class() {
        var decider = wholeLamp().build();

        assertThat(decider.initialState()).isZero();
        assertThat(decider.decide(new On(), 0)).isEqualTo(Decision.accept(new Set(100)));
        assertThat(decider.evolve(0, new Set(7))).isEqualTo(7);
    }

    @Test
    void a_function_for_a_sealed_type_serves_all_below_it_and_the_most_specific_wins() {
        for (boolean specificFirst : List.of(true, false)) {
            var builder = lamp().evolve(Lit.class, (level, e) -> level);
            if (specificFirst) {
                builder.decide(Up.class, (c, level) -> Decision.reject("up"));
            }
            builder.decide(Lamp.class, (c, level) -> Decision.reject("lamp"))
                    .decide(Dim.class, (c, level) -> Decision.reject("dim"));
            if (!specificFirst) {
                builder.decide(Up.class, (c, level) -> Decision.reject("up"));
            }
            var decider = builder.build();

            assertThat(decider.decide(new On(), 0)).isEqualTo(Decision.reject("lamp"));
            assertThat(decider.decide(new Down(1), 0)).isEqualTo(Decision.reject("dim"));
            assertThat(decider.decide(new Up(1), 0)).isEqualTo(Decision.reject("up"));
        }
    }

    @Test
    void the_fold_leaves_events_of_other_families_alone() {
        var decider = wholeLamp().build();
        Decider<Lamp, Integer, Lit> byHand = new Decider<>() {
            @Override
            public Integer initialState() {
                return decider.initialState();
            }

            @Override
            public Decision<Lit> decide(Lamp command, Integer state) {
                return decider.decide(command, state);
            }

            @Override
            public Integer evolve(Integer state, Lit event) {
                return decider.evolve(state, event);
            }
        };

        for (var one : List.of(decider, byHand)) {
            var fold = one.fold(Lit.class);
            assertThat(fold.initial()).isZero();
            assertThat(fold.apply(4, "another family's")).isEqualTo(4);
            assertThat(fold.apply(4, new Set(7))).isEqualTo(7);
            assertThat(fold.apply(4, new Off())).isZero();
            assertThatNullPointerException().isThrownBy(() -> one.fold(null));
        }
    }

    @Test
    void build_lists_every_missing_class_and_every_duplicate_at_once() {
        var builder = lamp().decide(On.class, (c, level) -> Decision.accept())
                .decide(On.class, (c, level) -> Decision.accept())
                .evolve(Off.class, (level, e) -> 0)
                .evolve(Off.class, (level, e) -> 1);

        assertFaults(
                builder::build,
                "decide(" + On.class.getName() + ", ...) was called twice",
                "evolve(" + Off.class.getName() + ", ...) was called twice",
                "no decide(" + Up.class.getName() + ", ...); expected one for each class. Add it.",
                "no decide(" + Down.class.getName(),
                "no evolve(" + Set.class.getName());
    }

    @Test
    void a_builder_with_faults_can_be_completed() {
        var builder = lamp().decide(Lamp.class, (c, level) -> Decision.accept());
        assertFaults(builder::build, "no evolve(" + Set.class.getName(), "no evolve(" + Off.class.getName());

        builder.evolve(Lit.class, (level, e) -> 3);

        assertThat(builder.build().evolve(0, new Off())).isEqualTo(3);
    }

    sealed interface Open {}

    non-sealed interface Branch extends Open {}

    record Known() implements Branch {}

    @Test
    void below_a_branch_that_is_not_sealed_known_classes_are_not_enough() {
        var builder = Decider.builder(Open.class, Off.class, 0)
                .decide(Known.class, (c, s) -> Decision.accept())
                .evolve(Off.class, (s, e) -> s);
        assertFaults(builder::build, "no decide(" + Branch.class.getName());
        assertFaults(builder::build, "It is not sealed");

        var decider = builder.decide(Branch.class, (c, s) -> Decision.reject("branch"))
                .build();

        assertThat(decider.decide(new Branch() {}, 0)).isEqualTo(Decision.reject("branch"));
        assertThat(decider.decide(new Known(), 0)).isEqualTo(Decision.accept());
    }

    static sealed class Box {}

    static final class RedBox extends Box {}

    @Test
    void a_sealed_class_that_is_not_abstract_needs_a_function_itself() {
        var builder = Decider.builder(Box.class, Off.class, 0)
                .decide(RedBox.class, (c, s) -> Decision.reject("red"))
                .evolve(Off.class, (s, e) -> s);
        assertFaults(
                builder::build, "no decide(" + Box.class.getName() + ", ...); expected one for each class. Add it.");

        var decider =
                builder.decide(Box.class, (c, s) -> Decision.reject("plain")).build();

        assertThat(decider.decide(new Box(), 0)).isEqualTo(Decision.reject("plain"));
        assertThat(decider.decide(new RedBox(), 0)).isEqualTo(Decision.reject("red"));
    }

    @Test
    void a_family_may_be_a_single_final_class() {
        var builder = Decider.builder(On.class, Off.class, "dark");
        assertFaults(builder::build, "no decide(" + On.class.getName(), "no evolve(" + Off.class.getName());

        var decider = builder.decide(On.class, (c, s) -> Decision.accept(new Off()))
                .evolve(Off.class, (s, e) -> s + "er")
                .build();

        assertThat(decider.evolve("dark", new Off())).isEqualTo("darker");
    }

    enum Switch {
        PRESS {
            @Override
            int force() {
                return 1;
            }
        },
        HOLD {
            @Override
            int force() {
                return 2;
            }
        };

        abstract int force();
    }

    @Test
    void an_enum_is_one_class_even_if_its_constants_have_bodies() {
        var builder = Decider.builder(Switch.class, Off.class, 0).evolve(Off.class, (s, e) -> s);
        assertFaults(builder::build, "no decide(" + Switch.class.getName() + ",");

        var decider = builder.decide(Switch.class, (c, s) -> Decision.reject("force " + c.force()))
                .build();

        assertThat(decider.decide(Switch.PRESS, 0)).isEqualTo(Decision.reject("force 1"));
        assertThat(decider.decide(Switch.HOLD, 0)).isEqualTo(Decision.reject("force 2"));
    }

    sealed interface Diamond {}

    sealed interface LeftSide extends Diamond {}

    sealed interface RightSide extends Diamond {}

    record Both() implements LeftSide, RightSide {}

    @Test
    void a_class_below_two_sealed_types_is_missed_once() {
        var builder = Decider.builder(Diamond.class, Diamond.class, 0);

        assertFaults(builder::build, "no decide(" + Both.class.getName(), "no evolve(" + Both.class.getName());
    }

    @Test
    void two_functions_neither_of_which_is_more_specific_are_a_fault_until_there_is_one_for_the_class() {
        var builder = Decider.builder(Diamond.class, Diamond.class, 0)
                .decide(Diamond.class, (c, s) -> Decision.reject("any"))
                .decide(LeftSide.class, (c, s) -> Decision.reject("left"))
                .decide(RightSide.class, (c, s) -> Decision.reject("right"))
                .evolve(LeftSide.class, (s, e) -> 1)
                .evolve(RightSide.class, (s, e) -> 2);
        assertFaults(
                builder::build,
                "both fit " + Both.class.getName() + ", and neither is more specific",
                "both fit " + Both.class.getName() + ", and neither is more specific");

        var decider = builder.decide(Both.class, (c, s) -> Decision.reject("both"))
                .evolve(Both.class, (s, e) -> 3)
                .build();

        assertThat(decider.decide(new Both(), 0)).isEqualTo(Decision.reject("both"));
        assertThat(decider.evolve(0, new Both())).isEqualTo(3);
    }

    sealed interface Wide {}

    non-sealed interface OneWay extends Wide {}

    non-sealed interface OtherWay extends Wide {}

    record BothWays() implements OneWay, OtherWay {}

    @Test
    void a_class_that_cannot_be_known_when_building_is_told_when_it_comes() {
        var decider = Decider.builder(Wide.class, Off.class, 0)
                .decide(OneWay.class, (c, s) -> Decision.reject("one"))
                .decide(OtherWay.class, (c, s) -> Decision.reject("other"))
                .evolve(Off.class, (s, e) -> s)
                .build();

        assertThatIllegalStateException()
                .isThrownBy(() -> decider.decide(new BothWays(), 0))
                .withMessageContaining(BothWays.class.getName())
                .withMessageContaining("neither is more specific");
        assertThat(decider.decide(new OneWay() {}, 0)).isEqualTo(Decision.reject("one"));
    }

    @Test
    @SuppressWarnings({"unchecked", "rawtypes"})
    void a_foreign_command_is_named() {
        Decider decider = wholeLamp().build();

        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> decider.decide("foreign", 0))
                .withMessageContaining("java.lang.String")
                .withMessageContaining(On.class.getName());
    }

    @Test
    void nulls_are_refused_and_leave_builder_and_decider_usable() {
        assertThatNullPointerException().isThrownBy(() -> Decider.builder(null, Lit.class, 0));
        assertThatNullPointerException().isThrownBy(() -> Decider.builder(Lamp.class, null, 0));
        assertThatNullPointerException().isThrownBy(() -> Decider.builder(Lamp.class, Lit.class, null));
        var builder = wholeLamp();
        assertThatNullPointerException().isThrownBy(() -> builder.decide(null, (c, s) -> Decision.accept()));
        assertThatNullPointerException().isThrownBy(() -> builder.decide(Up.class, null));
        assertThatNullPointerException().isThrownBy(() -> builder.evolve(null, (s, e) -> s));
        assertThatNullPointerException().isThrownBy(() -> builder.evolve(Off.class, null));
        var decider = builder.build();
        assertThatNullPointerException().isThrownBy(() -> decider.decide(null, 0));
        assertThatNullPointerException().isThrownBy(() -> decider.decide(new On(), null));
        assertThatNullPointerException().isThrownBy(() -> decider.evolve(null, new Off()));
        assertThatNullPointerException().isThrownBy(() -> decider.evolve(0, null));
        assertThat(decider.decide(new On(), 0)).isEqualTo(Decision.accept(new Set(100)));
    }

    @Test
    void a_function_that_gives_null_is_named_by_its_class() {
        var decider = lamp().decide(Lamp.class, (c, s) -> null)
                .evolve(Lit.class, (s, e) -> null)
                .build();

        assertThatNullPointerException()
                .isThrownBy(() -> decider.decide(new On(), 0))
                .withMessageContaining(On.class.getName());
        assertThatNullPointerException()
                .isThrownBy(() -> decider.evolve(0, new Off()))
                .withMessageContaining(Lit.class.getName());
    }

    @Test
    void what_is_added_to_the_builder_afterwards_does_not_change_a_decider() {
        var builder = wholeLamp();
        var decider = builder.build();
        builder.decide(Up.class, (c, s) -> Decision.reject("later"));

        var answers = new ArrayList<Decision<Lit>>();
        answers.add(decider.decide(new Up(1), 0));
        answers.add(builder.build().decide(new Up(1), 0));

        assertThat(answers).containsExactly(Decision.reject("no dimmer"), Decision.reject("later"));
    }
}
