package dev.cqrs.examples.statement;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StatementPageTest {

    private final ExecutorService executor = Executors.newFixedThreadPool(8);
    private final List<Object> errors = Collections.synchronizedList(new ArrayList<>());
    private final StatementBank bank = StatementBank.open(executor, errors::add);
    private final StatementPage page;
    private final String address;
    private final HttpClient client = HttpClient.newHttpClient();

    StatementPageTest() throws IOException {
        page = StatementPage.open(bank, 0);
        address = "http://localhost:" + page.address().getPort();
    }

    @AfterEach
    void end() throws InterruptedException {
        page.close();
        bank.close();
        executor.shutdownNow();
        assertThat(executor.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
        assertThat(errors).isEmpty();
    }

    private HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return client.send(HttpRequest.newBuilder(URI.create(address + path)).build(), BodyHandlers.ofString());
    }

    private HttpResponse<String> post(String path, String... headers) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(address + path)).POST(HttpRequest.BodyPublishers.noBody());
        if (headers.length > 0) {
            request.headers(headers);
        }
        return client.send(request.build(), BodyHandlers.ofString());
    }

    /** What a client that obeys no rule gets: the first line and all the rest. */
    private String raw(String request) throws IOException {
        try (var socket = new Socket(page.address().getAddress(), page.address().getPort())) {
            socket.getOutputStream().write(request.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
            socket.getOutputStream().flush();
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static void assertSentence(HttpResponse<String> reply, int status) {
        assertThat(reply.statusCode()).as(reply.body()).isEqualTo(status);
        assertThat(reply.headers().firstValue("Content-Type")).contains("text/plain; charset=utf-8");
        assertThat(reply.body()).matches("[A-Z][^<>]*\\.\n");
    }

    @Test
    void it_is_there_for_this_machine_alone() {
        assertThat(page.address().getAddress().isLoopbackAddress()).isTrue();
    }

    @Test
    void the_page_has_a_language_fits_a_phone_and_labels_what_can_be_moved() throws Exception {
        var reply = get("/");
        assertThat(reply.statusCode()).isEqualTo(200);
        assertThat(reply.body())
                .contains(
                        "<html lang=\"en\">",
                        "width=device-width",
                        "<label for=\"slider\">",
                        "<label for=\"progress\">");
        assertThat(reply.headers().firstValue("Content-Security-Policy")).isPresent();
    }

    @Test
    void balances_are_those_of_the_end_of_the_day() throws Exception {
        bank.takeIn(BankFiles.sample());
        assertThat(get("/accounts?day=1993-01-05").body())
                .isEqualTo(
                        "{\"day\":\"1993-01-05\",\"accounts\":["
                                + "{\"account\":\"1001\",\"balance\":\"9,450.50\"},{\"account\":\"1002\",\"balance\":\"700.00\"}]}");
        assertThat(get("/accounts?day=1993-01-04").body())
                .as("the others are opened later")
                .contains("1001")
                .doesNotContain("1002", "1003", "1004");
        assertThat(get("/accounts?day=1993-12-31&begins=1003").body())
                .isEqualTo("{\"day\":\"1993-12-31\",\"accounts\":[{\"account\":\"1003\",\"balance\":\"-100.50\"}]}");
    }

    @Test
    void a_statement_is_shown_as_of_a_day_and_its_text_is_escaped() throws Exception {
        bank.takeIn(BankFiles.sample());
        assertThat(get("/statement?account=1002").body())
                .contains("Account 1002", "Nova Ves &lt;&amp; hory&gt;", "89,063.00", "junior", "96,396.00 granted")
                .doesNotContain("<&");
        assertThat(get("/statement?account=1002&day=1993-07-04").body())
                .contains("Balance <strong>700.00</strong>")
                .doesNotContain("-8,033.00");
    }

    @Test
    void a_statement_tells_nothing_of_what_was_granted_issued_or_opened_later() throws Exception {
        bank.takeIn(BankFiles.sample());
        assertThat(get("/statement?account=1002&day=1993-07-04").body()).doesNotContain("granted", "junior");
        assertThat(get("/statement?account=1002&day=1993-07-05").body()).contains("96,396.00 granted");
        assertSentence(get("/statement?account=1004&day=1993-06-01"), 404);
        assertSentence(get("/statement?account=1004"), 404);
        assertThat(get("/accounts").body())
                .as("the list agrees")
                .contains("1003")
                .doesNotContain("1004");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/statement?account=%3Cscript%3Ealert(1)%3C/script%3E",
                "/statement?account=",
                "/statement",
                "/statement?account=1%00",
                "/statement?account=-1",
                "/statement?account=9999999999999999999999",
                "/statement?account=1001&account=1002",
                "/statement?account=1001&day=yesterday",
                "/statement?account=1001&day=%3Cb%3E",
                "/statement?account=1001&day=1993-02-30",
                "/accounts?day=1994-01-01",
                "/accounts?day=1992-12-31",
                "/accounts?day=",
                "/accounts?begins=%22%3E",
                "/accounts?%3Cimg%20src%3Dx%3E=1",
                "/accounts?day",
                "/accounts?&",
                "/balance?account=x",
                "/balance",
                "/status?x=1",
                "/?q=%3Cscript%3E"
            })
    void strange_input_gets_a_sentence(String path) throws Exception {
        bank.takeIn(BankFiles.sample());
        assertSentence(get(path), 400);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/other",
                "/accountsx",
                "/accounts/",
                "/../etc/passwd",
                "/%3Cscript%3E",
                "/statement?account=4711",
                "/balance?account=4711"
            })
    void what_is_not_there_gets_a_sentence(String path) throws Exception {
        bank.takeIn(BankFiles.sample());
        assertSentence(get(path), 404);
    }

    @Test
    void a_method_that_a_page_does_not_take_and_another_sites_page_are_refused() throws Exception {
        assertSentence(post("/accounts"), 405);
        assertSentence(get("/rebuild"), 405);
        assertSentence(post("/rebuild", "Origin", "http://elsewhere.example"), 403);
        assertThat(bank.status().rebuild()).isEmpty();
    }

    @Test
    void a_garbled_address_and_a_foreign_name_of_this_machine_are_refused() throws Exception {
        assertThat(raw("GET /accounts?day=%zz HTTP/1.1\nHost: localhost\nConnection: close\n\n"))
                .startsWith("HTTP/1.1 400 ");
        assertThat(raw("GET /accounts HTTP/1.1\nHost: elsewhere.example\nConnection: close\n\n"))
                .startsWith("HTTP/1.1 403 ")
                .doesNotContain("elsewhere");
        assertThat(raw("POST /rebuild HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 3\n\nabc"))
                .startsWith("HTTP/1.1 413 ");
    }

    @Test
    void a_rebuild_is_begun_from_the_page_and_its_progress_is_told() throws Exception {
        bank.takeIn(BankFiles.sample());
        assertThat(get("/status").body()).contains("\"lag\":0", "\"parked\":0", "\"rebuild\":null");

        assertThat(post("/rebuild", "Origin", address).statusCode()).isEqualTo(202);

        var status = get("/status").body();
        for (int i = 0; i < 3_000 && !status.contains("SWAPPED"); i++) {
            TimeUnit.MILLISECONDS.sleep(10); // a browser, too, asks again
            status = get("/status").body();
        }
        long head = bank.app().store().head().value();
        assertThat(status).contains("{\"state\":\"SWAPPED\",\"done\":" + head + ",\"total\":" + head + "}");
        assertThat(get("/statement?account=1001").body()).contains("7,011.55");
    }

    @Test
    void a_balance_is_told_when_it_changes_while_somebody_watches() throws Exception {
        var days = bank.takeInAllButTransactions(BankFiles.sample());
        var reply = client.send(
                HttpRequest.newBuilder(URI.create(address + "/balance?account=1001"))
                        .build(),
                BodyHandlers.ofLines());
        assertThat(reply.headers().firstValue("Content-Type")).contains("text/event-stream; charset=utf-8");
        try (var lines = reply.body()) {
            var told = lines.filter(line -> line.startsWith("data: ")).iterator();
            assertThat(told.next()).isEqualTo("data: 0.00");
            bank.takeIn(days.get(0));
            assertThat(told.next()).isEqualTo("data: 1,000.00");
            days.subList(1, days.size()).forEach(bank::takeIn);
            var last = told.next();
            while (!last.equals("data: 7,011.55")) { // those in between may have been left out
                last = told.next();
            }
        }
    }

    @Test
    void no_more_pages_can_watch_than_there_are_threads_for() throws Exception {
        bank.takeIn(BankFiles.sample());
        var open = new ArrayList<HttpResponse<?>>();
        for (int i = 0; i < StatementPage.WATCHERS; i++) {
            open.add(client.send(
                    HttpRequest.newBuilder(URI.create(address + "/balance?account=1001"))
                            .build(),
                    BodyHandlers.ofInputStream()));
        }
        assertThat(open).allSatisfy(one -> assertThat(one.statusCode()).isEqualTo(200));
        assertSentence(get("/balance?account=1001"), 429);
        assertThat(get("/status").statusCode()).isEqualTo(200);
    }
}
