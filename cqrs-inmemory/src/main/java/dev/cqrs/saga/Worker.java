package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.saga.Index.Entry;
import dev.cqrs.saga.Index.Live;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Effect;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.saga.Story.Progress;
import dev.cqrs.task.Alarm;
import dev.cqrs.task.Trampoline;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What an engine does while it runs: looks at the logs, has instances go on whose time has come, and dispatches their commands.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: it is woken by appends, by the timer and by its own tasks.
 */
final class Worker {

    /** How often an end of a command is written if the store fails: what is not written is dispatched again. */
    private static final int TRIES = 10;

    /** How many instances a task has go on before others of the executor come in between. */
    private static final int CHUNK = 100;

    /*
     * Two kinds of tasks. A look reads the operations log on, takes in what the domain's log has new, and starts tasks; there
     * is one at a time, and `wanted` counts who asked for it meanwhile. Those others, at most `atOnce` of them, take instances
     * that are in line and have them go on, as far as it goes without waiting.
     *
     * The lock of the instances guards their index, and what is said to be guarded by it here; no foreign code is called with
     * it. An instance that is at work has a Live with a lock of its own, held for a turn: while its story is read, the turn is made and
     * appended; not while a command is dispatched. It is taken before the other.
     */
    private final Instances instances;
    private final Index index;
    private final Archive archive;
    private final ReentrantLock lock;
    private final Condition ended;
    private final CommandBus bus;
    private final Executor executor;
    private final Reports reports;
    private final int atOnce;
    private final int expiries;
    private final Intake intake;

    private final AtomicInteger wanted = new AtomicInteger();
    private final Trampoline looks = new Trampoline();
    private final Alarm alarm;
    /** Whether instances come in line; set once, by a look. */
    private boolean joined;
    /** The incarnation that was told of as a later one; a look's. */
    private long toldOf;
    /** Until when all events that came are taken in: a time behind it may be one that an event has ended. */
    private volatile Instant seen = Instant.MIN;

    private final List<Task> tasks = new ArrayList<>();
    /** How many are free; read without the lock, which all of them take again and again if there is much to do. */
    private volatile int idle;

    /* Guarded by the lock. */
    private final ArrayDeque<Task> free = new ArrayDeque<>();
    private int working;
    private final List<Thread> threads = new ArrayList<>();
    private boolean leftToTask;
    /** Who gives back what this engine has, when no task runs any more; and whether that is done. */
    private @Nullable Thread leaver;

    private boolean left;

    private volatile boolean closed;
    private final List<EventStore.Subscription> subscriptions = new ArrayList<>();
    /** How often commands failed with their thread interrupted, since something else was heard of them here. */
    private final Map<Sent, Integer> interrupts = new ConcurrentHashMap<>();

    /** A command that is to be dispatched, or is being. */
    private record Job(
            Entry entry,
            Live live,
            String act,
            String id,
            String step,
            boolean undo,
            int attempt,
            boolean first,
            int holders,
            Instant begun,
            long position,
            @Nullable Command<?> command,
            List<Class<? extends Throwable>> unsure,
            String instance,
            String causation,
            Instant renewal) {}

    private record Sent(Entry entry, String id) {}

    /** The process dies, or the executor wants its thread back: what became of a command is not told. */
    private static final class Abandoned extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final String step;
        private final Throwable thrown;

        Abandoned(String step, Throwable thrown) {
            super(null, thrown, false, false);
            this.step = step;
            this.thrown = thrown;
        }
    }

    Worker(
            Instances instances,
            Optional<EventStore> domain,
            Map<Script<?>, Position> after,
            int atOnce,
            int expiries,
            CommandBus bus,
            Executor executor,
            Delivery.Timer timer,
            Consumer<? super SagaFailure> listener) {
        this.instances = instances;
        this.index = instances.index;
        this.archive = instances.archive();
        this.lock = instances.lock;
        this.ended = lock.newCondition();
        this.atOnce = atOnce;
        this.expiries = expiries;
        this.bus = bus;
        this.executor = executor;
        this.reports = new Reports(instances.name(), listener);
        this.intake = new Intake(instances, domain, after, this::isClosed, this::startTasks, reports);
        this.alarm = new Alarm(timer::schedule, this::signal, reports::tell);
        for (int i = 0; i < atOnce; i++) {
            tasks.add(new Task());
        }
        free.addAll(tasks);
        idle = atOnce;
    }

    /** Follows first and looks at the logs then, so that no append falls between the two. */
    void start() {
        try {
            intake.deploy();
        } catch (Throwable away) { // a look tries again
            reports.tell(true, away);
        }
        instances.onOthers(this::signal);
        Runnable wake = this::signal;
        subscribe(archive.log(), last -> instances.told(last, wake));
        intake.source()
                .ifPresent(store -> subscribe(store, last -> {
                    if (last.isAfter(intake.followed())) {
                        Instances.wake(wake);
                    }
                }));
        signal();
    }

    /** Follows a log until this is closed, which it may be while it starts. */
    private void subscribe(EventStore store, EventStore.Signal told) {
        if (closed) {
            return;
        }
        var subscription = store.onAppend(told);
        boolean over;
        lock.lock();
        try {
            over = closed;
            if (!over) {
                subscriptions.add(subscription);
            }
        } finally {
            lock.unlock();
        }
        if (over) {
            subscription.close();
        }
    }

    /** Has instances come in line, once it is known which have ended since they were. */
    private void join() {
        lock.lock();
        try {
            joined = true;
            if (!closed) {
                instances.hold(true);
                index.run(instances.name(), instances.incarnation());
            }
        } finally {
            lock.unlock();
        }
    }

    boolean isClosed() {
        return closed;
    }

    void close() {
        lock.lock();
        try {
            closed = true;
            instances.hold(false);
        } finally {
            lock.unlock();
        }
        subscriptions.forEach(EventStore.Subscription::close);
        boolean over = false;
        lock.lock();
        try {
            index.run("", 0);
            if (threads.contains(Thread.currentThread()) || leaver == Thread.currentThread()) {
                leftToTask = true;
                return;
            }
            while (!threads.isEmpty() || (leaver != null && !left)) {
                ended.await();
            }
            over = isToLeave();
        } catch (InterruptedException stop) {
            over = isToLeave(); // or the last task does it
            leftToTask = !over;
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
        if (over) {
            leave();
        }
    }

    /** With the lock: says whether it is for this thread to end it, as no task runs any more and nobody else does. */
    private boolean isToLeave() {
        if (!threads.isEmpty() || leaver != null) {
            return false;
        }
        leaver = Thread.currentThread();
        return true;
    }

    /** Ends it, when no task runs any more. */
    private void leave() {
        alarm.close(); // no sooner, as commands may take long
        try {
            giveBack();
            if (intake.hasBegun()) {
                instances.refresh();
                instances.save(intake.followed().value(), true);
            }
        } catch (Throwable thrown) { // what was not given back ends by itself
            reports.tell(true, thrown);
        } finally {
            lock.lock();
            try {
                left = true;
                ended.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }

    /** Gives back what was to be dispatched, and will not be here. */
    private void giveBack() {
        List<Entry> held;
        lock.lock();
        try {
            held = index.all().stream()
                    .filter(entry -> entry.ready && instances.isMine(entry.incarnation) && !entry.state.isEnd())
                    .toList();
        } finally {
            lock.unlock();
        }
        for (var entry : held) {
            var live = instances.enter(entry);
            try {
                instances.turn(
                        entry,
                        live,
                        (story, trouble) -> instances.isMine(story.incarnation)
                                ? instances.turn(story, Archive.input(Cause.RELEASED, ""), Optional.empty(), "")
                                : null);
            } finally {
                instances.exit(entry, live);
            }
        }
    }

    /** Tells of an instance that an operator's turn has parked. */
    void tellIfParked(String saga, String key, Turn<?> turn) {
        reports.tellIfParked(saga, key, turn);
    }

    // ---- looking

    void signal() {
        if (!isDone() && wanted.getAndIncrement() == 0) {
            execute();
        }
    }

    /** Says whether it is closed, and no command is being dispatched any more for which an instance is to be had. */
    private boolean isDone() {
        return closed && !isDispatching();
    }

    private boolean isDispatching() {
        for (var task : tasks) {
            if (task.job != null) {
                return true;
            }
        }
        return false;
    }

    /** With `wanted` above zero, which is whose task this is. */
    private void execute() {
        try {
            executor.execute(this::look);
        } catch (Throwable refused) { // also an error: no thread could be had, for instance
            wanted.set(0);
            tellOfRefusal(refused);
        }
    }

    private void tellOfRefusal(Throwable refused) {
        if (!isDone()) { // then nothing more was to be done
            reports.tell(true, refused);
            alarm.pause();
        }
    }

    private void look() {
        looks.run(this::lookAndAgain);
    }

    private void lookAndAgain() {
        int asked = wanted.get();
        boolean more = false;
        if (begin(true)) {
            try {
                more = !closed ? lookOnce() : hold();
            } catch (Throwable thrown) {
                try {
                    reports.tell(true, thrown);
                } finally { // also where there is no memory left to tell of it
                    wanted.set(0);
                    alarm.pause();
                }
                return;
            } finally {
                end();
            }
        }
        if (more || !wanted.compareAndSet(asked, 0)) {
            execute(); // in a task of its own, so that others of the executor come in between
        }
    }

    /** Says whether a task may begin; a look also while the last commands of an engine that is closed are dispatched. */
    private boolean begin(boolean looks) {
        lock.lock();
        try {
            boolean may = !closed || (looks && isDispatching());
            if (may) {
                threads.add(Thread.currentThread());
            }
            return may;
        } finally {
            lock.unlock();
        }
    }

    private void end() {
        boolean last;
        lock.lock();
        try {
            threads.remove(Thread.currentThread());
            ended.signalAll();
            last = leftToTask && isToLeave();
        } finally {
            lock.unlock();
        }
        if (last) {
            leave();
        }
    }

    /** Once it is closed: has the instances for longer whose commands are still being dispatched; there is no more to take in. */
    private boolean hold() {
        renew();
        arm(instances.now());
        return false;
    }

    /** Gives whether there is more to take in. */
    private boolean lookOnce() {
        if (instances.incarnation() == 0) {
            instances.begin();
        }
        instances.refresh();
        if (!joined) {
            join();
        }
        tellOfReplacement();
        renew();
        var now = instances.now();
        boolean more = true;
        boolean away = false;
        try {
            more = intake.takeIn();
            if (!more) {
                seen = now;
            }
        } catch (Throwable thrown) { // what needs no event goes on
            reports.tell(true, thrown);
            alarm.pause();
            seen = now.isBefore(seen) ? now : seen; // if the clock went back
            away = true;
        }
        lock.lock();
        try {
            index.wake(now, seen, this::waitsForEvents);
        } finally {
            lock.unlock();
        }
        startTasks();
        arm(instances.now());
        if (!more && !alarm.isPausing()) {
            instances.save(intake.followed().value(), false);
        }
        return more && !away;
    }

    private boolean waitsForEvents(Entry entry) {
        var script = instances.scripts().choose(entry.saga, entry.version);
        return script != null && entry.state == State.WAITING && script.waitsForEvents(entry.step);
    }

    // ---- tasks

    /** Starts tasks for what is in line. */
    private void startTasks() {
        while (idle > 0) {
            Task task;
            lock.lock();
            try {
                int coming = atOnce - free.size() - working;
                if (closed || free.isEmpty() || coming >= index.inLine()) {
                    return;
                }
                task = free.removeLast();
                idle = free.size();
            } finally {
                lock.unlock();
            }
            if (!task.execute()) {
                return;
            }
        }
    }

    /** One of those that have instances go on. It is free, or given to the executor, or runs. */
    private final class Task implements Runnable {

        private final Trampoline runs = new Trampoline();
        /** What it dispatches. */
        private volatile @Nullable Job job;

        boolean execute() {
            try {
                executor.execute(this);
                return true;
            } catch (Throwable refused) {
                setFree();
                tellOfRefusal(refused);
                return false;
            }
        }

        private void setFree() {
            lock.lock();
            try {
                if (!free.contains(this)) {
                    free.addLast(this);
                    idle = free.size();
                }
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void run() {
            runs.run(() -> {
                if (!begin(false)) {
                    setFree();
                    return;
                }
                boolean more;
                try {
                    more = Instances.appendMany(this::workOn);
                } catch (Throwable thrown) { // as by a clock
                    more = false;
                    setFree();
                    alarm.pause();
                    reports.tell(true, thrown);
                } finally {
                    end();
                }
                if (more) {
                    execute(); // in a task of its own, so that others of the executor come in between
                }
            });
        }

        /** Has instances go on until none is in line, and then is free, or there were many; gives whether there were. */
        private boolean workOn() {
            boolean more = true;
            for (int i = 0; more && i < CHUNK; i++) {
                Entry entry;
                lock.lock();
                try {
                    entry = closed ? null : index.takeRunnable();
                    if (entry == null) {
                        free.addLast(this); // under the lock under which none was there
                        idle = free.size();
                        more = false;
                        continue;
                    }
                    working++;
                } finally {
                    lock.unlock();
                }
                goOn(this, entry);
                if (Thread.currentThread().isInterrupted()) {
                    return true; // the executor wants its thread back
                }
            }
            signal(); // what has ended is to leave the index
            return more;
        }
    }

    private void goOn(Task task, Entry entry) {
        var live = Instances.live(entry);
        if (live.lock.isHeldByCurrentThread() && live.appending) { // which may fail: it is looked at again after that
            lock.lock();
            try {
                working--;
                index.leave(live);
            } finally {
                lock.unlock();
            }
            return;
        }
        boolean well = false;
        Instant soonest = null;
        try {
            goOn(task, entry, live);
            well = true;
        } catch (Throwable thrown) {
            if (thrown instanceof Abandoned abandoned) {
                reports.tell(entry, abandoned.step, true, abandoned.thrown);
            } else {
                reports.tell(entry, "", true, thrown);
            }
        } finally {
            var later = well ? null : afterPause();
            lock.lock();
            try {
                working--;
                instances.exited(entry, live, later);
                soonest = closed ? null : index.nextDue();
            } finally {
                lock.unlock();
            }
            instances.tellOfOthers();
        }
        if (soonest != null) {
            alarm.set(instances.now(), soonest);
        }
    }

    private Instant afterPause() {
        try {
            return instances.now().plus(Alarm.PAUSE);
        } catch (Throwable thrown) { // it has thrown before, which is told
            alarm.pause();
            return Story.NONE.plusNanos(1); // with the next look
        }
    }

    /** Has an instance go on as far as it goes without waiting. */
    private void goOn(Task task, Entry entry, Live live) {
        Turn<?> turn;
        Job job;
        boolean waits;
        live.lock.lock();
        try {
            turn = instances.turn(entry, live, this::due);
            waits = postpone(entry, live);
            job = pick(task, entry, live, true);
        } finally {
            Instances.unlock(live);
        }
        if (waits && !alarm.isPausing()) {
            signal(); // for a look, which takes in what came before
        }
        reports.tellIfParked(entry.saga, entry.key, turn);
        while (job != null) {
            job = carryOut(task, entry, live, job);
        }
    }

    /** What follows from the time, and from that nobody has it. */
    private @Nullable Turn<?> due(Story<?> story, @Nullable Trouble trouble) {
        var now = instances.now();
        if (story.ended != null || story.parked) {
            return null;
        }
        boolean ready = story.isReady();
        if (ready && instances.isOthers(story, now)) {
            return null;
        }
        boolean own = instances.isMine(story.incarnation) && now.isBefore(story.until);
        if (ready && own && story.isFresh() && !story.isDue(now, seen)) {
            return null; // as this engine has just written it
        }
        var turn = due(story, Archive.input(Cause.DUE, ""), seen);
        turn.trouble = trouble;
        giveUp(turn);
        Instances.gone(turn);
        if (!turn.isEmpty()) {
            return turn;
        }
        return ready && !own ? instances.turn(story, Archive.input(Cause.HELD, ""), Optional.empty(), "") : null;
    }

    /** Gives up what has ended so many engines, or seems to, lest it end this one as well. */
    private void giveUp(Turn<?> turn) {
        var story = turn.story();
        boolean ended =
                !story.engine.isEmpty() && !instances.isMine(story.incarnation); // whoever has it, before this turn
        for (var act : story.ready()) {
            int times = act.expiries + (ended && act.holder != 0 ? 1 : 0);
            if (times >= expiries) {
                var why = "The engines that had its command dispatched said nothing more, " + times
                        + " times since it was last told of. It is not dispatched again, lest it end this process as well;"
                        + " when the cause is mended, resume has it tried again.";
                turn.stick(act.step, act.undo, why);
                turn.park(Script.stuck(story, act));
            }
        }
    }

    private <S> Turn<S> due(Story<S> story, Input input, Instant until) {
        var turn = instances.turn(story, input, Optional.empty(), "");
        story.script.due(turn, until);
        return turn;
    }

    /** With the Live's lock: keeps an instance whose time has come and waits for events, lest it be looked at in vain. */
    private boolean postpone(Entry entry, Live live) {
        var story = live.story;
        var now = instances.now();
        if (story == null || !Turn.isPast(story.wake(false), now) || story.isDue(now, seen)) {
            return false;
        }
        lock.lock();
        try {
            index.postpone(entry, story.wake(true));
        } finally {
            lock.unlock();
        }
        return true;
    }

    /**
     * With the Live's lock: takes a command that is to be dispatched and is not yet. Of an instance that this engine does not
     * have it takes none: it puts it in line, for who takes it from there says first that it has it.
     *
     * @param claimed whether that was just seen to, so that what this engine has need not be had for longer
     */
    private @Nullable Job pick(Task task, Entry entry, Live live, boolean claimed) {
        live.again = false; // whoever makes something ready from here on sets it
        var story = live.story;
        var now = instances.now(); // before anything is taken, as it may throw
        if (story == null) {
            if (isReady(entry)) { // so it is tried again, after a pause
                throw new IllegalStateException(
                        "The operations log has nothing of " + entry.saga + "/" + entry.key
                                + ", of which it told before; expected what was appended. Does it read a copy that lags behind?");
            }
            return null;
        }
        if (closed || instances.isOthers(story, now)) {
            return null;
        }
        boolean own = instances.isMine(story.incarnation) && (claimed || now.isBefore(story.until));
        Job job = null;
        boolean more = false;
        for (var act : story.ready()) {
            var name = act.undo ? act.step + "/undo" : act.step;
            if (live.flying.contains(name)) {
                continue;
            }
            if (job != null || !own) {
                more = true;
                break;
            }
            live.flying.add(name);
            job = new Job(
                    entry,
                    live,
                    name,
                    SagaEngine.commandId(entry.saga, entry.key, act.step, act.undo, act.attempt),
                    act.step,
                    act.undo,
                    act.attempt,
                    act.fresh && !act.unsure && !act.returned,
                    act.holders,
                    now,
                    act.position,
                    act.command,
                    story.script.unsure(act.step),
                    story.id,
                    act.causation,
                    renewal(story.until));
            act.fresh = false;
        }
        task.job = job;
        if (more) {
            lock.lock();
            try {
                index.line(entry);
            } finally {
                lock.unlock();
            }
        }
        return job;
    }

    private boolean isReady(Entry entry) {
        lock.lock();
        try {
            return entry.ready;
        } finally {
            lock.unlock();
        }
    }

    /** Dispatches a command and writes what became of it; gives the next. */
    private @Nullable Job carryOut(Task task, Entry entry, Live live, Job job) {
        Turn<?> late = null;
        Turn<?> turn;
        Job next;
        Outcome outcome;
        RuntimeException undue = null;
        boolean told = false;
        boolean lost;
        try {
            startTasks(); // where there is more to do at once
            armForRenewal(job);
            outcome = dispatch(job);
            if (!interrupts.isEmpty()) {
                interrupts.remove(new Sent(entry, job.id()));
            }
            live.lock.lock();
            try {
                try {
                    late = writeDue(entry, live);
                } catch (RuntimeException away) { // it is looked at again; the outcome is not to be lost for it
                    undue = away;
                }
                land(task, job);
                turn = write(entry, live, job, outcome);
                told = turn != null || live.story != null; // or the log says nothing of the instance for now
                lost = turn == null && isLost(live, job, outcome);
                next = pick(task, entry, live, false);
            } finally {
                if (!told) {
                    told = true;
                    forget(task, entry, live, job); // before anybody else takes it for one that was never dispatched
                }
                Instances.unlock(live);
            }
        } finally {
            if (!told) {
                forget(task, entry, live, job);
            }
        }
        if (undue != null) {
            reports.tell(entry, job.step(), true, undue);
        }
        reports.tellIfParked(entry.saga, entry.key, late);
        tell(entry, job, outcome, turn);
        if (lost) {
            tellOfLost(entry, job);
        }
        return next;
    }

    private static void land(Task task, Job job) {
        job.live().flying.remove(job.act());
        task.job = null;
    }

    /** Sees to it that a command of which nothing was told is dispatched again as one that may have taken effect. */
    private void forget(Task task, Entry entry, Live live, Job job) {
        live.lock.lock();
        try {
            land(task, job);
            live.story = null;
            lock.lock();
            try {
                entry.own = false;
            } finally {
                lock.unlock();
            }
        } finally {
            live.lock.unlock();
        }
    }

    private Outcome dispatch(Job job) {
        Command<?> command = job.command();
        if (command == null) {
            try {
                command = archive.command(job.position());
            } catch (UnknownEventException | UnreadableEventException | Archive.NoCommandException unreadable) {
                return Outcome.stuck(unreadable);
            }
        }
        try {
            return Outcome.returned(bus.dispatch(command, metadata(job)));
        } catch (Throwable thrown) {
            if (Thread.currentThread().isInterrupted() && !isToCount(job)) {
                throw new Abandoned(job.step(), thrown);
            }
            Script.throwIfFatal(thrown);
            return Outcome.thrown(thrown, command, job.unsure());
        }
    }

    /**
     * Counts a command that failed with its thread interrupted, and says whether it was one too many to be dispatched again as
     * if nothing were: a handler may do that by itself, each time.
     */
    private boolean isToCount(Job job) {
        lock.lock();
        try {
            interrupts.keySet().removeIf(sent -> !sent.entry().ready); // told of elsewhere
        } finally {
            lock.unlock();
        }
        return interrupts.merge(new Sent(job.entry(), job.id()), 1, Integer::sum) > expiries;
    }

    private static Metadata metadata(Job job) {
        var cause = job.causation();
        var metadata = Metadata.of(
                cause.isEmpty()
                        ? Map.of(Metadata.ID, job.id(), Metadata.CORRELATION, job.instance())
                        : Map.of(
                                Metadata.ID,
                                job.id(),
                                Metadata.CORRELATION,
                                job.instance(),
                                Metadata.CAUSATION,
                                cause));
        return job.first() ? metadata : metadata.with(Metadata.REPEATED, "true");
    }

    /** Writes what became of a command; a store that fails is tried again, as the command would be dispatched again. */
    private @Nullable Turn<?> write(Entry entry, Live live, Job job, Outcome outcome) {
        for (int attempt = 1; ; attempt++) {
            try {
                return instances.turn(entry, live, (story, trouble) -> told(story, trouble, job, outcome));
            } catch (RuntimeException away) {
                if (attempt == TRIES) {
                    throw away;
                }
            }
        }
    }

    /** With the Live's lock: writes what has become due while a command was dispatched, before what became of that. */
    private @Nullable Turn<?> writeDue(Entry entry, Live live) {
        for (int attempt = 1; ; attempt++) {
            try {
                var story = live.story;
                boolean due = story == null || story.isDue(instances.now(), seen);
                return due ? instances.turn(entry, live, this::due) : null;
            } catch (RuntimeException away) {
                if (attempt == TRIES) {
                    throw away;
                }
            }
        }
    }

    private @Nullable Turn<?> told(Story<?> story, @Nullable Trouble trouble, Job job, Outcome outcome) {
        var act = (job.undo() ? story.undos : story.acts).get(job.step());
        if (act == null || act.attempt != job.attempt()) {
            return null; // somebody else has dispatched it too, and told
        }
        boolean awaited = outcome.cause() == Cause.RETURNED && (act.is(Progress.AGAIN) || act.is(Progress.STUCK));
        if (!act.is(Progress.READY) && !awaited) {
            return null;
        }
        var now = instances.now();
        if (outcome.cause() != Cause.RETURNED && instances.isOthers(story, now)) {
            return null; // who has it dispatches it too, and will know better
        }
        boolean others = act.holders != job.holders() // also if it is here again by now
                || (!story.engine.isEmpty() && !instances.isMine(story.incarnation));
        // another that looked for the id before this one was done may be at it, until it is surely gone
        boolean early = !outcome.isForAll() && job.begun().isBefore(act.others);
        return (others ? outcome.besideOthers() : outcome)
                .told(
                        story,
                        act,
                        !job.first(),
                        early ? act.others : Story.NONE,
                        job.id(),
                        now,
                        archive::nameOf,
                        trouble);
    }

    /** With the Live's lock: says whether a command has taken effect, but the saga has gone on as if it had not. */
    private static boolean isLost(Live live, Job job, Outcome outcome) {
        var story = live.story;
        if (story == null || outcome.cause() != Cause.RETURNED) {
            return false;
        }
        var act = (job.undo() ? story.undos : story.acts).get(job.step());
        return act != null && (act.attempt != job.attempt() || act.is(Progress.FAILED) || act.is(Progress.SKIPPED));
    }

    private void tellOfLost(Entry entry, Job job) {
        var lost = new IllegalStateException("The command " + job.id()
                + " took effect after it was given up on, and nothing undoes that. Was its handler at it for longer than the"
                + " lease, with the engine standing still?");
        reports.tell(entry, job.step(), false, lost);
    }

    private void tell(Entry entry, Job job, Outcome outcome, @Nullable Turn<?> turn) {
        var thrown = outcome.thrown();
        if (turn == null && (thrown == null || !isLeft(entry))) {
            return;
        }
        if (thrown != null) {
            boolean again = turn == null || turn.outputs().stream().anyMatch(output -> output.effect() == Effect.AGAIN);
            reports.tell(entry, job.step(), again, thrown);
        } else {
            reports.tellIfParked(entry.saga, entry.key, turn);
        }
    }

    /** Says whether another engine has it, and what it dispatches. */
    private boolean isLeft(Entry entry) {
        lock.lock();
        try {
            return entry.ready && !instances.isMine(entry.incarnation);
        } finally {
            lock.unlock();
        }
    }

    // ---- holding

    /** Has the instances for longer whose commands take long. */
    private void renew() {
        var seen = new HashSet<Entry>();
        for (var task : tasks) {
            var job = task.job;
            if (job != null
                    && seen.add(job.entry())
                    && isDue(job.entry())
                    && job.live().lock.tryLock()) {
                try {
                    instances.turn(
                            job.entry(),
                            job.live(),
                            (story, trouble) -> !job.live().flying.isEmpty() && instances.isMine(story.incarnation)
                                    ? instances.turn(story, Archive.input(Cause.HELD, ""), Optional.empty(), "")
                                    : null);
                } finally {
                    Instances.unlock(job.live());
                    instances.letGo(job.entry(), job.live());
                }
            }
        }
    }

    private boolean isDue(Entry entry) {
        lock.lock();
        try {
            return instances.isMine(entry.incarnation) && !renewal(entry.until).isAfter(instances.now());
        } finally {
            lock.unlock();
        }
    }

    private Instant renewal(Instant until) {
        return until.minus(instances.renewal());
    }

    // ---- waking

    private void armForRenewal(Job job) {
        alarm.set(instances.now(), job.renewal());
    }

    /** Has the timer wake when the next time comes, or an instance is to be had for longer, unless it does so sooner. */
    private void arm(Instant now) {
        Instant soonest;
        lock.lock();
        try {
            soonest = closed ? null : index.nextDue();
            for (var task : tasks) {
                var job = task.job;
                if (job != null && instances.isMine(job.entry().incarnation)) {
                    var renewal = renewal(job.entry().until);
                    soonest = soonest == null || renewal.isBefore(soonest) ? renewal : soonest;
                }
            }
        } finally {
            lock.unlock();
        }
        if (soonest != null) {
            alarm.set(now, soonest);
        }
    }

    /** With a look: tells if another engine of this name was started since. */
    private void tellOfReplacement() {
        long by = instances.replacedBy();
        if (by > toldOf) {
            toldOf = by;
            reports.tell(
                    false,
                    new IllegalStateException("An engine \"" + instances.name() + "\" was started as incarnation " + by
                            + ", while this one, incarnation " + instances.incarnation()
                            + ", still runs: that one takes over what this one had, which stands aside there, and dispatches"
                            + " what is under way here a second time. Close an engine before the next of its name is started,"
                            + " or give each a name of its own."));
        }
    }
}
