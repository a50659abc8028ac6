package dev.cqrs.saga;

import dev.cqrs.command.Command;
import java.time.Duration;
import java.util.Objects;

/**
 * What a {@link ProcessManager} wants to happen about an event or a timer, as data: its engine makes it happen.
 *
 * <p><b>Threads:</b> immutable.
 */
public sealed interface Reaction {

    /**
     * Sends a command, when those that were sent before have ended.
     *
     * @param command what to send
     * @return never {@code null}
     */
    static Reaction send(Command<?> command) {
        return new Send(command);
    }

    /**
     * Starts a timer, or starts it anew.
     *
     * @param name one of those given to {@link ProcessManager.Builder#onTimer}
     * @param after when it fires, zero or more
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code after} is negative
     */
    static Reaction startTimer(String name, Duration after) {
        return new StartTimer(name, after);
    }

    /**
     * Stops a timer; nothing happens if it does not run, for instance as it has fired.
     *
     * @param name of the timer
     * @return never {@code null}
     */
    static Reaction stopTimer(String name) {
        return new StopTimer(name);
    }

    /**
     * Ends the instance when its commands have ended; its timers are stopped.
     *
     * @return never {@code null}
     */
    static Reaction end() {
        return new End();
    }

    /**
     * Sends a command.
     *
     * @param command what to send
     */
    record Send(Command<?> command) implements Reaction {

        /**
         * Checks for nulls.
         *
         * @param command what to send
         * @throws NullPointerException if it is {@code null}
         */
        public Send {
            Objects.requireNonNull(command, "command");
        }
    }

    /**
     * Starts a timer.
     *
     * @param name of the timer
     * @param after when it fires
     */
    record StartTimer(String name, Duration after) implements Reaction {

        /**
         * Checks the two.
         *
         * @param name of the timer
         * @param after when it fires
         * @throws IllegalArgumentException if {@code after} is negative
         * @throws NullPointerException if one is {@code null}
         */
        public StartTimer {
            Objects.requireNonNull(name, "name");
            if (after.isNegative()) {
                throw new IllegalArgumentException(
                        "The timer \"" + name + "\" was to fire after " + after + "; expected zero or more.");
            }
        }
    }

    /**
     * Stops a timer.
     *
     * @param name of the timer
     */
    record StopTimer(String name) implements Reaction {

        /**
         * Checks for nulls.
         *
         * @param name of the timer
         * @throws NullPointerException if it is {@code null}
         */
        public StopTimer {
            Objects.requireNonNull(name, "name");
        }
    }

    /** Ends the instance. */
    record End() implements Reaction {}
}
