package dev.cqrs.schedule;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.schedule.ScheduleEvent.Cancelled;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Which commands have ended of those for whose end somebody waits: the log is read on once for all who wait, as otherwise
 * each of them would look at each append of anyone.
 *
 * <p><b>Threads:</b> thread-safe. The lock is held while the log is read: those woken by the same append wait for that, and
 * need not read.
 */
final class Ends {

    private static final EventQuery ENDS = EventQuery.types(Ended.class, Cancelled.class);

    private final EventStore log;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, List<Watch>> watches = new HashMap<>();
    private int watching;
    /** Up to here ends were read, or everybody has looked or will; {@code null} while nobody was woken. */
    private @Nullable Position seen;

    Ends(EventStore log) {
        this.log = log;
    }

    /** Begins to watch; what has ended before is for the caller to see, after that. */
    Watch watch(String id) {
        var watch = new Watch(id);
        lock.lock();
        try {
            watches.computeIfAbsent(id, none -> new ArrayList<>()).add(watch);
            watching++;
        } finally {
            lock.unlock();
        }
        return watch;
    }

    /** One who waits. */
    final class Watch implements AutoCloseable {

        private final String id;
        /** Guarded by the lock. */
        private boolean due;

        private Watch(String id) {
            this.id = id;
        }

        /** Says whether the command is to be looked up, as it may have ended by the append that was told last. */
        boolean isDue(Position told) {
            lock.lock();
            try {
                if (watching == 1) { // to look up is as cheap as to read
                    due = true;
                    seen = seen == null || told.isAfter(seen) ? told : seen;
                } else if (seen == null) {
                    watches.values().forEach(same -> same.forEach(each -> each.due = true));
                    seen = told;
                } else if (told.isAfter(seen)) {
                    seen = readOn(seen);
                }
                boolean is = due;
                due = false;
                return is;
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void close() {
            lock.lock();
            try {
                var same = watches.getOrDefault(id, List.of());
                same.remove(this);
                if (same.isEmpty()) {
                    watches.remove(id);
                }
                watching--;
                if (watching == 0) {
                    seen = null; // or the next would read all that has ended meanwhile
                }
            } finally {
                lock.unlock();
            }
        }
    }

    private Position readOn(Position from) {
        try (var found = log.read(ENDS, ReadOptions.forwards().after(from))) {
            while (found.advance()) {
                var id = found.event() instanceof Ended end ? end.id() : ((Cancelled) found.event()).id();
                watches.getOrDefault(id, List.of()).forEach(watch -> watch.due = true);
            }
            var head = found.head();
            return head.isAfter(from) ? head : from;
        }
    }
}
