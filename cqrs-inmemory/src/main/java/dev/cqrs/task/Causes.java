package dev.cqrs.task;

import java.util.Objects;
import java.util.stream.Stream;

/** What an exception was thrown for. */
public final class Causes {

    /** How far causes are looked at, which may be in a circle. */
    private static final int DEPTH = 100;

    private Causes() {}

    /**
     * Gives what was thrown, its cause, the cause of that, and so on.
     *
     * @param thrown is the first
     * @return so many at most, also where they go round in a circle
     */
    public static Stream<Throwable> of(Throwable thrown) {
        return Stream.iterate(thrown, Objects::nonNull, Throwable::getCause).limit(DEPTH);
    }
}
