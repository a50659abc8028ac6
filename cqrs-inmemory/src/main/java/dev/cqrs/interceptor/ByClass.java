package dev.cqrs.interceptor;

import java.util.List;
import java.util.function.Function;

/**
 * What was registered for a class of messages and for those above it, joined to one value when the class is met first.
 *
 * <p>An interceptor asks on every send, so the class that is met first has a short cut: one comparison instead of a
 * look-up. It is never written again, so that threads share no writes. The look-up is a {@link ClassValue}, so that no
 * class of a message is held but the first.
 *
 * @param <T> what is registered
 */
final class ByClass<T> {

    /** What was registered, and for which class. */
    record Entry<T>(Class<?> type, T value) {}

    /** What a class of messages has; a class of our own, as a record's accessors are a frame each. */
    private static final class Found<T> {
        final Class<?> type;
        final T value;

        Found(Class<?> type, T value) {
            this.type = type;
            this.value = value;
        }
    }

    private final ClassValue<Found<T>> all;
    private Found<T> first;

    /**
     * Copies the entries.
     *
     * @param entries in the order in which they are to be joined
     * @param join makes one value of those that fit a class, possibly none; it is asked once a class, or a few times
     */
    ByClass(List<Entry<T>> entries, Function<List<T>, T> join) {
        var copy = List.copyOf(entries);
        this.all = new ClassValue<>() {
            @Override
            protected Found<T> computeValue(Class<?> messageType) {
                return new Found<>(
                        messageType,
                        join.apply(copy.stream()
                                .filter(entry -> entry.type().isAssignableFrom(messageType))
                                .map(Entry::value)
                                .toList()));
            }
        };
        this.first = new Found<>(ByClass.class, join.apply(List.of())); // no message is of that class
    }

    /** What fits a class of messages. */
    T of(Class<?> messageType) {
        var likely = first;
        return likely.type == messageType ? likely.value : find(messageType);
    }

    private T find(Class<?> messageType) {
        var found = all.get(messageType);
        if (first.type == ByClass.class) {
            first = found; // a race is harmless: what is found is immutable and never changes
        }
        return found.value;
    }
}
