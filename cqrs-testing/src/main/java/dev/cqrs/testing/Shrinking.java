package dev.cqrs.testing;

import dev.cqrs.testing.Simulation.World;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Finds out whether a history follows from its seed, cuts it down if it fails, and tells of it.
 *
 * <p>What is left out is tried in halves, quarters and so on down to single units: first steps, then faults, then crashes;
 * and again, as long as something more can go.
 */
final class Shrinking<A, W extends World<A>> {

    /** How many histories are tried. */
    private static final int MOST_RUNS = 2_000;

    /** Of how many units pairs are tried. */
    private static final int FEW = 24;

    /** How much of a long story is told. */
    private static final int FIRST_LINES = 100;

    private static final int LAST_LINES = 50;

    private static final String BESIDE =
            "the application depends on something beside the seed, such as a thread of its own,"
                    + " the time of day, random numbers, or what an earlier history left.";

    private static final List<String> OTHERS = List.of(
            "java.", "jdk.", "sun.", "org.assertj.", "org.junit.", "org.opentest4j.", "org.hamcrest.", "kotlin.");

    private final Simulation<A, W> simulation;
    private final Excerpt excerpt;
    private int runs;

    Shrinking(Simulation<A, W> simulation, Excerpt excerpt) {
        this.simulation = simulation;
        this.excerpt = excerpt;
    }

    /** What there is to be told of a history that was run; nothing if it went well, the second time too. */
    @Nullable
    AssertionError failure(History<A, W> ran) {
        var first = ran.story().isEmpty() ? run(excerpt, true) : ran;
        var second = run(excerpt, true);
        if (!first.story().equals(second.story()) || !sameFailure(ran.failure(), second.failure())) {
            return otherWay(ran.failure(), first.story(), second.story());
        }
        var failure = second.failure();
        if (failure == null) {
            return null;
        }
        var text = new StringBuilder("Seed ")
                .append(excerpt.seed())
                .append(" fails: ")
                .append(Columns.textOf(failure))
                .append("\nRun it alone with -D")
                .append(Exploration.SEED)
                .append('=')
                .append(excerpt)
                .append(". It was run a second time and went the same way.");
        if (excerpt.isWhole()) {
            runs = 0;
            var shortest = run(Excerpt.of(excerpt.seed(), shrink(second, failure)), true);
            var last = shortest.failure();
            if (last == null) {
                text.append("\nBut cut down and run once more it did not fail: ")
                        .append(BESIDE)
                        .append("\nIn full:");
                append(text, second.story());
                return new AssertionError(text.toString(), failure);
            }
            long steps = shortest.did().stream().filter(Excerpt::isStep).count();
            text.append("\nOf its ")
                    .append(simulation.steps())
                    .append(" steps ")
                    .append(steps)
                    .append(steps == 1 ? " is" : " are")
                    .append(" enough, as ")
                    .append(runs)
                    .append(" histories tell. Run these alone with -D")
                    .append(Exploration.SEED)
                    .append('=')
                    .append(shortest.excerpt())
                    .append(':');
            failure = last;
            append(text, shortest.story());
        } else {
            append(text, second.story());
        }
        return new AssertionError(text.toString(), failure);
    }

    private static void append(StringBuilder text, List<String> story) {
        int left = Math.max(0, story.size() - FIRST_LINES - LAST_LINES);
        int from = left == 0 ? 0 : FIRST_LINES;
        story.subList(0, from).forEach(line -> text.append('\n').append(line));
        if (left > 0) {
            text.append("\n       … (").append(left).append(" lines)");
        }
        story.subList(from + left, story.size())
                .forEach(line -> text.append('\n').append(line));
    }

    private AssertionError otherWay(@Nullable Throwable thrown, List<String> first, List<String> second) {
        int line = 0;
        while (line < first.size() && line < second.size() && first.get(line).equals(second.get(line))) {
            line++;
        }
        var text = new StringBuilder("Seed ").append(excerpt.seed());
        if (thrown != null) {
            text.append(" fails: ").append(Columns.textOf(thrown)).append("\nBut it");
        }
        text.append(" was run a second time and went another way: ")
                .append(BESIDE)
                .append("\nUp to there:");
        var before = first.subList(Math.max(0, line - 5), line);
        before.forEach(same -> text.append('\n').append(same));
        text.append("\nThe first time then:\n").append(line < first.size() ? first.get(line) : "      the end");
        text.append("\nThe second time:\n").append(line < second.size() ? second.get(line) : "      the end");
        return new AssertionError(text.toString(), thrown);
    }

    private History<A, W> run(Excerpt what, boolean told) {
        runs++;
        var history = new History<>(simulation, what, told);
        history.run();
        return history;
    }

    // ---- shrinking

    private BitSet shrink(History<A, W> failed, Throwable failure) {
        var search = new Search(failed, failure);
        int before;
        do {
            before = search.kept.cardinality();
            search.leaveOut(Excerpt::isStep);
            search.leaveOut(unit -> !Excerpt.isStep(unit) && !search.crashes.get(unit));
            search.leaveOut(unit -> search.crashes.get(unit));
            search.leaveOutPairs();
        } while (search.kept.cardinality() < before && runs < MOST_RUNS);
        return search.kept;
    }

    private final class Search {

        private final Throwable failure;
        private BitSet kept;
        private BitSet crashes;

        Search(History<A, W> failed, Throwable failure) {
            this.failure = failure;
            this.kept = failed.did(); // what did not happen is not missed
            this.crashes = failed.crashed();
        }

        void leaveOut(IntPredicate group) {
            int[] units = kept.stream().filter(group).toArray();
            for (int size = units.length; size >= 1; size /= 2) {
                for (int from = 0; from < units.length && runs < MOST_RUNS; from += size) {
                    leaveOut(IntStream.range(from, Math.min(from + size, units.length))
                            .map(i -> units[i]));
                }
            }
        }

        void leaveOutPairs() {
            int[] units = kept.stream().toArray();
            for (int i = 0; units.length <= FEW && i < units.length; i++) {
                for (int j = i + 1; j < units.length && runs < MOST_RUNS; j++) {
                    if (kept.get(units[i]) && kept.get(units[j])) {
                        leaveOut(IntStream.of(units[i], units[j]));
                    }
                }
            }
        }

        private void leaveOut(IntStream units) {
            var fewer = (BitSet) kept.clone();
            units.forEach(fewer::clear);
            if (fewer.equals(kept)) {
                return;
            }
            var history = run(Excerpt.of(excerpt.seed(), fewer), false);
            if (sameFailure(failure, history.failure())) {
                kept = history.did();
                crashes = history.crashed();
            }
        }
    }

    /** Of the same class, and thrown at the same line: what it says differs with the amounts in it. */
    private static boolean sameFailure(@Nullable Throwable one, @Nullable Throwable other) {
        if (one == null || other == null) {
            return one == other;
        }
        return one.getClass() == other.getClass() && place(one).equals(place(other));
    }

    private static String place(Throwable thrown) {
        for (var element : thrown.getStackTrace()) {
            var name = element.getClassName();
            if (OTHERS.stream().noneMatch(name::startsWith)) {
                return name + '.' + element.getMethodName() + ':' + element.getLineNumber();
            }
        }
        return Columns.textOf(thrown);
    }
}
