package dev.cqrs.examples.bank;

import dev.cqrs.event.Fold;
import dev.cqrs.examples.bank.BankEvent.AccountOpened;
import dev.cqrs.examples.bank.BankEvent.Deposited;
import dev.cqrs.examples.bank.BankEvent.Withdrawn;
import dev.cqrs.projection.Projection;
import java.math.BigDecimal;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The view of what is in each account, and in all of them together.
 *
 * <p>Money is a {@link BigDecimal} with two decimals: exact, and without a greatest sum.
 *
 * <p><b>Threads:</b> not thread-safe; the engine that folds it guards it.
 */
final class Balances {

    /** How the log adds up to this view. */
    static final Projection<Balances> PROJECTION = Projection.of(
            "balances",
            1,
            Fold.fresh(Balances::new)
                    .change(AccountOpened.class, (view, e) -> view.add(e.account(), BigDecimal.ZERO))
                    .change(Deposited.class, (view, e) -> view.add(e.account(), e.amount()))
                    .change(
                            Withdrawn.class,
                            (view, e) -> view.add(e.account(), e.amount().negate())));

    /** No money at all. */
    static final BigDecimal NOTHING = new BigDecimal("0.00");

    private final Map<String, BigDecimal> accounts = new HashMap<>();
    private BigDecimal total = NOTHING;

    private void add(String account, BigDecimal amount) {
        accounts.put(account, accounts.getOrDefault(account, NOTHING).add(amount));
        total = total.add(amount);
    }

    /** What is in an account; empty if it was never opened. */
    Optional<BigDecimal> of(String account) {
        return Optional.ofNullable(accounts.get(account));
    }

    /** What is in all accounts together. */
    BigDecimal total() {
        return total;
    }

    /** How many accounts there are. */
    int accounts() {
        return accounts.size();
    }
}
