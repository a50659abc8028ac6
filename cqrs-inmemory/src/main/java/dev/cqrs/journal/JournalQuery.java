package dev.cqrs.journal;

import dev.cqrs.journal.JournalEntry.Outcome;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Which entries of a journal are meant, and in which order: those that every part which is given fits.
 *
 * <p><b>Order:</b> that in which the commands started. Where {@link #outcome} asks for anything but
 * {@link Outcome#UNKNOWN}, that in which they ended, as that is where these entries are found.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class JournalQuery {

    private static final JournalQuery ALL = new JournalQuery(
            Optional.empty(),
            Optional.empty(),
            Set.of(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            false);

    private final Optional<Instant> from;
    private final Optional<Instant> before;
    private final Set<Class<?>> commands;
    private final Optional<String> id;
    private final Optional<String> correlation;
    private final Optional<Outcome> outcome;
    private final Optional<JournalEntry> after;
    private final boolean newestFirst;

    private JournalQuery(
            Optional<Instant> from,
            Optional<Instant> before,
            Set<Class<?>> commands,
            Optional<String> id,
            Optional<String> correlation,
            Optional<Outcome> outcome,
            Optional<JournalEntry> after,
            boolean newestFirst) {
        this.from = from;
        this.before = before;
        this.commands = commands;
        this.id = id;
        this.correlation = correlation;
        this.outcome = outcome;
        this.after = after;
        this.newestFirst = newestFirst;
    }

    /**
     * All entries, the oldest first.
     *
     * @return always the same instance
     */
    public static JournalQuery all() {
        return ALL;
    }

    /**
     * Leaves out commands that started earlier.
     *
     * @param from by the clock of the operations log
     * @return a copy with this bound
     */
    public JournalQuery from(Instant from) {
        Objects.requireNonNull(from, "from");
        return new JournalQuery(Optional.of(from), before, commands, id, correlation, outcome, after, newestFirst);
    }

    /**
     * Leaves out commands that started then or later.
     *
     * @param before by the clock of the operations log
     * @return a copy with this bound
     */
    public JournalQuery before(Instant before) {
        Objects.requireNonNull(before, "before");
        return new JournalQuery(from, Optional.of(before), commands, id, correlation, outcome, after, newestFirst);
    }

    /**
     * Only commands of the given classes.
     *
     * @param command a class that the catalog of the operations log knows, or one above several
     * @param more further ones
     * @return a copy with this choice in place of an earlier one
     */
    public JournalQuery commands(Class<?> command, Class<?>... more) {
        var all = new HashSet<Class<?>>(Arrays.asList(more));
        all.add(Objects.requireNonNull(command, "command"));
        return new JournalQuery(from, before, Set.copyOf(all), id, correlation, outcome, after, newestFirst);
    }

    /**
     * Only commands with an id; there are several entries if it was sent several times.
     *
     * @param id the id
     * @return a copy with this choice
     */
    public JournalQuery id(String id) {
        Objects.requireNonNull(id, "id");
        return new JournalQuery(from, before, commands, Optional.of(id), correlation, outcome, after, newestFirst);
    }

    /**
     * Only commands with a correlation id.
     *
     * @param correlation the id
     * @return a copy with this choice
     */
    public JournalQuery correlation(String correlation) {
        Objects.requireNonNull(correlation, "correlation");
        return new JournalQuery(from, before, commands, id, Optional.of(correlation), outcome, after, newestFirst);
    }

    /**
     * Only commands of which this became.
     *
     * @param outcome what became of them
     * @return a copy with this choice, and the order that goes with it
     */
    public JournalQuery outcome(Outcome outcome) {
        Objects.requireNonNull(outcome, "outcome");
        return new JournalQuery(from, before, commands, id, correlation, Optional.of(outcome), after, newestFirst);
    }

    /**
     * Only what comes behind an entry in the order of this query, for the next page.
     *
     * @param last the last entry of the page before, given by a query that differs from this one in nothing else
     * @return a copy that goes on there
     */
    public JournalQuery after(JournalEntry last) {
        Objects.requireNonNull(last, "last");
        return new JournalQuery(from, before, commands, id, correlation, outcome, Optional.of(last), newestFirst);
    }

    /**
     * Turns the order around.
     *
     * @return a copy that gives the newest entry first
     */
    public JournalQuery newestFirst() {
        return new JournalQuery(from, before, commands, id, correlation, outcome, after, true);
    }

    Optional<Instant> from() {
        return from;
    }

    Optional<Instant> before() {
        return before;
    }

    Set<Class<?>> commands() {
        return commands;
    }

    Optional<String> id() {
        return id;
    }

    Optional<String> correlation() {
        return correlation;
    }

    Optional<Outcome> outcome() {
        return outcome;
    }

    Optional<JournalEntry> after() {
        return after;
    }

    boolean isNewestFirst() {
        return newestFirst;
    }

    /** Whether the ends are looked through, and not the starts. */
    boolean isOfEnds() {
        return outcome.isPresent() && outcome.get() != Outcome.UNKNOWN;
    }

    /** Whether what became of a command matters to the choice. */
    boolean fits(JournalEntry entry) {
        return (outcome.isEmpty() || outcome.get() == entry.outcome())
                && (before.isEmpty() || entry.at().isBefore(before.get()))
                && (from.isEmpty() || !entry.at().isBefore(from.get()));
    }

    @Override
    public String toString() {
        return "commands"
                + (commands.isEmpty()
                        ? ""
                        : commands.stream()
                                .map(Class::getSimpleName)
                                .sorted()
                                .collect(Collectors.joining(" or ", " ", "")))
                + id.map(value -> " of id " + value).orElse("")
                + correlation.map(value -> " of correlation " + value).orElse("")
                + outcome.map(value -> " with outcome " + value).orElse("")
                + from.map(value -> " from " + value).orElse("")
                + before.map(value -> " before " + value).orElse("")
                + after.map(value -> " after the entry at " + value.position()).orElse("")
                + (newestFirst ? ", newest first" : "");
    }
}
