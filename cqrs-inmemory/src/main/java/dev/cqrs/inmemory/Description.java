package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.projection.Projection;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What is wired to what: a value for reading, as text or as a diagram, and for tests of the wiring.
 *
 * <p>It tells what was registered when a bus or an application was built, and on an event bus who subscribes now. What
 * nobody handles or reads is in it, as far as it can be known: the classes of the sealed families of registered messages,
 * and the events of the catalog. Which events a decision appends is known where a {@code Decider} names their type.
 *
 * <p><b>Order:</b> messages and projections in the order in which they were registered, then the rest of their families;
 * interceptors from the outermost in; events by name; subscribers in the order in which they came. The same wiring gives
 * the same text.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param messages the classes of commands and queries
 * @param interceptions the interceptors, the outermost first
 * @param events the events of the catalog, without this library's own
 * @param views the views of projections
 * @param subscribers who subscribes to an event bus
 */
public record Description(
        List<Message> messages,
        List<Interception> interceptions,
        List<Event> events,
        List<View> views,
        List<Subscriber> subscribers) {

    /**
     * Copies the lists.
     *
     * @param messages the classes of commands and queries
     * @param interceptions the interceptors, the outermost first
     * @param events the events of the catalog, without this library's own
     * @param views the views of projections
     * @param subscribers who subscribes to an event bus
     */
    public Description {
        messages = List.copyOf(messages);
        interceptions = List.copyOf(interceptions);
        events = List.copyOf(events);
        views = List.copyOf(views);
        subscribers = List.copyOf(subscribers);
    }

    /**
     * A class of messages.
     *
     * @param kind {@code "command"} or {@code "query"}
     * @param type the class
     * @param open whether it also stands for classes below it that are not known before they are sent
     * @param handler who handles it; empty if nobody does
     */
    public record Message(String kind, Class<?> type, boolean open, Optional<Handler> handler) {

        /**
         * Checks for nulls.
         *
         * @param kind {@code "command"} or {@code "query"}
         * @param type the class
         * @param open whether it also stands for classes below it that are not known before they are sent
         * @param handler who handles it; empty if nobody does
         */
        public Message {
            Objects.requireNonNull(kind, "kind");
            Objects.requireNonNull(type, "type");
            Objects.requireNonNull(handler, "handler");
        }
    }

    /**
     * Who handles messages.
     *
     * @param registeredFor the class, or the root of the family, that it was registered for
     * @param what the name of its class, or what it is: a function, a decision, a decider, the view of a projection
     * @param place where it was registered
     * @param decides whether it decides, and appends events
     * @param appends the names of the events that it may append, where that is known
     * @param view the name of the projection whose view it answers from, if it does
     */
    public record Handler(
            Class<?> registeredFor,
            String what,
            String place,
            boolean decides,
            List<String> appends,
            Optional<String> view) {

        /**
         * Copies the list.
         *
         * @param registeredFor the class, or the root of the family, that it was registered for
         * @param what the name of its class, or what it is: a function, a decision, a decider, the view of a projection
         * @param place where it was registered
         * @param decides whether it decides, and appends events
         * @param appends the names of the events that it may append, where that is known
         * @param view the name of the projection whose view it answers from, if it does
         */
        public Handler {
            Objects.requireNonNull(registeredFor, "registeredFor");
            Objects.requireNonNull(what, "what");
            Objects.requireNonNull(place, "place");
            appends = List.copyOf(appends);
            Objects.requireNonNull(view, "view");
        }
    }

    /**
     * An interceptor.
     *
     * @param order its number
     * @param what the name of its class, or that it is a function
     * @param place where it was added
     * @param everywhere whether it runs around every message
     * @param around the classes it runs around, of those that are known
     */
    public record Interception(int order, String what, String place, boolean everywhere, List<Class<?>> around) {

        /**
         * Copies the list.
         *
         * @param order its number
         * @param what the name of its class, or that it is a function
         * @param place where it was added
         * @param everywhere whether it runs around every message
         * @param around the classes it runs around, of those that are known
         */
        public Interception {
            Objects.requireNonNull(what, "what");
            Objects.requireNonNull(place, "place");
            around = List.copyOf(around);
        }

        static Interception of(Registry.Ordered given, List<Class<?>> around) {
            return new Interception(
                    given.order(),
                    nameOf(given.interceptor()),
                    given.place().toString(),
                    Dispatcher.appliesToAll(given.interceptor()),
                    around);
        }

        /** The same interceptor, given to both buses. */
        Interception with(Interception other) {
            var both = new ArrayList<>(around);
            both.addAll(other.around);
            return new Interception(order, what, place, everywhere, both);
        }
    }

    /**
     * An event of the catalog.
     *
     * @param name its stable name
     * @param revision its current revision
     * @param type its class
     * @param readBy the names of the projections that read it; empty if none does
     */
    public record Event(String name, int revision, Class<?> type, List<String> readBy) {

        /**
         * Copies the list.
         *
         * @param name its stable name
         * @param revision its current revision
         * @param type its class
         * @param readBy the names of the projections that read it; empty if none does
         */
        public Event {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(type, "type");
            readBy = List.copyOf(readBy);
        }
    }

    /**
     * The view of a projection.
     *
     * @param name the projection's name
     * @param version the version it was wired with
     * @param inline whether it is brought up to date before an append returns
     * @param effects whether the projection has effects
     * @param reads the names of the events that it reads
     */
    public record View(String name, int version, boolean inline, boolean effects, List<String> reads) {

        /**
         * Copies the list.
         *
         * @param name the projection's name
         * @param version the version it was wired with
         * @param inline whether it is brought up to date before an append returns
         * @param effects whether the projection has effects
         * @param reads the names of the events that it reads
         */
        public View {
            Objects.requireNonNull(name, "name");
            reads = List.copyOf(reads);
        }
    }

    /**
     * Who subscribes to events of a bus.
     *
     * @param type the class of the events, or one above
     * @param what the name of its class, or whose function it is
     */
    public record Subscriber(Class<?> type, String what) {

        /**
         * Checks for nulls.
         *
         * @param type the class of the events, or one above
         * @param what the name of its class, or whose function it is
         */
        public Subscriber {
            Objects.requireNonNull(type, "type");
            Objects.requireNonNull(what, "what");
        }
    }

    /** What an application has wired to its log. */
    static Description ofApplication(
            Description commands, Description queries, Catalog catalog, List<Wired> projections) {
        var messages = new ArrayList<>(commands.messages);
        messages.addAll(queries.messages);
        var interceptions = new ArrayList<Interception>();
        for (int i = 0; i < commands.interceptions.size(); i++) { // the same ones, as they were given to both at once
            interceptions.add(commands.interceptions.get(i).with(queries.interceptions.get(i)));
        }
        var events = catalog.types().stream()
                .filter(type -> !isOwn(catalog.nameOf(type)))
                .map(type -> new Event(
                        catalog.nameOf(type),
                        catalog.revisionOf(type),
                        type,
                        projections.stream()
                                .filter(wired -> wired.reads(type))
                                .map(wired -> wired.projection().name())
                                .toList()))
                .sorted(Comparator.comparing(Event::name))
                .toList();
        var views = projections.stream()
                .map(wired -> new View(
                        wired.projection().name(),
                        wired.projection().version(),
                        wired.inline(),
                        wired.projection().hasEffects(),
                        events.stream()
                                .filter(event -> wired.reads(event.type()))
                                .map(Event::name)
                                .toList()))
                .toList();
        return new Description(messages, interceptions, events, views, List.of());
    }

    /** The names of the events of {@code catalog} that are of a type. */
    static List<String> namesBelow(Class<?> type, Catalog catalog) {
        return catalog.types().stream()
                .filter(type::isAssignableFrom)
                .map(catalog::nameOf)
                .filter(name -> !isOwn(name))
                .sorted()
                .toList();
    }

    /** Whether it is the name of one of this library's own events. */
    private static boolean isOwn(String name) {
        return name.startsWith("cqrs.");
    }

    /** A projection, and how it runs. */
    record Wired(Projection<?> projection, boolean inline) {

        /** Effects do not tell for which classes they are, so a query that means an event is enough where there are some. */
        boolean reads(Class<?> type) {
            boolean meant = projection.query().items().stream()
                    .anyMatch(item -> item.types().isEmpty()
                            || item.types().stream().anyMatch(above -> above.isAssignableFrom(type)));
            return meant
                    && (projection.hasEffects()
                            || projection.fold().types().stream().anyMatch(above -> above.isAssignableFrom(type)));
        }
    }

    /**
     * Draws it in the language of Mermaid, as a flow chart: from commands to handlers, events, projections and queries.
     *
     * <p>An edge from a message names by number the interceptors on that way, unless all run around everything.
     *
     * @return lines with {@code \n} between them, without fences around them
     */
    public String mermaid() {
        return new Diagram(this).draw();
    }

    /**
     * Tells it as text.
     *
     * @return lines with {@code \n} between them
     */
    @Override
    public String toString() {
        var text = new StringBuilder();
        var names = names();
        table(text, "commands", rows("command", names));
        table(text, "queries", rows("query", names));
        table(
                text,
                "interceptors, the outermost first",
                interceptions.stream()
                        .map(i -> new Row(
                                i.order() + " " + i.what(),
                                i.everywhere() ? "around everything" : around(i, names),
                                "at " + i.place()))
                        .toList());
        table(
                text,
                "events",
                events.stream()
                        .map(e -> new Row(
                                e.name(),
                                names.of(e.type()) + (e.revision() > 1 ? ", revision " + e.revision() : ""),
                                "read by " + (e.readBy().isEmpty() ? "no projection" : String.join(", ", e.readBy()))))
                        .toList());
        table(
                text,
                "projections",
                views.stream()
                        .map(v -> new Row(
                                v.name(),
                                "version " + v.version() + (v.inline() ? ", inline" : ", in the background")
                                        + (v.effects() ? ", with effects" : ""),
                                "reads " + (v.reads().isEmpty() ? "nothing" : String.join(", ", v.reads()))))
                        .toList());
        table(
                text,
                "subscribers",
                subscribers.stream()
                        .map(s -> new Row(names.of(s.type()), s.what(), ""))
                        .toList());
        return text.isEmpty() ? "nothing is wired" : text.toString().stripTrailing();
    }

    private List<Row> rows(String kind, Names names) {
        return messages.stream()
                .filter(message -> message.kind().equals(kind))
                .map(message -> new Row(
                        names.of(message),
                        message.handler().map(Description::told).orElse("nobody"),
                        message.handler()
                                .map(handler -> "at " + handler.place())
                                .orElse("")))
                .toList();
    }

    private static String told(Handler handler) {
        return handler.what()
                + (handler.appends().isEmpty() ? "" : ", appends " + String.join(", ", handler.appends()));
    }

    private record Row(String first, String second, String third) {}

    private static void table(StringBuilder text, String title, List<Row> rows) {
        if (rows.isEmpty()) {
            return;
        }
        int first = width(rows.stream().map(Row::first).toList());
        int second = width(rows.stream().map(Row::second).toList());
        text.append(title).append('\n');
        for (var row : rows) {
            var line = "  " + padded(row.first(), first) + "  " + padded(row.second(), second) + "  " + row.third();
            text.append(line.stripTrailing()).append('\n');
        }
    }

    private static int width(List<String> cells) {
        return cells.stream().mapToInt(String::length).max().orElse(0);
    }

    private static String padded(String cell, int width) {
        return cell + " ".repeat(width - cell.length());
    }

    private static String around(Interception interception, Names names) {
        return interception.around().isEmpty()
                ? "around none of these"
                : interception.around().stream().map(names::of).collect(Collectors.joining(", ", "around ", ""));
    }

    /** Short names, unless two classes have the same. */
    Names names() {
        var all = Stream.of(
                        messages.stream().map(Message::type),
                        events.stream().map(Event::type),
                        subscribers.stream().map(Subscriber::type))
                .flatMap(Function.identity())
                .distinct()
                .collect(Collectors.groupingBy(Description::shortName));
        return new Names(all);
    }

    /** What classes are called, by all those of a short name. */
    record Names(Map<String, List<Class<?>>> byShortName) {

        String of(Class<?> type) {
            var name = shortName(type);
            return byShortName.getOrDefault(name, List.of()).size() > 1 ? type.getName() : name;
        }

        String of(Message message) {
            return of(message.type()) + (message.open() ? " and below" : "");
        }
    }

    /** The name of a class without its package, with those of the classes around it. */
    static String shortName(Class<?> type) {
        return type.getName()
                .substring(
                        type.getPackageName().isEmpty()
                                ? 0
                                : type.getPackageName().length() + 1)
                .replace('$', '.');
    }

    /** The name of an object's class, unless it is one that the compiler has made up. */
    static String nameOf(Object part) {
        return isMadeUp(part) ? "function" : shortName(part.getClass());
    }

    /** The same, for what does not know where it was registered. */
    static String whose(Object part) {
        if (!isMadeUp(part)) {
            return shortName(part.getClass());
        }
        var host = part.getClass().getName().split("\\$\\$|/", 2)[0];
        return "function of " + host.substring(host.lastIndexOf('.') + 1).replace('$', '.');
    }

    private static boolean isMadeUp(Object part) {
        return part.getClass().isHidden() || part.getClass().getName().contains("$$Lambda");
    }
}
