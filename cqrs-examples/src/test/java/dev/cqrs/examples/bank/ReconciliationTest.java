package dev.cqrs.examples.bank;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReconciliationTest {

    private static final LocalDate DAY = LocalDate.of(1993, 1, 5);

    private final Reconciliation reconciliation = new Reconciliation();

    @ParameterizedTest
    @ValueSource(strings = {"99.00", "100.00", "101.00"})
    void a_balance_within_one_of_the_banks_agrees(String ours) {
        reconciliation.stated("576", DAY, new BigDecimal("100.00"));

        assertThat(reconciliation.differences(List.of(end(ours)))).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"98.99", "101.01", "-100.00"})
    void a_balance_further_away_does_not(String ours) {
        reconciliation.stated("576", DAY, new BigDecimal("100.00"));

        assertThat(reconciliation.differences(List.of(end(ours)))).hasSize(1);
    }

    @Test
    void any_balance_of_the_day_may_be_its_last() {
        reconciliation.stated("576", DAY, new BigDecimal("900.00"));
        reconciliation.stated("576", DAY, new BigDecimal("100.00"));
        reconciliation.stated("576", DAY, new BigDecimal("500.00"));

        assertThat(reconciliation.differences(List.of(end("100.50")))).isEmpty();
    }

    @Test
    void balances_of_other_days_and_accounts_do_not_help() {
        reconciliation.stated("576", DAY.plusDays(1), new BigDecimal("100.00"));
        reconciliation.stated("577", DAY, new BigDecimal("100.00"));

        assertThat(reconciliation.differences(List.of(end("100.00")))).hasSize(1);
    }

    @Test
    void a_difference_tells_the_account_the_day_and_both_sides() {
        reconciliation.stated("576", DAY, new BigDecimal("120.00"));
        reconciliation.stated("576", DAY, new BigDecimal("-30.10"));

        assertThat(reconciliation.differences(List.of(end("100.00"))).get(0))
                .hasToString("account 576 at 1993-01-05: ours 100.00, the bank's 120.00 or -30.10");
    }

    private static AccountDay end(String balance) {
        return new AccountDay("576", DAY, new BigDecimal(balance));
    }
}
