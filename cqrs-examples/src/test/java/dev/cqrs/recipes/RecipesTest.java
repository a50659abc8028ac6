package dev.cqrs.recipes;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecipesTest {

    @ParameterizedTest
    @ValueSource(strings = {"Timing", "Tracing", "SpringTransaction"})
    void the_guide_shows_each_recipe_as_it_is_tested_in_fewer_than_40_lines(String name) throws IOException {
        var guide = Files.readString(Path.of("../docs/guides/interceptors.md"));
        var source = Files.readString(Path.of("src/test/java/dev/cqrs/recipes", name + ".java"));
        var type = Pattern.compile("(?s)\\n(/\\*\\*[^\\n]*\\*/\\nrecord .*)").matcher(source);
        assertThat(type.find()).isTrue();

        assertThat(type.group(1).lines().filter(line -> !line.isBlank())).hasSizeLessThan(40);
        assertThat(words(guide)).contains(words(type.group(1)));
    }

    private static String words(String text) {
        return text.replaceAll("\\s+", " ").strip();
    }
}
