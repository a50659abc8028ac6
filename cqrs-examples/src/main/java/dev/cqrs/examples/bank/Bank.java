package dev.cqrs.examples.bank;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
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
import java.time.Clock;
import java.util.Set;

/** The bank, wired: which events there are, how commands are decided, and which view answers which query. */
final class Bank {

    /**
     * All that a decision needs to know of an account. Its balance does not matter, since overdraft is allowed: so
     * payments into and out of one account never conflict with one another.
     */
    private static final Fold<Boolean> IS_OPEN = Fold.from(false).on(AccountOpened.class, (before, e) -> true);

    private Bank() {}

    /** Opens a bank without accounts, whose log tells time by {@code clock}; the caller closes it. */
    static InMemoryCqrs open(Clock clock) {
        return InMemoryCqrs.builder(clock)
                .event("account-opened", AccountOpened.class, e -> Set.of(opening(e.account())))
                .event("deposited", Deposited.class)
                .event("withdrawn", Withdrawn.class)
                .tags(BankEvent.class, e -> Set.of(account(e.account())))
                .decide(
                        OpenAccount.class,
                        Bank::isOpen,
                        (c, open) -> open
                                ? reject("account " + c.account() + " is open already")
                                : accept(new AccountOpened(c.account(), c.on())))
                .decide(
                        Deposit.class,
                        Bank::isOpen,
                        (c, open) -> open
                                ? accept(new Deposited(c.account(), c.amount(), c.on()))
                                : reject("there is no account " + c.account()))
                .decide(
                        Withdraw.class,
                        Bank::isOpen,
                        (c, open) -> open
                                ? accept(new Withdrawn(c.account(), c.amount(), c.on()))
                                : reject("there is no account " + c.account()))
                .requireAll(BankCommand.class)
                .query(BalanceOf.class, Balances.PROJECTION, (q, view) -> view.of(q.account()))
                .query(TotalBalance.class, Balances.PROJECTION, (q, view) -> view.total())
                .query(AccountCount.class, Balances.PROJECTION, (q, view) -> view.accounts())
                .query(EndOfDayBalances.class, DailyBalances.PROJECTION, (q, view) -> view.all())
                .requireAll(BankQuery.class)
                .build();
    }

    /** What each decision depends on: whether the account is open. */
    static DecisionModel<Boolean> isOpen(BankCommand command) {
        return DecisionModel.of(EventQuery.tagged(opening(command.account())), IS_OPEN);
    }

    private static Tag account(String number) {
        return Tag.of("account", number);
    }

    /** A tag for what decisions read: one event, however many payments the account has seen. */
    private static Tag opening(String number) {
        return Tag.of("opening", number);
    }
}
