package dev.cqrs.examples.statement;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StatementServerTest {

    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final PrintStream errors = new PrintStream(err, true, StandardCharsets.UTF_8);

    private void assertRefused(String sentence, String... args) throws Exception {
        err.reset();
        assertThat(StatementServer.run(args, errors, errors)).isEqualTo(2);
        var told = err.toString(StandardCharsets.UTF_8);
        assertThat(told).contains(sentence).hasLineCount(1);
    }

    @Test
    void arguments_and_files_of_no_use_are_told_in_a_line(@TempDir Path empty) throws Exception {
        assertRefused("--port needs a number", "--port");
        assertRefused("--port needs a number", "--port", "70000");
        assertRefused("--pause needs a number", "--pause", "-1");
        assertRefused("unknown argument --other", "--other");
        assertRefused("account.asc: no such file", empty.toString());
    }

    @Test
    void a_port_that_is_taken_is_told_in_a_line() throws Exception {
        try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var port = String.valueOf(taken.getLocalPort());
            assertRefused("port " + port + " cannot be had: ", "--port", port);
        }
    }

    @Test
    void it_tells_its_address_plays_the_year_and_ends_when_it_is_interrupted() throws Exception {
        var end = new PipedInputStream();
        var out = new PrintStream(new PipedOutputStream(end), true, StandardCharsets.UTF_8);
        var program = new Thread(() -> {
            try {
                StatementServer.run(new String[] {"--pause", "0"}, out, errors);
            } catch (IOException | InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
        });
        program.start();
        try (var lines = new BufferedReader(new InputStreamReader(end, StandardCharsets.UTF_8))) {
            var address = URI.create(Objects.requireNonNull(lines.readLine()));
            var request = HttpRequest.newBuilder(address).build();
            var reply = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
            assertThat(reply.body()).contains("A bank's year");
        } finally {
            program.interrupt();
        }
        program.join(120_000);
        assertThat(program.isAlive()).isFalse();
        assertThat(err.size()).isZero();
    }
}
