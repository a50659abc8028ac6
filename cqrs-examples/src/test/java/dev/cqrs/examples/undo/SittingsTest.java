package dev.cqrs.examples.undo;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.examples.Postgres;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class SittingsTest {

    private static final List<String> FIRST = List.of("A new letter.", "Written: Anna, how are you?");

    private static final List<String> SECOND = List.of(
            "Found:   Anna, how are you?",
            "Undone:  cut, by Write[document=letter, at=0, text=Dear ]",
            "Undone:  write, by Cut[document=letter, at=9, length=14]",
            "Undone:  write, by Cut[document=letter, at=0, length=9]",
            "In the history of \"letter\" there is nothing to undo: no command is done.",
            "Redone:  Dear Anna",
            "Redone:  Dear Anna, how are you?",
            "Redone:  Anna, how are you?");

    @Test
    void what_was_done_before_a_restart_is_undone_and_redone_after_it() {
        var lines = run();

        assertThat(lines.subList(0, 2)).isEqualTo(FIRST);
        assertThat(lines.subList(2, lines.size())).isEqualTo(SECOND);
    }

    @Test
    void on_postgres_each_run_goes_on_where_the_one_before_has_ended() throws IOException {
        try (var server = Postgres.start()) {
            var url = server.getJdbcUrl("postgres", "postgres");

            assertThat(run(url)).isEqualTo(FIRST);
            assertThat(run(url)).isEqualTo(SECOND);
            assertThat(run(url)).isEqualTo(SECOND);
        }
    }

    private static List<String> run(String... args) {
        var bytes = new ByteArrayOutputStream();
        Sittings.run(new PrintStream(bytes, true, StandardCharsets.UTF_8), args);
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }
}
