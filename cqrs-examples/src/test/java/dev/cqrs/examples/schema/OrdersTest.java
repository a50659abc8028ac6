package dev.cqrs.examples.schema;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.cqrs.event.Catalog.Revision;
import dev.cqrs.event.EventCodec;
import dev.cqrs.event.EventCodec.Stored;
import dev.cqrs.event.EventCodec.UnreadableEventException;
import dev.cqrs.event.Tag;
import dev.cqrs.examples.schema.Orders.ItemAdded;
import dev.cqrs.examples.schema.Orders.OrderClosed;
import dev.cqrs.examples.schema.Orders.OrderEvent;
import dev.cqrs.examples.schema.Orders.OrderPlaced;
import dev.cqrs.examples.schema.Orders.OrderShipped;
import dev.cqrs.jdbc.JacksonEventCodec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Reads an example of every revision that was ever written, kept under {@code src/test/resources/events/orders}. Such a
 * file is added with a revision and never changed again.
 */
class OrdersTest {

    private static final EventCodec CODEC = new JacksonEventCodec();

    private static final Map<Revision, List<OrderEvent>> TODAY = Map.ofEntries(
            entry(new Revision("order-placed", 1), List.of(new OrderPlaced("o1", "c7", 1250, "EUR"))),
            entry(new Revision("order-placed", 2), List.of(new OrderPlaced("o1", "c7", 1250, "EUR"))),
            entry(new Revision("order-placed", 3), List.of(new OrderPlaced("o1", "c7", 1250, "EUR"))),
            entry(new Revision("order-placed", 4), List.of(new OrderPlaced("o1", "c7", 1250, "EUR"))),
            entry(new Revision("order-shipped", 1), List.of(new OrderShipped("o1", "Ackerweg 3, Hof 2", "Celle"))),
            entry(new Revision("order-shipped", 2), List.of(new OrderShipped("o1", "Ackerweg 3, Hof 2", "Celle"))),
            entry(new Revision("order-closed", 1), List.of(new OrderClosed("o1", "too late"))),
            entry(new Revision("order-cancelled", 1), List.of(new OrderClosed("o1", "too late"))),
            entry(new Revision("order-returned", 1), List.of(new OrderClosed("o1", "returned"))),
            entry(new Revision("item-added", 1), List.of(new ItemAdded("o1", "bolt", 100))),
            entry(
                    new Revision("basket-filled", 1),
                    List.of(new ItemAdded("o1", "bolt", 100), new ItemAdded("o1", "nut", 50))),
            entry(new Revision("page-viewed", 1), List.of()));

    @TestFactory
    Stream<DynamicTest> an_event_of_each_revision_is_read_as_it_is_meant_today() {
        return Orders.CATALOG.revisions().stream()
                .map(revision -> dynamicTest(
                        revision.toString(),
                        () -> assertThat(Orders.CATALOG.decode(kept(revision), CODEC))
                                .isEqualTo(Objects.requireNonNull(TODAY.get(revision), "what it means today"))));
    }

    @Test
    void no_revision_is_forgotten() {
        assertThat(TODAY.keySet()).isEqualTo(Orders.CATALOG.revisions());
    }

    /** Fails where a class was changed, and its revision was not. */
    @TestFactory
    Stream<DynamicTest> an_event_is_written_as_the_kept_example_of_its_current_revision() {
        return Orders.CATALOG.types().stream().map(type -> {
            var current = new Revision(Orders.CATALOG.nameOf(type), Orders.CATALOG.revisionOf(type));
            return dynamicTest(current.toString(), () -> {
                var event = Orders.CATALOG.decode(kept(current), CODEC).get(0);
                var written = Orders.CATALOG.encode(event, CODEC);
                assertThat(written.name()).isEqualTo(current.name());
                assertThat(written.revision()).isEqualTo(current.number());
                assertThat(CODEC.<Object>decode(written.payload(), mapClass()))
                        .isEqualTo(CODEC.decode(kept(current).payload(), mapClass()));
            });
        });
    }

    @Test
    void a_query_for_a_class_finds_the_names_of_earlier_years() {
        assertThat(Orders.CATALOG.storedNames(OrderClosed.class))
                .containsExactly("order-cancelled", "order-closed", "order-returned");
        assertThat(Orders.CATALOG.storedNames(ItemAdded.class)).containsExactly("basket-filled", "item-added");
        assertThat(Orders.CATALOG.storedNames(OrderEvent.class)).doesNotContain("page-viewed");
    }

    @Test
    void what_is_written_tells_no_class() {
        for (var event : List.of(
                new OrderPlaced("o1", "c7", 1, "EUR"), new ItemAdded("o1", "bolt", 1), new OrderClosed("o1", "x"))) {
            var stored = Orders.CATALOG.encode(event, CODEC);

            assertThat(stored.name() + new String(stored.payload(), UTF_8))
                    .doesNotContain("dev.cqrs", event.getClass().getSimpleName(), "@class");
        }
    }

    @Test
    void an_amount_that_is_no_number_of_cents_is_refused_naming_the_event() {
        var stored = new Stored("order-placed", 1, bytes("{\"order\":\"o1\",\"buyer\":\"c7\",\"amount\":0.001}"));

        assertThatExceptionOfType(UnreadableEventException.class)
                .isThrownBy(() -> Orders.CATALOG.decode(stored, CODEC))
                .withMessageContainingAll("\"order-placed\", revision 1", "Upcaster.from(\"order-placed\", 2)")
                .withCauseInstanceOf(ArithmeticException.class);
    }

    @Test
    void tags_are_those_of_the_event_of_today() {
        assertThat(Orders.CATALOG.tagsOf(Orders.CATALOG
                        .decode(kept(new Revision("order-cancelled", 1)), CODEC)
                        .get(0)))
                .containsExactly(Tag.of("order", "o1"));
    }

    private static Stored kept(Revision revision) {
        var file = "/events/orders/" + revision.name() + "-" + revision.number() + ".json";
        try (var bytes = OrdersTest.class.getResourceAsStream(file)) {
            assertThat(bytes)
                    .as("the kept example of %s, src/test/resources%s", revision, file)
                    .isNotNull();
            return new Stored(
                    revision.name(),
                    revision.number(),
                    Objects.requireNonNull(bytes).readAllBytes());
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private static byte[] bytes(String json) {
        return json.getBytes(UTF_8);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Class<Object> mapClass() {
        return (Class) Map.class;
    }
}
