package dev.cqrs.examples.transfers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.examples.bank.Progress;
import dev.cqrs.examples.statement.BankFiles;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.saga.SagaInstance.State;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TransfersTest {

    private static final String REAL_DATA = "shared/data/berka-1993";
    private static final int SEEDS = Integer.getInteger("dev.cqrs.examples.seeds", 10);
    private static final int REAL_SEEDS = Integer.getInteger("dev.cqrs.examples.seeds.real", 1);

    private final ByteArrayOutputStream shown = new ByteArrayOutputStream();
    private final ByteArrayOutputStream complained = new ByteArrayOutputStream();

    private int run(String... args) {
        return new Transfers(
                        new PrintStream(shown, true, StandardCharsets.UTF_8),
                        new PrintStream(complained, true, StandardCharsets.UTF_8),
                        Progress.Style.LINES)
                .run(args);
    }

    private String text() {
        return shown.toString(StandardCharsets.UTF_8);
    }

    private String complaint() {
        return complained.toString(StandardCharsets.UTF_8);
    }

    /** The challenge's files, beside the working directory or above it, where somebody has put them. */
    private static Optional<Path> realData() {
        for (var at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
            var found = at.resolve(REAL_DATA);
            if (Files.isDirectory(found)) {
                return Optional.of(found);
            }
        }
        return Optional.empty();
    }

    private static void checkMonth(List<StandingOrder> orders, long seed) {
        try (var month = new Month(orders, seed)) {
            var days = new int[1];
            month.pass(due -> {
                if (++days[0] % 7 == 0) {
                    var books = month.books();
                    assertThat(books.isBalanced())
                            .as("seed %s, day %s, %s", seed, days[0], books.faults())
                            .isTrue();
                }
            });

            assertThat(month.count(State.COMPLETED) + month.count(State.COMPENSATED) + month.count(State.PARKED))
                    .as("seed %s", seed)
                    .isEqualTo(orders.size());
            var parked = month.parked().stream().map(transfer -> transfer.key()).toList();
            assertThat(month.books().isBalanced()).as("seed %s", seed).isTrue();
            assertThat(parked)
                    .as("seed %s", seed)
                    .containsAll(month.books().onTheWay().keySet());

            assertThat(month.resume()).isEqualTo(parked.size());

            assertThat(month.count(State.COMPLETED) + month.count(State.COMPENSATED))
                    .as("seed %s, still parked: %s", seed, month.parked())
                    .isEqualTo(orders.size());
            var books = month.books();
            assertThat(books.faults()).as("seed %s", seed).isEmpty();
            assertThat(books.onTheWay()).as("seed %s", seed).isEmpty();
            assertThat(books.home() + books.elsewhere()).as("seed %s", seed).isEqualTo(books.opened());
        }
    }

    @Test
    void no_heller_is_lost_whatever_goes_wrong() throws Exception {
        var orders = BankFiles.ordersOf(Transfers.class);
        for (long seed = 1; seed <= SEEDS; seed++) {
            checkMonth(orders, seed);
        }
    }

    @Test
    void no_heller_of_the_real_orders_is_lost() throws Exception {
        var directory = realData();
        if (directory.isEmpty()) {
            return; // as the sample, then
        }
        var orders = BankFiles.ordersIn(directory.get());
        assertThat(orders).hasSizeGreaterThan(6_000);
        for (long seed = 1; seed <= REAL_SEEDS; seed++) {
            checkMonth(orders, seed);
        }
    }

    @Test
    void what_was_completed_has_arrived_and_what_was_compensated_is_as_if_it_had_never_been() throws Exception {
        var orders = BankFiles.ordersOf(Transfers.class);
        try (var month = new Month(orders, 7)) {
            month.pass(due -> {});
            month.resume();

            long arrived = orders.stream()
                    .filter(order -> month.history(order.id()).contains("COMPLETED"))
                    .mapToLong(StandingOrder::amount)
                    .sum();
            assertThat(arrived).isPositive();
            assertThat(month.books().elsewhere()).isEqualTo(arrived);
        }
    }

    @Test
    void the_program_tells_what_became_of_the_orders_and_shows_and_resumes_what_is_parked() {
        assertThat(run("--seed", "7")).isZero();

        assertThat(text()).contains("seed: 7\n", "completed: ", "compensated: ", "parked: 0\n", "resumed: ", " at \"");
        assertThat(text()).doesNotContain("NOT CONSERVED");
        assertThat(complaint()).contains("100 %").endsWith("orders due\n");

        var first = text();
        shown.reset();
        run("--seed", "7");
        assertThat(text()).as("the same seed again").isEqualTo(first);
    }

    @Test
    void options_that_are_of_no_use_get_a_sentence(@TempDir Path empty) {
        assertThat(run("--seed")).isEqualTo(2);
        assertThat(run("--seed", "many")).isEqualTo(2);
        assertThat(run("--seed", "1", "--seed", "2")).isEqualTo(2);
        assertThat(run("--sede", "1")).isEqualTo(2);
        assertThat(run("one", "two")).isEqualTo(2);
        assertThat(run(empty.toString())).isEqualTo(2);
        assertThat(complaint().lines())
                .containsExactly(
                        "--seed needs a number; usage: Transfers [DIRECTORY] [--seed N]",
                        "--seed many is no whole number; usage: Transfers [DIRECTORY] [--seed N]",
                        "--seed is given twice; usage: Transfers [DIRECTORY] [--seed N]",
                        "unknown option --sede; usage: Transfers [DIRECTORY] [--seed N]",
                        "a directory is given twice; usage: Transfers [DIRECTORY] [--seed N]",
                        "order.asc: no such file");
        assertThat(text()).isEmpty();
    }
}
