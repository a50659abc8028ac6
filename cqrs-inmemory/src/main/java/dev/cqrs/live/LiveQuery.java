package dev.cqrs.live;

import dev.cqrs.eventstore.EventStore;
import dev.cqrs.runtime.ProjectionStatus.State;
import dev.cqrs.runtime.ProjectionView;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Trampoline;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A query that stays open: each subscriber gets its answer of now, and then each new one as the view changes.
 *
 * <pre>{@code
 * var live = LiveQuery.of(bank.view(BALANCES), () -> bank.ask(new BalanceOf("alice")), Backlog.latest(), executor);
 * live.subscribe(subscriber);
 * }</pre>
 *
 * <p><b>Answers:</b> the query is asked when somebody subscribes and after each batch of events that the view has taken
 * in, be it an append or, in the background, several. An answer that {@linkplain Object#equals equals} the subscriber's
 * last is left out. Nothing between the first answer and the next change is lost: the view is watched before it is
 * asked. Changes that come while a thread is asking are seen as one: it asks once more, and no other waits for it. How
 * many answers wait for a slow subscriber, and what becomes of more, is the {@link Backlog}'s choice.
 *
 * <p><b>Order:</b> that of the changes; a subscriber never gets an older answer after a newer one.
 *
 * <p><b>End:</b> when the view's engine is closed, the subscriber gets what waits, and is completed; what the view had
 * taken in and was not asked for yet is left out. What the query throws fails it: also {@link dev.cqrs.runtime.ProjectionStoppedException}, when the projection has stopped. To cancel
 * lets go of the subscriber and of all that waits for it.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: the executor runs one task at a time for each subscriber, which calls
 * all its methods; one that refuses fails the subscriber, on the thread that it refused. A task with much to deliver hands
 * over to another one now and then, so that others of the executor come in between. To carry a context across,
 * wrap the tasks in the executor. What a subscriber throws cancels it, and goes to that thread's handler of uncaught
 * exceptions.
 *
 * <p>Obeys Reactive Streams.
 *
 * @param <R> the answer
 */
public final class LiveQuery<R> implements Flow.Publisher<R> {

    /** After how many answers a task lets others of the executor come in between. */
    private static final int ANSWERS_A_TASK = 64;

    /** How often a thread asks again for changes of others before it leaves that to the executor. */
    private static final int QUERIES_A_CHANGE = 16;

    private final ProjectionView<?> view;
    private final Supplier<? extends R> query;
    private final boolean latest;
    private final boolean failing;
    private final int bound;
    private final Executor executor;
    private final LongAdder dropped = new LongAdder();

    private LiveQuery(ProjectionView<?> view, Supplier<? extends R> query, Backlog backlog, Executor executor) {
        this.view = view;
        this.query = query;
        this.latest = backlog instanceof Backlog.Latest;
        this.failing = backlog instanceof Backlog.Failing;
        this.bound = backlog instanceof Backlog.Newest newest
                ? newest.answers()
                : backlog instanceof Backlog.Failing all ? all.answers() : 1;
        this.executor = executor;
    }

    /**
     * Makes a live query.
     *
     * @param <R> the answer
     * @param view asked again whenever it has changed
     * @param query gives the answer, never {@code null}, out of that view: {@code () -> bus.ask(...)} or
     *     {@code () -> view.read(...)}; asked on the threads that {@code backlog} says, by several at once
     * @param backlog what becomes of answers that a subscriber has not asked for yet
     * @param executor calls the subscribers; stays open
     * @return never {@code null}; nothing happens before somebody subscribes
     */
    public static <R> LiveQuery<R> of(
            ProjectionView<?> view, Supplier<? extends R> query, Backlog backlog, Executor executor) {
        return new LiveQuery<>(
                Objects.requireNonNull(view, "view"),
                Objects.requireNonNull(query, "query"),
                Objects.requireNonNull(backlog, "backlog"),
                Objects.requireNonNull(executor, "executor"));
    }

    /**
     * Begins to give answers to {@code subscriber}, beside any others; unless the backlog is the latest, the first one
     * is asked for at once, on this thread.
     *
     * @param subscriber called by one thread at a time
     * @throws NullPointerException if {@code subscriber} is {@code null}
     */
    @Override
    public void subscribe(Flow.Subscriber<? super R> subscriber) {
        new Receiver(Objects.requireNonNull(subscriber, "subscriber")).begin();
    }

    /**
     * Tells how many answers were dropped under {@link Backlog#newest}, of all subscribers so far.
     *
     * @return zero or more
     */
    public long dropped() {
        return dropped.sum();
    }

    /** One subscription. */
    private final class Receiver implements Flow.Subscription, Runnable {

        /*
         * The query is asked by whoever has moved `asking` from IDLE, which gives the order; who comes meanwhile leaves a
         * mark, has it asked again, and waits for nobody. The asking thread may hold locks, of another view for instance.
         *
         * The subscriber is called in `run` alone, by whoever has moved `work` from IDLE; it is moved back when nothing was
         * added meanwhile.
         *
         * `lock` guards `waiting`, `last`, `given` and `failure`; nothing of a user's is called with it. Only the asking
         * thread sets `failure`, once: nothing is asked afterwards. `subscriber` is gone once the subscription has ended, and
         * nothing is put there any more.
         */

        private static final int IDLE = 0;
        private static final int RUNNING = 1;
        private static final int AGAIN = 2;

        private final AtomicInteger work = new AtomicInteger(IDLE);
        private final AtomicInteger asking = new AtomicInteger(IDLE);
        private final AtomicLong demand = new AtomicLong();
        private volatile Flow.@Nullable Subscriber<? super R> subscriber;
        private volatile @Nullable IllegalArgumentException wrongRequest;
        private volatile EventStore.@Nullable Subscription watch;
        private volatile boolean changed;
        private volatile boolean closed;
        private final Trampoline tasks = new Trampoline();

        /** Whether a task is with the executor: who resets it calls the subscriber. One that throws may have it all the same. */
        private final AtomicBoolean handedOver = new AtomicBoolean();

        private boolean begun; // of whoever calls the subscriber

        private final ReentrantLock lock = new ReentrantLock();
        private final Queue<R> waiting = new ArrayDeque<>();
        private @Nullable R last; // put behind the others
        private @Nullable R given; // to the subscriber
        private volatile @Nullable Throwable failure;

        Receiver(Flow.Subscriber<? super R> subscriber) {
            this.subscriber = subscriber;
        }

        void begin() {
            watch = view.watch(this::viewIs);
            if (subscriber == null) {
                unwatch(); // it has ended while there was no watch to end
            }
            schedule();
        }

        /** On the thread that has changed the view. */
        private void viewIs(State state) {
            if (subscriber == null) {
                return;
            }
            if (state == State.CLOSED) {
                closed = true;
            } else if (latest && state != State.STOPPED) { // why it has stopped is told without being asked for
                changed = true;
                if (demand.get() == 0) {
                    return; // who asks for an answer looks at `changed` afterwards
                }
            } else {
                ask();
            }
            schedule();
        }

        private void ask() {
            if (asking.getAndUpdate(n -> n == IDLE ? RUNNING : AGAIN) != IDLE) {
                return;
            }
            for (int i = 0; i < QUERIES_A_CHANGE; i++) {
                asking.set(RUNNING);
                askOnce();
                if (asking.compareAndSet(RUNNING, IDLE)) {
                    return;
                }
            }
            asking.set(IDLE);
            changed = true;
            schedule();
        }

        private void askOnce() {
            try {
                if (subscriber != null && failure == null) {
                    add(Objects.requireNonNull(
                            query.get(),
                            "The query of a live query returned null; expected an answer."
                                    + " Return an Optional where there may be none."));
                }
            } catch (Throwable thrown) {
                if (thrown instanceof InterruptedException) { // a language without checked exceptions may throw it
                    Thread.currentThread().interrupt();
                }
                if (closed || view.status().state() == State.CLOSED) {
                    closed = true; // that is why
                } else {
                    failWhenGiven(thrown);
                }
            }
        }

        private void add(R answer) {
            if (answer.equals(lastOne())) {
                return;
            }
            lock.lock();
            try {
                if (subscriber == null) {
                    return;
                }
                if (waiting.size() == bound) {
                    if (failing) {
                        failure = new SlowSubscriberException(bound);
                        return;
                    }
                    waiting.remove();
                    if (!latest) {
                        dropped.increment();
                    }
                }
                last = answer;
                waiting.add(answer);
            } finally {
                lock.unlock();
            }
        }

        private @Nullable R lastOne() {
            lock.lock();
            try {
                return last;
            } finally {
                lock.unlock();
            }
        }

        private void failWhenGiven(Throwable thrown) {
            lock.lock();
            try {
                if (subscriber != null) {
                    failure = thrown;
                }
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void request(long answers) {
            if (answers < 1) {
                wrongRequest = new IllegalArgumentException("A subscriber asked for " + answers
                        + " answers; expected 1 or more (Reactive Streams, rule 3.9).");
            } else {
                demand.accumulateAndGet(answers, (a, b) -> a + b < 0 ? Long.MAX_VALUE : a + b);
            }
            schedule();
        }

        @Override
        public void cancel() {
            end();
        }

        private void schedule() {
            if (subscriber != null && work.getAndUpdate(n -> n == IDLE ? RUNNING : AGAIN) == IDLE) {
                execute();
            }
        }

        private void execute() {
            handedOver.set(true);
            try {
                executor.execute(this);
            } catch (Throwable refused) { // also an error: no thread could be had, for instance
                if (handedOver.compareAndSet(true, false)) {
                    begin(subscriber);
                    fail(refused); // and `work` stays as it is: nobody runs any more
                } else {
                    Listeners.hand(refused);
                }
                if (refused instanceof InterruptedException) { // a language without checked exceptions may throw it
                    Thread.currentThread().interrupt();
                }
            }
        }

        @Override
        public void run() {
            tasks.run(() -> {
                if (handedOver.compareAndSet(true, false) && deliverSome()) {
                    execute();
                }
            });
        }

        /** Gives whether another task is needed. */
        private boolean deliverSome() {
            for (int i = 0; i < ANSWERS_A_TASK; i++) {
                work.set(RUNNING);
                if (!deliverOne() && work.compareAndSet(RUNNING, IDLE)) {
                    return false;
                }
            }
            return true;
        }

        /** Gives whether there may be more to deliver. */
        private boolean deliverOne() {
            begin(subscriber);
            var to = subscriber;
            if (to == null) {
                return false;
            }
            var wrong = wrongRequest;
            if (wrong != null) {
                fail(wrong);
                return false;
            }
            boolean wanted = demand.get() > 0;
            if (changed && (wanted || !latest)) {
                changed = false;
                ask();
            }
            boolean over = closed; // looked at first: what came before that is waiting
            R answer = null;
            R before = null;
            Throwable why = null;
            lock.lock();
            try {
                before = given;
                if (wanted) {
                    answer = waiting.poll();
                }
                if (answer == null) {
                    over &= waiting.isEmpty();
                    why = waiting.isEmpty() ? failure : null;
                } else {
                    given = answer;
                }
            } finally {
                lock.unlock();
            }
            if (answer != null) {
                give(answer, before, to);
                return true;
            }
            if (why != null) {
                fail(why);
            } else if (over && end()) {
                tell(to::onComplete);
            }
            return false;
        }

        private void give(R answer, @Nullable R before, Flow.Subscriber<? super R> to) {
            try {
                if (answer.equals(before)) {
                    return; // those between the two were dropped
                }
            } catch (Throwable unequal) {
                fail(unequal);
                return;
            }
            demand.updateAndGet(n -> n == Long.MAX_VALUE ? n : n - 1);
            tell(() -> to.onNext(answer));
        }

        private void begin(Flow.@Nullable Subscriber<? super R> to) {
            if (!begun && to != null) {
                begun = true;
                tell(() -> to.onSubscribe(this));
            }
        }

        private void fail(Throwable why) {
            var to = subscriber;
            if (to != null && end()) {
                Listeners.tell(to::onError, why, why);
            }
        }

        /** Calls the subscriber, which must not throw (rule 2.13), and may do so nevertheless. */
        private void tell(Runnable call) {
            try {
                call.run();
            } catch (Throwable thrown) {
                end();
                Listeners.hand(thrown);
            }
        }

        /** Ends the subscription and lets go of everything; gives whether it had not ended before. */
        private boolean end() {
            boolean first = subscriber != null;
            subscriber = null;
            unwatch();
            clear();
            return first;
        }

        private void unwatch() {
            var watching = watch;
            if (watching != null) {
                watching.close();
            }
        }

        private void clear() {
            lock.lock();
            try {
                waiting.clear();
                last = null;
                given = null;
                failure = null;
            } finally {
                lock.unlock();
            }
        }
    }
}
