package dev.cqrs.docs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * A block of Java: compiled as a file of its own, with every warning an error, and run if it has a {@code main}.
 *
 * @param block what the page shows
 * @param classes an empty folder for its classes
 */
record Sample(Page.Block block, Path classes) {

    private static final Pattern FIRST_TYPE =
            Pattern.compile("^(?:[a-z-]+ )*(?:class|interface|record|enum) (\\w+)", Pattern.MULTILINE);
    private static final Duration ENDLESS = Duration.ofMinutes(1);
    private static final JavaCompiler JAVAC = ToolProvider.getSystemJavaCompiler();

    /** One for all samples, as it keeps the libraries open. */
    private static final StandardJavaFileManager FILES = JAVAC.getStandardFileManager(null, null, UTF_8);

    /** Compiles and runs the block; holds what it prints against the output that follows it. */
    void check() {
        compile();
        try (var loader = new URLClassLoader(
                new URL[] {classes.toUri().toURL()}, getClass().getClassLoader())) {
            var main = main(loader);
            if (main.isEmpty()) {
                assertThat(block.output())
                        .as("the output of a block without main")
                        .isEmpty();
                return;
            }
            var printed = run(main.get(), loader);
            block.output().ifPresent(output -> assertThat(printed).isEqualTo(output));
        } catch (Throwable thrown) {
            throw new AssertionError(place(1) + thrown, thrown);
        }
    }

    private void compile() {
        var faults = new DiagnosticCollector<JavaFileObject>();
        var options = List.of(
                "--release",
                "17",
                "-Xlint:all,-classfile", // libraries' annotations may be missing
                "-Werror",
                "-proc:none",
                "-classpath",
                classPath(),
                "-d",
                classes.toString());
        var source = new SimpleJavaFileObject(URI.create("string:///" + name() + ".java"), JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                return block.text();
            }

            @Override
            public boolean isNameCompatible(String simpleName, Kind kind) {
                return kind == Kind.SOURCE; // a public class may have any name
            }
        };
        var compiled = JAVAC.getTask(null, FILES, faults, options, null, List.of(source))
                .call();
        if (!compiled) {
            throw new AssertionError(faults.getDiagnostics().stream()
                    .map(fault -> place(Math.max(0, fault.getLineNumber())) + fault.getMessage(null))
                    .collect(Collectors.joining("\n", "A block is not a compilation unit of its own:\n", "")));
        }
    }

    /** That of the first type, as a file would be called. */
    private String name() {
        var type = FIRST_TYPE.matcher(block.text());
        return type.find() ? type.group(1) : "Sample";
    }

    private Optional<Method> main(ClassLoader loader) throws IOException, ClassNotFoundException {
        try (var files = Files.walk(classes)) {
            var names = files.map(file -> classes.relativize(file).toString())
                    .filter(name -> name.endsWith(".class"))
                    .map(name -> name.substring(0, name.length() - 6).replace(File.separatorChar, '.'))
                    .sorted()
                    .toList();
            assertThat(names).as("the classes of a block").isNotEmpty();
            for (var name : names) {
                for (var method : Class.forName(name, false, loader).getDeclaredMethods()) {
                    if (method.getName().equals("main")
                            && Arrays.equals(method.getParameterTypes(), new Class<?>[] {String[].class})) {
                        return Optional.of(method);
                    }
                }
            }
            return Optional.empty();
        }
    }

    private static String run(Method main, ClassLoader loader) {
        main.setAccessible(true);
        var printed = new ByteArrayOutputStream();
        var out = System.out;
        System.setOut(new PrintStream(printed, true, UTF_8));
        try {
            assertTimeoutPreemptively(ENDLESS, () -> {
                Thread.currentThread().setContextClassLoader(loader); // where containers look for classes
                try {
                    main.invoke(null, (Object) new String[0]);
                } catch (InvocationTargetException thrown) {
                    throw thrown.getCause();
                }
            });
        } finally {
            System.setOut(out);
        }
        return printed.toString(UTF_8).replace("\r\n", "\n").stripTrailing();
    }

    private static String classPath() {
        return Stream.of("java.class.path", "jdk.module.path")
                .map(System::getProperty)
                .filter(path -> path != null && !path.isEmpty())
                .collect(Collectors.joining(File.pathSeparator));
    }

    private String place(long line) {
        return block.page() + ":" + (block.line() + line) + ": ";
    }
}
