package dev.cqrs.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a tag may hold, and when two are the same. */
class TagTest {

    static final int TEN_MEBI = 10 * 1024 * 1024;
    static final String EMOJI = "\uD83D\uDE42";

    /** A tag with {@code text} as its key or its value, and something harmless as the other. */
    static Tag tagWith(String part, String text) {
        return part.equals("key") ? Tag.of(text, "4711") : Tag.of("account", text);
    }

    static Stream<Arguments> inBothParts(Stream<String> texts) {
        return texts.flatMap(text -> Stream.of(Arguments.of("key", text), Arguments.of("value", text)));
    }

    static Stream<Arguments> blanks() {
        return inBothParts(Stream.of(
                "",
                " ",
                "   ",
                "\t",
                "\n\r",
                "\u001F",
                "\u1680",
                "\u2003",
                "\u2028",
                "\u2029",
                "\u205F",
                "\u00A0",
                "\u2007",
                "\u202F",
                "\u3000",
                " \u3000\t\u2003 "));
    }

    @ParameterizedTest
    @MethodSource("blanks")
    void a_part_of_nothing_but_white_space_is_refused_naming_the_part(String part, String blank) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tagWith(part, blank))
                .withMessageContainingAll("tag's " + part + " is \"", "expected", "white space");
    }

    static Stream<Arguments> unusualTexts() {
        return inBothParts(Stream.of(
                "x",
                "~",
                " x",
                "x ",
                "\u3000x",
                "x\u3000",
                "a b",
                "\u00E9",
                "\u4E2D",
                "\uE000",
                "\uFFFD",
                "\u0001",
                EMOJI,
                " " + EMOJI,
                EMOJI + EMOJI,
                "a" + EMOJI + "b"));
    }

    @ParameterizedTest
    @MethodSource("unusualTexts")
    void one_character_that_is_not_white_space_is_enough_and_is_kept_as_it_is(String part, String text) {
        var tag = tagWith(part, text);

        assertThat(part.equals("key") ? tag.key() : tag.value()).isEqualTo(text);
        assertThat(tag).hasToString(part.equals("key") ? text + ":4711" : "account:" + text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"key", "value"})
    void the_greatest_length_is_accepted_and_one_more_is_refused(String part) {
        var longest = "x".repeat(Tag.MAX_LENGTH);

        assertThat(tagWith(part, longest).toString()).contains(longest);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tagWith(part, longest + "x"))
                .withMessageContainingAll("tag's " + part, "1001", "at most 1000", "an id, not");
    }

    static Stream<Arguments> tooLong() {
        return inBothParts(Stream.of(
                "x".repeat(TEN_MEBI), "\0".repeat(TEN_MEBI), "x" + EMOJI.repeat(TEN_MEBI / 2), " ".repeat(TEN_MEBI)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("tooLong")
    void ten_mebibytes_are_refused_by_a_message_that_does_not_repeat_them(String part, String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tagWith(part, text))
                .withMessageContainingAll("tag's " + part, Integer.toString(text.length()), "at most 1000")
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(400))
                .satisfies(e -> assertThat(isValidUnicode(e.toString())).isTrue());
    }

    @ParameterizedTest
    @ValueSource(strings = {"key", "value"})
    void nul_is_refused_at_any_index_and_written_as_an_escape(String part) {
        for (var text : new String[] {"\0abc", "ab\0c", "abc\0", "\0", "  \0"}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> tagWith(part, text))
                    .withMessageContainingAll("tag's " + part, "NUL at index " + text.indexOf(0) + ";", "\\u0000")
                    .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\0"));
        }
    }

    @Test
    void only_what_cannot_be_read_is_escaped_in_a_message() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tag.of("account", "a ~\u00E9\0" + EMOJI))
                .withMessageContaining("\"a ~\u00E9\\u0000\\ud83d\\ude42\" holds NUL at index 4");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tag.of("account", " \t"))
                .withMessageContaining("\" \\u0009\"");
    }

    static Stream<Arguments> loneSurrogates() {
        return Stream.of(
                        Arguments.of("\uD83Dabc", 0),
                        Arguments.of("\uDE42abc", 0),
                        Arguments.of("ab\uD83Dc", 2),
                        Arguments.of("ab\uDE42c", 2),
                        Arguments.of("abc\uD83D", 3),
                        Arguments.of("abc\uDE42", 3),
                        Arguments.of("\uD83D", 0),
                        Arguments.of("\uDE42", 0),
                        Arguments.of("\uDE42\uD83D", 0),
                        Arguments.of("\uD83D\uD83D\uDE42", 0),
                        Arguments.of("\uDE42\uDE42", 0),
                        Arguments.of("\uD83D\uD83D", 0),
                        Arguments.of(EMOJI + "\uDE42", 2),
                        Arguments.of(EMOJI + "\uD83D", 2),
                        Arguments.of("\uD800\uE000", 0),
                        Arguments.of("\uDBFFx", 0),
                        Arguments.of("x\uDFFF", 1),
                        Arguments.of("x\uDC00", 1))
                .flatMap(row -> Stream.of(
                        Arguments.of("key", row.get()[0], row.get()[1]),
                        Arguments.of("value", row.get()[0], row.get()[1])));
    }

    @ParameterizedTest(name = "{0} at {2}")
    @MethodSource("loneSurrogates")
    void a_lone_surrogate_is_refused_naming_its_index_in_a_message_of_valid_unicode(
            String part, String text, int index) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tagWith(part, text))
                .withMessageContainingAll(
                        "tag's " + part, "lone surrogate at index " + index + ";", "expected valid Unicode", "\\ud")
                .satisfies(e -> assertThat(isValidUnicode(e.toString())).isTrue());
    }

    @Test
    void the_extreme_surrogate_pairs_are_valid() {
        assertThat(Tag.of("rune", "\uD800\uDC00").value()).isEqualTo("\uD800\uDC00");
        assertThat(Tag.of("rune", "\uDBFF\uDFFF").value()).isEqualTo("\uDBFF\uDFFF");
    }

    @ParameterizedTest
    @ValueSource(strings = {":", ":account", "acc:ount", "account:"})
    void a_colon_in_the_key_is_refused_naming_the_key(String key) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tag.of(key, "4711"))
                .withMessageContainingAll("tag key \"" + key + "\"", "colon", "expected none");
    }

    @Test
    void a_colon_in_the_value_is_kept() {
        var tag = Tag.of("urn", "isbn:0451:");

        assertThat(tag.value()).isEqualTo("isbn:0451:");
        assertThat(tag).hasToString("urn:isbn:0451:");
    }

    @Test
    @SuppressWarnings("NullAway")
    void null_is_refused_in_either_part() {
        assertThatNullPointerException().isThrownBy(() -> Tag.of(null, "4711"));
        assertThatNullPointerException().isThrownBy(() -> Tag.of("account", null));
        assertThatNullPointerException().isThrownBy(() -> new Tag(null, "4711"));
    }

    @Test
    void the_constructor_checks_as_the_factory_does() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Tag("", "4711"));
        assertThatIllegalArgumentException().isThrownBy(() -> new Tag("account", " "));
        assertThatIllegalArgumentException().isThrownBy(() -> new Tag("a:b", "4711"));
    }

    @Test
    void tags_of_the_same_key_and_value_are_equal() {
        assertThat(Tag.of("account", "4711"))
                .isEqualTo(new Tag("account", "4711"))
                .hasSameHashCodeAs(new Tag("account", "4711"));
        assertThat(Set.of(Tag.of("account", "4711"))).contains(Tag.of("account", "4711"));
    }

    @Test
    void tags_that_differ_in_one_part_or_have_them_swapped_are_distinct() {
        assertThat(Tag.of("account", "4711"))
                .isNotEqualTo(Tag.of("account", "4712"))
                .isNotEqualTo(Tag.of("customer", "4711"))
                .isNotEqualTo(Tag.of("4711", "account"));
    }

    @Test
    void case_and_surrounding_space_make_a_difference() {
        assertThat(Tag.of("account", "ab"))
                .isNotEqualTo(Tag.of("Account", "ab"))
                .isNotEqualTo(Tag.of("account", "AB"))
                .isNotEqualTo(Tag.of("account", "ab "))
                .isNotEqualTo(Tag.of(" account", "ab"));
    }

    @Test
    void composed_and_decomposed_letters_are_distinct() {
        var composed = Tag.of("name", "\u00E9");
        var decomposed = Tag.of("name", "e\u0301");

        assertThat(composed).isNotEqualTo(decomposed);
        assertThat(decomposed.value()).hasSize(2);
    }

    static boolean isValidUnicode(String text) {
        return StandardCharsets.UTF_8.newEncoder().canEncode(text);
    }
}
