package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cqrs.event.Position;
import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.jdbc.StartingProcess.Started;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.postgresql.ds.PGSimpleDataSource;

@Timeout(300)
class StartingTest {

    @Test
    void eight_that_start_on_an_empty_database_at_once_all_succeed(@TempDir Path folder) throws Exception {
        // given two processes and six threads, each with connections of its own
        var database = Postgres.database();
        int port = database.getPortNumbers()[0];
        var output = folder.resolve("output");
        var processes = List.of(
                ChildJvm.start(
                        output, StartingProcess.class, "" + port, database.getDatabaseName(), "cqrs", "process 1"),
                ChildJvm.start(
                        output, StartingProcess.class, "" + port, database.getDatabaseName(), "cqrs", "process 2"));
        var threads = Executors.newFixedThreadPool(6);
        try {
            var barrier = new CyclicBarrier(6);
            var tasks = new ArrayList<Callable<Boolean>>();
            for (int i = 0; i < 6; i++) {
                var name = "thread " + i;
                tasks.add(() -> {
                    var own = WritingProcess.source(port, database.getDatabaseName());
                    barrier.await(120, TimeUnit.SECONDS);
                    StartingProcess.start(own, "cqrs", name);
                    return true;
                });
            }

            // then
            for (var task : threads.invokeAll(tasks)) {
                assertThat(task.get()).isTrue();
            }
            for (var process : processes) {
                assertThat(process.waitFor()).as(Files.readString(output)).isZero();
            }
        } finally {
            threads.shutdownNow();
        }
        assertThat(names(database, "cqrs"))
                .containsExactlyInAnyOrder(
                        "process 1",
                        "process 2",
                        "thread 0",
                        "thread 1",
                        "thread 2",
                        "thread 3",
                        "thread 4",
                        "thread 5");
        assertThat(JdbcSchema.of().isCurrent(database)).isTrue();
    }

    @Test
    void again_and_again_with_threads_alone() throws Exception {
        var threads = Executors.newFixedThreadPool(8);
        try {
            for (int round = 0; round < 5; round++) {
                var database = Postgres.database();
                var barrier = new CyclicBarrier(8);
                var tasks = new ArrayList<Callable<Boolean>>();
                for (int i = 0; i < 8; i++) {
                    var name = "thread " + i;
                    tasks.add(() -> {
                        barrier.await(120, TimeUnit.SECONDS);
                        StartingProcess.start(database, "cqrs", name);
                        return true;
                    });
                }
                for (var task : threads.invokeAll(tasks)) {
                    assertThat(task.get()).isTrue();
                }
                assertThat(names(database, "cqrs")).hasSize(8);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void two_libraries_have_their_logs_in_one_database_and_do_not_see_each_other() {
        var database = Postgres.database();
        StartingProcess.start(database, "billing", "one");
        StartingProcess.start(database, "shipping_2", "two");
        StartingProcess.start(database, "billing", "three");

        assertThat(names(database, "billing")).containsExactly("one", "three");
        assertThat(names(database, "shipping_2")).containsExactly("two");
        var shipping = store(database, "shipping_2");
        assertThat(shipping.head()).isEqualTo(Position.of(1));

        // neither do their conditions and signals
        var told = new ArrayList<Position>();
        try (var subscription = shipping.onAppend(told::add)) {
            assertThat(subscription).isNotNull();
            store(database, "billing")
                    .append(List.of(new Started("four")), AppendCondition.unchanged(EventQuery.all(), Position.of(2)));
        }
        assertThat(told).isEmpty();
        assertThatThrownBy(() -> store(database, "cqrs")).isInstanceOf(SchemaMismatchException.class);
    }

    private static JdbcEventStore store(DataSource database, String prefix) {
        return JdbcEventStore.builder(database, StartingProcess.CATALOG, Clock.systemUTC())
                .prefix(prefix)
                .build();
    }

    private static List<String> names(PGSimpleDataSource database, String prefix) {
        try (var events = store(database, prefix).read(EventQuery.all())) {
            return events.toList().stream()
                    .map(e -> ((Started) e.event()).process())
                    .toList();
        }
    }
}
