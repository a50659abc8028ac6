package dev.cqrs.examples.schema;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import dev.cqrs.event.Upcaster;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * The orders of a shop after some years: the events as they are today, and in one place what became of all earlier ones.
 * Handlers, folds and projections know today's classes only.
 */
final class Orders {

    /** What happens to an order. */
    sealed interface OrderEvent {
        String order();
    }

    /** An order was placed. */
    record OrderPlaced(String order, String customer, long cents, String currency) implements OrderEvent {}

    /** An item was put into an order. */
    record ItemAdded(String order, String item, int pieces) implements OrderEvent {}

    /** An order has left the house. */
    record OrderShipped(String order, String street, String city) implements OrderEvent {}

    /** Nothing more will happen to an order. */
    record OrderClosed(String order, String reason) implements OrderEvent {}

    /** Every event that any version of the shop has written. */
    static final Catalog CATALOG = Catalog.builder()
            .event("order-placed", 4, OrderPlaced.class)
            .upcast(Upcaster.from("order-placed", 1).rename("buyer", "customer"))
            .upcast(Upcaster.from("order-placed", 2).fields(Orders::amountToCents))
            .upcast(Upcaster.from("order-placed", 3).withDefault("currency", "EUR"))
            .event("order-shipped", 2, OrderShipped.class)
            .upcast(Upcaster.from("order-shipped", 1).fields(Orders::splitAddress))
            .event("order-closed", OrderClosed.class)
            .upcast(Upcaster.from("order-cancelled", 1).rename("why", "reason").to("order-closed", 1))
            .upcast(Upcaster.from("order-returned", 1)
                    .remove("parcel")
                    .withDefault("reason", "returned")
                    .to("order-closed", 1))
            .event("item-added", ItemAdded.class)
            .upcast(Upcaster.from("basket-filled", 1).into("item-added", 1, Orders::itemsOfBasket))
            .upcast(Upcaster.from("page-viewed", 1).drop()) // is counted elsewhere now
            .tags(OrderEvent.class, event -> Set.of(Tag.of("order", event.order())))
            .build();

    private Orders() {}

    private static Map<String, Object> amountToCents(Map<String, Object> fields) {
        var amount = new BigDecimal(
                Objects.requireNonNull(fields.remove("amount"), "amount").toString());
        fields.put("cents", amount.movePointRight(2).longValueExact());
        return fields;
    }

    private static Map<String, Object> splitAddress(Map<String, Object> fields) {
        var address = (String) Objects.requireNonNull(fields.remove("address"), "address");
        int comma = address.lastIndexOf(", ");
        fields.put("street", comma < 0 ? "" : address.substring(0, comma));
        fields.put("city", comma < 0 ? address : address.substring(comma + 2));
        return fields;
    }

    private static List<Map<String, Object>> itemsOfBasket(Map<String, Object> basket) {
        var order = Objects.requireNonNull(basket.get("order"), "order");
        var items = new ArrayList<Map<String, Object>>();
        ((Map<?, ?>) Objects.requireNonNull(basket.get("items"), "items"))
                .forEach((item, pieces) -> items.add(Map.of("order", order, "item", item, "pieces", pieces)));
        return items;
    }
}
