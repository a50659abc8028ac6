package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.suite.Fronted;
import java.time.Clock;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a store, an executor or an event fails with for a while is tried again, and leaves nothing undone or done twice. */
@Timeout(300)
class ComesBackTest {

    record Noted(int number) {}

    private static final Fold<Integer> COUNT = Fold.from(0).on(Noted.class, (count, e) -> count + 1);

    private final InMemoryEventStore log =
            new InMemoryEventStore(Catalog.builder().event("noted", Noted.class).build(), Clock.systemUTC());
    private final InMemoryCheckpointStore saved = new InMemoryCheckpointStore();
    private final List<ProjectionFailure> failures = new CopyOnWriteArrayList<>();

    /** What was given to the executor, and to the timer. */
    private final Deque<Runnable> tasks = new ArrayDeque<>();

    private final Deque<Runnable> timers = new ArrayDeque<>();

    private void note(int from, int to) {
        for (int i = from; i <= to; i++) {
            log.append(List.of(new Noted(i)), AppendCondition.none());
        }
    }

    private void runTasks() {
        while (!tasks.isEmpty()) {
            tasks.remove().run();
        }
    }

    @Test
    void a_store_that_is_away_while_an_engine_starts_costs_no_effect_that_is_due() {
        // given an event that was put aside with its effect
        var broken = new AtomicBoolean(true);
        var mails = new ArrayList<String>();
        var mailing = Projection.of("mailing", 1, COUNT)
                .by(Keys.by(Noted.class, Noted::number))
                .effect(Noted.class, (noted, trigger) -> {
                    if (noted.number() == 1 && broken.get()) {
                        throw new IllegalStateException("no connection");
                    }
                    mails.add(trigger.id());
                });
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(saved)
                .run(mailing, Delivery.background(tasks::add).park())
                .build()) {
            note(1, 3);
            runTasks();
            assertThat(engine.view(mailing).parked()).hasSize(1);
        }
        assertThat(mails).containsExactly("mailing/2", "mailing/3");
        broken.set(false);
        failures.clear();

        // when
        var lost = new IllegalStateException("connection lost");
        var away = new AtomicBoolean(true);
        var builder = ProjectionEngine.builder(
                        new Fronted(log) {
                            @Override
                            public EventStream read(EventQuery query, ReadOptions options) {
                                if (away.get()) {
                                    throw lost;
                                }
                                return super.read(query, options);
                            }
                        },
                        failures::add)
                .checkpoints(saved)
                .run(mailing, Delivery.background(tasks::add).park());
        assertThatThrownBy(builder::build).isSameAs(lost);

        // then
        away.set(false);
        try (var engine = builder.build()) {
            runTasks();
            assertThat(failures).isEmpty();
            assertThat(engine.view(mailing).retryParked(1)).isTrue();
        }
        assertThat(mails).containsExactly("mailing/2", "mailing/3", "mailing/1");
    }
}
