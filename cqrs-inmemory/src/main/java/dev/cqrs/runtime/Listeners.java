package dev.cqrs.runtime;

import java.util.function.Consumer;

/** Calls to what the user wants to be told by. */
final class Listeners {

    private Listeners() {}

    /** Tells; what the listener throws goes to the thread's handler, and disturbs nobody. */
    static <T> void tell(Consumer<? super T> listener, T news) {
        try {
            listener.accept(news);
        } catch (Throwable thrown) {
            hand(thrown);
        }
    }

    /** What the handler itself throws is passed over, as the virtual machine does where a thread ends. */
    private static void hand(Throwable thrown) {
        var thread = Thread.currentThread();
        try {
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        } catch (Throwable passedOver) {
            return;
        }
    }

    /** Tells of something that was thrown, which is kept with what the listener throws. */
    static <T> void tell(Consumer<? super T> listener, T news, Throwable cause) {
        tell(
                told -> {
                    try {
                        listener.accept(told);
                    } catch (Throwable thrown) {
                        if (thrown != cause) {
                            thrown.addSuppressed(cause);
                        }
                        throw thrown;
                    }
                },
                news);
    }
}
