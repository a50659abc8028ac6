package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Deciding.Account;
import dev.cqrs.benchmarks.Deciding.Floor;
import dev.cqrs.benchmarks.Deciding.Ours;
import dev.cqrs.benchmarks.Deciding.Withdraw;
import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.command.Command;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.journal.CommandHistory;
import dev.cqrs.journal.Journal;
import dev.cqrs.journal.JournalMark;
import dev.cqrs.journal.Undoable;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs to write a command down: the decisions of {@link Deciding}, each between an append of the command and one of its
 * end, to a second log in memory; by the journal, which notes positions too, and by a history, in a scope an account.
 *
 * <p>The floor decides by hand and makes the two appends by hand, of an id, a name and the command, and of an id and a time; a tag
 * each. It can be read, and no more. Beside them stands the dispatch alone, which nobody writes down.
 */
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms4g", "-Xmx4g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 40) // more code than deciding alone, so more to compile
@Measurement(iterations = 9)
public class JournalBenchmark {

    /** What the floor writes. */
    sealed interface Note {
        String id();
    }

    record Began(String id, String command) implements Note {}

    record Ended(String id, long nanos) implements Note {}

    /** By hand. */
    @State(Scope.Benchmark)
    public static class WrittenByHand extends Floor {

        private EventStore operations = log(Catalog.builder());
        private long ids;

        private static EventStore log(Catalog.Builder catalog) {
            return new InMemoryEventStore(
                    catalog.event("began", Began.class)
                            .event("ended", Ended.class)
                            .event("withdraw", Withdraw.class)
                            .tags(Note.class, note -> Set.of(Tag.of("id", note.id())))
                            .build(),
                    Ledger.CLOCK);
        }

        @Override
        void open() {
            super.open();
            operations = log(Catalog.builder());
        }

        @Override
        long withdraw(Withdraw command) {
            var id = Long.toString(ids++);
            operations.append(List.of(new Began(id, "withdraw"), command), AppendCondition.none());
            long start = System.nanoTime();
            long balance = super.withdraw(command);
            operations.append(List.of(new Ended(id, System.nanoTime() - start)), AppendCondition.none());
            return balance;
        }
    }

    /** By the journal. */
    @State(Scope.Benchmark)
    public static class Journaled extends Ours {

        private long ids;

        @Override
        void open() {
            super.open();
            var operations = new InMemoryEventStore(
                    JournalMark.addTo(Catalog.builder())
                            .event("withdraw", Withdraw.class)
                            .build(),
                    Ledger.CLOCK);
            var journal = Journal.builder(
                            operations, System::nanoTime, () -> Long.toString(ids++), JournalBenchmark::unwritten)
                    .payload(Withdraw.class)
                    .build();
            bus = InMemoryCommandBus.builder()
                    .intercept(0, journal)
                    .handle(
                            Withdraw.class,
                            new DecisionHandler<Withdraw, Account, Long>(
                                    journal.noting(store),
                                    command -> DecisionModel.of(Account.query(command), Account.FOLD),
                                    Account::decide,
                                    (command, after) -> after.balance()))
                    .build();
        }
    }

    private static void unwritten(Journal.Unwritten unwritten) {
        throw new IllegalStateException("Not written: " + unwritten);
    }

    /** What can be undone. */
    record WithdrawAgain(Withdraw command) implements Command<Undoable<Long>> {}

    record PutBack(Withdraw command) implements Command<Undoable<Long>> {}

    /** By a history. */
    @State(Scope.Benchmark)
    public static class Remembered extends Ours {

        private final Map<String, CommandHistory.Scope> scopes = new HashMap<>();
        private long ids;

        @Override
        void open() {
            super.open();
            var operations = new InMemoryEventStore(
                    JournalMark.addTo(Catalog.builder())
                            .event("withdraw", WithdrawAgain.class)
                            .event("put-back", PutBack.class)
                            .build(),
                    Ledger.CLOCK);
            bus = InMemoryCommandBus.builder()
                    .handle(
                            WithdrawAgain.class,
                            new DecisionHandler<WithdrawAgain, Account, Undoable<Long>>(
                                    store,
                                    c -> DecisionModel.of(Account.query(c.command()), Account.FOLD),
                                    (c, account) -> Account.decide(c.command(), account),
                                    (c, after) -> Undoable.reversible(after.balance(), new PutBack(c.command()))))
                    .handle(
                            PutBack.class,
                            new DecisionHandler<PutBack, Account, Undoable<Long>>(
                                    store,
                                    c -> DecisionModel.of(Account.query(c.command()), Account.FOLD),
                                    (c, account) -> Decision.accept(new Deposited(
                                            c.command().account(),
                                            c.command().branch(),
                                            c.command().amount())),
                                    (c, after) -> Undoable.reversible(after.balance(), new WithdrawAgain(c.command()))))
                    .build();
            var history = CommandHistory.over(operations, bus, () -> Long.toString(ids++));
            scopes.clear();
            for (var account : work.accounts) {
                scopes.put(account, history.in(account));
            }
        }

        @Override
        long withdraw(Withdraw command) {
            return scopes.get(command.account()).dispatch(new WithdrawAgain(command));
        }
    }

    /** By hand, two appends to a second log included. */
    @Benchmark
    @OperationsPerInvocation(Deciding.OPERATIONS)
    public long floor(WrittenByHand floor) {
        return floor.run(Deciding.OPERATIONS);
    }

    /** This library; nothing is written but what was decided. */
    @Benchmark
    @OperationsPerInvocation(Deciding.OPERATIONS)
    public long cqrsAlone(Ours ours) {
        return ours.run(Deciding.OPERATIONS);
    }

    /** This library with a journal. */
    @Benchmark
    @OperationsPerInvocation(Deciding.OPERATIONS)
    public long cqrsJournal(Journaled ours) {
        return ours.run(Deciding.OPERATIONS);
    }

    /** This library with a history. */
    @Benchmark
    @OperationsPerInvocation(Deciding.OPERATIONS)
    public long cqrsHistory(Remembered ours) {
        return ours.run(Deciding.OPERATIONS);
    }
}
