package dev.cqrs.examples.transfers;

import dev.cqrs.event.Fold;
import dev.cqrs.examples.transfers.Bank.Confirmed;
import dev.cqrs.examples.transfers.Bank.Credit;
import dev.cqrs.examples.transfers.Bank.Debit;
import dev.cqrs.examples.transfers.Bank.OrderDue;
import dev.cqrs.saga.Saga;
import java.time.Duration;

/**
 * What a transfer knows, which is what was ordered, and the saga that carries it out. Money is in hellers, hundredths.
 *
 * @param order the number of the standing order
 * @param from the account here
 * @param bank the other bank
 * @param to the account there
 * @param amount how much
 */
record Transfer(String order, String from, String bank, String to, long amount) {

    /** The other bank could not be reached: it has done nothing. */
    static final class BankDownException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        BankDownException(String bank) {
            super("bank " + bank + " is down");
        }
    }

    /** The line went dead while the other bank was to answer: it may have done what it was asked for, or not. */
    static final class NoAnswerException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        NoAnswerException(String bank) {
            super("no answer from bank " + bank);
        }
    }

    static final Fold<Transfer> STATE = Fold.from(new Transfer("", "", "", "", 0))
            .on(
                    OrderDue.class,
                    (none, due) -> new Transfer(due.order(), due.from(), due.bank(), due.to(), due.amount()));

    static final Saga<Transfer> SAGA = Saga.named("transfer", STATE)
            .retry(Duration.ofMinutes(1), Duration.ofMinutes(10), Duration.ofHours(1), Duration.ofHours(6))
            .unsure(NoAnswerException.class)
            .startedBy(OrderDue.class, OrderDue::order)
            .step("debit", t -> new Debit(Bank.HOME, t.from(), t.amount(), t.order()))
            .compensate(t -> new Credit(Bank.HOME, t.from(), t.amount(), t.order()))
            .step("credit", t -> new Credit(t.bank(), t.to(), t.amount(), t.order()))
            .compensate(t -> new Debit(t.bank(), t.to(), t.amount(), t.order()))
            .await("confirmation", Confirmed.class, Confirmed::order)
            .timeout(Duration.ofDays(2))
            .build();
}
