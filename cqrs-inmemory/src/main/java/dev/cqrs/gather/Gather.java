package dev.cqrs.gather;

import dev.cqrs.gather.Gathered.Answered;
import dev.cqrs.gather.Gathered.Cancelled;
import dev.cqrs.gather.Gathered.Failed;
import dev.cqrs.gather.Gathered.Late;
import dev.cqrs.gather.Gathered.Outcome;
import dev.cqrs.gather.Gathered.Rejected;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryHandler;
import dev.cqrs.task.Listeners;
import dev.cqrs.task.Waits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A query handler that asks several named sources in parallel and merges their answers into one, under a deadline.
 *
 * <pre>{@code
 * static final Source<StatementOf, Owner> OWNER = Source.of("owner", q -> clients.ownerOf(q.account()));
 * static final Source<StatementOf, List<Card>> CARDS = Source.of("cards", q -> cards.of(q.account()));
 *
 * bus.handle(StatementOf.class, Gather.builder(StatementOf.class, executor, Duration.ofMillis(300))
 *         .require(OWNER)
 *         .ask(CARDS)
 *         .merge((query, answers) -> new Statement(answers.get(OWNER), answers.find(CARDS).orElse(List.of()))));
 * }</pre>
 *
 * <p>The sources run on the executor, the merging on the asking thread, which waits meanwhile: no other thread keeps the
 * time. The deadline counts from when all tasks were handed to the executor. Where that queues without a bound, or asks
 * on its own threads until none is left for the sources, they are late: give it a bound, and not the threads that ask. A
 * source that it runs on the asking thread, as some do when they are full, has no deadline there; one that refuses is
 * better.
 *
 * <p><b>Missing answers:</b> a source that is asked may be missing, and its {@linkplain Gathered#outcomes() outcome} says
 * why. When one that is required fails or is late, the others are cancelled at once and the asker gets a
 * {@link GatherFailedException}.
 *
 * <p><b>Cancelling:</b> a source that is not waited for any more is interrupted, or not begun: at the deadline, when a
 * required one has failed, when the asker is interrupted. What it gives or throws then is dropped and
 * {@linkplain #dropped() counted}.
 *
 * <p><b>Threads:</b> thread-safe. Starts none, and keeps nothing between queries but the counts.
 *
 * @param <Q> the class of the queries
 * @param <R> the merged answer
 */
public final class Gather<Q extends Query<Gathered<R>>, R> implements QueryHandler<Q, Gathered<R>> {

    /*
     * A round is one query. Its `lock` guards `pending` and `decided`, and the asker waits on `changed`. What a source
     * gives stands in its FutureTask, which decides by itself between an answer and a cancel that meet.
     */

    private final Class<Q> queryType;
    private final Executor executor;
    private final Duration timeout;
    private final Waiting waiting;
    private final Supplier<UnaryOperator<Runnable>> context;
    private final List<Planned<Q>> plan;
    private final BiFunction<? super Q, ? super Answers, ? extends R> merge;
    private final LongAdder droppedAnswers = new LongAdder();
    private final LongAdder droppedFailures = new LongAdder();

    private record Planned<Q>(Source<? super Q, ?> source, boolean required) {}

    /** How the asking thread waits; a test lets a scheduler work meanwhile. */
    @FunctionalInterface
    interface Waiting {

        /**
         * Waits until {@code done} holds or the time is over; called with the lock of {@code changed} held.
         */
        void await(Condition changed, BooleanSupplier done, Duration timeout) throws InterruptedException;
    }

    private Gather(Builder<Q, R> builder, BiFunction<? super Q, ? super Answers, ? extends R> merge) {
        this.queryType = builder.queryType;
        this.executor = builder.executor;
        this.timeout = builder.timeout;
        this.waiting = builder.waiting;
        this.context = builder.context;
        this.plan = List.copyOf(builder.plan);
        this.merge = merge;
    }

    /**
     * Begins a gather.
     *
     * @param <Q> the class of the queries
     * @param <R> the merged answer
     * @param queryType the class of the queries
     * @param executor runs the sources, of all queries; stays open
     * @param timeout how long each query waits for them at most, more than zero; a gather that is a source of another has
     *     its own beside
     * @return a builder without sources
     * @throws IllegalArgumentException if {@code timeout} is zero or negative
     */
    public static <Q extends Query<Gathered<R>>, R> Builder<Q, R> builder(
            Class<Q> queryType, Executor executor, Duration timeout) {
        if (timeout.isZero() || timeout.isNegative()) {
            throw new IllegalArgumentException("The time-out of the gather for " + queryType.getName() + " is "
                    + timeout + "; expected more than zero.");
        }
        return new Builder<>(
                Objects.requireNonNull(queryType, "queryType"), Objects.requireNonNull(executor, "executor"), timeout);
    }

    /**
     * Asks the sources and merges what they answer.
     *
     * @param query handed to each source
     * @param metadata handed to each source
     * @return the merged answer, and what became of each source
     * @throws GatherFailedException if a required source gave no answer
     * @throws InterruptedException if the asking thread was interrupted while it waited, or while the executor ran a
     *     source on it; the sources were cancelled
     * @throws NullPointerException if the merging gives {@code null}
     */
    @Override
    public Gathered<R> handle(Q query, Metadata metadata) throws InterruptedException {
        Objects.requireNonNull(query, "query");
        Objects.requireNonNull(metadata, "metadata");
        var round = new Round(query, metadata);
        try {
            round.begin();
            round.await();
        } catch (Throwable thrown) { // the asker's interrupt, or a context that cannot be captured
            round.end(new Cancelled());
            throw thrown;
        }
        var decisive = round.decisive();
        round.end(decisive == null ? new Late(timeout) : new Cancelled());
        var outcomes = round.outcomes();
        for (var planned : plan) {
            var name = planned.source().name();
            if (planned.required() && !(outcomes.get(name) instanceof Answered)) {
                throw new GatherFailedException(queryType, decisive == null ? name : decisive, outcomes);
            }
        }
        var merged = merge.apply(query, round.answers());
        if (merged == null) {
            throw new NullPointerException("The merging of the gather for " + queryType.getName()
                    + " returned null; expected an answer. Use an Optional where there may be none.");
        }
        return new Gathered<>(merged, outcomes);
    }

    /**
     * Tells what came too late to be used, of all queries so far.
     *
     * @return a value; later changes do not reach it
     */
    public Dropped dropped() {
        return new Dropped(droppedAnswers.sum(), droppedFailures.sum());
    }

    /**
     * How much came of sources that were not waited for any more.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param answers how many answered all the same
     * @param failures how many threw, be it since they were interrupted
     */
    public record Dropped(long answers, long failures) {}

    /**
     * A named source of answers; also the key by which its answer is found.
     *
     * <p><b>Threads:</b> immutable. It is asked on the executor's threads, by several at once.
     *
     * @param <Q> the class of the queries
     * @param <T> its answer
     */
    public static final class Source<Q, T> {

        private final String name;
        private final Body<? super Q, ? extends T> body;

        /**
         * The asking of a source.
         *
         * @param <Q> the class of the queries
         * @param <T> the answer
         */
        @FunctionalInterface
        public interface Body<Q, T> {

            /**
             * Answers {@code query}. When it is not waited for any more, its thread is interrupted.
             *
             * @param query never {@code null}
             * @param metadata what travels with the query; never {@code null}
             * @return the answer, never {@code null}
             * @throws Exception anything; it becomes the outcome of the source
             */
            T ask(Q query, Metadata metadata) throws Exception;
        }

        private Source(String name, Body<? super Q, ? extends T> body) {
            if (name.isBlank()) {
                throw new IllegalArgumentException("The name of a source is blank; expected one such as \"cards\".");
            }
            this.name = name;
            this.body = Objects.requireNonNull(body, "body");
        }

        /**
         * Makes a source.
         *
         * @param <Q> the class of the queries
         * @param <T> its answer
         * @param name tells it from others in outcomes, not blank
         * @param body asks it
         * @return never {@code null}
         * @throws IllegalArgumentException if {@code name} is blank
         */
        public static <Q, T> Source<Q, T> of(String name, Body<Q, T> body) {
            return new Source<>(name, body);
        }

        /**
         * Makes a source that has no use for metadata.
         *
         * @param <Q> the class of the queries
         * @param <T> its answer
         * @param name tells it from others in outcomes, not blank
         * @param body asks it
         * @return never {@code null}
         * @throws IllegalArgumentException if {@code name} is blank
         */
        public static <Q, T> Source<Q, T> of(String name, QueryHandler.Plain<Q, T> body) {
            Objects.requireNonNull(body, "body");
            return new Source<>(name, (query, metadata) -> body.handle(query));
        }

        /**
         * Gives the name.
         *
         * @return never blank
         */
        public String name() {
            return name;
        }

        @Override
        public String toString() {
            return "Source[" + name + "]";
        }
    }

    /**
     * What the sources have answered, for the merging.
     *
     * <p><b>Threads:</b> immutable.
     */
    public static final class Answers {

        private final Map<Source<?, ?>, Optional<Object>> bySource;

        private Answers(Map<Source<?, ?>, Optional<Object>> bySource) {
            this.bySource = bySource;
        }

        /**
         * Gives the answer of a source, as it must be there of one that is required.
         *
         * @param <T> the answer
         * @param source one of the gather's
         * @return never {@code null}
         * @throws NoSuchElementException if it has not answered
         * @throws IllegalArgumentException if the gather does not ask it
         */
        public <T> T get(Source<?, T> source) {
            return find(source)
                    .orElseThrow(() -> new NoSuchElementException("Source \"" + source.name()
                            + "\" has not answered; expected an answer. Use find(...), or require the source."));
        }

        /**
         * Gives the answer of a source, if there is one.
         *
         * @param <T> the answer
         * @param source one of the gather's
         * @return empty if it has not answered; the outcome says why
         * @throws IllegalArgumentException if the gather does not ask it
         */
        @SuppressWarnings("unchecked") // the answer is that of the same source
        public <T> Optional<T> find(Source<?, T> source) {
            var answer = bySource.get(Objects.requireNonNull(source, "source"));
            if (answer == null) {
                throw new IllegalArgumentException("Source \"" + source.name() + "\" is not asked by this gather, which"
                        + " asks " + bySource.keySet() + ". Give the same object to require(...) or ask(...).");
            }
            return (Optional<T>) answer;
        }
    }

    /** One query. */
    private final class Round {

        private final Q query;
        private final Metadata metadata;
        private final ReentrantLock lock = new ReentrantLock();
        private final Condition changed = lock.newCondition();
        private final List<Asked> asked = new ArrayList<>(plan.size());
        private int pending = plan.size();
        private @Nullable String decisive;

        Round(Q query, Metadata metadata) {
            this.query = query;
            this.metadata = metadata;
        }

        void begin() {
            var wrap = Objects.requireNonNull(context.get(), "the captured context");
            for (var planned : plan) {
                var one = new Asked(this, planned);
                asked.add(one);
                if (decisive() == null) { // otherwise another one cannot help any more
                    one.begin(wrap);
                }
            }
        }

        void await() throws InterruptedException {
            lock.lockInterruptibly();
            try {
                waiting.await(changed, () -> pending == 0 || decisive != null, timeout);
            } finally {
                lock.unlock();
            }
        }

        /** Notes that there is nothing to wait for of one source. */
        void ended(Planned<Q> planned, boolean answered) {
            lock.lock();
            try {
                pending--;
                if (!answered && planned.required() && decisive == null) {
                    decisive = planned.source().name();
                }
                if (pending == 0 || decisive != null) {
                    changed.signalAll();
                }
            } finally {
                lock.unlock();
            }
        }

        @Nullable
        String decisive() {
            lock.lock();
            try {
                return decisive;
            } finally {
                lock.unlock();
            }
        }

        /** Cancels whatever still runs or waits; from now on each source has its outcome. */
        void end(Outcome unfinished) {
            for (var one : asked) {
                if (one.unanswered == null) {
                    one.end(unfinished);
                }
            }
        }

        Map<String, Outcome> outcomes() {
            var outcomes = new LinkedHashMap<String, Outcome>();
            asked.forEach(one -> outcomes.put(one.planned.source().name(), one.outcome()));
            return outcomes;
        }

        Answers answers() {
            var answers = new LinkedHashMap<Source<?, ?>, Optional<Object>>();
            asked.forEach(one -> answers.put(one.planned.source(), one.answer()));
            return new Answers(answers);
        }
    }

    /** The asking of one source for one query. */
    private final class Asked extends FutureTask<Object> {

        private final Round round;
        private final Planned<Q> planned;
        private @Nullable Outcome unanswered; // the asking thread's
        private boolean begun; // the running thread's

        Asked(Round round, Planned<Q> planned) {
            super(() -> asked(planned.source(), round.query, round.metadata));
            this.round = round;
            this.planned = planned;
        }

        void begin(UnaryOperator<Runnable> wrap) {
            Runnable wrapped;
            try {
                wrapped = Objects.requireNonNull(
                        wrap.apply(this), "The context gave no task around that of a source; expected one.");
            } catch (Throwable thrown) {
                setException(thrown);
                return;
            }
            try {
                executor.execute(() -> run(wrapped));
            } catch (Throwable refused) { // also an error: no thread could be had, for instance
                if (refused instanceof InterruptedException) { // a language without checked exceptions may throw it
                    Thread.currentThread().interrupt();
                }
                if (end(new Rejected(refused))) {
                    round.ended(planned, false);
                } else if (!(refused instanceof InterruptedException)) { // of the context, behind an answer
                    Listeners.hand(refused);
                }
            }
        }

        /** The source is not to be late where its context has thrown before it. */
        private void run(Runnable wrapped) {
            try {
                wrapped.run();
            } catch (Throwable thrown) {
                if (isDone()) {
                    throw thrown;
                }
                setException(thrown);
            }
        }

        @Override
        public void run() {
            begun = !isCancelled();
            super.run();
            if (begun && isCancelled()) {
                Thread.interrupted(); // the cancel's, which must not reach what this thread does next
            }
        }

        @Override
        protected void set(Object answer) {
            super.set(answer);
            if (isCancelled()) {
                droppedAnswers.increment();
            }
        }

        @Override
        protected void setException(Throwable thrown) {
            super.setException(thrown);
            if (isCancelled()) {
                droppedFailures.increment();
            } else if (thrown instanceof InterruptedException) {
                // not the cancel's: the asker's own, where the executor runs sources on its thread, or the pool's
                Thread.currentThread().interrupt();
            }
        }

        @Override
        protected void done() {
            if (!isCancelled()) {
                round.ended(planned, outcome() instanceof Answered);
            }
        }

        /** Cancels it, with that outcome, unless it has ended by itself. */
        boolean end(Outcome outcome) {
            boolean cancelled = cancel(true);
            if (cancelled) {
                unanswered = outcome;
            }
            return cancelled;
        }

        Outcome outcome() {
            if (unanswered != null) {
                return unanswered;
            }
            try {
                ended();
                return new Answered();
            } catch (ExecutionException failed) {
                return new Failed(Objects.requireNonNull(failed.getCause()));
            }
        }

        Optional<Object> answer() {
            try {
                return unanswered == null ? Optional.of(ended()) : Optional.empty();
            } catch (ExecutionException failed) {
                return Optional.empty();
            }
        }

        private Object ended() throws ExecutionException {
            try {
                return get();
            } catch (InterruptedException impossible) { // it has ended, so this does not wait
                throw new IllegalStateException(impossible);
            }
        }
    }

    private static <Q, T> Object asked(Source<? super Q, T> source, Q query, Metadata metadata) throws Exception {
        var answer = source.body.ask(query, metadata);
        if (answer == null) {
            throw new NullPointerException("Source \"" + source.name()
                    + "\" returned null; expected an answer. Use an Optional where there may be none.");
        }
        return answer;
    }

    /**
     * Collects the sources.
     *
     * <p><b>Threads:</b> not thread-safe.
     *
     * @param <Q> the class of the queries
     * @param <R> the merged answer
     */
    public static final class Builder<Q extends Query<Gathered<R>>, R> {

        private final Class<Q> queryType;
        private final Executor executor;
        private final Duration timeout;
        private final List<Planned<Q>> plan = new ArrayList<>();
        private Supplier<UnaryOperator<Runnable>> context = UnaryOperator::identity;
        private Waiting waiting = Builder::awaitSignal;

        private Builder(Class<Q> queryType, Executor executor, Duration timeout) {
            this.queryType = queryType;
            this.executor = executor;
            this.timeout = timeout;
        }

        /**
         * Adds a source without whose answer there is none.
         *
         * @param source with a name of its own
         * @return this builder
         */
        public Builder<Q, R> require(Source<? super Q, ?> source) {
            plan.add(new Planned<>(Objects.requireNonNull(source, "source"), true));
            return this;
        }

        /**
         * Adds a source whose answer may be missing.
         *
         * @param source with a name of its own
         * @return this builder
         */
        public Builder<Q, R> ask(Source<? super Q, ?> source) {
            plan.add(new Planned<>(Objects.requireNonNull(source, "source"), false));
            return this;
        }

        /**
         * Carries a context from the asking thread to the sources', such as that of a logger or of tracing.
         *
         * @param capture called once a query, on the asking thread; gives what wraps each source's task so that the
         *     context is there while it runs, and only then; what it throws before the source began is that source's
         *     failure
         * @return this builder
         */
        public Builder<Q, R> context(Supplier<UnaryOperator<Runnable>> capture) {
            context = Objects.requireNonNull(capture, "capture");
            return this;
        }

        Builder<Q, R> waiting(Waiting waiting) {
            this.waiting = waiting;
            return this;
        }

        /**
         * Makes the gather.
         *
         * @param merge makes the answer, on the asking thread; never gives {@code null}
         * @return never {@code null}
         * @throws WiringException if there is no source, or if two have the same name
         */
        public Gather<Q, R> merge(BiFunction<? super Q, ? super Answers, ? extends R> merge) {
            Objects.requireNonNull(merge, "merge");
            var faults = new ArrayList<String>();
            if (plan.isEmpty()) {
                faults.add("The gather for " + queryType.getName()
                        + " has no source; expected one or more. Add them with require(...) or ask(...).");
            }
            var names = new HashSet<String>();
            for (var planned : plan) {
                if (!names.add(planned.source().name())) {
                    faults.add("Two sources for " + queryType.getName() + " are named \""
                            + planned.source().name()
                            + "\"; expected one. Rename or remove one: outcomes are told by name.");
                }
            }
            if (!faults.isEmpty()) {
                throw new WiringException("Gather", faults);
            }
            return new Gather<>(this, merge);
        }

        private static void awaitSignal(Condition changed, BooleanSupplier done, Duration timeout)
                throws InterruptedException {
            long left = Waits.nanos(timeout);
            while (!done.getAsBoolean() && left > 0) {
                left = changed.awaitNanos(left);
            }
        }
    }
}
