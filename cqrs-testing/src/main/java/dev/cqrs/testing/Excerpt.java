package dev.cqrs.testing;

import java.util.BitSet;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * A history by its seed, or some of its steps and of the faults that strike them.
 *
 * <p>Steps and faults are units, each with random numbers of its own: so those that are kept stay what they are when others
 * are left out. In text, {@code 3} is a step, and {@code 3.1} the first of its faults.
 */
final class Excerpt {

    /** How many faults strike one step at most. */
    static final int FAULTS = 3;

    private static final int UNITS = FAULTS + 1;

    private final long seed;
    private final @Nullable BitSet kept;

    private Excerpt(long seed, @Nullable BitSet kept) {
        this.seed = seed;
        this.kept = kept;
    }

    static Excerpt all(long seed) {
        return new Excerpt(seed, null);
    }

    static Excerpt of(long seed, BitSet units) {
        return new Excerpt(seed, (BitSet) units.clone());
    }

    static Excerpt parsed(String text, int steps) {
        try {
            var parts = text.trim().split(":", 2);
            long seed = Long.parseLong(parts[0]);
            if (parts.length == 1) {
                return all(seed);
            }
            var kept = new BitSet();
            for (var unit : parts[1].isBlank() ? new String[0] : parts[1].split(",")) {
                var numbers = unit.trim().split("\\.", 2);
                int step = Integer.parseInt(numbers[0]);
                int fault = numbers.length == 1 ? 0 : Integer.parseInt(numbers[1]);
                if (step < 1 || step > steps || fault < 0 || fault > FAULTS) {
                    throw new NumberFormatException("no step or fault: " + unit);
                }
                kept.set(unit(step, fault));
            }
            return new Excerpt(seed, kept);
        } catch (NumberFormatException notANumber) {
            throw new IllegalArgumentException(
                    "The system property " + Exploration.SEED + " is \"" + text
                            + "\"; expected a seed, such as 42, or a seed and some of " + steps
                            + " steps and their faults, such as 42:3,7,7.1.",
                    notANumber);
        }
    }

    static int unit(int step, int fault) {
        return step * UNITS + fault;
    }

    static int stepOf(int unit) {
        return unit / UNITS;
    }

    static boolean isStep(int unit) {
        return unit % UNITS == 0;
    }

    /** A seed for what is chosen in a unit; further ones for other purposes. */
    long seedOf(int unit, int purpose) {
        long z = seed * 0x9E3779B97F4A7C15L + unit * 0xD1B54A32D192ED03L + purpose * 0x8CB92BA72F3D8DD7L;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }

    long seed() {
        return seed;
    }

    boolean isWhole() {
        return kept == null;
    }

    boolean keeps(int unit) {
        return kept == null || kept.get(unit);
    }

    @Override
    public String toString() {
        if (kept == null) {
            return String.valueOf(seed);
        }
        var units = new StringJoiner(",");
        kept.stream().forEach(unit -> units.add(isStep(unit) ? "" + stepOf(unit) : stepOf(unit) + "." + unit % UNITS));
        return seed + ":" + units;
    }
}
