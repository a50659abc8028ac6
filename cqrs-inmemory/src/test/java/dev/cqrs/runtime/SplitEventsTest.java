package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.runtime.ProjectionView.Parked;
import dev.cqrs.suite.Fronted;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.VirtualClock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Stored events that are read as several, of one position: all of one are in a view, or none, however they are folded. */
@Timeout(300)
class SplitEventsTest {

    record Moved(String account, int cents) {}

    /** What is stored; who reads is given its parts. */
    record Transferred(List<Moved> parts) {
        Transferred(Moved... parts) {
            this(List.of(parts));
        }
    }

    private final VirtualClock clock = new VirtualClock(Instant.EPOCH);
    private final SeededScheduler executor = new SeededScheduler(3, clock);
    private final EventStore log = new Splitting(new InMemoryEventStore(
            Catalog.builder()
                    .event("moved", Moved.class)
                    .event("transferred", Transferred.class)
                    .build(),
            clock));
    private final InMemoryCheckpointStore checkpoints = new InMemoryCheckpointStore();
    private final List<ProjectionFailure> failures = new ArrayList<>();

    /** The amounts at which a fold throws. */
    private final Set<Integer> refused = new HashSet<>();

    private final Fold<Integer> sum = Fold.from(0).on(Moved.class, (cents, moved) -> {
        refuse(moved);
        return cents + moved.cents();
    });
    private final Keys<String> byAccount = Keys.by(Moved.class, Moved::account);
    private final Projection<List<String>> list = Projection.of(
                    "list", 1, Fold.<List<String>>from(List.of()).on(Moved.class, (all, moved) -> {
                        refuse(moved);
                        var more = new ArrayList<>(all);
                        more.add(moved.account() + moved.cents());
                        return List.copyOf(more);
                    }))
            .by(byAccount)
            .over(EventQuery.all());
    private final Projection<Map<String, Integer>> balances =
            Projection.keyed("balances", 1, byAccount, sum).over(EventQuery.all());

    private void refuse(Moved moved) {
        if (refused.contains(moved.cents())) {
            throw new IllegalStateException("refused " + moved.cents());
        }
    }

    private ProjectionEngine engine(Projection<?> projection, Delivery delivery) {
        var engine = ProjectionEngine.builder(log, failures::add)
                .checkpoints(checkpoints)
                .run(projection, delivery)
                .build();
        executor.runAll();
        return engine;
    }

    private void append(Object... events) {
        log.append(List.of(events), AppendCondition.none());
        executor.runAll();
    }

    /** By whom a view is folded. */
    enum By {
        APPENDERS,
        A_TASK,
        SEVERAL_WORKERS
    }

    private Delivery delivery(By whom) {
        return switch (whom) {
            case APPENDERS -> Delivery.inline();
            case A_TASK -> Delivery.background(executor);
            case SEVERAL_WORKERS -> Delivery.background(executor).workers(2);
        };
    }

    private static Map<String, Integer> read(ProjectionView<Map<String, Integer>> view) {
        return view.read(Map::copyOf);
    }

    @ParameterizedTest
    @EnumSource(names = {"APPENDERS", "A_TASK"})
    void a_part_that_fails_keeps_those_beside_it_out_of_the_view_until_all_are_folded_once(By whom) {
        refused.add(500);
        try (var engine = engine(list, delivery(whom))) {
            append(new Moved("a", 1), new Transferred(new Moved("a", 2), new Moved("b", 500)), new Moved("a", 3));

            var view = engine.view(list);
            assertThat(view.position()).isEqualTo(Position.of(1));
            assertThat(failures)
                    .singleElement()
                    .matches(failure -> failure.position().equals(Position.of(2)));

            refused.clear();
            assertThat(view.resume()).isTrue();
            executor.runAll();
            assertThat(view.<List<String>>read(all -> all)).containsExactly("a1", "a2", "b500", "a3");
            assertThat(view.position()).isEqualTo(log.head());
        }
    }

    @ParameterizedTest
    @EnumSource
    void one_of_more_parts_than_are_taken_at_once_is_folded_whole_whatever_lies_before_it(By whom) {
        int many = 5_000; // workers take 4,096
        append(IntStream.range(0, 250).mapToObj(i -> new Moved("a", i)).toArray());
        append(new Transferred(IntStream.rangeClosed(1, many)
                .mapToObj(i -> new Moved(i % 2 == 0 ? "b" : "c", i))
                .toList()));
        append(new Moved("b", -1));
        refused.add(many); // the last of the parts
        try (var engine = engine(balances, delivery(whom))) {
            var view = engine.view(balances);
            assertThat(view.position()).isEqualTo(Position.of(250));
            assertThat(failures)
                    .singleElement()
                    .matches(failure -> failure.position().equals(Position.of(251)));

            refused.clear();
            assertThat(view.resume()).isTrue();
            executor.runAll();
            int odd = (many / 2) * (many / 2);
            assertThat(read(view))
                    .containsOnly(
                            Map.entry("a", 249 * 250 / 2),
                            Map.entry("b", many * (many + 1) / 2 - odd - 1),
                            Map.entry("c", odd));
        }
    }

    @ParameterizedTest
    @EnumSource
    void one_is_put_aside_whole_with_what_follows_of_each_of_its_keys(By whom) {
        refused.add(500);
        try (var engine = engine(balances, delivery(whom).park())) {
            var view = engine.view(balances);
            append(
                    new Transferred(new Moved("a", 500), new Moved("b", -500)),
                    new Moved("c", 1),
                    new Transferred(new Moved("c", 2), new Moved("d", 3)),
                    new Moved("b", 4));
            append(
                    new Transferred(new Moved("d", 5), new Moved("a", 6)), // d waits for a from now on
                    new Transferred(new Moved("c", 7), new Moved("c", 8), new Moved("e", 9)),
                    new Moved("d", 10),
                    new Moved("e", 11));

            assertThat(read(view)).containsOnly(Map.entry("c", 18), Map.entry("d", 3), Map.entry("e", 20));
            assertThat(view.parked())
                    .extracting(parked -> parked.position().value(), Parked::key)
                    .as("each with the first of its keys")
                    .containsExactly(tuple(1L, "a"), tuple(4L, "b"), tuple(5L, "d"), tuple(7L, "d"));

            refused.clear();
            assertThat(view.retryParked("d")).isTrue();
            assertThat(view.parked()).isEmpty();
            assertThat(read(view))
                    .containsOnly(
                            Map.entry("a", 506),
                            Map.entry("b", -496),
                            Map.entry("c", 18),
                            Map.entry("d", 18),
                            Map.entry("e", 20));
        }
    }

    @ParameterizedTest
    @EnumSource
    void one_that_would_be_one_too_many_put_aside_stops_its_projection_before_it(By whom) {
        refused.add(500);
        append(new Moved("a", 500), new Moved("b", 1));
        try (var engine = engine(balances, delivery(whom).park(1))) {
            var view = engine.view(balances);
            assertThat(view.parked()).hasSize(1);

            append(new Moved("b", 2), new Transferred(new Moved("b", 3), new Moved("a", 4)), new Moved("b", 5));

            assertThat(view.status().state()).isEqualTo(ProjectionStatus.State.STOPPED);
            assertThat(view.position()).isEqualTo(Position.of(3));
            assertThat(view.parked()).hasSize(1);

            refused.clear();
            assertThat(view.retryParked("a")).isTrue();
            assertThat(view.resume()).isTrue();
            executor.runAll();
            assertThat(view.position()).isEqualTo(log.head());
            assertThat(read(view)).containsOnly(Map.entry("a", 504), Map.entry("b", 11));
        }
    }

    @Test
    void each_part_has_an_effect_of_its_own_and_all_are_tried_again_where_one_fails() {
        var done = new ArrayList<String>();
        var mailing = list.effect(Moved.class, (moved, trigger) -> {
            refuse(moved);
            assertThat(trigger.event().event()).isEqualTo(moved);
            done.add(trigger.id() + " " + moved.account());
        });
        try (var engine = engine(mailing, Delivery.background(executor).park())) {
            var view = engine.view(mailing);
            append(new Moved("x", 1), new Transferred(new Moved("a", 2), new Moved("b", 3)), new Moved("c", 4));
            assertThat(done).containsExactly("list/1 x", "list/2 a", "list/2.1 b", "list/3 c");

            // when the effect of the second part fails, what was done for the first is done again later
            done.clear();
            refused.add(6);
            append(new Transferred(new Moved("a", 5), new Moved("b", 6)), new Moved("a", 7), new Moved("d", 8));
            assertThat(done).containsExactly("list/6 d");
            refused.clear();
            assertThat(view.retryParked("b")).isTrue();
            assertThat(done).containsExactly("list/6 d", "list/4 a", "list/4.1 b", "list/5 a");
            assertThat(view.<List<String>>read(all -> all))
                    .containsExactly("x1", "a2", "b3", "c4", "d8", "a5", "b6", "a7");
        }
    }

    /** A store whose readers see each {@link Transferred} as its parts. */
    static final class Splitting extends Fronted {

        Splitting(EventStore store) {
            super(store);
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            return new Parts(super.read(query, options));
        }

        private static final class Parts extends Stream {
            private List<Moved> parts = List.of();
            private int at;

            Parts(EventStream stream) {
                super(stream);
            }

            @Override
            public boolean advance() {
                if (goesOnHere()) {
                    at++;
                    return true;
                }
                at = 0;
                boolean more = stream.advance();
                parts = more ? partsOf(stream.event()) : List.of();
                return more;
            }

            private static List<Moved> partsOf(Object event) {
                return event instanceof Transferred split ? split.parts() : List.of((Moved) event);
            }

            @Override
            public boolean goesOnHere() {
                return at + 1 < parts.size();
            }

            @Override
            public Object event() {
                return parts.get(at);
            }
        }
    }
}
