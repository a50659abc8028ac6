package dev.cqrs.task;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** The delays after which something is tried again, as users give them: a first one, and those after it. */
public final class Delays {

    private Delays() {}

    /**
     * Gives them as a list.
     *
     * @param first the first delay, zero or more
     * @param further the delays after that
     * @return at least one
     * @throws IllegalArgumentException if a delay is negative
     */
    public static List<Duration> of(Duration first, Duration... further) {
        var all = new ArrayList<Duration>();
        all.add(Objects.requireNonNull(first, "first"));
        all.addAll(List.of(further));
        for (var delay : all) {
            if (delay.isNegative()) {
                throw new IllegalArgumentException("A delay is " + delay + "; expected zero or more.");
            }
        }
        return List.copyOf(all);
    }
}
