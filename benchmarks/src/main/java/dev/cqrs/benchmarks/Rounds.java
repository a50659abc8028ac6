package dev.cqrs.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatFactory;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/**
 * Runs benchmarks with JMH in rounds, one fork of each a round: {@code Rounds HOW_MANY RESULT.json JMH-OPTION...}.
 *
 * <p>JMH alone runs all forks of a benchmark before those of the next. Where other guests of the machine come and go within
 * minutes, that compares a busy minute of one with a quiet one of the other; in rounds they are next to each other, and
 * {@link Gates} divides within a round.
 */
public final class Rounds {

    private Rounds() {}

    /** What a benchmark with its parameters has come to. */
    private record Measured(BenchmarkParams parameters, List<BenchmarkResult> forks) {}

    /** Runs them, and writes one result for all rounds. */
    public static void main(String[] arguments) throws CommandLineOptionException, RunnerException {
        if (arguments.length < 3) {
            throw new IllegalArgumentException("expected: Rounds HOW_MANY RESULT.json JMH-OPTION...");
        }
        int rounds = Integer.parseInt(arguments[0]);
        var options = new CommandLineOptions(Arrays.copyOfRange(arguments, 2, arguments.length));
        var measured = new LinkedHashMap<String, Measured>();
        for (int round = 0; round < rounds; round++) {
            for (var result :
                    new Runner(new OptionsBuilder().parent(options).forks(1).build()).run()) {
                add(measured, result);
            }
        }
        ResultFormatFactory.getInstance(ResultFormatType.JSON, arguments[1])
                .writeOut(measured.values().stream()
                        .map(one -> new RunResult(one.parameters(), one.forks()))
                        .toList());
    }

    private static void add(Map<String, Measured> measured, RunResult result) {
        var parameters = result.getParams();
        var name = parameters.getBenchmark()
                + parameters.getParamsKeys().stream()
                        .map(key -> key + "=" + parameters.getParam(key))
                        .toList();
        Collection<BenchmarkResult> fork = result.getBenchmarkResults();
        measured.computeIfAbsent(name, any -> new Measured(parameters, new ArrayList<>()))
                .forks()
                .addAll(fork);
    }
}
