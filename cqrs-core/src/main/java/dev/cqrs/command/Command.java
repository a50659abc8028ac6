package dev.cqrs.command;

/**
 * A request to change something, with exactly one handler and a result of type {@code R}.
 *
 * <p>Implement it with a record. The type of the result is part of the command, so the compiler checks both the handler
 * and the caller, generics included: {@code record Transfer(...) implements Command<List<Receipt>>}. A command without
 * a result implements {@code Command<Done>}.
 *
 * <p><b>Threads:</b> make commands immutable; they may be handled on another thread, later, or again.
 *
 * @param <R> the type of the result, never {@code Void}; see {@link dev.cqrs.message.Done}
 */
public interface Command<R> {}
