package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.EventQuery;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A query as the tables understand it: tags by their ids, classes by the names under which their events may be stored.
 *
 * <p>It may select too much, as what a stored event is today depends on its revision, which only the catalog understands:
 * who reads asks the query again about what was decoded.
 *
 * @param items not empty
 */
record Selection(List<Item> items) {

    /**
     * An alternative of the query, its parts as written arrays.
     *
     * @param tags the ids of the tags; {@code null} for any
     * @param tagCount how many they are
     * @param names of the types; {@code null} for any
     */
    record Item(
            @Nullable String tags, int tagCount, @Nullable String names) {}

    /**
     * Makes selections of queries.
     *
     * <p><b>Threads:</b> thread-safe.
     */
    static final class Maker {

        private final Catalog catalog;

        /** Of classes in queries; there are no more of them than the program has. */
        private final Map<Class<?>, Set<String>> names = new ConcurrentHashMap<>();

        Maker(Catalog catalog) {
            this.catalog = catalog;
        }

        /**
         * Translates a query.
         *
         * @throws dev.cqrs.event.UnknownEventException if the catalog does not know a type in it
         */
        Selection of(EventQuery query) {
            return new Selection(query.items().stream().map(this::item).toList());
        }

        private Item item(EventQuery.Item item) {
            var tags = item.tags().isEmpty() ? null : Texts.ids(item.tags());
            return new Item(
                    tags,
                    item.tags().size(),
                    item.types().isEmpty() ? null : Texts.array(names(item.types()).stream()));
        }

        private Set<String> names(Set<Class<?>> types) {
            if (types.size() == 1) {
                return names(types.iterator().next());
            }
            var all = new TreeSet<String>();
            types.forEach(type -> all.addAll(names(type)));
            return all;
        }

        private Set<String> names(Class<?> type) {
            return names.computeIfAbsent(type, catalog::storedNames);
        }

        /**
         * Says whether a stored event that was selected is surely one that the query asks for: as it is of the current
         * revision, and its class is one of each item that may have selected it.
         */
        boolean isCertain(EventQuery query, String name, int revision) {
            Class<?> type;
            try {
                type = catalog.typeOf(name);
            } catch (UnknownEventException notAny) {
                return false;
            }
            return catalog.revisionOf(type) == revision
                    && query.items().stream()
                            .filter(item -> !item.types().isEmpty()
                                    && names(item.types()).contains(name))
                            .allMatch(item -> item.types().stream().anyMatch(asked -> asked.isAssignableFrom(type)));
        }
    }
}
