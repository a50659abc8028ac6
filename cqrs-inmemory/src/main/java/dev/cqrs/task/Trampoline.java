package dev.cqrs.task;

import org.jspecify.annotations.Nullable;

/**
 * Runs a task whose step may give the same task to its executor again: an executor that runs it within the call, as {@code
 * Runnable::run} does, makes a loop of it and no recursion.
 *
 * <p><b>Threads:</b> one task is to run at a time; the next may begin on another thread while the step that has asked for it is
 * still on its way out.
 */
public final class Trampoline {

    private volatile @Nullable Turn turn;

    private static final class Turn {
        private final Thread thread = Thread.currentThread();
        private boolean again;
    }

    /**
     * Runs {@code step}, and once more after each run from within which this was called, be it once or often. What a step
     * throws ends it.
     *
     * @param step never {@code null}
     * @return whether it was run here; {@code false} where the step around this call will run once more
     */
    public boolean run(Runnable step) {
        var outer = turn;
        if (outer != null && outer.thread == Thread.currentThread()) {
            outer.again = true;
            return false;
        }
        var own = new Turn();
        turn = own;
        try {
            do {
                own.again = false;
                step.run();
            } while (own.again);
        } finally {
            if (turn == own) {
                turn = null;
            }
        }
        return true;
    }

    /**
     * Says whether the step is being run by the calling thread.
     *
     * @return whether {@link #run} would leave it to the step around the call
     */
    public boolean isRunningHere() {
        var running = turn;
        return running != null && running.thread == Thread.currentThread();
    }
}
