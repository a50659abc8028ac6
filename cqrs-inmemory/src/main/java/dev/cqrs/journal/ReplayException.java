package dev.cqrs.journal;

import dev.cqrs.message.CqrsException;
import dev.cqrs.task.Reasons;
import java.util.List;

/**
 * A replay was refused, as the journal does not hold what it takes; or it stopped, as a command that once succeeded did not
 * now.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class ReplayException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** What stands in the way. */
    private final transient List<String> faults;
    /** How many commands were dispatched before. */
    private final long dispatched;

    /**
     * Makes the exception of a replay that was refused, and its message.
     *
     * @param faults the first of what stands in the way, one line for each entry
     * @param more how many entries more stand in the way
     */
    public ReplayException(List<String> faults, long more) {
        super("The journal cannot be replayed; nothing was dispatched. What stands in the way:"
                + String.join("", faults.stream().map(fault -> "\n - " + fault).toList())
                + (more == 0 ? "" : "\n - and " + more + " more")
                + "\nReplay a range without these; an unknown outcome can be told by settle(...).");
        this.faults = List.copyOf(faults);
        this.dispatched = 0;
    }

    /**
     * Makes the exception of a replay that has stopped, and its message.
     *
     * @param entry says which command it was
     * @param dispatched how many commands were dispatched before, and succeeded
     * @param cause what was thrown
     */
    public ReplayException(String entry, long dispatched, Throwable cause) {
        super(
                "The replay stopped at " + entry + ", which once succeeded, after " + dispatched
                        + " commands: " + Reasons.of(cause)
                        + ". The application was not as fresh as the first one, or commands took effect in another order"
                        + " than the journal knows: see noting(...).",
                cause);
        this.faults = List.of(entry);
        this.dispatched = dispatched;
    }

    /**
     * Gives what stands in the way, one line for each entry, the first hundred at most.
     *
     * @return an unmodifiable list; empty in an exception that was serialised and read again
     */
    public List<String> faults() {
        return faults == null ? List.of() : faults;
    }

    /**
     * Tells how many commands were dispatched, and succeeded.
     *
     * @return 0 if the replay was refused
     */
    public long dispatched() {
        return dispatched;
    }
}
