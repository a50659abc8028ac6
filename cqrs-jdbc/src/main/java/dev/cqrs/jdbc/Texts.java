package dev.cqrs.jdbc;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.cqrs.event.Tag;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collection;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What PostgreSQL can keep of Java's texts, and how.
 *
 * <p><b>Threads:</b> no state.
 */
final class Texts {

    private Texts() {}

    /**
     * Makes sure that a text can be kept.
     *
     * @param what names the text in the message
     * @throws IllegalArgumentException if it holds NUL or a lone surrogate
     */
    static void check(String what, String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == 0) {
                throw new IllegalArgumentException(
                        what + " holds NUL at index " + i + "; expected none, as PostgreSQL cannot keep it in a text.");
            }
            if (Character.isSurrogate(c)) {
                if (Character.isLowSurrogate(c)
                        || i + 1 == text.length()
                        || !Character.isLowSurrogate(text.charAt(i + 1))) {
                    throw new IllegalArgumentException(what + " holds a lone surrogate at index " + i
                            + "; expected valid Unicode. Was a text cut in the middle of a character?");
                }
                i++;
            }
        }
    }

    /**
     * Gives a payload as the text of a {@code jsonb}.
     *
     * @throws IllegalArgumentException if it is not UTF-8, or holds an escaped NUL or lone surrogate
     */
    static String json(String name, byte[] payload) {
        var json = new String(payload, UTF_8);
        if (json.indexOf('\uFFFD') >= 0) { // stands for what is no UTF-8, or for itself
            try {
                UTF_8.newDecoder().decode(ByteBuffer.wrap(payload));
            } catch (CharacterCodingException malformed) {
                throw refused(name, "is not UTF-8", malformed);
            }
        }
        if (json.indexOf(0) >= 0) {
            throw refused(name, "holds NUL", null);
        }
        for (int i = json.indexOf('\\'); i >= 0 && i + 1 < json.length(); i = json.indexOf('\\', i + 2)) {
            if (json.charAt(i + 1) == 'u') {
                int unit = unit(json, i);
                if (unit == 0) {
                    throw refused(name, "holds NUL", null);
                }
                if (unit >= 0 && Character.isSurrogate((char) unit)) {
                    if (Character.isLowSurrogate((char) unit)
                            || !json.startsWith("\\u", i + 6)
                            || !Character.isLowSurrogate((char) unit(json, i + 6))) {
                        throw refused(name, "holds a lone surrogate", null);
                    }
                    i += 6;
                }
            }
        }
        return json;
    }

    /** The code unit of an escape, -1 if it is none, which the database will say. */
    private static int unit(String json, int backslash) {
        if (backslash + 6 > json.length()) {
            return -1;
        }
        int unit = 0;
        for (int i = backslash + 2; i < backslash + 6; i++) {
            int digit = Character.digit(json.charAt(i), 16);
            if (digit < 0) {
                return -1;
            }
            unit = unit << 4 | digit;
        }
        return unit;
    }

    private static IllegalArgumentException refused(String name, String why, @Nullable Exception cause) {
        return new IllegalArgumentException(
                "The payload of an event \"" + name + "\" " + why
                        + ", which PostgreSQL cannot keep as jsonb. Keep such events out, or build the store with"
                        + " payload(BYTEA).",
                cause);
    }

    /** Gives the written form of an array of texts, some of which may be {@code null}. */
    static String array(Stream<? extends @Nullable String> texts) {
        var literal = new StringBuilder("{");
        texts.forEach(text -> {
            literal.append(literal.length() == 1 ? "" : ",");
            if (text == null) {
                literal.append("null");
                return;
            }
            literal.append('"');
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                if (c == '"' || c == '\\') {
                    literal.append('\\');
                }
                literal.append(c);
            }
            literal.append('"');
        });
        return literal.append('}').toString();
    }

    /** Gives the written form of an array of the tags' ids. */
    static String ids(Collection<Tag> tags) {
        return array(tags.stream().map(Texts::id).map(UUID::toString));
    }

    /** Gives what stands for a tag in the index. */
    static UUID id(Tag tag) {
        try {
            var hash = ByteBuffer.wrap(
                    MessageDigest.getInstance("SHA-256").digest(tag.toString().getBytes(UTF_8)));
            return new UUID(hash.getLong(), hash.getLong());
        } catch (NoSuchAlgorithmException impossible) { // every Java platform has it
            throw new IllegalStateException(impossible);
        }
    }

    /** Reads the written form of a tag. */
    static Tag tag(String written) {
        int colon = written.indexOf(':');
        return Tag.of(written.substring(0, colon), written.substring(colon + 1));
    }
}
