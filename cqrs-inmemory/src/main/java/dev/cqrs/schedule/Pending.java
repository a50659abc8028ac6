package dev.cqrs.schedule;

import dev.cqrs.event.Position;
import dev.cqrs.schedule.CommandSchedule.Saved;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Cancelled;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Recurred;
import dev.cqrs.schedule.ScheduleEvent.Released;
import dev.cqrs.schedule.ScheduleEvent.Reopened;
import dev.cqrs.schedule.ScheduleEvent.Result;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import dev.cqrs.task.Marks;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What is still to be done, and who is at it: the fold of the log's events, each applied once, in order.
 *
 * <p>Commands are not in it, only where they stand; what has ended leaves nothing but a number.
 *
 * <p><b>Threads:</b> guarded by the lock of its schedule.
 */
final class Pending implements Marks.Known<ScheduleEvent, Saved> {

    /*
     * An entry is in one of two places: in `timers` while it waits for an instant, or in its lane, which knows of each slot
     * only the first that can run. So one that is to be tried again takes that one from the lane, however many are behind.
     */

    /** A command that has not ended. */
    static final class Entry {
        final String id;
        /** Where it stands in the log. */
        final long position;
        /** Where the mark stands that has it run; its place among those of the lane that are of one instant. */
        final long order;

        final int lane;
        final int slot;
        final Duration period;
        /** When it was stored or is due; its place among those of the lane. */
        Instant at;
        /** While it is in `timers`: when it leaves them. */
        Instant wake;
        /** How often it has run to an end. */
        int occurrences;

        int attempts;
        /** How many claims have ended by themselves while it was the next to run, since it was last told of. */
        int expiries;
        /** It is to be tried again, and those of its slot wait for it. */
        boolean blocking;

        boolean waiting;

        Entry(String id, long position, long order, int lane, int slot, Duration period, Instant at) {
            this.id = id;
            this.position = position;
            this.order = order;
            this.lane = lane;
            this.slot = slot;
            this.period = period;
            this.at = at;
            this.wake = at;
        }
    }

    /** Those of a slot that are due: they run in order, and none while one of the slot is to be tried again. */
    private static final class Slot {
        final TreeSet<Entry> due = new TreeSet<>(BY_ORDER);
        /** How many are to be tried again; when the last of them goes on, all do. */
        int blockers;

        @Nullable
        Entry first() {
            return blockers > 0 || due.isEmpty() ? null : due.first();
        }
    }

    /** A claim that was not given back, with what of its commands has not been told of. */
    record Claim(Position position, String worker, Instant until, List<String> entries) {

        Claim without(String id) {
            return new Claim(
                    position,
                    worker,
                    until,
                    entries.stream().filter(entry -> !entry.equals(id)).toList());
        }
    }

    /** What is due in a lane, and who works in it. */
    static final class Lane {
        final int number;
        /** What can run: those without a slot, and of each slot the first. */
        private final TreeSet<Entry> ready = new TreeSet<>(BY_ORDER);
        /** Those in which something is due or to be tried again. */
        private final Map<Integer, Slot> slots = new HashMap<>();

        @Nullable
        Claim claim;

        String lastWorker = "";
        /** A worker of this process is at it, or about to. */
        boolean busy;
        /** The last claim of a worker of this process that is at it no more; it may be claimed anew at once. */
        Position abandoned = Position.START;

        Lane(int number) {
            this.number = number;
        }

        boolean isFree(Instant now) {
            var held = claim;
            return !busy && (held == null || !now.isBefore(held.until) || held.position.equals(abandoned));
        }

        private void add(Entry entry) {
            if (entry.slot < 0) {
                ready.add(entry);
            } else {
                change(entry.slot, slot -> slot.due.add(entry));
            }
        }

        private void remove(Entry entry) {
            if (entry.slot < 0) {
                ready.remove(entry);
            } else {
                change(entry.slot, slot -> slot.due.remove(entry));
            }
        }

        private void change(int number, Consumer<Slot> how) {
            var slot = slots.computeIfAbsent(number, none -> new Slot());
            var before = slot.first();
            how.accept(slot);
            var after = slot.first();
            if (before != after) {
                if (before != null) {
                    ready.remove(before);
                }
                if (after != null) {
                    ready.add(after);
                }
            }
            if (slot.due.isEmpty() && slot.blockers == 0) {
                slots.remove(number);
            }
        }

        /** Says whether an entry is due, if maybe behind one that is to be tried again. */
        private boolean has(Entry entry) {
            if (entry.slot < 0) {
                return ready.contains(entry);
            }
            var slot = slots.get(entry.slot);
            return slot != null && slot.due.contains(entry);
        }

        private boolean isBlocked(Entry entry) {
            var slot = slots.get(entry.slot);
            return slot != null && slot.blockers > 0;
        }

        /** Gives the next of the slot of one that can run. */
        private @Nullable Entry behind(Entry entry) {
            var slot = slots.get(entry.slot);
            return slot == null ? null : slot.due.higher(entry);
        }
    }

    /** What one worker cannot run, and leaves to others until an instant, with those of its key behind it. */
    static final class PutOff {
        private final Map<Entry, Instant> away = new HashMap<>();

        void add(Entry entry, Instant until) {
            away.put(entry, until);
        }

        /** Takes those up again whose time has come, and gives when the next one's does. */
        Optional<Instant> wake(Instant now) {
            away.values().removeIf(until -> !until.isAfter(now));
            return away.values().stream().min(Comparator.naturalOrder());
        }
    }

    private static final Comparator<Entry> BY_ORDER = (a, b) -> inOrder(a, a.at, b, b.at);
    private static final Comparator<Entry> BY_WAKE = (a, b) -> inOrder(a, a.wake, b, b.wake);

    private static int inOrder(Entry a, Instant first, Entry b, Instant second) {
        int byTime = first.compareTo(second);
        return byTime != 0 ? byTime : Long.compare(a.order, b.order);
    }

    private final Lane[] lanes;
    private final Map<String, Entry> open = new HashMap<>();
    private final TreeSet<Entry> timers = new TreeSet<>(BY_WAKE);
    private long succeeded;
    private long rejected;
    private long failed;
    private long cancelled;
    private int next;

    Pending(int lanes) {
        this.lanes = new Lane[lanes];
        for (int i = 0; i < lanes; i++) {
            this.lanes[i] = new Lane(i);
        }
    }

    // ---- folding

    @Override
    public void apply(ScheduleEvent event, Position position, Instant recordedAt) {
        if (event instanceof Enqueued e) {
            var entry = new Entry(
                    e.id(),
                    position.value(),
                    position.value(),
                    e.lane(),
                    e.slot(),
                    shared(e.period()),
                    e.timing() == Timing.NOW ? recordedAt : e.due());
            open.put(e.id(), entry);
            if (e.timing() == Timing.NOW) {
                lanes[e.lane()].add(entry);
            } else {
                await(entry, e.due());
            }
        } else if (event instanceof Claimed e) {
            var lane = lanes[e.lane()];
            if (lane.claim != null && hasEnded(lane.claim, recordedAt)) {
                expire(lane.claim);
            }
            lane.claim = new Claim(position, e.worker(), e.until(), e.entries());
            lane.lastWorker = e.worker();
        } else if (event instanceof Released e) {
            lanes[e.lane()].claim = null;
        } else if (event instanceof Attempted e) {
            putOff(e.id(), e.next());
            var entry = open.get(e.id());
            if (entry != null) {
                entry.attempts = e.attempt();
                told(entry);
            }
        } else if (event instanceof Ended e) {
            if (remove(e.id()) != null) {
                count(e.result());
            }
        } else if (event instanceof Recurred e) {
            count(e.result()); // also of a run within which it was cancelled
            var entry = remove(e.id());
            if (entry != null) {
                entry.occurrences = e.occurrence();
                entry.attempts = 0;
                told(entry);
                entry.at = e.next();
                open.put(e.id(), entry);
                await(entry, e.next());
            }
        } else if (event instanceof Cancelled e) {
            if (remove(e.id()) != null) {
                cancelled++;
            }
        } else if (event instanceof Reopened e) {
            failed--;
            var entry =
                    new Entry(e.id(), e.position(), position.value(), e.lane(), e.slot(), Duration.ZERO, recordedAt);
            open.put(e.id(), entry);
            lanes[e.lane()].add(entry);
            told(entry); // the claim in which it failed may still be there, for others
        }
    }

    /** Its worker has said how it went. */
    private void told(Entry entry) {
        entry.expiries = 0;
        var lane = lanes[entry.lane];
        if (lane.claim != null) {
            lane.claim = lane.claim.without(entry.id);
        }
    }

    /** Says whether a claim has ended by the log's time, which is told in milliseconds by some: they leave out the rest. */
    private static boolean hasEnded(Claim claim, Instant recordedAt) {
        return !recordedAt.isBefore(claim.until().truncatedTo(ChronoUnit.MILLIS));
    }

    /** The worker has said nothing more: maybe by reason of the command that was the next to run. */
    private void expire(Claim claim) {
        for (var id : claim.entries()) {
            var entry = open.get(id);
            if (entry != null && (entry.blocking || !lanes[entry.lane].isBlocked(entry))) {
                entry.expiries++;
                return;
            }
        }
    }

    /** Most run once; they need not have a zero each. */
    private static Duration shared(Duration period) {
        return period.isZero() ? Duration.ZERO : period;
    }

    private void count(Result result) {
        switch (result.outcome()) {
            case SUCCEEDED -> succeeded++;
            case REJECTED -> rejected++;
            case FAILED -> failed++;
        }
    }

    /** Has an entry, and those of its slot, wait until it is tried again. */
    private void putOff(String id, Instant until) {
        var entry = open.get(id);
        if (entry != null) {
            withdraw(entry);
            block(entry);
            await(entry, until);
        }
    }

    private void block(Entry entry) {
        if (entry.slot >= 0) {
            entry.blocking = true;
            lanes[entry.lane].change(entry.slot, slot -> slot.blockers++);
        }
    }

    private void await(Entry entry, Instant until) {
        entry.wake = until;
        entry.waiting = true;
        timers.add(entry);
    }

    private @Nullable Entry remove(String id) {
        var entry = open.remove(id);
        if (entry != null) {
            withdraw(entry);
        }
        return entry;
    }

    /** Takes an entry from wherever it is, and lets go who waits for it. */
    private void withdraw(Entry entry) {
        if (entry.waiting) {
            timers.remove(entry);
            entry.waiting = false;
        } else {
            lanes[entry.lane].remove(entry);
        }
        unblock(entry);
    }

    private void unblock(Entry entry) {
        if (entry.blocking) {
            entry.blocking = false;
            lanes[entry.lane].change(entry.slot, slot -> slot.blockers--);
        }
    }

    // ---- asking

    /** Has those be due whose time has come. */
    void wake(Instant now) {
        while (!timers.isEmpty() && !timers.first().wake.isAfter(now)) {
            var entry = timers.pollFirst();
            entry.waiting = false;
            lanes[entry.lane].add(entry);
            unblock(entry);
        }
    }

    /** Gives the ids of what a worker is to run next in a lane, in order, at most so many. */
    List<String> pick(Lane lane, int most, PutOff putOff) {
        var picked = new ArrayList<String>();
        var firsts = lane.ready.iterator();
        Entry first = null; // the last of them that was put among the next
        var next = new PriorityQueue<>(BY_ORDER); // so that no more of a lane is looked at than is picked
        while (picked.size() < most) {
            if (first == null && firsts.hasNext()) {
                first = firsts.next();
                next.add(first);
            }
            var entry = next.poll();
            if (entry == null) {
                break;
            }
            if (entry == first) {
                first = null;
            }
            if (!putOff.away.containsKey(entry)) {
                picked.add(entry.id);
                var behind = lane.behind(entry);
                if (behind != null) {
                    next.add(behind);
                }
            }
        }
        return picked;
    }

    /** Gives the entry if it is due, and not behind one that is to be tried again. */
    @Nullable
    Entry due(String id) {
        var entry = open.get(id);
        if (entry == null) {
            return null;
        }
        var lane = lanes[entry.lane];
        return lane.has(entry) && !lane.isBlocked(entry) ? entry : null;
    }

    Lane lane(int number) {
        return lanes[number];
    }

    /** Gives a free lane in which something is due that a worker does not leave to others, not always the first. */
    @Nullable
    Lane freeLane(Instant now, PutOff putOff) {
        for (int i = 0; i < lanes.length; i++) {
            var lane = lanes[(next + i) % lanes.length];
            if (!lane.ready.isEmpty()
                    && lane.isFree(now)
                    && !pick(lane, 1, putOff).isEmpty()) {
                next = (lane.number + 1) % lanes.length;
                return lane;
            }
        }
        return null;
    }

    /** Gives when something changes by itself: an entry becomes due, or the claim of a lane ends in which something is. */
    Optional<Instant> nextChange(Instant now) {
        var soonest = timers.isEmpty() ? null : timers.first().wake;
        for (var lane : lanes) {
            var claim = lane.claim;
            if (claim != null
                    && claim.until.isAfter(now)
                    && !lane.busy
                    && !lane.ready.isEmpty()
                    && (soonest == null || claim.until.isBefore(soonest))) {
                soonest = claim.until;
            }
        }
        return Optional.ofNullable(soonest);
    }

    @Override
    public int size() {
        return open.size();
    }

    ScheduleStatus status(Position position, Instant now) {
        Instant oldest = null;
        long taken = 0;
        var seen = new ArrayList<ScheduleStatus.Lane>();
        for (var lane : lanes) {
            var entries = new ArrayList<Entry>();
            if (!lane.ready.isEmpty()) {
                entries.add(lane.ready.first());
            }
            lane.slots.values().stream()
                    .filter(slot -> slot.blockers > 0 && !slot.due.isEmpty())
                    .forEach(slot -> entries.add(slot.due.first()));
            for (var entry : entries) {
                oldest = oldest == null || entry.at.isBefore(oldest) ? entry.at : oldest;
            }
            var claim = lane.claim;
            if (claim != null && now.isBefore(claim.until)) {
                taken += claim.entries.stream().filter(id -> due(id) != null).count();
            }
            if (!lane.lastWorker.isEmpty()) {
                seen.add(new ScheduleStatus.Lane(
                        lane.number, lane.lastWorker, Optional.ofNullable(claim).map(Claim::until)));
            }
        }
        return new ScheduleStatus(
                position,
                timers.size(),
                open.size() - timers.size(),
                Optional.ofNullable(oldest),
                taken,
                succeeded,
                rejected,
                failed,
                cancelled,
                seen);
    }

    // ---- keeping

    Saved save() {
        var entries = new ArrayList<Saved.Entry>(open.size());
        for (var e : open.values()) {
            entries.add(new Saved.Entry(
                    e.id,
                    e.position,
                    e.order,
                    e.lane,
                    e.slot,
                    e.period,
                    e.at,
                    e.wake,
                    e.occurrences,
                    e.attempts,
                    e.expiries,
                    e.blocking,
                    e.waiting));
        }
        var claimed = new ArrayList<Saved.Lane>();
        for (var lane : lanes) {
            var claim = lane.claim;
            if (claim != null) {
                claimed.add(new Saved.Lane(
                        lane.number, claim.worker, true, claim.position.value(), claim.until, claim.entries));
            } else if (!lane.lastWorker.isEmpty()) {
                claimed.add(new Saved.Lane(lane.number, lane.lastWorker, false, 0, Instant.EPOCH, List.of()));
            }
        }
        return new Saved(entries, claimed, succeeded, rejected, failed, cancelled);
    }

    /** Begins with what was saved. */
    @Override
    public boolean load(Saved saved) {
        for (var s : saved.open()) {
            var entry = new Entry(s.id(), s.position(), s.order(), s.lane(), s.slot(), shared(s.period()), s.at());
            entry.occurrences = s.occurrences();
            entry.attempts = s.attempts();
            entry.expiries = s.expiries();
            open.put(s.id(), entry);
            if (s.blocking()) {
                block(entry);
            }
            if (s.waiting()) {
                await(entry, s.wake());
            } else {
                lanes[s.lane()].add(entry);
            }
        }
        for (var s : saved.lanes()) {
            var lane = lanes[s.number()];
            lane.lastWorker = s.worker();
            if (s.held()) {
                lane.claim = new Claim(Position.of(s.position()), s.worker(), s.until(), s.entries());
            }
        }
        succeeded = saved.succeeded();
        rejected = saved.rejected();
        failed = saved.failed();
        cancelled = saved.cancelled();
        return true;
    }
}
