package dev.cqrs.jdbc;

import dev.cqrs.event.Catalog;
import dev.cqrs.saga.Saga;
import dev.cqrs.saga.SagaEngine;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Known;
import dev.cqrs.suite.Parts.Ordered;
import dev.cqrs.suite.Parts.Receipt;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** A process with one engine of sagas, which runs until it is killed. */
final class SagaProcess {

    private static final int THREADS = 4;

    /** Every third credit is refused; then what was debited is given back. */
    static final Saga<Known> TRANSFER = Saga.named("transfer", Parts.KNOWN)
            .startedBy(Ordered.class, Ordered::job)
            .retry(Duration.ofMillis(50), Duration.ofSeconds(1), Duration.ofSeconds(5))
            .step("note", known -> known.part("note"))
            .step("debit", known -> known.part("debit"), (known, text) -> new Receipt(text))
            .undo(known -> known.part("give back"))
            .together(both -> both.step("stamp", known -> known.part("stamp"))
                    .undo(known -> known.part("void the stamp"))
                    .step("fee", known -> known.part("fee"))
                    .undo(known -> known.part("give back the fee")))
            .pivot("credit", known -> known.part(isRefused(known.job()) ? "credit!" : "credit"))
            .step("tell", known -> known.part("tell"))
            .build();

    private SagaProcess() {}

    static boolean isRefused(String job) {
        return Integer.parseInt(job.substring(1)) % 3 == 0;
    }

    /** A log that tells of the appends of other processes. */
    static JdbcEventStore log(DataSource database, Catalog catalog, String prefix, Executor executor) {
        return JdbcEventStore.builder(database, catalog, Clock.systemUTC())
                .prefix(prefix)
                .follow(executor, Duration.ofSeconds(1), Throwable::printStackTrace)
                .build();
    }

    static SagaEngine engine(JdbcEventStore operations, JdbcEventStore domain, String name) {
        return SagaEngine.builder(operations, Clock.systemUTC())
                .add(TRANSFER)
                .domain(domain)
                .name(name)
                .lease(Duration.ofSeconds(2))
                .atOnce(THREADS)
                .build();
    }

    /** Arguments: port, name of the engine. */
    public static void main(String[] args) throws Exception {
        try {
            var pool = Postgres.pool(WritingProcess.source(Integer.parseInt(args[0]), "postgres"), THREADS + 6);
            var threads = Executors.newCachedThreadPool();
            var timer = Executors.newSingleThreadScheduledExecutor();
            var domain = log(pool, Parts.domain(), "domain", threads);
            var bus = Parts.bus(domain, (command, metadata) -> {
                try { // so that kills come in the middle of it
                    TimeUnit.MILLISECONDS.sleep(ThreadLocalRandom.current().nextInt(30));
                } catch (InterruptedException stop) {
                    Thread.currentThread().interrupt();
                }
            });
            engine(log(pool, Parts.operations(), "operations", threads), domain, args[1])
                    .start(
                            bus,
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
