package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.event.Fold;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.Story.Act;
import dev.cqrs.saga.Story.Progress;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The script of a saga: stages of one or several steps, one after the other, and back again. */
final class StepScript<S> extends Script<S> {

    /** A step: a command, or an event that is waited for. */
    record Step<S>(
            String name,
            Optional<Function<? super S, ? extends Command<?>>> command,
            Optional<BiFunction<? super S, Object, ?>> result,
            Optional<Function<? super S, ? extends Command<?>>> undo,
            boolean pivot,
            Optional<Duration> timeout,
            List<Duration> delays,
            List<Class<? extends Throwable>> unsure) {}

    private final List<List<Step<S>>> stages;
    private final Map<String, Step<S>> steps = new HashMap<>();
    /** Those that have no others beside them. */
    private final Set<String> alone = new HashSet<>();

    private final Optional<Duration> within;

    StepScript(
            String name,
            int version,
            Fold<S> fold,
            Map<Class<?>, Function<Object, ?>> starters,
            Map<Class<?>, Trigger> awaited,
            List<List<Step<S>>> stages,
            Optional<Duration> within) {
        super(name, version, fold, starters, awaited);
        this.stages = stages.stream().map(List::copyOf).toList();
        this.stages.forEach(stage -> stage.forEach(step -> steps.put(step.name(), step)));
        this.stages.stream()
                .filter(stage -> stage.size() == 1)
                .forEach(stage -> alone.add(stage.get(0).name()));
        this.within = within;
    }

    @Override
    boolean isReactive() {
        return false;
    }

    @Override
    List<Duration> delays(String step) {
        var known = steps.get(step);
        return known == null ? List.of() : known.delays();
    }

    @Override
    Optional<Duration> timeout(String step) {
        var known = steps.get(step);
        return known == null ? Optional.empty() : known.timeout();
    }

    @Override
    boolean isPivot(String step) {
        var known = steps.get(step);
        return known != null && known.pivot();
    }

    @Override
    List<Class<? extends Throwable>> unsure(String step) {
        var known = steps.get(step);
        return known == null ? List.of() : known.unsure();
    }

    @Override
    @Nullable
    Object kept(Story<S> story, String step, boolean undo, Object result) {
        var known = steps.get(step);
        if (undo || known == null || known.result().isEmpty()) {
            return null;
        }
        var event = known.result().get().apply(story.state(), result);
        if (event == null) {
            throw new NullPointerException("The event of the result of step \"" + step
                    + "\" is null; expected an event. Leave the function out where nothing is to be kept.");
        }
        return event;
    }

    @Override
    boolean waitsForEvents(String step) {
        var known = steps.get(step);
        return known != null && known.command().isEmpty() && alone.contains(step);
    }

    @Override
    void go(Turn<S> turn) {
        var story = turn.story();
        if (turn.input().cause() == Cause.STARTED || turn.input().cause() == Cause.BEGUN) {
            within.ifPresent(duration -> turn.timer("", duration));
        }
        if (story.ended != null || story.parked) {
            return;
        }
        checkKnown(turn);
        checkTimes(turn);
        if (story.parked) {
            return;
        }
        if (story.failing && !story.back && !turnBack(turn)) {
            return;
        }
        for (var act : story.current()) { // one of several that were; the operator has seen to another
            if (act.is(Progress.STUCK) && !act.isUnmade()) {
                turn.park(stuck(story, act));
                return;
            }
        }
        if (story.back) {
            goBack(turn);
        } else {
            goOn(turn);
        }
    }

    /** Never skips what another version of the definition has begun. */
    private void checkKnown(Turn<S> turn) {
        for (var act : turn.story().current()) {
            if (!act.status.isSettled() && !steps.containsKey(act.step)) {
                var why = "Version " + version() + " of the saga does not know it.";
                if (!act.is(Progress.STUCK)) {
                    turn.stick(act.step, act.undo, why);
                }
                turn.park(capital(named(act)) + " cannot be carried out here: " + why);
            }
        }
    }

    /** Sees to the steps whose time is over. */
    private void checkTimes(Turn<S> turn) {
        var story = turn.story();
        if (story.back) {
            return;
        }
        for (var act : story.acts.values()) {
            if (!act.late || act.status.isSettled() || act.is(Progress.STUCK)) {
                continue;
            }
            var why = "Step \"" + act.step + "\" was not done in its time.";
            if (!story.passed) {
                if (!story.failing) {
                    turn.fail(why);
                }
            } else if (!act.is(Progress.READY) && !act.unsure) {
                turn.stick(act.step, false, why);
                turn.park(why);
            }
        }
    }

    /** Turns back if it is known of all steps whether they took effect. */
    private boolean turnBack(Turn<S> turn) {
        var story = turn.story();
        for (var act : List.copyOf(story.acts.values())) {
            boolean waits = act.is(Progress.AGAIN) || (act.is(Progress.STUCK) && !act.isUnmade());
            if (act.is(Progress.AWAITING) || (waits && !act.unsure)) {
                turn.drop(act.step, act.attempt); // it had no effect, or has had it
            }
        }
        Act stuck = null;
        for (var act : story.acts.values()) {
            if (act.is(Progress.READY) || act.is(Progress.AGAIN)) {
                return false;
            }
            stuck = act.is(Progress.STUCK) && !act.isUnmade() ? act : stuck;
        }
        if (stuck != null) {
            turn.park(stuck(story, stuck));
            return false;
        }
        turn.back();
        return true;
    }

    private void goBack(Turn<S> turn) {
        var story = turn.story();
        while (!story.effects.isEmpty()) {
            var last = story.effects.get(story.effects.size() - 1);
            var act = story.undos.get(last);
            if (act != null && !act.isUnmade()) {
                return; // it is under way, or waits for an operator
            }
            var step = steps.get(last);
            if (step == null) {
                var why = "Version " + version() + " of the saga does not know it.";
                turn.stick(last, true, why);
                turn.park("The compensation of step \"" + last + "\" cannot be carried out here: " + why);
                return;
            }
            if (step.undo().isPresent()) {
                turn.issue(last, true, false, Optional.empty(), step.undo().get());
                return;
            }
            turn.leave(last);
        }
        turn.end();
    }

    private void goOn(Turn<S> turn) {
        var story = turn.story();
        int last = stages.size() - 1; // stage of which anything was begun
        while (last >= 0 && !isBegun(story, stages.get(last))) {
            last--;
        }
        if (story.version == version() && isChanged(turn, last)) {
            return;
        }
        for (int at = 0; at < stages.size(); at++) {
            boolean all = at >= last; // of a stage before that what was begun, which another version may have put there
            for (var step : stages.get(at)) {
                var act = story.acts.get(step.name());
                if ((act == null ? all : act.isUnmade()) && !begin(turn, step)) {
                    return; // parked
                }
            }
            for (var step : stages.get(at)) {
                var act = story.acts.get(step.name());
                if (act != null
                        && act.is(Progress.FAILED)) { // given up on, and then a pivot that was under way returned
                    turn.stick(act.step, false, act.reason);
                    turn.park(stuck(story, act));
                }
                if (act != null && !act.is(Progress.DONE) && !act.is(Progress.SKIPPED)) {
                    return;
                }
            }
        }
        turn.end();
    }

    /**
     * Parks what has begun a step, and not one that comes before it under the version it was started with: to go on behind the
     * former would leave out the latter. Another version may have further steps, and goes on behind what it knows; so does
     * this one where another has gone on in between.
     */
    private boolean isChanged(Turn<S> turn, int begun) {
        for (int i = 0; i < begun; i++) {
            for (var step : stages.get(i)) {
                if (!turn.story().acts.containsKey(step.name()) && !isPassed(turn.story(), i)) {
                    turn.park("Step \"" + step.name() + "\" comes before \""
                            + stages.get(begun).get(0).name() + "\" here and was never begun, unlike that one: version "
                            + version()
                            + " of the saga was changed. Give the changed one another version(...), add both to"
                            + " the engine, and resume.");
                    return true;
                }
            }
        }
        return false;
    }

    /** Whether another version has begun a step behind a stage. */
    private boolean isPassed(Story<?> story, int stage) {
        for (var behind : stages.subList(stage + 1, stages.size())) {
            for (var step : behind) {
                var act = story.acts.get(step.name());
                if (act != null && act.version != version()) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean isBegun(Story<?> story, List<? extends Step<?>> stage) {
        for (var step : stage) {
            if (story.acts.containsKey(step.name())) {
                return true;
            }
        }
        return false;
    }

    private boolean begin(Turn<S> turn, Step<S> step) {
        var broken = turn.story().broken;
        if (broken != null) { // an operator may leave it out, or cancel the whole
            turn.stick(step.name(), false, broken);
            turn.park(broken);
            return false;
        }
        if (step.command().isEmpty()) {
            turn.await(step.name(), step.timeout());
            return true;
        }
        return turn.issue(
                step.name(), false, step.pivot(), step.timeout(), step.command().get());
    }
}
