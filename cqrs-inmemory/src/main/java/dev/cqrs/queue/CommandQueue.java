package dev.cqrs.queue;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.task.Listeners;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Accepts commands now and has them dispatched soon, on the caller's executor: in order per key, in parallel across keys.
 *
 * <pre>{@code
 * try (var queue = CommandQueue.to(bus, executor, failure -> log(failure))
 *         .key(AccountCommand.class, AccountCommand::account)
 *         .capacity(1_000)
 *         .whenFull(WhenFull.REFUSE)
 *         .build()) {
 *     queue.enqueue(new Deposit("alice", 100)).thenAccept(done -> log("deposited"));
 * }
 * }</pre>
 *
 * <p><b>Order:</b> commands with equal keys are dispatched one after the other, in the order in which they were enqueued;
 * one of them that fails does not stop those behind it. A key whose handler takes long holds up no other while there is a
 * worker left, and one with many commands lets others come in between after 64. Commands without a key
 * have no order and run in parallel.
 *
 * <p><b>Results:</b> each command's stage ends with the handler's result, or exceptionally with exactly what the bus threw.
 * What depends on the stage runs on the worker's thread, and the key waits for it. Who completes, obtrudes or cancels the
 * stage himself does not stop the command. Who drops it loses no failure: the listener is told of each.
 *
 * <p><b>Bound:</b> at most {@code capacity} commands, of all keys, are waiting and running. At the bound a caller waits for
 * room or is refused, as the builder was told. A handler that enqueues, and what depends on a result, never waits for the
 * queue that runs it: the command lends its own place, once; further ones are refused. (So there may be two more for each
 * worker.) A handler that enqueues several is to be ready for that, which comes only under load: catch the
 * {@link QueueFullException} and dispatch that one on the bus. What it has enqueued runs also if it fails itself.
 *
 * <p><b>Memory:</b> 40 bytes for each command that waits, 48 with a context, beside the command, its metadata and what was captured; some
 * 40 more for each key that is in use. Up to 1,024 keys that are not, or twice as many as are, are kept until all workers rest, with the
 * stage of their last command: some 80 bytes and its result.
 *
 * <p><b>Executor:</b> at most {@code workers} tasks of the queue are in it at once, each of them running commands until
 * there are none; after 1,024, however long they take, it lets other tasks of the executor come in between. If it refuses
 * a task while no other worker is about, up to 64 commands of one key end with what it threw; then it is asked again, by
 * the same caller, for as long as something is ready and it refuses, whoever enqueued it. If
 * one is about, what is ready waits for that one's command to end, for up to 64 if more of its key wait,
 * or for who enqueues next, upon which the executor is asked again; the same holds where it runs a task at once on the thread of a handler that enqueues. One that runs its
 * tasks at once on the thread of another caller does so within {@code enqueue}, which returns when nothing is ready any
 * more, whoever enqueued it. One that drops a task and says nothing, as after {@code shutdownNow()}, stops the queue until it
 * is closed. Close the queue before the executor.
 *
 * <p><b>Context:</b> a task of the executor runs the commands of many callers, on behalf of the one who happened to start
 * it. So the executor is to be one that carries no identity, trace or inheritable thread-local from who calls it; what a
 * command needs of these is carried by {@link Builder#context}.
 *
 * <p><b>Interrupts:</b> one that hits a handler ends with that command: the next one does not see it, and the flag is set
 * again when the worker leaves the thread.
 *
 * <p><b>Beware</b> of waiting, in a handler or in another task of the executor, for a command of the same queue or for room
 * in it: with all threads waiting nobody is left to run it. Dispatch it on the bus instead.
 *
 * <p><b>Threads:</b> thread-safe. Starts none.
 */
public final class CommandQueue implements AutoCloseable {

    /** How often the lock is tried before the thread sleeps: it is held for less than waking takes. */
    private static final int TRIES = 64;

    /** Where in an array that is long enough for the place to have its cache line to itself, and how far from the next. */
    private static final int OWN_LINE = 16;

    /** In `state`, beside the count of commands accepted. */
    private static final long CLOSED = Long.MIN_VALUE;

    /*
     * Arrivals. Enqueuing adds a command to one list that is taken as a whole, and writes to nothing else. Who looks for work
     * takes it and, with `lock` held, puts each command behind the last one of its key, by an exchange that happens only if
     * that one was not left; if it was, the command is ready. Who has run a command goes on with the one behind it, without the
     * lock; if there is none he leaves it, by an exchange that happens only if there still is none. So a key is run by one
     * worker at a time. The last command of a key that is not in use is kept for a while: see Backlog.
     *
     * Lock. It guards the keys, the list of those that are ready, the idle workers and their number, and is held while as many
     * commands are sorted as have arrived. No foreign code runs then but `hashCode` and `equals` of keys.
     *
     * Ready. Whenever a command has arrived or is ready, a worker is looking for work, or all are busy: who adds one looks
     * whether that is so then, who stops looking or rests looks once more after he has said so, and who takes one of several
     * starts another worker if one rests. Not so where the executor refused it: then a worker that is busy will look, or who
     * enqueues next.
     *
     * Workers. One is idle, handed over to the executor, or run by a thread. It becomes idle or handed over with the lock held,
     * so who closes the queue and finds something ready either takes one, or is told by those that are busy.
     *
     * Room. `state` counts what was accepted, `freed` what needs no place any more; who finds the difference too large by an
     * earlier sum adds up anew. A worker frees first and looks at `roomWanted` then; a waiter sets it first.
     */

    private final CommandBus bus;
    private final Keys keys;
    private final int capacity;
    private final WhenFull whenFull;
    private final @Nullable Supplier<UnaryOperator<Runnable>> context;
    private final Consumer<? super QueueFailure> listener;

    private final Arrivals arrivals = new Arrivals();

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition room = lock.newCondition();
    private final Condition rested = lock.newCondition();
    private final Backlog backlog = new Backlog(arrivals);
    private final List<Worker> idle;
    private volatile int resting;
    private final AtomicIntegerArray searching = new AtomicIntegerArray(2 * OWN_LINE + 1);

    private final List<Worker> workers;
    private final ConcurrentHashMap<Thread, Worker> running = new ConcurrentHashMap<>();

    private final AtomicLongArray state = new AtomicLongArray(2 * OWN_LINE + 1);
    private final int lines;
    private final AtomicLongArray freed;
    private volatile long freedSeen;
    private volatile boolean roomWanted;
    private final LongAdder failed = new LongAdder();
    private final LongAdder refused = new LongAdder();

    /** What becomes of a caller who enqueues when the queue is full. */
    public enum WhenFull {
        /** The caller waits until there is room, or is interrupted; callers that wait keep no order. */
        WAIT,
        /** The caller gets a {@link QueueFullException}. */
        REFUSE
    }

    private CommandQueue(Builder builder) {
        this.bus = builder.bus;
        this.keys = new Keys(builder.keys);
        this.capacity = builder.capacity;
        this.whenFull = builder.whenFull;
        this.context = builder.context;
        this.listener = builder.listener;
        var all = new ArrayList<Worker>();
        for (int i = 0; i < builder.workers; i++) {
            all.add(new Worker(this, builder.executor, i));
        }
        this.lines = Math.min(builder.workers, 2 * Runtime.getRuntime().availableProcessors());
        this.freed = new AtomicLongArray((lines + 1) * OWN_LINE);
        this.idle = new ArrayList<>(all);
        this.workers = List.copyOf(all);
        this.resting = idle.size();
    }

    /**
     * Begins a queue.
     *
     * @param bus dispatches the commands
     * @param executor runs the dispatching; stays open when the queue is closed
     * @param listener told of each accepted command that ends with an exception, whether or not anybody looks at its stage:
     *     once, before the stage ends, on the thread that ends it, with no lock held; what it throws goes to that thread's
     *     handler of uncaught exceptions
     * @return a builder of a queue without keys
     */
    public static Builder to(CommandBus bus, Executor executor, Consumer<? super QueueFailure> listener) {
        return new Builder(bus, executor, listener);
    }

    /**
     * Accepts {@code command} without metadata, otherwise as {@link #enqueue(Command, Metadata)}.
     *
     * @param <R> the type of the result
     * @param command never {@code null}
     * @return the result to come
     * @throws QueueFullException if the queue is full and does not wait, or the thread is interrupted while it waits
     * @throws IllegalStateException if the queue is closed
     */
    public <R> CompletionStage<R> enqueue(Command<R> command) {
        return enqueue(command, Metadata.none());
    }

    /**
     * Accepts {@code command}, to be dispatched soon.
     *
     * <p>If it throws, the command was not accepted and will not be dispatched. Function and {@code hashCode} of the key, and
     * the capture of the context, are called on this thread, which gets what they throw.
     *
     * @param <R> the type of the result
     * @param command never {@code null}
     * @param metadata handed to the bus, never {@code null}
     * @return the result to come, or what the bus throws; if the executor refuses, what it throws; if the key cannot be
     *     compared, what that throws
     * @throws QueueFullException if the queue is full and does not wait, or the thread is interrupted while it waits: its
     *     flag is set again, and whoever tries once more without clearing it gets the same
     * @throws IllegalStateException if the queue is closed; while it drains, handlers may still enqueue
     * @throws IllegalArgumentException if two functions for the key fit equally well
     * @throws NullPointerException if an argument or the key is {@code null}
     */
    public <R> CompletionStage<R> enqueue(Command<R> command, Metadata metadata) {
        Objects.requireNonNull(command, "command");
        Objects.requireNonNull(metadata, "metadata");
        var key = keys.of(command);
        accept(command);
        Task<R> task;
        try {
            task = context == null
                    ? new Task<>(command, metadata, key)
                    : new Task.Carrying<>(command, metadata, key, captured(context));
            arrivals.add(task);
        } catch (Throwable broken) { // a context or a key that fails, or no memory
            takeBack();
            throw broken;
        }
        try {
            if (isUnattended()) {
                startAnother();
            }
        } catch (Throwable broken) { // the command is accepted by now, and waits for who enqueues next
            Listeners.hand(broken);
        }
        return task;
    }

    /**
     * Tells how the queue stands.
     *
     * @return a value; later changes do not reach it
     */
    public QueueStatus status() {
        long freed = freed(); // in this order: what was freed was begun, and what was begun was accepted
        long begun = workers.stream().mapToLong(Worker::begun).sum();
        long accepted = accepted(state.get(OWN_LINE));
        return new QueueStatus(
                accepted, Math.max(0, accepted - begun), Math.max(0, begun - freed), failed.sum(), refused.sum());
    }

    /**
     * Accepts no more commands, and returns when all that were accepted have told their outcome.
     *
     * <p>The closing thread helps, in the place of a worker that is not running: it dispatches what waits too, so that it does
     * not depend on the executor, and no more commands run at once than otherwise. Handlers that run meanwhile may enqueue,
     * and that is waited for as well; for ever, if each enqueues the next one. Callers that wait for room are refused.
     *
     * <p>If the thread is interrupted it returns before, its flag set; what was accepted still runs on the executor, and
     * another call waits for it. If that hits a command which it helps with, it is that command's, as on any worker's thread.
     * Called from within a handler, or from what depends on a result, it returns at once: it would wait for itself. A further
     * call does nothing but wait for what is left.
     */
    @Override
    public void close() {
        state.getAndUpdate(OWN_LINE, before -> before | CLOSED);
        lock();
        try {
            room.signalAll();
        } finally {
            lock.unlock();
        }
        if (inside() != null) {
            return;
        }
        try {
            for (var worker = helper(); worker != null; worker = helper()) {
                help(worker);
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- accepting

    private void accept(Command<?> command) {
        for (; ; ) {
            long now = state.get(OWN_LINE);
            if (now < 0 && inside() == null) {
                throw new IllegalStateException("The queue is closed and did not accept a "
                        + command.getClass().getName()
                        + "; expected an open one. Handlers that run while it drains may still enqueue.");
            }
            if (hasRoom(now) ? state.compareAndSet(OWN_LINE, now, now + 1) : mayPass(command)) {
                return;
            }
        }
    }

    private boolean hasRoom(long state) {
        long accepted = accepted(state);
        if (accepted - freedSeen < capacity) {
            return true;
        }
        long freed = freed();
        freedSeen = freed;
        return accepted - freed < capacity;
    }

    /** At the bound: gives whether the command is accepted all the same, or it is worth while to look again. */
    private boolean mayPass(Command<?> command) {
        var own = inside();
        if (own != null) {
            if (own.lend()) {
                state.getAndIncrement(OWN_LINE);
                return true;
            }
            throw full(
                    command,
                    "A handler, and what depends on its result, does not wait for the queue that runs it, which lends"
                            + " it one place more; dispatch the rest on the bus, or allow more.");
        }
        if (hasReady() && isUnattended()) { // the executor has refused, and may do so no longer
            startAnother();
            if (hasRoom(state.get(OWN_LINE))) {
                return false;
            }
        }
        if (whenFull == WhenFull.REFUSE) {
            throw full(command, "Try again later, send less, or allow more.");
        }
        try {
            awaitRoom();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw full(
                    command,
                    "The thread was interrupted while it waited for room, and its flag is set again: stop, or clear it"
                            + " before you try again.");
        }
        return false;
    }

    private QueueFullException full(Command<?> command, String why) {
        refused.increment();
        return new QueueFullException(command.getClass(), capacity, why);
    }

    private void awaitRoom() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            for (; ; ) {
                roomWanted = true; // before it looks
                long now = state.get(OWN_LINE);
                if (now < 0 || hasRoom(now)) {
                    return;
                }
                room.await();
            }
        } finally {
            lock.unlock();
        }
    }

    private static long accepted(long state) {
        return state & ~CLOSED;
    }

    /** Never more than it is, as each part only grows. */
    private long freed() {
        long sum = 0;
        for (int line = 1; line <= lines; line++) {
            sum += freed.get(line * OWN_LINE);
        }
        return sum;
    }

    /** A command needs no place any more; several workers share a count only where there are more of them than processors. */
    void free(int worker) {
        freed.getAndIncrement((worker % lines + 1) * OWN_LINE);
    }

    private static UnaryOperator<Runnable> captured(Supplier<UnaryOperator<Runnable>> context) {
        return Objects.requireNonNull(context.get(), "the captured context");
    }

    /** A command that was counted is not enqueued after all. */
    private void takeBack() {
        if (state.getAndDecrement(OWN_LINE) < 0) {
            lock();
            try {
                rested.signalAll(); // who closes may have waited for this one
            } finally {
                lock.unlock();
            }
        }
        signalRoom();
    }

    /** Whether nobody will look for what has arrived, unless he is started. */
    private boolean isUnattended() {
        return (resting > 0 && searching.get(OWN_LINE) == 0) || isClosed();
    }

    // ---- for workers

    /** The worker that the current thread is, if it is one. */
    @Nullable
    Worker inside() {
        return running.get(Thread.currentThread());
    }

    void enter(Worker worker, Thread thread) {
        running.put(thread, worker);
    }

    void leave(Worker worker, Thread thread) {
        running.remove(thread, worker);
    }

    /**
     * Marks a worker that has run long as handed over to the executor, to let others of the executor come in between; gives
     * whether it did. Not if nothing is ready, or when closing, since an executor may be closed as well.
     */
    boolean handOver(Worker worker) {
        lock();
        try {
            boolean over = isReady() && !isClosed();
            if (over) {
                worker.handOver();
            }
            return over;
        } finally {
            lock.unlock();
        }
    }

    <R> R dispatch(Task<R> task) {
        var command = Objects.requireNonNull(task.command);
        R result = bus.dispatch(command, Objects.requireNonNull(task.metadata));
        if (result == null) {
            throw new NullPointerException(
                    "The bus answered a " + command.getClass().getName() + " with null; expected a result.");
        }
        return result;
    }

    void failed(Command<?> command, Metadata metadata, Throwable cause) {
        failed.increment();
        Listeners.tell(listener, new QueueFailure(command, metadata, cause), cause);
    }

    /** After a place has become free. */
    void signalRoom() {
        if (roomWanted) {
            lock();
            try {
                room.signal();
                roomWanted = lock.hasWaiters(room);
            } finally {
                lock.unlock();
            }
        }
    }

    boolean hasReady() {
        return backlog.hasSome();
    }

    /** How many keys are remembered. */
    int keys() {
        lock();
        try {
            return backlog.keys();
        } finally {
            lock.unlock();
        }
    }

    /** Puts back what is to go on later, by the same worker or another, behind all that has arrived. */
    void again(Task<?> task) {
        lock();
        try {
            sort();
        } finally {
            backlog.append(task);
            if (isClosed()) {
                rested.signalAll();
            }
            lock.unlock();
        }
    }

    /** Gives what is ready first, and sees to it that what is ready behind it is not left alone. */
    @Nullable
    Task<?> next(Worker worker) {
        Task<?> first = null;
        Worker start = null;
        lock();
        try {
            stopSearching(worker);
            if (isReady()) {
                first = backlog.poll();
                worker.taken = first;
                start = another();
            }
        } finally {
            lock.unlock();
        }
        start(start);
        return first;
    }

    void search(Worker worker) {
        searching.getAndIncrement(OWN_LINE);
        worker.searching = true;
    }

    private void stopSearching(Worker worker) {
        if (worker.searching) {
            worker.searching = false;
            searching.getAndDecrement(OWN_LINE);
        }
    }

    void startAnother() {
        Worker start;
        lock();
        try {
            sort();
            start = another();
        } finally {
            lock.unlock();
        }
        start(start);
    }

    /** Starts a worker for one who goes on with something else, whatever becomes of it. */
    private void start(@Nullable Worker worker) {
        if (worker == null) {
            return;
        }
        try {
            worker.start();
        } catch (Throwable broken) {
            worker.begin(); // if it was not even handed over
            recover(worker, broken);
        }
    }

    /**
     * Gives a worker back, with what it was about to run, after an error between two commands, as for want of stack or memory;
     * unless it is another thread's by now.
     */
    void recover(Worker worker, Throwable broken) {
        lock();
        try {
            if (worker.isRunHere()) {
                putBack(worker);
            }
        } finally {
            lock.unlock();
        }
        Listeners.hand(broken);
    }

    /** Gives a worker back unless there is something for it to do. */
    boolean rest(Worker worker) {
        lock();
        try {
            boolean may = mayRest();
            if (may) {
                putBack(worker);
            }
            return may;
        } finally {
            lock.unlock();
        }
    }

    /** The same for one that the executor has refused: otherwise it is to be handed over once more. */
    boolean asksAgain(Worker worker) {
        lock();
        try {
            if (mayRest()) {
                putBack(worker);
                return false;
            }
            search(worker);
            worker.handOver();
            if (isClosed()) {
                rested.signalAll(); // the executor may have no thread for it, but who closes has
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Gives a worker back whose thread is another worker's, who looks for what is ready before it rests. */
    void giveBack(Worker worker) {
        lock();
        try {
            putBack(worker);
        } finally {
            lock.unlock();
        }
    }

    /** Gives what is ready if no other worker is there; otherwise gives the worker back. */
    @Nullable
    Task<?> nextOfLast(Worker worker) {
        lock();
        try {
            stopSearching(worker); // others ask the executor themselves meanwhile
            boolean alone = idle.size() == workers.size() - 1;
            if (!alone || mayRest()) {
                putBack(worker);
                return null;
            }
            worker.taken = backlog.poll();
            return worker.taken;
        } finally {
            lock.unlock();
        }
    }

    // ---- with `lock` held

    private void sort() {
        if (backlog.sort() && isClosed()) {
            rested.signalAll(); // who closes may be the only one who can run it
        }
    }

    private boolean isClosed() {
        return state.get(OWN_LINE) < 0;
    }

    /** Whether something is ready, once what has arrived is sorted. */
    private boolean isReady() {
        sort();
        return backlog.hasReady();
    }

    /** Whether there is nothing to do for one more that says it rests. */
    private boolean mayRest() {
        resting = idle.size() + 1; // before it looks
        boolean may = !isReady();
        if (!may) {
            resting = idle.size();
        }
        return may;
    }

    /** A worker that is to be started by the caller, with the lock released, for what is ready and nobody looks for. */
    private @Nullable Worker another() {
        if (!backlog.hasReady() || idle.isEmpty() || searching.get(OWN_LINE) > 0) {
            return null;
        }
        var worker = takeIdle();
        search(worker);
        worker.handOver();
        return worker;
    }

    private void putBack(Worker worker) {
        stopSearching(worker);
        var taken = worker.taken;
        if (taken != null) { // and not begun
            worker.taken = null;
            backlog.append(taken);
        }
        worker.rest();
        idle.add(worker);
        resting = idle.size();
        if (resting == workers.size() && !backlog.hasSome()) {
            backlog.clear();
        }
        rested.signalAll();
    }

    private void lock() {
        for (int i = 0; i < TRIES; i++) {
            if (lock.tryLock()) {
                return;
            }
            Thread.onSpinWait();
        }
        lock.lock();
    }

    // ---- closing

    /** Whether all that was accepted has told its outcome. */
    private boolean isDrained() {
        long ended = 0;
        for (var worker : workers) {
            ended += worker.ended();
        }
        return ended == accepted(state.get(OWN_LINE));
    }

    /** Gives a worker that nobody runs, once something is ready; none when all is done. */
    private @Nullable Worker helper() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (!isDrained()) {
                var worker = isReady() ? notRun() : null;
                if (worker != null) {
                    return worker;
                }
                rested.await();
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** One that rests, or is in the executor, which may have no thread for it. */
    private @Nullable Worker notRun() {
        if (!idle.isEmpty()) {
            return takeIdle();
        }
        for (var worker : workers) {
            if (worker.begin()) {
                return worker;
            }
        }
        return null;
    }

    private Worker takeIdle() {
        var worker = idle.remove(idle.size() - 1);
        resting = idle.size();
        return worker;
    }

    private void help(Worker worker) throws InterruptedException {
        boolean interrupted = true; // it goes no further either if something escapes
        Worker start;
        try {
            interrupted = worker.help();
        } finally {
            lock();
            try {
                putBack(worker);
                sort();
                start = interrupted ? another() : null; // otherwise it looks once more itself
            } finally {
                lock.unlock();
            }
            start(start);
        }
        if (interrupted) {
            throw new InterruptedException();
        }
    }

    /**
     * Says how a queue works.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final CommandBus bus;
        private final Executor executor;
        private final Consumer<? super QueueFailure> listener;
        private final Map<Class<?>, Function<Object, Object>> keys = new LinkedHashMap<>();
        private final List<String> faults = new ArrayList<>();
        private int capacity = 10_000;
        private int workers = Runtime.getRuntime().availableProcessors();
        private WhenFull whenFull = WhenFull.WAIT;
        private @Nullable Supplier<UnaryOperator<Runnable>> context;

        private Builder(CommandBus bus, Executor executor, Consumer<? super QueueFailure> listener) {
            this.bus = Objects.requireNonNull(bus, "bus");
            this.executor = Objects.requireNonNull(executor, "executor");
            this.listener = Objects.requireNonNull(listener, "listener");
        }

        /**
         * Gives the commands of a class, or of an interface such as the root of a sealed family, a key. The function of the
         * nearest class holds; that of {@code Command.class} is for all that have no other.
         *
         * <p>A class without a key keeps no order, also not with others of the same thing. So give the key to the root of a
         * family, and where each class is to have one, give {@code Command.class} a function that throws: the caller gets it.
         *
         * @param <C> the class
         * @param type the class
         * @param key gives what says which commands keep their order, across all classes: a value with {@code equals} and
         *     {@code hashCode} that do not change, such as the id of an account; never {@code null}. These two are called
         *     with a lock held, on any thread that enqueues or runs commands: they are quick, take no lock and do not
         *     call the queue.
         *     The same holds for {@code compareTo}, if it has one. Who enqueues calls {@code hashCode} first with no
         *     lock held, and gets what it throws; what is thrown later is the command's failure, whoever calls it. A key
         *     is kept with its last command for a while
         * @return this builder
         */
        public <C extends Command<?>> Builder key(Class<C> type, Function<? super C, ?> key) {
            Objects.requireNonNull(type, "type");
            Objects.requireNonNull(key, "key");
            if (keys.putIfAbsent(type, command -> key.apply(type.cast(command))) != null) {
                faults.add(type.getName() + " is given two keys; expected one. Remove one.");
            }
            return this;
        }

        /**
         * Bounds the queue.
         *
         * @param commands how many may wait and run at once, of all keys; 10,000 unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than one
         */
        public Builder capacity(int commands) {
            this.capacity = positive("capacity", commands);
            return this;
        }

        /**
         * Says what becomes of a caller when the queue is full.
         *
         * @param whenFull waiting or being refused; {@link WhenFull#WAIT} unless it is said
         * @return this builder
         */
        public Builder whenFull(WhenFull whenFull) {
            this.whenFull = Objects.requireNonNull(whenFull, "whenFull");
            return this;
        }

        /**
         * Says how many tasks of the queue are in the executor at once at most, and so how many commands run in parallel, also
         * while the queue is being closed. With one, commands run one at a time, but not always on the same thread.
         *
         * @param tasks one or more; as many as there are processors unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than one
         */
        public Builder workers(int tasks) {
            this.workers = positive("number of workers", tasks);
            return this;
        }

        /**
         * Carries a context from the enqueuing thread to the one that dispatches, such as that of a logger or of tracing.
         *
         * @param capture called once a command, when there is room, on the enqueuing thread, which gets what it throws;
         *     gives what wraps the dispatch so that the context is there while it runs, and only then; what that throws
         *     before is the command's failure, afterwards it goes to the thread's handler of uncaught exceptions
         * @return this builder
         */
        public Builder context(Supplier<UnaryOperator<Runnable>> capture) {
            this.context = Objects.requireNonNull(capture, "capture");
            return this;
        }

        /**
         * Makes the queue.
         *
         * @return never {@code null}; close it
         * @throws WiringException if a class is given two keys
         */
        public CommandQueue build() {
            if (!faults.isEmpty()) {
                throw new WiringException("CommandQueue", faults);
            }
            return new CommandQueue(this);
        }

        private static int positive(String what, int number) {
            if (number < 1) {
                throw new IllegalArgumentException("The " + what + " is " + number + "; expected one or more.");
            }
            return number;
        }
    }
}
