package dev.cqrs.live;

import dev.cqrs.message.CqrsException;

/**
 * A subscriber of a live query with {@link Backlog#failing} asked for answers more slowly than they came.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class SlowSubscriberException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** How many answers could wait. */
    private final int backlog;

    /**
     * Makes the exception and its message.
     *
     * @param backlog how many answers could wait
     */
    public SlowSubscriberException(int backlog) {
        super("A subscriber let " + backlog + " answers of a live query wait, and one more came; expected it to ask for"
                + " them in time. Subscribe again for the answer of now, allow more, or use newest(...) or latest().");
        this.backlog = backlog;
    }

    /**
     * Gives how many answers could wait.
     *
     * @return 1 or more
     */
    public int backlog() {
        return backlog;
    }
}
