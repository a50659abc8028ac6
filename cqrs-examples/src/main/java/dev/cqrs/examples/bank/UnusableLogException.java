package dev.cqrs.examples.bank;

/** A log cannot be worked on: its database fails, or it is another file's; the message is one line for the user. */
final class UnusableLogException extends Exception {

    private static final long serialVersionUID = 1L;

    UnusableLogException(String reason) {
        super(onOneLine(reason));
    }

    /** The cause has said it all. */
    UnusableLogException(Exception cause) {
        this(String.valueOf(cause.getMessage()), cause);
    }

    UnusableLogException(String reason, Exception cause) {
        super(onOneLine(reason), cause);
    }

    /** Databases answer in several. */
    private static String onOneLine(String text) {
        return text.strip().replaceAll("\\s+", " ");
    }
}
