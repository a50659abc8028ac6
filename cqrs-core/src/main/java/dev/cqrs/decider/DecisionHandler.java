package dev.cqrs.decider;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.event.Catalog.CommandId;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A command handler that loads a state, decides, and appends the events unless the state has changed meanwhile.
 *
 * <p>When it has, the handler loads and decides again, up to {@link #ATTEMPTS} times in all; then the last
 * {@link AppendConflictException} reaches the caller. A rejection is a {@link RejectedException} and is never tried
 * again. Accepting no events appends nothing.
 *
 * <p>The result is a function of the command and the state after the decision. It is taken before the events are
 * appended, so that a result function that fails leaves nothing behind.
 *
 * <p><b>Idempotency:</b> see {@link #idempotent()}.
 *
 * <p><b>Threads:</b> immutable and thread-safe.
 *
 * @param <C> the class of the commands
 * @param <S> the state they are decided on
 * @param <R> the type of their result
 */
public final class DecisionHandler<C extends Command<R>, S, R> implements CommandHandler<C, R> {

    /** How often a decision is made before a conflict is given up on. */
    public static final int ATTEMPTS = 100;

    private final EventStore store;
    private final Function<? super C, DecisionModel<S>> model;
    private final BiFunction<? super C, ? super S, ? extends Decision<?>> decide;
    private final BiFunction<? super C, ? super S, ? extends R> result;
    private final @Nullable CommandIds<C> ids;

    /**
     * Makes a handler.
     *
     * @param store the log
     * @param model what the decision on a command depends on
     * @param decide the decision: pure, since it may be made again; that of a {@link Decider} fits
     * @param result the result, from the command and the state after the decision: pure
     */
    public DecisionHandler(
            EventStore store,
            Function<? super C, DecisionModel<S>> model,
            BiFunction<? super C, ? super S, ? extends Decision<?>> decide,
            BiFunction<? super C, ? super S, ? extends R> result) {
        this(
                Objects.requireNonNull(store, "store"),
                Objects.requireNonNull(model, "model"),
                Objects.requireNonNull(decide, "decide"),
                Objects.requireNonNull(result, "result"),
                null);
    }

    private DecisionHandler(
            EventStore store,
            Function<? super C, DecisionModel<S>> model,
            BiFunction<? super C, ? super S, ? extends Decision<?>> decide,
            BiFunction<? super C, ? super S, ? extends R> result,
            @Nullable CommandIds<C> ids) {
        this.store = store;
        this.model = model;
        this.decide = decide;
        this.result = result;
        this.ids = ids;
    }

    /**
     * Gives a handler that carries out each command id once, for as long as the log is kept.
     *
     * <p>The id is that of the metadata ({@link Metadata#id()}); a command without one is handled as often as it is
     * sent. An event that says so ({@link CommandId}) is appended together with the command's own events, even if there
     * are none, so that no crash comes between them. The same id sent again appends nothing and gives the first result:
     * the result function is given the state as it was just after the first time. A command that was rejected left
     * nothing behind, and is decided anew; but for one that was said to be {@link Metadata#REPEATED}, which somebody else may
     * be about to carry out: its rejection is appended too ({@link dev.cqrs.event.Catalog.CommandRefused}), and the same id is
     * rejected for as long as ids are remembered ({@link RejectedException#isNoted()}).
     *
     * <p>The same id with another command is refused. Commands are compared by a SHA-256 of their text, which for a
     * record is the full name of its class and its {@code toString()}; see {@link #idempotent(Function)} for other classes,
     * for records whose parts have no text of their own (arrays) or not always the same one (sets and maps, whose order may be
     * another in another process), and for ids that outlive a change of the record, its package included. A record's
     * {@code toString()} does not quote: two with texts that hold what it puts between parts, such as {@code ", to="}, may
     * look the same, and are then taken for the same command; where senders could do so to one another, give a function
     * that tells them apart.
     *
     * @return a new handler
     * @throws dev.cqrs.event.UnknownEventException if the store's catalog has no command ids: see
     *     {@link dev.cqrs.event.Catalog.Builder#commandIds()}
     */
    public DecisionHandler<C, S, R> idempotent() {
        return idempotent(CommandIds::textOf);
    }

    /**
     * Gives a handler that carries out each command id once, as {@link #idempotent()}, and compares commands by a text of
     * the caller's choice.
     *
     * @param text what makes a command the same command: pure, the same in every process, never {@code null}
     * @return a new handler
     * @throws dev.cqrs.event.UnknownEventException if the store's catalog has no command ids
     */
    public DecisionHandler<C, S, R> idempotent(Function<? super C, String> text) {
        return with(new CommandIds<C>(store, Objects.requireNonNull(text, "text"), null, null));
    }

    /**
     * Gives a handler that forgets a command's id some time after it was carried out, or its rejection was noted; sent again
     * then, it is a new command.
     *
     * @param duration positive; without this call ids are remembered for as long as the log is kept
     * @param clock tells what time it is
     * @return a new handler
     * @throws IllegalArgumentException if {@code duration} is not positive
     * @throws IllegalStateException if this handler is not idempotent
     */
    public DecisionHandler<C, S, R> rememberedFor(Duration duration, Clock clock) {
        Objects.requireNonNull(duration, "duration");
        if (duration.isNegative() || duration.isZero()) {
            throw new IllegalArgumentException(
                    "Command ids are to be remembered for " + duration + "; expected a positive duration.");
        }
        if (ids == null) {
            throw new IllegalStateException("This handler remembers no command ids; call idempotent() first.");
        }
        return with(ids.rememberedFor(duration, Objects.requireNonNull(clock, "clock")));
    }

    private DecisionHandler<C, S, R> with(CommandIds<C> ids) {
        return new DecisionHandler<>(store, model, decide, result, ids);
    }

    /**
     * Loads, decides and appends.
     *
     * @param command never {@code null}
     * @param metadata kept with the events
     * @return what the result function gives
     * @throws RejectedException if the decision is a rejection, or one was noted before under the same id
     * @throws CommandIdReusedException if this handler is idempotent, and another command had the same id
     * @throws HandlerFailedException if the result function gives {@code null}; nothing was appended
     * @throws AppendConflictException if other appends came between in every attempt, or trying again cannot help
     */
    @Override
    public R handle(C command, Metadata metadata) {
        return carryOut(
                        List.of(Objects.requireNonNull(command, "command")),
                        modelFor(command),
                        (state, i) -> state,
                        metadata)
                .get(0);
    }

    /**
     * Decides on several commands and appends what all of them bring about, or nothing of it: one decision, one append.
     *
     * <p>Each command is decided on the state that the ones before it leave. Is this handler idempotent, then the
     * metadata's id is the id of them all.
     *
     * @param commands in order
     * @param metadata kept with the events
     * @return the results in the same order; empty if there are no commands
     * @throws RejectedException if one of the decisions is a rejection, or one was noted before under the same id
     * @throws CommandIdReusedException if this handler is idempotent, and other commands had the same id
     * @throws HandlerFailedException if the result function gives {@code null}; nothing was appended
     * @throws AppendConflictException if other appends came between in every attempt, or trying again cannot help
     */
    public List<R> handleAll(List<? extends C> commands, Metadata metadata) {
        List<C> all = List.copyOf(Objects.requireNonNull(commands, "commands"));
        Objects.requireNonNull(metadata, "metadata");
        if (all.isEmpty()) {
            return List.of();
        }
        return List.copyOf(carryOut(
                all, DecisionModel.each(all.stream().map(this::modelFor).toList()), IntFunction::apply, metadata));
    }

    /** Picks the state that a command is decided on from the state of the whole. */
    private interface Pick<T, S> {
        S stateOf(T whole, int command);
    }

    private <T> List<R> carryOut(List<C> commands, DecisionModel<T> model, Pick<T, S> pick, Metadata metadata) {
        var id = Objects.requireNonNull(metadata, "metadata").id();
        var fresh = model.load(store);
        for (int attempt = 1; ; attempt++) {
            var loaded = fresh;
            var condition = loaded.unchanged();
            AppendCondition notYet = AppendCondition.none();
            if (ids != null && id.isPresent()) { // looked for after the state was read: what is in it is found
                var memory = ids.find(id.get(), commands);
                if (!memory.positions().isEmpty()) {
                    return resultsAt(memory.positions(), commands, model, pick);
                }
                notYet = memory.notYet();
                condition = notYet.and(condition);
            }
            var events = new ArrayList<Object>();
            var results = new ArrayList<R>(commands.size());
            RejectedException rejected = null;
            for (int i = 0; i < commands.size(); i++) {
                var command = commands.get(i);
                List<?> own;
                try {
                    own = decide(command, pick.stateOf(loaded.state(), i));
                } catch (RejectedException thrown) {
                    if (ids == null
                            || id.isEmpty()
                            || metadata.get(Metadata.REPEATED).isEmpty()) {
                        throw thrown;
                    }
                    rejected = new RejectedException(command.getClass(), thrown.reason()).noted();
                    events.clear();
                    events.add(ids.refusal(id.get(), i, commands, thrown.reason()));
                    condition = notYet; // whatever else has changed, it is refused
                    break;
                }
                int before = events.size();
                events.addAll(own);
                if (ids != null && id.isPresent()) { // into the state too, where a repeat will find it
                    events.add(ids.mark(id.get(), i, commands));
                }
                loaded = loaded.after(events.subList(before, events.size()));
                results.add(result(command, pick.stateOf(loaded.state(), i)));
            }
            if (events.isEmpty() || append(events, condition, notYet, metadata, attempt)) {
                if (rejected != null) {
                    throw rejected;
                }
                return results;
            }
            fresh = model.reload(store, fresh);
        }
    }

    private DecisionModel<S> modelFor(C command) {
        return Objects.requireNonNull(
                model.apply(command),
                () -> "The decision model for " + command.getClass().getName()
                        + " is null; return one that says which events matter.");
    }

    private List<?> decide(C command, S state) {
        var decision = Objects.requireNonNull(
                decide.apply(command, state),
                () -> "The decision on " + command.getClass().getName()
                        + " is null; return accept(...) or reject(reason).");
        if (decision instanceof Decision.Rejected<?> rejected) {
            throw new RejectedException(command.getClass(), rejected.reason());
        }
        return ((Decision.Accepted<?>) decision).events();
    }

    private R result(C command, S after) {
        var answer = result.apply(command, after);
        if (answer == null) {
            throw new HandlerFailedException(command.getClass(), "The result function of the decision");
        }
        return answer;
    }

    private <T> List<R> resultsAt(List<Position> positions, List<C> commands, DecisionModel<T> model, Pick<T, S> pick) {
        var results = new ArrayList<R>(commands.size());
        model.walk(store, positions, state -> {
            int i = results.size();
            results.add(result(commands.get(i), pick.stateOf(state, i)));
        });
        return results;
    }

    private boolean append(
            List<?> events, AppendCondition condition, AppendCondition notYet, Metadata metadata, int attempt) {
        try {
            store.append(events, condition, metadata);
            return true;
        } catch (AppendConflictException conflict) {
            // the same command on another thread came first: the next attempt finds its result, even behind the last
            boolean carriedOut = notYet.clauses().contains(conflict.clause());
            if (carriedOut ? attempt > ATTEMPTS : attempt >= ATTEMPTS || !conflict.isRetryable()) {
                throw conflict;
            }
            return false;
        }
    }
}
