package dev.cqrs.queue;

import dev.cqrs.task.Listeners;
import dev.cqrs.task.Trampoline;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * One of the tasks that a queue has in its executor: runs commands until there are none, then leaves the thread. Who closes
 * the queue runs one as well.
 *
 * <p>Its fields belong to the thread that runs it, and to the queue's lock while none does.
 */
final class Worker implements Runnable {

    /** How many commands of one key are run before another key has its turn. */
    static final int TURN = 64;

    /** How many commands a task runs before others of the executor come in between. */
    static final int COMMANDS_A_TASK = 1_024;

    /** How often an idle worker looks for work before it leaves: for some microseconds, less than to be woken takes. */
    private static final int LOOKS = Runtime.getRuntime().availableProcessors() == 1 ? 0 : 24;

    private static final int BETWEEN_LOOKS = 16;

    /** Where in the counts, which fill cache lines that no other worker writes to. */
    private static final int BEGUN = 16;

    private static final int ENDED = 17;
    private static final int LENGTH = 33;

    private final CommandQueue queue;
    private final Executor executor;
    private final AtomicLongArray counts = new AtomicLongArray(LENGTH);

    private final int number;
    private @Nullable Thread thread;

    /** Who is just handing it to the executor, which may run it on that thread at once. */
    private final AtomicReference<@Nullable Thread> starter = new AtomicReference<>();

    /**
     * Whether the executor has it, or is about to, and nobody has begun to run it. Set under the queue's lock; who resets it
     * runs it. An executor that throws may have the task all the same, and runs it some time later: by then it is another's.
     */
    private final AtomicBoolean handedOver = new AtomicBoolean();

    private final Trampoline trampoline = new Trampoline();
    private final Runnable step = this::step;

    /** Whether it is counted among those that look for work. */
    boolean searching;

    /** What it is to run next, until it has begun. */
    @Nullable
    Task<?> taken;

    /** Whether its thread is that of one who closes the queue. */
    private boolean helps;

    private boolean patient;
    private boolean interrupted;
    private int left;
    private @Nullable Throwable refusal;

    /** Whether the command that runs here has not yet lent its place to one that it, or what depends on it, enqueues. */
    private boolean lends;

    Worker(CommandQueue queue, Executor executor, int number) {
        this.queue = queue;
        this.executor = executor;
        this.number = number;
    }

    // ---- for the queue

    /** Gives, once a command, that another one may have its place before it is free. */
    boolean lend() {
        boolean may = lends;
        lends = false;
        return may;
    }

    long begun() {
        return counts.get(BEGUN);
    }

    /** How many have told their outcome. */
    long ended() {
        return counts.get(ENDED);
    }

    /** With the queue's lock: nobody runs it. */
    void rest() {
        if (thread != null) {
            queue.leave(this, thread);
            thread = null;
        }
        refusal = null;
    }

    /** The calling thread runs it. */
    private void enter(Thread current) {
        thread = current;
        queue.enter(this, current);
    }

    /** With the queue's lock: it is about to be handed over to the executor. */
    void handOver() {
        rest();
        handedOver.set(true);
    }

    /** Whether it is the caller who is to run what was handed over. */
    boolean begin() {
        boolean may = handedOver.compareAndSet(true, false);
        if (may) {
            thread = Thread.currentThread();
        }
        return may;
    }

    /** With the queue's lock: whether it is the calling thread that runs it. */
    boolean isRunHere() {
        return thread == Thread.currentThread();
    }

    // ---- running

    /** Hands it over; while the executor refuses, and no other worker is there, the first that is ready is told so. */
    void start() {
        var current = Thread.currentThread();
        boolean interruptedHere = false;
        do {
            starter.set(current);
            try {
                executor.execute(this);
                break;
            } catch (Throwable refused) { // also an error: no thread could be had, for instance
                if (!begin()) {
                    queue.recover(this, refused); // and has run it all the same
                    break;
                }
                refusal = refused;
            } finally {
                starter.compareAndSet(current, null); // unless it is another one's by now
            }
            var first = queue.nextOfLast(this);
            if (first == null) {
                break;
            }
            enter(current);
            patient = false;
            left = 0; // for one turn
            runFrom(first);
            interruptedHere |= takeInterrupt();
        } while (queue.asksAgain(this));
        if (interruptedHere) { // the worker may be another thread's by now
            current.interrupt();
        }
    }

    @Override
    public void run() {
        if (!begin()) {
            return;
        }
        boolean withinEnqueue = starter.get() == Thread.currentThread();
        try {
            runHere();
        } catch (Throwable broken) { // between two commands: no stack is left, for instance, or no memory
            queue.recover(this, broken);
            if (!withinEnqueue) { // otherwise it would be the same once more
                queue.startAnother();
            }
        }
    }

    private void runHere() {
        if (!trampoline.isRunningHere()) {
            if (queue.inside() != null) { // an executor that runs tasks at once: the worker around this one goes on
                queue.giveBack(this);
                return;
            }
            patient = LOOKS > 0 && starter.getAndSet(null) != Thread.currentThread();
        }
        trampoline.run(step);
    }

    private void step() {
        var current = Thread.currentThread();
        enter(current);
        left = COMMANDS_A_TASK;
        boolean interruptedHere = Thread.interrupted(); // not the commands' business
        boolean over;
        do {
            work();
            interruptedHere |= takeInterrupt();
            over = left <= 0 && queue.handOver(this);
        } while (!over && !queue.rest(this));
        if (over) { // and the worker may be another thread's by now
            try {
                executor.execute(this);
            } catch (Throwable refused) { // no harm: this thread is here already
                if (begin()) {
                    trampoline.run(step);
                }
            }
        }
        if (interruptedHere) {
            current.interrupt();
        }
    }

    /** Runs what is ready on the thread of one who closes the queue; gives whether that thread was interrupted meanwhile. */
    boolean help() {
        enter(Thread.currentThread());
        helps = true;
        patient = false;
        left = Integer.MAX_VALUE;
        try {
            work();
        } finally {
            helps = false;
        }
        return takeInterrupt();
    }

    /** Runs what is ready until there is nothing, or it is somebody else's turn. */
    private void work() {
        while (!helps || !isInterrupted()) {
            var first = queue.next(this);
            if (first == null && patient) {
                look();
                first = queue.next(this);
            }
            if (first == null) {
                return;
            }
            runFrom(first);
            if (left <= 0 && queue.hasReady()) { // what is left of its key has been put back
                return;
            }
        }
    }

    /** Takes the flag from the thread, since it is not for the next command. */
    private boolean isInterrupted() {
        if (Thread.interrupted()) {
            interrupted = true;
        }
        return interrupted;
    }

    /** Runs commands of one key, in order, until there is none, or others have waited long enough. */
    private void runFrom(Task<?> first) {
        Task<?> task = first;
        for (int turn = TURN - 1; ; turn--) {
            run(task);
            left--;
            var next = task.leave();
            if (next == null) {
                return;
            }
            boolean othersTurn = turn <= 0 && (left <= 0 || queue.hasReady());
            if (othersTurn || (helps && interrupted)) {
                queue.again(next);
                return;
            }
            taken = next;
            task = next;
        }
    }

    /** Looks for work for a while; others who enqueue need not start a worker meanwhile. */
    private void look() {
        queue.search(this);
        for (int i = 0; i < LOOKS && !queue.hasReady(); i++) {
            pause();
        }
    }

    /** Leaves alone for a moment what others write to: they are faster then, and there is more when it looks again. */
    private static void pause() {
        for (int i = 0; i < BETWEEN_LOOKS; i++) {
            Thread.onSpinWait();
        }
    }

    private <R> void run(Task<R> task) {
        count(BEGUN);
        taken = null;
        R result = null;
        var failure = task.key == null ? refusal : (Throwable) task.key;
        lends = true;
        if (failure == null) {
            try {
                result = dispatch(task);
            } catch (Throwable thrown) {
                failure = thrown;
            }
        }
        var command = task.command;
        var metadata = task.metadata;
        task.forget();
        queue.free(number); // before anybody sees the outcome, and comes with the next command
        try {
            queue.signalRoom();
            if (failure == null) {
                task.complete(result);
            } else {
                try {
                    queue.failed(Objects.requireNonNull(command), Objects.requireNonNull(metadata), failure);
                } finally { // also if there is no memory to tell of it: somebody may wait
                    task.completeExceptionally(failure);
                }
            }
        } catch (Throwable broken) { // no memory, for instance; the key goes on
            Listeners.hand(broken);
        } finally {
            lends = false;
            count(ENDED);
        }
        isInterrupted(); // the next command is not to be told what this one was
    }

    private <R> R dispatch(Task<R> task) throws Throwable {
        var wrap = task.wrap();
        return wrap == null ? queue.dispatch(task) : new Wrapped<>(queue, task).dispatch(wrap);
    }

    private void count(int which) {
        counts.setRelease(which, counts.getPlain(which) + 1);
    }

    private boolean takeInterrupt() {
        boolean was = interrupted;
        interrupted = false;
        return was;
    }

    /** A dispatch within the context of the one who enqueued the command. */
    private static final class Wrapped<R> implements Runnable {

        private final CommandQueue queue;
        private final Task<R> task;
        private boolean begun;
        private @Nullable R result;
        private @Nullable Throwable failure;

        Wrapped(CommandQueue queue, Task<R> task) {
            this.queue = queue;
            this.task = task;
        }

        @Override
        public void run() {
            if (!begun) {
                begun = true;
                try {
                    result = queue.dispatch(task);
                } catch (Throwable thrown) {
                    failure = thrown;
                }
            }
        }

        R dispatch(UnaryOperator<Runnable> wrap) throws Throwable {
            try {
                wrap.apply(this).run();
            } catch (Throwable thrown) {
                if (!begun) {
                    throw thrown;
                }
                Listeners.hand(thrown); // the command has an outcome of its own
            }
            if (failure != null) {
                throw failure;
            }
            if (!begun) {
                throw new IllegalStateException("The context did not run the task that it wrapped; expected it to run"
                        + " it once, on the same thread.");
            }
            return Objects.requireNonNull(result, "the result");
        }
    }
}
