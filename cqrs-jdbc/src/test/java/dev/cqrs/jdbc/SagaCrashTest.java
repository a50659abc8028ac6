package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.saga.SagaEngine;
import dev.cqrs.saga.SagaEngine.Filter;
import dev.cqrs.saga.SagaInstance.State;
import dev.cqrs.saga.SagaTimeoutException;
import dev.cqrs.suite.Parts;
import dev.cqrs.suite.Parts.Ordered;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Transfers as sagas, in two processes that are killed without warning, at random moments, and started again, one under its
 * name, the other under new ones: all end, each step and each compensation has its effect once, and the money is all there.
 *
 * <p>How often is for the profile {@code crash} to raise.
 */
@Timeout(value = 30, unit = TimeUnit.MINUTES)
class SagaCrashTest {

    private static final int KILLS = Integer.getInteger("dev.cqrs.jdbc.kills.saga", 20);
    private static final int SAGAS = 100;
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private final long seed = Long.getLong("dev.cqrs.jdbc.seed", System.nanoTime());
    private final SplittableRandom random = new SplittableRandom(seed);
    private final Path folder;
    private int started;

    SagaCrashTest(@TempDir Path folder) {
        this.folder = folder;
    }

    @Test
    void processes_that_are_killed_leave_no_saga_behind_and_no_money_is_lost_or_doubled() throws Exception {
        var threads = Executors.newCachedThreadPool();
        var engines = new ArrayList<Process>();
        try (var server = new DurableServer(folder.resolve("data"))) {
            var source = WritingProcess.source(server.port(), "postgres");
            JdbcSchema.of("operations").apply(source);
            JdbcSchema.of("domain").apply(source);
            try (var pool = Postgres.pool(source, 6);
                    var operations = SagaProcess.log(pool, Parts.operations(), "operations", threads);
                    var domain = SagaProcess.log(pool, Parts.domain(), "domain", threads)) {
                engines.add(start(server, 0));
                engines.add(start(server, 1));
                int ordered = 0;
                for (int kill = 0; kill < KILLS; kill++) {
                    for (; ordered < SAGAS * (kill + 1) / KILLS; ordered++) {
                        Parts.append(domain, new Ordered("t" + ordered));
                    }
                    TimeUnit.MILLISECONDS.sleep(200 + random.nextInt(400));
                    int victim = random.nextInt(2);
                    engines.get(victim).destroyForcibly();
                    assertThat(engines.get(victim).waitFor())
                            .as(() -> output() + "\nseed " + seed)
                            .isEqualTo(137);
                    engines.set(victim, start(server, victim));
                }
                var console = SagaProcess.engine(operations, domain, "console");
                for (int i = 0; i < SAGAS; i++) {
                    check(console, domain, "t" + i);
                }
                assertThat(console.status().count(State.COMPLETED)).isEqualTo(SAGAS - (SAGAS + 2) / 3);
                assertThat(console.list(Filter.all(), 1)).isEmpty();
            }
        } catch (Throwable failed) {
            failed.addSuppressed(new AssertionError("seed " + seed + "\n" + output()));
            throw failed;
        } finally {
            engines.forEach(Process::destroyForcibly);
            threads.shutdownNow();
        }
    }

    private void check(SagaEngine console, JdbcEventStore domain, String job) throws InterruptedException {
        boolean refused = SagaProcess.isRefused(job);
        assertThat(ended(console, job))
                .as("%s, seed %s", job, seed)
                .isEqualTo(refused ? State.COMPENSATED : State.COMPLETED);
        var done = Parts.done(domain, job);
        assertThat(done).as("%s, seed %s", job, seed).doesNotHaveDuplicates().startsWith("note", "debit");
        if (refused) {
            var undo = List.of("give back", done.get(2).equals("fee") ? "give back the fee" : "void the stamp");
            assertThat(done).as("%s, seed %s", job, seed).hasSize(7).endsWith(undo.get(1), undo.get(0));
        } else {
            assertThat(done).as("%s, seed %s", job, seed).hasSize(6).endsWith("credit", "tell");
        }
    }

    /** What is parked, as a command that was dispatched before a kill has failed now, is resumed as an operator would. */
    private State ended(SagaEngine console, String job) throws InterruptedException {
        for (int attempt = 1; ; attempt++) {
            try {
                return console.awaitEnded("transfer", job, PATIENCE).state();
            } catch (SagaTimeoutException late) {
                if (attempt == 9) {
                    throw late;
                }
                console.resume("transfer", job);
            }
        }
    }

    /** One under the same name each time, which goes on at once; the other one under new names, which takes over. */
    private Process start(DurableServer server, int which) throws IOException {
        started++;
        return ChildJvm.start(
                folder.resolve("output"),
                SagaProcess.class,
                Integer.toString(server.port()),
                which == 0 ? "engine" : "engine-" + started);
    }

    private String output() {
        try {
            return Files.readString(folder.resolve("output"));
        } catch (IOException unreadable) {
            return unreadable.toString();
        }
    }
}
