package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Catalog.Revision;
import dev.cqrs.eventstore.EventQuery;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A query as the tables understand it: tags by their ids, classes by the names and revisions under which their events may
 * be stored.
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
     * @param revisions of the types, beside the names; {@code null} for any
     */
    record Item(
            @Nullable String tags,
            int tagCount,
            @Nullable String names,
            @Nullable String revisions) {}

    /**
     * Makes selections of queries.
     *
     * <p><b>Threads:</b> thread-safe.
     */
    static final class Maker {

        private final Catalog catalog;

        /** Of classes in queries; there are no more of them than the program has. */
        private final Map<Class<?>, Set<Revision>> revisions = new ConcurrentHashMap<>();

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
            int tagCount = item.tags().size();
            if (item.types().isEmpty()) {
                return new Item(tags, tagCount, null, null);
            }
            var stored = revisions(item.types());
            return new Item(
                    tags,
                    tagCount,
                    Texts.array(stored.stream().map(Revision::name)),
                    Texts.array(stored.stream().map(revision -> Integer.toString(revision.number()))));
        }

        private Set<Revision> revisions(Set<Class<?>> types) {
            if (types.size() == 1) {
                return revisions(types.iterator().next());
            }
            var all = new TreeSet<Revision>(Selection::compare);
            types.forEach(type -> all.addAll(revisions(type)));
            return all;
        }

        private Set<Revision> revisions(Class<?> type) {
            return revisions.computeIfAbsent(type, catalog::revisions);
        }
    }

    private static int compare(Revision one, Revision other) {
        int names = one.name().compareTo(other.name());
        return names != 0 ? names : Integer.compare(one.number(), other.number());
    }
}
