package dev.cqrs.examples.statement;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.examples.statement.Table.Reading;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BankFilesTest {

    @TempDir
    Path directory = Path.of("");

    private static <T> List<T> read(String text, Reading<T> reading) throws Exception {
        return Table.read("a.asc", new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1)), "id", reading);
    }

    @Test
    void a_row_is_read_by_the_names_of_its_columns() throws Exception {
        var rows = read(
                "\"id\";\"day\";\"sum\";\"text\"\r\n7;930102 00:00:00;12.5;\"a b\"\r\n\r\n8;991231;3;\" \"\r\n",
                row -> row.id("id") + " " + row.date("day") + " " + row.money("sum") + " " + row.text("text"));
        assertThat(rows).containsExactly("7 1993-01-02 1250 a b", "8 1999-12-31 300 ");
    }

    @Test
    void the_month_of_birth_tells_the_sex() throws Exception {
        assertThat(read("id;born\n1;\"706213\"\n2;\"450204\"\n", row -> row.birth("born") + " " + row.isFemale("born")))
                .containsExactly("1970-12-13 true", "1945-02-04 false");
    }

    @Test
    void what_cannot_be_read_is_told_with_its_line() {
        assertThatThrownBy(() -> read("", row -> row.id("id"))).hasMessage("a.asc: the file is empty");
        assertThatThrownBy(() -> read("id;b\n1;2;3\n", row -> row.id("id")))
                .hasMessage("a.asc, line 2: 3 columns; expected 2");
        assertThatThrownBy(() -> read("id\n1\n1\n", row -> row.id("id")))
                .hasMessage("a.asc, line 3: id \"1\"; expected one that no row before has");
        assertThatThrownBy(() -> read("id\nx\u0007y\n", row -> row.id("id")))
                .hasMessageContaining("id \"x?y\"; expected a number");
        assertThatThrownBy(() -> read("id;d\n1;930231\n", row -> row.date("d")))
                .hasMessageContaining("a day of the calendar");
        assertThatThrownBy(() -> read("id;d\n1;yesterday\n", row -> row.date("d")))
                .hasMessageContaining("a date, yyMMdd");
        assertThatThrownBy(() -> read("id;m\n1;1.234\n", row -> row.money("m")))
                .hasMessageContaining("an amount such as 12.50");
        assertThatThrownBy(() -> read("id\n1\n", row -> row.text("other")))
                .hasMessage("a.asc, line 2: the file has no column other");
    }

    @Test
    void a_file_that_is_missing_is_named() throws Exception {
        Files.writeString(directory.resolve("account.asc"), "account_id;district_id;frequency;date\n");
        assertThatThrownBy(() -> BankFiles.in(directory))
                .isInstanceOf(UnusableDataException.class)
                .hasMessage("client.asc: no such file");
    }

    @Test
    void the_sample_can_be_read() throws Exception {
        assertThat(BankFiles.sample().transactions()).hasSize(9);
    }
}
