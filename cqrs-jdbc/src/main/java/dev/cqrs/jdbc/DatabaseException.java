package dev.cqrs.jdbc;

import dev.cqrs.message.CqrsException;
import java.sql.SQLException;

/**
 * The database, or the way to it, has failed; nothing was written. The driver's own exception is the cause.
 *
 * <p>Where it cannot be known whether an append was written, that is told by
 * {@link dev.cqrs.eventstore.AppendOutcomeUnknownException}, never by this.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class DatabaseException extends CqrsException {

    private static final long serialVersionUID = 1L;

    DatabaseException(String what, Exception cause) {
        super(what + " failed, and nothing was written: " + cause.getMessage(), cause);
    }

    /**
     * Gives the code by which SQL tells one failure from another.
     *
     * @return five characters, such as {@code 53300} for too many connections; empty if the cause has none
     */
    public String sqlState() {
        return getCause() instanceof SQLException failed && failed.getSQLState() != null ? failed.getSQLState() : "";
    }
}
