package dev.cqrs.suite;

import dev.cqrs.testing.Simulation;
import dev.cqrs.testing.Simulation.Tally;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/** Runs many histories of a simulation, several threads each some of them, and writes down what came of it. */
final class Histories {

    private static final int PORTION = 500;
    private static final int MOST_FAILURES = 20;
    private static final Pattern SEED = Pattern.compile("Seed (-?\\d+) ");

    private final Supplier<? extends Simulation<?, ?>> simulation;
    private final int threads;
    private final Map<String, Long> counts = new TreeMap<>(); // guarded by itself
    private final List<AssertionError> failures = Collections.synchronizedList(new ArrayList<>());
    private final AtomicLong next = new AtomicLong();
    private final AtomicLong ran = new AtomicLong();
    private long end;

    Histories(Supplier<? extends Simulation<?, ?>> simulation, int threads) {
        this.simulation = simulation;
        this.threads = threads;
    }

    /**
     * Runs histories; goes on after one that fails, unless many do.
     *
     * @throws AssertionError the first failure, with the others
     */
    Tally run(int histories, long firstSeed, String results) throws IOException, InterruptedException {
        long began = System.nanoTime();
        next.set(firstSeed);
        end = firstSeed + histories;
        var workers = new ArrayList<Thread>();
        for (int i = 0; i < threads; i++) {
            var worker = new Thread(this::work, "histories " + i);
            worker.start();
            workers.add(worker);
        }
        for (var worker : workers) {
            worker.join();
        }
        var seconds = Duration.ofNanos(System.nanoTime() - began).toMillis() / 1_000.0;
        note(firstSeed, seconds, results);
        if (!failures.isEmpty()) {
            var first = failures.get(0);
            failures.stream().skip(1).forEach(first::addSuppressed);
            throw first;
        }
        return new Tally(histories, counts);
    }

    private void work() {
        for (long from = next.getAndAdd(PORTION); from < end; from = next.getAndAdd(PORTION)) {
            long to = Math.min(from + PORTION, end);
            while (from < to && failures.size() < MOST_FAILURES) {
                try {
                    var tally = simulation.get().explore((int) (to - from), from);
                    synchronized (counts) {
                        tally.counts().forEach((what, count) -> counts.merge(what, count, Long::sum));
                    }
                    ran.addAndGet(to - from);
                    from = to;
                } catch (AssertionError failure) {
                    failures.add(failure);
                    var seed = SEED.matcher(Objects.requireNonNullElse(failure.getMessage(), ""));
                    long after = seed.find() ? Math.max(from, Long.parseLong(seed.group(1))) + 1 : to;
                    ran.addAndGet(after - from);
                    from = after;
                } catch (Throwable broken) {
                    failures.add(new AssertionError("The histories from seed " + from + " on broke off.", broken));
                    from = to;
                }
            }
        }
    }

    private void note(long firstSeed, double seconds, String results) throws IOException, InterruptedException {
        var row = String.format(
                "| %d | %d to %d | %d | %.0f | %.0f | %s | %s |%n",
                ran.get(), // fewer if many have failed
                firstSeed,
                end - 1,
                failures.size(),
                seconds,
                ran.get() / seconds,
                System.getProperty("java.version"),
                commit());
        System.out.print(row);
        if (!results.isEmpty()) {
            Files.writeString(
                    Path.of(results),
                    row,
                    StandardCharsets.UTF_8,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        }
    }

    private static String commit() throws InterruptedException {
        try {
            var git = new ProcessBuilder("git", "rev-parse", "--short", "HEAD").start();
            var hash = new String(git.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip();
            return git.waitFor() == 0 ? hash : "?";
        } catch (IOException noGit) {
            return "?";
        }
    }
}
