package dev.cqrs.benchmarks;

import dev.cqrs.benchmarks.Ledger.Blocked;
import dev.cqrs.benchmarks.Ledger.Corrected;
import dev.cqrs.benchmarks.Ledger.Deposited;
import dev.cqrs.benchmarks.Ledger.FeeCharged;
import dev.cqrs.benchmarks.Ledger.InterestPaid;
import dev.cqrs.benchmarks.Ledger.TransferredIn;
import dev.cqrs.benchmarks.Ledger.TransferredOut;
import dev.cqrs.benchmarks.Ledger.Withdrawn;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Folding a million distinct events of eight types, in random order, into a view: the time an event.
 *
 * <p>The events are made one after the other before any store is filled, so that they lie alike in memory for all. The
 * floor is a loop over an array with a chain of {@code instanceof}.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
        value = 5,
        jvmArgs = {"-Xms4g", "-Xmx4g", Heap.TOUCHED, Heap.IN_HUGE_PAGES})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public abstract class Replay {

    static final int EVENTS = 1_000_000;
    static final int BATCH = 100;

    /** The view: what the branches' customers did. */
    static final class View {
        private long balance;
        private long deposits;
        private long withdrawals;
        private long transfers;
        private long interest;
        private long fees;
        private long corrections;
        private long blocked;

        void deposited(Deposited event) {
            deposits++;
            balance += event.amount();
        }

        void withdrawn(Withdrawn event) {
            withdrawals++;
            balance -= event.amount();
        }

        void transferredIn(TransferredIn event) {
            transfers++;
            balance += event.amount();
        }

        void transferredOut(TransferredOut event) {
            transfers++;
            balance -= event.amount();
        }

        void interestPaid(InterestPaid event) {
            interest += event.amount();
            balance += event.amount();
        }

        void feeCharged(FeeCharged event) {
            fees += event.amount();
            balance -= event.amount();
        }

        void corrected(Corrected event) {
            corrections++;
            balance += event.amount();
        }

        void blocked(Blocked event) {
            blocked += event.amount();
        }

        /** By hand: what the floor does with an event, and what is done with a peer's. */
        void apply(Object event) {
            if (event instanceof Deposited deposited) {
                deposited(deposited);
            } else if (event instanceof Withdrawn withdrawn) {
                withdrawn(withdrawn);
            } else if (event instanceof TransferredIn in) {
                transferredIn(in);
            } else if (event instanceof TransferredOut out) {
                transferredOut(out);
            } else if (event instanceof InterestPaid paid) {
                interestPaid(paid);
            } else if (event instanceof FeeCharged charged) {
                feeCharged(charged);
            } else if (event instanceof Corrected corrected) {
                corrected(corrected);
            } else if (event instanceof Blocked block) {
                blocked(block);
            }
        }

        long sum() {
            return balance + deposits + withdrawals + transfers + interest + fees + corrections + blocked;
        }
    }

    /** The events. */
    @State(Scope.Benchmark)
    public static class Work {

        final Object[] events = new Object[EVENTS];

        /** Makes the events. */
        @Setup
        public void fill() {
            var random = new Random(42);
            var accounts = new String[1_000];
            var branches = new String[100];
            Arrays.setAll(accounts, Ledger::account);
            Arrays.setAll(branches, Ledger::branch);
            for (int i = 0; i < EVENTS; i++) {
                int account = random.nextInt(accounts.length);
                events[i] = Ledger.entry(
                        random.nextInt(8),
                        accounts[account],
                        branches[account % branches.length],
                        random.nextInt(1_000));
            }
            System.gc();
        }

        /** What every replay must come to. */
        long expected() {
            var view = new View();
            for (var event : events) {
                view.apply(event);
            }
            return view.sum();
        }
    }

    /** This library. */
    @State(Scope.Benchmark)
    public static class Ours {

        final EventStore store = new InMemoryEventStore(Ledger.catalog(), Ledger.CLOCK);
        final Fold<View> view = Fold.fresh(View::new)
                .change(Deposited.class, View::deposited)
                .change(Withdrawn.class, View::withdrawn)
                .change(TransferredIn.class, View::transferredIn)
                .change(TransferredOut.class, View::transferredOut)
                .change(InterestPaid.class, View::interestPaid)
                .change(FeeCharged.class, View::feeCharged)
                .change(Corrected.class, View::corrected)
                .change(Blocked.class, View::blocked);

        /** Fills the store. */
        @Setup
        public void fill(Work work) {
            var events = List.of(work.events);
            for (int i = 0; i < EVENTS; i += BATCH) {
                store.append(events.subList(i, i + BATCH), AppendCondition.none());
            }
            System.gc();
            check(work.expected(), replay());
        }

        long replay() {
            try (var events = store.read(EventQuery.all())) {
                return events.fold(view).sum();
            }
        }
    }

    static void check(long expected, long actual) {
        if (actual != expected) {
            throw new IllegalStateException("The replay came to " + actual + "; expected " + expected + ".");
        }
    }

    /** By hand. */
    @Benchmark
    @OperationsPerInvocation(EVENTS)
    public long floor(Work work) {
        var view = new View();
        for (var event : work.events) {
            view.apply(event);
        }
        return view.sum();
    }

    /** This library. */
    @Benchmark
    @OperationsPerInvocation(EVENTS)
    public long cqrs(Ours ours) {
        return ours.replay();
    }
}
