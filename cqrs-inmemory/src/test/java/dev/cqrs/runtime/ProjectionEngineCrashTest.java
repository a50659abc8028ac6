package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.SimulatedCrash;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The engine in many orders of its tasks, with a crash at each of its writes and those of the appenders. */
class ProjectionEngineCrashTest {

    record Added(long number) {}

    private static final int EVENTS = 9;

    private static final Catalog CATALOG = Catalog.builder()
            .event("added", Added.class, e -> Set.of(Tag.of("parity", e.number() % 2 == 0 ? "even" : "odd")))
            .build();

    /** Its view tells every event that was folded, in order: one too many or too few shows. */
    private static final Fold<List<Long>> NUMBERS = Fold.from(List.<Long>of())
            .on(
                    Added.class,
                    (list, e) ->
                            Stream.concat(list.stream(), Stream.of(e.number())).toList());

    private static final Projection<List<Long>> SAVED = Projection.of("saved", 1, NUMBERS);
    private static final Projection<List<Long>> ODD =
            Projection.of("odd", 1, NUMBERS).over(EventQuery.tagged(Tag.of("parity", "odd")));
    private static final Projection<List<Long>> IN_PLACE = Projection.of(
            "in-place", 1, Fold.<List<Long>>fresh(ArrayList::new).change(Added.class, (l, e) -> l.add(e.number())));
    private static final Projection<List<Long>> INLINE = Projection.of("inline", 1, NUMBERS);

    /** Even numbers from four on are put aside, as four cannot be folded. */
    private static final Projection<List<Long>> PARKING = Projection.of(
                    "parking", 1, Fold.from(List.<Long>of()).on(Added.class, (list, e) -> {
                        if (e.number() == 4) {
                            throw new IllegalArgumentException("four");
                        }
                        return NUMBERS.apply(list, e);
                    }))
            .by(Keys.by(Added.class, e -> e.number() % 2));

    private static final List<Projection<List<Long>>> ALL = List.of(SAVED, ODD, IN_PLACE, INLINE);

    @Test
    void views_and_checkpoints_agree_with_the_log_after_every_step_and_whatever_crashes() {
        CrashPoints.explore(30, 1, (scheduler, crashes) -> {
            var run = new Run(scheduler, crashes);
            while (run.liveAndCrash()) {
                crashes.restart();
            }
            assertThat(run.log.head()).isEqualTo(Position.of(EVENTS));
            for (var projection : List.of(SAVED, ODD, INLINE)) {
                assertThat(run.saved.load(projection.name()).orElseThrow().position())
                        .as(projection.name())
                        .isEqualTo(Position.of(EVENTS));
            }
            assertThat(run.mailed.stream().distinct())
                    .containsExactlyElementsOf(
                            LongStream.rangeClosed(1, EVENTS).boxed().toList());
            assertThat(run.saved.load("parking").orElseThrow().parked())
                    .extracting(parked -> parked.position().value())
                    .containsExactly(4L, 6L, 8L);
        });
    }

    /** What outlives a process, and the process. */
    private static final class Run {
        final SeededScheduler scheduler;
        final CrashPoints crashes;
        final InMemoryEventStore log;
        final InMemoryCheckpointStore saved = new InMemoryCheckpointStore();
        final List<ProjectionFailure> failures = new ArrayList<>();

        /** The world outside. */
        final List<Long> mailed = new ArrayList<>();

        final Projection<List<Long>> mails = Projection.of("mails", 1, NUMBERS)
                .effect(
                        Added.class,
                        (event, trigger) ->
                                mailed.add(trigger.event().position().value()));

        Run(SeededScheduler scheduler, CrashPoints crashes) {
            this.scheduler = scheduler;
            this.crashes = crashes;
            this.log = new InMemoryEventStore(CATALOG, scheduler.clock());
        }

        /** Runs a process up to its end or its crash. */
        boolean liveAndCrash() {
            var store = crashes.around(log);
            var engine = ProjectionEngine.builder(store, failures::add)
                    .checkpoints(crashes.around(saved))
                    .background(SAVED, named("saved"))
                    .background(ODD, named("odd"))
                    .background(IN_PLACE, named("in-place"))
                    .background(mails, named("mails"))
                    .run(PARKING, Delivery.background(named("parking")).batch(2).park())
                    .inline(INLINE)
                    .build();
            var appender = named("appender");
            for (long i = log.head().value(); i < EVENTS; i++) {
                appender.execute(() -> append(store));
            }
            while (scheduler.runOne()) {
                check(engine);
            }
            if (!crashes.isCrashed()) {
                for (var projection : ALL) {
                    assertThat(engine.view(projection).position()).isEqualTo(log.head());
                }
                engine.close();
            }
            failures.removeIf(failure -> failure.outcome() == ProjectionFailure.Outcome.PARKED);
            assertThat(failures)
                    .allSatisfy(failure -> assertThat(failure.cause()).isInstanceOf(SimulatedCrash.class));
            assertThat(failures.isEmpty() || crashes.passed() > 0).isTrue();
            return crashes.isCrashed();
        }

        private Executor named(String name) {
            return crashes.around(scheduler.named(name));
        }

        /** Appends up to three numbers, each that of its place. */
        private void append(EventStore store) {
            long next = store.head().value() + 1;
            long last = Math.min(EVENTS, next + scheduler.choose(3));
            if (next <= last) {
                store.append(
                        LongStream.rangeClosed(next, last).mapToObj(Added::new).toList(), AppendCondition.none());
            }
        }

        private void check(ProjectionEngine engine) {
            saved.load("parking").ifPresent(checkpoint -> {
                long position = checkpoint.position().value();
                assertThat(checkpoint.state())
                        .isEqualTo(LongStream.rangeClosed(1, position)
                                .filter(number -> number < 4 || number % 2 == 1)
                                .boxed()
                                .toList());
                assertThat(checkpoint.parked())
                        .extracting(parked -> parked.position().value())
                        .isEqualTo(LongStream.rangeClosed(4, position)
                                .filter(number -> number % 2 == 0)
                                .boxed()
                                .toList());
            });
            for (var projection : ALL) {
                saved.load(projection.name())
                        .ifPresent(checkpoint -> assertThat(checkpoint.state())
                                .as("checkpoint of %s", projection.name())
                                .isEqualTo(numbers(projection, checkpoint.position())));
                if (!crashes.isCrashed()) {
                    var view = engine.view(projection);
                    assertThat(view.<List<Long>>read(List::copyOf))
                            .as("view of %s", projection.name())
                            .isEqualTo(numbers(projection, view.position()));
                }
            }
            if (!crashes.isCrashed()) {
                assertThat(engine.view(INLINE).position()).isEqualTo(log.head());
            }
        }

        private static List<Long> numbers(Projection<?> projection, Position until) {
            return LongStream.rangeClosed(1, until.value())
                    .filter(number -> !projection.equals(ODD) || number % 2 == 1)
                    .boxed()
                    .toList();
        }
    }
}
