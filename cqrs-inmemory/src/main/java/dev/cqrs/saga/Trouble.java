package dev.cqrs.saga;

import org.jspecify.annotations.Nullable;

/**
 * Why what was made of a turn cannot be stored, and what is therefore left out of it when it is made once more.
 *
 * @param reason what the store threw
 * @param commands how many commands it may have at most, or all that are sent about one event; where that is none, the step, or the
 *     event, of the next one is to blame, and given up on
 * @param keeps whether what is kept of a command's result is among what is stored
 */
record Trouble(String reason, int commands, boolean keeps) {

    /**
     * Gives what to leave out next.
     *
     * @param before what was left out already; {@code null} if nothing was
     * @param turn what could not be stored; {@code null} if none could be made
     * @return {@code null} if nothing more can be left out
     */
    static @Nullable Trouble next(@Nullable Trouble before, @Nullable Turn<?> turn, String reason) {
        if (before == null) {
            boolean several = turn != null && turn.commands().size() > 1;
            return new Trouble(reason, several ? 1 : 0, true);
        }
        if (before.commands > 0) {
            return new Trouble(reason, 0, true);
        }
        return before.keeps && turn != null && turn.kept().isPresent() ? new Trouble(reason, 0, false) : null;
    }
}
