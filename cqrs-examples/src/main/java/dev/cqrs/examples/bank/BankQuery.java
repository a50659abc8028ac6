package dev.cqrs.examples.bank;

import dev.cqrs.query.Query;
import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;

/**
 * What the bank can be asked.
 *
 * @param <R> the answer
 */
sealed interface BankQuery<R> extends Query<R> {

    /**
     * What is in an account now; empty if there is no such account.
     *
     * @param account its number
     */
    record BalanceOf(String account) implements BankQuery<Optional<BigDecimal>> {}

    /** What is in all accounts together. */
    record TotalBalance() implements BankQuery<BigDecimal> {}

    /** How many accounts there are. */
    record AccountCount() implements BankQuery<Integer> {}

    /** What was in each account at the end of each day on which something moved, by account and then by day. */
    record EndOfDayBalances() implements BankQuery<List<AccountDay>> {}
}
