package dev.cqrs.benchmarks;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.benchmarks.Ledger.Entry;
import dev.cqrs.benchmarks.Ledger.Withdrawn;
import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.decider.Snapshots;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryEventStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Deciding on one account: load its history, fold it into a balance, withdraw if there is enough, append unless the
 * account has changed.
 *
 * <p>Each iteration makes a fixed number of withdrawals, from one account after the other, on a fresh store, filled
 * beforehand, outside the measurement; then the heap is collected. A history of 10 events grows to 14 meanwhile, one of
 * 1,000 to 1,100, one of 100,000 to 100,400. The accounts' events are mixed in the log, two types and two tags an event.
 *
 * <p>The floor is the same work by hand on the same store, into a local variable. Ours goes through the command bus, and
 * its fold makes an immutable state an event, as snapshots need it.
 */
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms4g", "-Xmx4g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 5)
@Measurement(iterations = 9)
public abstract class Deciding {

    static final int OPERATIONS = 4_000;

    /** Snapshots are saved when so many events were read behind the last one. */
    static final int EVERY = 20;

    private static final int BATCH = 1_000;
    private static final long WARM_UP = TimeUnit.SECONDS.toNanos(2);

    /** What is sent. */
    record Withdraw(String account, String branch, long amount) implements Command<Long> {}

    /** What ours is folded into. */
    record Account(long balance) {
        static final Fold<Account> FOLD = Fold.from(new Account(0))
                .on(Deposited.class, (account, event) -> new Account(account.balance + event.amount()))
                .on(Withdrawn.class, (account, event) -> new Account(account.balance - event.amount()));

        static Decision<Entry> decide(Withdraw command, Account account) {
            return command.amount() <= account.balance
                    ? accept(new Withdrawn(command.account(), command.branch(), command.amount()))
                    : reject("the balance is " + account.balance);
        }

        static CommandBus bus(EventStore store, Function<Withdraw, DecisionModel<Account>> model) {
            return InMemoryCommandBus.builder()
                    .handle(
                            Withdraw.class,
                            new DecisionHandler<Withdraw, Account, Long>(
                                    store, model, Account::decide, (command, after) -> after.balance))
                    .build();
        }

        static EventQuery query(Withdraw command) {
            return EventQuery.tagged(Ledger.accountTag(command.account()));
        }
    }

    /** The histories. */
    @State(Scope.Benchmark)
    public static class Work {

        /** Events an account. */
        @Param({"10", "1000", "100000"})
        public int history;

        String[] accounts = {};
        private final String branch = Ledger.branch(1);
        List<Entry> events = List.of();
        private long[] balances = {};

        /** Makes the events: three deposits to a withdrawal, which is less than each of them. */
        @Setup
        public void fill() {
            int count = history == 10 ? 1_000 : history == 1_000 ? 40 : 10;
            accounts = new String[count];
            Arrays.setAll(accounts, Ledger::account);
            var sequence = new ArrayList<Integer>();
            for (int i = 0; i < count * history; i++) {
                sequence.add(i);
            }
            var random = new Random(42);
            Collections.shuffle(sequence, random);
            events = new ArrayList<>();
            balances = new long[count];
            for (int i : sequence) {
                int account = i % count;
                boolean withdrawal = i / count % 4 == 3;
                long amount = withdrawal ? random.nextInt(1_000) : 100_000 + random.nextInt(1_000);
                balances[account] += withdrawal ? -amount : amount;
                events.add(
                        withdrawal
                                ? new Withdrawn(accounts[account], branch, amount)
                                : new Deposited(accounts[account], branch, amount));
            }
        }

        Withdraw command(int operation) {
            return new Withdraw(accounts[operation % accounts.length], branch, operation % 16 + 1);
        }

        /** What the results of so many commands add up to. */
        long expected(int operations) {
            var left = balances.clone();
            long results = 0;
            for (int i = 0; i < operations; i++) {
                results += left[i % left.length] -= command(i).amount();
            }
            return results;
        }
    }

    /** What is measured, and the course of a measurement, which is the same for all. */
    @State(Scope.Benchmark)
    public abstract static class Subject {

        Work work;
        private long results;
        private int operations;

        abstract void open();

        /** Withdraws; gives the balance. */
        abstract long withdraw(Withdraw command);

        /** Runs iterations for a while, as they will be measured. */
        void warmUp(Work work, int operations) {
            this.work = work;
            long end = System.nanoTime() + WARM_UP;
            while (System.nanoTime() < end) {
                freshAndOld();
                run(operations);
                check();
            }
        }

        /** Makes a store with the histories in it. */
        @Setup(Level.Iteration)
        public void freshAndOld() {
            open();
            System.gc();
        }

        long run(int operations) {
            this.operations = operations;
            results = 0;
            for (int i = 0; i < operations; i++) {
                results += withdraw(work.command(i));
            }
            return results;
        }

        /** Proves that every decision was made on the right balance. */
        @TearDown(Level.Iteration)
        public void check() {
            long expected = work.expected(operations);
            if (results != expected) {
                throw new IllegalStateException("The balances add up to " + results + "; expected " + expected + ".");
            }
        }
    }

    /** On the store in memory. */
    @State(Scope.Benchmark)
    public abstract static class OnOurStore extends Subject {

        private final Catalog catalog = Ledger.catalog();
        EventStore store = new InMemoryEventStore(catalog, Ledger.CLOCK);

        /** Compiles. */
        @Setup
        public void prepare(Work work) {
            warmUp(work, OPERATIONS);
        }

        @Override
        void open() {
            store = new InMemoryEventStore(catalog, Ledger.CLOCK);
            for (int i = 0; i < work.events.size(); i += BATCH) {
                store.append(work.events.subList(i, i + BATCH), AppendCondition.none());
            }
        }
    }

    /** By hand. */
    @State(Scope.Benchmark)
    public static class Floor extends OnOurStore {

        @Override
        long withdraw(Withdraw command) {
            var query = Account.query(command);
            long balance = 0;
            Position head;
            try (var events = store.read(query)) {
                while (events.advance()) {
                    var event = events.event();
                    if (event instanceof Deposited deposited) {
                        balance += deposited.amount();
                    } else if (event instanceof Withdrawn withdrawn) {
                        balance -= withdrawn.amount();
                    }
                }
                head = events.head();
            }
            if (command.amount() > balance) {
                throw new IllegalStateException("the balance is " + balance);
            }
            store.append(
                    List.of(new Withdrawn(command.account(), command.branch(), command.amount())),
                    AppendCondition.unchanged(query, head));
            return balance - command.amount();
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours extends OnOurStore {

        CommandBus bus = InMemoryCommandBus.builder().build();

        @Override
        void open() {
            super.open();
            bus = Account.bus(store, command -> DecisionModel.of(Account.query(command), Account.FOLD));
        }

        @Override
        long withdraw(Withdraw command) {
            return bus.dispatch(command);
        }
    }

    /** This library, the balances kept between decisions. */
    @State(Scope.Benchmark)
    public static class OursSnapshot extends Ours {

        @Override
        void open() {
            super.open();
            var accounts = Snapshots.of(new InMemoryCheckpointStore(), "account", 1, Account.class, Account.FOLD)
                    .every(EVERY);
            bus = Account.bus(store, command -> accounts.model(command.account(), Account.query(command)));
            for (int i = 0; i < work.accounts.length; i++) {
                bus.dispatch(new Withdraw(work.accounts[i], work.branch, 0)); // so that each has a snapshot
            }
        }
    }

    /** By hand. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long floor(Floor floor) {
        return floor.run(OPERATIONS);
    }

    /** This library. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long cqrs(Ours ours) {
        return ours.run(OPERATIONS);
    }

    /** This library with snapshots. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public long cqrsSnapshot(OursSnapshot ours) {
        return ours.run(OPERATIONS);
    }
}
