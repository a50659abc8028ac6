package dev.cqrs.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.inmemory.InMemoryCheckpointStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.projection.Projection;
import dev.cqrs.projection.Projection.Keys;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Opening and closing under load: nothing goes on behind, and what is kept is right. */
@Timeout(300)
class ShutdownTest {

    private static final int ROUNDS = Integer.getInteger("dev.cqrs.runtime.rounds", 1_000);

    /** So many events go into the log at most, as each engine begins with it anew. */
    private static final int EVENTS = 300_000;

    record Noted(int number) {}

    @Test
    void a_thousand_engines_opened_and_closed_under_load_leave_nothing_behind() throws Exception {
        long seed = 20_26;
        var random = new SplittableRandom(seed);
        var log = new InMemoryEventStore(
                Catalog.builder().event("noted", Noted.class).build(), Clock.systemUTC());
        var saved = new InMemoryCheckpointStore();
        var folded = new AtomicLong();
        var last = new AtomicLong();
        var count = Fold.from(0L).on(Noted.class, (n, e) -> {
            folded.incrementAndGet();
            return n + 1;
        });
        var inline = Projection.of("inline", 1, count);
        var background = Projection.of("background", 1, count);
        var keyed = Projection.keyed("keyed", 1, Keys.by(Noted.class, e -> e.number() % 100), count);
        var mails = Projection.of("mails", 1, count).effect(Noted.class, (e, trigger) -> {
            long position = trigger.event().position().value();
            long before = last.getAndSet(position);
            if (position > before + 1) {
                throw new AssertionError("The effects of " + (before + 1) + " to " + (position - 1) + " are missing.");
            }
        });
        var failures = new ArrayList<ProjectionFailure>();
        var own = new CopyOnWriteArrayList<Thread>();
        var threads = Executors.newFixedThreadPool(4, task -> {
            var thread = new Thread(task, "shutdown-test-" + own.size());
            own.add(thread);
            return thread;
        });
        var writing = new AtomicBoolean(true);
        var before = Thread.getAllStackTraces().keySet();
        var closing = new long[ROUNDS];
        try {
            var writer = threads.submit(() -> {
                for (int i = 0; i < EVENTS && writing.get(); i++) {
                    log.append(List.of(new Noted(i)), AppendCondition.none());
                    if (i % 100 == 0) { // so that there is something to append in every round
                        LockSupport.parkNanos(200_000);
                    }
                }
            });
            for (int round = 0; round < ROUNDS; round++) {
                var engine = ProjectionEngine.builder(log, failures::add)
                        .checkpoints(saved)
                        .inline(inline)
                        .background(background, threads)
                        .run(keyed, Delivery.background(threads).workers(2).batch(500))
                        .background(mails, threads)
                        .build();
                for (int i = random.nextInt(2_000); i > 0; i--) {
                    Thread.onSpinWait();
                }
                if (random.nextInt(4) == 0) {
                    engine.rebuild(keyed, keyed, threads, progress -> {});
                }
                if (random.nextInt(20) == 0) {
                    engine.view(background).awaitApplied(log.head(), Duration.ofMinutes(2));
                }
                long begun = System.nanoTime();
                engine.close();
                closing[round] = System.nanoTime() - begun;
                engine.close();
                for (var projection : List.of(inline, background, mails)) {
                    long position = engine.view(projection).position().value();
                    var checkpoint = saved.load(projection.name()).orElseThrow();
                    assertThat(checkpoint.position().value()).isEqualTo(position);
                    assertThat(checkpoint.state())
                            .as("round %d, seed %d", round, seed)
                            .isEqualTo(position);
                }
            }
            writing.set(false);
            writer.get();
        } finally {
            threads.shutdown();
            assertThat(threads.awaitTermination(120, TimeUnit.SECONDS)).isTrue();
            for (Thread thread : own) { // a pool says it has ended while its last thread is still on its way out
                thread.join();
            }
        }
        long now = folded.get();
        log.append(List.of(new Noted(-1)), AppendCondition.none());
        assertThat(folded.get()).as("nobody follows any more").isEqualTo(now);
        assertThat(failures).isEmpty();
        Arrays.sort(closing); // the slowest ones say what else the machine had to do
        assertThat(Duration.ofNanos(closing[ROUNDS * 9 / 10]))
                .as("nine closes of ten")
                .isLessThan(Duration.ofSeconds(1));
        var after = new HashSet<>(Thread.getAllStackTraces().keySet());
        after.removeAll(before);
        after.removeIf(Thread::isDaemon); // the virtual machine's own
        assertThat(after).as("threads").isEmpty();
    }
}
