package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.event.Position;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.saga.Story.Act;
import dev.cqrs.saga.Story.Progress;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Tests a saga or process manager without an engine, a store or a bus: what comes in is told, and what goes out is checked.
 *
 * <pre>{@code
 * SagaScenario.of(order)
 *         .given(new OrderPlaced("4711", 20))
 *         .whenReturned(new TakePayment("4711", 20), "receipt 1")
 *         .thenCommands(new Reserve("4711"))
 *         .whenThrown(new Reserve("4711"), new RejectedException(Reserve.class, "none left"))
 *         .thenCommands(new Refund("receipt 1"))
 *         .whenReturned(new Refund("receipt 1"), Done.DONE)
 *         .thenState(State.COMPENSATED);
 * }</pre>
 *
 * <p>There is one instance, of the key that the first event has. What the engine does is done by the same code. Time begins at
 * the start of 2026, and passes when it is told to.
 *
 * <p><b>Errors:</b> what is checked and is not so is an {@link AssertionError}; what is told and cannot be an {@link
 * IllegalStateException}.
 *
 * <p><b>Threads:</b> not thread-safe.
 *
 * @param <S> the state
 */
public final class SagaScenario<S> {

    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
    private static final Set<SagaEvent.Effect> SENDING =
            Set.of(SagaEvent.Effect.ISSUE, SagaEvent.Effect.PIVOT, SagaEvent.Effect.REDO);

    private final Script<S> script;
    private @Nullable Story<S> story;
    private Instant now = START;
    private long position;
    private final List<Command<?>> sent = new ArrayList<>();

    /** What is to be sent when the instance is not parked any more. */
    private final List<Act> held = new ArrayList<>();
    /** The commands by their places, as an engine would find them in the log. */
    private final Map<Long, Command<?>> issued = new HashMap<>();

    private int ignored;

    private SagaScenario(Script<S> script) {
        this.script = script;
    }

    /**
     * Begins a scenario of a saga.
     *
     * @param <S> the state
     * @param saga the saga
     * @return a scenario in which nothing has happened
     */
    public static <S> SagaScenario<S> of(Saga<S> saga) {
        return new SagaScenario<>(saga.script());
    }

    /**
     * Begins a scenario of a process manager.
     *
     * @param <S> the state
     * @param manager the process manager
     * @return a scenario in which nothing has happened
     */
    public static <S> SagaScenario<S> of(ProcessManager<S> manager) {
        return new SagaScenario<>(manager.script());
    }

    // ---- what comes in

    /**
     * Has events happen; what goes out is not looked at.
     *
     * @param events in order; the first one starts the instance
     * @return this scenario
     */
    public SagaScenario<S> given(Object... events) {
        for (var event : events) {
            when(event);
        }
        sent.clear();
        return this;
    }

    /**
     * Has an event happen. The first one starts the instance; a later one that nobody waits for is ignored.
     *
     * @param event an event
     * @return this scenario
     */
    public SagaScenario<S> when(Object event) {
        Objects.requireNonNull(event, "event");
        sent.clear();
        long source = ++position;
        var known = story;
        if (known == null) {
            var starter = script.starter(event);
            var begun = new Story<>(script, starter == null ? "by hand" : script.key(starter, event));
            begun.started = now;
            story = begun;
            write(gone(turn(begun, new Input(Cause.STARTED, "", false, 0, nameOf(event), source, ""), event)));
            return this;
        }
        var trigger = script.trigger(event);
        if (trigger == null || !script.key(trigger.key(), event).equals(known.key) || !known.waitsFor(trigger.step())) {
            ignored++;
            return this;
        }
        write(gone(turn(known, new Input(Cause.EVENT, trigger.step(), false, 0, nameOf(event), source, ""), event)));
        return this;
    }

    /**
     * Has a command return that was sent and not answered yet.
     *
     * @param command one equal to it
     * @param result what its handler gives
     * @return this scenario
     * @throws IllegalStateException if there is no such command
     */
    public SagaScenario<S> whenReturned(Command<?> command, Object result) {
        return answer(command, Outcome.returned(Objects.requireNonNull(result, "result")));
    }

    /**
     * Has the handler of a command throw that was sent and not answered yet.
     *
     * @param command one equal to it
     * @param thrown what its handler throws; means what it does to an engine
     * @return this scenario
     * @throws IllegalStateException if there is no such command
     */
    public SagaScenario<S> whenThrown(Command<?> command, Throwable thrown) {
        var act = underWay(command);
        return answer(command, Outcome.thrown(thrown, command, script.unsure(act.step)));
    }

    /**
     * Has a participant answer each command that is under way, and those that follow, until none is.
     *
     * @param participant gives the result of a command, or throws
     * @return this scenario
     * @throws NullPointerException if it gives {@code null}
     */
    public SagaScenario<S> whenAnsweredBy(Function<? super Command<?>, ?> participant) {
        var all = new ArrayList<Command<?>>();
        for (var next = next(); next != null; next = next()) {
            Object result = null;
            RuntimeException failed = null;
            try {
                result = participant.apply(next);
            } catch (RuntimeException thrown) {
                failed = thrown;
            }
            if (failed != null) {
                whenThrown(next, failed);
            } else {
                whenReturned(next, Objects.requireNonNull(result, "result"));
            }
            all.addAll(sent);
        }
        sent.clear();
        sent.addAll(all);
        return this;
    }

    private @Nullable Command<?> next() {
        for (var act : begun().ready()) {
            return act.command;
        }
        return null;
    }

    /**
     * Lets time pass: all that becomes due happens, in its order.
     *
     * @param duration zero or more
     * @return this scenario
     * @throws IllegalArgumentException if it is negative
     */
    public SagaScenario<S> whenTimePasses(Duration duration) {
        if (duration.isNegative()) {
            throw new IllegalArgumentException("Time was to pass by " + duration + "; expected zero or more.");
        }
        sent.clear();
        var end = now.plus(duration);
        var known = begun();
        while (true) {
            var wake = known.wake();
            if (wake.equals(Story.NONE) || wake.isAfter(end)) {
                break;
            }
            now = wake.isAfter(now) ? wake : now;
            var turn = turn(known, Archive.input(Cause.DUE, ""), null);
            script.due(turn, Instant.MAX);
            script.go(turn);
            write(turn);
            if (turn.isEmpty()) {
                break;
            }
        }
        now = end;
        return this;
    }

    /**
     * Has an operator cancel the instance.
     *
     * @return this scenario
     * @throws IllegalStateException if an engine would not, as it is too late, or not known whether a step took effect
     */
    public SagaScenario<S> whenCancelled() {
        var known = begun();
        var told = SagaEngine.cancellation(known);
        if (told != SagaEngine.Cancellation.CANCELLED) {
            throw new IllegalStateException("It cannot be cancelled: " + told + ". " + told());
        }
        if (known.failing || known.back) {
            if (known.ended == null && SagaEngine.isHeldUp(known)) {
                return whenResumed();
            }
            sent.clear(); // it is on its way back
            return this;
        }
        return operate(story -> turn(story, Archive.input(Cause.CANCELLED, "It was cancelled."), null));
    }

    /**
     * Has an operator let the instance go on that is parked.
     *
     * @return this scenario
     * @throws IllegalStateException if it is not parked
     */
    public SagaScenario<S> whenResumed() {
        return operate(known -> {
            checkParked(known);
            var turn = turn(known, Archive.input(Cause.RESUMED, ""), null);
            script.resume(turn);
            return turn;
        });
    }

    /**
     * Has an operator leave out a step that the instance is stuck at, or its compensation.
     *
     * @param step the name of the step, as {@link SagaEngine#skip} takes it
     * @return this scenario
     * @throws IllegalStateException if it is not parked, or not stuck at that step
     */
    public SagaScenario<S> whenSkipped(String step) {
        Objects.requireNonNull(step, "step");
        return operate(known -> {
            checkParked(known);
            var stuck = SagaEngine.stuck(known, act -> act.step.equals(step));
            if (stuck == null) {
                throw new IllegalStateException("It is not stuck at \"" + step + "\"; expected that. " + told());
            }
            return turn(
                    known, new Input(Cause.SKIPPED, stuck.step, stuck.undo, stuck.attempt, "", 0, stuck.reason), null);
        });
    }

    /**
     * Has an operator tell what became of a command that the instance is stuck at; it stays parked, as {@link
     * SagaEngine#settle} says.
     *
     * @param command one equal to it
     * @param finding what was found out
     * @return this scenario
     * @throws IllegalStateException if it is not stuck at such a command, or what became of it is known
     */
    public SagaScenario<S> whenSettled(Command<?> command, SagaEngine.Finding finding) {
        Objects.requireNonNull(command, "command");
        Objects.requireNonNull(finding, "finding");
        return operate(known -> {
            var stuck = SagaEngine.stuck(known, act -> command.equals(act.command) && SagaEngine.isOpen(act, finding));
            if (stuck == null) {
                throw new IllegalStateException("It is not stuck at a command " + command
                        + " of which that is not known; expected that. " + told());
            }
            return turn(known, SagaEngine.input(stuck, finding), null);
        });
    }

    private SagaScenario<S> operate(Function<Story<S>, Turn<S>> operation) {
        sent.clear();
        write(gone(operation.apply(begun())));
        return this;
    }

    private static void checkParked(Story<?> story) {
        if (!story.parked || story.ended != null) {
            throw new IllegalStateException("It is " + story.currentState() + "; expected that it is parked.");
        }
    }

    // ---- what goes out

    /**
     * Checks which commands went out because of what came in last.
     *
     * @param commands all of them, in order; none to check that nothing went out
     * @return this scenario
     * @throws AssertionError if others did
     */
    public SagaScenario<S> thenCommands(Command<?>... commands) {
        if (!sent.equals(List.of(commands))) {
            throw new AssertionError(
                    "The commands that went out are " + sent + "; expected " + List.of(commands) + ". " + told());
        }
        return this;
    }

    /**
     * Checks how the instance stands.
     *
     * @param state the state
     * @return this scenario
     * @throws AssertionError if it stands otherwise
     */
    public SagaScenario<S> thenState(State state) {
        if (begun().currentState() != state) {
            throw new AssertionError(
                    "The instance is " + begun().currentState() + "; expected " + state + ". " + told());
        }
        return this;
    }

    /**
     * Looks at the state that was folded.
     *
     * @param check throws if it is wrong
     * @return this scenario
     */
    public SagaScenario<S> then(Consumer<? super S> check) {
        check.accept(begun().state());
        return this;
    }

    /**
     * Gives how the instance stands.
     *
     * @return never {@code null}
     * @throws IllegalStateException if it has not begun
     */
    public SagaInstance instance() {
        return begun().instance();
    }

    /**
     * Gives how many events were ignored.
     *
     * @return zero or more
     */
    public int ignored() {
        return ignored;
    }

    // ---- turns

    private Story<S> begun() {
        var known = story;
        if (known == null) {
            throw new IllegalStateException(
                    "Nothing has begun; expected an event first. Call given(...) or when(...).");
        }
        return known;
    }

    private Act underWay(Command<?> command) {
        return begun().ready().stream()
                .filter(act -> command.equals(act.command))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("No command " + command + " is under way; expected one of "
                        + begun().ready().stream().map(act -> act.command).toList() + ". " + told()));
    }

    private SagaScenario<S> answer(Command<?> command, Outcome outcome) {
        sent.clear();
        var act = underWay(command);
        var id = SagaEngine.commandId(script.name(), begun().key, act.step, act.undo, act.attempt);
        write(outcome.told(begun(), act, false, Story.NONE, id, now, this::name, null));
        return this;
    }

    private Turn<S> turn(Story<S> story, Input input, @Nullable Object kept) {
        return new Turn<>(story, now, this::name, input, Optional.ofNullable(kept), "");
    }

    private static <S> Turn<S> gone(Turn<S> turn) {
        return Instances.gone(turn);
    }

    /** There is no catalog: all can be stored. */
    private Optional<String> name(Class<?> type) {
        return Optional.of(type.getSimpleName());
    }

    private static String nameOf(Object event) {
        return event.getClass().getSimpleName();
    }

    private void write(Turn<S> turn) {
        turn.standing("", 0, Story.NONE);
        position++;
        turn.story().placed(Position.of(position), turn.kept().isPresent());
        turn.behind(written -> position++);
        turn.story().all().forEach(this::recall);
        for (var output : turn.outputs()) {
            var act = (output.undo() ? begun().undos : begun().acts).get(output.step());
            if (act != null && SENDING.contains(output.effect())) {
                held.add(act);
            }
        }
        if (!begun().parked) {
            for (var act : held) {
                if (act.is(Progress.READY) && act.command != null) {
                    sent.add(act.command);
                }
            }
            held.clear();
        }
    }

    /** Gives a step its command again that returned, and is tried again as what it returned could not be used. */
    private void recall(Act act) {
        var command = act.command;
        if (command != null) {
            issued.put(act.position, command);
        } else if (act.is(Progress.READY)) {
            act.command = issued.get(act.position);
        }
    }

    private String told() {
        return "It stands so: " + begun().instance() + ".";
    }
}
