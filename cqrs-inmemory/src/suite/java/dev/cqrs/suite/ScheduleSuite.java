package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.command.Command;
import dev.cqrs.decider.CommandIdReusedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.eventstore.EventStream;
import dev.cqrs.eventstore.ReadOptions;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.interceptor.InvalidMessageException;
import dev.cqrs.interceptor.NotAuthorizedException;
import dev.cqrs.message.Done;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.NoHandlerException;
import dev.cqrs.projection.CheckpointStore;
import dev.cqrs.runtime.Delivery;
import dev.cqrs.schedule.CommandSchedule;
import dev.cqrs.schedule.CommandSchedule.Cancellation;
import dev.cqrs.schedule.ScheduleEvent.Cancelled;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Opened;
import dev.cqrs.schedule.ScheduleEvent.Outcome;
import dev.cqrs.schedule.ScheduleEvent.Recurred;
import dev.cqrs.schedule.ScheduleEvent.Reopened;
import dev.cqrs.schedule.ScheduleEvent.Result;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import dev.cqrs.schedule.ScheduleFailure;
import dev.cqrs.schedule.ScheduleIdReusedException;
import dev.cqrs.schedule.ScheduleTimeoutException;
import dev.cqrs.schedule.ScheduleWorker;
import dev.cqrs.schedule.ScheduledCommand;
import dev.cqrs.schedule.ScheduledCommand.State;
import dev.cqrs.suite.Pages.Note;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SeededScheduler;
import dev.cqrs.testing.SimulatedCrash;
import dev.cqrs.testing.VirtualClock;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Executor;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What a schedule does, over a log of the extending class. Time is virtual and the order of tasks a seed's.
 */
@Timeout(300)
public abstract class ScheduleSuite {

    private static final Instant START = Instant.parse("2026-01-05T09:00:00Z");

    protected VirtualClock clock = new VirtualClock(START);
    protected SeededScheduler executor = new SeededScheduler(7, clock);
    protected EventStore log;
    protected EventStore domain;
    private final List<ScheduleFailure> failures = new ArrayList<>();
    private final List<String> ran = new ArrayList<>();
    private BiConsumer<Note, Metadata> before = (note, metadata) -> {};

    @SuppressWarnings("NullAway.Init") // opened before each test
    protected ScheduleSuite() {}

    /** Makes a log without events. */
    protected abstract EventStore emptyLog(Catalog catalog, Clock clock);

    /** Makes a store without checkpoints, which knows the class of "schedule". */
    protected abstract CheckpointStore emptyCheckpoints();

    /** How many seeds the explorations try. */
    protected int seeds() {
        return 40;
    }

    @BeforeEach
    void open_empty_logs() {
        open(new SeededScheduler(7, clock));
    }

    private void open(SeededScheduler scheduler) {
        executor = scheduler;
        clock = scheduler.clock();
        log = emptyLog(Pages.operations(), clock);
        domain = emptyLog(Pages.domain(), clock);
    }

    private CommandSchedule.Builder schedule(EventStore log) {
        return CommandSchedule.builder(log, clock)
                .key(Note.class, Note::page)
                .lanes(4)
                .atOnce(2)
                .claim(Duration.ofSeconds(30));
    }

    private CommandSchedule schedule() {
        return schedule(log).build();
    }

    private ScheduleWorker work(CommandSchedule schedule, String name) {
        return work(schedule, name, executor, executor::schedule, domain);
    }

    private ScheduleWorker work(
            CommandSchedule schedule, String name, Executor executor, Delivery.Timer timer, EventStore domain) {
        var bus = Pages.bus(domain, (note, metadata) -> {
            ran.add(metadata.id().orElseThrow());
            before.accept(note, metadata);
        });
        return schedule.work(name, bus, executor, timer, failures::add);
    }

    private static Metadata id(String id) {
        return Metadata.withId(id);
    }

    private static State state(CommandSchedule schedule, String id) {
        return schedule.find(id).orElseThrow().state();
    }

    private int count(Class<?> type) {
        try (var events = log.read(EventQuery.types(type))) {
            return events.toList().size();
        }
    }

    private long runs(String id) {
        return ran.stream().filter(id::equals).count();
    }

    private void passOn(Duration duration) {
        executor.runFor(duration);
    }

    // ---- a queue

    @Test
    void what_is_stored_runs_once_in_the_order_of_its_key_and_its_end_is_told() {
        var schedule = schedule();
        for (int i = 1; i <= 40; i++) {
            schedule.enqueue(new Note("p" + i % 3, i), id("n-" + i));
        }
        assertThat(state(schedule, "n-1")).isEqualTo(State.DUE);

        try (var worker = work(schedule, "w")) {
            assertThat(worker.name()).isEqualTo("w");
            executor.runAll();
        }

        for (int page = 0; page < 3; page++) {
            int rest = page;
            assertThat(Pages.on(domain, "p" + page))
                    .isEqualTo(IntStream.rangeClosed(1, 40)
                            .filter(i -> i % 3 == rest)
                            .boxed()
                            .toList());
        }
        assertThat(ran).hasSize(40).doesNotHaveDuplicates();
        assertThat(schedule.find("n-7").orElseThrow().attempts()).isEqualTo(1);
        assertThat(state(schedule, "n-7")).isEqualTo(State.SUCCEEDED);
        var status = schedule.status();
        assertThat(status.succeeded()).isEqualTo(40);
        assertThat(status.due() + status.waiting() + status.taken()).isZero();
        assertThat(status.lanes()).isNotEmpty().allSatisfy(lane -> {
            assertThat(lane.worker()).isEqualTo("w");
            assertThat(lane.until()).isEmpty();
        });
        assertThat(schedule.find("n-41")).isEmpty();
        assertThat(failures).isEmpty();
    }

    @Test
    void the_same_command_under_the_same_id_is_stored_once_and_another_is_refused() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("n-1"));
        var head = log.head();

        assertThat(schedule.enqueue(new Note("p", 1), id("n-1"))).isEqualTo("n-1");
        assertThat(schedule.at(START, new Note("p", 1), id("n-1"))).isEqualTo("n-1");
        assertThatThrownBy(() -> schedule.enqueue(new Note("p", 2), id("n-1")))
                .isInstanceOfSatisfying(ScheduleIdReusedException.class, thrown -> {
                    assertThat(thrown.id()).isEqualTo("n-1");
                    assertThat(thrown.position()).isEqualTo(Position.of(2));
                })
                .hasMessageContaining("Note has the id \"n-1\"")
                .hasMessageContaining("position 2");
        assertThat(log.head()).isEqualTo(head);
    }

    @Test
    void an_id_comes_from_the_metadata_or_from_the_supplier_and_the_handler_gets_all_metadata() {
        var schedule = schedule(log).ids(() -> "made").build();
        before = (note, metadata) -> assertThat(metadata.correlation()).contains("c-1");

        var id = schedule.enqueue(new Note("p", 1), Metadata.none().with(Metadata.CORRELATION, "c-1"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }

        assertThat(id).isEqualTo("made");
        assertThat(state(schedule, "made")).isEqualTo(State.SUCCEEDED);
        assertThatThrownBy(() -> schedule().enqueue(new Note("p", 1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("ids(...)");
    }

    @Test
    void nothing_is_written_while_there_is_nothing_to_do() {
        var schedule = schedule();
        schedule.at(START.plus(Duration.ofDays(1)), new Note("p", 1), id("tomorrow"));
        try (var first = work(schedule, "w1");
                var second = work(schedule(), "w2")) {
            passOn(Duration.ofMinutes(1));
            var head = log.head();
            passOn(Duration.ofHours(5));
            assertThat(log.head()).isEqualTo(head);
            assertThat(first).isNotEqualTo(second);
        }
    }

    @Test
    void a_schedule_with_another_number_of_lanes_is_refused() {
        schedule();
        assertThatThrownBy(() -> schedule(log).lanes(5).build())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("has 4 lanes, but this process was told 5");
    }

    @Test
    void a_null_is_refused_by_its_name() {
        var schedule = schedule();
        var note = new Note("p", 1);
        refusesNull("command", () -> schedule.enqueue(nothing()));
        refusesNull("metadata", () -> schedule.enqueue(note, nothing()));
        refusesNull("due", () -> schedule.at(nothing(), note, id("a")));
        refusesNull("command", () -> schedule.at(START, nothing(), id("a")));
        refusesNull("metadata", () -> schedule.at(START, note, nothing()));
        refusesNull("delay", () -> schedule.after(nothing(), note, id("a")));
        refusesNull("period", () -> schedule.every(nothing(), START, note, id("a")));
        refusesNull("first", () -> schedule.every(Duration.ofDays(1), nothing(), note, id("a")));
        refusesNull("id", () -> schedule.find(nothing()));
        refusesNull("id", () -> schedule.cancel(nothing()));
        refusesNull("id", () -> schedule.retry(nothing()));
        refusesNull("id", () -> schedule.awaitEnded(nothing(), Duration.ZERO));
        refusesNull("timeout", () -> schedule.awaitEnded("a", nothing()));
        refusesNull("duration", () -> schedule(log).claim(nothing()));
        refusesNull("ids", () -> schedule(log).ids(nothing()));
        assertThat(count(Enqueued.class)).isZero();
    }

    private static void refusesNull(String name, ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOf(NullPointerException.class).hasMessage(name);
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what must not be
    private static <T> T nothing() {
        return null;
    }

    // ---- outcomes

    @Test
    void a_rejection_is_an_end_and_is_not_tried_again() {
        var schedule = schedule(log).retry(Duration.ofSeconds(1)).build();
        schedule.enqueue(new Note("p", -1), id("bad"));
        try (var worker = work(schedule, "w")) {
            executor.runAll();
            assertThat(worker).isNotNull();
        }
        var found = schedule.find("bad").orElseThrow();
        assertThat(found.state()).isEqualTo(State.REJECTED);
        assertThat(found.reason()).isEqualTo("less than nothing");
        assertThat(ran).containsExactly("bad");
        assertThat(failures).isEmpty();
        assertThat(schedule.retry("bad")).isFalse();
    }

    @Test
    void who_fails_is_tried_again_and_only_those_of_its_key_wait() {
        var schedule = schedule(log)
                .retry(Duration.ofSeconds(10), Duration.ofSeconds(60))
                .build();
        before = (note, metadata) -> {
            if (note.number() == 1) {
                throw new IllegalStateException("not \u0000 today");
            }
        };
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        schedule.enqueue(new Note("q", 3), id("q-3"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(5));
            assertThat(state(schedule, "q-3")).isEqualTo(State.SUCCEEDED);
            var waits = schedule.find("p-1").orElseThrow();
            assertThat(waits.state()).isEqualTo(State.WAITING);
            assertThat(waits.due()).contains(START.plusSeconds(10));
            assertThat(waits.attempts()).isEqualTo(1);
            assertThat(waits.reason()).isEqualTo("java.lang.IllegalStateException: not ? today");
            assertThat(ran).doesNotContain("p-2");
            assertThat(schedule.status().oldestDue()).isPresent();

            passOn(Duration.ofSeconds(10));
            assertThat(schedule.find("p-1").orElseThrow().attempts()).isEqualTo(2);
            assertThat(ran).doesNotContain("p-2");

            passOn(Duration.ofSeconds(60));
            assertThat(state(schedule, "p-1")).isEqualTo(State.FAILED);
            assertThat(state(schedule, "p-2")).isEqualTo(State.SUCCEEDED);
            assertThat(schedule.status().failed()).isEqualTo(1);
            assertThat(failures).extracting(ScheduleFailure::attempt).containsExactly(1, 2, 3);
            assertThat(failures).extracting(ScheduleFailure::again).containsExactly(true, true, false);

            assertThat(schedule.failed(9)).containsExactly(schedule.find("p-1").orElseThrow());
            assertThat(schedule.failed(0)).isEmpty();

            before = (note, metadata) -> {};
            assertThat(schedule.retry("p-1")).isTrue();
            assertThat(schedule.failed(9)).isEmpty();
            executor.runAll();
            assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
            assertThat(schedule.retry("p-1")).isFalse();
            assertThat(schedule.retry("nobody")).isFalse();
            assertThat(schedule.status().failed()).isZero();
        }
        assertThat(Pages.on(domain, "p")).containsExactly(2, 1);
    }

    @Test
    void an_error_of_a_handler_is_a_failure_of_its_command_alone() {
        var schedule = schedule();
        before = (note, metadata) -> {
            if (note.number() == 1) {
                throw new StackOverflowError("deep") {
                    private static final long serialVersionUID = 1L;

                    @Override
                    public String getMessage() {
                        throw new IllegalStateException("not even a message");
                    }
                };
            }
        };
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(state(schedule, "p-1")).isEqualTo(State.FAILED);
        assertThat(state(schedule, "p-2")).isEqualTo(State.SUCCEEDED);
    }

    @Test
    void an_interrupt_of_the_thread_does_not_count_and_the_command_runs_later() {
        var schedule = schedule();
        before = (note, metadata) -> {
            if (ran.size() == 1) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted");
            }
        };
        schedule.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            while (ran.isEmpty()) {
                executor.runOne();
            }
            assertThat(Thread.interrupted()).isTrue();
            executor.runAll();
        } finally {
            Thread.interrupted();
        }
        assertThat(ran).containsExactly("p-1", "p-1");
        assertThat(schedule.find("p-1").orElseThrow().attempts()).isEqualTo(1);
        assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
        assertThat(failures).singleElement().satisfies(failure -> {
            assertThat(failure.id()).contains("p-1");
            assertThat(failure.attempt()).isZero();
            assertThat(failure.again()).isTrue();
            assertThat(failure.cause()).hasMessage("interrupted");
        });
    }

    @Test
    void an_interrupt_each_time_is_told_each_time_and_counts_after_some() {
        // given a command that always ends so, though nobody interrupts the worker
        var schedule = schedule(log).expiries(2).retry(Duration.ofSeconds(10)).build();
        before = (note, metadata) -> {
            if (note.number() == 1) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted");
            }
        };
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));

        // when
        try (var worker = work(schedule, "w", this::executeAsPoolsDo, executor::schedule, domain)) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofMinutes(1));
        }

        // then
        assertThat(ran).containsExactly("p-1", "p-1", "p-1", "p-1", "p-1", "p-1", "p-2");
        assertThat(failures).extracting(ScheduleFailure::attempt).containsExactly(0, 0, 1, 1, 1, 2);
        assertThat(failures).extracting(ScheduleFailure::again).containsExactly(true, true, true, true, true, false);
        assertThat(state(schedule, "p-1")).isEqualTo(State.FAILED);
        assertThat(state(schedule, "p-2")).isEqualTo(State.SUCCEEDED);
    }

    @Test
    void an_interrupt_does_not_add_to_those_before_what_was_told_since() {
        var schedule = schedule(log).expiries(1).build();
        before = (note, metadata) -> {
            if (ran.size() % 2 == 1) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted");
            }
        };
        schedule.every(Duration.ofMinutes(1), START, new Note("p", 1), id("tick"));

        try (var worker = work(schedule, "w", this::executeAsPoolsDo, executor::schedule, domain)) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(130));
        }

        assertThat(ran).containsExactly("tick#1", "tick#1", "tick#2", "tick#2", "tick#3", "tick#3");
        assertThat(schedule.status().succeeded()).isEqualTo(3);
        assertThat(schedule.status().failed()).isZero();
    }

    @Test
    void what_became_of_a_command_is_written_though_its_handler_has_left_the_thread_interrupted() {
        // given a log that refuses to work for a thread that is interrupted, and handlers that leave theirs so
        var schedule = schedule(Interruptible.of(log))
                .expiries(2)
                .retry(Duration.ofSeconds(10))
                .build();
        before = (note, metadata) -> {
            Thread.currentThread().interrupt();
            if (note.number() == 1) {
                throw new IllegalStateException("interrupted");
            }
        };
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("q", 2), id("q-2"));
        var interrupted = new ArrayList<Boolean>();
        Executor pool = task -> executor.execute(() -> {
            task.run();
            interrupted.add(Thread.interrupted());
        });

        // when
        try (var worker = work(schedule, "w", pool, executor::schedule, domain)) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofMinutes(1));
        }

        // then each is run as often as it may be, and the threads are given back as they were left
        assertThat(ran).filteredOn("q-2"::equals).hasSize(1);
        assertThat(ran).filteredOn("p-1"::equals).hasSize(6);
        assertThat(state(schedule, "q-2")).isEqualTo(State.SUCCEEDED);
        assertThat(state(schedule, "p-1")).isEqualTo(State.FAILED);
        assertThat(interrupted).filteredOn(left -> left).hasSize(7);
    }

    private void executeAsPoolsDo(Runnable task) {
        executor.execute(() -> {
            task.run();
            Thread.interrupted();
        });
    }

    @Test
    void what_is_refused_for_good_has_failed_at_once() {
        var taken =
                AppendCondition.absent(EventQuery.types(Opened.class)).clauses().get(0);
        for (var refused : List.of(
                new InvalidMessageException(Note.class, List.of("number: too small")),
                new NotAuthorizedException(Note.class, "not yours"),
                new CommandIdReusedException("p-1", Note.class, Position.of(1)),
                new AppendConflictException(taken, Position.of(1)))) {
            open_empty_logs();
            ran.clear();
            failures.clear();
            var schedule = schedule(log).retry(Duration.ofSeconds(1)).build();
            before = (note, metadata) -> {
                throw refused;
            };
            schedule.enqueue(new Note("p", 1), id("p-1"));

            try (var worker = work(schedule, "w")) {
                assertThat(worker).isNotNull();
                executor.runAll();
            }

            assertThat(ran).as(refused.toString()).containsExactly("p-1");
            assertThat(schedule.failed(9)).containsExactly(schedule.find("p-1").orElseThrow());
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.again()).isFalse();
                assertThat(failure.attempt()).isEqualTo(1);
                assertThat(failure.cause()).isSameAs(refused);
            });
            assertThat(schedule.retry("p-1")).as("when it was mended").isTrue();
        }
    }

    @Test
    void a_conflict_that_another_attempt_can_cure_is_tried_again() {
        var changed = AppendCondition.unchanged(EventQuery.types(Opened.class), Position.START)
                .clauses()
                .get(0);
        var schedule = schedule(log).retry(Duration.ofSeconds(1)).build();
        before = (note, metadata) -> {
            if (ran.size() == 1) {
                throw new AppendConflictException(changed, Position.of(1));
            }
        };
        schedule.enqueue(new Note("p", 1), id("p-1"));

        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }

        assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
        assertThat(ran).hasSize(2);
    }

    // ---- a schedule

    @Test
    void what_is_for_an_instant_runs_then_and_not_before() {
        var schedule = schedule();
        schedule.at(START.plusSeconds(100), new Note("p", 3), id("late"));
        schedule.after(Duration.ofSeconds(50), new Note("p", 2), id("soon"));
        schedule.at(START.minusSeconds(5), new Note("p", 1), id("past"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(49));
            assertThat(ran).containsExactly("past");
            assertThat(schedule.find("soon").orElseThrow().due()).contains(START.plusSeconds(50));
            assertThat(schedule.status().waiting()).isEqualTo(2);
            passOn(Duration.ofSeconds(2));
            assertThat(ran).containsExactly("past", "soon");
            passOn(Duration.ofSeconds(50));
            assertThat(ran).containsExactly("past", "soon", "late");
        }
    }

    @Test
    void what_runs_again_and_again_does_so_at_whole_periods() {
        var schedule = schedule();
        schedule.every(Duration.ofMinutes(10), START.plusSeconds(60), new Note("p", 1), id("tick"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofMinutes(31));
            assertThat(ran).containsExactly("tick#1", "tick#2", "tick#3", "tick#4");
            var found = schedule.find("tick").orElseThrow();
            assertThat(found.state()).isEqualTo(State.WAITING);
            assertThat(found.occurrences()).isEqualTo(4);
            assertThat(found.due()).contains(START.plusSeconds(60 + 4 * 600));

            assertThat(schedule.cancel("tick")).isEqualTo(Cancellation.CANCELLED);
            assertThat(schedule.cancel("tick")).isEqualTo(Cancellation.CANCELLED);
            passOn(Duration.ofHours(1));
        }
        assertThat(ran).hasSize(4);
        assertThat(Pages.on(domain, "p")).hasSize(4);
        assertThat(state(schedule, "tick")).isEqualTo(State.CANCELLED);
    }

    @Test
    void how_often_it_has_run_is_told_also_while_what_runs_again_and_again_waits_to_be_tried_again() {
        var schedule = schedule(log).retry(Duration.ofMinutes(1)).build();
        before = (note, metadata) -> {
            if (metadata.id().orElseThrow().equals("tick#5")) {
                throw new IllegalStateException("not today");
            }
        };
        schedule.every(Duration.ofMinutes(10), START, new Note("p", 1), id("tick"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(40 * 60 + 30));
            var found = schedule.find("tick").orElseThrow();
            assertThat(found.state()).isEqualTo(State.WAITING);
            assertThat(found.reason()).contains("not today");
            assertThat(found.occurrences()).isEqualTo(4);

            assertThat(schedule.cancel("tick")).isEqualTo(Cancellation.CANCELLED);
            assertThat(state(schedule, "tick")).isEqualTo(State.CANCELLED);
            assertThat(schedule.find("tick").orElseThrow().occurrences()).isEqualTo(4);
        }
    }

    @Test
    void a_clock_that_jumps_forward_has_each_run_once_and_back_none_twice() {
        var schedule = schedule();
        schedule.every(Duration.ofMinutes(10), START, new Note("p", 1), id("tick"));
        schedule.at(START.plusSeconds(3600), new Note("q", 1), id("q-1"));
        schedule.at(START.plusSeconds(7200), new Note("q", 2), id("q-2"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(1));
            assertThat(ran).containsExactly("tick#1");

            clock.set(START.plus(Duration.ofHours(24)).plusSeconds(1));
            passOn(Duration.ofMinutes(2));
            assertThat(ran).containsExactlyInAnyOrder("tick#1", "q-1", "q-2", "tick#2");
            assertThat(Pages.on(domain, "q")).containsExactly(1, 2);

            clock.set(START);
            passOn(Duration.ofHours(23));
            assertThat(ran).hasSize(4);
            passOn(Duration.ofHours(2));
            assertThat(ran).contains("tick#3").doesNotHaveDuplicates();
        }
    }

    @Test
    void what_runs_again_and_again_goes_on_from_its_own_time_if_the_clock_is_put_back_within_a_run() {
        var schedule = schedule();
        schedule.every(Duration.ofMinutes(10), START, new Note("p", 1), id("tick"));
        before = (note, metadata) -> {
            if (ran.size() == 1) {
                clock.set(START.minus(Duration.ofHours(1)));
            }
        };
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofMinutes(59));
            assertThat(ran).containsExactly("tick#1");
            passOn(Duration.ofMinutes(12));
            assertThat(ran).containsExactly("tick#1", "tick#2");
        }
    }

    @Test
    void what_has_missed_more_times_than_can_be_counted_runs_once_and_is_due_after_a_period() {
        var schedule = schedule();
        var since = START.minus(Duration.ofDays(400 * 365));
        schedule.every(Duration.ofNanos(1), since, new Note("p", 1), id("tick"));
        before = (note, metadata) -> schedule.cancel("tick");
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("tick#1");
        try (var told = log.read(EventQuery.types(Recurred.class))) {
            assertThat(told.toList())
                    .singleElement()
                    .satisfies(event ->
                            assertThat(((Recurred) event.event()).next()).isEqualTo(START.plusNanos(1)));
        }
    }

    @Test
    void what_is_stored_after_a_jump_of_the_clock_is_not_late() {
        var schedule = schedule();
        schedule.at(START.plusSeconds(30), new Note("p", 1), id("p-1"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(1));
            clock.set(START.plusSeconds(20 * 60));
            schedule.after(Duration.ofSeconds(5), new Note("p", 2), id("p-2"));
            passOn(Duration.ofSeconds(6));
            assertThat(ran).containsExactly("p-1", "p-2");
        }
    }

    @Test
    void what_is_to_run_after_all_is_behind_those_of_its_key_that_were_stored_before_at_the_same_instant() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        before = (note, metadata) -> {
            throw new IllegalStateException("no");
        };
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        before = (note, metadata) -> {};
        ran.clear();

        schedule.enqueue(new Note("p", 2), id("p-2"));
        assertThat(schedule.retry("p-1")).isTrue();
        schedule.enqueue(new Note("p", 3), id("p-3"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("p-2", "p-1", "p-3");
    }

    @Test
    void exactly_one_of_a_run_and_a_cancel_wins() {
        var schedule = schedule();
        schedule.after(Duration.ofSeconds(10), new Note("p", 1), id("in-time"));
        schedule.after(Duration.ofSeconds(20), new Note("p", 2), id("too-late"));
        var within = new ArrayList<Cancellation>();
        before = (note, metadata) -> within.add(schedule.cancel("too-late"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            assertThat(schedule.cancel("in-time")).isEqualTo(Cancellation.CANCELLED);
            assertThat(schedule.cancel("nobody")).isEqualTo(Cancellation.UNKNOWN);
            executor.runAll();
            assertThat(schedule.cancel("too-late")).isEqualTo(Cancellation.TOO_LATE);
        }
        assertThat(within).containsExactly(Cancellation.TOO_LATE);
        assertThat(ran).containsExactly("too-late");
        assertThat(state(schedule, "in-time")).isEqualTo(State.CANCELLED);
        assertThat(schedule.status().cancelled()).isEqualTo(1);
    }

    @Test
    void a_cancel_within_its_run_ends_what_runs_again_and_again() {
        var schedule = schedule();
        schedule.every(Duration.ofSeconds(10), START, new Note("p", 1), id("tick"));
        before = (note, metadata) -> assertThat(schedule.cancel("tick")).isEqualTo(Cancellation.CANCELLED);
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("tick#1");
        assertThat(schedule.status().waiting()).isZero();
        assertThat(state(schedule, "tick")).isEqualTo(State.CANCELLED);
    }

    @Test
    void waiting_for_an_end_gives_it_or_says_how_the_command_stands() throws InterruptedException {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        assertThatThrownBy(() -> schedule.awaitEnded("p-1", Duration.ZERO))
                .isInstanceOf(ScheduleTimeoutException.class)
                .hasMessageContaining("\"p-1\" is DUE after PT0S");
        assertThatThrownBy(() -> schedule.awaitEnded("nobody", Duration.ZERO))
                .isInstanceOf(IllegalArgumentException.class);
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(schedule.awaitEnded("p-1", Duration.ZERO).state()).isEqualTo(State.SUCCEEDED);
    }

    // ---- several workers

    @Test
    void a_worker_whose_claim_has_ended_writes_nothing_and_the_effect_is_there_once() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        before = (note, metadata) -> {
            if (ran.size() == 1) { // held up in the middle of the first, past its claim
                clock.advance(Duration.ofSeconds(31));
                try (var other = work(schedule(log).build(), "other", Runnable::run, (d, t) -> {}, domain)) {
                    assertThat(other).isNotNull();
                }
            }
        };
        try (var worker = work(schedule, "paused")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("p-1", "p-1", "p-2");
        assertThat(Pages.on(domain, "p")).containsExactly(1, 2);
        try (var events = log.read(EventQuery.types(Ended.class))) {
            assertThat(events.toList())
                    .extracting(e -> ((Ended) e.event()).result().worker())
                    .containsExactly("other", "other");
        }
    }

    @Test
    void a_command_that_is_rejected_by_who_took_over_takes_no_effect_where_its_handler_was_held_up() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        var refuses = new boolean[1];
        var repeated = new ArrayList<Boolean>();
        var bus = Pages.bus(
                domain,
                (note, metadata) -> {
                    repeated.add(metadata.get(Metadata.REPEATED).isPresent());
                    before.accept(note, metadata);
                },
                note -> refuses[0]);
        before = (note, metadata) -> {
            if (repeated.size() == 1) {
                clock.advance(Duration.ofSeconds(31));
                refuses[0] = true;
                try (var other = schedule(log).build().work("other", bus, Runnable::run, (d, t) -> {}, failures::add)) {
                    assertThat(other).isNotNull();
                }
                refuses[0] = false;
            }
        };
        try (var worker = schedule.work("paused", bus, executor, executor::schedule, failures::add)) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(repeated)
                .as("whoever dispatches it, somebody may have done so")
                .containsExactly(true, true);
        assertThat(state(schedule, "p-1")).isEqualTo(State.REJECTED);
        assertThat(Pages.on(domain, "p")).isEmpty();
    }

    @Test
    void
            a_worker_that_has_lost_its_claim_runs_nothing_more_of_it_though_something_failed_and_something_waits_for_that() {
        var schedule = schedule(log).lanes(1).retry(Duration.ofHours(1)).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        schedule.enqueue(new Note("k", 3), id("k-3"));
        before = (note, metadata) -> {
            if (ran.size() == 1) {
                clock.advance(Duration.ofSeconds(31));
                var another = schedule(log).lanes(1).build();
                try (var other = work(another, "other", Runnable::run, (d, t) -> {}, domain)) {
                    assertThat(other).isNotNull();
                }
                throw new IllegalStateException("too late");
            }
        };
        try (var worker = work(schedule, "paused")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("p-1", "p-1", "p-2", "k-3");
        assertThat(schedule.status().succeeded()).isEqualTo(3);
    }

    @Test
    void a_worker_that_has_lost_its_claim_before_it_has_read_the_log_runs_nothing_of_it() {
        var robbed = new Fronted(log) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                var appended = store.append(events, condition, metadata);
                if (events.get(0) instanceof Claimed claim && claim.worker().equals("slow")) {
                    var until = clock.instant().plusSeconds(60);
                    store.append(
                            List.of(new Claimed(claim.lane(), "quick", until, claim.entries())),
                            AppendCondition.none());
                }
                return appended;
            }
        };
        var schedule = schedule(robbed).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(schedule, "slow")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(59));
            assertThat(ran).isEmpty();
        }
        assertThat(schedule.status().lanes())
                .singleElement()
                .satisfies(lane -> assertThat(lane.worker()).isEqualTo("quick"));
        assertThat(failures).isEmpty();
    }

    @Test
    void the_claim_of_a_long_command_is_renewed() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        before = (note, metadata) -> {
            for (int i = 0; i < 20; i++) {
                executor.runFor(Duration.ofSeconds(10)); // others work meanwhile
            }
        };
        try (var worker = work(schedule, "w1");
                var other = work(schedule(), "w2")) {
            executor.runAll();
            assertThat(worker).isNotSameAs(other);
        }
        assertThat(ran).containsExactly("p-1");
        assertThat(count(Claimed.class)).isBetween(10, 15);
        assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
    }

    @Test
    void closing_lets_the_command_that_runs_end_and_gives_the_rest_to_others() {
        var schedule = schedule();
        for (int i = 1; i <= 5; i++) {
            schedule.enqueue(new Note("p", i), id("p-" + i));
        }
        var closing = new ArrayList<ScheduleWorker>();
        before = (note, metadata) -> {
            if (note.number() == 2) {
                closing.get(0).close();
            }
        };
        closing.add(work(schedule, "w1"));
        executor.runAll();
        assertThat(Pages.on(domain, "p")).containsExactly(1, 2);
        assertThat(schedule.status().lanes())
                .allSatisfy(lane -> assertThat(lane.until()).isEmpty());

        before = (note, metadata) -> {};
        try (var other = work(schedule(), "w2")) {
            assertThat(other).isNotNull();
            executor.runAll();
        }
        assertThat(Pages.on(domain, "p")).containsExactly(1, 2, 3, 4, 5);
        closing.get(0).close();
    }

    /** Or another worker takes a command over that is well, and runs on. */
    @Test
    void the_claim_of_a_command_that_outlasts_the_closing_of_its_worker_is_renewed() {
        for (var claim : List.of(Duration.ofSeconds(30), Duration.ofMinutes(10))) { // of which half is a long wait
            open(new SeededScheduler(7, new VirtualClock(START)));
            ran.clear();
            var schedule = schedule(log).claim(claim).build();
            schedule.enqueue(new Note("p", 1), id("p-1"));
            schedule.enqueue(new Note("p", 2), id("p-2"));
            var workers = new ArrayList<ScheduleWorker>();
            before = (note, metadata) -> {
                if (note.number() == 1) {
                    workers.add(work(schedule(log).claim(claim).build(), "w2"));
                    workers.get(0).close();
                    for (int i = 0; i < 20; i++) {
                        executor.runFor(claim.dividedBy(3)); // others work meanwhile
                    }
                    assertThat(ran).containsExactly("p-1");
                    assertThat(state(schedule, "p-1")).isEqualTo(State.TAKEN);
                }
            };
            workers.add(work(schedule, "w1"));
            executor.runAll();

            assertThat(ran).containsExactly("p-1", "p-2");
            try (var events = log.read(EventQuery.types(Ended.class))) {
                assertThat(events.toList())
                        .extracting(e -> ((Ended) e.event()).result().worker())
                        .containsExactly("w1", "w2");
            }
            workers.forEach(ScheduleWorker::close);
            var head = log.head();
            passOn(Duration.ofHours(1));
            assertThat(log.head()).isEqualTo(head);
            assertThat(failures).isEmpty();
        }
    }

    @Test
    void all_of_it_survives_a_restart() {
        var first = schedule();
        first.enqueue(new Note("p", 1), id("p-1"));
        first.after(Duration.ofSeconds(100), new Note("p", 2), id("p-2"));
        first.every(Duration.ofSeconds(60), START, new Note("q", 1), id("tick"));
        try (var worker = work(first, "w1")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(70));
        }
        assertThat(ran).containsExactlyInAnyOrder("p-1", "tick#1", "tick#2");

        try (var worker = work(schedule(), "w2")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(60));
        }
        assertThat(ran).containsExactlyInAnyOrder("p-1", "tick#1", "tick#2", "tick#3", "p-2");
    }

    @Test
    void a_start_from_a_checkpoint_knows_the_same_as_one_from_the_beginning() {
        var checkpoints = emptyCheckpoints();
        var first = schedule(log)
                .checkpoints(checkpoints, "schedule")
                .retry(Duration.ofHours(1))
                .build();
        before = (note, metadata) -> {
            if (note.number() == 0) {
                throw new IllegalStateException("zero");
            }
        };
        int many = 6_000; // two marks each
        try (var worker = work(first, "w1")) {
            assertThat(worker).isNotNull();
            first.after(Duration.ofDays(1), new Note("p", 1), id("tomorrow"));
            first.every(Duration.ofDays(1), START, new Note("q", 1), id("tick"));
            first.enqueue(new Note("z", 0), id("z-0"));
            first.enqueue(new Note("z", 1), id("z-1"));
            passOn(Duration.ofSeconds(1)); // so that one waits to be tried again, and one for that
            for (int i = 0; i < many; i += 1_000) { // as a worker would leave them, but in few appends
                var marks = new ArrayList<Object>();
                for (int n = i; n < i + 1_000; n++) {
                    marks.add(new Enqueued("x-" + n, 0, 0, Timing.NOW, START, Duration.ZERO));
                    marks.add(new Note("x", n));
                    marks.add(new Ended("x-" + n, new Result(Outcome.SUCCEEDED, "", 1, "w0")));
                }
                log.append(marks, AppendCondition.none());
            }
            passOn(Duration.ofSeconds(1));
        }
        assertThat(checkpoints.position("schedule")).isPresent();
        var behind = schedule(log).checkpoints(checkpoints, "schedule").build();
        assertThat(behind.status()).isEqualTo(schedule().status());
        assertThat(behind.status().succeeded()).isEqualTo(many + 1);
        before = (note, metadata) -> {};
        ran.clear();
        try (var worker = work(behind, "w2")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofHours(25));
        }
        assertThat(ran).containsExactlyInAnyOrder("z-0", "z-1", "tomorrow", "tick#2");
        assertThat(ran.indexOf("z-0")).isLessThan(ran.indexOf("z-1"));
    }

    // ---- what can go wrong

    /** Calls somebody before the first append of an event of a class. */
    private static EventStore before(Class<?> type, EventStore store, Runnable meddler) {
        return new Fronted(store) {
            private boolean done;

            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (!done && events.stream().anyMatch(type::isInstance)) {
                    done = true;
                    meddler.run();
                }
                return store.append(events, condition, metadata);
            }
        };
    }

    @Test
    void a_cancel_that_a_worker_forestalls_is_too_late() {
        var schedule = schedule(before(Cancelled.class, log, executor::runAll)).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(schedule(), "w")) {
            assertThat(worker).isNotNull();
            assertThat(schedule.cancel("p-1")).isEqualTo(Cancellation.TOO_LATE);
        }
        assertThat(ran).containsExactly("p-1");
        assertThat(count(Cancelled.class)).isZero();
    }

    @Test
    void what_is_held_up_past_its_claim_is_not_cancelled_though_who_took_over_has_given_it_back() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        var asked = new ArrayList<Cancellation>();
        var seen = new ArrayList<State>();
        before = (note, metadata) -> {
            if (asked.isEmpty()) {
                clock.advance(Duration.ofSeconds(31));
                schedule()
                        .work("old", InMemoryCommandBus.builder().build(), Runnable::run, (d, t) -> {}, failures::add)
                        .close();
                asked.add(schedule.cancel("p-1"));
                seen.add(state(schedule, "p-1"));
            }
        };
        try (var worker = work(schedule, "held up")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(failures).as("who took over has no handler").hasSize(1);
        assertThat(asked).containsExactly(Cancellation.TOO_LATE);
        assertThat(seen).containsExactly(State.TAKEN);
        assertThat(Pages.on(domain, "p")).containsExactly(1);
        assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
    }

    @Test
    void a_worker_that_a_cancel_forestalls_runs_the_rest() {
        var plain = schedule();
        plain.enqueue(new Note("p", 1), id("p-1"));
        plain.enqueue(new Note("p", 2), id("p-2"));
        var cancelled = new ArrayList<Cancellation>();
        var schedule = schedule(before(Claimed.class, log, () -> cancelled.add(plain.cancel("p-1"))))
                .build();
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(cancelled).containsExactly(Cancellation.CANCELLED);
        assertThat(ran).containsExactly("p-2");
        assertThat(failures).isEmpty();
        assertThat(plain.cancel("p-1")).as("asked again").isEqualTo(Cancellation.CANCELLED);
        assertThat(state(plain, "p-1")).isEqualTo(State.CANCELLED);
        assertThat(plain.status()).isEqualTo(schedule.status());
    }

    /** Throws at the first appends of an event of a class, after they are written or before. */
    private static final class Failing extends Fronted {
        private final Class<?> type;
        private final boolean written;
        private final RuntimeException failure;
        private int left;

        Failing(EventStore store, Class<?> type, int times, boolean written, RuntimeException failure) {
            super(store);
            this.type = type;
            this.left = times;
            this.written = written;
            this.failure = failure;
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            if (left == 0 || events.stream().noneMatch(type::isInstance)) {
                return store.append(events, condition, metadata);
            }
            left--;
            if (written) {
                store.append(events, condition, metadata);
            }
            throw failure;
        }
    }

    private static RuntimeException away() {
        return new IllegalArgumentException("the store is away, and nothing was written");
    }

    private static RuntimeException unknown() {
        return new AppendOutcomeUnknownException("it", new IllegalStateException("the answer is lost"));
    }

    private int laneOf(String id) {
        try (var marks = log.read(EventQuery.types(Enqueued.class))) {
            return marks.toList().stream()
                    .map(mark -> (Enqueued) mark.event())
                    .filter(mark -> mark.id().equals(id))
                    .findFirst()
                    .orElseThrow()
                    .lane();
        }
    }

    @Test
    void an_end_that_the_store_does_not_take_at_once_is_written_with_no_second_dispatch() {
        var schedule = schedule(new Failing(log, Ended.class, 3, false, away())).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
        assertThat(ran).containsExactly("p-1");
        assertThat(failures).hasSize(1);
        assertThat(failures.get(0).id()).isEmpty();
        ScheduleRules.check(log);
    }

    @Test
    void an_end_that_stays_unknown_is_given_up_and_the_command_runs_again_a_little_later() {
        var schedule =
                schedule(new Failing(log, Ended.class, 100, false, unknown())).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofMillis(900));
            assertThat(ran).containsExactly("p-1");
            assertThat(state(schedule, "p-1")).isEqualTo(State.TAKEN);
            passOn(Duration.ofSeconds(1));
        }
        assertThat(ran).containsExactly("p-1", "p-1");
        assertThat(schedule.find("p-1").orElseThrow())
                .returns(State.SUCCEEDED, ScheduledCommand::state)
                .returns(1, ScheduledCommand::attempts);
        assertThat(failures)
                .singleElement()
                .satisfies(failure -> assertThat(failure.cause()).isInstanceOf(AppendOutcomeUnknownException.class));
        ScheduleRules.check(log);
    }

    @Test
    void a_claim_whose_outcome_is_unknown_holds_nobody_up_and_is_charged_to_no_command() {
        for (boolean written : List.of(true, false)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            ran.clear();
            failures.clear();
            var schedule = schedule(new Failing(log, Claimed.class, 1, written, unknown()))
                    .expiries(1)
                    .build();
            schedule.enqueue(new Note("p", 1), id("p-1"));
            schedule.enqueue(new Note("p", 2), id("p-2"));
            before = (note, metadata) -> passOn(Duration.ofSeconds(40)); // and the claim is renewed
            try (var worker = work(schedule, "w")) {
                assertThat(worker).isNotNull();
                passOn(Duration.ofSeconds(2));
                assertThat(ran).containsExactly("p-1", "p-2");
            }
            assertThat(schedule.status().succeeded()).isEqualTo(2);
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.id()).isEmpty();
                assertThat(failure.cause()).isInstanceOf(AppendOutcomeUnknownException.class);
            });
            ScheduleRules.check(log);
        }
    }

    @Test
    void a_renewal_whose_outcome_is_unknown_costs_no_second_dispatch() {
        for (boolean written : List.of(true, false)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            ran.clear();
            failures.clear();
            var schedule = schedule(new Fronted(log) {
                        private int claims;

                        @Override
                        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                            if (events.stream().anyMatch(Claimed.class::isInstance) && ++claims == 2) {
                                if (written) {
                                    store.append(events, condition, metadata);
                                }
                                throw unknown();
                            }
                            return store.append(events, condition, metadata);
                        }
                    })
                    .build();
            schedule.enqueue(new Note("p", 1), id("p-1"));
            before = (note, metadata) -> executor.runFor(Duration.ofSeconds(28));
            try (var worker = work(schedule, "w")) {
                assertThat(worker).isNotNull();
                executor.runAll();
            }
            assertThat(ran).containsExactly("p-1");
            assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
            assertThat(failures).hasSize(1);
            ScheduleRules.check(log);
        }
    }

    @Test
    void the_end_of_a_run_within_which_its_command_was_cancelled_is_written_though_the_outcome_was_unknown() {
        for (boolean written : List.of(true, false)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            ran.clear();
            var schedule = schedule(new Failing(log, Recurred.class, 1, written, unknown()))
                    .build();
            schedule.every(Duration.ofMinutes(10), START, new Note("p", 1), id("tick"));
            before = (note, metadata) -> assertThat(schedule.cancel("tick")).isEqualTo(Cancellation.CANCELLED);
            try (var worker = work(schedule, "w")) {
                assertThat(worker).isNotNull();
                executor.runAll();
            }
            assertThat(ran).containsExactly("tick#1");
            assertThat(count(Recurred.class)).isEqualTo(1);
            assertThat(schedule.status().succeeded()).isEqualTo(1);
            assertThat(schedule.status().lanes())
                    .singleElement()
                    .satisfies(lane -> assertThat(lane.until()).isEmpty());
            ScheduleRules.check(log);
        }
    }

    @Test
    void the_claim_of_another_is_not_taken_for_the_own_one_whose_outcome_is_unknown() {
        var schedule = schedule(new Fronted(log) {
                    private boolean forestalled;

                    @Override
                    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                        if (!forestalled && events.get(0) instanceof Claimed own) {
                            forestalled = true;
                            var other = new Claimed(own.lane(), "other", own.until(), own.entries());
                            store.append(List.of(other), AppendCondition.none());
                            throw unknown();
                        }
                        return store.append(events, condition, metadata);
                    }
                })
                .build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(29));
            assertThat(ran).isEmpty();
            passOn(Duration.ofSeconds(5));
        }
        assertThat(ran).containsExactly("p-1");
        ScheduleRules.check(log);
    }

    @Test
    void a_lane_whose_turn_goes_badly_while_its_worker_is_being_closed_is_free_for_others_at_once() {
        var schedule =
                schedule(new Failing(log, Ended.class, 10, false, away())).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        var closing = new ArrayList<ScheduleWorker>();
        before = (note, metadata) -> closing.forEach(ScheduleWorker::close);
        closing.add(work(schedule, "w1"));
        passOn(Duration.ofSeconds(1));
        assertThat(ran).containsExactly("p-1");

        before = (note, metadata) -> {};
        try (var second = work(schedule, "w2")) {
            assertThat(second).isNotNull();
            passOn(Duration.ofSeconds(1));
        }
        assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
        assertThat(ran).containsExactly("p-1", "p-1");
    }

    @Test
    void a_worker_whose_store_fails_goes_on_soon_and_need_not_wait_for_the_end_of_its_own_claim() {
        var schedule =
                schedule(new Failing(log, Ended.class, 10, false, away())).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(3));
            assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
        }
        assertThat(ran).containsExactly("p-1", "p-1");
        assertThat(Pages.on(domain, "p")).containsExactly(1);
        assertThat(failures).hasSize(1);
        assertThat(failures.get(0).id()).isEmpty();
        ScheduleRules.check(log);
    }

    /** A process that stands for itself, up to its death: from then on it writes nothing, and none of its tasks runs. */
    private final class Mortal extends Fronted {
        private boolean dead;

        Mortal() {
            super(log);
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            if (dead) {
                throw new AssertionError("the process has ended");
            }
            return store.append(events, condition, metadata);
        }

        void execute(Runnable task) {
            executor.execute(() -> {
                if (!dead) {
                    task.run();
                }
            });
        }

        void schedule(Duration delay, Runnable task) {
            executor.schedule(delay, () -> execute(task));
        }
    }

    @Test
    void a_command_that_ends_its_process_each_time_is_given_up_and_its_lane_goes_on() {
        // given processes that die of the second command, one after the other
        var plain = schedule(log).expiries(3).build();
        plain.enqueue(new Note("p", 1), id("p-1"));
        plain.after(Duration.ofSeconds(1), new Note("p", 2), id("p-2"));
        plain.after(Duration.ofSeconds(2), new Note("p", 3), id("p-3"));
        passOn(Duration.ofSeconds(3));
        for (int process = 1; process <= 3; process++) {
            var mortal = new Mortal();
            before = (note, metadata) -> {
                if (note.number() == 2) {
                    mortal.dead = true;
                    throw new AssertionError("a command that ends its process");
                }
            };
            work(schedule(mortal).expiries(3).build(), "w" + process, mortal::execute, mortal::schedule, domain);
            executor.runFor(Duration.ofSeconds(1));
            assertThat(mortal.dead).isTrue();
            assertThat(state(plain, "p-2")).isEqualTo(State.TAKEN);
            passOn(Duration.ofSeconds(30)); // until its claim has ended
        }
        failures.clear();

        // when
        var last = schedule(log).expiries(3).build();
        try (var worker = work(last, "last")) {
            assertThat(worker).isNotNull();
            executor.runAll();

            // then
            assertThat(ran).containsExactly("p-1", "p-2", "p-2", "p-2", "p-3");
            var given = last.find("p-2").orElseThrow();
            assertThat(given.state()).isEqualTo(State.FAILED);
            assertThat(given.attempts()).isEqualTo(3);
            assertThat(given.reason()).contains("\"p-2\" said nothing more, 3 times since", "retry");
            assertThat(last.failed(9)).containsExactly(given);
            assertThat(state(last, "p-3")).isEqualTo(State.SUCCEEDED);
            assertThat(failures).singleElement().satisfies(failure -> {
                assertThat(failure.id()).contains("p-2");
                assertThat(failure.again()).isFalse();
                assertThat(failure.attempt()).as("as the log has it").isEqualTo(3);
            });

            // and when its cause is mended
            before = (note, metadata) -> {};
            assertThat(last.retry("p-2")).isTrue();
            executor.runAll();
            assertThat(state(last, "p-2")).isEqualTo(State.SUCCEEDED);
        }
        assertThat(Pages.on(domain, "p")).containsExactly(1, 3, 2);
        assertThat(plain.status()).isEqualTo(last.status());
    }

    /** Has a worker of a process of its own run what is due, until a command ends that process. */
    private void dieOf(Mortal mortal, CommandSchedule schedule) {
        work(schedule, "mortal", mortal::execute, mortal::schedule, domain);
        executor.runFor(Duration.ofSeconds(1));
        assertThat(mortal.dead).isTrue();
    }

    @Test
    void a_command_that_is_unknown_here_is_not_charged_for_one_behind_it_that_ends_the_process() {
        // given one of another key behind two that these processes do not know
        var plain = schedule(log).lanes(1).expiries(3).build();
        plain.enqueue(new Note("x", 1), id("x-1"));
        plain.enqueue(new Note("x", 2), id("x-2"));
        plain.enqueue(new Note("k", 3), id("k-3"));
        plain.enqueue(new Note("m", 4), id("m-4"));
        for (int process = 1; process <= 3; process++) {
            var mortal = new Mortal();
            before = (note, metadata) -> {
                if (note.page().equals("x")) {
                    throw new NoHandlerException(Note.class, "");
                }
                if (note.number() == 3) {
                    mortal.dead = true;
                    throw new AssertionError("a command that ends its process");
                }
            };
            dieOf(mortal, schedule(mortal).lanes(1).expiries(3).build());
            assertThat(state(plain, "x-1")).as("it was given back").isEqualTo(State.DUE);
            assertThat(state(plain, "x-2")).as("it was given back").isEqualTo(State.DUE);
            assertThat(state(plain, "k-3")).isEqualTo(State.TAKEN);
            assertThat(plain.cancel("k-3")).isEqualTo(Cancellation.TOO_LATE);
            passOn(Duration.ofSeconds(30)); // until its claim has ended
        }
        ran.clear();

        // when one comes that knows them
        before = (note, metadata) -> {};
        try (var worker = work(plain, "last")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }

        // then
        assertThat(ran).containsExactly("x-1", "x-2", "m-4");
        assertThat(plain.failed(9)).singleElement().satisfies(given -> {
            assertThat(given.id()).isEqualTo("k-3");
            assertThat(given.attempts()).isEqualTo(3);
        });
        assertThat(plain.find("x-1").orElseThrow().attempts()).isEqualTo(1);
    }

    @Test
    void who_waits_behind_a_failed_one_is_not_charged_for_another_that_ends_the_process() {
        var plain =
                schedule(log).lanes(1).retry(Duration.ofSeconds(1)).expiries(1).build();
        plain.enqueue(new Note("p", 1), id("p-1"));
        plain.enqueue(new Note("p", 2), id("p-2"));
        plain.enqueue(new Note("k", 3), id("k-3"));
        var mortal = new Mortal();
        before = (note, metadata) -> {
            mortal.dead = note.number() == 3;
            throw new IllegalStateException("no");
        };
        dieOf(mortal, schedule(mortal).lanes(1).retry(Duration.ofSeconds(1)).build());
        passOn(Duration.ofSeconds(30));
        assertThat(plain.status().due()).as("those of its key wait no more").isEqualTo(3);

        before = (note, metadata) -> {};
        try (var worker = work(plain, "last")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(Pages.on(domain, "p")).containsExactly(1, 2);
        assertThat(state(plain, "k-3")).isEqualTo(State.FAILED);
    }

    @Test
    void one_that_failed_and_is_to_run_after_all_is_not_charged_for_another_of_the_claim_it_failed_in() {
        var plain = schedule(log).lanes(1).expiries(1).build();
        plain.enqueue(new Note("p", 1), id("p-1"));
        plain.enqueue(new Note("k", 2), id("k-2"));
        var taken = new ArrayList<Long>();
        var mortal = new Mortal();
        before = (note, metadata) -> {
            if (note.number() == 2) {
                assertThat(plain.retry("p-1")).isTrue();
                taken.add(plain.status().taken());
                mortal.dead = true;
            }
            throw new IllegalStateException("no");
        };
        dieOf(mortal, schedule(mortal).lanes(1).build());
        assertThat(taken).as("k-2 alone").containsExactly(1L);
        passOn(Duration.ofSeconds(30));

        before = (note, metadata) -> {};
        try (var worker = work(plain, "last")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("p-1", "k-2", "p-1");
        assertThat(state(plain, "p-1")).isEqualTo(State.SUCCEEDED);
        assertThat(state(plain, "k-2")).isEqualTo(State.FAILED);
    }

    @Test
    void a_claim_that_ends_within_a_millisecond_counts_though_the_log_tells_the_time_less_exactly() {
        var schedule = schedule(log).lanes(1).expiries(1).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        clock.advance(Duration.ofNanos(999_999));
        log.append(
                List.of(new Claimed(0, "killed", clock.instant().plusSeconds(30), List.of("p-1"))),
                AppendCondition.none());
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofMinutes(1));
        }
        assertThat(ran).isEmpty();
        assertThat(state(schedule, "p-1")).isEqualTo(State.FAILED);
    }

    @Test
    void a_renewal_that_comes_late_is_not_charged_to_the_command_that_runs() {
        var plain = schedule(log).expiries(2).build();
        plain.enqueue(new Note("p", 1), id("p-1"));
        var mortal = new Mortal();
        before = (note, metadata) -> {
            clock.set(clock.instant().plus(Duration.ofMinutes(1))); // a process that stood still
            executor.runFor(Duration.ofSeconds(1));
            assertThat(count(Claimed.class)).isEqualTo(2);
            mortal.dead = true;
            throw new AssertionError("a command that ends its process");
        };
        dieOf(mortal, schedule(mortal).build());
        passOn(Duration.ofSeconds(30));

        before = (note, metadata) -> {};
        try (var worker = work(plain, "last")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(state(plain, "p-1")).isEqualTo(State.SUCCEEDED);
    }

    @Test
    void what_runs_again_and_again_is_given_up_for_one_time_and_says_what_ends_it() {
        var plain = schedule(log).expiries(1).build();
        plain.every(Duration.ofHours(1), clock.instant(), new Note("p", 1), id("p"));
        var mortal = new Mortal();
        before = (note, metadata) -> {
            mortal.dead = true;
            throw new AssertionError("a command that ends its process");
        };
        dieOf(mortal, schedule(mortal).build());
        passOn(Duration.ofSeconds(30));

        before = (note, metadata) -> {};
        try (var worker = work(plain, "last")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(1));
            var given = plain.find("p").orElseThrow();
            assertThat(given.state()).isEqualTo(State.WAITING);
            assertThat(given.reason()).contains("its next time", "cancel(id)").doesNotContain("retry");
            assertThat(plain.retry("p")).isFalse();
            assertThat(plain.status().failed()).isEqualTo(1);
            passOn(Duration.ofHours(1));
            assertThat(ran).containsExactly("p#1", "p#2");
        }
    }

    @Test
    void what_fails_after_an_unknown_outcome_does_not_say_that_nothing_was_stored() {
        var unsure = new Failing(log, Enqueued.class, 1, true, unknown());
        var schedule = schedule(new Fronted(unsure) {
                    @Override
                    public EventStream read(EventQuery query, ReadOptions options) {
                        if (count(Enqueued.class) > 0) {
                            throw away();
                        }
                        return store.read(query, options);
                    }
                })
                .build();
        assertThatThrownBy(() -> schedule.enqueue(new Note("p", 1), id("p-1")))
                .isInstanceOf(AppendOutcomeUnknownException.class)
                .hasMessageContaining("\"p-1\"")
                .satisfies(thrown -> assertThat(thrown.getSuppressed()).hasSize(1));
        assertThat(count(Enqueued.class)).isEqualTo(1);
    }

    @Test
    void storing_cancelling_and_retrying_find_out_what_became_of_an_append() {
        for (boolean written : List.of(true, false)) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            schedule(new Failing(log, Enqueued.class, 2, written, unknown()))
                    .build()
                    .enqueue(new Note("p", 1), id("p-1"));
            assertThat(count(Enqueued.class)).isEqualTo(1);

            var cancels = schedule(new Failing(log, Cancelled.class, 2, written, unknown()))
                    .build();
            assertThat(cancels.cancel("p-1")).isEqualTo(Cancellation.CANCELLED);
            assertThat(count(Cancelled.class)).isEqualTo(1);

            schedule().enqueue(new Note("p", 2), id("p-2"));
            log.append(List.of(new Ended("p-2", new Result(Outcome.FAILED, "", 1, "w"))), AppendCondition.none());
            var retries = schedule(new Failing(log, Reopened.class, 2, written, unknown()))
                    .build();
            assertThat(retries.retry("p-2")).isTrue();
            assertThat(count(Reopened.class)).isEqualTo(1);
            assertThat(retries.status().due()).isEqualTo(1);
        }
    }

    @Test
    void a_cancel_of_unknown_outcome_was_one_although_a_worker_has_claimed_since() {
        var plain = schedule();
        plain.enqueue(new Note("p", 1), id("p-1"));
        var schedule = schedule(new Fronted(log) {
                    private boolean done;

                    @Override
                    public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                        var appended = store.append(events, condition, metadata);
                        if (!done && events.get(0) instanceof Cancelled) {
                            done = true;
                            store.append(
                                    List.of(new Claimed(laneOf("p-1"), "w", START.plusSeconds(9), List.of("p-1"))),
                                    AppendCondition.none());
                            throw unknown();
                        }
                        return appended;
                    }
                })
                .build();
        assertThat(schedule.cancel("p-1")).isEqualTo(Cancellation.CANCELLED);
    }

    @Test
    void a_claim_that_is_late_does_not_take_what_has_ended() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.every(Duration.ofMinutes(10), START, new Note("q", 1), id("tick"));
        before = (note, metadata) -> {
            if (note.page().equals("p") && ran.size() <= 2) {
                throw new IllegalStateException("no");
            }
        };
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(1));
            for (var id : List.of("p-1", "tick")) { // by a worker that has picked before
                log.append(List.of(new Claimed(laneOf(id), "late", START, List.of(id))), AppendCondition.none());
            }
            assertThat(state(schedule, "p-1")).isEqualTo(State.FAILED);
            assertThat(schedule.retry("p-1")).isTrue();
            assertThat(schedule.cancel("tick")).isEqualTo(Cancellation.CANCELLED);
            passOn(Duration.ofHours(1));
        }
        assertThat(ran).containsExactlyInAnyOrder("p-1", "tick#1", "p-1");
        assertThat(schedule.status().waiting()).isZero();
    }

    @Test
    void a_renewal_names_nothing_that_has_ended_though_the_listener_is_slow() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        var bus = Pages.bus(domain, (note, metadata) -> {
            if (note.number() == 1) {
                throw new IllegalStateException("no");
            }
        });
        try (var worker =
                schedule.work("w", bus, executor, executor::schedule, failure -> passOn(Duration.ofSeconds(20)))) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        try (var claims = log.read(EventQuery.types(Claimed.class))) {
            assertThat(claims.toList())
                    .extracting(claim -> ((Claimed) claim.event()).entries())
                    .containsExactly(List.of("p-1", "p-2"), List.of("p-2"));
        }
    }

    @Test
    void a_failure_is_not_told_as_an_end_where_another_has_taken_the_lane() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        before = (note, metadata) -> {
            if (ran.size() == 1) { // held up past its claim
                clock.advance(Duration.ofSeconds(31));
                try (var other = work(schedule(), "other", Runnable::run, (d, t) -> {}, domain)) {
                    assertThat(other).isNotNull();
                }
                throw new IllegalStateException("too late");
            }
        };
        try (var worker = work(schedule, "paused")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(state(schedule, "p-1")).isEqualTo(State.SUCCEEDED);
        assertThat(failures).extracting(ScheduleFailure::again).containsExactly(true);
    }

    @Test
    void a_worker_without_room_waits_for_it_when_something_becomes_due() {
        var schedule = schedule(log).atOnce(1).build();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        for (int i = 1; i <= 4; i++) {
            schedule.after(Duration.ofSeconds(1), new Note("q" + i, 2), id("q-" + i));
        }
        before = (note, metadata) -> {
            if (note.number() == 1) {
                passOn(Duration.ofSeconds(40));
            }
        };
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).hasSize(5).startsWith("p-1");
        assertThat(failures).as("such as a loop that the scheduler has ended").isEmpty();
    }

    @Test
    void the_lane_of_a_killed_worker_is_taken_over_whenever_its_claim_ends() {
        for (int second = 0; second < 40; second++) {
            open(new SeededScheduler(7, new VirtualClock(START)));
            schedule().enqueue(new Note("p", 1), id("p-1"));
            var until = START.plusSeconds(second);
            log.append(List.of(new Claimed(laneOf("p-1"), "killed", until, List.of("p-1"))), AppendCondition.none());
            var restless = new Clock() { // between two readings time passes
                        @Override
                        public Instant instant() {
                            clock.advance(Duration.ofSeconds(1));
                            return clock.instant();
                        }

                        @Override
                        public java.time.ZoneId getZone() {
                            return clock.getZone();
                        }

                        @Override
                        public Clock withZone(java.time.ZoneId zone) {
                            throw new UnsupportedOperationException();
                        }
                    };
            var schedule = CommandSchedule.builder(log, restless)
                    .key(Note.class, Note::page)
                    .lanes(4)
                    .build();
            try (var worker = work(schedule, "w")) {
                assertThat(worker).isNotNull();
                executor.runAll();
            }
            assertThat(state(schedule, "p-1")).as("until %s", until).isEqualTo(State.SUCCEEDED);
        }
    }

    @Test
    void what_a_worker_has_no_handler_for_is_left_to_others_in_order() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        schedule.enqueue(new Note("q", 3), id("q-3"));
        var old =
                schedule.work("old", InMemoryCommandBus.builder().build(), executor, executor::schedule, failures::add);
        passOn(Duration.ofSeconds(59));
        assertThat(failures).extracting(failure -> failure.id().orElseThrow()).containsExactlyInAnyOrder("p-1", "q-3");
        assertThat(failures).allMatch(ScheduleFailure::again);
        assertThat(failures).extracting(ScheduleFailure::attempt).containsOnly(0);
        assertThat(state(schedule, "p-1")).isEqualTo(State.DUE);
        assertThat(state(schedule, "p-2")).isEqualTo(State.DUE);
        passOn(Duration.ofSeconds(2));
        assertThat(failures).as("it tries again, but seldom").hasSize(4);
        assertThat(schedule.cancel("q-3")).isEqualTo(Cancellation.CANCELLED);

        try (var worker = work(schedule(), "new")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        old.close();
        assertThat(ran).containsExactly("p-1", "p-2");
        assertThat(schedule.find("p-1").orElseThrow().attempts()).isEqualTo(1);
        assertThat(failures).hasSize(4);
    }

    @Test
    void a_command_whose_handler_sends_one_that_nobody_handles_has_failed_itself() {
        record Unhandled() implements Command<Done> {}
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        before = (note, metadata) -> {
            throw new NoHandlerException(Unhandled.class, "");
        };
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(state(schedule, "p-1")).isEqualTo(State.FAILED);
        assertThat(ran).containsExactly("p-1");
    }

    @Test
    void what_one_worker_has_no_handler_for_another_of_the_same_schedule_gets_to() {
        var schedule = schedule();
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        try (var old = schedule.work(
                        "old", InMemoryCommandBus.builder().build(), executor, executor::schedule, failures::add);
                var worker = work(schedule, "new")) {
            assertThat(old).isNotSameAs(worker);
            passOn(Duration.ofMinutes(10));
            assertThat(ran).containsExactly("p-1", "p-2");
        }
    }

    @Test
    void what_one_worker_has_left_alone_another_of_the_same_schedule_that_comes_later_gets_to_at_once() {
        // given one that no worker here knows, and those of its key
        var schedule = schedule(log).lanes(1).build();
        var old =
                schedule.work("old", InMemoryCommandBus.builder().build(), executor, executor::schedule, failures::add);
        schedule.enqueue(new Note("p", 1), id("p-1"));
        schedule.enqueue(new Note("p", 2), id("p-2"));
        passOn(Duration.ofSeconds(1));
        assertThat(failures).hasSize(1);
        assertThat(schedule.status().due()).isEqualTo(2);

        // when
        try (var worker = work(schedule, "new")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(1));

            // then
            assertThat(ran).containsExactly("p-1", "p-2");
        }

        // and who left them alone takes up others of that key when they have ended
        schedule.enqueue(new Note("p", 3), id("p-3"));
        passOn(Duration.ofSeconds(1));
        assertThat(failures).hasSize(2);
        old.close();
    }

    @Test
    void what_waits_to_be_tried_again_or_was_given_back_can_be_cancelled() {
        var schedule = schedule(log).retry(Duration.ofHours(9)).build();
        for (int i = 1; i <= 4; i++) {
            schedule.enqueue(new Note("p", i), id("p-" + i));
        }
        var closing = new ArrayList<ScheduleWorker>();
        before = (note, metadata) -> {
            if (note.number() == 1) {
                throw new IllegalStateException("no");
            }
            if (note.number() == 2) {
                assertThat(schedule.cancel("p-3")).as("it is taken").isEqualTo(Cancellation.TOO_LATE);
                closing.get(0).close();
            }
        };
        closing.add(work(schedule, "w1"));
        passOn(Duration.ofMinutes(1));
        assertThat(ran).containsExactly("p-1");
        assertThat(schedule.cancel("p-1")).isEqualTo(Cancellation.CANCELLED);
        executor.runAll();
        assertThat(ran).containsExactly("p-1", "p-2");
        assertThat(state(schedule, "p-3")).isEqualTo(State.DUE);
        assertThat(schedule.cancel("p-3")).isEqualTo(Cancellation.CANCELLED);
        try (var worker = work(schedule(), "w2")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("p-1", "p-2", "p-4");
        assertThat(schedule.status().cancelled()).isEqualTo(2);
    }

    @Test
    void what_was_cancelled_within_a_run_that_failed_is_not_tried_again() {
        var schedule = schedule(log).retry(Duration.ofSeconds(10)).build();
        schedule.every(Duration.ofMinutes(10), START, new Note("p", 1), id("tick"));
        before = (note, metadata) -> {
            assertThat(schedule.cancel("tick")).isEqualTo(Cancellation.CANCELLED);
            assertThat(state(schedule, "tick")).isEqualTo(State.CANCELLED);
            throw new IllegalStateException("no");
        };
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            executor.runAll();
        }
        assertThat(ran).containsExactly("tick#1");
        assertThat(state(schedule, "tick")).isEqualTo(State.CANCELLED);
        assertThat(schedule.status().waiting()).isZero();
    }

    @Test
    void waiting_looks_once_more_at_its_end_if_the_store_has_told_nothing() throws InterruptedException {
        var plain = schedule();
        plain.enqueue(new Note("p", 1), id("p-1"));
        try (var worker = work(plain, "w")) {
            assertThat(worker).isNotNull();
            var waiting = schedule(new Fronted(log) {
                        @Override
                        public EventStream read(EventQuery query, ReadOptions options) {
                            var found = store.read(query, options);
                            executor.runAll(); // which the first look just misses
                            return found;
                        }

                        @Override
                        public Subscription onAppend(Signal signal) {
                            return store.onAppend(last -> {});
                        }
                    })
                    .build();
            plain.enqueue(new Note("p", 2), id("p-2"));
            assertThat(waiting.awaitEnded("p-2", Duration.ofMillis(5)).state()).isEqualTo(State.SUCCEEDED);
        }
    }

    @Test
    void ids_and_periods_at_their_limits_are_refused_or_work() {
        var schedule = schedule(log).ids(() -> "made").build();
        assertThatThrownBy(() -> schedule.every(Duration.ofDays(1), START, new Note("p", 1), id("x".repeat(990))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("expected at most 989");
        schedule.every(Duration.ofDays(1), START, new Note("p", 1), id("x".repeat(989)));
        schedule.every(Duration.ofNanos(1), START.minus(Duration.ofDays(150_000)), new Note("q", 1));
        before = (note, metadata) -> schedule.cancel("made");
        try (var worker = work(schedule, "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(1));
        }
        assertThat(schedule.status().succeeded()).isEqualTo(2);
        assertThat(failures).isEmpty();
    }

    @Test
    void a_checkpoint_that_could_not_be_saved_is_saved_a_little_later() {
        var checkpoints = emptyCheckpoints();
        var failing = new CheckpointStore() {
            private boolean done;

            @Override
            public Optional<Checkpoint> load(String name) {
                return checkpoints.load(name);
            }

            @Override
            public void delete(String name) {
                checkpoints.delete(name);
            }

            @Override
            public void save(String name, Checkpoint checkpoint) {
                if (!done) {
                    done = true;
                    throw away();
                }
                checkpoints.save(name, checkpoint);
            }
        };
        var marks = new ArrayList<Object>();
        for (int n = 0; n < 5_000; n++) {
            marks.add(new Enqueued("x-" + n, 0, 0, Timing.NOW, START, Duration.ZERO));
            marks.add(new Note("x", n));
            marks.add(new Ended("x-" + n, new Result(Outcome.SUCCEEDED, "", 1, "w0")));
        }
        for (int i = 0; i < marks.size(); i += 1_500) {
            log.append(marks.subList(i, i + 1_500), AppendCondition.none());
        }
        try (var worker = work(schedule(log).checkpoints(failing, "schedule").build(), "w")) {
            assertThat(worker).isNotNull();
            passOn(Duration.ofSeconds(3));
        }
        assertThat(failures).hasSize(1);
        assertThat(checkpoints.position("schedule")).isPresent();
    }

    /** An operations log that is now and then away, or whose outcome is unknown, whether it was written or not. */
    private static final class Unsure extends Fronted {
        private final SplittableRandom random;

        Unsure(EventStore store, long seed) {
            super(store);
            this.random = new SplittableRandom(seed);
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            int chance = random.nextInt(6);
            if (chance == 0) {
                throw new AppendOutcomeUnknownException("it", new IllegalStateException("before"));
            }
            var appended = super.append(events, condition, metadata);
            if (chance == 1) {
                throw new AppendOutcomeUnknownException("it", new IllegalStateException("after"));
            }
            return appended;
        }

        @Override
        public EventStream read(EventQuery query, ReadOptions options) {
            if (random.nextInt(50) == 0) {
                throw new IllegalArgumentException("the store is away");
            }
            return super.read(query, options);
        }
    }

    @Test
    void a_store_that_fails_or_does_not_know_costs_time_and_nothing_else() {
        SeededScheduler.explore(seeds(), 1, scheduler -> {
            open(scheduler);
            failures.clear();
            var safe = schedule();
            for (int i = 1; i <= 12; i++) {
                safe.enqueue(new Note("p" + i % 2, i), id("n-" + i));
            }
            var unsure = new Unsure(log, scheduler.seed());
            var schedule = unsure(unsure);
            try (var first = work(schedule, "w1");
                    var second = work(unsure(unsure), "w2")) {
                assertThat(first).isNotSameAs(second);
                scheduler.runAll();
            }
            checkAllNoted(12, 2);
            assertThat(failures).extracting(ScheduleFailure::id).allMatch(Optional::isEmpty);
            assertThat(safe.status().succeeded()).isEqualTo(12);
            ScheduleRules.check(log);
        });
    }

    private CommandSchedule unsure(EventStore store) {
        while (true) {
            try {
                return schedule(store).build();
            } catch (IllegalArgumentException away) {
                // again
            }
        }
    }

    private void checkAllNoted(int count, int pages) {
        for (int page = 0; page < pages; page++) {
            int rest = page;
            assertThat(Pages.on(domain, "p" + page))
                    .isEqualTo(IntStream.rangeClosed(1, count)
                            .filter(i -> i % pages == rest)
                            .boxed()
                            .toList());
        }
    }

    @Test
    void workers_that_crash_at_any_append_of_either_log_lose_nothing_and_do_nothing_twice() {
        CrashPoints.explore(Math.max(1, seeds() / 8), 1, (scheduler, crashes) -> {
            open(scheduler);
            failures.clear();
            int stored = 0;
            try {
                var schedule = schedule(crashes.around(log)).build();
                startCrashing(schedule, "w1", scheduler, crashes);
                startCrashing(schedule(crashes.around(log)).build(), "w2", scheduler, crashes);
                for (int i = 1; i <= 8; i++) {
                    schedule.enqueue(new Note("p" + i % 2, i), id("n-" + i));
                    stored = i;
                    scheduler.runOne();
                }
                scheduler.runAll();
            } catch (SimulatedCrash crash) {
                // all workers of the process are gone
            }
            crashes.restart();
            var schedule = schedule(crashes.around(log)).build();
            try (var worker = startCrashing(schedule, "w3", scheduler, crashes)) {
                assertThat(worker).isNotNull();
                for (int i = stored + 1; i <= 8; i++) { // of which the first may be there
                    schedule.enqueue(new Note("p" + i % 2, i), id("n-" + i));
                }
                scheduler.runAll();
            }
            checkAllNoted(8, 2);
            assertThat(schedule.status().succeeded()).isEqualTo(8);
            assertThat(schedule.status().due()).isZero();
            ScheduleRules.check(log);
        });
    }

    /** The timer dies with the process, as its executor does. */
    private ScheduleWorker startCrashing(
            CommandSchedule schedule, String name, SeededScheduler scheduler, CrashPoints crashes) {
        return work(
                schedule,
                name,
                crashes.around(scheduler.named(name)),
                (delay, task) -> crashes.around((Executor) later -> scheduler.schedule(delay, later))
                        .execute(task),
                crashes.around(domain));
    }

    @Test
    void any_order_of_the_tasks_of_several_workers_keeps_the_order_of_keys_and_one_of_cancel_and_run_wins() {
        SeededScheduler.explore(seeds(), 1, scheduler -> {
            open(scheduler);
            failures.clear();
            ran.clear();
            var attempts = new HashMap<Integer, Integer>();
            before = (note, metadata) -> {
                if (note.number() % 5 == 0 && attempts.merge(note.number(), 1, Integer::sum) < 3) {
                    throw new IllegalStateException("not yet");
                }
            };
            var cancelled = new ArrayList<Integer>();
            var runsBefore = new HashMap<String, Long>();
            var schedules = List.of(schedule(log), schedule(log), schedule(log)).stream()
                    .map(builder -> builder.retry(Duration.ofSeconds(1), Duration.ofSeconds(50))
                            .build())
                    .toList();
            var workers = new ArrayList<ScheduleWorker>();
            for (int i = 0; i < 4; i++) {
                workers.add(work(schedules.get(i % 3), "w" + i, scheduler.named("w" + i), scheduler::schedule, domain));
            }
            int seen = 20;
            for (int i = 1; i <= seen; i++) {
                schedules.get(scheduler.choose(3)).enqueue(new Note("p" + i % 3, i), id("n-" + i));
                for (int steps = scheduler.choose(6); steps > 0; steps--) {
                    scheduler.runOne();
                }
                int other = 1 + scheduler.choose(i);
                if (schedules.get(scheduler.choose(3)).cancel("n-" + other) == Cancellation.CANCELLED
                        && !cancelled.contains(other)) {
                    cancelled.add(other);
                    runsBefore.put("n-" + other, runs("n-" + other)); // it may have failed, and waited
                }
            }
            scheduler.runAll();
            workers.forEach(ScheduleWorker::close);
            for (int page = 0; page < 3; page++) {
                int rest = page;
                assertThat(Pages.on(domain, "p" + page))
                        .isEqualTo(IntStream.rangeClosed(1, seen)
                                .filter(i -> i % 3 == rest && !cancelled.contains(i))
                                .boxed()
                                .toList());
            }
            runsBefore.forEach((id, runs) -> assertThat(runs(id)).as(id).isEqualTo(runs));
            var status = schedules.get(0).status();
            assertThat(status.succeeded()).isEqualTo(seen - cancelled.size());
            assertThat(status.cancelled()).isEqualTo(cancelled.size());
            assertThat(status).isEqualTo(schedules.get(1).status());
            ScheduleRules.check(log);
        });
    }
}
