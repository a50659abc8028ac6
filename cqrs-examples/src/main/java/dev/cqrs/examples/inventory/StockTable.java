package dev.cqrs.examples.inventory;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/**
 * The application's own table: how many of each item lie in the warehouse. It stands for a table of a database and
 * knows nothing of the library.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class StockTable {

    private final ConcurrentMap<String, Integer> rows = new ConcurrentHashMap<>();

    /** Adds pieces of an item and gives how many there are now. */
    int add(String item, int pieces) {
        checkSome(item, pieces);
        return rows.merge(item, pieces, Math::addExact);
    }

    /**
     * Takes pieces of an item and gives how many are left.
     *
     * @throws IllegalStateException if there are not enough; then nothing is taken
     */
    int take(String item, int pieces) {
        checkSome(item, pieces);
        // checking and taking are one step, as one UPDATE ... WHERE pieces >= ? would be
        return rows.compute(item, (key, have) -> {
            int there = have == null ? 0 : have;
            if (there < pieces) {
                throw new IllegalStateException("only " + there + " of " + item + " in stock, not " + pieces);
            }
            return there - pieces;
        });
    }

    /** Who takes less than nothing would put something in. */
    private static void checkSome(String item, int pieces) {
        if (pieces < 1) {
            throw new IllegalArgumentException("expected at least 1 of " + item + ", not " + pieces);
        }
    }

    /** How many pieces of an item there are. */
    int pieces(String item) {
        return rows.getOrDefault(item, 0);
    }
}
