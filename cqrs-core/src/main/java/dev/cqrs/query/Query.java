package dev.cqrs.query;

/**
 * A question that changes nothing, with exactly one handler and an answer of type {@code R}.
 *
 * <p>Implement it with a record. The type of the answer is part of the query, so the compiler checks both the handler
 * and the caller, generics included: {@code record Statement(...) implements Query<List<Line>>}. An answer that may be
 * missing is an {@link java.util.Optional}.
 *
 * <p><b>Threads:</b> make queries immutable.
 *
 * @param <R> the type of the answer
 */
public interface Query<R> {}
