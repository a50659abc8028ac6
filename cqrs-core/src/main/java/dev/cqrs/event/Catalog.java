package dev.cqrs.event;

import dev.cqrs.message.WiringException;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The events that a store may hold: a stable name for each class, and the tags of an event as a function of the event.
 *
 * <p>The name is what is stored; classes, packages and methods can be renamed without it. Event classes import nothing
 * of this library.
 *
 * <p><b>Threads:</b> immutable. The functions for tags are called by many threads at once.
 */
public final class Catalog {

    private final Map<Class<?>, Entry> byClass;
    private final Map<String, Class<?>> byName;

    /**
     * The event that tells that a command was carried out, appended together with the command's own events.
     *
     * <p>Its tag is that of {@link #tag}, its name {@value #NAME}.
     *
     * @param id the command's id, or that of the batch it belongs to
     * @param index its place in the batch, from 0
     * @param of how many commands the batch has; 1 for a command on its own
     * @param digest the SHA-256 of the command's text, in hexadecimal digits
     */
    public record CommandId(String id, int index, int of, String digest) {

        /** The stable name of these events. */
        public static final String NAME = "cqrs.command-id";

        /**
         * Checks for nulls and bounds.
         *
         * @param id the command's id, or that of the batch it belongs to
         * @param index its place in the batch, from 0
         * @param of how many commands the batch has; 1 for a command on its own
         * @param digest the SHA-256 of the command's text, in hexadecimal digits
         * @throws NullPointerException if a part is {@code null}
         * @throws IndexOutOfBoundsException if {@code index} is not one of {@code of}
         */
        public CommandId {
            Objects.requireNonNull(id, "id");
            Objects.checkIndex(index, of);
            Objects.requireNonNull(digest, "digest");
        }

        /**
         * Gives the tag of the events of an id.
         *
         * @param id a command's id
         * @return never {@code null}
         * @throws IllegalArgumentException if the id cannot be a tag's value
         */
        public static Tag tag(String id) {
            return Tag.of(NAME, id);
        }
    }

    private record Entry(String name, Function<Object, Set<Tag>> tagging) {}

    private Catalog(Map<Class<?>, Entry> byClass) {
        this.byClass = byClass;
        this.byName = byClass.entrySet().stream()
                .collect(Collectors.toUnmodifiableMap(e -> e.getValue().name(), Map.Entry::getKey));
    }

    /**
     * Begins a catalog.
     *
     * @return a builder without events
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Gives the stable name of {@code type}.
     *
     * @param type the exact class of an event
     * @return never {@code null}
     * @throws UnknownEventException if the catalog does not know the class
     */
    public String nameOf(Class<?> type) {
        return entry(type).name();
    }

    /**
     * Gives the class of the events stored under {@code name}.
     *
     * @param name a stable name
     * @return never {@code null}
     * @throws UnknownEventException if the catalog does not know the name
     */
    public Class<?> typeOf(String name) {
        var type = byName.get(Objects.requireNonNull(name, "name"));
        if (type == null) {
            throw new UnknownEventException(name, known());
        }
        return type;
    }

    /**
     * Gives the tags of {@code event}, of all functions that were registered for its class.
     *
     * @param event an object of a class the catalog knows
     * @return an unmodifiable set, possibly empty
     * @throws UnknownEventException if the catalog does not know the class
     * @throws NullPointerException if a function gives {@code null}, or a tag that is
     */
    public Set<Tag> tagsOf(Object event) {
        return tagging(event.getClass()).apply(event);
    }

    /**
     * Gives the function by which events of {@code type} get their tags, for stores that look it up once.
     *
     * @param type the exact class of an event
     * @return a function that does what {@link #tagsOf} does, for events of that class
     * @throws UnknownEventException if the catalog does not know the class
     */
    public Function<Object, Set<Tag>> tagging(Class<?> type) {
        return entry(type).tagging();
    }

    /**
     * Gives the classes of events that {@code type} stands for: itself, if it is one, and those below it.
     *
     * @param type an event class, or an interface or class above some
     * @return an unmodifiable set, not empty
     * @throws UnknownEventException if the catalog knows neither the class nor one below it
     */
    public Set<Class<?>> typesBelow(Class<?> type) {
        Objects.requireNonNull(type, "type");
        var below = byClass.keySet().stream().filter(type::isAssignableFrom).collect(Collectors.toUnmodifiableSet());
        if (below.isEmpty()) {
            throw new UnknownEventException(type.getName(), known());
        }
        return below;
    }

    /**
     * Gives all classes of events in the catalog.
     *
     * @return an unmodifiable collection in no particular order
     */
    public Collection<Class<?>> types() {
        return Collections.unmodifiableSet(byClass.keySet());
    }

    private Entry entry(Class<?> type) {
        var entry = byClass.get(Objects.requireNonNull(type, "type"));
        if (entry == null) {
            throw new UnknownEventException(type.getName(), known());
        }
        return entry;
    }

    private String known() {
        return byName.isEmpty() ? "none" : new TreeSet<>(byName.keySet()).toString();
    }

    private static Function<Object, Set<Tag>> union(Class<?> type, List<Function<Object, Set<Tag>>> functions) {
        return switch (functions.size()) {
            case 0 -> event -> Set.of();
            case 1 -> {
                var only = functions.get(0);
                yield event -> copy(type, only.apply(event));
            }
            default ->
                event -> {
                    var all = new HashSet<Tag>();
                    functions.forEach(function -> all.addAll(copy(type, function.apply(event))));
                    return Set.copyOf(all);
                };
        };
    }

    private static Set<Tag> copy(Class<?> type, Set<Tag> tags) {
        if (tags == null) {
            throw new NullPointerException("The tags function of " + type.getName()
                    + " returned null; expected a set. Return Set.of() for an event without tags.");
        }
        return Set.copyOf(tags);
    }

    /**
     * Collects the events of a {@link Catalog}.
     *
     * <p><b>Threads:</b> not thread-safe.
     */
    public static final class Builder {

        private final Map<Class<?>, String> names = new LinkedHashMap<>();
        private final Map<Class<?>, List<Function<Object, Set<Tag>>>> tags = new LinkedHashMap<>();
        private final List<String> faults = new ArrayList<>();

        private Builder() {}

        /**
         * Adds an event without tags of its own.
         *
         * @param name its stable name, not blank
         * @param type its concrete class
         * @return this builder
         */
        public Builder event(String name, Class<?> type) {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(type, "type");
            if (name.isBlank()) {
                faults.add(
                        "The name of " + type.getName() + " is blank; expected a stable name such as \"deposited\".");
            }
            if (Modifier.isAbstract(type.getModifiers())) {
                faults.add(type.getName() + " is not a concrete class: no event can have it. Register the classes below"
                        + " it, and their common tags with tags(...).");
            }
            names.forEach((other, taken) -> {
                if (taken.equals(name) && other != type) {
                    faults.add("The name \"" + name + "\" is given to " + other.getName() + " and to " + type.getName()
                            + ". Give each event a name of its own.");
                }
            });
            var earlier = names.putIfAbsent(type, name);
            if (earlier != null) {
                faults.add(type.getName() + " is registered twice, as \"" + earlier + "\" and as \"" + name
                        + "\". Keep one.");
            }
            return this;
        }

        /**
         * Adds an event with its tags.
         *
         * @param <E> the class of the event
         * @param name its stable name, not blank
         * @param type its concrete class
         * @param tags gives the tags of an event; pure, never {@code null}, never gives {@code null}
         * @return this builder
         */
        public <E> Builder event(String name, Class<E> type, Function<? super E, Set<Tag>> tags) {
            Objects.requireNonNull(tags, "tags");
            return event(name, type).tags(type, tags);
        }

        /**
         * Adds tags to all events of a family: those whose class is {@code root} or below it.
         *
         * @param <E> the common type of the events
         * @param root a class or interface; events registered before and after this call are both meant
         * @param tags gives the tags of an event; pure, never {@code null}, never gives {@code null}
         * @return this builder
         */
        public <E> Builder tags(Class<E> root, Function<? super E, Set<Tag>> tags) {
            Objects.requireNonNull(tags, "tags");
            @SuppressWarnings("unchecked") // a function is asked only about events of its own family
            var function = (Function<Object, Set<Tag>>) tags;
            this.tags
                    .computeIfAbsent(Objects.requireNonNull(root, "root"), type -> new ArrayList<>())
                    .add(function);
            return this;
        }

        /**
         * Adds the events by which command ids are remembered.
         *
         * @return this builder
         */
        public Builder commandIds() {
            return names.containsKey(CommandId.class)
                    ? this
                    : event(CommandId.NAME, CommandId.class, mark -> Set.of(CommandId.tag(mark.id())));
        }

        /**
         * Makes the catalog.
         *
         * @return never {@code null}
         * @throws WiringException listing every fault: names or classes given twice, blank names, classes that no event
         *     can have, tags for a family without events
         */
        public Catalog build() {
            var all = new ArrayList<>(faults);
            tags.keySet().stream()
                    .filter(root -> names.keySet().stream().noneMatch(root::isAssignableFrom))
                    .forEach(root -> all.add("tags(" + root.getName()
                            + ", ...) meets no event: no registered class is " + root.getSimpleName()
                            + " or below it. Register one with event(...)."));
            if (!all.isEmpty()) {
                throw new WiringException("Catalog", all);
            }
            var entries = new HashMap<Class<?>, Entry>();
            names.forEach((type, name) -> entries.put(
                    type,
                    new Entry(
                            name,
                            union(
                                    type,
                                    tags.entrySet().stream()
                                            .filter(e -> e.getKey().isAssignableFrom(type))
                                            .flatMap(e -> e.getValue().stream())
                                            .toList()))));
            return new Catalog(entries);
        }
    }
}
