package dev.cqrs.examples.statement;

import dev.cqrs.examples.statement.BankRecord.Account;
import dev.cqrs.examples.statement.BankRecord.Card;
import dev.cqrs.examples.statement.BankRecord.Client;
import dev.cqrs.examples.statement.BankRecord.Loan;
import dev.cqrs.examples.statement.BankRecord.Role;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.statement.BankRecord.Transaction;
import java.util.List;

/**
 * All that the bank knows of an account and the people who may use it.
 *
 * @param account the account itself
 * @param district the name of the district its branch is in; empty if the bank does not know
 * @param holders who may use it, by the number of the disposition
 * @param loans by number
 * @param orders by number
 * @param entries in the order in which they came
 */
record Statement(
        Account account,
        String district,
        List<Holder> holders,
        List<Loan> loans,
        List<StandingOrder> orders,
        List<Transaction> entries) {

    /**
     * Somebody who may use an account.
     *
     * @param client the person
     * @param district the name of the district the person lives in; empty if the bank does not know
     * @param role what the person may do
     * @param cards by number
     */
    record Holder(Client client, String district, Role role, List<Card> cards) {

        Holder {
            cards = List.copyOf(cards);
        }
    }

    Statement {
        holders = List.copyOf(holders);
        loans = List.copyOf(loans);
        orders = List.copyOf(orders);
        entries = List.copyOf(entries);
    }

    /** What is in the account, in hellers. */
    long balance() {
        return entries.stream().mapToLong(Transaction::amount).sum();
    }
}
