package dev.cqrs.journal;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.journal.HistoryRefusedException.Reason;
import dev.cqrs.journal.JournalMark.Direction;
import dev.cqrs.journal.JournalMark.Result;
import dev.cqrs.journal.JournalMark.StepEnded;
import dev.cqrs.journal.JournalMark.StepStarted;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.task.Reasons;
import dev.cqrs.task.Thrown;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * Undo and redo of commands, in scopes of their own: a user's, or a document's.
 *
 * <p>A handler answers an {@link Undoable}: its result, and the command that takes back what it did. Undo dispatches that
 * inverse, redo the command itself once more, both over the bus, so that the same interceptors run. A new command clears what
 * could be redone. A command without an inverse stands in the history as one that cannot be undone; nor can what lies before
 * it.
 *
 * <p>The history is a fold of marks in the operations log, so it survives a restart and is shared by processes. The catalog of
 * that log holds the marks ({@link JournalMark#addTo}), the commands and their inverses. It stands between two appends there:
 * the step, with the command, before it is dispatched, and what became of it afterwards.
 *
 * <p><b>Crashes:</b> a step that was cut off is finished when the scope is used next: its command is dispatched again, under
 * the same id. Cut off is also one whose command ended with an {@link AppendOutcomeUnknownException} or an {@link Error}: it
 * <em>will</em> be carried out then, before the step that is asked for. So handlers have to be idempotent
 * ({@link dev.cqrs.decider.DecisionHandler#idempotent()}), or a command may take effect twice; and where they remember ids for
 * some time only, it may if that has passed. If it is rejected, there was no such step. If the operations log cannot take its
 * inverse, it is done and cannot be undone, which {@link Scope#entries()} tells. If it fails, the scope waits
 * ({@link HistoryRefusedException.Reason#UNFINISHED}) until it succeeds or {@link Scope#abandon()} is called.
 *
 * <p><b>At once:</b> within one history object steps of a scope wait for each other. Of two processes one comes first; the
 * other finishes that one's step, if it finds it open, and then takes its own, up to {@value #ATTEMPTS} times. It cannot tell
 * one that is slow from one that has crashed, so a command is dispatched in both; handlers that are not idempotent take effect
 * twice without any crash. Who fails where another has done the step asks again under its id, and fails only if that does, too;
 * the command is in the history then. A handler must not take a step, nor wait for another thread that does.
 *
 * <p><b>Privacy:</b> the scope's name is a tag in the operations log, and visible at rest. Where it would be personal, use a
 * keyed hash of it.
 *
 * <p><b>Threads:</b> thread-safe. Starts none: handlers run on the calling thread.
 */
public final class CommandHistory {

    /** How many commands of a scope can be undone, unless it is said; the oldest are forgotten first. */
    public static final int DEPTH = 100;

    /** How often a step is tried while other processes take steps in the same scope. */
    public static final int ATTEMPTS = 100;

    private final EventStore operations;
    private final Catalog catalog;
    private final CommandBus bus;
    private final Supplier<String> ids;
    private final int depth;

    /** Scopes that somebody holds, so that one scope is one object and one lock. */
    private final ConcurrentHashMap<String, Held> scopes = new ConcurrentHashMap<>();

    private final ReferenceQueue<Scope> released = new ReferenceQueue<>();

    /** Threads in the middle of a step. */
    private final Set<Thread> stepping = ConcurrentHashMap.newKeySet();

    private static final class Held extends WeakReference<Scope> {
        private final String name;

        Held(Scope scope, ReferenceQueue<Scope> released) {
            super(scope, released);
            this.name = scope.name;
        }
    }

    /**
     * A command in the history of a scope.
     *
     * <p><b>Threads:</b> immutable.
     *
     * @param position where it stands in the operations log
     * @param command its stable name
     * @param id the id under which it was dispatched first
     * @param undoable whether it gave an inverse, when it was done last
     * @param undone whether it is undone, and can be redone
     */
    public record Entry(Position position, String command, String id, boolean undoable, boolean undone) {

        /**
         * Checks for nulls.
         *
         * @param position where it stands in the operations log
         * @param command its stable name
         * @param id the id under which it was dispatched first
         * @param undoable whether it gave an inverse, when it was done last
         * @param undone whether it is undone, and can be redone
         */
        public Entry {
            Objects.requireNonNull(position, "position");
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(id, "id");
        }
    }

    /**
     * What an undo or redo has done.
     *
     * <p><b>Threads:</b> immutable, if the result is.
     *
     * @param entry the command that was undone or redone, as it stands in the history now
     * @param dispatched the command that was dispatched to that end
     * @param result the handler's result; of an {@link Undoable} the result in it
     */
    public record Step(Entry entry, Command<?> dispatched, Object result) {

        /**
         * Checks for nulls.
         *
         * @param entry the command that was undone or redone, as it stands in the history now
         * @param dispatched the command that was dispatched to that end
         * @param result the handler's result
         */
        public Step {
            Objects.requireNonNull(entry, "entry");
            Objects.requireNonNull(dispatched, "dispatched");
            Objects.requireNonNull(result, "result");
        }
    }

    private CommandHistory(EventStore operations, CommandBus bus, Supplier<String> ids, int depth) {
        this.operations = operations;
        this.catalog = operations.catalog();
        this.bus = bus;
        this.ids = ids;
        this.depth = depth;
    }

    /**
     * Makes a history of {@value #DEPTH} commands a scope.
     *
     * @param operations the operations log
     * @param bus dispatches commands and their inverses
     * @param ids gives ids to commands that come without, and to those of undo and redo, unique for ever, which can be tags'
     *     values
     * @return never {@code null}
     * @throws WiringException if the catalog of the operations log lacks the marks or their tags
     */
    public static CommandHistory over(EventStore operations, CommandBus bus, Supplier<String> ids) {
        return over(operations, bus, ids, DEPTH);
    }

    /**
     * Makes a history.
     *
     * @param operations the operations log
     * @param bus dispatches commands and their inverses
     * @param ids gives ids to commands that come without, and to those of undo and redo, unique for ever, which can be tags'
     *     values
     * @param depth how many commands of a scope can be undone, 1 or more, the same in all processes
     * @return never {@code null}
     * @throws WiringException if the catalog of the operations log lacks the marks or their tags
     * @throws IllegalArgumentException if {@code depth} is less than 1
     */
    public static CommandHistory over(EventStore operations, CommandBus bus, Supplier<String> ids, int depth) {
        Objects.requireNonNull(bus, "bus");
        Objects.requireNonNull(ids, "ids");
        if (depth < 1) {
            throw new IllegalArgumentException(
                    "A history of " + depth + " commands a scope was asked for; expected 1 or more.");
        }
        var faults = StoredCommands.faults(
                operations.catalog(),
                new StepStarted("probe", Direction.DO, 0, 0, "probe", "probe"),
                new StepEnded("probe", Direction.DO, 1, 0, "probe", "probe", Result.DONE, false));
        if (!faults.isEmpty()) {
            throw new WiringException("CommandHistory", faults);
        }
        return new CommandHistory(operations, bus, ids, depth);
    }

    /**
     * Gives the history of a scope. All its marks are folded when it is used first; hold the object where it is used again
     * soon, as it then reads on from there.
     *
     * @param scope its name, visible at rest; as long as a tag's value may be
     * @return the same object for the same name, while somebody holds it
     * @throws IllegalArgumentException if the name cannot be a tag's value
     */
    public Scope in(String scope) {
        Tags.scope(Objects.requireNonNull(scope, "scope"));
        for (var gone = released.poll(); gone != null; gone = released.poll()) {
            scopes.remove(((Held) gone).name, gone);
        }
        while (true) {
            var held = scopes.get(scope);
            var known = held == null ? null : held.get();
            if (known != null) {
                return known;
            }
            var own = new Scope(scope);
            var ownHeld = new Held(own, released);
            if (held == null ? scopes.putIfAbsent(scope, ownHeld) == null : scopes.replace(scope, held, ownHeld)) {
                return own;
            }
        }
    }

    /**
     * The history of one scope.
     *
     * <p><b>Threads:</b> thread-safe. Steps wait for each other, looking waits for none.
     *
     * <p><b>Errors:</b> what the operations log throws reaches the caller. If that is an {@link AppendOutcomeUnknownException},
     * the step may stand there, and is taken with the next one. So do not simply call {@link #undo()} or {@link #redo()} again,
     * which could take two steps: look at {@link #entries()} after the next step.
     */
    public final class Scope {

        /*
         * `turn` is held for a whole step, the handler included, so that within one process no step is taken for one that was
         * cut off. `folding` guards `steps`, and is held while marks are read; never while something is dispatched. Who holds
         * `turn` may take `folding`, not the other way round. No thread waits for a `turn` while it holds one.
         */
        private final String name;
        private final EventQuery marks;
        private final ReentrantLock turn = new ReentrantLock();
        private final ReentrantLock folding = new ReentrantLock();
        private final Steps steps = new Steps(depth);

        private Scope(String name) {
            this.name = name;
            this.marks = EventQuery.types(StepStarted.class, StepEnded.class).withTags(Tags.scope(name));
        }

        /**
         * Dispatches a new command without metadata, as {@link #dispatch(Command, Metadata)}.
         *
         * @param <R> the type of the result
         * @param command never {@code null}
         * @return the result
         */
        public <R> R dispatch(Command<Undoable<R>> command) {
            return dispatch(command, Metadata.none());
        }

        /**
         * Dispatches a new command, and remembers how to take it back. What could be redone cannot any more, if it succeeds.
         *
         * @param <R> the type of the result
         * @param command never {@code null}
         * @param metadata goes with it; is there an id in it, and a command with that id is done in this scope already, then it
         *     is dispatched and not remembered once more
         * @return the result
         * @throws HistoryRefusedException if an earlier step was cut off and cannot be finished; this one was not begun
         * @throws UnknownEventException if the catalog of the operations log does not know the command; nothing was done
         * @throws AppendConflictException if other processes came first every time; nothing was done
         * @throws IllegalArgumentException if the id cannot be a tag's value; nothing was done
         * @throws IllegalStateException if called from within a step; nothing was done. If the operations log cannot take the
         *     inverse, as the catalog does not know it or cannot tell its tags, or the codec refuses it, the command is done and
         *     cannot be undone
         * @throws RuntimeException what the bus throws; then the command is not in the history. But after an
         *     {@link AppendOutcomeUnknownException}, as after an {@link Error}, it is carried out with the next step
         */
        public <R> R dispatch(Command<Undoable<R>> command, Metadata metadata) {
            Objects.requireNonNull(command, "command");
            Objects.requireNonNull(metadata, "metadata");
            boolean own = metadata.id().isEmpty();
            var known = own ? metadata.with(Metadata.ID, newId()) : metadata;
            var id = known.id().orElseThrow();
            var repeat = own
                    ? AppendCondition.none()
                    : AppendCondition.absent(
                            EventQuery.types(StepEnded.class).withTags(Tags.scope(name), Tags.step(id)));
            var mark = new StepStarted(name, Direction.DO, 0, 0, catalog.nameOf(command.getClass()), id);
            return exclusively(() -> {
                for (int attempt = 1; ; attempt++) {
                    var condition = repeat.and(settle());
                    Steps.Open open;
                    try {
                        open = begin(mark, List.of(mark, command), condition, known);
                    } catch (AppendConflictException conflict) {
                        if (repeat.clauses().contains(conflict.clause())) {
                            return bus.dispatch(command, known).result();
                        }
                        check(attempt, conflict);
                        continue;
                    }
                    var answer = carryOut(open, command);
                    orThrow(done(open, answer.inverse()));
                    return answer.result();
                }
            });
        }

        /**
         * Takes back the last command that is done, without metadata.
         *
         * @return what was done
         */
        public Step undo() {
            return undo(Metadata.none());
        }

        /**
         * Takes back the last command that is done: dispatches its inverse.
         *
         * @param metadata goes with it, as that of its cause: the inverse gets an id of its own, so called twice it takes back
         *     two commands
         * @return what was done
         * @throws HistoryRefusedException if there is none, it cannot be undone, its inverse is rejected, or an earlier step
         *     cannot be finished: nothing was done
         * @throws AppendConflictException if other processes came first every time; nothing was done
         * @throws IllegalStateException if called from within a step, or if nothing stands where the inverse should
         * @throws RuntimeException what the bus throws, what authorization refuses included; the history is as before. But
         *     after an {@link AppendOutcomeUnknownException}, as after an {@link Error}, it is carried out with the next step
         */
        public Step undo(Metadata metadata) {
            return move(Direction.UNDO, metadata);
        }

        /**
         * Does the command once more that was undone last, without metadata.
         *
         * @return what was done
         */
        public Step redo() {
            return redo(Metadata.none());
        }

        /**
         * Does the command once more that was undone last: dispatches it again.
         *
         * @param metadata goes with it, as that of its cause: the command gets a new id
         * @return what was done
         * @throws HistoryRefusedException if there is none, it is rejected now, or an earlier step cannot be finished:
         *     nothing was done
         * @throws AppendConflictException if other processes came first every time; nothing was done
         * @throws IllegalStateException if called from within a step, or if nothing stands where the command should. If the
         *     operations log cannot take the new inverse, the command is redone and cannot be undone
         * @throws RuntimeException what the bus throws, what authorization refuses included; the history is as before. But
         *     after an {@link AppendOutcomeUnknownException}, as after an {@link Error}, it is carried out with the next step
         */
        public Step redo(Metadata metadata) {
            return move(Direction.REDO, metadata);
        }

        /**
         * Says whether {@link #undo()} has something to dispatch, as far as steps have ended.
         *
         * @return whether the last command that is done gave an inverse
         */
        public boolean canUndo() {
            return look(() ->
                    steps.lastDone().map(item -> item.inverse().isPresent()).orElse(false));
        }

        /**
         * Says whether {@link #redo()} has something to dispatch, as far as steps have ended.
         *
         * @return whether a command is undone
         */
        public boolean canRedo() {
            return look(() -> steps.firstUndone().isPresent());
        }

        /**
         * Gives the commands of this scope, as far as steps have ended.
         *
         * @return an unmodifiable list, the oldest first; those that are undone come last
         */
        public List<Entry> entries() {
            return look(() -> {
                var entries = new ArrayList<Entry>();
                for (var item : steps.items()) {
                    entries.add(entry(item, entries.size() >= steps.done()));
                }
                return List.copyOf(entries);
            });
        }

        /**
         * Reads the command of an entry.
         *
         * @param entry one of {@link #entries()}
         * @return never {@code null}
         * @throws IllegalStateException if nothing that is a command stands in its place
         */
        public Command<?> command(Entry entry) {
            return StoredCommands.behind(
                    operations, Objects.requireNonNull(entry, "entry").position());
        }

        /**
         * Forgets a step that was cut off and cannot be finished, for instance since its handler is gone: what it did, if it
         * did something, cannot be undone. Waits for a step that is under way in this process.
         *
         * @return whether there was one, and no other process has finished it meanwhile
         * @throws IllegalStateException if called from within a step
         */
        public boolean abandon() {
            return exclusively(() -> {
                var open = look(steps::open);
                return open.isPresent() && end(open.get(), Result.ABANDONED, Optional.empty()) == Result.ABANDONED;
            });
        }

        // ---- how it is done

        private Step move(Direction direction, Metadata metadata) {
            Objects.requireNonNull(metadata, "metadata");
            var known = metadata.with(Metadata.ID, newId()).causedBy(metadata);
            return exclusively(() -> {
                for (int attempt = 1; ; attempt++) {
                    var condition = settle();
                    var item = direction == Direction.UNDO ? toUndo() : toRedo();
                    var from = direction == Direction.UNDO ? item.inverse().orElseThrow() : item.position();
                    var command = StoredCommands.behind(operations, from);
                    var mark = new StepStarted(
                            name,
                            direction,
                            item.position().value(),
                            from.value(),
                            catalog.nameOf(command.getClass()),
                            known.id().orElseThrow());
                    Steps.Open open;
                    try {
                        open = begin(mark, List.of(mark), condition, known);
                    } catch (AppendConflictException conflict) {
                        check(attempt, conflict);
                        continue;
                    }
                    Object answer;
                    try {
                        answer = carryOut(open, command);
                    } catch (RejectedException rejected) {
                        throw new HistoryRefusedException(
                                name,
                                Reason.REJECTED,
                                "\"" + item.command() + "\" cannot be "
                                        + (direction == Direction.UNDO ? "undone" : "redone") + " now: "
                                        + rejected.getMessage() + ". The history is as before.",
                                rejected);
                    }
                    var inverse = direction == Direction.UNDO ? Optional.<Command<?>>empty() : inverse(answer);
                    orThrow(done(open, inverse));
                    var now = new Entry(
                            item.position(),
                            item.command(),
                            item.id(),
                            direction == Direction.UNDO || inverse.isPresent(),
                            direction == Direction.UNDO);
                    return new Step(now, command, answer instanceof Undoable<?> undoable ? undoable.result() : answer);
                }
            });
        }

        private Steps.Item toUndo() {
            var item = steps.lastDone()
                    .orElseThrow(() -> new HistoryRefusedException(
                            name, Reason.NOTHING, "there is nothing to undo: no command is done."));
            if (item.inverse().isEmpty()) {
                throw new HistoryRefusedException(
                        name,
                        Reason.NOT_UNDOABLE,
                        "the last command, \"" + item.command() + "\" with id " + item.id()
                                + ", cannot be undone: it gave no inverse.");
            }
            return item;
        }

        private Steps.Item toRedo() {
            return steps.firstUndone()
                    .orElseThrow(() -> new HistoryRefusedException(
                            name, Reason.NOTHING, "there is nothing to redo: no command is undone."));
        }

        /** Runs a step; others of this scope wait for it. */
        private <T> T exclusively(Supplier<T> step) {
            var thread = Thread.currentThread();
            if (!stepping.add(thread)) {
                throw new IllegalStateException("A step of the history of \"" + name
                        + "\" was to be taken from within a step of a history; expected no handler that does so, as it could"
                        + " wait for itself. Dispatch over the bus there.");
            }
            try {
                turn.lock();
                try {
                    return step.get();
                } finally {
                    turn.unlock();
                    Reference.reachabilityFence(this); // or others of this name could get another object, and lock
                }
            } finally {
                stepping.remove(thread);
            }
        }

        private <T> T look(Supplier<T> at) {
            folding.lock();
            try {
                refresh();
                return at.get();
            } finally {
                folding.unlock();
            }
        }

        /** With `folding` held; gives that nothing has changed since. */
        private AppendCondition refresh() {
            try (var events = operations.read(marks, ReadOptions.forwards().after(steps.seen()))) {
                steps.take(events);
                return events.unchanged();
            }
        }

        /** Finishes what was cut off, if something was, and gives that nothing has changed since. */
        private AppendCondition settle() {
            while (true) {
                AppendCondition unchanged;
                Optional<Steps.Open> open;
                folding.lock();
                try {
                    unchanged = refresh();
                    open = steps.open();
                } finally {
                    folding.unlock();
                }
                if (open.isEmpty()) {
                    return unchanged;
                }
                finish(open.get());
            }
        }

        /** Dispatches again what was cut off. */
        private void finish(Steps.Open open) {
            Object answer;
            try {
                answer = bus.dispatch(StoredCommands.behind(operations, open.from()), open.metadata());
            } catch (RejectedException rejected) {
                end(open, Result.REJECTED, Optional.empty());
                return;
            } catch (VirtualMachineError thrown) {
                throw thrown;
            } catch (RuntimeException | Error thrown) {
                throw new HistoryRefusedException(
                        name,
                        Reason.UNFINISHED,
                        "\"" + open.mark().command() + "\" with id "
                                + open.mark().id()
                                + " was cut off, and failed when it was dispatched again to finish it: "
                                + Reasons.of(thrown)
                                + ". Mend the cause, or call abandon() to go on without it.",
                        thrown);
            }
            // why it cannot be undone is not thrown: the caller has asked for another step, which has not begun
            done(open, open.mark().direction() == Direction.UNDO ? Optional.empty() : inverse(answer));
        }

        private Optional<Command<?>> inverse(Object answer) {
            return answer instanceof Undoable<?> undoable ? undoable.inverse() : Optional.empty();
        }

        private Steps.Open begin(StepStarted mark, List<?> events, AppendCondition condition, Metadata metadata) {
            return Steps.Open.of(operations.append(events, condition, metadata).first(), mark, metadata);
        }

        private void check(int attempt, AppendConflictException conflict) {
            if (attempt >= ATTEMPTS) {
                throw conflict;
            }
        }

        private void orThrow(Optional<IllegalStateException> notUndoable) {
            if (notUndoable.isPresent()) {
                throw notUndoable.get();
            }
        }

        /** Ends a step that is done, and gives why it cannot be undone though it gave an inverse. */
        private Optional<IllegalStateException> done(Steps.Open open, Optional<Command<?>> inverse) {
            if (inverse.isPresent()) {
                try {
                    catalog.tagsOf(inverse.get());
                } catch (RuntimeException | LinkageError | StackOverflowError | AssertionError untold) {
                    return Optional.of(withoutInverse(open, inverse.get(), untold));
                }
            }
            try {
                end(open, Result.DONE, inverse);
                return Optional.empty();
            } catch (IllegalArgumentException | NullPointerException refused) {
                if (inverse.isEmpty()) {
                    throw refused;
                }
                return Optional.of(withoutInverse(open, inverse.get(), refused));
            }
        }

        /**
         * Ends a step whose inverse the log will not take, however often that is tried: else each later step would carry out its
         * command again.
         */
        private IllegalStateException withoutInverse(Steps.Open open, Command<?> inverse, Throwable why) {
            end(open, Result.DONE, Optional.empty());
            var type = inverse.getClass().getName();
            return new IllegalStateException(
                    "\"" + open.mark().command() + "\" is done, but cannot be undone: "
                            + (why instanceof UnknownEventException
                                    ? "the catalog of the operations log does not know its inverse, " + type
                                            + ". Add it with event(name, class)."
                                    : "the operations log cannot take its inverse, " + type + ": " + Reasons.of(why)),
                    why);
        }

        /**
         * Dispatches the command of a step. If it fails, the step has ended; but where the command may have been carried out
         * all the same, that is left to the next. Where another process has done it meanwhile, its id gives the result.
         */
        private <R> R carryOut(Steps.Open open, Command<R> command) {
            try {
                return bus.dispatch(command, open.metadata());
            } catch (RuntimeException thrown) {
                if (StoredCommands.unknown(thrown) != null || !isDone(open, thrown)) {
                    throw thrown;
                }
                return bus.dispatch(command, open.metadata());
            }
        }

        /** Ends a step whose command failed, and gives whether another process has done it. */
        private boolean isDone(Steps.Open open, RuntimeException thrown) {
            try {
                var result = thrown instanceof RejectedException ? Result.REJECTED : Result.FAILED;
                return end(open, result, Optional.empty()) == Result.DONE;
            } catch (RuntimeException unwritten) {
                Thrown.keep(unwritten, thrown);
                throw unwritten;
            }
        }

        /**
         * Writes what became of a step, and gives what stands: if another process has finished it first, that is as good,
         * unless it came to another result. What was done is told even then, but for its id only once.
         */
        private Result end(Steps.Open open, Result result, Optional<Command<?>> inverse) {
            var started = open.mark();
            var mark = new StepEnded(
                    name,
                    started.direction(),
                    open.position().value(),
                    started.of(),
                    started.command(),
                    started.id(),
                    result,
                    inverse.isPresent());
            List<Object> events = inverse.isPresent() ? List.of(mark, inverse.get()) : List.of(mark);
            var condition = AppendCondition.unchanged(marks, open.position());
            for (int attempt = 1; ; attempt++) {
                try {
                    StoredCommands.appendEvenIfInterrupted(operations, events, condition, open.metadata());
                    return result;
                } catch (AppendConflictException conflict) {
                    check(attempt, conflict);
                }
                try (var ends = operations.read(marks, ReadOptions.forwards().after(open.position()))) {
                    var other = otherResult(open, ends);
                    if (other.isPresent() && (result != Result.DONE || other.get() == Result.DONE)) {
                        return other.get();
                    }
                    condition = ends.unchanged();
                }
            }
        }

        /** Gives what others say became of a step: that its id is done, or else how it ended. */
        private Optional<Result> otherResult(Steps.Open open, EventStream ends) {
            var other = Optional.<Result>empty();
            while (ends.advance()) {
                if (ends.event() instanceof StepEnded ended) {
                    if (ended.result() == Result.DONE
                            && ended.id().equals(open.mark().id())) {
                        return Optional.of(Result.DONE);
                    }
                    if (ended.started() == open.position().value()) {
                        other = Optional.of(ended.result());
                    }
                }
            }
            return other;
        }

        private Entry entry(Steps.Item item, boolean undone) {
            return new Entry(
                    item.position(), item.command(), item.id(), item.inverse().isPresent(), undone);
        }

        @Override
        public String toString() {
            return "CommandHistory.Scope[" + name + "]";
        }
    }

    private String newId() {
        var id = Objects.requireNonNull(ids.get(), "what the supplier of ids gave");
        Tags.step(id); // or it would be refused only when the command is carried out
        return id;
    }
}
