package dev.cqrs.testing;

import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What both recording buses do: keep what was sent, and answer it. */
final class Recording<S> {

    /** How many messages are kept. */
    static final int CAPACITY = 100_000;

    private final Object lock = new Object();
    private final List<S> sent = new ArrayList<>(); // guarded by lock
    private final Map<Class<?>, Answer> answers = new LinkedHashMap<>(); // guarded by lock

    /** What answers the messages of a class. */
    @FunctionalInterface
    interface Answer {
        @Nullable
        Object to(Object message, Metadata metadata) throws Exception;
    }

    /** The last answer given for a class counts. */
    void answer(Class<?> type, Answer answer) {
        Objects.requireNonNull(type, "type");
        synchronized (lock) {
            answers.remove(type); // so that the classes stand in the order of their answers
            answers.put(type, answer);
        }
    }

    void record(S message) {
        synchronized (lock) {
            if (sent.size() == CAPACITY) {
                throw new IllegalStateException("A recording bus has kept " + CAPACITY
                        + " messages, and no more fit. Call clear() between the parts of a test.");
            }
            sent.add(message);
        }
    }

    List<S> sent() {
        synchronized (lock) {
            return List.copyOf(sent);
        }
    }

    <T> List<T> sent(Class<T> type, Function<S, Object> message) {
        return sent().stream()
                .map(message)
                .filter(type::isInstance)
                .map(type::cast)
                .toList();
    }

    void clear() {
        synchronized (lock) {
            sent.clear();
        }
    }

    /** The answer of this class, or else of the nearest above it; of several of which none is nearer, the last that was given. */
    @Nullable
    Answer find(Class<?> type) {
        synchronized (lock) {
            var fitting = answers.keySet().stream()
                    .filter(above -> above.isAssignableFrom(type))
                    .toList();
            Answer nearest = null;
            for (var one : fitting) {
                if (fitting.stream().noneMatch(other -> other != one && one.isAssignableFrom(other))) {
                    nearest = answers.get(one);
                }
            }
            return nearest;
        }
    }

    NoHandlerException unanswered(Class<?> type) {
        synchronized (lock) {
            return new NoHandlerException(
                    type,
                    "The recording bus has answers for "
                            + (answers.isEmpty()
                                    ? "nothing"
                                    : answers.keySet().stream()
                                            .map(Class::getSimpleName)
                                            .toList())
                            + "; give it one with answer(" + type.getSimpleName() + ".class, ...).");
        }
    }

    /** Answers as a bus does: see the errors that its interface names. */
    static Object give(Answer answer, Object message, Metadata metadata) {
        Object result;
        try {
            result = answer.to(message, metadata);
        } catch (RuntimeException | Error unchecked) {
            throw unchecked;
        } catch (Throwable checked) { // some languages throw any throwable undeclared
            if (checked instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            throw new HandlerFailedException(message.getClass(), checked);
        }
        if (result == null) {
            throw new HandlerFailedException(message.getClass(), "The answer given to the recording bus");
        }
        return result;
    }
}
