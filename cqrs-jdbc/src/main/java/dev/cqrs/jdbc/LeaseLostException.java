package dev.cqrs.jdbc;

import dev.cqrs.message.CqrsException;
import java.time.Duration;

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

    LeaseLostException(String lease, Duration duration, Duration silence, Duration took, Throwable cause) {
        super(
                "The lease \"" + lease + "\" lasts " + duration
                        + ", and the server ends a transaction under it whose client"
                        + " says nothing for " + silence + "; this one had taken " + took
                        + " when its connection was found to be gone, and nothing was written. Give it a longer lease, and"
                        + " the role a longer idle_in_transaction_session_timeout if that is shorter; a smaller batch helps"
                        + " too, unless a single event takes so long.",
                cause);
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
