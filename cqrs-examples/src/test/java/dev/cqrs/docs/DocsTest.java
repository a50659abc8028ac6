package dev.cqrs.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
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
    void the_guide_to_errors_names_every_exception() throws IOException {
        var guide = Files.readString(ROOT.resolve("docs/guides/errors.md"));
        for (var module : List.of("cqrs-core", "cqrs-inmemory", "cqrs-jdbc")) {
            try (var sources = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
                var exceptions = sources.map(source -> source.getFileName().toString())
                        .filter(name -> name.endsWith("Exception.java"))
                        .map(name -> name.replace(".java", ""))
                        .toList();
                assertThat(exceptions)
                        .isNotEmpty()
                        .allSatisfy(name -> assertThat(guide).contains("`" + name + "`"));
            }
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
