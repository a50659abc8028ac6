package dev.cqrs.saga;

import dev.cqrs.event.Fold;
import dev.cqrs.saga.Story.Fired;
import dev.cqrs.saga.Story.Progress;
import dev.cqrs.task.Reasons;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The script of a process manager: what it does about each event and timer. */
final class ReactionScript<S> extends Script<S> {

    private final Map<Class<?>, BiFunction<? super S, Object, List<Reaction>>> reactions;
    private final Map<String, Function<? super S, List<Reaction>>> timers;
    private final List<Duration> delays;
    private final List<Class<? extends Throwable>> unsure;

    ReactionScript(
            String name,
            int version,
            Fold<S> fold,
            Map<Class<?>, Function<Object, ?>> starters,
            Map<Class<?>, Trigger> triggers,
            Map<Class<?>, BiFunction<? super S, Object, List<Reaction>>> reactions,
            Map<String, Function<? super S, List<Reaction>>> timers,
            List<Duration> delays,
            List<Class<? extends Throwable>> unsure) {
        super(name, version, fold, starters, triggers);
        this.reactions = inOrder(reactions);
        this.timers = Map.copyOf(timers);
        this.delays = delays;
        this.unsure = unsure;
    }

    @Override
    boolean isReactive() {
        return true;
    }

    @Override
    boolean waitsForEvents(String step) {
        return step.isEmpty(); // otherwise it waits to try a command again
    }

    @Override
    List<Duration> delays(String step) {
        return delays;
    }

    @Override
    Optional<Duration> timeout(String step) {
        return Optional.empty();
    }

    @Override
    boolean isPivot(String step) {
        return false;
    }

    @Override
    List<Class<? extends Throwable>> unsure(String step) {
        return unsure;
    }

    @Override
    @Nullable
    Object kept(Story<S> story, String step, boolean undo, Object result) {
        return null;
    }

    @Override
    void go(Turn<S> turn) {
        var story = turn.story();
        if (story.ended != null || story.parked) {
            return;
        }
        var broken = story.broken;
        if (broken != null && !story.failing) {
            turn.park(broken);
            return;
        }
        while (!story.failing && !story.ending && !isPutOff(turn) && (!story.pending.isEmpty() || turn.fireNext())) {
            if (!react(turn, story.pending.get(0))) {
                return; // parked
            }
        }
        if (story.failing) {
            stop(turn);
        }
        if ((story.failing || story.ending) && story.unsettled() == null) {
            turn.end();
        }
    }

    /** Of several one alone cannot be stored: so it is known which, and those before it are carried out. */
    private boolean isPutOff(Turn<S> turn) {
        var first = turn.story().unsettled();
        return turn.trouble != null && first != null && !first.is(Progress.STUCK); // it goes on behind that
    }

    private boolean react(Turn<S> turn, Object pending) {
        var story = turn.story();
        List<Reaction> wanted;
        try {
            wanted = List.copyOf(reactions(story, pending));
        } catch (Throwable thrown) {
            throwIfFatal(thrown);
            turn.park("What to do about " + told(pending) + " could not be told: " + Reasons.of(thrown));
            return false;
        }
        for (var reaction : wanted) {
            if (reaction instanceof Reaction.Send send) {
                var fault = turn.fault(send.command());
                if (fault != null) {
                    turn.park("A command about " + told(pending) + " " + fault);
                    return false;
                }
            } else if (reaction instanceof Reaction.StartTimer timer && !timers.containsKey(timer.name())) {
                turn.park("What to do about " + told(pending) + " names the timer \"" + timer.name()
                        + "\"; expected one of " + timers.keySet() + ". Give it with onTimer(...).");
                return false;
            }
        }
        turn.reacted();
        for (var reaction : wanted) {
            if (reaction instanceof Reaction.Send send) {
                turn.issue(Integer.toString(story.issued + 1), false, false, Optional.empty(), send.command());
            } else if (reaction instanceof Reaction.StartTimer timer) {
                turn.timer(timer.name(), timer.after());
            } else if (reaction instanceof Reaction.StopTimer timer) {
                if (story.timers.containsKey(timer.name())) { // one that fired is not there any more
                    turn.drop(timer.name(), 0);
                }
            } else if (!story.ending) {
                for (var timer : List.copyOf(story.timers.keySet())) {
                    turn.drop(timer, 0);
                }
                turn.ending();
            }
        }
        return true;
    }

    private static String told(Object pending) {
        return pending instanceof Fired fired
                ? "the timer \"" + fired.timer() + "\""
                : pending.getClass().getSimpleName();
    }

    private List<Reaction> reactions(Story<S> story, Object pending) {
        if (pending instanceof Fired fired) {
            var function = timers.get(fired.timer());
            if (function == null) {
                throw new IllegalStateException("Version " + version() + " does not know that timer.");
            }
            return function.apply(story.state());
        }
        for (Class<?> type = pending.getClass(); type != null; type = type.getSuperclass()) {
            var function = reactions.get(type);
            if (function != null) {
                return function.apply(story.state(), pending);
            }
        }
        for (var reaction : reactions.entrySet()) {
            if (reaction.getKey().isInstance(pending)) {
                return reaction.getValue().apply(story.state(), pending);
            }
        }
        return List.of(); // it was started by hand, by an event that nothing is to be done about
    }

    /** Drops all but the command that may be under way, which is none but the first. */
    private void stop(Turn<S> turn) {
        var story = turn.story();
        for (var timer : List.copyOf(story.timers.keySet())) {
            turn.drop(timer, 0);
        }
        var first = story.unsettled();
        for (var act : List.copyOf(story.acts.values())) {
            boolean waits = act.is(Progress.STUCK) || act.is(Progress.AGAIN);
            boolean known = waits ? !act.unsure : act.is(Progress.READY) && act != first;
            if (known) {
                turn.drop(act.step, act.attempt);
            }
        }
    }
}
