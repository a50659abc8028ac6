package dev.cqrs.examples.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.zaxxer.hikari.HikariDataSource;
import dev.cqrs.examples.Postgres;
import dev.cqrs.examples.schedule.Parcels.Pack;
import dev.cqrs.jdbc.JdbcSchema;
import dev.cqrs.message.Metadata;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.lang.ProcessBuilder.Redirect;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class ParcelQueueTest {

    private static int succeeded(List<String> lines) {
        return lines.stream()
                .filter(line -> line.contains(" SUCCEEDED: "))
                .mapToInt(line -> Integer.parseInt(line.replaceAll(".* ", "")))
                .sum();
    }

    @Test
    @Timeout(value = 3, unit = TimeUnit.MINUTES)
    void what_a_killed_worker_has_left_is_packed_by_the_other() throws Exception {
        var text = new ByteArrayOutputStream();
        try (var server = Postgres.start()) {
            ParcelQueue.run(
                    server.getJdbcUrl("postgres", "postgres"), new PrintStream(text, true, StandardCharsets.UTF_8));
        }
        var lines = text.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(lines).startsWith("ordered 120 parcels of 6 customers", "killed worker-1");
        assertThat(lines).contains("c-1: 20 parcels, each packed once and in order: true");
        assertThat(lines).filteredOn(line -> line.endsWith("in order: true")).hasSize(6);
        assertThat(succeeded(lines)).isEqualTo(120);
        assertThat(lines).anyMatch(line -> line.startsWith("worker-1 SUCCEEDED: "));
        assertThat(lines).anyMatch(line -> line.startsWith("worker-2 SUCCEEDED: "));
        assertThat(lines).noneMatch(line -> line.contains("REJECTED") || line.contains("FAILED"));
    }

    @Test
    @Timeout(value = 3, unit = TimeUnit.MINUTES)
    void a_run_after_one_that_was_stopped_while_it_ordered_goes_on_with_the_customers_who_had_less() throws Exception {
        var text = new ByteArrayOutputStream();
        var threads = Executors.newCachedThreadPool();
        var timer = Executors.newSingleThreadScheduledExecutor();
        try (var server = Postgres.start()) {
            var url = server.getJdbcUrl("postgres", "postgres");
            try (var database = connect(url);
                    var operations = Parcels.operations(database, threads)) {
                var schedule = Parcels.schedule(operations);
                for (var id : List.of(
                        "1-1", "2-1", "3-1", "4-1", "5-1", "6-1", "1-2", "2-2", "3-2", "4-2", "5-2", "6-2", "1-3")) {
                    schedule.enqueue(pack("c-" + id), Metadata.withId("c-" + id));
                }
                var earlier = schedule.work(
                        "earlier",
                        Parcels.bus(Parcels.domain(database)),
                        threads,
                        (delay, task) -> {
                            var unused = timer.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
                        },
                        failure -> fail(failure.toString()));
                try (earlier) {
                    for (var id : List.of("c-1-3", "c-2-2", "c-3-2", "c-4-2", "c-5-2", "c-6-2")) {
                        schedule.awaitEnded(id, Duration.ofMinutes(1));
                    }
                }
            }
            ParcelQueue.run(url, new PrintStream(text, true, StandardCharsets.UTF_8));
        } finally {
            threads.shutdown();
            timer.shutdown();
        }
        var lines = text.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(lines)
                .filteredOn(line -> line.endsWith(": 22 parcels, each packed once and in order: true"))
                .hasSize(6);
        assertThat(succeeded(lines)).as("in this run").isEqualTo(119);
        assertThat(lines).noneMatch(line -> line.startsWith("earlier"));
    }

    private static Pack pack(String id) {
        return new Pack(id.substring(0, 3), Integer.parseInt(id.substring(4)));
    }

    private static HikariDataSource connect(String url) {
        var database = Parcels.connect(url);
        JdbcSchema.of(Parcels.DOMAIN).apply(database);
        JdbcSchema.of(Parcels.OPERATIONS).apply(database);
        return database;
    }

    /** Starts a worker as {@link ParcelQueue} does, and stays. */
    static final class Starter {

        private Starter() {}

        public static void main(String[] args) throws Exception {
            var worker = ParcelQueue.Worker.start(args[0], "orphan", System.err);
            System.out.println(worker.process().pid());
            worker.process().waitFor();
        }
    }

    @Test
    @Timeout(value = 3, unit = TimeUnit.MINUTES)
    void a_worker_ends_with_the_process_that_has_started_it() throws Exception {
        var threads = Executors.newCachedThreadPool();
        try (var server = Postgres.start()) {
            var url = server.getJdbcUrl("postgres", "postgres");
            try (var database = connect(url);
                    var operations = Parcels.operations(database, threads)) {
                var starter = new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                Starter.class.getName(),
                                url)
                        .redirectError(Redirect.INHERIT)
                        .start();
                var worker = ProcessHandle.of(
                                Long.parseLong(starter.inputReader().readLine()))
                        .orElseThrow();
                try {
                    var schedule = Parcels.schedule(operations);
                    schedule.enqueue(new Pack("c-1", 1), Metadata.withId("c-1-1"));
                    schedule.awaitEnded("c-1-1", Duration.ofMinutes(1)); // so it is at work
                    starter.destroyForcibly();
                    assertThat(worker.onExit()).succeedsWithin(Duration.ofMinutes(1));
                } finally {
                    worker.destroyForcibly();
                }
            }
        } finally {
            threads.shutdown();
        }
    }

    @Test
    @Timeout(value = 3, unit = TimeUnit.MINUTES)
    void a_worker_that_ends_by_itself_is_told() throws Exception {
        var told = new PipedInputStream();
        ParcelQueue.Worker.start(
                "no url", "worker-1", new PrintStream(new PipedOutputStream(told), true, StandardCharsets.UTF_8));
        assertThat(new BufferedReader(new InputStreamReader(told, StandardCharsets.UTF_8)).readLine())
                .isEqualTo("worker-1 has ended by itself, with status 1");
    }

    @Test
    void the_class_path_of_a_worker_is_that_of_a_loader_whose_folders_have_spaces(@TempDir Path temp) throws Exception {
        var folder = Files.createDirectory(temp.resolve("a folder"));
        try (var loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
            assertThat(ParcelQueue.classPath(loader)).isEqualTo(folder.toString());
        }
    }
}
