package dev.cqrs.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** Measurements of memory, each in a JVM of its own with a serial collector. */
final class Forks {

    private Forks() {}

    /** Runs {@code program --fork parameter}; gives the numbers that it prints, one a line. */
    static List<Double> run(Class<?> program, int parameter) throws IOException, InterruptedException {
        var process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xms3g",
                        "-Xmx3g",
                        Heap.TOUCHED,
                        Heap.IN_HUGE_PAGES,
                        "-XX:+UseSerialGC",
                        "-XX:MarkSweepDeadRatio=0", // or it leaves up to a twentieth of the heap uncollected
                        "-cp",
                        System.getProperty("java.class.path"),
                        program.getName(),
                        "--fork",
                        Integer.toString(parameter))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IllegalStateException("The forked JVM ended with status " + process.exitValue() + ".");
        }
        return output.lines().map(Double::parseDouble).toList();
    }

    /** Gives how many bytes are used, read when that no longer falls. */
    static long settledMemory() {
        long used = Long.MAX_VALUE;
        for (int unchanged = 0; unchanged < 3; ) {
            System.gc();
            long now = Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
            unchanged = now < used - 10_000 ? 0 : unchanged + 1;
            used = Math.min(used, now);
        }
        return used;
    }
}
