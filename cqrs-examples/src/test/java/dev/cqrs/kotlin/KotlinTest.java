package dev.cqrs.kotlin;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.command.CommandBus;
import dev.cqrs.inmemory.InMemoryCommandBus;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import kotlin.KotlinVersion;
import org.jetbrains.kotlin.cli.common.ExitCode;
import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Kotlin callers: the compiler itself, on the classes of this library and nothing else. What may be null is told to it by
 * the annotations in them, whose own jar it does not need.
 */
class KotlinTest {

    private static final String CLASS_PATH = Stream.of(CommandBus.class, InMemoryCommandBus.class, KotlinVersion.class)
            .map(type -> new File(type.getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .getPath())
                    .toString())
            .collect(Collectors.joining(File.pathSeparator));

    @Test
    void a_shop_in_kotlin_compiles_without_a_warning_and_does_what_it_says(@TempDir Path classes) throws Exception {
        var shop = resource("Shop.kt");
        assertThat(compile(shop, classes)).isEqualTo("OK ");

        var expected = shop.substring(shop.indexOf("/*\n") + 3, shop.indexOf("*/"));
        assertThat(runShop(classes)).isEqualTo(expected);
    }

    @Test
    void what_may_be_null_is_refused_by_the_compiler(@TempDir Path classes) throws Exception {
        var wrong = """
                import dev.cqrs.command.Command
                import dev.cqrs.command.CommandBus
                import dev.cqrs.message.Metadata
                class Ping : Command<String>
                fun right(bus: CommandBus, some: Metadata): String = bus.dispatch(Ping(), some)
                fun argument(bus: CommandBus, none: Metadata?) = bus.dispatch(Ping(), none)
                class Result<R : Any?> : Command<R>
                """;
        assertThat(compile(wrong, classes).lines().filter(line -> line.contains("error:")))
                .satisfiesExactly(
                        line -> assertThat(line).contains(":6:", "'Metadata?'", "'Metadata' was expected"),
                        line -> assertThat(line).contains(":7:", "must be subtype of 'Any'"));
    }

    /** Gives how it ended, and what the compiler says. */
    private static String compile(String source, Path classes) throws IOException {
        var file = classes.resolve("Source.kt");
        Files.writeString(file, source);
        var said = new ByteArrayOutputStream();
        var code = new K2JVMCompiler()
                .exec(
                        new PrintStream(said, true, UTF_8),
                        "-classpath",
                        CLASS_PATH,
                        "-no-stdlib",
                        "-no-reflect",
                        "-jvm-target",
                        "17",
                        "-Werror",
                        "-d",
                        classes.toString(),
                        file.toString());
        return (code == ExitCode.OK ? "OK" : code.name()) + " " + said.toString(UTF_8);
    }

    private static String runShop(Path classes) throws Exception {
        var printed = new ByteArrayOutputStream();
        var out = System.out;
        try (var loader = new URLClassLoader(new URL[] {classes.toUri().toURL()}, KotlinTest.class.getClassLoader())) {
            System.setOut(new PrintStream(printed, true, UTF_8));
            loader.loadClass("shop.SourceKt").getMethod("main").invoke(null);
        } finally {
            System.setOut(out);
        }
        return printed.toString(UTF_8).replace("\r\n", "\n");
    }

    private static String resource(String name) throws IOException {
        try (var stream = KotlinTest.class.getResourceAsStream("/kotlin/" + name)) {
            return new String(Objects.requireNonNull(stream, name).readAllBytes(), UTF_8).replace("\r\n", "\n");
        }
    }
}
