package dev.cqrs.live;

/**
 * What becomes of answers that a subscriber has not asked for yet.
 *
 * <p><b>Threads:</b> immutable.
 */
public sealed interface Backlog {

    /**
     * Keeps none: whenever the subscriber asks for an answer, it gets that of then, if it is another one than its last.
     *
     * <p>The query is asked on the live query's executor, and no more often than the subscriber can take answers, so
     * that a slow one costs those who append next to nothing.
     *
     * @return never {@code null}
     */
    static Backlog latest() {
        return new Latest();
    }

    /**
     * Keeps the newest, and drops the oldest of them when one more comes; {@link LiveQuery#dropped()} counts.
     *
     * <p>The query is asked after each change of the view, on the thread that has changed it; while another thread asks, it
     * is that one that asks once more.
     *
     * @param answers how many at most, 1 or more
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code answers} is less than 1
     */
    static Backlog newest(int answers) {
        return new Newest(answers);
    }

    /**
     * Keeps all, and fails the subscriber when one more comes: it gets those that wait, then
     * {@link SlowSubscriberException}.
     *
     * <p>The query is asked after each change of the view, on the thread that has changed it; while another thread asks, it
     * is that one that asks once more.
     *
     * @param answers how many at most, 1 or more
     * @return never {@code null}
     * @throws IllegalArgumentException if {@code answers} is less than 1
     */
    static Backlog failing(int answers) {
        return new Failing(answers);
    }

    /** As {@link #latest()} says. */
    record Latest() implements Backlog {}

    /**
     * As {@link #newest} says.
     *
     * @param answers how many at most
     */
    record Newest(int answers) implements Backlog {

        /**
         * Checks the bound.
         *
         * @param answers how many at most
         * @throws IllegalArgumentException if {@code answers} is less than 1
         */
        public Newest {
            check(answers);
        }
    }

    /**
     * As {@link #failing} says.
     *
     * @param answers how many at most
     */
    record Failing(int answers) implements Backlog {

        /**
         * Checks the bound.
         *
         * @param answers how many at most
         * @throws IllegalArgumentException if {@code answers} is less than 1
         */
        public Failing {
            check(answers);
        }
    }

    private static void check(int answers) {
        if (answers < 1) {
            throw new IllegalArgumentException("A backlog of " + answers
                    + " answers was asked for; expected 1 or more. Use latest() to keep none.");
        }
    }
}
