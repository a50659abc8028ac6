package dev.cqrs.inmemory;

import dev.cqrs.event.Tag;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The positions of the events that have one tag, or one type, in ascending order.
 *
 * <p>Written by one thread at a time, under the store's lock; the fields below {@code blocks} are for that thread only.
 * Read without a lock up to a head that was read before: entries behind that head may be seen or not, as zero or as
 * they are, so a reader takes an entry for what it is only if it is neither zero nor behind its head.
 */
final class Posting {

    private static final int BITS = 10;
    private static final int BLOCK = 1 << BITS;
    private static final int SMALLEST = 4;

    final @Nullable Tag tag;

    /** Blocks of equal size, then perhaps some missing; the first is smaller while it is the only one. */
    private volatile int[][] blocks = {new int[SMALLEST]};

    private int size;
    private int last;
    private int reserved;

    /** Pairs of a type and the last position at which it has this tag; for a tag only. */
    private int[] lastByType = {};

    Posting(@Nullable Tag tag) {
        this.tag = tag;
    }

    // ---- the writer's side

    int size() {
        return size;
    }

    /** The last position, 0 if there is none. */
    int last() {
        return last;
    }

    /** The last position of an event of {@code type}, 0 if there is none. */
    int last(int type) {
        int slot = slot(type);
        return slot < 0 ? 0 : lastByType[slot + 1];
    }

    /**
     * Makes room for one more entry beyond those already reserved, so that adding it cannot fail.
     *
     * @param type the event's, or -1 where last positions by type are not kept
     */
    void reserve(int type) {
        if (type >= 0 && slot(type) < 0) {
            lastByType = Arrays.copyOf(lastByType, lastByType.length + 2);
            lastByType[lastByType.length - 2] = type;
        }
        int needed = size + ++reserved;
        var current = blocks;
        int lastBlock = (needed - 1) >>> BITS;
        if (lastBlock == 0) {
            int capacity = current[0].length;
            if (needed > capacity) {
                blocks = new int[][] {Arrays.copyOf(current[0], Math.min(BLOCK, capacity + (capacity >> 1)))};
            }
        } else if (lastBlock >= current.length) {
            var more = Arrays.copyOf(current, current.length + (current.length >> 1) + 1);
            more[lastBlock] = new int[BLOCK];
            blocks = more;
        } else if (current[lastBlock] == null) {
            current[lastBlock] = new int[BLOCK];
        }
    }

    void forgetReserved() {
        reserved = 0;
    }

    void add(int position, int type) {
        blocks[size >>> BITS][size & (BLOCK - 1)] = position;
        size++;
        reserved--;
        last = position;
        if (type >= 0) {
            lastByType[slot(type) + 1] = position;
        }
    }

    private int slot(int type) {
        for (int i = 0; i < lastByType.length; i += 2) {
            if (lastByType[i] == type) {
                return i;
            }
        }
        return -1;
    }

    /** The entry at {@code index}, which must be below {@link #size()}. */
    int get(int index) {
        return blocks[index >>> BITS][index & (BLOCK - 1)];
    }

    // ---- the readers' side

    /** The entries as they stand, to be read with {@link #entry} and {@link #indexAfter}. */
    int[][] blocks() {
        return blocks;
    }

    static int entry(int[][] blocks, int index) {
        return blocks[index >>> BITS][index & (BLOCK - 1)];
    }

    /** How many entries are at or before {@code position}, which must not be behind the reader's head. */
    static int indexAfter(int[][] blocks, int position) {
        int low = 0;
        int high = blocks.length == 1 ? blocks[0].length : blocks.length << BITS;
        while (low < high) {
            int middle = (low + high) >>> 1;
            var block = blocks[middle >>> BITS];
            int entry = block == null ? 0 : block[middle & (BLOCK - 1)];
            if (entry != 0 && entry <= position) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
