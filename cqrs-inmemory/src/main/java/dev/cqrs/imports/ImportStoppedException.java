package dev.cqrs.imports;

import dev.cqrs.event.Position;
import dev.cqrs.message.CqrsException;

/**
 * An import was waited for that has stopped: its translation, its executor or one of the stores failed.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ImportStoppedException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** The name of the source. */
    private final String source;
    /** The place in the source's log. */
    private final long position;

    /**
     * Makes the exception and its message; the failure's cause is the cause.
     *
     * @param failure why the import stopped
     */
    public ImportStoppedException(ImportStatus.Failure failure) {
        super(
                "The import from \"" + failure.source() + "\" stopped at its position " + failure.position() + ": "
                        + failure.cause()
                        + ". Mend the cause and call resume(), or start it anew; it goes on where it stopped.",
                failure.cause());
        this.source = failure.source();
        this.position = failure.position().value();
    }

    /**
     * Gives the name of the source.
     *
     * @return never {@code null}
     */
    public String source() {
        return source;
    }

    /**
     * Gives the position of the source at which it stopped.
     *
     * @return never {@code null}
     */
    public Position position() {
        return Position.of(position);
    }
}
