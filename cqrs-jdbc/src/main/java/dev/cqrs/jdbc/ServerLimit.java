package dev.cqrs.jdbc;

import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.postgresql.util.PSQLException;

/**
 * Limits that PostgreSQL has come to by itself, and tells by the same code as what is too large to be kept: its queue of NOTIFY
 * is full, or it gives no more numbers to transactions. Nothing that was to be written is at fault.
 */
final class ServerLimit {

    /** Another code of class 54 is always the statement's. */
    private static final String CODE = "54000";

    /** Who in the server finds it: texts are in the server's language. */
    private static final Set<String> ROUTINES = Set.of("PreCommit_Notify", "GetNewTransactionId", "GetNewMultiXactId");

    private ServerLimit() {}

    /** Says whether the server has told of one; never, if the driver is another one. */
    static boolean isIn(Exception failed) {
        try {
            return failed instanceof PSQLException told
                    && told.getServerErrorMessage() != null
                    && isFoundBy(told.getServerErrorMessage().getRoutine(), told.getSQLState());
        } catch (LinkageError otherDriver) {
            return false;
        }
    }

    static boolean isFoundBy(@Nullable String routine, @Nullable String code) {
        return CODE.equals(code) && routine != null && ROUTINES.contains(routine);
    }
}
