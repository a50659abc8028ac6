package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Deciding.Account;
import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.ThreadParams;

/**
 * Deciding on one account from many threads, conflicts and retries included, beside one thread that does the same.
 *
 * <p>A command loads an account's history, decides, and appends one event unless the account has changed. So that
 * histories stay short, everybody turns to the next account when the last has about {@link #TURN} events: eight threads
 * on one tag are on the same one at any moment. The time is that of all threads together: per command that was carried
 * out, however often it was tried. Every iteration has a fresh store.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms4g", "-Xmx4g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 4, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class ContentionBenchmark {

    /** Events until the next account has its turn. */
    static final int TURN = 100;

    private static final int THREADS = 8;

    /** What is sent. */
    record Deposit(String account) implements Command<Long> {}

    /** A store and the bus in front of it. */
    @State(Scope.Benchmark)
    public static class Bank {

        EventStore store = new InMemoryEventStore(Ledger.catalog(), Ledger.CLOCK);
        CommandBus bus = InMemoryCommandBus.builder().build();

        /** Makes an empty store. */
        @Setup(Level.Iteration)
        public void open() {
            store = new InMemoryEventStore(Ledger.catalog(), Ledger.CLOCK);
            bus = InMemoryCommandBus.builder()
                    .handle(
                            Deposit.class,
                            new DecisionHandler<Deposit, Account, Long>(
                                    store,
                                    command -> DecisionModel.of(
                                            EventQuery.tagged(Ledger.accountTag(command.account())), Account.FOLD),
                                    (command, account) ->
                                            Decision.accept(new Deposited(command.account(), "branch-1", 1)),
                                    (command, after) -> after.balance()))
                    .build();
            System.gc();
        }
    }

    /** A thread, and the account whose turn it is. */
    @State(Scope.Thread)
    public static class Sender {

        private int number;
        private long commands;
        private long turn = -1;
        private Deposit command = new Deposit("");

        /** Numbers the threads. */
        @Setup
        public void number(ThreadParams threads) {
            number = threads.getThreadIndex();
        }

        /** The account that all threads are on, told by the length of the log. */
        Deposit shared(Bank bank) {
            long now = bank.store.head().value() / TURN;
            if (now != turn) {
                turn = now;
                command = new Deposit(Ledger.account((int) now));
            }
            return command;
        }

        /** An account of the thread's own. */
        Deposit own() {
            if (commands++ % TURN == 0) {
                command = new Deposit("thread-" + number + "-" + commands);
            }
            return command;
        }
    }

    /** One thread. */
    @Benchmark
    public long oneThread(Bank bank, Sender sender) {
        return bank.bus.dispatch(sender.shared(bank));
    }

    /** Eight threads, all on the same account. */
    @Benchmark
    @Threads(THREADS)
    @OperationsPerInvocation(THREADS) // each thread's time is spent by eight, so this gives the time of them all
    public long eightThreadsOneTag(Bank bank, Sender sender) {
        return bank.bus.dispatch(sender.shared(bank));
    }

    /** Eight threads, each on its own account. */
    @Benchmark
    @Threads(THREADS)
    @OperationsPerInvocation(THREADS)
    public long eightThreadsEightTags(Bank bank, Sender sender) {
        return bank.bus.dispatch(sender.own());
    }
}
