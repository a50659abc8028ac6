package dev.cqrs.inmemory;

import dev.cqrs.event.Fold;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Walks over the positions of matching events in one direction. */
abstract sealed class Cursor {

    /** The next position, 0 at the end and from then on. */
    abstract int next();

    /** Every position of a range whose event fits one of the filters; all of them if there is none. */
    static final class Range extends Cursor {
        private final Log log;
        private final List<Filter> filters;
        private final int step;
        private int left;
        private int position;

        Range(Log log, int after, int until, boolean backwards, List<Filter> filters) {
            this.log = log;
            this.filters = filters;
            this.left = Math.max(0, until - after);
            this.step = backwards ? -1 : 1;
            this.position = backwards ? until + 1 : after;
        }

        /** Whether what is left is every position up to {@link #end()}, ascending. */
        boolean isPlain() {
            return filters.isEmpty() && step == 1;
        }

        boolean isAscending() {
            return step == 1;
        }

        /** Takes the next events, ascending, by column; gives how many. */
        int take(Object[] events, long[] positions, int room) {
            int count = 0;
            while (left > 0 && count < room) {
                var chunk = log.chunk(position + 1);
                int slot = Log.slot(position + 1);
                int end = slot + Math.min(left, chunk.events.length - slot);
                for (; slot < end && count < room; slot++) {
                    position++;
                    left--;
                    if (isMeant(chunk, slot)) {
                        events[count] = chunk.events[slot];
                        positions[count++] = position;
                    }
                }
            }
            return count;
        }

        /**
         * Has a run take the next events, ascending, where they lie; gives how many. If a step throws, the cursor stands at
         * its event.
         */
        long fold(Fold.Run<?> run, Class<?>[] classes) {
            long count = 0;
            while (left > 0) {
                var chunk = log.chunk(position + 1);
                int slot = Log.slot(position + 1);
                int end = slot + Math.min(left, chunk.events.length - slot);
                int from = slot;
                while (from < end && !isMeant(chunk, from)) {
                    from++;
                }
                position += from - slot;
                left -= from - slot;
                int to = filters.isEmpty() ? end : from;
                while (to < end && isMeant(chunk, to)) {
                    to++;
                }
                if (from == to) {
                    continue;
                }
                int taken = to - from;
                try {
                    taken = run.take(chunk.events, chunk.types, classes, from, to);
                } catch (Throwable thrown) {
                    taken = run.taken() + 1;
                    throw thrown;
                } finally {
                    position += taken;
                    left -= taken;
                }
                count += taken;
                if (taken < to - from) {
                    break;
                }
            }
            return count;
        }

        private boolean isMeant(Log.Chunk chunk, int slot) {
            for (int i = 0; i < filters.size(); i++) {
                if (Log.matches(chunk, slot, filters.get(i))) {
                    return true;
                }
            }
            return filters.isEmpty();
        }

        int position() {
            return position;
        }

        int end() {
            return position + left;
        }

        @Override
        int next() {
            while (left > 0) {
                left--;
                position += step;
                if (filters.isEmpty()) {
                    return position;
                }
                for (var filter : filters) {
                    if (log.matches(position, filter)) {
                        return position;
                    }
                }
            }
            return 0;
        }
    }

    /** The entries of one posting whose event fits a filter, if there is one. */
    static final class Slice extends Cursor {
        private final Log log;
        private final @Nullable Filter filter;
        private final Posting.Entries entries;
        private final boolean withEvents;
        private final int step;
        private int left;
        private int index;

        Slice(Log log, Posting posting, int after, int until, boolean backwards, @Nullable Filter filter) {
            this.log = log;
            this.filter = filter;
            int size = posting.sizeUntil(until); // before the entries, which then are at least as many
            this.entries = posting.entries();
            this.withEvents = posting.tag != null;
            int from = after == 0 ? 0 : entries.countUntil(after);
            int to = size >= 0 ? size : entries.countUntil(until);
            this.left = Math.max(0, to - from);
            this.step = backwards ? -1 : 1;
            this.index = backwards ? to : from - 1;
        }

        /** How many entries are left, before filtering. */
        int left() {
            return left;
        }

        /** Whether what is left is every entry up to {@link #end()}, ascending, with its event at hand. */
        boolean isPlain() {
            return filter == null && step == 1 && withEvents;
        }

        Posting.Entries entries() {
            return entries;
        }

        /** The index of the next entry. */
        int begin() {
            return index + 1;
        }

        /** The index behind the last entry. */
        int end() {
            return index + 1 + left;
        }

        @Override
        int next() {
            while (left > 0) {
                left--;
                index += step;
                int position = entries.position(index);
                if (filter == null || log.matches(position, filter)) {
                    return position;
                }
            }
            return 0;
        }
    }

    /** Several cursors as one, in order and without duplicates. */
    static final class Union extends Cursor {
        private final List<? extends Cursor> cursors;
        private final boolean backwards;
        private final int[] heads;

        Union(List<? extends Cursor> cursors, boolean backwards) {
            this.cursors = cursors;
            this.backwards = backwards;
            this.heads = cursors.stream().mapToInt(Cursor::next).toArray();
        }

        @Override
        int next() {
            int best = 0;
            for (int head : heads) {
                if (head != 0 && (best == 0 || (backwards ? head > best : head < best))) {
                    best = head;
                }
            }
            for (int i = 0; best != 0 && i < heads.length; i++) {
                if (heads[i] == best) {
                    heads[i] = cursors.get(i).next();
                }
            }
            return best;
        }
    }

    /** What an event must have: one of the types, unless any will do, and all the tags. */
    static final class Filter {
        final boolean @Nullable [] types;
        final Posting[] tags;

        /** Takes by number whether a type is one of those wanted, {@code null} for any; and tags. */
        Filter(boolean @Nullable [] types, Posting[] tags) {
            this.types = types;
            this.tags = tags;
        }
    }
}
