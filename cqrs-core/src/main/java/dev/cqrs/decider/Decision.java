package dev.cqrs.decider;

import java.util.List;
import java.util.Objects;

/**
 * What was decided: the events to append, or the reason why not.
 *
 * <p>Accepting no events is a decision too: there is nothing to change, and nothing is appended.
 *
 * <p><b>Threads:</b> immutable.
 *
 * @param <E> the type of the events
 */
public sealed interface Decision<E> {

    /**
     * The command is carried out by these events.
     *
     * @param <E> the type of the events
     * @param events in order, possibly empty; copied
     */
    record Accepted<E>(List<E> events) implements Decision<E> {

        /**
         * Copies the events.
         *
         * @param events in order, possibly empty; copied
         * @throws NullPointerException if the list or an event is {@code null}
         */
        public Accepted {
            events = List.copyOf(events);
        }
    }

    /**
     * The command is refused.
     *
     * @param <E> the type of the events
     * @param reason for the one who sent the command; not blank
     */
    record Rejected<E>(String reason) implements Decision<E> {

        /**
         * Checks the reason.
         *
         * @param reason for the one who sent the command; not blank
         * @throws NullPointerException if {@code reason} is {@code null}
         * @throws IllegalArgumentException if it is blank
         */
        public Rejected {
            if (Objects.requireNonNull(reason, "reason").isBlank()) {
                throw new IllegalArgumentException("The reason of a rejection is blank; expected words for the one who"
                        + " sent the command, such as \"the account is closed\".");
            }
        }
    }

    /**
     * Accepts with the given events.
     *
     * @param <E> the type of the events
     * @param events in order; none means that nothing needs to change
     * @return never {@code null}
     */
    @SafeVarargs
    @SuppressWarnings("varargs") // the array is only read
    static <E> Decision<E> accept(E... events) {
        return new Accepted<>(List.of(events));
    }

    /**
     * Accepts with the given events.
     *
     * @param <E> the type of the events
     * @param events in order; none means that nothing needs to change
     * @return never {@code null}
     */
    static <E> Decision<E> acceptAll(List<? extends E> events) {
        return new Accepted<>(List.copyOf(events));
    }

    /**
     * Refuses.
     *
     * @param <E> the type of the events
     * @param reason for the one who sent the command; not blank
     * @return never {@code null}
     * @throws IllegalArgumentException if the reason is blank
     */
    static <E> Decision<E> reject(String reason) {
        return new Rejected<>(reason);
    }
}
