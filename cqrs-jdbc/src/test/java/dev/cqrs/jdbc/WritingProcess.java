package dev.cqrs.jdbc;

import static dev.cqrs.decider.Decision.accept;
import static dev.cqrs.decider.Decision.reject;

import dev.cqrs.command.Command;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.event.Tag;
import dev.cqrs.eventstore.AppendOutcomeUnknownException;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BooleanSupplier;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A program that sends commands with ids, one after the other on each of several threads, notes each in a file once it is
 * acknowledged, and keeps a view; to be killed.
 *
 * <p>Command n of a thread is accepted only behind command n - 1, so a lost one shows as well as one carried out twice.
 */
final class WritingProcess {

    static final int THREADS = 4;

    /** What a process of these tests is called by its connections. */
    static final String ME = "test process " + ProcessHandle.current().pid();

    /** How often a store of this process could not tell what became of an append. */
    static final LongAdder UNKNOWN = new LongAdder();

    /** How many commands share a tag, so that deciding does not get slower as the log grows. */
    private static final int BLOCK = 50;

    record Enter(int writer, int number) implements Command<Integer> {}

    record Entered(int writer, int number) {}

    static final Catalog CATALOG = Catalog.builder()
            .event("entered", Entered.class, e -> Set.of(block(e.writer(), e.number())))
            .commandIds()
            .build();

    private static final Fold<Integer> LAST = Fold.from(-1).on(Entered.class, (last, e) -> e.number());

    private WritingProcess() {}

    private static Tag block(int writer, int number) {
        return Tag.of("block", writer + "/" + number / BLOCK);
    }

    static DecisionHandler<Enter, Integer, Integer> handler(EventStore store) {
        return new DecisionHandler<Enter, Integer, Integer>(
                        store,
                        c -> DecisionModel.of(EventQuery.tagged(block(c.writer(), c.number())), LAST),
                        (c, last) -> last == c.number() - 1 || (last == -1 && c.number() % BLOCK == 0)
                                ? accept(new Entered(c.writer(), c.number()))
                                : reject("the last one was " + last),
                        (c, last) -> last)
                .idempotent();
    }

    /** What a writer notes, and where it goes on when it is started again. */
    record Acknowledged(Path folder) {

        Path file(int writer) {
            return folder.resolve("writer-" + writer);
        }

        /** The last number that was noted; -1 if none was. */
        int last(int writer) throws IOException {
            var numbers = all(writer);
            return numbers.isEmpty() ? -1 : numbers.get(numbers.size() - 1);
        }

        List<Integer> all(int writer) throws IOException {
            return Files.exists(file(writer))
                    ? Files.readAllLines(file(writer)).stream()
                            .map(Integer::valueOf)
                            .toList()
                    : List.of();
        }

        int count() throws IOException {
            int count = 0;
            for (int writer = 0; writer < THREADS; writer++) {
                count += all(writer).size();
            }
            return count;
        }
    }

    /** Sends commands until it is told to end; what fails or is unknown is sent again under the same id. */
    static void write(EventStore store, int writer, Acknowledged acknowledged, BooleanSupplier end)
            throws IOException, InterruptedException {
        var handler = handler(store);
        int number = acknowledged.last(writer) + 1;
        try (var notes =
                Files.newByteChannel(acknowledged.file(writer), StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            while (!end.getAsBoolean()) {
                try {
                    int result = handler.handle(new Enter(writer, number), Metadata.withId(writer + "-" + number));
                    if (result != number) {
                        throw new IllegalStateException("The result is " + result + "; expected " + number + ".");
                    }
                } catch (AppendOutcomeUnknownException | DatabaseException away) {
                    if (away instanceof AppendOutcomeUnknownException) {
                        UNKNOWN.increment();
                    }
                    TimeUnit.MILLISECONDS.sleep(20); // a database that is starting gives no signal
                    continue;
                }
                notes.write(
                        java.nio.ByteBuffer.wrap((number + "\n").getBytes(java.nio.charset.StandardCharsets.US_ASCII)));
                number++;
            }
        }
    }

    /** A view that counts what each writer has entered. */
    static JdbcProjector project(EventStore store, DataSource database, Executor executor, List<Throwable> stopped) {
        return JdbcProjector.builder(store, database)
                .batch(20)
                .lease(Duration.ofMillis(500))
                .start(
                        "counts",
                        1,
                        EventQuery.types(Entered.class),
                        (connection, event) -> count(connection, (Entered) event.event()),
                        executor,
                        failure -> {
                            if (!failure.retried()) {
                                stopped.add(failure.cause());
                            }
                        });
    }

    private static void count(Connection connection, Entered entered) throws SQLException {
        try (var update = connection.prepareStatement("insert into entered_count values (?, 1)"
                + " on conflict (writer) do update set n = entered_count.n + 1")) {
            update.setInt(1, entered.writer());
            update.executeUpdate();
        }
    }

    static void createView(DataSource database) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement()) {
            statement.execute("create table if not exists entered_count (writer int primary key, n int not null)");
        }
    }

    static PGSimpleDataSource source(int port, String database) {
        var source = new PGSimpleDataSource();
        source.setServerNames(new String[] {"localhost"});
        source.setPortNumbers(new int[] {port});
        source.setDatabaseName(database);
        source.setUser("postgres");
        source.setApplicationName(ME); // for LogCheck.awaitOthersGone()
        return source;
    }

    /** Arguments: port, database, folder for the notes. */
    public static void main(String[] args) throws Exception {
        var source = source(Integer.parseInt(args[0]), args[1]);
        var acknowledged = new Acknowledged(Path.of(args[2]));
        try (var pool = Postgres.pool(source, THREADS + 2)) {
            var store = JdbcEventStore.builder(pool, CATALOG, Clock.systemUTC()).build();
            var stopped = java.util.Collections.synchronizedList(new ArrayList<Throwable>());
            var threads = java.util.concurrent.Executors.newCachedThreadPool();
            var writers = new ArrayList<java.util.concurrent.Future<?>>();
            for (int i = 0; i < THREADS; i++) {
                int writer = i;
                writers.add(threads.submit(() -> {
                    write(store, writer, acknowledged, () -> !stopped.isEmpty());
                    return null;
                }));
            }
            project(store, pool, threads, stopped);
            for (var writer : writers) {
                writer.get(); // ends only by failing
            }
            throw new IllegalStateException("The projection stopped: " + stopped);
        } catch (Throwable failed) {
            failed.printStackTrace();
            Runtime.getRuntime().halt(1); // what a kill looks like is 137
        }
    }
}
