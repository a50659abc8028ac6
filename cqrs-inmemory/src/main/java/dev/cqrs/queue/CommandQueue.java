package dev.cqrs.queue;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
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
 * <p><b>Executor:</b> at most {@code workers} tasks of the queue are in it at once, each of them running commands until
 * there are none; after 1,024, however long they take, it lets other tasks of the executor come in between. If it refuses
 * a task while no other worker is about, up to 64 commands of one key end with what it threw; then it is asked again. If
 * one is about, what is ready waits for that one's command to end, or for a new key, with which the executor is asked
 * again; the same holds where it runs a task at once on the thread of a handler that enqueues. One that runs its tasks at
 * once on the thread of another caller does so within {@code enqueue}, which returns when nothing is ready any more,
 * whoever enqueued it. One that drops a task and says nothing, as after {@code shutdownNow()}, stops the queue until it
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

    /** In `state`, beside the count of commands accepted. */
    private static final long CLOSED = Long.MIN_VALUE;

    /*
     * Mailboxes. A key has one while it has commands waiting or running. Enqueuing puts a command there in exchange for the last
     * one and links it behind that; if the key has no mailbox, a new one with this command is ready. Who has run a command goes
     * on with the one linked behind; if there is none he leaves the mailbox, by an exchange that happens only if this still is
     * the last command, and removes it. Who finds it left makes another. So a key is run by one worker at a time, and what is
     * not in use leaves nothing behind.
     *
     * Ready. The list of mailboxes, the idle workers and their number are guarded by `lock`, which is held briefly (for a sum
     * over the workers at most) and never while foreign code runs. Whenever a mailbox is ready, a worker is looking for work,
     * or all are busy: whoever makes it ready, stops looking, or takes one of several, starts another one if need be. Not so
     * where the executor refused it: then a worker that is busy will look, or who makes another mailbox ready.
     *
     * Workers. One is idle, handed over to the executor, or run by a thread. It becomes idle or handed over with the lock held,
     * so who closes the queue and finds something ready either takes one, or is told by those that are busy.
     *
     * Room. `state` counts what was accepted, each worker what it has freed; who finds the difference too large by an
     * earlier sum adds up anew. A worker frees first and looks at `roomWanted` then; a waiter sets it first.
     */

    private final CommandBus bus;
    private final Keys keys;
    private final int capacity;
    private final WhenFull whenFull;
    private final @Nullable Supplier<UnaryOperator<Runnable>> context;
    private final Consumer<? super QueueFailure> listener;

    private final ConcurrentHashMap<Object, Mailbox> mailboxes = new ConcurrentHashMap<>();

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition room = lock.newCondition();
    private final Condition rested = lock.newCondition();
    private volatile @Nullable Mailbox firstReady;
    private @Nullable Mailbox lastReady;
    private final List<Worker> idle;
    private final AtomicInteger searching = new AtomicInteger();

    private final List<Worker> workers;

    private final AtomicLong state = new AtomicLong();
    private volatile long freedSeen;
    private volatile boolean roomWanted;
    private final LongAdder failed = new LongAdder();
    private final LongAdder refused = new LongAdder();

    /** What becomes of a caller who enqueues when the queue is full. */
    public enum WhenFull {
        /** The caller waits until there is room, or is interrupted. */
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
            all.add(new Worker(this, builder.executor));
        }
        this.idle = new ArrayList<>(all);
        this.workers = List.copyOf(all);
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
     * <p>If it throws, the command was not accepted and will not be dispatched.
     *
     * @param <R> the type of the result
     * @param command never {@code null}
     * @param metadata handed to the bus, never {@code null}
     * @return the result to come, or what the bus throws; if the executor refuses, what it throws
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
        Mailbox own;
        try {
            task = new Task<>(command, metadata, captured());
            own = key == null ? new Mailbox(null, task) : put(key, task);
        } catch (Throwable broken) { // a context or a key that fails, or no memory
            takeBack();
            throw broken;
        }
        if (own != null) {
            makeReady(own);
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
        long accepted = accepted(state.get());
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
        state.getAndUpdate(before -> before | CLOSED);
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
            long now = state.get();
            if (now < 0 && inside() == null) {
                throw new IllegalStateException("The queue is closed and did not accept a "
                        + command.getClass().getName()
                        + "; expected an open one. Handlers that run while it drains may still enqueue.");
            }
            if (hasRoom(now) ? state.compareAndSet(now, now + 1) : mayPass(command)) {
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
                state.getAndIncrement();
                return true;
            }
            throw full(
                    command,
                    "A handler, and what depends on its result, does not wait for the queue that runs it, which lends"
                            + " it one place more; dispatch the rest on the bus, or allow more.");
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
                long now = state.get();
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

    /** Never more than it is, as each worker's only grows. */
    private long freed() {
        long sum = 0;
        for (var worker : workers) {
            sum += worker.freed();
        }
        return sum;
    }

    private @Nullable UnaryOperator<Runnable> captured() {
        return context == null ? null : Objects.requireNonNull(context.get(), "the captured context");
    }

    /** A command that was counted is not enqueued after all. */
    private void takeBack() {
        if (state.getAndDecrement() < 0) {
            lock();
            try {
                rested.signalAll(); // who closes may have waited for this one
            } finally {
                lock.unlock();
            }
        }
        signalRoom();
    }

    /** Puts a command into the mailbox of its key; gives the mailbox if it is a new one. */
    private @Nullable Mailbox put(Object key, Task<?> task) {
        for (; ; ) {
            var mailbox = mailboxes.get(key);
            if (mailbox == null) {
                var own = new Mailbox(key, task);
                mailbox = mailboxes.putIfAbsent(key, own);
                if (mailbox == null) {
                    return own;
                }
            }
            if (mailbox.add(task)) {
                return null;
            }
            mailboxes.remove(key, mailbox); // it was left, and is about to be removed
        }
    }

    private void makeReady(Mailbox mailbox) {
        Worker start;
        lock();
        try {
            append(mailbox);
            start = another();
        } finally {
            lock.unlock();
        }
        if (start != null) {
            start.start();
        }
    }

    // ---- for workers

    /** The worker that the current thread is, if it is one. */
    @Nullable
    Worker inside() {
        var current = Thread.currentThread();
        for (var worker : workers) {
            if (worker.isRunBy(current)) {
                return worker;
            }
        }
        return null;
    }

    /**
     * Marks a worker that has run long as handed over to the executor, to let others of the executor come in between; gives
     * whether it did. Not if nothing is ready, or when closing, since an executor may be closed as well.
     */
    boolean handOver(Worker worker) {
        lock();
        try {
            boolean over = firstReady != null && state.get() >= 0;
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
        try {
            listener.accept(new QueueFailure(command, metadata, cause));
        } catch (Throwable thrown) {
            tell(thrown);
        }
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
        return firstReady != null;
    }

    /** How many keys have commands. */
    int keysInUse() {
        return mailboxes.size();
    }

    /** After a mailbox was left. */
    void remove(Mailbox mailbox) {
        var key = mailbox.key;
        if (key != null) {
            try {
                mailboxes.remove(key, mailbox);
            } catch (Throwable broken) { // a key that cannot be compared: what was left stays there and does no harm
                tell(broken);
            }
        }
    }

    /** Tells what nobody else is told. */
    static void tell(Throwable thrown) {
        var current = Thread.currentThread();
        try {
            current.getUncaughtExceptionHandler().uncaughtException(current, thrown);
        } catch (Throwable handler) { // as the virtual machine does: there is nobody left to be told
        }
    }

    /** Puts back what is to go on later, by the same worker or another. */
    void again(Mailbox mailbox) {
        lock();
        try {
            append(mailbox);
        } finally {
            lock.unlock();
        }
    }

    /** Gives what is ready first, and sees to it that what is ready behind it is not left alone. */
    @Nullable
    Mailbox next(Worker worker) {
        Mailbox first;
        Worker start = null;
        lock();
        try {
            first = poll();
            if (first != null) {
                stopSearching(worker);
                start = another();
            }
        } finally {
            lock.unlock();
        }
        if (start != null) {
            start.start();
        }
        return first;
    }

    void search(Worker worker) {
        worker.searching = true;
        searching.getAndIncrement();
    }

    private void stopSearching(Worker worker) {
        if (worker.searching) {
            worker.searching = false;
            searching.getAndDecrement();
        }
    }

    /** A worker that was looking for work has found some elsewhere; others may have relied on it. */
    void found(Worker worker) {
        stopSearching(worker);
        if (hasReady()) {
            startAnother();
        }
    }

    private void startAnother() {
        Worker start;
        lock();
        try {
            start = another();
        } finally {
            lock.unlock();
        }
        if (start != null) {
            start.start();
        }
    }

    /** Gives a worker back unless there is something for it to do. */
    boolean rest(Worker worker) {
        lock();
        try {
            if (firstReady != null) {
                return false;
            }
            putBack(worker);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** The same for one that the executor has refused: otherwise it is to be handed over once more. */
    boolean asksAgain(Worker worker) {
        lock();
        try {
            if (firstReady == null) {
                putBack(worker);
                return false;
            }
            search(worker);
            worker.handOver();
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
    Mailbox nextOfLast(Worker worker) {
        lock();
        try {
            boolean alone = idle.size() == workers.size() - 1;
            var first = alone ? poll() : null;
            if (first == null) {
                putBack(worker);
            } else {
                stopSearching(worker); // others ask the executor themselves meanwhile
            }
            return first;
        } finally {
            lock.unlock();
        }
    }

    // ---- with `lock` held

    private void append(Mailbox mailbox) {
        if (lastReady == null) {
            firstReady = mailbox;
        } else {
            lastReady.nextReady = mailbox;
        }
        lastReady = mailbox;
        if (state.get() < 0) {
            rested.signalAll(); // who closes may be the only one who can run it
        }
    }

    private @Nullable Mailbox poll() {
        var first = firstReady;
        if (first != null) {
            var second = first.nextReady;
            first.nextReady = null;
            firstReady = second;
            if (second == null) {
                lastReady = null;
            }
        }
        return first;
    }

    /** A worker that is to be started by the caller, with the lock released, for what is ready and nobody looks for. */
    private @Nullable Worker another() {
        if (firstReady == null || idle.isEmpty() || searching.get() > 0) {
            return null;
        }
        var worker = idle.remove(idle.size() - 1);
        search(worker);
        worker.handOver();
        return worker;
    }

    private void putBack(Worker worker) {
        stopSearching(worker);
        worker.rest();
        idle.add(worker);
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
        return ended == accepted(state.get());
    }

    /** Gives a worker that nobody runs, once something is ready; none when all is done. */
    private @Nullable Worker helper() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (!isDrained()) {
                var worker = firstReady == null ? null : notRun();
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
            return idle.remove(idle.size() - 1);
        }
        for (var worker : workers) {
            if (worker.begin()) {
                return worker;
            }
        }
        return null;
    }

    private void help(Worker worker) throws InterruptedException {
        boolean interrupted = worker.help();
        Worker start;
        lock();
        try {
            putBack(worker);
            start = another();
        } finally {
            lock.unlock();
        }
        if (start != null) {
            start.start();
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
         *     {@code hashCode} that do not change, such as the id of an account; never {@code null}
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
