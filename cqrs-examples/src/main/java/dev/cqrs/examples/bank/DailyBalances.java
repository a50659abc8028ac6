package dev.cqrs.examples.bank;

import dev.cqrs.event.Fold;
import dev.cqrs.examples.bank.BankEvent.Deposited;
import dev.cqrs.examples.bank.BankEvent.Withdrawn;
import dev.cqrs.projection.Projection;
import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * The view of what was in each account at the end of each day on which something moved.
 *
 * <p>It keeps what moved on a day, and adds up when asked: so an event that arrives late counts for its own day and all
 * days after it.
 *
 * <p><b>Threads:</b> not thread-safe; the engine that folds it guards it.
 */
final class DailyBalances {

    /** How the log adds up to this view. */
    static final Projection<DailyBalances> PROJECTION = Projection.of(
            "daily-balances",
            1,
            Fold.fresh(DailyBalances::new)
                    .change(Deposited.class, (view, e) -> view.move(e.account(), e.on(), e.amount()))
                    .change(
                            Withdrawn.class,
                            (view, e) ->
                                    view.move(e.account(), e.on(), e.amount().negate())));

    private final Map<String, NavigableMap<LocalDate, BigDecimal>> movements = new LinkedHashMap<>();

    private void move(String account, LocalDate day, BigDecimal amount) {
        movements.computeIfAbsent(account, number -> new TreeMap<>()).merge(day, amount, BigDecimal::add);
    }

    /** The end of each day on which something moved, by account and then by day. */
    List<AccountDay> all() {
        var all = new ArrayList<AccountDay>();
        movements.forEach((account, days) -> {
            var balance = Balances.NOTHING;
            for (var day : days.entrySet()) {
                balance = balance.add(day.getValue());
                all.add(new AccountDay(account, day.getKey(), balance));
            }
        });
        return all;
    }
}
