package dev.cqrs.examples.bank;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/**
 * Reads lines that end with LF or CRLF, in bounded memory: the rest of a line that is too long is dropped.
 *
 * <p>Bytes become characters as ISO 8859-1. The format is ASCII; this superset has a character for every byte, so that
 * a foreign one in a text column costs nothing.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class LineReader implements Closeable {

    /** The greatest length of a line in characters, many times that of any row. */
    static final int MAX_LENGTH = 10_000;

    private final InputStream in;
    private final byte[] buffer = new byte[1 << 16];
    private int next;
    private int filled;
    private final byte[] line = new byte[MAX_LENGTH];
    private long length;
    private long number;
    private long consumed;

    LineReader(InputStream in) {
        this.in = in;
    }

    /** Moves to the next line; says whether there is one. */
    boolean advance() throws IOException {
        length = 0;
        boolean any = false;
        while (fill()) {
            any = true;
            int start = next;
            while (next < filled && buffer[next] != '\n') {
                next++;
            }
            keep(start, next);
            if (next < filled) {
                next++;
                consumed++;
                break;
            }
        }
        if (any) {
            number++;
        }
        return any;
    }

    /** The current line without its end, cut at {@link #MAX_LENGTH}. */
    String text() {
        int kept = (int) Math.min(length, MAX_LENGTH);
        if (kept > 0 && !isTooLong() && line[kept - 1] == '\r') {
            kept--;
        }
        return new String(line, 0, kept, StandardCharsets.ISO_8859_1);
    }

    /** Says whether the current line was cut. */
    boolean isTooLong() {
        return length > MAX_LENGTH;
    }

    /** The number of the current line; the first is 1. */
    long number() {
        return number;
    }

    /** How many bytes have been read, the current line included. */
    long consumed() {
        return consumed;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }

    private boolean fill() throws IOException {
        if (next < filled) {
            return true;
        }
        next = 0;
        filled = Math.max(0, in.read(buffer));
        return filled > 0;
    }

    private void keep(int start, int end) {
        if (length < MAX_LENGTH) {
            System.arraycopy(buffer, start, line, (int) length, (int) Math.min(end - start, MAX_LENGTH - length));
        }
        length += end - start;
        consumed += end - start;
    }
}
