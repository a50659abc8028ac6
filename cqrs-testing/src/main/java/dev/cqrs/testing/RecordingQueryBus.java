package dev.cqrs.testing;

import dev.cqrs.message.Metadata;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryBus;
import dev.cqrs.query.QueryHandler;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A query bus that keeps what was asked, and answers as a test has told it to.
 *
 * <pre>{@code
 * var queries = new RecordingQueryBus().answer(BalanceOf.class, 70);
 * new Printer(queries).printStatementOf("4711");
 * assertEquals(List.of(new BalanceOf("4711")), queries.asked(BalanceOf.class));
 * }</pre>
 *
 * <p>Around another bus, what has no answer here goes there. A query is kept before it is answered, so also where the
 * answer is an exception. A query that nobody answers is a {@link dev.cqrs.message.NoHandlerException}.
 *
 * <p>Of several answers that fit a query, that of the nearest class counts: its own, or else one above it that is above no other
 * of them; of several such the last that was given.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class RecordingQueryBus implements QueryBus {

    /** How many queries are kept. */
    public static final int CAPACITY = Recording.CAPACITY;

    private final Recording<Asked> recording = new Recording<>();
    private final @Nullable QueryBus other;

    /**
     * A query as it was asked.
     *
     * @param query the query
     * @param metadata what travelled with it
     */
    public record Asked(Query<?> query, Metadata metadata) {

        /**
         * Checks for nulls.
         *
         * @param query the query
         * @param metadata what travelled with it
         * @throws NullPointerException if a part is {@code null}
         */
        public Asked {
            Objects.requireNonNull(query, "query");
            Objects.requireNonNull(metadata, "metadata");
        }
    }

    /** Makes a bus without answers. */
    public RecordingQueryBus() {
        this(null);
    }

    private RecordingQueryBus(@Nullable QueryBus other) {
        this.other = other;
    }

    /**
     * Makes a bus that keeps what is asked, and hands on to another one what it has no answer for.
     *
     * @param other answers the queries
     * @return a bus without answers of its own
     */
    public static RecordingQueryBus around(QueryBus other) {
        return new RecordingQueryBus(Objects.requireNonNull(other, "other"));
    }

    /**
     * Answers the queries of a class with a result, in place of an earlier answer.
     *
     * @param <R> the type of the result
     * @param type the class of the queries, or one above several
     * @param result always the same
     * @return this bus
     */
    public <R> RecordingQueryBus answer(Class<? extends Query<R>> type, R result) {
        Objects.requireNonNull(result, "result");
        recording.answer(type, (query, metadata) -> result);
        return this;
    }

    /**
     * Answers the queries of a class with what a function makes of them, in place of an earlier answer.
     *
     * @param <Q> the class of the queries
     * @param <R> the type of the result
     * @param type the class of the queries, or one above several
     * @param handler gives the result, or throws
     * @return this bus
     */
    public <Q extends Query<R>, R> RecordingQueryBus handle(
            Class<Q> type, QueryHandler.Plain<? super Q, ? extends R> handler) {
        Objects.requireNonNull(handler, "handler");
        recording.answer(type, (query, metadata) -> handler.handle(type.cast(query)));
        return this;
    }

    /**
     * Gives all that was asked.
     *
     * @return an unmodifiable list in the order of asking
     */
    public List<Asked> asked() {
        return recording.sent();
    }

    /**
     * Gives the queries of a class that were asked.
     *
     * @param <Q> the class
     * @param type the class of the queries, or one above several
     * @return an unmodifiable list in the order of asking
     */
    public <Q> List<Q> asked(Class<Q> type) {
        return recording.sent(Objects.requireNonNull(type, "type"), Asked::query);
    }

    /** Forgets what was asked; answers stay. */
    public void clear() {
        recording.clear();
    }

    @Override
    public <R> R ask(Query<R> query, Metadata metadata) {
        recording.record(new Asked(query, metadata));
        var answer = recording.find(query.getClass());
        if (answer != null) {
            return given(answer, query, metadata);
        }
        if (other == null) {
            throw recording.unanswered(query.getClass());
        }
        return other.ask(query, metadata);
    }

    @Override
    public <Q extends Query<R>, R> Route<Q, R> handlerFor(Class<Q> type) {
        Objects.requireNonNull(type, "type");
        if (recording.find(type) != null) {
            return (query, metadata) -> {
                recording.record(new Asked(query, metadata));
                return given(Objects.requireNonNull(recording.find(type)), query, metadata);
            };
        }
        if (other == null) {
            throw recording.unanswered(type);
        }
        var route = other.handlerFor(type);
        return (query, metadata) -> {
            recording.record(new Asked(query, metadata));
            var answer = recording.find(type); // which may have been given since
            return answer == null ? route.handle(query, metadata) : given(answer, query, metadata);
        };
    }

    @SuppressWarnings("unchecked") // an answer for a class gives the result of its queries
    private static <R> R given(Recording.Answer answer, Query<R> query, Metadata metadata) {
        return (R) Recording.give(answer, query, metadata);
    }
}
