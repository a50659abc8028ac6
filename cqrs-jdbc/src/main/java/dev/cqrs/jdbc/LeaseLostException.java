package dev.cqrs.jdbc;

import dev.cqrs.message.CqrsException;

/**
 * A lease is not held any more: it ran out, was released, or has another owner; nothing was written.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class LeaseLostException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The lease's name. */
    private final String lease;

    LeaseLostException(String lease, String owner, long fence) {
        super("The lease \"" + lease + "\" is not held by \"" + owner + "\" "
                + (fence == 0 ? "" : "(fence " + fence + ") any more")
                + ": it ran out or was released, and may have another owner; nothing was written. Acquire it again, and"
                + " read what it guards again before writing.");
        this.lease = lease;
    }

    /**
     * Gives the lease's name.
     *
     * @return never {@code null}
     */
    public String lease() {
        return lease;
    }
}
