package dev.cqrs.jdbc;

import dev.cqrs.message.CqrsException;
import java.sql.SQLException;

/**
 * The database, or the way to it, has failed. The driver's own exception is the cause.
 *
 * <p>What the call was to write was not written, unless the message says that this is not known: a checkpoint, a lease or the
 * schema may have been, if the connection was lost at the wrong moment. Each may simply be written again. What was committed
 * before the call stands: where a read has failed, the message tells what could not be read, and no more.
 *
 * <p>Where it cannot be known whether an append was written, that is told by
 * {@link dev.cqrs.eventstore.AppendOutcomeUnknownException}, never by this.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class DatabaseException extends CqrsException {

    private static final long serialVersionUID = 1L;

    DatabaseException(String what, Exception cause) {
        this(what, " failed, and nothing was written: ", cause);
    }

    private DatabaseException(String what, String consequence, Exception cause) {
        super(what + consequence + cause.getMessage(), cause);
    }

    /** For what writes nothing: a word about writing would be taken for one about what the caller has written before. */
    static DatabaseException ofRead(String what, SQLException cause) {
        return new DatabaseException(what, " failed: ", cause);
    }

    /** For what may be done again: says whether it is known that nothing was written. */
    static DatabaseException ofRepeatable(String what, SQLException cause) {
        return GroupCommit.isRefusal(cause)
                ? new DatabaseException(what, cause)
                : new DatabaseException(
                        what, " failed, and it is not known whether it was written; do it again: ", cause);
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
