package dev.cqrs.runtime;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs projections over an event store.
 *
 * <ul>
 *   <li><b>Inline:</b> after an append has committed and before it returns, the appending thread brings the view up to
 *       that append. Who appended sees it in the view. Appends of other processes are folded with the next append here.
 *   <li><b>Background:</b> the caller's executor folds, soon after each append, one task at a time for a projection.
 *       {@link ProjectionView#awaitApplied} waits for it.
 * </ul>
 *
 * <p><b>Order:</b> each projection folds every matching event once, in the order of the log, without a gap.
 *
 * <p><b>Errors:</b> a projection whose fold throws stops, the listener is told, and reading its view throws; the append
 * stands, and other projections go on. So does one whose log holds an event that cannot be read, and one whose executor
 * refuses. What a store throws otherwise, of events or of checkpoints, is taken to pass: the listener is told, the
 * view keeps its position, and the next signal of the store has it tried again; until then the view lags, and its
 * {@link ProjectionStatus} shows the failure. Appending from within a fold is refused.
 *
 * <p><b>Checkpoints:</b> where a store for them is given, the view of a fold of immutable values is saved with its
 * position, in the background after each task, otherwise on close; a new engine goes on from there if the version is
 * the same. Views changed in place begin again at zero.
 *
 * <p><b>Threads:</b> thread-safe. Starts none.
 */
public final class ProjectionEngine implements AutoCloseable {

    private final Map<String, Runner<?>> runners;

    private ProjectionEngine(Map<String, Runner<?>> runners) {
        this.runners = runners;
    }

    /**
     * Begins an engine.
     *
     * @param store the log to follow
     * @param listener told of each failure, on the thread on which it came up, with no lock held: it may
     *     append, and close the engine; what it throws goes to that thread's handler of uncaught exceptions
     * @return a builder without projections
     */
    public static Builder builder(EventStore store, Consumer<? super ProjectionFailure> listener) {
        return new Builder(Objects.requireNonNull(store, "store"), Objects.requireNonNull(listener, "listener"));
    }

    /**
     * Gives the view of a projection.
     *
     * @param <V> the view
     * @param projection one that was given to the builder
     * @return always the same object
     * @throws IllegalArgumentException if the engine does not run it
     */
    public <V> ProjectionView<V> view(Projection<V> projection) {
        var runner = runners.get(projection.name());
        if (runner == null || !runner.view.projection().equals(projection)) {
            throw new IllegalArgumentException("The engine does not run projection \"" + projection.name()
                    + "\" in version " + projection.version() + " with this query and fold; it runs "
                    + runners.keySet() + ". Give it to the builder.");
        }
        @SuppressWarnings("unchecked") // equal projections have the same fold
        var view = (ProjectionView<V>) runner.view;
        return view;
    }

    /**
     * Tells how each projection stands.
     *
     * @return an unmodifiable list in the order of registration
     */
    public List<ProjectionStatus> status() {
        return runners.values().stream().map(runner -> runner.view.status()).toList();
    }

    /**
     * Stops following: what is being folded ends at the next event and is dropped, to be folded again by the next
     * engine; the last complete state is saved as a checkpoint. A second call does nothing. The store and executors stay open, as they are the caller's.
     *
     * @throws IllegalStateException if called from within the reading of a view that is changed in place
     */
    @Override
    public void close() {
        runners.values().forEach(runner -> runner.view.checkNotReading("close the engine"));
        runners.values().forEach(Runner::close);
    }

    /** Drives one view: on appending threads, or on an executor. */
    private static final class Runner<V> implements EventStore.Signal {

        private final EventStore store;
        private final ProjectionView<V> view;
        private final @Nullable Executor executor;
        private final AtomicBoolean scheduled = new AtomicBoolean();
        private EventStore.@Nullable Subscription subscription;

        Runner(EventStore store, ProjectionView<V> view, @Nullable Executor executor) {
            this.store = store;
            this.view = view;
            this.executor = executor;
        }

        /** Follows first and looks at the log then, so that no append falls between the two. */
        void start() {
            subscription = store.onAppend(this);
            appended(store.head());
        }

        @Override
        public void beforeAppend() {
            view.checkMayAppend();
        }

        @Override
        public void appended(Position last) {
            if (executor == null) {
                view.catchUp(last);
            } else if (view.isRunning() && last.isAfter(view.position()) && scheduled.compareAndSet(false, true)) {
                schedule(executor);
            }
        }

        private void schedule(Executor executor) {
            try {
                executor.execute(this::run);
            } catch (Throwable refused) { // also an error: no thread could be had, for instance
                view.stop(view.position(), refused);
            }
        }

        private void run() {
            if (!view.isRunning()) {
                return;
            }
            var tried = view.position();
            try {
                tried = store.head();
                view.catchUp(tried);
                view.saveCheckpoint();
            } catch (Throwable thrown) {
                view.storeFailed(thrown);
            }
            scheduled.set(false);
            lookAgain(tried);
        }

        /** An append that came meanwhile found a task already scheduled. What has failed is not tried again without one. */
        private void lookAgain(Position tried) {
            if (!view.isRunning()) {
                return;
            }
            Position head;
            try {
                head = store.head();
            } catch (Throwable thrown) {
                view.storeFailed(thrown);
                return;
            }
            if (head.isAfter(tried)) {
                appended(head);
            }
        }

        void close() {
            if (subscription != null) {
                subscription.close();
            }
            view.close();
        }
    }

    /**
     * Collects projections and says how each is run.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final EventStore store;
        private final Consumer<? super ProjectionFailure> listener;
        private final List<Planned> planned = new ArrayList<>();
        private @Nullable CheckpointStore checkpoints;

        private record Planned(
                Projection<?> projection, @Nullable Executor executor) {}

        private Builder(EventStore store, Consumer<? super ProjectionFailure> listener) {
            this.store = store;
            this.listener = listener;
        }

        /**
         * Keeps progress in a store.
         *
         * @param checkpoints where to; without this call every view begins at zero
         * @return this builder
         */
        public Builder checkpoints(CheckpointStore checkpoints) {
            this.checkpoints = Objects.requireNonNull(checkpoints, "checkpoints");
            return this;
        }

        /**
         * Adds a projection that appending threads keep up to date.
         *
         * @param projection with a name of its own
         * @return this builder
         */
        public Builder inline(Projection<?> projection) {
            planned.add(new Planned(Objects.requireNonNull(projection, "projection"), null));
            return this;
        }

        /**
         * Adds a projection that an executor keeps up to date.
         *
         * @param projection with a name of its own
         * @param executor runs the folding; stays open when the engine closes
         * @return this builder
         */
        public Builder background(Projection<?> projection, Executor executor) {
            planned.add(new Planned(
                    Objects.requireNonNull(projection, "projection"), Objects.requireNonNull(executor, "executor")));
            return this;
        }

        /**
         * Makes the engine: inline views are up to date when it returns, background ones begin to catch up.
         *
         * @return never {@code null}; close it
         * @throws WiringException if two projections have the same name
         */
        public ProjectionEngine build() {
            var faults = new ArrayList<String>();
            var runners = new LinkedHashMap<String, Runner<?>>();
            for (var plan : planned) {
                if (runners.put(plan.projection().name(), runner(plan.projection(), plan.executor())) != null) {
                    faults.add(
                            "Two projections are named \"" + plan.projection().name() + "\"; expected one. Rename or"
                                    + " remove one: checkpoints and status are kept by name.");
                }
            }
            if (!faults.isEmpty()) {
                throw new WiringException("ProjectionEngine", faults);
            }
            var engine = new ProjectionEngine(runners);
            try {
                runners.values().forEach(Runner::start);
            } catch (Throwable thrown) { // nobody else could end those that have begun
                engine.close();
                throw thrown;
            }
            return engine;
        }

        private <V> Runner<V> runner(Projection<V> projection, @Nullable Executor executor) {
            return new Runner<>(store, new ProjectionView<>(store, projection, checkpoints, listener), executor);
        }
    }
}
