package dev.cqrs.saga;

import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.Story.Act;
import dev.cqrs.saga.Story.Progress;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a saga and a process manager are to the engine: a pure function of what is known of an instance and of what comes in,
 * which gives what goes out.
 *
 * <p><b>Threads:</b> immutable.
 */
abstract sealed class Script<S> permits StepScript, ReactionScript {

    /** What happens with an event: the step that waits for it, if one does, and whose instance it is. */
    record Trigger(String step, Function<Object, ?> key) {}

    private final String name;
    private final int version;
    private final Fold<S> fold;
    private final Map<Class<?>, Function<Object, ?>> starters;
    private final Map<Class<?>, Trigger> triggers;

    Script(
            String name,
            int version,
            Fold<S> fold,
            Map<Class<?>, Function<Object, ?>> starters,
            Map<Class<?>, Trigger> triggers) {
        this.name = name;
        this.version = version;
        this.fold = fold;
        this.starters = inOrder(starters);
        this.triggers = inOrder(triggers);
    }

    /** Copies a map, in its order. */
    static <K, V> Map<K, V> inOrder(Map<K, V> map) {
        return Collections.unmodifiableMap(new LinkedHashMap<>(map));
    }

    final String name() {
        return name;
    }

    final int version() {
        return version;
    }

    final Fold<S> fold() {
        return fold;
    }

    /** The classes of the events that start an instance. */
    final Set<Class<?>> starters() {
        return starters.keySet();
    }

    /** The classes of the events that have an instance go on. */
    final Set<Class<?>> triggers() {
        return triggers.keySet();
    }

    final @Nullable Function<Object, ?> starter(Object event) {
        return nearest(starters, event);
    }

    final @Nullable Trigger trigger(Object event) {
        return nearest(triggers, event);
    }

    private static <V> @Nullable V nearest(Map<Class<?>, V> map, Object event) {
        for (Class<?> type = event.getClass(); type != null; type = type.getSuperclass()) {
            var found = map.get(type);
            if (found != null) {
                return found;
            }
        }
        for (var entry : map.entrySet()) { // an interface; the engine's build() has seen to it that there is one
            if (entry.getKey().isInstance(event)) {
                return entry.getValue();
            }
        }
        return null;
    }

    /**
     * Says whether an event is what an instance was started by, or what came to a step of it; not if that can no longer be
     * told. One that an upcaster splits is several, of which one is.
     */
    final boolean isTaken(Input input, String key, Object event) {
        try {
            if (input.cause() == Cause.STARTED) {
                var starter = starter(event);
                return starter != null && key(starter, event).equals(key);
            }
            var trigger = trigger(event);
            return trigger != null
                    && trigger.step().equals(input.step())
                    && key(trigger.key(), event).equals(key);
        } catch (Throwable thrown) {
            throwIfFatal(thrown);
            return false;
        }
    }

    /** Gives the key of an event's instance. */
    final String key(Function<Object, ?> function, Object event) {
        var key = function.apply(event);
        if (key == null) {
            throw new NullPointerException("The key function of the saga \"" + name + "\" returned null for "
                    + event.getClass().getSimpleName() + "; expected the key of an instance.");
        }
        return checkedKey(key.toString());
    }

    final String checkedKey(String key) {
        if (Tag.of(SagaEvent.INSTANCE_TAG, key).value().length() > Tag.MAX_LENGTH / 2) {
            throw new IllegalArgumentException("A key of the saga \"" + name + "\" has " + key.length()
                    + " characters; expected at most " + Tag.MAX_LENGTH / 2 + ", as it becomes part of ids.");
        }
        return key;
    }

    /** Whether it reacts to each event, with commands that run one after the other, and has no way back. */
    abstract boolean isReactive();

    abstract List<Duration> delays(String step);

    /** How much time a step has. */
    abstract Optional<Duration> timeout(String step);

    /** Whether there is no way back once a step has taken effect. */
    abstract boolean isPivot(String step);

    abstract List<Class<? extends Throwable>> unsure(String step);

    /** Whether an instance that waits at a step has no times but such as an event may end. */
    abstract boolean waitsForEvents(String step);

    /** The function that makes the event of a result that is kept; gives {@code null} if none is. */
    abstract @Nullable Object kept(Story<S> story, String step, boolean undo, Object result);

    /** Puts out all that follows from where the instance stands. */
    abstract void go(Turn<S> turn);

    /**
     * Puts out what follows from the time.
     *
     * @param seen until when all events that came are taken in: later times wait that an event may end
     */
    final void due(Turn<S> turn, Instant seen) {
        var story = turn.story();
        var until = story.waitsForEvents() && seen.isBefore(turn.now()) ? seen : turn.now();
        if (story.parked || story.ended != null) {
            return;
        }
        var whole = story.timers.get("");
        if (whole != null && Turn.isPast(whole, until)) {
            turn.fired("", 0);
            if (!story.passed && !story.failing) {
                turn.fail("It was not done in the time given to the whole.");
            }
        }
        for (var act : List.copyOf(story.current())) {
            boolean timed = !act.undo && !act.late && !act.status.isSettled();
            if (timed && Turn.isPast(act.deadline, act.awaits ? until : turn.now())) {
                turn.fired(act.step, act.attempt);
            }
            boolean over = !act.undo && !act.unsure && (act.late || story.failing); // what follows drops it
            if (act.is(Progress.AGAIN) && turn.isPast(act.again) && !over) {
                turn.redo(act, act.attempt);
            }
        }
        turn.dueUntil(until);
        turn.fireNext();
    }

    /** Puts out what follows from a command that did not return. */
    final void settle(Turn<S> turn, Act act, Cause cause) {
        var story = turn.story();
        var delays = delays(act.step);
        boolean more = act.tries <= delays.size();
        boolean stops = isReactive() && story.failing; // it was cancelled, and ends with what is under way
        if (cause == Cause.UNSURE && more) {
            turn.again(act, act.attempt, delays.get(act.tries - 1));
        } else if (cause == Cause.FAILED && more && !act.late && (act.undo || !story.failing)) {
            turn.again(act, act.attempt + 1, delays.get(act.tries - 1));
        } else if (cause == Cause.UNSURE) {
            turn.park(stuck(story, act));
        } else if (cause == Cause.STUCK && !stops) {
            turn.park(capital(named(act)) + " cannot be carried out here: " + act.reason);
        } else if (act.undo || story.passed || (isReactive() && !stops)) {
            turn.stick(act.step, act.undo, act.reason);
            turn.park(capital(named(act)) + " has failed: " + act.reason);
        } else if (!story.failing) {
            turn.fail("Step \"" + act.step + "\" has failed: " + act.reason);
        }
    }

    /** Gives up on a step that has taken effect, until what it returned can be used. */
    final void stick(Turn<S> turn, Act act, String reason) {
        turn.stick(act.step, act.undo, reason);
        turn.park(stuck(turn.story(), act));
    }

    /** Tells what is known of a step that is given up on. */
    static String stuck(Story<?> story, Act act) {
        var id = SagaEngine.commandId(story.script.name(), story.key, act.step, act.undo, act.attempt);
        return act.returned
                ? capital(named(act)) + " took effect (" + id + "), but what it returned could not be used: "
                        + act.reason
                : act.unsure
                        ? "It is not known whether " + named(act) + " took effect (" + id + "): " + act.reason
                        : capital(named(act)) + " had no effect, and waits for an operator: " + act.reason;
    }

    /** Has what an operator let go on be tried again, but for what is known to have had no effect where there is no way on. */
    final void resume(Turn<S> turn) {
        var story = turn.story();
        for (var act : List.copyOf(story.current())) {
            boolean same = act.unsure || act.awaits || act.returned;
            boolean over = story.failing && !act.undo && !act.unsure;
            if (act.is(Progress.STUCK) && (act.awaits || act.position > 0) && !over) {
                turn.redo(act, same ? act.attempt : act.attempt + 1, act.undo ? Optional.empty() : timeout(act.step));
            }
        }
    }

    static String named(Act act) {
        return (act.undo ? "the compensation of step \"" : "step \"") + act.step + "\"";
    }

    static String capital(String text) {
        return Character.toUpperCase(text.charAt(0)) + text.substring(1);
    }

    /** Whether an error is one that a process dies of, after which nothing is known of what was under way. */
    static void throwIfFatal(Throwable thrown) {
        if (thrown instanceof VirtualMachineError fatal && !(thrown instanceof StackOverflowError)) {
            throw fatal;
        }
    }
}
