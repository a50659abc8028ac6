package dev.cqrs.concurrency;

import static dev.cqrs.decider.Decision.accept;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandBus;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Position;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.inmemory.InMemoryCqrs;
import dev.cqrs.message.Metadata;
import dev.cqrs.projection.Projection;
import dev.cqrs.query.Query;
import dev.cqrs.queue.CommandQueue;
import dev.cqrs.runtime.ProjectionTimeoutException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.infra.results.II_Result;

/** Small applications, and what threads do to them. */
final class Banks {

    record Pay(String account) implements Command<Integer> {}

    record Paid(String account) {}

    /** What is in the accounts "a" and "b". */
    record Both() implements Query<int[]> {}

    static final Pay PAYMENT = new Pay("a");
    static final Metadata ID = Metadata.withId("1");

    private static final Clock CLOCK = Clock.fixed(Instant.EPOCH, ZoneOffset.UTC);

    /** So long that only a wake-up that is lost takes it. */
    private static final Duration LONG = Duration.ofSeconds(10);

    private static final Fold<Integer> COUNT = Fold.from(0).on(Paid.class, (count, paid) -> count + 1);
    private static final Projection<Integer> COUNTED = Projection.of("counted", 1, COUNT);
    private static final Projection<Map<String, Integer>> IN_PLACE = Projection.of(
            "in-place",
            1,
            Fold.<Map<String, Integer>>fresh(HashMap::new)
                    .change(Paid.class, (sums, paid) -> sums.merge(paid.account(), 1, Integer::sum)));
    private static final Projection<Map<String, Integer>> KEYED =
            Projection.keyed("keyed", 1, Projection.Keys.by(Paid.class, Paid::account), COUNT);

    private Banks() {}

    private static InMemoryCqrs.Builder builder() {
        return InMemoryCqrs.builder(CLOCK)
                .event("paid", Paid.class, paid -> Set.of(Tag.of("account", paid.account())))
                .decide(
                        Pay.class,
                        pay -> DecisionModel.of(EventQuery.tagged(Tag.of("account", pay.account())), COUNT),
                        (pay, count) -> accept(new Paid(pay.account())),
                        (pay, count) -> count);
    }

    static InMemoryCqrs inline() {
        return builder().projection(COUNTED).build();
    }

    static InMemoryCqrs idempotent() {
        return builder().idempotent().build();
    }

    static InMemoryCqrs inPlace() {
        return builder().query(Both.class, IN_PLACE, (both, sums) -> both(sums)).build();
    }

    static InMemoryCqrs keyed() {
        return builder().query(Both.class, KEYED, (both, sums) -> both(sums)).build();
    }

    private static int[] both(Map<String, Integer> sums) {
        return new int[] {sums.getOrDefault("a", 0), sums.getOrDefault("b", 0)};
    }

    static CommandBus bus() {
        return InMemoryCommandBus.builder().handle(Pay.class, pay -> 1).build();
    }

    /** Whether it was taken. */
    static int pay(InMemoryCqrs bank) {
        try {
            bank.dispatch(PAYMENT);
            return 1;
        } catch (IllegalStateException closed) {
            return 0;
        }
    }

    static void payBoth(InMemoryCqrs bank) {
        bank.store().append(List.of(new Paid("a"), new Paid("b")), AppendCondition.none());
    }

    static void readBoth(InMemoryCqrs bank, II_Result result) {
        int[] sums = bank.ask(new Both());
        result.r1 = sums[0];
        result.r2 = sums[1];
    }

    /** What the view holds when it has the first event; -1 if nobody tells. */
    static int await(InMemoryCqrs bank) {
        try {
            var view = bank.view(COUNTED);
            view.awaitApplied(Position.of(1), LONG);
            return view.read(count -> count);
        } catch (ProjectionTimeoutException | InterruptedException lost) {
            return -1;
        }
    }

    /** A queue whose commands are run at once, by whoever enqueues them or closes it. */
    static CommandQueue queue(AtomicInteger runs) {
        return queue(runs, Runnable::run);
    }

    static CommandQueue queue(AtomicInteger runs, Executor executor) {
        var bus = InMemoryCommandBus.builder()
                .handle(Pay.class, pay -> runs.incrementAndGet())
                .build();
        return CommandQueue.to(bus, executor, failure -> {})
                .key(Pay.class, Pay::account)
                .build();
    }

    /** Keeps the one task that it is given, until it is run. */
    static final class Held implements Executor {
        private Runnable task = () -> {};

        @Override
        public void execute(Runnable given) {
            task = given;
        }

        void run() {
            task.run();
        }
    }
}
