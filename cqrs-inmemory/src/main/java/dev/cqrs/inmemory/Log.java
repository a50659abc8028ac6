package dev.cqrs.inmemory;

import dev.cqrs.message.Metadata;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The events themselves, by position, in columns that are cut into chunks and never move.
 *
 * <p>Written by one thread at a time, under the store's lock. Read without a lock, but only up to a head that was read
 * before: publishing the head publishes what stands below it.
 */
final class Log {

    private static final int BITS = 10;
    private static final int CHUNK = 1 << BITS;

    private volatile Chunk[] chunks = new Chunk[4];

    /** The columns of the events whose positions share all but their lowest bits. */
    static final class Chunk {
        final Object[] events = new Object[CHUNK];
        final char[] types = new char[CHUNK];
        final long[] times = new long[CHUNK];
        final Posting[][] tags = new Posting[CHUNK][];

        /** Missing while no event in the chunk has any, which in many applications is always. */
        Metadata @Nullable [] metadata;
    }

    Chunk chunk(int position) {
        return chunks[(position - 1) >>> BITS];
    }

    static int slot(int position) {
        return (position - 1) & (CHUNK - 1);
    }

    /** Makes room for the positions from {@code first} to {@code last}, so that writing them cannot fail. */
    void reserve(int first, int last, boolean withMetadata) {
        int from = (first - 1) >>> BITS;
        int to = (last - 1) >>> BITS;
        if (to >= chunks.length) {
            chunks = Arrays.copyOf(chunks, Math.max(to + 1, chunks.length + (chunks.length >> 1)));
        }
        for (int i = from; i <= to; i++) {
            if (chunks[i] == null) {
                chunks[i] = new Chunk();
            }
            if (withMetadata && chunks[i].metadata == null) {
                chunks[i].metadata = new Metadata[CHUNK];
            }
        }
    }

    void write(int position, Object event, int type, long time, Posting[] tags, Metadata metadata) {
        var chunk = chunk(position);
        int slot = slot(position);
        chunk.events[slot] = event;
        chunk.types[slot] = (char) type;
        chunk.times[slot] = time;
        chunk.tags[slot] = tags;
        if (chunk.metadata != null) {
            chunk.metadata[slot] = metadata;
        }
    }

    boolean matches(int position, Cursor.Filter filter) {
        return matches(chunk(position), slot(position), filter);
    }

    static boolean matches(Chunk chunk, int slot, Cursor.Filter filter) {
        var types = filter.types;
        if (types != null && !types[chunk.types[slot]]) {
            return false;
        }
        for (var wanted : filter.tags) {
            if (!contains(chunk.tags[slot], wanted)) {
                return false;
            }
        }
        return true;
    }

    private static boolean contains(Posting[] tags, Posting wanted) {
        for (var tag : tags) {
            if (tag == wanted) {
                return true;
            }
        }
        return false;
    }
}
