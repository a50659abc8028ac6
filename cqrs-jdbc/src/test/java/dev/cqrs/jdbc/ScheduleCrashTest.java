package dev.cqrs.jdbc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.schedule.CommandSchedule;
import dev.cqrs.schedule.ScheduleEvent.Claimed;
import dev.cqrs.schedule.ScheduleEvent.Ended;
import dev.cqrs.schedule.ScheduledCommand.State;
import dev.cqrs.suite.Pages;
import dev.cqrs.suite.Pages.Note;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Commands are stored by one process and run by three others, which are killed without warning, at random moments, or
 * stopped until their claims have ended: none is lost, each has its effect once, and each key keeps its order.
 *
 * <p>How often is for the profile {@code crash} to raise, which also has the result written down.
 */
@Timeout(value = 30, unit = TimeUnit.MINUTES)
class ScheduleCrashTest {

    private static final int KILLS = Integer.getInteger("dev.cqrs.jdbc.kills.worker", 10);
    private static final int PAUSES = Math.max(2, KILLS / 10);
    private static final int WORKERS = 3;
    private static final int PAGES = 12;
    private static final int AHEAD = 100;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final long seed = Long.getLong("dev.cqrs.jdbc.seed", System.nanoTime());
    private final SplittableRandom random = new SplittableRandom(seed);
    private final Path folder;
    private final List<String> timed = new ArrayList<>();
    private final List<Integer> cancelled = new ArrayList<>();
    private final List<Integer> tooLate = new ArrayList<>();
    private int started;

    ScheduleCrashTest(@TempDir Path folder) {
        this.folder = folder;
    }

    @Test
    void worker_processes_that_are_killed_lose_nothing_do_nothing_twice_and_keep_the_order() throws Exception {
        var threads = Executors.newCachedThreadPool();
        var workers = new ArrayList<Process>();
        try (var server = new DurableServer(folder.resolve("data"))) {
            var source = WritingProcess.source(server.port(), "postgres");
            JdbcSchema.of("operations").apply(source);
            JdbcSchema.of("domain").apply(source);
            try (var pool = Postgres.pool(source, 6);
                    var operations = SchedulingProcess.operations(pool, threads, Clock.systemUTC())) {
                var schedule = SchedulingProcess.schedule(operations, Clock.systemUTC());
                var stop = new AtomicBoolean();
                var stored = new AtomicInteger();
                for (int i = 0; i < WORKERS; i++) {
                    workers.add(startWorking(server));
                }
                schedule.every(Duration.ofMillis(200), Instant.now(), new Note("e", 1), Metadata.withId("tick"));
                Future<?> storing = threads.submit(() -> {
                    var times = new SplittableRandom(seed + 1);
                    while (!stop.get()) {
                        int n = stored.get() + 1;
                        storeTimed(schedule, n, times);
                        schedule.enqueue(new Note("p" + n % PAGES, n), Metadata.withId("n-" + n));
                        cancel(schedule, n);
                        stored.set(n);
                        if (n > AHEAD) {
                            schedule.awaitEnded("n-" + (n - AHEAD), PATIENCE);
                        }
                    }
                    return null;
                });
                for (int kill = 0; kill < KILLS; kill++) {
                    int before = stored.get();
                    while (stored.get() < before + AHEAD / 2 && !storing.isDone()) {
                        TimeUnit.MILLISECONDS.sleep(5); // what the others do is seen by how far this one gets
                    }
                    TimeUnit.MILLISECONDS.sleep(random.nextInt(300));
                    int victim = random.nextInt(WORKERS);
                    workers.get(victim).destroyForcibly();
                    assertThat(workers.get(victim).waitFor())
                            .as(() -> output() + "\nseed " + seed)
                            .isEqualTo(137);
                    workers.set(victim, startWorking(server));
                }
                for (int pause = 0; pause < PAUSES; pause++) { // past its claim, and then it goes on as if nothing was
                    var victim = workers.get(random.nextInt(WORKERS));
                    ChildJvm.signal(victim, "STOP");
                    TimeUnit.MILLISECONDS.sleep(2_500);
                    ChildJvm.signal(victim, "CONT");
                    TimeUnit.MILLISECONDS.sleep(random.nextInt(300));
                }
                stop.set(true);
                storing.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
                for (int n = Math.max(1, stored.get() - AHEAD); n <= stored.get(); n++) {
                    assertThat(schedule.awaitEnded("n-" + n, PATIENCE).state())
                            .as("seed %s", seed)
                            .isEqualTo(State.SUCCEEDED);
                }
                assertThat(schedule.cancel("tick")).isEqualTo(CommandSchedule.Cancellation.CANCELLED);
                for (var id : timed) {
                    assertThat(schedule.awaitEnded(id, PATIENCE).state())
                            .as("seed %s", seed)
                            .isIn(State.SUCCEEDED, State.CANCELLED);
                }
                workers.forEach(Process::destroyForcibly);
                for (var worker : workers) {
                    worker.waitFor();
                }
                new LogCheck(WritingProcess.source(server.port(), "postgres")).awaitOthersGone();
                var domain = SchedulingProcess.domain(pool);
                check(operations, domain, stored.get());
                long ticks = checkTimed(schedule, domain);
                assertThat(schedule.status().succeeded())
                        .isEqualTo(stored.get() + timed.size() - cancelled.size() + ticks);
                assertThat(schedule.status().cancelled()).isEqualTo(cancelled.size() + 1);
                assertThat(schedule.status().due() + schedule.status().waiting())
                        .isZero();
            }
        } catch (Throwable failed) {
            failed.addSuppressed(new AssertionError("seed " + seed + "\n" + output()));
            throw failed;
        } finally {
            workers.forEach(Process::destroyForcibly);
            threads.shutdownNow();
        }
    }

    /** Now and then one that is due a little later, and one that is perhaps cancelled just then. */
    private void storeTimed(CommandSchedule schedule, int n, SplittableRandom times) {
        if (n % 10 == 0) {
            var delay = Duration.ofMillis(times.nextInt(300));
            timed.add(schedule.after(delay, new Note("t" + n % 40, n), Metadata.withId("t-" + n)));
        }
        if (n % 10 == 5) {
            var delay = Duration.ofMillis(times.nextInt(30));
            timed.add(schedule.after(delay, new Note("c", n), Metadata.withId("c-" + n)));
        }
    }

    private void cancel(CommandSchedule schedule, int n) {
        if (n % 10 == 5) {
            var said = schedule.cancel("c-" + n);
            (said == CommandSchedule.Cancellation.CANCELLED ? cancelled : tooLate).add(n);
        }
    }

    /** Gives how often the one that repeats has run, by the operations log. */
    private long checkTimed(CommandSchedule schedule, EventStore domain) {
        for (int page = 0; page < 40; page += 10) {
            int rest = page;
            assertThat(Pages.on(domain, "t" + page))
                    .as("seed %s", seed)
                    .containsExactlyInAnyOrderElementsOf(timed.stream()
                            .filter(id -> id.startsWith("t-"))
                            .map(id -> Integer.valueOf(id.substring(2)))
                            .filter(n -> n % 40 == rest)
                            .toList());
        }
        assertThat(Pages.on(domain, "c"))
                .as("those that were told to be cancelled too late, seed %s", seed)
                .containsExactlyInAnyOrderElementsOf(tooLate);
        int ticks = schedule.find("tick").orElseThrow().occurrences();
        assertThat(Pages.on(domain, "e").size())
                .as("one may have been under way, seed %s", seed)
                .isBetween(ticks, ticks + 1);
        System.out.printf(
                "seed %s: %d timed, of which %d cancelled and %d too late to be; %d ticks%n",
                seed, timed.size(), cancelled.size(), tooLate.size(), ticks);
        return ticks;
    }

    private Process startWorking(DurableServer server) throws IOException {
        return ChildJvm.start(
                folder.resolve("output"),
                SchedulingProcess.class,
                Integer.toString(server.port()),
                "worker-" + ++started,
                Integer.toString((started % WORKERS - 1) * 700)); // the claim is longer than their clocks differ
    }

    private String output() {
        try {
            return Files.readString(folder.resolve("output"));
        } catch (IOException unreadable) {
            return unreadable.toString();
        }
    }

    private void check(EventStore operations, EventStore domain, int stored) throws Exception {
        int lost = 0;
        int twice = 0;
        int outOfOrder = 0;
        int noted = 0;
        for (int page = 0; page < PAGES; page++) {
            int rest = page;
            var expected = IntStream.rangeClosed(1, stored)
                    .filter(n -> n % PAGES == rest)
                    .boxed()
                    .toList();
            var found = Pages.on(domain, "p" + page);
            noted += found.size();
            var distinct = new HashSet<>(found);
            lost += (int) expected.stream().filter(n -> !distinct.contains(n)).count();
            twice += found.size() - distinct.size();
            outOfOrder += found.equals(found.stream().sorted().toList()) ? 0 : 1;
        }
        long takenOver = takenOver(operations);
        Results.note(
                "kill -9 of a worker of stored commands",
                KILLS,
                stored,
                noted,
                takenOver,
                lost,
                twice,
                0,
                outOfOrder,
                seed);
        assertThat(List.of(lost, twice, outOfOrder)).as("seed %s", seed).containsOnly(0);
        assertThat(noted).isEqualTo(stored);
        assertThat(takenOver)
                .as("commands of killed workers that others ended, seed %s", seed)
                .isPositive();
    }

    /** How many commands were taken by one worker and ended by another. */
    private static long takenOver(EventStore operations) {
        var first = new HashMap<String, String>();
        long over = 0;
        try (var events = operations.read(EventQuery.types(Claimed.class, Ended.class))) {
            while (events.advance()) {
                if (events.event() instanceof Claimed claimed) {
                    claimed.entries().forEach(id -> first.putIfAbsent(id, claimed.worker()));
                } else if (events.event() instanceof Ended ended
                        && !ended.result().worker().equals(first.get(ended.id()))) {
                    over++;
                }
            }
        }
        return over;
    }
}
