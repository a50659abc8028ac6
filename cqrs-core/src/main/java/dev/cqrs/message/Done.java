package dev.cqrs.message;

/**
 * The result of a message that has nothing to tell but that it was carried out.
 *
 * <p>It stands where {@code Void} and {@code null} would: a handler always returns something.
 *
 * <p><b>Threads:</b> immutable.
 */
public enum Done {
    /** The one value. */
    DONE
}
