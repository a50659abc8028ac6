package dev.cqrs.event;

import java.util.Objects;

/**
 * A mark by which events are found: what an event is about, such as {@code account:4711}.
 *
 * <p>An event has any number of tags, one for each entity it concerns. Tags are compared by code unit, without folding
 * of case or Unicode normalisation. They are visible wherever the log is stored: put no personal data into them, but a
 * keyed hash of it.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param key the kind of entity, such as {@code account}; without a colon
 * @param value the entity's id
 */
public record Tag(String key, String value) {

    /** The greatest length of a key and of a value, in UTF-16 code units. */
    public static final int MAX_LENGTH = 1_000;

    /**
     * Checks both parts.
     *
     * @param key the kind of entity, such as {@code account}; without a colon
     * @param value the entity's id
     * @throws NullPointerException if a part is {@code null}
     * @throws IllegalArgumentException if a part is blank (nothing but white space, no-break spaces included), longer than {@link #MAX_LENGTH}, or not valid Unicode, or
     *     holds the character NUL, which not every store can keep; or if the key holds a colon
     */
    public Tag {
        check("key", key);
        check("value", value);
        if (key.indexOf(':') >= 0) {
            throw new IllegalArgumentException("The tag key \"" + quote(key)
                    + "\" holds a colon; expected none, as key:value is a tag's written form.");
        }
    }

    /**
     * Gives the tag {@code key:value}.
     *
     * @param key the kind of entity
     * @param value the entity's id
     * @return never {@code null}
     * @throws IllegalArgumentException as the constructor
     */
    public static Tag of(String key, String value) {
        return new Tag(key, value);
    }

    @Override
    public String toString() {
        return key + ":" + value;
    }

    private static void check(String part, String text) {
        Objects.requireNonNull(text, part);
        int length = text.length();
        if (length > MAX_LENGTH) {
            throw new IllegalArgumentException("A tag's " + part + " has " + length + " characters, beginning \""
                    + quote(text.substring(0, 20)) + "\"; expected at most " + MAX_LENGTH
                    + ". Tag an event with an id, not with content.");
        }
        boolean blank = true;
        for (int i = 0; i < length; i++) {
            char c = text.charAt(i);
            if (c > ' ' && c < 0x7f) {
                blank = false;
            } else if (c == 0) {
                throw new IllegalArgumentException("A tag's " + part + " \"" + quote(text) + "\" holds NUL at index "
                        + i + "; expected none. Tag an event with an id that is text.");
            } else if (Character.isSurrogate(c)) {
                if (Character.isLowSurrogate(c) || i + 1 == length || !Character.isLowSurrogate(text.charAt(i + 1))) {
                    throw new IllegalArgumentException("A tag's " + part + " \"" + quote(text)
                            + "\" holds a lone surrogate at index " + i
                            + "; expected valid Unicode. Was a text cut in the middle of a character?");
                }
                i++;
                blank = false;
            } else {
                blank &= Character.isWhitespace(c) || Character.isSpaceChar(c);
            }
        }
        if (blank) {
            throw new IllegalArgumentException("A tag's " + part + " is \"" + quote(text)
                    + "\"; expected at least one character that is not white space.");
        }
    }

    private static String quote(String text) {
        var quoted = new StringBuilder();
        text.chars().forEach(c -> {
            if (c < ' ' || Character.isSurrogate((char) c)) {
                quoted.append(String.format("\\u%04x", c));
            } else {
                quoted.append((char) c);
            }
        });
        return quoted.toString();
    }
}
