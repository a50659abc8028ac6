package dev.cqrs.jdbc;

import dev.cqrs.eventstore.EventStore;
import dev.cqrs.schedule.CommandSchedule;
import dev.cqrs.suite.Pages;
import dev.cqrs.suite.Pages.Note;
import java.time.Clock;
import java.time.Duration;
import java.util.Collections;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** A process with one worker, which runs until it is killed. */
final class SchedulingProcess {

    private static final int THREADS = 4;

    private SchedulingProcess() {}

    /** A log that tells of the appends of other processes. */
    static JdbcEventStore operations(DataSource database, Executor executor, Clock clock) {
        return JdbcEventStore.builder(database, Pages.operations(), clock)
                .prefix("operations")
                .follow(executor, Duration.ofSeconds(1), Throwable::printStackTrace)
                .build();
    }

    static EventStore domain(DataSource database) {
        return JdbcEventStore.builder(database, Pages.domain(), Clock.systemUTC())
                .prefix("domain")
                .build();
    }

    static CommandSchedule schedule(EventStore operations, Clock clock) {
        return CommandSchedule.builder(operations, clock)
                .key(Note.class, Note::page)
                .lanes(8)
                .atOnce(THREADS)
                .claim(Duration.ofSeconds(2))
                .retry(
                        Duration.ofMillis(20),
                        Collections.nCopies(9, Duration.ofMillis(100)).toArray(Duration[]::new))
                .build();
    }

    /** Arguments: port, name of the worker, by how many milliseconds its clock is ahead. */
    public static void main(String[] args) throws Exception {
        try {
            var pool = Postgres.pool(WritingProcess.source(Integer.parseInt(args[0]), "postgres"), THREADS + 4);
            var threads = Executors.newCachedThreadPool();
            var timer = Executors.newSingleThreadScheduledExecutor();
            var clock = Clock.offset(Clock.systemUTC(), Duration.ofMillis(Long.parseLong(args[2])));
            var schedule = schedule(operations(pool, threads, clock), clock);
            schedule.work(
                    args[1],
                    Pages.bus(domain(pool), (note, metadata) -> {
                        if (note.number() % 3 == 0
                                && ThreadLocalRandom.current().nextInt(10) == 0) {
                            throw new IllegalStateException("one in ten of these, each time");
                        }
                    }),
                    threads,
                    (delay, task) -> {
                        var unused = timer.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
                    },
                    failure -> System.out.println(args[1] + ": " + failure));
        } catch (Throwable failed) {
            failed.printStackTrace();
            Runtime.getRuntime().halt(1); // what a kill looks like is 137
        }
    }
}
