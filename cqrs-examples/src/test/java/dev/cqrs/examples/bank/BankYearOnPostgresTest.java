package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.examples.Postgres;
import dev.cqrs.jdbc.JdbcSchema;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(value = 5, unit = TimeUnit.MINUTES)
class BankYearOnPostgresTest {

    private static final long SEED = 1993;
    private static final String HEADER = String.join(";", RowParser.COLUMNS);

    /** Of the advisory lock at which an append is held. */
    private static final int LOCK = 4;

    private static EmbeddedPostgres server;
    private static int databases;

    private final Path folder;
    private String url = "";

    BankYearOnPostgresTest(@TempDir Path folder) {
        this.folder = folder;
    }

    @BeforeAll
    static void start() throws IOException {
        server = Postgres.start();
    }

    @AfterAll
    static void stop() throws IOException {
        server.close();
    }

    @BeforeEach
    void take_an_empty_database() throws SQLException {
        var name = "bank_" + ++databases;
        url = server.getJdbcUrl("postgres", "postgres");
        execute("create database " + name);
        url = server.getJdbcUrl("postgres", name);
    }

    // ---- the same as in memory

    @Test
    void the_sample_gives_the_same_result_as_in_memory_however_often_it_runs() throws Exception {
        var expected = inMemory();

        var first = onPostgres();
        var log = events();
        var second = onPostgres();

        assertThat(first.figures()).isEqualTo(expected.figures());
        assertThat(first.errors().get(0)).isEqualTo("applied the schema \"bank\", version 2");
        assertThat(first.errors().subList(1, first.errors().size())).isEqualTo(expected.errors());
        assertThat(second.figures()).isEqualTo(expected.figures());
        assertThat(second.result()).endsWith("commands per second: 0");
        assertThat(second.errors().get(0)).isEqualTo("the log has " + log.size() + " events; going on behind them");
        assertThat(second.errors().subList(1, second.errors().size())).isEqualTo(expected.errors());
        assertThat(events()).isEqualTo(log);
        assertEachRowIsThereOnce(41, 5);
    }

    @Test
    void bad_late_and_repeated_rows_are_what_they_are_in_memory_also_the_second_time() throws Exception {
        var file = write(
                "1;576;930105;PRIJEM;;100.00;100.00;;;",
                "nonsense",
                "1;576;930105;PRIJEM;;100.00;200.00;;;",
                "1;576;930105;PRIJEM;;100.00;300.00;;;",
                ";576;930105;PRIJEM;;1.00;1.00;;;",
                "2;577;930103;VYBER;;0.01;-0.01;;;",
                "3;577;930230;VYBER;;0.01;-0.01;;;",
                "4;577;930108;PRIJEM;;5;7.00;;;");
        var expected = inMemory(file);

        for (int run = 0; run < 2; run++) {
            var actual = onPostgres(file);

            assertThat(actual.figures()).isEqualTo(expected.figures());
            assertThat(actual.errors().subList(1, actual.errors().size())).isEqualTo(expected.errors());
        }
        assertThat(expected.figures()).contains("transactions: 8", "accepted: 5", "rejected: 3", "reconciled: 2");
        assertThat(expected.errors())
                .endsWith("late rows: 1; each counts for its own day, but for --at from the day on which it came");
        assertThat(texts("select recorded_at at time zone 'UTC' from bank_event where name = 'withdrawn'"))
                .containsExactly("1993-01-05 00:00:00");
        assertEachRowIsThereOnce(5, 2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1992-12-31", "1993-01-31", "1993-03-15", "1993-12-31"})
    void a_balance_of_the_past_is_that_of_the_log(String day) throws Exception {
        var expected = inMemory("--balance", "1004", "--at", day);

        for (int run = 0; run < 2; run++) {
            var actual = onPostgres("--balance", "1004", "--at", day);

            assertThat(actual.figures()).isEqualTo(expected.figures());
            assertThat(actual.result()).endsWith(expected.result().get(9));
        }
    }

    @Test
    void the_year_of_a_real_bank_is_carried_out_once_though_it_is_killed_half_way() throws Exception {
        var file = BankYearTest.realFile();
        if (file.isEmpty()) {
            System.out.println("note: the real year is not here, so it was not run on PostgreSQL");
            return;
        }
        killInTheMiddleOfTheAppendAt(30_000, file.get().toString());

        var rest = onPostgres(file.get().toString(), "--balance", "576", "--at", "1993-01-11");

        assertThat(rest.figures())
                .containsExactly(
                        "transactions: 28205",
                        "accepted: 28205",
                        "rejected: 0",
                        "accounts: 1139",
                        "total balance: 36575946.10",
                        "account-days: 23440",
                        "reconciled: 23440",
                        "balance 576 at 1993-01-11: 7107.00");
        assertEachRowIsThereOnce(28_205, 1_139);
    }

    // ---- stopped, and started again

    @Test
    void a_run_that_is_killed_in_the_middle_of_an_append_goes_on_without_doubling_a_row() throws Exception {
        var file = write(generated(1_000, 30));
        var expected = inMemory(file);

        killInTheMiddleOfTheAppendAt(401, file);
        killInTheMiddleOfTheAppendAt(1_201, file);
        var actual = onPostgres(file);

        assertThat(actual.figures()).isEqualTo(expected.figures());
        assertThat(expected.figures()).contains("accepted: 1000", "accounts: 30");
        assertEachRowIsThereOnce(1_000, 30);
    }

    @Test
    void a_lost_connection_is_one_clear_line_and_status_2_and_the_next_run_goes_on() throws Exception {
        var expected = inMemory();
        var err = new ByteArrayOutputStream();
        var cutting = new PrintStream(err, true, StandardCharsets.UTF_8) {
            @Override
            public void println(String line) {
                super.println(line);
                if (line.startsWith(" 5")) {
                    cutConnections();
                }
            }
        };
        var out = new ByteArrayOutputStream();

        int status = new BankYear(print(out), cutting, Progress.Style.LINES).run("--jdbc", url);

        assertThat(status).isEqualTo(2);
        assertThat(out.size()).isZero();
        assertThat(lines(err)).last().asString().endsWith(" -- start again with the same file to go on from there");
        assertThat(events()).isNotEmpty();
        assertThat(onPostgres().figures()).isEqualTo(expected.figures());
        assertEachRowIsThereOnce(41, 5);
    }

    @Test
    void a_file_that_has_grown_is_gone_on_with() throws Exception {
        var rows = generated(60, 5);
        onPostgres(write(rows.subList(0, 40)));

        var actual = onPostgres(write(rows));

        assertThat(actual.figures()).isEqualTo(inMemory(write(rows)).figures());
        assertEachRowIsThereOnce(60, 5);
    }

    @Test
    void two_that_run_at_once_carry_out_each_row_once_and_see_the_same() throws Exception {
        var file = write(generated(300, 20));
        var expected = inMemory(file);
        JdbcSchema.of(BankLog.PREFIX).apply(server.getDatabase("postgres", url.replaceAll(".*/|\\?.*", "")));
        var start = new CountDownLatch(2);
        var threads = Executors.newFixedThreadPool(2);
        try {
            Callable<Run> together = () -> {
                start.countDown();
                start.await();
                return onPostgres(file);
            };

            for (var run : threads.invokeAll(List.of(together, together))) {
                assertThat(run.get().figures()).isEqualTo(expected.figures());
            }
        } finally {
            threads.shutdownNow();
        }
        assertEachRowIsThereOnce(300, 20);
    }

    @Test
    void a_log_that_has_an_account_and_no_payment_yet_is_told_from_that_of_another_file() throws Exception {
        var one = write("1;576;930105;PRIJEM;;100.00;100.00;;;");
        killInTheMiddleOfTheAppendAt(3, one);

        assertIsOfAnotherFile(
                write("1;577;930105;PRIJEM;;100.00;100.00;;;"),
                "at position 1 it has open 576, AccountOpened[account=576, on=1993-01-05], but line 2 of the file is 1,"
                        + " Deposited[account=577, amount=100.00, on=1993-01-05]");
    }

    // ---- what cannot be

    @Test
    void a_log_of_another_file_is_one_clear_line_and_status_2_and_stays_as_it_is() throws Exception {
        var first = "1;576;930105;PRIJEM;;100.00;100.00;;;";
        var second = "2;576;930106;PRIJEM;;1.00;101.00;;;";
        onPostgres(write(first, second));
        var log = events();

        assertIsOfAnotherFile(
                write(first, "2;576;930106;PRIJEM;;1.10;101.10;;;"),
                "at position 5 it has 2, Deposited[account=576, amount=1.00, on=1993-01-06], but line 3 of the file is"
                        + " 2, Deposited[account=576, amount=1.10, on=1993-01-06]");
        assertIsOfAnotherFile(
                write("2;577;930106;PRIJEM;;1.00;1.00;;;"),
                "at position 1 it has open 576, AccountOpened[account=576, on=1993-01-05], but line 2 of the file is 2,"
                        + " Deposited[account=577, amount=1.00, on=1993-01-06]");
        assertIsOfAnotherFile(
                write(first),
                "at position 5 it has 2, Deposited[account=576, amount=1.00, on=1993-01-06], but the file has no"
                        + " further row");
        assertIsOfAnotherFile(
                write("nonsense"),
                "at position 1 it has open 576, AccountOpened[account=576, on=1993-01-05], but the file has no further"
                        + " row");
        assertThat(events()).isEqualTo(log);
    }

    private void assertIsOfAnotherFile(String file, String difference) {
        var run = onPostgres(file);

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.result()).isEmpty();
        assertThat(run.errors())
                .last()
                .isEqualTo("the log is that of another file: " + difference
                        + "; nothing was written; give the file it began with, or another database");
    }

    @Test
    void a_log_of_another_program_is_one_clear_line_and_status_2() throws Exception {
        onPostgres();
        execute("update bank_event set json = '{\"cents\": 5}' where position = 3");

        var run = onPostgres();

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.result()).isEmpty();
        assertThat(run.errors()).last().asString().startsWith("the log is that of another program: ");
    }

    @Test
    void a_newer_schema_is_one_clear_line_and_status_2() throws Exception {
        onPostgres();
        execute("insert into bank_schema (version) values (99)");

        assertUnusable(
                url,
                "The schema \"bank\" has version 99 in this database; expected 2. A newer version of the"
                        + " library has changed it: use that version here as well.");
    }

    @Test
    void a_server_that_is_not_there_is_one_clear_line_and_status_2() throws IOException {
        try (var bound = new Socket()) { // nobody else can listen there, and it does not
            bound.bind(new InetSocketAddress(0));
            int port = bound.getLocalPort();

            assertUnusable(
                    "jdbc:postgresql://localhost:" + port + "/bank?user=postgres&password=secret",
                    "the database"
                            + " cannot be used: Connection to localhost:" + port
                            + " refused. Check that the hostname and port are"
                            + " correct and that the postmaster is accepting TCP/IP connections.");
        }
    }

    @Test
    void a_database_that_is_not_there_is_one_clear_line_and_status_2() {
        assertUnusable(
                server.getJdbcUrl("postgres", "nowhere"),
                "the database cannot be used: FATAL: database \"nowhere\" does not exist");
    }

    @Test
    void a_url_that_makes_no_sense_is_one_clear_line_without_its_password_and_status_2() {
        assertUnusable(
                "jdbc:postgresql://localhost:port/bank?user=postgres&password=secret",
                "the URL means nothing to the driver; expected one such as"
                        + " jdbc:postgresql://localhost:5432/bank?user=me");
    }

    private static void assertUnusable(String url, String line) {
        var run = run("--jdbc", url);

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.result()).isEmpty();
        assertThat(run.errors()).containsExactly(line);
    }

    // ---- runs

    /** What a run has said. */
    private record Run(int status, List<String> result, List<String> errors) {

        /** The result without what depends on the machine. */
        List<String> figures() {
            return result.stream()
                    .filter(line -> !line.startsWith("seconds: ") && !line.startsWith("commands per second: "))
                    .toList();
        }
    }

    private static Run inMemory(String... args) {
        return run(args);
    }

    private Run onPostgres(String... args) {
        var all = new ArrayList<>(List.of(args));
        all.addAll(List.of("--jdbc", url));
        return run(all.toArray(String[]::new));
    }

    private static Run run(String... args) {
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        int status = new BankYear(print(out), print(err), Progress.Style.LINES).run(args);
        return new Run(status, lines(out), lines(err));
    }

    private static PrintStream print(ByteArrayOutputStream to) {
        return new PrintStream(to, true, StandardCharsets.UTF_8);
    }

    private static List<String> lines(ByteArrayOutputStream text) {
        return text.toString(StandardCharsets.UTF_8).lines().toList();
    }

    /**
     * Runs the program in a JVM of its own and kills that while it waits for the answer to an append. The database does
     * not hear of it until it has answered; so the append is written after its writer has died.
     */
    private void killInTheMiddleOfTheAppendAt(int position, String file) throws Exception {
        JdbcSchema.of(BankLog.PREFIX).apply(server.getDatabase("postgres", url.replaceAll(".*/|\\?.*", "")));
        execute("create or replace function hold() returns trigger language plpgsql as"
                + " 'begin perform pg_advisory_xact_lock(" + LOCK + "); return new; end'");
        execute("create or replace trigger hold before insert on bank_event for each row when (new.position = "
                + position + ") execute function hold()");
        try (var holder = DriverManager.getConnection(url)) {
            execute(holder, "select pg_advisory_lock(" + LOCK + ")");
            var output = folder.resolve("child.txt");
            var child = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            BankYear.class.getName(),
                            file,
                            "--jdbc",
                            url)
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            try {
                awaitHeldAppend(child, output.toFile());
            } finally {
                child.destroyForcibly().waitFor();
            }
        }
    }

    /** Nothing tells of it, so that it has to be asked for. */
    private void awaitHeldAppend(Process child, File output) throws SQLException, IOException {
        while (texts("select pid from pg_locks where locktype = 'advisory' and objid = " + LOCK + " and not granted"
                        + " and database = (select oid from pg_database where datname = current_database())")
                .isEmpty()) {
            assertThat(child.isAlive()).as(Files.readString(output.toPath())).isTrue();
            LockSupport.parkNanos(Duration.ofMillis(20).toNanos());
        }
    }

    // ---- files

    private static List<String> generated(int rows, int accounts) {
        System.out.println("seed " + SEED);
        var random = new SplittableRandom(SEED);
        var balances = new HashMap<Integer, BigDecimal>();
        var all = new ArrayList<String>();
        for (int i = 0; i < rows; i++) {
            int account = i < accounts ? i : random.nextInt(accounts);
            boolean credit = random.nextBoolean();
            var amount = BigDecimal.valueOf(random.nextLong(10_000_000), 2);
            var balance = balances.merge(account, credit ? amount : amount.negate(), BigDecimal::add);
            boolean late = random.nextInt(10) == 0;
            var day = LocalDate.of(1993, 1, 10).plusDays((long) i * 300 / rows - (late ? 3 : 0));
            all.add(String.join(
                    ";",
                    "" + i,
                    "" + account,
                    day.format(DateTimeFormatter.ofPattern("yyMMdd")),
                    credit ? "PRIJEM" : "VYDAJ",
                    "",
                    "" + amount,
                    "" + balance,
                    "",
                    "",
                    ""));
        }
        return all;
    }

    private String write(String... rows) throws IOException {
        return write(List.of(rows));
    }

    private String write(List<String> rows) throws IOException {
        var file = folder.resolve("rows.asc");
        Files.writeString(file, HEADER + "\n" + String.join("\n", rows) + "\n");
        return file.toString();
    }

    // ---- the log, as SQL sees it

    private void assertEachRowIsThereOnce(int rows, int accounts) throws SQLException {
        var payments = " from bank_event where name in ('deposited', 'withdrawn')";
        assertThat(texts("select count(*)" + payments)).containsExactly("" + rows);
        assertThat(texts("select count(distinct metadata ->> 'id')" + payments)).containsExactly("" + rows);
        assertThat(texts("select count(distinct json ->> 'account') from bank_event where name = 'account-opened'"))
                .containsExactly("" + accounts);
        assertThat(texts("select count(*), max(position) from bank_event"))
                .containsExactly(2 * (rows + accounts) + " " + 2 * (rows + accounts));
    }

    private List<String> events() throws SQLException {
        return texts("select position, recorded_at, name, tags, metadata, json from bank_event order by position");
    }

    private void cutConnections() {
        try {
            execute("select pg_terminate_backend(pid) from pg_stat_activity"
                    + " where datname = current_database() and pid <> pg_backend_pid()");
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    private List<String> texts(String sql) throws SQLException {
        try (var connection = DriverManager.getConnection(url);
                var statement = connection.createStatement();
                var row = statement.executeQuery(sql)) {
            var all = new ArrayList<String>();
            while (row.next()) {
                var columns = new ArrayList<String>();
                for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
                    columns.add(row.getString(i));
                }
                all.add(String.join(" ", columns));
            }
            return all;
        }
    }

    private void execute(String sql) throws SQLException {
        try (var connection = DriverManager.getConnection(url)) {
            execute(connection, sql);
        }
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
