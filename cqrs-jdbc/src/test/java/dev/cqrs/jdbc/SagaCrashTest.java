package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.eventstore.AppendCondition;
import dev.cqrs.saga.SagaInstance.State;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Sagas that move money are run by processes which are killed without warning while they dispatch a command, or stopped until
 * their leases have ended, in an order of the seed; participants fail before their effect and behind it, and refuse by how an
 * account stands just then: all end, each step and each compensation has its effect once, and no cent is lost, as SQL tells.
 *
 * <p>How often is for the profile {@code crash} to raise, which also has the result written down.
 */
@Timeout(value = 30, unit = TimeUnit.MINUTES)
class SagaCrashTest {

    private static final int KILLS = Integer.getInteger("dev.cqrs.jdbc.kills.saga", 20);
    private static final int PAUSES = Math.max(1, KILLS / 10);
    private static final int SAGAS_A_KILL = 5;
    private static final int WORKERS = 2;
    private static final long MONEY = 1_000_000_000;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final long seed = Long.getLong("dev.cqrs.jdbc.seed", System.nanoTime());
    private final SplittableRandom random = new SplittableRandom(seed);
    private final Path folder;
    private final Map<String, Long> ordered = new LinkedHashMap<>();
    private final List<String> names = new ArrayList<>();
    private final List<Process> workers = new ArrayList<>();
    /** The last call there was when each was started: those before are of one that is gone. */
    private final List<Long> since = new ArrayList<>();

    SagaCrashTest(@TempDir Path folder) {
        this.folder = folder;
    }

    @Test
    void sagas_whose_processes_are_killed_all_end_and_each_step_and_compensation_has_its_effect_once()
            throws Exception {
        var threads = Executors.newCachedThreadPool();
        try (var server = new DurableServer(folder.resolve("data"))) {
            var source = WritingProcess.source(server.port(), "postgres");
            JdbcSchema.of("operations").apply(source);
            JdbcSchema.of("domain").apply(source);
            Giro.createTables(source, MONEY);
            try (var pool = Postgres.pool(source, 6);
                    var operations = SagaProcess.operations(pool, threads);
                    var domain = SagaProcess.domain(pool, threads);
                    var watching = SagaProcess.engine(operations, domain, "watching")) {
                for (int i = 0; i < WORKERS; i++) {
                    names.add(newName());
                    since.add(0L);
                    workers.add(start(i, server));
                }
                int pauses = PAUSES;
                for (int left = KILLS + PAUSES; left > 0; left--) {
                    order(domain);
                    int victim = awaitDispatching(pool);
                    TimeUnit.MILLISECONDS.sleep(random.nextInt(20));
                    boolean kills = random.nextInt(left) >= pauses;
                    if (kills) {
                        workers.get(victim).destroyForcibly();
                        assertThat(workers.get(victim).waitFor()).isEqualTo(137);
                        restart(victim, server, pool);
                    } else { // past its leases, and then it goes on as if nothing was
                        pauses--;
                        ChildJvm.signal(workers.get(victim), "STOP");
                        TimeUnit.MILLISECONDS.sleep(
                                SagaProcess.LEASE.plusMillis(500).toMillis());
                        ChildJvm.signal(workers.get(victim), "CONT");
                    }
                }
                for (var transfer : ordered.keySet()) {
                    var end = watching.awaitEnded(Giro.TRANSFER.name(), transfer, PATIENCE);
                    assertThat(end.state())
                            .as(() -> end + "\n" + watching.history(end.saga(), end.key()))
                            .isEqualTo(isRefused(pool, transfer) ? State.COMPENSATED : State.COMPLETED);
                }
                check(pool);
                assertThat(watching.status().count(State.COMPENSATED)
                                + watching.status().count(State.COMPLETED))
                        .isEqualTo(ordered.size());
            }
        } catch (Throwable failed) {
            failed.addSuppressed(new AssertionError("seed " + seed + "\n" + output()));
            throw failed;
        } finally {
            workers.forEach(Process::destroyForcibly);
            threads.shutdownNow();
        }
    }

    private void order(JdbcEventStore domain) {
        for (int i = 0; i < SAGAS_A_KILL; i++) {
            var event = new Giro.Ordered("t" + (ordered.size() + 1), 1 + random.nextInt(1_000_000));
            domain.append(List.of(event), AppendCondition.none());
            ordered.put(event.transfer(), event.cents());
        }
    }

    /** Half of those that were killed come back under their name, and the others leave their work to whoever finds it. */
    private void restart(int worker, DurableServer server, DataSource database) throws Exception {
        since.set(
                worker,
                Long.parseLong(ask(database, "select coalesce(max(number), 0) from call")
                        .get(0)));
        if (random.nextBoolean()) {
            names.set(worker, newName());
        }
        workers.set(worker, start(worker, server));
    }

    private String newName() {
        return "worker-" + random.nextInt(1_000_000);
    }

    private Process start(int worker, DurableServer server) throws IOException {
        return ChildJvm.start(
                folder.resolve("output"),
                SagaProcess.class,
                Integer.toString(server.port()),
                names.get(worker),
                Long.toString(random.nextLong()));
    }

    /** Gives a worker that has a command under way. What another process does can only be asked for. */
    private int awaitDispatching(DataSource database) throws Exception {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            for (int worker = 0; worker < WORKERS; worker++) {
                var open = "select number from call where not ended and worker = '" + names.get(worker)
                        + "' and number > " + since.get(worker) + " limit 1";
                if (!ask(database, open).isEmpty()) {
                    return worker;
                }
            }
            assertThat(workers).as(() -> output() + "\nseed " + seed).allMatch(Process::isAlive);
            assertThat(System.nanoTime()).as(() -> output() + "\nseed " + seed).isLessThan(end);
            TimeUnit.MILLISECONDS.sleep(2);
        }
    }

    private void check(DataSource database) throws Exception {
        int lost = 0;
        int outOfOrder = 0;
        int refused = 0;
        long moved = 0;
        for (var transfer : ordered.entrySet()) {
            boolean back = isRefused(database, transfer.getKey());
            refused += back ? 1 : 0;
            moved += back ? 0 : transfer.getValue();
            var kinds = kinds(database, transfer.getKey());
            var expected = back
                    ? List.of(
                            "debit",
                            "credit",
                            Giro.REFUSED,
                            "take back",
                            "refund of " + receipt(database, transfer.getKey()))
                    : List.of("debit", "credit", "report");
            lost += (int)
                    expected.stream().filter(kind -> !kinds.contains(kind)).count();
            outOfOrder += kinds.stream().distinct().toList().equals(expected) ? 0 : 1;
        }
        var check = new LogCheck(database);
        int twice = check.ask(
                "select coalesce(sum(n - 1), 0) from (select count(*) n from entry group by transfer, kind) e");
        int entries = check.ask("select count(*) from entry");
        int again = check.ask("select count(*) from (select from call group by id having count(*) > 1) c");
        Results.note(
                "kill -9 of a process that runs sagas",
                KILLS,
                ordered.size(),
                entries,
                again,
                lost,
                twice,
                0,
                outOfOrder,
                seed);
        assertThat(List.of(lost, twice, outOfOrder)).as("seed %s", seed).containsOnly(0);
        assertThat(entries).isEqualTo(3 * (ordered.size() - refused) + 5 * refused);

        assertThat(cents(database, Giro.FROM)).as("seed %s", seed).isEqualTo(MONEY - moved);
        assertThat(cents(database, Giro.TO)).as("seed %s", seed).isEqualTo(moved);
        assertThat(again)
                .as("commands whose process was killed and that were dispatched again, seed %s", seed)
                .isPositive();
    }

    private static long cents(DataSource database, String account) throws SQLException {
        var all = ask(database, "select cents from account where name = '" + account + "'");
        var entered = ask(database, "select sum(cents) from entry where account = '" + account + "'");
        long first = account.equals(Giro.FROM) ? MONEY : 0;
        assertThat(Long.parseLong(all.get(0))).isEqualTo(first + Long.parseLong(entered.get(0)));
        return Long.parseLong(all.get(0));
    }

    private static List<String> kinds(DataSource database, String transfer) throws SQLException {
        return ask(database, "select kind from entry where transfer = '" + transfer + "' order by number");
    }

    private static boolean isRefused(DataSource database, String transfer) throws SQLException {
        return kinds(database, transfer).contains(Giro.REFUSED);
    }

    private static String receipt(DataSource database, String transfer) throws SQLException {
        return ask(database, "select min(number) from entry where transfer = '" + transfer + "' and kind = 'debit'")
                .get(0);
    }

    private static List<String> ask(DataSource database, String sql) throws SQLException {
        var found = new ArrayList<String>();
        try (var connection = database.getConnection();
                var statement = connection.createStatement();
                var rows = statement.executeQuery(sql)) {
            while (rows.next()) {
                found.add(rows.getString(1));
            }
        }
        return found;
    }

    private String output() {
        try {
            return Files.readString(folder.resolve("output"));
        } catch (IOException unreadable) {
            return unreadable.toString();
        }
    }
}
