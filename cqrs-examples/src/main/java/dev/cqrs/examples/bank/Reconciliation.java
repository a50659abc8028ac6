package dev.cqrs.examples.bank;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Compares our end-of-day balances with what the bank itself wrote.
 *
 * <p>The rows of a day are in no order, so any balance that the bank wrote on a row of the day may be its last; and the
 * bank rounds interest, so {@link #TOLERANCE} is allowed.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Reconciliation {

    /** How far apart the balances may be. */
    static final BigDecimal TOLERANCE = new BigDecimal("1.00");

    private final Map<Key, List<BigDecimal>> stated = new HashMap<>();

    private record Key(String account, LocalDate day) {}

    /**
     * An account-day on which we and the bank disagree.
     *
     * @param ours what our view says
     * @param stated what the bank wrote on the rows of that day
     */
    record Difference(AccountDay ours, List<BigDecimal> stated) {

        @Override
        public String toString() {
            return "account " + ours.account() + " at " + ours.day() + ": ours " + ours.balance() + ", the bank's "
                    + String.join(
                            " or ", stated.stream().map(BigDecimal::toString).toList());
        }
    }

    /** Notes a balance that the bank wrote on a row. */
    void stated(String account, LocalDate day, BigDecimal balance) {
        stated.computeIfAbsent(new Key(account, day), key -> new ArrayList<>(1)).add(balance);
    }

    /** Those of our account-days that are near none of the bank's balances. */
    List<Difference> differences(List<AccountDay> ours) {
        var differences = new ArrayList<Difference>();
        for (var day : ours) {
            var theirs = stated.getOrDefault(new Key(day.account(), day.day()), List.of());
            if (theirs.stream().noneMatch(balance -> isNear(day.balance(), balance))) {
                differences.add(new Difference(day, List.copyOf(theirs)));
            }
        }
        return differences;
    }

    private static boolean isNear(BigDecimal one, BigDecimal other) {
        return one.subtract(other).abs().compareTo(TOLERANCE) <= 0;
    }
}
