package dev.cqrs.examples.bank;

/** A file of transactions cannot be read at all; the message is one line for the user. */
final class UnusableFileException extends Exception {

    private static final long serialVersionUID = 1L;

    UnusableFileException(String file, String reason) {
        super(file + ": " + reason);
    }
}
