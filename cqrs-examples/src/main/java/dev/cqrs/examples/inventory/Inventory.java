package dev.cqrs.examples.inventory;

import dev.cqrs.command.Command;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A warehouse whose truth is a table, not the log: handlers change {@link StockTable}, then append what happened, so
 * that projections can follow. Buses, interceptors, queries and projections are the same as with event sourcing.
 *
 * <p>The table and the log do not commit together here: whoever stops between the two lines of a handler loses an
 * event. An application with a database writes both in one transaction.
 *
 * <p><b>Threads:</b> thread-safe.
 */
final class Inventory implements AutoCloseable {

    /** Puts pieces of an item into stock; gives how many there are now. */
    record Receive(String item, int pieces) implements Command<Integer> {}

    /** Takes pieces of an item out of stock; gives how many are left. */
    record Ship(String item, int pieces) implements Command<Integer> {}

    /** How many pieces are in stock: asked of the table. */
    record InStock(String item) implements Query<Integer> {}

    /** How many pieces have ever been shipped: asked of a projection. */
    record EverShipped(String item) implements Query<Integer> {}

    /** Pieces came in. */
    record Received(String item, int pieces) {}

    /** Pieces went out. */
    record Shipped(String item, int pieces) {}

    private static final Projection<Map<String, Integer>> SHIPPED = Projection.of(
            "shipped",
            1,
            Fold.<Map<String, Integer>>fresh(HashMap::new)
                    .change(Shipped.class, (view, e) -> view.merge(e.item(), e.pieces(), Integer::sum)));

    private final StockTable table = new StockTable();
    private final InMemoryCqrs cqrs;

    /** Makes an empty warehouse, whose log tells time by {@code clock}. */
    Inventory(Clock clock) {
        cqrs = InMemoryCqrs.builder(clock)
                .event("received", Received.class, e -> Set.of(item(e.item())))
                .event("shipped", Shipped.class, e -> Set.of(item(e.item())))
                .handle(Receive.class, this::receive)
                .handle(Ship.class, this::ship)
                .query(InStock.class, q -> table.pieces(q.item()))
                .query(EverShipped.class, SHIPPED, (q, view) -> view.getOrDefault(q.item(), 0))
                .build();
    }

    private int receive(Receive command, Metadata metadata) {
        int now = table.add(command.item(), command.pieces());
        tell(new Received(command.item(), command.pieces()), metadata);
        return now;
    }

    private int ship(Ship command, Metadata metadata) {
        int left = table.take(command.item(), command.pieces());
        tell(new Shipped(command.item(), command.pieces()), metadata);
        return left;
    }

    /** The table has decided, so there is no condition; events tell differences, so their order is no matter. */
    private void tell(Object event, Metadata metadata) {
        cqrs.store().append(List.of(event), AppendCondition.none(), metadata);
    }

    private static Tag item(String item) {
        return Tag.of("item", item);
    }

    /** The buses, the log and the views. */
    InMemoryCqrs cqrs() {
        return cqrs;
    }

    @Override
    public void close() {
        cqrs.close();
    }
}
