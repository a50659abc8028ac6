package dev.cqrs.runtime;

import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.projection.Projection;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
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
 * <p><b>Errors:</b> a projection whose fold or effect throws stops, unless its {@link Delivery} has the event tried again or
 * put aside; the listener is told, reading the view of one that has stopped throws; the append
 * stands, and other projections go on. So does one whose log holds an event that cannot be read, and one whose executor
 * refuses. What a store throws otherwise, of events or of checkpoints, is taken to pass: the listener is told, the
 * view keeps its position, and the next signal of the store, or the delivery's timer, has it tried again; until then the view
 * lags, and its {@link ProjectionStatus} shows the failure. Appending from within a fold is refused.
 *
 * <p><b>Batches:</b> a view that catches up folds a batch at a time, shows it and saves it. A batch ends between two appends
 * that were recorded at different times.
 *
 * <p><b>Checkpoints:</b> where a store for them is given, a view of immutable values, or one that is saved as such, is saved
 * with its position, in the background after each batch unless {@link Delivery#checkpointEvery} says otherwise, else on
 * close; a new engine goes on from there if the version is the same. Other views begin again at zero.
 *
 * <p><b>Threads:</b> thread-safe. Starts none.
 */
public final class ProjectionEngine implements AutoCloseable {

    private final Map<String, ProjectionView<?>> views;

    private final boolean saving;

    private ProjectionEngine(Map<String, ProjectionView<?>> views, boolean saving) {
        this.views = views;
        this.saving = saving;
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
        var known = views.get(projection.name());
        if (known == null || !known.isOf(projection)) {
            throw new IllegalArgumentException("The engine does not run projection \"" + projection.name()
                    + "\" in version " + projection.version() + " with this query and fold; it runs "
                    + views.keySet() + ". Give it to the builder.");
        }
        @SuppressWarnings("unchecked") // equal projections have the same fold
        var view = (ProjectionView<V>) known;
        return view;
    }

    /**
     * Tells how each projection stands.
     *
     * @return an unmodifiable list in the order of registration
     */
    public List<ProjectionStatus> status() {
        return views.values().stream().map(ProjectionView::status).toList();
    }

    /**
     * Tells how all projections stand, in short.
     *
     * @return a value; later changes do not reach it
     */
    public Health health() {
        return Health.of(status());
    }

    /**
     * How all projections of an engine stand, at one moment.
     *
     * @param projections how many there are
     * @param stopped how many have stopped
     * @param retrying how many are trying again
     * @param parked how many events are put aside, in all
     * @param greatestLag the greatest lag of any, in positions
     * @param unwell those that somebody should look at
     */
    public record Health(
            int projections, int stopped, int retrying, int parked, long greatestLag, List<ProjectionStatus> unwell) {

        /**
         * Copies the list.
         *
         * @param projections how many there are
         * @param stopped how many have stopped
         * @param retrying how many are trying again
         * @param parked how many events are put aside, in all
         * @param greatestLag the greatest lag of any, in positions
         * @param unwell those that somebody should look at
         */
        public Health {
            unwell = List.copyOf(unwell);
        }

        private static Health of(List<ProjectionStatus> all) {
            return new Health(
                    all.size(),
                    count(all, ProjectionStatus.State.STOPPED),
                    count(all, ProjectionStatus.State.RETRYING),
                    all.stream().mapToInt(ProjectionStatus::parked).sum(),
                    all.stream().mapToLong(ProjectionStatus::lag).max().orElse(0),
                    all.stream().filter(status -> !status.isWell()).toList());
        }

        private static int count(List<ProjectionStatus> all, ProjectionStatus.State state) {
            return (int) all.stream().filter(status -> status.state() == state).count();
        }

        /**
         * Says whether nothing is amiss in any projection, which says nothing of their lag.
         *
         * @return whether nobody need look at them
         */
        public boolean isWell() {
            return unwell.isEmpty();
        }
    }

    /**
     * Builds a new version of a projection beside the one that is read, and swaps the two when it has come as far.
     *
     * <p>Who reads sees one or the other, and never an earlier position than before; {@link ProjectionView#awaitApplied}
     * waits right through. Events put aside by the version before are tried by the new one. The new version runs as the one
     * before did, and performs effects for the events behind the position at which it took over, and behind that to which an
     * earlier version had come, and those of events that were put aside before, which are still owed.
     *
     * @param <V> the view, the same for both
     * @param running the projection that runs, or one that it has replaced
     * @param next the new version: of the same name, and of the same version (to fold all again) or a later one
     * @param executor builds it, a batch a task; stays open
     * @param listener told of its progress after each batch, in order: by the executor's threads, and by whoever cancels it
     * @return the rebuild, which runs; it ends when the engine closes
     * @throws IllegalArgumentException if the engine does not run the projection, or the versions do not fit
     * @throws IllegalStateException if it is being rebuilt, or the engine is closed
     * @throws WiringException if the new version cannot be run as the one before is
     */
    public <V> Rebuild rebuild(
            Projection<V> running, Projection<V> next, Executor executor, Consumer<? super Rebuild.Progress> listener) {
        Objects.requireNonNull(next, "next");
        Objects.requireNonNull(executor, "executor");
        Objects.requireNonNull(listener, "listener");
        var view = view(running);
        var faults = new ArrayList<String>();
        Builder.check(next, view.delivery(), saving, faults);
        if (!faults.isEmpty()) {
            throw new WiringException("ProjectionEngine", faults);
        }
        return view.rebuild(next, executor, listener);
    }

    /**
     * Stops following: what is being folded ends at the next event and is dropped, to be folded again by the next
     * engine; the last complete state is saved as a checkpoint. All projections are told to end before the first is waited
     * for, so that one whose fold hangs holds up no other. A second call does nothing. The store and executors stay open,
     * as they are the caller's.
     *
     * <p>Called from a fold or an effect it waits for nobody, as others may wait for that; what is being folded is saved when
     * it has come to its end.
     *
     * @throws IllegalStateException if called from within the reading of a view that is changed in place
     */
    @Override
    public void close() {
        views.values().forEach(view -> view.checkNotReading("close the engine"));
        var thrown = new ArrayList<Throwable>();
        forEachView(ProjectionView::stop, thrown); // of all before one is waited for, which may hang
        boolean within = views.values().stream().anyMatch(ProjectionView::isWithin);
        forEachView(view -> view.close(within), thrown);
        if (!thrown.isEmpty()) {
            var first = thrown.get(0);
            thrown.stream().filter(further -> further != first).forEach(first::addSuppressed);
            sneak(first);
        }
    }

    /** Throws what a view has thrown, which may be what no signature allows. */
    @SuppressWarnings("unchecked")
    private static <X extends Throwable> void sneak(Throwable thrown) throws X {
        throw (X) thrown;
    }

    private void forEachView(Consumer<ProjectionView<?>> action, List<Throwable> thrown) {
        for (var view : views.values()) {
            try {
                action.accept(view);
            } catch (Throwable failed) {
                thrown.add(failed);
            }
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
        private final List<Planned<?>> planned = new ArrayList<>();
        private @Nullable CheckpointStore checkpoints;

        private @Nullable Clock clock;

        private record Planned<V>(
                Projection<V> projection,
                Delivery delivery,
                @Nullable Projection<V> before,
                @Nullable Executor rebuilder) {}

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
         * Gives a clock, by which rates are told.
         *
         * @param clock asked after each batch; without this call there are no rates
         * @return this builder
         */
        public Builder clock(Clock clock) {
            this.clock = Objects.requireNonNull(clock, "clock");
            return this;
        }

        /**
         * Adds a projection that appending threads keep up to date, and which stops when an event fails.
         *
         * @param projection with a name of its own
         * @return this builder
         */
        public Builder inline(Projection<?> projection) {
            return run(projection, Delivery.inline());
        }

        /**
         * Adds a projection that an executor keeps up to date, and which stops when an event fails.
         *
         * @param projection with a name of its own
         * @param executor runs the folding; stays open when the engine closes
         * @return this builder
         */
        public Builder background(Projection<?> projection, Executor executor) {
            Objects.requireNonNull(projection, "projection");
            return run(projection, Delivery.background(executor));
        }

        /**
         * Adds a projection.
         *
         * @param projection with a name of its own
         * @param delivery where it runs, and what is done when an event fails
         * @return this builder
         */
        public Builder run(Projection<?> projection, Delivery delivery) {
            return plan(projection, delivery);
        }

        private <V> Builder plan(Projection<V> projection, Delivery delivery) {
            planned.add(new Planned<>(
                    Objects.requireNonNull(projection, "projection"),
                    Objects.requireNonNull(delivery, "delivery"),
                    null,
                    null));
            return this;
        }

        /**
         * Adds a projection in a new version, and the version before, which is read meanwhile.
         *
         * <p>If there is a checkpoint of the version before, the engine goes on from it with that version, builds the new one
         * beside it, and swaps the two, as {@link ProjectionEngine#rebuild} does. Otherwise, as when the new version has
         * saved a checkpoint of its own, the new version is all that runs.
         *
         * @param <V> the view, the same for both
         * @param before the version before, with its fold as it was
         * @param projection the new version
         * @param delivery how either runs
         * @param executor builds the new version; stays open when the engine closes
         * @return this builder
         */
        public <V> Builder replace(
                Projection<V> before, Projection<V> projection, Delivery delivery, Executor executor) {
            planned.add(new Planned<>(
                    Objects.requireNonNull(projection, "projection"),
                    Objects.requireNonNull(delivery, "delivery"),
                    Objects.requireNonNull(before, "before"),
                    Objects.requireNonNull(executor, "executor")));
            return this;
        }

        /**
         * Makes the engine: inline views are up to date when it returns, background ones begin to catch up. What a store throws
         * in being asked where they are to begin is thrown on, and nothing runs.
         *
         * @return never {@code null}; close it
         * @throws WiringException if two projections have the same name, or one is to be run as it cannot be
         */
        public ProjectionEngine build() {
            var faults = new ArrayList<String>();
            var names = new HashSet<String>();
            for (var plan : planned) {
                var name = plan.projection().name();
                if (!names.add(name)) {
                    faults.add("Two projections are named \"" + name + "\"; expected one. Rename or"
                            + " remove one: checkpoints and status are kept by name.");
                }
                check(plan.projection(), plan.delivery(), checkpoints != null, faults);
                var before = plan.before();
                if (before != null) {
                    check(before, plan.delivery(), checkpoints != null, faults);
                    if (!before.name().equals(name)
                            || before.version() >= plan.projection().version()) {
                        faults.add("Projection \"" + before.name() + "\" in version " + before.version()
                                + " is to be replaced by \"" + name + "\" in version "
                                + plan.projection().version() + "; expected one name and a later version.");
                    }
                }
            }
            if (!faults.isEmpty()) {
                throw new WiringException("ProjectionEngine", faults);
            }
            var views = new LinkedHashMap<String, ProjectionView<?>>();
            var rebuilds = new ArrayList<Runnable>();
            for (var plan : planned) {
                views.put(plan.projection().name(), view(plan, rebuilds));
            }
            var engine = new ProjectionEngine(views, checkpoints != null);
            try {
                views.values().forEach(ProjectionView::start);
                rebuilds.forEach(Runnable::run);
            } catch (Throwable thrown) { // nobody else could end those that have begun
                try {
                    engine.close();
                } catch (Throwable further) { // must not hide why it could not start
                    if (further != thrown) {
                        thrown.addSuppressed(further);
                    }
                }
                throw thrown;
            }
            return engine;
        }

        private <V> ProjectionView<V> view(Planned<V> plan, List<Runnable> rebuilds) {
            var before = plan.before();
            if (before == null
                    || checkpoints == null
                    || Follower.usable(checkpoints, before, store).isEmpty()) {
                return new ProjectionView<>(store, plan.projection(), plan.delivery(), checkpoints, listener, clock);
            }
            var view = new ProjectionView<>(store, before, plan.delivery(), checkpoints, listener, clock);
            rebuilds.add(() -> {
                var unused = view.rebuild(plan.projection(), Objects.requireNonNull(plan.rebuilder()), progress -> {});
            });
            return view;
        }

        /** What would go wrong at night is told when it is wired. */
        private static void check(Projection<?> projection, Delivery delivery, boolean saving, List<String> faults) {
            var what = "Projection \"" + projection.name() + "\" ";
            boolean inPlace =
                    projection.fold().changesInPlace() && projection.each().isEmpty();
            if (projection.hasEffects() && delivery.executor().isEmpty()) {
                faults.add(what + "has effects and is inline, where they would hold up every append. Run it in the"
                        + " background.");
            }
            if (projection.hasEffects() && !saving) {
                faults.add(what + "has effects, which would all be performed again by the next engine. Give the builder"
                        + " checkpoints(...).");
            }
            if (projection.hasEffects() && inPlace && projection.saved().isEmpty()) {
                faults.add(
                        what + "has effects and a view that is changed in place and not saved, so that they would all"
                                + " be performed again by the next engine. Use on(...) for its steps, or savedAs(...).");
            }
            if (projection.hasEffects() && delivery.checkpointEvery() > 1) {
                faults.add(what + "has effects, and is to be saved every " + delivery.checkpointEvery()
                        + " events only: after a crash the effects of all those would be performed again. Leave out"
                        + " checkpointEvery(...).");
            }
            if (delivery.triesAgain() && inPlace) {
                faults.add(
                        what + "is to go on after an event has failed, but changes its view in place, which a step that"
                                + " throws leaves half changed. Use on(...) for its steps, or a state for each key.");
            }
            if (delivery.mostParked() > 0 && projection.keys().isEmpty()) {
                faults.add(what + "is to put aside events with those of their key, but has no keys. Give it by(...).");
            }
            if (delivery.workers() > 1
                    && (projection.each().isEmpty() || delivery.executor().isEmpty() || projection.hasEffects())) {
                faults.add(
                        what + "is to be folded by " + delivery.workers() + " workers; expected one in the background,"
                                + " with a state for each key, and without effects. Run it with one, or make it so.");
            }
        }
    }
}
