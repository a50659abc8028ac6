package dev.cqrs.examples.statement;

import dev.cqrs.event.Fold;
import dev.cqrs.examples.statement.BankRecord.Account;
import dev.cqrs.examples.statement.BankRecord.Card;
import dev.cqrs.examples.statement.BankRecord.Client;
import dev.cqrs.examples.statement.BankRecord.Disposition;
import dev.cqrs.examples.statement.BankRecord.District;
import dev.cqrs.examples.statement.BankRecord.Loan;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.statement.BankRecord.Transaction;
import dev.cqrs.examples.statement.Statement.Holder;
import dev.cqrs.projection.Projection;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The view out of which statements are read: what the events of all services have told, in whichever order they came.
 *
 * <p>Changed in place.
 */
final class Ledger {

    /** Keeps it current. */
    static final Projection<Ledger> PROJECTION = Projection.of(
            "ledger",
            1,
            Fold.fresh(Ledger::new)
                    .change(Account.class, (ledger, e) -> ledger.accounts.put(e.id(), e))
                    .change(Client.class, (ledger, e) -> ledger.clients.put(e.id(), e))
                    .change(District.class, (ledger, e) -> ledger.districts.put(e.id(), e.name()))
                    .change(Disposition.class, (ledger, e) -> add(ledger.dispositions, e.account(), e))
                    .change(Card.class, (ledger, e) -> add(ledger.cards, e.disposition(), e))
                    .change(Loan.class, (ledger, e) -> add(ledger.loans, e.account(), e))
                    .change(StandingOrder.class, (ledger, e) -> add(ledger.orders, e.account(), e))
                    .change(Transaction.class, (ledger, e) -> {
                        add(ledger.entries, e.account(), e);
                        ledger.balances.merge(e.account(), e.amount(), Long::sum);
                    }));

    private final Map<String, Account> accounts = new HashMap<>();
    private final Map<String, Client> clients = new HashMap<>();
    private final Map<String, String> districts = new HashMap<>();
    private final Map<String, List<Disposition>> dispositions = new HashMap<>();
    private final Map<String, List<Card>> cards = new HashMap<>();
    private final Map<String, List<Loan>> loans = new HashMap<>();
    private final Map<String, List<StandingOrder>> orders = new HashMap<>();
    private final Map<String, List<Transaction>> entries = new HashMap<>();
    private final Map<String, Long> balances = new HashMap<>();

    /** The numbers of all accounts, in order. */
    List<String> numbers() {
        return accounts.keySet().stream().sorted(BY_NUMBER).toList();
    }

    /** The numbers of the accounts that were open at the end of a day, in order. */
    List<String> openBy(LocalDate day) {
        return accounts.values().stream()
                .filter(account -> !account.opened().isAfter(day))
                .map(Account::id)
                .sorted(BY_NUMBER)
                .toList();
    }

    /** What is in an account, in hellers; nothing has come if nobody knows it. */
    long balance(String account) {
        return balances.getOrDefault(account, 0L);
    }

    /** Joins what was told of an account. */
    Optional<Statement> statementOf(String number) {
        return statementOf(number, LocalDate.MAX);
    }

    /**
     * Joins what was told of an account, without what was opened, granted or issued after a day: the services tell of that
     * at once, and only of transactions day by day.
     */
    Optional<Statement> statementOf(String number, LocalDate day) {
        return Optional.ofNullable(accounts.get(number))
                .filter(account -> !account.opened().isAfter(day))
                .map(account -> statement(account, day));
    }

    private Statement statement(Account account, LocalDate day) {
        var holders = new ArrayList<Holder>();
        for (var right : sorted(dispositions.get(account.id()), Disposition::id)) {
            var client = clients.get(right.client());
            if (client != null) {
                holders.add(new Holder(
                        client,
                        districts.getOrDefault(client.district(), ""),
                        right.role(),
                        sorted(cards.get(right.id()), Card::id).stream()
                                .filter(card -> !card.issued().isAfter(day))
                                .toList()));
            }
        }
        return new Statement(
                account,
                districts.getOrDefault(account.district(), ""),
                holders,
                sorted(loans.get(account.id()), Loan::id).stream()
                        .filter(loan -> !loan.granted().isAfter(day))
                        .toList(),
                sorted(orders.get(account.id()), StandingOrder::id),
                entries.getOrDefault(account.id(), List.of()));
    }

    /** By number, since services tell of things in any order. */
    private static final Comparator<String> BY_NUMBER = Comparator.comparingLong(Long::parseLong);

    private static <T> List<T> sorted(@Nullable List<T> some, Function<T, String> id) {
        return some == null
                ? List.of()
                : some.stream().sorted(Comparator.comparing(id, BY_NUMBER)).toList();
    }

    private static <T> void add(Map<String, List<T>> all, String key, T one) {
        all.computeIfAbsent(key, none -> new ArrayList<>()).add(one);
    }
}
