package dev.cqrs.journal;

import dev.cqrs.message.CqrsException;

/**
 * A step of a history cannot be taken; the history is as it was, and can be used.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class HistoryRefusedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The history's scope. */
    private final String scope;
    /** Why it cannot be taken. */
    private final Reason reason;

    /** Why a step cannot be taken. */
    public enum Reason {
        /** There is no command to undo, or none to redo. */
        NOTHING,
        /** The last command gave no inverse; what lies before it cannot be undone either. */
        NOT_UNDOABLE,
        /** The handler rejected what would have to be dispatched: the cause tells why. */
        REJECTED,
        /** An earlier step was cut off, and could not be finished now: the cause tells why. */
        UNFINISHED
    }

    /**
     * Makes the exception and its message.
     *
     * @param scope the history's scope
     * @param reason why the step cannot be taken
     * @param what what, which, expected, actual, cure
     */
    public HistoryRefusedException(String scope, Reason reason, String what) {
        super("In the history of \"" + scope + "\" " + what, false);
        this.scope = scope;
        this.reason = reason;
    }

    /**
     * Makes the exception and its message.
     *
     * @param scope the history's scope
     * @param reason why the step cannot be taken
     * @param what what, which, expected, actual, cure
     * @param cause what was thrown
     */
    public HistoryRefusedException(String scope, Reason reason, String what, Throwable cause) {
        super("In the history of \"" + scope + "\" " + what, cause);
        this.scope = scope;
        this.reason = reason;
    }

    /**
     * Gives the history's scope.
     *
     * @return never {@code null}
     */
    public String scope() {
        return scope;
    }

    /**
     * Gives why the step cannot be taken.
     *
     * @return never {@code null}
     */
    public Reason reason() {
        return reason;
    }
}
