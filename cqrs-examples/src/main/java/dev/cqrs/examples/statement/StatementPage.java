package dev.cqrs.examples.statement;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.cqrs.examples.statement.StatementQuery.BalanceOf;
import dev.cqrs.examples.statement.StatementQuery.StatementOf;
import dev.cqrs.live.Backlog;
import dev.cqrs.runtime.Rebuild;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A small web page about the bank, for this machine alone: live balances, any day of the year, one customer's statement,
 * how the views stand, and a rebuild with its progress.
 *
 * <p>Everything a user can type is checked, and answered with a sentence and a status of 400 to 499 where it makes no
 * sense. What is shown is escaped.
 */
final class StatementPage implements AutoCloseable {

    /** How many accounts a list shows. */
    static final int SHOWN = 12;

    /** How many pages may watch at once; each takes a thread. */
    static final int WATCHERS = 8;

    private static final int LONGEST_BODY = 0;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern ACCOUNT = Pattern.compile("\\d{1,15}");
    private static final LocalDate FIRST = LocalDate.of(1993, 1, 1);
    private static final LocalDate LAST = LocalDate.of(1993, 12, 31);

    private final StatementBank bank;
    private final HttpServer server;
    private final ExecutorService threads = Executors.newFixedThreadPool(WATCHERS + 8);
    private final AtomicInteger watchers = new AtomicInteger();
    private volatile boolean closed;

    /** What a user has asked for that cannot be had; told in one sentence. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;
        private final int status;
        private final String sentence;

        Refused(int status, String sentence) {
            super(sentence, null, false, false);
            this.status = status;
            this.sentence = sentence;
        }
    }

    /** Answers a request. */
    @FunctionalInterface
    private interface Answer {
        void to(HttpExchange exchange, Map<String, String> asked) throws IOException, Refused;
    }

    private StatementPage(StatementBank bank, HttpServer server) {
        this.bank = bank;
        this.server = server;
    }

    /**
     * Serves the page.
     *
     * @param bank what it shows; stays open
     * @param port 0 for any that is free
     */
    static StatementPage open(StatementBank bank, int port) throws IOException {
        var page = new StatementPage(
                bank, HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0));
        page.server.setExecutor(page.threads);
        page.route("/", "GET", List.of(), page::page);
        page.route("/accounts", "GET", List.of("day", "begins"), page::accounts);
        page.route("/statement", "GET", List.of("account", "day"), page::statement);
        page.route("/status", "GET", List.of(), page::status);
        page.route("/balance", "GET", List.of("account"), page::balance);
        page.route("/rebuild", "POST", List.of(), page::rebuild);
        page.server.start();
        return page;
    }

    /** Where it is served: on this machine alone. */
    InetSocketAddress address() {
        return server.getAddress();
    }

    @Override
    public void close() {
        closed = true;
        server.stop(0);
        threads.shutdownNow();
    }

    // ---- requests

    private void route(String path, String method, List<String> parameters, Answer answer) {
        server.createContext(path, exchange -> {
            try (exchange) {
                try {
                    check(exchange, path, method);
                    answer.to(exchange, parameters(exchange, parameters));
                } catch (Refused refused) {
                    send(exchange, refused.status, "text/plain", refused.sentence + "\n");
                }
            }
        });
    }

    private void check(HttpExchange exchange, String path, String method) throws Refused {
        if (!exchange.getRequestURI().getPath().equals(path)) {
            throw new Refused(404, "There is no such page.");
        }
        if (!exchange.getRequestMethod().equals(method)) {
            exchange.getResponseHeaders().set("Allow", method);
            throw new Refused(405, "This page only takes " + method + ".");
        }
        // another site's page, open in the same browser, must not read this one by a name of its own, nor start
        // anything
        var host = Objects.requireNonNullElse(exchange.getRequestHeaders().getFirst("Host"), "");
        if (!List.of("localhost", "127.0.0.1", "[::1]").contains(host.replaceFirst(":\\d+$", ""))) {
            throw new Refused(403, "This page is for this machine alone; ask for it as localhost.");
        }
        var origin = exchange.getRequestHeaders().getFirst("Origin");
        if (origin != null && !origin.equals("http://" + host)) {
            throw new Refused(403, "Another site's page asked for this; it is for its own page alone.");
        }
    }

    private static Map<String, String> parameters(HttpExchange exchange, List<String> known) throws Refused {
        var found = new HashMap<String, String>();
        var query = exchange.getRequestURI().getRawQuery();
        if (query == null || query.isEmpty()) {
            return found;
        }
        for (var part : query.split("&", -1)) {
            int equals = part.indexOf('=');
            String name;
            String value;
            try {
                name = URLDecoder.decode(equals < 0 ? part : part.substring(0, equals), StandardCharsets.UTF_8);
                value = equals < 0 ? "" : URLDecoder.decode(part.substring(equals + 1), StandardCharsets.UTF_8);
            } catch (IllegalArgumentException garbled) {
                throw new Refused(
                        400, "The address is garbled: a percent sign needs two hexadecimal digits behind it.");
            }
            if (!known.contains(name)) {
                throw new Refused(400, "The address asks for something unknown; known here: " + known + ".");
            }
            if (found.put(name, value) != null) {
                throw new Refused(400, "The address says " + name + " twice; once is enough.");
            }
        }
        return found;
    }

    private static LocalDate day(Map<String, String> asked) throws Refused {
        var text = asked.getOrDefault("day", LAST.toString());
        try {
            var day = LocalDate.parse(text);
            if (!day.isBefore(FIRST) && !day.isAfter(LAST)) {
                return day;
            }
        } catch (DateTimeParseException none) {
            throw new Refused(400, "The day is no date; write one such as 1993-07-14.");
        }
        throw new Refused(400, "The day is not in the year; write one from " + FIRST + " to " + LAST + ".");
    }

    private static String account(Map<String, String> asked) throws Refused {
        var text = asked.getOrDefault("account", "");
        if (!ACCOUNT.matcher(text).matches()) {
            throw new Refused(400, "The account is no number; write one such as 1001.");
        }
        return text;
    }

    // ---- answers

    private void page(HttpExchange exchange, Map<String, String> asked) throws IOException {
        try (var in = Objects.requireNonNull(StatementPage.class.getResourceAsStream("page.html"), "page.html")) {
            send(exchange, 200, "text/html", new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    /** The balances of some accounts at the end of a day. */
    private void accounts(HttpExchange exchange, Map<String, String> asked) throws IOException, Refused {
        var begins = asked.getOrDefault("begins", "");
        if (!begins.isEmpty() && !ACCOUNT.matcher(begins).matches()) {
            throw new Refused(400, "An account begins with digits; write some, or nothing for all.");
        }
        var day = day(asked);
        var answer = JSON.createObjectNode().put("day", day.toString());
        var rows = answer.putArray("accounts");
        var then = bank.at(day);
        for (var number : then.openBy(day)) {
            if (number.startsWith(begins) && rows.size() < SHOWN) {
                rows.addObject().put("account", number).put("balance", money(then.balance(number)));
            }
        }
        send(exchange, answer);
    }

    /** One customer's statement at the end of a day, as a piece of the page. */
    private void statement(HttpExchange exchange, Map<String, String> asked) throws IOException, Refused {
        var number = account(asked);
        var day = day(asked);
        var found = bank.at(day).statementOf(number, day);
        if (found.isEmpty()) {
            throw new Refused(404, "There is no account " + number + " at the end of " + day + ".");
        }
        send(exchange, 200, "text/html", StatementText.html(found.get()));
    }

    private void status(HttpExchange exchange, Map<String, String> asked) throws IOException {
        var status = bank.status();
        var answer = JSON.createObjectNode()
                .put("state", status.state().name())
                .put("position", status.position().value())
                .put("head", status.head().value())
                .put("lag", status.lag())
                .put("parked", status.parked())
                .put("version", status.version());
        var sources = answer.putArray("sources");
        for (var one : bank.imports()) {
            sources.addObject().put("name", one.source()).put("lag", one.lag());
        }
        status.rebuild()
                .ifPresentOrElse(progress -> answer.set("rebuild", json(progress)), () -> answer.putNull("rebuild"));
        send(exchange, answer);
    }

    private static ObjectNode json(Rebuild.Progress progress) {
        return JSON.createObjectNode()
                .put("state", progress.state().name())
                .put("done", progress.done().value())
                .put("total", progress.total().value());
    }

    /** Folds the view anew beside the one that is read. */
    private void rebuild(HttpExchange exchange, Map<String, String> asked) throws IOException, Refused {
        try (var body = exchange.getRequestBody()) {
            if (body.readNBytes(LONGEST_BODY + 1).length > LONGEST_BODY) {
                throw new Refused(413, "A rebuild takes nothing along; send no body.");
            }
        }
        try {
            bank.rebuild(threads);
        } catch (IllegalStateException running) {
            throw new Refused(409, "The view is being rebuilt already; wait for it.");
        }
        send(exchange, 202, "text/plain", "The rebuild has begun.\n");
    }

    /** The balance of an account now, and each new one, as events that a browser listens to. */
    private void balance(HttpExchange exchange, Map<String, String> asked) throws IOException, Refused {
        var number = account(asked);
        if (bank.app().ask(new StatementOf(number)).isEmpty()) {
            throw new Refused(404, "There is no account " + number + ".");
        }
        if (watchers.incrementAndGet() > WATCHERS) {
            watchers.decrementAndGet();
            throw new Refused(429, "Too many pages are watching; close one.");
        }
        var next = new Next();
        try {
            bank.app()
                    .live(new BalanceOf(number), Backlog.latest(), Runnable::run)
                    .subscribe(next);
            header(exchange, "text/event-stream");
            exchange.sendResponseHeaders(200, 0);
            tell(exchange.getResponseBody(), next);
        } catch (InterruptedException ending) {
            Thread.currentThread().interrupt();
        } finally {
            next.cancel();
            watchers.decrementAndGet();
        }
    }

    private void tell(OutputStream out, Next next) throws IOException, InterruptedException {
        while (!closed && !next.ended) {
            var balance = next.answers.poll(2, TimeUnit.SECONDS);
            // a line without meaning finds out whether somebody still listens
            var line = balance == null ? ":\n\n" : "data: " + money(balance) + "\n\n";
            out.write(line.getBytes(StandardCharsets.UTF_8));
            out.flush();
            if (balance != null) {
                next.more();
            }
        }
    }

    /** Hands one answer after the other to the thread that writes, which asks for the next when it has written. */
    private static final class Next implements Flow.Subscriber<Long> {

        final BlockingQueue<Long> answers = new ArrayBlockingQueue<>(1);
        volatile boolean ended;
        private volatile Flow.@Nullable Subscription subscription;

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(1);
        }

        @Override
        public void onNext(Long balance) {
            answers.add(balance);
        }

        @Override
        public void onError(Throwable why) {
            ended = true;
        }

        @Override
        public void onComplete() {
            ended = true;
        }

        void more() {
            var running = subscription;
            if (running != null) {
                running.request(1);
            }
        }

        void cancel() {
            var running = subscription;
            if (running != null) {
                running.cancel();
            }
        }
    }

    // ---- text

    private static void header(HttpExchange exchange, String type) {
        var headers = exchange.getResponseHeaders();
        headers.set("Content-Type", type + "; charset=utf-8");
        headers.set("Cache-Control", "no-store");
        headers.set("X-Content-Type-Options", "nosniff");
        headers.set(
                "Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'");
    }

    private static void send(HttpExchange exchange, JsonNode answer) throws IOException {
        send(exchange, 200, "application/json", JSON.writeValueAsString(answer));
    }

    private static void send(HttpExchange exchange, int status, String type, String text) throws IOException {
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        header(exchange, type);
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.sendResponseHeaders(status, -1);
            return;
        }
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    private static String money(long hellers) {
        return StatementText.money(hellers);
    }
}
