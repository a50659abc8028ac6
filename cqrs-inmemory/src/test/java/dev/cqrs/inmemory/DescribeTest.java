package dev.cqrs.inmemory;

import static dev.cqrs.decider.Decision.accept;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.decider.Decider;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.EventBus;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.Description.Event;
import dev.cqrs.inmemory.Description.Handler;
import dev.cqrs.inmemory.Description.Interception;
import dev.cqrs.inmemory.Description.Message;
import dev.cqrs.inmemory.Description.View;
import dev.cqrs.message.Done;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryHandler;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What buses and applications tell of their wiring. */
class DescribeTest {

    sealed interface AccountCommand extends Command<Done> {}

    record Open(String account) implements AccountCommand {}

    record Deposit(String account, int cents) implements AccountCommand {}

    record Close(String account) implements AccountCommand {}

    non-sealed interface Special extends AccountCommand {}

    record Freeze(String account) implements Special {}

    record Audit() implements Command<String> {}

    record Report() implements Command<Done> {}

    sealed interface Ask extends Query<Integer> {}

    record Balance(String account) implements Ask {}

    record Size() implements Ask {}

    record Limit() implements Ask {}

    sealed interface Happened {}

    record Opened(String account) implements Happened {}

    record Deposited(String account, int cents) implements Happened {}

    record Closed(String account) implements Happened {}

    record Reported() {}

    static class AuditHandler implements CommandHandler<Audit, String> {
        @Override
        public String handle(Audit command, Metadata metadata) {
            return "fine";
        }
    }

    static class Timing implements Interceptor {
        @Override
        public Object around(Object message, Metadata metadata, Next next) throws Exception {
            return next.proceed(message, metadata);
        }
    }

    static class Locking extends Timing {
        private final List<Class<?>> asked = new ArrayList<>();

        @Override
        public boolean appliesTo(Class<?> messageType) {
            asked.add(messageType);
            return messageType == Deposit.class;
        }
    }

    private static final Decider<AccountCommand, Integer, Happened> DECIDER = Decider.builder(
                    AccountCommand.class, Happened.class, 0)
            .decide(AccountCommand.class, (command, state) -> accept(new Opened("a")))
            .evolve(Happened.class, (state, event) -> state)
            .build();

    private static final Projection<Map<String, Integer>> BALANCES = Projection.keyed(
            "balances",
            2,
            Keys.by(Opened.class, Opened::account).and(Deposited.class, Deposited::account),
            Fold.from(0).on(Opened.class, (sum, e) -> sum).on(Deposited.class, (sum, e) -> sum + e.cents()));

    private static final Projection<Integer> COUNT =
            Projection.of("count", 1, Fold.from(0).on(Happened.class, (sum, e) -> sum + 1));

    private static InMemoryCqrs.Builder bank() {
        return InMemoryCqrs.builder(Clock.systemUTC())
                .event("opened", Opened.class)
                .event("deposited", Deposited.class)
                .event("reported", Reported.class)
                .decide(AccountCommand.class, Happened.class, DECIDER, c -> EventQuery.all())
                .decide(
                        Report.class,
                        c -> DecisionModel.of(EventQuery.all(), Fold.from(0)),
                        (c, state) -> accept(new Reported()))
                .handle(Audit.class, AuditHandler.class, type -> new AuditHandler())
                .query(Balance.class, BALANCES, (q, view) -> view.getOrDefault(q.account(), 0))
                .query(Size.class, q -> 1);
    }

    private static Handler handlerOf(Class<?> type, Description description) {
        return messageOf(type, description).handler().orElseThrow();
    }

    private static Message messageOf(Class<?> type, Description description) {
        return description.messages().stream()
                .filter(m -> m.type() == type)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void each_message_has_its_handler_and_where_it_was_registered() {
        try (var app = bank().build()) {
            var wiring = app.describe();

            var decider = handlerOf(Deposit.class, wiring);
            assertThat(decider.what()).isEqualTo("decider");
            assertThat(decider.registeredFor()).isEqualTo(AccountCommand.class);
            assertThat(decider.appends()).containsExactly("deposited", "opened");
            assertThat(decider.place()).matches("dev.cqrs.inmemory.DescribeTest.bank\\(DescribeTest.java:\\d+\\)");
            assertThat(handlerOf(Open.class, wiring)).isEqualTo(decider);

            assertThat(handlerOf(Report.class, wiring))
                    .matches(Handler::decides)
                    .matches(handler -> handler.appends().isEmpty())
                    .extracting(Handler::what)
                    .isEqualTo("decision");
            assertThat(handlerOf(Audit.class, wiring).what())
                    .isEqualTo("DescribeTest.AuditHandler, resolved at each send");
            assertThat(handlerOf(Balance.class, wiring).view()).contains("balances");
            assertThat(handlerOf(Size.class, wiring).what()).isEqualTo("function");
        }
    }

    @Test
    void of_a_family_those_whom_nobody_handles_are_told_and_those_that_nobody_knows_yet() {
        var bus = InMemoryCommandBus.builder()
                .run(Deposit.class, c -> {})
                .run(Open.class, c -> {})
                .build();
        assertThat(bus.describe().messages())
                .extracting(Message::type, Message::open, m -> m.handler().isPresent())
                .containsExactly(
                        tuple(Deposit.class, false, true),
                        tuple(Open.class, false, true),
                        tuple(Close.class, false, false),
                        tuple(Special.class, true, false));
        assertThat(bus.describe().toString())
                .contains("DescribeTest.Close              nobody\n", "DescribeTest.Special and below  nobody");

        var whole =
                InMemoryCommandBus.builder().run(AccountCommand.class, c -> {}).build();
        assertThat(whole.describe().messages())
                .hasSize(4)
                .allMatch(message -> message.handler().isPresent());
    }

    @Test
    void handlers_made_by_hand_are_told_by_their_class_and_decisions_as_such() {
        var store = new InMemoryEventStore(Catalog.builder().build(), Clock.systemUTC());
        var bus = InMemoryCommandBus.builder()
                .handle(Audit.class, new AuditHandler())
                .handle(
                        Report.class,
                        new DecisionHandler<Report, Integer, Done>(
                                store,
                                c -> DecisionModel.of(EventQuery.all(), Fold.from(0)),
                                (c, s) -> accept(),
                                (c, s) -> Done.DONE))
                .build();

        assertThat(handlerOf(Audit.class, bus.describe()).what()).isEqualTo("DescribeTest.AuditHandler");
        assertThat(handlerOf(Report.class, bus.describe()).what()).isEqualTo("decision");
    }

    @Test
    void an_interceptor_need_not_know_what_nobody_handles() {
        var knowing = new Interceptor() {
            @Override
            public boolean appliesTo(Class<?> type) {
                if (type == Close.class) {
                    throw new IllegalArgumentException("never heard of it"); // as a journal whose catalog lacks it
                }
                return true;
            }

            @Override
            public Object around(Object message, Metadata metadata, Next next) throws Exception {
                return next.proceed(message, metadata);
            }
        };
        var bus = InMemoryCommandBus.builder()
                .run(Deposit.class, c -> {})
                .intercept(0, knowing)
                .build();

        assertThat(bus.describe().messages())
                .filteredOn(message -> message.type() == Close.class)
                .hasSize(1)
                .allSatisfy(message -> assertThat(message.handler()).isEmpty());
        assertThat(bus.describe().interceptions().get(0).around()).containsExactly(Deposit.class);
        assertThatThrownBy(() -> bus.dispatch(new Close("a")))
                .isInstanceOf(NoHandlerException.class)
                .hasMessageContaining("The nearest is");
    }

    @Test
    void interceptors_come_in_order_with_what_they_run_around_and_are_asked_once_a_class() {
        var locking = new Locking();
        try (var app =
                bank().intercept(200, locking).intercept(100, new Timing()).build()) {
            var wiring = app.describe();
            app.describe();

            assertThat(wiring.interceptions())
                    .extracting(Interception::order, Interception::what, Interception::everywhere)
                    .containsExactly(
                            tuple(100, "DescribeTest.Timing", true), tuple(200, "DescribeTest.Locking", false));
            assertThat(wiring.interceptions().get(1).around()).containsExactly(Deposit.class);
            assertThat(wiring.interceptions().get(1).place()).contains("DescribeTest.java:");
            assertThat(wiring.interceptions().get(0).around()).contains(Open.class, Audit.class, Balance.class);
            assertThat(locking.asked).doesNotHaveDuplicates().doesNotContain(Special.class);
            app.commands().dispatch(new Deposit("a", 1));
            assertThat(locking.asked).doesNotHaveDuplicates();
        }
    }

    @Test
    void events_tell_who_reads_them_and_projections_what_they_read() {
        var told = new ArrayList<Object>();
        try (var app = bank().projection(COUNT.over(EventQuery.types(Opened.class)))
                .checkpoints(new InMemoryCheckpointStore())
                .onError(told::add)
                .background(
                        new Projection<>("mails", 1, EventQuery.types(Deposited.class), Fold.from(0))
                                .effect(Deposited.class, (e, trigger) -> told.add(e)),
                        Runnable::run)
                .idempotent()
                .build()) {
            var wiring = app.describe();
            assertThat(wiring.events())
                    .containsExactly(
                            new Event("deposited", 1, Deposited.class, List.of("balances", "mails")),
                            new Event("opened", 1, Opened.class, List.of("balances", "count")),
                            new Event("reported", 1, Reported.class, List.of()));
            assertThat(wiring.views())
                    .containsExactly(
                            new View("balances", 2, true, false, List.of("deposited", "opened")),
                            new View("count", 1, true, false, List.of("opened")),
                            new View("mails", 1, false, true, List.of("deposited")));
        }
    }

    @Test
    void the_text_is_the_same_each_time() {
        try (var app = bank().intercept(100, new Timing())
                        .intercept(200, new Locking())
                        .build();
                var other = bank().intercept(100, new Timing())
                        .intercept(200, new Locking())
                        .build()) {
            var text = app.describe().toString().replaceAll(":\\d+\\)", ":0)");
            assertThat(text.lines())
                    .containsSubsequence(
                            "commands",
                            "queries",
                            "interceptors, the outermost first",
                            "events",
                            "  reported   DescribeTest.Reported   read by no projection",
                            "projections",
                            "  balances  version 2, inline  reads deposited, opened");
            assertThat(text)
                    .contains(
                            "  DescribeTest.Limit    nobody\n",
                            "  200 DescribeTest.Locking  around DescribeTest.Deposit  at dev.cqrs.inmemory.DescribeTest."
                                    + "the_text_is_the_same_each_time(DescribeTest.java:0)\n")
                    .doesNotContainPattern("(?m) $");
            assertThat(other.describe().toString().replaceAll(":\\d+\\)", ":0)"))
                    .isEqualTo(text);
            assertThat(other.describe().mermaid()).isEqualTo(app.describe().mermaid());
        }
    }

    @Test
    void classes_of_one_name_are_told_apart() {
        var wiring = new Description(
                List.of(),
                List.of(),
                List.of(
                        new Event("a", 1, java.net.Proxy.class, List.of()),
                        new Event("b", 1, java.lang.reflect.Proxy.class, List.of()),
                        new Event("c", 3, Opened.class, List.of())),
                List.of(),
                List.of());
        assertThat(wiring.toString())
                .contains("java.net.Proxy", "java.lang.reflect.Proxy", "  c  DescribeTest.Opened, revision 3");
    }

    @Test
    void each_line_of_the_text_says_what_there_is_to_say() {
        var handler =
                new Handler(Report.class, "decider", "here:1", true, List.of("reported", "opened"), Optional.empty());
        var mute = new Handler(Deposit.class, "lambda", "here:2", false, List.of(), Optional.empty());
        var wiring = new Description(
                List.of(
                        new Message("command", Report.class, false, Optional.of(handler)),
                        new Message("command", Deposit.class, false, Optional.of(mute))),
                List.of(
                        new Interception(1, "Timing", "here:3", true, List.of()),
                        new Interception(2, "Locking", "here:4", false, List.of()),
                        new Interception(3, "Retry", "here:5", false, List.of(Report.class))),
                List.of(
                        new Event("opened", 1, Opened.class, List.of("balances", "mails")),
                        new Event("reported", 1, Reported.class, List.of())),
                List.of(
                        new View("balances", 1, true, false, List.of("opened")),
                        new View("mails", 2, false, true, List.of())),
                List.of(new Description.Subscriber(Opened.class, "a lambda")));

        assertThat(wiring.toString().lines().map(line -> line.strip().replaceAll(" +", " ")))
                .containsExactly(
                        "commands",
                        "DescribeTest.Report decider, appends reported, opened at here:1",
                        "DescribeTest.Deposit lambda at here:2",
                        "interceptors, the outermost first",
                        "1 Timing around everything at here:3",
                        "2 Locking around none of these at here:4",
                        "3 Retry around DescribeTest.Report at here:5",
                        "events",
                        "opened DescribeTest.Opened read by balances, mails",
                        "reported DescribeTest.Reported read by no projection",
                        "projections",
                        "balances version 1, inline reads opened",
                        "mails version 2, in the background, with effects reads nothing",
                        "subscribers",
                        "DescribeTest.Opened a lambda");
        assertThat(new Description(List.of(), List.of(), List.of(), List.of(), List.of()))
                .hasToString("nothing is wired");
    }

    @Test
    void a_bus_tells_what_it_was_built_with_whatever_becomes_of_its_builder() {
        var builder = InMemoryCommandBus.builder().run(Report.class, c -> {});
        var bus = builder.build();
        builder.handle(Audit.class, new AuditHandler()).intercept(1, new Timing());

        assertThat(bus.describe().messages()).hasSize(1);
        assertThat(bus.describe().interceptions()).isEmpty();
        assertThat(builder.build().describe().messages()).hasSize(2);
        assertThat(InMemoryCommandBus.builder().build().describe()).hasToString("nothing is wired");
    }

    @Test
    void an_event_bus_tells_who_subscribes_now() {
        var bus = InMemoryEventBus.builder()
                .intercept(2, new Locking())
                .intercept(1, new Timing())
                .build();
        var heard = new ArrayList<Object>();
        var function = bus.subscribe(Happened.class, event -> heard.add(event));
        bus.subscribe(Deposited.class, new Mails());

        var wiring = bus.describe();
        assertThat(wiring.subscribers())
                .containsExactly(
                        new Description.Subscriber(Happened.class, "function of DescribeTest"),
                        new Description.Subscriber(Deposited.class, "DescribeTest.Mails"));
        assertThat(wiring.interceptions())
                .extracting(Interception::what)
                .containsExactly("DescribeTest.Timing", "DescribeTest.Locking");
        assertThat(wiring.toString()).contains("subscribers\n", "DescribeTest.Deposited  DescribeTest.Mails");
        assertThat(edges(wiring.mermaid())).contains("p1 \"1\" s1", "p2 \"1\" s2");

        function.close();
        assertThat(bus.describe().subscribers()).hasSize(1);
        assertThat(wiring.subscribers()).hasSize(2);
    }

    static class Mails implements EventBus.Subscriber.Plain<Deposited> {
        @Override
        public void on(Deposited event) {}
    }

    // ---- the diagram

    @Test
    void the_diagram_leads_from_commands_to_queries() {
        try (var app = bank().projection(COUNT).build()) {
            var diagram = app.describe().mermaid();
            var labels = labels(diagram);
            assertThat(edges(diagram).stream().map(edge -> named(edge, labels)))
                    .contains(
                            "DescribeTest.Deposit \"\" decider",
                            "decider \"\" deposited",
                            "DescribeTest.Report \"\" decision",
                            "decision \"\" event log",
                            "deposited \"\" balances",
                            "opened \"\" count",
                            "reported \"\" nobody",
                            "balances \"\" DescribeTest.Balance",
                            "function \"\" DescribeTest.Size",
                            "DescribeTest.Limit \"\" nobody")
                    .doesNotHaveDuplicates();
        }
    }

    record Both() implements Command<String>, Query<String> {}

    static class BothHandler implements QueryHandler<Both, String> {
        @Override
        public String handle(Both query, Metadata metadata) {
            return "";
        }
    }

    @Test
    void what_is_a_command_and_a_query_has_a_handler_of_each_in_the_diagram() {
        try (var app = InMemoryCqrs.builder(Clock.systemUTC())
                .handle(Both.class, (c, metadata) -> "")
                .query(Both.class, new BothHandler())
                .build()) {
            var diagram = app.describe().mermaid();
            var labels = labels(diagram);
            assertThat(edges(diagram).stream().map(edge -> named(edge, labels)))
                    .containsExactlyInAnyOrder(
                            "DescribeTest.Both \"\" function", "DescribeTest.BothHandler \"\" DescribeTest.Both");
        }
    }

    @Test
    void the_edges_name_interceptors_by_number_where_there_is_a_difference() {
        try (var app = bank().intercept(100, new Timing())
                .intercept(200, new Locking())
                .build()) {
            var labels = labels(app.describe().mermaid());
            assertThat(edges(app.describe().mermaid()).stream().map(edge -> named(edge, labels)))
                    .contains(
                            "DescribeTest.Deposit \"1, 2\" decider",
                            "DescribeTest.Open \"1\" decider",
                            "balances \"1\" DescribeTest.Balance",
                            "1: DescribeTest.Timing \"\" 2: DescribeTest.Locking");
        }
        try (var app = bank().intercept(100, new Timing()).build()) {
            assertThat(app.describe().mermaid()).contains("interceptors, around everything");
            assertThat(edges(app.describe().mermaid())).noneMatch(edge -> edge.contains("\"1"));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a \"quoted\" name",
                "]; end",
                "end",
                "<b>bold</b> & #quot;",
                "`*markdown*`",
                "two\nlines",
                "- a list",
                "1. a list",
                "%%{init: {}}%%",
                "überwiesen 送金 \uD83D\uDCB6",
            })
    void a_name_is_a_name_whatever_is_in_it(String name) {
        try (var app = InMemoryCqrs.builder(Clock.systemUTC())
                .event(name, Opened.class)
                .projection(Projection.of("view of " + name, 1, Fold.from(0).on(Opened.class, (n, e) -> n)))
                .build()) {
            var diagram = app.describe().mermaid();
            assertThat(labels(diagram).values()).contains(name, "view of " + name);
            assertThat(edges(diagram)).containsExactly("e1 \"\" v1");
        }
    }

    @Test
    void what_is_no_diagram_is_found() {
        for (var text : List.of(
                "a[\"A\"]",
                "flowchart LR\n    a[A]",
                "flowchart LR\n    end",
                "flowchart LR\n    subgraph a [\"A\"]",
                "flowchart LR\n    a --> b",
                "flowchart LR\n    a[\"a \"b\" c\"]",
                "flowchart LR\n    a[\"A\"]\n    a[\"B\"]",
                "flowchart LR\n    end[\"A\"]")) {
            assertThatThrownBy(() -> edges(text)).as(text).isInstanceOf(AssertionError.class);
        }
    }

    /*
     * As much of Mermaid's language as diagrams are made of, a statement a line, and stricter: what is pointed at is defined
     * before, and once; between quotes there is no quote, no markup and no line break.
     */
    private static final String ID = "(?!(?:end|graph|subgraph|style|class|click|default)\\b)([a-z]+[0-9]*)";
    private static final String LABEL = "\"((?:[\\p{L}\\p{Nd} ,.:_()/-]|#[0-9]+;)+)\"";
    private static final Pattern BEGIN = Pattern.compile("subgraph " + ID + " \\[" + LABEL + "]");
    private static final Pattern NODE = Pattern.compile(ID + "(?:\\[" + LABEL + "]|\\(\\[" + LABEL + "]\\))");
    private static final Pattern EDGE = Pattern.compile(ID + " (?:-->(?:\\|" + LABEL + "\\|)?|-\\.->) " + ID);
    private static final Pattern STYLE = Pattern.compile("style " + ID + " [a-z-]+: [0-9]+");

    private record Parsed(Map<String, String> labels, List<String> edges) {}

    private static Parsed parse(String diagram) {
        var labels = new HashMap<String, String>();
        var edges = new ArrayList<String>();
        var lines = diagram.split("\n", -1);
        assertThat(lines[0]).isEqualTo("flowchart LR");
        int depth = 0;
        for (int i = 1; i < lines.length; i++) {
            var line = lines[i].strip();
            var begin = BEGIN.matcher(line);
            var node = NODE.matcher(line);
            var edge = EDGE.matcher(line);
            var style = STYLE.matcher(line);
            if (begin.matches()) {
                depth++;
                assertThat(labels.put(begin.group(1), read(begin.group(2))))
                        .as(line)
                        .isNull();
            } else if (line.equals("end")) {
                assertThat(--depth).as(line).isNotNegative();
            } else if (node.matches()) {
                var label = Optional.ofNullable(node.group(2)).orElse(node.group(3));
                assertThat(labels.put(node.group(1), read(label))).as(line).isNull();
            } else if (edge.matches()) {
                assertThat(labels).as(line).containsKeys(edge.group(1), edge.group(3));
                var label = Optional.ofNullable(edge.group(2)).orElse("");
                edges.add(edge.group(1) + " \"" + label + "\" " + edge.group(3));
            } else {
                assertThat(style.matches()).as("line %d: %s", i + 1, line).isTrue();
                assertThat(labels).as(line).containsKey(style.group(1));
            }
        }
        assertThat(depth).as("subgraphs without an end").isZero();
        assertThat(edges).doesNotHaveDuplicates();
        return new Parsed(labels, edges);
    }

    private static String read(String label) {
        return Pattern.compile("#([0-9]+);")
                .matcher(label)
                .replaceAll(found -> Matcher.quoteReplacement(Character.toString(Integer.parseInt(found.group(1)))));
    }

    private static List<String> edges(String diagram) {
        return parse(diagram).edges();
    }

    private static Map<String, String> labels(String diagram) {
        return parse(diagram).labels();
    }

    private static String named(String edge, Map<String, String> labels) {
        var parts = edge.split(" (?=\")|(?<=\") ", -1);
        return labels.get(parts[0]) + " " + parts[1] + " " + labels.get(parts[2]);
    }
}
