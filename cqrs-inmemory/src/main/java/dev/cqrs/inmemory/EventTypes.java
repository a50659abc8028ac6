package dev.cqrs.inmemory;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The event classes of a catalog, numbered from 0, each with its posting. Immutable but for the postings. */
final class EventTypes {

    private final Catalog catalog;
    private final Map<Class<?>, EventType> byClass = new HashMap<>();
    private final EventType[] byNumber;
    private final Class<?>[] classes;
    private final Map<Class<?>, int[]> below = new ConcurrentHashMap<>();

    record EventType(int number, Class<?> type, String name, Function<Object, Set<Tag>> tagging, Posting posting) {}

    EventTypes(Catalog catalog) {
        this.catalog = catalog;
        this.byNumber = new EventType[catalog.types().size()];
        if (byNumber.length > Character.MAX_VALUE) {
            throw new IllegalArgumentException("The catalog has " + byNumber.length
                    + " events; the store in memory takes at most " + (int) Character.MAX_VALUE + ".");
        }
        for (var type : catalog.types()) {
            int number = byClass.size();
            byNumber[number] =
                    new EventType(number, type, catalog.nameOf(type), catalog.tagging(type), Posting.ofType());
            byClass.put(type, byNumber[number]);
        }
        this.classes = Arrays.stream(byNumber).map(EventType::type).toArray(Class<?>[]::new);
    }

    EventType of(Object event) {
        var type = byClass.get(event.getClass());
        if (type == null) {
            catalog.nameOf(event.getClass()); // throws, and says what the catalog knows
            throw new AssertionError(event.getClass());
        }
        return type;
    }

    EventType get(int number) {
        return byNumber[number];
    }

    /** By number; not to be changed. */
    Class<?>[] classes() {
        return classes;
    }

    int count() {
        return byNumber.length;
    }

    /** The numbers of the events that are of {@code type} or below it. */
    int[] numbers(Class<?> type) {
        var numbers = below.get(type);
        if (numbers == null) {
            numbers = catalog.typesBelow(type).stream()
                    .mapToInt(t ->
                            java.util.Objects.requireNonNull(byClass.get(t)).number())
                    .toArray();
            below.put(type, numbers);
        }
        return numbers;
    }

    /** By number, whether an event is of one of {@code types} or below. */
    boolean[] mask(Set<Class<?>> types) {
        var mask = new boolean[byNumber.length];
        for (var type : types) {
            for (int number : numbers(type)) {
                mask[number] = true;
            }
        }
        return mask;
    }

    /** As {@link #mask}, but {@code null} if every event is of one of them, so that none need be looked at. */
    boolean @Nullable [] maskUnlessAll(Set<Class<?>> types) {
        var mask = mask(types);
        for (boolean meant : mask) {
            if (!meant) {
                return mask;
            }
        }
        return null;
    }
}
