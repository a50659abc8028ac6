package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.CheckpointStore.Checkpoint;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What fails, or ends, far up a log that a view has to catch up with, in each of the ways in which events are taken. */
@Timeout(300)
class LongLogTest {

    record Added(int number) {}

    private static final int EVENTS = 2_500;
    private static final int POISON = 1_777;

    private final VirtualClock clock = new VirtualClock(Instant.EPOCH);
    private final SeededScheduler executor = new SeededScheduler(5, clock);
    private final InMemoryEventStore log =
            new InMemoryEventStore(Catalog.builder().event("added", Added.class).build(), clock);
    private final InMemoryCheckpointStore checkpoints = new InMemoryCheckpointStore();
    private final List<ProjectionFailure> failures = new ArrayList<>();
    private boolean poisoned = true;

    private final Fold<Integer> sum = Fold.from(0).on(Added.class, (all, added) -> {
        if (poisoned && added.number() == POISON) {
            throw new IllegalStateException("poison");
        }
        return all + added.number();
    });
    private final Keys<Integer> byHundredth = Keys.by(Added.class, added -> added.number() % 100);

    /** In which way events are taken from the log. */
    enum Taken {
        WHERE_THEY_LIE,
        A_FEW_AT_ONCE,
        ONE_BY_ONE,
        BY_KEY,
        BY_KEY_AND_SEVERAL_WORKERS
    }

    private Projection<?> projection(Taken way) {
        return switch (way) {
            case WHERE_THEY_LIE -> Projection.of("sum", 1, sum).by(byHundredth);
            case A_FEW_AT_ONCE ->
                Projection.of("sum", 1, sum)
                        .by(byHundredth)
                        .savedAs(Integer.class, Function.identity(), Function.identity());
            case ONE_BY_ONE -> Projection.of("sum", 1, sum).by(byHundredth).effect(Added.class, (added, trigger) -> {});
            case BY_KEY, BY_KEY_AND_SEVERAL_WORKERS -> Projection.keyed("sum", 1, byHundredth, sum);
        };
    }

    private ProjectionEngine engine(Projection<?> projection, Delivery delivery) {
        return ProjectionEngine.builder(log, failures::add)
                .checkpoints(checkpoints)
                .run(projection, delivery)
                .build();
    }

    private Delivery delivery(Taken way) {
        var background = Delivery.background(executor);
        return way == Taken.BY_KEY_AND_SEVERAL_WORKERS ? background.workers(2) : background;
    }

    private static int total(Object state) {
        return state instanceof Map<?, ?> parts
                ? parts.values().stream().mapToInt(part -> (Integer) part).sum()
                : (Integer) state;
    }

    private static int total(ProjectionView<?> view) {
        return view.<Integer>read(LongLogTest::total);
    }

    private static int upTo(int last) {
        return last * (last + 1) / 2;
    }

    @Test
    void several_workers_leave_no_more_tasks_behind_than_there_are_workers_where_no_thread_is_free() {
        // given a long log of one time, which is one batch
        for (int i = 0; i < 20; i++) {
            log.append(
                    IntStream.range(i * 4_096, (i + 1) * 4_096)
                            .mapToObj(Added::new)
                            .toList(),
                    AppendCondition.none());
        }
        poisoned = false;
        var tasks = new ArrayDeque<Runnable>();
        var keyed = Projection.keyed("sum", 1, byHundredth, sum);
        try (var engine = engine(keyed, Delivery.background(tasks::add).workers(8))) {

            // when
            tasks.remove().run();

            // then
            assertThat(engine.view(keyed).position()).isEqualTo(log.head());
            assertThat(tasks).hasSizeLessThanOrEqualTo(8);
            add(1);
            while (!tasks.isEmpty()) { // also those who come late
                tasks.remove().run();
            }
            assertThat(total(engine.view(keyed))).isEqualTo(upTo(20 * 4_096 - 1) + 20 * 4_096 + 1);
            assertThat(failures).isEmpty();
        }
    }

    /** Numbers from 1, each at its own time. */
    private void add(int events) {
        int first = (int) log.head().value() + 1;
        for (int number = first; number < first + events; number++) {
            log.append(List.of(new Added(number)), AppendCondition.none());
            clock.advance(Duration.ofMillis(1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void an_event_that_fails_stops_its_projection_right_before_it_and_all_is_folded_once_in_the_end(Taken way) {
        add(EVENTS);
        var projection = projection(way);
        try (var engine = engine(projection, delivery(way))) {
            executor.runAll();

            var view = engine.view(projection);
            assertThat(view.position()).isEqualTo(Position.of(POISON - 1));
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.position()).isEqualTo(Position.of(POISON));
                assertThat(failure.cause()).hasMessage("poison");
            });

            poisoned = false;
            assertThat(view.resume()).isTrue();
            executor.runAll();
            assertThat(view.position()).isEqualTo(log.head());
            assertThat(total(view)).isEqualTo(upTo(EVENTS));
            assertThat(failures).hasSize(1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void what_was_folded_before_the_event_that_fails_is_saved_and_not_folded_again(Taken way) {
        add(EVENTS);
        var projection = projection(way);
        try (var engine = engine(projection, delivery(way))) {
            executor.runAll();
            assertThat(engine.view(projection).position()).isEqualTo(Position.of(POISON - 1));
        }
        assertThat(checkpoints.load("sum")).hasValueSatisfying(saved -> {
            assertThat(saved.position()).isEqualTo(Position.of(POISON - 1));
            assertThat(total(saved.state())).isEqualTo(upTo(POISON - 1));
        });

        poisoned = false;
        try (var engine = engine(projection, delivery(way))) {
            executor.runAll();
            assertThat(total(engine.view(projection))).isEqualTo(upTo(EVENTS));
        }
    }

    @ParameterizedTest
    @EnumSource
    void an_event_that_fails_is_put_aside_with_those_of_its_key_and_the_others_are_folded(Taken way) {
        add(EVENTS);
        var projection = projection(way);
        try (var engine = engine(projection, delivery(way).park())) {
            executor.runAll();

            var view = engine.view(projection);
            var aside = IntStream.iterate(POISON, at -> at <= EVENTS, at -> at + 100)
                    .boxed()
                    .toList();
            assertThat(view.parked())
                    .extracting(parked -> (int) parked.position().value())
                    .containsExactlyElementsOf(aside);
            assertThat(view.position()).isEqualTo(log.head());
            int without = aside.stream().mapToInt(at -> at).sum();
            assertThat(total(view)).isEqualTo(upTo(EVENTS) - without);

            // and those that come later, of its key and of another
            add(100);
            executor.runAll();
            assertThat(view.parked()).hasSize(9);
            assertThat(view.status().parked()).isEqualTo(9);

            poisoned = false;
            assertThat(view.retryParked(POISON % 100)).isTrue();
            assertThat(total(view)).isEqualTo(upTo(EVENTS + 100));
            assertThat(view.parked()).isEmpty();
        }
        assertThat(failures).singleElement().matches(failure -> failure.outcome() == ProjectionFailure.Outcome.PARKED);
    }

    @ParameterizedTest
    @EnumSource
    void each_event_is_counted_once_in_the_rate(Taken way) {
        poisoned = false;
        add(EVENTS);
        var projection = projection(way);
        try (var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(checkpoints)
                .clock(clock)
                .run(projection, delivery(way))
                .build()) {
            executor.runAll(); // in several batches
            clock.advance(Duration.ofMillis(999));
            add(1);
            executor.runAll();

            assertThat(engine.view(projection).position()).isEqualTo(log.head());
            assertThat(engine.view(projection).status().rate()).hasValue(EVENTS + 1);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void an_engine_closed_from_a_fold_in_place_has_each_event_folded_once_by_the_next(boolean withEffects) {
        add(EVENTS);
        var closing = new AtomicReference<ProjectionEngine>();
        var list = Projection.of(
                        "list", 1, Fold.<List<Integer>>fresh(ArrayList::new).change(Added.class, (all, added) -> {
                            all.add(added.number());
                            if (added.number() == POISON && closing.get() != null) {
                                closing.get().close();
                            }
                        }))
                .savedAs(Integer[].class, all -> all.toArray(Integer[]::new), saved -> new ArrayList<>(List.of(saved)));
        var projection = withEffects ? list.effect(Added.class, (added, trigger) -> {}) : list;
        var engine = engine(projection, Delivery.background(executor));
        closing.set(engine);
        executor.runAll();
        closing.set(null);

        try (var next = engine(projection, Delivery.background(executor))) {
            executor.runAll();
            assertThat(next.view(projection).<List<Integer>>read(List::copyOf))
                    .containsExactlyElementsOf(
                            IntStream.rangeClosed(1, EVENTS).boxed().toList());
        }
        assertThat(failures).isEmpty();
    }

    @Test
    void an_engine_closed_from_a_fold_of_a_version_that_takes_over_saves_the_one_before() {
        poisoned = false;
        add(EVENTS);
        var engine = new ProjectionEngine[1];
        var first = Projection.of("sum", 1, sum);
        var second = Projection.of("sum", 2, Fold.from(0).on(Added.class, (all, added) -> {
            if (added.number() == EVENTS - 200) { // in the last batch, for which the first one stands still
                engine[0].close();
            }
            return all;
        }));
        engine[0] = engine(first, Delivery.inline());

        var rebuild = engine[0].rebuild(first, second, Runnable::run, progress -> {});

        assertThat(rebuild.progress().state()).isEqualTo(Rebuild.State.CANCELLED);
        assertThat(checkpoints.load("sum")).contains(new Checkpoint(1, log.head(), upTo(EVENTS)));
        assertThat(failures).isEmpty();
    }
}
