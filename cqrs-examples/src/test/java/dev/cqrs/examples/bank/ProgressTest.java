package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressTest {

    private final ByteArrayOutputStream shown = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(shown, true, StandardCharsets.UTF_8);

    @Test
    void outside_a_terminal_it_is_a_plain_line_every_ten_per_cent() {
        var progress = new Progress(out, Progress.Style.LINES, 1_000, "transactions");

        for (int i = 0; i <= 1_000; i++) {
            progress.reached(i, i / 10);
        }
        progress.end();

        assertThat(text().lines())
                .hasSize(10)
                .startsWith(" 10 %, 10 transactions")
                .endsWith("100 %, 100 transactions");
        assertThat(text()).doesNotContain("\r", "#");
    }

    @Test
    void on_a_terminal_it_is_a_bar_that_is_drawn_over() {
        var progress = new Progress(out, Progress.Style.BAR, 1_000, "transactions");

        progress.reached(500, 7);

        assertThat(text()).isEqualTo("\r[" + "#".repeat(20) + ".".repeat(20) + "]  50 %, 7 transactions");
    }

    @Test
    void the_bar_is_drawn_only_when_a_per_cent_has_passed() {
        var progress = new Progress(out, Progress.Style.BAR, 1_000, "transactions");

        for (int i = 0; i <= 1_000; i++) {
            progress.reached(i, i);
        }

        assertThat(text().chars().filter(c -> c == '\r')).hasSize(100);
    }

    @Test
    void a_note_stands_above_the_bar() {
        var progress = new Progress(out, Progress.Style.BAR, 100, "transactions");
        progress.reached(50, 1);
        int before = text().length();

        progress.note("line 7 rejected");

        assertThat(text().substring(before)).matches("\r +\rline 7 rejected\\R\r\\[#+\\.+] {2}50 %, 1 transactions");
    }

    @Test
    void at_the_end_the_bar_is_gone() {
        var progress = new Progress(out, Progress.Style.BAR, 100, "transactions");
        progress.reached(100, 1);

        progress.end();

        assertThat(text()).endsWith(" \r");
    }

    @Test
    void without_a_known_size_and_beyond_it_nothing_breaks() {
        new Progress(out, Progress.Style.LINES, 0, "transactions").reached(1_000, 1);
        assertThat(text()).isEmpty();

        new Progress(out, Progress.Style.LINES, 100, "transactions").reached(1_000, 1);
        assertThat(text()).startsWith("100 %");
    }

    private String text() {
        return shown.toString(StandardCharsets.UTF_8);
    }
}
