package dev.cqrs.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/** What was thrown, as a text that any store can keep. */
class ReasonsTest {

    @Test
    void what_was_thrown_is_told_by_its_own_words() {
        assertThat(Reasons.of(new IOException("no disk"))).isEqualTo("java.io.IOException: no disk");
    }

    @Test
    @SuppressWarnings({"NullAway", "OverrideThrowableToString", "ToStringReturnsNull"}) // what must not be
    void what_cannot_tell_is_told_by_its_class() {
        var mute = new RuntimeException() {
            @Override
            public String toString() {
                throw new IllegalStateException("mute");
            }
        };
        var none = new RuntimeException() {
            @Override
            public String toString() {
                return null;
            }
        };

        var endless = new RuntimeException() {
            @Override
            public String toString() {
                throw new StackOverflowError("it turns on itself");
            }
        };

        assertThat(Reasons.of(mute)).isEqualTo(mute.getClass().getName());
        assertThat(Reasons.of(endless)).isEqualTo(endless.getClass().getName());
        assertThat(Reasons.of(none)).isEqualTo(none.getClass().getName());
    }

    @Test
    void what_no_store_can_keep_is_replaced_and_all_else_stays() {
        assertThat(Reasons.keepable("a\0b")).isEqualTo("a?b");
        assertThat(Reasons.keepable("\ud800a\udfff")).isEqualTo("?a?");
        assertThat(Reasons.keepable("\ud7ff\ue000 \ud83d\ude00\n")).isEqualTo("\ud7ff\ue000 \ud83d\ude00\n");
        assertThat(Reasons.keepable("")).isEmpty();
    }

    @Test
    void what_is_long_is_cut_and_no_character_in_two() {
        var smile = "\ud83d\ude00";
        var longest = (int) Reasons.keepable("x".repeat(100_000)).codePoints().count();

        assertThat(longest).isLessThan(100_000);
        assertThat(Reasons.keepable("x".repeat(longest - 1) + smile + smile))
                .isEqualTo("x".repeat(longest - 1) + smile);
    }
}
