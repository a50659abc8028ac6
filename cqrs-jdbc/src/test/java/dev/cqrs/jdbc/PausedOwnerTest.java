package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.jdbc.StartingProcess.Started;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.postgresql.ds.PGSimpleDataSource;

/** Two processes run one projection; the owner is stopped past its lease, again and again, and then let go on. */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class PausedOwnerTest {

    private static final int PAUSES = Integer.getInteger("dev.cqrs.jdbc.pauses", 5);

    private final long seed = Long.getLong("dev.cqrs.jdbc.seed", System.nanoTime());
    private final PGSimpleDataSource database = Postgres.database();

    @Test
    void an_owner_that_was_stopped_past_its_lease_writes_nothing_afterwards(@TempDir Path folder) throws Exception {
        // given
        JdbcSchema.of().apply(database);
        ProjectingProcess.createView(database);
        var store = JdbcEventStore.builder(database, StartingProcess.CATALOG, Clock.systemUTC())
                .build();
        var random = new SplittableRandom(seed);
        var output = folder.resolve("output");
        var processes = Map.of("a", start(output, "a"), "b", start(output, "b"));
        var appending = new AtomicBoolean(true);
        var thread = Executors.newSingleThreadExecutor();
        try {
            var appender = thread.submit(() -> {
                while (appending.get()) {
                    append(store);
                    TimeUnit.MILLISECONDS.sleep(3);
                }
                return null;
            });
            awaitWritten(append(store), output);

            // when
            for (int pause = 0; pause < PAUSES; pause++) {
                TimeUnit.MILLISECONDS.sleep(random.nextInt(100));
                var owner = Objects.requireNonNull(
                        processes.get(text("select owner from cqrs_lease where name = 'projection/written'")));
                ChildJvm.signal(owner, "STOP");
                awaitWritten(append(store), output); // by the other one
                ChildJvm.signal(owner, "CONT");
                awaitWritten(append(store), output);
            }
            appending.set(false);
            appender.get(120, TimeUnit.SECONDS);
            awaitWritten(store.head(), output);
        } finally {
            appending.set(false);
            thread.shutdownNow();
            for (var process : processes.values()) {
                process.destroyForcibly().waitFor();
            }
        }

        // then each event was written once, in order, and owners took turns
        int events = number("select count(distinct position) from written");
        int lost = (int) store.head().value() - events;
        int twice = number("select count(*) - count(distinct position) from written");
        int outOfOrder = number("select count(*) from (select position - lag(position, 1, 0::bigint) over (order by id)"
                + " step, fence - lag(fence, 1, 0::bigint) over (order by id) rise from written) w"
                + " where step <> 1 or rise < 0");
        Results.note("SIGSTOP of a projection's owner", PAUSES, "–", events, "–", lost, twice, "–", outOfOrder, seed);
        assertThat(lost).isZero();
        assertThat(twice).isZero();
        assertThat(outOfOrder).isZero();
        assertThat(number("select max(fence) from written")).isGreaterThan(PAUSES);
    }

    private Process start(Path output, String name) throws Exception {
        return ChildJvm.start(
                output,
                ProjectingProcess.class,
                Integer.toString(database.getPortNumbers()[0]),
                database.getDatabaseName(),
                name);
    }

    private static Position append(EventStore store) {
        return store.append(List.of(new Started("x")), AppendCondition.none()).last();
    }

    /** Another process writes: nobody can signal that. */
    private void awaitWritten(Position position, Path output) throws Exception {
        for (int looks = 0; number("select coalesce(max(position), 0) from written") < position.value(); looks++) {
            assertThat(looks)
                    .as("seed " + seed + ": " + Files.readString(output))
                    .isLessThan(12_000);
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    private int number(String sql) throws SQLException {
        return Integer.parseInt(text(sql));
    }

    private String text(String sql) throws SQLException {
        try (var connection = database.getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }
}
