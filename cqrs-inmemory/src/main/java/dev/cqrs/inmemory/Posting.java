package dev.cqrs.inmemory;

import dev.cqrs.event.Tag;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
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
    private static final VarHandle SIZE = sizeHandle();

    final @Nullable Tag tag;

    // the first block's entries stand here, as most tags have no other, and each object more to fetch costs a reader

    /** The positions of the first block, which is of full size if there is another one. */
    private volatile int[] positions = new int[SMALLEST];

    /** The events of the first block; of no length for a type. */
    private volatile Object[] events;

    /** The other blocks, all of full size, then perhaps some missing. */
    private volatile Block @Nullable [] others;

    /** Written with release after {@link #last}; read by readers with acquire before it. */
    private int size;

    private int last;

    // what follows is for the writer only

    private int reserved;
    private @Nullable Block tail;

    /** Pairs of a type and the last position at which it has this tag; for a tag only. */
    private int[] lastByType = {};

    /** All tags of the last event that has this one; for a tag only. */
    private Posting[] lastTags = {};

    /** A stretch of entries behind the first. */
    private static final class Block {
        final int[] positions = new int[BLOCK];
        final Object[] events;

        Block(boolean withEvents) {
            this.events = withEvents ? new Object[BLOCK] : NONE;
        }
    }

    private static final Object[] NONE = {};

    private Posting(@Nullable Tag tag) {
        this.tag = tag;
        this.events = tag == null ? NONE : new Object[SMALLEST];
    }

    private static VarHandle sizeHandle() {
        try {
            return MethodHandles.lookup().findVarHandle(Posting.class, "size", int.class);
        } catch (ReflectiveOperationException impossible) { // it stands above
            throw new LinkageError("Posting.size", impossible);
        }
    }

    static Posting ofTag(Tag tag) {
        return new Posting(tag);
    }

    static Posting ofType() {
        return new Posting(null);
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
        if (needed > positions.length) {
            grow(needed);
        }
    }

    private void grow(int needed) {
        int capacity = positions.length;
        if (capacity < BLOCK) {
            int more = Math.min(BLOCK, 2 * capacity);
            if (tag != null) {
                events = Arrays.copyOf(events, more);
            }
            positions = Arrays.copyOf(positions, more);
            return;
        }
        int index = ((needed - 1) >>> BITS) - 1;
        var blocks = others == null ? new Block[1] : others;
        if (index >= blocks.length) {
            blocks = Arrays.copyOf(blocks, index + (index >> 1) + 1);
        }
        if (blocks[index] == null) {
            blocks[index] = new Block(tag != null);
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
        var block = tail;
        (block == null ? positions : block.positions)[slot] = position;
        if (tag != null) {
            (block == null ? events : block.events)[slot] = event;
            lastByType[slot(type) + 1] = position;
        }
        reserved--;
        last = position;
        SIZE.setRelease(this, size + 1);
    }

    /**
     * The given tags of an event, or an equal array that an earlier event has: the last one with any of them. The one by which
     * that is found may stand anywhere, as sets give what they hold in whichever order.
     */
    static Posting[] shared(Posting[] tags) {
        var found = tags;
        for (int i = 0; i < tags.length && found == tags; i++) {
            found = tags[i].lastOrGiven(tags);
        }
        for (var tag : tags) {
            tag.lastTags = found;
        }
        return found;
    }

    private Posting[] lastOrGiven(Posting[] tags) {
        return Arrays.equals(lastTags, tags) ? lastTags : tags; // a posting equals itself alone
    }

    private int slot(int type) {
        for (int i = 0; i < lastByType.length; i += 2) {
            if (lastByType[i] == type) {
                return i;
            }
        }
        return -1;
    }

    /** How many entries are at or before {@code head}, if all are; otherwise less than zero. */
    int sizeUntil(int head) {
        int seen = (int) SIZE.getAcquire(this); // were it of an entry behind the head, so would be the last
        return last <= head ? seen : -1;
    }

    Entries entries() {
        var more = others; // before the first block: where there are others, that one is of full size
        var itsEvents = events;
        return new Entries(positions, itsEvents, more);
    }

    /** The entries as they stand. */
    static final class Entries {
        private final int[] positions;
        private final Object[] events;
        private final Block @Nullable [] others;

        private Entries(int[] positions, Object[] events, Block @Nullable [] others) {
            this.positions = positions;
            this.events = events;
            this.others = others;
        }

        int position(int index) {
            return (index < BLOCK ? positions : block(index).positions)[index & (BLOCK - 1)];
        }

        /** The events of the stretch in which an entry stands; for a tag only. */
        Object[] events(int index) {
            return index < BLOCK ? events : block(index).events;
        }

        private Block block(int index) {
            return Objects.requireNonNull(others)[(index >>> BITS) - 1];
        }

        /** Where in its stretch an entry stands. */
        static int slot(int index) {
            return index & (BLOCK - 1);
        }

        /** The index behind the last in the same stretch. */
        static int blockEnd(int index) {
            return (index | BLOCK - 1) + 1;
        }

        /** How many entries are at or before {@code position}, which must not be behind the reader's head. */
        int countUntil(int position) {
            int low = 0;
            int high =
                    others == null ? positions.length : (int) Math.min(Integer.MAX_VALUE, (others.length + 1L) << BITS);
            while (low < high) {
                int middle = (low + high) >>> 1;
                int entry = entryOrZero(middle);
                if (entry != 0 && entry <= position) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            return low;
        }

        private int entryOrZero(int index) {
            if (index < BLOCK) {
                return positions[index];
            }
            var block = block(index);
            return block == null ? 0 : block.positions[index & (BLOCK - 1)];
        }
    }
}
