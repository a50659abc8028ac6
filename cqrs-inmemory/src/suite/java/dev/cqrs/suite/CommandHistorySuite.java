package dev.cqrs.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.RejectedException;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.event.UnknownEventException;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.AppendConflictException;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.Appended;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.interceptor.NotAuthorizedException;
import dev.cqrs.journal.CommandHistory;
import dev.cqrs.journal.CommandHistory.Entry;
import dev.cqrs.journal.HistoryRefusedException;
import dev.cqrs.journal.HistoryRefusedException.Reason;
import dev.cqrs.journal.Journal;
import dev.cqrs.journal.JournalMark;
import dev.cqrs.journal.JournalMark.Direction;
import dev.cqrs.journal.JournalMark.Result;
import dev.cqrs.journal.JournalMark.StepEnded;
import dev.cqrs.journal.JournalMark.StepStarted;
import dev.cqrs.journal.JournalUnwritableException;
import dev.cqrs.journal.Undoable;
import dev.cqrs.message.HandlerFailedException;
import dev.cqrs.message.Interceptor;
import dev.cqrs.message.Metadata;
import dev.cqrs.message.WiringException;
import dev.cqrs.suite.Notes.Cut;
import dev.cqrs.suite.Notes.Send;
import dev.cqrs.suite.Notes.Write;
import dev.cqrs.testing.CrashPoints;
import dev.cqrs.testing.SimulatedCrash;
import dev.cqrs.testing.VirtualClock;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.Supplier;
import org.assertj.core.api.ThrowableAssert;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Undo and redo, over the logs of a subclass. */
@Timeout(300)
public abstract class CommandHistorySuite {

    private static final String NOTE = "n1";

    private final Clock clock = new VirtualClock(Instant.parse("2026-01-05T09:00:00Z"));
    private final AtomicInteger lastId = new AtomicInteger();
    private final Supplier<String> ids = this::newId;
    private EventStore domain;
    private EventStore operations;
    private final List<Object> seen = new ArrayList<>();

    /** Makes a suite. */
    protected CommandHistorySuite() {}

    /**
     * Gives a new log.
     *
     * @param catalog its catalog
     * @param clock its clock
     * @return never {@code null}
     */
    protected abstract EventStore emptyLog(Catalog catalog, Clock clock);

    /**
     * Tells how many steps a random run takes.
     *
     * @return 1 or more
     */
    protected int steps() {
        return Integer.getInteger("dev.cqrs.journal.steps", 10_000);
    }

    @BeforeEach
    void begin() {
        domain = emptyLog(Notes.domain(), clock);
        operations = emptyLog(Notes.operations(), clock);
    }

    private String newId() {
        return "id-" + lastId.incrementAndGet();
    }

    private CommandHistory history() {
        return CommandHistory.over(operations, bus(), ids);
    }

    private CommandBus bus() {
        return Notes.bus(domain, List.of((message, metadata, next) -> {
            seen.add(message);
            return next.proceed(message, metadata);
        }));
    }

    private String text() {
        return Notes.text(domain, NOTE);
    }

    private static Write write(int at, String text) {
        return new Write(NOTE, at, text);
    }

    // ---- steps

    @Test
    void a_command_is_undone_and_redone_over_the_bus() {
        var scope = history().in("user-7");

        int length = scope.dispatch(write(0, "hello"));
        assertThat(length).isEqualTo(5);
        assertThat(scope.canUndo()).isTrue();
        assertThat(scope.canRedo()).isFalse();

        var undone = scope.undo();
        assertThat(text()).isEmpty();
        assertThat(undone.entry().command()).isEqualTo("write");
        assertThat(undone.entry().undone()).isTrue();
        assertThat(undone.dispatched()).isEqualTo(new Cut(NOTE, 0, 5));
        assertThat(undone.result()).isEqualTo("hello");
        assertThat(scope.canUndo()).isFalse();
        assertThat(scope.canRedo()).isTrue();

        var redone = scope.redo();
        assertThat(text()).isEqualTo("hello");
        assertThat(redone.entry().undone()).isFalse();
        assertThat(redone.entry().undoable()).isTrue();
        assertThat(redone.result()).isEqualTo(5);
        assertThat(scope.entries()).containsExactly(redone.entry());
        assertThat(seen).containsExactly(write(0, "hello"), new Cut(NOTE, 0, 5), write(0, "hello"));
    }

    @Test
    void several_commands_are_undone_from_the_last_to_the_first_and_redone_from_the_first_to_the_last() {
        var scope = history().in("user-7");
        scope.dispatch(write(0, "a"));
        scope.dispatch(write(1, "b"));
        assertThat(scope.dispatch(new Cut(NOTE, 0, 1))).isEqualTo("a");
        assertThat(text()).isEqualTo("b");

        assertThat(scope.undo().dispatched()).isEqualTo(write(0, "a"));
        assertThat(scope.undo().dispatched()).isEqualTo(new Cut(NOTE, 1, 1));
        assertThat(text()).isEqualTo("a");
        assertThat(scope.redo().dispatched()).isEqualTo(write(1, "b"));
        assertThat(scope.redo().dispatched()).isEqualTo(new Cut(NOTE, 0, 1));
        assertThat(text()).isEqualTo("b");
    }

    @Test
    void a_new_command_clears_what_could_be_redone() {
        var scope = history().in("user-7");
        scope.dispatch(write(0, "a"));
        scope.undo();
        scope.dispatch(write(0, "b"));

        assertThat(scope.canRedo()).isFalse();
        refused(scope::redo, Reason.NOTHING, "nothing to redo");
        assertThat(scope.entries()).extracting(scope::command).containsExactly(write(0, "b"));
    }

    @Test
    void a_new_command_that_is_rejected_leaves_the_history_as_it_was() {
        var scope = history().in("user-7");
        scope.dispatch(write(0, "a"));
        scope.undo();

        assertThatExceptionOfType(RejectedException.class).isThrownBy(() -> scope.dispatch(write(7, "b")));

        assertThat(scope.canRedo()).isTrue();
        scope.redo();
        assertThat(text()).isEqualTo("a");
    }

    @Test
    void an_undo_that_the_handler_rejects_says_why_and_can_be_tried_again() {
        var scope = history().in("user-7");
        scope.dispatch(write(0, "hello"));
        bus().dispatch(new Cut(NOTE, 0, 3)); // somebody else

        var refused = refused(scope::undo, Reason.REJECTED, "\"write\" cannot be undone now", "has 2 characters");
        assertThat(refused.getCause()).isInstanceOf(RejectedException.class);
        assertThat(scope.canUndo()).isTrue();

        bus().dispatch(write(0, "hel"));
        scope.undo();
        assertThat(text()).isEmpty();
    }

    @Test
    void a_redo_that_the_handler_rejects_says_why() {
        var scope = history().in("user-7");
        scope.dispatch(write(0, "hello"));
        scope.dispatch(write(5, " there"));
        scope.undo();
        bus().dispatch(new Cut(NOTE, 0, 3));

        refused(scope::redo, Reason.REJECTED, "\"write\" cannot be redone now");
        assertThat(scope.canRedo()).isTrue();
    }

    @Test
    void a_command_without_an_inverse_stands_in_the_way_and_is_named() {
        var scope = history().in("user-7");
        scope.dispatch(write(0, "hello"));
        scope.dispatch(new Send(NOTE), Metadata.withId("order-9"));

        assertThat(scope.canUndo()).isFalse();
        refused(scope::undo, Reason.NOT_UNDOABLE, "\"send\" with id order-9");
        assertThat(scope.entries()).extracting(Entry::undoable).containsExactly(true, false);

        scope.dispatch(write(0, "x"));
        scope.undo();
        refused(scope::undo, Reason.NOT_UNDOABLE, "\"send\"");
    }

    @Test
    void a_null_is_refused_by_its_name() {
        var scope = history().in("user-7");
        refusesNull("scope", () -> history().in(nothing()));
        refusesNull("command", () -> scope.dispatch(CommandHistorySuite.<Write>nothing()));
        refusesNull("metadata", () -> scope.dispatch(write(0, "a"), nothing()));
        refusesNull("metadata", () -> scope.undo(nothing()));
        refusesNull("metadata", () -> scope.redo(nothing()));
        refusesNull("entry", () -> scope.command(nothing()));
        assertThat(scope.entries()).isEmpty();
    }

    private static void refusesNull(String name, ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOf(NullPointerException.class).hasMessage(name);
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // what must not be
    private static <T> T nothing() {
        return null;
    }

    @Test
    void there_is_nothing_to_undo_at_first() {
        var scope = history().in("user-7");
        assertThat(scope.canUndo()).isFalse();
        assertThat(scope.entries()).isEmpty();
        var refused = refused(scope::undo, Reason.NOTHING, "nothing to undo");
        assertThat(refused.scope()).isEqualTo("user-7");
    }

    @Test
    void the_oldest_commands_are_forgotten() {
        var history = CommandHistory.over(operations, bus(), ids, 3);
        var scope = history.in("user-7");
        for (int i = 0; i < 5; i++) {
            scope.dispatch(write(i, "" + i));
        }
        assertThat(scope.entries()).hasSize(3);
        scope.undo();
        scope.undo();
        scope.undo();
        refused(scope::undo, Reason.NOTHING, "nothing to undo");
        assertThat(text()).isEqualTo("01");
    }

    @Test
    void scopes_do_not_see_each_other() {
        var history = history();
        history.in("user-7").dispatch(write(0, "a"));
        history.in("user-8").dispatch(new Write("n2", 0, "b"));

        history.in("user-7").undo();

        assertThat(text()).isEmpty();
        assertThat(Notes.text(domain, "n2")).isEqualTo("b");
        assertThat(history.in("user-8").canUndo()).isTrue();
        var held = history.in("user-9");
        assertThat(history.in("user-9")).isSameAs(held).hasToString("CommandHistory.Scope[user-9]");
    }

    @Test
    void the_history_survives_a_restart() {
        var before = history().in("user-7");
        before.dispatch(write(0, "a"));
        before.dispatch(write(1, "b"));
        before.dispatch(write(2, "c"));
        before.undo();

        var after = history().in("user-7");
        assertThat(after.entries()).isEqualTo(before.entries());
        after.undo();
        after.redo();
        after.redo();
        assertThat(text()).isEqualTo("abc");
        before.undo();
        assertThat(text()).as("the other reads on").isEqualTo("ab");
    }

    @Test
    void metadata_goes_with_the_command_and_is_the_cause_of_an_undo() {
        var all = new ArrayList<Metadata>();
        Interceptor spy = (message, metadata, next) -> {
            all.add(metadata);
            return next.proceed(message, metadata);
        };
        var scope = CommandHistory.over(operations, Notes.bus(domain, List.of(spy)), ids)
                .in("user-7");

        scope.dispatch(write(0, "a"), Metadata.withId("click-1").with("user", "7"));
        scope.undo(Metadata.withId("click-2").with("user", "8"));
        scope.redo();

        assertThat(all.get(0)).isEqualTo(Metadata.withId("click-1").with("user", "7"));
        assertThat(all.get(1))
                .isEqualTo(Metadata.withId("id-1")
                        .with("user", "8")
                        .with(Metadata.CAUSATION, "click-2")
                        .with(Metadata.CORRELATION, "click-2"));
        assertThat(all.get(2)).isEqualTo(Metadata.withId("id-2"));
    }

    @Test
    void a_command_that_is_sent_again_under_its_id_is_remembered_once() {
        var scope = history().in("user-7");
        var id = Metadata.withId("click-1");
        assertThat(scope.dispatch(write(0, "a"), id)).isEqualTo(1);
        scope.dispatch(write(1, "b"));

        assertThat(scope.dispatch(write(0, "a"), id)).isEqualTo(1);

        assertThat(scope.entries()).hasSize(2);
        assertThat(text()).isEqualTo("ab");
    }

    @Test
    void a_command_that_was_rejected_and_is_sent_again_under_its_id_is_remembered_when_it_succeeds() {
        var scope = history().in("user-7");
        var id = Metadata.withId("click-1");
        assertThatThrownBy(() -> scope.dispatch(write(1, "b"), id)).isInstanceOf(RejectedException.class);
        bus().dispatch(write(0, "a"));

        scope.dispatch(write(1, "b"), id);

        assertThat(scope.entries()).hasSize(1);
        scope.undo();
        assertThat(text()).isEqualTo("a");
    }

    /** Rubs out a note; answers how long it was, and cannot be taken back. */
    record Erase(String note) implements Command<Integer> {}

    @Test
    void an_inverse_may_be_a_command_that_answers_without_an_inverse_and_a_redo_may_give_none_any_more() {
        // given a writer whose second answer cannot be taken back
        var log = emptyLog(
                JournalMark.addTo(Catalog.builder())
                        .event("write", Write.class)
                        .event("erase", Erase.class)
                        .build(),
                clock);
        var writes = new AtomicInteger();
        var bus = InMemoryCommandBus.builder()
                .handle(
                        Write.class,
                        c -> writes.incrementAndGet() == 2
                                ? Undoable.irreversible(2)
                                : Undoable.reversible(1, new Erase(c.note())))
                .handle(Erase.class, c -> 7)
                .build();
        var scope = CommandHistory.over(log, bus, ids).in("user-7");
        scope.dispatch(write(0, "a"));

        // when
        var undone = scope.undo();

        // then
        assertThat(undone.result()).isEqualTo(7);
        assertThat(undone.entry().undoable()).isTrue();
        assertThat(undone.entry()).isEqualTo(scope.entries().get(0));

        // when
        var redone = scope.redo();

        // then
        assertThat(redone.result()).isEqualTo(2);
        assertThat(redone.entry().undoable()).isFalse();
        assertThat(redone.entry()).isEqualTo(scope.entries().get(0));
        assertThat(scope.canUndo()).isFalse();
        refused(scope::undo, Reason.NOT_UNDOABLE, "\"write\" with id id-1");
    }

    @Test
    void an_undo_is_taken_back_by_a_redo_and_not_by_what_its_command_gives_as_inverse() {
        // given an inverse that answers with one that the catalog does not know, and is cut off when it is sent first
        var unknown = new AtomicBoolean(true);
        var bus = InMemoryCommandBus.builder()
                .handle(Write.class, c -> Undoable.reversible(1, new Cut(c.note(), 0, 1)))
                .handle(Cut.class, c -> {
                    if (unknown.getAndSet(false)) {
                        throw new AppendOutcomeUnknownException("append", new IllegalStateException("cut off"));
                    }
                    return Undoable.reversible("a", new Plain(7));
                })
                .build();
        var scope = CommandHistory.over(operations, bus, ids).in("user-7");
        scope.dispatch(write(0, "a"));
        assertThatThrownBy(scope::undo).isInstanceOf(AppendOutcomeUnknownException.class);

        // when
        var redone = scope.redo();

        // then
        assertThat(redone.dispatched()).isEqualTo(write(0, "a"));
        assertThat(scope.undo().result()).isEqualTo("a");
        assertThat(scope.entries()).extracting(Entry::undone).containsExactly(true);
        try (var inverses = operations.read(EventQuery.types(Cut.class))) {
            assertThat(inverses.toList()).as("of what was done").hasSize(2);
        }
    }

    @Test
    void a_history_is_as_deep_as_it_is_said_and_a_hundred_commands_if_not() {
        var scope = history().in("user-7");
        for (int i = 0; i <= CommandHistory.DEPTH; i++) {
            scope.dispatch(write(0, "x"));
        }
        assertThat(scope.entries()).hasSize(CommandHistory.DEPTH);

        var shallow = CommandHistory.over(operations, bus(), ids, 1).in("user-8");
        shallow.dispatch(new Write("n2", 0, "a"));
        shallow.dispatch(new Write("n2", 1, "b"));
        shallow.undo();
        refused(shallow::undo, Reason.NOTHING, "nothing to undo");
        shallow.redo();
        assertThat(Notes.text(domain, "n2")).isEqualTo("ab");
    }

    @Test
    void looking_does_not_wait_for_a_step_that_is_under_way() throws Exception {
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(scope -> scope.dispatch(write(0, "a")));

            assertThat(slow.scope.canUndo()).isFalse();
            assertThat(slow.scope.canRedo()).isFalse();
            assertThat(slow.scope.entries()).isEmpty();

            slow.end(slowly);
            assertThat(slow.scope.canUndo()).isTrue();
        }
    }

    @Test
    void who_has_looked_keeps_no_other_from_looking_or_from_a_step() throws Exception {
        var scope = history().in("user-7");
        assertThat(scope.canUndo()).isFalse();
        var other = Executors.newSingleThreadExecutor();
        try {
            other.submit(() -> scope.dispatch(write(0, "a"))).get(120, TimeUnit.SECONDS);
            assertThat(scope.canUndo()).isTrue();
            assertThat(other.submit(scope::entries).get(120, TimeUnit.SECONDS)).hasSize(1);
        } finally {
            other.shutdownNow();
        }
    }

    @Test
    void every_stream_of_the_log_is_closed() {
        var counting = new Counting(new Crowded(StepEnded.class, 1));
        var away = new AtomicBoolean();
        Interceptor failing = (message, metadata, next) -> {
            if (away.get()) {
                throw new NoClassDefFoundError("gone");
            }
            return next.proceed(message, metadata);
        };
        var scope = CommandHistory.over(counting, Notes.bus(domain, List.of(failing)), ids)
                .in("user-7");
        scope.dispatch(write(0, "a"), Metadata.withId("click-1"));
        scope.dispatch(write(0, "a"), Metadata.withId("click-1"));
        scope.undo();
        away.set(true);
        assertThatThrownBy(scope::redo).isInstanceOf(NoClassDefFoundError.class);
        away.set(false);
        history().in("user-7").abandon();
        scope.redo();
        scope.command(scope.entries().get(0));

        assertThat(counting.opened).hasValueGreaterThan(5);
        assertThat(counting.open).hasValue(0);
    }

    // ---- failures

    /** A log to which another process appends something of the scope whenever a step is to begin or to end there. */
    private final class Crowded extends Fronted {
        private final Class<?> when;
        private final AtomicInteger others;

        Crowded(Class<?> when, int others) {
            super(operations);
            this.when = when;
            this.others = new AtomicInteger(others);
        }

        @Override
        public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
            if (when.isInstance(events.get(0)) && others.getAndDecrement() > 0) {
                var other =
                        new StepEnded("user-7", Direction.DO, 1_000_000, 0, "write", "theirs", Result.ABANDONED, false);
                super.append(List.of(other), AppendCondition.none(), Metadata.none());
            }
            return super.append(events, condition, metadata);
        }
    }

    @Test
    void a_step_to_which_other_processes_come_first_is_tried_so_many_times_and_then_not_taken() {
        Function<Integer, CommandHistory.Scope> crowded =
                others -> CommandHistory.over(new Crowded(StepStarted.class, others), bus(), ids)
                        .in("user-7");

        assertThatThrownBy(() -> crowded.apply(CommandHistory.ATTEMPTS).dispatch(write(0, "a")))
                .isInstanceOf(AppendConflictException.class);
        assertThat(text()).isEmpty();
        crowded.apply(CommandHistory.ATTEMPTS - 1).dispatch(write(0, "a"));
        assertThat(text()).isEqualTo("a");

        assertThatThrownBy(() -> crowded.apply(CommandHistory.ATTEMPTS).undo())
                .isInstanceOf(AppendConflictException.class);
        assertThat(text()).isEqualTo("a");
        crowded.apply(CommandHistory.ATTEMPTS - 1).undo();
        assertThat(text()).isEmpty();
        assertThat(history().in("user-7").canRedo()).isTrue();
    }

    @Test
    void a_step_whose_end_cannot_be_written_as_others_come_first_is_finished_by_the_next() {
        Function<Integer, CommandHistory.Scope> crowded =
                others -> CommandHistory.over(new Crowded(StepEnded.class, others), bus(), ids)
                        .in("user-7");
        crowded.apply(CommandHistory.ATTEMPTS - 1).dispatch(write(0, "a"));
        assertThat(history().in("user-7").entries()).hasSize(1);

        assertThatThrownBy(() -> crowded.apply(CommandHistory.ATTEMPTS).dispatch(write(1, "b")))
                .isInstanceOf(AppendConflictException.class);

        assertThat(history().in("user-7").entries()).hasSize(1);
        history().in("user-7").dispatch(write(2, "c"));
        assertThat(history().in("user-7").entries()).hasSize(3);
        assertThat(text()).isEqualTo("abc");
    }

    @Test
    void what_was_thrown_is_not_lost_where_the_end_of_its_step_cannot_be_written() {
        var away = new IllegalStateException("the operations log is away");
        var log = new Fronted(operations) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (events.get(0) instanceof StepEnded) {
                    throw away;
                }
                return super.append(events, condition, metadata);
            }
        };
        var scope = CommandHistory.over(log, bus(), ids).in("user-7");

        assertThatThrownBy(() -> scope.dispatch(write(9, "x")))
                .isSameAs(away)
                .satisfies(thrown ->
                        assertThat(thrown.getSuppressed()).singleElement().isInstanceOf(RejectedException.class));
    }

    @Test
    void a_log_that_throws_the_same_once_more_reaches_the_caller_as_it_is() {
        var away = new IllegalStateException("both logs are away");
        var log = new Fronted(operations) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (events.get(0) instanceof StepEnded) {
                    throw away;
                }
                return super.append(events, condition, metadata);
            }
        };
        Interceptor failing = (message, metadata, next) -> {
            throw away;
        };
        var scope = CommandHistory.over(log, Notes.bus(domain, List.of(failing)), ids)
                .in("user-7");

        assertThatThrownBy(() -> scope.dispatch(write(0, "x"))).isSameAs(away);

        assertThat(away.getSuppressed()).isEmpty();
    }

    @Test
    void where_the_machine_itself_gives_up_a_step_is_not_told_as_one_that_cannot_be_finished() {
        var exhausted = new OutOfMemoryError("for a test");
        var scope = failing(exhausted).in("user-7");
        assertThatThrownBy(() -> scope.dispatch(write(0, "a"))).isSameAs(exhausted);

        assertThatThrownBy(scope::undo).isSameAs(exhausted);

        history().in("user-7").dispatch(write(1, "b"));
        assertThat(text()).isEqualTo("ab");
    }

    @Test
    void a_command_that_a_journal_has_refused_is_not_carried_out_later() {
        var log = new Fronted(operations) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                throw new AppendOutcomeUnknownException("a start", new IllegalStateException("reply lost"));
            }
        };
        var journal = Journal.builder(log, () -> 0, ids, what -> {}).build();
        var scope = CommandHistory.over(operations, Notes.bus(domain, List.of(journal)), ids)
                .in("user-7");
        assertThatThrownBy(() -> scope.dispatch(write(0, "a"))).isInstanceOf(JournalUnwritableException.class);

        history().in("user-7").dispatch(write(0, "b"));

        assertThat(text()).isEqualTo("b");
    }

    @Test
    void an_unknown_outcome_is_recognised_in_what_a_handler_has_wrapped() {
        Interceptor lost = (message, metadata, next) -> {
            next.proceed(message, metadata);
            throw new IllegalStateException(
                    "wrapped", new AppendOutcomeUnknownException("it", new IllegalStateException("reply lost")));
        };
        var cut = CommandHistory.over(operations, Notes.bus(domain, List.of(lost)), ids);
        assertThatThrownBy(() -> cut.in("user-7").dispatch(write(0, "a"))).hasMessage("wrapped");

        var scope = history().in("user-7");
        scope.dispatch(write(1, "b"));

        assertThat(scope.entries()).extracting(scope::command).containsExactly(write(0, "a"), write(1, "b"));
    }

    @Test
    void abandoning_what_another_process_finishes_meanwhile_abandons_nothing() throws Exception {
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(scope -> scope.dispatch(write(0, "a")));
            var log = new Fronted(operations) {
                @Override
                public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                    if (!slowly.isDone()) {
                        slow.end(slowly);
                    }
                    return super.append(events, condition, metadata);
                }
            };

            assertThat(CommandHistory.over(log, bus(), ids).in("user-7").abandon())
                    .isFalse();
        }
        assertThat(history().in("user-7").entries()).hasSize(1);
        assertThat(text()).isEqualTo("a");
    }

    @Test
    void where_nothing_stands_that_is_a_command_is_told() {
        var scope = history().in("user-7");
        scope.dispatch(write(0, "a"));
        var entry = scope.entries().get(0);
        var wrong = new Entry(Position.of(entry.position().value() + 1), "write", "id", true, false);
        assertThatThrownBy(() -> scope.command(wrong))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("Behind position " + wrong.position());
    }

    record Plain(int number) implements Command<Undoable<Integer>> {}

    @Test
    void a_command_that_fails_is_not_in_the_history() {
        var fault = new IllegalArgumentException("fault");
        var scope = failing(fault).in("user-7");

        assertThatThrownBy(() -> scope.dispatch(write(0, "a"))).isSameAs(fault);

        assertThat(scope.entries()).isEmpty();
        history().in("user-7").dispatch(write(0, "b"));
        assertThat(text()).isEqualTo("b");
    }

    @Test
    void a_command_whose_failure_has_causes_in_a_circle_is_not_in_the_history_and_holds_nobody_up() {
        var failure = new IllegalStateException("outer");
        failure.initCause(new IllegalArgumentException("inner", failure));

        assertTimeoutPreemptively(
                Duration.ofMinutes(1),
                () -> assertThatThrownBy(() -> failing(failure).in("user-7").dispatch(write(0, "a")))
                        .isSameAs(failure));

        var scope = history().in("user-7");
        scope.dispatch(write(0, "b"));
        assertThat(scope.entries()).hasSize(1);
        assertThat(text()).isEqualTo("b");
    }

    @Test
    void a_command_that_fails_or_is_rejected_is_dispatched_once_and_the_log_says_which() {
        var scope = history().in("user-7");
        assertThatThrownBy(() -> scope.dispatch(write(9, "x"))).isInstanceOf(RejectedException.class);
        assertThat(seen).containsExactly(write(9, "x"));

        var dispatched = new ArrayList<>();
        Interceptor failing = (message, metadata, next) -> {
            dispatched.add(message);
            throw new IllegalArgumentException("fault");
        };
        var faulty = CommandHistory.over(operations, Notes.bus(domain, List.of(failing)), ids)
                .in("user-7");
        assertThatThrownBy(() -> faulty.dispatch(write(0, "a"))).hasMessage("fault");
        assertThat(dispatched).containsExactly(write(0, "a"));

        try (var ends = operations.read(EventQuery.types(StepEnded.class))) {
            assertThat(ends.toList())
                    .extracting(end -> ((StepEnded) end.event()).result())
                    .containsExactly(Result.REJECTED, Result.FAILED);
        }
    }

    @Test
    void an_undo_or_redo_that_is_not_allowed_or_fails_leaves_the_history_as_it_was() {
        var faults = new ArrayDeque<RuntimeException>();
        Interceptor guard = (message, metadata, next) -> {
            if (!faults.isEmpty()) {
                throw faults.remove();
            }
            return next.proceed(message, metadata);
        };
        var scope = CommandHistory.over(operations, Notes.bus(domain, List.of(guard)), ids)
                .in("user-7");
        scope.dispatch(write(0, "a"));
        for (var why : List.of(
                new NotAuthorizedException(Cut.class, "no longer yours"), new IllegalStateException("a fault"))) {
            faults.add(why);
            assertThatThrownBy(scope::undo).isSameAs(why);
            scope.undo();
            assertThat(text()).isEmpty();

            faults.add(why);
            assertThatThrownBy(scope::redo).isSameAs(why);
            scope.redo();
            assertThat(text()).isEqualTo("a");
        }
        assertThat(scope.entries()).hasSize(1);
    }

    @Test
    void a_command_of_unknown_outcome_is_finished_by_the_next_step() {
        var unknown = new AppendOutcomeUnknownException("it", new IllegalStateException("reply lost"));
        Interceptor lost = (message, metadata, next) -> {
            next.proceed(message, metadata);
            throw unknown;
        };
        var cut = CommandHistory.over(operations, Notes.bus(domain, List.of(lost)), ids);
        assertThatThrownBy(() -> cut.in("user-7").dispatch(write(0, "a"))).isSameAs(unknown);
        assertThat(text()).isEqualTo("a");

        var scope = history().in("user-7");
        assertThat(scope.entries()).isEmpty();
        scope.dispatch(write(1, "b"));

        assertThat(text()).isEqualTo("ab");
        assertThat(scope.entries()).extracting(scope::command).containsExactly(write(0, "a"), write(1, "b"));
    }

    @Test
    void a_step_that_cannot_be_finished_is_named_until_it_can_be_or_is_abandoned() {
        var gone = new NoClassDefFoundError("gone");
        assertThatThrownBy(() -> failing(gone).in("user-7").dispatch(write(0, "a")))
                .isSameAs(gone);
        var fault = new IllegalArgumentException("fault");
        var faulty = failing(fault).in("user-7");

        var refused =
                refused(() -> faulty.dispatch(write(0, "b")), Reason.UNFINISHED, "\"write\" with id id-1", "abandon()");
        assertThat(refused.getCause()).isSameAs(fault);
        refused(faulty::undo, Reason.UNFINISHED, "\"write\" with id id-1");

        assertThat(faulty.abandon()).isTrue();
        assertThat(faulty.abandon()).isFalse();
        refused(faulty::undo, Reason.NOTHING, "nothing to undo");
    }

    @Test
    void a_step_whose_handler_is_gone_for_good_is_named_and_can_be_abandoned() {
        var gone = new NoClassDefFoundError("gone");
        var scope = failing(gone).in("user-7");
        assertThatThrownBy(() -> scope.dispatch(write(0, "a"))).isSameAs(gone);

        var refused = refused(scope::undo, Reason.UNFINISHED, "\"write\" with id id-1", "abandon()");

        assertThat(refused.getCause()).isSameAs(gone);
        assertThat(scope.abandon()).isTrue();
        refused(scope::undo, Reason.NOTHING, "nothing to undo");
    }

    @Test
    void a_step_that_was_cut_off_and_is_rejected_now_was_none() {
        bus().dispatch(write(0, "a"));
        var gone = new NoClassDefFoundError("gone");
        assertThatThrownBy(() -> failing(gone).in("user-7").dispatch(write(1, "b")))
                .isSameAs(gone);
        bus().dispatch(new Cut(NOTE, 0, 1));

        var scope = history().in("user-7");
        refused(scope::undo, Reason.NOTHING, "nothing to undo");
        scope.dispatch(write(0, "c"));
        assertThat(scope.entries()).hasSize(1);
    }

    private CommandHistory failing(Throwable fault) {
        Interceptor failing = (message, metadata, next) -> {
            if (fault instanceof Error error) {
                throw error;
            }
            throw (Exception) fault;
        };
        return CommandHistory.over(operations, Notes.bus(domain, List.of(failing)), ids);
    }

    @Test
    void what_another_process_did_while_it_was_taken_for_dead_is_in_the_history() throws Exception {
        // given a process that waits with its command, when another one finds the step, and is told that it is rejected
        bus().dispatch(write(0, "a"));
        bus().dispatch(new Cut(NOTE, 0, 1));
        var entered = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        Interceptor slow = (message, metadata, next) -> {
            entered.countDown();
            goOn.await();
            return next.proceed(message, metadata);
        };
        var first = CommandHistory.over(operations, Notes.bus(domain, List.of(slow)), ids)
                .in("user-7");
        var executor = Executors.newSingleThreadExecutor();
        try {
            var slowly = executor.submit(() -> first.dispatch(write(1, "b")));
            entered.await();
            var second = history().in("user-7");
            second.dispatch(write(0, "x"));
            assertThat(second.entries()).extracting(second::command).containsExactly(write(0, "x"));

            // when it does succeed after all
            goOn.countDown();
            assertThat(slowly.get()).isEqualTo(2);

            // then the history tells
            assertThat(second.entries()).extracting(second::command).containsExactly(write(0, "x"), write(1, "b"));
            second.undo();
            assertThat(text()).isEqualTo("x");
        } finally {
            executor.shutdownNow();
        }
    }

    /** A process that stops with the first command of a step, until the test has done what comes between. */
    private final class Slow implements AutoCloseable {

        private final CountDownLatch entered = new CountDownLatch(1);
        private final CountDownLatch goOn = new CountDownLatch(1);
        private final ExecutorService executor = Executors.newSingleThreadExecutor();
        private final CommandHistory.Scope scope;

        /** Is its command to fail, then only the first time. */
        Slow(Optional<RuntimeException> failure) {
            Interceptor slow = (message, metadata, next) -> {
                boolean first = entered.getCount() > 0;
                entered.countDown();
                goOn.await();
                if (first && failure.isPresent()) {
                    throw failure.get();
                }
                return next.proceed(message, metadata);
            };
            scope = CommandHistory.over(operations, Notes.bus(domain, List.of(slow)), ids)
                    .in("user-7");
        }

        <T> Future<T> begin(Function<CommandHistory.Scope, T> step) throws InterruptedException {
            var begun = executor.submit(() -> step.apply(scope));
            entered.await();
            return begun;
        }

        <T> T end(Future<T> begun) {
            goOn.countDown();
            try {
                return begun.get();
            } catch (InterruptedException | ExecutionException failed) {
                throw new AssertionError(failed);
            }
        }

        @Override
        public void close() {
            executor.shutdownNow();
        }
    }

    @Test
    void an_undo_during_which_another_process_turns_out_to_have_done_a_command_has_undone_its_own() throws Exception {
        history().in("user-7").dispatch(write(0, "a"));
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(scope -> scope.dispatch(write(2, "y")));
            Interceptor meanwhile = (message, metadata, next) -> {
                if (message instanceof Cut) {
                    bus().dispatch(write(1, "b")); // so that the slow one is not rejected
                    assertThat(slow.end(slowly)).isEqualTo(3);
                }
                return next.proceed(message, metadata);
            };
            var second = CommandHistory.over(operations, Notes.bus(domain, List.of(meanwhile)), ids)
                    .in("user-7");

            var undone = second.undo(); // finds the slow one rejected first

            assertThat(undone.dispatched()).isEqualTo(new Cut(NOTE, 0, 1));
            assertThat(text()).isEqualTo("by");
            assertThat(second.entries()).extracting(second::command).containsExactly(write(2, "y"), write(0, "a"));
            assertThat(second.entries()).extracting(Entry::undone).containsExactly(false, true);
            bus().dispatch(write(0, "x"));
            assertThat(history().in("user-7").undo().dispatched()).isEqualTo(new Cut(NOTE, 2, 1));
            refused(history().in("user-7")::undo, Reason.NOTHING, "nothing to undo");
            assertThat(text()).isEqualTo("xb");
        }
    }

    @Test
    void a_step_that_was_cut_off_is_finished_though_another_one_has_ended_late_meanwhile() throws Exception {
        history().in("user-7").dispatch(write(0, "a"));
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(scope -> scope.dispatch(write(2, "y")));
            Interceptor gone = (message, metadata, next) -> {
                if (message instanceof Cut) {
                    bus().dispatch(write(1, "b")); // so that the slow one is not rejected
                    assertThat(slow.end(slowly)).isEqualTo(3);
                    throw new NoClassDefFoundError("gone");
                }
                return next.proceed(message, metadata);
            };
            var second = CommandHistory.over(operations, Notes.bus(domain, List.of(gone)), ids)
                    .in("user-7");
            assertThatThrownBy(second::undo).isInstanceOf(NoClassDefFoundError.class);
            assertThat(text()).isEqualTo("aby");
        }

        history().in("user-7").dispatch(write(0, "z"));

        assertThat(text()).isEqualTo("zby");
    }

    @Test
    void a_late_undo_or_redo_counts_though_others_have_taken_steps_since() throws Exception {
        var second = history().in("user-7");
        second.dispatch(write(0, "a"));
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(CommandHistory.Scope::undo);
            bus().dispatch(new Cut(NOTE, 0, 1));
            second.dispatch(write(0, "z")); // finds the undo rejected
            slow.end(slowly);
        }
        assertThat(text()).isEmpty();
        assertThat(second.entries()).extracting(second::command).containsExactly(write(0, "z"), write(0, "a"));
        assertThat(second.entries()).extracting(Entry::undone).containsExactly(false, true);

        second.abandon();
        bus().dispatch(write(0, "z"));
        second.undo();
        second.dispatch(write(0, "a"));
        second.dispatch(write(1, "b"));
        second.undo();
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(CommandHistory.Scope::redo);
            bus().dispatch(new Cut(NOTE, 0, 1));
            second.dispatch(write(0, "c")); // finds the redo rejected, and clears what could be redone
            slow.end(slowly);
        }
        assertThat(text()).isEqualTo("cb");
        assertThat(second.entries())
                .extracting(second::command)
                .containsExactly(write(0, "a"), write(0, "c"), write(1, "b"));
        assertThat(second.canRedo()).isFalse();
        second.undo();
        assertThat(text()).isEqualTo("c");
    }

    @Test
    void a_late_redo_stands_before_what_is_undone_and_where_that_is_too_much_the_last_is_forgotten() throws Exception {
        // given a redo that others find rejected, and then undo a command of their own
        var second = history().in("user-7");
        second.dispatch(write(0, "a"));
        second.dispatch(write(1, "b"));
        second.undo();
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(CommandHistory.Scope::redo);
            bus().dispatch(new Cut(NOTE, 0, 1));
            second.dispatch(write(0, "c"));
            second.undo();
            bus().dispatch(write(0, "d"));

            // when
            slow.end(slowly);
        }

        // then
        assertThat(text()).isEqualTo("db");
        assertThat(second.entries())
                .extracting(second::command)
                .containsExactly(write(0, "a"), write(1, "b"), write(0, "c"));
        assertThat(second.entries()).extracting(Entry::undone).containsExactly(false, false, true);
        var shallow = CommandHistory.over(operations, bus(), ids, 2).in("user-7");
        assertThat(shallow.entries()).isEqualTo(second.entries().subList(0, 2));
        shallow.undo();
        assertThat(text()).isEqualTo("d");
    }

    @Test
    void a_late_undo_of_a_command_that_is_forgotten_changes_nothing() throws Exception {
        // given an undo that others find rejected
        var second = history().in("user-7");
        second.dispatch(write(0, "a"));
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(CommandHistory.Scope::undo);
            bus().dispatch(new Cut(NOTE, 0, 1));
            second.dispatch(write(0, "b"));

            // when
            slow.end(slowly);
        }

        // then
        assertThat(second.entries()).extracting(Entry::undone).containsExactly(false, true);
        var shallow = CommandHistory.over(operations, bus(), ids, 1).in("user-7");
        assertThat(shallow.entries()).isEqualTo(second.entries().subList(0, 1));
        assertThat(shallow.command(shallow.entries().get(0))).isEqualTo(write(0, "b"));
        assertThat(shallow.canRedo()).isFalse();
    }

    @Test
    void who_fails_after_another_process_has_carried_out_the_step_is_told_its_result() throws Exception {
        var away = new IllegalStateException("the database is away");
        var second = history().in("user-7");
        try (var slow = new Slow(Optional.of(away))) {
            var slowly = slow.begin(scope -> scope.dispatch(write(0, "ab")));
            second.dispatch(write(2, "c"));

            assertThat(slow.end(slowly)).isEqualTo(2);
        }
        assertThat(second.entries()).extracting(second::command).containsExactly(write(0, "ab"), write(2, "c"));
        assertThat(text()).isEqualTo("abc");

        try (var slow = new Slow(Optional.of(away))) {
            var slowly = slow.begin(CommandHistory.Scope::undo);
            assertThatThrownBy(() -> second.dispatch(write(9, "x"))).isInstanceOf(RejectedException.class);

            assertThat(slow.end(slowly).dispatched()).isEqualTo(new Cut(NOTE, 2, 1));
        }
        assertThat(second.entries()).extracting(Entry::undone).containsExactly(false, true);
        assertThat(text()).isEqualTo("ab");
    }

    @Test
    void a_step_that_is_interrupted_has_ended_and_the_interrupt_stays() {
        Interceptor interrupted = (message, metadata, next) -> {
            throw new InterruptedException("at once");
        };
        var scope = CommandHistory.over(Interruptible.of(operations), Notes.bus(domain, List.of(interrupted)), ids)
                .in("user-7");
        try {
            assertThatThrownBy(() -> scope.dispatch(write(0, "a"))).isInstanceOf(HandlerFailedException.class);
            assertThat(Thread.interrupted()).isTrue();
        } finally {
            Thread.interrupted();
        }
        refused(history().in("user-7")::undo, Reason.NOTHING, "nothing to undo");
        assertThat(text()).isEmpty();
    }

    @Test
    void what_was_taken_for_dead_and_was_sent_again_under_its_id_is_in_the_history_once() throws Exception {
        var entered = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        Interceptor slow = (message, metadata, next) -> {
            entered.countDown();
            goOn.await();
            return next.proceed(message, metadata);
        };
        var first = CommandHistory.over(operations, Notes.bus(domain, List.of(slow)), ids)
                .in("user-7");
        var id = Metadata.withId("click-1");
        var executor = Executors.newSingleThreadExecutor();
        try {
            var slowly = executor.submit(() -> first.dispatch(write(1, "b"), id));
            entered.await();
            var second = history().in("user-7");
            second.dispatch(write(0, "a")); // finds it rejected
            assertThat(second.dispatch(write(1, "b"), id)).isEqualTo(2);

            goOn.countDown();
            assertThat(slowly.get()).isEqualTo(2);

            assertThat(second.entries()).extracting(second::command).containsExactly(write(0, "a"), write(1, "b"));
            assertThat(text()).isEqualTo("ab");
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void what_was_taken_for_dead_and_ends_while_it_is_sent_again_under_its_id_leaves_no_step_that_is_never_finished()
            throws Exception {
        // given a process that returns after all, while another one carries out the same command under its id
        var id = Metadata.withId("click-1");
        try (var slow = new Slow(Optional.empty())) {
            var slowly = slow.begin(scope -> scope.dispatch(write(0, "a"), id));
            var dispatched = new AtomicInteger();
            Interceptor meanwhile = (message, metadata, next) -> {
                if (dispatched.incrementAndGet() == 1) {
                    assertThat(slow.end(slowly)).isEqualTo(1);
                }
                assertThat(dispatched).as("else it goes on without an end").hasValueLessThan(10);
                return next.proceed(message, metadata);
            };
            var second = CommandHistory.over(operations, Notes.bus(domain, List.of(meanwhile)), ids)
                    .in("user-7");
            assertThat(second.abandon()).isTrue();
            assertThat(second.dispatch(write(0, "a"), id)).isEqualTo(1);

            // when, then
            assertThat(second.dispatch(write(1, "b"))).isEqualTo(2);
            assertThat(dispatched).as("each once").hasValue(2);
            assertThat(second.abandon()).as("nothing is open").isFalse();
            assertThat(second.entries()).extracting(second::command).containsExactly(write(0, "a"), write(1, "b"));
            assertThat(history().in("user-7").entries()).isEqualTo(second.entries());
            assertThat(text()).isEqualTo("ab");
            second.undo();
            second.undo();
            assertThat(text()).isEmpty();
            second.redo();
            assertThat(text()).isEqualTo("a");
        }
    }

    @Test
    void a_step_from_within_a_step_is_refused() {
        var history = new ArrayList<CommandHistory>();
        Interceptor nesting = (message, metadata, next) -> {
            if (message.equals(write(0, "outer"))) {
                assertThat(history.get(0).in("user-7").canUndo()).isFalse();
                assertThatThrownBy(() -> history.get(0).in("user-7").abandon())
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("from within a step");
                history.get(0).in("user-8").dispatch(write(0, "inner"));
            }
            return next.proceed(message, metadata);
        };
        history.add(CommandHistory.over(operations, Notes.bus(domain, List.of(nesting)), ids));

        assertThatThrownBy(() -> history.get(0).in("user-7").dispatch(write(0, "outer")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("from within a step");
        assertThat(domain.head().value()).isZero();
        history.get(0).in("user-7").dispatch(write(0, "free"));
    }

    @Test
    void a_command_or_inverse_that_the_catalog_does_not_know_is_told() {
        var plain = InMemoryCommandBus.builder()
                .handle(Plain.class, c -> Undoable.reversible(1, new Plain(-c.number())))
                .handle(Write.class, c -> Undoable.reversible(1, new Plain(7)))
                .build();
        var scope = CommandHistory.over(operations, plain, ids).in("user-7");

        assertThatThrownBy(() -> scope.dispatch(new Plain(1))).isInstanceOf(UnknownEventException.class);
        assertThat(operations.head().value()).isZero();

        assertThatThrownBy(() -> scope.dispatch(write(0, "a")))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("\"write\" is done, but cannot be undone");
        refused(scope::undo, Reason.NOT_UNDOABLE, "\"write\"");
    }

    @Test
    void a_command_whose_inverse_the_log_can_never_take_is_done_and_cannot_be_undone() {
        // given inverses of which the tags cannot be told, or which the codec cannot write
        var cannotBeTagged = emptyLog(
                JournalMark.addTo(Catalog.builder())
                        .event("write", Write.class)
                        .event("plain", Plain.class, plain -> {
                            throw new IllegalStateException("no tag for " + plain.number());
                        })
                        .build(),
                clock);
        var cannotBeWritten = new Fronted(operations) {
            @Override
            public Appended append(List<?> events, AppendCondition condition, Metadata metadata) {
                if (events.stream().anyMatch(new Cut(NOTE, 0, 7)::equals)) {
                    throw new IllegalArgumentException("cannot be written");
                }
                return super.append(events, condition, metadata);
            }
        };
        for (var log : List.of(cannotBeTagged, cannotBeWritten)) {
            var done = new ArrayList<String>();
            var plain = InMemoryCommandBus.builder()
                    .handle(Write.class, c -> {
                        done.add(c.text());
                        return log == cannotBeTagged
                                ? Undoable.reversible(1, new Plain(7))
                                : Undoable.reversible(
                                        1, new Cut(NOTE, 0, c.text().length()));
                    })
                    .build();
            var scope = CommandHistory.over(log, plain, ids).in("user-7");

            // when, then
            assertThatThrownBy(() -> scope.dispatch(write(0, "seven c")))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContainingAll("\"write\" is done, but cannot be undone", "cannot take its inverse");
            refused(scope::undo, Reason.NOT_UNDOABLE, "\"write\"");
            if (log == cannotBeWritten) {
                assertThat(scope.dispatch(write(0, "b"))).isEqualTo(1);
                assertThat(scope.canUndo()).isTrue();
                assertThat(done).as("each once").containsExactly("seven c", "b");
            } else {
                assertThat(done).as("once").containsExactly("seven c");
            }
            assertThat(scope.entries()).hasSize(done.size());
        }
    }

    @Test
    void a_step_that_was_cut_off_and_whose_inverse_the_log_cannot_take_does_not_speak_for_the_next_one() {
        // given a step whose outcome nobody knows, and whose inverse no catalog knows
        var carriedOut = new ArrayList<String>();
        var cut = new AtomicBoolean();
        var idempotent = InMemoryCommandBus.builder()
                .handle(Write.class, c -> {
                    if (!carriedOut.contains(c.text())) {
                        carriedOut.add(c.text());
                    }
                    if (cut.compareAndSet(false, true)) {
                        throw new AssertionError("cut off");
                    }
                    return c.text().equals("a")
                            ? Undoable.reversible(1, new Plain(7))
                            : Undoable.reversible(2, new Cut(NOTE, c.at(), 1));
                })
                .build();
        var scope = CommandHistory.over(operations, idempotent, ids).in("user-7");
        assertThatThrownBy(() -> scope.dispatch(write(0, "a")))
                .isInstanceOf(AssertionError.class)
                .hasMessage("cut off");

        // when, then
        assertThat(scope.dispatch(write(1, "b"))).isEqualTo(2);
        assertThat(carriedOut).containsExactly("a", "b");
        assertThat(scope.entries()).extracting(scope::command).containsExactly(write(0, "a"), write(1, "b"));
        assertThat(scope.entries()).extracting(Entry::undoable).containsExactly(false, true);
    }

    @Test
    void an_id_that_no_tag_can_hold_is_refused_before_anything_is_carried_out() {
        history().in("user-7").dispatch(write(0, "a"));
        var head = operations.head();
        var scope = CommandHistory.over(operations, bus(), () -> "i".repeat(Tag.MAX_LENGTH + 1))
                .in("user-7");

        assertThatThrownBy(() -> scope.dispatch(write(1, "b"))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(scope::undo).isInstanceOf(IllegalArgumentException.class);

        assertThat(text()).isEqualTo("a");
        assertThat(operations.head()).isEqualTo(head);
    }

    @Test
    void faults_of_wiring_are_told() {
        var without = emptyLog(Catalog.builder().event("write", Write.class).build(), clock);
        assertThatThrownBy(() -> CommandHistory.over(without, bus(), ids))
                .isInstanceOf(WiringException.class)
                .hasMessageContaining("JournalMark.addTo");
        assertThatThrownBy(() -> CommandHistory.over(operations, bus(), ids, 0))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> history().in(" ")).isInstanceOf(IllegalArgumentException.class);
        assertThat(JournalMark.addTo(Catalog.builder()).build().types()).hasSize(4);
        var untagged = emptyLog(
                Catalog.builder()
                        .event(StepStarted.NAME, StepStarted.class)
                        .event(StepEnded.NAME, StepEnded.class)
                        .build(),
                clock);
        assertThatThrownBy(() -> CommandHistory.over(untagged, bus(), ids))
                .isInstanceOf(WiringException.class)
                .hasMessageContainingAll(
                        "StepStarted as \"cqrs.history.started\", but without its tags",
                        "StepEnded as \"cqrs.history.ended\", but without its tags");
    }

    private static HistoryRefusedException refused(Runnable step, Reason reason, String... words) {
        var refused = catchThrowableOfType(HistoryRefusedException.class, step::run);
        assertThat(refused).isNotNull().hasMessageContainingAll(words);
        assertThat(refused.reason()).isEqualTo(reason);
        return refused;
    }

    // ---- crashes, at random, at once

    private static final List<String> PLAN = List.of("a", "b", "undo", "c", "undo", "undo", "redo", "d");

    @Test
    void crashes_at_any_append_lose_and_double_nothing() {
        var count = CrashPoints.none();
        live(count, "no-crash");
        int points = count.passed();
        assertThat(points).isEqualTo(2 * 3 * PLAN.size());
        for (int first = 1; first <= points; first++) {
            live(CrashPoints.at(first), "crash-" + first);
            for (int second = first + 1; crashesInPairs() && second <= first + 10; second++) {
                live(CrashPoints.at(first, second), "crash-" + first + "-" + second);
            }
        }
    }

    /**
     * Whether the process crashes twice as well.
     *
     * @return {@code true} unless that takes too long
     */
    protected boolean crashesInPairs() {
        return true;
    }

    /**
     * A user who sends a command again under its id when a crash has cut it off; but before an undo or a redo is tried again
     * looks at what has become of it.
     */
    private void live(CrashPoints crashes, String name) {
        int done = 0;
        boolean look = false;
        while (done < PLAN.size()) {
            var scope = CommandHistory.over(
                            crashes.around(operations),
                            Notes.bus(crashes.around(domain), List.of()),
                            () -> name + "-" + lastId.incrementAndGet())
                    .in(name);
            try {
                if (look) {
                    lookByRejection(scope, name);
                    done = stepsDone(name);
                    look = false;
                }
                for (; done < PLAN.size(); done++) {
                    var what = PLAN.get(done);
                    if (what.equals("undo")) {
                        scope.undo();
                    } else if (what.equals("redo")) {
                        scope.redo();
                    } else {
                        scope.dispatch(new Write(name, 0, what), Metadata.withId(name + "-click-" + what));
                    }
                }
            } catch (SimulatedCrash | HistoryRefusedException crash) {
                assertThat(crash instanceof SimulatedCrash || crash.getCause() instanceof SimulatedCrash)
                        .as("%s", crash)
                        .isTrue();
                crashes.restart();
                look = look || PLAN.get(done).endsWith("do");
            }
        }
        assertThat(Notes.text(domain, name)).as("%s", crashes).isEqualTo("da");
        var last = history().in(name);
        assertThat(last.entries())
                .as("%s", crashes)
                .extracting(last::command)
                .containsExactly(new Write(name, 0, "a"), new Write(name, 0, "d"));
        assertThat(stepsDone(name)).as("%s", crashes).isEqualTo(PLAN.size());
        last.undo();
        assertThat(Notes.text(domain, name)).as("%s", crashes).isEqualTo("a");
    }

    /** What was cut off is finished before anything else is done, be it only to be rejected. */
    private static void lookByRejection(CommandHistory.Scope scope, String note) {
        try {
            scope.dispatch(new Write(note, 99, "x"));
        } catch (RejectedException asExpected) {
            return;
        }
        throw new AssertionError("Writing behind the end was not rejected.");
    }

    private int stepsDone(String scope) {
        int done = 0;
        try (var ends = operations.read(EventQuery.types(StepEnded.class).withTags(Tag.of("cqrs.history", scope)))) {
            while (ends.advance()) {
                done += ((StepEnded) ends.event()).result() == Result.DONE ? 1 : 0;
            }
        }
        return done;
    }

    /** What a history has to do, by hand: one scope on one note. */
    private static final class Model {

        private final String note;
        private final List<Command<?>> commands = new ArrayList<>();
        private final List<Optional<Command<?>>> inverses = new ArrayList<>();
        private int done;
        private String text = "";
        private Optional<Command<?>> inverse = Optional.empty();

        Model(String note) {
            this.note = note;
        }

        /** Gives whether the command is carried out, and keeps its inverse. */
        boolean apply(Command<?> command) {
            inverse = Optional.empty();
            if (command instanceof Write write) {
                if (write.at() > text.length()) {
                    return false;
                }
                text = text.substring(0, write.at()) + write.text() + text.substring(write.at());
                inverse = Optional.of(new Cut(note, write.at(), write.text().length()));
            } else if (command instanceof Cut cut) {
                int end = cut.at() + cut.length();
                if (end > text.length()) {
                    return false;
                }
                inverse = Optional.of(new Write(note, cut.at(), text.substring(cut.at(), end)));
                text = text.substring(0, cut.at()) + text.substring(end);
            }
            return true;
        }

        boolean isDone(Command<?> command, int depth) {
            if (!apply(command)) {
                return false;
            }
            commands.subList(done, commands.size()).clear();
            inverses.subList(done, inverses.size()).clear();
            commands.add(command);
            inverses.add(inverse);
            if (commands.size() > depth) {
                commands.remove(0);
                inverses.remove(0);
            }
            done = commands.size();
            return true;
        }

        /** Gives why an undo is refused, if it is. */
        Optional<Reason> undo() {
            if (done == 0) {
                return Optional.of(Reason.NOTHING);
            }
            var back = inverses.get(done - 1);
            if (back.isEmpty()) {
                return Optional.of(Reason.NOT_UNDOABLE);
            }
            if (!apply(back.get())) {
                return Optional.of(Reason.REJECTED);
            }
            done--;
            return Optional.empty();
        }

        Optional<Reason> redo() {
            if (done == commands.size()) {
                return Optional.of(Reason.NOTHING);
            }
            if (!apply(commands.get(done))) {
                return Optional.of(Reason.REJECTED);
            }
            inverses.set(done++, inverse);
            return Optional.empty();
        }
    }

    @Test
    void random_steps_give_what_a_model_gives() {
        long seed = Long.getLong("dev.cqrs.journal.seed", System.nanoTime());
        var random = new SplittableRandom(seed);
        int depth = 12;
        var models = List.of(new Model("r1"), new Model("r2"), new Model("r3"));
        var plain = Notes.bus(domain, List.of());
        var history = CommandHistory.over(operations, plain, ids, depth);
        var held = new HashMap<String, CommandHistory.Scope>(); // so that they need not be folded anew each time
        for (int i = 0; i < steps(); i++) {
            var what = "seed " + seed + ", step " + i;
            if (random.nextInt(200) == 0) {
                history = CommandHistory.over(operations, plain, ids, depth);
                held.clear();
            }
            var model = models.get(random.nextInt(models.size()));
            var known = held.get(model.note);
            var scope = known == null ? history.in("scope-" + model.note) : known;
            held.put(model.note, scope);
            switch (random.nextInt(10)) {
                case 0 -> {
                    var command = random(random, model);
                    if (model.apply(command)) {
                        plain.dispatch(command); // somebody else
                    }
                }
                case 1, 2, 3, 4 -> {
                    var command = random(random, model);
                    if (model.isDone(command, depth)) {
                        scope.dispatch(command);
                    } else {
                        assertThatExceptionOfType(RejectedException.class)
                                .as(what)
                                .isThrownBy(() -> scope.dispatch(command));
                    }
                }
                case 5, 6, 7 -> step(what, model.undo(), scope::undo);
                default -> step(what, model.redo(), scope::redo);
            }
            assertThat(scope.entries())
                    .as(what)
                    .hasSameSizeAs(model.commands)
                    .filteredOn(entry -> !entry.undone())
                    .hasSize(model.done);
            if (i % 100 == 0 || i == steps() - 1) {
                for (var each : models) {
                    assertThat(Notes.text(domain, each.note)).as(what).isEqualTo(each.text);
                    var own = history.in("scope-" + each.note);
                    assertThat(own.entries()).as(what).extracting(own::command).isEqualTo(each.commands);
                }
            }
        }
    }

    private static void step(String what, Optional<Reason> refused, Runnable step) {
        if (refused.isEmpty()) {
            step.run();
        } else {
            assertThatExceptionOfType(HistoryRefusedException.class)
                    .as(what)
                    .isThrownBy(step::run)
                    .satisfies(thrown -> assertThat(thrown.reason()).isEqualTo(refused.get()));
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"}) // a result of either kind
    private static Command<Undoable<Object>> random(SplittableRandom random, Model model) {
        int length = model.text.length();
        Command<?> command = switch (random.nextInt(length > 60 ? 12 : 8)) {
            case 0 -> new Send(model.note);
            case 1, 2, 3, 4 ->
                new Write(model.note, random.nextInt(length + 2), "abc".substring(0, 1 + random.nextInt(3)));
            default -> new Cut(model.note, random.nextInt(length + 1), 1 + random.nextInt(3));
        };
        return (Command) command;
    }

    /**
     * Tells how many steps each thread takes in one scope.
     *
     * @return 1 or more
     */
    protected int stepsAtOnce() {
        return Integer.getInteger("dev.cqrs.journal.stepsAtOnce", 200);
    }

    @Test
    void threads_and_processes_in_one_scope_take_each_step_once() throws Exception {
        var processes = List.of(
                CommandHistory.over(operations, Notes.bus(domain, List.of()), ids, 100_000),
                CommandHistory.over(operations, Notes.bus(domain, List.of()), ids, 100_000));
        long seed = Long.getLong("dev.cqrs.journal.seed", System.nanoTime());
        var executor = Executors.newFixedThreadPool(6);
        try {
            var balances = new ArrayList<Future<Integer>>();
            for (int i = 0; i < 6; i++) {
                var random = new SplittableRandom(seed + i);
                var scope = processes.get(i % 2).in("shared");
                balances.add(executor.submit(() -> {
                    int balance = 0;
                    for (int step = 0; step < stepsAtOnce(); step++) {
                        try {
                            switch (random.nextInt(4)) {
                                case 0 -> {
                                    scope.undo();
                                    balance--;
                                }
                                case 1 -> {
                                    scope.redo();
                                    balance++;
                                }
                                default -> {
                                    scope.dispatch(write(0, "x"));
                                    balance++;
                                }
                            }
                        } catch (HistoryRefusedException nothing) {
                            assertThat(nothing.reason()).as("seed %d", seed).isEqualTo(Reason.NOTHING);
                        }
                    }
                    return balance;
                }));
            }
            int balance = 0;
            for (var each : balances) {
                balance += each.get();
            }
            assertThat(text()).as("seed %d", seed).hasSize(balance);
            assertThat(processes.get(0).in("shared").entries())
                    .as("seed %d", seed)
                    .isEqualTo(processes.get(1).in("shared").entries())
                    .filteredOn(entry -> !entry.undone())
                    .hasSize(balance);
        } finally {
            executor.shutdownNow();
        }
    }
}
