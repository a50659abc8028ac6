package dev.cqrs.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Percentage.withPercentage;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DocsTest {

    private static final Path ROOT = root();

    @TestFactory
    Stream<DynamicTest> each_block_of_java_compiles_and_prints_what_the_page_says(@TempDir Path temp) {
        return pages().flatMap(Page::java)
                .map(block -> dynamicTest(ROOT.relativize(block.page()) + ":" + block.line(), () -> {
                    if (block.text().contains(Database.URL)) {
                        Database.offerAnEmptyOne();
                    }
                    new Sample(block, Files.createTempDirectory(temp, "sample")).check();
                }));
    }

    @Test
    void no_sample_and_no_example_drops_a_failure_without_saying_why() throws IOException {
        var silent = Pattern.compile("(failure|failed|stopped|error|thrown) -> \\{\\}(?!.* // )");
        try (var examples = Files.walk(ROOT.resolve("cqrs-examples/src/main/java"))) {
            var files = Stream.concat(pages().map(Page::file), examples.filter(Files::isRegularFile))
                    .toList();
            for (var file : files) {
                assertThat(Files.readAllLines(file).stream()
                                .filter(line -> silent.matcher(line).find()))
                        .as(file.toString())
                        .isEmpty();
            }
        }
    }

    @AfterAll
    static void close_the_database() throws IOException {
        Database.close();
    }

    @Test
    void each_excerpt_stands_in_a_whole_program() {
        var programs = pages().flatMap(Page::java).map(DocsTest::words).toList();
        assertThat(readme().excerpts())
                .hasSize(2)
                .allSatisfy(block -> assertThat(programs)
                        .as("line %d: %s", block.line(), block.text())
                        .anyMatch(program -> program.contains(words(block))));
    }

    @Test
    void each_diagram_is_one_that_a_sample_prints() {
        var printed = pages().flatMap(Page::java)
                .flatMap(block -> block.output().stream())
                .toList();
        assertThat(pages().flatMap(Page::diagrams))
                .isNotEmpty()
                .allSatisfy(diagram -> assertThat(printed)
                        .as("%s:%d", diagram.page(), diagram.line())
                        .anyMatch(output -> output.contains(diagram.text())));
    }

    private static String words(Page.Block block) {
        return block.text().replaceAll("\\s+", " ").strip();
    }

    @TestFactory
    Stream<DynamicTest> each_link_leads_somewhere() {
        return pages().map(page -> dynamicTest(
                ROOT.relativize(page.file()).toString(),
                () -> assertThat(page.deadLinks()).isEmpty()));
    }

    @Test
    void the_samples_are_seen() {
        assertThat(readme().java()).isNotEmpty();
        assertThat(pages().filter(page -> page.file().startsWith(ROOT.resolve("docs/guides"))))
                .hasSizeGreaterThanOrEqualTo(5)
                .allSatisfy(
                        page -> assertThat(page.java()).as("%s", page.file()).isNotEmpty());
    }

    @Test
    void the_quick_start_has_fewer_than_40_lines() {
        assertThat(readme().java().findFirst().orElseThrow().text().lines()).hasSizeLessThan(40);
    }

    @Test
    void the_guide_to_errors_has_a_whole_row_for_every_exception() {
        var guide = text("docs/guides/errors.md");
        var exceptions = sources()
                .flatMap(source -> EXCEPTION.matcher(source).results())
                .map(found -> found.group(1))
                .toList();
        assertThat(exceptions)
                .hasSizeGreaterThan(20)
                .contains("CqrsException", "LateException")
                .allSatisfy(name -> assertThat(guide).containsPattern("`([A-Z]\\w+\\.)?" + name + "`"));
        assertThat(guide.lines().filter(line -> line.matches("\\| `([A-Z]\\w+\\.)?[A-Z]\\w+Exception` \\|.*")))
                .hasSizeGreaterThan(20)
                .allMatch(row -> row.matches("\\|( [^|]+ \\|){4}"));
    }

    @Test
    void the_page_about_threads_names_every_class_that_threads_share() {
        var page = text("docs/threads.md");
        var shared = sources()
                .flatMap(source -> THREADS.matcher(source).results())
                .filter(found -> !found.group(1).contains("immutable"))
                .map(found -> found.group(2))
                .toList();
        assertThat(shared)
                .hasSizeGreaterThan(25)
                .contains("InMemoryEventStore", "CommandQueue", "EventStream")
                .allSatisfy(name -> assertThat(page).contains("`" + name + "`"));
    }

    @Test
    void the_page_about_architecture_names_every_room() {
        var page = text("docs/architecture.md");
        assertThat(MODULES.stream()
                        .flatMap(module -> under(module, "package-info.java"))
                        .map(room -> room.replaceAll("(?s).*\\npackage [\\w.]*\\b(\\w+);.*", "$1")))
                .hasSizeGreaterThan(15)
                .contains("eventstore", "schedule", "jdbc")
                .allSatisfy(room -> assertThat(page).contains("`" + room + "`"));
    }

    @Test
    void the_readme_tells_the_sizes_of_the_jars_to_a_tenth() {
        var told = SIZE.matcher(text("README.md"))
                .results()
                .collect(Collectors.toMap(found -> found.group(1), found -> Double.valueOf(found.group(2))));
        assertThat(told.keySet()).containsExactlyInAnyOrderElementsOf(MODULES);
        told.forEach((module, kilobytes) -> assertThat(kilobytes)
                .as("the jar of %s, as README tells it in kB", module)
                .isCloseTo(zipped(ROOT.resolve(module).resolve("target/classes")) / 1_000.0, withPercentage(10)));
    }

    private static final Pattern SIZE = Pattern.compile("`([\\w-]+)` (\\d+) kB");

    /** How many bytes a folder takes in a jar. */
    private static int zipped(Path folder) {
        var bytes = new ByteArrayOutputStream();
        try (var zip = new ZipOutputStream(bytes);
                var files = Files.walk(folder)) {
            for (var file : files.filter(Files::isRegularFile).toList()) {
                zip.putNextEntry(new ZipEntry(folder.relativize(file).toString()));
                Files.copy(file, zip);
            }
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
        return bytes.size();
    }

    /** The published modules. */
    private static final List<String> MODULES = List.of("cqrs-core", "cqrs-inmemory", "cqrs-jdbc", "cqrs-testing");

    /** Those that are public, be it as members of an interface. */
    private static final Pattern EXCEPTION = Pattern.compile(
            "(?m)^(?: *public (?:static )?(?:abstract |final )?| +final )class (\\w+Exception) extends");

    /** What a type says of threads, and its name, where it is a public one that stands for itself. */
    private static final Pattern THREADS =
            Pattern.compile("(?s)<b>Threads:</b>((?:(?!\\*/).)*)\\*/\\s*(?:@\\w+(?:\\([^)]*\\))?\\s*)*"
                    + "\npublic (?:(?:final|abstract|sealed) )*(?:class|interface|record) (\\w+)");

    /** The sources that users see: not those of the room that is not exported, nor of the suites, which JUnit runs. */
    private static Stream<String> sources() {
        return MODULES.stream()
                .flatMap(module -> under(module, ".java"))
                .filter(source ->
                        !source.contains("package dev.cqrs.task;") && !source.contains("package dev.cqrs.contract;"));
    }

    /** The texts of a module's sources whose names end so. */
    private static Stream<String> under(String module, String ending) {
        try (var files = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
            return files
                    .map(file -> ROOT.relativize(file).toString())
                    .filter(file -> file.endsWith(ending))
                    .sorted()
                    .map(DocsTest::text)
                    .toList()
                    .stream();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private static String text(String file) {
        try {
            return Files.readString(ROOT.resolve(file));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    // ---- that the above can fail

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bus.dispatch(new Deposit());",
                "// nothing",
                "class A { int a = \"text\"; }",
                "class A { java.util.List a; }",
                "class A { public static void main(String[] args) { System.out.println(\"other\"); } }",
                "class A { public static void main(String[] args) { throw new IllegalStateException(); } }",
                "class A {}",
            })
    void a_faulty_sample_fails_at_its_line(String code, @TempDir Path temp) {
        var page =
                Page.parse(Path.of("page.md"), List.of("# Title", "```java", code, "```", "", "```text", "x", "```"));
        var sample = new Sample(page.java().findFirst().orElseThrow(), temp);
        assertThatThrownBy(sample::check).hasMessageContaining("page.md:3: ");
    }

    @Test
    void a_dead_link_is_found() {
        var page =
                Page.parse(ROOT.resolve("page.md"), List.of("# A `b` c", "[a](#a-b-c) [b](#b) [c](LICENSE) [d](NO)"));
        assertThat(page.deadLinks()).hasSize(2).allMatch(link -> link.endsWith("#b") || link.endsWith("NO"));
    }

    private static Page readme() {
        return Page.read(ROOT.resolve("README.md"));
    }

    private static Stream<Page> pages() {
        try (var top = Files.list(ROOT);
                var docs = Files.walk(ROOT.resolve("docs"))) {
            return Stream.concat(top, docs)
                    .filter(file -> file.toString().endsWith(".md"))
                    .sorted()
                    .map(Page::read)
                    .toList()
                    .stream();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    /** The folder of the whole project, above whichever module the test runs in. */
    private static Path root() {
        var folder = Path.of("").toAbsolutePath();
        while (!Files.exists(folder.resolve("LICENSE")) || !Files.exists(folder.resolve("pom.xml"))) {
            folder = Objects.requireNonNull(folder.getParent(), "a folder with LICENSE and pom.xml");
        }
        return folder;
    }
}
