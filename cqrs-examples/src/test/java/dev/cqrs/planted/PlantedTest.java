package dev.cqrs.planted;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.github.difflib.unifieddiff.UnifiedDiffReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The script that plants the defects takes long; that it still could is seen here, in every build. */
class PlantedTest {

    private static final Path ROOT = root();

    private static final Pattern CASE =
            Pattern.compile("Failure case \\d+(?:, [^:]+)?: .+|Failure case beside the forty: .+");
    private static final Pattern PLANTED = Pattern.compile("Planted: .+");
    private static final Pattern CAUGHT =
            Pattern.compile("Caught by: (?<module>cqrs-[a-z]+) (?<type>[A-Z]\\w*)(?:#(?<method>[a-z0-9_]+))?");
    private static final Pattern EXTENDS = Pattern.compile("\\bclass \\w+(?:<[^{]*>)? extends (\\w+)");

    @Test
    void there_are_at_least_thirty_each_with_a_number_of_its_own() {
        assertThat(patches().map(patch -> patch.getFileName().toString()))
                .hasSizeGreaterThanOrEqualTo(30)
                .allMatch(name -> name.matches("\\d\\d-[a-z0-9-]+\\.patch"))
                .extracting(name -> name.substring(0, 2))
                .doesNotHaveDuplicates();
    }

    @TestFactory
    Stream<DynamicTest> each_says_what_it_is_and_names_a_test_that_is_there() {
        return patches()
                .map(patch -> dynamicTest(patch.getFileName().toString(), () -> {
                    var lines = Files.readAllLines(patch);
                    assertThat(lines.get(0)).matches(CASE);
                    assertThat(lines.get(1)).matches(PLANTED);
                    assertThat(lines.get(2)).matches(CAUGHT);
                    assertThat(lines.get(3)).startsWith("--- a/");
                    var caught = CAUGHT.matcher(lines.get(2));
                    assertThat(caught.matches()).isTrue();
                    var tests = ROOT.resolve(caught.group("module")).resolve("src/test/java");
                    var test = source(tests, caught.group("type"));
                    assertThat(test).as(caught.group("type")).isPresent();
                    var method = caught.group("method");
                    if (method != null) {
                        assertThat(hasMethod(test.orElseThrow(), method))
                                .as("%s has %s, or a class that it extends", caught.group("type"), method)
                                .isTrue();
                    }
                }));
    }

    @TestFactory
    Stream<DynamicTest> each_still_applies() {
        return patches()
                .map(patch -> dynamicTest(patch.getFileName().toString(), () -> {
                    try (var in = Files.newInputStream(patch)) {
                        var files = UnifiedDiffReader.parseUnifiedDiff(in).getFiles();
                        assertThat(files).isNotEmpty();
                        for (var file : files) {
                            var name = file.getFromFile();
                            assertThat(file.getToFile()).isEqualTo(name);
                            var before = Files.readAllLines(ROOT.resolve(name));
                            var after = new ArrayList<>(before);
                            after = new ArrayList<>(
                                    file.getPatch().applyFuzzy(after, 0)); // at another line, but as it stands
                            assertThat(after).isNotEqualTo(before);
                        }
                    }
                }));
    }

    private static boolean hasMethod(Path source, String method) throws IOException {
        var text = Files.readString(source);
        if (text.contains(" " + method + "(")) {
            return true;
        }
        var parent = EXTENDS.matcher(text);
        if (!parent.find()) {
            return false;
        }
        for (var module : List.of("cqrs-testing", "cqrs-inmemory", "cqrs-jdbc", "cqrs-examples")) {
            var above = source(ROOT.resolve(module).resolve("src"), parent.group(1));
            if (above.isPresent()) {
                return hasMethod(above.get(), method);
            }
        }
        return false;
    }

    private static Optional<Path> source(Path below, String type) throws IOException {
        if (!Files.isDirectory(below)) {
            return Optional.empty();
        }
        try (var all = Files.walk(below)) {
            return all.filter(file -> file.endsWith(type + ".java")).findFirst();
        }
    }

    private static Stream<Path> patches() {
        try (var all = Files.list(ROOT.resolve("cqrs-testing/planted"))) {
            return all.filter(file -> file.toString().endsWith(".patch")).sorted().toList().stream();
        } catch (IOException cannot) {
            throw new UncheckedIOException(cannot);
        }
    }

    /** The folder that holds the README, from wherever the tests are run. */
    private static Path root() {
        var folder = Path.of("").toAbsolutePath();
        while (!Files.exists(folder.resolve("cqrs-testing/planted"))) {
            folder = Objects.requireNonNull(folder.getParent(), "a folder above with the planted defects");
        }
        return folder;
    }
}
