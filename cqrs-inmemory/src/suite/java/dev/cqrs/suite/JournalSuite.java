package dev.cqrs.suite;

import static java.util.stream.Collectors.toList;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Catalog.CommandRefused;
import dev.cqrs.event.Position;
import dev.cqrs.event.RecordedEvent;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.journal.Journal;
import dev.cqrs.journal.Journal.Unwritten;
import dev.cqrs.journal.JournalEntry;
import dev.cqrs.journal.JournalEntry.Outcome;
import dev.cqrs.journal.JournalEntry.Payload;
import dev.cqrs.journal.JournalMark;
import dev.cqrs.journal.JournalQuery;
import dev.cqrs.journal.JournalUnwritableException;
import dev.cqrs.journal.ReplayException;
import dev.cqrs.message.Done;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.suite.Tills.Fail;
import dev.cqrs.suite.Tills.Move;
import dev.cqrs.suite.Tills.Paid;
import dev.cqrs.suite.Tills.PayIn;
import dev.cqrs.suite.Tills.PayOut;
import dev.cqrs.suite.Tills.TillCommand;
import dev.cqrs.suite.Tills.Twice;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SimulatedCrash;
import dev.cqrs.testing.VirtualClock;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The journal, over the logs of a subclass. */
@Timeout(300)
public abstract class JournalSuite {

    private static final Instant START = Instant.parse("2026-01-05T09:00:00Z");

    private final VirtualClock clock = new VirtualClock(START);
    private final AtomicInteger lastId = new AtomicInteger();
    private final List<Unwritten> unwritten = new ArrayList<>();
    private EventStore domain;
    private EventStore operations;

    /** Makes a suite. */
    protected JournalSuite() {}

    /**
     * Gives a new log.
     *
     * @param catalog its catalog
     * @param clock its clock
     * @return never {@code null}
     */
    protected abstract EventStore emptyLog(Catalog catalog, Clock clock);

    /**
     * Tells how many commands a random run sends.
     *
     * @return 1 or more
     */
    protected int commands() {
        return Integer.getInteger("dev.cqrs.journal.commands", 4_000);
    }

    @BeforeEach
    void begin() {
        domain = emptyLog(Tills.domain(), clock);
        operations = emptyLog(Tills.operations(), clock);
    }

    private Journal.Builder builder() {
        return builder(operations);
    }

    private Journal.Builder builder(EventStore log) {
        return Journal.builder(
                log, () -> clock.elapsed().toNanos(), () -> "id-" + lastId.incrementAndGet(), unwritten::add);
    }

    private Journal whole() {
        return builder()
                .payload(PayIn.class)
                .payload(PayOut.class)
                .payload(Twice.class)
                .payload(Move.class)
                .payload(Fail.class)
                .build();
    }

    private static List<JournalEntry> all(Journal journal) {
        return journal.entries(JournalQuery.all()).toList();
    }

    // ---- writing

    @Test
    void a_command_that_succeeds_is_written_down() {
        Interceptor slow = (message, metadata, next) -> {
            clock.advance(Duration.ofMillis(7));
            return next.proceed(message, metadata);
        };
        var journal = builder().build();
        var bus = Tills.bus(domain, journal, slow);

        bus.dispatch(
                new PayIn("t1", 100, "x"),
                Metadata.withId("order-1").with(Metadata.CORRELATION, "visit-3").with("user", "u7"));

        var entry = all(journal).get(0);
        assertThat(all(journal)).hasSize(1);
        assertThat(entry.id()).isEqualTo("order-1");
        assertThat(entry.commandName()).isEqualTo("pay-in");
        assertThat(entry.at()).isEqualTo(START);
        assertThat(entry.metadata())
                .isEqualTo(Metadata.withId("order-1")
                        .with(Metadata.CORRELATION, "visit-3")
                        .with("user", "u7"));
        assertThat(entry.outcome()).isEqualTo(Outcome.SUCCEEDED);
        assertThat(entry.duration()).isEqualTo(Duration.ofMillis(7));
        assertThat(entry.payload()).isEqualTo(Payload.NONE);
        assertThat(entry.failure()).isEmpty();
        assertThat(entry.reason()).isEmpty();
        assertThat(entry.appended()).isEmpty();
        assertThat(entry.within()).isEmpty();
        assertThat(journal.command(entry)).isEmpty();
        assertThat(unwritten).isEmpty();
    }

    @Test
    void a_command_without_an_id_gets_one_that_the_handler_sees() {
        var journal = builder().build();
        Tills.bus(domain, journal).dispatch(new PayIn("t1", 100, "x"));

        assertThat(all(journal).get(0).id()).isEqualTo("id-1");
        try (var events = domain.read(EventQuery.all())) {
            assertThat(events.advance()).isTrue();
            assertThat(events.metadata()).isEqualTo(Metadata.withId("id-1"));
        }
    }

    @Test
    void a_rejection_and_a_failure_are_written_down_and_reach_the_sender() {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);

        assertThatThrownBy(() -> bus.dispatch(new PayOut("t1", 5))).isInstanceOf(RejectedException.class);
        assertThatThrownBy(() -> bus.dispatch(new Fail("disk full")))
                .isInstanceOf(HandlerFailedException.class)
                .hasCauseInstanceOf(IOException.class);

        var rejected = all(journal).get(0);
        assertThat(rejected.outcome()).isEqualTo(Outcome.REJECTED);
        assertThat(rejected.reason()).contains("only 0");
        assertThat(rejected.failure()).isEmpty();
        var failed = all(journal).get(1);
        assertThat(failed.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(failed.failure()).contains("java.io.IOException");
        assertThat(failed.reason()).contains("disk full");
    }

    @Test
    void a_failure_whose_causes_go_round_in_a_circle_is_written_down_and_reaches_the_sender() {
        var journal = builder().build();
        var failure = new IllegalStateException("outer");
        failure.initCause(new IllegalArgumentException("inner", failure));
        Interceptor failing = (message, metadata, next) -> {
            throw failure;
        };

        assertTimeoutPreemptively(
                Duration.ofMinutes(1),
                () -> assertThatThrownBy(
                                () -> Tills.bus(domain, journal, failing).dispatch(new PayIn("t1", 1, "x")))
                        .isSameAs(failure));

        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.FAILED);
    }

    @Test
    void a_failure_without_a_message_is_written_down_without_a_reason() {
        var journal = builder().build();
        Interceptor wordless = (message, metadata, next) -> {
            throw new IOException();
        };
        dispatch(Tills.bus(domain, journal, wordless), new PayIn("t1", 1, "x"), Metadata.none());

        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.FAILED);
        assertThat(all(journal).get(0).reason()).isEmpty();
        assertThat(unwritten).isEmpty();
    }

    @Test
    void of_a_reason_that_no_store_can_keep_the_rest_is_kept_whole() {
        var reason = "no\0ne, half \ud800 of it" + "x".repeat(1_000);
        var kept = "no?ne, half ? of it" + "x".repeat(1_000);
        var journal = builder().build();
        Interceptor failing = (message, metadata, next) -> {
            throw new IOException(reason);
        };
        dispatch(Tills.bus(domain, journal, failing), new PayIn("t1", 1, "x"), Metadata.none());
        Interceptor rejecting = (message, metadata, next) -> {
            throw new RejectedException(PayIn.class, reason);
        };
        dispatch(Tills.bus(domain, journal, rejecting), new PayIn("t1", 1, "x"), Metadata.none());

        assertThat(unwritten).isEmpty();
        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.FAILED, Outcome.REJECTED);
        assertThat(all(journal)).extracting(JournalEntry::reason).containsOnly(Optional.of(kept));
    }

    @Test
    void payloads_are_kept_whole_or_masked_where_it_is_said() {
        var journal = builder()
                .payload(PayOut.class)
                .payload(PayIn.class, c -> new PayIn(c.till(), c.cents(), "***"))
                .build();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 100, "Ms Smith"));
        bus.dispatch(new PayOut("t1", 60));
        bus.dispatch(new Twice("t1"));

        assertThat(journal.entries(JournalQuery.all()).map(journal::command))
                .containsExactly(
                        Optional.of(new PayIn("t1", 100, "***")), Optional.of(new PayOut("t1", 60)), Optional.empty());
        assertThat(all(journal))
                .extracting(JournalEntry::payload)
                .containsExactly(Payload.MASKED, Payload.WHOLE, Payload.NONE);
        try (var events = operations.read(EventQuery.all())) {
            assertThat(events.toList().toString()).doesNotContain("Smith");
        }
    }

    @Test
    void a_payload_of_a_family_is_kept_unless_a_class_below_says_otherwise() {
        var journal = builder()
                .payload(PayOut.class, c -> new PayOut(c.till(), 0))
                .payload(TillCommand.class)
                .build();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 100, "x"));
        bus.dispatch(new PayOut("t1", 60));

        assertThat(journal.entries(JournalQuery.all()).map(journal::command))
                .containsExactly(Optional.of(new PayIn("t1", 100, "x")), Optional.of(new PayOut("t1", 0)));
    }

    @Test
    void metadata_and_messages_are_kept_as_it_is_said_but_the_handler_sees_all() {
        var journal = builder()
                .metadata(metadata ->
                        Metadata.none().with("user", "h(" + metadata.get("user").orElse("") + ")"))
                .reasons(thrown -> thrown instanceof IOException ? "" : "masked")
                .build();
        var seen = new ArrayList<Metadata>();
        Interceptor spy = (message, metadata, next) -> {
            seen.add(metadata);
            return next.proceed(message, metadata);
        };
        var bus = Tills.bus(domain, journal, spy);
        var metadata = Metadata.withId("order-1").with("user", "smith").with(Metadata.CORRELATION, "visit-3");

        assertThatThrownBy(() -> bus.dispatch(new PayOut("t1", 5), metadata)).isInstanceOf(RejectedException.class);
        assertThatThrownBy(() -> bus.dispatch(new Fail("secret"))).isInstanceOf(HandlerFailedException.class);

        assertThat(seen.get(0)).isEqualTo(metadata);
        var rejected = all(journal).get(0);
        assertThat(rejected.metadata()).isEqualTo(Metadata.withId("order-1").with("user", "h(smith)"));
        assertThat(rejected.reason()).contains("masked");
        assertThat(journal.entries(JournalQuery.all().correlation("visit-3"))).isEmpty();
        assertThat(all(journal).get(1).reason()).isEmpty();
    }

    @Test
    void a_command_that_cannot_be_written_down_is_refused_before_its_handler() {
        var crashes = CrashPoints.none();
        var journal = builder(crashes.around(operations)).build();
        var bus = Tills.bus(domain, journal);
        var tooLong = Metadata.withId("x".repeat(2_000)); // no tag can be made of it

        assertThatExceptionOfType(JournalUnwritableException.class)
                .isThrownBy(() -> bus.dispatch(new PayIn("t1", 100, "x"), tooLong))
                .withMessageContaining("\"pay-in\" was not carried out")
                .withCauseInstanceOf(IllegalArgumentException.class)
                .satisfies(thrown -> assertThat(thrown.command()).isEqualTo("pay-in"));

        assertThat(domain.head()).isEqualTo(Position.START);
        assertThat(unwritten).isEmpty();
    }

    @Test
    void with_best_effort_a_command_that_cannot_be_written_down_is_let_through_and_told() {
        var journal = builder().bestEffort().build();
        var bus = Tills.bus(domain, journal);

        assertThat(bus.dispatch(new PayIn("t1", 100, "x"), Metadata.withId("x".repeat(2_000))))
                .isEqualTo(100);

        assertThat(all(journal)).isEmpty();
        assertThat(unwritten).hasSize(1);
        assertThat(unwritten.get(0).command()).isEqualTo("pay-in");
        assertThat(unwritten.get(0).outcome()).isEqualTo(Outcome.UNKNOWN);
    }

    @Test
    void an_end_that_cannot_be_written_leaves_the_result_and_is_told() {
        var crashes = CrashPoints.at(3); // before the end is appended
        var journal = builder(crashes.around(operations)).build();
        var bus = Tills.bus(domain, journal);

        assertThat(bus.dispatch(new PayIn("t1", 100, "x"))).isEqualTo(100);

        assertThat(unwritten).hasSize(1);
        assertThat(unwritten.get(0).outcome()).isEqualTo(Outcome.SUCCEEDED);
        assertThat(unwritten.get(0).cause()).isInstanceOf(SimulatedCrash.class);
        assertThat(all(builder().build())).extracting(JournalEntry::outcome).containsExactly(Outcome.UNKNOWN);
    }

    @Test
    void a_listener_that_throws_does_not_hide_what_was_thrown() {
        var crashes = CrashPoints.at(3);
        var told = new ArrayList<Throwable>();
        var thread = Thread.currentThread();
        var before = thread.getUncaughtExceptionHandler();
        thread.setUncaughtExceptionHandler((t, thrown) -> told.add(thrown));
        try {
            var journal = Journal.builder(crashes.around(operations), () -> 0, () -> "id", what -> {
                        throw new IllegalStateException("listener");
                    })
                    .build();
            assertThatThrownBy(() -> Tills.bus(domain, journal).dispatch(new PayOut("t1", 5)))
                    .isInstanceOf(RejectedException.class);
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
        assertThat(told).hasSize(1);
        assertThat(told.get(0).getSuppressed()).hasSize(1);
    }

    @Test
    void a_listener_that_throws_what_it_is_told_and_a_handler_that_throws_hide_no_result() {
        for (boolean handlerThrows : List.of(false, true)) {
            var away = new IllegalStateException("the operations log is away");
            var log = new Fronted(emptyLog(Tills.operations(), clock)) {
                @Override
                public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                    if (events.get(0) instanceof JournalMark.CommandEnded) {
                        throw away;
                    }
                    return super.append(events, condition, metadata);
                }
            };
            var journal = Journal.builder(log, () -> 0, () -> "id-" + lastId.incrementAndGet(), what -> {
                        throw (RuntimeException) what.cause();
                    })
                    .build();
            var told = new ArrayList<Throwable>();
            var thread = Thread.currentThread();
            var before = thread.getUncaughtExceptionHandler();
            thread.setUncaughtExceptionHandler((t, thrown) -> {
                told.add(thrown);
                if (handlerThrows) {
                    throw new IllegalStateException("the handler too");
                }
            });
            try {
                assertThat(Tills.bus(emptyLog(Tills.domain(), clock), journal).dispatch(new PayIn("t1", 100, "x")))
                        .isEqualTo(100);
            } finally {
                thread.setUncaughtExceptionHandler(before);
            }
            assertThat(told).singleElement().isSameAs(away);
            assertThat(away.getSuppressed()).isEmpty();
        }
    }

    @Test
    void a_crash_leaves_an_entry_of_unknown_outcome() {
        for (int point = 2; point <= 5; point++) { // from after the start was written to before its end is
            begin();
            var crashes = CrashPoints.at(point);
            var bus = Tills.bus(
                    crashes.around(domain), builder(crashes.around(operations)).build());
            try {
                bus.dispatch(new PayIn("t1", 100, "x"));
            } catch (SimulatedCrash crash) {
                // or told to the listener of a process that is dead
            }
            assertThat(builder().build().entries(JournalQuery.all().outcome(Outcome.UNKNOWN)))
                    .as("%s", crashes)
                    .hasSize(1)
                    .allSatisfy(entry -> {
                        assertThat(entry.ended()).isEmpty();
                        assertThat(entry.duration()).isZero();
                    });
        }
    }

    @Test
    void what_is_dispatched_in_the_handling_of_a_command_says_within_which() {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 100, "x"));
        bus.dispatch(new Move("t1", "t2", 30, true), Metadata.withId("move-1"));

        var entries = all(journal);
        assertThat(entries)
                .extracting(JournalEntry::commandName)
                .containsExactly("pay-in", "move", "pay-out", "pay-in");
        var outer = entries.get(1);
        assertThat(outer.within()).isEmpty();
        assertThat(entries.subList(2, 4)).allSatisfy(entry -> {
            assertThat(entry.within()).contains(outer.position());
            assertThat(entry.metadata().causation()).contains("move-1");
            assertThat(entry.metadata().correlation()).contains("move-1");
        });
        assertThat(journal.entries(JournalQuery.all().correlation("move-1"))).hasSize(2);
    }

    @Test
    void what_is_no_command_is_handed_on_and_not_written_down() throws Exception {
        var journal = builder().build();

        var given = journal.around("a question", Metadata.none(), (message, metadata) -> message + " " + metadata);

        assertThat(given).isEqualTo("a question " + Metadata.none());
        assertThat(operations.head()).isEqualTo(Position.START);
        assertThat(journal.appliesTo(PayIn.class)).isTrue();
    }

    @Test
    void a_command_takes_no_less_than_no_time_though_the_clock_goes_back() {
        var nanos = new AtomicInteger(5);
        var journal = Journal.builder(operations, nanos::getAndDecrement, () -> "id", unwritten::add)
                .build();

        Tills.bus(domain, journal).dispatch(new PayIn("t1", 100, "x"));

        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.SUCCEEDED);
        assertThat(all(journal).get(0).duration()).isZero();
    }

    @Test
    void an_entry_says_how_long_its_command_took_whatever_became_of_it() {
        var journal = builder().build();
        Interceptor slow = (message, metadata, next) -> {
            clock.advance(Duration.ofMillis(300));
            return next.proceed(message, metadata);
        };
        var bus = Tills.bus(domain, journal, slow);

        clock.advance(Duration.ofSeconds(7));
        bus.dispatch(new PayIn("t1", 100, "x"));
        assertThatThrownBy(() -> bus.dispatch(new PayOut("t1", 500))).isInstanceOf(RejectedException.class);
        assertThatThrownBy(() -> bus.dispatch(new Fail("disk full"))).isInstanceOf(HandlerFailedException.class);

        assertThat(all(journal)).extracting(JournalEntry::duration).hasSize(3).containsOnly(Duration.ofMillis(300));
    }

    @Test
    void with_best_effort_a_command_that_is_let_through_has_the_id_that_it_was_given() {
        var away = new Fronted(operations) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                throw new IllegalStateException("the operations log is away");
            }
        };
        var journal = builder(away).bestEffort().build();

        Tills.bus(domain, journal).dispatch(new PayIn("t1", 100, "x"), Metadata.of(Map.of("user", "u7")));

        assertThat(unwritten)
                .extracting(Unwritten::metadata)
                .containsExactly(Metadata.withId("id-1").with("user", "u7"));
        try (var events = domain.read(EventQuery.all())) {
            assertThat(events.toList())
                    .extracting(RecordedEvent::metadata)
                    .containsExactly(Metadata.withId("id-1").with("user", "u7"));
        }
    }

    @Test
    void what_the_application_gives_as_null_is_told() {
        var withoutId = Journal.builder(operations, () -> 0, JournalSuite::nothing, unwritten::add)
                .build();
        assertThatNullPointerException()
                .isThrownBy(() -> Tills.bus(domain, withoutId).dispatch(new PayIn("t1", 1, "x")))
                .withMessageContaining("supplier of ids");
        var withoutMetadata = builder().metadata(metadata -> nothing()).build();
        assertThatNullPointerException()
                .isThrownBy(() -> Tills.bus(domain, withoutMetadata).dispatch(new PayIn("t1", 1, "x")))
                .withMessageContaining("what is kept of the metadata");
        assertThat(domain.head()).isEqualTo(Position.START);
        assertThat(operations.head()).isEqualTo(Position.START);

        var withoutReason = builder().reasons(thrown -> nothing()).build();
        assertThatThrownBy(() -> Tills.bus(domain, withoutReason).dispatch(new PayOut("t1", 1)))
                .isInstanceOf(RejectedException.class);
        assertThat(unwritten).singleElement().satisfies(what -> {
            assertThat(what.outcome()).isEqualTo(Outcome.REJECTED);
            assertThat(what.cause()).hasMessageContaining("what is kept of a message");
        });
    }

    @Test
    void a_null_is_refused_by_its_name() {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 1, "x"));
        var entry = all(journal).get(0);
        refusesNull("query", () -> journal.entries(nothing()));
        refusesNull("entry", () -> journal.command(nothing()));
        refusesNull("query", () -> journal.replay(nothing(), bus));
        refusesNull("bus", () -> journal.replay(JournalQuery.all(), nothing()));
        refusesNull("entry", () -> journal.settle(nothing(), Optional.empty(), "seen"));
        refusesNull("appended", () -> journal.settle(entry, nothing(), "seen"));
        refusesNull("reason", () -> journal.settle(entry, Optional.empty(), nothing()));
        assertThatThrownBy(() -> journal.settle(entry, Optional.empty(), " "))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("pay-in", entry.id(), "is blank");
        refusesNull("domain", () -> journal.noting(nothing()));
    }

    private static void refusesNull(String name, ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOf(NullPointerException.class).hasMessage(name);
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what must not be
    private static <T> T nothing() {
        return null;
    }

    @Test
    void a_command_in_which_another_was_refused_as_the_journal_could_not_tell_whether_it_wrote_has_failed() {
        var lost = new AppendOutcomeUnknownException("a start", new IOException("reply lost"));
        var log = new Fronted(operations) {
            private int starts;

            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (events.get(0) instanceof JournalMark.CommandStarted && ++starts == 2) {
                    throw lost;
                }
                return super.append(events, condition, metadata);
            }
        };
        var journal = builder(log).build();

        assertThatThrownBy(() -> Tills.bus(domain, journal).dispatch(new Move("t1", "t2", 0, false)))
                .isInstanceOf(JournalUnwritableException.class)
                .hasCause(lost);

        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.FAILED);
        assertThat(all(journal).get(0).failure()).contains(JournalUnwritableException.class.getName());
        assertThat(domain.head()).isEqualTo(Position.START);
    }

    // ---- wiring

    record Stranger() implements Command<Integer> {}

    @Test
    void of_two_families_neither_of_which_is_below_the_other_none_is_chosen() {
        assertThatThrownBy(() -> builder()
                        .payload(TillCommand.class)
                        .payload(Command.class)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContainingAll(
                        "payload(...) is said for " + PayIn.class.getName() + " by [" + Command.class.getName() + ", "
                                + TillCommand.class.getName() + "]",
                        Twice.class.getName())
                .hasMessageNotContaining(Fail.class.getName());

        var journal = builder()
                .payload(TillCommand.class)
                .payload(Command.class)
                .payload(PayIn.class)
                .payload(PayOut.class)
                .payload(Twice.class, command -> new Twice("***"))
                .build();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new Twice("t1"));
        dispatch(bus, new Fail("x"), Metadata.none());
        assertThat(all(journal)).extracting(JournalEntry::payload).containsExactly(Payload.MASKED, Payload.WHOLE);
    }

    @Test
    void marks_that_the_catalog_has_without_their_tags_are_a_fault() {
        var untagged = emptyLog(
                Catalog.builder()
                        .event(JournalMark.CommandStarted.NAME, JournalMark.CommandStarted.class)
                        .event(JournalMark.CommandEnded.NAME, JournalMark.CommandEnded.class)
                        .build(),
                clock);
        assertThatThrownBy(() -> builder(untagged).build())
                .isInstanceOf(WiringException.class)
                .hasMessageContainingAll(
                        "CommandStarted as \"cqrs.journal.started\", but without its tags",
                        "CommandEnded as \"cqrs.journal.ended\", but without its tags");
    }

    @Test
    void faults_of_wiring_are_told() {
        var without = emptyLog(Catalog.builder().event("pay-in", PayIn.class).build(), clock);
        assertThatThrownBy(() -> builder(without).build())
                .isInstanceOf(WiringException.class)
                .hasMessageContainingAll("CommandStarted", "CommandEnded", "JournalMark.addTo");
        assertThatThrownBy(() -> builder()
                        .payload(PayIn.class)
                        .payload(PayIn.class)
                        .payload(Stranger.class)
                        .build())
                .isInstanceOf(WiringException.class)
                .hasMessageContainingAll("said twice", "Stranger");
        var journal = builder().build();
        assertThatThrownBy(() -> InMemoryCommandBus.builder()
                        .handle(Stranger.class, c -> 1)
                        .intercept(0, journal)
                        .build())
                .isInstanceOf(UnknownEventException.class)
                .hasMessageContaining("Stranger");
        assertThat(journal.appliesTo(String.class)).isFalse();
        journal.noting(domain);
        assertThatThrownBy(() -> journal.noting(domain)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void a_mask_that_gives_another_class_or_fails_has_the_command_refused() {
        var fault = new IllegalArgumentException("mask");
        var journal = builder()
                .payload(PayIn.class, c -> {
                    throw fault;
                })
                .build();
        assertThatThrownBy(() -> Tills.bus(domain, journal).dispatch(new PayIn("t1", 100, "x")))
                .isSameAs(fault);
        var other = builder()
                .payload(TillCommand.class, command -> new Twice("t1"))
                .payload(PayOut.class, command -> nothing())
                .build();
        assertThatThrownBy(() -> Tills.bus(domain, other).dispatch(new PayIn("t1", 100, "x")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll(
                        "The mask of " + PayIn.class.getName(),
                        "an object of " + Twice.class.getName(),
                        "not carried out");
        assertThatThrownBy(() -> Tills.bus(domain, other).dispatch(new PayOut("t1", 0)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("gave null");
        assertThat(domain.head()).isEqualTo(Position.START);
        assertThat(operations.head()).isEqualTo(Position.START);
    }

    // ---- reading

    @Test
    void random_queries_give_what_a_model_gives() {
        long seed = Long.getLong("dev.cqrs.journal.seed", System.nanoTime());
        var random = new SplittableRandom(seed);
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        int size = Math.max(3 * Journal.PAGE, Math.min(600, commands() / 4));
        for (int i = 0; i < size; i++) {
            if (random.nextInt(3) == 0) {
                clock.advance(Duration.ofSeconds(random.nextInt(1, 100)));
            }
            dispatch(bus, random(random), metadata(random));
            if (random.nextInt(10) == 0) { // a crash
                operations.append(
                        List.of(new JournalMark.CommandStarted("twice", "m1", "", Payload.NONE, 0)),
                        AppendCondition.none(),
                        Metadata.withId("m1"));
            }
        }
        var entries = all(journal);
        var byEnd = entries.stream()
                .filter(entry -> entry.ended().isPresent())
                .sorted((a, b) -> a.ended().orElseThrow().compareTo(b.ended().orElseThrow()))
                .collect(toList());
        assertThat(entries)
                .hasSizeGreaterThan(2 * Journal.PAGE)
                .isSortedAccordingTo((a, b) -> a.position().compareTo(b.position()));

        for (int i = 0; i < 200; i++) {
            var query = JournalQuery.all();
            var expected = new ArrayList<>(entries);
            if (random.nextInt(3) == 0) {
                var outcome = List.of(Outcome.values()).get(random.nextInt(4));
                query = query.outcome(outcome);
                if (outcome != Outcome.UNKNOWN) {
                    expected = new ArrayList<>(byEnd);
                }
                expected.removeIf(entry -> entry.outcome() != outcome);
            }
            if (random.nextInt(3) == 0) {
                var from = clock.instant().minusSeconds(random.nextInt(1, 20 * size));
                query = query.from(from);
                expected.removeIf(entry -> entry.at().isBefore(from));
            }
            if (random.nextInt(3) == 0) {
                var before = clock.instant().minusSeconds(random.nextInt(1, 20 * size));
                query = query.before(before);
                expected.removeIf(entry -> !entry.at().isBefore(before));
            }
            switch (random.nextInt(5)) {
                case 0 -> {
                    query = query.commands(TillCommand.class);
                    expected.removeIf(entry -> entry.commandName().equals("move")
                            || entry.commandName().equals("fail"));
                }
                case 1 -> {
                    query = query.commands(Fail.class, PayIn.class);
                    expected.removeIf(entry -> !entry.commandName().equals("fail")
                            && !entry.commandName().equals("pay-in"));
                }
                default -> {}
            }
            if (random.nextInt(4) == 0) {
                query = query.id("m1");
                expected.removeIf(entry -> !entry.id().equals("m1"));
            }
            if (random.nextInt(4) == 0) {
                query = query.correlation("c1");
                expected.removeIf(entry -> !entry.metadata().correlation().equals(Optional.of("c1")));
            }
            if (random.nextInt(2) == 0) {
                query = query.newestFirst();
                Collections.reverse(expected);
            }
            if (!expected.isEmpty() && random.nextInt(2) == 0) {
                int last = random.nextInt(expected.size());
                query = query.after(expected.get(last));
                expected = new ArrayList<>(expected.subList(last + 1, expected.size()));
            }
            assertThat(journal.entries(query).toList())
                    .as("seed %d, %s", seed, query)
                    .isEqualTo(expected);
        }
    }

    @Test
    void a_page_goes_on_where_the_one_before_has_ended() {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        for (int i = 0; i < 5; i++) {
            bus.dispatch(new PayIn("t1", i, "x"), Metadata.withId("m" + i));
        }
        var first = journal.entries(JournalQuery.all().newestFirst()).limit(2).toList();
        bus.dispatch(new PayIn("t1", 5, "x"), Metadata.withId("m5"));
        var second = journal.entries(JournalQuery.all().newestFirst().after(first.get(1)))
                .limit(2)
                .toList();

        assertThat(first).extracting(JournalEntry::id).containsExactly("m4", "m3");
        assertThat(second).extracting(JournalEntry::id).containsExactly("m2", "m1");
    }

    @Test
    void entries_are_those_up_to_the_end_of_the_log_when_they_were_asked_for() {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 1, "x"), Metadata.withId("m1"));
        var oldest = journal.entries(JournalQuery.all());
        var newest = journal.entries(JournalQuery.all().newestFirst());
        var succeeded = journal.entries(JournalQuery.all().outcome(Outcome.SUCCEEDED));

        bus.dispatch(new PayIn("t1", 1, "x"), Metadata.withId("m2"));

        assertThat(List.of(oldest, newest, succeeded))
                .allSatisfy(entries -> assertThat(entries.map(JournalEntry::id))
                        .as("one of three")
                        .containsExactly("m1"));
    }

    @Test
    void what_a_query_cannot_mean_is_told() {
        var journal = builder().build();
        assertThatThrownBy(() -> journal.entries(JournalQuery.all().commands(Stranger.class)))
                .isInstanceOf(UnknownEventException.class);
        var tooLong = "x".repeat(2_000);
        assertThatThrownBy(() -> journal.entries(JournalQuery.all().id(tooLong)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> journal.entries(JournalQuery.all().correlation(tooLong)))
                .isInstanceOf(IllegalArgumentException.class);
        operations.append(
                List.of(new JournalMark.CommandStarted("twice", "m1", "", Payload.NONE, 0)), AppendCondition.none());
        var unfinished = all(journal).get(0);
        var after = JournalQuery.all().outcome(Outcome.FAILED).after(unfinished);
        assertThatThrownBy(() -> journal.entries(after))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("after the entry at position 1");
        assertThat(journal.entries(JournalQuery.all().outcome(Outcome.UNKNOWN).after(unfinished)))
                .isEmpty();
    }

    @Test
    void a_log_that_holds_something_else_where_an_entry_points_to_is_told() {
        var journal = builder().build();
        // given an entry without its command, before another mark, and at the end of the log; and an end without a
        // start
        for (int i = 0; i < 2; i++) {
            operations.append(
                    List.of(new JournalMark.CommandStarted("twice", "m" + i, "", Payload.WHOLE, 0)),
                    AppendCondition.none());
        }
        var entries = all(journal);
        assertThat(entries)
                .hasSize(2)
                .allSatisfy(entry -> assertThatThrownBy(() -> journal.command(entry))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("Behind position " + entry.position()));
        operations.append(
                List.of(
                        new JournalMark.CommandStarted("twice", "m3", "", Payload.WHOLE, 0),
                        new Twice("t1"),
                        new JournalMark.CommandEnded(1_000, "twice", "m4", "", Outcome.FAILED, "", "", 0, 0, 0)),
                AppendCondition.none());
        var ends = JournalQuery.all().outcome(Outcome.FAILED);
        assertThatThrownBy(() -> journal.entries(ends).toList())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("Position 1000 of the operations log holds no start");

        // when an upcaster has made two of a command
        var split = new Fronted(operations) {
            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                return new Stream(super.read(query, options)) {
                    @Override
                    public boolean goesOnHere() {
                        return event() instanceof Twice;
                    }
                };
            }
        };
        var whole = all(journal).get(2);
        assertThat(journal.command(whole)).contains(new Twice("t1"));
        assertThatThrownBy(() -> builder(split).build().command(whole))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("neither drop nor split it");
    }

    private static Metadata metadata(SplittableRandom random) {
        var metadata = random.nextBoolean() ? Metadata.withId("m" + random.nextInt(4)) : Metadata.none();
        return random.nextBoolean() ? metadata.with(Metadata.CORRELATION, "c" + random.nextInt(3)) : metadata;
    }

    private static Command<?> random(SplittableRandom random) {
        return switch (random.nextInt(8)) {
            case 0 -> new Move(till(random), till(random), random.nextInt(100), random.nextBoolean());
            case 1 -> new Fail("at random");
            case 2 -> new Twice(till(random));
            case 3, 4 -> new PayOut(till(random), random.nextInt(200));
            default -> new PayIn(till(random), random.nextInt(200), "x");
        };
    }

    private static String till(SplittableRandom random) {
        return "t" + random.nextInt(3);
    }

    private static void dispatch(CommandBus bus, Command<?> command, Metadata metadata) {
        try {
            bus.dispatch(command, metadata);
        } catch (RejectedException | HandlerFailedException asMayBe) {
            // and is in the journal
        }
    }

    // ---- replay

    @Test
    void a_replay_of_what_threads_did_at_once_comes_to_the_same_state() throws Exception {
        long seed = Long.getLong("dev.cqrs.journal.seed", System.nanoTime());
        var journal = whole();
        var bus = Tills.bus(journal.noting(domain), journal);
        var executor = Executors.newFixedThreadPool(8);
        try {
            var threads = new ArrayList<Future<?>>();
            for (int i = 0; i < 8; i++) {
                var random = new SplittableRandom(seed + i);
                threads.add(executor.submit(() -> {
                    for (int n = 0; n < commands() / 8; n++) {
                        var command = random(random);
                        // a move is two commands, and nothing says that none comes between them
                        dispatch(bus, command instanceof Move ? new Twice("t0") : command, Metadata.none());
                    }
                }));
            }
            for (var thread : threads) {
                thread.get();
            }
        } finally {
            executor.shutdownNow();
        }
        var fresh = emptyLog(Tills.domain(), clock);

        long dispatched = journal.replay(JournalQuery.all(), Tills.bus(fresh));

        assertThat(dispatched)
                .as("seed %d", seed)
                .isEqualTo(journal.entries(JournalQuery.all().outcome(Outcome.SUCCEEDED))
                        .count());
        assertThat(log(fresh)).as("seed %d", seed).isEqualTo(log(domain));
        assertThat(unwritten).isEmpty();
    }

    @Test
    void a_replay_of_nested_commands_dispatches_them_once() {
        long seed = Long.getLong("dev.cqrs.journal.seed", System.nanoTime());
        var random = new SplittableRandom(seed);
        var journal = whole();
        var bus = Tills.bus(random.nextBoolean() ? domain : journal.noting(domain), journal);
        for (int i = 0; i < 200; i++) {
            var command = random(random);
            if (command instanceof Move move && Tills.sums(domain).getOrDefault(move.out(), 0) < move.cents()) {
                continue; // would be rejected half-way
            }
            dispatch(bus, command, Metadata.none());
        }
        var fresh = emptyLog(Tills.domain(), clock);

        journal.replay(JournalQuery.all(), Tills.bus(fresh));

        assertThat(Tills.sums(fresh)).as("seed %d", seed).isEqualTo(Tills.sums(domain));
    }

    @Test
    void a_replay_hands_on_the_metadata_of_then() {
        var journal = whole();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 1, "x"), Metadata.withId("m1").with("user", "u7"));
        bus.dispatch(new PayIn("t1", 2, "x"));
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(2);

        assertThat(log(fresh)).isEqualTo(log(domain));
    }

    /** Handlers that wait for each other, so that the first to take effect is the last to end. */
    @Test
    void with_notes_a_replay_goes_by_the_order_of_effects_and_not_of_ends() throws Exception {
        var journal = whole();
        var store = journal.noting(domain);
        var appended = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        Interceptor lateToEnd = (message, metadata, next) -> {
            var result = next.proceed(message, metadata);
            if (message instanceof PayIn) {
                appended.countDown();
                goOn.await();
            }
            return result;
        };
        var bus = Tills.bus(store, journal, lateToEnd);
        var executor = Executors.newSingleThreadExecutor();
        try {
            var first = executor.submit(() -> bus.dispatch(new PayIn("t1", 100, "x")));
            appended.await();
            bus.dispatch(new Twice("t1"));
            bus.dispatch(new PayOut("t1", 200));
            bus.dispatch(new Twice("t1")); // looks, and appends nothing
            goOn.countDown();
            first.get();
        } finally {
            executor.shutdownNow();
        }
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(4);

        assertThat(log(fresh)).isEqualTo(log(domain));
        assertThat(journal.entries(JournalQuery.all()).map(JournalEntry::appended))
                .containsExactly(
                        Optional.of(Position.of(1)),
                        Optional.of(Position.of(2)),
                        Optional.of(Position.of(3)),
                        Optional.empty());
    }

    @Test
    void with_notes_a_command_that_appended_nothing_is_replayed_on_the_state_it_saw() throws Exception {
        var journal = whole();
        var store = journal.noting(domain);
        var looked = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        Interceptor lateToEnd = (message, metadata, next) -> {
            var result = next.proceed(message, metadata);
            if (message instanceof Twice) {
                looked.countDown();
                goOn.await();
            }
            return result;
        };
        var bus = Tills.bus(store, journal, lateToEnd);
        var executor = Executors.newSingleThreadExecutor();
        try {
            var first = executor.submit(() -> bus.dispatch(new Twice("t1"))); // of nothing
            looked.await();
            bus.dispatch(new PayIn("t1", 100, "x"));
            goOn.countDown();
            first.get();
        } finally {
            executor.shutdownNow();
        }
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(2);

        assertThat(log(fresh)).isEqualTo(log(domain));
    }

    @Test
    void with_notes_a_rejection_that_is_noted_in_the_log_is_still_one_that_has_appended_nothing() {
        var journal = whole();
        var store = journal.noting(domain);
        var bus = InMemoryCommandBus.builder()
                .intercept(0, journal)
                .handle(PayOut.class, (command, metadata) -> {
                    var refused = new CommandRefused(metadata.id().orElseThrow(), 0, 1, "", "only 0");
                    store.append(List.of(refused), AppendCondition.none(), metadata);
                    throw new RejectedException(PayOut.class, "only 0").noted();
                })
                .build();
        assertThatThrownBy(() -> bus.dispatch(new PayOut("t1", 5), Metadata.withId("1")))
                .isInstanceOf(RejectedException.class);
        assertThat(all(journal)).singleElement().satisfies(entry -> {
            assertThat(entry.outcome()).isEqualTo(Outcome.REJECTED);
            assertThat(entry.appended()).isEmpty();
        });
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(emptyLog(Tills.domain(), clock))))
                .as("rejected commands are not dispatched again, and do no harm")
                .isZero();
    }

    @Test
    void an_append_on_another_thread_counts_by_the_id_in_its_metadata() {
        var journal = whole();
        var store = journal.noting(domain);
        var executor = Executors.newSingleThreadExecutor();
        try {
            var bus = InMemoryCommandBus.builder()
                    .handle(
                            PayIn.class,
                            (c, metadata) -> executor.submit(() -> {
                                        store.append(
                                                List.of(new Paid(c.till(), c.cents())),
                                                AppendCondition.none(),
                                                metadata);
                                        return c.cents();
                                    })
                                    .get())
                    .intercept(0, journal)
                    .build();
            bus.dispatch(new PayIn("t1", 100, "x"), Metadata.withId("m1"));
            bus.dispatch(new PayIn("t1", 100, "x"), Metadata.withId("m1"));
        } finally {
            executor.shutdownNow();
        }
        assertThat(all(journal))
                .extracting(JournalEntry::appended)
                .containsExactly(Optional.of(Position.of(1)), Optional.of(Position.of(2)));
    }

    @Test
    void an_append_counts_for_the_command_whose_id_it_carries_or_else_for_the_one_that_is_handled() {
        var journal = whole();
        var store = journal.noting(domain);
        var buses = new ArrayList<CommandBus>();
        buses.add(InMemoryCommandBus.builder()
                .handle(Move.class, (c, metadata) -> {
                    buses.get(0).dispatch(new PayIn("t1", 1, "of the outer"), Metadata.withId("outer"));
                    buses.get(0).dispatch(new PayIn("t1", 2, "of a stranger"), Metadata.withId("stranger"));
                    buses.get(0).dispatch(new PayIn("t1", 3, "of nobody"));
                    return Done.DONE;
                })
                .handle(PayIn.class, (c, metadata) -> {
                    var with = c.cents() == 3 ? Metadata.none() : Metadata.withId(c.cents() == 1 ? "outer" : "nobody");
                    store.append(List.of(new Paid(c.till(), c.cents())), AppendCondition.none(), with);
                    return c.cents();
                })
                .intercept(0, journal)
                .build());

        buses.get(0).dispatch(new Move("t1", "t2", 0, false), Metadata.withId("outer"));

        assertThat(all(journal))
                .extracting(JournalEntry::appended)
                .containsExactly(
                        Optional.empty(),
                        Optional.of(Position.of(1)),
                        Optional.of(Position.of(2)),
                        Optional.of(Position.of(3)));
        store.append(List.of(new Paid("t1", 4)), AppendCondition.none(), Metadata.withId("outer"));
        assertThat(all(journal).get(0).appended()).isEmpty();
    }

    @Test
    void an_append_of_a_command_that_was_dispatched_under_the_id_of_its_outer_one_is_its_own() {
        var journal = whole();
        var store = journal.noting(domain);
        var buses = new ArrayList<CommandBus>();
        buses.add(InMemoryCommandBus.builder()
                .handle(Move.class, (c, metadata) -> {
                    buses.get(0).dispatch(new PayIn("t1", 1, "x"), metadata);
                    return Done.DONE;
                })
                .handle(PayIn.class, (c, metadata) -> {
                    store.append(List.of(new Paid(c.till(), c.cents())), AppendCondition.none(), metadata);
                    return c.cents();
                })
                .intercept(0, journal)
                .build());

        buses.get(0).dispatch(new Move("t1", "t2", 0, false), Metadata.withId("m1"));

        assertThat(all(journal))
                .extracting(JournalEntry::appended)
                .containsExactly(Optional.empty(), Optional.of(Position.of(1)));
    }

    @Test
    void what_is_done_with_the_noted_log_outside_of_any_command_is_done_as_ever() {
        var journal = whole();
        var store = journal.noting(losingAReply(domain));
        try (var following = store.onAppend(last -> {})) {
            assertThat(following).isNotNull();
            var paid = List.of(new Paid("t1", 1));
            assertThatThrownBy(() -> store.append(paid, AppendCondition.none()))
                    .isInstanceOf(AppendOutcomeUnknownException.class);
            assertThat(store.append(paid, AppendCondition.none()).last()).isEqualTo(Position.of(2));
        }
        try (var events = store.read(EventQuery.all())) {
            assertThat(events.toList()).hasSize(2);
        }
        assertThat(store.catalog()).isSameAs(domain.catalog());
        assertThat(builder().build().noting(domain).head()).isEqualTo(Position.of(2));
        assertThat(builder().build().noting(domain).feed(EventQuery.all()).isPresent())
                .isEqualTo(domain.feed(EventQuery.all()).isPresent());
        assertThat(unwritten).isEmpty();
    }

    /** Has a command of a class wait before it ends, while another thread does something. */
    private static final class Late implements Interceptor {
        final CountDownLatch done = new CountDownLatch(1);
        final CountDownLatch goOn = new CountDownLatch(1);
        private final Class<?> which;

        Late(Class<?> which) {
            this.which = which;
        }

        @Override
        public Object around(Object message, Metadata metadata, Next next) throws Exception {
            var result = next.proceed(message, metadata);
            if (which.isInstance(message)) {
                done.countDown();
                goOn.await();
            }
            return result;
        }

        /** Sends one that is late, and another meanwhile. */
        static void run(CommandBus bus, Late late, Command<?> first, Command<?> meanwhile) throws Exception {
            var executor = Executors.newSingleThreadExecutor();
            try {
                var sent = executor.submit(() -> bus.dispatch(first));
                late.done.await();
                bus.dispatch(meanwhile);
                late.goOn.countDown();
                sent.get();
            } finally {
                executor.shutdownNow();
            }
        }
    }

    @Test
    void with_notes_a_command_stands_where_what_was_dispatched_in_its_handling_has_appended_last() throws Exception {
        var journal = whole();
        var late = new Late(Move.class);
        var bus = Tills.bus(journal.noting(domain), journal, late);
        bus.dispatch(new PayIn("t1", 100, "x"));

        Late.run(bus, late, new Move("t1", "t2", 30, true), new Twice("t2"));

        var fresh = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(3);
        assertThat(Tills.sums(fresh)).isEqualTo(Tills.sums(domain)).containsEntry("t2", 60);
    }

    @Test
    void with_notes_a_command_of_which_nothing_was_appended_stands_where_what_it_dispatched_has_looked()
            throws Exception {
        var journal = whole();
        var late = new Late(Fail.class);
        var store = journal.noting(domain);
        var bus = looking(store, journal, late);

        Late.run(bus, late, new Fail("looks"), new PayIn("t1", 100, "x"));

        var fresh = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all(), looking(fresh))).isEqualTo(2);
        assertThat(Tills.sums(fresh)).isEqualTo(Tills.sums(domain)).containsEntry("t1", 100);
    }

    /** Takes failing as doubling what is in a till, by a command of its own. */
    private static CommandBus looking(EventStore log, Interceptor... outer) {
        var buses = new ArrayList<CommandBus>();
        Interceptor doubling = (message, metadata, next) -> {
            if (message instanceof Fail) {
                buses.get(0).dispatch(new Twice("t1"));
                return Done.DONE;
            }
            return next.proceed(message, metadata);
        };
        var all = new ArrayList<>(List.of(outer));
        all.add(doubling);
        buses.add(Tills.bus(log, all.toArray(Interceptor[]::new)));
        return buses.get(0);
    }

    @Test
    void with_notes_a_command_that_does_not_touch_the_domain_log_stands_behind_all_that_was_there() {
        for (boolean away : List.of(false, true)) {
            begin();
            var journal = whole();
            var store = journal.noting(new Fronted(domain) {
                @Override
                public Position head() {
                    if (away) {
                        throw new IllegalStateException("the domain log is away");
                    }
                    return super.head();
                }
            });
            Interceptor untouched =
                    (message, metadata, next) -> message instanceof Fail ? Done.DONE : next.proceed(message, metadata);
            var bus = Tills.bus(store, journal, untouched);
            var commands = List.<Command<?>>of(
                    new Fail("first"),
                    new PayIn("t1", 1, "x"),
                    new Fail("second"),
                    new PayIn("t1", 2, "x"),
                    new PayIn("t1", 3, "x"),
                    new Fail("third"));
            commands.forEach(bus::dispatch);
            var replayed = new ArrayList<Object>();
            Interceptor spy = (message, metadata, next) -> {
                replayed.add(message);
                return next.proceed(message, metadata);
            };

            journal.replay(JournalQuery.all(), Tills.bus(emptyLog(Tills.domain(), clock), spy, untouched));

            assertThat(replayed).as("away: %s", away).isEqualTo(commands);
        }
    }

    @Test
    void of_many_things_that_stand_in_the_way_of_a_replay_the_first_hundred_are_told() throws Exception {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        for (int i = 0; i < 103; i++) {
            bus.dispatch(new Twice("t1"), Metadata.withId("m" + i));
        }
        var refused = catchThrowableOfType(
                ReplayException.class,
                () -> journal.replay(JournalQuery.all(), Tills.bus(emptyLog(Tills.domain(), clock))));
        assertThat(refused).hasMessageContaining("\n - and 3 more\n");
        assertThat(refused.faults()).hasSize(100);
        assertThat(refused.faults().get(99)).contains("id m99");
        assertThat(refused.dispatched()).isZero();

        var bytes = new ByteArrayOutputStream();
        try (var out = new ObjectOutputStream(bytes)) {
            out.writeObject(refused);
        }
        try (var in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            var read = (ReplayException) in.readObject();
            assertThat(read).hasMessage(refused.getMessage());
            assertThat(read.faults()).isEmpty();
        }
    }

    @Test
    void a_replay_of_what_it_cannot_give_tells_what_was_asked_for() {
        var journal = whole();
        Tills.bus(domain, journal).dispatch(new PayIn("t1", 1, "x"));
        var query = JournalQuery.all()
                .commands(PayOut.class, PayIn.class)
                .id("m1")
                .correlation("c1")
                .outcome(Outcome.SUCCEEDED)
                .from(START)
                .before(START.plusSeconds(1))
                .after(all(journal).get(0))
                .newestFirst();
        var bus = Tills.bus(domain);

        assertThatThrownBy(() -> journal.replay(query, bus))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(
                        "of commands PayIn or PayOut of id m1 of correlation c1 with outcome SUCCEEDED from " + START
                                + " before " + START.plusSeconds(1) + " after the entry at 1, newest first;");
        assertThatThrownBy(() -> journal.replay(JournalQuery.all().newestFirst(), bus))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("of commands, newest first;");
        assertThat(JournalQuery.all().id("order-1")).hasToString("commands of id order-1");
        assertThatThrownBy(() -> journal.replay(JournalQuery.all().outcome(Outcome.SUCCEEDED), bus))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void a_replay_is_refused_where_a_payload_is_missing_or_masked_or_an_outcome_unknown() {
        var journal = builder()
                .payload(PayOut.class)
                .payload(PayIn.class, c -> new PayIn(c.till(), c.cents(), "***"))
                .build();
        var bus = Tills.bus(domain, journal);
        dispatch(bus, new PayOut("t1", 5), Metadata.withId("m1")); // rejected, so of no account
        dispatch(bus, new PayIn("t1", 100, "x"), Metadata.withId("m2"));
        dispatch(bus, new Twice("t1"), Metadata.withId("m3"));
        operations.append(
                List.of(new JournalMark.CommandStarted("pay-out", "m4", "", Payload.NONE, 0)),
                AppendCondition.none(),
                Metadata.withId("m4"));
        clock.advance(Duration.ofSeconds(1));
        dispatch(bus, new PayOut("t1", 5), Metadata.withId("m5"));
        var fresh = emptyLog(Tills.domain(), clock);

        assertThatExceptionOfType(ReplayException.class)
                .isThrownBy(() -> journal.replay(JournalQuery.all(), Tills.bus(fresh)))
                .withMessageContainingAll(
                        "\"pay-in\" with id m2 at position 4 is kept masked",
                        "\"twice\" with id m3 at position 7 is kept without its payload",
                        "\"pay-out\" with id m4 at position 9 may have taken effect or not")
                .withMessageNotContaining("\n - and ")
                .satisfies(thrown -> assertThat(thrown.faults()).hasSize(3));
        assertThat(fresh.head()).isEqualTo(Position.START);

        Tills.bus(fresh).dispatch(new PayIn("t1", 200, "y"));
        assertThat(journal.replay(JournalQuery.all().from(clock.instant()), Tills.bus(fresh)))
                .isEqualTo(1);
        assertThat(Tills.sums(fresh)).isEqualTo(Tills.sums(domain));
        assertThatThrownBy(() -> journal.replay(JournalQuery.all().newestFirst(), Tills.bus(fresh)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void an_outcome_that_was_found_out_is_settled_once_and_then_replayed_in_its_place() {
        var journal = whole();
        var bus = Tills.bus(journal.noting(domain), journal);
        bus.dispatch(new PayIn("t1", 10, "x"));
        var crashes = CrashPoints.at(5); // before the end is written
        var cut = builder(crashes.around(operations)).payload(TillCommand.class).build();
        assertThat(Tills.bus(crashes.around(domain), cut)
                        .dispatch(
                                new PayIn("t1", 90, "x"), Metadata.withId("m2").with(Metadata.CORRELATION, "visit-3")))
                .isEqualTo(100);
        bus.dispatch(new Twice("t1"));
        assertThatExceptionOfType(ReplayException.class)
                .isThrownBy(() -> journal.replay(JournalQuery.all(), Tills.bus(emptyLog(Tills.domain(), clock))));

        var entry = journal.entries(JournalQuery.all().outcome(Outcome.UNKNOWN))
                .findFirst()
                .orElseThrow();
        journal.settle(entry, Optional.of(Position.of(2)), "seen in the log");

        var fresh = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(3);
        assertThat(log(fresh)).isEqualTo(log(domain));
        assertThat(journal.entries(JournalQuery.all().outcome(Outcome.SUCCEEDED).correlation("visit-3")))
                .extracting(JournalEntry::position)
                .containsExactly(entry.position());
        var settled =
                journal.entries(JournalQuery.all().id(entry.id())).toList().get(0);
        assertThat(settled.outcome()).isEqualTo(Outcome.SUCCEEDED);
        assertThat(settled.reason()).contains("seen in the log");
        assertThatThrownBy(() -> journal.settle(entry, Optional.empty(), "again"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("is known");
    }

    @Test
    void what_was_settled_is_replayed_where_it_began_though_no_places_are_noted() {
        // given a journal that notes no positions, with an end that was cut off
        var journal = whole();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 10, "x"));
        var crashes = CrashPoints.at(5); // before the end is written
        var cut = builder(crashes.around(operations)).payload(TillCommand.class).build();
        Tills.bus(crashes.around(domain), cut).dispatch(new PayIn("t1", 90, "x"));
        bus.dispatch(new PayOut("t1", 100));

        // when it is settled afterwards
        var entry = journal.entries(JournalQuery.all().outcome(Outcome.UNKNOWN))
                .findFirst()
                .orElseThrow();
        journal.settle(entry, Optional.of(Position.of(2)), "seen in the log");

        // then what came behind it still does
        var fresh = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(3);
        assertThat(log(fresh)).isEqualTo(log(domain));
    }

    @Test
    void several_that_were_settled_are_replayed_where_they_began_though_no_places_are_noted() {
        // given a journal that notes no positions, with two ends that were cut off
        var journal = whole();
        cutOff(new PayIn("t1", 10, "x"));
        Tills.bus(domain, journal).dispatch(new Twice("t1"));
        cutOff(new PayIn("t1", 30, "x"));

        // when the one that began last is said to have taken effect first
        var unknown =
                journal.entries(JournalQuery.all().outcome(Outcome.UNKNOWN)).toList();
        journal.settle(unknown.get(0), Optional.of(Position.of(3)), "seen in the log");
        journal.settle(unknown.get(1), Optional.of(Position.of(1)), "seen in the log");

        // then that does not tell where they stand to what lies between them
        var fresh = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(3);
        assertThat(paid(fresh)).containsExactly(10, 10, 30);

        // but how they stand to each other
        var both = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all().commands(PayIn.class), Tills.bus(both)))
                .isEqualTo(2);
        assertThat(paid(both)).containsExactly(30, 10);
    }

    /** Dispatches what appends once, in a process that ends before it has written the end down. */
    private void cutOff(Command<?> command) {
        var crashes = CrashPoints.at(5);
        var cut = builder(crashes.around(operations)).payload(TillCommand.class).build();
        Tills.bus(crashes.around(domain), cut).dispatch(command);
    }

    private static List<Integer> paid(EventStore log) {
        try (var events = log.read(EventQuery.types(Paid.class))) {
            return events.toList().stream()
                    .map(recorded -> ((Paid) recorded.event()).cents())
                    .toList();
        }
    }

    @Test
    void a_command_that_a_journal_without_places_has_written_is_replayed_behind_what_was_noted_before_it() {
        var journal = whole();
        Tills.bus(journal.noting(domain), journal).dispatch(new PayIn("t1", 10, "x"));
        var plain = whole();
        Tills.bus(domain, plain).dispatch(new PayOut("t1", 10));
        Tills.bus(domain, plain).dispatch(new PayIn("t1", 5, "x"));

        var fresh = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(3);
        assertThat(log(fresh)).isEqualTo(log(domain));
    }

    /** A domain log whose first reply is lost: it has appended, and cannot tell. */
    private EventStore losingAReply(EventStore log) {
        var lost = new AtomicBoolean();
        return new EventStore() {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                var appended = log.append(events, condition, metadata);
                if (lost.compareAndSet(false, true)) {
                    throw new AppendOutcomeUnknownException("an event", new IOException("reply lost"));
                }
                return appended;
            }

            @Override
            public EventStream read(EventQuery query, ReadOptions options) {
                return log.read(query, options);
            }

            @Override
            public Position head() {
                throw new IllegalStateException("the domain log is away");
            }

            @Override
            public Catalog catalog() {
                return log.catalog();
            }

            @Override
            public Subscription onAppend(Signal signal) {
                return log.onAppend(signal);
            }
        };
    }

    @Test
    void a_command_that_may_have_been_written_is_of_unknown_outcome_until_that_is_settled() {
        var journal = whole();
        var bus = Tills.bus(journal.noting(losingAReply(domain)), journal);
        assertThatThrownBy(() -> bus.dispatch(new PayIn("t1", 100, "x")))
                .isInstanceOf(AppendOutcomeUnknownException.class);
        bus.dispatch(new PayOut("t1", 60));

        var entry = all(journal).get(0);
        assertThat(entry.outcome()).isEqualTo(Outcome.UNKNOWN);
        assertThat(unwritten).hasSize(1);
        assertThat(unwritten.get(0).outcome()).isEqualTo(Outcome.UNKNOWN);
        assertThat(unwritten.get(0).cause()).isInstanceOf(AppendOutcomeUnknownException.class);
        var fresh = emptyLog(Tills.domain(), clock);
        assertThatExceptionOfType(ReplayException.class)
                .isThrownBy(() -> journal.replay(JournalQuery.all(), Tills.bus(fresh)))
                .withMessageContaining("may have taken effect or not");
        journal.settle(entry, Optional.of(Position.of(1)), "seen in the log");
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(2);
        assertThat(log(fresh)).isEqualTo(log(domain));
    }

    @Test
    void a_command_that_succeeds_as_it_finds_itself_written_is_of_unknown_outcome_as_it_does_not_know_where() {
        var journal = whole();
        var buses = new ArrayList<CommandBus>();
        Interceptor again = (message, metadata, next) -> {
            try {
                return next.proceed(message, metadata);
            } catch (AppendOutcomeUnknownException unknown) {
                var other = new Thread(() -> buses.get(0).dispatch(new PayOut("t1", 60)));
                other.start();
                other.join();
                return Tills.sums(domain).getOrDefault("t1", 0); // as an idempotent handler does
            }
        };
        buses.add(Tills.bus(journal.noting(losingAReply(domain)), journal, again));

        assertThat(buses.get(0).dispatch(new PayIn("t1", 100, "x"))).isEqualTo(40);

        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.UNKNOWN, Outcome.SUCCEEDED);
        assertThat(unwritten).extracting(Unwritten::outcome).containsExactly(Outcome.SUCCEEDED);
        journal.settle(all(journal).get(0), Optional.of(Position.of(1)), "seen in the log");
        var fresh = emptyLog(Tills.domain(), clock);
        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(2);
        assertThat(log(fresh)).isEqualTo(log(domain));
    }

    @Test
    void a_command_that_is_tried_again_and_written_then_has_its_place() {
        var journal = whole();
        var store = losingAReply(emptyLog(Tills.domain(), clock));
        var notes = journal.noting(store);
        var bus = InMemoryCommandBus.builder()
                .run(Fail.class, c -> {
                    var paid = List.of(new Paid("t1", 1));
                    assertThatThrownBy(() -> notes.append(paid, AppendCondition.none()))
                            .isInstanceOf(AppendOutcomeUnknownException.class);
                    notes.append(paid, AppendCondition.none());
                })
                .intercept(0, journal)
                .build();

        bus.dispatch(new Fail("once"));

        assertThat(all(journal).get(0).outcome()).isEqualTo(Outcome.SUCCEEDED);
        assertThat(all(journal).get(0).appended()).contains(Position.of(2));
    }

    @Test
    void a_command_that_does_not_touch_the_domain_log_ends_though_that_is_away() {
        var journal = builder().build();
        Interceptor untouched = (message, metadata, next) -> 7;
        var bus = Tills.bus(journal.noting(losingAReply(domain)), journal, untouched);

        bus.dispatch(new PayOut("t1", 5));

        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.SUCCEEDED);
        assertThat(unwritten).isEmpty();
    }

    @Test
    void a_command_that_is_settled_while_it_is_under_way_has_one_end() {
        var journals = new ArrayList<Journal>();
        Interceptor settling = (message, metadata, next) -> {
            journals.get(0).settle(all(journals.get(0)).get(0), Optional.empty(), "took it for dead");
            return next.proceed(message, metadata);
        };
        journals.add(builder().build());
        var journal = journals.get(0);

        assertThat(Tills.bus(domain, journal, settling).dispatch(new PayIn("t1", 100, "x")))
                .isEqualTo(100);

        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.FAILED);
        assertThat(journal.entries(JournalQuery.all().outcome(Outcome.SUCCEEDED)))
                .isEmpty();
        assertThat(unwritten).extracting(Unwritten::outcome).containsExactly(Outcome.SUCCEEDED);
        assertThat(unwritten.get(0).cause()).isInstanceOf(AppendConflictException.class);
    }

    @Test
    void what_an_interrupt_has_ended_is_written_down_and_the_interrupt_stays() {
        Interceptor interrupted = (message, metadata, next) -> {
            Thread.currentThread().interrupt();
            throw new InterruptedException("at once");
        };
        Interceptor swallowed = (message, metadata, next) -> {
            Thread.currentThread().interrupt();
            return 7;
        };
        var journal = builder(Interruptible.of(operations)).build();
        try {
            assertThatThrownBy(() -> Tills.bus(domain, journal, interrupted).dispatch(new PayOut("t1", 5)))
                    .isInstanceOf(HandlerFailedException.class);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(Tills.bus(domain, journal, swallowed).dispatch(new PayOut("t1", 5)))
                    .isEqualTo(7);
            assertThat(Thread.interrupted()).isTrue();
        } finally {
            Thread.interrupted();
        }
        assertThat(unwritten).isEmpty();
        assertThat(all(journal)).extracting(JournalEntry::outcome).containsExactly(Outcome.FAILED, Outcome.SUCCEEDED);
    }

    @Test
    void a_replay_is_refused_where_a_command_that_failed_has_appended() {
        Interceptor failing = (message, metadata, next) -> {
            next.proceed(message, metadata);
            throw new IOException("after all");
        };
        var journal = whole();
        dispatch(Tills.bus(journal.noting(domain), journal, failing), new PayIn("t1", 1, "x"), Metadata.none());

        assertThatExceptionOfType(ReplayException.class)
                .isThrownBy(() -> journal.replay(JournalQuery.all(), Tills.bus(emptyLog(Tills.domain(), clock))))
                .withMessageContaining("appended up to position 1 of the domain log, though it failed");
    }

    @Test
    void a_replay_is_refused_where_a_command_that_was_rejected_has_appended() {
        Interceptor rejecting = (message, metadata, next) -> {
            next.proceed(message, metadata);
            throw new RejectedException(PayIn.class, "after all");
        };
        var journal = whole();
        dispatch(Tills.bus(journal.noting(domain), journal, rejecting), new PayIn("t1", 1, "x"), Metadata.none());

        assertThatExceptionOfType(ReplayException.class)
                .isThrownBy(() -> journal.replay(JournalQuery.all(), Tills.bus(emptyLog(Tills.domain(), clock))))
                .withMessageContaining("appended up to position 1 of the domain log, though it was rejected");
    }

    @Test
    void what_succeeded_within_a_command_that_did_not_is_replayed_by_itself() {
        var journal = whole();
        Interceptor second = (message, metadata, next) -> {
            if (message instanceof PayIn in && in.from().equals("t1")) {
                throw new IOException("half-way");
            }
            return next.proceed(message, metadata);
        };
        var bus = Tills.bus(domain, journal, second);
        dispatch(bus, new PayIn("t1", 100, "x"), Metadata.none());
        dispatch(bus, new Move("t1", "t2", 30, false), Metadata.none());
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all(), Tills.bus(fresh))).isEqualTo(2);

        assertThat(Tills.sums(fresh)).isEqualTo(Tills.sums(domain)).containsEntry("t1", 70);
    }

    /** Sends a move that fails half-way, and forgives it. */
    private static CommandBus forgiving(EventStore log, Interceptor... outer) {
        var buses = new ArrayList<CommandBus>();
        Interceptor forgiving = (message, metadata, next) -> {
            if (message instanceof Twice twice && twice.till().equals("outer")) {
                dispatch(buses.get(0), new Move("t1", "t2", 30, false), Metadata.none());
                return 0;
            }
            if (message instanceof PayIn in && in.from().equals("t1")) {
                throw new IOException("half-way");
            }
            return next.proceed(message, metadata);
        };
        var all = new ArrayList<>(List.of(outer));
        all.add(forgiving);
        buses.add(Tills.bus(log, all.toArray(Interceptor[]::new)));
        return buses.get(0);
    }

    @Test
    void what_succeeded_within_a_failure_that_its_sender_forgave_is_sent_by_that_sender_only() {
        var journal = whole();
        var bus = forgiving(domain, journal);
        bus.dispatch(new PayIn("t1", 100, "x"));
        bus.dispatch(new Twice("outer"));
        assertThat(all(journal))
                .extracting(JournalEntry::outcome)
                .containsExactly(
                        Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SUCCEEDED, Outcome.FAILED);
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all(), forgiving(fresh))).isEqualTo(2);

        assertThat(Tills.sums(fresh)).isEqualTo(Tills.sums(domain)).containsEntry("t1", 70);
    }

    @Test
    void what_was_dispatched_within_a_command_that_is_none_of_the_query_is_sent_by_itself() {
        var journal = whole();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 100, "x"));
        bus.dispatch(new Move("t1", "t2", 30, true), Metadata.withId("move-1"));
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all().commands(TillCommand.class), Tills.bus(fresh)))
                .isEqualTo(3);
        assertThat(log(fresh)).isEqualTo(log(domain));

        assertThat(journal.replay(JournalQuery.all().correlation("move-1"), Tills.bus(fresh)))
                .isEqualTo(2);
        assertThat(Tills.sums(fresh)).containsEntry("t1", 40).containsEntry("t2", 60);
    }

    /** Sends a move in the handling of another command. */
    private static CommandBus nesting(EventStore log, Interceptor... outer) {
        var buses = new ArrayList<CommandBus>();
        Interceptor nesting = (message, metadata, next) -> {
            if (message instanceof Twice twice && twice.till().equals("outer")) {
                buses.get(0).dispatch(new Move("t1", "t2", 30, false));
                return 0;
            }
            return next.proceed(message, metadata);
        };
        var all = new ArrayList<>(List.of(outer));
        all.add(nesting);
        buses.add(Tills.bus(log, all.toArray(Interceptor[]::new)));
        return buses.get(0);
    }

    @Test
    void what_is_within_a_command_that_is_none_of_the_query_is_left_to_one_further_out_that_is_sent() {
        var journal = whole();
        var bus = nesting(domain, journal);
        bus.dispatch(new PayIn("t1", 100, "x"));
        bus.dispatch(new Twice("outer"));
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all().commands(TillCommand.class), nesting(fresh)))
                .as("the move, which is none of the query, comes by its sender")
                .isEqualTo(2);

        assertThat(Tills.sums(fresh)).isEqualTo(Tills.sums(domain)).containsEntry("t1", 70);
    }

    @Test
    void what_is_within_a_command_that_is_none_of_the_query_is_sent_by_itself_if_the_one_further_out_failed() {
        var journal = whole();
        Interceptor failing = (message, metadata, next) -> {
            var result = next.proceed(message, metadata);
            if (message.equals(new Twice("outer"))) {
                throw new IOException("after all");
            }
            return result;
        };
        var bus = nesting(domain, journal, failing);
        bus.dispatch(new PayIn("t1", 100, "x"));
        dispatch(bus, new Twice("outer"), Metadata.none());
        var fresh = emptyLog(Tills.domain(), clock);

        assertThat(journal.replay(JournalQuery.all().commands(TillCommand.class), nesting(fresh)))
                .isEqualTo(3);

        assertThat(Tills.sums(fresh)).isEqualTo(Tills.sums(domain)).containsEntry("t1", 70);
    }

    @Test
    void a_replay_stops_where_a_command_does_not_succeed_any_more() {
        var journal = whole();
        var bus = Tills.bus(domain, journal);
        bus.dispatch(new PayIn("t1", 100, "x"));
        clock.advance(Duration.ofSeconds(1));
        bus.dispatch(new PayIn("t1", 1, "x"));
        bus.dispatch(new PayOut("t1", 50));

        assertThatExceptionOfType(ReplayException.class)
                .isThrownBy(() -> journal.replay(
                        JournalQuery.all().from(clock.instant()), Tills.bus(emptyLog(Tills.domain(), clock))))
                .withMessageContainingAll("stopped at PayOut", "after 1 commands")
                .withCauseInstanceOf(RejectedException.class)
                .satisfies(thrown -> assertThat(thrown.dispatched()).isEqualTo(1));
    }

    @Test
    void many_entries_are_read_a_page_at_a_time() {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        int count = 3 * Journal.PAGE + 1;
        IntStream.range(0, count).forEach(i -> bus.dispatch(new Twice("t1"), Metadata.withId("m" + i)));

        assertThat(journal.entries(JournalQuery.all()).map(JournalEntry::id))
                .containsExactlyElementsOf(
                        IntStream.range(0, count).mapToObj(i -> "m" + i).toList());
        assertThat(journal.entries(JournalQuery.all().newestFirst())
                        .map(JournalEntry::id)
                        .findFirst())
                .contains("m" + (count - 1));

        var counting = new Counting(operations);
        var counted = builder(counting).build();
        for (var query : List.of(
                JournalQuery.all(),
                JournalQuery.all().newestFirst(),
                JournalQuery.all().outcome(Outcome.SUCCEEDED))) {
            assertThat(counted.entries(query)).hasSize(count);
            assertThat(counted.entries(query.commands(PayIn.class))).isEmpty();
        }
        assertThat(counting.longest).hasValue(Journal.PAGE);
        assertThat(counting.open).hasValue(0);
    }

    @Test
    void what_lies_outside_of_bounds_of_time_is_not_read() {
        var journal = builder().build();
        var bus = Tills.bus(domain, journal);
        for (int i = 0; i < 200; i++) {
            bus.dispatch(new Twice("t1"), Metadata.withId("m" + i));
            clock.advance(Duration.ofSeconds(1));
        }
        var counting = new Counting(operations);

        var between = JournalQuery.all().from(START.plusSeconds(100)).before(START.plusSeconds(103));

        assertThat(builder(counting).build().entries(between).map(JournalEntry::id))
                .containsExactly("m100", "m101", "m102");
        assertThat(counting.events.get())
                .as("two times the logarithm of 400, and 3 starts and ends")
                .isLessThan(30);
        assertThat(counting.open).hasValue(0);
    }

    /** What was appended, but for where: appends of one log stand where those of the other do. */
    private static List<String> log(EventStore log) {
        try (var events = log.read(EventQuery.all())) {
            return events.toList().stream()
                    .map(recorded -> recorded.position() + " " + recorded.event() + " " + recorded.metadata())
                    .toList();
        }
    }
}
