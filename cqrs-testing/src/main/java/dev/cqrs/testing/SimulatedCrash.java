package dev.cqrs.testing;

/**
 * The process under test has crashed, at one of its {@link CrashPoints}, or did so before.
 *
 * <p>An {@link Error}, so that no {@code catch (Exception)} goes on as if nothing had happened. Code that catches even
 * this does not get far: everything the process reaches its stores by is dead.
 *
 * <p><b>Threads:</b> immutable.
 */
public final class SimulatedCrash extends Error {

    private static final long serialVersionUID = 1L;

    /** The number of the crash point. */
    private final int point;

    SimulatedCrash(int point, String message) {
        super(message);
        this.point = point;
    }

    /**
     * Gives the point at which the process crashed.
     *
     * @return its number, from 1; 0 if the process did not crash, but was ended by a restart
     */
    public int point() {
        return point;
    }
}
