package dev.cqrs.examples.journal;

import dev.cqrs.examples.journal.Tills.Assign;
import dev.cqrs.examples.journal.Tills.MoneyCommand;
import dev.cqrs.examples.journal.Tills.PayIn;
import dev.cqrs.examples.journal.Tills.PayOut;
import dev.cqrs.examples.journal.Tills.Sums;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.interceptor.InterceptorOrder;
import dev.cqrs.journal.Journal;
import dev.cqrs.journal.JournalEntry;
import dev.cqrs.journal.JournalEntry.Outcome;
import dev.cqrs.journal.JournalQuery;
import dev.cqrs.journal.ReplayException;
import dev.cqrs.message.Metadata;
import java.io.PrintStream;
import java.time.Clock;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A shop that writes down every command: who sent it and what became of it, names masked; and does the same money commands
 * once more in a new shop.
 */
public final class AuditedTills {

    private AuditedTills() {}

    /**
     * Runs the example.
     *
     * @param args none
     */
    public static void main(String[] args) {
        run(System.out, Clock.systemUTC());
    }

    static void run(PrintStream out, Clock clock) {
        var ids = new AtomicInteger();
        var domain = new InMemoryEventStore(Tills.EVENTS, clock);
        var journal = Journal.builder(
                        new InMemoryEventStore(Tills.OPERATIONS, clock),
                        System::nanoTime,
                        () -> "c" + ids.incrementAndGet(), // those of a server are unique for ever
                        unwritten -> out.println("not written down: " + unwritten))
                .payload(MoneyCommand.class)
                .payload(Assign.class, c -> new Assign(c.till(), "***"))
                .build();
        try (var shop = Tills.over(journal.noting(domain))
                .intercept(InterceptorOrder.JOURNAL, journal)
                .build()) {
            var ben = Metadata.none().with("user", "ben");
            var eva = Metadata.none().with("user", "eva");
            shop.dispatch(new Assign("north", "Benjamin Small"), eva);
            shop.dispatch(new PayIn("north", 5_000), ben);
            shop.dispatch(new PayIn("south", 1_000), eva);
            shop.dispatch(new PayOut("north", 1_500), ben);
            tolerate(() -> shop.dispatch(new PayOut("south", 9_900), ben));
            tolerate(() -> shop.dispatch(new Assign("south", " "), eva));

            out.println("All that happened, the newest first:");
            journal.entries(JournalQuery.all().newestFirst())
                    .forEach(entry -> out.println("  " + line(journal, entry)));
            out.println("Rejected:");
            journal.entries(JournalQuery.all().outcome(Outcome.REJECTED))
                    .forEach(entry -> out.println("  " + line(journal, entry)));

            try (var again =
                    Tills.over(new InMemoryEventStore(Tills.EVENTS, clock)).build()) {
                try {
                    journal.replay(JournalQuery.all(), again.commands());
                } catch (ReplayException refused) {
                    out.println("Cannot be replayed: " + refused.faults());
                }
                long replayed = journal.replay(JournalQuery.all().commands(MoneyCommand.class), again.commands());
                out.println("Replayed " + replayed + " money commands: " + new TreeMap<>(again.ask(new Sums())));
                out.println("As it was: " + again.ask(new Sums()).equals(shop.ask(new Sums())));
            }
        }
    }

    private static String line(Journal journal, JournalEntry entry) {
        return entry.id() + " " + entry.metadata().get("user").orElse("?") + ": "
                + journal.command(entry).map(Object::toString).orElse(entry.commandName()) + " " + entry.outcome()
                + entry.reason().map(reason -> ", " + reason).orElse("");
    }

    private static void tolerate(Runnable command) {
        try {
            command.run();
        } catch (RuntimeException refused) {
            // it is in the journal
        }
    }
}
