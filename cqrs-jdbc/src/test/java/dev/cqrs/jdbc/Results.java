package dev.cqrs.jdbc;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Prints a row of {@code results/crash.md}, and writes it there if the profile {@code crash} says so. */
final class Results {

    private static final String FILE = System.getProperty("dev.cqrs.jdbc.results", "");

    private Results() {}

    /** Ends the row with the JDK and the commit. */
    static void note(Object... cells) throws IOException, InterruptedException {
        var row = Stream.concat(
                        Arrays.stream(cells).map(String::valueOf),
                        Stream.of(System.getProperty("java.version"), commit()))
                .collect(Collectors.joining(" | ", "| ", " |\n"));
        System.out.print(row);
        if (!FILE.isEmpty()) {
            Files.writeString(
                    Path.of(FILE), row, StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
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
