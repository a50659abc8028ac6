package dev.cqrs.task;

import java.util.Objects;

/** What was thrown, as a text that every store can keep. */
public final class Reasons {

    /** How much of a text is kept. */
    private static final int LONGEST = 500;

    private Reasons() {}

    /**
     * Tells what was thrown.
     *
     * @param thrown may be unable to tell
     * @return short, and valid Unicode without NUL
     */
    public static String of(Throwable thrown) {
        String text;
        try {
            text = thrown.toString();
        } catch (Throwable mute) {
            text = thrown.getClass().getName();
        }
        return keepable(text == null ? thrown.getClass().getName() : text);
    }

    /**
     * Shortens a text, and replaces what not every store can keep.
     *
     * @param text anything
     * @return short, and valid Unicode without NUL
     */
    public static String keepable(String text) {
        return keepable(text, LONGEST);
    }

    /**
     * Replaces what not every store can keep.
     *
     * @param text anything
     * @return as long as it is, and valid Unicode without NUL
     */
    public static String whole(String text) {
        return keepable(text, Long.MAX_VALUE);
    }

    private static String keepable(String text, long longest) {
        if (text.isEmpty()) {
            return text;
        }
        var kept = new StringBuilder();
        text.codePoints()
                .limit(longest)
                .map(c -> c == 0 || (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) ? '?' : c)
                .forEach(kept::appendCodePoint);
        return Objects.requireNonNull(kept.toString());
    }
}
