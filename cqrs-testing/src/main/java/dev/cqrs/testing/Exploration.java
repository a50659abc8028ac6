package dev.cqrs.testing;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Runs a test with many seeds, and with a crash at each of its points, and tells of the first failure how to repeat it. */
final class Exploration {

    /** The system property that replaces the seeds by one. */
    static final String SEED = "dev.cqrs.testing.seed";

    private static final int LAST_STEPS = 20;

    private final CrashPoints.Body body;

    private Exploration(CrashPoints.Body body) {
        this.body = body;
    }

    /** One run, and how it went. */
    private record Run(
            SeededScheduler scheduler,
            CrashPoints crashes,
            @Nullable Throwable thrown) {

        boolean wentAs(Run other) {
            return scheduler.fingerprint() == other.scheduler.fingerprint()
                    && crashes.passed() == other.crashes.passed()
                    && Objects.equals(kind(), other.kind());
        }

        private @Nullable Class<?> kind() {
            return thrown == null ? null : thrown.getClass();
        }
    }

    static void explore(int runs, long firstSeed, boolean crashing, CrashPoints.Body body) {
        if (runs < 1) {
            throw new IllegalArgumentException(runs + " seeds were to be run; expected 1 or more.");
        }
        var exploration = new Exploration(body);
        var given = System.getProperty(SEED);
        if (given != null) {
            exploration.trySeed(parsed(given), crashing);
            return;
        }
        for (int i = 0; i < runs; i++) {
            exploration.trySeed(firstSeed + i, crashing);
        }
    }

    private void trySeed(long seed, boolean crashing) {
        int points = attempt(seed).crashes().passed();
        for (int point = 1; crashing && point <= points; point++) {
            attempt(seed, point);
        }
    }

    private Run attempt(long seed, int... points) {
        var run = run(seed, points);
        if (run.thrown() != null) {
            throw failure(run, run.thrown(), points);
        }
        if (points.length > run.crashes().crashes()) {
            throw failure(
                    run,
                    new AssertionError("The run ended without that crash, although a run without one passed"
                            + " more points: the test depends on something beside the seed."),
                    points);
        }
        return run;
    }

    private Run run(long seed, int... points) {
        var scheduler = new SeededScheduler(seed);
        var crashes = CrashPoints.at(points);
        try {
            body.run(scheduler, crashes);
            return new Run(scheduler, crashes, null);
        } catch (Throwable thrown) {
            return new Run(scheduler, crashes, thrown);
        }
    }

    private AssertionError failure(Run run, Throwable thrown, int... points) {
        var seed = run.scheduler().seed();
        var text = new StringBuilder("Seed ").append(seed).append(" fails");
        if (points.length > 0) {
            text.append(" with ").append(run.crashes());
        }
        text.append(": ").append(Columns.textOf(thrown));
        text.append("\nRun it alone with -D")
                .append(SEED)
                .append('=')
                .append(seed)
                .append(". ");
        text.append(
                run(seed, points).wentAs(run)
                        ? "It was run a second time and went the same way."
                        : "But it was run a second time and went another way: the test depends on something beside the"
                                + " seed, such as a thread of its own, the time of day, or what an earlier run left.");
        var trace = run.scheduler().trace();
        var last = trace.subList(Math.max(0, trace.size() - LAST_STEPS), trace.size());
        text.append("\nThe last ")
                .append(last.size())
                .append(" of ")
                .append(run.scheduler().steps())
                .append(" steps:");
        last.forEach(step -> text.append("\n  ").append(step));
        return new AssertionError(text.toString(), thrown);
    }

    private static long parsed(String seed) {
        try {
            return Long.parseLong(seed.trim());
        } catch (NumberFormatException notANumber) {
            throw new IllegalArgumentException(
                    "The system property " + SEED + " is \"" + seed + "\"; expected a seed, such as 42.", notANumber);
        }
    }
}
