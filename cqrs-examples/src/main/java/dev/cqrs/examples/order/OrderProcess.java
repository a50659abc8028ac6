package dev.cqrs.examples.order;

import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.examples.order.Shop.Delivered;
import dev.cqrs.examples.order.Shop.OrderPlaced;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.saga.SagaEngine;
import java.io.PrintStream;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** Runs two orders, one of which cannot be fulfilled, and tells what became of them. */
public final class OrderProcess {

    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private OrderProcess() {}

    /**
     * Runs it all.
     *
     * @param args none
     * @throws InterruptedException if it is interrupted
     */
    public static void main(String[] args) throws InterruptedException {
        run(System.out);
    }

    static void run(PrintStream out) throws InterruptedException {
        var clock = Clock.systemUTC();
        var domain = new InMemoryEventStore(Shop.domain(), clock);
        var sagas = SagaEngine.builder(new InMemoryEventStore(Shop.operations(), clock), clock)
                .name("sagas")
                .add(OrderSaga.SAGA)
                .domain(domain)
                .build();
        var threads = Executors.newFixedThreadPool(SagaEngine.DEFAULT_AT_ONCE + 1);
        var timer = Executors.newSingleThreadScheduledExecutor();
        try (sagas) {
            sagas.start(
                    Shop.bus(domain),
                    threads,
                    (delay, task) -> {
                        var unused = timer.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
                    },
                    System.err::println);
            domain.append(
                    List.of(
                            new OrderPlaced("o-1", "kettle", 2_500),
                            new OrderPlaced("o-2", "unicorn", 9_900),
                            new Delivered("o-1")),
                    AppendCondition.none());
            for (var order : List.of("o-1", "o-2")) {
                var instance = sagas.awaitEnded("order", order, PATIENCE);
                out.println(order + ": " + instance.state()
                        + (instance.reason().isEmpty() ? "" : ", " + instance.reason()));
                Shop.taken(domain, order).forEach(what -> out.println("  took " + what));
            }
            out.println();
            out.print(sagas.diagram("order", "o-2"));
        } finally {
            threads.shutdown();
            timer.shutdown();
        }
    }
}
