package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.interceptor.InterceptorOrder;
import dev.cqrs.interceptor.Retry;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryHandler;
import dev.cqrs.runtime.ProjectionFailure;
import dev.cqrs.runtime.ProjectionStatus;
import dev.cqrs.runtime.ProjectionStoppedException;
import dev.cqrs.suite.Fronted;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InMemoryCqrsTest {

    sealed interface Counting extends Command<Done> {}

    record Count(int by) implements Counting {}

    record Reset() implements Counting {}

    record Counted(int by) {}

    record HowMany() implements Query<Integer> {}

    static final Fold<Integer> SUM = Fold.from(0).on(Counted.class, (sum, e) -> sum + e.by());
    static final Projection<Integer> COUNT = Projection.of("count", 1, SUM);

    static InMemoryCqrs.Builder counting() {
        return InMemoryCqrs.builder(Clock.systemUTC())
                .event("counted", Counted.class)
                .decide(
                        Count.class,
                        c -> DecisionModel.of(EventQuery.types(Counted.class), SUM),
                        (c, sum) -> Decision.accept(new Counted(c.by())));
    }

    @Test
    void every_fault_of_every_part_is_listed_at_once() {
        var builder = InMemoryCqrs.builder(Clock.systemUTC())
                .event("counted", Counted.class)
                .event("counted", String.class)
                .run(Count.class, c -> {})
                .run(Count.class, c -> {})
                .requireAll(Counting.class)
                .query(HowMany.class, q -> 1)
                .query(HowMany.class, COUNT, (q, v) -> v)
                .projection(Projection.of("count", 2, SUM))
                .background(Projection.of("other", 1, SUM), Runnable::run);

        assertThatThrownBy(builder::build)
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .hasSize(6)
                                .anySatisfy(f -> assertThat(f).contains("The name \"counted\""))
                                .anySatisfy(f -> assertThat(f).contains("Count has two handlers"))
                                .anySatisfy(f -> assertThat(f).contains("requireAll", "Reset"))
                                .anySatisfy(f -> assertThat(f).contains("HowMany has two handlers"))
                                .anySatisfy(f -> assertThat(f).contains("Two projections are named \"count\""))
                                .anySatisfy(f -> assertThat(f).contains("background(...) needs onError(...)")));
    }

    static final class Reckon implements Command<Done> {}

    @Test
    void a_command_that_is_no_record_is_listed_too_where_the_catalog_has_faults() {
        var builder = InMemoryCqrs.builder(Clock.systemUTC())
                .event("counted", Counted.class)
                .event("counted", String.class)
                .decide(
                        Reckon.class,
                        c -> DecisionModel.of(EventQuery.types(Counted.class), SUM),
                        (c, sum) -> Decision.accept(new Counted(1)))
                .idempotent();

        assertThatThrownBy(builder::build)
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .hasSize(2)
                                .anySatisfy(f -> assertThat(f).contains("The name \"counted\""))
                                .anySatisfy(f -> assertThat(f).contains("Reckon is no record")));
    }

    sealed interface Asking extends Query<Integer> {}

    record AskedFor() implements Asking {}

    @Test
    void what_is_said_twice_or_not_answered_is_a_fault() {
        var builder = counting()
                .requireAll(Asking.class)
                .onError(failure -> {})
                .onError(failure -> {})
                .projection(COUNT)
                .projection(COUNT);

        assertThatThrownBy(builder::build)
                .isInstanceOfSatisfying(
                        WiringException.class,
                        e -> assertThat(e.faults())
                                .hasSize(3)
                                .anySatisfy(f -> assertThat(f)
                                        .contains("requireAll(" + Asking.class.getName(), AskedFor.class.getName()))
                                .anySatisfy(f -> assertThat(f).contains("onError(...) was called twice"))
                                .anySatisfy(f -> assertThat(f).contains("Two projections are named \"count\"")));
    }

    @Test
    void handlers_are_given_metadata_where_they_want_them_and_a_family_of_queries_is_covered() {
        var given = new ArrayList<Metadata>();
        try (var app = InMemoryCqrs.builder(Clock.systemUTC())
                .requireAll(Asking.class)
                .handle(Reset.class, (c, metadata) -> {
                    given.add(metadata);
                    return Done.DONE;
                })
                .query(AskedFor.class, (q, metadata) -> {
                    given.add(metadata);
                    return 7;
                })
                .build()) {
            app.dispatch(new Reset(), Metadata.withId("1"));

            assertThat(app.ask(new AskedFor(), Metadata.withId("2"))).isEqualTo(7);
            assertThat(given).containsExactly(Metadata.withId("1"), Metadata.withId("2"));
            assertThat(app.queries().ask(new AskedFor())).isEqualTo(7);
        }
    }

    @Test
    void ids_cannot_be_remembered_for_no_time_or_less() {
        for (var none : List.of(Duration.ZERO, Duration.ofNanos(-1))) {
            assertThatThrownBy(() -> counting().idempotent(none, Clock.systemUTC()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(none.toString());
        }
    }

    @Test
    void events_beside_a_given_store_are_a_fault_as_the_store_has_its_catalog() {
        var store = new InMemoryEventStore(Catalog.builder().build(), Clock.systemUTC());

        assertThatThrownBy(() -> InMemoryCqrs.builder(store)
                        .event("counted", Counted.class)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("catalog of its own");
    }

    @Test
    void a_builder_makes_one_application_and_a_second_build_leaves_it_as_it_is() {
        var builder = counting().query(HowMany.class, COUNT, (q, count) -> count);
        try (var app = builder.build()) {
            assertThatThrownBy(builder::build)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("another builder");

            app.dispatch(new Count(2));
            assertThat(app.ask(new HowMany())).isEqualTo(2);
            assertThat(app.store().head()).isEqualTo(Position.of(1));
        }
    }

    @Test
    void a_builder_that_failed_may_be_corrected() {
        var builder = counting().requireAll(Counting.class);
        assertThatThrownBy(builder::build).isInstanceOf(WiringException.class);

        try (var app = builder.run(Reset.class, c -> {}).build()) {
            app.dispatch(new Count(2));
            assertThat(app.store().head()).isEqualTo(Position.of(1));
        }
    }

    @Test
    @SuppressWarnings("NullAway") // nulls are handed over to see them refused
    void nulls_are_refused_where_they_are_given() {
        DecisionModel<Integer> model = DecisionModel.of(EventQuery.types(Counted.class), SUM);
        try (var app = counting().build()) {
            for (ThrowingCallable call : List.<ThrowingCallable>of(
                    () -> InMemoryCqrs.builder((Clock) null),
                    () -> InMemoryCqrs.builder((EventStore) null),
                    () -> app.dispatch(null),
                    () -> app.dispatch(new Count(1), null),
                    () -> app.ask(null),
                    () -> app.ask(new HowMany(), null),
                    () -> app.view(null),
                    () -> counting().event(null, String.class),
                    () -> counting().event("another", null),
                    () -> counting().event("another", String.class, null),
                    () -> counting().tags(null, e -> Set.of()),
                    () -> counting().tags(String.class, null),
                    () -> counting().handle(null, (Count c) -> Done.DONE),
                    () -> counting().handle(Count.class, (CommandHandler<Count, Done>) null),
                    () -> counting().handle(Count.class, (CommandHandler.Plain<Count, Done>) null),
                    () -> counting().run(null, c -> {}),
                    () -> counting().run(Count.class, null),
                    () -> counting().decide((Class<Count>) null, c -> model, (c, sum) -> Decision.accept()),
                    () -> counting().<Count, Integer>decide(Count.class, null, (c, sum) -> Decision.accept()),
                    () -> counting().decide(Count.class, c -> model, null),
                    () -> counting().decide(Count.class, c -> model, (c, sum) -> Decision.accept(), null),
                    () -> counting().idempotent(null, Clock.systemUTC()),
                    () -> counting().idempotent(Duration.ofDays(1), null),
                    () -> counting().query(null, (HowMany q) -> 1),
                    () -> counting().query(HowMany.class, (QueryHandler<HowMany, Integer>) null),
                    () -> counting().query(HowMany.class, (QueryHandler.Plain<HowMany, Integer>) null),
                    () -> counting().query((Class<HowMany>) null, COUNT, (q, v) -> v),
                    () -> counting().query(HowMany.class, null, (q, v) -> 1),
                    () -> counting().query(HowMany.class, COUNT, null),
                    () -> counting().projection(null),
                    () -> counting().background(null, Runnable::run),
                    () -> counting().background(COUNT, null),
                    () -> counting().checkpoints(null),
                    () -> counting().requireAll(null),
                    () -> counting().intercept(0, null),
                    () -> counting().onError(null))) {
                assertThatThrownBy(call).isInstanceOf(NullPointerException.class);
            }
        }
    }

    /** State-based: the handler's state is its own, the events are appended afterwards, projections follow. */
    @Test
    void a_handler_may_keep_its_own_state_and_append_events_afterwards_to_a_store_it_knows() {
        var store = new InMemoryEventStore(
                Catalog.builder().event("counted", Counted.class).build(), Clock.systemUTC());
        var table = new int[1];
        try (var app = InMemoryCqrs.builder(store)
                .run(Count.class, c -> {
                    table[0] += c.by();
                    store.append(List.of(new Counted(c.by())), AppendCondition.none());
                })
                .query(HowMany.class, COUNT, (q, count) -> count)
                .build()) {
            app.dispatch(new Count(2));
            app.dispatch(new Count(3));

            assertThat(table[0]).isEqualTo(5);
            assertThat(app.ask(new HowMany())).isEqualTo(5);
        }
    }

    @Test
    void a_query_is_answered_from_a_background_projection_where_one_is_given() {
        var tasks = new ArrayList<Runnable>();
        try (var app = counting()
                .query(HowMany.class, COUNT, (q, count) -> count)
                .background(COUNT, tasks::add)
                .onError(failure -> {})
                .build()) {
            app.dispatch(new Count(2));
            assertThat(app.ask(new HowMany())).isZero();

            List.copyOf(tasks).forEach(Runnable::run);

            assertThat(app.ask(new HowMany())).isEqualTo(2);
        }
    }

    record InTotal(String of) implements Query<Integer> {}

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void a_view_that_answers_null_is_told_by_name_and_not_asked_again(boolean inPlace) throws Exception {
        var totals = Projection.of(
                "totals",
                1,
                inPlace
                        ? Fold.<Map<String, Integer>>fresh(HashMap::new)
                                .change(Counted.class, (view, e) -> view.merge("all", e.by(), Integer::sum))
                        : Fold.from(Map.<String, Integer>of())
                                .on(Counted.class, (view, e) -> Map.of("all", view.getOrDefault("all", 0) + e.by())));
        var asked = new ArrayList<String>();
        try (var app = counting()
                .intercept(InterceptorOrder.RETRY, Retry.atOnce(3).on(RuntimeException.class))
                .query(InTotal.class, totals, (q, view) -> {
                    asked.add(q.of());
                    return view.get(q.of());
                })
                .build()) {
            app.dispatch(new Count(2));
            var route = app.queries().handlerFor(InTotal.class);
            for (ThrowingCallable call : List.<ThrowingCallable>of(
                    () -> app.ask(new InTotal("none")),
                    () -> route.handle(new InTotal("none")),
                    () -> app.ask(new InTotal("none"), app.store().head(), Duration.ZERO))) {
                asked.clear();
                assertThatThrownBy(call)
                        .isInstanceOfSatisfying(
                                HandlerFailedException.class,
                                e -> assertThat(e.messageType()).isEqualTo(InTotal.class))
                        .hasMessageContaining("The answer from the view of projection \"totals\" returned null for "
                                + InTotal.class.getName());
                assertThat(asked).containsExactly("none");
            }
            assertThat(app.ask(new InTotal("all"))).isEqualTo(2);
            app.dispatch(new Count(3));
            assertThat(app.ask(new InTotal("all"), app.store().head(), Duration.ZERO))
                    .isEqualTo(5);
        }
    }

    @Test
    void metadata_and_interceptors_reach_commands_and_queries() {
        var seen = new ArrayList<String>();
        try (var app = counting()
                .query(HowMany.class, COUNT, (q, count) -> count)
                .intercept(0, (message, metadata, next) -> {
                    seen.add(message.getClass().getSimpleName() + " "
                            + metadata.id().orElse("-"));
                    return next.proceed(message, metadata);
                })
                .build()) {
            app.dispatch(new Count(1), Metadata.withId("7"));
            app.ask(new HowMany());

            assertThat(seen).containsExactly("Count 7", "HowMany -");
        }
    }

    @Test
    void after_close_it_says_that_it_is_closed_and_a_second_close_does_nothing() {
        var app = counting().query(HowMany.class, COUNT, (q, count) -> count).build();
        app.dispatch(new Count(1));
        app.close();
        app.close();

        assertThatThrownBy(() -> app.dispatch(new Count(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> app.ask(new HowMany()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("This InMemoryCqrs is closed");
        assertThatThrownBy(() -> app.ask(new HowMany(), Metadata.none()))
                .hasMessageContaining("This InMemoryCqrs is closed");
        assertThat(app.store().head()).isEqualTo(Position.of(1));
        app.store().append(List.of(new Counted(5)), AppendCondition.none());
        assertThat(app.projections().status())
                .singleElement()
                .satisfies(status -> assertThat(status.position())
                        .as("its projections stand still")
                        .isEqualTo(Position.of(1)));
    }

    @Test
    void an_application_whose_store_throws_when_it_is_left_is_closed_all_the_same() {
        isClosedAllTheSame(COUNT);
        isClosedAllTheSame(Projection.of("stopped", 1, Fold.from(0).on(Counted.class, (count, e) -> {
            throw new IllegalStateException("no such count");
        })));
    }

    private void isClosedAllTheSame(Projection<Integer> projection) {
        var gone = new IllegalStateException("no network");
        var catalog = Catalog.builder().event("counted", Counted.class).build();
        var store = new Fronted(new InMemoryEventStore(catalog, Clock.systemUTC())) {
            @Override
            public Subscription onAppend(Signal signal) {
                var following = super.onAppend(signal);
                return () -> {
                    following.close();
                    throw gone;
                };
            }
        };
        var app = InMemoryCqrs.builder(store)
                .run(Reset.class, c -> store.append(List.of(new Counted(1)), AppendCondition.none()))
                .query(HowMany.class, projection, (q, count) -> count)
                .build();

        if (projection.name().equals("stopped")) {
            store.append(List.of(new Counted(1)), AppendCondition.none());
            assertThat(app.projections().status())
                    .singleElement()
                    .satisfies(status -> assertThat(status.state()).isEqualTo(ProjectionStatus.State.STOPPED));
        }
        var head = store.head();

        assertThatThrownBy(app::close).isSameAs(gone);

        assertThatThrownBy(() -> app.dispatch(new Reset())).hasMessageContaining("This InMemoryCqrs is closed");
        assertThatThrownBy(() -> app.ask(new HowMany())).hasMessageContaining("This InMemoryCqrs is closed");
        assertThat(store.head()).isEqualTo(head);
        app.close();
    }

    @Test
    @SuppressWarnings("try") // closed by hand, too
    void an_application_that_is_not_closed_as_a_view_is_being_read_stays_open() {
        var list = Projection.of(
                "list",
                1,
                Fold.<List<Integer>>fresh(ArrayList::new).change(Counted.class, (all, e) -> all.add(e.by())));
        try (var app = counting().projection(list).build()) {
            app.dispatch(new Count(1));

            assertThatThrownBy(() -> app.view(list).read(all -> {
                        app.close();
                        return all.size();
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("close");

            app.dispatch(new Count(2));
            int size = app.view(list).read(List::size);
            assertThat(size).isEqualTo(2);
        }
    }

    @Test
    void a_handler_that_closes_the_application_ends_normally() {
        var self = new AtomicReference<InMemoryCqrs>();
        var app = counting()
                .run(Reset.class, c -> Objects.requireNonNull(self.get()).close())
                .build();
        self.set(app);

        assertThat(app.dispatch(new Reset())).isEqualTo(Done.DONE);
        assertThatThrownBy(() -> app.dispatch(new Count(1))).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void a_stopped_projection_is_told_to_the_listener_and_to_who_asks() {
        var failures = new ArrayList<ProjectionFailure>();
        var failing = Projection.of("failing", 1, Fold.from(0).on(Counted.class, (sum, e) -> {
            throw new IllegalStateException("boom");
        }));
        try (var app = counting()
                .query(HowMany.class, failing, (q, v) -> v)
                .onError(failures::add)
                .build()) {
            app.dispatch(new Count(1));

            assertThat(failures)
                    .singleElement()
                    .satisfies(f -> assertThat(f.position()).isEqualTo(Position.of(1)));
            assertThatThrownBy(() -> app.ask(new HowMany())).isInstanceOf(ProjectionStoppedException.class);
        }
    }

    @Test
    void without_a_listener_a_handler_of_uncaught_exceptions_that_throws_is_told_once_and_disturbs_nobody() {
        var handled = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((t, e) -> {
            handled.add(e);
            throw new IllegalArgumentException("the handler's own");
        });
        var failing = Projection.of("failing", 1, Fold.from(0).on(Counted.class, (sum, e) -> {
            throw new IllegalStateException("boom");
        }));
        try (var app = counting().projection(failing).build()) {
            app.dispatch(new Count(1));

            assertThat(handled).singleElement().isInstanceOf(ProjectionStoppedException.class);
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
    }

    @Test
    void without_a_listener_the_thread_is_told_of_a_stopped_projection() {
        var uncaught = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((t, e) -> uncaught.add(e));
        var failing = Projection.of("failing", 1, Fold.from(0).on(Counted.class, (sum, e) -> {
            throw new IllegalStateException("boom");
        }));
        try (var app = counting().projection(failing).build()) {
            app.dispatch(new Count(1));

            assertThat(uncaught).singleElement().isInstanceOf(ProjectionStoppedException.class);
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
    }
}
