package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.testing.VirtualClock;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** From catching up to following: whatever the reader is about to do next, an append comes first. */
@Timeout(300)
class CatchUpTest {

    private static final int BEFORE = 7;

    record Noted(int number) {}

    private static final Projection<List<Integer>> NUMBERS = Projection.of(
            "numbers",
            1,
            Fold.<List<Integer>>fresh(ArrayList::new).change(Noted.class, (list, e) -> list.add(e.number())));

    @Test
    void an_append_at_any_step_of_the_reader_is_folded_once_and_in_order() {
        int steps = run(false, -1, -1);
        assertThat(steps).as("steps of a reader that is left alone").isGreaterThan(20);
        for (int first = 0; first <= steps; first++) {
            run(false, first, -1);
        }
    }

    /** Then all that is there is folded while the engine is being built. */
    @Test
    void so_it_is_where_a_task_is_run_at_once() {
        int steps = run(true, -1, -1);
        for (int first = 0; first <= steps; first++) {
            run(true, first, -1);
        }
    }

    @Test
    void so_are_two_appends_at_any_two_steps() {
        int steps = run(false, -1, -1) + 12; // the first append makes more of them
        for (int first = 0; first <= steps; first++) {
            for (int second = first; second <= steps; second++) {
                run(false, first, second);
            }
        }
    }

    /** Follows a log of seven events to its end, while other threads append at given steps; gives how many steps it took. */
    private static int run(boolean atOnce, int first, int second) {
        var clock = new VirtualClock(Instant.EPOCH);
        var log = new InMemoryEventStore(
                Catalog.builder().event("noted", Noted.class).build(), clock);
        for (int i = 0; i < BEFORE; i++) {
            append(log, clock);
        }
        var steps = new int[1];
        Runnable step = () -> {
            int now = steps[0]++;
            for (int at : new int[] {first, second}) {
                if (at == now) {
                    appendElsewhere(log, clock);
                }
            }
        };
        var tasks = new ArrayDeque<Runnable>();
        var store = stepped(EventStore.class, log, step);
        try (var engine = ProjectionEngine.builder(store, failure -> {
                    throw new AssertionError(failure.cause());
                })
                .run(
                        NUMBERS,
                        Delivery.background(task -> {
                                    step.run();
                                    if (atOnce) {
                                        task.run();
                                        return;
                                    }
                                    assertThat(tasks).as("tasks at once").isEmpty();
                                    tasks.add(task);
                                })
                                .batch(3))
                .build()) {
            for (var task = tasks.poll(); task != null; task = tasks.poll()) {
                task.run();
            }
            int end = (int) log.head().value();
            assertThat(engine.view(NUMBERS).<List<Integer>>read(List::copyOf))
                    .as("with appends at steps %d and %d", first, second)
                    .isEqualTo(IntStream.range(0, end).boxed().toList());
        }
        return steps[0];
    }

    private static void append(EventStore log, VirtualClock clock) {
        clock.advance(Duration.ofMillis(1));
        log.append(List.of(new Noted((int) log.head().value())), AppendCondition.none());
    }

    private static void appendElsewhere(EventStore log, VirtualClock clock) {
        var thread = new Thread(() -> append(log, clock));
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    /** Runs the step before and after each call, and before each move of a stream that is read. */
    private static <T> T stepped(Class<T> type, T target, Runnable step) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                    if (method.isDefault()) {
                        return InvocationHandler.invokeDefault(proxy, method, arguments);
                    }
                    step.run();
                    try {
                        var result = method.invoke(target, arguments);
                        step.run();
                        return result instanceof EventStream stream ? stepped(EventStream.class, stream, step) : result;
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getCause();
                    }
                }));
    }
}
