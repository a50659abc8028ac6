package dev.cqrs.concurrency;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** The planted twin of {@link InPlaceReadVsFold}: the view is changed and read without a lock. */
@JCStressTest
@Outcome(
        id = {"0, 0"},
        expect = Expect.ACCEPTABLE,
        desc = "Before.")
@Outcome(
        id = {"1, 1"},
        expect = Expect.ACCEPTABLE,
        desc = "After.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Half an append: what the twin is to show.")
@State
public class TwinInPlaceReadVsFold {

    private volatile int one;
    private volatile int other;

    /** Pays into two accounts. */
    @Actor
    public void pay() {
        one = 1;
        other = 1;
    }

    /**
     * Reads both.
     *
     * @param result what is in each
     */
    @Actor
    public void read(II_Result result) {
        result.r1 = one;
        result.r2 = other;
    }
}
