package dev.cqrs.examples.transfers;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.util.Set;

/**
 * A bank with accounts, which knows nothing of sagas: it does what it is told once for each command id, and tells why if it
 * does not.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Bank implements AutoCloseable {

    /** The name of the bank whose standing orders these are. */
    static final String HOME = "home";

    /** Opens an account with a first deposit. */
    record Open(String account, long amount) implements Command<Done> {}

    /** Takes money from an account. */
    record Debit(String bank, String account, long amount, String order) implements Command<Done> {}

    /** Puts money on an account. */
    record Credit(String bank, String account, long amount, String order) implements Command<Done> {}

    /** What has happened to an account. */
    sealed interface Entry {
        String account();
    }

    record Opened(String account, long amount) implements Entry {}

    record Debited(String account, long amount, String order) implements Entry {}

    record Credited(String account, long amount, String order) implements Entry {}

    /** A standing order has come due: so much from an account here to one at another bank. */
    record OrderDue(String order, String from, String bank, String to, long amount) {}

    /** The other bank has sent word that it has the money. */
    record Confirmed(String order) {}

    private record Account(boolean open, long balance) {

        Account plus(long amount) {
            return new Account(open, balance + amount);
        }
    }

    private static final Fold<Account> ACCOUNT = Fold.from(new Account(false, 0))
            .on(Opened.class, (none, e) -> new Account(true, e.amount()))
            .on(Debited.class, (account, e) -> account.plus(-e.amount()))
            .on(Credited.class, (account, e) -> account.plus(e.amount()));

    private static final Catalog CATALOG = Catalog.builder()
            .event("opened", Opened.class)
            .event("debited", Debited.class)
            .event("credited", Credited.class)
            .event("order-due", OrderDue.class)
            .event("confirmed", Confirmed.class)
            .tags(Entry.class, entry -> Set.of(tag(entry.account())))
            .commandIds()
            .build();

    private final EventStore log;
    private final InMemoryCqrs app;

    /** Makes a bank without accounts. */
    Bank(Clock clock) {
        log = new InMemoryEventStore(CATALOG, clock);
        app = InMemoryCqrs.builder(log)
                .decide(
                        Open.class,
                        c -> account(c.account()),
                        (c, account) -> account.open()
                                ? reject("account " + c.account() + " is open already")
                                : accept(new Opened(c.account(), c.amount())))
                .decide(
                        Debit.class,
                        c -> account(c.account()),
                        (c, account) -> account.balance() < c.amount()
                                ? reject("account " + c.account() + " has only " + account.balance())
                                : accept(new Debited(c.account(), c.amount(), c.order())))
                .decide(
                        Credit.class,
                        c -> account(c.account()),
                        (c, account) -> account.open()
                                ? accept(new Credited(c.account(), c.amount(), c.order()))
                                : reject("there is no account " + c.account()))
                .idempotent()
                .build();
    }

    private static Tag tag(String account) {
        return Tag.of("account", account);
    }

    private static DecisionModel<Account> account(String number) {
        return DecisionModel.of(EventQuery.tagged(tag(number)), ACCOUNT);
    }

    void open(String account, long amount) {
        app.dispatch(new Open(account, amount));
    }

    Done dispatch(Command<Done> command, Metadata metadata) {
        return app.dispatch(command, metadata);
    }

    /** Its books. */
    EventStore log() {
        return log;
    }

    @Override
    public void close() {
        app.close();
    }
}
