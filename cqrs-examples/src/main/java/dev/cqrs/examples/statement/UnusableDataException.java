package dev.cqrs.examples.statement;

/** The bank's files cannot be used; the message is one line for the user. */
public final class UnusableDataException extends Exception {

    private static final long serialVersionUID = 1L;

    UnusableDataException(String where, String reason) {
        super(where + ": " + reason);
    }
}
