package dev.cqrs.examples.dcb;

import dev.cqrs.command.Command;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCqrs;
import java.util.Set;

/**
 * Invoices have numbers without a gap, 1, 2, 3 and so on, each year anew.
 *
 * <p>No sequence of a database gives that, since it does not take numbers back (https://dcb.events/examples/invoice-number/).
 */
final class Invoices {

    record CreateInvoice(int year, String customer, long cents) implements Command<Long> {}

    record InvoiceCreated(int year, long number, String customer, long cents) {}

    static final Catalog CATALOG = Catalog.builder()
            .event("invoice-created", InvoiceCreated.class, e -> Set.of(year(e.year())))
            .commandIds()
            .build();

    private Invoices() {}

    /** The result is the invoice's number; sent again under its id, a command makes no second invoice. */
    static InMemoryCqrs over(EventStore store) {
        return InMemoryCqrs.builder(store)
                .idempotent()
                .decide(
                        CreateInvoice.class,
                        c -> lastNumber(c.year()),
                        (c, last) -> c.cents() <= 0
                                ? Decision.reject("nothing to pay")
                                : Decision.accept(new InvoiceCreated(c.year(), last + 1, c.customer(), c.cents())),
                        (c, last) -> last)
                .build();
    }

    private static DecisionModel<Long> lastNumber(int year) {
        return DecisionModel.of(
                EventQuery.types(InvoiceCreated.class).withTags(year(year)),
                Fold.from(0L).on(InvoiceCreated.class, (last, e) -> e.number()));
    }

    private static Tag year(int year) {
        return Tag.of("year", Integer.toString(year));
    }
}
