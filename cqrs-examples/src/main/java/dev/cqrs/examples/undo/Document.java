package dev.cqrs.examples.undo;

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
import dev.cqrs.journal.CommandHistory;
import dev.cqrs.journal.JournalMark;
import dev.cqrs.journal.Undoable;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Documents that are written and cut, each with a history: the application, over a domain log and an operations log.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Document implements AutoCloseable {

    /** Writes something into a document; answers the number of characters it has then. */
    record Write(String document, int at, String text) implements Command<Undoable<Integer>> {}

    /** Cuts characters out of a document; answers what they were. */
    record Cut(String document, int at, int length) implements Command<Undoable<String>> {}

    /** Has been written. */
    record Written(String document, int at, String text) {}

    /** Has been cut; with what it was, so that it can be written back. */
    record CutOut(String document, int at, String text) {}

    /** A text, and what was cut out of it last. */
    private record Text(String now, String cut) {

        Text write(int at, String text) {
            return new Text(now.substring(0, at) + text + now.substring(at), cut);
        }

        Text cutOut(int at, String text) {
            return new Text(now.substring(0, at) + now.substring(at + text.length()), text);
        }
    }

    /** The events of the domain log. */
    static final Catalog EVENTS = Catalog.builder()
            .event("written", Written.class, e -> Set.of(tag(e.document())))
            .event("cut-out", CutOut.class, e -> Set.of(tag(e.document())))
            .commandIds() // a step that a crash has cut off is dispatched again, and takes effect once
            .build();

    /** What is in the operations log: marks, and commands by a stable name. */
    static final Catalog OPERATIONS = JournalMark.addTo(Catalog.builder())
            .event("write", Write.class)
            .event("cut", Cut.class)
            .build();

    private static final Fold<Text> TEXT = Fold.from(new Text("", ""))
            .on(Written.class, (text, e) -> text.write(e.at(), e.text()))
            .on(CutOut.class, (text, e) -> text.cutOut(e.at(), e.text()));

    private final EventStore domain;
    private final InMemoryCqrs cqrs;
    private final CommandHistory history;

    /** Makes the application; the logs stay open when it is closed. */
    Document(EventStore domain, EventStore operations, Supplier<String> ids) {
        this.domain = domain;
        cqrs = InMemoryCqrs.builder(domain)
                .idempotent()
                .decide(
                        Write.class,
                        c -> model(c.document()),
                        (c, text) -> c.at() > text.now().length()
                                ? reject("the document ends before")
                                : accept(new Written(c.document(), c.at(), c.text())),
                        (c, text) -> Undoable.reversible(
                                text.now().length(),
                                new Cut(c.document(), c.at(), c.text().length())))
                .decide(
                        Cut.class,
                        c -> model(c.document()),
                        (c, text) -> c.at() + c.length() > text.now().length()
                                ? reject("the document ends before")
                                : accept(new CutOut(
                                        c.document(), c.at(), text.now().substring(c.at(), c.at() + c.length()))),
                        (c, text) -> Undoable.reversible(text.cut(), new Write(c.document(), c.at(), text.cut())))
                .build();
        history = CommandHistory.over(operations, cqrs.commands(), ids);
    }

    /** The history of a document, by which it is changed. */
    CommandHistory.Scope history(String document) {
        return history.in(document);
    }

    /** The text of a document. */
    String text(String document) {
        return model(document).load(domain).state().now();
    }

    private static DecisionModel<Text> model(String document) {
        return DecisionModel.of(EventQuery.tagged(tag(document)), TEXT);
    }

    private static Tag tag(String document) {
        return Tag.of("document", document);
    }

    @Override
    public void close() {
        cqrs.close();
    }
}
