package dev.cqrs.inmemory;

import dev.cqrs.inmemory.Description.Handler;
import dev.cqrs.inmemory.Description.Interception;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** A description as a flow chart in the language of Mermaid; made for one drawing. */
final class Diagram {

    /** What those look like that point at nobody, and that one itself. */
    private static final String NOBODY = "stroke-dasharray: 4";

    private final Description wiring;
    private final Description.Names names;
    private final StringBuilder text = new StringBuilder("flowchart LR\n");
    private final StringBuilder edges = new StringBuilder();
    private final Map<String, String> events = new LinkedHashMap<>();
    private final Map<String, String> views = new LinkedHashMap<>();
    private final Map<Registered, String> handlers = new LinkedHashMap<>();
    private final boolean allEverywhere;
    private boolean somebodyIsMissing;
    private String indent = "    ";

    /** What a handler was registered for; a class may be both a command and a query, and have one of each. */
    private record Registered(String kind, Class<?> type) {}

    Diagram(Description wiring) {
        this.wiring = wiring;
        this.names = wiring.names();
        this.allEverywhere = wiring.interceptions().stream().allMatch(Interception::everywhere);
        wiring.events().forEach(event -> events.put(event.name(), "e" + (events.size() + 1)));
        wiring.views().forEach(view -> views.put(view.name(), "v" + (views.size() + 1)));
    }

    String draw() {
        messages("command", "commands", "c");
        if (!events.isEmpty()) {
            begin("log", "event log");
            events.forEach((name, id) -> node(id, name));
            end();
        }
        wiring.events().forEach(event -> {
            var from = node(events, event.name());
            event.readBy().forEach(view -> edge(from, "", node(views, view)));
            if (event.readBy().isEmpty()) {
                nobody(from);
            }
        });
        if (!views.isEmpty()) {
            begin("projections", "projections");
            views.forEach((name, id) -> node(id, name));
            end();
        }
        messages("query", "queries", "q");
        subscribers();
        interceptors();
        if (somebodyIsMissing) {
            line("    nobody([\"nobody\"])");
            line("    style nobody " + NOBODY);
        }
        return text.append(edges).toString().stripTrailing();
    }

    /** Commands lead to handlers and on to events; queries are led to from handlers, or from the views they read. */
    private void messages(String kind, String title, String prefix) {
        var all = wiring.messages().stream()
                .filter(message -> message.kind().equals(kind))
                .toList();
        if (all.isEmpty()) {
            return;
        }
        begin(title, title);
        for (int i = 0; i < all.size(); i++) {
            node(prefix + (i + 1), names.of(all.get(i)));
        }
        end();
        for (int i = 0; i < all.size(); i++) {
            var message = all.get(i);
            var id = prefix + (i + 1);
            if (message.handler().isEmpty()) {
                nobody(id);
                continue;
            }
            var handler = message.handler().get();
            var by = handler.view().map(views::get).orElseGet(() -> handler(kind, handler));
            var passes = passes(message.type());
            if (kind.equals("command")) {
                edge(id, passes, by);
            } else {
                edge(by, passes, id);
            }
        }
    }

    private String handler(String kind, Handler handler) {
        var registered = new Registered(kind, handler.registeredFor());
        var known = handlers.get(registered);
        if (known != null) {
            return known;
        }
        var id = "h" + (handlers.size() + 1);
        handlers.put(registered, id);
        node(id, handler.what());
        if (handler.decides() && !events.isEmpty()) {
            if (handler.appends().isEmpty()) {
                edge(id, "", "log");
            }
            handler.appends().forEach(event -> edge(id, "", node(events, event)));
        }
        return id;
    }

    private void subscribers() {
        var types = wiring.subscribers().stream()
                .map(Description.Subscriber::type)
                .distinct()
                .toList();
        if (types.isEmpty()) {
            return;
        }
        begin("published", "published events");
        for (int i = 0; i < types.size(); i++) {
            node("p" + (i + 1), names.of(types.get(i)));
        }
        end();
        begin("subscribers", "subscribers");
        for (int i = 0; i < wiring.subscribers().size(); i++) {
            var subscriber = wiring.subscribers().get(i);
            node("s" + (i + 1), subscriber.what());
            edge("p" + (types.indexOf(subscriber.type()) + 1), passes(subscriber.type()), "s" + (i + 1));
        }
        end();
    }

    private void interceptors() {
        var all = wiring.interceptions();
        if (all.isEmpty()) {
            return;
        }
        begin("interceptors", allEverywhere ? "interceptors, around everything" : "interceptors");
        for (int i = 0; i < all.size(); i++) {
            node("i" + (i + 1), (i + 1) + ": " + all.get(i).what());
        }
        end();
        for (int i = 1; i < all.size(); i++) {
            edge("i" + i, "", "i" + (i + 1));
        }
    }

    /** The numbers of the interceptors that run around a class of messages, where there is a difference. */
    private String passes(Class<?> type) {
        return allEverywhere
                ? ""
                : IntStream.range(0, wiring.interceptions().size())
                        .filter(i -> wiring.interceptions().get(i).everywhere()
                                || wiring.interceptions().get(i).around().contains(type))
                        .mapToObj(i -> Integer.toString(i + 1))
                        .collect(Collectors.joining(", "));
    }

    private static String node(Map<String, String> ids, String name) {
        return ids.getOrDefault(name, "nobody");
    }

    private void begin(String id, String title) {
        line("    subgraph " + id + " [\"" + escaped(title) + "\"]");
        indent = "        ";
    }

    private void end() {
        indent = "    ";
        line("    end");
    }

    private void node(String id, String label) {
        line(indent + id + "[\"" + escaped(label) + "\"]");
    }

    private void line(String line) {
        text.append(line).append('\n');
    }

    private void edge(String from, String label, String to) {
        edges.append("    ")
                .append(from)
                .append(label.isEmpty() ? " --> " : " -->|\"" + escaped(label) + "\"| ")
                .append(to)
                .append('\n');
    }

    private void nobody(String from) {
        somebodyIsMissing = true;
        edges.append("    ").append(from).append(" -.-> nobody\n");
    }

    /**
     * Letters, digits, and what means nothing to Mermaid between quotes; all else by its number, as it may be markup there,
     * such as a dash at the beginning and a dot before a space, which make lists.
     */
    private static String escaped(String label) {
        var safe = new StringBuilder();
        for (int i = 0; i < label.length(); i += Character.charCount(label.codePointAt(i))) {
            int c = label.codePointAt(i);
            boolean list = (c == '-' && i == 0) || (c == '.' && label.startsWith(" ", i + 1));
            if (!list && (Character.isLetterOrDigit(c) || " ,.:-_()/".indexOf(c) >= 0)) {
                safe.appendCodePoint(c);
            } else {
                safe.append('#').append(c).append(';');
            }
        }
        return safe.toString();
    }
}
