package dev.cqrs.saga;

import dev.cqrs.command.Command;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.interceptor.InvalidMessageException;
import dev.cqrs.interceptor.NotAuthorizedException;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.Story.Act;
import dev.cqrs.task.Reasons;
import dev.cqrs.task.Thrown;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What became of a command that was dispatched. */
record Outcome(
        Cause cause,
        @Nullable Object result,
        String reason,
        @Nullable Throwable thrown,
        boolean isFinal) {

    static Outcome returned(Object result) {
        return new Outcome(Cause.RETURNED, result, "", null, false);
    }

    static Outcome stuck(Throwable thrown) {
        return new Outcome(Cause.STUCK, null, Reasons.of(thrown), thrown, false);
    }

    /**
     * Tells what it means that something was thrown.
     *
     * @param unsure the exceptions of which it is not known whether the command took effect
     */
    static Outcome thrown(Throwable thrown, Command<?> command, List<Class<? extends Throwable>> unsure) {
        if (thrown instanceof RejectedException rejected) {
            boolean own = rejected.commandType() == command.getClass(); // not one of what its handler has sent
            return new Outcome(
                    Cause.REFUSED, null, Reasons.keepable(rejected.reason()), thrown, own && rejected.isNoted());
        }
        if (thrown instanceof NoHandlerException none && none.messageType() == command.getClass()) {
            return stuck(thrown);
        }
        var cause = thrown instanceof InvalidMessageException || thrown instanceof NotAuthorizedException
                ? Cause.REFUSED
                : isUnsure(thrown, unsure) || isNothing(thrown, command) ? Cause.UNSURE : Cause.FAILED;
        return new Outcome(cause, null, Reasons.of(thrown), thrown, false);
    }

    private static boolean isUnsure(Throwable thrown, List<Class<? extends Throwable>> unsure) {
        return Thrown.causes(thrown)
                .anyMatch(cause -> cause instanceof AppendOutcomeUnknownException || isOneOf(cause, unsure));
    }

    /** Whether the handler came to its end and gave {@code null}, which says nothing. */
    private static boolean isNothing(Throwable thrown, Command<?> command) {
        return thrown instanceof HandlerFailedException failed
                && failed.getCause() == null
                && failed.messageType() == command.getClass();
    }

    private static boolean isOneOf(Throwable thrown, List<Class<? extends Throwable>> types) {
        return types.stream().anyMatch(type -> type.isInstance(thrown));
    }

    /** Whether it holds for whoever dispatches the command too, or has done so before. */
    boolean isForAll() {
        return cause == Cause.RETURNED || isFinal;
    }

    /** The same where another engine has the command too, or had it meanwhile: there it may take effect. */
    Outcome besideOthers() {
        return isForAll() ? this : new Outcome(Cause.UNSURE, null, reason, thrown, false);
    }

    /** Whether it says nothing of another time, as no handler was asked that could know of that. */
    private boolean isOfThisTime() {
        return cause == Cause.FAILED
                || cause == Cause.STUCK
                || (cause == Cause.REFUSED && !(thrown instanceof RejectedException));
    }

    /**
     * Makes the turn that tells it, with all that follows.
     *
     * @param before whether the same attempt may have been dispatched at another time
     * @param others until when another engine may be at it that had begun before; the epoch if none is: until then a rejection
     *     says nothing of what becomes of it there
     * @param id the command's
     * @param names gives the stable names of what can be stored
     * @param trouble why a turn that was made before cannot be stored; {@code null} if none was
     */
    <S> Turn<S> told(
            Story<S> story,
            Act act,
            boolean before,
            Instant others,
            String id,
            Instant now,
            Function<Class<?>, Optional<String>> names,
            @Nullable Trouble trouble) {
        var told = cause;
        var unusable = "";
        Optional<Object> kept = Optional.empty();
        var name = "";
        var given = result;
        if (given != null) {
            try {
                kept = Optional.ofNullable(story.script.kept(story, act.step, act.undo, given));
                if (kept.isPresent()) {
                    var type = kept.get().getClass();
                    name = names.apply(type).orElse("");
                    if (name.isEmpty() || (trouble != null && !trouble.keeps())) {
                        unusable = "What is kept of the result could not be stored: "
                                + (trouble != null
                                        ? trouble.reason()
                                        : "the catalog of the operations log does not know " + type.getName() + ".");
                    }
                }
            } catch (Throwable thrown) {
                Script.throwIfFatal(thrown);
                unusable = "What is to be kept of the result could not be told: " + Reasons.of(thrown);
            }
        }
        if (told != Cause.RETURNED && (act.returned || (isOfThisTime() && (before || act.unsure)))) {
            told = Cause.UNSURE; // the other time it took effect, or may have
        }
        boolean wait = told == Cause.REFUSED && !others.equals(Story.NONE);
        if (wait) {
            told = Cause.UNSURE;
        }
        if (!unusable.isEmpty()) {
            kept = Optional.empty();
            name = "";
        }
        var input = new Input(told, act.step, act.undo, act.attempt, name, 0, Reasons.keepable(reason));
        var turn = new Turn<>(story, now, names, input, kept, id);
        if (wait) {
            turn.again(act, act.attempt, Duration.between(now, others));
        } else if (told != Cause.RETURNED) {
            story.script.settle(turn, act, told);
        } else if (!unusable.isEmpty()) {
            story.script.stick(turn, act, unusable);
        }
        turn.trouble = trouble;
        story.script.go(turn);
        return turn;
    }
}
