package dev.cqrs.jdbc;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Stands between a client and PostgreSQL, tells their messages from each other, and cuts the connection before or after one
 * of them, or leaves it open and carries nothing more.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class WireProxy implements AutoCloseable {

    private final ServerSocket entrance;
    private final int server;
    private final ExecutorService threads = Executors.newCachedThreadPool();

    // guarded by this
    private final List<String> seen = new ArrayList<>();
    private boolean armed;
    private int cutAt = -1;
    private boolean before;
    private boolean hasCut;
    private int connections;
    private int frozen;

    WireProxy(int server) {
        this.server = server;
        try {
            entrance = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        } catch (IOException cannot) {
            throw new UncheckedIOException(cannot);
        }
        threads.execute(this::accept);
    }

    /** Gives a data source like {@code direct}, but through this proxy, and unencrypted, so that messages can be told apart. */
    PGSimpleDataSource through(PGSimpleDataSource direct) {
        var source = new PGSimpleDataSource();
        source.setServerNames(new String[] {entrance.getInetAddress().getHostAddress()});
        source.setPortNumbers(new int[] {entrance.getLocalPort()});
        source.setDatabaseName(direct.getDatabaseName());
        source.setUser(direct.getUser());
        source.setApplicationName("through-proxy");
        source.setSslMode("disable");
        source.setGssEncMode("disable");
        return source;
    }

    /** Counts messages from now on, and cuts the connection that carries number {@code message}, counted from 0; never if -1. */
    synchronized void arm(int message, boolean beforeIt) {
        seen.clear();
        armed = true;
        cutAt = message;
        before = beforeIt;
        hasCut = false;
    }

    /** Counts no more; gives the messages that came, each as direction and type. */
    synchronized List<String> disarm() {
        armed = false;
        return List.copyOf(seen);
    }

    synchronized boolean hasCut() {
        return hasCut;
    }

    /** Carries nothing more on the connections that there are, without closing them, as when a cable is pulled. */
    synchronized void freeze() {
        frozen = connections;
    }

    private synchronized int connected() {
        return ++connections;
    }

    private synchronized boolean isFrozen(int connection) {
        return connection <= frozen;
    }

    private enum Verdict {
        PASS,
        CUT,
        PASS_AND_CUT
    }

    private synchronized Verdict judge(String message) {
        if (!armed) {
            return Verdict.PASS;
        }
        seen.add(message);
        if (seen.size() - 1 != cutAt) {
            return Verdict.PASS;
        }
        armed = false;
        hasCut = true;
        return before ? Verdict.CUT : Verdict.PASS_AND_CUT;
    }

    private void accept() {
        try {
            while (true) {
                var client = entrance.accept();
                var upstream = new Socket(InetAddress.getLoopbackAddress(), server);
                client.setTcpNoDelay(true);
                upstream.setTcpNoDelay(true);
                int connection = connected();
                threads.execute(() -> carry(connection, client, upstream, true));
                threads.execute(() -> carry(connection, upstream, client, false));
            }
        } catch (IOException closed) {
            // the end of the test
        }
    }

    private void carry(int connection, Socket from, Socket to, boolean fromClient) {
        try (from;
                to) {
            var in = new DataInputStream(new java.io.BufferedInputStream(from.getInputStream()));
            var out = to.getOutputStream();
            if (fromClient) { // the first message of a client has no type
                int length = in.readInt();
                pass(out, -1, length, in.readNBytes(length - 4));
            }
            while (true) {
                int type = in.read();
                if (type < 0) {
                    return;
                }
                int length = in.readInt();
                var body = in.readNBytes(length - 4);
                if (isFrozen(connection)) {
                    continue;
                }
                var verdict = judge((fromClient ? "> " : "< ") + (char) type);
                if (verdict != Verdict.CUT) {
                    pass(out, type, length, body);
                }
                if (verdict != Verdict.PASS) {
                    return;
                }
            }
        } catch (IOException cut) {
            // by the other direction, or by one of the two ends
        }
    }

    private static void pass(OutputStream out, int type, int length, byte[] body) throws IOException {
        var message = java.nio.ByteBuffer.allocate(length + 1);
        if (type >= 0) {
            message.put((byte) type);
        }
        message.putInt(length).put(body);
        out.write(message.array(), 0, message.position());
        out.flush();
    }

    @Override
    public void close() throws IOException {
        entrance.close();
        threads.shutdownNow();
    }
}
