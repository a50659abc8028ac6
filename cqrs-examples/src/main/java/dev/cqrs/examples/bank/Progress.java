package dev.cqrs.examples.bank;

import java.io.PrintStream;
import java.util.Locale;

/**
 * Shows how far a program is: a bar on a terminal, a line every ten per cent elsewhere.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
public final class Progress {

    private static final int BAR_WIDTH = 40;
    private static final int LINE_STEP = 10;

    private final PrintStream out;
    private final Style style;
    private final long size;
    private final String what;
    private long percent;
    private String bar = "";

    /** Where it is shown. */
    public enum Style {
        /** On a terminal, where a line can be drawn over. */
        BAR,
        /** In a file or a pipe. */
        LINES
    }

    /**
     * Begins at zero.
     *
     * @param out where to; not closed
     * @param style how
     * @param size the size of the whole, in bytes or whatever else
     * @param what what is counted besides
     */
    public Progress(PrintStream out, Style style, long size, String what) {
        this.out = out;
        this.style = style;
        this.size = size;
        this.what = what;
    }

    /** Shows that {@code consumed} of the whole is done; draws only if that makes a difference. */
    public void reached(long consumed, long count) {
        // a device has no size, and a file may grow meanwhile
        long reached = size == 0 ? 0 : Math.min(100, consumed * 100 / size);
        boolean worthIt = style == Style.BAR ? reached > percent : reached / LINE_STEP > percent / LINE_STEP;
        if (!worthIt) {
            return;
        }
        percent = reached;
        if (style == Style.BAR) {
            int full = (int) (percent * BAR_WIDTH / 100);
            bar = String.format(
                    Locale.ROOT,
                    "[%s%s] %3d %%, %d %s",
                    "#".repeat(full),
                    ".".repeat(BAR_WIDTH - full),
                    percent,
                    count,
                    what);
            draw();
        } else {
            out.println(String.format(Locale.ROOT, "%3d %%, %d %s", percent, count, what));
        }
    }

    /** Shows a line that stays. */
    void note(String line) {
        erase();
        out.println(line);
        draw();
    }

    /** Takes the bar away. */
    public void end() {
        erase();
        bar = "";
        out.flush();
    }

    private void draw() {
        if (!bar.isEmpty()) {
            out.print('\r' + bar);
            out.flush();
        }
    }

    private void erase() {
        if (!bar.isEmpty()) {
            out.print('\r' + " ".repeat(bar.length()) + '\r');
        }
    }
}
