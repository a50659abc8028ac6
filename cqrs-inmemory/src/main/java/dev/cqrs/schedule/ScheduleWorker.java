package dev.cqrs.schedule;

import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.interceptor.InvalidMessageException;
import dev.cqrs.interceptor.NotAuthorizedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.schedule.Pending.Lane;
import dev.cqrs.schedule.Pending.PutOff;
import dev.cqrs.schedule.ScheduleEvent.Attempted;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Outcome;
import dev.cqrs.schedule.ScheduleEvent.Recurred;
import dev.cqrs.schedule.ScheduleEvent.Released;
import dev.cqrs.schedule.ScheduleEvent.Result;
import dev.cqrs.task.Alarm;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Reasons;
import dev.cqrs.task.Trampoline;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Runs the commands of a {@link CommandSchedule} that are due; made by {@link CommandSchedule#work}.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: it is woken by appends, by the timer and by its own tasks.
 */
public final class ScheduleWorker implements AutoCloseable {

    /**
     * How often the end of a command is written if the store fails: what is not written is done twice. At once, as the
     * thread is the executor's: a pause would hold it, and the claim would run out meanwhile. A longer failure has the lane
     * claimed anew, a pause of the timer later.
     */
    private static final int TRIES = 10;

    /*
     * Two kinds of tasks. A look reads the log on, renews claims, and gives free lanes in which something is due to turns;
     * there is one at a time, and `wanted` counts who asked for it meanwhile. A turn claims a lane, runs some commands and
     * gives the lane back; while it lasts, the lane is busy, so that no other turn of this process gets it. So it is after a
     * turn that went badly, until the first look behind the pause; or whoever looks in between would try it again at once.
     *
     * `lock` guards `turns`, which are those that were given a lane and have not ended, `running`, `resting` and `looking`; it
     * is taken with no lock of the schedule held, and no foreign code is called with it. Whoever takes a turn that never
     * began out of `turns` lets its lane go. A turn's `appending` is held while it appends, by itself or by
     * the look that renews its claim, and guards where its claim stands.
     *
     * A worker that is closed while a turn runs goes on to look, for the renewal of that claim alone, until the turn ends.
     */
    private final CommandSchedule schedule;
    private final String name;
    private final CommandBus bus;
    private final Executor executor;
    private final Consumer<? super ScheduleFailure> listener;

    private final AtomicInteger wanted = new AtomicInteger();
    private final Trampoline looks = new Trampoline();
    private final Alarm alarm;
    /** Up to here the log was read when free lanes were last looked for. */
    private volatile Position seen = Position.START;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition ended = lock.newCondition();
    private final Set<Turn> turns = new HashSet<>();
    /** The lanes of turns that went badly. */
    private final List<Lane> resting = new ArrayList<>();
    /** Guarded by the lock of the schedule, whose other workers may know how to run it. */
    private final PutOff putOff = new PutOff();
    /** How often commands failed with their thread interrupted, since they were last told of here. */
    private final Map<String, Integer> interrupts = new ConcurrentHashMap<>();

    private int running;
    private @Nullable Thread looking;
    /** Those on which the listener is being told something. */
    private final Set<Thread> telling = ConcurrentHashMap.newKeySet();

    private volatile boolean closed;
    private volatile EventStore.@Nullable Subscription subscription;

    ScheduleWorker(
            CommandSchedule schedule,
            String name,
            CommandBus bus,
            Executor executor,
            Delivery.Timer timer,
            Consumer<? super ScheduleFailure> listener) {
        this.schedule = schedule;
        this.name = name;
        this.bus = bus;
        this.executor = executor;
        this.listener = listener;
        this.alarm = new Alarm(timer::schedule, this::signal, this::tell);
    }

    /** Follows first and looks at the log then, so that no append falls between the two. */
    void start() {
        subscription = schedule.log().onAppend(last -> {
            if (last.isAfter(seen) && hasRoom()) {
                signal();
            }
        });
        schedule.workers().add(this);
        signal();
    }

    /**
     * Gives the worker's name.
     *
     * @return never {@code null}
     */
    public String name() {
        return name;
    }

    /**
     * Takes no more commands, and waits until those that run have ended and their claims are given back, and no task of the
     * worker uses a store any more. Commands that were taken and have not begun are run by others. The claims of those that
     * run are renewed as long as they do, so close the executor and the timer after the worker. A second call does nothing
     * more.
     *
     * <p>Called by a handler that the worker runs, or by its listener, it returns at once, as it would wait for itself; the
     * worker ends with that handler. If the waiting thread is interrupted, it waits no longer, and its flag is set again.
     */
    @Override
    public void close() {
        closed = true;
        schedule.workers().remove(this);
        var following = subscription;
        if (following != null) {
            following.close();
        }
        List<Turn> waiting;
        lock.lock();
        try {
            waiting = turns.stream().filter(turn -> turn.thread == null).toList();
        } finally {
            lock.unlock();
        }
        waiting.forEach(this::giveUp); // the executor may have dropped them
        wakeResting();
        lock.lock();
        try {
            var self = Thread.currentThread();
            if (turns.isEmpty()) {
                alarm.close();
            }
            while ((looking != null || !turns.isEmpty())
                    && looking != self
                    && !telling.contains(self)
                    && turns.stream().noneMatch(turn -> turn.thread == self)) {
                ended.await();
            }
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    /** Otherwise the end of a turn has a look taken, and what was appended before is seen then. */
    private boolean hasRoom() {
        lock.lock();
        try {
            return running < schedule.atOnce();
        } finally {
            lock.unlock();
        }
    }

    // ---- looking

    void signal() {
        if (!isOver() && wanted.getAndIncrement() == 0) {
            execute();
        }
    }

    /** Says whether it was closed, and nothing runs any more whose claim would have to be renewed. */
    private boolean isOver() {
        if (!closed) {
            return false;
        }
        lock.lock();
        try {
            return turns.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** With `wanted` above zero, which is whose task this is. */
    private void execute() {
        try {
            executor.execute(this::look);
        } catch (Throwable refused) { // also an error: no thread could be had, for instance
            wanted.set(0);
            tell(refused);
            alarm.pause();
        }
    }

    private void look() {
        looks.run(this::lookAndAgain);
    }

    private void lookAndAgain() {
        int asked = wanted.get();
        try {
            lookOnce();
        } catch (Throwable thrown) {
            try {
                tell(thrown);
            } finally { // also where there is no memory left to tell of it
                wanted.set(0);
                alarm.pause();
            }
            return;
        }
        if (!wanted.compareAndSet(asked, 0)) {
            execute(); // in a task of its own, so that others of the executor come in between
        }
    }

    private void lookOnce() {
        lock.lock();
        try {
            if (closed && turns.isEmpty()) {
                return;
            }
            looking = Thread.currentThread();
        } finally {
            lock.unlock();
        }
        try {
            schedule.refresh();
            seen = schedule.folded();
            if (!alarm.isPausing()) {
                wakeResting();
            }
            renewClaims();
            var turn = assign();
            while (turn != null && start(turn)) {
                turn = assign();
            }
            if (!closed && !alarm.isPausing()) {
                schedule.save();
            }
        } finally {
            lock.lock();
            try {
                looking = null;
                ended.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * Gives a free lane to a turn, if there is one in which something is due, and room; otherwise has the timer wake when
     * that changes. Called by one look at a time.
     */
    private @Nullable Turn assign() {
        if (closed) {
            arm(schedule.clock().instant(), Optional.empty());
            return null;
        }
        boolean room = hasRoom();
        Turn turn = null;
        // by one instant, and under one lock: nothing becomes due or free between the search and the question for the
        // timer
        var now = schedule.clock().instant();
        Optional<Instant> change = Optional.empty();
        schedule.lock.lock();
        try {
            var pending = schedule.pending();
            pending.wake(now);
            var again = putOff.wake(now);
            var lane = room ? pending.freeLane(now, putOff) : null;
            if (lane != null) {
                lane.busy = true;
                turn = new Turn(lane, schedule.folded(), pending.pick(lane, CommandSchedule.BATCH, putOff));
            } else {
                change = Stream.concat(pending.nextChange(now).stream(), again.stream())
                        .min(Comparator.naturalOrder());
            }
        } finally {
            schedule.lock.unlock();
        }
        if (turn == null) {
            arm(now, change);
            return null;
        }
        lock.lock(); // counted only now: who thinks that there is no room trusts that a turn will end
        try {
            running++;
            turns.add(turn);
        } finally {
            lock.unlock();
        }
        if (closed) { // and has perhaps not seen it
            giveUp(turn);
            arm(now, Optional.empty());
            return null;
        }
        return turn;
    }

    /** Says whether the executor takes more: one that refuses is asked again after a pause. */
    private boolean start(Turn turn) {
        try {
            executor.execute(turn);
            return true;
        } catch (Throwable refused) {
            giveUp(turn);
            tell(refused);
            alarm.pause();
            return false;
        }
    }

    /** Lets a lane go whose turn never began, unless that was done: an executor that throws may have begun it all the same. */
    private void giveUp(Turn turn) {
        lock.lock();
        try {
            if (turn.thread != null || !turns.remove(turn)) {
                return;
            }
            ended.signalAll();
        } finally {
            lock.unlock();
        }
        letGo(turn.lane);
    }

    private void letGo(Lane lane) {
        lock.lock();
        try {
            running--;
        } finally {
            lock.unlock();
        }
        free(lane);
    }

    private void free(Lane lane) {
        schedule.lock.lock();
        try {
            lane.busy = false;
        } finally {
            schedule.lock.unlock();
        }
        for (var worker : schedule.workers()) { // the lane may be another's turn now
            if (worker != this) {
                worker.signal();
            }
        }
    }

    /** Lets a lane go later whose turn went badly, unless there is no later. */
    private void rest(Lane lane) {
        lock.lock();
        try {
            running--;
            if (!closed) {
                resting.add(lane);
                return;
            }
        } finally {
            lock.unlock();
        }
        free(lane);
    }

    private void wakeResting() {
        List<Lane> rested;
        lock.lock();
        try {
            rested = List.copyOf(resting);
            resting.clear();
        } finally {
            lock.unlock();
        }
        rested.forEach(this::free);
    }

    private void renewClaims() {
        List<Turn> all;
        lock.lock();
        try {
            all = List.copyOf(turns);
        } finally {
            lock.unlock();
        }
        all.forEach(turn -> turn.renewIfDue(false));
    }

    // ---- waking

    /** Has the timer wake at a change, or when a claim is to be renewed, unless it does so sooner. */
    private void arm(Instant now, Optional<Instant> change) {
        var soonest = change.orElse(null);
        lock.lock();
        try {
            for (var turn : turns) {
                var renewal = turn.renewal;
                if (renewal != null && !renewal.isAfter(now) && turn.appending.isLocked()) {
                    continue; // it sees to that itself when it has appended
                }
                soonest = renewal != null && (soonest == null || renewal.isBefore(soonest)) ? renewal : soonest;
            }
        } finally {
            lock.unlock();
        }
        if (soonest != null) {
            alarm.set(now, soonest);
        }
    }

    private void tell(Throwable cause) {
        tell(true, cause);
    }

    private void tell(boolean again, Throwable cause) {
        tell(new ScheduleFailure(name, Optional.empty(), 0, again, cause));
    }

    private void tell(ScheduleFailure failure) {
        var thread = Thread.currentThread();
        boolean outermost = telling.add(thread);
        try {
            Listeners.tell(listener, failure, failure.cause());
        } finally {
            if (outermost) {
                telling.remove(thread);
            }
        }
    }

    // ---- running

    /** A command that is to be run, as the log has it under the claim. */
    private record Job(
            String id,
            long position,
            int slot,
            Duration period,
            Instant due,
            int occurrence,
            int attempt,
            int expiries) {

        String dispatchId() {
            return period.isZero() ? id : id + "#" + occurrence;
        }
    }

    /** How a dispatch went; without an outcome if the command cannot be run here. */
    private record Run(Optional<Outcome> outcome, String reason, Optional<Throwable> failure) {

        /** Whether it failed in a way that another attempt does not change, as an interceptor for retries sees it too. */
        boolean isForGood() {
            return failure.map(thrown -> thrown instanceof InvalidMessageException
                            || thrown instanceof NotAuthorizedException
                            || thrown instanceof CommandIdReusedException
                            || (thrown instanceof AppendConflictException conflict && !conflict.isRetryable()))
                    .orElse(false);
        }
    }

    private final class Turn implements Runnable {

        private final Lane lane;
        private final Position known;
        private final List<String> picked;
        private final EventQuery claims;
        private final ReentrantLock appending = new ReentrantLock();
        private volatile @Nullable Thread thread;

        /** Where the first claim stands in the log, and the last; {@code null} while there is none. */
        private Position first = Position.START;

        private @Nullable Position claim;
        /** A claim whose outcome is not known. */
        private @Nullable Claimed unsure;
        /** What of the commands it took has not been told of. */
        private final Set<String> left = new LinkedHashSet<>();

        private volatile @Nullable Instant renewal;

        Turn(Lane lane, Position known, List<String> picked) {
            this.lane = lane;
            this.known = known;
            this.picked = picked;
            this.claims = EventQuery.types(Claimed.class, Released.class).withTags(ScheduleEvent.laneTag(lane.number));
        }

        @Override
        public void run() {
            if (!begin()) {
                giveUp(this);
                return;
            }
            boolean well = false;
            try {
                well = work();
            } catch (Throwable thrown) {
                tell(thrown);
            } finally { // also where there is no memory left to tell of it
                finish(well);
            }
        }

        private void finish(boolean well) {
            try {
                abandon();
            } finally {
                if (well) {
                    letGo(lane);
                    end();
                    signal();
                } else {
                    rest(lane);
                    end();
                    alarm.pause();
                }
            }
        }

        private boolean begin() {
            lock.lock();
            try {
                if (closed || !turns.contains(this)) {
                    return false;
                }
                thread = Thread.currentThread();
                return true;
            } finally {
                lock.unlock();
            }
        }

        private void end() {
            lock.lock();
            try {
                turns.remove(this);
                if (closed && turns.isEmpty()) {
                    alarm.close();
                }
                ended.signalAll();
            } finally {
                lock.unlock();
            }
        }

        /** Gives whether there is no reason to wait before the next look. */
        private boolean work() {
            try {
                claim(picked, known);
            } catch (AppendConflictException taken) {
                schedule.refresh(); // by another worker; the look that waits for this turn would choose it again
                return true;
            } catch (AppendOutcomeUnknownException unknown) {
                tell(unknown);
                if (!isWritten()) {
                    return false;
                }
            }
            arm(schedule.clock().instant(), Optional.empty()); // for its renewal, of which nobody else may think
            schedule.refresh(); // what others did before the claim
            var jobs = jobs();
            var blocked = new HashSet<Integer>();
            for (int i = 0; i < jobs.size(); i++) {
                var job = jobs.get(i);
                if (blocked.contains(job.slot())) {
                    giveBack(job);
                    continue;
                }
                if (closed || !renewIfDue(true)) {
                    break;
                }
                boolean spent = job.expiries() >= schedule.expiries();
                var run = spent ? givenUp(job) : dispatch(job);
                boolean interrupted = !spent
                        && run.failure().isPresent()
                        && Thread.currentThread().isInterrupted();
                if (interrupted && !isToCount(job)) {
                    try {
                        append(List.of(released()), null);
                    } finally {
                        run.failure().ifPresent(cause -> tellOf(job, job.attempt() - 1, true, cause));
                    }
                    return false; // the executor wants its thread back
                }
                boolean here = run.outcome().isPresent();
                boolean more = !spent
                        && !run.isForGood()
                        && job.attempt() <= schedule.delays().size();
                boolean again = run.outcome()
                        .map(outcome -> outcome == Outcome.FAILED && more)
                        .orElse(true);
                if (again && job.slot() >= 0) {
                    blocked.add(job.slot());
                }
                boolean last = closed
                        || interrupted
                        || jobs.subList(i + 1, jobs.size()).stream().allMatch(next -> blocked.contains(next.slot()));
                int tried = job.attempt() - 1 + (spent ? job.expiries() : here ? 1 : 0);
                var events = new ArrayList<ScheduleEvent>();
                if (here) {
                    events.add(told(job, run, tried, again));
                } else {
                    putOff(job);
                }
                if (last) {
                    events.add(released());
                } else if (!here) {
                    giveBack(job);
                }
                boolean written = false;
                try {
                    written = events.isEmpty() || append(events, here ? job : null);
                } finally {
                    boolean open = again || !written;
                    run.failure().ifPresent(cause -> tellOf(job, tried, open, cause));
                }
                interrupts.remove(job.id());
                if (last) {
                    return !interrupted;
                }
            }
            append(List.of(released()), null);
            return true;
        }

        private void tellOf(Job job, int tried, boolean again, Throwable cause) {
            tell(new ScheduleFailure(name, Optional.of(job.id()), tried, again, cause));
        }

        /**
         * Counts a run that failed with its thread interrupted, and says whether it was one too many to be given back as if
         * nothing were: a handler may do that by itself, each time.
         */
        private boolean isToCount(Job job) {
            schedule.lock.lock();
            try {
                interrupts.keySet().removeIf(id -> schedule.pending().due(id) == null); // ended elsewhere
            } finally {
                schedule.lock.unlock();
            }
            return interrupts.merge(job.id(), 1, Integer::sum) > schedule.expiries();
        }

        /** Leaves a command, and those of its key, to others for a while: it cannot be run here. */
        private void putOff(Job job) {
            var until = schedule.clock().instant().plus(Alarm.LOOK_AFTER);
            schedule.lock.lock();
            try {
                var entry = schedule.pending().due(job.id());
                if (entry != null) {
                    putOff.add(entry, until);
                }
            } finally {
                schedule.lock.unlock();
            }
        }

        /**
         * Leaves a command out of the claim, which is renewed before the next is run: if that one ends this process, it is
         * the first of the claim of which nothing was told.
         */
        private void giveBack(Job job) {
            appending.lock();
            try {
                left.remove(job.id());
                if (claim != null) {
                    renewal = Instant.MIN;
                }
            } finally {
                appending.unlock();
            }
        }

        private List<Job> jobs() {
            var jobs = new ArrayList<Job>();
            appending.lock(); // a look may renew the claim meanwhile
            schedule.lock.lock();
            try {
                if (isHeld()) {
                    for (var id : picked) {
                        var entry = schedule.pending().due(id);
                        if (entry != null) {
                            jobs.add(new Job(
                                    id,
                                    entry.position,
                                    entry.slot,
                                    entry.period,
                                    entry.at,
                                    entry.occurrences + 1,
                                    entry.attempts + 1,
                                    entry.expiries));
                        }
                    }
                }
            } finally {
                schedule.lock.unlock();
                appending.unlock();
            }
            return jobs;
        }

        /** With both locks: says whether the log, so far as it was read, has the lane claimed by this turn. */
        private boolean isHeld() {
            var held = lane.claim;
            var newest = claim;
            return held != null
                    && newest != null
                    && !first.isAfter(held.position())
                    && !held.position().isAfter(newest);
        }

        private Run dispatch(Job job) {
            CommandSchedule.Stored stored;
            try {
                stored = schedule.read(job.position());
            } catch (UnknownEventException | EventCodec.UnreadableEventException | IllegalStateException unreadable) {
                return notHere(unreadable);
            }
            var command = stored.command();
            try {
                // always repeated: clocks differ, so the log cannot tell a first time, and a rejection is an end anyway
                var metadata =
                        stored.metadata().with(Metadata.ID, job.dispatchId()).with(Metadata.REPEATED, "true");
                bus.dispatch(command, metadata);
                return new Run(Optional.of(Outcome.SUCCEEDED), "", Optional.empty());
            } catch (RejectedException rejected) {
                return new Run(Optional.of(Outcome.REJECTED), Reasons.keepable(rejected.reason()), Optional.empty());
            } catch (NoHandlerException none) {
                return none.messageType() == command.getClass() ? notHere(none) : failed(none);
            } catch (Throwable thrown) { // an error of the handler is a failure of its command too
                return failed(thrown);
            }
        }

        /** Whoever ran it said nothing more: it is not to end this process, too. */
        private Run givenUp(Job job) {
            var reason = "The workers that ran \"" + job.id() + "\" said nothing more, " + job.expiries()
                    + " times since it was last told of: their claims ended by themselves. It was not run again, lest it end"
                    + " this process as well. "
                    + (job.period().isZero()
                            ? "When its cause is mended, retry(id) has it run."
                            : "It is due again at its next time, and may end processes then; cancel(id) ends it.");
            return new Run(
                    Optional.of(Outcome.FAILED),
                    Reasons.keepable(reason),
                    Optional.of(new IllegalStateException(reason)));
        }

        private Run failed(Throwable thrown) {
            return new Run(Optional.of(Outcome.FAILED), Reasons.of(thrown), Optional.of(thrown));
        }

        private Run notHere(Throwable thrown) {
            return new Run(Optional.empty(), "", Optional.of(thrown));
        }

        private ScheduleEvent told(Job job, Run run, int tried, boolean again) {
            var now = schedule.clock().instant();
            if (again) {
                return new Attempted(
                        job.id(),
                        job.attempt(),
                        run.reason(),
                        now.plus(schedule.delays().get(job.attempt() - 1)));
            }
            var result = new Result(run.outcome().orElseThrow(), run.reason(), tried, name);
            return job.period().isZero()
                    ? new Ended(job.id(), result)
                    : new Recurred(job.id(), job.occurrence(), result, next(job, now));
        }

        /** The first of its instants that is still to come. */
        private Instant next(Job job, Instant now) {
            var passed = Duration.between(job.due(), now);
            if (passed.isNegative()) {
                return job.due().plus(job.period());
            }
            try {
                return job.due().plus(job.period().multipliedBy(passed.dividedBy(job.period()) + 1));
            } catch (ArithmeticException tooMany) { // of some nanoseconds each, over centuries
                return now.plus(job.period());
            }
        }

        private Released released() {
            return new Released(lane.number, name);
        }

        // ---- the claim

        /**
         * Claims the lane, or renews the claim: gives it back and claims the lane in one, so that a renewal that comes late is
         * not taken for that of another, and what it leaves out is known to have been given back.
         */
        private void claim(List<String> ids, Position after) {
            appending.lock();
            try {
                var now = schedule.clock().instant();
                var mark = new Claimed(lane.number, name, now.plus(schedule.claim()), ids);
                unsure = mark;
                var events = claim == null ? List.of(mark) : List.of(released(), mark);
                var at = schedule.log()
                        .append(events, AppendCondition.unchanged(claims, after))
                        .last();
                unsure = null;
                if (claim == null) {
                    first = at;
                    left.addAll(ids);
                }
                claim = at;
                renewal = now.plus(schedule.claim().dividedBy(2));
            } finally {
                appending.unlock();
            }
        }

        /**
         * Renews the claim if half of it is over; gives whether there is one.
         *
         * @param wait whether to wait for an append of the turn, which renews by itself when it goes on
         */
        private boolean renewIfDue(boolean wait) {
            var now = schedule.clock().instant();
            var due = renewal;
            if (due == null || now.isBefore(due)) {
                return due != null;
            }
            if (wait) {
                appending.lock();
            } else if (appending.isHeldByCurrentThread() || !appending.tryLock()) {
                return true;
            }
            AppendOutcomeUnknownException unknown = null;
            try {
                if (unsure != null) {
                    regain(); // or it was not written
                }
                var held = claim;
                if (held != null && due.equals(renewal)) {
                    claim(List.copyOf(left), held);
                }
            } catch (AppendConflictException taken) {
                if (!regain()) {
                    lost();
                }
            } catch (AppendOutcomeUnknownException doubt) {
                unknown = doubt;
                renewal = now.plus(schedule.claim().dividedBy(4)); // before the claim that stands surely has ended
            } finally {
                appending.unlock();
            }
            if (unknown != null) {
                tell(unknown);
            }
            arm(now, Optional.empty());
            return renewal != null;
        }

        private void lost() {
            claim = null;
            renewal = null;
        }

        /** Says whether the first claim, whose outcome was not known, is there; or it would stand until it ends by itself. */
        private boolean isWritten() {
            appending.lock();
            try {
                return regain();
            } finally {
                appending.unlock();
            }
        }

        /** Finds the claim where an append has put it whose outcome was not known; gives whether it did. */
        private boolean regain() {
            var mark = unsure;
            if (mark == null) {
                return false;
            }
            schedule.refresh();
            unsure = null;
            schedule.lock.lock();
            try {
                var held = lane.claim;
                if (held == null
                        || !held.worker().equals(name)
                        || !held.until().equals(mark.until())
                        || !held.entries().equals(mark.entries())) {
                    return false;
                }
                if (claim == null) {
                    first = held.position();
                    left.addAll(mark.entries());
                    renewal = mark.until().minus(schedule.claim().dividedBy(2));
                }
                claim = held.position();
                return true;
            } finally {
                schedule.lock.unlock();
            }
        }

        /**
         * Appends as long as nobody else has the lane, and gives whether that was written. What was dispatched would be
         * dispatched again if its end were not, so a store that fails is tried again; where an outcome is unknown the log
         * tells: whether it has, since the claim, how the job went. An interrupt may be meant for a handler, and stores may
         * refuse to work for a thread that is interrupted; so it waits.
         */
        private boolean append(List<? extends ScheduleEvent> events, @Nullable Job job) {
            boolean interrupted = Thread.interrupted();
            try {
                return appendUninterrupted(events, job);
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }

        private boolean appendUninterrupted(List<? extends ScheduleEvent> events, @Nullable Job job) {
            RuntimeException failed = null;
            int failures = 0;
            boolean written = false;
            boolean unknown = false;
            boolean doubt = false;
            appending.lock();
            try {
                for (int attempt = 1; claim != null && !written; attempt++) {
                    try {
                        if (doubt) {
                            schedule.refresh();
                            written = unknown && job != null && isTold(job);
                            if (!stands() && !regain()) {
                                lost();
                            }
                            doubt = false;
                        }
                        var held = claim;
                        if (held != null && !written) {
                            schedule.log().append(events, AppendCondition.unchanged(claims, held));
                            written = true;
                            if (events.get(events.size() - 1) instanceof Released) {
                                lost();
                            }
                        }
                    } catch (AppendConflictException taken) {
                        doubt = true;
                        if (attempt >= CommandSchedule.ATTEMPTS) {
                            throw taken;
                        }
                    } catch (AppendOutcomeUnknownException sent) {
                        doubt = true;
                        unknown = true;
                        if (attempt >= CommandSchedule.ATTEMPTS) {
                            throw sent;
                        }
                    } catch (RuntimeException away) {
                        failed = away;
                        if (++failures >= TRIES) {
                            throw away;
                        }
                    }
                }
                if (written && job != null) {
                    left.remove(job.id());
                }
            } finally {
                appending.unlock();
            }
            if (failed != null) {
                tell(failed);
            }
            return written;
        }

        private boolean stands() {
            schedule.lock.lock();
            try {
                var held = lane.claim;
                return held != null && held.position().equals(claim);
            } finally {
                schedule.lock.unlock();
            }
        }

        private boolean isTold(Job job) {
            try (var told = schedule.log()
                    .read(
                            EventQuery.types(Attempted.class, Ended.class, Recurred.class)
                                    .withTags(ScheduleEvent.tag(job.id())),
                            ReadOptions.forwards().after(first).limit(1))) {
                return told.advance();
            }
        }

        /** Lets the lane be claimed anew at once if the claim was neither given back nor lost: something has failed. */
        private void abandon() {
            appending.lock();
            try {
                var held = claim;
                if (held != null) {
                    schedule.lock.lock();
                    try {
                        lane.abandoned = held;
                    } finally {
                        schedule.lock.unlock();
                    }
                }
                lost();
            } finally {
                appending.unlock();
            }
        }
    }
}
