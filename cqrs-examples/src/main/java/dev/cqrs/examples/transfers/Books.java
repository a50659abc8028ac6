package dev.cqrs.examples.transfers;

import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.examples.transfers.Bank.Credited;
import dev.cqrs.examples.transfers.Bank.Debited;
import dev.cqrs.examples.transfers.Bank.Entry;
import dev.cqrs.examples.transfers.Bank.Opened;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What the banks' own logs say of the money, whatever sagas think. In hellers, hundredths.
 *
 * @param opened with how much the accounts were opened, all together
 * @param home how much is on the accounts here
 * @param elsewhere how much is on those of other banks
 * @param onTheWay what was debited here and not credited there or here, by order
 * @param faults what must not be, in words
 */
record Books(long opened, long home, long elsewhere, Map<String, Long> onTheWay, List<String> faults) {

    /** Of one bank. */
    private static final class Sums {
        private long opened;
        private long balance;
        private final Map<String, Long> byOrder = new HashMap<>();

        private void add(String order, long amount) {
            balance += amount;
            byOrder.merge(order, amount, Long::sum);
        }
    }

    private static final Fold<Sums> SUMS = Fold.fresh(Sums::new)
            .change(Opened.class, (sums, e) -> {
                sums.opened += e.amount();
                sums.balance += e.amount();
            })
            .change(Debited.class, (sums, e) -> sums.add(e.order(), -e.amount()))
            .change(Credited.class, (sums, e) -> sums.add(e.order(), e.amount()));

    /** Reads the books of all banks. */
    static Books of(Map<String, Bank> banks, Map<String, Long> amounts) {
        long opened = 0;
        long home = 0;
        long elsewhere = 0;
        var here = new HashMap<String, Long>();
        var there = new HashMap<String, Long>();
        for (var bank : banks.entrySet()) {
            var sums = read(bank.getValue());
            boolean isHome = bank.getKey().equals(Bank.HOME);
            opened += sums.opened;
            home += isHome ? sums.balance : 0;
            elsewhere += isHome ? 0 : sums.balance;
            sums.byOrder.forEach((order, sum) -> (isHome ? here : there).merge(order, sum, Long::sum));
        }
        var onTheWay = new HashMap<String, Long>();
        var faults = new ArrayList<String>();
        for (var order : amounts.entrySet()) {
            long debited = -here.getOrDefault(order.getKey(), 0L);
            long credited = there.getOrDefault(order.getKey(), 0L);
            long amount = order.getValue();
            if ((debited != 0 && debited != amount) || (credited != 0 && credited != debited)) {
                faults.add("order " + order.getKey() + " of " + amount + ": " + debited + " debited here, " + credited
                        + " credited there");
            }
            if (debited != credited) {
                onTheWay.put(order.getKey(), debited - credited);
            }
        }
        return new Books(opened, home, elsewhere, onTheWay, faults);
    }

    private static Sums read(Bank bank) {
        var sums = SUMS.initial();
        try (var entries = bank.log().read(EventQuery.types(Entry.class))) {
            while (entries.advance()) {
                sums = SUMS.apply(sums, entries.event());
            }
        }
        return sums;
    }

    long sumOnTheWay() {
        return onTheWay.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Whether all the money is there that ever was, and no order has been carried out by half or twice. */
    boolean isBalanced() {
        return faults.isEmpty() && home + elsewhere + sumOnTheWay() == opened;
    }
}
