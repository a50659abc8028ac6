package dev.cqrs.task;

import java.util.function.Consumer;

/** Calls to what the user wants to be told by, which may throw and must not disturb who tells. */
public final class Listeners {

    /** Where the same object is thrown each time, as an exception that is made once: it must not grow for ever. */
    private static final int KEPT_AT_MOST = 16;

    private Listeners() {}

    /**
     * Tells; what the listener throws is {@linkplain #hand handed} to the thread.
     *
     * @param <T> the class of the news
     * @param listener may throw anything
     * @param news what it is told
     */
    public static <T> void tell(Consumer<? super T> listener, T news) {
        try {
            listener.accept(news);
        } catch (Throwable thrown) {
            hand(thrown);
        }
    }

    /**
     * Tells of something that was thrown, which is kept with what the listener throws, unless that has many already.
     *
     * @param <T> the class of the news
     * @param listener may throw anything, also what it is told of
     * @param news what it is told
     * @param cause what was thrown before
     */
    public static <T> void tell(Consumer<? super T> listener, T news, Throwable cause) {
        try {
            listener.accept(news);
        } catch (Throwable thrown) {
            keep(thrown, cause);
            hand(thrown);
        }
    }

    /**
     * Keeps something that was thrown with what was thrown of it, unless that has many already.
     *
     * @param thrown may be the same as the other
     * @param cause what was thrown before
     */
    public static void keep(Throwable thrown, Throwable cause) {
        keep(thrown, cause, 0);
    }

    /**
     * Keeps something that was thrown with something else, unless that has many already, and so many more.
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

    /**
     * Gives what nobody else is told to this thread's handler of uncaught exceptions. What the handler itself throws is passed
     * over, as the virtual machine does where a thread ends. What was thrown for an interrupt leaves the thread interrupted.
     *
     * @param thrown what nobody caught
     */
    public static void hand(Throwable thrown) {
        var thread = Thread.currentThread();
        try {
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        } catch (Throwable passedOver) {
            return;
        } finally {
            if (thrown instanceof InterruptedException) { // which no signature allowed
                thread.interrupt();
            }
        }
    }
}
