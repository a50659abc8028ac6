package dev.cqrs.examples.undo;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.examples.undo.Document.Cut;
import dev.cqrs.examples.undo.Document.Write;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.jdbc.JdbcEventStore;
import dev.cqrs.jdbc.JdbcSchema;
import dev.cqrs.journal.HistoryRefusedException;
import java.io.PrintStream;
import java.time.Clock;
import java.util.UUID;

/**
 * Writes a document in two sittings: in the second one, undoes what was done in the first.
 *
 * <p>Without an argument both are in this process, one application after the other, over logs in memory. With the JDBC URL of
 * a PostgreSQL database as its argument each run is one sitting, so run it twice, or more often: the logs are in tables named
 * {@code undo_…} and {@code undo_operations_…}, which it makes.
 */
public final class Sittings {

    private static final String DOCUMENT = "letter";

    private final PrintStream out;

    private Sittings(PrintStream out) {
        this.out = out;
    }

    /**
     * Runs the example.
     *
     * @param args none, or a JDBC URL with user and password in it
     */
    public static void main(String[] args) {
        run(System.out, args);
    }

    static void run(PrintStream out, String... args) {
        var sittings = new Sittings(out);
        var clock = Clock.systemUTC();
        if (args.length == 0) {
            var domain = new InMemoryEventStore(Document.EVENTS, clock);
            var operations = new InMemoryEventStore(Document.OPERATIONS, clock);
            sittings.sit(domain, operations);
            sittings.sit(domain, operations);
            return;
        }
        try (var database = new HikariDataSource()) {
            database.setJdbcUrl(args[0]);
            JdbcSchema.of("undo").apply(database);
            JdbcSchema.of("undo_operations").apply(database);
            try (var domain = JdbcEventStore.builder(database, Document.EVENTS, clock)
                            .prefix("undo")
                            .build();
                    var operations = JdbcEventStore.builder(database, Document.OPERATIONS, clock)
                            .prefix("undo_operations")
                            .build()) {
                sittings.sit(domain, operations);
            }
        }
    }

    /** The application begins, is used, and ends. */
    private void sit(EventStore domain, EventStore operations) {
        try (var application =
                new Document(domain, operations, () -> UUID.randomUUID().toString())) {
            var history = application.history(DOCUMENT);
            if (history.entries().isEmpty()) {
                out.println("A new letter.");
                history.dispatch(new Write(DOCUMENT, 0, "Dear Anna"));
                history.dispatch(new Write(DOCUMENT, 9, ", how are you?"));
                history.dispatch(new Cut(DOCUMENT, 0, 5));
                out.println("Written: " + application.text(DOCUMENT));
                return;
            }
            out.println("Found:   " + application.text(DOCUMENT));
            while (history.canUndo()) {
                var undone = history.undo();
                out.println("Undone:  " + undone.entry().command() + ", by " + undone.dispatched());
            }
            try {
                history.undo();
            } catch (HistoryRefusedException refused) {
                out.println(refused.getMessage());
            }
            while (history.canRedo()) {
                history.redo();
                out.println("Redone:  " + application.text(DOCUMENT));
            }
        }
    }
}
