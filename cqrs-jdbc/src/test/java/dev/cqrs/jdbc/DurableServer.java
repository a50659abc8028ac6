package dev.cqrs.jdbc;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** A PostgreSQL of its own that waits for the disk, can be killed, and started again on the same files. */
final class DurableServer implements AutoCloseable {

    private static final int ATTEMPTS = 20;

    private final Path data;
    private EmbeddedPostgres server;

    DurableServer(Path data) throws IOException {
        this.data = data;
        this.server = start(Ports.free());
    }

    private EmbeddedPostgres start(int port) throws IOException {
        return EmbeddedPostgres.builder()
                .setPort(port)
                .setDataDirectory(data)
                .setCleanDataDirectory(false)
                .setServerConfig("max_connections", "100")
                .setServerConfig("fsync", "on")
                .setServerConfig("synchronous_commit", "on")
                .setServerConfig("full_page_writes", "on")
                .setPGStartupWait(Postgres.START)
                .start();
    }

    int port() {
        return server.getPort();
    }

    /** Has each commit of new connections wait for so long, at most 100 ms, as for a slow disk. */
    void delayCommits(Duration delay) throws SQLException {
        try (var connection = WritingProcess.source(port(), "postgres").getConnection();
                var statement = connection.createStatement()) {
            statement.execute("alter database postgres set commit_siblings = 0");
            statement.execute("alter database postgres set commit_delay = " + delay.toNanos() / 1_000);
        }
    }

    /** Kills the first process of the server without warning; the others end when they notice. */
    void kill() throws IOException, InterruptedException {
        var pid = Files.readAllLines(data.resolve("postmaster.pid")).get(0);
        var postmaster = ProcessHandle.of(Long.parseLong(pid)).orElseThrow();
        if (!postmaster.destroyForcibly()) {
            throw new IOException("The server " + pid + " could not be killed.");
        }
        postmaster.onExit().join();
    }

    /** Starts the server again, as soon as what the killed one has left lets it. */
    void restart() throws IOException, InterruptedException {
        int port = server.getPort();
        try {
            server.close(); // lets its lock go
        } catch (IOException | RuntimeException dead) {
            // it is, and that cannot be said to it
        }
        for (int attempt = 1; ; attempt++) {
            try {
                server = start(port);
                return;
            } catch (IOException | IllegalStateException | UncheckedIOException notYet) {
                if (attempt == ATTEMPTS) {
                    throw notYet;
                }
                TimeUnit.MILLISECONDS.sleep(100);
            }
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
