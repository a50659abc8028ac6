package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaEvent.Output;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.task.Reasons;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What is known of an instance: a fold of its own events, whether they are read from the log or just being written.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class Story<S> {

    /** Instead of an instant, where there is none. */
    static final Instant NONE = Instant.EPOCH;

    /** How a step, or its compensation, stands. */
    enum Progress {
        /** It is under way, or to be. */
        READY,
        /** It waits to be tried again. */
        AGAIN,
        /** It waits for an event. */
        AWAITING,
        /** It is given up on until an operator decides. */
        STUCK,
        /** It had no effect, and is not tried again. */
        FAILED,
        /** It took effect, or its event came. */
        DONE,
        /** An operator had it left out. */
        SKIPPED;

        boolean isSettled() {
            return compareTo(FAILED) >= 0;
        }
    }

    /** A step that was begun, or its compensation. */
    static final class Act {

        final String step;
        final boolean undo;
        final boolean awaits;
        final boolean pivot;
        /** The version of the definition under which it was begun. */
        final int version;

        Progress status;
        int attempt = 1;
        /** How often it has ended without a result since it was begun, or an operator had it go on. */
        int tries;
        /** Whether this attempt may have taken effect all the same. */
        boolean unsure;
        /** Whether it surely has taken effect, and only what it returned could not be used. */
        boolean returned;
        /** Whether nobody can have dispatched it but this process, which has not. */
        boolean fresh;
        /** The incarnation of the engine that had it last, and how often that was another than before. */
        long holder;

        int holders;
        /** Until when it said that it has it, unless it was given back since. */
        Instant held = NONE;
        /** How many of those said nothing more, since this attempt was issued or last told of. */
        int expiries;
        /** Until when one of those may be at it all the same, by what it said last. */
        Instant others = NONE;
        /** Whether who had it last may be at it all the same, and could not say so as it was parked or given up on since. */
        boolean unheard;
        /** Whether its time is over. */
        boolean late;

        Instant again = NONE;
        Instant deadline = NONE;
        /** The place of its command in the log, and the command itself if it was not read from there. */
        long position;

        @Nullable
        Command<?> command;

        String causation = "";
        String reason = "";

        Act(String step, boolean undo, boolean awaits, boolean pivot, int version, Progress status) {
            this.step = step;
            this.undo = undo;
            this.awaits = awaits;
            this.pivot = pivot;
            this.version = version;
            this.status = status;
        }

        boolean is(Progress wanted) {
            return status == wanted;
        }

        /** Whether who had it last may be at it: it has not told of it, nor given it back. */
        boolean isHad() {
            return holder != 0 && !held.equals(NONE);
        }

        /** Whether its command could not be made: it had no effect, and is made when an operator has it go on. */
        boolean isUnmade() {
            return status == Progress.STUCK && !awaits && position == 0 && command == null;
        }
    }

    /** A timer that fired, to be reacted to. */
    record Fired(String timer) {}

    final Script<S> script;
    final String key;
    /** The saga and the key, as they are told together. */
    final String id;

    /** The version it was started under. */
    int version;
    /** The version it goes on under now. */
    int under;

    Position last = Position.START;
    Instant started = NONE;
    String engine = "";
    long incarnation;
    Instant until = NONE;

    @Nullable
    S state;
    /** Why the state cannot be told. */
    @Nullable
    String broken;

    final Map<String, Act> acts = new LinkedHashMap<>();
    final Map<String, Act> undos = new LinkedHashMap<>();
    /** The steps that took effect and are not undone, in the order in which they did. */
    final List<String> effects = new ArrayList<>();
    /** The steps whose event came before they were begun. */
    final Set<String> early = new LinkedHashSet<>();

    final Map<String, Instant> timers = new LinkedHashMap<>();
    /** Events and timers that were not reacted to. */
    final List<Object> pending = new ArrayList<>();

    final List<String> skipped = new ArrayList<>();
    /** Up to where in the domain's log events were looked at for this instance, at least. */
    long source;

    int issued;
    boolean passed;
    boolean failing;
    boolean back;
    boolean parked;
    boolean ending;

    @Nullable
    State ended;

    String reason = "";
    String parkedFor = "";

    private final List<Act> unplaced = new ArrayList<>(1);
    private final EventQuery query;

    Story(Script<S> script, String key) {
        this.script = script;
        this.key = key;
        this.version = script.version();
        this.under = version;
        var tag = SagaEvent.tag(script.name(), key);
        this.id = tag.value();
        this.query = EventQuery.types(SagaEvent.class).withTags(tag);
        try {
            state = script.fold().initial();
        } catch (Throwable thrown) {
            Script.throwIfFatal(thrown);
            broken = "The initial state could not be made: " + Reasons.of(thrown);
        }
    }

    // ---- what is told

    /** Applies what came in, with the events that are kept of it. */
    void take(Input input, List<?> kept) {
        kept.forEach(this::fold);
        var act = (input.undo() ? undos : acts).get(input.step());
        switch (input.cause()) {
            case STARTED, BEGUN, EVENT -> {
                source = Math.max(source, input.source());
                if (script.isReactive()) {
                    pending.addAll(kept);
                } else if (!input.step().isEmpty()) {
                    if (act == null || act.isUnmade()) {
                        early.add(input.step());
                    } else {
                        act.status = Progress.DONE;
                    }
                }
            }
            case RETURNED -> returned(known(act, input));
            case REFUSED -> {
                ended(known(act, input), Progress.FAILED, input);
                known(act, input).unsure = false; // now it is known
            }
            case FAILED -> {
                ended(known(act, input), Progress.FAILED, input);
                known(act, input).tries++;
            }
            case UNSURE -> {
                ended(known(act, input), Progress.STUCK, input);
                known(act, input).tries++;
                known(act, input).unsure = !known(act, input).returned;
            }
            case STUCK -> ended(known(act, input), Progress.STUCK, input);
            case TOOK_EFFECT, NO_EFFECT -> settled(known(act, input), input.cause() == Cause.TOOK_EFFECT);
            case RESUMED -> {
                parked = false;
                all().forEach(a -> a.expiries = 0);
                all().stream().filter(a -> a.is(Progress.STUCK)).forEach(a -> a.tries = 0);
            }
            case SKIPPED -> skip(input, act);
            case CANCELLED -> {
                parked = false;
                failing = true;
                reason = input.reason();
            }
            case RELEASED -> all().forEach(a -> a.held = NONE); // nothing is under way there
            case DUE, HELD -> {}
        }
    }

    private Act known(@Nullable Act act, Input input) {
        if (act == null) {
            throw new IllegalStateException("The log tells of step \"" + input.step() + "\" of the saga \""
                    + script.name() + "\" of \"" + key + "\", which it has not begun; expected that it had.");
        }
        return act;
    }

    private void returned(Act act) {
        parked &= !act.is(Progress.STUCK); // it is what the operator was to find out
        act.status = Progress.DONE;
        act.unsure = false;
        act.command = null;
        if (act.undo) {
            effects.remove(act.step);
        } else if (script.isReactive()) {
            acts.remove(act.step); // of a process manager there may be many
        } else {
            if (!effects.contains(act.step)) { // it may have returned before
                effects.add(act.step);
            }
            pass(act);
        }
    }

    /** An operator has found it out, and decides what follows. */
    private void settled(Act act, boolean took) {
        boolean stands = parked;
        act.unsure = false;
        if (took) {
            returned(act);
        }
        parked = stands;
        parkedFor = all().stream()
                .filter(other -> other.is(Progress.STUCK) && other.unsure)
                .findFirst()
                .map(other -> Script.stuck(this, other))
                .orElse(Script.capital(Script.named(act)) + (took ? " took effect" : " had no effect")
                        + ", as an operator has found out. Resume or cancel it.");
    }

    private void pass(Act act) {
        if (act.pivot) {
            passed = true;
            failing = false;
        }
    }

    private static void ended(Act act, Progress status, Input input) {
        act.status = status;
        act.reason = input.reason();
    }

    private void skip(Input input, @Nullable Act act) {
        parked = false;
        skipped.add(input.undo() ? "undo of " + input.step() : input.step());
        var left = act != null ? act : unmade(input.step(), input.undo(), Progress.SKIPPED);
        left.status = Progress.SKIPPED;
        (input.undo() ? undos : acts).put(input.step(), left);
        if (input.undo()) {
            effects.remove(input.step());
        } else {
            pass(left);
        }
    }

    private Act unmade(String step, boolean undo, Progress status) {
        return new Act(step, undo, false, !undo && script.isPivot(step), under, status);
    }

    /** Applies what goes out; a command is given if it was just made. */
    void put(Output output, @Nullable Command<?> command, String causation) {
        var there = (output.undo() ? undos : acts).get(output.step());
        switch (output.effect()) {
            case ISSUE, PIVOT -> {
                var act = new Act(
                        output.step(),
                        output.undo(),
                        false,
                        output.effect() == SagaEvent.Effect.PIVOT,
                        under,
                        Progress.READY);
                act.deadline = output.at();
                act.command = command;
                act.fresh = true;
                act.causation = causation;
                (output.undo() ? undos : acts).put(output.step(), act);
                unplaced.add(act);
                issued++;
            }
            case AWAIT -> {
                var act = new Act(
                        output.step(),
                        false,
                        true,
                        false,
                        under,
                        early.remove(output.step()) ? Progress.DONE : Progress.AWAITING);
                act.deadline = output.at();
                acts.put(output.step(), act);
            }
            case AGAIN, REDO -> {
                var act = begun(there, output);
                boolean redo = output.effect() == SagaEvent.Effect.REDO;
                if (redo && act.is(Progress.STUCK)) { // an operator has it go on
                    act.late = false;
                    act.deadline = output.at();
                }
                act.status = !redo ? Progress.AGAIN : act.awaits ? Progress.AWAITING : Progress.READY;
                if (output.attempt() > act.attempt) {
                    act.unsure = false;
                    act.others = NONE;
                    act.unheard = false;
                }
                act.expiries = 0;
                act.holder = 0; // who had it has told of it, or is not counted any more
                act.attempt = output.attempt();
                act.again = output.at();
                act.fresh = true; // what became of it before is known, or it is unsure
            }
            case TIMER -> timers.put(output.step(), output.at());
            case DROP -> {
                if (output.attempt() == 0) {
                    timers.remove(output.step());
                } else {
                    begun(there, output).status = Progress.FAILED;
                }
            }
            case FIRED -> {
                if (output.attempt() == 0) {
                    timers.remove(output.step());
                    if (!output.step().isEmpty()) {
                        pending.add(new Fired(output.step()));
                    }
                } else {
                    begun(there, output).late = true;
                }
            }
            case REACTED -> {
                if (!pending.isEmpty()) { // what cannot be read is not there; then it does not go on
                    pending.remove(0);
                }
            }
            case FAIL -> {
                failing = true;
                reason = output.reason();
            }
            case BACK -> {
                back = true;
                timers.remove("");
            }
            case LEAVE -> effects.remove(output.step());
            case STICK -> {
                var act = there != null ? there : unmade(output.step(), output.undo(), Progress.STUCK);
                act.unsure |=
                        act.is(Progress.READY) && !act.returned && act.holder != 0; // who dispatches it has it first
                act.unheard |= act.is(Progress.READY) && act.isHad();
                act.returned |= act.is(Progress.DONE);
                act.status = Progress.STUCK;
                act.reason = output.reason();
                (output.undo() ? undos : acts).put(output.step(), act);
            }
            case PARK -> {
                parked = true;
                parkedFor = output.reason();
            }
            case ENDING -> ending = true;
            case END -> ended = end();
        }
    }

    private Act begun(@Nullable Act act, Output output) {
        if (act == null) {
            throw new IllegalStateException("The log tells of step \"" + output.step() + "\" of the saga \""
                    + script.name() + "\" of \"" + key + "\", which it has not begun; expected that it had.");
        }
        return act;
    }

    private State end() {
        return !skipped.isEmpty() || (script.isReactive() && failing)
                ? State.INCOMPLETE
                : back ? State.COMPENSATED : State.COMPLETED;
    }

    /** Tells who has it for now; empty if nobody has. */
    void heldBy(String name, long by, Instant end) {
        if (parked) {
            for (var act : current()) {
                act.unheard |= act.is(Progress.READY) && act.isHad();
            }
        }
        if (!name.isEmpty()) {
            for (var act : ready()) { // of a process manager the first alone is dispatched
                if (act.holder != by) {
                    if (act.holder != 0) {
                        act.expiries += engine.isEmpty() ? 0 : 1; // who had it has not given it back
                        act.others = act.held.isAfter(act.others) ? act.held : act.others;
                    }
                    if (act.unheard) {
                        act.others = later(act.others, later(act.held, end));
                    }
                    act.holder = by;
                    act.holders++;
                }
                act.unheard = false;
                act.held = end;
            }
        }
        engine = name;
        incarnation = by;
        until = end;
    }

    /** Tells that an engine has it that may dispatch what is ready. */
    void exposed() {
        for (var act : ready()) {
            act.fresh = false;
        }
    }

    /** Tells where the mark stands of which all was applied: the commands stand behind it. */
    void placed(Position mark, boolean kept) {
        last = mark;
        long next = mark.value() + (kept ? 2 : 1);
        for (var act : unplaced) {
            act.position = next++;
        }
        unplaced.clear();
    }

    private void fold(Object event) {
        if (broken != null || state == null) {
            return;
        }
        try {
            state = script.fold().apply(state, event);
        } catch (Throwable thrown) {
            Script.throwIfFatal(thrown);
            broken = "The state could not be told from " + event.getClass().getSimpleName() + ": " + Reasons.of(thrown);
        }
    }

    // ---- what can be asked

    /** Finds the marks of the instance. */
    EventQuery query() {
        return query;
    }

    S state() {
        var known = state;
        if (known == null || broken != null) {
            throw new IllegalStateException(broken);
        }
        return known;
    }

    List<Act> all() {
        var all = new ArrayList<>(acts.values());
        all.addAll(undos.values());
        return all;
    }

    /** Those that count now: forwards, or on the way back. */
    Collection<Act> current() {
        return back ? undos.values() : acts.values();
    }

    /** What is to be dispatched now, or is under way. */
    List<Act> ready() {
        if (parked || ended != null) {
            return List.of();
        }
        List<Act> ready = List.of();
        for (var act : current()) {
            if (act.is(Progress.READY)) {
                if (ready.isEmpty()) {
                    ready = List.of(act); // as nearly always there is one
                } else {
                    ready = ready.size() == 1 ? new ArrayList<>(ready) : ready;
                    ready.add(act);
                }
            }
            if (script.isReactive() && !act.status.isSettled()) {
                break; // one after the other
            }
        }
        return ready;
    }

    boolean isReady() {
        return !ready().isEmpty();
    }

    /** Says whether an event is of use, which a step waits for; of process managers all are. */
    boolean waitsFor(String step) {
        if (ended != null || back || ending || (failing && script.isReactive())) {
            return false; // while it fails, a pivot that is under way may have it go on all the same
        }
        var act = acts.get(step);
        return step.isEmpty()
                || ((act == null || act.isUnmade())
                        ? !early.contains(step)
                        : act.is(Progress.AWAITING) || (act.awaits && act.is(Progress.STUCK)));
    }

    /**
     * Says whether all that is ready, or will be when it is parked no more, was issued by this process alone, which has not
     * begun to dispatch it.
     */
    boolean isFresh() {
        return isFresh(acts.values()) && isFresh(undos.values());
    }

    private static boolean isFresh(Collection<Act> some) {
        for (var act : some) {
            if (act.is(Progress.READY) && !act.fresh) {
                return false;
            }
        }
        return true;
    }

    /** The first that has not come to an end; {@code null} if there is none. */
    @Nullable
    Act unsettled() {
        for (var act : current()) {
            if (!act.status.isSettled()) {
                return act;
            }
        }
        return null;
    }

    State currentState() {
        return currentState(isReady());
    }

    State currentState(boolean ready) {
        var over = ended;
        if (over != null) {
            return over;
        }
        return parked ? State.PARKED : back ? State.COMPENSATING : ready ? State.RUNNING : State.WAITING;
    }

    /** Where it is: while parked what it is stuck at, which others that are not at an end may stand before. */
    String step() {
        var act = parked ? stuck() : null;
        act = act == null ? unsettled() : act;
        return act == null ? "" : act.step;
    }

    private @Nullable Act stuck() {
        for (var act : current()) {
            if (act.is(Progress.STUCK)) {
                return act;
            }
        }
        return null;
    }

    /** Whether an event may end a time that it has. */
    boolean waitsForEvents() {
        if (script.isReactive()) {
            return true;
        }
        for (var act : current()) {
            if (act.is(Progress.AWAITING)) {
                return true;
            }
        }
        return false;
    }

    /** When the time for something comes. */
    Instant wake() {
        return wake(false);
    }

    /** Says whether the time for something has come; {@code seen} is until when all events that came are taken in. */
    boolean isDue(Instant now, Instant seen) {
        return Turn.isPast(wake(true), now) || Turn.isPast(wake(false), seen.isBefore(now) ? seen : now);
    }

    /** When the time for something comes; {@code alone} leaves out what an event may end. */
    Instant wake(boolean alone) {
        if (parked || ended != null) {
            return NONE;
        }
        boolean waits = alone && waitsForEvents();
        var soonest = NONE;
        for (var act : current()) {
            if (act.is(Progress.AGAIN)) {
                soonest = sooner(soonest, act.again);
            }
            if (!act.undo && !act.late && !act.status.isSettled() && !(waits && act.awaits)) {
                soonest = sooner(soonest, act.deadline);
            }
        }
        if (!waits) {
            for (var at : timers.values()) {
                soonest = sooner(soonest, at);
            }
        }
        return soonest;
    }

    static Instant sooner(Instant one, Instant other) {
        return one.equals(NONE) || (!other.equals(NONE) && other.isBefore(one)) ? other : one;
    }

    private static Instant later(Instant one, Instant other) {
        return other.isAfter(one) ? other : one;
    }

    SagaInstance instance() {
        var wake = wake();
        return new SagaInstance(
                script.name(),
                key,
                version,
                currentState(),
                step(),
                started,
                wake.equals(NONE) ? Optional.empty() : Optional.of(wake),
                engine,
                parked ? parkedFor : failing || back ? reason : "",
                skipped);
    }
}
