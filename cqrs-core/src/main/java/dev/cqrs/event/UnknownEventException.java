package dev.cqrs.event;

import dev.cqrs.message.CqrsException;

/**
 * An event, or a query for events, has a class or a name that the catalog does not know.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class UnknownEventException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** What is not known. */
    private final String type;

    /**
     * Makes the exception and its message.
     *
     * @param type the class's name, or the stored name, that is not known
     * @param known what the catalog knows instead
     */
    public UnknownEventException(String type, String known) {
        super("The catalog does not know the event type " + type + "; it knows " + known
                + ". Add it with Catalog.builder().event(name, class, tags).");
        this.type = type;
    }

    /**
     * Gives the class's name, or the stored name, that is not known.
     *
     * @return never {@code null}
     */
    public String type() {
        return type;
    }
}
