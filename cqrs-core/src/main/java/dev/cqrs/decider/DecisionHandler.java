package dev.cqrs.decider;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import java.util.List;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;

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

    /**
     * Makes a handler.
     *
     * @param store the log
     * @param model what the decision on a command depends on
     * @param decide the decision: pure, since it may be made again
     * @param result the result, from the command and the state after the decision
     */
    public DecisionHandler(
            EventStore store,
            Function<? super C, DecisionModel<S>> model,
            BiFunction<? super C, ? super S, ? extends Decision<?>> decide,
            BiFunction<? super C, ? super S, ? extends R> result) {
        this.store = Objects.requireNonNull(store, "store");
        this.model = Objects.requireNonNull(model, "model");
        this.decide = Objects.requireNonNull(decide, "decide");
        this.result = Objects.requireNonNull(result, "result");
    }

    /**
     * Loads, decides and appends.
     *
     * @param command never {@code null}
     * @param metadata kept with the events
     * @return what the result function gives
     * @throws RejectedException if the decision is a rejection
     * @throws HandlerFailedException if the result function gives {@code null}; nothing was appended
     * @throws AppendConflictException if other appends came between in every attempt, or trying again cannot help
     */
    @Override
    public R handle(C command, Metadata metadata) {
        var model = Objects.requireNonNull(
                this.model.apply(command),
                () -> "The decision model for " + command.getClass().getName() + " is null.");
        for (int attempt = 1; ; attempt++) {
            var loaded = model.load(store);
            var decision = Objects.requireNonNull(
                    decide.apply(command, loaded.state()),
                    () -> "The decision on " + command.getClass().getName()
                            + " is null; return accept(...) or reject(reason).");
            if (decision instanceof Decision.Rejected<?> rejected) {
                throw new RejectedException(command.getClass(), rejected.reason());
            }
            var events = ((Decision.Accepted<?>) decision).events();
            var answer = result.apply(command, after(model, loaded.state(), events));
            if (answer == null) {
                throw new HandlerFailedException(command.getClass(), "The result function of the decision");
            }
            if (events.isEmpty() || append(events, loaded.unchanged(), metadata, attempt)) {
                return answer;
            }
        }
    }

    private boolean append(List<?> events, AppendCondition unchanged, Metadata metadata, int attempt) {
        try {
            store.append(events, unchanged, metadata);
            return true;
        } catch (AppendConflictException conflict) {
            if (attempt == ATTEMPTS || !conflict.isRetryable()) {
                throw conflict;
            }
            return false;
        }
    }

    /** The state after the events, of which only those that the model's query matches reach its fold. */
    private S after(DecisionModel<S> model, S state, Iterable<?> events) {
        Fold<S> fold = model.fold();
        for (Object event : events) {
            if (model.query().matches(event.getClass(), store.catalog().tagsOf(event))) {
                state = fold.apply(state, event);
            }
        }
        return state;
    }
}
