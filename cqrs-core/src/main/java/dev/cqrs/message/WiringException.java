package dev.cqrs.message;

import java.util.List;

/**
 * The application is wired wrongly: thrown once by a builder's {@code build()}, listing every fault it found.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class WiringException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** What is wrong, one by one. */
    @SuppressWarnings("serial") // a list of List.copyOf is serialisable
    private final List<String> faults;

    /**
     * Makes the exception and its message, one numbered line a fault.
     *
     * @param what what was being built, such as {@code "InMemoryCommandBus"}
     * @param faults each fault: what, which, expected, actual, cure; not empty; copied
     */
    public WiringException(String what, List<String> faults) {
        super(message(what, faults));
        this.faults = List.copyOf(faults);
    }

    /**
     * Gives the faults in the order in which they were found.
     *
     * @return an unmodifiable list, never empty
     */
    public List<String> faults() {
        return faults;
    }

    private static String message(String what, List<String> faults) {
        if (faults.isEmpty()) {
            throw new IllegalArgumentException(
                    "faults of " + what + " are empty: a WiringException tells at least one");
        }
        var text = new StringBuilder(what)
                .append(": ")
                .append(faults.size() == 1 ? "1 fault" : faults.size() + " faults")
                .append(" in the wiring");
        for (int i = 0; i < faults.size(); i++) {
            text.append("\n ").append(i + 1).append(". ").append(faults.get(i));
        }
        return text.toString();
    }
}
