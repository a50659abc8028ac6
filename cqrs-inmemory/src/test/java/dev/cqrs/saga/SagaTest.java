package dev.cqrs.saga;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.WiringException;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Do;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Packed;
import dev.cqrs.suite.Parts.Receipt;
import dev.cqrs.suite.Parts.Weighed;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SagaTest {

    private static Saga.Builder<Known> job() {
        return Saga.named("job", Parts.KNOWN);
    }

    private static Do part(Known known) {
        return known.part("a");
    }

    @Test
    void all_that_is_wrong_with_a_saga_is_told_at_once() {
        var builder = Saga.named("a/b", Parts.KNOWN)
                .compensate(SagaTest::part)
                .startedBy(Object.class, Object::toString)
                .startedBy(Ordered.class, Ordered::job)
                .startedBy(Ordered.class, Ordered::job)
                .step("one", SagaTest::part)
                .compensate(SagaTest::part)
                .compensate(SagaTest::part)
                .step("one", SagaTest::part)
                .parallel(nothing -> {})
                .timeout(Duration.ofSeconds(1))
                .retry(Duration.ofSeconds(1))
                .unsure(RuntimeException.class)
                .parallel(outer -> outer.parallel(inner -> inner.step("two", SagaTest::part))
                        .pivot("three", SagaTest::part))
                .pivot("four", SagaTest::part)
                .pivot("five", SagaTest::part)
                .step("six", SagaTest::part)
                .compensate(SagaTest::part)
                .await("seven", Packed.class, Packed::job)
                .compensate(SagaTest::part)
                .await("eight", Packed.class, Packed::job);

        assertThatThrownBy(builder::build).isInstanceOfSatisfying(WiringException.class, wrong -> {
            assertThat(wrong).hasMessageStartingWith("Saga \"a/b\": ");
            assertThat(String.join("\n", wrong.faults()))
                    .contains(
                            "The name of a saga is \"a/b\"",
                            "compensate(...) has no step before it",
                            "Ordered starts it twice",
                            "The step \"one\" has two compensations",
                            "Two steps are named \"one\"",
                            "parallel(...) was given no steps",
                            "timeout(...) has no step before it",
                            "retry(...) has no step before it",
                            "unsure(...) has no step before it",
                            "within parallel(...)",
                            "The pivot \"three\" is given to parallel(...)",
                            "is a second pivot",
                            "The step \"six\" has a compensation, but there is no way back",
                            "The step \"seven\" has a compensation, but is an event",
                            "Two steps wait for dev.cqrs.suite.Parts$Packed",
                            "The classes that start it, java.lang.Object and dev.cqrs.suite.Parts$Ordered fit one event");
        });
        assertThatThrownBy(() -> job().build()).hasMessageContaining("It has no steps");
    }

    @Test
    void numbers_and_times_are_checked_where_they_are_given() {
        assertThatThrownBy(() -> job().version(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> job().within(Duration.ZERO)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> job().step("a", SagaTest::part).timeout(Duration.ofSeconds(-1)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> job().retry(Duration.ofSeconds(-1))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ProcessManager.named("m", Parts.KNOWN).version(0))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Reaction.startTimer("t", Duration.ofSeconds(-1)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void all_that_is_wrong_with_a_process_manager_is_told_at_once() {
        assertThatThrownBy(() -> ProcessManager.named(" ", Parts.KNOWN)
                        .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of())
                        .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of())
                        .on(Ordered.class, Ordered::job, (known, e) -> List.of())
                        .on(Ordered.class, Ordered::job, (known, e) -> List.of())
                        .onTimer("t", known -> List.of())
                        .onTimer("t", known -> List.of())
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("The name of a process manager")
                .hasMessageContaining("starts it twice")
                .hasMessageContaining("is reacted to twice")
                .hasMessageContaining("starts it and is reacted to")
                .hasMessageContaining("The timer \"t\" is reacted to twice");
        assertThatThrownBy(() -> ProcessManager.named("m", Parts.KNOWN).build())
                .hasMessageContaining("It reacts to no event");
    }

    @Test
    void what_is_started_by_events_needs_a_log_from_which_they_come() {
        var clock = Clock.systemUTC();
        var operations = new InMemoryEventStore(Parts.operations(), clock);
        var byEvents = job().startedBy(Ordered.class, Ordered::job)
                .step("a", SagaTest::part)
                .build();
        var byHand = job().step("a", SagaTest::part).build();
        var manager = ProcessManager.named("m", Parts.KNOWN)
                .startedBy(Ordered.class, Ordered::job, (known, ordered) -> List.of())
                .build();
        assertThatThrownBy(() -> SagaEngine.builder(operations, clock)
                        .name("one")
                        .add(byEvents)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("Events start instances of \"job\" version 1, but there is no log")
                .hasMessageContaining("domain(...), or leave startedBy out");

        try (var engine = SagaEngine.builder(operations, clock)
                .name("one")
                .add(byHand)
                .add(manager)
                .build()) {
            assertThat(engine.begin("job", "j", new Ordered("j"))).isTrue();
            assertThat(engine.begin("m", "j", new Ordered("j"))).isTrue();
        }
    }

    @Test
    void all_that_is_wrong_with_an_engine_is_told_at_once() {
        var clock = Clock.systemUTC();
        var empty = new InMemoryEventStore(Catalog.builder().build(), clock);
        var untagged = new InMemoryEventStore(
                Catalog.builder()
                        .event("started", SagaEvent.Started.class)
                        .event("continued", SagaEvent.Continued.class)
                        .build(),
                clock);
        var saga = job().startedBy(Ordered.class, Ordered::job)
                .await("packed", Packed.class, Packed::job)
                .build();
        assertThatThrownBy(() -> SagaEngine.builder(empty, clock).build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("It has no sagas")
                .hasMessageContaining("It has no name")
                .hasMessageContaining("does not know Started. Use SagaEngine.catalog(...)");
        assertThatThrownBy(() -> SagaEngine.builder(untagged, clock)
                        .add(saga)
                        .add(saga)
                        .domain(untagged)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("is there twice in version 1")
                .hasMessageContaining("without its tags")
                .hasMessageContaining("The catalog of the operations log does not know dev.cqrs.suite.Parts$Ordered")
                .hasMessageContaining("The catalog of the domain's log does not know dev.cqrs.suite.Parts$Packed")
                .hasMessageContaining("does not know dev.cqrs.suite.Parts$Receipt")
                .hasMessageContaining("are one");
        assertThatThrownBy(() -> SagaEngine.builder(new InMemoryEventStore(Parts.operations(), clock), clock)
                        .add(saga)
                        .build())
                .hasMessageContaining("there is no log from which they are taken in");
        var builder = SagaEngine.builder(empty, clock);
        assertThatThrownBy(() -> builder.atOnce(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder.expiries(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder.lease(Duration.ZERO)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder.name(" ")).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void a_step_that_is_an_event_has_no_command_to_be_tried_again() {
        assertThatThrownBy(() -> job().await("packed", Packed.class, Packed::job)
                        .retry(Duration.ZERO)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("The step \"packed\" is an event, and has retry(...) or unsure(...)");
    }

    interface Heavy {}

    interface Fragile {}

    record Piano(String job) implements Heavy, Fragile {}

    @Test
    void an_event_that_has_two_meanings_by_two_interfaces_is_a_fault_of_the_engine() {
        var clock = Clock.systemUTC();
        var saga = Saga.named("job", Fold.from(0))
                .await("heavy", Heavy.class, e -> "j")
                .await("fragile", Fragile.class, e -> "j")
                .build();
        var operations = new InMemoryEventStore(
                SagaEngine.catalog(Catalog.builder())
                        .event("piano", Piano.class)
                        .build(),
                clock);
        var domain = new InMemoryEventStore(
                Catalog.builder().event("piano", Piano.class).build(), clock);
        assertThatThrownBy(() -> SagaEngine.builder(operations, clock)
                        .name("sagas")
                        .add(saga)
                        .domain(domain)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("Piano is several of \"job\" version 1")
                .hasMessageContaining("Fragile")
                .hasMessageContaining("Heavy");
    }

    @Test
    void each_class_of_an_event_that_is_taken_in_is_known_to_both_catalogs() {
        interface Moved {}
        record Carried(String job) implements Moved {}
        record Shipped(String job) implements Moved {}
        var clock = Clock.systemUTC();
        var saga = Saga.named("job", Fold.from(0))
                .startedBy(Moved.class, e -> "j")
                .step("a", known -> new Do("j", "a"))
                .build();
        var operations = new InMemoryEventStore(
                SagaEngine.catalog(Catalog.builder())
                        .event("carried", Carried.class)
                        .build(),
                clock);
        var domain = new InMemoryEventStore(
                Catalog.builder()
                        .event("carried", Carried.class)
                        .event("shipped", Shipped.class)
                        .build(),
                clock);
        assertThatThrownBy(() -> SagaEngine.builder(operations, clock)
                        .name("sagas")
                        .add(saga)
                        .domain(domain)
                        .build())
                .isInstanceOfSatisfying(
                        WiringException.class,
                        wrong -> assertThat(wrong.faults())
                                .singleElement()
                                .asString()
                                .contains("The catalog of the operations log does not know")
                                .contains("Shipped of \"job\" version 1"));
    }

    @Test
    void an_engine_is_started_once() {
        var clock = Clock.systemUTC();
        var engine = SagaEngine.builder(new InMemoryEventStore(Parts.operations(), clock), clock)
                .name("sagas")
                .add(job().step("a", SagaTest::part).build())
                .build();
        var bus = Parts.bus(new InMemoryEventStore(Parts.domain(), clock), (command, data) -> {});
        engine.start(bus, Runnable::run, (delay, task) -> {}, failure -> {});
        assertThatThrownBy(() -> engine.start(bus, Runnable::run, (delay, task) -> {}, failure -> {}))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("was started before");
        engine.close();
    }

    @Test
    void an_id_tells_where_it_comes_from() {
        assertThat(SagaEngine.commandId("order", "a/b", "pay", false, 2)).isEqualTo("order/a/b/pay/2");
        assertThat(SagaEngine.commandId("order", "4711", "pay", true, 1)).isEqualTo("order/4711/pay/undo-1");
        assertThat(job().step("a", SagaTest::part).version(3).build()).hasToString("Saga[job, version=3]");
        assertThat(ProcessManager.named("m", Fold.from(0))
                        .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of())
                        .build())
                .hasToString("ProcessManager[m, version=1]");
    }

    @Test
    void what_is_just_right_is_no_fault() {
        var longest = "n".repeat(Tag.MAX_LENGTH / 10);
        var saga = Saga.named(longest, Parts.KNOWN)
                .version(1)
                .retry(Duration.ZERO)
                .unsure(RuntimeException.class)
                .within(Duration.ofNanos(1))
                .startedBy(Ordered.class, Ordered::job)
                .step(longest, SagaTest::part)
                .compensate(SagaTest::part)
                .timeout(Duration.ofNanos(1))
                .retry(Duration.ofSeconds(1))
                .unsure(IllegalStateException.class)
                .parallel(both -> both.step("two", SagaTest::part)
                        .compensate(SagaTest::part)
                        .await("packed", Packed.class, Packed::job))
                .pivot("three", SagaTest::part)
                .build();
        assertThat(saga.name()).isEqualTo(longest);
        assertThat(saga.version()).isEqualTo(1);
        assertThatThrownBy(() -> Saga.named(longest + "n", Parts.KNOWN)
                        .step("a", SagaTest::part)
                        .build())
                .hasMessageContaining("has at most " + longest.length() + " characters");
        assertThatThrownBy(() -> job().step("a/b", SagaTest::part).build()).hasMessageContaining("The name of a step");
        var manager = ProcessManager.named("m", Parts.KNOWN)
                .version(2)
                .startedBy(Ordered.class, Ordered::job, (known, e) -> List.of())
                .build();
        assertThat(manager.name()).isEqualTo("m");
        assertThat(manager.version()).isEqualTo(2);
    }

    @Test
    void within_parallel_what_speaks_of_a_step_needs_one_before_it() {
        assertThatThrownBy(() -> job().parallel(both -> both.retry(Duration.ZERO)
                                .unsure(RuntimeException.class)
                                .step("a", SagaTest::part))
                        .build())
                .isInstanceOfSatisfying(
                        WiringException.class,
                        wrong -> assertThat(String.join("\n", wrong.faults()))
                                .contains("retry(...) has no step before it", "unsure(...) has no step before it"));
    }

    @Test
    void each_compensation_and_each_pivot_that_cannot_be_is_a_fault() {
        assertThatThrownBy(() -> job().pivot("a", SagaTest::part)
                        .compensate(SagaTest::part)
                        .build())
                .hasMessageContaining("The step \"a\" has a compensation, but there is no way back from the pivot on.");
        assertThatThrownBy(() -> job().await("packed", Packed.class, Packed::job)
                        .unsure(RuntimeException.class)
                        .build())
                .hasMessageContaining("is an event, and has retry(...) or unsure(...)");
        assertThatThrownBy(() -> ProcessManager.named("m", Parts.KNOWN)
                        .startedBy(Object.class, Object::toString, (known, e) -> List.of())
                        .on(Ordered.class, Ordered::job, (known, e) -> List.of())
                        .onTimer("a/b", known -> List.of())
                        .build())
                .hasMessageContaining("java.lang.Object and " + Ordered.class.getName() + " fit one event")
                .hasMessageContaining("The name of a timer is \"a/b\"");
    }

    @Test
    void who_waits_in_vain_is_told_how_it_stands_and_what_to_do() {
        var waits =
                new SagaInstance("job", "j", 1, State.WAITING, "", Instant.EPOCH, Optional.empty(), "", "", List.of());
        assertThat(new SagaTimeoutException(waits, Duration.ofSeconds(1)))
                .hasMessage("The saga \"job\" of \"j\" is WAITING after PT1S; expected an end."
                        + " Wait longer, or see with status() whether an engine is there.");
        var parked = new SagaInstance(
                "job", "j", 1, State.PARKED, "a", Instant.EPOCH, Optional.empty(), "", "no", List.of());
        assertThat(new SagaTimeoutException(parked, Duration.ofSeconds(1)))
                .hasMessage("The saga \"job\" of \"j\" is PARKED at step \"a\" (no) after PT1S; expected an end."
                        + " Have it go on with resume(...), skip(...) or cancel(...).");
    }

    private static SagaEngine engine(InMemoryEventStore operations) {
        return SagaEngine.builder(operations, Clock.systemUTC())
                .name("sagas")
                .add(job().step("a", SagaTest::part).build())
                .build();
    }

    @Test
    void a_saga_that_the_engine_does_not_have_or_a_key_that_is_too_long_is_not_begun() {
        var engine = engine(new InMemoryEventStore(Parts.operations(), Clock.systemUTC()));
        assertThatThrownBy(() -> engine.begin("work", "j", new Ordered("j")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("There is no saga or process manager \"work\" here; expected one of [job]");
        assertThatThrownBy(() -> engine.begin("job", "j".repeat(Tag.MAX_LENGTH), new Ordered("j")))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(engine.find("work", "j")).isEmpty();
        assertThat(engine.resume("work", "j")).isFalse();
        assertThat(engine.cancel("work", "j")).isEqualTo(SagaEngine.Cancellation.UNKNOWN);
    }

    @Test
    void a_log_that_tells_of_a_step_that_was_not_begun_is_refused_in_words() {
        var waits = new SagaEvent.Standing(State.WAITING, "", false, Story.NONE, "", 0, Story.NONE);
        var inputs = List.of(
                new SagaEvent.Input(SagaEvent.Cause.RETURNED, "b", false, 1, "", 0, ""),
                Archive.input(SagaEvent.Cause.DUE, ""));
        var outputs = List.of(
                List.<SagaEvent.Output>of(),
                List.of(new SagaEvent.Output(SagaEvent.Effect.AGAIN, "b", false, 2, Instant.EPOCH, "")));
        for (int i = 0; i < inputs.size(); i++) {
            var operations = new InMemoryEventStore(Parts.operations(), Clock.systemUTC());
            operations.append(
                    List.of(
                            new SagaEvent.Started(
                                    "job", "j", 1, Archive.input(SagaEvent.Cause.STARTED, ""), List.of(), waits),
                            new SagaEvent.Continued("job", "j", 1, inputs.get(i), outputs.get(i), waits)),
                    AppendCondition.none());
            assertThatThrownBy(() -> engine(operations).find("job", "j"))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("The log tells of step \"b\" of the saga \"job\" of \"j\"");
        }
    }

    @Test
    void an_instance_goes_on_under_its_version_or_the_newest_and_under_none_that_is_older() {
        var first = job().step("a", SagaTest::part).build().script();
        var third = job().version(3).step("a", SagaTest::part).build().script();
        var other = Saga.named("other", Parts.KNOWN)
                .version(2)
                .step("a", SagaTest::part)
                .build()
                .script();
        var scripts = new Scripts(List.of(third, first, other), new ArrayList<>());
        assertThat(scripts.versions()).isEqualTo(Map.of("job", 3, "other", 2));
        assertThat(scripts.has("job")).isTrue();
        assertThat(scripts.has("work")).isFalse();
        assertThat(scripts.choose("job", 1)).isSameAs(first);
        assertThat(scripts.choose("job", 2)).isSameAs(third);
        assertThat(scripts.choose("job", 3)).isSameAs(third);
        assertThat(scripts.choose("job", 4)).isNull();
        assertThat(scripts.choose("work", 1)).isNull();
        assertThat(scripts.isNewest(first)).isFalse();
        assertThat(scripts.isNewest(third)).isTrue();
    }

    @Test
    void of_a_step_that_only_another_version_knows_nothing_is_said_and_of_its_own_what_they_were_given() {
        var saga = job().startedBy(Ordered.class, Ordered::job)
                .step("one", SagaTest::part, (known, text) -> new Receipt(text))
                .compensate(SagaTest::part)
                .retry(Duration.ofSeconds(1), Duration.ofSeconds(2))
                .timeout(Duration.ofMinutes(1))
                .unsure(IllegalStateException.class)
                .await("packed", Packed.class, Packed::job)
                .timeout(Duration.ofMinutes(2))
                .parallel(beside -> beside.step("two", SagaTest::part).await("weighed", Weighed.class, Weighed::job))
                .pivot("three", SagaTest::part)
                .build();
        var script = saga.script();

        assertThat(script.delays("one")).containsExactly(Duration.ofSeconds(1), Duration.ofSeconds(2));
        assertThat(script.delays("two")).isEmpty();
        assertThat(script.timeout("one")).contains(Duration.ofMinutes(1));
        assertThat(script.timeout("packed")).contains(Duration.ofMinutes(2));
        assertThat(script.timeout("two")).isEmpty();
        assertThat(script.unsure("one")).containsExactly(IllegalStateException.class);
        assertThat(script.unsure("two")).isEmpty();
        assertThat(List.of("one", "packed", "two", "weighed", "three"))
                .filteredOn(script::isPivot)
                .containsExactly("three");
        assertThat(List.of("one", "packed", "two", "weighed", "three"))
                .as("an event alone")
                .filteredOn(script::waitsForEvents)
                .containsExactly("packed");

        assertThat(script.delays("of old")).isEmpty();
        assertThat(script.timeout("of old")).isEmpty();
        assertThat(script.unsure("of old")).isEmpty();
        assertThat(script.isPivot("of old")).isFalse();
        assertThat(script.waitsForEvents("of old")).isFalse();
    }
}
