package dev.cqrs.queue;

import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * One of the tasks that a queue has in its executor: runs commands until there are none, then leaves the thread.
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

    private static final int FREED = 17;
    private static final int ENDED = 18;
    private static final int LENGTH = 34;

    private final CommandQueue queue;
    private final Executor executor;
    private final boolean helps;
    private final AtomicLongArray counts = new AtomicLongArray(LENGTH);

    /** Who runs it; for others only good to see that it is not they. */
    private volatile @Nullable Thread thread;

    /** Who has handed it to the executor. */
    private volatile @Nullable Thread starter;

    private volatile @Nullable Turn turn;

    /** Whether it is counted among those that look for work. */
    boolean searching;

    private boolean patient;
    private boolean interrupted;
    private int left;
    private @Nullable Throwable refusal;

    /** Whether the command that runs here has not yet lent its place to one that it enqueues. */
    private boolean lends;

    /** A task that asks for another one; an executor that runs that one within tells it only to go on. */
    private static final class Turn {
        private final Thread thread = Thread.currentThread();
        private boolean open = true;
        private boolean within;
    }

    Worker(CommandQueue queue, Executor executor, boolean helps) {
        this.queue = queue;
        this.executor = executor;
        this.helps = helps;
    }

    // ---- for the queue

    boolean isRunBy(Thread current) {
        return thread == current;
    }

    /** Gives, once a command, that another one may have its place before it is free. */
    boolean lend() {
        boolean may = lends;
        lends = false;
        return may;
    }

    long begun() {
        return counts.get(BEGUN);
    }

    /** How many commands need no place any more. */
    long freed() {
        return counts.get(FREED);
    }

    /** How many have told their outcome. */
    long ended() {
        return counts.get(ENDED);
    }

    // ---- running

    void start() {
        starter = Thread.currentThread();
        try {
            executor.execute(this);
        } catch (Throwable refused) { // also an error: no thread could be had, for instance
            refuse(refused);
        }
    }

    @Override
    public void run() {
        var outer = turn;
        var current = Thread.currentThread();
        if (outer != null && outer.thread == current && outer.open) {
            outer.within = true;
            return;
        }
        if (queue.inside() != null) { // an executor that runs tasks at once: the worker around this one goes on
            queue.giveBack(this);
            return;
        }
        patient = LOOKS > 0 && starter != current;
        starter = null;
        boolean interruptedHere = Thread.interrupted(); // not the commands' business
        Turn own;
        do {
            thread = current;
            left = COMMANDS_A_TASK;
            boolean more;
            do {
                more = work();
                interruptedHere |= takeInterrupt();
            } while (!more && !queue.rest(this));
            if (!more) { // and the worker may be another thread's by now
                break;
            }
            own = new Turn();
            turn = own;
            thread = null;
            try {
                executor.execute(this);
            } catch (Throwable refused) { // no harm: this thread is here already
                own.within = true;
            }
            own.open = false;
        } while (own.within);
        if (interruptedHere) {
            current.interrupt();
        }
    }

    /** Runs what is ready on the thread of one who closes the queue; gives whether that thread was interrupted meanwhile. */
    boolean help() {
        thread = Thread.currentThread();
        left = Integer.MAX_VALUE;
        work();
        thread = null;
        return takeInterrupt();
    }

    /** Tells all that is ready that it will not be run, unless another worker is there, which runs it. */
    private void refuse(Throwable refused) {
        thread = Thread.currentThread();
        patient = false;
        refusal = refused;
        boolean interruptedHere = false;
        for (var first = queue.nextOfLast(this); first != null; first = queue.nextOfLast(this)) {
            left = Integer.MAX_VALUE;
            runFrom(first);
            interruptedHere |= takeInterrupt();
        }
        if (interruptedHere) { // the worker may be another thread's by now
            Thread.currentThread().interrupt();
        }
    }

    /** With the queue's lock: nobody runs it. */
    void rest() {
        thread = null;
        refusal = null;
    }

    /** Gives whether there is more to do, and it is somebody else's turn; otherwise there was nothing. */
    private boolean work() {
        for (; ; ) {
            var first = queue.next(this);
            if (first == null && patient && !searching) {
                look();
                first = queue.next(this);
            }
            if (first == null) {
                return false;
            }
            runFrom(first);
            if (helps ? interrupted : left <= 0 && queue.handsOver()) { // what is left of its key has been put back
                return true;
            }
        }
    }

    /** Runs commands of one key, in order, until there is none, or others have waited long enough. */
    private void runFrom(Mailbox mailbox) {
        var task = mailbox.first;
        for (int turn = TURN; ; turn--) {
            run(task);
            left--;
            var next = after(task, mailbox);
            if (next == null) {
                return;
            }
            task.unlink();
            boolean othersTurn = turn <= 0 && (left <= 0 || queue.hasReady());
            if (othersTurn || (helps && interrupted)) {
                mailbox.first = next;
                queue.again(mailbox);
                return;
            }
            task = next;
        }
    }

    /** Gives the next one of the same key; if there is none, the mailbox is left. */
    private @Nullable Task<?> after(Task<?> task, Mailbox mailbox) {
        var next = task.next();
        if (next != null) {
            return next;
        }
        if (patient && mailbox.key != null && !queue.hasReady()) { // it stays here while there is nothing else to do
            next = lookBehind(task);
        }
        if (next == null) {
            if (mailbox.leave(task)) {
                queue.remove(mailbox);
                return null;
            }
            next = task.next();
            for (int i = 1; next == null; i++) { // it is about to be linked, unless that thread has lost its processor
                if (i % 1_000 == 0) {
                    LockSupport.parkNanos(1);
                } else {
                    Thread.onSpinWait();
                }
                next = task.next();
            }
        }
        if (searching) {
            queue.found(this);
        }
        return next;
    }

    /** Looks for work for a while; others who enqueue need not start a worker meanwhile. */
    private void look() {
        queue.search(this);
        for (int i = 0; i < LOOKS && !queue.hasReady(); i++) {
            pause();
        }
    }

    /** The same, where the next one of a key is welcome too. */
    private @Nullable Task<?> lookBehind(Task<?> last) {
        queue.search(this);
        pause();
        var next = last.next();
        for (int i = 0; i < LOOKS && next == null && !queue.hasReady(); i++) {
            pause();
            next = last.next();
        }
        return next;
    }

    /** Leaves alone for a moment what others write to: they are faster then, and there is more when it looks again. */
    private static void pause() {
        for (int i = 0; i < BETWEEN_LOOKS; i++) {
            Thread.onSpinWait();
        }
    }

    private <R> void run(Task<R> task) {
        count(BEGUN);
        R result = null;
        var failure = refusal;
        if (failure == null) {
            lends = true;
            try {
                result = dispatch(task);
            } catch (Throwable thrown) {
                failure = thrown;
            }
            lends = false;
        }
        task.forget();
        counts.set(
                FREED, counts.getPlain(FREED) + 1); // before anybody sees the outcome, and comes with the next command
        queue.signalRoom();
        if (failure == null) {
            task.complete(result);
        } else {
            queue.failed();
            task.completeExceptionally(failure);
        }
        count(ENDED);
        if (Thread.interrupted()) { // the next command is not to be told what this one was
            interrupted = true;
        }
    }

    private <R> R dispatch(Task<R> task) throws Throwable {
        var wrap = task.wrap;
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
                CommandQueue.tell(thrown); // the command has an outcome of its own
            }
            if (failure != null) {
                throw failure;
            }
            if (!begun) {
                throw new IllegalStateException("The context did not run the task that it wrapped; expected it to run"
                        + " it once, on the same thread.");
            }
            return Objects.requireNonNull(result);
        }
    }
}
