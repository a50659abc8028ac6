package dev.cqrs.suite;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.journal.JournalMark;
import dev.cqrs.journal.Undoable;
import dev.cqrs.message.Interceptor;
import java.util.List;
import java.util.Set;

/** What the tests are about: notes whose text is written, and written back. */
public final class Notes {

    /** Writes something into a note; answers the length of the text then. */
    public record Write(String note, int at, String text) implements Command<Undoable<Integer>> {}

    /** Cuts something out of a note; answers what it was. */
    public record Cut(String note, int at, int length) implements Command<Undoable<String>> {}

    /** Sends a note away, which cannot be taken back. */
    public record Send(String note) implements Command<Undoable<String>> {}

    /** Has been written. */
    public record Written(String note, int at, String text) {}

    /** Has been cut. */
    public record CutOut(String note, int at, String text) {}

    /** Has been sent. */
    public record Sent(String note) {}

    /** A note's text, and what was cut out of it last. */
    record Text(String now, String cut) {}

    private static final Fold<Text> TEXT = Fold.from(new Text("", ""))
            .on(
                    Written.class,
                    (text, e) -> new Text(
                            text.now().substring(0, e.at())
                                    + e.text()
                                    + text.now().substring(e.at()),
                            text.cut()))
            .on(
                    CutOut.class,
                    (text, e) -> new Text(
                            text.now().substring(0, e.at())
                                    + text.now().substring(e.at() + e.text().length()),
                            e.text()));

    private Notes() {}

    static Catalog domain() {
        return Catalog.builder()
                .event("written", Written.class, e -> tags(e.note()))
                .event("cut-out", CutOut.class, e -> tags(e.note()))
                .event("sent", Sent.class, e -> tags(e.note()))
                .commandIds()
                .build();
    }

    static Catalog operations() {
        return JournalMark.addTo(Catalog.builder())
                .event("write", Write.class)
                .event("cut", Cut.class)
                .event("send", Send.class)
                .build();
    }

    private static Set<Tag> tags(String note) {
        return Set.of(Tag.of("note", note));
    }

    private static DecisionModel<Text> model(String note) {
        return DecisionModel.of(EventQuery.tagged(Tag.of("note", note)), TEXT);
    }

    static String text(EventStore log, String note) {
        return model(note).load(log).state().now();
    }

    /** Handlers that carry out each id once; writing behind the end of a note is rejected, and so is cutting there. */
    static CommandBus bus(EventStore log, List<Interceptor> interceptors) {
        var bus = InMemoryCommandBus.builder()
                .handle(
                        Write.class,
                        new DecisionHandler<Write, Text, Undoable<Integer>>(
                                        log,
                                        c -> model(c.note()),
                                        (c, text) -> c.at() > text.now().length()
                                                ? Decision.reject("the note has "
                                                        + text.now().length() + " characters")
                                                : Decision.accept(new Written(c.note(), c.at(), c.text())),
                                        (c, text) -> Undoable.reversible(
                                                text.now().length(),
                                                new Cut(
                                                        c.note(),
                                                        c.at(),
                                                        c.text().length())))
                                .idempotent())
                .handle(
                        Cut.class,
                        new DecisionHandler<Cut, Text, Undoable<String>>(
                                        log,
                                        c -> model(c.note()),
                                        (c, text) ->
                                                c.at() + c.length() > text.now().length()
                                                        ? Decision.reject("the note has "
                                                                + text.now().length() + " characters")
                                                        : Decision.accept(new CutOut(
                                                                c.note(),
                                                                c.at(),
                                                                text.now().substring(c.at(), c.at() + c.length()))),
                                        (c, text) -> Undoable.reversible(
                                                text.cut(), new Write(c.note(), c.at(), text.cut())))
                                .idempotent())
                .handle(
                        Send.class,
                        new DecisionHandler<Send, Text, Undoable<String>>(
                                        log,
                                        c -> model(c.note()),
                                        (c, text) -> Decision.accept(new Sent(c.note())),
                                        (c, text) -> Undoable.irreversible(text.now()))
                                .idempotent());
        interceptors.forEach(interceptor -> bus.intercept(0, interceptor));
        return bus.build();
    }
}
