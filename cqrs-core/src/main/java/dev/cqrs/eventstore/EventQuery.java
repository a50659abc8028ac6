package dev.cqrs.eventstore;

import dev.cqrs.event.Tag;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * Which events are meant: those that match at least one item.
 *
 * <p>An item names types, of which the event must have one, and tags, all of which the event must have; without types
 * any type fits, without tags any tags. A type may be an interface or class above several events. This is the query of
 * the DCB specification (https://dcb.events/specification).
 *
 * <pre>{@code
 * EventQuery.tagged(Tag.of("account", "4711"))
 * EventQuery.types(Deposited.class, Withdrawn.class).withTags(Tag.of("account", "4711"))
 * EventQuery.tagged(course).or(EventQuery.types(Subscribed.class).withTags(student))
 * }</pre>
 *
 * <p><b>Threads:</b> immutable.
 */
public final class EventQuery {

    private static final EventQuery ALL = new EventQuery(List.of(new Item(Set.of(), Set.of())));

    private final List<Item> items;

    /**
     * One alternative of a query.
     *
     * @param types the types, one of which the event must have; empty for any
     * @param tags the tags, all of which the event must have; empty for any
     */
    public record Item(Set<Class<?>> types, Set<Tag> tags) {

        /**
         * Copies both sets.
         *
         * @param types the types, one of which the event must have; empty for any
         * @param tags the tags, all of which the event must have; empty for any
         * @throws NullPointerException if a set or an element is {@code null}
         */
        public Item {
            types = Set.copyOf(types);
            tags = Set.copyOf(tags);
        }

        private boolean matches(Class<?> type, Collection<Tag> eventTags) {
            if (!eventTags.containsAll(tags)) {
                return false;
            }
            for (var wanted : types) {
                if (wanted.isAssignableFrom(type)) {
                    return true;
                }
            }
            return types.isEmpty();
        }
    }

    private EventQuery(List<Item> items) {
        this.items = items;
    }

    /**
     * All events.
     *
     * @return always the same instance
     */
    public static EventQuery all() {
        return ALL;
    }

    /**
     * Events that have all the given tags.
     *
     * @param tag the first tag
     * @param more further tags
     * @return a query of one item
     */
    public static EventQuery tagged(Tag tag, Tag... more) {
        return new EventQuery(List.of(new Item(Set.of(), set(tag, more))));
    }

    /**
     * Events that have one of the given types.
     *
     * @param type the first type, or one above several
     * @param more further types
     * @return a query of one item
     */
    public static EventQuery types(Class<?> type, Class<?>... more) {
        return new EventQuery(List.of(new Item(set(type, more), Set.of())));
    }

    /**
     * A query of the given items.
     *
     * @param items the alternatives, not empty; copied
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code items} is empty
     */
    public static EventQuery of(Collection<Item> items) {
        if (Objects.requireNonNull(items, "items").isEmpty()) {
            throw new IllegalArgumentException("A query has no items; expected at least one. Use EventQuery.all().");
        }
        return new EventQuery(List.copyOf(items));
    }

    /**
     * Narrows each item to the given types: an item without types takes these; one with types keeps, of each pair of its
     * own and a given type one of which is above the other, the one below.
     *
     * @param type the first type, or one above several
     * @param more further types
     * @return a new query
     * @throws IllegalArgumentException if an item is left without a type
     */
    public EventQuery withTypes(Class<?> type, Class<?>... more) {
        var wanted = set(type, more);
        return each(item -> item.types().isEmpty() ? new Item(wanted, item.tags()) : narrow(item, wanted));
    }

    /**
     * Adds the given tags to each item.
     *
     * @param tag the first tag
     * @param more further tags
     * @return a new query
     */
    public EventQuery withTags(Tag tag, Tag... more) {
        var added = set(tag, more);
        return each(item -> new Item(item.types(), item.tags().isEmpty() ? added : union(item.tags(), added)));
    }

    /**
     * Adds the alternatives of another query.
     *
     * @param other never {@code null}
     * @return a query that matches what either matches
     */
    public EventQuery or(EventQuery other) {
        Objects.requireNonNull(other, "other");
        var all = new ArrayList<>(items);
        for (var item : other.items) { // made for each command: no streams
            if (!all.contains(item)) {
                all.add(item);
            }
        }
        return new EventQuery(List.copyOf(all));
    }

    /**
     * Gives the alternatives.
     *
     * @return an unmodifiable list, never empty
     */
    public List<Item> items() {
        return items;
    }

    /**
     * Says whether an event with this type and these tags is meant.
     *
     * @param type the event's class
     * @param tags the event's tags
     * @return whether an item matches
     */
    public boolean matches(Class<?> type, Collection<Tag> tags) {
        for (var item : items) {
            if (item.matches(type, tags)) {
                return true;
            }
        }
        return false;
    }

    @Override
    public boolean equals(Object other) {
        return this == other || (other instanceof EventQuery that && items.equals(that.items));
    }

    @Override
    public int hashCode() {
        return items.hashCode();
    }

    @Override
    public String toString() {
        var text = new StringBuilder();
        for (var item : items) {
            text.append(text.isEmpty() ? "" : " or ");
            if (item.types().isEmpty() && item.tags().isEmpty()) {
                text.append("all events");
                continue;
            }
            text.append(item.types().isEmpty() ? "events" : names(item.types()));
            if (!item.tags().isEmpty()) {
                text.append(" tagged ").append(sorted(item.tags()));
            }
        }
        return text.toString();
    }

    private static Item narrow(Item item, Set<Class<?>> wanted) {
        var kept = new HashSet<Class<?>>();
        for (var have : item.types()) {
            for (var want : wanted) {
                if (want.isAssignableFrom(have)) {
                    kept.add(have);
                } else if (have.isAssignableFrom(want)) {
                    kept.add(want);
                }
            }
        }
        if (kept.isEmpty()) {
            throw new IllegalArgumentException("withTypes" + names(wanted) + " leaves no type of " + names(item.types())
                    + "; expected a common type. Use or(...) to add alternatives.");
        }
        return new Item(kept, item.tags());
    }

    private static String names(Set<Class<?>> types) {
        return types.stream().map(Class::getSimpleName).sorted().toList().toString();
    }

    private static String sorted(Set<Tag> tags) {
        return tags.stream().map(Tag::toString).sorted().toList().toString();
    }

    /** Queries are made anew for each decision, so the common ones, of one item, are made without detours. */
    private EventQuery each(UnaryOperator<Item> change) {
        return new EventQuery(
                items.size() == 1
                        ? List.of(change.apply(items.get(0)))
                        : items.stream().map(change).toList());
    }

    private static <T> Set<T> set(T first, T[] more) {
        if (more.length == 0) {
            return Set.of(first);
        }
        var all = new HashSet<T>(Arrays.asList(more));
        all.add(first);
        return Set.copyOf(all);
    }

    private static Set<Tag> union(Set<Tag> some, Set<Tag> others) {
        var all = new HashSet<>(some);
        all.addAll(others);
        return Set.copyOf(all);
    }
}
