package dev.cqrs.examples.statement;

import dev.cqrs.examples.statement.BankRecord.Account;
import dev.cqrs.examples.statement.BankRecord.Card;
import dev.cqrs.examples.statement.BankRecord.Client;
import dev.cqrs.examples.statement.BankRecord.Disposition;
import dev.cqrs.examples.statement.BankRecord.District;
import dev.cqrs.examples.statement.BankRecord.Loan;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.statement.BankRecord.Transaction;
import dev.cqrs.examples.statement.Statement.Holder;
import dev.cqrs.examples.statement.StatementQuery.GatheredStatement;
import dev.cqrs.gather.Gather;
import dev.cqrs.gather.Gather.Source;
import dev.cqrs.gather.Gathered;
import dev.cqrs.message.Metadata;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryHandler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.Executor;
import java.util.function.Function;

/**
 * Answers with a statement gathered from the services: first from those that know the account, then, with the numbers
 * these have given, from those that know the people, the cards and the districts.
 *
 * <p>The account itself and its dispositions are needed; what else is missing is left out, and told.
 */
final class Gathering implements QueryHandler<GatheredStatement, Gathered<Statement>> {

    /** What the services that go by accounts know of one. */
    record OfAccount(
            Account account,
            List<Disposition> dispositions,
            List<Loan> loans,
            List<StandingOrder> orders,
            List<Transaction> entries) {}

    /** Asks the services that go by accounts. */
    record AccountParts(String account) implements Query<Gathered<OfAccount>> {}

    /** Asks the services of what hangs on dispositions. */
    record PeopleParts(OfAccount known) implements Query<Gathered<Statement>> {}

    private final Gather<AccountParts, OfAccount> first;
    private final Gather<PeopleParts, Statement> second;

    Gathering(BankServices services, Executor executor, Duration timeout) {
        Source<AccountParts, Account> account = Source.of(
                "accounts",
                query -> services.accounts().of(query.account()).stream()
                        .findFirst()
                        .orElseThrow(() -> new NoSuchElementException("no account " + query.account())));
        Source<AccountParts, List<Disposition>> dispositions =
                Source.of("dispositions", query -> services.dispositions().of(query.account()));
        Source<AccountParts, List<Loan>> loans =
                Source.of("loans", query -> services.loans().of(query.account()));
        Source<AccountParts, List<StandingOrder>> orders =
                Source.of("orders", query -> services.orders().of(query.account()));
        Source<AccountParts, List<Transaction>> entries =
                Source.of("transactions", query -> services.transactions().of(query.account()));
        this.first = Gather.builder(AccountParts.class, executor, timeout)
                .require(account)
                .require(dispositions)
                .ask(loans)
                .ask(orders)
                .ask(entries)
                .merge((query, answers) -> new OfAccount(
                        answers.get(account),
                        byNumber(answers.get(dispositions), Disposition::id),
                        byNumber(answers.find(loans).orElse(List.of()), Loan::id),
                        byNumber(answers.find(orders).orElse(List.of()), StandingOrder::id),
                        answers.find(entries).orElse(List.of())));

        Source<PeopleParts, List<Client>> clients = Source.of(
                "clients", query -> each(query, right -> services.clients().of(right.client())));
        Source<PeopleParts, List<Card>> cards = Source.of(
                "cards", query -> each(query, right -> services.cards().of(right.id())));
        Source<PeopleParts, Function<String, String>> districts = Source.of(
                "districts",
                query -> id -> services.districts().of(id).stream()
                        .map(District::name)
                        .findFirst()
                        .orElse(""));
        this.second = Gather.builder(PeopleParts.class, executor, timeout)
                .ask(clients)
                .ask(cards)
                .ask(districts)
                .merge((query, answers) -> statement(
                        query.known(),
                        answers.find(clients).orElse(List.of()),
                        answers.find(cards).orElse(List.of()),
                        answers.find(districts).orElse(id -> "")));
    }

    @Override
    public Gathered<Statement> handle(GatheredStatement query, Metadata metadata) throws InterruptedException {
        var ofAccount = first.handle(new AccountParts(query.account()), metadata);
        var statement = second.handle(new PeopleParts(ofAccount.value()), metadata);
        var outcomes = new LinkedHashMap<>(ofAccount.outcomes());
        outcomes.putAll(statement.outcomes());
        return new Gathered<>(statement.value(), outcomes);
    }

    private static Statement statement(
            OfAccount known, List<Client> clients, List<Card> cards, Function<String, String> districts) {
        var holders = new ArrayList<Holder>();
        for (var right : known.dispositions()) {
            clients.stream()
                    .filter(client -> client.id().equals(right.client()))
                    .findFirst()
                    .ifPresent(client -> {
                        var own = cards.stream()
                                .filter(card -> card.disposition().equals(right.id()))
                                .toList();
                        holders.add(new Holder(
                                client, districts.apply(client.district()), right.role(), byNumber(own, Card::id)));
                    });
        }
        return new Statement(
                known.account(),
                districts.apply(known.account().district()),
                holders,
                known.loans(),
                known.orders(),
                known.entries());
    }

    private static <T> List<T> each(PeopleParts query, Function<Disposition, List<T>> ask) {
        return query.known().dispositions().stream()
                .map(ask)
                .flatMap(List::stream)
                .toList();
    }

    private static <T> List<T> byNumber(List<T> some, Function<T, String> id) {
        return some.stream()
                .sorted(Comparator.comparingLong(one -> Long.parseLong(id.apply(one))))
                .toList();
    }
}
