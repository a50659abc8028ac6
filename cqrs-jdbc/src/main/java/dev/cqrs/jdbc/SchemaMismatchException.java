package dev.cqrs.jdbc;

import dev.cqrs.message.CqrsException;

/**
 * A database does not have the tables that this version of the library needs.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class SchemaMismatchException extends CqrsException {

    private static final long serialVersionUID = 1L;

    /** What the library needs. */
    private final int expected;

    /** What the database has. */
    private final int actual;

    SchemaMismatchException(String prefix, int expected, int actual) {
        super("The schema \"" + prefix + "\" has version " + actual + (actual == 0 ? " (there is none)" : "")
                + " in this database; expected " + expected + ". "
                + (actual < expected
                        ? "Run JdbcSchema.of(\"" + prefix + "\").apply(dataSource), or what its sql() prints."
                        : "A newer version of the library has changed it: use that version here as well."));
        this.expected = expected;
        this.actual = actual;
    }

    /**
     * Gives the version that the library needs.
     *
     * @return 1 or more
     */
    public int expected() {
        return expected;
    }

    /**
     * Gives the version that the database has.
     *
     * @return 0 if there is none
     */
    public int actual() {
        return actual;
    }
}
