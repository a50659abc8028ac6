package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.saga.SagaEngine;
import java.time.Clock;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** A process with one engine of sagas, which runs until it is killed. */
final class SagaProcess {

    static final Duration LEASE = Duration.ofSeconds(2);

    private static final int AT_ONCE = 4;

    private SagaProcess() {}

    /** Both logs tell of the appends of other processes. */
    static JdbcEventStore operations(DataSource database, Executor executor) {
        return JdbcEventStore.builder(database, Giro.operations(), Clock.systemUTC())
                .prefix("operations")
                .follow(executor, Duration.ofSeconds(1), Throwable::printStackTrace)
                .build();
    }

    static JdbcEventStore domain(DataSource database, Executor executor) {
        return JdbcEventStore.builder(database, Giro.domain(), Clock.systemUTC())
                .prefix("domain")
                .follow(executor, Duration.ofSeconds(1), Throwable::printStackTrace)
                .build();
    }

    static SagaEngine engine(EventStore operations, EventStore domain, String name) {
        return SagaEngine.builder(operations, Clock.systemUTC())
                .add(Giro.TRANSFER, Position.START) // whoever comes first
                .domain(domain)
                .name(name)
                .atOnce(AT_ONCE)
                .lease(LEASE)
                .build();
    }

    /** Arguments: port, name of the engine, seed. */
    public static void main(String[] args) throws Exception {
        try {
            var pool = Postgres.pool(WritingProcess.source(Integer.parseInt(args[0]), "postgres"), AT_ONCE + 4);
            var threads = Executors.newCachedThreadPool();
            var timer = Executors.newSingleThreadScheduledExecutor();
            var engine = engine(operations(pool, threads), domain(pool, threads), args[1]);
            engine.start(
                    Giro.bus(pool, args[1], new SplittableRandom(Long.parseLong(args[2]))),
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
