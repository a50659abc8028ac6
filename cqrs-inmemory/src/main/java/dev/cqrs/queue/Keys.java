package dev.cqrs.queue;

import dev.cqrs.command.Command;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Finds the key of a command: by the most specific class or interface that has been given a function. */
final class Keys {

    private final Map<Class<?>, Function<Object, Object>> given;
    private final ConcurrentHashMap<Class<?>, Found> found = new ConcurrentHashMap<>();

    /** The first class that was asked for, to save those a look-up that mostly send one. A race is harmless. */
    private @Nullable Found first;

    private record Found(Class<?> type, Optional<Function<Object, Object>> function) {}

    Keys(Map<Class<?>, Function<Object, Object>> given) {
        this.given = Map.copyOf(given);
    }

    @SuppressWarnings("ReturnValueIgnored") // of hashCode
    @Nullable
    Object of(Command<?> command) {
        var type = command.getClass();
        var known = first;
        if (known == null || known.type() != type) {
            known = known(type);
        }
        var function = known.function();
        if (function.isEmpty()) {
            return null;
        }
        var key = function.get().apply(command);
        if (key == null) {
            throw new NullPointerException("The key of a " + type.getName()
                    + " is null; expected a value. Give no key to the class if its commands need no order.");
        }
        key.hashCode(); // if it has none, who enqueues is told, and not who sorts
        return key;
    }

    private Found known(Class<?> type) {
        var known = found.get(type);
        if (known == null) {
            known = new Found(type, find(type));
            found.put(type, known);
        }
        if (first == null) {
            first = known;
        }
        return known;
    }

    private Optional<Function<Object, Object>> find(Class<?> type) {
        List<Class<?>> fitting = given.keySet().stream()
                .filter(one -> one.isAssignableFrom(type))
                .toList();
        List<Class<?>> nearest = fitting.stream()
                .filter(one -> fitting.stream().noneMatch(other -> other != one && one.isAssignableFrom(other)))
                .toList();
        return switch (nearest.size()) {
            case 0 -> Optional.empty();
            case 1 -> Optional.ofNullable(given.get(nearest.get(0)));
            default -> {
                var names = nearest.stream().map(Class::getName).sorted().toList();
                throw new IllegalArgumentException("A " + type.getName() + " has two keys that fit equally well, of "
                        + names.get(0) + " and of " + names.get(1) + "; expected one. Give one to "
                        + type.getSimpleName() + " itself.");
            }
        };
    }
}
