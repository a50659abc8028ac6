package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LineReaderTest {

    @Test
    void lines_end_with_lf_or_crlf_and_the_last_one_needs_no_end() throws IOException {
        assertThat(lines("a\nb\r\n\nc")).containsExactly("a", "b", "", "c");
        assertThat(lines("a\n")).containsExactly("a");
        assertThat(lines("\n")).containsExactly("");
        assertThat(lines("")).isEmpty();
    }

    @Test
    void a_carriage_return_inside_a_line_ends_nothing() throws IOException {
        assertThat(lines("a\rb\n")).containsExactly("a\rb");
    }

    @Test
    void every_byte_becomes_a_character() throws IOException {
        assertThat(lines("\u00fd\u0000\u00ff\n")).containsExactly("\u00fd\u0000\u00ff");
    }

    @Test
    void lines_across_the_borders_of_the_buffer_stay_whole() throws IOException {
        var expected = new ArrayList<String>();
        for (int i = 0; i < 20_000; i++) {
            expected.add("line " + i + " " + "x".repeat(i % 97));
        }

        assertThat(lines(String.join("\r\n", expected))).isEqualTo(expected);
    }

    @Test
    void the_rest_of_a_line_that_is_too_long_is_dropped_and_the_next_line_is_read() throws IOException {
        var text = "x".repeat(1_000_000) + "\r\nnext\n" + "y".repeat(LineReader.MAX_LENGTH) + "\nlast";
        try (var lines = new LineReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1)))) {
            assertThat(lines.advance()).isTrue();
            assertThat(lines.isTooLong()).isTrue();
            assertThat(lines.text()).isEqualTo("x".repeat(LineReader.MAX_LENGTH));

            assertThat(lines.advance()).isTrue();
            assertThat(lines.isTooLong()).isFalse();
            assertThat(lines.text()).isEqualTo("next");
            assertThat(lines.number()).isEqualTo(2);

            assertThat(lines.advance()).isTrue();
            assertThat(lines.isTooLong()).isFalse();
            assertThat(lines.text()).hasSize(LineReader.MAX_LENGTH);

            assertThat(lines.advance()).isTrue();
            assertThat(lines.text()).isEqualTo("last");
            assertThat(lines.consumed()).isEqualTo(text.length());
            assertThat(lines.advance()).isFalse();
        }
    }

    private static List<String> lines(String text) throws IOException {
        var all = new ArrayList<String>();
        try (var lines = new LineReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1)))) {
            while (lines.advance()) {
                all.add(lines.text());
            }
            assertThat(lines.consumed()).isEqualTo(text.length());
        }
        return all;
    }
}
