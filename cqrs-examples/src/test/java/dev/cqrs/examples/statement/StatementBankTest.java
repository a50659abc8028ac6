package dev.cqrs.examples.statement;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.examples.statement.BankRecord.Card;
import dev.cqrs.examples.statement.BankRecord.Client;
import dev.cqrs.examples.statement.BankRecord.Role;
import dev.cqrs.examples.statement.BankRecord.Sex;
import dev.cqrs.examples.statement.BankRecord.Transaction;
import dev.cqrs.examples.statement.StatementQuery.AccountNumbers;
import dev.cqrs.examples.statement.StatementQuery.BalanceOf;
import dev.cqrs.examples.statement.StatementQuery.GatheredStatement;
import dev.cqrs.examples.statement.StatementQuery.StatementOf;
import dev.cqrs.gather.GatherFailedException;
import dev.cqrs.live.Backlog;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class StatementBankTest {

    private static final String REAL_DATA = "shared/data/berka-1993";

    private final ExecutorService executor = Executors.newFixedThreadPool(8);
    private final List<Object> errors = Collections.synchronizedList(new ArrayList<>());
    private final StatementBank bank = StatementBank.open(executor, errors::add);

    @AfterEach
    void end() {
        bank.close();
        executor.shutdownNow();
        assertThat(errors).isEmpty();
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

    private void assertThatBothWaysAgree() {
        var numbers = bank.app().ask(new AccountNumbers());
        for (var number : numbers) {
            var gathered = bank.app().ask(new GatheredStatement(number));
            assertThat(gathered.isComplete()).as(number).isTrue();
            assertThat(gathered.outcomes()).hasSize(8);
            assertThat(bank.app().ask(new StatementOf(number))).contains(gathered.value());
            assertThat(bank.app().ask(new BalanceOf(number)))
                    .isEqualTo(gathered.value().balance());
        }
    }

    @Test
    void a_statement_joins_what_eight_services_tell() throws Exception {
        bank.takeIn(BankFiles.sample());

        var statement = bank.app().ask(new StatementOf("1001")).orElseThrow();

        assertThat(statement.account().opened()).isEqualTo(LocalDate.of(1993, 1, 4));
        assertThat(statement.district()).isEqualTo("Lhota");
        assertThat(statement.holders())
                .containsExactly(
                        new Statement.Holder(
                                new Client("2", LocalDate.of(1960, 2, 29), Sex.MALE, "2"),
                                "Nova Ves <& hory>",
                                Role.DISPONENT,
                                List.of()),
                        new Statement.Holder(
                                new Client("1", LocalDate.of(1945, 6, 12), Sex.FEMALE, "1"),
                                "Lhota",
                                Role.OWNER,
                                List.of(
                                        new Card("101", "11", "classic", LocalDate.of(1993, 9, 1)),
                                        new Card("102", "11", "gold", LocalDate.of(1993, 11, 7)))));
        assertThat(statement.orders())
                .extracting(order -> order.id() + " " + order.amount())
                .containsExactly("301 33770", "302 245200");
        assertThat(statement.loans()).isEmpty();
        assertThat(statement.entries())
                .extracting(Transaction::amount)
                .containsExactly(100000L, 845050L, -245200L, 1305L);
        assertThat(statement.balance()).isEqualTo(701155);
        assertThat(bank.app().ask(new BalanceOf("1003"))).isEqualTo(-10050);
    }

    @Test
    void the_view_and_what_is_gathered_agree_for_every_account_of_the_sample() throws Exception {
        bank.takeIn(BankFiles.sample());
        assertThat(bank.app().ask(new AccountNumbers())).containsExactly("1001", "1002", "1003", "1004");
        assertThatBothWaysAgree();
    }

    @Test
    void they_agree_for_every_account_of_the_real_data_where_it_is_present() throws Exception {
        var directory = realData();
        if (directory.isEmpty()) {
            return; // the data cannot be part of this repository
        }
        bank.takeIn(BankFiles.in(directory.get()));
        assertThat(bank.app().ask(new AccountNumbers())).hasSize(4500);
        assertThat(bank.imports()).hasSize(8).allSatisfy(one -> {
            assertThat(one.lag()).isZero();
            assertThat(one.failure()).isEmpty();
        });
        assertThatBothWaysAgree();
    }

    @Test
    void an_account_that_nobody_knows_is_told_as_such() throws Exception {
        bank.takeIn(BankFiles.sample());
        assertThat(bank.app().ask(new StatementOf("4711"))).isEmpty();
        assertThatThrownBy(() -> bank.app().ask(new GatheredStatement("4711")))
                .isInstanceOf(GatherFailedException.class)
                .hasRootCauseMessage("no account 4711");
    }

    @Test
    void a_balance_of_any_day_is_folded_from_the_log() throws Exception {
        bank.takeIn(BankFiles.sample());
        assertThat(bank.at(LocalDate.of(1993, 1, 3)).balance("1001")).isZero();
        assertThat(bank.at(LocalDate.of(1993, 1, 4)).balance("1001")).isEqualTo(100000);
        assertThat(bank.at(LocalDate.of(1993, 2, 4)).balance("1001")).isEqualTo(945050);
        assertThat(bank.at(LocalDate.of(1993, 2, 5)).balance("1001")).isEqualTo(699850);
        assertThat(bank.at(LocalDate.of(1993, 12, 31)).balance("1001")).isEqualTo(701155);
    }

    @Test
    void a_balance_can_be_watched_while_the_year_passes() throws Exception {
        var seen = new ArrayList<Object>();
        bank.app()
                .live(new BalanceOf("1001"), Backlog.failing(10), Runnable::run)
                .subscribe(new Flow.Subscriber<>() {
                    @Override
                    public void onSubscribe(Flow.Subscription subscription) {
                        subscription.request(Long.MAX_VALUE);
                    }

                    @Override
                    public void onNext(Long balance) {
                        seen.add(balance);
                    }

                    @Override
                    public void onError(Throwable why) {
                        seen.add(why);
                    }

                    @Override
                    public void onComplete() {
                        seen.add("complete");
                    }
                });
        bank.takeIn(BankFiles.sample());
        assertThat(seen).containsExactly(0L, 100000L, 945050L, 699850L, 701155L);
    }
}
