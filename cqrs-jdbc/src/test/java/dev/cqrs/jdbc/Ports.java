package dev.cqrs.jdbc;

import java.io.IOException;
import java.net.BindException;
import java.net.ServerSocket;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Ports for servers of tests, below those that systems give to connections. Between the look for a free port and the server
 * that listens there lies {@code initdb}, and a port that a connection of another build has been given meanwhile cannot be
 * listened at: the server ends, and who waits for it is refused until it gives up.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Ports {

    private static final int FIRST = 15_000;
    static final int COUNT = 15_000;

    /** Where builds that run side by side begin, each at a place of its own. */
    private static final AtomicInteger NEXT =
            new AtomicInteger((int) (ProcessHandle.current().pid() * 97 % COUNT));

    private Ports() {}

    static int free() throws IOException {
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
