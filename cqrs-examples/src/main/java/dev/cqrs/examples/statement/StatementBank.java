package dev.cqrs.examples.statement;

import dev.cqrs.event.Catalog;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.examples.statement.BankRecord.Account;
import dev.cqrs.examples.statement.BankRecord.Card;
import dev.cqrs.examples.statement.BankRecord.Client;
import dev.cqrs.examples.statement.BankRecord.Disposition;
import dev.cqrs.examples.statement.BankRecord.District;
import dev.cqrs.examples.statement.BankRecord.Loan;
import dev.cqrs.examples.statement.BankRecord.StandingOrder;
import dev.cqrs.examples.statement.BankRecord.Transaction;
import dev.cqrs.examples.statement.StatementQuery.AccountNumbers;
import dev.cqrs.examples.statement.StatementQuery.BalanceOf;
import dev.cqrs.examples.statement.StatementQuery.GatheredStatement;
import dev.cqrs.examples.statement.StatementQuery.StatementOf;
import dev.cqrs.imports.EventImport;
import dev.cqrs.imports.ImportMark;
import dev.cqrs.imports.ImportStatus;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.runtime.ProjectionStatus;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/**
 * The statements of the bank: eight services, their events imported into one log, one view of it, and the same answer
 * gathered from the services.
 *
 * <p><b>Threads:</b> thread-safe, with one that takes in data.
 */
final class StatementBank implements AutoCloseable {

    /** How long a gather waits for the services. */
    static final Duration PATIENCE = Duration.ofSeconds(10);

    private final DayClock clock;
    private final BankServices services;
    private final InMemoryCqrs app;
    private final List<EventImport> imports = new ArrayList<>();

    private StatementBank(DayClock clock, BankServices services, InMemoryCqrs app) {
        this.clock = clock;
        this.services = services;
        this.app = app;
    }

    /**
     * Opens the bank without data.
     *
     * @param executor asks the services; stays open
     * @param errors told of what stops
     */
    static StatementBank open(Executor executor, Consumer<Object> errors) {
        var clock = new DayClock(LocalDate.of(1993, 1, 1));
        var services = BankServices.empty(clock);
        EventStore log = new InMemoryEventStore(
                Catalog.builder()
                        .event("account", Account.class)
                        .event("client", Client.class)
                        .event("disposition", Disposition.class)
                        .event("card", Card.class)
                        .event("loan", Loan.class)
                        .event("standing-order", StandingOrder.class)
                        .event("district", District.class)
                        .event("transaction", Transaction.class)
                        .event(ImportMark.NAME, ImportMark.class, ImportMark::tags)
                        .build(),
                clock);
        var app = InMemoryCqrs.builder(log)
                .query(StatementOf.class, Ledger.PROJECTION, (query, ledger) -> ledger.statementOf(query.account()))
                .query(BalanceOf.class, Ledger.PROJECTION, (query, ledger) -> ledger.balance(query.account()))
                .query(AccountNumbers.class, Ledger.PROJECTION, (query, ledger) -> ledger.numbers())
                .query(GatheredStatement.class, new Gathering(services, executor, PATIENCE))
                .onError(errors)
                .build();
        var bank = new StatementBank(clock, services, app);
        for (var service : services.all()) { // on the thread that records, so that the view is current when it returns
            bank.imports.add(EventImport.from(service.name(), service.store())
                    .into(log, recorded -> List.of(recorded.event()), Runnable::run, errors));
        }
        return bank;
    }

    /** Takes in all that the files hold, the transactions day by day. */
    void takeIn(BankFiles files) {
        takeInAllButTransactions(files).forEach(this::takeIn);
    }

    /** Takes in the rest, and gives the transactions of each day, to be taken in one after the other. */
    List<List<Transaction>> takeInAllButTransactions(BankFiles files) {
        services.recordAllButTransactions(files);
        var days = new TreeMap<LocalDate, List<Transaction>>();
        for (var next : files.transactions()) {
            days.computeIfAbsent(next.date(), none -> new ArrayList<>()).add(next);
        }
        return List.copyOf(days.values());
    }

    /** Takes in transactions of one day, later than those before. */
    void takeIn(List<Transaction> ofOneDay) {
        clock.set(ofOneDay.get(0).date());
        services.transactions().record(ofOneDay);
    }

    /** What is asked, and the view with its past. */
    InMemoryCqrs app() {
        return app;
    }

    /** The view as it was at the end of a day, folded anew. */
    Ledger at(LocalDate day) {
        return app.view(Ledger.PROJECTION).timeline().at(DayClock.endOf(day));
    }

    /** How the view stands. */
    ProjectionStatus status() {
        return app.view(Ledger.PROJECTION).status();
    }

    /**
     * Folds the view anew beside the one that is read, and puts it in its place.
     *
     * @throws IllegalStateException if that is being done already
     */
    void rebuild(Executor worker) {
        app.projections().rebuild(Ledger.PROJECTION, Ledger.PROJECTION, worker, progress -> {});
    }

    /** How each import stands. */
    List<ImportStatus> imports() {
        return imports.stream().map(EventImport::status).toList();
    }

    @Override
    public void close() {
        imports.forEach(EventImport::close);
        app.close();
    }
}
