package dev.cqrs.jdbc;

import dev.cqrs.eventstore.EventStore;
import dev.cqrs.schedule.CommandSchedule;
import dev.cqrs.suite.Pages;
import dev.cqrs.suite.Pages.Note;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** A process with one worker, which runs until it is killed. */
final class SchedulingProcess {

    private static final int THREADS = 4;

    private SchedulingProcess() {}

    /** A log that tells of the appends of other processes. */
    static JdbcEventStore operations(DataSource database, Executor executor) {
        return JdbcEventStore.builder(database, Pages.operations(), Clock.systemUTC())
                .prefix("operations")
                .follow(executor, Duration.ofSeconds(1), Throwable::printStackTrace)
                .build();
    }

    static EventStore domain(DataSource database) {
        return JdbcEventStore.builder(database, Pages.domain(), Clock.systemUTC())
                .prefix("domain")
                .build();
    }

    static CommandSchedule schedule(EventStore operations) {
        return CommandSchedule.builder(operations, Clock.systemUTC())
                .key(Note.class, Note::page)
                .lanes(8)
                .atOnce(THREADS)
                .claim(Duration.ofSeconds(2))
                .retry(Duration.ofMillis(20), Duration.ofSeconds(1), Duration.ofSeconds(10))
                .build();
    }

    /** Arguments: port, name of the worker. */
    public static void main(String[] args) throws Exception {
        try {
            var pool = Postgres.pool(WritingProcess.source(Integer.parseInt(args[0]), "postgres"), THREADS + 4);
            var threads = Executors.newCachedThreadPool();
            var timer = Executors.newSingleThreadScheduledExecutor();
            var schedule = schedule(operations(pool, threads));
            schedule.work(
                    args[1],
                    Pages.bus(domain(pool), (note, metadata) -> {}),
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
