package dev.cqrs.examples;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.net.BindException;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A real PostgreSQL for tests, which whoever starts it closes. Its port is below those that systems give to connections: one
 * that a connection of another build has been given before the server listens cannot be listened at.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class Postgres {

    private static final int FIRST = 15_000;
    private static final int COUNT = 15_000;

    /** Where builds that run side by side begin, each at a place of its own. */
    private static final AtomicInteger NEXT =
            new AtomicInteger((int) (ProcessHandle.current().pid() * 97 % COUNT));

    private Postgres() {}

    /** Starts one, with a directory of its own. */
    public static EmbeddedPostgres start() throws IOException {
        return EmbeddedPostgres.builder()
                .setPort(freePort())
                .setPGStartupWait(Duration.ofMinutes(2)) // nobody waits for it where it starts at once
                .start();
    }

    private static int freePort() throws IOException {
        for (int i = 0; i < COUNT; i++) {
            int port = FIRST + Math.floorMod(NEXT.getAndIncrement(), COUNT);
            try (var probe = new ServerSocket(port)) {
                return probe.getLocalPort();
            } catch (BindException taken) {
                // then the next one
            }
        }
        throw new IOException("No port from " + FIRST + " to " + (FIRST + COUNT - 1) + " is free.");
    }
}
