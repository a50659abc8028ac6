package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.saga.SagaEvent.Effect;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaEvent.Output;
import dev.cqrs.saga.SagaEvent.Standing;
import dev.cqrs.saga.Story.Act;
import dev.cqrs.task.Reasons;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One turn of an instance while it is being made: what came in, and what goes out of it. Each output is applied to the story
 * as it is put, so the next sees it; if the append fails, the story is thrown away.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Turn<S> {

    private final Story<S> story;
    private final Instant now;
    private final Function<Class<?>, Optional<String>> names;
    private final Input input;
    private Optional<Object> kept;
    private final String causation;
    private final List<Output> outputs = new ArrayList<>(1);
    private final List<Command<?>> commands = new ArrayList<>(1);
    /** The timers that are over, and have not fired. */
    private @Nullable Deque<Map.Entry<String, Instant>> due;

    /** What is to be left out, as it could not be stored before. */
    @Nullable
    Trouble trouble;

    /** What it is written as, as soon as that is tried. */
    @Nullable
    SagaEvent mark;

    /**
     * Begins a turn and applies what came in.
     *
     * @param names gives the stable names of what can be stored
     * @param kept the event that is kept of it
     * @param causation the id of what it was caused by; empty if that has none
     */
    Turn(
            Story<S> story,
            Instant now,
            Function<Class<?>, Optional<String>> names,
            Input input,
            Optional<Object> kept,
            String causation) {
        this.story = story;
        this.now = now;
        this.names = names;
        this.input = input;
        this.kept = kept;
        this.causation = causation;
        story.take(input, kept.map(List::of).orElse(List.of()));
    }

    Story<S> story() {
        return story;
    }

    Input input() {
        return input;
    }

    Instant now() {
        return now;
    }

    boolean isPast(Instant at) {
        return isPast(at, now);
    }

    static boolean isPast(Instant at, Instant now) {
        return !at.equals(Story.NONE) && !at.isAfter(now);
    }

    /** Whether it says nothing: no need to write it. */
    boolean isEmpty() {
        return outputs.isEmpty();
    }

    List<Output> outputs() {
        return outputs;
    }

    List<Command<?>> commands() {
        return commands;
    }

    Optional<Object> kept() {
        return kept;
    }

    String causation() {
        return causation;
    }

    /** Has its event not be kept, as it cannot be stored: whoever reads the story reads it where it came from. */
    void leaveOut() {
        kept = Optional.empty();
    }

    /** Hands over what stands behind the mark. */
    void behind(Consumer<Object> to) {
        kept.ifPresent(to);
        commands.forEach(to);
    }

    // ---- putting out

    private void put(Effect effect, String step, boolean undo, int attempt, Instant at, String reason) {
        var output = new Output(effect, step, undo, attempt, at, Reasons.keepable(reason));
        outputs.add(output);
        story.put(output, null, causation);
    }

    /**
     * Issues the command that a function makes of the state; parks the instance if it makes none, or one that cannot be stored.
     *
     * @return whether that was done; if not, nothing more is to be begun now
     */
    boolean issue(
            String step,
            boolean undo,
            boolean pivot,
            Optional<Duration> timeout,
            Function<? super S, ? extends Command<?>> function) {
        if (trouble != null && !commands.isEmpty()) {
            return false; // with the next turn, so that it is known which of them cannot be stored
        }
        Command<?> command = null;
        String fault;
        try {
            command = function.apply(story.state());
            fault = fault(command);
        } catch (Throwable thrown) {
            Script.throwIfFatal(thrown);
            fault = "could not be made: " + Reasons.of(thrown);
        }
        if (command == null || fault != null) {
            var why = "The command of " + named(step, undo) + " " + fault;
            stick(step, undo, why);
            park(why);
            return false;
        }
        issue(step, undo, pivot, timeout, command);
        return true;
    }

    /** Says why a command cannot be issued. */
    @Nullable
    String fault(@Nullable Command<?> command) {
        if (command == null) {
            return "is null; expected a command.";
        }
        if (names.apply(command.getClass()).isEmpty()) {
            return "is a " + command.getClass().getName()
                    + ", which the catalog of the operations log does not know. Add it by a stable name.";
        }
        return trouble != null && trouble.commands() == 0 ? "could not be stored: " + trouble.reason() : null;
    }

    void issue(String step, boolean undo, boolean pivot, Optional<Duration> timeout, Command<?> command) {
        var output = new Output(
                pivot ? Effect.PIVOT : Effect.ISSUE,
                step,
                undo,
                1,
                timeout.map(this::in).orElse(Story.NONE),
                "");
        outputs.add(output);
        commands.add(command);
        story.put(output, command, causation);
    }

    private static String named(String step, boolean undo) {
        return (undo ? "the compensation of step \"" : "step \"") + step + "\"";
    }

    void await(String step, Optional<Duration> timeout) {
        put(Effect.AWAIT, step, false, 1, timeout.map(this::in).orElse(Story.NONE), "");
    }

    void again(Act act, int attempt, Duration delay) {
        put(Effect.AGAIN, act.step, act.undo, attempt, in(delay), "");
    }

    void redo(Act act, int attempt) {
        put(Effect.REDO, act.step, act.undo, attempt, Story.NONE, "");
    }

    /** Has a step tried again that was given up on, with its time anew. */
    void redo(Act act, int attempt, Optional<Duration> timeout) {
        put(Effect.REDO, act.step, act.undo, attempt, timeout.map(this::in).orElse(Story.NONE), "");
    }

    void timer(String name, Duration after) {
        put(Effect.TIMER, name, false, 0, in(after), "");
    }

    /** Drops a timer, or a step if there is an attempt. */
    void drop(String name, int attempt) {
        put(Effect.DROP, name, false, attempt, Story.NONE, "");
    }

    void fired(String name, int attempt) {
        put(Effect.FIRED, name, false, attempt, Story.NONE, "");
    }

    /** Notes which timers are over, the first one first, to fire one after the other. */
    void dueUntil(Instant until) {
        due = story.timers.entrySet().stream()
                .filter(timer -> isPast(timer.getValue(), until))
                .sorted(Map.Entry.comparingByValue())
                .map(timer -> Map.entry(timer.getKey(), timer.getValue())) // what it is now
                .collect(Collectors.toCollection(ArrayDeque::new));
    }

    /**
     * Has the next timer fire that is over, unless it was stopped or started anew because of what fired before it; gives whether
     * one did.
     */
    boolean fireNext() {
        if (due == null) {
            return false;
        }
        for (var timer = due.poll(); timer != null; timer = due.poll()) {
            if (timer.getValue().equals(story.timers.get(timer.getKey()))) {
                fired(timer.getKey(), 0);
                return true;
            }
        }
        return false;
    }

    void reacted() {
        put(Effect.REACTED, "", false, 0, Story.NONE, "");
    }

    void fail(String reason) {
        put(Effect.FAIL, "", false, 0, Story.NONE, reason);
    }

    void back() {
        put(Effect.BACK, "", false, 0, Story.NONE, "");
    }

    void leave(String step) {
        put(Effect.LEAVE, step, true, 0, Story.NONE, "");
    }

    void stick(String step, boolean undo, String reason) {
        put(Effect.STICK, step, undo, 0, Story.NONE, reason);
    }

    void park(String reason) {
        if (!story.parked) {
            put(Effect.PARK, "", false, 0, Story.NONE, reason);
        }
    }

    void ending() {
        put(Effect.ENDING, "", false, 0, Story.NONE, "");
    }

    void end() {
        put(Effect.END, "", false, 0, Story.NONE, "");
    }

    private Instant in(Duration duration) {
        try {
            var at = now.plus(duration);
            return at.equals(Story.NONE) ? at.plusNanos(1) : at; // which means none
        } catch (ArithmeticException | java.time.DateTimeException longerThanEver) {
            return Instant.MAX;
        }
    }

    // ---- what is written

    /** Gives where the instance stands now, for an engine that has it for a time if a command is to be dispatched. */
    Standing standing(String engine, long incarnation, Instant until) {
        boolean ready = story.isReady();
        boolean held = ready && !engine.isEmpty();
        story.heldBy(held ? engine : "", held ? incarnation : 0, held ? until : Story.NONE);
        return new Standing(
                story.currentState(ready),
                story.step(),
                ready,
                story.wake(),
                story.engine,
                story.incarnation,
                story.until);
    }
}
