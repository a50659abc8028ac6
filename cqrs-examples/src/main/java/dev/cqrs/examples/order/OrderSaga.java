package dev.cqrs.examples.order;

import dev.cqrs.event.Fold;
import dev.cqrs.examples.order.Shop.Delivered;
import dev.cqrs.examples.order.Shop.OrderPlaced;
import dev.cqrs.examples.order.Shop.Paid;
import dev.cqrs.examples.order.Shop.Take;
import dev.cqrs.saga.Saga;
import java.time.Duration;

/** The process of an order, with what it knows of it. */
final class OrderSaga {

    /** What is known of an order. */
    record Order(String id, String item, long cents, String receipt) {

        Take take(String what) {
            return new Take(id, what);
        }
    }

    private static final Fold<Order> ORDER = Fold.from(new Order("", "", 0, ""))
            .on(OrderPlaced.class, (none, e) -> new Order(e.order(), e.item(), e.cents(), ""))
            .on(Paid.class, (o, e) -> new Order(o.id(), o.item(), o.cents(), e.receipt()));

    static final Saga<Order> SAGA = Saga.named("order", ORDER)
            .startedBy(OrderPlaced.class, OrderPlaced::order)
            .retry(Duration.ofMillis(20), Duration.ofMillis(200))
            .step("pay", o -> o.take(o.cents() + " cents"), (o, receipt) -> new Paid(receipt))
            .compensate(o -> o.take("back " + o.receipt()))
            .step("reserve", o -> o.take("a " + o.item()))
            .compensate(o -> o.take("off the list a " + o.item()))
            .parallel(both -> both.step("label", o -> o.take("a label"))
                    .compensate(o -> o.take("off the label"))
                    .step("invoice", o -> o.take("an invoice"))
                    .compensate(o -> o.take("back the invoice")))
            .pivot("ship", o -> o.take("a parcel to the post"))
            .await("delivered", Delivered.class, Delivered::order)
            .timeout(Duration.ofDays(14))
            .step("thank", o -> o.take("a moment to say thanks"))
            .build();

    private OrderSaga() {}
}
