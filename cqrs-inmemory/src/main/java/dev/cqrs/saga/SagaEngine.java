package dev.cqrs.saga;

import dev.cqrs.command.CommandBus;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.saga.Instances.Begun;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Continued;
import dev.cqrs.saga.SagaEvent.Deployed;
import dev.cqrs.saga.SagaEvent.EngineStarted;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaEvent.Standing;
import dev.cqrs.saga.SagaEvent.Started;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.saga.Story.Act;
import dev.cqrs.saga.Story.Progress;
import dev.cqrs.task.Marks;
import dev.cqrs.task.Waits;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Runs sagas and process managers: their progress is in the operations log, so that they go on after a crash at any line, in
 * this process or another.
 *
 * <pre>{@code
 * var catalog = SagaEngine.catalog(Catalog.builder()).event("order-placed", OrderPlaced.class) … .build();
 * var sagas = SagaEngine.builder(new InMemoryEventStore(catalog, clock), clock).name(host).add(order).domain(domain).build();
 * try (sagas) {
 *     sagas.start(bus, executor, timer, listener);
 *     …
 * }
 * }</pre>
 *
 * <p><b>Progress:</b> a turn of an instance is one append: what came in, the event that is kept of it, and the commands that go
 * out. It happens only if nothing else of that instance was appended since, so two engines never have one instance go two
 * ways. Commands are dispatched after that, under the id that {@link #commandId} gives, at least once.
 *
 * <p><b>Several engines:</b> any number of them in any number of processes may run the same sagas over one log. Each turn
 * that issues a command tells which engine has the instance, and until when, by its clock; it has it for longer while a
 * command takes long. Others leave it alone until then, and take it over afterwards, dispatching the same commands under
 * the same ids. One that is started under a name takes over at once what that name had before, as {@link Builder#name}
 * says. Clocks that differ cost time or a second dispatch. An engine that stands still for longer than its lease in the
 * middle of a command, and goes on, finds it refused for good if another one was rejected meanwhile by a handler that keeps
 * command ids ({@link dev.cqrs.decider.DecisionHandler#idempotent()}); with others it may still take effect after the saga has
 * gone back: for those let the lease be longer than the longest pause of a process.
 *
 * <p><b>Events</b> of the domain's log are taken in one after the other, in their order, each once for an instance: a turn
 * tells the place of its event. An event whose key function throws is told to the listener and left out. One that nobody
 * waits for, or whose instance has ended, is ignored and counted. One that the operations log does not take, or from which
 * something follows that it does not take, parks its instance, which knows it all the same: it is read from the domain's log
 * again, and has to be there.
 *
 * <p><b>Time:</b> the clock's. If it jumps forward, what has become due meanwhile happens once each, and no timer fires that an
 * earlier one has stopped; if it jumps back, nothing happens twice. Jumps are noticed within a minute.
 *
 * <p><b>Failures:</b> see {@link Saga}. An instance that cannot go on is parked, alone, and the listener is told. What a store,
 * the executor or the timer throws is told as well, and tried again after a second. Not so a timer that throws then too: that
 * is told as not tried again, and nothing's time comes before an append that is told, a command that ends or an operator has
 * the engine look again.
 *
 * <p><b>Memory:</b> some 250 bytes for each instance that has not ended, and the stories of those that are at work and of up
 * to ten thousand that are in line, about a kilobyte each and what their state takes. Ended ones are in the log alone.
 *
 * <p><b>Starting:</b> the operations log is read from its beginning, or from what {@link Builder#checkpoints} has saved; the
 * domain's log from where the engine stood then, or from where all that has not ended had come to, so that of a saga that is
 * seldom started much is read again; but nothing is taken in twice.
 * Where a saga that is new begins, {@link Builder#add(Saga)} says.
 *
 * <p><b>At rest:</b> keys, as tags; the events that are kept, commands, and reasons why commands failed. If a key is personal
 * data, let the key function give a keyed hash.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: it is woken by appends, by the timer and by its own tasks.
 */
public final class SagaEngine implements AutoCloseable {

    /** How many instances go on at once unless it is said: 4. */
    public static final int DEFAULT_AT_ONCE = 4;

    /** How long an engine has an instance unless it says so again, if nothing else is said: 30 seconds. */
    public static final Duration DEFAULT_LEASE = Duration.ofSeconds(30);

    /** How many engines a command may end before it is given up, if nothing else is said: 5. */
    public static final int DEFAULT_EXPIRIES = 5;

    private static final int SAVED_VERSION = 4;

    private final Instances instances;
    private final Archive archive;
    private final Scripts scripts;
    private final Optional<EventStore> domain;
    private final Map<Script<?>, Position> after;
    private final int atOnce;
    private final int expiries;
    private final ReentrantLock starting = new ReentrantLock();
    private volatile @Nullable Worker worker;

    /** What became of a {@link #cancel}. */
    public enum Cancellation {
        /** It is on its way back, or will be as soon as it is known what took effect; also if that was so before. */
        CANCELLED,
        /** It has ended, or has passed its pivot. */
        TOO_LATE,
        /** It is not known of a step whether it took effect: {@link #settle} that first, or have it tried again. */
        UNSURE,
        /** There is no such instance. */
        UNKNOWN
    }

    /** What an operator has found out of a command of which it was not known. */
    public enum Finding {
        /** It took effect: the step is done, and is undone on the way back. */
        TOOK_EFFECT,
        /** It had no effect: the step is tried again as another attempt, and has nothing to be undone on the way back. */
        NO_EFFECT
    }

    /**
     * How the instances of an engine stand, at one moment.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param position up to where the operations log was looked at
     * @param instances how many there are in each state; those that have ended since the log began
     * @param ignored how many events this engine has ignored: nobody waited for them, or not any more
     */
    public record Status(Position position, Map<State, Long> instances, long ignored) {

        /**
         * Checks for nulls and copies the map.
         *
         * @param position up to where the operations log was looked at
         * @param instances how many there are in each state
         * @param ignored how many events this engine has ignored
         */
        public Status {
            Objects.requireNonNull(position, "position");
            instances = Map.copyOf(instances);
        }

        /**
         * Gives how many instances are in a state.
         *
         * @param state the state
         * @return zero or more
         */
        public long count(State state) {
            return instances.getOrDefault(state, 0L);
        }
    }

    /**
     * What of the instances is saved in a {@link CheckpointStore}; where classes are told by name, it is the class of that
     * checkpoint.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param open the instances that have not ended
     * @param ended how many have, by state
     * @param sources the places of the last events that started an instance, by saga and event
     * @param followed up to where the domain's log was taken in
     * @param versions the newest version that was known of each saga and process manager, by name: others were left out; and
     *     each that was, by name and version, as in {@code order/2}
     */
    public record Saved(
            List<Open> open,
            Map<State, Long> ended,
            Map<String, Long> sources,
            long followed,
            Map<String, Integer> versions) {

        /**
         * An instance that has not ended.
         *
         * @param saga the name of the saga or process manager
         * @param key its key
         * @param version the version it was started under
         * @param started when
         * @param position the place of its last event in the operations log
         * @param source the place of the last event of the domain's log that it took in
         * @param standing where it stands
         */
        public record Open(
                String saga, String key, int version, Instant started, long position, long source, Standing standing) {}

        /**
         * Copies the collections.
         *
         * @param open the instances that have not ended
         * @param ended how many have, by state
         * @param sources the places of the last events that started an instance, by saga and event
         * @param followed up to where the domain's log was taken in
         * @param versions the newest version that was known of each saga and process manager, and each that was
         */
        public Saved {
            open = List.copyOf(open);
            ended = Map.copyOf(ended);
            sources = Map.copyOf(sources);
            versions = Map.copyOf(versions);
        }
    }

    /**
     * Which instances are asked for; all that have not ended unless it is said.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param saga only those of this name; empty for all
     * @param state only those in this state, which is no end
     * @param startedBefore only those that are older
     * @param step only those at this step; empty for all
     */
    public record Filter(String saga, Optional<State> state, Optional<Instant> startedBefore, String step) {

        /**
         * Checks for nulls.
         *
         * @param saga only those of this name; empty for all
         * @param state only those in this state
         * @param startedBefore only those that are older
         * @param step only those at this step; empty for all
         */
        public Filter {
            Objects.requireNonNull(saga, "saga");
            Objects.requireNonNull(state, "state");
            Objects.requireNonNull(startedBefore, "startedBefore");
            Objects.requireNonNull(step, "step");
        }

        /**
         * All that have not ended.
         *
         * @return never {@code null}
         */
        public static Filter all() {
            return new Filter("", Optional.empty(), Optional.empty(), "");
        }

        /**
         * Only those of a saga or process manager.
         *
         * @param saga its name
         * @return a copy
         */
        public Filter of(String saga) {
            return new Filter(saga, state, startedBefore, step);
        }

        /**
         * Only those in a state.
         *
         * @param state the state
         * @return a copy
         */
        public Filter in(State state) {
            return new Filter(saga, Optional.of(state), startedBefore, step);
        }

        /**
         * Only those that were started before an instant.
         *
         * @param instant the instant
         * @return a copy
         */
        public Filter startedBefore(Instant instant) {
            return new Filter(saga, state, Optional.of(instant), step);
        }

        /**
         * Only those at a step.
         *
         * @param step its name
         * @return a copy
         */
        public Filter at(String step) {
            return new Filter(saga, state, startedBefore, step);
        }
    }

    private SagaEngine(Builder builder, Scripts scripts) {
        this.scripts = scripts;
        this.archive = new Archive(builder.operations, builder.domain, scripts);
        this.instances = new Instances(archive, scripts, builder.clock, builder.name, builder.lease, builder.saving);
        this.domain = builder.domain;
        this.after = Map.copyOf(builder.after);
        this.atOnce = builder.atOnce;
        this.expiries = builder.expiries;
    }

    /**
     * Adds the events of sagas to a catalog; events that are kept and commands are added like any, each by a stable name.
     *
     * @param catalog of the operations log
     * @return the same builder
     */
    public static Catalog.Builder catalog(Catalog.Builder catalog) {
        return catalog.event("cqrs.saga-started", Started.class)
                .event("cqrs.saga-continued", Continued.class)
                .event("cqrs.saga-deployed", Deployed.class)
                .event("cqrs.saga-engine-started", EngineStarted.class)
                .tags(SagaEvent.class, SagaEvent::tags);
    }

    /**
     * Begins an engine.
     *
     * @param operations the log in which progress is kept, which may hold other things too, but not the domain's events. A store
     *     that several processes share has to tell of the appends of others, or they may not be noticed at all. Who else is
     *     told of its appends must not change instances on that thread, which may have one; let it hand that over
     * @param clock tells when the time for something comes
     * @return a builder
     */
    public static Builder builder(EventStore operations, Clock clock) {
        return new Builder(Objects.requireNonNull(operations, "operations"), Objects.requireNonNull(clock, "clock"));
    }

    /**
     * Gives the id under which a command of an instance is dispatched.
     *
     * @param saga the name of the saga
     * @param key the key of the instance
     * @param step the step; for a process manager the number of the command, from 1
     * @param undo whether it is the compensation of that step
     * @param attempt from 1; one more when an attempt that surely had no effect is followed by another
     * @return never {@code null}
     */
    public static String commandId(String saga, String key, String step, boolean undo, int attempt) {
        return saga + "/" + key + "/" + step + "/" + (undo ? "undo-" : "") + attempt;
    }

    // ---- running

    /**
     * Has instances go on, until the engine is closed. Events that are appended when this has returned are taken in: on this
     * thread it is read, and written the first time, from where on events start sagas. If a store is away, that is tried again
     * later; where it is the domain's, and a saga is new, it begins where that log ends then.
     *
     * <p>What a handler throws while its thread is interrupted, as by an executor that shuts down, says nothing of its command,
     * which is dispatched again a second later; the listener is told. When this engine has had that as often as
     * {@link Builder#expiries} says, the next counts as a failure of a command that may have taken effect.
     *
     * @param bus dispatches the commands
     * @param executor runs the engine's tasks, as many at once as instances, and one more that takes events in and has instances
     *     for longer: where it has no thread to spare, that waits for a command to end, and others may take instances over
     *     whose commands still run
     * @param timer waits; its tasks hand over to the executor
     * @param listener told of what fails, on the thread on which it did, with no lock held; what it throws goes to that
     *     thread's handler of uncaught exceptions
     * @throws IllegalStateException if it was started before
     */
    public void start(CommandBus bus, Executor executor, Delivery.Timer timer, Consumer<? super SagaFailure> listener) {
        Objects.requireNonNull(bus, "bus");
        Objects.requireNonNull(executor, "executor");
        Objects.requireNonNull(timer, "timer");
        Objects.requireNonNull(listener, "listener");
        startOnce(new Worker(instances, domain, after, atOnce, expiries, bus, executor, timer, listener));
    }

    private void startOnce(Worker made) {
        starting.lock();
        try {
            if (worker != null) {
                throw new IllegalStateException("The engine \"" + instances.name()
                        + "\" was started before; expected once. Build another engine.");
            }
            worker = made;
        } finally {
            starting.unlock();
        }
        made.start(); // with no lock that close() needs, as the stores and the listener may take long
    }

    /**
     * Takes in nothing more, waits until the commands that are being dispatched have ended and what became of them is written,
     * and gives back what instances the engine has; until then it has those of these commands for longer, by the executor and the
     * timer, so let them run. A second call does nothing more. An engine that is just being started is
     * closed too.
     *
     * <p>Called by a handler that the engine dispatches to, or by its listener, it returns at once, as it would wait for
     * itself; the engine ends with that handler. If the waiting thread is interrupted, it waits no longer, and its flag is set
     * again; the engine ends with the last of those commands. What the caller passed in stays open.
     */
    @Override
    public void close() {
        var running = worker;
        if (running != null) {
            running.close();
        }
    }

    /**
     * Starts an instance by hand, unless there is one with that key. It takes in events that come afterwards, none that were
     * in the domain's log before.
     *
     * @param saga the name of the saga or process manager, whose newest version is started
     * @param key the key of the instance
     * @param event what its state is folded from first; the catalog of the operations log has to know it
     * @return whether it was started
     * @throws IllegalArgumentException if there is no such saga here, or the key cannot be one
     * @throws UnknownEventException if the catalog does not know the event
     */
    public boolean begin(String saga, String key, Object event) {
        var script = scripts.newest(saga);
        var name = archive.log().catalog().nameOf(event.getClass());
        long head = domain.map(store -> store.head().value()).orElse(0L);
        boolean now = instances.begin(
                        script,
                        script.checkedKey(key),
                        Cause.BEGUN,
                        event,
                        name,
                        head,
                        "",
                        turn -> tellIfParked(saga, key, turn))
                == Begun.NOW;
        signal();
        return now;
    }

    /** With no lock held: tells the listener, if there is one yet. */
    private void tellIfParked(String saga, String key, Turn<?> turn) {
        var running = worker;
        if (running != null) {
            running.tellIfParked(saga, key, turn);
        }
    }

    private void signal() {
        var running = worker;
        if (running != null) {
            running.signal();
        }
    }

    // ---- operating

    /**
     * Tells how an instance stands. Reads what the operations log has of it.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @return empty if there is none
     */
    public Optional<SagaInstance> find(String saga, String key) {
        return Optional.ofNullable(archive.look(saga, key))
                .map(found -> found.story().instance());
    }

    /**
     * Gives instances that have not ended, the oldest first. Reads the operations log as far as it is not known, and what it
     * has of those that are given.
     *
     * @param filter which
     * @param most how many at most, zero or more
     * @return an unmodifiable list
     * @throws IllegalArgumentException if {@code most} is negative
     */
    public List<SagaInstance> list(Filter filter, int most) {
        Objects.requireNonNull(filter, "filter");
        if (most < 0) {
            throw new IllegalArgumentException("At most " + most + " instances were asked for; expected 0 or more.");
        }
        var found = instances.list(
                entry -> (filter.saga().isEmpty() || filter.saga().equals(entry.saga))
                        && filter.state().map(state -> state == entry.state).orElse(true)
                        && filter.startedBefore().map(entry.started::isBefore).orElse(true)
                        && (filter.step().isEmpty() || filter.step().equals(entry.step)),
                most);
        var all = new ArrayList<SagaInstance>();
        found.forEach(entry -> find(entry.saga, entry.key)
                .filter(instance -> !instance.state().isEnd()) // as it may have since
                .ifPresent(all::add));
        return List.copyOf(all);
    }

    /**
     * Tells how all instances stand. The first call reads the operations log, or what is behind a checkpoint, unless the
     * engine has.
     *
     * @return a value; later changes do not reach it
     */
    public Status status() {
        return instances.status();
    }

    /**
     * Tells what has happened in an instance, a line for each thing.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @return a text with line feeds; empty if there is no such instance
     */
    public String history(String saga, String key) {
        return History.text(archive, archive.marks(saga, key));
    }

    /**
     * Draws what has happened in an instance.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @return a sequence diagram of Mermaid; empty if there is no such instance
     */
    public String diagram(String saga, String key) {
        return History.diagram(archive, archive.marks(saga, key));
    }

    /**
     * Has a parked instance go on from where it stands: what was given up on is tried again, with all its delays
     * and its time anew; under the same id where it took effect or may have. What is known to have had no effect is not tried
     * again where the saga has failed.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @return whether it was parked, and goes on
     */
    public boolean resume(String saga, String key) {
        return change(
                saga,
                key,
                (story, trouble) -> story.parked && story.ended == null ? resumed(story, trouble, false) : null);
    }

    /**
     * Has an instance try at once what waits to be tried again, or go on as {@link #resume} does if it is parked.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @return whether there was something to be tried
     */
    public boolean retry(String saga, String key) {
        return change(
                saga,
                key,
                (story, trouble) -> story.ended == null
                                && (story.parked || story.current().stream().anyMatch(act -> act.is(Progress.AGAIN)))
                        ? resumed(story, trouble, true)
                        : null);
    }

    private <S> Turn<S> resumed(Story<S> story, @Nullable Trouble trouble, boolean atOnce) {
        var turn = operated(story, Archive.input(Cause.RESUMED, ""));
        if (atOnce) {
            for (var act : List.copyOf(story.current())) {
                if (act.is(Progress.AGAIN)) {
                    turn.redo(act, act.attempt);
                }
            }
        }
        story.script.resume(turn);
        return gone(turn, trouble);
    }

    /**
     * Leaves out a step that a parked instance is stuck at, or on the way back the compensation of that step, and has it go on.
     * It is never said to be completed or compensated then, but {@link State#INCOMPLETE}. A pivot that is left out counts as
     * passed. A step that took effect is undone on the way back all the same; one of which that is not known is not, so {@link
     * #settle} that first where it can be found out.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @param step the name of the step, as {@link SagaInstance#step} gives it; of a process manager the number of the command
     * @return whether it was stuck there, and goes on; if not, nothing was done, so that a second call leaves out nothing more
     */
    public boolean skip(String saga, String key, String step) {
        Objects.requireNonNull(step, "step");
        return change(saga, key, (story, trouble) -> {
            var stuck = stuck(story, act -> act.step.equals(step));
            return stuck == null || !story.parked ? null : skipped(story, stuck, trouble);
        });
    }

    static @Nullable Act stuck(Story<?> story, Predicate<Act> wanted) {
        return story.ended != null
                ? null
                : story.current().stream()
                        .filter(act -> act.is(Progress.STUCK) && wanted.test(act))
                        .findFirst()
                        .orElse(null);
    }

    /**
     * Tells what an operator has found out of a command that an instance is stuck at: whether it took effect. The instance stays
     * parked, until {@link #resume} or {@link #cancel} has it go on with what is known then; of a compensation that was carried
     * out by hand this says so too. Nothing is kept of the result: where the state is to know it, have the command tried again
     * under its id by {@link #resume}, so that its handler gives it.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @param command the id of the command, as the reason of the instance gives it; see {@link #commandId}
     * @param finding what was found out
     * @return whether the instance was stuck at that command, and this was not known; if not, nothing was done
     */
    public boolean settle(String saga, String key, String command, Finding finding) {
        Objects.requireNonNull(command, "command");
        Objects.requireNonNull(finding, "finding");
        return change(saga, key, (story, trouble) -> {
            var stuck = stuck(
                    story,
                    act -> command.equals(commandId(saga, key, act.step, act.undo, act.attempt))
                            && isOpen(act, finding));
            return stuck == null ? null : settled(story, stuck, finding, trouble);
        });
    }

    /** Says whether something can be found out of a command that an instance is stuck at: it was issued, and is not known. */
    static boolean isOpen(Act stuck, Finding finding) {
        return stuck.position > 0 && (finding == Finding.TOOK_EFFECT ? !stuck.returned : stuck.unsure);
    }

    static Input input(Act stuck, Finding finding) {
        var cause = finding == Finding.TOOK_EFFECT ? Cause.TOOK_EFFECT : Cause.NO_EFFECT;
        return new Input(cause, stuck.step, stuck.undo, stuck.attempt, "", 0, "");
    }

    private <S> Turn<S> settled(Story<S> story, Act stuck, Finding finding, @Nullable Trouble trouble) {
        return gone(operated(story, input(stuck, finding)), trouble);
    }

    private <S> Turn<S> skipped(Story<S> story, Act stuck, @Nullable Trouble trouble) {
        var input = new Input(Cause.SKIPPED, stuck.step, stuck.undo, stuck.attempt, "", 0, stuck.reason);
        return gone(operated(story, input), trouble);
    }

    /**
     * Has an instance fail, so that what took effect is undone; a process manager stops instead, and ends as {@link
     * State#INCOMPLETE}. If its pivot is just being dispatched and takes effect, it goes on all the same. One that has failed, or
     * is on its way back, and is parked goes on as {@link #resume} has it, unless it is not known of a step, or of a
     * compensation, whether it took effect.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance
     * @return what became of it
     */
    public Cancellation cancel(String saga, String key) {
        var told = new Cancellation[] {Cancellation.UNKNOWN};
        change(saga, key, (story, trouble) -> {
            told[0] = cancellation(story);
            if (told[0] != Cancellation.CANCELLED || story.ended != null) {
                return null;
            }
            if (!story.failing && !story.back) {
                return gone(operated(story, Archive.input(Cause.CANCELLED, "It was cancelled.")), trouble);
            }
            return isHeldUp(story) ? resumed(story, trouble, false) : null;
        });
        return told[0];
    }

    /** Says whether what has failed, or is on its way back, is parked for something that is known to have had no effect. */
    static boolean isHeldUp(Story<?> story) {
        return story.parked && story.current().stream().noneMatch(act -> act.is(Progress.STUCK) && act.unsure);
    }

    static Cancellation cancellation(Story<?> story) {
        if (story.failing || story.back) {
            return story.ended == State.COMPLETED ? Cancellation.TOO_LATE : Cancellation.CANCELLED;
        }
        if (story.ended != null || story.passed) {
            return Cancellation.TOO_LATE;
        }
        boolean unsure = story.acts.values().stream().anyMatch(act -> act.is(Progress.STUCK) && act.unsure);
        return unsure ? Cancellation.UNSURE : Cancellation.CANCELLED;
    }

    private <S> Turn<S> operated(Story<S> story, Input input) {
        return instances.turn(story, input, Optional.empty(), "");
    }

    private static <S> Turn<S> gone(Turn<S> turn, @Nullable Trouble trouble) {
        turn.trouble = trouble;
        return Instances.gone(turn);
    }

    private boolean change(String saga, String key, Instances.Decide decide) {
        Objects.requireNonNull(saga, "saga");
        Objects.requireNonNull(key, "key");
        var turn = instances.change(saga, key, decide);
        if (turn == null) {
            return false;
        }
        tellIfParked(saga, key, turn);
        signal();
        return true;
    }

    /**
     * Waits until an instance has ended; woken by appends that the operations log tells of, not by looking again and again:
     * what it does not tell of is seen when the time is over.
     *
     * @param saga the name of the saga or process manager
     * @param key the key of the instance, which need not have begun
     * @param timeout how long to wait at most; zero to ask only
     * @return how it ended
     * @throws SagaTimeoutException if it did not end in time
     * @throws IllegalStateException if it has not begun in time
     * @throws InterruptedException if the thread was interrupted while it waited
     */
    public SagaInstance awaitEnded(String saga, String key, Duration timeout) throws InterruptedException {
        boolean over = Waits.forAppends(
                archive.log(),
                timeout,
                () -> {
                    var newest = archive.newest(saga, key);
                    return newest != null && newest.standing().state().isEnd();
                },
                ended -> ended);
        var found = find(saga, key)
                .orElseThrow(() -> new IllegalStateException("The saga \"" + saga + "\" of \"" + key
                        + "\" has not begun after " + timeout
                        + "; expected an end. Was the event appended that starts it, and is an engine there?"));
        if (!over && !found.state().isEnd()) { // as it may have since
            throw new SagaTimeoutException(found, timeout);
        }
        return found;
    }

    /**
     * Says what an engine runs, and how.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final EventStore operations;
        private final Clock clock;
        private final List<Script<?>> all = new ArrayList<>();
        private Optional<EventStore> domain = Optional.empty();
        private final Map<Script<?>, Position> after = new HashMap<>();
        private String name = "";
        private int atOnce = DEFAULT_AT_ONCE;
        private Duration lease = DEFAULT_LEASE;
        private Optional<Marks.Saving<Saved>> saving = Optional.empty();
        private int expiries = DEFAULT_EXPIRIES;

        private Builder(EventStore operations, Clock clock) {
            this.operations = operations;
            this.clock = clock;
        }

        /**
         * Adds a saga; several versions of one name stand beside each other.
         *
         * <p>It is started by events that come after an engine was started with it for the first time, by none that were in the
         * domain's log before: what happened years ago is not to be done now. So it is with a class of events that starts it as
         * of another version. Where that is, is kept in the operations log, for all engines.
         *
         * @param saga the saga
         * @return this builder
         */
        public Builder add(Saga<?> saga) {
            all.add(saga.script());
            return this;
        }

        /**
         * Adds a saga as {@link #add(Saga)} does, which is also started by events that are older than itself.
         *
         * @param saga the saga
         * @param after events of the domain's log behind this one start it, {@link Position#START} for all of them; counts when an
         *     engine is started with it for the first time, and no more then
         * @return this builder
         */
        public Builder add(Saga<?> saga, Position after) {
            this.after.put(saga.script(), Objects.requireNonNull(after, "after"));
            return add(saga);
        }

        /**
         * Adds a process manager; several versions of one name stand beside each other. It is started by events as a saga is,
         * see {@link #add(Saga)}.
         *
         * @param manager the process manager
         * @return this builder
         */
        public Builder add(ProcessManager<?> manager) {
            all.add(manager.script());
            return this;
        }

        /**
         * Adds a process manager as {@link #add(ProcessManager)} does, which is also started by events that are older than itself.
         *
         * @param manager the process manager
         * @param after as of {@link #add(Saga, Position)}
         * @return this builder
         */
        public Builder add(ProcessManager<?> manager, Position after) {
            this.after.put(manager.script(), Objects.requireNonNull(after, "after"));
            return add(manager);
        }

        /**
         * Has events taken in from a log.
         *
         * @param domain the log, which is not that of operations; without it instances are begun by hand, and sagas have no
         *     {@code startedBy}
         * @return this builder
         */
        public Builder domain(EventStore domain) {
            this.domain = Optional.of(domain);
            return this;
        }

        /**
         * Sets the name of the engine, best that of its host or instance; there is none by itself.
         *
         * <p>An engine takes over at once what an earlier one of its name had when this one was started, as that is taken to
         * be gone; what others had, when their lease is over. If the earlier one still runs, as while one release takes the
         * place of another, it stands aside there, tells its listener so, and is an engine like any other from then on. A
         * command that it was just dispatching is dispatched a second time, under the same id; what becomes of it at one of
         * the two says nothing of the other, so it may be parked as not known if it fails.
         *
         * @param name not blank; best one that no other engine over this log has at the same time
         * @return this builder
         * @throws IllegalArgumentException if it is blank
         */
        public Builder name(String name) {
            if (name.isBlank()) {
                throw new IllegalArgumentException(
                        "The name of an engine is blank; expected one that tells it from others.");
            }
            this.name = name;
            return this;
        }

        /**
         * Sets how many instances go on at once; parallel steps of one take part in that number.
         *
         * @param instances 1 or more; {@value #DEFAULT_AT_ONCE} unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than 1
         */
        public Builder atOnce(int instances) {
            if (instances < 1) {
                throw new IllegalArgumentException(
                        "An engine is to have " + instances + " instances go on at once; expected 1 or more.");
            }
            this.atOnce = instances;
            return this;
        }

        /**
         * Sets how long the engine has an instance of which a command is to be dispatched, unless it says so again, which is
         * when half of it is over: how long those stand still whose process was killed, until another one takes them over.
         *
         * @param duration more than zero; {@link #DEFAULT_LEASE} unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is not positive
         */
        public Builder lease(Duration duration) {
            if (duration.isNegative() || duration.isZero()) {
                throw new IllegalArgumentException(
                        "An engine is to have an instance for " + duration + "; expected more than zero.");
            }
            this.lease = duration;
            return this;
        }

        /**
         * Has a command that ends its process given up: when so many engines that had it dispatched have said nothing more,
         * since it was issued or last told of, it is not known whether it took effect, and the instance is parked, while
         * others go on. {@link SagaEngine#resume} has it tried again under the same id.
         *
         * <p>An engine has said nothing more if another one took the instance over that it had not given back. So processes
         * that are killed for other reasons, or stand still for longer than their lease, count as well, if they happen to have
         * the command.
         *
         * <p>One engine by itself dispatches a command so often again whose handler throws with its thread interrupted.
         *
         * @param most how many, 1 or more; {@value #DEFAULT_EXPIRIES} unless it is said
         * @return this builder
         * @throws IllegalArgumentException if it is less than 1
         */
        public Builder expiries(int most) {
            if (most < 1) {
                throw new IllegalArgumentException("The number of expiries is " + most + "; expected 1 or more.");
            }
            this.expiries = most;
            return this;
        }

        /**
         * Has the engine save now and then, and when it closes, what has not ended, so that a start need not read the logs from
         * their beginning; what happens is the same.
         *
         * @param store where; a {@code JdbcCheckpointStore} has to know {@link Saved} as the class of that name
         * @param name of the checkpoint, another for each engine that runs at the same time
         * @return this builder
         */
        public Builder checkpoints(CheckpointStore store, String name) {
            this.saving = Optional.of(new Marks.Saving<>(
                    Objects.requireNonNull(store, "store"),
                    Objects.requireNonNull(name, "name"),
                    SAVED_VERSION,
                    Saved.class));
            return this;
        }

        /**
         * Makes the engine, which does nothing until it is started.
         *
         * @return never {@code null}
         * @throws WiringException if two definitions have one name and version, or a catalog does not know what they speak of
         */
        public SagaEngine build() {
            var faults = new ArrayList<String>();
            var scripts = new Scripts(all, faults);
            if (all.isEmpty()) {
                faults.add("It has no sagas and no process managers. Add one with add(...).");
            }
            if (name.isEmpty()) {
                faults.add(
                        "It has no name by which other engines tell it from themselves. Give one with name(...) that no"
                                + " other has at the same time.");
            }
            checkMarks(faults);
            if (!operations.catalog().types().contains(EngineStarted.class)) {
                faults.add(
                        "The catalog of the operations log does not know EngineStarted. Use SagaEngine.catalog(...).");
            }
            all.forEach(script -> check(script, faults));
            if (domain.isPresent() && domain.get() == operations) {
                faults.add(
                        "The domain's log and that of operations are one: events that are kept would be taken in again."
                                + " Give sagas a log of their own.");
            }
            if (!faults.isEmpty()) {
                throw new WiringException("SagaEngine \"" + name + "\"", faults);
            }
            return new SagaEngine(this, scripts);
        }

        private void checkMarks(List<String> faults) {
            if (!operations.catalog().types().contains(Deployed.class)) {
                faults.add("The catalog of the operations log does not know " + Deployed.class.getSimpleName()
                        + ". Use SagaEngine.catalog(...).");
            }
            var standing = new Standing(State.WAITING, "", false, Story.NONE, "", 0, Story.NONE);
            var input = Archive.input(Cause.DUE, "");
            for (var probe : List.of(
                    new Started("probe", "probe", 1, input, List.of(), standing),
                    new Continued("probe", "probe", 1, input, List.of(), standing))) {
                var type = probe.getClass();
                if (!operations.catalog().types().contains(type)) {
                    faults.add("The catalog of the operations log does not know " + type.getSimpleName()
                            + ". Use SagaEngine.catalog(...).");
                } else if (!operations.catalog().tagsOf(probe).containsAll(((SagaEvent) probe).tags())) {
                    faults.add("The catalog of the operations log has " + type.getSimpleName()
                            + ", but without its tags, by which it is found. Use SagaEngine.catalog(...).");
                }
            }
        }

        private void check(Script<?> script, List<String> faults) {
            var what = "of \"" + script.name() + "\" version " + script.version();
            var taken = new ArrayList<Class<?>>(script.starters());
            taken.addAll(script.triggers());
            for (var type : taken) {
                checkKnown(operations, "operations log", what, type, faults);
                domain.ifPresent(store -> checkKnown(store, "domain's log", what, type, faults));
            }
            for (var type : domain.orElse(operations).catalog().types()) {
                var fault = unknown("operations log", what, type);
                if (taken.stream().anyMatch(one -> one.isAssignableFrom(type))
                        && !operations.catalog().types().contains(type)
                        && !faults.contains(fault)) {
                    faults.add(fault);
                }
                checkOne(what, "start it", script.starters(), type, faults);
                checkOne(what, "are reacted to or waited for", script.triggers(), type, faults);
            }
            script.fold().types().stream()
                    .filter(type -> !taken.contains(type))
                    .forEach(type -> checkKnown(operations, "operations log", what, type, faults));
            if (domain.isEmpty() && !script.triggers().isEmpty()) {
                faults.add("Events " + what + " are waited for, but there is no log from which they are taken in."
                        + " Give it with domain(...).");
            } else if (domain.isEmpty() && !script.starters().isEmpty() && script instanceof StepScript) {
                // a process manager needs startedBy as well to say what it does when it is begun by hand
                faults.add(
                        "Events start instances " + what + ", but there is no log from which they are taken in. Give it"
                                + " with domain(...), or leave startedBy out if instances are begun by hand alone.");
            }
        }

        private static void checkOne(
                String what, String role, Collection<Class<?>> types, Class<?> event, List<String> faults) {
            var fitting =
                    types.stream().filter(type -> type.isAssignableFrom(event)).toList();
            if (fitting.size() > 1) {
                faults.add("An event of " + event.getName() + " is several " + what + " that " + role + ": "
                        + fitting.stream().map(Class::getName).sorted().toList() + ". Give each event one meaning.");
            }
        }

        private static void checkKnown(EventStore store, String log, String what, Class<?> type, List<String> faults) {
            try {
                store.catalog().typesBelow(type);
            } catch (UnknownEventException unknown) {
                faults.add(unknown(log, what, type));
            }
        }

        private static String unknown(String log, String what, Class<?> type) {
            return "The catalog of the " + log + " does not know " + type.getName() + " " + what
                    + ". Add it by a stable name.";
        }
    }
}
