package dev.cqrs.task;

import java.util.function.Consumer;

/** Calls to what the user wants to be told by, which may throw and must not disturb who tells. */
public final class Listeners {

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
            Thrown.keep(thrown, cause);
            hand(thrown);
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
