package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BankYearTest {

    private static final String HEADER = "\"trans_id\";\"account_id\";\"date\";\"type\";\"operation\";\"amount\";"
            + "\"balance\";\"k_symbol\";\"bank\";\"account\"";
    private static final String REAL_FILE = "shared/data/berka-1993/trans.asc";

    private final Path folder;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    BankYearTest(@TempDir Path folder) {
        this.folder = folder;
    }

    @Test
    void the_sample_prints_the_result_to_the_letter() {
        assertThat(run()).isZero();

        assertThat(result()).hasSize(9);
        assertThat(result().subList(0, 7))
                .containsExactly(
                        "transactions: 41",
                        "accepted: 41",
                        "rejected: 0",
                        "accounts: 5",
                        "total balance: 27910.99",
                        "account-days: 35",
                        "reconciled: 35");
        assertThat(result().get(7)).matches("seconds: \\d+\\.\\d{3}");
        assertThat(result().get(8)).matches("commands per second: [1-9]\\d*");
    }

    @Test
    void progress_goes_to_standard_error_alone() {
        run();

        assertThat(errors()).isNotEmpty().allMatch(line -> line.matches(" *\\d+ %, \\d+ transactions"));
    }

    @Test
    void on_a_terminal_progress_is_a_bar() {
        assertThat(new BankYear(print(out), print(err), Progress.Style.BAR).run())
                .isZero();

        assertThat(err.toString(StandardCharsets.UTF_8)).contains("\r[####").contains("100 %, 41 transactions");
        assertThat(result()).hasSize(9);
    }

    @Test
    void other_languages_change_nothing() {
        var before = Locale.getDefault();
        try {
            Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
            run("--balance", "1004", "--at", "1993-03-15");
        } finally {
            Locale.setDefault(before);
        }

        assertThat(result()).contains("total balance: 27910.99", "balance 1004 at 1993-03-15: -249.99");
        assertThat(result().get(7)).matches("seconds: [0-9]+\\.[0-9]{3}");
    }

    @Test
    void the_year_of_a_real_bank_is_reconciled_day_by_day() {
        var file = realFile();
        if (file.isEmpty()) {
            System.out.println("note: ../" + REAL_FILE + " is not here, so the real year was not run");
            return;
        }

        assertThat(run(file.get().toString(), "--balance", "576", "--at", "1993-01-11"))
                .isZero();

        assertThat(result())
                .containsSubsequence(
                        "transactions: 28205",
                        "accepted: 28205",
                        "rejected: 0",
                        "accounts: 1139",
                        "total balance: 36575946.10",
                        "account-days: 23440",
                        "reconciled: 23440")
                .endsWith("balance 576 at 1993-01-11: 7107.00")
                .hasSize(10);
        assertThat(errors()).hasSize(10);
    }

    @ParameterizedTest
    @ValueSource(strings = {"\n", "\r\n"})
    void lines_may_end_either_way(String end) throws IOException {
        var file = folder.resolve("rows.asc");
        Files.writeString(
                file, String.join(end, HEADER, row("576", "930101", "PRIJEM", "5.00", "5.00"), "") + end + end);

        assertThat(run(file.toString())).isZero();

        assertThat(result())
                .contains("transactions: 1", "accepted: 1", "total balance: 5.00", "account-days: 1", "reconciled: 1");
    }

    @Test
    void a_header_without_rows_is_a_year_without_transactions() throws IOException {
        assertThat(runRows()).isZero();

        assertThat(result())
                .contains(
                        "transactions: 0",
                        "accepted: 0",
                        "rejected: 0",
                        "accounts: 0",
                        "total balance: 0.00",
                        "account-days: 0",
                        "reconciled: 0",
                        "commands per second: 0");
    }

    @Test
    void bad_rows_are_reported_and_counted_and_cost_nothing_else() throws IOException {
        int status = runRows(
                row("576", "930101", "PRIJEM", "100.00", "100.00"),
                row("576", "930230", "PRIJEM", "1.00", "101.00"),
                row("576", "930102", "DAR", "1.00", "101.00"),
                "nonsense",
                row("", "930102", "PRIJEM", "1.00", "1.00"),
                row("999", "930102", "PRIJEM", "-1.00", "1.00"),
                "x".repeat(LineReader.MAX_LENGTH + 1),
                row("576", "930103", "VYBER", "40.00", "60.00"));

        assertThat(status).isZero();
        assertThat(result())
                .contains(
                        "transactions: 8",
                        "accepted: 2",
                        "rejected: 6",
                        "accounts: 1",
                        "total balance: 60.00",
                        "account-days: 2",
                        "reconciled: 2");
        assertThat(errors())
                .contains(
                        "line 3 rejected: date \"930230\" is no day of the calendar; expected yyMMdd",
                        "line 4 rejected: type \"DAR\" is unknown; expected PRIJEM, VYDAJ or VYBER",
                        "line 5 rejected: it has 1 column; expected 10",
                        "line 6 rejected: account_id is missing",
                        "line 7 rejected: amount \"-1.00\" is negative; expected zero or more, as the type says which"
                                + " way",
                        "line 8 rejected: it has more than 10000 characters");
    }

    @Test
    void account_days_that_do_not_reconcile_are_listed_before_the_result() throws IOException {
        runRows(
                row("576", "930101", "PRIJEM", "100.00", "100.00"),
                row("576", "930102", "PRIJEM", "50.00", "151.01"),
                row("576", "930103", "PRIJEM", "50.00", "201.00"));

        assertThat(result().get(0))
                .isEqualTo("not reconciled: account 576 at 1993-01-02: ours 150.00, the bank's 151.01");
        assertThat(result().get(1)).isEqualTo("transactions: 3");
        assertThat(result()).hasSize(10).contains("account-days: 3", "reconciled: 2");
    }

    @Test
    void overdraft_is_allowed() throws IOException {
        runRows(row("576", "930101", "VYDAJ", "100.00", "-100.00"));

        assertThat(result()).contains("accepted: 1", "total balance: -100.00", "reconciled: 1");
    }

    @Test
    void a_thousand_small_amounts_add_up_exactly() throws IOException {
        var rows = new String[1_000];
        java.util.Arrays.fill(rows, row("576", "930101", "PRIJEM", "0.10", "100.00"));

        runRows(rows);

        assertThat(result()).contains("transactions: 1000", "total balance: 100.00", "reconciled: 1");
    }

    @ParameterizedTest
    @CsvSource({"1992-12-31, 0.00", "1993-01-01, 100.00", "1993-01-02, 100.00", "1993-01-03, 60.50", "2023-01-01, 60.50"
    })
    void a_balance_of_the_past_is_that_at_the_end_of_the_day(String day, String balance) throws IOException {
        var file = write(
                row("576", "930101", "PRIJEM", "100.00", "100.00"),
                row("577", "930102", "PRIJEM", "7.00", "7.00"),
                row("576", "930103", "VYBER", "20.00", "80.00"),
                row("576", "930103", "VYDAJ", "19.50", "60.50"));

        assertThat(run("--at", day, file, "--balance", "576")).isZero();

        assertThat(result()).hasSize(10).endsWith("balance 576 at " + day + ": " + balance);
    }

    @Test
    void a_balance_of_the_past_may_be_asked_of_the_sample() {
        assertThat(run("--balance", "1002", "--at", "1993-02-28")).isZero();

        assertThat(result()).endsWith("balance 1002 at 1993-02-28: 31.20");
    }

    @Test
    void an_account_that_is_opened_later_holds_nothing_yet() {
        assertThat(run("--balance", "1005", "--at", "1993-01-01")).isZero();

        assertThat(result()).endsWith("balance 1005 at 1993-01-01: 0.00");
    }

    @Test
    void an_account_that_never_existed_is_one_clear_line_after_the_result_and_status_2() {
        assertThat(run("--balance", "42", "--at", "1993-02-28")).isEqualTo(2);

        assertThat(result()).hasSize(9);
        assertThat(errors()).endsWith("there is no account 42 in these transactions");
    }

    @Test
    void a_late_row_counts_for_its_own_day_but_is_in_the_log_from_the_day_it_came() throws IOException {
        var file = write(
                row("576", "930101", "PRIJEM", "100.00", "100.00"),
                row("576", "930105", "PRIJEM", "10.00", "111.00"),
                row("576", "930103", "PRIJEM", "1.00", "101.00"));

        assertThat(run(file, "--balance", "576", "--at", "1993-01-04")).isZero();

        assertThat(result())
                .contains("accepted: 3", "total balance: 111.00", "account-days: 3", "reconciled: 3")
                .endsWith("balance 576 at 1993-01-04: 100.00");
        assertThat(errors())
                .endsWith("late rows: 1; each counts for its own day, but for --at from the day on which it came");

        assertThat(run(file, "--balance", "576", "--at", "1993-01-05")).isZero();
        assertThat(result()).endsWith("balance 576 at 1993-01-05: 111.00");
    }

    @Test
    void a_missing_file_is_one_clear_line_and_status_2() {
        var missing = folder.resolve("missing.asc").toString();

        assertUnusable(missing + ": no such file", missing);
    }

    @Test
    void a_directory_is_one_clear_line_and_status_2() {
        assertUnusable(folder + ": a directory, not a file", folder.toString());
    }

    @Test
    void an_empty_file_is_one_clear_line_and_status_2() throws IOException {
        var empty = Files.createFile(folder.resolve("empty.asc")).toString();

        assertUnusable(empty + ": the file is empty", empty);
    }

    @Test
    void a_file_without_header_is_one_clear_line_and_status_2() throws IOException {
        var file = folder.resolve("headerless.asc");
        Files.writeString(file, row("576", "930101", "PRIJEM", "5.00", "5.00") + "\n");

        assertUnusable(
                file + ": line 1 is not the header; expected the columns trans_id;account_id;date;type;operation;"
                        + "amount;balance;k_symbol;bank;account",
                file.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--help|unknown option --help",
                "a.asc b.asc|two files: a.asc and b.asc",
                "--balance|--balance needs a value",
                "--balance 576|--balance and --at go together",
                "--at 1993-01-01|--balance and --at go together",
                "--balance --at 1993-01-01|--balance needs a value",
                "--balance 576 --at|--at needs a value",
                "--balance 576 --balance 577|--balance is given twice",
                "--jdbc|--jdbc needs a value",
                "--jdbc jdbc:mysql://localhost/bank?password=x|--jdbc needs a URL that begins with jdbc:postgresql:",
                "--balance 576 --at 930101|--at 930101 is no date; expected yyyy-MM-dd",
                "--balance 576 --at 1993-02-30|--at 1993-02-30 is no date; expected yyyy-MM-dd",
                "--balance 576 --at +999999999-12-31|--at +999999999-12-31 is no date; expected yyyy-MM-dd",
            })
    void wrong_arguments_are_one_line_with_the_usage_and_status_2(String args, String fault) {
        assertUnusable(
                fault + "; usage: BankYear [PATH] [--balance ACCOUNT --at yyyy-MM-dd] [--jdbc URL]",
                args.split(" ", -1));
    }

    @Test
    void a_path_that_cannot_be_is_one_line_with_the_usage_and_status_2() {
        assertThat(run("a\0b")).isEqualTo(2);

        assertThat(errors())
                .hasSize(1)
                .first()
                .asString()
                .startsWith("not a path: ")
                .endsWith(Options.USAGE);
    }

    private void assertUnusable(String line, String... args) {
        assertThat(run(args)).isEqualTo(2);
        assertThat(result()).isEmpty();
        assertThat(errors()).containsExactly(line);
    }

    private int run(String... args) {
        out.reset();
        err.reset();
        return new BankYear(print(out), print(err), Progress.Style.LINES).run(args);
    }

    private int runRows(String... rows) throws IOException {
        return run(write(rows));
    }

    private String write(String... rows) throws IOException {
        var file = folder.resolve("rows.asc");
        Files.writeString(file, HEADER + "\n" + String.join("\n", rows) + "\n");
        return file.toString();
    }

    private List<String> result() {
        return out.toString(StandardCharsets.UTF_8).lines().toList();
    }

    private List<String> errors() {
        return err.toString(StandardCharsets.UTF_8).lines().toList();
    }

    private static String row(String account, String date, String type, String amount, String balance) {
        return "1;" + account + ";" + date + ";\"" + type + "\";\"VKLAD\";" + amount + ";" + balance + ";\"\";;";
    }

    private static PrintStream print(ByteArrayOutputStream to) {
        return new PrintStream(to, true, StandardCharsets.UTF_8);
    }

    /** The real file lies beside the project, whose top is somewhere above the working directory. */
    static Optional<Path> realFile() {
        for (var top = Path.of("").toAbsolutePath(); top != null; top = top.getParent()) {
            var file = top.resolve(REAL_FILE);
            if (Files.exists(file)) {
                return Optional.of(file);
            }
        }
        return Optional.empty();
    }
}
