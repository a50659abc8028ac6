package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.inmemory.InMemoryEventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.schedule.CommandSchedule;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduleEvent.Enqueued;
import dev.cqrs.schedule.ScheduleEvent.Outcome;
import dev.cqrs.schedule.ScheduleEvent.Result;
import dev.cqrs.schedule.ScheduleEvent.Timing;
import dev.cqrs.suite.Pages;
import dev.cqrs.suite.Pages.Note;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Prints what storing and running a command costs; with small numbers, unless they are raised, so that it is at least
 * known to work.
 */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class ScheduleFiguresTest {

    private static final int COMMANDS = Integer.getInteger("dev.cqrs.schedule.commands", 1_000);
    private static final int ENDED = Integer.getInteger("dev.cqrs.schedule.ended", 12_000);
    private static final int THREADS = 4;
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private final Clock clock = Clock.systemUTC();

    @Test
    void stored_and_run_in_memory() throws Exception {
        for (int round = 1; round <= 3; round++) {
            run(
                    "in memory",
                    new InMemoryEventStore(Pages.operations(), clock),
                    new InMemoryEventStore(Pages.domain(), clock),
                    COMMANDS);
        }
    }

    @Test
    void stored_and_run_on_a_durable_database(@TempDir Path folder) throws Exception {
        try (var server = new DurableServer(folder.resolve("data"))) {
            var source = WritingProcess.source(server.port(), "postgres");
            JdbcSchema.of("operations").apply(source);
            JdbcSchema.of("domain").apply(source);
            try (var pool = Postgres.pool(source, 2 * THREADS + 4)) {
                var operations = JdbcEventStore.builder(pool, Pages.operations(), clock)
                        .prefix("operations")
                        .build();
                for (int round = 1; round <= 2; round++) {
                    run("PostgreSQL, fsync on", operations, SchedulingProcess.domain(pool), COMMANDS);
                }
            }
        }
    }

    private void run(String where, EventStore operations, EventStore domain, int commands) throws Exception {
        var threads = Executors.newCachedThreadPool();
        var timer = Executors.newSingleThreadScheduledExecutor();
        var appends = new AtomicLong();
        try {
            var schedule = CommandSchedule.builder(operations, clock)
                    .key(Note.class, Note::page)
                    .atOnce(THREADS)
                    .build();
            long before = schedule.status().succeeded();
            long base = operations.head().value();
            long begin = System.nanoTime();
            try (var counting = operations.onAppend(last -> appends.incrementAndGet());
                    var worker = schedule.work(
                            "w",
                            Pages.bus(domain, (note, metadata) -> {}),
                            threads,
                            (delay, task) -> {
                                var unused = timer.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
                            },
                            failure -> {
                                throw new AssertionError(failure.cause());
                            })) {
                assertThat(counting).isNotNull();
                assertThat(worker).isNotNull();
                var storing = new ArrayList<Future<?>>();
                for (int t = 0; t < THREADS; t++) {
                    int thread = t;
                    storing.add(threads.submit(() -> {
                        for (int i = 1; i <= commands / THREADS; i++) {
                            schedule.enqueue(
                                    new Note("p" + (thread + i * THREADS) % 100, i),
                                    Metadata.withId("n-" + base + "-" + thread + "-" + i));
                        }
                        return null;
                    }));
                }
                for (var each : storing) {
                    each.get();
                }
                long stored = System.nanoTime();
                for (int t = 0; t < THREADS; t++) {
                    for (int i = Math.max(1, commands / THREADS - 100); i <= commands / THREADS; i++) {
                        schedule.awaitEnded("n-" + base + "-" + t + "-" + i, PATIENCE);
                    }
                }
                long end = System.nanoTime();
                int all = commands / THREADS * THREADS;
                assertThat(schedule.status().succeeded() - before).isEqualTo(all);
                double under = (double) appends.get() / all;
                long alone = Math.max(20, all / 20);
                long before1 = appends.get();
                long begin1 = System.nanoTime();
                for (int i = 1; i <= alone; i++) {
                    var id = "n-" + base + "-alone-" + i;
                    schedule.enqueue(new Note("p" + i % 100, i), Metadata.withId(id));
                    schedule.awaitEnded(id, PATIENCE);
                }
                long end1 = System.nanoTime();
                System.out.printf(
                        "%s: %,d commands, %.1f us each until run (stored after %.1f), %.2f appends to the operations log"
                                + " each; one after the other %.1f us, %.2f appends%n",
                        where,
                        all,
                        (end - begin) / 1e3 / all,
                        (stored - begin) / 1e3 / all,
                        under,
                        (end1 - begin1) / 1e3 / alone,
                        (double) (appends.get() - before1) / alone);
                assertThat(appends.get()).as("stored, claimed, ended").isLessThanOrEqualTo(3L * all + 3L * alone + 50);
            }
        } finally {
            threads.shutdownNow();
            timer.shutdownNow();
        }
    }

    @Test
    void a_start_on_a_long_log() throws Exception {
        try (var pool = Postgres.pooledDatabase(5)) {
            JdbcSchema.of().apply(pool);
            var operations =
                    JdbcEventStore.builder(pool, Pages.operations(), clock).build();
            var checkpoints = JdbcCheckpointStore.builder(pool, unreadable -> {})
                    .state("schedule", CommandSchedule.Saved.class)
                    .build();
            var schedule = CommandSchedule.builder(operations, clock)
                    .checkpoints(checkpoints, "schedule")
                    .build();
            var result = new Result(Outcome.SUCCEEDED, "", 1, "w");
            int portion = 1_000;
            for (int i = 0; i < ENDED; i += portion) { // as a worker would leave them, but in few appends
                var events = new ArrayList<Object>();
                for (int n = i; n < i + portion; n++) {
                    events.add(new Enqueued("n-" + n, 0, 1, Timing.NOW, clock.instant(), Duration.ZERO));
                    events.add(new Note("p", n));
                    events.add(new Ended("n-" + n, result));
                }
                operations.append(events, AppendCondition.none());
            }
            long begin = System.nanoTime();
            try (var worker = schedule.work(
                    "w",
                    dev.cqrs.inmemory.InMemoryCommandBus.builder().build(),
                    Runnable::run,
                    (delay, task) -> {},
                    failure -> {
                        throw new AssertionError(failure.cause());
                    })) {
                assertThat(worker).isNotNull();
            }
            long whole = System.nanoTime();
            var behind = CommandSchedule.builder(operations, clock)
                    .checkpoints(checkpoints, "schedule")
                    .build();
            long between = System.nanoTime();
            assertThat(behind.status().succeeded()).isEqualTo(ENDED);
            long end = System.nanoTime();
            int looks = 300;
            for (int i = 0; i < looks; i++) {
                behind.status();
            }
            long looked = System.nanoTime();
            assertThat(checkpoints.position("schedule")).isPresent();
            System.out.printf(
                    "start with %,d ended: %,d ms from the beginning, %.1f ms from a checkpoint; a look that finds"
                            + " nothing: %.1f us%n",
                    ENDED, (whole - begin) / 1_000_000, (end - between) / 1e6, (looked - end) / 1e3 / looks);
        }
    }
}
