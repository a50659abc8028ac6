package dev.cqrs.task;

import java.util.Objects;
import java.util.stream.Stream;

/** What was thrown: what it was thrown for, and what else was. */
public final class Thrown {

    /** How far causes are looked at, which may be in a circle. */
    private static final int DEPTH = 100;

    /** Where the same object is thrown each time, as an exception that is made once: it must not grow for ever. */
    private static final int KEPT_AT_MOST = 16;

    private Thrown() {}

    /**
     * Gives what was thrown, its cause, the cause of that, and so on.
     *
     * @param thrown is the first
     * @return so many at most, also where they go round in a circle
     */
    public static Stream<Throwable> causes(Throwable thrown) {
        return Stream.iterate(thrown, Objects::nonNull, Throwable::getCause).limit(DEPTH);
    }

    /**
     * Keeps something that was thrown with what was thrown of it, as suppressed, unless that has many already.
     *
     * @param thrown may be the same as the other
     * @param other what was thrown before
     */
    public static void keep(Throwable thrown, Throwable other) {
        keep(thrown, other, 0);
    }

    /**
     * Keeps something that was thrown with something else, as suppressed, unless that has many already, and so many more.
     *
     * @param thrown may be the same as the other
     * @param other what else was thrown
     * @param more how many things of its own it may have to be kept with
     */
    public static void keep(Throwable thrown, Throwable other, int more) {
        try {
            if (thrown != other && thrown.getSuppressed().length < KEPT_AT_MOST + more) {
                thrown.addSuppressed(other);
            }
        } catch (Throwable noMemory) {
            return; // it is told without
        }
    }
}
