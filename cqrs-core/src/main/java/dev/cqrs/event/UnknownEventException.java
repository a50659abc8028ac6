package dev.cqrs.event;

import dev.cqrs.event.Catalog.Revision;
import dev.cqrs.message.CqrsException;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

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

    private UnknownEventException(Revision stored, String known, String cure) {
        super("The catalog does not know the stored event " + stored + "; it knows " + known + ". " + cure
                + ", or leave such events out with Catalog.builder().unknown(Unknown.SKIP).");
        this.type = stored.name();
    }

    private UnknownEventException(Class<?> type, Class<?> known) {
        super("The catalog does not know the event type " + type.getName() + " of the class loader "
                + type.getClassLoader() + "; it knows one of that name of " + known.getClassLoader()
                + ". Have both loaded by one, as the dependency of one module.");
        this.type = type.getName();
    }

    static UnknownEventException ofAnotherLoader(Class<?> type, Class<?> known) {
        return new UnknownEventException(type, known);
    }

    private UnknownEventException(UnknownEventException same, Position position) {
        super("At position " + position + ": " + same.getMessage());
        this.type = same.type;
        setStackTrace(same.getStackTrace());
    }

    UnknownEventException at(Position position) {
        return new UnknownEventException(this, position);
    }

    static UnknownEventException stored(Revision stored, Set<Revision> known) {
        var last = known.stream()
                .filter(revision -> revision.name().equals(stored.name()))
                .mapToInt(Revision::number)
                .max();
        return last.isPresent()
                ? new UnknownEventException(
                        stored,
                        "revision " + last.getAsInt() + " and below",
                        "A newer version of the application has written it: run that version here as well")
                : new UnknownEventException(
                        stored,
                        known.isEmpty()
                                ? "none"
                                : known.stream()
                                        .map(Revision::name)
                                        .collect(Collectors.toCollection(TreeSet::new))
                                        .toString(),
                        "Add it with event(name, revision, class), say what it becomes with"
                                + " upcast(Upcaster.from(name, revision)...)");
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
