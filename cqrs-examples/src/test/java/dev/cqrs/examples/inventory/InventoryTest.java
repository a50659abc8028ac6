package dev.cqrs.examples.inventory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.examples.inventory.Inventory.EverShipped;
import dev.cqrs.examples.inventory.Inventory.InStock;
import dev.cqrs.examples.inventory.Inventory.Receive;
import dev.cqrs.examples.inventory.Inventory.Received;
import dev.cqrs.examples.inventory.Inventory.Ship;
import dev.cqrs.examples.inventory.Inventory.Shipped;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Metadata;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class InventoryTest {

    private final Inventory inventory = new Inventory(Clock.systemUTC());
    private final InMemoryCqrs cqrs = inventory.cqrs();

    @AfterEach
    void close() {
        inventory.close();
    }

    @Test
    void a_handler_changes_its_table_and_gives_the_result() {
        assertThat(cqrs.dispatch(new Receive("bolt", 10))).isEqualTo(10);
        assertThat(cqrs.dispatch(new Ship("bolt", 4))).isEqualTo(6);

        assertThat(cqrs.ask(new InStock("bolt"))).isEqualTo(6);
    }

    @Test
    void what_happened_is_in_the_log_with_the_metadata_of_the_command() {
        cqrs.dispatch(new Receive("bolt", 10), Metadata.withId("delivery-1"));
        cqrs.dispatch(new Ship("bolt", 4), Metadata.withId("order-7"));

        assertThat(events("bolt"))
                .extracting(RecordedEvent::event)
                .containsExactly(new Received("bolt", 10), new Shipped("bolt", 4));
        assertThat(events("bolt"))
                .extracting(RecordedEvent::metadata)
                .containsExactly(Metadata.withId("delivery-1"), Metadata.withId("order-7"));
    }

    @Test
    void a_projection_follows_as_it_does_with_event_sourcing() {
        cqrs.dispatch(new Receive("bolt", 10));
        cqrs.dispatch(new Ship("bolt", 4));
        cqrs.dispatch(new Ship("bolt", 1));

        assertThat(cqrs.ask(new EverShipped("bolt"))).isEqualTo(5);
        assertThat(cqrs.ask(new EverShipped("nut"))).isZero();
    }

    @Test
    void a_refusal_reaches_the_caller_unchanged_and_leaves_table_and_log_as_they_were() {
        cqrs.dispatch(new Receive("bolt", 3));

        assertThatThrownBy(() -> cqrs.dispatch(new Ship("bolt", 4)))
                .isExactlyInstanceOf(IllegalStateException.class)
                .hasMessage("only 3 of bolt in stock, not 4");
        assertThat(cqrs.ask(new InStock("bolt"))).isEqualTo(3);
        assertThat(events("bolt")).hasSize(1);
    }

    @Test
    void who_ships_or_receives_less_than_one_piece_is_refused() {
        cqrs.dispatch(new Receive("bolt", 3));

        assertThatThrownBy(() -> cqrs.dispatch(new Ship("bolt", -5)))
                .isExactlyInstanceOf(IllegalArgumentException.class)
                .hasMessage("expected at least 1 of bolt, not -5");
        assertThatThrownBy(() -> cqrs.dispatch(new Receive("bolt", 0))).isInstanceOf(IllegalArgumentException.class);
        assertThat(cqrs.ask(new InStock("bolt"))).isEqualTo(3);
        assertThat(events("bolt")).hasSize(1);
    }

    @Test
    void many_threads_ship_what_there_is_and_no_more() throws Exception {
        cqrs.dispatch(new Receive("bolt", 100));
        var threads = Executors.newFixedThreadPool(4);
        try {
            Callable<Integer> shipOne = () -> {
                try {
                    return cqrs.dispatch(new Ship("bolt", 1));
                } catch (IllegalStateException soldOut) {
                    return -1;
                }
            };
            var left = threads.invokeAll(
                    IntStream.range(0, 150).mapToObj(i -> shipOne).toList());
            int refused = 0;
            for (var result : left) {
                refused += result.get() < 0 ? 1 : 0;
            }

            assertThat(refused).isEqualTo(50);
        } finally {
            threads.shutdown();
        }
        assertThat(cqrs.ask(new InStock("bolt"))).isZero();
        assertThat(cqrs.ask(new EverShipped("bolt"))).isEqualTo(100);
    }

    private List<RecordedEvent> events(String item) {
        try (var events = cqrs.store().read(EventQuery.tagged(Tag.of("item", item)))) {
            return events.toList();
        }
    }
}
