package dev.cqrs.decider;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * A command handler that loads a state, decides, and appends the events unless the state has changed meanwhile.
 *
 * <p>When it has, the handler loads and decides again, up to {@link #ATTEMPTS} times in all; then the last
 * {@link AppendConflictException} reaches the caller. A rejection is a {@link RejectedException} and is never tried
 * again. The result is a function of the command and the state after the decision. Accepting no events appends nothing.
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
     * @throws AppendConflictException if other appends came between in every attempt, or trying again cannot help
     */
    @Override
    public R handle(C command, Metadata metadata) {
        var model = this.model.apply(command);
        for (int attempt = 1; ; attempt++) {
            var loaded = model.load(store);
            var decision = decide.apply(command, loaded.state());
            if (decision instanceof Decision.Rejected<?> rejected) {
                throw new RejectedException(command.getClass(), rejected.reason());
            }
            var events = ((Decision.Accepted<?>) decision).events();
            try {
                if (!events.isEmpty()) {
                    store.append(events, loaded.unchanged(), metadata);
                }
            } catch (AppendConflictException conflict) {
                if (attempt == ATTEMPTS || !conflict.isRetryable()) {
                    throw conflict;
                }
                continue;
            }
            return result.apply(command, after(model, loaded.state(), events));
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
