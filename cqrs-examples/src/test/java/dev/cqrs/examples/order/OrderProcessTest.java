package dev.cqrs.examples.order;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.decider.RejectedException;
import dev.cqrs.examples.order.Shop.Delivered;
import dev.cqrs.examples.order.Shop.OrderPlaced;
import dev.cqrs.examples.order.Shop.Take;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.saga.SagaScenario;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class OrderProcessTest {

    @Test
    void one_order_is_completed_and_the_other_undone() throws InterruptedException {
        var text = new ByteArrayOutputStream();
        OrderProcess.run(new PrintStream(text, true, StandardCharsets.UTF_8));
        assertThat(text.toString(StandardCharsets.UTF_8))
                .startsWith("o-1: COMPLETED\n  took 2500 cents\n  took a kettle\n")
                .contains("  took a parcel to the post\n  took a moment to say thanks\n", """
                        o-2: COMPENSATED, Step "reserve" has failed: there is no unicorn
                          took 9900 cents
                          took back receipt 1
                        """, "sequenceDiagram\n");
    }

    @Test
    void the_process_alone_is_tested_without_threads_and_stores() {
        SagaScenario.of(OrderSaga.SAGA)
                .when(new OrderPlaced("o", "kettle", 5))
                .thenCommands(new Take("o", "5 cents"))
                .whenReturned(new Take("o", "5 cents"), "r-1")
                .thenCommands(new Take("o", "a kettle"))
                .whenReturned(new Take("o", "a kettle"), "r-2")
                .thenCommands(new Take("o", "a label"), new Take("o", "an invoice"))
                .whenReturned(new Take("o", "an invoice"), "r-3")
                .whenThrown(new Take("o", "a label"), new RejectedException(Take.class, "no paper"))
                .thenCommands(new Take("o", "back the invoice"))
                .whenAnsweredBy(command -> "done")
                .thenCommands(new Take("o", "off the list a kettle"), new Take("o", "back r-1"))
                .thenState(State.COMPENSATED);

        SagaScenario.of(OrderSaga.SAGA)
                .given(new OrderPlaced("o", "kettle", 5))
                .whenAnsweredBy(command -> "done")
                .when(new Delivered("o"))
                .thenCommands(new Take("o", "a moment to say thanks"));
    }
}
