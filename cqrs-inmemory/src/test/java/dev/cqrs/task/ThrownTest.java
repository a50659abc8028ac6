package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/** What was thrown: what it was thrown for, and what else was. */
class ThrownTest {

    @Test
    void causes_are_told_from_the_outermost_to_the_innermost() {
        var innermost = new IOException("no disk");
        var middle = new IllegalStateException(innermost);
        var outermost = new RuntimeException(middle);

        assertThat(Thrown.causes(outermost)).containsExactly(outermost, middle, innermost);
    }

    @Test
    void causes_in_a_circle_have_an_end() {
        var one = new RuntimeException("one");
        var other = new RuntimeException("other", one);
        one.initCause(other);

        assertThat(Thrown.causes(one).limit(100_000))
                .startsWith(one, other, one)
                .hasSizeLessThan(100_000);
    }

    @Test
    void what_else_was_thrown_is_kept_but_not_with_itself() {
        var thrown = new RuntimeException("thrown");
        var other = new RuntimeException("other");

        Thrown.keep(thrown, other);
        Thrown.keep(thrown, thrown);

        assertThat(thrown).hasSuppressedException(other);
        assertThat(thrown.getSuppressed()).hasSize(1);
    }

    @Test
    void what_is_thrown_again_and_again_does_not_grow_for_ever_but_keeps_what_is_its_own() {
        var same = new RuntimeException("made once");
        var withTen = new RuntimeException("made once");
        for (int i = 0; i < 1_000; i++) {
            Thrown.keep(same, new RuntimeException("other"));
            Thrown.keep(withTen, new RuntimeException("other"), 10);
        }

        int kept = same.getSuppressed().length;
        assertThat(kept).isBetween(1, 100);
        assertThat(withTen.getSuppressed()).hasSize(kept + 10);
    }

    @Test
    void what_keeps_nothing_is_left_as_it_is() {
        var bare = new RuntimeException("bare", null, false, false) {};

        Thrown.keep(bare, new RuntimeException("other"));

        assertThat(bare.getSuppressed()).isEmpty();
    }
}
