package dev.cqrs.examples.statement;

import dev.cqrs.examples.statement.BankRecord.Account;
import dev.cqrs.examples.statement.BankRecord.Card;
import dev.cqrs.examples.statement.BankRecord.Client;
import dev.cqrs.examples.statement.BankRecord.Disposition;
import dev.cqrs.examples.statement.BankRecord.District;
import dev.cqrs.examples.statement.BankRecord.Loan;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.statement.BankRecord.Transaction;
import java.time.Clock;
import java.util.List;

/** The eight services over which the bank's data is spread. */
record BankServices(
        Service<Account> accounts,
        Service<Client> clients,
        Service<Disposition> dispositions,
        Service<Card> cards,
        Service<Loan> loans,
        Service<StandingOrder> orders,
        Service<District> districts,
        Service<Transaction> transactions) {

    /** Makes them, without records. */
    static BankServices empty(Clock clock) {
        return new BankServices(
                new Service<>("account", Account.class, Account::id, clock),
                new Service<>("client", Client.class, Client::id, clock),
                new Service<>("disposition", Disposition.class, Disposition::account, clock),
                new Service<>("card", Card.class, Card::disposition, clock),
                new Service<>("loan", Loan.class, Loan::account, clock),
                new Service<>("standing-order", StandingOrder.class, StandingOrder::account, clock),
                new Service<>("district", District.class, District::id, clock),
                new Service<>("transaction", Transaction.class, Transaction::account, clock));
    }

    /** All of them. */
    List<Service<?>> all() {
        return List.of(accounts, clients, dispositions, cards, loans, orders, districts, transactions);
    }

    /** Takes in all but the transactions, which come day by day. */
    void recordAllButTransactions(BankFiles files) {
        districts.record(files.districts());
        clients.record(files.clients());
        accounts.record(files.accounts());
        dispositions.record(files.dispositions());
        cards.record(files.cards());
        loans.record(files.loans());
        orders.record(files.orders());
    }
}
