package dev.cqrs.message;

/**
 * The root of all exceptions that this library defines.
 *
 * <p>Its messages say what went wrong, with which object, what was expected, what was found, and what cures it. Faults
 * in the calling code stay {@link NullPointerException}, {@link IllegalArgumentException} and
 * {@link IllegalStateException}.
 *
 * <p><b>Threads:</b> immutable apart from what {@link Throwable} allows.
 */
public abstract class CqrsException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception without a cause.
     *
     * @param message what, which, expected, actual, cure
     */
    protected CqrsException(String message) {
        super(message);
    }

    /**
     * Makes an exception with a cause.
     *
     * @param message what, which, expected, actual, cure
     * @param cause what led to it
     */
    protected CqrsException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * Makes an exception that may do without a stack trace, for outcomes that are part of normal work.
     *
     * @param message what, which, expected, actual, cure
     * @param stackTrace whether to fill in the stack trace, which costs more than most of what surrounds it
     */
    protected CqrsException(String message, boolean stackTrace) {
        super(message, null, true, stackTrace);
    }
}
