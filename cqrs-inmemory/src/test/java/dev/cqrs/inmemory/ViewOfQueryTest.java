package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.live.Backlog;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.runtime.ProjectionTimeoutException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Flow;
import org.junit.jupiter.api.Test;

/** From which view a query is answered that is waited for, or stays open: that of the registration that serves its class. */
class ViewOfQueryTest {

    record Deposited(int cents) {}

    sealed interface Ask extends Query<String> {}

    record Sum() implements Ask {}

    record Handmade() implements Ask {}

    non-sealed interface Plugin extends Ask {}

    record FromPlugin() implements Plugin {}

    record OtherFromPlugin() implements Plugin {}

    record Lone() implements Query<String> {}

    private static final Projection<Integer> SUM =
            Projection.of("sum", 1, Fold.from(0).on(Deposited.class, (sum, e) -> sum + e.cents()));

    private final List<Runnable> tasks = new ArrayList<>();
    private final List<Metadata> seen = new ArrayList<>();
    private final InMemoryEventStore store = new InMemoryEventStore(
            Catalog.builder().event("deposited", Deposited.class).build(), Clock.systemUTC());
    private final InMemoryCqrs app = InMemoryCqrs.builder(store)
            .query(Ask.class, SUM, (query, sum) -> query.getClass().getSimpleName() + " " + sum)
            .query(Handmade.class, query -> "made by hand")
            .run(SUM, Delivery.background(tasks::add))
            .intercept(0, (message, metadata, next) -> {
                seen.add(metadata);
                return next.proceed(message, metadata);
            })
            .onError(failure -> {})
            .build();

    private void deposit(int cents) {
        store.append(List.of(new Deposited(cents)), AppendCondition.none());
    }

    private void fold() {
        while (!tasks.isEmpty()) {
            tasks.remove(0).run();
        }
    }

    @Test
    void a_query_that_was_unknown_when_the_bus_was_built_is_waited_for_like_any_other() throws Exception {
        deposit(5);
        for (var query : List.of(new Sum(), new FromPlugin(), new OtherFromPlugin(), new FromPlugin())) {
            assertThatThrownBy(() -> app.ask(query, store.head(), Duration.ZERO))
                    .isInstanceOf(ProjectionTimeoutException.class);
        }
        fold();
        assertThat(app.ask(new Sum(), store.head(), Duration.ZERO)).isEqualTo("Sum 5");
        assertThat(app.ask(new FromPlugin(), store.head(), Duration.ZERO)).isEqualTo("FromPlugin 5");
        assertThat(app.ask(new OtherFromPlugin())).isEqualTo("OtherFromPlugin 5");
    }

    @Test
    void a_more_specific_registration_without_a_view_takes_its_class_out() {
        for (var query : List.of(new Handmade(), new Lone())) {
            assertThatThrownBy(() -> app.ask(query, store.head(), Duration.ZERO))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll(query.getClass().getName(), Ask.class.getName());
            assertThatThrownBy(() -> app.live(query, Backlog.latest(), Runnable::run))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll(query.getClass().getName(), Ask.class.getName());
        }
        assertThat(app.ask(new Handmade())).isEqualTo("made by hand");
    }

    @Test
    void metadata_reach_the_interceptors_of_a_query_that_is_waited_for() throws Exception {
        deposit(1);
        fold();
        var metadata = Metadata.withId("m");
        assertThat(app.ask(new Sum(), metadata, store.head(), Duration.ZERO)).isEqualTo("Sum 1");
        assertThat(app.ask(new Sum(), store.head(), Duration.ZERO)).isEqualTo("Sum 1");
        assertThat(seen).containsExactly(metadata, Metadata.none());
    }

    @Test
    void a_live_query_of_an_unknown_class_is_asked_each_time_with_its_metadata() {
        var told = new ArrayList<String>();
        var metadata = Metadata.withId("m");
        app.live(new FromPlugin(), metadata, Backlog.newest(10), Runnable::run).subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(Long.MAX_VALUE);
            }

            @Override
            public void onNext(String answer) {
                told.add(answer);
            }

            @Override
            public void onError(Throwable why) {
                told.add(why.toString());
            }

            @Override
            public void onComplete() {
                told.add("end");
            }
        });
        deposit(2);
        fold();
        app.close();
        assertThat(told).containsExactly("FromPlugin 0", "FromPlugin 2", "end");
        assertThat(seen).hasSizeGreaterThanOrEqualTo(2).containsOnly(metadata);
    }

    @Test
    void a_missing_argument_is_named() {
        assertThatThrownBy(() -> app.ask(nothing(), Metadata.none(), store.head(), Duration.ZERO))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("query");
        assertThatThrownBy(() -> app.ask(new Sum(), nothing(), store.head(), Duration.ZERO))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("metadata");
        assertThatThrownBy(() -> app.live(new Sum(), nothing(), Backlog.latest(), Runnable::run))
                .isInstanceOf(NullPointerException.class)
                .hasMessage("metadata");
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what it is for
    private static <T> T nothing() {
        return null;
    }
}
