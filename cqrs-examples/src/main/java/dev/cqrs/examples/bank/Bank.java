package dev.cqrs.examples.bank;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.decider.Decider;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.examples.bank.BankCommand.Deposit;
import dev.cqrs.examples.bank.BankCommand.OpenAccount;
import dev.cqrs.examples.bank.BankCommand.Withdraw;
import dev.cqrs.examples.bank.BankEvent.AccountOpened;
import dev.cqrs.examples.bank.BankEvent.Deposited;
import dev.cqrs.examples.bank.BankEvent.Withdrawn;
import dev.cqrs.examples.bank.BankQuery.AccountCount;
import dev.cqrs.examples.bank.BankQuery.BalanceOf;
import dev.cqrs.examples.bank.BankQuery.EndOfDayBalances;
import dev.cqrs.examples.bank.BankQuery.TotalBalance;
import dev.cqrs.inmemory.InMemoryCqrs;
import java.util.Set;

/** The bank, wired: which events there are, how commands are decided, and which view answers which query. */
final class Bank {

    /**
     * All that a decision needs to know of an account is whether it is open. Its balance does not matter, since
     * overdraft is allowed: so payments into and out of one account never conflict with one another.
     */
    static final Decider<BankCommand, Boolean, BankEvent> ACCOUNT = Decider.builder(
                    BankCommand.class, BankEvent.class, false)
            .decide(
                    OpenAccount.class,
                    (c, open) -> open
                            ? reject("account " + c.account() + " is open already")
                            : accept(new AccountOpened(c.account(), c.on())))
            .decide(
                    Deposit.class,
                    (c, open) -> open
                            ? accept(new Deposited(c.account(), c.amount(), c.on()))
                            : reject("there is no account " + c.account()))
            .decide(
                    Withdraw.class,
                    (c, open) -> open
                            ? accept(new Withdrawn(c.account(), c.amount(), c.on()))
                            : reject("there is no account " + c.account()))
            .evolve(BankEvent.class, (open, payment) -> open)
            .evolve(AccountOpened.class, (open, e) -> true)
            .build();

    /** Under which names and tags the events are stored; and command ids, so that no command is carried out twice. */
    static final Catalog CATALOG = Catalog.builder()
            .event("account-opened", AccountOpened.class, e -> Set.of(opening(e.account())))
            .event("deposited", Deposited.class)
            .event("withdrawn", Withdrawn.class)
            .tags(BankEvent.class, e -> Set.of(account(e.account())))
            .commandIds()
            .build();

    private Bank() {}

    /** The bank over a log of its {@link #CATALOG}, its views up to date with it; the caller closes it, and the log. */
    static InMemoryCqrs open(EventStore log) {
        return commands(log)
                .query(BalanceOf.class, Balances.PROJECTION, (q, view) -> view.of(q.account()))
                .query(TotalBalance.class, Balances.PROJECTION, (q, view) -> view.total())
                .query(AccountCount.class, Balances.PROJECTION, (q, view) -> view.accounts())
                .query(EndOfDayBalances.class, DailyBalances.PROJECTION, (q, view) -> view.all())
                .requireAll(BankQuery.class)
                .onError(stopped -> {}) // each query of a view that has stopped throws it
                .build();
    }

    /** The side of the commands alone, for many in a row: views would take a read each after every append. */
    static InMemoryCqrs.Builder commands(EventStore log) {
        return InMemoryCqrs.builder(log)
                .decide(BankCommand.class, BankEvent.class, ACCOUNT, Bank::isOpen)
                .requireAll(BankCommand.class);
    }

    /** What each decision depends on: whether the account is open. */
    static EventQuery isOpen(BankCommand command) {
        return EventQuery.tagged(opening(command.account()));
    }

    private static Tag account(String number) {
        return Tag.of("account", number);
    }

    /** A tag for what decisions read: one event, however many payments the account has seen. */
    private static Tag opening(String number) {
        return Tag.of("opening", number);
    }
}
