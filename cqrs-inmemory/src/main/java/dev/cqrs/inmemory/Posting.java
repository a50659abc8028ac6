package dev.cqrs.inmemory;

import dev.cqrs.event.Tag;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The positions of the events that have one tag, or one type, in ascending order; for a tag the events too, so that
 * reading an entity touches nothing else.
 *
 * <p>Written by one thread at a time, under the store's lock. Read without a lock, through {@link #entries()}, up to a
 * head that was read before: entries behind that head may be seen or not, as zero or as they are, so a reader takes an
 * entry for what it is only if it is neither zero nor behind its head.
 */
final class Posting {

    private static final int BITS = 10;
    private static final int BLOCK = 1 << BITS;
    private static final int SMALLEST = 4;

    final @Nullable Tag tag;

    /** The only block while there is no other, and then of full size. */
    private volatile Block first;

    /** The other blocks, all of full size, then perhaps some missing. */
    private volatile Block @Nullable [] others;

    // what follows is for the writer only

    private Block tail;
    private int size;
    private int last;
    private int reserved;

    /** Pairs of a type and the last position at which it has this tag; for a tag only. */
    private int[] lastByType = {};

    private Posting[] lastTags = {};

    /** A stretch of entries. */
    static final class Block {
        final int[] positions;
        final Object @Nullable [] events;

        private Block(int[] positions, Object @Nullable [] events) {
            this.positions = positions;
            this.events = events;
        }

        private Block ofSize(int size) {
            return new Block(Arrays.copyOf(positions, size), events == null ? null : Arrays.copyOf(events, size));
        }
    }

    private Posting(@Nullable Tag tag, Block first) {
        this.tag = tag;
        this.first = first;
        this.tail = first;
    }

    static Posting ofTag(Tag tag) {
        return new Posting(tag, new Block(new int[SMALLEST], new Object[SMALLEST]));
    }

    static Posting ofType() {
        return new Posting(null, new Block(new int[SMALLEST], null));
    }

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

    /** Makes room for one more entry beyond those already reserved, so that adding it cannot fail. */
    void reserve(int type) {
        if (tag != null && slot(type) < 0) {
            lastByType = Arrays.copyOf(lastByType, lastByType.length + 2);
            lastByType[lastByType.length - 2] = type;
        }
        int needed = size + ++reserved;
        if (needed > first.positions.length) {
            grow(needed);
        }
    }

    private void grow(int needed) {
        int capacity = first.positions.length;
        if (capacity < BLOCK) {
            first = first.ofSize(Math.min(BLOCK, 2 * capacity));
            tail = first;
            return;
        }
        int index = ((needed - 1) >>> BITS) - 1;
        var blocks = others == null ? new Block[1] : others;
        if (index >= blocks.length) {
            blocks = Arrays.copyOf(blocks, index + (index >> 1) + 1);
        }
        if (blocks[index] == null) {
            blocks[index] = new Block(new int[BLOCK], first.events == null ? null : new Object[BLOCK]);
        }
        others = blocks;
    }

    void forgetReserved() {
        reserved = 0;
    }

    /** Adds an entry for which room was made. */
    void add(int position, int type, Object event) {
        int slot = size & (BLOCK - 1);
        if (slot == 0 && size > 0) {
            tail = Objects.requireNonNull(others)[(size >>> BITS) - 1];
        }
        tail.positions[slot] = position;
        if (tail.events != null) {
            tail.events[slot] = event;
            lastByType[slot(type) + 1] = position;
        }
        size++;
        reserved--;
        last = position;
    }

    /** The given tags of an event that has this one, or an equal array that an earlier event has. */
    Posting[] shared(Posting[] tags) {
        if (lastTags.length == tags.length) {
            int same = 0;
            while (same < tags.length && lastTags[same] == tags[same]) {
                same++;
            }
            if (same == tags.length) {
                return lastTags;
            }
        }
        lastTags = tags;
        return tags;
    }

    private int slot(int type) {
        for (int i = 0; i < lastByType.length; i += 2) {
            if (lastByType[i] == type) {
                return i;
            }
        }
        return -1;
    }

    Entries entries() {
        var more = others; // before the first: where there are others, that one is of full size
        return new Entries(first, more);
    }

    /** The entries as they stand. */
    static final class Entries {
        private final Block first;
        private final Block @Nullable [] others;

        private Entries(Block first, Block @Nullable [] others) {
            this.first = first;
            this.others = others;
        }

        int position(int index) {
            return block(index).positions[index & (BLOCK - 1)];
        }

        /** For a tag only. */
        Object event(int index) {
            return Objects.requireNonNull(block(index).events)[slot(index)];
        }

        Block block(int index) {
            return index < BLOCK ? first : Objects.requireNonNull(others)[(index >>> BITS) - 1];
        }

        static int slot(int index) {
            return index & (BLOCK - 1);
        }

        /** The index behind the last in the same block. */
        static int blockEnd(int index) {
            return (index | BLOCK - 1) + 1;
        }

        /** How many entries are at or before {@code position}, which must not be behind the reader's head. */
        int countUntil(int position) {
            int low = 0;
            int high = others == null ? first.positions.length : (others.length + 1) << BITS;
            while (low < high) {
                int middle = (low + high) >>> 1;
                var block = block(middle);
                int entry = block == null ? 0 : block.positions[middle & (BLOCK - 1)];
                if (entry != 0 && entry <= position) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            return low;
        }
    }
}
