package dev.cqrs.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A page of documentation, taken apart.
 *
 * @param file where it stands
 * @param blocks its fenced blocks, in order
 * @param prose its lines, those of fenced blocks blank
 */
record Page(Path file, List<Block> blocks, List<String> prose) {

    private static final Pattern FENCE = Pattern.compile("\\s*(`{3,}|~{3,})\\s*([^\\s`]*)\\s*([^`]*)");
    private static final Pattern LINK = Pattern.compile("\\[[^\\]]*\\]\\(\\s*<?([^)>\\s]+)[^)]*\\)");
    private static final Pattern REFERENCE = Pattern.compile("(?m)^ {0,3}\\[[^\\]]+\\]:\\s*<?([^>\\s]+)");
    private static final Pattern HEADING = Pattern.compile("#{1,6}\\s+(.*?)\\s*#*");

    /**
     * A fenced block.
     *
     * @param page the file it stands in
     * @param line the number of its opening fence
     * @param language what stands behind the fence, in small letters; possibly empty
     * @param text what stands between the fences
     * @param output the block of plain text that directly follows, if one does
     */
    record Block(Path page, int line, String language, String text, Optional<String> output) {}

    static Page read(Path file) {
        try {
            return parse(file, Files.readAllLines(file));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    static Page parse(Path file, List<String> lines) {
        var blocks = new ArrayList<Block>();
        var prose = new ArrayList<String>();
        boolean follows = false; // nothing but blank lines since the last block
        for (int i = 0; i < lines.size(); i++) {
            var fence = FENCE.matcher(lines.get(i));
            if (!fence.matches()) {
                prose.add(lines.get(i));
                follows &= lines.get(i).isBlank();
                continue;
            }
            int end = i + 1;
            while (end < lines.size() && !lines.get(end).strip().equals(fence.group(1))) {
                end++;
            }
            if (end == lines.size()) {
                throw new AssertionError(file + ":" + (i + 1) + ": the fence is not closed");
            }
            var text = String.join("\n", lines.subList(i + 1, end)).stripTrailing();
            var language = (fence.group(2) + " " + fence.group(3)).strip().toLowerCase(Locale.ROOT);
            if (follows && (language.isEmpty() || language.equals("text"))) {
                var above = blocks.remove(blocks.size() - 1);
                blocks.add(new Block(file, above.line(), above.language(), above.text(), Optional.of(text)));
                follows = false;
            } else {
                blocks.add(new Block(file, i + 1, language, text, Optional.empty()));
                follows = true;
            }
            lines.subList(i, end + 1).forEach(line -> prose.add(""));
            i = end;
        }
        return new Page(file, blocks, prose);
    }

    Stream<Block> java() {
        return blocks.stream().filter(block -> block.language().equals("java"));
    }

    /** The blocks that show a part of a whole program on another page. */
    Stream<Block> excerpts() {
        return blocks.stream().filter(block -> block.language().equals("java excerpt"));
    }

    /** The blocks that a renderer draws. */
    Stream<Block> diagrams() {
        return blocks.stream().filter(block -> block.language().equals("mermaid"));
    }

    /** Gives what is wrong with the links to files of this repository. */
    List<String> deadLinks() {
        var text = String.join("\n", prose).replaceAll("`[^`\n]*`", "");
        return Stream.of(LINK, REFERENCE)
                .flatMap(pattern -> pattern.matcher(text).results())
                .map(found -> found.group(1))
                .filter(target -> !target.matches("[a-zA-Z][a-zA-Z0-9+.-]*:.*"))
                .filter(target -> !leadsSomewhere(target))
                .map(target -> file + ": nothing at " + target)
                .toList();
    }

    private boolean leadsSomewhere(String target) {
        int hash = target.indexOf('#');
        var path = hash < 0 ? target : target.substring(0, hash);
        var to = file.resolveSibling(path).normalize();
        if (!path.isEmpty() && !Files.exists(to)) {
            return false;
        }
        return hash < 0 || (path.isEmpty() ? this : read(to)).anchors().contains(target.substring(hash + 1));
    }

    /** Gives the anchors of the headings, as the usual renderers make them. */
    private Set<String> anchors() {
        var anchors = new HashSet<String>();
        prose.stream().map(HEADING::matcher).filter(Matcher::matches).forEach(heading -> {
            var slug = heading.group(1)
                    .replaceAll("\\[([^\\]]*)\\]\\([^)]*\\)", "$1")
                    .toLowerCase(Locale.ROOT)
                    .replaceAll("[^\\p{L}\\p{N} _-]", "")
                    .replace(' ', '-');
            var anchor = slug;
            for (int again = 1; !anchors.add(anchor); again++) {
                anchor = slug + "-" + again;
            }
        });
        return anchors;
    }
}
