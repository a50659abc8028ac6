package dev.cqrs.jdbc;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A Java process that runs a program of these tests. */
final class ChildJvm {

    private ChildJvm() {}

    /** Starts {@code main}; what it prints goes to a file. */
    static Process start(Path output, Class<?> main, String... arguments) throws IOException {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1", // ends too soon for more
                "-XX:+UseSerialGC",
                "-Xmx128m",
                "-cp",
                classPath(),
                main.getName()));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(output.toFile()))
                .start();
    }

    /** Whether or not this JVM has modules, the child gets everything on its class path. */
    private static String classPath() {
        return Stream.of(
                        System.getProperty("java.class.path"),
                        System.getProperty("jdk.module.path"),
                        Path.of("target", "test-classes").toAbsolutePath().toString(),
                        Path.of("target", "classes").toAbsolutePath().toString())
                .filter(path -> path != null && !path.isEmpty())
                .collect(Collectors.joining(File.pathSeparator));
    }

    /** Sends a signal, such as {@code STOP}. */
    static void signal(Process process, String signal) throws IOException, InterruptedException {
        int code = new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
                .inheritIO()
                .start()
                .waitFor();
        if (code != 0) {
            throw new IOException("kill -" + signal + " gave " + code);
        }
    }
}
