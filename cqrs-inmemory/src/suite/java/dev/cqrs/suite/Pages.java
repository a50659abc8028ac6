package dev.cqrs.suite;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import dev.cqrs.schedule.CommandSchedule;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Predicate;

/** What stored commands are about in the tests: pages, on which numbers are noted. */
public final class Pages {

    /** Pages a number on a page; a negative one is rejected. */
    public record Note(String page, int number) implements Command<Done> {}

    /** A number was noted. */
    public record Noted(String page, int number) {}

    private Pages() {}

    /** Of the operations log. */
    public static Catalog operations() {
        return CommandSchedule.catalog(Catalog.builder())
                .event("note", Note.class)
                .build();
    }

    /** Of the domain log. */
    public static Catalog domain() {
        return Catalog.builder()
                .event("noted", Noted.class, e -> Set.of(Tag.of("page", e.page())))
                .commandIds()
                .build();
    }

    /** A bus that notes each id once, and calls somebody before. */
    public static CommandBus bus(EventStore domain, BiConsumer<Note, Metadata> before) {
        return bus(domain, before, note -> note.number() < 0);
    }

    /** A bus that notes each id once, and calls somebody before; some notes are refused. */
    public static CommandBus bus(EventStore domain, BiConsumer<Note, Metadata> before, Predicate<Note> refused) {
        var handler = new DecisionHandler<Note, Integer, Done>(
                        domain,
                        c -> DecisionModel.of(
                                EventQuery.types(Noted.class).withTags(Tag.of("page", c.page())), Fold.from(0)),
                        (c, none) ->
                                refused.test(c) ? reject("less than nothing") : accept(new Noted(c.page(), c.number())),
                        (c, none) -> Done.DONE)
                .idempotent();
        return InMemoryCommandBus.builder()
                .handle(Note.class, (command, metadata) -> {
                    before.accept(command, metadata);
                    return handler.handle(command, metadata);
                })
                .build();
    }

    /** What stands on a page, in order. */
    public static List<Integer> on(EventStore domain, String page) {
        var numbers = new ArrayList<Integer>();
        try (var events = domain.read(EventQuery.types(Noted.class).withTags(Tag.of("page", page)))) {
            while (events.advance()) {
                numbers.add(((Noted) events.event()).number());
            }
        }
        return numbers;
    }
}
