package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.eventstore.EventStore;
import dev.cqrs.jdbc.WritingProcess.Acknowledged;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Processes are killed without warning, at random moments, while they write: nothing acknowledged is lost, nothing has its
 * effect twice, and the log has no hole.
 *
 * <p>How often is for the profile {@code crash} to raise, which also has the result written down.
 */
@Timeout(value = 30, unit = TimeUnit.MINUTES)
class CrashTest {

    private static final int JVM_KILLS = Integer.getInteger("dev.cqrs.jdbc.kills.jvm", 20);
    private static final int SERVER_KILLS = Integer.getInteger("dev.cqrs.jdbc.kills.server", 5);
    private static final long PATIENCE_SECONDS = 120;

    private final long seed = Long.getLong("dev.cqrs.jdbc.seed", System.nanoTime());
    private final SplittableRandom random = new SplittableRandom(seed);

    private Path folder;
    private DurableServer server;
    private Acknowledged acknowledged;

    /** What was stored, and not acknowledged when it was killed, at least: what a repeat must find. */
    private int inDoubt;

    @BeforeEach
    void start_a_durable_server(@TempDir Path temp) throws Exception {
        folder = temp;
        server = new DurableServer(folder.resolve("data"));
        acknowledged = new Acknowledged(Files.createDirectory(folder.resolve("acknowledged")));
        var database = WritingProcess.source(server.port(), "postgres");
        JdbcSchema.of().apply(database);
        WritingProcess.createView(database);
    }

    @AfterEach
    void stop_the_server() throws IOException {
        server.close();
    }

    @Test
    void writing_processes_that_are_killed_lose_nothing_and_do_nothing_twice() throws Exception {
        kill(JVM_KILLS);
        check("kill -9 of the writing JVM", JVM_KILLS, inDoubt);
    }

    @Test
    void nor_do_they_where_a_commit_takes_long_and_comes_after_the_kill() throws Exception {
        int kills = (JVM_KILLS + 3) / 4;
        server.delayCommits(Duration.ofMillis(100));
        kill(kills);
        check("kill -9 of the writing JVM, slow commits", kills, inDoubt);
    }

    private void kill(int kills) throws Exception {
        var check = new LogCheck(WritingProcess.source(server.port(), "postgres"));
        for (int kill = 0; kill < kills; kill++) {
            int before = acknowledged.count();
            var process = startWriting();
            awaitMoreThan(before, process);
            TimeUnit.MILLISECONDS.sleep(random.nextInt(400));
            process.destroyForcibly();
            assertThat(process.waitFor()).as(() -> output() + "\nseed " + seed).isEqualTo(137);
            inDoubt += check.ask("select count(*) from cqrs_event where name = 'entered'") - acknowledged.count();
        }
    }

    @Test
    void a_server_that_is_killed_loses_nothing_and_writers_go_on() throws Exception {
        var threads = Executors.newCachedThreadPool();
        var end = new AtomicBoolean();
        var stopped = Collections.synchronizedList(new ArrayList<Throwable>());
        try (var pool = Postgres.pool(WritingProcess.source(server.port(), "postgres"), WritingProcess.THREADS + 2)) {
            var store = store(pool);
            var writers = new ArrayList<Future<?>>();
            for (int i = 0; i < WritingProcess.THREADS; i++) {
                int writer = i;
                writers.add(threads.submit(() -> {
                    WritingProcess.write(store, writer, acknowledged, end::get);
                    return null;
                }));
            }
            try (var projector = WritingProcess.project(store, pool, threads, stopped)) {
                for (int kill = 0; kill < SERVER_KILLS; kill++) {
                    awaitMoreThan(acknowledged.count(), null);
                    TimeUnit.MILLISECONDS.sleep(random.nextInt(500));
                    server.kill();
                    server.restart();
                }
                awaitMoreThan(acknowledged.count(), null);
                end.set(true);
                for (var writer : writers) {
                    writer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
                }
                projector.awaitApplied(store.head(), Duration.ofSeconds(PATIENCE_SECONDS));
            }
        } finally {
            end.set(true);
            threads.shutdownNow();
        }
        assertThat(stopped).isEmpty();
        check("kill -9 of the postmaster", SERVER_KILLS, WritingProcess.UNKNOWN.sum());
    }

    private static EventStore store(javax.sql.DataSource database) {
        return JdbcEventStore.builder(database, WritingProcess.CATALOG, Clock.systemUTC())
                .build();
    }

    private Process startWriting() throws IOException {
        return ChildJvm.start(
                folder.resolve("output"),
                WritingProcess.class,
                Integer.toString(server.port()),
                "postgres",
                acknowledged.folder().toString());
    }

    private String output() {
        try {
            return Files.readString(folder.resolve("output"));
        } catch (IOException unreadable) {
            return unreadable.toString();
        }
    }

    /** The file grows as another process writes: nobody can signal that. */
    private void awaitMoreThan(int count, @org.jspecify.annotations.Nullable Process process) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (acknowledged.count() <= count) {
            if (process != null && !process.isAlive()) {
                throw new AssertionError("The process ended by itself, seed " + seed + ":\n" + output());
            }
            assertThat(System.nanoTime()).as(() -> output() + "\nseed " + seed).isLessThan(end);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private void check(String what, int kills, long inDoubt) throws Exception {
        var database = WritingProcess.source(server.port(), "postgres");
        var check = new LogCheck(database);
        check.awaitOthersGone();
        var threads = Executors.newCachedThreadPool();
        var stopped = Collections.synchronizedList(new ArrayList<Throwable>());
        try (var pool = Postgres.pool(database, 3);
                var projector = WritingProcess.project(store(pool), pool, threads, stopped)) {
            projector.awaitApplied(store(pool).head(), Duration.ofSeconds(PATIENCE_SECONDS));
        } finally {
            threads.shutdownNow();
        }
        var faults = check.faults(acknowledged);
        int events = check.ask("select count(*) from cqrs_event where name = 'entered'");
        int noted = acknowledged.count();
        Results.note(
                what,
                kills,
                noted,
                events,
                inDoubt,
                faults.lost(),
                faults.twice(),
                faults.holes(),
                faults.outOfOrder(),
                seed);
        assertThat(faults).as("seed %s", seed).isEqualTo(new LogCheck.Faults(0, 0, 0, 0));
        check.checkView();
        assertThat(stopped).isEmpty();
        assertThat(noted)
                .as("acknowledged, and each kill came after at least one")
                .isGreaterThanOrEqualTo(kills);
        assertThat(events).isBetween(noted, noted + (kills + 1) * WritingProcess.THREADS);
    }
}
